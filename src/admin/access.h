/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is at the other end, and what they may.
 *
 * On the Unix socket the kernel says who it is, as of their connect(). Reading is
 * for whoever could open the socket; changing for root, for the user this
 * process runs as, and for members of the groups that are named.
 *
 * On TCP nobody is known, and any page in a browser on this host may ask: the
 * request must name us as its host (a name that was made to lead to us does
 * not), must not come from another origin, changes nothing unless that was
 * allowed, and then only with a header that a page cannot send unasked.
 */
#ifndef ZKCFG_ADMIN_ACCESS_H
#define ZKCFG_ADMIN_ACCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "admin/request.h"
#include "base/message.h"

#define PEER_GROUPS_MOST 64

struct peer {
	bool is_tcp;
	pid_t pid; /* of who connected; what follows is of the Unix socket only */
	uid_t uid;
	gid_t groups[PEER_GROUPS_MOST];
	size_t group_count;
};

/* What may be done, from the least on. */
enum access_verb {
	ACCESS_READ,   /* how things are: no values of secret sets */
	ACCESS_SECRET, /* values of secret sets */
	ACCESS_RELOAD, /* of configuration and sources */
	ACCESS_CHANGE  /* all else that changes something */
};

struct access {
	const gid_t *groups; /* whose members may change, too */
	size_t group_count;
	bool allow_reload;    /* over TCP */
	const char *hosts[2]; /* what Host may be over TCP; NULL behind the last */
};

/* Who is connected to this socket. false: the kernel would not say. */
bool access_peer(int fd, bool is_tcp, struct peer *peer);
/* "uid 0, pid 123" or "TCP". */
#define PEER_TEXT_BYTES 64
char *access_describe(const struct peer *peer, char text[PEER_TEXT_BYTES]);

/* Whether a request may be looked at, at all. 0, or 403 or 421 with why. */
int access_check(const struct access *access, const struct peer *peer, const struct request *request,
		 struct message *why);
/* Whether it may do this. 0, or 403 with why. */
int access_may(const struct access *access, const struct peer *peer, const struct request *request,
	       enum access_verb verb, struct message *why);

#endif
