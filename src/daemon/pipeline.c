/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/pipeline.h"

#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/log.h"
#include "daemon/accept_older.h"
#include "daemon/documents.h"
#include "daemon/hold.h"
#include "daemon/layers.h"
#include "daemon/marker.h"
#include "daemon/standing.h"
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
/* A commit of so many changes leaves much of the heap unused, which is given back. */
#define TRIM_CHANGES 1000

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

	struct documents documents;
	struct marker marker;
	struct accept_older accept_older;
	struct freeze freeze;
	int64_t verified_ns; /* as the source told last, on CLOCK_BOOTTIME; 0: never */
	uint64_t refused_count, loss_count, reconnect_count;
	uint64_t expiry_count; /* of sources that were closed */
	bool is_asked;	     /* somebody waits for pipeline_is_current() */

	bool is_published;   /* readers have something */
	bool is_commit_owed; /* of last-good, even if that is of no document */
	bool is_owed_pure;   /* and the source has not told anything of what waits for it */
	bool is_settled;
	bool is_synced;	    /* settled once since the source was reached */
	bool is_sweep_owed; /* what was not seen in this round has to be looked at */
	uint32_t round;	    /* how often the source was started */
	int64_t refetch_ns; /* when to start it again; 0: no need */
	size_t gone_count;  /* what the last sweep found gone */
	uint64_t gone_revision; /* of a set of layers: the largest of what went */
	uint64_t cut_count;
	uint64_t repair_count;
	int64_t told_ns, asked_ns; /* when the source last told us of a change, and was last asked for one; 0: never */

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

static bool pipeline_is_layered(const struct pipeline *pipeline)
{
	return pipeline->set->source_count > 0;
}

/*
 * Entries
 */

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
	struct tracked *entry = documents_get(&pipeline->documents, name);

	if (!entry)
		pipeline_out_of_memory(pipeline, name);
	return entry;
}

/* Nothing is to be remembered of it: documents that come and go leave nothing behind. */
static void pipeline_forget(struct pipeline *pipeline, struct tracked *entry)
{
	if (!pipeline->is_sweep_owed)
		documents_forget(&pipeline->documents, entry);
}

/*
 * Problems: candidates, and what cannot be read
 */

static void candidate_clear(struct pipeline *pipeline, struct tracked *entry)
{
	if (documents_clear_candidate(&pipeline->documents, entry))
		pipeline_touch_status(pipeline);
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
	if (!documents_set_candidate(&pipeline->documents, entry, what, raw, raw_bytes))
		return;
	pipeline->refused_count += raw != NULL;
	pipeline_touch_status(pipeline);
	pipeline_log_problem(pipeline, entry->name, what);
}

/*
 * What a commit waits for
 */

/* Only while it is reached does the source go on towards settling. */
static bool pipeline_is_reached(enum source_state state)
{
	return state == SOURCE_SYNCING || state == SOURCE_FOLLOWING;
}

/* Nothing is served yet, and what waits is last-good as it was kept. */
static bool pipeline_is_lastgood_due(const struct pipeline *pipeline)
{
	return pipeline->is_commit_owed && pipeline->is_owed_pure;
}

/* Why what waits must not be committed now, however long it has waited. */
static enum hold pipeline_hold(const struct pipeline *pipeline)
{
	if (pipeline_is_lastgood_due(pipeline))
		return HOLD_NOT;
	if (pipeline->freeze.is_frozen)
		return HOLD_FROZEN;
	if (pipeline->is_settled)
		return marker_covers(&pipeline->marker, &pipeline->documents) ? HOLD_NOT : HOLD_MARKER;
	if (!pipeline_is_reached(pipeline->source_state))
		return HOLD_AWAY;
	return pipeline->marker.name || pipeline->accept_older.is_under_way ? HOLD_UNSETTLED : HOLD_NOT;
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
	struct message hold, frozen;

	freeze_describe(&pipeline->freeze, &frozen);
	if (pipeline->cut_count > 0)
		snprintf(cut, sizeof(cut), "%llu commits cut: the source did not settle in time",
			 (unsigned long long)pipeline->cut_count);
	hold_describe(pipeline_hold(pipeline), &pipeline->marker, pipeline->documents.change_count, &hold);
	detail[0] = '\0';
	detail_add(detail, detail_bytes, frozen.text);
	detail_add(detail, detail_bytes, pipeline->commit_trouble.text);
	detail_add(detail, detail_bytes, pipeline->segment_trouble.text);
	detail_add(detail, detail_bytes, pipeline->source_detail);
	detail_add(detail, detail_bytes, hold.text);
	if (pipeline->accept_older.is_under_way)
		detail_add(
			detail, detail_bytes,
			"accept-older was asked for: older revisions are accepted until the source has "
			"settled");
	detail_add(detail, detail_bytes, pipeline->store_trouble.text);
	detail_add(detail, detail_bytes, pipeline->lastgood_trouble.text);
	detail_add(detail, detail_bytes, cut);
}

