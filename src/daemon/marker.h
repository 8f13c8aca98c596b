/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A set's commit marker: the document that writers write last.
 *
 * Nothing of it counts but its revision; one that is empty counts as missing,
 * as sources do not tell of what never was anything. What changed is complete once the
 * source has settled and the marker is as new as each change:
 *
 * - A version needs a marker of at least its own revision.
 * - A removal has no revision. It was told after the settled state before, in
 *   which the marker covered all that was at the source; so it needs a marker
 *   that is newer than it was in that state. This is exact where the removal
 *   and the marker are one transaction, and where a batch removes after it has
 *   changed: removals of the next batch then never are all there is to see of
 *   it while the marker is of the batch before.
 *
 * For one thread. Not here: when a commit is due for other reasons.
 */
#ifndef ZKCFG_DAEMON_MARKER_H
#define ZKCFG_DAEMON_MARKER_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/documents.h"

struct marker {
	const char *name; /* borrowed; NULL: the set has none, and everything is covered */
	bool is_there;
	uint64_t revision;
	uint64_t settled_revision; /* when the source settled last */
};

bool marker_is(const struct marker *marker, const char *document);
/* A source is started: it has not told of the marker yet. */
void marker_begin(struct marker *marker);
/* The source has it. */
void marker_seen(struct marker *marker, uint64_t revision);
/* The source has it no longer. */
void marker_gone(struct marker *marker);
/* The source has settled. */
void marker_settled(struct marker *marker);
/* What a removal that is told now needs. */
uint64_t marker_next(const struct marker *marker);
/* Is the marker as new as each of the changes? */
bool marker_covers(const struct marker *marker, const struct documents *documents);

#endif
