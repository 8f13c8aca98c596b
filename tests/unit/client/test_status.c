/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <zkcfg/zkcfg.h>

#include "base/clock.h"
#include "segment/hash.h"
#include "segment/layout.h"
#include "support/segment_host.h"

static struct segment_host host;
static struct zkcfg *cfg;
static struct zkcfg_status *status;

static void start(void)
{
	segment_host_start(&host);
	segment_host_open(&host);
	ck_assert_int_eq(zkcfg_open("app", host.shm_dir, &cfg), 0);
	status = NULL;
}

static void stop(void)
{
	zkcfg_status_free(status);
	zkcfg_close(cfg);
	segment_host_stop(&host);
}

static int64_t ago_ns(int64_t ms)
{
	return clock_boottime_ns() - ms * CLOCK_NS_PER_MS;
}

static void read_status(void)
{
	zkcfg_status_free(status);
	status = NULL;
	ck_assert_int_eq(zkcfg_status_read(cfg, &status), 0);
}

START_TEST(status_of_a_daemon_that_said_nothing_yet)
{
	struct zkcfg_candidate candidate;

	read_status();
	ck_assert_uint_eq(zkcfg_status_seq(status), 0);
	ck_assert_int_eq((int)zkcfg_status_source_state(status), ZKCFG_SOURCE_NONE);
	ck_assert_str_eq(zkcfg_status_source(status), "");
	ck_assert_str_eq(zkcfg_status_detail(status), "");
	ck_assert_int_eq(zkcfg_status_since_ns(status), 0);
	ck_assert_int_eq(zkcfg_status_unverified_ms(status), -1);
	ck_assert_int_eq((int)zkcfg_status_source_mode(status), ZKCFG_MODE_NONE);
	ck_assert_int_eq(zkcfg_status_told_ms(status), -1);
	ck_assert_int_eq(zkcfg_status_asked_ms(status), -1);
	ck_assert_uint_eq(zkcfg_status_repair_count(status), 0);
	ck_assert_int_eq(zkcfg_status_daemon_pid(status), getpid());
	ck_assert_uint_eq(zkcfg_status_candidate_count(status), 0);
	ck_assert_int_eq(zkcfg_status_candidate(status, 0, &candidate), ZKCFG_EEND);
	segment_host_close(&host);
	read_status();
	ck_assert_int_eq(zkcfg_status_daemon_pid(status), 0); /* it ended, and said so */
}
END_TEST

START_TEST(status_tells_seq_id_and_ages)
{
	struct message message = { "" };
	uint8_t id[16];
	char text[33];

	segment_host_publish(&host, "app.xml", "<a/>");
	publisher_verified(host.publisher, clock_boottime_ns() - 5000 * CLOCK_NS_PER_MS);
	ck_assert_int_eq(publisher_heartbeat(host.publisher, &message), 0);
	read_status();
	ck_assert_uint_eq(zkcfg_status_seq(status), 1);
	publisher_segment_id(host.publisher, id);
	for (int i = 0; i < 16; i++)
		snprintf(text + 2 * i, 3, "%02x", id[i]);
	ck_assert_str_eq(zkcfg_status_segment_id(status), text);
	ck_assert_int_ge(zkcfg_status_unverified_ms(status), 5000);
	ck_assert_int_lt(zkcfg_status_unverified_ms(status), 65000);
	ck_assert_int_ge(zkcfg_status_daemon_age_ms(status), 0);
	ck_assert_int_lt(zkcfg_status_daemon_age_ms(status), 60000);
	/* a stamp of the future is no age below zero */
	publisher_verified(host.publisher, clock_boottime_ns() + 3600 * CLOCK_NS_PER_S);
	read_status();
	ck_assert_int_eq(zkcfg_status_unverified_ms(status), 0);
}
END_TEST

START_TEST(status_tells_how_the_set_hears_of_changes)
{
	struct control_contact contact = { ZKCFG_MODE_PUSH_AND_PULL, ago_ns(5000), ago_ns(9000), 2 };

	publisher_contact(host.publisher, &contact);
	read_status();
	ck_assert_int_eq((int)zkcfg_status_source_mode(status), ZKCFG_MODE_PUSH_AND_PULL);
	ck_assert_int_ge(zkcfg_status_told_ms(status), 5000);
	ck_assert_int_lt(zkcfg_status_told_ms(status), 9000);
	ck_assert_int_ge(zkcfg_status_asked_ms(status), 9000);
	ck_assert_int_lt(zkcfg_status_asked_ms(status), 69000);
	ck_assert_uint_eq(zkcfg_status_repair_count(status), 2);
	contact.mode = (enum zkcfg_source_mode)77; /* of a daemon to come */
	publisher_contact(host.publisher, &contact);
	read_status();
	ck_assert_int_eq((int)zkcfg_status_source_mode(status), ZKCFG_MODE_NONE);
}
END_TEST

