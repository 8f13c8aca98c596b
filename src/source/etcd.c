/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Following etcd: all is read at one revision, then watched from the next one.
 *
 * `revision` is ours: all that happened below the prefix until then was told. A
 * watch goes on from the one behind it, after a lost connection too, so that
 * nothing falls between. Its answers never split a revision but into fragments,
 * of which the last revision waits for the rest: so a settled() behind each
 * answer shows transactions whole.
 *
 * A watch that went silent looks like one with nothing to say. So the server is
 * asked each few seconds, by another request:
 *
 * - The probe counts our keys, from the index, which costs it little. Its header
 *   has the revision R of the whole store. R not above ours: what was told is
 *   all there is. R above ours says nothing yet, as the change may be somebody
 *   else's, below another prefix.
 * - Then the check asks for keys of ours that were modified since our revision,
 *   and for their number in all, at some R. If no key that is there was modified
 *   since, each of them is as we know it: what is there is a part of what was
 *   told. If there are as many as we know, it is all of it: no key was removed
 *   either. (One that was removed and made again is modified; one that came and
 *   went left nothing.) So our revision may move on to R, past other prefixes'
 *   changes and out of reach of compaction. What the watch still brings of
 *   before R is left out.
 * - Else a change is on its way, or lost. If it has not come a second later, the watch
 *   is made anew; if that does not bring it either, all is read anew.
 *
 * For a check the server reads all our documents. So it is not asked for more
 * than ETCD_CHECK_BYTES_PER_S of them, unless the count is not ours, or nothing
 * was verified since a reconnect.
 *
 * A store that went back (another cluster, an older raft term, a revision below
 * ours) is read anew: revisions say nothing across two histories.
 */
#include "source/etcd.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <event2/event.h>

#include "base/clock.h"
#include "base/log.h"
#include "source/etcd_answer.h"
#include "source/etcd_ask.h"
#include "source/etcd_model.h"

#define ETCD_CONNECT_MS 3000
#define ETCD_TIMEOUT_MS 5000
#define ETCD_PAGE_TIMEOUT_MS 60000
#define ETCD_PROBE_NS (5 * CLOCK_NS_PER_S)
/* An event overtakes the answer that shows it, or comes so soon after. */
#define ETCD_GRACE_NS (300 * CLOCK_NS_PER_MS)
#define ETCD_DOUBT_NS CLOCK_NS_PER_S
#define ETCD_CHECK_BYTES_PER_S (1024 * 1024)
/* An audit that met a change is done again. */
#define ETCD_AUDIT_AGAIN_NS (10 * CLOCK_NS_PER_S)
#define ETCD_BACKOFF_NS (100 * CLOCK_NS_PER_MS)
#define ETCD_BACKOFF_MOST_NS (10 * CLOCK_NS_PER_S)
/* So often a token is renewed at once; then it is no use. */
#define ETCD_RENEWALS 2
#define ETCD_PAGE_KEYS 256
/* Without values a page has so many times the keys. */
#define ETCD_PAGE_NAMES 16
/* One document in base64, and what is around it. */
#define ETCD_PAGE_MOST_BYTES (ETCD_DOCUMENT_MOST_BYTES / 3 * 4 + ((size_t)1 << 20))
#define ETCD_LINE_MOST_BYTES ((size_t)64 << 20)
#define ETCD_SMALL_MOST_BYTES ((size_t)1 << 20)

enum etcd_job { JOB_TOKEN, JOB_PAGE, JOB_NAME, JOB_PROBE, JOB_CHECK, JOB_WATCH };

enum scan_kind {
	SCAN_NONE = 0,
	SCAN_ALL,     /* everything, with values */
	SCAN_CHANGES, /* what was modified since our revision, with values */
	SCAN_KEYS,    /* which keys there are */
	SCAN_AUDIT    /* whether they are as they were told */
};

/* A range that is read page by page, all of them at one revision. */
struct scan {
	enum scan_kind kind;
	uint64_t revision;  /* 0: the first page says it */
	struct buffer next; /* the key that the next page begins with; empty: the prefix */
	int64_t boottime_ns;
	bool is_wrong;
};

struct held {
	struct etcd_item *items;
	size_t count, capacity;
};

struct etcd {
	struct source source;
	struct etcd_target target;
	const struct source_events *events;
	void *user;
	struct buffer secret; /* the body of a request for a token; empty: no user */
	struct etcd_model *model;
	struct http *http;
	struct event *timer;
	uint64_t random;

	size_t endpoint;
	char *token;
	bool has_no_users; /* the server says */
	unsigned int renewals, failures;
	int64_t retry_ns; /* nothing is sent before */
	enum source_state state;
	bool is_verified; /* since it was reached */
	int64_t verified_ns;

	uint64_t cluster_id, raft_term, revision;
	bool needs_read, is_distrusted;

	struct http_request *request;
	enum etcd_job job;
	int64_t asked_boottime_ns;
	uint64_t asked_revision; /* ours then */
	struct scan scan;
	uint64_t page_keys;

	struct http_request *stream;
	bool is_created;
	bool has_arrived; /* anything, since a doubt */
	int64_t created_by_ns;
	struct buffer line;
	struct held held; /* of fragments: the last revision, which may go on */

	int64_t probe_ns, check_ns, audit_ns; /* when due; check_ns 0: not */
	int64_t checked_ns;
	bool is_audit_wanted;
	uint64_t pending_revision; /* what a probe saw, and was not told yet; 0: nothing */
	int64_t pending_boottime_ns;
	unsigned int doubts;
	uint64_t doubt_revision, rewatched_revision;
};

