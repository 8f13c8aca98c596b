/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/metrics.h"

#include <assert.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define METRICS_NUMBER_BYTES 32

const double metrics_seconds[METRICS_SECONDS_COUNT] = { 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25,
							0.5,   1,      2.5,   5,    10,	   30,	 60 };

/* quote: escape the '"' as well. */
static void metrics_escape(struct buffer *text, const char *value, int quote)
{
	for (; *value != '\0'; value++) {
		if (*value == '\n')
			buffer_append(text, "\\n", 2);
		else if (*value == '\\' || (*value == '"' && quote))
			buffer_printf(text, "\\%c", *value);
		else
			buffer_append(text, value, 1);
	}
}

static const char *metrics_number(double value, char text[METRICS_NUMBER_BYTES])
{
	if (isnan(value))
		return "NaN";
	if (isinf(value))
		return value > 0 ? "+Inf" : "-Inf";
	/* as short as it may be, so that 0.1 is not 0.10000000000000001 */
	for (int digits = 15; digits <= 17; digits++) {
		double back;

		snprintf(text, METRICS_NUMBER_BYTES, "%.*g", digits, value);
		if (sscanf(text, "%lf", &back) == 1 && back >= value && back <= value)
			break;
	}
	return text;
}

void metrics_family(struct metrics *metrics, const char *name, enum metrics_type type, const char *help)
{
	static const char *const types[] = {
		[METRICS_COUNTER] = "counter", [METRICS_GAUGE] = "gauge", [METRICS_HISTOGRAM] = "histogram"
	};

	metrics->family = name;
	buffer_printf(&metrics->text, "# HELP %s ", name);
	metrics_escape(&metrics->text, help, 0);
	buffer_printf(&metrics->text, "\n# TYPE %s %s\n", name, types[type]);
}

/* Labels, and behind them "le", if it is given. */
static void metrics_line(struct metrics *metrics, const char *suffix, double value, const char *le,
			 va_list labels)
{
	struct buffer *text = &metrics->text;
	char number[METRICS_NUMBER_BYTES];
	const char *name, *between = "{";

	assert(metrics->family);
	buffer_printf(text, "%s%s", metrics->family, suffix);
	while ((name = va_arg(labels, const char *))) {
		buffer_printf(text, "%s%s=\"", between, name);
		metrics_escape(text, va_arg(labels, const char *), 1);
		buffer_append(text, "\"", 1);
		between = ",";
	}
	if (le) {
		buffer_printf(text, "%sle=\"%s\"", between, le);
		between = ",";
	}
	buffer_printf(text, "%s %s\n", *between == ',' ? "}" : "", metrics_number(value, number));
}

void metrics_sample(struct metrics *metrics, double value, ...)
{
	va_list labels;

	va_start(labels, value);
	metrics_line(metrics, "", value, NULL, labels);
	va_end(labels);
}

void metrics_free(struct metrics *metrics)
{
	buffer_free(&metrics->text);
}

void metrics_histogram_init(struct metrics_histogram *histogram, const double *bounds, size_t bound_count)
{
	assert(bound_count <= METRICS_BOUNDS_MOST);
	*histogram = (struct metrics_histogram){ .bounds = bounds, .bound_count = bound_count };
}

void metrics_observe(struct metrics_histogram *histogram, double value)
{
	size_t at = 0;

	while (at < histogram->bound_count && value > histogram->bounds[at])
		at++;
	histogram->counts[at]++;
	histogram->sum += value;
}

void metrics_samples(struct metrics *metrics, const struct metrics_histogram *histogram, ...)
{
	char number[METRICS_NUMBER_BYTES];
	uint64_t count = 0;
	va_list labels, again;

	va_start(labels, histogram);
	for (size_t i = 0; i <= histogram->bound_count; i++) {
		count += histogram->counts[i];
		va_copy(again, labels);
		metrics_line(metrics, "_bucket", (double)count,
			     i < histogram->bound_count ? metrics_number(histogram->bounds[i], number)
							: "+Inf",
			     again);
		va_end(again);
	}
	va_copy(again, labels);
	metrics_line(metrics, "_sum", histogram->sum, NULL, again);
	va_end(again);
	metrics_line(metrics, "_count", (double)count, NULL, labels);
	va_end(labels);
}
