/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Whole files, in and out. */
#ifndef ZKCFG_BASE_FILE_H
#define ZKCFG_BASE_FILE_H

#include <stddef.h>
#include <sys/types.h>

#include "base/buffer.h"

/*
 * Read a whole file to the end of the buffer; "-" is standard input.
 * 0, or a negative errno: -EFBIG when it has more than limit_bytes, -ENOMEM.
 */
int file_read(const char *path, size_t limit_bytes, struct buffer *buffer);

/*
 * Put a file in place whole or not at all: a temporary beside it, fsync,
 * rename, fsync of the directory. 0 or a negative errno; the temporary is
 * gone either way.
 */
int file_replace(int dir_fd, const char *name, mode_t mode, const void *bytes, size_t size_bytes);

/* Make a directory and its parents as mkdir -p does. 0 or a negative errno; -ENOTDIR: a file is there. */
int file_make_dirs(const char *path, mode_t mode);

#endif
