/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whatever happens between zkcfgd and a ZooKeeper server, readers see what was
 * written, in order, and the last of it.
 *
 * A few of each in make check; with ZKCFG_TEST_FULL=1, as make check-faults sets
 * it, as many as make a statement.
 */
#define THREADED /* for synchronous calls */

#include <check.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <zkcfg/zkcfg.h>
#include <zookeeper/zookeeper.h>

#include "base/clock.h"
#include "support/daemon_host.h"
#include "support/oracle.h"
#include "support/zk_proxy.h"

#define SESSION_MS 2000
/* Two session timeouts, and something for a machine that is busy. */
#define LIMIT_MS (2 * SESSION_MS + 10000)

static struct {
	struct daemon_host host;
	struct zk_proxy *proxy;
	struct oracle *oracle;
} test;

static int rounds(int few, int full)
{
	return getenv("ZKCFG_TEST_FULL") ? full : few;
}

static void test_begin(void)
{
	memset(&test, 0, sizeof(test));
	daemon_host_begin(&test.host);
	test.proxy = zk_proxy_new(zk_server_port(test.host.server));
	snprintf(test.host.uri, sizeof(test.host.uri), "zk://%s/app?session_timeout_ms=%d&audit=0",
		 zk_proxy_hosts(test.proxy), SESSION_MS);
	test.host.attributes = "on-delete=\"remove\"";
}

static void test_end(void)
{
	if (test.oracle)
		oracle_end(test.oracle);
	daemon_host_end(&test.host);
	zk_proxy_free(test.proxy);
}

/* The daemon follows, and the oracle knows what is there. */
static void follow(unsigned int paths, unsigned int per_second, bool recreates)
{
	struct oracle_options options = { .hosts = zk_server_hosts(test.host.server),
					  .shm_dir = test.host.shm_dir,
					  .paths = paths,
					  .per_second = per_second,
					  .padding = 200,
					  .recreates = recreates };

	test.oracle = oracle_begin(&options);
	daemon_host_start(&test.host);
}

static void pause_ms(unsigned int ms)
{
	usleep(ms * 1000);
}

/* --- sessions ------------------------------------------------------------------ */

static bool is_ours(int64_t session)
{
	return session == zoo_client_id(test.host.writer)->client_id ||
	       session == zoo_client_id(oracle_writer(test.oracle))->client_id;
}

/* The daemon's session; 0: it has none now. */
static int64_t daemon_session(void)
{
	int64_t sessions[16];
	size_t count = zk_server_sessions(test.host.server, sessions, 16);

	for (size_t i = 0; i < count && i < 16; i++)
		if (!is_ours(sessions[i]))
			return sessions[i];
	return 0;
}

static bool is_alive(int64_t session)
{
	char number[32], *answer = zk_server_ask(test.host.server, "dump");
	bool alive;

	snprintf(number, sizeof(number), "0x%llx", (unsigned long long)session);
	ck_assert_ptr_nonnull(answer);
	alive = strstr(answer, number) != NULL;
	free(answer);
	return alive;
}

/* Take it over by its number and password, and close it. */
static void take_over_and_close(int64_t session)
{
	clientid_t id = { .client_id = session };
	zhandle_t *zh;

	zk_server_session_password(id.client_id, id.passwd);
	zh = zookeeper_init(zk_server_hosts(test.host.server), NULL, 10000, &id, NULL, 0);
	DAEMON_UNTIL(&test.host, zoo_state(zh) == ZOO_CONNECTED_STATE || is_unrecoverable(zh) != ZOK);
	zookeeper_close(zh);
}

/* Returns what it was. The daemon would be quicker and take it back, so it is kept out for the time. */
static int64_t expire_session(void)
{
	int64_t session;

	DAEMON_UNTIL(&test.host, (session = daemon_session()) != 0);
	zk_proxy_refuse(test.proxy, true);
	while (is_alive(session))
		take_over_and_close(session);
	zk_proxy_refuse(test.proxy, false);
	return session;
}

START_TEST(sessions_that_expire_under_writes_lose_nothing)
{
	int64_t session;

	follow(50, 500, false);
	oracle_start(test.oracle);
	for (int i = 0; i < rounds(2, 100); i++) {
		session = expire_session();
		DAEMON_UNTIL(&test.host, daemon_session() != 0 && daemon_session() != session);
		pause_ms(20 * (unsigned int)(i % 10));
	}
	oracle_stop(test.oracle);
	oracle_judge(test.oracle, LIMIT_MS);
}
END_TEST

