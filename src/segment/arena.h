/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A generation file, as its writer sees it: append-only memory that grows.
 *
 * What was appended since the last arena_keep() is undone by arena_undo() or
 * by the writer's death: the next writer begins behind the root it finds.
 * Pointers of arena_at() are valid until the next append; offsets always.
 * Memory is allocated before a byte is written: a full file system is an
 * error, never a signal.
 */
#ifndef ZKCFG_SEGMENT_ARENA_H
#define ZKCFG_SEGMENT_ARENA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct arena {
	int fd;
	uint8_t *base;
	uint64_t mapped_bytes; /* = size of the file */
	uint64_t used_bytes;   /* next append goes here */
	uint64_t ready_bytes;  /* pages before this are mapped, and cost no fault */
	uint64_t kept_bytes;
	uint32_t generation;
};

#define ARENA_NAME_BYTES 20
/* "gen.7" into name. */
void arena_name(uint32_t generation, char name[ARENA_NAME_BYTES]);

/*
 * Make gen.<generation> with room for first_bytes; one of that name that a
 * dead writer left is removed. ZKCFG_ENOSPC, ZKCFG_EACCES, ZKCFG_ESYSTEM. Ends with arena_close().
 */
int arena_create(int dir_fd, uint32_t generation, const uint8_t segment_id[16], uint64_t first_bytes,
		 mode_t mode, gid_t group, struct arena *arena);
/*
 * Map one to go on writing at offset used_bytes.
 * ZKCFG_EMAGIC, ZKCFG_ELAYOUT, ZKCFG_ESIZE, ZKCFG_EOWNER, ZKCFG_EMODE, ZKCFG_ECORRUPT, ZKCFG_ESYSTEM.
 */
int arena_open(int dir_fd, uint32_t generation, const uint8_t segment_id[16], struct arena *arena);
/* The set's mode or group is another than it was. ZKCFG_EACCES, ZKCFG_ESYSTEM. */
int arena_set_mode(const struct arena *arena, mode_t mode, gid_t group);
/* Unmap; the file stays. */
void arena_close(struct arena *arena);

/* Room for so many bytes, aligned; *offset is where. ZKCFG_ENOSPC, ZKCFG_ESYSTEM. */
int arena_append(struct arena *arena, uint64_t bytes, uint64_t *offset);
static inline void *arena_at(const struct arena *arena, uint64_t offset)
{
	return arena->base + offset;
}
/* Keep what was appended, or forget it. */
void arena_keep(struct arena *arena);
void arena_undo(struct arena *arena);

#endif
