/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the index is read: entries, nodes and the way down to a document,
 * inline as document_read.h and for the same reason. index.h has the rest.
 */
#ifndef ZKCFG_SEGMENT_INDEX_READ_H
#define ZKCFG_SEGMENT_INDEX_READ_H

#include <stdint.h>

#include <zkcfg/zkcfg.h>

#include "segment/document_read.h"
#include "segment/index.h"
#include "segment/layout.h"

static inline uint64_t entry_tag(uint64_t entry)
{
	return entry & LAYOUT_ENTRY_TAG_MASK;
}

static inline uint64_t entry_offset(uint64_t entry)
{
	return entry & LAYOUT_ENTRY_OFFSET_MASK;
}

/* The bits of a hash that an entry has, in their place. */
static inline uint64_t entry_hash(uint64_t hash)
{
	return hash << LAYOUT_ENTRY_HASH_SHIFT;
}

/*
 * Where in its document the first slot of a path would be, if the name has so
 * many bytes. A hint, to be fetched and not to be followed.
 */
static inline uint64_t entry_slot_offset(uint64_t entry, size_t name_bytes, uint32_t path_hash)
{
	uint32_t mask = (UINT32_C(1) << (entry >> LAYOUT_ENTRY_SLOTS_SHIFT & 31)) - 1;

	return document_slots_offset(name_bytes) + (path_hash & mask) * sizeof(struct layout_slot);
}

/* The five bits of a hash that choose a child at a level; four of the last. */
static inline unsigned hash_chunk(uint64_t hash, unsigned level)
{
	return (unsigned)(hash << 5 * level >> 59);
}

/* Bits that are set. __builtin_popcount() is a call, where no instruction for it may be taken for granted. */
static inline uint32_t bits_count(uint32_t bits)
{
	bits -= bits >> 1 & 0x55555555u;
	bits = (bits & 0x33333333u) + (bits >> 2 & 0x33333333u);
	bits = (bits + (bits >> 4)) & 0x0f0f0f0fu;
	return bits * 0x01010101u >> 24;
}

static inline const struct zkcfg_document *view_document(const struct index_view *view, uint64_t entry, uint64_t end)
{
	uint64_t offset = entry_offset(entry);
	const struct zkcfg_document *document = (const void *)(view->base + offset);

	if (entry_tag(entry) != LAYOUT_TAG_DOCUMENT || end > view->end || offset >= end ||
	    !document_is_sound(document, end - offset))
		return NULL;
	return document;
}

/* The node of an entry, all of it before `end`; NULL: it is not. */
static inline const struct layout_node *view_node(const struct index_view *view, uint64_t entry, uint64_t end)
{
	uint64_t offset = entry_offset(entry), count;
	const struct layout_node *node = (const void *)(view->base + offset);

	if (end > view->end || offset + sizeof(*node) > end)
		return NULL;
	count = entry_tag(entry) == LAYOUT_TAG_NODE ? bits_count(node->bitmap) : node->bitmap;
	if (count == 0 || offset + sizeof(*node) + count * sizeof(uint64_t) > end)
		return NULL;
	return node;
}

/*
 * Go down to where the document of a hash is, if there is one: the entry of a
 * document or bucket, which lies before *end. ZKCFG_ENODOC, ZKCFG_ECORRUPT.
 */
static inline int view_descend(const struct index_view *view, uint64_t hash, uint64_t *entry, uint64_t *end)
{
	uint64_t at = view->top, before = view->end, chunks = hash;

	for (unsigned level = 0; entry_tag(at) == LAYOUT_TAG_NODE; level++, chunks <<= 5) {
		uint64_t offset = entry_offset(at);
		const struct layout_node *node = (const void *)(view->base + offset);
		unsigned child = (unsigned)(chunks >> 59);

		/* what lies before the view's end has a root behind it: the node's head can be read */
		if (offset >= before || level >= INDEX_LEVELS)
			return ZKCFG_ECORRUPT;
		if (!(node->bitmap >> child & 1))
			return node->bitmap != 0 ? ZKCFG_ENODOC : ZKCFG_ECORRUPT;
		/* near the top all children are there, and need not be counted */
		if (node->bitmap != UINT32_MAX)
			child = bits_count(node->bitmap & ((UINT32_C(1) << child) - 1));
		if (offset + sizeof(*node) + (child + 1) * sizeof(uint64_t) > before)
			return ZKCFG_ECORRUPT;
		at = node->entries[child];
		before = offset;
	}
	if (at == 0)
		return view->top == 0 ? ZKCFG_ENODOC : ZKCFG_ECORRUPT;
	*entry = at;
	*end = before;
	return 0;
}

/* The document of an entry, if that is its name. ZKCFG_ENODOC, ZKCFG_ECORRUPT. */
static inline int view_match(const struct index_view *view, uint64_t entry, uint64_t end, uint64_t hash,
			     const char *name, size_t name_bytes, const struct zkcfg_document **document)
{
	const struct zkcfg_document *found;

	if ((entry ^ entry_hash(hash)) >> LAYOUT_ENTRY_HASH_SHIFT != 0)
		return ZKCFG_ENODOC;
	found = view_document(view, entry, end);
	if (!found)
		return ZKCFG_ECORRUPT;
	if (!document_is_named(found, name, name_bytes))
		return ZKCFG_ENODOC;
	*document = found;
	return 0;
}

/* The same of an entry that view_descend() found, which may be a bucket's. */
int index_match(const struct index_view *view, uint64_t entry, uint64_t end, uint64_t hash, const char *name,
		size_t name_bytes, const struct zkcfg_document **document);

#endif
