/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The frame of `make bench`: a figure is one row of a table, with a function
 * that measures one round of ours and one that measures a round of its peer.
 * The frame calls them by turns, takes medians, prints, and writes JSON.
 *
 * A new figure is such a function (or two) and a line in the table of its
 * group; a new group is a file and a line in bench.c.
 *
 * What rounds share and what takes long to make (published sets, databases,
 * orders of access) is made once, by bench_have(), outside of any clock. What
 * goes wrong ends the run: bench_die().
 */
#ifndef ZKCFG_TESTS_BENCH_BENCH_H
#define ZKCFG_TESTS_BENCH_BENCH_H

#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BENCH_SEED UINT64_C(20240229)
#define BENCH_ROUNDS 5
#define BENCH_PATH_BYTES 192

struct bench_thing;

struct bench {
	bool is_quick;			      /* tiny sizes, one short round: does it work at all? */
	int64_t round_ns;		      /* a round lasts at least so long */
	unsigned rounds;		      /* of which the median is taken */
	char directory[BENCH_PATH_BYTES / 2]; /* on tmpfs; removed at the end */
	cpu_set_t cpus;			      /* those that we may run on */
	struct bench_thing *things;
};

/* A round: in the figure's unit, for one operation. */
typedef double bench_round(struct bench *bench);

struct figure {
	const char *name;
	const char *unit;
	const char *peer_name;
	double wanted; /* ours / peer is to be no more than this; 0: nothing is said of it */
	bench_round *ours;
	bench_round *peer; /* NULL: this build has not what it needs */
};

/* Groups; each ends with a row without a name. */
extern const struct figure figures_read[];
extern const struct figure figures_write[];
extern const struct figure figures_wake[];
extern const struct figure figures_whole[];
extern const struct figure figures_zookeeper[];
extern const struct figure figures_source[];
extern const struct figure figures_fleet[];

/* For rows whose peer is LMDB. */
#ifdef HAVE_LMDB
#define PEER_LMDB(function) function
#else
#define PEER_LMDB(function) NULL
#endif

/* End the run with this message. */
_Noreturn void bench_die(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* How many, where a full run has so many. */
static inline unsigned bench_count(const struct bench *bench, unsigned full)
{
	return bench->is_quick && full > 100 ? full / 100 : full;
}

/* Something that rounds share; `size` is whatever its make() takes it for. */
struct bench_kind {
	void *(*make)(struct bench *bench, unsigned size);
	void (*end)(void *thing);
};
/* The one of this kind and size; made if it is not there yet, ended with the group. */
void *bench_have(struct bench *bench, const struct bench_kind *kind, unsigned size);

/* calloc() that does not fail. */
void *bench_alloc(size_t count, size_t bytes);

/* Keep the calling thread on one cpu: the number-th we may run on. */
void bench_pin(const struct bench *bench, unsigned number);
/* Let it run on any again. */
void bench_unpin(const struct bench *bench);

int64_t bench_now_ns(void);
double bench_median(double *values, unsigned count);

/* splitmix64: numbers that look random, the same ones again for the same seed. */
static inline uint64_t bench_random(uint64_t *state)
{
	uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

/*
 * A round's clock: batches of operations until it has lasted long enough. The
 * first batch does not count: it brings back to the caches what the other side
 * has driven out.
 *
 *	for (lap = lap_begin(bench); lap_goes_on(&lap); lap.operations += N)
 *		N operations
 *	return lap_ns(&lap);
 */
struct lap {
	int64_t began_ns, least_ns, took_ns;
	uint64_t operations;
	unsigned batches; /* begun */
};

static inline struct lap lap_begin(const struct bench *bench)
{
	return (struct lap){ .least_ns = bench->round_ns };
}

static inline bool lap_goes_on(struct lap *lap)
{
	int64_t now_ns = bench_now_ns();

	if (lap->batches < 2) {
		lap->began_ns = now_ns;
		lap->operations = 0;
	}
	lap->took_ns = now_ns - lap->began_ns;
	return lap->batches++ < 2 || lap->took_ns < lap->least_ns;
}

/* Nanoseconds for each operation. */
static inline double lap_ns(const struct lap *lap)
{
	return (double)lap->took_ns / (double)lap->operations;
}

#endif
