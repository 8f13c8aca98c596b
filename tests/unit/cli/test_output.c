/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "cli/cli.h"

/* What standard output (or error) gets between these two; each test is a process of its own. */
static char captured[64];

static void capture(FILE *stream)
{
	int fd;

	strcpy(captured, "/tmp/zkcfg-output-XXXXXX");
	fd = mkstemp(captured);
	ck_assert_int_ge(fd, 0);
	fflush(stream);
	ck_assert_int_ge(dup2(fd, fileno(stream)), 0);
	close(fd);
}

static void expect_captured(FILE *stream, const char *expected)
{
	struct buffer text = { 0 };

	fflush(stream);
	ck_assert_int_eq(file_read(captured, 65536, &text), 0);
	unlink(captured);
	buffer_append(&text, "", 1);
	ck_assert_str_eq(text.bytes, expected);
	buffer_free(&text);
}

static const struct {
	const char *text, *line;
} escapes[] = {
	{ "", "" },
	{ NULL, "\\N" },
	{ "plain text = 1", "plain text = 1" },
	{ "\t\n\r\\", "\\t\\n\\r\\\\" },
	{ "\\N", "\\\\N" },
	{ "\001\033[31m\177", "\\x01\\x1b[31m\\x7f" },
	{ "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80" },
	/* U+0080 and U+009F command terminals, U+00A0 is a space */
	{ "\xc2\x80|\xc2\x9f|\xc2\xa0", "\\xc2\\x80|\\xc2\\x9f|\xc2\xa0" },
	/* cut off in the middle of a character */
	{ "\xc2", "\xc2" },
};

START_TEST(escaped_text_keeps_to_its_line_and_can_be_told_apart)
{
	capture(stdout);
	output_escaped(escapes[_i].text);
	expect_captured(stdout, escapes[_i].line);
}
END_TEST

static const struct {
	int64_t ms;
	const char *text;
} ages[] = {
	{ 0, "0.0 s" },	       { 99, "0.0 s" },		{ 2150, "2.1 s" },
	{ 9999, "9.9 s" },     { 10000, "10 s" },	{ 119999, "119 s" },
	{ 120000, "2 min" },   { 7199999, "119 min" },	{ 7200000, "2 h" },
	{ 172799999, "47 h" }, { 172800000, "2 days" }, { INT64_MAX, "106751991167 days" },
};

START_TEST(age_is_in_words_that_a_person_reads)
{
	char text[OUTPUT_AGE_BYTES];

	ck_assert_str_eq(output_age(ages[_i].ms, text), ages[_i].text);
}
END_TEST

START_TEST(complaint_is_one_line_without_control_characters)
{
	capture(stderr);
	complain("no %s: %d", "a\nb\033c\177", 42);
	expect_captured(stderr, "zkcfg: no a?b?c?: 42\n");
}
END_TEST

START_TEST(json_that_could_not_be_built_is_an_error)
{
	capture(stderr);
	ck_assert_int_eq(output_json(json_string("\xff"), 0), CLI_UNREADABLE);
	expect_captured(stderr,
			"zkcfg: cannot be told in JSON: out of memory, or a string that is not UTF-8\n");
}
END_TEST

START_TEST(json_is_printed_with_a_newline_behind)
{
	capture(stdout);
	ck_assert_int_eq(output_json(json_pack("[o, o, o, o]", output_time(INT64_C(1700000000123000000)),
					       output_time(0), output_ms(0), output_ms(-1)),
				     JSON_COMPACT),
			 CLI_OK);
	expect_captured(stdout, "[\"2023-11-14T22:13:20.123Z\",null,0,null]\n");
}
END_TEST

START_TEST(reader_of_a_pipe_is_there_until_it_closes)
{
	int fds[2];

	ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
	ck_assert_int_ge(dup2(fds[1], STDOUT_FILENO), 0);
	ck_assert(!output_is_gone(0));
	close(fds[0]);
	ck_assert(output_is_gone(0));
	close(fds[1]);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("output");
	TCase *tcase = tcase_create("output");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_loop_test(tcase, escaped_text_keeps_to_its_line_and_can_be_told_apart, 0,
			    (int)(sizeof(escapes) / sizeof(escapes[0])));
	tcase_add_loop_test(tcase, age_is_in_words_that_a_person_reads, 0,
			    (int)(sizeof(ages) / sizeof(ages[0])));
	tcase_add_test(tcase, complaint_is_one_line_without_control_characters);
	tcase_add_test(tcase, json_that_could_not_be_built_is_an_error);
	tcase_add_test(tcase, json_is_printed_with_a_newline_behind);
	tcase_add_test(tcase, reader_of_a_pipe_is_there_until_it_closes);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
