/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commits as server-sent events.
 *
 *   id: 4712
 *   event: commit
 *   data: {"set":"app","seq":4712,"time":"2026-11-23T05:12:00.123Z","changed":["a.xml"],"changed_count":1}
 *
 * A stream begins with an event of the same form, named current and without
 * what changed, for each set: who asks for status first, or comes back, has
 * missed nothing. A comment goes out every 15 seconds. Who does not read is
 * dropped; see server.h.
 */
#ifndef ZKCFG_ADMIN_EVENTS_H
#define ZKCFG_ADMIN_EVENTS_H

struct admin;
struct admin_commit;
struct events;
struct exchange;

#define EVENTS_TYPE "text/event-stream"

/* NULL: out of memory. */
struct events *events_new(struct admin *admin);
/* Before the server's end. NULL is allowed. */
void events_free(struct events *events);
/* set: only that one, copied; NULL: all. The set is known to be there. */
void events_open(struct events *events, struct exchange *exchange, const char *set);
void events_committed(struct events *events, const struct admin_commit *commit);

#endif
