/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "source/etcd_answer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

/* So much of what is no answer is shown. */
#define ANSWER_SHOWN_BYTES 80

/* --- JSON ------------------------------------------------------------------------ */

static int answer_refuse(const char *text, size_t text_bytes, const char *expected, struct message *message)
{
	message_set(message, "\"%.*s\"%s is no answer of etcd's; expected %s",
		    (int)(text_bytes < ANSWER_SHOWN_BYTES ? text_bytes : ANSWER_SHOWN_BYTES), text,
		    text_bytes > ANSWER_SHOWN_BYTES ? "..." : "", expected);
	return -EINVAL;
}

/* An object, or NULL. */
static json_t *answer_load(const char *text, size_t text_bytes)
{
	json_t *root = json_loadb(text, text_bytes, JSON_ALLOW_NUL, NULL);

	if (root && !json_is_object(root)) {
		json_decref(root);
		return NULL;
	}
	return root;
}

/* A number of 64 bits, which may be text. false: something else. */
static bool answer_number(const json_t *object, const char *name, uint64_t *number)
{
	const json_t *value = json_object_get(object, name);
	const char *text = json_string_value(value);
	char *end;

	*number = 0;
	if (!value)
		return true;
	if (json_is_integer(value) && json_integer_value(value) >= 0) {
		*number = (uint64_t)json_integer_value(value);
		return true;
	}
	if (!text || *text < '0' || *text > '9')
		return false;
	errno = 0;
	*number = strtoull(text, &end, 10);
	return errno == 0 && *end == '\0';
}

static bool answer_bool(const json_t *object, const char *name)
{
	return json_is_true(json_object_get(object, name));
}

static int answer_digit(unsigned char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* 0, -EINVAL or -ENOMEM. Nothing is "". */
static int answer_base64(const json_t *object, const char *name, char **bytes, size_t *size_bytes)
{
	const json_t *value = json_object_get(object, name);
	const char *text = value ? json_string_value(value) : "";
	size_t length = value ? json_string_length(value) : 0, used = 0;
	uint32_t bits = 0;
	char *out;

	if (!text || length % 4 != 0)
		return -EINVAL;
	while (length > 0 && text[length - 1] == '=')
		length--;
	if (length % 4 == 1 || (value && json_string_length(value) - length > 2))
		return -EINVAL;
	out = malloc(length / 4 * 3 + 4);
	if (!out)
		return -ENOMEM;
	for (size_t i = 0; i < length; i++) {
		int digit = answer_digit((unsigned char)text[i]);

		if (digit < 0) {
			free(out);
			return -EINVAL;
		}
		bits = bits << 6 | (uint32_t)digit;
		if (i % 4 != 0)
			out[used++] = (char)(bits >> (6 - i % 4 * 2) & 0xff);
	}
	out[used] = '\0';
	*bytes = out;
	*size_bytes = used;
	return 0;
}

/* --- parts of answers ---------------------------------------------------------------- */

static bool answer_header(const json_t *object, struct etcd_answer *answer)
{
	const json_t *header = json_object_get(object, "header");

	return json_is_object(header) && answer_number(header, "cluster_id", &answer->cluster_id) &&
	       answer_number(header, "revision", &answer->revision) &&
	       answer_number(header, "raft_term", &answer->raft_term);
}

static int answer_item(const json_t *kv, bool is_delete, struct etcd_item *item)
{
	uint64_t version;
	int err;

	item->is_delete = is_delete;
	if (!json_is_object(kv) || !answer_number(kv, "create_revision", &item->created) ||
	    !answer_number(kv, "mod_revision", &item->modified) || !answer_number(kv, "version", &version) ||
	    version > INT64_MAX || item->modified == 0 ||
	    (!is_delete && (item->created == 0 || version == 0)))
		return -EINVAL;
	item->version = (int64_t)version;
	err = answer_base64(kv, "key", &item->key, &item->key_bytes);
	if (err == 0)
		err = answer_base64(kv, "value", &item->value, &item->value_bytes);
	return err == 0 && item->key_bytes == 0 ? -EINVAL : err;
}

/* kvs of a range, or events of a watch. */
static int answer_items(const json_t *array, bool is_events, struct etcd_answer *answer)
{
	size_t count = json_array_size(array);

	if (array && !json_is_array(array))
		return -EINVAL;
	if (count == 0)
		return 0;
	answer->items = calloc(count, sizeof(*answer->items));
	if (!answer->items)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		const json_t *one = json_array_get(array, i);
		const char *type = is_events ? json_string_value(json_object_get(one, "type")) : NULL;
		int err = answer_item(is_events ? json_object_get(one, "kv") : one,
				      type && strcmp(type, "DELETE") == 0, &answer->items[i]);

		answer->item_count = i + 1;
		if (err < 0)
			return err;
	}
	return 0;
}

static int answer_end(json_t *root, int err, struct etcd_answer *answer, struct message *message)
{
	json_decref(root);
	if (err == -ENOMEM)
		message_set(message, "out of memory for an answer of etcd's");
	if (err < 0)
		etcd_answer_free(answer);
	return err;
}

/* --- answers ----------------------------------------------------------------------- */

int etcd_answer_range(const char *text, size_t text_bytes, struct etcd_answer *answer,
		      struct message *message)
{
	json_t *root = answer_load(text, text_bytes);
	int err = -EINVAL;

