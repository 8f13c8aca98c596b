/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/config.h"

#include <check.h>
#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SOURCE "source='zk://127.0.0.1:2181/config/app'"
#define SET "<set name='app' " SOURCE

#define SOURCE_4 \
	"<source uri='zk://h/a'/><source uri='zk://h/a'/><source uri='zk://h/a'/><source uri='zk://h/a'/>"
#define SOURCE_16 SOURCE_4 SOURCE_4 SOURCE_4 SOURCE_4
#define SOURCES(sources) "<zkcfgd><set name='app'>\n  " sources "</set></zkcfgd>"

static char directory[] = "/tmp/zkcfg-config-XXXXXX";

/* Beside the test's working directory, so that FILE in a message is as short as it is written. */
static void put(const char *name, const char *text)
{
	FILE *file = fopen(name, "w");

	ck_assert_ptr_nonnull(file);
	ck_assert_int_ge(fputs(text, file), 0);
	ck_assert_int_eq(fclose(file), 0);
}

static struct config load(const char *text)
{
	struct config config = { .shm_dir = NULL };
	struct message message = { "" };

	put("zkcfgd.xml", text);
	ck_assert_msg(config_load("zkcfgd.xml", &config, &message) == 0, "%s", message.text);
	ck_assert_str_eq(message.text, "");
	return config;
}

static const char *refused(const char *text)
{
	static struct message message;
	struct config config = { .shm_dir = NULL };

	put("zkcfgd.xml", text);
	ck_assert_int_eq(config_load("zkcfgd.xml", &config, &message), -EINVAL);
	ck_assert_ptr_null(config.sets);
	ck_assert_ptr_null(config.shm_dir);
	return message.text;
}

static void assert_begins(const char *text, const char *begin)
{
	ck_assert_msg(strncmp(text, begin, strlen(begin)) == 0, "\"%s\" does not begin with \"%s\"", text,
		      begin);
	ck_assert_msg(strlen(text) > strlen(begin), "\"%s\" says no reason", text);
}

static const char *in_directory(const char *name)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	return path;
}

START_TEST(an_empty_configuration_says_nothing)
{
	struct config config = load("<zkcfgd/>");

	ck_assert_ptr_null(config.shm_dir);
	ck_assert_ptr_null(config.state_dir);
	ck_assert(!config.log_level_given);
	ck_assert_uint_eq(config.set_count, 0);
	config_free(&config);
}
END_TEST

START_TEST(a_set_has_defaults)
{
	struct config config = load("<zkcfgd>" SET "/></zkcfgd>");
	const struct config_set *set = &config.sets[0];

	ck_assert_uint_eq(config.set_count, 1);
	ck_assert_str_eq(set->name, "app");
	ck_assert_str_eq(set->source, "zk://127.0.0.1:2181/config/app");
	ck_assert_ptr_null(set->schema);
	ck_assert_int_eq(set->on_delete, CONFIG_HOLD);
	ck_assert_int_eq(set->debounce_min_ms, 0);
	ck_assert_int_eq(set->debounce_max_ms, 0);
	ck_assert_uint_eq(set->mode, 0644);
	ck_assert(set->group == (gid_t)-1);
	ck_assert_int_eq(memcmp(&set->limits, &xml_limits_default, sizeof(set->limits)), 0);
	config_free(&config);
}
END_TEST

