/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A generation file as a reader sees it: mapped read-only, as large as it was
 * when it was mapped, shared by the snapshots that are in it.
 */
#ifndef ZKCFG_SEGMENT_VIEW_H
#define ZKCFG_SEGMENT_VIEW_H

#include <stddef.h>
#include <stdint.h>

#include "segment/index.h"
#include "segment/refcount.h"

struct layout_root;

struct view {
	struct refcount refs;
	uint32_t generation;
	const uint8_t *base;
	uint64_t size_bytes;
};

/*
 * Map one, with one use, the caller's; ends with view_put().
 * ZKCFG_ENOSET: no such file; ZKCFG_EACCES, ZKCFG_EOWNER, ZKCFG_EMODE,
 * ZKCFG_ESIZE, ZKCFG_EMAGIC, ZKCFG_ELAYOUT, ZKCFG_ECORRUPT (another
 * segment's), ZKCFG_ENOMEM, ZKCFG_ESYSTEM.
 */
int view_open(int dir_fd, uint32_t generation, const uint8_t segment_id[16], struct view **view);
void view_get(struct view *view);
/* NULL is allowed. */
void view_put(struct view *view);

/*
 * The root at an offset of size_bytes that begin at base, checked.
 * ZKCFG_ECORRUPT: there is none.
 */
int view_root(const uint8_t *base, uint64_t size_bytes, uint64_t offset, const struct layout_root **root);
/* What a checked root leads to. */
struct index_view view_index(const uint8_t *base, const struct layout_root *root);
/* Its checksum, as it should be. */
uint64_t view_root_checksum(const struct layout_root *root);

#endif
