/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which znodes must be read, on which session, and what was learnt from it.
 *
 * ZooKeeper's watches fire once and are set by a read. So each znode has two
 * watches, on its data and on its children, and each of them is
 *
 *            notification, new session, error
 *        +----------------------------------------+
 *        v                                        |
 *      DIRTY --- read sent ---> INFLIGHT --- reply ---> ARMED
 *        ^                         |
 *        +-------------------------+   connection lost, error,
 *                                      or a notification meanwhile
 *
 * Only the successful reply to a read that sets the watch makes it ARMED, and
 * a connection that is lost and found again within a session leaves it so.
 * Nothing else does: an unknown outcome is DIRTY. This is what "the latest is
 * never lost" rests on.
 *
 * What is told outwards is told by a znode's (czxid, mzxid): the same pair is
 * told once, and an older one than was told is never told; the znode stays
 * DIRTY and is read again until the server has caught up.
 *
 * Only a listing removes a znode, or the root's own absence does: a read that
 * finds nothing may be a server's that lags, which a listing shows by its pzxid.
 *
 * In a new session everything is DIRTY. What was read before is only asked for
 * its stat, by a read that sets the watch just as well; its data is fetched if
 * it has moved.
 *
 * Watches are spread over lanes, each a session of its own: after a reconnect
 * the client sets all watches of a session in one packet, and a server takes a
 * packet up to a limit. A znode keeps its lane. Within a lane the notification
 * of a change comes before any reply that could show it, so that when nothing
 * is DIRTY or INFLIGHT, what was told is a whole number of transactions. Between
 * lanes that is not so: before settled() a sync is answered on each of them, and
 * nothing has become DIRTY meanwhile.
 *
 * An audit goes round all znodes and compares their stat, without a watch, with
 * what is known. A difference that no notification came for is a watch that was
 * lost: it is told by repaired(), and read again.
 *
 * The first settled() comes when the whole tree has been read. Paths in trouble
 * (no permission, an error that stays) hold nobody up: each was named by
 * trouble(), is tried again with growing pauses, and settled() and verified()
 * speak for the others. While the root itself is in trouble there is no
 * verified(), and no first settled().
 *
 * In pull mode a watch is ARMED when it has been read, and no watch is set: the
 * audit's looks are what finds changes, in rounds. See round.h.
 *
 * Here is no thread, no clock, no socket and no ZooKeeper client: reads go out
 * through subscription_ops, what comes back comes in through functions, and
 * time is an argument (nanoseconds on one clock that does not go back). After
 * each batch of what came in, and when it asked to be, subscription_run() is
 * called: it sends what is to be read and tells when all is settled.
 *
 * Events are told from within subscription_run() and the functions that take
 * what came in. No function of a subscription may be called from within an
 * event or an op.
 */
#ifndef ZKCFG_SOURCE_SUBSCRIPTION_H
#define ZKCFG_SOURCE_SUBSCRIPTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "source/source.h"

struct subscription;

/* More than about a thousand requests under way make the C client close its own socket. */
#define SUBSCRIPTION_WINDOW_MOST 1000
#define SUBSCRIPTION_WINDOW_USUAL 500

/* A server lets 60 connections of one address in, unless it is told otherwise. */
#define SUBSCRIPTION_LANES_MOST 32

enum subscription_read {
	SUBSCRIPTION_DATA = 0,	  /* the data; sets the data watch */
	SUBSCRIPTION_EXISTS = 1,  /* its stat, or that it is not there; sets the data watch either way */
	SUBSCRIPTION_CHILDREN = 2, /* the names of the children; sets the child watch */
	SUBSCRIPTION_STAT = 3,	   /* its stat, or that it is not there; sets no watch */
	SUBSCRIPTION_SYNC = 4	   /* nothing; answered when all that was before it has come */
};

enum subscription_result {
	SUBSCRIPTION_OK = 0,
	SUBSCRIPTION_NO_NODE,
	SUBSCRIPTION_NO_AUTH,
	SUBSCRIPTION_LOST, /* connection or session went: whether it was read nobody knows */
	SUBSCRIPTION_ERROR /* anything else */
};

enum subscription_change {
	SUBSCRIPTION_CREATED,
	SUBSCRIPTION_CHANGED,
	SUBSCRIPTION_DELETED,
	SUBSCRIPTION_CHILD,
	SUBSCRIPTION_UNWATCHED /* the watch is gone, who knows why */
};

