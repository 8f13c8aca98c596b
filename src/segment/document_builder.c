/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "segment/document.h"
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

/* An element that is open. */
struct frame {
	uint32_t node;
	uint32_t name_id;
	uint32_t path_bytes;   /* of the canonical path, in builder->path */
	uint32_t alias_bytes;  /* of the path by names, in builder->alias */
	uint32_t text_begin;   /* in builder->text */
	bool alias_differs;    /* the path by names is another than the canonical one */
	bool alias_lost;       /* it does not lead here: a sibling before has the same name */
	bool has_elements;
	bool has_own_text;     /* more than white space, not within a child */
	bool body;             /* attributes are over */
};

struct slot_entry {
	uint32_t hash;
	uint32_t key;
};

struct document_builder {
	struct document_origin origin;
	const void *raw;
	size_t raw_bytes;
	size_t limit_bytes;
	int error;
	struct span strings; /* keys and names, as they will lie in the document */
	struct span nodes;   /* struct layout_document_node */
	struct span slots;   /* struct slot_entry, in no order */
	struct span frames;  /* struct frame, a stack */
	struct span path;    /* canonical path of the innermost open element */
	struct span alias;   /* its path by names */
	struct span text;    /* all text so far, in document order */
	struct tally names;  /* hash of a name -> its offset in strings */
	struct tally siblings; /* (parent, name) -> how many so far */
	struct tally named;  /* (parent, name, value of @name) that were there */
};

#define ALIAS_VALUE_LIMIT_BYTES 256

static bool span_reserve(struct document_builder *builder, struct span *span, size_t more)
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
	if (room == span->room)
		return true;
	bytes = realloc(span->bytes, room);
	if (!bytes) {
		builder->error = ZKCFG_ENOMEM;
		return false;
	}
	span->bytes = bytes;
	span->room = room;
	return true;
}

