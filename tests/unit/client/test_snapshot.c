/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include <zkcfg/zkcfg.h>

#include "segment/hash.h"
#include "segment/layout.h"
#include "support/segment_host.h"

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

static struct zkcfg_snapshot *pin(void)
{
	struct zkcfg_snapshot *pinned;

	ck_assert_int_eq(zkcfg_pin(cfg, &pinned), 0);
	return pinned;
}

static const char *text_of(const struct zkcfg_snapshot *from, const char *document, const char *path)
{
	const char *text;
	int err = zkcfg_get_string(from, document, path, &text);

	return err < 0 ? zkcfg_strerror(err) : text;
}

START_TEST(set_without_a_commit_is_empty)
{
	uint64_t newest = 77;

	ck_assert_int_eq(zkcfg_pin(cfg, &snapshot), ZKCFG_EEMPTY);
	ck_assert_ptr_null(snapshot);
	ck_assert_uint_eq(zkcfg_seq(cfg), 0);
	ck_assert(!zkcfg_changed(cfg, 0));
	ck_assert_int_eq(zkcfg_wait(cfg, 0, 0, &newest), ZKCFG_ETIMEDOUT);
	ck_assert_uint_eq(newest, 77);
}
END_TEST

START_TEST(snapshot_has_the_documents_of_its_commit)
{
	const struct zkcfg_document *document;
	struct zkcfg_iterator iterator;
	struct timespec now;
	unsigned seen = 0;
	int64_t age_ns;
	int err;

	segment_host_publish_many(&host, 20, "text");
	snapshot = pin();
	ck_assert_uint_eq(zkcfg_snapshot_seq(snapshot), 1);
	ck_assert_uint_eq(zkcfg_snapshot_document_count(snapshot), 20);
	clock_gettime(CLOCK_REALTIME, &now);
	age_ns = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec - zkcfg_snapshot_time_ns(snapshot);
	ck_assert(age_ns >= 0 && age_ns < INT64_C(60000000000));
	ck_assert_int_eq(zkcfg_find(snapshot, "n.7", &document), 0);
	ck_assert_str_eq(zkcfg_document_name(document), "n.7");
	zkcfg_iterator_init(&iterator, snapshot);
	while ((err = zkcfg_iterator_next(&iterator, &document)) == 0)
		seen |= 1u << atoi(zkcfg_document_name(document) + 2);
	ck_assert_int_eq(err, ZKCFG_EEND);
	ck_assert_uint_eq(seen, (1u << 20) - 1);
	ck_assert_int_eq(zkcfg_iterator_next(&iterator, &document), ZKCFG_EEND);
}
END_TEST

START_TEST(document_that_is_not_there_is_told_so)
{
	const struct zkcfg_document *document = NULL;
	const char *text;
	int64_t number;

	segment_host_publish_many(&host, 3, "text");
	snapshot = pin();
	ck_assert_int_eq(zkcfg_find(snapshot, "n.3", &document), ZKCFG_ENODOC);
	ck_assert_int_eq(zkcfg_find(snapshot, "", &document), ZKCFG_ENODOC);
	ck_assert_int_eq(zkcfg_get_string(snapshot, "n", "/d", &text), ZKCFG_ENODOC);
	ck_assert_int_eq(zkcfg_get_int64(snapshot, "n.00", "/d", &number), ZKCFG_ENODOC);
	ck_assert_int_eq(zkcfg_find(NULL, "n.1", &document), ZKCFG_EINVAL);
	ck_assert_int_eq(zkcfg_find(snapshot, NULL, &document), ZKCFG_EINVAL);
	ck_assert_int_eq(zkcfg_find(snapshot, "n.1", NULL), ZKCFG_EINVAL);
	ck_assert_int_eq(zkcfg_get_string(snapshot, "n.1", NULL, &text), ZKCFG_EINVAL);
	ck_assert_int_eq(zkcfg_get_string(snapshot, NULL, "/d", &text), ZKCFG_EINVAL);
	ck_assert_ptr_null(document);
}
END_TEST

