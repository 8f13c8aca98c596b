/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "source/pace.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/duration.h"

void pace_init(struct pace *pace)
{
	*pace = (struct pace){ .audit_ms = PACE_AUDIT_MS };
}

static int pace_take_mode(struct pace *pace, const char *value, struct message *message)
{
	pace->is_pull = strcmp(value, "pull") == 0;
	if (pace->is_pull || strcmp(value, "push") == 0)
		return 1;
	message_set(message, "mode is \"%.32s\"; expected push or pull", value);
	return -EINVAL;
}

static int pace_take_interval(struct pace *pace, const char *value, struct message *message)
{
	if (duration_parse(value, NULL, &pace->interval_ms) == 0 &&
	    pace->interval_ms >= PACE_INTERVAL_LEAST_MS && pace->interval_ms <= PACE_MOST_MS)
		return 1;
	message_set(message, "interval is \"%.32s\"; expected a duration of %d ms to %d h, as 30s", value,
		    PACE_INTERVAL_LEAST_MS, PACE_MOST_MS / 3600000);
	return -EINVAL;
}

static int pace_take_audit(struct pace *pace, const char *value, struct message *message)
{
	pace->is_audit_given = true;
	if (duration_parse(value, NULL, &pace->audit_ms) == 0 &&
	    (pace->audit_ms == 0 || pace->audit_ms >= PACE_AUDIT_LEAST_MS) && pace->audit_ms <= PACE_MOST_MS)
		return 1;
	message_set(message, "audit is \"%.32s\"; expected a duration of %d s to %d h, as 5m, or 0 for none",
		    value, PACE_AUDIT_LEAST_MS / 1000, PACE_MOST_MS / 3600000);
	return -EINVAL;
}

int pace_take(struct pace *pace, const struct uri_option *option, struct message *message)
{
	if (strcmp(option->key, "mode") == 0)
		return pace_take_mode(pace, option->value, message);
	if (strcmp(option->key, "interval") == 0)
		return pace_take_interval(pace, option->value, message);
	if (strcmp(option->key, "audit") == 0)
		return pace_take_audit(pace, option->value, message);
	return 0;
}

int pace_check(struct pace *pace, struct message *message)
{
	if (pace->interval_ms > 0 && !pace->is_pull) {
		message_set(message, "interval is given without mode=pull, which it belongs to; for push there "
				     "is audit");
		return -EINVAL;
	}
	if (pace->interval_ms == 0)
		pace->interval_ms = PACE_INTERVAL_MS;
	return 0;
}

enum source_mode pace_mode(const struct pace *pace)
{
	return pace->is_pull ? SOURCE_PULL : SOURCE_PUSH;
}

int64_t pace_period_ns(const struct pace *pace)
{
	return (pace->is_pull ? pace->interval_ms : pace->audit_ms) * CLOCK_NS_PER_MS;
}

int64_t pace_wait_ns(const struct pace *pace, uint64_t random)
{
	int64_t period_ns = pace_period_ns(pace);

	if (period_ns == 0)
		return INT64_MAX;
	return period_ns * 2 / 3 + (int64_t)(random % (uint64_t)(period_ns * 2 / 3));
}
