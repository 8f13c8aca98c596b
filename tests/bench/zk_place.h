/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A ZooKeeper server of the bench's own, with so many znodes of 1 kB below /set,
 * zkcfgd as built that follows them, and a process that reads.
 *
 * What goes wrong ends the run. Not here: clocks, and what peers do.
 */
#ifndef ZKCFG_TESTS_BENCH_ZK_PLACE_H
#define ZKCFG_TESTS_BENCH_ZK_PLACE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "bench/bench.h"

#define ZK_PLACE_SET "/set"
#define ZK_PLACE_PATH_BYTES 32

struct zk_place {
	char directory[BENCH_PATH_BYTES], hosts[32];
	int port;
	unsigned znodes, session_timeout_ms;
	pid_t server, daemon;
	void *writer; /* a zhandle_t */
	unsigned starts; /* of daemons: each of the first kind has an empty directory */
	char shm_dir[BENCH_PATH_BYTES + 32];
};

/* With the server and the znodes; size: how many. Its daemon is started by zk_place_follow(). */
extern const struct bench_kind zk_place_kind;

void zk_place_path(unsigned znode, char path[ZK_PLACE_PATH_BYTES]);
/* Write one; returns when it is done, or only when it is on its way. */
void zk_place_write(struct zk_place *place, const char *path, int64_t number);
void zk_place_send(struct zk_place *place, const char *path, int64_t number);
/* Write all of them. */
void zk_place_write_all(struct zk_place *place, int64_t number);

/* Start the daemon: with nothing, or with what the last one had. It need not serve yet. */
void zk_place_start(struct zk_place *place, bool anew);
/* Returns when all documents are there, with this number or a later one. */
void zk_place_await_all(struct zk_place *place, int64_t number);
/* By SIGKILL; nothing if there is none. */
void zk_place_kill(struct zk_place *place);
/* A daemon runs, and serves all. */
void zk_place_follow(struct zk_place *place);
/* How often any daemon of this place gave a session up and began a new one. */
unsigned zk_place_count_replaced(const struct zk_place *place);

/* Stop the server by SIGKILL; start it again, and return as soon as it takes connections. */
void zk_place_stop_server(struct zk_place *place);
void zk_place_start_server(struct zk_place *place);
/* A connection of the writer, a new one. */
void zk_place_connect(struct zk_place *place);

#endif
