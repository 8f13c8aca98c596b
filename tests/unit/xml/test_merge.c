/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Layers of one document as one: each rule of zkcfgd.xml(5), and what must not hurt. */
#include "xml/merge.h"

#include <check.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <zkcfg/zkcfg.h>

#include "base/file.h"
#include "segment/document.h"

#define LAYERS 3
#define ZKCFG_NS "xmlns:zkcfg='urn:zkcfg' "

static struct xml_merged merged;
static struct xml_merge_fault fault;

static int merge(const char *const texts[LAYERS], const struct xml_limits *limits)
{
	struct xml_merge_layer layers[LAYERS];
	size_t count = 0;

	for (; count < LAYERS && texts[count]; count++)
		layers[count] =
			(struct xml_merge_layer){ .bytes = texts[count], .size_bytes = strlen(texts[count]) };
	return xml_merge(layers, count, limits, &merged, &fault);
}

/* A line a value: path=value, the layer that it is of, and behind ">" those that it hides. */
static const char *values(void)
{
	static struct buffer lines;
	struct document_origin origin = { .name = "a" };
	struct zkcfg_document *document;
	struct document_node node;
	struct xml_fault why = { .reason = "" };
	const uint8_t *from = (const uint8_t *)merged.from.bytes;
	size_t bytes;

	buffer_clear(&lines);
	ck_assert_msg(xml_compile(&origin, merged.text.bytes, merged.text.size_bytes, NULL, &document, &bytes,
				  &why) == 0,
		      "%u:%u: %s in %.*s", why.line, why.column, why.reason, (int)merged.text.size_bytes,
		      merged.text.bytes);
	ck_assert_uint_eq(merged.from.size_bytes, document_node_count(document));
	ck_assert_uint_eq(merged.hidden.size_bytes, 2 * document_node_count(document));
	for (uint32_t i = 0; i < document_node_count(document); i++) {
		uint16_t hidden;

		ck_assert_int_eq(document_node(document, i, &node), 0);
		if (!node.value)
			continue;
		memcpy(&hidden, merged.hidden.bytes + 2 * i, sizeof(hidden));
		buffer_printf(&lines, "%s%s=%s %u", lines.size_bytes > 0 ? "\n" : "", node.path, node.value,
			      from[i]);
		for (unsigned layer = 0; layer < 16; layer++)
			if (hidden & 1u << layer)
				buffer_printf(&lines, ">%u", layer);
	}
	free(document);
	buffer_append(&lines, "", 1);
	return lines.bytes;
}

