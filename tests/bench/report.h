/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* How figures are told: a header, a table, and JSON. */
#ifndef ZKCFG_TESTS_BENCH_REPORT_H
#define ZKCFG_TESTS_BENCH_REPORT_H

#include "bench/bench.h"

struct result {
	const struct figure *figure;
	double ours, peer;
};

struct report;

/* Print where and how, and the table's head. */
struct report *report_begin(const struct bench *bench);
void report_row(struct report *report, const struct result *result);
/* This build has not what its peer needs. */
void report_left_out(struct report *report, const struct figure *figure);
/* Print the rest, write JSON unless json_path is NULL. 0, or 1 with a message. */
int report_end(struct report *report, const char *json_path);

#endif
