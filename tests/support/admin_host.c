/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/admin_host.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <event2/event.h>

#include "base/clock.h"
#include "base/log.h"
#include "support/segment_host.h"

#define HOST_TIMEOUT_NS (30 * CLOCK_NS_PER_S)

static char *host_big;

/* --- the daemon ------------------------------------------------------------ */

static bool host_has(const char *set)
{
	return strcmp(set, "app") == 0 || strcmp(set, "keys") == 0;
}

static int host_seq(void *user, const char *set, uint64_t *seq)
{
	struct admin_host *host = user;

	if (!host_has(set))
		return -ENOENT;
	*seq = strcmp(set, "app") == 0 ? host->seq : 1;
	return 0;
}

static json_t *host_status(void *user, const char *set)
{
	uint64_t seq;

	if (!set)
		return json_pack("[o,o]", host_status(user, "app"), host_status(user, "keys"));
	if (host_seq(user, set, &seq) < 0)
		return NULL;
	return json_pack("{s:s,s:I}", "set", set, "seq", (json_int_t)seq);
}

static void host_end(struct admin_host *host, admin_done done, void *arg)
{
	json_t *report = json_pack("{s:[s]}", "changed", "a.xml");

	if (host->is_late) {
		ck_assert_ptr_null((void *)host->done);
		host->done = done;
		host->arg = arg;
	} else {
		done(arg, host->result, report);
	}
	json_decref(report);
}

static void host_reload(void *user, const char *set, const char *by, admin_done done, void *arg)
{
	struct admin_host *host = user;

	host->reload_count++;
	snprintf(host->reloaded, sizeof(host->reloaded), "%s", set ? set : "all");
	snprintf(host->by, sizeof(host->by), "%s", by);
	host_end(host, done, arg);
}

static int host_freeze(void *user, const char *set, int64_t until_ns, struct message *message)
{
	struct admin_host *host = user;

	if (!host_has(set))
		return -ENOENT;
	if (host->freeze_error < 0) {
		message_set(message, "the disk is full");
		return host->freeze_error;
	}
	snprintf(host->frozen, sizeof(host->frozen), "%s", set);
	host->until_ns = until_ns;
	return 0;
}

static int host_thaw(void *user, const char *set, struct message *message)
{
	struct admin_host *host = user;

	(void)message;
	if (!host_has(set))
		return -ENOENT;
	host->frozen[0] = '\0';
	return 0;
}

static int host_document(void *user, const char *set, const char *name, struct admin_document *document)
{
	struct admin_host *host = user;

	if (!host_has(set))
		return -ENOENT;
	*document = (struct admin_document){ .revision = 5, .seq = host->seq, .version = 3 };
	if (strcmp(name, "a.xml") == 0)
		document->bytes = "<a/>";
	else if (strcmp(name, "dir/b c.xml") == 0)
		document->bytes = "<b/>";
	else if (strcmp(name, "big.xml") == 0)
		document->bytes = host_big;
	else
		return -ENOENT;
	document->size_bytes = strlen(document->bytes);
	return 0;
}

static json_t *host_candidates(void *user, const char *set)
{
	(void)user;
	if (!host_has(set))
		return NULL;
	return json_pack("[{s:s,s:s,s:i,s:i}]", "document", "bad.xml", "reason", "mismatched", "line", 3,
			 "column", 4);
}

static int host_candidate(void *user, const char *set, const char *name, struct admin_document *document)
{
	(void)user;
	if (!host_has(set) || strcmp(name, "bad.xml") != 0)
		return -ENOENT;
	*document = (struct admin_document){ .bytes = "<a>", .size_bytes = 3, .revision = 6, .version = -1 };
	return 0;
}

static int host_get(void *user, const char *set, const char *document, const char *path, json_t **value,
		    struct message *message)
{
	(void)user;
	if (path[0] != '/') {
		message_set(message, "a path begins with /");
		return -EINVAL;
	}
	if (!host_has(set) || strcmp(document, "a.xml") != 0 || strcmp(path, "/a/port") != 0)
		return -ENOENT;
	*value = json_string("80");
	return 0;
}

static json_t *host_hooks(void *user)
{
	(void)user;
	return json_pack("[{s:s}]", "hook", "nginx");
}

static int host_hook_run(void *user, const char *hook, const char *by, admin_done done, void *arg)
{
	struct admin_host *host = user;

	if (strcmp(hook, "nginx") != 0)
		return -ENOENT;
	host->hook_count++;
	snprintf(host->by, sizeof(host->by), "%s", by);
	host_end(host, done, arg);
	return 0;
}

static bool host_is_secret(void *user, const char *set)
{
	(void)user;
	return strcmp(set, "keys") == 0;
}

static bool host_ready(void *user, bool fresh, struct message *why_not)
{
	struct admin_host *host = user;

	if (host->is_ready && (host->is_fresh || !fresh))
		return true;
	message_set(why_not, host->is_ready ? "app is stale" : "app is not served");
	return false;
}

