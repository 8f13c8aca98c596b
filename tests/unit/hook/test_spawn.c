/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "hook/spawn.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <event2/event.h>

#include "base/clock.h"
#include "hook/words.h"

static struct event_base *loop;
static struct message message;
static struct spawn_end ended; /* how: 0 while it runs */
static char output[SPAWN_OUTPUT_BYTES * 2];

static void start(void)
{
	loop = event_base_new();
	ended = (struct spawn_end){ 0 };
	message.text[0] = output[0] = '\0';
}

static void stop(void)
{
	event_base_free(loop);
	ck_assert_int_lt(waitpid(-1, NULL, WNOHANG), 0); /* nobody is left to be waited for */
	ck_assert_int_eq(errno, ECHILD);
}

static void on_done(void *user, const struct spawn_end *end)
{
	(void)user;
	ended = *end;
	snprintf(output, sizeof(output), "%s", end->output);
	event_base_loopbreak(loop);
}

static struct spawn *begin(const char *shell, const char *run_as, int64_t limit_ms)
{
	char *argv[] = { (char[]){ "sh" }, (char[]){ "-c" }, strdup(shell), NULL };
	struct spawn_plan plan = { .argv = argv, .run_as = run_as, .limit_ms = limit_ms, .done = on_done };
	struct spawn *spawn = spawn_start(loop, &plan, &message);

	free(argv[2]);
	return spawn;
}

static void run(const char *shell, const char *run_as, int64_t limit_ms)
{
	ck_assert_msg(begin(shell, run_as, limit_ms) != NULL, "%s", message.text);
	event_base_dispatch(loop);
	spawn_tell(&ended, &message);
}

START_TEST(exit_status_and_output_are_told)
{
	run("echo out; echo err >&2; exit 3", NULL, 0);
	ck_assert_int_eq(ended.how, SPAWN_EXITED);
	ck_assert_int_eq(ended.code, 3);
	ck_assert_str_eq(output, "out\nerr\n");
	ck_assert_str_eq(message.text, "exited with status 3");
}
END_TEST

START_TEST(signal_that_ends_it_is_told)
{
	run("kill -SEGV $$", NULL, 0);
	ck_assert_int_eq(ended.how, SPAWN_SIGNALED);
	ck_assert_int_eq(ended.code, SIGSEGV);
	ck_assert_str_eq(message.text, "was killed by signal 11 (Segmentation fault)");
}
END_TEST

START_TEST(end_of_much_output_is_kept_by_lines)
{
	run("i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i+1)); done", NULL, 0);
	ck_assert_int_eq(ended.code, 0);
	ck_assert_uint_le(strlen(output), SPAWN_OUTPUT_BYTES);
	ck_assert_uint_gt(strlen(output), SPAWN_OUTPUT_BYTES - 20);
	ck_assert_int_eq(strncmp(output, "line 19", 7), 0);
	ck_assert_ptr_nonnull(strstr(output, "line 19999\n"));
}
END_TEST

START_TEST(output_is_clean_text)
{
	run("printf 'a\\033[2Jb\\377c\\303\\244\\303d\\355\\240\\200e\\364\\220\\200\\200\\300\\257'", NULL,
	    0);
	ck_assert_str_eq(output, "a?[2Jb?c\303\244?d???e??????");
}
END_TEST

/* Is a process with this argument there? Those that ended do not count. */
static int count_sleepers(const char *seconds)
{
	char command[128];
	FILE *pipe;
	int count = -1;

	snprintf(command, sizeof(command), "pgrep -c -x -f 'sleep %s'", seconds);
	pipe = popen(command, "r");
	ck_assert_ptr_nonnull(pipe);
	ck_assert_int_eq(fscanf(pipe, "%d", &count), 1);
	pclose(pipe);
	return count;
}

/* Who is dying needs a moment of the processor to be dead. */
static void await_death(const char *seconds)
{
	int64_t deadline_ns = clock_monotonic_ns() + 20 * CLOCK_NS_PER_S;

	while (count_sleepers(seconds) != 0) {
		ck_assert_msg(clock_monotonic_ns() < deadline_ns, "sleep %s is still there", seconds);
		usleep(10000);
	}
}

