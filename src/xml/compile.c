/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "xml/compile.h"

#include <stdlib.h>
#include <string.h>

#include <libxml/relaxng.h>
#include <libxml/xmlschemastypes.h>

#include "base/buffer.h"
#include "xml/loader.h"
#include "xml/parse.h"

const struct xml_limits xml_limits_default = {
	.document_bytes = 16 * 1024 * 1024,
	.depth = 128,
	.elements = 1000000,
	.attributes = 256,
	.value_bytes = 1024 * 1024,
};

/* An element that is open. */
struct compile_frame {
	const xmlChar *name, *prefix; /* of libxml2's dictionary */
	uint32_t node;
	size_t text_bytes; /* its text and that of the elements within */
	bool has_elements;
	bool has_text; /* its own, more than white space: then text_bytes is the size of its value */
};

struct compile {
	struct xml_parse parse; /* first: the handlers get it */
	const struct xml_limits *limits;
	struct document_builder *builder;
	unsigned depth, elements;
	uint32_t nodes;
	struct buffer name;	/* a prefixed one, put together */
	uint32_t too_long_node; /* whose place is still to be found */
	struct compile_frame frames[XML_DEPTH_LIMIT];
};

void xml_start(void)
{
	xmlInitParser();
	/* these are made on first use, which two threads must not do at once */
	xmlRelaxNGInitTypes();
	xmlSchemaInitTypes();
	loader_start();
}

/* A name as it is written. NULL: out of memory. */
static const char *compile_name(struct compile *compile, const xmlChar *prefix, const xmlChar *local,
				size_t *size_bytes)
{
	if (!prefix) {
		*size_bytes = strlen((const char *)local);
		return (const char *)local;
	}
	buffer_clear(&compile->name);
	buffer_append(&compile->name, prefix, strlen((const char *)prefix));
	buffer_append(&compile->name, ":", 1);
	buffer_append(&compile->name, local, strlen((const char *)local));
	*size_bytes = compile->name.size_bytes;
	if (!buffer_failed(&compile->name))
		return compile->name.bytes;
	xml_parse_fail_memory(&compile->parse);
	return NULL;
}

