/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "xml/tree.h"

#include <stdlib.h>
#include <string.h>

#include <libxml/dict.h>

#include "xml/parse.h"

#define CHUNK_BYTES 65536
#define CHUNK_ALIGN 16

struct tree_chunk {
	struct tree_chunk *next;
	size_t used_bytes, size_bytes;
	_Alignas(CHUNK_ALIGN) char bytes[];
};

void tree_free(struct tree *tree)
{
	struct tree_chunk *chunk = tree->chunks, *next;

	for (; chunk; chunk = next) {
		next = chunk->next;
		free(chunk);
	}
	for (size_t i = 0; i < XML_MERGE_LAYERS_MOST; i++)
		if (tree->dicts[i])
			xmlDictFree(tree->dicts[i]);
	*tree = (struct tree){ .chunks = NULL };
}

void *tree_allocate(struct tree *tree, size_t size_bytes)
{
	struct tree_chunk *chunk = tree->chunks;
	size_t wanted = (size_bytes + CHUNK_ALIGN - 1) & ~(size_t)(CHUNK_ALIGN - 1), chunk_bytes;

	if (!chunk || chunk->size_bytes - chunk->used_bytes < wanted) {
		chunk_bytes = wanted > CHUNK_BYTES ? wanted : CHUNK_BYTES;
		chunk = malloc(sizeof(*chunk) + chunk_bytes);
		if (!chunk) {
			tree->no_memory = true;
			return NULL;
		}
		*chunk = (struct tree_chunk){ .next = tree->chunks, .size_bytes = chunk_bytes };
		tree->chunks = chunk;
	}
	chunk->used_bytes += wanted;
	return memset(chunk->bytes + chunk->used_bytes - wanted, 0, wanted);
}

