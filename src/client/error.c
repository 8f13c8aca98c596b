/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include <zkcfg/zkcfg.h>

#ifndef PACKAGE_VERSION
#error "the build defines PACKAGE_VERSION"
#endif

static const char *const error_words[] = {
	[-ZKCFG_OK] = "no error",
	[-ZKCFG_EINVAL] = "invalid argument",
	[-ZKCFG_ENOMEM] = "out of memory",
	[-ZKCFG_ESYSTEM] = "system call failed",
	[-ZKCFG_EACCES] = "no permission to read the set",
	[-ZKCFG_ENOSET] = "no such set",
	[-ZKCFG_EEMPTY] = "nothing published yet",
	[-ZKCFG_ENODOC] = "no such document",
	[-ZKCFG_ENOPATH] = "no such path in the document",
	[-ZKCFG_ENOVALUE] = "the element holds elements, not a value",
	[-ZKCFG_ETYPE] = "the value is not of this type",
	[-ZKCFG_ERANGE] = "the value is out of range",
	[-ZKCFG_ETIMEDOUT] = "timed out",
	[-ZKCFG_EINTR] = "interrupted by a signal",
	[-ZKCFG_EEND] = "at the end",
	[-ZKCFG_EOWNER] = "the segment belongs to somebody else",
	[-ZKCFG_EMODE] = "the segment can be written by others than its owner",
	[-ZKCFG_ESIZE] = "a file of the segment has an impossible size",
	[-ZKCFG_EMAGIC] = "a file of the segment is none of zkcfg's",
	[-ZKCFG_ELAYOUT] = "the segment has another layout version",
	[-ZKCFG_ECORRUPT] = "the segment is corrupt",
	[-ZKCFG_EBUSY] = "another zkcfgd serves the set",
	[-ZKCFG_ENOSPC] = "no room left for the segment",
	[-ZKCFG_ESTALE] = "older than the published version",
};

const char *zkcfg_strerror(int error)
{
	int count = (int)(sizeof(error_words) / sizeof(error_words[0]));

	if (error > 0 || error <= -count)
		return "unknown error";
	return error_words[-error];
}

const char *zkcfg_version(void)
{
	return PACKAGE_VERSION;
}
