/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Each promise of http.h, against a server on a real socket that keeps to HTTP or breaks it */
#include "http/http.h"

#include <arpa/inet.h>
#include <check.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>

#include "base/clock.h"
#include "support/certificates.h"
#include "support/http_server.h"

#define MOST 100000
#define WAIT_NS (10 * CLOCK_NS_PER_S)

static struct event_base *loop;
static struct http *http;
static struct http_server *server;

/* --- one request and what is told of it -------------------------------------------------------- */

struct told {
	struct http_request *request;
	unsigned done, pieces;
	enum http_failure failure;
	int status;
	char reason[512], body[MOST + 1], arrived[4096];
	size_t body_bytes, arrived_bytes, longest_piece;
	/* What is done within a callback. */
	void (*in_arrived)(struct told *told);
	void (*in_done)(struct told *told);
	struct told *other;
};

static bool is_calling; /* a function of http.h that must tell nothing */

static void on_arrived(void *user, const char *bytes, size_t size_bytes)
{
	struct told *told = user;

	ck_assert(!is_calling);
	ck_assert_uint_eq(told->done, 0);
	ck_assert_uint_gt(size_bytes, 0);
	told->pieces++;
	for (size_t i = 0; i < size_bytes && told->arrived_bytes < sizeof(told->arrived) - 1; i++)
		told->arrived[told->arrived_bytes++] = bytes[i];
	if (size_bytes > told->longest_piece)
		told->longest_piece = size_bytes;
	if (told->in_arrived)
		told->in_arrived(told);
}

static void on_done(void *user, const struct http_answer *answer)
{
	struct told *told = user;

	ck_assert(!is_calling);
	ck_assert_uint_eq(told->done, 0);
	told->done++;
	told->failure = answer->failure;
	told->status = answer->status;
	snprintf(told->reason, sizeof(told->reason), "%s", answer->reason);
	ck_assert_uint_le(answer->body_bytes, MOST);
	ck_assert_int_eq(answer->body[answer->body_bytes], '\0');
	memcpy(told->body, answer->body, answer->body_bytes);
	told->body[answer->body_bytes] = '\0';
	told->body_bytes = answer->body_bytes;
	ck_assert_int_eq(answer->failure == HTTP_ANSWERED, answer->reason[0] == '\0');
	if (told->in_done)
		told->in_done(told);
}

static char *url_of(const char *path)
{
	char *url;

	ck_assert_int_gt(asprintf(&url, "http://127.0.0.1:%d%s", http_server_port(server), path), 0);
	return url;
}

static struct http_call call_of(const char *url, struct told *told)
{
	return (struct http_call){
		.url = url,
		.connect_timeout_ms = 5000,
		.timeout_ms = 8000,
		.most_bytes = MOST,
		.done = on_done,
		.user = told,
	};
}

static void start(struct told *told, const struct http_call *call)
{
	is_calling = true;
	told->request = http_start(http, call);
	is_calling = false;
	ck_assert_ptr_nonnull(told->request);
}

static void cancel(struct told *told)
{
	bool was_calling = is_calling;

	is_calling = true;
	http_cancel(told->request);
	is_calling = was_calling;
}

static void run(int ms)
{
	struct timeval wait = { .tv_usec = ms * 1000 };

	event_base_loopexit(loop, &wait);
	event_base_dispatch(loop);
}

