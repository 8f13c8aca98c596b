/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "fleet/hosts.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <event2/event.h>

#include "base/clock.h"
#include "base/log.h"
#include "fleet/writer.h"
#include "source/source.h"
#include "source/zookeeper.h"

#define FILES_OF_A_HOST 4 /* a mailbox, a socket, and a pipe of the C client's */
#define FILES_SPARE 128
#define LOOK_US 1000

/* What a host knows of a znode. */
struct sight {
	_Atomic uint64_t modified; /* 0: nothing yet */
	int64_t at_ns;		   /* written before it */
};

/* In shared memory. */
struct host {
	_Atomic int64_t synced_ns; /* 0: not yet */
	_Atomic unsigned away, troubles, repairs;
};

struct hosts {
	const struct fleet *fleet;
	char server[32], splay[32];
	struct host *hosts;
	struct sight *sights; /* of a host one after the other */
	pid_t *pids;
	int go[2]; /* a pipe; its end is the word to start */
};

/* What a process of the hosts has of one. */
struct follower {
	const struct hosts *hosts;
	struct host *host;
	struct sight *sights;
	struct source *source;
};

/* --- what a host is told ----------------------------------------------------------- */

static void told_document(void *user, const char *name, const void *bytes, size_t size_bytes,
			  const struct source_revision *revision)
{
	const struct follower *follower = user;
	const struct fleet *fleet = follower->hosts->fleet;
	struct sight *sight;

	(void)bytes;
	if (*name == '\0') /* the root itself */
		return;
	sight = &follower->sights[writer_znode_of(fleet, name)];
	if (size_bytes != fleet->znode_bytes)
		fleet_die("a host was told of %s with %zu bytes; it has %zu", name, size_bytes,
			  fleet->znode_bytes);
	sight->at_ns = clock_monotonic_ns();
	/* pairs with the acquire in hosts_current_ns() */
	atomic_store_explicit(&sight->modified, revision->modified, memory_order_release);
}

static void told_removed(void *user, const char *name)
{
	(void)user;
	fleet_die("a host was told that %s is gone, which nobody removed", name);
}

static void told_trouble(void *user, const char *name, const char *reason)
{
	const struct follower *follower = user;

	(void)name;
	atomic_fetch_add(&follower->host->troubles, reason != NULL);
}

static void told_settled(void *user)
{
	const struct follower *follower = user;

	if (atomic_load(&follower->host->synced_ns) != 0)
		return;
	for (unsigned i = 0; i < follower->hosts->fleet->znodes; i++)
		if (atomic_load(&follower->sights[i].modified) == 0)
			fleet_die("a host was told that it has all there is, without znode %u", i);
	atomic_store(&follower->host->synced_ns, clock_monotonic_ns());
}

static void told_verified(void *user, int64_t boottime_ns)
{
	(void)user, (void)boottime_ns;
}

static void told_state(void *user, enum source_state state, const char *detail)
{
	const struct follower *follower = user;

	(void)detail;
	if ((state == SOURCE_AWAY || state == SOURCE_REFUSED) && atomic_load(&follower->host->synced_ns) != 0)
		atomic_fetch_add(&follower->host->away, 1);
}

static void told_repaired(void *user, const char *name)
{
	const struct follower *follower = user;

	(void)name;
	atomic_fetch_add(&follower->host->repairs, 1);
}

static void told_contact(void *user, enum source_contact contact)
{
	(void)user, (void)contact;
}

static const struct source_events events = {
	.document = told_document,
	.removed = told_removed,
	.trouble = told_trouble,
	.settled = told_settled,
	.verified = told_verified,
	.state = told_state,
	.repaired = told_repaired,
	.contact = told_contact,
};

/* --- a process of them --------------------------------------------------------------- */

static void follower_open(struct follower *follower, const struct hosts *hosts, unsigned number)
{
	struct message message;
	char uri[512];

	follower->hosts = hosts;
	follower->host = &hosts->hosts[number];
	follower->sights = &hosts->sights[(size_t)number * hosts->fleet->znodes];
	snprintf(uri, sizeof(uri), "zk://%s" FLEET_ROOT "?splay=%s&splay_seed=host-%04u%s%s", hosts->server,
		 hosts->splay, number, *hosts->fleet->query != '\0' ? "&" : "", hosts->fleet->query);
	if (zookeeper_source.open(uri, &events, follower, &follower->source, &message) < 0)
		fleet_die("%s: %s", uri, message.text);
}

