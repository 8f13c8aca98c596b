/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Apollo without a server: its URI, what is asked, what answers mean. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "source/apollo.h"
#include "source/secret.h"
#include "source/apollo_answer.h"
#include "source/apollo_namespace.h"
#include "source/apollo_request.h"

/* --- the URI -------------------------------------------------------- */

static void parse(const char *uri, struct apollo_target *target)
{
	struct message message = { "" };

	ck_assert_msg(apollo_target_parse(uri, target, &message) == 0, "%s: %s", uri, message.text);
}

START_TEST(uri_is_taken_apart)
{
	struct apollo_target target;

	parse("apollo://m1,m2:81,[::1]:82/my-app_1.x/default/"
	      "?namespaces=a.xml,application,B.XML,c.properties,FX.apollo&ip=10.0.0.1&label=blue%20one&"
	      "secret_file=/s&"
	      "ca_file=/a&cert_file=/b&key_file=/c&mode=pull&interval=5s",
	      &target);
	ck_assert_uint_eq(target.meta_count, 3);
	ck_assert_str_eq(target.metas[0], "http://m1:8080");
	ck_assert_str_eq(target.metas[1], "http://m2:81");
	ck_assert_str_eq(target.metas[2], "http://[::1]:82");
	ck_assert_str_eq(target.app, "my-app_1.x");
	ck_assert_str_eq(target.cluster, "default");
	ck_assert_uint_eq(target.name_count, 5);
	ck_assert_str_eq(target.names[0].name, "a.xml");
	ck_assert(target.names[0].is_xml);
	ck_assert_str_eq(target.names[1].name, "application");
	ck_assert(!target.names[1].is_xml);
	ck_assert(target.names[2].is_xml);
	ck_assert_str_eq(target.names[3].name, "c");
	ck_assert(!target.names[3].is_xml && !target.names[4].is_xml);
	ck_assert_str_eq(target.ip, "10.0.0.1");
	ck_assert_str_eq(target.label, "blue one");
	ck_assert_str_eq(target.secret_file, "/s");
	ck_assert_str_eq(target.ca_file, "/a");
	ck_assert_str_eq(target.cert_file, "/b");
	ck_assert_str_eq(target.key_file, "/c");
	ck_assert(target.pace.is_pull);
	ck_assert_int_eq(target.pace.interval_ms, 5000);
	apollo_target_free(&target);
	parse("apollos://m,[::1]/a/b?namespaces=x", &target);
	ck_assert_str_eq(target.metas[0], "https://m:443");
	ck_assert_str_eq(target.metas[1], "https://[::1]:443");
	ck_assert_int_eq(target.pace.audit_ms, 300000);
	apollo_target_free(&target);
}
END_TEST

#define NAMED "?namespaces=a"

