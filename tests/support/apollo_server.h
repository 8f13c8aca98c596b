/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stand-in for Apollo in a test's process, on a thread of its own: a meta
 * server and two config servers on free ports of the loopback interface, over
 * one database, for app "app" and cluster "default".
 *
 * Written from Apollo's documentation ("Other language client user guide") and
 * the sources of its config service, not from ours: notifications carry ids of
 * one counter; a long poll is answered with one namespace, a question that is
 * behind with all; a rollback brings the release key of before; a server that
 * lags has a cache, which the ids in `messages` renew; 404 in Spring's words.
 *
 * Any function but new and free may be called while it serves.
 */
#ifndef ZKCFG_TESTS_SUPPORT_APOLLO_SERVER_H
#define ZKCFG_TESTS_SUPPORT_APOLLO_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct apollo_server;

enum apollo_endpoint { APOLLO_META, APOLLO_NOTIFICATIONS, APOLLO_CONFIGS };

/* What goes wrong with each request of an endpoint. */
struct apollo_fault {
	int status;	  /* this one; 0: as it should be */
	const char *body; /* this, with status or 200; NULL: as it should be */
	int delay_ms;	  /* so much later */
	bool is_half;	  /* and it ends in the middle */
	unsigned count;	  /* so many times; 0: until it is taken back */
};

/* Serves at once, with nothing in it; the meta server names config server 0 only. */
struct apollo_server *apollo_server_new(void);
void apollo_server_free(struct apollo_server *server);

/* "127.0.0.1:PORT" of the meta server. */
const char *apollo_server_meta(const struct apollo_server *server);
int apollo_server_port(const struct apollo_server *server, int member);

/* configurations: a JSON object. */
void apollo_server_publish(struct apollo_server *server, const char *name, const char *configurations);
/* The one key "content". */
void apollo_server_publish_xml(struct apollo_server *server, const char *name, const char *text);
/* The release before counts again. */
void apollo_server_rollback(struct apollo_server *server, const char *name);
/* A gray release of somebody else's: an id, and nothing else. */
void apollo_server_touch(struct apollo_server *server, const char *name);
/* The namespace is deleted; id included. */
void apollo_server_remove(struct apollo_server *server, const char *name);
/* A release takes the place of the newest one without any id: a rule of a gray release, late. */
void apollo_server_replace(struct apollo_server *server, const char *name, const char *configurations);
/* All that was published since server_new() or the last keep() is gone, as after a restored backup. */
void apollo_server_keep(struct apollo_server *server);
void apollo_server_restore(struct apollo_server *server);

/* The meta server names these: bit 0 and bit 1. */
void apollo_server_name(struct apollo_server *server, unsigned members);
/* NULL: none any more. Copied, but for body. */
void apollo_server_fault(struct apollo_server *server, enum apollo_endpoint endpoint,
			 const struct apollo_fault *fault);
/* Stop listening and cut all connections, or begin again; returns when it is so. -1: the meta server. */
void apollo_server_stop(struct apollo_server *server, int member);
void apollo_server_start(struct apollo_server *server, int member);
/* Begin again with TLS and this certificate; NULL: without. -1: the meta server. */
void apollo_server_use_tls(struct apollo_server *server, int member, const char *cert_file,
			   const char *key_file);
/* It knows nothing that is published from now on, but for what `messages` make it look for. */
void apollo_server_lag(struct apollo_server *server, int member, bool is_lagging);
/* Long polls are told of nothing. */
void apollo_server_lose_notifications(struct apollo_server *server, bool is_losing);
/* How long a long poll is held; 60000 unless said otherwise. */
void apollo_server_hold(struct apollo_server *server, int hold_ms);
/* Requests must be signed with it; NULL: need not. */
void apollo_server_require(struct apollo_server *server, const char *secret);
/* A release is answered as a difference where a key is sent, as newer servers can be told to do. */
void apollo_server_differences(struct apollo_server *server, bool is_on);

struct apollo_counts {
	unsigned meta, notifications;		       /* requests */
	unsigned polls_held;			       /* under way now */
	unsigned found, same, missing, refused;	       /* releases: 200, 304, 404, 401 */
	unsigned found_by[2];			       /* 200 of each config server */
	size_t body_bytes;			       /* of releases */
	char config_uri[2048], notification_uri[8192]; /* of the last request */
	char authorization[256], timestamp[64];
};

void apollo_server_count(struct apollo_server *server, struct apollo_counts *counts);

#endif