START_TEST(everything_that_is_said_is_read)
{
	const struct group *group = getgrgid(0);
	struct config config;
	char text[1024];

	put("app.rng", "<element name='app' xmlns='http://relaxng.org/ns/structure/1.0'><text/></element>");
	snprintf(text, sizeof(text),
		 "<zkcfgd shm-dir='/dev/shm/x' state-dir='state' log-level='debug'>"
		 "<set name='a.b_c-1' " SOURCE " on-delete='remove' commit-marker='release/marker' schema='app.rng' mode='0640' group='%s'>"
		 "<limits document='1M' depth='64' elements='1000' attributes='16' value='64k'/>"
		 "<debounce min='50ms' max='1.5s'/></set>" SET
		 " mode='600' group='4711' on-delete='hold'/></zkcfgd>",
		 group->gr_name);
	config = load(text);
	ck_assert_str_eq(config.shm_dir, "/dev/shm/x");
	ck_assert_str_eq(config.state_dir, in_directory("state"));
	ck_assert(config.log_level_given);
	ck_assert_int_eq(config.log_level, LOG_LEVEL_DEBUG);
	ck_assert_uint_eq(config.set_count, 2);
	ck_assert_str_eq(config.sets[0].name, "a.b_c-1");
	ck_assert_str_eq(config.sets[0].schema, in_directory("app.rng"));
	ck_assert_int_eq(config.sets[0].on_delete, CONFIG_REMOVE);
	ck_assert_str_eq(config.sets[0].commit_marker, "release/marker");
	ck_assert_ptr_null(config.sets[1].commit_marker);
	ck_assert_uint_eq(config.sets[0].mode, 0640);
	ck_assert_uint_eq(config.sets[0].group, 0);
	ck_assert_int_eq(config.sets[0].debounce_min_ms, 50);
	ck_assert_int_eq(config.sets[0].debounce_max_ms, 1500);
	ck_assert_uint_eq(config.sets[0].limits.document_bytes, 1048576);
	ck_assert_uint_eq(config.sets[0].limits.depth, 64);
	ck_assert_uint_eq(config.sets[0].limits.elements, 1000);
	ck_assert_uint_eq(config.sets[0].limits.attributes, 16);
	ck_assert_uint_eq(config.sets[0].limits.value_bytes, 65536);
	ck_assert_uint_eq(config.sets[1].mode, 0600);
	ck_assert_uint_eq(config.sets[1].group, 4711);
	ck_assert_uint_eq(config.sets[1].limits.depth, xml_limits_default.depth);
	config_free(&config);
}
END_TEST

START_TEST(several_sources_are_read_in_their_order)
{
	struct config config = load("<zkcfgd><set name='app'><source uri='zk://h/base'/><debounce min='1s'/>"
				    "<source uri='zk://h/spare' fallback='yes'/>"
				    "<source uri='zk://h/host' fallback='no'/></set></zkcfgd>");
	const struct config_set *set = &config.sets[0];

	ck_assert_ptr_null(set->source);
	ck_assert_uint_eq(set->source_count, 3);
	ck_assert_int_eq(set->merge, CONFIG_MERGE_DOCUMENTS);
	ck_assert_str_eq(set->sources[0].uri, "zk://h/base");
	ck_assert(!set->sources[0].is_fallback);
	ck_assert_str_eq(set->sources[1].uri, "zk://h/spare");
	ck_assert(set->sources[1].is_fallback);
	ck_assert_str_eq(set->sources[2].uri, "zk://h/host");
	ck_assert(!set->sources[2].is_fallback);
	config_free(&config);
	config = load("<zkcfgd><set name='app' merge='paths'>" SOURCE_16 "</set>"
		      "<set name='b' merge='documents' " SOURCE "/></zkcfgd>");
	ck_assert_uint_eq(config.sets[0].source_count, 16);
	ck_assert_int_eq(config.sets[0].merge, CONFIG_MERGE_PATHS);
	ck_assert_int_eq(config.sets[1].merge, CONFIG_MERGE_DOCUMENTS);
	config_free(&config);
}
END_TEST

