/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "xml/merge.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "segment/hash.h"
#include "xml/parse.h"
#include "xml/tree.h"

/* From so many attributes of an element on, they are not compared each with each. */
#define MERGE_FEW_ATTRIBUTES 16

struct merge {
	struct tree tree;
	/* Elements or attributes by what makes them the same, of one comparison at a time. */
	void **table;
	size_t table_size; /* a power of two */
	size_t table_capacity;
	struct xml_merge_fault *fault;
	const struct tree_node *node; /* what the fault is about; NULL: the result */
};

static uint64_t hash_string(const char *text)
{
	return text ? hash_bytes(text, strlen(text)) : 0;
}

static uint64_t hash_mix(uint64_t a, uint64_t b)
{
	a = (a ^ b) * UINT64_C(0x9e3779b97f4a7c15);
	return a ^ a >> 29;
}

static uint64_t hash_name(const struct tree_name *name)
{
	return hash_mix(hash_string(name->local), hash_string(name->uri ? name->uri : name->prefix));
}

static uint64_t hash_node(const struct tree_node *node)
{
	uint64_t hash = hash_name(&node->name);

	if (!node->key)
		return hash;
	return hash_mix(hash_mix(hash, hash_string(node->key->name.local)),
			hash_bytes(node->key->value.bytes, node->key->value.size_bytes));
}

static bool is_same_node(const struct tree_node *a, const struct tree_node *b)
{
	if (!tree_same_name(&a->name, &b->name) || !a->key != !b->key)
		return false;
	return !a->key || (strcmp(a->key->name.local, b->key->name.local) == 0 &&
			   a->key->value.size_bytes == b->key->value.size_bytes &&
			   memcmp(a->key->value.bytes, b->key->value.bytes, a->key->value.size_bytes) == 0);
}

/* An empty table for so many. false: out of memory. */
static bool merge_begin_table(struct merge *merge, size_t count)
{
	size_t size = 16;

	while (size < 2 * count)
		size *= 2;
	if (size > merge->table_capacity) {
		free(merge->table);
		merge->table = malloc(size * sizeof(*merge->table));
		merge->table_capacity = merge->table ? size : 0;
	}
	if (!merge->table)
		return false;
	merge->table_size = size;
	memset(merge->table, 0, size * sizeof(*merge->table));
	return true;
}

/* Where an element of the lower layer is, or would be. */
static struct tree_node **merge_find(const struct merge *merge, const struct tree_node *node)
{
	size_t mask = merge->table_size - 1, at = hash_node(node) & mask;
	struct tree_node **slots = (struct tree_node **)merge->table;

	while (slots[at] && !is_same_node(slots[at], node))
		at = (at + 1) & mask;
	return &slots[at];
}

static size_t count_children(const struct tree_node *node)
{
	const struct tree_node *child;
	size_t count = 0;

	TAILQ_FOREACH (child, &node->children, link)
		count++;
	return count;
}

/* For each child of upper: which of lower's are the same? */
static int merge_match(struct merge *merge, struct tree_node *lower, struct tree_node *upper)
{
	struct tree_node *child, **found;

	if (!merge_begin_table(merge, count_children(lower)))
		return ZKCFG_ENOMEM;
	TAILQ_FOREACH (child, &lower->children, link) {
		child->count = 1;
		child->upper_count = 0;
		child->same = NULL;
		child->last = child->left = child;
		child->is_over = false;
		found = merge_find(merge, child);
		if (!*found) {
			*found = child;
			continue;
		}
		(*found)->count++;
		(*found)->last->same = child;
		(*found)->last = child;
	}
	TAILQ_FOREACH (child, &upper->children, link) {
		child->match = *merge_find(merge, child);
		if (child->match)
			child->match->upper_count++;
	}
	return 0;
}

static struct tree_node *node_pair(struct tree_node *first)
{
	struct tree_node *pair = first->left;

	if (pair)
		first->left = pair->same;
	return pair;
}