static const struct {
	const char *uri, *expected;
} wrongs[] = {
	{ "apollo:///a/b" NAMED, "\"\" in \"\" is no host; expected host:port" },
	{ "apollo://h,/a/b" NAMED, "is no host" },
	{ "apollo://h:0/a/b" NAMED, "\"h:0\" in \"h:0\" is no host" },
	{ "apollo://h:65536/a/b" NAMED, "is no host" },
	{ "apollo://h:/a/b" NAMED, "is no host" },
	{ "apollo://::1/a/b" NAMED, "in brackets" },
	{ "apollo://[::1/a/b" NAMED, "is no host" },
	{ "apollo://[::1]x/a/b" NAMED, "is no host" },
	{ "apollo://[h]/a/b" NAMED, "is no host" },
	{ "apollo://h$/a/b" NAMED, "is no host" },
	{ "apollo://u:p@h/a/b" NAMED, "name a file that has it" },
	{ "apollo://h" NAMED, "the path / is not /APPID/CLUSTER" },
	{ "apollo://h/a" NAMED, "the path /a is not /APPID/CLUSTER" },
	{ "apollo://h/a/b/c" NAMED, "is not /APPID/CLUSTER" },
	{ "apollo://h//b" NAMED, "is not /APPID/CLUSTER" },
	{ "apollo://h/a%20b/c" NAMED, "is not /APPID/CLUSTER" },
	{ "apollo://h/a/.." NAMED, "is not /APPID/CLUSTER" },
	{ "apollo://h/./b" NAMED, "is not /APPID/CLUSTER" },
	{ "apollo://h/a/b?namespaces=..", "namespaces has \"..\", which is none" },
	{ "apollo://h/a/b", "expected namespaces=NAME[,NAME...]" },
	{ "apollo://h/a/b?namespaces=", "namespaces has \"\", which is none" },
	{ "apollo://h/a/b?namespaces=a,,b", "namespaces has \"\", which is none" },
	{ "apollo://h/a/b?namespaces=a,", "namespaces has \"\", which is none" },
	{ "apollo://h/a/b?namespaces=a/b", "namespaces has \"a/b\"" },
	{ "apollo://h/a/b?namespaces=a,A", "the namespace A is named twice" },
	{ "apollo://h/a/b?namespaces=a,a.properties", "the namespace a is named twice" },
	{ "apollo://h/a/b?namespaces=a.json", "the format .json, which is no XML" },
	{ "apollo://h/a/b?namespaces=a.YML", "the format .yml, which is no XML" },
	{ "apollo://h/a/b?namespaces=a.yaml", "the format .yaml" },
	{ "apollo://h/a/b?namespaces=a.txt", "the format .txt" },
	{ "apollo://h/a/b" NAMED "&ip=", "ip is empty; expected this host's address" },
	{ "apollo://h/a/b" NAMED "&label=", "label is empty" },
	{ "apollo://h/a/b" NAMED "&secret_file=", "secret_file is empty; expected the path" },
	{ "apollo://h/a/b" NAMED "&cert_file=/x", "cert_file is given without key_file" },
	{ "apollo://h/a/b" NAMED "&key_file=/x", "key_file is given without cert_file" },
	{ "apollo://h/a/b" NAMED "&x=1",
	  "the option x is not known; expected mode, interval, audit, namespaces, ip" },
	{ "apollo://h/a/b" NAMED "&interval=1s", "without mode=pull" },
	{ "apollo://h/a/b" NAMED "&audit=x", "audit is \"x\"" },
};

START_TEST(wrong_uri_is_refused_with_what_was_expected)
{
	static const struct source_events none = { 0 };
	struct message message = { "" };
	struct source *source = NULL;

	ck_assert_ptr_eq(source_find(wrongs[_i].uri, &message), &apollo_source);
	ck_assert_int_eq(apollo_source.open(wrongs[_i].uri, &none, NULL, &source, &message), -EINVAL);
	ck_assert_msg(strstr(message.text, wrongs[_i].expected), "%s: %s", wrongs[_i].uri, message.text);
	ck_assert_ptr_null(source);
}
END_TEST

START_TEST(examples_are_right)
{
	struct apollo_target target;
	struct message message = { "" };

	ck_assert_ptr_eq(source_find("apollos://h", &message), &apollo_tls_source);
	parse(apollo_source.example, &target);
	apollo_target_free(&target);
	parse(apollo_tls_source.example, &target);
	ck_assert(target.is_tls);
	apollo_target_free(&target);
}
END_TEST

START_TEST(too_many_namespaces_are_refused)
{
	char uri[4096] = "apollo://h/a/b?namespaces=n0";
	struct message message = { "" };
	struct apollo_target target;

	for (int i = 1; i < APOLLO_NAMESPACES_MOST; i++)
		snprintf(uri + strlen(uri), sizeof(uri) - strlen(uri), ",n%d", i);
	parse(uri, &target);
	ck_assert_uint_eq(target.name_count, APOLLO_NAMESPACES_MOST);
	apollo_target_free(&target);
	strcat(uri, ",one.more");
	ck_assert_int_eq(apollo_target_parse(uri, &target, &message), -EINVAL);
	ck_assert_msg(strstr(message.text, "more than 64"), "%s", message.text);
}
END_TEST

static const struct {
	const char *text;
	bool is_right;
} secrets[] = {
	{ "df23df3f59884980844ff3dada30fa97\n", true },
	{ "x", true },
	{ "x\r\n", true },
	{ "", false },
	{ "\n", false },
	{ "a b\n", false },
	{ "a\nb\n", false },
	{ "\xc3\xbc\n", false },
};

