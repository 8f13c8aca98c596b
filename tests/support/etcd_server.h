/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A real etcd for a test: Debian's etcd-server, in a temporary directory, on free
 * ports of the loopback interface; and what others would write into it.
 *
 * Whatever goes wrong fails the test that runs, with a sentence that says what;
 * a server that is not installed does so too. A server dies with the process
 * that started it. Not here: what is tested.
 */
#ifndef ZKCFG_TESTS_SUPPORT_ETCD_SERVER_H
#define ZKCFG_TESTS_SUPPORT_ETCD_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "http/http.h"

struct etcd_server;

/* A directory and ports, and nothing running yet. Ends with etcd_server_free(). */
struct etcd_server *etcd_server_new(void);
/* The same, below a directory of the caller's instead of /tmp. */
struct etcd_server *etcd_server_new_below(const char *directory);
/* So many that know each other. */
void etcd_server_new_cluster(struct etcd_server **servers, size_t count);
/* Stop it if it runs, and remove the directory. NULL is allowed. */
void etcd_server_free(struct etcd_server *server);

/* Before it starts: one more argument; TLS with these files, tls for what is posted here. */
void etcd_server_add(struct etcd_server *server, const char *argument);
void etcd_server_use_tls(struct etcd_server *server, const char *cert_file, const char *key_file,
			 const struct http_tls *tls);

/* Returns when it serves, which a member of a cluster does when most of them do. */
void etcd_server_start(struct etcd_server *server);
void etcd_server_begin(struct etcd_server *server);
void etcd_server_await(struct etcd_server *server);
/* By SIGKILL; returns when it has ended. */
void etcd_server_kill(struct etcd_server *server);
/* SIGSTOP and SIGCONT. */
void etcd_server_pause(struct etcd_server *server);
void etcd_server_resume(struct etcd_server *server);
/* While it does not run: remember its data, and put what was remembered in place of it. */
void etcd_server_keep_data(const struct etcd_server *server);
void etcd_server_restore_data(const struct etcd_server *server);

int etcd_server_port(const struct etcd_server *server);
/* "127.0.0.1:PORT", as a URI has it. */
const char *etcd_server_hosts(const struct etcd_server *server);
bool etcd_server_is_leader(const struct etcd_server *server);

/*
 * Start it with users: root, who posts from now on, and ETCD_SERVER_USER, who has role "reader" of all
 * below /t/. Their tokens are good for so long, unused.
 */
void etcd_server_start_with_users(struct etcd_server *server, int token_s);
#define ETCD_SERVER_USER "u:p:\"w" /* as an auth_file has it */

/* Who posts, from now on; NULL: nobody by name. */
void etcd_server_log_in(struct etcd_server *server, const char *user, const char *password);
/* Let the role "reader" read and write below /t/, or no more. */
void etcd_server_grant(const struct etcd_server *server, bool is_granted);
/* Post a body; the answer, of status 200, is the caller's to free. */
char *etcd_server_post(const struct etcd_server *server, const char *path, const char *body);
/* What it says of itself: a line of its metrics. */
int64_t etcd_server_metric(const struct etcd_server *server, const char *name);

void etcd_server_put_bytes(const struct etcd_server *server, const char *key, const void *bytes,
			   size_t size_bytes);
void etcd_server_put(const struct etcd_server *server, const char *key, const char *text);
/* One text for all of these keys, in one transaction; NULL ends them. */
void etcd_server_put_all(const struct etcd_server *server, const char *const *keys, const char *text);
/* One that ends in '/': all that begin with it. */
void etcd_server_delete(const struct etcd_server *server, const char *key);
int64_t etcd_server_revision(const struct etcd_server *server);
void etcd_server_compact(const struct etcd_server *server, int64_t revision);

/* In base64; the caller's to free. */
char *etcd_server_encode(const void *bytes, size_t size_bytes);

#endif
