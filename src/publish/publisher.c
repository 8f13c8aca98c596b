/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "publish/publisher.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "segment/arena.h"
#include "segment/control.h"
#include "segment/document.h"
#include "segment/hash.h"
#include "segment/index.h"
#include "segment/kill_point.h"
#include "segment/layout.h"
#include "segment/notify.h"
#include "segment/trust.h"
#include "segment/view.h"

#define LOCK_NAME "lock"
/* A generation with less garbage than this is left alone, however small its live data. */
#define GARBAGE_FLOOR_BYTES UINT64_C(1048576)
/* No seq of ours comes near; a damaged one may. */
#define SEQ_BEYOND (UINT64_C(1) << 62)

struct publisher {
	char *directory; /* <shm-dir>/v1/<set> */
	char *set;
	mode_t mode;
	gid_t group;
	int dir_fd;
	int lock_fd;
	struct control control;
	struct notify notify;
	struct arena arena; /* base NULL: no generation yet */
	uint64_t compaction_count;
	uint64_t root_offset;
	struct layout_root root; /* of the newest commit; zeros: none */
	uint64_t least_seq; /* commits are behind it: readers of a segment set aside have seen this one */
	uint8_t segment_id[16];
};

/* Fill in message for an error of the segment, and hand it on. */
static int publisher_fail(int err, const char *what, const char *path, struct message *message)
{
	const char *why = err == ZKCFG_ESYSTEM || err == ZKCFG_EACCES || err == ZKCFG_ENOSPC ? strerror(errno)
											       : zkcfg_strerror(err);

	message_set(message, "%s %s: %s", what, path, why);
	return err;
}

static struct index_view publisher_view(const struct publisher *publisher)
{
	return (struct index_view){ .base = publisher->arena.base, .end = publisher->root_offset,
				    .top = publisher->root.index, .document_count = publisher->root.document_count };
}

/* Directories get the search bit wherever files get the read bit. */
static mode_t directory_mode(mode_t mode)
{
	return 0700 | (mode & 0050) | (mode & 0040) >> 2 | (mode & 0005) | (mode & 0004) >> 2;
}

static int make_directory(const char *path, mode_t mode, gid_t group, int *dir_fd, struct message *message)
{
	bool made = mkdir(path, 0700) == 0;
	int err, fd;

	if (!made && errno != EEXIST)
		return publisher_fail(trust_error(errno), "cannot make directory", path, message);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return publisher_fail(trust_error(errno), "cannot use directory", path, message);
	err = made ? trust_set_mode(fd, mode, group) : 0;
	if (err < 0) {
		publisher_fail(err, "cannot set mode and group of", path, message);
		goto close_fd;
	}
	err = trust_directory(fd, geteuid());
	if (err < 0) {
		publisher_fail(err, "will not publish into", path, message);
		goto close_fd;
	}
	*dir_fd = fd;
	return 0;
close_fd:
	close(fd);
	return err;
}

/* The shm dir: ours or root's, and nobody else may replace what is in it. */
static int trust_shm_directory(const char *path, struct message *message)
{
	struct stat st;
	int err = 0;

	if (stat(path, &st) < 0)
		return publisher_fail(trust_error(errno), "cannot use directory", path, message);
	if (st.st_uid != geteuid() && st.st_uid != 0)
		err = ZKCFG_EOWNER;
	else if ((st.st_mode & (S_IWGRP | S_IWOTH)) && !(st.st_mode & S_ISVTX))
		err = ZKCFG_EMODE;
	return err < 0 ? publisher_fail(err, "will not publish into", path, message) : 0;
}

/* <shm-dir>, <shm-dir>/v1 for everybody, <shm-dir>/v1/<set> for who may read the set. */
static int publisher_make_directories(const char *directory, mode_t mode, gid_t group, int *dir_fd,
				      struct message *message)
{
	char path[PATH_MAX], *slash;
	int fd, err;