START_TEST(secret_is_one_line_of_a_file_and_never_shown)
{
	char path[] = "/tmp/zkcfg-secret-XXXXXX", *secret = NULL;
	struct apollo_target target = { .secret_file = path };
	struct message message = { "" };
	size_t length = strlen(secrets[_i].text);
	int fd = mkstemp(path), err;

	log_start(LOG_LEVEL_ERROR);
	ck_assert_int_eq(write(fd, secrets[_i].text, length), (ssize_t)length);
	close(fd);
	err = apollo_secret_read(&target, &secret, &message);
	unlink(path);
	if (secrets[_i].is_right) {
		ck_assert_int_eq(err, 0);
		ck_assert_uint_eq(strlen(secret), strcspn(secrets[_i].text, "\r\n"));
	} else {
		ck_assert_int_eq(err, -EINVAL);
		ck_assert_ptr_null(secret);
		ck_assert_msg(strstr(message.text, "expected: one line, the app's access key"), "%s",
			      message.text);
		ck_assert_ptr_null(strstr(message.text, "a b"));
	}
	secret_free(secret);
	ck_assert_int_eq(apollo_secret_read(&target, &secret, &message), -ENOENT);
	ck_assert_msg(strstr(message.text, "cannot be read"), "%s", message.text);
}
END_TEST

/* --- what is asked -------------------------------------------------------- */

static struct apollo_message newest[] = { { (char[]){ "app+default+a.xml" }, 11 },
					  { (char[]){ "app+c\"\\+a.xml" }, 7 } };

START_TEST(requests_are_as_documented)
{
	struct apollo_notification known[] = {
		{ .name = (char[]){ "a.xml" }, .id = 11, .messages = newest, .message_count = 1 },
		{ .name = (char[]){ "b" }, .id = -1 }
	};
	struct apollo_target target;
	char *url;

	parse("apollo://m/app/default?namespaces=a.xml,b", &target);
	url = apollo_request_servers(&target, "http://m:1");
	ck_assert_str_eq(url, "http://m:1/services/config?appId=app");
	free(url);
	url = apollo_request_notifications(&target, "http://c", known, 2);
	ck_assert_str_eq(url, "http://c/notifications/v2?appId=app&cluster=default&notifications="
			      "%5B%7B%22namespaceName%22%3A%22a.xml%22%2C%22notificationId%22%3A11%7D%2C"
			      "%7B%22namespaceName%22%3A%22b%22%2C%22notificationId%22%3A-1%7D%5D");
	free(url);
	url = apollo_request_release(&target, "http://c", &known[1], NULL);
	ck_assert_str_eq(url, "http://c/configs/app/default/b");
	free(url);
	url = apollo_request_release(&target, "http://c", &known[0], "2026-ab+x");
	ck_assert_str_eq(url, "http://c/configs/app/default/a.xml?releaseKey=2026-ab%2Bx&messages="
			      "%7B%22details%22%3A%7B%22app%2Bdefault%2Ba.xml%22%3A11%7D%7D");
	free(url);
	known[0].message_count = 2;
	url = apollo_request_release(&target, "http://c", &known[0], NULL);
	ck_assert_ptr_nonnull(strstr(url, "%3A11%2C%22app%2Bc%5C%22%5C%5C%2Ba.xml%22%3A7%7D%7D"));
	free(url);
	apollo_target_free(&target);
}
END_TEST

START_TEST(gray_address_and_label_are_passed)
{
	struct apollo_notification known = { .name = (char[]){ "a.xml" }, .id = -1 };
	struct apollo_target target;
	char *url;

	parse("apollo://m/app/default?namespaces=a.xml&ip=10.0.0.1&label=bl%C3%BC%20e", &target);
	url = apollo_request_release(&target, "http://c", &known, "k");
	ck_assert_str_eq(url,
			 "http://c/configs/app/default/a.xml?releaseKey=k&label=bl%C3%BC%20e&ip=10.0.0.1");
	free(url);
	url = apollo_request_release(&target, "http://c", &known, NULL);
	ck_assert_str_eq(url, "http://c/configs/app/default/a.xml?label=bl%C3%BC%20e&ip=10.0.0.1");
	free(url);
	url = apollo_request_servers(&target, "http://m");
	ck_assert_str_eq(url, "http://m/services/config?appId=app&ip=10.0.0.1");
	free(url);
	apollo_target_free(&target);
}
END_TEST

