/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "source/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/clock.h"

/* What cannot be read is tried again after pauses that double. */
#define FOLDER_PAUSE_FIRST_NS CLOCK_NS_PER_S
#define FOLDER_PAUSE_DOUBLED_MOST 5

void folder_init(struct folder *folder, const struct source_events *events, void *user)
{
	*folder = (struct folder){ .events = events, .user = user };
	TAILQ_INIT(&folder->files);
	TAILQ_INIT(&folder->waiting);
}

static int folder_compare(const void *one, const void *other)
{
	const struct folder_file *a = one, *b = other;

	return strcmp(a->name, b->name);
}

static void folder_forget(struct folder *folder, struct folder_file *file)
{
	folder_wait_no_more(folder, file);
	TAILQ_REMOVE(&folder->files, file, link);
	tdelete(file, &folder->by_name, folder_compare);
	free(file);
}

void folder_free(struct folder *folder)
{
	while (!TAILQ_EMPTY(&folder->files))
		folder_forget(folder, TAILQ_FIRST(&folder->files));
}

static struct folder_file *folder_file_new(const char *name)
{
	struct folder_file *file = calloc(1, sizeof(*file) + strlen(name) + 1);

	if (file)
		strcpy(file->name, name);
	return file;
}

struct folder_file *folder_find(const struct folder *folder, const char *name)
{
	struct folder_file *key = folder_file_new(name), **found;

	if (!key)
		return NULL;
	found = tfind(key, &folder->by_name, folder_compare);
	free(key);
	return found ? *found : NULL;
}

struct folder_file *folder_get(struct folder *folder, const char *name)
{
	struct folder_file *file = folder_file_new(name), **found;

	if (!file)
		return NULL;
	found = tsearch(file, &folder->by_name, folder_compare);
	if (!found || *found != file) {
		free(file);
		return found ? *found : NULL;
	}
	TAILQ_INSERT_TAIL(&folder->files, file, link);
	return file;
}

/* --- waiting ------------------------------------------------------------------- */

void folder_wait_no_more(struct folder *folder, struct folder_file *file)
{
	if (file->is_waiting)
		TAILQ_REMOVE(&folder->waiting, file, waiting_link);
	file->is_waiting = false;
}

void folder_wait(struct folder *folder, struct folder_file *file, int64_t due_ns)
{
	struct folder_file *before;

	folder_wait_no_more(folder, file);
	file->is_waiting = true;
	file->due_ns = due_ns;
	TAILQ_FOREACH_REVERSE (before, &folder->waiting, folder_files, waiting_link)
		if (before->due_ns <= due_ns)
			break;
	if (before)
		TAILQ_INSERT_AFTER(&folder->waiting, before, file, waiting_link);
	else
		TAILQ_INSERT_HEAD(&folder->waiting, file, waiting_link);
}

struct folder_file *folder_first_due(const struct folder *folder)
{
	return TAILQ_FIRST(&folder->waiting);
}

/* --- telling --------------------------------------------------------------------- */

bool folder_is_same(const struct folder_file *file, const struct stat *stat)
{
	const struct stat *known = &file->stat;

	return file->is_told && known->st_dev == stat->st_dev && known->st_ino == stat->st_ino &&
	       known->st_size == stat->st_size && known->st_mtim.tv_sec == stat->st_mtim.tv_sec &&
	       known->st_mtim.tv_nsec == stat->st_mtim.tv_nsec &&
	       known->st_ctim.tv_sec == stat->st_ctim.tv_sec &&
	       known->st_ctim.tv_nsec == stat->st_ctim.tv_nsec;
}

void folder_trouble(struct folder *folder, struct folder_file *file, const char *reason, int64_t now_ns)
{
	unsigned int doubled =
		file->failures < FOLDER_PAUSE_DOUBLED_MOST ? file->failures : FOLDER_PAUSE_DOUBLED_MOST;

	file->failures++;
	file->is_troubled = true;
	folder_wait(folder, file, now_ns + (FOLDER_PAUSE_FIRST_NS << doubled));
	folder->is_changed = true;
	folder->events->trouble(folder->user, file->name, reason);
}

static void folder_untrouble(struct folder *folder, struct folder_file *file)
{
	file->failures = 0;
	if (!file->is_troubled)
		return;
	file->is_troubled = false;
	folder->is_changed = true;
	folder->events->trouble(folder->user, file->name, NULL);
}

