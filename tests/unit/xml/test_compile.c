/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "xml/compile.h"

#include <arpa/inet.h>
#include <check.h>
#include <dirent.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <unistd.h>

#include <libxml/parser.h>
#include <libxml/xpath.h>

#include "base/buffer.h"
#include "base/file.h"

static const struct document_origin origin = { .name = "app.xml", .created = 3, .revision = 7, .version = 2 };

static struct zkcfg_document *accept_bytes(const void *bytes, size_t size)
{
	struct zkcfg_document *document = NULL;
	struct xml_fault fault = { .line = 0 };
	size_t document_bytes = 0;
	int err = xml_compile(&origin, bytes, size, NULL, &document, &document_bytes, &fault);

	ck_assert_msg(err == 0, "%d %u:%u: %s", err, fault.line, fault.column, fault.reason);
	ck_assert_int_eq(document_verify(document, document_bytes), 0);
	return document;
}

static struct zkcfg_document *accept_text(const char *text)
{
	return accept_bytes(text, strlen(text));
}

static struct xml_fault refuse_bytes(const void *bytes, size_t size, const struct xml_limits *limits)
{
	struct xml_fault fault = { .line = 77, .column = 77 };
	struct zkcfg_document *untouched = (void *)&fault, *document = untouched;
	size_t document_bytes = 77;

	ck_assert_int_eq(xml_compile(&origin, bytes, size, limits, &document, &document_bytes, &fault),
			 ZKCFG_EINVAL);
	ck_assert_ptr_eq(document, untouched);
	ck_assert_uint_eq(document_bytes, 77);
	ck_assert_ptr_null(strpbrk(fault.reason, "\n\t"));
	return fault;
}

static void assert_fault(const struct xml_fault *fault, unsigned line, unsigned column, const char *reason)
{
	ck_assert_str_eq(fault->reason, reason);
	ck_assert_uint_eq(fault->line, line);
	ck_assert_uint_eq(fault->column, column);
}

static void assert_refused(const char *text, unsigned line, unsigned column, const char *reason)
{
	struct xml_fault fault = refuse_bytes(text, strlen(text), NULL);

	assert_fault(&fault, line, column, reason);
}

static void assert_value(const struct zkcfg_document *document, const char *path, const char *expected)
{
	const char *value = NULL;
	uint32_t number;
	struct document_node node;

	ck_assert_msg(document_find_node(document, path, &number) == 0, "no %s", path);
	ck_assert_int_eq(document_node(document, number, &node), 0);
	value = node.value;
	if (expected)
		ck_assert_str_eq(value ? value : "(none)", expected);
	else
		ck_assert_ptr_null(value);
}

static void assert_one_value(const char *text, const char *path, const char *expected)
{
	struct zkcfg_document *document = accept_text(text);

	assert_value(document, path, expected);
	free(document);
}

/* Text of a million and more. */
static void repeat(struct buffer *buffer, const char *text, size_t times)
{
	for (size_t i = 0; i < times; i++)
		buffer_append(buffer, text, strlen(text));
}

/* --- values: all that libxml2's own tree and XPath say of the same bytes --- */

/* A canonical path in words of XPath: names with prefixes as they are written. */
static void xpath_of(const char *path, struct buffer *xpath)
{
	buffer_clear(xpath);
	buffer_printf(xpath, "string(");
	while (*path == '/') {
		size_t length = strcspn(++path, "/[");
		bool attribute = *path == '@';

		buffer_printf(xpath, "/%s*[name()='%.*s']", attribute ? "@" : "", (int)length - attribute,
			      path + attribute);
		path += length;
		length = strcspn(path, "/");
		if (length > 0)
			buffer_printf(xpath, "%.*s", (int)length, path);
		else if (!attribute)
			buffer_printf(xpath, "[1]");
		path += length;
	}
	buffer_append(xpath, ")", 2); /* with its NUL */
	ck_assert(!buffer_failed(xpath));
}

/* What the public header promises of an element without a value. */
static bool tree_has_no_value(const xmlNode *element)
{
	bool has_elements = false;

	for (const xmlNode *child = element->children; child; child = child->next) {
		has_elements |= child->type == XML_ELEMENT_NODE;
		if ((child->type == XML_TEXT_NODE || child->type == XML_CDATA_SECTION_NODE) &&
		    child->content[strspn((const char *)child->content, " \t\r\n")] != '\0')
			return false;
	}
	return has_elements;
}

static void assert_node_is(const struct document_node *node, xmlXPathContextPtr context, struct buffer *xpath)
{
	xmlXPathObjectPtr object;

	xpath_of(node->path, xpath);
	if (!node->value) {
		/* the element itself instead of its string */
		xpath->bytes[xpath->size_bytes - 2] = '\0';
		object = xmlXPathEval((const xmlChar *)xpath->bytes + strlen("string("), context);
		ck_assert_msg(object && object->nodesetval && object->nodesetval->nodeNr == 1, "%s",
			      node->path);
		ck_assert_msg(tree_has_no_value(object->nodesetval->nodeTab[0]), "%s has a value",
			      node->path);
	} else {
		object = xmlXPathEval((const xmlChar *)xpath->bytes, context);
		ck_assert_msg(object && object->type == XPATH_STRING, "%s", node->path);
		ck_assert_msg(strcmp((const char *)object->stringval, node->value) == 0,
			      "%s: XPath %s, ours %s", node->path, (const char *)object->stringval,
			      node->value);
	}
	xmlXPathFreeObject(object);
}

static double count_in_tree(xmlXPathContextPtr context, const char *what)
{
	xmlXPathObjectPtr object = xmlXPathEval((const xmlChar *)what, context);
	double count;

	ck_assert_ptr_nonnull(object);
	count = object->floatval;
	xmlXPathFreeObject(object);
	return count;
}

