/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* A volume, and the kubelet, which writes all of a ConfigMap at each change of it. */
#include <check.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "support/kubelet.h"
#include "support/place.h"
#include "support/place_directory.h"

/* The ConfigMap, as its API server has it. */
static struct kubelet_file *files;
static size_t file_count;
static unsigned int version;

static void configmap_nothing(void)
{
}

static void swap(void)
{
	kubelet_swap(directory_path(), ++version, files, file_count);
}

static void configmap_begin(void)
{
	directory_begin();
	swap();
}

static void forget(struct kubelet_file *file)
{
	free((void *)(uintptr_t)file->name);
	free((void *)(uintptr_t)file->bytes);
}

static void configmap_end(void)
{
	while (file_count > 0)
		forget(&files[--file_count]);
	free(files);
	files = NULL;
	directory_end();
}

static void configmap_uri(char uri[PLACE_URI_BYTES], const char *const *names, size_t count,
			  const char *options)
{
	(void)names, (void)count;
	directory_uri(uri, PLACE_URI_BYTES, "configmap", "", options);
}

static void configmap_nowhere(char uri[PLACE_URI_BYTES], char *address, size_t address_bytes)
{
	directory_nowhere(uri, PLACE_URI_BYTES, "configmap", address, address_bytes);
}

static void change_one(const char *name, const void *bytes, size_t size_bytes)
{
	struct kubelet_file file = { .name = name };
	size_t i = 0;

	while (i < file_count && strcmp(files[i].name, name) != 0)
		i++;
	if (i < file_count) {
		forget(&files[i]);
		files[i] = files[--file_count];
	}
	if (!bytes)
		return;
	file.name = strdup(name);
	file.bytes = memcpy(malloc(size_bytes + 1), bytes, size_bytes);
	file.size_bytes = size_bytes;
	files = reallocarray(files, file_count + 1, sizeof(*files));
	ck_assert_ptr_nonnull(files);
	files[file_count++] = file;
}

static void configmap_write(const char *const *names, size_t count, const void *bytes, size_t size_bytes)
{
	for (size_t i = 0; i < count; i++)
		change_one(names[i], bytes, size_bytes);
	swap();
}

/* Below the version that is in force, where nobody writes and nobody listens. */
static void configmap_write_unheard(const char *name, const void *bytes, size_t size_bytes)
{
	char path[PATH_MAX];
	FILE *file;

	snprintf(path, sizeof(path), "%s/..data/%s", directory_path(), name);
	file = fopen(path, "w");
	ck_assert_ptr_nonnull(file);
	ck_assert_uint_eq(fwrite(bytes, 1, size_bytes, file), size_bytes);
	ck_assert_int_eq(fclose(file), 0);
}

static const struct place_exception exceptions[] = {
	{ "recreated_document_is_another_one",
	  "A version holds files only: nothing in it says whether a key was gone in between." },
	{ "what_put_writes_is_told",
	  "A mounted ConfigMap is written by Kubernetes alone, and zkcfg put says so." },
	{ NULL, NULL },
};

const struct place place_configmap = {
	.scheme = "configmap",
	.start = configmap_nothing,
	.stop = configmap_nothing,
	.begin = configmap_begin,
	.end = configmap_end,
	.uri = configmap_uri,
	.nowhere = configmap_nowhere,
	.write = configmap_write,
	.write_unheard = configmap_write_unheard,
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
