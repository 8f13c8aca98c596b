/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Apollo source: what its URI says.
 *
 *     apollo://meta-host[:port][,meta-host[:port]...]/APPID/CLUSTER?namespaces=a.xml,b&...
 *     apollos://...: the same by https, for meta servers and config servers alike
 *
 * The port is 8080 unless said otherwise, with TLS 443; an IPv6 address stands
 * in brackets. Options:
 *
 *     namespaces           needed: the namespaces to follow, with commas
 *                          between. x.xml is a document of that name as it
 *                          stands there; one without a suffix holds properties
 *                          and becomes <configuration><entry name="key">value
 *                          of each, sorted by key, in a document of the
 *                          namespace's name. x.properties is x, as in Apollo.
 *                          Other formats are refused: they hold no XML.
 *     ip, label            told to Apollo, for its gray releases; without ip it
 *                          takes the address that we come from
 *     secret_file          a file with one line, the app's access key: requests
 *                          are signed with it
 *     ca_file, cert_file, key_file
 *                          PEM files for https
 *     mode, interval, audit
 *                          see source/pace.h
 *
 * Revisions. Apollo has no order over releases: a release key begins with a
 * second and ends in a hash, and a rollback brings an old one back. What rises
 * with each publish, rollback, gray release and removal is the notification
 * id: the row of its release message, in the transaction of the change itself,
 * from one counter for all namespaces of a server's database. So `modified` is
 * the newest notification id that was known before the content was asked for:
 * ids first, then content, which is asked for with these ids (`messages`), so
 * that no config server, however far it lags, answers with what is older. The
 * content may be newer than its id; then the id rises a moment later, and the
 * content is told once more under it. So the id that a version ends up with
 * does not depend on when we looked, and a restart finds it again: nothing is
 * committed for that. Each rise is told, if with equal bytes: what was told
 * under an id that was too low may have been refused for it.
 *
 * Two contents can meet under one id: right before a rise, or where a rule of
 * a gray release takes effect late. `created` is a hash of the release key, so
 * that they are not taken for one. Content that changes while its id stays is
 * believed after it was seen APOLLO_SURE times, APOLLO_RECHECK_MS apart.
 * Where ids themselves go back for so long, the database is another one (a
 * backup): the lower ids are told, and it is up to the operator.
 *
 * Parts: apollo_target.c reads the URI; apollo_request.c says what is asked;
 * apollo_answer.c reads answers; apollo_namespace.c knows of one namespace what
 * was told; apollo.c asks, and decides when.
 */
#ifndef ZKCFG_SOURCE_APOLLO_H
#define ZKCFG_SOURCE_APOLLO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "source/pace.h"
#include "source/source.h"

#define APOLLO_PORT "8080"
#define APOLLO_TLS_PORT "443"
/* All of them are in one URL, of which a config server takes 8 KiB. */
#define APOLLO_NAMESPACES_MOST 64
#define APOLLO_NAMES_MOST_BYTES 2048
#define APOLLO_NAME_MOST_BYTES 128
#define APOLLO_DOCUMENT_MOST_BYTES (16 * 1024 * 1024)
/* A server looks for release messages each second. */
#define APOLLO_LAG_MS 1000
#define APOLLO_RECHECK_MS 1100
#define APOLLO_SURE 3

struct apollo_name {
	char *name; /* as Apollo has it, and the document's */
	bool is_xml;
};

struct apollo_target {
	bool is_tls;
	char **metas; /* "http://host:port" */
	size_t meta_count;
	char *app, *cluster;
	struct apollo_name *names;
	size_t name_count;
	char *ip, *label; /* NULL: none; so are the others */
	char *secret_file;
	char *ca_file, *cert_file, *key_file;
	struct pace pace;
};

/* 0, or -EINVAL or -ENOMEM and message. Ends with apollo_target_free(). */
int apollo_target_parse(const char *uri, struct apollo_target *target, struct message *message);
void apollo_target_free(struct apollo_target *target);

/*
 * The secret of target->secret_file; NULL if there is no such option. 0 or a
 * negative errno and message, which never shows any of it. Ends with
 * secret_free().
 */
int apollo_secret_read(const struct apollo_target *target, char **secret, struct message *message);

extern const struct source_ops apollo_source;	  /* apollo:// */
extern const struct source_ops apollo_tls_source; /* apollos:// */

#endif