bool tree_same_string(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

bool tree_same_name(const struct tree_name *a, const struct tree_name *b)
{
	/* a prefix that nobody declared is part of the name */
	return strcmp(a->local, b->local) == 0 && tree_same_string(a->uri, b->uri) &&
	       (a->uri || tree_same_string(a->prefix, b->prefix));
}

/*
 * Reading
 */

struct tree_reader {
	struct xml_parse parse; /* first: the handlers get it */
	const struct xml_limits *limits;
	struct tree *tree;
	uint8_t layer;
	unsigned depth, elements;
	uint32_t nodes;
	struct buffer text; /* since the last tag */
	uint32_t fault_node; /* whose place is still to be found */
	struct tree_node *root;
	struct tree_node *open[XML_DEPTH_LIMIT];
};

static void *reader_allocate(struct tree_reader *reader, size_t size_bytes)
{
	void *made = tree_allocate(reader->tree, size_bytes);

	if (!made)
		xml_parse_fail_memory(&reader->parse);
	return made;
}

static struct tree_text reader_keep(struct tree_reader *reader, const void *bytes, size_t size_bytes)
{
	char *kept = size_bytes > 0 ? reader_allocate(reader, size_bytes) : NULL;

	if (!kept)
		return (struct tree_text){ .bytes = "" };
	memcpy(kept, bytes, size_bytes);
	return (struct tree_text){ .bytes = kept, .size_bytes = size_bytes };
}

static bool is_blank(const struct tree_text *text)
{
	for (size_t i = 0; i < text->size_bytes; i++)
		if (!strchr(" \n\t\r", text->bytes[i]) || text->bytes[i] == '\0')
			return false;
	return true;
}

/* The text between two tags; what it makes of the element that it is in. */
static struct tree_text reader_end_text(struct tree_reader *reader, struct tree_node *parent)
{
	struct tree_text text = reader_keep(reader, reader->text.bytes, reader->text.size_bytes);

	if (buffer_failed(&reader->text))
		xml_parse_fail_memory(&reader->parse);
	buffer_clear(&reader->text);
	if (!is_blank(&text))
		parent->content |= TREE_TEXT;
	return text;
}

/* Is it ours? Then it says something about the element. */
static bool reader_take_mark(struct tree_reader *reader, struct tree_node *node, const struct tree_name *name,
			     const struct tree_text *value)
{
	struct xml_fault place;

	if (!name->uri || strcmp(name->uri, XML_MERGE_NAMESPACE) != 0)
		return false;
	reader->tree->has_marks = true;
	if (strcmp(name->local, "merge") == 0 && value->size_bytes == 6 &&
	    memcmp(value->bytes, "remove", 6) == 0)
		node->mark = TREE_REMOVE;
	else if (strcmp(name->local, "merge") == 0 && value->size_bytes == 7 &&
		 memcmp(value->bytes, "replace", 7) == 0)
		node->mark = TREE_REPLACE;
	else {
		place = xml_parse_tag_place(&reader->parse);
		xml_parse_fail(&reader->parse, &place,
			       "attribute %.32s=\"%.*s\" of namespace " XML_MERGE_NAMESPACE
			       ": expected merge=\"remove\" or merge=\"replace\"",
			       name->local, (int)(value->size_bytes < 64 ? value->size_bytes : 64),
			       value->bytes);
	}
	return true;
}

static bool is_key(const struct tree_attribute *attribute, const char *name)
{
	return !attribute->name.prefix && strcmp(attribute->name.local, name) == 0;
}

/* As libxml2 tells them: name, prefix, namespace, value, end of value. */
static void reader_add_attributes(struct tree_reader *reader, struct tree_node *node, int count,
				  const xmlChar **told)
{
	struct tree_attribute **last = &node->attributes, *made;

	for (int i = 0; i < count && !reader->parse.stopped; i++, told += 5) {
		struct tree_name name = { .local = (const char *)told[0],
					  .prefix = (const char *)told[1],
					  .uri = (const char *)told[2] };
		struct tree_text value = reader_keep(reader, told[3], (size_t)(told[4] - told[3]));

		if (reader_take_mark(reader, node, &name, &value))
			continue;
		made = reader_allocate(reader, sizeof(*made));
		if (!made)
			return;
		made->name = name;
		made->value = value;
		made->trace.from = reader->layer;
		*last = made;
		last = &made->next;
		if (is_key(made, "name") || (!node->key && is_key(made, "id")))
			node->key = made;
	}
}

static void reader_add_namespaces(struct tree_reader *reader, struct tree_node *node, int count,
				  const xmlChar **told)
{
	struct tree_namespace **last = &node->namespaces, *made;

	for (int i = 0; i < count; i++, told += 2) {
		if (told[1] && strcmp((const char *)told[1], XML_MERGE_NAMESPACE) == 0) {
			reader->tree->has_marks = true;
			continue;
		}
		made = reader_allocate(reader, sizeof(*made));
		if (!made)
			return;
		made->prefix = (const char *)told[0];
		made->uri = told[1] && told[1][0] != '\0' ? (const char *)told[1] : NULL;
		*last = made;
		last = &made->next;
	}
}

/* It is within the limits: below the element that is open, or the root. */
static struct tree_node *reader_add(struct tree_reader *reader, const struct tree_name *name)
{
	struct tree_node *node = reader_allocate(reader, sizeof(*node)), *parent;

	if (!node)
		return NULL;
	TAILQ_INIT(&node->children);
	node->name = *name;
	node->layer = node->trace.from = reader->layer;
	node->number = reader->nodes;
	if (reader->depth == 0) {
		reader->root = node;
		/* names are of the parser's dictionary, which goes with it but for this */
		if (xmlDictReference(reader->parse.ctxt->dict) < 0)
			xml_parse_fail_memory(&reader->parse);
		else
			reader->tree->dicts[reader->layer] = reader->parse.ctxt->dict;
	} else {
		parent = reader->open[reader->depth - 1];
		node->before = reader_end_text(reader, parent);
		parent->content |= TREE_ELEMENTS;
		TAILQ_INSERT_TAIL(&parent->children, node, link);
	}
	return node;
}

static void tree_open(void *user, const xmlChar *local, const xmlChar *prefix, const xmlChar *uri,
		      int namespace_count, const xmlChar **namespaces, int attribute_count,
		      int defaulted_count, const xmlChar **attributes)
{
	struct tree_reader *reader = user;
	struct tree_name name = { .local = (const char *)local,
				  .prefix = (const char *)prefix,
				  .uri = (const char *)uri };
	struct tree_node *node;

	(void)defaulted_count;
	if (reader->parse.stopped ||
	    !xml_parse_admit(&reader->parse, reader->limits, reader->depth, reader->elements, name.local,
			     strlen(name.local), attribute_count + namespace_count))
		return;
	reader->elements++;
	node = reader_add(reader, &name);
	if (!node)
		return;
	reader->open[reader->depth++] = node;
	reader->nodes += 1 + (uint32_t)attribute_count;
	reader_add_namespaces(reader, node, namespace_count, namespaces);
	reader_add_attributes(reader, node, attribute_count, attributes);
}

static void tree_characters(void *user, const xmlChar *text, int size_bytes)
{
	struct tree_reader *reader = user;

	if (!reader->parse.stopped)
		buffer_append(&reader->text, text, (size_t)size_bytes);
}

static void tree_close(void *user, const xmlChar *local, const xmlChar *prefix, const xmlChar *uri)
{
	struct tree_reader *reader = user;
	const struct tree_node *child;
	static const struct xml_fault later = { .line = 0 };
	struct tree_node *node;

	(void)local, (void)prefix, (void)uri;
	if (reader->parse.stopped)
		return;
	node = reader->open[--reader->depth];
	node->text = reader_end_text(reader, node);
	if (node->content != TREE_MIXED)
		return;
	TAILQ_FOREACH (child, &node->children, link)
		if (child->mark != TREE_NO_MARK)
			break;
	if (!child)
		return;
	reader->fault_node = child->number;
	xml_parse_fail(
		&reader->parse, &later,
		"element \"%.64s\" is among text, where zkcfg:merge is not known: give it to \"%.64s\", "
		"which is taken as a whole",
		child->name.local, node->name.local);
}

int tree_read(struct tree *tree, const struct xml_merge_layer *layer, uint8_t number,
	      const struct xml_limits *limits, struct tree_node **root, struct xml_fault *fault)
{
	struct tree_reader reader = { .parse = { .bytes = layer->bytes, .size_bytes = layer->size_bytes },
				      .limits = limits,
				      .tree = tree,
				      .layer = number,
				      .fault_node = DOCUMENT_NODE_NONE };
	xmlSAXHandler handlers = { .startElementNs = tree_open,
				   .endElementNs = tree_close,
				   .characters = tree_characters };
	int err;

	err = xml_parse_look(layer->bytes, layer->size_bytes, limits, fault);
	if (err < 0)
		return err;
	reader.parse.attribute_limit = limits->attributes;
	err = xml_parse_run(&reader.parse, &handlers);
	buffer_free(&reader.text);
	if (err == ZKCFG_EINVAL)
		*fault = reader.parse.fault;
	if (err == ZKCFG_EINVAL && reader.fault_node != DOCUMENT_NODE_NONE)
		xml_locate(layer->bytes, layer->size_bytes, reader.fault_node, fault);
	if (err == 0 && (!reader.root || tree->no_memory))
		err = ZKCFG_ENOMEM;
	if (err == 0)
		*root = reader.root;
	return err;
}

/*
 * Writing
 */

/* What a prefix stands for, from an element on. */
struct binding {
	const char *prefix, *uri;
};

struct tree_writer {
	const struct xml_limits *limits;
	struct xml_merged *merged;
	struct xml_fault *fault;
	struct buffer bindings; /* of those that are open, the innermost last */
	int error;
};

static void write_text(struct tree_writer *writer, const char *text)
{
	buffer_append(&writer->merged->text, text, strlen(text));
}

/* What is written for a byte; NULL: itself. */
static const char *escape_of(char c, bool is_attribute)
{
	switch (c) {
	case '&':
		return "&amp;";
	case '<':
		return "&lt;";
	case '>':
		return "&gt;";
	case '\r':
		return "&#13;";
	case '"':
		return is_attribute ? "&quot;" : NULL;
	case '\n':
		return is_attribute ? "&#10;" : NULL;
	case '\t':
		return is_attribute ? "&#9;" : NULL;
	default:
		return NULL;
	}
}

static void write_escaped(struct tree_writer *writer, const struct tree_text *text, bool is_attribute)
{
	struct buffer *out = &writer->merged->text;
	size_t begin = 0;

	for (size_t i = 0; i < text->size_bytes; i++) {
		const char *escape = escape_of(text->bytes[i], is_attribute);

		if (!escape)
			continue;
		buffer_append(out, text->bytes + begin, i - begin);
		write_text(writer, escape);
		begin = i + 1;
	}
	buffer_append(out, text->bytes + begin, text->size_bytes - begin);
}

static void write_name(struct tree_writer *writer, const struct tree_name *name)
{
	if (name->prefix) {
		write_text(writer, name->prefix);
		write_text(writer, ":");
	}
	write_text(writer, name->local);
}

static void write_attribute(struct tree_writer *writer, const struct tree_name *name,
			    const struct tree_text *value)
{
	write_text(writer, " ");
	write_name(writer, name);
	write_text(writer, "=\"");
	write_escaped(writer, value, true);
	write_text(writer, "\"");
}

static void write_trace(struct tree_writer *writer, const struct tree_trace *trace)
{
	buffer_append(&writer->merged->from, &trace->from, sizeof(trace->from));
	buffer_append(&writer->merged->hidden, &trace->hidden, sizeof(trace->hidden));
}

/* The place of a prefix among those in scope, from 1; 0: it is in none. */
static size_t writer_find(const struct tree_writer *writer, const char *prefix)
{
	const struct binding *bindings = (const struct binding *)(const void *)writer->bindings.bytes;
	size_t at = writer->bindings.size_bytes / sizeof(*bindings);

	while (at > 0 && !tree_same_string(bindings[at - 1].prefix, prefix))
		at--;
	return at;
}

static void writer_bind(struct tree_writer *writer, const char *prefix, const char *uri)
{
	struct binding binding = { .prefix = prefix, .uri = uri };

	buffer_append(&writer->bindings, &binding, sizeof(binding));
	if (buffer_failed(&writer->bindings))
		writer->error = ZKCFG_ENOMEM;
}

static void write_declaration(struct tree_writer *writer, const char *prefix, const char *uri)
{
	struct tree_name name = { .local = prefix ? prefix : "xmlns", .prefix = prefix ? "xmlns" : NULL };
	struct tree_text value = { .bytes = uri ? uri : "", .size_bytes = uri ? strlen(uri) : 0 };

	write_attribute(writer, &name, &value);
	writer_bind(writer, prefix, uri);
}

/*
 * The prefix has to stand for what it stood for in the layer that the name is
 * of. outer: bindings around the element; those behind belong to its own names.
 */
static void write_binding_of(struct tree_writer *writer, const struct tree_name *name, size_t outer)
{
	const struct binding *bindings = (const struct binding *)(const void *)writer->bindings.bytes;
	size_t at;
	bool is_so;

	if (writer->error < 0 || (name->prefix && (!name->uri || strcmp(name->prefix, "xml") == 0)))
		return;
	at = writer_find(writer, name->prefix);
	is_so = tree_same_string(at > 0 ? bindings[at - 1].uri : NULL, name->uri);
	if (at <= outer && is_so) {
		writer_bind(writer, name->prefix, name->uri); /* to stay so in this element */
	} else if (at <= outer) {
		write_declaration(writer, name->prefix, name->uri);
	} else if (!is_so) {
		xml_fault_say(writer->fault,
			      "the prefix \"%.64s\" stands for \"%.100s\" in one layer and for \"%.100s\" in "
			      "another, within one element: expected one meaning, or another prefix",
			      name->prefix ? name->prefix : "",
			      bindings[at - 1].uri ? bindings[at - 1].uri : "", name->uri ? name->uri : "");
		writer->error = ZKCFG_EINVAL;
	}
}

static void write_bindings(struct tree_writer *writer, const struct tree_node *node)
{
	size_t outer = writer->bindings.size_bytes / sizeof(struct binding);

	write_binding_of(writer, &node->name, outer);
	for (const struct tree_attribute *one = node->attributes; one; one = one->next)
		if (one->name.prefix)
			write_binding_of(writer, &one->name, outer);
	/* the rest is for what is below, and for prefixes in values */
	for (const struct tree_namespace *one = node->namespaces; one && writer->error == 0; one = one->next)
		if (writer_find(writer, one->prefix) <= outer)
			write_declaration(writer, one->prefix, one->uri);
}

/* A new line, as far in as an element is deep; so deep and no deeper, as it adds up. */
static void write_indent(struct tree_writer *writer, unsigned depth)
{
	buffer_append(&writer->merged->text, "\n                                ",
		      1 + 2 * (depth < 16 ? depth : 16));
}

static void write_node(struct tree_writer *writer, const struct tree_node *node, unsigned depth,
		       bool is_verbatim);

static void write_content(struct tree_writer *writer, const struct tree_node *node, unsigned depth,
			  bool is_verbatim)
{
	const struct tree_node *child;

	is_verbatim = is_verbatim || node->content != TREE_ELEMENTS;
	TAILQ_FOREACH (child, &node->children, link) {
		if (is_verbatim)
			write_escaped(writer, &child->before, false);
		else
			write_indent(writer, depth + 1);
		write_node(writer, child, depth + 1, is_verbatim);
	}
	if (is_verbatim)
		write_escaped(writer, &node->text, false);
	else
		write_indent(writer, depth);
}

static void write_node(struct tree_writer *writer, const struct tree_node *node, unsigned depth,
		       bool is_verbatim)
{
	size_t outer_bytes = writer->bindings.size_bytes;

	if (writer->error < 0)
		return;
	write_text(writer, "<");
	write_name(writer, &node->name);
	write_bindings(writer, node);
	write_trace(writer, &node->trace);
	for (const struct tree_attribute *one = node->attributes; one; one = one->next) {
		write_attribute(writer, &one->name, &one->value);
		write_trace(writer, &one->trace);
	}
	if (writer->merged->text.size_bytes > writer->limits->document_bytes && writer->error == 0) {
		xml_fault_say(writer->fault, "merged, they have more bytes than the limit document=\"%zu\"",
			      writer->limits->document_bytes);
		writer->error = ZKCFG_EINVAL;
	}
	if (TAILQ_EMPTY(&node->children) && node->text.size_bytes == 0) {
		write_text(writer, "/>");
	} else {
		write_text(writer, ">");
		write_content(writer, node, depth, is_verbatim);
		write_text(writer, "</");
		write_name(writer, &node->name);
		write_text(writer, ">");
	}
	writer->bindings.size_bytes = outer_bytes;
}

int tree_write(const struct tree_node *root, const struct xml_limits *limits, struct xml_merged *merged,
	       struct xml_fault *fault)
{
	struct tree_writer writer = { .limits = limits, .merged = merged, .fault = fault };

	write_node(&writer, root, 0, false);
	write_text(&writer, "\n");
	buffer_free(&writer.bindings);
	if (writer.error == 0 &&
	    (buffer_failed(&merged->text) || buffer_failed(&merged->from) || buffer_failed(&merged->hidden)))
		writer.error = ZKCFG_ENOMEM;
	return writer.error;
}