START_TEST(variables_of_a_uri_are_put_in)
{
	char host[256], expected[600];
	struct config config;
	struct message message;

	ck_assert_int_eq(gethostname(host, sizeof(host)), 0);
	ck_assert_int_eq(setenv("ZKCFG_TEST_ROOM", "h1,h2", 1), 0);
	config = load("<zkcfgd><set name='app' source='zk://${env:ZKCFG_TEST_ROOM}/$$a/${host}'/></zkcfgd>");
	snprintf(expected, sizeof(expected), "zk://h1,h2/$a/%s", host);
	ck_assert_str_eq(config.sets[0].source, expected);
	ck_assert_int_eq(config_add_set(&config, "b=zk://h/${host}", &message), 0);
	snprintf(expected, sizeof(expected), "zk://h/%s", host);
	ck_assert_str_eq(config.sets[1].source, expected);
	ck_assert_int_eq(config_add_set(&config, "c=zk://h/${env:ZKCFG_TEST_UNSET}", &message), -EINVAL);
	ck_assert_str_eq(message.text, "--set c=zk://h/${env:ZKCFG_TEST_UNSET}: ${env:ZKCFG_TEST_UNSET}: the "
				       "environment variable ZKCFG_TEST_UNSET is not set");
	config_free(&config);
}
END_TEST

START_TEST(limits_may_be_as_large_as_they_get)
{
	struct config config = load(
		"<zkcfgd>" SET "><limits document='256M' depth='256' elements='100000000' attributes='10000' "
		"value='10000000'/><debounce min='24h' max='24h'/></set></zkcfgd>");

	ck_assert_uint_eq(config.sets[0].limits.document_bytes, 268435456);
	ck_assert_uint_eq(config.sets[0].limits.depth, XML_DEPTH_LIMIT);
	ck_assert_int_eq(config.sets[0].debounce_min_ms, 86400000);
	config_free(&config);
}
END_TEST

START_TEST(relative_paths_are_of_the_files_directory)
{
	struct config config = { .shm_dir = NULL };
	struct message message;

	ck_assert_int_eq(mkdir("etc", 0755), 0);
	put("etc/app.rng",
	    "<element name='app' xmlns='http://relaxng.org/ns/structure/1.0'><text/></element>");
	put("etc/zkcfgd.xml",
	    "<zkcfgd shm-dir='shm' state-dir='../state'>" SET " schema='app.rng'/></zkcfgd>");
	ck_assert_int_eq(config_load("etc/zkcfgd.xml", &config, &message), 0);
	ck_assert_str_eq(config.shm_dir, in_directory("etc/shm"));
	ck_assert_str_eq(config.state_dir, in_directory("etc/../state"));
	ck_assert_str_eq(config.sets[0].schema, in_directory("etc/app.rng"));
	config_free(&config);
}
END_TEST

#define AT "zkcfgd.xml:2:3: "
#define SET_AT(attributes) "<zkcfgd>\n  <set " attributes "/></zkcfgd>"
#define MARKER_32 "a-rather-long-name-of-a-marker.."
#define MARKER_256 MARKER_32 MARKER_32 MARKER_32 MARKER_32 MARKER_32 MARKER_32 MARKER_32 MARKER_32
#define NAMED(attributes) SET_AT("name='app' " SOURCE " " attributes)
#define WITH(part) "<zkcfgd>" SET ">\n  " part "</set></zkcfgd>"

