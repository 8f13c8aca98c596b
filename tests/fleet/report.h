/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* How a run is told: where and how, then a table with a row for each start and each change. */
#ifndef ZKCFG_TESTS_FLEET_REPORT_H
#define ZKCFG_TESTS_FLEET_REPORT_H

#include "fleet/fleet.h"

enum row_value {
	ROW_FIRST_MS,
	ROW_MEDIAN_MS,
	ROW_LAST_MS,
	ROW_SERVER_MS, /* CPU time */
	ROW_HOSTS_MS,  /* CPU time */
	ROW_RECEIVED,
	ROW_SENT,
	ROW_WAITING,
	ROW_LATENCY_MS,
	ROW_VALUES
};

struct row {
	const char *splay;
	char what[16];
	unsigned znodes; /* that the hosts read */
	unsigned hosts;	 /* that were current in time */
	double values[ROW_VALUES];
};

void report_head(const struct fleet *fleet);
void report_row(const struct row *row);
/* Of each column for itself. */
void report_median(const struct row *rows, unsigned count);

#endif
