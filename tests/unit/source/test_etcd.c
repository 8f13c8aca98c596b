/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* What of the etcd source does no I/O: its URI, requests, answers, and what was told. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "source/etcd.h"
#include "source/etcd_answer.h"
#include "source/etcd_ask.h"
#include "source/etcd_model.h"

/* --- the URI ---------------------------------------------------------------------- */

static const struct {
	const char *uri, *first, *last, *prefix, *end;
} targets[] = {
	{ "etcd://h/a", "http://h:2379", "http://h:2379", "/a/", "/a0" },
	{ "etcd://h", "http://h:2379", "http://h:2379", "/", "0" },
	{ "etcd://h:1,[::1]:2,[fe80::1]/a/b/", "http://h:1", "http://[fe80::1]:2379", "/a/b/", "/a/b0" },
	{ "etcds://h:65535/a%20b", "https://h:65535", "https://h:65535", "/a b/", "/a b0" },
};

START_TEST(uri_says_endpoints_and_prefix)
{
	struct etcd_target target;
	struct message message = { "" };

	ck_assert_msg(etcd_target_parse(targets[_i].uri, &target, &message) == 0, "%s", message.text);
	ck_assert_str_eq(target.endpoints[0], targets[_i].first);
	ck_assert_str_eq(target.endpoints[target.endpoint_count - 1], targets[_i].last);
	ck_assert_str_eq(target.prefix, targets[_i].prefix);
	ck_assert_str_eq(target.end, targets[_i].end);
	etcd_target_free(&target);
}
END_TEST

static const struct {
	const char *uri, *expected;
} bad_targets[] = {
	{ "etcd:///a", "\"\" in \"\" is no host; expected host:port" },
	{ "etcd://h,/a", "is no host" },
	{ "etcd://h:0/a", "is no host" },
	{ "etcd://h:65536/a", "is no host" },
	{ "etcd://h:/a", "is no host" },
	{ "etcd://h:1x/a", "is no host" },
	{ "etcd://::1/a", "is no host" },
	{ "etcd://[::1/a", "is no host" },
	{ "etcd://[]/a", "is no host" },
	{ "etcd://[h]:1/a", "is no host" },
	{ "etcd://u:p@h/a", "auth_file" },
	{ "etcd://h/a//b", "has an empty part" },
	{ "etcd://h/a?x=1", "the option x is not known; expected mode, interval, audit, auth_file" },
	{ "etcds://h/a?x=1", "auth_file, ca_file, cert_file, key_file" },
	{ "etcd://h/a?auth_file=", "auth_file is empty" },
	{ "etcd://h/a?ca_file=/x", "ca_file is for etcds://" },
	{ "etcds://h/a?cert_file=/x", "cert_file is given without key_file" },
	{ "etcds://h/a?key_file=/x", "key_file is given without cert_file" },
	{ "etcd://h/a?mode=poll", "mode is \"poll\"" },
	{ "etcd://h/a?interval=1s", "without mode=pull" },
};

START_TEST(uri_that_is_wrong_is_refused_with_what_was_expected)
{
	struct etcd_target target;
	struct message message = { "" };

	ck_assert_int_eq(etcd_target_parse(bad_targets[_i].uri, &target, &message), -EINVAL);
	ck_assert_msg(strstr(message.text, bad_targets[_i].expected), "%s", message.text);
}
END_TEST

static int read_secret(const char *text, struct buffer *body, struct message *message)
{
	char file[] = "/tmp/zkcfg-secret-XXXXXX";
	struct etcd_target target = { .auth_file = file };
	int fd = mkstemp(file), err;

	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	err = etcd_secret_read(&target, body, message);
	unlink(file);
	return err;
}

