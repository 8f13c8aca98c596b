/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP/1.1 on libevent's listeners and buffers: connections, their limits, and
 * answers. What is asked for and who may is not known here.
 *
 * A client that is slow, silent, gone or mad costs a connection's memory for a
 * bounded time, and nobody else anything:
 *
 *   what                       limit                   then
 *   first line, head           line_bytes, head_bytes  414, 431
 *   body                       body_bytes              413
 *   a request, from its first  request_ms              408
 *     byte to its last
 *   nothing asked              idle_ms                 408, or closed if it had asked before
 *   an answer that is not read write_ms                closed
 *   connections of a socket    connections             the one that is silent longest goes with 503;
 *                                                      if all are busy, the new one does
 *   streams                    streams                 503
 *   a stream that is not read  stream_bytes            closed, and said in the log
 *
 * evhttp is not used: its 2.1 has no limit for connections nor for the time of a
 * request, answers a head that is too long with 400, and spins when descriptors run out.
 *
 * For one thread, the loop's.
 */
#ifndef ZKCFG_ADMIN_SERVER_H
#define ZKCFG_ADMIN_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "admin/access.h"
#include "admin/request.h"

struct event_base;
struct exchange;
struct server;

struct server_limits {
	struct request_limits request;
	size_t connections; /* each of Unix socket and TCP */
	size_t streams;
	size_t stream_bytes;
	int request_ms, idle_ms, write_ms;
};
extern const struct server_limits server_limits_usual;

struct server_parts {
	struct event_base *loop;
	const struct server_limits *limits; /* copied */
	/* A request is whole. It is answered once, by one of the calls below, now or later. */
	void (*handle)(void *user, struct exchange *exchange);
	void *user;
};

/* NULL: out of memory. */
struct server *server_new(const struct server_parts *parts);
/* Take connections from a listening descriptor, which is the server's from now on. 0 or -ENOMEM. */
int server_listen(struct server *server, int fd, bool is_tcp);
/* Closes all connections; what is not answered yet is told that its client is gone. NULL is allowed. */
void server_close(struct server *server);

struct server_counts {
	size_t connections, streams; /* now */
	uint64_t answers[6];	     /* since the beginning: of status 1xx to 5xx */
	uint64_t refused_count;	     /* connections, for there were too many */
	uint64_t dropped_streams;    /* that were not read */
};
void server_counts(const struct server *server, struct server_counts *counts);

/*
 * A request that waits for its answer. What these give lives as long as it does.
 */
const struct request *exchange_request(const struct exchange *exchange);
const struct peer *exchange_peer(const struct exchange *exchange);
/* Be told when the client goes away before it is answered, or in a stream; an answer is still due then. */
void exchange_on_gone(struct exchange *exchange, void (*gone)(void *user), void *user);

/* An answer. headers: more of them, each ended by CR LF; NULL: none. The exchange ends. */
struct answer {
	int status;
	const char *type; /* NULL: application/json */
	const char *headers;
	const void *body;
	size_t body_bytes;
};
void exchange_answer(struct exchange *exchange, const struct answer *answer);
/* {"error": why}; headers as above. */
void exchange_refuse(struct exchange *exchange, int status, const char *headers, const char *why);

/*
 * Answer without an end. The exchange stays until exchange_end() or until its
 * client is gone, which is told and ends it. false: too many, and it was refused.
 */
bool exchange_stream(struct exchange *exchange, const char *type);
/* Send on. false: the client does not read; the exchange has ended, and gone() was not told. */
bool exchange_send(struct exchange *exchange, const void *bytes, size_t size_bytes);
void exchange_end(struct exchange *exchange);

#endif
