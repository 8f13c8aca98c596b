/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What belongs together is shown together: transactions over several znodes,
 * batches that end with a commit marker, and an ensemble that was restored from
 * a backup, while a reader pins snapshots all the time.
 */
#define THREADED /* for the writer's synchronous calls */

#include <check.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <zkcfg/zkcfg.h>
#include <zookeeper/zookeeper.h>

#include "base/clock.h"
#include "support/daemon_host.h"

#define ROUNDS 2000

static const char *const documents[] = { "a.xml", "b.xml", "dir/c.xml" };
enum { DOCUMENTS = sizeof(documents) / sizeof(documents[0]) };

static struct daemon_host host;

/* --- the reader: a thread that pins and looks --------------------------------- */

static struct {
	pthread_t thread;
	pthread_mutex_t lock;
	bool is_ending;
	int64_t value;	/* newest that all documents had */
	size_t commits; /* different ones that it saw */
	size_t mixed;	/* of these, with values that do not belong together */
	char wrong[96]; /* the first of them */
	char back[96];	/* a value that went back, or could not be read */
} reader = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void reader_look(const struct zkcfg_snapshot *snapshot)
{
	int64_t values[DOCUMENTS] = { 0 };
	int err = 0;

	for (size_t i = 0; i < DOCUMENTS && err == 0; i++)
		err = zkcfg_get_int64(snapshot, documents[i], "/v", &values[i]);
	pthread_mutex_lock(&reader.lock);
	reader.commits++;
	if (err < 0)
		snprintf(reader.back, sizeof(reader.back), "seq %" PRIu64 ": %s",
			 zkcfg_snapshot_seq(snapshot), zkcfg_strerror(err));
	else if (values[0] != values[1] || values[1] != values[2]) {
		if (reader.mixed++ == 0)
			snprintf(reader.wrong, sizeof(reader.wrong),
				 "seq %" PRIu64 ": %" PRId64 " %" PRId64 " %" PRId64,
				 zkcfg_snapshot_seq(snapshot), values[0], values[1], values[2]);
	} else if (values[0] < reader.value) {
		snprintf(reader.back, sizeof(reader.back), "%" PRId64 " after %" PRId64, values[0],
			 reader.value);
	} else {
		reader.value = values[0];
	}
	pthread_mutex_unlock(&reader.lock);
}

static void *reader_run(void *user)
{
	struct zkcfg *cfg = user;
	uint64_t seen = 0;
	bool is_ending = false;

	while (!is_ending) {
		struct zkcfg_snapshot *snapshot;

		if (zkcfg_pin(cfg, &snapshot) == 0) {
			if (zkcfg_snapshot_seq(snapshot) != seen)
				reader_look(snapshot);
			seen = zkcfg_snapshot_seq(snapshot);
			zkcfg_unpin(snapshot);
		}
		pthread_mutex_lock(&reader.lock);
		is_ending = reader.is_ending;
		pthread_mutex_unlock(&reader.lock);
		zkcfg_wait(cfg, seen, 1, NULL);
	}
	zkcfg_close(cfg);
	return NULL;
}

static void start_reader(void)
{
	struct zkcfg *cfg = NULL;

	ck_assert_int_eq(zkcfg_open("app", host.shm_dir, &cfg), 0);
	ck_assert_int_eq(pthread_create(&reader.thread, NULL, reader_run, cfg), 0);
}

static bool reader_has(int64_t value)
{
	bool has;

	pthread_mutex_lock(&reader.lock);
	has = reader.value == value;
	pthread_mutex_unlock(&reader.lock);
	return has;
}

static void stop_reader(void)
{
	pthread_mutex_lock(&reader.lock);
	reader.is_ending = true;
	pthread_mutex_unlock(&reader.lock);
	pthread_join(reader.thread, NULL);
	ck_assert_msg(reader.back[0] == '\0', "%s", reader.back);
}

/* --- the writer ----------------------------------------------------------------- */

