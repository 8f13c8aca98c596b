/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/etcd_server.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buffer.h"
#include "support/program.h"

#define START_MOST_MS 60000
#define STOP_MOST_MS 20000
#define POST_MOST_MS 20000
#define ARGUMENTS 24

struct etcd_server {
	char directory[256];
	char hosts[32], name[16], cluster[256], token[256];
	char *arguments[ARGUMENTS];
	size_t argument_count;
	int port, peer_port, metrics_port;
	bool is_tls;
	struct http_tls tls;
	pid_t pid; /* 0: not running */
};

static struct etcd_server *server_new(const char *below, int number)
{
	struct etcd_server *server = calloc(1, sizeof(*server));

	ck_assert_ptr_nonnull(server);
	ck_assert_uint_lt((size_t)snprintf(server->directory, sizeof(server->directory), "%s/zkcfg-etcd-XXXXXX", below),
			  sizeof(server->directory));
	ck_assert_msg(mkdtemp(server->directory) != NULL, "cannot make %s: %s", server->directory,
		      strerror(errno));
	server->port = program_free_port();
	server->peer_port = program_free_port();
	server->metrics_port = program_free_port();
	snprintf(server->name, sizeof(server->name), "m%d", number);
	snprintf(server->hosts, sizeof(server->hosts), "127.0.0.1:%d", server->port);
	return server;
}

static void new_cluster(const char *below, struct etcd_server **servers, size_t count)
{
	char cluster[256] = "";

	for (size_t i = 0; i < count; i++) {
		size_t used = strlen(cluster);

		servers[i] = server_new(below, (int)i);
		snprintf(cluster + used, sizeof(cluster) - used, "%s%s=http://127.0.0.1:%d", i > 0 ? "," : "",
			 servers[i]->name, servers[i]->peer_port);
	}
	for (size_t i = 0; i < count; i++)
		strcpy(servers[i]->cluster, cluster);
}

void etcd_server_new_cluster(struct etcd_server **servers, size_t count)
{
	new_cluster("/tmp", servers, count);
}

struct etcd_server *etcd_server_new_below(const char *directory)
{
	struct etcd_server *server;

	new_cluster(directory, &server, 1);
	return server;
}

struct etcd_server *etcd_server_new(void)
{
	return etcd_server_new_below("/tmp");
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)type;
	(void)at;
	return remove(path);
}

void etcd_server_free(struct etcd_server *server)
{
	if (!server)
		return;
	if (server->pid != 0)
		etcd_server_kill(server);
	nftw(server->directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	for (size_t i = 0; i < server->argument_count; i++)
		free(server->arguments[i]);
	free(server);
}

void etcd_server_add(struct etcd_server *server, const char *argument)
{
	ck_assert_uint_lt(server->argument_count, ARGUMENTS);
	server->arguments[server->argument_count++] = strdup(argument);
}

void etcd_server_use_tls(struct etcd_server *server, const char *cert_file, const char *key_file,
			 const struct http_tls *tls)
{
	etcd_server_add(server, "--cert-file");
	etcd_server_add(server, cert_file);
	etcd_server_add(server, "--key-file");
	etcd_server_add(server, key_file);
	server->is_tls = true;
	server->tls = *tls;
}

/* --- running ------------------------------------------------------------------------- */

/* Text of its own for each argument; nothing is freed, as exec follows. */
__attribute__((format(printf, 1, 2))) static char *text_of(const char *format, ...)
{
	va_list arguments;
	char *text;

	va_start(arguments, format);
	if (vasprintf(&text, format, arguments) < 0)
		_exit(126);
	va_end(arguments);
	return text;
}

static void exec_server(const struct etcd_server *server, pid_t parent)
{
	char *client = text_of("http%s://%s", server->is_tls ? "s" : "", server->hosts);
	char *peer = text_of("http://127.0.0.1:%d", server->peer_port);
	const char *arguments[] = { "etcd",
				    "--name",
				    text_of("%s", server->name),
				    "--data-dir",
				    text_of("%s/data", server->directory),
				    "--listen-client-urls",
				    client,
				    "--advertise-client-urls",
				    client,
				    "--listen-peer-urls",
				    peer,
				    "--initial-advertise-peer-urls",
				    peer,
				    "--initial-cluster",
				    text_of("%s", server->cluster),
				    "--listen-metrics-urls",
				    text_of("http://127.0.0.1:%d", server->metrics_port),
				    "--logger=zap",
				    "--log-level=error",
				    "--heartbeat-interval=50",
				    "--election-timeout=500",
				    "--unsafe-no-fsync" };
	size_t count = sizeof(arguments) / sizeof(*arguments);
	char *all[sizeof(arguments) / sizeof(*arguments) + ARGUMENTS + 1] = { NULL };
	int fd = open(text_of("%s/log", server->directory), O_WRONLY | O_CREAT | O_APPEND, 0600);
	sigset_t none;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent || fd < 0)
		_exit(126);
	dup2(fd, STDOUT_FILENO);
	dup2(fd, STDERR_FILENO);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	for (size_t i = 0; i < count; i++)
		all[i] = text_of("%s", arguments[i]);
	memcpy(all + count, server->arguments, server->argument_count * sizeof(*all));
	execvp("etcd", all);
	fprintf(stderr, "etcd: %s (Debian package etcd-server)\n", strerror(errno));
	_exit(127);
}

