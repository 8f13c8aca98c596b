/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "source/source.h"
#include "source/zookeeper.h"

START_TEST(source_is_found_by_its_scheme)
{
	struct message message = { "" };
	const struct source_ops *ops = source_find("zk://h/a", &message);

	ck_assert_ptr_nonnull(ops);
	ck_assert_str_eq(ops->scheme, "zk");
	ck_assert_ptr_eq(source_find(ops->example, &message), ops);
	ops = source_find("zks://h/a", &message);
	ck_assert_ptr_nonnull(ops);
	ck_assert_str_eq(ops->scheme, "zks");
	ck_assert_ptr_eq(source_find(ops->example, &message), ops);
	ck_assert_str_eq(message.text, "");
}
END_TEST

START_TEST(unknown_scheme_is_answered_with_the_list)
{
	static const char *const uris[] = { "zz://h/a",	    "z://h", "zkk://h", "zkss://h",
					    "/etc/app.xml", "",	     "://",	"ZK://h/a" };

	for (size_t i = 0; i < sizeof(uris) / sizeof(*uris); i++) {
		struct message message = { "" };

		ck_assert_ptr_null(source_find(uris[i], &message));
		ck_assert_msg(strstr(message.text, "zk:// (as zk://127.0.0.1:2181/app), zks:// (as zks://"),
			      "%s", message.text);
	}
}
END_TEST

static const struct {
	const char *uri, *text;
} descriptions[] = {
	{ "zk://h:2181/a", "zk://h:2181/a" },
	{ "zk://h/a?auth_file=/etc/secret", "zk://h/a?auth_file" },
	{ "zk://h/a?auth_file=/etc/secret&session_timeout_ms=1", "zk://h/a?auth_file&session_timeout_ms=1" },
	{ "zk://h/a?session_timeout_ms=1&auth_file=/x?y=z&b=c",
	  "zk://h/a?session_timeout_ms=1&auth_file&b=c" },
	{ "zk://user:password@h/a", "zk://...@h/a" },
	{ "zk://user:p@ssword@h/a@b", "zk://...@h/a@b" },
	{ "zk://h?token_file=x", "zk://h?token_file" },
	{ "no uri", "no uri" },
	{ "", "" },
	{ "zks://h/a?ca_file=/c&cert_file=/d&key_file=/e&key_password_file=/f",
	  "zks://h/a?ca_file&cert_file&key_file&key_password_file" },
	{ "zk://h/a?", "zk://h/a?" },
	{ "zk://h/a?&&", "zk://h/a?&&" },
};

START_TEST(description_leaves_out_what_is_nobodys_business)
{
	char text[256];

	source_describe(descriptions[_i].uri, text, sizeof(text));
	ck_assert_str_eq(text, descriptions[_i].text);
}
END_TEST

START_TEST(description_is_cut_to_its_room)
{
	char text[16];

	memset(text, 'x', sizeof(text));
	source_describe("zk://host/path", text, 8);
	ck_assert_str_eq(text, "zk://ho");
	ck_assert_int_eq(text[8], 'x');
	source_describe("zk://host/path", text, 1);
	ck_assert_str_eq(text, "");
	source_describe("zk://host/path", text, 0);
}
END_TEST

/* Whoever follows is told by it whether it is told, or asks. */
START_TEST(every_source_says_how_it_learns_of_changes)
{
	static const char *const schemes[] = { "zk://", "file://", "configmap://", "etcd://", "apollo://" };
	const struct source_events none = { 0 };
	struct message message = { "" };
	const struct source_ops *ops = source_find(schemes[_i], &message);
	struct source *source;
	char uri[256];

	ck_assert_msg(ops->open(ops->example, &none, NULL, &source, &message) == 0, "%s", message.text);
	ck_assert_int_eq(source->mode, SOURCE_PUSH);
	ops->close(source);
	snprintf(uri, sizeof(uri), "%s%cmode=pull", ops->example, strchr(ops->example, '?') ? '&' : '?');
	ck_assert_msg(ops->open(uri, &none, NULL, &source, &message) == 0, "%s", message.text);
	ck_assert_int_eq(source->mode, SOURCE_PULL);
	ops->close(source);
}
END_TEST

