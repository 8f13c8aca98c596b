/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "xml/schema.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <libxml/parser.h>

#include "base/buffer.h"

static char directory[] = "/tmp/zkcfg-schema-XXXXXX";

static const char relaxng[] =
	"<element name='app' xmlns='http://relaxng.org/ns/structure/1.0'\n"
	"  datatypeLibrary='http://www.w3.org/2001/XMLSchema-datatypes'>\n"
	"  <optional><attribute name='mode'><choice><value>fast</value><value>safe</value></choice>"
	"</attribute></optional>\n"
	"  <zeroOrMore><element name='port'>\n"
	"    <attribute name='name'/>\n"
	"    <data type='int'/>\n"
	"  </element></zeroOrMore>\n"
	"  <zeroOrMore><element name='host'><empty/></element></zeroOrMore>\n"
	"</element>\n";

static const char xsd[] =
	"<xs:schema xmlns:xs='http://www.w3.org/2001/XMLSchema'>\n"
	"  <xs:element name='app'><xs:complexType><xs:sequence>\n"
	"    <xs:element name='port' type='xs:int' maxOccurs='unbounded'/>\n"
	"  </xs:sequence><xs:attribute name='mode' type='xs:token'/></xs:complexType></xs:element>\n"
	"</xs:schema>\n";

/* The path of a file in the directory, in one of two turns. */
static const char *path_of(const char *name)
{
	static char paths[2][256];
	static int turn;

	turn = !turn;
	snprintf(paths[turn], sizeof(paths[turn]), "%s/%s", directory, name);
	return paths[turn];
}

static const char *put(const char *name, const char *text)
{
	const char *path = path_of(name);
	FILE *file = fopen(path, "w");

	ck_assert_ptr_nonnull(file);
	ck_assert_int_ge(fputs(text, file), 0);
	ck_assert_int_eq(fclose(file), 0);
	return path;
}

static struct xml_schema *load(const char *name, const char *text)
{
	struct xml_fault fault = { .line = 0 };
	struct xml_schema *schema = NULL;

	ck_assert_msg(xml_schema_load(put(name, text), &schema, &fault) == 0, "%u: %s", fault.line,
		      fault.reason);
	return schema;
}

static struct xml_fault load_refused(const char *name, const char *text)
{
	struct xml_schema *untouched = (void *)directory, *schema = untouched;
	struct xml_fault fault = { .line = 77, .column = 77 };

	ck_assert_int_eq(xml_schema_load(put(name, text), &schema, &fault), ZKCFG_EINVAL);
	ck_assert_ptr_eq(schema, untouched);
	return fault;
}

static void assert_valid(struct xml_schema *schema, const char *text)
{
	struct xml_fault fault = { .line = 0 };

	ck_assert_msg(xml_schema_check(schema, text, strlen(text), &fault) == 0, "%s: %s", text,
		      fault.reason);
}

static void assert_invalid(struct xml_schema *schema, const char *text, unsigned line, unsigned column,
			   const char *reason)
{
	struct xml_fault fault = { .line = 77, .column = 77 };

	ck_assert_int_eq(xml_schema_check(schema, text, strlen(text), &fault), ZKCFG_EINVAL);
	ck_assert_str_eq(fault.reason, reason);
	ck_assert_uint_eq(fault.line, line);
	ck_assert_uint_eq(fault.column, column);
}

START_TEST(relaxng_tells_good_from_bad_with_place_and_reason)
{
	struct xml_schema *schema = load("app.rng", relaxng);

	assert_valid(schema, "<app mode='fast'><port name='a'>80</port><host/></app>");
	assert_valid(schema, "<!DOCTYPE app SYSTEM 'nowhere.dtd'><app/>");
	assert_valid(schema, "<app><port name='a'><![CDATA[8]]>0<!-- c --></port></app>");
	assert_invalid(schema, "<app\n mode='fst'/>", 1, 1,
		       "element app: attribute mode=\"fst\" is not allowed here, or not with this value");
	assert_invalid(schema,
		       "<app>\n\t<port name='a'>80</port>\n\t<port\n\tname='b' x='&lt;'>80</port></app>", 3,
		       2, "element port: attribute x=\"<\" is not allowed here, or not with this value");
	assert_invalid(
		schema, "<app> <port>80</port></app>", 1, 7,
		"element port: its attributes are not as the schema wants them: one is missing, or has a "
		"value that is not allowed");
	assert_invalid(schema, "<app>\n<port name='a'>80</port>\n <prt/></app>", 3, 2,
		       "element prt is not allowed here");
	assert_invalid(schema, "<app><host/>\nsome text</app>", 1, 1,
		       "element app: text is not allowed here");
	assert_invalid(schema, "\n<ap/>", 2, 1, "expected element app, found element ap");
	xml_schema_free(schema);
}
END_TEST

