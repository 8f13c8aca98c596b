/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "segment/document.h"
#include "segment/document_read.h"
#include "segment/hash.h"
#include "segment/layout.h"

/* An array that grows; the first failure sticks to the builder. */
struct span {
	char *bytes;
	size_t used;
	size_t room;
	size_t first; /* room to begin with; a power of two */
};

/* A hash table of 64-bit keys, for what a builder has to count or to know again. */
struct tally {
	uint64_t *keys; /* 0: empty */
	uint32_t *counts;
	size_t used;
	size_t mask;
};

/* A name for a path by names is no longer. */
#define ALIAS_VALUE_LIMIT_BYTES 256
/* A parser keeps each name in one place: names are looked up by that first. */
#define RECENT_NAMES 64
/* The names of an element's children that are counted in its frame; others are counted in a tally. */
#define FRAME_NAMES 6

/* An element that is open. */
struct frame {
	uint32_t node;
	uint32_t name_id;
	uint32_t path_bytes;   /* of the canonical path, in builder->path */
	uint32_t alias_bytes;  /* of the path by names, in builder->alias */
	uint32_t text_begin;   /* in builder->text */
	bool alias_differs;    /* the path by names is another than the canonical one */
	bool alias_lost;       /* it does not lead here: a sibling before has the same name */
	bool alias_ended;      /* @name is in it */
	bool has_elements;
	bool has_own_text;     /* more than white space, not within a child */
	struct {
		uint32_t name_id; /* 0: free */
		uint32_t count;
	} names[FRAME_NAMES];
};

struct document_builder {
	struct document_origin origin;
	const void *raw;
	size_t raw_bytes;
	size_t limit_bytes;
	int error;
	struct span strings; /* keys and names, as they will lie in the document */
	struct span nodes;   /* struct layout_document_node */
	struct span slots;   /* struct layout_slot, in no order */
	struct span frames;  /* struct frame, a stack */
	struct span text;    /* all text so far, in document order */
	struct span path;    /* canonical path of the innermost open element */
	struct span alias;   /* its path by names, if that differs */
	struct {
		const char *at; /* where it was last seen */
		uint32_t id;
		uint32_t bytes;
	} recent[RECENT_NAMES]; /* by that address */
	struct tally known;    /* hash of a name -> its id */
	struct tally siblings; /* (parent, name) -> how many so far */
	struct tally named;    /* (parent, name, value of @name) that were there */
};


static bool span_grow(struct document_builder *builder, struct span *span, size_t more)
{
	size_t room = span->room ? span->room : span->first;
	char *bytes;

	if (more > builder->limit_bytes || span->used + more > builder->limit_bytes) {
		builder->error = ZKCFG_ERANGE;
		return false;
	}
	while (room < span->used + more)
		room *= 2;
	bytes = realloc(span->bytes, room);
	if (!bytes) {
		builder->error = ZKCFG_ENOMEM;
		return false;
	}
	span->bytes = bytes;
	span->room = room;
	return true;
}

/* Room for so many bytes more, uninitialised; NULL: there is none. */
static inline void *span_extend(struct document_builder *builder, struct span *span, size_t more)
{
	void *at;

	if ((!span->bytes || span->room - span->used < more) && !span_grow(builder, span, more))
		return NULL;
	at = span->bytes + span->used;
	span->used += more;
	return at;
}

static inline bool span_append(struct document_builder *builder, struct span *span, const void *bytes, size_t size)
{
	void *at = span_extend(builder, span, size);

	if (at && size > 0)
		memcpy(at, bytes, size);
	return at || size == 0;
}