/* --- what a zk:// URI says -------------------------------------------------- */

static const struct {
	const char *uri, *hosts, *path;
} targets[] = {
	{ "zk://h/a", "h:2181", "/a" },
	{ "zk://h:99/a", "h:99", "/a" },
	{ "zk://a:1,b,c:3/a/b/", "a:1,b:2181,c:3", "/a/b" },
	{ "zk://[::1]/a", "::1:2181", "/a" },
	{ "zk://[fe80::1]:99,10.0.0.1:65535/a", "fe80::1:99,10.0.0.1:65535", "/a" },
	{ "zk://h", "h:2181", "/" },
	{ "zk://h/a%20b", "h:2181", "/a b" },
	{ "zk://h/..a/.b/c.", "h:2181", "/..a/.b/c." },
	{ "zk://[::1]:2181,[fe80::1:2]/a", "::1:2181,fe80::1:2:2181", "/a" },
	{ "zk://[::ffff:10.0.0.1]:7/a", "::ffff:10.0.0.1:7", "/a" },
	{ "zk://h/gr%C3%BC%C3%9F/%E9%85%8D", "h:2181", "/gr\xc3\xbc\xc3\x9f/\xe9\x85\x8d" },
	{ "zk://h/gr\xc3\xbc\xc3\x9f", "h:2181", "/gr\xc3\xbc\xc3\x9f" },
	{ "zk://h/a%3Fb%23c%25", "h:2181", "/a?b#c%" },
	{ "zk://h/%C2%A0%DF%BF%E0%A0%80%ED%9F%BF%EF%A4%80%EF%BF%AF", "h:2181",
	  "/\xc2\xa0\xdf\xbf\xe0\xa0\x80\xed\x9f\xbf\xef\xa4\x80\xef\xbf\xaf" },
};

START_TEST(hosts_and_path_are_as_the_client_wants_them)
{
	struct zookeeper_target target;
	struct message message = { "" };

	ck_assert_msg(zookeeper_target_parse(targets[_i].uri, &target, &message) == 0, "%s", message.text);
	ck_assert_str_eq(target.hosts, targets[_i].hosts);
	ck_assert_str_eq(target.path, targets[_i].path);
	ck_assert_int_eq(target.session_timeout_ms, 10000);
	ck_assert_ptr_null(target.auth_file);
	ck_assert_ptr_null(target.tls);
	ck_assert_int_eq(target.pace.audit_ms, 300000);
	ck_assert_int_eq(target.splay_ms, 0);
	ck_assert_ptr_null(target.splay_seed);
	zookeeper_target_free(&target);
}
END_TEST

START_TEST(options_are_taken)
{
	struct zookeeper_target target;
	struct message message = { "" };

	ck_assert_int_eq(
		zookeeper_target_parse("zk://h/a?auth_file=/f&session_timeout_ms=1000", &target, &message),
		0);
	ck_assert_str_eq(target.auth_file, "/f");
	ck_assert_int_eq(target.session_timeout_ms, 1000);
	zookeeper_target_free(&target);
	ck_assert_int_eq(zookeeper_target_parse("zk://h/a?session_timeout_ms=600000", &target, &message), 0);
	ck_assert_int_eq(target.session_timeout_ms, 600000);
	zookeeper_target_free(&target);
}
END_TEST

static const struct {
	const char *uri;
	int64_t audit_ms, splay_ms;
	const char *splay_seed;
} paces[] = {
	{ "zk://h/a?audit=0", 0, 0, NULL },
	{ "zk://h/a?audit=0s", 0, 0, NULL },
	{ "zk://h/a?audit=1s", 1000, 0, NULL },
	{ "zk://h/a?audit=24h", 86400000, 0, NULL },
	{ "zk://h/a?splay=0", 300000, 0, NULL },
	{ "zk://h/a?splay=1ms", 300000, 1, NULL },
	{ "zk://h/a?splay=10m", 300000, 600000, NULL },
	{ "zk://h/a?audit=1.5s&splay=2s&splay_seed=rack%207", 1500, 2000, "rack 7" },
};