START_TEST(pinning_again_gives_the_same_snapshot_until_there_is_another)
{
	struct zkcfg_snapshot *second, *third;

	segment_host_publish_many(&host, 3, "one");
	snapshot = pin();
	second = pin();
	ck_assert_ptr_eq(second, snapshot);
	zkcfg_unpin(second);
	ck_assert_str_eq(text_of(snapshot, "n.0", "/d"), "one"); /* the other use is left */
	segment_host_publish_many(&host, 3, "two");
	third = pin();
	ck_assert_ptr_ne(third, snapshot);
	ck_assert_str_eq(text_of(third, "n.0", "/d"), "two");
	ck_assert_str_eq(text_of(snapshot, "n.0", "/d"), "one");
	zkcfg_unpin(third);
	for (int i = 0; i < 1000; i++)
		zkcfg_unpin(pin());
	ck_assert_str_eq(text_of(snapshot, "n.0", "/d"), "one");
}
END_TEST

START_TEST(pinned_snapshot_survives_publish)
{
	struct zkcfg_snapshot *second;

	segment_host_publish(&host, "app.xml", "<app><port>80</port></app>");
	snapshot = pin();
	segment_host_publish(&host, "app.xml", "<app><port>81</port></app>");
	ck_assert_str_eq(text_of(snapshot, "app.xml", "/app/port"), "80");
	second = pin();
	ck_assert_str_eq(text_of(second, "app.xml", "/app/port"), "81");
	zkcfg_unpin(second);
	segment_host_publish(&host, "app.xml", NULL);
	second = pin();
	ck_assert_uint_eq(zkcfg_snapshot_document_count(second), 0);
	ck_assert_str_eq(text_of(second, "app.xml", "/app/port"), zkcfg_strerror(ZKCFG_ENODOC));
	zkcfg_unpin(second);
	ck_assert_str_eq(text_of(snapshot, "app.xml", "/app/port"), "80");
}
END_TEST

START_TEST(pinned_snapshot_survives_a_thousand_commits_compaction_and_removal)
{
	enum { COMMITS = 1000, DOCUMENTS = 50 };
	char *xml = malloc(5000), number[20];
	unsigned first_generation;

	segment_host_publish_many(&host, DOCUMENTS, "old");
	snapshot = pin();
	first_generation = segment_host_generation(&host);
	for (int i = 0; i < COMMITS; i++) {
		sprintf(xml, "<d>%d%03990d</d>", i, 0);
		snprintf(number, sizeof(number), "n.%d", i % DOCUMENTS);
		segment_host_publish(&host, number, xml);
	}
	ck_assert_uint_gt(segment_host_generation(&host), first_generation);
	segment_host_close(&host);
	segment_host_remove(host.shm_dir);
	zkcfg_close(cfg);
	cfg = NULL;
	ck_assert_uint_eq(zkcfg_snapshot_seq(snapshot), 1);
	for (int i = 0; i < DOCUMENTS; i++) {
		snprintf(number, sizeof(number), "n.%d", i);
		ck_assert_str_eq(text_of(snapshot, number, "/d"), "old");
	}
	free(xml);
}
END_TEST

START_TEST(snapshots_of_several_generations_are_held_at_once)
{
	enum { HELD = 60 };
	struct zkcfg_snapshot *held[HELD];
	char *xml = malloc(70000), number[20];
	unsigned first_generation = 0;

	for (int i = 0; i < HELD; i++) {
		sprintf(xml, "<d k='%d'>%065000d</d>", i, 0);
		segment_host_publish(&host, "app.xml", xml);
		held[i] = pin();
		if (i == 0)
			first_generation = segment_host_generation(&host);
	}
	ck_assert_uint_gt(segment_host_generation(&host), first_generation + 1);
	for (int i = 0; i < HELD; i++) {
		snprintf(number, sizeof(number), "%d", i);
		ck_assert_str_eq(text_of(held[i], "app.xml", "/d/@k"), number);
		ck_assert_uint_eq(zkcfg_snapshot_seq(held[i]), (uint64_t)i + 1);
	}
	for (int i = 0; i < HELD; i++)
		zkcfg_unpin(held[i]);
	free(xml);
}
END_TEST

