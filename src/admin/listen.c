/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/file.h"

#define LISTEN_DIRECTORY_MODE 0750
#define LISTEN_BACKLOG 128

static int listen_fail(struct message *message, const char *path, const char *what)
{
	int err = -errno;

	message_set(message, "control socket %s: %s: %s", path, what, strerror(-err));
	return err;
}

static int listen_address(const char *path, struct sockaddr_un *address, struct message *message)
{
	*address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof(address->sun_path)) {
		message_set(message, "control socket %s: the path is too long: expected at most %zu bytes",
			    path, sizeof(address->sun_path) - 1 - strlen(".new"));
		return -ENAMETOOLONG;
	}
	strcpy(address->sun_path, path);
	return 0;
}

/* The socket's directory: made if it is missing, refused if anybody may write there. */
static int listen_directory(const char *path, gid_t group, struct message *message)
{
	char *directory = strdup(path), *slash;
	struct stat st;
	int err = 0;

	if (!directory)
		return -ENOMEM;
	slash = strrchr(directory, '/');
	if (path[0] != '/' || slash == directory) {
		message_set(message,
			    "control socket %s: expected an absolute path, in a directory of its own", path);
		err = -EINVAL;
		goto free_directory;
	}
	*slash = '\0';
	if (stat(directory, &st) < 0) {
		err = file_make_dirs(directory, 0755); /* those above it are for others, too */
		errno = -err;
		if (err < 0 || chmod(directory, LISTEN_DIRECTORY_MODE) < 0 ||
		    (group != (gid_t)-1 && chown(directory, (uid_t)-1, group) < 0) ||
		    stat(directory, &st) < 0)
			err = listen_fail(message, path, "its directory");
	}
	if (err == 0 && (st.st_mode & S_IWOTH)) {
		message_set(
			message,
			"control socket %s: anybody may write its directory (mode %04o): expected 0750 or less",
			path, (unsigned)st.st_mode & 07777);
		err = -EPERM;
	}
free_directory:
	free(directory);
	return err;
}

/* Whether the place is free: nothing there, or the socket of who died. */
static int listen_is_free(const char *path, const struct sockaddr_un *address, struct message *message)
{
	struct ucred who = { .pid = 0 };
	socklen_t who_bytes = sizeof(who);
	struct stat st;
	int fd, err = 0;

	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0 : listen_fail(message, path, "cannot be looked at");
	if (!S_ISSOCK(st.st_mode)) {
		message_set(message,
			    "control socket %s: something else than a socket is there; it is left alone",
			    path);
		return -EEXIST;
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return listen_fail(message, path, "socket");
	/* EAGAIN: somebody listens who has more to do than they can */
	if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 || errno == EAGAIN) {
		getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &who_bytes);
		message_set(message, "control socket %s: a living daemon listens there, pid %ld", path,
			    (long)who.pid);
		err = -EADDRINUSE;
	} else if (errno != ECONNREFUSED && errno != ENOENT) {
		err = listen_fail(message, path, "cannot be connected to");
	}
	close(fd);
	return err;
}

/* Bound and listening under a name that nobody looks for, then put in place. */
static int listen_bind(const char *path, const struct sockaddr_un *aside, mode_t mode, gid_t group,
		       struct listen_path *made, struct message *message)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), err;
	struct stat st;

	if (fd < 0)
		return listen_fail(message, path, "socket");
	unlink(aside->sun_path);
	if (bind(fd, (const struct sockaddr *)aside, sizeof(*aside)) < 0) {
		err = listen_fail(message, path, "cannot be made");
		goto close_fd;
	}
	if ((group != (gid_t)-1 && chown(aside->sun_path, (uid_t)-1, group) < 0) ||
	    chmod(aside->sun_path, mode) < 0 || listen(fd, LISTEN_BACKLOG) < 0 ||
	    lstat(aside->sun_path, &st) < 0 || rename(aside->sun_path, path) < 0) {
		err = listen_fail(message, path, "cannot be put in place");
		goto remove_aside;
	}
	made->device = st.st_dev;
	made->inode = st.st_ino;
	return fd;
remove_aside:
	unlink(aside->sun_path);
close_fd:
	close(fd);
	return err;
}

