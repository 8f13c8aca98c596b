/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#define THREADED /* for the writer's synchronous calls */

#include "support/daemon_host.h"

#include <check.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/network.h"
#include "support/segment_host.h"
#include "support/zk_client.h"

#define ROOT "/app"

const char *daemon_host_log_end(const struct daemon_host *host)
{
	static char text[3000];
	int fd = open(host->log, O_RDONLY | O_CLOEXEC);
	off_t size = fd < 0 ? 0 : lseek(fd, 0, SEEK_END);
	off_t from = size > (off_t)sizeof(text) - 1 ? size - (off_t)sizeof(text) + 1 : 0;
	ssize_t got = fd < 0 ? 0 : pread(fd, text, sizeof(text) - 1, from);

	if (fd >= 0)
		close(fd);
	text[got > 0 ? got : 0] = '\0';
	return text;
}

void daemon_host_begin_with(struct daemon_host *host, const char *uri)
{
	*host = (struct daemon_host){ .directory = "/tmp/zkcfg-daemon-XXXXXX" };
	ck_assert_ptr_nonnull(mkdtemp(host->directory));
	snprintf(host->shm_dir, sizeof(host->shm_dir), "%.60s/shm", host->directory);
	snprintf(host->set_dir, sizeof(host->set_dir), "%s/v1/app", host->shm_dir);
	snprintf(host->state_dir, sizeof(host->state_dir), "%.60s/state", host->directory);
	snprintf(host->log, sizeof(host->log), "%.60s/log", host->directory);
	snprintf(host->uri, sizeof(host->uri), "%s", uri);
}

void daemon_host_begin_at(struct daemon_host *host, const char *hosts)
{
	char uri[256];

	snprintf(uri, sizeof(uri), "zk://%.200s" ROOT, hosts);
	daemon_host_begin_with(host, uri);
	host->writer = zk_client_open(hosts, NULL);
	daemon_host_put(host, "", "");
}

void daemon_host_begin(struct daemon_host *host)
{
	struct zk_server *server = zk_server_new(NULL);

	zk_server_start(server);
	daemon_host_begin_at(host, zk_server_hosts(server));
	host->server = server;
}

void daemon_host_end(struct daemon_host *host)
{
	if (host->pid > 0) {
		kill(host->pid, SIGKILL);
		waitpid(host->pid, NULL, 0);
	}
	if (host->writer)
		zookeeper_close(host->writer);
	zk_server_free(host->server);
	segment_host_remove(host->directory);
}

void daemon_host_put(struct daemon_host *host, const char *document, const char *text)
{
	char path[256];

	snprintf(path, sizeof(path), ROOT "%s%.200s", *document ? "/" : "", document);
	zk_client_write(host->writer, path, text, (int)strlen(text));
}

static struct zkcfg_status *daemon_host_status(struct daemon_host *host)
{
	struct zkcfg_status *status = NULL;
	struct zkcfg *cfg;

	if (zkcfg_open("app", host->shm_dir, &cfg) < 0)
		return NULL;
	zkcfg_status_read(cfg, &status);
	zkcfg_close(cfg);
	return status;
}

void daemon_host_detail(struct daemon_host *host, char *detail, size_t detail_bytes)
{
	struct zkcfg_status *status = daemon_host_status(host);

	snprintf(detail, detail_bytes, "%s", status ? zkcfg_status_detail(status) : "");
	zkcfg_status_free(status);
}

uint64_t daemon_host_repairs(struct daemon_host *host)
{
	struct zkcfg_status *status = daemon_host_status(host);
	uint64_t count = status ? zkcfg_status_repair_count(status) : 0;

	zkcfg_status_free(status);
	return count;
}

int64_t daemon_host_unverified_ms(struct daemon_host *host)
{
	struct zkcfg_status *status = daemon_host_status(host);
	int64_t unverified_ms = status ? zkcfg_status_unverified_ms(status) : -1;

	zkcfg_status_free(status);
	return unverified_ms;
}

size_t daemon_host_candidate_count(struct daemon_host *host)
{
	struct zkcfg_status *status = daemon_host_status(host);
	size_t count = status ? zkcfg_status_candidate_count(status) : 0;

	zkcfg_status_free(status);
	return count;
}

