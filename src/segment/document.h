/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A compiled document: raw bytes and tree in one run of bytes that needs no
 * parser, no allocation and no relocation to be read.
 *
 *   | header | name | origin | slots | strings | nodes | raw | sources |
 *
 * header   how long everything is; a checksum of all behind it
 * origin   revisions, and the hash of the name
 * slots    open-addressing hash table: path -> key
 * strings  keys (a path and, right behind it, its value) and names, each
 *          with a NUL behind it
 * nodes    elements and attributes in document order
 * raw      the bytes as fetched, with a NUL behind
 * sources  where a set has several: the ones that it was made from, and for
 *          each node which; nothing that a look-up needs
 *
 * Every offset is from the beginning of the document and checked before it is
 * followed, so that any bytes give an error or a value. The struct is public
 * only to segment/; others use the functions.
 */
#ifndef ZKCFG_SEGMENT_DOCUMENT_H
#define ZKCFG_SEGMENT_DOCUMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <zkcfg/zkcfg.h>

/* Where a document comes from and how old it is there. */
struct document_origin {
	const char *name;  /* relative to the set's root */
	uint64_t created;  /* source revision of its creation */
	uint64_t revision; /* source revision of its last change */
	int64_t version;   /* -1: none */
	const void *sources; /* of document_sources_write(); NULL: the set has one source only */
	size_t sources_bytes;
};

/*
 * Making one. Drive it as the parser reads: open, attribute..., then text and
 * children, close. Errors stick: look once, at document_builder_finish().
 */
struct document_builder;

/* raw is borrowed until finish. NULL: out of memory. Ends with finish or free. */
struct document_builder *document_builder_new(const struct document_origin *origin, const void *raw,
					      size_t raw_bytes);
void document_builder_free(struct document_builder *builder);
/* name: as written, with prefix. */
void document_builder_open(struct document_builder *builder, const char *name, size_t name_bytes);
/* Only right behind open. */
void document_builder_attribute(struct document_builder *builder, const char *name, size_t name_bytes,
				const char *value, size_t value_bytes);
/* Adds to the text of the open element; may come in pieces. */
void document_builder_text(struct document_builder *builder, const char *text, size_t text_bytes);
void document_builder_close(struct document_builder *builder);
/*
 * End it, and hand the document out: malloc'ed, *size_bytes long.
 * The builder is gone afterwards, also on failure.
 *
 * ZKCFG_ENOMEM; ZKCFG_ERANGE: a path is longer than DOCUMENT_PATH_LIMIT_BYTES,
 * or the compiled form would be larger than DOCUMENT_EXPANSION_LIMIT times the
 * raw bytes (small documents: 64 KiB) or DOCUMENT_COMPILED_LIMIT_BYTES.
 */
#define DOCUMENT_PATH_LIMIT_BYTES 4096
#define DOCUMENT_EXPANSION_LIMIT 64
#define DOCUMENT_COMPILED_LIMIT_BYTES (UINT32_C(1) << 30)
int document_builder_finish(struct document_builder *builder, struct zkcfg_document **document,
			    size_t *size_bytes);

/* Give a document that is not published yet another origin of the same name. */
void document_restamp(struct zkcfg_document *document, const struct document_origin *origin);

/*
 * Reading one. document_check() comes first, once for each pointer: at most
 * limit_bytes from it are read. It looks at the header alone;
 * document_verify() also at the checksum and at every offset.
 * ZKCFG_ECORRUPT.
 */
int document_check(const struct zkcfg_document *document, size_t limit_bytes);
int document_verify(const struct zkcfg_document *document, size_t limit_bytes);

/* The checksum that its bytes give. */
uint64_t document_checksum(const struct zkcfg_document *document);

size_t document_size_bytes(const struct zkcfg_document *document);
uint64_t document_hash(const struct zkcfg_document *document);
size_t document_name_bytes(const struct zkcfg_document *document);
uint64_t document_created(const struct zkcfg_document *document);
/* zkcfg_document_name(), _raw(), _revision(), _version(), _string() of the public header live here too. */

#define DOCUMENT_NODE_NONE UINT32_MAX
/* The node that a path names. ZKCFG_ENOPATH, ZKCFG_EINVAL, ZKCFG_ECORRUPT. */
int document_find_node(const struct zkcfg_document *document, const char *path, uint32_t *node);
/* Is it a path at all, whether a document has it or not? */
bool document_path_is_valid(const char *path);
/*
 * The string of a path that is not in the hash table, looked for step by step:
 * paths may be spelt in more ways than the table has. As zkcfg_document_string().
 */
int document_walk_string(const struct zkcfg_document *document, const char *path, const char **value);
/* Number of nodes; node 0 is the root element; attributes come right behind their element. */
uint32_t document_node_count(const struct zkcfg_document *document);

/* One of the sources that a document was made from. */
struct document_source {
	const char *uri;   /* without secrets */
	uint64_t revision; /* of the version there */
};

#define DOCUMENT_SOURCES_MOST 16
struct document_sources {
	size_t count; /* 0: it is not said */
	struct document_source sources[DOCUMENT_SOURCES_MOST]; /* the lowest layer first */
	const uint8_t *nodes; /* an index of sources for each node; NULL: all are of the first */
	const void *hidden;   /* with nodes: uint16_t for each node, bits of the sources whose value it hides */
	size_t node_count;
};
/* As bytes; returns how many. bytes NULL: only count them. */
size_t document_sources_write(const struct document_sources *sources, void *bytes);
/* Strings and nodes are borrowed from the bytes. What is not sound says nothing: count is 0. */
void document_sources_read(const void *bytes, size_t size_bytes, struct document_sources *sources);
/* Where the value of a node is from, and bits of the sources whose value it hides. */
size_t document_sources_of(const struct document_sources *sources, uint32_t node, uint16_t *hidden);
/* A document's bytes of that kind; "" and 0 where there are none. */
const void *document_sources(const struct zkcfg_document *document, size_t *size_bytes);
/* The same sources for the same nodes, whatever their revisions? */
bool document_sources_equal(const struct document_sources *a, const struct document_sources *b);

/* One node, with its strings; NULL where it has none. */
struct document_node {
	enum zkcfg_node_kind kind;
	uint32_t parent; /* DOCUMENT_NODE_NONE: none */
	uint32_t end;    /* the first node behind its subtree */
	unsigned depth;  /* below the root element, which has 0 */
	const char *name;
	const char *path;
	const char *value;
};
/* ZKCFG_ENOPATH: no such node; ZKCFG_ECORRUPT. */
int document_node(const struct zkcfg_document *document, uint32_t index, struct document_node *node);

#endif
