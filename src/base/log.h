/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log: lines on stderr.
 *
 * Under systemd (JOURNAL_STREAM names our stderr) each line begins with the
 * priority that the journal reads, as "<4>"; elsewhere with time and level.
 * A line is one write(2) and never blocks for longer than that. Control
 * characters in a line become '?'. Any thread may log.
 */
#ifndef ZKCFG_BASE_LOG_H
#define ZKCFG_BASE_LOG_H

#include <stdbool.h>

/* As syslog numbers them. */
enum log_level {
	LOG_LEVEL_ERROR = 3,
	LOG_LEVEL_WARNING = 4,
	LOG_LEVEL_NOTICE = 5,
	LOG_LEVEL_INFO = 6,
	LOG_LEVEL_DEBUG = 7
};

/* Set once, before threads start; LOG_LEVEL_INFO until then. */
void log_start(enum log_level least);
/* "error", "warning", "notice", "info", "debug"; false: none of them. */
bool log_level_parse(const char *name, enum log_level *level);
bool log_enabled(enum log_level level);

__attribute__((format(printf, 2, 3))) void log_line(enum log_level level, const char *format, ...);

#define log_error(...) log_line(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_line(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_notice(...) log_line(LOG_LEVEL_NOTICE, __VA_ARGS__)
#define log_info(...) log_line(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_line(LOG_LEVEL_DEBUG, __VA_ARGS__)

#endif
