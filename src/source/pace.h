/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How often a source asks by itself: options that every source's URI has.
 *
 *     mode       push, or pull: whether the source is to tell us of changes
 *                (push unless given), or is asked for them
 *     interval   a duration, 100ms to 24h, 30s unless given: in pull mode, how
 *                often it is asked
 *     audit      a duration, 1s to 24h or 0 for never, 5m unless given: beside
 *                push, how often everything is looked at though nothing said
 *                that it changed
 */
#ifndef ZKCFG_SOURCE_PACE_H
#define ZKCFG_SOURCE_PACE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/message.h"
#include "base/uri.h"
#include "source/source.h"

#define PACE_INTERVAL_MS 30000
#define PACE_INTERVAL_LEAST_MS 100
#define PACE_AUDIT_MS (5 * 60000)
#define PACE_AUDIT_LEAST_MS 1000
#define PACE_MOST_MS (24 * 3600000)

struct pace {
	bool is_pull;
	int64_t interval_ms; /* 0: not given yet */
	int64_t audit_ms;    /* 0: never */
	bool is_audit_given;
};

/* The names, for a message that says what was expected. */
#define PACE_OPTIONS "mode, interval, audit"

/* As it is where no option says anything. */
void pace_init(struct pace *pace);
/* One option of a URI. 1: taken; 0: it is none of these; -EINVAL with message. */
int pace_take(struct pace *pace, const struct uri_option *option, struct message *message);
/* Behind the last option. 0, or -EINVAL with message. */
int pace_check(struct pace *pace, struct message *message);
/* What a source says of itself. */
enum source_mode pace_mode(const struct pace *pace);
/* How long until everything is to be asked for again, 0: never. */
int64_t pace_period_ns(const struct pace *pace);
/* The same with jitter, so that hosts that began together do not ask together; INT64_MAX: never. random: any number. */
int64_t pace_wait_ns(const struct pace *pace, uint64_t random);

#endif
