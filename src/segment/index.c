/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "segment/index.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "segment/document.h"
#include "segment/hash.h"
#include "segment/index_read.h"
#include "segment/kill_point.h"
#include "segment/layout.h"

static uint64_t entry_make(uint64_t tag, uint64_t offset)
{
	return tag | offset;
}

/* Spread a checksum, so that sums of them mean something. */
static uint64_t index_mix(uint64_t checksum)
{
	checksum ^= checksum >> 32;
	checksum *= UINT64_C(0xe9846af9b1a615d);
	checksum ^= checksum >> 32;
	checksum *= UINT64_C(0xe9846af9b1a615d);
	return checksum ^ checksum >> 28;
}

static uint64_t node_bytes(unsigned entries)
{
	return layout_align(sizeof(struct layout_node) + entries * sizeof(uint64_t));
}

/*
 * Writing
 */

/* A subtree and the sum of its contents. */
struct branch {
	uint64_t entry;
	uint64_t content;
};

struct apply {
	struct arena *arena;
	struct index_delta delta;
};

static const struct zkcfg_document *apply_document(const struct apply *apply, uint64_t offset)
{
	return arena_at(apply->arena, offset);
}

/* The content of an entry that is in the arena. */
static uint64_t apply_content(const struct apply *apply, uint64_t entry)
{
	const struct layout_node *node;

	if (entry == 0)
		return 0;
	if (entry_tag(entry) == LAYOUT_TAG_DOCUMENT)
		return index_mix(apply_document(apply, entry_offset(entry))->checksum);
	node = arena_at(apply->arena, entry_offset(entry));
	return node->content;
}

static void apply_count(struct apply *apply, const struct zkcfg_document *document, int sign)
{
	apply->delta.live_bytes += sign * (int64_t)document->size_bytes;
	apply->delta.document_count += sign;
}

/* Write a node or bucket of these entries. */
static int apply_write(struct apply *apply, uint64_t tag, uint32_t bitmap, const uint64_t *entries,
		       unsigned entry_count, struct branch *branch)
{
	struct layout_node *node;
	uint64_t offset;
	int err;

	err = arena_append(apply->arena, node_bytes(entry_count), &offset);
	if (err < 0)
		return err;
	node = arena_at(apply->arena, offset);
	memset(node, 0, node_bytes(entry_count));
	node->bitmap = bitmap;
	node->content = branch->content;
	kill_point("index.node");
	memcpy(node->entries, entries, entry_count * sizeof(*entries));
	kill_point("index.node.written");
	apply->delta.live_bytes += (int64_t)node_bytes(entry_count);
	branch->entry = entry_make(tag, offset);
	return 0;
}

static int change_compare(const void *a, const void *b)
{
	const struct index_change *left = a, *right = b;
	size_t common = left->name_bytes < right->name_bytes ? left->name_bytes : right->name_bytes;
	int order;

	if (left->hash != right->hash)
		return left->hash < right->hash ? -1 : 1;
	order = memcmp(left->name, right->name, common);
	if (order != 0)
		return order;
	return (left->name_bytes > right->name_bytes) - (left->name_bytes < right->name_bytes);
}

void index_sort(struct index_change *changes, size_t change_count)
{
	qsort(changes, change_count, sizeof(*changes), change_compare);
}

static uint64_t entry_of_document(const struct zkcfg_document *document, uint64_t offset)
{
	uint64_t slots_log2 = (uint64_t)__builtin_ctzll((uint64_t)document->slot_mask + 1) & 31;

	return entry_make(LAYOUT_TAG_DOCUMENT, offset) | entry_hash(document_hash(document)) |
	       slots_log2 << LAYOUT_ENTRY_SLOTS_SHIFT;
}

/* An index entry of a document, as the change that would have put it there. */
static struct index_change change_of(const struct apply *apply, uint64_t entry)
{
	const struct zkcfg_document *document = apply_document(apply, entry_offset(entry));

	return (struct index_change){ .hash = document_hash(document), .name = zkcfg_document_name(document),
				      .name_bytes = document->name_bytes, .document = entry_offset(entry) };
}

static int apply_build(struct apply *apply, const struct index_change *changes, size_t change_count,
		       unsigned level, struct branch *branch);

/* Documents whose hashes are equal in every bit. */
static int apply_bucket(struct apply *apply, const struct index_change *changes, size_t change_count,
			struct branch *branch)
{
	uint64_t *entries = malloc(change_count * sizeof(*entries));
	int err;

