/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Paths, methods, and who may what. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/admin_host.h"

#define NOBODY 65534
#define GROUP 4711

static struct admin_host host;

static void setup(void)
{
	admin_host_start(&host);
}

static void teardown(void)
{
	admin_host_stop(&host);
}

static void expect(bool is_tcp, const char *what, const char *headers, const char *body, int status,
		   const char *in_text)
{
	struct admin_reply reply;

	admin_host_request(&host, is_tcp, what, headers, body, &reply);
	ck_assert_msg(reply.status == status, "%s: %d and not %d: %.300s", what, reply.status, status,
		      reply.body);
	ck_assert_msg(!in_text || strstr(reply.text, in_text), "%s: no \"%s\" in %.500s", what, in_text,
		      reply.text);
	ck_assert_ptr_nonnull(strstr(reply.text, "\r\nCache-Control: no-store\r\n"));
	admin_reply_free(&reply);
}

static const struct {
	const char *what;
	int status;
	const char *in_text;
} paths[] = {
	{ "GET /-/healthy", 200, "{\"healthy\":true}" },
	{ "GET /-/ready", 200, "{\"ready\":true}" },
	{ "GET /-/ready?fresh=1", 503, "{\"ready\":false,\"error\":\"app is stale\"}" },
	{ "GET /-/ready?fresh=0", 200, "{\"ready\":true}" },
	{ "GET /-/ready?fresh=yes", 400, "{\"error\":\"fresh must be 1 or 0\"}" },
	{ "GET /-/ready?fresh=%zz", 400, NULL },
	{ "GET /metrics", 200, "zkcfg_seq{set=\"app\"} 7\n" },
	{ "GET /metrics", 200, "\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n" },
	{ "GET /v1/status", 200, "[{\"set\":\"app\",\"seq\":7},{\"set\":\"keys\",\"seq\":1}]" },
	{ "GET /v1/sets/app", 200, "{\"set\":\"app\",\"seq\":7}" },
	{ "GET /v1/sets/%61pp?x=y", 200, "{\"set\":\"app\",\"seq\":7}" },
	{ "GET /v1/sets/none", 404, "{\"error\":\"there is no set \\\"none\\\"\"}" },
	{ "GET /v1/sets/a%00b", 400, NULL },
	{ "GET /v1/sets/%ff", 400, NULL },
	{ "GET /v1/sets/%22", 404, "\\\"\\\"\\\"" },
	{ "GET /v1/sets/", 404, NULL },
	{ "GET /v1/sets", 404, NULL },
	{ "GET /v1/sets//documents/a.xml", 404, NULL },
	{ "GET /v1/sets/app/", 404, NULL },
	{ "GET /v1/sets/app/documents", 404, NULL },
	{ "GET /v1/sets/app/documents/", 404, NULL },
	{ "GET /v1/sets/app/documents/a.xml", 200, "\r\n\r\n<a/>" },
	{ "GET /v1/sets/app/documents/a.xml", 200, "\r\nContent-Type: application/xml\r\n" },
	{ "GET /v1/sets/app/documents/a.xml", 200,
	  "\r\nX-Zkcfg-Revision: 5\r\nX-Zkcfg-Seq: 7\r\nX-Zkcfg-Version: 3\r\n" },
	{ "GET /v1/sets/app/documents/dir/b%20c.xml", 200, "\r\n\r\n<b/>" },
	{ "GET /v1/sets/app/documents/dir%2Fb%20c.xml", 200, "\r\n\r\n<b/>" },
	{ "GET /v1/sets/app/documents/dir/b%2", 400, NULL },
	{ "GET /v1/sets/app/documents/none", 404, "{\"error\":\"there is no document \\\"none\\\"\"}" },
	{ "GET /v1/sets/none/documents/a.xml", 404, NULL },
	{ "GET /v1/sets/app/candidate", 200,
	  "[{\"document\":\"bad.xml\",\"reason\":\"mismatched\",\"line\":3," },
	{ "GET /v1/sets/none/candidate", 404, NULL },
	{ "GET /v1/sets/app/candidate/bad.xml", 200, "\r\nX-Zkcfg-Version: -1\r\n" },
	{ "GET /v1/sets/app/candidate/bad.xml", 200, "\r\n\r\n<a>" },
	{ "GET /v1/sets/app/candidate/a.xml", 404, "no candidate" },
	{ "GET /v1/sets/app/candidates", 404, NULL },
	{ "GET /v1/events?set=none", 404, "there is no set" },
	{ "GET /v1/events?set=%00", 400, NULL },
	{ "HEAD /v1/events", 200, "text/event-stream" },
	{ "HEAD /v1/sets/app/documents/a.xml", 200, "\r\nContent-Length: 4\r\n" },
	{ "HEAD /v1/sets/none", 404, NULL },
	{ "GET /", 404, "{\"error\":\"there is no such path\"}" },
	{ "GET //metrics", 404, NULL },
	{ "GET /metrics/", 404, NULL },
	{ "POST /", 404, NULL },
	{ "POST /-/reload", 200, "{\"result\":0,\"report\":{\"changed\":[\"a.xml\"]}}" },
	{ "POST /-/reload?set=app", 200, "{\"result\":0," },
	{ "POST /-/reload?set=none", 404, "there is no set" },
	{ "GET /-/reload", 405, "\r\nAllow: POST\r\n" },
	{ "HEAD /-/reload", 405, "\r\nAllow: POST\r\n" },
	{ "GET /rpc", 405, "\r\nAllow: POST\r\n" },
	{ "PUT /rpc", 405, "\r\nAllow: POST\r\n" },
	{ "POST /metrics", 405, "\r\nAllow: GET, HEAD\r\n" },
	{ "DELETE /v1/sets/app/documents/a.xml", 405, "\r\nAllow: GET, HEAD\r\n" },
	{ "OPTIONS /v1/status", 405, "\r\nAllow: GET, HEAD\r\n" },
	{ "TRACE /v1/status", 405, NULL },
	{ "POST /v1/events", 405, NULL },
	{ "BREW /-/ready", 501, NULL },
};

