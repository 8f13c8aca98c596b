/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "fuzz/read.h"

#include <math.h>
#include <string.h>

#include "fuzz/fuzz.h"

/* What is read goes here, so that no compiler leaves the reading out. */
static volatile size_t seen;

static const char *const names[] = { "app.xml", "empty.xml", "n.0", "n.5", "dir/deep.xml", "", "nobody.xml" };

static const char *const paths[] = {
	"/app",
	"/app/port",
	"/app/pool/@max",
	"/app/pool/timeout",
	"/app/upstream",
	"/app/upstream[2]/host",
	"/app/upstream[@name='a']/host",
	"/app/upstream[@name=\"b\"]/@weight",
	"/app/upstream[@weight='2']/host",
	"/app/upstream[@name='nobody']/host",
	"/app/upstream[3]",
	"/app/nothing",
	"/app/@nothing",
	"/d",
	"/d/v",
	"/e",
	"",
	"/",
	"app",
	"/app/",
	"/app[",
	"/app[0]",
	"/app[99999999999]",
	"/app[@name=]",
	"/app[@name='a]",
	"/app/@",
};

static void look_at(const void *bytes, size_t size)
{
	const unsigned char *at = bytes;
	size_t sum = 0;

	for (size_t i = 0; i < size; i++)
		sum += at[i];
	seen += sum;
}

static void look_at_string(const char *string)
{
	if (string)
		look_at(string, strlen(string));
}

/* The error is one that the interface names for a look-up. */
static void require_error(int err, bool is_sound)
{
	fuzz_require(err == 0 || err == ZKCFG_ENOPATH || err == ZKCFG_ENOVALUE || err == ZKCFG_ETYPE ||
		     err == ZKCFG_ERANGE || err == ZKCFG_EINVAL || (err == ZKCFG_ECORRUPT && !is_sound));
}

static void read_string(const struct zkcfg_document *document, const char *path, bool is_sound)
{
	const char *string = NULL;
	int err = zkcfg_document_string(document, path, &string);

	require_error(err, is_sound);
	fuzz_require((err == 0) == (string != NULL));
	look_at_string(string);
}

static void read_values(const struct zkcfg_document *document, const char *path, bool is_sound)
{
	int64_t number, duration_ms = 0;
	uint64_t size_bytes;
	double real = 0;
	int truth = 0;

	read_string(document, path, is_sound);
	require_error(zkcfg_document_int64(document, path, &number), is_sound);
	require_error(zkcfg_document_double(document, path, &real), is_sound);
	fuzz_require(isfinite(real));
	require_error(zkcfg_document_bool(document, path, &truth), is_sound);
	fuzz_require(truth == 0 || truth == 1);
	require_error(zkcfg_document_duration_ms(document, path, &duration_ms), is_sound);
	fuzz_require(duration_ms >= 0);
	require_error(zkcfg_document_size_bytes(document, path, &size_bytes), is_sound);
}

/* Where a cursor stands. */
static void read_place(const struct zkcfg_cursor *cursor, bool is_sound)
{
	fuzz_require(zkcfg_cursor_kind(cursor) == ZKCFG_ELEMENT ||
		     zkcfg_cursor_kind(cursor) == ZKCFG_ATTRIBUTE);
	fuzz_require(!is_sound || (zkcfg_cursor_name(cursor) && zkcfg_cursor_path(cursor)));
	seen += zkcfg_cursor_depth(cursor);
	look_at_string(zkcfg_cursor_name(cursor));
	look_at_string(zkcfg_cursor_path(cursor));
	look_at_string(zkcfg_cursor_value(cursor));
}

static void read_tree(const struct zkcfg_document *document, const char *path, bool is_sound, bool skips)
{
	struct zkcfg_cursor cursor;
	int err = zkcfg_cursor_init(&cursor, document, path);

	require_error(err, is_sound);
	while (err == 0) {
		read_place(&cursor, is_sound);
		err = skips ? zkcfg_cursor_skip(&cursor) : zkcfg_cursor_next(&cursor);
		fuzz_require(err == 0 || err == ZKCFG_EEND || (err == ZKCFG_ECORRUPT && !is_sound));
	}
}

void read_document(const struct zkcfg_document *document, const char *path, bool is_sound)
{
	size_t raw_bytes;
	const char *raw = zkcfg_document_raw(document, &raw_bytes);

	look_at(raw, raw_bytes);
	fuzz_require(raw[raw_bytes] == '\0' && zkcfg_document_raw(document, NULL) == raw);
	look_at_string(zkcfg_document_name(document));
	seen += zkcfg_document_revision(document) + (size_t)zkcfg_document_version(document);
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		read_string(document, paths[i], is_sound);
	read_values(document, "/app/port", is_sound);
	read_values(document, "/app/pool/timeout", is_sound);
	read_tree(document, NULL, is_sound, false);
	read_tree(document, "/app/upstream[2]", is_sound, false);
	read_tree(document, "/app/pool", is_sound, true);
	if (path) {
		read_values(document, path, is_sound);
		read_tree(document, path, is_sound, false);
	}
}

