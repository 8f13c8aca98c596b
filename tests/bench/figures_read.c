/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* What a reader does: look whether anything is new, pin, get values. */
#include <libxml/parser.h>
#include <libxml/xpath.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include <zkcfg/zkcfg.h>

#include "bench/bench.h"
#include "bench/corpus.h"
#include "bench/lmdb.h"
#include "bench/set.h"
#include "bench/table.h"

static struct set *readers_set(struct bench *bench, unsigned documents)
{
	struct set *set = bench_have(bench, &read_set_kind, documents);

	set_heartbeat(set);
	return set;
}

/* --- check: is there anything new? ------------------------------------------------ */

#define CHECKS 1000000u

static double check_ours(struct bench *bench)
{
	struct set *set = readers_set(bench, 1);
	uint64_t seen = zkcfg_seq(set->cfg);
	unsigned changes = 0;
	struct lap lap;

	for (lap = lap_begin(bench); lap_goes_on(&lap); lap.operations += CHECKS)
		for (unsigned i = 0; i < CHECKS; i++)
			changes += (unsigned)zkcfg_changed(set->cfg, seen);
	if (changes != 0)
		bench_die("check: something changed that nobody changes");
	return lap_ns(&lap);
}

static double check_peer(struct bench *bench)
{
	struct set *set = readers_set(bench, 1);
	unsigned changes = 0;
	const uint64_t *counter;
	uint64_t seen = zkcfg_seq(set->cfg);
	struct lap lap;

	/* the mapped counter itself, without the handle that leads to it: see zkcfg_seq() */
	memcpy(&counter, set->cfg, sizeof(counter));
	for (lap = lap_begin(bench); lap_goes_on(&lap); lap.operations += CHECKS)
		for (unsigned i = 0; i < CHECKS; i++)
			changes += __atomic_load_n(counter, __ATOMIC_ACQUIRE) != seen;
	if (changes != 0)
		bench_die("check: something changed that nobody changes");
	return lap_ns(&lap);
}

/* --- get_1, get_10k: by document and path, in a pinned snapshot --------------------- */

static uint64_t sum_by_name(const struct zkcfg_snapshot *snapshot, const struct order *order)
{
	uint64_t sum = 0;
	const char *value;

	for (unsigned i = 0; i < order->count; i++) {
		const struct pick *pick = &order->picks[i];

		if (zkcfg_get_string(snapshot, pick->text, pick_path(pick), &value) < 0)
			bench_die("%s of %s is not there", pick_path(pick), pick->text);
		sum += (unsigned char)*value;
	}
	return sum;
}

static void expect_sum(uint64_t sum, const struct order *order)
{
	if (sum != order->sum)
		bench_die("wrong values");
}

static double get_by_name(struct bench *bench, unsigned documents)
{
	struct set *set = readers_set(bench, documents);
	const struct order *order = bench_have(bench, &order_kind, documents);
	struct lap lap;

	for (lap = lap_begin(bench); lap_goes_on(&lap); lap.operations += order->count)
		expect_sum(sum_by_name(set->snapshot, order), order);
	return lap_ns(&lap);
}

static double get_1_ours(struct bench *bench)
{
	return get_by_name(bench, 1);
}

static double get_10k_ours(struct bench *bench)
{
	return get_by_name(bench, bench_count(bench, 10000));
}

/* --- get_handle: the documents are found already ------------------------------------ */

static double get_handle_ours(struct bench *bench)
{
	unsigned documents = bench_count(bench, 10000);
	struct set *set = readers_set(bench, documents);
	const struct order *order = bench_have(bench, &order_kind, documents);
	struct lap lap;

	for (lap = lap_begin(bench); lap_goes_on(&lap); lap.operations += order->count) {
		uint64_t sum = 0;
		const char *value;

		for (unsigned i = 0; i < order->count; i++) {
			const struct pick *pick = &order->picks[i];

			if (zkcfg_document_string(set->handles[pick->document], pick_path(pick), &value) < 0)
				bench_die("%s of %s is not there", pick_path(pick), pick->text);
			sum += (unsigned char)*value;
		}
		expect_sum(sum, order);
	}
	return lap_ns(&lap);
}

static double get_handle_peer(struct bench *bench)
{
	unsigned documents = bench_count(bench, 10000);
	const struct tables *tables = bench_have(bench, &tables_kind, documents);
	const struct order *order = bench_have(bench, &order_kind, documents);
	struct lap lap;

	for (lap = lap_begin(bench); lap_goes_on(&lap); lap.operations += order->count) {
		uint64_t sum = 0;

		for (unsigned i = 0; i < order->count; i++) {
			const struct pick *pick = &order->picks[i];
			const char *value = table_find(&tables->tables[pick->document], pick_path(pick));

			if (!value)
				bench_die("%s of %s is not in its table", pick_path(pick), pick->text);
			sum += (unsigned char)*value;
		}
		expect_sum(sum, order);
	}
	return lap_ns(&lap);
}

/* --- pin_get: pin, get one value, unpin ---------------------------------------------- */

static double pin_get_ours(struct bench *bench)
{
	unsigned documents = bench_count(bench, 10000);
	struct set *set = readers_set(bench, documents);
	const struct order *order = bench_have(bench, &order_kind, documents);
	struct lap lap;

	for (lap = lap_begin(bench); lap_goes_on(&lap); lap.operations += order->count) {
		struct zkcfg_snapshot *snapshot;
		uint64_t sum = 0;
		const char *value;

		for (unsigned i = 0; i < order->count; i++) {
			const struct pick *pick = &order->picks[i];

			if (zkcfg_pin(set->cfg, &snapshot) < 0 ||
			    zkcfg_get_string(snapshot, pick->text, pick_path(pick), &value) < 0)
				bench_die("%s of %s is not there", pick_path(pick), pick->text);
			sum += (unsigned char)*value;
			zkcfg_unpin(snapshot);
		}
		expect_sum(sum, order);
	}
	return lap_ns(&lap);
}

