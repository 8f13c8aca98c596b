/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define PATIENCE_NS INT64_C(60000000000)

void process_patience(int64_t began_ns, const char *what)
{
	if (bench_now_ns() - began_ns > PATIENCE_NS)
		bench_die("in vain for a minute: %s", what);
	usleep(200);
}

pid_t process_spawn(const char *directory, const char *log, char *const arguments[])
{
	char path[BENCH_PATH_BYTES + 32];
	pid_t pid = fork();
	int fd;

	if (pid < 0)
		bench_die("fork: %s", strerror(errno));
	if (pid > 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	snprintf(path, sizeof(path), "%s/%s", directory, log);
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	dup2(fd, STDOUT_FILENO);
	dup2(fd, STDERR_FILENO);
	execv(arguments[0], arguments);
	_exit(127);
}

pid_t process_spawn_daemon(const char *directory, const char *uri, const char *shm_dir, const char *state_dir)
{
	char set[BENCH_PATH_BYTES + 64];
	char *const arguments[] = { (char *)(uintptr_t)BENCH_BUILD "/zkcfgd",
				    (char *)(uintptr_t)"--set",
				    set,
				    (char *)(uintptr_t)"--shm-dir",
				    (char *)(uintptr_t)shm_dir,
				    (char *)(uintptr_t)"--state-dir",
				    (char *)(uintptr_t)state_dir,
				    NULL };

	snprintf(set, sizeof(set), "app=%s", uri);
	return process_spawn(directory, "daemon.log", arguments);
}

void process_end(pid_t *pid)
{
	if (*pid == 0)
		return;
	kill(*pid, SIGKILL);
	waitpid(*pid, NULL, 0);
	*pid = 0;
}
