/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing one znode, for the command line: one handle, one step after the
 * other, each waited for no longer than the caller said for the whole.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "source/secret.h"
#include "source/zookeeper.h"
#include "source/zookeeper_handle.h"
#include "source/zookeeper_tls.h"

/* In a create request besides path and data: header, lengths, flags, and the one entry of an open ACL. */
#define WRITE_OVERHEAD_BYTES 47
/* A connection may be lost once for reasons of its own; twice on the same request is the request's doing. */
#define WRITE_LOSSES_MOST 2
/* For the session's end to reach the server, when all is done. */
#define WRITE_CLOSE_NS (2 * CLOCK_NS_PER_S)

struct writer {
	struct zookeeper_target target;
	char *secret;
	struct mailbox *mailbox;
	struct zookeeper_handle *handle;
	zhandle_t *zh;
	struct letter *letters; /* taken, not looked at */
	struct message *message;
	int64_t deadline_ns;
	int timeout_ms;
	uint64_t request;
	int32_t version; /* of the last reply */
	unsigned int losses;
	struct message open_message; /* why there is no handle */
	bool connected;
};

/* What a step can come to besides an outcome of ZooKeeper's, which are 0 and below. */
enum { WRITE_TIMED_OUT = 1, WRITE_REFUSED, WRITE_UNOPENED, WRITE_EXPIRED };

/* The next letter, or NULL when the time is over. The caller's to free. */
static struct letter *writer_next(struct writer *writer, int64_t deadline_ns)
{
	struct letter *letter;

	while (!writer->letters) {
		struct pollfd poll_fd = { .fd = mailbox_fd(writer->mailbox), .events = POLLIN };
		int64_t left_ns = deadline_ns - clock_monotonic_ns();
		bool lost;

		if (left_ns <= 0)
			return NULL;
		if (poll(&poll_fd, 1, (int)(left_ns / CLOCK_NS_PER_MS) + 1) < 0 && errno != EINTR)
			return NULL;
		writer->letters = mailbox_take(writer->mailbox, &lost);
	}
	letter = writer->letters;
	writer->letters = letter->next;
	letter->next = NULL;
	return letter;
}

/* What a letter that is no reply changes; 0, or why there is no going on. */
static int writer_session(struct writer *writer, const struct letter *letter)
{
	if (letter->kind == LETTER_OPENED)
		writer->zh = letter->zh;
	if (letter->kind == LETTER_FAILED) {
		message_set(&writer->open_message, "%s", letter->bytes);
		return WRITE_UNOPENED;
	}
	if (letter->kind != LETTER_SESSION)
		return 0;
	if (letter->code == ZOO_AUTH_FAILED_STATE)
		return WRITE_REFUSED;
	if (letter->code == ZOO_EXPIRED_SESSION_STATE)
		return WRITE_EXPIRED;
	writer->connected = letter->code == ZOO_CONNECTED_STATE;
	return 0;
}

static int writer_connect(struct writer *writer)
{
	while (!writer->connected || !writer->zh) {
		struct letter *letter = writer_next(writer, writer->deadline_ns);
		int stop;

		if (!letter)
			return WRITE_TIMED_OUT;
		stop = writer_session(writer, letter);
		letter_free(letter);
		if (stop != 0)
			return stop;
	}
	return handle_authenticate(writer->handle, writer->zh) == ZOK ? 0 : WRITE_REFUSED;
}

/* The outcome of what was asked last; sent is what asking returned. */
static int writer_wait(struct writer *writer, int sent)
{
	if (sent != ZOK)
		return sent;
	for (;;) {
		struct letter *letter = writer_next(writer, writer->deadline_ns);
		int code;

		if (!letter)
			return WRITE_TIMED_OUT;
		code = writer_session(writer, letter);
		if (letter->kind == LETTER_REPLY && letter->request == writer->request) {
			code = letter->code;
			writer->version = letter->version;
			letter_free(letter);
			return code;
		}
		letter_free(letter);
		if (code != 0)
			return code;
	}
}

static int writer_exists(struct writer *writer)
{
	return writer_wait(writer,
			   handle_exists(writer->handle, writer->zh, writer->target.path, ++writer->request));
}

static int writer_set(struct writer *writer, const struct source_change *change)
{
	const char *bytes = change->size_bytes > 0 ? change->bytes : "";

	return writer_wait(writer,
			   handle_set(writer->handle, writer->zh, writer->target.path, bytes,
				      change->size_bytes, (int32_t)change->if_version, ++writer->request));
}

static int writer_create(struct writer *writer, const char *path, const void *bytes, size_t size_bytes)
{
	const struct ACL_vector *acl = writer->secret ? &ZOO_CREATOR_ALL_ACL : &ZOO_OPEN_ACL_UNSAFE;

	return writer_wait(writer, handle_create(writer->handle, writer->zh, path, bytes, size_bytes, acl,
						 ++writer->request));
}

