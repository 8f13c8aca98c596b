/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* What time it is, on the three clocks we use, in nanoseconds. */
#ifndef ZKCFG_BASE_CLOCK_H
#define ZKCFG_BASE_CLOCK_H

#include <stdint.h>

#define CLOCK_NS_PER_MS INT64_C(1000000)
#define CLOCK_NS_PER_S INT64_C(1000000000)

/* Since 1970, UTC: for humans. */
int64_t clock_realtime_ns(void);
/* Since boot, sleep included: for ages that other processes compare. */
int64_t clock_boottime_ns(void);
/* Since somewhen: for time limits within a process. */
int64_t clock_monotonic_ns(void);

/* "2026-11-23T05:12:00.123Z" into text; returns text. */
#define CLOCK_TEXT_BYTES 32
char *clock_format(int64_t realtime_ns, char text[CLOCK_TEXT_BYTES]);

#endif