START_TEST(path_and_method_have_their_answer)
{
	admin_host_open(&host);
	host.is_fresh = false;
	expect(false, paths[_i].what, NULL, NULL, paths[_i].status, paths[_i].in_text);
}
END_TEST

START_TEST(head_has_no_body)
{
	struct admin_reply reply;

	admin_host_open(&host);
	ck_assert_int_eq(
		admin_host_request(&host, false, "HEAD /-/healthy", "Connection: close\r\n", NULL, &reply),
		200);
	ck_assert_uint_eq(reply.body_bytes, 0);
	ck_assert_ptr_nonnull(strstr(reply.text, "\r\nContent-Length: 16\r\n"));
	admin_reply_free(&reply);
}
END_TEST

START_TEST(not_ready_says_why)
{
	admin_host_open(&host);
	host.is_ready = false;
	expect(false, "GET /-/ready", NULL, NULL, 503, "{\"ready\":false,\"error\":\"app is not served\"}");
	expect(false, "GET /-/healthy", NULL, NULL, 200, NULL);
}
END_TEST

static const struct {
	int result, status;
} results[] = { { ADMIN_DONE, 200 },
		{ ADMIN_INVALID, 422 },
		{ ADMIN_UNREADABLE, 502 },
		{ ADMIN_RESTART, 409 },
		{ 1, 500 } };

START_TEST(result_of_a_reload_is_the_status)
{
	char expected[32];

	admin_host_open(&host);
	host.result = results[_i].result;
	snprintf(expected, sizeof(expected), "{\"result\":%d,", host.result);
	expect(false, "POST /-/reload?set=keys", NULL, NULL, results[_i].status, expected);
	ck_assert_str_eq(host.reloaded, "keys");
	ck_assert_msg(strncmp(host.by, "HTTP, uid 0, pid ", 17) == 0 || geteuid() != 0, "%s", host.by);
}
END_TEST

