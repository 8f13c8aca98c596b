/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* A fleet with one splay: a server, a start of all hosts, changes, and a row of the table for each. */
#ifndef ZKCFG_TESTS_FLEET_PHASE_H
#define ZKCFG_TESTS_FLEET_PHASE_H

#include "fleet/fleet.h"

/* 0, or 1 if a host did not have something in time, which was said. In a process of its own: it forks. */
int phase_run(const struct fleet *fleet, const char *splay);

#endif