#define AWAIT(condition)                                                                              \
	do {                                                                                          \
		int64_t await_began_ns = clock_monotonic_ns();                                        \
		while (!(condition)) {                                                                \
			ck_assert_msg(clock_monotonic_ns() < await_began_ns + WAIT_NS, "in vain: %s", \
				      #condition);                                                    \
			run(2);                                                                       \
		}                                                                                     \
	} while (0)

static struct http_server_counts counts(void)
{
	struct http_server_counts got;

	http_server_count(server, &got);
	return got;
}

/* Ask for a path, as the call says, and wait for the answer. */
static void ask_as(struct told *told, const char *path, struct http_call call)
{
	char *url = url_of(path);

	*told = (struct told){ .in_arrived = told->in_arrived, .in_done = told->in_done };
	call.url = url;
	start(told, &call);
	free(url); /* all of a call is copied */
	AWAIT(told->done > 0);
}

static void ask(struct told *told, const char *path)
{
	ask_as(told, path, call_of(NULL, told));
}

static void ask_url(struct told *told, const char *url)
{
	struct http_call call = call_of(url, told);

	*told = (struct told){ 0 };
	start(told, &call);
	AWAIT(told->done > 0);
}

static void begin(const struct http_server_place *place, const struct http_tls *tls)
{
	static const struct http_tls none;

	server = http_server_new(place);
	loop = event_base_new();
	http = http_new(loop, tls ? tls : &none);
	ck_assert_ptr_nonnull(http);
}

static void begin_plain(void)
{
	begin(NULL, NULL);
}

static void end(void)
{
	is_calling = true; /* nothing is told of what goes */
	http_free(http);
	event_base_free(loop);
	http_server_free(server);
}

static void is_answer(const struct told *told, int status, const char *body)
{
	ck_assert_msg(told->failure == HTTP_ANSWERED, "%d: %s", told->failure, told->reason);
	ck_assert_int_eq(told->status, status);
	ck_assert_str_eq(told->body, body);
	ck_assert_uint_eq(told->body_bytes, strlen(body));
}

/* It failed so, and says so with the address. */
static void is_failure(const struct told *told, enum http_failure failure, const char *why)
{
	char origin[64];

	snprintf(origin, sizeof(origin), "://127.0.0.1:%d: ", http_server_port(server));
	ck_assert_msg(told->failure == failure, "%d: %s", told->failure, told->reason);
	ck_assert_msg(strncmp(told->reason, "http", 4) == 0 && strstr(told->reason, origin) &&
			      strstr(told->reason, why),
		      "\"%s\" lacks \"%s\" or \"%s\"", told->reason, origin, why);
}

/* --- answers -------------------------------------------------------- */

START_TEST(answer_is_told_with_status_and_body)
{
	struct told told = { 0 };

	ask(&told, "/hello");
	is_answer(&told, 200, "hello");
	ask(&told, "/what");
	is_answer(&told, 404, "");
	ask(&told, "/status/503");
	is_answer(&told, 503, "status 503");
	ask(&told, "/until-closed");
	is_answer(&told, 200, "all of it");
	ask(&told, "/nul");
	ck_assert_uint_eq(told.body_bytes, 3);
	ck_assert_mem_eq(told.body, "a\0b", 4);
}
END_TEST

START_TEST(answer_in_pieces_is_collected)
{
	struct told told = { 0 };

	ask(&told, "/pieces");
	is_answer(&told, 200, "onetwothree");
	ask(&told, "/chunked/99999");
	ck_assert_uint_eq(told.body_bytes, 99999);
}
END_TEST

START_TEST(request_is_sent_as_it_was_given)
{
	char one[] = "X-One: 1", two[] = "X-Two: b c";
	const char *headers[] = { one, two, NULL };
	struct told told = { 0 };
	struct http_call call = call_of(NULL, &told);

	ask(&told, "/echo?a=%20b");
	ck_assert_msg(strncmp(told.body, "GET /echo?a=%20b HTTP/1.1\r\n", 27) == 0, "%s", told.body);
	ck_assert_msg(strstr(told.body, "\r\nUser-Agent: zkcfg/" PACKAGE_VERSION "\r\n"), "%s", told.body);

	call.headers = headers;
	ask_as(&told, "/echo", call);
	ck_assert_msg(strstr(told.body, "\r\nX-One: 1\r\n") && strstr(told.body, "\r\nX-Two: b c\r\n"), "%s",
		      told.body);
}
END_TEST

START_TEST(all_of_a_call_is_copied)
{
	char *url = url_of("/echo"), header[] = "X-One: 1", body[] = "a body";
	const char *headers[] = { header, NULL };
	struct told told = { 0 };
	struct http_call call = call_of(url, &told);

	call.headers = headers;
	call.body = body;
	call.body_bytes = strlen(body);
	start(&told, &call);
	memset(url, 'z', strlen(url));
	memset(header, 'z', strlen(header));
	memset(body, 'z', strlen(body));
	memset(&call, 'z', sizeof(call));
	headers[0] = NULL;
	free(url);
	AWAIT(told.done > 0);
	ck_assert_msg(strncmp(told.body, "POST /echo ", 11) == 0, "%s", told.body);
	ck_assert_msg(strstr(told.body, "\r\nX-One: 1\r\n") && strstr(told.body, "\r\n\r\na body"), "%s",
		      told.body);
}
END_TEST

START_TEST(body_is_posted_and_no_leave_to_send_it_is_asked_for)
{
	char *big = malloc(3000000);
	struct told told = { 0 };
	struct http_call call = call_of(NULL, &told);

	call.body = "x\0y";
	call.body_bytes = 3;
	ask_as(&told, "/echo", call);
	ck_assert_uint_eq(told.status, 200);
	ck_assert_msg(strstr(told.body, "\r\nContent-Length: 3\r\n"), "%s", told.body);
	ck_assert_mem_eq(told.body + told.body_bytes - 3, "x\0y", 3);

	call.body = "";
	call.body_bytes = 0;
	ask_as(&told, "/echo", call);
	ck_assert_msg(strncmp(told.body, "POST ", 5) == 0 && strstr(told.body, "\r\nContent-Length: 0\r\n"),
		      "%s", told.body);

	memset(big, 'b', 40000);
	call.body = big;
	call.body_bytes = 40000;
	ask_as(&told, "/echo", call);
	ck_assert_mem_eq(told.body + told.body_bytes - 40000, big, 40000);

	/* beyond a megabyte libcurl would ask */
	memset(big, 'b', 3000000);
	call.body_bytes = 3000000;
	ask_as(&told, "/head", call);
	ck_assert_msg(told.status == 200 && !strstr(told.body, "Expect"), "%s%s", told.reason, told.body);
	free(big);
}
END_TEST

START_TEST(redirect_is_an_answer_and_is_not_followed)
{
	struct told told = { 0 };

	ask(&told, "/redirect");
	is_answer(&told, 302, "");
	ck_assert_uint_eq(counts().requests, 1);
}
END_TEST

START_TEST(no_proxy_of_the_environment_is_asked)
{
	static const char *const names[] = { "http_proxy", "https_proxy", "all_proxy", "HTTPS_PROXY",
					     "ALL_PROXY" };
	struct told told = { 0 };

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		setenv(names[i], "http://127.0.0.1:1", 1);
	ask(&told, "/hello");
	is_answer(&told, 200, "hello");
}
END_TEST

START_TEST(connection_is_used_again)
{
	struct told told = { 0 };

	for (int i = 0; i < 5; i++) {
		ask(&told, "/hello");
		is_answer(&told, 200, "hello");
	}
	ck_assert_uint_eq(counts().connections, 1);
	ck_assert_uint_eq(counts().requests, 5);
}
END_TEST

START_TEST(connection_that_the_server_left_is_made_anew)
{
	struct told told = { 0 };

	for (int i = 0; i < 5; i++) {
		ask(&told, "/stale");
		is_answer(&told, 200, "hello");
	}
	ck_assert_uint_eq(counts().connections, 5);
}
END_TEST

START_TEST(requests_go_side_by_side)
{
	static struct told told[20];
	char *late = url_of("/late"), *hello = url_of("/hello");
	int64_t began_ns = clock_monotonic_ns();

	for (int i = 0; i < 20; i++) {
		struct http_call call = call_of(i % 2 ? hello : late, &told[i]);

		start(&told[i], &call);
	}
	for (int i = 0; i < 20; i++) {
		AWAIT(told[i].done > 0);
		is_answer(&told[i], 200, i % 2 ? "hello" : "late");
	}
	ck_assert_int_lt(clock_monotonic_ns() - began_ns, 2 * CLOCK_NS_PER_S); /* one by one: 3 s */
	free(late), free(hello);
}
END_TEST

START_TEST(unix_socket_is_connected_to_whatever_the_host)
{
	char path[64];
	struct http_server_place place = { .socket = path };
	struct http_server *other;
	struct told told = { 0 };
	struct http_call call = call_of("http://nowhere.invalid/echo", &told);

	snprintf(path, sizeof(path), "/tmp/zkcfg-http-%d", (int)getpid());
	other = http_server_new(&place);
	call.socket = path;
	start(&told, &call);
	AWAIT(told.done > 0);
	ck_assert_msg(told.status == 200 && strstr(told.body, "Host: nowhere.invalid"), "%s%s", told.reason,
		      told.body);
	http_server_free(other);
	unlink(path);
}
END_TEST

/* --- as bytes arrive -------------------------------------------------------- */

static struct http_call streaming(struct told *told)
{
	struct http_call call = call_of(NULL, told);

	call.arrived = on_arrived;
	return call;
}

START_TEST(bytes_are_handed_on_as_they_arrive)
{
	struct told told = { 0 };

	ask_as(&told, "/pieces", streaming(&told));
	ck_assert_str_eq(told.arrived, "onetwothree");
	ck_assert_uint_eq(told.pieces, 3); /* 30 ms apart: not kept for later */
	is_answer(&told, 200, "");	   /* what was handed on is not kept */
}
END_TEST

START_TEST(answer_of_another_status_is_collected_also_where_bytes_would_be_handed_on)
{
	struct told told = { 0 };

	ask_as(&told, "/status/503", streaming(&told));
	is_answer(&told, 503, "status 503");
	ck_assert_uint_eq(told.pieces, 0);
	ask_as(&told, "/redirect", streaming(&told));
	is_answer(&told, 302, "");
}
END_TEST

START_TEST(what_arrived_before_the_end_of_a_broken_answer_is_handed_on)
{
	struct told told = { 0 };

	ask_as(&told, "/half-body", streaming(&told));
	is_failure(&told, HTTP_BROKEN, "");
	ck_assert_str_eq(told.arrived, "hello");
	ck_assert_str_eq(told.body, "");
}
END_TEST

START_TEST(limit_is_of_a_piece_where_bytes_are_handed_on)
{
	struct told told = { 0 };
	struct http_call call = streaming(&told);

	call.most_bytes = 20; /* three pieces of some bytes are within it, and 1000 ticks of 4 */
	call.timeout_ms = 0;
	told.in_arrived = NULL;
	ask_as(&told, "/pieces", call);
	is_answer(&told, 200, "");

	ask_as(&told, "/big/5000", call);
	is_failure(&told, HTTP_TOO_LARGE, "more than 20 bytes");
	ck_assert_uint_le(told.longest_piece, 20);

	call.most_bytes = 10000; /* much more than that comes */
	ask_as(&told, "/status/500", call);
	is_answer(&told, 500, "status 500");
	call.most_bytes = 9;
	ask_as(&told, "/status/500", call);
	is_failure(&told, HTTP_TOO_LARGE, "more than 9 bytes");
}
END_TEST

static void stop_after_fifty(struct told *told)
{
	if (told->pieces == 50)
		cancel(told);
}

START_TEST(answer_without_an_end_goes_on_past_limit_and_time)
{
	struct told told = { .in_arrived = stop_after_fifty };
	char *url = url_of("/ticking");
	struct http_call call = streaming(&told);

	call.url = url;
	call.most_bytes = 100;
	call.connect_timeout_ms = 100;
	call.timeout_ms = 0;
	start(&told, &call);
	AWAIT(told.pieces >= 50);
	ck_assert_uint_ge(told.arrived_bytes, 200);
	AWAIT(counts().left == 1);
	ck_assert_uint_eq(told.pieces, 50);
	ck_assert_uint_eq(told.done, 0);
	free(url);
}
END_TEST

/* --- limits -------------------------------------------------------- */

START_TEST(answer_may_have_as_many_bytes_as_the_limit_and_no_more)
{
	struct told told = { 0 };
	struct http_call call = call_of(NULL, &told);

	call.most_bytes = 50000;
	ask_as(&told, "/big/50000", call);
	ck_assert_uint_eq(told.body_bytes, 50000);
	ask_as(&told, "/big/50001", call);
	is_failure(&told, HTTP_TOO_LARGE, "more than 50000 bytes");
	ask_as(&told, "/chunked/50000", call);
	ck_assert_uint_eq(told.body_bytes, 50000);
	ask_as(&told, "/chunked/50001", call);
	is_failure(&told, HTTP_TOO_LARGE, "more than 50000 bytes");
	ask_as(&told, "/hello", call);
	is_answer(&told, 200, "hello");
}
END_TEST

START_TEST(answer_over_the_limit_is_not_fetched_to_its_end)
{
	struct told told = { 0 };

	ask(&told, "/big/300000000");
	is_failure(&told, HTTP_TOO_LARGE, "more than 100000 bytes");
	AWAIT(counts().left == 1);
}
END_TEST

START_TEST(time_is_limited_from_start_to_end)
{
	struct told told = { 0 };
	struct http_call call = call_of(NULL, &told);
	int64_t began_ns = clock_monotonic_ns();

	call.timeout_ms = 150;
	ask_as(&told, "/never", call);
	is_failure(&told, HTTP_TIMED_OUT, "");
	ck_assert_int_ge(clock_monotonic_ns() - began_ns, 145 * CLOCK_NS_PER_MS);
	ck_assert_int_lt(clock_monotonic_ns() - began_ns, 3 * CLOCK_NS_PER_S);
	ck_assert_int_eq(told.status, 0);

	ask_as(&told, "/ticking", call); /* bytes that come are no reason to go on */
	is_failure(&told, HTTP_TIMED_OUT, "");
	AWAIT(counts().left == 2);

	call.timeout_ms = 0;
	ask_as(&told, "/late", call);
	is_answer(&told, 200, "late");
}
END_TEST

/* A port that takes no connection and refuses none: as many wait there as may. */
struct full {
	int fd, waiting[8];
	int port;
};

static void full_begin(struct full *full)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof(in);

	full->fd = socket(AF_INET, SOCK_STREAM, 0);
	ck_assert_int_eq(bind(full->fd, (struct sockaddr *)&in, sizeof(in)), 0);
	ck_assert_int_eq(listen(full->fd, 0), 0);
	ck_assert_int_eq(getsockname(full->fd, (struct sockaddr *)&in, &length), 0);
	full->port = ntohs(in.sin_port);
	for (int i = 0; i < 8; i++) {
		full->waiting[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		connect(full->waiting[i], (struct sockaddr *)&in, sizeof(in));
	}
}

static void full_end(struct full *full)
{
	for (int i = 0; i < 8; i++)
		close(full->waiting[i]);
	close(full->fd);
}

START_TEST(time_to_connect_is_limited)
{
	struct full full;
	struct told told = { 0 };
	char url[64], expected[80];
	struct http_call call = call_of(url, &told);
	int64_t began_ns = clock_monotonic_ns();

	full_begin(&full);
	snprintf(url, sizeof(url), "http://127.0.0.1:%d/hello", full.port);
	snprintf(expected, sizeof(expected), "http://127.0.0.1:%d: ", full.port);
	call.connect_timeout_ms = 200;
	call.timeout_ms = 0;
	start(&told, &call);
	AWAIT(told.done > 0);
	ck_assert_int_eq(told.failure, HTTP_TIMED_OUT);
	ck_assert_msg(strncmp(told.reason, expected, strlen(expected)) == 0, "%s", told.reason);
	ck_assert_int_lt(clock_monotonic_ns() - began_ns, 3 * CLOCK_NS_PER_S);
	full_end(&full);
}
END_TEST

/* --- what goes wrong -------------------------------------------------------- */

START_TEST(nobody_there_is_told_with_the_systems_word)
{
	struct told told = { 0 };
	char url[64], expected[96];
	int port = http_server_port(server);

	http_server_free(server);
	snprintf(url, sizeof(url), "http://127.0.0.1:%d/secret?path", port);
	snprintf(expected, sizeof(expected), "http://127.0.0.1:%d: Connection refused", port);
	ask_url(&told, url);
	ck_assert_int_eq(told.failure, HTTP_UNREACHABLE);
	ck_assert_str_eq(told.reason, expected);
	ck_assert_int_eq(told.status, 0);
	server = http_server_new(NULL);
}
END_TEST

START_TEST(name_that_leads_nowhere_is_told)
{
	struct told told = { 0 };

	ask_url(&told, "http://nowhere.invalid:8080/hello");
	ck_assert_int_eq(told.failure, HTTP_UNREACHABLE);
	ck_assert_msg(strncmp(told.reason, "http://nowhere.invalid:8080: ", 29) == 0 &&
			      strstr(told.reason, "resolve"),
		      "%s", told.reason);
}
END_TEST

START_TEST(socket_that_is_not_there_is_told)
{
	struct told told = { 0 };
	struct http_call call = call_of("http://localhost/", &told);

	call.socket = "/tmp/zkcfg-no-such-socket";
	start(&told, &call);
	AWAIT(told.done > 0);
	ck_assert_int_eq(told.failure, HTTP_UNREACHABLE);
	ck_assert_msg(told.reason[0] != '\0', "%s", told.reason);
}
END_TEST

START_TEST(answer_that_ends_in_the_middle_is_none)
{
	static const char *const paths[] = { "/nothing",   "/reset",	 "/half-status",
					     "/half-head", "/half-body", "/half-chunk" };
	struct told told;

	for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
		memset(&told, 0, sizeof(told));
		ask(&told, paths[i]);
		ck_assert_msg(told.failure == HTTP_BROKEN, "%s: %d, %d, \"%s\"", paths[i], told.failure,
			      told.status, told.body);
		is_failure(&told, HTTP_BROKEN, "");
	}
	ask(&told, "/hello");
	is_answer(&told, 200, "hello");
}
END_TEST

