/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include <check.h>
#include <fcntl.h>
#include <pthread.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"

/* Each test runs in a process of its own: stderr is a file from here on. */
static int catch_stderr(void)
{
	FILE *file = tmpfile();

	ck_assert_ptr_nonnull(file);
	ck_assert_int_ge(dup2(fileno(file), STDERR_FILENO), 0);
	return fileno(file);
}

static const char *caught(int fd)
{
	static char text[200000];
	ssize_t got = pread(fd, text, sizeof(text) - 1, 0);

	ck_assert_int_ge(got, 0);
	text[got] = '\0';
	return text;
}

static void assert_matches(const char *text, const char *pattern)
{
	regex_t regex;

	ck_assert_int_eq(regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB), 0);
	ck_assert_msg(regexec(&regex, text, 0, NULL, 0) == 0, "\"%s\" does not match %s", text, pattern);
	regfree(&regex);
}

static const struct {
	enum log_level level;
	const char *name;
} levels[] = {
	{ LOG_LEVEL_ERROR, "error" }, { LOG_LEVEL_WARNING, "warning" }, { LOG_LEVEL_NOTICE, "notice" },
	{ LOG_LEVEL_INFO, "info" },   { LOG_LEVEL_DEBUG, "debug" },
};
#define LEVELS ((int)(sizeof(levels) / sizeof(levels[0])))

START_TEST(line_begins_with_time_and_level)
{
	int fd = catch_stderr();
	char pattern[128];

	unsetenv("JOURNAL_STREAM");
	log_start(LOG_LEVEL_DEBUG);
	log_line(levels[_i].level, "set %s: seq %d", "app", 7);
	snprintf(pattern, sizeof(pattern),
		 "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3}Z %s: set app: seq 7\n$",
		 levels[_i].name);
	assert_matches(caught(fd), pattern);
}
END_TEST

START_TEST(line_begins_with_priority_where_the_journal_reads)
{
	int fd = catch_stderr();
	char stream[64], line[64];
	struct stat st;

	ck_assert_int_eq(fstat(fd, &st), 0);
	snprintf(stream, sizeof(stream), "%llu:%llu", (unsigned long long)st.st_dev,
		 (unsigned long long)st.st_ino);
	setenv("JOURNAL_STREAM", stream, 1);
	log_start(LOG_LEVEL_DEBUG);
	log_line(levels[_i].level, "hello");
	snprintf(line, sizeof(line), "<%d>hello\n", (int)levels[_i].level);
	ck_assert_str_eq(caught(fd), line);
}
END_TEST

START_TEST(journal_of_another_stream_is_not_ours)
{
	static const char *const streams[] = { "1:1", "", "nonsense", "5" };
	int fd = catch_stderr();

	setenv("JOURNAL_STREAM", streams[_i], 1);
	log_start(LOG_LEVEL_INFO);
	log_info("hello");
	assert_matches(caught(fd), "Z info: hello\n$");
}
END_TEST

START_TEST(journal_of_another_inode_is_not_ours)
{
	int fd = catch_stderr();
	char stream[64];
	struct stat st;

	ck_assert_int_eq(fstat(fd, &st), 0);
	snprintf(stream, sizeof(stream), "%llu:%llu", (unsigned long long)st.st_dev,
		 (unsigned long long)st.st_ino + 1);
	setenv("JOURNAL_STREAM", stream, 1);
	log_start(LOG_LEVEL_INFO);
	log_info("hello");
	assert_matches(caught(fd), "Z info: hello\n$");
}
END_TEST

START_TEST(lines_below_the_level_are_not_written)
{
	enum log_level least = levels[_i].level;
	int fd = catch_stderr(), lines = 0;

	log_start(least);
	for (int i = 0; i < LEVELS; i++) {
		ck_assert(log_enabled(levels[i].level) == (i <= _i));
		log_line(levels[i].level, "line");
	}
	for (const char *c = caught(fd); *c != '\0'; c++)
		lines += *c == '\n';
	ck_assert_int_eq(lines, _i + 1);
}
END_TEST