START_TEST(secret_becomes_a_request_for_a_token)
{
	static const char *const wrong[] = { "", "u", ":p", "u:p\nu:q\n", "u:\xff" };
	char no_file[] = "/no/such/file";
	struct etcd_target nobody = { .auth_file = NULL }, missing = { .auth_file = no_file };
	struct message message = { "" };
	struct buffer body = { 0 };

	ck_assert_int_eq(etcd_secret_read(&nobody, &body, &message), 0);
	ck_assert_uint_eq(body.size_bytes, 0);
	ck_assert_int_eq(read_secret("u\":p:\xc3\xbc\r\n", &body, &message), 0);
	buffer_append(&body, "", 1);
	ck_assert_msg(strstr(body.bytes, "\"name\":\"u\\\"\"") &&
			      strstr(body.bytes, "\"password\":\"p:\xc3\xbc\""),
		      "%s", body.bytes);
	etcd_secret_free(&body);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		ck_assert_int_eq(read_secret(wrong[i], &body, &message), -EINVAL);
		ck_assert_msg(strstr(message.text, "one line, user:password"), "%s", message.text);
	}
	ck_assert_int_eq(etcd_secret_read(&missing, &body, &message), -ENOENT);
	ck_assert_msg(strstr(message.text, "/no/such/file cannot be read"), "%s", message.text);
}
END_TEST

/* --- requests ------------------------------------------------------------------------ */

static const struct {
	const char *key, *encoded;
} base64[] = {
	{ "a", "YQ==" },	{ "ab", "YWI=" }, { "abc", "YWJj" }, { "\xff\xfe\xfd", "//79" },
	{ "a/b0", "YS9iMA==" },
};

START_TEST(keys_are_in_base64)
{
	struct etcd_range range = { .key = base64[_i].key, .key_bytes = strlen(base64[_i].key) };
	struct buffer body = { 0 };
	char expected[64];

	etcd_ask_range(&body, &range);
	snprintf(expected, sizeof(expected), "{\"key\":\"%s\"}", base64[_i].encoded);
	ck_assert_uint_eq(body.size_bytes, strlen(expected));
	ck_assert_int_eq(memcmp(body.bytes, expected, body.size_bytes), 0);
	buffer_free(&body);
}
END_TEST

/* --- answers ------------------------------------------------------------------------- */

#define HEADER "\"header\":{\"cluster_id\":\"18446744073709551615\",\"revision\":\"7\",\"raft_term\":2}"

static int range_of(const char *text, struct etcd_answer *answer, struct message *message)
{
	return etcd_answer_range(text, strlen(text), answer, message);
}

START_TEST(range_is_taken_apart)
{
	struct message message = { "" };
	struct etcd_answer answer;

	ck_assert_int_eq(
		range_of("{" HEADER ",\"count\":\"3\",\"more\":true,\"kvs\":["
			 "{\"key\":\"L2EA\",\"value\":\"AP8=\",\"create_revision\":\"1\",\"mod_revision\":"
			 "\"6\",\"version\":\"4\"},"
			 "{\"key\":\"Yg==\",\"create_revision\":5,\"mod_revision\":5,\"version\":1}]}",
			 &answer, &message),
		0);
	ck_assert_uint_eq(answer.cluster_id, UINT64_MAX);
	ck_assert_uint_eq(answer.revision, 7);
	ck_assert_uint_eq(answer.raft_term, 2);
	ck_assert_uint_eq(answer.total, 3);
	ck_assert(answer.has_more);
	ck_assert_uint_eq(answer.item_count, 2);
	ck_assert_uint_eq(answer.items[0].key_bytes, 3);
	ck_assert_int_eq(memcmp(answer.items[0].key, "/a\0", 4), 0);
	ck_assert_uint_eq(answer.items[0].value_bytes, 2);
	ck_assert_int_eq(memcmp(answer.items[0].value, "\0\xff\0", 3), 0);
	ck_assert_uint_eq(answer.items[0].created, 1);
	ck_assert_uint_eq(answer.items[0].modified, 6);
	ck_assert_int_eq(answer.items[0].version, 4);
	ck_assert_str_eq(answer.items[1].key, "b");
	ck_assert_uint_eq(answer.items[1].value_bytes, 0);
	etcd_answer_free(&answer);
}
END_TEST