START_TEST(answer_that_is_not_http_is_none)
{
	struct told told = { 0 };

	ask(&told, "/not-http");
	is_failure(&told, HTTP_BROKEN, "HTTP");
	ck_assert_str_eq(told.body, "");
}
END_TEST

START_TEST(url_that_is_none_is_told)
{
	static const char *const urls[] = { "", "http://", "http://127.0.0.1:port/", "://x", "http://a b/" };
	struct told told = { 0 };

	for (size_t i = 0; i < sizeof(urls) / sizeof(*urls); i++) {
		ask_url(&told, urls[i]);
		ck_assert_msg(told.failure == HTTP_BROKEN && strstr(told.reason, "URL"), "\"%s\": %d, %s",
			      urls[i], told.failure, told.reason);
	}
}
END_TEST

START_TEST(only_http_is_spoken)
{
	static const char *const urls[] = { "file:///etc/passwd", "ftp://127.0.0.1/", "telnet://127.0.0.1/" };
	struct told told;

	for (size_t i = 0; i < sizeof(urls) / sizeof(*urls); i++) {
		ask_url(&told, urls[i]);
		ck_assert_msg(told.failure == HTTP_BROKEN && told.body_bytes == 0, "%s: %d", urls[i],
			      told.failure);
	}
}
END_TEST

