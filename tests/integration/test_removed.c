/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A segment that is removed: by an administrator under a running daemon, and
 * with its daemon dead before another one begins. Readers who wait, who pin all
 * the time and who compare the counter are to be on the new one within two
 * seconds, and never to be told of a daemon that is well by a segment that it
 * does not serve.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <zkcfg/zkcfg.h>

#include "support/daemon_host.h"
#include "support/reader_process.h"
#include "support/segment_host.h"

/* A sign of life older than this is none. */
#define STALE_MS 1500

static struct daemon_host host;

static const enum reader_way ways[] = { READER_PINS, READER_WAITS, READER_COMPARES };
static const char *const way_names[] = { "pins", "waits", "compares" };
enum { READERS = sizeof(ways) / sizeof(ways[0]) };

static struct reader_process readers[READERS];
static uint64_t stamp;

static void put_stamp(void)
{
	char *xml = reader_document("stamp", ++stamp, 0);

	daemon_host_put(&host, "stamp", xml);
	free(xml);
}

static bool all_have_stamp(void)
{
	for (int i = 0; i < READERS; i++)
		if (reader_process_stamp(&readers[i]) != stamp)
			return false;
	return true;
}

static void start(void)
{
	daemon_host_begin(&host);
	stamp = 0;
	put_stamp();
	daemon_host_start(&host);
	for (int i = 0; i < READERS; i++)
		reader_process_start(&readers[i], host.shm_dir, ways[i]);
	DAEMON_UNTIL(&host, all_have_stamp());
}

static void stop(void)
{
	for (int i = 0; i < READERS; i++)
		if (readers[i].seen)
			reader_process_end(&readers[i]);
	daemon_host_end(&host);
}

/* The seq of the segment that the name leads to now. */
static uint64_t new_seq(void)
{
	return daemon_host_seq(&host);
}

/*
 * Wait for a segment that is not the one removed, then change something, which
 * nobody but the new one has; print how long after its making each reader saw it.
 */
static void ck_readers_come(const char *what)
{
	int64_t began_ms = segment_host_now_ms(), made_ms, arrived_ms[READERS] = { 0 };
	unsigned arrived = 0;

	DAEMON_UNTIL(&host, new_seq() > 0);
	made_ms = segment_host_now_ms();
	put_stamp();
	while (arrived < READERS) {
		ck_assert_msg(segment_host_now_ms() - made_ms < 30000,
			      "%u of %u readers came to the new segment", arrived, (unsigned)READERS);
		for (int i = 0; i < READERS; i++) {
			if (arrived_ms[i] != 0 || reader_process_stamp(&readers[i]) != stamp)
				continue;
			arrived_ms[i] = segment_host_now_ms();
			arrived++;
		}
		usleep(500);
	}
	printf("%s: made anew after %lld ms;", what, (long long)(made_ms - began_ms));
	for (int i = 0; i < READERS; i++)
		printf(" who %s came %lld ms later%s", way_names[i], (long long)(arrived_ms[i] - made_ms),
		       i + 1 < READERS ? "," : "\n");
	fflush(stdout);
}

/* They know whom they are served by. */
static void ck_readers_are_served(void)
{
	for (int i = 0; i < READERS; i++)
		DAEMON_UNTIL(&host, reader_process_daemon(&readers[i]) == host.pid);
}

static const char *const removed[] = { "the set", "all sets", "its control", "its generation" };

static void remove_what(int which)
{
	char path[160], name[32];
	struct segment_host segment = { .revision = 0 };

	snprintf(segment.set_dir, sizeof(segment.set_dir), "%s", host.set_dir);
	snprintf(name, sizeof(name), "gen.%u", segment_host_generation(&segment));
	switch (which) {
	case 0:
		segment_host_remove(host.set_dir);
		return;
	case 1:
		segment_host_remove(host.shm_dir);
		return;
	default:
		snprintf(path, sizeof(path), "%s/%s", host.set_dir, which == 2 ? "control" : name);
		ck_assert_int_eq(unlink(path), 0);
	}
}

START_TEST(readers_follow_when_it_is_removed_under_a_running_daemon)
{
	uint64_t seq;

	for (unsigned i = 0; i < sizeof(removed) / sizeof(removed[0]); i++) {
		seq = new_seq();
		remove_what((int)i);
		/* where the name is left, the daemon's own commit tells that it was made anew */
		DAEMON_UNTIL(&host, new_seq() == 0 || new_seq() > seq);
		ck_readers_come(removed[i]);
		ck_readers_are_served();
	}
	daemon_host_stop(&host);
}
END_TEST

START_TEST(readers_follow_when_it_is_removed_while_the_daemon_is_dead)
{
	uint64_t before[READERS];

	for (unsigned round = 0; round < 2; round++) {
		daemon_host_kill(&host);
		if (round == 0)
			segment_host_remove(host.set_dir);
		else
			segment_host_remove(host.shm_dir);
		for (int i = 0; i < READERS; i++)
			before[i] = reader_process_stamp(&readers[i]);
		/* what they read stays; that nobody vouches for it shows (who waits does not look) */
		DAEMON_UNTIL(&host, reader_process_daemon_age_ms(&readers[0]) > STALE_MS &&
					    reader_process_daemon_age_ms(&readers[2]) > STALE_MS);
		for (int i = 0; i < READERS; i++)
			ck_assert_uint_eq(reader_process_stamp(&readers[i]), before[i]);
		daemon_host_run(&host);
		ck_readers_come(round == 0 ? "the set, without a daemon" : "all sets, without a daemon");
		ck_readers_are_served();
	}
	daemon_host_stop(&host);
}
END_TEST

/* The same, with a daemon that is back before anybody has missed its sign of life. */
START_TEST(readers_follow_when_the_next_daemon_begins_at_once)
{
	for (unsigned round = 0; round < 4; round++) {
		daemon_host_kill(&host);
		segment_host_remove(host.set_dir);
		daemon_host_run(&host);
		ck_readers_come("the set, between two daemons");
		ck_readers_are_served();
	}
	daemon_host_stop(&host);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("removed");
	TCase *tcase = tcase_create("removed");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tcase, 180);
	tcase_add_checked_fixture(tcase, start, stop);
	tcase_add_test(tcase, readers_follow_when_it_is_removed_under_a_running_daemon);
	tcase_add_test(tcase, readers_follow_when_it_is_removed_while_the_daemon_is_dead);
	tcase_add_test(tcase, readers_follow_when_the_next_daemon_begins_at_once);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
