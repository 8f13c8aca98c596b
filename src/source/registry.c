/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "source/source.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "source/apollo.h"
#include "source/configmap.h"
#include "source/etcd.h"
#include "source/file.h"
#include "source/zookeeper.h"

/* One line a source. */
static const struct source_ops *const registry_sources[] = {
	&zookeeper_source,
	&zookeeper_tls_source,
	&file_source,
	&configmap_source,
	&etcd_source,
	&etcd_tls_source,
	&apollo_source,
	&apollo_tls_source,
};

#define REGISTRY_SOURCES (sizeof(registry_sources) / sizeof(*registry_sources))

/* The length of "scheme" in "scheme://", or 0. */
static size_t registry_scheme_length(const char *uri)
{
	const char *end = strstr(uri, "://");

	return end ? (size_t)(end - uri) : 0;
}

static void registry_list(struct buffer *list)
{
	for (size_t i = 0; i < REGISTRY_SOURCES; i++)
		buffer_printf(list, "%s%s:// (as %s)", i == 0 ? "" : ", ", registry_sources[i]->scheme,
			      registry_sources[i]->example);
}

const struct source_ops *source_find(const char *uri, struct message *message)
{
	size_t length = registry_scheme_length(uri);
	struct buffer list = { 0 };

	for (size_t i = 0; i < REGISTRY_SOURCES; i++) {
		const char *scheme = registry_sources[i]->scheme;

		if (strlen(scheme) == length && memcmp(scheme, uri, length) == 0)
			return registry_sources[i];
	}
	registry_list(&list);
	if (length == 0)
		message_set(message, "a source is a URI with a scheme; expected %.*s", (int)list.size_bytes,
			    list.bytes ? list.bytes : "");
	else
		message_set(message, "there is no source with the scheme %.*s://; expected %.*s",
			    length > 32 ? 32 : (int)length, uri, (int)list.size_bytes,
			    list.bytes ? list.bytes : "");
	buffer_free(&list);
	return NULL;
}

/* Append what fits, and count on as if all did. */
static void registry_append(char *text, size_t text_bytes, size_t *used, const char *from, size_t length)
{
	for (size_t i = 0; i < length; i++, ++*used)
		if (*used + 1 < text_bytes)
			text[*used] = from[i];
}

static bool registry_is_secret(const char *key, size_t length)
{
	return length >= strlen("_file") &&
	       memcmp(key + length - strlen("_file"), "_file", strlen("_file")) == 0;
}

/*
 * A URI that is not acceptable is shown as well, in the message that says so:
 * hence nothing here depends on its being right.
 */
void source_describe(const char *uri, char *text, size_t text_bytes)
{
	size_t scheme = registry_scheme_length(uri), used = 0;
	const char *rest = scheme > 0 ? uri + scheme + strlen("://") : uri;
	size_t authority = strcspn(rest, "/?");
	const char *at = NULL;

	if (text_bytes == 0)
		return;
	for (size_t i = 0; i < authority; i++)
		if (rest[i] == '@')
			at = rest + i;
	registry_append(text, text_bytes, &used, uri, (size_t)(rest - uri));
	if (at) {
		registry_append(text, text_bytes, &used, "...", 3);
		authority -= (size_t)(at - rest);
		rest = at;
	}
	authority += strcspn(rest + authority, "?");
	registry_append(text, text_bytes, &used, rest, authority);
	rest += authority;
	while (*rest != '\0') {
		size_t length = 1 + strcspn(rest + 1, "&"); /* with the '?' or '&' before it */
		size_t key = strcspn(rest, "=");

		if (key < length && registry_is_secret(rest + 1, key - 1))
			registry_append(text, text_bytes, &used, rest, key);
		else
			registry_append(text, text_bytes, &used, rest, length);
		rest += length;
	}
	text[used < text_bytes ? used : text_bytes - 1] = '\0';
}