/* One source by its URI, and several with what each of them is and does, a line each. */
static const char *pipeline_sources(const struct pipeline *pipeline, struct buffer *text)
{
	if (!pipeline_is_layered(pipeline) || !pipeline->source)
		return pipeline->source_text;
	layers_describe(pipeline->source, text);
	buffer_append(text, "", 1);
	return buffer_failed(text) ? pipeline->source_text : text->bytes;
}

/* What waits in a frozen set, behind what was refused. */
static size_t pipeline_list_frozen(const struct pipeline *pipeline, struct zkcfg_candidate *candidates,
				   enum problem_kind *kinds)
{
	const struct tracked *entry;
	size_t count = 0;

	TAILQ_FOREACH (entry, &pipeline->documents.changes, change_link) {
		if (entry->is_problem)
			continue;
		if (kinds)
			kinds[count] = PROBLEM_FROZEN;
		candidates[count++] = (struct zkcfg_candidate){
			.document = entry->name,
			.reason = entry->is_going ? "its removal waits: the set is frozen" :
						    "it waits: the set is frozen",
			.revision = entry->pending ? zkcfg_document_revision(entry->pending) : 0,
			.since_ns = pipeline->freeze.since_ns
		};
	}
	return count;
}

struct zkcfg_candidate *pipeline_candidates(const struct pipeline *pipeline, size_t *count,
					    enum problem_kind **kinds)
{
	const struct documents *documents = &pipeline->documents;
	size_t most = documents->problem_count + documents->change_count + 1;
	struct zkcfg_candidate *candidates = calloc(most, sizeof(*candidates));
	enum problem_kind *found = kinds ? calloc(most, sizeof(*found)) : NULL;

	*count = 0;
	if (!candidates || (kinds && !found)) {
		free(candidates);
		free(found);
		return NULL;
	}
	*count = documents_list_problems(documents, candidates, found);
	if (pipeline->freeze.is_frozen)
		*count += pipeline_list_frozen(pipeline, candidates + *count, found ? found + *count : NULL);
	if (kinds)
		*kinds = found;
	return candidates;
}

static void pipeline_show_status(struct pipeline *pipeline)
{
	struct buffer sources = { 0 };
	size_t candidate_count;
	struct zkcfg_candidate *candidates = pipeline_candidates(pipeline, &candidate_count, NULL);
	struct publisher_status status = { .source_state = (enum zkcfg_source_state)pipeline->source_state,
					   .source = pipeline_sources(pipeline, &sources),
					   .since_ns = pipeline->source_since_ns,
					   .candidates = candidates };
	struct control_contact contact = { .told_ns = pipeline->told_ns,
					   .asked_ns = pipeline->asked_ns,
					   .repair_count = pipeline->repair_count };
	char detail[1024];

	if (pipeline->source)
		contact.mode = (enum zkcfg_source_mode)pipeline->source->mode;
	publisher_contact(pipeline->publisher, &contact);

	pipeline_detail(pipeline, detail, sizeof(detail));
	status.detail = detail;
	status.candidate_count = candidate_count;
	publisher_status(pipeline->publisher, &status);
	free(candidates);
	buffer_free(&sources);
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

	while ((entry = TAILQ_FIRST(&pipeline->documents.changes))) {
		bool is_answered = entry->is_answering || entry->is_going;

		removed_count += entry->is_going;
		documents_committed(&pipeline->documents, entry);
		if (is_answered)
			candidate_clear(pipeline, entry);
		pipeline_forget(pipeline, entry);
	}
	return removed_count;
}

static void pipeline_tell_commit(const struct pipeline *pipeline, uint64_t seq, const struct publisher_change *changes,
				 size_t count)
{
	const struct pipeline_commit commit = { .set = pipeline->set->name,
						.seq = seq,
						.changes = changes,
						.change_count = count,
						.took_ns = clock_monotonic_ns() -
							   pipeline->documents.first_change_ns };

	if (pipeline->parts.committed)
		pipeline->parts.committed(pipeline->parts.user, &commit);
}

