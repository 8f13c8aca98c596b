/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "segment/trust.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

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

int trust_set_mode(int fd, mode_t mode, gid_t group)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return trust_error(errno);
	if ((st.st_mode & 07777) == mode && (group == (gid_t)-1 || st.st_gid == group))
		return 0;
	/* nobody of the old group may read meanwhile, nor of the new one too early */
	if ((group != (gid_t)-1 && (fchmod(fd, mode & 0700) < 0 || fchown(fd, (uid_t)-1, group) < 0)) ||
	    fchmod(fd, mode) < 0)
		return trust_error(errno);
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
