/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What ensembles of servers do to a subscriber: leaders die, followers hang and
 * lag, all of them are restarted one by one, and one day a backup is restored.
 *
 * A few of each in make check; with ZKCFG_TEST_FULL=1, as make check-faults sets
 * it, as many as make a statement.
 */
#define THREADED /* for synchronous calls */

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <zkcfg/zkcfg.h>
#include <zookeeper/zookeeper.h>

#include "base/clock.h"
#include "support/daemon_host.h"
#include "support/oracle.h"
#include "support/zk_ensemble.h"

#define SESSION_MS 2000
#define LIMIT_MS (2 * SESSION_MS + 15000)

static struct {
	struct zk_ensemble ensemble;
	struct daemon_host host;
	struct oracle *oracle;
} test;

static int rounds(int few, int full)
{
	return getenv("ZKCFG_TEST_FULL") ? full : few;
}

static void ensemble_begin(void)
{
	struct oracle_options options = { .paths = 20, .per_second = 300, .padding = 200 };

	memset(&test, 0, sizeof(test));
	zk_ensemble_begin(&test.ensemble);
	daemon_host_begin_at(&test.host, test.ensemble.hosts);
	snprintf(test.host.uri + strlen(test.host.uri), sizeof(test.host.uri) - strlen(test.host.uri),
		 "?session_timeout_ms=%d&audit=0", SESSION_MS);
	options.hosts = test.ensemble.hosts;
	options.shm_dir = test.host.shm_dir;
	test.oracle = oracle_begin(&options);
	daemon_host_start(&test.host);
	oracle_start(test.oracle);
}

static void ensemble_end(void)
{
	if (test.oracle)
		oracle_end(test.oracle);
	daemon_host_end(&test.host);
	zk_ensemble_end(&test.ensemble);
}

static void judge(void)
{
	oracle_stop(test.oracle);
	oracle_judge(test.oracle, LIMIT_MS);
}

/* Writes go on, which needs a majority. */
static void let_write(void)
{
	uint64_t written = oracle_written(test.oracle);

	DAEMON_UNTIL(&test.host, oracle_written(test.oracle) > written + 20);
}

static int leader(void)
{
	int member;

	DAEMON_UNTIL(&test.host, (member = zk_ensemble_leader(&test.ensemble)) >= 0);
	return member;
}

START_TEST(killed_leaders_lose_nothing)
{
	for (int run = 0; run < rounds(1, 7); run++) {
		int member = leader();

		zk_server_kill(test.ensemble.members[member]);
		let_write();
		zk_ensemble_start(&test.ensemble, member);
		let_write();
	}
	judge();
}
END_TEST

START_TEST(rolling_restart_loses_nothing)
{
	for (int run = 0; run < rounds(3, 18); run++) {
		zk_server_stop(test.ensemble.members[run % ZK_ENSEMBLE_MEMBERS]);
		let_write();
		zk_ensemble_start(&test.ensemble, run % ZK_ENSEMBLE_MEMBERS);
	}
	judge();
}
END_TEST

/* The member that serves the daemon: it has a session that is not ours. */
static int serving_member(void)
{
	int64_t ours[] = { zoo_client_id(test.host.writer)->client_id,
			   zoo_client_id(oracle_writer(test.oracle))->client_id };
	int64_t sessions[16];

	for (int member = 0; member < ZK_ENSEMBLE_MEMBERS; member++) {
		size_t count = zk_server_sessions(test.ensemble.members[member], sessions, 16);

		for (size_t i = 0; i < count && i < 16; i++)
			if (sessions[i] != ours[0] && sessions[i] != ours[1])
				return member;
	}
	return -1;
}

START_TEST(member_that_hangs_is_left_for_another)
{
	for (int run = 0; run < rounds(1, 7); run++) {
		int member;

		DAEMON_UNTIL(&test.host, (member = serving_member()) >= 0);
		zk_server_pause(test.ensemble.members[member]);
		DAEMON_UNTIL(&test.host, !daemon_host_follows(&test.host));
		DAEMON_UNTIL(&test.host, daemon_host_follows(&test.host));
		let_write();
		zk_server_resume(test.ensemble.members[member]);
		let_write();
	}
	judge();
}
END_TEST

/* --- a backup is restored ----------------------------------------------------- */

static void backup_begin(void)
{
	memset(&test, 0, sizeof(test));
	daemon_host_begin(&test.host);
	strcat(test.host.uri, "?session_timeout_ms=1000&audit=0");
}

static void backup_end(void)
{
	daemon_host_end(&test.host);
}

/* What readers have of a document; -1: it is not there. */
static int64_t served(const char *document)
{
	struct zkcfg_snapshot *now;
	struct zkcfg *cfg;
	int64_t value = -1;

	if (zkcfg_open("app", test.host.shm_dir, &cfg) < 0)
		return -1;
	if (zkcfg_pin(cfg, &now) == 0) {
		if (zkcfg_get_int64(now, document, "/d/@n", &value) < 0)
			value = -1;
		zkcfg_unpin(now);
	}
	zkcfg_close(cfg);
	return value;
}