static void put_all(int64_t value)
{
	char text[48];

	snprintf(text, sizeof(text), "<v>%" PRId64 "</v>", value);
	for (size_t i = 0; i < DOCUMENTS; i++)
		daemon_host_put(&host, documents[i], text);
}

/* Every document in one transaction, and what comes with it unless NULL. */
static void put_multi(int64_t value, const char *also)
{
	zoo_op_result_t results[DOCUMENTS + 1];
	zoo_op_t ops[DOCUMENTS + 1];
	char paths[DOCUMENTS + 1][64], text[48];
	int count = 0;

	snprintf(text, sizeof(text), "<v>%" PRId64 "</v>", value);
	for (size_t i = 0; i < DOCUMENTS; i++) {
		snprintf(paths[i], sizeof(paths[i]), "/app/%s", documents[i]);
		zoo_set_op_init(&ops[count++], paths[i], text, (int)strlen(text), -1, NULL);
	}
	if (also) {
		snprintf(paths[DOCUMENTS], sizeof(paths[DOCUMENTS]), "/app/%s", also);
		zoo_set_op_init(&ops[count++], paths[DOCUMENTS], "now", 3, -1, NULL);
	}
	ck_assert_int_eq(zoo_multi(host.writer, count, ops, results), ZOK);
}

static void no_log(const char *text)
{
	(void)text;
}

static void *connect_to_server(const clientid_t *id)
{
	void *zh = zookeeper_init2(zk_server_hosts(host.server), NULL, 30000, id, NULL, 0, no_log);

	ck_assert_ptr_nonnull(zh);
	DAEMON_UNTIL(&host,
		     zoo_state(zh) == ZOO_CONNECTED_STATE || zoo_state(zh) == ZOO_EXPIRED_SESSION_STATE);
	return zh;
}

/* End the daemon's sessions, as an operator or an expiry would; how many. */
static size_t expire_daemon(void)
{
	int64_t sessions[16];
	size_t count = zk_server_sessions(host.server, sessions, 16), expired = 0;

	for (size_t i = 0; i < count && i < 16; i++) {
		clientid_t id = { .client_id = sessions[i] };

		if (sessions[i] == zoo_client_id(host.writer)->client_id)
			continue;
		zk_server_session_password(sessions[i], id.passwd);
		zookeeper_close(connect_to_server(&id));
		expired++;
	}
	return expired;
}

/* --- beginning and end ------------------------------------------------------------ */

/* A set "app" with these attributes and elements. */
static void configure(const char *attributes, const char *elements)
{
	host.attributes = attributes;
	host.elements = elements;
}

static void begin(void)
{
	daemon_host_begin(&host);
	strcat(host.uri, "?session_timeout_ms=1000");
	daemon_host_put(&host, "dir", "");
	put_all(0);
}

static void end(void)
{
	daemon_host_end(&host);
}

static unsigned long long cut_count(void)
{
	char detail[1024];
	const char *at;

	daemon_host_detail(&host, detail, sizeof(detail));
	at = strstr(detail, " commits cut");
	while (at && at > detail && at[-1] >= '0' && at[-1] <= '9')
		at--;
	return at ? strtoull(at, NULL, 10) : 0;
}

/* --- transactions ------------------------------------------------------------------ */

START_TEST(transactions_are_never_shown_half_through_lost_sessions)
{
	size_t expired = 0;

	configure("", "<debounce max=\"24h\"/>");
	daemon_host_start(&host);
	start_reader();
	for (int64_t round = 1; round <= ROUNDS; round++) {
		put_multi(round, NULL);
		if (round % 50 == 0)
			expired += expire_daemon();
		if (round % 10 == 0)
			usleep(3000); /* a writer that pauses now and then */
	}
	DAEMON_UNTIL(&host, reader_has(ROUNDS));
	stop_reader();
	ck_assert_uint_ge(expired, ROUNDS / 50 / 2); /* one that is gone already is not expired again */
	ck_assert_msg(reader.mixed == 0, "%zu of %zu commits were mixed; the first was %s; the log:\n%s",
		      reader.mixed, reader.commits, reader.wrong, daemon_host_log_end(&host));
	ck_assert_uint_ge(reader.commits, 10);
	ck_assert_uint_eq(cut_count(), 0);
	daemon_host_stop(&host);
}
END_TEST