	strcpy(path, directory);
	slash = strrchr(path, '/'); /* before the set */
	*slash = '\0';
	slash = strrchr(path, '/'); /* before v1 */
	*slash = '\0';
	err = file_make_dirs(path, 0755);
	if (err < 0) {
		errno = -err;
		return publisher_fail(trust_error(errno), "cannot make directory", path, message);
	}
	err = trust_shm_directory(path, message);
	if (err < 0)
		return err;
	*slash = '/';
	err = make_directory(path, 0755, (gid_t)-1, &fd, message);
	if (err < 0)
		return err;
	close(fd);
	return make_directory(directory, directory_mode(mode), group, dir_fd, message);
}

/* The pid that another daemon wrote into the lock. */
static long lock_owner(int fd)
{
	char text[24] = "";

	return pread(fd, text, sizeof(text) - 1, 0) > 0 ? strtol(text, NULL, 10) : 0;
}

/*
 * One daemon a set: a lock on a file that only its owner may open. It belongs
 * to the open file, so that a second publisher in this process is refused too,
 * and goes with the process, however that ends.
 */
static int publisher_lock(int dir_fd, const char *set, int *lock_fd, struct message *message)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int fd = openat(dir_fd, LOCK_NAME, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return publisher_fail(trust_error(errno), "cannot open the lock of set", set, message);
	if (fcntl(fd, F_OFD_SETLK, &lock) < 0) {
		message_set(message, "set %s is served by another zkcfgd, process %ld", set, lock_owner(fd));
		close(fd);
		return ZKCFG_EBUSY;
	}
	if (ftruncate(fd, 0) < 0 || dprintf(fd, "%ld\n", (long)getpid()) < 0)
		log_warning("set %s: cannot write our process id into the lock: %s", set, strerror(errno));
	*lock_fd = fd;
	return 0;
}