START_TEST(reload_that_takes_long_is_answered_when_it_is_done)
{
	struct admin_reply reply;
	int fd;

	admin_host_open(&host);
	host.is_late = true;
	fd = admin_host_connect(&host, false);
	admin_host_send(fd, "POST /-/reload HTTP/1.1\r\nHost: x\r\n\r\n");
	while (host.reload_count == 0)
		admin_host_run(&host, 0);
	ck_assert_str_eq(host.reloaded, "all");
	expect(false, "GET /-/healthy", NULL, NULL, 200, NULL);
	host.result = ADMIN_INVALID;
	admin_host_done(&host);
	admin_host_receive(&host, fd, false, &reply);
	ck_assert_int_eq(reply.status, 422);
	ck_assert_str_eq(reply.body, "{\"result\":4}");
	admin_reply_free(&reply);
	close(fd);
}
END_TEST

/* However the client, or the interface, goes: done is told to nobody, and nothing is left. */
START_TEST(reload_may_end_after_all_who_wanted_it)
{
	int fd;

	admin_host_open(&host);
	host.is_late = true;
	fd = admin_host_connect(&host, false);
	admin_host_send(fd, "POST /-/reload HTTP/1.1\r\nHost: x\r\n\r\n");
	while (host.reload_count == 0)
		admin_host_run(&host, 0);
	if (_i == 0) {
		close(fd);
		admin_host_run(&host, 50);
		admin_host_done(&host);
		host.is_late = false;
		expect(false, "POST /-/reload", NULL, NULL, 200, NULL);
		return;
	}
	admin_close(host.admin);
	host.admin = NULL;
	if (_i == 1)
		admin_host_done(&host);
	close(fd);
}
END_TEST

START_TEST(metrics_pass_promtool)
{
	struct admin_reply reply;
	FILE *promtool;

	admin_host_open(&host);
	expect(false, "GET /none", NULL, NULL, 404, NULL);
	ck_assert_int_eq(admin_host_request(&host, false, "GET /metrics", NULL, NULL, &reply), 200);
	ck_assert_ptr_nonnull(strstr(reply.body, "\nzkcfg_admin_connections 1\n"));
	ck_assert_ptr_nonnull(strstr(reply.body, "\nzkcfg_admin_answers_total{code=\"4xx\"} 1\n"));
	promtool = popen("promtool check metrics", "w");
	ck_assert_ptr_nonnull(promtool);
	fputs(reply.body, promtool);
	ck_assert_int_eq(pclose(promtool), 0);
	admin_reply_free(&reply);
}
END_TEST

/* --- who may what ---------------------------------------------------------- */

/* Ask as somebody else, who is in this group only. Needs root, which all of these have in CI. */
static void expect_as(uid_t uid, gid_t gid, const char *what, const char *body, int status)
{
	char request[512];
	struct admin_reply reply;
	gid_t groups[64];
	int count = getgroups(64, groups), fd;

	snprintf(request, sizeof(request), "%s HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n%s", what,
		 body ? strlen(body) : 0, body ? body : "");
	ck_assert_int_eq(setgroups(1, &gid) | setegid(gid) | seteuid(uid), 0);
	fd = admin_host_connect(&host, false);
	ck_assert_int_eq(seteuid(0) | setegid(0) | setgroups((size_t)count, groups), 0);
	admin_host_send(fd, request);
	admin_host_receive(&host, fd, false, &reply);
	ck_assert_msg(reply.status == status, "%s as %u:%u: %d: %s", what, uid, gid, reply.status,
		      reply.body);
	admin_reply_free(&reply);
	close(fd);
}

/* A socket that everybody can open, in front of which only our own rules stand. */
static void open_to_all(void)
{
	char *slash;

	host.parts.mode = 0666;
	admin_host_open(&host);
	ck_assert_int_eq(chmod(host.directory, 0755), 0);
	slash = strrchr(host.path, '/');
	*slash = '\0';
	ck_assert_int_eq(chmod(host.path, 0755), 0);
	*slash = '/';
}

