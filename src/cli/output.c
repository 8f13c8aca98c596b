/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"

int cli_fail(int code, const char *format, ...)
{
	va_list args;

	fputs("zkcfg: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	return code;
}

void output_escaped(const char *text)
{
	for (const unsigned char *c = (const unsigned char *)text; *c != '\0'; c++) {
		if (*c == '\n')
			fputs("\\n", stdout);
		else if (*c == '\t')
			fputs("\\t", stdout);
		else if (*c == '\r')
			fputs("\\r", stdout);
		else if (*c == '\\')
			fputs("\\\\", stdout);
		else if (*c < 0x20 || *c == 0x7f)
			printf("\\x%02x", *c);
		else
			putchar(*c);
	}
}

char *output_age(int64_t ms, char text[OUTPUT_AGE_BYTES])
{
	if (ms < 120 * 1000)
		snprintf(text, OUTPUT_AGE_BYTES, "%.1f s", (double)ms / 1000);
	else if (ms < 120 * 60 * 1000)
		snprintf(text, OUTPUT_AGE_BYTES, "%lld min", (long long)(ms / 60000));
	else if (ms < (int64_t)48 * 3600 * 1000)
		snprintf(text, OUTPUT_AGE_BYTES, "%lld h", (long long)(ms / 3600000));
	else
		snprintf(text, OUTPUT_AGE_BYTES, "%lld d", (long long)(ms / 86400000));
	return text;
}

const char *output_colour(enum output_colour colour)
{
	static const char *const sequences[] = { "\033[0m", "\033[32m", "\033[31m", "\033[2m" };
	const char *no_colour = getenv("NO_COLOR");

	if (!isatty(STDOUT_FILENO) || (no_colour && *no_colour))
		return "";
	return sequences[colour];
}

int output_json(json_t *value, bool indent)
{
	int err;

	if (!value)
		return cli_fail(EXIT_UNREADABLE, "out of memory");
	err = json_dumpf(value, stdout, JSON_PRESERVE_ORDER | (indent ? JSON_INDENT(2) : JSON_COMPACT));
	json_decref(value);
	putchar('\n');
	return err < 0 ? cli_fail(EXIT_UNREADABLE, "cannot write JSON to standard output") : EXIT_OK;
}

int output_end(int code)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return code;
	if (errno == EPIPE)
		return code; /* who reads has seen enough */
	return cli_fail(EXIT_UNREADABLE, "cannot write to standard output: %s", strerror(errno));
}
