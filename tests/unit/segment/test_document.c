/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include <check.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "segment/document.h"
#include "segment/document_read.h"
#include "segment/hash.h"
#include "segment/layout.h"
#include "support/segment_host.h"

static struct zkcfg_document *made;
static size_t made_bytes;

static void make(const char *xml)
{
	made = segment_document_named("app.xml", xml, &made_bytes);
	ck_assert_int_eq(document_verify(made, made_bytes), 0);
}

static void drop(void)
{
	free(made);
	made = NULL;
}

/* The value of a path, or the name of the error. */
static const char *value_of(const char *path)
{
	const char *value;
	int err = zkcfg_document_string(made, path, &value);

	return err == 0 ? value : zkcfg_strerror(err);
}

#define ENOPATH_TEXT zkcfg_strerror(ZKCFG_ENOPATH)
#define EINVAL_TEXT zkcfg_strerror(ZKCFG_EINVAL)
#define ENOVALUE_TEXT zkcfg_strerror(ZKCFG_ENOVALUE)

START_TEST(header_says_where_a_document_comes_from)
{
	static const char xml[] = "<a>x</a>";
	struct document_origin origin = { .name = "db/pool.xml", .created = 7, .revision = 99, .version = 5 };
	size_t size_bytes, raw_bytes;
	const char *raw;
	int err;

	made = segment_document(&origin, xml, &size_bytes, &err);
	ck_assert_int_eq(err, 0);
	ck_assert_uint_eq(document_size_bytes(made), size_bytes);
	ck_assert_str_eq(zkcfg_document_name(made), "db/pool.xml");
	ck_assert_uint_eq(document_name_bytes(made), 11);
	ck_assert_uint_eq(document_hash(made), hash_bytes("db/pool.xml", 11));
	ck_assert_uint_eq(document_created(made), 7);
	ck_assert_uint_eq(zkcfg_document_revision(made), 99);
	ck_assert_int_eq(zkcfg_document_version(made), 5);
	raw = zkcfg_document_raw(made, &raw_bytes);
	ck_assert_uint_eq(raw_bytes, strlen(xml));
	ck_assert_str_eq(raw, xml);
	ck_assert_ptr_eq(zkcfg_document_raw(made, NULL), raw);
}
END_TEST

START_TEST(restamped_document_is_sound_and_has_the_new_origin)
{
	struct document_origin origin = { .name = "app.xml", .created = 2, .revision = 3, .version = 4 };
	uint64_t before;

	make("<a>x</a>");
	before = made->checksum;
	document_restamp(made, &origin);
	ck_assert_int_eq(document_verify(made, made_bytes), 0);
	ck_assert_uint_ne(made->checksum, before);
	ck_assert_uint_eq(document_created(made), 2);
	ck_assert_uint_eq(zkcfg_document_revision(made), 3);
	ck_assert_int_eq(zkcfg_document_version(made), 4);
	ck_assert_str_eq(value_of("/a"), "x");
}
END_TEST

/* Two pools of one name, one without, one with another; nested names below. */
static const char names_xml[] = "<s v='1'>"
				"<p name='a' k='1'><h>a1</h><h>a2</h><q name='in'><z>deep</z></q></p>"
				"<p k='2' name='a'><h>second a</h></p>"
				"<p k='2'><h>none</h></p>"
				"<p name=\"it's\"><h>single</h></p>"
				"<p name='say \"x\"'><h>double</h></p>"
				"<p name='b'>text<h>b1</h></p>"
				"<ns:e x:y='att'>pre</ns:e>"
				"<e.-_9>odd</e.-_9>"
				"<p name=''><h>empty name</h></p>"
				"</s>";

static const struct {
	const char *path, *value;
} found[] = {
	{ "/s/@v", "1" },
	{ "/s[1]/@v", "1" },
	{ "/s/p/h", "a1" },
	{ "/s/p[1]/h[2]", "a2" },
	{ "/s/p/h[2]", "a2" },
	{ "/s/p[2]/h", "second a" },
	{ "/s/p[2]/@name", "a" },
	{ "/s/p[3]/h[1]", "none" },
	{ "/s/p[6]/h", "b1" },
	{ "/s/p[06]/h", "b1" },
	{ "/s/p[@name='a']/h", "a1" },
	{ "/s/p[@name='a']/h[1]", "a1" },
	{ "/s/p[@name='a']/h[2]", "a2" },
	{ "/s/p[@name='a']/@k", "1" },
	{ "/s/p[@name='a']/@name", "a" },
	{ "/s/p[@name=\"a\"]/h", "a1" },
	{ "/s[1]/p[@name='a']/q[@name='in']/z", "deep" },
	{ "/s/p[@name='a']/q[@name='in']/z", "deep" },
	{ "/s/p[1]/q[@name='in']/z", "deep" },
	{ "/s/p[@name='a']/q/z", "deep" },
	{ "/s/p[@name='a']/q[1]/z[1]", "deep" },
	{ "/s/p[@name=\"it's\"]/h", "single" },
	{ "/s/p[@name='say \"x\"']/h", "double" },
	{ "/s/p[@name='b']", "textb1" },
	{ "/s/p[@name='']/h", "empty name" },
	{ "/s/p[@k='2']/h", "second a" },
	{ "/s/p[@k='2']/@name", "a" },
	{ "/s/p[@k=\"1\"]/h[2]", "a2" },
	{ "/s/ns:e", "pre" },
	{ "/s/ns:e/@x:y", "att" },
	{ "/s/ns:e[@x:y='att']", "pre" },
	{ "/s/e.-_9", "odd" },
};