/* --- connections --------------------------------------------------------------- */

/* One run: the next connection is cut at this byte; every other time it is the first one of a new daemon. */
static void cut_at(int run, size_t offset)
{
	enum zk_proxy_way way = run % 2 == 0 ? ZK_PROXY_TO_SERVER : ZK_PROXY_TO_CLIENT;
	unsigned int before = zk_proxy_connections(test.proxy);

	zk_proxy_cut_after(test.proxy, way, offset, run % 3 == 0);
	if (run % 4 < 2) {
		zk_proxy_cut(test.proxy, run % 8 == 0);
	} else {
		daemon_host_kill(&test.host);
		daemon_host_run(&test.host);
	}
	DAEMON_UNTIL(&test.host, zk_proxy_was_cut(test.proxy));
	DAEMON_UNTIL(&test.host, zk_proxy_connections(test.proxy) >= before + 2);
}

START_TEST(connection_cut_at_any_byte_loses_nothing)
{
	const int runs = rounds(16, 500);

	follow(20, 500, false);
	oracle_start(test.oracle);
	for (int run = 0; run < runs; run++) {
		cut_at(run, 1 + (size_t)run * 4096 / (size_t)runs);
		if (run % 100 != 99)
			continue;
		oracle_stop(test.oracle);
		oracle_judge(test.oracle, LIMIT_MS);
		oracle_start(test.oracle);
	}
	oracle_stop(test.oracle);
	oracle_judge(test.oracle, LIMIT_MS);
}
END_TEST

START_TEST(connection_cut_at_any_time_loses_nothing)
{
	unsigned int random = 1;

	follow(20, 500, false);
	oracle_start(test.oracle);
	for (int run = 0; run < rounds(10, 500); run++) {
		random = random * 1103515245 + 12345;
		pause_ms(random >> 16 & 63);
		DAEMON_UNTIL(&test.host, daemon_session() != 0);
		zk_proxy_cut(test.proxy, run % 2 == 0);
	}
	oracle_stop(test.oracle);
	oracle_judge(test.oracle, LIMIT_MS);
}
END_TEST

START_TEST(slow_line_loses_nothing)
{
	follow(20, 500, false);
	oracle_start(test.oracle);
	for (int run = 0; run < rounds(3, 30); run++) {
		zk_proxy_delay(test.proxy, 5 + 37 * run % 90);
		pause_ms(200);
	}
	oracle_stop(test.oracle);
	oracle_judge(test.oracle, LIMIT_MS);
	zk_proxy_delay(test.proxy, 0);
}
END_TEST

/* Nothing is closed, and nothing comes any more. */
START_TEST(half_open_connection_is_noticed_and_left)
{
	follow(20, 500, false);
	for (int run = 0; run < rounds(2, 30); run++) {
		enum zk_proxy_way way = run % 2 == 0 ? ZK_PROXY_TO_CLIENT : ZK_PROXY_TO_SERVER;

		oracle_start(test.oracle);
		DAEMON_UNTIL(&test.host, daemon_host_follows(&test.host));
		zk_proxy_stall(test.proxy, way, true);
		DAEMON_UNTIL(&test.host, !daemon_host_follows(&test.host));
		zk_proxy_stall(test.proxy, way, false);
		oracle_stop(test.oracle);
		oracle_judge(test.oracle, LIMIT_MS);
	}
}
END_TEST

START_TEST(lost_notification_is_found_by_the_audit)
{
	unsigned int dropped;

	snprintf(test.host.uri, sizeof(test.host.uri), "zk://%s/app?session_timeout_ms=%d&audit=1s",
		 zk_proxy_hosts(test.proxy), SESSION_MS);
	follow(5, 100, false);
	for (int run = 0; run < rounds(2, 40); run++) {
		DAEMON_UNTIL(&test.host, daemon_host_follows(&test.host));
		dropped = zk_proxy_dropped(test.proxy);
		zk_proxy_drop_notifications(test.proxy, 1);
		oracle_start(test.oracle);
		DAEMON_UNTIL(&test.host, zk_proxy_dropped(test.proxy) > dropped);
		oracle_stop(test.oracle);
		oracle_judge(test.oracle, LIMIT_MS);
	}
	DAEMON_UNTIL(&test.host, daemon_host_repairs(&test.host) >= (uint64_t)rounds(2, 40));
}
END_TEST