static const struct {
	const char *layers[LAYERS];
	const char *values;
} merges[] = {
	/* values: text, attributes one by one */
	{ { "<a>1</a>", "<a>2</a>" }, "/a=2 1>0" },
	{ { "<a><b>1</b><c>2</c></a>", "<a><c>3</c></a>" }, "/a/b=1 0\n/a/c=3 1>0" },
	{ { "<a x='1' y='2'/>", "<a y='3' z='4'/>" }, "/a= 0\n/a/@x=1 0\n/a/@y=3 1>0\n/a/@z=4 1" },
	{ { "<a><p x='1'>t</p></a>", "<a><p x='2'/></a>" }, "/a/p=t 0\n/a/p/@x=2 1>0" },
	{ { "<a><p/></a>", "<a><p>t</p></a>" }, "/a/p=t 1" },
	{ { "<a><p>1</p></a>", "<a><p> \n </p></a>" }, "/a/p=1 0" },
	{ { "<a>1</a>", "<a>2</a>", "<a>3</a>" }, "/a=3 2>0>1" },
	{ { "<a>1</a>", "<a/>", "<a>3</a>" }, "/a=3 2>0" },
	{ { "<a x='1'/>", "<a x='2'/>", "<a y='3'/>" }, "/a= 0\n/a/@x=2 1>0\n/a/@y=3 2" },
	{ { "<a x='&lt;&amp;&quot;&#10;&#9;&#13;&gt;'>1</a>", "<a>&lt;&amp;&gt;&#13;\n\"</a>" },
	  "/a=<&>\r\n\" 1>0\n/a/@x=<&\"\n\t\r> 0" },
	{ { "<a><![CDATA[<x>]]></a>", "<a b='&#233;'/>" }, "/a=<x> 0\n/a/@b=\xc3\xa9 1" },
	{ { "<a><b> t </b></a>", "<a><c> </c></a>" }, "/a/b= t  0\n/a/c=  1" },
	/* order: the lower one's, what is new behind it */
	{ { "<a><b>1</b><c>1</c></a>", "<a><d>2</d><c>2</c><b>2</b></a>" },
	  "/a/b=2 1>0\n/a/c=2 1>0\n/a/d=2 1" },
	/* keys */
	{ { "<a><h name='x'>1</h><h name='y'>2</h></a>", "<a><h name='z'>4</h><h name='y'>3</h></a>" },
	  "/a/h=1 0\n/a/h/@name=x 0\n/a/h[2]=3 1>0\n/a/h[2]/@name=y 1>0\n/a/h[3]=4 1\n/a/h[3]/@name=z 1" },
	{ { "<a><h id='x'>1</h><h id='y'>2</h></a>", "<a><h id='y'>3</h></a>" },
	  "/a/h=1 0\n/a/h/@id=x 0\n/a/h[2]=3 1>0\n/a/h[2]/@id=y 1>0" },
	{ { "<a><h id='1' name='x'>1</h></a>", "<a><h id='2' name='x'>3</h></a>" },
	  "/a/h=3 1>0\n/a/h/@id=2 1>0\n/a/h/@name=x 1>0" },
	{ { "<a><h id='x'>1</h></a>", "<a><h name='x'>2</h></a>" },
	  "/a/h=1 0\n/a/h/@id=x 0\n/a/h[2]=2 1\n/a/h[2]/@name=x 1" },
	{ { "<a><l v='1'/><l name='x' v='1'/></a>", "<a><l v='2'/></a>" },
	  "/a/l= 0\n/a/l/@v=2 1>0\n/a/l[2]= 0\n/a/l[2]/@name=x 0\n/a/l[2]/@v=1 0" },
	{ { "<a><h name='x'/><h name='x'/></a>", "<a><b/></a>" },
	  "/a/h= 0\n/a/h/@name=x 0\n/a/h[2]= 0\n/a/h[2]/@name=x 0\n/a/b= 1" },
	{ { "<a name='x'>1</a>", "<a name='y'>2</a>" }, "/a=2 1>0\n/a/@name=y 1>0" },
	/* lists without keys: as a whole, where the first was */
	{ { "<a><h>1</h><h>2</h><h>3</h><b/></a>", "<a><h>4</h></a>" }, "/a/h=4 1>0\n/a/b= 0" },
	{ { "<a><h>1</h><b/></a>", "<a><h>4</h><h>5</h></a>" }, "/a/h=4 1>0\n/a/h[2]=5 1\n/a/b= 0" },
	{ { "<a><h>1</h><h>2</h></a>", "<a><h>4</h><h>5</h></a>", "<a><h>6</h><h>7</h><h>8</h></a>" },
	  "/a/h=6 2>0>1\n/a/h[2]=7 2>0>1\n/a/h[3]=8 2" },
	{ { "<a><h p='1'><x>1</x></h><h/></a>", "<a><h><x>2</x></h></a>" }, "/a/h/x=2 1>0" },
	/* marks */
	{ { "<a><b>1</b><c>2</c></a>", "<a " ZKCFG_NS "><b zkcfg:merge='remove'/></a>" }, "/a/c=2 0" },
	{ { "<a><b>1</b></a>", "<a " ZKCFG_NS "><b zkcfg:merge='remove'/></a>" }, "/a= 0" },
	{ { "<a><b>1</b></a>", "<a " ZKCFG_NS "><b zkcfg:merge='remove'/></a>", "<a><b>3</b></a>" },
	  "/a/b=3 2" },
	{ { "<a><h>1</h><h>2</h><c/></a>", "<a " ZKCFG_NS "><h zkcfg:merge='remove'/></a>" }, "/a/c= 0" },
	{ { "<a><h name='x'/><h name='y'/></a>", "<a " ZKCFG_NS "><h name='x' zkcfg:merge='remove'/></a>" },
	  "/a/h= 0\n/a/h/@name=y 0" },
	{ { "<a><b/></a>", "<a " ZKCFG_NS "><c zkcfg:merge='remove'/><d><e zkcfg:merge='remove'/></d></a>" },
	  "/a/b= 0\n/a/d= 1" },
	{ { "<a/>", "<a " ZKCFG_NS "><d><e zkcfg:merge='remove'/></d></a>", "<a><d><e>1</e></d></a>" },
	  "/a/d/e=1 2" },
	{ { "<a><b x='1'><c>1</c></b></a>", "<a " ZKCFG_NS "><b zkcfg:merge='replace'><d>2</d></b></a>" },
	  "/a/b/d=2 1" },
	{ { "<a><b x='1'>t</b></a>", "<a " ZKCFG_NS "><b zkcfg:merge='replace' x='2'/></a>" },
	  "/a/b= 1>0\n/a/b/@x=2 1>0" },
	{ { "<a><b>t</b></a>", "<a " ZKCFG_NS "><b zkcfg:merge='replace'><c>1</c></b></a>" }, "/a/b/c=1 1" },
	{ { "<a>1</a>", "<b " ZKCFG_NS "zkcfg:merge='replace'>2</b>" }, "/b=2 1>0" },
	{ { "<a " ZKCFG_NS "><b zkcfg:merge='remove'/><c>1</c></a>" }, "/a/c=1 0" },
	/* text among elements: as a whole, white space and all */
	{ { "<p>a <b>c</b> d</p>", "<p>e <i> <u/> </i>f<b>g</b></p>" },
	  "/p=e   fg 1>0\n/p/i/u= 1\n/p/b=g 1>0" },
	/* namespaces: by what a prefix stands for */
	{ { "<p:a xmlns:p='u'><p:b>1</p:b></p:a>", "<q:a xmlns:q='u'><q:b>2</q:b><q:c>3</q:c></q:a>" },
	  "/p:a/p:b=2 1>0\n/p:a/q:c=3 1" },
	{ { "<a xmlns='u'><b>1</b></a>", "<q:a xmlns:q='u'><q:b>2</q:b><c>3</c></q:a>" },
	  "/a/b=2 1>0\n/a/c=3 1" },
	{ { "<a><p:b xmlns:p='u'>1</p:b></a>", "<a><p:b xmlns:p='v'>2</p:b></a>" },
	  "/a/p:b=1 0\n/a/p:b[2]=2 1" },
	{ { "<a xmlns:p='u' p:x='1'/>", "<a xmlns:q='u' q:x='2' x='3'/>" },
	  "/a= 0\n/a/@p:x=2 1>0\n/a/@x=3 1" },
	{ { "<a xmlns:p='u'><b><p:c>1</p:c></b></a>", "<a><b xmlns:p='v'><p:d>2</p:d></b></a>" },
	  "/a/b/p:c=1 0\n/a/b/p:d=2 1" },
	{ { "<a><p:b>1</p:b></a>", "<a><p:b>2</p:b><q:b>3</q:b></a>" }, "/a/p:b=2 1>0\n/a/q:b=3 1" },
	{ { "<a xml:lang='en'/>", "<a xml:lang='de'/>" }, "/a= 0\n/a/@xml:lang=de 1>0" },
	/* comments, PIs and DOCTYPE are passed over, encodings understood */
	{ { "<?xml version='1.0'?><!DOCTYPE a><!-- c --><a><!-- c -->1<?p i?></a>",
	    "<?xml version='1.0' encoding='ISO-8859-1'?><a>\xe9<!-- c -->t</a>" },
	  "/a=\xc3\xa9t 1>0" },
};

