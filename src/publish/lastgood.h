/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The newest commit as kept on disk, for a start without the source.
 *
 * <state-dir>/<set>/last-good and last-good.1, the one before it:
 *
 *   | magic, checksum of all behind, version, is_final, bytes, seq, segment id, count |
 *   | created, revision, version, bytes of raw, sources, name | name NUL | raw | sources |  count times
 *
 * Integers are the machine's own: state directories do not travel. Written by
 * temporary, fsync and rename; at no instant is neither there. A file that is
 * found damaged does not take the place of the one before it. Layout of the
 * segment and form of compiled documents may change without harm: documents
 * are compiled anew.
 *
 * A writer has a thread of its own, so that a slow disk never delays a
 * commit; it writes the newest it was handed and skips those in between.
 */
#ifndef ZKCFG_PUBLISH_LASTGOOD_H
#define ZKCFG_PUBLISH_LASTGOOD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <zkcfg/zkcfg.h>

#include "base/buffer.h"
#include "base/message.h"
#include "segment/document.h"

struct lastgood_head {
	uint64_t seq; /* at least 1 */
	uint8_t segment_id[16];
	bool is_final; /* the daemon ended with it: no commit came behind it */
};

typedef int lastgood_tell_fn(const struct document_origin *origin, const void *raw, size_t raw_bytes,
			     void *user);

/*
 * Read it: tell() for every document. One that is damaged is named in
 * message, and the one before it used; 0 then, too, with message filled in
 * (message->text is "" otherwise).
 *
 * ZKCFG_EEMPTY: there is none; ZKCFG_ECORRUPT: none that can be used, with
 * message; ZKCFG_ENOMEM; what tell() returned, if not 0.
 */
int lastgood_load(const char *state_dir, const char *set, struct lastgood_head *head, lastgood_tell_fn *tell,
		  void *user, struct message *message);

/* Building the bytes of one. */
void lastgood_begin(struct buffer *buffer, const struct lastgood_head *head);
void lastgood_add(struct buffer *buffer, const struct zkcfg_document *document);
void lastgood_end(struct buffer *buffer);

struct lastgood;
/* ZKCFG_ESYSTEM or ZKCFG_ENOMEM with message. Ends with lastgood_close(). */
int lastgood_open(const char *state_dir, const char *set, struct lastgood **lastgood,
		  struct message *message);
/*
 * Hand bytes over to be written; takes their memory and leaves an empty buffer.
 * Never blocks for the disk.
 */
void lastgood_store(struct lastgood *lastgood, struct buffer *bytes);
/* Is the writer free, so that building bytes is worth while? Does not block. */
bool lastgood_idle(struct lastgood *lastgood);
/* Wait until all that was handed over is written, or could not be; false: not within timeout_ms. */
bool lastgood_flush(struct lastgood *lastgood, int timeout_ms);
/* Why the last one could not be written, or "" when it was; copied into message. */
void lastgood_trouble(struct lastgood *lastgood, struct message *message);
/* Write what was handed over, then end the thread. NULL is allowed. */
void lastgood_close(struct lastgood *lastgood);

#endif
