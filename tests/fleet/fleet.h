/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The frame of `make fleet`: so many hosts that follow one set at one real
 * ZooKeeper server, and how long it takes until all of them have a change.
 *
 * A host here is our ZooKeeper source with a session and a splay of its own,
 * as zkcfgd has it, and nothing behind it: no XML, no shared memory. fleet.c
 * reads options and starts a phase for each splay; phase.c makes changes and
 * measures; hosts.c is the hosts, server.c the server, writer.c who changes
 * znodes, report.c the table.
 *
 * What goes wrong ends the phase: fleet_die().
 */
#ifndef ZKCFG_TESTS_FLEET_FLEET_H
#define ZKCFG_TESTS_FLEET_FLEET_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define FLEET_ROOT "/fleet"
#define FLEET_PATH_BYTES 192

struct fleet {
	unsigned hosts, processes, znodes, rounds;
	size_t znode_bytes;
	int64_t limit_ms; /* until all are current, of a start and of each change */
	int64_t idle_ms;  /* so long nothing happens, behind the changes; 0: not */
	const char *query; /* more options of each host's URI, as "mode=pull&interval=1s"; "": none */
	char directory[FLEET_PATH_BYTES / 2];
};

/* End this process with a message and status 1. */
_Noreturn void fleet_die(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* In a process that was just forked: it is killed when its parent ends, however that ends. */
void fleet_die_with(pid_t parent);
/* calloc() that does not fail. */
void *fleet_alloc(size_t count, size_t bytes);
/* What a process and its threads have used until now. */
int64_t fleet_cpu_ns(pid_t pid);

#endif
