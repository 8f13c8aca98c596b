/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a compiled document is read: the few steps of a look-up, inline, since
 * a look-up is short enough that the processor works on two at a time. Every
 * offset is checked before it is followed. document.h has the rest, and the
 * picture.
 */
#ifndef ZKCFG_SEGMENT_DOCUMENT_READ_H
#define ZKCFG_SEGMENT_DOCUMENT_READ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <zkcfg/zkcfg.h>

#include "segment/layout.h"

static inline const char *document_at(const struct zkcfg_document *document, uint64_t offset)
{
	return (const char *)document + offset;
}

/*
 * Where its parts are. Numbers in a header that is not sound give nonsense,
 * but cannot overflow 64 bits.
 */
static inline uint64_t document_origin_offset(uint64_t name_bytes)
{
	return (sizeof(struct zkcfg_document) + name_bytes + 1 + 7) & ~UINT64_C(7);
}

static inline uint64_t document_slots_offset(uint64_t name_bytes)
{
	return document_origin_offset(name_bytes) + sizeof(struct layout_origin);
}

static inline uint64_t document_strings_offset(const struct zkcfg_document *document)
{
	return document_slots_offset(document->name_bytes) +
	       ((uint64_t)document->slot_mask + 1) * sizeof(struct layout_slot);
}

static inline uint64_t document_nodes_offset(const struct zkcfg_document *document)
{
	return document_strings_offset(document) + document->strings_bytes;
}

static inline uint64_t document_raw_offset(const struct zkcfg_document *document)
{
	return document_nodes_offset(document) +
	       (uint64_t)document->node_count * sizeof(struct layout_document_node);
}

static inline const struct layout_origin *document_origin(const struct zkcfg_document *document)
{
	return (const void *)document_at(document, document_origin_offset(document->name_bytes));
}

static inline const struct layout_slot *document_slots(const struct zkcfg_document *document)
{
	return (const void *)document_at(document, document_slots_offset(document->name_bytes));
}

static inline const char *document_strings(const struct zkcfg_document *document)
{
	return document_at(document, document_strings_offset(document));
}

static inline const struct layout_document_node *document_nodes(const struct zkcfg_document *document)
{
	return (const void *)document_at(document, document_nodes_offset(document));
}

/* Is it one, whole, in limit_bytes? All parts are where it says, then; what they say is not looked at. */
static inline bool document_is_sound(const struct zkcfg_document *document, uint64_t limit_bytes)
{
	return limit_bytes >= sizeof(*document) && document->magic == LAYOUT_DOCUMENT_MAGIC &&
	       document->size_bytes <= limit_bytes && document->strings_bytes % LAYOUT_KEY_ALIGN == 0 &&
	       document_raw_offset(document) + document->raw_bytes < document->size_bytes;
}

/* Is this its name? The NUL behind it is looked at, too. */
static inline bool document_is_named(const struct zkcfg_document *document, const char *name, size_t name_bytes)
{
	return document->name_bytes == name_bytes &&
	       memcmp(document_at(document, sizeof(*document)), name, name_bytes + 1) == 0;
}

/* A key and all of its path; NULL: it is not one. */
static inline const struct layout_key *document_key(const struct zkcfg_document *document, uint64_t offset)
{
	const struct layout_key *key = (const void *)(document_strings(document) + offset);

	if (offset % LAYOUT_KEY_ALIGN != 0 || offset + offsetof(struct layout_key, path) > document->strings_bytes ||
	    offset + offsetof(struct layout_key, path) + key->path_bytes >= document->strings_bytes)
		return NULL;
	return key;
}

/* ZKCFG_ENOVALUE, ZKCFG_ECORRUPT. */
static inline int document_key_value(const struct zkcfg_document *document, const struct layout_key *key,
				     const char **value)
{
	const char *string = document_strings(document) + key->value;
	uint32_t bytes = key->value_bytes;

	if (key->value == LAYOUT_NO_VALUE)
		return ZKCFG_ENOVALUE;
	if (bytes == LAYOUT_LONG_VALUE) {
		if (key->value < sizeof(bytes) || key->value > document->strings_bytes)
			return ZKCFG_ECORRUPT;
		memcpy(&bytes, string - sizeof(bytes), sizeof(bytes));
	}
	if ((uint64_t)key->value + bytes >= document->strings_bytes || string[bytes] != '\0')
		return ZKCFG_ECORRUPT;
	*value = string;
	return 0;
}

/* The key of a path as it is written, with the NUL behind it; NULL: none has it. */
static inline const struct layout_key *document_look_up(const struct zkcfg_document *document, uint32_t hash,
							const char *path, size_t path_bytes)
{
	const struct layout_slot *slots = document_slots(document);
	uint32_t mask = document->slot_mask, at = hash & mask;

	/* Most keys are in the first place or in the second: without a branch, that no guess can be wrong. */
	at = (at + (slots[at].hash != hash)) & mask;
	/* the count ends a table that has no empty slot: a corrupt one */
	for (uint32_t tries = 0; tries <= mask && slots[at].key != 0; tries++, at = (at + 1) & mask) {
		const struct layout_key *key;

		if (slots[at].hash != hash)
			continue;
		key = document_key(document, slots[at].key);
		if (key && key->path_bytes == path_bytes && memcmp(key->path, path, path_bytes + 1) == 0)
			return key;
	}
	return NULL;
}

#endif
