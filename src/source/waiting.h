/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Watches that wait for their time: the one that is due first is at hand.
 *
 * A heap, ordered by due_ns, whose room is reserved when a znode is made, so
 * that putting a watch in cannot fail.
 */
#ifndef ZKCFG_SOURCE_WAITING_H
#define ZKCFG_SOURCE_WAITING_H

#include <stddef.h>

#include "source/znode.h"

struct waiting {
	struct watch **heap; /* from 1 on */
	size_t count, capacity;
};

/* Make room for so many watches in all. 0 or -ENOMEM. */
int waiting_reserve(struct waiting *waiting, size_t watch_count);
void waiting_free(struct waiting *waiting);

/* due_ns says until when. */
void waiting_add(struct waiting *waiting, struct watch *watch);
void waiting_remove(struct waiting *waiting, struct watch *watch);
/* The one that is due first, or NULL. */
struct watch *waiting_first(const struct waiting *waiting);

#endif