START_TEST(pace_is_taken)
{
	struct zookeeper_target target;
	struct message message = { "" };

	ck_assert_msg(zookeeper_target_parse(paces[_i].uri, &target, &message) == 0, "%s", message.text);
	ck_assert_int_eq(target.pace.audit_ms, paces[_i].audit_ms);
	ck_assert_int_eq(target.splay_ms, paces[_i].splay_ms);
	ck_assert_pstr_eq(target.splay_seed, paces[_i].splay_seed);
	zookeeper_target_free(&target);
}
END_TEST

static const struct {
	const char *uri, *expected;
} wrongs[] = {
	{ "zk:///a", "host:port" },
	{ "zk://h,/a", "host:port" },
	{ "zk://,h/a", "host:port" },
	{ "zk://h:/a", "host:port" },
	{ "zk://h:0/a", "host:port" },
	{ "zk://h:65536/a", "host:port" },
	{ "zk://h:99999999999999999999/a", "host:port" },
	{ "zk://h:2181x/a", "host:port" },
	{ "zk://h:1:2/a", "host:port" },
	{ "zk://:2181/a", "host:port" },
	{ "zk://[::1/a", "host:port" },
	{ "zk://[::1]x:1/a", "host:port" },
	{ "zk://[]:1/a", "host:port" },
	{ "zk://[h]:1/a", "host:port" },
	{ "zk://::1/a", "in brackets" },
	{ "zk://h]/a", "host:port" },
	{ "zk://h//a", "empty part" },
	{ "zk://h/a//b", "empty part" },
	{ "zk://h/a/./b", "empty part" },
	{ "zk://h/..", "empty part" },
	{ "zk://h/a/%FF", "is not UTF-8 at its byte 4; expected UTF-8" },
	{ "zk://h/%80", "is not UTF-8 at its byte 2" },
	{ "zk://h/%C3", "is not UTF-8 at its byte 2" },
	{ "zk://h/%C3a", "is not UTF-8 at its byte 2" },
	{ "zk://h/%E9%85", "is not UTF-8 at its byte 2" },
	{ "zk://h/%F0%9F%90", "is not UTF-8 at its byte 2" },
	{ "zk://h/%C1%81", "is not UTF-8 at its byte 2" },
	{ "zk://h/%E0%9F%BF", "is not UTF-8 at its byte 2" },
	{ "zk://h/%F0%8F%BF%BF", "is not UTF-8 at its byte 2" },
	{ "zk://h/%F8%88%80%80%80", "is not UTF-8 at its byte 2" },
	{ "zk://h/a%C2%80", "has the character U+0080; ZooKeeper takes none of U+007F to U+009F" },
	{ "zk://h/a%C2%9F", "U+009F;" },
	{ "zk://h/a%ED%A0%80", "U+D800;" },
	{ "zk://h/a%EE%80%80", "U+E000;" },
	{ "zk://h/a%EF%A3%BF", "U+F8FF;" },
	{ "zk://h/a%EF%BF%B0", "U+FFF0;" },
	{ "zk://h/\xf0\x9f\x90\x98", "U+1F418;" },
	{ "zk://h/a?x=1", "the option x is not known; expected mode, interval, audit, "
			  "session_timeout_ms, auth_file, splay, splay_seed" },
	{ "zk://h/a?ca_file=/c", "ca_file is for zks://, which has TLS; zk:// has none" },
	{ "zk://h/a?cert_file=/c", "cert_file is for zks://" },
	{ "zk://h/a?key_file=/c", "key_file is for zks://" },
	{ "zk://h/a?key_password_file=/c", "key_password_file is for zks://" },
	{ "zk://h/a?auth_file=", "auth_file is empty" },
	{ "zk://h/a?session_timeout_ms=", "1000 to 600000" },
	{ "zk://h/a?session_timeout_ms=999", "1000 to 600000" },
	{ "zk://h/a?session_timeout_ms=600001", "1000 to 600000" },
	{ "zk://h/a?session_timeout_ms=10s", "1000 to 600000" },
	{ "zk://h/a?session_timeout_ms=+5000", "1000 to 600000" },
	{ "zk://h/a?session_timeout_ms=99999999999999999999", "1000 to 600000" },
	{ "zk://h/a?audit=", "audit is \"\"; expected a duration of 1 s to 24 h, as 5m, or 0 for none" },
	{ "zk://h/a?audit=5", "audit is \"5\"; expected" },
	{ "zk://h/a?audit=999ms", "1 s to 24 h" },
	{ "zk://h/a?audit=1ms", "1 s to 24 h" },
	{ "zk://h/a?audit=86400001ms", "1 s to 24 h" },
	{ "zk://h/a?audit=-1s", "1 s to 24 h" },
	{ "zk://h/a?audit=99999999999999999999h", "1 s to 24 h" },
	{ "zk://h/a?mode=", "mode is \"\"; expected push or pull" },
	{ "zk://h/a?mode=Pull", "mode is \"Pull\"; expected push or pull" },
	{ "zk://h/a?interval=1s", "interval is given without mode=pull" },
	{ "zk://h/a?interval=1s&mode=push", "interval is given without mode=pull" },
	{ "zk://h/a?mode=pull&interval=", "interval is \"\"; expected a duration of 100 ms to 24 h, as 30s" },
	{ "zk://h/a?mode=pull&interval=0", "100 ms to 24 h" },
	{ "zk://h/a?mode=pull&interval=99ms", "100 ms to 24 h" },
	{ "zk://h/a?mode=pull&interval=86400001ms", "100 ms to 24 h" },
	{ "zk://h/a?splay=", "splay is \"\"; expected a duration of 0 to 10 m, as 500ms or 2s" },
	{ "zk://h/a?splay=2", "splay is \"2\"; expected" },
	{ "zk://h/a?splay=600001ms", "0 to 10 m" },
	{ "zk://h/a?splay=2x", "0 to 10 m" },
	{ "zk://h/a?splay_seed=", "splay_seed is empty; expected a text that differs from host to host" },
	{ "zk://h/a?audit=1s&audit=2s", "the option audit is given twice" },
	{ "zk://u:p@h/a", "?auth_file=PATH" },
};

