/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two hosts with a wire between them that loses packets when it is told to:
 *
 *   server's host, 10.77.0.1 | -- veth -- | the wire | -- veth -- | client's host, 10.77.0.2
 *
 * Three network namespaces. The process that makes them is on the server's host
 * from then on; what is to be on the client's calls network_enter_client() before
 * it executes. The wire is a thread that copies packets from one veth to the
 * other, or does not. Each host knows the other's hardware address for good, so
 * that nothing but silence tells anybody that the wire is cut, as it is behind a router.
 *
 * Root is not needed where users may make namespaces. Nothing outside of the
 * namespaces is touched, and they go with the processes in them. The functions
 * that are about the wire may be called at any time from one thread.
 */
#ifndef ZKCFG_TESTS_SUPPORT_NETWORK_H
#define ZKCFG_TESTS_SUPPORT_NETWORK_H

#include <stddef.h>
#include <stdint.h>

#define NETWORK_SERVER "10.77.0.1"
#define NETWORK_CLIENT "10.77.0.2"

struct network;

enum network_way { NETWORK_TO_SERVER = 0, NETWORK_TO_CLIENT = 1 };

/*
 * Make it, with a wire that loses nothing. The process must have one thread yet.
 * NULL: that is not allowed or not possible here, and reason says why. Ends with network_free().
 */
struct network *network_new(char *reason, size_t reason_bytes);
/* The wire ends; the process stays where it is. A fault of the wire's own fails the test. NULL is allowed. */
void network_free(struct network *network);

/* The process that calls is on the client's host from then on. -1: see errno. For a child with one thread. */
int network_enter_client(const struct network *network);

/* So many of a hundred packets that go this way are lost from its return on: 0 none, 100 all. */
void network_lose(struct network *network, enum network_way way, unsigned int percent);
/* Which of them is drawn from this number. */
void network_seed(struct network *network, uint64_t seed);

/* Packets that arrived and that were lost on this way, ever. */
uint64_t network_passed(struct network *network, enum network_way way);
uint64_t network_lost(struct network *network, enum network_way way);

#endif
