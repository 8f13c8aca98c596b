/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/pipeline.h"

#include <errno.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include <event2/event.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/log.h"
#include "publish/lastgood.h"
#include "publish/publisher.h"
#include "segment/document.h"
#include "xml/compile.h"
#include "xml/schema.h"

/* A first sync may take so long before it is shown unfinished. */
#define FIRST_SYNC_NS (10 * CLOCK_NS_PER_S)
#define LASTGOOD_EVERY_NS CLOCK_NS_PER_S
/* A commit at the start waits so long for the disk to know that last-good is not the last word any more. */
#define LASTGOOD_REOPEN_MS 2000
/* seq goes on so far behind a last-good that was not the last word: no number is given twice. */
#define SEQ_GAP UINT64_C(1048576)
/* What memory did not suffice for is asked for again after so long. */
#define REFETCH_NS (5 * CLOCK_NS_PER_S)

/* What there is to say of a document that is not as the source has it. */
struct problem {
	char *reason; /* NULL: none */
	uint64_t revision;
	int64_t since_ns;
	uint32_t line;
	uint32_t column;
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
	bool is_going;	   /* to be removed by the next commit */
	bool is_answering; /* what is pending came after the candidate */
	struct problem candidate;
	void *candidate_raw;
	size_t candidate_raw_bytes;
	struct problem trouble;
	char name[];
};

TAILQ_HEAD(tracked_list, tracked);

struct pipeline {
	struct pipeline_parts parts;
	const struct config_set *set;
	struct publisher *publisher;
	struct lastgood *lastgood;
	struct xml_schema *schema;
	struct source *source;
	struct event *tick;
	struct event *commit_timer;
	struct event *status_timer;

	void *entries; /* of tsearch(3), by name */
	struct tracked_list problems;
	size_t problem_count;
	struct tracked_list changes;
	size_t change_count;

	bool is_published;   /* readers have something */
	bool is_commit_owed; /* of last-good, even if that is of no document */
	bool is_settled;
	bool is_synced;		 /* settled once in this round */
	bool is_sweep_owed;	 /* what was not seen in this round has to be looked at */
	uint32_t round;		 /* how often the source was started */
	int64_t refetch_ns;	 /* when to start it again; 0: no need */
	int64_t first_change_ns; /* of those that wait */
	int64_t last_change_ns;
	uint64_t cut_count;

	enum source_state source_state;
	char source_text[512];
	char source_detail[512];
	int64_t source_since_ns;
	struct message commit_trouble; /* "": none; so are the others */
	struct message segment_trouble;
	struct message lastgood_trouble; /* of loading, until the source has vouched */
	struct message store_trouble;	 /* of storing, as it was shown last */

	int64_t stored_ns;
	bool is_store_owed;
};

/* The status is shown once for all that happens in one turn of the loop. */
static void pipeline_touch_status(struct pipeline *pipeline)
{
	static const struct timeval now;

	event_add(pipeline->status_timer, &now);
}

/*
 * Entries
 */

static int entry_compare(const void *a, const void *b)
{
	const struct tracked *left = a, *right = b;

	return strcmp(left->name, right->name);
}

static struct tracked *entry_new(const char *name)
{
	size_t name_bytes = strlen(name) + 1;
	struct tracked *entry = calloc(1, sizeof(*entry) + name_bytes);

	if (entry)
		memcpy(entry->name, name, name_bytes);
	return entry;
}

static void entry_free(void *pointer)
{
	struct tracked *entry = pointer;

	free(entry->pending);
	free(entry->candidate.reason);
	free(entry->candidate_raw);
	free(entry->trouble.reason);
	free(entry);
}

static struct tracked *pipeline_find(const struct pipeline *pipeline, const char *name)
{
	struct tracked *wanted = entry_new(name), **found;

	if (!wanted)
		return NULL;
	found = tfind(wanted, &pipeline->entries, entry_compare);
	free(wanted);
	return found ? *found : NULL;
}

/* Nothing is lost for good: the source is asked anew for all it has. */
static void pipeline_out_of_memory(struct pipeline *pipeline, const char *name)
{
	log_error("set %s: document %s: out of memory; all documents are fetched again in %d s",
		  pipeline->set->name, name, (int)(REFETCH_NS / CLOCK_NS_PER_S));
	pipeline->refetch_ns = clock_monotonic_ns() + REFETCH_NS;
}

/* The entry of a name, made if there is none. NULL: out of memory, which is seen to. */
static struct tracked *pipeline_entry(struct pipeline *pipeline, const char *name)
{
	struct tracked *wanted = entry_new(name), **found;

	found = wanted ? tsearch(wanted, &pipeline->entries, entry_compare) : NULL;
	if (!found) {
		free(wanted);
		pipeline_out_of_memory(pipeline, name);
		return NULL;
	}
	if (*found != wanted)
		free(wanted);
	return *found;
}

/* Nothing is to be remembered of it: documents that come and go leave nothing behind. */
static void pipeline_forget(struct pipeline *pipeline, struct tracked *entry)
{
	if (entry->is_problem || entry->is_changed || pipeline->is_sweep_owed)
		return;
	tdelete(entry, &pipeline->entries, entry_compare);
	entry_free(entry);
}

