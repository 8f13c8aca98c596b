/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"

#define LOG_LINE_BYTES 2048

/* The one piece of process-wide state: where every thread's lines go. */
static struct {
	enum log_level least;
	bool journal;
} log_state = { .least = LOG_LEVEL_INFO };

static const char *const log_names[] = {
	[LOG_LEVEL_ERROR] = "error", [LOG_LEVEL_WARNING] = "warning", [LOG_LEVEL_NOTICE] = "notice",
	[LOG_LEVEL_INFO] = "info",   [LOG_LEVEL_DEBUG] = "debug",
};

static bool log_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long device, inode;
	struct stat st;

	return stream && sscanf(stream, "%llu:%llu", &device, &inode) == 2 &&
	       fstat(STDERR_FILENO, &st) == 0 && st.st_dev == device && st.st_ino == inode;
}

void log_start(enum log_level least)
{
	log_state.least = least;
	log_state.journal = log_is_journal();
}

bool log_level_parse(const char *name, enum log_level *level)
{
	for (int i = LOG_LEVEL_ERROR; i <= LOG_LEVEL_DEBUG; i++) {
		if (strcmp(name, log_names[i]) == 0) {
			*level = (enum log_level)i;
			return true;
		}
	}
	return false;
}

bool log_enabled(enum log_level level)
{
	return level <= log_state.least;
}

void log_line(enum log_level level, const char *format, ...)
{
	char line[LOG_LINE_BYTES], when[CLOCK_TEXT_BYTES];
	size_t begin, end;
	va_list args;
	int length;

	if (!log_enabled(level))
		return;
	if (log_state.journal)
		length = snprintf(line, sizeof(line), "<%d>", (int)level);
	else
		length = snprintf(line, sizeof(line), "%s %s: ", clock_format(clock_realtime_ns(), when),
				  log_names[level]);
	begin = (size_t)length;
	va_start(args, format);
	length = vsnprintf(line + begin, sizeof(line) - begin - 1, format, args);
	va_end(args);
	if (length < 0)
		return;
	end = begin + (size_t)length;
	if (end > sizeof(line) - 2)
		end = sizeof(line) - 2;
	for (size_t i = begin; i < end; i++)
		if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
			line[i] = '?';
	line[end++] = '\n';
	if (write(STDERR_FILENO, line, end) < 0)
		return; /* there is nowhere to say so */
}
