/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "source/secret.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"

static char path[64];
static struct secret_file wanted;

static void begin(void)
{
	int fd;

	strcpy(path, "/tmp/zkcfg-secret-XXXXXX");
	fd = mkstemp(path);
	ck_assert_int_ge(fd, 0);
	close(fd);
	wanted = (struct secret_file){ "auth_file", path, "password", "one line, user:password",
				       secret_is_user_and_password };
	log_start(LOG_LEVEL_WARNING);
}

static void end(void)
{
	unlink(path);
}

static void fill(const char *bytes, size_t size_bytes)
{
	FILE *file = fopen(path, "w");

	ck_assert_ptr_nonnull(file);
	ck_assert_uint_eq(fwrite(bytes, 1, size_bytes, file), size_bytes);
	ck_assert_int_eq(fclose(file), 0);
}

/* What goes to the log meanwhile. */
static int read_logged(char **secret, struct message *message, char *logged, size_t logged_bytes)
{
	char log[64] = "/tmp/zkcfg-log-XXXXXX";
	int fd = mkstemp(log), before = dup(STDERR_FILENO), err;
	ssize_t got;

	ck_assert_int_ge(fd, 0);
	dup2(fd, STDERR_FILENO);
	err = secret_read(&wanted, secret, message);
	fflush(stderr);
	dup2(before, STDERR_FILENO);
	close(before);
	got = pread(fd, logged, logged_bytes - 1, 0);
	logged[got > 0 ? got : 0] = '\0';
	close(fd);
	unlink(log);
	return err;
}

START_TEST(line_is_read_without_its_end)
{
	static const char *const files[] = { "me:hunter2", "me:hunter2\n", "me:hunter2\r\n",
					     "me:hunter2\n\n" };
	struct message message = { "" };
	char *secret = NULL, logged[512];

	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
		fill(files[i], strlen(files[i]));
		ck_assert_int_eq(read_logged(&secret, &message, logged, sizeof(logged)), 0);
		ck_assert_str_eq(secret, "me:hunter2");
		ck_assert_str_eq(logged, "");
		secret_free(secret);
	}
	secret_free(NULL);
}
END_TEST

START_TEST(what_is_no_such_line_is_refused_and_not_shown)
{
	static const struct {
		const char *bytes;
		size_t size_bytes;
	} files[] = { { "", 0 },
		      { "\n", 1 },
		      { "\nme:hunter2", 11 },
		      { "hunter2", 7 },
		      { ":hunter2", 8 },
		      { "me:hunter2\nmore", 15 },
		      { "me:hunter2\0", 11 },
		      { "me:\0hunter2", 11 } };
	struct message message = { "" };
	char *secret = NULL, expected[256];

	snprintf(expected, sizeof(expected),
		 "auth_file %s does not hold what was expected: one line, user:password", path);
	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
		fill(files[i].bytes, files[i].size_bytes);
		ck_assert_msg(secret_read(&wanted, &secret, &message) == -EINVAL, "%zu", i);
		ck_assert_str_eq(message.text, expected);
		ck_assert_ptr_null(secret);
	}
}
END_TEST

static bool is_anything(const char *line)
{
	return line != NULL;
}

START_TEST(empty_line_is_none_whatever_is_expected)
{
	struct message message = { "" };
	char *secret = NULL;

	wanted.is_right = is_anything;
	fill("\n", 1);
	ck_assert_int_eq(secret_read(&wanted, &secret, &message), -EINVAL);
	fill("x\n", 2);
	ck_assert_int_eq(secret_read(&wanted, &secret, &message), 0);
	secret_free(secret);
}
END_TEST

START_TEST(file_that_cannot_be_read_is_named)
{
	struct message message = { "" };
	char *secret = NULL, big[1025];

	memset(big, ':', sizeof(big));
	big[0] = 'u';
	fill(big, 1024);
	ck_assert_int_eq(secret_read(&wanted, &secret, &message), 0);
	secret_free(secret);
	secret = NULL;
	fill(big, 1025);
	ck_assert_int_eq(secret_read(&wanted, &secret, &message), -EFBIG);
	ck_assert_msg(
		strstr(message.text, path) &&
			strstr(message.text, "(more than 1024 bytes; expected one line, user:password)"),
		"%s", message.text);
	wanted.file = "/no/such/file";
	ck_assert_int_eq(secret_read(&wanted, &secret, &message), -ENOENT);
	ck_assert_str_eq(message.text, "auth_file /no/such/file cannot be read: No such file or directory");
	ck_assert_ptr_null(secret);
}
END_TEST

static const struct {
	mode_t mode;
	bool is_warned_of;
} modes[] = { { 0600, false }, { 0640, false }, { 0400, false },
	      { 0644, true },  { 0660, true },	{ 0604, true } };

START_TEST(others_with_access_are_warned_of)
{
	struct message message = { "" };
	char *secret, logged[512], mode[32];

	fill("me:hunter2\n", 11);
	ck_assert_int_eq(chmod(path, modes[_i].mode), 0);
	ck_assert_int_eq(read_logged(&secret, &message, logged, sizeof(logged)), 0);
	snprintf(mode, sizeof(mode), "has mode %04o: ", (unsigned)modes[_i].mode);
	ck_assert_msg((strstr(logged, mode) != NULL) == modes[_i].is_warned_of, "%04o: %s",
		      (unsigned)modes[_i].mode, logged);
	ck_assert_msg(!modes[_i].is_warned_of ||
			      (strstr(logged, path) && strstr(logged, "to the password; ")),
		      "%s", logged);
	ck_assert_ptr_null(strstr(logged, "hunter2"));
	secret_free(secret);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("secret");
	TCase *tcase = tcase_create("secret");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, begin, end);
	tcase_add_test(tcase, line_is_read_without_its_end);
	tcase_add_test(tcase, what_is_no_such_line_is_refused_and_not_shown);
	tcase_add_test(tcase, empty_line_is_none_whatever_is_expected);
	tcase_add_test(tcase, file_that_cannot_be_read_is_named);
	tcase_add_loop_test(tcase, others_with_access_are_warned_of, 0, sizeof(modes) / sizeof(*modes));
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
