/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* The ZooKeeper server of a phase: tests/support/zk-server, with room for all hosts of this address. */
#ifndef ZKCFG_TESTS_FLEET_SERVER_H
#define ZKCFG_TESTS_FLEET_SERVER_H

#include "fleet/fleet.h"

struct server {
	char directory[FLEET_PATH_BYTES], hosts[32];
	int port;
	pid_t pid;
};

/* By the server's own count, since server_reset(). */
struct server_load {
	uint64_t received, sent;  /* packets; these questions are not among them */
	uint64_t waiting;	  /* the most requests that waited in one of its queues */
	uint64_t latency_most_ms; /* of a request, from its arrival to its reply */
};

/* Returns when it serves, from an empty directory. Ends with server_stop(). */
void server_start(struct server *server, const struct fleet *fleet);
void server_stop(struct server *server);
void server_reset(const struct server *server);
void server_measure(const struct server *server, struct server_load *load);

#endif
