/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From ZooKeeper to a reader's variable. The peer is a bare client that only
 * watches, gets and watches again; where there is none, it is the limit that is
 * wanted.
 */
#define THREADED /* for the writer's synchronous calls */

#include <dirent.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <zookeeper/zookeeper.h>

#include "bench/bench.h"
#include "bench/propagate.h"
#include "bench/zk_place.h"

#define MANY 10000u
#define CHANGES 100u /* of a znode, in a round */
#define IDLE_S 10u
#define PEER_PATH "/peer"
#define PEER_WINDOW 500
static struct zk_place *place_of(struct bench *bench, unsigned znodes)
{
	struct zk_place *place = bench_have(bench, &zk_place_kind, bench_count(bench, znodes));

	bench_unpin(bench);
	return place;
}

/* --- who waits without us -------------------------------------------------------- */

struct bare {
	zhandle_t *zh;
	const char *path;
	int fd;
};

static void bare_got(int code, const char *value, int length, const struct Stat *stat, const void *data)
{
	const struct bare *bare = data;

	(void)stat;
	if (code == ZOK && length > 0)
		propagate_tell(bare->fd, propagate_number(value, (size_t)length));
}

static void bare_watched(zhandle_t *zh, int type, int state, const char *path, void *context)
{
	struct bare *bare = context;

	(void)zh, (void)path;
	if (type == ZOO_CHANGED_EVENT || (type == ZOO_SESSION_EVENT && state == ZOO_CONNECTED_STATE))
		zoo_awget(bare->zh, bare->path, bare_watched, bare, bare_got, bare);
}

static void no_log(const char *text)
{
	(void)text;
}

void watch_zookeeper(const char *hosts, const char *path, int fd)
{
	struct bare bare = { .path = path, .fd = fd };

	zoo_set_debug_level(ZOO_LOG_LEVEL_ERROR);
	bare.zh = zookeeper_init2(hosts, NULL, 30000, NULL, NULL, 0, no_log);
	while (zoo_state(bare.zh) != ZOO_CONNECTED_STATE)
		usleep(1000);
	zoo_awget(bare.zh, path, bare_watched, &bare, bare_got, &bare);
	for (;;)
		pause();
}

/* --- propagate: a value is set until it is seen ------------------------------------- */

struct change {
	struct zk_place *place;
	const char *path;
};

static int64_t change_send(void *user, int64_t number)
{
	const struct change *change = user;
	int64_t began_ns = bench_now_ns();

	zk_place_send(change->place, change->path, number);
	return began_ns;
}

static double propagate(const struct bench *bench, struct zk_place *place, const char *kind, const char *where,
			const char *path, unsigned percentile)
{
	struct change change = { .place = place, .path = path };
	struct propagation propagation = { .kind = kind,
					   .where = where,
					   .path = path,
					   .change = change_send,
					   .user = &change,
					   .count = CHANGES };

	zk_place_write(place, path, propagate_next_number()); /* it is there */
	return propagate_us(bench, &propagation, percentile);
}

static double propagate_ours(struct bench *bench, unsigned znodes, unsigned percentile)
{
	struct zk_place *place = place_of(bench, znodes);
	char path[ZK_PLACE_PATH_BYTES];

	zk_place_follow(place);
	zk_place_path(place->znodes / 2, path);
	return propagate(bench, place, PROPAGATE_OURS, place->shm_dir, path, percentile);
}

static double propagate_bare(struct bench *bench, unsigned znodes, unsigned percentile)
{
	struct zk_place *place = place_of(bench, znodes);

	return propagate(bench, place, PROPAGATE_ZOOKEEPER, place->hosts, PEER_PATH, percentile);
}

static double propagate_p50_ours(struct bench *bench)
{
	return propagate_ours(bench, 1, 50);
}

static double propagate_p50_peer(struct bench *bench)
{
	return propagate_bare(bench, 1, 50);
}

static double propagate_p99_ours(struct bench *bench)
{
	return propagate_ours(bench, 1, 99);
}

static double propagate_p99_peer(struct bench *bench)
{
	return propagate_bare(bench, 1, 99);
}

static double propagate_tree_p50_ours(struct bench *bench)
{
	return propagate_ours(bench, MANY, 50);
}

static double propagate_tree_p50_peer(struct bench *bench)
{
	return propagate_bare(bench, MANY, 50);
}