START_TEST(only_root_the_daemon_and_named_groups_may_change)
{
	const gid_t groups[] = { 1, GROUP };

	if (geteuid() != 0) { /* who cannot become somebody else is the daemon's own user */
		admin_host_open(&host);
		expect(false, "POST /-/reload", NULL, NULL, 200, NULL);
		return;
	}
	host.parts.groups = groups;
	host.parts.group_count = 2;
	open_to_all();
	expect_as(NOBODY, NOBODY, "POST /-/reload", NULL, 403);
	expect_as(NOBODY, NOBODY, "GET /v1/status", NULL, 200);
	expect_as(NOBODY, NOBODY, "GET /v1/sets/app/documents/a.xml", NULL, 200);
	expect_as(NOBODY, NOBODY, "GET /v1/sets/app/candidate/bad.xml", NULL, 200);
	expect_as(NOBODY, NOBODY, "GET /v1/sets/keys", NULL, 200);
	expect_as(NOBODY, NOBODY, "GET /v1/sets/keys/candidate", NULL, 200);
	expect_as(NOBODY, NOBODY, "GET /v1/sets/keys/documents/a.xml", NULL, 403);
	expect_as(NOBODY, NOBODY, "GET /v1/sets/keys/candidate/bad.xml", NULL, 403);
	ck_assert_uint_eq(host.reload_count, 0);
	expect_as(NOBODY, GROUP, "POST /-/reload", NULL, 200);
	expect_as(NOBODY, GROUP, "GET /v1/sets/keys/documents/a.xml", NULL, 200);
	expect_as(0, NOBODY, "POST /-/reload", NULL, 200);
	ck_assert_uint_eq(host.reload_count, 2);
}
END_TEST

START_TEST(group_that_is_not_the_first_of_a_client_counts)
{
	const gid_t groups[] = { GROUP };
	gid_t theirs[] = { NOBODY, GROUP }, ours[64];
	struct admin_reply reply;
	int fd, count = getgroups(64, ours);

	host.parts.groups = groups;
	host.parts.group_count = 1;
	open_to_all();
	if (geteuid() == 0)
		ck_assert_int_eq(setgroups(2, theirs) | setegid(NOBODY) | seteuid(NOBODY), 0);
	fd = admin_host_connect(&host, false);
	if (getuid() == 0)
		ck_assert_int_eq(seteuid(0) | setegid(0) | setgroups((size_t)count, ours), 0);
	admin_host_send(fd, "POST /-/reload HTTP/1.1\r\nHost: x\r\n\r\n");
	admin_host_receive(&host, fd, false, &reply);
	ck_assert_int_eq(reply.status, 200);
	admin_reply_free(&reply);
	close(fd);
}
END_TEST

static const struct {
	const char *call;
	bool is_change;
} calls[] = {
	{ "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"status\"}", false },
	{ "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"get\",\"params\":[\"app\",\"a.xml\",\"/a/port\"]}",
	  false },
	{ "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"get\",\"params\":[\"keys\",\"a.xml\",\"/a/port\"]}",
	  true },
	{ "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"wait\",\"params\":[\"app\",0]}", false },
	{ "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"hooks.list\"}", false },
	{ "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"reload\"}", true },
	{ "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"freeze\",\"params\":[\"app\"]}", true },
	{ "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"thaw\",\"params\":[\"app\"]}", true },
	{ "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"hooks.run\",\"params\":[\"nginx\"]}", true },
};

static void expect_call(const char *headers, const char *call, bool is_allowed)
{
	struct admin_reply reply;

	ck_assert_int_eq(admin_host_request(&host, true, "POST /rpc", headers, call, &reply), 200);
	ck_assert_msg(!strstr(reply.body, "\"code\":-32001") == is_allowed, "%s: %s", call, reply.body);
	ck_assert_msg(!strstr(reply.body, "\"result\"") != is_allowed, "%s: %s", call, reply.body);
	admin_reply_free(&reply);
}

