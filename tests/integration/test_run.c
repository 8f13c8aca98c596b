/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* `zkcfg run` and `zkcfg hook run` as they are built, beside a set that the test publishes. */
#include <check.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "support/segment_host.h"

#define WORDS 40

static struct segment_host host;
static char directory[64], output[96];
static pid_t pid; /* of zkcfg; 0: none runs */

static void start(void)
{
	segment_host_start(&host);
	segment_host_open(&host);
	strcpy(directory, "/tmp/zkcfg-run-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(directory));
	snprintf(output, sizeof(output), "%s/output", directory);
	pid = 0;
}

static void stop(void)
{
	if (pid > 0) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
	segment_host_stop(&host);
	segment_host_remove(directory);
}

static const char *text_of(const char *name)
{
	static struct buffer text;
	char path[160];

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	buffer_clear(&text);
	if (file_read(path, 1 << 20, &text) < 0)
		return "-";
	buffer_append(&text, "", 1);
	return text.bytes;
}

#define UNTIL(condition)                                                                             \
	do {                                                                                         \
		int64_t deadline_ns_ = clock_monotonic_ns() + 20 * CLOCK_NS_PER_S;                   \
		while (!(condition)) {                                                               \
			ck_assert_msg(clock_monotonic_ns() < deadline_ns_, "never: %s; it said: %s", \
				      #condition, text_of("output"));                                \
			usleep(2000);                                                                \
		}                                                                                    \
	} while (0)

static bool says(const char *name, const char *text)
{
	return strcmp(text_of(name), text) == 0;
}

/* Begin words[0], found in PATH, in our directory; what it prints goes to "output". */
static void begin_words(const char *const *words)
{
	char *argv[WORDS] = { NULL };
	int fd = open(output, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	ck_assert_int_ge(fd, 0);
	for (size_t i = 0; words[i]; i++)
		argv[i] = strdup(words[i]);
	pid = fork();
	if (pid == 0) {
		setenv("ZKCFG_SHM_DIR", host.shm_dir, 1);
		if (dup2(fd, STDOUT_FILENO) < 0 || dup2(fd, STDERR_FILENO) < 0 || chdir(directory) < 0)
			_exit(125);
		execvp(argv[0], argv);
		_exit(125);
	}
	close(fd);
	for (size_t i = 0; argv[i]; i++)
		free(argv[i]);
}

static const char *zkcfg(void)
{
	static char program[512];
	const char *build = getenv("ZKCFG_BUILD");

	snprintf(program, sizeof(program), "%.480s/zkcfg", build ? build : ".");
	return program;
}

/* zkcfg with these words; NULL is the last. */
static void begin(const char *first, ...)
{
	const char *words[WORDS] = { zkcfg(), first };
	size_t count = 2;
	va_list args;

	va_start(args, first);
	while ((words[count] = va_arg(args, const char *)))
		ck_assert_uint_lt(++count, WORDS - 1);
	va_end(args);
	begin_words(words);
}

/* Its exit code when it has ended; 1000 and the signal that killed it. */
static int end(void)
{
	int how;

	UNTIL(waitpid(pid, &how, WNOHANG) == pid);
	pid = 0;
	return WIFEXITED(how) ? WEXITSTATUS(how) : 1000 + WTERMSIG(how);
}

#define RUN(...) (begin(__VA_ARGS__, (char *)NULL), end())
#define BEGIN(...) begin(__VA_ARGS__, (char *)NULL)

static void publish(const char *xml)
{
	segment_host_publish(&host, "a.xml", xml);
}

START_TEST(program_is_started_when_its_configuration_is_there)
{
	segment_host_close(&host);
	segment_host_remove(host.set_dir);
	BEGIN("run", "app", "--raw", "a.xml=out", "--", "sh", "-c",
	      "cat out $ZKCFG_FILE; echo $ZKCFG_SET $ZKCFG_SEQ; exit 5");
	usleep(300000);
	ck_assert_int_eq(waitpid(pid, NULL, WNOHANG), 0);
	segment_host_open(&host);
	publish("<a>1</a>");
	ck_assert_int_eq(end(), 5);
	ck_assert_str_eq(text_of("output"), "<a>1</a><a>1</a>app 1\n");
}
END_TEST

START_TEST(it_ends_as_the_program_ends)
{
	publish("<a/>");
	ck_assert_int_eq(RUN("run", "app", "--", "true"), 0);
	ck_assert_int_eq(RUN("run", "app", "--", "sh", "-c", "exit 100"), 100);
	ck_assert_int_eq(RUN("run", "app", "--", "sh", "-c", "kill -KILL $$"), 128 + SIGKILL);
	ck_assert_int_eq(RUN("run", "app", "--", "sh", "-c", "kill -TERM $$"), 128 + SIGTERM);
	ck_assert_int_eq(RUN("run", "app", "--", "/no/such/program"), 127);
	ck_assert_ptr_nonnull(strstr(text_of("output"), "/no/such/program cannot be started: No such file"));
	ck_assert_int_eq(RUN("run", "app", "--", "/etc/passwd"), 126);
}
END_TEST

START_TEST(program_is_signaled_on_a_change)
{
	publish("<a>1</a>");
	BEGIN("run", "app", "--raw", "a.xml=out", "--signal", "HUP", "--", "sh", "-c",
	      "trap 'cat out; echo' HUP; trap 'exit 3' USR1; cat out; echo; while :; do sleep 0.02; done");
	UNTIL(says("output", "<a>1</a>\n"));
	publish("<a>2</a>");
	UNTIL(says("output", "<a>1</a>\n<a>2</a>\n"));
	publish("<a>3</a>");
	UNTIL(says("output", "<a>1</a>\n<a>2</a>\n<a>3</a>\n"));
	kill(pid, SIGUSR1);
	ck_assert_int_eq(end(), 3);
}
END_TEST

START_TEST(program_is_told_by_a_command)
{
	publish("<a>1</a>");
	BEGIN("run", "app", "--shell", "--reload",
	      "echo $ZKCFG_SEQ $ZKCFG_CHANGED >>told; kill -USR2 $ZKCFG_PID", "--", "sh", "-c",
	      "trap 'exit 7' USR2; echo up; while :; do sleep 0.02; done");
	UNTIL(says("output", "up\n"));
	usleep(300000);
	publish("<a>2</a>");
	ck_assert_int_eq(end(), 7);
	ck_assert_str_eq(text_of("told"), "2 a.xml\n");
}
END_TEST

START_TEST(command_that_fails_is_tried_again)
{
	publish("<a>1</a>");
	BEGIN("run", "app", "--retry", "100ms", "--shell", "--reload",
	      "echo x >>tries; [ $(wc -l <tries) -ge 4 ] && touch done", "--", "sh", "-c",
	      "echo up; exec sleep 100");
	UNTIL(says("output", "up\n"));
	usleep(300000); /* and it is known that it has begun */
	publish("<a>2</a>");
	UNTIL(!says("done", "-"));
	ck_assert_str_eq(text_of("tries"), "x\nx\nx\nx\n");
	kill(pid, SIGTERM);
	ck_assert_int_eq(end(), 128 + SIGTERM);
}
END_TEST

START_TEST(program_is_started_again_on_a_change)
{
	publish("<a>1</a>");
	BEGIN("run", "app", "--restart", "--raw", "a.xml=out", "--", "sh", "-c",
	      "trap 'echo bye; exit 0' TERM; cat out; echo; while :; do sleep 0.02; done");
	UNTIL(says("output", "<a>1</a>\n"));
	publish("<a>2</a>");
	UNTIL(strstr(text_of("output"), "bye\n<a>2</a>\n"));
	kill(pid, SIGTERM);
	ck_assert_int_eq(end(), 0);
}
END_TEST

START_TEST(program_that_does_not_end_is_killed_and_started_again)
{
	publish("<a>1</a>");
	BEGIN("run", "app", "--restart", "--limit", "300ms", "--", "sh", "-c",
	      "trap '' TERM; echo $$ >pid; echo up $ZKCFG_SEQ; while :; do sleep 0.02; done");
	UNTIL(says("output", "up 1\n"));
	publish("<a>2</a>");
	UNTIL(strstr(text_of("output"), "up 2\n"));
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	pid = 0;
	ck_assert_int_eq(kill(atoi(text_of("pid")), SIGKILL), 0);
}
END_TEST

START_TEST(refused_configuration_neither_starts_nor_tells)
{
	publish("<a>bad</a>");
	BEGIN("run", "app", "--raw", "a.xml=out", "--shell", "--check", "! grep bad $ZKCFG_FILE", "--signal",
	      "HUP", "--", "sh", "-c", "trap 'cat out' HUP; cat out; while :; do sleep 0.02; done");
	UNTIL(strstr(text_of("output"), "check exited with status 1"));
	ck_assert_str_eq(text_of("out"), "-");
	publish("<a>2</a>");
	UNTIL(strstr(text_of("output"), "<a>2</a>"));
	publish("<a>bad</a>");
	usleep(300000);
	publish("<a>4</a>");
	UNTIL(strstr(text_of("output"), "<a>4</a>"));
	kill(pid, SIGTERM);
	ck_assert_int_eq(end(), 128 + SIGTERM);
	ck_assert_ptr_null(strstr(text_of("output"), "\n<a>bad"));
}
END_TEST

START_TEST(signals_before_the_program_is_there)
{
	BEGIN("run", "app", "--", "true");
	usleep(300000);
	kill(pid, SIGHUP);
	usleep(100000);
	ck_assert_int_eq(waitpid(pid, NULL, WNOHANG), 0);
	kill(pid, SIGTERM);
	ck_assert_int_eq(end(), 128 + SIGTERM);
}
END_TEST

START_TEST(all_signals_are_handed_on)
{
	static const int signals[] = { SIGHUP, SIGUSR1, SIGUSR2, SIGINT, SIGQUIT, SIGTERM };
	char expected[64] = "up\n";

	publish("<a/>");
	BEGIN("run", "app", "--", "bash", "-c",
	      "for s in HUP USR1 USR2 INT QUIT; do trap \"echo $s\" $s; done; trap 'echo TERM; exit 4' TERM; echo up; "
	      "while :; do sleep 0.02; done");
	UNTIL(says("output", "up\n"));
	for (size_t i = 0; i < 6; i++) {
		kill(pid, signals[i]);
		strcat(strcat(expected, sigabbrev_np(signals[i])), "\n");
		UNTIL(says("output", expected));
	}
	ck_assert_int_eq(end(), 4);
}
END_TEST

/* --- process 1 --------------------------------------------------------------- */

/* zkcfg as process 1 of a namespace of its own, where /proc is its own as well. */
static void begin_as_first(const char *shell)
{
	const char *words[] = { "unshare", "--pid", "--fork", "--mount-proc", "--kill-child",
				zkcfg(),   "run",   "app",    "--signal",     "HUP",
				"--",	   "sh",    "-c",     shell,	      NULL };
	const char *stranger[] = { "unshare",	   "--user",   "--map-root-user",
				   "--pid",	   "--fork",   "--mount-proc",
				   "--kill-child", zkcfg(),    "run",
				   "app",	   "--signal", "HUP",
				   "--",	   "sh",       "-c",
				   shell,	   NULL };

	begin_words(geteuid() == 0 ? words : stranger);
}

START_TEST(process_one_waits_for_orphans)
{
	publish("<a/>");
	begin_as_first(
		"for i in 1 2 3 4 5 6 7 8 9; do (sleep 0.2 & ) ; done; sleep 0.6; "
		"echo first $(cat /proc/1/comm) zombies $(grep -l '^State:.Z' /proc/[0-9]*/status | wc -l); exit 9");
	ck_assert_int_eq(end(), 9);
	ck_assert_str_eq(text_of("output"), "first zkcfg zombies 0\n");
}
END_TEST

START_TEST(process_one_hands_signals_on)
{
	char command[64];

	publish("<a>1</a>");
	begin_as_first(
		"trap 'echo told' HUP; trap 'echo over; exit 6' TERM; echo up; while :; do sleep 0.02; done");
	UNTIL(says("output", "up\n"));
	publish("<a>2</a>");
	UNTIL(says("output", "up\ntold\n"));
	/* the child of unshare is process 1 there */
	snprintf(command, sizeof(command), "pkill -TERM -P %d", (int)pid);
	ck_assert_int_eq(system(command), 0);
	ck_assert_int_eq(end(), 6);
	ck_assert_str_eq(text_of("output"), "up\ntold\nover\n");
}
END_TEST

START_TEST(process_one_tells_how_the_program_was_killed)
{
	publish("<a/>");
	begin_as_first("kill -KILL $$");
	ck_assert_int_eq(end(), 128 + SIGKILL);
}
END_TEST

/* --- hook run ------------------------------------------------------------------ */

START_TEST(hook_is_run_once)
{
	publish("<a>1</a>");
	ck_assert_int_eq(RUN("hook", "run", "app", "--once", "--raw", "a.xml=out", "--check", "grep -q 1 {}",
			     "--reload", "cp {} told", "--mode", "0600", "--limit", "5s"),
			 0);
	ck_assert_str_eq(text_of("told"), "<a>1</a>");
	ck_assert_str_eq(text_of("out"), "<a>1</a>");
}
END_TEST

START_TEST(hook_that_fails_once_says_so)
{
	publish("<a>1</a>");
	ck_assert_int_eq(RUN("hook", "run", "app", "--once", "--raw", "a.xml=out", "--check", "grep -q 2 {}"),
			 7);
	ck_assert_str_eq(text_of("out"), "-");
	ck_assert_ptr_nonnull(strstr(text_of("output"), "check exited with status 1"));
}
END_TEST

START_TEST(hook_remembers_where_it_is_told_to)
{
	publish("<a>1</a>");
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(RUN("hook", "run", "app", "--once", "--state-dir", "state", "--name", "mine",
				     "--shell", "--reload", "echo $ZKCFG_SEQ >>told"),
				 0);
	ck_assert_str_eq(text_of("told"), "1\n");
	ck_assert_str_ne(text_of("state/hooks/mine"), "-");
	publish("<a>2</a>");
	BEGIN("hook", "run", "app", "--state-dir", "state", "--name", "mine", "--shell", "--reload",
	      "echo $ZKCFG_SEQ >>told");
	UNTIL(says("told", "1\n2\n"));
	publish("<a>3</a>");
	UNTIL(says("told", "1\n2\n3\n"));
	kill(pid, SIGTERM);
	ck_assert_int_eq(end(), 0);
}
END_TEST

START_TEST(hook_of_a_configuration_is_run)
{
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "%s/zkcfgd.xml", directory);
	file = fopen(path, "w");
	fprintf(file, "<zkcfgd><set name='app' source='file:///x'><hook name='one'/><hook name='two'>"
		      "<render document='a.xml' file='out'/></hook></set></zkcfgd>");
	ck_assert_int_eq(fclose(file), 0);
	publish("<a>1</a>");
	ck_assert_int_eq(RUN("hook", "run", "--config", "zkcfgd.xml", "two", "--once"), 0);
	ck_assert_str_eq(text_of("out"), "<a>1</a>");
	ck_assert_int_eq(RUN("hook", "run", "--config", "zkcfgd.xml", "three", "--once"), 1);
	ck_assert_int_eq(RUN("hook", "run", "--config", "none.xml", "three", "--once"), 3);
}
END_TEST

/* --- within zkcfgd ------------------------------------------------------------- */

static void put_file(const char *name, const char *text)
{
	char path[160], new[160];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	snprintf(new, sizeof(new), "%s/new", directory);
	file = fopen(new, "w");
	ck_assert_ptr_nonnull(file);
	fputs(text, file);
	ck_assert_int_eq(fclose(file), 0);
	ck_assert_int_eq(rename(new, path), 0);
}

static void begin_zkcfgd(void)
{
	const char *build = getenv("ZKCFG_BUILD");
	char program[512];
	const char *words[] = { program, "--config",	"zkcfgd.xml", "--shm-dir",
				"shm",	 "--state-dir", "state",      NULL };

	snprintf(program, sizeof(program), "%.480s/zkcfgd", build ? build : ".");
	begin_words(words);
}

START_TEST(hook_within_zkcfgd_goes_on_where_it_was_killed)
{
	char path[160], xml[512];

	snprintf(path, sizeof(path), "%s/source", directory);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	put_file("source/a.xml", "<a>1</a>");
	snprintf(
		xml, sizeof(xml),
		"<zkcfgd><set name='app' source='file://%s'><hook name='h' shell='yes'>"
		"<render document='a.xml' file='out'/><check command='! grep bad $ZKCFG_FILE'/>"
		"<action command='cd %s; cat out >>told; [ ! -e wait ] || sleep 20; cat out >done'/></hook></set></zkcfgd>",
		path, directory);
	put_file("zkcfgd.xml", xml);
	begin_zkcfgd();
	UNTIL(says("done", "<a>1</a>"));
	put_file("source/a.xml", "<a>bad</a>");
	UNTIL(strstr(text_of("output"), "check exited with status 1: <a>bad</a>"));
	ck_assert_str_eq(text_of("out"), "<a>1</a>");
	put_file("wait", "");
	put_file("source/a.xml", "<a>2</a>");
	UNTIL(says("told", "<a>1</a><a>2</a>"));
	kill(pid, SIGKILL); /* in the middle of telling */
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	snprintf(path, sizeof(path), "%s/wait", directory);
	ck_assert_int_eq(unlink(path), 0);
	begin_zkcfgd();
	UNTIL(strstr(text_of("output"), "is applied"));
	ck_assert_str_eq(text_of("done"), "<a>2</a>");
	ck_assert_str_eq(text_of("told"), "<a>1</a><a>2</a><a>2</a>");
	kill(pid, SIGTERM);
	ck_assert_int_eq(end(), 0);
	begin_zkcfgd(); /* and is done with it */
	UNTIL(strstr(text_of("output"), "following"));
	usleep(300000);
	ck_assert_str_eq(text_of("told"), "<a>1</a><a>2</a><a>2</a>");
	kill(pid, SIGTERM);
	ck_assert_int_eq(end(), 0);
}
END_TEST

START_TEST(mistakes_are_told)
{
	static const char *const mistakes[][3] = {
		{ "--path", "/a", "expected a --doc before it" },
		{ "--mode", "0600", "expected a --render or --raw before it" },
		{ "--render", "a.xsl", "expected XSLT=FILE" },
		{ "--raw", "=x", "expected DOC=FILE" },
		{ "--signal", "NOPE", "expected the name of a signal" },
		{ "--limit", "0", "expected more than 0" },
		{ "--splay", "soon", "expected a time" },
		{ "--check", "'", "is not ended" },
		{ "--user", "no-one-here", "there is no such user" },
		{ "--env", "=x", "expected NAME=VALUE" },
		{ "--url", "http://x/", "run has no --config" },
		{ "--render", "none.xsl=out", "the stylesheet cannot be read" },
	};

	publish("<a/>");
	for (size_t i = 0; i < sizeof(mistakes) / sizeof(mistakes[0]); i++) {
		ck_assert_int_eq(RUN("run", "app", mistakes[i][0], mistakes[i][1], "--", "true"), 2);
		ck_assert_msg(strstr(text_of("output"), mistakes[i][2]), "%s: %s", mistakes[i][0],
			      text_of("output"));
	}
	ck_assert_int_eq(RUN("run", "app", "--restart", "--signal", "HUP", "--", "true"), 2);
	ck_assert_int_eq(RUN("run", "app"), 2);
	ck_assert_int_eq(RUN("get", "app", "--doc", "x"), 2);
	ck_assert_ptr_nonnull(strstr(text_of("output"), "get has no option --doc"));
	ck_assert_int_eq(RUN("hook", "walk", "app"), 2);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("run");
	Suite *suite = suite_create("run");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, start, stop);
	tcase_add_test(tcase, program_is_started_when_its_configuration_is_there);
	tcase_add_test(tcase, it_ends_as_the_program_ends);
	tcase_add_test(tcase, program_is_signaled_on_a_change);
	tcase_add_test(tcase, program_is_told_by_a_command);
	tcase_add_test(tcase, command_that_fails_is_tried_again);
	tcase_add_test(tcase, program_is_started_again_on_a_change);
	tcase_add_test(tcase, program_that_does_not_end_is_killed_and_started_again);
	tcase_add_test(tcase, refused_configuration_neither_starts_nor_tells);
	tcase_add_test(tcase, signals_before_the_program_is_there);
	tcase_add_test(tcase, all_signals_are_handed_on);
	tcase_add_test(tcase, process_one_waits_for_orphans);
	tcase_add_test(tcase, process_one_hands_signals_on);
	tcase_add_test(tcase, process_one_tells_how_the_program_was_killed);
	tcase_add_test(tcase, hook_is_run_once);
	tcase_add_test(tcase, hook_that_fails_once_says_so);
	tcase_add_test(tcase, hook_remembers_where_it_is_told_to);
	tcase_add_test(tcase, hook_of_a_configuration_is_run);
	tcase_add_test(tcase, hook_within_zkcfgd_goes_on_where_it_was_killed);
	tcase_add_test(tcase, mistakes_are_told);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed > 0;
}
