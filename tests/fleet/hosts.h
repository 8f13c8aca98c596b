/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hosts: in a few processes, each with one event loop and its part of
 * them. What a host is told it notes, with the time, in memory that all
 * processes share; who measures reads it there.
 */
#ifndef ZKCFG_TESTS_FLEET_HOSTS_H
#define ZKCFG_TESTS_FLEET_HOSTS_H

#include "fleet/fleet.h"

struct hosts;

/* Over the hosts that are there in time, on CLOCK_MONOTONIC. */
struct spread {
	unsigned count;
	double first_ms, median_ms, last_ms; /* 0 without any */
};

/* What there should be none of. */
struct hosts_mishaps {
	unsigned away;	   /* a host that had synced lost the server */
	unsigned troubles; /* a znode could not be read */
	unsigned repairs;  /* an audit found what a notification should have told */
};

/* Fork them; they do nothing yet. splay: as a URI has it. Ends with hosts_end(). */
struct hosts *hosts_begin(const struct fleet *fleet, const char *server, const char *splay);
void hosts_end(struct hosts *hosts);
/* Let all of them start at once; only once. */
void hosts_go(struct hosts *hosts);

/* Both wait for all hosts, or for the limit: then spread->count is less than there are. */
void hosts_await_synced(const struct hosts *hosts, int64_t since_ns, struct spread *spread);
/* Until they have been told of so many znodes, the first of them `znode`, as of mzxid `modified` or later. */
void hosts_await_change(const struct hosts *hosts, unsigned znode, unsigned znode_count, uint64_t modified,
			int64_t since_ns, struct spread *spread);

/* Of all their processes. */
int64_t hosts_cpu_ns(const struct hosts *hosts);
void hosts_count_mishaps(const struct hosts *hosts, struct hosts_mishaps *mishaps);

#endif