START_TEST(path_finds_its_value)
{
	make(names_xml);
	ck_assert_msg(strcmp(value_of(found[_i].path), found[_i].value) == 0,
		      "%s gives \"%s\", expected \"%s\"", found[_i].path, value_of(found[_i].path),
		      found[_i].value);
}
END_TEST

static const char *const missing[] = {
	"/x",
	"/s/x",
	"/s/x/h",
	"/s/p[9]",
	"/s/p[9]/h",
	"/s[2]",
	"/s/@w",
	"/s/p[4]/@k",
	"/s/p[@name='a']/h[3]",
	"/s/p[@name='c']",
	"/s/p[@name='c']/h",
	"/s/p[@none='a']",
	"/s/p[@k='3']/h",
	"/@v",
	"/s/p/h/x",
	"/s/P",
	"/s/p[4294967295]",
	"/s/e",
	"/s/ns",
	"/s/v",
	"/s/@p",
	"/s/p[@name='a ']",
	"/s/p/@nam",
	"/s/p/@namee",
};

START_TEST(path_that_is_not_there_is_told_so)
{
	uint32_t node = 77;

	make(names_xml);
	ck_assert_msg(strcmp(value_of(missing[_i]), ENOPATH_TEXT) == 0, "%s gives \"%s\"", missing[_i],
		      value_of(missing[_i]));
	ck_assert_int_eq(document_find_node(made, missing[_i], &node), ZKCFG_ENOPATH);
	ck_assert_uint_eq(node, 77);
}
END_TEST

static const char *const wrong[] = {
	"",
	"/",
	"s",
	"s/p",
	"//s",
	"/s/",
	"/s//p",
	"/s/p[",
	"/s/p[]",
	"/s/p[0]",
	"/s/p[00]",
	"/s/p[-1]",
	"/s/p[+1]",
	"/s/p[x]",
	"/s/p[1",
	"/s/p[1]x",
	"/s/p[1][2]",
	"/s/p[ 1]",
	"/s/p[4294967296]",
	"/s/p[99999999999999999999999999999]",
	"/s/p[@name]",
	"/s/p[@name=]",
	"/s/p[@name=a]",
	"/s/p[@name='a]",
	"/s/p[@name='a'",
	"/s/p[@name='a']x",
	"/s/p[@='a']",
	"/s/p[name='a']",
	"/s/p[@name='a'][1]",
	"/s/@",
	"/s/@v/h",
	"/s/@v[1]",
	"/s/@v/",
	"/s/[1]",
	"/s/@@v",
	"/s/a b",
	"/s/'a'",
	"/s/a=b",
	"/s ",
	" /s",
	"/s\n",
	"/none/p[0]",
	"/none//x",
	"/s/p]",
	"/s/p/h[2]]",
};

START_TEST(path_that_is_none_is_refused)
{
	const char *value = "untouched";

	make(names_xml);
	ck_assert_msg(strcmp(value_of(wrong[_i]), EINVAL_TEXT) == 0, "\"%s\" gives \"%s\"", wrong[_i],
		      value_of(wrong[_i]));
	ck_assert_int_eq(zkcfg_document_string(made, wrong[_i], &value), ZKCFG_EINVAL);
	ck_assert_str_eq(value, "untouched");
}
END_TEST

START_TEST(nothing_where_something_has_to_be_is_refused)
{
	const char *value;

	make("<a>x</a>");
	ck_assert_int_eq(zkcfg_document_string(NULL, "/a", &value), ZKCFG_EINVAL);
	ck_assert_int_eq(zkcfg_document_string(made, NULL, &value), ZKCFG_EINVAL);
	ck_assert_int_eq(zkcfg_document_string(made, "/a", NULL), ZKCFG_EINVAL);
}
END_TEST

/* The key of a slot of `made`; NULL: an empty one. */
static struct layout_key *key_at(uint64_t at)
{
	uint32_t key = document_slots(made)[at].key;

	return key != 0 ? (void *)((char *)made + document_strings_offset(made) + key) : NULL;
}

/* Does the table of paths hold this spelling, so that a look-up is no walk? */
static bool in_table(const char *path)
{
	for (uint64_t i = 0; i <= made->slot_mask; i++)
		if (key_at(i) && strcmp(key_at(i)->path, path) == 0)
			return true;
	return false;
}

START_TEST(paths_by_names_are_in_the_table_where_they_lead_to_one_element)
{
	make(names_xml);
	ck_assert(in_table("/s"));
	ck_assert(in_table("/s/@v"));
	ck_assert(in_table("/s/p/h[2]"));
	ck_assert(in_table("/s/p[@name='a']"));
	ck_assert(in_table("/s/p[@name='a']/@k"));
	ck_assert(in_table("/s/p[@name='a']/h[2]"));
	ck_assert(in_table("/s/p[@name='a']/q[@name='in']/z"));
	ck_assert(in_table("/s/p[@name=\"it's\"]/h"));
	ck_assert(!in_table("/s[1]"));
	ck_assert(!in_table("/s/p[1]"));
}
END_TEST

START_TEST(first_of_two_elements_of_one_name_has_the_path_by_name_and_the_second_none)
{
	uint32_t node, keys = 0;

	make("<s><p name='a'><h>1</h></p><p name='a'><h>2</h><only>x</only></p></s>");
	ck_assert_str_eq(value_of("/s/p[@name='a']/h"), "1");
	ck_assert_str_eq(value_of("/s/p[@name='a']/only"), ENOPATH_TEXT);
	ck_assert_str_eq(value_of("/s/p[2]/only"), "x");
	ck_assert_int_eq(document_find_node(made, "/s/p[2]/only", &node), 0);
	for (uint64_t i = 0; i <= made->slot_mask; i++)
		keys += key_at(i) && key_at(i)->node == node;
	ck_assert_uint_eq(keys, 1);
}
END_TEST