/* Make what is missing above the znode: up to the first that is there, then down again. */
static int writer_create_parents(struct writer *writer)
{
	char *path = strdup(writer->target.path), *end;
	int code = ZSYSTEMERROR;

	if (!path)
		return code;
	end = strrchr(path, '/');
	while (end && end > path) {
		*end = '\0';
		code = writer_create(writer, path, NULL, 0);
		if (code == ZNONODE) {
			char *up = strrchr(path, '/');

			*end = '/';
			end = up;
			continue;
		}
		*end = '/';
		if (code != ZOK && code != ZNODEEXISTS)
			break;
		code = ZOK;
		end = strchr(end + 1, '/');
	}
	free(path);
	return code;
}

static int writer_try_put(struct writer *writer, const struct source_change *change)
{
	int code = writer_set(writer, change);

	while (code == ZNONODE && change->if_version < 0) {
		code = writer_create(writer, writer->target.path, change->size_bytes > 0 ? change->bytes : "",
				     change->size_bytes);
		if (code == ZOK)
			writer->version = 0;
		else if (code == ZNONODE && (code = writer_create_parents(writer)) == ZOK)
			code = ZNONODE; /* once more */
		else if (code == ZNODEEXISTS)
			code = writer_set(writer, change);
	}
	return code;
}

static int writer_try_remove(struct writer *writer, const struct source_change *change)
{
	int code = writer_wait(writer, handle_delete(writer->handle, writer->zh, writer->target.path,
						     (int32_t)change->if_version, ++writer->request));

	/* A second try finds gone what the first one removed. */
	return code == ZNONODE && writer->losses > 0 ? ZOK : code;
}

static bool writer_is_loss(int code)
{
	return code == ZCONNECTIONLOSS || code == ZOPERATIONTIMEOUT;
}

/*
 * A lost connection leaves open whether the write was done. One that holds for
 * any version may be done twice; one for a certain version is not repeated.
 */
static int writer_do(struct writer *writer, const struct source_change *change,
		     int (*try)(struct writer *writer, const struct source_change *change))
{
	int code;

	for (;;) {
		code = writer_connect(writer);
		if (code != 0)
			return code;
		code = try(writer, change);
		if (!writer_is_loss(code) || ++writer->losses >= WRITE_LOSSES_MOST || change->if_version >= 0)
			return code;
		writer->connected = false;
	}
}

/* --- what it came to -------------------------------------------------------- */

static enum source_result writer_conflict(struct writer *writer, const struct source_change *change)
{
	const char *path = writer->target.path;

	if (writer_exists(writer) == ZOK)
		message_set(writer->message,
			    "%s has version %" PRId32 ", expected %" PRId64 "; it was left as it is", path,
			    writer->version, change->if_version);
	else
		message_set(writer->message, "%s has another version than %" PRId64 "; it was left as it is",
			    path, change->if_version);
	return SOURCE_CONFLICT;
}

static enum source_result writer_timed_out(struct writer *writer)
{
	if (writer->request == 0) {
		message_set(writer->message, "no answer from %.300s within %d ms; nothing was written",
			    writer->target.hosts, writer->timeout_ms);
		return SOURCE_TIMEOUT;
	}
	message_set(writer->message,
		    "no answer from %.200s within %d ms to what was sent for %.200s: it may be done or not",
		    writer->target.hosts, writer->timeout_ms, writer->target.path);
	return SOURCE_TIMEOUT;
}

static enum source_result writer_lost(struct writer *writer, const struct source_change *change)
{
	if (writer->losses >= WRITE_LOSSES_MOST)
		message_set(
			writer->message,
			"%.200s closed the connection %u times while %zu bytes were sent for %.150s: is its "
			"jute.maxbuffer smaller? It may be done or not",
			writer->target.hosts, writer->losses, change->size_bytes, writer->target.path);
	else
		message_set(writer->message,
			    "the connection to %.200s was lost while %.200s was sent: it may be done or not",
			    writer->target.hosts, writer->target.path);
	return SOURCE_FAILED;
}

static enum source_result writer_result(struct writer *writer, const struct source_change *change, int code)
{
	const char *path = writer->target.path, *hosts = writer->target.hosts;
	struct message *message = writer->message;

	if (writer_is_loss(code))
		return writer_lost(writer, change);
	switch (code) {
	case ZOK:
		return SOURCE_DONE;
	case WRITE_TIMED_OUT:
		return writer_timed_out(writer);
	case ZNONODE:
		message_set(message, "there is no znode %s%s", path,
			    change->if_version >= 0 ? "; a certain version of it was expected" : "");
		return SOURCE_MISSING;
	case ZBADVERSION:
		return writer_conflict(writer, change);
	case ZNOTEMPTY:
		message_set(message, "%s has children and was left as it is; remove them first", path);
		return SOURCE_INVALID;
	case ZNOCHILDRENFOREPHEMERALS:
		message_set(message, "%s would be below an ephemeral znode, which can have no children",
			    path);
		return SOURCE_INVALID;
	case ZNOAUTH:
		message_set(message, "no permission to write %s (ZNOAUTH)%s", path,
			    writer->secret ? ": not for the user of auth_file"
					   : "; a user and password come from a file, as ?auth_file=PATH");
		return SOURCE_FAILED;
	case WRITE_REFUSED:
		message_set(message, "%s refused the user and password of auth_file", hosts);
		return SOURCE_FAILED;
	case WRITE_UNOPENED:
		message_set(message, "%s", writer->open_message.text);
		return SOURCE_FAILED;
	case WRITE_EXPIRED:
		message_set(message, "the session with %s expired: %s may be written or not", hosts, path);
		return SOURCE_FAILED;
	default:
		message_set(message, "%s: ZooKeeper says \"%s\" (%d); it was not written", path, zerror(code),
			    code);
		return SOURCE_FAILED;
	}
}

