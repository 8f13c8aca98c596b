/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"

/* A directory for each test, which it works in. */
static char directory[64];

static void enter_directory(void)
{
	strcpy(directory, "/tmp/zkcfg-file-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(directory));
	ck_assert_int_eq(chdir(directory), 0);
	umask(022);
}

static void remove_directory(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", directory);
	ck_assert_int_eq(system(command), 0);
}

static void write_file(const char *name, const char *bytes, size_t size_bytes)
{
	FILE *file = fopen(name, "w");

	ck_assert_ptr_nonnull(file);
	ck_assert_uint_eq(fwrite(bytes, 1, size_bytes, file), size_bytes);
	ck_assert_int_eq(fclose(file), 0);
}

static void assert_file(const char *name, const char *bytes, size_t size_bytes)
{
	struct buffer buffer = { 0 };

	ck_assert_int_eq(file_read(name, SIZE_MAX, &buffer), 0);
	ck_assert_uint_eq(buffer.size_bytes, size_bytes);
	if (size_bytes > 0)
		ck_assert_mem_eq(buffer.bytes, bytes, size_bytes);
	buffer_free(&buffer);
}

static size_t count_files(void)
{
	DIR *dir = opendir(".");
	size_t count = 0;

	ck_assert_ptr_nonnull(dir);
	while (readdir(dir))
		count++;
	closedir(dir);
	return count - 2;
}

START_TEST(whole_file_is_read)
{
	static const size_t sizes[] = { 0, 1, 16383, 16384, 16385, 100000 };
	static char bytes[100000];

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (char)(i * 7 % 253);
	write_file("f", bytes, sizes[_i]);
	assert_file("f", bytes, sizes[_i]);
}
END_TEST

START_TEST(bytes_are_added_to_what_is_there)
{
	struct buffer buffer = { 0 };

	write_file("f", "file", 4);
	buffer_append(&buffer, "head ", 5);
	ck_assert_int_eq(file_read("f", 4, &buffer), 0); /* the limit is the file's */
	ck_assert_uint_eq(buffer.size_bytes, 9);
	ck_assert_mem_eq(buffer.bytes, "head file", 9);
	ck_assert_int_eq(file_read("f", 3, &buffer), -EFBIG);
	buffer_free(&buffer);
}
END_TEST

START_TEST(file_above_the_limit_is_refused)
{
	struct buffer buffer = { 0 };

	write_file("f", "12345", 5);
	ck_assert_int_eq(file_read("f", 5, &buffer), 0);
	buffer_clear(&buffer);
	ck_assert_int_eq(file_read("f", 4, &buffer), -EFBIG);
	buffer_clear(&buffer);
	ck_assert_int_eq(file_read("f", 0, &buffer), -EFBIG);
	buffer_free(&buffer);
}
END_TEST

START_TEST(what_is_no_file_is_an_error)
{
	struct buffer buffer = { 0 };

	ck_assert_int_eq(file_read("missing", 100, &buffer), -ENOENT);
	ck_assert_int_eq(file_read(".", 100, &buffer), -EISDIR);
	ck_assert_int_eq(file_read("/dev/zero", 100000, &buffer), -EFBIG);
	buffer_free(&buffer);
}
END_TEST

START_TEST(dash_is_standard_input)
{
	struct buffer buffer = { 0 };
	int ends[2];

	ck_assert_int_eq(pipe(ends), 0);
	ck_assert_int_eq(write(ends[1], "from stdin", 10), 10);
	close(ends[1]);
	ck_assert_int_ge(dup2(ends[0], STDIN_FILENO), 0);
	ck_assert_int_eq(file_read("-", 100, &buffer), 0);
	ck_assert_uint_eq(buffer.size_bytes, 10);
	ck_assert_mem_eq(buffer.bytes, "from stdin", 10);
	buffer_free(&buffer);
}
END_TEST

START_TEST(file_is_put_in_place_with_its_mode)
{
	int dir_fd = open(".", O_RDONLY | O_DIRECTORY);
	struct stat st;

	ck_assert_int_eq(file_replace(dir_fd, "f", 0600, "one", 3), 0);
	assert_file("f", "one", 3);
	ck_assert_int_eq(stat("f", &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0600);
	ck_assert_int_eq(file_replace(dir_fd, "f", 0644, "two, longer", 11), 0);
	assert_file("f", "two, longer", 11);
	ck_assert_int_eq(stat("f", &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0644);
	ck_assert_int_eq(file_replace(dir_fd, "f", 0600, "", 0), 0);
	assert_file("f", "", 0);
	ck_assert_uint_eq(count_files(), 1);
	close(dir_fd);
}
END_TEST

START_TEST(who_has_the_old_file_open_keeps_it)
{
	int dir_fd = open(".", O_RDONLY | O_DIRECTORY), old;
	char bytes[4] = "";

	ck_assert_int_eq(file_replace(dir_fd, "f", 0600, "old", 3), 0);
	old = open("f", O_RDONLY);
	ck_assert_int_eq(file_replace(dir_fd, "f", 0600, "new", 3), 0);
	ck_assert_int_eq(read(old, bytes, 3), 3);
	ck_assert_str_eq(bytes, "old");
	close(old);
	close(dir_fd);
}
END_TEST

START_TEST(failed_write_leaves_the_old_file_and_no_temporary)
{
	int dir_fd = open(".", O_RDONLY | O_DIRECTORY);
	struct rlimit limit = { .rlim_cur = 4096, .rlim_max = 4096 };
	static char large[10000];

	ck_assert_int_eq(file_replace(dir_fd, "f", 0600, "old", 3), 0);
	signal(SIGXFSZ, SIG_IGN);
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	ck_assert_int_eq(file_replace(dir_fd, "f", 0600, large, sizeof(large)), -EFBIG);
	assert_file("f", "old", 3);
	ck_assert_uint_eq(count_files(), 1);
	close(dir_fd);
}
END_TEST

START_TEST(name_taken_by_a_directory_is_an_error)
{
	int dir_fd = open(".", O_RDONLY | O_DIRECTORY);
	char name[NAME_MAX + 1];

	ck_assert_int_eq(mkdir("f", 0700), 0);
	ck_assert_int_eq(file_replace(dir_fd, "f", 0600, "x", 1), -EISDIR);
	ck_assert_uint_eq(count_files(), 1);
	ck_assert_int_eq(file_replace(dir_fd, "none/f", 0600, "x", 1), -ENOENT);
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	ck_assert_int_eq(file_replace(dir_fd, name, 0600, "x", 1), -ENAMETOOLONG);
	close(dir_fd);
}
END_TEST

START_TEST(temporary_that_a_crash_left_is_no_obstacle)
{
	int dir_fd = open(".", O_RDONLY | O_DIRECTORY);

	write_file("victim", "kept", 4);
	ck_assert_int_eq(symlink("victim", ".f.new"), 0);
	ck_assert_int_eq(file_replace(dir_fd, "f", 0600, "x", 1), 0);
	assert_file("f", "x", 1);
	assert_file("victim", "kept", 4); /* a link is not followed */
	ck_assert_uint_eq(count_files(), 2);
	close(dir_fd);
}
END_TEST

START_TEST(directories_are_made_with_their_parents)
{
	static const char *const paths[] = { "a", "b/c/d", "e/f/", "./g//h", "/tmp", "/" };
	struct stat st;

	for (int again = 0; again < 2; again++) {
		ck_assert_int_eq(file_make_dirs(paths[_i], 0700), 0);
		ck_assert_int_eq(stat(paths[_i], &st), 0);
		ck_assert(S_ISDIR(st.st_mode));
		if (paths[_i][0] != '/')
			ck_assert_uint_eq(st.st_mode & 0777, 0700);
	}
}
END_TEST

START_TEST(path_that_cannot_be_a_directory_is_an_error)
{
	char path[PATH_MAX + 1];

	write_file("f", "x", 1);
	ck_assert_int_eq(file_make_dirs("f", 0700), -ENOTDIR);
	ck_assert_int_eq(file_make_dirs("f/below", 0700), -ENOTDIR);
	ck_assert_int_eq(file_make_dirs("", 0700), -ENOENT);
	ck_assert_int_eq(symlink("nowhere", "dangling"), 0);
	ck_assert_int_eq(file_make_dirs("dangling", 0700), -ENOENT);
	memset(path, 'p', PATH_MAX);
	path[PATH_MAX] = '\0';
	ck_assert_int_eq(file_make_dirs(path, 0700), -ENAMETOOLONG);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("file");
	TCase *tcase = tcase_create("file");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, enter_directory, remove_directory);
	tcase_add_loop_test(tcase, whole_file_is_read, 0, 6);
	tcase_add_test(tcase, bytes_are_added_to_what_is_there);
	tcase_add_test(tcase, file_above_the_limit_is_refused);
	tcase_add_test(tcase, what_is_no_file_is_an_error);
	tcase_add_test(tcase, dash_is_standard_input);
	tcase_add_test(tcase, file_is_put_in_place_with_its_mode);
	tcase_add_test(tcase, who_has_the_old_file_open_keeps_it);
	tcase_add_test(tcase, failed_write_leaves_the_old_file_and_no_temporary);
	tcase_add_test(tcase, name_taken_by_a_directory_is_an_error);
	tcase_add_test(tcase, temporary_that_a_crash_left_is_no_obstacle);
	tcase_add_loop_test(tcase, directories_are_made_with_their_parents, 0, 6);
	tcase_add_test(tcase, path_that_cannot_be_a_directory_is_an_error);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
