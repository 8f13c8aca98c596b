/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Processes that sleep until they are woken, all of them, and note when they
 * run. How they sleep and how they are woken is the figure's.
 *
 * One process of a herd of one has a cpu of its own, and who wakes it another,
 * where there are two; a larger herd runs wherever the kernel puts it.
 */
#ifndef ZKCFG_TESTS_BENCH_HERD_H
#define ZKCFG_TESTS_BENCH_HERD_H

#include "bench/bench.h"

struct herd;

struct herd_manner {
	/* In a process of the herd, at its begin: what sleep() gets. */
	void *(*begin)(void *user);
	/* Sleep until woken, once. */
	void (*sleep)(void *sleeper);
	/* In the measuring process: what is to be done before the clock starts; and the waking itself. */
	void (*prepare)(void *user);
	void (*wake)(void *user);
};

/* Ends with herd_end(). user is handed to the manner's functions. */
struct herd *herd_begin(struct bench *bench, unsigned count, const struct herd_manner *manner, void *user);
void herd_end(struct herd *herd);
/*
 * Wait until all of them are asleep, wake them, and tell how long it took
 * until the last of them ran. The median of so many times, in ns.
 */
double herd_wake(struct herd *herd, unsigned times);

#endif