/* --- the whole --------------------------------------------------------------- */

static enum source_result writer_check(const struct writer *writer, const struct source_change *change)
{
	if (strcmp(writer->target.path, "/") == 0) {
		message_set(writer->message, "\"/\" is no document; expected the path of a znode, as "
					     "zk://127.0.0.1:2181/app/site.xml");
		return SOURCE_INVALID;
	}
	if (change->if_version < -1 || change->if_version > INT32_MAX) {
		message_set(writer->message,
			    "%" PRId64 " is no version of a znode; expected 0 to %" PRId32 ", or -1 for any",
			    change->if_version, INT32_MAX);
		return SOURCE_INVALID;
	}
	return SOURCE_DONE;
}

static enum source_result writer_open(struct writer *writer, const char *uri,
				      const struct source_change *change)
{
	enum source_result result;

	writer->timeout_ms = change->timeout_ms;
	writer->deadline_ns = clock_monotonic_ns() + change->timeout_ms * CLOCK_NS_PER_MS;
	if (zookeeper_target_parse(uri, &writer->target, writer->message) < 0)
		return SOURCE_INVALID;
	result = writer_check(writer, change);
	if (result != SOURCE_DONE)
		return result;
	if (zookeeper_secret_read(&writer->target, &writer->secret, writer->message) < 0)
		return SOURCE_INVALID;
	if (writer->target.tls && zookeeper_tls_check(writer->target.tls, writer->message) < 0)
		return SOURCE_INVALID;
	return SOURCE_DONE;
}

static enum source_result writer_run(struct writer *writer, const struct source_change *change,
				     int (*try)(struct writer *writer, const struct source_change *change))
{
	int code;

	writer->mailbox = mailbox_open();
	if (writer->mailbox)
		writer->handle = handle_open(writer->mailbox, 1, writer->target.hosts,
					     writer->target.session_timeout_ms, writer->secret,
					     writer->target.tls);
	if (!writer->handle) {
		message_set(writer->message, "no ZooKeeper handle can be opened: %s", strerror(errno));
		return SOURCE_FAILED;
	}
	code = writer_do(writer, change, try);
	return writer_result(writer, change, code);
}

/* The session's end is waited for, so that it does not linger on the server; not at the caller's cost. */
static void writer_close(struct writer *writer)
{
	bool waits = writer->handle && writer->connected;
	int64_t deadline_ns = clock_monotonic_ns() + WRITE_CLOSE_NS;
	struct letter *letter;

	if (deadline_ns > writer->deadline_ns)
		deadline_ns = writer->deadline_ns;
	handle_close(writer->handle);
	while (waits && (letter = writer_next(writer, deadline_ns))) {
		waits = letter->kind != LETTER_CLOSED;
		letter_free(letter);
	}
	letter_free(writer->letters);
	mailbox_close(writer->mailbox);
	secret_free(writer->secret);
	zookeeper_target_free(&writer->target);
}

enum source_result zookeeper_put(const char *uri, const struct source_change *change, int64_t *version,
				 struct message *message)
{
	struct writer writer = { .message = message };
	enum source_result result = writer_open(&writer, uri, change);

	if (result == SOURCE_DONE) {
		size_t most = ZOOKEEPER_REQUEST_MOST_BYTES - WRITE_OVERHEAD_BYTES;
		size_t path_bytes = strlen(writer.target.path);

		most = path_bytes < most ? most - path_bytes : 0;
		if (change->size_bytes > most) {
			message_set(
				message,
				"%zu bytes are too many for %s: ZooKeeper takes %zu there (%d in a request, "
				"which its jute.maxbuffer limits, less path and headers); nothing was written",
				change->size_bytes, writer.target.path, most, ZOOKEEPER_REQUEST_MOST_BYTES);
			result = SOURCE_INVALID;
		}
	}
	if (result == SOURCE_DONE)
		result = writer_run(&writer, change, writer_try_put);
	if (result == SOURCE_DONE)
		*version = writer.version;
	writer_close(&writer);
	return result;
}

enum source_result zookeeper_remove(const char *uri, const struct source_change *change,
				    struct message *message)
{
	struct writer writer = { .message = message };
	enum source_result result = writer_open(&writer, uri, change);

	if (result == SOURCE_DONE)
		result = writer_run(&writer, change, writer_try_remove);
	writer_close(&writer);
	return result;
}
