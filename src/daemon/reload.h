/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reloading, whoever asks for it: a signal, the command line, HTTP or RPC.
 *
 * A reload reads zkcfgd's own configuration again and lets it become true,
 * whole or not at all; then has every source looked at anew; and ends when all
 * that was there then is published, refused or held. One is under way at a
 * time: whoever asks meanwhile is answered by the next one, which all that ask
 * until then share.
 *
 * For the loop's thread.
 */
#ifndef ZKCFG_DAEMON_RELOAD_H
#define ZKCFG_DAEMON_RELOAD_H

#include <jansson.h>

#include "base/buffer.h"
#include "daemon/options.h"
#include "daemon/sets.h"

/* As exit codes of `zkcfg reload`. The first that is true, in this order: 4, 8, 7, 0. */
enum reload_result {
	RELOAD_DONE = 0,    /* nothing new counts, too */
	RELOAD_MISSING = 3, /* there is no set of that name */
	RELOAD_INVALID = 4, /* the configuration, or a document: what was good stays */
	RELOAD_UNREAD = 7,  /* a source could not be read */
	RELOAD_RESTART = 8  /* something of the configuration takes a restart; the rest is in force */
};

/* A source that is away gets so long to come back, and one that answers so long to settle. */
#define RELOAD_AWAY_MS 2000
#define RELOAD_UNSETTLED_MS 30000

/*
 * {"result": "done", "code": 0, "ms": 12,
 *  "configuration": {"file": ..., "error": null, "added": [], "changed": [], "removed": [], "restart": []},
 *  "sets": [{"set": ..., "seq_before": 5, "seq": 6, "changed": [...], "removed": [...],
 *            "refused": [{"document", "line", "column", "reason", "revision"}],
 *            "unread": [], "held": [], "frozen": [], "error": null}]}
 */
typedef void (*reload_done)(void *user, enum reload_result result, const json_t *report);

struct reload;

/* All borrowed. NULL: out of memory. */
struct reload *reload_new(const struct options *options, const struct settings *settings, struct sets *sets);
void reload_free(struct reload *reload);

/*
 * set: one set's source only; NULL: of all. by: who asks, for the log.
 * done is told once, never from within; its report is borrowed. -ENOMEM.
 */
int reload_ask(struct reload *reload, const char *set, const char *by, reload_done done, void *user);

/* Something may have come to its end. */
void reload_look(struct reload *reload);
/* What is committed meanwhile belongs to the report. */
void reload_committed(struct reload *reload, const struct pipeline_commit *commit);
/* How reloads ended. */
struct reload_history {
	uint64_t count, failure_count;
	int64_t success_ns; /* when the last one that was done ended, since 1970; 0: none */
	bool has_failed;    /* the last one was not */
};
const struct reload_history *reload_history(const struct reload *reload);

/* A report in a line, for the log. */
void reload_describe(const json_t *report, struct buffer *text);

#endif