/* The hosts of this number and up to the next process's. */
static _Noreturn void hosts_run(const struct hosts *hosts, unsigned from, unsigned count)
{
	struct follower *followers = fleet_alloc(count, sizeof(*followers));
	struct event_base *loop = event_base_new();
	struct message message;
	char word;

	log_start(LOG_LEVEL_WARNING);
	close(hosts->go[1]);
	for (unsigned i = 0; i < count; i++)
		follower_open(&followers[i], hosts, from + i);
	if (!loop || read(hosts->go[0], &word, 1) != 0)
		fleet_die("%u hosts cannot start", count);
	for (unsigned i = 0; i < count; i++)
		if (zookeeper_source.start(followers[i].source, loop, &message) < 0)
			fleet_die("a host cannot start: %s", message.text);
	event_base_dispatch(loop);
	fleet_die("the loop of %u hosts has ended", count);
}

/* --- all of them ------------------------------------------------------------------------ */

/* Both they and the server, which takes what limit there is. */
static void hosts_check_limit(const struct fleet *fleet)
{
	rlim_t each = (fleet->hosts / fleet->processes + 1) * FILES_OF_A_HOST + FILES_SPARE;
	rlim_t wanted = each > fleet->hosts + FILES_SPARE ? each : fleet->hosts + FILES_SPARE;
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		fleet_die("how many files may be open is not known: %s", strerror(errno));
	if (limit.rlim_max < wanted)
		fleet_die("a process of %u hosts, or their server, opens up to %lu files, and may open %lu; "
			  "expected a higher limit (ulimit -n), or more --processes",
			  fleet->hosts / fleet->processes + 1, (unsigned long)wanted,
			  (unsigned long)limit.rlim_max);
	if (limit.rlim_cur >= wanted)
		return;
	limit.rlim_cur = wanted;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		fleet_die("%lu files cannot be open: %s", (unsigned long)wanted, strerror(errno));
}