START_TEST(layers_are_merged_by_the_rules)
{
	ck_assert_msg(merge(merges[_i].layers, NULL) == 0, "%s", fault.fault.reason);
	ck_assert(!merged.is_as_it_was);
	ck_assert_str_eq(values(), merges[_i].values);
	xml_merged_free(&merged);
}
END_TEST

/* The one between two blank lines of the example in the manual; free() it. */
static char *of_manual(unsigned number)
{
	const char *top = getenv("srcdir");
	struct buffer page = { 0 };
	const char *at, *end;
	char path[4096], *part;

	snprintf(path, sizeof(path), "%s/docs/man/zkcfgd.xml.5", top ? top : ".");
	ck_assert_int_eq(file_read(path, 1 << 20, &page), 0);
	buffer_append(&page, "", 1);
	at = strstr(page.bytes, ".Sh MERGING");
	ck_assert_ptr_nonnull(at);
	at = strstr(at, ".Bd -literal\n");
	ck_assert_ptr_nonnull(at);
	for (at = strchr(at, '\n') + 1; number > 0; number--) {
		at = strstr(at, "\n\n");
		ck_assert_ptr_nonnull(at);
		at += 2;
	}
	end = strstr(at, "</service>\n");
	ck_assert_ptr_nonnull(end);
	part = strndup(at, (size_t)(end - at) + strlen("</service>\n"));
	buffer_free(&page);
	return part;
}