START_TEST(name_with_both_quotes_or_a_very_long_one_is_found_by_position)
{
	char xml[700], path[700], name[301];

	memset(name, 'n', 300);
	name[300] = '\0';
	snprintf(xml, sizeof(xml), "<s><p name='%s'><h>long</h></p></s>", name);
	make(xml);
	ck_assert_str_eq(value_of("/s/p/h"), "long");
	snprintf(path, sizeof(path), "/s/p[@name='%s']/h", name);
	ck_assert_str_eq(value_of(path), "long");
	ck_assert(!in_table(path));
}
END_TEST

START_TEST(name_with_both_quotes_has_no_path_by_name)
{
	struct document_origin origin = { .name = "app.xml" };
	struct document_builder *builder = document_builder_new(&origin, "", 0);

	document_builder_open(builder, "s", 1);
	document_builder_attribute(builder, "name", 4, "a'b\"c", 5);
	document_builder_text(builder, "x", 1);
	document_builder_close(builder);
	ck_assert_int_eq(document_builder_finish(builder, &made, &made_bytes), 0);
	ck_assert_int_eq(document_verify(made, made_bytes), 0);
	ck_assert_str_eq(value_of("/s"), "x");
	ck_assert_str_eq(value_of("/s/@name"), "a'b\"c");
	ck_assert_uint_eq(made->node_count, 2);
}
END_TEST

static const struct {
	const char *xml, *path, *value; /* value NULL: none */
} texts[] = {
	{ "<a/>", "/a", "" },
	{ "<a></a>", "/a", "" },
	{ "<a> </a>", "/a", " " },
	{ "<a>x</a>", "/a", "x" },
	{ "<a><b/></a>", "/a", NULL },
	{ "<a> \t\n\r<b>x</b> </a>", "/a", NULL },
	{ "<a>x<b/></a>", "/a", "x" },
	{ "<a>1<b>2</b>3</a>", "/a", "123" },
	{ "<a>1<b>2<c>3</c> </b>4</a>", "/a", "123 4" },
	{ "<a>1<b>2<c>3</c> </b>4</a>", "/a/b", "23 " },
	{ "<a>1<b> <c>3</c> </b>4</a>", "/a/b", NULL },
	{ "<a>1<b> <c>3</c> </b>4</a>", "/a", "1 3 4" },
	{ "<a><b>x</b>late</a>", "/a", "xlate" },
	{ "<a><b k='v'/></a>", "/a/b", "" },
	{ "<a k=''/>", "/a/@k", "" },
};

START_TEST(value_of_an_element_is_its_text_as_xpath_says)
{
	make(texts[_i].xml);
	ck_assert_str_eq(value_of(texts[_i].path), texts[_i].value ? texts[_i].value : ENOVALUE_TEXT);
}
END_TEST

START_TEST(text_may_come_in_pieces)
{
	struct document_origin origin = { .name = "app.xml" };
	struct document_builder *builder = document_builder_new(&origin, NULL, 0);

	document_builder_open(builder, "abc", 1);
	document_builder_text(builder, "one", 3);
	document_builder_text(builder, "", 0);
	document_builder_text(builder, "two", 2);
	document_builder_close(builder);
	ck_assert_int_eq(document_builder_finish(builder, &made, &made_bytes), 0);
	ck_assert_str_eq(value_of("/a"), "onetw");
	ck_assert_str_eq(value_of("/abc"), ENOPATH_TEXT);
}
END_TEST

START_TEST(nodes_come_in_document_order_with_all_they_say)
{
	static const struct {
		enum zkcfg_node_kind kind;
		uint32_t parent, end;
		unsigned depth;
		const char *name, *path, *value;
	} expected[] = {
		{ ZKCFG_ELEMENT, DOCUMENT_NODE_NONE, 7, 0, "a", "/a", NULL },
		{ ZKCFG_ATTRIBUTE, 0, 2, 1, "k", "/a/@k", "v" },
		{ ZKCFG_ATTRIBUTE, 0, 3, 1, "l", "/a/@l", "w" },
		{ ZKCFG_ELEMENT, 0, 5, 1, "b", "/a/b", "x" },
		{ ZKCFG_ATTRIBUTE, 3, 5, 2, "k", "/a/b/@k", "" },
		{ ZKCFG_ELEMENT, 0, 7, 1, "b", "/a/b[2]", NULL },
		{ ZKCFG_ELEMENT, 5, 7, 2, "c", "/a/b[2]/c", "" },
	};
	struct document_node node;
	uint32_t index;

	make("<a k='v' l='w'><b k=''>x</b><b><c/></b></a>");
	ck_assert_uint_eq(document_node_count(made), 7);
	for (uint32_t i = 0; i < 7; i++) {
		ck_assert_int_eq(document_node(made, i, &node), 0);
		ck_assert_int_eq((int)node.kind, (int)expected[i].kind);
		ck_assert_uint_eq(node.parent, expected[i].parent);
		ck_assert_uint_eq(node.end, expected[i].end);
		ck_assert_uint_eq(node.depth, expected[i].depth);
		ck_assert_str_eq(node.name, expected[i].name);
		ck_assert_str_eq(node.path, expected[i].path);
		ck_assert_pstr_eq(node.value, expected[i].value);
		ck_assert_int_eq(document_find_node(made, expected[i].path, &index), 0);
		ck_assert_uint_eq(index, i);
	}
	ck_assert_int_eq(document_node(made, 7, &node), ZKCFG_ENOPATH);
	ck_assert_int_eq(document_node(made, UINT32_MAX, &node), ZKCFG_ENOPATH);
}
END_TEST

