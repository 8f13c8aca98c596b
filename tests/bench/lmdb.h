/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The peer LMDB, used as one who knows it would: beside our set on the same
 * tmpfs, filled in key order, no fsync, a read transaction that is held or
 * renewed and is not tied to a thread.
 */
#ifndef ZKCFG_TESTS_BENCH_LMDB_H
#define ZKCFG_TESTS_BENCH_LMDB_H

#include "bench/bench.h"

/* Rounds of the figures that are compared with it; named as those. */
double lmdb_get_1(struct bench *bench);
double lmdb_get_10k(struct bench *bench);
double lmdb_pin_get(struct bench *bench);
double lmdb_commit_1_of_10k(struct bench *bench);
double lmdb_attach(struct bench *bench);

#endif
