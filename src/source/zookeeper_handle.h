/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A handle of the C client, and the mailbox for what comes from it.
 *
 * A handle lives on a thread of its own: opening one may wait for a name
 * server, closing one joins the client's threads, and neither may hold up an
 * event loop. Callbacks run on the client's threads: they copy, post to the
 * mailbox, and do nothing else. A handle that is closed finishes by itself, and
 * takes with it what the client never answered.
 *
 * A mailbox is read by one thread, when its descriptor is readable. It lives as
 * long as anybody who may post to it, and drops what comes after
 * mailbox_close().
 */
#ifndef ZKCFG_SOURCE_ZOOKEEPER_HANDLE_H
#define ZKCFG_SOURCE_ZOOKEEPER_HANDLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <zookeeper/zookeeper.h>

#include "source/zookeeper.h"

struct mailbox;
struct zookeeper_handle;

enum letter_kind {
	LETTER_OPENED,	/* zh is there */
	LETTER_FAILED,	/* it could not be opened: code is an errno, bytes say why */
	LETTER_SESSION, /* the session's state is now code (ZOO_*_STATE) */
	LETTER_CHANGE,	/* a watch fired: code is its type, bytes the path */
	LETTER_REPLY,	/* code (ZOK, ...) is the outcome of request */
	LETTER_CLOSED	/* the last one of a handle */
};

struct letter {
	struct letter *next;
	uint64_t from; /* the number of the handle */
	enum letter_kind kind;
	int code;
	zhandle_t *zh;	  /* of LETTER_OPENED */
	uint64_t request; /* of LETTER_REPLY, as was given with it */
	int64_t czxid, mzxid, pzxid;
	int32_t version;
	size_t name_count; /* children, one after the other, each with its NUL */
	size_t size_bytes;
	char bytes[];
};

/* NULL and errno. */
struct mailbox *mailbox_open(void);
/* A descriptor to poll for reading. */
int mailbox_fd(const struct mailbox *mailbox);
/* All letters, oldest first, now the caller's; *lost: one could not be posted for want of memory. */
struct letter *mailbox_take(struct mailbox *mailbox, bool *lost);
void letter_free(struct letter *letter);
/* Nothing is posted any more. NULL is allowed. */
void mailbox_close(struct mailbox *mailbox);

/*
 * Begin to connect; LETTER_OPENED or LETTER_FAILED follows. NULL and errno if
 * there is no thread or memory. number: another one for each handle of a
 * mailbox. secret: NULL, or user:password for digest. tls: NULL for none.
 */
struct zookeeper_handle *handle_open(struct mailbox *mailbox, uint64_t number, const char *hosts,
				     int session_timeout_ms, const char *secret,
				     const struct zookeeper_tls *tls);
/* From now on reads set no watch. */
void handle_unwatch(struct zookeeper_handle *handle);
/* Close, without waiting for it; LETTER_CLOSED follows. NULL is allowed. */
void handle_close(struct zookeeper_handle *handle);

/*
 * Ask something; LETTER_REPLY brings the outcome. All return ZOK, or what
 * prevents it, and then no letter comes. zh is the handle's, from LETTER_OPENED.
 */
int handle_get(struct zookeeper_handle *handle, zhandle_t *zh, const char *path, uint64_t request);
int handle_exists(struct zookeeper_handle *handle, zhandle_t *zh, const char *path, uint64_t request);
/* The same without a watch. */
int handle_stat(struct zookeeper_handle *handle, zhandle_t *zh, const char *path, uint64_t request);
int handle_get_children(struct zookeeper_handle *handle, zhandle_t *zh, const char *path, uint64_t request);
int handle_sync(struct zookeeper_handle *handle, zhandle_t *zh, const char *path, uint64_t request);
int handle_set(struct zookeeper_handle *handle, zhandle_t *zh, const char *path, const void *bytes,
	       size_t size_bytes, int32_t version, uint64_t request);
/* bytes NULL: no data. */
int handle_create(struct zookeeper_handle *handle, zhandle_t *zh, const char *path, const void *bytes,
		  size_t size_bytes, const struct ACL_vector *acl, uint64_t request);
int handle_delete(struct zookeeper_handle *handle, zhandle_t *zh, const char *path, int32_t version,
		  uint64_t request);

/* Once connected, before anything is asked: hand over the secret if the client refused to take it earlier. */
int handle_authenticate(struct zookeeper_handle *handle, zhandle_t *zh);

/* Whether a server gave this answer; if not, the client made it up for want of one. */
bool handle_is_answer(int code);

#endif