#define ITEM(key, more)                                                                           \
	"{" HEADER ",\"kvs\":[{\"key\":" key ",\"create_revision\":\"1\",\"mod_revision\":\"1\"," \
	"\"version\":\"1\"" more "}]}"

static const char *const bad_ranges[] = {
	"",
	"x",
	"[]",
	"{}",
	"{" HEADER "",
	"{" HEADER "} {}",
	"{\"header\":[]}",
	"{\"header\":{\"revision\":\"0\"}}",
	"{\"header\":{\"revision\":\"-1\"}}",
	"{\"header\":{\"revision\":-1}}",
	"{\"header\":{\"revision\":1.5}}",
	"{\"header\":{\"revision\":\"1x\"}}",
	"{\"header\":{\"revision\":\"18446744073709551616\"}}",
	"{\"header\":{\"revision\":\" 1\"}}",
	"{\"header\":{\"revision\":null}}",
	"{" HEADER ",\"more\":true}",
	"{" HEADER ",\"count\":{}}",
	"{" HEADER ",\"kvs\":{}}",
	"{" HEADER ",\"kvs\":[1]}",
	"{" HEADER ",\"kvs\":[{}]}",
	ITEM("\"\"", ""),
	ITEM("7", ""),
	ITEM("\"YQ=\"", ""),
	ITEM("\"YQ\"", ""),
	ITEM("\"Y===\"", ""),
	ITEM("\"====\"", ""),
	ITEM("\"YQ==YQ==\"", ""),
	ITEM("\"Y-==\"", ""),
	ITEM("\"YQ==\"", ",\"value\":[]"),
	"{" HEADER ",\"kvs\":[{\"key\":\"YQ==\",\"create_revision\":\"1\",\"version\":\"1\"}]}",
	"{" HEADER ",\"kvs\":[{\"key\":\"YQ==\",\"mod_revision\":\"1\",\"version\":\"1\"}]}",
	"{" HEADER ",\"kvs\":[{\"key\":\"YQ==\",\"create_revision\":\"1\",\"mod_revision\":\"1\",\"version\":"
	"\"9223372036854775808\"}]}",
};

START_TEST(what_is_no_range_is_refused)
{
	struct message message = { "" };
	struct etcd_answer answer;

	ck_assert_int_eq(range_of(bad_ranges[_i], &answer, &message), -EINVAL);
	ck_assert_msg(strstr(message.text, "is no answer of etcd's; expected a header"), "%s", message.text);
	ck_assert_ptr_null(answer.items);
	ck_assert_int_eq(range_of(ITEM("\"YQ==\"", ""), &answer, &message),
			 0); /* what the wrong ones differ from */
	etcd_answer_free(&answer);
}
END_TEST

static int watch_of(const char *text, struct etcd_answer *answer, struct message *message)
{
	return etcd_answer_watch(text, strlen(text), answer, message);
}

START_TEST(watch_is_taken_apart)
{
	struct message message = { "" };
	struct etcd_answer answer;

	ck_assert_int_eq(
		watch_of("{\"result\":{" HEADER ",\"fragment\":true,\"events\":["
			 "{\"type\":\"DELETE\",\"kv\":{\"key\":\"YQ==\",\"mod_revision\":\"7\"}},"
			 "{\"kv\":{\"key\":\"Yg==\",\"create_revision\":\"7\",\"mod_revision\":\"7\","
			 "\"version\":\"1\"}}]}}",
			 &answer, &message),
		0);
	ck_assert(answer.is_fragment && !answer.is_created && !answer.is_canceled);
	ck_assert(answer.items[0].is_delete && !answer.items[1].is_delete);
	ck_assert_uint_eq(answer.item_count, 2);
	etcd_answer_free(&answer);
	ck_assert_int_eq(watch_of("{\"result\":{\"header\":{},\"canceled\":true,\"compact_revision\":\"4\","
				  "\"cancel_reason\":\"so\"}}",
				  &answer, &message),
			 0);
	ck_assert(answer.is_canceled);
	ck_assert_uint_eq(answer.compacted, 4);
	ck_assert_str_eq(answer.reason.text, "so");
	etcd_answer_free(&answer);
	ck_assert_int_eq(watch_of("{\"error\":{\"message\":\"over\"}}", &answer, &message), -EPROTO);
	ck_assert_str_eq(message.text, "over");
	ck_assert_int_eq(watch_of("{\"error\":\"gone\"}", &answer, &message), -EPROTO);
	ck_assert_str_eq(message.text, "gone");
	ck_assert_int_eq(watch_of("{\"result\":{}}", &answer, &message), -EINVAL);
	ck_assert_int_eq(watch_of("{\"error\":{}}", &answer, &message), -EINVAL);
	ck_assert_int_eq(watch_of("{\"result\":{" HEADER ",\"events\":[{}]}}", &answer, &message), -EINVAL);
}
END_TEST

