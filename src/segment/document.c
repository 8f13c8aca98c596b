/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "segment/document.h"

#include <string.h>

#include "segment/document_read.h"
#include "segment/hash.h"
#include "segment/layout.h"

int document_check(const struct zkcfg_document *document, size_t limit_bytes)
{
	if (!document_is_sound(document, limit_bytes) ||
	    *document_at(document, sizeof(*document) + (uint64_t)document->name_bytes) != '\0')
		return ZKCFG_ECORRUPT;
	return 0;
}

static const char *raw_end(const struct zkcfg_document *document)
{
	return document_at(document, document_raw_offset(document) + document->raw_bytes);
}

/* A key's path, with its NUL looked at; NULL: it has none. */
static const char *document_key_path(const struct layout_key *key)
{
	return key->path[key->path_bytes] == '\0' ? key->path : NULL;
}

/* Does a slot lead to a key that leads to a node and a value? */
static int verify_slot(const struct zkcfg_document *document, const struct layout_slot *slot)
{
	const struct layout_key *key;
	const char *value;

	if (slot->key == 0)
		return 0;
	key = document_key(document, slot->key);
	if (!key || !document_key_path(key) || key->node >= document->node_count)
		return ZKCFG_ECORRUPT;
	return document_key_value(document, key, &value) == ZKCFG_ECORRUPT ? ZKCFG_ECORRUPT : 0;
}

int document_verify(const struct zkcfg_document *document, size_t limit_bytes)
{
	struct document_node node;
	int err;

	err = document_check(document, limit_bytes);
	if (err < 0)
		return err;
	if (document->checksum != document_checksum(document) || *raw_end(document) != '\0' ||
	    (document->slot_mask & (document->slot_mask + 1)) != 0)
		return ZKCFG_ECORRUPT;
	for (uint64_t i = 0; i <= document->slot_mask; i++) {
		err = verify_slot(document, document_slots(document) + i);
		if (err < 0)
			return err;
	}
	for (uint32_t i = 0; i < document->node_count; i++) {
		err = document_node(document, i, &node);
		if (err < 0)
			return err;
	}
	return 0;
}

size_t document_size_bytes(const struct zkcfg_document *document)
{
	return document->size_bytes;
}

uint64_t document_hash(const struct zkcfg_document *document)
{
	return document_origin(document)->name_hash;
}

size_t document_name_bytes(const struct zkcfg_document *document)
{
	return document->name_bytes;
}

uint64_t document_created(const struct zkcfg_document *document)
{
	return document_origin(document)->created;
}

const char *zkcfg_document_name(const struct zkcfg_document *document)
{
	return document_at(document, sizeof(*document));
}

uint64_t zkcfg_document_revision(const struct zkcfg_document *document)
{
	return document_origin(document)->revision;
}

int64_t zkcfg_document_version(const struct zkcfg_document *document)
{
	return document_origin(document)->version;
}

const char *zkcfg_document_raw(const struct zkcfg_document *document, size_t *size_bytes)
{
	bool is_sound = *raw_end(document) == '\0'; /* in a corrupt segment it may not be */

	if (size_bytes)
		*size_bytes = is_sound ? document->raw_bytes : 0;
	return is_sound ? document_at(document, document_raw_offset(document)) : "";
}

#define SOURCES_NODE_BYTES (sizeof(uint8_t) + sizeof(uint16_t))

size_t document_sources_write(const struct document_sources *sources, void *bytes)
{
	struct layout_sources head = { .count = (uint32_t)sources->count,
				       .node_count = sources->nodes ? (uint32_t)sources->node_count : 0 };
	char *at = bytes;
	size_t size_bytes = sizeof(head) + sources->count * sizeof(uint64_t);

	if (at) {
		memcpy(at, &head, sizeof(head));
		for (size_t i = 0; i < sources->count; i++)
			memcpy(at + sizeof(head) + i * sizeof(uint64_t), &sources->sources[i].revision,
			       sizeof(uint64_t));
	}
	for (size_t i = 0; i < sources->count; i++) {
		size_t uri_bytes = strlen(sources->sources[i].uri) + 1;

		if (at)
			memcpy(at + size_bytes, sources->sources[i].uri, uri_bytes);
		size_bytes += uri_bytes;
	}
	if (at && head.node_count > 0) {
		memcpy(at + size_bytes, sources->nodes, head.node_count);
		memcpy(at + size_bytes + head.node_count, sources->hidden, head.node_count * sizeof(uint16_t));
	}
	return size_bytes + head.node_count * SOURCES_NODE_BYTES;
}

/* Revisions and URIs, with the end in view; NULL: they are not sound. Else what is behind them. */
static const char *sources_read_each(const char *at, const char *end, size_t count,
				     struct document_sources *sources)
{
	if ((size_t)(end - at) < count * sizeof(uint64_t))
		return NULL;
	for (size_t i = 0; i < count; i++, at += sizeof(uint64_t))
		memcpy(&sources->sources[i].revision, at, sizeof(uint64_t));
	for (size_t i = 0; i < count; i++) {
		const char *nul = memchr(at, '\0', (size_t)(end - at));

		if (!nul)
			return NULL;
		sources->sources[i].uri = at;
		at = nul + 1;
	}
	return at;
}