void folder_remove(struct folder *folder, struct folder_file *file)
{
	folder_untrouble(folder, file);
	if (file->is_told) {
		folder->is_changed = true;
		folder->events->removed(folder->user, file->name);
	}
	folder_forget(folder, file);
}

bool folder_take(struct folder *folder, struct folder_file *file, const struct buffer *bytes,
		 const struct stat *stat)
{
	uint64_t hash = XXH3_64bits(bytes->bytes, bytes->size_bytes);
	uint64_t ctime_ns = (uint64_t)stat->st_ctim.tv_sec * CLOCK_NS_PER_S + (uint64_t)stat->st_ctim.tv_nsec;
	struct source_revision revision = { .created = 1, .version = -1 };
	bool is_new = !file->is_told || file->hash != hash || file->stat.st_size != stat->st_size;

	folder_untrouble(folder, file);
	file->stat = *stat;
	file->stat.st_size = (off_t)bytes->size_bytes;
	file->is_told = true;
	file->hash = hash;
	if (!is_new)
		return false;
	file->modified = ctime_ns > file->modified ? ctime_ns : file->modified + 1;
	revision.modified = file->modified;
	folder->is_changed = true;
	folder->events->document(folder->user, file->name, bytes->bytes ? bytes->bytes : "",
				 bytes->size_bytes, &revision);
	return true;
}

/* --- looking ----------------------------------------------------------------------- */

/* All of it, of which the size is known unless it is 0; 0, or a negative errno: -EFBIG. */
static int folder_read_all(int fd, size_t size_bytes, struct buffer *bytes)
{
	char piece[65536];
	ssize_t got;

	while ((size_bytes == 0 || bytes->size_bytes < size_bytes) && (got = read(fd, piece, sizeof(piece))) != 0) {
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (bytes->size_bytes + (size_t)got > FOLDER_FILE_MOST_BYTES)
			return -EFBIG;
		buffer_append(bytes, piece, (size_t)got);
	}
	return buffer_failed(bytes) ? -ENOMEM : 0;
}

static bool folder_has_moved(const struct stat *one, const struct stat *other)
{
	return one->st_size != other->st_size || one->st_mtim.tv_sec != other->st_mtim.tv_sec ||
	       one->st_mtim.tv_nsec != other->st_mtim.tv_nsec;
}

static int folder_read_file(int fd, struct buffer *bytes, struct stat *stat)
{
	struct stat after;
	int err;

	if (fstat(fd, stat) < 0)
		return -errno;
	if (!S_ISREG(stat->st_mode))
		return -EISDIR;
	err = stat->st_size > FOLDER_FILE_MOST_BYTES ? -EFBIG :
						    folder_read_all(fd, (size_t)stat->st_size, bytes);
	if (err == 0 && fstat(fd, &after) < 0)
		return -errno;
	return err == 0 && folder_has_moved(stat, &after) ? -EAGAIN : err;
}

static const char *folder_reason(int err, char *text, size_t text_bytes)
{
	if (err == -EFBIG)
		snprintf(text, text_bytes, "the file has more than %d bytes (16 MiB), which is what a file may have",
			 FOLDER_FILE_MOST_BYTES);
	else if (err == -EISDIR)
		snprintf(text, text_bytes, "this is no regular file");
	else
		snprintf(text, text_bytes, "the file cannot be read: %s", strerror(-err));
	return text;
}

int folder_read(int dir_fd, const char *path, struct buffer *bytes, struct stat *stat)
{
	int err, fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0)
		return -errno;
	err = folder_read_file(fd, bytes, stat);
	close(fd);
	return err;
}

void folder_cannot_read(struct folder *folder, struct folder_file *file, int err, int64_t now_ns)
{
	char reason[160];

	folder_trouble(folder, file, folder_reason(err, reason, sizeof(reason)), now_ns);
}

bool folder_look(struct folder *folder, struct folder_file *file, int dir_fd, const char *path, int64_t now_ns)
{
	struct buffer bytes = { 0 };
	struct stat stat;
	int err = folder_read(dir_fd, path, &bytes, &stat);

	folder_wait_no_more(folder, file);
	if (err == 0)
		folder_take(folder, file, &bytes, &stat);
	else if (err == -EAGAIN) /* it was written meanwhile */
		folder_wait(folder, file, now_ns + 10 * CLOCK_NS_PER_MS);
	else if (err != -ENOENT && err != -ENOTDIR)
		folder_cannot_read(folder, file, err, now_ns);
	buffer_free(&bytes);
	return err != -ENOENT && err != -ENOTDIR;
}
