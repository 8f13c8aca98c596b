/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The znodes that a subscription knows: a tree, and a table by path.
 *
 * Finding, adding and removing one cost the same for ten as for a hundred
 * thousand. What the fields of a watch mean and when they change is the
 * subscription's business; not here: anything that talks to ZooKeeper.
 */
#ifndef ZKCFG_SOURCE_ZNODE_H
#define ZKCFG_SOURCE_ZNODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum watch_state {
	WATCH_IDLE = 0, /* not wanted now */
	WATCH_DIRTY,	/* must be read: queued, or waiting for due_ns */
	WATCH_INFLIGHT, /* a read that sets the watch is under way */
	WATCH_ARMED	/* read, and a change will be told */
};

enum watch_kind { WATCH_DATA = 0, WATCH_CHILDREN = 1 };

struct watch {
	struct watch *prev, *next; /* in the queue, while DIRTY and not waiting */
	int64_t due_ns;		   /* while DIRTY and waiting */
	uint32_t timer;		   /* its place among the waiting ones; 0: not waiting */
	uint16_t request;	   /* while INFLIGHT */
	uint8_t kind;
	uint8_t state;
	uint8_t failures; /* in a row */
	bool again;	  /* a change was told while INFLIGHT */
	bool troubled;	  /* cannot be read; nobody waits for it */
	bool lagging;	  /* the server showed something older than what is known */
	bool stat;	  /* of data: what is known may still be so; the stat tells */
};

struct znode {
	struct znode *bucket_next;
	struct znode *parent, *first_child;
	struct znode *sibling_prev, *sibling_next;
	struct watch data, children;
	int64_t czxid, mzxid, pzxid; /* as last read; 0: never. mzxid: at least that, until it was read */
	int64_t listed_pzxid; /* of the last listing, while its children are known to be those that it named; 0 */
	uint32_t hash;
	uint32_t listing; /* the last listing of the parent that had it */
	uint32_t path_length;
	uint16_t audit; /* its audit's request, while under way */
	uint8_t lane;	/* of both watches, for good */
	bool document;	    /* told, and not taken back */
	bool unreported;    /* what was last read was not told */
	bool children_read; /* at least once */
	bool missing;	    /* the root only: it is not there */
	bool doubted;	    /* a read said it is not there; its parent's listing decides */
	char path[];
};

struct znode_tree {
	struct znode **buckets;
	size_t bucket_count; /* a power of two */
	size_t node_count;
	struct znode *root;
};

/* A tree with its root alone. 0 or -ENOMEM. Ends with znode_tree_free(). */
int znode_tree_init(struct znode_tree *tree, const char *root_path);
void znode_tree_free(struct znode_tree *tree);

/* The znode of a path, or NULL. */
struct znode *znode_find(const struct znode_tree *tree, const char *path, size_t path_length);
/* The child of that name, or NULL. */
struct znode *znode_find_child(const struct znode_tree *tree, const struct znode *parent, const char *name);
/* A new child; NULL: out of memory. There must not be one of that name. */
struct znode *znode_add(struct znode_tree *tree, struct znode *parent, const char *name);
/* Free a znode that has no children and is not the root. */
void znode_remove(struct znode_tree *tree, struct znode *node);

/* The one to remove first in a subtree: it has no children. */
struct znode *znode_deepest(struct znode *top);
/* The next one in a walk of the whole tree, parents before children; NULL after the last. */
struct znode *znode_next(const struct znode *node);

/* The znode that a watch is part of. */
struct znode *znode_of(struct watch *watch);

#endif