START_TEST(mixed_commits_under_writes_that_never_pause_are_counted)
{
	unsigned long long cuts;

	configure("", "<debounce max=\"5ms\"/>");
	daemon_host_start(&host);
	start_reader();
	for (int64_t round = 1; round <= ROUNDS; round++)
		put_multi(round, NULL);
	DAEMON_UNTIL(&host, reader_has(ROUNDS));
	stop_reader();
	cuts = cut_count();
	ck_assert_msg(reader.mixed <= cuts,
		      "%zu of %zu commits were mixed, and %llu are counted; the first was %s", reader.mixed,
		      reader.commits, cuts, reader.wrong);
	daemon_host_stop(&host);
}
END_TEST

/* --- the commit marker -------------------------------------------------------------- */

START_TEST(batches_that_end_with_the_marker_are_never_shown_half)
{
	configure("commit-marker=\"release\"", "<debounce max=\"5ms\"/>");
	daemon_host_put(&host, "release", "now");
	daemon_host_start(&host);
	start_reader();
	for (int64_t round = 1; round <= ROUNDS;
	     round++) { /* four writes, one after the other, and no pause */
		put_all(round);
		daemon_host_put(&host, "release", "now");
		if (round % 200 == 0)
			expire_daemon();
	}
	DAEMON_UNTIL(&host, reader_has(ROUNDS));
	stop_reader();
	ck_assert_msg(reader.mixed == 0, "%zu of %zu commits were mixed; the first was %s; the log:\n%s",
		      reader.mixed, reader.commits, reader.wrong, daemon_host_log_end(&host));
	ck_assert_uint_eq(cut_count(), 0);
	daemon_host_stop(&host);
}
END_TEST

START_TEST(transactions_with_the_marker_in_them_are_never_shown_half)
{
	configure("commit-marker=\"release\"", "<debounce max=\"5ms\"/>");
	daemon_host_put(&host, "release", "now");
	daemon_host_start(&host);
	start_reader();
	for (int64_t round = 1; round <= ROUNDS; round++)
		put_multi(round, "release");
	DAEMON_UNTIL(&host, reader_has(ROUNDS));
	stop_reader();
	ck_assert_msg(reader.mixed == 0, "%zu of %zu commits were mixed; the first was %s", reader.mixed,
		      reader.commits, reader.wrong);
	daemon_host_stop(&host);
}
END_TEST

static bool detail_has(const char *part)
{
	char detail[1024];

	daemon_host_detail(&host, detail, sizeof(detail));
	return strstr(detail, part) != NULL;
}

START_TEST(batch_waits_for_its_marker_for_as_long_as_it_takes)
{
	configure("commit-marker=\"release\"", "<debounce max=\"5ms\"/>");
	daemon_host_start(&host);
	DAEMON_UNTIL(
		&host,
		detail_has(
			"3 changes wait for the commit marker release, which is missing or empty"));
	ck_assert_uint_eq(daemon_host_seq(&host), 0);
	daemon_host_put(&host, "release", "now");
	DAEMON_UNTIL(&host, daemon_host_seq(&host) == 1);
	put_all(1);
	DAEMON_UNTIL(&host, detail_has("3 changes wait for the commit marker release, seen at revision "));
	daemon_host_kill(&host); /* and the next daemon waits, too */
	daemon_host_start(&host);
	DAEMON_UNTIL(&host, detail_has("3 changes wait for the commit marker release, seen at revision "));
	ck_assert_uint_eq(daemon_host_seq(&host), 1);
	daemon_host_put(&host, "release", "now");
	start_reader();
	DAEMON_UNTIL(&host, reader_has(1));
	stop_reader();
	ck_assert_uint_eq(daemon_host_seq(&host), 2);
	daemon_host_stop(&host);
}
END_TEST

