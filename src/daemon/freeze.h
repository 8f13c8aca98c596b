/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A set that an operator froze: what arrives waits, and nothing is committed,
 * until he thaws it or its time is over. Kept in the file "frozen" of the set's
 * state directory, so that it outlives the daemon:
 *
 *     zkcfg-frozen 1 SINCE UNTIL      nanoseconds since 1970; UNTIL 0: no end
 *
 * A file that says anything else freezes without an end: what was meant to be
 * held is not let go by an accident. For one thread. Not here: what is held.
 */
#ifndef ZKCFG_DAEMON_FREEZE_H
#define ZKCFG_DAEMON_FREEZE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/message.h"

struct freeze {
	const char *state_dir; /* borrowed, as is the next */
	const char *set;
	bool is_frozen;
	int64_t since_ns; /* since 1970; 0: not known */
	int64_t until_ns; /* since 1970; 0: no end */
};

/* At the start. */
void freeze_load(struct freeze *freeze, const char *state_dir, const char *set);
/* Also to change when it ends. A negative errno with message: nothing has changed. */
int freeze_begin(struct freeze *freeze, int64_t now_ns, int64_t until_ns, struct message *message);
/* One that is not frozen is none the worse. A negative errno with message: it is still frozen. */
int freeze_end(struct freeze *freeze, struct message *message);
/* Its time has come. */
bool freeze_is_over(const struct freeze *freeze, int64_t now_ns);
/* "frozen since 2026-..., until 2026-..."; "" if not. */
void freeze_describe(const struct freeze *freeze, struct message *text);

#endif
