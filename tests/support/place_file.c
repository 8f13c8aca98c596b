/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* A directory, and somebody who writes a file beside its place and renames it. */
#include <check.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utime.h>

#include "support/place.h"
#include "support/place_directory.h"

static void file_nothing(void)
{
}

static void file_uri(char uri[PLACE_URI_BYTES], const char *const *names, size_t count, const char *options)
{
	(void)names, (void)count;
	directory_uri(uri, PLACE_URI_BYTES, "file", "settle=20ms", options);
}

static void file_nowhere(char uri[PLACE_URI_BYTES], char *address, size_t address_bytes)
{
	directory_nowhere(uri, PLACE_URI_BYTES, "file", address, address_bytes);
}

static void make_parents(char *path)
{
	for (char *slash = path + strlen(directory_path()) + 1; (slash = strchr(slash, '/'));
	     *slash++ = '/') {
		*slash = '\0';
		if (mkdir(path, 0755) < 0)
			ck_assert_int_eq(errno, EEXIST);
	}
}

static void write_to(const char *path, const void *bytes, size_t size_bytes)
{
	FILE *file = fopen(path, "w");

	ck_assert_msg(file != NULL, "%s: %s", path, strerror(errno));
	ck_assert_uint_eq(fwrite(bytes, 1, size_bytes, file), size_bytes);
	ck_assert_int_eq(fclose(file), 0);
}

static void write_one(const char *name, const void *bytes, size_t size_bytes)
{
	char path[PATH_MAX], beside[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", directory_path(), name);
	if (!bytes) {
		ck_assert_int_eq(unlink(path), 0);
		return;
	}
	make_parents(path);
	snprintf(beside, sizeof(beside), "%s/.new", directory_path());
	write_to(beside, bytes, size_bytes);
	ck_assert_int_eq(rename(beside, path), 0);
}

static void file_write(const char *const *names, size_t count, const void *bytes, size_t size_bytes)
{
	for (size_t i = 0; i < count; i++)
		write_one(names[i], bytes, size_bytes);
}

/* Through a hard link from elsewhere, long before. */
static void file_write_unheard(const char *name, const void *bytes, size_t size_bytes)
{
	struct utimbuf times = { 1000000000, 1000000000 };
	char path[PATH_MAX], other[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", directory_path(), name);
	snprintf(other, sizeof(other), "%s/../other", directory_path());
	ck_assert_int_eq(link(path, other), 0);
	write_to(other, bytes, size_bytes);
	ck_assert_int_eq(utime(other, &times), 0);
}

static const struct place_exception exceptions[] = {
	{ "recreated_document_is_another_one",
	  "A file has no number that outlives a rename onto it and does not outlive a removal." },
	{ "transaction_is_settled_once", "A file system changes one file at a time; debounce joins." },
	{ NULL, NULL },
};

const struct place place_file = {
	.scheme = "file",
	.start = file_nothing,
	.stop = file_nothing,
	.begin = directory_begin,
	.end = directory_end,
	.uri = file_uri,
	.nowhere = file_nowhere,
	.write = file_write,
	.write_unheard = file_write_unheard,
	.leave = directory_leave,
	.come_back = directory_come_back,
	.guard = directory_guard,
	.guard_options = directory_guard_options,
	.refusal = "Permission denied",
	.documents_most = 1000,
	.document_most_bytes = 16 << 20,
	.limit = "16 MiB",
	.exceptions = exceptions,
};