START_TEST(wrong_uri_is_refused_with_what_was_expected)
{
	static const struct source_events none = { 0 };
	struct message message = { "" };
	struct source *source = NULL;

	ck_assert_int_eq(zookeeper_source.open(wrongs[_i].uri, &none, NULL, &source, &message), -EINVAL);
	ck_assert_msg(strstr(message.text, wrongs[_i].expected), "%s: %s", wrongs[_i].uri, message.text);
	ck_assert_ptr_null(source);
}
END_TEST

/* --- what a zks:// URI says ------------------------------------------------- */

#define TLS_FILES "ca_file=/c&cert_file=/d&key_file=/e"

#ifdef HAVE_ZOOKEEPER_INIT_SSL

START_TEST(tls_files_are_taken)
{
	struct zookeeper_target target;
	struct message message = { "" };

	ck_assert_msg(zookeeper_target_parse("zks://h,[::1]:1/a?" TLS_FILES, &target, &message) == 0, "%s",
		      message.text);
	ck_assert_str_eq(target.hosts, "h:2281,::1:1");
	ck_assert_str_eq(target.tls->ca_file, "/c");
	ck_assert_str_eq(target.tls->cert_file, "/d");
	ck_assert_str_eq(target.tls->key_file, "/e");
	ck_assert_ptr_null(target.tls->key_password_file);
	zookeeper_target_free(&target);
}
END_TEST

START_TEST(copy_of_tls_files_is_whole)
{
	struct zookeeper_target target;
	struct message message = { "" };
	struct zookeeper_tls *copy;

	ck_assert_int_eq(
		zookeeper_target_parse("zks://h/a?" TLS_FILES "&key_password_file=/f,g", &target, &message),
		0);
	copy = zookeeper_tls_copy(target.tls);
	zookeeper_target_free(&target);
	ck_assert_str_eq(copy->ca_file, "/c");
	ck_assert_str_eq(copy->cert_file, "/d");
	ck_assert_str_eq(copy->key_file, "/e");
	ck_assert_str_eq(copy->key_password_file, "/f,g");
	zookeeper_tls_free(copy);
	zookeeper_tls_free(NULL);
}
END_TEST

