/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a version that a source tells stands to the newest one that was accepted.
 *
 * Where a set has one source, its revision says so. Where it has several,
 * layers.h says why it does not, and what does; the revision is made here.
 * Pure: nothing is kept.
 */
#ifndef ZKCFG_DAEMON_STANDING_H
#define ZKCFG_DAEMON_STANDING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <zkcfg/zkcfg.h>

#include "base/message.h"
#include "segment/document.h"
#include "source/source.h"

enum standing { STANDING_OLDER, STANDING_SAME, STANDING_NEWER };

/* A version that was told. */
struct told {
	const void *bytes;
	size_t size_bytes;
	struct source_revision revision;
	const void *sources; /* of layers_told(); NULL: of the set's one source */
	size_t sources_bytes;
};

/*
 * newest        NULL: there is none.
 * accept_older  an older one is as good as a newer one.
 * why           out, with STANDING_OLDER.
 */
enum standing standing_of(const struct zkcfg_document *newest, const struct told *told, bool accept_older,
			  struct message *why);
/*
 * The same of a set with several sources. floor: revisions of documents that
 * went. told's revision becomes the document's, but for a version that is
 * STANDING_SAME.
 */
enum standing standing_of_layered(const struct zkcfg_document *newest, struct told *told, bool accept_older,
				  uint64_t floor, struct message *why);

#endif
