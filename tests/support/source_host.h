/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A source that is followed on a loop of its own, and what it told.
 *
 * The contract of events is checked as they come: a revision that does not
 * rise, a removal of what was never told, a repair that was not expected abort
 * the test. Not here: where the documents come from.
 */
#ifndef ZKCFG_TESTS_SUPPORT_SOURCE_HOST_H
#define ZKCFG_TESTS_SUPPORT_SOURCE_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "source/source.h"

struct event_base;

/* A document as it was told last; one that was removed has no bytes. */
struct host_document {
	struct host_document *next;
	char *bytes; /* with a NUL behind it; NULL: it is not there */
	size_t size_bytes;
	struct source_revision revision;
	char *trouble; /* NULL: none */
	unsigned int told_count;
	char name[];
};

struct source_host {
	struct event_base *loop;
	struct source *source;
	struct host_document *documents;
	unsigned int told_count, removed_count, settled_count, verified_count, repaired_count;
	unsigned int contacts[3]; /* by enum source_contact */
	int64_t verified_boottime_ns;
	enum source_state state;
	char detail[4500];
	bool repairs;	 /* are no error */
	bool is_settled; /* since anything was told */
	/* Told beside all that, if set. No bytes: removed. */
	void (*told)(struct source_host *host, const char *name, const void *bytes, size_t size_bytes);
	void (*settled)(struct source_host *host);
	void (*verified)(struct source_host *host, int64_t boottime_ns);
	void *user;
};

/* Open and start the source of a URI, which hears what is set in host; a failure aborts the test. */
void source_host_begin(struct source_host *host, const char *uri);
/* Close it. What it told is forgotten. */
void source_host_end(struct source_host *host);

/* Let the loop run for so long. */
void source_host_run(struct source_host *host, int ms);
/* Let it run until that is so; ten seconds without abort the test, with the place named. */
#define SOURCE_HOST_UNTIL(host, condition)                                                          \
	do {                                                                                        \
		int64_t until_began_ns = source_host_now_ns();                                      \
		while (!(condition)) {                                                              \
			ck_assert_msg(source_host_now_ns() < until_began_ns + 10000000000, "in vain: %s; %s", \
				      #condition, source_host_text(host));                          \
			source_host_run(host, 2);                                                   \
		}                                                                                   \
	} while (0)

int64_t source_host_now_ns(void);
/* How it stands, in a line; static. */
const char *source_host_text(const struct source_host *host);

/* NULL: never told. */
struct host_document *source_host_find(const struct source_host *host, const char *name);
/* Was a document of this name told with these bytes, last? */
bool source_host_has(const struct source_host *host, const char *name, const char *text);
size_t source_host_count(const struct source_host *host);
/* The reason of its trouble; "": there is none. */
const char *source_host_trouble(const struct source_host *host, const char *name);

#endif