START_TEST(empty_document_is_sound_and_has_no_path)
{
	struct document_origin origin = { .name = "empty", .version = -1 };
	struct document_builder *builder = document_builder_new(&origin, NULL, 0);
	struct document_node node;
	size_t raw_bytes = 5;

	ck_assert_int_eq(document_builder_finish(builder, &made, &made_bytes), 0);
	ck_assert_int_eq(document_verify(made, made_bytes), 0);
	ck_assert_uint_eq(document_node_count(made), 0);
	ck_assert_str_eq(zkcfg_document_raw(made, &raw_bytes), "");
	ck_assert_uint_eq(raw_bytes, 0);
	ck_assert_str_eq(value_of("/a"), ENOPATH_TEXT);
	ck_assert_str_eq(value_of(""), EINVAL_TEXT);
	ck_assert_int_eq(document_node(made, 0, &node), ZKCFG_ENOPATH);
}
END_TEST

START_TEST(thousands_of_paths_are_all_found)
{
	enum { ELEMENTS = 5000 };
	char *xml = malloc(ELEMENTS * 40 + 20), *at = xml, path[40], value[20];

	at += sprintf(at, "<s>");
	for (int i = 1; i <= ELEMENTS; i++)
		at += sprintf(at, "<p name='n%d'>%d</p>", i, i);
	sprintf(at, "</s>");
	make(xml);
	for (int i = 1; i <= ELEMENTS; i++) {
		snprintf(value, sizeof(value), "%d", i);
		snprintf(path, sizeof(path), "/s/p[@name='n%d']", i);
		ck_assert_str_eq(value_of(path), value);
		snprintf(path, sizeof(path), i == 1 ? "/s/p" : "/s/p[%d]", i);
		ck_assert_str_eq(value_of(path), value);
	}
	free(xml);
}
END_TEST

/* An element whose path has so many bytes. */
static int build_path(size_t path_bytes, bool is_attribute)
{
	char *name = malloc(path_bytes);
	struct document_origin origin = { .name = "app.xml" };
	struct document_builder *builder = document_builder_new(&origin, NULL, 0);
	int err;

	memset(name, 'n', path_bytes);
	if (is_attribute) {
		document_builder_open(builder, "a", 1);
		document_builder_attribute(builder, name, path_bytes - 4, "v", 1);
	} else {
		document_builder_open(builder, name, path_bytes - 1);
		document_builder_attribute(builder, "name", 0, "v", 1);
	}
	document_builder_close(builder);
	err = document_builder_finish(builder, &made, &made_bytes);
	free(name);
	return err;
}

START_TEST(path_of_the_limit_is_accepted_and_one_byte_more_is_not)
{
	char path[DOCUMENT_PATH_LIMIT_BYTES + 1];

	ck_assert_int_eq(build_path(DOCUMENT_PATH_LIMIT_BYTES, true), 0);
	memset(path, 'n', sizeof(path));
	memcpy(path, "/a/@", 4);
	path[DOCUMENT_PATH_LIMIT_BYTES] = '\0';
	ck_assert_str_eq(value_of(path), "v");
	drop();
	ck_assert_int_eq(build_path(DOCUMENT_PATH_LIMIT_BYTES + 1, true), ZKCFG_ERANGE);
	ck_assert_ptr_null(made);
	ck_assert_int_eq(build_path(DOCUMENT_PATH_LIMIT_BYTES + 1, false), ZKCFG_ERANGE);
	ck_assert_int_eq(build_path(DOCUMENT_PATH_LIMIT_BYTES + 2, true), ZKCFG_ERANGE);
}
END_TEST

START_TEST(value_whose_path_by_name_is_too_long_is_found_by_the_walk)
{
	static char attribute[4080], path[4200];
	struct document_origin origin = { .name = "app.xml" };
	struct document_builder *builder = document_builder_new(&origin, NULL, 0);

	memset(attribute, 'n', sizeof(attribute) - 1);
	document_builder_open(builder, "a", 1);
	document_builder_attribute(builder, "name", 4, "0123456789", 10);
	document_builder_attribute(builder, attribute, 4079, "v", 1);
	document_builder_text(builder, "text", 4);
	document_builder_close(builder);
	ck_assert_int_eq(document_builder_finish(builder, &made, &made_bytes), 0);
	snprintf(path, sizeof(path), "/a[@name='0123456789']/@%s", attribute);
	ck_assert_str_eq(value_of(path), "v");
	ck_assert(!in_table(path));
	ck_assert_str_eq(value_of("/a[@name='0123456789']"), "text");
}
END_TEST

/* Leaves at the end of a long path: each costs four raw bytes. */
static int build_expanding(unsigned leaves, size_t raw_bytes, size_t name_bytes)
{
	static char name[4000];
	struct document_origin origin = { .name = "app.xml" };
	char *raw = calloc(1, raw_bytes + 1);
	struct document_builder *builder = document_builder_new(&origin, raw, raw_bytes);
	int err;

	memset(name, 'n', sizeof(name));
	document_builder_open(builder, name, name_bytes);
	for (unsigned i = 0; i < leaves; i++) {
		document_builder_open(builder, "x", 1);
		document_builder_close(builder);
	}
	document_builder_close(builder);
	err = document_builder_finish(builder, &made, &made_bytes);
	free(raw);
	return err;
}

