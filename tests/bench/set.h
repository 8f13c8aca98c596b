/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* A published set of documents of the corpus, its writer, and a reader of it. */
#ifndef ZKCFG_TESTS_BENCH_SET_H
#define ZKCFG_TESTS_BENCH_SET_H

#include <zkcfg/zkcfg.h>

#include "bench/bench.h"
#include "bench/writer.h"

struct set {
	char name[32];
	const char *shm_dir; /* the bench's directory */
	unsigned documents;
	struct publisher *publisher;
	struct zkcfg *cfg;
	struct zkcfg_snapshot *snapshot;       /* of when it was made */
	const struct zkcfg_document **handles; /* of the snapshot, by number */
};

/* bench_have(): size is the number of documents. One that is only read, and one that is committed to. */
extern const struct bench_kind read_set_kind;
extern const struct bench_kind commit_set_kind;

/* What a daemon does every second; readers look the set's name up when it does not. */
void set_heartbeat(struct set *set);

/* A document, compiled. */
struct compiled {
	char name[24];
	struct zkcfg_document *document;
	size_t bytes;
};
void compiled_make(struct compiled *compiled, unsigned document, unsigned version);
/* Publish them in one commit. */
void set_commit(struct set *set, const struct compiled *compiled, unsigned count);
/* Is this version of a document what a reader gets now? The run ends if not. */
void set_expect(const struct set *set, unsigned document, unsigned version);

#endif
