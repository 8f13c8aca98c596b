/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "client/handle.h"

struct zkcfg_status {
	uint64_t seq;
	char segment_id[33];
	struct control_stamps stamps;
	int64_t now_ns; /* CLOCK_BOOTTIME, when it was read */
	const char *source;
	const char *detail;
	struct zkcfg_candidate *candidates;
	struct layout_status text;
};

/* Takes strings and records off the text, with its end in view. */
struct status_reader {
	const uint8_t *at;
	const uint8_t *end;
};

static const char *status_string(struct status_reader *reader)
{
	const char *string = (const char *)reader->at;
	const uint8_t *nul = memchr(reader->at, '\0', (size_t)(reader->end - reader->at));

	if (!nul)
		return NULL;
	reader->at = nul + 1;
	return string;
}

static bool status_candidate(struct status_reader *reader, struct zkcfg_candidate *candidate)
{
	struct layout_candidate head;

	if ((size_t)(reader->end - reader->at) < sizeof(head))
		return false;
	memcpy(&head, reader->at, sizeof(head));
	reader->at += sizeof(head);
	candidate->revision = head.revision;
	candidate->since_ns = head.since_ns;
	candidate->line = head.line;
	candidate->column = head.column;
	candidate->document = status_string(reader);
	candidate->reason = candidate->document ? status_string(reader) : NULL;
	return candidate->reason != NULL;
}

static int status_parse(struct zkcfg_status *status)
{
	struct status_reader reader = { .at = status->text.text, .end = status->text.text + status->text.text_bytes };

	status->source = status->detail = "";
	if (status->text.version == 0)
		return 0;
	status->source = status_string(&reader);
	status->detail = status->source ? status_string(&reader) : NULL;
	if (!status->detail || status->text.candidate_kept > LAYOUT_STATUS_BYTES / sizeof(struct layout_candidate))
		return ZKCFG_ECORRUPT;
	status->candidates = calloc((size_t)status->text.candidate_kept + 1, sizeof(*status->candidates));
	if (!status->candidates)
		return ZKCFG_ENOMEM;
	for (uint32_t i = 0; i < status->text.candidate_kept; i++)
		if (!status_candidate(&reader, &status->candidates[i]))
			return ZKCFG_ECORRUPT;
	return 0;
}

int zkcfg_status_read(struct zkcfg *cfg, struct zkcfg_status **status)
{
	struct zkcfg_status *made;
	uint8_t segment_id[16];
	struct timespec now;
	int err;

	if (!cfg || !status)
		return ZKCFG_EINVAL;
	made = calloc(1, sizeof(*made));
	if (!made)
		return ZKCFG_ENOMEM;
	/* all of it from one segment: nobody attaches anew meanwhile */
	pthread_mutex_lock(&cfg->lock);
	if (handle_is_doubtful(cfg))
		handle_follow(cfg);
	made->seq = control_seq(&cfg->control);
	control_segment_id(&cfg->control, segment_id);
	for (int i = 0; i < 16; i++)
		snprintf(made->segment_id + 2 * i, 3, "%02x", segment_id[i]);
	control_stamps(&cfg->control, &made->stamps);
	clock_gettime(CLOCK_BOOTTIME, &now);
	made->now_ns = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
	err = control_copy_status(&cfg->control, &made->text);
	pthread_mutex_unlock(&cfg->lock);
	if (err == 0)
		err = status_parse(made);
	if (err < 0) {
		zkcfg_status_free(made);
		return err;
	}
	*status = made;
	return 0;
}

void zkcfg_status_free(struct zkcfg_status *status)
{
	if (!status)
		return;
	free(status->candidates);
	free(status);
}

uint64_t zkcfg_status_seq(const struct zkcfg_status *status)
{
	return status->seq;
}

const char *zkcfg_status_segment_id(const struct zkcfg_status *status)
{
	return status->segment_id;
}

enum zkcfg_source_state zkcfg_status_source_state(const struct zkcfg_status *status)
{
	if (status->stamps.source_state > ZKCFG_SOURCE_REFUSED)
		return ZKCFG_SOURCE_NONE;
	return (enum zkcfg_source_state)status->stamps.source_state;
}

const char *zkcfg_status_source(const struct zkcfg_status *status)
{
	return status->source;
}

const char *zkcfg_status_detail(const struct zkcfg_status *status)
{
	return status->detail;
}

int64_t zkcfg_status_since_ns(const struct zkcfg_status *status)
{
	return status->text.since_ns;
}

/* Milliseconds from a stamp to when the status was read. */
static int64_t status_age_ms(const struct zkcfg_status *status, int64_t stamp_ns)
{
	if (stamp_ns <= 0)
		return -1;
	return stamp_ns < status->now_ns ? (status->now_ns - stamp_ns) / 1000000 : 0;
}

int64_t zkcfg_status_unverified_ms(const struct zkcfg_status *status)
{
	return status_age_ms(status, status->stamps.verified_ns);
}

int64_t zkcfg_status_daemon_age_ms(const struct zkcfg_status *status)
{
	return status_age_ms(status, status->stamps.heartbeat_ns);
}

int64_t zkcfg_status_daemon_pid(const struct zkcfg_status *status)
{
	return status->stamps.daemon_pid;
}

enum zkcfg_source_mode zkcfg_status_source_mode(const struct zkcfg_status *status)
{
	if (status->stamps.source_mode > ZKCFG_MODE_PUSH_AND_PULL)
		return ZKCFG_MODE_NONE;
	return (enum zkcfg_source_mode)status->stamps.source_mode;
}

int64_t zkcfg_status_told_ms(const struct zkcfg_status *status)
{
	return status_age_ms(status, status->stamps.told_ns);
}

int64_t zkcfg_status_asked_ms(const struct zkcfg_status *status)
{
	return status_age_ms(status, status->stamps.asked_ns);
}

uint64_t zkcfg_status_repair_count(const struct zkcfg_status *status)
{
	return status->stamps.repair_count;
}

size_t zkcfg_status_candidate_count(const struct zkcfg_status *status)
{
	return status->text.candidate_count;
}

int zkcfg_status_candidate(const struct zkcfg_status *status, size_t index, struct zkcfg_candidate *candidate)
{
	if (index >= status->text.candidate_kept)
		return ZKCFG_EEND;
	*candidate = status->candidates[index];
	return 0;
}
