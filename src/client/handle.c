/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "client/handle.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "segment/trust.h"

#define SYSTEM_DIRECTORY "/dev/shm/zkcfg"
#define HEARTBEAT_MISSED_NS INT64_C(1500000000)
#define LOOK_EVERY_NS INT64_C(250000000)
#define DOUBT_EVERY_NS INT64_C(100000000)

/* The directories to look in, in this order. */
struct places {
	struct {
		char path[PATH_MAX];
		uid_t owner; /* (uid_t)-1: the caller chose it, so anybody may */
	} place[2];
	unsigned count;
};

static bool places_add(struct places *places, uid_t owner, const char *path)
{
	if (strlen(path) >= sizeof(places->place[0].path))
		return false;
	strcpy(places->place[places->count].path, path);
	places->place[places->count++].owner = owner;
	return true;
}

static int places_find(const char *shm_dir, struct places *places)
{
	/* secure_: who starts a set-uid program does not choose its configuration */
	const char *runtime = secure_getenv("XDG_RUNTIME_DIR");
	char own[PATH_MAX];

	places->count = 0;
	if (!shm_dir)
		shm_dir = secure_getenv("ZKCFG_SHM_DIR");
	if (shm_dir && *shm_dir)
		return places_add(places, (uid_t)-1, shm_dir) ? 0 : ZKCFG_EINVAL;
	if (geteuid() != 0) {
		if (runtime && *runtime)
			snprintf(own, sizeof(own), "%s/zkcfg", runtime);
		else
			snprintf(own, sizeof(own), "/dev/shm/zkcfg-%u", (unsigned)geteuid());
		places_add(places, geteuid(), own);
	}
	places_add(places, 0, SYSTEM_DIRECTORY);
	return 0;
}

static int handle_open_directory(const char *shm_dir, const char *set, uid_t owner)
{
	char path[PATH_MAX];
	int fd, err;

	if ((size_t)snprintf(path, sizeof(path), "%s/" LAYOUT_DIRECTORY "/%s", shm_dir, set) >= sizeof(path))
		return ZKCFG_EINVAL;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return trust_error(errno);
	err = trust_directory(fd, owner);
	if (err < 0) {
		close(fd);
		return err;
	}
	return fd;
}

static int handle_open(const char *shm_dir, const char *set, uid_t owner, struct zkcfg **cfg)
{
	struct zkcfg *opened = calloc(1, sizeof(*opened) + strlen(shm_dir) + 1);
	int err;

	if (!opened)
		return ZKCFG_ENOMEM;
	strcpy(opened->directory, shm_dir);
	strcpy(opened->set, set);
	opened->owner = owner;
	descriptor_init(opened);
	err = handle_open_directory(shm_dir, set, owner);
	if (err < 0)
		goto free_handle;
	opened->dir_fd = err;
	err = control_open(opened->dir_fd, set, false, NULL, &opened->control);
	if (err < 0)
		goto close_directory;
	opened->counter = control_counter(&opened->control);
	pthread_mutex_init(&opened->lock, NULL);
	*cfg = opened;
	return 0;
close_directory:
	close(opened->dir_fd);
free_handle:
	free(opened);
	return err;
}

int zkcfg_open(const char *set, const char *shm_dir, struct zkcfg **cfg)
{
	struct places places;
	int err;

	if (!set || !cfg || !control_set_name_ok(set))
		return ZKCFG_EINVAL;
	err = places_find(shm_dir, &places);
	if (err < 0)
		return err;
	for (unsigned i = 0; i < places.count; i++) {
		err = handle_open(places.place[i].path, set, places.place[i].owner, cfg);
		if (err != ZKCFG_ENOSET)
			return err;
	}
	return ZKCFG_ENOSET;
}

void zkcfg_close(struct zkcfg *cfg)
{
	if (!cfg)
		return;
	descriptor_close(cfg);
	zkcfg_unpin(cfg->newest);
	control_close(&cfg->control);
	close(cfg->dir_fd);
	pthread_mutex_destroy(&cfg->lock);
	free(cfg);
}

