/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file source: a directory, or one file, followed by inotify.
 *
 *     file:///directory[?option=value&...]
 *     file:///directory/one.xml[?...]
 *
 * Every regular file below the directory is a document, named by its path below
 * it; subdirectories and symbolic links are followed. Not: names that begin with
 * '.', and those that editors and package managers leave beside a file
 * (file_is_ignored()). Of one file, that file alone is, named as itself.
 *
 * A file is read when it was closed by who wrote it, or renamed to its place; or
 * when nothing has been written to it for the settle time, as the kernel does
 * not say of a file that was there before whether somebody has it open. It is
 * gone when it has been away for the settle time, as some editors remove a file
 * before they write it.
 *
 * A directory that is not there is no empty one: the source is away, and its
 * documents stay. Revisions are ctimes: see folder.h.
 *
 * Options besides those of pace.h:
 *
 *     settle   a duration, 0 to 1m, 500ms unless given
 *     match    a pattern as the shell's, which the last part of a document's
 *              name must match
 *     poll     a duration: mode=pull and interval in one, for file systems
 *              that inotify says nothing of (NFS, some of containers)
 */
#ifndef ZKCFG_SOURCE_FILE_H
#define ZKCFG_SOURCE_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include "source/pace.h"
#include "source/source.h"

#define FILE_SETTLE_MS 500
#define FILE_SETTLE_MOST_MS 60000

struct file_target {
	char *path;  /* absolute */
	char *match; /* NULL: anything */
	int64_t settle_ms;
	struct pace pace;
};

/* 0, or -EINVAL or -ENOMEM and message. Ends with file_target_free(). */
int file_target_parse(const char *uri, struct file_target *target, struct message *message);
void file_target_free(struct file_target *target);

/* A name, without directory, that is no document's. */
bool file_is_ignored(const char *name);

enum source_result file_put(const char *uri, const struct source_change *change, int64_t *version,
			    struct message *message);
enum source_result file_remove(const char *uri, const struct source_change *change, struct message *message);

extern const struct source_ops file_source;

#endif