void etcd_server_begin(struct etcd_server *server)
{
	pid_t parent = getpid();

	ck_assert_int_eq(server->pid, 0);
	server->pid = fork();
	ck_assert_int_ge(server->pid, 0);
	if (server->pid == 0)
		exec_server(server, parent);
}

struct kept {
	struct buffer body;
	int status;
	char reason[256];
};

static void keep(void *user, const struct http_answer *answer)
{
	struct kept *kept = user;

	kept->status = answer->failure == HTTP_ANSWERED ? answer->status : 0;
	snprintf(kept->reason, sizeof(kept->reason), "%s", answer->reason);
	buffer_append(&kept->body, answer->body, answer->body_bytes + 1);
}

/* The answer of its plain port, or NULL. */
static char *ask_plain(const struct etcd_server *server, const char *path, int timeout_ms)
{
	static const struct http_tls none;
	struct kept kept = { .status = 0 };
	char url[128];
	struct http_call call = { .url = url,
				  .connect_timeout_ms = timeout_ms,
				  .timeout_ms = timeout_ms,
				  .most_bytes = 1 << 20,
				  .done = keep,
				  .user = &kept };

	snprintf(url, sizeof(url), "http://127.0.0.1:%d%s", server->metrics_port, path);
	ck_assert_int_eq(http_perform(&none, &call), 0);
	if (kept.status == 200)
		return kept.body.bytes;
	buffer_free(&kept.body);
	return NULL;
}

static bool serves(const struct etcd_server *server)
{
	char *answer = ask_plain(server, "/health", 1000);
	bool is_serving = answer && strstr(answer, "true");

	free(answer);
	return is_serving;
}

void etcd_server_await(struct etcd_server *server)
{
	char log[sizeof(server->directory) + 8], text[4096] = "";
	FILE *file;

	for (int left = START_MOST_MS; left > 0 && server->pid != 0; left -= 20) {
		if (waitpid(server->pid, NULL, WNOHANG) == server->pid)
			server->pid = 0;
		else if (serves(server))
			return;
		poll(NULL, 0, 20);
	}
	snprintf(log, sizeof(log), "%s/log", server->directory);
	file = fopen(log, "r");
	if (file && fread(text, 1, sizeof(text) - 1, file) == 0)
		text[0] = '\0';
	ck_abort_msg("the etcd that this test needs does not serve on %s: %s", server->hosts, text);
}

void etcd_server_start(struct etcd_server *server)
{
	etcd_server_begin(server);
	etcd_server_await(server);
}

void etcd_server_kill(struct etcd_server *server)
{
	ck_assert_int_ne(server->pid, 0);
	kill(server->pid, SIGKILL);
	for (int left = STOP_MOST_MS; left > 0; left -= 5) {
		if (waitpid(server->pid, NULL, WNOHANG) == server->pid) {
			server->pid = 0;
			return;
		}
		poll(NULL, 0, 5);
	}
	ck_abort_msg("the etcd with process id %d does not end", (int)server->pid);
}

void etcd_server_pause(struct etcd_server *server)
{
	program_pause(server->pid);
}

void etcd_server_resume(struct etcd_server *server)
{
	ck_assert_int_eq(kill(server->pid, SIGCONT), 0);
}

