/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is to be remembered of a set's documents beside what is published:
 * changes that wait for the next commit, candidates, and what cannot be read.
 *
 * A document of which there is nothing to say has no entry. For one thread.
 * Not here: what is done about any of it, and the log.
 */
#ifndef ZKCFG_DAEMON_DOCUMENTS_H
#define ZKCFG_DAEMON_DOCUMENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include <zkcfg/zkcfg.h>

#include "daemon/staging.h"

/* What there is to say of a document that is not as the source has it. */
struct problem {
	char *reason; /* NULL: none */
	uint64_t revision;
	int64_t since_ns;
	uint32_t line;
	uint32_t column;
};

enum problem_kind {
	PROBLEM_REFUSED, /* it was fetched and is not good */
	PROBLEM_UNREAD,	 /* the source could not read it */
	PROBLEM_HELD,	 /* it vanished, or is empty, and stays */
	PROBLEM_FROZEN	 /* it waits in a frozen set */
};

/* One document's way. */
struct tracked {
	TAILQ_ENTRY(tracked) problem_link; /* in problems, while there is a candidate or trouble */
	TAILQ_ENTRY(tracked) change_link;  /* in changes, while pending or going */
	bool is_problem;
	bool is_changed;
	uint32_t seen_in;		/* the round in which the source had it, or could not read it */
	struct zkcfg_document *pending; /* to be published by the next commit */
	size_t pending_bytes;
	bool is_staged; /* pending is in staging */
	bool is_going;	   /* to be removed by the next commit */
	bool is_answering; /* what is pending came after the candidate */
	uint64_t needs;	   /* the change may be committed once the commit marker has this revision */
	struct problem candidate;
	void *candidate_raw;
	size_t candidate_raw_bytes;
	struct problem trouble;
	char name[];
};

TAILQ_HEAD(tracked_list, tracked);

struct documents {
	void *entries; /* of tsearch(3), by name */
	struct tracked_list problems;
	size_t problem_count;
	struct tracked_list changes;
	size_t change_count;
	int64_t first_change_ns; /* of those that wait */
	int64_t last_change_ns;
	struct staging staging; /* of what is pending */
};

void documents_init(struct documents *documents);
void documents_free(struct documents *documents);

/* NULL: there is none, or no memory to look. */
struct tracked *documents_find(const struct documents *documents, const char *name);
/* The entry of a name, made if there is none. NULL: out of memory. */
struct tracked *documents_get(struct documents *documents, const char *name);
/* Free an entry of which nothing is to be remembered; any other stays. */
void documents_forget(struct documents *documents, struct tracked *entry);

/* To be published by the next commit; takes the document. NULL: nothing of it is to be. */
void documents_stage(struct documents *documents, struct tracked *entry, struct zkcfg_document *document,
		     size_t document_bytes, uint64_t needs);
/* To be removed by the next commit. */
void documents_stage_removal(struct documents *documents, struct tracked *entry, uint64_t needs);
/* It stays, whatever was to become of it; what is pending is kept. */
void documents_stay(struct documents *documents, struct tracked *entry);
/* Its change is published: nothing of it waits any more. */
void documents_committed(struct documents *documents, struct tracked *entry);

/* false: it is known already. */
bool documents_set_candidate(struct documents *documents, struct tracked *entry, const struct problem *what,
			     const void *raw, size_t raw_bytes);
/* false: there was none. */
bool documents_clear_candidate(struct documents *documents, struct tracked *entry);
bool documents_set_trouble(struct documents *documents, struct tracked *entry, const struct problem *what);
void documents_clear_trouble(struct documents *documents, struct tracked *entry);
/* All of it; entries of which nothing is to be remembered then are gone. */
void documents_clear_troubles(struct documents *documents);
/* Is the name itself in trouble, or one that it lies below? */
bool documents_in_trouble(const struct documents *documents, const char *name);
/*
 * One a document, problem_count in all: what was refused comes first, as it
 * waits for somebody; then what cannot be read, or is held. Strings are borrowed.
 * kinds: out, one each, or NULL.
 */
size_t documents_list_problems(const struct documents *documents, struct zkcfg_candidate *candidates,
			       enum problem_kind *kinds);

#endif
