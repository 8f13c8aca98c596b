/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Documents of a snapshot become the text of a file, by XSLT 1.0: the only
 * user of libxslt.
 *
 * A stylesheet gets one document where it names one, and else a tree of all
 * those that it may see:
 *
 *	<set name="app" seq="12">
 *	  <document name="db/pool.xml" revision="7">...its root element...</document>
 *	</set>
 *
 * and the parameters set, seq and host. It may read files of its own directory
 * and below (xsl:import, xsl:include, document()), none elsewhere, nothing of
 * the network, and it may write nowhere. What it asks for and does not get is
 * an error, and so is xsl:message with terminate="yes": nothing comes of half
 * a configuration. Time is bounded by a number of steps, size by a limit.
 *
 * A stylesheet that was loaded does not change: it may be applied by one thread
 * at a time, whichever that is.
 */
#ifndef ZKCFG_HOOK_RENDER_H
#define ZKCFG_HOOK_RENDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <zkcfg/zkcfg.h>

#include "base/buffer.h"
#include "base/message.h"

/* Of what a stylesheet makes. */
#define RENDER_LIMIT_BYTES ((size_t)64 * 1024 * 1024)

struct render;

struct render_input {
	const char *set;
	const struct zkcfg_snapshot *snapshot;
	const char *document; /* NULL: all for which is_wanted() is true */
	bool (*is_wanted)(const void *user, const char *document);
	const void *user;
};

/*
 * Load a stylesheet with all that it imports. -EINVAL with "FILE:LINE: what is
 * wrong" in message, or another negative errno with message. Ends with render_free().
 */
int render_load(const char *path, struct render **render, struct message *message);
void render_free(struct render *render);
/* Of all files that it was loaded from: another one, and the stylesheet is another one. */
uint64_t render_checksum(const struct render *render);

/* Append what it makes to text. Errors as of render_load(); -ENOENT: there is no such document. */
int render_apply(struct render *render, const struct render_input *input, struct buffer *text,
		 struct message *message);

#endif
