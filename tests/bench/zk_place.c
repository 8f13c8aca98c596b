/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#define THREADED /* for the writer's synchronous calls */

#include "bench/zk_place.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <zkcfg/zkcfg.h>
#include <zookeeper/zookeeper.h>

#include "bench/process.h"
#include "bench/propagate.h"

#define WINDOW 500 /* writes under way */
/* A server that starts may take a connection and not answer: it is left after two thirds of this. */
#define SESSION_MS 3000

static struct sockaddr_in loopback(int port)
{
	return (struct sockaddr_in){ .sin_family = AF_INET,
				     .sin_port = htons((uint16_t)port),
				     .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

static int free_port(void)
{
	struct sockaddr_in address = loopback(0);
	socklen_t bytes = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&address, bytes) < 0 ||
	    getsockname(fd, (struct sockaddr *)&address, &bytes) < 0)
		bench_die("no free port: %s", strerror(errno));
	close(fd);
	return ntohs(address.sin_port);
}

static bool takes_connections(int port)
{
	struct sockaddr_in address = loopback(port);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool takes = connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0;

	close(fd);
	return takes;
}

void zk_place_start_server(struct zk_place *place)
{
	char directory[BENCH_PATH_BYTES + 8], port[16];
	char *const arguments[] = { (char *)(uintptr_t)BENCH_TOP "/tests/support/zk-server",
				    (char *)(uintptr_t)"run", directory, port, NULL };
	int64_t began_ns = bench_now_ns();

	snprintf(directory, sizeof(directory), "%s/zk", place->directory);
	snprintf(port, sizeof(port), "%d", place->port);
	place->server = process_spawn(place->directory, "server.log", arguments);
	while (!takes_connections(place->port)) {
		if (waitpid(place->server, NULL, WNOHANG) == place->server)
			bench_die("no ZooKeeper server can be started: Debian packages zookeeper, libslf4j-java");
		process_patience(began_ns, "a ZooKeeper server");
	}
}

void zk_place_stop_server(struct zk_place *place)
{
	process_end(&place->server);
}

/* --- writing -------------------------------------------------------------------- */

static void no_log(const char *text)
{
	(void)text;
}

void zk_place_connect(struct zk_place *place)
{
	int64_t began_ns = bench_now_ns();

	if (place->writer)
		zookeeper_close(place->writer);
	zoo_set_debug_level(ZOO_LOG_LEVEL_ERROR);
	place->writer = zookeeper_init2(place->hosts, NULL, SESSION_MS, NULL, NULL, 0, no_log);
	while (!place->writer || zoo_state(place->writer) != ZOO_CONNECTED_STATE)
		process_patience(began_ns, "a connection to ZooKeeper");
}

void zk_place_path(unsigned znode, char path[ZK_PLACE_PATH_BYTES])
{
	snprintf(path, ZK_PLACE_PATH_BYTES, ZK_PLACE_SET "/%05u.xml", znode);
}

static void ignore_stat(int code, const struct Stat *stat, const void *data)
{
	(void)code, (void)stat, (void)data;
}

static void ignore_string(int code, const char *value, const void *data)
{
	(void)code, (void)value, (void)data;
}

static void check(int code, const char *path)
{
	if (code != ZOK && code != ZNODEEXISTS)
		bench_die("%s: %s", path, zerror(code));
}

void zk_place_send(struct zk_place *place, const char *path, int64_t number)
{
	char text[PROPAGATE_DOCUMENT_BYTES];

	propagate_compose(text, number);
	check(zoo_aset(place->writer, path, text, PROPAGATE_DOCUMENT_BYTES, -1, ignore_stat, NULL), path);
}

void zk_place_write(struct zk_place *place, const char *path, int64_t number)
{
	char text[PROPAGATE_DOCUMENT_BYTES];
	int code;

	propagate_compose(text, number);
	code = zoo_set(place->writer, path, text, PROPAGATE_DOCUMENT_BYTES, -1);
	if (code == ZNONODE)
		code = zoo_create(place->writer, path, text, PROPAGATE_DOCUMENT_BYTES, &ZOO_OPEN_ACL_UNSAFE, 0, NULL, 0);
	check(code, path);
}

void zk_place_write_all(struct zk_place *place, int64_t number)
{
	char path[ZK_PLACE_PATH_BYTES], text[PROPAGATE_DOCUMENT_BYTES];

	propagate_compose(text, number);
	for (unsigned i = 0; i < place->znodes; i++) {
		zk_place_path(i, path);
		if (number == 0)
			check(zoo_acreate(place->writer, path, text, PROPAGATE_DOCUMENT_BYTES, &ZOO_OPEN_ACL_UNSAFE, 0,
					  ignore_string, NULL),
			      path);
		else
			zk_place_send(place, path, number);
		if (i % WINDOW == WINDOW - 1 || i == place->znodes - 1)
			check(zoo_exists(place->writer, path, 0, NULL), path);
	}
}