static void host_metrics(void *user, struct metrics *metrics)
{
	struct admin_host *host = user;

	metrics_family(metrics, "zkcfg_seq", METRICS_GAUGE, "Newest commit.");
	metrics_sample(metrics, (double)host->seq, "set", "app", NULL);
}

static const struct admin_ops host_ops = { .status = host_status,
					   .seq = host_seq,
					   .reload = host_reload,
					   .freeze = host_freeze,
					   .thaw = host_thaw,
					   .document = host_document,
					   .candidates = host_candidates,
					   .candidate = host_candidate,
					   .get = host_get,
					   .hooks = host_hooks,
					   .hook_run = host_hook_run,
					   .is_secret = host_is_secret,
					   .ready = host_ready,
					   .metrics = host_metrics };

/* --- both ------------------------------------------------------------------ */

void admin_host_start(struct admin_host *host)
{
	signal(SIGPIPE, SIG_IGN);
	*host = (struct admin_host){ .directory = "/tmp/zkcfg-admin.XXXXXX",
				     .limits = server_limits_usual,
				     .seq = 7,
				     .is_ready = true,
				     .is_fresh = true };
	ck_assert_ptr_nonnull(mkdtemp(host->directory));
	snprintf(host->path, sizeof(host->path), "%s/run/control", host->directory);
	host->loop = event_base_new();
	ck_assert_ptr_nonnull(host->loop);
	host->parts = (struct admin_parts){ .loop = host->loop,
					    .ops = &host_ops,
					    .user = host,
					    .path = host->path,
					    .group = (gid_t)-1,
					    .limits = &host->limits };
	host_big = malloc(ADMIN_HOST_BIG_BYTES + 1);
	memset(host_big, 'b', ADMIN_HOST_BIG_BYTES);
	host_big[ADMIN_HOST_BIG_BYTES] = '\0';
}

void admin_host_stop(struct admin_host *host)
{
	admin_close(host->admin);
	if (host->done)
		admin_host_done(host);
	event_base_free(host->loop);
	segment_host_remove(host->directory);
	free(host_big);
}

void admin_host_open(struct admin_host *host)
{
	struct message message = { "" };
	int err = admin_open(&host->parts, &host->admin, &message);

	ck_assert_msg(err == 0, "%d: %s", err, message.text);
}

void admin_host_open_tcp(struct admin_host *host)
{
	host->parts.tcp = "127.0.0.1:0";
	admin_host_open(host);
}

void admin_host_done(struct admin_host *host)
{
	admin_done done = host->done;

	host->done = NULL;
	done(host->arg, host->result, NULL);
}

void admin_host_commit(struct admin_host *host)
{
	static const char *const names[] = { "a.xml" };

	host->seq++;
	admin_committed(host->admin, &(struct admin_commit){ .set = "app",
							     .seq = host->seq,
							     .time_ns = INT64_C(1700000000) * CLOCK_NS_PER_S,
							     .names = names,
							     .name_count = 1,
							     .changed_count = 1 });
}

/* --- the client ------------------------------------------------------------ */

int admin_host_connect(struct admin_host *host, bool is_tcp)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	struct sockaddr_in in = { .sin_family = AF_INET };
	const struct sockaddr *address = is_tcp ? (const struct sockaddr *)&in : (const struct sockaddr *)&un;
	int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_ge(fd, 0);
	snprintf(un.sun_path, sizeof(un.sun_path), "%s", host->path);
	if (is_tcp) {
		in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		in.sin_port = htons((uint16_t)atoi(strrchr(admin_tcp(host->admin), ':') + 1));
	}
	while (connect(fd, address, is_tcp ? sizeof(in) : sizeof(un)) < 0) {
		ck_assert_msg(errno == EAGAIN, "connect: %s", strerror(errno));
		admin_host_run(host, 0);
	}
	return fd;
}

void admin_host_send(int fd, const char *text)
{
	size_t length = strlen(text);

	/* who was closed may not be written to; that is what a test may want */
	(void)!send(fd, text, length, MSG_NOSIGNAL);
}

void admin_host_run(struct admin_host *host, int ms)
{
	int64_t end = clock_monotonic_ns() + ms * CLOCK_NS_PER_MS;

	do {
		event_base_loop(host->loop, EVLOOP_NONBLOCK);
		if (ms > 0)
			usleep(500);
	} while (clock_monotonic_ns() < end);
}