const char *zkcfg_directory(const struct zkcfg *cfg)
{
	return cfg->directory;
}

static int64_t handle_now_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int handle_is_doubtful(const struct zkcfg *cfg)
{
	return control_moved(&cfg->control) || control_silence_ns(&cfg->control) > HEARTBEAT_MISSED_NS;
}

int handle_doubtful_in_ms(const struct zkcfg *cfg)
{
	int64_t left_ns = HEARTBEAT_MISSED_NS - control_silence_ns(&cfg->control);

	return left_ns > 0 ? 1 + (int)(left_ns / 1000000) : (int)(LOOK_EVERY_NS / 1000000);
}

int handle_is_doubtful_by_now(struct zkcfg *cfg)
{
	int64_t now_ns;

	if (control_moved(&cfg->control))
		return 1;
	now_ns = handle_now_ns(CLOCK_MONOTONIC_COARSE);
	if (now_ns - cfg->doubted_ns < DOUBT_EVERY_NS)
		return 0;
	cfg->doubted_ns = now_ns;
	return handle_is_doubtful(cfg);
}

void handle_follow(struct zkcfg *cfg)
{
	int64_t now_ns = handle_now_ns(CLOCK_BOOTTIME);
	struct control there;
	uint64_t seq;
	int dir_fd;

	if (!control_moved(&cfg->control) && now_ns - cfg->looked_ns < LOOK_EVERY_NS)
		return;
	cfg->looked_ns = now_ns;
	dir_fd = handle_open_directory(cfg->directory, cfg->set, cfg->owner);
	if (dir_fd < 0)
		return; /* gone, and nothing in its place: what is mapped is the best there is */
	if (control_is_current(&cfg->control, dir_fd) || control_open(dir_fd, cfg->set, false, NULL, &there) < 0)
		goto close_directory;
	seq = control_seq(&there);
	control_close(&there);
	/* a daemon that has only just begun has nothing to offer yet */
	if ((seq == 0 && control_seq(&cfg->control) != 0) ||
	    control_open(dir_fd, cfg->set, false, cfg->control.page, &there) < 0)
		goto close_directory;
	/* not the page, which is where it was: others look at it without the lock */
	cfg->control.device = there.device;
	cfg->control.inode = there.inode;
	close(cfg->dir_fd);
	cfg->dir_fd = dir_fd;
	zkcfg_unpin(cfg->newest);
	cfg->newest = NULL;
	return;
close_directory:
	close(dir_fd);
}

static int handle_list(const struct places *places, unsigned index, int (*tell)(const char *set, void *user),
		       void *user)
{
	char path[PATH_MAX + sizeof(LAYOUT_DIRECTORY) + 1];
	struct dirent *entry;
	int result = 0;
	DIR *directory;

	snprintf(path, sizeof(path), "%s/" LAYOUT_DIRECTORY, places->place[index].path);
	directory = opendir(path);
	if (!directory)
		return errno == ENOENT || errno == ENOTDIR ? 0 : trust_error(errno);
	while (result == 0 && (entry = readdir(directory))) {
		char earlier[PATH_MAX + NAME_MAX + 16];

		if (!control_set_name_ok(entry->d_name))
			continue;
		snprintf(earlier, sizeof(earlier), "%s/" LAYOUT_DIRECTORY "/%s", places->place[0].path, entry->d_name);
		if (index > 0 && access(earlier, F_OK) == 0)
			continue; /* told already */
		result = tell(entry->d_name, user);
	}
	closedir(directory);
	return result;
}

int zkcfg_list_sets(const char *shm_dir, int (*tell)(const char *set, void *user), void *user)
{
	struct places places;
	int result;

	if (!tell)
		return ZKCFG_EINVAL;
	result = places_find(shm_dir, &places);
	for (unsigned i = 0; i < places.count && result == 0; i++)
		result = handle_list(&places, i, tell, user);
	return result;
}