int listen_unix(const char *path, mode_t mode, gid_t group, struct listen_path *made, struct message *message)
{
	struct sockaddr_un address, aside;
	struct listen_path listening = { 0 };
	char *aside_path;
	int err;

	if (asprintf(&aside_path, "%s.new", path) < 0)
		return -ENOMEM;
	listening.path = strdup(path);
	err = listening.path ? listen_address(aside_path, &aside, message) : -ENOMEM;
	if (err == 0)
		err = listen_address(path, &address, message);
	if (err == 0)
		err = listen_directory(path, group, message);
	if (err == 0)
		err = listen_is_free(path, &address, message);
	if (err == 0)
		err = listen_bind(path, &aside, mode, group, &listening, message);
	free(aside_path);
	if (err < 0)
		free(listening.path);
	else
		*made = listening;
	return err;
}

void listen_remove(struct listen_path *made)
{
	struct stat st;

	if (!made->path)
		return;
	if (lstat(made->path, &st) == 0 && st.st_dev == made->device && st.st_ino == made->inode)
		unlink(made->path);
	free(made->path);
	*made = (struct listen_path){ 0 };
}

static int listen_refuse(const char *address, struct message *message)
{
	message_set(message,
		    "cannot listen on \"%s\": expected an address of the loopback with a port, "
		    "as 127.0.0.1:9797 or [::1]:9797",
		    address);
	return -EINVAL;
}

/* What "ADDRESS:PORT" says, if it is of the loopback. */
static bool listen_parse(const char *text, struct sockaddr_in *v4, struct sockaddr_in6 *v6)
{
	const char *colon = strrchr(text, ':');
	char host[INET6_ADDRSTRLEN + 2];
	size_t length = colon ? (size_t)(colon - text) : sizeof(host);
	unsigned long port;

	if (length >= sizeof(host) || colon[1] == '\0' ||
	    strspn(colon + 1, "0123456789") != strlen(colon + 1) || strlen(colon + 1) > 5)
		return false;
	port = strtoul(colon + 1, NULL, 10);
	memcpy(host, text, length);
	host[length] = '\0';
	*v4 = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	*v6 = (struct sockaddr_in6){ .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port) };
	if (port > 65535)
		return false;
	if (host[0] == '[' && host[length - 1] == ']') {
		host[length - 1] = '\0';
		v4->sin_family = AF_UNSPEC;
		return inet_pton(AF_INET6, host + 1, &v6->sin6_addr) == 1 &&
		       IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
	}
	return inet_pton(AF_INET, host, &v4->sin_addr) == 1 && ntohl(v4->sin_addr.s_addr) >> 24 == 127;
}

/* The address that it came to be, as a client's Host has it. */
static int listen_name(int fd, char host[LISTEN_HOST_BYTES])
{
	struct sockaddr_in6 v6 = { 0 };
	struct sockaddr_in v4;
	char text[INET6_ADDRSTRLEN];
	socklen_t bytes = sizeof(v6);

	if (getsockname(fd, (struct sockaddr *)&v6, &bytes) < 0)
		return -errno;
	if (v6.sin6_family == AF_INET6) {
		inet_ntop(AF_INET6, &v6.sin6_addr, text, sizeof(text));
		snprintf(host, LISTEN_HOST_BYTES, "[%s]:%u", text, ntohs(v6.sin6_port));
		return 0;
	}
	memcpy(&v4, &v6, sizeof(v4));
	inet_ntop(AF_INET, &v4.sin_addr, text, sizeof(text));
	snprintf(host, LISTEN_HOST_BYTES, "%s:%u", text, ntohs(v4.sin_port));
	return 0;
}

int listen_tcp(const char *address, char host[LISTEN_HOST_BYTES], struct message *message)
{
	struct sockaddr_in6 v6;
	struct sockaddr_in v4;
	const struct sockaddr *bound = (const struct sockaddr *)&v4;
	socklen_t bytes = sizeof(v4);
	int fd, err, on = 1;

	if (!listen_parse(address, &v4, &v6))
		return listen_refuse(address, message);
	if (v4.sin_family == AF_UNSPEC) {
		bound = (const struct sockaddr *)&v6;
		bytes = sizeof(v6);
	}
	fd = socket(bound->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
	    bind(fd, bound, bytes) < 0 || listen(fd, LISTEN_BACKLOG) < 0 || listen_name(fd, host) < 0) {
		err = -errno;
		message_set(message, "cannot listen on %s: %s", address, strerror(-err));
		if (fd >= 0)
			close(fd);
		return err;
	}
	return fd;
}