/* --- servers ---------------------------------------------------------------------- */

START_TEST(killed_server_that_comes_back_has_lost_us_nothing)
{
	follow(20, 300, false);
	oracle_start(test.oracle);
	for (int run = 0; run < rounds(1, 10); run++) {
		uint64_t written = oracle_written(test.oracle);

		pause_ms(100 * (unsigned int)(run % 3));
		zk_server_kill(test.host.server);
		zk_server_start(test.host.server);
		DAEMON_UNTIL(&test.host, oracle_written(test.oracle) > written + 10);
	}
	oracle_stop(test.oracle);
	oracle_judge(test.oracle, LIMIT_MS);
}
END_TEST

/* --- what is written ---------------------------------------------------------------- */

START_TEST(storm_of_creations_and_removals_ends_where_zookeeper_does)
{
	follow(20, 0, true);
	oracle_start(test.oracle);
	DAEMON_UNTIL(&test.host, oracle_written(test.oracle) >= (uint64_t)rounds(2000, 10000));
	oracle_stop(test.oracle);
	oracle_judge(test.oracle, LIMIT_MS);
}
END_TEST

static void put(const char *path, const char *text, int bytes)
{
	zhandle_t *zh = oracle_writer(test.oracle);
	int code, tries = 10;

	do {
		code = zoo_create(zh, path, text, bytes, &ZOO_OPEN_ACL_UNSAFE, 0, NULL, 0);
		if (code == ZNODEEXISTS)
			code = zoo_set(zh, path, text, bytes, -1);
	} while (code == ZCONNECTIONLOSS && --tries > 0);
	ck_assert_msg(code == ZOK, "%s: %s", path, zerror(code));
}

static void remove_path(const char *path)
{
	int code = zoo_delete(oracle_writer(test.oracle), path, -1);

	ck_assert_msg(code == ZOK || code == ZNONODE, "%s: %s", path, zerror(code));
}

/* A subtree three deep, made or removed. */
static void subtree(int run, bool made)
{
	char path[64], text[64];

	for (int leaf = 0; leaf < 9; leaf++) {
		int bytes = snprintf(text, sizeof(text), "<d run=\"%d\" leaf=\"%d\"/>", run, leaf);

		if (made && leaf == 0)
			put("/app/s", NULL, -1);
		snprintf(path, sizeof(path), "/app/s/%d", leaf / 3);
		if (made && leaf % 3 == 0)
			put(path, run % 2 ? text : NULL, run % 2 ? bytes : -1);
		snprintf(path, sizeof(path), "/app/s/%d/%d", leaf / 3, leaf % 3);
		if (made)
			put(path, text, bytes);
		else
			remove_path(path);
		snprintf(path, sizeof(path), "/app/s/%d", leaf / 3);
		if (!made && leaf % 3 == 2)
			remove_path(path);
		if (!made && leaf == 8)
			remove_path("/app/s");
	}
}

START_TEST(subtree_removed_and_made_again_is_followed)
{
	follow(1, 0, false);
	oracle_start(test.oracle);
	oracle_stop(test.oracle);
	for (int run = 0; run < rounds(20, 300); run++) {
		subtree(run, true);
		if (run % 5 == 0)
			oracle_judge(test.oracle, LIMIT_MS);
		if (run % 3 != 0)
			subtree(run, false);
		if (run % 7 == 0)
			oracle_judge(test.oracle, LIMIT_MS);
	}
	oracle_judge(test.oracle, LIMIT_MS);
}
END_TEST

START_TEST(nothing_little_and_a_megabyte_take_turns)
{
	static char large[1000 * 1024];
	char *at = stpcpy(large, "<d>");

	while (at < large + sizeof(large) - 64)
		at += sprintf(at, "<value number=\"%zu\"/>", (size_t)(at - large));
	at = stpcpy(at, "</d>");
	follow(1, 0, false);
	for (int run = 0; run < rounds(12, 80); run++) {
		if (run % 4 == 0)
			put("/app/x", NULL, -1);
		else if (run % 4 == 1)
			put("/app/x", "", 0);
		else if (run % 4 == 2)
			put("/app/x", large, (int)(at - large));
		else
			put("/app/x", "<d/>", 4);
		if (run % 3 == 0)
			oracle_judge(test.oracle, LIMIT_MS);
	}
	oracle_judge(test.oracle, LIMIT_MS);
}
END_TEST

