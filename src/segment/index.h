/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The index over a commit's documents: a hash-array-mapped trie in an arena,
 * copied on write. layout.h has the picture of an entry.
 *
 * A writer applies all changes of a commit at once; each node on the way to
 * one is copied once. A reader checks every offset before following it:
 * children lie before their parents, so that any bytes end in an error or in
 * a document, never in a loop.
 */
#ifndef ZKCFG_SEGMENT_INDEX_H
#define ZKCFG_SEGMENT_INDEX_H

#include <stddef.h>
#include <stdint.h>

#include <zkcfg/zkcfg.h>

#include "segment/arena.h"

/* One document that comes, or goes. */
struct index_change {
	uint64_t hash;
	const char *name;
	size_t name_bytes;
	uint64_t document; /* its offset in the arena; 0: remove it */
};

/* What a commit's changes add up to. */
struct index_delta {
	int64_t live_bytes;
	int64_t document_count;
};

/* Order them as index_apply() needs them. */
void index_sort(struct index_change *changes, size_t change_count);

/*
 * Apply sorted changes to the index under `top` (0: empty); *applied is the new top.
 * ZKCFG_ENOSPC, ZKCFG_ENOMEM, ZKCFG_ESYSTEM: nothing that `top` reaches was touched;
 * ZKCFG_EINVAL: not sorted, or a name is there twice.
 */
int index_apply(struct arena *arena, uint64_t top, const struct index_change *changes, size_t change_count,
		uint64_t *applied, struct index_delta *delta);

/*
 * A top to read from: everything it reaches lies in [base, base + end), and
 * there are document_count documents. A walk that meets more is in a corrupt
 * index, where nodes can be shared so that a walk would take years.
 */
struct index_view {
	const uint8_t *base;
	uint64_t end;
	uint64_t top;
	uint64_t document_count;
};

/* ZKCFG_ENODOC, ZKCFG_ECORRUPT. */
int index_find(const struct index_view *view, uint64_t hash, const char *name, size_t name_bytes,
	       const struct zkcfg_document **document);
/*
 * The string at a path of a document, in one go: index_find() and then
 * zkcfg_document_string(), at the cost of less. Errors of both.
 */
int index_get(const struct index_view *view, const char *name, const char *path, const char **value);

#define INDEX_LEVELS 13 /* 12 of five bits, one of four */

/* A walk over all documents. */
struct index_walk {
	struct index_view view;
	uint64_t left; /* documents not told yet */
	uint64_t end;  /* what the first step reaches lies before it; the others lie before their parents */
	struct {
		uint64_t entry;
		uint64_t next;
	} steps[INDEX_LEVELS + 2]; /* a node a level, a bucket, a document of it */
	uint32_t depth;
};

void index_walk_init(struct index_walk *walk, const struct index_view *view);
/* ZKCFG_EEND, ZKCFG_ECORRUPT. */
int index_walk_next(struct index_walk *walk, const struct zkcfg_document **document);

/*
 * Is the whole index as index_apply() makes it, sums of contents included? For
 * one whose documents are known to be sound. ZKCFG_ECORRUPT.
 */
int index_verify(const struct index_view *view);

/*
 * Tell every document that differs, with NULL for one that is not there, at
 * the cost of what differs. Returns 0, what `tell` returned, or ZKCFG_ECORRUPT.
 */
int index_diff(const struct index_view *older, const struct index_view *newer,
	       int (*tell)(const struct zkcfg_document *old_document, const struct zkcfg_document *new_document,
			   void *user),
	       void *user);

#endif
