/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "fleet/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"

#define ANSWER_BYTES 65536
#define ANSWER_S 5
#define START_NS (60 * CLOCK_NS_PER_S)
#define TRIES 5		     /* of a port that somebody else may have been quicker to take */
#define SPARE_CONNECTIONS 64 /* for the writer and for questions */

static struct sockaddr_in loopback(int port)
{
	return (struct sockaddr_in){ .sin_family = AF_INET,
				     .sin_port = htons((uint16_t)port),
				     .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

static int free_port(void)
{
	struct sockaddr_in address = loopback(0);
	socklen_t bytes = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&address, bytes) < 0 ||
	    getsockname(fd, (struct sockaddr *)&address, &bytes) < 0)
		fleet_die("no free port: %s", strerror(errno));
	close(fd);
	return ntohs(address.sin_port);
}

/* --- four-letter words -------------------------------------------------------- */

/* False: no answer. */
static bool server_ask(const struct server *server, const char *word, char answer[ANSWER_BYTES])
{
	struct sockaddr_in address = loopback(server->port);
	struct timeval most = { .tv_sec = ANSWER_S };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	size_t size_bytes = 0;
	ssize_t got = -1;

	if (fd < 0)
		fleet_die("no socket: %s", strerror(errno));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &most, sizeof(most));
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0 &&
	    send(fd, word, strlen(word), MSG_NOSIGNAL) == (ssize_t)strlen(word))
		while ((got = recv(fd, answer + size_bytes, ANSWER_BYTES - 1 - size_bytes, 0)) > 0)
			size_bytes += (size_t)got;
	close(fd);
	answer[size_bytes] = '\0';
	return got == 0 && size_bytes > 0;
}

void server_reset(const struct server *server)
{
	char answer[ANSWER_BYTES];

	if (!server_ask(server, "srst", answer) || !strstr(answer, "reset"))
		fleet_die("the server did not reset its counts: \"%.80s\"", answer);
}

static uint64_t value_of(const char *answer, const char *name)
{
	size_t length = strlen(name);
	const char *line = answer;

	while (line && (strncmp(line, name, length) != 0 || line[length] != '\t')) {
		line = strchr(line, '\n');
		line += line != NULL;
	}
	if (!line)
		fleet_die("the server's answer to mntr has no %s", name);
	return strtoull(line + length, NULL, 10);
}

void server_measure(const struct server *server, struct server_load *load)
{
	char answer[ANSWER_BYTES];
	uint64_t prepared, written;

	if (!server_ask(server, "mntr", answer))
		fleet_die("the server did not answer mntr in %d s", ANSWER_S);
	prepared = value_of(answer, "zk_max_prep_processor_queue_size");
	written = value_of(answer, "zk_max_sync_processor_queue_size");
	*load = (struct server_load){ .received = value_of(answer, "zk_packets_received") - 1,
				      .sent = value_of(answer, "zk_packets_sent") - 1,
				      .waiting = prepared > written ? prepared : written,
				      .latency_most_ms = value_of(answer, "zk_max_latency") };
}

/* --- the process ---------------------------------------------------------------- */

static _Noreturn void server_exec(const struct server *server, const struct fleet *fleet, pid_t parent)
{
	static const char script[] = FLEET_TOP "/tests/support/zk-server";
	char log[FLEET_PATH_BYTES + 8], port[16], connections[16];
	int fd;

	fleet_die_with(parent);
	snprintf(log, sizeof(log), "%s/log", server->directory);
	snprintf(port, sizeof(port), "%d", server->port);
	snprintf(connections, sizeof(connections), "%u", fleet->hosts + SPARE_CONNECTIONS);
	setenv("ZK_CONNECTIONS", connections, 1);
	fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	dup2(fd, STDOUT_FILENO);
	dup2(fd, STDERR_FILENO);
	execl(script, script, "run", server->directory, port, (char *)NULL);
	_exit(127);
}

/* False: it has ended. */
static bool server_await(struct server *server)
{
	int64_t began_ns = clock_monotonic_ns();
	char answer[ANSWER_BYTES];

	while (clock_monotonic_ns() - began_ns < START_NS) {
		if (waitpid(server->pid, NULL, WNOHANG) == server->pid) {
			server->pid = 0;
			return false;
		}
		if (server_ask(server, "srvr", answer) && strstr(answer, "Mode:"))
			return true;
		usleep(20000);
	}
	fleet_die("no ZooKeeper server serves after a minute");
}

void server_start(struct server *server, const struct fleet *fleet)
{
	pid_t parent = getpid();

	snprintf(server->directory, sizeof(server->directory), "%s/server-%d", fleet->directory, (int)parent);
	if (mkdir(server->directory, 0700) < 0)
		fleet_die("%s: %s", server->directory, strerror(errno));
	fflush(stdout);
	for (int tries = 0; tries < TRIES; tries++) {
		server->port = free_port();
		snprintf(server->hosts, sizeof(server->hosts), "127.0.0.1:%d", server->port);
		server->pid = fork();
		if (server->pid < 0)
			fleet_die("cannot fork: %s", strerror(errno));
		if (server->pid == 0)
			server_exec(server, fleet, parent);
		if (server_await(server))
			return;
	}
	fleet_die("no ZooKeeper server can be started: Debian packages libzookeeper-java, libslf4j-java and "
		  "default-jre-headless");
}

void server_stop(struct server *server)
{
	kill(server->pid, SIGKILL);
	waitpid(server->pid, NULL, 0);
	server->pid = 0;
}