static struct etcd *etcd_of(struct source *source)
{
	return (struct etcd *)(void *)source;
}

static const char *etcd_endpoint(const struct etcd *etcd)
{
	return etcd->target.endpoints[etcd->endpoint];
}

static uint64_t etcd_random(struct etcd *etcd)
{
	etcd->random ^= etcd->random << 13;
	etcd->random ^= etcd->random >> 7;
	etcd->random ^= etcd->random << 17;
	return etcd->random;
}

/* Between half of it and all. */
static int64_t etcd_jitter_ns(struct etcd *etcd, int64_t ns)
{
	return ns / 2 + (int64_t)(etcd_random(etcd) % (uint64_t)(ns / 2 + 1));
}

/* --- what is told -------------------------------------------------------------------- */

static void etcd_tell_state(struct etcd *etcd, enum source_state state, const char *detail)
{
	etcd->state = state;
	etcd->events->state(etcd->user, state, detail);
}

static void etcd_reached(struct etcd *etcd)
{
	if (etcd->state != SOURCE_SYNCING && etcd->state != SOURCE_FOLLOWING)
		etcd_tell_state(etcd, SOURCE_SYNCING, "");
}

static void etcd_look_at_state(struct etcd *etcd)
{
	if (etcd->is_verified && (etcd->is_created || etcd->target.pace.is_pull) &&
	    etcd->state != SOURCE_FOLLOWING)
		etcd_tell_state(etcd, SOURCE_FOLLOWING, "");
}

static void etcd_verified(struct etcd *etcd, int64_t boottime_ns)
{
	etcd->failures = etcd->renewals = 0;
	etcd->pending_revision = 0;
	etcd->check_ns = 0;
	etcd->doubts = 0;
	etcd->is_verified = true;
	etcd_look_at_state(etcd);
	if (boottime_ns <= etcd->verified_ns)
		return;
	etcd->verified_ns = boottime_ns;
	etcd->events->verified(etcd->user, boottime_ns);
}

/* Our revision has moved on: what a probe saw may be in it now. */
static void etcd_moved(struct etcd *etcd)
{
	if (etcd->pending_revision > 0 && etcd->revision >= etcd->pending_revision)
		etcd_verified(etcd, etcd->pending_boottime_ns);
}

/* --- giving up, for now ------------------------------------------------------------------ */

static void etcd_drop_held(struct etcd *etcd)
{
	for (size_t i = 0; i < etcd->held.count; i++)
		etcd_item_free(&etcd->held.items[i]);
	etcd->held.count = 0;
}

static void etcd_end_stream(struct etcd *etcd)
{
	http_cancel(etcd->stream);
	etcd->stream = NULL;
	etcd->is_created = false;
	buffer_free(&etcd->line);
	etcd_drop_held(etcd);
}

static void etcd_end_scan(struct etcd *etcd)
{
	etcd->scan.kind = SCAN_NONE;
	buffer_free(&etcd->scan.next);
}

static void etcd_end_request(struct etcd *etcd)
{
	http_cancel(etcd->request);
	etcd->request = NULL;
	etcd_end_scan(etcd);
	etcd->is_audit_wanted = false;
	etcd->check_ns = 0;
	etcd->doubts = 0;
	etcd->pending_revision = 0;
}

/* All is asked for again, from another endpoint, a little later. */
__attribute__((format(printf, 3, 4))) static void etcd_fail(struct etcd *etcd, enum source_state state,
							    const char *format, ...)
{
	int64_t wait_ns = ETCD_BACKOFF_NS << (etcd->failures < 10 ? etcd->failures : 10);
	struct message detail;
	char text[sizeof(detail.text)];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	message_set(&detail, "%s", text);
	if (wait_ns > ETCD_BACKOFF_MOST_NS)
		wait_ns = ETCD_BACKOFF_MOST_NS;
	etcd_end_stream(etcd);
	etcd_end_request(etcd);
	etcd->failures++;
	etcd->is_verified = false;
	etcd->endpoint = (etcd->endpoint + 1) % etcd->target.endpoint_count;
	etcd->retry_ns = clock_monotonic_ns() + etcd_jitter_ns(etcd, wait_ns);
	etcd_tell_state(etcd, state, detail.text);
}

/* What was told is not to be gone on from. */
static void etcd_read_anew(struct etcd *etcd)
{
	etcd_end_stream(etcd);
	etcd_end_request(etcd);
	etcd->needs_read = true;
}

static void etcd_drop_token(struct etcd *etcd)
{
	if (etcd->token)
		explicit_bzero(etcd->token, strlen(etcd->token));
	free(etcd->token);
	etcd->token = NULL;
}

/* It says no, in its own words. */
static void etcd_refused(struct etcd *etcd, int code, const char *words)
{
	bool is_nameless = strstr(words, "user name is empty") != NULL;
	bool is_over = etcd->secret.size_bytes > 0 && (is_nameless || etcd_says_token_is_over(words));

	if (is_over) {
		etcd_drop_token(etcd);
		etcd->has_no_users = false;
	}
	if (is_over && etcd->renewals < ETCD_RENEWALS) {
		etcd->renewals++;
		etcd_end_stream(etcd);
		etcd_end_request(etcd);
		return;
	}
	etcd->renewals = 0;
	if (code == ETCD_DENIED || code == ETCD_UNAUTHENTICATED || etcd_says_denied(words))
		etcd_fail(etcd, SOURCE_REFUSED, "%s: %s%s", etcd_endpoint(etcd), words,
			  is_nameless ? ": a user and password come from a file, as ?auth_file=PATH" : "");
	else
		etcd_fail(etcd, SOURCE_AWAY, "%s: %s", etcd_endpoint(etcd), words);
}