START_TEST(over_tcp_nothing_is_changed_and_no_secret_told)
{
	admin_host_open_tcp(&host);
	host.frozen[0] = '-';
	expect_call("X-Zkcfg: 1\r\n", calls[_i].call, !calls[_i].is_change);
	ck_assert_uint_eq(host.reload_count + host.hook_count, 0);
	ck_assert_str_eq(host.frozen, "-");
}
END_TEST

START_TEST(over_tcp_a_reload_may_be_allowed_and_nothing_else)
{
	bool is_reload = strstr(calls[_i].call, "reload") != NULL;

	host.parts.allow_reload = true;
	admin_host_open_tcp(&host);
	expect_call("X-Zkcfg: 1\r\n", calls[_i].call, !calls[_i].is_change || is_reload);
	expect_call(NULL, calls[_i].call, !calls[_i].is_change);
	ck_assert_uint_eq(host.reload_count, is_reload);
}
END_TEST

START_TEST(over_tcp_a_reload_needs_permission_post_and_header)
{
	host.parts.allow_reload = _i;
	admin_host_open_tcp(&host);
	expect(true, "GET /-/healthy", NULL, NULL, 200, NULL);
	expect(true, "POST /-/reload", "X-Zkcfg: 1\r\n", NULL, _i ? 200 : 403, NULL);
	ck_assert_uint_eq(host.reload_count, (unsigned)_i);
	ck_assert_str_eq(host.by, _i ? "HTTP, TCP" : "");
	expect(true, "POST /-/reload", NULL, NULL, 403, NULL);
	expect(true, "POST /-/reload", "X-Zkcfg: 0\r\n", NULL, 403, NULL);
	expect(true, "GET /-/reload", "X-Zkcfg: 1\r\n", NULL, 405, NULL);
	ck_assert_uint_eq(host.reload_count, (unsigned)_i);
}
END_TEST

START_TEST(over_tcp_secret_documents_are_not_given)
{
	host.parts.allow_reload = true;
	admin_host_open_tcp(&host);
	expect(true, "GET /v1/sets/app/documents/a.xml", NULL, NULL, 200, NULL);
	expect(true, "GET /v1/sets/keys", NULL, NULL, 200, NULL);
	expect(true, "GET /v1/sets/keys/documents/a.xml", "X-Zkcfg: 1\r\n", NULL, 403, "secret");
	expect(true, "GET /v1/sets/keys/candidate/bad.xml", "X-Zkcfg: 1\r\n", NULL, 403, "secret");
}
END_TEST

static void expect_host(const char *given, const char *origin, int status)
{
	char request[512];
	struct admin_reply reply;

	snprintf(request, sizeof(request), "GET /-/healthy HTTP/1.%d\r\n%s%s%s%s%s%s\r\n", given ? 1 : 0,
		 given ? "Host: " : "", given ? given : "", given ? "\r\n" : "", origin ? "Origin: " : "",
		 origin ? origin : "", origin ? "\r\n" : "");
	admin_host_ask(&host, true, request, &reply);
	ck_assert_msg(reply.status == status, "%s: %d", request, reply.status);
	admin_reply_free(&reply);
}

START_TEST(over_tcp_host_must_be_the_address)
{
	admin_host_open_tcp(&host);
	expect_host(admin_tcp(host.admin), NULL, 200);
	expect_host("127.0.0.1", NULL, 421);
	expect_host("127.0.0.1:1", NULL, 421);
	expect_host("evil.example", NULL, 421);
	expect_host("", NULL, 421);
	expect_host(NULL, NULL, 421);
}
END_TEST

