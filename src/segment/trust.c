/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "segment/trust.h"

#include <errno.h>
#include <sys/stat.h>

#include <zkcfg/zkcfg.h>

int trust_file(int dir_fd, int fd, off_t *size_bytes)
{
	struct stat directory, file;

	if (fstat(dir_fd, &directory) < 0 || fstat(fd, &file) < 0)
		return ZKCFG_ESYSTEM;
	if (file.st_uid != directory.st_uid || !S_ISREG(file.st_mode))
		return ZKCFG_EOWNER;
	if (file.st_mode & (S_IWGRP | S_IWOTH))
		return ZKCFG_EMODE;
	if (size_bytes)
		*size_bytes = file.st_size;
	return 0;
}

int trust_directory(int dir_fd, uid_t owner)
{
	struct stat directory;

	if (fstat(dir_fd, &directory) < 0)
		return ZKCFG_ESYSTEM;
	if (owner != (uid_t)-1 && directory.st_uid != owner)
		return ZKCFG_EOWNER;
	if (directory.st_mode & (S_IWGRP | S_IWOTH))
		return ZKCFG_EMODE;
	return 0;
}

int trust_error(int error_number)
{
	switch (error_number) {
	case ENOENT:
	case ENOTDIR:
		return ZKCFG_ENOSET;
	case EACCES:
	case EPERM:
		return ZKCFG_EACCES;
	case ELOOP:
		return ZKCFG_EOWNER; /* a symbolic link where we make files */
	case ENOSPC:
	case EDQUOT:
	case EFBIG:
		return ZKCFG_ENOSPC;
	case ENOMEM:
		return ZKCFG_ENOMEM;
	default:
		return ZKCFG_ESYSTEM;
	}
}