	if (!entries)
		return ZKCFG_ENOMEM;
	branch->content = 0;
	for (size_t i = 0; i < change_count; i++) {
		entries[i] = entry_of_document(apply_document(apply, changes[i].document), changes[i].document);
		branch->content += apply_content(apply, entries[i]);
	}
	err = apply_write(apply, LAYOUT_TAG_BUCKET, (uint32_t)change_count, entries, (unsigned)change_count, branch);
	free(entries);
	return err;
}

/* A new node over these changes, none of which removes. */
static int apply_build_node(struct apply *apply, const struct index_change *changes, size_t change_count,
			    unsigned level, struct branch *branch)
{
	uint64_t entries[32], content = 0;
	unsigned entry_count = 0;
	uint32_t bitmap = 0;

	for (size_t i = 0, end; i < change_count; i = end) {
		unsigned chunk = hash_chunk(changes[i].hash, level);
		struct branch child;
		int err;

		for (end = i + 1; end < change_count && hash_chunk(changes[end].hash, level) == chunk; end++)
			;
		err = apply_build(apply, changes + i, end - i, level + 1, &child);
		if (err < 0)
			return err;
		bitmap |= UINT32_C(1) << chunk;
		entries[entry_count++] = child.entry;
		content += child.content;
	}
	branch->content = content;
	if (entry_count == 1 && entry_tag(entries[0]) != LAYOUT_TAG_NODE) {
		branch->entry = entries[0]; /* as in apply_node() */
		return 0;
	}
	return apply_write(apply, LAYOUT_TAG_NODE, bitmap, entries, entry_count, branch);
}

/* A new subtree of these changes, none of which removes. */
static int apply_build(struct apply *apply, const struct index_change *changes, size_t change_count,
		       unsigned level, struct branch *branch)
{
	if (change_count == 0) {
		*branch = (struct branch){ 0 };
		return 0;
	}
	if (change_count == 1) {
		branch->entry = entry_of_document(apply_document(apply, changes->document), changes->document);
		branch->content = apply_content(apply, branch->entry);
		return 0;
	}
	if (level == INDEX_LEVELS)
		return apply_bucket(apply, changes, change_count, branch);
	return apply_build_node(apply, changes, change_count, level, branch);
}

/*
 * Changes to a subtree that is nothing, one document or a bucket: merge the
 * documents that are there with the changes, and build anew.
 */
static int apply_merge(struct apply *apply, const uint64_t *entries, size_t entry_count,
		       const struct index_change *changes, size_t change_count, unsigned level,
		       struct branch *branch)
{
	struct index_change *merged = malloc((entry_count + change_count) * sizeof(*merged));
	size_t count = 0, at = 0;
	int err;

	if (!merged)
		return ZKCFG_ENOMEM;
	for (size_t i = 0; i <= entry_count; i++) {
		struct index_change known = { 0 };

		if (i < entry_count)
			known = change_of(apply, entries[i]);
		/* all changes that come before it, and the one that takes its place */
		while (at < change_count && (i == entry_count || change_compare(&changes[at], &known) <= 0)) {
			if (i < entry_count && change_compare(&changes[at], &known) == 0) {
				apply_count(apply, apply_document(apply, known.document), -1);
				known.document = 0;
			}
			if (changes[at].document != 0) {
				apply_count(apply, apply_document(apply, changes[at].document), 1);
				merged[count++] = changes[at];
			}
			at++;
		}
		if (known.document != 0)
			merged[count++] = known;
	}
	/* names of changes that are in the arena may move while it grows */
	for (size_t i = 0; i < count; i++)
		merged[i].name = NULL;
	err = apply_build(apply, merged, count, level, branch);
	free(merged);
	return err;
}

static int apply_changes(struct apply *apply, uint64_t entry, const struct index_change *changes,
			 size_t change_count, unsigned level, struct branch *branch);