/* ZKCFG_TEST_ROUNDS says how many thousand; make soak wants a million. */
START_TEST(many_changes_of_a_thousand_znodes_arrive)
{
	const char *given = getenv("ZKCFG_TEST_ROUNDS");
	const int thousands = given ? atoi(given) : rounds(3, 50);
	uint64_t due = 1000; /* they are created by then */

	follow(1000, 0, false);
	ck_assert_int_gt(thousands, 0);
	for (int run = 1; run <= thousands; run++) {
		oracle_start(test.oracle);
		due += 1000;
		DAEMON_UNTIL(&test.host, oracle_written(test.oracle) >= due);
		if (run % 50 != 0 && run != thousands)
			continue;
		oracle_stop(test.oracle);
		oracle_judge(test.oracle, LIMIT_MS);
	}
}
END_TEST

static void ignore_stat(int code, const struct Stat *stat, const void *data)
{
	(void)code;
	(void)stat;
	(void)data;
}

static void ignore_string(int code, const char *value, const void *data)
{
	(void)code;
	(void)value;
	(void)data;
}

START_TEST(last_of_ten_thousand_quick_changes_arrives)
{
	zhandle_t *zh;

	follow(1, 0, false);
	zh = oracle_writer(test.oracle);
	put("/app/quick", "<d/>", 4);
	for (int run = 0; run < rounds(1, 5); run++) {
		for (int i = 0; i < 10000; i++) {
			char text[64];
			int bytes = snprintf(text, sizeof(text), "<d run=\"%d\" i=\"%d\"/>", run, i);

			ck_assert_int_eq(zoo_aset(zh, "/app/quick", text, bytes, -1, ignore_stat, NULL), ZOK);
			if (i % 500 == 499)
				ck_assert_int_eq(zoo_exists(zh, "/app/quick", 0, NULL), ZOK);
		}
		oracle_judge(test.oracle, LIMIT_MS);
	}
}
END_TEST

START_TEST(many_long_paths_survive_a_cut_without_a_reconnect_loop)
{
	enum { MOST_CONNECTIONS_LATER = 30 };
	const int count = rounds(10000, 25000); /* of 120 bytes: sessions for each 3,700 */
	zhandle_t *zh;
	unsigned int before;
	char path[128], text[32];

	follow(1, 0, false);
	daemon_host_kill(&test.host);
	zh = oracle_writer(test.oracle);
	for (int i = 0; i < count; i++) {
		snprintf(path, sizeof(path), "/app/%0115d", i);
		ck_assert_int_eq(
			zoo_acreate(zh, path, "<d/>", 4, &ZOO_OPEN_ACL_UNSAFE, 0, ignore_string, NULL), ZOK);
		if (i % 500 == 499)
			ck_assert_int_eq(zoo_exists(zh, "/app", 0, NULL), ZOK);
	}
	daemon_host_start(&test.host);
	for (int run = 0; run < rounds(1, 3); run++) {
		before = zk_proxy_connections(test.proxy);
		zk_proxy_cut(test.proxy, true);
		DAEMON_UNTIL(&test.host, !daemon_host_follows(&test.host));
		put(path, text, snprintf(text, sizeof(text), "<d run=\"%d\"/>", run));
		DAEMON_UNTIL(&test.host, daemon_host_follows(&test.host));
		oracle_judge(test.oracle, LIMIT_MS);
		ck_assert_uint_le(zk_proxy_connections(test.proxy), before + MOST_CONNECTIONS_LATER);
	}
}
END_TEST

/* --- permissions ----------------------------------------------------------------------- */

static const char *candidate_reason(const char *document)
{
	static char reason[512];
	struct zkcfg_status *status;
	struct zkcfg_candidate candidate;
	struct zkcfg *cfg;

	reason[0] = '\0';
	if (zkcfg_open("app", test.host.shm_dir, &cfg) < 0)
		return reason;
	if (zkcfg_status_read(cfg, &status) == 0) {
		for (size_t i = 0; i < zkcfg_status_candidate_count(status); i++)
			if (zkcfg_status_candidate(status, i, &candidate) == 0 &&
			    strcmp(candidate.document, document) == 0)
				snprintf(reason, sizeof(reason), "%s", candidate.reason);
		zkcfg_status_free(status);
	}
	zkcfg_close(cfg);
	return reason;
}

