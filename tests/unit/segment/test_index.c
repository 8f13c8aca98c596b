/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include <check.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "segment/arena.h"
#include "segment/document.h"
#include "segment/document_read.h"
#include "segment/index.h"
#include "segment/layout.h"
#include "support/segment_host.h"

#define KEYS 600
#define NAME_BYTES 8

static struct segment_host host;
static int dir_fd;
static struct arena arena;
static uint64_t seed;

/* What the index should hold: key i is there with this text, or -1. */
struct model {
	int versions[KEYS];
	uint64_t count;
};

/* How the hash of a key is made: the fewer bits, the more collisions. */
static uint64_t (*hash_of)(unsigned key);

static uint64_t hash_spread(unsigned key)
{
	uint64_t state = key;

	return segment_random(&state);
}

static uint64_t hash_constant(unsigned key)
{
	(void)key;
	return UINT64_C(0x123456789abcdef0);
}

/* Pairs that are equal in every bit, in groups that differ in the last four only. */
static uint64_t hash_groups(unsigned key)
{
	return hash_spread(key / 32) << 4 | (key / 2 & 15);
}

/* Differ in the top five bits alone, or not at all. */
static uint64_t hash_top(unsigned key)
{
	return (uint64_t)(key % 32) << 59;
}

/* Differ in few bits all over. */
static uint64_t hash_sparse(unsigned key)
{
	return hash_spread(key) & UINT64_C(0x8000040000100003);
}

static uint64_t (*const hashes[])(unsigned) = { hash_spread, hash_constant, hash_groups, hash_top,
						hash_sparse };

