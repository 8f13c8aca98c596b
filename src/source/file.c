/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "source/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "source/follower.h"

#define FILE_DEPTH_MOST 64 /* directories in one another */
struct file {
	struct follower follower;
	struct file_target target;
	bool is_single; /* the root is no directory */
};

static struct file *file_of(struct follower *follower)
{
	return (struct file *)(void *)follower;
}

/* --- one file ---------------------------------------------------------------------- */

static bool file_is_utf8(const char *name)
{
	const unsigned char *byte = (const unsigned char *)name;

	while (*byte != '\0') {
		int more = *byte < 0x80 ? 0 : (*byte & 0xe0) == 0xc0 ? 1 : (*byte & 0xf0) == 0xe0 ? 2 : 3;

		if ((*byte >= 0x80 && *byte < 0xc2) || *byte > 0xf4 || *byte < 0x20 || *byte == 0x7f)
			return false;
		for (byte++; more > 0; more--, byte++)
			if ((*byte & 0xc0) != 0x80)
				return false;
	}
	return true;
}

/* Is a file of that name, the last part of its path, a document? */
static bool file_is_wanted(const struct file *file, const char *name)
{
	if (file->is_single)
		return strcmp(name, strrchr(file->target.path, '/') + 1) == 0;
	return !file_is_ignored(name) && file_is_utf8(name) &&
	       (!file->target.match || fnmatch(file->target.match, name, 0) == 0);
}

/* Room for a path and a name: one that is too long is not cut, so that the kernel says so. */
#define FILE_PATH_BYTES (2 * PATH_MAX)

/* Where a document's file is. */
static void file_path(const struct file *file, const char *name, char path[FILE_PATH_BYTES])
{
	if (file->is_single)
		snprintf(path, FILE_PATH_BYTES, "%s", file->target.path);
	else
		snprintf(path, FILE_PATH_BYTES, "%s/%s", file->target.path[1] == '\0' ? "" : file->target.path, name);
}

static int64_t file_settle_ns(const struct file *file)
{
	return file->target.settle_ms * CLOCK_NS_PER_MS;
}

static void file_wait(struct file *file, struct folder_file *known, int64_t wait_ns)
{
	folder_wait(&file->follower.folder, known, clock_monotonic_ns() + wait_ns);
}

/* It is time, or it was closed: if it is not there now, it may be in a moment. */
static void file_look(struct file *file, struct folder_file *known, bool is_due)
{
	char path[FILE_PATH_BYTES];

	if (known->is_directory) {
		follower_want(&file->follower, false);
		folder_wait_no_more(&file->follower.folder, known);
		return;
	}
	file_path(file, known->name, path);
	if (folder_look(&file->follower.folder, known, AT_FDCWD, path, clock_monotonic_ns()))
		return;
	if (is_due || !known->is_told)
		folder_remove(&file->follower.folder, known);
	else
		file_wait(file, known, file_settle_ns(file));
}

/* For how long it has yet to be quiet, as far as its times tell; 0: it has been. */
static int64_t file_unquiet_ns(const struct file *file, const struct stat *stat)
{
	int64_t written_ns = stat->st_mtim.tv_sec * CLOCK_NS_PER_S + stat->st_mtim.tv_nsec;
	int64_t age_ns = clock_realtime_ns() - written_ns, settle_ns = file_settle_ns(file);

	return age_ns < 0 || age_ns >= settle_ns ? 0 : settle_ns - age_ns;
}

/* --- all of them --------------------------------------------------------------------- */

/* Found when all were looked at. */
static void file_consider(struct file *file, const char *name, const struct stat *stat)
{
	struct folder_file *known = folder_get(&file->follower.folder, name);
	int64_t unquiet_ns;

	if (!known) {
		log_error("%s: out of memory; looked at again", file->target.path);
		file->follower.next_look_ns = clock_monotonic_ns() + CLOCK_NS_PER_S;
		return;
	}
	known->round = file->follower.folder.round;
	if (folder_is_same(known, stat) && !known->is_troubled) {
		folder_wait_no_more(&file->follower.folder, known); /* if it went, it is back */
		return;
	}
	if (known->is_waiting)
		return;
	known->is_suspect = file->follower.is_audited;
	unquiet_ns = file_unquiet_ns(file, stat);
	if (unquiet_ns > 0)
		file_wait(file, known, unquiet_ns);
	else
		file_look(file, known, false);
}

struct file_walk {
	struct file *file;
	unsigned int depth;
	struct {
		dev_t dev;
		ino_t ino;
	} above[FILE_DEPTH_MOST]; /* the directories on the way down */
	char path[PATH_MAX];
	size_t root_length; /* with the '/' behind it */
};

