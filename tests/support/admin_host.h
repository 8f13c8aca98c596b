/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control interface in front of a made-up daemon, and a client that writes
 * bytes to real sockets. Both run on one loop in this process: who waits for an
 * answer runs it.
 *
 * The daemon has the sets "app" and "keys"; the latter is secret. Both have the
 * documents "a.xml" ("<a/>"), "dir/b c.xml" and "big.xml" (8 MiB), and the
 * candidate "bad.xml". There is one hook, "nginx".
 */
#ifndef ZKCFG_TESTS_SUPPORT_ADMIN_HOST_H
#define ZKCFG_TESTS_SUPPORT_ADMIN_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "admin/admin.h"

#define ADMIN_HOST_BIG_BYTES (8 << 20)

struct admin_host {
	struct event_base *loop;
	struct admin *admin;
	char directory[64]; /* of the test */
	char path[96];	    /* of the socket, in a directory that is not there at first */
	struct admin_parts parts;
	struct server_limits limits; /* the usual ones; changed before admin_host_open() */

	/* What the daemon says, and what it was told. */
	uint64_t seq; /* of app; keys is at 1 */
	bool is_ready, is_fresh;
	int result;   /* of reload and hook */
	bool is_late; /* done is kept here until admin_host_done() */
	admin_done done;
	void *arg;
	unsigned reload_count, hook_count;
	char reloaded[64], by[128];
	char frozen[64];
	int64_t until_ns;
	int freeze_error;
};

/* Everything but the interface, which is made by admin_host_open() from host->parts. */
void admin_host_start(struct admin_host *host);
/* Ends it all and removes the directory. */
void admin_host_stop(struct admin_host *host);
/* The test fails if it cannot be opened. */
void admin_host_open(struct admin_host *host);
/* The same with TCP, on any port. */
void admin_host_open_tcp(struct admin_host *host);
/* End what is_late kept. */
void admin_host_done(struct admin_host *host);
/* The set "app" has a new commit, of one document. */
void admin_host_commit(struct admin_host *host);

/* A blocking socket that is connected; is_tcp: to the interface's TCP. */
int admin_host_connect(struct admin_host *host, bool is_tcp);
void admin_host_send(int fd, const char *text);
/* Run the loop for so long. */
void admin_host_run(struct admin_host *host, int ms);

struct admin_reply {
	int status; /* 0: the other end closed without a word */
	char *text; /* all of it */
	char *body; /* in text; "" */
	size_t body_bytes;
	bool is_ended; /* the other end has closed */
};
/* Run the loop until an answer is whole, or the other end closes; the test fails after 30 s. */
void admin_host_receive(struct admin_host *host, int fd, bool is_head, struct admin_reply *reply);
/* Until this text has come. What has come is appended to text. */
void admin_host_expect(struct admin_host *host, int fd, char *text, size_t most_bytes, const char *expected);
void admin_reply_free(struct admin_reply *reply);

/* Connect, send these bytes, and take the answer. */
void admin_host_ask(struct admin_host *host, bool is_tcp, const char *text, struct admin_reply *reply);
/* "METHOD PATH", headers (each with CR LF; NULL: none), body; with the right Host. Its status. */
int admin_host_request(struct admin_host *host, bool is_tcp, const char *what, const char *headers,
		       const char *body, struct admin_reply *reply);
/* Call /rpc on the Unix socket: what it answers, NULL if that is nothing (204). */
json_t *admin_host_rpc(struct admin_host *host, const char *body);

#endif