static void put(const char *document, int n)
{
	char text[32];

	snprintf(text, sizeof(text), "<d n=\"%d\"/>", n);
	daemon_host_put(&test.host, document, text);
}

static void no_log(const char *text)
{
	(void)text;
}

/* A client that has seen what is no more is let in by no server: so another one. */
static void renew_writer(void)
{
	zookeeper_close(test.host.writer);
	test.host.writer =
		zookeeper_init2(zk_server_hosts(test.host.server), NULL, 30000, NULL, NULL, 0, no_log);
	DAEMON_UNTIL(&test.host, zoo_state(test.host.writer) == ZOO_CONNECTED_STATE);
}

static bool log_has(const char *text)
{
	char command[256];

	snprintf(command, sizeof(command), "grep -q '%s' '%s'", text, test.host.log);
	return system(command) == 0;
}

static int accept_older(void)
{
	const char *build = getenv("ZKCFG_BUILD");
	char command[512];
	int how;

	snprintf(command, sizeof(command), "'%.200s/zkcfg' accept-older app --shm-dir '%s' --state-dir '%s'",
		 build ? build : ".", test.host.shm_dir, test.host.state_dir);
	how = system(command);
	return WIFEXITED(how) ? WEXITSTATUS(how) : -1;
}

START_TEST(restored_backup_is_refused_until_an_operator_accepts_it)
{
	put("a", 0);
	put("b", 0);
	for (int run = 0; run < rounds(1, 3); run++) {
		if (run == 0)
			daemon_host_start(&test.host);
		DAEMON_UNTIL(&test.host, daemon_host_follows(&test.host));
		put("a", 10 * run + 1);
		DAEMON_UNTIL(&test.host, served("a") == 10 * run + 1);
		zk_server_stop(test.host.server);
		zk_server_keep_data(test.host.server);
		zk_server_start(test.host.server);
		put("a", 10 * run + 2);
		put("a", 10 * run + 3);
		DAEMON_UNTIL(&test.host, served("a") == 10 * run + 3);
		zk_server_stop(test.host.server);
		zk_server_restore_data(test.host.server);
		zk_server_start(test.host.server);
		/* the servers are behind what the daemon's session has seen: it takes a new one */
		DAEMON_UNTIL(&test.host, log_has("went back"));
		DAEMON_UNTIL(&test.host, log_has("the server lags behind what is known"));
		ck_assert_int_eq(served("a"), 10 * run + 3);
		ck_assert_int_eq(accept_older(), 0);
		ck_assert_int_eq(served("a"), 10 * run + 1);
		renew_writer();
		put("b", run + 1);
		DAEMON_UNTIL(&test.host, served("b") == run + 1);
		ck_assert_int_eq(truncate(test.host.log, 0), 0);
	}
}
END_TEST

START_TEST(restored_backup_is_refused_by_a_new_daemon_as_well)
{
	put("a", 1);
	daemon_host_start(&test.host);
	zk_server_stop(test.host.server);
	zk_server_keep_data(test.host.server);
	zk_server_start(test.host.server);
	put("a", 2);
	put("b", 2);
	DAEMON_UNTIL(&test.host, served("a") == 2 && served("b") == 2);
	daemon_host_stop(&test.host);
	zk_server_stop(test.host.server);
	zk_server_restore_data(test.host.server);
	zk_server_start(test.host.server);
	daemon_host_start(&test.host);
	DAEMON_UNTIL(&test.host, log_has("the source went back"));
	ck_assert_int_eq(served("a"), 2);
	ck_assert_int_eq(served("b"), 2); /* held: on-delete is hold */
	ck_assert_uint_eq(daemon_host_candidate_count(&test.host), 2);
}
END_TEST

static void add_case(Suite *suite, const TTest *function, SFun begin, SFun end)
{
	TCase *tcase = tcase_create(function->name); /* so that CK_RUN_CASE can name it */

	tcase_add_checked_fixture(tcase, begin, end);
	tcase_set_timeout(tcase, rounds(120, 600));
	tcase_add_test(tcase, function);
	suite_add_tcase(suite, tcase);
}

int main(void)
{
	Suite *suite = suite_create("zk_ensemble");
	SRunner *runner;
	int failed;

	add_case(suite, killed_leaders_lose_nothing, ensemble_begin, ensemble_end);
	add_case(suite, rolling_restart_loses_nothing, ensemble_begin, ensemble_end);
	add_case(suite, member_that_hangs_is_left_for_another, ensemble_begin, ensemble_end);
	add_case(suite, restored_backup_is_refused_until_an_operator_accepts_it, backup_begin, backup_end);
	add_case(suite, restored_backup_is_refused_by_a_new_daemon_as_well, backup_begin, backup_end);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
