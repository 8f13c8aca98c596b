/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>

#include <zkcfg/zkcfg.h>

#include "segment/document.h"

/* What is in the opaque part of a public cursor. */
struct cursor {
	const struct zkcfg_document *document;
	uint32_t node;
	uint32_t end; /* first node behind the subtree where it began */
	struct document_node found; /* zeros where the node is corrupt */
};
static_assert(sizeof(struct cursor) <= sizeof(struct zkcfg_cursor), "a public cursor holds it");

static struct cursor *cursor_of(struct zkcfg_cursor *cursor)
{
	return (struct cursor *)(void *)cursor->opaque;
}

static const struct cursor *cursor_at(const struct zkcfg_cursor *cursor)
{
	return (const struct cursor *)(const void *)cursor->opaque;
}

int zkcfg_cursor_init(struct zkcfg_cursor *cursor, const struct zkcfg_document *document, const char *path)
{
	struct cursor begun = { .document = document };
	int err = 0;

	if (!cursor || !document)
		return ZKCFG_EINVAL;
	if (path)
		err = document_find_node(document, path, &begun.node);
	if (err == 0)
		err = document_node(document, begun.node, &begun.found);
	if (err < 0)
		return err;
	begun.end = begun.found.end;
	*cursor_of(cursor) = begun;
	return 0;
}

static int cursor_move(struct cursor *cursor, uint32_t node)
{
	struct document_node found;
	int err;

	if (node >= cursor->end)
		return ZKCFG_EEND;
	err = document_node(cursor->document, node, &found);
	if (err < 0)
		return err;
	cursor->node = node;
	cursor->found = found;
	return 0;
}

int zkcfg_cursor_next(struct zkcfg_cursor *cursor)
{
	return cursor_move(cursor_of(cursor), cursor_of(cursor)->node + 1);
}

int zkcfg_cursor_skip(struct zkcfg_cursor *cursor)
{
	return cursor_move(cursor_of(cursor), cursor_of(cursor)->found.end);
}

enum zkcfg_node_kind zkcfg_cursor_kind(const struct zkcfg_cursor *cursor)
{
	return cursor_at(cursor)->found.kind;
}

unsigned zkcfg_cursor_depth(const struct zkcfg_cursor *cursor)
{
	return cursor_at(cursor)->found.depth;
}

const char *zkcfg_cursor_name(const struct zkcfg_cursor *cursor)
{
	return cursor_at(cursor)->found.name;
}

const char *zkcfg_cursor_path(const struct zkcfg_cursor *cursor)
{
	return cursor_at(cursor)->found.path;
}

const char *zkcfg_cursor_value(const struct zkcfg_cursor *cursor)
{
	return cursor_at(cursor)->found.value;
}
