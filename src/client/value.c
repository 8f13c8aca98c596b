/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "client/handle.h"

/* A number's text may be this long: a copy of it goes on the stack. */
#define NUMBER_BYTES 128

static bool is_white(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* The value without white space around it, as a string of its own. ZKCFG_ETYPE: too long to be a number. */
static int value_trim(const char *value, char text[NUMBER_BYTES])
{
	size_t bytes;

	while (is_white(*value))
		value++;
	bytes = strlen(value);
	while (bytes > 0 && is_white(value[bytes - 1]))
		bytes--;
	if (bytes == 0 || bytes >= NUMBER_BYTES)
		return ZKCFG_ETYPE;
	memcpy(text, value, bytes);
	text[bytes] = '\0';
	return 0;
}

static int value_int64(const char *string, int64_t *value)
{
	char text[NUMBER_BYTES], *end;
	const char *digits;
	long long number;
	bool is_hex;
	int err;

	err = value_trim(string, text);
	if (err < 0)
		return err;
	digits = text + (text[0] == '-' || text[0] == '+');
	is_hex = digits[0] == '0' && (digits[1] == 'x' || digits[1] == 'X');
	if (is_hex ? !isxdigit((unsigned char)digits[2]) : !isdigit((unsigned char)digits[0]))
		return ZKCFG_ETYPE;
	errno = 0;
	number = strtoll(text, &end, is_hex ? 16 : 10);
	if (*end != '\0')
		return ZKCFG_ETYPE;
	if (errno == ERANGE)
		return ZKCFG_ERANGE;
	*value = number;
	return 0;
}

/* A decimal number at the beginning of text: what is behind it. NULL: there is none. */
static const char *number_end(const char *text)
{
	static const char digits[] = "0123456789";
	const char *at = text + (*text == '-' || *text == '+');
	size_t whole = strspn(at, digits), fraction = 0, exponent = 0;
	const char *behind;

	at += whole;
	if (*at == '.') {
		fraction = strspn(at + 1, digits);
		at += 1 + fraction;
	}
	if (whole + fraction == 0)
		return NULL;
	if (*at == 'e' || *at == 'E') {
		behind = at + 1 + (at[1] == '-' || at[1] == '+');
		exponent = strspn(behind, digits);
		if (exponent > 0)
			at = behind + exponent;
	}
	return at;
}

/*
 * The locale whose decimal point is a point, whatever the process's is. The
 * "C" locale is part of libc: having it costs neither memory nor failure.
 */
static locale_t number_locale(void)
{
	return newlocale(LC_ALL_MASK, "C", (locale_t)0);
}

static int value_double(const char *string, double *value)
{
	char text[NUMBER_BYTES];
	const char *end;
	double number;
	int err;

	err = value_trim(string, text);
	if (err < 0)
		return err;
	end = number_end(text);
	if (!end || *end != '\0')
		return ZKCFG_ETYPE;
	number = strtod_l(text, NULL, number_locale());
	if (!isfinite(number))
		return ZKCFG_ERANGE;
	*value = number;
	return 0;
}

static int value_bool(const char *string, int *value)
{
	static const char *const words[][2] = { { "false", "true" }, { "no", "yes" }, { "off", "on" }, { "0", "1" } };
	char text[NUMBER_BYTES];
	int err;

	err = value_trim(string, text);
	if (err < 0)
		return err;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		for (int truth = 0; truth < 2; truth++) {
			if (strcasecmp(text, words[i][truth]) == 0) {
				*value = truth;
				return 0;
			}
		}
	}
	return ZKCFG_ETYPE;
}

/* What may stand behind a number, and what it multiplies it with. */
struct unit {
	const char *name;
	unsigned factor;
};

/*
 * A number that is not negative, with a unit. A long double holds every
 * 64-bit number exactly, and half of a millisecond besides.
 */
static int value_with_unit(const char *string, const struct unit *units, size_t unit_count, long double *value)
{
	char text[NUMBER_BYTES], number_text[NUMBER_BYTES];
	const char *unit;
	long double number;
	int err;

	err = value_trim(string, text);
	if (err < 0)
		return err;
	if (!isdigit((unsigned char)text[0]))
		return ZKCFG_ETYPE;
	unit = number_end(text);
	memcpy(number_text, text, (size_t)(unit - text));
	number_text[unit - text] = '\0';
	number = strtold_l(number_text, NULL, number_locale());
	for (size_t i = 0; i < unit_count; i++) {
		if (strcmp(unit, units[i].name) == 0) {
			*value = number * units[i].factor;
			return 0;
		}
	}
	if (*unit == '\0' && number == 0) {
		*value = 0; /* 0 is 0 of any unit */
		return 0;
	}
	return ZKCFG_ETYPE;
}

