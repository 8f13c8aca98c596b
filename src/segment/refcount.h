/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* How many use a thing of this process; whoever lets the last use go frees it. */
#ifndef ZKCFG_SEGMENT_REFCOUNT_H
#define ZKCFG_SEGMENT_REFCOUNT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct refcount {
	_Atomic uint32_t count;
};

static inline void refcount_init(struct refcount *refs)
{
	atomic_init(&refs->count, 1);
}

/* For one who has a use already. */
static inline void refcount_get(struct refcount *refs)
{
	/* relaxed: the use that the caller has keeps the thing alive */
	atomic_fetch_add_explicit(&refs->count, 1, memory_order_relaxed);
}

/* True: that was the last one. */
static inline bool refcount_put(struct refcount *refs)
{
	/* release: our reads come before the free; acquire: pairs with the others' releases */
	return atomic_fetch_sub_explicit(&refs->count, 1, memory_order_acq_rel) == 1;
}

/* Is there no other use than the caller's? */
static inline bool refcount_alone(const struct refcount *refs)
{
	/* acquire: pairs with the release of the last other put */
	return atomic_load_explicit(&refs->count, memory_order_acquire) == 1;
}

#endif