/* Every node's value is what XPath says; and there are no others. Number of nodes. */
static uint32_t assert_as_xpath(const char *bytes, size_t size)
{
	struct zkcfg_document *document = accept_bytes(bytes, size);
	xmlDocPtr tree = xmlReadMemory(bytes, (int)size, NULL, NULL,
				       XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
	uint32_t count = document_node_count(document);
	struct buffer xpath = { 0 };
	xmlXPathContextPtr context;
	struct document_node node;
	const char *raw;
	size_t raw_bytes;

	ck_assert_ptr_nonnull(tree);
	context = xmlXPathNewContext(tree);
	ck_assert(count_in_tree(context, "count(//* | //@*)") == count);
	for (uint32_t i = 0; i < count; i++) {
		ck_assert_int_eq(document_node(document, i, &node), 0);
		assert_node_is(&node, context, &xpath);
	}
	raw = zkcfg_document_raw(document, &raw_bytes);
	ck_assert_uint_eq(raw_bytes, size);
	ck_assert_int_eq(memcmp(raw, bytes, size), 0);
	buffer_free(&xpath);
	xmlXPathFreeContext(context);
	xmlFreeDoc(tree);
	free(document);
	return count;
}

static void assert_text_as_xpath(const char *text)
{
	assert_as_xpath(text, strlen(text));
}

static const char *const real_files[] = {
	"/usr/share/X11/xkb/rules/evdev.xml",
	"/usr/share/X11/xkb/rules/base.extras.xml",
	"/etc/fonts/fonts.conf",
	"/usr/share/fontconfig/conf.avail/45-latin.conf",
	"/usr/share/fontconfig/conf.avail/65-nonlatin.conf",
	"/usr/share/dbus-1/system.conf",
	"/usr/share/dbus-1/session.conf",
};

START_TEST(every_value_of_a_real_file_is_what_xpath_says)
{
	struct buffer buffer = { 0 };

	if (file_read(real_files[_i], 1 << 24, &buffer) == 0)
		ck_assert_uint_gt(assert_as_xpath(buffer.bytes, buffer.size_bytes), 10);
	buffer_free(&buffer);
}
END_TEST

static const char *const small_documents[] = {
	"<a/>",
	"<a></a>",
	"<a> </a>",
	"<a>1</a>",
	"<a b='1' c='' d=' x '>t</a>",
	"<a> <b/> </a>",
	"<a>x<b>y</b>z<c/></a>",
	"<a>x<b> <c>y</c> <c> </c></b>z</a>",
	"<a><b>1</b><b>2</b><c>3</c><b>4</b></a>",
	"<a>1<!-- no -->2<?no no?>3</a>",
	"<a>1<![CDATA[<2>&amp;]]>3<![CDATA[]]></a>",
	"<a><![CDATA[ ]]></a>",
	"<a><b/><![CDATA[ ]]></a>",
	"<a>&lt;&gt;&amp;&apos;&quot;&#65;&#x42;&#9731;&#x1F600;</a>",
	"<a b='&lt;&gt;&amp;&apos;&quot;&#65;&#x42;&#9731;&#x1F600;'/>",
	"<a b='1\t2\r\n3\n4\r5&#10;6&#9;7&#13;8'/>",
	"<a>1\r\n2\r3\n4&#13;5</a>",
	"<!DOCTYPE a [<!ATTLIST a n NMTOKENS #IMPLIED i ID #IMPLIED c CDATA #IMPLIED>]>"
	"<a n='  x   y  ' i=' z ' c='  x   y  '/>",
	"<!DOCTYPE a [<!ATTLIST a d CDATA 'default' f CDATA #FIXED 'fixed' x:y CDATA 'z'>"
	"<!ATTLIST b xmlns CDATA #FIXED 'urn:b'>]><a c='1'><b e='2'/></a>",
	"<!DOCTYPE a [<!ATTLIST a d CDATA 'default'>]><a d='said'/>",
	"<!DOCTYPE a [<!ELEMENT a (b*)><!ELEMENT b (#PCDATA)><!NOTATION n SYSTEM 'x'><?pi x?><!-- c -->]>"
	"<a> <b>1</b> </a>",
	"<!DOCTYPE a PUBLIC '-//x//y' 'nowhere.dtd' [<!ATTLIST a b (x|y) 'x'>]><a> <b>1</b></a>",
	"<x:a xmlns:x='urn:x' xmlns='urn:d' x:b='1' b='2'><b x:c='3'/><x:b>4</x:b>"
	"<x:b xmlns:x='urn:y'>5</x:b></x:a>",
	"<a xml:lang='en' xml:space='preserve'> <b/> </a>",
	"<x:a y:b='1'><y:c/></x:a>",
	"<a:b:c d:e:f='1'/>",
	"<a xmlns:b='rel ative' xmlns=''><b:c/></a>",
	"<é ü='ö'>ß<日本 語='x'>€</日本></é>",
	"<_a-b.c1><_a-b.c1 _='1' -:-='2'>x</_a-b.c1></_a-b.c1>",
	"<?xml version='1.0' standalone='yes'?><a>1</a>",
	"<?xml version='1.1'?><a>1</a>",
	"\xef\xbb\xbf<a>1</a>",
	"\xef\xbb\xbf<?xml version='1.0' encoding='utf-8'?><a>\xc3\xa9</a>",
	"<?xml version='1.0' encoding='ISO-8859-1'?><\xe9 a='\xfc'>\xe4\xf6<b>\xdf</b></\xe9>",
	"<?xml version='1.0' encoding='windows-1252'?><a b='\x80'>\x93x\x94</a>",
	"<?xml version='1.0' encoding='US-ASCII'?><a b='&#8364;'>x</a>",
	"<?xml version='1.0' encoding='Shift_JIS'?><a>\x93\xfa\x96\x7b</a>",
	"\n<!-- before --><?before x?>\n<a/>\n<!-- behind --><?behind x?>\n\n",
	"<a><b><c><b>1</b></c><b>2</b></b><b/></a>",
	"<a>x<b>\n</b></a>",
	"<a>\n<b>\n<c>\n</c>\n</b>\n</a>",
};

START_TEST(every_value_of_a_small_document_is_what_xpath_says)
{
	const char *text = small_documents[_i];

	if (strstr(text, " -:-=")) {
		refuse_bytes(text, strlen(text), NULL); /* and libxml2's tree is none either */
		ck_assert_ptr_null(xmlReadMemory(text, (int)strlen(text), NULL, NULL, XML_PARSE_NOERROR));
		return;
	}
	assert_text_as_xpath(text);
}
END_TEST

START_TEST(any_size_is_read_to_its_end)
{
	struct buffer buffer = { 0 };
	char tail[96];

	/* the parser reads 4000 bytes at a time: let every kind of thing lie across that */
	for (int pad = 3880; pad < 4020; pad++) {
		buffer_clear(&buffer);
		buffer_printf(&buffer, "<a b='");
		repeat(&buffer, "x", (size_t)pad);
		snprintf(tail, sizeof(tail),
			 "'><c\nd='\xe2\x82\xac&amp;%d'>t&#8364;<![CDATA[]>]]></c>%*s<!-- e -->\n</a> \n",
			 pad, pad % 7, "");
		buffer_printf(&buffer, "%s", tail);
		ck_assert_uint_eq(assert_as_xpath(buffer.bytes, buffer.size_bytes), 4);
	}
	buffer_free(&buffer);
}
END_TEST

static struct buffer to_utf16(const char *text, bool big, bool mark)
{
	struct buffer wide = { 0 };
	char mark_bytes[2] = { big ? '\xfe' : '\xff', big ? '\xff' : '\xfe' };

	if (mark)
		buffer_append(&wide, mark_bytes, 2);
	for (; *text; text++) {
		char unit[2] = { big ? '\0' : *text, big ? *text : '\0' };

		buffer_append(&wide, unit, 2);
	}
	return wide;
}

START_TEST(utf16_is_read_in_both_orders)
{
	static const char text[] = "<?xml version=\"1.0\" encoding=\"UTF-16\"?>\n<a b='1'>two<c/></a>\n";

	for (int way = 0; way < 4; way++) {
		struct buffer wide = to_utf16(text, way & 1, way & 2);

		if (way & 2)
			ck_assert_uint_eq(assert_as_xpath(wide.bytes, wide.size_bytes), 3);
		buffer_free(&wide);
	}
}
END_TEST

START_TEST(values_are_utf8_whatever_the_encoding)
{
	assert_one_value("<?xml version='1.0' encoding='ISO-8859-1'?><a b='\xe9'>\xfc</a>", "/a/@b",
			 "\xc3\xa9");
	assert_one_value("<?xml version='1.0' encoding='ISO-8859-1'?><\xe9>\xfc</\xe9>", "/\xc3\xa9",
			 "\xc3\xbc");
}
END_TEST

START_TEST(large_text_in_pieces_is_one_value)
{
	struct buffer buffer = { 0 };
	struct zkcfg_document *document;
	struct document_node node;

	repeat(&buffer, "<a>", 1);
	repeat(&buffer, "x&amp;<!-- c -->y\r\n<![CDATA[z]]>", 20000);
	repeat(&buffer, "</a>", 1);
	document = accept_bytes(buffer.bytes, buffer.size_bytes);
	ck_assert_int_eq(document_node(document, 0, &node), 0);
	ck_assert_uint_eq(strlen(node.value), 5 * 20000);
	ck_assert_int_eq(strncmp(node.value, "x&y\nzx&y\nz", 10), 0);
	free(document);
	buffer_free(&buffer);
}
END_TEST

START_TEST(origin_and_raw_bytes_stay_as_they_were)
{
	static const char text[] = "\xef\xbb\xbf<?xml version='1.0'?>\r\n<a>1</a>\r\n";
	struct zkcfg_document *document = accept_text(text);
	size_t raw_bytes;

	ck_assert_str_eq(zkcfg_document_name(document), "app.xml");
	ck_assert_uint_eq(zkcfg_document_revision(document), 7);
	ck_assert_int_eq(zkcfg_document_version(document), 2);
	ck_assert_uint_eq(document_created(document), 3);
	ck_assert_str_eq(zkcfg_document_raw(document, &raw_bytes), text);
	ck_assert_uint_eq(raw_bytes, sizeof(text) - 1);
	free(document);
}
END_TEST

/* --- what is outside of the document --- */

static void write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	ck_assert_ptr_nonnull(file);
	ck_assert_int_ge(fputs(text, file), 0);
	ck_assert_int_eq(fclose(file), 0);
}