static bool tally_grow(struct document_builder *builder, struct tally *tally)
{
	size_t room = tally->keys ? 2 * (tally->mask + 1) : 64;
	struct tally grown = { .mask = room - 1, .used = tally->used };

	grown.keys = calloc(room, sizeof(*grown.keys));
	grown.counts = calloc(room, sizeof(*grown.counts));
	if (!grown.keys || !grown.counts) {
		free(grown.keys);
		free(grown.counts);
		builder->error = ZKCFG_ENOMEM;
		return false;
	}
	for (size_t i = 0; tally->keys && i <= tally->mask; i++) {
		size_t at = tally->keys[i] & grown.mask;

		if (tally->keys[i] == 0)
			continue;
		while (grown.keys[at] != 0)
			at = (at + 1) & grown.mask;
		grown.keys[at] = tally->keys[i];
		grown.counts[at] = tally->counts[i];
	}
	free(tally->keys);
	free(tally->counts);
	*tally = grown;
	return true;
}

/* The count that belongs to a key, 0 for a new one; NULL: out of memory. */
static uint32_t *tally_find(struct document_builder *builder, struct tally *tally, uint64_t key)
{
	size_t at;

	if ((!tally->keys || tally->used * 2 > tally->mask) && !tally_grow(builder, tally))
		return NULL;
	key += key == 0; /* 0 marks an empty place */
	for (at = key & tally->mask; tally->keys[at] != 0; at = (at + 1) & tally->mask)
		if (tally->keys[at] == key)
			return &tally->counts[at];
	tally->keys[at] = key;
	tally->used++;
	return &tally->counts[at];
}

static void tally_free(struct tally *tally)
{
	free(tally->keys);
	free(tally->counts);
}

/* Room that most documents will do with: growing is copying. What is not used is not touched. */
static void builder_guess(struct document_builder *builder)
{
	size_t guess = 512;

	while (guess < builder->raw_bytes && guess < builder->limit_bytes / 8)
		guess *= 2;
	builder->strings.first = 4 * guess;
	builder->nodes.first = builder->text.first = guess;
	builder->slots.first = guess / 2;
	builder->frames.first = builder->path.first = builder->alias.first = 1024;
}

struct document_builder *document_builder_new(const struct document_origin *origin, const void *raw,
					      size_t raw_bytes)
{
	struct document_builder *builder = calloc(1, sizeof(*builder));

	if (!builder)
		return NULL;
	builder->origin = *origin;
	builder->raw = raw;
	builder->raw_bytes = raw_bytes;
	builder->limit_bytes = DOCUMENT_COMPILED_LIMIT_BYTES;
	if (raw_bytes < DOCUMENT_COMPILED_LIMIT_BYTES / DOCUMENT_EXPANSION_LIMIT)
		builder->limit_bytes = raw_bytes * DOCUMENT_EXPANSION_LIMIT;
	if (builder->limit_bytes < 65536)
		builder->limit_bytes = 65536;
	builder_guess(builder);
	span_append(builder, &builder->strings, "\0\0\0", LAYOUT_KEY_ALIGN); /* offset 0 is no string's */
	return builder;
}

void document_builder_free(struct document_builder *builder)
{
	if (!builder)
		return;
	free(builder->strings.bytes);
	free(builder->nodes.bytes);
	free(builder->slots.bytes);
	free(builder->frames.bytes);
	free(builder->text.bytes);
	free(builder->path.bytes);
	free(builder->alias.bytes);
	tally_free(&builder->known);
	tally_free(&builder->siblings);
	tally_free(&builder->named);
	free(builder);
}

static struct frame *builder_top(struct document_builder *builder)
{
	if (builder->frames.used == 0)
		return NULL;
	return (struct frame *)(void *)(builder->frames.bytes + builder->frames.used) - 1;
}

static struct layout_document_node *builder_node(struct document_builder *builder, uint32_t node)
{
	return (struct layout_document_node *)(void *)builder->nodes.bytes + node;
}

static size_t key_align(size_t bytes)
{
	return (bytes + LAYOUT_KEY_ALIGN - 1) & ~(size_t)(LAYOUT_KEY_ALIGN - 1);
}