START_TEST(the_manuals_example_is_true)
{
	char *everywhere = of_manual(0), *host = of_manual(1), *served = of_manual(2);

	ck_assert_msg(merge((const char *const[LAYERS]){ everywhere, host }, NULL) == 0, "%s", fault.fault.reason);
	buffer_append(&merged.text, "", 1);
	ck_assert_str_eq(merged.text.bytes, served);
	xml_merged_free(&merged);
	free(everywhere);
	free(host);
	free(served);
}
END_TEST

/* By namespace, and not by luck: as a parser that knows namespaces reads the result. */
START_TEST(prefixes_of_the_result_stand_for_what_they_stood_for)
{
	static const char *const layers[LAYERS] = {
		"<a xmlns='u' xmlns:p='1'><b><p:c/></b></a>",
		"<q:a xmlns:q='u' xmlns:p='2'><q:b p:x='y'><p:d/><e/></q:b></q:a>",
	};

	ck_assert_int_eq(merge(layers, NULL), 0);
	buffer_append(&merged.text, "", 1);
	ck_assert_str_eq(merged.text.bytes, "<a xmlns=\"u\" xmlns:p=\"1\" xmlns:q=\"u\">\n"
					    "  <b xmlns:p=\"2\" p:x=\"y\">\n"
					    "    <p:c xmlns:p=\"1\"/>\n"
					    "    <p:d/>\n"
					    "    <e xmlns=\"\"/>\n"
					    "  </b>\n"
					    "</a>\n");
	xml_merged_free(&merged);
}
END_TEST

START_TEST(one_layer_stays_as_it_was)
{
	static const char *const layers[LAYERS] = { "<a  b='1' ><!-- c --></a>" };

	ck_assert_int_eq(merge(layers, NULL), 0);
	ck_assert(merged.is_as_it_was);
	ck_assert_uint_eq(merged.text.size_bytes, 0);
	xml_merged_free(&merged);
}
END_TEST

static const struct xml_limits small = {
	.document_bytes = 100, .depth = 4, .elements = 5, .attributes = 3, .value_bytes = 1000
};