/* It is among the problems, or no longer. */
static void entry_mark_problem(struct pipeline *pipeline, struct tracked *entry)
{
	bool is_problem = entry->candidate.reason || entry->trouble.reason;

	pipeline_touch_status(pipeline);
	if (is_problem == entry->is_problem)
		return;
	entry->is_problem = is_problem;
	if (is_problem) {
		TAILQ_INSERT_TAIL(&pipeline->problems, entry, problem_link);
		pipeline->problem_count++;
	} else {
		TAILQ_REMOVE(&pipeline->problems, entry, problem_link);
		pipeline->problem_count--;
	}
}

/* It is among the next commit's changes, or no longer. */
static void entry_mark_changed(struct pipeline *pipeline, struct tracked *entry)
{
	bool is_changed = entry->pending || entry->is_going;

	pipeline->last_change_ns = clock_monotonic_ns();
	if (is_changed == entry->is_changed)
		return;
	entry->is_changed = is_changed;
	if (is_changed) {
		if (pipeline->change_count++ == 0)
			pipeline->first_change_ns = pipeline->last_change_ns;
		TAILQ_INSERT_TAIL(&pipeline->changes, entry, change_link);
	} else {
		TAILQ_REMOVE(&pipeline->changes, entry, change_link);
		pipeline->change_count--;
	}
}

static void entry_set_pending(struct pipeline *pipeline, struct tracked *entry,
			      struct zkcfg_document *document, size_t document_bytes)
{
	free(entry->pending);
	entry->pending = document;
	entry->pending_bytes = document_bytes;
	entry->is_answering = document != NULL;
	entry->is_going = false;
	entry_mark_changed(pipeline, entry);
}

/*
 * Problems: candidates, and what cannot be read
 */

static void problem_clear(struct problem *problem)
{
	free(problem->reason);
	*problem = (struct problem){ 0 };
}

/* false: it is known already. */
static bool problem_set(struct problem *problem, const struct problem *what)
{
	char *reason;

	if (problem->reason && problem->revision == what->revision &&
	    strcmp(problem->reason, what->reason) == 0 && problem->line == what->line &&
	    problem->column == what->column)
		return false;
	reason = strdup(what->reason);
	problem_clear(problem);
	*problem = *what;
	problem->reason = reason; /* without memory it is in the log only */
	problem->since_ns = clock_realtime_ns();
	return true;
}

static void candidate_clear(struct pipeline *pipeline, struct tracked *entry)
{
	if (!entry->candidate.reason)
		return;
	problem_clear(&entry->candidate);
	free(entry->candidate_raw);
	entry->candidate_raw = NULL;
	entry->candidate_raw_bytes = 0;
	entry_mark_problem(pipeline, entry);
}

/* "set app: document a.xml, revision 7, 3:12: reason; still serving revision 5" */
static void pipeline_log_problem(const struct pipeline *pipeline, const char *name,
				 const struct problem *what)
{
	const struct zkcfg_document *active = publisher_find(pipeline->publisher, name);
	char revision[40] = "", place[32] = "", serving[64] = "not served";

	if (what->revision > 0)
		snprintf(revision, sizeof(revision), ", revision %llu", (unsigned long long)what->revision);
	if (what->line > 0)
		snprintf(place, sizeof(place), ", %u:%u", what->line, what->column);
	if (active)
		snprintf(serving, sizeof(serving), "still serving revision %llu",
			 (unsigned long long)zkcfg_document_revision(active));
	log_warning("set %s: document %s%s%s: %s; %s", pipeline->set->name, name, revision, place,
		    what->reason, serving);
}

static void candidate_set(struct pipeline *pipeline, struct tracked *entry, const struct problem *what,
			  const void *raw, size_t raw_bytes)
{
	entry->is_answering = false;
	if (!problem_set(&entry->candidate, what))
		return;
	free(entry->candidate_raw);
	entry->candidate_raw = raw_bytes > 0 ? malloc(raw_bytes) : NULL;
	entry->candidate_raw_bytes = entry->candidate_raw ? raw_bytes : 0;
	if (entry->candidate_raw)
		memcpy(entry->candidate_raw, raw, raw_bytes);
	entry_mark_problem(pipeline, entry);
	pipeline_log_problem(pipeline, entry->name, what);
}

/* Of the name itself, or of one that it lies below. */
static bool pipeline_is_in_trouble(const struct pipeline *pipeline, const char *name)
{
	const struct tracked *entry;

	TAILQ_FOREACH(entry, &pipeline->problems, problem_link) {
		size_t bytes = strlen(entry->name);

		if (entry->trouble.reason && strncmp(entry->name, name, bytes) == 0 &&
		    (bytes == 0 || name[bytes] == '\0' || name[bytes] == '/'))
			return true;
	}
	return false;
}

/*
 * Status
 */

static void detail_add(char *detail, size_t detail_bytes, const char *text)
{
	size_t used = strlen(detail);

	if (text[0] != '\0')
		snprintf(detail + used, detail_bytes - used, "%s%s", used > 0 ? "; " : "", text);
}