/* Is the lock that we hold still the one that others would find? */
static bool lock_is_current(const struct publisher *publisher, int dir_fd)
{
	struct stat named, ours;

	return fstatat(dir_fd, LOCK_NAME, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
	       fstat(publisher->lock_fd, &ours) == 0 && named.st_ino == ours.st_ino && named.st_dev == ours.st_dev;
}

/* Remove every generation but one; 0: all of them. */
static void publisher_sweep(int dir_fd, uint32_t keep)
{
	char kept[ARENA_NAME_BYTES];
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *directory = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (!directory) {
		if (fd >= 0)
			close(fd);
		return;
	}
	arena_name(keep, kept);
	while ((entry = readdir(directory)))
		if (strncmp(entry->d_name, "gen.", 4) == 0 && strcmp(entry->d_name, kept) != 0) {
			kill_point("sweep");
			unlinkat(dir_fd, entry->d_name, 0);
			kill_point("sweep.removed");
		}
	closedir(directory);
}

static int verify_documents(const struct index_view *view)
{
	const struct zkcfg_document *document, *found;
	struct index_walk walk;
	uint64_t count = 0;
	int err;

	index_walk_init(&walk, view);
	while ((err = index_walk_next(&walk, &document)) == 0) {
		err = document_verify(document, view->end - (uint64_t)((const uint8_t *)document - view->base));
		if (err == 0)
			err = index_find(view, hash_bytes(zkcfg_document_name(document), document_name_bytes(document)),
					 zkcfg_document_name(document), document_name_bytes(document), &found);
		if (err < 0 || found != document)
			return ZKCFG_ECORRUPT;
		count++;
	}
	return err == ZKCFG_EEND && count == view->document_count ? index_verify(view) : ZKCFG_ECORRUPT;
}

/* Take the segment over that is there: check all of it, and go on behind its newest root. */
static int publisher_take_over(struct publisher *publisher)
{
	const struct layout_root *root;
	struct index_view view;
	uint32_t generation;
	uint64_t seq, offset;
	int err;

	err = control_open(publisher->dir_fd, publisher->set, true, NULL, &publisher->control);
	if (err < 0)
		return err;
	kill_point("take-over.control");
	control_segment_id(&publisher->control, publisher->segment_id);
	if (control_moved(&publisher->control))
		return ZKCFG_ECORRUPT; /* nobody but a fault says so of the one that the name leads to */
	seq = control_seq(&publisher->control);
	if (seq == 0)
		return 0;
	if (seq >= SEQ_BEYOND)
		return ZKCFG_ECORRUPT;
	control_root(&publisher->control, seq, &generation, &offset);
	err = arena_open(publisher->dir_fd, generation, publisher->segment_id, &publisher->arena);
	if (err < 0)
		return err;
	err = view_root(publisher->arena.base, publisher->arena.mapped_bytes, offset, &root);
	/* what is live lies before the root; a next generation gets that much memory */
	if (err == 0 && (root->seq != seq || root->live_bytes > offset))
		err = ZKCFG_ECORRUPT;
	if (err < 0)
		return err;
	view = view_index(publisher->arena.base, root);
	kill_point("take-over.arena");
	err = verify_documents(&view);
	kill_point("take-over.verified");
	if (err < 0)
		return err;
	publisher->root = *root;
	publisher->root_offset = offset;
	publisher->arena.used_bytes = root->end; /* what is behind was never published */
	arena_keep(&publisher->arena);
	return 0;
}

static int publisher_create(struct publisher *publisher)
{
	publisher_sweep(publisher->dir_fd, 0);
	if (getrandom(publisher->segment_id, sizeof(publisher->segment_id), 0) !=
	    (ssize_t)sizeof(publisher->segment_id))
		return ZKCFG_ESYSTEM;
	return control_create(publisher->dir_fd, publisher->set, publisher->segment_id, publisher->mode,
			      publisher->group, &publisher->control);
}

/* What is there is not sound, as opposed to: we cannot tell for now. */
static bool is_unsound(int err)
{
	return err != ZKCFG_ENOMEM && err != ZKCFG_ENOSPC && err != ZKCFG_ESYSTEM;
}

/* Send the readers of a segment that was set aside to the new one, whose seq goes on from theirs. */
static void publisher_set_aside(struct publisher *publisher, struct control *aside)
{
	uint64_t seq = control_seq(aside);

	publisher->least_seq = seq < SEQ_BEYOND ? seq + 1 : 0;
	control_abandon(aside, seq + 1); /* + 1: look, all of you */
	control_close(aside);
}

/* Files that were there get the mode and group that are wanted now. */
static int publisher_set_mode(const struct publisher *publisher)
{
	int err = trust_set_mode(publisher->dir_fd, directory_mode(publisher->mode), publisher->group);

	if (err == 0)
		err = control_set_mode(publisher->dir_fd, publisher->mode, publisher->group);
	if (err == 0 && publisher->arena.base)
		err = arena_set_mode(&publisher->arena, publisher->mode, publisher->group);
	return err;
}

/* Readers who poll are told by FIFOs; where there can be none they look by themselves. */
static void publisher_begin_notify(const struct publisher *publisher, int dir_fd, struct notify *notify)
{
	int err = notify_open(dir_fd, publisher->mode, publisher->group, notify);

	if (err < 0)
		log_warning("set %s: cannot make FIFOs in %s (%s): readers who poll learn of commits by looking",
			    publisher->set, publisher->directory, zkcfg_strerror(err));
}

/* Take over, or make anew; one that cannot be taken over is set aside. */
static int publisher_begin(struct publisher *publisher, struct message *message)
{
	struct control aside = { 0 };
	int err = publisher_take_over(publisher);

	if (err < 0 && !is_unsound(err))
		return publisher_fail(err, "cannot take over the segment in", publisher->directory, message);
	if (err < 0 && (err != ZKCFG_ENOSET || publisher->control.page))
		log_warning("set %s: the segment in %s cannot be taken over (%s): setting it aside and making a new one",
			    publisher->set, publisher->directory, zkcfg_strerror(err));
	if (err < 0) {
		arena_close(&publisher->arena);
		aside = publisher->control;
		publisher->control.page = NULL;
		err = publisher_create(publisher);
	}
	if (err == 0 && aside.page) /* a control that was sound, with a root that was not */
		publisher_set_aside(publisher, &aside);
	control_close(&aside);
	if (err == 0)
		err = publisher_set_mode(publisher);
	if (err < 0)
		return publisher_fail(err, "cannot make the segment in", publisher->directory, message);
	publisher_sweep(publisher->dir_fd, publisher->arena.generation);
	kill_point("begin.swept");
	control_set_daemon(&publisher->control);
	publisher_begin_notify(publisher, publisher->dir_fd, &publisher->notify);
	return 0;
}

static struct publisher *publisher_new(const struct publisher_options *options)
{
	struct publisher *made = calloc(1, sizeof(*made));

	if (!made)
		return NULL;
	made->mode = options->mode;
	made->group = options->group;
	made->dir_fd = made->lock_fd = -1;
	made->arena.fd = -1;
	made->notify.alive_fd = -1;
	made->set = strdup(options->set);
	if (asprintf(&made->directory, "%s/" LAYOUT_DIRECTORY "/%s", options->shm_dir, options->set) < 0)
		made->directory = NULL;
	if (!made->set || !made->directory) {
		publisher_close(made);
		return NULL;
	}
	return made;
}

int publisher_open(const struct publisher_options *options, struct publisher **publisher,
		   struct message *message)
{
	struct publisher *opened;
	int err;

	if (!control_set_name_ok(options->set)) {
		message_set(message,
			    "set name \"%s\" is not valid: expected 1 to 64 of [A-Za-z0-9._-], not a dot first",
			    options->set);
		return ZKCFG_EINVAL;
	}
	if (strlen(options->shm_dir) > PATH_MAX - 128 || options->shm_dir[0] != '/') {
		message_set(message, "shm dir \"%s\" is not valid: expected an absolute path", options->shm_dir);
		return ZKCFG_EINVAL;
	}
	opened = publisher_new(options);
	if (!opened) {
		message_set(message, "set %s: out of memory", options->set);
		return ZKCFG_ENOMEM;
	}
	err = publisher_make_directories(opened->directory, opened->mode, opened->group, &opened->dir_fd, message);
	if (err == 0)
		err = publisher_lock(opened->dir_fd, opened->set, &opened->lock_fd, message);
	if (err == 0)
		err = publisher_begin(opened, message);
	if (err < 0) {
		publisher_close(opened);
		return err;
	}
	*publisher = opened;
	return 0;
}

void publisher_close(struct publisher *publisher)
{
	if (!publisher)
		return;
	if (publisher->control.page)
		control_clear_daemon(&publisher->control);
	notify_close(&publisher->notify);
	control_close(&publisher->control);
	arena_close(&publisher->arena);
	if (publisher->lock_fd >= 0)
		close(publisher->lock_fd);
	if (publisher->dir_fd >= 0)
		close(publisher->dir_fd);
	free(publisher->directory);
	free(publisher->set);
	free(publisher);
}

uint64_t publisher_seq(const struct publisher *publisher)
{
	return publisher->root.seq;
}

size_t publisher_document_count(const struct publisher *publisher)
{
	return publisher->root.document_count;
}

const struct zkcfg_document *publisher_find(const struct publisher *publisher, const char *name)
{
	struct index_view view = publisher_view(publisher);
	const struct zkcfg_document *document;
	size_t name_bytes = strlen(name);

	if (index_find(&view, hash_bytes(name, name_bytes), name, name_bytes, &document) < 0)
		return NULL;
	return document;
}

int publisher_each(const struct publisher *publisher, int (*tell)(const struct zkcfg_document *document, void *user),
		   void *user)
{
	struct index_view view = publisher_view(publisher);
	const struct zkcfg_document *document;
	struct index_walk walk;
	int result;

	index_walk_init(&walk, &view);
	while ((result = index_walk_next(&walk, &document)) == 0) {
		result = tell(document, user);
		if (result != 0)
			return result;
	}
	return result == ZKCFG_EEND ? 0 : result;
}

void publisher_resume(struct publisher *publisher, uint64_t seq, const uint8_t segment_id[16])
{
	publisher->root.seq = seq;
	memcpy(publisher->segment_id, segment_id, 16);
	control_set_segment_id(&publisher->control, segment_id);
}

void publisher_segment_id(const struct publisher *publisher, uint8_t segment_id[16])
{
	memcpy(segment_id, publisher->segment_id, 16);
}

/*
 * Commits
 */

/* A commit on its way into an arena: the present one, or the next generation's. */
struct commit {
	struct arena *arena;
	uint64_t top;            /* the index it changes; 0: an empty one */
	uint64_t live_bytes;     /* what that reaches */
	uint64_t document_count;
	uint64_t seq;
	uint64_t previous;       /* offset of the root before, in this arena; 0: none */
};

static uint64_t publisher_next_seq(const struct publisher *publisher)
{
	uint64_t seq = publisher->root.seq;

	return (seq > publisher->least_seq ? seq : publisher->least_seq) + 1;
}

static int commit_document(struct arena *arena, const struct zkcfg_document *document, size_t bytes,
			   uint64_t *offset)
{
	int err = arena_append(arena, bytes, offset);

	if (err == 0)
		memcpy(arena_at(arena, *offset), document, bytes);
	kill_point("commit.document");
	return err;
}

/* Append the index and the root; *root_offset is where. */
static int commit_finish(struct commit *commit, struct index_change *changes, size_t change_count,
			 uint64_t *root_offset)
{
	struct layout_root root = { .magic = LAYOUT_ROOT_MAGIC, .seq = commit->seq, .previous = commit->previous };
	struct index_delta delta;
	int err;

	index_sort(changes, change_count);
	err = index_apply(commit->arena, commit->top, changes, change_count, &root.index, &delta);
	if (err < 0)
		return err;
	kill_point("commit.indexed");
	err = arena_append(commit->arena, sizeof(root), root_offset);
	if (err < 0)
		return err;
	root.time_ns = clock_realtime_ns();
	root.document_count = commit->document_count + (uint64_t)delta.document_count;
	root.live_bytes = commit->live_bytes + (uint64_t)delta.live_bytes;
	root.end = commit->arena->used_bytes;
	root.checksum = view_root_checksum(&root);
	kill_point("commit.root");
	memcpy(arena_at(commit->arena, *root_offset), &root, sizeof(root));
	kill_point("commit.root.written");
	return 0;
}

static struct index_change index_change_of(const char *name, uint64_t document)
{
	size_t name_bytes = strlen(name);

	return (struct index_change){ .hash = hash_bytes(name, name_bytes), .name = name, .name_bytes = name_bytes,
				      .document = document };
}

/* Into the arena that is there. */
static int commit_append(struct publisher *publisher, const struct publisher_change *changes, size_t change_count,
			 uint64_t *root_offset)
{
	struct commit commit = { .arena = &publisher->arena, .top = publisher->root.index,
				 .live_bytes = publisher->root.live_bytes,
				 .document_count = publisher->root.document_count,
				 .seq = publisher_next_seq(publisher), .previous = publisher->root_offset };
	struct index_change *index_changes = calloc(change_count + 1, sizeof(*index_changes));
	uint64_t offset;
	int err = index_changes ? 0 : ZKCFG_ENOMEM;

	for (size_t i = 0; i < change_count && err == 0; i++) {
		offset = 0;
		if (changes[i].document)
			err = commit_document(commit.arena, changes[i].document, changes[i].document_bytes, &offset);
		index_changes[i] = index_change_of(changes[i].name, offset);
	}
	if (err == 0)
		err = commit_finish(&commit, index_changes, change_count, root_offset);
	if (err < 0)
		arena_undo(&publisher->arena);
	free(index_changes);
	return err;
}

/* What goes into a new generation: the live documents that no change takes the place of, and the changes. */
struct rewrite {
	struct arena *arena;
	const struct publisher_change **changes; /* sorted by name */
	size_t change_count;
	struct index_change *index_changes;
	size_t used;
};

static int change_name_compare(const void *a, const void *b)
{
	const struct publisher_change *const *left = a, *const *right = b;

	return strcmp((*left)->name, (*right)->name);
}

static int rewrite_live(const struct zkcfg_document *document, void *user)
{
	struct publisher_change wanted = { .name = zkcfg_document_name(document) };
	const struct publisher_change *key = &wanted;
	struct rewrite *rewrite = user;
	uint64_t offset;
	int err;

	if (rewrite->change_count > 0 && bsearch(&key, rewrite->changes, rewrite->change_count,
						 sizeof(*rewrite->changes), change_name_compare))
		return 0;
	err = commit_document(rewrite->arena, document, document_size_bytes(document), &offset);
	if (err < 0)
		return err;
	/* the name in the old arena stays where it is while the new one grows */
	rewrite->index_changes[rewrite->used++] = index_change_of(zkcfg_document_name(document), offset);
	return 0;
}

static int rewrite_changes(struct rewrite *rewrite)
{
	for (size_t i = 0; i < rewrite->change_count; i++) {
		const struct publisher_change *change = rewrite->changes[i];
		uint64_t offset;
		int err;

		if (!change->document)
			continue;
		err = commit_document(rewrite->arena, change->document, change->document_bytes, &offset);
		if (err < 0)
			return err;
		rewrite->index_changes[rewrite->used++] = index_change_of(change->name, offset);
	}
	return 0;
}

/* Into the next generation, with all that is live. */
static int commit_rewrite(struct publisher *publisher, const struct publisher_change *changes, size_t change_count,
			  struct arena *arena, uint64_t *root_offset)
{
	struct commit commit = { .arena = arena, .seq = publisher_next_seq(publisher) };
	struct rewrite rewrite = { .arena = arena, .change_count = change_count };
	size_t most = publisher->root.document_count + change_count;
	int err = ZKCFG_ENOMEM;

	rewrite.changes = calloc(change_count + 1, sizeof(const struct publisher_change *));
	rewrite.index_changes = calloc(most + 1, sizeof(*rewrite.index_changes));
	if (!rewrite.changes || !rewrite.index_changes)
		goto free_lists;
	for (size_t i = 0; i < change_count; i++)
		rewrite.changes[i] = &changes[i];
	qsort(rewrite.changes, change_count, sizeof(*rewrite.changes), change_name_compare);
	err = publisher->arena.base ? publisher_each(publisher, rewrite_live, &rewrite) : 0;
	if (err == 0)
		err = rewrite_changes(&rewrite);
	if (err == 0)
		err = commit_finish(&commit, rewrite.index_changes, rewrite.used, root_offset);
free_lists:
	free(rewrite.changes);
	free(rewrite.index_changes);
	return err;
}

/* Take a finished root as the newest, and show it to the readers of a control. */
static void publisher_show(struct publisher *publisher, uint64_t root_offset, struct control *control)
{
	publisher->root_offset = root_offset;
	memcpy(&publisher->root, arena_at(&publisher->arena, root_offset), sizeof(publisher->root));
	arena_keep(&publisher->arena);
	control_publish(control, publisher->root.seq, publisher->arena.generation, root_offset);
}

static uint64_t changes_bytes(const struct publisher_change *changes, size_t change_count)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < change_count; i++)
		if (changes[i].document)
			bytes += layout_align(changes[i].document_bytes);
	return bytes;
}

