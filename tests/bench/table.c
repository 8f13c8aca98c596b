/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/table.h"

#include <stdlib.h>

#include "bench/corpus.h"

static void table_insert(struct table *table, const char *key)
{
	uint64_t hash = hash_bytes(key, strlen(key)), at = hash % TABLE_SLOTS;

	while (table->slots[at].key)
		at = (at + 1) % TABLE_SLOTS;
	table->slots[at] = (struct table_slot){ .hash = hash, .key = key };
}

static void *tables_make(struct bench *bench, unsigned documents)
{
	struct tables *made = bench_alloc(1, sizeof(*made));
	char *at, *key;

	(void)bench;
	made->tables = bench_alloc(documents, sizeof(*made->tables));
	made->text = bench_alloc((size_t)documents * CORPUS_VALUES, 64 + CORPUS_VALUE_BYTES);
	at = made->text;
	for (unsigned i = 0; i < documents; i++) {
		for (unsigned value = 0; value < CORPUS_VALUES; value++) {
			key = at;
			at = stpcpy(at, corpus_path(value)) + 1;
			corpus_value(i, 0, value, at);
			at += strlen(at) + 1;
			table_insert(&made->tables[i], key);
		}
	}
	return made;
}

static void tables_end(void *thing)
{
	struct tables *tables = thing;

	free(tables->tables);
	free(tables->text);
	free(tables);
}

const struct bench_kind tables_kind = { tables_make, tables_end };