/* The vector of Apollo's own client: SignatureTest. */
START_TEST(signature_is_that_of_apollos_own_client)
{
	static const char url[] = "http://10.0.0.1:8080/configs/100004458/default/application?ip=10.0.0.1";
	struct apollo_headers headers;
	struct apollo_target target;
	char signature[APOLLO_SIGNATURE_BYTES];

	ck_assert_int_eq(
		apollo_request_signature(url, "df23df3f59884980844ff3dada30fa97", 1576478257344, signature),
		0);
	ck_assert_str_eq(signature, "EoKyziXvKqzHgwx+ijDJwgVTDgE=");
	parse("apollo://m/100004458/default?namespaces=a.xml", &target);
	ck_assert_int_eq(apollo_request_sign(&target, url, "df23df3f59884980844ff3dada30fa97", 1576478257344,
					     &headers),
			 0);
	ck_assert_str_eq(headers.list[0], "Authorization: Apollo 100004458:EoKyziXvKqzHgwx+ijDJwgVTDgE=");
	ck_assert_str_eq(headers.list[1], "Timestamp: 1576478257344");
	ck_assert_ptr_null(headers.list[2]);
	apollo_target_free(&target);
}
END_TEST

/* --- what is answered -------------------------------------------------------- */

START_TEST(servers_are_read)
{
	static const char body[] =
		"[{\"appName\":\"APOLLO-CONFIGSERVICE\",\"instanceId\":\"h:a:8080\",\"homepageUrl\":"
		"\"http://10.0.0.1:8080/\"},{\"homepageUrl\":\"https://[::1]:1/x//\"}]";
	struct apollo_servers servers;
	struct message why;

	ck_assert_int_eq(apollo_answer_servers(body, strlen(body), &servers, &why), 0);
	ck_assert_uint_eq(servers.count, 2);
	ck_assert_str_eq(servers.urls[0], "http://10.0.0.1:8080");
	ck_assert_str_eq(servers.urls[1], "https://[::1]:1/x");
	apollo_servers_free(&servers);
	ck_assert_int_eq(apollo_answer_servers("[]", 2, &servers, &why), 0);
	ck_assert_uint_eq(servers.count, 0);
	apollo_servers_free(&servers);
}
END_TEST

START_TEST(notifications_are_read)
{
	static const char body[] =
		"[{\"namespaceName\":\"a.xml\",\"notificationId\":101,\"messages\":{\"details\":"
		"{\"app+default+a.xml\":101,\"app+x+a.xml\":9}}},{\"namespaceName\":\"b\","
		"\"notificationId\":-1}]";
	struct apollo_notifications told;
	struct message why;

	ck_assert_int_eq(apollo_answer_notifications(body, strlen(body), &told, &why), 0);
	ck_assert_uint_eq(told.count, 2);
	ck_assert_str_eq(told.items[0].name, "a.xml");
	ck_assert_int_eq(told.items[0].id, 101);
	ck_assert_uint_eq(told.items[0].message_count, 2);
	ck_assert_str_eq(told.items[0].messages[1].key, "app+x+a.xml");
	ck_assert_int_eq(told.items[0].messages[1].id, 9);
	ck_assert_int_eq(told.items[1].id, -1);
	ck_assert_uint_eq(told.items[1].message_count, 0);
	apollo_notifications_free(&told);
}
END_TEST

#define RELEASE(configurations) "{\"appId\":\"a\",\"configurations\":" configurations ",\"releaseKey\":\"k\"}"

static const struct {
	bool is_xml;
	const char *body, *document;
} releases[] = {
	{ true, RELEASE("{\"content\":\"<a>\\u00fc &amp; \\ud83d\\ude00</a>\\n\"}"),
	  "<a>\xc3\xbc &amp; \xf0\x9f\x98\x80</a>\n" },
	{ true, RELEASE("{\"content\":\"\"}"), "" },
	{ true, RELEASE("{\"x\":\"1\",\"content\":\"<a/>\"}"), "<a/>" },
	{ false, RELEASE("{}"), "" },
	{ false, RELEASE("{\"b\":\"2\",\"a.c\":\"\",\"a\":\"1\",\"B\":\"3\"}"),
	  "\t<entry name=\"B\">3</entry>\n\t<entry name=\"a\">1</entry>\n\t<entry name=\"a.c\"></entry>\n"
	  "\t<entry name=\"b\">2</entry>\n" },
	{ false, RELEASE("{\"<\\\"'&>\\t\\n\\r\":\"<\\\"'&]]>\\t\\n\\r\"}"),
	  "\t<entry name=\"&lt;&quot;'&amp;&gt;&#9;&#10;&#13;\">&lt;\"'&amp;]]&gt;\t\n&#13;</entry>\n" },
	{ false, RELEASE("{\"k\xc3\xa9y\":\"\xe9\x85\x8d\xef\xbf\xbd\"}"),
	  "\t<entry name=\"k\xc3\xa9y\">\xe9\x85\x8d\xef\xbf\xbd</entry>\n" },
};

