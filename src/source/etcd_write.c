/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing one key, for the command line: a transaction, of which the answer says
 * what is there then. Endpoints are tried by turns until one is reached; what
 * may have been sent is not sent again.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "source/etcd.h"
#include "source/etcd_answer.h"
#include "source/etcd_ask.h"

#define WRITE_CONNECT_MS 3000
#define WRITE_ANSWER_MOST_BYTES 65536

struct writer {
	struct etcd_target target;
	struct buffer secret;
	char *key;
	char *token;
	const struct source_change *change;
	bool is_removal;
	struct message *message;
	int64_t deadline_ns;
	const char *endpoint;
	/* of the last answer: */
	enum http_failure failure;
	int status;
	bool is_late; /* the whole time was up */
	struct buffer body;
	struct message reason;
};

static int writer_left_ms(const struct writer *writer)
{
	int64_t left_ns = writer->deadline_ns - clock_monotonic_ns();

	return left_ns > 0 ? (int)(left_ns / CLOCK_NS_PER_MS) + 1 : 0;
}

/* --- one request ---------------------------------------------------------------------- */

static void writer_answered(void *user, const struct http_answer *answer)
{
	struct writer *writer = user;

	writer->failure = answer->failure;
	writer->status = answer->status;
	message_set(&writer->reason, "%s", answer->reason);
	buffer_clear(&writer->body);
	buffer_append(&writer->body, answer->body, answer->body_bytes + 1);
}

static int writer_post(struct writer *writer, const char *path, const struct buffer *body)
{
	struct http_tls tls = etcd_target_tls(&writer->target);
	const char *headers[] = { "Content-Type: application/json", NULL, NULL };
	struct buffer url = { 0 }, header = { 0 };
	struct http_call call = { .headers = headers,
				  .body = body->bytes,
				  .body_bytes = body->size_bytes,
				  .most_bytes = WRITE_ANSWER_MOST_BYTES,
				  .done = writer_answered,
				  .user = writer };
	int err = -ENOMEM;

	buffer_printf(&url, "%s%s", writer->endpoint, path);
	buffer_append(&url, "", 1);
	buffer_printf(&header, "Authorization: %s", writer->token ? writer->token : "");
	buffer_append(&header, "", 1);
	if (!buffer_failed(&url) && !buffer_failed(&header) && !buffer_failed(body)) {
		call.url = url.bytes;
		headers[1] = writer->token ? header.bytes : NULL;
		call.timeout_ms = writer_left_ms(writer) + 1; /* 0 would be no limit */
		call.connect_timeout_ms =
			call.timeout_ms < WRITE_CONNECT_MS ? call.timeout_ms : WRITE_CONNECT_MS;
		err = http_perform(&tls, &call);
	}
	if (buffer_failed(&writer->body))
		err = -ENOMEM;
	writer->is_late = writer_left_ms(writer) == 0;
	buffer_free(&url);
	buffer_free(&header);
	return err;
}

/* Not even a connection came to be. */
static bool writer_was_not_sent(const struct writer *writer)
{
	return writer->failure == HTTP_UNREACHABLE || writer->failure == HTTP_TLS_FAILED ||
	       (writer->failure == HTTP_TIMED_OUT && !writer->is_late);
}

/* --- what it came to -------------------------------------------------------------------- */

static enum source_result writer_out_of_memory(struct writer *writer)
{
	message_set(writer->message, "out of memory for a request to etcd");
	return SOURCE_FAILED;
}

/* There is no answer. */
static enum source_result writer_failed(struct writer *writer)
{
	if (writer_was_not_sent(writer) || writer->failure == HTTP_TLS_FAILED) {
		message_set(writer->message, "%s; nothing was written", writer->reason.text);
		return writer->is_late ? SOURCE_TIMEOUT : SOURCE_FAILED;
	}
	message_set(writer->message, "%s (what was sent for %s may be done or not)", writer->reason.text,
		    writer->key);
	return writer->failure == HTTP_TIMED_OUT ? SOURCE_TIMEOUT : SOURCE_FAILED;
}

/* The answer is that it will not. */
static enum source_result writer_refused(struct writer *writer)
{
	struct etcd_error error;
	bool is_nameless;

	if (!etcd_answer_error(writer->body.bytes, writer->body.size_bytes - 1, &error)) {
		message_set(writer->message, "%s: status %d with \"%.80s\"; expected an etcd, 3.4 or newer",
			    writer->endpoint, writer->status, writer->body.bytes);
		return SOURCE_FAILED;
	}
	is_nameless = strstr(error.text.text, "user name is empty") != NULL;
	message_set(writer->message, "%s: %.300s; %.128s was not written%s", writer->endpoint,
		    error.text.text, writer->key,
		    is_nameless ? " (a user and password come from a file, as ?auth_file=PATH)" : "");
	/* of etcd, and of gRPC before it */
	return strstr(error.text.text, "too large") || strstr(error.text.text, "larger than max")
		       ? SOURCE_INVALID
		       : SOURCE_FAILED;
}

static enum source_result writer_result(struct writer *writer, const struct etcd_answer *answer,
					int64_t *version)
{
	if (answer->is_done) {
		*version = answer->version;
		return SOURCE_DONE;
	}
	if (answer->version == 0) {
		message_set(writer->message, "there is no key %s%s", writer->key,
			    writer->change->if_version > 0 ? "; a certain version of it was expected" : "");
		return SOURCE_MISSING;
	}
	message_set(writer->message,
		    "%s has version %" PRId64 ", expected %" PRId64 "%s; it was left as it is", writer->key,
		    answer->version, writer->change->if_version,
		    writer->change->if_version == 0 ? " (none)" : "");
	return SOURCE_CONFLICT;
}

