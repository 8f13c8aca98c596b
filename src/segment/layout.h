/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every byte in shared memory, and nothing else. Layout version 1, the "v1" of
 * the path; a change of any struct here is another version.
 *
 *   <shm-dir>/v1/<set>/
 *     lock      held by the daemon that serves the set; 0600
 *     control   LAYOUT_CONTROL_BYTES, made once, never replaced, never truncated
 *     gen.<N>   an arena: append-only, never truncated; unlinked when gen.<N+1> has taken its place
 *
 *   control
 *     0      magic, layout, segment id, set name                 written once
 *     256    seq: THE counter; futex for those that wait         release-stored last of a commit
 *     320    heartbeat, verified, daemon, source state, moved    single atomic words
 *     512    roots[64]: where the root of commit seq is,         in roots[seq % 64]
 *            as generation << 32 | offset / 64
 *     4096   status[0], status[1]: the text of the state;        status_version % 2 is the one in force
 *
 *   gen.<N>
 *     | header 64 | document | document | nodes | root | document | nodes | root | ...
 *
 * A commit appends documents, then the index nodes copied on the way to them,
 * then a root; stores the root's place in roots[seq % 64]; and last
 * release-stores seq. Nothing that a root reaches is written again. A reader
 * loads seq (acquire), loads roots[seq % 64], and checks that the root it
 * finds names that seq: if 64 commits went by in between, it does not, and the
 * reader begins anew. A writer that dies anywhere leaves seq, and all that it
 * leads to, as it was.
 *
 * Integers are in the machine's own order: shared memory does not travel.
 */
#ifndef ZKCFG_SEGMENT_LAYOUT_H
#define ZKCFG_SEGMENT_LAYOUT_H

#include <assert.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define LAYOUT_VERSION 1u
#define LAYOUT_DIRECTORY "v1"
#define LAYOUT_SET_NAME_BYTES 65 /* 64 and a NUL */
#define LAYOUT_ALIGN 64u /* a line of the cache */

static_assert(ATOMIC_LLONG_LOCK_FREE == 2 && ATOMIC_INT_LOCK_FREE == 2, "shared atomics must not use locks");

#define LAYOUT_CONTROL_MAGIC UINT64_C(0x006c72746366676b) /* "kgfctrl" */
#define LAYOUT_CONTROL_BYTES 32768u
#define LAYOUT_ROOT_SLOTS 64u
#define LAYOUT_STATUS_BYTES 14336u

struct layout_status {
	uint64_t checksum; /* of all behind it, up to text_bytes of text */
	uint64_t version;
	int64_t since_ns;
	uint32_t candidate_count; /* how many there are */
	uint32_t candidate_kept;  /* how many of them are in the text */
	uint32_t text_bytes;
	uint32_t reserved;
	/* source NUL detail NUL, then for each candidate kept:
	 * struct layout_candidate, document NUL reason NUL */
	uint8_t text[LAYOUT_STATUS_BYTES - 40];
};
static_assert(sizeof(struct layout_status) == LAYOUT_STATUS_BYTES, "status");

struct layout_candidate {
	uint64_t revision;
	int64_t since_ns;
	uint32_t line;
	uint32_t column;
};
static_assert(sizeof(struct layout_candidate) == 24, "candidate");

struct layout_control {
	uint64_t magic;
	uint32_t layout;
	uint32_t control_bytes;
	uint8_t segment_id[16];
	uint8_t boot_id[16]; /* ages on CLOCK_BOOTTIME mean something in that boot only */
	char set[LAYOUT_SET_NAME_BYTES];
	uint8_t reserved0[256 - 48 - LAYOUT_SET_NAME_BYTES];

	_Atomic uint64_t seq;
	uint8_t reserved1[56];

	_Atomic int64_t heartbeat_ns; /* CLOCK_BOOTTIME; 0: never */
	_Atomic int64_t verified_ns;  /* CLOCK_BOOTTIME; 0: never */
	_Atomic int64_t daemon_pid;
	_Atomic uint32_t source_state;
	_Atomic uint32_t moved; /* 1: this control is no longer the set's; attach anew */
	_Atomic uint64_t status_version;
	_Atomic int64_t told_ns;  /* CLOCK_BOOTTIME; 0: never */
	_Atomic int64_t asked_ns; /* CLOCK_BOOTTIME; 0: never */
	_Atomic uint64_t repair_count;
	_Atomic uint32_t source_mode; /* enum zkcfg_source_mode */
	uint8_t reserved2[124];

	_Atomic uint64_t roots[LAYOUT_ROOT_SLOTS];
	uint8_t reserved3[3072];

	struct layout_status status[2];
};
static_assert(offsetof(struct layout_control, seq) == 256, "seq has a cache line of its own");
static_assert(offsetof(struct layout_control, heartbeat_ns) == 320, "stamps");
static_assert(offsetof(struct layout_control, roots) == 512, "roots");
static_assert(offsetof(struct layout_control, status) == 4096, "status");
static_assert(sizeof(struct layout_control) == LAYOUT_CONTROL_BYTES, "control");

#define LAYOUT_ARENA_MAGIC UINT64_C(0x00006e656766676b) /* "kgfgen" */

struct layout_arena {
	uint64_t magic;
	uint32_t layout;
	uint32_t generation;
	uint8_t segment_id[16];
	uint8_t reserved[32];
};
static_assert(sizeof(struct layout_arena) == 64, "arena");

