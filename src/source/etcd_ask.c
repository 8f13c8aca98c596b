/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "source/etcd_ask.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

static void ask_base64(struct buffer *body, const void *bytes, size_t size_bytes)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const unsigned char *from = bytes;

	for (size_t i = 0; i < size_bytes; i += 3) {
		uint32_t left = size_bytes - i < 3 ? (uint32_t)(size_bytes - i) : 3,
			 three = (uint32_t)from[i] << 16;
		char four[4];

		three |= left > 1 ? (uint32_t)from[i + 1] << 8 : 0;
		three |= left > 2 ? from[i + 2] : 0;
		four[0] = digits[three >> 18];
		four[1] = digits[three >> 12 & 63];
		four[2] = left > 1 ? digits[three >> 6 & 63] : '=';
		four[3] = left > 2 ? digits[three & 63] : '=';
		buffer_append(body, four, sizeof(four));
	}
}

static void ask_member(struct buffer *body, const char *name, const void *bytes, size_t size_bytes)
{
	buffer_printf(body, "\"%s\":\"", name);
	ask_base64(body, bytes, size_bytes);
	buffer_printf(body, "\"");
}

static void ask_number(struct buffer *body, const char *name, uint64_t number)
{
	if (number > 0)
		buffer_printf(body, ",\"%s\":\"%" PRIu64 "\"", name, number);
}

void etcd_ask_range(struct buffer *body, const struct etcd_range *range)
{
	buffer_printf(body, "{");
	ask_member(body, "key", range->key, range->key_bytes);
	if (range->end) {
		buffer_printf(body, ",");
		ask_member(body, "range_end", range->end, strlen(range->end));
	}
	ask_number(body, "revision", range->revision);
	ask_number(body, "min_mod_revision", range->least_modified);
	ask_number(body, "limit", range->limit);
	if (range->keys_only)
		buffer_printf(body, ",\"keys_only\":true");
	if (range->count_only)
		buffer_printf(body, ",\"count_only\":true");
	buffer_printf(body, "}");
}

void etcd_ask_watch(struct buffer *body, const char *key, const char *end, uint64_t start_revision)
{
	buffer_printf(body, "{\"create_request\":{");
	ask_member(body, "key", key, strlen(key));
	buffer_printf(body, ",");
	ask_member(body, "range_end", end, strlen(end));
	ask_number(body, "start_revision", start_revision);
	buffer_printf(body, ",\"progress_notify\":true,\"fragment\":true}}");
}

bool etcd_ask_token(struct buffer *body, const char *secret)
{
	size_t user_bytes = strcspn(secret, ":");
	json_t *request = json_pack("{s:s%, s:s}", "name", secret, user_bytes, "password",
				    secret + user_bytes + (secret[user_bytes] == ':'));
	char *text = request ? json_dumps(request, JSON_COMPACT) : NULL;

	json_decref(request);
	if (!text)
		return false;
	buffer_append(body, text, strlen(text));
	explicit_bzero(text, strlen(text));
	free(text);
	return true;
}

static void ask_compare(struct buffer *body, const struct etcd_change *change)
{
	buffer_printf(body, "\"compare\":[");
	if (change->if_version >= 0 || !change->bytes) {
		buffer_printf(body, "{");
		ask_member(body, "key", change->key, strlen(change->key));
		buffer_printf(body, ",\"target\":\"VERSION\",\"result\":\"%s\",\"version\":\"%" PRId64 "\"}",
			      change->if_version >= 0 ? "EQUAL" : "GREATER",
			      change->if_version >= 0 ? change->if_version : 0);
	}
	buffer_printf(body, "],");
}

static void ask_look(struct buffer *body, const char *key)
{
	buffer_printf(body, "{\"request_range\":{");
	ask_member(body, "key", key, strlen(key));
	buffer_printf(body, ",\"keys_only\":true}}");
}

void etcd_ask_change(struct buffer *body, const struct etcd_change *change)
{
	buffer_printf(body, "{");
	ask_compare(body, change);
	buffer_printf(body, "\"success\":[{\"%s\":{", change->bytes ? "request_put" : "request_delete_range");
	ask_member(body, "key", change->key, strlen(change->key));
	if (change->bytes) {
		buffer_printf(body, ",");
		ask_member(body, "value", change->bytes, change->size_bytes);
	}
	buffer_printf(body, "}},");
	ask_look(body, change->key);
	buffer_printf(body, "],\"failure\":[");
	ask_look(body, change->key);
	buffer_printf(body, "]}");
}
