/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <zkcfg/zkcfg.h>

#include "segment/document_read.h"
#include "support/segment_host.h"

static struct segment_host host;
static struct zkcfg *cfg;
static struct zkcfg_snapshot *older, *newer;

/* What was told, a line each: kind document path old->new */
static char told[4096];

static void start(void)
{
	segment_host_start(&host);
	segment_host_open(&host);
	ck_assert_int_eq(zkcfg_open("app", host.shm_dir, &cfg), 0);
	older = newer = NULL;
	told[0] = '\0';
}

static void stop(void)
{
	zkcfg_unpin(older);
	zkcfg_unpin(newer);
	zkcfg_close(cfg);
	segment_host_stop(&host);
}

static int tell(const struct zkcfg_change *change, void *user)
{
	size_t used = strlen(told);

	ck_assert_ptr_eq(user, &host);
	snprintf(told + used, sizeof(told) - used, "%c %s %s %s->%s\n", ".+-~"[change->kind],
		 change -> document, change -> path ? change -> path : "*",
		 change->old_value ? change->old_value : "", change->new_value ? change->new_value : "");
	return 0;
}

/* Publish, and diff what was before with what is then. */
static const char *told_of(const char *name, const char *xml)
{
	told[0] = '\0';
	zkcfg_unpin(older);
	ck_assert_int_eq(zkcfg_pin(cfg, &older), 0);
	segment_host_publish(&host, name, xml);
	zkcfg_unpin(newer);
	ck_assert_int_eq(zkcfg_pin(cfg, &newer), 0);
	ck_assert_int_eq(zkcfg_diff(older, newer, tell, &host), 0);
	return told;
}

START_TEST(everything_is_added_to_nothing)
{
	segment_host_publish(&host, "one", "<a k='v'><b>x</b></a>");
	ck_assert_int_eq(zkcfg_pin(cfg, &newer), 0);
	ck_assert_int_eq(zkcfg_diff(NULL, newer, tell, &host), 0);
	ck_assert_str_eq(told, "+ one * ->\n+ one /a/@k ->v\n+ one /a/b ->x\n");
}
END_TEST

START_TEST(only_what_differs_is_told)
{
	segment_host_publish(&host, "other", "<a>same</a>");
	segment_host_publish(&host, "one", "<a k='v'><b>x</b><c>same</c></a>");
	ck_assert_str_eq(told_of("one", "<a k='v'><b>y</b><c>same</c></a>"), "~ one /a/b x->y\n");
	ck_assert_str_eq(told_of("one", "<a k='w'><b>y</b><c>same</c></a>"), "~ one /a/@k v->w\n");
	ck_assert_str_eq(told_of("one", "<a><b>y</b><c>same</c><d/></a>"),
			 "- one /a/@k w->\n+ one /a/d ->\n");
	ck_assert_str_eq(told_of("one", "<a><b>y</b></a>"), "- one /a/c same->\n- one /a/d ->\n");
	ck_assert_str_eq(told_of("two", "<z>1</z>"), "+ two * ->\n+ two /z ->1\n");
	ck_assert_str_eq(told_of("two", NULL), "- two * ->\n- two /z 1->\n");
	ck_assert_str_eq(told_of("two", NULL), "");
	/* another revision, the same values */
	ck_assert_str_eq(told_of("one", "<a><b>y</b></a>"), "");
	ck_assert_int_eq(zkcfg_diff(newer, newer, tell, &host), 0);
	ck_assert_str_eq(told, "");
}
END_TEST

START_TEST(element_that_gets_elements_loses_its_value)
{
	segment_host_publish(&host, "one", "<a>x</a>");
	ck_assert_str_eq(told_of("one", "<a><b>x</b></a>"), "- one /a x->\n+ one /a/b ->x\n");
	ck_assert_str_eq(told_of("one", "<a>x</a>"), "- one /a/b x->\n+ one /a ->x\n");
}
END_TEST

START_TEST(diff_across_generations_tells_only_what_differs)
{
	char *xml = malloc(300000);
	unsigned generation;

	segment_host_publish_many(&host, 100, "same");
	generation = segment_host_generation(&host);
	ck_assert_int_eq(zkcfg_pin(cfg, &older), 0);
	for (int i = 0; i < 20; i++) {
		sprintf(xml, "<d>%0250000d</d>", i);
		segment_host_publish(&host, "n.7", xml);
	}
	segment_host_publish(&host, "n.7", "<d>other</d>");
	ck_assert_uint_gt(segment_host_generation(&host), generation);
	ck_assert_int_eq(zkcfg_pin(cfg, &newer), 0);
	ck_assert_int_eq(zkcfg_diff(older, newer, tell, &host), 0);
	ck_assert_str_eq(told, "~ n.7 /d same->other\n");
	free(xml);
}
END_TEST

static int count_only(const struct zkcfg_change *change, void *user)
{
	(void)change;
	++*(int *)user;
	return 0;
}

static int stop_at_third(const struct zkcfg_change *change, void *user)
{
	(void)change;
	return ++*(int *)user == 3 ? 42 : 0;
}

START_TEST(teller_ends_it)
{
	int count = 0;

	segment_host_publish_many(&host, 10, "x");
	ck_assert_int_eq(zkcfg_pin(cfg, &newer), 0);
	ck_assert_int_eq(zkcfg_diff(NULL, newer, stop_at_third, &count), 42);
	ck_assert_int_eq(count, 3);
	count = 0;
	ck_assert_int_eq(zkcfg_diff(NULL, newer, count_only, &count), 0);
	ck_assert_int_eq(count, 20);
	ck_assert_int_eq(zkcfg_diff(newer, NULL, count_only, &count), ZKCFG_EINVAL);
	ck_assert_int_eq(zkcfg_diff(NULL, newer, NULL, &count), ZKCFG_EINVAL);
}
END_TEST

START_TEST(damaged_document_ends_it_with_an_error)
{
	char path[HOST_PATH_BYTES];
	const struct zkcfg_document *document;
	uint8_t *bytes;
	size_t size_bytes;
	uint64_t at;
	int count = 0;

	segment_host_publish(&host, "app.xml", "<d>1</d>");
	ck_assert_int_eq(zkcfg_pin(cfg, &newer), 0);
	segment_host_path(&host, "gen.1", path);
	bytes = segment_host_read(path, &size_bytes);
	document = (const void *)(bytes + sizeof(struct layout_arena));
	at = sizeof(struct layout_arena) + document_nodes_offset(document) + offsetof(struct layout_document_node, end);
	free(bytes);
	segment_host_patch(path, at, "\0\0\0", 4);
	ck_assert_int_eq(zkcfg_diff(NULL, newer, count_only, &count), ZKCFG_ECORRUPT);
	ck_assert_int_eq(count, 1); /* that the document came */
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("diff");
	TCase *tcase = tcase_create("diff");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, start, stop);
	tcase_add_test(tcase, everything_is_added_to_nothing);
	tcase_add_test(tcase, only_what_differs_is_told);
	tcase_add_test(tcase, element_that_gets_elements_loses_its_value);
	tcase_add_test(tcase, diff_across_generations_tells_only_what_differs);
	tcase_add_test(tcase, teller_ends_it);
	tcase_add_test(tcase, damaged_document_ends_it_with_an_error);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
