/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "admin/rpc.h"
#include "base/clock.h"
#include "support/admin_host.h"

static struct admin_host host;

static void setup(void)
{
	admin_host_start(&host);
	admin_host_open(&host);
}

static void teardown(void)
{
	admin_host_stop(&host);
}

/* What is answered, as compact JSON; free() it. NULL: nothing. */
static char *call(const char *body)
{
	json_t *answer = admin_host_rpc(&host, body);
	char *text = answer ? json_dumps(answer, JSON_COMPACT | JSON_SORT_KEYS) : NULL;

	json_decref(answer);
	return text;
}

static const struct {
	const char *body;
	const char *answer;
} exchanges[] = {
	/* methods, by name and by position */
	{ "{'jsonrpc':'2.0','id':1,'method':'status'}",
	  "{'id':1,'jsonrpc':'2.0','result':[{'seq':7,'set':'app'},{'seq':1,'set':'keys'}]}" },
	{ "{'jsonrpc':'2.0','id':'x','method':'status','params':{'set':'app'}}",
	  "{'id':'x','jsonrpc':'2.0','result':{'seq':7,'set':'app'}}" },
	{ "{'jsonrpc':'2.0','id':null,'method':'status','params':['app']}",
	  "{'id':null,'jsonrpc':'2.0','result':{'seq':7,'set':'app'}}" },
	{ "{'jsonrpc':'2.0','id':1.5,'method':'get','params':['app','a.xml','/a/port']}",
	  "{'id':1.5,'jsonrpc':'2.0','result':{'value':'80'}}" },
	{ "{'jsonrpc':'2.0','id':1,'method':'wait','params':{'set':'app','newer':6}}",
	  "{'id':1,'jsonrpc':'2.0','result':{'seq':7,'set':'app'}}" },
	{ "{'jsonrpc':'2.0','id':1,'method':'reload'}",
	  "{'id':1,'jsonrpc':'2.0','result':{'report':{'changed':['a.xml']},'result':0}}" },
	{ "{'jsonrpc':'2.0','id':1,'method':'thaw','params':['app']}",
	  "{'id':1,'jsonrpc':'2.0','result':{'set':'app'}}" },
	{ "{'jsonrpc':'2.0','id':1,'method':'hooks.list','params':[]}",
	  "{'id':1,'jsonrpc':'2.0','result':[{'hook':'nginx'}]}" },
	{ "{'jsonrpc':'2.0','id':1,'method':'hooks.run','params':{'hook':'nginx'}}",
	  "{'id':1,'jsonrpc':'2.0','result':{'report':{'changed':['a.xml']},'result':0}}" },
	/* batches */
	{ "[{'jsonrpc':'2.0','id':1,'method':'hooks.list'},5,{'jsonrpc':'2.0','method':'status'},"
	  "{'jsonrpc':'2.0','id':2,'method':'none'}]",
	  "[{'id':1,'jsonrpc':'2.0','result':[{'hook':'nginx'}]},"
	  "{'error':{'code':-32600,'message':'this is no request of JSON-RPC 2.0'},'id':null,'jsonrpc':'2.0'},"
	  "{'error':{'code':-32601,'message':'there is no such method'},'id':2,'jsonrpc':'2.0'}]" },
	{ "[{'jsonrpc':'2.0','id':1,'method':'hooks.list'}]",
	  "[{'id':1,'jsonrpc':'2.0','result':[{'hook':'nginx'}]}]" },
	/* notifications, right or wrong, have no answer */
	{ "{'jsonrpc':'2.0','method':'status'}", NULL },
	{ "{'jsonrpc':'2.0','method':'none'}", NULL },
	{ "[{'jsonrpc':'2.0','method':'status'},{'jsonrpc':'2.0','method':'get'}]", NULL },
};

/* With ' for ", which would have to be escaped. */
static char *quoted(const char *text)
{
	char *copy = text ? strdup(text) : NULL;

	for (char *at = copy; at && *at != '\0'; at++)
		if (*at == '\'')
			*at = '"';
	return copy;
}