static uint64_t used_bytes(void)
{
	struct statvfs fs;

	ck_assert_int_eq(statvfs(host.shm_dir, &fs), 0);
	return (uint64_t)(fs.f_blocks - fs.f_bfree) * fs.f_frsize;
}

/* A file system that could not hold what these commits write. */
START_TEST(pinned_snapshot_costs_what_it_is_and_nothing_of_the_commits_that_pass)
{
	enum { COMMITS = 5000, TEXT = 8000 };
	char *xml = malloc(TEXT + 16), name[8];
	uint64_t used;

	zkcfg_close(cfg);
	cfg = NULL;
	segment_host_close(&host);
	segment_host_remove(host.set_dir);
	if (!segment_host_mount(&host, host.shm_dir, 16 << 20))
		return;
	segment_host_open(&host);
	memset(xml, 'x', TEXT + 16);
	memcpy(xml, "<d>", 3);
	strcpy(xml + 3 + TEXT, "</d>");
	segment_host_publish(&host, "n.0", "<d>pinned</d>");
	for (int i = 1; i < 20; i++) {
		snprintf(name, sizeof(name), "n.%d", i);
		segment_host_publish(&host, name, xml);
	}
	ck_assert_int_eq(zkcfg_open("app", host.shm_dir, &cfg), 0);
	snapshot = pin();
	for (int i = 0; i < COMMITS; i++) {
		snprintf(name, sizeof(name), "n.%d", i % 20);
		segment_host_publish(&host, name, xml); /* the test fails if there is no room */
	}
	ck_assert_str_eq(text_of(snapshot, "n.0", "/d"), "pinned");
	used = used_bytes();
	ck_assert_uint_lt(used, (uint64_t)8 << 20);
	zkcfg_unpin(snapshot);
	snapshot = pin();
	ck_assert_uint_lt(used_bytes(), used); /* what it lay in is given back */
	free(xml);
}
END_TEST

START_TEST(handle_that_fell_hundreds_of_commits_behind_pins_the_newest)
{
	char xml[40];

	segment_host_publish(&host, "app.xml", "<d>0</d>");
	snapshot = pin();
	for (int i = 1; i <= 500; i++) {
		snprintf(xml, sizeof(xml), "<d>%d</d>", i);
		segment_host_publish(&host, "app.xml", xml);
	}
	zkcfg_unpin(snapshot);
	snapshot = pin();
	ck_assert_str_eq(text_of(snapshot, "app.xml", "/d"), "500");
	ck_assert_uint_eq(zkcfg_snapshot_seq(snapshot), 501);
}
END_TEST

START_TEST(damaged_commit_is_not_pinned_and_what_is_held_stays)
{
	char path[HOST_PATH_BYTES];
	struct zkcfg_snapshot *second = NULL;
	uint64_t where, roots[3];
	size_t size_bytes;
	uint8_t *bytes;

	segment_host_publish(&host, "app.xml", "<d>1</d>");
	snapshot = pin();
	segment_host_publish(&host, "app.xml", "<d>2</d>");
	segment_host_path(&host, "control", path);
	bytes = segment_host_read(path, &size_bytes);
	memcpy(roots, bytes + offsetof(struct layout_control, roots), sizeof(roots));
	free(bytes);
	where = UINT64_C(1) << 32 | 4; /* generation 1, offset 64: a document, not a root */
	segment_host_patch(path, offsetof(struct layout_control, roots) + 2 * sizeof(where), &where,
			   sizeof(where));
	ck_assert_int_eq(zkcfg_pin(cfg, &second), ZKCFG_ECORRUPT);
	ck_assert_ptr_null(second);
	/* the root of another commit, sound as it is */
	memcpy(&where, roots + 1, sizeof(where));
	segment_host_patch(path, offsetof(struct layout_control, roots) + 2 * sizeof(where), &where,
			   sizeof(where));
	ck_assert_int_eq(zkcfg_pin(cfg, &second), ZKCFG_ECORRUPT);
	where = UINT64_C(1) << 32 | UINT32_MAX; /* far outside */
	segment_host_patch(path, offsetof(struct layout_control, roots) + 2 * sizeof(where), &where,
			   sizeof(where));
	ck_assert_int_eq(zkcfg_pin(cfg, &second), ZKCFG_ECORRUPT);
	where = UINT64_C(9) << 32 | 4; /* no such generation */
	segment_host_patch(path, offsetof(struct layout_control, roots) + 2 * sizeof(where), &where,
			   sizeof(where));
	ck_assert_int_eq(zkcfg_pin(cfg, &second), ZKCFG_ENOSET);
	ck_assert_str_eq(text_of(snapshot, "app.xml", "/d"), "1");
	segment_host_publish(&host, "app.xml", "<d>3</d>");
	second = pin();
	ck_assert_str_eq(text_of(second, "app.xml", "/d"), "3");
	zkcfg_unpin(second);
}
END_TEST

