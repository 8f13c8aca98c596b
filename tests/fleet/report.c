/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "fleet/report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

static const struct {
	const char *name;
	int width, digits;
} columns[ROW_VALUES] = {
	[ROW_FIRST_MS] = { "first", 9, 1 },	 [ROW_MEDIAN_MS] = { "median", 9, 1 },
	[ROW_LAST_MS] = { "last", 9, 1 },	 [ROW_SERVER_MS] = { "server-cpu", 11, 1 },
	[ROW_HOSTS_MS] = { "hosts-cpu", 10, 1 }, [ROW_RECEIVED] = { "received", 9, 0 },
	[ROW_SENT] = { "sent", 7, 0 },		 [ROW_WAITING] = { "waiting", 8, 0 },
	[ROW_LATENCY_MS] = { "latency", 8, 0 },
};

static void print_machine(void)
{
	FILE *file = fopen("/proc/cpuinfo", "r");
	char line[256], *model = NULL;
	struct utsname system;

	while (file && !model && fgets(line, sizeof(line), file))
		if (strncmp(line, "model name", 10) == 0)
			model = strchr(line, ':');
	if (model)
		model[strcspn(model, "\n")] = '\0';
	uname(&system);
	printf("# machine: %ld cpus, %s; %s %s\n", sysconf(_SC_NPROCESSORS_ONLN),
	       model ? model + 2 : "unknown", system.sysname, system.release);
	if (file)
		fclose(file);
}

void report_head(const struct fleet *fleet)
{
	char date[64] = "";
	time_t now = time(NULL);
	double load = -1;

	strftime(date, sizeof(date), "%Y-%m-%d %H:%M:%S UTC", gmtime(&now));
	getloadavg(&load, 1);
	printf("# date:    %s\n", date);
	print_machine();
	printf("# load:    %.2f when it began\n", load);
	printf("# hosts:   %u in %u processes on this machine, each with a session and a splay of its own\n",
	       fleet->hosts, fleet->processes);
	printf("# set:     %u znodes of %zu bytes%s%s\n", fleet->znodes, fleet->znode_bytes,
	       *fleet->query != '\0' ? "; " : "", fleet->query);
	printf("# server:  one ZooKeeper on this machine, begun anew for each splay; heap 128 MB, no fsync\n"
	       "# columns: znodes that are read; hosts that are current in time; milliseconds until the\n"
	       "#          first, the median and the last of them is; milliseconds of CPU until then, of\n"
	       "#          server and hosts; packets that the server received and sent; the most requests\n"
	       "#          that waited in one of its queues; the longest time that it had one, ms\n"
	       "#          median: of each column for itself%s\n",
	       fleet->idle_ms > 0 ? "; idle: nothing changed" : "");
#ifndef __OPTIMIZE__
	printf("# this is built WITHOUT OPTIMISATION: the figures mean nothing\n");
#endif
	printf("\n%-6s %-7s %6s %6s", "splay", "what", "znodes", "hosts");
	for (int i = 0; i < ROW_VALUES; i++)
		printf(" %*s", columns[i].width, columns[i].name);
	putchar('\n');
	fflush(stdout);
}

void report_row(const struct row *row)
{
	printf("%-6s %-7s %6u %6u", row->splay, row->what, row->znodes, row->hosts);
	for (int i = 0; i < ROW_VALUES; i++)
		printf(" %*.*f", columns[i].width, columns[i].digits, row->values[i]);
	putchar('\n');
	fflush(stdout);
}

static int compare_doubles(const void *one, const void *other)
{
	const double *a = one, *b = other;

	return (*a > *b) - (*a < *b);
}

void report_median(const struct row *rows, unsigned count)
{
	double *values = fleet_alloc(count, sizeof(*values));
	struct row median = rows[0];

	snprintf(median.what, sizeof(median.what), "median");
	for (int column = 0; column < ROW_VALUES; column++) {
		for (unsigned i = 0; i < count; i++)
			values[i] = rows[i].values[column];
		qsort(values, count, sizeof(*values), compare_doubles);
		median.values[column] = (values[(count - 1) / 2] + values[count / 2]) / 2;
	}
	report_row(&median);
	free(values);
}