/* --- the daemon ------------------------------------------------------------------ */

void zk_place_start(struct zk_place *place, bool anew)
{
	char uri[160], state_dir[BENCH_PATH_BYTES + 32];

	zk_place_kill(place);
	place->starts += anew;
	snprintf(uri, sizeof(uri), "zk://%s" ZK_PLACE_SET "?session_timeout_ms=%u", place->hosts,
		 place->session_timeout_ms);
	snprintf(place->shm_dir, sizeof(place->shm_dir), "%s/shm-%u", place->directory, place->starts);
	snprintf(state_dir, sizeof(state_dir), "%s/state-%u", place->directory, place->starts);
	place->daemon = process_spawn_daemon(place->directory, uri, place->shm_dir, state_dir);
}

void zk_place_kill(struct zk_place *place)
{
	process_end(&place->daemon);
}

static bool has_all(const struct zkcfg_snapshot *snapshot, unsigned count, int64_t number)
{
	const struct zkcfg_document *document;
	struct zkcfg_iterator iterator;
	int64_t value;

	if (zkcfg_snapshot_document_count(snapshot) < count)
		return false;
	zkcfg_iterator_init(&iterator, snapshot);
	while (zkcfg_iterator_next(&iterator, &document) == 0)
		if (zkcfg_document_int64(document, "/d/@n", &value) < 0 || value < number)
			return false;
	return true;
}

void zk_place_await_all(struct zk_place *place, int64_t number)
{
	int64_t began_ns = bench_now_ns();
	struct zkcfg_snapshot *snapshot;
	struct zkcfg *cfg = NULL;
	bool done = false;
	uint64_t seen;

	while (zkcfg_open("app", place->shm_dir, &cfg) < 0)
		process_patience(began_ns, "the daemon's set");
	while (!done) {
		seen = zkcfg_seq(cfg);
		if (zkcfg_pin(cfg, &snapshot) == 0) {
			done = has_all(snapshot, place->znodes, number);
			zkcfg_unpin(snapshot);
		}
		if (!done)
			zkcfg_wait(cfg, seen, 1000, NULL);
		if (!done)
			process_patience(began_ns, "all documents");
	}
	zkcfg_close(cfg);
}

void zk_place_follow(struct zk_place *place)
{
	if (place->daemon != 0)
		return;
	zk_place_start(place, true);
	zk_place_await_all(place, 0);
}

unsigned zk_place_count_replaced(const struct zk_place *place)
{
	char path[BENCH_PATH_BYTES + 32], line[1024];
	unsigned count = 0;
	FILE *file;

	snprintf(path, sizeof(path), "%s/daemon.log", place->directory);
	file = fopen(path, "r");
	if (!file)
		bench_die("%s: %s", path, strerror(errno));
	while (fgets(line, sizeof(line), file))
		count += strstr(line, "a new ZooKeeper session is begun") != NULL;
	fclose(file);
	return count;
}

/* --- the whole --------------------------------------------------------------------- */

static void *zk_place_make(struct bench *bench, unsigned znodes)
{
	struct zk_place *place = bench_alloc(1, sizeof(*place));

	bench_unpin(bench);
	place->znodes = znodes;
	place->session_timeout_ms = bench->is_quick ? 1000 : 10000;
	snprintf(place->directory, sizeof(place->directory), "%s/place-%u", bench->directory, znodes);
	if (mkdir(place->directory, 0700) < 0)
		bench_die("%s: %s", place->directory, strerror(errno));
	place->port = free_port();
	snprintf(place->hosts, sizeof(place->hosts), "127.0.0.1:%d", place->port);
	zk_place_start_server(place);
	zk_place_connect(place);
	check(zoo_create(place->writer, ZK_PLACE_SET, NULL, -1, &ZOO_OPEN_ACL_UNSAFE, 0, NULL, 0),
	      ZK_PLACE_SET);
	zk_place_write_all(place, 0);
	return place;
}

static void zk_place_end(void *thing)
{
	struct zk_place *place = thing;

	zk_place_kill(place);
	zookeeper_close(place->writer);
	zk_place_stop_server(place);
	free(place);
}

const struct bench_kind zk_place_kind = { zk_place_make, zk_place_end };
