/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "support/admin_host.h"

static struct admin_host host;
static char text[1 << 16];

static void setup(void)
{
	admin_host_start(&host);
	text[0] = '\0';
}

static void teardown(void)
{
	admin_host_stop(&host);
}

static int listen_to(const char *path)
{
	char request[256];
	int fd = admin_host_connect(&host, false);

	snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path);
	admin_host_send(fd, request);
	admin_host_run(&host, 20);
	return fd;
}

START_TEST(stream_begins_with_how_things_are)
{
	int fd;

	admin_host_open(&host);
	fd = listen_to("/v1/events");
	admin_host_expect(&host, fd, text, sizeof(text),
			  "\r\n\r\nid: 7\nevent: current\ndata: {\"set\":\"app\",\"seq\":7}\n\n"
			  "id: 1\nevent: current\ndata: {\"set\":\"keys\",\"seq\":1}\n\n");
	ck_assert_ptr_nonnull(strstr(text, "HTTP/1.1 200 OK\r\n"));
	ck_assert_ptr_nonnull(strstr(text, "\r\nContent-Type: text/event-stream\r\n"));
	ck_assert_ptr_nonnull(strstr(text, "\r\nConnection: close\r\n"));
	ck_assert_ptr_null(strstr(text, "Content-Length"));
	close(fd);
}
END_TEST

START_TEST(each_commit_is_an_event)
{
	char expected[256];
	int fd;

	admin_host_open(&host);
	fd = listen_to("/v1/events");
	for (int i = 8; i < 20; i++) {
		admin_host_commit(&host);
		snprintf(
			expected, sizeof(expected),
			"\n\nid: %d\nevent: commit\ndata: {\"set\":\"app\",\"seq\":%d,\"time\":\"2023-11-14T22:13:20.000Z\","
			"\"changed\":[\"a.xml\"],\"changed_count\":1}\n\n",
			i, i);
		admin_host_expect(&host, fd, text, sizeof(text), expected);
	}
	close(fd);
}
END_TEST

START_TEST(stream_of_one_set_tells_of_no_other)
{
	int app, keys;

	admin_host_open(&host);
	keys = listen_to("/v1/events?set=keys");
	app = listen_to("/v1/events?set=app");
	admin_host_commit(&host);
	admin_committed(host.admin, &(struct admin_commit){ .set = "keys", .seq = 2 });
	admin_host_expect(&host, keys, text, sizeof(text), "id: 2\nevent: commit\n");
	ck_assert_ptr_null(strstr(text, "\"app\""));
	text[0] = '\0';
	admin_host_expect(&host, app, text, sizeof(text), "id: 8\nevent: commit\n");
	ck_assert_ptr_null(strstr(text, "\"keys\""));
	close(app);
	close(keys);
}
END_TEST

START_TEST(many_names_are_cut)
{
	const char *names[1000];
	int fd;

	for (int i = 0; i < 1000; i++)
		names[i] = "a";
	admin_host_open(&host);
	fd = listen_to("/v1/events?set=app");
	admin_committed(
		host.admin,
		&(struct admin_commit){
			.set = "app", .seq = 8, .names = names, .name_count = 1000, .changed_count = 5000 });
	admin_host_expect(&host, fd, text, sizeof(text), ",\"a\"],\"changed_count\":5000}\n\n");
	ck_assert_uint_lt(strlen(text), 1500);
	close(fd);
}
END_TEST

START_TEST(heartbeat_is_a_comment)
{
	int fd;

	admin_host_open(&host);
	fd = listen_to("/v1/events?set=app");
	for (int i = 0; i < 16 && !strstr(text, "\n\n:\n\n"); i++) {
		admin_host_run(&host, 1000);
		admin_host_expect(&host, fd, text, sizeof(text), i < 15 ? "" : "\n\n:\n\n");
	}
	admin_host_expect(&host, fd, text, sizeof(text), "\n\n:\n\n");
	close(fd);
}
END_TEST

