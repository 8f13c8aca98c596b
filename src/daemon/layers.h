/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Several sources as one: layers, a later one over an earlier one, each with
 * fallbacks for a start without it.
 *
 * It is a source to the pipeline, with the contract of source/source.h, and
 * follows each of its places with a source of its own, whose versions it keeps:
 *
 * - Nothing is told before every layer has settled once: a base without what
 *   lies over it would be a wrong document and not an early one. From then on
 *   each change is told at once, and settled() when all layers have settled.
 *   Changes in two layers are not one transaction, even of one server.
 * - verified() is the oldest of the layers'; state() the worst, detail names
 *   the layer; so does trouble(). repaired() and contact() are passed on.
 * - removed() is told when no layer has it any more; else what is left is told
 *   again. A version without bytes counts as none.
 * - A layer that cannot read a document is not one that has none: as long as
 *   that could be hidden below it, what was told stays as it was.
 *
 * Merging. Where that is wanted, a document is made of all layers that have it,
 * element by element (xml/merge.h), whenever a version of one of them changes;
 * and none of them may be unreadable. Layers that do not go together are
 * trouble, and what was told stays. A document of one layer alone stays as it
 * is to the byte.
 *
 * Fallbacks. A layer's place is its first source, then its fallbacks in order.
 * The next one is begun when none of those before was reached for
 * fallback_after_ms, and only where nothing is served yet (last-good comes
 * first). The first one that settled is in force, until one before it settles;
 * those behind it are closed for good. While a fallback is in force the state
 * is that of the first source, and nothing is verified.
 *
 * Revisions. Each source has an order of its own, so no number that is made of
 * several both grows with each of them and stays put when nothing changed: the
 * sum shrinks when a layer's version goes, the maximum stands still when a
 * smaller one moves. Therefore:
 *
 * - A document's revision is the largest of the versions that it is made of,
 *   but at least one more than the newest accepted, unless bytes and sources
 *   are those of the newest: then it is that one. (standing.h)
 *   It rises with every change that a reader can see, whatever layer it came
 *   from or fell back to; and as the newest accepted one is in shared memory
 *   and in last-good, a restart that finds the same gives it the same number
 *   and commits nothing.
 * - So the number cannot show that a source went back. What can is the revision
 *   of each source, which is kept with the document: for a source that was part
 *   of the newest accepted version and is part of this one, it must not be
 *   less. That holds over a restart, too. A source that is no part of it any
 *   more is not compared, as a version that was removed has no revision. Within
 *   this process no version of a layer gives way to an older one, seen or not.
 * - A document that comes anew begins above all that went in this process. One
 *   that was removed from all layers, on-delete="remove", before a restart, and
 *   comes back behind it in a source that counts from lower: its revision may
 *   be lower than before it went. Nobody knows of it any more.
 *
 * Runs on the loop's thread.
 */
#ifndef ZKCFG_DAEMON_LAYERS_H
#define ZKCFG_DAEMON_LAYERS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"
#include "base/message.h"
#include "source/source.h"
#include "xml/compile.h"

#define LAYERS_PLACES_MOST 16
#define LAYERS_FALLBACK_AFTER_MS 5000

struct layers_place {
	const struct source_ops *ops;
	const char *uri;
	bool is_fallback; /* of the place before it; the first is none */
};

/* Places are copied. */
struct layers_parts {
	const struct layers_place *places;
	size_t place_count; /* 1 to LAYERS_PLACES_MOST */
	bool is_served;	    /* there is something to read: fallbacks are not needed */
	int fallback_after_ms;
	bool merges; /* element by element; else the highest layer that has a document gives it */
	const struct xml_limits *limits; /* of merging, borrowed; NULL: xml_limits_default */
	/* A version is lost for want of memory: open everything anew, but not from within. */
	void (*out_of_memory)(void *user, const char *name);
};

/* As source_ops' open; what it gives is started and closed by its ops. */
int layers_open(const struct layers_parts *parts, const struct source_events *events, void *user,
		struct source **source, struct message *message);
/*
 * While document() is told: what it is made of, as document_sources_write()
 * has it. NULL: out of memory.
 */
const void *layers_told(const struct source *source, size_t *size_bytes);
/* For status, a line each: what it is, the URI without secrets, its state, detail; with tabs between them. */
void layers_describe(const struct source *source, struct buffer *text);

#endif
