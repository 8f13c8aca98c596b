/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <zkcfg/zkcfg.h>

#include "segment/document_read.h"
#include "segment/layout.h"
#include "support/segment_host.h"

static struct zkcfg_document *made;
static size_t made_bytes;

static const char xml[] = "<s v='1'><p name='a' k=''><h>x</h></p>between<q/><p><h><i>deep</i></h></p></s>";

static void start(void)
{
	made = segment_document_named("app.xml", xml, &made_bytes);
}

static void drop(void)
{
	free(made);
	made = NULL;
}

static const struct {
	enum zkcfg_node_kind kind;
	unsigned depth;
	const char *name, *path, *value;
} nodes[] = {
	{ ZKCFG_ELEMENT, 0, "s", "/s", "xbetweendeep" }, { ZKCFG_ATTRIBUTE, 1, "v", "/s/@v", "1" },
	{ ZKCFG_ELEMENT, 1, "p", "/s/p", NULL },	 { ZKCFG_ATTRIBUTE, 2, "name", "/s/p/@name", "a" },
	{ ZKCFG_ATTRIBUTE, 2, "k", "/s/p/@k", "" },	 { ZKCFG_ELEMENT, 2, "h", "/s/p/h", "x" },
	{ ZKCFG_ELEMENT, 1, "q", "/s/q", "" },		 { ZKCFG_ELEMENT, 1, "p", "/s/p[2]", NULL },
	{ ZKCFG_ELEMENT, 2, "h", "/s/p[2]/h", NULL },	 { ZKCFG_ELEMENT, 3, "i", "/s/p[2]/h/i", "deep" },
};
#define NODES (sizeof(nodes) / sizeof(*nodes))

static void check_at(const struct zkcfg_cursor *cursor, size_t i)
{
	ck_assert_int_eq((int)zkcfg_cursor_kind(cursor), (int)nodes[i].kind);
	ck_assert_uint_eq(zkcfg_cursor_depth(cursor), nodes[i].depth);
	ck_assert_str_eq(zkcfg_cursor_name(cursor), nodes[i].name);
	ck_assert_str_eq(zkcfg_cursor_path(cursor), nodes[i].path);
	ck_assert_pstr_eq(zkcfg_cursor_value(cursor), nodes[i].value);
}

START_TEST(next_walks_all_in_document_order)
{
	struct zkcfg_cursor cursor;

	ck_assert_int_eq(zkcfg_cursor_init(&cursor, made, NULL), 0);
	for (size_t i = 0; i < NODES; i++) {
		check_at(&cursor, i);
		ck_assert_int_eq(zkcfg_cursor_next(&cursor), i + 1 < NODES ? 0 : ZKCFG_EEND);
	}
	check_at(&cursor, NODES - 1); /* it stays at the end */
	ck_assert_int_eq(zkcfg_cursor_next(&cursor), ZKCFG_EEND);
	ck_assert_int_eq(zkcfg_cursor_skip(&cursor), ZKCFG_EEND);
}
END_TEST

START_TEST(skip_passes_over_what_is_below)
{
	static const size_t stops[] = { 2, 6, 7 };
	struct zkcfg_cursor cursor;

	ck_assert_int_eq(zkcfg_cursor_init(&cursor, made, NULL), 0);
	ck_assert_int_eq(zkcfg_cursor_next(&cursor), 0);
	for (size_t i = 0; i < sizeof(stops) / sizeof(stops[0]); i++) {
		ck_assert_int_eq(zkcfg_cursor_skip(&cursor), 0);
		check_at(&cursor, stops[i]);
	}
	ck_assert_int_eq(zkcfg_cursor_skip(&cursor), ZKCFG_EEND);
	check_at(&cursor, 7);
	ck_assert_int_eq(zkcfg_cursor_next(&cursor), 0);
	check_at(&cursor, 8);
	ck_assert_int_eq(zkcfg_cursor_init(&cursor, made, NULL), 0);
	ck_assert_int_eq(zkcfg_cursor_skip(&cursor), ZKCFG_EEND);
}
END_TEST

START_TEST(cursor_never_leaves_the_subtree_where_it_began)
{
	struct zkcfg_cursor cursor;

	ck_assert_int_eq(zkcfg_cursor_init(&cursor, made, "/s/p[@name='a']"), 0);
	for (size_t i = 2; i < 6; i++) {
		check_at(&cursor, i);
		ck_assert_int_eq(zkcfg_cursor_next(&cursor), i < 5 ? 0 : ZKCFG_EEND);
	}
	ck_assert_int_eq(zkcfg_cursor_init(&cursor, made, "/s/p/@name"), 0);
	check_at(&cursor, 3);
	ck_assert_int_eq(zkcfg_cursor_next(&cursor), ZKCFG_EEND);
}
END_TEST

START_TEST(place_that_is_not_there_is_told_so)
{
	struct zkcfg_cursor cursor, before;
	struct zkcfg_document *empty;
	size_t empty_bytes;

	memset(&cursor, 0x5a, sizeof(cursor));
	before = cursor;
	ck_assert_int_eq(zkcfg_cursor_init(&cursor, made, "/s/none"), ZKCFG_ENOPATH);
	ck_assert_int_eq(zkcfg_cursor_init(&cursor, made, "s"), ZKCFG_EINVAL);
	ck_assert_int_eq(zkcfg_cursor_init(&cursor, NULL, "/s"), ZKCFG_EINVAL);
	ck_assert_int_eq(zkcfg_cursor_init(NULL, made, "/s"), ZKCFG_EINVAL);
	empty = segment_document_named("empty", "", &empty_bytes);
	ck_assert_int_eq(zkcfg_cursor_init(&cursor, empty, NULL), ZKCFG_ENOPATH);
	ck_assert_mem_eq(&cursor, &before, sizeof(cursor));
	free(empty);
}
END_TEST

START_TEST(corrupt_node_is_an_error_and_the_cursor_stays)
{
	struct layout_document_node *records = (void *)((char *)made + document_nodes_offset(made));
	struct zkcfg_cursor cursor;

	records[3].name = UINT32_MAX;
	ck_assert_int_eq(zkcfg_cursor_init(&cursor, made, "/s/p"), 0);
	ck_assert_int_eq(zkcfg_cursor_next(&cursor), ZKCFG_ECORRUPT);
	check_at(&cursor, 2);
	ck_assert_int_eq(zkcfg_cursor_skip(&cursor), ZKCFG_EEND);
	ck_assert_int_eq(zkcfg_cursor_init(&cursor, made, "/s/p/@name"), ZKCFG_ECORRUPT);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("cursor");
	TCase *tcase = tcase_create("cursor");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, start, drop);
	tcase_add_test(tcase, next_walks_all_in_document_order);
	tcase_add_test(tcase, skip_passes_over_what_is_below);
	tcase_add_test(tcase, cursor_never_leaves_the_subtree_where_it_began);
	tcase_add_test(tcase, place_that_is_not_there_is_told_so);
	tcase_add_test(tcase, corrupt_node_is_an_error_and_the_cursor_stays);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
