/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sockets to listen on: how they are made, and who may find them.
 *
 * The Unix socket gets its mode before anybody can connect to it, whatever the
 * umask is, and takes the place of a dead daemon's in one step; a living
 * daemon's is left alone. TCP is for addresses of this host only.
 */
#ifndef ZKCFG_ADMIN_LISTEN_H
#define ZKCFG_ADMIN_LISTEN_H

#include <netinet/in.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "base/message.h"

struct listen_path {
	char *path;
	dev_t device; /* of what we made there */
	ino_t inode;
};

/*
 * Directories that are missing are made, the last one with mode 0750 and the
 * group. A listening descriptor, or a negative errno with message: -EADDRINUSE
 * when a living daemon has it, -EPERM when others may write the directory,
 * -EEXIST when what is there is no socket.
 */
int listen_unix(const char *path, mode_t mode, gid_t group, struct listen_path *made,
		struct message *message);
/* Remove the name, if it still is what we made. */
void listen_remove(struct listen_path *made);

#define LISTEN_HOST_BYTES (INET6_ADDRSTRLEN + 16)
/*
 * address: "127.0.0.1:9797" or "[::1]:9797"; port 0: any that is free. host: out,
 * the same with the port that it is. A listening descriptor, or a negative
 * errno with message: -EINVAL when it is no address of the loopback.
 */
int listen_tcp(const char *address, char host[LISTEN_HOST_BYTES], struct message *message);

#endif
