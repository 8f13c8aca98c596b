/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ZooKeeper source: what its URI says.
 *
 *     zk://host[:port][,host[:port]...]/path[?option=value&...]
 *     zks://...: the same with TLS, where the client library has it
 *
 * The port is 2181 unless said otherwise, with TLS 2281; an IPv6 address stands
 * in brackets.
 * The path is the set's root: a subtree, or a single znode. Options:
 *
 *     session_timeout_ms   1000 to 600000, 10000 unless given: after how long
 *                          without an answer we are away
 *     auth_file            a file with one line, user:password, for the digest
 *                          scheme
 *     mode, interval, audit
 *                          see source/pace.h
 *     splay                a duration, up to 10m, 0 unless given: changes are
 *                          fetched after a part of it that differs from host to
 *                          host
 *     splay_seed           what that part is derived from; the host's name
 *                          unless given
 *
 * With TLS, of which the first three are needed, all in PEM format:
 *
 *     ca_file              the certificates of those who vouch for servers
 *     cert_file            our certificate, then those between it and its CA
 *     key_file             its private key
 *     key_password_file    a file with one line, the password of the key
 *
 * Parts: zookeeper.c follows, on sessions of zookeeper_session.c;
 * zookeeper_write.c writes; zookeeper_handle.c is what both have of the C client;
 * zookeeper_tls.c is what it takes with TLS; zookeeper_target.c reads the URI. Which znodes to read when is not here but in
 * subscription.c.
 */
#ifndef ZKCFG_SOURCE_ZOOKEEPER_H
#define ZKCFG_SOURCE_ZOOKEEPER_H

#include <stddef.h>
#include <stdint.h>

#include "source/pace.h"
#include "source/source.h"

#define ZOOKEEPER_PORT "2181"
#define ZOOKEEPER_TLS_PORT "2281"
#define ZOOKEEPER_TIMEOUT_MS 10000
#define ZOOKEEPER_TIMEOUT_LEAST_MS 1000
#define ZOOKEEPER_TIMEOUT_MOST_MS 600000
#define ZOOKEEPER_SPLAY_MOST_MS (10 * 60000)

/* Where no audit is given, a large tree is not looked at faster than this: 16 znodes a second. */
#define ZOOKEEPER_AUDIT_LEAST_NS (CLOCK_NS_PER_S / 16)

/* What a server takes in one request, unless its jute.maxbuffer says otherwise. */
#define ZOOKEEPER_REQUEST_MOST_BYTES 1048575
/*
 * After a reconnect the client sets all watches of a session in one packet. One
 * beyond what the server takes would end in reconnects for ever. The margin is
 * for the packet's headers.
 */
#define ZOOKEEPER_WATCHES_MOST_BYTES (ZOOKEEPER_REQUEST_MOST_BYTES - 128 * 1024)

struct zookeeper_tls {
	char *ca_file, *cert_file, *key_file;
	char *key_password_file; /* NULL: none */
};

struct zookeeper_target {
	char *hosts; /* host:port,host:port as the C client reads it */
	char *path;
	char *auth_file; /* NULL: none */
	int session_timeout_ms;
	struct pace pace;
	int64_t splay_ms;	   /* 0: none */
	char *splay_seed;	   /* NULL: the host's name */
	struct zookeeper_tls *tls; /* NULL: none */
};

/* 0, or -EINVAL or -ENOMEM and message. Ends with zookeeper_target_free(). */
int zookeeper_target_parse(const char *uri, struct zookeeper_target *target, struct message *message);
void zookeeper_target_free(struct zookeeper_target *target);

/* NULL: out of memory. Ends with zookeeper_tls_free(). */
struct zookeeper_tls *zookeeper_tls_copy(const struct zookeeper_tls *tls);
/* NULL is allowed. */
void zookeeper_tls_free(struct zookeeper_tls *tls);

/*
 * The secret of target->auth_file, "user:password"; NULL if there is no such
 * option. 0 or a negative errno and message, which never shows any of it. Ends
 * with secret_free().
 */
int zookeeper_secret_read(const struct zookeeper_target *target, char **secret, struct message *message);
/* The same for the password of tls->key_password_file, "password". */
int zookeeper_key_password_read(const struct zookeeper_tls *tls, char **password, struct message *message);

enum source_result zookeeper_put(const char *uri, const struct source_change *change, int64_t *version,
				 struct message *message);
enum source_result zookeeper_remove(const char *uri, const struct source_change *change,
				    struct message *message);

extern const struct source_ops zookeeper_source;     /* zk:// */
extern const struct source_ops zookeeper_tls_source; /* zks:// */

#endif
