/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Who watches a directory, or a volume of a ConfigMap, and does nothing else: inotify, and reads. */
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "bench/propagate.h"

#define FILE_BYTES 65536

/* The number that the file has; -1: none. */
static int64_t read_number(int dir_fd, const char *path)
{
	int fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC);
	char bytes[FILE_BYTES];
	ssize_t got;

	if (fd < 0)
		return -1;
	got = read(fd, bytes, sizeof(bytes));
	close(fd);
	return got < 0 ? -1 : propagate_number(bytes, (size_t)got);
}

/* Until something of this name was put there. */
static void await_event(int inotify_fd, const char *name)
{
	_Alignas(struct inotify_event) char bytes[4096];
	const struct inotify_event *event;
	bool is_seen = false;
	ssize_t got;

	while (!is_seen) {
		got = read(inotify_fd, bytes, sizeof(bytes));
		if (got <= 0)
			_exit(1);
		for (ssize_t at = 0; at < got; at += (ssize_t)(sizeof(*event) + event->len)) {
			event = (const void *)(bytes + at);
			is_seen = is_seen || (event->len > 0 && strcmp(event->name, name) == 0);
		}
	}
}

/* The directory of the path is watched; the path's last part. */
static const char *watch_directory(const char *path, char directory[PATH_MAX], int *inotify_fd)
{
	snprintf(directory, PATH_MAX, "%s", path);
	*strrchr(directory, '/') = '\0';
	*inotify_fd = inotify_init1(IN_CLOEXEC);
	if (*inotify_fd < 0 || inotify_add_watch(*inotify_fd, directory, IN_MOVED_TO | IN_CLOSE_WRITE) < 0)
		_exit(1);
	return strrchr(path, '/') + 1;
}

void watch_file(const char *nowhere, const char *path, int fd)
{
	char directory[PATH_MAX];
	int inotify_fd;
	const char *name = watch_directory(path, directory, &inotify_fd);

	(void)nowhere;
	for (;;) {
		propagate_tell(fd, read_number(AT_FDCWD, path));
		await_event(inotify_fd, name);
	}
}

/* All files of the version in force; the number of this one. */
static int64_t read_volume(const char *data, const char *name)
{
	DIR *directory = opendir(data);
	struct dirent *entry;
	int64_t number = -1, got;

	while (directory && (entry = readdir(directory))) {
		if (entry->d_name[0] == '.')
			continue;
		got = read_number(dirfd(directory), entry->d_name);
		if (strcmp(entry->d_name, name) == 0)
			number = got;
	}
	if (directory)
		closedir(directory);
	return number;
}

void watch_configmap(const char *nowhere, const char *path, int fd)
{
	char directory[PATH_MAX], data[PATH_MAX + 8];
	int inotify_fd;
	const char *name = watch_directory(path, directory, &inotify_fd);

	(void)nowhere;
	snprintf(data, sizeof(data), "%s/..data", directory);
	for (;;) {
		propagate_tell(fd, read_volume(data, name));
		await_event(inotify_fd, "..data");
	}
}
