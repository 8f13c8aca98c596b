/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Directories that are watched, by inotify, and what happened in them.
 *
 * A path is watched as a whole: each directory on its way, through symbolic
 * links too, so that one that comes, goes, moves or is linked elsewhere is
 * noticed. What is watched is renewed in rounds: lookout_begin(), what is to be
 * watched, lookout_end(), which lets go of the rest. Watching comes before
 * looking, or a change between the two is lost.
 *
 * Two paths may lead to one directory, of which the kernel makes one watch:
 * such a directory is told as LOOKOUT_ELSEWHERE.
 */
#ifndef ZKCFG_SOURCE_LOOKOUT_H
#define ZKCFG_SOURCE_LOOKOUT_H

#include <stdbool.h>

struct lookout;

enum lookout_event {
	LOOKOUT_WRITTEN,  /* a file was put there, or was written and closed */
	LOOKOUT_WRITING,  /* a file was made, or is being written, or is another one's name */
	LOOKOUT_GONE,	  /* a file went */
	LOOKOUT_TOUCHED,  /* whom it belongs to or who may read it */
	LOOKOUT_ELSEWHERE /* anything else: look at all of it */
};

struct lookout_ops {
	/* tag, name: of the directory, as it was watched, and in it; "" with LOOKOUT_ELSEWHERE. */
	void (*happened)(void *user, enum lookout_event event, const char *tag, const char *name);
};

/* NULL and errno: EMFILE is fs.inotify.max_user_instances. */
struct lookout *lookout_open(void);
void lookout_close(struct lookout *lookout);
/* Readable when something happened. */
int lookout_fd(const struct lookout *lookout);

void lookout_begin(struct lookout *lookout);
/*
 * Watch a directory whose files matter; what happens in it is told with this
 * tag. 0 or a negative errno: -ENOSPC is fs.inotify.max_user_watches.
 */
int lookout_watch(struct lookout *lookout, const char *path, const char *tag);
/*
 * The same of one name in it alone, with the tag ""; what becomes of others is not told. Of a
 * directory that is watched as a whole already, that stays. 0 or a negative errno.
 */
int lookout_watch_only(struct lookout *lookout, const char *path, const char *name);
/* Watch the way to a path, which need not be there; what happens there is LOOKOUT_ELSEWHERE. 0 or a negative errno. */
int lookout_watch_way(struct lookout *lookout, const char *path);
void lookout_end(struct lookout *lookout);

/* Tell what has happened until now. */
void lookout_read(struct lookout *lookout, const struct lookout_ops *ops, void *user);

#endif