/* --- a restored ensemble ------------------------------------------------------------ */

/* Run a program to its end; the exit status. What it prints goes behind text. */
static int run(char *text, size_t text_bytes, const char *program, ...)
{
	char *argv[16] = { (char[]){ "" } }, path[512];
	const char *build = getenv("ZKCFG_BUILD");
	int pipe_fds[2], argc = 1, how;
	size_t length = 0;
	ssize_t got;
	pid_t pid;
	va_list args;

	va_start(args, program);
	for (char *arg; (arg = va_arg(args, char *)) != NULL;)
		argv[argc++] = arg;
	va_end(args);
	argv[argc] = NULL;
	if (strchr(program, '/'))
		snprintf(path, sizeof(path), "%s", program);
	else
		snprintf(path, sizeof(path), "%.480s/%s", build ? build : ".", program);
	argv[0] = path;
	ck_assert_int_eq(pipe2(pipe_fds, O_CLOEXEC), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		dup2(pipe_fds[1], STDOUT_FILENO);
		dup2(pipe_fds[1], STDERR_FILENO);
		execv(path, argv);
		_exit(127);
	}
	close(pipe_fds[1]);
	while (length + 1 < text_bytes &&
	       (got = read(pipe_fds[0], text + length, text_bytes - 1 - length)) > 0)
		length += (size_t)got;
	text[length] = '\0';
	close(pipe_fds[0]);
	ck_assert_int_eq(waitpid(pid, &how, 0), pid);
	return WIFEXITED(how) ? WEXITSTATUS(how) : -1;
}

static bool has_value(const char *document, const char *expected)
{
	struct zkcfg *cfg;
	struct zkcfg_snapshot *snapshot;
	const char *value = NULL;
	bool has;
	int err;

	ck_assert_int_eq(zkcfg_open("app", host.shm_dir, &cfg), 0);
	if (zkcfg_pin(cfg, &snapshot) < 0) {
		zkcfg_close(cfg);
		return false;
	}
	err = zkcfg_get_string(snapshot, document, "/v", &value);
	has = expected ? err == 0 && strcmp(value, expected) == 0 : err == ZKCFG_ENODOC;
	zkcfg_unpin(snapshot);
	zkcfg_close(cfg);
	return has;
}

static void stop_server(void)
{
	zookeeper_close(host.writer); /* it is ahead of what is restored, and would be refused for ever */
	host.writer = NULL;
	zk_server_stop(host.server);
}

static void start_server(void)
{
	zk_server_start(host.server);
	host.writer = connect_to_server(NULL);
}

/* The ensemble has a=1 and b=1; then a=2 and dir/c=2 and no b; then what it had is restored. */
static void restore(void)
{
	stop_server();
	zk_server_keep_data(host.server);
	start_server();
	daemon_host_put(&host, "a.xml", "<v>2</v>");
	daemon_host_put(&host, "dir/new.xml", "<v>2</v>");
	DAEMON_UNTIL(&host, has_value("a.xml", "2") && has_value("dir/new.xml", "2"));
	stop_server();
	zk_server_restore_data(host.server);
	start_server();
}

static int accept_older(char *text, size_t text_bytes)
{
	return run(text, text_bytes, "zkcfg", "accept-older", "app", "--shm-dir", host.shm_dir, "--state-dir",
		   host.state_dir, "--timeout", "45s", (char *)NULL);
}