/* XXH3 of 32 bytes takes its secret from the first 8 and multiplies with the next 8: these do not count, then. */
START_TEST(documents_whose_names_have_one_hash_are_two)
{
	char first[33] = "........one.....the rest is here", second[33] = "........two.....the rest is here";

	memcpy(first, XXH3_kSecret, 8);
	memcpy(second, XXH3_kSecret, 8);
	ck_assert_uint_eq(hash_bytes(first, 32), hash_bytes(second, 32));
	segment_host_publish(&host, first, "<d>1</d>");
	segment_host_publish(&host, second, "<d>2</d>");
	snapshot = pin();
	ck_assert_str_eq(text_of(snapshot, first, "/d"), "1");
	ck_assert_str_eq(text_of(snapshot, second, "/d"), "2");
}
END_TEST

START_TEST(damaged_document_is_an_error_of_its_own_look_ups)
{
	const struct zkcfg_document *document;
	struct zkcfg_iterator iterator;
	char path[HOST_PATH_BYTES];

	segment_host_publish(&host, "app.xml", "<d>1</d>");
	snapshot = pin();
	segment_host_path(&host, "gen.1", path);
	segment_host_patch(path, sizeof(struct layout_arena), "XXXX", 4);
	ck_assert_int_eq(zkcfg_find(snapshot, "app.xml", &document), ZKCFG_ECORRUPT);
	zkcfg_iterator_init(&iterator, snapshot);
	ck_assert_int_eq(zkcfg_iterator_next(&iterator, &document), ZKCFG_ECORRUPT);
	ck_assert_int_eq(zkcfg_find(snapshot, "other.xml", &document), ZKCFG_ENODOC);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("snapshot");
	TCase *tcase = tcase_create("snapshot");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, start, stop);
	tcase_add_test(tcase, set_without_a_commit_is_empty);
	tcase_add_test(tcase, snapshot_has_the_documents_of_its_commit);
	tcase_add_test(tcase, document_that_is_not_there_is_told_so);
	tcase_add_test(tcase, pinning_again_gives_the_same_snapshot_until_there_is_another);
	tcase_add_test(tcase, pinned_snapshot_survives_publish);
	tcase_add_test(tcase, pinned_snapshot_survives_a_thousand_commits_compaction_and_removal);
	tcase_add_test(tcase, snapshots_of_several_generations_are_held_at_once);
	tcase_add_test(tcase, pinned_snapshot_costs_what_it_is_and_nothing_of_the_commits_that_pass);
	tcase_add_test(tcase, handle_that_fell_hundreds_of_commits_behind_pins_the_newest);
	tcase_add_test(tcase, damaged_commit_is_not_pinned_and_what_is_held_stays);
	tcase_add_test(tcase, documents_whose_names_have_one_hash_are_two);
	tcase_add_test(tcase, damaged_document_is_an_error_of_its_own_look_ups);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