/* The id of a name, which is its offset in strings; 0: out of memory. */
static uint32_t builder_intern(struct document_builder *builder, const char *name, size_t name_bytes)
{
	uint64_t hash = hash_bytes(name, name_bytes);

	for (;;) {
		uint32_t *id = tally_find(builder, &builder->known, hash);
		const char *known;
		char *made;

		if (!id)
			return 0;
		if (*id == 0) {
			made = span_extend(builder, &builder->strings, key_align(name_bytes + 1));
			if (!made)
				return 0;
			memset(made + key_align(name_bytes + 1) - LAYOUT_KEY_ALIGN, 0, LAYOUT_KEY_ALIGN);
			memcpy(made, name, name_bytes);
			*id = (uint32_t)(made - builder->strings.bytes);
			return *id;
		}
		known = builder->strings.bytes + *id;
		if (strncmp(known, name, name_bytes) == 0 && known[name_bytes] == '\0')
			return *id;
		hash++; /* two names, one hash */
	}
}

static uint32_t builder_name(struct document_builder *builder, const char *name, size_t name_bytes)
{
	size_t place = ((uintptr_t)name ^ (uintptr_t)name >> 7) % RECENT_NAMES;
	uint32_t id = builder->recent[place].id;

	/* the same place may have another name by now */
	if (builder->recent[place].at == name && builder->recent[place].bytes == name_bytes &&
	    memcmp(builder->strings.bytes + id, name, name_bytes) == 0)
		return id;
	id = builder_intern(builder, name, name_bytes);
	if (id != 0) {
		builder->recent[place].at = name;
		builder->recent[place].bytes = (uint32_t)name_bytes;
		builder->recent[place].id = id;
	}
	return id;
}

/* Room for a key whose path is in the table, with so many bytes for a value; 0: none. */
static uint32_t builder_add_key(struct document_builder *builder, uint32_t node, const struct span *path,
				size_t value_room)
{
	size_t size = key_align(offsetof(struct layout_key, path) + path->used + 1 + value_room);
	struct layout_slot *slot;
	struct layout_key *key;

	if (path->used > DOCUMENT_PATH_LIMIT_BYTES) {
		builder->error = ZKCFG_ERANGE;
		return 0;
	}
	key = span_extend(builder, &builder->strings, size);
	slot = key ? span_extend(builder, &builder->slots, sizeof(*slot)) : NULL;
	if (!slot)
		return 0;
	memset((char *)key + size - LAYOUT_KEY_ALIGN, 0, LAYOUT_KEY_ALIGN);
	*key = (struct layout_key){ .node = node, .value = LAYOUT_NO_VALUE, .path_bytes = (uint16_t)path->used };
	memcpy(key->path, path->bytes, path->used);
	key->path[path->used] = '\0';
	slot->hash = (uint32_t)hash_bytes(path->bytes, path->used);
	slot->key = (uint32_t)((char *)key - builder->strings.bytes);
	return slot->key;
}

static struct layout_key *builder_key(const struct document_builder *builder, uint32_t key)
{
	return (struct layout_key *)(void *)(builder->strings.bytes + key);
}

/* A canonical path; 0: none was made. */
static uint32_t builder_add_path(struct document_builder *builder, uint32_t node)
{
	return builder_add_key(builder, node, &builder->path, 0);
}

/* A canonical path and its value; 0: none was made. */
static uint32_t builder_add_value(struct document_builder *builder, uint32_t node, const char *value,
				  size_t value_bytes)
{
	bool is_long = value_bytes >= LAYOUT_LONG_VALUE;
	uint32_t size = (uint32_t)value_bytes, made;
	struct layout_key *key;
	char *at;

	made = builder_add_key(builder, node, &builder->path, (is_long ? sizeof(size) : 0) + value_bytes + 1);
	if (made == 0)
		return 0;
	key = builder_key(builder, made);
	at = key->path + key->path_bytes + 1;
	if (is_long) {
		memcpy(at, &size, sizeof(size));
		at += sizeof(size);
	}
	if (value_bytes > 0)
		memcpy(at, value, value_bytes);
	at[value_bytes] = '\0';
	key->value = (uint32_t)(at - builder->strings.bytes);
	key->value_bytes = is_long ? LAYOUT_LONG_VALUE : (uint16_t)value_bytes;
	return made;
}

