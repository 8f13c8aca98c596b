/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Three ZooKeeper servers that are an ensemble. A member is a zk_server: stop,
 * kill, pause and start it as one. Here is what they have in common.
 */
#ifndef ZKCFG_TESTS_SUPPORT_ZK_ENSEMBLE_H
#define ZKCFG_TESTS_SUPPORT_ZK_ENSEMBLE_H

#include "support/zk_server.h"

#define ZK_ENSEMBLE_MEMBERS 3

struct zk_ensemble {
	struct zk_server *members[ZK_ENSEMBLE_MEMBERS];
	char hosts[128]; /* of all of them, as a URI has it */
};

/* Start them; returns when all serve. Ends with zk_ensemble_end(). */
void zk_ensemble_begin(struct zk_ensemble *ensemble);
void zk_ensemble_end(struct zk_ensemble *ensemble);

/* Start one that does not run; it needs the others. */
void zk_ensemble_start(struct zk_ensemble *ensemble, int member);
/* The one that leads; -1: none at the moment. */
int zk_ensemble_leader(const struct zk_ensemble *ensemble);
/* The one that a session is connected to; -1: none at the moment. */
int zk_ensemble_server_of(const struct zk_ensemble *ensemble, int64_t session);

#endif
