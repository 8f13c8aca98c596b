/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The network between zkcfgd and a ZooKeeper server is cut, one way or both, or
 * loses every third packet. Both are on hosts of their own (network.h), so that
 * it is packets that vanish, and TCP that has to cope.
 *
 * A few rounds in make check; with ZKCFG_TEST_FULL=1, as make check-faults sets
 * it, 20. Where no network namespace can be made they fail if CI is set, and
 * are skipped elsewhere: a skipped test tells a person something, and CI nothing.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "support/daemon_host.h"
#include "support/network.h"
#include "support/oracle.h"

#define SESSION_MS 2000
/* Something for a machine that is busy. */
#define BUSY_MS 1500
/*
 * From the healed network to the last change in shared memory. TCP does not
 * bound it: after a cut of seconds a connection sends again only seconds later.
 * What does is that nobody waits for it:
 * - The client leaves a connection on which two thirds of the session timeout
 *   brought nothing, and an attempt to connect as well. So an attempt whose
 *   packets were all lost ends by then, and the next one meets a whole network.
 * - If the session has expired, that attempt tells so, and a new handle begins:
 *   at once the first time, and after half a second at most the second.
 * - A few exchanges of packets later everything is read.
 * The whole is less than two session timeouts; the rest is for a second attempt.
 */
#define RETRY_MS (SESSION_MS * 2 / 3 + 500)
#define LIMIT_MS (2 * SESSION_MS + RETRY_MS + BUSY_MS)
#define LOSS_PERCENT 30

#define SKIPPED 77 /* what automake takes for it */

static struct {
	struct daemon_host host;
	struct network *network;
	struct oracle *oracle;
	uint64_t random;
} test;

static int rounds(int few, int full)
{
	return getenv("ZKCFG_TEST_FULL") ? full : few;
}

static void test_begin(void)
{
	struct zk_server_options options = { .address = NETWORK_SERVER };
	struct zk_server *server;
	char reason[256];

	memset(&test, 0, sizeof(test));
	test.network = network_new(reason, sizeof(reason));
	ck_assert_msg(test.network != NULL,
		      "this test needs network namespaces, root or the right to make user namespaces: %s",
		      reason);
	server = zk_server_new(&options);
	zk_server_start(server);
	daemon_host_begin_at(&test.host, zk_server_hosts(server));
	test.host.server = server;
	test.host.network = test.network;
	test.host.attributes = "on-delete=\"remove\"";
	snprintf(test.host.uri, sizeof(test.host.uri), "zk://%s/app?session_timeout_ms=%d&audit=0",
		 zk_server_hosts(server), SESSION_MS);
}

static void test_end(void)
{
	if (test.oracle)
		oracle_end(test.oracle);
	daemon_host_end(&test.host);
	network_free(test.network);
}

static void follow(void)
{
	struct oracle_options options = { .hosts = zk_server_hosts(test.host.server),
					  .shm_dir = test.host.shm_dir,
					  .paths = 20,
					  .per_second = 200,
					  .padding = 200,
					  .vouched = true };

	test.oracle = oracle_begin(&options);
	daemon_host_start(&test.host);
}

/* --- a round --------------------------------------------------------------------- */

struct partition {
	unsigned int percent[2]; /* that is lost of what goes this way */
	unsigned int hold_ms;
	bool rests; /* the writer's last word is lost as well, and nothing is written later to remind of it */
	/* when it began: */
	int64_t begin_ns; /* CLOCK_BOOTTIME */
	uint64_t passed[2], lost[2], written;
};

static unsigned int draw_between(unsigned int least, unsigned int most)
{
	test.random = test.random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return least + (unsigned int)(test.random >> 33) % (most - least + 1);
}

static int64_t since_ms(int64_t begin_ns)
{
	return (clock_boottime_ns() - begin_ns) / CLOCK_NS_PER_MS;
}

/* As of when, says status: CLOCK_BOOTTIME, at the most a millisecond earlier; 0: never. */
static int64_t verified_ns(void)
{
	int64_t now_ns = clock_boottime_ns(), unverified_ms = daemon_host_unverified_ms(&test.host);

	return unverified_ms < 0 ? 0 : now_ns - (unverified_ms + 1) * CLOCK_NS_PER_MS;
}

static void lose(const unsigned int percent[2])
{
	for (int way = 0; way < 2; way++)
		network_lose(test.network, way, percent[way]);
}

static void partition_begin(struct partition *partition)
{
	DAEMON_UNTIL(&test.host, daemon_host_follows(&test.host) && verified_ns() > 0);
	lose(partition->percent);
	partition->begin_ns = clock_boottime_ns();
	partition->written = oracle_written(test.oracle);
	for (int way = 0; way < 2; way++) {
		partition->passed[way] = network_passed(test.network, way);
		partition->lost[way] = network_lost(test.network, way);
	}
}

static void partition_end(const struct partition *partition)
{
	ck_assert_uint_gt(oracle_written(test.oracle), partition->written);
	if (partition->rests)
		oracle_stop(test.oracle);
	lose((unsigned int[2]){ 0, 0 });
}

/* What is cut one way at least: no answer comes to a question asked since then. */
static void nothing_is_vouched_for(const struct partition *partition)
{
	int64_t later_ns = verified_ns() - partition->begin_ns;

	ck_assert_msg(later_ns <= 0, "status says verified as of %lld ms after the cut; the log:\n%s",
		      (long long)(later_ns / CLOCK_NS_PER_MS), daemon_host_log_end(&test.host));
}