static const struct {
	const char *uri, *expected;
} tls_wrongs[] = {
	{ "zks://h/a", "zks:// without ca_file; expected ca_file, cert_file and key_file" },
	{ "zks://h/a?cert_file=/d&key_file=/e", "zks:// without ca_file" },
	{ "zks://h/a?ca_file=/c&key_file=/e", "zks:// without cert_file" },
	{ "zks://h/a?ca_file=/c&cert_file=/d", "zks:// without key_file" },
	{ "zks://h/a?ca_file=", "ca_file is empty; expected the path of a file with CA certificates" },
	{ "zks://h/a?cert_file=", "cert_file is empty" },
	{ "zks://h/a?key_file=", "key_file is empty" },
	{ "zks://h/a?" TLS_FILES "&key_password_file=", "key_password_file is empty" },
	{ "zks://h/a?ca_file=/c,d", "ca_file has a comma in its name, /c,d" },
	{ "zks://h/a?cert_file=/c%2Cd", "cert_file has a comma in its name, /c,d" },
	{ "zks://h/a?key_file=/c,d", "key_file has a comma in its name, /c,d" },
	{ "zks://h/a?verify=no",
	  "the option verify is not known; expected mode, interval, audit, session_timeout_ms, auth_file, "
	  "splay, splay_seed, ca_file, cert_file, key_file, key_password_file" },
};

#else

static const struct {
	const char *uri, *expected;
} tls_wrongs[] = {
	{ "zks://h/a", "(no zookeeper_init_ssl); expected one built with OpenSSL, or zk://" },
	{ "zks://h/a?" TLS_FILES, "(no zookeeper_init_ssl); expected one built with OpenSSL, or zk://" },
};

#endif

START_TEST(wrong_tls_uri_is_refused_with_what_was_expected)
{
	static const struct source_events none = { 0 };
	struct message message = { "" };
	struct source *source = NULL;

	ck_assert_int_eq(zookeeper_tls_source.open(tls_wrongs[_i].uri, &none, NULL, &source, &message),
			 -EINVAL);
	ck_assert_msg(strstr(message.text, tls_wrongs[_i].expected), "%s: %s", tls_wrongs[_i].uri,
		      message.text);
	ck_assert_ptr_null(source);
}
END_TEST

START_TEST(closing_no_source_is_allowed)
{
	zookeeper_source.close(NULL);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("registry");
	TCase *tcase = tcase_create("registry");
	SRunner *runner;
	int failed;

	tcase_add_test(tcase, source_is_found_by_its_scheme);
	tcase_add_test(tcase, unknown_scheme_is_answered_with_the_list);
	tcase_add_loop_test(tcase, description_leaves_out_what_is_nobodys_business, 0,
			    sizeof(descriptions) / sizeof(*descriptions));
	tcase_add_test(tcase, description_is_cut_to_its_room);
	tcase_add_loop_test(tcase, hosts_and_path_are_as_the_client_wants_them, 0,
			    sizeof(targets) / sizeof(*targets));
	tcase_add_test(tcase, options_are_taken);
	tcase_add_loop_test(tcase, pace_is_taken, 0, sizeof(paces) / sizeof(*paces));
	tcase_add_loop_test(tcase, wrong_uri_is_refused_with_what_was_expected, 0,
			    sizeof(wrongs) / sizeof(*wrongs));
#ifdef HAVE_ZOOKEEPER_INIT_SSL
	tcase_add_test(tcase, tls_files_are_taken);
	tcase_add_test(tcase, copy_of_tls_files_is_whole);
#endif
	tcase_add_loop_test(tcase, wrong_tls_uri_is_refused_with_what_was_expected, 0,
			    sizeof(tls_wrongs) / sizeof(*tls_wrongs));
	tcase_add_loop_test(tcase, every_source_says_how_it_learns_of_changes, 0, 5);
	tcase_add_test(tcase, closing_no_source_is_allowed);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
