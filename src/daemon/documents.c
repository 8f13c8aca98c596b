/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/documents.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

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

	free(entry->candidate.reason);
	free(entry->candidate_raw);
	free(entry->trouble.reason);
	free(entry);
}

void documents_init(struct documents *documents)
{
	*documents = (struct documents){ .entries = NULL };
	TAILQ_INIT(&documents->problems);
	TAILQ_INIT(&documents->changes);
}

static void documents_let_go(struct documents *documents, struct tracked *entry)
{
	if (entry->is_staged)
		staging_free(&documents->staging, entry->pending);
	else
		free(entry->pending);
	entry->pending = NULL;
	entry->is_staged = false;
}

void documents_free(struct documents *documents)
{
	struct tracked *entry;

	TAILQ_FOREACH (entry, &documents->changes, change_link)
		documents_let_go(documents, entry);
	staging_end(&documents->staging);
	tdestroy(documents->entries, entry_free);
	documents_init(documents);
}

struct tracked *documents_find(const struct documents *documents, const char *name)
{
	struct tracked *wanted = entry_new(name), **found;

	if (!wanted)
		return NULL;
	found = tfind(wanted, &documents->entries, entry_compare);
	free(wanted);
	return found ? *found : NULL;
}

struct tracked *documents_get(struct documents *documents, const char *name)
{
	struct tracked *wanted = entry_new(name), **found;

	found = wanted ? tsearch(wanted, &documents->entries, entry_compare) : NULL;
	if (!found) {
		free(wanted);
		return NULL;
	}
	if (*found != wanted)
		free(wanted);
	return *found;
}

void documents_forget(struct documents *documents, struct tracked *entry)
{
	if (entry->is_problem || entry->is_changed)
		return;
	tdelete(entry, &documents->entries, entry_compare);
	entry_free(entry);
}

/*
 * Changes
 */

/* It is among the next commit's changes, or no longer. */
static void entry_mark_changed(struct documents *documents, struct tracked *entry)
{
	bool is_changed = entry->pending || entry->is_going;

	documents->last_change_ns = clock_monotonic_ns();
	if (is_changed == entry->is_changed)
		return;
	entry->is_changed = is_changed;
	if (is_changed) {
		if (documents->change_count++ == 0)
			documents->first_change_ns = documents->last_change_ns;
		TAILQ_INSERT_TAIL(&documents->changes, entry, change_link);
	} else {
		TAILQ_REMOVE(&documents->changes, entry, change_link);
		documents->change_count--;
	}
}

void documents_stage(struct documents *documents, struct tracked *entry, struct zkcfg_document *document,
		     size_t document_bytes, uint64_t needs)
{
	void *copy = document ? staging_copy(&documents->staging, document, document_bytes) : NULL;

	documents_let_go(documents, entry);
	entry->pending = copy ? copy : document;
	entry->is_staged = copy != NULL;
	entry->pending_bytes = document_bytes;
	if (copy)
		free(document);
	entry->is_answering = document != NULL;
	entry->is_going = false;
	entry->needs = needs;
	entry_mark_changed(documents, entry);
}

void documents_stage_removal(struct documents *documents, struct tracked *entry, uint64_t needs)
{
	documents_stage(documents, entry, NULL, 0, needs);
	entry->is_going = true;
	entry_mark_changed(documents, entry);
}

void documents_stay(struct documents *documents, struct tracked *entry)
{
	if (!entry->is_going)
		return;
	entry->is_going = false;
	entry_mark_changed(documents, entry);
}

void documents_committed(struct documents *documents, struct tracked *entry)
{
	TAILQ_REMOVE(&documents->changes, entry, change_link);
	documents->change_count--;
	entry->is_changed = entry->is_going = entry->is_answering = false;
	documents_let_go(documents, entry);
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

/* It is among the problems, or no longer. */
static void entry_mark_problem(struct documents *documents, struct tracked *entry)
{
	bool is_problem = entry->candidate.reason || entry->trouble.reason;

	if (is_problem == entry->is_problem)
		return;
	entry->is_problem = is_problem;
	if (is_problem) {
		TAILQ_INSERT_TAIL(&documents->problems, entry, problem_link);
		documents->problem_count++;
	} else {
		TAILQ_REMOVE(&documents->problems, entry, problem_link);
		documents->problem_count--;
	}
}

bool documents_set_candidate(struct documents *documents, struct tracked *entry, const struct problem *what,
			     const void *raw, size_t raw_bytes)
{
	entry->is_answering = false;
	if (!problem_set(&entry->candidate, what))
		return false;
	free(entry->candidate_raw);
	entry->candidate_raw = raw_bytes > 0 ? malloc(raw_bytes) : NULL;
	entry->candidate_raw_bytes = entry->candidate_raw ? raw_bytes : 0;
	if (entry->candidate_raw)
		memcpy(entry->candidate_raw, raw, raw_bytes);
	entry_mark_problem(documents, entry);
	return true;
}

bool documents_clear_candidate(struct documents *documents, struct tracked *entry)
{
	if (!entry->candidate.reason)
		return false;
	problem_clear(&entry->candidate);
	free(entry->candidate_raw);
	entry->candidate_raw = NULL;
	entry->candidate_raw_bytes = 0;
	entry_mark_problem(documents, entry);
	return true;
}

bool documents_set_trouble(struct documents *documents, struct tracked *entry, const struct problem *what)
{
	if (!problem_set(&entry->trouble, what))
		return false;
	entry_mark_problem(documents, entry);
	return true;
}

void documents_clear_trouble(struct documents *documents, struct tracked *entry)
{
	problem_clear(&entry->trouble);
	entry_mark_problem(documents, entry);
}

void documents_clear_troubles(struct documents *documents)
{
	struct tracked *entry = TAILQ_FIRST(&documents->problems), *next;

	for (; entry; entry = next) {
		next = TAILQ_NEXT(entry, problem_link);
		documents_clear_trouble(documents, entry);
		documents_forget(documents, entry);
	}
}

bool documents_in_trouble(const struct documents *documents, const char *name)
{
	const struct tracked *entry;

	TAILQ_FOREACH (entry, &documents->problems, problem_link) {
		size_t bytes = strlen(entry->name);

		if (entry->trouble.reason && strncmp(entry->name, name, bytes) == 0 &&
		    (bytes == 0 || name[bytes] == '\0' || name[bytes] == '/'))
			return true;
	}
	return false;
}

size_t documents_list_problems(const struct documents *documents, struct zkcfg_candidate *candidates,
			       enum problem_kind *kinds)
{
	const struct tracked *entry;
	size_t count = 0;

	for (int pass = 0; pass < 2; pass++) {
		TAILQ_FOREACH (entry, &documents->problems, problem_link) {
			const struct problem *problem = &entry->candidate;
			enum problem_kind kind = entry->candidate_raw ? PROBLEM_REFUSED : PROBLEM_HELD;

			if ((entry->candidate_raw == NULL) != (pass == 1))
				continue;
			if (entry->trouble.reason && entry->trouble.since_ns >= problem->since_ns) {
				problem = &entry->trouble; /* the newer of the two */
				kind = PROBLEM_UNREAD;
			}
			if (kinds)
				kinds[count] = kind;
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