/* How far an arena may grow: an offset in units of LAYOUT_ALIGN has 32 bits. */
#define LAYOUT_ARENA_LIMIT_BYTES (UINT64_C(1) << 38)

#define LAYOUT_ROOT_MAGIC UINT64_C(0x00746f6f7266676b) /* "kgfroot" */

struct layout_root {
	uint64_t magic;
	uint64_t checksum; /* of all behind it */
	uint64_t seq;
	int64_t time_ns;      /* CLOCK_REALTIME */
	uint64_t index;       /* entry of the index's top; 0: no document */
	uint64_t document_count;
	uint64_t live_bytes;  /* what this root reaches */
	uint64_t end;         /* offset behind this root: nothing it reaches lies farther */
	uint64_t previous;    /* offset of the root before, in this arena; 0: none */
	uint64_t reserved[3];
};
static_assert(sizeof(struct layout_root) == 96, "root");

/*
 * The index: a hash-array-mapped trie over documents by the hash of their
 * name, five bits a level from the top. An entry is 64 bits:
 *
 *   | 21 low bits of the hash | log2 of the number of slots: 5 bits | offset: 38 bits, the last 6 for the tag |
 *
 * The first two are there for documents only: which one it is not, most of the
 * time; and a hint, by which nothing is followed: the slot of a path can be fetched
 * while the header is looked at.
 *
 * tag: what the offset leads to. An entry of 0 is empty. Children lie before
 * their parents, so that every walk ends.
 */
#define LAYOUT_ENTRY_TAG_MASK UINT64_C(63)
#define LAYOUT_ENTRY_OFFSET_MASK UINT64_C(0x3fffffffc0)
#define LAYOUT_ENTRY_SLOTS_SHIFT 38
#define LAYOUT_ENTRY_HASH_SHIFT 43

#define LAYOUT_TAG_NODE 1u
#define LAYOUT_TAG_DOCUMENT 2u
#define LAYOUT_TAG_BUCKET 3u /* documents whose hashes are equal in all bits */

struct layout_node {
	uint32_t bitmap;  /* tag NODE: which of 32 children there are; tag BUCKET: how many */
	uint32_t reserved;
	uint64_t content; /* sum over all documents below of index_mix(checksum): equal in two
	                   * generations where the documents are equal */
	uint64_t entries[];
};
static_assert(sizeof(struct layout_node) == 16, "node");

/* A compiled document; see document.h for the picture. */
#define LAYOUT_DOCUMENT_MAGIC UINT32_C(0x636f6466) /* "fdoc" */

/*
 * What a look-up needs is in the first 40 bytes, and the name is right behind
 * them: one line of the cache, most of the time. Where the other parts are
 * follows from how long each is. Offsets within are from the beginning of strings.
 */
struct zkcfg_document {
	uint32_t magic;
	uint32_t size_bytes; /* of all of it, padding included */
	uint64_t checksum;   /* of all behind it */
	uint32_t name_bytes; /* without its NUL */
	uint32_t slot_mask;  /* slots - 1; a power of two - 1 */
	uint32_t strings_bytes; /* a multiple of 4 */
	uint32_t node_count;
	uint32_t raw_bytes;  /* without their NUL */
	uint32_t sources_bytes; /* behind raw and its NUL; 0: it is not said */
};
static_assert(sizeof(struct zkcfg_document) == 40, "document");

/*
 * Behind it, not aligned: a revision of 64 bits for each source, their URIs
 * with a NUL each; then for each node one byte, the source that it is of, and
 * for each node 16 bits, the sources whose value it hides.
 */
struct layout_sources {
	uint32_t count;
	uint32_t node_count; /* 0: all nodes are of the first source */
};
static_assert(sizeof(struct layout_sources) == 8, "sources");

struct layout_origin {
	uint64_t name_hash;
	uint64_t created;
	uint64_t revision;
	int64_t version;
};
static_assert(sizeof(struct layout_origin) == 32, "origin");

#define LAYOUT_NO_VALUE 0u           /* strings begin with 4 bytes that are no string */
#define LAYOUT_LONG_VALUE UINT16_MAX   /* its length is in the 4 bytes before it */
#define LAYOUT_KEY_ALIGN 4u

struct layout_slot {
	uint32_t hash; /* low 32 bits of the path's */
	uint32_t key;  /* offset; 0: an empty slot */
};
static_assert(sizeof(struct layout_slot) == 8, "slot");

struct layout_key {
	uint32_t node;
	uint32_t value;       /* offset, or LAYOUT_NO_VALUE */
	uint16_t path_bytes;  /* without the NUL */
	uint16_t value_bytes; /* without the NUL, or LAYOUT_LONG_VALUE */
	char path[];          /* and a NUL; then the value and a NUL, if this is the canonical path */
};
static_assert(offsetof(struct layout_key, path) == 12, "key");

struct layout_document_node {
	uint32_t kind_depth; /* depth << 8 | enum zkcfg_node_kind */
	uint32_t parent;     /* node; itself for the root element */
	uint32_t end;        /* first node behind its subtree */
	uint32_t name;       /* offset */
	uint32_t key;        /* offset of the canonical path's */
	uint32_t ordinal;    /* from 1, among elements of this name below this parent; 0: an attribute */
};
static_assert(sizeof(struct layout_document_node) == 24, "document node");

static inline uint64_t layout_align(uint64_t bytes)
{
	return (bytes + LAYOUT_ALIGN - 1) & ~(uint64_t)(LAYOUT_ALIGN - 1);
}

#endif