static struct tree_attribute **merge_find_attribute(const struct merge *merge, const struct tree_name *name)
{
	size_t mask = merge->table_size - 1, at = hash_name(name) & mask;
	struct tree_attribute **slots = (struct tree_attribute **)merge->table;

	while (slots[at] && !tree_same_name(&slots[at]->name, name))
		at = (at + 1) & mask;
	return &slots[at];
}

/* The same for attributes. */
static int merge_match_attributes(struct merge *merge, struct tree_node *lower, struct tree_node *upper)
{
	struct tree_attribute *one;
	size_t count = 0;

	for (one = lower->attributes; one; one = one->next)
		count++;
	if (count > MERGE_FEW_ATTRIBUTES && !merge_begin_table(merge, count))
		return ZKCFG_ENOMEM;
	for (one = lower->attributes; one && count > MERGE_FEW_ATTRIBUTES; one = one->next)
		*merge_find_attribute(merge, &one->name) = one;
	for (one = upper->attributes; one; one = one->next) {
		if (count > MERGE_FEW_ATTRIBUTES) {
			one->match = *merge_find_attribute(merge, &one->name);
			continue;
		}
		one->match = lower->attributes;
		while (one->match && !tree_same_name(&one->match->name, &one->name))
			one->match = one->match->next;
	}
	return 0;
}

/*
 * What an upper element hides, whose lower one goes as a whole
 */

static void trace_hide(struct tree_trace *trace, const struct tree_trace *below)
{
	trace->hidden |= (uint16_t)(below->hidden | 1u << below->from);
}

/* White space is not said to be a value. */
static void hide_text(struct tree_node *lower, struct tree_node *upper)
{
	if (lower->content & TREE_TEXT)
		trace_hide(&upper->trace, &lower->trace);
	else
		upper->trace.hidden |= lower->trace.hidden;
}

static int merge_hide(struct merge *merge, struct tree_node *lower, struct tree_node *upper);

static int merge_hide_children(struct merge *merge, struct tree_node *lower, struct tree_node *upper)
{
	struct tree_node *child, *pair;
	int err = merge_match(merge, lower, upper);

	if (err < 0)
		return err;
	TAILQ_FOREACH (child, &upper->children, link) {
		pair = child->match ? node_pair(child->match) : NULL;
		err = pair ? merge_hide(merge, pair, child) : 0;
		if (err < 0)
			return err;
	}
	return 0;
}

static int merge_hide(struct merge *merge, struct tree_node *lower, struct tree_node *upper)
{
	int err = merge_match_attributes(merge, lower, upper);

	if (err < 0)
		return err;
	for (struct tree_attribute *one = upper->attributes; one; one = one->next)
		if (one->match)
			trace_hide(&one->trace, &one->match->trace);
	hide_text(lower, upper);
	return merge_hide_children(merge, lower, upper);
}

/*
 * Merging
 */

static void node_remove(struct tree_node *parent, struct tree_node *node)
{
	TAILQ_REMOVE(&parent->children, node, link);
	if (TAILQ_EMPTY(&parent->children) && parent->content == TREE_ELEMENTS) {
		parent->content = TREE_EMPTY;
		parent->text = (struct tree_text){ .bytes = "" };
	}
}

/* What has no layer below it: nothing is there to be removed. */
static void node_strip(struct tree_node *node)
{
	struct tree_node *child = TAILQ_FIRST(&node->children), *next;

	for (; child; child = next) {
		next = TAILQ_NEXT(child, link);
		if (child->mark == TREE_REMOVE)
			node_remove(node, child);
		else
			node_strip(child);
	}
}

__attribute__((format(printf, 4, 5))) static int merge_fail(struct merge *merge, const struct tree_node *node,
							    size_t other, const char *format, ...)
{
	char reason[sizeof(merge->fault->fault.reason)];
	va_list args;

	va_start(args, format);
	vsnprintf(reason, sizeof(reason), format, args);
	va_end(args);
	xml_fault_say(&merge->fault->fault, "%s", reason);
	merge->node = node;
	merge->fault->layer = node->layer;
	merge->fault->other = other;
	return ZKCFG_EINVAL;
}