/* --- asking ---------------------------------------------------------------------------- */

static void etcd_answered(void *user, const struct http_answer *answer);

static struct http_request *etcd_post(struct etcd *etcd, const char *path, const struct buffer *body,
				      struct http_call *call)
{
	const char *headers[] = { "Content-Type: application/json", NULL, NULL };
	struct buffer url = { 0 }, header = { 0 };
	struct http_request *request = NULL;

	buffer_printf(&url, "%s%s", etcd_endpoint(etcd), path);
	buffer_append(&url, "", 1);
	buffer_printf(&header, "Authorization: %s", etcd->token ? etcd->token : "");
	buffer_append(&header, "", 1);
	if (!buffer_failed(&url) && !buffer_failed(&header) && !buffer_failed(body)) {
		headers[1] = etcd->token ? header.bytes : NULL;
		call->url = url.bytes;
		call->headers = headers;
		call->body = body->bytes;
		call->body_bytes = body->size_bytes;
		call->connect_timeout_ms = ETCD_CONNECT_MS;
		call->user = etcd;
		request = http_start(etcd->http, call);
	}
	buffer_free(&url);
	buffer_free(&header);
	if (!request)
		etcd_fail(etcd, SOURCE_AWAY, "out of memory for a request");
	return request;
}

static void etcd_ask(struct etcd *etcd, enum etcd_job job, const char *path, const struct buffer *body)
{
	struct http_call call = { .timeout_ms = job == JOB_PAGE ? ETCD_PAGE_TIMEOUT_MS : ETCD_TIMEOUT_MS,
				  .most_bytes =
					  job == JOB_PAGE ? ETCD_PAGE_MOST_BYTES : ETCD_SMALL_MOST_BYTES,
				  .done = etcd_answered };

	etcd->job = job;
	etcd->asked_boottime_ns = clock_boottime_ns();
	etcd->asked_revision = etcd->revision;
	etcd->request = etcd_post(etcd, path, body, &call);
}

static void etcd_ask_for_range(struct etcd *etcd, enum etcd_job job, const struct etcd_range *range)
{
	struct buffer body = { 0 };

	etcd_ask_range(&body, range);
	etcd_ask(etcd, job, "/v3/kv/range", &body);
	buffer_free(&body);
}

static struct etcd_range etcd_whole(const struct etcd *etcd)
{
	return (struct etcd_range){ .key = etcd->target.prefix,
				    .key_bytes = strlen(etcd->target.prefix),
				    .end = etcd->target.end };
}

static void etcd_ask_probe(struct etcd *etcd)
{
	struct etcd_range range = etcd_whole(etcd);

	range.count_only = true;
	etcd_ask_for_range(etcd, JOB_PROBE, &range);
}

static void etcd_ask_check(struct etcd *etcd)
{
	struct etcd_range range = etcd_whole(etcd);

	range.keys_only = true;
	range.limit = 1;
	range.least_modified = etcd->revision + 1;
	etcd->check_ns = 0;
	etcd->checked_ns = clock_monotonic_ns();
	etcd_ask_for_range(etcd, JOB_CHECK, &range);
}

static void etcd_begin_scan(struct etcd *etcd, enum scan_kind kind, uint64_t revision)
{
	etcd_end_scan(etcd);
	etcd->scan.kind = kind;
	etcd->scan.revision = revision;
	etcd->scan.is_wrong = false;
	etcd->scan.boottime_ns = clock_boottime_ns();
	if (kind != SCAN_CHANGES)
		etcd_model_begin_round(etcd->model, kind == SCAN_ALL && etcd->is_distrusted);
}

static bool etcd_scan_has_no_values(const struct etcd *etcd)
{
	return etcd->scan.kind == SCAN_KEYS || etcd->scan.kind == SCAN_AUDIT;
}

/* The next page; or, where one key alone was too much, the name of that. */
static void etcd_ask_page(struct etcd *etcd, enum etcd_job job)
{
	const struct scan *scan = &etcd->scan;
	struct etcd_range range = etcd_whole(etcd);

	if (scan->next.size_bytes > 0) {
		range.key = scan->next.bytes;
		range.key_bytes = scan->next.size_bytes;
	}
	range.revision = scan->revision;
	range.least_modified = scan->kind == SCAN_CHANGES ? etcd->revision + 1 : 0;
	range.keys_only = job == JOB_NAME || etcd_scan_has_no_values(etcd);
	range.limit = job == JOB_NAME ? 1 : etcd->page_keys * (range.keys_only ? ETCD_PAGE_NAMES : 1);
	etcd_ask_for_range(etcd, job, &range);
}

/* --- pages ----------------------------------------------------------------------------- */

/* Whether the store is another one than before, or went back. */
static bool etcd_is_other_history(const struct etcd *etcd, const struct etcd_answer *answer)
{
	return etcd->cluster_id != 0 &&
	       (answer->cluster_id != etcd->cluster_id || answer->raft_term < etcd->raft_term ||
		answer->revision < etcd->asked_revision);
}