static void start(void)
{
	static const uint8_t id[16] = { 1 };

	segment_host_start(&host);
	dir_fd = open(host.shm_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_eq(arena_create(dir_fd, 1, id, 0, 0600, (gid_t)-1, &arena), 0);
	hash_of = hash_spread;
}

static void stop(void)
{
	arena_close(&arena);
	close(dir_fd);
	segment_host_stop(&host);
}

static const char *key_name(unsigned key, char name[NAME_BYTES])
{
	snprintf(name, NAME_BYTES, "k%u", key);
	return name;
}

/* Append a document of a key with a text that tells its version; its offset. */
static uint64_t append(struct arena *into, unsigned key, int version)
{
	struct zkcfg_document *document;
	char name[NAME_BYTES], xml[32];
	struct layout_origin *origin;
	size_t size_bytes;
	uint64_t offset;

	snprintf(xml, sizeof(xml), "<v>%d</v>", version);
	document = segment_document_named(key_name(key, name), xml, &size_bytes);
	origin = (void *)((char *)document + document_origin_offset(document->name_bytes));
	origin->name_hash = hash_of(key);
	segment_document_seal(document);
	if (arena_append(into, size_bytes, &offset) < 0)
		ck_abort_msg("no room for %s", name);
	memcpy(arena_at(into, offset), document, size_bytes);
	free(document);
	return offset;
}

struct batch {
	struct index_change changes[KEYS];
	char names[KEYS][NAME_BYTES];
	size_t count;
};

static void batch_add(struct batch *batch, unsigned key, uint64_t document)
{
	struct index_change *change = &batch->changes[batch->count];

	change->name = key_name(key, batch->names[batch->count]);
	change->name_bytes = strlen(change->name);
	change->hash = hash_of(key);
	change->document = document;
	batch->count++;
}

static uint64_t batch_apply(struct batch *batch, struct arena *into, uint64_t top, struct index_delta *delta)
{
	uint64_t applied = 77;

	index_sort(batch->changes, batch->count);
	ck_assert_int_eq(index_apply(into, top, batch->changes, batch->count, &applied, delta), 0);
	return applied;
}

static struct index_view view_of(const struct arena *from, uint64_t top, uint64_t count)
{
	return (struct index_view){
		.base = from->base, .end = from->used_bytes, .top = top, .document_count = count
	};
}

static int version_of(const struct zkcfg_document *document)
{
	const char *text;

	return zkcfg_document_string(document, "/v", &text) == 0 ? atoi(text) : -2;
}

static unsigned key_of(const struct zkcfg_document *document)
{
	return (unsigned)atoi(zkcfg_document_name(document) + 1);
}

/* Everything of the model is found, nothing else is, and a walk tells each once. */
static void check_against(const struct index_view *view, const struct model *model)
{
	const struct zkcfg_document *document;
	unsigned char seen[KEYS] = { 0 };
	struct index_walk walk;
	uint64_t told = 0;
	char name[NAME_BYTES];
	int err;

	ck_assert_uint_eq(view->document_count, model->count);
	for (unsigned key = 0; key < KEYS; key++) {
		key_name(key, name);
		err = index_find(view, hash_of(key), name, strlen(name), &document);
		/* thousands of keys: an assertion only where one fails */
		if (err != (model->versions[key] < 0 ? ZKCFG_ENODOC : 0))
			ck_abort_msg("%s: %d, expected version %d", name, err, model->versions[key]);
		if (err == 0 && (strcmp(zkcfg_document_name(document), name) != 0 ||
				 version_of(document) != model->versions[key]))
			ck_abort_msg("%s: found %s, version %d, expected %d", name,
				     zkcfg_document_name(document), version_of(document),
				     model->versions[key]);
	}
	index_walk_init(&walk, view);
	while ((err = index_walk_next(&walk, &document)) == 0) {
		unsigned key = key_of(document);

		if (seen[key]++ || version_of(document) != model->versions[key])
			ck_abort_msg("k%u: walked over %u times, version %d, expected %d", key, seen[key],
				     version_of(document), model->versions[key]);
		told++;
	}
	ck_assert_int_eq(err, ZKCFG_EEND);
	ck_assert_uint_eq(told, model->count);
	ck_assert_int_eq(index_verify(view), 0);
}

/* A batch of random changes to index and model. */
static uint64_t change_randomly(uint64_t top, struct model *model, uint64_t *state, int64_t *live_bytes,
				int version)
{
	static struct batch batch;
	unsigned most = 1 + (unsigned)(segment_random(state) % 60);
	unsigned remove_percent = (unsigned)(segment_random(state) % 100);
	unsigned char used[KEYS] = { 0 };
	struct index_delta delta;
	int64_t count = 0;

	batch.count = 0;
	for (unsigned i = 0; i < most; i++) {
		unsigned key = (unsigned)(segment_random(state) % KEYS);
		bool removes = segment_random(state) % 100 < remove_percent;

		if (used[key]++)
			continue;
		batch_add(&batch, key, removes ? 0 : append(&arena, key, version));
		count += (removes ? 0 : 1) - (model->versions[key] >= 0);
		model->versions[key] = removes ? -1 : version;
	}
	top = batch_apply(&batch, &arena, top, &delta);
	ck_assert_int_eq(delta.document_count, count);
	model->count = (uint64_t)((int64_t)model->count + delta.document_count);
	*live_bytes += delta.live_bytes;
	return top;
}

static void model_clear(struct model *model)
{
	memset(model->versions, 0xff, sizeof(model->versions));
	model->count = 0;
}

/* All of the model into a new arena. */
static uint64_t rewrite(const struct model *model, struct arena *into, uint32_t generation,
			int64_t *live_bytes)
{
	static const uint8_t id[16] = { 1 };
	static struct batch batch;
	struct index_delta delta;
	uint64_t top;

	ck_assert_int_eq(arena_create(dir_fd, generation, id, 0, 0600, (gid_t)-1, into), 0);
	batch.count = 0;
	for (unsigned key = 0; key < KEYS; key++)
		if (model->versions[key] >= 0)
			batch_add(&batch, key, append(into, key, model->versions[key]));
	top = batch_apply(&batch, into, 0, &delta);
	*live_bytes = delta.live_bytes;
	return top;
}

START_TEST(index_equals_a_model_under_random_changes)
{
	uint64_t state = seed + (uint64_t)_i, top = 0;
	int64_t live_bytes = 0;
	struct model model;

	hash_of = hashes[_i];
	model_clear(&model);
	for (int round = 0; round < 80; round++) {
		struct index_view view;

		top = change_randomly(top, &model, &state, &live_bytes, round);
		view = view_of(&arena, top, model.count);
		if (round % 4 == 0)
			check_against(&view, &model);
		ck_assert_int_ge(live_bytes, 0);
	}
}
END_TEST

/* Two snapshots as models, and what a diff told between them. */
struct told {
	const struct model *older, *newer;
	unsigned char seen[KEYS];
	unsigned count;
};

static int tell(const struct zkcfg_document *old_document, const struct zkcfg_document *new_document,
		void *user)
{
	struct told *told = user;
	unsigned key = key_of(old_document ? old_document : new_document);

	int old_version = old_document ? version_of(old_document) : -1;
	int new_version = new_document ? version_of(new_document) : -1;

	if (told->seen[key]++ || old_version != told->older->versions[key] ||
	    new_version != told->newer->versions[key] || old_version == new_version)
		ck_abort_msg("k%u: told %u times, %d -> %d, expected %d -> %d", key, told->seen[key],
			     old_version, new_version, told->older->versions[key],
			     told->newer->versions[key]);
	told->count++;
	return 0;
}

static void check_diff(const struct index_view *older, const struct model *old_model,
		       const struct index_view *newer, const struct model *new_model)
{
	struct told told = { .older = old_model, .newer = new_model };
	unsigned expected = 0;

	for (unsigned key = 0; key < KEYS; key++)
		expected += old_model->versions[key] != new_model->versions[key];
	ck_assert_int_eq(index_diff(older, newer, tell, &told), 0);
	ck_assert_uint_eq(told.count, expected);
}

START_TEST(diff_tells_what_the_models_differ_in)
{
	uint64_t state = seed + 100 + (uint64_t)_i, tops[4] = { 0 };
	struct model models[4];
	int64_t live_bytes = 0;

	hash_of = hashes[_i];
	model_clear(&models[0]);
	for (int round = 0; round < 40; round++) {
		struct index_view now, before;

		/* 3 is the newest, 0 three batches ago */
		for (int i = 0; i < 3 && round > 0; i++) {
			models[i] = models[i + 1];
			tops[i] = tops[i + 1];
		}
		if (round == 0)
			models[1] = models[2] = models[3] = models[0];
		tops[3] = change_randomly(tops[3], &models[3], &state, &live_bytes, round);
		now = view_of(&arena, tops[3], models[3].count);
		for (int i = 0; i < 4; i++) {
			before = view_of(&arena, tops[i], models[i].count);
			check_diff(&before, &models[i], &now, &models[3]);
			check_diff(&now, &models[3], &before, &models[i]);
		}
	}
}
END_TEST

START_TEST(diff_across_a_rewrite_tells_only_what_changed)
{
	uint64_t state = seed + 200 + (uint64_t)_i, top = 0, other_top;
	struct model model, other_model;
	int64_t live_bytes = 0, other_live_bytes;
	struct index_view view, other_view;
	struct arena other;

	hash_of = hashes[_i];
	model_clear(&model);
	for (int round = 0; round < 30; round++)
		top = change_randomly(top, &model, &state, &live_bytes, round);
	other_top = rewrite(&model, &other, 2, &other_live_bytes);
	view = view_of(&arena, top, model.count);
	other_view = view_of(&other, other_top, model.count);
	check_against(&other_view, &model);
	check_diff(&view, &model, &other_view, &model);

	other_model = model;
	top = change_randomly(top, &model, &state, &live_bytes, 1000);
	view = view_of(&arena, top, model.count);
	check_diff(&other_view, &other_model, &view, &model);
	check_diff(&view, &model, &other_view, &other_model);
	arena_close(&other);
}
END_TEST

START_TEST(live_bytes_of_changes_add_up_to_those_of_a_rewrite)
{
	uint64_t state = seed + 300, top = 0;
	int64_t live_bytes = 0, rewritten_bytes = 0;
	struct model model;
	struct arena other;

	model_clear(&model);
	for (int round = 0; round < 50; round++)
		top = change_randomly(top, &model, &state, &live_bytes, round);
	rewrite(&model, &other, 2, &rewritten_bytes);
	arena_close(&other);
	/* a node more or less where removals left one with a single child */
	ck_assert_int_ge(live_bytes, rewritten_bytes);
	ck_assert_int_le(live_bytes, rewritten_bytes + rewritten_bytes / 10);
}
END_TEST

START_TEST(older_top_is_unchanged_by_later_changes)
{
	uint64_t state = seed + 400, top = 0, old_top;
	struct model model, old_model;
	int64_t live_bytes = 0;
	struct index_view view;

	model_clear(&model);
	for (int round = 0; round < 10; round++)
		top = change_randomly(top, &model, &state, &live_bytes, round);
	old_model = model;
	old_top = top;
	for (int round = 10; round < 60; round++)
		top = change_randomly(top, &model, &state, &live_bytes, round);
	view = view_of(&arena, old_top, old_model.count);
	check_against(&view, &old_model);
}
END_TEST

START_TEST(empty_index_has_nothing_and_nothing_applied_changes_nothing)
{
	struct index_view view = { .base = arena.base, .end = arena.used_bytes };
	const struct zkcfg_document *document;
	struct index_delta delta = { 7, 7 };
	struct index_walk walk;
	uint64_t applied = 0;

	ck_assert_int_eq(index_find(&view, 1, "x", 1, &document), ZKCFG_ENODOC);
	index_walk_init(&walk, &view);
	ck_assert_int_eq(index_walk_next(&walk, &document), ZKCFG_EEND);
	ck_assert_int_eq(index_walk_next(&walk, &document), ZKCFG_EEND);
	ck_assert_int_eq(index_verify(&view), 0);
	ck_assert_int_eq(index_apply(&arena, 4711, NULL, 0, &applied, &delta), 0);
	ck_assert_uint_eq(applied, 4711);
	ck_assert_int_eq(delta.live_bytes, 0);
	ck_assert_int_eq(delta.document_count, 0);
}
END_TEST

START_TEST(removing_all_leaves_an_empty_index)
{
	static struct batch batch;
	struct index_delta delta;
	uint64_t top;

	hash_of = hashes[_i];
	batch.count = 0;
	for (unsigned key = 0; key < KEYS; key++)
		batch_add(&batch, key, append(&arena, key, 1));
	top = batch_apply(&batch, &arena, 0, &delta);
	ck_assert_uint_ne(top, 0);
	ck_assert_int_eq(delta.document_count, KEYS);
	batch.count = 0;
	for (unsigned key = 0; key < KEYS; key++)
		batch_add(&batch, key, 0);
	ck_assert_uint_eq(batch_apply(&batch, &arena, top, &delta), 0);
	ck_assert_int_eq(delta.document_count, -KEYS);
}
END_TEST

START_TEST(name_that_is_twice_in_a_batch_or_out_of_order_is_refused)
{
	static struct batch batch;
	struct index_delta delta;
	uint64_t applied = 77;

	hash_of = hash_constant;
	batch.count = 0;
	batch_add(&batch, 1, append(&arena, 1, 1));
	batch_add(&batch, 1, 0);
	ck_assert_int_eq(index_apply(&arena, 0, batch.changes, 2, &applied, &delta), ZKCFG_EINVAL);
	batch.count = 0;
	batch_add(&batch, 2, append(&arena, 2, 1));
	batch_add(&batch, 1, append(&arena, 1, 1));
	ck_assert_int_eq(index_apply(&arena, 0, batch.changes, 2, &applied, &delta), ZKCFG_EINVAL);
	ck_assert_uint_eq(applied, 77);
}
END_TEST

static int stop_at(const struct zkcfg_document *old_document, const struct zkcfg_document *new_document,
		   void *user)
{
	int *left = user;

	(void)old_document;
	(void)new_document;
	return --*left == 0 ? 42 : 0;
}

START_TEST(diff_ends_with_what_the_teller_returns)
{
	static const struct index_view nothing;
	static struct batch batch;
	struct index_delta delta;
	struct index_view view;
	int left = 3;

	batch.count = 0;
	for (unsigned key = 0; key < 10; key++)
		batch_add(&batch, key, append(&arena, key, 1));
	view = view_of(&arena, batch_apply(&batch, &arena, 0, &delta), 10);
	ck_assert_int_eq(index_diff(&nothing, &view, stop_at, &left), 42);
	ck_assert_int_eq(left, 0);
	left = 3;
	ck_assert_int_eq(index_diff(&view, &nothing, stop_at, &left), 42);
}
END_TEST

/*
 * Corrupt indexes
 */

static uint64_t entry_of(uint64_t tag, uint64_t offset)
{
	return tag | offset;
}

/* A node of these entries; its entry. */
static uint64_t write_node(uint64_t tag, uint32_t bitmap, const uint64_t *entries, unsigned count)
{
	struct layout_node *node;
	uint64_t offset;

	ck_assert_int_eq(arena_append(&arena, sizeof(*node) + count * sizeof(*entries), &offset), 0);
	node = arena_at(&arena, offset);
	*node = (struct layout_node){ .bitmap = bitmap, .content = offset };
	memcpy(node->entries, entries, count * sizeof(*entries));
	return entry_of(tag, offset);
}

static int tell_nothing(const struct zkcfg_document *old_document, const struct zkcfg_document *new_document,
			void *user)
{
	(void)old_document;
	(void)new_document;
	++*(unsigned *)user;
	return 0;
}

/* The end of a walk. */
static int walk_all(const struct index_view *view, uint64_t *told)
{
	const struct zkcfg_document *document;
	struct index_walk walk;
	int err;

	*told = 0;
	index_walk_init(&walk, view);
	while ((err = index_walk_next(&walk, &document)) == 0)
		++*told;
	return err;
}

START_TEST(node_that_is_shared_a_trillion_times_ends_a_walk_and_a_diff_at_once)
{
	uint64_t entries[32], entry, other_entry, told;
	struct index_view view, other;
	unsigned count = 0;

	entry = entry_of(LAYOUT_TAG_DOCUMENT, append(&arena, 1, 1));
	other_entry = entry_of(LAYOUT_TAG_DOCUMENT, append(&arena, 1, 2));
	for (unsigned level = 0; level < 12; level++) {
		for (unsigned i = 0; i < 32; i++)
			entries[i] = entry;
		entry = write_node(LAYOUT_TAG_NODE, UINT32_MAX, entries, 32);
		for (unsigned i = 0; i < 32; i++)
			entries[i] = other_entry;
		other_entry = write_node(LAYOUT_TAG_NODE, UINT32_MAX, entries, 32);
	}
	/* so many documents as a root of a few megabytes may tell */
	view = view_of(&arena, entry, 50000);
	other = view_of(&arena, other_entry, 50000);
	ck_assert_int_eq(walk_all(&view, &told), ZKCFG_ECORRUPT);
	ck_assert_uint_eq(told, 50000);
	ck_assert_int_eq(index_verify(&view), ZKCFG_ECORRUPT);
	ck_assert_int_eq(index_diff(&view, &other, tell_nothing, &count), ZKCFG_ECORRUPT);
	ck_assert_uint_le(count, 100001);
}
END_TEST

START_TEST(shared_nodes_without_differing_documents_end_a_diff_at_once)
{
	uint64_t entries[32], entry, other_entry;
	struct index_view view, other;
	unsigned count = 0;

	entries[0] = entry_of(LAYOUT_TAG_DOCUMENT, append(&arena, 1, 1));
	entry = other_entry = write_node(LAYOUT_TAG_NODE, 1, entries, 1);
	for (unsigned level = 0; level < 11; level++) {
		for (unsigned i = 0; i < 32; i++)
			entries[i] = entry;
		entry = write_node(LAYOUT_TAG_NODE, UINT32_MAX, entries, 32);
		for (unsigned i = 0; i < 32; i++)
			entries[i] = other_entry;
		other_entry = write_node(LAYOUT_TAG_NODE, UINT32_MAX, entries, 32);
	}
	view = view_of(&arena, entry, 1000);
	other = view_of(&arena, other_entry, 1000);
	ck_assert_int_eq(index_diff(&view, &other, tell_nothing, &count), ZKCFG_ECORRUPT);
	ck_assert_uint_eq(count, 0);
}
END_TEST

/* Shared nodes one level above documents of the other side: each pair walks its whole subtree. */
START_TEST(diff_of_shared_subtrees_with_documents_tells_no_more_than_there_can_be)
{
	static const struct index_view nothing;
	uint64_t entries[32], entry;
	struct index_view view;
	unsigned count = 0;

	entry = entry_of(LAYOUT_TAG_DOCUMENT, append(&arena, 1, 1));
	for (unsigned level = 0; level < 5; level++) {
		for (unsigned i = 0; i < 32; i++)
			entries[i] = entry;
		entry = write_node(LAYOUT_TAG_NODE, UINT32_MAX, entries, 32);
	}
	view = view_of(&arena, entry, 1000);
	ck_assert_int_eq(index_diff(&nothing, &view, tell_nothing, &count), ZKCFG_ECORRUPT);
	ck_assert_uint_eq(count, 1000);
	/* the other side: a node each of whose children is a document */
	for (unsigned i = 0; i < 32; i++)
		entries[i] = entry_of(LAYOUT_TAG_DOCUMENT, append(&arena, 2 + i, 1));
	count = 0;
	{
		struct index_view other =
			view_of(&arena, write_node(LAYOUT_TAG_NODE, UINT32_MAX, entries, 32), 32);

		view.end = other.end;
		view.base = other.base = arena.base;
		ck_assert_int_eq(index_diff(&view, &other, tell_nothing, &count), ZKCFG_ECORRUPT);
	}
	ck_assert_uint_le(count, 1000 + 32);
}
END_TEST

START_TEST(tree_that_leads_back_to_itself_is_corrupt)
{
	uint64_t document = entry_of(LAYOUT_TAG_DOCUMENT, append(&arena, 1, 1)), told;
	uint64_t top = write_node(LAYOUT_TAG_NODE, UINT32_MAX, (uint64_t[32]){ document }, 32);
	struct layout_node *node = arena_at(&arena, top & LAYOUT_ENTRY_OFFSET_MASK);
	const struct zkcfg_document *found;
	struct index_view view;

	for (unsigned i = 0; i < 32; i++)
		node->entries[i] = top;
	view = view_of(&arena, top, 1000);
	ck_assert_int_eq(walk_all(&view, &told), ZKCFG_ECORRUPT);
	ck_assert_uint_eq(told, 0);
	ck_assert_int_eq(index_find(&view, 1, "k1", 2, &found), ZKCFG_ECORRUPT);
	ck_assert_int_eq(index_verify(&view), ZKCFG_ECORRUPT);
}
END_TEST

START_TEST(child_that_lies_behind_its_parent_is_corrupt)
{
	uint64_t top = write_node(LAYOUT_TAG_NODE, 3, (uint64_t[2]){ 0, 0 }, 2), told;
	struct layout_node *node = arena_at(&arena, top & LAYOUT_ENTRY_OFFSET_MASK);
	uint64_t offset = append(&arena, 1, 1);
	const struct zkcfg_document *found;
	struct index_view view;

	node = arena_at(&arena, top & LAYOUT_ENTRY_OFFSET_MASK);
	node->entries[0] = entry_of(LAYOUT_TAG_DOCUMENT, offset) | UINT64_C(1) << LAYOUT_ENTRY_HASH_SHIFT;
	node->entries[1] = node->entries[0];
	view = view_of(&arena, top, 2);
	ck_assert_int_eq(walk_all(&view, &told), ZKCFG_ECORRUPT);
	ck_assert_int_eq(index_find(&view, 1, "k1", 2, &found), ZKCFG_ECORRUPT);
}
END_TEST

START_TEST(tree_deeper_than_a_hash_is_corrupt)
{
	uint64_t entry = entry_of(LAYOUT_TAG_DOCUMENT, append(&arena, 1, 1)), told;
	const struct zkcfg_document *found;
	struct index_view view;

	for (unsigned level = 0; level < 20; level++)
		entry = write_node(LAYOUT_TAG_NODE, 1, &entry, 1);
	view = view_of(&arena, entry, 1);
	ck_assert_int_eq(walk_all(&view, &told), ZKCFG_ECORRUPT);
	ck_assert_int_eq(index_find(&view, 0, "k1", 2, &found), ZKCFG_ECORRUPT);
}
END_TEST

START_TEST(node_without_entries_or_an_empty_entry_is_corrupt)
{
	uint64_t none[32] = { 0 }, told;
	uint64_t tops[] = { write_node(LAYOUT_TAG_NODE, 0, none, 1),
			    write_node(LAYOUT_TAG_NODE, 1, none, 1),
			    write_node(LAYOUT_TAG_BUCKET, 0, none, 1),
			    write_node(LAYOUT_TAG_BUCKET, 1, none, 1),
			    write_node(LAYOUT_TAG_BUCKET, UINT32_MAX, none, 1),
			    entry_of(LAYOUT_TAG_NODE, UINT64_C(0xfffffff0) * LAYOUT_ALIGN),
			    entry_of(LAYOUT_TAG_DOCUMENT, UINT64_C(0xfffffff0) * LAYOUT_ALIGN),
			    entry_of(LAYOUT_TAG_BUCKET, UINT64_C(0xfffffff0) * LAYOUT_ALIGN),
			    entry_of(4, 64),
			    entry_of(15, 64),
			    entry_of(0, 64) };
	const struct zkcfg_document *found;

	for (size_t i = 0; i < sizeof(tops) / sizeof(tops[0]); i++) {
		struct index_view view = view_of(&arena, tops[i], 1);
		unsigned count = 0;

		ck_assert_msg(walk_all(&view, &told) == ZKCFG_ECORRUPT, "top %zu", i);
		ck_assert_uint_eq(told, 0);
		ck_assert_int_eq(index_diff(&view, &(struct index_view){ 0 }, tell_nothing, &count),
				 ZKCFG_ECORRUPT);
		/* hash 0 fits the 28 bits of these entries */
		ck_assert_msg(index_find(&view, 0, "k1", 2, &found) < 0, "top %zu", i);
	}
}
END_TEST

START_TEST(wrong_sum_of_contents_is_noticed_by_verify)
{
	static struct batch batch;
	struct index_delta delta;
	struct index_view view;
	struct layout_node *node;

	batch.count = 0;
	for (unsigned key = 0; key < 100; key++)
		batch_add(&batch, key, append(&arena, key, 1));
	view = view_of(&arena, batch_apply(&batch, &arena, 0, &delta), 100);
	ck_assert_int_eq(index_verify(&view), 0);
	node = arena_at(&arena, view.top & LAYOUT_ENTRY_OFFSET_MASK);
	node->content++;
	ck_assert_int_eq(index_verify(&view), ZKCFG_ECORRUPT);
	node->content--;
	node->reserved = 1;
	ck_assert_int_eq(index_verify(&view), ZKCFG_ECORRUPT);
	node->reserved = 0;
	node = arena_at(&arena, node->entries[0] & LAYOUT_ENTRY_OFFSET_MASK);
	ck_assert_uint_gt(__builtin_popcount(node->bitmap), 1);
	node->content++; /* one below says so of itself, and what is above is right */
	ck_assert_int_eq(index_verify(&view), ZKCFG_ECORRUPT);
	node->content--;
	ck_assert_int_eq(index_verify(&view), 0);
	view.document_count = 101;
	ck_assert_int_eq(index_verify(&view), ZKCFG_ECORRUPT);
	view.document_count = 99;
	ck_assert_int_eq(index_verify(&view), ZKCFG_ECORRUPT);
}
END_TEST

/* Copies of an index with random damage, in memory of exactly its size. */
START_TEST(any_bytes_give_an_error_or_documents)
{
	enum { ROUNDS = 10000, HERE = 40 };
	static struct batch batch;
	uint64_t state = seed + 500, end, top;
	struct index_view older, newer;
	struct index_delta delta;
	uint8_t *copy;

	hash_of = hash_groups;
	batch.count = 0;
	for (unsigned key = 0; key < HERE; key++)
		batch_add(&batch, key, append(&arena, key, 1));
	top = batch_apply(&batch, &arena, 0, &delta);
	batch.count = 0;
	for (unsigned key = 0; key < HERE; key += 5)
		batch_add(&batch, key, append(&arena, key, 2));
	newer = view_of(&arena, batch_apply(&batch, &arena, top, &delta), HERE);
	older = newer;
	older.top = top;
	end = arena.used_bytes;
	copy = aligned_alloc(16, end);
	older.base = newer.base = copy;
	for (int round = 0; round < ROUNDS; round++) {
		const struct zkcfg_document *document;
		uint64_t told;
		unsigned count = 0;
		char name[NAME_BYTES];

		if (round % 16 == 0)
			memcpy(copy, arena.base, end);
		for (unsigned flips = 1 + round % 3; flips > 0; flips--) {
			uint64_t random = segment_random(&state);

			copy[(random >> 8) % end] = (uint8_t)random;
		}
		walk_all(&newer, &told);
		if (told > HERE)
			ck_abort_msg("%llu documents were told", (unsigned long long)told);
		for (unsigned key = 0; key < HERE; key++) {
			key_name(key, name);
			if (index_find(&newer, hash_of(key), name, strlen(name), &document) == 0 &&
			    memcmp(zkcfg_document_name(document), name, strlen(name)) != 0)
				ck_abort_msg("%s was asked for, and %s found", name,
					     zkcfg_document_name(document));
		}
		index_diff(&older, &newer, tell_nothing, &count);
		if (count > 2 * HERE)
			ck_abort_msg("%u differences were told", count);
	}
	free(copy);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("index");
	TCase *tcase = tcase_create("index");
	int hash_count = sizeof(hashes) / sizeof(*hashes), failed;
	SRunner *runner;

	seed = segment_seed();
	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, start, stop);
	tcase_add_loop_test(tcase, index_equals_a_model_under_random_changes, 0, hash_count);
	tcase_add_loop_test(tcase, diff_tells_what_the_models_differ_in, 0, hash_count);
	tcase_add_loop_test(tcase, diff_across_a_rewrite_tells_only_what_changed, 0, hash_count);
	tcase_add_test(tcase, live_bytes_of_changes_add_up_to_those_of_a_rewrite);
	tcase_add_test(tcase, older_top_is_unchanged_by_later_changes);
	tcase_add_test(tcase, empty_index_has_nothing_and_nothing_applied_changes_nothing);
	tcase_add_loop_test(tcase, removing_all_leaves_an_empty_index, 0, hash_count);
	tcase_add_test(tcase, name_that_is_twice_in_a_batch_or_out_of_order_is_refused);
	tcase_add_test(tcase, diff_ends_with_what_the_teller_returns);
	tcase_add_test(tcase, node_that_is_shared_a_trillion_times_ends_a_walk_and_a_diff_at_once);
	tcase_add_test(tcase, shared_nodes_without_differing_documents_end_a_diff_at_once);
	tcase_add_test(tcase, diff_of_shared_subtrees_with_documents_tells_no_more_than_there_can_be);
	tcase_add_test(tcase, tree_that_leads_back_to_itself_is_corrupt);
	tcase_add_test(tcase, child_that_lies_behind_its_parent_is_corrupt);
	tcase_add_test(tcase, tree_deeper_than_a_hash_is_corrupt);
	tcase_add_test(tcase, node_without_entries_or_an_empty_entry_is_corrupt);
	tcase_add_test(tcase, wrong_sum_of_contents_is_noticed_by_verify);
	tcase_add_test(tcase, any_bytes_give_an_error_or_documents);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