START_TEST(relaxng_names_a_value_of_the_wrong_type)
{
	struct xml_schema *schema = load("app.rng", relaxng);
	const char *text = "<app>\n  <port name='a'>eighty</port></app>";
	struct xml_fault fault;

	ck_assert_int_eq(xml_schema_check(schema, text, strlen(text), &fault), ZKCFG_EINVAL);
	ck_assert_ptr_nonnull(strstr(fault.reason, "eighty"));
	ck_assert_uint_eq(fault.line, 2);
	ck_assert_uint_eq(fault.column, 3);
	xml_schema_free(schema);
}
END_TEST

START_TEST(xsd_tells_good_from_bad_with_place_and_reason)
{
	struct xml_schema *schema = load("app.xsd", xsd);

	assert_valid(schema, "<app mode='x'><port>80</port></app>");
	assert_invalid(schema, "<app>\n<port>80</port> <port>x</port></app>", 2, 17,
		       "Element 'port': 'x' is not a valid value of the atomic type 'xs:int'.");
	assert_invalid(schema, "<app>\n  <port>80</port>\n  <prt/>\n</app>", 3, 3,
		       "Element 'prt': This element is not expected. Expected is ( port ).");
	assert_invalid(schema, "<app mod='1'><port>80</port></app>", 1, 1,
		       "Element 'app', attribute 'mod': The attribute 'mod' is not allowed.");
	xml_schema_free(schema);
}
END_TEST

START_TEST(an_element_behind_line_65535_is_found)
{
	struct xml_schema *schema = load("app.rng", relaxng);
	size_t lines = 70000;
	char *text = malloc(lines + 64);

	strcpy(text, "<app>");
	memset(text + 5, '\n', lines);
	strcpy(text + 5 + lines, "  <prt/></app>");
	assert_invalid(schema, text, 70001, 3, "element prt is not allowed here");
	free(text);
	xml_schema_free(schema);
}
END_TEST

START_TEST(attributes_do_not_shift_the_place)
{
	struct xml_schema *schema = load("app.rng", relaxng);

	/* namespaces are no attributes, nor is what an internal subset declares as a default */
	assert_invalid(schema,
		       "<!DOCTYPE app [<!ATTLIST port extra CDATA 'x'>]>\n"
		       "<app mode='fast' xmlns:a='urn:a'><port name='1'>1</port><port name='2'>2</port>\n"
		       "<port name='3'>3</port><x/></app>",
		       3, 24, "element x is not allowed here");
	xml_schema_free(schema);
}
END_TEST

START_TEST(defaults_cost_nothing_for_each_element)
{
	struct xml_schema *schema = load("app.rng", relaxng);
	struct buffer text = { 0 };

	buffer_printf(&text, "<!DOCTYPE app [<!ATTLIST host");
	for (int i = 0; i < 4000; i++)
		buffer_printf(&text, " a%d CDATA ''", i);
	buffer_printf(&text, ">]><app>");
	for (int i = 0; i < 100000; i++)
		buffer_printf(&text, "<host/>");
	buffer_printf(&text, "</app>");
	buffer_append(&text, "", 1);
	assert_valid(schema, text.bytes);
	buffer_free(&text);
	xml_schema_free(schema);
}
END_TEST

START_TEST(a_schema_includes_from_its_own_directory)
{
	struct xml_schema *schema;

	ck_assert_int_eq(mkdir(path_of("part"), 0755), 0);
	put("part/port.rng",
	    "<element name='port' xmlns='http://relaxng.org/ns/structure/1.0'><text/></element>");
	schema = load("app.rng", "<element name='app' xmlns='http://relaxng.org/ns/structure/1.0'>"
				 "<externalRef href='part/port.rng'/></element>");
	assert_valid(schema, "<app><port>1</port></app>");
	assert_invalid(schema, "<app/>", 1, 1, "element app: an element is missing in it");
	xml_schema_free(schema);

	put("types.xsd", "<xs:schema xmlns:xs='http://www.w3.org/2001/XMLSchema'>"
			 "<xs:element name='app' type='xs:int'/></xs:schema>");
	schema = load("app.xsd", "<xs:schema xmlns:xs='http://www.w3.org/2001/XMLSchema'>"
				 "<xs:include schemaLocation='types.xsd'/></xs:schema>");
	assert_valid(schema, "<app>1</app>");
	xml_schema_free(schema);
}
END_TEST

