/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include <zkcfg/zkcfg.h>

#include "segment/document.h"
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

/* Publish document "a" of sources, and pin it. */
static void publish(const char *xml, const void *sources, size_t sources_bytes)
{
	struct document_origin origin = { .name = "a",
					  .created = 1,
					  .revision = 77,
					  .sources = sources,
					  .sources_bytes = sources_bytes };
	struct publisher_change change = { .name = "a" };
	struct zkcfg_document *document;
	struct message message = { "" };
	int err = 0;

	document = segment_document(&origin, xml, &change.document_bytes, &err);
	ck_assert_ptr_nonnull(document);
	change.document = document;
	ck_assert_msg(publisher_commit(host.publisher, &change, 1, NULL, &message) == 0, "%s", message.text);
	free(document);
	ck_assert_int_eq(zkcfg_pin(cfg, &snapshot), 0);
}

/* <a><b>..</b><c x=".."/></a> of three; node_count of what is said of nodes. */
static void publish_merged(size_t node_count)
{
	static const uint8_t nodes[] = { 0, 2, 1, 2, 0 };
	static const uint16_t hidden[] = { 0, 3, 0, 1, 0 };
	struct document_sources sources = {
		.count = 3, .nodes = nodes, .hidden = hidden, .node_count = node_count
	};
	char bytes[256];

	sources.sources[0] = (struct document_source){ .uri = "zk://h/base", .revision = 7 };
	sources.sources[1] = (struct document_source){ .uri = "zk://h/dc", .revision = UINT64_MAX };
	sources.sources[2] = (struct document_source){ .uri = "file:///host", .revision = 9 };
	publish("<a><b>1</b><c x='2'/></a>", bytes, document_sources_write(&sources, bytes));
}

static void assert_origin(const struct zkcfg_origin *origin, const char *uri, uint64_t revision)
{
	ck_assert_str_eq(origin->uri, uri);
	ck_assert_uint_eq(origin->revision, revision);
}

START_TEST(a_value_is_of_its_source_and_hides_those_below)
{
	struct zkcfg_origin origins[ZKCFG_ORIGINS_MOST];
	size_t count = 0;

	publish_merged(4);
	ck_assert_int_eq(zkcfg_value_origin(snapshot, "a", "/a/b", origins, ZKCFG_ORIGINS_MOST, &count), 0);
	ck_assert_uint_eq(count, 3);
	assert_origin(&origins[0], "file:///host", 9);
	assert_origin(&origins[1], "zk://h/dc", UINT64_MAX);
	assert_origin(&origins[2], "zk://h/base", 7);
	ck_assert_int_eq(zkcfg_value_origin(snapshot, "a", "/a/c", origins, ZKCFG_ORIGINS_MOST, &count), 0);
	ck_assert_uint_eq(count, 1);
	assert_origin(&origins[0], "zk://h/dc", UINT64_MAX);
	ck_assert_int_eq(zkcfg_value_origin(snapshot, "a", "/a/c[1]/@x", origins, ZKCFG_ORIGINS_MOST, &count), 0);
	ck_assert_uint_eq(count, 2);
	assert_origin(&origins[1], "zk://h/base", 7);
}
END_TEST

START_TEST(no_more_are_given_than_there_is_room_for)
{
	struct zkcfg_origin origins[2] = { { .uri = "untouched" }, { .uri = "untouched" } };
	size_t count = 0;

	publish_merged(4);
	ck_assert_int_eq(zkcfg_value_origin(snapshot, "a", "/a/b", origins, 1, &count), 0);
	ck_assert_uint_eq(count, 3);
	assert_origin(&origins[0], "file:///host", 9);
	ck_assert_str_eq(origins[1].uri, "untouched");
	ck_assert_int_eq(zkcfg_value_origin(snapshot, "a", "/a/b", NULL, 0, &count), 0);
	ck_assert_uint_eq(count, 3);
}
END_TEST

