/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/herd.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* A herd that does not get to sleep, or up, in this time never will. */
#define DEADLINE_NS INT64_C(60000000000)

/* Of one process, in shared memory; a line of the cache each. */
struct member {
	_Alignas(64) _Atomic uint32_t times; /* it ran; 1: it is ready to sleep for the first time */
	int64_t woken_ns;		     /* written before times is */
	pid_t pid;
};

struct herd {
	const struct bench *bench;
	const struct herd_manner *manner;
	void *user;
	unsigned count;
	uint32_t times; /* that they have run by now */
	struct member *members;
};

static _Noreturn void member_run(const struct herd *herd, struct member *member)
{
	void *sleeper;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (herd->count == 1)
		bench_pin(herd->bench, 1);
	else
		bench_unpin(herd->bench);
	sleeper = herd->manner->begin(herd->user);
	atomic_store_explicit(&member->times, 1, memory_order_release);
	for (uint32_t times = 2;; times++) {
		herd->manner->sleep(sleeper);
		member->woken_ns = bench_now_ns();
		/* pairs with the acquire in herd_await() */
		atomic_store_explicit(&member->times, times, memory_order_release);
	}
}

struct herd *herd_begin(struct bench *bench, unsigned count, const struct herd_manner *manner, void *user)
{
	struct herd *herd = bench_alloc(1, sizeof(*herd));

	*herd = (struct herd){ .bench = bench, .manner = manner, .user = user, .count = count, .times = 1 };
	herd->members = mmap(NULL, count * sizeof(*herd->members), PROT_READ | PROT_WRITE,
			     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (herd->members == MAP_FAILED)
		bench_die("cannot map %zu bytes: %s", count * sizeof(*herd->members), strerror(errno));
	fflush(stdout);
	for (unsigned i = 0; i < count; i++) {
		pid_t pid = fork();

		if (pid < 0)
			bench_die("cannot start process %u of %u: %s", i + 1, count, strerror(errno));
		if (pid == 0)
			member_run(herd, &herd->members[i]);
		herd->members[i].pid = pid;
	}
	return herd;
}

void herd_end(struct herd *herd)
{
	for (unsigned i = 0; i < herd->count; i++)
		kill(herd->members[i].pid, SIGKILL);
	for (unsigned i = 0; i < herd->count; i++)
		waitpid(herd->members[i].pid, NULL, 0);
	munmap(herd->members, herd->count * sizeof(*herd->members));
	free(herd);
}

/* Let the others have the cpu for a moment; a herd of one has one of its own, and is waited for hot. */
static void herd_pause(const struct herd *herd, int64_t began_ns, const char *what)
{
	struct timespec moment = { .tv_nsec = 200000 };

	if (bench_now_ns() - began_ns > DEADLINE_NS)
		bench_die("%u processes were to %s, and did not all do so", herd->count, what);
	if (herd->count > 1 || CPU_COUNT(&herd->bench->cpus) == 1)
		nanosleep(&moment, NULL);
}

/* Until all have run so many times; when the last of them did. */
static int64_t herd_await(const struct herd *herd)
{
	int64_t began_ns = bench_now_ns(), last_ns = 0;

	for (unsigned i = 0; i < herd->count; i++) {
		struct member *member = &herd->members[i];

		while (atomic_load_explicit(&member->times, memory_order_acquire) != herd->times) {
			if (waitpid(member->pid, NULL, WNOHANG) == member->pid)
				bench_die("process %u of %u has ended", i + 1, herd->count);
			herd_pause(herd, began_ns, "run");
		}
		if (member->woken_ns > last_ns)
			last_ns = member->woken_ns;
	}
	return last_ns;
}

/* Does the kernel say that it sleeps? Then it does so in sleep(): it does nothing else that sleeps. */
static bool member_sleeps(const struct member *member)
{
	char path[32], stat[256], *state;
	ssize_t bytes;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)member->pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		bench_die("cannot read %s: %s", path, strerror(errno));
	bytes = read(fd, stat, sizeof(stat) - 1);
	close(fd);
	stat[bytes > 0 ? bytes : 0] = '\0';
	state = strrchr(stat, ')');
	return state && strncmp(state, ") S", 3) == 0;
}

static void herd_settle(const struct herd *herd)
{
	int64_t began_ns = bench_now_ns();

	for (unsigned i = 0; i < herd->count; i++)
		while (!member_sleeps(&herd->members[i]))
			herd_pause(herd, began_ns, "sleep");
}

double herd_wake(struct herd *herd, unsigned times)
{
	double *took_ns = bench_alloc(times, sizeof(*took_ns)), median_ns;
	int64_t began_ns;

	for (unsigned i = 0; i < times; i++) {
		herd_await(herd);
		herd_settle(herd);
		herd->manner->prepare(herd->user);
		began_ns = bench_now_ns();
		herd->manner->wake(herd->user);
		herd->times++;
		took_ns[i] = (double)(herd_await(herd) - began_ns);
	}
	median_ns = bench_median(took_ns, times);
	free(took_ns);
	return median_ns;
}