START_TEST(restored_ensemble_is_followed_once_the_operator_says_so)
{
	char text[1024];
	uint64_t seq;
	int status;

	configure("", "");
	put_all(1);
	daemon_host_start(&host);
	DAEMON_UNTIL(&host, has_value("a.xml", "1"));
	restore();
	DAEMON_UNTIL(&host, daemon_host_candidate_count(&host) == 1); /* what is new is held; a stays */
	ck_assert(has_value("a.xml", "2"));
	seq = daemon_host_seq(&host);

	status = accept_older(text, sizeof(text));
	ck_assert_msg(status == 0, "exit status %d: %s", status, text);
	ck_assert_msg(
		strstr(text,
		       "1 changes, 1 of them to older revisions; 1 documents gone at the source and held"),
		"%s", text);
	ck_assert(has_value("a.xml", "1"));
	ck_assert(has_value("dir/new.xml", "2"));
	ck_assert_uint_eq(daemon_host_seq(&host), seq + 1);
	DAEMON_UNTIL(&host, daemon_host_candidate_count(&host) == 1);

	daemon_host_put(&host, "a.xml", "<v>3</v>"); /* and life goes on */
	DAEMON_UNTIL(&host, has_value("a.xml", "3"));
	status = accept_older(text, sizeof(text));
	ck_assert_msg(status == 0, "exit status %d: %s", status, text);
	ck_assert_msg(strstr(text, "0 changes") != NULL, "%s", text);
	daemon_host_stop(&host);
}
END_TEST

START_TEST(restored_ensemble_is_followed_at_once_though_the_old_session_is_refused)
{
	char text[1024];
	int status;

	configure("on-delete=\"remove\"", "");
	put_all(1);
	daemon_host_start(&host);
	DAEMON_UNTIL(&host, has_value("a.xml", "1"));
	restore(); /* the client's session is ahead of the server now, and does not know it yet */
	status = accept_older(text, sizeof(text));
	ck_assert_msg(status == 0, "exit status %d: %s", status, text);
	DAEMON_UNTIL(&host, has_value("a.xml", "1") && has_value("dir/new.xml", NULL));
	daemon_host_stop(&host);
}
END_TEST

START_TEST(request_without_a_daemon_is_done_at_its_next_start)
{
	char text[1024], path[160];
	int status;

	configure("", "");
	put_all(1);
	daemon_host_start(&host);
	DAEMON_UNTIL(&host, has_value("a.xml", "1"));
	restore();
	daemon_host_stop(&host);
	status = run(text, sizeof(text), "zkcfg", "accept-older", "app", "--shm-dir", host.shm_dir,
		     "--state-dir", host.state_dir, "--timeout", "0", (char *)NULL);
	ck_assert_int_eq(status, 6);
	ck_assert_msg(strstr(text, "no zkcfgd serves set \"app\" now: the request stays for its next start"),
		      "%s", text);
	ck_assert_msg(strstr(text, "zkcfgd has not taken the request within 0.0 s: it stays"), "%s", text);
	snprintf(path, sizeof(path), "%s/app/accept-older", host.state_dir);
	ck_assert_int_eq(access(path, F_OK), 0);
	ck_assert(has_value("a.xml", "2"));
	daemon_host_start(&host);
	DAEMON_UNTIL(&host, has_value("a.xml", "1"));
	ck_assert_int_lt(access(path, F_OK), 0);
	daemon_host_stop(&host);
}
END_TEST

START_TEST(request_whose_source_does_not_answer_is_told_so_and_stays_in_force)
{
	char text[1024];
	int status;

	configure("", "");
	put_all(1);
	daemon_host_start(&host);
	DAEMON_UNTIL(&host, has_value("a.xml", "1"));
	restore();
	zk_server_pause(host.server);
	status = run(text, sizeof(text), "zkcfg", "accept-older", "app", "--shm-dir", host.shm_dir,
		     "--state-dir", host.state_dir, "--timeout", "3s", (char *)NULL);
	ck_assert_msg(status == 6, "exit status %d: %s", status, text);
	ck_assert_msg(strstr(text, "zkcfgd took the request, but the source has not settled within 3.0 s"),
		      "%s", text);
	ck_assert(has_value("a.xml", "2"));
	ck_assert(detail_has("accept-older was asked for"));
	zk_server_resume(host.server);
	DAEMON_UNTIL(&host, has_value("a.xml", "1"));
	daemon_host_stop(&host);
}
END_TEST

