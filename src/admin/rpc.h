/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON-RPC 2.0: calls, batches of them and notifications, each answered once all
 * of a batch are done. Methods, parameters and codes are in zkcfg-http(7).
 */
#ifndef ZKCFG_ADMIN_RPC_H
#define ZKCFG_ADMIN_RPC_H

#include <stdint.h>

struct admin;
struct exchange;
struct rpc_waiters;

/* Codes of JSON-RPC, and ours. */
enum rpc_code {
	RPC_NOT_JSON = -32700,
	RPC_INVALID_REQUEST = -32600,
	RPC_NO_METHOD = -32601,
	RPC_INVALID_PARAMS = -32602,
	RPC_INTERNAL = -32603,
	RPC_NOT_FOUND = -32000, /* a set, document, path or hook */
	RPC_FORBIDDEN = -32001,
	RPC_TIMED_OUT = -32002,
	RPC_FAILED = -32003, /* it was tried; message says why not */
	RPC_ENDING = -32004  /* zkcfgd ends */
};

/* Calls in one batch. */
#define RPC_BATCH_MOST 100

void rpc_handle(struct admin *admin, struct exchange *exchange);

/* NULL: out of memory. */
struct rpc_waiters *rpc_waiters_new(struct admin *admin);
/* Everybody is told RPC_ENDING. NULL is allowed. */
void rpc_waiters_free(struct rpc_waiters *waiters);
void rpc_committed(struct rpc_waiters *waiters, const char *set, uint64_t seq);

#endif