static int merge_fail_twice(struct merge *merge, const struct tree_node *first, const struct tree_node *child)
{
	const struct tree_node *node = first->count > 1 ? first->same : child;
	const struct tree_text *key = &node->key->value;

	return merge_fail(merge, node, first->count > 1 ? child->layer : first->layer,
			  "element \"%.64s\" with %s=\"%.*s\" is there twice: it cannot be told which one "
			  "stands over, or below, that of another layer",
			  node->name.local, node->key->name.local,
			  (int)(key->size_bytes < 64 ? key->size_bytes : 64), key->bytes);
}

static int merge_element(struct merge *merge, struct tree_node *lower, struct tree_node *upper);

/* One of lower's children, and the one that is the same in upper. */
static int merge_child(struct merge *merge, struct tree_node *lower, struct tree_node *was,
		       struct tree_node *is)
{
	if (is->mark == TREE_NO_MARK)
		return merge_element(merge, was, is);
	if (is->mark == TREE_REPLACE) {
		TAILQ_INSERT_BEFORE(was, is, link);
		node_strip(is);
	}
	node_remove(lower, was);
	return is->mark == TREE_REPLACE ? merge_hide(merge, was, is) : 0;
}

/* One of a list without keys, which replaces lower's list. */
static int merge_list(struct merge *merge, struct tree_node *first, struct tree_node *is)
{
	struct tree_node *pair;

	for (pair = first; pair && !first->is_over; pair = pair->same)
		pair->is_over = pair != first;
	first->is_over = true;
	if (is->mark == TREE_REMOVE)
		return 0;
	TAILQ_INSERT_BEFORE(first, is, link);
	is->is_over = false;
	node_strip(is);
	pair = node_pair(first);
	return pair ? merge_hide(merge, pair, is) : 0;
}

static int merge_children(struct merge *merge, struct tree_node *lower, struct tree_node *upper)
{
	struct tree_node *child, *next, *first;
	int err = merge_match(merge, lower, upper);

	for (child = TAILQ_FIRST(&upper->children); child && err == 0; child = next) {
		next = TAILQ_NEXT(child, link);
		first = child->match;
		if (!first && child->mark != TREE_REMOVE) {
			TAILQ_INSERT_TAIL(&lower->children, child, link);
			child->is_over = false;
			node_strip(child);
		} else if (first && first->count == 1 && first->upper_count == 1) {
			err = merge_child(merge, lower, first, child);
		} else if (first && child->key) {
			err = merge_fail_twice(merge, first, child);
		} else if (first) {
			err = merge_list(merge, first, child);
		}
	}
	for (child = TAILQ_FIRST(&lower->children); child && err == 0; child = next) {
		next = TAILQ_NEXT(child, link);
		if (child->is_over)
			node_remove(lower, child);
	}
	if (!TAILQ_EMPTY(&lower->children))
		lower->content = TREE_ELEMENTS;
	return err;
}

static const char *content_word(const struct tree_node *node)
{
	static const char *const words[] = { "nothing", "text", "elements", "text among elements" };

	return words[node->content];
}

/* What is in an element, but for its attributes. */
static int merge_content(struct merge *merge, struct tree_node *lower, struct tree_node *upper)
{
	int err = 0;

	if (upper->content == TREE_EMPTY)
		return 0;
	if (lower->content == TREE_ELEMENTS && upper->content == TREE_ELEMENTS)
		return merge_children(merge, lower, upper);
	if (lower->content != TREE_EMPTY && lower->content != upper->content)
		return merge_fail(
			merge, upper, lower->trace.from,
			"element \"%.64s\" holds %s, and %s in the layer below: expected the same in "
			"both, or zkcfg:merge=\"replace\"",
			upper->name.local, content_word(upper), content_word(lower));
	node_strip(upper);
	hide_text(lower, upper);
	if (!TAILQ_EMPTY(&lower->children)) /* both are mixed */
		err = merge_hide_children(merge, lower, upper);
	TAILQ_INIT(&lower->children);
	TAILQ_CONCAT(&lower->children, &upper->children, link);
	lower->text = upper->text;
	lower->content = upper->content;
	lower->trace = upper->trace;
	return err;
}