START_TEST(other_origins_are_refused)
{
	char origin[64];

	admin_host_open_tcp(&host);
	snprintf(origin, sizeof(origin), "http://%s", admin_tcp(host.admin));
	expect_host(admin_tcp(host.admin), origin, 200);
	expect_host(admin_tcp(host.admin), "http://evil.example", 403);
	expect_host(admin_tcp(host.admin), "null", 403);
	expect_host(admin_tcp(host.admin), admin_tcp(host.admin), 403);
	snprintf(origin, sizeof(origin), "evil://%s", admin_tcp(host.admin));
	expect_host(admin_tcp(host.admin), origin, 403);
	expect(false, "GET /-/healthy", "Origin: http://evil.example\r\n", NULL, 403, NULL);
	expect(false, "GET /-/healthy", NULL, NULL, 200, NULL);
}
END_TEST

/* --- sockets --------------------------------------------------------------- */

static int try_open(struct message *message)
{
	int err = admin_open(&host.parts, &host.admin, message);

	ck_assert(err == 0 || message->text[0] != '\0');
	return err;
}

START_TEST(only_the_loopback_is_listened_on)
{
	static const struct {
		const char *address;
		int err;
	} addresses[] = {
		{ "127.0.0.1:0", 0 },
		{ "127.9.9.9:0", 0 },
		{ "[::1]:0", 0 },
		{ "0.0.0.0:0", -EINVAL },
		{ "10.0.0.1:0", -EINVAL },
		{ "[::]:0", -EINVAL },
		{ "[fe80::1]:0", -EINVAL },
		{ "::1:0", -EINVAL },
		{ "localhost:0", -EINVAL },
		{ "127.0.0.1", -EINVAL },
		{ "127.0.0.1:", -EINVAL },
		{ "127.0.0.1:65536", -EINVAL },
		{ "127.0.0.1:-1", -EINVAL },
		{ ":9797", -EINVAL },
		{ "", -EINVAL },
		{ "[::ffff:127.0.0.1]:0", -EINVAL },
		{ "[]:1", -EINVAL },
		{ "127.0.0.1:123456", -EINVAL },
	};
	struct message message;

	for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
		int err;

		host.parts.tcp = addresses[i].address;
		err = try_open(&message);
		ck_assert_msg(err == addresses[i].err, "%s: %d: %s", addresses[i].address, err, message.text);
		if (err == 0) {
			admin_close(host.admin);
			host.admin = NULL;
		} else {
			ck_assert_ptr_nonnull(strstr(message.text, "127.0.0.1:9797"));
			ck_assert_int_lt(access(host.path, F_OK), 0);
		}
	}
}
END_TEST