void document_sources_read(const void *bytes, size_t size_bytes, struct document_sources *sources)
{
	const char *at = bytes, *end = at + size_bytes;
	struct document_sources read = { .count = 0 };
	struct layout_sources head;
	uint16_t hidden;

	*sources = (struct document_sources){ .count = 0 };
	if (size_bytes < sizeof(head))
		return;
	memcpy(&head, at, sizeof(head));
	if (head.count == 0 || head.count > DOCUMENT_SOURCES_MOST)
		return;
	at = sources_read_each(at + sizeof(head), end, head.count, &read);
	if (!at || (size_t)(end - at) != head.node_count * SOURCES_NODE_BYTES)
		return;
	read.nodes = head.node_count > 0 ? (const uint8_t *)at : NULL;
	read.hidden = head.node_count > 0 ? at + head.node_count : NULL;
	read.node_count = head.node_count;
	read.count = head.count;
	for (uint32_t i = 0; i < head.node_count; i++)
		if (document_sources_of(&read, i, &hidden) >= head.count || hidden >> head.count != 0)
			return;
	*sources = read;
}

size_t document_sources_of(const struct document_sources *sources, uint32_t node, uint16_t *hidden)
{
	*hidden = 0;
	if (!sources->nodes || node >= sources->node_count)
		return 0;
	memcpy(hidden, (const char *)sources->hidden + node * sizeof(*hidden), sizeof(*hidden));
	return sources->nodes[node];
}

const void *document_sources(const struct zkcfg_document *document, size_t *size_bytes)
{
	uint64_t at = document_raw_offset(document) + document->raw_bytes + 1;

	*size_bytes = 0;
	if (at + document->sources_bytes > document->size_bytes)
		return "";
	*size_bytes = document->sources_bytes;
	return document_at(document, at);
}

bool document_sources_equal(const struct document_sources *a, const struct document_sources *b)
{
	if (a->count != b->count || !a->nodes != !b->nodes || a->node_count != b->node_count)
		return false;
	for (size_t i = 0; i < a->count; i++)
		if (strcmp(a->sources[i].uri, b->sources[i].uri) != 0)
			return false;
	return !a->nodes || (memcmp(a->nodes, b->nodes, a->node_count) == 0 &&
			     memcmp(a->hidden, b->hidden, a->node_count * sizeof(uint16_t)) == 0);
}

uint32_t document_node_count(const struct zkcfg_document *document)
{
	return document->node_count;
}

int document_node(const struct zkcfg_document *document, uint32_t index, struct document_node *node)
{
	const struct layout_document_node *record;
	const struct layout_key *key;
	struct document_node found = { 0 };
	int err;

	if (index >= document->node_count)
		return ZKCFG_ENOPATH;
	record = document_nodes(document) + index;
	key = document_key(document, record->key);
	found.kind = (enum zkcfg_node_kind)(record->kind_depth & 0xff);
	if (!key || !document_key_path(key) || (found.kind != ZKCFG_ELEMENT && found.kind != ZKCFG_ATTRIBUTE) ||
	    record->end <= index || record->end > document->node_count ||
	    record->name >= document->strings_bytes ||
	    (index > 0 ? record->parent >= index : record->parent != 0))
		return ZKCFG_ECORRUPT;
	found.name = document_strings(document) + record->name;
	if (!memchr(found.name, '\0', document->strings_bytes - record->name))
		return ZKCFG_ECORRUPT;
	found.path = key->path;
	err = document_key_value(document, key, &found.value);
	if (err < 0 && err != ZKCFG_ENOVALUE)
		return err;
	found.parent = index > 0 ? record->parent : DOCUMENT_NODE_NONE;
	found.end = record->end;
	found.depth = record->kind_depth >> 8;
	*node = found;
	return 0;
}

/* One step of a path: /name, /name[3], /name[@attribute='value'], /@name. */
struct step {
	const char *name;
	size_t name_bytes;
	uint32_t position; /* 0: none given */
	const char *attribute; /* NULL: none given */
	size_t attribute_bytes;
	const char *value;
	size_t value_bytes;
	bool is_attribute;
};

static const char *step_parse_predicate(const char *at, struct step *step)
{
	uint64_t position = 0;
	const char *end;

	if (*at != '@') {
		end = at;
		for (; *at >= '0' && *at <= '9' && position <= UINT32_MAX; at++)
			position = position * 10 + (uint64_t)(*at - '0');
		if (at == end || *at != ']' || position == 0 || position > UINT32_MAX)
			return NULL;
		step->position = (uint32_t)position;
		return at + 1;
	}
	step->attribute = ++at;
	step->attribute_bytes = strcspn(at, "=[]/@'\"");
	at += step->attribute_bytes;
	if (step->attribute_bytes == 0 || at[0] != '=' || (at[1] != '\'' && at[1] != '"'))
		return NULL;
	step->value = at + 2;
	end = strchr(step->value, at[1]);
	if (!end || end[1] != ']')
		return NULL;
	step->value_bytes = (size_t)(end - step->value);
	return end + 2;
}