START_TEST(who_is_over_its_time_is_killed_with_its_children)
{
	int64_t began_ns = clock_monotonic_ns();

	run("echo before; sleep 4711 & sleep 4711 & wait", NULL, 300);
	ck_assert_int_eq(ended.how, SPAWN_TIMED_OUT);
	ck_assert_str_eq(output, "before\n");
	ck_assert_str_eq(message.text, "was killed after 300 ms, its limit");
	ck_assert_int_lt((clock_monotonic_ns() - began_ns) / CLOCK_NS_PER_MS, SPAWN_GRACE_MS);
	await_death("4711");
}
END_TEST

START_TEST(who_ignores_sigterm_is_killed_all_the_same)
{
	run("trap '' TERM; (trap '' TERM; while :; do sleep 4712; done) & while :; do sleep 4712; done", NULL,
	    200);
	ck_assert_int_eq(ended.how, SPAWN_TIMED_OUT);
	ck_assert_int_ge(ended.duration_ms, SPAWN_GRACE_MS);
	await_death("4712");
}
END_TEST

START_TEST(who_is_stopped_is_killed_too)
{
	run("kill -STOP $$", NULL, 200);
	ck_assert_int_eq(ended.how, SPAWN_TIMED_OUT);
}
END_TEST

START_TEST(children_that_stay_behind_a_good_end_are_left_alone)
{
	run("sleep 4713 >/dev/null 2>&1 & exit 0", NULL, 10000);
	ck_assert_int_eq(ended.how, SPAWN_EXITED);
	ck_assert_int_eq(count_sleepers("4713"), 1);
	ck_assert_int_eq(system("pkill -x -f 'sleep 4713'"), 0);
}
END_TEST

START_TEST(output_that_children_hold_open_keeps_nobody)
{
	run("echo x; sleep 3 & exit 0", NULL, 0);
	ck_assert_int_lt(ended.duration_ms, 2000);
	ck_assert_str_eq(output, "x\n");
}
END_TEST

START_TEST(it_has_its_own_group_and_no_descriptor_of_ours)
{
	int fds[2], high = 200;

	ck_assert_int_eq(pipe(fds), 0); /* without CLOEXEC, as a library might */
	ck_assert_int_eq(dup2(fds[0], high), high);
	signal(SIGPIPE, SIG_IGN);
	run("ls /proc/self/fd | wc -l; read x; echo \"[$x]\"; [ $(ps -o pgid= $$) = $$ ] && echo own; "
	    "kill -PIPE $$",
	    NULL, 0);
	signal(SIGPIPE, SIG_DFL);
	ck_assert_str_eq(output, "4\n[]\nown\n");
	ck_assert_int_eq(ended.code, SIGPIPE);
}
END_TEST

START_TEST(it_runs_as_the_user_that_is_wanted)
{
	if (geteuid() == 0) {
		run("id -un; id -gn; id -Gn", "nobody", 0);
		ck_assert_str_eq(output, "nobody\nnogroup\nnogroup\n");
	} else {
		run("id -un", NULL, 0);
		ck_assert_int_eq(ended.code, 0);
	}
	ck_assert_ptr_null(begin("true", "no-such-user", 0));
	ck_assert_str_eq(message.text, "sh cannot be started: there is no such user");
}
END_TEST

START_TEST(program_that_is_not_there_is_told)
{
	char *argv[] = { (char[]){ "/no/such/program" }, NULL };
	struct spawn_plan plan = { .argv = argv, .done = on_done };

	ck_assert_ptr_null(spawn_start(loop, &plan, &message));
	ck_assert_str_eq(message.text, "/no/such/program cannot be started: No such file or directory");
}
END_TEST

START_TEST(environment_is_the_one_that_is_given)
{
	char *argv[] = { (char[]){ "/usr/bin/env" }, NULL }, *environment[] = { (char[]){ "A=1" }, NULL };
	struct spawn_plan plan = { .argv = argv, .environment = environment, .done = on_done };

	ck_assert_ptr_nonnull(spawn_start(loop, &plan, &message));
	event_base_dispatch(loop);
	ck_assert_str_eq(output, "A=1\n");
}
END_TEST

START_TEST(cancelled_one_is_gone_and_nothing_is_told)
{
	struct spawn *spawn = begin("trap '' TERM; sleep 4714 & wait; sleep 4714", NULL, 0);
	int64_t began_ns = clock_monotonic_ns();

	usleep(100000);
	spawn_cancel(spawn);
	spawn_cancel(NULL);
	ck_assert_int_lt((clock_monotonic_ns() - began_ns) / CLOCK_NS_PER_MS, 5000);
	event_base_loop(loop, EVLOOP_NONBLOCK);
	ck_assert_int_eq(ended.how, 0);
	await_death("4714");
}
END_TEST