/* The path by names that stands in builder->alias, to what a canonical path names. */
static void builder_add_alias(struct document_builder *builder, uint32_t node, uint32_t canonical)
{
	uint32_t made = builder_add_key(builder, node, &builder->alias, 0);

	if (made == 0)
		return;
	builder_key(builder, made)->value = builder_key(builder, canonical)->value;
	builder_key(builder, made)->value_bytes = builder_key(builder, canonical)->value_bytes;
}

static bool path_step(struct document_builder *builder, struct span *path, const char *lead, size_t lead_bytes,
		      const char *name, size_t name_bytes)
{
	char *at = span_extend(builder, path, lead_bytes + name_bytes);

	if (!at)
		return false;
	memcpy(at, lead, lead_bytes);
	memcpy(at + lead_bytes, name, name_bytes);
	return true;
}

static bool path_position(struct document_builder *builder, struct span *path, uint32_t ordinal)
{
	char text[16], *at = text + sizeof(text);

	if (ordinal == 1)
		return true;
	*--at = ']';
	for (; ordinal > 0; ordinal /= 10)
		*--at = (char)('0' + ordinal % 10);
	*--at = '[';
	return span_append(builder, path, at, (size_t)(text + sizeof(text) - at));
}

/* Two ids as one key whose low bits depend on both; no two pairs have the same one. */
static uint64_t pair_spread(uint32_t a, uint32_t b)
{
	uint64_t pair = ((uint64_t)a << 32 | b) * UINT64_C(0x9e3779b97f4a7c15);

	return pair ^ pair >> 32;
}

/* Which one of its name an element is below its parent, from 1; 0: out of memory. */
static uint32_t builder_ordinal(struct document_builder *builder, struct frame *parent, uint32_t name_id)
{
	uint32_t *count;

	if (!parent)
		return 1;
	for (unsigned i = 0; i < FRAME_NAMES; i++) {
		if (parent->names[i].name_id == 0)
			parent->names[i].name_id = name_id;
		if (parent->names[i].name_id == name_id)
			return ++parent->names[i].count;
	}
	count = tally_find(builder, &builder->siblings, pair_spread(parent->node, name_id));
	return count ? ++*count : 0;
}

/* The path by names of an open element whose @name, if it had one, would be known by now. */
static bool frame_end_alias(struct document_builder *builder, struct frame *frame)
{
	if (!frame->alias_differs || frame->alias_ended)
		return true;
	frame->alias_ended = true;
	if (!path_position(builder, &builder->alias, builder_node(builder, frame->node)->ordinal))
		return false;
	frame->alias_bytes = (uint32_t)builder->alias.used;
	return true;
}

/* Begin a frame's path by names with its parent's, where that differs. */
static bool frame_begin_alias(struct document_builder *builder, struct frame *frame, struct frame *parent,
			      const char *name, size_t name_bytes)
{
	if (!parent || !parent->alias_differs)
		return true;
	frame->alias_differs = true;
	frame->alias_lost = parent->alias_lost;
	if (!frame_end_alias(builder, parent) || !path_step(builder, &builder->alias, "/", 1, name, name_bytes))
		return false;
	frame->alias_bytes = (uint32_t)builder->alias.used;
	return true;
}

