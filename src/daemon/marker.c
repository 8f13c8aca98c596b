/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/marker.h"

#include <string.h>

bool marker_is(const struct marker *marker, const char *document)
{
	return marker->name && strcmp(marker->name, document) == 0;
}

void marker_begin(struct marker *marker)
{
	*marker = (struct marker){ .name = marker->name };
}

void marker_seen(struct marker *marker, uint64_t revision)
{
	marker->is_there = true;
	marker->revision = revision;
}

void marker_gone(struct marker *marker)
{
	marker->is_there = false;
}

void marker_settled(struct marker *marker)
{
	marker->settled_revision = marker->revision;
}

uint64_t marker_next(const struct marker *marker)
{
	return marker->settled_revision + 1;
}

bool marker_covers(const struct marker *marker, const struct documents *documents)
{
	const struct tracked *entry;

	if (!marker->name)
		return true;
	if (!marker->is_there)
		return false;
	TAILQ_FOREACH (entry, &documents->changes, change_link)
		if (entry->needs > marker->revision)
			return false;
	return true;
}