static double metric(const char *name)
{
	struct admin_reply reply;
	const char *line;
	double value;

	admin_host_request(&host, false, "GET /metrics", NULL, NULL, &reply);
	line = strstr(reply.body, name);
	ck_assert_msg(line && sscanf(line + strlen(name), " %lf", &value) == 1, "%s: %s", name, reply.body);
	admin_reply_free(&reply);
	return value;
}

/* One reads, one does not: the one gets all, in order, and the other is dropped, and told from its end. */
START_TEST(reader_that_does_not_read_is_dropped)
{
	struct admin_reply reply;
	int slow, quick, dropped_at = 0;
	char expected[32];

	host.limits.stream_bytes = 65536;
	admin_host_open(&host);
	slow = listen_to("/v1/events");
	quick = listen_to("/v1/events");
	for (int i = 8; i < 20000 && dropped_at == 0; i++) {
		admin_host_commit(&host);
		text[0] = '\0';
		snprintf(expected, sizeof(expected), "id: %d\n", i);
		admin_host_expect(&host, quick, text, sizeof(text), expected);
		if (i % 100 == 0 && metric("\nzkcfg_admin_streams_dropped_total") > 0)
			dropped_at = i;
	}
	ck_assert_int_gt(dropped_at, 0);
	ck_assert_double_eq(metric("\nzkcfg_admin_streams"), 1);
	admin_host_receive(&host, slow, false, &reply);
	ck_assert(reply.is_ended);
	ck_assert_ptr_nonnull(strstr(reply.text, "id: 8\n"));
	admin_reply_free(&reply);
	close(slow);
	close(quick);
	admin_host_run(&host, 20);
	ck_assert_double_eq(metric("\nzkcfg_admin_streams"), 0);
}
END_TEST

START_TEST(streams_have_a_limit)
{
	struct admin_reply reply;
	int first, second;

	host.limits.streams = 1;
	admin_host_open(&host);
	first = listen_to("/v1/events");
	second = listen_to("/v1/events");
	admin_host_receive(&host, second, false, &reply);
	ck_assert_int_eq(reply.status, 503);
	admin_reply_free(&reply);
	close(first);
	admin_host_run(&host, 20);
	first = listen_to("/v1/events");
	admin_host_expect(&host, first, text, sizeof(text), "event: current");
	close(first);
	close(second);
}
END_TEST

START_TEST(stream_ends_with_the_interface)
{
	struct admin_reply reply;
	int fd;

	admin_host_open(&host);
	fd = listen_to("/v1/events");
	admin_close(host.admin);
	host.admin = NULL;
	admin_host_receive(&host, fd, false, &reply);
	ck_assert(reply.is_ended);
	ck_assert_int_eq(reply.status, 200);
	admin_reply_free(&reply);
	close(fd);
}
END_TEST

/* What a listener sends is nothing to anybody. */
START_TEST(listener_that_talks_is_not_heard)
{
	int fd;

	admin_host_open(&host);
	fd = listen_to("/v1/events");
	for (int i = 0; i < 100; i++) {
		admin_host_send(fd, "POST /-/reload HTTP/1.1\r\nHost: x\r\n\r\n");
		admin_host_run(&host, 0);
	}
	admin_host_commit(&host);
	admin_host_expect(&host, fd, text, sizeof(text), "id: 8\n");
	ck_assert_uint_eq(host.reload_count, 0);
	close(fd);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("events");
	TCase *tcase = tcase_create("events");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, stream_begins_with_how_things_are);
	tcase_add_test(tcase, each_commit_is_an_event);
	tcase_add_test(tcase, stream_of_one_set_tells_of_no_other);
	tcase_add_test(tcase, many_names_are_cut);
	tcase_add_test(tcase, heartbeat_is_a_comment);
	tcase_add_test(tcase, reader_that_does_not_read_is_dropped);
	tcase_add_test(tcase, streams_have_a_limit);
	tcase_add_test(tcase, stream_ends_with_the_interface);
	tcase_add_test(tcase, listener_that_talks_is_not_heard);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
