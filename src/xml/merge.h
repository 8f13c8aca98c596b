/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Several layers of one document as one, element by element; zkcfgd.xml(5) has
 * the rules. Bytes in, bytes out: no I/O, nothing is kept.
 *
 * Two elements below the same one are the same if they have the same name and
 * the same @name, or where they have none the same @id; without either, if
 * each layer has one such element. So what a path of a value names is what a
 * layer overrides. Names are compared by namespace, not by prefix.
 *
 * The result is UTF-8, indented anew, without comments, processing
 * instructions and DOCTYPE. Values are kept to the byte.
 */
#ifndef ZKCFG_XML_MERGE_H
#define ZKCFG_XML_MERGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "xml/compile.h"

/* Of the attribute merge="remove" or merge="replace". */
#define XML_MERGE_NAMESPACE "urn:zkcfg"
#define XML_MERGE_LAYERS_MOST 16
#define XML_MERGE_NONE SIZE_MAX

struct xml_merge_layer {
	const void *bytes;
	size_t size_bytes;
};

/* Ends with xml_merged_free(). */
struct xml_merged {
	bool is_as_it_was; /* one layer, without marks: the rest is empty, the bytes are the layer's */
	struct buffer text;
	/* For each node of the text, as compiled documents count them: */
	struct buffer from;   /* uint8_t: the layer that its value is of */
	struct buffer hidden; /* uint16_t: bits of the layers whose value that hides */
};

struct xml_merge_fault {
	struct xml_fault fault; /* a place in the layer's bytes */
	size_t layer;		/* XML_MERGE_NONE: it is about the result */
	size_t other;		/* the one that it does not go with; XML_MERGE_NONE: none */
};

/*
 * layers  the lowest first, 1 to XML_MERGE_LAYERS_MOST of them.
 * limits  each layer's, and of the result its size; NULL: xml_limits_default.
 * merged  out.
 * fault   filled in with ZKCFG_EINVAL.
 *
 * 0; ZKCFG_EINVAL: a layer is not well-formed, or they do not go together;
 * ZKCFG_ENOMEM.
 */
int xml_merge(const struct xml_merge_layer *layers, size_t layer_count, const struct xml_limits *limits,
	      struct xml_merged *merged, struct xml_merge_fault *fault);
void xml_merged_free(struct xml_merged *merged);

#endif