START_TEST(a_schema_includes_nothing_from_elsewhere)
{
	struct xml_fault fault;
	char text[512];

	put("outside.rng",
	    "<element name='app' xmlns='http://relaxng.org/ns/structure/1.0'><text/></element>");
	ck_assert_int_eq(mkdir(path_of("inner"), 0755), 0);
	ck_assert_int_eq(symlink("../outside.rng", path_of("inner/link.rng")), 0);
	const char *const targets[] = { "../outside.rng", path_of("outside.rng"), "link.rng",
					"http://127.0.0.1:1/x.rng", "ftp://127.0.0.1:1/x.rng" };

	for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
		snprintf(text, sizeof(text),
			 "<grammar xmlns='http://relaxng.org/ns/structure/1.0'>\n<start>"
			 "<externalRef href='%s'/>"
			 "</start></grammar>",
			 targets[i]);
		fault = load_refused("inner/app.rng", text);
		ck_assert_msg(strstr(fault.reason, "load") != NULL, "%s: %s", targets[i], fault.reason);
	}
}
END_TEST

START_TEST(a_document_cannot_name_a_schema_of_its_own)
{
	struct xml_schema *schema = load("app.xsd", xsd);
	char text[512];

	put("evil.xsd", "<xs:schema xmlns:xs='http://www.w3.org/2001/XMLSchema' targetNamespace='urn:e'>"
			"<xs:element name='app'/></xs:schema>");
	snprintf(text, sizeof(text),
		 "<e:app xmlns:e='urn:e' xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance' "
		 "xsi:schemaLocation='urn:e %s'/>",
		 path_of("evil.xsd"));
	assert_invalid(
		schema, text, 1, 1,
		"Element '{urn:e}app': No matching global declaration available for the validation root.");
	xml_schema_free(schema);
}
END_TEST

START_TEST(nothing_can_be_opened_but_by_a_schema_that_is_loaded)
{
	struct xml_schema *schema = load("app.rng", relaxng);
	int options = XML_PARSE_NOERROR | XML_PARSE_NOWARNING;

	ck_assert_ptr_null(xmlReadFile(path_of("app.rng"), NULL, options));
	load_refused("bad.rng", "<a/>");
	ck_assert_ptr_null(xmlReadFile(path_of("app.rng"), NULL, options));
	xml_schema_free(schema);
}
END_TEST

START_TEST(a_bad_schema_is_refused_with_line_and_reason)
{
	struct xml_fault fault =
		load_refused("bad.rng", "<element name='a'\n xmlns='http://relaxng.org/ns/structure/1.0'>\n"
					"<elemnt name='b'/>\n</element>");

	ck_assert_uint_eq(fault.line, 3);
	ck_assert_ptr_nonnull(strstr(fault.reason, "elemnt"));
	ck_assert_ptr_null(strchr(fault.reason, '\n'));
	fault = load_refused("bad.rng", "<element\n<");
	ck_assert_uint_eq(fault.line, 2);
	fault = load_refused("bad.xsd", "<xs:schema xmlns:xs='http://www.w3.org/2001/XMLSchema'>\n\n"
					"<xs:element name='a' type='nonesuch'/></xs:schema>");
	ck_assert_uint_eq(fault.line, 3);
	ck_assert_ptr_nonnull(strstr(fault.reason, "nonesuch"));
	fault = load_refused("bad.rng", "<!-- c -->\n<a/>");
	ck_assert_uint_eq(fault.line, 2);
	ck_assert_ptr_nonnull(
		strstr(fault.reason, "expected namespace http://relaxng.org/ns/structure/1.0 or "));
	fault = load_refused("bad.rng", "");
	ck_assert_str_eq(fault.reason, "document is empty");
}
END_TEST

