/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * zkcfgd as it is built, with set "app" of a real ZooKeeper's /app, in a
 * directory of its own; and a client that writes there. Whatever goes wrong
 * fails the test that runs, with the end of the daemon's log.
 */
#ifndef ZKCFG_TESTS_SUPPORT_DAEMON_HOST_H
#define ZKCFG_TESTS_SUPPORT_DAEMON_HOST_H

#include <stdbool.h>
#include <sys/types.h>

#include <zkcfg/zkcfg.h>

#include "base/clock.h"
#include "support/zk_server.h"

struct network;

struct daemon_host {
	char directory[64], shm_dir[80], set_dir[96], state_dir[80], log[80];
	char uri[2048];		/* of set "app"; may be changed before the daemon is begun; "": elements say */
	const char *attributes; /* more of its <set>, as on-delete="remove"; NULL: none */
	const char *elements;	/* in its <set>, as <debounce max="5ms"/>; NULL: none */
	const struct network *network; /* the daemon is on its client's host; NULL: where the test is */
	struct zk_server *server;
	void *writer;
	pid_t pid; /* 0: none runs */
};

/* A server and a directory, and no daemon yet. Ends with daemon_host_end(). */
void daemon_host_begin(struct daemon_host *host);
/* The same with servers that are the test's, at "host:port,host:port"; host->server is NULL. */
void daemon_host_begin_at(struct daemon_host *host, const char *hosts);
/* The same with a source of the test's own, and no writer. */
void daemon_host_begin_with(struct daemon_host *host, const char *uri);
void daemon_host_end(struct daemon_host *host);

/* Begin one; it need not serve yet. */
void daemon_host_run(struct daemon_host *host);
/* Begin one; returns when it follows the source. */
void daemon_host_start(struct daemon_host *host);
/* By SIGKILL; returns when it has ended. */
void daemon_host_kill(struct daemon_host *host);
/* By SIGTERM; the test fails where that does not end it well. */
void daemon_host_stop(struct daemon_host *host);

/* Make or change /app/<document>. */
void daemon_host_put(struct daemon_host *host, const char *document, const char *text);

/* Whether the daemon that runs follows the source. */
bool daemon_host_follows(struct daemon_host *host);
/* What the daemon says of itself now; "" where it says nothing. */
void daemon_host_detail(struct daemon_host *host, char *detail, size_t detail_bytes);
/* What only its audit found. */
uint64_t daemon_host_repairs(struct daemon_host *host);
/* Milliseconds since the source last vouched for what is published; -1: never. */
int64_t daemon_host_unverified_ms(struct daemon_host *host);
size_t daemon_host_candidate_count(struct daemon_host *host);
uint64_t daemon_host_seq(struct daemon_host *host);
/* Whether readers find this value; "none": that there is none. */
bool daemon_host_serves(const struct daemon_host *host, const char *document, const char *path,
			const char *expected);

/* The end of its log, for messages. */
const char *daemon_host_log_end(const struct daemon_host *host);

/* Evaluate a condition until it holds. */
#define DAEMON_DEADLINE_NS (45 * CLOCK_NS_PER_S)
#define DAEMON_UNTIL(host, condition)                                                                 \
	do {                                                                                          \
		int64_t deadline_ns_ = clock_monotonic_ns() + DAEMON_DEADLINE_NS;                     \
		while (!(condition)) {                                                                \
			ck_assert_msg(clock_monotonic_ns() < deadline_ns_, "never: %s; the log:\n%s", \
				      #condition, daemon_host_log_end(host));                         \
			usleep(2000);                                                                 \
		}                                                                                     \
	} while (0)

#endif