/* --- the steps ----------------------------------------------------------------------------- */

/* 0, or it is over with *result. */
static int writer_authenticate(struct writer *writer, enum source_result *result)
{
	struct etcd_error error;

	if (writer->secret.size_bytes == 0)
		return 0;
	if (writer_post(writer, "/v3/auth/authenticate", &writer->secret) < 0) {
		*result = writer_out_of_memory(writer);
		return -1;
	}
	if (writer->failure != HTTP_ANSWERED) {
		message_set(writer->message, "%s; nothing was written", writer->reason.text);
		*result = writer->is_late ? SOURCE_TIMEOUT : SOURCE_FAILED;
		return -1;
	}
	if (writer->status != 200) {
		if (etcd_answer_error(writer->body.bytes, writer->body.size_bytes - 1, &error) &&
		    error.code == ETCD_NOT_NOW)
			return 0; /* the server knows no users */
		*result = writer_refused(writer);
		return -1;
	}
	*result = SOURCE_FAILED;
	return etcd_answer_token(writer->body.bytes, writer->body.size_bytes - 1, &writer->token,
				 writer->message);
}

static enum source_result writer_change(struct writer *writer, int64_t *version)
{
	struct etcd_change change = { .key = writer->key,
				      .bytes = writer->change->size_bytes > 0 ? writer->change->bytes : "",
				      .size_bytes = writer->change->size_bytes,
				      .if_version = writer->change->if_version };
	enum source_result result = SOURCE_FAILED;
	struct etcd_answer answer;
	struct buffer body = { 0 };
	int err;

	if (writer->is_removal)
		change.bytes = NULL;
	etcd_ask_change(&body, &change);
	err = writer_post(writer, "/v3/kv/txn", &body);
	buffer_free(&body);
	if (err < 0)
		return writer_out_of_memory(writer);
	if (writer->failure != HTTP_ANSWERED)
		return writer_failed(writer);
	if (writer->status != 200)
		return writer_refused(writer);
	if (etcd_answer_change(writer->body.bytes, writer->body.size_bytes - 1, &answer, writer->message) ==
	    0) {
		result = writer_result(writer, &answer, version);
		etcd_answer_free(&answer);
	}
	return result;
}

/* By turns, until one is reached. */
static enum source_result writer_run(struct writer *writer, int64_t *version)
{
	enum source_result result = SOURCE_FAILED;

	for (size_t i = 0; i < writer->target.endpoint_count; i++) {
		writer->endpoint = writer->target.endpoints[i];
		if (writer_authenticate(writer, &result) == 0)
			result = writer_change(writer, version);
		if (writer->failure == HTTP_ANSWERED || !writer_was_not_sent(writer) || writer->is_late)
			break;
	}
	return result;
}

static enum source_result writer_check(const struct writer *writer)
{
	const struct source_change *change = writer->change;

	if (writer->key[0] == '\0') {
		message_set(writer->message, "\"/\" is no document; expected the key of one, as "
					     "etcd://127.0.0.1:2379/app/site.xml");
		return SOURCE_INVALID;
	}
	if (change->if_version < -1 || (writer->is_removal && change->if_version == 0)) {
		message_set(writer->message,
			    "%" PRId64 " is no version of a key; expected 1 or more%s, or -1 for any",
			    change->if_version, writer->is_removal ? "" : ", 0 for none being there");
		return SOURCE_INVALID;
	}
	if (change->size_bytes > ETCD_DOCUMENT_MOST_BYTES) {
		message_set(writer->message, "%zu bytes are too many for %s; expected %zu at the most",
			    change->size_bytes, writer->key, ETCD_DOCUMENT_MOST_BYTES);
		return SOURCE_INVALID;
	}
	return SOURCE_DONE;
}

static enum source_result writer_open(struct writer *writer, const char *uri)
{
	writer->deadline_ns = clock_monotonic_ns() + writer->change->timeout_ms * CLOCK_NS_PER_MS;
	if (etcd_target_parse(uri, &writer->target, writer->message) < 0)
		return SOURCE_INVALID;
	writer->key = writer->target.prefix; /* without the '/' that makes it one */
	writer->key[strlen(writer->key) - 1] = '\0';
	if (etcd_secret_read(&writer->target, &writer->secret, writer->message) < 0 ||
	    etcd_target_check_files(&writer->target, writer->message) < 0)
		return SOURCE_INVALID;
	return writer_check(writer);
}

static enum source_result writer_write(const char *uri, struct writer *writer, int64_t *version)
{
	enum source_result result = writer_open(writer, uri);

	if (result == SOURCE_DONE)
		result = writer_run(writer, version);
	if (writer->token)
		explicit_bzero(writer->token, strlen(writer->token));
	free(writer->token);
	buffer_free(&writer->body);
	etcd_secret_free(&writer->secret);
	etcd_target_free(&writer->target);
	return result;
}

enum source_result etcd_put(const char *uri, const struct source_change *change, int64_t *version,
			    struct message *message)
{
	struct writer writer = { .change = change, .message = message };

	return writer_write(uri, &writer, version);
}

enum source_result etcd_remove(const char *uri, const struct source_change *change, struct message *message)
{
	struct writer writer = { .change = change, .message = message, .is_removal = true };
	int64_t version;

	return writer_write(uri, &writer, &version);
}