START_TEST(an_external_dtd_is_accepted_and_never_opened)
{
	char directory[] = "/tmp/zkcfg-compile-XXXXXX", dtd[64], text[256];
	struct zkcfg_document *document;
	char events[512];
	uint32_t node;
	int inotify;

	/* with libxml2's own loader, which would open it */
	ck_assert_ptr_nonnull(mkdtemp(directory));
	snprintf(dtd, sizeof(dtd), "%s/app.dtd", directory);
	write_file(dtd, "<!ATTLIST app evil CDATA 'yes' port CDATA '666'><!ENTITY e 'evil'>");
	inotify = inotify_init1(IN_NONBLOCK);
	ck_assert_int_ge(inotify_add_watch(inotify, directory, IN_OPEN | IN_ACCESS), 0);
	snprintf(text, sizeof(text), "<!DOCTYPE app SYSTEM 'file://%s'><app>x</app>", dtd);
	document = accept_text(text);
	assert_value(document, "/app", "x");
	ck_assert_int_eq(document_find_node(document, "/app/@evil", &node), ZKCFG_ENOPATH);
	ck_assert_int_eq(document_find_node(document, "/app/@port", &node), ZKCFG_ENOPATH);
	free(document);
	snprintf(text, sizeof(text), "<!DOCTYPE app PUBLIC '-//x//y' '%s'><app>&e;</app>", dtd);
	refuse_bytes(text, strlen(text), NULL);
	snprintf(text, sizeof(text),
		 "<app xmlns:xi='http://www.w3.org/2001/XInclude'><xi:include href='%s' parse='text'/></app>",
		 dtd);
	free(accept_text(text));
	ck_assert_int_lt(read(inotify, events, sizeof(events)), 0);
	close(fopen(dtd, "r") ? 0 : -1);
	ck_assert_int_gt(read(inotify, events, sizeof(events)), 0); /* the watch does watch */
	close(inotify);
	unlink(dtd);
	rmdir(directory);
}
END_TEST

START_TEST(nothing_is_fetched_from_the_network)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof(address);
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	struct pollfd knock = { .fd = listener, .events = POLLIN };
	char text[256];

	ck_assert_int_eq(bind(listener, (struct sockaddr *)&address, length), 0);
	ck_assert_int_eq(listen(listener, 8), 0);
	ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&address, &length), 0);
	snprintf(text, sizeof(text), "<!DOCTYPE app SYSTEM 'http://127.0.0.1:%u/app.dtd'><app/>",
		 ntohs(address.sin_port));
	free(accept_text(text));
	snprintf(text, sizeof(text),
		 "<!DOCTYPE app [<!ENTITY x SYSTEM 'http://127.0.0.1:%u/x'>]><app>&x;</app>",
		 ntohs(address.sin_port));
	refuse_bytes(text, strlen(text), NULL);
	ck_assert_int_eq(poll(&knock, 1, 0),
			 0); /* whoever connects is in the queue before connect() returns */
	close(listener);
}
END_TEST

