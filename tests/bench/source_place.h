/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Places of the bench's own that zkcfgd as built follows, and who changes them:
 * a directory of files, a volume of a ConfigMap, an etcd.
 *
 * Each has two spots of the same kind: one that the daemon follows, and one that
 * it does not, for the peer. Not here: ZooKeeper, which is zk_place.h.
 */
#ifndef ZKCFG_TESTS_BENCH_SOURCE_PLACE_H
#define ZKCFG_TESTS_BENCH_SOURCE_PLACE_H

#include "bench/bench.h"

/* Of a ConfigMap: so many keys, the first of which changes. */
#define SOURCE_PLACE_KEYS 10

struct source_place;

struct spot {
	struct source_place *place;
	char root[BENCH_PATH_BYTES]; /* a directory, or the beginning of a key */
	char path[BENCH_PATH_BYTES + 32]; /* of the document that changes */
	char version[64]; /* of a ConfigMap: the directory in force */
};

struct source_place {
	char directory[BENCH_PATH_BYTES], shm_dir[BENCH_PATH_BYTES + 16];
	const char *hosts; /* of a server; else "" */
	struct spot ours, peer;
	pid_t daemon;
	void *server, *writer; /* what a kind has of its own */
};

/* With the document of number 0 at both spots, and a daemon that serves it; size: 0. */
extern const struct bench_kind file_place_kind;
extern const struct bench_kind configmap_place_kind;
extern const struct bench_kind etcd_place_kind;

/* Change the document of a spot, as those do who write there; when it began. */
int64_t file_place_change(void *spot, int64_t number);
int64_t configmap_place_change(void *spot, int64_t number);
int64_t etcd_place_change(void *spot, int64_t number);

/* For a kind's own make() and end(): with a directory; a daemon that serves what there is; all of it. */
struct source_place *source_place_begin(struct bench *bench, const char *name);
void source_place_follow(struct source_place *place, const char *uri);
void source_place_end(void *place);

#endif
