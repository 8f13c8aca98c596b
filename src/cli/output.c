/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

void complain(const char *format, ...)
{
	va_list args;
	char *text;
	int length;

	va_start(args, format);
	length = vasprintf(&text, format, args);
	va_end(args);
	if (length < 0) {
		fputs("zkcfg: out of memory\n", stderr);
		return;
	}
	for (char *c = text; *c != '\0'; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			*c = '?';
	fprintf(stderr, "zkcfg: %s\n", text);
	free(text);
}

/* What stands for a byte that would break a line or command a terminal; NULL: itself does. */
static const char *output_escape(unsigned char c)
{
	switch (c) {
	case '\t':
		return "\\t";
	case '\n':
		return "\\n";
	case '\r':
		return "\\r";
	case '\\':
		return "\\\\";
	}
	return NULL;
}

void output_escaped(const char *text)
{
	if (!text) {
		fputs("\\N", stdout);
		return;
	}
	for (const unsigned char *c = (const unsigned char *)text; *c != '\0'; c++) {
		const char *escape = output_escape(*c);
		/* U+0080 to U+009F: control characters to a terminal as well */
		bool is_high = c[0] == 0xc2 && c[1] >= 0x80 && c[1] <= 0x9f;

		if (escape)
			fputs(escape, stdout);
		else if (is_high)
			printf("\\x%02x\\x%02x", c[0], c[1]);
		else if (*c < 0x20 || *c == 0x7f)
			printf("\\x%02x", *c);
		else
			putchar(*c);
		c += is_high;
	}
}

char *output_age(int64_t ms, char text[OUTPUT_AGE_BYTES])
{
	int64_t s = ms / 1000;

	if (ms < 10000)
		snprintf(text, OUTPUT_AGE_BYTES, "%lld.%lld s", (long long)s, (long long)(ms % 1000 / 100));
	else if (s < 120)
		snprintf(text, OUTPUT_AGE_BYTES, "%lld s", (long long)s);
	else if (s < 120 * 60)
		snprintf(text, OUTPUT_AGE_BYTES, "%lld min", (long long)s / 60);
	else if (s < 48 * 3600)
		snprintf(text, OUTPUT_AGE_BYTES, "%lld h", (long long)s / 3600);
	else
		snprintf(text, OUTPUT_AGE_BYTES, "%lld days", (long long)s / 86400);
	return text;
}

static bool output_has_colour(void)
{
	const char *no_colour = getenv("NO_COLOR"), *terminal = getenv("TERM");

	return isatty(STDOUT_FILENO) && !(no_colour && *no_colour) && terminal &&
	       strcmp(terminal, "dumb") != 0;
}

const char *output_colour(enum output_colour colour)
{
	static const char *const sequences[] = { [OUTPUT_RED] = "\033[31m",
						 [OUTPUT_GREEN] = "\033[32m",
						 [OUTPUT_YELLOW] = "\033[33m",
						 [OUTPUT_BOLD] = "\033[1m",
						 [OUTPUT_PLAIN] = "\033[0m" };

	return output_has_colour() ? sequences[colour] : "";
}

int output_json(json_t *json, size_t flags)
{
	if (!json) {
		complain("cannot be told in JSON: out of memory, or a string that is not UTF-8");
		return CLI_UNREADABLE;
	}
	/* what cannot be written is looked after in main.c */
	json_dumpf(json, stdout, flags);
	json_decref(json);
	putchar('\n');
	return CLI_OK;
}

json_t *output_time(int64_t realtime_ns)
{
	char text[CLOCK_TEXT_BYTES];

	return realtime_ns > 0 ? json_string(clock_format(realtime_ns, text)) : json_null();
}

json_t *output_ms(int64_t ms)
{
	return ms >= 0 ? json_integer(ms) : json_null();
}

bool output_is_gone(int timeout_ms)
{
	struct pollfd out = { .fd = STDOUT_FILENO, .events = 0 };

	return poll(&out, 1, timeout_ms) > 0;
}