START_TEST(defaults_of_an_internal_subset_add_no_attributes)
{
	static const char text[] = "<!DOCTYPE a [<!ATTLIST a d CDATA 'x' n NMTOKEN #IMPLIED>]><a n=' 1 '/>";
	struct zkcfg_document *document = accept_text(text);

	ck_assert_uint_eq(document_node_count(document), 2);
	assert_value(document, "/a/@n", "1");
	free(document);
}
END_TEST

/* --- refusals: place and reason --- */

static const struct {
	const char *file;
	unsigned line, column;
	const char *reason;
} corpus[] = {
	{ "ampersand-attribute.xml", 1, 14, "expected ';' behind the name of an entity" },
	{ "ampersand.xml", 2, 9, "'&' without the name of an entity behind it: write &amp;" },
	{ "ascii-high.xml", 2, 4, "bytes that are not of the document's encoding" },
	{ "attribute-less-than.xml", 1, 8, "'<' in the value of an attribute: write &lt;" },
	{ "attribute-no-quotes.xml", 2, 7, "expected the value of an attribute in \" or '" },
	{ "attribute-no-space.xml", 1, 9, "expected white space, an attribute, or the end of the tag" },
	{ "attribute-no-value.xml", 1, 5, "Specification mandates value for attribute b" },
	{ "attribute-unclosed.xml", 2, 1, "the value of an attribute is not closed" },
	{ "billion-laughs.xml", 3, 2, "the DOCTYPE declares the entity \"lol\": entities are not allowed" },
	{ "blank.xml", 0, 0, "document is empty" },
	{ "cdata-end.xml", 2, 2, "Sequence ']]>' not allowed in content" },
	{ "cdata-unclosed.xml", 2, 1, "CDATA section is not closed: expected ]]>" },
	{ "comment-hyphens.xml", 2, 8, "Double hyphen within comment" },
	{ "comment-only.xml", 2, 1, "expected the root element's start tag" },
	{ "comment-unclosed.xml", 2, 1, "Comment not terminated" },
	{ "control.xml", 1, 5, "PCDATA invalid Char value 1" },
	{ "declaration-late.xml", 2, 6, "XML declaration allowed only at the start of the document" },
	{ "declaration-only.xml", 2, 1, "expected the root element's start tag" },
	{ "doctype-inside.xml", 1, 5, "expected the name of an element behind '<'" },
	{ "doctype-twice.xml", 1, 14, "expected the name of an element behind '<'" },
	{ "doctype-unclosed.xml", 2, 1, "expected a declaration or ']' in the internal subset" },
	{ "duplicate-attribute.xml", 2, 16, "Attribute c redefined" },
	{ "empty.xml", 0, 0, "document is empty" },
	{ "encoding-unknown.xml", 1, 39, "Unsupported encoding klingon" },
	{ "end-tag-attribute.xml", 1, 8, "expected '>'" },
	{ "entity-external-http.xml", 1, 16,
	  "the DOCTYPE declares the entity \"x\": entities are not allowed" },
	{ "entity-external.xml", 2, 3, "the DOCTYPE declares the entity \"x\": entities are not allowed" },
	{ "entity-parameter-external.xml", 1, 16,
	  "the DOCTYPE declares the entity \"p\": entities are not allowed" },
	{ "entity-parameter-undeclared-external.xml", 2, 3,
	  "the DOCTYPE refers to the parameter entity \"p\": entities are not allowed" },
	{ "entity-parameter-undeclared.xml", 2, 3,
	  "the DOCTYPE refers to the parameter entity \"p\": entities are not allowed" },
	{ "entity-parameter.xml", 2, 1, "the DOCTYPE declares the entity \"p\": entities are not allowed" },
	{ "entity-redefined-builtin.xml", 1, 16,
	  "the DOCTYPE declares the entity \"lt\": entities are not allowed" },
	{ "entity-undeclared-attribute.xml", 2, 9,
	  "entity \"nbsp\" is not known: expected lt, gt, amp, apos or quot, or a character" },
	{ "entity-undeclared-default.xml", 2, 24,
	  "entity \"who\" is not known: expected lt, gt, amp, apos or quot, or a character" },
	{ "entity-undeclared-external.xml", 2, 7,
	  "entity \"nbsp\" is not known: expected lt, gt, amp, apos or quot, or a character" },
	{ "entity-undeclared.xml", 2, 5,
	  "entity \"nbsp\" is not known: expected lt, gt, amp, apos or quot, or a character" },
	{ "entity-unparsed.xml", 3, 1, "the DOCTYPE declares the entity \"pic\": entities are not allowed" },
	{ "entity-unused.xml", 1, 16, "the DOCTYPE declares the entity \"a\": entities are not allowed" },
	{ "gzip.xml", 1, 1, "expected the root element's start tag" },
	{ "html.xml", 1, 30, "Opening and ending tag mismatch: br line 1 and p" },
	{ "json.xml", 1, 1, "expected the root element's start tag" },
	{ "latin1-undeclared.xml", 1, 4,
	  "not UTF-8: expected UTF-8, or an XML declaration that names the encoding" },
	{ "mark-only.xml", 0, 0, "document is empty" },
	{ "mismatch.xml", 3, 22, "Opening and ending tag mismatch: port line 3 and server" },
	{ "name-digit.xml", 1, 5, "expected the name of an element behind '<'" },
	{ "name-space.xml", 1, 5, "expected the name of an element behind '<'" },
	{ "not-xml.xml", 1, 1, "expected the root element's start tag" },
	{ "nul-behind-utf16.xml", 1, 5, "NUL byte behind the root element" },
	{ "nul-behind.xml", 1, 5, "NUL byte: it is not XML, or in an encoding that is not said" },
	{ "nul-utf16.xml", 1, 5, "Char 0x0 out of allowed range" },
	{ "nul.xml", 2, 2, "NUL byte: it is not XML, or in an encoding that is not said" },
	{ "pi-unclosed.xml", 2, 1, "processing instruction is not closed: expected ?>" },
	{ "pi-xml.xml", 1, 9, "XML declaration allowed only at the start of the document" },
	{ "random.xml", 1, 23, "NUL byte: it is not XML, or in an encoding that is not said" },
	{ "reference-bare.xml", 1, 7, "reference to a character that XML does not allow" },
	{ "reference-control.xml", 1, 10, "reference to a character that XML does not allow" },
	{ "reference-huge.xml", 1, 27, "character reference out of bounds" },
	{ "reference-large.xml", 1, 14, "character reference out of bounds" },
	{ "reference-surrogate.xml", 1, 12, "reference to a character that XML does not allow" },
	{ "reference-zero.xml", 1, 8, "reference to a character that XML does not allow" },
	{ "text-before.xml", 1, 1, "expected the root element's start tag" },
	{ "text-behind.xml", 2, 1, "Extra content at the end of the document" },
	{ "two-roots.xml", 2, 1, "Extra content at the end of the document" },
	{ "unclosed.xml", 3, 1, "Premature end of data in tag app line 1" },
	{ "utf16-half-pair.xml", 1, 4, "bytes that are not of the document's encoding" },
	{ "utf16-odd.xml", 1, 8, "bytes that are not of the document's encoding" },
	{ "utf8-cut.xml", 1, 4, "text is cut off within a character" },
	{ "utf8-overlong.xml", 1, 4,
	  "not UTF-8: expected UTF-8, or an XML declaration that names the encoding" },
	{ "utf8-surrogate.xml", 1, 4, "Char 0xD800 out of allowed range" },
};

