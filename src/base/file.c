/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int file_read_fd(int fd, size_t limit_bytes, struct buffer *buffer)
{
	size_t begin = buffer->size_bytes;
	char chunk[16384];
	ssize_t got;

	while ((got = read(fd, chunk, sizeof(chunk))) != 0) {
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if ((size_t)got > limit_bytes - (buffer->size_bytes - begin))
			return -EFBIG;
		buffer_append(buffer, chunk, (size_t)got);
		if (buffer_failed(buffer))
			return -ENOMEM;
	}
	return 0;
}

int file_read(const char *path, size_t limit_bytes, struct buffer *buffer)
{
	int fd, err;

	if (strcmp(path, "-") == 0)
		return file_read_fd(STDIN_FILENO, limit_bytes, buffer);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	err = file_read_fd(fd, limit_bytes, buffer);
	close(fd);
	return err;
}

static int file_write_fd(int fd, const char *bytes, size_t size_bytes)
{
	while (size_bytes > 0) {
		ssize_t put = write(fd, bytes, size_bytes);

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return -errno;
		bytes += put;
		size_bytes -= (size_t)put;
	}
	return fsync(fd) < 0 ? -errno : 0;
}

int file_replace(int dir_fd, const char *name, mode_t mode, const void *bytes, size_t size_bytes)
{
	char temporary[NAME_MAX + 1];
	int fd, err;

	if ((size_t)snprintf(temporary, sizeof(temporary), ".%s.new", name) >= sizeof(temporary))
		return -ENAMETOOLONG;
	unlinkat(dir_fd, temporary, 0);
	fd = openat(dir_fd, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
	if (fd < 0)
		return -errno;
	err = file_write_fd(fd, bytes, size_bytes);
	if (close(fd) < 0 && err == 0)
		err = -errno;
	if (err < 0)
		goto remove_temporary;
	if (renameat(dir_fd, temporary, dir_fd, name) < 0) {
		err = -errno;
		goto remove_temporary;
	}
	return fsync(dir_fd) < 0 ? -errno : 0;
remove_temporary:
	unlinkat(dir_fd, temporary, 0);
	return err;
}

static int file_make_dir(const char *path, mode_t mode)
{
	struct stat st;

	if (mkdir(path, mode) == 0)
		return 0;
	if (errno != EEXIST)
		return -errno;
	if (stat(path, &st) < 0)
		return -errno;
	return S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
}

int file_make_dirs(const char *path, mode_t mode)
{
	char part[PATH_MAX];
	int err;

	if (path[0] == '\0')
		return -ENOENT;
	if (strlen(path) >= sizeof(part))
		return -ENAMETOOLONG;
	strcpy(part, path);
	for (char *c = part + 1; *c != '\0'; c++) {
		if (*c != '/')
			continue;
		*c = '\0';
		err = file_make_dir(part, mode);
		if (err < 0)
			return err;
		*c = '/';
	}
	return file_make_dir(part, mode);
}
