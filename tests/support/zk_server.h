/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A real ZooKeeper server for a test: Debian's, started by tests/support/zk-server
 * in a temporary directory, on a free port of the loopback interface.
 *
 * Whatever goes wrong fails the test that runs, with a sentence that says what;
 * a server that is not installed does so too. A server dies with the process
 * that started it. Not here: a client.
 */
#ifndef ZKCFG_TESTS_SUPPORT_ZK_SERVER_H
#define ZKCFG_TESTS_SUPPORT_ZK_SERVER_H

#include <stddef.h>
#include <stdint.h>

struct zk_server;

struct zk_server_options {
	const char *address;	  /* NULL: 127.0.0.1 */
	const char *java_options; /* NULL: none */
	const char *servers;	  /* lines of server.N=...: it is a member of this ensemble; NULL: alone */
	int number;		  /* which of them */
};

/* A directory and a port, and nothing running yet. options may be NULL. Ends with zk_server_free(). */
struct zk_server *zk_server_new(const struct zk_server_options *options);
/* Stop it if it runs, and remove the directory. NULL is allowed. */
void zk_server_free(struct zk_server *server);

/* Returns when it serves. The same port and data each time. */
void zk_server_start(struct zk_server *server);
/* The same in two steps, for members that must be begun before any of them serves. */
void zk_server_begin(struct zk_server *server);
void zk_server_await(struct zk_server *server);
/* By SIGTERM; returns when it has ended. */
void zk_server_stop(struct zk_server *server);
/* By SIGKILL; returns when it has ended. */
void zk_server_kill(struct zk_server *server);
/* SIGSTOP and SIGCONT. */
void zk_server_pause(struct zk_server *server);
void zk_server_resume(struct zk_server *server);

/* While it does not run: remember its data, and put what was remembered in place of it. */
void zk_server_keep_data(const struct zk_server *server);
void zk_server_restore_data(const struct zk_server *server);

int zk_server_port(const struct zk_server *server);
/* Another port from the next start on, where nobody looks for it; 0: a free one. */
void zk_server_set_port(struct zk_server *server, int port);
/* "127.0.0.1:PORT", as a URI has it. */
const char *zk_server_hosts(const struct zk_server *server);

/* The answer to a four-letter word; the caller's to free. */
char *zk_server_ask(const struct zk_server *server, const char *word);
/* The sessions that have a connection now; returns how many there are. */
size_t zk_server_sessions(const struct zk_server *server, int64_t *sessions, size_t most);
/*
 * The password of a session, which a server derives from its number: with it a
 * second client can take the session over, and end it.
 */
void zk_server_session_password(int64_t session, char password[16]);

#endif