START_TEST(call_has_its_answer)
{
	char *body = quoted(exchanges[_i].body), *expected = quoted(exchanges[_i].answer),
	     *answer = call(body);

	if (expected) {
		ck_assert_ptr_nonnull(answer);
		ck_assert_str_eq(answer, expected);
	} else {
		ck_assert_msg(!answer, "%s: %s", body, answer);
	}
	free(body);
	free(expected);
	free(answer);
}
END_TEST

static const struct {
	const char *body;
	int code;
} errors[] = {
	{ "", RPC_NOT_JSON },
	{ "{", RPC_NOT_JSON },
	{ "{'a':1,'a':2}", RPC_NOT_JSON },
	{ "[1,", RPC_NOT_JSON },
	{ "'\xff'", RPC_NOT_JSON },
	{ "{} {}", RPC_NOT_JSON },
	{ "{}", RPC_INVALID_REQUEST },
	{ "1", RPC_INVALID_REQUEST },
	{ "null", RPC_INVALID_REQUEST },
	{ "[]", RPC_INVALID_REQUEST },
	{ "{'id':1,'method':'status'}", RPC_INVALID_REQUEST },
	{ "{'jsonrpc':2.0,'id':1,'method':'status'}", RPC_INVALID_REQUEST },
	{ "{'jsonrpc':'1.0','id':1,'method':'status'}", RPC_INVALID_REQUEST },
	{ "{'jsonrpc':'2.0','id':1}", RPC_INVALID_REQUEST },
	{ "{'jsonrpc':'2.0','id':1,'method':5}", RPC_INVALID_REQUEST },
	{ "{'jsonrpc':'2.0','id':[],'method':'status'}", RPC_INVALID_REQUEST },
	{ "{'jsonrpc':'2.0','id':true,'method':'status'}", RPC_INVALID_REQUEST },
	{ "{'jsonrpc':'2.0','id':1,'method':'status','params':'app'}", RPC_INVALID_REQUEST },
	{ "{'jsonrpc':'2.0','id':1,'method':'Status'}", RPC_NO_METHOD },
	{ "{'jsonrpc':'2.0','id':1,'method':''}", RPC_NO_METHOD },
	{ "{'jsonrpc':'2.0','id':1,'method':'status','params':['app','x']}", RPC_INVALID_PARAMS },
	{ "{'jsonrpc':'2.0','id':1,'method':'status','params':{'Set':'app'}}", RPC_INVALID_PARAMS },
	{ "{'jsonrpc':'2.0','id':1,'method':'status','params':{'set':5}}", RPC_INVALID_PARAMS },
	{ "{'jsonrpc':'2.0','id':1,'method':'status','params':{'set':null}}", RPC_INVALID_PARAMS },
	{ "{'jsonrpc':'2.0','id':1,'method':'status','params':['a\\nb']}", RPC_INVALID_PARAMS },
	{ "{'jsonrpc':'2.0','id':1,'method':'get','params':['app','a.xml']}", RPC_INVALID_PARAMS },
	{ "{'jsonrpc':'2.0','id':1,'method':'get','params':['app','a.xml','a']}", RPC_INVALID_PARAMS },
	{ "{'jsonrpc':'2.0','id':1,'method':'get','params':[1,2,3,4]}", RPC_INVALID_PARAMS },
	{ "{'jsonrpc':'2.0','id':1,'method':'wait'}", RPC_INVALID_PARAMS },
	{ "{'jsonrpc':'2.0','id':1,'method':'wait','params':['app',-1]}", RPC_INVALID_PARAMS },
	{ "{'jsonrpc':'2.0','id':1,'method':'wait','params':['app',1.5]}", RPC_INVALID_PARAMS },
	{ "{'jsonrpc':'2.0','id':1,'method':'wait','params':['app',9,600001]}", RPC_INVALID_PARAMS },
	{ "{'jsonrpc':'2.0','id':1,'method':'freeze','params':['app',1]}", RPC_INVALID_PARAMS },
	{ "{'jsonrpc':'2.0','id':1,'method':'freeze','params':['app','tomorrow']}", RPC_INVALID_PARAMS },
	{ "{'jsonrpc':'2.0','id':1,'method':'status','params':['none']}", RPC_NOT_FOUND },
	{ "{'jsonrpc':'2.0','id':1,'method':'reload','params':['none']}", RPC_NOT_FOUND },
	{ "{'jsonrpc':'2.0','id':1,'method':'get','params':['app','a.xml','/none']}", RPC_NOT_FOUND },
	{ "{'jsonrpc':'2.0','id':1,'method':'wait','params':['none']}", RPC_NOT_FOUND },
	{ "{'jsonrpc':'2.0','id':1,'method':'freeze','params':['none']}", RPC_NOT_FOUND },
	{ "{'jsonrpc':'2.0','id':1,'method':'thaw','params':['none']}", RPC_NOT_FOUND },
	{ "{'jsonrpc':'2.0','id':1,'method':'hooks.run','params':['none']}", RPC_NOT_FOUND },
	{ "{'jsonrpc':'2.0','id':1,'method':'wait','params':['app',7,0]}", RPC_TIMED_OUT },
};

