/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads that are under way: at most so many, in the order they were sent.
 *
 * Each has a number that is never given twice, so that a reply which comes
 * after its request was given up finds nothing.
 */
#ifndef ZKCFG_SOURCE_REQUESTS_H
#define ZKCFG_SOURCE_REQUESTS_H

#include <stdbool.h>
#include <stdint.h>

#include "source/znode.h"

struct request {
	uint64_t id;	     /* 0: not under way */
	struct znode *node;  /* NULL: none, or it is gone */
	uint16_t *place;     /* where the znode remembers the slot; NULL: nowhere */
	int64_t sent_ns;
	uint8_t read;	     /* enum subscription_read */
	uint16_t prev, next; /* in order of sending; 0: none */
};

struct requests {
	struct request *slots; /* from 1 to window */
	unsigned int window;
	uint16_t free, first, last;
	uint64_t count;		/* ever begun */
	int64_t first_since_ns; /* since when the oldest one is the oldest */
};

/* 0 or -ENOMEM. Ends with requests_free(). window: at most UINT16_MAX. */
int requests_init(struct requests *requests, unsigned int window);
void requests_free(struct requests *requests);

bool requests_full(const struct requests *requests);
/* Begin one, if not full. node and place may be NULL: it is of no znode. */
struct request *requests_begin(struct requests *requests, struct znode *node, uint16_t *place, uint8_t read,
			       int64_t now_ns);
/* The one of that number, if it is under way. */
struct request *requests_find(const struct requests *requests, uint64_t id);
/* The oldest, or NULL. */
struct request *requests_first(const struct requests *requests);
void requests_end(struct requests *requests, struct request *request, int64_t now_ns);
/* The znode with this place goes away. */
void requests_orphan(struct requests *requests, uint16_t *place);

/*
 * When the oldest one is overdue if each may take limit_ns; INT64_MAX if there
 * is none. Replies come in the order of the requests, so each one has its time
 * from when it became the oldest: on a slow line nothing is overdue as long as
 * replies come, and a reply that got lost is found out.
 */
int64_t requests_overdue_ns(const struct requests *requests, int64_t limit_ns);

#endif
