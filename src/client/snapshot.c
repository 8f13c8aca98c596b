/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "client/handle.h"
#include "segment/document.h"
#include "segment/hash.h"

/* A root can be overtaken while it is looked for: 64 commits, or a new generation, went by. */
#define PIN_TRIES 1000

static struct zkcfg_snapshot *snapshot_new(struct view *view, const struct layout_root *root)
{
	struct zkcfg_snapshot *snapshot = calloc(1, sizeof(*snapshot));

	if (!snapshot)
		return NULL;
	refcount_init(&snapshot->refs);
	snapshot->seq = root->seq;
	snapshot->time_ns = root->time_ns;
	snapshot->document_count = root->document_count;
	snapshot->index = view_index(view->base, root);
	snapshot->view = view;
	return snapshot;
}

/* The view that has a root's place in it: the newest snapshot's, or one mapped anew. */
static int pin_view(struct zkcfg *cfg, uint32_t generation, uint64_t offset, struct view **view)
{
	uint8_t segment_id[16];

	if (cfg->newest && cfg->newest->view->generation == generation &&
	    offset + layout_align(sizeof(struct layout_root)) <= cfg->newest->view->size_bytes) {
		*view = cfg->newest->view;
		view_get(*view);
		return 0;
	}
	control_segment_id(&cfg->control, segment_id);
	return view_open(cfg->dir_fd, generation, segment_id, view);
}

/* Find and map commit `seq`. ZKCFG_ETIMEDOUT: it was overtaken meanwhile, or cannot be had. */
static int pin_commit(struct zkcfg *cfg, uint64_t seq, struct zkcfg_snapshot **snapshot)
{
	const struct layout_root *root;
	struct view *view;
	uint32_t generation;
	uint64_t offset;
	int err;

	control_root(&cfg->control, seq, &generation, &offset);
	err = pin_view(cfg, generation, offset, &view);
	if (err < 0)
		return err == ZKCFG_ENOSET ? ZKCFG_ETIMEDOUT : err;
	err = view_root(view->base, view->size_bytes, offset, &root);
	if (err == 0 && root->seq != seq)
		err = ZKCFG_ECORRUPT;
	if (err == 0) {
		*snapshot = snapshot_new(view, root);
		if (*snapshot)
			return 0;
		err = ZKCFG_ENOMEM;
	}
	view_put(view);
	return err;
}

static int pin_newest(struct zkcfg *cfg)
{
	struct zkcfg_snapshot *found;
	uint64_t seq;
	int err;

	for (int tries = 0; tries < PIN_TRIES; tries++) {
		seq = control_seq(&cfg->control);
		if (control_moved(&cfg->control)) {
			handle_follow(cfg);
			if (!control_moved(&cfg->control))
				continue;
			/* sent elsewhere, and there is nothing yet: what we have is the newest there is */
			return cfg->newest ? 0 : ZKCFG_EEMPTY;
		}
		if (seq == 0)
			return ZKCFG_EEMPTY;
		if (cfg->newest && cfg->newest->seq == seq)
			return 0;
		err = pin_commit(cfg, seq, &found);
		if (err == 0) {
			zkcfg_unpin(cfg->newest);
			cfg->newest = found;
			return 0;
		}
		/* what does not fit together because the writer went on will fit next time */
		if (control_seq(&cfg->control) != seq)
			continue;
		/* nor do a control that was removed, and files that are there in place of its own */
		if (err != ZKCFG_ETIMEDOUT && control_is_current(&cfg->control, cfg->dir_fd))
			return err;
		handle_follow(cfg);
	}
	/* its file is not there: the segment is being removed, or was, and nothing is in its place yet */
	return ZKCFG_ENOSET;
}

int zkcfg_pin(struct zkcfg *cfg, struct zkcfg_snapshot **snapshot)
{
	int err;

	if (!cfg || !snapshot)
		return ZKCFG_EINVAL;
	pthread_mutex_lock(&cfg->lock);
	if (handle_is_doubtful_by_now(cfg))
		handle_follow(cfg);
	err = pin_newest(cfg);
	if (err == 0) {
		refcount_get(&cfg->newest->refs);
		*snapshot = cfg->newest;
	}
	pthread_mutex_unlock(&cfg->lock);
	return err;
}

void zkcfg_unpin(struct zkcfg_snapshot *snapshot)
{
	if (!snapshot || !refcount_put(&snapshot->refs))
		return;
	view_put(snapshot->view);
	free(snapshot);
}

uint64_t zkcfg_snapshot_seq(const struct zkcfg_snapshot *snapshot)
{
	return snapshot->seq;
}

int64_t zkcfg_snapshot_time_ns(const struct zkcfg_snapshot *snapshot)
{
	return snapshot->time_ns;
}

size_t zkcfg_snapshot_document_count(const struct zkcfg_snapshot *snapshot)
{
	return snapshot->document_count;
}

int zkcfg_find(const struct zkcfg_snapshot *snapshot, const char *name, const struct zkcfg_document **document)
{
	size_t name_bytes;

	if (!snapshot || !name || !document)
		return ZKCFG_EINVAL;
	name_bytes = strlen(name);
	return index_find(&snapshot->index, hash_bytes(name, name_bytes), name, name_bytes, document);
}

static_assert(sizeof(struct index_walk) <= sizeof(struct zkcfg_iterator), "an iterator holds a walk");

void zkcfg_iterator_init(struct zkcfg_iterator *iterator, const struct zkcfg_snapshot *snapshot)
{
	index_walk_init((struct index_walk *)(void *)iterator->opaque, &snapshot->index);
}

int zkcfg_iterator_next(struct zkcfg_iterator *iterator, const struct zkcfg_document **document)
{
	return index_walk_next((struct index_walk *)(void *)iterator->opaque, document);
}