static char *corpus_path(const char *file)
{
	static char path[512];
	const char *top = getenv("srcdir");

	snprintf(path, sizeof(path), "%s/tests/unit/xml/corpus/%s", top ? top : ".", file);
	return path;
}

START_TEST(a_hostile_document_is_refused_with_place_and_reason)
{
	struct buffer buffer = { 0 };
	struct xml_fault fault;

	ck_assert_int_eq(file_read(corpus_path(corpus[_i].file), 1 << 20, &buffer), 0);
	fault = refuse_bytes(buffer.bytes, buffer.size_bytes, NULL);
	assert_fault(&fault, corpus[_i].line, corpus[_i].column, corpus[_i].reason);
	buffer_free(&buffer);
}
END_TEST

START_TEST(every_beginning_of_a_document_is_refused_and_the_whole_accepted)
{
	static const char text[] =
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?><!DOCTYPE a SYSTEM \"x\" "
		"[<!ATTLIST a b CDATA 'c'>]>"
		"<!-- c --><?p i?><a b=\"\xc3\xa9&amp;\"><c/>\xe2\x82\xac&#65;<![CDATA[x]]></a>";
	char *exact;

	for (size_t size = 0; size < sizeof(text) - 1; size++) {
		exact = malloc(size + 1); /* so that reading too far is seen */
		memcpy(exact, text, size);
		exact = realloc(exact, size ? size : 1);
		refuse_bytes(exact, size, NULL);
		free(exact);
	}
	free(accept_text(text));
}
END_TEST

START_TEST(every_file_of_the_corpus_is_in_the_table)
{
	DIR *directory = opendir(corpus_path(""));
	struct dirent *entry;
	size_t files = 0;

	ck_assert_ptr_nonnull(directory);
	while ((entry = readdir(directory)))
		files += strstr(entry->d_name, ".xml") != NULL;
	closedir(directory);
	ck_assert_uint_eq(files, sizeof(corpus) / sizeof(corpus[0]));
}
END_TEST

START_TEST(lines_and_columns_are_exact)
{
	/* in characters, behind a byte order mark, tabs as one, CRLF, comments, CDATA, values over lines */
	assert_refused("<a>\n\t\xc3\xa9\xe2\x82\xac&x;</a>", 2, 4,
		       "entity \"x\" is not known: expected lt, gt, amp, apos or quot, or a character");
	assert_refused("\xef\xbb\xbf<a>&x;</a>", 1, 4,
		       "entity \"x\" is not known: expected lt, gt, amp, apos or quot, or a character");
	assert_refused("<a>\r\n\r\n <b>\r\n</a>", 4, 5, "Opening and ending tag mismatch: b line 3 and a");
	assert_refused(
		"<a><!-- \n\n --><![CDATA[\n\n]]><?x \n?><b c='\n\n\n'/>\n<\xc3\xa9></\xc3\xa9>&y;</a>", 10,
		8, "entity \"y\" is not known: expected lt, gt, amp, apos or quot, or a character");
	assert_refused("<a>\n<\xc3\xa9\xc3\xa9>x</\xc3\xa9\xc3\xa9> <b></c></a>", 2, 19,
		       "Opening and ending tag mismatch: b line 2 and c");
	assert_refused("<?xml version='1.0' encoding='ISO-8859-1'?>\n<a>\n\xe9\xe9 &x;</a>", 3, 4,
		       "entity \"x\" is not known: expected lt, gt, amp, apos or quot, or a character");
	assert_refused("<!DOCTYPE a [\n\n  <!ENTITY x '<y>'>]>\n<a/>", 3, 3,
		       "the DOCTYPE declares the entity \"x\": entities are not allowed");
}
END_TEST

START_TEST(lines_and_columns_are_exact_far_into_a_document)
{
	struct buffer buffer = { 0 };
	struct xml_fault fault;

	repeat(&buffer, "<a>\n", 1);
	repeat(&buffer, "<b c='\xc3\xa9'>x</b>\n", 70000);
	repeat(&buffer, "<b/>", 5000); /* one long line */
	repeat(&buffer, "&x;</a>", 1);
	fault = refuse_bytes(buffer.bytes, buffer.size_bytes, NULL);
	assert_fault(&fault, 70002, 20001,
		     "entity \"x\" is not known: expected lt, gt, amp, apos or quot, or a character");
	buffer_free(&buffer);
}
END_TEST

START_TEST(lines_and_columns_are_exact_in_utf16)
{
	struct buffer wide = to_utf16("<a>\n <b>\n  <c></d></b></a>", false, true);
	struct xml_fault fault = refuse_bytes(wide.bytes, wide.size_bytes, NULL);

	assert_fault(&fault, 3, 10, "Opening and ending tag mismatch: c line 3 and d");
	buffer_free(&wide);
}
END_TEST

START_TEST(the_first_error_is_told)
{
	assert_refused("<a>&x;<b></c>&y;", 1, 4,
		       "entity \"x\" is not known: expected lt, gt, amp, apos or quot, or a character");
}
END_TEST

