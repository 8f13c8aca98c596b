/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The etcd source: what its URI says.
 *
 *     etcd://host[:port][,host[:port]...]/prefix[?option=value&...]
 *     etcds://...: the same with TLS
 *
 * The port is 2379 unless said otherwise; an IPv6 address stands in brackets.
 * The documents are the keys below prefix + "/"; a name is the rest of the key.
 * Version 3 of the API is spoken, through the JSON gateway that members have on
 * their client port (3.4 and newer). Options:
 *
 *     auth_file            a file with one line, user:password
 *     mode, interval, audit
 *                          see source/pace.h
 *
 * With TLS, none of them needed, all in PEM format:
 *
 *     ca_file              the certificates of those who vouch for members; the
 *                          system's unless given
 *     cert_file, key_file  our certificate, and its private key
 *
 * Parts: etcd.c follows; etcd_model.c is what was told; etcd_ask.c and
 * etcd_answer.c are the bytes of the API; etcd_write.c writes; etcd_target.c
 * reads the URI.
 */
#ifndef ZKCFG_SOURCE_ETCD_H
#define ZKCFG_SOURCE_ETCD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "http/http.h"
#include "source/pace.h"
#include "source/source.h"

#define ETCD_PORT "2379"
/* A document's bytes. */
#define ETCD_DOCUMENT_MOST_BYTES ((size_t)16 << 20)

struct etcd_target {
	char **endpoints; /* "http://host:port" */
	size_t endpoint_count;
	char *prefix; /* ends in '/' */
	char *end;    /* the first key behind all that begin with prefix */
	char *auth_file, *ca_file, *cert_file, *key_file; /* NULL: none */
	struct pace pace;
	bool is_tls;
};

/* 0, or -EINVAL or -ENOMEM and message. Ends with etcd_target_free(). */
int etcd_target_parse(const char *uri, struct etcd_target *target, struct message *message);
void etcd_target_free(struct etcd_target *target);
/* Whether the files that it names can be read. 0 or a negative errno and message. */
int etcd_target_check_files(const struct etcd_target *target, struct message *message);
struct http_tls etcd_target_tls(const struct etcd_target *target);

/*
 * The body that asks for a token with what auth_file says; an empty one where
 * there is none. 0 or a negative errno and message, which never shows any of it.
 * Ends with etcd_secret_free().
 */
int etcd_secret_read(const struct etcd_target *target, struct buffer *body, struct message *message);
/* Wipe and free. */
void etcd_secret_free(struct buffer *body);

enum source_result etcd_put(const char *uri, const struct source_change *change, int64_t *version,
			    struct message *message);
enum source_result etcd_remove(const char *uri, const struct source_change *change, struct message *message);

extern const struct source_ops etcd_source;	/* etcd:// */
extern const struct source_ops etcd_tls_source; /* etcds:// */

#endif
