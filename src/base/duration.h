/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A length of time as people write it: 500ms, 1.5s, 5m, 2h.
 *
 * For options, on the command line and in URIs. Not here: durations in
 * documents, which are the client library's (it includes nothing of base), and
 * what a time may be at a certain place, which is known there.
 */
#ifndef ZKCFG_BASE_DURATION_H
#define ZKCFG_BASE_DURATION_H

#include <stdint.h>

/* Times beyond this are mistakes: about 30 years. */
#define DURATION_MOST_MS INT64_C(1000000000000)

/*
 * Parts of a millisecond are rounded. unit is that of a number without one;
 * with NULL only 0 may go without. 0, -EINVAL: it is none, or -ERANGE: beyond
 * DURATION_MOST_MS.
 */
int duration_parse(const char *text, const char *unit, int64_t *ms);

#endif
