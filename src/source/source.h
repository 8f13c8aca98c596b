/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A place that documents come from, as everything else sees it.
 *
 * A source follows one URI and reports documents: bytes, and where they stand
 * in the source's own order. It knows nothing of XML or segments. All events
 * are told on the thread that runs the event loop, never from within open(),
 * start() or close(). None of these is called from within an event.
 *
 * Contract of events:
 * - After start(), every document is reported once; then on each change. The
 *   latest is never lost; versions in between may be.
 * - settled() is told each time when nothing that is known to have changed is
 *   still being read: what was reported until then belongs together. The
 *   first settled() ends the initial sync: a document not reported by then is
 *   not there.
 * - verified(when) is told while settled: as of `when`, what was reported was
 *   all there is, but for what trouble() has named.
 * - What is in trouble holds nobody up: settled() and verified() go on for the
 *   rest. What was reported of it before stays as it was.
 * - A name is the path relative to the set's root, UTF-8, without leading or
 *   trailing '/'.
 */
#ifndef ZKCFG_SOURCE_SOURCE_H
#define ZKCFG_SOURCE_SOURCE_H

#include <stddef.h>
#include <stdint.h>

#include "base/message.h"

struct event_base;
struct source;

enum source_state {
	SOURCE_CONNECTING = 1, /* not reached since start() */
	SOURCE_SYNCING = 2,    /* reached, not everything is read yet */
	SOURCE_FOLLOWING = 3,  /* everything is read, changes arrive */
	SOURCE_AWAY = 4,       /* was reached, is not now */
	SOURCE_REFUSED = 5     /* it does not let us read */
};

/* Who spoke first. */
enum source_contact {
	SOURCE_TOLD = 1, /* the source, of a change */
	SOURCE_ASKED = 2 /* we did, without its having said anything: pull, or an audit */
};

struct source_revision {
	uint64_t created;  /* when this document came to be; another one after delete and re-create */
	uint64_t modified; /* rises with each change, across re-creation too */
	int64_t version;   /* for humans and --if-version; -1: the source has none */
};

struct source_events {
	/* New or changed; size_bytes may be 0. bytes are borrowed for the call. */
	void (*document)(void *user, const char *name, const void *bytes, size_t size_bytes,
			 const struct source_revision *revision);
	/* No longer there. */
	void (*removed)(void *user, const char *name);
	/* Cannot be read now, will be tried again; a NULL reason: it can again. */
	void (*trouble)(void *user, const char *name, const char *reason);
	void (*settled)(void *user);
	/* boottime_ns: on CLOCK_BOOTTIME. */
	void (*verified)(void *user, int64_t boottime_ns);
	/* detail: one line for status and log, "" when all is well. */
	void (*state)(void *user, enum source_state state, const char *detail);
	/* What was told of a name was not the latest, though nothing had said so: the audit found it, and it is read again. */
	void (*repaired)(void *user, const char *name);
	/* For status: when it was last told, and last asked. As often as it happens. */
	void (*contact)(void *user, enum source_contact contact);
};

struct source_change {
	const void *bytes;
	size_t size_bytes;
	int64_t if_version; /* only if the source has this version; -1: always */
	int timeout_ms;
};

/* How a put or remove ended. */
enum source_result {
	SOURCE_DONE = 0,
	SOURCE_INVALID = -1,  /* the URI, or the change, is not acceptable: too large, has children */
	SOURCE_MISSING = -2,  /* nothing there */
	SOURCE_CONFLICT = -3, /* another version than if_version */
	SOURCE_TIMEOUT = -4,
	SOURCE_FAILED = -5 /* unreachable, refused, lost on the way */
};

/* All slots are required. */
struct source_ops {
	const char *scheme;  /* "zk": the part before "://" */
	const char *example; /* for error messages: a URI that is right */

	/* Parse and allocate; no I/O, no events. 0, or -EINVAL or -ENOMEM and message. */
	int (*open)(const char *uri, const struct source_events *events, void *user, struct source **source,
		    struct message *message);
	/* Begin to follow. 0 or a negative errno and message. A source that is away is not an error. */
	int (*start)(struct source *source, struct event_base *loop, struct message *message);
	/*
	 * Look at everything now, whatever was told: the first verified() of a time
	 * that is not before this call says that it is done. Behind start().
	 */
	void (*refresh)(struct source *source);
	/* Stop and free; no event is told afterwards. Does not block. NULL is allowed. */
	void (*close)(struct source *source);

	/* Write one document; blocks, at most timeout_ms. The CLI's, not the daemon's. */
	enum source_result (*put)(const char *uri, const struct source_change *change, int64_t *version,
				  struct message *message);
	/* Remove one document; blocks, at most timeout_ms. */
	enum source_result (*remove)(const char *uri, const struct source_change *change,
				     struct message *message);
};

/* How it learns of changes; what follows several places may do both. */
enum source_mode { SOURCE_PUSH = 1, SOURCE_PULL = 2, SOURCE_PUSH_AND_PULL = 3 };

/* What every source begins with. */
struct source {
	const struct source_ops *ops;
	enum source_mode mode; /* what the URI asked for; set by open(), where it is not known before start(), by then */
	uint64_t expiry_count; /* sessions that expired, where there are such; since open() */
};

/* The source that a URI's scheme names; NULL and message with the list of them if none. */
const struct source_ops *source_find(const char *uri, struct message *message);
/* The text of a URI that may be logged and shown: options whose key ends in _file keep only the key. */
void source_describe(const char *uri, char *text, size_t text_bytes);

#endif