/* Changes to a node: copy it with the children that change changed. */
static int apply_node(struct apply *apply, uint64_t entry, const struct index_change *changes,
		      size_t change_count, unsigned level, struct branch *branch)
{
	const struct layout_node *node = arena_at(apply->arena, entry_offset(entry));
	uint64_t children[32] = { 0 }, entries[32], content = node->content;
	unsigned known = 0, entry_count = 0;
	uint32_t bitmap = 0;

	for (unsigned chunk = 0; chunk < 32; chunk++)
		if (node->bitmap >> chunk & 1)
			children[chunk] = node->entries[known++];
	for (size_t i = 0, end; i < change_count; i = end) {
		unsigned chunk = hash_chunk(changes[i].hash, level);
		struct branch child;
		int err;

		for (end = i + 1; end < change_count && hash_chunk(changes[end].hash, level) == chunk; end++)
			;
		content -= apply_content(apply, children[chunk]);
		err = apply_changes(apply, children[chunk], changes + i, end - i, level + 1, &child);
		if (err < 0)
			return err;
		children[chunk] = child.entry;
		content += child.content;
	}
	for (unsigned chunk = 0; chunk < 32; chunk++) {
		if (children[chunk] == 0)
			continue;
		bitmap |= UINT32_C(1) << chunk;
		entries[entry_count++] = children[chunk];
	}
	apply->delta.live_bytes -= (int64_t)node_bytes(known);
	branch->content = content;
	branch->entry = 0;
	if (entry_count == 0)
		return 0;
	if (entry_count == 1 && entry_tag(entries[0]) != LAYOUT_TAG_NODE) {
		branch->entry = entries[0]; /* a document or bucket alone needs no node above it */
		return 0;
	}
	return apply_write(apply, LAYOUT_TAG_NODE, bitmap, entries, entry_count, branch);
}

static int apply_changes(struct apply *apply, uint64_t entry, const struct index_change *changes,
			 size_t change_count, unsigned level, struct branch *branch)
{
	const struct layout_node *bucket;
	uint64_t *entries;
	uint32_t count;
	int err;

	switch (entry_tag(entry)) {
	case LAYOUT_TAG_NODE:
		return apply_node(apply, entry, changes, change_count, level, branch);
	case LAYOUT_TAG_BUCKET:
		bucket = arena_at(apply->arena, entry_offset(entry));
		count = bucket->bitmap;
		entries = malloc(count * sizeof(*entries));
		if (!entries)
			return ZKCFG_ENOMEM;
		memcpy(entries, bucket->entries, count * sizeof(*entries)); /* the arena may move */
		apply->delta.live_bytes -= (int64_t)node_bytes(count);
		err = apply_merge(apply, entries, count, changes, change_count, level, branch);
		free(entries);
		return err;
	default:
		return apply_merge(apply, &entry, entry != 0, changes, change_count, level, branch);
	}
}

int index_apply(struct arena *arena, uint64_t top, const struct index_change *changes, size_t change_count,
		uint64_t *applied, struct index_delta *delta)
{
	struct apply apply = { .arena = arena };
	struct branch branch;
	int err;

	if (change_count == 0) {
		*applied = top;
		*delta = apply.delta;
		return 0;
	}
	for (size_t i = 1; i < change_count; i++)
		if (change_compare(&changes[i - 1], &changes[i]) >= 0)
			return ZKCFG_EINVAL;
	err = apply_changes(&apply, top, changes, change_count, 0, &branch);
	if (err < 0)
		return err;
	*applied = branch.entry;
	*delta = apply.delta;
	return 0;
}

/*
 * Reading
 */

static int view_match_bucket(const struct index_view *view, uint64_t entry, uint64_t end, uint64_t hash,
			     const char *name, size_t name_bytes, const struct zkcfg_document **document)
{
	const struct layout_node *bucket = view_node(view, entry, end);
	int err = ZKCFG_ENODOC;

	if (!bucket)
		return ZKCFG_ECORRUPT;
	for (uint32_t i = 0; i < bucket->bitmap && err == ZKCFG_ENODOC; i++)
		err = view_match(view, bucket->entries[i], entry_offset(entry), hash, name, name_bytes, document);
	return err;
}

int index_match(const struct index_view *view, uint64_t entry, uint64_t end, uint64_t hash, const char *name,
		size_t name_bytes, const struct zkcfg_document **document)
{
	if (entry_tag(entry) == LAYOUT_TAG_BUCKET)
		return view_match_bucket(view, entry, end, hash, name, name_bytes, document);
	return view_match(view, entry, end, hash, name, name_bytes, document);
}