START_TEST(modes_are_as_they_should_be_whatever_the_umask_is)
{
	static const mode_t masks[] = { 0, 022, 0777 };
	struct stat st;
	char *slash;

	umask(masks[_i]);
	admin_host_open(&host);
	ck_assert_int_eq(lstat(host.path, &st), 0);
	ck_assert(S_ISSOCK(st.st_mode));
	ck_assert_uint_eq(st.st_mode & 07777, 0660);
	slash = strrchr(host.path, '/');
	*slash = '\0';
	ck_assert_int_eq(stat(host.path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0750);
	*slash = '/';
	umask(022);
}
END_TEST

START_TEST(living_daemons_socket_is_left_alone)
{
	struct admin *first, *second;
	struct message message;

	admin_host_open(&host);
	first = host.admin;
	ck_assert_int_eq(admin_open(&host.parts, &second, &message), -EADDRINUSE);
	ck_assert_msg(strstr(message.text, "a living daemon") && strstr(message.text, "pid "), "%s",
		      message.text);
	ck_assert_ptr_eq(host.admin, first);
	expect(false, "GET /-/healthy", NULL, NULL, 200, NULL);
	admin_close(first);
	host.admin = NULL;
	ck_assert_int_lt(access(host.path, F_OK), 0);
}
END_TEST

START_TEST(dead_daemons_socket_is_replaced)
{
	pid_t child;
	int how;

	child = fork();
	ck_assert_int_ge(child, 0);
	if (child == 0) {
		struct message message;

		_exit(try_open(&message) < 0); /* without closing it */
	}
	ck_assert_int_eq(waitpid(child, &how, 0), child);
	ck_assert_int_eq(how, 0);
	ck_assert_int_eq(access(host.path, F_OK), 0);
	admin_host_open(&host);
	expect(false, "GET /-/healthy", NULL, NULL, 200, NULL);
}
END_TEST

START_TEST(socket_of_the_next_daemon_is_not_removed)
{
	admin_host_open(&host);
	ck_assert_int_eq(unlink(host.path), 0);
	ck_assert_int_eq(close(open(host.path, O_CREAT | O_WRONLY, 0600)), 0);
	admin_close(host.admin);
	host.admin = NULL;
	ck_assert_int_eq(access(host.path, F_OK), 0);
}
END_TEST

START_TEST(bad_places_for_a_socket_are_refused)
{
	struct message message;
	char path[256];

	ck_assert_int_eq(chmod(host.directory, 0777), 0);
	snprintf(path, sizeof(path), "%s/control", host.directory);
	host.parts.path = path;
	ck_assert_int_eq(try_open(&message), -EPERM);
	ck_assert_int_eq(chmod(host.directory, 0755), 0);
	ck_assert_int_eq(close(open(path, O_CREAT | O_WRONLY, 0600)), 0);
	ck_assert_int_eq(try_open(&message), -EEXIST);
	ck_assert_int_eq(access(path, F_OK), 0);
	host.parts.path = "control";
	ck_assert_int_eq(try_open(&message), -EINVAL);
	host.parts.path = "/control";
	ck_assert_int_eq(try_open(&message), -EINVAL);
	memset(path, 'a', 120);
	path[0] = '/';
	path[5] = '/';
	path[120] = '\0';
	host.parts.path = path;
	ck_assert_int_eq(try_open(&message), -ENAMETOOLONG);
}
END_TEST

#define COUNT(table) (int)(sizeof(table) / sizeof((table)[0]))

int main(void)
{
	Suite *suite = suite_create("admin");
	TCase *tcase = tcase_create("admin");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_loop_test(tcase, path_and_method_have_their_answer, 0, COUNT(paths));
	tcase_add_test(tcase, head_has_no_body);
	tcase_add_test(tcase, not_ready_says_why);
	tcase_add_loop_test(tcase, result_of_a_reload_is_the_status, 0, COUNT(results));
	tcase_add_test(tcase, reload_that_takes_long_is_answered_when_it_is_done);
	tcase_add_loop_test(tcase, reload_may_end_after_all_who_wanted_it, 0, 3);
	tcase_add_test(tcase, metrics_pass_promtool);
	tcase_add_test(tcase, only_root_the_daemon_and_named_groups_may_change);
	tcase_add_test(tcase, group_that_is_not_the_first_of_a_client_counts);
	tcase_add_loop_test(tcase, over_tcp_nothing_is_changed_and_no_secret_told, 0, COUNT(calls));
	tcase_add_loop_test(tcase, over_tcp_a_reload_may_be_allowed_and_nothing_else, 0, COUNT(calls));
	tcase_add_loop_test(tcase, over_tcp_a_reload_needs_permission_post_and_header, 0, 2);
	tcase_add_test(tcase, over_tcp_secret_documents_are_not_given);
	tcase_add_test(tcase, over_tcp_host_must_be_the_address);
	tcase_add_test(tcase, other_origins_are_refused);
	tcase_add_test(tcase, only_the_loopback_is_listened_on);
	tcase_add_loop_test(tcase, modes_are_as_they_should_be_whatever_the_umask_is, 0, 3);
	tcase_add_test(tcase, living_daemons_socket_is_left_alone);
	tcase_add_test(tcase, dead_daemons_socket_is_replaced);
	tcase_add_test(tcase, socket_of_the_next_daemon_is_not_removed);
	tcase_add_test(tcase, bad_places_for_a_socket_are_refused);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
