/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/config_hook.h"

#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "support/segment_host.h"
#include "xml/compile.h"

static char directory[64], path[96];
static struct config config;
static struct message message;

static void start(void)
{
	xml_start();
	strcpy(directory, "/tmp/zkcfg-config-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/zkcfgd.xml", directory);
}

static void stop(void)
{
	config_free(&config);
	segment_host_remove(directory);
}

static void put(const char *name, const char *text)
{
	char at[128];
	FILE *file;

	snprintf(at, sizeof(at), "%s/%s", directory, name);
	file = fopen(at, "w");
	ck_assert_ptr_nonnull(file);
	fputs(text, file);
	ck_assert_int_eq(fclose(file), 0);
}

/* The hook begins at line 3, column 1. */
static int load(const char *hooks)
{
	char text[4096];

	snprintf(text, sizeof(text),
		 "<zkcfgd>\n<set name=\"app\" source=\"file:///tmp/none\">\n%s\n</set></zkcfgd>", hooks);
	put("zkcfgd.xml", text);
	return config_load(path, &config, &message);
}

static void refuse(const char *hooks, const char *expected)
{
	char whole[700];

	ck_assert_int_eq(load(hooks), -EINVAL);
	snprintf(whole, sizeof(whole), "%s:%s", path, expected);
	ck_assert_msg(strncmp(message.text, whole, strlen(whole)) == 0, "expected %s, got %s", whole,
		      message.text);
}

START_TEST(hook_with_everything_is_read)
{
	const struct hook_config *hook;
	char expected[128];

	put("s.xsl", "<xsl:stylesheet version='1.0' xmlns:xsl='http://www.w3.org/1999/XSL/Transform'/>");
	ck_assert_msg(
		load("<hook name=\"nginx\" user=\"root\" shell=\"no\" limit=\"5s\" splay=\"2s\">"
		     "<watch document=\"a.xml\"/><watch document=\"b/*.xml\" path=\"/b/c\"/>"
		     "<render stylesheet=\"s.xsl\" file=\"/x/y.conf\" owner=\"root\" group=\"4711\" mode=\"0640\"/>"
		     "<render document=\"a.xml\" file=\"z.xml\"/>"
		     "<check command=\"nginx -t -c {}\"/><action command=\"nginx -s reload\"/>"
		     "<debounce min=\"50ms\" max=\"3s\"/><retry min=\"2s\" max=\"20s\"/>"
		     "<environment name=\"A\" value=\"1\"/><environment name=\"B\" value=\"\"/></hook>") == 0,
		"%s", message.text);
	ck_assert_uint_eq(config.sets[0].hook_count, 1);
	hook = &config.sets[0].hooks[0];
	ck_assert_str_eq(hook->name, "nginx");
	ck_assert_str_eq(hook->set, "app");
	ck_assert_str_eq(hook->run_as, "root");
	ck_assert(!hook->is_shell);
	ck_assert_int_eq(hook->limit_ms, 5000);
	ck_assert_int_eq(hook->splay_ms, 2000);
	ck_assert_uint_eq(hook->filter_count, 2);
	ck_assert_ptr_null(hook->filters[0].path);
	ck_assert_str_eq(hook->filters[1].document, "b/*.xml");
	ck_assert_str_eq(hook->filters[1].path, "/b/c");
	ck_assert_uint_eq(hook->render_count, 2);
	snprintf(expected, sizeof(expected), "%s/s.xsl", directory);
	ck_assert_str_eq(hook->renders[0].stylesheet, expected);
	ck_assert_str_eq(hook->renders[0].file, "/x/y.conf");
	ck_assert_uint_eq(hook->renders[0].owner, 0);
	ck_assert_uint_eq(hook->renders[0].group, 4711);
	ck_assert_uint_eq(hook->renders[0].mode, 0640);
	ck_assert_str_eq(hook->renders[1].document, "a.xml");
	snprintf(expected, sizeof(expected), "%s/z.xml", directory);
	ck_assert_str_eq(hook->renders[1].file, expected);
	ck_assert_str_eq(hook->check, "nginx -t -c {}");
	ck_assert_int_eq(hook->action, HOOK_COMMAND);
	ck_assert_str_eq(hook->command, "nginx -s reload");
	ck_assert_int_eq(hook->debounce_min_ms, 50);
	ck_assert_int_eq(hook->debounce_max_ms, 3000);
	ck_assert_int_eq(hook->retry_min_ms, 2000);
	ck_assert_int_eq(hook->retry_max_ms, 20000);
	ck_assert_str_eq(hook->environment[0], "A=1");
	ck_assert_str_eq(hook->environment[1], "B=");
}
END_TEST