/* --- get_threads: two threads with a handle each, beside one ------------------------- */

struct getter {
	pthread_t thread;
	struct bench *bench;
	const struct set *set;
	const struct order *order;
	pthread_barrier_t *start;
	unsigned cpu;
	double ns;
};

static void *getter_run(void *user)
{
	struct getter *getter = user;
	struct zkcfg_snapshot *snapshot;
	struct zkcfg *cfg;
	struct lap lap;

	bench_pin(getter->bench, getter->cpu);
	if (zkcfg_open(getter->set->name, getter->set->shm_dir, &cfg) < 0 || zkcfg_pin(cfg, &snapshot) < 0)
		bench_die("cannot open set %s", getter->set->name);
	/* all pages mapped before the clock starts, as they are for one thread that has run before */
	expect_sum(sum_by_name(snapshot, getter->order), getter->order);
	pthread_barrier_wait(getter->start);
	for (lap = lap_begin(getter->bench); lap_goes_on(&lap); lap.operations += getter->order->count)
		expect_sum(sum_by_name(snapshot, getter->order), getter->order);
	getter->ns = lap_ns(&lap);
	zkcfg_unpin(snapshot);
	zkcfg_close(cfg);
	return NULL;
}

static double get_by_threads(struct bench *bench, unsigned threads)
{
	unsigned documents = bench_count(bench, 10000);
	struct getter getters[2];
	pthread_barrier_t start;
	double sum_ns = 0;

	pthread_barrier_init(&start, NULL, threads);
	for (unsigned i = 0; i < threads; i++)
		getters[i] = (struct getter){
			.bench = bench,
			.set = readers_set(bench, documents),
			.order = bench_have(bench, i == 0 ? &order_kind : &other_order_kind, documents),
			.start = &start,
			.cpu = i,
		};
	for (unsigned i = 0; i < threads; i++)
		if (pthread_create(&getters[i].thread, NULL, getter_run, &getters[i]) != 0)
			bench_die("cannot start a thread");
	for (unsigned i = 0; i < threads; i++) {
		pthread_join(getters[i].thread, NULL);
		sum_ns += getters[i].ns;
	}
	pthread_barrier_destroy(&start);
	return sum_ns / threads;
}

static double get_threads_ours(struct bench *bench)
{
	return get_by_threads(bench, 2);
}

static double get_threads_peer(struct bench *bench)
{
	return get_by_threads(bench, 1);
}

/* --- parse_free: a value without a parser, beside a value with one ------------------- */

#define PARSED_PATH "/service/pool/@max"
#define PARSED_VALUE 8u /* its number in the corpus */

static double parse_free_ours(struct bench *bench)
{
	struct set *set = readers_set(bench, 1);
	char name[CORPUS_NAME_BYTES], expected[CORPUS_VALUE_BYTES];
	const char *value = "";
	struct lap lap;

	corpus_name(0, name);
	corpus_value(0, 0, PARSED_VALUE, expected);
	for (lap = lap_begin(bench); lap_goes_on(&lap); lap.operations += 1000)
		for (unsigned i = 0; i < 1000; i++)
			if (zkcfg_get_string(set->snapshot, name, PARSED_PATH, &value) < 0 ||
			    strcmp(value, expected) != 0)
				bench_die("%s of %s is not %s", PARSED_PATH, name, expected);
	return lap_ns(&lap);
}

static double parse_free_peer(struct bench *bench)
{
	char xml[CORPUS_DOCUMENT_BYTES + 1], expected[CORPUS_VALUE_BYTES];
	struct lap lap;

	corpus_xml(0, 0, xml);
	corpus_value(0, 0, PARSED_VALUE, expected);
	for (lap = lap_begin(bench); lap_goes_on(&lap); lap.operations++) {
		xmlDocPtr document = xmlReadMemory(xml, CORPUS_DOCUMENT_BYTES, NULL, NULL, XML_PARSE_NONET);
		xmlXPathContextPtr context = xmlXPathNewContext(document);
		xmlXPathObjectPtr found =
			xmlXPathEvalExpression((const xmlChar *)"string(" PARSED_PATH ")", context);

		if (!found || !found->stringval || strcmp((char *)found->stringval, expected) != 0)
			bench_die("libxml2: %s is not %s", PARSED_PATH, expected);
		xmlXPathFreeObject(found);
		xmlXPathFreeContext(context);
		xmlFreeDoc(document);
	}
	return lap_ns(&lap);
}

const struct figure figures_read[] = {
	{ "check", "ns", "a bare acquire load of the mapped counter", 1.5, check_ours, check_peer },
	{ "get_1", "ns", "LMDB mdb_get, read transaction held", 0, get_1_ours, PEER_LMDB(lmdb_get_1) },
	{ "get_10k", "ns", "LMDB mdb_get, read transaction held", 0.25, get_10k_ours,
	  PEER_LMDB(lmdb_get_10k) },
	{ "get_handle", "ns", "flat open-addressing table a document", 1.5, get_handle_ours,
	  get_handle_peer },
	{ "pin_get", "ns", "LMDB renew, get, reset", 0.25, pin_get_ours, PEER_LMDB(lmdb_pin_get) },
	{ "get_threads", "ns", "the same by one thread, per thread", 1.15, get_threads_ours,
	  get_threads_peer },
	{ "parse_free", "ns", "xmlReadMemory and xmlXPath, 4 kB", 0.001, parse_free_ours, parse_free_peer },
	{ 0 }
};