static bool publisher_is_wasteful(const struct publisher *publisher)
{
	uint64_t live_bytes = publisher->root.live_bytes;
	uint64_t garbage_bytes = publisher->arena.used_bytes - live_bytes;

	return garbage_bytes > live_bytes && garbage_bytes > GARBAGE_FLOOR_BYTES;
}

/*
 * Room for index and root, and for the next few commits. Whoever wrote that much
 * garbage will do so again: he gets the room for it at once, as each growth costs
 * him and all readers another mapping.
 */
static int publisher_create_arena(const struct publisher *publisher, int dir_fd, uint64_t first_bytes,
				  struct arena *arena)
{
	uint64_t room_bytes = first_bytes / 16 + 4096;
	bool is_busy = publisher->arena.base && publisher_is_wasteful(publisher);
	int err = ZKCFG_ENOSPC;

	if (is_busy && room_bytes < GARBAGE_FLOOR_BYTES)
		err = arena_create(dir_fd, publisher->arena.generation + 1, publisher->segment_id,
				   first_bytes + GARBAGE_FLOOR_BYTES, publisher->mode, publisher->group, arena);
	if (err == ZKCFG_ENOSPC)
		err = arena_create(dir_fd, publisher->arena.generation + 1, publisher->segment_id,
				   first_bytes + room_bytes, publisher->mode, publisher->group, arena);
	return err;
}

