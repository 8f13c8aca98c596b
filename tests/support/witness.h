/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The oracle of sources: what was written at a place, what its source told of
 * it, and the judgement, as it is told.
 *
 * Each write is logged as (name, order, hash) before it is made. Right is: only
 * logged versions are told, and those of a name in their order; removals are
 * versions too. What is verified as of a time has all that had been written by
 * then, but for what is in trouble. And once writers rest, what was told is
 * what is there.
 *
 * One writer at a time, on any thread; the rest is the thread's of the source.
 */
#ifndef ZKCFG_TESTS_SUPPORT_WITNESS_H
#define ZKCFG_TESTS_SUPPORT_WITNESS_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

#include "support/place.h"
#include "support/source_host.h"
#include "support/versions.h"

#define WITNESS_NAMES_MOST 1024
#define WITNESS_NAME_BYTES 64

struct witness {
	const struct place *place;
	struct source_host host;
	pthread_mutex_t lock; /* of all below */
	struct versions log;  /* in the order of writing */
	char names[WITNESS_NAMES_MOST][WITNESS_NAME_BYTES];
	uint64_t seen[WITNESS_NAMES_MOST]; /* the order of what was told last; 0: nothing yet */
	uint64_t told[WITNESS_NAMES_MOST]; /* its hash */
	size_t name_count;
};

/* names: those that will be written; order is theirs. Ends with witness_end(). */
void witness_begin(struct witness *witness, const struct place *place, const char *const *names,
		   size_t count);
void witness_end(struct witness *witness);

/* Log and write; at the place, to all of these names. NULL: they are gone. */
void witness_write(struct witness *witness, const char *const *names, size_t count, const void *bytes,
		   size_t size_bytes);
/* The same for one document and a text. */
void witness_put(struct witness *witness, const char *name, const char *text);
/* As witness_put(), with nothing that tells the source. */
void witness_put_unheard(struct witness *witness, const char *name, const char *text);
/* Somebody else writes this, now. */
void witness_log(struct witness *witness, const char *name, const char *text);

/* Follow the place, as it is followed with these options. */
void witness_follow(struct witness *witness, const char *options);
/* Follow it no more; what was told is forgotten, and what was written is not. */
void witness_leave(struct witness *witness);
/* The writers rest: what is told becomes what is there, and settled, in time. */
void witness_judge(struct witness *witness);

#endif
