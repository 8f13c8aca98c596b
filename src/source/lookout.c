/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "source/lookout.h"

#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

/* So many symbolic links on the way to a path, as the kernel allows. */
#define LOOKOUT_LINKS_MOST 40

#define LOOKOUT_ON_THE_WAY \
	(IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF | IN_ATTRIB)
#define LOOKOUT_OF_FILES (LOOKOUT_ON_THE_WAY | IN_CLOSE_WRITE | IN_MODIFY)

struct watched {
	struct watched *next;
	int id;
	unsigned int round;
	char *tag;	/* of a directory whose files matter */
	char *only;	/* the one of them that does; NULL: all */
	bool is_shared; /* there is another tag */
	char *names;	/* what in it is on somebody's way, each with a '/' behind it */
};

struct lookout {
	int fd;
	unsigned int round;
	struct watched **table; /* by id */
	size_t table_size;	/* a power of two */
	size_t count;
};

static void watched_free(struct watched *watched)
{
	free(watched->tag);
	free(watched->only);
	free(watched->names);
	free(watched);
}

struct lookout *lookout_open(void)
{
	struct lookout *lookout = calloc(1, sizeof(*lookout));
	int err;

	if (!lookout)
		return NULL;
	lookout->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	lookout->table_size = 64;
	lookout->table = calloc(lookout->table_size, sizeof(*lookout->table));
	if (lookout->fd >= 0 && lookout->table)
		return lookout;
	err = lookout->fd < 0 ? errno : ENOMEM;
	lookout_close(lookout);
	errno = err;
	return NULL;
}

void lookout_close(struct lookout *lookout)
{
	struct watched *watched;

	if (!lookout)
		return;
	for (size_t i = 0; lookout->table && i < lookout->table_size; i++)
		while ((watched = lookout->table[i])) {
			lookout->table[i] = watched->next;
			watched_free(watched);
		}
	if (lookout->fd >= 0)
		close(lookout->fd);
	free(lookout->table);
	free(lookout);
}

int lookout_fd(const struct lookout *lookout)
{
	return lookout->fd;
}

/* --- what is watched -------------------------------------------------------- */

static struct watched **lookout_place(const struct lookout *lookout, int id)
{
	struct watched **place = &lookout->table[(size_t)id & (lookout->table_size - 1)];

	while (*place && (*place)->id != id)
		place = &(*place)->next;
	return place;
}

static void lookout_grow(struct lookout *lookout)
{
	size_t old_size = lookout->table_size;
	struct watched **old = lookout->table, *watched;
	struct watched **table = calloc(old_size * 2, sizeof(*table));

	if (!table)
		return; /* longer chains, then */
	lookout->table = table;
	lookout->table_size *= 2;
	for (size_t i = 0; i < old_size; i++)
		while ((watched = old[i])) {
			struct watched **place;

			old[i] = watched->next;
			place = lookout_place(lookout, watched->id);
			watched->next = *place;
			*place = watched;
		}
	free(old);
}

void lookout_begin(struct lookout *lookout)
{
	lookout->round++;
}

/* The one of this directory, without what an earlier round wanted. NULL and errno. */
static struct watched *lookout_add(struct lookout *lookout, const char *path, uint32_t mask)
{
	int id = inotify_add_watch(lookout->fd, path, mask | IN_MASK_ADD | IN_ONLYDIR | IN_EXCL_UNLINK);
	struct watched **place, *watched;

	if (id < 0)
		return NULL;
	place = lookout_place(lookout, id);
	watched = *place;
	if (watched && watched->round == lookout->round)
		return watched;
	if (!watched) {
		watched = calloc(1, sizeof(*watched));
		if (!watched) {
			inotify_rm_watch(lookout->fd, id);
			errno = ENOMEM;
			return NULL;
		}
		watched->id = id;
		if (++lookout->count > lookout->table_size)
			lookout_grow(lookout);
		place = lookout_place(lookout, id);
		watched->next = *place;
		*place = watched;
	}
	free(watched->tag);
	free(watched->only);
	free(watched->names);
	watched->tag = watched->only = watched->names = NULL;
	watched->is_shared = false;
	watched->round = lookout->round;
	return watched;
}

