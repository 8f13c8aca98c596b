/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One lane's session with ZooKeeper: handles come and go, it stays.
 *
 * A handle is replaced when its session has expired, when no server takes it
 * back, and when it is not to be trusted any more. Liveness is judged by
 * answers, not by what the client says of its state. Every third of the session
 * timeout a probe is sent, a sync, which the leader has a part in: its answer
 * comes after every notification of what happened before it, so that what is
 * settled then is verified as of when it was sent.
 *
 * For the loop's thread. Not here: which znodes are read when.
 */
#ifndef ZKCFG_SOURCE_ZOOKEEPER_SESSION_H
#define ZKCFG_SOURCE_ZOOKEEPER_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "source/subscription.h"
#include "source/zookeeper.h"
#include "source/zookeeper_handle.h"

struct zookeeper_session;

/* What all sessions of a source have in common; borrowed. */
struct zookeeper_common {
	struct zookeeper_target target;
	char *secret;
	struct subscription *subscription;
	struct mailbox *mailbox;
	uint64_t expiry_count; /* sessions that expired */
	uint64_t handle_count; /* ever opened: each has a number of its own */
};

/* The session of a lane, which connects when it is first advanced. NULL: out of memory. */
struct zookeeper_session *session_new(struct zookeeper_common *common, unsigned int lane, int64_t now_ns);
/* Does not block. NULL is allowed. */
void session_free(struct zookeeper_session *session);

enum subscription_result session_read(struct zookeeper_session *session, enum subscription_read read,
				      const char *path, uint64_t request);
void session_overdue(struct zookeeper_session *session, const char *path);

/* Whether a letter is from the handle it has now. */
bool session_owns(const struct zookeeper_session *session, const struct letter *letter);
void session_take_letter(struct zookeeper_session *session, const struct letter *letter, int64_t now_ns);
/* A letter was lost for want of memory: nothing that was read can be relied on. */
void session_distrust(struct zookeeper_session *session, const char *reason);

/* Send a probe as soon as none is under way. */
void session_probe_now(struct zookeeper_session *session, int64_t now_ns);

/* Before the subscription is run: is it still alive? */
void session_check(struct zookeeper_session *session, int64_t now_ns);
/* After: do what has become necessary. Returns when to come back for the session's sake. */
int64_t session_advance(struct zookeeper_session *session, int64_t now_ns);

#endif
