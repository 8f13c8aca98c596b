/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Room for documents that wait for a commit.
 *
 * A set that is read for the first time waits as a whole. In the heap, what
 * stays of other allocations between its documents would keep all of their
 * pages for good. Here, a chunk goes back to the system with the last document
 * in it; one that is empty is kept for the next. For one thread.
 */
#ifndef ZKCFG_DAEMON_STAGING_H
#define ZKCFG_DAEMON_STAGING_H

#include <stddef.h>

struct staging_chunk;

/* struct staging s = {0} is an empty one. */
struct staging {
	struct staging_chunk *filling; /* the one that is being filled, or NULL */
};

/* A copy, aligned to 64 bytes. NULL: out of memory. */
void *staging_copy(struct staging *staging, const void *bytes, size_t size_bytes);
/* Let a copy go; NULL is allowed. */
void staging_free(struct staging *staging, void *copy);
/* After the last copy has been let go. */
void staging_end(struct staging *staging);

#endif
