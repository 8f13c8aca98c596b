/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What etcd answers, taken apart: JSON, with keys and values in base64 and
 * numbers of 64 bits as text. A member that is not there stands for 0, "" or
 * false, as in protocol buffers.
 *
 * No I/O, and any bytes are allowed: what is no answer of etcd's is -EINVAL and
 * a message that begins with what was found.
 */
#ifndef ZKCFG_SOURCE_ETCD_ANSWER_H
#define ZKCFG_SOURCE_ETCD_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/message.h"

/* One key as it was read, or one event. */
struct etcd_item {
	char *key;   /* NUL-terminated; it may hold other NULs */
	char *value; /* NUL-terminated as well */
	size_t key_bytes, value_bytes;
	uint64_t created, modified;
	int64_t version;
	bool is_delete;
};

struct etcd_answer {
	uint64_t cluster_id, revision, raft_term;
	struct etcd_item *items;
	size_t item_count;
	uint64_t total; /* of a range: the keys there are, whatever was asked of them */
	bool has_more;
	/* of a watch: */
	bool is_created, is_canceled, is_fragment;
	uint64_t compacted;    /* the least revision that a watch can begin with; 0: ours will do */
	struct message reason; /* why it was canceled */
	/* of a change: */
	bool is_done;
	int64_t version; /* that is there now; 0: nothing is */
	uint64_t deleted;
};

/* The codes of gRPC that matter here. */
enum etcd_code { ETCD_INVALID = 3, ETCD_DENIED = 7, ETCD_NOT_NOW = 9, ETCD_UNAUTHENTICATED = 16 };

struct etcd_error {
	int code;	     /* of gRPC; -1: it says none */
	struct message text; /* the server's words */
};

/* 0, -EINVAL and message, or -ENOMEM and message. Each ends with etcd_answer_free(). */
int etcd_answer_range(const char *text, size_t text_bytes, struct etcd_answer *answer,
		      struct message *message);
/* One line of a watch. -EPROTO: the line is an error of the server's, which is in message. */
int etcd_answer_watch(const char *text, size_t text_bytes, struct etcd_answer *answer,
		      struct message *message);
int etcd_answer_change(const char *text, size_t text_bytes, struct etcd_answer *answer,
		       struct message *message);
void etcd_answer_free(struct etcd_answer *answer);
void etcd_item_free(struct etcd_item *item);

/* The token of an answer to authenticate; the caller's to free. */
int etcd_answer_token(const char *text, size_t text_bytes, char **token, struct message *message);

/* What a status other than 200 came with. false: nothing of etcd's. */
bool etcd_answer_error(const char *text, size_t text_bytes, struct etcd_error *error);
/* The token is not known or not of today: another one is needed. */
bool etcd_says_token_is_over(const char *words);
bool etcd_says_denied(const char *words);

#endif
