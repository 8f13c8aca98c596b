/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control interface of zkcfgd: HTTP and JSON-RPC, on a Unix socket, and on
 * TCP of the loopback if asked; see zkcfg-http(7) for all of it.
 *
 * What is asked for is done by whoever opens it, by a table of functions; here
 * is who may ask, in which words, and how the answer looks. One room's files:
 * request (the head of a request), server (connections and limits), listen
 * (sockets), access (who may what), routes (paths), rpc, events, metrics.
 *
 * For one thread, the loop's. SIGPIPE must be ignored.
 */
#ifndef ZKCFG_ADMIN_ADMIN_H
#define ZKCFG_ADMIN_ADMIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <jansson.h>

#include "admin/metrics.h"
#include "admin/server.h"
#include "base/message.h"

struct admin;
struct event_base;

/* What came of a reload; the exit codes of `zkcfg reload`. */
enum admin_result {
	ADMIN_DONE = 0,	      /* nothing new counts, too */
	ADMIN_INVALID = 4,    /* something is invalid; the old stays in force */
	ADMIN_UNREADABLE = 7, /* a source could not be read */
	ADMIN_RESTART = 8     /* a change needs a restart */
};

/* A document's bytes. Borrowed until the next return to the loop. */
struct admin_document {
	const void *bytes;
	size_t size_bytes;
	uint64_t revision; /* at the source */
	uint64_t seq;	   /* of the commit it is read from; 0 for a candidate */
	int64_t version;   /* at the source; -1: it has none */
};

/* Told once, at once or later, also when admin was closed meanwhile. report: borrowed, an object or NULL. */
typedef void (*admin_done)(void *arg, int result, const json_t *report);

/*
 * All on the loop's thread; user is the one of admin_parts. Names are as they
 * came: UTF-8 without control characters, and no more was checked. What
 * returns JSON gives a new reference. -ENOENT is for a set, a document, a path
 * or a hook that is not there.
 */
struct admin_ops {
	/* A set's status, an object with "set" and "seq"; NULL: no such set. set NULL: an array of all. */
	json_t *(*status)(void *user, const char *set);
	/* The newest seq of a set, 0 if nothing is published. -ENOENT */
	int (*seq)(void *user, const char *set, uint64_t *seq);
	/*
	 * Begin to reload one set, or with NULL all of them and the daemon's own
	 * configuration. by: who asks, for the log. done with an admin_result.
	 */
	void (*reload)(void *user, const char *set, const char *by, admin_done done, void *arg);
	/* until_ns: since 1970; 0: without end. -ENOENT, or another negative errno with message. */
	int (*freeze)(void *user, const char *set, int64_t until_ns, struct message *message);
	int (*thaw)(void *user, const char *set, struct message *message);
	/* What is in force. -ENOENT */
	int (*document)(void *user, const char *set, const char *name, struct admin_document *document);
	/* An array of what was refused or waits, each with document, reason, line, column; NULL: no such set. */
	json_t *(*candidates)(void *user, const char *set);
	/* The bytes of one of them. -ENOENT */
	int (*candidate)(void *user, const char *set, const char *name, struct admin_document *document);
	/* A value. -ENOENT, or -EINVAL with message for a path that is none. */
	int (*get)(void *user, const char *set, const char *document, const char *path, json_t **value,
		   struct message *message);
	/* An array. */
	json_t *(*hooks)(void *user);
	/* Run one now. -ENOENT: done is not told then. result of done: 0, or the hook's failure. */
	int (*hook_run)(void *user, const char *hook, const char *by, admin_done done, void *arg);
	/* Whether a set's values are for few; of one that is not there it does not matter. */
	bool (*is_secret)(void *user, const char *set);
	/* Every set is served; fresh: and each was vouched for within its limit. */
	bool (*ready)(void *user, bool fresh, struct message *why_not);
	void (*metrics)(void *user, struct metrics *metrics);
};

/* Copied, with what it points to, but for ops. */
struct admin_parts {
	struct event_base *loop;
	const struct admin_ops *ops;
	void *user;
	const char *path;    /* of the Unix socket, absolute, in a directory of its own */
	mode_t mode;	     /* of it; 0: 0660 */
	gid_t group;	     /* of it; (gid_t)-1: that of the process */
	const gid_t *groups; /* whose members may change, too */
	size_t group_count;
	const char *tcp;		    /* "127.0.0.1:9797" or "[::1]:9797"; NULL: none */
	bool allow_reload;		    /* over TCP, with X-Zkcfg: 1 */
	const struct server_limits *limits; /* NULL: the usual ones */
};

/* A negative errno, with message: see listen_unix() and listen_tcp(). */
int admin_open(const struct admin_parts *parts, struct admin **admin, struct message *message);
/* The socket is removed, and who waits is told that it is over. NULL is allowed. */
void admin_close(struct admin *admin);

/* "127.0.0.1:9797", with the port it came to be; NULL without TCP. */
const char *admin_tcp(const struct admin *admin);

/* A commit, to tell those who wait or listen. */
struct admin_commit {
	const char *set;
	uint64_t seq;
	int64_t time_ns; /* since 1970 */
	const char *const
		*names;	      /* of the documents that changed or went; some of them do, if there are many */
	size_t name_count;    /* of names */
	size_t changed_count; /* of all that changed */
};
void admin_committed(struct admin *admin, const struct admin_commit *commit);

#endif