/* true: all is read anew. */
static bool etcd_look_at_history(struct etcd *etcd, const struct etcd_answer *answer)
{
	bool is_other = etcd_is_other_history(etcd, answer);

	if (is_other)
		log_warning(
			"%s: the store is not what it was: revision %llu of cluster %llx in term %llu, after "
			"%llu "
			"of %llx in %llu; all is read anew",
			etcd_endpoint(etcd), (unsigned long long)answer->revision,
			(unsigned long long)answer->cluster_id, (unsigned long long)answer->raft_term,
			(unsigned long long)etcd->asked_revision, (unsigned long long)etcd->cluster_id,
			(unsigned long long)etcd->raft_term);
	etcd->cluster_id = answer->cluster_id;
	etcd->raft_term = answer->raft_term;
	if (is_other) {
		etcd_read_anew(etcd);
		etcd->revision = 0;
	}
	return is_other;
}

/* 0, or it was failed. */
static int etcd_take_items(struct etcd *etcd, const struct etcd_item *items, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		int err = etcd_model_take(etcd->model, &items[i]);

		if (err == 0)
			continue;
		etcd->needs_read = true;
		etcd_fail(etcd, SOURCE_AWAY, "%s: %s", etcd_endpoint(etcd),
			  err == -ENOMEM ? "out of memory for its documents"
					 : "it answers with keys that it was not asked for");
		return err;
	}
	return 0;
}

/* All pages are read: what was told is the store at the scan's revision. */
static void etcd_scan_is_told(struct etcd *etcd)
{
	etcd->revision = etcd->scan.revision;
	etcd->needs_read = etcd->is_distrusted = false;
	etcd_end_scan(etcd);
	etcd->events->settled(etcd->user);
	etcd_verified(etcd, etcd->scan.boottime_ns);
}

static void etcd_audited(struct etcd *etcd)
{
	bool is_right = !etcd->scan.is_wrong && etcd_model_all_seen(etcd->model);

	etcd_end_scan(etcd);
	if (etcd->revision != etcd->scan.revision) {
		etcd->audit_ns = clock_monotonic_ns() + etcd_jitter_ns(etcd, ETCD_AUDIT_AGAIN_NS);
		return;
	}
	if (is_right)
		return;
	etcd->is_distrusted = true;
	etcd_read_anew(etcd);
}

static void etcd_scanned(struct etcd *etcd, uint64_t total)
{
	switch (etcd->scan.kind) {
	case SCAN_CHANGES:
		/* what is there is among what we know now; if that is more, the rest is gone */
		if (total == etcd_model_count(etcd->model)) {
			etcd_scan_is_told(etcd);
			break;
		}
		buffer_free(&etcd->scan.next);
		etcd->scan.kind = SCAN_KEYS; /* at the same revision, as of the same time */
		etcd_model_begin_round(etcd->model, false);
		break;
	case SCAN_AUDIT:
		etcd_audited(etcd);
		break;
	default:
		etcd_model_end_round(etcd->model);
		etcd_scan_is_told(etcd);
		break;
	}
}

static int etcd_take_page(struct etcd *etcd, const struct etcd_answer *answer)
{
	switch (etcd->scan.kind) {
	case SCAN_KEYS:
		for (size_t i = 0; i < answer->item_count; i++)
			etcd_model_see(etcd->model, &answer->items[i]);
		return 0;
	case SCAN_AUDIT:
		for (size_t i = 0; i < answer->item_count; i++)
			if (!etcd_model_matches(etcd->model, &answer->items[i]))
				etcd->scan.is_wrong = true;
		return 0;
	default:
		return etcd_take_items(etcd, answer->items, answer->item_count);
	}
}

/* A page, or only the name of a key whose value is beyond what is read. */
static int etcd_take_page_or_name(struct etcd *etcd, const struct etcd_answer *answer)
{
	if (etcd->job == JOB_PAGE)
		return etcd_take_page(etcd, answer);
	etcd->page_keys = ETCD_PAGE_KEYS;
	if (answer->item_count == 0 || etcd_model_take_too_large(etcd->model, &answer->items[0]) == 0)
		return 0;
	etcd_fail(etcd, SOURCE_AWAY, "%s: out of memory for its documents", etcd_endpoint(etcd));
	return -ENOMEM;
}

/* A page begins behind the last key of the one before. */
static void etcd_page(struct etcd *etcd, const struct etcd_answer *answer)
{
	struct scan *scan = &etcd->scan;

	if (scan->kind == SCAN_ALL && scan->revision == 0) {
		etcd->cluster_id = answer->cluster_id;
		etcd->raft_term = answer->raft_term;
	} else if (etcd_look_at_history(etcd, answer)) {
		return;
	}
	if (scan->revision == 0)
		scan->revision = answer->revision;
	etcd_reached(etcd);
	if (etcd_take_page_or_name(etcd, answer) < 0)
		return;
	if (!answer->has_more) {
		etcd_scanned(etcd, answer->total);
		return;
	}
	buffer_clear(&scan->next);
	buffer_append(&scan->next, answer->items[answer->item_count - 1].key,
		      answer->items[answer->item_count - 1].key_bytes + 1);
}

/* --- probe and check --------------------------------------------------------------------- */