static void pipeline_detail(const struct pipeline *pipeline, char *detail, size_t detail_bytes)
{
	char cut[96] = "";

	if (pipeline->cut_count > 0)
		snprintf(cut, sizeof(cut), "%llu commits cut: the source did not settle in time",
			 (unsigned long long)pipeline->cut_count);
	detail[0] = '\0';
	detail_add(detail, detail_bytes, pipeline->commit_trouble.text);
	detail_add(detail, detail_bytes, pipeline->segment_trouble.text);
	detail_add(detail, detail_bytes, pipeline->source_detail);
	detail_add(detail, detail_bytes, pipeline->store_trouble.text);
	detail_add(detail, detail_bytes, pipeline->lastgood_trouble.text);
	detail_add(detail, detail_bytes, cut);
}

/* What was refused comes first: it waits for somebody. Then what cannot be read, or is held. */
static size_t status_candidates(const struct pipeline *pipeline, struct zkcfg_candidate *candidates)
{
	const struct tracked *entry;
	size_t count = 0;

	for (int pass = 0; pass < 2; pass++) {
		TAILQ_FOREACH(entry, &pipeline->problems, problem_link) {
			const struct problem *problem = &entry->candidate;

			if ((entry->candidate_raw == NULL) != (pass == 1))
				continue;
			if (entry->trouble.reason && entry->trouble.since_ns >= problem->since_ns)
				problem = &entry->trouble; /* the newer of the two */
			candidates[count++] = (struct zkcfg_candidate){ .document = entry->name,
									.reason = problem->reason,
									.revision = problem->revision,
									.since_ns = problem->since_ns,
									.line = problem->line,
									.column = problem->column };
		}
	}
	return count;
}

static void pipeline_show_status(struct pipeline *pipeline)
{
	struct zkcfg_candidate *candidates = calloc(pipeline->problem_count + 1, sizeof(*candidates));
	struct publisher_status status = { .source_state = (enum zkcfg_source_state)pipeline->source_state,
					   .source = pipeline->source_text,
					   .since_ns = pipeline->source_since_ns,
					   .candidates = candidates };
	char detail[1024];

	pipeline_detail(pipeline, detail, sizeof(detail));
	status.detail = detail;
	status.candidate_count = candidates ? status_candidates(pipeline, candidates) : 0;
	publisher_status(pipeline->publisher, &status);
	free(candidates);
	if (pipeline->parts.changed)
		pipeline->parts.changed(pipeline->parts.user);
}

static void on_status(evutil_socket_t fd, short what, void *user)
{
	(void)fd, (void)what;
	pipeline_show_status(user);
}

/*
 * Last-good, after a commit
 */

static int store_document(const struct zkcfg_document *document, void *user)
{
	lastgood_add(user, document);
	return 0;
}

static void pipeline_store(struct pipeline *pipeline, bool is_final)
{
	struct lastgood_head head = { .seq = publisher_seq(pipeline->publisher), .is_final = is_final };
	struct buffer bytes = { 0 };

	pipeline->stored_ns = clock_monotonic_ns();
	publisher_segment_id(pipeline->publisher, head.segment_id);
	lastgood_begin(&bytes, &head);
	publisher_each(pipeline->publisher, store_document, &bytes);
	lastgood_end(&bytes);
	if (buffer_failed(&bytes)) {
		log_error("set %s: out of memory for last-good: it stays as it was", pipeline->set->name);
		buffer_free(&bytes);
		return;
	}
	lastgood_store(pipeline->lastgood, &bytes);
	pipeline->is_store_owed = false;
}

/* The newest is written, but not each: what came in between while the disk was busy is passed over. */
static void pipeline_store_in_time(struct pipeline *pipeline)
{
	if (pipeline->is_store_owed && lastgood_idle(pipeline->lastgood) &&
	    clock_monotonic_ns() - pipeline->stored_ns >= LASTGOOD_EVERY_NS)
		pipeline_store(pipeline, false);
}

/* How the last one went; it was written on another thread. */
static void pipeline_look_at_store(struct pipeline *pipeline)
{
	struct message trouble;

	lastgood_trouble(pipeline->lastgood, &trouble);
	if (strcmp(trouble.text, pipeline->store_trouble.text) == 0)
		return;
	if (trouble.text[0] != '\0')
		log_error("set %s: %s; the one before stays", pipeline->set->name, trouble.text);
	else
		log_notice("set %s: last-good is written again", pipeline->set->name);
	pipeline->store_trouble = trouble;
}

/*
 * Commits
 */

/* The changes are published: their entries wait for nothing any more. */
static size_t pipeline_committed(struct pipeline *pipeline)
{
	struct tracked *entry;
	size_t removed_count = 0;

	while ((entry = TAILQ_FIRST(&pipeline->changes))) {
		bool is_answered = entry->is_answering || entry->is_going;

		removed_count += entry->is_going;
		TAILQ_REMOVE(&pipeline->changes, entry, change_link);
		pipeline->change_count--;
		entry->is_changed = entry->is_going = entry->is_answering = false;
		free(entry->pending);
		entry->pending = NULL;
		if (is_answered)
			candidate_clear(pipeline, entry);
		pipeline_forget(pipeline, entry);
	}
	return removed_count;
}

