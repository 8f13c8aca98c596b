/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a program that keeps its configuration in memory of its own might
 * have: for each document a flat table, open addressing, from path to value,
 * the whole key compared. The least that a look-up by path can cost.
 */
#ifndef ZKCFG_TESTS_BENCH_TABLE_H
#define ZKCFG_TESTS_BENCH_TABLE_H

#include <stdint.h>
#include <string.h>

#include "bench/bench.h"
#include "segment/hash.h"

#define TABLE_SLOTS 64u /* twice the values of a document */

struct table_slot {
	uint64_t hash;
	const char *key; /* path, NUL, value, NUL; NULL: empty */
};

struct table {
	struct table_slot slots[TABLE_SLOTS];
};

/* The value of a path; NULL: there is none. */
static inline const char *table_find(const struct table *table, const char *path)
{
	size_t bytes = strlen(path);
	uint64_t hash = hash_bytes(path, bytes);

	for (uint64_t at = hash % TABLE_SLOTS; table->slots[at].key; at = (at + 1) % TABLE_SLOTS)
		if (table->slots[at].hash == hash && memcmp(table->slots[at].key, path, bytes + 1) == 0)
			return table->slots[at].key + bytes + 1;
	return NULL;
}

struct tables {
	struct table *tables; /* by number of the document */
	char *text;	      /* of all of them */
};

/* bench_have(): size is the number of documents of the corpus. */
extern const struct bench_kind tables_kind;

#endif
