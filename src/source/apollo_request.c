/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "source/apollo_request.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/buffer.h"

/* All that RFC 3986 does not leave alone; Tomcat refuses a raw '[' or '{'. */
static void request_add_encoded(struct buffer *url, const char *text)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~";

	for (const char *at = text; *at != '\0'; at++) {
		if (strchr(plain, *at))
			buffer_append(url, at, 1);
		else
			buffer_printf(url, "%%%02X", (unsigned int)(unsigned char)*at);
	}
}

static void request_add_option(struct buffer *url, char separator, const char *key, const char *value)
{
	if (!value)
		return;
	buffer_printf(url, "%c%s=", separator, key);
	request_add_encoded(url, value);
}

static char *request_end(struct buffer *url)
{
	buffer_append(url, "", 1);
	if (!buffer_failed(url))
		return url->bytes;
	buffer_free(url);
	return NULL;
}

/* A JSON string; names and keys have no control characters that matter to a server. */
static void request_add_json(struct buffer *json, const char *text)
{
	buffer_append(json, "\"", 1);
	for (const char *at = text; *at != '\0'; at++) {
		if ((unsigned char)*at < 0x20)
			buffer_printf(json, "\\u%04x", (unsigned int)*at);
		else
			buffer_printf(json, "%s%c", *at == '"' || *at == '\\' ? "\\" : "", *at);
	}
	buffer_append(json, "\"", 1);
}

char *apollo_request_servers(const struct apollo_target *target, const char *meta)
{
	struct buffer url = { 0 };

	buffer_printf(&url, "%s/services/config", meta);
	request_add_option(&url, '?', "appId", target->app);
	request_add_option(&url, '&', "ip", target->ip);
	return request_end(&url);
}

/* Option by option: the JSON is built apart, then encoded. */
static void request_add_json_option(struct buffer *url, char separator, const char *key, struct buffer *json)
{
	buffer_append(json, "", 1);
	if (buffer_failed(json))
		url->failed = true;
	else
		request_add_option(url, separator, key, json->bytes);
	buffer_free(json);
}

char *apollo_request_notifications(const struct apollo_target *target, const char *server,
				   const struct apollo_notification *known, size_t count)
{
	struct buffer url = { 0 }, json = { 0 };

	buffer_printf(&url, "%s/notifications/v2", server);
	request_add_option(&url, '?', "appId", target->app);
	request_add_option(&url, '&', "cluster", target->cluster);
	buffer_append(&json, "[", 1);
	for (size_t i = 0; i < count; i++) {
		buffer_printf(&json, "%s{\"namespaceName\":", i == 0 ? "" : ",");
		request_add_json(&json, known[i].name);
		buffer_printf(&json, ",\"notificationId\":%" PRId64 "}", known[i].id);
	}
	buffer_append(&json, "]", 1);
	request_add_json_option(&url, '&', "notifications", &json);
	request_add_option(&url, '&', "ip", target->ip);
	return request_end(&url);
}

static void request_add_messages(struct buffer *url, char separator, const struct apollo_notification *known)
{
	struct buffer json = { 0 };

	if (known->message_count == 0)
		return;
	buffer_printf(&json, "{\"details\":{");
	for (size_t i = 0; i < known->message_count; i++) {
		buffer_append(&json, ",", i > 0);
		request_add_json(&json, known->messages[i].key);
		buffer_printf(&json, ":%" PRId64, known->messages[i].id);
	}
	buffer_append(&json, "}}", 2);
	request_add_json_option(url, separator, "messages", &json);
}

char *apollo_request_release(const struct apollo_target *target, const char *server,
			     const struct apollo_notification *known, const char *release_key)
{
	struct buffer url = { 0 };
	size_t query;

	buffer_printf(&url, "%s/configs/", server);
	request_add_encoded(&url, target->app);
	buffer_append(&url, "/", 1);
	request_add_encoded(&url, target->cluster);
	buffer_append(&url, "/", 1);
	request_add_encoded(&url, known->name);
	query = url.size_bytes;
	request_add_option(&url, '&', "releaseKey", release_key);
	request_add_messages(&url, '&', known);
	request_add_option(&url, '&', "label", target->label);
	request_add_option(&url, '&', "ip", target->ip);
	if (!buffer_failed(&url) && url.size_bytes > query)
		url.bytes[query] = '?';
	return request_end(&url);
}

/* "http://h:1/a?b" -> "/a?b", as it goes over the line. */
static const char *request_path(const char *url)
{
	const char *authority = strstr(url, "://");

	authority = authority ? authority + 3 : url;
	return authority + strcspn(authority, "/?");
}

int apollo_request_signature(const char *url, const char *secret, int64_t timestamp_ms,
			     char signature[APOLLO_SIGNATURE_BYTES])
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned int digest_bytes = 0;
	struct buffer text = { 0 };
	int err = -ENOMEM;

	buffer_printf(&text, "%" PRId64 "\n%s", timestamp_ms, request_path(url));
	if (!buffer_failed(&text) &&
	    HMAC(EVP_sha1(), secret, (int)strlen(secret), (const unsigned char *)text.bytes, text.size_bytes,
		 digest, &digest_bytes)) {
		EVP_EncodeBlock((unsigned char *)signature, digest,
				(int)digest_bytes); /* 20 bytes: 28 letters */
		err = 0;
	}
	buffer_free(&text);
	return err;
}

int apollo_request_sign(const struct apollo_target *target, const char *url, const char *secret,
			int64_t timestamp_ms, struct apollo_headers *headers)
{
	char signature[APOLLO_SIGNATURE_BYTES];

	if (apollo_request_signature(url, secret, timestamp_ms, signature) < 0)
		return -ENOMEM;
	snprintf(headers->authorization, sizeof(headers->authorization), "Authorization: Apollo %.128s:%s",
		 target->app, signature);
	snprintf(headers->timestamp, sizeof(headers->timestamp), "Timestamp: %" PRId64, timestamp_ms);
	headers->list[0] = headers->authorization;
	headers->list[1] = headers->timestamp;
	headers->list[2] = NULL;
	return 0;
}
