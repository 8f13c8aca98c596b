/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One session's part of a subscription: its connection as far as it is known,
 * what is to be read on it, what is under way, and how much its watches come to.
 *
 * Not here: what is read and why, which is the subscription's.
 */
#ifndef ZKCFG_SOURCE_LANE_H
#define ZKCFG_SOURCE_LANE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "source/requests.h"
#include "source/znode.h"

#define LANE_DETAIL_BYTES 512

enum lane_link { LANE_DOWN = 0, LANE_UP, LANE_REFUSED };

struct lane {
	struct requests requests;
	int64_t request_ns;		   /* how long one may take */
	struct watch *queue_first, *queue_last; /* DIRTY, to be read at once */

	enum lane_link link;
	bool begun;		 /* there was a session */
	bool silent;		 /* connected or not, nothing has been heard for too long */
	int64_t paused_until_ns; /* nothing is sent before */
	char detail[LANE_DETAIL_BYTES]; /* why it is not up */

	size_t reserved_bytes; /* of its znodes, were all their watches set */
	size_t watch_bytes;    /* of the watches that are */

	uint64_t fence;	       /* the request of the sync that was sent last; 0: answered, or lost */
	uint64_t fence_change; /* the number of the last change when it was sent */
	bool fenced;	       /* it was answered */
	bool fence_waits;      /* it is to be sent when the pause is over */

	int64_t answered_boottime_ns; /* when the last probe was sent that was answered; 0: none */
};

/* 0 or -ENOMEM. Ends with lane_free(). */
int lane_init(struct lane *lane, unsigned int window);
void lane_free(struct lane *lane);

void lane_enqueue(struct lane *lane, struct watch *watch);
void lane_unqueue(struct lane *lane, struct watch *watch);
/* Up, and room for one more. */
bool lane_may_send(const struct lane *lane);

/* What one watch costs in the packet that sets all of them again: its path and a length. */
size_t lane_cost(const struct znode *node);

#endif