static void copy_data(const struct etcd_server *server, const char *from, const char *to)
{
	char command[sizeof(server->directory) + 64];

	ck_assert_int_eq(server->pid, 0);
	snprintf(command, sizeof(command), "cd '%s' && rm -rf %s && cp -a %s %s", server->directory, to, from,
		 to);
	ck_assert_int_eq(system(command), 0);
}

void etcd_server_keep_data(const struct etcd_server *server)
{
	copy_data(server, "data", "kept");
}

void etcd_server_restore_data(const struct etcd_server *server)
{
	copy_data(server, "kept", "data");
}

int etcd_server_port(const struct etcd_server *server)
{
	return server->port;
}

const char *etcd_server_hosts(const struct etcd_server *server)
{
	return server->hosts;
}

/* --- asking ----------------------------------------------------------------------------- */

int64_t etcd_server_metric(const struct etcd_server *server, const char *name)
{
	char *all = ask_plain(server, "/metrics", 10000), *at = all;
	size_t length = strlen(name);
	int64_t value;

	ck_assert_ptr_nonnull(all);
	while (at && !(strncmp(at, name, length) == 0 && at[length] == ' ')) {
		at = strchr(at, '\n');
		at = at ? at + 1 : NULL;
	}
	ck_assert_msg(at != NULL, "etcd has no metric %s", name);
	value = (int64_t)strtod(at + length, NULL);
	free(all);
	return value;
}

bool etcd_server_is_leader(const struct etcd_server *server)
{
	return etcd_server_metric(server, "etcd_server_is_leader") == 1;
}

char *etcd_server_post(const struct etcd_server *server, const char *path, const char *body)
{
	const char *headers[] = { server->token[0] != '\0' ? server->token : NULL, NULL };
	struct kept kept = { .status = 0 };
	char url[128];
	struct http_call call = { .url = url,
				  .headers = headers,
				  .body = body,
				  .body_bytes = strlen(body),
				  .connect_timeout_ms = POST_MOST_MS,
				  .timeout_ms = POST_MOST_MS,
				  .most_bytes = 64 << 20,
				  .done = keep,
				  .user = &kept };

	snprintf(url, sizeof(url), "http%s://%s%s", server->is_tls ? "s" : "", server->hosts, path);
	ck_assert_int_eq(http_perform(&server->tls, &call), 0);
	ck_assert_msg(kept.status == 200, "%s: status %d: %s%s", path, kept.status, kept.reason,
		      kept.body.bytes);
	return kept.body.bytes;
}

void etcd_server_log_in(struct etcd_server *server, const char *user, const char *password)
{
	char body[128], *answer, *begin, *end;

	server->token[0] = '\0';
	if (!user)
		return;
	snprintf(body, sizeof(body), "{\"name\":\"%s\",\"password\":\"%s\"}", user, password);
	answer = etcd_server_post(server, "/v3/auth/authenticate", body);
	begin = strstr(answer, "\"token\":\"");
	ck_assert_ptr_nonnull(begin);
	begin += strlen("\"token\":\"");
	end = strchr(begin, '"');
	ck_assert_ptr_nonnull(end);
	snprintf(server->token, sizeof(server->token), "Authorization: %.*s", (int)(end - begin), begin);
	free(answer);
}

char *etcd_server_encode(const void *bytes, size_t size_bytes)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const unsigned char *from = bytes;
	char *text = malloc(size_bytes / 3 * 4 + 5), *at = text;

	for (size_t i = 0; i < size_bytes; i += 3) {
		unsigned a = from[i], b = i + 1 < size_bytes ? from[i + 1] : 0,
			 c = i + 2 < size_bytes ? from[i + 2] : 0;

		*at++ = digits[a >> 2];
		*at++ = digits[(a & 3) << 4 | b >> 4];
		*at++ = i + 1 < size_bytes ? digits[(b & 15) << 2 | c >> 6] : '=';
		*at++ = i + 2 < size_bytes ? digits[c & 63] : '=';
	}
	*at = '\0';
	return text;
}

static char *encode_text(const char *text)
{
	return etcd_server_encode(text, strlen(text));
}

/* --- writing ----------------------------------------------------------------------------- */