/* Parse a step; what is behind it, or NULL: it is not one. */
static const char *step_parse(const char *at, struct step *step)
{
	*step = (struct step){ 0 };
	if (*at++ != '/')
		return NULL;
	if (*at == '@') {
		step->is_attribute = true;
		at++;
	}
	step->name = at;
	step->name_bytes = strcspn(at, "/[]@='\" \t\n");
	at += step->name_bytes;
	if (step->name_bytes == 0)
		return NULL;
	if (step->is_attribute)
		return *at == '\0' ? at : NULL;
	if (*at == '[')
		at = step_parse_predicate(at + 1, step);
	if (at && *at != '\0' && *at != '/')
		return NULL;
	return at;
}

bool document_path_is_valid(const char *path)
{
	struct step step;

	do {
		path = step_parse(path, &step);
	} while (path && *path != '\0');
	return path != NULL;
}

static bool name_is(const char *name, const char *bytes, size_t size)
{
	return strncmp(name, bytes, size) == 0 && name[size] == '\0';
}

/* Does the element carry the attribute that the step asks for? */
static int step_attribute_fits(const struct zkcfg_document *document, uint32_t element, uint32_t end,
			       const struct step *step)
{
	struct document_node node;

	for (uint32_t i = element + 1; i < end; i++) {
		int err = document_node(document, i, &node);

		if (err < 0)
			return err;
		if (node.kind != ZKCFG_ATTRIBUTE)
			break;
		if (name_is(node.name, step->attribute, step->attribute_bytes))
			return node.value && name_is(node.value, step->value, step->value_bytes);
	}
	return 0;
}

/* The node among [from, end) and their siblings that a step names. */
static int step_find(const struct zkcfg_document *document, uint32_t from, uint32_t end,
		     const struct step *step, uint32_t *found)
{
	uint32_t position = 0;
	struct document_node node;
	int fits;

	for (uint32_t i = from; i < end; i = node.end) {
		int err = document_node(document, i, &node);

		if (err < 0)
			return err;
		if ((node.kind == ZKCFG_ATTRIBUTE) != step->is_attribute ||
		    !name_is(node.name, step->name, step->name_bytes))
			continue;
		fits = step->attribute ? step_attribute_fits(document, i, node.end, step)
				       : ++position == (step->position ? step->position : 1);
		if (fits < 0)
			return fits;
		if (fits) {
			*found = i;
			return 0;
		}
	}
	return ZKCFG_ENOPATH;
}

/* Step by step: for spellings of a path that are not in the table. */
static int document_walk(const struct zkcfg_document *document, const char *path, uint32_t *found)
{
	uint32_t from = 0, end = document->node_count, node = 0;
	const char *at = path;
	bool missing = false;
	struct step step;
	int err;

	do {
		at = step_parse(at, &step);
		if (!at)
			return ZKCFG_EINVAL; /* wrong behind a step that is missing, too */
		if (missing)
			continue;
		err = step_find(document, from, end, &step, &node);
		if (err < 0 && err != ZKCFG_ENOPATH)
			return err;
		missing = err < 0;
		if (!missing) {
			from = node + 1;
			end = document_nodes(document)[node].end;
		}
	} while (*at != '\0');
	if (missing)
		return ZKCFG_ENOPATH;
	*found = node;
	return 0;
}

int document_find_node(const struct zkcfg_document *document, const char *path, uint32_t *node)
{
	size_t path_bytes = strlen(path);
	const struct layout_key *key =
		document_look_up(document, (uint32_t)hash_bytes(path, path_bytes), path, path_bytes);

	if (!key)
		return document_walk(document, path, node);
	if (key->node >= document->node_count)
		return ZKCFG_ECORRUPT;
	*node = key->node;
	return 0;
}

int document_walk_string(const struct zkcfg_document *document, const char *path, const char **value)
{
	struct document_node found;
	uint32_t node;
	int err;

	err = document_walk(document, path, &node);
	if (err == 0)
		err = document_node(document, node, &found);
	if (err < 0)
		return err;
	if (!found.value)
		return ZKCFG_ENOVALUE;
	*value = found.value;
	return 0;
}

int zkcfg_document_string(const struct zkcfg_document *document, const char *path, const char **value)
{
	const struct layout_key *key;
	size_t path_bytes;

	if (!document || !path || !value)
		return ZKCFG_EINVAL;
	path_bytes = strlen(path);
	key = document_look_up(document, (uint32_t)hash_bytes(path, path_bytes), path, path_bytes);
	return key ? document_key_value(document, key, value) : document_walk_string(document, path, value);
}
