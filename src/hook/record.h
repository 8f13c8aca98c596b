/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a hook has applied, on disk: <state-dir>/hooks/NAME.
 *
 * It is written twice a run: "begun" before anything is changed, "applied" when
 * all is done. Whoever finds "begun" does not know what is in the files and
 * what the program has read, and does it again. A record that is not whole
 * is none.
 */
#ifndef ZKCFG_HOOK_RECORD_H
#define ZKCFG_HOOK_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include "hook/prints.h"

struct record {
	bool is_begun;
	uint64_t definition;  /* of the hook: what was applied by another one counts for nothing */
	uint64_t seq;	      /* what was applied last, or is being applied */
	struct prints prints; /* what was applied last */
};

/* -ENOENT: there is none that is whole; another negative errno. Ends with record_free(). */
int record_load(const char *state_dir, const char *name, struct record *record);
/* Whole or not at all, and on the disk when it returns. A negative errno. */
int record_save(const char *state_dir, const char *name, const struct record *record);
void record_free(struct record *record);

#endif