static int pipeline_publish(struct pipeline *pipeline, uint64_t *seq, struct message *message)
{
	struct publisher_change *changes = calloc(pipeline->documents.change_count + 1, sizeof(*changes));
	const struct tracked *entry;
	size_t count = 0;
	int err;

	if (!changes) {
		message_set(message, "out of memory for a commit of %zu changes",
			    pipeline->documents.change_count);
		return ZKCFG_ENOMEM;
	}
	TAILQ_FOREACH (entry, &pipeline->documents.changes, change_link)
		changes[count++] = (struct publisher_change){ .name = entry->name,
							      .document = entry->pending,
							      .document_bytes = entry->pending_bytes };
	err = publisher_commit(pipeline->publisher, changes, count, seq, message);
	if (err == 0)
		pipeline_tell_commit(pipeline, *seq, changes, count);
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
	bool is_cut = !pipeline->is_settled && !pipeline_is_lastgood_due(pipeline);
	size_t change_count = pipeline->documents.change_count, removed_count;
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
		 (long long)((clock_monotonic_ns() - pipeline->documents.first_change_ns) / CLOCK_NS_PER_MS),
		 is_cut ? "; commit cut: the source did not settle in time" : "");
	if (change_count >= TRIM_CHANGES)
		malloc_trim(0); /* what waited for a whole set to be read will not be needed again soon */
	pipeline->is_store_owed = true;
	pipeline_store_in_time(pipeline);
	pipeline_touch_status(pipeline);
}

/*
 * When what waits has to be published, unless it is held: once the source has
 * settled and the debounce's minimum was quiet, and at the latest its maximum
 * after the first change, settled or not.
 */
static int64_t pipeline_due_ns(const struct pipeline *pipeline)
{
	const struct config_set *set = pipeline->set;
	int64_t max_ms = set->debounce_max_ms > 0 ? set->debounce_max_ms : CONFIG_DEBOUNCE_MAX_MS;
	int64_t min_ns = set->debounce_min_ms * CLOCK_NS_PER_MS, max_ns = max_ms * CLOCK_NS_PER_MS, quiet_ns,
		cut_ns;

	if (pipeline_is_lastgood_due(pipeline))
		return INT64_MIN;
	if (max_ns < min_ns)
		max_ns = min_ns;
	if (!pipeline->is_synced && max_ns < FIRST_SYNC_NS)
		max_ns = FIRST_SYNC_NS;
	cut_ns = pipeline->documents.first_change_ns + max_ns;
	quiet_ns = pipeline->documents.last_change_ns + min_ns;
	return pipeline->is_settled && quiet_ns < cut_ns ? quiet_ns : cut_ns;
}

static int64_t pipeline_wait_ns(const struct pipeline *pipeline)
{
	int64_t due_ns = pipeline_due_ns(pipeline), now_ns = clock_monotonic_ns();

	return due_ns <= now_ns ? 0 : due_ns - now_ns;
}

/* What could not be committed, if it still is time. */
static void pipeline_commit_again(struct pipeline *pipeline)
{
	if (pipeline->commit_trouble.text[0] != '\0' && pipeline_hold(pipeline) == HOLD_NOT &&
	    pipeline_wait_ns(pipeline) == 0)
		pipeline_commit(pipeline);
}

/* Commit what waits, if it is time; else see to it that we come back when it is. */
static void pipeline_schedule(struct pipeline *pipeline)
{
	int64_t wait_ns;
	struct timeval wait;

	if (pipeline->documents.change_count == 0 && !pipeline->is_commit_owed) {
		event_del(pipeline->commit_timer);
		if (pipeline->commit_trouble.text[0] != '\0')
			pipeline_touch_status(pipeline);
		pipeline->commit_trouble.text[0] = '\0';
		return;
	}
	if (pipeline->commit_trouble.text[0] != '\0')
		return; /* the tick tries again */
	if (pipeline_hold(pipeline) != HOLD_NOT) {
		event_del(pipeline->commit_timer);
		return;
	}
	wait_ns = pipeline_wait_ns(pipeline);
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

/* Of layers, each of which counts for itself: what comes anew begins above it. */
static void pipeline_note_gone(struct pipeline *pipeline, const struct tracked *entry)
{
	const struct zkcfg_document *active = publisher_find(pipeline->publisher, entry->name);

	if (entry->pending)
		active = entry->pending;
	if (active && zkcfg_document_revision(active) > pipeline->gone_revision)
		pipeline->gone_revision = zkcfg_document_revision(active);
}

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
	pipeline->is_owed_pure = false;
	if (is_active && pipeline_is_layered(pipeline))
		pipeline_note_gone(pipeline, entry);
	if (is_active)
		documents_stage_removal(&pipeline->documents, entry,
					revision > 0 ? revision : marker_next(&pipeline->marker));
	else
		documents_stage(&pipeline->documents, entry, NULL, 0, 0);
	if (is_active)
		log_notice("set %s: document %s: %s, and so from the set (on-delete=remove)",
			   pipeline->set->name, entry->name, how);
	else
		candidate_clear(pipeline, entry); /* it was never served: nothing is amiss */
}