START_TEST(release_becomes_a_document)
{
	static const char head[] = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<configuration>\n";
	struct apollo_release release;
	char expected[512];
	struct message why;

	snprintf(expected, sizeof(expected), "%s%s%s", releases[_i].is_xml ? "" : head, releases[_i].document,
		 releases[_i].is_xml ? "" : "</configuration>\n");
	ck_assert_msg(apollo_answer_release(releases[_i].body, strlen(releases[_i].body), releases[_i].is_xml,
					    &release, &why) == 0,
		      "%s", why.text);
	ck_assert_str_eq(release.key, "k");
	ck_assert_uint_eq(release.size_bytes, strlen(expected));
	ck_assert_mem_eq(release.bytes, expected, release.size_bytes);
	ck_assert(!release.is_difference);
	apollo_release_free(&release);
}
END_TEST

static const struct {
	bool is_xml;
	const char *body, *why;
} unusable[] = {
	{ true, RELEASE("{\"x\":\"1\"}"), "it has no \"content\"" },
	{ false, RELEASE("{\"x\":\"a\\u0001\"}"),
	  "the property \"x\" has a character in its key or value that XML "
	  "cannot hold, U+0001" },
	{ false, RELEASE("{\"y\":\"\",\"x\\u001f\":\"a\"}"), "U+001F" },
	{ false, RELEASE("{\"x\":\"\\uffff\"}"), "U+FFFE or U+FFFF" },
	{ false, RELEASE("{\"x\":\"\\ufffe\"}"), "U+FFFE or U+FFFF" },
};

START_TEST(release_that_is_no_document_says_why_and_keeps_its_key)
{
	struct apollo_release release;
	struct message why;

	ck_assert_int_eq(apollo_answer_release(unusable[_i].body, strlen(unusable[_i].body),
					       unusable[_i].is_xml, &release, &why),
			 0);
	ck_assert_ptr_null(release.bytes);
	ck_assert_str_eq(release.key, "k");
	ck_assert_msg(strstr(why.text, unusable[_i].why), "%s", why.text);
	apollo_release_free(&release);
}
END_TEST

START_TEST(document_beyond_the_limit_is_none)
{
	size_t length = APOLLO_DOCUMENT_MOST_BYTES + 1;
	char *body = malloc(length + 128);
	struct apollo_release release;
	struct message why;
	size_t at;

	for (int is_xml = 0; is_xml < 2; is_xml++) {
		at = (size_t)sprintf(body, "{\"releaseKey\":\"k\",\"configurations\":{\"content\":\"");
		memset(body + at, 'x', length);
		strcpy(body + at + length, "\"}}");
		ck_assert_int_eq(apollo_answer_release(body, strlen(body), is_xml, &release, &why), 0);
		ck_assert_ptr_null(release.bytes);
		ck_assert_msg(strstr(why.text, "16777216"), "%s", why.text);
		apollo_release_free(&release);
	}
	memcpy(body + at + length - 1, "\"}}", 4);
	ck_assert_int_eq(apollo_answer_release(body, strlen(body), true, &release, &why), 0);
	ck_assert_uint_eq(release.size_bytes, APOLLO_DOCUMENT_MOST_BYTES);
	apollo_release_free(&release);
	free(body);
}
END_TEST

START_TEST(difference_is_known_as_one)
{
	static const char body[] = "{\"releaseKey\":\"k2\",\"configSyncType\":\"IncrementalSync\","
				   "\"configurationChanges\":[]}";
	struct apollo_release release;
	struct message why;

	ck_assert_int_eq(apollo_answer_release(body, strlen(body), true, &release, &why), 0);
	ck_assert(release.is_difference);
	apollo_release_free(&release);
}
END_TEST