static int pipeline_publish(struct pipeline *pipeline, uint64_t *seq, struct message *message)
{
	struct publisher_change *changes = calloc(pipeline->change_count + 1, sizeof(*changes));
	const struct tracked *entry;
	size_t count = 0;
	int err;

	if (!changes) {
		message_set(message, "out of memory for a commit of %zu changes", pipeline->change_count);
		return ZKCFG_ENOMEM;
	}
	TAILQ_FOREACH(entry, &pipeline->changes, change_link)
		changes[count++] = (struct publisher_change){ .name = entry->name,
							      .document = entry->pending,
							      .document_bytes = entry->pending_bytes };
	err = publisher_commit(pipeline->publisher, changes, count, seq, message);
	free(changes);
	return err;
}

/* Nothing of it is published; what waits goes on waiting, for the next tick. */
static void pipeline_commit_failed(struct pipeline *pipeline, const struct message *message)
{
	if (strcmp(pipeline->commit_trouble.text, message->text) != 0)
		log_error("set %s: %s; tried again each second", pipeline->set->name, message->text);
	pipeline->commit_trouble = *message;
	pipeline_touch_status(pipeline);
}

static void pipeline_commit(struct pipeline *pipeline)
{
	bool is_cut = !pipeline->is_settled && !pipeline->is_commit_owed;
	size_t change_count = pipeline->change_count, removed_count;
	struct message message;
	uint64_t seq;

	if (pipeline_publish(pipeline, &seq, &message) < 0) {
		pipeline_commit_failed(pipeline, &message);
		return;
	}
	pipeline->commit_trouble.text[0] = '\0';
	pipeline->is_published = true;
	pipeline->is_commit_owed = false;
	pipeline->cut_count += is_cut;
	removed_count = pipeline_committed(pipeline);
	log_info("set %s: commit %llu: %zu changed, %zu removed, %zu documents, "
		 "%lld ms after the first change%s",
		 pipeline->set->name, (unsigned long long)seq, change_count - removed_count, removed_count,
		 publisher_document_count(pipeline->publisher),
		 (long long)((clock_monotonic_ns() - pipeline->first_change_ns) / CLOCK_NS_PER_MS),
		 is_cut ? "; commit cut: the source did not settle in time" : "");
	pipeline->is_store_owed = true;
	pipeline_store_in_time(pipeline);
	pipeline_touch_status(pipeline);
}

/*
 * When what waits has to be published: once the source has settled and the
 * debounce's minimum was quiet, and at the latest its maximum after the first
 * change, settled or not.
 */
static int64_t pipeline_due_ns(const struct pipeline *pipeline)
{
	const struct config_set *set = pipeline->set;
	int64_t max_ms = set->debounce_max_ms > 0 ? set->debounce_max_ms : CONFIG_DEBOUNCE_MAX_MS;
	int64_t min_ns = set->debounce_min_ms * CLOCK_NS_PER_MS, max_ns = max_ms * CLOCK_NS_PER_MS, quiet_ns,
		cut_ns;

	if (max_ns < min_ns)
		max_ns = min_ns;
	if (!pipeline->is_synced && max_ns < FIRST_SYNC_NS)
		max_ns = FIRST_SYNC_NS;
	cut_ns = pipeline->first_change_ns + max_ns;
	quiet_ns = pipeline->last_change_ns + min_ns;
	return pipeline->is_settled && quiet_ns < cut_ns ? quiet_ns : cut_ns;
}

/* Commit what waits, if it is time; else see to it that we come back when it is. */
static void pipeline_schedule(struct pipeline *pipeline)
{
	int64_t wait_ns;
	struct timeval wait;

	if (pipeline->change_count == 0 && !pipeline->is_commit_owed) {
		event_del(pipeline->commit_timer);
		if (pipeline->commit_trouble.text[0] != '\0')
			pipeline_touch_status(pipeline);
		pipeline->commit_trouble.text[0] = '\0';
		return;
	}
	if (pipeline->commit_trouble.text[0] != '\0')
		return; /* the tick tries again */
	wait_ns = pipeline_due_ns(pipeline) - clock_monotonic_ns();
	if (wait_ns <= 0) {
		event_del(pipeline->commit_timer);
		pipeline_commit(pipeline);
		return;
	}
	wait_ns += 999; /* not early by less than a microsecond */
	wait.tv_sec = wait_ns / CLOCK_NS_PER_S;
	wait.tv_usec = wait_ns % CLOCK_NS_PER_S / 1000;
	event_add(pipeline->commit_timer, &wait);
}

static void on_commit_timer(evutil_socket_t fd, short what, void *user)
{
	(void)fd, (void)what;
	pipeline_schedule(user);
}

/*
 * What the source tells
 */

