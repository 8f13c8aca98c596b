/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <zkcfg/zkcfg.h>

#include "segment/hash.h"
#include "segment/layout.h"
#include "support/segment_host.h"

#define DOCUMENTS 100

static struct segment_host host;
static struct zkcfg *cfg;
static struct zkcfg_snapshot *snapshot;

static void start(void)
{
	segment_host_start(&host);
	segment_host_open(&host);
	ck_assert_int_eq(zkcfg_open("app", host.shm_dir, &cfg), 0);
	snapshot = NULL;
}

static void stop(void)
{
	zkcfg_unpin(snapshot);
	zkcfg_close(cfg);
	segment_host_stop(&host);
}

/* Documents d0 ... d99 with values of their own; one that is named as another is hashed. */
static void publish_all(void)
{
	char name[40], xml[100];

	for (unsigned i = 0; i < DOCUMENTS; i++) {
		snprintf(name, sizeof(name), "d%u", i);
		snprintf(xml, sizeof(xml), "<r><a k='%u'>a%u</a><b>b%u</b><c><d>x</d></c></r>", i, i, i);
		segment_host_publish(&host, name, xml);
	}
	ck_assert_int_eq(zkcfg_pin(cfg, &snapshot), 0);
}

/* Each request of a batch gives what it gives alone. */
static void check_batch(struct zkcfg_request *requests, size_t count)
{
	int first = 0;

	for (size_t i = 0; i < count; i++) {
		requests[i].value = "untouched";
		requests[i].error = 4711;
	}
	for (size_t i = 0; i < count && first == 0; i++) {
		const char *value;

		first = zkcfg_get_string(snapshot, requests[i].document, requests[i].path, &value);
	}
	ck_assert_int_eq(zkcfg_get_batch(snapshot, requests, count), first);
	for (size_t i = 0; i < count; i++) {
		const char *value = NULL;
		int err = zkcfg_get_string(snapshot, requests[i].document, requests[i].path, &value);

		if (requests[i].error != err || requests[i].value != value)
			ck_abort_msg("request %zu, %s of %s: %d, alone it is %d", i, requests[i].path,
				     requests[i].document, requests[i].error, err);
	}
}

START_TEST(batch_gives_what_single_gets_give)
{
	static const char *const paths[] = { "/r/a", "/r/b", "/r/a/@k", "/r[1]/a[1]", "/r/c", "/r/none", "wrong", "/r/c/d" };
	static char names[DOCUMENTS + 10][8];
	struct zkcfg_request requests[200];
	uint64_t state = segment_seed();

	publish_all();
	for (unsigned i = 0; i < DOCUMENTS + 10; i++)
		snprintf(names[i], sizeof(names[i]), "d%u", i);
	for (unsigned round = 0; round < 300; round++) {
		size_t count = segment_random(&state) % 200;

		for (size_t i = 0; i < count; i++) {
			requests[i].path = paths[segment_random(&state) % 8];
			/* often the one of before */
			if (i > 0 && segment_random(&state) % 2)
				requests[i].document = requests[i - 1].document;
			else
				requests[i].document = names[segment_random(&state) % (DOCUMENTS + 10)];
		}
		check_batch(requests, count);
	}
}
END_TEST

START_TEST(batch_finds_documents_of_one_hash)
{
	char first[33] = "........one.....the rest is here", second[33] = "........two.....the rest is here";
	char third[33] = "........three...the rest is here", copy[33];
	struct zkcfg_request requests[] = { { .document = first, .path = "/d" }, { .document = second, .path = "/d" },
					    { .document = third, .path = "/d" }, { .document = first, .path = "/e" },
					    { .document = copy, .path = "/d" } };

	memcpy(first, XXH3_kSecret, 8);
	memcpy(second, XXH3_kSecret, 8);
	memcpy(third, XXH3_kSecret, 8);
	memcpy(copy, first, sizeof(copy));
	segment_host_publish(&host, first, "<d>1</d>");
	segment_host_publish(&host, second, "<d>2</d>");
	ck_assert_int_eq(zkcfg_pin(cfg, &snapshot), 0);
	check_batch(requests, 5);
	ck_assert_str_eq(requests[0].value, "1");
	ck_assert_str_eq(requests[1].value, "2");
	ck_assert_int_eq(requests[2].error, ZKCFG_ENODOC);
	ck_assert_int_eq(requests[3].error, ZKCFG_ENOPATH);
	ck_assert_str_eq(requests[4].value, "1");
}
END_TEST

START_TEST(batch_of_a_damaged_document_tells_it_for_each)
{
	struct zkcfg_request requests[] = { { .document = "a", .path = "/d" }, { .document = "a", .path = "/e" } };
	char path[HOST_PATH_BYTES];

	segment_host_publish(&host, "a", "<d>1</d>");
	ck_assert_int_eq(zkcfg_pin(cfg, &snapshot), 0);
	segment_host_path(&host, "gen.1", path);
	segment_host_patch(path, sizeof(struct layout_arena), "XXXX", 4);
	check_batch(requests, 2);
	ck_assert_int_eq(requests[0].error, ZKCFG_ECORRUPT);
	ck_assert_int_eq(requests[1].error, ZKCFG_ECORRUPT);
}
END_TEST

START_TEST(batch_with_a_wrong_argument_is_refused_whole)
{
	struct zkcfg_request requests[] = { { .document = "d0", .path = "/r/a", .error = 4711 },
					    { .document = "d0", .path = NULL },
					    { .document = NULL, .path = "/r" } };

	publish_all();
	ck_assert_int_eq(zkcfg_get_batch(snapshot, requests, 2), ZKCFG_EINVAL);
	ck_assert_int_eq(requests[0].error, 4711);
	ck_assert_int_eq(zkcfg_get_batch(snapshot, requests + 2, 1), ZKCFG_EINVAL);
	ck_assert_int_eq(zkcfg_get_batch(NULL, requests, 1), ZKCFG_EINVAL);
	ck_assert_int_eq(zkcfg_get_batch(snapshot, NULL, 1), ZKCFG_EINVAL);
	ck_assert_int_eq(zkcfg_get_batch(snapshot, NULL, 0), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("batch");
	TCase *tcase = tcase_create("batch");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, start, stop);
	tcase_add_test(tcase, batch_gives_what_single_gets_give);
	tcase_add_test(tcase, batch_finds_documents_of_one_hash);
	tcase_add_test(tcase, batch_of_a_damaged_document_tells_it_for_each);
	tcase_add_test(tcase, batch_with_a_wrong_argument_is_refused_whole);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