/* When the server is asked to read all of ours again; a probe's total that is not ours is worth it. */
static int64_t etcd_check_due_ns(const struct etcd *etcd, uint64_t total)
{
	int64_t now_ns = clock_monotonic_ns();
	int64_t again_ns = etcd->checked_ns +
			   (int64_t)(etcd_model_bytes(etcd->model) / ETCD_CHECK_BYTES_PER_S) * CLOCK_NS_PER_S;

	if (!etcd->is_verified || total != etcd_model_count(etcd->model) || again_ns < now_ns + ETCD_GRACE_NS)
		return now_ns + ETCD_GRACE_NS;
	return again_ns;
}

static void etcd_probed(struct etcd *etcd, const struct etcd_answer *answer)
{
	int64_t check_ns = etcd_check_due_ns(etcd, answer->total);

	if (etcd_look_at_history(etcd, answer))
		return;
	if (answer->revision <= etcd->revision) {
		etcd_verified(etcd, etcd->asked_boottime_ns);
	} else if (etcd->target.pace.is_pull) {
		etcd_begin_scan(etcd, SCAN_CHANGES, 0);
	} else {
		etcd->pending_revision = answer->revision;
		etcd->pending_boottime_ns = etcd->asked_boottime_ns;
		if (etcd->check_ns == 0 || (etcd->doubts == 0 && check_ns < etcd->check_ns))
			etcd->check_ns = check_ns;
	}
}

/* What the server has and we were not told of did not come: the watch is dead, or worse. */
static void etcd_doubt(struct etcd *etcd)
{
	if (etcd->doubts == 0 || etcd->doubt_revision != etcd->revision || etcd->has_arrived) {
		etcd->doubts = 1;
		etcd->has_arrived = false;
		etcd->doubt_revision = etcd->revision;
		etcd->check_ns = clock_monotonic_ns() + ETCD_DOUBT_NS;
		return;
	}
	etcd->doubts = 0;
	if (etcd->rewatched_revision == etcd->revision) {
		log_warning(
			"%s: the watch from revision %llu on does not bring what there is; all is read anew",
			etcd_endpoint(etcd), (unsigned long long)etcd->revision + 1);
		etcd->rewatched_revision = 0;
		etcd->is_distrusted = true;
		etcd_read_anew(etcd);
		return;
	}
	log_warning("%s: the watch has gone silent behind revision %llu; it is made anew",
		    etcd_endpoint(etcd), (unsigned long long)etcd->revision);
	etcd->rewatched_revision = etcd->revision;
	etcd_end_stream(etcd);
	etcd->check_ns = clock_monotonic_ns() + ETCD_DOUBT_NS;
}

static void etcd_checked(struct etcd *etcd, const struct etcd_answer *answer)
{
	bool is_audit = etcd->is_audit_wanted;

	etcd->is_audit_wanted = false;
	if (etcd_look_at_history(etcd, answer))
		return;
	if (answer->revision > etcd->revision) {
		if (answer->item_count > 0 || answer->total != etcd_model_count(etcd->model)) {
			etcd_doubt(etcd);
			return;
		}
		etcd->revision = answer->revision;
	}
	etcd_verified(etcd, etcd->asked_boottime_ns);
	if (is_audit)
		etcd_begin_scan(etcd, SCAN_AUDIT, etcd->revision);
}

/* --- answers --------------------------------------------------------------------------- */

static void etcd_take_token(struct etcd *etcd, const struct http_answer *answer)
{
	struct message message;

	if (etcd_answer_token(answer->body, answer->body_bytes, &etcd->token, &message) < 0)
		etcd_fail(etcd, SOURCE_AWAY, "%s: %s", etcd_endpoint(etcd), message.text);
}

static void etcd_take_range(struct etcd *etcd, const struct http_answer *http)
{
	struct etcd_answer answer;
	struct message message;

	if (etcd_answer_range(http->body, http->body_bytes, &answer, &message) < 0) {
		etcd_fail(etcd, SOURCE_AWAY, "%s: %s", etcd_endpoint(etcd), message.text);
		return;
	}
	if (etcd->job == JOB_PAGE || etcd->job == JOB_NAME)
		etcd_page(etcd, &answer);
	else if (etcd->job == JOB_PROBE)
		etcd_probed(etcd, &answer);
	else
		etcd_checked(etcd, &answer);
	etcd_answer_free(&answer);
}

/* A status that is not 200. */
static void etcd_take_error(struct etcd *etcd, enum etcd_job job, const struct http_answer *answer)
{
	struct etcd_error error;

	if (!etcd_answer_error(answer->body, answer->body_bytes, &error)) {
		etcd_fail(etcd, SOURCE_AWAY, "%s: status %d with \"%.80s\"; expected an etcd, 3.4 or newer",
			  etcd_endpoint(etcd), answer->status, answer->body);
	} else if (job == JOB_TOKEN && error.code == ETCD_NOT_NOW) {
		log_warning("%s: %s: auth_file is not used", etcd_endpoint(etcd), error.text.text);
		etcd->has_no_users = true;
	} else if (job == JOB_PAGE && etcd->scan.kind == SCAN_AUDIT && strstr(error.text.text, "compacted")) {
		etcd_end_scan(etcd); /* the next one, then */
	} else if (job == JOB_PAGE && strstr(error.text.text, "required revision")) {
		etcd_read_anew(etcd);
	} else {
		etcd_refused(etcd, error.code, error.text.text);
	}
}

/* A page that is beyond what is taken at once. */
static void etcd_take_less(struct etcd *etcd, const char *reason)
{
	if (etcd->page_keys > 1)
		etcd->page_keys /= 4;
	else if (etcd_scan_has_no_values(etcd))
		etcd_fail(etcd, SOURCE_AWAY, "%s", reason);
	else
		etcd_ask_page(etcd, JOB_NAME);
}

