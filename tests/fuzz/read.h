/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Readers that use every function of the public interface, follow every
 * pointer they get and look at every byte. Errors are as good as values;
 * values that cannot be are not.
 */
#ifndef ZKCFG_TESTS_FUZZ_READ_H
#define ZKCFG_TESTS_FUZZ_READ_H

#include <stdbool.h>

#include <zkcfg/zkcfg.h>

/* path: one more to ask for; may be NULL. is_sound: it was verified, so that nothing may be corrupt. */
void read_document(const struct zkcfg_document *document, const char *path, bool is_sound);
/* How many documents it gave. */
size_t read_snapshot(const struct zkcfg_snapshot *snapshot);
/* NULL is allowed for older. */
void read_diff(const struct zkcfg_snapshot *older, const struct zkcfg_snapshot *newer);
void read_status(struct zkcfg *cfg);
void read_waits(struct zkcfg *cfg);

#endif