static double propagate_tree_p99_ours(struct bench *bench)
{
	return propagate_ours(bench, MANY, 99);
}

static double propagate_tree_p99_peer(struct bench *bench)
{
	return propagate_bare(bench, MANY, 99);
}

/* --- all of it ------------------------------------------------------------------------ */

/* From nothing: a process, a session, all znodes, all readable. */
static double initial_sync_ours(struct bench *bench)
{
	struct zk_place *place = place_of(bench, MANY);
	int64_t began_ns = bench_now_ns();

	zk_place_start(place, true);
	zk_place_await_all(place, 0);
	return (double)(bench_now_ns() - began_ns) / 1000;
}

/* All have changed while it was dead. */
static double restart_ours(struct bench *bench)
{
	struct zk_place *place = place_of(bench, MANY);
	int64_t began_ns, number = propagate_next_number();

	zk_place_follow(place);
	zk_place_kill(place);
	zk_place_write_all(place, number);
	began_ns = bench_now_ns();
	zk_place_start(place, false);
	zk_place_await_all(place, number);
	return (double)(bench_now_ns() - began_ns) / 1000;
}

/*
 * It is stopped until its session has expired, of all znodes one has changed;
 * seen is that when all of them have been looked at, as a commit is not cut by then.
 */
static double resync_ours(struct bench *bench)
{
	struct zk_place *place = place_of(bench, MANY);
	char path[ZK_PLACE_PATH_BYTES];
	int64_t began_ns, seen_ns, number = propagate_next_number();
	unsigned replaced;
	struct watcher watcher;

	zk_place_follow(place);
	replaced = zk_place_count_replaced(place);
	zk_place_path(place->znodes / 2, path);
	watcher_begin(&watcher, PROPAGATE_OURS, place->shm_dir, path);
	kill(place->daemon, SIGSTOP);
	usleep((useconds_t)place->session_timeout_ms * 1500 + 1000000);
	zk_place_write(place, path, number);
	began_ns = bench_now_ns();
	kill(place->daemon, SIGCONT);
	seen_ns = watcher_await(&watcher, number);
	watcher_end(&watcher);
	if (zk_place_count_replaced(place) == replaced)
		bench_die("zkcfgd has no new session");
	return (double)(seen_ns - began_ns) / 1000;
}

static atomic_uint under_way;

static void bare_data(int code, const char *value, int length, const struct Stat *stat, const void *data)
{
	(void)value, (void)length, (void)stat, (void)data;
	if (code != ZOK)
		bench_die("the bare client: %s", zerror(code));
	atomic_fetch_sub(&under_way, 1);
}

static void bare_children(int code, const struct String_vector *names, const struct Stat *stat, const void *data)
{
	(void)names, (void)stat, (void)data;
	if (code != ZOK)
		bench_die("the bare client: %s", zerror(code));
	atomic_fetch_sub(&under_way, 1);
}

static void bare_nothing(zhandle_t *zh, int type, int state, const char *path, void *context)
{
	(void)zh, (void)type, (void)state, (void)path, (void)context;
}

/* Data and children of each, with watches, so many at a time. */
static double sync_bare(struct bench *bench)
{
	struct zk_place *place = place_of(bench, MANY);
	int64_t began_ns = bench_now_ns(), took_ns;
	char path[ZK_PLACE_PATH_BYTES];
	zhandle_t *zh = zookeeper_init2(place->hosts, NULL, 30000, NULL, NULL, 0, no_log);

	while (zoo_state(zh) != ZOO_CONNECTED_STATE)
		usleep(100);
	for (unsigned i = 0; i < place->znodes; i++) {
		zk_place_path(i, path);
		while (atomic_load(&under_way) >= PEER_WINDOW)
			usleep(50);
		atomic_fetch_add(&under_way, 2);
		zoo_awget(zh, path, bare_nothing, NULL, bare_data, NULL);
		zoo_awget_children2(zh, path, bare_nothing, NULL, bare_children, NULL);
	}
	while (atomic_load(&under_way) > 0)
		usleep(50);
	took_ns = bench_now_ns() - began_ns;
	zookeeper_close(zh);
	return (double)took_ns / 1000;
}

/* --- back: the server was killed, and takes sessions again; a value is set --------------- */

