/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/zk_server.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/program.h"

#define START_MOST_MS 60000
#define STOP_MOST_MS 20000
#define ASK_MOST_MS 5000
#define READY_MOST_MS 500 /* one that is not ready may take the question and never answer */

struct zk_server {
	char directory[64];
	char address[48];
	char hosts[80];
	char *java_options, *servers;
	int number;
	int port;
	pid_t pid; /* 0: not running */
	bool started_once;
};

static int socket_to(const struct zk_server *server, bool listening)
{
	struct addrinfo hints = { .ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM }, *found;
	char port[16];
	int fd, err;

	snprintf(port, sizeof(port), "%d", listening ? 0 : server->port);
	ck_assert_int_eq(getaddrinfo(server->address, port, &hints, &found), 0);
	fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_ge(fd, 0);
	err = listening ? bind(fd, found->ai_addr, found->ai_addrlen)
			: connect(fd, found->ai_addr, found->ai_addrlen);
	freeaddrinfo(found);
	if (err == 0)
		return fd;
	close(fd);
	return -1;
}

static int free_port(const struct zk_server *server)
{
	struct sockaddr_storage bound;
	socklen_t length = sizeof(bound);
	int fd = socket_to(server, true);

	ck_assert_msg(fd >= 0, "no free port on %s: %s", server->address, strerror(errno));
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&bound, &length), 0);
	close(fd);
	/* The port is at the same place for both families. */
	return ntohs(((struct sockaddr_in *)&bound)->sin_port);
}

void zk_server_set_port(struct zk_server *server, int port)
{
	bool six = strchr(server->address, ':') != NULL;

	server->port = port != 0 ? port : free_port(server);
	snprintf(server->hosts, sizeof(server->hosts), "%s%s%s:%d", six ? "[" : "", server->address,
		 six ? "]" : "", server->port);
}

struct zk_server *zk_server_new(const struct zk_server_options *options)
{
	struct zk_server *server = calloc(1, sizeof(*server));

	ck_assert_ptr_nonnull(server);
	snprintf(server->address, sizeof(server->address), "%s",
		 options && options->address ? options->address : "127.0.0.1");
	if (options && options->java_options)
		server->java_options = strdup(options->java_options);
	if (options && options->servers) {
		server->servers = strdup(options->servers);
		server->number = options->number;
	}
	strcpy(server->directory, "/tmp/zkcfg-zookeeper-XXXXXX");
	ck_assert_msg(mkdtemp(server->directory) != NULL, "cannot make %s: %s", server->directory,
		      strerror(errno));
	zk_server_set_port(server, 0);
	return server;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)type;
	(void)at;
	return remove(path);
}

void zk_server_free(struct zk_server *server)
{
	if (!server)
		return;
	if (server->pid != 0)
		zk_server_kill(server);
	nftw(server->directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	free(server->java_options);
	free(server->servers);
	free(server);
}

static void wait_a_little(void)
{
	poll(NULL, 0, 20);
}

static void exec_server(const struct zk_server *server, const char *log, pid_t parent)
{
	const char *top = getenv("ZKCFG_SOURCE");
	char script[PATH_MAX], port[16];
	sigset_t none;
	int fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600), null = open("/dev/null", O_RDONLY);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent || fd < 0 || null < 0)
		_exit(126);
	dup2(null, STDIN_FILENO);
	dup2(fd, STDOUT_FILENO);
	dup2(fd, STDERR_FILENO);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setenv("ZK_ADDRESS", server->address, 1);
	if (server->java_options)
		setenv("ZK_JAVA_OPTIONS", server->java_options, 1);
	if (server->servers) {
		snprintf(port, sizeof(port), "%d", server->number);
		setenv("ZK_NUMBER", port, 1);
		setenv("ZK_SERVERS", server->servers, 1);
	}
	snprintf(script, sizeof(script), "%s/tests/support/zk-server", top ? top : ".");
	snprintf(port, sizeof(port), "%d", server->port);
	execl(script, "zk-server", "run", server->directory, port, (char *)NULL);
	fprintf(stderr, "%s: %s (ZKCFG_SOURCE says where the sources are)\n", script, strerror(errno));
	_exit(127);
}

static void spawn_server(struct zk_server *server, const char *log)
{
	pid_t parent = getpid();

	server->pid = fork();
	ck_assert_int_ge(server->pid, 0);
	if (server->pid == 0)
		exec_server(server, log, parent);
}

static char *ask_server(const struct zk_server *server, const char *word, int most_ms)
{
	struct timeval most = { .tv_sec = most_ms / 1000, .tv_usec = most_ms % 1000 * 1000 };
	int fd = socket_to(server, false);
	char *answer = NULL;
	size_t size_bytes = 0;
	ssize_t got;

	if (fd < 0)
		return NULL;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &most, sizeof(most));
	if (send(fd, word, strlen(word), MSG_NOSIGNAL) != (ssize_t)strlen(word))
		goto close_fd;
	do {
		char *grown = realloc(answer, size_bytes + 4097);

		ck_assert_ptr_nonnull(grown);
		answer = grown;
		got = recv(fd, answer + size_bytes, 4096, 0);
		size_bytes += got > 0 ? (size_t)got : 0;
	} while (got > 0);
	answer[size_bytes] = '\0';
