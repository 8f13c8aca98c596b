/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/staging.h"

#include <assert.h>
#include <string.h>
#include <sys/mman.h>

#define CHUNK_BYTES ((size_t)256 * 1024)
/* As compiled documents are. */
#define STAGING_ALIGN ((size_t)64)

struct staging_chunk {
	size_t size_bytes, used_bytes, copy_count;
};

/* Before each copy. */
struct staging_head {
	struct staging_chunk *chunk;
};

static size_t aligned(size_t bytes)
{
	return (bytes + STAGING_ALIGN - 1) / STAGING_ALIGN * STAGING_ALIGN;
}

#define CHUNK_HEAD_BYTES aligned(sizeof(struct staging_chunk))
#define COPY_HEAD_BYTES aligned(sizeof(struct staging_head))

static struct staging_chunk *chunk_map(size_t size_bytes)
{
	struct staging_chunk *chunk =
		mmap(NULL, size_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (chunk == MAP_FAILED)
		return NULL;
	chunk->size_bytes = size_bytes;
	chunk->used_bytes = CHUNK_HEAD_BYTES;
	return chunk;
}

static void chunk_unmap(struct staging_chunk *chunk)
{
	munmap(chunk, chunk->size_bytes);
}

/* One with room for so much, which becomes the one that is filled unless it is for this copy alone. */
static struct staging_chunk *staging_chunk_for(struct staging *staging, size_t wanted_bytes)
{
	struct staging_chunk *chunk = staging->filling;

	if (wanted_bytes > CHUNK_BYTES - CHUNK_HEAD_BYTES)
		return chunk_map(CHUNK_HEAD_BYTES + wanted_bytes);
	if (chunk && chunk->size_bytes - chunk->used_bytes >= wanted_bytes)
		return chunk;
	chunk = chunk_map(CHUNK_BYTES);
	if (chunk && staging->filling && staging->filling->copy_count == 0)
		chunk_unmap(staging->filling);
	if (chunk)
		staging->filling = chunk;
	return chunk;
}

void *staging_copy(struct staging *staging, const void *bytes, size_t size_bytes)
{
	size_t wanted_bytes = COPY_HEAD_BYTES + aligned(size_bytes);
	struct staging_chunk *chunk = staging_chunk_for(staging, wanted_bytes);
	struct staging_head *head;
	char *copy;

	if (!chunk)
		return NULL;
	head = (void *)((char *)chunk + chunk->used_bytes);
	head->chunk = chunk;
	copy = (char *)head + COPY_HEAD_BYTES;
	memcpy(copy, bytes, size_bytes);
	chunk->used_bytes += wanted_bytes;
	chunk->copy_count++;
	return copy;
}

void staging_free(struct staging *staging, void *copy)
{
	const struct staging_head *head = copy ? (void *)((char *)copy - COPY_HEAD_BYTES) : NULL;
	struct staging_chunk *chunk;

	if (!head)
		return;
	chunk = head->chunk;
	assert(chunk->copy_count > 0);
	if (--chunk->copy_count > 0)
		return;
	if (chunk == staging->filling)
		chunk->used_bytes = CHUNK_HEAD_BYTES;
	else
		chunk_unmap(chunk);
}

void staging_end(struct staging *staging)
{
	if (staging->filling)
		chunk_unmap(staging->filling);
	staging->filling = NULL;
}
