/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "segment/view.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "segment/arena.h"
#include "segment/hash.h"
#include "segment/layout.h"
#include "segment/trust.h"

static int view_check(const struct view *view, const uint8_t segment_id[16])
{
	const struct layout_arena *head = (const void *)view->base;

	if (head->magic != LAYOUT_ARENA_MAGIC)
		return ZKCFG_EMAGIC;
	if (head->layout != LAYOUT_VERSION)
		return ZKCFG_ELAYOUT;
	if (head->generation != view->generation || memcmp(head->segment_id, segment_id, 16) != 0)
		return ZKCFG_ECORRUPT;
	return 0;
}

static int view_map(int dir_fd, int fd, struct view *view)
{
	off_t size_bytes;
	void *base;
	int err;

	err = trust_file(dir_fd, fd, &size_bytes);
	if (err < 0)
		return err;
	if (size_bytes < (off_t)sizeof(struct layout_arena) || (uint64_t)size_bytes > LAYOUT_ARENA_LIMIT_BYTES)
		return ZKCFG_ESIZE;
	base = mmap(NULL, (size_t)size_bytes, PROT_READ, MAP_SHARED, fd, 0);
	if (base == MAP_FAILED)
		return trust_error(errno);
	view->base = base;
	view->size_bytes = (uint64_t)size_bytes;
	return 0;
}

static void view_free(struct view *view)
{
	if (view->base)
		munmap((void *)(uintptr_t)view->base, view->size_bytes);
	free(view);
}

int view_open(int dir_fd, uint32_t generation, const uint8_t segment_id[16], struct view **view)
{
	char name[ARENA_NAME_BYTES];
	struct view *opened;
	int fd, err;

	arena_name(generation, name);
	fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return trust_error(errno);
	opened = calloc(1, sizeof(*opened));
	if (!opened) {
		err = ZKCFG_ENOMEM;
		goto close_fd;
	}
	refcount_init(&opened->refs);
	opened->generation = generation;
	err = view_map(dir_fd, fd, opened);
	if (err == 0)
		err = view_check(opened, segment_id);
	if (err < 0) {
		view_free(opened);
		goto close_fd;
	}
	*view = opened;
close_fd:
	close(fd); /* a mapping outlives its descriptor */
	return err;
}

void view_get(struct view *view)
{
	refcount_get(&view->refs);
}

void view_put(struct view *view)
{
	if (view && refcount_put(&view->refs))
		view_free(view);
}

uint64_t view_root_checksum(const struct layout_root *root)
{
	return hash_bytes(&root->seq, sizeof(*root) - offsetof(struct layout_root, seq));
}

int view_root(const uint8_t *base, uint64_t size_bytes, uint64_t offset, const struct layout_root **root)
{
	const struct layout_root *found;

	if (offset < sizeof(struct layout_arena) || offset > size_bytes || size_bytes - offset < sizeof(*found) ||
	    offset % LAYOUT_ALIGN != 0)
		return ZKCFG_ECORRUPT;
	found = (const void *)(base + offset);
	if (found->magic != LAYOUT_ROOT_MAGIC || found->checksum != view_root_checksum(found))
		return ZKCFG_ECORRUPT;
	if (found->end != layout_align(offset + sizeof(*found)) || found->end > size_bytes ||
	    found->document_count > offset / sizeof(struct zkcfg_document) ||
	    (found->document_count == 0) != (found->index == 0))
		return ZKCFG_ECORRUPT;
	*root = found;
	return 0;
}

struct index_view view_index(const uint8_t *base, const struct layout_root *root)
{
	return (struct index_view){ .base = base, .end = (uint64_t)((const uint8_t *)root - base),
				    .top = root->index, .document_count = root->document_count };
}
