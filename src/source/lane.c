/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "source/lane.h"

int lane_init(struct lane *lane, unsigned int window)
{
	struct lane made = { .paused_until_ns = INT64_MIN };
	int err = requests_init(&made.requests, window);

	if (err == 0)
		*lane = made;
	return err;
}

void lane_free(struct lane *lane)
{
	requests_free(&lane->requests);
}

void lane_enqueue(struct lane *lane, struct watch *watch)
{
	watch->prev = lane->queue_last;
	watch->next = NULL;
	if (watch->prev)
		watch->prev->next = watch;
	else
		lane->queue_first = watch;
	lane->queue_last = watch;
}

void lane_unqueue(struct lane *lane, struct watch *watch)
{
	if (watch->prev)
		watch->prev->next = watch->next;
	else
		lane->queue_first = watch->next;
	if (watch->next)
		watch->next->prev = watch->prev;
	else
		lane->queue_last = watch->prev;
	watch->prev = watch->next = NULL;
}

bool lane_may_send(const struct lane *lane)
{
	return lane->link == LANE_UP && !requests_full(&lane->requests);
}

size_t lane_cost(const struct znode *node)
{
	return 4 + (size_t)node->path_length;
}