close_fd:
	close(fd);
	return answer;
}

static bool server_serves(const struct zk_server *server)
{
	char *answer = ask_server(server, "srvr", READY_MOST_MS);
	bool serves = answer && strstr(answer, "Mode:") != NULL;

	free(answer);
	return serves;
}

static void tell_log(const char *log, char *text, size_t text_bytes)
{
	FILE *file = fopen(log, "r");
	size_t got = file ? fread(text, 1, text_bytes - 1, file) : 0;

	text[got] = '\0';
	if (file)
		fclose(file);
}

/* False: it ended, or does not serve in time. */
static bool await_server(struct zk_server *server)
{
	for (int left = START_MOST_MS; left > 0; left -= 20) {
		if (waitpid(server->pid, NULL, WNOHANG) == server->pid) {
			server->pid = 0;
			return false;
		}
		if (server_serves(server))
			return true;
		wait_a_little();
	}
	return false;
}

void zk_server_begin(struct zk_server *server)
{
	char log[128];

	ck_assert_int_eq(server->pid, 0);
	snprintf(log, sizeof(log), "%s/log", server->directory);
	spawn_server(server, log);
}

void zk_server_await(struct zk_server *server)
{
	char log[128], text[4096];

	snprintf(log, sizeof(log), "%s/log", server->directory);
	if (await_server(server))
		return;
	tell_log(log, text, sizeof(text));
	ck_abort_msg("the ZooKeeper server that this test needs does not serve on %s: %s", server->hosts, text);
}

static void copy_data(const struct zk_server *server, const char *from, const char *to)
{
	char command[256];

	ck_assert_int_eq(server->pid, 0);
	snprintf(command, sizeof(command), "cd '%s' && rm -rf %s && cp -a %s %s", server->directory, to, from, to);
	ck_assert_int_eq(system(command), 0);
}

void zk_server_keep_data(const struct zk_server *server)
{
	copy_data(server, "data", "kept");
}

void zk_server_restore_data(const struct zk_server *server)
{
	copy_data(server, "kept", "data");
}

void zk_server_start(struct zk_server *server)
{
	char log[128], text[4096];

	ck_assert_int_eq(server->pid, 0);
	snprintf(log, sizeof(log), "%s/log", server->directory);
	for (int tries = server->started_once ? 1 : 5; tries > 0; tries--) {
		spawn_server(server, log);
		if (await_server(server)) {
			server->started_once = true;
			return;
		}
		tell_log(log, text, sizeof(text));
		if (!strstr(text, "Address already in use") || server->started_once)
			break;
		zk_server_set_port(server, 0); /* somebody was quicker */
	}
	ck_abort_msg("the ZooKeeper server that this test needs does not start on %s: %s", server->hosts,
		     text);
}

static void end_server(struct zk_server *server, int signal)
{
	ck_assert_int_ne(server->pid, 0);
	kill(server->pid, signal);
	for (int left = STOP_MOST_MS; left > 0; left -= 20) {
		if (waitpid(server->pid, NULL, WNOHANG) == server->pid) {
			server->pid = 0;
			return;
		}
		wait_a_little();
	}
	ck_abort_msg("the ZooKeeper server with process id %d does not end by signal %d", (int)server->pid,
		     signal);
}

void zk_server_stop(struct zk_server *server)
{
	end_server(server, SIGTERM);
}

void zk_server_kill(struct zk_server *server)
{
	end_server(server, SIGKILL);
}

void zk_server_pause(struct zk_server *server)
{
	program_pause(server->pid);
}

void zk_server_resume(struct zk_server *server)
{
	ck_assert_int_eq(kill(server->pid, SIGCONT), 0);
}

int zk_server_port(const struct zk_server *server)
{
	return server->port;
}

const char *zk_server_hosts(const struct zk_server *server)
{
	return server->hosts;
}

char *zk_server_ask(const struct zk_server *server, const char *word)
{
	return ask_server(server, word, ASK_MOST_MS);
}

size_t zk_server_sessions(const struct zk_server *server, int64_t *sessions, size_t most)
{
	char *answer = zk_server_ask(server, "cons"), *at = answer;
	size_t count = 0;

	ck_assert_ptr_nonnull(answer);
	while ((at = strstr(at, "sid=0x")) != NULL) {
		int64_t session = (int64_t)strtoull(at + strlen("sid=0x"), &at, 16);

		if (session != 0 && count < most)
			sessions[count] = session;
		count += session != 0;
	}
	free(answer);
	return count;
}

/* SessionTracker's rule: java.util.Random, seeded with the number and a constant, gives the bytes. */
void zk_server_session_password(int64_t session, char password[16])
{
	const uint64_t mask = (UINT64_C(1) << 48) - 1;
	uint64_t state = (((uint64_t)session ^ UINT64_C(0xB3415C00)) ^ UINT64_C(0x5DEECE66D)) & mask;

	for (int i = 0; i < 16; i += 4) {
		uint32_t word;

		state = (state * UINT64_C(0x5DEECE66D) + 0xB) & mask;
		word = (uint32_t)(state >> 16);
		for (int byte = 0; byte < 4; byte++, word >>= 8)
			password[i + byte] = (char)(word & 0xff);
	}
}