static const struct {
	const char *layers[LAYERS];
	size_t layer, other;
	uint32_t line, column;
	const char *reason;
	const struct xml_limits *limits;
} refusals[] = {
	{ { "<a/>", "<b/>" }, 1, 0, 1, 1, "the root element is \"b\" of namespace \"\", and \"a\"", NULL },
	{ { "<a/>", "<a xmlns='u'/>" }, 1, 0, 1, 1, "and \"a\" of namespace \"\" in the layer below", NULL },
	{ { "<a/>", "<a>\n<b></a>" }, 1, XML_MERGE_NONE, 2, 8, "tag mismatch", NULL },
	{ { "<a", "<a/>" }, 0, XML_MERGE_NONE, 1, 3, "", NULL },
	{ { "<a/>", " " }, 1, XML_MERGE_NONE, 0, 0, "document is empty", NULL },
	{ { "<a><b>t</b></a>", "<a>\n <b><c/></b></a>" },
	  1,
	  0,
	  2,
	  2,
	  "holds elements, and text in the layer below",
	  NULL },
	{ { "<a><b>t</b></a>", "<a><b>t<c/></b></a>" },
	  1,
	  0,
	  1,
	  4,
	  "holds text among elements, and text",
	  NULL },
	{ { "<a/>", "<a><b><c/></b></a>", "<a><b>t</b></a>" }, 2, 1, 1, 4, "holds text, and elements", NULL },
	{ { "<a><h name='x'/>\n<h name='x'/></a>", "<a><h name='x'/></a>" },
	  0,
	  1,
	  2,
	  1,
	  "\"h\" with name=\"x\" is there twice",
	  NULL },
	{ { "<a><h id='x'/></a>", "<a>\n\n<h id='x'/><h id='x'/></a>" },
	  1,
	  0,
	  3,
	  1,
	  "\"h\" with id=\"x\" is there twice",
	  NULL },
	{ { "<a/>", "<a " ZKCFG_NS "zkcfg:merge='remove'/>" },
	  1,
	  XML_MERGE_NONE,
	  1,
	  1,
	  "the root element \"a\" cannot be removed",
	  NULL },
	{ { "<a/>", "<a " ZKCFG_NS ">\n<b zkcfg:merge='delete'/></a>" },
	  1,
	  XML_MERGE_NONE,
	  2,
	  1,
	  "merge=\"delete\" of namespace urn:zkcfg: expected merge=\"remove\" or merge=\"replace\"",
	  NULL },
	{ { "<a " ZKCFG_NS "zkcfg:remove='yes'/>" },
	  0,
	  XML_MERGE_NONE,
	  1,
	  1,
	  "remove=\"yes\" of namespace urn:zkcfg: expected",
	  NULL },
	{ { "<a/>", "<a " ZKCFG_NS ">t<b zkcfg:merge='remove'/></a>" },
	  1,
	  XML_MERGE_NONE,
	  1,
	  30,
	  "\"b\" is among text",
	  NULL },
	{ { "<a xmlns:p='u' p:x='1'/>", "<a xmlns:p='v' p:x='2'/>" },
	  XML_MERGE_NONE,
	  XML_MERGE_NONE,
	  0,
	  0,
	  "the prefix \"p\" stands for \"u\" in one layer and for \"v\" in another",
	  NULL },
	{ { "<a xmlns:p='u'><p:b/></a>", "<a><q:b xmlns:q='u' xmlns:p='v' p:x='1'/></a>" },
	  XML_MERGE_NONE,
	  XML_MERGE_NONE,
	  0,
	  0,
	  "the prefix \"p\" stands for \"u\" in one layer and for \"v\" in another",
	  NULL },
	{ { "<!DOCTYPE a [<!ENTITY e 'x'>]><a/>", "<a/>" },
	  0,
	  XML_MERGE_NONE,
	  1,
	  14,
	  "entities are not allowed",
	  NULL },
	{ { "<a/>", "<a>&e;</a>" }, 1, XML_MERGE_NONE, 1, 4, "entity \"e\" is not known", NULL },
	{ { "<a/>", "<a><b><c><d><e/></d></c></b></a>" },
	  1,
	  XML_MERGE_NONE,
	  1,
	  13,
	  "limit depth=\"4\"",
	  &small },
	{ { "<a/>", "<a><b/><b/><b/><b/><b/></a>" },
	  1,
	  XML_MERGE_NONE,
	  1,
	  20,
	  "limit elements=\"5\"",
	  &small },
	{ { "<a/>", "<a b='' c='' d='' xmlns='e'/>" },
	  1,
	  XML_MERGE_NONE,
	  1,
	  1,
	  "limit attributes=\"3\"",
	  &small },
	{ { "<a><b c='0123456789012345678901234567890123456789012345678901234567890123456789'/></a>",
	    "<a><d e='0123456789012345678901234567890123456789012345678901234567890123456789'/></a>" },
	  XML_MERGE_NONE,
	  XML_MERGE_NONE,
	  0,
	  0,
	  "merged, they have more bytes than the limit document=\"100\"",
	  &small },
};