START_TEST(a_document_of_one_layer_is_of_that_one)
{
	struct document_sources sources = { .count = 1, .sources = { { .uri = "zk://h/base", .revision = 7 } } };
	struct zkcfg_origin origin;
	char bytes[64];
	size_t count;

	publish("<a><b>1</b></a>", bytes, document_sources_write(&sources, bytes));
	ck_assert_int_eq(zkcfg_value_origin(snapshot, "a", "/a/b", &origin, 1, &count), 0);
	ck_assert_uint_eq(count, 1);
	assert_origin(&origin, "zk://h/base", 7);
}
END_TEST

START_TEST(a_set_of_one_source_has_no_uri_here)
{
	struct zkcfg_origin origin = { .uri = "untouched" };
	size_t count;

	publish("<a><b>1</b></a>", NULL, 0);
	ck_assert_int_eq(zkcfg_value_origin(snapshot, "a", "/a/b", &origin, 1, &count), 0);
	ck_assert_uint_eq(count, 1);
	ck_assert_ptr_null(origin.uri);
	ck_assert_uint_eq(origin.revision, 77);
}
END_TEST

START_TEST(errors_are_those_of_a_get)
{
	struct zkcfg_origin origin = { .uri = "untouched" };
	size_t count = 4711;

	publish_merged(4);
	ck_assert_int_eq(zkcfg_value_origin(snapshot, "b", "/a", &origin, 1, &count), ZKCFG_ENODOC);
	ck_assert_int_eq(zkcfg_value_origin(snapshot, "a", "/a/d", &origin, 1, &count), ZKCFG_ENOPATH);
	ck_assert_int_eq(zkcfg_value_origin(snapshot, "a", "/a", &origin, 1, &count), ZKCFG_ENOVALUE);
	ck_assert_int_eq(zkcfg_value_origin(snapshot, "a", "a", &origin, 1, &count), ZKCFG_EINVAL);
	ck_assert_int_eq(zkcfg_value_origin(NULL, "a", "/a/b", &origin, 1, &count), ZKCFG_EINVAL);
	ck_assert_int_eq(zkcfg_value_origin(snapshot, NULL, "/a/b", &origin, 1, &count), ZKCFG_EINVAL);
	ck_assert_int_eq(zkcfg_value_origin(snapshot, "a", NULL, &origin, 1, &count), ZKCFG_EINVAL);
	ck_assert_int_eq(zkcfg_value_origin(snapshot, "a", "/a/b", NULL, 1, &count), ZKCFG_EINVAL);
	ck_assert_int_eq(zkcfg_value_origin(snapshot, "a", "/a/b", &origin, 1, NULL), ZKCFG_EINVAL);
	ck_assert_str_eq(origin.uri, "untouched");
	ck_assert_uint_eq(count, 4711);
}
END_TEST

START_TEST(what_contradicts_itself_is_corrupt)
{
	struct zkcfg_origin origin;
	size_t count;

	publish_merged(5); /* the document has four */
	ck_assert_int_eq(zkcfg_value_origin(snapshot, "a", "/a/b", &origin, 1, &count), ZKCFG_ECORRUPT);
	zkcfg_unpin(snapshot);
	publish("<a><b>1</b></a>", "no sources", 10);
	ck_assert_int_eq(zkcfg_value_origin(snapshot, "a", "/a/b", &origin, 1, &count), ZKCFG_ECORRUPT);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("client/origin");
	TCase *tcase = tcase_create("origin");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, start, stop);
	tcase_add_test(tcase, a_value_is_of_its_source_and_hides_those_below);
	tcase_add_test(tcase, no_more_are_given_than_there_is_room_for);
	tcase_add_test(tcase, a_document_of_one_layer_is_of_that_one);
	tcase_add_test(tcase, a_set_of_one_source_has_no_uri_here);
	tcase_add_test(tcase, errors_are_those_of_a_get);
	tcase_add_test(tcase, what_contradicts_itself_is_corrupt);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
