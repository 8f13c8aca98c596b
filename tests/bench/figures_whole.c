/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Of a whole set of many documents: attaching to it, and what it takes of memory. */
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <zkcfg/zkcfg.h>

#include "bench/bench.h"
#include "bench/corpus.h"
#include "bench/lmdb.h"
#include "bench/set.h"

/* --- attach: open, get a value, close --------------------------------------------------- */

#define ATTACHES 100u

static double attach_ours(struct bench *bench)
{
	unsigned documents = bench_count(bench, 10000);
	struct set *set = bench_have(bench, &read_set_kind, documents);
	const struct order *order = bench_have(bench, &order_kind, documents);
	unsigned at = 0;
	struct lap lap;

	for (lap = lap_begin(bench); lap_goes_on(&lap); lap.operations += ATTACHES) {
		set_heartbeat(set);
		for (unsigned i = 0; i < ATTACHES; i++) {
			const struct pick *pick = &order->picks[at++ % order->count];
			struct zkcfg_snapshot *snapshot;
			const char *value;
			struct zkcfg *cfg;

			if (zkcfg_open(set->name, set->shm_dir, &cfg) < 0 || zkcfg_pin(cfg, &snapshot) < 0 ||
			    zkcfg_get_string(snapshot, pick->text, pick_path(pick), &value) < 0 ||
			    *value == '\0')
				bench_die("set %s: %s is not there", set->name, pick->text);
			zkcfg_unpin(snapshot);
			zkcfg_close(cfg);
		}
	}
	return lap_ns(&lap) / 1000;
}

/* --- memory: after a compaction, beside the XML as it is --------------------------------- */

struct footprint {
	double shared_bytes, raw_bytes;
};

/* What the files of a set occupy; *generation becomes the name of the newest generation. */
static double set_bytes(const struct set *set, char generation[NAME_MAX + 1])
{
	char path[BENCH_PATH_BYTES * 2];
	double bytes = 0;
	struct dirent *entry;
	struct stat st;
	DIR *directory;

	snprintf(path, sizeof(path), "%s/v1/%s", set->shm_dir, set->name);
	directory = opendir(path);
	if (!directory)
		bench_die("cannot read directory %s", path);
	while ((entry = readdir(directory))) {
		if (entry->d_name[0] == '.' || fstatat(dirfd(directory), entry->d_name, &st, 0) < 0)
			continue;
		bytes += (double)st.st_blocks * 512;
		if (strncmp(entry->d_name, "gen.", 4) == 0)
			strcpy(generation, entry->d_name);
	}
	closedir(directory);
	return bytes;
}

/* Commit changes until the publisher compacts. */
static void *footprint_make(struct bench *bench, unsigned documents)
{
	struct footprint *made = bench_alloc(1, sizeof(*made));
	struct set *set = bench_have(bench, &commit_set_kind, documents);
	char before[NAME_MAX + 1] = "", now[NAME_MAX + 1] = "";
	uint64_t state = BENCH_SEED;

	set_bytes(set, before);
	for (unsigned commits = 0; *now == '\0' || strcmp(before, now) == 0; commits++) {
		struct compiled compiled;

		if (commits > 100 * documents + 10000)
			bench_die("set %s is never compacted: %u commits of %u documents", set->name, commits,
				  documents);
		compiled_make(&compiled, (unsigned)(bench_random(&state) % documents), commits);
		set_commit(set, &compiled, 1);
		free(compiled.document);
		made->shared_bytes = set_bytes(set, now);
	}
	made->raw_bytes = (double)documents * CORPUS_DOCUMENT_BYTES;
	return made;
}

static const struct bench_kind footprint_kind = { footprint_make, free };

static double memory_ours(struct bench *bench)
{
	const struct footprint *footprint = bench_have(bench, &footprint_kind, bench_count(bench, 10000));

	return footprint->shared_bytes;
}

static double memory_peer(struct bench *bench)
{
	const struct footprint *footprint = bench_have(bench, &footprint_kind, bench_count(bench, 10000));

	return footprint->raw_bytes;
}

const struct figure figures_whole[] = { { "attach", "us", "LMDB env open, get, close", 0.5, attach_ours,
					  PEER_LMDB(lmdb_attach) },
					{ "memory", "bytes", "the raw XML", 3, memory_ours, memory_peer },
					{ 0 } };