static const struct {
	const char *text;
	const char *message;
} mistakes[] = {
	/* not XML, or another one */
	{ "", "zkcfgd.xml: document is empty" },
	{ "<zkcfgd>\n  <set>\n</zkcfgd>",
	  "zkcfgd.xml:3:10: Opening and ending tag mismatch: set line 2 and zkcfgd" },
	{ "<!DOCTYPE zkcfgd [<!ENTITY a 'b'>]>\n<zkcfgd/>",
	  "zkcfgd.xml:1:19: the DOCTYPE declares the entity \"a\": entities are not allowed" },
	{ "\n<config/>", "zkcfgd.xml:2:1: the root element is config, expected zkcfgd" },
	/* the root element */
	{ "<zkcfgd shmdir='/x'/>",
	  "zkcfgd.xml:1:1: element zkcfgd: attribute shmdir is not known, expected one of "
	  "shm-dir, state-dir, log-level, listen, listen-allow-reload, control-group" },
	{ "<zkcfgd shm-dir=''/>", "zkcfgd.xml:1:1: element zkcfgd: attribute shm-dir=\"\": expected a path" },
	{ "<zkcfgd state-dir=''/>",
	  "zkcfgd.xml:1:1: element zkcfgd: attribute state-dir=\"\": expected a path" },
	{ "<zkcfgd log-level='loud'/>",
	  "zkcfgd.xml:1:1: element zkcfgd: attribute log-level=\"loud\": expected error, "
	  "warning, notice, info or debug" },
	/* elements and text where none belong */
	{ "<zkcfgd>\n  <sett/></zkcfgd>", AT "element sett is not allowed here" },
	{ "<zkcfgd>\n  <debounce min='1s'/></zkcfgd>", AT "element debounce is not allowed here" },
	{ "<zkcfgd>\n  <x><debounce min='1s'/></x></zkcfgd>", AT "element x is not allowed here" },
	{ "<zkcfgd>" SET "/>\n  <x><debounce min='x'/></x></zkcfgd>", AT "element x is not allowed here" },
	{ "<zkcfgd>\n  <set " SOURCE "/><set name='b' " SOURCE "/></zkcfgd>",
	  AT "element set: attribute \"name\" is missing, expected for example name=\"app\"" },
	{ "<zkcfgd>\n\nset</zkcfgd>", "zkcfgd.xml:1:1: element zkcfgd: text is not allowed here" },
	{ WITH("<debonce min='1s'/>"), AT "element debonce is not allowed here" },
	{ WITH("<x/><x/>"), AT "element x is not allowed here" },
	{ WITH("<set name='b' source='zk://h:1/x'/>"), AT "element set is not allowed here" },
	{ WITH("<limits>1</limits>"), AT "element limits: text is not allowed here" },
	{ WITH("<limits/><limits/>"), "zkcfgd.xml:2:12: element limits is there twice in one set" },
	{ WITH("<debounce/><limits/><debounce/>"),
	  "zkcfgd.xml:2:23: element debounce is there twice in one set" },
	/* a set's attributes */
	{ SET_AT(SOURCE),
	  AT "element set: attribute \"name\" is missing, expected for example name=\"app\"" },
	{ SET_AT("name='app'"), AT "element set: attribute \"source\" is missing, expected for example "
				   "source=\"zk://host:2181/config/app\"" },
	{ SET_AT("nmae='app' " SOURCE),
	  AT "element set: attribute nmae is not known, expected one of name, source, "
	     "merge, schema, on-delete, commit-marker, mode, group" },
	{ SET_AT("name='' " SOURCE),
	  AT "element set: attribute name=\"\": expected a name of at most 64 letters, "
	     "digits, '.', '_' and '-', with no '.' first" },
	{ SET_AT("name='.app' " SOURCE),
	  AT "element set: attribute name=\".app\": expected a name of at most 64 "
	     "letters, digits, '.', '_' and '-', with no '.' first" },
	{ SET_AT("name='a/b' " SOURCE),
	  AT "element set: attribute name=\"a/b\": expected a name of at most 64 "
	     "letters, digits, '.', '_' and '-', with no '.' first" },
	{ "<zkcfgd>" SET "/>\n  " SET "/></zkcfgd>",
	  AT "element set: attribute name=\"app\": there is a set of this name already" },
	{ NAMED("on-delete='keep'"),
	  AT "element set: attribute on-delete=\"keep\": expected hold or remove" },
	{ NAMED("commit-marker=''"),
	  AT "element set: attribute commit-marker=\"\": expected a path below the set's root, without "
	     "'/' first or last, as commit or release/marker" },
	{ NAMED("commit-marker='/a'"),
	  AT "element set: attribute commit-marker=\"/a\": expected a path below the set's root, without "
	     "'/' first or last, as commit or release/marker" },
	{ NAMED("commit-marker='a/'"),
	  AT "element set: attribute commit-marker=\"a/\": expected a path below the set's root, without "
	     "'/' first or last, as commit or release/marker" },
	{ NAMED("commit-marker='a//b'"),
	  AT "element set: attribute commit-marker=\"a//b\": expected a path below the set's root, without "
	     "'/' first or last, as commit or release/marker" },
	{ NAMED("commit-marker='" MARKER_256 "'"),
	  AT "element set: attribute commit-marker has 256 bytes, expected at most 255" },
	{ NAMED("group='no-such-group'"),
	  AT "element set: attribute group=\"no-such-group\": there is no such group: "
	     "expected a name of group(5), or a number" },
	{ NAMED("group='4294967295'"),
	  AT "element set: attribute group=\"4294967295\": there is no such group: "
	     "expected a name of group(5), or a number" },
	{ NAMED("mode='rw-r-----'"),
	  AT "element set: attribute mode=\"rw-r-----\": expected an octal mode of files, "
	     "as 0640" },
	{ NAMED("mode='64'"),
	  AT "element set: attribute mode=\"64\": expected an octal mode of files, as 0640" },
	{ NAMED("mode='4644'"),
	  AT "element set: attribute mode=\"4644\": expected an octal mode of files, as 0640" },
	{ NAMED("mode='0660'"),
	  AT "element set: attribute mode=\"0660\": readers refuse what others than its owner may "
	     "write: expected for example 0644 or 0640" },
	{ NAMED("mode='0646'"),
	  AT "element set: attribute mode=\"0646\": readers refuse what others than its owner may "
	     "write: expected for example 0644 or 0640" },
	{ NAMED("mode='0440'"),
	  AT "element set: attribute mode=\"0440\": expected that its owner may read and write, "
	     "and nobody execute, as 0640" },
	{ NAMED("mode='0750'"),
	  AT "element set: attribute mode=\"0750\": expected that its owner may read and write, "
	     "and nobody execute, as 0640" },
	{ NAMED("schema=''"), AT "element set: attribute schema=\"\": expected a path" },
	{ NAMED("schema='none.rng'"),
	  AT "element set: attribute schema=\"none.rng\": cannot be read: No such file or "
	     "directory" },
	/* parts of a set */
	{ WITH("<debounce min='5'/>"),
	  AT "element debounce: attribute min=\"5\": expected a duration, as 50ms, 2s or 1m" },
	{ WITH("<debounce max='x'/>"),
	  AT "element debounce: attribute max=\"x\": expected a duration, as 50ms, 2s or 1m" },
	{ WITH("<debounce min='-1s'/>"),
	  AT "element debounce: attribute min=\"-1s\": expected a duration, as 50ms, 2s or 1m" },
	{ WITH("<debounce max='24.1h'/>"),
	  AT "element debounce: attribute max=\"24.1h\": expected at most 24h" },
	{ WITH("<debounce max='1e300h'/>"),
	  AT "element debounce: attribute max=\"1e300h\": expected at most 24h" },
	{ WITH("<debounce max='0'/>"), AT "element debounce: attribute max=\"0\": expected more than 0" },
	{ WITH("<debounce mix='1s'/>"),
	  AT "element debounce: attribute mix is not known, expected one of min, max" },
	{ "<zkcfgd>\n  " SET "><debounce min='2s' max='1s'/></set></zkcfgd>",
	  AT "element set: debounce min (2000 ms) is above max (1000 ms)" },
	{ "<zkcfgd>\n  " SET "><debounce min='2s'/></set></zkcfgd>",
	  AT "element set: debounce min (2000 ms) is above max (1000 ms where none is given)" },
	{ WITH("<limits document='big'/>"),
	  AT "element limits: attribute document=\"big\": expected a size, as 1000, 64k or 1M" },
	{ WITH("<limits document='0'/>"),
	  AT "element limits: attribute document=\"0\": expected 1 to 268435456 bytes" },
	{ WITH("<limits document='257M'/>"),
	  AT "element limits: attribute document=\"257M\": expected 1 to 268435456 bytes" },
	{ WITH("<limits depth='0'/>"),
	  AT "element limits: attribute depth=\"0\": expected a number from 1 to 256" },
	{ WITH("<limits depth='257'/>"),
	  AT "element limits: attribute depth=\"257\": expected a number from 1 to 256" },
	{ WITH("<limits elements='1k'/>"),
	  AT "element limits: attribute elements=\"1k\": expected a number from 1 to 100000000" },
	{ WITH("<limits attributes='10001'/>"),
	  AT "element limits: attribute attributes=\"10001\": expected a number from 1 to 10000" },
	{ WITH("<limits value='10M'/>"),
	  AT "element limits: attribute value=\"10M\": expected 1 to 10000000 bytes" },
	/* several sources */
	{ SOURCES("<source uri='zk://h/a'/>"),
	  AT "element source: there is only one, expected 2 to 16, or the attribute source of the set" },
	{ SOURCES("<source/><source uri='zk://h/a'/>"),
	  AT "element source: attribute \"uri\" is missing, expected for example "
	     "uri=\"zk://host:2181/config/app\"" },
	{ SOURCES("<source uri='zk://h/a' fallback='yes'/><source uri='zk://h/b'/>"),
	  AT "element source: attribute fallback=\"yes\": there is no source before it, whose fallback it "
	     "could be" },
	{ SOURCES("<source uri='zk://h/a' fallback='1'/><source uri='zk://h/b'/>"),
	  AT "element source: attribute fallback=\"1\": expected yes or no" },
	{ SOURCES("<source url='zk://h/a'/><source uri='zk://h/b'/>"),
	  AT "element source: attribute url is not known, expected one of uri, fallback" },
	{ SOURCES("<source uri='zk://h/a'>x</source><source uri='zk://h/b'/>"),
	  AT "element source: text is not allowed here" },
	{ SOURCES(SOURCE_16 "<source uri='zk://h/a'/>"),
	  "zkcfgd.xml:2:387: element source: expected at most 16 in a set" },
	{ WITH("<source uri='zk://h/a'/><source uri='zk://h/b'/>"),
	  AT "element source: the set has the attribute source already, expected that or elements" },
	{ "<zkcfgd>\n  <set name='app' commit-marker='m'>" SOURCE_4 "</set></zkcfgd>",
	  AT "element set: attribute commit-marker is not for a set of several sources: their revisions "
	     "cannot be compared" },
	{ SET_AT("name='app' merge='all' " SOURCE),
	  AT "element set: attribute merge=\"all\": expected documents or paths" },
	{ SET_AT("name='app' merge='paths' " SOURCE),
	  AT "element set: attribute merge=\"paths\" is for a set of several sources: there is one, expected "
	     "elements source" },
	/* variables */
	{ SET_AT("name='app' source='zk://h/${env:ZKCFG_TEST_UNSET}'"),
	  AT "element set: attribute source=\"zk://h/${env:ZKCFG_TEST_UNSET}\": ${env:ZKCFG_TEST_UNSET}: the "
	     "environment variable ZKCFG_TEST_UNSET is not set" },
	{ SET_AT("name='app' source='zk://h/${hots}'"),
	  AT "element set: attribute source=\"zk://h/${hots}\": there is no variable \"hots\": expected "
	     "${host}, ${env:NAME}, or $$ for a dollar" },
	{ SET_AT("name='app' source='zk://h/${host'"),
	  AT "element set: attribute source=\"zk://h/${host\": '$' at \"${host\": expected ${host}, "
	     "${env:NAME}, or $$ for a dollar" },
	{ SOURCES("<source uri='zk://h/$'/><source uri='zk://h/b'/>"),
	  AT "element source: attribute uri=\"zk://h/$\": '$' at \"$\": expected ${host}, ${env:NAME}, or $$ "
	     "for a dollar" },
	{ WITH("<limits size='1'/>"),
	  AT "element limits: attribute size is not known, expected one of document, depth, "
	     "elements, attributes, value" },
};