void document_builder_open(struct document_builder *builder, const char *name, size_t name_bytes)
{
	struct frame *parent = builder_top(builder), frame = { .text_begin = (uint32_t)builder->text.used };
	struct layout_document_node node = { 0 };

	if (builder->error != 0)
		return;
	if (!parent && builder->nodes.used > 0) {
		builder->error = ZKCFG_EINVAL; /* a second root element */
		return;
	}
	if (parent)
		parent->has_elements = true;
	frame.node = (uint32_t)(builder->nodes.used / sizeof(node));
	frame.name_id = builder_name(builder, name, name_bytes);
	if (frame.name_id == 0)
		return;
	node.ordinal = builder_ordinal(builder, parent, frame.name_id);
	node.kind_depth = (uint32_t)(builder->frames.used / sizeof(frame)) << 8 | ZKCFG_ELEMENT;
	node.parent = parent ? parent->node : frame.node;
	node.name = frame.name_id;
	if (node.ordinal == 0 || !path_step(builder, &builder->path, "/", 1, name, name_bytes) ||
	    !path_position(builder, &builder->path, node.ordinal) ||
	    !frame_begin_alias(builder, &frame, parent, name, name_bytes))
		return;
	frame.path_bytes = (uint32_t)builder->path.used;
	if (frame.path_bytes > DOCUMENT_PATH_LIMIT_BYTES) {
		builder->error = ZKCFG_ERANGE;
		return;
	}
	if (span_append(builder, &builder->nodes, &node, sizeof(node)))
		span_append(builder, &builder->frames, &frame, sizeof(frame));
}

/* The path by names of the parent and this element's name, where neither had one so far. */
static bool frame_make_alias(struct document_builder *builder, struct frame *frame)
{
	const char *name = builder->strings.bytes + frame->name_id;
	uint32_t parent_bytes = frame->node > 0 ? frame[-1].path_bytes : 0;

	builder->alias.used = 0;
	return span_append(builder, &builder->alias, builder->path.bytes, parent_bytes) &&
	       path_step(builder, &builder->alias, "/", 1, name, strlen(name));
}

/* The element has @name: put it into the path by names, if that leads here. */
static void builder_alias(struct document_builder *builder, struct frame *frame, const char *value,
			  size_t value_bytes)
{
	bool single = memchr(value, '\'', value_bytes) != NULL;
	const char *quote = single ? "\"" : "'";
	struct {
		uint32_t parent, name;
		uint64_t value;
	} same = { frame->node > 0 ? frame[-1].node : DOCUMENT_NODE_NONE, frame->name_id,
		   hash_bytes(value, value_bytes) };
	uint32_t *count;

	if (!frame->alias_differs && !frame_make_alias(builder, frame))
		return;
	frame->alias_differs = true;
	frame->alias_ended = true; /* its place in the path by names is final; attributes may still come */
	frame->alias_bytes = (uint32_t)builder->alias.used;
	if (value_bytes > ALIAS_VALUE_LIMIT_BYTES || (single && memchr(value, '"', value_bytes))) {
		frame->alias_lost = true; /* cannot be said; the step by step walk says so too */
		return;
	}
	count = tally_find(builder, &builder->named, hash_bytes(&same, sizeof(same)));
	if (!count)
		return;
	if (++*count > 1)
		frame->alias_lost = true;
	if (path_step(builder, &builder->alias, "[@name=", 7, quote, 1) &&
	    path_step(builder, &builder->alias, value, value_bytes, quote, 1) &&
	    span_append(builder, &builder->alias, "]", 1))
		frame->alias_bytes = (uint32_t)builder->alias.used;
}

void document_builder_attribute(struct document_builder *builder, const char *name, size_t name_bytes,
				const char *value, size_t value_bytes)
{
	struct frame *frame = builder_top(builder);
	struct layout_document_node node = { 0 };
	uint32_t index;

	if (builder->error != 0)
		return;
	if (!frame) {
		builder->error = ZKCFG_EINVAL;
		return;
	}
	index = (uint32_t)(builder->nodes.used / sizeof(node));
	node.kind_depth = (uint32_t)(builder->frames.used / sizeof(*frame)) << 8 | ZKCFG_ATTRIBUTE;
	node.parent = frame->node;
	node.end = index + 1;
	node.name = builder_name(builder, name, name_bytes);
	if (node.name == 0 || !path_step(builder, &builder->path, "/@", 2, name, name_bytes))
		return;
	node.key = builder_add_value(builder, index, value, value_bytes);
	builder->path.used = frame->path_bytes;
	if (node.key == 0 || !span_append(builder, &builder->nodes, &node, sizeof(node)))
		return;
	if (name_bytes == 4 && memcmp(name, "name", 4) == 0 && !frame->alias_lost)
		builder_alias(builder, frame, value, value_bytes);
}