/* --- whom zkcfg accept-older refuses ------------------------------------------------ */

START_TEST(request_for_what_is_not_there_is_refused)
{
	char text[1024], path[160];
	int status;

	status = run(text, sizeof(text), "zkcfg", "accept-older", "other", "--state-dir", host.directory,
		     (char *)NULL);
	ck_assert_int_eq(status, 3);
	ck_assert_msg(strstr(text, "no set \"other\" in the state directory") != NULL, "%s", text);
	status = run(text, sizeof(text), "zkcfg", "accept-older", "../app", "--state-dir", host.directory,
		     (char *)NULL);
	ck_assert_int_eq(status, 2);
	ck_assert_msg(strstr(text, "is not a set's name") != NULL, "%s", text);
	status = run(text, sizeof(text), "zkcfg", "accept-older", "app", "--state-dir", "", (char *)NULL);
	ck_assert_int_eq(status, 2);
	ck_assert_msg(strstr(text, "--state-dir \"\": expected a directory") != NULL, "%s", text);
	snprintf(path, sizeof(path), "%s/app", host.directory);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/app/accept-older", host.directory);
	ck_assert_int_eq(mkdir(path, 0700), 0); /* in the way */
	status = run(text, sizeof(text), "zkcfg", "accept-older", "app", "--state-dir", host.directory,
		     (char *)NULL);
	ck_assert_int_eq(status, 3);
	ck_assert_msg(strstr(text, "cannot be left: Is a directory: nothing is asked") != NULL, "%s", text);
}
END_TEST

START_TEST(request_of_who_may_not_write_there_is_refused)
{
	char text[1024], path[160], build[512];

	if (geteuid() != 0)
		return; /* only root can be somebody else */
	snprintf(path, sizeof(path), "%s/app", host.directory);
	ck_assert_int_eq(mkdir(path, 0755), 0);
	ck_assert_int_eq(chmod(path, 0755), 0);
	ck_assert_int_eq(chmod(host.directory, 0755), 0);
	snprintf(build, sizeof(build), "%.400s/zkcfg", getenv("ZKCFG_BUILD"));
	for (int mode = 0; mode < 2; mode++) {
		int status = run(text, sizeof(text), "/usr/bin/setpriv", "--reuid=65534", "--clear-groups",
				 build, "accept-older", "app", "--state-dir", host.directory, (char *)NULL);

		ck_assert_msg(status == 3, "exit status %d: %s", status, text);
		ck_assert_msg(
			strstr(text, "Permission denied: nothing is asked; only who may write there can ask"),
			"%s", text);
		ck_assert_int_eq(chmod(path, 0700), 0);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("consistency");
	TCase *tcase = tcase_create("consistency");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tcase, 300);
	tcase_add_checked_fixture(tcase, begin, end);
	tcase_add_test(tcase, transactions_are_never_shown_half_through_lost_sessions);
	tcase_add_test(tcase, mixed_commits_under_writes_that_never_pause_are_counted);
	tcase_add_test(tcase, batches_that_end_with_the_marker_are_never_shown_half);
	tcase_add_test(tcase, transactions_with_the_marker_in_them_are_never_shown_half);
	tcase_add_test(tcase, batch_waits_for_its_marker_for_as_long_as_it_takes);
	tcase_add_test(tcase, restored_ensemble_is_followed_once_the_operator_says_so);
	tcase_add_test(tcase, restored_ensemble_is_followed_at_once_though_the_old_session_is_refused);
	tcase_add_test(tcase, request_without_a_daemon_is_done_at_its_next_start);
	tcase_add_test(tcase, request_whose_source_does_not_answer_is_told_so_and_stays_in_force);
	tcase_add_test(tcase, request_for_what_is_not_there_is_refused);
	tcase_add_test(tcase, request_of_who_may_not_write_there_is_refused);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
