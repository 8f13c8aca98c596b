/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdbool.h>
#include <string.h>
#include <time.h>

#include "client/handle.h"
#include "segment/document.h"
#include "segment/layout.h"

static int64_t wait_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int zkcfg_wait(struct zkcfg *cfg, uint64_t seen, int timeout_ms, uint64_t *newest)
{
	int64_t deadline_ms = wait_now_ms() + timeout_ms, left_ms;
	uint64_t seq;
	int err;

	if (!cfg)
		return ZKCFG_EINVAL;
	for (;;) {
		if (handle_is_doubtful(cfg)) {
			pthread_mutex_lock(&cfg->lock);
			handle_follow(cfg);
			pthread_mutex_unlock(&cfg->lock);
		}
		seq = control_seq(&cfg->control);
		/* a control that was abandoned counts on to call us, not because there is a commit */
		if (seq != seen && seq != 0 && !control_moved(&cfg->control)) {
			if (newest)
				*newest = seq;
			return 0;
		}
		/* no longer than until we ought to look around */
		left_ms = handle_doubtful_in_ms(cfg);
		if (timeout_ms >= 0 && deadline_ms - wait_now_ms() < left_ms)
			left_ms = deadline_ms - wait_now_ms();
		if (left_ms <= 0)
			return ZKCFG_ETIMEDOUT;
		err = control_wait(&cfg->control, seq, (int)left_ms);
		if (err < 0)
			return err;
	}
}

static bool strings_equal(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

/* Do two subtrees differ? Each node with its values, in document order. 1, 0, or ZKCFG_ECORRUPT. */
static int subtrees_differ(const struct zkcfg_document *old_document, uint32_t old_index,
			   const struct zkcfg_document *new_document, uint32_t new_index)
{
	uint32_t old_at = old_index, new_at = new_index, old_end = old_index, new_end = new_index;
	struct document_node old_node, new_node;

	do {
		int err = document_node(old_document, old_at, &old_node);

		if (err == 0)
			err = document_node(new_document, new_at, &new_node);
		if (err < 0)
			return err;
		if (old_at == old_index) {
			old_end = old_node.end;
			new_end = new_node.end;
		}
		if (old_node.kind != new_node.kind || old_node.end - old_at != new_node.end - new_at ||
		    !strings_equal(old_node.name, new_node.name) || !strings_equal(old_node.value, new_node.value))
			return 1;
		old_at++;
		new_at++;
	} while (old_at < old_end && new_at < new_end);
	return 0;
}

/* Does a path lead to anything else than it did? 1, 0, ZKCFG_EINVAL or ZKCFG_ECORRUPT. */
static int path_differs(const struct zkcfg_document *old_document, const struct zkcfg_document *new_document,
			const char *path)
{
	uint32_t old_index, new_index;
	int was = ZKCFG_ENOPATH, is = ZKCFG_ENOPATH;

	if (old_document)
		was = document_find_node(old_document, path, &old_index);
	if (new_document)
		is = document_find_node(new_document, path, &new_index);
	if (was < 0 && was != ZKCFG_ENOPATH)
		return was;
	if (is < 0 && is != ZKCFG_ENOPATH)
		return is;
	if (was < 0 || is < 0)
		return was != is;
	return subtrees_differ(old_document, old_index, new_document, new_index);
}

/* The document of a snapshot; NULL: it has none, or is none. ZKCFG_ECORRUPT. */
static int document_of(const struct zkcfg_snapshot *snapshot, const char *name,
		       const struct zkcfg_document **document)
{
	int err = snapshot ? zkcfg_find(snapshot, name, document) : ZKCFG_ENODOC;

	if (err == ZKCFG_ENODOC) {
		*document = NULL;
		err = 0;
	}
	return err;
}

static int snapshots_differ(const struct zkcfg_snapshot *since, const struct zkcfg_snapshot *now,
			    const char *name, const char *path)
{
	const struct zkcfg_document *old_document, *new_document;
	int err;

	if (!name)
		return !since || since->seq != now->seq;
	err = document_of(since, name, &old_document);
	if (err == 0)
		err = document_of(now, name, &new_document);
	if (err < 0)
		return err;
	/* the same document, in one file or copied into another */
	if (old_document == new_document ||
	    (old_document && new_document && old_document->checksum == new_document->checksum))
		return 0;
	if (!path)
		return 1;
	return path_differs(old_document, new_document, path);
}

int zkcfg_wait_for(struct zkcfg *cfg, const struct zkcfg_snapshot *since, const char *document, const char *path,
		   int timeout_ms, struct zkcfg_snapshot **snapshot)
{
	int64_t deadline_ms = wait_now_ms() + timeout_ms, left_ms = -1, now_ms;
	uint64_t seen = since ? since->seq : 0;
	struct zkcfg_snapshot *now;
	int err;

	if (!cfg || !snapshot || (path && !document) || (path && !document_path_is_valid(path)))
		return ZKCFG_EINVAL;
	for (;;) {
		if (timeout_ms >= 0) {
			now_ms = wait_now_ms();
			left_ms = now_ms < deadline_ms ? deadline_ms - now_ms : 0;
		}
		err = zkcfg_wait(cfg, seen, (int)left_ms, NULL);
		if (err == 0)
			err = zkcfg_pin(cfg, &now);
		if (err < 0)
			return err;
		err = snapshots_differ(since, now, document, path);
		if (err == 1) {
			*snapshot = now;
			return 0;
		}
		seen = now->seq;
		zkcfg_unpin(now);
		if (err < 0)
			return err;
	}
}