START_TEST(hook_with_nothing_has_defaults)
{
	const struct hook_config *hook;

	ck_assert_msg(
		load("<debounce min=\"9ms\"/><hook name=\"h\"><action signal=\"SIGHUP\" pid-file=\"/run/p\"/>"
		     "</hook><hook name=\"i\"><action url=\"http://h/r\" method=\"GET\" status=\"204\"/></hook>"
		     "<hook name=\"j\"/>") == 0,
		"%s", message.text);
	ck_assert_int_eq(config.sets[0].debounce_min_ms, 9);
	ck_assert_uint_eq(config.sets[0].hook_count, 3);
	hook = config.sets[0].hooks;
	ck_assert_int_eq(hook[0].action, HOOK_SIGNAL);
	ck_assert_int_eq(hook[0].signal, SIGHUP);
	ck_assert_int_eq(hook[0].limit_ms, HOOK_LIMIT_MS);
	ck_assert_int_eq(hook[1].action, HOOK_REQUEST);
	ck_assert_int_eq(hook[1].status, 204);
	ck_assert_int_eq(hook[2].action, HOOK_NONE);
}
END_TEST

START_TEST(mistakes_are_told_with_their_place)
{
	refuse("<hook/>", "3:1: element hook: attribute \"name\" is missing");
	refuse("<hook name=\"a/b\"/>", "3:1: element hook: attribute name=\"a/b\": expected at most 64");
	refuse("<hook name=\"a\"/>\n <hook name=\"a\"/>",
	       "4:2: element hook: there is a hook of the name \"a\" already");
	refuse("<hook name=\"a\" nam=\"b\"/>",
	       "3:1: element hook: attribute nam is not known, expected one of name, user, shell, limit, splay");
	refuse("<hook name=\"a\">\n<watch/></hook>", "4:1: element watch: attribute \"document\" is missing");
	refuse("<hook name=\"a\">\n<wotch/></hook>", "4:1: element wotch is not known in a hook");
	refuse("<hook name=\"a\">\n<render document=\"x\"/></hook>",
	       "4:1: element render: attribute \"file\"");
	refuse("<hook name=\"a\">\n<render file=\"x\"/></hook>",
	       "4:1: element render: attribute \"stylesheet\"");
	refuse("<hook name=\"a\">\n<render file=\"/x\" document=\"d\" mode=\"9\"/></hook>",
	       "4:1: element render: attribute mode=\"9\": expected permissions in octal");
	refuse("<hook name=\"a\">\n<render file=\"/x\" document=\"d\" owner=\"no-one-here\"/></hook>",
	       "4:1: element render: attribute owner=\"no-one-here\": there is no such user");
	refuse("<hook name=\"a\" user=\"no-one-here\"/>",
	       "3:1: element hook: attribute user=\"no-one-here\": there is");
	refuse("<hook name=\"a\" limit=\"0\"/>",
	       "3:1: element hook: attribute limit=\"0\": expected more than 0");
	refuse("<hook name=\"a\" limit=\"soon\"/>",
	       "3:1: element hook: attribute limit=\"soon\": expected a duration");
	refuse("<hook name=\"a\">\n\n<action signal=\"NO\"/></hook>",
	       "5:1: element action: attribute signal=\"NO\": there is no such signal");
	refuse("<hook name=\"a\"><check command=\"x\"/>\n<action signal=\"HUP\"/></hook>",
	       "4:1: element action: attribute \"pid-file\" is missing");
	refuse("<hook name=\"a\">\n<action signal=\"HUP\" pid-file=\"/p\" command=\"c\"/></hook>",
	       "4:1: element action: attribute command: expected a command, a signal or a url");
	refuse("<hook name=\"a\">\n<action/></hook>",
	       "4:1: element action: attribute \"command\" is missing");
	refuse("<hook name=\"a\"><action command=\"x\"/>\n<action command=\"y\"/></hook>",
	       "4:1: element action is there twice");
	refuse("<hook name=\"a\"><check command=\"a 'b\"/></hook>", "3:1: check \"a 'b\": a quote");
	refuse("<hook name=\"a\"><debounce min=\"2s\"/></hook>",
	       "3:1: debounce min (2000 ms) is above max (1000 ms)");
	refuse("<hook name=\"a\"><environment name=\"a=b\" value=\"\"/></hook>",
	       "3:16: element environment: attribute name=\"a=b\": expected the name of a variable");
	refuse("<hook name=\"a\">text</hook>", "3");
	refuse("<hook name=\"a\"><watch document=\"a\"><b/></watch></hook>", "3:");
}
END_TEST

START_TEST(stylesheet_is_looked_at)
{
	refuse("<hook name=\"a\"><render file=\"/x\" stylesheet=\"none.xsl\"/></hook>", "3:1: ");
	ck_assert_ptr_nonnull(strstr(message.text, "none.xsl: the stylesheet cannot be read"));
	put("s.xsl", "<xsl:stylesheet version='1.0' xmlns:xsl='http://www.w3.org/1999/XSL/Transform'>\n"
		     "<xsl:nonsense/></xsl:stylesheet>");
	refuse("<hook name=\"a\"><render file=\"/x\" stylesheet=\"s.xsl\"/></hook>", "3:1: ");
	ck_assert_ptr_nonnull(strstr(message.text, "/s.xsl:2: "));
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("config_hook");
	Suite *suite = suite_create("config_hook");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, start, stop);
	tcase_add_test(tcase, hook_with_everything_is_read);
	tcase_add_test(tcase, hook_with_nothing_has_defaults);
	tcase_add_test(tcase, mistakes_are_told_with_their_place);
	tcase_add_test(tcase, stylesheet_is_looked_at);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed > 0;
}