/* Everybody may write, and nobody read. */
static void close_to_readers(const char *path)
{
	struct ACL all = { .perms = ZOO_PERM_ADMIN | ZOO_PERM_WRITE, .id = ZOO_ANYONE_ID_UNSAFE };
	struct ACL_vector acl = { .count = 1, .data = &all };

	ck_assert_int_eq(zoo_set_acl(oracle_writer(test.oracle), path, -1, &acl), ZOK);
}

/* A server tells nobody of a change to what he may not read: the audit finds it. */
START_TEST(permission_taken_and_given_back_is_told_and_mended)
{
	char text[32];

	snprintf(test.host.uri, sizeof(test.host.uri), "zk://%s/app?session_timeout_ms=%d&audit=1s",
		 zk_proxy_hosts(test.proxy), SESSION_MS);
	follow(5, 200, false);
	put("/app/secret", "<d/>", 4);
	oracle_start(test.oracle);
	for (int run = 0; run < rounds(1, 5); run++) {
		close_to_readers("/app/secret");
		put("/app/secret", text, snprintf(text, sizeof(text), "<d run=\"%d\"/>", run));
		DAEMON_UNTIL(&test.host, strstr(candidate_reason("secret"), "ZNOAUTH"));
		ck_assert(daemon_host_follows(&test.host));
		ck_assert_int_eq(zoo_set_acl(oracle_writer(test.oracle), "/app/secret", -1, &ZOO_OPEN_ACL_UNSAFE),
				 ZOK);
		DAEMON_UNTIL(&test.host, candidate_reason("secret")[0] == '\0');
	}
	oracle_stop(test.oracle);
	oracle_judge(test.oracle, LIMIT_MS);
}
END_TEST

static uint64_t revision_of(const char *document)
{
	const struct zkcfg_document *found;
	struct zkcfg_snapshot *snapshot;
	uint64_t revision = 0;
	struct zkcfg *cfg;

	if (zkcfg_open("app", test.host.shm_dir, &cfg) < 0)
		return 0;
	if (zkcfg_pin(cfg, &snapshot) == 0) {
		if (zkcfg_find(snapshot, document, &found) == 0)
			revision = zkcfg_document_revision(found);
		zkcfg_unpin(snapshot);
	}
	zkcfg_close(cfg);
	return revision;
}

/* Whatever is wrong with others. */
static void good_one_arrives(void)
{
	struct Stat stat;

	put("/app/good", "<d/>", 4);
	ck_assert_int_eq(zoo_exists(oracle_writer(test.oracle), "/app/good", 0, &stat), ZOK);
	DAEMON_UNTIL(&test.host, revision_of("good") == (uint64_t)stat.mzxid);
}

static void write_password(const char *text)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/password", test.host.directory);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

static void restart_with_password(const char *text)
{
	daemon_host_kill(&test.host);
	write_password(text);
	daemon_host_start(&test.host);
}

START_TEST(wrong_password_costs_only_what_it_guards)
{
	char text[32];

	snprintf(test.host.uri, sizeof(test.host.uri),
		 "zk://%s/app?session_timeout_ms=%d&audit=0&auth_file=%s/password", zk_proxy_hosts(test.proxy),
		 SESSION_MS, test.host.directory);
	write_password("user:wrong\n");
	follow(5, 200, false);
	ck_assert_int_eq(zoo_add_auth(oracle_writer(test.oracle), "digest", "user:right", 10, NULL, NULL), ZOK);
	put("/app/secret", NULL, -1);
	ck_assert_int_eq(zoo_set_acl(oracle_writer(test.oracle), "/app/secret", -1, &ZOO_CREATOR_ALL_ACL), ZOK);
	oracle_start(test.oracle);
	for (int run = 0; run < rounds(1, 5); run++) {
		uint64_t served = revision_of("secret");

		ck_assert_int_eq(served != 0, run > 0);
		restart_with_password("user:wrong\n");
		put("/app/secret", text, snprintf(text, sizeof(text), "<d run=\"%d\"/>", run));
		DAEMON_UNTIL(&test.host, strstr(candidate_reason("secret"), "ZNOAUTH"));
		good_one_arrives();
		ck_assert_uint_eq(revision_of("secret"), served);
		restart_with_password("user:right\n");
		DAEMON_UNTIL(&test.host, candidate_reason("secret")[0] == '\0');
		oracle_stop(test.oracle);
		oracle_judge(test.oracle, LIMIT_MS);
		oracle_start(test.oracle);
	}
}
END_TEST

