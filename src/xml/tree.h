/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Documents as trees that can be changed, for merge.c: reading with the parser
 * that every document is read with, and writing. All nodes of a struct tree
 * are freed together. What is where, and in which layer, is merge.c's.
 */
#ifndef ZKCFG_XML_TREE_H
#define ZKCFG_XML_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include <libxml/tree.h>

#include "xml/merge.h"

struct tree_text {
	const char *bytes;
	size_t size_bytes;
};

/* Strings are of the layer's dictionary. */
struct tree_name {
	const char *local, *prefix; /* prefix NULL: none */
	const char *uri;	    /* NULL: in no namespace, or the prefix is not declared */
};

/* Where a value is from. */
struct tree_trace {
	uint16_t hidden; /* bits of layers */
	uint8_t from;
};

struct tree_attribute {
	struct tree_attribute *next;
	struct tree_name name;
	struct tree_text value;
	struct tree_trace trace;
	struct tree_attribute *match; /* the lower layer's, while two elements are compared */
};

/* A declaration. */
struct tree_namespace {
	struct tree_namespace *next;
	const char *prefix, *uri; /* NULL: the default one; none any more */
};

enum tree_content {
	TREE_EMPTY, /* nothing but white space */
	TREE_TEXT,
	TREE_ELEMENTS, /* and nothing but white space between them */
	TREE_MIXED
};

enum tree_mark { TREE_NO_MARK, TREE_REMOVE, TREE_REPLACE };

struct tree_node {
	TAILQ_ENTRY(tree_node) link;
	TAILQ_HEAD(tree_nodes, tree_node) children;
	struct tree_name name;
	struct tree_namespace *namespaces;
	struct tree_attribute *attributes;
	const struct tree_attribute *key; /* @name, or else @id; NULL: neither */
	struct tree_text before;	  /* between the element before it, or its parent's tag, and it */
	struct tree_text text;		  /* behind its last element, or all there is */
	uint32_t number;		  /* in its layer, as compiled documents count nodes */
	struct tree_trace trace;
	uint8_t layer;	 /* where it was first */
	uint8_t content; /* enum tree_content */
	uint8_t mark;	 /* enum tree_mark */
	/* While the children of its parent are compared: */
	uint32_t count, upper_count;   /* so many are the same element, in the lower and the upper layer */
	struct tree_node *match;       /* the first such one in the lower layer */
	struct tree_node *last, *same; /* the last, and the next */
	struct tree_node *left;	       /* the first that is not paired yet */
	bool is_over;		       /* a list of the upper layer takes its place */
};

struct tree {
	struct tree_chunk *chunks; /* what all nodes lie in */
	struct _xmlDict *dicts[XML_MERGE_LAYERS_MOST];
	bool has_marks;
	bool no_memory;
};

/* An empty one is { 0 }. */
void tree_free(struct tree *tree);
/* Memory of the tree; NULL: there is none, which the tree keeps in mind. */
void *tree_allocate(struct tree *tree, size_t size_bytes);

/* Read a layer. 0, ZKCFG_EINVAL with fault, ZKCFG_ENOMEM. */
int tree_read(struct tree *tree, const struct xml_merge_layer *layer, uint8_t number,
	      const struct xml_limits *limits, struct tree_node **root, struct xml_fault *fault);
/*
 * Write it, with traces. ZKCFG_EINVAL with fault: longer than the limit, or a
 * prefix has two meanings in one element; ZKCFG_ENOMEM.
 */
int tree_write(const struct tree_node *root, const struct xml_limits *limits, struct xml_merged *merged,
	       struct xml_fault *fault);

/* The same name, whatever the prefix? */
bool tree_same_name(const struct tree_name *a, const struct tree_name *b);
/* NULL is a string of its own. */
bool tree_same_string(const char *a, const char *b);

#endif