static bool is_white(const char *text, size_t text_bytes)
{
	for (size_t i = 0; i < text_bytes; i++)
		if (text[i] != ' ' && text[i] != '\n' && text[i] != '\t' && text[i] != '\r')
			return false;
	return true;
}

void document_builder_text(struct document_builder *builder, const char *text, size_t text_bytes)
{
	struct frame *frame = builder_top(builder);

	if (!frame || builder->error != 0)
		return;
	if (!frame->has_own_text)
		frame->has_own_text = !is_white(text, text_bytes);
	span_append(builder, &builder->text, text, text_bytes);
}

/*
 * The paths by names of an element and of its attributes. They are made when
 * it closes, as @name may stand behind other attributes.
 */
static void builder_alias_keys(struct document_builder *builder, const struct frame *frame)
{
	const struct layout_document_node *nodes = builder_node(builder, 0);
	uint32_t count = (uint32_t)(builder->nodes.used / sizeof(*nodes));

	builder->alias.used = frame->alias_bytes;
	builder_add_alias(builder, frame->node, nodes[frame->node].key);
	for (uint32_t i = frame->node + 1; i < count && (nodes[i].kind_depth & 0xff) == ZKCFG_ATTRIBUTE; i++) {
		const char *name = builder->strings.bytes + nodes[i].name;
		size_t name_bytes = strlen(name);

		if (frame->alias_bytes + name_bytes + 2 > DOCUMENT_PATH_LIMIT_BYTES)
			continue; /* found by the step by step walk */
		if (path_step(builder, &builder->alias, "/@", 2, name, name_bytes))
			builder_add_alias(builder, i, nodes[i].key);
		builder->alias.used = frame->alias_bytes;
	}
}

static void builder_element_keys(struct document_builder *builder, struct frame *frame)
{
	struct layout_document_node *node = builder_node(builder, frame->node);
	size_t text_bytes = builder->text.used - frame->text_begin;

	node->end = (uint32_t)(builder->nodes.used / sizeof(*node));
	if (frame->has_elements && !frame->has_own_text)
		node->key = builder_add_path(builder, frame->node);
	else
		node->key = builder_add_value(builder, frame->node,
					      text_bytes ? builder->text.bytes + frame->text_begin : "", text_bytes);
	if (node->key == 0)
		return;
	if (frame->alias_differs && !frame->alias_lost && frame_end_alias(builder, frame) &&
	    frame->alias_bytes <= DOCUMENT_PATH_LIMIT_BYTES)
		builder_alias_keys(builder, frame);
}

void document_builder_close(struct document_builder *builder)
{
	struct frame *frame = builder_top(builder), *parent;

	if (builder->error != 0)
		return;
	if (!frame) {
		builder->error = ZKCFG_EINVAL;
		return;
	}
	builder_element_keys(builder, frame);
	builder->frames.used -= sizeof(*frame);
	parent = builder_top(builder);
	builder->path.used = parent ? parent->path_bytes : 0;
	builder->alias.used = parent && parent->alias_differs ? parent->alias_bytes : 0;
}

/*
 * Laying it out
 */

static int builder_lay_out(const struct document_builder *builder, struct zkcfg_document *head)
{
	size_t key_count = builder->slots.used / sizeof(struct layout_slot), slot_count = 1;
	uint64_t size_bytes;

	while (slot_count * 3 < key_count * 4 + 3)
		slot_count *= 2;
	head->name_bytes = (uint32_t)strlen(builder->origin.name);
	head->slot_mask = (uint32_t)slot_count - 1;
	head->strings_bytes = (uint32_t)builder->strings.used;
	head->node_count = (uint32_t)(builder->nodes.used / sizeof(struct layout_document_node));
	head->raw_bytes = (uint32_t)builder->raw_bytes;
	size_bytes = layout_align(document_raw_offset(head) + builder->raw_bytes + 1);
	if (size_bytes > builder->limit_bytes || builder->origin.sources_bytes > DOCUMENT_COMPILED_LIMIT_BYTES)
		return ZKCFG_ERANGE;
	head->sources_bytes = (uint32_t)builder->origin.sources_bytes;
	size_bytes = layout_align(document_raw_offset(head) + builder->raw_bytes + 1 + head->sources_bytes);
	head->size_bytes = (uint32_t)size_bytes;
	return 0;
}

