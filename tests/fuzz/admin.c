/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/admin.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <event2/event.h>

#include "admin/parts.h"
#include "base/log.h"
#include "fuzz/fuzz.h"

/* A daemon that knows the set "app" and nothing else, and is late with what takes time. */
struct fuzz_daemon {
	admin_done done[RPC_BATCH_MOST];
	void *args[RPC_BATCH_MOST];
	size_t count;
};

static int daemon_seq(void *user, const char *set, uint64_t *seq)
{
	(void)user;
	*seq = 7;
	return strcmp(set, "app") == 0 ? 0 : -ENOENT;
}

static json_t *daemon_status(void *user, const char *set)
{
	(void)user;
	if (!set)
		return json_pack("[{s:s}]", "set", "app");
	return strcmp(set, "app") == 0 ? json_pack("{s:s}", "set", set) : NULL;
}

static void daemon_reload(void *user, const char *set, const char *by, admin_done done, void *arg)
{
	struct fuzz_daemon *daemon = user;

	(void)set, (void)by;
	if (daemon->count == RPC_BATCH_MOST) {
		done(arg, ADMIN_DONE, NULL);
		return;
	}
	daemon->done[daemon->count] = done;
	daemon->args[daemon->count++] = arg;
}

static int daemon_freeze(void *user, const char *set, int64_t until_ns, struct message *message)
{
	uint64_t seq;

	(void)message;
	fuzz_require(until_ns >= 0);
	return daemon_seq(user, set, &seq);
}

static int daemon_thaw(void *user, const char *set, struct message *message)
{
	return daemon_freeze(user, set, 0, message);
}

static int daemon_document(void *user, const char *set, const char *name, struct admin_document *document)
{
	uint64_t seq;

	for (const char *at = name; *at != '\0'; at++)
		fuzz_require((unsigned char)*at >= ' ' && *at != 0x7f);
	*document = (struct admin_document){ .bytes = "<a/>", .size_bytes = 4 };
	return daemon_seq(user, set, &seq);
}

static int daemon_get(void *user, const char *set, const char *document, const char *path, json_t **value,
		      struct message *message)
{
	uint64_t seq;

	(void)message;
	fuzz_require(document && path);
	*value = NULL;
	if (daemon_seq(user, set, &seq) == 0)
		*value = json_string("v");
	return *value ? 0 : -ENOENT;
}

static json_t *daemon_hooks(void *user)
{
	(void)user;
	return json_array();
}

static int daemon_hook_run(void *user, const char *hook, const char *by, admin_done done, void *arg)
{
	if (strcmp(hook, "h") != 0)
		return -ENOENT;
	daemon_reload(user, NULL, by, done, arg);
	return 0;
}

static bool daemon_is_secret(void *user, const char *set)
{
	(void)user;
	return strcmp(set, "keys") == 0;
}

static bool daemon_ready(void *user, bool fresh, struct message *why_not)
{
	(void)user;
	message_set(why_not, "stale");
	return !fresh;
}

static void daemon_metrics(void *user, struct metrics *metrics)
{
	(void)user, (void)metrics;
}

static const struct admin_ops daemon_ops = { .status = daemon_status,
					     .seq = daemon_seq,
					     .reload = daemon_reload,
					     .freeze = daemon_freeze,
					     .thaw = daemon_thaw,
					     .document = daemon_document,
					     .candidates = daemon_status,
					     .candidate = daemon_document,
					     .get = daemon_get,
					     .hooks = daemon_hooks,
					     .hook_run = daemon_hook_run,
					     .is_secret = daemon_is_secret,
					     .ready = daemon_ready,
					     .metrics = daemon_metrics };

/* --- one input ------------------------------------------------------------- */

static int fuzz_connect(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%.100s", path);
	fuzz_require(fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0);
	return fd;
}

static void fuzz_run(struct event_base *loop)
{
	for (int i = 0; i < 8; i++)
		event_base_loop(loop, EVLOOP_NONBLOCK);
}

static void fuzz_send(struct event_base *loop, int fd, const void *bytes, size_t size)
{
	/* it may have closed already: then so be it */
	(void)!send(fd, bytes, size, MSG_NOSIGNAL);
	fuzz_run(loop);
}

