/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Push beside pull: a fleet at one ZooKeeper server, how long a change takes
 * until the last of its hosts has it, and what the server does while nothing
 * changes. Measured by tests/fleet, whose table is read here.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "bench/bench.h"

#define HOSTS 100u
#define CHANGES 5u
#define IDLE_S 10u
#define PUSH "mode=push"
#define PULL "mode=pull&interval=1s"
#define COLUMN_LAST 6
#define COLUMN_SERVER_CPU 7

/* A number of the row that has this in its second column. */
static double fleet_run(struct bench *bench, const char *query, unsigned rounds, unsigned idle_s, const char *row,
			int column)
{
	char command[1024], line[512], *rest, *cell, what[16] = "";
	double value = -1;
	FILE *pipe;

	bench_unpin(bench);
	snprintf(command, sizeof(command),
		 "exec '%s/tests/fleet/fleet' --directory '%s' --subscribers %u --processes 2 --splay 0s "
		 "--query '%s' --rounds %u --idle %us",
		 BENCH_BUILD, bench->directory, bench->is_quick ? 4 : HOSTS, query, rounds, idle_s);
	pipe = popen(command, "re");
	if (!pipe)
		bench_die("no fleet: %s", strerror(errno));
	while (fgets(line, sizeof(line), pipe)) {
		rest = line;
		for (int at = 0; line[0] != '#' && (cell = strtok_r(rest, " \n", &rest)); at++) {
			if (at == 1)
				snprintf(what, sizeof(what), "%s", cell);
			else if (at == column && strcmp(what, row) == 0)
				sscanf(cell, "%lf", &value);
		}
	}
	if (pclose(pipe) != 0 || value < 0)
		bench_die("a fleet of %u with %s failed: %s", HOSTS, query, command);
	return value;
}

/* The median of a few changes, in us. */
static double latency(struct bench *bench, const char *query)
{
	return fleet_run(bench, query, bench->is_quick ? 1 : CHANGES, 0, "median", COLUMN_LAST) * 1000;
}

static double latency_push(struct bench *bench)
{
	return latency(bench, PUSH);
}

static double latency_pull(struct bench *bench)
{
	return latency(bench, PULL);
}

/* CPU time of the server in a second, in us. */
static double load(struct bench *bench, const char *query)
{
	unsigned idle_s = bench->is_quick ? 1 : IDLE_S;

	return fleet_run(bench, query, 1, idle_s, "idle", COLUMN_SERVER_CPU) * 1000 / idle_s;
}

static double load_push(struct bench *bench)
{
	return load(bench, PUSH);
}

static double load_pull(struct bench *bench)
{
	return load(bench, PULL);
}

const struct figure figures_fleet[] = {
	{ "push_pull_latency", "us", "pull each second; ours is push; last of 100", 0, latency_push, latency_pull },
	{ "push_pull_load", "us", "pull each second; ours is push; server's CPU a second", 0, load_push,
	  load_pull },
	{ .name = NULL }
};
