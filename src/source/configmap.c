/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "source/configmap.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/uri.h"
#include "source/follower.h"

#define CONFIGMAP_DATA "..data"
/* So often ..data may move while a version is read, until it is left for the next event. */
#define CONFIGMAP_TRIES 10
/* Directories in one another: items may have paths. */
#define CONFIGMAP_DEPTH_MOST 16

struct configmap {
	struct follower follower;
	char *path;
	bool has_told; /* anything, ever: a mount that was good once */
};

/* A file of the version that is being read. */
struct configmap_file {
	struct configmap_file *next;
	struct buffer bytes;
	struct stat stat;
	int err; /* of reading it */
	char name[];
};

static struct configmap *configmap_of(struct follower *follower)
{
	return (struct configmap *)(void *)follower;
}

/* --- reading a version ------------------------------------------------------------- */

static void configmap_files_free(struct configmap_file *file)
{
	while (file) {
		struct configmap_file *next = file->next;

		buffer_free(&file->bytes);
		free(file);
		file = next;
	}
}

/* 0 or a negative errno: -ENOENT when it is gone by now. What only this file has is its own. */
static int configmap_read_file(int dir_fd, const char *leaf, const char *name, struct configmap_file **files)
{
	struct configmap_file *file = calloc(1, sizeof(*file) + strlen(name) + 1);

	if (!file)
		return -ENOMEM;
	strcpy(file->name, name);
	file->next = *files;
	*files = file;
	file->err = folder_read(dir_fd, leaf, &file->bytes, &file->stat);
	return file->err == -ENOENT || file->err == -ENOMEM ? file->err : 0;
}

static int configmap_read_directory(int dir_fd, const char *prefix, unsigned int depth,
				    struct configmap_file **files);

static int configmap_read_entry(int dir_fd, const char *prefix, const struct dirent *entry, unsigned int depth,
				struct configmap_file **files)
{
	const char *leaf = entry->d_name;
	char name[PATH_MAX];
	struct stat stat;
	int fd;

	if (strncmp(leaf, "..", 2) == 0 || strcmp(leaf, ".") == 0)
		return 0;
	if (snprintf(name, sizeof(name), "%s%s", prefix, leaf) >= (int)sizeof(name) - 1)
		return -ENAMETOOLONG;
	if (entry->d_type == DT_REG)
		return configmap_read_file(dir_fd, leaf, name, files);
	if (fstatat(dir_fd, leaf, &stat, 0) < 0)
		return -errno;
	if (!S_ISDIR(stat.st_mode))
		return configmap_read_file(dir_fd, leaf, name, files);
	if (depth == CONFIGMAP_DEPTH_MOST)
		return -ELOOP;
	fd = openat(dir_fd, leaf, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	strcat(name, "/");
	return configmap_read_directory(fd, name, depth + 1, files);
}

/* Takes dir_fd. */
static int configmap_read_directory(int dir_fd, const char *prefix, unsigned int depth,
				    struct configmap_file **files)
{
	DIR *directory = fdopendir(dir_fd);
	struct dirent *entry;
	int err = 0;

	if (!directory) {
		close(dir_fd);
		return -ENOMEM;
	}
	errno = 0;
	while (err == 0 && (entry = readdir(directory))) {
		err = configmap_read_entry(dir_fd, prefix, entry, depth, files);
		errno = 0;
	}
	if (err == 0 && errno != 0)
		err = -errno;
	closedir(directory);
	return err;
}

/* Does ..data lead to this directory? */
static bool configmap_is_in_force(int root_fd, const struct stat *version)
{
	struct stat now;

	return fstatat(root_fd, CONFIGMAP_DATA, &now, 0) == 0 && now.st_dev == version->st_dev &&
	       now.st_ino == version->st_ino;
}

/* One version, whole: 0, -EAGAIN when another came into force meanwhile, or another negative errno. */
static int configmap_read(int root_fd, struct configmap_file **files)
{
	int err, fd = openat(root_fd, CONFIGMAP_DATA, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat version;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &version) < 0) {
		err = -errno;
		close(fd);
		return err;
	}
	err = configmap_read_directory(fd, "", 0, files);
	return err != -ENOMEM && !configmap_is_in_force(root_fd, &version) ? -EAGAIN : err;
}

/* --- telling it ------------------------------------------------------------------------ */

static void configmap_tell_file(struct follower *follower, const struct configmap_file *read)
{
	struct folder *folder = &follower->folder;
	struct folder_file *file = folder_get(folder, read->name);

	if (!file) {
		follower->next_look_ns = clock_monotonic_ns() + CLOCK_NS_PER_S;
		return;
	}
	file->round = folder->round;
	if (read->err < 0) {
		folder_cannot_read(folder, file, read->err, clock_monotonic_ns());
		return;
	}
	if (folder_take(folder, file, &read->bytes, &read->stat) && follower->is_audited)
		file->is_suspect = true;
}

static void configmap_tell(struct follower *follower, const struct configmap_file *read)
{
	struct folder_file *file, *next;

	for (; read; read = read->next)
		configmap_tell_file(follower, read);
	for (file = TAILQ_FIRST(&follower->folder.files); file; file = next) {
		next = TAILQ_NEXT(file, link);
		if (file->round == follower->folder.round)
			continue;
		if (follower->is_audited)
			follower->events->repaired(follower->user, file->name);
		folder_remove(&follower->folder, file);
	}
}