struct subscription_reply {
	uint64_t request;
	enum subscription_result result;
	const char *error; /* a few words, when result is SUBSCRIPTION_ERROR */
	int64_t czxid, mzxid, pzxid;
	int32_t version;
	const void *bytes; /* of SUBSCRIPTION_DATA; NULL is no bytes */
	size_t size_bytes;
	const char *names; /* of SUBSCRIPTION_CHILDREN: one after the other, each with its NUL */
	size_t name_count;
};

struct subscription_ops {
	/*
	 * Send a read. SUBSCRIPTION_OK: it is sent, and subscription_reply()
	 * will bring the outcome, later and not from within. Anything else:
	 * it is not sent, and that is the outcome.
	 */
	enum subscription_result (*read)(void *user, unsigned int lane, enum subscription_read read,
					 const char *path, uint64_t request);
	/* No reply to the oldest read in the time given: this session is not to be trusted any more. */
	void (*overdue)(void *user, unsigned int lane, const char *path);
	/* One lane more than there were; subscription_begin() is expected of it. Lane 0 is not asked for. */
	void (*open)(void *user, unsigned int lane);
};

struct subscription_options {
	const char *root;    /* an absolute path without trailing '/', or "/" */
	unsigned int window; /* reads under way in a lane at the most; 1 to SUBSCRIPTION_WINDOW_MOST */
	size_t lane_bytes;   /* what the watches of a lane may come to in one packet; 0: anything */
	int64_t audit_ns;    /* each znode is looked at about so often; 0: never */
	bool is_pull;		/* set no watches; audit_ns is the interval: see round.h */
	int64_t audit_least_ns; /* but one znode at a time no more often than this, on average */
	int64_t splay_ns;    /* how long after a notification this host reads, once it has settled */
	uint64_t seed;	     /* of the jitter; anything */
};

/* NULL: out of memory. ops_user is handed to ops, user to events. */
struct subscription *subscription_new(const struct subscription_options *options,
				      const struct subscription_ops *ops, void *ops_user,
				      const struct source_events *events, void *user);
void subscription_free(struct subscription *subscription);

/*
 * A session is there that no read was made in: everything of the lane is DIRTY,
 * and replies to earlier requests mean nothing any more. request_ns: how long a
 * reply may take.
 */
void subscription_begin(struct subscription *subscription, unsigned int lane, int64_t request_ns,
			int64_t now_ns);
/* The connection is there again, in the same session. */
void subscription_connected(struct subscription *subscription, unsigned int lane);
/* The connection is gone: what was INFLIGHT is DIRTY. detail: why, in a line. */
void subscription_disconnected(struct subscription *subscription, unsigned int lane, const char *detail);
/* Connected or not, nothing has been heard for too long; until anything is heard again. */
void subscription_silent(struct subscription *subscription, unsigned int lane, const char *detail);
/* It does not let us in; until the next subscription_begin(). */
void subscription_refused(struct subscription *subscription, unsigned int lane, const char *detail);

/* The outcome of a read. One that is not known, or was had already, is ignored. */
void subscription_reply(struct subscription *subscription, unsigned int lane,
			const struct subscription_reply *reply, int64_t now_ns);
void subscription_notify(struct subscription *subscription, unsigned int lane,
			 enum subscription_change change, const char *path, int64_t now_ns);
/*
 * The answer to a probe, which the server gives after all notifications of what
 * happened before the probe. sent_boottime_ns: when the probe was sent.
 */
void subscription_answered(struct subscription *subscription, unsigned int lane, int64_t sent_boottime_ns,
			   int64_t now_ns);

/*
 * Look at every znode now, as the audit does. It is done when verified() is
 * told as of boottime_ns, which is now, or later. Run it afterwards.
 */
void subscription_refresh(struct subscription *subscription, int64_t boottime_ns);
/* Whether a probe is waited for that is sent from now on. Asked after each run, and forgotten when it was told. */
bool subscription_wants_probe(struct subscription *subscription);

/* Send, tell, look at the time. Returns when to be called again; INT64_MAX: not for the time's sake. */
int64_t subscription_run(struct subscription *subscription, int64_t now_ns);

/* Connected, and everything that is known to be readable has been read and told as a whole. */
bool subscription_is_settled(const struct subscription *subscription);
/* What the client sends in one packet to set a lane's watches again after a reconnect, about. */
size_t subscription_watch_bytes(const struct subscription *subscription, unsigned int lane);
size_t subscription_znode_count(const struct subscription *subscription);
unsigned int subscription_lane_count(const struct subscription *subscription);

#endif