/* What is wrong, and of a set of layers: in which of them. */
static void pipeline_blame(const struct told *told, const char *reason, char *text, size_t text_bytes)
{
	struct document_sources sources;

	document_sources_read(told->sources, told->sources_bytes, &sources);
	snprintf(text, text_bytes, "%s", sources.count > 1 ? "merged of " : "");
	for (size_t i = 0; i < sources.count; i++) {
		size_t used = strlen(text);

		snprintf(text + used, text_bytes - used, "%s%.256s", i > 0 ? " and " : "",
			 sources.sources[i].uri);
	}
	snprintf(text + strlen(text), text_bytes - strlen(text), "%s%s", sources.count > 0 ? ": " : "", reason);
}

/* Check and compile a version. false: it is the candidate now, or will be fetched again. */
static bool pipeline_compile(struct pipeline *pipeline, struct tracked *entry, const struct told *told,
			     struct zkcfg_document **document, size_t *document_bytes)
{
	struct document_origin origin = { .name = entry->name,
					  .created = told->revision.created,
					  .revision = told->revision.modified,
					  .version = told->revision.version,
					  .sources = told->sources,
					  .sources_bytes = told->sources_bytes };
	struct problem what = { .revision = told->revision.modified };
	struct xml_fault fault = { .reason = "" };
	char blame[1024];
	int err;

	err = xml_compile(&origin, told->bytes, told->size_bytes, &pipeline->set->limits, document,
			  document_bytes, &fault);
	if (err == 0 && pipeline->schema) {
		err = xml_schema_check(pipeline->schema, told->bytes, told->size_bytes, &fault);
		if (err < 0)
			free(*document);
	}
	if (err == 0)
		return true;
	if (err == ZKCFG_ENOMEM) {
		pipeline_out_of_memory(pipeline, entry->name);
		return false;
	}
	pipeline_blame(told, fault.reason, blame, sizeof(blame));
	what.reason = blame;
	what.line = fault.line;
	what.column = fault.column;
	candidate_set(pipeline, entry, &what, told->bytes, told->size_bytes);
	return false;
}

/* How a version stands to the newest one that was accepted, published or not yet. */
static enum standing pipeline_standing(const struct pipeline *pipeline, const struct tracked *entry,
				       struct told *told, struct message *why)
{
	const struct zkcfg_document *newest = entry->pending;

	if (!newest)
		newest = publisher_find(pipeline->publisher, entry->name);
	if (!pipeline_is_layered(pipeline))
		return standing_of(newest, told, pipeline->accept_older.is_under_way, why);
	return standing_of_layered(newest, told, pipeline->accept_older.is_under_way, pipeline->gone_revision,
				   why);
}

static void pipeline_went_back(struct pipeline *pipeline, struct tracked *entry, const struct told *told,
			       struct message *why)
{
	struct problem what = { .revision = told->revision.modified, .reason = why->text };

	candidate_set(pipeline, entry, &what, told->bytes, told->size_bytes);
}

static void pipeline_take(struct pipeline *pipeline, struct tracked *entry, struct told *told)
{
	struct zkcfg_document *document;
	size_t document_bytes;
	struct message why;
	enum standing standing = pipeline_standing(pipeline, entry, told, &why);

	if (standing == STANDING_OLDER) {
		pipeline_went_back(pipeline, entry, told, &why);
	} else if (told->size_bytes == 0) {
		pipeline_vanished(pipeline, entry, told->revision.modified, "empty at the source");
		return;
	} else if (standing == STANDING_SAME) {
		candidate_clear(pipeline, entry);
	} else if (pipeline_compile(pipeline, entry, told, &document, &document_bytes)) {
		pipeline->is_owed_pure = false;
		documents_stage(&pipeline->documents, entry, document, document_bytes,
				told->revision.modified);
	}
	documents_stay(&pipeline->documents, entry); /* whatever became of it: the source has it again */
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
	struct told told = { .bytes = bytes, .size_bytes = size_bytes, .revision = *revision };
	struct tracked *entry;

	pipeline_unsettle(pipeline);
	if (marker_is(&pipeline->marker, name)) {
		if (size_bytes > 0)
			marker_seen(&pipeline->marker, revision->modified);
		else
			marker_gone(&pipeline->marker);
		return; /* the next settled() looks at it */
	}
	entry = pipeline_entry(pipeline, name);
	if (!entry)
		return;
	entry->seen_in = pipeline->round;
	if (pipeline_is_layered(pipeline))
		told.sources = layers_told(pipeline->source, &told.sources_bytes);
	if (pipeline_is_layered(pipeline) && !told.sources)
		pipeline_out_of_memory(pipeline, name);
	else
		pipeline_take(pipeline, entry, &told);
	pipeline_forget(pipeline, entry);
	pipeline_schedule(pipeline);
}