/* It is gone, or empty. how: "removed at the source", for people. */
static void pipeline_vanished(struct pipeline *pipeline, struct tracked *entry, uint64_t revision,
			      const char *how)
{
	bool is_active = publisher_find(pipeline->publisher, entry->name) != NULL;
	struct problem what = { .revision = revision };
	char text[160];

	if (is_active && pipeline->set->on_delete == CONFIG_HOLD) {
		snprintf(text, sizeof(text), "%s; held (on-delete=hold)", how);
		what.reason = text;
		candidate_set(pipeline, entry, &what, NULL, 0);
		return;
	}
	entry_set_pending(pipeline, entry, NULL, 0);
	entry->is_going = is_active;
	entry_mark_changed(pipeline, entry);
	if (is_active)
		log_notice("set %s: document %s: %s, and so from the set (on-delete=remove)",
			   pipeline->set->name, entry->name, how);
	else
		candidate_clear(pipeline, entry); /* it was never served: nothing is amiss */
}

/* Check and compile a version. false: it is the candidate now, or will be fetched again. */
static bool pipeline_compile(struct pipeline *pipeline, struct tracked *entry, const void *bytes,
			     size_t size_bytes, const struct source_revision *revision,
			     struct zkcfg_document **document, size_t *document_bytes)
{
	struct document_origin origin = { .name = entry->name,
					  .created = revision->created,
					  .revision = revision->modified,
					  .version = revision->version };
	struct problem what = { .revision = revision->modified };
	struct xml_fault fault = { .reason = "" };
	int err;

	err = xml_compile(&origin, bytes, size_bytes, &pipeline->set->limits, document, document_bytes,
			  &fault);
	if (err == 0 && pipeline->schema) {
		err = xml_schema_check(pipeline->schema, bytes, size_bytes, &fault);
		if (err < 0)
			free(*document);
	}
	if (err == 0)
		return true;
	if (err == ZKCFG_ENOMEM) {
		pipeline_out_of_memory(pipeline, entry->name);
		return false;
	}
	what.reason = fault.reason;
	what.line = fault.line;
	what.column = fault.column;
	candidate_set(pipeline, entry, &what, bytes, size_bytes);
	return false;
}

enum standing { STANDING_OLDER, STANDING_SAME, STANDING_NEWER };

/* How a version stands to the newest one that was accepted, published or not yet. */
static enum standing pipeline_standing(const struct pipeline *pipeline, const struct tracked *entry,
				       const struct source_revision *revision, uint64_t *known)
{
	const struct zkcfg_document *newest = entry->pending;

	if (!newest)
		newest = publisher_find(pipeline->publisher, entry->name);
	if (!newest)
		return STANDING_NEWER;
	*known = zkcfg_document_revision(newest);
	if (revision->modified < *known)
		return STANDING_OLDER;
	if (revision->modified == *known && revision->created == document_created(newest))
		return STANDING_SAME;
	return STANDING_NEWER;
}

static void pipeline_went_back(struct pipeline *pipeline, struct tracked *entry, const void *bytes,
			       size_t size_bytes, uint64_t revision, uint64_t known)
{
	struct problem what = { .revision = revision };
	char text[128];

	snprintf(text, sizeof(text), "the source went back: revision %llu was accepted before",
		 (unsigned long long)known);
	what.reason = text;
	candidate_set(pipeline, entry, &what, bytes, size_bytes);
}

static void pipeline_take(struct pipeline *pipeline, struct tracked *entry, const void *bytes,
			  size_t size_bytes, const struct source_revision *revision)
{
	struct zkcfg_document *document;
	size_t document_bytes;
	uint64_t known;
	enum standing standing = pipeline_standing(pipeline, entry, revision, &known);

	if (standing == STANDING_OLDER) {
		pipeline_went_back(pipeline, entry, bytes, size_bytes, revision->modified, known);
	} else if (size_bytes == 0) {
		pipeline_vanished(pipeline, entry, revision->modified, "empty at the source");
		return;
	} else if (standing == STANDING_SAME) {
		candidate_clear(pipeline, entry);
	} else if (pipeline_compile(pipeline, entry, bytes, size_bytes, revision, &document,
				    &document_bytes)) {
		entry_set_pending(pipeline, entry, document, document_bytes);
	}
	if (entry->is_going) { /* whatever became of it: the source has it again */
		entry->is_going = false;
		entry_mark_changed(pipeline, entry);
	}
}

/* Something new begins. What had settled and is due goes first, without half of the new. */
static void pipeline_unsettle(struct pipeline *pipeline)
{
	if (pipeline->is_settled)
		pipeline_schedule(pipeline);
	pipeline->is_settled = false;
}

static void on_document(void *user, const char *name, const void *bytes, size_t size_bytes,
			const struct source_revision *revision)
{
	struct pipeline *pipeline = user;
	struct tracked *entry;

	pipeline_unsettle(pipeline);
	entry = pipeline_entry(pipeline, name);
	if (!entry)
		return;
	entry->seen_in = pipeline->round;
	pipeline_take(pipeline, entry, bytes, size_bytes, revision);
	pipeline_forget(pipeline, entry);
	pipeline_schedule(pipeline);
}

