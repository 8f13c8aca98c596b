/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/zk_ensemble.h"

#include <arpa/inet.h>
#include <check.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SESSIONS 16

/* So many free ports, each another one. */
static void free_ports(int *ports, size_t count)
{
	int fds[16];

	ck_assert_uint_le(count, 16);
	for (size_t i = 0; i < count; i++) {
		struct sockaddr_in address = { .sin_family = AF_INET,
					       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
		socklen_t bytes = sizeof(address);

		fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		ck_assert_int_eq(bind(fds[i], (struct sockaddr *)&address, bytes), 0);
		ck_assert_int_eq(getsockname(fds[i], (struct sockaddr *)&address, &bytes), 0);
		ports[i] = ntohs(address.sin_port);
	}
	for (size_t i = 0; i < count; i++)
		close(fds[i]);
}

void zk_ensemble_begin(struct zk_ensemble *ensemble)
{
	struct zk_server_options options = { 0 };
	int ports[2 * ZK_ENSEMBLE_MEMBERS];
	char servers[256] = "";

	*ensemble = (struct zk_ensemble){ 0 };
	free_ports(ports, 2 * ZK_ENSEMBLE_MEMBERS);
	for (int i = 0; i < ZK_ENSEMBLE_MEMBERS; i++)
		snprintf(servers + strlen(servers), sizeof(servers) - strlen(servers),
			 "server.%d=127.0.0.1:%d:%d\n", i + 1, ports[2 * i], ports[2 * i + 1]);
	options.servers = servers;
	for (int i = 0; i < ZK_ENSEMBLE_MEMBERS; i++) {
		options.number = i + 1;
		ensemble->members[i] = zk_server_new(&options);
		snprintf(ensemble->hosts + strlen(ensemble->hosts),
			 sizeof(ensemble->hosts) - strlen(ensemble->hosts), "%s%s", i > 0 ? "," : "",
			 zk_server_hosts(ensemble->members[i]));
		zk_server_begin(ensemble->members[i]);
	}
	for (int i = 0; i < ZK_ENSEMBLE_MEMBERS; i++)
		zk_server_await(ensemble->members[i]);
}

void zk_ensemble_end(struct zk_ensemble *ensemble)
{
	for (int i = 0; i < ZK_ENSEMBLE_MEMBERS; i++)
		zk_server_free(ensemble->members[i]);
}

void zk_ensemble_start(struct zk_ensemble *ensemble, int member)
{
	zk_server_begin(ensemble->members[member]);
	zk_server_await(ensemble->members[member]);
}

int zk_ensemble_leader(const struct zk_ensemble *ensemble)
{
	for (int i = 0; i < ZK_ENSEMBLE_MEMBERS; i++) {
		char *answer = zk_server_ask(ensemble->members[i], "srvr");
		bool leads = answer && strstr(answer, "Mode: leader");

		free(answer);
		if (leads)
			return i;
	}
	return -1;
}

int zk_ensemble_server_of(const struct zk_ensemble *ensemble, int64_t session)
{
	int64_t sessions[SESSIONS];

	for (int i = 0; i < ZK_ENSEMBLE_MEMBERS; i++) {
		size_t count = zk_server_sessions(ensemble->members[i], sessions, SESSIONS);

		for (size_t j = 0; j < count && j < SESSIONS; j++)
			if (sessions[j] == session)
				return i;
	}
	return -1;
}