START_TEST(document_that_would_grow_beyond_the_expansion_limit_is_refused)
{
	unsigned accepted = 0, refused = 0;

	/* 16 leaves need about 64 KiB of strings */
	ck_assert_int_eq(build_expanding(12, 0, 4000), 0);
	ck_assert_uint_le(made_bytes, 65536);
	drop();
	ck_assert_int_eq(build_expanding(20, 0, 4000), ZKCFG_ERANGE);
	ck_assert_int_eq(build_expanding(20, 900, 4000), ZKCFG_ERANGE);
	ck_assert_int_eq(build_expanding(20, 4096, 4000), 0);
	ck_assert_uint_le(made_bytes, 4096 * DOCUMENT_EXPANSION_LIMIT);
	drop();
	ck_assert_int_eq(build_expanding(80, 4096, 4000), ZKCFG_ERANGE);
	/* there are lengths where no single part is beyond the limit, and the sum is */
	for (size_t name_bytes = 3500; name_bytes <= 4000; name_bytes += 5) {
		int err = build_expanding(15, 0, name_bytes);

		ck_assert(err == 0 || err == ZKCFG_ERANGE);
		if (err == 0)
			ck_assert_uint_le(made_bytes, 65536);
		accepted += err == 0;
		refused += err != 0;
		drop();
	}
	ck_assert_uint_gt(accepted, 0);
	ck_assert_uint_gt(refused, 0);
}
END_TEST

static void drive_nothing_open(struct document_builder *builder)
{
	document_builder_close(builder);
}

static void drive_still_open(struct document_builder *builder)
{
	document_builder_open(builder, "a", 1);
}

static void drive_attribute_first(struct document_builder *builder)
{
	document_builder_attribute(builder, "k", 1, "v", 1);
}

static void drive_two_roots(struct document_builder *builder)
{
	document_builder_open(builder, "a", 1);
	document_builder_close(builder);
	document_builder_open(builder, "b", 1);
	document_builder_close(builder);
}

static void (*const misdriven[])(struct document_builder *) = { drive_nothing_open, drive_still_open,
								drive_attribute_first, drive_two_roots };

START_TEST(builder_that_is_driven_wrong_says_so_at_the_end)
{
	struct document_origin origin = { .name = "app.xml" };
	struct document_builder *builder = document_builder_new(&origin, NULL, 0);

	misdriven[_i](builder);
	ck_assert_int_eq(document_builder_finish(builder, &made, &made_bytes), ZKCFG_EINVAL);
	ck_assert_ptr_null(made);
}
END_TEST

START_TEST(builder_can_be_given_up_at_any_point)
{
	struct document_origin origin = { .name = "app.xml" };
	struct document_builder *builder = document_builder_new(&origin, "x", 1);

	document_builder_open(builder, "a", 1);
	document_builder_attribute(builder, "k", 1, "v", 1);
	document_builder_text(builder, "t", 1);
	document_builder_free(builder);
	document_builder_free(NULL);
}
END_TEST

START_TEST(every_flipped_byte_is_caught)
{
	uint8_t *bytes;

	make(names_xml);
	bytes = (uint8_t *)made;
	for (size_t i = 0; i < made_bytes; i++) {
		for (unsigned mask = 1; mask < 256; mask = mask * 2 + 1) { /* one bit, and then more */
			bytes[i] ^= (uint8_t)mask;
			ck_assert_msg(document_verify(made, made_bytes) == ZKCFG_ECORRUPT,
				      "byte %zu of %zu, mask %u is not noticed", i, made_bytes, mask);
			bytes[i] ^= (uint8_t)mask;
		}
	}
	ck_assert_int_eq(document_verify(made, made_bytes), 0);
}
END_TEST

START_TEST(offset_that_leads_nowhere_is_caught_though_the_checksum_is_right)
{
	struct layout_document_node *nodes;
	struct layout_slot *slots;
	struct layout_key *key;
	uint32_t *fields[10];
	unsigned count = 0;

	make("<a k='v'><b>x</b></a>");
	nodes = (void *)((char *)made + document_nodes_offset(made));
	slots = (void *)((char *)made + document_slots_offset(made->name_bytes));
	while (slots->key == 0)
		slots++;
	key = (void *)((char *)made + document_strings_offset(made) + slots->key);
	fields[count++] = &nodes[1].parent;
	fields[count++] = &nodes[1].end;
	fields[count++] = &nodes[1].name;
	fields[count++] = &nodes[1].key;
	fields[count++] = &nodes[0].parent;
	fields[count++] = &nodes[1].kind_depth;
	fields[count++] = &slots->key;
	fields[count++] = &key->node;
	fields[count++] = &key->value;
	for (unsigned i = 0; i < count; i++) {
		uint32_t before = *fields[i];

		*fields[i] = 0x7ffffffc;
		segment_document_seal(made);
		ck_assert_msg(document_verify(made, made_bytes) == ZKCFG_ECORRUPT, "field %u", i);
		*fields[i] = before;
	}
	segment_document_seal(made);
	ck_assert_int_eq(document_verify(made, made_bytes), 0);
}
END_TEST

/* A path or value that would end behind the document, or does not end where it should. */
START_TEST(length_that_leads_nowhere_is_caught_though_the_checksum_is_right)
{
	struct layout_key *key = NULL;

	make("<a>x</a>");
	for (uint64_t i = 0; !key; i++)
		key = key_at(i);
	for (unsigned i = 0; i < 4; i++) {
		uint16_t *field = i < 2 ? &key->path_bytes : &key->value_bytes, before = *field;

		*field = i % 2 ? UINT16_MAX : UINT16_MAX - 1;
		segment_document_seal(made);
		ck_assert_msg(document_verify(made, made_bytes) == ZKCFG_ECORRUPT, "%u", i);
		*field = before;
	}
	segment_document_seal(made);
	ck_assert_int_eq(document_verify(made, made_bytes), 0);
}
END_TEST

