/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bodies of requests to etcd, as its JSON gateway reads them. Ask
 * buffer_failed() when all is appended. Not here: answers, and how to send.
 */
#ifndef ZKCFG_SOURCE_ETCD_ASK_H
#define ZKCFG_SOURCE_ETCD_ASK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"

struct etcd_range {
	const char *key, *end; /* from key, until before end; end NULL: this key alone */
	size_t key_bytes;      /* a key may hold any byte; end is text */
	uint64_t revision;     /* as it was then; 0: now */
	uint64_t least_modified;
	uint64_t limit; /* 0: none */
	bool keys_only, count_only;
};

/* Never serializable: a member answers only when it knows that it is not behind. */
void etcd_ask_range(struct buffer *body, const struct etcd_range *range);
/* With notifications of progress, and answers of any size in fragments. */
void etcd_ask_watch(struct buffer *body, const char *key, const char *end, uint64_t start_revision);
/* "user:password". false: the text cannot be in JSON. */
bool etcd_ask_token(struct buffer *body, const char *secret);

struct etcd_change {
	const char *key;
	const void *bytes; /* NULL: remove it */
	size_t size_bytes;
	int64_t if_version; /* -1: any */
};

/* Done or not, the answer shows what version is there then. */
void etcd_ask_change(struct buffer *body, const struct etcd_change *change);

#endif