static const struct {
	char of; /* 's'ervers, 'n'otifications, 'r'elease */
	const char *body;
} rubbish[] = {
	{ 's', "" },
	{ 's', "<html>" },
	{ 's', "{}" },
	{ 's', "[1]" },
	{ 's', "[{}]" },
	{ 's', "[{\"homepageUrl\":\"ftp://h\"}]" },
	{ 's', "[{\"homepageUrl\":\"http://\"}]" },
	{ 's', "[{\"homepageUrl\":\"http:///x\"}]" },
	{ 's', "[{\"homepageUrl\":\"http://h/a b\"}]" },
	{ 's', "[{\"homepageUrl\":\"http://u@h/\"}]" },
	{ 's', "[{\"homepageUrl\":\"http://h/?a\"}]" },
	{ 's', "[{\"homepageUrl\":\"http://h\"},{\"homepageUrl\":7}]" },
	{ 'n', "" },
	{ 'n', "null" },
	{ 'n', "{}" },
	{ 'n', "[{}]" },
	{ 'n', "[{\"namespaceName\":\"a\"}]" },
	{ 'n', "[{\"namespaceName\":\"a\",\"notificationId\":\"1\"}]" },
	{ 'n', "[{\"namespaceName\":\"a\",\"notificationId\":1.5}]" },
	{ 'n', "[{\"namespaceName\":\"a\",\"notificationId\":-2}]" },
	{ 'n', "[{\"namespaceName\":\"a\",\"notificationId\":99999999999999999999}]" },
	{ 'n', "[{\"namespaceName\":\"a\",\"notificationId\":1,\"messages\":{\"details\":[]}}]" },
	{ 'n', "[{\"namespaceName\":\"a\",\"notificationId\":1,\"messages\":{\"details\":{\"k\":\"1\"}}}]" },
	{ 'r', "" },
	{ 'r', "{\"releaseKey\":\"k\",\"configurations\":{\"content\":\"<a" },
	{ 'r', "[]" },
	{ 'r', "{}" },
	{ 'r', "{\"releaseKey\":\"k\"}" },
	{ 'r', "{\"configurations\":{\"content\":\"\"}}" },
	{ 'r', RELEASE("[]") },
	{ 'r', RELEASE("{\"content\":1}") },
	{ 'r', RELEASE("{\"content\":null}") },
	{ 'r', RELEASE("{\"content\":\"\\ud800\"}") },
	{ 'r', RELEASE("{\"content\":\"\\u0000\"}") },
	{ 'r', RELEASE("{\"content\":\"\xff\"}") },
	{ 'r', RELEASE("{\"content\":\"a\",\"content\":\"b\"}") },
	{ 'r', RELEASE("{\"content\":\"a\"}") "x" },
};

START_TEST(rubbish_is_refused_with_a_reason)
{
	const char *body = rubbish[_i].body;
	struct apollo_notifications told = { 0 };
	struct apollo_servers servers = { 0 };
	struct apollo_release release = { 0 };
	struct message why = { "" };
	int err;

	if (rubbish[_i].of == 's')
		err = apollo_answer_servers(body, strlen(body), &servers, &why);
	else if (rubbish[_i].of == 'n')
		err = apollo_answer_notifications(body, strlen(body), &told, &why);
	else
		err = apollo_answer_release(body, strlen(body), true, &release, &why);
	ck_assert_msg(err == -EBADMSG, "%s: %d", body, err);
	ck_assert_msg(strstr(why.text, "not JSON at line") || strstr(why.text, "not what was expected: "),
		      "%s", why.text);
	ck_assert_uint_eq(servers.count + told.count, 0);
	ck_assert_ptr_null(release.key);
}
END_TEST

START_TEST(missing_is_believed_in_apollos_words_only)
{
	static const char *const others[] = { "",   "<html>404</html>",	    "{}",
					      "[]", "{\"status\":\"404\"}", "{\"status\":500}" };
	static const char spring[] =
		"{\"timestamp\":\"x\",\"status\":404,\"error\":\"Not Found\",\"path\":\"/configs/a\"}";

	ck_assert(apollo_answer_is_missing(spring, strlen(spring)));
	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
		ck_assert_msg(!apollo_answer_is_missing(others[i], strlen(others[i])), "%s", others[i]);
}
END_TEST

/* --- what it means beside what was told ------------------------------------------------ */

static struct apollo_namespace space;

static void begin_namespace(void)
{
	ck_assert_int_eq(namespace_init(&space, "a.xml", true), 0);
}

static void end_namespace(void)
{
	namespace_free(&space);
}

