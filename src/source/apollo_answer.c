/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "source/apollo_answer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <jansson.h>

#include "base/buffer.h"
#include "source/apollo.h"

/* Its own limits (nesting, UTF-8) are jansson's. NULL: why says where it ends to be JSON. */
static json_t *answer_load(const char *body, size_t body_bytes, struct message *why)
{
	json_error_t error;
	json_t *json = json_loadb(body, body_bytes, JSON_REJECT_DUPLICATES, &error);

	if (!json)
		message_set(why, "not JSON at line %d, column %d: %s", error.line, error.column, error.text);
	return json;
}

static int answer_refuse(struct message *why, const char *expected)
{
	message_set(why, "JSON, but not what was expected: %s", expected);
	return -EBADMSG;
}

/* --- config servers -------------------------------------------------------- */

/* It goes into URLs and messages as it is. */
static bool answer_is_url(const char *url)
{
	if (strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0)
		return false;
	if (strlen(url) > 512 || strcspn(strchr(url, ':') + 3, "/") == 0)
		return false;
	for (const char *at = url; *at != '\0'; at++)
		if (*at <= ' ' || *at > '~' || strchr("?#@\"<>\\^`{|}", *at))
			return false;
	return true;
}

static int answer_add_server(struct apollo_servers *servers, const json_t *item, struct message *why)
{
	const char *url = json_string_value(json_object_get(item, "homepageUrl"));
	size_t length;
	char *copy;

	if (!url || !answer_is_url(url))
		return answer_refuse(why, "a list of objects with homepageUrl, which is http:// or https://");
	length = strlen(url);
	while (url[length - 1] == '/')
		length--;
	copy = strndup(url, length);
	if (!copy)
		return -ENOMEM;
	servers->urls[servers->count++] = copy;
	return 0;
}

int apollo_answer_servers(const char *body, size_t body_bytes, struct apollo_servers *servers,
			  struct message *why)
{
	struct apollo_servers found = { 0 };
	json_t *json = answer_load(body, body_bytes, why);
	size_t count = json_array_size(json);
	int err = 0;

	if (!json)
		return -EBADMSG;
	if (!json_is_array(json) || count > APOLLO_SERVERS_MOST) {
		err = answer_refuse(why, "a list of config servers");
		goto free_json;
	}
	found.urls = calloc(count + 1, sizeof(*found.urls));
	if (!found.urls)
		err = -ENOMEM;
	for (size_t i = 0; i < count && err == 0; i++)
		err = answer_add_server(&found, json_array_get(json, i), why);
	if (err < 0)
		apollo_servers_free(&found);
	else
		*servers = found;
free_json:
	json_decref(json);
	return err;
}

void apollo_servers_free(struct apollo_servers *servers)
{
	for (size_t i = 0; i < servers->count; i++)
		free(servers->urls[i]);
	free(servers->urls);
	*servers = (struct apollo_servers){ 0 };
}

/* --- notifications -------------------------------------------------------- */

static int answer_take_messages(struct apollo_notification *item, json_t *details, struct message *why)
{
	const char *key;
	json_t *id;

	if (!details)
		return 0;
	if (!json_is_object(details) || json_object_size(details) > APOLLO_MESSAGES_MOST)
		return answer_refuse(why, "messages with details, an object of ids");
	item->messages = calloc(json_object_size(details) + 1, sizeof(*item->messages));
	if (!item->messages)
		return -ENOMEM;
	json_object_foreach(details, key, id)
	{
		struct apollo_message *message = &item->messages[item->message_count];

		if (!json_is_integer(id) || json_integer_value(id) < -1 || strlen(key) > 512)
			return answer_refuse(why, "messages with details, an object of ids");
		message->id = json_integer_value(id);
		message->key = strdup(key);
		if (!message->key)
			return -ENOMEM;
		item->message_count++;
	}
	return 0;
}

static int answer_take_notification(struct apollo_notification *item, json_t *json, struct message *why)
{
	const char *name = json_string_value(json_object_get(json, "namespaceName"));
	const json_t *id = json_object_get(json, "notificationId");

	if (!name || !json_is_integer(id) || json_integer_value(id) < -1)
		return answer_refuse(why, "a list of objects with namespaceName and notificationId");
	item->name = strdup(name);
	item->id = json_integer_value(id);
	if (!item->name)
		return -ENOMEM;
	return answer_take_messages(item, json_object_get(json_object_get(json, "messages"), "details"), why);
}