int lookout_watch(struct lookout *lookout, const char *path, const char *tag)
{
	struct watched *watched = lookout_add(lookout, path, LOOKOUT_OF_FILES);

	if (!watched)
		return -errno;
	if (watched->tag) {
		watched->is_shared = watched->is_shared || strcmp(watched->tag, tag) != 0;
		return 0;
	}
	watched->tag = strdup(tag);
	return watched->tag ? 0 : -ENOMEM;
}

int lookout_watch_only(struct lookout *lookout, const char *path, const char *name)
{
	struct watched *watched = lookout_add(lookout, path, LOOKOUT_ON_THE_WAY);

	if (!watched)
		return -errno;
	if (watched->tag)
		return 0; /* all of it is watched */
	watched->tag = strdup("");
	watched->only = strdup(name);
	return watched->tag && watched->only ? 0 : -ENOMEM;
}

static bool watched_is_on_the_way(const struct watched *watched, const char *name, size_t length)
{
	const char *known = watched->names;

	while (known && *known != '\0') {
		size_t known_length = strcspn(known, "/");

		if (known_length == length && memcmp(known, name, length) == 0)
			return true;
		known += known_length + 1;
	}
	return false;
}

/* mask: what may happen to it that matters. */
static int lookout_watch_part(struct lookout *lookout, const char *path, const char *name, size_t length,
			      uint32_t mask)
{
	struct watched *watched = lookout_add(lookout, path, mask);
	size_t before;
	char *longer;

	if (!watched)
		return -errno;
	if (watched_is_on_the_way(watched, name, length))
		return 0;
	before = watched->names ? strlen(watched->names) : 0;
	longer = realloc(watched->names, before + length + 2);
	if (!longer)
		return -ENOMEM;
	memcpy(longer + before, name, length);
	strcpy(longer + before + length, "/");
	watched->names = longer;
	return 0;
}

/* The next part of a path, which begins behind any '/'. */
static const char *way_part(const char *rest, size_t *length)
{
	rest += strspn(rest, "/");
	*length = strcspn(rest, "/");
	return rest;
}

/* A symbolic link's target, and then what is left of the path. */
static int way_follow(char *link, const char *rest, char *longer)
{
	char target[PATH_MAX];
	ssize_t length = readlink(link, target, sizeof(target) - 1);
	int wanted;

	if (length < 0)
		return -errno;
	target[length] = '\0';
	*strrchr(link, '/') = '\0'; /* what it stands in */
	wanted = target[0] == '/' ? snprintf(longer, PATH_MAX, "%s/%s", target, rest) :
				    snprintf(longer, PATH_MAX, "%s/%s/%s", link, target, rest);
	return wanted < PATH_MAX ? 0 : -ENAMETOOLONG;
}

