/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Every allocation and every system call of a reader fails once, by turns. */
#include <check.h>
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <zkcfg/zkcfg.h>

#include "support/fault.h"
#include "support/segment_host.h"

#define TURNS 1000

static struct segment_host host;

static void start(void)
{
	segment_host_start(&host);
	segment_host_open(&host);
	segment_host_publish(&host, "app.xml", "<a>1</a>");
}

static void stop(void)
{
	segment_host_stop(&host);
}

/* Open, pin, look at the state. */
static int use(void)
{
	struct zkcfg_snapshot *snapshot;
	struct zkcfg_status *status;
	struct zkcfg *cfg;
	const char *value;
	int err;

	err = zkcfg_open("app", host.shm_dir, &cfg);
	if (err < 0)
		return err;
	err = zkcfg_pin(cfg, &snapshot);
	if (err == 0) {
		if (zkcfg_get_string(snapshot, "app.xml", "/a", &value) < 0 || strcmp(value, "1") != 0)
			abort();
		zkcfg_unpin(snapshot);
		err = zkcfg_status_read(cfg, &status);
	}
	if (err == 0)
		zkcfg_status_free(status);
	zkcfg_close(cfg);
	return err;
}

START_TEST(reader_without_memory_or_files_says_so)
{
	struct publisher_status shown = { .source_state = ZKCFG_SOURCE_FOLLOWING, .source = "file:///x", .detail = "" };
	unsigned nth = 1, failed = 0;
	int err = 0;

	publisher_status(host.publisher, &shown);
	for (; nth < TURNS; nth++) {
		fault_arm(_i ? FAULT_MEMORY : FAULT_SYSTEM, nth, EMFILE);
		err = use();
		if (!fault_disarm())
			break;
		failed += err < 0;
		ck_assert_msg(err == 0 || err == (_i ? ZKCFG_ENOMEM : ZKCFG_ESYSTEM), "call %u: %d", nth, err);
	}
	ck_assert_uint_gt(failed, 3);
	ck_assert_uint_lt(nth, TURNS);
	ck_assert_int_eq(err, 0);
}
END_TEST

/* A reader that was sent to a new segment and cannot have it keeps what it has, and has the new one later. */
START_TEST(reader_that_cannot_follow_keeps_what_it_has)
{
	unsigned nth = 1, held = 0;

	for (; nth < TURNS; nth++) {
		struct zkcfg_snapshot *snapshot = NULL;
		struct message message = { "" };
		struct zkcfg *cfg;
		uint64_t seq;
		bool struck;
		int err;

		ck_assert_int_eq(zkcfg_open("app", host.shm_dir, &cfg), 0);
		ck_assert_int_eq(zkcfg_pin(cfg, &snapshot), 0);
		seq = zkcfg_snapshot_seq(snapshot);
		zkcfg_unpin(snapshot);
		segment_host_remove(host.set_dir);
		ck_assert_int_eq(publisher_heartbeat(host.publisher, &message), 0);
		fault_arm_for_good(FAULT_SYSTEM | FAULT_MEMORY, nth, EMFILE);
		err = zkcfg_pin(cfg, &snapshot);
		struck = fault_disarm();
		ck_assert_msg(err == 0 || err == ZKCFG_ENOMEM || err == ZKCFG_ESYSTEM, "call %u: %d", nth, err);
		if (err == 0) {
			held += zkcfg_snapshot_seq(snapshot) == seq;
			zkcfg_unpin(snapshot);
		}
		ck_assert_int_eq(zkcfg_pin(cfg, &snapshot), 0);
		ck_assert_uint_gt(zkcfg_snapshot_seq(snapshot), seq);
		zkcfg_unpin(snapshot);
		zkcfg_close(cfg);
		if (!struck)
			break;
	}
	ck_assert_uint_gt(held, 2);
	ck_assert_uint_lt(nth, TURNS);
}
END_TEST

/* A descriptor that is given out tells of a commit, if by nothing else then by the time. */
START_TEST(descriptor_with_a_fault_is_an_error_or_works)
{
	unsigned nth = 1, failed = 0;

	for (; nth < TURNS; nth++) {
		struct pollfd poll_fd = { .events = POLLIN };
		struct zkcfg *cfg;
		bool struck;
		int err;

		ck_assert_int_eq(zkcfg_open("app", host.shm_dir, &cfg), 0);
		fault_arm(FAULT_SYSTEM, nth, ENOSPC);
		err = zkcfg_descriptor(cfg, &poll_fd.fd);
		if (err == 0)
			err = zkcfg_descriptor_clear(cfg);
		struck = fault_disarm();
		ck_assert_msg(err == 0 || (err == ZKCFG_ESYSTEM && struck), "call %u: %d", nth, err);
		failed += err < 0;
		if (err == 0) {
			segment_host_publish(&host, "app.xml", "<a>2</a>");
			ck_assert_int_eq(poll(&poll_fd, 1, 20000), 1);
		}
		zkcfg_close(cfg);
		if (!struck)
			break;
	}
	ck_assert_uint_eq(failed, 3);
	ck_assert_uint_lt(nth, TURNS);
}
END_TEST

static void overtake(void)
{
	segment_host_publish(&host, "app.xml", "<a>2</a>");
}

START_TEST(pin_that_fails_while_it_is_overtaken_takes_the_newer_commit)
{
	struct zkcfg_snapshot *snapshot;
	struct zkcfg *cfg;
	const char *value;
	int err;

	ck_assert_int_eq(zkcfg_open("app", host.shm_dir, &cfg), 0);
	fault_arm(FAULT_SYSTEM, 1, EMFILE);
	fault_do(overtake);
	err = zkcfg_pin(cfg, &snapshot);
	ck_assert(fault_disarm());
	ck_assert_int_eq(err, 0);
	ck_assert_int_eq(zkcfg_get_string(snapshot, "app.xml", "/a", &value), 0);
	ck_assert_str_eq(value, "2");
	zkcfg_unpin(snapshot);
	zkcfg_close(cfg);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("faults");
	TCase *tcase = tcase_create("faults");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, start, stop);
	tcase_add_test(tcase, pin_that_fails_while_it_is_overtaken_takes_the_newer_commit);
	tcase_add_loop_test(tcase, reader_without_memory_or_files_says_so, 0, 2);
	tcase_add_test(tcase, reader_that_cannot_follow_keeps_what_it_has);
	tcase_add_test(tcase, descriptor_with_a_fault_is_an_error_or_works);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