START_TEST(password_in_a_url_is_in_no_reason)
{
	struct told told = { 0 };
	char url[128];

	snprintf(url, sizeof(url), "http://user:password@127.0.0.1:%d/nothing", http_server_port(server));
	ask_url(&told, url);
	is_failure(&told, HTTP_BROKEN, "");
	ck_assert_ptr_null(strstr(told.reason, "user"));
	ck_assert_ptr_null(strstr(told.reason, "word"));
}
END_TEST

/* --- cancelled -------------------------------------------------------- */

START_TEST(nothing_is_told_of_what_was_cancelled)
{
	struct told told = { 0 }, other = { 0 };
	char *url = url_of("/late"), *never = url_of("/never");
	struct http_call call = call_of(url, &told);

	start(&told, &call); /* before the loop ran */
	cancel(&told);
	call = call_of(never, &told);
	start(&told, &call);
	AWAIT(counts().requests == 1);
	cancel(&told);
	AWAIT(counts().left == 1);
	call = call_of(url, &other);
	start(&other, &call);
	AWAIT(other.done > 0);
	ck_assert_uint_eq(told.done, 0);
	http_cancel(NULL);
	free(url), free(never);
}
END_TEST

static void cancel_self(struct told *told)
{
	cancel(told);
}

static void cancel_other(struct told *told)
{
	if (told->other && told->other->done == 0)
		cancel(told->other);
	if (told->other)
		told->other->other = NULL;
}