static void file_walk_directory(struct file_walk *walk, const struct stat *stat);

static void file_walk_entry(struct file_walk *walk, int dir_fd, const struct dirent *entry, size_t length)
{
	struct file *file = walk->file;
	size_t name_length = strlen(entry->d_name);
	struct stat stat;

	if (length + name_length + 2 > sizeof(walk->path) || fstatat(dir_fd, entry->d_name, &stat, 0) < 0)
		return;
	memcpy(walk->path + length, entry->d_name, name_length + 1);
	if (file->follower.lookout && entry->d_type == DT_LNK)
		follower_watched(&file->follower, lookout_watch_way(file->follower.lookout, walk->path));
	if (S_ISDIR(stat.st_mode)) {
		strcpy(walk->path + length + name_length, "/");
		file_walk_directory(walk, &stat);
	} else if (file_is_wanted(file, entry->d_name)) {
		file_consider(file, walk->path + walk->root_length, &stat);
	}
}

/* A step down; false: too deep, or a symbolic link led to where we are already. */
static bool file_walk_down(struct file_walk *walk, const struct stat *stat)
{
	bool is_circle = false;

	for (unsigned int i = 0; i < walk->depth; i++)
		is_circle = is_circle ||
			    (walk->above[i].dev == stat->st_dev && walk->above[i].ino == stat->st_ino);
	if (is_circle || walk->depth == FILE_DEPTH_MOST) {
		log_info("%s: not followed: %s", walk->path,
			 is_circle ? "it leads in a circle" : "more than 64 directories in one another");
		return false;
	}
	walk->above[walk->depth].dev = stat->st_dev;
	walk->above[walk->depth].ino = stat->st_ino;
	walk->depth++;
	return true;
}

/* What was told from below a directory that cannot be read stays. */
static void file_walk_unreadable(struct file_walk *walk, int err)
{
	struct file *file = walk->file;
	const char *below = walk->path + walk->root_length;
	size_t length = strlen(below);
	struct folder_file *known;
	char reason[128], name[PATH_MAX];

	if (err == ENOENT || err == ENOTDIR || length == 0)
		return;
	TAILQ_FOREACH (known, &file->follower.folder.files, link)
		if (strncmp(known->name, below, length) == 0)
			known->round = file->follower.folder.round;
	snprintf(name, sizeof(name), "%.*s", (int)(length - 1), below);
	snprintf(reason, sizeof(reason), "the directory cannot be read: %s", strerror(err));
	known = folder_get(&file->follower.folder, name);
	if (!known)
		return;
	known->is_directory = true;
	known->round = file->follower.folder.round;
	folder_trouble(&file->follower.folder, known, reason, clock_monotonic_ns());
}

static void file_walk_readable(struct file_walk *walk)
{
	struct folder_file *known;
	char name[PATH_MAX];

	snprintf(name, sizeof(name), "%s", walk->path + walk->root_length);
	name[strlen(name) - (*name != '\0')] = '\0';
	known = folder_find(&walk->file->follower.folder, name);
	if (known && known->is_directory)
		folder_remove(&walk->file->follower.folder, known);
}

/* The path ends in '/'. The directory is told by what its files are named with: nothing, or "a/b/". */
static void file_walk_directory(struct file_walk *walk, const struct stat *stat)
{
	size_t length = strlen(walk->path);
	struct dirent *entry;
	DIR *directory;

	if (!file_walk_down(walk, stat))
		return;
	if (walk->file->follower.lookout) /* before it is read, or what comes between is lost */
		follower_watched(&walk->file->follower,
			     lookout_watch(walk->file->follower.lookout, walk->path, walk->path + walk->root_length));
	directory = opendir(walk->path);
	if (directory)
		file_walk_readable(walk);
	else
		file_walk_unreadable(walk, errno);
	while (directory && (entry = readdir(directory))) {
		if (entry->d_name[0] != '.' && file_is_utf8(entry->d_name))
			file_walk_entry(walk, dirfd(directory), entry, length);
		walk->path[length] = '\0';
	}
	if (directory)
		closedir(directory);
	walk->depth--;
}

static void file_walk_root(struct file *file, const struct stat *stat)
{
	struct file_walk walk = { .file = file };

	walk.root_length = (size_t)snprintf(walk.path, sizeof(walk.path), "%s%s", file->target.path,
					    file->target.path[1] == '\0' ? "" : "/");
	file_walk_directory(&walk, stat);
}

