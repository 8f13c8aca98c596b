/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A place to publish in for one test: a directory of its own in shared
 * memory, a publisher, and documents made from a line of XML.
 *
 * The XML is read here, by a few lines that know elements, attributes and
 * text and nothing else, so that the segment is tested without libxml2.
 */
#ifndef ZKCFG_TESTS_SUPPORT_SEGMENT_HOST_H
#define ZKCFG_TESTS_SUPPORT_SEGMENT_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "publish/publisher.h"
#include "segment/document.h"

#define HOST_PATH_BYTES 192

struct segment_host {
	char shm_dir[HOST_PATH_BYTES / 2];
	char set_dir[HOST_PATH_BYTES]; /* <shm_dir>/v1/app */
	struct publisher *publisher;   /* of set "app"; NULL: none now */
	uint64_t revision;	       /* of the document published last */
	char mounted[HOST_PATH_BYTES]; /* a directory with a tmpfs of ours; "": none */
};

/* A directory, without a publisher. Ends with segment_host_stop(). */
void segment_host_start(struct segment_host *host);
/* Close what is open, remove the directory. */
void segment_host_stop(struct segment_host *host);
/* Take over as a new daemon does; the test fails if that fails. */
void segment_host_open(struct segment_host *host);
void segment_host_close(struct segment_host *host);

/* Publish one document of set "app"; NULL xml removes it. The seq. */
uint64_t segment_host_publish(struct segment_host *host, const char *name, const char *xml);
/* Publish documents n.0 ... n.<count-1>, all with this text in /d. The seq. */
uint64_t segment_host_publish_many(struct segment_host *host, unsigned count, const char *text);

/* A compiled document; free() it. NULL: the builder refused, *err says why. */
struct zkcfg_document *segment_document(const struct document_origin *origin, const char *xml,
					size_t *size_bytes, int *err);
/* One that the builder must accept. */
struct zkcfg_document *segment_document_named(const char *name, const char *xml, size_t *size_bytes);
/* Give a document's checksum the value that its bytes have now. */
void segment_document_seal(struct zkcfg_document *document);

/* <set_dir>/<name> into path. */
char *segment_host_path(const struct segment_host *host, const char *name, char path[HOST_PATH_BYTES]);
/* The number N of the one gen.N that there is. */
unsigned segment_host_generation(const struct segment_host *host);
/* Write bytes into a file, at an offset. */
void segment_host_patch(const char *path, uint64_t offset, const void *bytes, size_t size_bytes);
/* A whole file; free() it. */
uint8_t *segment_host_read(const char *path, size_t *size_bytes);
/* Remove a directory and all that is in it. */
void segment_host_remove(const char *path);

/*
 * Put a small tmpfs over a directory, for this process (and its children)
 * alone; once a test. Only root may: false, and a line that says so, for
 * others. The test fails where root may not either.
 */
bool segment_host_mount(struct segment_host *host, const char *path, size_t size_bytes);

int64_t segment_host_now_ms(void);

/* Numbers that look random, the same ones again for the same seed. */
uint64_t segment_random(uint64_t *state);
/* A seed: ZKCFG_TEST_SEED, or one of the clock; printed. */
uint64_t segment_seed(void);

#endif
