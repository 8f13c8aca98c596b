/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a hook looks at, as one number a document: what tells whether anything of
 * it is different, over restarts, new segments and sources that went back.
 */
#ifndef ZKCFG_HOOK_PRINTS_H
#define ZKCFG_HOOK_PRINTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <zkcfg/zkcfg.h>

#include "base/buffer.h"
#include "hook/config.h"

struct print {
	char *document;
	uint64_t sum;
	const char *raw; /* where its bytes lie; NULL: not known */
};

/* Sorted by name. */
struct prints {
	struct print *items;
	size_t count;
};

/*
 * Of a snapshot. A document whose bytes lie where they lay in `before` (whose
 * snapshot is still pinned) is not read again. -ENOMEM, or -EIO: the segment
 * contradicts itself. Ends with prints_free().
 */
int prints_take(const struct hook_config *config, const struct zkcfg_snapshot *snapshot,
		const struct prints *before, struct prints *prints);
void prints_free(struct prints *prints);
/* At the end, for who reads them from a file. */
bool prints_add(struct prints *prints, const char *document, uint64_t sum);

/* How many documents differ. Their names, each with a newline behind, go to names, unless that is NULL. */
size_t prints_compare(const struct prints *before, const struct prints *after, struct buffer *names);

#endif