START_TEST(request_is_cancelled_within_its_own_callback)
{
	struct told told = { .in_arrived = cancel_self };
	char *url = url_of("/pieces");
	struct http_call call = streaming(&told);

	call.url = url;
	start(&told, &call);
	AWAIT(told.pieces > 0);
	AWAIT(counts().left == 1);
	run(100);
	ck_assert_uint_eq(told.pieces, 1);
	ck_assert_str_eq(told.arrived, "one");
	ck_assert_uint_eq(told.done, 0);
	free(url);
}
END_TEST

/* Both are over at once, and one ends the other before it is told. */
START_TEST(request_that_is_over_is_cancelled_by_another_ones_callback)
{
	struct told told = { .in_done = cancel_other }, other = { .in_done = cancel_other };
	char *url = url_of("/hello");
	struct http_call call = call_of(url, &told);

	for (int i = 0; i < 50; i++) {
		told = (struct told){ .in_done = cancel_other, .other = &other };
		other = (struct told){ .in_done = cancel_other, .other = &told };
		call = call_of(url, &told);
		start(&told, &call);
		call.user = &other;
		start(&other, &call);
		usleep(i * 20);
		AWAIT(told.done + other.done > 0);
		run(2);
		ck_assert_uint_eq(told.done + other.done, 1);
	}
	free(url);
}
END_TEST

