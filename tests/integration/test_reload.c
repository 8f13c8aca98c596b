/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* zkcfgd's own configuration becomes another while readers read: whole, or not at all. */
#include <check.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <zkcfg/zkcfg.h>

#include "base/clock.h"
#include "http/http.h"
#include "support/segment_host.h"

#define DEADLINE_NS (30 * CLOCK_NS_PER_S)

static char top[64];
static pid_t daemon_pid;

static const char *logged(void)
{
	static char text[65536];
	FILE *file = fopen("log", "r");
	size_t got = 0;

	if (file) {
		got = fread(text, 1, sizeof(text) - 1, file);
		fclose(file);
	}
	text[got] = '\0';
	return text;
}

#define UNTIL(condition)                                                                         \
	do {                                                                                     \
		int64_t until_ns = clock_monotonic_ns() + DEADLINE_NS;                           \
		while (!(condition)) {                                                           \
			ck_assert_msg(clock_monotonic_ns() < until_ns, "never: %s; the log:\n%s", \
				      #condition, logged());                                     \
			usleep(2000);                                                            \
		}                                                                                \
	} while (0)

/* By rename, so that nothing is read half. */
static void put(const char *path, const char *text)
{
	FILE *file = fopen("next", "w");

	ck_assert_ptr_nonnull(file);
	ck_assert_int_ge(fputs(text, file), 0);
	ck_assert_int_eq(fclose(file), 0);
	ck_assert_int_eq(rename("next", path), 0);
}

#define SET(name, directory, rest) "<set name=\"" name "\" source=\"file://@/" directory "\"" rest "/>"

/* @ is where the test is. */
static void configure(const char *sets)
{
	char text[4096] = "", *at = text;

	at += sprintf(at, "<zkcfgd>\n");
	for (; *sets; sets++)
		at += *sets == '@' ? sprintf(at, "%s", top) : sprintf(at, "%c", *sets);
	sprintf(at, "\n</zkcfgd>\n");
	put("zkcfgd.xml", text);
}

static void start_daemon(void)
{
	const char *build = getenv("ZKCFG_BUILD");
	char program[512];
	int fd;

	snprintf(program, sizeof(program), "%.480s/zkcfgd", build ? build : ".");
	daemon_pid = fork();
	ck_assert_int_ge(daemon_pid, 0);
	if (daemon_pid > 0)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	fd = open("log", O_WRONLY | O_CREAT | O_APPEND, 0600);
	if (fd < 0 || dup2(fd, STDOUT_FILENO) < 0 || dup2(fd, STDERR_FILENO) < 0)
		_exit(126);
	execl(program, "zkcfgd", "--config", "zkcfgd.xml", "--shm-dir", "shm", "--state-dir", "state", (char *)NULL);
	_exit(127);
}

static void begin(void)
{
	strcpy(top, "/tmp/zkcfg-reload-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(top));
	ck_assert_int_eq(chdir(top), 0);
	ck_assert_int_eq(mkdir("shm", 0755) | mkdir("state", 0755), 0);
	ck_assert_int_eq(mkdir("one", 0755) | mkdir("two", 0755) | mkdir("three", 0755), 0);
	put("one/a.xml", "<v>1</v>");
	put("two/a.xml", "<v>2</v>");
	put("three/a.xml", "<v>3</v>");
	daemon_pid = 0;
}

static void end(void)
{
	int how = 0;

	if (daemon_pid > 0) {
		kill(daemon_pid, SIGTERM);
		ck_assert_int_eq(waitpid(daemon_pid, &how, 0), daemon_pid);
	}
	ck_assert_int_eq(chdir("/"), 0);
	segment_host_remove(top);
	ck_assert_msg(how == 0, "zkcfgd ended with %#x", (unsigned int)how);
}

static bool serves(const char *set, const char *expected)
{
	struct zkcfg_snapshot *snapshot = NULL;
	const char *value = NULL;
	struct zkcfg *cfg;
	bool is_so;

	if (zkcfg_open(set, "shm", &cfg) < 0)
		return false;
	is_so = zkcfg_pin(cfg, &snapshot) == 0 && zkcfg_get_string(snapshot, "a.xml", "/v", &value) == 0 &&
		strcmp(value, expected) == 0;
	zkcfg_unpin(snapshot);
	zkcfg_close(cfg);
	return is_so;
}

static uint64_t seq_of(const char *set, int64_t *pid)
{
	struct zkcfg_status *status;
	struct zkcfg *cfg;
	uint64_t seq;

	ck_assert_int_eq(zkcfg_open(set, "shm", &cfg), 0);
	ck_assert_int_eq(zkcfg_status_read(cfg, &status), 0);
	seq = zkcfg_status_seq(status);
	*pid = zkcfg_status_daemon_pid(status);
	zkcfg_status_free(status);
	zkcfg_close(cfg);
	return seq;
}

static void run_two(void)
{
	configure(SET("one", "one", "") SET("two", "two", ""));
	start_daemon();
	UNTIL(serves("one", "1") && serves("two", "2"));
}

/* The n-th reload's outcome in the log, from the words behind "reload by SIGHUP: ". */
static const char *hang_up(void)
{
	static char outcome[4096];
	const char *at = logged(), *last = NULL;
	size_t before = strlen(at);

	ck_assert_int_eq(kill(daemon_pid, SIGHUP), 0);
	UNTIL(last = strstr(logged() + before, "reload by SIGHUP: "));
	last += strlen("reload by SIGHUP: ");
	UNTIL(strchr(strstr(logged() + before, "reload by SIGHUP: "), '\n'));
	snprintf(outcome, sizeof(outcome), "%.*s", (int)strcspn(last, "\n"), last);
	return outcome;
}

static void assert_outcome(const char *outcome, const char *part)
{
	ck_assert_msg(strstr(outcome, part) != NULL, "\"%s\" is not in \"%s\"; the log:\n%s", part, outcome, logged());
}

START_TEST(nothing_new_is_done)
{
	const char *outcome;

	run_two();
	outcome = hang_up();
	assert_outcome(outcome, "done, ");
	assert_outcome(outcome, "; one: seq 1, 0 changed, 0 removed, 0 refused; two: seq 1, 0 changed");
}
END_TEST

START_TEST(sets_come_go_and_change_and_the_others_notice_nothing)
{
	struct zkcfg *cfg;
	uint64_t seen = 0, seq;
	int64_t pid;
	const char *outcome;

	run_two();
	ck_assert_int_eq(zkcfg_open("one", "shm", &cfg), 0);
	seen = zkcfg_seq(cfg);
	configure(SET("one", "one", "") SET("two", "three", "") SET("three", "three", ""));
	outcome = hang_up();
	assert_outcome(outcome, "done, ");
	assert_outcome(outcome, "; three added; two changed; one: seq 1");
	ck_assert(serves("three", "3"));
	UNTIL(serves("two", "3"));
	ck_assert(!zkcfg_changed(cfg, seen)); /* its readers are where they were */
	put("one/a.xml", "<v>10</v>");
	UNTIL(serves("one", "10"));
	ck_assert(zkcfg_changed(cfg, seen));
	configure(SET("one", "one", ""));
	outcome = hang_up();
	assert_outcome(outcome, "; two, three removed; one: seq 2");
	ck_assert(serves("two", "3")); /* readers read on */
	seq = seq_of("two", &pid);
	ck_assert_int_eq(pid, 0); /* and can see that nobody follows it */
	put("two/a.xml", "<v>22</v>"); /* newer than what was served, or it would be refused */
	configure(SET("one", "one", "") SET("two", "two", ""));
	assert_outcome(hang_up(), "; two added");
	UNTIL(serves("two", "22"));
	ck_assert_uint_gt(seq_of("two", &pid), seq);
	ck_assert_int_eq(pid, daemon_pid);
	zkcfg_close(cfg);
}
END_TEST

/* A document, a set that cannot be begun, and text that is no configuration. */
START_TEST(what_is_wrong_changes_nothing)
{
	static const struct {
		const char *sets, *part;
	} wrongs[] = {
		{ SET("one", "three", "") "<set name=\"two\" soruce=\"x\"/>", "zkcfgd.xml:2:" },
		{ "<set", "zkcfgd.xml:" },
		{ SET("one", "three", "") SET("new", "three", " mode=\"0640\" group=\"nobody-has-it\""), "zkcfgd.xml:2:" },
		{ SET("one", "three", "") SET("blocked", "three", ""), "blocked" },
	};
	const char *outcome;

	run_two();
	put("shm/v1/blocked", ""); /* where its segment would be */
	configure(wrongs[_i].sets);
	outcome = hang_up();
	assert_outcome(outcome, "invalid, ");
	assert_outcome(outcome, "the configuration stays as it was: ");
	assert_outcome(outcome, wrongs[_i].part);
	ck_assert(serves("one", "1") && serves("two", "2"));
	put("two/a.xml", "<v>20</v>");
	put("one/a.xml", "<v>10</v>");
	UNTIL(serves("two", "20") && serves("one", "10"));
}
END_TEST

START_TEST(directories_take_a_restart)
{
	const char *outcome;

	run_two();
	put("zkcfgd.xml", "<zkcfgd shm-dir=\"/tmp/elsewhere\"/>");
	outcome = hang_up();
	assert_outcome(outcome, "one, two removed"); /* --shm-dir is said on the command line */
	ck_assert_ptr_null(strstr(outcome, "restart"));
}
END_TEST

START_TEST(bad_document_is_named_and_the_good_one_stays)
{
	const char *outcome;

	run_two();
	put("one/a.xml", "<v>\n<w></v>");
	outcome = hang_up();
	assert_outcome(outcome, "invalid, ");
	assert_outcome(outcome, "; one: seq 1, 0 changed, 0 removed, 1 refused; two: seq 1");
	ck_assert(serves("one", "1"));
	put("one/a.xml", "<v>4</v>");
	UNTIL(serves("one", "4"));
	assert_outcome(hang_up(), "done, ");
}
END_TEST

START_TEST(source_that_cannot_be_read_is_told)
{
	const char *outcome;

	run_two();
	ck_assert_int_eq(rename("one", "gone"), 0);
	outcome = hang_up();
	assert_outcome(outcome, "unread, ");
	assert_outcome(outcome, "; one: seq 1, 0 changed, 0 removed, 0 refused, the source cannot be read: ");
	ck_assert(serves("one", "1"));
	ck_assert_int_eq(rename("gone", "one"), 0);
	assert_outcome(hang_up(), "done, ");
}
END_TEST

START_TEST(schema_that_was_edited_is_another_one)
{
	static const char schema[] = "<element name=\"v\" xmlns=\"http://relaxng.org/ns/structure/1.0\">"
				     "<%s/></element>";
	char text[256];

	snprintf(text, sizeof(text), schema, "text");
	put("v.rng", text);
	configure(SET("one", "one", " schema=\"v.rng\""));
	start_daemon();
	UNTIL(serves("one", "1"));
	assert_outcome(hang_up(), "done, ");
	snprintf(text, sizeof(text), schema, "empty");
	put("v.rng", text);
	assert_outcome(hang_up(), "; one changed");
	put("one/a.xml", "<v>text</v>");
	assert_outcome(hang_up(), "1 refused");
	ck_assert(serves("one", "1"));
}
END_TEST

/* Each signal is answered, or joins one that is; the last state of the configuration is in force. */
START_TEST(many_at_once_end_with_the_newest)
{
	run_two();
	for (int i = 0; i < 100; i++) {
		configure(i % 2 ? SET("one", "one", "") : SET("one", "three", ""));
		ck_assert_int_eq(kill(daemon_pid, SIGHUP), 0);
	}
	put("two/a.xml", "<v>22</v>");
	configure(SET("one", "two", ""));
	hang_up();
	UNTIL(serves("one", "22"));
	ck_assert_int_eq(kill(daemon_pid, 0), 0);
}
END_TEST

/* --- whoever asks ---------------------------------------------------------------------------- */

/* The exit status of a command of zkcfg; what it said is in the file "said". */
static int command(const char *arguments)
{
	const char *build = getenv("ZKCFG_BUILD");
	char line[1024];
	int how;

	snprintf(line, sizeof(line), "%.400s/zkcfg --shm-dir shm %s >said 2>&1", build ? build : ".", arguments);
	how = system(line);
	ck_assert(WIFEXITED(how));
	return WEXITSTATUS(how);
}

static const char *said(void)
{
	static char text[8192];
	FILE *file = fopen("said", "r");
	size_t got;

	ck_assert_ptr_nonnull(file);
	got = fread(text, 1, sizeof(text) - 1, file);
	fclose(file);
	text[got] = '\0';
	return text;
}

static struct {
	int status;
	char body[16384];
} answer;

static void answered(void *user, const struct http_answer *http)
{
	(void)user;
	answer.status = http->status;
	snprintf(answer.body, sizeof(answer.body), "%s%s", http->body, http->reason);
}

static void post(const char *path, const char *body)
{
	static const char *const headers[] = { "Content-Type: application/json", NULL };
	const struct http_tls tls = { .ca_file = NULL };
	char socket[128], url[256];
	struct http_call call = { .url = url, .socket = socket, .headers = headers, .body = body,
				  .body_bytes = strlen(body), .timeout_ms = 60000, .connect_timeout_ms = 5000,
				  .most_bytes = sizeof(answer.body), .done = answered };

	snprintf(socket, sizeof(socket), "%s/shm/admin/zkcfgd.sock", top);
	snprintf(url, sizeof(url), "http://zkcfgd%s", path);
	ck_assert_int_eq(http_perform(&tls, &call), 0);
}

#define RPC_RELOAD "{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"reload\"}"

/* What came of it, as the codes of zkcfg reload. */
static int by_command(void)
{
	return command("reload");
}

static int by_signal(void)
{
	return strncmp(hang_up(), "done, ", 6) == 0 ? 0 : 4;
}

static int by_http(void)
{
	post("/-/reload", "");
	return answer.status == 200 ? 0 : answer.status == 422 ? 4 : 99;
}

static int by_rpc(void)
{
	post("/rpc", RPC_RELOAD);
	return strstr(answer.body, "\"result\":0,") ? 0 : strstr(answer.body, "\"result\":4,") ? 4 : 99;
}

START_TEST(whoever_asks_gets_the_same)
{
	int (*const triggers[])(void) = { by_command, by_signal, by_http, by_rpc };

	run_two();
	configure(SET("one", "one", "") SET("two", "three", ""));
	put("one/a.xml", "<v>10</v>");
	ck_assert_int_eq(triggers[_i](), 0);
	ck_assert(serves("one", "10"));
	UNTIL(serves("two", "3"));
	put("one/a.xml", "<v>");
	ck_assert_int_eq(triggers[_i](), 4);
	ck_assert(serves("one", "10"));
	put("one/a.xml", "<v>11</v>");
	configure("<nonsense/>");
	ck_assert_int_eq(triggers[_i](), 4);
	ck_assert(serves("one", "11") && serves("two", "3"));
}
END_TEST

START_TEST(command_says_what_changed_and_what_was_refused)
{
	run_two();
	ck_assert_int_eq(command("reload"), 0);
	ck_assert_str_eq(said(), "one: seq 1, nothing new\ntwo: seq 1, nothing new\n");
	put("one/a.xml", "<v>\n</w>");
	ck_assert_int_eq(command("reload one"), 4);
	ck_assert_ptr_nonnull(strstr(said(), "one: seq 1, nothing new\n  refused    a.xml:2:"));
	ck_assert_ptr_null(strstr(said(), "two"));
	ck_assert_int_eq(command("reload none-such"), 1);
	ck_assert_int_eq(rename("two", "gone"), 0);
	put("one/a.xml", "<v>5</v>");
	ck_assert_int_eq(command("reload"), 7);
	ck_assert_ptr_nonnull(strstr(said(), "  unread     the source cannot be read: "));
	ck_assert_int_eq(rename("gone", "two"), 0);
	put("zkcfgd.xml", "<zkcfgd listen=\"127.0.0.1:1\"/>");
	ck_assert_int_eq(command("reload"), 8);
	ck_assert_ptr_nonnull(strstr(said(), "configuration: a new listen takes a restart of zkcfgd\n"));
	kill(daemon_pid, SIGTERM);
	ck_assert_int_eq(waitpid(daemon_pid, NULL, 0), daemon_pid);
	daemon_pid = 0;
	ck_assert_int_eq(command("reload"), 3);
	ck_assert_ptr_nonnull(strstr(said(), "no zkcfgd has a control socket in shm: is it running?"));
}
END_TEST

START_TEST(frozen_set_waits_and_thaws)
{
	run_two();
	ck_assert_int_eq(command("freeze one --until tomorrow"), 2);
	ck_assert_int_eq(command("freeze one --until 1h"), 0);
	put("one/a.xml", "<v>2</v>");
	put("two/a.xml", "<v>20</v>");
	ck_assert_int_eq(command("reload"), 0);
	ck_assert_ptr_nonnull(strstr(said(), "  frozen     a.xml: it waits: the set is frozen\n"));
	ck_assert(serves("one", "1") && serves("two", "20"));
	ck_assert_int_eq(command("status one"), 0);
	ck_assert_ptr_nonnull(strstr(said(), "FROZEN since 20"));
	ck_assert_int_eq(command("thaw one"), 0);
	UNTIL(serves("one", "2"));
	ck_assert_int_eq(command("freeze none-such"), 1);
}
END_TEST

START_TEST(socket_that_was_removed_comes_back)
{
	run_two();
	ck_assert_int_eq(unlink("shm/admin/zkcfgd.sock"), 0);
	UNTIL(access("shm/admin/zkcfgd.sock", F_OK) == 0);
	ck_assert_int_eq(command("reload"), 0);
}
END_TEST

/* 100 reloads a second beside 500 changes a second. */
START_TEST(many_reloads_beside_many_commits_lose_nothing)
{
	const char *full = getenv("ZKCFG_TEST_FULL");
	int seconds = full && *full ? 10 : 2, how;
	int64_t began_ns, pid;
	char text[64];
	pid_t writer;

	run_two();
	began_ns = clock_monotonic_ns();
	writer = fork();
	ck_assert_int_ge(writer, 0);
	for (int i = 1; writer == 0 && i <= 500 * seconds; i++) {
		FILE *file = fopen("written", "w");

		if (!file || fprintf(file, "<v>%d</v>", i) < 0 || fclose(file) != 0 || rename("written", "one/a.xml") < 0)
			_exit(1);
		while (clock_monotonic_ns() < began_ns + i * CLOCK_NS_PER_S / 500)
			usleep(200);
	}
	if (writer == 0)
		_exit(0);
	for (int i = 1; i <= 100 * seconds; i++) {
		ck_assert_int_eq(i % 2 ? by_http() : by_rpc(), 0);
		while (clock_monotonic_ns() < began_ns + i * CLOCK_NS_PER_S / 100)
			usleep(200);
	}
	ck_assert_int_eq(waitpid(writer, &how, 0), writer);
	ck_assert_int_eq(how, 0);
	snprintf(text, sizeof(text), "%d", 500 * seconds);
	UNTIL(serves("one", text));
	ck_assert_uint_gt(seq_of("one", &pid), 50);
	ck_assert(serves("two", "2"));
}
END_TEST

/* --- hooks ------------------------------------------------------------------------------------ */

#define HOOKED(rest)                                                                                      \
	"<set name=\"one\" source=\"file://@/one\"><hook name=\"copy\" shell=\"yes\">"                   \
	"<render document=\"a.xml\" file=\"@/copy.xml\"/>" rest "<retry min=\"50ms\" max=\"100ms\"/></hook></set>"

static bool file_is(const char *path, const char *expected)
{
	char text[256] = "";
	FILE *file = fopen(path, "r");

	if (!file)
		return false;
	text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
	fclose(file);
	return strcmp(text, expected) == 0;
}

START_TEST(hook_runs_beside_its_set_and_is_told_of)
{
	configure(HOOKED("<action command=\"echo run $ZKCFG_SEQ &gt;&gt;@/runs\"/>") SET("two", "two", ""));
	start_daemon();
	UNTIL(file_is("copy.xml", "<v>1</v>") && file_is("runs", "run 1\n"));
	put("one/a.xml", "<v>5</v>");
	UNTIL(file_is("copy.xml", "<v>5</v>") && file_is("runs", "run 1\nrun 2\n"));
	post("/rpc", "{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"hooks.run\",\"params\":{\"hook\":\"copy\"}}");
	ck_assert_ptr_nonnull(strstr(answer.body, "\"result\":0"));
	ck_assert(file_is("runs", "run 1\nrun 2\nrun 2\n"));
	post("/rpc", "{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"hooks.list\"}");
	ck_assert_ptr_nonnull(strstr(answer.body, "\"hook\":\"copy\",\"set\":\"one\",\"state\":\"idle\",\"applied_seq\":2"));
	post("/rpc", "{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"hooks.run\",\"params\":{\"hook\":\"none\"}}");
	ck_assert_ptr_nonnull(strstr(answer.body, "-32000"));
	ck_assert_int_eq(command("reload"), 0); /* nothing changed: it does not run again */
	ck_assert(file_is("runs", "run 1\nrun 2\nrun 2\n"));
}
END_TEST

START_TEST(hook_that_changes_is_another_one_after_a_reload)
{
	configure(HOOKED("<check command=\"false\"/>"));
	start_daemon();
	UNTIL(serves("one", "1"));
	post("/rpc", "{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"hooks.run\",\"params\":{\"hook\":\"copy\"}}");
	ck_assert_ptr_null(strstr(answer.body, "\"result\":0"));
	ck_assert_int_ne(access("copy.xml", F_OK), 0);
	configure(HOOKED("<check command=\"true\"/>"));
	ck_assert_int_eq(command("reload"), 0);
	UNTIL(file_is("copy.xml", "<v>1</v>"));
	configure(HOOKED("<check command=\"true\" shell=\"maybe\"/>"));
	ck_assert_int_eq(command("reload"), 4);
	put("one/a.xml", "<v>6</v>");
	UNTIL(file_is("copy.xml", "<v>6</v>"));
}
END_TEST

static Suite *reload_suite(void)
{
	Suite *suite = suite_create("reload");
	TCase *tcase = tcase_create("reload");

	tcase_set_timeout(tcase, 120);
	tcase_add_checked_fixture(tcase, begin, end);
	tcase_add_test(tcase, nothing_new_is_done);
	tcase_add_test(tcase, sets_come_go_and_change_and_the_others_notice_nothing);
	tcase_add_loop_test(tcase, what_is_wrong_changes_nothing, 0, 4);
	tcase_add_test(tcase, directories_take_a_restart);
	tcase_add_test(tcase, bad_document_is_named_and_the_good_one_stays);
	tcase_add_test(tcase, source_that_cannot_be_read_is_told);
	tcase_add_test(tcase, schema_that_was_edited_is_another_one);
	tcase_add_test(tcase, many_at_once_end_with_the_newest);
	tcase_add_loop_test(tcase, whoever_asks_gets_the_same, 0, 4);
	tcase_add_test(tcase, command_says_what_changed_and_what_was_refused);
	tcase_add_test(tcase, frozen_set_waits_and_thaws);
	tcase_add_test(tcase, socket_that_was_removed_comes_back);
	tcase_add_test(tcase, hook_runs_beside_its_set_and_is_told_of);
	tcase_add_test(tcase, hook_that_changes_is_another_one_after_a_reload);
	tcase_add_test(tcase, many_reloads_beside_many_commits_lose_nothing);
	suite_add_tcase(suite, tcase);
	return suite;
}

int main(void)
{
	SRunner *runner = srunner_create(reload_suite());
	int failed;

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
