/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What zkcfgd does, without zkcfgd: compile and publish. It is a shared
 * library of its own, which exports these and nothing else, so that all that
 * reads uses libzkcfg.so, as it is installed, and not the same functions from
 * the static libraries that the writing side is made of.
 */
#ifndef ZKCFG_TESTS_BENCH_WRITER_H
#define ZKCFG_TESTS_BENCH_WRITER_H

#include "base/message.h"
#include "publish/publisher.h"

#define WRITER_API __attribute__((visibility("default")))

/* Once, first of all. */
WRITER_API void writer_start(void);
/* xml_compile(), and message says what is wrong. free() the document. */
WRITER_API int writer_compile(const char *name, uint64_t revision, const void *xml, size_t xml_bytes,
			      struct zkcfg_document **document, size_t *document_bytes,
			      struct message *message);
/* publisher_open(), _commit(), _heartbeat(), _close(). */
WRITER_API int writer_open(const char *shm_dir, const char *set, struct publisher **publisher,
			   struct message *message);
WRITER_API int writer_commit(struct publisher *publisher, const struct publisher_change *changes,
			     size_t change_count, struct message *message);
WRITER_API int writer_heartbeat(struct publisher *publisher, struct message *message);
WRITER_API void writer_close(struct publisher *publisher);

#endif
