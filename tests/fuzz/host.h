/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where segments are made: a directory of this process with a set "app" in it.
 * What support/segment_host.h is for tests, without Check, which cannot run
 * below libFuzzer. Whatever goes wrong ends in abort().
 */
#ifndef ZKCFG_TESTS_FUZZ_HOST_H
#define ZKCFG_TESTS_FUZZ_HOST_H

#include <stddef.h>
#include <stdint.h>

#include "publish/publisher.h"

#define FUZZ_PATH_BYTES 256

struct fuzz_host {
	char shm_dir[96];
	char set_dir[128];
	struct publisher *publisher; /* NULL: none now */
	uint64_t revision;	     /* of the document published last */
};

/* In FUZZ_DIRECTORY, or /dev/shm. Ends with fuzz_host_remove(), which closes it too. */
void fuzz_host_make(struct fuzz_host *host);
void fuzz_host_remove(struct fuzz_host *host);
/* Take over as a new daemon does, and give a sign of life. */
void fuzz_host_open(struct fuzz_host *host);
void fuzz_host_close(struct fuzz_host *host);

/* A document of that name; free() it. */
struct zkcfg_document *fuzz_compile(const char *name, uint64_t revision, const char *xml, size_t *size_bytes);
/* Commit one; NULL xml removes it. The seq. */
uint64_t fuzz_host_publish(struct fuzz_host *host, const char *name, const char *xml);

/* <set_dir>/<name> into path. */
char *fuzz_host_path(const struct fuzz_host *host, const char *name, char path[FUZZ_PATH_BYTES]);
/* The name of the one generation that there is. */
void fuzz_host_generation(const struct fuzz_host *host, char name[32]);
/* A whole file, at most most_bytes; its size. */
size_t fuzz_read_file(const char *path, void *bytes, size_t most_bytes);

#endif
