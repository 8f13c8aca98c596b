/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pull: all znodes are looked at in rounds, and no watch is set.
 *
 * A round in which nothing was found to have moved is clean. All that is known
 * was read before it began and is still so when it is looked at within it: so at
 * the moment it began, what is known was all there was. Only then is it settled,
 * and transactions are shown whole without a notification. While something moves
 * all the time no round is clean, and nothing is settled: what that means for a
 * commit is for others to say. A round that was not clean is followed by another
 * at once, but after ROUND_MOVED_MOST in a row only when the interval is over:
 * writes that never pause must not become a load on the server.
 */
#ifndef ZKCFG_SOURCE_ROUND_H
#define ZKCFG_SOURCE_ROUND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ROUND_MOVED_MOST 8

struct round {
	bool is_pull; /* else there are none */
	bool is_under_way;
	bool is_failed;	       /* not all could be looked at */
	bool is_clean;	       /* the last one was, as of changes */
	size_t left, unanswered;
	unsigned int moved_count;  /* rounds in a row that were not clean */
	int64_t since_boottime_ns; /* when it began, or before */
	uint64_t changes;      /* of the subscription, when it began */
};

/* So many znodes are to be looked at. */
void round_begin(struct round *round, size_t znode_count, uint64_t changes, int64_t since_boottime_ns);
/* All have been looked at, and nothing is DIRTY. Another one is to follow at once: true. */
bool round_end(struct round *round, uint64_t changes);
/* Nothing that was told since is unsettled. */
bool round_lets_settle(const struct round *round, uint64_t changes);

#endif