	*answer = (struct etcd_answer){ 0 };
	if (root && answer_header(root, answer) && answer->revision > 0 &&
	    answer_number(root, "count", &answer->total)) {
		answer->has_more = answer_bool(root, "more");
		err = answer_items(json_object_get(root, "kvs"), false, answer);
	}
	if (err == 0 && answer->has_more && answer->item_count == 0)
		err = -EINVAL; /* there would be no going on */
	if (err == -EINVAL)
		answer_refuse(text, text_bytes, "a header with a revision, and keys", message);
	return answer_end(root, err, answer, message);
}

static int answer_stream_error(const json_t *root, struct message *message)
{
	const json_t *error = json_object_get(root, "error");
	const char *words =
		json_string_value(json_is_object(error) ? json_object_get(error, "message") : error);

	if (!words)
		return -EINVAL;
	message_set(message, "%s", words);
	return -EPROTO;
}

int etcd_answer_watch(const char *text, size_t text_bytes, struct etcd_answer *answer,
		      struct message *message)
{
	json_t *root = answer_load(text, text_bytes);
	const json_t *result = json_object_get(root, "result");
	int err = -EINVAL;

	*answer = (struct etcd_answer){ 0 };
	if (json_is_object(result) && answer_header(result, answer) &&
	    answer_number(result, "compact_revision", &answer->compacted)) {
		const char *reason = json_string_value(json_object_get(result, "cancel_reason"));

		answer->is_created = answer_bool(result, "created");
		answer->is_canceled = answer_bool(result, "canceled");
		answer->is_fragment = answer_bool(result, "fragment");
		message_set(&answer->reason, "%s", reason ? reason : "");
		err = answer_items(json_object_get(result, "events"), true, answer);
	} else if (root) {
		err = answer_stream_error(root, message);
	}
	if (err == -EINVAL)
		answer_refuse(text, text_bytes, "the result of a watch, with a header", message);
	return answer_end(root, err, answer, message);
}

int etcd_answer_change(const char *text, size_t text_bytes, struct etcd_answer *answer,
		       struct message *message)
{
	json_t *root = answer_load(text, text_bytes);
	const json_t *responses = json_object_get(root, "responses"), *last, *kv, *deletion;
	uint64_t version = 0;
	int err = -EINVAL;

	*answer = (struct etcd_answer){ 0 };
	if (root && answer_header(root, answer) && json_array_size(responses) > 0) {
		answer->is_done = answer_bool(root, "succeeded");
		last = json_array_get(responses, json_array_size(responses) - 1);
		kv = json_array_get(json_object_get(json_object_get(last, "response_range"), "kvs"), 0);
		deletion = json_object_get(json_array_get(responses, 0), "response_delete_range");
		if (answer_number(kv, "version", &version) && version <= INT64_MAX &&
		    answer_number(deletion, "deleted", &answer->deleted))
			err = 0;
		answer->version = (int64_t)version;
	}
	if (err < 0)
		answer_refuse(text, text_bytes, "the result of a transaction", message);
	return answer_end(root, err, answer, message);
}

void etcd_item_free(struct etcd_item *item)
{
	free(item->key);
	free(item->value);
	*item = (struct etcd_item){ 0 };
}

void etcd_answer_free(struct etcd_answer *answer)
{
	for (size_t i = 0; i < answer->item_count; i++)
		etcd_item_free(&answer->items[i]);
	free(answer->items);
	*answer = (struct etcd_answer){ 0 };
}

/* It goes into a header, a line of its own. */
static bool answer_is_token(const char *token)
{
	if (!token || *token == '\0')
		return false;
	for (; *token != '\0'; token++)
		if (*token <= ' ' || *token > '~')
			return false;
	return true;
}

/* What is refused is not shown: it may be a secret. */
int etcd_answer_token(const char *text, size_t text_bytes, char **token, struct message *message)
{
	json_t *root = answer_load(text, text_bytes);
	const char *found = json_string_value(json_object_get(root, "token"));
	int err = 0;

	if (!answer_is_token(found)) {
		message_set(message, "%zu bytes without a token are no answer of etcd's to authenticate",
			    text_bytes);
		err = -EINVAL;
	} else if (!(*token = strdup(found))) {
		message_set(message, "out of memory for a token");
		err = -ENOMEM;
	}
	json_decref(root);
	return err;
}

bool etcd_answer_error(const char *text, size_t text_bytes, struct etcd_error *error)
{
	json_t *root = answer_load(text, text_bytes);
	const json_t *code = json_object_get(root, "code");
	const char *words = json_string_value(json_object_get(root, "message"));

	if (!words)
		words = json_string_value(json_object_get(root, "error"));
	*error = (struct etcd_error){ .code = -1 };
	if (json_is_integer(code) && json_integer_value(code) >= 0 && json_integer_value(code) < 100)
		error->code = (int)json_integer_value(code);
	if (words)
		message_set(&error->text, "%s", words);
	json_decref(root);
	return words != NULL;
}

bool etcd_says_token_is_over(const char *words)
{
	return strstr(words, "invalid auth token") || strstr(words, "revision of auth store is old");
}

bool etcd_says_denied(const char *words)
{
	return strstr(words, "permission denied") || strstr(words, "user name is empty") ||
	       strstr(words, "authentication failed");
}
