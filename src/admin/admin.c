/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/admin.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "admin/parts.h"

#define ADMIN_MODE 0660

void admin_answer(struct exchange *exchange, int status, json_t *body)
{
	char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;

	json_decref(body);
	if (text)
		exchange_answer(
			exchange,
			&(struct answer){ .status = status, .body = text, .body_bytes = strlen(text) });
	else
		exchange_refuse(exchange, 503, NULL, "out of memory");
	free(text);
}

bool admin_may(const struct admin *admin, struct exchange *exchange, enum access_verb verb)
{
	struct message why;
	int status =
		access_may(&admin->access, exchange_peer(exchange), exchange_request(exchange), verb, &why);

	if (status == 0)
		return true;
	exchange_refuse(exchange, status, NULL, why.text);
	return false;
}

/* Sockets come last: nobody is let in before all is ready. */
static int admin_listen(struct admin *admin, const struct admin_parts *parts, struct message *message)
{
	int fd;

	if (parts->tcp) {
		fd = listen_tcp(parts->tcp, admin->tcp, message);
		if (fd < 0)
			return fd;
		admin->access.hosts[0] = admin->tcp;
		if (server_listen(admin->server, fd, true) < 0)
			return -ENOMEM;
	}
	fd = listen_unix(parts->path, parts->mode ? parts->mode : ADMIN_MODE, parts->group, &admin->socket,
			 message);
	return fd < 0 ? fd : server_listen(admin->server, fd, false);
}

static int admin_prepare(struct admin *admin, const struct admin_parts *parts)
{
	struct server_parts server = { .loop = parts->loop,
				       .limits = parts->limits ? parts->limits : &server_limits_usual,
				       .handle = routes_handle,
				       .user = admin };

	if (parts->group_count > 0) {
		admin->groups = malloc(parts->group_count * sizeof(gid_t));
		if (!admin->groups)
			return -ENOMEM;
		memcpy(admin->groups, parts->groups, parts->group_count * sizeof(gid_t));
	}
	admin->access = (struct access){ .groups = admin->groups,
					 .group_count = parts->group_count,
					 .allow_reload = parts->allow_reload };
	admin->events = events_new(admin);
	admin->waiters = rpc_waiters_new(admin);
	admin->server = server_new(&server);
	return admin->events && admin->waiters && admin->server ? 0 : -ENOMEM;
}

int admin_open(const struct admin_parts *parts, struct admin **admin, struct message *message)
{
	struct admin *opened = calloc(1, sizeof(*opened));
	int err;

	message_set(message, "out of memory");
	if (!opened)
		return -ENOMEM;
	opened->loop = parts->loop;
	opened->ops = parts->ops;
	opened->user = parts->user;
	err = admin_prepare(opened, parts);
	if (err == 0)
		err = admin_listen(opened, parts, message);
	if (err < 0)
		admin_close(opened);
	else
		*admin = opened;
	return err;
}

void admin_close(struct admin *admin)
{
	if (!admin)
		return;
	listen_remove(&admin->socket);
	rpc_waiters_free(admin->waiters);
	events_free(admin->events);
	server_close(admin->server);
	free(admin->groups);
	free(admin);
}

const char *admin_tcp(const struct admin *admin)
{
	return admin->access.hosts[0];
}

void admin_committed(struct admin *admin, const struct admin_commit *commit)
{
	events_committed(admin->events, commit);
	rpc_committed(admin->waiters, commit->set, commit->seq);
}
