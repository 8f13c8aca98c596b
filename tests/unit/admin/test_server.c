/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Slow, silent, mad and many clients. */
#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "support/admin_host.h"

#define MANY 1000

static const char healthy[] = "GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n";

static struct admin_host host;

static void setup(void)
{
	struct rlimit files;

	admin_host_start(&host);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &files), 0);
	files.rlim_cur = files.rlim_max;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &files), 0);
}

static void teardown(void)
{
	admin_host_stop(&host);
}

static void expect_status(int fd, int status)
{
	struct admin_reply reply;

	admin_host_receive(&host, fd, false, &reply);
	ck_assert_msg(reply.status == status, "%d and not %d: %.300s", reply.status, status, reply.text);
	if (status >= 400) {
		json_t *error = json_loads(reply.body, 0, NULL);

		ck_assert_msg(json_is_string(json_object_get(error, "error")), "%s", reply.body);
		json_decref(error);
	}
	admin_reply_free(&reply);
}

/* As ever, and at once. */
static void expect_served(void)
{
	int64_t began = clock_monotonic_ns();
	int fd = admin_host_connect(&host, false);

	admin_host_send(fd, healthy);
	expect_status(fd, 200);
	ck_assert_int_lt(clock_monotonic_ns() - began, CLOCK_NS_PER_S);
	close(fd);
}

static void expect_closed(int fd)
{
	struct admin_reply reply;

	admin_host_receive(&host, fd, false, &reply);
	ck_assert_msg(reply.is_ended && reply.status == 0, "%s", reply.text);
	admin_reply_free(&reply);
}

START_TEST(connection_is_used_again)
{
	int fd;

	admin_host_open(&host);
	fd = admin_host_connect(&host, false);
	for (int i = 0; i < 100; i++) {
		admin_host_send(fd, i % 2 ? "GET /none HTTP/1.1\r\nHost: x\r\n\r\n" : healthy);
		expect_status(fd, i % 2 ? 404 : 200);
	}
	admin_host_send(fd, "GET /-/healthy HTTP/1.0\r\n\r\n");
	expect_status(fd, 200);
	expect_closed(fd);
	close(fd);
}
END_TEST

