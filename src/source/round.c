/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "source/round.h"

void round_begin(struct round *round, size_t znode_count, uint64_t changes, int64_t since_boottime_ns)
{
	round->is_under_way = true;
	round->is_failed = round->is_clean = false;
	round->left = znode_count;
	round->unanswered = 0;
	round->changes = changes;
	round->since_boottime_ns = since_boottime_ns;
}

bool round_end(struct round *round, uint64_t changes)
{
	round->is_under_way = false;
	round->is_clean = changes == round->changes && !round->is_failed;
	round->moved_count = round->is_clean ? 0 : round->moved_count + 1;
	if (round->moved_count < ROUND_MOVED_MOST)
		return !round->is_clean;
	round->moved_count = 0;
	return false;
}

bool round_lets_settle(const struct round *round, uint64_t changes)
{
	return !round->is_pull || (round->is_clean && round->changes == changes);
}