int index_find(const struct index_view *view, uint64_t hash, const char *name, size_t name_bytes,
	       const struct zkcfg_document **document)
{
	uint64_t entry, end;
	int err;

	err = view_descend(view, hash, &entry, &end);
	return err < 0 ? err : index_match(view, entry, end, hash, name, name_bytes, document);
}

int index_get(const struct index_view *view, const char *name, const char *path, const char **value)
{
	size_t name_bytes = strlen(name), path_bytes;
	uint64_t hash = hash_bytes(name, name_bytes), entry, end;
	const struct zkcfg_document *document;
	const struct layout_key *key;
	uint32_t path_hash;
	int err;

	err = view_descend(view, hash, &entry, &end);
	if (err < 0)
		return err;
	/* what a look-up in the document needs is on its way while the rest is worked out */
	__builtin_prefetch(view->base + entry_offset(entry));
	path_bytes = strlen(path);
	path_hash = (uint32_t)hash_bytes(path, path_bytes);
	__builtin_prefetch(view->base + entry_offset(entry) + entry_slot_offset(entry, name_bytes, path_hash));
	err = index_match(view, entry, end, hash, name, name_bytes, &document);
	if (err < 0)
		return err;
	key = document_look_up(document, path_hash, path, path_bytes);
	return key ? document_key_value(document, key, value) : document_walk_string(document, path, value);
}

static void walk_from(struct index_walk *walk, const struct index_view *view, uint64_t entry, uint64_t end)
{
	walk->view = *view;
	walk->left = view->document_count;
	walk->depth = entry != 0;
	walk->end = end;
	walk->steps[0].entry = entry;
	walk->steps[0].next = 0;
}

void index_walk_init(struct index_walk *walk, const struct index_view *view)
{
	walk_from(walk, view, view->top, view->end);
}

int index_walk_next(struct index_walk *walk, const struct zkcfg_document **document)
{
	while (walk->depth > 0) {
		uint64_t entry = walk->steps[walk->depth - 1].entry, next, end = walk->end;
		const struct zkcfg_document *found;
		const struct layout_node *node;
		uint32_t count;

		if (walk->depth > 1)
			end = entry_offset(walk->steps[walk->depth - 2].entry);

		if (entry_tag(entry) == LAYOUT_TAG_DOCUMENT) {
			found = view_document(&walk->view, entry, end);
			if (!found || document_check(found, end - entry_offset(entry)) < 0 || walk->left == 0)
				return ZKCFG_ECORRUPT;
			walk->left--;
			walk->depth--;
			*document = found;
			return 0;
		}
		node = entry != 0 && entry_tag(entry) <= LAYOUT_TAG_BUCKET ? view_node(&walk->view, entry, end) : NULL;
		if (!node)
			return ZKCFG_ECORRUPT;
		count = entry_tag(entry) == LAYOUT_TAG_NODE ? bits_count(node->bitmap) : node->bitmap;
		next = walk->steps[walk->depth - 1].next++;
		if (next >= count) {
			walk->depth--;
			continue;
		}
		if (walk->depth > INDEX_LEVELS + (entry_tag(entry) == LAYOUT_TAG_BUCKET))
			return ZKCFG_ECORRUPT;
		walk->steps[walk->depth].entry = node->entries[next];
		walk->steps[walk->depth].next = 0;
		walk->depth++;
	}
	return ZKCFG_EEND;
}

/* The content of a subtree, summed up from its documents; false where a node says otherwise. */
static bool verify_content(const struct index_view *view, uint64_t entry, unsigned level, uint64_t *content)
{
	const struct layout_node *node = (const void *)(view->base + entry_offset(entry));
	bool is_bucket = entry_tag(entry) == LAYOUT_TAG_BUCKET;
	const struct zkcfg_document *document;
	uint64_t sum = 0, child;
	uint32_t count;

	if (entry_tag(entry) == LAYOUT_TAG_DOCUMENT) {
		document = (const void *)node;
		*content = index_mix(document->checksum);
		return entry == entry_of_document(document, entry_offset(entry));
	}
	count = is_bucket ? node->bitmap : bits_count(node->bitmap);
	if (level > INDEX_LEVELS || (level == INDEX_LEVELS && !is_bucket) || node->reserved != 0)
		return false;
	for (uint64_t at = sizeof(*node) + count * sizeof(uint64_t); at < node_bytes(count); at++)
		if (((const uint8_t *)node)[at] != 0)
			return false;
	for (uint32_t i = 0; i < count; i++) {
		if (!verify_content(view, node->entries[i], is_bucket ? INDEX_LEVELS + 1 : level + 1, &child))
			return false;
		sum += child;
	}
	*content = node->content;
	return sum == node->content;
}

