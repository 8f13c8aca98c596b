/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/lmdb.h"

#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "bench/corpus.h"

struct lmdb {
	MDB_env *env;
	MDB_dbi dbi;
	MDB_txn *txn; /* reads; NULL: this one is written to */
	char directory[BENCH_PATH_BYTES];
};

static void lmdb_try(int err, const char *what)
{
	if (err != 0)
		bench_die("LMDB: %s: %s", what, mdb_strerror(err));
}

static struct lmdb *lmdb_new(struct bench *bench, const char *purpose, unsigned documents)
{
	struct lmdb *lmdb = bench_alloc(1, sizeof(*lmdb));

	snprintf(lmdb->directory, sizeof(lmdb->directory), "%s/lmdb-%s-%u", bench->directory, purpose,
		 documents);
	if (mkdir(lmdb->directory, 0700) < 0)
		bench_die("cannot make directory %s", lmdb->directory);
	lmdb_try(mdb_env_create(&lmdb->env), "mdb_env_create");
	/* room for every document several times: it writes a page anew before it frees the old one */
	lmdb_try(mdb_env_set_mapsize(lmdb->env, (size_t)(documents + 1000) * 32768), "mdb_env_set_mapsize");
	lmdb_try(mdb_env_open(lmdb->env, lmdb->directory, MDB_NOTLS | MDB_NOSYNC, 0600), "mdb_env_open");
	return lmdb;
}

static void lmdb_put(struct lmdb *lmdb, MDB_txn *txn, char *key, char *value, size_t value_bytes,
		     unsigned flags)
{
	MDB_val name = { strlen(key), key }, data = { value_bytes, value };

	lmdb_try(mdb_put(txn, lmdb->dbi, &name, &data, flags), "mdb_put");
}

/* The key of a value is "document/path". */
static void lmdb_fill_values(struct lmdb *lmdb, unsigned documents)
{
	char key[128], value[CORPUS_VALUE_BYTES];
	MDB_txn *txn;

	lmdb_try(mdb_txn_begin(lmdb->env, NULL, 0, &txn), "mdb_txn_begin");
	lmdb_try(mdb_dbi_open(txn, NULL, 0, &lmdb->dbi), "mdb_dbi_open");
	for (unsigned i = 0; i < documents; i++) {
		corpus_name(i, key);
		for (unsigned number = 0, name_bytes = (unsigned)strlen(key); number < CORPUS_VALUES;
		     number++) {
			strcpy(key + name_bytes, corpus_path(number));
			corpus_value(i, 0, number, value);
			/* with its NUL, as our readers get it */
			lmdb_put(lmdb, txn, key, value, strlen(value) + 1, MDB_APPEND);
		}
	}
	lmdb_try(mdb_txn_commit(txn), "mdb_txn_commit");
}

static const char *lmdb_value(struct lmdb *lmdb, const struct pick *key)
{
	MDB_val name = { key->key_bytes, (void *)(uintptr_t)key->text }, data;

	return mdb_get(lmdb->txn, lmdb->dbi, &name, &data) == 0 ? data.mv_data : NULL;
}

static void lmdb_verify(struct bench *bench, struct lmdb *lmdb, unsigned documents)
{
	const struct order *order = bench_have(bench, &order_kind, documents);
	char expected[CORPUS_VALUE_BYTES];

	for (unsigned i = 0; i < order->count; i++) {
		const char *found = lmdb_value(lmdb, &order->keys[i]);

		corpus_value(order->picks[i].document, 0, pick_value(&order->picks[i]), expected);
		if (!found || strcmp(found, expected) != 0)
			bench_die("LMDB: %s is not %s", order->keys[i].text, expected);
	}
}

static void *values_make(struct bench *bench, unsigned documents)
{
	struct lmdb *lmdb = lmdb_new(bench, "values", documents);

	lmdb_fill_values(lmdb, documents);
	lmdb_try(mdb_txn_begin(lmdb->env, NULL, MDB_RDONLY, &lmdb->txn), "mdb_txn_begin");
	lmdb_verify(bench, lmdb, documents);
	return lmdb;
}