START_TEST(stopped_one_gets_its_grace)
{
	char up[] = "/tmp/zkcfg-spawn-XXXXXX", shell[128];
	int64_t deadline_ns = clock_monotonic_ns() + 20 * CLOCK_NS_PER_S;
	struct spawn *spawn;

	close(mkstemp(up));
	snprintf(shell, sizeof(shell), "trap 'echo bye; exit 5' TERM; rm %s; while :; do sleep 0.05; done",
		 up);
	spawn = begin(shell, NULL, 0);
	while (access(up, F_OK) == 0) {
		ck_assert_msg(clock_monotonic_ns() < deadline_ns, "it does not begin");
		usleep(10000);
	}
	spawn_stop(spawn, 20000);
	event_base_dispatch(loop);
	ck_assert_int_eq(ended.how, SPAWN_EXITED);
	ck_assert_int_eq(ended.code, 5);
	ck_assert_ptr_nonnull(strstr(output, "bye\n"));
}
END_TEST

START_TEST(child_of_the_caller_is_left_to_the_caller)
{
	pid_t pid = fork();
	int how;

	if (pid == 0)
		_exit(7);
	run("true", NULL, 0);
	ck_assert_int_eq(waitpid(pid, &how, 0), pid);
	ck_assert_int_eq(WEXITSTATUS(how), 7);
}
END_TEST

/* --- words ----------------------------------------------------------------- */

static void split(const char *text, const char *expected)
{
	char **words = NULL, joined[256] = "";
	int err = words_split(text, &words, &message);

	for (char **word = words; word && *word; word++)
		strcat(strcat(joined, *word), "|");
	ck_assert_msg(err == (expected ? 0 : -EINVAL), "%s: %d", text, err);
	ck_assert_str_eq(joined, expected ? expected : "");
	words_free(words);
}

START_TEST(words_are_parted_without_a_shell)
{
	split("nginx -s reload", "nginx|-s|reload|");
	split("  a\t b\n", "a|b|");
	split("a 'b c' \"d e\" f' 'g", "a|b c|d e|f g|");
	split("a '' \"\"", "a|||");
	split("a \\' \\\\ \"\\\"\" '\\'", "a|'|\\|\"|\\|");
	split("a $HOME * ~ | > & ; `x`", "a|$HOME|*|~|||>|&|;|`x`|");
	split("a b c d e f g", "a|b|c|d|e|f|g|");
}
END_TEST

START_TEST(what_is_no_command_is_refused)
{
	split("", NULL);
	split(" \t", NULL);
	split("''", NULL);
	split("a 'b", NULL);
	split("a \"b", NULL);
	split("a \\", NULL);
	ck_assert_ptr_nonnull(strstr(message.text, "is not ended"));
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("spawn"), *words = tcase_create("words");
	Suite *suite = suite_create("spawn");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, start, stop);
	tcase_add_test(tcase, exit_status_and_output_are_told);
	tcase_add_test(tcase, signal_that_ends_it_is_told);
	tcase_add_test(tcase, end_of_much_output_is_kept_by_lines);
	tcase_add_test(tcase, output_is_clean_text);
	tcase_add_test(tcase, who_is_over_its_time_is_killed_with_its_children);
	tcase_add_test(tcase, who_ignores_sigterm_is_killed_all_the_same);
	tcase_add_test(tcase, who_is_stopped_is_killed_too);
	tcase_add_test(tcase, children_that_stay_behind_a_good_end_are_left_alone);
	tcase_add_test(tcase, output_that_children_hold_open_keeps_nobody);
	tcase_add_test(tcase, it_has_its_own_group_and_no_descriptor_of_ours);
	tcase_add_test(tcase, it_runs_as_the_user_that_is_wanted);
	tcase_add_test(tcase, program_that_is_not_there_is_told);
	tcase_add_test(tcase, environment_is_the_one_that_is_given);
	tcase_add_test(tcase, cancelled_one_is_gone_and_nothing_is_told);
	tcase_add_test(tcase, stopped_one_gets_its_grace);
	tcase_add_test(tcase, child_of_the_caller_is_left_to_the_caller);
	tcase_add_test(words, words_are_parted_without_a_shell);
	tcase_add_test(words, what_is_no_command_is_refused);
	suite_add_tcase(suite, tcase);
	suite_add_tcase(suite, words);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed > 0;
}