static void etcd_advance(struct etcd *etcd);

static void etcd_answered(void *user, const struct http_answer *answer)
{
	struct etcd *etcd = user;

	etcd->request = NULL; /* it is gone when this returns */
	if (answer->failure == HTTP_TOO_LARGE && etcd->job == JOB_PAGE)
		etcd_take_less(etcd, answer->reason);
	else if (answer->failure != HTTP_ANSWERED)
		etcd_fail(etcd, SOURCE_AWAY, "%s", answer->reason);
	else if (answer->status != 200)
		etcd_take_error(etcd, etcd->job, answer);
	else if (etcd->job == JOB_TOKEN)
		etcd_take_token(etcd, answer);
	else
		etcd_take_range(etcd, answer);
	etcd_advance(etcd);
}

/* --- the watch ---------------------------------------------------------------------------- */

/* The items become ours. */
static bool etcd_hold(struct etcd *etcd, struct etcd_answer *answer)
{
	struct held *held = &etcd->held;
	size_t needed = held->count + answer->item_count;

	if (needed > held->capacity) {
		struct etcd_item *grown = reallocarray(held->items, needed * 2, sizeof(*grown));

		if (!grown)
			return false;
		held->items = grown;
		held->capacity = needed * 2;
	}
	memcpy(held->items + held->count, answer->items, answer->item_count * sizeof(*answer->items));
	held->count = needed;
	answer->item_count = 0;
	return true;
}

/* Those of whole revisions: all, but for the last of a fragment, as more of it may follow. */
static size_t etcd_whole_count(const struct held *held, bool is_fragment)
{
	size_t count = held->count;

	while (is_fragment && count > 0 &&
	       held->items[count - 1].modified == held->items[held->count - 1].modified)
		count--;
	return count;
}

static void etcd_tell_held(struct etcd *etcd, bool is_fragment)
{
	struct held *held = &etcd->held;
	size_t count = etcd_whole_count(held, is_fragment);
	uint64_t revision = count > 0 ? held->items[count - 1].modified : 0;

	if (revision <= etcd->revision && revision > 0) {
		/* of before a check */
		for (size_t i = 0; i < count; i++)
			etcd_item_free(&held->items[i]);
	} else if (count > 0) {
		for (size_t i = 0; i < count; i++) {
			if (held->items[i].modified > etcd->revision &&
			    etcd_take_items(etcd, &held->items[i], 1) < 0)
				return;
			etcd_item_free(&held->items[i]);
		}
		etcd->revision = revision;
		etcd->events->settled(etcd->user);
	}
	held->count -= count;
	memmove(held->items, held->items + count, held->count * sizeof(*held->items));
	etcd_moved(etcd);
}

static void etcd_watch_canceled(struct etcd *etcd, const struct etcd_answer *answer)
{
	if (answer->compacted > 0) {
		log_notice(
			"%s: revision %llu was compacted before we were told of what came behind it; all is "
			"read "
			"anew",
			etcd_endpoint(etcd), (unsigned long long)etcd->revision + 1);
		etcd_read_anew(etcd);
		return;
	}
	etcd_refused(etcd, -1,
		     answer->reason.text[0] != '\0' ? answer->reason.text : "the watch was canceled");
}

/* Progress: nothing of ours happened until the header's revision but for what came before. */
static void etcd_watch_told(struct etcd *etcd, struct etcd_answer *answer)
{
	if (answer->is_canceled) {
		etcd_watch_canceled(etcd, answer);
	} else if (answer->is_created) {
		etcd->is_created = true;
		etcd->probe_ns = clock_monotonic_ns();
		etcd_reached(etcd);
		etcd_look_at_state(etcd);
	} else if (answer->item_count > 0) {
		etcd->events->contact(etcd->user, SOURCE_TOLD);
		if (etcd_hold(etcd, answer)) {
			etcd_tell_held(etcd, answer->is_fragment);
			return;
		}
		etcd->needs_read = true;
		etcd_fail(etcd, SOURCE_AWAY, "%s: out of memory for its documents", etcd_endpoint(etcd));
	} else if (etcd->held.count == 0 && answer->revision > etcd->revision) {
		etcd->revision = answer->revision;
		etcd_moved(etcd);
	}
}

static void etcd_watch_line(struct etcd *etcd, const char *line, size_t line_bytes)
{
	struct etcd_answer answer;
	struct message message;
	int err = etcd_answer_watch(line, line_bytes, &answer, &message);

	if (err == -EPROTO)
		etcd_refused(etcd, -1, message.text);
	else if (err < 0)
		etcd_fail(etcd, SOURCE_AWAY, "%s: %s", etcd_endpoint(etcd), message.text);
	else
		etcd_watch_told(etcd, &answer);
	if (err == 0)
		etcd_answer_free(&answer);
}

