/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What Apollo's servers are asked: URLs, and the headers that sign them. No
 * I/O. NULL: out of memory; what is returned is the caller's to free.
 */
#ifndef ZKCFG_SOURCE_APOLLO_REQUEST_H
#define ZKCFG_SOURCE_APOLLO_REQUEST_H

#include <stdint.h>

#include "source/apollo.h"
#include "source/apollo_answer.h"

/* Of a meta server: which config servers there are. */
char *apollo_request_servers(const struct apollo_target *target, const char *meta);

/* What is known of a namespace; as an answer has it. */
/* Of a config server: what is newer than these ids; id -1: whatever there is, at once. */
char *apollo_request_notifications(const struct apollo_target *target, const char *server,
				   const struct apollo_notification *known, size_t count);

/* The release of a namespace; release_key: that of the one we have, NULL: none. */
char *apollo_request_release(const struct apollo_target *target, const char *server,
			     const struct apollo_notification *known, const char *release_key);

/* base64(HMAC-SHA1(secret, timestamp LF path-and-query of url)). */
#define APOLLO_SIGNATURE_BYTES 32
int apollo_request_signature(const char *url, const char *secret, int64_t timestamp_ms,
			     char signature[APOLLO_SIGNATURE_BYTES]);

struct apollo_headers {
	char authorization[256];
	char timestamp[64];
	const char *list[3]; /* as http_call takes them */
};

/* 0, or -ENOMEM. */
int apollo_request_sign(const struct apollo_target *target, const char *url, const char *secret,
			int64_t timestamp_ms, struct apollo_headers *headers);

#endif