static void read_by_name(const struct zkcfg_snapshot *snapshot, const char *name)
{
	const struct zkcfg_document *document;
	const char *string = NULL;
	int64_t number;
	uint64_t size_bytes;
	double real;
	int err, truth;

	err = zkcfg_find(snapshot, name, &document);
	fuzz_require(err == 0 || err == ZKCFG_ENODOC || err == ZKCFG_ECORRUPT);
	fuzz_require(err < 0 || strcmp(zkcfg_document_name(document), name) == 0);
	zkcfg_get_string(snapshot, name, "/app/port", &string);
	look_at_string(string);
	zkcfg_get_int64(snapshot, name, "/app/port", &number);
	zkcfg_get_double(snapshot, name, "/app/port", &real);
	zkcfg_get_bool(snapshot, name, "/app/port", &truth);
	zkcfg_get_duration_ms(snapshot, name, "/app/pool/timeout", &number);
	zkcfg_get_size_bytes(snapshot, name, "/app/port", &size_bytes);
}

/* Every path of every name in one batch: each gives what it gives alone. */
static void read_batch(const struct zkcfg_snapshot *snapshot)
{
	enum { NAMES = sizeof(names) / sizeof(names[0]), PATHS = sizeof(paths) / sizeof(paths[0]) };
	struct zkcfg_request requests[NAMES * PATHS];

	for (size_t i = 0; i < NAMES * PATHS; i++)
		requests[i] = (struct zkcfg_request){ .document = names[i % NAMES], .path = paths[i / NAMES] };
	zkcfg_get_batch(snapshot, requests, NAMES * PATHS);
	for (size_t i = 0; i < NAMES * PATHS; i++) {
		const char *alone = NULL;
		int err = zkcfg_get_string(snapshot, requests[i].document, requests[i].path, &alone);

		fuzz_require(requests[i].error == err && requests[i].value == alone);
		look_at_string(alone);
	}
}

size_t read_snapshot(const struct zkcfg_snapshot *snapshot)
{
	const struct zkcfg_document *document;
	struct zkcfg_iterator iterator;
	size_t count = 0;
	int err;

	seen += zkcfg_snapshot_seq(snapshot) + (size_t)zkcfg_snapshot_time_ns(snapshot);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		read_by_name(snapshot, names[i]);
	read_batch(snapshot);
	zkcfg_iterator_init(&iterator, snapshot);
	while ((err = zkcfg_iterator_next(&iterator, &document)) == 0) {
		read_document(document, NULL, false);
		fuzz_require(zkcfg_find(snapshot, zkcfg_document_name(document), &document) != ZKCFG_EINVAL);
		count++;
		fuzz_require(count <= zkcfg_snapshot_document_count(snapshot));
	}
	fuzz_require(err == ZKCFG_EEND || err == ZKCFG_ECORRUPT);
	return count;
}

static int look_at_change(const struct zkcfg_change *change, void *user)
{
	(void)user;
	fuzz_require(change->kind == ZKCFG_ADDED || change->kind == ZKCFG_CHANGED ||
		     change->kind == ZKCFG_REMOVED);
	look_at_string(change->document);
	look_at_string(change->path);
	look_at_string(change->old_value);
	look_at_string(change->new_value);
	return 0;
}

void read_diff(const struct zkcfg_snapshot *older, const struct zkcfg_snapshot *newer)
{
	int err = zkcfg_diff(older, newer, look_at_change, NULL);

	fuzz_require(err == 0 || err == ZKCFG_ECORRUPT);
}

/* Wait for what may be there already, by the futex and by the descriptor. */
void read_waits(struct zkcfg *cfg)
{
	struct zkcfg_snapshot *snapshot;
	int fd;

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		if (zkcfg_wait_for(cfg, NULL, "app.xml", paths[i], 0, &snapshot) == 0)
			zkcfg_unpin(snapshot);
	if (zkcfg_descriptor(cfg, &fd) == 0)
		fuzz_require(zkcfg_descriptor_clear(cfg) == 0);
}

void read_status(struct zkcfg *cfg)
{
	struct zkcfg_candidate candidate;
	struct zkcfg_status *status;
	int err = zkcfg_status_read(cfg, &status);

	fuzz_require(err == 0 || err == ZKCFG_ECORRUPT);
	if (err < 0)
		return;
	seen += zkcfg_status_seq(status) + zkcfg_status_candidate_count(status) +
		(size_t)zkcfg_status_since_ns(status) + (size_t)zkcfg_status_daemon_pid(status);
	fuzz_require(strlen(zkcfg_status_segment_id(status)) == 32);
	fuzz_require(zkcfg_status_source_state(status) <= ZKCFG_SOURCE_REFUSED);
	fuzz_require(zkcfg_status_unverified_ms(status) >= -1 && zkcfg_status_daemon_age_ms(status) >= -1);
	look_at_string(zkcfg_status_source(status));
	look_at_string(zkcfg_status_detail(status));
	for (size_t i = 0; zkcfg_status_candidate(status, i, &candidate) == 0; i++) {
		look_at_string(candidate.document);
		look_at_string(candidate.reason);
	}
	zkcfg_status_free(status);
}