static void builder_fill_slots(const struct document_builder *builder, struct layout_slot *slots, uint32_t mask)
{
	const struct layout_slot *made = (const struct layout_slot *)(const void *)builder->slots.bytes;

	for (size_t i = 0; i < builder->slots.used / sizeof(*made); i++) {
		uint32_t at = made[i].hash & mask;

		while (slots[at].key != 0)
			at = (at + 1) & mask;
		slots[at] = made[i];
	}
}

/* Put all parts where the head says; everything between them is 0. */
static void builder_write(const struct document_builder *builder, const struct zkcfg_document *head, char *bytes)
{
	struct layout_origin origin = { .name_hash = hash_bytes(builder->origin.name, head->name_bytes) };
	uint64_t strings = document_strings_offset(head), raw = document_raw_offset(head);
	char *slots = bytes + document_slots_offset(head->name_bytes);

	memset(bytes, 0, strings);
	memcpy(bytes, head, sizeof(*head));
	memcpy(bytes + sizeof(*head), builder->origin.name, head->name_bytes);
	memcpy(bytes + document_origin_offset(head->name_bytes), &origin, sizeof(origin));
	builder_fill_slots(builder, (struct layout_slot *)(void *)slots, head->slot_mask);
	memcpy(bytes + strings, builder->strings.bytes, builder->strings.used);
	if (builder->nodes.used > 0)
		memcpy(bytes + document_nodes_offset(head), builder->nodes.bytes, builder->nodes.used);
	if (builder->raw_bytes > 0)
		memcpy(bytes + raw, builder->raw, builder->raw_bytes);
	memset(bytes + raw + head->raw_bytes, 0, head->size_bytes - raw - head->raw_bytes);
	if (head->sources_bytes > 0)
		memcpy(bytes + raw + head->raw_bytes + 1, builder->origin.sources, head->sources_bytes);
}

uint64_t document_checksum(const struct zkcfg_document *document)
{
	size_t head = offsetof(struct zkcfg_document, checksum) + sizeof(document->checksum);

	return hash_bytes((const char *)document + head, document->size_bytes - head);
}

int document_builder_finish(struct document_builder *builder, struct zkcfg_document **document,
			    size_t *size_bytes)
{
	struct zkcfg_document head = { .magic = LAYOUT_DOCUMENT_MAGIC }, *made;
	int err = builder->error;
	char *bytes;

	if (err == 0 && builder->frames.used > 0)
		err = ZKCFG_EINVAL;
	if (err == 0)
		err = builder_lay_out(builder, &head);
	if (err < 0)
		goto free_builder;
	bytes = aligned_alloc(LAYOUT_ALIGN, head.size_bytes);
	if (!bytes) {
		err = ZKCFG_ENOMEM;
		goto free_builder;
	}
	builder_write(builder, &head, bytes);
	made = (struct zkcfg_document *)(void *)bytes;
	document_restamp(made, &builder->origin);
	*document = made;
	*size_bytes = head.size_bytes;
free_builder:
	document_builder_free(builder);
	return err;
}

void document_restamp(struct zkcfg_document *document, const struct document_origin *origin)
{
	struct layout_origin *stamp =
		(struct layout_origin *)(void *)((char *)document + document_origin_offset(document->name_bytes));

	stamp->created = origin->created;
	stamp->revision = origin->revision;
	stamp->version = origin->version;
	document->checksum = document_checksum(document);
}