uint64_t daemon_host_seq(struct daemon_host *host)
{
	struct zkcfg_status *status = daemon_host_status(host);
	uint64_t seq = status ? zkcfg_status_seq(status) : 0;

	zkcfg_status_free(status);
	return seq;
}

bool daemon_host_serves(const struct daemon_host *host, const char *document, const char *path,
			const char *expected)
{
	struct zkcfg_snapshot *snapshot = NULL;
	const char *value = "none";
	struct zkcfg *cfg;
	bool is_so;

	if (zkcfg_open("app", host->shm_dir, &cfg) < 0)
		return false;
	if (zkcfg_pin(cfg, &snapshot) < 0 || zkcfg_get_string(snapshot, document, path, &value) < 0)
		value = "none";
	is_so = snapshot && strcmp(value, expected) == 0;
	zkcfg_unpin(snapshot);
	zkcfg_close(cfg);
	return is_so;
}

bool daemon_host_follows(struct daemon_host *host)
{
	struct zkcfg_status *status = daemon_host_status(host);
	bool follows = status && zkcfg_status_daemon_pid(status) == host->pid &&
		       zkcfg_status_source_state(status) == ZKCFG_SOURCE_FOLLOWING;

	zkcfg_status_free(status);
	return follows;
}

/* Its configuration, as an operator writes it. */
static void write_config(const struct daemon_host *host, const char *path)
{
	FILE *file = fopen(path, "w");

	if (!file)
		_exit(126);
	fprintf(file, "<zkcfgd><set name=\"app\" %s", host->uri[0] ? "source=\"" : "");
	for (const char *at = host->uri; *at; at++)
		fputs(*at == '&' ? "&amp;" : (char[]){ *at, '\0' }, file);
	fprintf(file, "%s %s>%s</set></zkcfgd>\n", host->uri[0] ? "\"" : "", host->attributes ? host->attributes : "",
		host->elements ? host->elements : "");
	if (fclose(file) != 0)
		_exit(126);
}

static void exec_daemon(const struct daemon_host *host)
{
	const char *build = getenv("ZKCFG_BUILD");
	char program[512], config[128];
	int fd;

	snprintf(program, sizeof(program), "%.480s/zkcfgd", build ? build : ".");
	snprintf(config, sizeof(config), "%s/zkcfgd.xml", host->directory);
	write_config(host, config);
	if (host->network && network_enter_client(host->network) < 0)
		_exit(126);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	fd = open(host->log, O_WRONLY | O_CREAT | O_APPEND, 0600);
	if (fd < 0 || dup2(fd, STDOUT_FILENO) < 0 || dup2(fd, STDERR_FILENO) < 0)
		_exit(126);
	execl(program, "zkcfgd", "--config", config, "--shm-dir", host->shm_dir, "--state-dir", host->state_dir,
	      "--log-level", "debug", (char *)NULL);
	_exit(127);
}

void daemon_host_run(struct daemon_host *host)
{
	host->pid = fork();
	ck_assert_int_ge(host->pid, 0);
	if (host->pid == 0)
		exec_daemon(host);
}

void daemon_host_start(struct daemon_host *host)
{
	daemon_host_run(host);
	DAEMON_UNTIL(host, daemon_host_follows(host));
}

void daemon_host_kill(struct daemon_host *host)
{
	int how;

	ck_assert_int_eq(kill(host->pid, SIGKILL), 0);
	ck_assert_int_eq(waitpid(host->pid, &how, 0), host->pid);
	host->pid = 0;
	ck_assert_msg(WIFSIGNALED(how) && WTERMSIG(how) == SIGKILL, "it had ended before, %#x; the log:\n%s",
		      (unsigned)how, daemon_host_log_end(host));
}

void daemon_host_stop(struct daemon_host *host)
{
	pid_t pid = host->pid;
	int how;

	ck_assert_int_eq(kill(pid, SIGTERM), 0);
	DAEMON_UNTIL(host, waitpid(pid, &how, WNOHANG) == pid);
	host->pid = 0;
	ck_assert_msg(WIFEXITED(how) && WEXITSTATUS(how) == 0, "ended with %#x; the log:\n%s", (unsigned)how,
		      daemon_host_log_end(host));
}
