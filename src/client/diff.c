/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "client/handle.h"
#include "segment/document.h"

struct diff_user {
	int (*tell)(const struct zkcfg_change *change, void *user);
	void *user;
};

/*
 * Tell the values of one document that the other has not, or has otherwise.
 * other: NULL, all of them.
 */
static int diff_values(const struct zkcfg_document *document, const struct zkcfg_document *other, bool is_newer,
		       const struct diff_user *diff)
{
	struct zkcfg_change change = { .document = zkcfg_document_name(document) };
	struct document_node node, twin;
	uint32_t twin_index;
	int result = 0;

	for (uint32_t i = 0; i < document_node_count(document) && result == 0; i++) {
		const char *there = NULL;

		result = document_node(document, i, &node);
		if (result < 0)
			return result;
		if (!node.value)
			continue;
		if (other && document_find_node(other, node.path, &twin_index) == 0 &&
		    document_node(other, twin_index, &twin) == 0)
			there = twin.value;
		/* a value that both have is told once, from the older side */
		if (there && (is_newer || strcmp(there, node.value) == 0))
			continue;
		change.kind = there ? ZKCFG_CHANGED : is_newer ? ZKCFG_ADDED : ZKCFG_REMOVED;
		change.path = node.path;
		change.old_value = is_newer ? NULL : node.value;
		change.new_value = is_newer ? node.value : there;
		result = diff->tell(&change, diff->user);
	}
	return result;
}

static int diff_document(const struct zkcfg_document *old_document, const struct zkcfg_document *new_document,
			 void *user)
{
	const struct diff_user *diff = user;
	struct zkcfg_change whole = { .kind = old_document ? ZKCFG_REMOVED : ZKCFG_ADDED };
	int result = 0;

	if (!old_document || !new_document) {
		whole.document = zkcfg_document_name(old_document ? old_document : new_document);
		result = diff->tell(&whole, diff->user);
	}
	if (result == 0 && old_document)
		result = diff_values(old_document, new_document, false, diff);
	if (result == 0 && new_document)
		result = diff_values(new_document, old_document, true, diff);
	return result;
}

int zkcfg_diff(const struct zkcfg_snapshot *older, const struct zkcfg_snapshot *newer,
	       int (*tell)(const struct zkcfg_change *change, void *user), void *user)
{
	static const struct index_view nothing;
	struct diff_user diff = { .tell = tell, .user = user };

	if (!newer || !tell)
		return ZKCFG_EINVAL;
	return index_diff(older ? &older->index : &nothing, &newer->index, diff_document, &diff);
}
