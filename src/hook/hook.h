/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hook: what follows a set and hands its configuration to a program that has
 * never heard of us. It is a reader like any other, of libzkcfg: no commit
 * waits for it, and it is the same within zkcfgd, `zkcfg hook run` and `zkcfg run`.
 *
 *	idle -> waiting -> rendering -> checking -> applying -> idle
 *	          ^            |            |           |
 *	          +--------- failed <-------+-----------+
 *
 * A change of what it looks at waits for the debounce and the splay. Then files
 * are rendered beside those they are for; the check looks at them; they are
 * renamed into place; the program is told. What failed leaves the files as they
 * were, unless it was the program that could not be told, and is tried again
 * with backoff, from the newest configuration, until it succeeds or the
 * configuration is the one that was applied last: "applied" is what counts, not
 * "rendered". Whatever dies in between: the record says "begun" from before the
 * first rename until the program was told, and who finds that does it all again.
 *
 * For one thread, the loop's. Rendering and disks are a thread's of its own.
 */
#ifndef ZKCFG_HOOK_HOOK_H
#define ZKCFG_HOOK_HOOK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/message.h"
#include "hook/config.h"

struct event_base;
struct hook;

enum hook_state {
	HOOK_EMPTY = 0, /* the set is not there, or has nothing published */
	HOOK_IDLE = 1,
	HOOK_WAITING = 2, /* for the debounce, the splay */
	HOOK_RENDERING = 3,
	HOOK_CHECKING = 4,
	HOOK_APPLYING = 5,
	HOOK_FAILED = 6 /* and is tried again */
};

struct hook_status {
	const char *name;
	const char *set;
	enum hook_state state;
	uint64_t applied_seq; /* all that the hook looks at is in force as of this commit; 0: none yet */
	uint64_t wanted_seq;  /* the newest one seen */
	uint64_t run_count;
	uint64_t failure_count;
	int64_t duration_ms; /* of the last run; -1: there was none */
	int64_t ended_ns;    /* of the last run, since 1970; 0: there was none */
	int64_t retry_ms;    /* until the next try; -1: none is due */
	const char *error;   /* of the last run; "": it succeeded */
	const char *output;  /* the last lines of the command that ran last */
};

struct hook_parts {
	const struct hook_config *config; /* borrowed until hook_close() */
	const char *shm_dir;		  /* as for zkcfg_open(); borrowed */
	const char *state_dir;		  /* NULL: nothing is remembered over a restart; borrowed */
	struct event_base *loop;
	void (*changed)(void *user); /* its status is another one; may be NULL */
	/* HOOK_CALL: tell the program; then hook_acted(), at once or later. */
	void (*call)(void *user, struct hook *hook);
	void *user;
};

/* The set need not be there yet. A negative errno with message. */
int hook_open(const struct hook_parts *parts, struct hook **hook, struct message *message);
/* Ends what runs. No callback follows. NULL is allowed. */
void hook_close(struct hook *hook);

/* Strings live until the loop goes on. */
void hook_status(const struct hook *hook, struct hook_status *status);
/* "idle", "waiting" ... */
const char *hook_state_name(enum hook_state state);
/* Apply what there is now, whether anything changed or not. */
void hook_run_now(struct hook *hook);
/* What hook_parts.call began has ended; failure: why, or NULL. */
void hook_acted(struct hook *hook, const char *failure);
/* The environment of who is told, as for a command: environment_free(). NULL: out of memory. */
char **hook_environment(const struct hook *hook);

#endif