START_TEST(a_long_reason_is_cut_at_a_character)
{
	struct buffer buffer = { 0 };
	struct xml_fault fault;
	size_t length;

	for (size_t shift = 0; shift < 3; shift++) {
		buffer_clear(&buffer);
		repeat(&buffer, "<a>&", 1);
		repeat(&buffer, "x", shift + 1);
		repeat(&buffer, "\xe2\x82\xac", 300);
		repeat(&buffer, ";</a>", 1);
		buffer_clear(&buffer);
		repeat(&buffer, "<a></", 1);
		repeat(&buffer, "x", shift + 1);
		repeat(&buffer, "\xe6\x97\xa5", 300);
		repeat(&buffer, ">", 1);
		fault = refuse_bytes(buffer.bytes, buffer.size_bytes, NULL);
		length = strlen(fault.reason);
		ck_assert_uint_ge(length, sizeof(fault.reason) - 4);
		ck_assert_str_eq(fault.reason + length - 3, "\xe6\x97\xa5");
	}
	buffer_free(&buffer);
}
END_TEST

START_TEST(nothing_is_printed)
{
	FILE *caught = tmpfile();
	int saved = dup(STDERR_FILENO);
	struct buffer buffer = { 0 };

	fflush(stderr);
	ck_assert_int_ge(dup2(fileno(caught), STDERR_FILENO), 0);
	for (size_t i = 0; i < sizeof(corpus) / sizeof(corpus[0]); i++) {
		buffer_clear(&buffer);
		ck_assert_int_eq(file_read(corpus_path(corpus[i].file), 1 << 20, &buffer), 0);
		refuse_bytes(buffer.bytes, buffer.size_bytes, NULL);
	}
	free(accept_text("<x:a y:b='1' xmlns:c='::'/>")); /* warnings and namespace errors */
	fflush(stderr);
	ck_assert_int_ge(dup2(saved, STDERR_FILENO), 0);
	ck_assert_int_eq(lseek(fileno(caught), 0, SEEK_END), 0);
	fclose(caught);
	close(saved);
	buffer_free(&buffer);
}
END_TEST

static void other_tell(void *user, xmlErrorPtr error)
{
	(void)user, (void)error;
}

START_TEST(the_caller_s_own_error_handler_is_put_back)
{
	xmlSetStructuredErrorFunc(&(int){ 0 }, other_tell);
	refuse_bytes("<a>", 3, NULL);
	ck_assert(xmlStructuredError == other_tell);
	ck_assert_ptr_nonnull(xmlStructuredErrorContext);
	xmlSetStructuredErrorFunc(NULL, NULL);
}
END_TEST

/* --- limits: at, and one above --- */

static void assert_limit(const struct xml_limits *limits, const char *within, const char *beyond,
			 unsigned line, unsigned column, const char *reason)
{
	struct zkcfg_document *document = NULL;
	struct xml_fault fault = { .line = 0 };
	size_t document_bytes;
	int err = xml_compile(&origin, within, strlen(within), limits, &document, &document_bytes, &fault);

	ck_assert_msg(err == 0, "%s: %s", within, fault.reason);
	free(document);
	fault = refuse_bytes(beyond, strlen(beyond), limits);
	assert_fault(&fault, line, column, reason);
}

START_TEST(document_size_is_limited)
{
	struct xml_limits limits = xml_limits_default;

	limits.document_bytes = 8;
	assert_limit(&limits, "<a>1</a>", "<a>12</a>", 0, 0,
		     "document has 9 bytes, more than the limit document=\"8\"");
}
END_TEST

START_TEST(depth_is_limited)
{
	struct xml_limits limits = xml_limits_default;

	limits.depth = 2;
	assert_limit(&limits, "<a><b/><c/></a>", "<a>\n<b/><c><x:d/></c></a>", 2, 8,
		     "element \"x:d\" is nested deeper than the limit depth=\"2\"");
}
END_TEST

START_TEST(depth_beyond_libxml2_s_own_is_limited_all_the_same)
{
	struct xml_limits limits = xml_limits_default;
	struct buffer buffer = { 0 };
	struct zkcfg_document *document;
	struct xml_fault fault;
	size_t document_bytes;

	limits.depth = 100000;
	repeat(&buffer, "<a>", 256);
	repeat(&buffer, "</a>", 256);
	ck_assert_int_eq(xml_compile(&origin, buffer.bytes, buffer.size_bytes, &limits, &document,
				     &document_bytes, &fault),
			 0);
	free(document);
	buffer_clear(&buffer);
	repeat(&buffer, "<a>", 100000);
	fault = refuse_bytes(buffer.bytes, buffer.size_bytes, &limits);
	assert_fault(&fault, 1, 769, "element \"a\" is nested deeper than the limit depth=\"256\"");
	buffer_free(&buffer);
}
END_TEST

START_TEST(the_number_of_elements_is_limited)
{
	struct xml_limits limits = xml_limits_default;

	limits.elements = 3;
	assert_limit(&limits, "<a><b c='1'/><d>x</d></a>", "<a><b/><b/>\n <b/></a>", 2, 2,
		     "more elements than the limit elements=\"3\"");
}
END_TEST

START_TEST(the_number_of_attributes_is_limited)
{
	struct xml_limits limits = xml_limits_default;

	limits.attributes = 2;
	assert_limit(&limits, "<a b='1' c='2'/>", "<a>\n <b c='1'\n d='2' e='3'/></a>", 2, 2,
		     "element \"b\" has 3 attributes and namespace declarations, "
		     "more than the limit attributes=\"2\"");
	assert_limit(&limits, "<a xmlns:b='urn:b' c='2'/>", "<a xmlns:b='urn:b' xmlns='urn:c' d='1'/>", 1, 1,
		     "element \"a\" has 3 attributes and namespace declarations, "
		     "more than the limit attributes=\"2\"");
}
END_TEST

