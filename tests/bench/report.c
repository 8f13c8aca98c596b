/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/report.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>

#include "bench/corpus.h"

struct report {
	json_t *rows;
	unsigned beyond, left_out;
};

static void print_cpu(const struct bench *bench)
{
	FILE *file = fopen("/proc/cpuinfo", "r");
	char line[256], *model = NULL;

	while (file && !model && fgets(line, sizeof(line), file))
		if (strncmp(line, "model name", 10) == 0)
			model = strchr(line, ':');
	if (model)
		model[strcspn(model, "\n")] = '\0';
	printf("# cpu:      %s, %d of them\n", model ? model + 2 : "unknown", CPU_COUNT(&bench->cpus));
	if (file)
		fclose(file);
}

static void print_header(const struct bench *bench)
{
	struct utsname host;
	double load = -1;
	char date[64] = "";
	time_t now = time(NULL);

	strftime(date, sizeof(date), "%Y-%m-%d %H:%M:%S UTC", gmtime(&now));
	uname(&host);
	getloadavg(&load, 1);
	printf("# date:     %s\n", date);
	print_cpu(bench);
	printf("# system:   %s %s %s\n", host.sysname, host.release, host.machine);
	printf("# load:     %.2f when it began; what others run shows in figures of two cpus first\n", load);
	printf("# compiler: %s, %s\n", BENCH_COMPILER, BENCH_FLAGS);
	printf("# rounds:   %s, >= %lld ms each; ours and the peer by turns\n",
	       bench->is_quick ? "one" : "median of 5 after one that does not count",
	       (long long)(bench->round_ns / 1000000));
	printf("# corpus:   documents of %u bytes with %u values, seed %llu%s\n", CORPUS_DOCUMENT_BYTES,
	       CORPUS_VALUES, (unsigned long long)BENCH_SEED,
	       bench->is_quick ? "; QUICK: sizes / 100, these figures mean nothing" : "");
	printf("# place:    %s; one cpu for what runs alone, two for what is a pair\n", bench->directory);
#ifndef __OPTIMIZE__
	printf("# this is built WITHOUT OPTIMISATION: the figures mean nothing\n");
#endif
}

struct report *report_begin(const struct bench *bench)
{
	struct report *report = bench_alloc(1, sizeof(*report));

	report->rows = json_array();
	print_header(bench);
	printf("\n%-18s %12s %12s %-7s %9s  %9s  %s\n", "name", "ours", "peer", "unit", "ratio", "wanted",
	       "peer's name");
	fflush(stdout);
	return report;
}

void report_row(struct report *report, const struct result *result)
{
	const struct figure *figure = result->figure;
	double ratio = result->ours / result->peer;
	bool is_beyond = figure->wanted > 0 && ratio > figure->wanted;
	char wanted[24] = "-";

	if (figure->wanted > 0)
		snprintf(wanted, sizeof(wanted), "<= %g", figure->wanted);
	printf("%-18s %12.6g %12.6g %-7s %9.4g%c %9s  %s\n", figure->name, result->ours, result->peer,
	       figure->unit, ratio, is_beyond ? '!' : ' ', wanted, figure->peer_name);
	fflush(stdout);
	report->beyond += is_beyond;
	json_array_append_new(report->rows,
			      json_pack("{s:s, s:f, s:f, s:s, s:s, s:f}", "name", figure->name, "ours",
					result->ours, "peer", result->peer, "peer_name", figure->peer_name,
					"unit", figure->unit, "ratio", ratio));
}

void report_left_out(struct report *report, const struct figure *figure)
{
	printf("%-18s left out: built without LMDB (Debian package liblmdb-dev)\n", figure->name);
	report->left_out++;
}

int report_end(struct report *report, const char *json_path)
{
	int status = 0;

	printf("\n%zu figures, %u of them beyond what is wanted (!), %u left out\n",
	       json_array_size(report->rows), report->beyond, report->left_out);
	if (json_path &&
	    json_dump_file(report->rows, json_path, JSON_INDENT(2) | JSON_REAL_PRECISION(9)) < 0) {
		fprintf(stderr, "bench: cannot write %s\n", json_path);
		status = 1;
	}
	json_decref(report->rows);
	free(report);
	return status;
}
