/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long it takes from a change until a process that waits for it has the new
 * value: one that reads what zkcfgd publishes, or a bare one that watches the
 * source itself. Each change carries a number that rises.
 *
 * Here: the process that waits, the clock, percentiles. Not here: sources.
 */
#ifndef ZKCFG_TESTS_BENCH_PROPAGATE_H
#define ZKCFG_TESTS_BENCH_PROPAGATE_H

#include <sys/types.h>

#include "bench/bench.h"

#define PROPAGATE_DOCUMENT_BYTES 1024
#define PROPAGATE_CHANGES_MOST 500u

/* Who waits: where is our shared directory, the source's hosts, or nothing; path is what it waits for. */
#define PROPAGATE_OURS "watch-ours"
#define PROPAGATE_ZOOKEEPER "watch-zookeeper"
#define PROPAGATE_FILE "watch-file"
#define PROPAGATE_CONFIGMAP "watch-configmap"
#define PROPAGATE_ETCD "watch-etcd"

struct watcher {
	pid_t pid;
	int fd;
};

/* This program anew, as one that waits. Ends with watcher_end(). */
void watcher_begin(struct watcher *watcher, const char *kind, const char *where, const char *path);
void watcher_end(struct watcher *watcher);
/* When it had this number, or a later one. */
int64_t watcher_await(const struct watcher *watcher, int64_t number);

/* This process is not a bench, but such a one; never returns then. */
bool propagate_watches(int argc, char **argv);
/* By such a one: it has this number, now. */
void propagate_tell(int fd, int64_t number);

int64_t propagate_next_number(void);
/* <d n="NUMBER">xxx...</d>, and the number of such a text, or -1. */
void propagate_compose(char text[PROPAGATE_DOCUMENT_BYTES], int64_t number);
int64_t propagate_number(const char *text, size_t bytes);

struct propagation {
	const char *kind, *where, *path; /* of who waits */
	/* Make a change; when it began. */
	int64_t (*change)(void *user, int64_t number);
	void *user;
	unsigned count; /* of changes, in a full run */
	bool is_pair;	/* who changes and who waits have a cpu each; else all run where they like */
};

/* The percentile of all changes, in us. */
double propagate_us(const struct bench *bench, const struct propagation *propagation, unsigned percentile);

/* Each of them for ever; of the document in `path` it tells the number. */
_Noreturn void watch_ours(const char *shm_dir, const char *path, int fd);
_Noreturn void watch_zookeeper(const char *hosts, const char *path, int fd);
_Noreturn void watch_file(const char *nowhere, const char *path, int fd);
/* All files of the volume are read; path is one of them. */
_Noreturn void watch_configmap(const char *nowhere, const char *path, int fd);
_Noreturn void watch_etcd(const char *hosts, const char *key, int fd);

#endif
