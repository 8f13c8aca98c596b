/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/kubelet.h"

#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int remove_one(const char *path, const struct stat *stat, int type, struct FTW *where)
{
	(void)stat, (void)type, (void)where;
	return remove(path);
}

static void write_file(const char *path, const struct kubelet_file *from)
{
	FILE *file = fopen(path, "w");

	ck_assert_msg(file != NULL, "%s: %s", path, strerror(errno));
	ck_assert_uint_eq(fwrite(from->bytes, 1, from->size_bytes, file), from->size_bytes);
	ck_assert_int_eq(fclose(file), 0);
}

/* With the directories of its name, below the version's own. */
static void write_below(const char *version, const struct kubelet_file *file)
{
	char path[PATH_MAX];
	size_t begin = (size_t)snprintf(path, sizeof(path), "%s/", version);

	snprintf(path + begin, sizeof(path) - begin, "%s", file->name);
	for (char *slash = path + begin; (slash = strchr(slash, '/')); *slash++ = '/') {
		*slash = '\0';
		if (mkdir(path, 0755) < 0)
			ck_assert_int_eq(errno, EEXIST);
	}
	write_file(path, file);
}

/* Programs open a key by a link to the first part of its name. */
static void link_first_part(const char *volume, const char *name)
{
	char path[PATH_MAX], target[PATH_MAX];
	int length = (int)strcspn(name, "/");

	snprintf(path, sizeof(path), "%s/%.*s", volume, length, name);
	snprintf(target, sizeof(target), "..data/%.*s", length, name);
	if (symlink(target, path) < 0)
		ck_assert_int_eq(errno, EEXIST);
}

/* Links of keys that are no more. */
static void unlink_stale(const char *volume)
{
	DIR *directory = opendir(volume);
	const struct dirent *entry;
	char path[PATH_MAX];

	ck_assert_ptr_nonnull(directory);
	while ((entry = readdir(directory))) {
		snprintf(path, sizeof(path), "%s/%s", volume, entry->d_name);
		if (strncmp(entry->d_name, "..", 2) != 0 && access(path, F_OK) < 0 && errno == ENOENT)
			ck_assert_int_eq(unlink(path), 0);
	}
	closedir(directory);
}

void kubelet_swap(const char *volume, unsigned int number, const struct kubelet_file *files, size_t count)
{
	char name[64], path[PATH_MAX], data[PATH_MAX], old[NAME_MAX + 1];
	ssize_t length;

	snprintf(data, sizeof(data), "%s/..data", volume);
	length = readlink(data, old, sizeof(old) - 1);
	snprintf(name, sizeof(name), "..2026_11_23_10_00_00.%09u", number);
	snprintf(path, sizeof(path), "%s/%s", volume, name);
	ck_assert_int_eq(mkdir(path, 0755), 0);
	for (size_t i = 0; i < count; i++)
		write_below(path, &files[i]);
	snprintf(path, sizeof(path), "%s/..data_tmp", volume);
	ck_assert_int_eq(symlink(name, path), 0);
	ck_assert_int_eq(rename(path, data), 0);
	for (size_t i = 0; i < count; i++)
		link_first_part(volume, files[i].name);
	unlink_stale(volume);
	if (length <= 0)
		return;
	old[length] = '\0';
	snprintf(path, sizeof(path), "%s/%s", volume, old);
	ck_assert_int_eq(nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}
