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
#include "source/source.h"

struct event_base;
struct pipeline;

/* Borrowed until pipeline_close(). */
struct pipeline_parts {
	const struct config_set *set;
	const char *shm_dir;
	const char *state_dir;
	const struct source_ops *source; /* NULL, of a set of several: each has what its URI names */
	struct event_base *loop;
	void (*changed)(void *user); /* how the set stands may have changed: look at pipeline_state() */
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
	bool is_failing;       /* the last commit could not be made and is tried again */
};
void pipeline_state(const struct pipeline *pipeline, struct pipeline_state *state);

/* A candidate's bytes as they were fetched; NULL: that document has none. */
const void *pipeline_candidate_raw(const struct pipeline *pipeline, const char *document, size_t *raw_bytes);

#endif
