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
};

/* A hash table of 64-bit keys, for what a builder has to count or to know again. */
struct tally {
	uint64_t *keys; /* 0: empty */
	uint32_t *counts;
	size_t used;
	size_t mask;
};

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

/* A path that will be in the table. */
struct pending {
	uint32_t hash;
	uint32_t node;
	uint32_t path;        /* in builder->paths, a NUL behind it */
	uint32_t path_bytes;
	uint32_t value;       /* in builder->values or builder->text */
	uint32_t value_bytes;
	uint32_t canonical;   /* index of the key whose value it has; its own for a canonical path */
	enum { VALUE_NONE, VALUE_OF_ATTRIBUTE, VALUE_OF_ELEMENT } kind;
	uint32_t written;     /* where its value is in the document; 0: nowhere yet */
};

struct document_builder {
	struct document_origin origin;
	const void *raw;
	size_t raw_bytes;
	size_t limit_bytes;
	int error;
	struct span nodes;   /* struct layout_document_node; name and key are ids until the end */
	struct span keys;    /* struct pending */
	struct span frames;  /* struct frame, a stack */
	struct span names;   /* every name once, with a NUL; a name's place is its id */
	struct span paths;
	struct span values;  /* of attributes */
	struct span text;    /* all text so far, in document order */
	struct span path;    /* canonical path of the innermost open element */
	struct span alias;   /* its path by names, if that differs */
	struct tally known;    /* hash of a name -> its id */
	struct tally siblings; /* (parent, name) -> how many so far */
	struct tally named;    /* (parent, name, value of @name) that were there */
};

#define ALIAS_VALUE_LIMIT_BYTES 256

static bool span_grow(struct document_builder *builder, struct span *span, size_t more)
{
	size_t room = span->room ? span->room : 512;
	char *bytes;

	if (builder->error != 0)
		return false;
	if (more > builder->limit_bytes || span->used + more > builder->limit_bytes) {
		builder->error = ZKCFG_ERANGE;
		return false;
	}
	while (room - span->used < more)
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

	if (span->room - span->used < more && !span_grow(builder, span, more))
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
	span_append(builder, &builder->names, "", 1); /* id 0 is no name's */
	return builder;
}

