/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/source_place.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <zkcfg/zkcfg.h>

#include "bench/process.h"
#include "bench/propagate.h"

#define KEY_FORM "%02u.xml"

/* What a call of the system's gave. */
static int must(int result, const char *path)
{
	if (result < 0)
		bench_die("%s: %s", path, strerror(errno));
	return result;
}

struct source_place *source_place_begin(struct bench *bench, const char *name)
{
	struct source_place *place = bench_alloc(1, sizeof(*place));

	bench_unpin(bench);
	place->hosts = "";
	place->ours.place = place->peer.place = place;
	snprintf(place->directory, sizeof(place->directory), "%s/%s", bench->directory, name);
	must(mkdir(place->directory, 0700), place->directory);
	return place;
}

void source_place_follow(struct source_place *place, const char *uri)
{
	char state_dir[BENCH_PATH_BYTES + 16];
	int64_t began_ns = bench_now_ns();
	struct zkcfg_snapshot *snapshot;
	struct zkcfg *cfg;

	snprintf(place->shm_dir, sizeof(place->shm_dir), "%s/shm", place->directory);
	snprintf(state_dir, sizeof(state_dir), "%s/state", place->directory);
	place->daemon = process_spawn_daemon(place->directory, uri, place->shm_dir, state_dir);
	while (zkcfg_open("app", place->shm_dir, &cfg) < 0)
		process_patience(began_ns, "the daemon's set");
	while (zkcfg_pin(cfg, &snapshot) < 0)
		process_patience(began_ns, "what the daemon serves");
	zkcfg_unpin(snapshot);
	zkcfg_close(cfg);
}

void source_place_end(void *thing)
{
	struct source_place *place = thing;

	process_end(&place->daemon);
	free(place);
}

static void spot_begin(struct spot *spot, const char *name)
{
	size_t length = (size_t)snprintf(spot->root, sizeof(spot->root), "%s/%s", spot->place->directory, name);

	if (length >= sizeof(spot->root))
		bench_die("the name of directory %s is too long", spot->place->directory);
	snprintf(spot->path, sizeof(spot->path), "%s/" KEY_FORM, spot->root, 0);
	must(mkdir(spot->root, 0700), spot->root);
}

static void write_file(const char *path, int64_t number)
{
	int fd = must(open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644), path);
	char text[PROPAGATE_DOCUMENT_BYTES];

	propagate_compose(text, number);
	if (write(fd, text, sizeof(text)) != (ssize_t)sizeof(text))
		bench_die("%s: %s", path, strerror(errno));
	close(fd);
}

/* Both spots have a document; the daemon follows the first. */
static void *directories_make(struct bench *bench, const char *scheme, int64_t (*change)(void *, int64_t))
{
	struct source_place *place = source_place_begin(bench, scheme);
	char uri[BENCH_PATH_BYTES + 32];

	spot_begin(&place->ours, "ours");
	spot_begin(&place->peer, "peer");
	change(&place->ours, 0);
	change(&place->peer, 0);
	snprintf(uri, sizeof(uri), "%s://%s", scheme, place->ours.root);
	source_place_follow(place, uri);
	return place;
}

/* --- a directory of files -------------------------------------------------------------- */

/* Written beside it, and renamed. */
int64_t file_place_change(void *user, int64_t number)
{
	struct spot *spot = user;
	char beside[BENCH_PATH_BYTES + 32];
	int64_t began_ns = bench_now_ns();

	snprintf(beside, sizeof(beside), "%s/.new", spot->root);
	write_file(beside, number);
	must(rename(beside, spot->path), spot->path);
	return began_ns;
}

static void *file_place_make(struct bench *bench, unsigned size)
{
	(void)size;
	return directories_make(bench, "file", file_place_change);
}

const struct bench_kind file_place_kind = { file_place_make, source_place_end };

/* --- a volume of a ConfigMap -------------------------------------------------------------- */

/* Of a version that nobody reads any more. */
static void remove_version(const struct spot *spot, const char *version)
{
	char path[BENCH_PATH_BYTES + 96];

	for (unsigned key = 0; key < SOURCE_PLACE_KEYS; key++) {
		snprintf(path, sizeof(path), "%s/%s/" KEY_FORM, spot->root, version, key);
		must(unlink(path), path);
	}
	snprintf(path, sizeof(path), "%s/%s", spot->root, version);
	must(rmdir(path), path);
}

/* What leads readers to the key in the version that is in force; made once. */
static void link_keys(const struct spot *spot)
{
	char path[BENCH_PATH_BYTES + 96], to[32];

	for (unsigned key = 0; key < SOURCE_PLACE_KEYS; key++) {
		snprintf(path, sizeof(path), "%s/" KEY_FORM, spot->root, key);
		snprintf(to, sizeof(to), "..data/" KEY_FORM, key);
		must(symlink(to, path), path);
	}
}

/* As the kubelet does it: a new directory, a link to it, which is renamed; then the old one goes. */
int64_t configmap_place_change(void *user, int64_t number)
{
	struct spot *spot = user;
	char path[BENCH_PATH_BYTES + 96], data[BENCH_PATH_BYTES + 16], version[sizeof(spot->version)];
	int64_t began_ns = bench_now_ns();

	snprintf(version, sizeof(version), "..2026_11_23_00_00_00.%lld", (long long)number);
	snprintf(path, sizeof(path), "%s/%s", spot->root, version);
	must(mkdir(path, 0755), path);
	for (unsigned key = 0; key < SOURCE_PLACE_KEYS; key++) {
		snprintf(path, sizeof(path), "%s/%s/" KEY_FORM, spot->root, version, key);
		write_file(path, key == 0 ? number : 0);
	}
	snprintf(path, sizeof(path), "%s/..data_tmp", spot->root);
	snprintf(data, sizeof(data), "%s/..data", spot->root);
	must(symlink(version, path), path);
	must(rename(path, data), data);
	if (spot->version[0] == '\0')
		link_keys(spot);
	else
		remove_version(spot, spot->version);
	strcpy(spot->version, version);
	return began_ns;
}

static void *configmap_place_make(struct bench *bench, unsigned size)
{
	(void)size;
	return directories_make(bench, "configmap", configmap_place_change);
}

const struct bench_kind configmap_place_kind = { configmap_place_make, source_place_end };
