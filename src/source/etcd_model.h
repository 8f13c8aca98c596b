/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What etcd had as far as it was told: every key below the prefix with its
 * revisions, so that only what is news is told on.
 *
 * Keys that can be no document's name (an empty part, "." or "..", control
 * characters, not UTF-8) are known as well, as the server counts them, and are
 * named in the log once. No I/O.
 */
#ifndef ZKCFG_SOURCE_ETCD_MODEL_H
#define ZKCFG_SOURCE_ETCD_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "source/etcd_answer.h"
#include "source/source.h"

struct etcd_model;

/* prefix ends in '/' and is borrowed, as events are. NULL: out of memory. */
struct etcd_model *etcd_model_new(const char *prefix, const struct source_events *events, void *user);
void etcd_model_free(struct etcd_model *model);

/* How many keys there are, and their values' bytes in all. */
size_t etcd_model_count(const struct etcd_model *model);
uint64_t etcd_model_bytes(const struct etcd_model *model);

/* A key as it is now, or its end. 0, -ENOMEM, or -EINVAL: it is not below the prefix. */
int etcd_model_take(struct etcd_model *model, const struct etcd_item *item);
/* The same without its value, which is beyond what is read. */
int etcd_model_take_too_large(struct etcd_model *model, const struct etcd_item *item);

/*
 * All keys follow, by take or see; what was neither taken nor seen until the
 * end is removed. is_repair: what is news is told as repaired, too.
 */
void etcd_model_begin_round(struct etcd_model *model, bool is_repair);
void etcd_model_see(struct etcd_model *model, const struct etcd_item *item);
void etcd_model_end_round(struct etcd_model *model);

/* The same to compare only. false: it is not what was told. */
bool etcd_model_matches(struct etcd_model *model, const struct etcd_item *item);
bool etcd_model_all_seen(const struct etcd_model *model);

#endif
