/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The oracle of all fault tests: a writer that logs what it wrote, a reader that
 * remembers what it saw, and the judgement.
 *
 * The writer changes documents below /app and logs (path, mzxid, hash) of each
 * change. The reader pins snapshots of set "app" by libzkcfg all the time. Right
 * is: every version that was seen is a logged one; no path's revision ever went
 * back; and once the writer rests, the set equals ZooKeeper in time. Where it is
 * asked for: what status says was verified at a time had all that was written by then.
 *
 * Writer and reader are threads. Whatever goes wrong fails the test that runs,
 * on the thread that asks. Not here: faults, servers and daemons.
 */
#ifndef ZKCFG_TESTS_SUPPORT_ORACLE_H
#define ZKCFG_TESTS_SUPPORT_ORACLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct oracle;

struct oracle_options {
	const char *hosts;   /* of the server or the ensemble itself, without a proxy */
	const char *shm_dir; /* of the daemon */
	unsigned int paths;  /* documents p0000, p0001, ...; at most 10,000 */
	unsigned int per_second; /* changes; 0: as many as can be */
	size_t padding;		 /* bytes in a document, besides what names it */
	bool recreates;		 /* some changes delete and create again; the set needs on-delete=remove */
	bool vouched;		 /* judge what status says was verified; not under lost notifications */
};

/* Connect and create the documents. /app must be there. Ends with oracle_end(). */
struct oracle *oracle_begin(const struct oracle_options *options);
void oracle_end(struct oracle *oracle);

/* Begin and stop to write; the reader reads from the first start on. */
void oracle_start(struct oracle *oracle);
void oracle_stop(struct oracle *oracle);
/* Changes that were made so far. */
uint64_t oracle_written(struct oracle *oracle);

/* The writer rests: the set is what ZooKeeper has, within so long; and all that was seen was right. */
void oracle_judge(struct oracle *oracle, int limit_ms);

/* The client that writes (a zhandle_t), for what a test does with it while the writer rests. */
void *oracle_writer(struct oracle *oracle);

#endif