static void on_removed(void *user, const char *name)
{
	struct pipeline *pipeline = user;
	struct tracked *entry;

	pipeline_unsettle(pipeline);
	if (marker_is(&pipeline->marker, name)) {
		marker_gone(&pipeline->marker);
		return;
	}
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
		if (documents_set_trouble(&pipeline->documents, entry, &what))
			pipeline_log_problem(pipeline, name, &what);
	} else {
		documents_clear_trouble(&pipeline->documents, entry);
	}
	pipeline_touch_status(pipeline);
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
	if (marker_is(&pipeline->marker, entry->name)) { /* it was a document once */
		documents_stage_removal(&pipeline->documents, entry, 0);
		return 0;
	}
	if (documents_in_trouble(&pipeline->documents, entry->name)) {
		sweep->is_complete = false; /* not to be read is not to be gone */
		return 0;
	}
	entry->seen_in = pipeline->round;
	pipeline->gone_count++;
	pipeline_vanished(pipeline, entry, 0, "removed at the source while it was not followed");
	return 0;
}

/* A candidate of what was never served, and is not at the source any more. */
static void pipeline_sweep_candidates(struct pipeline *pipeline)
{
	struct tracked *entry = TAILQ_FIRST(&pipeline->documents.problems), *next;

	for (; entry; entry = next) {
		next = TAILQ_NEXT(entry, problem_link);
		if (entry->seen_in == pipeline->round || publisher_find(pipeline->publisher, entry->name) ||
		    documents_in_trouble(&pipeline->documents, entry->name))
			continue;
		candidate_clear(pipeline, entry);
		pipeline_forget(pipeline, entry);
	}
}

/* Everything was reported once: what is published and was not reported went while nobody looked. */
static void pipeline_sweep(struct pipeline *pipeline)
{
	struct sweep sweep = { .pipeline = pipeline, .is_complete = true };

	if (!pipeline->is_sweep_owed)
		return;
	pipeline->gone_count = 0;
	if (publisher_each(pipeline->publisher, sweep_document, &sweep) == 0)
		pipeline->is_sweep_owed = !sweep.is_complete;
	pipeline_sweep_candidates(pipeline);
}

/* The source has settled once: older revisions are refused again, and what was accepted is committed. */
static void pipeline_accepted_older(struct pipeline *pipeline)
{
	size_t older_count = 0, change_count = pipeline->documents.change_count;
	const struct tracked *entry;
	char count[192];
	struct message hold, answer;

	TAILQ_FOREACH (entry, &pipeline->documents.changes, change_link) {
		const struct zkcfg_document *active = publisher_find(pipeline->publisher, entry->name);

		older_count += entry->pending && active &&
			       zkcfg_document_revision(entry->pending) < zkcfg_document_revision(active);
	}
	snprintf(count, sizeof(count),
		 "%zu changes, %zu of them to older revisions; %zu documents gone at the source%s",
		 change_count, older_count, pipeline->gone_count,
		 pipeline->gone_count == 0		   ? ""
		 : pipeline->set->on_delete == CONFIG_HOLD ? " and held (on-delete=hold)"
							   : " and removed (on-delete=remove)");
	pipeline_schedule(pipeline);
	hold_describe(pipeline_hold(pipeline), &pipeline->marker, pipeline->documents.change_count, &hold);
	if (pipeline->documents.change_count == 0)
		message_set(&hold, "commit %llu is served",
			    (unsigned long long)publisher_seq(pipeline->publisher));
	else if (hold.text[0] == '\0')
		message_set(&hold, "not committed yet");
	message_set(&answer, "set %s: accept-older is done: %s; %s", pipeline->set->name, count, hold.text);
	log_warning("%s; older revisions are refused again", answer.text);
	accept_older_end(&pipeline->accept_older, answer.text);
	pipeline_touch_status(pipeline);
}

static void on_settled(void *user)
{
	struct pipeline *pipeline = user;

	pipeline->is_settled = pipeline->is_synced = true;
	pipeline_sweep(pipeline);
	if (pipeline->accept_older.is_under_way)
		pipeline_accepted_older(pipeline);
	else
		pipeline_schedule(pipeline);
	marker_settled(&pipeline->marker);
	if (pipeline_hold(pipeline) != HOLD_NOT)
		pipeline_touch_status(pipeline);
}