START_TEST(token_is_taken_if_it_can_be_in_a_header)
{
	static const char *const wrong[] = {
		"", "{}", "{\"token\":\"\"}", "{\"token\":1}", "{\"token\":\"a\\nb\"}", "{\"token\":\"a b\"}"
	};
	struct message message = { "" };
	char *token;

	ck_assert_int_eq(etcd_answer_token("{\"token\":\"ab.1\"}", 16, &token, &message), 0);
	ck_assert_str_eq(token, "ab.1");
	free(token);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		ck_assert_int_eq(etcd_answer_token(wrong[i], strlen(wrong[i]), &token, &message), -EINVAL);
		ck_assert_ptr_null(strstr(message.text, "a b"));
	}
}
END_TEST

START_TEST(error_is_told_from_what_is_none)
{
	struct etcd_error error;

	ck_assert(etcd_answer_error("{\"message\":\"no\",\"code\":7}", 25, &error));
	ck_assert_int_eq(error.code, ETCD_DENIED);
	ck_assert_str_eq(error.text.text, "no");
	ck_assert(etcd_answer_error("{\"error\":\"no\",\"code\":-7}", 24, &error));
	ck_assert_int_eq(error.code, -1);
	ck_assert(!etcd_answer_error("<html>", 6, &error));
	ck_assert(!etcd_answer_error("{}", 2, &error));
}
END_TEST

/* --- what was told --------------------------------------------------------------------- */

static char said[1024];

static void said_document(void *user, const char *name, const void *bytes, size_t size_bytes,
			  const struct source_revision *revision)
{
	(void)user;
	(void)revision;
	sprintf(said + strlen(said), "%s=%.*s ", name, (int)size_bytes, (const char *)bytes);
}

static void said_removed(void *user, const char *name)
{
	(void)user;
	sprintf(said + strlen(said), "-%s ", name);
}

static void said_trouble(void *user, const char *name, const char *reason)
{
	(void)user;
	sprintf(said + strlen(said), "%c%s ", reason ? '!' : '?', name);
}

static void said_repaired(void *user, const char *name)
{
	(void)user;
	sprintf(said + strlen(said), "+%s ", name);
}

static const struct source_events said_events = {
	.document = said_document, .removed = said_removed, .trouble = said_trouble, .repaired = said_repaired
};

static int take(struct etcd_model *model, char *key, uint64_t modified, char *value)
{
	struct etcd_item item = { .key = key,
				  .key_bytes = strlen(key),
				  .value = value,
				  .value_bytes = value ? strlen(value) : 0,
				  .created = 1,
				  .modified = modified,
				  .version = 1,
				  .is_delete = !value };

	said[0] = '\0';
	return etcd_model_take(model, &item);
}

static char key_a[] = "/t/a", key_b[] = "/t/b", key_wrong[] = "/t/./b", key_outside[] = "/u/a", one[] = "1",
	    two[] = "2";