static void lmdb_end(void *thing)
{
	struct lmdb *lmdb = thing;

	if (lmdb->txn)
		mdb_txn_abort(lmdb->txn);
	if (lmdb->env)
		mdb_env_close(lmdb->env);
	free(lmdb);
}

static const struct bench_kind values_kind = { values_make, lmdb_end };

static double lmdb_get(struct bench *bench, unsigned documents)
{
	struct lmdb *lmdb = bench_have(bench, &values_kind, documents);
	const struct order *order = bench_have(bench, &order_kind, documents);
	struct lap lap;

	for (lap = lap_begin(bench); lap_goes_on(&lap); lap.operations += order->count) {
		uint64_t sum = 0;

		for (unsigned i = 0; i < order->count; i++) {
			MDB_val key = { order->keys[i].key_bytes, order->keys[i].text }, data;

			if (mdb_get(lmdb->txn, lmdb->dbi, &key, &data) != 0)
				bench_die("LMDB: %s is not there", order->keys[i].text);
			sum += *(unsigned char *)data.mv_data;
		}
		if (sum != order->sum)
			bench_die("LMDB: wrong values");
	}
	return lap_ns(&lap);
}

double lmdb_get_1(struct bench *bench)
{
	return lmdb_get(bench, 1);
}

double lmdb_get_10k(struct bench *bench)
{
	return lmdb_get(bench, bench_count(bench, 10000));
}

double lmdb_pin_get(struct bench *bench)
{
	unsigned documents = bench_count(bench, 10000);
	struct lmdb *lmdb = bench_have(bench, &values_kind, documents);
	const struct order *order = bench_have(bench, &order_kind, documents);
	struct lap lap;

	mdb_txn_reset(lmdb->txn);
	for (lap = lap_begin(bench); lap_goes_on(&lap); lap.operations += order->count) {
		uint64_t sum = 0;

		for (unsigned i = 0; i < order->count; i++) {
			MDB_val key = { order->keys[i].key_bytes, order->keys[i].text }, data;

			if (mdb_txn_renew(lmdb->txn) != 0 || mdb_get(lmdb->txn, lmdb->dbi, &key, &data) != 0)
				bench_die("LMDB: %s is not there", order->keys[i].text);
			sum += *(unsigned char *)data.mv_data;
			mdb_txn_reset(lmdb->txn);
		}
		if (sum != order->sum)
			bench_die("LMDB: wrong values");
	}
	lmdb_try(mdb_txn_renew(lmdb->txn), "mdb_txn_renew");
	return lap_ns(&lap);
}

/* --- commits: documents as they are, by name ------------------------------------------ */

/* Changes to commit one after the other, over and over. */
#define CHANGES 1024u

struct documents {
	struct lmdb *lmdb;
	unsigned count, next;
	char names[CHANGES][CORPUS_NAME_BYTES]; /* in the order in which ours are changed */
	char (*xml)[CORPUS_DOCUMENT_BYTES + 1];
};

static void *documents_make(struct bench *bench, unsigned count)
{
	struct documents *made = bench_alloc(1, sizeof(*made));
	char name[CORPUS_NAME_BYTES], xml[CORPUS_DOCUMENT_BYTES + 1];
	uint64_t state = BENCH_SEED;
	MDB_txn *txn;

	made->count = count;
	made->lmdb = lmdb_new(bench, "documents", count);
	made->xml = bench_alloc(CHANGES, sizeof(*made->xml));
	lmdb_try(mdb_txn_begin(made->lmdb->env, NULL, 0, &txn), "mdb_txn_begin");
	lmdb_try(mdb_dbi_open(txn, NULL, 0, &made->lmdb->dbi), "mdb_dbi_open");
	for (unsigned i = 0; i < count; i++) {
		corpus_name(i, name);
		corpus_xml(i, 0, xml);
		lmdb_put(made->lmdb, txn, name, xml, CORPUS_DOCUMENT_BYTES, MDB_APPEND);
	}
	lmdb_try(mdb_txn_commit(txn), "mdb_txn_commit");
	for (unsigned i = 0; i < CHANGES; i++) {
		unsigned document = (unsigned)(bench_random(&state) % count);

		corpus_name(document, made->names[i]);
		corpus_xml(document, 1 + i, made->xml[i]);
	}
	return made;
}