/* Numbers from here on have no int64_t. */
#define INT64_BEYOND 9223372036854775808.0L

static int value_duration_ms(const char *string, int64_t *value)
{
	static const struct unit units[] = { { "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "h", 3600000 } };
	long double ms;
	int err = value_with_unit(string, units, sizeof(units) / sizeof(units[0]), &ms);

	if (err < 0)
		return err;
	if (!(ms < INT64_BEYOND))
		return ZKCFG_ERANGE;
	*value = (int64_t)(ms + 0.5L);
	return 0;
}

static int value_size_bytes(const char *string, uint64_t *value)
{
	static const struct unit units[] = {
		{ "", 1 }, { "k", 1024 }, { "K", 1024 }, { "M", 1048576 }, { "G", 1073741824 }
	};
	long double bytes;
	int err = value_with_unit(string, units, sizeof(units) / sizeof(units[0]), &bytes);

	if (err < 0)
		return err;
	if (!(bytes < 2 * INT64_BEYOND))
		return ZKCFG_ERANGE;
	if (bytes != (long double)(uint64_t)bytes)
		return ZKCFG_ETYPE; /* half a byte */
	*value = (uint64_t)bytes;
	return 0;
}

int zkcfg_get_string(const struct zkcfg_snapshot *snapshot, const char *document, const char *path,
		     const char **value)
{
	if (!snapshot || !document || !path || !value)
		return ZKCFG_EINVAL;
	return index_get(&snapshot->index, document, path, value);
}

int zkcfg_document_int64(const struct zkcfg_document *document, const char *path, int64_t *value)
{
	const char *string;
	int err = value ? zkcfg_document_string(document, path, &string) : ZKCFG_EINVAL;

	return err < 0 ? err : value_int64(string, value);
}

int zkcfg_get_int64(const struct zkcfg_snapshot *snapshot, const char *document, const char *path,
		    int64_t *value)
{
	const char *string;
	int err = value ? zkcfg_get_string(snapshot, document, path, &string) : ZKCFG_EINVAL;

	return err < 0 ? err : value_int64(string, value);
}

int zkcfg_document_double(const struct zkcfg_document *document, const char *path, double *value)
{
	const char *string;
	int err = value ? zkcfg_document_string(document, path, &string) : ZKCFG_EINVAL;

	return err < 0 ? err : value_double(string, value);
}

int zkcfg_get_double(const struct zkcfg_snapshot *snapshot, const char *document, const char *path,
		     double *value)
{
	const char *string;
	int err = value ? zkcfg_get_string(snapshot, document, path, &string) : ZKCFG_EINVAL;

	return err < 0 ? err : value_double(string, value);
}

int zkcfg_document_bool(const struct zkcfg_document *document, const char *path, int *value)
{
	const char *string;
	int err = value ? zkcfg_document_string(document, path, &string) : ZKCFG_EINVAL;

	return err < 0 ? err : value_bool(string, value);
}

int zkcfg_get_bool(const struct zkcfg_snapshot *snapshot, const char *document, const char *path, int *value)
{
	const char *string;
	int err = value ? zkcfg_get_string(snapshot, document, path, &string) : ZKCFG_EINVAL;

	return err < 0 ? err : value_bool(string, value);
}

int zkcfg_document_duration_ms(const struct zkcfg_document *document, const char *path, int64_t *value)
{
	const char *string;
	int err = value ? zkcfg_document_string(document, path, &string) : ZKCFG_EINVAL;

	return err < 0 ? err : value_duration_ms(string, value);
}

int zkcfg_get_duration_ms(const struct zkcfg_snapshot *snapshot, const char *document, const char *path,
			  int64_t *value)
{
	const char *string;
	int err = value ? zkcfg_get_string(snapshot, document, path, &string) : ZKCFG_EINVAL;

	return err < 0 ? err : value_duration_ms(string, value);
}

int zkcfg_document_size_bytes(const struct zkcfg_document *document, const char *path, uint64_t *value)
{
	const char *string;
	int err = value ? zkcfg_document_string(document, path, &string) : ZKCFG_EINVAL;

	return err < 0 ? err : value_size_bytes(string, value);
}

int zkcfg_get_size_bytes(const struct zkcfg_snapshot *snapshot, const char *document, const char *path,
			 uint64_t *value)
{
	const char *string;
	int err = value ? zkcfg_get_string(snapshot, document, path, &string) : ZKCFG_EINVAL;

	return err < 0 ? err : value_size_bytes(string, value);
}
