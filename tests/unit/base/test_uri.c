/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/uri.h"

static void parse(const char *text, struct uri *uri)
{
	struct message message = { "" };
	int err = uri_parse(text, uri, &message);

	ck_assert_msg(err == 0, "%s: %d %s", text, err, message.text);
}

START_TEST(every_part_is_found)
{
	struct uri uri;

	parse("zk://a:2181,[::1]:2182/app/config?session_timeout_ms=4000&auth_file=/etc/zk.auth", &uri);
	ck_assert_str_eq(uri.scheme, "zk");
	ck_assert_str_eq(uri.authority, "a:2181,[::1]:2182");
	ck_assert_str_eq(uri.path, "/app/config");
	ck_assert_uint_eq(uri.option_count, 2);
	ck_assert_str_eq(uri_option(&uri, "session_timeout_ms"), "4000");
	ck_assert_str_eq(uri_option(&uri, "auth_file"), "/etc/zk.auth");
	ck_assert_ptr_null(uri_option(&uri, "auth"));
	uri_free(&uri);
	ck_assert_ptr_null(uri.options);
}
END_TEST

static const struct {
	const char *text, *authority, *path;
} paths[] = {
	{ "zk://h", "h", "/" },
	{ "zk://h/", "h", "/" },
	{ "zk://h//", "h", "/" },
	{ "zk://h/a/", "h", "/a" },
	{ "zk://h/a//", "h", "/a" },
	{ "zk://h?k=v", "h", "/" },
	{ "zk://h/a?k=", "h", "/a" },
	{ "zk://h/a?", "h", "/a" },
	{ "zk://h/a%2Fb%20c", "h", "/a/b c" },
	{ "zk://h/a%25", "h", "/a%" },
	{ "zk://h/a@b", "h", "/a@b" },
	{ "zk://h/gr%C3%bc%C3%9Fe", "h",
	  "/gr\xc3\xbc\xc3\x9f"
	  "e" },
	{ "zk://h/gr\xc3\xbc\xc3\x9f"
	  "e",
	  "h",
	  "/gr\xc3\xbc\xc3\x9f"
	  "e" },
	{ "file:///etc/app", "", "/etc/app" },
	{ "a+b-c.1://h/x", "h", "/x" },
};

START_TEST(path_is_decoded_and_loses_trailing_slashes)
{
	struct uri uri;

	parse(paths[_i].text, &uri);
	ck_assert_str_eq(uri.authority, paths[_i].authority);
	ck_assert_str_eq(uri.path, paths[_i].path);
	uri_free(&uri);
}
END_TEST

START_TEST(keys_and_values_are_decoded)
{
	struct uri uri;

	parse("zk://h/?a%62=1%262&empty=&x=a=b", &uri);
	ck_assert_uint_eq(uri.option_count, 3);
	ck_assert_str_eq(uri_option(&uri, "ab"), "1&2");
	ck_assert_str_eq(uri_option(&uri, "empty"), "");
	ck_assert_str_eq(uri_option(&uri, "x"), "a=b");
	uri_free(&uri);
}
END_TEST

static const struct {
	const char *text, *expected;
} wrongs[] = {
	{ "", "does not begin with a scheme" },
	{ "/etc/app.xml", "does not begin with a scheme" },
	{ "zk:/h/a", "does not begin with a scheme" },
	{ "://h/a", "does not begin with a scheme" },
	{ "1zk://h/a", "does not begin with a scheme" },
	{ "z k://h/a", "does not begin with a scheme" },
	{ "zk://user:secret@h/a", "?auth_file=PATH" },
	{ "zk://h h/a", "expected host:port" },
	{ "zk://h%41/a", "expected host:port" },
	{ "zk://h/a%", "%25" },
	{ "zk://h/a%4", "%25" },
	{ "zk://h/a%g0", "%25" },
	{ "zk://h/a%0g", "%25" },
	{ "zk://h/a%00b", "control character 0x00" },
	{ "zk://h/a%7F", "control character 0x7f" },
	{ "zk://h/a\nb", "control character 0x0a" },
	{ "zk://h/a?k", "key=value" },
	{ "zk://h/a?=v", "key=value" },
	{ "zk://h/a?a=1&&b=2", "key=value" },
	{ "zk://h/a?a=1&a=2", "given twice" },
	{ "zk://h/a?%zz=1", "key of an option" },
	{ "zk://h/a?a=%zz", "value of an option" },
	{ "zk://h/a?a=%1f", "control character 0x1f" },
	{ "zk://h/a#b", "'#'" },
};

START_TEST(what_is_wrong_is_refused_with_what_was_expected)
{
	struct uri uri = { .option_count = 7 };
	struct message message = { "" };

	ck_assert_int_eq(uri_parse(wrongs[_i].text, &uri, &message), -EINVAL);
	ck_assert_msg(strstr(message.text, wrongs[_i].expected), "%s: %s", wrongs[_i].text, message.text);
	ck_assert_uint_eq(uri.option_count, 7);
}
END_TEST

START_TEST(messages_never_show_a_secret)
{
	static const char *const texts[] = { "zk://u:hunter2@h/a", "zk://h/a?p=hunter2%zz",
					     "zk://h/a?hunter2" };

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		struct message message = { "" };
		struct uri uri;

		ck_assert_int_eq(uri_parse(texts[i], &uri, &message), -EINVAL);
		ck_assert_ptr_null(strstr(message.text, "hunter2"));
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("uri");
	TCase *tcase = tcase_create("uri");
	SRunner *runner;
	int failed;

	tcase_add_test(tcase, every_part_is_found);
	tcase_add_loop_test(tcase, path_is_decoded_and_loses_trailing_slashes, 0,
			    sizeof(paths) / sizeof(*paths));
	tcase_add_test(tcase, keys_and_values_are_decoded);
	tcase_add_loop_test(tcase, what_is_wrong_is_refused_with_what_was_expected, 0,
			    sizeof(wrongs) / sizeof(*wrongs));
	tcase_add_test(tcase, messages_never_show_a_secret);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