static void ask_again(struct told *told)
{
	char *url = url_of("/hello");
	struct http_call call = call_of(url, told->other);

	told->other->request = http_start(http, &call); /* tells nothing from within */
	ck_assert_ptr_nonnull(told->other->request);
	ck_assert_uint_eq(told->other->done, 0);
	free(url);
}

START_TEST(request_is_made_within_a_callback)
{
	struct told third = { 0 }, second = { .in_done = ask_again, .other = &third };
	struct told first = { .in_done = ask_again, .other = &second };
	char *url = url_of("/hello");
	struct http_call call = call_of(url, &first);

	start(&first, &call);
	AWAIT(third.done > 0);
	is_answer(&third, 200, "hello");
	ck_assert_uint_eq(counts().connections, 1);
	free(url);
}
END_TEST

START_TEST(nothing_is_told_of_what_is_under_way_when_all_ends)
{
	static struct told told[6];
	static const char *const paths[] = {
		"/never", "/ticking", "/late", "/hello", "/big/50000", "/reset"
	};

	for (size_t i = 0; i < 6; i++) {
		char *url = url_of(paths[i]);
		struct http_call call = call_of(url, &told[i]);

		if (i == 1)
			call.arrived = on_arrived;
		start(&told[i], &call);
		free(url);
	}
	AWAIT(told[1].pieces > 2);
	is_calling = true;
	http_free(http);
	http = NULL;
	event_base_loop(loop, EVLOOP_NONBLOCK);
	ck_assert_int_eq(event_base_get_num_events(loop, EVENT_BASE_COUNT_ADDED), 0);
	ck_assert_uint_eq(told[0].done + told[1].done + told[2].done, 0);
	http_free(NULL);
}
END_TEST

/* --- blocking -------------------------------------------------------- */

static void perform(struct told *told, const struct http_tls *tls, const char *path)
{
	static const struct http_tls none;
	char *url = url_of(path);
	struct http_call call = call_of(url, told);

	*told = (struct told){ 0 };
	call.timeout_ms = 500;
	ck_assert_int_eq(http_perform(tls ? tls : &none, &call), 0);
	ck_assert_uint_eq(told->done, 1);
	free(url);
}

START_TEST(blocking_request_tells_the_same_before_it_returns)
{
	struct told told;

	perform(&told, NULL, "/hello");
	is_answer(&told, 200, "hello");
	perform(&told, NULL, "/pieces");
	is_answer(&told, 200, "onetwothree");
	perform(&told, NULL, "/status/404");
	is_answer(&told, 404, "status 404");
	perform(&told, NULL, "/big/100001");
	is_failure(&told, HTTP_TOO_LARGE, "more than 100000 bytes");
	perform(&told, NULL, "/never");
	is_failure(&told, HTTP_TIMED_OUT, "");
	perform(&told, NULL, "/half-head");
	is_failure(&told, HTTP_BROKEN, "");
	perform(&told, NULL, "/half-body");
	is_failure(&told, HTTP_BROKEN, "");
	perform(&told, NULL, "/not-http");
	is_failure(&told, HTTP_BROKEN, "HTTP");
}
END_TEST