/* How much of a name a message shows. */
static int name_shown(size_t name_bytes)
{
	return name_bytes < 64 ? (int)name_bytes : 64;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

static bool has_more_than_blanks(const char *text, size_t size_bytes)
{
	for (size_t i = 0; i < size_bytes; i++)
		if (!is_blank(text[i]))
			return true;
	return false;
}

static void compile_fail_text(struct compile *compile, const struct compile_frame *frame)
{
	static const struct xml_fault later = { .line = 0 };
	size_t name_bytes;
	const char *name;

	if (compile->parse.stopped)
		return;
	name = compile_name(compile, frame->prefix, frame->name, &name_bytes);
	if (!name)
		return;
	compile->too_long_node = frame->node;
	xml_parse_fail(&compile->parse, &later,
		       "the text of element \"%.*s\" is longer than the limit value=\"%zu\"",
		       name_shown(name_bytes), name, compile->limits->value_bytes);
}

/* name, prefix, namespace, value, end of value: as libxml2 tells an attribute. */
static void compile_attribute(struct compile *compile, const xmlChar *const attribute[5])
{
	size_t value_bytes = (size_t)(attribute[4] - attribute[3]), name_bytes;
	const char *name = compile_name(compile, attribute[1], attribute[0], &name_bytes);
	struct xml_fault place;

	if (!name)
		return;
	if (value_bytes > compile->limits->value_bytes) {
		place = xml_parse_tag_place(&compile->parse);
		xml_parse_fail(
			&compile->parse, &place,
			"the value of attribute \"%.*s\" has %zu bytes, more than the limit value=\"%zu\"",
			name_shown(name_bytes), name, value_bytes, compile->limits->value_bytes);
		return;
	}
	document_builder_attribute(compile->builder, name, name_bytes, (const char *)attribute[3],
				   value_bytes);
	compile->nodes++;
}

static void compile_open(void *user, const xmlChar *local, const xmlChar *prefix, const xmlChar *uri,
			 int namespace_count, const xmlChar **namespaces, int attribute_count,
			 int defaulted_count, const xmlChar **attributes)
{
	struct compile *compile = user;
	size_t name_bytes;
	const char *name;

	(void)uri, (void)namespaces, (void)defaulted_count;
	if (compile->parse.stopped)
		return;
	name = compile_name(compile, prefix, local, &name_bytes);
	if (!name || !xml_parse_admit(&compile->parse, compile->limits, compile->depth, compile->elements, name,
				      name_bytes, attribute_count + namespace_count))
		return;
	compile->elements++;
	if (compile->depth > 0)
		compile->frames[compile->depth - 1].has_elements = true;
	compile->frames[compile->depth++] =
		(struct compile_frame){ .name = local, .prefix = prefix, .node = compile->nodes++ };
	document_builder_open(compile->builder, name, name_bytes);
	for (int i = 0; i < attribute_count && !compile->parse.stopped; i++)
		compile_attribute(compile, attributes + 5 * i);
}

static void compile_text(void *user, const xmlChar *text, int size_bytes)
{
	struct compile *compile = user;
	struct compile_frame *frame;

	if (compile->parse.stopped)
		return;
	frame = &compile->frames[compile->depth - 1];
	frame->text_bytes += (size_t)size_bytes;
	if (!frame->has_text)
		frame->has_text = has_more_than_blanks((const char *)text, (size_t)size_bytes);
	if (frame->has_text && frame->text_bytes > compile->limits->value_bytes)
		compile_fail_text(compile, frame);
	else
		document_builder_text(compile->builder, (const char *)text, (size_t)size_bytes);
}

static void compile_close(void *user, const xmlChar *local, const xmlChar *prefix, const xmlChar *uri)
{
	struct compile *compile = user;
	struct compile_frame *frame, *parent;

	(void)local, (void)prefix, (void)uri;
	if (compile->parse.stopped)
		return;
	frame = &compile->frames[--compile->depth];
	document_builder_close(compile->builder);
	if (!frame->has_elements && frame->text_bytes > compile->limits->value_bytes)
		compile_fail_text(compile, frame);
	if (compile->depth == 0)
		return;
	parent = frame - 1;
	parent->text_bytes += frame->text_bytes;
	if (parent->has_text && parent->text_bytes > compile->limits->value_bytes)
		compile_fail_text(compile, parent);
}

static int compile_parse(struct compile *compile, struct xml_fault *fault)
{
	xmlSAXHandler handlers = { .startElementNs = compile_open,
				   .endElementNs = compile_close,
				   .characters = compile_text };
	int err = xml_parse_run(&compile->parse, &handlers);

	if (err == ZKCFG_EINVAL) {
		*fault = compile->parse.fault;
		if (compile->too_long_node != DOCUMENT_NODE_NONE)
			xml_locate(compile->parse.bytes, compile->parse.size_bytes, compile->too_long_node,
				   fault);
	}
	return err;
}

int xml_compile(const struct document_origin *origin, const void *bytes, size_t size_bytes,
		const struct xml_limits *limits, struct zkcfg_document **document, size_t *document_bytes,
		struct xml_fault *fault)
{
	struct compile compile = { .too_long_node = DOCUMENT_NODE_NONE };
	int err;

	compile.limits = limits ? limits : &xml_limits_default;
	err = xml_parse_look(bytes, size_bytes, compile.limits, fault);
	if (err < 0)
		return err;
	compile.parse.bytes = bytes;
	compile.parse.size_bytes = size_bytes;
	compile.parse.attribute_limit = compile.limits->attributes;
	compile.builder = document_builder_new(origin, bytes, size_bytes);
	if (!compile.builder)
		return ZKCFG_ENOMEM;
	err = compile_parse(&compile, fault);
	buffer_free(&compile.name);
	if (err < 0) {
		document_builder_free(compile.builder);
		return err;
	}
	err = document_builder_finish(compile.builder, document, document_bytes);
	if (err != ZKCFG_ERANGE)
		return err;
	*fault = (struct xml_fault){ .line = 0 };
	xml_fault_say(fault,
		      "a path has more than %d bytes, or the compiled form would be more than %d times as "
		      "large as the document",
		      DOCUMENT_PATH_LIMIT_BYTES, DOCUMENT_EXPANSION_LIMIT);
	return ZKCFG_EINVAL;
}

struct locate {
	struct xml_parse parse; /* first */
	uint32_t node, next;
	bool found;
	struct xml_fault place;
};

static void locate_open(void *user, const xmlChar *local, const xmlChar *prefix, const xmlChar *uri,
			int namespace_count, const xmlChar **namespaces, int attribute_count,
			int defaulted_count, const xmlChar **attributes)
{
	struct locate *locate = user;

	(void)local, (void)prefix, (void)uri, (void)namespace_count, (void)namespaces;
	(void)defaulted_count, (void)attributes;
	if (locate->parse.stopped)
		return;
	locate->next += 1 + (uint32_t)attribute_count;
	if (locate->node >= locate->next)
		return;
	locate->found = true;
	locate->place = xml_parse_tag_place(&locate->parse);
	xml_parse_stop(&locate->parse);
}

int xml_locate(const void *bytes, size_t size_bytes, uint32_t node, struct xml_fault *place)
{
	struct locate locate = { .parse = { .bytes = bytes, .size_bytes = size_bytes }, .node = node };
	xmlSAXHandler handlers = { .startElementNs = locate_open };

	locate.parse.attribute_limit = XML_ATTRIBUTES_LIMIT;
	if (xml_parse_run(&locate.parse, &handlers) == ZKCFG_ENOMEM || !locate.found)
		return ZKCFG_ENOPATH;
	place->line = locate.place.line;
	place->column = locate.place.column;
	return 0;
}