__attribute__((format(printf, 3, 4))) static void post(const struct etcd_server *server, const char *path,
						       const char *format, ...)
{
	va_list arguments;
	char *body;

	va_start(arguments, format);
	ck_assert_int_ge(vasprintf(&body, format, arguments), 0);
	va_end(arguments);
	free(etcd_server_post(server, path, body));
	free(body);
}

void etcd_server_put_bytes(const struct etcd_server *server, const char *key, const void *bytes,
			   size_t size_bytes)
{
	char *name = encode_text(key), *value = etcd_server_encode(bytes, size_bytes);

	post(server, "/v3/kv/put", "{\"key\":\"%s\",\"value\":\"%s\"}", name, value);
	free(name);
	free(value);
}

void etcd_server_put(const struct etcd_server *server, const char *key, const char *text)
{
	etcd_server_put_bytes(server, key, text, strlen(text));
}

void etcd_server_put_all(const struct etcd_server *server, const char *const *keys, const char *text)
{
	char *value = encode_text(text);
	struct buffer body = { 0 };

	buffer_printf(&body, "{\"success\":[");
	for (size_t i = 0; keys[i]; i++) {
		char *key = encode_text(keys[i]);

		buffer_printf(&body, "%s{\"request_put\":{\"key\":\"%s\",\"value\":\"%s\"}}",
			      i > 0 ? "," : "", key, value);
		free(key);
	}
	buffer_printf(&body, "]}");
	buffer_append(&body, "", 1);
	free(etcd_server_post(server, "/v3/kv/txn", body.bytes));
	buffer_free(&body);
	free(value);
}

void etcd_server_delete(const struct etcd_server *server, const char *key)
{
	char *name = encode_text(key), *last = strdup(key), *end;

	last[strlen(last) - 1]++;
	end = encode_text(last);
	if (key[strlen(key) - 1] == '/')
		post(server, "/v3/kv/deleterange", "{\"key\":\"%s\",\"range_end\":\"%s\"}", name, end);
	else
		post(server, "/v3/kv/deleterange", "{\"key\":\"%s\"}", name);
	free(name);
	free(last);
	free(end);
}

int64_t etcd_server_revision(const struct etcd_server *server)
{
	char *answer = etcd_server_post(server, "/v3/maintenance/status", "{}");
	char *at = strstr(answer, "\"revision\":\"");
	int64_t revision;

	ck_assert_ptr_nonnull(at);
	revision = strtoll(at + strlen("\"revision\":\""), NULL, 10);
	free(answer);
	return revision;
}

void etcd_server_compact(const struct etcd_server *server, int64_t revision)
{
	post(server, "/v3/kv/compaction", "{\"revision\":\"%lld\",\"physical\":true}", (long long)revision);
}

/* --- users ------------------------------------------------------------------------------- */

void etcd_server_grant(const struct etcd_server *server, bool is_granted)
{
	/* "/t/" to "/t0" */
	if (is_granted)
		post(server, "/v3/auth/role/grant",
		     "{\"name\":\"reader\",\"perm\":{\"permType\":\"READWRITE\",\"key\":\"L3Qv\","
		     "\"range_end\":\"L3Qw\"}}");
	else
		post(server, "/v3/auth/role/revoke",
		     "{\"role\":\"reader\",\"key\":\"L3Qv\",\"range_end\":\"L3Qw\"}");
}

void etcd_server_start_with_users(struct etcd_server *server, int token_s)
{
	char ttl[48];

	snprintf(ttl, sizeof(ttl), "--auth-token-ttl=%d", token_s);
	etcd_server_add(server, ttl);
	etcd_server_add(server, "--bcrypt-cost=4");
	etcd_server_start(server);
	post(server, "/v3/auth/user/add", "{\"name\":\"root\",\"password\":\"r\"}");
	post(server, "/v3/auth/role/add", "{\"name\":\"root\"}");
	post(server, "/v3/auth/user/grant", "{\"user\":\"root\",\"role\":\"root\"}");
	post(server, "/v3/auth/user/add", "{\"name\":\"u\",\"password\":\"p:\\\"w\"}");
	post(server, "/v3/auth/role/add", "{\"name\":\"reader\"}");
	etcd_server_grant(server, true);
	post(server, "/v3/auth/user/grant", "{\"user\":\"u\",\"role\":\"reader\"}");
	post(server, "/v3/auth/enable", "{}");
	etcd_server_log_in(server, "root", "r");
}
