/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A process that reads set "app" all the time, and looks at every document of
 * every snapshot: each has one element, /d, whose text names the document, a
 * version and a checksum of both, so that a torn, mixed or wrong one shows. It
 * tells what it has seen through memory that it shares with the test. Neither
 * an error nor a number that goes back is right once there was a commit.
 */
#ifndef ZKCFG_TESTS_SUPPORT_READER_PROCESS_H
#define ZKCFG_TESTS_SUPPORT_READER_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* How it comes to know of a commit. */
enum reader_way {
	READER_PINS,	/* pins without a pause */
	READER_WAITS,	/* zkcfg_wait(), then pins */
	READER_COMPARES /* zkcfg_changed(), then pins; and pins now and then in any case, as zkcfg.h says */
};

struct reader_seen;

struct reader_process {
	pid_t pid;
	struct reader_seen *seen;
};

/* The text of /d, for documents of about `padding` bytes. Into text; returns it. */
char *reader_text(const char *name, uint64_t version, size_t padding, char *text, size_t text_bytes);
/* <d>...</d> around it; the caller's to free. */
char *reader_document(const char *name, uint64_t version, size_t padding);

/* Ends with reader_process_end(). It opens the set when there is one. */
void reader_process_start(struct reader_process *reader, const char *shm_dir, enum reader_way way);
/* The test fails where it had a fault, died or was killed by a signal. */
void reader_process_end(struct reader_process *reader);

/* Snapshots it looked at so far, and the newest one's seq. */
uint64_t reader_process_passes(const struct reader_process *reader);
uint64_t reader_process_seq(const struct reader_process *reader);
/* The version of document "stamp" in it; 0: there is none. */
uint64_t reader_process_stamp(const struct reader_process *reader);
/* The daemon that serves it, and how old that one's last sign of life is, as it last read; -1: not known. */
int64_t reader_process_daemon(const struct reader_process *reader);
int64_t reader_process_daemon_age_ms(const struct reader_process *reader);
/* Returns when it has looked twice more; not for one that waits. */
void reader_process_let_pass(const struct reader_process *reader);

#endif