/* Lines, in pieces. What a line leads to may end the stream, and a next one begins elsewhere. */
static void etcd_watch_arrived(void *user, const char *bytes, size_t size_bytes)
{
	struct etcd *etcd = user;
	const char *end;

	etcd->has_arrived = true;
	while (etcd->stream && (end = memchr(bytes, '\n', size_bytes))) {
		size_t line_bytes = (size_t)(end - bytes);
		struct buffer line = etcd->line;

		etcd->line = (struct buffer){ 0 };
		buffer_append(&line, bytes, line_bytes);
		if (buffer_failed(&line))
			etcd_fail(etcd, SOURCE_AWAY, "%s: out of memory for its documents",
				  etcd_endpoint(etcd));
		else if (line.size_bytes > 0)
			etcd_watch_line(etcd, line.bytes, line.size_bytes);
		buffer_free(&line);
		bytes += line_bytes + 1;
		size_bytes -= line_bytes + 1;
	}
	if (etcd->stream)
		buffer_append(&etcd->line, bytes, size_bytes);
	if (buffer_failed(&etcd->line) || etcd->line.size_bytes > ETCD_LINE_MOST_BYTES) {
		etcd->needs_read = true;
		etcd_fail(etcd, SOURCE_AWAY,
			  "%s: one answer of the watch has more than %zu MiB; all is read anew",
			  etcd_endpoint(etcd), ETCD_LINE_MOST_BYTES >> 20);
	}
	etcd_advance(etcd);
}

/* A watch does not end. */
static void etcd_watch_ended(void *user, const struct http_answer *answer)
{
	struct etcd *etcd = user;

	etcd->stream = NULL;
	if (answer->failure == HTTP_TOO_LARGE)
		etcd->needs_read = true; /* it would come again */
	if (answer->failure != HTTP_ANSWERED)
		etcd_fail(etcd, SOURCE_AWAY, "%s", answer->reason);
	else if (answer->status != 200)
		etcd_take_error(etcd, JOB_WATCH, answer);
	else
		etcd_fail(etcd, SOURCE_AWAY, "%s: the watch was ended", etcd_endpoint(etcd));
	etcd_end_stream(etcd);
	etcd_advance(etcd);
}

static void etcd_watch(struct etcd *etcd)
{
	struct http_call call = { .most_bytes = ETCD_LINE_MOST_BYTES,
				  .arrived = etcd_watch_arrived,
				  .done = etcd_watch_ended };
	struct buffer body = { 0 };

	etcd_ask_watch(&body, etcd->target.prefix, etcd->target.end, etcd->revision + 1);
	etcd->created_by_ns = clock_monotonic_ns() + (ETCD_CONNECT_MS + ETCD_TIMEOUT_MS) * CLOCK_NS_PER_MS;
	etcd->stream = etcd_post(etcd, "/v3/watch", &body, &call);
	buffer_free(&body);
}

/* --- what is to be done now ------------------------------------------------------------------ */

static void etcd_audit(struct etcd *etcd, int64_t now_ns)
{
	int64_t wait_ns = pace_wait_ns(&etcd->target.pace, etcd_random(etcd));

	etcd->audit_ns = wait_ns == INT64_MAX ? INT64_MAX : now_ns + wait_ns;
	etcd->events->contact(etcd->user, SOURCE_ASKED);
	etcd->is_audit_wanted = true;
	etcd_ask_check(etcd);
}

/* Ask by ourselves, if it is time to. */
static void etcd_inquire(struct etcd *etcd, int64_t now_ns)
{
	bool is_pull = etcd->target.pace.is_pull;

	if (!is_pull && !etcd->is_created)
		return;
	if (now_ns >= etcd->probe_ns) {
		etcd->probe_ns = now_ns + (is_pull ? pace_wait_ns(&etcd->target.pace, etcd_random(etcd))
						   : etcd_jitter_ns(etcd, ETCD_PROBE_NS));
		if (is_pull)
			etcd->events->contact(etcd->user, SOURCE_ASKED);
		etcd_ask_probe(etcd);
	} else if (etcd->check_ns > 0 && now_ns >= etcd->check_ns) {
		etcd_ask_check(etcd);
	} else if (!is_pull && now_ns >= etcd->audit_ns) {
		etcd_audit(etcd, now_ns);
	}
}

static void etcd_next(struct etcd *etcd, int64_t now_ns)
{
	if (etcd->secret.size_bytes > 0 && !etcd->token && !etcd->has_no_users) {
		etcd_ask(etcd, JOB_TOKEN, "/v3/auth/authenticate", &etcd->secret);
		return;
	}
	if (etcd->scan.kind == SCAN_NONE && etcd->needs_read)
		etcd_begin_scan(etcd, SCAN_ALL, 0);
	if (etcd->scan.kind != SCAN_NONE) {
		etcd_ask_page(etcd, JOB_PAGE);
		return;
	}
	if (!etcd->target.pace.is_pull && !etcd->stream)
		etcd_watch(etcd);
	if (etcd->retry_ns == 0)
		etcd_inquire(etcd, now_ns);
}

static int64_t etcd_least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* When to look again, unless something happens before. */
static int64_t etcd_due_ns(const struct etcd *etcd)
{
	int64_t due_ns = INT64_MAX;

	if (etcd->retry_ns > 0)
		return etcd->retry_ns;
	if (etcd->stream && !etcd->is_created)
		due_ns = etcd->created_by_ns;
	if (etcd->request)
		return due_ns;
	if (etcd->is_created || etcd->target.pace.is_pull)
		due_ns = etcd_least(due_ns, etcd->probe_ns);
	if (etcd->is_created)
		due_ns = etcd_least(due_ns, etcd->audit_ns);
	if (etcd->is_created && etcd->check_ns > 0)
		due_ns = etcd_least(due_ns, etcd->check_ns);
	return due_ns;
}