static int merge_element(struct merge *merge, struct tree_node *lower, struct tree_node *upper)
{
	struct tree_attribute **last = &lower->attributes, *one, *next;
	struct tree_namespace **declared = &lower->namespaces;
	int err = merge_match_attributes(merge, lower, upper);

	if (err < 0)
		return err;
	while (*last)
		last = &(*last)->next;
	for (one = upper->attributes; one; one = next) {
		next = one->next;
		if (one->match) {
			trace_hide(&one->trace, &one->match->trace);
			one->match->value = one->value;
			one->match->trace = one->trace;
		} else {
			one->next = NULL;
			*last = one;
			last = &one->next;
		}
	}
	while (*declared)
		declared = &(*declared)->next;
	*declared = upper->namespaces;
	return merge_content(merge, lower, upper);
}

/* The next layer over what there is. */
static int merge_root(struct merge *merge, struct tree_node **root, struct tree_node *upper)
{
	struct tree_node *lower = *root;

	if (upper->mark == TREE_REMOVE)
		return merge_fail(merge, upper, XML_MERGE_NONE,
				  "the root element \"%.64s\" cannot be removed: expected a document without "
				  "bytes, or none, in every layer",
				  upper->name.local);
	if (!lower || upper->mark == TREE_REPLACE) {
		node_strip(upper);
		*root = upper;
		return lower ? merge_hide(merge, lower, upper) : 0;
	}
	if (!tree_same_name(&lower->name, &upper->name))
		return merge_fail(
			merge, upper, lower->layer,
			"the root element is \"%.64s\" of namespace \"%.64s\", and \"%.64s\" of namespace "
			"\"%.64s\" in the layer below: expected the same in both, or "
			"zkcfg:merge=\"replace\"",
			upper->name.local, upper->name.uri ? upper->name.uri : "", lower->name.local,
			lower->name.uri ? lower->name.uri : "");
	return merge_element(merge, lower, upper);
}

static int merge_layers(struct merge *merge, const struct xml_merge_layer *layers, size_t layer_count,
			const struct xml_limits *limits, struct tree_node **root)
{
	int err = 0;

	for (size_t i = 0; i < layer_count && err == 0; i++) {
		struct tree_node *upper;

		err = tree_read(&merge->tree, &layers[i], (uint8_t)i, limits, &upper, &merge->fault->fault);
		if (err == ZKCFG_EINVAL)
			merge->fault->layer = i;
		if (err == 0)
			err = merge_root(merge, root, upper);
	}
	return err;
}

int xml_merge(const struct xml_merge_layer *layers, size_t layer_count, const struct xml_limits *limits,
	      struct xml_merged *merged, struct xml_merge_fault *fault)
{
	struct merge merge = { .fault = fault };
	struct xml_merged made = { .is_as_it_was = false };
	struct tree_node *root = NULL;
	int err;

	limits = limits ? limits : &xml_limits_default;
	*fault = (struct xml_merge_fault){ .layer = XML_MERGE_NONE, .other = XML_MERGE_NONE };
	err = merge_layers(&merge, layers, layer_count, limits, &root);
	if (err == 0 && layer_count == 1 && !merge.tree.has_marks)
		made.is_as_it_was = true;
	else if (err == 0)
		err = tree_write(root, limits, &made, &fault->fault);
	if (merge.node)
		xml_locate(layers[fault->layer].bytes, layers[fault->layer].size_bytes, merge.node->number,
			   &fault->fault);
	if (err == 0)
		*merged = made;
	else
		xml_merged_free(&made);
	free(merge.table);
	tree_free(&merge.tree);
	return err;
}

void xml_merged_free(struct xml_merged *merged)
{
	buffer_free(&merged->text);
	buffer_free(&merged->from);
	buffer_free(&merged->hidden);
}
