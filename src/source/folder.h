/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is known of a source's files, and what is told of them.
 *
 * A file whose stat is as it was is not read again, and one whose bytes are as
 * they were is not told again. What is told of a file has its ctime in
 * nanoseconds as revision, or one more than the last where a clock went back.
 *
 * A file may wait until it is looked at: it is being written, or it went and may
 * be back at once, as editors do it, or it cannot be read now.
 */
#ifndef ZKCFG_SOURCE_FOLDER_H
#define ZKCFG_SOURCE_FOLDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/stat.h>

#include "base/buffer.h"
#include "source/source.h"

/* A file of more is trouble. */
#define FOLDER_FILE_MOST_BYTES (16 * 1024 * 1024)

struct folder_file {
	TAILQ_ENTRY(folder_file) link;
	TAILQ_ENTRY(folder_file) waiting_link;
	bool is_waiting;
	bool is_told;
	bool is_troubled;
	bool is_suspect;       /* the source's own: found by an audit */
	bool is_directory;     /* the source's own: one that cannot be read */
	unsigned int round;   /* in which it was seen */
	unsigned int failures; /* in a row */
	int64_t due_ns;	      /* while waiting */
	struct stat stat;     /* when it was told */
	uint64_t hash;
	uint64_t modified;
	char name[];
};

TAILQ_HEAD(folder_files, folder_file);

struct folder {
	const struct source_events *events;
	void *user;
	void *by_name; /* of tsearch(3) */
	struct folder_files files, waiting; /* these in the order of due_ns */
	unsigned int round;
	bool is_changed; /* something was told since it was set to false */
};

void folder_init(struct folder *folder, const struct source_events *events, void *user);
void folder_free(struct folder *folder);

struct folder_file *folder_find(const struct folder *folder, const char *name);
/* Made if there is none; NULL: out of memory. */
struct folder_file *folder_get(struct folder *folder, const char *name);
/* Is what was told of it what is there, by its stat? */
bool folder_is_same(const struct folder_file *file, const struct stat *stat);

/*
 * Read it, and tell what is new: its bytes, or that it cannot be read. What
 * cannot be read waits, and is to be looked at again. path: below dir_fd.
 * false: it is not there, of which nothing is told.
 */
bool folder_look(struct folder *folder, struct folder_file *file, int dir_fd, const char *path, int64_t now_ns);
/* All bytes and the stat of a file. 0 or a negative errno: -EFBIG, -EISDIR, -EAGAIN when it was written meanwhile. */
int folder_read(int dir_fd, const char *path, struct buffer *bytes, struct stat *stat);
/* Tell these bytes, if they are new; false: they are not. */
bool folder_take(struct folder *folder, struct folder_file *file, const struct buffer *bytes,
		 const struct stat *stat);
/* An error of folder_read(), which becomes its trouble. */
void folder_cannot_read(struct folder *folder, struct folder_file *file, int err, int64_t now_ns);
/* Tell that it is gone, if it was told; file is no more. */
void folder_remove(struct folder *folder, struct folder_file *file);
/* Look at it not before due_ns. */
void folder_wait(struct folder *folder, struct folder_file *file, int64_t due_ns);
void folder_wait_no_more(struct folder *folder, struct folder_file *file);
/* The waiting one that is due first; NULL: none. */
struct folder_file *folder_first_due(const struct folder *folder);
/* It cannot be read, for this reason, and waits. */
void folder_trouble(struct folder *folder, struct folder_file *file, const char *reason, int64_t now_ns);

#endif