/* The next generation, made in the directory at dir_fd, becomes the set's. */
static int publisher_rewrite(struct publisher *publisher, int dir_fd, const struct publisher_change *changes,
			     size_t change_count, uint64_t *root_offset)
{
	uint64_t first_bytes = publisher->root.live_bytes + changes_bytes(changes, change_count);
	struct arena arena;
	char name[ARENA_NAME_BYTES];
	int err;

	err = publisher_create_arena(publisher, dir_fd, first_bytes, &arena);
	if (err < 0)
		return err;
	err = commit_rewrite(publisher, changes, change_count, &arena, root_offset);
	if (err < 0) {
		arena_name(arena.generation, name);
		unlinkat(dir_fd, name, 0);
		arena_close(&arena);
		return err;
	}
	kill_point("rewrite.written");
	arena_close(&publisher->arena);
	publisher->arena = arena;
	kill_point("rewrite.switched");
	return 0;
}

/* What would be published under a name is a document of that name. */
static bool change_is_sound(const struct publisher_change *change)
{
	const struct zkcfg_document *document = change->document;

	return !document || (document_check(document, change->document_bytes) == 0 &&
			     document_size_bytes(document) == change->document_bytes &&
			     strcmp(zkcfg_document_name(document), change->name) == 0);
}

static int commit_fail(const struct publisher *publisher, int err, struct message *message)
{
	const char *why = err == ZKCFG_ESYSTEM || err == ZKCFG_ENOSPC ? strerror(errno) : zkcfg_strerror(err);

	message_set(message, "cannot commit to %s: %s; commit %llu stays in force", publisher->directory, why,
		    (unsigned long long)publisher->root.seq);
	return err;
}