static enum namespace_news notify(int64_t id, bool is_anew)
{
	struct apollo_notification told = { .name = (char[]){ "a.xml" }, .id = id };

	return namespace_notify(&space, &told, is_anew);
}

static enum namespace_verdict judge(const char *key)
{
	enum namespace_verdict verdict;

	space.asked_id = space.known.id;
	verdict = namespace_judge(&space, key);
	if (verdict == NAMESPACE_TELL)
		ck_assert_int_eq(namespace_told(&space, key), 0);
	return verdict;
}

START_TEST(release_without_an_id_is_parked)
{
	ck_assert_int_eq(judge("k"), NAMESPACE_PARK);
	ck_assert_int_eq(judge(NULL), NAMESPACE_NOTHING);
	space.known.id = 0;
	ck_assert_int_eq(judge("k"), NAMESPACE_TELL);
}
END_TEST

START_TEST(each_rise_of_the_id_is_told)
{
	ck_assert_int_eq(notify(5, true), NAMESPACE_NEWER);
	ck_assert_int_eq(judge("k5"), NAMESPACE_TELL);
	ck_assert_int_eq(judge("k5"), NAMESPACE_NOTHING);
	ck_assert_str_eq(namespace_key(&space), "k5");
	ck_assert_int_eq(notify(7, false), NAMESPACE_NEWER);
	ck_assert_ptr_null(namespace_key(&space));     /* bytes are wanted, whatever the key */
	ck_assert_int_eq(judge("k4"), NAMESPACE_TELL); /* a rollback */
	ck_assert_int_eq(notify(8, false), NAMESPACE_NEWER);
	ck_assert_int_eq(judge("k4"), NAMESPACE_TELL); /* somebody else's gray release */
	ck_assert_int_eq(notify(8, false), NAMESPACE_KNOWN);
	ck_assert_int_eq(notify(6, false), NAMESPACE_KNOWN); /* a notification that is late */
	ck_assert_int_eq(space.known.id, 8);
	ck_assert_int_eq(space.told_id, 8);
}
END_TEST

START_TEST(removal_and_return_are_told_once)
{
	notify(5, true);
	judge("k5");
	notify(6, false);
	ck_assert_int_eq(judge(NULL), NAMESPACE_TELL);
	ck_assert_int_eq(judge(NULL), NAMESPACE_NOTHING);
	ck_assert_int_eq(judge("k7"), NAMESPACE_TELL); /* 7 is not told yet */
	ck_assert_int_eq(judge("k7"), NAMESPACE_NOTHING);
}
END_TEST

START_TEST(other_content_under_the_same_id_is_believed_when_it_stays)
{
	notify(5, true);
	judge("k5");
	ck_assert_int_eq(judge("k6"), NAMESPACE_AGAIN);
	ck_assert_int_eq(judge("k6"), NAMESPACE_AGAIN);
	ck_assert_int_eq(judge("k5"), NAMESPACE_NOTHING);
	ck_assert_int_eq(judge("k6"), NAMESPACE_AGAIN);
	ck_assert_int_eq(judge(NULL), NAMESPACE_AGAIN);
	ck_assert_int_eq(judge("k6"), NAMESPACE_AGAIN);
	ck_assert_int_eq(judge("k6"), NAMESPACE_AGAIN);
	ck_assert_int_eq(judge("k6"), NAMESPACE_TELL);
	ck_assert_int_eq(judge(NULL), NAMESPACE_AGAIN);
	ck_assert_int_eq(judge(NULL), NAMESPACE_AGAIN);
	ck_assert_int_eq(judge(NULL), NAMESPACE_TELL);
}
END_TEST

START_TEST(older_ids_count_when_they_stay)
{
	notify(9, true);
	judge("k9");
	ck_assert_int_eq(notify(4, true), NAMESPACE_OLDER);
	ck_assert_int_eq(notify(4, true), NAMESPACE_OLDER);
	ck_assert_int_eq(notify(9, true), NAMESPACE_KNOWN); /* it was a server that lags */
	ck_assert_int_eq(notify(4, true), NAMESPACE_OLDER);
	ck_assert_int_eq(notify(4, true), NAMESPACE_OLDER);
	ck_assert_int_eq(space.known.id, 9);
	space.is_dirty = false;
	ck_assert_int_eq(notify(4, true), NAMESPACE_BACK);
	ck_assert_int_eq(space.known.id, 4);
	ck_assert(space.is_dirty);
	ck_assert_int_eq(judge("k4"), NAMESPACE_TELL);
	ck_assert_int_eq(space.told_id, 4);
}
END_TEST

