/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "segment/arena.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <zkcfg/zkcfg.h>

#include "segment/kill_point.h"
#include "segment/layout.h"
#include "segment/trust.h"

#define ARENA_FIRST_BYTES UINT64_C(16384)
/* A file grows by an eighth, and by no less than this. */
#define ARENA_GROWTH_BYTES UINT64_C(65536)
#define ARENA_PAGE_BYTES UINT64_C(4096)
/* Pages are made ready by so many bytes: one call instead of a fault each. */
#define ARENA_READY_BYTES UINT64_C(262144)

void arena_name(uint32_t generation, char name[ARENA_NAME_BYTES])
{
	snprintf(name, ARENA_NAME_BYTES, "gen.%u", generation);
}

static uint64_t arena_pages(uint64_t bytes)
{
	return (bytes + ARENA_PAGE_BYTES - 1) & ~(ARENA_PAGE_BYTES - 1);
}

/* Give the file memory up to size_bytes, and map all of it. What is mapped already has its memory. */
static int arena_resize(struct arena *arena, uint64_t size_bytes)
{
	int error_number;
	void *base;

	if (size_bytes > LAYOUT_ARENA_LIMIT_BYTES) {
		errno = EFBIG;
		return ZKCFG_ENOSPC;
	}
	do {
		error_number = posix_fallocate(arena->fd, (off_t)arena->mapped_bytes,
						   (off_t)(size_bytes - arena->mapped_bytes));
	} while (error_number == EINTR);
	if (error_number != 0) {
		errno = error_number;
		return trust_error(error_number);
	}
	kill_point("arena.resize.allocated");
	if (arena->base)
		base = mremap(arena->base, arena->mapped_bytes, size_bytes, MREMAP_MAYMOVE);
	else
		base = mmap(NULL, size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, arena->fd, 0);
	if (base == MAP_FAILED)
		return trust_error(errno);
	arena->base = base;
	kill_point("arena.resize.mapped");
	arena->mapped_bytes = size_bytes;
	return 0;
}

int arena_create(int dir_fd, uint32_t generation, const uint8_t segment_id[16], uint64_t first_bytes,
		 mode_t mode, gid_t group, struct arena *arena)
{
	struct arena made = { .generation = generation };
	struct layout_arena head = { .magic = LAYOUT_ARENA_MAGIC, .layout = LAYOUT_VERSION,
				     .generation = generation };
	char name[ARENA_NAME_BYTES];
	int err;

	arena_name(generation, name);
	unlinkat(dir_fd, name, 0);
	made.fd = openat(dir_fd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (made.fd < 0)
		return trust_error(errno);
	kill_point("arena.create.opened");
	err = trust_set_mode(made.fd, mode, group);
	if (err < 0)
		goto remove_file;
	if (first_bytes < ARENA_FIRST_BYTES)
		first_bytes = ARENA_FIRST_BYTES;
	err = arena_resize(&made, arena_pages(first_bytes));
	if (err < 0)
		goto remove_file;
	memcpy(head.segment_id, segment_id, sizeof(head.segment_id));
	kill_point("arena.create.sized");
	memcpy(made.base, &head, sizeof(head));
	kill_point("arena.create.headed");
	made.used_bytes = made.kept_bytes = sizeof(head);
	*arena = made;
	return 0;
remove_file:
	close(made.fd);
	unlinkat(dir_fd, name, 0);
	return err;
}

static int arena_check(const struct arena *arena, const uint8_t segment_id[16])
{
	const struct layout_arena *head = (const void *)arena->base;

	if (head->magic != LAYOUT_ARENA_MAGIC)
		return ZKCFG_EMAGIC;
	if (head->layout != LAYOUT_VERSION)
		return ZKCFG_ELAYOUT;
	if (head->generation != arena->generation || memcmp(head->segment_id, segment_id, 16) != 0)
		return ZKCFG_ECORRUPT;
	return 0;
}

int arena_open(int dir_fd, uint32_t generation, const uint8_t segment_id[16], struct arena *arena)
{
	struct arena opened = { .generation = generation };
	char name[ARENA_NAME_BYTES];
	off_t size_bytes;
	int err;

	arena_name(generation, name);
	opened.fd = openat(dir_fd, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (opened.fd < 0)
		return trust_error(errno);
	err = trust_file(dir_fd, opened.fd, &size_bytes);
	if (err == 0 && (size_bytes < (off_t)sizeof(struct layout_arena) ||
			 (uint64_t)size_bytes > LAYOUT_ARENA_LIMIT_BYTES))
		err = ZKCFG_ESIZE;
	if (err < 0)
		goto close_fd;
	/* what a dead writer had not got memory for yet gets it now, or this fails */
	err = arena_resize(&opened, (uint64_t)size_bytes);
	if (err < 0)
		goto close_fd;
	err = arena_check(&opened, segment_id);
	if (err < 0)
		goto unmap;
	opened.used_bytes = opened.kept_bytes = opened.mapped_bytes;
	*arena = opened;
	return 0;
unmap:
	munmap(opened.base, opened.mapped_bytes);
close_fd:
	close(opened.fd);
	return err;
}

int arena_set_mode(const struct arena *arena, mode_t mode, gid_t group)
{
	return trust_set_mode(arena->fd, mode, group);
}

void arena_close(struct arena *arena)
{
	if (!arena->base)
		return;
	munmap(arena->base, arena->mapped_bytes);
	close(arena->fd);
	*arena = (struct arena){ .fd = -1 };
}

/* Have the pages of what is appended next made ready. Where the kernel cannot, they fault one by one. */
static void arena_make_ready(struct arena *arena, uint64_t end)
{
	uint64_t from = arena->ready_bytes & ~(ARENA_PAGE_BYTES - 1);

	if (from < arena->used_bytes)
		from = arena->used_bytes & ~(ARENA_PAGE_BYTES - 1);
	if (end < from + ARENA_READY_BYTES)
		end = from + ARENA_READY_BYTES;
	if (end > arena->mapped_bytes)
		end = arena->mapped_bytes;
#ifdef MADV_POPULATE_WRITE
	madvise(arena->base + from, end - from, MADV_POPULATE_WRITE);
#endif
	arena->ready_bytes = end;
}

int arena_append(struct arena *arena, uint64_t bytes, uint64_t *offset)
{
	uint64_t aligned = layout_align(bytes), grown;
	int err;

	if (bytes > LAYOUT_ARENA_LIMIT_BYTES) {
		errno = EFBIG;
		return ZKCFG_ENOSPC;
	}
	if (arena->used_bytes + aligned > arena->mapped_bytes) {
		grown = arena->mapped_bytes / 8;
		if (grown < ARENA_GROWTH_BYTES)
			grown = ARENA_GROWTH_BYTES;
		if (grown < aligned)
			grown = aligned;
		err = arena_resize(arena, arena_pages(arena->mapped_bytes + grown));
		if (err == ZKCFG_ENOSPC) /* not that much ahead, then */
			err = arena_resize(arena, arena_pages(arena->used_bytes + aligned));
		if (err < 0)
			return err;
	}
	if (arena->used_bytes + aligned > arena->ready_bytes)
		arena_make_ready(arena, arena->used_bytes + aligned);
	*offset = arena->used_bytes;
	arena->used_bytes += aligned;
	kill_point("arena.append");
	return 0;
}

void arena_keep(struct arena *arena)
{
	arena->kept_bytes = arena->used_bytes;
}

void arena_undo(struct arena *arena)
{
	arena->used_bytes = arena->kept_bytes;
}