START_TEST(the_size_of_a_value_is_limited)
{
	struct xml_limits limits = xml_limits_default;

	limits.value_bytes = 4;
	assert_limit(&limits, "<a b='1&amp;34'/>", "<a><b\nc='12345'/></a>", 1, 4,
		     "the value of attribute \"c\" has 5 bytes, more than the limit value=\"4\"");
	assert_limit(&limits, "<a>\xe2\x82\xac!</a>", "<a>\n<x:b>\xe2\x82\xac\xe2\x82\xac</x:b></a>", 2, 1,
		     "the text of element \"x:b\" is longer than the limit value=\"4\"");
	assert_limit(&limits, "<a>12<!-- c -->34</a>", "<a>12<!-- c -->34<![CDATA[5]]></a>", 1, 1,
		     "the text of element \"a\" is longer than the limit value=\"4\"");
	/* white space is a value where there are no elements, and none where there are */
	assert_limit(&limits, "<a>     <b/>     </a>", "<a><b>     </b></a>", 1, 4,
		     "the text of element \"b\" is longer than the limit value=\"4\"");
	/* an element's value holds those within */
	assert_limit(&limits, "<a><b>123</b><b>123</b></a>", "<a><b>123</b><b>123</b>\n!</a>", 1, 1,
		     "the text of element \"a\" is longer than the limit value=\"4\"");
	assert_limit(&limits, "<a>1<b>2</b>3<b>4</b></a>", "<a>1<b>2</b>3<b>45</b></a>", 1, 1,
		     "the text of element \"a\" is longer than the limit value=\"4\"");
}
END_TEST

START_TEST(paths_and_the_compiled_form_are_limited)
{
	struct buffer buffer = { 0 };
	struct xml_fault fault;

	for (int i = 0; i < 60; i++)
		repeat(&buffer,
		       "<element-with-a-name-that-is-as-long-as-names-may-become-in-configuration-files>", 1);
	repeat(&buffer, "</element-with-a-name-that-is-as-long-as-names-may-become-in-configuration-files>",
	       60);
	fault = refuse_bytes(buffer.bytes, buffer.size_bytes, NULL);
	ck_assert_ptr_nonnull(strstr(fault.reason, "4096 bytes"));
	buffer_free(&buffer);
}
END_TEST

/* --- documents that would cost time or memory out of all proportion --- */

static void assert_large_refused(const char *begin, const char *middle, size_t times, const char *end,
				 const char *reason)
{
	struct buffer buffer = { 0 };
	struct xml_fault fault;
	size_t room = strlen(middle) + 32;
	char *piece = malloc(room);

	repeat(&buffer, begin, 1);
	for (size_t i = 0; i < times; i++) {
		char *number = strchr(middle, '#');

		snprintf(piece, room, "%.*s%zu%s", number ? (int)(number - middle) : 0, middle, i,
			 number ? number + 1 : "");
		repeat(&buffer, number ? piece : middle, 1);
	}
	repeat(&buffer, end, 1);
	fault = refuse_bytes(buffer.bytes, buffer.size_bytes, NULL);
	ck_assert_str_eq(fault.reason, reason);
	free(piece);
	buffer_free(&buffer);
}

START_TEST(attributes_without_end_are_cut_off)
{
	assert_large_refused("<a>\n<b", " a#=''", 1200000, "/></a>",
			     "an element has more attributes than the limit attributes=\"256\"");
	assert_large_refused("<a", " a=''", 3000000, "/>",
			     "an element has more attributes than the limit attributes=\"256\"");
	assert_large_refused("<?xml version='1.0' encoding='UTF-7'?>\n<a", " a#=''", 1200000, "/>",
			     "an element has more attributes than the limit attributes=\"256\"");
}
END_TEST

START_TEST(namespaces_without_end_are_cut_off)
{
	assert_large_refused("<a", " xmlns:a#='u'", 700000, "/>",
			     "more namespace declarations than 1024, the limit of those in scope");
}
END_TEST

START_TEST(an_internal_subset_without_end_is_cut_off)
{
	assert_large_refused("<!DOCTYPE a [<!ATTLIST a b (", "a#|", 1200000, "z) #IMPLIED>]><a/>",
			     "the DOCTYPE is longer than 65536 bytes, the limit of an internal subset");
}
END_TEST

START_TEST(defaults_cost_nothing_for_each_element)
{
	struct buffer buffer = { 0 };

	repeat(&buffer, "<!DOCTYPE a [<!ATTLIST a", 1);
	for (int i = 0; i < 4000; i++)
		buffer_printf(&buffer, " a%d CDATA ''", i);
	repeat(&buffer, ">]><a>", 1);
	repeat(&buffer, "<a/>", 100000);
	repeat(&buffer, "</a>", 1);
	free(accept_bytes(buffer.bytes, buffer.size_bytes));
	buffer_free(&buffer);
}
END_TEST

START_TEST(what_is_long_for_libxml2_is_refused_with_its_limit)
{
	assert_large_refused("<", "aaaaaaaaaa", 6000, "/>",
			     "a name is longer than libxml2's limit of 50000 bytes");
	assert_large_refused("<a b='", "xxxxxxxxxx", 1100000, "'/>",
			     "the value of an attribute is longer than libxml2's limit of 10000000 bytes");
	assert_large_refused("<a><![CDATA[", "xxxxxxxxxx", 1100000, "]]></a>",
			     "a CDATA section is longer than libxml2's limit of 10000000 bytes");
	assert_large_refused("<a><?x ", "xxxxxxxxxx", 1100000, "?></a>",
			     "a processing instruction is longer than libxml2's limit of 10000000 bytes");
	assert_large_refused("<!DOCTYPE a [<!ELEMENT a ", "(", 60000, ">]><a/>",
			     "a declaration is nested deeper than libxml2's limit of 128");
}
END_TEST

START_TEST(a_document_of_the_largest_size_is_read)
{
	struct buffer buffer = { 0 };
	struct zkcfg_document *document;

	repeat(&buffer, "<a>", 1);
	for (int i = 0; i < 15; i++) {
		repeat(&buffer, "<b>", 1);
		repeat(&buffer, "0123456789abcdef", 65536);
		repeat(&buffer, "</b>", 1);
	}
	repeat(&buffer, "</a>", 1);
	document = accept_bytes(buffer.bytes, buffer.size_bytes);
	ck_assert_uint_eq(document_node_count(document), 16);
	free(document);
	buffer_free(&buffer);
}
END_TEST

/* --- places of nodes --- */

static void assert_located(const char *text, const char *path, unsigned line, unsigned column)
{
	struct zkcfg_document *document = accept_text(text);
	struct xml_fault place = { .line = 0 };
	uint32_t node;

	ck_assert_int_eq(document_find_node(document, path, &node), 0);
	ck_assert_int_eq(xml_locate(text, strlen(text), node, &place), 0);
	ck_assert_uint_eq(place.line, line);
	ck_assert_uint_eq(place.column, column);
	free(document);
}