START_TEST(a_mistake_is_told_with_file_line_column_and_what_was_expected)
{
	ck_assert_str_eq(refused(mistakes[_i].text), mistakes[_i].message);
}
END_TEST

START_TEST(a_name_may_have_64_characters_and_no_more)
{
	char text[256], name[66];
	struct config config;

	memset(name, 'n', sizeof(name));
	snprintf(text, sizeof(text), "<zkcfgd><set name='%.64s' " SOURCE "/></zkcfgd>", name);
	config = load(text);
	ck_assert_uint_eq(strlen(config.sets[0].name), 64);
	config_free(&config);
	snprintf(text, sizeof(text), "<zkcfgd><set name='%.65s' " SOURCE "/></zkcfgd>", name);
	ck_assert_ptr_nonnull(strstr(refused(text), "at most 64"));
}
END_TEST

START_TEST(a_source_that_nobody_takes_is_told_with_its_reason)
{
	assert_begins(refused(SET_AT("name='app' source='/config/app'")),
		      AT "element set: attribute source=\"/config/app\": ");
	assert_begins(refused(SET_AT("name='app' source='nix://x'")),
		      AT "element set: attribute source=\"nix://x\": ");
	assert_begins(refused(SET_AT("name='app' source='zk://'")),
		      AT "element set: attribute source=\"zk://\": ");
}
END_TEST