START_TEST(name_without_an_end_is_caught)
{
	struct layout_document_node *nodes;
	char *strings;

	make("<a>x</a>");
	nodes = (void *)((char *)made + document_nodes_offset(made));
	strings = (char *)made + document_strings_offset(made);
	nodes[0].name = made->strings_bytes - 1;
	strings[made->strings_bytes - 1] = 'x';
	segment_document_seal(made);
	ck_assert_int_eq(document_verify(made, made_bytes), ZKCFG_ECORRUPT);
	ck_assert_str_eq(value_of("/a[1]"), zkcfg_strerror(ZKCFG_ECORRUPT));
}
END_TEST

START_TEST(value_of_a_path_by_name_that_leads_nowhere_is_caught)
{
	struct layout_key *key;

	make("<a name='n'>x</a>");
	for (uint64_t i = 0; i <= made->slot_mask; i++) {
		key = key_at(i);
		if (key && strcmp(key->path, "/a[@name='n']") == 0)
			key->value = 0x7ffffffc;
	}
	segment_document_seal(made);
	ck_assert_int_eq(document_verify(made, made_bytes), ZKCFG_ECORRUPT);
	ck_assert_str_eq(value_of("/a[@name='n']"), zkcfg_strerror(ZKCFG_ECORRUPT));
	ck_assert_str_eq(value_of("/a"), "x");
}
END_TEST

/* Use a document in every way a reader does; errors are as good as values. */
static void use(const struct zkcfg_document *document, size_t limit_bytes)
{
	static const char *const paths[] = {
		"/s",	   "/s/p[@name='a']/h[2]",  "/s/p[@k='2']/h", "/s/p[1]/h[2]",
		"/s/p[6]", "/s/p[@name='b']/@name", "/s/x",	      "/s[1]/p[3]/h[1]"
	};
	struct document_node node;
	const char *value;
	size_t bytes, sum = 0;
	uint32_t index;

	if (document_check(document, limit_bytes) < 0)
		return;
	sum += strlen(zkcfg_document_name(document));
	value = zkcfg_document_raw(document, &bytes);
	for (size_t i = 0; i <= bytes; i++)
		sum += (unsigned char)value[i];
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		if (zkcfg_document_string(document, paths[i], &value) == 0)
			sum += strlen(value);
		if (document_find_node(document, paths[i], &index) == 0)
			sum += index;
	}
	for (uint32_t i = 0; i < document_node_count(document) && i < 100; i++)
		if (document_node(document, i, &node) == 0)
			sum += strlen(node.name) + strlen(node.path) + (node.value ? strlen(node.value) : 0);
	(void)document_verify(document, limit_bytes);
	__asm__ volatile("" : : "r"(sum)); /* what is read is used */
}

/* The document in memory of exactly so many bytes, so that AddressSanitizer sees a read behind it. */
static void use_copy(const void *bytes, size_t size_bytes)
{
	void *copy = malloc(size_bytes);

	memcpy(copy, bytes, size_bytes);
	use(copy, size_bytes);
	free(copy);
}

START_TEST(truncated_document_is_refused_and_not_read_behind_its_end)
{
	make(names_xml);
	for (size_t bytes = 1; bytes < made_bytes; bytes++) {
		void *copy = malloc(bytes);

		memcpy(copy, made, bytes);
		ck_assert_int_eq(document_check(copy, bytes), ZKCFG_ECORRUPT);
		free(copy);
	}
	/* one that says that it is shorter */
	for (uint32_t bytes = 88; bytes < made_bytes; bytes++) {
		struct zkcfg_document *copy = malloc(bytes);

		memcpy(copy, made, bytes);
		copy->size_bytes = bytes;
		use(copy, bytes);
		free(copy);
	}
	ck_assert_int_eq(document_check(made, made_bytes), 0);
	ck_assert_int_eq(document_check(made, made_bytes + 1), 0);
}
END_TEST

START_TEST(any_bytes_give_an_error_or_a_value)
{
	enum { ROUNDS = 200000 };
	uint64_t state = segment_seed();
	struct zkcfg_document *copy;
	uint8_t *bytes;

	make("<s v='1'><p name='a' k='1'><h>a1</h><h>a2</h></p><p k='2' name='a'><h>second</h></p>"
	     "<p name='b'>text<h>b1</h></p></s>");
	copy = malloc(made_bytes);
	bytes = (uint8_t *)copy;
	for (int round = 0; round < ROUNDS; round++) {
		unsigned flips = 1 + (unsigned)(segment_random(&state) % 4);

		memcpy(copy, made, made_bytes);
		for (unsigned i = 0; i < flips; i++) {
			uint64_t random = segment_random(&state);
			/* half of them where the offsets are */
			size_t at = (size_t)(random >> 16) % (random & 1 ? 88 : made_bytes);

			if (random & 2)
				memcpy(bytes + (at & ~(size_t)3), &random, 4);
			else
				bytes[at] = (uint8_t)(random >> 8);
		}
		copy->magic = LAYOUT_DOCUMENT_MAGIC;
		use(copy, made_bytes);
	}
	free(copy);
	use_copy(made, made_bytes);
}
END_TEST

