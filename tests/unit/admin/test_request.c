/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "admin/request.h"

static const struct request_limits limits = { .line_bytes = 64, .head_bytes = 256, .body_bytes = 100 };

/* As the server does: the status, and the request where that is 0. -1: more has to come. */
static int take(const char *text, size_t size_bytes, struct request *request)
{
	static char head[8192];
	struct message why = { "" };
	size_t head_bytes;
	int status;

	memcpy(head, text, size_bytes);
	head_bytes = request_head_bytes(head, size_bytes, &limits, &status, &why);
	if (status == 0 && head_bytes == 0)
		return -1;
	if (status == 0)
		status = request_parse(head, head_bytes, &limits, request, &why);
	ck_assert_int_eq(status != 0, why.text[0] != '\0');
	return status;
}

#define H "Host: h\r\n"

static const struct {
	const char *text;
	int status;
} requests[] = {
	{ "GET / HTTP/1.1\r\n" H "\r\n", 0 },
	{ "GET / HTTP/1.0\r\n\r\n", 0 },
	{ "GET /a?b HTTP/1.1\r\nhOST:h\r\nX:\r\nY: \t v \t\r\n\r\n", 0 },
	{ "POST / HTTP/1.1\r\n" H "Content-Length: 100\r\n\r\n", 0 },
	{ "POST / HTTP/1.1\r\n" H "Content-Length: 000000000000000000000000000000100\r\n\r\n", 0 },
	{ "POST / HTTP/1.1\r\n" H "Expect: 100-Continue\r\n\r\n", 0 },
	{ "PUT / HTTP/1.1\r\n" H "\r\n", 0 },
	{ "", -1 },
	{ "G", -1 },
	{ "GET / HTTP/1.1\r\n" H "\r", -1 },
	{ "GET / HTTP/1.1\r\n" H, -1 },
	/* the first line */
	{ "get / HTTP/1.1\r\n" H "\r\n", 400 },
	{ "\r\nGET / HTTP/1.1\r\n" H "\r\n", 400 },
	{ "\x16\x03\x01", 400 },
	{ "GET\r\n\r\n", 400 },
	{ "GET /\r\n\r\n", 400 },
	{ "GET / \r\n\r\n", 400 },
	{ "GET  / HTTP/1.1\r\n" H "\r\n", 400 },
	{ "GET / HTTP/1.1 \r\n" H "\r\n", 400 },
	{ "GET / HTTP/1.1\n" H "\r\n", 400 },
	{ "GET / HTTP/1.1\r\nHost: h\n\r\n", 400 },
	{ "GET / HTTP/1.1\n", 400 },
	{ "GET / HTTP/1.1\n\n", 400 },
	{ "GET / HTTP/1\r\n" H "\r\n", 400 },
	{ "GET / http/1.1\r\n" H "\r\n", 400 },
	{ "GET / HTTP/1.12\r\n" H "\r\n", 400 },
	{ "GET / HTTP/2.0\r\n" H "\r\n", 505 },
	{ "G(T / HTTP/1.1\r\n" H "\r\n", 400 },
	{ "BREW / HTTP/1.1\r\n" H "\r\n", 501 },
	{ "GET * HTTP/1.1\r\n" H "\r\n", 400 },
	{ "GET http://h/ HTTP/1.1\r\n" H "\r\n", 400 },
	{ "GET /\x01 HTTP/1.1\r\n" H "\r\n", 400 },
	{ "GET /\xc3\xa4 HTTP/1.1\r\n" H "\r\n", 400 },
	{ "GET /#a HTTP/1.1\r\n" H "\r\n", 400 },
	{ "GET /0123456789012345678901234567890123456789012345678901234567890123456789", 414 },
	{ "GET /0123456789012345678901234567890123456789012345678901234567890123456789 HTTP/1.1\r\n" H "\r\n",
	  414 },
	/* headers */
	{ "GET / HTTP/1.1\r\n\r\n", 400 },
	{ "GET / HTTP/1.1\r\n" H H "\r\n", 400 },
	{ "GET / HTTP/1.1\r\n" H "Origin: a\r\nOrigin: b\r\n\r\n", 400 },
	{ "GET / HTTP/1.1\r\n" H "X\r\n\r\n", 400 },
	{ "GET / HTTP/1.1\r\n" H ": x\r\n\r\n", 400 },
	{ "GET / HTTP/1.1\r\n" H "X : x\r\n\r\n", 400 },
	{ "GET / HTTP/1.1\r\n" H " folded: x\r\n\r\n", 400 },
	{ "GET / HTTP/1.1\r\n" H "X: a\rb\r\n\r\n", 400 },
	{ "GET / HTTP/1.1\r\n" H "X: \x7f\r\n\r\n", 400 },
	{ "POST / HTTP/1.1\r\n" H "Content-Length: 1\r\nContent-Length: 1\r\n\r\n", 400 },
	{ "POST / HTTP/1.1\r\n" H "Content-Length: \r\n\r\n", 400 },
	{ "POST / HTTP/1.1\r\n" H "Content-Length: -1\r\n\r\n", 400 },
	{ "POST / HTTP/1.1\r\n" H "Content-Length: +1\r\n\r\n", 400 },
	{ "POST / HTTP/1.1\r\n" H "Content-Length: 1, 1\r\n\r\n", 400 },
	{ "POST / HTTP/1.1\r\n" H "Content-Length: 101\r\n\r\n", 413 },
	{ "POST / HTTP/1.1\r\n" H "Content-Length: 18446744073709551617\r\n\r\n", 413 },
	{ "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n", 411 },
	{ "POST / HTTP/1.1\r\n" H "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 411 },
	{ "POST / HTTP/1.1\r\n" H "Expect: 200-ok\r\n\r\n", 417 },
};

START_TEST(request_is_taken_or_refused_with_its_status)
{
	struct request request;

	ck_assert_msg(take(requests[_i].text, strlen(requests[_i].text), &request) == requests[_i].status,
		      "%s", requests[_i].text);
}
END_TEST

START_TEST(parts_of_a_request_are_found)
{
	static const char text[] =
		"POST /a%20b?x=1&y=%2F HTTP/1.1\r\nHost: h:1\r\nX-a:  b c \r\nContent-Length: 7\r\n"
		"Expect: 100-continue\r\n\r\nrest of it";
	struct request request;
	bool is_wrong;
	char *value;

	ck_assert_int_eq(take(text, strlen(text), &request), 0);
	ck_assert_str_eq(request.method, "POST");
	ck_assert_str_eq(request.path, "/a%20b");
	ck_assert_str_eq(request.query, "x=1&y=%2F");
	ck_assert_str_eq(request.host, "h:1");
	ck_assert_str_eq(request_header(&request, "x-A"), "b c");
	ck_assert_ptr_null(request_header(&request, "X"));
	ck_assert_uint_eq(request.body_bytes, 7);
	ck_assert(request.is_kept_alive && request.expects_continue);
	value = request_query(&request, "y", &is_wrong);
	ck_assert_str_eq(value, "/");
	free(value);
	ck_assert_ptr_null(request_query(&request, "z", &is_wrong));
	ck_assert(!is_wrong);
}
END_TEST

static bool stays(const char *text)
{
	struct request request;

	ck_assert_int_eq(take(text, strlen(text), &request), 0);
	return request.is_kept_alive;
}

START_TEST(connection_stays_as_version_and_header_say)
{
	ck_assert(stays("GET / HTTP/1.1\r\n" H "\r\n"));
	ck_assert(!stays("GET / HTTP/1.1\r\n" H "Connection: x, Close\r\n\r\n"));
	ck_assert(!stays("GET / HTTP/1.0\r\n\r\n"));
	ck_assert(stays("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n"));
}
END_TEST

START_TEST(head_that_is_too_long_is_refused_before_its_end)
{
	struct request request;
	char text[1024];

	memset(text, 'a', sizeof(text));
	memcpy(text, "GET / HTTP/1.1\r\nX: ", 19);
	ck_assert_int_eq(take(text, limits.head_bytes - 1, &request), -1);
	ck_assert_int_eq(take(text, limits.head_bytes, &request), 431);
	/* nor does its end count once it is behind the limit */
	memcpy(text + 300, "\r\n\r\n", 4);
	ck_assert_int_eq(take(text, 304, &request), 431);
}
END_TEST

START_TEST(too_many_headers_are_refused)
{
	const struct request_limits wide = { .line_bytes = 64, .head_bytes = 8192, .body_bytes = 0 };
	struct request request;
	struct message why;
	char text[4096] = "GET / HTTP/1.1\r\nHost: h\r\n";

	for (int i = 1; i < REQUEST_HEADERS_MOST; i++)
		strcat(text, "X: y\r\n");
	for (int i = 0; i < 2; i++) {
		char *copy = strdup(text);

		strcat(strcpy(copy = realloc(copy, sizeof(text)), text), "\r\n");
		ck_assert_int_eq(request_parse(copy, strlen(copy), &wide, &request, &why), i == 0 ? 0 : 431);
		free(copy);
		strcat(text, "X: y\r\n");
	}
}
END_TEST

START_TEST(head_with_a_nul_is_refused)
{
	static const char text[] = "GET /\0 HTTP/1.1\r\nHost: h\r\n\r\n";
	struct request request;

	ck_assert_int_eq(take(text, sizeof(text) - 1, &request), 400);
}
END_TEST

static const struct {
	const char *text, *decoded;
} names[] = {
	{ "", "" },
	{ "a/b", "a/b" },
	{ "a%2fb%2F%41", "a/b/A" },
	{ "a+b", "a+b" },
	{ "%C3%A4%e2%82%ac%f0%9f%98%80", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80" },
	{ "%", NULL },
	{ "%4", NULL },
	{ "%4g", NULL },
	{ "a%00b", NULL },
	{ "%0a", NULL },
	{ "%7F", NULL },
	{ "%80", NULL },
	{ "%c3", NULL },
	{ "%c0%af", NULL },
	{ "%e0%80%af", NULL },
	{ "%ed%a0%80", NULL },
	{ "%f4%90%80%80", NULL },
	{ "%f5%80%80%80", NULL },
};

START_TEST(name_is_decoded_or_is_no_text)
{
	char *decoded = request_decode(names[_i].text, strlen(names[_i].text));

	if (names[_i].decoded) {
		ck_assert_ptr_nonnull(decoded);
		ck_assert_str_eq(decoded, names[_i].decoded);
	} else {
		ck_assert_ptr_null(decoded);
	}
	free(decoded);
}
END_TEST

#define COUNT(table) (int)(sizeof(table) / sizeof((table)[0]))

int main(void)
{
	Suite *suite = suite_create("request");
	TCase *tcase = tcase_create("request");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(tcase, request_is_taken_or_refused_with_its_status, 0, COUNT(requests));
	tcase_add_test(tcase, parts_of_a_request_are_found);
	tcase_add_test(tcase, connection_stays_as_version_and_header_say);
	tcase_add_test(tcase, head_that_is_too_long_is_refused_before_its_end);
	tcase_add_test(tcase, too_many_headers_are_refused);
	tcase_add_test(tcase, head_with_a_nul_is_refused);
	tcase_add_loop_test(tcase, name_is_decoded_or_is_no_text, 0, COUNT(names));
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
