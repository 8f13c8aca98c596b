/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "source/znode.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ZNODE_BUCKETS_LEAST 64
#define ZNODE_HASH_BEGIN UINT32_C(2166136261)

/* FNV-1a, which can be carried on from a parent's path to a child's. */
static uint32_t znode_hash(uint32_t hash, const char *bytes, size_t size_bytes)
{
	for (size_t i = 0; i < size_bytes; i++)
		hash = (hash ^ (unsigned char)bytes[i]) * UINT32_C(16777619);
	return hash;
}

static struct znode **znode_bucket(const struct znode_tree *tree, uint32_t hash)
{
	return &tree->buckets[(hash ^ hash >> 15) & (tree->bucket_count - 1)];
}

static struct znode *znode_new(const struct znode *parent, const char *name, size_t name_length)
{
	/* The root "/" ends with the slash that others need. */
	bool slash = parent && parent->path_length > 1;
	size_t begin = parent ? parent->path_length + (slash ? 1 : 0) : 0;
	struct znode *node;

	if (begin + name_length >= UINT32_MAX)
		return NULL;
	node = calloc(1, sizeof(*node) + begin + name_length + 1);
	if (!node)
		return NULL;
	if (parent)
		memcpy(node->path, parent->path, parent->path_length);
	if (slash)
		node->path[begin - 1] = '/';
	memcpy(node->path + begin, name, name_length);
	node->path_length = (uint32_t)(begin + name_length);
	node->hash = znode_hash(ZNODE_HASH_BEGIN, node->path, node->path_length);
	node->data.kind = WATCH_DATA;
	node->children.kind = WATCH_CHILDREN;
	return node;
}

static void znode_table_grow(struct znode_tree *tree)
{
	struct znode_tree grown = { .bucket_count = tree->bucket_count * 2 };

	grown.buckets = calloc(grown.bucket_count, sizeof(*grown.buckets));
	if (!grown.buckets)
		return; /* longer chains are only slower */
	for (size_t i = 0; i < tree->bucket_count; i++) {
		struct znode *node = tree->buckets[i];

		while (node) {
			struct znode *next = node->bucket_next;
			struct znode **bucket = znode_bucket(&grown, node->hash);

			node->bucket_next = *bucket;
			*bucket = node;
			node = next;
		}
	}
	free(tree->buckets);
	tree->buckets = grown.buckets;
	tree->bucket_count = grown.bucket_count;
}

static void znode_table_insert(struct znode_tree *tree, struct znode *node)
{
	struct znode **bucket;

	if (tree->node_count >= tree->bucket_count)
		znode_table_grow(tree);
	bucket = znode_bucket(tree, node->hash);
	node->bucket_next = *bucket;
	*bucket = node;
	tree->node_count++;
}

int znode_tree_init(struct znode_tree *tree, const char *root_path)
{
	struct znode_tree made = { .bucket_count = ZNODE_BUCKETS_LEAST };

	made.buckets = calloc(made.bucket_count, sizeof(*made.buckets));
	if (!made.buckets)
		return -ENOMEM;
	made.root = znode_new(NULL, root_path, strlen(root_path));
	if (!made.root) {
		free(made.buckets);
		return -ENOMEM;
	}
	znode_table_insert(&made, made.root);
	*tree = made;
	return 0;
}

void znode_tree_free(struct znode_tree *tree)
{
	for (size_t i = 0; i < tree->bucket_count; i++) {
		struct znode *node = tree->buckets[i];

		while (node) {
			struct znode *next = node->bucket_next;

			free(node);
			node = next;
		}
	}
	free(tree->buckets);
	*tree = (struct znode_tree){ 0 };
}

struct znode *znode_find(const struct znode_tree *tree, const char *path, size_t path_length)
{
	uint32_t hash = znode_hash(ZNODE_HASH_BEGIN, path, path_length);
	struct znode *node = *znode_bucket(tree, hash);

	while (node && (node->hash != hash || node->path_length != path_length ||
			memcmp(node->path, path, path_length) != 0))
		node = node->bucket_next;
	return node;
}

struct znode *znode_find_child(const struct znode_tree *tree, const struct znode *parent, const char *name)
{
	bool slash = parent->path_length > 1;
	size_t begin = parent->path_length + (slash ? 1 : 0), length = strlen(name);
	uint32_t hash = znode_hash(ZNODE_HASH_BEGIN, parent->path, parent->path_length);
	struct znode *node;

	if (slash)
		hash = znode_hash(hash, "/", 1);
	hash = znode_hash(hash, name, length);
	node = *znode_bucket(tree, hash);
	while (node && (node->hash != hash || node->parent != parent || node->path_length != begin + length ||
			memcmp(node->path + begin, name, length) != 0))
		node = node->bucket_next;
	return node;
}

struct znode *znode_add(struct znode_tree *tree, struct znode *parent, const char *name)
{
	struct znode *node = znode_new(parent, name, strlen(name));

	if (!node)
		return NULL;
	node->parent = parent;
	node->sibling_next = parent->first_child;
	if (node->sibling_next)
		node->sibling_next->sibling_prev = node;
	parent->first_child = node;
	znode_table_insert(tree, node);
	return node;
}

void znode_remove(struct znode_tree *tree, struct znode *node)
{
	struct znode **link = znode_bucket(tree, node->hash);

	assert(!node->first_child && node->parent);
	while (*link != node)
		link = &(*link)->bucket_next;
	*link = node->bucket_next;
	tree->node_count--;
	if (node->sibling_prev)
		node->sibling_prev->sibling_next = node->sibling_next;
	else
		node->parent->first_child = node->sibling_next;
	if (node->sibling_next)
		node->sibling_next->sibling_prev = node->sibling_prev;
	free(node);
}

struct znode *znode_deepest(struct znode *top)
{
	while (top->first_child)
		top = top->first_child;
	return top;
}

struct znode *znode_next(const struct znode *node)
{
	if (node->first_child)
		return node->first_child;
	while (node && !node->sibling_next)
		node = node->parent;
	return node ? node->sibling_next : NULL;
}

struct znode *znode_of(struct watch *watch)
{
	size_t offset =
		watch->kind == WATCH_DATA ? offsetof(struct znode, data) : offsetof(struct znode, children);

	return (struct znode *)(void *)((char *)watch - offset);
}