START_TEST(a_bad_schema_is_told_with_its_own_line)
{
	put("bad.rng", "<element name='a'\n xmlns='http://relaxng.org/ns/structure/1.0'>\n<nix/></element>");
	assert_begins(refused(NAMED("schema='bad.rng'")),
		      AT "element set: attribute schema=\"bad.rng\": line 3: ");
}
END_TEST

START_TEST(a_file_that_cannot_be_read_is_told_with_the_systems_reason)
{
	struct config config = { .shm_dir = NULL };
	struct message message;
	FILE *file;

	ck_assert_int_eq(config_load("none.xml", &config, &message), -ENOENT);
	ck_assert_str_eq(message.text, "none.xml: cannot be read: No such file or directory");
	ck_assert_int_eq(config_load(directory, &config, &message), -EISDIR);
	file = fopen("large.xml", "w");
	ck_assert_int_eq(fprintf(file, "<zkcfgd>%*s</zkcfgd>", 1 << 20, ""), (1 << 20) + 17);
	fclose(file);
	ck_assert_int_eq(config_load("large.xml", &config, &message), -EFBIG);
	ck_assert_str_eq(message.text,
			 "large.xml: has more than 1048576 bytes, the limit of a configuration");
}
END_TEST

START_TEST(the_example_is_a_good_one)
{
	const char *top = getenv("srcdir");
	struct config config = { .shm_dir = NULL };
	struct message message = { "" };
	char path[512];

	snprintf(path, sizeof(path), "%s/docs/examples/zkcfgd.xml", top ? top : ".");
	ck_assert_msg(config_load(path, &config, &message) == 0, "%s", message.text);
	ck_assert_uint_eq(config.set_count, 4);
	config_free(&config);
}
END_TEST

