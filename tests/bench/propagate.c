/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/propagate.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <zkcfg/zkcfg.h>

#define NUMBER_PREFIX "<d n=\""
/* Between changes, so that one has nothing of the other. */
#define REST_US 2000

/* What the process that waits tells: the number it has, and since when. */
struct sight {
	int64_t number, at_ns;
};

static const struct {
	const char *kind;
	void (*watch)(const char *where, const char *path, int fd);
} watches[] = {
	{ PROPAGATE_OURS, watch_ours },		  { PROPAGATE_ZOOKEEPER, watch_zookeeper },
	{ PROPAGATE_FILE, watch_file },		  { PROPAGATE_CONFIGMAP, watch_configmap },
	{ PROPAGATE_ETCD, watch_etcd },
};

/* --- the process that waits --------------------------------------------------------- */

/*
 * It tells what it has by a pipe. This program anew: a fork alone of one with
 * threads may find a lock of libc taken, for ever.
 */
void watcher_begin(struct watcher *watcher, const char *kind, const char *where, const char *path)
{
	char number[16];
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0 || (watcher->pid = fork()) < 0)
		bench_die("no process to wait: %s", strerror(errno));
	if (watcher->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		snprintf(number, sizeof(number), "%d", dup(ends[1])); /* which exec leaves open */
		execl("/proc/self/exe", "bench", kind, where, path, number, NULL);
		_exit(1);
	}
	close(ends[1]);
	watcher->fd = ends[0];
}

void watcher_end(struct watcher *watcher)
{
	kill(watcher->pid, SIGKILL);
	waitpid(watcher->pid, NULL, 0);
	close(watcher->fd);
}

int64_t watcher_await(const struct watcher *watcher, int64_t number)
{
	struct sight sight;

	do {
		if (read(watcher->fd, &sight, sizeof(sight)) != sizeof(sight))
			bench_die("the process that waits has ended");
	} while (sight.number < number);
	return sight.at_ns;
}

bool propagate_watches(int argc, char **argv)
{
	for (size_t i = 0; argc == 5 && i < sizeof(watches) / sizeof(*watches); i++)
		if (strcmp(argv[1], watches[i].kind) == 0)
			watches[i].watch(argv[2], argv[3], atoi(argv[4]));
	return false;
}

void propagate_tell(int fd, int64_t number)
{
	struct sight sight = { .number = number, .at_ns = bench_now_ns() };

	if (write(fd, &sight, sizeof(sight)) != sizeof(sight))
		_exit(1);
}

void watch_ours(const char *shm_dir, const char *path, int fd)
{
	const char *name = strrchr(path, '/') + 1;
	struct zkcfg_snapshot *snapshot;
	struct zkcfg *cfg;
	int64_t number;
	uint64_t seen;

	if (zkcfg_open("app", shm_dir, &cfg) < 0)
		_exit(1);
	for (;;) {
		if (zkcfg_pin(cfg, &snapshot) < 0)
			_exit(1);
		seen = zkcfg_snapshot_seq(snapshot);
		if (zkcfg_get_int64(snapshot, name, "/d/@n", &number) == 0)
			propagate_tell(fd, number);
		zkcfg_unpin(snapshot);
		zkcfg_wait(cfg, seen, -1, NULL);
	}
}

/* --- changes ------------------------------------------------------------------------- */

int64_t propagate_next_number(void)
{
	static int64_t number;

	return ++number;
}

void propagate_compose(char text[PROPAGATE_DOCUMENT_BYTES], int64_t number)
{
	int begin = snprintf(text, PROPAGATE_DOCUMENT_BYTES, NUMBER_PREFIX "%lld\">", (long long)number);

	memset(text + begin, 'x', (size_t)(PROPAGATE_DOCUMENT_BYTES - begin - 4));
	memcpy(text + PROPAGATE_DOCUMENT_BYTES - 4, "</d>", 4);
}

int64_t propagate_number(const char *text, size_t bytes)
{
	size_t begin = strlen(NUMBER_PREFIX);

	if (bytes != PROPAGATE_DOCUMENT_BYTES || memcmp(text, NUMBER_PREFIX, begin) != 0)
		return -1;
	return strtoll(text + begin, NULL, 10);
}

static int compare_times(const void *one, const void *other)
{
	const int64_t *a = one, *b = other;

	return (*a > *b) - (*a < *b);
}

double propagate_us(const struct bench *bench, const struct propagation *propagation, unsigned percentile)
{
	unsigned count = bench->is_quick ? 5 : propagation->count;
	int64_t times[PROPAGATE_CHANGES_MOST], began_ns, number = propagate_next_number();
	struct watcher watcher;

	propagation->change(propagation->user, number);
	if (propagation->is_pair)
		bench_pin(bench, 1); /* which the child inherits */
	watcher_begin(&watcher, propagation->kind, propagation->where, propagation->path);
	if (propagation->is_pair)
		bench_pin(bench, 0);
	watcher_await(&watcher, number);
	for (unsigned i = 0; i < count; i++) {
		usleep(REST_US);
		number = propagate_next_number();
		began_ns = propagation->change(propagation->user, number);
		times[i] = watcher_await(&watcher, number) - began_ns;
	}
	watcher_end(&watcher);
	qsort(times, count, sizeof(*times), compare_times);
	return (double)times[(count - 1) * percentile / 100] / 1000;
}
