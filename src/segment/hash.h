/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* The one hash of the segment: XXH3, 64 bits, inline, so that libzkcfg links libc only. */
#ifndef ZKCFG_SEGMENT_HASH_H
#define ZKCFG_SEGMENT_HASH_H

#include <stddef.h>
#include <stdint.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

static inline uint64_t hash_bytes(const void *bytes, size_t size_bytes)
{
	return XXH3_64bits(bytes, size_bytes);
}

#endif