START_TEST(a_fault_in_an_included_file_names_that_file)
{
	struct xml_fault fault;

	put("part.rng",
	    "<element name='port'\n xmlns='http://relaxng.org/ns/structure/1.0'><txt/></element>");
	fault = load_refused("app.rng", "<element name='app' xmlns='http://relaxng.org/ns/structure/1.0'>"
					"<externalRef href='part.rng'/></element>");
	ck_assert_msg(strstr(fault.reason, "part.rng") != NULL, "%s", fault.reason);
}
END_TEST

START_TEST(a_missing_schema_is_refused_with_the_system_s_reason)
{
	struct xml_schema *schema = NULL;
	struct xml_fault fault;

	ck_assert_int_eq(xml_schema_load(path_of("none.rng"), &schema, &fault), ZKCFG_EINVAL);
	ck_assert_str_eq(fault.reason, "cannot be read: No such file or directory");
	ck_assert_uint_eq(fault.line, 0);
	ck_assert_ptr_null(schema);
}
END_TEST

START_TEST(a_schema_from_memory_includes_nothing)
{
	struct xml_schema *schema = NULL;
	struct xml_fault fault;
	char text[512];

	ck_assert_int_eq(xml_schema_parse(relaxng, strlen(relaxng), &schema, &fault), 0);
	assert_valid(schema, "<app/>");
	xml_schema_free(schema);
	put("part.rng", "<element name='port' xmlns='http://relaxng.org/ns/structure/1.0'><text/></element>");
	snprintf(text, sizeof(text),
		 "<element name='a' xmlns='http://relaxng.org/ns/structure/1.0'>"
		 "<externalRef href='%s'/></element>",
		 path_of("part.rng"));
	ck_assert_int_eq(xml_schema_parse(text, strlen(text), &schema, &fault), ZKCFG_EINVAL);
}
END_TEST

START_TEST(nothing_is_printed)
{
	struct xml_fault fault;
	struct xml_schema *schema;
	FILE *caught = tmpfile();
	int saved = dup(STDERR_FILENO);

	fflush(stderr);
	ck_assert_int_ge(dup2(fileno(caught), STDERR_FILENO), 0);
	load_refused("bad.rng", "<element><<&x;");
	load_refused("bad.xsd",
		     "<xs:schema xmlns:xs='http://www.w3.org/2001/XMLSchema'><xs:nix/></xs:schema>");
	xml_schema_load(path_of("none.rng"), &schema, &fault);
	schema = load("app.rng", relaxng);
	assert_invalid(schema, "<x/>", 1, 1, "expected element app, found element x");
	xml_schema_free(schema);
	fflush(stderr);
	ck_assert_int_ge(dup2(saved, STDERR_FILENO), 0);
	ck_assert_int_eq(lseek(fileno(caught), 0, SEEK_END), 0);
	fclose(caught);
	close(saved);
}
END_TEST

static void set_up(void)
{
	strcpy(directory + strlen(directory) - 6, "XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(directory));
	xml_start();
}

static void tear_down(void)
{
	char command[256];

	snprintf(command, sizeof(command), "rm -rf '%s'", directory);
	ck_assert_int_eq(system(command), 0);
}

int main(void)
{
	Suite *suite = suite_create("xml/schema");
	TCase *cases = tcase_create("schema");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(cases, set_up, tear_down);
	tcase_set_timeout(cases, 60);
	tcase_add_test(cases, relaxng_tells_good_from_bad_with_place_and_reason);
	tcase_add_test(cases, relaxng_names_a_value_of_the_wrong_type);
	tcase_add_test(cases, xsd_tells_good_from_bad_with_place_and_reason);
	tcase_add_test(cases, an_element_behind_line_65535_is_found);
	tcase_add_test(cases, attributes_do_not_shift_the_place);
	tcase_add_test(cases, defaults_cost_nothing_for_each_element);
	tcase_add_test(cases, a_schema_includes_from_its_own_directory);
	tcase_add_test(cases, a_schema_includes_nothing_from_elsewhere);
	tcase_add_test(cases, a_document_cannot_name_a_schema_of_its_own);
	tcase_add_test(cases, nothing_can_be_opened_but_by_a_schema_that_is_loaded);
	tcase_add_test(cases, a_bad_schema_is_refused_with_line_and_reason);
	tcase_add_test(cases, a_fault_in_an_included_file_names_that_file);
	tcase_add_test(cases, a_missing_schema_is_refused_with_the_system_s_reason);
	tcase_add_test(cases, a_schema_from_memory_includes_nothing);
	tcase_add_test(cases, nothing_is_printed);
	suite_add_tcase(suite, cases);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