/* Whether head and body are all there. Only the head is looked through: a body may be long. */
static bool host_is_whole(const char *text, size_t size_bytes, bool is_head)
{
	char head[4096];
	const char *end, *length;
	size_t head_bytes = size_bytes < sizeof(head) ? size_bytes : sizeof(head) - 1;

	memcpy(head, text, head_bytes);
	head[head_bytes] = '\0';
	end = strstr(head, "\r\n\r\n");
	length = strcasestr(head, "\r\nContent-Length: ");
	if (!end)
		return false;
	head_bytes = (size_t)(end + 4 - head);
	if (strncmp(head, "HTTP/1.1 100", 12) == 0)
		return host_is_whole(text + head_bytes, size_bytes - head_bytes, is_head);
	if (is_head || strncmp(head, "HTTP/1.1 204", 12) == 0)
		return true;
	return length && length < end &&
	       size_bytes - head_bytes >= strtoull(length + strlen("\r\nContent-Length: "), NULL, 10);
}

/* Whether something came. */
static bool host_read(struct buffer *text, int fd, bool *is_ended)
{
	static char piece[1 << 16];
	ssize_t got = recv(fd, piece, sizeof(piece), MSG_DONTWAIT);

	if (got > 0)
		buffer_append(text, piece, (size_t)got);
	else if (got == 0 || (errno != EAGAIN && errno != EINTR))
		*is_ended = true;
	return got > 0;
}

void admin_host_receive(struct admin_host *host, int fd, bool is_head, struct admin_reply *reply)
{
	int64_t end = clock_monotonic_ns() + HOST_TIMEOUT_NS;
	struct buffer text = { 0 };
	const char *last;

	*reply = (struct admin_reply){ 0 };
	do {
		event_base_loop(host->loop, EVLOOP_NONBLOCK);
		if (!host_read(&text, fd, &reply->is_ended))
			usleep(100);
		buffer_append(&text, "", 1);
		text.size_bytes--;
		ck_assert_msg(clock_monotonic_ns() < end, "no whole answer in time, but \"%.300s\"",
			      text.bytes);
	} while (!reply->is_ended && !host_is_whole(text.bytes, text.size_bytes, is_head));
	reply->text = text.bytes;
	last = strncmp(text.bytes, "HTTP/1.1 100", 12) == 0 ? strstr(text.bytes, "\r\n\r\n") + 4 : text.bytes;
	if (sscanf(last, "HTTP/1.1 %d ", &reply->status) != 1)
		reply->status = 0;
	reply->body = strstr(last, "\r\n\r\n");
	reply->body = reply->body ? reply->body + 4 : text.bytes + text.size_bytes;
	reply->body_bytes = text.size_bytes - (size_t)(reply->body - text.bytes);
}

void admin_host_expect(struct admin_host *host, int fd, char *text, size_t most_bytes, const char *expected)
{
	int64_t end = clock_monotonic_ns() + HOST_TIMEOUT_NS;
	size_t length = strlen(text);
	ssize_t got;

	while (!strstr(text, expected)) {
		event_base_loop(host->loop, EVLOOP_NONBLOCK);
		got = recv(fd, text + length, most_bytes - length - 1, MSG_DONTWAIT);
		if (got > 0)
			text[length += (size_t)got] = '\0';
		else
			usleep(100);
		ck_assert_msg(clock_monotonic_ns() < end && got != 0, "expected \"%s\" and got \"%s\"",
			      expected, text);
	}
}

void admin_reply_free(struct admin_reply *reply)
{
	free(reply->text);
	*reply = (struct admin_reply){ 0 };
}

void admin_host_ask(struct admin_host *host, bool is_tcp, const char *text, struct admin_reply *reply)
{
	int fd = admin_host_connect(host, is_tcp);

	admin_host_send(fd, text);
	admin_host_receive(host, fd, strncmp(text, "HEAD ", 5) == 0, reply);
	close(fd);
}

int admin_host_request(struct admin_host *host, bool is_tcp, const char *what, const char *headers,
		       const char *body, struct admin_reply *reply)
{
	struct buffer text = { 0 };

	buffer_printf(&text, "%s HTTP/1.1\r\nHost: %s\r\n%s", what, is_tcp ? admin_tcp(host->admin) : "zkcfg",
		      headers ? headers : "");
	if (body)
		buffer_printf(&text, "Content-Length: %zu\r\n", strlen(body));
	buffer_printf(&text, "\r\n%s", body ? body : "");
	buffer_append(&text, "", 1);
	ck_assert(!buffer_failed(&text));
	admin_host_ask(host, is_tcp, text.bytes, reply);
	buffer_free(&text);
	return reply->status;
}

json_t *admin_host_rpc(struct admin_host *host, const char *body)
{
	struct admin_reply reply;
	json_t *answer = NULL;

	admin_host_request(host, false, "POST /rpc", NULL, body, &reply);
	if (reply.status != 204) {
		ck_assert_int_eq(reply.status, 200);
		answer = json_loads(reply.body, 0, NULL);
		ck_assert_msg(answer != NULL, "not JSON: %s", reply.body);
	}
	admin_reply_free(&reply);
	return answer;
}
