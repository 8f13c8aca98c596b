/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sets that run, each with its pipeline, and how they become others while
 * they run: whole, or not at all. What did not change goes on without noticing.
 *
 * For the loop's thread; not from within what a pipeline tells.
 */
#ifndef ZKCFG_DAEMON_SETS_H
#define ZKCFG_DAEMON_SETS_H

#include <stddef.h>

#include "base/message.h"
#include "daemon/config.h"
#include "daemon/pipeline.h"

struct event_base;
struct hook;

struct running {
	struct config_set set;
	struct pipeline *pipeline; /* NULL within sets_change() only: it is being replaced */
	struct hook **hooks;	   /* readers of what the pipeline publishes, which never waits for them */
	size_t hook_count;
};

struct sets {
	struct running **running; /* in the order of the configuration */
	size_t count;
	/* Borrowed, the same for all. */
	const char *shm_dir;
	const char *state_dir;
	struct event_base *loop;
	void (*changed)(void *user);
	void (*committed)(void *user, const struct pipeline_commit *commit);
	void (*hook_changed)(void *user); /* how a hook stands */
	void *user;
};

/* What sets_change() did to one. */
enum sets_fate { SETS_ADDED, SETS_CHANGED, SETS_REMOVED };

/*
 * Let the sets of a configuration run, and no others; takes its sets, in any
 * case. tell, unless NULL: of each that is not as it was.
 * A negative enum zkcfg_error with message: all run as before. Where one that
 * had to be stopped for that could not be begun again, message says so, and it
 * is gone.
 */
int sets_change(struct sets *sets, struct config *config, void (*tell)(void *user, const char *set, enum sets_fate fate),
		void *user, struct message *message);
/* NULL: there is none of that name. */
struct running *sets_find(const struct sets *sets, const char *name);
struct hook *sets_find_hook(const struct sets *sets, const char *name);
/* Stop all. */
void sets_close(struct sets *sets);

#endif