START_TEST(what_does_not_go_together_is_refused_with_layer_place_and_reason)
{
	merged = (struct xml_merged){ .is_as_it_was = true };
	ck_assert_int_eq(merge(refusals[_i].layers, refusals[_i].limits), ZKCFG_EINVAL);
	ck_assert_msg(strstr(fault.fault.reason, refusals[_i].reason) != NULL, "%s", fault.fault.reason);
	ck_assert_uint_eq(fault.layer, refusals[_i].layer);
	ck_assert_uint_eq(fault.other, refusals[_i].other);
	ck_assert_uint_eq(fault.fault.line, refusals[_i].line);
	ck_assert_uint_eq(fault.fault.column, refusals[_i].column);
	ck_assert_ptr_null(merged.text.bytes); /* untouched */
}
END_TEST

static const char *corpus_directory(void)
{
	static char path[4096];
	const char *top = getenv("srcdir");

	snprintf(path, sizeof(path), "%s/tests/unit/xml/corpus", top ? top : ".");
	return path;
}

START_TEST(hostile_documents_are_refused_as_any_layer)
{
	DIR *directory = opendir(corpus_directory());
	struct dirent *entry;
	unsigned count = 0;

	ck_assert_ptr_nonnull(directory);
	while ((entry = readdir(directory))) {
		struct xml_merge_layer layers[2] = { { "<a/>", 4 }, { "<a/>", 4 } };
		struct buffer bytes = { 0 };
		char path[4400];

		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", corpus_directory(), entry->d_name);
		ck_assert_int_eq(file_read(path, 1 << 20, &bytes), 0);
		for (size_t i = 0; i < 2; i++) {
			layers[i] =
				(struct xml_merge_layer){ bytes.bytes ? bytes.bytes : "", bytes.size_bytes };
			layers[1 - i] = (struct xml_merge_layer){ "<a/>", 4 };
			ck_assert_msg(xml_merge(layers, 2, NULL, &merged, &fault) == ZKCFG_EINVAL, "%s",
				      path);
			ck_assert_uint_eq(fault.layer, i);
			ck_assert(fault.fault.reason[0] != '\0');
		}
		buffer_free(&bytes);
		count++;
	}
	closedir(directory);
	ck_assert_uint_gt(count, 60);
}
END_TEST

/* <a>, the same many times with a number in it, </a> */
static void long_list(struct buffer *text, const char *format, unsigned count)
{
	buffer_printf(text, "<a>");
	for (unsigned i = 0; i < count; i++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		buffer_printf(text, format, i);
#pragma GCC diagnostic pop
	}
	buffer_printf(text, "</a>");
	buffer_append(text, "", 1);
}

static const char *const lists[] = { "<h name='%u'>1</h>", "<h>%u</h>", "<h%u/>" };