START_TEST(value_of_64_kib_and_more_is_whole)
{
	static const size_t sizes[] = { 65533, 65534, 65535, 65536, 200000 };
	struct layout_key *key = NULL;
	size_t size_bytes = sizes[_i];
	char *xml = malloc(size_bytes + 32);
	const char *value;

	memcpy(xml, "<a k='v'>", 9);
	memset(xml + 9, 'x', size_bytes);
	strcpy(xml + 9 + size_bytes, "</a>");
	make(xml);
	ck_assert_int_eq(document_verify(made, made_bytes), 0);
	ck_assert_int_eq(zkcfg_document_string(made, "/a", &value), 0);
	ck_assert_uint_eq(strlen(value), size_bytes);
	for (uint64_t i = 0; !key || strcmp(key->path, "/a") != 0; i++)
		key = key_at(i);
	ck_assert_uint_eq(key->value_bytes, size_bytes < 65535 ? size_bytes : LAYOUT_LONG_VALUE);
	if (key->value_bytes == LAYOUT_LONG_VALUE) {
		key->value = 2; /* no room for a length before it */
		ck_assert_int_eq(zkcfg_document_string(made, "/a", &value), ZKCFG_ECORRUPT);
		key->value = UINT32_MAX;
		ck_assert_int_eq(zkcfg_document_string(made, "/a", &value), ZKCFG_ECORRUPT);
	}
	free(xml);
}
END_TEST

/* More names below one element than are counted in place, each of them twice. */
START_TEST(elements_of_many_names_are_counted_each_by_its_own)
{
	char xml[4096] = "<r>", path[32], text[16];
	size_t used = 3;

	for (unsigned i = 0; i < 60; i++)
		used += (size_t)snprintf(xml + used, sizeof(xml) - used, "<n%u>%u</n%u>", i % 30, i, i % 30);
	snprintf(xml + used, sizeof(xml) - used, "</r>");
	make(xml);
	for (unsigned i = 0; i < 60; i++) {
		snprintf(path, sizeof(path), i < 30 ? "/r/n%u" : "/r/n%u[2]", i % 30);
		snprintf(text, sizeof(text), "%u", i);
		ck_assert(in_table(path));
		ck_assert_str_eq(value_of(path), text);
	}
}
END_TEST

/*
 * XXH3 of 32 bytes multiplies the first 8, after taking its secret from them,
 * with the next 8: where they are the secret, what is next does not count.
 */
START_TEST(names_of_one_hash_are_two_names)
{
	struct document_origin origin = { .name = "a", .version = -1 };
	char first[33] = "........first---the rest is here", second[33] = "........second--the rest is here";
	struct document_builder *builder;

	memcpy(first, XXH3_kSecret, 8);
	memcpy(second, XXH3_kSecret, 8);
	ck_assert_uint_eq(hash_bytes(first, 32), hash_bytes(second, 32));
	builder = document_builder_new(&origin, "", 0);
	document_builder_open(builder, "r", 1);
	document_builder_attribute(builder, first, 32, "1", 1);
	document_builder_attribute(builder, second, 32, "2", 1);
	document_builder_close(builder);
	ck_assert_int_eq(document_builder_finish(builder, &made, &made_bytes), 0);
	ck_assert_int_eq(document_verify(made, made_bytes), 0);
	{
		struct document_node one, two;

		ck_assert_int_eq(document_node(made, 1, &one), 0);
		ck_assert_int_eq(document_node(made, 2, &two), 0);
		ck_assert_str_eq(one.name, first);
		ck_assert_str_eq(two.name, second);
		ck_assert_str_eq(one.value, "1");
		ck_assert_str_eq(two.value, "2");
	}
}
END_TEST

START_TEST(table_without_an_empty_slot_ends_a_look_up)
{
	struct layout_slot *slots;

	make("<a><b>x</b></a>");
	slots = (void *)((char *)made + document_slots_offset(made->name_bytes));
	for (uint64_t i = 0; i <= made->slot_mask; i++)
		slots[i] = (struct layout_slot){ .hash = 1, .key = 4 };
	ck_assert_str_eq(value_of("/a/c"), ENOPATH_TEXT);
	ck_assert_str_eq(value_of("/a/b"), "x"); /* by the walk */
}
END_TEST

/* Sources of a document of two nodes, as bytes. */
static size_t some_sources(void *bytes)
{
	static const uint8_t nodes[] = { 1, 0 };
	static const uint16_t hidden[] = { 1, 0 };
	struct document_sources sources = { .count = 2, .nodes = nodes, .hidden = hidden, .node_count = 2 };

	sources.sources[0] = (struct document_source){ .uri = "zk://h/base", .revision = 7 };
	sources.sources[1] = (struct document_source){ .uri = "zk://h/host", .revision = UINT64_MAX };
	return document_sources_write(&sources, bytes);
}