int lookout_watch_way(struct lookout *lookout, const char *path)
{
	char rest[PATH_MAX], next[PATH_MAX], done[PATH_MAX] = "";
	unsigned int links = 0;
	const char *part;
	struct stat stat;
	size_t length, further, done_length = 0;
	int err;

	if (snprintf(rest, sizeof(rest), "%s", path) >= (int)sizeof(rest))
		return -ENAMETOOLONG;
	for (part = way_part(rest, &length); length > 0; part = way_part(part + length, &length)) {
		way_part(part + length, &further);
		err = lookout_watch_part(lookout, done_length > 0 ? done : "/", part, length, LOOKOUT_ON_THE_WAY);
		if (err < 0)
			return err == -ENOENT || err == -ENOTDIR ? 0 : err;
		if (length == 1 && *part == '.')
			continue;
		if (done_length + length + 2 > sizeof(done))
			return -ENAMETOOLONG;
		done[done_length] = '/';
		memcpy(done + done_length + 1, part, length);
		done[done_length + 1 + length] = '\0';
		if (lstat(done, &stat) < 0)
			return 0; /* as far as there is a way */
		if (further == 0 && S_ISREG(stat.st_mode)) {
			*strrchr(done, '/') = '\0';
			return lookout_watch_part(lookout, done[0] != '\0' ? done : "/", part, length,
						  LOOKOUT_OF_FILES);
		}
		if (S_ISLNK(stat.st_mode)) {
			if (++links > LOOKOUT_LINKS_MOST)
				return -ELOOP;
			err = way_follow(done, part + length, next);
			if (err < 0)
				return err == -ENOENT || err == -EINVAL ? 0 : err;
			memcpy(rest, next, sizeof(rest));
			part = rest, length = 0;
			done[0] = '\0';
		}
		done_length = strlen(done);
	}
	return 0;
}

void lookout_end(struct lookout *lookout)
{
	for (size_t i = 0; i < lookout->table_size; i++) {
		struct watched **place = &lookout->table[i], *watched;

		while ((watched = *place)) {
			if (watched->round == lookout->round) {
				place = &watched->next;
				continue;
			}
			inotify_rm_watch(lookout->fd, watched->id);
			*place = watched->next;
			lookout->count--;
			watched_free(watched);
		}
	}
}

/* --- what happened ------------------------------------------------------------ */

static void lookout_forget(struct lookout *lookout, int id)
{
	struct watched **place = lookout_place(lookout, id), *watched = *place;

	if (!watched)
		return;
	*place = watched->next;
	lookout->count--;
	watched_free(watched);
}

static enum lookout_event lookout_kind(uint32_t mask)
{
	if (mask & (IN_CLOSE_WRITE | IN_MOVED_TO))
		return LOOKOUT_WRITTEN;
	if (mask & (IN_MODIFY | IN_CREATE))
		return LOOKOUT_WRITING;
	if (mask & (IN_DELETE | IN_MOVED_FROM))
		return LOOKOUT_GONE;
	return LOOKOUT_TOUCHED;
}

static void lookout_tell(struct lookout *lookout, const struct inotify_event *event,
			 const struct lookout_ops *ops, void *user)
{
	const struct watched *watched = event->wd < 0 ? NULL : *lookout_place(lookout, event->wd);

	if (event->mask & IN_IGNORED) {
		lookout_forget(lookout, event->wd);
		return;
	}
	if (event->mask & IN_Q_OVERFLOW) {
		ops->happened(user, LOOKOUT_ELSEWHERE, "", "");
		return;
	}
	if (!watched)
		return; /* it was let go of, and may have told before */
	if (event->len == 0 || watched_is_on_the_way(watched, event->name, strlen(event->name)) ||
	    (watched->tag && !watched->only && (watched->is_shared || event->mask & IN_ISDIR)))
		ops->happened(user, LOOKOUT_ELSEWHERE, "", "");
	else if (watched->tag && (!watched->only || strcmp(watched->only, event->name) == 0))
		ops->happened(user, lookout_kind(event->mask), watched->tag, event->name);
}

void lookout_read(struct lookout *lookout, const struct lookout_ops *ops, void *user)
{
	_Alignas(struct inotify_event) char bytes[16384];
	ssize_t got, at;

	do {
		got = read(lookout->fd, bytes, sizeof(bytes));
		for (at = 0; at < got;) {
			const struct inotify_event *event = (const void *)(bytes + at);

			at += (ssize_t)(sizeof(*event) + event->len);
			lookout_tell(lookout, event, ops, user);
		}
		/* what left room for one more was all there was */
	} while (got > (ssize_t)(sizeof(bytes) - sizeof(struct inotify_event) - NAME_MAX - 1));
}