START_TEST(a_node_is_located_by_its_start_tag)
{
	static const char text[] = "<?xml version='1.0'?>\n"
				   "<!DOCTYPE a [<!ATTLIST b z CDATA 'default'>]>\n"
				   "<a x='1' xmlns:n='urn:n' y='2'> <b/><b\n"
				   "  c='>' d='\xc3\xa9'/>\n"
				   "\xc3\xa9\xc3\xa9<c\n\n\n>x</c><!-- <d/> --><![CDATA[<d/>]]>\n"
				   "\t<d e='\n\n1' f=''/></a>";

	assert_located(text, "/a", 3, 1);
	assert_located(text, "/a/@x", 3, 1);
	assert_located(text, "/a/@y", 3, 1);
	assert_located(text, "/a/b", 3, 33);
	assert_located(text, "/a/b[2]", 3, 37);
	assert_located(text, "/a/b[2]/@d", 3, 37);
	assert_located(text, "/a/c", 5, 3);
	assert_located(text, "/a/d", 9, 2);
	assert_located(text, "/a/d/@f", 9, 2);
}
END_TEST

START_TEST(a_node_is_located_far_into_a_document)
{
	struct buffer buffer = { 0 };
	struct xml_fault place;

	repeat(&buffer, "<a>\n", 1);
	repeat(&buffer, "<b c='\xc3\xa9'>x</b>\n", 70000);
	repeat(&buffer, "<b/>", 5000);
	repeat(&buffer, "<d\n\n/></a>", 1);
	ck_assert_int_eq(xml_locate(buffer.bytes, buffer.size_bytes, 1 + 2 * 70000 + 5000, &place), 0);
	ck_assert_uint_eq(place.line, 70002);
	ck_assert_uint_eq(place.column, 20001);
	buffer_free(&buffer);
}
END_TEST

START_TEST(a_node_that_is_not_there_is_not_located)
{
	struct xml_fault place = { .line = 77, .column = 77, .reason = "kept" };

	ck_assert_int_eq(xml_locate("<a b='1'/>", 10, 1, &place), 0);
	ck_assert_str_eq(place.reason, "kept");
	place.line = 77;
	ck_assert_int_eq(xml_locate("<a b='1'/>", 10, 2, &place), ZKCFG_ENOPATH);
	ck_assert_uint_eq(place.line, 77);
}
END_TEST

static TCase *add_case(Suite *suite, const char *name)
{
	TCase *cases = tcase_create(name);

	tcase_set_timeout(cases, 120);
	suite_add_tcase(suite, cases);
	return cases;
}

static Suite *make_suite(void)
{
	Suite *suite = suite_create("xml/compile");
	TCase *values = add_case(suite, "values"), *outside = add_case(suite, "outside");
	TCase *refusals = add_case(suite, "refusals"), *limits = add_case(suite, "limits");
	TCase *large = add_case(suite, "large"), *places = add_case(suite, "places");

	tcase_add_loop_test(values, every_value_of_a_real_file_is_what_xpath_says, 0,
			    sizeof(real_files) / sizeof(real_files[0]));
	tcase_add_loop_test(values, every_value_of_a_small_document_is_what_xpath_says, 0,
			    sizeof(small_documents) / sizeof(small_documents[0]));
	tcase_add_test(values, any_size_is_read_to_its_end);
	tcase_add_test(values, utf16_is_read_in_both_orders);
	tcase_add_test(values, values_are_utf8_whatever_the_encoding);
	tcase_add_test(values, large_text_in_pieces_is_one_value);
	tcase_add_test(values, origin_and_raw_bytes_stay_as_they_were);
	tcase_add_test(outside, an_external_dtd_is_accepted_and_never_opened);
	tcase_add_test(outside, nothing_is_fetched_from_the_network);
	tcase_add_test(outside, defaults_of_an_internal_subset_add_no_attributes);
	tcase_add_loop_test(refusals, a_hostile_document_is_refused_with_place_and_reason, 0,
			    sizeof(corpus) / sizeof(corpus[0]));
	tcase_add_test(refusals, every_file_of_the_corpus_is_in_the_table);
	tcase_add_test(refusals, every_beginning_of_a_document_is_refused_and_the_whole_accepted);
	tcase_add_test(refusals, lines_and_columns_are_exact);
	tcase_add_test(refusals, lines_and_columns_are_exact_far_into_a_document);
	tcase_add_test(refusals, lines_and_columns_are_exact_in_utf16);
	tcase_add_test(refusals, the_first_error_is_told);
	tcase_add_test(refusals, a_long_reason_is_cut_at_a_character);
	tcase_add_test(refusals, nothing_is_printed);
	tcase_add_test(refusals, the_caller_s_own_error_handler_is_put_back);
	tcase_add_test(limits, document_size_is_limited);
	tcase_add_test(limits, depth_is_limited);
	tcase_add_test(limits, depth_beyond_libxml2_s_own_is_limited_all_the_same);
	tcase_add_test(limits, the_number_of_elements_is_limited);
	tcase_add_test(limits, the_number_of_attributes_is_limited);
	tcase_add_test(limits, the_size_of_a_value_is_limited);
	tcase_add_test(limits, paths_and_the_compiled_form_are_limited);
	tcase_add_test(large, attributes_without_end_are_cut_off);
	tcase_add_test(large, namespaces_without_end_are_cut_off);
	tcase_add_test(large, an_internal_subset_without_end_is_cut_off);
	tcase_add_test(large, defaults_cost_nothing_for_each_element);
	tcase_add_test(large, what_is_long_for_libxml2_is_refused_with_its_limit);
	tcase_add_test(large, a_document_of_the_largest_size_is_read);
	tcase_add_test(places, a_node_is_located_by_its_start_tag);
	tcase_add_test(places, a_node_is_located_far_into_a_document);
	tcase_add_test(places, a_node_that_is_not_there_is_not_located);
	return suite;
}

int main(void)
{
	xmlExternalEntityLoader loader = xmlGetExternalEntityLoader();
	SRunner *runner = srunner_create(make_suite());
	int failed;

	xml_start();
	xmlSetExternalEntityLoader(loader); /* documents must not need ours */
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