static void *hosts_share(size_t count, size_t bytes)
{
	void *memory = mmap(NULL, count * bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		fleet_die("cannot share %zu bytes: %s", count * bytes, strerror(errno));
	return memory;
}

static size_t sight_count(const struct fleet *fleet)
{
	return (size_t)fleet->hosts * fleet->znodes;
}

static void hosts_fork(struct hosts *hosts)
{
	const struct fleet *fleet = hosts->fleet;
	pid_t parent = getpid();

	fflush(stdout);
	for (unsigned i = 0; i < fleet->processes; i++) {
		unsigned from = (unsigned)((uint64_t)fleet->hosts * i / fleet->processes);
		unsigned to = (unsigned)((uint64_t)fleet->hosts * (i + 1) / fleet->processes);

		hosts->pids[i] = fork();
		if (hosts->pids[i] < 0)
			fleet_die("cannot fork: %s", strerror(errno));
		if (hosts->pids[i] > 0)
			continue;
		fleet_die_with(parent);
		hosts_run(hosts, from, to - from);
	}
}

struct hosts *hosts_begin(const struct fleet *fleet, const char *server, const char *splay)
{
	struct hosts *hosts = fleet_alloc(1, sizeof(*hosts));

	hosts_check_limit(fleet);
	hosts->fleet = fleet;
	snprintf(hosts->server, sizeof(hosts->server), "%s", server);
	snprintf(hosts->splay, sizeof(hosts->splay), "%s", splay);
	hosts->hosts = hosts_share(fleet->hosts, sizeof(*hosts->hosts));
	hosts->sights = hosts_share(sight_count(fleet), sizeof(*hosts->sights));
	hosts->pids = fleet_alloc(fleet->processes, sizeof(*hosts->pids));
	if (pipe(hosts->go) < 0)
		fleet_die("no pipe: %s", strerror(errno));
	hosts_fork(hosts);
	close(hosts->go[0]);
	return hosts;
}

void hosts_go(struct hosts *hosts)
{
	close(hosts->go[1]);
}

void hosts_end(struct hosts *hosts)
{
	for (unsigned i = 0; i < hosts->fleet->processes; i++)
		kill(hosts->pids[i], SIGKILL);
	for (unsigned i = 0; i < hosts->fleet->processes; i++)
		waitpid(hosts->pids[i], NULL, 0);
	munmap(hosts->sights, sight_count(hosts->fleet) * sizeof(*hosts->sights));
	munmap(hosts->hosts, hosts->fleet->hosts * sizeof(*hosts->hosts));
	free(hosts->pids);
	free(hosts);
}

int64_t hosts_cpu_ns(const struct hosts *hosts)
{
	int64_t sum_ns = 0;

	for (unsigned i = 0; i < hosts->fleet->processes; i++)
		sum_ns += fleet_cpu_ns(hosts->pids[i]);
	return sum_ns;
}

void hosts_count_mishaps(const struct hosts *hosts, struct hosts_mishaps *mishaps)
{
	*mishaps = (struct hosts_mishaps){ 0 };
	for (unsigned i = 0; i < hosts->fleet->hosts; i++) {
		mishaps->away += atomic_load(&hosts->hosts[i].away);
		mishaps->troubles += atomic_load(&hosts->hosts[i].troubles);
		mishaps->repairs += atomic_load(&hosts->hosts[i].repairs);
	}
}

/* --- waiting for them ------------------------------------------------------------------ */

struct wanted {
	unsigned znode, znode_count; /* no znode: that it has synced */
	uint64_t modified;
};

/* Since when a host has it; 0: not yet. */
static int64_t hosts_current_ns(const struct hosts *hosts, unsigned number, const struct wanted *wanted)
{
	const struct sight *sights = &hosts->sights[(size_t)number * hosts->fleet->znodes + wanted->znode];
	int64_t last_ns = 0;

	if (wanted->znode_count == 0)
		return atomic_load(&hosts->hosts[number].synced_ns);
	for (unsigned i = 0; i < wanted->znode_count; i++) {
		if (atomic_load_explicit(&sights[i].modified, memory_order_acquire) < wanted->modified)
			return 0;
		if (sights[i].at_ns > last_ns)
			last_ns = sights[i].at_ns;
	}
	return last_ns;
}

static unsigned hosts_collect(const struct hosts *hosts, const struct wanted *wanted, int64_t *times_ns)
{
	unsigned count = 0;

	for (unsigned i = 0; i < hosts->fleet->hosts; i++) {
		times_ns[count] = hosts_current_ns(hosts, i, wanted);
		count += times_ns[count] != 0;
	}
	return count;
}

static int compare_times(const void *one, const void *other)
{
	const int64_t *a = one, *b = other;

	return (*a > *b) - (*a < *b);
}

static void spread_take(struct spread *spread, int64_t *times_ns, unsigned count, int64_t since_ns)
{
	*spread = (struct spread){ .count = count };
	if (count == 0)
		return;
	qsort(times_ns, count, sizeof(*times_ns), compare_times);
	spread->first_ms = (double)(times_ns[0] - since_ns) / CLOCK_NS_PER_MS;
	spread->median_ms = (double)(times_ns[(count - 1) / 2] - since_ns) / CLOCK_NS_PER_MS;
	spread->last_ms = (double)(times_ns[count - 1] - since_ns) / CLOCK_NS_PER_MS;
}

static void hosts_await(const struct hosts *hosts, const struct wanted *wanted, int64_t since_ns,
			struct spread *spread)
{
	int64_t deadline_ns = since_ns + hosts->fleet->limit_ms * CLOCK_NS_PER_MS;
	int64_t *times_ns = fleet_alloc(hosts->fleet->hosts + 1, sizeof(*times_ns));
	bool is_late = false;
	unsigned count;

	for (;;) {
		count = hosts_collect(hosts, wanted, times_ns);
		if (count == hosts->fleet->hosts || is_late)
			break;
		for (unsigned i = 0; i < hosts->fleet->processes; i++)
			if (waitpid(hosts->pids[i], NULL, WNOHANG) == hosts->pids[i])
				fleet_die("process %u of the hosts has ended", i + 1);
		usleep(LOOK_US);
		is_late = clock_monotonic_ns() >= deadline_ns;
	}
	spread_take(spread, times_ns, count, since_ns);
	free(times_ns);
}

void hosts_await_synced(const struct hosts *hosts, int64_t since_ns, struct spread *spread)
{
	struct wanted wanted = { 0 };

	hosts_await(hosts, &wanted, since_ns, spread);
}

void hosts_await_change(const struct hosts *hosts, unsigned znode, unsigned znode_count, uint64_t modified,
			int64_t since_ns, struct spread *spread)
{
	struct wanted wanted = { .znode = znode, .znode_count = znode_count, .modified = modified };

	hosts_await(hosts, &wanted, since_ns, spread);
}