static void etcd_set_timer(struct etcd *etcd, int64_t due_ns)
{
	int64_t wait_ns = due_ns - clock_monotonic_ns();
	struct timeval wait;

	if (due_ns == INT64_MAX) {
		evtimer_del(etcd->timer);
		return;
	}
	wait_ns = (wait_ns > 0 ? wait_ns : 0) + 999; /* never too early: that would spin */
	wait.tv_sec = wait_ns / CLOCK_NS_PER_S;
	wait.tv_usec = wait_ns % CLOCK_NS_PER_S / 1000;
	evtimer_add(etcd->timer, &wait);
}

/* Whatever happened: do what follows from it and from the time. */
static void etcd_advance(struct etcd *etcd)
{
	int64_t now_ns = clock_monotonic_ns();

	if (etcd->stream && !etcd->is_created && now_ns >= etcd->created_by_ns)
		etcd_fail(etcd, SOURCE_AWAY, "%s: no answer to a watch within %d ms", etcd_endpoint(etcd),
			  ETCD_CONNECT_MS + ETCD_TIMEOUT_MS);
	if (now_ns >= etcd->retry_ns) {
		etcd->retry_ns = 0;
		if (!etcd->request)
			etcd_next(etcd, now_ns);
	}
	etcd_set_timer(etcd, etcd_due_ns(etcd));
}

static void etcd_timed(evutil_socket_t fd, short what, void *user)
{
	(void)fd;
	(void)what;
	etcd_advance(user);
}

/* --- the vtable -------------------------------------------------------------------------------- */

static int etcd_open(const char *uri, const struct source_events *events, void *user, struct source **source,
		     struct message *message)
{
	struct etcd *etcd = calloc(1, sizeof(*etcd));
	int err = -ENOMEM;

	if (!etcd) {
		message_set(message, "out of memory");
		return err;
	}
	etcd->source.ops = &etcd_source;
	etcd->events = events;
	etcd->user = user;
	etcd->state = SOURCE_CONNECTING;
	etcd->needs_read = true;
	etcd->page_keys = ETCD_PAGE_KEYS;
	if (getrandom(&etcd->random, sizeof(etcd->random), GRND_NONBLOCK) < 0 || etcd->random == 0)
		etcd->random = (uint64_t)clock_monotonic_ns() | 1;
	err = etcd_target_parse(uri, &etcd->target, message);
	if (err < 0)
		goto free_etcd;
	etcd->source.mode = pace_mode(&etcd->target.pace);
	etcd->endpoint = etcd_random(etcd) % etcd->target.endpoint_count; /* hosts spread over members */
	etcd->model = etcd_model_new(etcd->target.prefix, events, user);
	if (!etcd->model) {
		err = -ENOMEM;
		message_set(message, "out of memory");
		goto free_target;
	}
	*source = &etcd->source;
	return 0;
free_target:
	etcd_target_free(&etcd->target);
free_etcd:
	free(etcd);
	return err;
}

/* No event is told from here: the first ones come from the timer. */
static int etcd_start(struct source *source, struct event_base *loop, struct message *message)
{
	struct etcd *etcd = etcd_of(source);
	struct http_tls tls = etcd_target_tls(&etcd->target);
	int64_t wait_ns = pace_wait_ns(&etcd->target.pace, etcd_random(etcd));
	int err;

	assert(!etcd->http);
	err = etcd_secret_read(&etcd->target, &etcd->secret, message);
	if (err == 0)
		err = etcd_target_check_files(&etcd->target, message);
	if (err < 0)
		return err;
	etcd->audit_ns = wait_ns == INT64_MAX ? INT64_MAX : clock_monotonic_ns() + wait_ns;
	etcd->http = http_new(loop, &tls);
	etcd->timer = evtimer_new(loop, etcd_timed, etcd);
	if (!etcd->http || !etcd->timer) {
		message_set(message, "no requests to etcd: out of memory");
		return -ENOMEM;
	}
	etcd_set_timer(etcd, 0);
	return 0;
}

static void etcd_refresh(struct source *source)
{
	struct etcd *etcd = etcd_of(source);

	if (etcd->target.pace.is_pull)
		etcd->probe_ns = 0;
	else
		etcd->audit_ns = 0;
	if (!etcd->request)
		etcd_set_timer(etcd, etcd_due_ns(etcd));
}

static void etcd_close(struct source *source)
{
	struct etcd *etcd;

	if (!source)
		return;
	etcd = etcd_of(source);
	etcd_end_stream(etcd);
	etcd_end_request(etcd);
	http_free(etcd->http);
	if (etcd->timer)
		event_free(etcd->timer);
	etcd_model_free(etcd->model);
	free(etcd->held.items);
	etcd_drop_token(etcd);
	etcd_secret_free(&etcd->secret);
	etcd_target_free(&etcd->target);
	free(etcd);
}

const struct source_ops etcd_source = {
	.scheme = "etcd",
	.example = "etcd://127.0.0.1:2379/app",
	.open = etcd_open,
	.start = etcd_start,
	.refresh = etcd_refresh,
	.close = etcd_close,
	.put = etcd_put,
	.remove = etcd_remove,
};

const struct source_ops etcd_tls_source = {
	.scheme = "etcds",
	.example = "etcds://127.0.0.1:2379/app?ca_file=ca.pem",
	.open = etcd_open,
	.start = etcd_start,
	.refresh = etcd_refresh,
	.close = etcd_close,
	.put = etcd_put,
	.remove = etcd_remove,
};
