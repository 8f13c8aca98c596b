/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A log of versions: which document, where it stands in an order that rises
 * with each of its changes, what its bytes were. The core of every oracle here.
 * Not here: locks; what is right.
 */
#ifndef ZKCFG_TESTS_SUPPORT_VERSIONS_H
#define ZKCFG_TESTS_SUPPORT_VERSIONS_H

#include <stddef.h>
#include <stdint.h>

struct version {
	uint32_t path; /* a number for a document's name */
	uint64_t order;
	uint64_t hash;
	int64_t written_ns; /* CLOCK_BOOTTIME: it had been written by then */
};

struct versions {
	struct version *items;
	size_t count, capacity;
};

/* Aborts where there is no memory. Returns which item it is. */
size_t versions_add(struct versions *versions, const struct version *version);
/* By path, and of one path by order. */
void versions_sort(struct versions *versions);
/* Of sorted ones: the first that is not before it; versions->count: none. */
size_t versions_find(const struct versions *versions, uint32_t path, uint64_t order);
void versions_free(struct versions *versions);

#endif