/* --- TLS -------------------------------------------------------- */

/* What server and client are given; then one request of a path by https. */
struct meeting {
	const char *server_cert, *client_ca, *ca, *cert;
};

static struct told *meet(const struct meeting *meeting)
{
	static struct told told;
	char *server_cert = certificates_path(meeting->server_cert), *key = strdup(server_cert);
	char *client_ca = meeting->client_ca ? certificates_path(meeting->client_ca) : NULL;
	char *ca = meeting->ca ? certificates_path(meeting->ca) : NULL;
	char *cert = meeting->cert ? certificates_path(meeting->cert) : NULL;
	char *client_key = meeting->cert ? certificates_path("client.key") : NULL, url[64];
	struct http_server_place place = { .cert_file = server_cert,
					   .key_file = key,
					   .client_ca_file = client_ca };
	struct http_tls tls = { ca, cert, client_key };

	strcpy(key + strlen(key) - 3, "key");
	begin(&place, &tls);
	free(key), free(server_cert), free(client_ca), free(ca), free(cert), free(client_key);
	snprintf(url, sizeof(url), "https://127.0.0.1:%d/hello", http_server_port(server));
	ask_url(&told, url);
	return &told;
}

START_TEST(server_that_is_known_is_believed_by_tls)
{
	is_answer(meet(&(struct meeting){ "server.pem", NULL, "ca.pem", NULL }), 200, "hello");
	end();
}
END_TEST

START_TEST(server_of_an_unknown_authority_is_not_believed)
{
	is_failure(meet(&(struct meeting){ "server.pem", NULL, "other-ca.pem", NULL }), HTTP_TLS_FAILED,
		   "certificate");
	ck_assert_uint_eq(counts().requests, 0);
	end();
}
END_TEST

START_TEST(server_that_only_its_own_authority_knows_is_not_believed_by_the_systems)
{
	is_failure(meet(&(struct meeting){ "server.pem", NULL, NULL, NULL }), HTTP_TLS_FAILED, "certificate");
	ck_assert_uint_eq(counts().requests, 0);
	end();
}
END_TEST

START_TEST(server_of_another_name_is_not_believed)
{
	is_failure(meet(&(struct meeting){ "elsewhere.pem", NULL, "ca.pem", NULL }), HTTP_TLS_FAILED,
		   "127.0.0.1");
	ck_assert_uint_eq(counts().requests, 0);
	end();
}
END_TEST

START_TEST(certificate_of_ours_is_shown_to_who_asks_for_it)
{
	struct told *told = meet(&(struct meeting){ "server.pem", "ca.pem", "ca.pem", "client.pem" });

	is_answer(told, 200, "hello");
	end();
}
END_TEST

START_TEST(server_that_wants_a_certificate_of_ours_refuses_us_without)
{
	struct told *told = meet(&(struct meeting){ "server.pem", "ca.pem", "ca.pem", NULL });

	ck_assert_msg(told->failure == HTTP_TLS_FAILED || told->failure == HTTP_BROKEN, "%d: %s",
		      told->failure, told->reason);
	ck_assert_msg(strstr(told->reason, "certificate required"), "%s", told->reason);
	ck_assert_uint_eq(counts().requests, 0);
	end();
}
END_TEST

START_TEST(tls_to_a_port_that_speaks_plainly_fails_as_tls)
{
	struct told told;
	char url[64];

	begin(NULL, NULL);
	snprintf(url, sizeof(url), "https://127.0.0.1:%d/hello", http_server_port(server));
	ask_url(&told, url);
	is_failure(&told, HTTP_TLS_FAILED, "");
	ck_assert_uint_eq(counts().requests, 1); /* who took the greeting for a request */
	end();
}
END_TEST

START_TEST(plain_text_to_a_port_that_speaks_tls_fails)
{
	struct told told = { 0 }, again;
	struct told *known = meet(&(struct meeting){ "server.pem", NULL, "ca.pem", NULL });

	is_answer(known, 200, "hello");
	ask(&told, "/hello");
	is_failure(&told, HTTP_BROKEN, "");
	perform(&again, NULL, "/hello");
	is_failure(&again, HTTP_BROKEN, "");
	end();
}
END_TEST

