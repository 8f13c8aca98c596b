/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The request that zkcfg accept-older leaves in a set's state directory: accept
 * older revisions until the source has settled once.
 *
 *   accept-older         asked, by whoever may write here; what is in it does not matter
 *   accept-older.taken   taken, and not done yet: a daemon that is started does it
 *   accept-older.answer  what came of the last one, a line for people
 *
 * A request is taken by renaming it, so that it outlives the daemon that took
 * it. The answer of an earlier one is gone before that. For one thread. Not
 * here: what accepting means.
 */
#ifndef ZKCFG_DAEMON_ACCEPT_OLDER_H
#define ZKCFG_DAEMON_ACCEPT_OLDER_H

#include <stdbool.h>

struct accept_older {
	const char *state_dir; /* borrowed, as is the next */
	const char *set;
	bool is_under_way;
	int refused; /* errno of a request that could not be taken: it is told once */
};

/* At the start: is_under_way, if one was taken and not done. */
void accept_older_begin(struct accept_older *request, const char *state_dir, const char *set);
/* true: there is one, and it is under way now. */
bool accept_older_take(struct accept_older *request);
/* What is under way is done. */
void accept_older_end(struct accept_older *request, const char *answer);

#endif