/* A session timeout later status says that the source is away, and goes on to say so. */
static void hold_cut(const struct partition *partition)
{
	bool is_long = partition->hold_ms > SESSION_MS, is_away = false;

	while (since_ms(partition->begin_ns) < partition->hold_ms || (is_long && !is_away)) {
		bool follows = daemon_host_follows(&test.host);

		nothing_is_vouched_for(partition);
		ck_assert_msg(!is_away || !follows,
			      "status says following again, and it is cut; the log:\n%s",
			      daemon_host_log_end(&test.host));
		is_away = !follows;
		ck_assert_msg(is_away || since_ms(partition->begin_ns) < SESSION_MS + BUSY_MS,
			      "status still says following; the log:\n%s", daemon_host_log_end(&test.host));
		usleep(10000);
	}
}

/* The wire did what the test says. */
static void check_wire(const struct partition *partition)
{
	uint64_t lost_both_ways = 0;

	for (int way = 0; way < 2; way++) {
		uint64_t passed = network_passed(test.network, way) - partition->passed[way];
		uint64_t lost = network_lost(test.network, way) - partition->lost[way], all = passed + lost;
		bool is_right = lost > 0 && passed > 0 && (all < 100 || (lost > all / 6 && lost < all / 2));

		if (partition->percent[way] == 0)
			is_right = lost == 0 && (passed > 0 || partition->hold_ms <= SESSION_MS);
		else if (partition->percent[way] == 100)
			is_right = passed == 0;
		ck_assert_msg(is_right, "%llu packets of %llu were lost where it should be %u of a hundred",
			      (unsigned long long)lost, (unsigned long long)all, partition->percent[way]);
		lost_both_ways += lost;
	}
	ck_assert_uint_gt(lost_both_ways, 0);
}

/* Status says so again, and that it was verified since. */
static void follows_again(int64_t healed_ns)
{
	while (!daemon_host_follows(&test.host) || verified_ns() <= healed_ns) {
		ck_assert_msg(since_ms(healed_ns) < LIMIT_MS,
			      "%d ms after the network was healed it does not follow; the log:\n%s", LIMIT_MS,
			      daemon_host_log_end(&test.host));
		usleep(5000);
	}
}

static void heal(struct partition *partition)
{
	int64_t healed_ns;

	check_wire(partition);
	partition_end(partition);
	healed_ns = clock_boottime_ns();
	if (!partition->rests)
		usleep(1000 * draw_between(0, 300));
	oracle_stop(test.oracle);
	oracle_judge(test.oracle, LIMIT_MS);
	follows_again(healed_ns);
}

/* The first one, and every other, is longer than the session lives. */
static unsigned int draw_hold_ms(int round)
{
	return round % 2 == 0 ? draw_between(SESSION_MS + 500, 2 * SESSION_MS)
			      : draw_between(500, SESSION_MS);
}

static void cut_and_heal(int round, unsigned int to_server, unsigned int to_client)
{
	struct partition partition = { .percent = { to_server, to_client },
				       .hold_ms = draw_hold_ms(round),
				       .rests = round % 4 < 2 };

	oracle_start(test.oracle);
	partition_begin(&partition);
	hold_cut(&partition);
	heal(&partition);
}

START_TEST(cut_network_is_stale_and_loses_nothing)
{
	follow();
	for (int round = 0; round < rounds(1, 6); round++)
		cut_and_heal(round, 100, 100);
}
END_TEST

START_TEST(network_cut_one_way_is_stale_and_loses_nothing)
{
	follow();
	for (int round = 0; round < rounds(1, 4); round++) {
		cut_and_heal(round, 100, 0);
		cut_and_heal(round, 0, 100);
	}
}
END_TEST

/* Status may say that it follows where something comes through; the oracle looks at what is vouched for. */
START_TEST(network_that_loses_every_third_packet_loses_nothing_else)
{
	follow();
	for (int round = 0; round < rounds(1, 6); round++) {
		struct partition partition = { .percent = { LOSS_PERCENT, LOSS_PERCENT },
					       .hold_ms = draw_between(2000, 4000),
					       .rests = round % 2 == 0 };

		network_seed(test.network, (uint64_t)round + 1);
		oracle_start(test.oracle);
		partition_begin(&partition);
		usleep(1000 * partition.hold_ms);
		heal(&partition);
	}
}
END_TEST

/* In a process of its own: who has made them is in them. */
static bool network_is_possible(void)
{
	char reason[256];
	int how = 0;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		if (network_new(reason, sizeof(reason)))
			_exit(0);
		printf("skipped: it needs network namespaces, root or a right to user namespaces: %s\n",
		       reason);
		fflush(stdout);
		_exit(SKIPPED);
	}
	return pid < 0 || waitpid(pid, &how, 0) != pid || !WIFEXITED(how) || WEXITSTATUS(how) != SKIPPED;
}

int main(void)
{
	const TTest *const tests[] = {
		cut_network_is_stale_and_loses_nothing,
		network_cut_one_way_is_stale_and_loses_nothing,
		network_that_loses_every_third_packet_loses_nothing_else,
	};
	Suite *suite = suite_create("partitions");
	SRunner *runner;
	int failed;

	if (!getenv("CI") && !network_is_possible())
		return SKIPPED;
	for (size_t i = 0; i < sizeof(tests) / sizeof(*tests); i++) {
		TCase *tcase = tcase_create(tests[i]->name);

		tcase_add_checked_fixture(tcase, test_begin, test_end);
		tcase_set_timeout(tcase, rounds(120, 300));
		tcase_add_test(tcase, tests[i]);
		suite_add_tcase(suite, tcase);
	}
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