START_TEST(level_has_its_name_and_no_other)
{
	static const char *const wrong[] = { "", "ERROR", "err", "warn", "errors", "7", "trace", " info" };
	enum log_level level = LOG_LEVEL_NOTICE;

	for (int i = 0; i < LEVELS; i++) {
		ck_assert(log_level_parse(levels[i].name, &level));
		ck_assert_int_eq((int)level, (int)levels[i].level);
	}
	level = LOG_LEVEL_NOTICE;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		ck_assert_msg(!log_level_parse(wrong[i], &level), "\"%s\"", wrong[i]);
	ck_assert_int_eq((int)level, (int)LOG_LEVEL_NOTICE);
}
END_TEST

START_TEST(control_characters_cannot_forge_a_line)
{
	int fd = catch_stderr();

	log_start(LOG_LEVEL_INFO);
	log_info("%s", "a\n2026-01-01T00:00:00.000Z error: forged\r\t\033[2J\177\001");
	assert_matches(caught(fd), "info: a\\?2026-01-01T00:00:00.000Z error: forged\\?\\?\\?\\[2J\\?\\?\n$");
	ck_assert_ptr_eq(strchr(caught(fd), '\n'), strrchr(caught(fd), '\n'));
}
END_TEST

START_TEST(what_is_too_long_is_cut_and_still_a_line)
{
	int fd = catch_stderr();
	char text[5000];
	size_t length;

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	log_start(LOG_LEVEL_INFO);
	for (size_t cut = 1900; cut < 2100; cut++) { /* over the edge byte by byte */
		ck_assert_int_eq(ftruncate(fd, 0), 0);
		lseek(STDERR_FILENO, 0, SEEK_SET);
		log_info("%.*s", (int)cut, text);
		length = strlen(caught(fd));
		ck_assert_uint_le(length, 2048);
		ck_assert_int_eq(caught(fd)[length - 1], '\n');
		ck_assert_ptr_eq(strchr(caught(fd), '\n'), caught(fd) + length - 1);
		ck_assert_ptr_null(strchr(caught(fd), '?'));
	}
	ck_assert_uint_ge(length, 2000);
}
END_TEST

static void *log_many(void *user)
{
	for (int i = 0; i < 500; i++)
		log_info("thread %s %s", (const char *)user, (const char *)user);
	return NULL;
}

START_TEST(threads_do_not_mix_their_lines)
{
	static char names[4][100];
	pthread_t threads[4];
	int fd = catch_stderr(), lines = 0;
	char *line, *rest;

	ck_assert_int_eq(fcntl(STDERR_FILENO, F_SETFL, O_APPEND), 0);
	log_start(LOG_LEVEL_INFO);
	for (int i = 0; i < 4; i++) {
		memset(names[i], 'a' + i, sizeof(names[i]) - 71);
		ck_assert_int_eq(pthread_create(&threads[i], NULL, log_many, names[i]), 0);
	}
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	rest = strdup(caught(fd));
	for (char *next = rest; (line = strsep(&next, "\n")) && *line != '\0'; lines++)
		assert_matches(line, "Z info: thread (a{29} a{29}|b{29} b{29}|c{29} c{29}|d{29} d{29})$");
	ck_assert_int_eq(lines, 2000);
	free(rest);
}
END_TEST

START_TEST(stderr_that_is_closed_does_no_harm)
{
	log_start(LOG_LEVEL_INFO);
	close(STDERR_FILENO);
	log_error("nobody reads this");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("log");
	TCase *tcase = tcase_create("log");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(tcase, line_begins_with_time_and_level, 0, LEVELS);
	tcase_add_loop_test(tcase, line_begins_with_priority_where_the_journal_reads, 0, LEVELS);
	tcase_add_loop_test(tcase, journal_of_another_stream_is_not_ours, 0, 4);
	tcase_add_test(tcase, journal_of_another_inode_is_not_ours);
	tcase_add_loop_test(tcase, lines_below_the_level_are_not_written, 0, LEVELS);
	tcase_add_test(tcase, level_has_its_name_and_no_other);
	tcase_add_test(tcase, control_characters_cannot_forge_a_line);
	tcase_add_test(tcase, what_is_too_long_is_cut_and_still_a_line);
	tcase_add_test(tcase, threads_do_not_mix_their_lines);
	tcase_add_test(tcase, stderr_that_is_closed_does_no_harm);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
