/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "segment/notify.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <zkcfg/zkcfg.h>

#include "segment/kill_point.h"
#include "segment/trust.h"

#define COMMITS_NAME "commits"
#define ALIVE_NAME "alive"

/* A FIFO of this name, of ours, that others may read as the mode says and nobody else may write. */
static int notify_make(int dir_fd, const char *name, mode_t mode, gid_t group)
{
	struct stat st;

	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && (!S_ISFIFO(st.st_mode) || st.st_uid != geteuid()))
		unlinkat(dir_fd, name, 0);
	if (mkfifoat(dir_fd, name, 0600) < 0 && errno != EEXIST)
		return trust_error(errno);
	if (group != (gid_t)-1 && fchownat(dir_fd, name, (uid_t)-1, group, AT_SYMLINK_NOFOLLOW) < 0)
		return trust_error(errno);
	return fchmodat(dir_fd, name, 0600 | (mode & 0444), 0) < 0 ? trust_error(errno) : 0;
}

int notify_open(int dir_fd, mode_t mode, gid_t group, struct notify *notify)
{
	int err, fd;

	err = notify_make(dir_fd, COMMITS_NAME, mode, group);
	if (err == 0)
		err = notify_make(dir_fd, ALIVE_NAME, mode, group);
	if (err < 0)
		return err;
	/* for both, as opening for writing alone would wait for a reader */
	kill_point("notify.made");
	fd = openat(dir_fd, ALIVE_NAME, O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return trust_error(errno);
	notify->alive_fd = fd;
	return 0;
}

void notify_close(struct notify *notify)
{
	if (notify->alive_fd >= 0)
		close(notify->alive_fd);
	notify->alive_fd = -1;
}

bool notify_is_in_place(int dir_fd, const struct notify *notify)
{
	struct stat ours, named;

	return notify->alive_fd >= 0 && fstat(notify->alive_fd, &ours) == 0 &&
	       fstatat(dir_fd, ALIVE_NAME, &named, AT_SYMLINK_NOFOLLOW) == 0 && named.st_ino == ours.st_ino &&
	       named.st_dev == ours.st_dev && fstatat(dir_fd, COMMITS_NAME, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
	       S_ISFIFO(named.st_mode);
}

void notify_commit(int dir_fd)
{
	int fd = openat(dir_fd, COMMITS_NAME, O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0)
		return;
	kill_point("notify.opened");
	close(fd); /* the hang-up */
}

/* Open a FIFO of the directory's owner for reading; -1: there is none. */
static int notify_watch(int dir_fd, const char *name)
{
	struct stat directory, st;
	int fd = openat(dir_fd, name, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0)
		return -1;
	if (fstat(fd, &st) == 0 && fstat(dir_fd, &directory) == 0 && S_ISFIFO(st.st_mode) &&
	    st.st_uid == directory.st_uid)
		return fd;
	close(fd);
	return -1;
}

int notify_watch_commits(int dir_fd)
{
	return notify_watch(dir_fd, COMMITS_NAME);
}

int notify_watch_alive(int dir_fd, bool *is_alive)
{
	int fd = notify_watch(dir_fd, ALIVE_NAME);
	char byte;

	/* an end of file without a writer, nothing yet with one */
	*is_alive = fd >= 0 && read(fd, &byte, 1) < 0 && errno == EAGAIN;
	return fd;
}