START_TEST(messages_are_merged_by_their_newest)
{
	struct apollo_message first[] = { { (char[]){ "x" }, 5 }, { (char[]){ "y" }, 3 } };
	struct apollo_message second[] = { { (char[]){ "y" }, 6 },
					   { (char[]){ "x" }, 4 },
					   { (char[]){ "z" }, 1 } };
	struct apollo_notification told = { .id = 5, .messages = first, .message_count = 2 };

	ck_assert_int_eq(namespace_notify(&space, &told, true), NAMESPACE_NEWER);
	told = (struct apollo_notification){ .id = 6, .messages = second, .message_count = 3 };
	ck_assert_int_eq(namespace_notify(&space, &told, false), NAMESPACE_NEWER);
	ck_assert_uint_eq(space.known.message_count, 3);
	ck_assert_int_eq(space.known.messages[0].id, 5);
	ck_assert_int_eq(space.known.messages[1].id, 6);
	ck_assert_int_eq(space.known.messages[2].id, 1);
}
END_TEST

/* --- what it does not do -------------------------------------------------------- */

START_TEST(writing_is_refused_with_the_way_to_do_it)
{
	struct source_change change = {
		.bytes = "<a/>", .size_bytes = 4, .if_version = -1, .timeout_ms = 1000
	};
	struct message message = { "" };
	int64_t version = 7;

	ck_assert_int_eq(apollo_source.put(apollo_source.example, &change, &version, &message),
			 SOURCE_INVALID);
	ck_assert_msg(strstr(message.text, "written in its portal"), "%s", message.text);
	message.text[0] = '\0';
	ck_assert_int_eq(apollo_source.remove(apollo_source.example, &change, &message), SOURCE_INVALID);
	ck_assert_msg(strstr(message.text, "written in its portal"), "%s", message.text);
	ck_assert_int_eq(version, 7);
	apollo_source.close(NULL);
}
END_TEST

#define COUNT(array) (int)(sizeof(array) / sizeof(*(array)))

int main(void)
{
	Suite *suite = suite_create("apollo");
	TCase *tcase = tcase_create("apollo"), *judged = tcase_create("namespace");
	SRunner *runner;
	int failed;

	tcase_add_test(tcase, uri_is_taken_apart);
	tcase_add_loop_test(tcase, wrong_uri_is_refused_with_what_was_expected, 0, COUNT(wrongs));
	tcase_add_test(tcase, examples_are_right);
	tcase_add_test(tcase, too_many_namespaces_are_refused);
	tcase_add_loop_test(tcase, secret_is_one_line_of_a_file_and_never_shown, 0, COUNT(secrets));
	tcase_add_test(tcase, requests_are_as_documented);
	tcase_add_test(tcase, gray_address_and_label_are_passed);
	tcase_add_test(tcase, signature_is_that_of_apollos_own_client);
	tcase_add_test(tcase, servers_are_read);
	tcase_add_test(tcase, notifications_are_read);
	tcase_add_loop_test(tcase, release_becomes_a_document, 0, COUNT(releases));
	tcase_add_loop_test(tcase, release_that_is_no_document_says_why_and_keeps_its_key, 0,
			    COUNT(unusable));
	tcase_add_test(tcase, document_beyond_the_limit_is_none);
	tcase_add_test(tcase, difference_is_known_as_one);
	tcase_add_loop_test(tcase, rubbish_is_refused_with_a_reason, 0, COUNT(rubbish));
	tcase_add_test(tcase, missing_is_believed_in_apollos_words_only);
	tcase_add_test(tcase, writing_is_refused_with_the_way_to_do_it);
	suite_add_tcase(suite, tcase);
	tcase_add_checked_fixture(judged, begin_namespace, end_namespace);
	tcase_add_test(judged, release_without_an_id_is_parked);
	tcase_add_test(judged, each_rise_of_the_id_is_told);
	tcase_add_test(judged, removal_and_return_are_told_once);
	tcase_add_test(judged, other_content_under_the_same_id_is_believed_when_it_stays);
	tcase_add_test(judged, older_ids_count_when_they_stay);
	tcase_add_test(judged, messages_are_merged_by_their_newest);
	suite_add_tcase(suite, judged);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