START_TEST(tls_file_that_is_not_there_is_named)
{
	struct http_tls ca = { .ca_file = "/tmp/zkcfg-no-such-ca.pem" };
	struct http_tls cert = { .cert_file = "/tmp/zkcfg-no-such-cert.pem", .key_file = "/tmp/none.key" };
	char *server_cert = certificates_path("server.pem"), *key = certificates_path("server.key"), url[64];
	struct http_server_place place = { .cert_file = server_cert, .key_file = key };
	struct told told;

	begin(&place, &ca);
	snprintf(url, sizeof(url), "https://127.0.0.1:%d/hello", http_server_port(server));
	ask_url(&told, url);
	is_failure(&told, HTTP_TLS_FAILED, ca.ca_file);
	end();
	begin(&place, &cert);
	snprintf(url, sizeof(url), "https://127.0.0.1:%d/hello", http_server_port(server));
	ask_url(&told, url);
	is_failure(&told, HTTP_TLS_FAILED, cert.cert_file);
	end();
	free(server_cert), free(key);
}
END_TEST

static Suite *http_suite(void)
{
	Suite *suite = suite_create("http");
	TCase *plain = tcase_create("plain"), *tls = tcase_create("tls");

	tcase_add_checked_fixture(plain, begin_plain, end);
	tcase_add_test(plain, answer_is_told_with_status_and_body);
	tcase_add_test(plain, answer_in_pieces_is_collected);
	tcase_add_test(plain, request_is_sent_as_it_was_given);
	tcase_add_test(plain, all_of_a_call_is_copied);
	tcase_add_test(plain, body_is_posted_and_no_leave_to_send_it_is_asked_for);
	tcase_add_test(plain, redirect_is_an_answer_and_is_not_followed);
	tcase_add_test(plain, no_proxy_of_the_environment_is_asked);
	tcase_add_test(plain, connection_is_used_again);
	tcase_add_test(plain, connection_that_the_server_left_is_made_anew);
	tcase_add_test(plain, requests_go_side_by_side);
	tcase_add_test(plain, unix_socket_is_connected_to_whatever_the_host);
	tcase_add_test(plain, bytes_are_handed_on_as_they_arrive);
	tcase_add_test(plain, answer_of_another_status_is_collected_also_where_bytes_would_be_handed_on);
	tcase_add_test(plain, what_arrived_before_the_end_of_a_broken_answer_is_handed_on);
	tcase_add_test(plain, limit_is_of_a_piece_where_bytes_are_handed_on);
	tcase_add_test(plain, answer_without_an_end_goes_on_past_limit_and_time);
	tcase_add_test(plain, answer_may_have_as_many_bytes_as_the_limit_and_no_more);
	tcase_add_test(plain, answer_over_the_limit_is_not_fetched_to_its_end);
	tcase_add_test(plain, time_is_limited_from_start_to_end);
	tcase_add_test(plain, time_to_connect_is_limited);
	tcase_add_test(plain, nobody_there_is_told_with_the_systems_word);
	tcase_add_test(plain, name_that_leads_nowhere_is_told);
	tcase_add_test(plain, socket_that_is_not_there_is_told);
	tcase_add_test(plain, answer_that_ends_in_the_middle_is_none);
	tcase_add_test(plain, answer_that_is_not_http_is_none);
	tcase_add_test(plain, url_that_is_none_is_told);
	tcase_add_test(plain, only_http_is_spoken);
	tcase_add_test(plain, password_in_a_url_is_in_no_reason);
	tcase_add_test(plain, nothing_is_told_of_what_was_cancelled);
	tcase_add_test(plain, request_is_cancelled_within_its_own_callback);
	tcase_add_test(plain, request_that_is_over_is_cancelled_by_another_ones_callback);
	tcase_add_test(plain, request_is_made_within_a_callback);
	tcase_add_test(plain, nothing_is_told_of_what_is_under_way_when_all_ends);
	tcase_add_test(plain, blocking_request_tells_the_same_before_it_returns);
	tcase_add_unchecked_fixture(tls, certificates_make, certificates_remove);
	tcase_add_test(tls, server_that_is_known_is_believed_by_tls);
	tcase_add_test(tls, server_of_an_unknown_authority_is_not_believed);
	tcase_add_test(tls, server_that_only_its_own_authority_knows_is_not_believed_by_the_systems);
	tcase_add_test(tls, server_of_another_name_is_not_believed);
	tcase_add_test(tls, certificate_of_ours_is_shown_to_who_asks_for_it);
	tcase_add_test(tls, server_that_wants_a_certificate_of_ours_refuses_us_without);
	tcase_add_test(tls, tls_to_a_port_that_speaks_plainly_fails_as_tls);
	tcase_add_test(tls, plain_text_to_a_port_that_speaks_tls_fails);
	tcase_add_test(tls, tls_file_that_is_not_there_is_named);
	suite_add_tcase(suite, plain);
	suite_add_tcase(suite, tls);
	return suite;
}

int main(void)
{
	SRunner *runner = srunner_create(http_suite());
	int failed;

	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed > 0;
}
