/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * May a file of the segment be believed? It has to be a regular file that
 * belongs to the owner of the set's directory and that nobody else may write.
 */
#ifndef ZKCFG_SEGMENT_TRUST_H
#define ZKCFG_SEGMENT_TRUST_H

#include <sys/types.h>

/* ZKCFG_EOWNER, ZKCFG_EMODE, ZKCFG_ESYSTEM; *size_bytes may be NULL. */
int trust_file(int dir_fd, int fd, off_t *size_bytes);
/* A directory that its owner alone may write, and that belongs to `owner`, or to anybody if that is (uid_t)-1. */
int trust_directory(int dir_fd, uid_t owner);
/*
 * Give a file or directory of ours its mode, and its group unless that is (gid_t)-1.
 * ZKCFG_EACCES, ZKCFG_ESYSTEM.
 */
int trust_set_mode(int fd, mode_t mode, gid_t group);
/* What an errno of open() and the like means to a reader. */
int trust_error(int error_number);

#endif