/*
 * A candidate does not count against it, and neither does a document that is
 * held: the source has answered, and status says what was not taken over.
 */
static void on_verified(void *user, int64_t boottime_ns)
{
	struct pipeline *pipeline = user;

	pipeline->is_synced = true;
	pipeline->verified_ns = boottime_ns;
	if (pipeline->is_asked)
		pipeline_touch_status(pipeline);
	if (pipeline->is_sweep_owed) { /* trouble may be over, with nothing to settle */
		pipeline_sweep(pipeline);
		pipeline_schedule(pipeline);
	}
	if (pipeline->documents.change_count > 0 || pipeline->refetch_ns > 0)
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
	pipeline->loss_count += is_bad && pipeline_is_reached(pipeline->source_state);
	pipeline->reconnect_count += pipeline_is_reached(state) && (pipeline->source_state == SOURCE_AWAY ||
								    pipeline->source_state == SOURCE_REFUSED);
	if (pipeline_is_reached(state) && !pipeline_is_reached(pipeline->source_state)) {
		/* it has a first sync's time again, from now, to read what it missed */
		pipeline->is_synced = false;
		pipeline->documents.first_change_ns = clock_monotonic_ns();
	}
	pipeline->source_state = state;
	snprintf(pipeline->source_detail, sizeof(pipeline->source_detail), "%s", detail);
	pipeline_schedule(pipeline);
	pipeline_touch_status(pipeline);
}

static void on_repaired(void *user, const char *name)
{
	struct pipeline *pipeline = user;

	pipeline->repair_count++;
	log_notice(
		"set %s: document %s: the audit found that a change of it went unnoticed; it is read again",
		pipeline->set->name, name);
	pipeline_touch_status(pipeline);
}

static void on_contact(void *user, enum source_contact contact)
{
	struct pipeline *pipeline = user;

	if (contact == SOURCE_TOLD)
		pipeline->told_ns = clock_boottime_ns();
	else
		pipeline->asked_ns = clock_boottime_ns();
}

static const struct source_events pipeline_events = {
	.document = on_document,
	.removed = on_removed,
	.trouble = on_trouble,
	.settled = on_settled,
	.verified = on_verified,
	.state = on_state,
	.repaired = on_repaired,
	.contact = on_contact,
};

static void on_layers_out_of_memory(void *user, const char *name)
{
	pipeline_out_of_memory(user, name);
}

static int pipeline_open_layers(struct pipeline *pipeline, struct message *message)
{
	const struct config_set *set = pipeline->set;
	struct layers_place places[LAYERS_PLACES_MOST];
	struct layers_parts parts = { .places = places,
				      .place_count = set->source_count,
				      .is_served = pipeline->is_published || pipeline->is_commit_owed,
				      .fallback_after_ms = LAYERS_FALLBACK_AFTER_MS,
				      .merges = set->merge == CONFIG_MERGE_PATHS,
				      .limits = &set->limits,
				      .out_of_memory = on_layers_out_of_memory };

	for (size_t i = 0; i < set->source_count; i++) {
		const struct source_ops *ops = pipeline->parts.source;

		if (!ops)
			ops = source_find(set->sources[i].uri, message);
		if (!ops)
			return -EINVAL;
		places[i] = (struct layers_place){ .ops = ops,
						   .uri = set->sources[i].uri,
						   .is_fallback = set->sources[i].is_fallback };
	}
	return layers_open(&parts, &pipeline_events, pipeline, &pipeline->source, message);
}

/* What one pipeline follows is open. */
static int pipeline_open_source(struct pipeline *pipeline, struct message *message)
{
	if (pipeline_is_layered(pipeline))
		return pipeline_open_layers(pipeline, message);
	return pipeline->parts.source->open(pipeline->set->source, &pipeline_events, pipeline,
					    &pipeline->source, message);
}

static void pipeline_close_source(struct pipeline *pipeline)
{
	if (pipeline->source) {
		pipeline->expiry_count += pipeline->source->expiry_count;
		pipeline->source->ops->close(pipeline->source);
	}
	pipeline->source = NULL;
}