static void expect_code(const char *body, int code)
{
	json_t *answer = admin_host_rpc(&host, body);
	json_t *error = json_object_get(answer, "error");

	ck_assert_msg(json_integer_value(json_object_get(error, "code")) == code, "%s: %lld", body,
		      (long long)json_integer_value(json_object_get(error, "code")));
	ck_assert_str_ne(json_string_value(json_object_get(error, "message")), "");
	ck_assert_ptr_nonnull(json_object_get(answer, "id"));
	ck_assert(!json_object_get(answer, "result"));
	json_decref(answer);
}

START_TEST(wrong_call_has_its_code)
{
	char *body = quoted(errors[_i].body);

	expect_code(body, errors[_i].code);
	free(body);
}
END_TEST

START_TEST(batch_has_a_limit)
{
	char body[8192] = "[";
	json_t *answer;

	for (int i = 0; i < RPC_BATCH_MOST; i++)
		strcat(body, i == 0 ? "1" : ",1");
	strcat(body, "]");
	answer = admin_host_rpc(&host, body);
	ck_assert_uint_eq(json_array_size(answer), RPC_BATCH_MOST);
	json_decref(answer);
	strcpy(strrchr(body, ']'), ",1]");
	expect_code(body, RPC_INVALID_REQUEST);
}
END_TEST

START_TEST(notification_is_done)
{
	ck_assert_ptr_null(call("{\"jsonrpc\":\"2.0\",\"method\":\"reload\",\"params\":[\"app\"]}"));
	ck_assert_uint_eq(host.reload_count, 1);
	ck_assert_str_eq(host.reloaded, "app");
}
END_TEST

START_TEST(set_is_frozen_without_end_or_until)
{
	char body[256];
	int64_t until_s = clock_realtime_ns() / CLOCK_NS_PER_S + 60;

	free(call("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"freeze\",\"params\":[\"app\"]}"));
	ck_assert_str_eq(host.frozen, "app");
	ck_assert_int_eq(host.until_ns, 0);
	snprintf(
		body, sizeof(body),
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"freeze\",\"params\":{\"set\":\"app\",\"until\":%lld}}",
		(long long)until_s);
	free(call(body));
	ck_assert_int_eq(host.until_ns, until_s * CLOCK_NS_PER_S);
	free(call("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"thaw\",\"params\":[\"app\"]}"));
	ck_assert_str_eq(host.frozen, "");
	host.freeze_error = -ENOSPC;
	expect_code("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"freeze\",\"params\":[\"app\"]}", RPC_FAILED);
}
END_TEST

/* --- what takes time ------------------------------------------------------- */

static int begin(const char *body)
{
	char request[1024];
	int fd = admin_host_connect(&host, false);

	snprintf(request, sizeof(request), "POST /rpc HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n%s",
		 strlen(body), body);
	admin_host_send(fd, request);
	admin_host_run(&host, 20);
	return fd;
}

static void expect_answer(int fd, const char *expected)
{
	struct admin_reply reply;

	admin_host_receive(&host, fd, false, &reply);
	ck_assert_msg(strstr(reply.body, expected) != NULL, "no %s in %s", expected, reply.body);
	admin_reply_free(&reply);
	close(fd);
}