START_TEST(a_set_is_added_by_option)
{
	struct config config = { .shm_dir = NULL };
	struct message message;

	ck_assert_int_eq(
		config_add_set(&config, "app=zk://127.0.0.1:2181/a?session_timeout_ms=5000", &message), 0);
	ck_assert_int_eq(config_add_set(&config, "b=zk://127.0.0.1:2181/b", &message), 0);
	ck_assert_uint_eq(config.set_count, 2);
	ck_assert_str_eq(config.sets[0].name, "app");
	ck_assert_str_eq(config.sets[0].source, "zk://127.0.0.1:2181/a?session_timeout_ms=5000");
	ck_assert_str_eq(config.sets[1].name, "b");
	ck_assert_uint_eq(config.sets[1].mode, 0644);
	ck_assert(config.sets[1].group == (gid_t)-1);
	ck_assert_uint_eq(config.sets[1].limits.depth, xml_limits_default.depth);
	config_free(&config);
	ck_assert_ptr_null(config.sets);
}
END_TEST

START_TEST(an_option_is_added_to_what_a_file_says)
{
	struct config config = load("<zkcfgd>" SET "/></zkcfgd>");
	struct message message;

	ck_assert_int_eq(config_add_set(&config, "app=zk://127.0.0.1:2181/a", &message), -EINVAL);
	ck_assert_str_eq(message.text,
			 "--set app=zk://127.0.0.1:2181/a: there is a set of this name already");
	ck_assert_int_eq(config_add_set(&config, "b=zk://127.0.0.1:2181/b", &message), 0);
	ck_assert_uint_eq(config.set_count, 2);
	config_free(&config);
}
END_TEST

