/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is behind the public handle and snapshot.
 *
 * The handle keeps the newest snapshot that was pinned, so that pinning again
 * while nothing changed is a comparison and a count. Its lock guards that
 * snapshot and attaching anew; no look-up takes it.
 */
#ifndef ZKCFG_CLIENT_HANDLE_H
#define ZKCFG_CLIENT_HANDLE_H

#include <limits.h>
#include <pthread.h>
#include <stdint.h>

#include <zkcfg/zkcfg.h>

#include "segment/control.h"
#include "segment/index.h"
#include "segment/layout.h"
#include "segment/refcount.h"
#include "segment/view.h"

/* What zkcfg_descriptor() gives out, and what is behind it; -1: not there. */
struct descriptor {
	int epoll_fd;
	int timer_fd;
	int commits_fd;
	int alive_fd;
};

struct zkcfg {
	const uint64_t *counter; /* first, and so for ever: zkcfg_seq() in zkcfg.h reads it */
	struct control control;
	pthread_mutex_t lock;
	struct zkcfg_snapshot *newest; /* one use is the handle's; NULL: none yet */
	int64_t looked_ns; /* when the segment's name was last looked up, CLOCK_BOOTTIME */
	int64_t doubted_ns; /* when it was last asked whether to: CLOCK_MONOTONIC_COARSE; the lock's */
	int dir_fd;
	struct descriptor descriptor; /* the lock's */
	uid_t owner; /* who has to own the set's directory; (uid_t)-1: anybody */
	char set[LAYOUT_SET_NAME_BYTES];
	char directory[]; /* the shm dir */
};

struct zkcfg_snapshot {
	struct refcount refs;
	uint64_t seq;
	int64_t time_ns;
	uint64_t document_count;
	struct index_view index;
	struct view *view;
};

/* The lock is held. Look whether the set's name leads elsewhere by now, and attach there. */
void handle_follow(struct zkcfg *cfg);
/* Is it time to do that? Cheap. */
int handle_is_doubtful(const struct zkcfg *cfg);
/* In how many milliseconds it may be, if the daemon gives no sign of life before; from 1. */
int handle_doubtful_in_ms(const struct zkcfg *cfg);
/* The lock is held. The same ten times a second at the most: a few nanoseconds. */
int handle_is_doubtful_by_now(struct zkcfg *cfg);

void descriptor_init(struct zkcfg *cfg);
void descriptor_close(struct zkcfg *cfg);

#endif