static int pipeline_start_source(struct pipeline *pipeline, struct message *message)
{
	struct message why = { "" };
	int err;

	pipeline->round++;
	pipeline->is_settled = pipeline->is_synced = false;
	pipeline->is_sweep_owed = true;
	marker_begin(&pipeline->marker);
	pipeline->source_state = SOURCE_CONNECTING;
	pipeline->source_since_ns = clock_realtime_ns();
	err = pipeline_open_source(pipeline, &why);
	if (err == 0)
		err = pipeline->source->ops->start(pipeline->source, pipeline->parts.loop, &why);
	if (err == 0)
		return 0;
	message_set(message, "set %s: source %s: %s", pipeline->set->name, pipeline->source_text, why.text);
	return err == -EINVAL ? ZKCFG_EINVAL : err == -ENOMEM ? ZKCFG_ENOMEM : ZKCFG_ESYSTEM;
}

/* Begin anew with the source: it tells everything again. */
static void pipeline_refetch(struct pipeline *pipeline)
{
	struct message message;

	pipeline_close_source(pipeline);
	pipeline->refetch_ns = 0;
	documents_clear_troubles(&pipeline->documents); /* who told of them tells no end of them any more */
	if (pipeline_start_source(pipeline, &message) == 0)
		return;
	log_error("%s; tried again in %d s", message.text, (int)(REFETCH_NS / CLOCK_NS_PER_S));
	pipeline->refetch_ns = clock_monotonic_ns() + REFETCH_NS;
}

static void pipeline_log_accept_older(const struct pipeline *pipeline)
{
	log_warning(
		"set %s: accept-older was asked for: older revisions are accepted until the source has "
		"settled once",
		pipeline->set->name);
}

/* The operator's word: begin anew, and take what the source has, older or not. */
static void pipeline_accept_older(struct pipeline *pipeline)
{
	struct tracked *entry;

	pipeline_log_accept_older(pipeline);
	while (!pipeline->is_commit_owed && (entry = TAILQ_FIRST(&pipeline->documents.changes))) {
		documents_committed(&pipeline->documents, entry); /* of the history that is given up */
		pipeline_forget(pipeline, entry);
	}
	pipeline_refetch(pipeline);
}

/*
 * What an operator asks for
 */

int64_t pipeline_refresh(struct pipeline *pipeline)
{
	int64_t asked_ns = clock_boottime_ns();

	pipeline->is_asked = true;
	if (pipeline->source)
		pipeline->source->ops->refresh(pipeline->source);
	return asked_ns;
}

bool pipeline_is_current(const struct pipeline *pipeline, int64_t asked_ns)
{
	enum hold hold = pipeline_hold(pipeline);

	return pipeline->verified_ns >= asked_ns && pipeline->is_settled && pipeline->refetch_ns == 0 &&
	       (pipeline->documents.change_count == 0 || hold == HOLD_FROZEN || hold == HOLD_MARKER);
}

int pipeline_freeze(struct pipeline *pipeline, int64_t until_ns, struct message *message)
{
	int err = freeze_begin(&pipeline->freeze, clock_realtime_ns(), until_ns, message);
	struct message text;

	if (err < 0)
		return err;
	freeze_describe(&pipeline->freeze, &text);
	log_warning("set %s: %s: what arrives waits", pipeline->set->name, text.text);
	pipeline_schedule(pipeline);
	pipeline_touch_status(pipeline);
	return 0;
}

int pipeline_thaw(struct pipeline *pipeline, struct message *message)
{
	bool was_frozen = pipeline->freeze.is_frozen;
	int err = freeze_end(&pipeline->freeze, message);

	if (err < 0 || !was_frozen)
		return err;
	log_warning("set %s: thawed: %zu change%s waited", pipeline->set->name, pipeline->documents.change_count,
		    pipeline->documents.change_count == 1 ? "" : "s");
	pipeline_schedule(pipeline);
	pipeline_touch_status(pipeline);
	return 0;
}

/* If that fails, it is tried again each second, and status says so. */
static void pipeline_thaw_in_time(struct pipeline *pipeline)
{
	struct message message;

	if (pipeline_thaw(pipeline, &message) < 0)
		pipeline->commit_trouble = message;
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
	pipeline_commit_again(pipeline);
	if (accept_older_take(&pipeline->accept_older))
		pipeline_accept_older(pipeline);
	if (freeze_is_over(&pipeline->freeze, clock_realtime_ns()))
		pipeline_thaw_in_time(pipeline);
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

	if (marker_is(&pipeline->marker, origin->name))
		return 0;
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
	documents_stage(&pipeline->documents, entry, document, document_bytes, 0);
	return 0;
}

