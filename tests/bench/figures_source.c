/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a file, a ConfigMap or etcd to a reader's variable. The peer is a bare
 * process that watches the same way, and reads; ZooKeeper is in
 * figures_zookeeper.c.
 *
 * The clock begins when the writer begins: to write the file that is renamed
 * then, the kubelet's new directory, the request to etcd.
 */
#include "bench/bench.h"
#include "bench/propagate.h"
#include "bench/source_place.h"

#define CHANGES PROPAGATE_CHANGES_MOST

struct source_kind {
	const struct bench_kind *place;
	int64_t (*change)(void *spot, int64_t number);
	const char *bare;
	bool is_pair; /* there is no server between who changes and who waits */
};

static const struct source_kind file = { &file_place_kind, file_place_change, PROPAGATE_FILE, true };
static const struct source_kind configmap = { &configmap_place_kind, configmap_place_change,
					      PROPAGATE_CONFIGMAP, true };
static const struct source_kind etcd = { &etcd_place_kind, etcd_place_change, PROPAGATE_ETCD, false };

static double source_ours(struct bench *bench, const struct source_kind *kind, unsigned percentile)
{
	struct source_place *place = bench_have(bench, kind->place, 0);
	struct propagation propagation = { .kind = PROPAGATE_OURS,
					   .where = place->shm_dir,
					   .path = place->ours.path,
					   .change = kind->change,
					   .user = &place->ours,
					   .count = CHANGES,
					   .is_pair = kind->is_pair };

	bench_unpin(bench);
	return propagate_us(bench, &propagation, percentile);
}

static double source_peer(struct bench *bench, const struct source_kind *kind, unsigned percentile)
{
	struct source_place *place = bench_have(bench, kind->place, 0);
	struct propagation propagation = { .kind = kind->bare,
					   .where = place->hosts,
					   .path = place->peer.path,
					   .change = kind->change,
					   .user = &place->peer,
					   .count = CHANGES,
					   .is_pair = kind->is_pair };

	bench_unpin(bench);
	return propagate_us(bench, &propagation, percentile);
}

/* file_p50_ours() and file_p50_peer(), and so on. */
#define SOURCE_ROUNDS(kind, percentile)                                                                       \
	static double kind##_p##percentile##_ours(struct bench *bench)                                        \
	{                                                                                                     \
		return source_ours(bench, &(kind), percentile);                                               \
	}                                                                                                     \
	static double kind##_p##percentile##_peer(struct bench *bench)                                        \
	{                                                                                                     \
		return source_peer(bench, &(kind), percentile);                                               \
	}

SOURCE_ROUNDS(file, 50)
SOURCE_ROUNDS(file, 99)
SOURCE_ROUNDS(configmap, 50)
SOURCE_ROUNDS(configmap, 99)
SOURCE_ROUNDS(etcd, 50)
SOURCE_ROUNDS(etcd, 99)

const struct figure figures_source[] = {
	{ "file_p50", "us", "bare inotify, a read", 1.2, file_p50_ours, file_p50_peer },
	{ "file_p99", "us", "bare inotify, a read", 1.2, file_p99_ours, file_p99_peer },
	{ "configmap_p50", "us", "bare inotify, a read of all", 1.2, configmap_p50_ours, configmap_p50_peer },
	{ "configmap_p99", "us", "bare inotify, a read of all", 1.2, configmap_p99_ours, configmap_p99_peer },
	{ "etcd_p50", "us", "a bare watch: libcurl, jansson", 1.2, etcd_p50_ours, etcd_p50_peer },
	{ "etcd_p99", "us", "a bare watch: libcurl, jansson", 1.2, etcd_p99_ours, etcd_p99_peer },
	{ .name = NULL }
};
