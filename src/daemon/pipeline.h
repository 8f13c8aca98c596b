/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One set's road: source -> xml -> publish -> last-good. Nothing else knows
 * this order.
 *
 * What a source reports is checked and compiled at once; what is good waits
 * until the source has settled and the debounce is over, and then becomes one
 * commit. What is bad becomes the candidate; the active version stays. Runs on
 * the loop's thread.
 *
 * A commit may show half of what changed together only where the source, though
 * reached, does not settle within the debounce's maximum: it is cut, and
 * counted. Nothing is cut while the source is away, nor ever in a set with a
 * commit marker.
 */
#ifndef ZKCFG_DAEMON_PIPELINE_H
#define ZKCFG_DAEMON_PIPELINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/message.h"
#include "daemon/config.h"
#include "daemon/documents.h"
#include "daemon/freeze.h"
#include "publish/publisher.h"
#include "source/source.h"

struct event_base;
struct pipeline;

/* What was published; borrowed. */
struct pipeline_commit {
	const char *set;
	uint64_t seq;
	const struct publisher_change *changes; /* one without a document was removed */
	size_t change_count;
	int64_t took_ns; /* since the first of these changes was told */
};

/* Borrowed until pipeline_close(). */
struct pipeline_parts {
	const struct config_set *set;
	const char *shm_dir;
	const char *state_dir;
	const struct source_ops *source; /* NULL, of a set of several: each has what its URI names */
	struct event_base *loop;
	void (*changed)(void *user); /* how the set stands may have changed: look at pipeline_state() */
	void (*committed)(void *user, const struct pipeline_commit *commit); /* NULL: nobody wants to know */
	void *user;
};

/*
 * Take the set's segment over, or make it and fill it from last-good, and
 * begin to follow the source. A source that is away is not an error.
 * A negative enum zkcfg_error with message.
 */
int pipeline_open(const struct pipeline_parts *parts, struct pipeline **pipeline, struct message *message);
/* Stop following, and write last-good. The segment stays. NULL is allowed. */
void pipeline_close(struct pipeline *pipeline);

struct pipeline_state {
	uint64_t seq; /* 0: nothing is served */
	size_t document_count;
	size_t candidate_count;
	enum source_state source_state;
	uint64_t cut_count;    /* commits that did not wait for the source to settle */
	uint64_t repair_count; /* of what the source had missed, and its audit found */
	uint64_t refused_count; /* versions that were fetched and not taken */
	uint64_t loss_count, reconnect_count; /* the source was reached and is not, and is again */
	uint64_t expiry_count;		      /* sessions that expired at the source */
	bool is_failing;       /* the last commit could not be made and is tried again */
	size_t pending_count;  /* changes that wait for a commit */
	enum source_mode source_mode; /* 0: not known yet */
	int64_t told_ns, asked_ns;    /* CLOCK_BOOTTIME; 0: never */
	int64_t verified_ns;	      /* the source's last word, on CLOCK_BOOTTIME; 0: none */
	struct freeze freeze;
	const char *source; /* without secrets; of a set of several sources a line each */
	const char *detail; /* of the source, for people */
};
void pipeline_state(const struct pipeline *pipeline, struct pipeline_state *state);

/* Let the source look at everything now. Returns when that was asked for, on CLOCK_BOOTTIME. */
int64_t pipeline_refresh(struct pipeline *pipeline);
/*
 * Whether all that the source had at that time, or later, was taken: it is
 * published, or refused, or somebody holds it. changed() is called when it may
 * have become so.
 */
bool pipeline_is_current(const struct pipeline *pipeline, int64_t asked_ns);

/* Commit nothing until then (nanoseconds since 1970; 0: no end). A negative errno with message. */
int pipeline_freeze(struct pipeline *pipeline, int64_t until_ns, struct message *message);
int pipeline_thaw(struct pipeline *pipeline, struct message *message);

/*
 * What was refused, cannot be read or waits in a frozen set; the caller frees
 * the array. NULL: no memory. kinds: out, one each, his as well; NULL: not wanted.
 */
struct zkcfg_candidate *pipeline_candidates(const struct pipeline *pipeline, size_t *count,
					    enum problem_kind **kinds);
/* What is published. */
const struct publisher *pipeline_publisher(const struct pipeline *pipeline);

/* A candidate's bytes as they were fetched; NULL: that document has none. */
const void *pipeline_candidate_raw(const struct pipeline *pipeline, const char *document, size_t *raw_bytes);

#endif
