/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How soon those who wait for a commit run. The clock starts before the
 * commit, of one document of a value, and stops in the process that waited.
 */
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <zkcfg/zkcfg.h>

#include "bench/bench.h"
#include "bench/herd.h"
#include "bench/writer.h"

#define WAKES 1000u    /* of one process, in a round */
#define WAKES_1000 21u /* of 1,000 processes */

static unsigned wakes(const struct bench *bench, unsigned processes)
{
	return bench_count(bench, processes == 1 ? WAKES : WAKES_1000);
}

/* --- ours: zkcfg_wait(), and a commit -------------------------------------------------- */

#define WAIT_NAME "limits.xml"

struct waiting {
	struct herd *herd;
	char set[32];
	const char *shm_dir;
	struct publisher *publisher;
	struct publisher_change versions[2];
	unsigned commits;
};

struct waiter {
	struct zkcfg *cfg;
	uint64_t seen;
};

static void *waiter_begin(void *user)
{
	const struct waiting *waiting = user;
	struct waiter *waiter = bench_alloc(1, sizeof(*waiter));

	if (zkcfg_open(waiting->set, waiting->shm_dir, &waiter->cfg) < 0)
		bench_die("cannot open set %s", waiting->set);
	waiter->seen = zkcfg_seq(waiter->cfg);
	return waiter;
}

static void waiter_sleep(void *sleeper)
{
	struct waiter *waiter = sleeper;
	int err = zkcfg_wait(waiter->cfg, waiter->seen, -1, &waiter->seen);

	if (err < 0)
		bench_die("zkcfg_wait: %s", zkcfg_strerror(err));
}

/* The daemon's sign of life, that the waiting do not go and look for another. */
static void waiting_prepare(void *user)
{
	struct waiting *waiting = user;
	struct message message = { "" };

	if (writer_heartbeat(waiting->publisher, &message) < 0)
		bench_die("%s", message.text);
}

static void waiting_wake(void *user)
{
	struct waiting *waiting = user;
	struct message message = { "" };

	if (writer_commit(waiting->publisher, &waiting->versions[waiting->commits++ % 2], 1, &message) < 0)
		bench_die("%s", message.text);
}

static const struct herd_manner waiting_manner = { waiter_begin, waiter_sleep, waiting_prepare,
						   waiting_wake };

static void *waiting_make(struct bench *bench, unsigned processes)
{
	static const char *const xml[2] = { "<limits><rate>100</rate></limits>",
					    "<limits><rate>250</rate></limits>" };
	struct waiting *waiting = bench_alloc(1, sizeof(*waiting));
	struct message message = { "" };

	snprintf(waiting->set, sizeof(waiting->set), "wait-%u", processes);
	waiting->shm_dir = bench->directory;
	if (writer_open(waiting->shm_dir, waiting->set, &waiting->publisher, &message) < 0)
		bench_die("%s", message.text);
	for (unsigned i = 0; i < 2; i++) {
		struct zkcfg_document *document;

		if (writer_compile(WAIT_NAME, 1 + i, xml[i], strlen(xml[i]), &document,
				   &waiting->versions[i].document_bytes, &message) < 0)
			bench_die("%s", message.text);
		waiting->versions[i].name = WAIT_NAME;
		waiting->versions[i].document = document;
	}
	waiting_prepare(waiting);
	waiting_wake(waiting);
	waiting->herd = herd_begin(bench, processes, &waiting_manner, waiting);
	return waiting;
}

static void waiting_end(void *thing)
{
	struct waiting *waiting = thing;

	herd_end(waiting->herd);
	writer_close(waiting->publisher);
	for (unsigned i = 0; i < 2; i++)
		free((void *)(uintptr_t)waiting->versions[i].document);
	free(waiting);
}

static const struct bench_kind waiting_kind = { waiting_make, waiting_end };

static double wake_ours(struct bench *bench, unsigned processes)
{
	struct waiting *waiting = bench_have(bench, &waiting_kind, processes);

	return herd_wake(waiting->herd, wakes(bench, processes)) / 1000;
}

/* --- the peer: a futex, shared, and nothing else --------------------------------------- */

struct bare {
	struct herd *herd;
	_Atomic uint32_t *word; /* in shared memory */
};

struct bare_sleeper {
	_Atomic uint32_t *word;
	uint32_t seen;
};

static void *bare_begin(void *user)
{
	const struct bare *bare = user;
	struct bare_sleeper *sleeper = bench_alloc(1, sizeof(*sleeper));

	sleeper->word = bare->word;
	sleeper->seen = atomic_load_explicit(bare->word, memory_order_acquire);
	return sleeper;
}

static void bare_sleep(void *user)
{
	struct bare_sleeper *sleeper = user;
	uint32_t now;

	while ((now = atomic_load_explicit(sleeper->word, memory_order_acquire)) == sleeper->seen)
		syscall(SYS_futex, sleeper->word, FUTEX_WAIT, sleeper->seen, NULL, NULL, 0);
	sleeper->seen = now;
}

static void bare_prepare(void *user)
{
	(void)user;
}

static void bare_wake(void *user)
{
	struct bare *bare = user;

	/* pairs with the acquires above */
	atomic_fetch_add_explicit(bare->word, 1, memory_order_release);
	syscall(SYS_futex, bare->word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

static const struct herd_manner bare_manner = { bare_begin, bare_sleep, bare_prepare, bare_wake };

static void *bare_make(struct bench *bench, unsigned processes)
{
	struct bare *bare = bench_alloc(1, sizeof(*bare));

	bare->word =
		mmap(NULL, sizeof(*bare->word), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (bare->word == MAP_FAILED)
		bench_die("cannot map a page: %s", strerror(errno));
	bare->herd = herd_begin(bench, processes, &bare_manner, bare);
	return bare;
}

static void bare_end(void *thing)
{
	struct bare *bare = thing;

	herd_end(bare->herd);
	munmap(bare->word, sizeof(*bare->word));
	free(bare);
}

static const struct bench_kind bare_kind = { bare_make, bare_end };

static double wake_peer(struct bench *bench, unsigned processes)
{
	struct bare *bare = bench_have(bench, &bare_kind, processes);

	return herd_wake(bare->herd, wakes(bench, processes)) / 1000;
}

static double wake_one_ours(struct bench *bench)
{
	return wake_ours(bench, 1);
}

static double wake_one_peer(struct bench *bench)
{
	return wake_peer(bench, 1);
}

static double wake_1000_ours(struct bench *bench)
{
	return wake_ours(bench, bench_count(bench, 1000));
}

static double wake_1000_peer(struct bench *bench)
{
	return wake_peer(bench, bench_count(bench, 1000));
}

const struct figure figures_wake[] = {
	{ "wake", "us", "bare futex wake, p50", 1.3, wake_one_ours, wake_one_peer },
	{ "wake_1000", "us", "bare futex broadcast to as many", 1.3, wake_1000_ours, wake_1000_peer },
	{ 0 }
};