static double back_ours(struct bench *bench)
{
	struct zk_place *place = place_of(bench, 1);
	char path[ZK_PLACE_PATH_BYTES];
	int64_t began_ns, seen_ns, number = propagate_next_number();
	struct watcher watcher;

	zk_place_follow(place);
	zk_place_path(0, path);
	watcher_begin(&watcher, PROPAGATE_OURS, place->shm_dir, path);
	zk_place_stop_server(place);
	usleep(bench->is_quick ? 10000 : 3000000);
	zk_place_start_server(place);
	zk_place_connect(place);
	began_ns = bench_now_ns();
	zk_place_write(place, path, number);
	seen_ns = watcher_await(&watcher, number);
	watcher_end(&watcher);
	return (double)(seen_ns - began_ns) / 1000;
}

static double one_second(struct bench *bench)
{
	(void)bench;
	return 1e6;
}

/* --- what it takes ------------------------------------------------------------------------ */

/* Of all threads, as the scheduler counts it. */
static double cpu_ns(pid_t pid)
{
	char directory[64], path[512], line[128];
	const struct dirent *entry;
	double sum = 0;
	FILE *file;
	DIR *tasks;

	snprintf(directory, sizeof(directory), "/proc/%d/task", (int)pid);
	tasks = opendir(directory);
	while (tasks && (entry = readdir(tasks))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s/schedstat", directory, entry->d_name);
		file = fopen(path, "r");
		if (!file || !fgets(line, sizeof(line), file))
			bench_die("%s cannot be read", path);
		sum += strtod(line, NULL);
		fclose(file);
	}
	if (!tasks || closedir(tasks) < 0)
		bench_die("%s cannot be read", directory);
	return sum;
}

/* CPU time of the daemon in a second in which nothing happens. */
static double idle_ours(struct bench *bench)
{
	struct zk_place *place = place_of(bench, MANY);
	unsigned seconds = bench->is_quick ? 1 : IDLE_S;
	double before;

	zk_place_follow(place);
	before = cpu_ns(place->daemon);
	sleep(seconds);
	return (cpu_ns(place->daemon) - before) / seconds;
}

static double a_thousandth_of_a_core(struct bench *bench)
{
	(void)bench;
	return 1e6;
}

/* RssAnon: what is neither the segment nor a file. */
static double daemon_memory_ours(struct bench *bench)
{
	struct zk_place *place = place_of(bench, MANY);
	char path[64], line[256];
	double kilobytes = 0;
	FILE *file;

	zk_place_start(place, true);
	zk_place_await_all(place, 0);
	snprintf(path, sizeof(path), "/proc/%d/status", (int)place->daemon);
	file = fopen(path, "r");
	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "RssAnon: %lf kB", &kilobytes) == 1)
			break;
	if (!file || kilobytes <= 0)
		bench_die("%s says nothing of RssAnon", path);
	fclose(file);
	return kilobytes * 1024;
}

static double twenty_five_megabytes(struct bench *bench)
{
	(void)bench;
	return 25e6;
}

const struct figure figures_zookeeper[] = {
	{ "propagate_p50", "us", "a bare client's get and watch", 1.15, propagate_p50_ours, propagate_p50_peer },
	{ "propagate_p99", "us", "a bare client's get and watch", 1.15, propagate_p99_ours, propagate_p99_peer },
	{ "propagate_tree_p50", "us", "a bare client's get and watch, of one", 1.2, propagate_tree_p50_ours,
	  propagate_tree_p50_peer },
	{ "propagate_tree_p99", "us", "a bare client's get and watch, of one", 1.2, propagate_tree_p99_ours,
	  propagate_tree_p99_peer },
	{ "initial_sync", "us", "a bare client, pipelined", 1.3, initial_sync_ours, sync_bare },
	{ "resync", "us", "our initial_sync", 1, resync_ours, initial_sync_ours },
	{ "restart", "us", "a bare client, pipelined", 1.3, restart_ours, sync_bare },
	{ "back", "us", "the limit: a second", 1, back_ours, one_second },
	{ "idle", "ns", "the limit: 0.1 % of a core", 1, idle_ours, a_thousandth_of_a_core },
	{ "daemon_memory", "bytes", "the limit: 25 MB", 1, daemon_memory_ours, twenty_five_megabytes },
	{ .name = NULL }
};