/* --- hostile documents -------------------------------------------------------------------- */

static int load(const char *path, char *bytes, size_t most)
{
	FILE *file = fopen(path, "r");
	size_t got;

	ck_assert_msg(file != NULL, "%s cannot be read", path);
	got = fread(bytes, 1, most, file);
	fclose(file);
	return (int)got;
}

#define HOSTILE "tests/unit/xml/corpus"
/* Good and bad ones. */
#define SEEDS "tests/fuzz/seeds/xml"

/* Put each file of a corpus, or remove its znode again. Returns how many there are. */
static size_t corpus(const char *files_of, bool made)
{
	static char bytes[1000 * 1024];
	char directory[512], path[800];
	struct dirent *entry;
	size_t count = 0;
	int size;
	DIR *files;

	snprintf(directory, sizeof(directory), "%.400s/%s", getenv("ZKCFG_SOURCE"), files_of);
	files = opendir(directory);
	ck_assert_msg(files != NULL, "%s is not there", directory);
	while ((entry = readdir(files))) {
		snprintf(path, sizeof(path), "%s/%s", directory, entry->d_name);
		size = entry->d_name[0] == '.' ? 0 : load(path, bytes, sizeof(bytes));
		snprintf(path, sizeof(path), "/app/hostile-%s", entry->d_name);
		if (size == 0)
			continue;
		if (made)
			put(path, bytes, size);
		else
			remove_path(path);
		count++;
	}
	closedir(files);
	return count;
}

static size_t document_count(void)
{
	struct zkcfg_snapshot *snapshot;
	struct zkcfg *cfg;
	size_t count = 0;

	if (zkcfg_open("app", test.host.shm_dir, &cfg) < 0)
		return 0;
	if (zkcfg_pin(cfg, &snapshot) == 0) {
		count = zkcfg_snapshot_document_count(snapshot);
		zkcfg_unpin(snapshot);
	}
	zkcfg_close(cfg);
	return count;
}

START_TEST(hostile_documents_become_candidates_while_good_ones_change)
{
	const size_t good = 20 + 1;
	size_t hostile, seeds;

	follow(20, 500, false);
	oracle_start(test.oracle);
	hostile = corpus(HOSTILE, true);
	ck_assert_uint_ge(hostile, 40);
	good_one_arrives();
	DAEMON_UNTIL(&test.host, daemon_host_candidate_count(&test.host) == hostile);
	ck_assert_uint_eq(document_count(), good);
	seeds = corpus(SEEDS, true);
	ck_assert_uint_ge(seeds, 10);
	good_one_arrives();
	DAEMON_UNTIL(&test.host,
		     daemon_host_candidate_count(&test.host) + document_count() == good + hostile + seeds);
	corpus(HOSTILE, false);
	corpus(SEEDS, false);
	oracle_stop(test.oracle);
	oracle_judge(test.oracle, LIMIT_MS);
	DAEMON_UNTIL(&test.host, daemon_host_candidate_count(&test.host) == 0);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		sessions_that_expire_under_writes_lose_nothing,
		connection_cut_at_any_byte_loses_nothing,
		connection_cut_at_any_time_loses_nothing,
		slow_line_loses_nothing,
		half_open_connection_is_noticed_and_left,
		lost_notification_is_found_by_the_audit,
		killed_server_that_comes_back_has_lost_us_nothing,
		storm_of_creations_and_removals_ends_where_zookeeper_does,
		subtree_removed_and_made_again_is_followed,
		nothing_little_and_a_megabyte_take_turns,
		many_changes_of_a_thousand_znodes_arrive,
		last_of_ten_thousand_quick_changes_arrives,
		many_long_paths_survive_a_cut_without_a_reconnect_loop,
		permission_taken_and_given_back_is_told_and_mended,
		wrong_password_costs_only_what_it_guards,
		hostile_documents_become_candidates_while_good_ones_change,
	};
	Suite *suite = suite_create("zk_faults");
	SRunner *runner;
	int failed;

	/* each a case of its own, so that CK_RUN_CASE can name it */
	for (size_t i = 0; i < sizeof(tests) / sizeof(*tests); i++) {
		TCase *tcase = tcase_create(tests[i]->name);

		tcase_add_checked_fixture(tcase, test_begin, test_end);
		tcase_set_timeout(tcase, rounds(120, 900));
		tcase_add_test(tcase, tests[i]);
		suite_add_tcase(suite, tcase);
	}
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
