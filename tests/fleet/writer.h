/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who makes the znodes of the set and changes them: a client of its own, which
 * brings threads along. So nothing forks behind writer_open().
 */
#ifndef ZKCFG_TESTS_FLEET_WRITER_H
#define ZKCFG_TESTS_FLEET_WRITER_H

#include "fleet/fleet.h"

struct writer;

/* Returns when all znodes are there. Ends with writer_close(). */
struct writer *writer_open(const struct fleet *fleet, const char *hosts);
void writer_close(struct writer *writer);

/* Both return when it is done, with the transaction's number: the mzxid of what it changed. */
uint64_t writer_change(struct writer *writer, unsigned znode);
/* In one transaction. */
uint64_t writer_change_all(struct writer *writer);

/* The znode's number, of its name below the root; fleet_die() if it is none. */
unsigned writer_znode_of(const struct fleet *fleet, const char *name);

#endif