/* Answers begin as such, and /rpc gives JSON. */
static unsigned fuzz_look(int fd, bool is_rpc)
{
	static char text[1 << 16];
	ssize_t got = recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT);
	const char *body;
	json_t *json;
	int status;

	if (got <= 0)
		return FUZZ_REFUSED;
	text[got] = '\0';
	fuzz_require(sscanf(text, "HTTP/1.1 %d ", &status) == 1 && status >= 100 && status <= 505);
	if (!is_rpc)
		return status < 400 ? FUZZ_READ | FUZZ_SOUND : FUZZ_READ;
	fuzz_require(status == 200 || status == 204 || status == 413);
	body = strstr(text, "\r\n\r\n");
	fuzz_require(body != NULL);
	if (status != 200 || (size_t)got == sizeof(text) - 1)
		return FUZZ_READ;
	json = json_loads(body, 0, NULL);
	fuzz_require(json_is_array(json) || json_object_get(json, "jsonrpc"));
	status = json_object_get(json, "error") != NULL;
	json_decref(json);
	return status ? FUZZ_READ : FUZZ_READ | FUZZ_SOUND;
}

static void fuzz_done(struct fuzz_daemon *daemon)
{
	for (size_t i = 0; i < daemon->count; i++)
		daemon->done[i](daemon->args[i], (int)(i % 9), NULL);
	daemon->count = 0;
}

static unsigned fuzz_converse(struct event_base *loop, struct admin *admin, struct fuzz_daemon *daemon,
			      const char *path, const uint8_t *data, size_t size)
{
	bool is_rpc = data[0] & FUZZ_RPC, is_cut = data[0] & FUZZ_CUT, is_left = data[0] & FUZZ_LEFT;
	int fd = fuzz_connect(path);
	struct server_counts counts;
	unsigned outcome = FUZZ_REFUSED;
	char head[96];
	size_t first = is_cut ? (size - 1) / 2 : 0;

	if (is_rpc) {
		snprintf(head, sizeof(head), "POST /rpc HTTP/1.1\r\nHost: h\r\nContent-Length: %zu\r\n\r\n",
			 size - 1);
		fuzz_send(loop, fd, head, strlen(head));
	}
	if (first > 0)
		fuzz_send(loop, fd, data + 1, first);
	fuzz_send(loop, fd, data + 1 + first, size - 1 - first);
	if (!is_left) {
		fuzz_done(daemon);
		admin_committed(admin, &(struct admin_commit){ .set = "app", .seq = UINT64_MAX >> 1 });
		fuzz_run(loop);
		outcome = fuzz_look(fd, is_rpc);
	}
	close(fd);
	fuzz_run(loop);
	if (is_left)
		fuzz_done(daemon);
	/* nobody is there any more, but for who said that they say no more */
	server_counts(admin->server, &counts);
	fuzz_require(counts.connections <= 1 && counts.streams == 0);
	return outcome;
}

static int remove_entry(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	(void)st, (void)kind, (void)ftw;
	return remove(path);
}

unsigned fuzz_admin(const uint8_t *data, size_t size)
{
	const char *base = getenv("FUZZ_DIRECTORY");
	char directory[96], path[128];
	struct fuzz_daemon daemon = { .count = 0 };
	struct event_base *loop;
	struct message message = { "" };
	struct admin *admin;
	unsigned outcome;

	if (size == 0)
		return FUZZ_REFUSED;
	log_start(LOG_LEVEL_ERROR);
	signal(SIGPIPE, SIG_IGN);
	snprintf(directory, sizeof(directory), "%.60s/zkcfg-fuzz-XXXXXX", base ? base : "/dev/shm");
	fuzz_require(mkdtemp(directory) != NULL);
	snprintf(path, sizeof(path), "%s/s", directory);
	loop = event_base_new();
	fuzz_require(loop != NULL);
	fuzz_require(admin_open(&(struct admin_parts){ .loop = loop,
						       .ops = &daemon_ops,
						       .user = &daemon,
						       .path = path,
						       .group = (gid_t)-1 },
				&admin, &message) == 0);
	outcome = fuzz_converse(loop, admin, &daemon, path, data, size);
	admin_close(admin);
	fuzz_done(&daemon);
	event_base_free(loop);
	nftw(directory, remove_entry, 4, FTW_DEPTH | FTW_PHYS);
	return outcome;
}