START_TEST(sources_are_kept_behind_the_document)
{
	char bytes[128], cut[128];
	size_t size = some_sources(bytes), document_bytes, kept_bytes;
	struct document_origin origin = { .name = "a", .sources = bytes, .sources_bytes = size };
	struct document_builder *builder = document_builder_new(&origin, "<a/>", 4);
	struct document_sources sources, none;
	struct zkcfg_document *document;
	const void *kept;
	uint16_t hidden;

	ck_assert_uint_eq(some_sources(NULL), size);
	document_builder_open(builder, "a", 1);
	document_builder_attribute(builder, "b", 1, "c", 1);
	document_builder_close(builder);
	ck_assert_int_eq(document_builder_finish(builder, &document, &document_bytes), 0);
	ck_assert_int_eq(document_verify(document, document_bytes), 0);
	kept = document_sources(document, &kept_bytes);
	document_sources_read(kept, kept_bytes, &sources);
	ck_assert_uint_eq(sources.count, 2);
	ck_assert_str_eq(sources.sources[0].uri, "zk://h/base");
	ck_assert_uint_eq(sources.sources[0].revision, 7);
	ck_assert_str_eq(sources.sources[1].uri, "zk://h/host");
	ck_assert_uint_eq(sources.sources[1].revision, UINT64_MAX);
	ck_assert_uint_eq(sources.node_count, 2);
	ck_assert_uint_eq(document_sources_of(&sources, 0, &hidden), 1);
	ck_assert_uint_eq(hidden, 1);
	ck_assert_uint_eq(document_sources_of(&sources, 1, &hidden), 0);
	ck_assert_uint_eq(hidden, 0);
	ck_assert_uint_eq(document_sources_of(&sources, 2, &hidden), 0); /* no such node */
	ck_assert(document_sources_equal(&sources, &sources));
	document_sources_read("", 0, &none);
	ck_assert(!document_sources_equal(&sources, &none));
	for (size_t i = 0; i < size; i++) { /* not sound, however it is cut */
		memcpy(cut, bytes, i);
		document_sources_read(cut, i, &none);
		ck_assert_uint_eq(none.count, 0);
	}
	memcpy(cut, bytes, size);
	memset(cut, 0, 4); /* of none */
	document_sources_read(cut, size, &none);
	ck_assert_uint_eq(none.count, 0);
	document_sources_read(bytes, size, &none);
	none.sources[1].uri = "zk://h/other";
	ck_assert(!document_sources_equal(&sources, &none));
	memcpy(cut, bytes, size);
	for (size_t i = 0; i < 2; i++) { /* there is no third */
		cut[i == 0 ? size - 5 : size - 2] = 4;
		document_sources_read(cut, size, &none);
		ck_assert_uint_eq(none.count, 0);
		memcpy(cut, bytes, size);
	}
	cut[size - 2] = 1; /* sound, and not the same */
	document_sources_read(cut, size, &none);
	ck_assert_uint_eq(none.count, 2);
	ck_assert(!document_sources_equal(&sources, &none));
	document->sources_bytes = UINT32_MAX; /* in a corrupt segment */
	document_sources(document, &kept_bytes);
	ck_assert_uint_eq(kept_bytes, 0);
	free(document);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("document");
	TCase *tcase = tcase_create("document");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, NULL, drop);
	tcase_add_test(tcase, sources_are_kept_behind_the_document);
	tcase_add_test(tcase, header_says_where_a_document_comes_from);
	tcase_add_test(tcase, restamped_document_is_sound_and_has_the_new_origin);
	tcase_add_loop_test(tcase, path_finds_its_value, 0, sizeof(found) / sizeof(*found));
	tcase_add_loop_test(tcase, path_that_is_not_there_is_told_so, 0, sizeof(missing) / sizeof(*missing));
	tcase_add_loop_test(tcase, path_that_is_none_is_refused, 0, sizeof(wrong) / sizeof(*wrong));
	tcase_add_test(tcase, nothing_where_something_has_to_be_is_refused);
	tcase_add_test(tcase, paths_by_names_are_in_the_table_where_they_lead_to_one_element);
	tcase_add_test(tcase, first_of_two_elements_of_one_name_has_the_path_by_name_and_the_second_none);
	tcase_add_test(tcase, name_with_both_quotes_or_a_very_long_one_is_found_by_position);
	tcase_add_test(tcase, name_with_both_quotes_has_no_path_by_name);
	tcase_add_loop_test(tcase, value_of_an_element_is_its_text_as_xpath_says, 0,
			    sizeof(texts) / sizeof(*texts));
	tcase_add_test(tcase, text_may_come_in_pieces);
	tcase_add_test(tcase, nodes_come_in_document_order_with_all_they_say);
	tcase_add_test(tcase, empty_document_is_sound_and_has_no_path);
	tcase_add_test(tcase, thousands_of_paths_are_all_found);
	tcase_add_test(tcase, path_of_the_limit_is_accepted_and_one_byte_more_is_not);
	tcase_add_test(tcase, value_whose_path_by_name_is_too_long_is_found_by_the_walk);
	tcase_add_test(tcase, document_that_would_grow_beyond_the_expansion_limit_is_refused);
	tcase_add_loop_test(tcase, builder_that_is_driven_wrong_says_so_at_the_end, 0,
			    sizeof(misdriven) / sizeof(*misdriven));
	tcase_add_test(tcase, builder_can_be_given_up_at_any_point);
	tcase_add_test(tcase, every_flipped_byte_is_caught);
	tcase_add_test(tcase, offset_that_leads_nowhere_is_caught_though_the_checksum_is_right);
	tcase_add_test(tcase, length_that_leads_nowhere_is_caught_though_the_checksum_is_right);
	tcase_add_test(tcase, value_of_a_path_by_name_that_leads_nowhere_is_caught);
	tcase_add_test(tcase, name_without_an_end_is_caught);
	tcase_add_test(tcase, truncated_document_is_refused_and_not_read_behind_its_end);
	tcase_add_test(tcase, any_bytes_give_an_error_or_a_value);
	tcase_add_test(tcase, table_without_an_empty_slot_ends_a_look_up);
	tcase_add_loop_test(tcase, value_of_64_kib_and_more_is_whole, 0, 5);
	tcase_add_test(tcase, elements_of_many_names_are_counted_each_by_its_own);
	tcase_add_test(tcase, names_of_one_hash_are_two_names);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