static void documents_end(void *thing)
{
	struct documents *documents = thing;

	lmdb_end(documents->lmdb);
	free(documents->xml);
	free(documents);
}

static const struct bench_kind documents_kind = { documents_make, documents_end };

static void documents_expect(const struct documents *documents, char *name, const char *xml)
{
	MDB_val key = { strlen(name), name }, data;
	MDB_txn *txn;

	lmdb_try(mdb_txn_begin(documents->lmdb->env, NULL, MDB_RDONLY, &txn), "mdb_txn_begin");
	lmdb_try(mdb_get(txn, documents->lmdb->dbi, &key, &data), "mdb_get");
	if (data.mv_size != CORPUS_DOCUMENT_BYTES || memcmp(data.mv_data, xml, CORPUS_DOCUMENT_BYTES) != 0)
		bench_die("LMDB: %s is not what was put", name);
	mdb_txn_abort(txn);
}

double lmdb_commit_1_of_10k(struct bench *bench)
{
	struct documents *documents = bench_have(bench, &documents_kind, bench_count(bench, 10000));
	unsigned commits = 2 * documents->count, at = 0;
	int64_t began_ns, took_ns;
	MDB_txn *txn;

	began_ns = bench_now_ns();
	for (unsigned i = 0; i < commits; i++) {
		at = documents->next++ % CHANGES;
		lmdb_try(mdb_txn_begin(documents->lmdb->env, NULL, 0, &txn), "mdb_txn_begin");
		lmdb_put(documents->lmdb, txn, documents->names[at], documents->xml[at],
			 CORPUS_DOCUMENT_BYTES, 0);
		lmdb_try(mdb_txn_commit(txn), "mdb_txn_commit");
	}
	took_ns = bench_now_ns() - began_ns;
	documents_expect(documents, documents->names[at], documents->xml[at]);
	return (double)took_ns / commits / 1000;
}

/* --- attaching: an environment that is not open in this process, which LMDB forbids ------ */

#define ATTACHES 100u

static void *closed_make(struct bench *bench, unsigned documents)
{
	struct lmdb *lmdb = lmdb_new(bench, "closed", documents);

	lmdb_fill_values(lmdb, documents);
	mdb_env_close(lmdb->env);
	lmdb->env = NULL;
	return lmdb;
}

static const struct bench_kind closed_kind = { closed_make, lmdb_end };

static void attach_one(const struct lmdb *lmdb, const struct pick *pick)
{
	MDB_val key = { pick->key_bytes, (void *)(uintptr_t)pick->text }, data;
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi dbi;

	lmdb_try(mdb_env_create(&env), "mdb_env_create");
	lmdb_try(mdb_env_open(env, lmdb->directory, MDB_RDONLY | MDB_NOTLS, 0600), "mdb_env_open");
	lmdb_try(mdb_txn_begin(env, NULL, MDB_RDONLY, &txn), "mdb_txn_begin");
	lmdb_try(mdb_dbi_open(txn, NULL, 0, &dbi), "mdb_dbi_open");
	lmdb_try(mdb_get(txn, dbi, &key, &data), "mdb_get");
	if (*(const char *)data.mv_data == '\0')
		bench_die("LMDB: %s is empty", pick->text);
	mdb_txn_abort(txn);
	mdb_env_close(env);
}

double lmdb_attach(struct bench *bench)
{
	unsigned documents = bench_count(bench, 10000), at = 0;
	const struct lmdb *lmdb = bench_have(bench, &closed_kind, documents);
	const struct order *order = bench_have(bench, &order_kind, documents);
	struct lap lap;

	for (lap = lap_begin(bench); lap_goes_on(&lap); lap.operations += ATTACHES)
		for (unsigned i = 0; i < ATTACHES; i++)
			attach_one(lmdb, &order->keys[at++ % order->count]);
	return lap_ns(&lap) / 1000;
}
