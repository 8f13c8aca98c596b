/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hook is killed by SIGKILL at every step between rendering and having told
 * the program, and started again: files and program are as if it had not died.
 */
#include <check.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "support/segment_host.h"

/* In their order. Up to which one nothing was changed, and from which one on the program was told. */
static const char *const steps[] = { "rendered",	"written", "checked", "begun",	 "renamed one",
				     "renamed another", "placed",  "acted",   "recorded" };
#define STEPS (sizeof(steps) / sizeof(steps[0]))
enum { STEP_BEGUN = 3, STEP_ACTED = 7, STEP_RECORDED = 8 };

static struct segment_host host;
static char directory[64];

static void start(void)
{
	segment_host_start(&host);
	segment_host_open(&host);
	strcpy(directory, "/tmp/zkcfg-hook-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(directory));
}

static void stop(void)
{
	segment_host_stop(&host);
	segment_host_remove(directory);
}

static const char *text_of(const char *name)
{
	static struct buffer text;
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	buffer_clear(&text);
	if (file_read(path, 1 << 20, &text) < 0)
		return "-";
	buffer_append(&text, "", 1);
	return text.bytes;
}

/* The runner, until it has ended; what it printed. */
static int run(const char *step, char *printed, size_t printed_bytes)
{
	const char *build = getenv("ZKCFG_BUILD");
	char program[512];
	int fds[2], how;
	ssize_t got, all = 0;
	pid_t pid;

	snprintf(program, sizeof(program), "%.400s/tests/integration/hook_runner", build ? build : ".");
	ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		dup2(fds[1], STDOUT_FILENO);
		execl(program, "hook_runner", host.shm_dir, directory, step, (char *)NULL);
		_exit(127);
	}
	close(fds[1]);
	while ((got = read(fds[0], printed + all, printed_bytes - 1 - (size_t)all)) > 0)
		all += got;
	printed[all] = '\0';
	close(fds[0]);
	ck_assert_int_eq(waitpid(pid, &how, 0), pid);
	return how;
}

static void run_to_its_end(void)
{
	char printed[1024];
	int how = run("-", printed, sizeof(printed));

	ck_assert_msg(WIFEXITED(how) && WEXITSTATUS(how) == 0, "%#x", (unsigned)how);
}

static void run_until(const char *step)
{
	char printed[1024];
	int how = run(step, printed, sizeof(printed));

	ck_assert_msg(WIFSIGNALED(how) && WTERMSIG(how) == SIGKILL, "%s was not passed: %#x", step,
		      (unsigned)how);
}

static uint64_t publish(const char *value)
{
	char xml[64];

	snprintf(xml, sizeof(xml), "<a>%s</a>", value);
	segment_host_publish(&host, "a.xml", xml);
	return segment_host_publish(&host, "b.xml", xml);
}

static void expect_files(const char *value)
{
	char xml[64];

	snprintf(xml, sizeof(xml), "<a>%s</a>", value);
	ck_assert_str_eq(text_of("a.xml"), xml);
	ck_assert_str_eq(text_of("b.xml"), xml);
}

/* How often the program was told of this commit. */
static unsigned told(uint64_t seq)
{
	char *copy = strdup(text_of("told")), *rest = NULL;
	unsigned count = 0;

	for (char *line = strtok_r(copy, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
		count += strtoull(line, NULL, 10) == seq;
	free(copy);
	return count;
}

START_TEST(every_step_is_known)
{
	char printed[1024], expected[1024] = "";

	publish("1");
	ck_assert_int_eq(run("-", printed, sizeof(printed)), 0);
	for (size_t i = 0; i < STEPS; i++) { /* two files: two are rendered and written */
		strcat(strcat(expected, steps[i]), "\n");
		if (strcmp(steps[i], "written") == 0)
			strcat(expected, "rendered\nwritten\n");
	}
	ck_assert_str_eq(printed, expected);
}
END_TEST

START_TEST(killed_at_a_step_all_is_done_after_a_restart)
{
	const char *step = steps[_i];
	unsigned expected = _i == STEP_ACTED ? 2 : 1;
	uint64_t seq;

	publish("old");
	run_to_its_end();
	seq = publish("new");
	run_until(step);
	if (_i <= STEP_BEGUN)
		expect_files("old");
	ck_assert_uint_eq(told(seq), _i >= STEP_ACTED);
	run_to_its_end();
	expect_files("new");
	ck_assert_uint_eq(told(seq), expected);
	run_to_its_end();
	ck_assert_uint_eq(told(seq), expected);
}
END_TEST

START_TEST(killed_at_a_step_again_and_again_all_is_done_in_the_end)
{
	uint64_t seq;

	publish("old");
	run_to_its_end();
	seq = publish("new");
	for (int i = 0; i < 3; i++)
		run_until(steps[_i]);
	run_to_its_end();
	expect_files("new");
	ck_assert_uint_eq(told(seq), _i == STEP_ACTED ? 4 : 1);
}
END_TEST

START_TEST(killed_at_a_step_and_the_configuration_went_back_meanwhile)
{
	uint64_t first, last;

	first = publish("old");
	run_to_its_end();
	publish("new");
	run_until(steps[_i]);
	last = publish("old");
	run_to_its_end();
	expect_files("old");
	ck_assert_uint_eq(told(first), 1);
	/* where files or program may have had the new one they are told to go back, and else left alone */
	ck_assert_uint_eq(told(last), _i >= STEP_BEGUN);
	ck_assert_str_eq(text_of(".a.xml.zkcfg"), "-");
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("hook");
	Suite *suite = suite_create("hook");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, start, stop);
	tcase_add_test(tcase, every_step_is_known);
	tcase_add_loop_test(tcase, killed_at_a_step_all_is_done_after_a_restart, 0, (int)STEPS);
	tcase_add_loop_test(tcase, killed_at_a_step_again_and_again_all_is_done_in_the_end, 0, STEP_RECORDED);
	tcase_add_loop_test(tcase, killed_at_a_step_and_the_configuration_went_back_meanwhile, 0, (int)STEPS);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed > 0;
}
