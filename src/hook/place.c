/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "hook/place.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PLACE_MODE 0644

static int place_fail(struct message *message, const char *file, const char *what, int err)
{
	message_set(message, "%.300s: cannot be %s: %s", file, what, strerror(-err));
	return err;
}

char *place_new_path(const char *file)
{
	const char *slash = strrchr(file, '/');
	char *path;

	if (asprintf(&path, "%.*s/.%s.zkcfg", (int)(slash - file), file, slash + 1) < 0)
		return NULL;
	return path;
}

/* What it is to have where nobody said: what the file has that is there. */
static void place_rights(const struct hook_render *render, uid_t *owner, gid_t *group, mode_t *mode)
{
	struct stat st;
	bool is_there = lstat(render->file, &st) == 0 && S_ISREG(st.st_mode);

	*owner = render->owner != (uid_t)-1 ? render->owner : is_there ? st.st_uid : (uid_t)-1;
	*group = render->group != (gid_t)-1 ? render->group : is_there ? st.st_gid : (gid_t)-1;
	*mode = render->mode != (mode_t)-1 ? render->mode : is_there ? st.st_mode & 07777 : PLACE_MODE;
}

static int place_fill(int fd, const struct hook_render *render, const struct buffer *bytes)
{
	size_t done = 0;
	uid_t owner;
	gid_t group;
	mode_t mode;

	place_rights(render, &owner, &group, &mode);
	while (done < bytes->size_bytes) {
		ssize_t put = write(fd, bytes->bytes + done, bytes->size_bytes - done);

		if (put < 0 && errno != EINTR)
			return -errno;
		done += put > 0 ? (size_t)put : 0;
	}
	if ((owner != (uid_t)-1 || group != (gid_t)-1) && fchown(fd, owner, group) < 0)
		return -errno;
	if (fchmod(fd, mode) < 0 || fsync(fd) < 0)
		return -errno;
	return 0;
}

int place_write(const struct hook_render *render, const struct buffer *bytes, struct message *message)
{
	char *path = place_new_path(render->file);
	int fd, err;

	if (!path)
		return place_fail(message, render->file, "written", -ENOMEM);
	unlink(path);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0) {
		err = place_fail(message, path, "written", -errno);
		goto free_path;
	}
	err = place_fill(fd, render, bytes);
	if (close(fd) < 0 && err == 0)
		err = -errno;
	if (err < 0) {
		place_fail(message, path, "written", err);
		unlink(path);
	}
free_path:
	free(path);
	return err;
}

static int place_sync_directory(const char *file)
{
	char *directory = strndup(file, (size_t)(strrchr(file, '/') - file) + 1);
	int fd = directory ? open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	int err = fd < 0 || fsync(fd) < 0 ? -errno : 0;

	if (fd >= 0)
		close(fd);
	free(directory);
	return err;
}

int place_rename(const struct hook_render *render, struct message *message)
{
	char *path = place_new_path(render->file);
	int err = 0;

	if (!path)
		return place_fail(message, render->file, "replaced", -ENOMEM);
	if (rename(path, render->file) < 0)
		err = -errno;
	if (err == 0)
		err = place_sync_directory(render->file);
	if (err < 0)
		place_fail(message, render->file, "replaced", err);
	free(path);
	return err;
}

void place_discard(const struct hook_render *render)
{
	char *path = place_new_path(render->file);

	if (path)
		unlink(path);
	free(path);
}
