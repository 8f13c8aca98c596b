/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What sources of files have in common: when all of it is looked at, when it is
 * settled and vouched for, and what is done where inotify has no room. Which
 * files there are, and when one may be read, is the source's own.
 */
#ifndef ZKCFG_SOURCE_FOLLOWER_H
#define ZKCFG_SOURCE_FOLLOWER_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "source/folder.h"
#include "source/lookout.h"
#include "source/pace.h"
#include "source/source.h"

struct event;
struct follower;

struct follower_ops {
	/* Look at all of it, and watch what there is to watch. 0, or the errno for which the root cannot be. */
	int (*look_at_all)(struct follower *follower);
	/* A file that waited is to be looked at. */
	void (*look_at)(struct follower *follower, struct folder_file *file);
	/* As lookout_ops. */
	void (*happened)(struct follower *follower, enum lookout_event event, const char *tag, const char *name);
};

/* The first member of a source's struct. */
struct follower {
	struct source source;
	const struct follower_ops *ops;
	const struct source_events *events;
	void *user;
	const char *path; /* the root */
	struct pace pace;
	struct folder folder;
	struct lookout *lookout; /* NULL: pull, or inotify has no room */
	bool is_wanted;		 /* all of it is to be looked at */
	bool is_near;		 /* but the way to the root is as it was, and what is watched */
	bool is_audited;	 /* what is found now was not announced */
	bool is_settled;	 /* told at least once */
	bool is_blind;		 /* some directory could not be watched */
	const char *missing;	 /* of the last look_at_all(): why, where errno says too little; NULL */

	enum source_state state;
	struct event *arrival, *timer;
	int64_t began_ns;
	int64_t next_look_ns; /* INT64_MAX: not for the time's sake */
	int64_t next_verify_ns;
	char detail[PATH_MAX + 128];
};

/* What follows from events and user; pace and path are set by the source before it starts. */
void follower_init(struct follower *follower, const struct source_ops *source, const struct follower_ops *ops,
		   const struct source_events *events, void *user);
int follower_start(struct source *source, struct event_base *loop, struct message *message);
void follower_refresh(struct source *source);
/* All but what the source itself holds. */
void follower_end(struct follower *follower);

/* The outcome of watching something; what cannot be watched is looked at more often. */
void follower_watched(struct follower *follower, int err);

/* All of it is to be looked at; is_near: for what happened in the root, as it is watched. */
void follower_want(struct follower *follower, bool is_near);

#endif
