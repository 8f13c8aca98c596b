/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hot loop that takes new configuration between two pieces of work. What it
 * pays for that is one load a turn; no thread, no lock, no system call.
 *
 *   cc poll.c $(pkg-config --cflags --libs libzkcfg) -o poll && ./poll app
 *
 * It works from the first moment on: with a default until the set is there, and
 * with what it has where a new value is none.
 */
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <zkcfg/zkcfg.h>

/* Turns between two looks that are made anyhow: they find a segment that was made anew. */
#define LOOK_EVERY 10000000

static volatile sig_atomic_t ends;
static volatile uint64_t work;

static void show(int64_t port)
{
	printf("port %lld\n", (long long)port);
	fflush(stdout);
}

static void on_end(int signal)
{
	(void)signal;
	ends = 1;
}

/* The port of the newest commit, if it has a good one. Returns whether it is another than before. */
static int take(struct zkcfg *cfg, uint64_t *seen, int64_t *port)
{
	struct zkcfg_snapshot *now;
	int64_t before = *port;
	int err = zkcfg_pin(cfg, &now);

	if (err != 0)
		return 0; /* nothing is published, or not yet again: tried at the next look */
	if (zkcfg_snapshot_seq(now) != *seen) {
		*seen = zkcfg_snapshot_seq(now);
		err = zkcfg_get_int64(now, "service.xml", "/service/listen/@port", port);
		if (err != 0)
			fprintf(stderr, "poll: port %lld stays: %s\n", (long long)*port, zkcfg_strerror(err));
	}
	zkcfg_unpin(now);
	return *port != before;
}

/* The set, where it is there; ends the loop where it is, and cannot be read. */
static struct zkcfg *find(const char *set)
{
	struct zkcfg *cfg = NULL;
	int err = zkcfg_open(set, NULL, &cfg);

	if (err != 0 && err != ZKCFG_ENOSET) {
		fprintf(stderr, "poll: %s: %s\n", set, zkcfg_strerror(err));
		ends = 1;
	}
	return cfg;
}

int main(int argc, char **argv)
{
	long most = argc > 2 ? atol(argv[2]) : -1; /* values to print; -1: until SIGTERM */
	struct zkcfg *cfg = NULL;
	uint64_t seen = 0, turns = 0;
	int64_t port = 80;

	if (argc < 2)
		return fprintf(stderr, "usage: poll SET [COUNT]\n"), 2;
	signal(SIGTERM, on_end);
	show(port);
	while (!ends && most != 1) {
		int is_time = ++turns % LOOK_EVERY == 1;

		work++; /* what the loop is there for */
		if (!cfg && is_time)
			cfg = find(argv[1]);
		if (cfg && (zkcfg_changed(cfg, seen) || is_time) && take(cfg, &seen, &port)) {
			show(port);
			most--;
		}
	}
	zkcfg_close(cfg);
	return 0;
}
