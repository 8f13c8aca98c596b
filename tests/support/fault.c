/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/fault.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <unistd.h>

static struct {
	unsigned kinds; /* 0: not armed */
	unsigned left;
	int error_number;
	bool for_good;
	bool struck;
	void (*act)(void);
} fault;

void fault_arm(unsigned kinds, unsigned nth, int error_number)
{
	fault.kinds = kinds;
	fault.left = nth;
	fault.error_number = error_number;
	fault.for_good = false;
	fault.struck = false;
	fault.act = NULL;
}

void fault_do(void (*act)(void))
{
	fault.act = act;
}

void fault_arm_for_good(unsigned kinds, unsigned nth, int error_number)
{
	fault_arm(kinds, nth, error_number);
	fault.for_good = true;
}

bool fault_disarm(void)
{
	fault.kinds = 0;
	return fault.struck;
}

static bool fault_strikes(enum fault_kind kind)
{
	if (!(fault.kinds & kind) || (fault.struck && !fault.for_good) || (!fault.struck && --fault.left > 0))
		return false;
	fault.struck = true;
	if (fault.act)
		fault.act();
	fault.act = NULL;
	errno = kind == FAULT_MEMORY ? ENOMEM : fault.error_number;
	return true;
}

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_malloc(size_t size)
{
	return fault_strikes(FAULT_MEMORY) ? NULL : __real_malloc(size);
}

void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size)
{
	return fault_strikes(FAULT_MEMORY) ? NULL : __real_calloc(count, size);
}

void *__real_realloc(void *bytes, size_t size);
void *__wrap_realloc(void *bytes, size_t size);
void *__wrap_realloc(void *bytes, size_t size)
{
	return fault_strikes(FAULT_MEMORY) ? NULL : __real_realloc(bytes, size);
}

void *__real_aligned_alloc(size_t alignment, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
	return fault_strikes(FAULT_MEMORY) ? NULL : __real_aligned_alloc(alignment, size);
}

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...)
{
	mode_t mode = 0;
	va_list args;

	va_start(args, flags);
	if (flags & O_CREAT)
		mode = va_arg(args, mode_t);
	va_end(args);
	return fault_strikes(FAULT_SYSTEM) ? -1 : __real_open(path, flags, mode);
}

int __real_openat(int dir_fd, const char *path, int flags, ...);
int __wrap_openat(int dir_fd, const char *path, int flags, ...);
int __wrap_openat(int dir_fd, const char *path, int flags, ...)
{
	mode_t mode = 0;
	va_list args;

	va_start(args, flags);
	if (flags & O_CREAT)
		mode = va_arg(args, mode_t);
	va_end(args);
	return fault_strikes(FAULT_SYSTEM) ? -1 : __real_openat(dir_fd, path, flags, mode);
}

int __real_fstat(int fd, struct stat *st);
int __wrap_fstat(int fd, struct stat *st);
int __wrap_fstat(int fd, struct stat *st)
{
	return fault_strikes(FAULT_SYSTEM) ? -1 : __real_fstat(fd, st);
}

int __real_fchmod(int fd, mode_t mode);
int __wrap_fchmod(int fd, mode_t mode);
int __wrap_fchmod(int fd, mode_t mode)
{
	return fault_strikes(FAULT_SYSTEM) ? -1 : __real_fchmod(fd, mode);
}

int __real_renameat(int from_fd, const char *from, int to_fd, const char *to);
int __wrap_renameat(int from_fd, const char *from, int to_fd, const char *to);
int __wrap_renameat(int from_fd, const char *from, int to_fd, const char *to)
{
	return fault_strikes(FAULT_SYSTEM) ? -1 : __real_renameat(from_fd, from, to_fd, to);
}

int __real_posix_fallocate(int fd, off_t offset, off_t size);
int __wrap_posix_fallocate(int fd, off_t offset, off_t size);
int __wrap_posix_fallocate(int fd, off_t offset, off_t size)
{
	/* this one returns its error, and leaves errno alone */
	return fault_strikes(FAULT_SYSTEM) ? fault.error_number : __real_posix_fallocate(fd, offset, size);
}

void *__real_mmap(void *at, size_t size, int prot, int flags, int fd, off_t offset);
void *__wrap_mmap(void *at, size_t size, int prot, int flags, int fd, off_t offset);
void *__wrap_mmap(void *at, size_t size, int prot, int flags, int fd, off_t offset)
{
	return fault_strikes(FAULT_SYSTEM) ? MAP_FAILED : __real_mmap(at, size, prot, flags, fd, offset);
}

void *__real_mremap(void *at, size_t size, size_t new_size, int flags, ...);
void *__wrap_mremap(void *at, size_t size, size_t new_size, int flags, ...);
void *__wrap_mremap(void *at, size_t size, size_t new_size, int flags, ...)
{
	return fault_strikes(FAULT_SYSTEM) ? MAP_FAILED : __real_mremap(at, size, new_size, flags);
}

int __real_mkfifoat(int dir_fd, const char *path, mode_t mode);
int __wrap_mkfifoat(int dir_fd, const char *path, mode_t mode);
int __wrap_mkfifoat(int dir_fd, const char *path, mode_t mode)
{
	return fault_strikes(FAULT_SYSTEM) ? -1 : __real_mkfifoat(dir_fd, path, mode);
}

int __real_fchownat(int dir_fd, const char *path, uid_t owner, gid_t group, int flags);
int __wrap_fchownat(int dir_fd, const char *path, uid_t owner, gid_t group, int flags);
int __wrap_fchownat(int dir_fd, const char *path, uid_t owner, gid_t group, int flags)
{
	return fault_strikes(FAULT_SYSTEM) ? -1 : __real_fchownat(dir_fd, path, owner, group, flags);
}

int __real_fchmodat(int dir_fd, const char *path, mode_t mode, int flags);
int __wrap_fchmodat(int dir_fd, const char *path, mode_t mode, int flags);
int __wrap_fchmodat(int dir_fd, const char *path, mode_t mode, int flags)
{
	return fault_strikes(FAULT_SYSTEM) ? -1 : __real_fchmodat(dir_fd, path, mode, flags);
}

int __real_epoll_create1(int flags);
int __wrap_epoll_create1(int flags);
int __wrap_epoll_create1(int flags)
{
	return fault_strikes(FAULT_SYSTEM) ? -1 : __real_epoll_create1(flags);
}

int __real_epoll_ctl(int epoll_fd, int operation, int fd, struct epoll_event *event);
int __wrap_epoll_ctl(int epoll_fd, int operation, int fd, struct epoll_event *event);
int __wrap_epoll_ctl(int epoll_fd, int operation, int fd, struct epoll_event *event)
{
	return fault_strikes(FAULT_SYSTEM) ? -1 : __real_epoll_ctl(epoll_fd, operation, fd, event);
}

int __real_timerfd_create(clockid_t clock, int flags);
int __wrap_timerfd_create(clockid_t clock, int flags);
int __wrap_timerfd_create(clockid_t clock, int flags)
{
	return fault_strikes(FAULT_SYSTEM) ? -1 : __real_timerfd_create(clock, flags);
}