int index_verify(const struct index_view *view)
{
	const struct zkcfg_document *document;
	struct index_walk walk;
	uint64_t content;
	int err;

	/* a walk to the end has looked at every entry, and shows that there are no more documents than told */
	index_walk_init(&walk, view);
	do {
		err = index_walk_next(&walk, &document);
	} while (err == 0);
	if (err != ZKCFG_EEND || walk.left != 0)
		return ZKCFG_ECORRUPT;
	return view->top == 0 || verify_content(view, view->top, 0, &content) ? 0 : ZKCFG_ECORRUPT;
}

struct diff {
	const struct index_view *older, *newer;
	int (*tell)(const struct zkcfg_document *old_document, const struct zkcfg_document *new_document, void *user);
	void *user;
	uint64_t left; /* pairs of nodes that two sound indexes could still have */
	uint64_t old_left, new_left; /* documents that a sound one could still have */
};

/* Tell what a subtree of one side has and the other side lacks, or has otherwise. */
static int diff_side(struct diff *diff, bool is_newer, uint64_t entry, uint64_t end)
{
	const struct index_view *here = is_newer ? diff->newer : diff->older;
	const struct index_view *there = is_newer ? diff->older : diff->newer;
	uint64_t *left = is_newer ? &diff->new_left : &diff->old_left;
	const struct zkcfg_document *document, *other;
	struct index_walk walk;
	int err;

	walk_from(&walk, here, entry, end);
	walk.left = *left;
	while ((err = index_walk_next(&walk, &document)) == 0) {
		*left = walk.left;
		err = index_find(there, document_hash(document), zkcfg_document_name(document), document->name_bytes,
				 &other);
		if (err < 0 && err != ZKCFG_ENODOC)
			return err;
		if (err == ZKCFG_ENODOC)
			err = is_newer ? diff->tell(NULL, document, diff->user) : diff->tell(document, NULL, diff->user);
		else if (!is_newer && document->checksum != other->checksum)
			err = diff->tell(document, other, diff->user);
		if (err != 0)
			return err;
	}
	return err == ZKCFG_EEND ? 0 : err;
}

static int diff_entries(struct diff *diff, uint64_t old_entry, uint64_t old_end, uint64_t new_entry,
			uint64_t new_end, unsigned level)
{
	const struct layout_node *old_node, *new_node;
	unsigned old_at = 0, new_at = 0;
	int err;

	if (old_entry == new_entry && diff->older->base == diff->newer->base)
		return 0;
	if (entry_tag(old_entry) != LAYOUT_TAG_NODE || entry_tag(new_entry) != LAYOUT_TAG_NODE) {
		err = diff_side(diff, false, old_entry, old_end);
		return err != 0 ? err : diff_side(diff, true, new_entry, new_end);
	}
	old_node = view_node(diff->older, old_entry, old_end);
	new_node = view_node(diff->newer, new_entry, new_end);
	if (!old_node || !new_node || level >= INDEX_LEVELS || diff->left-- == 0)
		return ZKCFG_ECORRUPT;
	if (old_node->content == new_node->content && old_node->bitmap == new_node->bitmap)
		return 0;
	for (unsigned chunk = 0; chunk < 32; chunk++) {
		uint64_t old_child = 0, new_child = 0;

		if (old_node->bitmap >> chunk & 1)
			old_child = old_node->entries[old_at++];
		if (new_node->bitmap >> chunk & 1)
			new_child = new_node->entries[new_at++];
		err = diff_entries(diff, old_child, entry_offset(old_entry), new_child, entry_offset(new_entry),
				   level + 1);
		if (err != 0)
			return err;
	}
	return 0;
}

int index_diff(const struct index_view *older, const struct index_view *newer,
	       int (*tell)(const struct zkcfg_document *old_document, const struct zkcfg_document *new_document,
			   void *user),
	       void *user)
{
	struct diff diff = { .older = older, .newer = newer, .tell = tell, .user = user,
			     .old_left = older->document_count, .new_left = newer->document_count };

	diff.left = (older->document_count + newer->document_count) * INDEX_LEVELS;
	return diff_entries(&diff, older->top, older->end, newer->top, newer->end, 0);
}
