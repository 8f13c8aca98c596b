/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "hook/pid_file.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static int pid_file_read(const char *path, pid_t *pid, uid_t *owner, struct message *message)
{
	char text[32] = "", *end;
	struct stat st;
	long number;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ssize_t got = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	int err = got < 0 || fstat(fd, &st) < 0 ? -errno : 0;

	if (fd >= 0)
		close(fd);
	if (err < 0) {
		message_set(message, "%.300s: the pid file cannot be read: %s", path, strerror(-err));
		return err;
	}
	number = strtol(text, &end, 10);
	if (end == text || end[strspn(end, " \t\r\n")] != '\0' || number <= 1 || number > INT32_MAX) {
		message_set(message,
			    "%.300s: expected the number of a process in the pid file, there is \"%.20s\"",
			    path, text);
		return -EINVAL;
	}
	*pid = (pid_t)number;
	*owner = st.st_uid;
	return 0;
}

static bool pid_file_may_name(uid_t owner, pid_t pid)
{
	char path[32];
	struct stat st;

	if (owner == 0 || owner == geteuid())
		return true;
	snprintf(path, sizeof(path), "/proc/%d", (int)pid);
	return stat(path, &st) < 0 || st.st_uid == owner;
}

int pid_file_signal(const char *path, int signal, struct message *message)
{
	pid_t pid = 0;
	uid_t owner = 0;
	int err = pid_file_read(path, &pid, &owner, message), pidfd;

	if (err < 0)
		return err;
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0); /* from here on it is one and the same process */
	if (pidfd < 0) {
		err = -errno;
		message_set(message, "%.300s: process %d cannot be signaled: %s", path, (int)pid,
			    strerror(-err));
		return err;
	}
	if (!pid_file_may_name(owner, pid)) {
		message_set(message,
			    "%.300s: belongs to user %u and names process %d, which does not: not signaled",
			    path, (unsigned)owner, (int)pid);
		err = -EPERM;
	} else if (syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0) < 0) {
		err = -errno;
		message_set(message, "%.300s: process %d cannot be signaled: %s", path, (int)pid,
			    strerror(-err));
	}
	close(pidfd);
	return err;
}