static void on_removed(void *user, const char *name)
{
	struct pipeline *pipeline = user;
	struct tracked *entry;

	pipeline_unsettle(pipeline);
	entry = pipeline_entry(pipeline, name);
	if (!entry)
		return;
	entry->seen_in = pipeline->round; /* what became of it is known, and is not looked at again */
	pipeline_vanished(pipeline, entry, 0, "removed at the source");
	pipeline_forget(pipeline, entry);
	pipeline_schedule(pipeline);
}

static void on_trouble(void *user, const char *name, const char *reason)
{
	struct pipeline *pipeline = user;
	struct tracked *entry = pipeline_entry(pipeline, name);
	char text[512];
	struct problem what = { .reason = text };

	if (!entry)
		return;
	if (reason) {
		snprintf(text, sizeof(text), "%s", reason);
		if (problem_set(&entry->trouble, &what))
			pipeline_log_problem(pipeline, name, &what);
	} else {
		problem_clear(&entry->trouble);
	}
	entry_mark_problem(pipeline, entry);
	pipeline_forget(pipeline, entry);
}

struct sweep {
	struct pipeline *pipeline;
	bool is_complete;
};

static int sweep_document(const struct zkcfg_document *document, void *user)
{
	struct sweep *sweep = user;
	struct pipeline *pipeline = sweep->pipeline;
	struct tracked *entry = pipeline_entry(pipeline, zkcfg_document_name(document));

	if (!entry)
		return ZKCFG_ENOMEM;
	if (entry->seen_in == pipeline->round)
		return 0;
	if (pipeline_is_in_trouble(pipeline, entry->name)) {
		sweep->is_complete = false; /* not to be read is not to be gone */
		return 0;
	}
	entry->seen_in = pipeline->round;
	pipeline_vanished(pipeline, entry, 0, "removed at the source while it was not followed");
	return 0;
}

/* Everything was reported once: what is published and was not reported went while nobody looked. */
static void pipeline_sweep(struct pipeline *pipeline)
{
	struct sweep sweep = { .pipeline = pipeline, .is_complete = true };

	if (!pipeline->is_sweep_owed)
		return;
	if (publisher_each(pipeline->publisher, sweep_document, &sweep) == 0)
		pipeline->is_sweep_owed = !sweep.is_complete;
}

static void on_settled(void *user)
{
	struct pipeline *pipeline = user;

	pipeline->is_settled = pipeline->is_synced = true;
	pipeline_sweep(pipeline);
	pipeline_schedule(pipeline);
}

/*
 * A candidate does not count against it, and neither does a document that is
 * held: the source has answered, and status says what was not taken over.
 */
static void on_verified(void *user, int64_t boottime_ns)
{
	struct pipeline *pipeline = user;

	if (pipeline->is_sweep_owed) { /* trouble may be over, with nothing to settle */
		pipeline_sweep(pipeline);
		pipeline_schedule(pipeline);
	}
	if (pipeline->change_count > 0 || pipeline->refetch_ns > 0)
		return;
	publisher_verified(pipeline->publisher, boottime_ns);
	if (pipeline->lastgood_trouble.text[0] == '\0')
		return;
	pipeline->lastgood_trouble.text[0] = '\0'; /* nothing that is served depends on it any more */
	pipeline_touch_status(pipeline);
}

static void on_state(void *user, enum source_state state, const char *detail)
{
	static const char *const words[] = { "", "connecting", "syncing", "following", "away", "refused" };
	struct pipeline *pipeline = user;
	bool is_bad = state == SOURCE_AWAY || state == SOURCE_REFUSED;

	if (state != pipeline->source_state || strcmp(detail, pipeline->source_detail) != 0)
		log_line(is_bad ? LOG_LEVEL_WARNING : LOG_LEVEL_INFO, "set %s: source %s: %s%s%s",
			 pipeline->set->name, pipeline->source_text, words[state],
			 detail[0] != '\0' ? ": " : "", detail);
	if (state != pipeline->source_state)
		pipeline->source_since_ns = clock_realtime_ns();
	pipeline->source_state = state;
	snprintf(pipeline->source_detail, sizeof(pipeline->source_detail), "%s", detail);
	pipeline_touch_status(pipeline);
}

static const struct source_events pipeline_events = {
	.document = on_document,
	.removed = on_removed,
	.trouble = on_trouble,
	.settled = on_settled,
	.verified = on_verified,
	.state = on_state,
};

static int pipeline_start_source(struct pipeline *pipeline, struct message *message)
{
	const struct source_ops *ops = pipeline->parts.source;
	struct message why = { "" };
	int err;

	pipeline->round++;
	pipeline->is_settled = pipeline->is_synced = false;
	pipeline->is_sweep_owed = true;
	pipeline->source_state = SOURCE_CONNECTING;
	pipeline->source_since_ns = clock_realtime_ns();
	err = ops->open(pipeline->set->source, &pipeline_events, pipeline, &pipeline->source, &why);
	if (err == 0)
		err = ops->start(pipeline->source, pipeline->parts.loop, &why);
	if (err == 0)
		return 0;
	message_set(message, "set %s: source %s: %s", pipeline->set->name, pipeline->source_text, why.text);
	return err == -EINVAL ? ZKCFG_EINVAL : err == -ENOMEM ? ZKCFG_ENOMEM : ZKCFG_ESYSTEM;
}

