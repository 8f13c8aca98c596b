/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes -> compiled document: the check that every version has to pass.
 *
 * xml/ is the only user of libxml2. Nothing is fetched, no entity beyond the
 * five built-in is expanded, nothing is recovered. A DOCTYPE with an external
 * identifier is accepted and never fetched; an internal subset that declares
 * an entity is refused, and so is a reference to one that is not built in,
 * whatever an external DTD may declare.
 *
 * Values are what XPath's string() gives where no DTD is loaded: text and
 * CDATA joined, comments and processing instructions passed over, attributes
 * normalised as their declared type in the internal subset says, and no
 * attributes that stand there as defaults only. Declarations of namespaces
 * are no attributes; a prefix need not be declared. Names and values are UTF-8
 * whatever the document's encoding, raw bytes stay as they are.
 *
 * xml_start() once per process, before threads. The rest may run on any
 * thread.
 */
#ifndef ZKCFG_XML_COMPILE_H
#define ZKCFG_XML_COMPILE_H

#include <stddef.h>
#include <stdint.h>

#include "segment/document.h"

/*
 * Each is named in the message that enforces it as <limits> of zkcfgd.xml(5)
 * spells it. Besides, there are fixed ones: 64 KiB of DOCTYPE with its
 * internal subset, about 1,000 namespaces in scope, those of the compiled form
 * (document_builder_finish()), and libxml2's own, of 10,000,000 bytes for one
 * piece of markup and 50,000 for a name.
 */
struct xml_limits {
	size_t document_bytes; /* raw size */
	unsigned depth;	       /* of nested elements; XML_DEPTH_LIMIT at most counts */
	unsigned elements;     /* in all */
	unsigned attributes;   /* of one element, namespace declarations included */
	size_t value_bytes;    /* of one attribute or element, as readers see it */
};

/* libxml2 goes no deeper. */
#define XML_DEPTH_LIMIT 256
/* It compares an element's attributes each with each. */
#define XML_ATTRIBUTES_LIMIT 10000

/* 16 MiB, 128, 1,000,000, 256, 1 MiB */
extern const struct xml_limits xml_limits_default;

/* What is wrong with a document, and where. */
struct xml_fault {
	uint32_t line;	  /* from 1; 0: nowhere in particular */
	uint32_t column;  /* from 1, in characters; 0: unknown */
	char reason[384]; /* one line: what was found and what was expected */
};

/* It also becomes libxml2's loader of external entities, process-wide: see loader.h. */
void xml_start(void);

/*
 * Check a document and compile it.
 *
 * limits    NULL: xml_limits_default.
 * document  out: malloc'ed; free() it.
 * fault     filled in on failure.
 *
 * 0; ZKCFG_EINVAL: not acceptable; ZKCFG_ENOMEM.
 */
int xml_compile(const struct document_origin *origin, const void *bytes, size_t size_bytes,
		const struct xml_limits *limits, struct zkcfg_document **document, size_t *document_bytes,
		struct xml_fault *fault);

/*
 * Where the node with this number (document_find_node()) begins in bytes that
 * xml_compile() accepted: line and column of its start tag, in *place.
 * For messages about values; it parses anew. 0 or ZKCFG_ENOPATH.
 */
int xml_locate(const void *bytes, size_t size_bytes, uint32_t node, struct xml_fault *place);

#endif
