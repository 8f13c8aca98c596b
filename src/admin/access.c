/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/access.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef SO_PEERGROUPS
#define SO_PEERGROUPS 59
#endif

bool access_peer(int fd, bool is_tcp, struct peer *peer)
{
	struct ucred who;
	socklen_t who_bytes = sizeof(who), groups_bytes = sizeof(peer->groups);

	*peer = (struct peer){ .is_tcp = is_tcp, .uid = (uid_t)-1 };
	if (is_tcp)
		return true;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &who_bytes) < 0)
		return false;
	peer->pid = who.pid;
	peer->uid = who.uid;
	/* who is in more groups than fit, or runs on an old kernel, is in their own only */
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, peer->groups, &groups_bytes) < 0)
		groups_bytes = 0;
	peer->group_count = groups_bytes / sizeof(gid_t);
	if (peer->group_count == PEER_GROUPS_MOST)
		peer->group_count--;
	peer->groups[peer->group_count++] = who.gid;
	return true;
}

char *access_describe(const struct peer *peer, char text[PEER_TEXT_BYTES])
{
	if (peer->is_tcp)
		snprintf(text, PEER_TEXT_BYTES, "TCP");
	else
		snprintf(text, PEER_TEXT_BYTES, "uid %ld, pid %ld", (long)peer->uid, (long)peer->pid);
	return text;
}

static bool access_is_host(const struct access *access, const char *host)
{
	for (size_t i = 0; i < sizeof(access->hosts) / sizeof(access->hosts[0]) && access->hosts[i]; i++)
		if (strcasecmp(host, access->hosts[i]) == 0)
			return true;
	return false;
}

int access_check(const struct access *access, const struct peer *peer, const struct request *request,
		 struct message *why)
{
	const char *origin = request_header(request, "Origin");

	if (peer->is_tcp && (!request->host || !access_is_host(access, request->host))) {
		message_set(why, "Host is not the address that is listened on: expected %s",
			    access->hosts[0] ? access->hosts[0] : "none");
		return 421;
	}
	if (!origin)
		return 0;
	if (peer->is_tcp && strncmp(origin, "http://", 7) == 0 && access_is_host(access, origin + 7))
		return 0;
	message_set(why, "requests from another origin are not answered");
	return 403;
}

static bool access_is_trusted(const struct access *access, const struct peer *peer)
{
	if (peer->uid == 0 || peer->uid == geteuid())
		return true;
	for (size_t i = 0; i < access->group_count; i++)
		for (size_t k = 0; k < peer->group_count; k++)
			if (access->groups[i] == peer->groups[k])
				return true;
	return false;
}

static int access_may_over_tcp(const struct access *access, const struct request *request,
			       enum access_verb verb, struct message *why)
{
	const char *header = request_header(request, "X-Zkcfg");

	if (verb == ACCESS_SECRET)
		message_set(why, "the set is secret: its values are not given over TCP");
	else if (verb != ACCESS_RELOAD || !access->allow_reload)
		message_set(why, "nothing can be changed over TCP%s: use the Unix socket",
			    access->allow_reload ? " but by a reload" : "");
	else if (!header || strcmp(header, "1") != 0)
		message_set(why, "what changes something must come with the header X-Zkcfg: 1");
	else
		return 0;
	return 403;
}

int access_may(const struct access *access, const struct peer *peer, const struct request *request,
	       enum access_verb verb, struct message *why)
{
	if (verb == ACCESS_READ)
		return 0;
	if (peer->is_tcp)
		return access_may_over_tcp(access, request, verb, why);
	if (access_is_trusted(access, peer))
		return 0;
	message_set(
		why, "%s: uid %ld is neither root, nor who zkcfgd runs as, nor in a group that may change",
		verb == ACCESS_SECRET ? "the set is secret" : "this is not for everybody", (long)peer->uid);
	return 403;
}