START_TEST(status_tells_the_source_and_every_candidate)
{
	struct zkcfg_candidate candidates[2] = {
		{ .document = "a.xml",
		  .reason = "not well-formed",
		  .revision = 7,
		  .since_ns = 8,
		  .line = 9,
		  .column = 10 },
		{ .document = "b/c.xml", .reason = "", .revision = UINT64_MAX },
	};
	struct publisher_status shown = { .source_state = ZKCFG_SOURCE_AWAY,
					  .source = "zk://h:1/p",
					  .detail = "connection refused",
					  .since_ns = 1234567890,
					  .candidates = candidates,
					  .candidate_count = 2 };
	struct zkcfg_candidate candidate = { .document = "untouched" };

	publisher_status(host.publisher, &shown);
	read_status();
	ck_assert_int_eq((int)zkcfg_status_source_state(status), ZKCFG_SOURCE_AWAY);
	ck_assert_str_eq(zkcfg_status_source(status), "zk://h:1/p");
	ck_assert_str_eq(zkcfg_status_detail(status), "connection refused");
	ck_assert_int_eq(zkcfg_status_since_ns(status), 1234567890);
	ck_assert_uint_eq(zkcfg_status_candidate_count(status), 2);
	ck_assert_int_eq(zkcfg_status_candidate(status, 2, &candidate), ZKCFG_EEND);
	ck_assert_str_eq(candidate.document, "untouched");
	ck_assert_int_eq(zkcfg_status_candidate(status, 0, &candidate), 0);
	ck_assert_str_eq(candidate.document, "a.xml");
	ck_assert_str_eq(candidate.reason, "not well-formed");
	ck_assert_uint_eq(candidate.revision, 7);
	ck_assert_int_eq(candidate.since_ns, 8);
	ck_assert_uint_eq(candidate.line, 9);
	ck_assert_uint_eq(candidate.column, 10);
	ck_assert_int_eq(zkcfg_status_candidate(status, 1, &candidate), 0);
	ck_assert_str_eq(candidate.document, "b/c.xml");
	ck_assert_str_eq(candidate.reason, "");
	ck_assert_uint_eq(candidate.revision, UINT64_MAX);
	shown.candidate_count = 0;
	shown.source_state = (enum zkcfg_source_state)99;
	publisher_status(host.publisher, &shown);
	ck_assert_uint_eq(zkcfg_status_candidate_count(status), 2); /* a copy */
	read_status();
	ck_assert_uint_eq(zkcfg_status_candidate_count(status), 0);
	ck_assert_int_eq((int)zkcfg_status_source_state(status), ZKCFG_SOURCE_NONE);
}
END_TEST

START_TEST(more_candidates_than_fit_are_counted)
{
	static struct zkcfg_candidate candidates[1000], candidate;
	struct publisher_status shown = {
		.source = "s", .detail = "d", .candidates = candidates, .candidate_count = 1000
	};
	size_t kept = 0;

	for (size_t i = 0; i < 1000; i++)
		candidates[i] = (struct zkcfg_candidate){ .document = "document.xml",
							  .reason = "a reason",
							  .revision = i };
	publisher_status(host.publisher, &shown);
	read_status();
	ck_assert_uint_eq(zkcfg_status_candidate_count(status), 1000);
	while (zkcfg_status_candidate(status, kept, &candidate) == 0) {
		ck_assert_uint_eq(candidate.revision, kept);
		ck_assert_str_eq(candidate.reason, "a reason");
		kept++;
	}
	ck_assert_uint_gt(kept, 100);
	ck_assert_uint_lt(kept, 1000);
}
END_TEST

/* A status in shared memory whose checksum is right and whose text is not. */
static void put_status(const void *text, uint32_t text_bytes, uint32_t kept)
{
	static struct layout_status half;
	char path[HOST_PATH_BYTES];
	uint64_t version = 7;
	size_t head = offsetof(struct layout_status, version);

	memset(&half, 'x', sizeof(half));
	half.version = version;
	half.candidate_count = half.candidate_kept = kept;
	half.text_bytes = text_bytes;
	memcpy(half.text, text, text_bytes);
	half.checksum = hash_bytes((const char *)&half + head,
				   offsetof(struct layout_status, text) - head + text_bytes);
	segment_host_path(&host, "control", path);
	segment_host_patch(path, offsetof(struct layout_control, status[1]), &half, sizeof(half));
	segment_host_patch(path, offsetof(struct layout_control, status_version), &version, sizeof(version));
}

START_TEST(text_that_does_not_hold_what_it_says_is_corrupt)
{
	static const struct {
		const char *text;
		uint32_t bytes, kept;
	} texts[] = {
		{ "", 0, 0 },
		{ "abc", 3, 0 },
		{ "abc\0def", 7, 0 },
		{ "a\0b\0", 4, 1 },
		{ "a\0b\0xxxxxxxxxxxxxxxxxxxxxxxx", 28, 1 },
		{ "a\0b\0xxxxxxxxxxxxxxxxxxxxxxxxdoc\0", 32, 1 },
		{ "a\0b\0xxxxxxxxxxxxxxxxxxxxxxxxdoc\0reason", 38, 1 },
		{ "a\0b\0", 4, UINT32_MAX },
		{ "a\0b\0xxxxxxxxxxxxxxxxxxxxxxxxdoc\0reason\0", 39, 2 },
	};

	put_status("a\0b\0xxxxxxxxxxxxxxxxxxxxxxxxdoc\0reason\0", 39, 1);
	read_status();
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct zkcfg_status *none = NULL;

		put_status(texts[i].text, texts[i].bytes, texts[i].kept);
		ck_assert_msg(zkcfg_status_read(cfg, &none) == ZKCFG_ECORRUPT, "text %zu", i);
		ck_assert_ptr_null(none);
	}
	zkcfg_status_free(NULL);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("status");
	TCase *tcase = tcase_create("status");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, start, stop);
	tcase_add_test(tcase, status_of_a_daemon_that_said_nothing_yet);
	tcase_add_test(tcase, status_tells_seq_id_and_ages);
	tcase_add_test(tcase, status_tells_how_the_set_hears_of_changes);
	tcase_add_test(tcase, status_tells_the_source_and_every_candidate);
	tcase_add_test(tcase, more_candidates_than_fit_are_counted);
	tcase_add_test(tcase, text_that_does_not_hold_what_it_says_is_corrupt);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
