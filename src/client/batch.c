/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdbool.h>
#include <string.h>

#include "client/handle.h"
#include "segment/document.h"
#include "segment/hash.h"
#include "segment/index_read.h"

/* So many look-ups go side by side: what one of them waits for, the next ones ask for meanwhile. */
#define BATCH_BLOCK 16

struct look_up {
	const struct zkcfg_document *document;
	bool shares_document; /* with the request before */
	uint64_t hash;
	uint64_t entry;
	uint64_t end;
	size_t name_bytes;
	size_t path_bytes;
	uint32_t path_hash;
	int err;
};

/* Where is the document? Its header is on its way then. */
static void look_up_descend(const struct index_view *view, const struct zkcfg_request *request,
			    struct look_up *look_up)
{
	look_up->name_bytes = strlen(request->document);
	look_up->hash = hash_bytes(request->document, look_up->name_bytes);
	look_up->err = view_descend(view, look_up->hash, &look_up->entry, &look_up->end);
	if (look_up->err == 0)
		__builtin_prefetch(view->base + entry_offset(look_up->entry));
}

/* Which slot is the path's? It is on its way then, if the entry says how many there are. */
static void look_up_hash(const struct index_view *view, const struct zkcfg_request *request,
			 struct look_up *look_up)
{
	look_up->path_bytes = strlen(request->path);
	look_up->path_hash = (uint32_t)hash_bytes(request->path, look_up->path_bytes);
	__builtin_prefetch(view->base + entry_offset(look_up->entry) +
			   entry_slot_offset(look_up->entry, look_up->name_bytes, look_up->path_hash));
}

static void look_up_finish(const struct index_view *view, struct zkcfg_request *request, struct look_up *look_up)
{
	const struct layout_key *key;

	if (!look_up->shares_document)
		look_up->err = index_match(view, look_up->entry, look_up->end, look_up->hash, request->document,
					   look_up->name_bytes, &look_up->document);
	if (look_up->err < 0)
		return;
	key = document_look_up(look_up->document, look_up->path_hash, request->path, look_up->path_bytes);
	look_up->err = key ? document_key_value(look_up->document, key, &request->value)
			   : document_walk_string(look_up->document, request->path, &request->value);
}

static int batch_block(const struct index_view *view, struct zkcfg_request *requests, size_t count)
{
	struct look_up look_ups[BATCH_BLOCK];
	int first = 0;

	for (size_t i = 0; i < count; i++) {
		look_ups[i].shares_document = i > 0 && (requests[i].document == requests[i - 1].document ||
							strcmp(requests[i].document, requests[i - 1].document) == 0);
		if (look_ups[i].shares_document) {
			look_ups[i] = look_ups[i - 1];
			look_ups[i].shares_document = true;
		} else {
			look_up_descend(view, &requests[i], &look_ups[i]);
		}
	}
	for (size_t i = 0; i < count; i++)
		if (look_ups[i].err == 0)
			look_up_hash(view, &requests[i], &look_ups[i]);
	for (size_t i = 0; i < count; i++) {
		requests[i].value = NULL;
		if (look_ups[i].shares_document) {
			look_ups[i].document = look_ups[i - 1].document;
			look_ups[i].err = look_ups[i - 1].document ? 0 : look_ups[i - 1].err;
		} else {
			look_ups[i].document = NULL;
		}
		if (look_ups[i].err == 0)
			look_up_finish(view, &requests[i], &look_ups[i]);
		requests[i].error = look_ups[i].err;
		if (first == 0)
			first = look_ups[i].err;
	}
	return first;
}

int zkcfg_get_batch(const struct zkcfg_snapshot *snapshot, struct zkcfg_request *requests, size_t count)
{
	int first = 0;

	if (!snapshot || (!requests && count > 0))
		return ZKCFG_EINVAL;
	for (size_t i = 0; i < count; i++)
		if (!requests[i].document || !requests[i].path)
			return ZKCFG_EINVAL;
	for (size_t i = 0; i < count; i += BATCH_BLOCK) {
		size_t left = count - i;
		int err = batch_block(&snapshot->index, requests + i, left < BATCH_BLOCK ? left : BATCH_BLOCK);

		if (first == 0)
			first = err;
	}
	return first;
}