int apollo_answer_notifications(const char *body, size_t body_bytes,
				struct apollo_notifications *notifications, struct message *why)
{
	struct apollo_notifications found = { 0 };
	json_t *json = answer_load(body, body_bytes, why);
	size_t count = json_array_size(json);
	int err = 0;

	if (!json)
		return -EBADMSG;
	if (!json_is_array(json) || count > 4 * APOLLO_NAMESPACES_MOST) {
		err = answer_refuse(why, "a list of namespaces that changed");
		goto free_json;
	}
	found.items = calloc(count + 1, sizeof(*found.items));
	if (!found.items)
		err = -ENOMEM;
	for (size_t i = 0; i < count && err == 0; i++) {
		found.count++;
		err = answer_take_notification(&found.items[i], json_array_get(json, i), why);
	}
	if (err < 0)
		apollo_notifications_free(&found);
	else
		*notifications = found;
free_json:
	json_decref(json);
	return err;
}

void apollo_notifications_free(struct apollo_notifications *notifications)
{
	for (size_t i = 0; i < notifications->count; i++) {
		struct apollo_notification *item = &notifications->items[i];

		for (size_t k = 0; k < item->message_count; k++)
			free(item->messages[k].key);
		free(item->messages);
		free(item->name);
	}
	free(notifications->items);
	*notifications = (struct apollo_notifications){ 0 };
}

/* --- a release -------------------------------------------------------- */

/* Where text has what XML 1.0 cannot hold, or NULL; it is UTF-8. */
static const unsigned char *answer_no_xml(const char *text, size_t length)
{
	const unsigned char *at = (const unsigned char *)text, *end = at + length;

	for (; at < end; at++) {
		if (*at < 0x20 && *at != '\t' && *at != '\n' && *at != '\r')
			return at;
		if (*at == 0xef && end - at >= 3 && at[1] == 0xbf && at[2] >= 0xbe)
			return at; /* U+FFFE, U+FFFF */
	}
	return NULL;
}

/* Line ends and tabs of a value survive an attribute, and a carriage return any parser. */
static void answer_escape(struct buffer *xml, const char *text, size_t length, bool is_attribute)
{
	for (size_t i = 0; i < length; i++) {
		char c = text[i];

		if (c == '&')
			buffer_append(xml, "&amp;", 5);
		else if (c == '<')
			buffer_append(xml, "&lt;", 4);
		else if (c == '>')
			buffer_append(xml, "&gt;", 4);
		else if (c == '"' && is_attribute)
			buffer_append(xml, "&quot;", 6);
		else if (c == '\r' || (is_attribute && (c == '\n' || c == '\t')))
			buffer_printf(xml, "&#%d;", c);
		else
			buffer_append(xml, &c, 1);
	}
}

static bool answer_add_entry(struct buffer *xml, const char *key, const json_t *value, struct message *why)
{
	const char *text = json_string_value(value);
	size_t length = json_string_length(value);
	const unsigned char *bad = answer_no_xml(key, strlen(key));

	if (!bad)
		bad = answer_no_xml(text, length);
	if (bad) {
		message_set(why,
			    "the property \"%.128s\" has a character in its key or value that XML "
			    "cannot hold, %s%02X; "
			    "it is to be taken out in Apollo",
			    key, *bad == 0xef ? "U+FFFE or U+FFFF, of which the first byte is 0x" : "U+00",
			    *bad);
		return false;
	}
	buffer_append(xml, "\t<entry name=\"", 14);
	answer_escape(xml, key, strlen(key), true);
	buffer_append(xml, "\">", 2);
	answer_escape(xml, text, length, false);
	buffer_append(xml, "</entry>\n", 9);
	return true;
}

static int answer_compare(const void *left, const void *right)
{
	return strcmp(*(const char *const *)left, *(const char *const *)right);
}

