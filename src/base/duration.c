/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/duration.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* Of the digits behind the point, so many count. */
#define DURATION_FRACTION INT64_C(1000000000)

static bool duration_is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* How many ms it has, or 0. */
static int64_t duration_unit_ms(const char *unit)
{
	static const struct {
		const char *name;
		int64_t ms;
	} units[] = { { "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "h", 3600000 } };

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (strcmp(unit, units[i].name) == 0)
			return units[i].ms;
	return 0;
}

int duration_parse(const char *text, const char *unit, int64_t *ms)
{
	int64_t whole = 0, fraction = 0, unit_ms, found;
	const char *at = text;
	bool has_digits = duration_is_digit(*at);

	for (; duration_is_digit(*at); at++)
		if (whole <= DURATION_MOST_MS)
			whole = whole * 10 + (*at - '0');
	if (*at == '.') {
		has_digits = has_digits || duration_is_digit(at[1]);
		for (int64_t place = DURATION_FRACTION / 10; duration_is_digit(*++at); place /= 10)
			fraction += place * (*at - '0');
	}
	if (*at == '\0' && !unit && whole == 0 && fraction == 0)
		unit = "ms";
	unit_ms = *at != '\0' ? duration_unit_ms(at) : unit ? duration_unit_ms(unit) : 0;
	if (!has_digits || unit_ms == 0)
		return -EINVAL;
	if (whole > DURATION_MOST_MS / unit_ms)
		return -ERANGE;
	found = whole * unit_ms + (fraction * unit_ms + DURATION_FRACTION / 2) / DURATION_FRACTION;
	if (found > DURATION_MOST_MS)
		return -ERANGE;
	*ms = found;
	return 0;
}
