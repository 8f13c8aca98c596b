/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every mapping of a file, by whatever part of the program, gets a page behind
 * it that nobody may touch; AddressSanitizer, where it is, is told besides that
 * what lies between the end of the file and the end of its last page is none of
 * anybody's. So a read behind a file is a fault, not a lucky zero.
 *
 * The linker puts these in the place of mmap() and its kin (--wrap).
 */
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/types.h>

#if defined(__SANITIZE_ADDRESS__)
#define HAS_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAS_ASAN 1
#endif
#endif
#ifdef HAS_ASAN
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(begin, bytes) ((void)(begin), (void)(bytes))
#define ASAN_UNPOISON_MEMORY_REGION(begin, bytes) ((void)(begin), (void)(bytes))
#endif

#define PAGE_BYTES ((size_t)4096)

void *__real_mmap(void *address, size_t bytes, int prot, int flags, int fd, off_t offset);
int __real_munmap(void *address, size_t bytes);
void *__real_mremap(void *address, size_t old_bytes, size_t new_bytes, int flags, ...);
void *__wrap_mmap(void *address, size_t bytes, int prot, int flags, int fd, off_t offset);
int __wrap_munmap(void *address, size_t bytes);
void *__wrap_mremap(void *address, size_t old_bytes, size_t new_bytes, int flags, ...);

static size_t pages(size_t bytes)
{
	return (bytes + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1);
}

/* Addresses for a mapping and its guard. */
static void *reserve(size_t bytes)
{
	return __real_mmap(NULL, pages(bytes) + PAGE_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void *give_up(void *place, size_t bytes)
{
	int error_number = errno;

	__real_munmap(place, pages(bytes) + PAGE_BYTES);
	errno = error_number;
	return MAP_FAILED;
}

static void *guarded(uint8_t *base, size_t bytes)
{
	ASAN_POISON_MEMORY_REGION(base + bytes, pages(bytes) - bytes);
	return base;
}

void *__wrap_mmap(void *address, size_t bytes, int prot, int flags, int fd, off_t offset)
{
	void *place;

	if (fd < 0 || (flags & MAP_FIXED)) /* in the place of one that has its guard */
		return __real_mmap(address, bytes, prot, flags, fd, offset);
	place = reserve(bytes);
	if (place == MAP_FAILED)
		return MAP_FAILED;
	if (__real_mmap(place, bytes, prot, flags | MAP_FIXED, fd, offset) == MAP_FAILED)
		return give_up(place, bytes);
	return guarded(place, bytes);
}

int __wrap_munmap(void *address, size_t bytes)
{
	ASAN_UNPOISON_MEMORY_REGION(address, pages(bytes));
	return __real_munmap(address, pages(bytes) + PAGE_BYTES);
}

void *__wrap_mremap(void *address, size_t old_bytes, size_t new_bytes, int flags, ...)
{
	void *place = reserve(new_bytes);

	if (place == MAP_FAILED)
		return MAP_FAILED;
	if (__real_mremap(address, old_bytes, new_bytes, flags | MREMAP_FIXED, place) == MAP_FAILED)
		return give_up(place, new_bytes);
	ASAN_UNPOISON_MEMORY_REGION(address, pages(old_bytes));
	__real_munmap((uint8_t *)address + pages(old_bytes), PAGE_BYTES);
	return guarded(place, new_bytes);
}