#define WAIT "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"wait\",\"params\":[\"app\"]}"

START_TEST(wait_ends_with_the_next_commit)
{
	int next = begin(WAIT);
	int later = begin("{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"wait\",\"params\":[\"app\",8]}");
	int other = begin("{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"wait\",\"params\":{\"set\":\"keys\"}}");

	admin_host_commit(&host);
	expect_answer(next, "{\"set\":\"app\",\"seq\":8}");
	admin_host_commit(&host);
	expect_answer(later, "{\"set\":\"app\",\"seq\":9}");
	admin_committed(host.admin, &(struct admin_commit){ .set = "keys", .seq = 2 });
	expect_answer(other, "{\"set\":\"keys\",\"seq\":2}");
}
END_TEST

START_TEST(wait_ends_in_time)
{
	int64_t began = clock_monotonic_ns();
	int fd = begin(
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"wait\",\"params\":{\"set\":\"app\",\"timeout_ms\":100}}");

	expect_answer(fd, "\"code\":-32002");
	ck_assert_int_ge(clock_monotonic_ns() - began, 80 * CLOCK_NS_PER_MS);
}
END_TEST

START_TEST(batch_is_answered_when_all_of_it_is_done)
{
	int fd;

	host.is_late = true;
	fd = begin("[" WAIT ",{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"reload\"},"
		   "{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"hooks.list\"}," WAIT "]");
	admin_host_commit(&host);
	admin_host_run(&host, 20);
	host.result = ADMIN_UNREADABLE;
	admin_host_done(&host);
	expect_answer(fd, "[{\"jsonrpc\":\"2.0\",\"result\":[{\"hook\":\"nginx\"}],\"id\":3},"
			  "{\"jsonrpc\":\"2.0\",\"result\":{\"set\":\"app\",\"seq\":8},\"id\":1},"
			  "{\"jsonrpc\":\"2.0\",\"result\":{\"set\":\"app\",\"seq\":8},\"id\":1},"
			  "{\"jsonrpc\":\"2.0\",\"result\":{\"result\":7},\"id\":2}]");
}
END_TEST

/* Whether it only waits, or a reload is under way as well: nothing is left of it (LeakSanitizer). */
START_TEST(client_that_goes_away_is_forgotten)
{
	struct admin_reply reply;
	int fd;

	host.is_late = true;
	fd = begin(_i == 0 ? WAIT
			   : "[" WAIT ",{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"reload\"}," WAIT "]");
	close(fd);
	admin_host_run(&host, 50);
	admin_host_request(&host, false, "GET /metrics", NULL, NULL, &reply);
	ck_assert_ptr_nonnull(strstr(reply.body, "\nzkcfg_admin_connections 1\n"));
	admin_reply_free(&reply);
	admin_host_commit(&host);
	if (host.done)
		admin_host_done(&host);
	fd = begin(WAIT);
	admin_host_commit(&host);
	expect_answer(fd, "\"seq\":9");
}
END_TEST

START_TEST(who_waits_is_told_of_the_end)
{
	int fd = begin(WAIT);

	admin_close(host.admin);
	host.admin = NULL;
	expect_answer(fd, "\"code\":-32004");
}
END_TEST

#define COUNT(table) (int)(sizeof(table) / sizeof((table)[0]))

int main(void)
{
	Suite *suite = suite_create("rpc");
	TCase *tcase = tcase_create("rpc");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_loop_test(tcase, call_has_its_answer, 0, COUNT(exchanges));
	tcase_add_loop_test(tcase, wrong_call_has_its_code, 0, COUNT(errors));
	tcase_add_test(tcase, batch_has_a_limit);
	tcase_add_test(tcase, notification_is_done);
	tcase_add_test(tcase, set_is_frozen_without_end_or_until);
	tcase_add_test(tcase, wait_ends_with_the_next_commit);
	tcase_add_test(tcase, wait_ends_in_time);
	tcase_add_test(tcase, batch_is_answered_when_all_of_it_is_done);
	tcase_add_loop_test(tcase, client_that_goes_away_is_forgotten, 0, 2);
	tcase_add_test(tcase, who_waits_is_told_of_the_end);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
