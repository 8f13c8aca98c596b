/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"

#include <stdio.h>
#include <time.h>

static int64_t clock_read_ns(clockid_t id)
{
	struct timespec now;

	clock_gettime(id, &now);
	return (int64_t)now.tv_sec * CLOCK_NS_PER_S + now.tv_nsec;
}

int64_t clock_realtime_ns(void)
{
	return clock_read_ns(CLOCK_REALTIME);
}

int64_t clock_boottime_ns(void)
{
	return clock_read_ns(CLOCK_BOOTTIME);
}

int64_t clock_monotonic_ns(void)
{
	return clock_read_ns(CLOCK_MONOTONIC);
}

char *clock_format(int64_t realtime_ns, char text[CLOCK_TEXT_BYTES])
{
	int64_t since_second_ns = (realtime_ns % CLOCK_NS_PER_S + CLOCK_NS_PER_S) % CLOCK_NS_PER_S;
	time_t seconds = (time_t)((realtime_ns - since_second_ns) / CLOCK_NS_PER_S);
	int ms = (int)(since_second_ns / CLOCK_NS_PER_MS);
	char date[24];
	struct tm utc;

	gmtime_r(&seconds, &utc);
	strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &utc);
	snprintf(text, CLOCK_TEXT_BYTES, "%s.%03dZ", date, ms);
	return text;
}