/* Serve what was good before, until the source answers. Whatever is wrong with it, we start. */
static void pipeline_load(struct pipeline *pipeline)
{
	struct message *trouble = &pipeline->lastgood_trouble;
	struct lastgood_head head;
	int err;

	pipeline->documents.first_change_ns = clock_monotonic_ns();
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
		   pipeline->documents.change_count, (unsigned long long)head.seq);
	/* it is published under its own number, where nothing can have come behind it */
	publisher_resume(pipeline->publisher, head.seq - 1 + (head.is_final ? 0 : SEQ_GAP), head.segment_id);
	pipeline->is_commit_owed = pipeline->is_owed_pure = true;
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
	err = publisher_heartbeat(pipeline->publisher, message); /* alive: what there was is served */
	if (pipeline->is_published) { /* from now on what is on disk is not the last word */
		pipeline_store(pipeline, false);
		if (!lastgood_flush(pipeline->lastgood, LASTGOOD_REOPEN_MS))
			log_warning("set %s: last-good is not written after %d ms: not waiting for it",
				    pipeline->set->name, LASTGOOD_REOPEN_MS);
		pipeline_look_at_store(pipeline);
	}
	return err;
}

/* What it is called in the log: its URI, or all of its URIs. */
static void pipeline_name_source(struct pipeline *pipeline)
{
	const struct config_set *set = pipeline->set;
	char *text = pipeline->source_text;

	if (!pipeline_is_layered(pipeline)) {
		source_describe(set->source, text, sizeof(pipeline->source_text));
		return;
	}
	for (size_t i = 0; i < set->source_count; i++) {
		size_t used = strlen(text);

		if (used + 2 >= sizeof(pipeline->source_text))
			return;
		snprintf(text + used, sizeof(pipeline->source_text) - used, "%s", i > 0 ? ", " : "");
		used = strlen(text);
		source_describe(set->sources[i].uri, text + used, sizeof(pipeline->source_text) - used);
	}
}

/* One that was left while nobody ran, or that was under way when the one before us ended. */
static void pipeline_look_for_request(struct pipeline *pipeline)
{
	freeze_load(&pipeline->freeze, pipeline->parts.state_dir, pipeline->set->name);
	accept_older_begin(&pipeline->accept_older, pipeline->parts.state_dir, pipeline->set->name);
	accept_older_take(&pipeline->accept_older);
	if (pipeline->accept_older.is_under_way)
		pipeline_log_accept_older(pipeline);
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
	documents_init(&opened->documents);
	opened->marker.name = parts->set->commit_marker;
	pipeline_name_source(opened);
	err = pipeline_make_timers(opened, message);
	if (err == 0)
		err = pipeline_load_schema(opened, message);
	if (err == 0)
		err = pipeline_open_segment(opened, message);
	if (err == 0)
		pipeline_look_for_request(opened);
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
	pipeline_close_source(pipeline);
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
	documents_free(&pipeline->documents);
	free(pipeline);
}

void pipeline_state(const struct pipeline *pipeline, struct pipeline_state *state)
{
	*state = (struct pipeline_state){ .seq = pipeline->is_published ? publisher_seq(pipeline->publisher)
									: 0,
					  .document_count = publisher_document_count(pipeline->publisher),
					  .candidate_count = pipeline->documents.problem_count,
					  .source_state = pipeline->source_state,
					  .cut_count = pipeline->cut_count,
					  .repair_count = pipeline->repair_count,
					  .refused_count = pipeline->refused_count,
					  .loss_count = pipeline->loss_count,
					  .reconnect_count = pipeline->reconnect_count,
					  .expiry_count = pipeline->expiry_count +
							  (pipeline->source ? pipeline->source->expiry_count : 0),
					  .is_failing = pipeline->commit_trouble.text[0] != '\0',
					  .pending_count = pipeline->documents.change_count,
					  .source_mode = pipeline->source ? pipeline->source->mode : 0,
					  .told_ns = pipeline->told_ns,
					  .asked_ns = pipeline->asked_ns,
					  .verified_ns = pipeline->verified_ns,
					  .freeze = pipeline->freeze,
					  .source = pipeline->source_text,
					  .detail = pipeline->source_detail };
}

const struct publisher *pipeline_publisher(const struct pipeline *pipeline)
{
	return pipeline->publisher;
}

const void *pipeline_candidate_raw(const struct pipeline *pipeline, const char *document, size_t *raw_bytes)
{
	const struct tracked *entry = documents_find(&pipeline->documents, document);

	if (entry && !entry->candidate_raw && entry->pending && pipeline->freeze.is_frozen)
		return zkcfg_document_raw(entry->pending, raw_bytes);
	if (!entry || !entry->candidate_raw)
		return NULL;
	*raw_bytes = entry->candidate_raw_bytes;
	return entry->candidate_raw;
}
