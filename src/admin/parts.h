/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of this room share: the interface itself, and answers in JSON. Not for other rooms. */
#ifndef ZKCFG_ADMIN_PARTS_H
#define ZKCFG_ADMIN_PARTS_H

#include "admin/access.h"
#include "admin/admin.h"
#include "admin/events.h"
#include "admin/listen.h"
#include "admin/rpc.h"

struct admin {
	struct event_base *loop;
	const struct admin_ops *ops;
	void *user;
	struct access access;
	gid_t *groups;
	struct listen_path socket;
	char tcp[LISTEN_HOST_BYTES];
	struct server *server;
	struct events *events;
	struct rpc_waiters *waiters;
};

/* Answer with JSON; body is taken over, NULL for out of memory. */
void admin_answer(struct exchange *exchange, int status, json_t *body);
/* Whether the client may; if not, it was answered. */
bool admin_may(const struct admin *admin, struct exchange *exchange, enum access_verb verb);

/* A request that is whole, to where its path says. */
void routes_handle(void *user, struct exchange *exchange);

#endif