static bool span_append(struct document_builder *builder, struct span *span, const void *bytes, size_t size)
{
	if (!span_reserve(builder, span, size))
		return false;
	if (size > 0)
		memcpy(span->bytes + span->used, bytes, size);
	span->used += size;
	return true;
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
	static const char padding[LAYOUT_ALIGN]; /* offset 0 in strings means "none" */
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
	span_append(builder, &builder->strings, padding, sizeof(padding));
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
	free(builder->path.bytes);
	free(builder->alias.bytes);
	free(builder->text.bytes);
	tally_free(&builder->names);
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

/* Append a NUL-terminated string to strings, 4-aligned; its offset. */
static uint32_t builder_string(struct document_builder *builder, const char *bytes, size_t size)
{
	uint32_t at = (uint32_t)builder->strings.used;

	if (!span_append(builder, &builder->strings, bytes, size) ||
	    !span_append(builder, &builder->strings, "\0\0\0", 4 - size % 4))
		return 0;
	return at;
}

/* A name's offset in strings, which is its id as well. */
static uint32_t builder_name(struct document_builder *builder, const char *name, size_t name_bytes)
{
	uint64_t hash = hash_bytes(name, name_bytes);

	for (;;) {
		uint32_t *at = tally_find(builder, &builder->names, hash);
		const char *known;

		if (!at)
			return 0;
		if (*at == 0) {
			*at = builder_string(builder, name, name_bytes);
			return *at;
		}
		known = builder->strings.bytes + *at;
		if (strncmp(known, name, name_bytes) == 0 && known[name_bytes] == '\0')
			return *at;
		hash++; /* two names, one hash */
	}
}

/* Register a path, with its value or with one that is there already; the key's offset. */
static uint32_t builder_key(struct document_builder *builder, uint32_t node, const struct span *path,
			    const char *value, size_t value_bytes, const struct layout_key *same)
{
	struct layout_key key = { .node = node, .path_bytes = (uint32_t)path->used, .value = LAYOUT_NO_VALUE };
	struct slot_entry slot = { .hash = (uint32_t)hash_bytes(path->bytes, path->used),
				   .key = (uint32_t)builder->strings.used };
	uint32_t string;

	if (path->used > DOCUMENT_PATH_LIMIT_BYTES) {
		builder->error = ZKCFG_ERANGE;
		return 0;
	}
	if (same) {
		key.value = same->value;
		key.value_bytes = same->value_bytes;
	}
	if (!span_append(builder, &builder->strings, &key, sizeof(key)) ||
	    builder_string(builder, path->bytes, path->used) == 0)
		return 0;
	if (value) {
		string = builder_string(builder, value, value_bytes);
		if (string == 0)
			return 0;
		key.value = string;
		key.value_bytes = (uint32_t)value_bytes;
		memcpy(builder->strings.bytes + slot.key, &key, sizeof(key));
	}
	return span_append(builder, &builder->slots, &slot, sizeof(slot)) ? slot.key : 0;
}

static bool path_step(struct document_builder *builder, struct span *path, const char *name, size_t name_bytes)
{
	return span_append(builder, path, "/", 1) && span_append(builder, path, name, name_bytes);
}

static bool path_position(struct document_builder *builder, struct span *path, uint32_t ordinal)
{
	char text[16];
	int bytes = snprintf(text, sizeof(text), "[%u]", ordinal);

	return ordinal == 1 || span_append(builder, path, text, (size_t)bytes);
}

/* Attributes of the open element are over: its children see its final paths. */
static void builder_body(struct document_builder *builder, struct frame *frame)
{
	struct layout_document_node *node;

	if (frame->body || builder->error != 0)
		return;
	frame->body = true;
	node = (struct layout_document_node *)(void *)builder->nodes.bytes + frame->node;
	if (path_position(builder, &builder->alias, node->ordinal))
		frame->alias_bytes = (uint32_t)builder->alias.used;
}

void document_builder_open(struct document_builder *builder, const char *name, size_t name_bytes)
{
	struct layout_document_node node = { 0 };
	struct frame frame = { 0 }, *parent = builder_top(builder);
	uint32_t *ordinal;
	struct {
		uint32_t parent, name;
	} sibling;

	if (builder->error != 0)
		return;
	if (!parent && builder->nodes.used > 0) {
		builder->error = ZKCFG_EINVAL; /* a second root element */
		return;
	}
	if (parent) {
		builder_body(builder, parent);
		parent->has_elements = true;
	}
	frame.node = (uint32_t)(builder->nodes.used / sizeof(node));
	frame.name_id = builder_name(builder, name, name_bytes);
	frame.text_begin = (uint32_t)builder->text.used;
	frame.alias_differs = parent && parent->alias_differs;
	frame.alias_lost = parent && parent->alias_lost;
	sibling.parent = parent ? parent->node : DOCUMENT_NODE_NONE;
	sibling.name = frame.name_id;
	ordinal = tally_find(builder, &builder->siblings, hash_bytes(&sibling, sizeof(sibling)));
	if (!ordinal || frame.name_id == 0)
		return;
	node.ordinal = ++*ordinal;
	node.kind_depth = (uint32_t)(builder->frames.used / sizeof(frame)) << 8 | ZKCFG_ELEMENT;
	node.parent = parent ? parent->node : frame.node;
	node.name = frame.name_id;
	if (!path_step(builder, &builder->path, name, name_bytes) ||
	    !path_position(builder, &builder->path, node.ordinal) ||
	    !path_step(builder, &builder->alias, name, name_bytes))
		return;
	frame.path_bytes = (uint32_t)builder->path.used;
	frame.alias_bytes = (uint32_t)builder->alias.used;
	if (frame.path_bytes > DOCUMENT_PATH_LIMIT_BYTES) {
		builder->error = ZKCFG_ERANGE;
		return;
	}
	if (span_append(builder, &builder->nodes, &node, sizeof(node)))
		span_append(builder, &builder->frames, &frame, sizeof(frame));
}

/* The element has @name: put it into the path by names, if that leads here. */
static void builder_alias(struct document_builder *builder, struct frame *frame, const char *value,
			  size_t value_bytes)
{
	const struct frame *parent = frame->node > 0 ? frame - 1 : NULL;
	bool single = memchr(value, '\'', value_bytes) != NULL;
	const char *quote = single ? "\"" : "'";
	struct {
		uint32_t parent, name;
		uint64_t value;
	} same = { parent ? parent->node : DOCUMENT_NODE_NONE, frame->name_id, hash_bytes(value, value_bytes) };
	uint32_t *count;

	if (value_bytes > ALIAS_VALUE_LIMIT_BYTES || (single && memchr(value, '"', value_bytes))) {
		frame->alias_lost = true; /* cannot be said; the step by step walk says so too */
		return;
	}
	count = tally_find(builder, &builder->named, hash_bytes(&same, sizeof(same)));
	if (!count)
		return;
	if (++*count > 1)
		frame->alias_lost = true;
	if (!span_append(builder, &builder->alias, "[@name=", 7) ||
	    !span_append(builder, &builder->alias, quote, 1) ||
	    !span_append(builder, &builder->alias, value, value_bytes) ||
	    !span_append(builder, &builder->alias, quote, 1) || !span_append(builder, &builder->alias, "]", 1))
		return;
	frame->alias_differs = true;
	frame->alias_bytes = (uint32_t)builder->alias.used;
	frame->body = true; /* its place in the path by names is final; attributes may still come */
}

/*
 * Keys by names of attributes are made when their element closes: @name may
 * be behind them. Until then only the canonical key is there.
 */
static void builder_attribute_alias(struct document_builder *builder, const struct frame *frame, uint32_t node)
{
	const struct layout_document_node *record =
		(const struct layout_document_node *)(const void *)builder->nodes.bytes + node;
	const char *name = builder->strings.bytes + record->name;
	size_t name_bytes = strlen(name);
	struct layout_key canonical;
	char copy[DOCUMENT_PATH_LIMIT_BYTES];

	memcpy(&canonical, builder->strings.bytes + record->key, sizeof(canonical));
	if (frame->alias_bytes + name_bytes + 2 > DOCUMENT_PATH_LIMIT_BYTES)
		return; /* found by the step by step walk */
	memcpy(copy, name, name_bytes); /* strings may move */
	builder->alias.used = frame->alias_bytes;
	if (path_step(builder, &builder->alias, "@", 1) && span_append(builder, &builder->alias, copy, name_bytes))
		builder_key(builder, node, &builder->alias, NULL, 0, &canonical);
	builder->alias.used = frame->alias_bytes;
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
	if (!path_step(builder, &builder->path, "@", 1) || !span_append(builder, &builder->path, name, name_bytes))
		return;
	node.key = builder_key(builder, index, &builder->path, value, value_bytes, NULL);
	builder->path.used = frame->path_bytes;
	if (!span_append(builder, &builder->nodes, &node, sizeof(node)))
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

static void builder_element_keys(struct document_builder *builder, const struct frame *frame)
{
	bool valued = !frame->has_elements || frame->has_own_text;
	const char *value = valued ? (builder->text.bytes ? builder->text.bytes + frame->text_begin : "") : NULL;
	struct layout_document_node *nodes = (struct layout_document_node *)(void *)builder->nodes.bytes;
	uint32_t count = (uint32_t)(builder->nodes.used / sizeof(*nodes));
	struct layout_key canonical;
	uint32_t key;

	nodes[frame->node].end = count;
	key = builder_key(builder, frame->node, &builder->path, value,
			  valued ? builder->text.used - frame->text_begin : 0, NULL);
	if (key == 0)
		return;
	nodes[frame->node].key = key;
	if (!frame->alias_differs || frame->alias_lost || frame->alias_bytes > DOCUMENT_PATH_LIMIT_BYTES)
		return;
	memcpy(&canonical, builder->strings.bytes + key, sizeof(canonical));
	builder_key(builder, frame->node, &builder->alias, NULL, 0, &canonical);
	for (uint32_t i = frame->node + 1; i < count && (nodes[i].kind_depth & 0xff) == ZKCFG_ATTRIBUTE; i++)
		builder_attribute_alias(builder, frame, i);
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
	builder_body(builder, frame);
	builder_element_keys(builder, frame);
	builder->frames.used -= sizeof(*frame);
	parent = builder_top(builder);
	builder->path.used = parent ? parent->path_bytes : 0;
	builder->alias.used = parent ? parent->alias_bytes : 0;
}

static void builder_fill_slots(const struct document_builder *builder, struct layout_slot *slots, uint32_t mask)
{
	const struct slot_entry *entries = (const struct slot_entry *)(const void *)builder->slots.bytes;

	for (size_t i = 0; i < builder->slots.used / sizeof(*entries); i++) {
		uint32_t at = entries[i].hash & mask;

		while (slots[at].key != 0)
			at = (at + 1) & mask;
		slots[at] = (struct layout_slot){ .hash = entries[i].hash, .key = entries[i].key };
	}
}

static void document_seal(struct zkcfg_document *document)
{
	const char *behind = (const char *)document + offsetof(struct zkcfg_document, name_hash);

	document->checksum = hash_bytes(behind, document->size_bytes - offsetof(struct zkcfg_document, name_hash));
}

static int builder_lay_out(const struct document_builder *builder, struct zkcfg_document *head)
{
	size_t keys = builder->slots.used / sizeof(struct slot_entry), slot_count = 1;
	size_t name_bytes = strlen(builder->origin.name);
	uint64_t at = sizeof(*head);

	while (slot_count * 3 < keys * 4 + 3)
		slot_count *= 2;
	at = (at + name_bytes + 1 + 7) & ~UINT64_C(7);
	head->slots = (uint32_t)at;
	head->slot_mask = (uint32_t)slot_count - 1;
	at += slot_count * sizeof(struct layout_slot);
	head->strings = (uint32_t)at;
	head->strings_bytes = (uint32_t)builder->strings.used;
	at += builder->strings.used;
	head->nodes = (uint32_t)at;
	head->node_count = (uint32_t)(builder->nodes.used / sizeof(struct layout_document_node));
	at += builder->nodes.used;
	head->raw = (uint32_t)at;
	head->raw_bytes = (uint32_t)builder->raw_bytes;
	at = layout_align(at + builder->raw_bytes + 1);
	if (at > builder->limit_bytes)
		return ZKCFG_ERANGE;
	head->size_bytes = (uint32_t)at;
	head->name_bytes = (uint32_t)name_bytes;
	return 0;
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
	memset(bytes, 0, head.strings);
	memcpy(bytes, &head, sizeof(head));
	memcpy(bytes + sizeof(head), builder->origin.name, head.name_bytes);
	memcpy(bytes + head.strings, builder->strings.bytes, builder->strings.used);
	if (builder->nodes.used > 0)
		memcpy(bytes + head.nodes, builder->nodes.bytes, builder->nodes.used);
	if (builder->raw_bytes > 0)
		memcpy(bytes + head.raw, builder->raw, builder->raw_bytes);
	memset(bytes + head.raw + head.raw_bytes, 0, head.size_bytes - head.raw - head.raw_bytes);
	made = (struct zkcfg_document *)(void *)bytes;
	builder_fill_slots(builder, (struct layout_slot *)(void *)(bytes + head.slots), head.slot_mask);
	made->name_hash = hash_bytes(builder->origin.name, head.name_bytes);
	document_restamp(made, &builder->origin);
	*document = made;
	*size_bytes = head.size_bytes;
free_builder:
	document_builder_free(builder);
	return err;
}

void document_restamp(struct zkcfg_document *document, const struct document_origin *origin)
{
	document->created = origin->created;
	document->revision = origin->revision;
	document->version = origin->version;
	document_seal(document);
}
