/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A thread that waits for changes of what concerns it, and hands them to the
 * others. It sleeps in the kernel, and other commits do not wake it for long.
 *
 *   cc thread.c $(pkg-config --cflags --libs libzkcfg) -pthread -o thread && ./thread app
 *
 * Until the set is there, and where a new value is none, the default stays.
 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <zkcfg/zkcfg.h>

#define LOOK_MS 200 /* how soon the thread sees that it shall end */

static const char *set;
static atomic_int ends;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int64_t timeout_ms = 1000; /* under the lock, and so is the next */
static unsigned long changes;

/* One whole value is small enough to be copied under a lock; swap.c has what is not. */
static void hand_over(int64_t new_ms)
{
	pthread_mutex_lock(&lock);
	if (new_ms != timeout_ms) {
		timeout_ms = new_ms;
		changes++;
		pthread_cond_signal(&changed);
	}
	pthread_mutex_unlock(&lock);
}

static struct zkcfg *open_when_there(void)
{
	struct zkcfg *cfg = NULL;
	int err;

	while ((err = zkcfg_open(set, NULL, &cfg)) == ZKCFG_ENOSET && !ends)
		usleep(LOOK_MS * 1000);
	if (err != 0 && !ends)
		fprintf(stderr, "thread: %s: %s\n", set, zkcfg_strerror(err));
	return err == 0 ? cfg : NULL;
}

static void *follow(void *unused)
{
	struct zkcfg *cfg = open_when_there();
	struct zkcfg_snapshot *have = NULL, *now;
	int64_t new_ms;
	int err;

	(void)unused;
	while (cfg && !ends) {
		err = zkcfg_wait_for(cfg, have, "service.xml", "/service/limits", LOOK_MS, &now);
		if (err == ZKCFG_ETIMEDOUT || err == ZKCFG_EINTR)
			continue;
		if (err != 0) { /* nothing is published, or the set is being made anew */
			usleep(LOOK_MS * 1000);
			continue;
		}
		zkcfg_unpin(have);
		have = now; /* the next difference counts from here */
		err = zkcfg_get_duration_ms(now, "service.xml", "/service/limits/timeout", &new_ms);
		if (err == 0)
			hand_over(new_ms);
		else
			fprintf(stderr, "thread: the timeout stays: %s\n", zkcfg_strerror(err));
	}
	zkcfg_unpin(have);
	zkcfg_close(cfg);
	return NULL;
}

/* SIGTERM comes to this one alone. */
static void *await_end(void *signals)
{
	int signal;

	sigwait(signals, &signal);
	ends = 1;
	pthread_mutex_lock(&lock);
	pthread_cond_signal(&changed);
	pthread_mutex_unlock(&lock);
	return NULL;
}

int main(int argc, char **argv)
{
	unsigned long most =
		argc > 2 ? strtoul(argv[2], NULL, 10) : 0; /* values to print; 0: until SIGTERM */
	unsigned long seen = 0, printed = 0;
	pthread_t follower, ender;
	sigset_t signals;

	if (argc < 2)
		return fprintf(stderr, "usage: thread SET [COUNT]\n"), 2;
	set = argv[1];
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
	if (pthread_create(&follower, NULL, follow, NULL) != 0 ||
	    pthread_create(&ender, NULL, await_end, &signals) != 0)
		return fprintf(stderr, "thread: no threads\n"), 1;
	pthread_mutex_lock(&lock);
	while (!ends) {
		printf("timeout %lld ms\n", (long long)timeout_ms);
		fflush(stdout);
		if (++printed == most)
			ends = 1;
		seen = changes;
		while (!ends && changes == seen)
			pthread_cond_wait(&changed, &lock);
	}
	pthread_mutex_unlock(&lock);
	pthread_kill(ender, SIGTERM);
	pthread_join(ender, NULL);
	pthread_join(follower, NULL);
	return 0;
}
