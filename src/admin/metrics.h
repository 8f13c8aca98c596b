/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Prometheus' text format (version 0.0.4), and histograms to put into it.
 *
 * A family is begun, and then has all its samples: Prometheus wants them
 * together. What is no legal text is made one: '\\', '"' and line feeds of labels
 * are escaped.
 */
#ifndef ZKCFG_ADMIN_METRICS_H
#define ZKCFG_ADMIN_METRICS_H

#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"

/* struct metrics m = {0}; ends with metrics_free(). */
struct metrics {
	struct buffer text;
	const char *family; /* borrowed until the next one begins */
};

enum metrics_type { METRICS_COUNTER, METRICS_GAUGE, METRICS_HISTOGRAM };

#define METRICS_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* name: legal, and a counter's ends in _total. */
void metrics_family(struct metrics *metrics, const char *name, enum metrics_type type, const char *help);
/* A sample of it. Behind value: names and values of labels by turns, then NULL. */
__attribute__((sentinel)) void metrics_sample(struct metrics *metrics, double value, ...);
void metrics_free(struct metrics *metrics);

/* How often what took how long. */
#define METRICS_BOUNDS_MOST 24
struct metrics_histogram {
	const double *bounds; /* rising; without the last, +Inf */
	size_t bound_count;
	uint64_t counts[METRICS_BOUNDS_MOST + 1];
	double sum;
};
/* Bounds for seconds, from a millisecond to a minute. */
extern const double metrics_seconds[15];
#define METRICS_SECONDS_COUNT 15

void metrics_histogram_init(struct metrics_histogram *histogram, const double *bounds, size_t bound_count);
void metrics_observe(struct metrics_histogram *histogram, double value);
/* All samples of one histogram of the family. Labels as above. */
__attribute__((sentinel)) void metrics_samples(struct metrics *metrics,
					       const struct metrics_histogram *histogram, ...);

#endif
