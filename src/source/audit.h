/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which znode is looked at when, so that each one is in about every period:
 * a few each second, or one now and then, with jitter. Not here: the looking.
 */
#ifndef ZKCFG_SOURCE_AUDIT_H
#define ZKCFG_SOURCE_AUDIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "source/znode.h"

struct audit {
	int64_t period_ns; /* 0: never */
	int64_t least_ns;  /* and no more often than once in so long for each znode there is */
	int64_t next_ns;   /* INT64_MAX: not begun */
	struct znode *cursor; /* the next one; NULL: the root */
};

void audit_init(struct audit *audit, int64_t period_ns, int64_t least_ns);
/* How many to look at now; 0: it is not time. random: any number. */
size_t audit_due(struct audit *audit, size_t znode_count, int64_t now_ns, uint64_t random);
/* Is it time for all of them? The next time is set. */
bool audit_all_due(struct audit *audit, int64_t now_ns, uint64_t random);
/* The next one; audit_pass() goes on behind it. */
struct znode *audit_next(const struct audit *audit, struct znode *root);
void audit_pass(struct audit *audit, const struct znode *node);
/* A znode goes away, which has no children. */
void audit_forget(struct audit *audit, const struct znode *node);

#endif