START_TEST(requests_that_come_at_once_are_answered_in_turn)
{
	char text[8192] = "";
	int fd;

	admin_host_open(&host);
	fd = admin_host_connect(&host, false);
	admin_host_send(fd, "POST /-/reload?set=app HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"
			    "GET /v1/sets/keys HTTP/1.1\r\nHost: x\r\n\r\n"
			    "GET /-/ready HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
			    "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
	admin_host_expect(&host, fd, text, sizeof(text), "{\"ready\":true}");
	ck_assert(strstr(text, "\"result\":0") < strstr(text, "\"keys\""));
	ck_assert(strstr(text, "\"keys\"") < strstr(text, "\"ready\""));
	expect_closed(fd); /* what comes behind "close" is not looked at */
	close(fd);
}
END_TEST

START_TEST(request_may_come_byte_by_byte)
{
	const char *text = "POST /rpc HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}";
	int fd;

	admin_host_open(&host);
	fd = admin_host_connect(&host, false);
	for (; *text != '\0'; text++) {
		admin_host_send(fd, (char[]){ *text, '\0' });
		admin_host_run(&host, 0);
	}
	expect_status(fd, 200);
	close(fd);
}
END_TEST

START_TEST(client_that_has_said_all_is_answered)
{
	struct admin_reply reply;
	char request[256];
	int fd;

	admin_host_open_tcp(&host);
	snprintf(request, sizeof(request), "GET /v1/sets/app/documents/big.xml HTTP/1.1\r\nHost: %s\r\n\r\n",
		 admin_tcp(host.admin));
	for (int is_tcp = 0; is_tcp < 2; is_tcp++) {
		fd = admin_host_connect(&host, is_tcp);
		admin_host_send(fd, request);
		ck_assert_int_eq(shutdown(fd, SHUT_WR), 0);
		admin_host_receive(&host, fd, false, &reply);
		ck_assert_int_eq(reply.status, 200);
		ck_assert_uint_eq(reply.body_bytes, ADMIN_HOST_BIG_BYTES);
		admin_reply_free(&reply);
		close(fd);
	}
}
END_TEST

/* Who first writes all, and then looks, sees why, and no reset. */
START_TEST(client_that_is_refused_may_say_all_it_has)
{
	static const char piece[4096];
	char request[256];
	int fd;

	admin_host_open_tcp(&host);
	snprintf(request, sizeof(request),
		 "POST /rpc HTTP/1.1\r\nHost: %s\r\nContent-Length: 1048576\r\n\r\n", admin_tcp(host.admin));
	for (int is_tcp = 0; is_tcp < 2; is_tcp++) {
		fd = admin_host_connect(&host, is_tcp);
		admin_host_send(fd, request);
		for (int i = 0; i < 256; i++) {
			admin_host_run(&host, 0);
			ck_assert_int_eq(send(fd, piece, sizeof(piece), MSG_NOSIGNAL), sizeof(piece));
		}
		expect_status(fd, 413);
		close(fd);
	}
}
END_TEST

START_TEST(body_is_sent_for_when_the_client_waits_for_a_word)
{
	char text[4096] = "";
	int fd;

	admin_host_open(&host);
	fd = admin_host_connect(&host, false);
	admin_host_send(fd,
			"POST /rpc HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
	admin_host_expect(&host, fd, text, sizeof(text), "HTTP/1.1 100 Continue\r\n\r\n");
	admin_host_send(fd, "{}");
	admin_host_expect(&host, fd, text, sizeof(text), "-32600");
	close(fd);
}
END_TEST

START_TEST(big_answer_is_whole)
{
	struct admin_reply reply;

	admin_host_open(&host);
	ck_assert_int_eq(
		admin_host_request(&host, false, "GET /v1/sets/app/documents/big.xml", NULL, NULL, &reply),
		200);
	ck_assert_uint_eq(reply.body_bytes, ADMIN_HOST_BIG_BYTES);
	ck_assert_uint_eq(strspn(reply.body, "b"), ADMIN_HOST_BIG_BYTES);
	admin_reply_free(&reply);
}
END_TEST

/* --- limits ---------------------------------------------------------------- */

START_TEST(too_much_has_its_status)
{
	static const struct {
		const char *begin;
		size_t more_bytes;
		int status;
	} requests[] = {
		{ "GET /", 8192, 414 },
		{ "GET / HTTP/1.1\r\nHost: x\r\nX: ", 16384, 431 },
		{ "POST /rpc HTTP/1.1\r\nHost: x\r\nContent-Length: 65537\r\n\r\n", 65537, 413 },
		{ "POST /rpc HTTP/1.1\r\nHost: x\r\nContent-Length: 65536\r\n\r\n", 65536, 200 },
		{ "POST /rpc HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", 100, 411 },
		{ "\x16\x03\x01", 100, 400 },
	};
	char *text;
	int fd;

	admin_host_open(&host);
	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
		text = calloc(1, 100 + requests[i].more_bytes);
		strcpy(text, requests[i].begin);
		memset(text + strlen(text), 'a', requests[i].more_bytes);
		fd = admin_host_connect(&host, false);
		admin_host_send(fd, text);
		expect_status(fd, requests[i].status);
		if (requests[i].status != 200)
			expect_closed(fd);
		close(fd);
		free(text);
	}
	expect_served();
}
END_TEST

START_TEST(request_that_is_not_whole_in_time_is_refused)
{
	static const char *const halves[] = { "G", "GET / HTTP/1.1\r\n",
					      "POST /rpc HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{" };
	int64_t began = clock_monotonic_ns(), took;
	int fds[3], trickle;

	host.limits.request_ms = 300;
	admin_host_open(&host);
	for (int i = 0; i < 3; i++) {
		fds[i] = admin_host_connect(&host, false);
		admin_host_send(fds[i], halves[i]);
	}
	/* one that sends and sends, and never comes to an end */
	trickle = admin_host_connect(&host, false);
	for (int i = 0; i < 20; i++) {
		admin_host_send(trickle, i == 0 ? "GET / HTTP/1.1\r\n" : "X: y\r\n");
		admin_host_run(&host, 20);
	}
	/* it was told meanwhile, and not after a time without a byte */
	ck_assert_int_gt(recv(trickle, &(char){ 0 }, 1, MSG_PEEK | MSG_DONTWAIT), 0);
	expect_status(trickle, 408);
	for (int i = 0; i < 3; i++) {
		expect_status(fds[i], 408);
		expect_closed(fds[i]);
		close(fds[i]);
	}
	took = clock_monotonic_ns() - began;
	ck_assert_int_ge(took, 250 * CLOCK_NS_PER_MS);
	close(trickle);
	expect_served();
}
END_TEST

START_TEST(silent_client_is_not_waited_for)
{
	int first, second;

	host.limits.idle_ms = 200;
	admin_host_open(&host);
	first = admin_host_connect(&host, false);
	second = admin_host_connect(&host, false);
	admin_host_send(second, healthy);
	expect_status(second, 200);
	expect_status(first, 408);
	expect_closed(second); /* it had asked before: nothing to reproach it with */
	close(first);
	close(second);
}
END_TEST

START_TEST(answer_that_is_not_read_is_given_up)
{
	struct admin_reply reply;
	int fd;

	host.limits.write_ms = 300;
	admin_host_open(&host);
	fd = admin_host_connect(&host, false);
	admin_host_send(fd, "GET /v1/sets/app/documents/big.xml HTTP/1.1\r\nHost: x\r\n\r\n");
	admin_host_run(&host, 500);
	admin_host_receive(&host, fd, false, &reply);
	ck_assert(reply.is_ended && reply.body_bytes < ADMIN_HOST_BIG_BYTES);
	admin_reply_free(&reply);
	close(fd);
}
END_TEST

/* --- many ------------------------------------------------------------------ */

START_TEST(one_that_is_silent_longest_makes_room)
{
	int first, second, third;

	host.limits.connections = 2;
	admin_host_open(&host);
	first = admin_host_connect(&host, false);
	admin_host_run(&host, 1);
	second = admin_host_connect(&host, false);
	admin_host_run(&host, 1);
	third = admin_host_connect(&host, false);
	expect_status(first, 503);
	admin_host_send(second, healthy);
	expect_status(second, 200);
	admin_host_send(third, healthy);
	expect_status(third, 200);
	/* third was heard of last, so that now second goes */
	expect_served();
	expect_status(second, 503);
	close(first);
	close(second);
	close(third);
}
END_TEST

START_TEST(new_client_is_refused_when_all_are_busy)
{
	int fds[2], fd;

	host.limits.connections = 2;
	admin_host_open_tcp(&host);
	for (int i = 0; i < 2; i++) {
		fds[i] = admin_host_connect(&host, false);
		admin_host_send(fds[i], "GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n");
		admin_host_run(&host, 10);
	}
	fd = admin_host_connect(&host, false);
	admin_host_send(fd, healthy);
	expect_status(fd, 503);
	close(fd);
	/* TCP has room of its own */
	fd = admin_host_connect(&host, true);
	admin_host_send(fd, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
	expect_status(fd, 421);
	close(fd);
	close(fds[0]);
	admin_host_run(&host, 10);
	expect_served();
	close(fds[1]);
}
END_TEST

/* Silent, in the midst of a request, or mad: everybody else is served as ever. */
START_TEST(thousand_connections_disturb_nobody)
{
	static const char *const said[] = { "", "GET / HT",
					    "POST /rpc HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n[",
					    "\x01\xff\xfe garbage\n\n",
					    "GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n" };
	static int fds[MANY];
	int64_t began;

	admin_host_open_tcp(&host);
	for (int i = 0; i < MANY; i++) {
		fds[i] = admin_host_connect(&host, i % 2);
		admin_host_send(fds[i], said[_i]);
		if (i % 50 == 0)
			expect_served();
	}
	began = clock_monotonic_ns();
	for (int i = 0; i < 1000; i++) {
		admin_host_commit(&host);
		if (i % 10 == 0)
			expect_served();
	}
	ck_assert_int_lt(clock_monotonic_ns() - began, 5 * CLOCK_NS_PER_S);
	for (int i = 0; i < MANY; i++)
		close(fds[i]);
	admin_host_run(&host, 50);
	expect_served();
}
END_TEST

static int random_byte(void)
{
	static const char likely[] = "GET POST /-reloadrpcHTTP1.1\r\n\r\n: 0123{}[]\"";

	return rand() % 4 ? likely[(size_t)rand() % (sizeof(likely) - 1)] : rand() % 256;
}

START_TEST(garbage_is_answered_or_dropped)
{
	char text[600];

	host.limits.request_ms = 200;
	host.limits.connections = 16;
	admin_host_open(&host);
	srand(4711);
	for (int i = 0; i < 500; i++) {
		int fd = admin_host_connect(&host, false), length = 1 + rand() % 500;
		const char *begin = rand() % 2 ? "GET / HTTP/1.1\r\n" : rand() % 2 ? healthy : "";

		strcpy(text, begin);
		for (int k = 0; k < length; k++)
			text[strlen(begin) + (size_t)k] = (char)random_byte();
		(void)!send(fd, text, strlen(begin) + (size_t)length, MSG_NOSIGNAL);
		admin_host_run(&host, 0);
		if (i % 20 == 0)
			expect_served();
		close(fd);
	}
	expect_served();
}
END_TEST

START_TEST(without_descriptors_it_waits_and_goes_on)
{
	struct rlimit files, few;
	int fds[64], count = 0, fd, idle;

	admin_host_open(&host);
	idle = admin_host_connect(&host, false);
	admin_host_run(&host, 5);
	fd = admin_host_connect(&host, false);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &files), 0);
	few = files;
	few.rlim_cur = 40;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
	while (count < 64 && (fds[count] = open("/dev/null", O_RDONLY)) >= 0)
		count++;
	ck_assert_int_gt(count, 0);
	/* who is silent gives its own up */
	admin_host_send(fd, healthy);
	expect_status(fd, 200);
	expect_status(idle, 503);
	while (count > 0)
		close(fds[--count]);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &files), 0);
	expect_served();
	close(fd);
	close(idle);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("server");
	TCase *tcase = tcase_create("server");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, connection_is_used_again);
	tcase_add_test(tcase, requests_that_come_at_once_are_answered_in_turn);
	tcase_add_test(tcase, request_may_come_byte_by_byte);
	tcase_add_test(tcase, client_that_has_said_all_is_answered);
	tcase_add_test(tcase, client_that_is_refused_may_say_all_it_has);
	tcase_add_test(tcase, body_is_sent_for_when_the_client_waits_for_a_word);
	tcase_add_test(tcase, big_answer_is_whole);
	tcase_add_test(tcase, too_much_has_its_status);
	tcase_add_test(tcase, request_that_is_not_whole_in_time_is_refused);
	tcase_add_test(tcase, silent_client_is_not_waited_for);
	tcase_add_test(tcase, answer_that_is_not_read_is_given_up);
	tcase_add_test(tcase, one_that_is_silent_longest_makes_room);
	tcase_add_test(tcase, new_client_is_refused_when_all_are_busy);
	tcase_add_loop_test(tcase, thousand_connections_disturb_nobody, 0, 5);
	tcase_add_test(tcase, garbage_is_answered_or_dropped);
	tcase_add_test(tcase, without_descriptors_it_waits_and_goes_on);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