/* Begin anew with the source: it tells everything again. */
static void pipeline_refetch(struct pipeline *pipeline)
{
	struct message message;

	pipeline->parts.source->close(pipeline->source);
	pipeline->source = NULL;
	pipeline->refetch_ns = 0;
	if (pipeline_start_source(pipeline, &message) == 0)
		return;
	log_error("%s; tried again in %d s", message.text, (int)(REFETCH_NS / CLOCK_NS_PER_S));
	pipeline->refetch_ns = clock_monotonic_ns() + REFETCH_NS;
}

/*
 * Each second
 */

static void pipeline_heartbeat(struct pipeline *pipeline)
{
	uint64_t seq = publisher_seq(pipeline->publisher);
	struct message trouble = { "" };

	if (publisher_heartbeat(pipeline->publisher, &trouble) == 0)
		trouble.text[0] = '\0';
	if (publisher_seq(pipeline->publisher) != seq)
		pipeline->is_store_owed = true; /* it had to make the segment anew */
	if (strcmp(trouble.text, pipeline->segment_trouble.text) == 0)
		return;
	if (trouble.text[0] != '\0')
		log_error("set %s: %s", pipeline->set->name, trouble.text);
	else
		log_notice("set %s: the segment is in order again", pipeline->set->name);
	pipeline->segment_trouble = trouble;
}

static void on_tick(evutil_socket_t fd, short what, void *user)
{
	struct pipeline *pipeline = user;

	(void)fd, (void)what;
	pipeline_heartbeat(pipeline);
	if (pipeline->commit_trouble.text[0] != '\0')
		pipeline_commit(pipeline);
	if (pipeline->refetch_ns > 0 && pipeline->refetch_ns <= clock_monotonic_ns())
		pipeline_refetch(pipeline);
	pipeline_store_in_time(pipeline);
	pipeline_look_at_store(pipeline);
	pipeline_show_status(pipeline); /* changed or not: a segment that was made anew says nothing yet */
}

/*
 * Beginning and end
 */

/* One of last-good's documents, compiled anew, becomes a pending change. */
static int load_document(const struct document_origin *origin, const void *raw, size_t raw_bytes, void *user)
{
	struct pipeline *pipeline = user;
	struct zkcfg_document *document;
	struct tracked *entry;
	struct xml_fault fault;
	size_t document_bytes;
	int err;

	err = xml_compile(origin, raw, raw_bytes, &pipeline->set->limits, &document, &document_bytes, &fault);
	if (err == ZKCFG_EINVAL) {
		log_warning("set %s: document %s of last-good, revision %llu, %u:%u: %s; not served",
			    pipeline->set->name, origin->name, (unsigned long long)origin->revision,
			    fault.line, fault.column, fault.reason);
		return 0;
	}
	if (err < 0)
		return err;
	entry = pipeline_entry(pipeline, origin->name);
	if (!entry) {
		free(document);
		return ZKCFG_ENOMEM;
	}
	entry_set_pending(pipeline, entry, document, document_bytes);
	return 0;
}

/* Serve what was good before, until the source answers. Whatever is wrong with it, we start. */
static void pipeline_load(struct pipeline *pipeline)
{
	struct message *trouble = &pipeline->lastgood_trouble;
	struct lastgood_head head;
	int err;

	pipeline->first_change_ns = clock_monotonic_ns();
	err = lastgood_load(pipeline->parts.state_dir, pipeline->set->name, &head, load_document, pipeline,
			    trouble);
	if (trouble->text[0] != '\0')
		log_error("set %s: %s; %s", pipeline->set->name, trouble->text,
			  err == 0 ? "the one before it is used"
				   : "nothing is served until the source answers");
	if (err == ZKCFG_EEMPTY || err == ZKCFG_ECORRUPT)
		return;
	if (err < 0) {
		message_set(trouble, "last-good could not be loaded whole: %s", zkcfg_strerror(err));
		log_error("set %s: %s", pipeline->set->name, trouble->text);
		return;
	}
	log_notice("set %s: %zu documents from last-good, of commit %llu", pipeline->set->name,
		   pipeline->change_count, (unsigned long long)head.seq);
	/* it is published under its own number, where nothing can have come behind it */
	publisher_resume(pipeline->publisher, head.seq - 1 + (head.is_final ? 0 : SEQ_GAP), head.segment_id);
	pipeline->is_commit_owed = true;
	pipeline_commit(pipeline);
}