int publisher_commit(struct publisher *publisher, const struct publisher_change *changes, size_t change_count,
		     uint64_t *seq, struct message *message)
{
	bool wants_rewrite = !publisher->arena.base || publisher_is_wasteful(publisher);
	uint32_t generation = publisher->arena.generation;
	uint64_t root_offset;
	int err = ZKCFG_ENOSPC;

	for (size_t i = 0; i < change_count; i++)
		if (!change_is_sound(&changes[i]))
			return commit_fail(publisher, ZKCFG_EINVAL, message);
	if (!wants_rewrite)
		err = commit_append(publisher, changes, change_count, &root_offset);
	if (err == ZKCFG_ENOSPC) /* a new generation leaves the garbage behind */
		err = publisher_rewrite(publisher, publisher->dir_fd, changes, change_count, &root_offset);
	if (err == ZKCFG_ENOSPC && wants_rewrite && publisher->arena.base)
		err = commit_append(publisher, changes, change_count, &root_offset);
	if (err < 0)
		return commit_fail(publisher, err, message);
	publisher_show(publisher, root_offset, &publisher->control);
	kill_point("commit.shown");
	notify_commit(publisher->dir_fd);
	kill_point("commit.told");
	if (publisher->arena.generation != generation) {
		publisher->compaction_count += generation > 0;
		publisher_sweep(publisher->dir_fd, publisher->arena.generation);
	}
	if (seq)
		*seq = publisher->root.seq;
	return 0;
}

