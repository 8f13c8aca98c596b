/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the writer that is killed and the readers that watch have agreed on.
 *
 * Every commit writes all of DEATH_DOCUMENTS documents with one stamp, which
 * goes up by 1. Each value names its document and its stamp, and a checksum
 * tells whether all of them are whole; how long they are goes up and down.
 */
#ifndef ZKCFG_TESTS_INTEGRATION_DEATH_H
#define ZKCFG_TESTS_INTEGRATION_DEATH_H

#include <stdint.h>

#define DEATH_DOCUMENTS 4u

/* What a writer knows of those before it, as a daemon does from its last-good; mapped, in a file of its own. */
struct death_ledger {
	uint64_t stamp; /* of the newest commit that was begun */
	uint64_t seq;   /* it had, or would have had */
	uint8_t segment_id[16];
	uint64_t has_id;
};

static inline uint64_t death_sum(unsigned document, uint64_t stamp, uint64_t padding)
{
	uint64_t sum = (stamp * 1000003 + document + 1) * UINT64_C(0x9e3779b97f4a7c15) + padding;

	return sum ^ sum >> 29;
}

/* How many bytes a document of a stamp is filled up with. */
static inline unsigned death_padding(unsigned document, uint64_t stamp)
{
	return (unsigned)((stamp * 7919 + document * 104729) % 9000);
}

#endif