void document_builder_free(struct document_builder *builder)
{
	if (!builder)
		return;
	free(builder->nodes.bytes);
	free(builder->keys.bytes);
	free(builder->frames.bytes);
	free(builder->names.bytes);
	free(builder->paths.bytes);
	free(builder->values.bytes);
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

static struct pending *builder_pending(const struct document_builder *builder, size_t index)
{
	return (struct pending *)(void *)builder->keys.bytes + index;
}

/* The id of a name; 0: out of memory. */
static uint32_t builder_name(struct document_builder *builder, const char *name, size_t name_bytes)
{
	uint64_t hash = hash_bytes(name, name_bytes);

	for (;;) {
		uint32_t *id = tally_find(builder, &builder->known, hash);
		const char *known;

		if (!id)
			return 0;
		if (*id == 0) {
			uint32_t at = (uint32_t)builder->names.used;

			if (!span_append(builder, &builder->names, name, name_bytes) ||
			    !span_append(builder, &builder->names, "", 1))
				return 0;
			*id = at;
			return at;
		}
		known = builder->names.bytes + *id;
		if (strncmp(known, name, name_bytes) == 0 && known[name_bytes] == '\0')
			return *id;
		hash++; /* two names, one hash */
	}
}

/* Register a path; it is filled in but for its value. NULL: too long, or out of memory. */
static struct pending *builder_key(struct document_builder *builder, uint32_t node, const struct span *path)
{
	uint32_t index = (uint32_t)(builder->keys.used / sizeof(struct pending));
	uint32_t at = (uint32_t)builder->paths.used;
	struct pending *key;

	if (path->used > DOCUMENT_PATH_LIMIT_BYTES) {
		builder->error = ZKCFG_ERANGE;
		return NULL;
	}
	if (!span_append(builder, &builder->paths, path->bytes, path->used) ||
	    !span_append(builder, &builder->paths, "", 1))
		return NULL;
	key = span_extend(builder, &builder->keys, sizeof(*key));
	if (key)
		*key = (struct pending){ .hash = (uint32_t)hash_bytes(path->bytes, path->used), .node = node,
					 .path = at, .path_bytes = (uint32_t)path->used, .canonical = index };
	return key;
}

/* Another path to what a canonical path names. */
static void builder_alias_key(struct document_builder *builder, uint32_t node, uint32_t canonical)
{
	struct pending *key = builder_key(builder, node, &builder->alias);

	if (key)
		key->canonical = canonical;
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
	const char *name = builder->names.bytes + frame->name_id;
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
	struct pending *key;
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
	key = builder_key(builder, index, &builder->path);
	builder->path.used = frame->path_bytes;
	if (!key)
		return;
	key->kind = VALUE_OF_ATTRIBUTE;
	key->value = (uint32_t)builder->values.used;
	key->value_bytes = (uint32_t)value_bytes;
	node.key = key->canonical;
	if (!span_append(builder, &builder->values, value, value_bytes) ||
	    !span_append(builder, &builder->nodes, &node, sizeof(node)))
		return;
	if (name_bytes == 4 && memcmp(name, "name", 4) == 0 && !frame->alias_lost)
		builder_alias(builder, frame, value, value_bytes);
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

void document_builder_text(struct document_builder *builder, const char *text, size_t text_bytes)
{
	struct frame *frame = builder_top(builder);

	if (!frame || builder->error != 0)
		return;
	for (size_t i = 0; i < text_bytes && !frame->has_own_text; i++)
		frame->has_own_text = !is_space(text[i]);
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
	builder_alias_key(builder, frame->node, nodes[frame->node].key);
	for (uint32_t i = frame->node + 1; i < count && (nodes[i].kind_depth & 0xff) == ZKCFG_ATTRIBUTE; i++) {
		const char *name = builder->names.bytes + nodes[i].name;
		size_t name_bytes = strlen(name);

		if (frame->alias_bytes + name_bytes + 2 > DOCUMENT_PATH_LIMIT_BYTES)
			continue; /* found by the step by step walk */
		if (path_step(builder, &builder->alias, "/@", 2, name, name_bytes))
			builder_alias_key(builder, i, nodes[i].key);
		builder->alias.used = frame->alias_bytes;
	}
}

static void builder_element_keys(struct document_builder *builder, struct frame *frame)
{
	struct layout_document_node *node = builder_node(builder, frame->node);
	struct pending *key = builder_key(builder, frame->node, &builder->path);

	if (!key)
		return;
	node->end = (uint32_t)(builder->nodes.used / sizeof(*node));
	node->key = key->canonical;
	if (!frame->has_elements || frame->has_own_text) {
		key->kind = VALUE_OF_ELEMENT;
		key->value = frame->text_begin;
		key->value_bytes = (uint32_t)(builder->text.used - frame->text_begin);
	}
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

/* Where the next key or name goes, while a document is written; bytes NULL: only count. */
struct writer {
	char *bytes;
	uint64_t at;
};

static void writer_put(struct writer *writer, const void *bytes, size_t size)
{
	if (writer->bytes && size > 0)
		memcpy(writer->bytes + writer->at, bytes, size);
	writer->at += size;
}

static void writer_align(struct writer *writer)
{
	writer_put(writer, "\0\0\0", -writer->at % LAYOUT_KEY_ALIGN);
}

static const char *pending_value(const struct document_builder *builder, const struct pending *key)
{
	const struct span *span = key->kind == VALUE_OF_ATTRIBUTE ? &builder->values : &builder->text;

	return span->bytes ? span->bytes + key->value : "";
}

/* A value, its length before it where that does not fit into a key; the value's offset. */
static uint32_t writer_value(struct writer *writer, const struct document_builder *builder,
			     const struct pending *key)
{
	uint32_t offset;

	if (key->value_bytes >= LAYOUT_LONG_VALUE) {
		writer_align(writer);
		writer_put(writer, &key->value_bytes, sizeof(key->value_bytes));
	}
	offset = (uint32_t)writer->at;
	writer_put(writer, pending_value(builder, key), key->value_bytes);
	writer_put(writer, "", 1);
	return offset;
}

/* Write a key, and its value unless that is there already; counting, it stays as it is. */
static void builder_write_key(const struct document_builder *builder, struct writer *writer, struct pending *key)
{
	struct pending *canonical = builder_pending(builder, key->canonical);
	struct layout_key head = { .node = key->node, .path_bytes = (uint16_t)key->path_bytes };
	const char *path = builder->paths.bytes + key->path;
	uint64_t here;

	writer_align(writer);
	here = writer->at;
	writer->at += offsetof(struct layout_key, path);
	writer_put(writer, path, key->path_bytes + 1);
	if (canonical->kind != VALUE_NONE) {
		if (canonical->written == 0)
			canonical->written = writer_value(writer, builder, canonical);
		head.value = canonical->written;
		head.value_bytes = (uint16_t)(canonical->value_bytes < LAYOUT_LONG_VALUE ? canonical->value_bytes
											 : LAYOUT_LONG_VALUE);
	}
	if (!writer->bytes)
		return;
	memcpy(writer->bytes + here, &head, offsetof(struct layout_key, path));
	key->path = (uint32_t)here; /* from now on where its key is in the document */
}

static void builder_fill_slots(const struct document_builder *builder, const struct zkcfg_document *head, char *bytes)
{
	struct layout_slot *slots =
		(struct layout_slot *)(void *)(bytes + document_slots_offset(head->name_bytes));

	for (size_t i = 0; i < builder->keys.used / sizeof(struct pending); i++) {
		const struct pending *key = builder_pending(builder, i);
		uint32_t at = key->hash & head->slot_mask;

		while (slots[at].key != 0)
			at = (at + 1) & head->slot_mask;
		slots[at] = (struct layout_slot){ .hash = key->hash, .key = key->path };
	}
}

/* All keys with their values, then all names; bytes NULL: only count. What is behind them. */
static uint64_t builder_write_strings(const struct document_builder *builder, const struct zkcfg_document *head,
				      char *bytes, uint32_t *names)
{
	struct writer writer = { .bytes = bytes, .at = document_slots_end(head) };
	size_t key_count = builder->keys.used / sizeof(struct pending);

	for (size_t i = 0; i < key_count; i++)
		builder_pending(builder, i)->written = 0;
	for (size_t i = 0; i < key_count; i++)
		builder_write_key(builder, &writer, builder_pending(builder, i));
	*names = (uint32_t)writer.at;
	writer_put(&writer, builder->names.bytes, builder->names.used);
	writer_align(&writer);
	return writer.at;
}

/* Nodes with ids made into offsets. */
static void builder_write_nodes(const struct document_builder *builder, const struct zkcfg_document *head,
				uint32_t names, char *bytes)
{
	struct layout_document_node *nodes = (struct layout_document_node *)(void *)(bytes + head->nodes);

	if (head->node_count > 0)
		memcpy(nodes, builder->nodes.bytes, builder->nodes.used);
	for (uint32_t i = 0; i < head->node_count; i++) {
		nodes[i].name += names;
		nodes[i].key = builder_pending(builder, nodes[i].key)->path;
	}
}

static int builder_lay_out(const struct document_builder *builder, struct zkcfg_document *head)
{
	size_t key_count = builder->keys.used / sizeof(struct pending), slot_count = 1;
	uint64_t nodes, size_bytes;
	uint32_t names;

	while (slot_count * 3 < key_count * 4 + 3)
		slot_count *= 2;
	head->name_bytes = (uint32_t)strlen(builder->origin.name);
	head->slot_mask = (uint32_t)slot_count - 1;
	nodes = builder_write_strings(builder, head, NULL, &names);
	if (nodes > builder->limit_bytes)
		return ZKCFG_ERANGE;
	head->nodes = (uint32_t)nodes;
	head->node_count = (uint32_t)(builder->nodes.used / sizeof(struct layout_document_node));
	head->raw_bytes = (uint32_t)builder->raw_bytes;
	size_bytes = layout_align(document_raw_offset(head) + builder->raw_bytes + 1);
	if (size_bytes > builder->limit_bytes)
		return ZKCFG_ERANGE;
	head->size_bytes = (uint32_t)size_bytes;
	return 0;
}

/* Put all parts where the head says; everything between them is 0. */
static void builder_write(const struct document_builder *builder, const struct zkcfg_document *head, char *bytes)
{
	struct layout_origin origin = { .name_hash = hash_bytes(builder->origin.name, head->name_bytes) };
	uint64_t raw = document_raw_offset(head);
	uint32_t names;

	memset(bytes, 0, document_slots_end(head));
	memcpy(bytes, head, sizeof(*head));
	memcpy(bytes + sizeof(*head), builder->origin.name, head->name_bytes);
	memcpy(bytes + document_origin_offset(head->name_bytes), &origin, sizeof(origin));
	builder_write_strings(builder, head, bytes, &names);
	builder_fill_slots(builder, head, bytes);
	builder_write_nodes(builder, head, names, bytes);
	if (builder->raw_bytes > 0)
		memcpy(bytes + raw, builder->raw, builder->raw_bytes);
	memset(bytes + raw + head->raw_bytes, 0, head->size_bytes - raw - head->raw_bytes);
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
