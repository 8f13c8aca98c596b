/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The writing side of one set's segment: take-over, commits, compaction,
 * stamps and status. One publisher a set and host; the second is refused.
 * For one thread at a time.
 */
#ifndef ZKCFG_PUBLISH_PUBLISHER_H
#define ZKCFG_PUBLISH_PUBLISHER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <zkcfg/zkcfg.h>

#include "base/message.h"
#include "segment/control.h"

struct publisher;

struct publisher_options {
	const char *shm_dir;
	const char *set;
	mode_t mode;      /* of the files, as 0644; directories follow */
	gid_t group;      /* (gid_t)-1: leave it */
};

/*
 * Make the set's segment, or take over the one that is there after checking
 * every byte of it. One that does not pass is set aside (its readers are told
 * to come over) and a new one made.
 *
 * ZKCFG_EBUSY with the other daemon's pid in message; ZKCFG_EACCES,
 * ZKCFG_EOWNER, ZKCFG_ENOSPC, ZKCFG_ESYSTEM, ZKCFG_EINVAL, all with message.
 */
int publisher_open(const struct publisher_options *options, struct publisher **publisher,
		   struct message *message);
/* Leaves the segment in place, with what was last published. NULL is allowed. */
void publisher_close(struct publisher *publisher);

/* Newest commit; 0: none yet. */
uint64_t publisher_seq(const struct publisher *publisher);
size_t publisher_document_count(const struct publisher *publisher);
/* The active version, or NULL. Valid until the next commit. */
const struct zkcfg_document *publisher_find(const struct publisher *publisher, const char *name);
/* Every active document; stops at non-zero and returns it. */
int publisher_each(const struct publisher *publisher, int (*tell)(const struct zkcfg_document *document, void *user),
		   void *user);

/* Let seq begin behind this one and take the id over: from last-good, before the first commit only. */
void publisher_resume(struct publisher *publisher, uint64_t seq, const uint8_t segment_id[16]);
void publisher_segment_id(const struct publisher *publisher, uint8_t segment_id[16]);

struct publisher_change {
	const char *name;
	const struct zkcfg_document *document; /* NULL: remove it */
	size_t document_bytes;
};
/*
 * Publish all of it, or nothing. seq: out, may be NULL.
 * Names and documents must not lie in this publisher's own arena, as those of
 * publisher_find() and publisher_each() do: it moves when it grows.
 *
 * ZKCFG_ENOSPC, ZKCFG_ENOMEM, ZKCFG_ESYSTEM, and ZKCFG_EINVAL for a document
 * that is not sound or a name that is there twice, all with message: the last
 * commit stays in force.
 */
int publisher_commit(struct publisher *publisher, const struct publisher_change *changes, size_t change_count,
		     uint64_t *seq, struct message *message);

/*
 * A sign of life, once a second. Also notices when the segment was removed,
 * and makes it anew with the same contents, in a commit of its own. 0, or an
 * error with message.
 */
int publisher_heartbeat(struct publisher *publisher, struct message *message);
/* The source vouched for what is published, at boottime_ns. */
void publisher_verified(struct publisher *publisher, int64_t boottime_ns);
/* How the set hears of changes, and when it last did. */
void publisher_contact(struct publisher *publisher, const struct control_contact *contact);

/* Of the generation that is written now. */
struct publisher_usage {
	uint64_t live_bytes;
	uint64_t garbage_bytes;
	uint64_t compaction_count; /* since the publisher was opened */
};
void publisher_usage(const struct publisher *publisher, struct publisher_usage *usage);

struct publisher_status {
	enum zkcfg_source_state source_state;
	const char *source; /* URI without secrets */
	const char *detail;
	int64_t since_ns;   /* of the source's state; since 1970 */
	const struct zkcfg_candidate *candidates; /* the most important first */
	size_t candidate_count;
};
/* Show this state to readers. As many candidates as fit are kept, and their number. */
void publisher_status(struct publisher *publisher, const struct publisher_status *status);

#endif
