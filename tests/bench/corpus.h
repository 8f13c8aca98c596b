/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is measured with: documents as a service would have them, and the
 * order in which they are asked for. All of it follows from BENCH_SEED.
 */
#ifndef ZKCFG_TESTS_BENCH_CORPUS_H
#define ZKCFG_TESTS_BENCH_CORPUS_H

#include "bench/bench.h"

/* A document: 4 kB with 32 values, in elements and attributes, and comments. */
#define CORPUS_DOCUMENT_BYTES 4096u
#define CORPUS_VALUES 32u
#define CORPUS_NAME_BYTES 24u

/* The name of a document; names sort as their numbers do. */
void corpus_name(unsigned document, char name[CORPUS_NAME_BYTES]);
/* Its XML, CORPUS_DOCUMENT_BYTES and a NUL. Other versions have other values. */
void corpus_xml(unsigned document, unsigned version, char xml[CORPUS_DOCUMENT_BYTES + 1]);
/* The path of a value; paths sort as their numbers do, byte by byte. */
const char *corpus_path(unsigned value);
/* Its value there. */
#define CORPUS_VALUE_BYTES 96u
void corpus_value(unsigned document, unsigned version, unsigned value, char text[CORPUS_VALUE_BYTES]);

/*
 * XML of about so many bytes, denser than the above: a list of named elements,
 * each with a few attributes and elements, and a comment now and then. free() it.
 */
char *corpus_long_xml(size_t about_bytes, size_t *size_bytes);

/*
 * An order in which values are asked for. The text of every question lies in
 * that order in memory, so that asking costs no more than reading on: for a
 * reader by document and path, and for a database by one key of both.
 */
struct pick {
	uint32_t document;
	uint16_t path_at; /* in text */
	uint16_t key_bytes;
	char text[72]; /* name, NUL, path, NUL; of struct order's keys: name and path, NUL */
};

struct order {
	unsigned count;
	struct pick *picks;
	struct pick *keys;
	uint64_t sum; /* of the first bytes of all that is asked for, of version 0 */
};

/* bench_have(): size is the number of documents. */
extern const struct bench_kind order_kind;
/* One that differs from it, for another thread. */
extern const struct bench_kind other_order_kind;

static inline const char *pick_path(const struct pick *pick)
{
	return pick->text + pick->path_at;
}

/* What the answer to a pick has to be, by number of the value: outside of any clock. */
unsigned pick_value(const struct pick *pick);

#endif