static const struct {
	const char *option;
	const char *message; /* its beginning */
} bad_options[] = {
	{ "", "--set : expected NAME=URI, for example app=zk://host:2181/config/app" },
	{ "app", "--set app: expected NAME=URI, for example app=zk://host:2181/config/app" },
	{ "app=", "--set app=: expected NAME=URI, for example app=zk://host:2181/config/app" },
	{ "=zk://h:1/a", "--set =zk://h:1/a: expected NAME=URI, for example app=zk://host:2181/config/app" },
	{ "zk://h:1/a?b=c",
	  "--set zk://h:1/a?b=c: expected a name of at most 64 letters, digits, '.', '_' and '-', with "
	  "no '.' first" },
	{ "app=nix://x", "--set app=nix://x: " },
	{ "app=zk://", "--set app=zk://: " },
};

START_TEST(a_bad_option_is_told_with_what_was_expected)
{
	struct config config = { .shm_dir = NULL };
	struct message message;
	size_t length = strlen(bad_options[_i].message);

	ck_assert_int_eq(config_add_set(&config, bad_options[_i].option, &message), -EINVAL);
	if (bad_options[_i].message[length - 1] == ' ')
		assert_begins(message.text, bad_options[_i].message);
	else
		ck_assert_str_eq(message.text, bad_options[_i].message);
	ck_assert_uint_eq(config.set_count, 0);
	config_free(&config);
}
END_TEST

static char *start_directory;

static void set_up(void)
{
	strcpy(directory + strlen(directory) - 6, "XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(directory));
	ck_assert_int_eq(chdir(directory), 0);
	xml_start();
}

static void tear_down(void)
{
	char command[256];

	ck_assert_int_eq(chdir(start_directory), 0);
	snprintf(command, sizeof(command), "rm -rf '%s'", directory);
	ck_assert_int_eq(system(command), 0);
}

int main(void)
{
	Suite *suite = suite_create("daemon/config");
	TCase *cases = tcase_create("config"), *outside = tcase_create("outside");
	SRunner *runner = srunner_create(suite);
	int failed;

	start_directory = getcwd(NULL, 0);
	tcase_add_checked_fixture(cases, set_up, tear_down);
	tcase_set_timeout(cases, 60);
	tcase_add_test(cases, an_empty_configuration_says_nothing);
	tcase_add_test(cases, a_set_has_defaults);
	tcase_add_test(cases, everything_that_is_said_is_read);
	tcase_add_test(cases, several_sources_are_read_in_their_order);
	tcase_add_test(cases, variables_of_a_uri_are_put_in);
	tcase_add_test(cases, limits_may_be_as_large_as_they_get);
	tcase_add_test(cases, relative_paths_are_of_the_files_directory);
	tcase_add_loop_test(cases, a_mistake_is_told_with_file_line_column_and_what_was_expected, 0,
			    sizeof(mistakes) / sizeof(mistakes[0]));
	tcase_add_test(cases, a_name_may_have_64_characters_and_no_more);
	tcase_add_test(cases, a_source_that_nobody_takes_is_told_with_its_reason);
	tcase_add_test(cases, a_bad_schema_is_told_with_its_own_line);
	tcase_add_test(cases, a_file_that_cannot_be_read_is_told_with_the_systems_reason);
	tcase_add_test(cases, a_set_is_added_by_option);
	tcase_add_test(cases, an_option_is_added_to_what_a_file_says);
	tcase_add_loop_test(cases, a_bad_option_is_told_with_what_was_expected, 0,
			    sizeof(bad_options) / sizeof(bad_options[0]));
	suite_add_tcase(suite, cases);
	tcase_add_test(outside, the_example_is_a_good_one);
	suite_add_tcase(suite, outside);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	free(start_directory);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