/*
 * Stamps and status
 */

/* Does the set's name still lead to what we write? */
static bool publisher_is_in_place(const struct publisher *publisher)
{
	char name[ARENA_NAME_BYTES];
	struct stat named, ours;
	int fd;
	bool in_place;

	fd = open(publisher->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return false;
	in_place = control_is_current(&publisher->control, fd);
	if (in_place && publisher->arena.base) {
		arena_name(publisher->arena.generation, name);
		in_place = fstatat(fd, name, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
			   fstat(publisher->arena.fd, &ours) == 0 && named.st_ino == ours.st_ino &&
			   named.st_dev == ours.st_dev;
	}
	close(fd);
	return in_place;
}

/* A control and a generation with all that is published; they appear together. */
static int publisher_make_anew(struct publisher *publisher, int dir_fd, struct control *control)
{
	uint64_t root_offset;
	struct control made;
	int err;

	err = control_prepare(dir_fd, publisher->set, publisher->segment_id, publisher->mode, publisher->group, &made);
	if (err < 0)
		return err;
	kill_point("restore.prepared");
	control_set_daemon(&made);
	if (publisher->arena.base) {
		err = publisher_rewrite(publisher, dir_fd, NULL, 0, &root_offset);
		if (err < 0)
			goto discard_control;
		publisher_show(publisher, root_offset, &made);
	}
	err = control_install(dir_fd);
	if (err < 0)
		goto discard_control;
	*control = made;
	return 0;
discard_control:
	control_discard(&made, dir_fd);
	return err;
}

/* Make the segment anew under its name, with all that is in the old one, and send its readers there. */
static int publisher_restore(struct publisher *publisher, struct message *message)
{
	int dir_fd, lock_fd, err;
	struct control control, old = publisher->control;
	struct notify notify = { .alive_fd = -1 };

	err = publisher_make_directories(publisher->directory, publisher->mode, publisher->group, &dir_fd, message);
	if (err < 0)
		return err;
	lock_fd = publisher->lock_fd;
	if (!lock_is_current(publisher, dir_fd))
		err = publisher_lock(dir_fd, publisher->set, &lock_fd, message);
	if (err < 0)
		goto close_directory;
	err = publisher_make_anew(publisher, dir_fd, &control);
	if (err < 0) {
		publisher_fail(err, "cannot make the segment anew in", publisher->directory, message);
		goto close_lock;
	}
	kill_point("restore.made");
	close(publisher->dir_fd);
	if (lock_fd != publisher->lock_fd)
		close(publisher->lock_fd);
	publisher->dir_fd = dir_fd;
	publisher->lock_fd = lock_fd;
	publisher->control = control;
	publisher_sweep(dir_fd, publisher->arena.generation);
	publisher_begin_notify(publisher, dir_fd, &notify);
	kill_point("restore.swept");
	control_abandon(&old, publisher->root.seq);
	control_close(&old);
	notify_close(&publisher->notify); /* readers of the old one look around */
	publisher->notify = notify;
	return 0;
close_lock:
	if (lock_fd != publisher->lock_fd)
		close(lock_fd);
close_directory:
	close(dir_fd);
	return err;
}

int publisher_heartbeat(struct publisher *publisher, struct message *message)
{
	int err = 0;

	if (!publisher_is_in_place(publisher)) {
		log_warning("set %s: the segment in %s was removed: making it anew", publisher->set,
			    publisher->directory);
		err = publisher_restore(publisher, message);
	} else if (publisher->notify.alive_fd >= 0 &&
		   !notify_is_in_place(publisher->dir_fd, &publisher->notify)) {
		notify_close(&publisher->notify);
		publisher_begin_notify(publisher, publisher->dir_fd, &publisher->notify);
	}
	kill_point("heartbeat");
	control_set_heartbeat(&publisher->control, clock_boottime_ns());
	return err;
}

void publisher_verified(struct publisher *publisher, int64_t boottime_ns)
{
	control_set_verified(&publisher->control, boottime_ns);
}

void publisher_usage(const struct publisher *publisher, struct publisher_usage *usage)
{
	*usage = (struct publisher_usage){ .live_bytes = publisher->root.live_bytes,
					   .compaction_count = publisher->compaction_count };
	if (publisher->arena.used_bytes > usage->live_bytes)
		usage->garbage_bytes = publisher->arena.used_bytes - usage->live_bytes;
}

void publisher_contact(struct publisher *publisher, const struct control_contact *contact)
{
	control_set_contact(&publisher->control, contact);
}

void publisher_status(struct publisher *publisher, const struct publisher_status *status)
{
	struct control_status shown = { .source_state = status->source_state, .source = status->source,
					.detail = status->detail, .since_ns = status->since_ns,
					.candidates = status->candidates,
					.candidate_count = status->candidate_count };

	control_set_status(&publisher->control, &shown);
}