static const char **answer_sorted_keys(json_t *properties)
{
	const char **keys = calloc(json_object_size(properties) + 1, sizeof(*keys));
	size_t count = 0;
	const char *key;
	json_t *value;

	if (!keys)
		return NULL;
	json_object_foreach(properties, key, value) keys[count++] = key;
	qsort(keys, count, sizeof(*keys), answer_compare);
	return keys;
}

/* The bytes stay NULL where it cannot be. */
static int answer_make_xml(json_t *properties, struct apollo_release *release, struct message *why)
{
	static const char head[] = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<configuration>\n";
	const char **keys = answer_sorted_keys(properties);
	struct buffer xml = { 0 };
	bool is_whole = true;

	if (!keys)
		return -ENOMEM;
	buffer_append(&xml, head, strlen(head));
	for (size_t i = 0; keys[i] && is_whole; i++) {
		is_whole = answer_add_entry(&xml, keys[i], json_object_get(properties, keys[i]), why);
		if (is_whole && xml.size_bytes > APOLLO_DOCUMENT_MOST_BYTES) {
			message_set(why, "it has more than %d bytes as XML, the most there may be",
				    APOLLO_DOCUMENT_MOST_BYTES);
			is_whole = false;
		}
	}
	free(keys);
	buffer_printf(&xml, "</configuration>\n");
	if (buffer_failed(&xml) || !is_whole) {
		bool failed = is_whole;

		buffer_free(&xml);
		return failed ? -ENOMEM : 0;
	}
	release->bytes = xml.bytes;
	release->size_bytes = xml.size_bytes;
	return 0;
}

static int answer_copy_content(json_t *properties, struct apollo_release *release, struct message *why)
{
	const json_t *content = json_object_get(properties, "content");
	size_t length = json_string_length(content);

	if (!content) {
		message_set(why, "it has no \"content\", which a namespace of XML has; %zu other keys",
			    json_object_size(properties));
		return 0;
	}
	if (length > APOLLO_DOCUMENT_MOST_BYTES) {
		message_set(why, "it has %zu bytes; the most there may be is %d", length,
			    APOLLO_DOCUMENT_MOST_BYTES);
		return 0;
	}
	release->bytes = malloc(length + 1);
	if (!release->bytes)
		return -ENOMEM;
	memcpy(release->bytes, json_string_value(content), length);
	release->bytes[length] = '\0';
	release->size_bytes = length;
	return 0;
}

static bool answer_is_strings(json_t *properties)
{
	const char *key;
	json_t *value;

	json_object_foreach(properties, key, value) if (!json_is_string(value)) return false;
	return json_is_object(properties);
}

static int answer_take_release(json_t *json, bool is_xml, struct apollo_release *release, struct message *why)
{
	const char *sync = json_string_value(json_object_get(json, "configSyncType"));
	const char *key = json_string_value(json_object_get(json, "releaseKey"));
	json_t *properties = json_object_get(json, "configurations");
	int err;

	if (sync && strcasecmp(sync, "IncrementalSync") == 0) {
		release->is_difference = true;
		return 0;
	}
	if (!key || strlen(key) > 1024 || !answer_is_strings(properties))
		return answer_refuse(why, "a release: releaseKey, and configurations with texts");
	err = is_xml ? answer_copy_content(properties, release, why)
		     : answer_make_xml(properties, release, why);
	if (err < 0)
		return err;
	release->key = strdup(key);
	return release->key ? 0 : -ENOMEM;
}

int apollo_answer_release(const char *body, size_t body_bytes, bool is_xml, struct apollo_release *release,
			  struct message *why)
{
	struct apollo_release found = { 0 };
	json_t *json = answer_load(body, body_bytes, why);
	int err;

	if (!json)
		return -EBADMSG;
	err = answer_take_release(json, is_xml, &found, why);
	json_decref(json);
	if (err < 0)
		apollo_release_free(&found);
	else
		*release = found;
	return err;
}

void apollo_release_free(struct apollo_release *release)
{
	free(release->key);
	free(release->bytes);
	*release = (struct apollo_release){ 0 };
}

bool apollo_answer_is_missing(const char *body, size_t body_bytes)
{
	json_t *json = json_loadb(body, body_bytes, 0, NULL);
	bool is_missing = json_integer_value(json_object_get(json, "status")) == 404;

	json_decref(json);
	return is_missing;
}