START_TEST(only_what_is_news_is_told)
{
	struct etcd_model *model = etcd_model_new("/t/", &said_events, NULL);
	struct etcd_item item = { .key = key_a, .key_bytes = 4, .created = 1, .modified = 9, .version = 1 };

	log_start(LOG_LEVEL_ERROR);
	ck_assert_int_eq(take(model, key_a, 5, one), 0);
	ck_assert_str_eq(said, "a=1 ");
	ck_assert_int_eq(take(model, key_a, 5, one), 0);
	ck_assert_str_eq(said, "");
	ck_assert_int_eq(take(model, key_a, 5, two), 0); /* in another history */
	ck_assert_str_eq(said, "a=2 ");
	ck_assert_int_eq(take(model, key_outside, 5, one), -EINVAL);
	ck_assert_int_eq(take(model, key_wrong, 6, one), 0);
	ck_assert_str_eq(said, "");
	ck_assert_uint_eq(etcd_model_count(model), 2);
	ck_assert_uint_eq(etcd_model_bytes(model), 2);
	ck_assert_int_eq(etcd_model_take_too_large(model, &item), 0);
	ck_assert_str_eq(said, "!a ");
	ck_assert_int_eq(take(model, key_a, 10, one), 0);
	ck_assert_str_eq(said, "?a a=1 ");
	ck_assert_int_eq(take(model, key_wrong, 11, NULL), 0);
	ck_assert_int_eq(take(model, key_b, 11, NULL), 0);
	ck_assert_str_eq(said, "");
	ck_assert_int_eq(take(model, key_a, 12, NULL), 0);
	ck_assert_str_eq(said, "-a ");
	ck_assert_uint_eq(etcd_model_count(model), 0);
	ck_assert_uint_eq(etcd_model_bytes(model), 0);
	etcd_model_free(model);
}
END_TEST

START_TEST(what_a_round_does_not_bring_is_removed)
{
	struct etcd_model *model = etcd_model_new("/t/", &said_events, NULL);
	struct etcd_item item = { .key = key_a, .key_bytes = 4, .created = 1, .modified = 2, .version = 1 };

	etcd_model_begin_round(model, false);
	take(model, key_a, 2, one);
	take(model, key_b, 2, one);
	etcd_model_end_round(model);
	etcd_model_begin_round(model, false);
	ck_assert(!etcd_model_all_seen(model));
	ck_assert(etcd_model_matches(model, &item));
	ck_assert(!etcd_model_all_seen(model));
	item.modified = 3;
	ck_assert(!etcd_model_matches(model, &item));
	etcd_model_begin_round(model, true);
	take(model, key_a, 3, one);
	ck_assert_str_eq(said, "+a a=1 ");
	said[0] = '\0';
	etcd_model_end_round(model);
	ck_assert_str_eq(said, "+b -b ");
	ck_assert(etcd_model_all_seen(model));
	etcd_model_begin_round(model, false);
	said[0] = '\0';
	etcd_model_see(model, &item);
	etcd_model_end_round(model);
	ck_assert_str_eq(said, "");
	etcd_model_free(model);
}
END_TEST

#define COUNT(array) ((int)(sizeof(array) / sizeof(*(array))))

int main(void)
{
	Suite *suite = suite_create("etcd");
	TCase *tcase = tcase_create("etcd");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(tcase, uri_says_endpoints_and_prefix, 0, COUNT(targets));
	tcase_add_loop_test(tcase, uri_that_is_wrong_is_refused_with_what_was_expected, 0,
			    COUNT(bad_targets));
	tcase_add_test(tcase, secret_becomes_a_request_for_a_token);
	tcase_add_loop_test(tcase, keys_are_in_base64, 0, COUNT(base64));
	tcase_add_test(tcase, range_is_taken_apart);
	tcase_add_loop_test(tcase, what_is_no_range_is_refused, 0, COUNT(bad_ranges));
	tcase_add_test(tcase, watch_is_taken_apart);
	tcase_add_test(tcase, token_is_taken_if_it_can_be_in_a_header);
	tcase_add_test(tcase, error_is_told_from_what_is_none);
	tcase_add_test(tcase, only_what_is_news_is_told);
	tcase_add_test(tcase, what_a_round_does_not_bring_is_removed);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