/* What was not seen went. It may be back soon. */
static void file_miss(struct file *file)
{
	struct folder_file *known;

	TAILQ_FOREACH (known, &file->follower.folder.files, link)
		if (known->round != file->follower.folder.round && !known->is_waiting) {
			known->is_suspect = file->follower.is_audited;
			file_wait(file, known, file_settle_ns(file));
		}
}

static void file_look_single(struct file *file, const struct stat *stat)
{
	char directory[PATH_MAX];

	snprintf(directory, sizeof(directory), "%s", file->target.path);
	strrchr(directory, '/')[1] = '\0';
	if (file->follower.lookout)
		follower_watched(&file->follower, lookout_watch(file->follower.lookout, directory, ""));
	if (stat)
		file_consider(file, strrchr(file->target.path, '/') + 1, stat);
	file_miss(file);
}

/* 0, or why the root cannot be looked at. */
static int file_stat_root(struct file *file, struct stat *stat_of_root)
{
	if (stat(file->target.path, stat_of_root) < 0)
		return errno;
	file->is_single = !S_ISDIR(stat_of_root->st_mode);
	return !file->is_single && faccessat(AT_FDCWD, file->target.path, R_OK | X_OK, AT_EACCESS) < 0 ? errno :
													  0;
}

/* A file alone that went is no document any more; a directory that went says nothing of its files. */
static bool file_is_gone(const struct file *file, int err)
{
	char directory[PATH_MAX];

	snprintf(directory, sizeof(directory), "%s", file->target.path);
	strrchr(directory, '/')[1] = '\0';
	return err == ENOENT && file->is_single && file->follower.is_settled && access(directory, F_OK) == 0;
}

static int file_look_at_all(struct follower *follower)
{
	struct file *file = file_of(follower);
	struct stat stat_of_root;
	int err = file_stat_root(file, &stat_of_root);

	if (err == 0 && !file->is_single) {
		file_walk_root(file, &stat_of_root);
		file_miss(file);
		return 0;
	}
	if (err != 0 && !file_is_gone(file, err))
		return err;
	file_look_single(file, err == 0 ? &stat_of_root : NULL);
	return 0;
}

/* --- what inotify says ------------------------------------------------------------------ */

static void file_named(struct file *file, enum lookout_event event, const char *name)
{
	struct folder_file *known = event == LOOKOUT_GONE ? folder_find(&file->follower.folder, name) :
							    folder_get(&file->follower.folder, name);
	char path[FILE_PATH_BYTES];
	struct stat stat;

	if (!known)
		return;
	known->is_suspect = false;
	file_path(file, name, path);
	if (lstat(path, &stat) == 0 && S_ISLNK(stat.st_mode))
		follower_want(&file->follower, false); /* where it leads is to be watched, too */
	else if (event == LOOKOUT_WRITTEN)
		file_look(file, known, false);
	else
		file_wait(file, known, file_settle_ns(file));
}

static void file_happened(struct follower *follower, enum lookout_event event, const char *tag, const char *name)
{
	struct file *file = file_of(follower);
	char path[PATH_MAX];

	if (!file_is_wanted(file, name))
		return;
	follower->events->contact(follower->user, SOURCE_TOLD);
	if ((size_t)snprintf(path, sizeof(path), "%s%s", tag, name) < sizeof(path))
		file_named(file, event, path);
}

static void file_look_at(struct follower *follower, struct folder_file *known)
{
	file_look(file_of(follower), known, true);
}

static const struct follower_ops file_follower_ops = {
	.look_at_all = file_look_at_all,
	.look_at = file_look_at,
	.happened = file_happened,
};

/* --- the vtable ------------------------------------------------------------------------------ */

static int file_open(const char *uri, const struct source_events *events, void *user, struct source **source,
		     struct message *message)
{
	struct file *file = calloc(1, sizeof(*file));
	int err;

	if (!file) {
		message_set(message, "out of memory");
		return -ENOMEM;
	}
	err = file_target_parse(uri, &file->target, message);
	if (err < 0) {
		free(file);
		return err;
	}
	follower_init(&file->follower, &file_source, &file_follower_ops, events, user);
	file->follower.path = file->target.path;
	file->follower.pace = file->target.pace;
	file->follower.source.mode = pace_mode(&file->target.pace);
	*source = &file->follower.source;
	return 0;
}

static void file_close(struct source *source)
{
	struct file *file = (struct file *)(void *)source;

	if (!file)
		return;
	follower_end(&file->follower);
	file_target_free(&file->target);
	free(file);
}

const struct source_ops file_source = {
	.scheme = "file",
	.example = "file:///etc/app",
	.open = file_open,
	.start = follower_start,
	.refresh = follower_refresh,
	.close = file_close,
	.put = file_put,
	.remove = file_remove,
};