static int pipeline_make_timers(struct pipeline *pipeline, struct message *message)
{
	static const struct timeval second = { .tv_sec = 1 };
	struct event_base *loop = pipeline->parts.loop;

	pipeline->tick = event_new(loop, -1, EV_PERSIST, on_tick, pipeline);
	pipeline->commit_timer = event_new(loop, -1, 0, on_commit_timer, pipeline);
	pipeline->status_timer = event_new(loop, -1, 0, on_status, pipeline);
	if (!pipeline->tick || !pipeline->commit_timer || !pipeline->status_timer ||
	    event_add(pipeline->tick, &second) < 0) {
		message_set(message, "set %s: out of memory", pipeline->set->name);
		return ZKCFG_ENOMEM;
	}
	return 0;
}

static int pipeline_load_schema(struct pipeline *pipeline, struct message *message)
{
	struct xml_fault fault = { .reason = "" };
	int err;

	if (!pipeline->set->schema)
		return 0;
	err = xml_schema_load(pipeline->set->schema, &pipeline->schema, &fault);
	if (err < 0)
		message_set(message, "set %s: schema %s:%u: %s", pipeline->set->name, pipeline->set->schema,
			    fault.line, err == ZKCFG_EINVAL ? fault.reason : zkcfg_strerror(err));
	return err;
}

static int pipeline_open_segment(struct pipeline *pipeline, struct message *message)
{
	struct publisher_options options = { .shm_dir = pipeline->parts.shm_dir,
					     .set = pipeline->set->name,
					     .mode = pipeline->set->mode,
					     .group = pipeline->set->group };
	int err;

	err = publisher_open(&options, &pipeline->publisher, message);
	if (err == 0)
		pipeline_show_status(pipeline); /* what another daemon said last is over */
	if (err == 0)
		err = lastgood_open(pipeline->parts.state_dir, pipeline->set->name, &pipeline->lastgood,
				    message);
	if (err < 0)
		return err;
	pipeline->is_published = publisher_seq(pipeline->publisher) > 0;
	if (pipeline->is_published)
		log_notice("set %s: commit %llu taken over, %zu documents", pipeline->set->name,
			   (unsigned long long)publisher_seq(pipeline->publisher),
			   publisher_document_count(pipeline->publisher));
	else
		pipeline_load(pipeline);
	if (pipeline->is_published) { /* from now on what is on disk is not the last word */
		pipeline_store(pipeline, false);
		if (!lastgood_flush(pipeline->lastgood, LASTGOOD_REOPEN_MS))
			log_warning("set %s: last-good is not written after %d ms: not waiting for it",
				    pipeline->set->name, LASTGOOD_REOPEN_MS);
		pipeline_look_at_store(pipeline);
	}
	return publisher_heartbeat(pipeline->publisher, message);
}

int pipeline_open(const struct pipeline_parts *parts, struct pipeline **pipeline, struct message *message)
{
	struct pipeline *opened = calloc(1, sizeof(*opened));
	int err;

	if (!opened) {
		message_set(message, "set %s: out of memory", parts->set->name);
		return ZKCFG_ENOMEM;
	}
	opened->parts = *parts;
	opened->set = parts->set;
	opened->source_state = SOURCE_CONNECTING;
	opened->source_since_ns = clock_realtime_ns();
	TAILQ_INIT(&opened->problems);
	TAILQ_INIT(&opened->changes);
	source_describe(parts->set->source, opened->source_text, sizeof(opened->source_text));
	err = pipeline_make_timers(opened, message);
	if (err == 0)
		err = pipeline_load_schema(opened, message);
	if (err == 0)
		err = pipeline_open_segment(opened, message);
	if (err == 0)
		err = pipeline_start_source(opened, message);
	if (err < 0) {
		pipeline_close(opened);
		return err;
	}
	pipeline_show_status(opened);
	*pipeline = opened;
	return 0;
}

void pipeline_close(struct pipeline *pipeline)
{
	if (!pipeline)
		return;
	pipeline->parts.source->close(pipeline->source);
	/* also when nothing is owed: the last word is that there will be no more */
	if (pipeline->lastgood && pipeline->is_published)
		pipeline_store(pipeline, true);
	lastgood_close(pipeline->lastgood);
	publisher_close(pipeline->publisher);
	xml_schema_free(pipeline->schema);
	if (pipeline->tick)
		event_free(pipeline->tick);
	if (pipeline->commit_timer)
		event_free(pipeline->commit_timer);
	if (pipeline->status_timer)
		event_free(pipeline->status_timer);
	tdestroy(pipeline->entries, entry_free);
	free(pipeline);
}

void pipeline_state(const struct pipeline *pipeline, struct pipeline_state *state)
{
	*state = (struct pipeline_state){ .seq = pipeline->is_published ? publisher_seq(pipeline->publisher)
									: 0,
					  .document_count = publisher_document_count(pipeline->publisher),
					  .candidate_count = pipeline->problem_count,
					  .source_state = pipeline->source_state,
					  .cut_count = pipeline->cut_count,
					  .is_failing = pipeline->commit_trouble.text[0] != '\0' };
}

const void *pipeline_candidate_raw(const struct pipeline *pipeline, const char *document, size_t *raw_bytes)
{
	const struct tracked *entry = pipeline_find(pipeline, document);

	if (!entry || !entry->candidate_raw)
		return NULL;
	*raw_bytes = entry->candidate_raw_bytes;
	return entry->candidate_raw;
}