/* 0, or the errno for which nothing is told. */
static int configmap_look_in(struct follower *follower, int root_fd)
{
	struct configmap_file *files = NULL;
	int err = -EAGAIN;

	for (int tries = 0; err == -EAGAIN && tries < CONFIGMAP_TRIES; tries++) {
		configmap_files_free(files);
		files = NULL;
		err = configmap_read(root_fd, &files);
	}
	if (err == 0) {
		configmap_of(follower)->has_told = true;
		configmap_tell(follower, files);
	} else if (err == -EAGAIN) { /* an event is on its way */
		follower->next_look_ns = clock_monotonic_ns() + CLOCK_NS_PER_S;
		err = 0;
	} else if (err == -ENOENT) {
		follower->missing = configmap_of(follower)->has_told ?
					    "..data is not there" :
					    "there is no ..data: no mounted ConfigMap, or one that is mounted "
					    "with subPath, which never changes (file:// is for plain directories)";
	}
	configmap_files_free(files);
	return -err;
}

static int configmap_look_at_all(struct follower *follower)
{
	int err, fd;

	if (follower->lookout)
		follower_watched(follower, lookout_watch_only(follower->lookout, follower->path, CONFIGMAP_DATA));
	fd = open(follower->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return errno;
	err = configmap_look_in(follower, fd);
	close(fd);
	return err;
}

/* What could not be read is looked at again with all the rest. */
static void configmap_look_at(struct follower *follower, struct folder_file *file)
{
	folder_wait_no_more(&follower->folder, file);
	follower_want(follower, false);
}

static void configmap_happened(struct follower *follower, enum lookout_event event, const char *tag,
			       const char *name)
{
	struct folder_file *file;

	(void)event, (void)tag;
	if (strcmp(name, CONFIGMAP_DATA) != 0)
		return;
	follower->events->contact(follower->user, SOURCE_TOLD);
	follower_want(follower, true);
	TAILQ_FOREACH (file, &follower->folder.files, link)
		file->is_suspect = false;
}

static const struct follower_ops configmap_follower_ops = {
	.look_at_all = configmap_look_at_all,
	.look_at = configmap_look_at,
	.happened = configmap_happened,
};

/* --- the vtable --------------------------------------------------------------------------- */

static int configmap_take_uri(struct uri *uri, struct configmap *configmap, struct message *message)
{
	int taken = 0;

	if (*uri->authority != '\0') {
		message_set(message, "%.64s stands where a host would; expected three slashes and an absolute "
				     "path, as configmap:///etc/app",
			    uri->authority);
		return -EINVAL;
	}
	pace_init(&configmap->follower.pace);
	for (size_t i = 0; i < uri->option_count; i++) {
		taken = pace_take(&configmap->follower.pace, &uri->options[i], message);
		if (taken == 0)
			message_set(message, "the option %.64s is not known; expected " PACE_OPTIONS,
				    uri->options[i].key);
		if (taken <= 0)
			return -EINVAL;
	}
	if (pace_check(&configmap->follower.pace, message) < 0)
		return -EINVAL;
	configmap->path = uri->path;
	configmap->follower.path = uri->path;
	uri->path = NULL;
	return 0;
}

static int configmap_open(const char *uri_text, const struct source_events *events, void *user,
			  struct source **source, struct message *message)
{
	struct configmap *configmap = calloc(1, sizeof(*configmap));
	struct uri uri;
	int err;

	if (!configmap) {
		message_set(message, "out of memory");
		return -ENOMEM;
	}
	err = uri_parse(uri_text, &uri, message);
	if (err == 0) {
		err = configmap_take_uri(&uri, configmap, message);
		uri_free(&uri);
	}
	if (err < 0) {
		free(configmap);
		return err;
	}
	follower_init(&configmap->follower, &configmap_source, &configmap_follower_ops, events, user);
	configmap->follower.source.mode = pace_mode(&configmap->follower.pace);
	*source = &configmap->follower.source;
	return 0;
}

static void configmap_close(struct source *source)
{
	struct configmap *configmap = (struct configmap *)(void *)source;

	if (!configmap)
		return;
	follower_end(&configmap->follower);
	free(configmap->path);
	free(configmap);
}

static enum source_result configmap_put(const char *uri, const struct source_change *change, int64_t *version,
					struct message *message)
{
	(void)uri, (void)change, (void)version;
	message_set(message, "a mounted ConfigMap is written by Kubernetes alone; expected a change of the "
			     "ConfigMap itself, as by kubectl apply");
	return SOURCE_INVALID;
}

static enum source_result configmap_remove(const char *uri, const struct source_change *change,
					   struct message *message)
{
	return configmap_put(uri, change, NULL, message);
}

const struct source_ops configmap_source = {
	.scheme = "configmap",
	.example = "configmap:///etc/app",
	.open = configmap_open,
	.start = follower_start,
	.refresh = follower_refresh,
	.close = configmap_close,
	.put = configmap_put,
	.remove = configmap_remove,
};
