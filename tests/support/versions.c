/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/versions.h"

#include <stdlib.h>

size_t versions_add(struct versions *versions, const struct version *version)
{
	if (versions->count == versions->capacity) {
		versions->capacity = versions->capacity > 0 ? 2 * versions->capacity : 4096;
		versions->items = reallocarray(versions->items, versions->capacity, sizeof(*versions->items));
		if (!versions->items)
			abort();
	}
	versions->items[versions->count] = *version;
	return versions->count++;
}

static int version_compare(const void *a, const void *b)
{
	const struct version *left = a, *right = b;

	if (left->path != right->path)
		return left->path < right->path ? -1 : 1;
	return left->order < right->order ? -1 : left->order > right->order;
}

void versions_sort(struct versions *versions)
{
	if (versions->count > 0)
		qsort(versions->items, versions->count, sizeof(*versions->items), version_compare);
}

size_t versions_find(const struct versions *versions, uint32_t path, uint64_t order)
{
	struct version wanted = { .path = path, .order = order };
	size_t next = 0, end = versions->count;

	while (next < end) {
		size_t middle = next + (end - next) / 2;

		if (version_compare(&versions->items[middle], &wanted) < 0)
			next = middle + 1;
		else
			end = middle;
	}
	return next;
}

void versions_free(struct versions *versions)
{
	free(versions->items);
	*versions = (struct versions){ 0 };
}
