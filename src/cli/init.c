/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/init.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/cli.h"

/* Wait for all that have ended; true: our child was one of them. */
static bool init_reap(pid_t child, int *code)
{
	bool is_over = false;
	pid_t pid;
	int how;

	while ((pid = waitpid(-1, &how, WNOHANG)) > 0) {
		if (pid != child)
			continue;
		*code = WIFEXITED(how) ? WEXITSTATUS(how) : 128 + WTERMSIG(how);
		is_over = true;
	}
	return is_over;
}

/* What comes from a terminal came to the child as well. */
static bool init_is_for_child(const siginfo_t *info)
{
	return info->si_signo != SIGCHLD && info->si_code != SI_KERNEL;
}

int init_begin(int *code)
{
	sigset_t all, before;
	siginfo_t info;
	pid_t child;

	if (getpid() != 1)
		return 0;
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	child = fork();
	if (child <= 0)
		sigprocmask(SIG_SETMASK, &before, NULL);
	if (child < 0) {
		complain("no process can be made: %s", strerror(errno));
		return -1;
	}
	if (child == 0)
		return 0;
	while (!init_reap(child, code))
		if (sigwaitinfo(&all, &info) > 0 && init_is_for_child(&info))
			kill(child, info.si_signo);
	return 1;
}
