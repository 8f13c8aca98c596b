/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An object that is made of the configuration, and swapped under threads that
 * use it: a pool of connections, a table of routes, a compiled expression.
 *
 *   cc swap.c $(pkg-config --cflags --libs libzkcfg) -pthread -o swap && ./swap app
 *
 * The pattern, and what makes it safe:
 *
 * - An object is made whole, of one snapshot, before anybody sees it, and is
 *   never changed after that. So nobody sees half of one, or two commits mixed.
 * - Threads take a reference and use what they took to the end of their piece
 *   of work, however often it is swapped meanwhile. The lock is held for the
 *   time of reading a pointer and counting, never while an object is made.
 * - Who lets the last reference go frees it: that may be a thread, long after
 *   the swap.
 * - What cannot be made of the new configuration is told, and what is there stays.
 *
 * Who only reads values needs none of this: a pinned snapshot is such an object.
 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <zkcfg/zkcfg.h>

#define THREADS 3
#define LOOK_MS 200

struct pool {
	atomic_uint references;
	int64_t least, most; /* of connections: most is never below least */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct pool *current; /* under the lock; one of its references is for being here */
static atomic_int ends;
static atomic_ulong uses, mixtures;

static struct pool *pool_take(void)
{
	struct pool *pool;

	pthread_mutex_lock(&lock);
	pool = current;
	if (pool)
		atomic_fetch_add(&pool->references, 1);
	pthread_mutex_unlock(&lock);
	return pool;
}

static void pool_release(struct pool *pool)
{
	if (pool && atomic_fetch_sub(&pool->references, 1) == 1)
		free(pool);
}

static void pool_swap(struct pool *pool)
{
	struct pool *old;

	pthread_mutex_lock(&lock);
	old = current;
	current = pool;
	pthread_mutex_unlock(&lock);
	pool_release(old);
}

static struct pool *pool_make(const struct zkcfg_snapshot *now)
{
	struct pool *pool = calloc(1, sizeof(*pool));
	int err = pool ? 0 : ZKCFG_ENOMEM;

	if (err == 0)
		err = zkcfg_get_int64(now, "pool.xml", "/pool/@least", &pool->least);
	if (err == 0)
		err = zkcfg_get_int64(now, "pool.xml", "/pool/@most", &pool->most);
	if (err == 0 && pool->most < pool->least)
		err = ZKCFG_ERANGE;
	if (err == 0) {
		atomic_init(&pool->references, 1);
		return pool;
	}
	fprintf(stderr, "swap: the pool stays as it is: %s\n", zkcfg_strerror(err));
	free(pool);
	return NULL;
}

static void *serve(void *unused)
{
	(void)unused;
	while (!ends) {
		struct pool *pool = pool_take();

		if (pool) {
			atomic_fetch_add(&uses, 1);
			if (pool->most < pool->least) /* cannot be: said in the last line */
				atomic_fetch_add(&mixtures, 1);
		} else {
			usleep(1000); /* no configuration yet */
		}
		pool_release(pool);
	}
	return NULL;
}

/* Until so many pools have been made, or SIGTERM. */
static void follow(struct zkcfg *cfg, long most, const sigset_t *signals)
{
	static const struct timespec none = { 0 };
	struct zkcfg_snapshot *have = NULL, *now;
	struct pool *pool;

	while (most != 0 && sigtimedwait(signals, NULL, &none) < 0) {
		if (zkcfg_wait_for(cfg, have, "pool.xml", NULL, LOOK_MS, &now) != 0) {
			usleep(1000); /* nothing new, or nothing published */
			continue;
		}
		zkcfg_unpin(have);
		have = now;
		pool = pool_make(now);
		if (!pool)
			continue;
		printf("pool of %lld to %lld\n", (long long)pool->least, (long long)pool->most);
		fflush(stdout);
		pool_swap(pool);
		most--;
	}
	zkcfg_unpin(have);
}

int main(int argc, char **argv)
{
	static const struct timespec look = { .tv_nsec = LOOK_MS * 1000000L };
	pthread_t threads[THREADS];
	struct zkcfg *cfg = NULL;
	sigset_t signals;
	int err;

	if (argc < 2)
		return fprintf(stderr, "usage: swap SET [COUNT]\n"), 2;
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
	for (int i = 0; i < THREADS; i++)
		if (pthread_create(&threads[i], NULL, serve, NULL) != 0)
			return fprintf(stderr, "swap: no threads\n"), 1;
	do {
		err = zkcfg_open(argv[1], NULL, &cfg);
	} while (err == ZKCFG_ENOSET && sigtimedwait(&signals, NULL, &look) < 0);
	if (err == 0)
		follow(cfg, argc > 2 ? atol(argv[2]) : -1, &signals);
	else if (err != ZKCFG_ENOSET)
		fprintf(stderr, "swap: %s: %s\n", argv[1], zkcfg_strerror(err));
	ends = 1;
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	pool_swap(NULL);
	zkcfg_close(cfg);
	fprintf(stderr, "swap: used %s, %lu mixtures\n", uses > 0 ? "often" : "never", mixtures);
	return err != 0 && err != ZKCFG_ENOSET;
}