START_TEST(long_lists_are_merged_in_linear_time)
{
	const unsigned count = 200000;
	struct buffer text = { 0 };
	clock_t before;

	long_list(&text, lists[_i], count);
	before = clock(); /* of this process: the machine may be busy */
	ck_assert_int_eq(merge((const char *const[LAYERS]){ text.bytes, text.bytes, text.bytes }, NULL), 0);
	ck_assert_int_lt((clock() - before) / CLOCKS_PER_SEC, 20); /* quadratic: minutes */
	ck_assert_uint_eq(merged.from.size_bytes, 1 + count * (_i == 0 ? 2 : 1));
	ck_assert_uint_eq((uint8_t)merged.from.bytes[1], _i == 2 ? 0 : 2);
	xml_merged_free(&merged);
	buffer_free(&text);
}
END_TEST

START_TEST(many_attributes_are_merged_in_linear_time)
{
	struct xml_limits limits = xml_limits_default;
	struct buffer text = { 0 };

	limits.attributes = XML_ATTRIBUTES_LIMIT;
	buffer_printf(&text, "<a");
	for (unsigned i = 0; i < 9000; i++)
		buffer_printf(&text, " x%u='%u'", i, i);
	buffer_printf(&text, "/>");
	buffer_append(&text, "", 1);
	ck_assert_int_eq(merge((const char *const[LAYERS]){ text.bytes, text.bytes }, &limits), 0);
	ck_assert_uint_eq(merged.from.size_bytes, 9001);
	for (size_t i = 1; i < merged.from.size_bytes; i++)
		ck_assert_uint_eq((uint8_t)merged.from.bytes[i], 1);
	xml_merged_free(&merged);
	buffer_free(&text);
}
END_TEST

/* As deep as it may be, sixteen times over. */
START_TEST(sixteen_deep_layers_go_together)
{
	struct xml_merge_layer layers[XML_MERGE_LAYERS_MOST];
	struct buffer texts[XML_MERGE_LAYERS_MOST] = { { 0 } };
	uint16_t hidden;

	for (size_t i = 0; i < XML_MERGE_LAYERS_MOST; i++) {
		for (unsigned k = 0; k < xml_limits_default.depth; k++)
			buffer_printf(&texts[i], "<a>");
		buffer_printf(&texts[i], "%zu", i);
		for (unsigned k = 0; k < xml_limits_default.depth; k++)
			buffer_printf(&texts[i], "</a>");
		layers[i] = (struct xml_merge_layer){ texts[i].bytes, texts[i].size_bytes };
	}
	ck_assert_int_eq(xml_merge(layers, XML_MERGE_LAYERS_MOST, NULL, &merged, &fault), 0);
	ck_assert_uint_eq(merged.from.size_bytes, xml_limits_default.depth);
	ck_assert_uint_eq((uint8_t)merged.from.bytes[merged.from.size_bytes - 1], 15);
	memcpy(&hidden, merged.hidden.bytes + merged.hidden.size_bytes - 2, sizeof(hidden));
	ck_assert_uint_eq(hidden, 0x7fff);
	xml_merged_free(&merged);
	for (size_t i = 0; i < XML_MERGE_LAYERS_MOST; i++)
		buffer_free(&texts[i]);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("merge");
	TCase *tcase = tcase_create("merge");
	SRunner *runner = srunner_create(suite);
	int failed;

	xml_start();
	tcase_set_timeout(tcase, 120);
	tcase_add_loop_test(tcase, layers_are_merged_by_the_rules, 0, sizeof(merges) / sizeof(merges[0]));
	tcase_add_test(tcase, the_manuals_example_is_true);
	tcase_add_test(tcase, prefixes_of_the_result_stand_for_what_they_stood_for);
	tcase_add_test(tcase, one_layer_stays_as_it_was);
	tcase_add_loop_test(tcase, what_does_not_go_together_is_refused_with_layer_place_and_reason, 0,
			    sizeof(refusals) / sizeof(refusals[0]));
	tcase_add_test(tcase, hostile_documents_are_refused_as_any_layer);
	tcase_add_loop_test(tcase, long_lists_are_merged_in_linear_time, 0, sizeof(lists) / sizeof(lists[0]));
	tcase_add_test(tcase, many_attributes_are_merged_in_linear_time);
	tcase_add_test(tcase, sixteen_deep_layers_go_together);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
