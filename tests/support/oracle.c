/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#define THREADED /* for the writer's synchronous calls */

#include "support/oracle.h"

#include <check.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <zkcfg/zkcfg.h>
#include <zookeeper/zookeeper.h>

#include "base/clock.h"
#include "segment/hash.h"
#include "support/versions.h"

#define ROOT "/app"
#define NAME_BYTES 16
#define DOCUMENT_MOST_BYTES (1024 * 1024)
#define FAULT_BYTES 1024
/* A claim that is so little newer than the last one says nothing new; ages are whole milliseconds. */
#define CLAIM_APART_NS (20 * CLOCK_NS_PER_MS)
/* A client that writes while its server is killed waits so long for it at the most. */
#define OUTAGE_NS (60 * CLOCK_NS_PER_S)
/*
 * A server that starts may take a connection and never answer it. The client
 * leaves it after two thirds of this; it must be well below a test's patience.
 */
#define WRITER_SESSION_MS 20000

/* As of verified_ns this was the newest one of its path, says the status. */
struct claim {
	uint32_t path;
	uint64_t mzxid;
	int64_t verified_ns;
};

struct claims {
	struct claim *items;
	size_t count, capacity;
};

struct oracle {
	struct oracle_options options;
	char shm_dir[128];
	zhandle_t *zh;
	pthread_t writer, reader;
	bool is_reading;
	atomic_bool is_writing, ends;
	atomic_uint_fast64_t written;
	uint64_t number; /* of the next version */
	uint64_t random;
	char *text;  /* of the version being written */
	char *found; /* what was looked at; the writer's, and the judge's while that one rests */
	struct versions log;  /* the writer's */
	struct versions seen; /* the reader's */
	uint64_t *newest;     /* of each path, as the reader saw it last */
	struct claims claims; /* the reader's */
	int64_t vouched_ns;   /* of the last claim */
	char write_fault[FAULT_BYTES], read_fault[FAULT_BYTES]; /* "": none; for after the thread's end */
};

/* --- the writer -------------------------------------------------------------- */

static void no_log(const char *text)
{
	(void)text;
}

static void path_of(uint32_t path, char *text)
{
	snprintf(text, sizeof(ROOT) + NAME_BYTES, ROOT "/p%04" PRIu32, path);
}

/* Each version is another text. Returns its bytes. */
static size_t oracle_compose(struct oracle *oracle, uint32_t path)
{
	int begin = snprintf(oracle->text, DOCUMENT_MOST_BYTES, "<d path=\"p%04" PRIu32 "\" n=\"%" PRIu64 "\">",
			     path, oracle->number++);
	size_t bytes = (size_t)begin + oracle->options.padding;

	memset(oracle->text + begin, 'x', oracle->options.padding);
	memcpy(oracle->text + bytes, "</d>", 4);
	return bytes + 4;
}

/* Whether an outcome tells nothing: ask when the connection is back. */
static bool is_unknown(int code)
{
	return code == ZCONNECTIONLOSS || code == ZOPERATIONTIMEOUT || code == ZSESSIONMOVED;
}

/* What is there now, whatever happens to the connection. */
static int oracle_look(struct oracle *oracle, const char *path, struct Stat *stat, uint64_t *hash)
{
	int64_t end_ns = clock_monotonic_ns() + OUTAGE_NS;
	int code, length;

	do {
		length = DOCUMENT_MOST_BYTES;
		code = zoo_get(oracle->zh, path, 0, oracle->found, &length, stat);
		if (!is_unknown(code))
			break;
		usleep(20000);
	} while (clock_monotonic_ns() < end_ns);
	if (code == ZOK)
		*hash = hash_bytes(oracle->found, length > 0 ? (size_t)length : 0);
	return code;
}

static void oracle_log(struct oracle *oracle, uint32_t path, const struct Stat *stat, uint64_t hash)
{
	versions_add(&oracle->log,
		     &(struct version){ path, (uint64_t)stat->mzxid, hash, clock_boottime_ns() });
	atomic_fetch_add(&oracle->written, 1);
}

static void oracle_set(struct oracle *oracle, uint32_t number)
{
	char path[sizeof(ROOT) + NAME_BYTES];
	size_t bytes = oracle_compose(oracle, number);
	uint64_t hash = hash_bytes(oracle->text, bytes), found = 0;
	struct Stat stat;
	int code;

	path_of(number, path);
	for (;;) {
		code = zoo_set2(oracle->zh, path, oracle->text, (int)bytes, -1, &stat);
		if (code == ZNONODE)
			code = zoo_create2(oracle->zh, path, oracle->text, (int)bytes,
					   &ZOO_OPEN_ACL_UNSAFE, 0, NULL, 0, &stat);
		if (code == ZOK) {
			oracle_log(oracle, number, &stat, hash);
			return;
		}
		if (is_unknown(code) || code == ZNODEEXISTS)
			code = oracle_look(oracle, path, &stat, &found);
		if (code == ZOK && found == hash) {
			oracle_log(oracle, number, &stat, hash);
			return;
		}
		if (code != ZOK && code != ZNONODE) {
			snprintf(oracle->write_fault, FAULT_BYTES, "%s cannot be written: %s", path,
				 zerror(code));
			return;
		}
	}
}

/* Created again, with another text and version number 0. */
static void oracle_recreate(struct oracle *oracle, uint32_t number)
{
	char path[sizeof(ROOT) + NAME_BYTES];
	struct Stat stat;
	uint64_t hash;
	int code;

	path_of(number, path);
	do
		code = zoo_delete(oracle->zh, path, -1);
	while (is_unknown(code) && oracle_look(oracle, path, &stat, &hash) == ZOK);
	oracle_set(oracle, number);
}

static uint32_t oracle_draw(struct oracle *oracle, uint32_t below)
{
	oracle->random = oracle->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)((oracle->random >> 33) % below);
}

static void *oracle_write(void *user)
{
	struct oracle *oracle = user;
	int64_t begin_ns = clock_monotonic_ns(), due_ns;
	uint64_t count = 0;

	while (atomic_load(&oracle->is_writing) && oracle->write_fault[0] == '\0') {
		uint32_t path = oracle_draw(oracle, oracle->options.paths);

		if (oracle->options.recreates && oracle_draw(oracle, 4) == 0)
			oracle_recreate(oracle, path);
		else
			oracle_set(oracle, path);
		if (oracle->options.per_second == 0)
			continue;
		due_ns = begin_ns + (int64_t)(++count * (uint64_t)CLOCK_NS_PER_S / oracle->options.per_second);
		if (due_ns > clock_monotonic_ns())
			usleep((useconds_t)((due_ns - clock_monotonic_ns()) / 1000));
	}
	return NULL;
}

/* --- the reader -------------------------------------------------------------- */

static void oracle_see(struct oracle *oracle, const struct zkcfg_document *document)
{
	uint64_t revision = zkcfg_document_revision(document);
	const char *name = zkcfg_document_name(document), *raw;
	size_t raw_bytes;
	uint32_t path;

	if (sscanf(name, "p%" SCNu32, &path) != 1 || path >= oracle->options.paths)
		return; /* the test's own */
	if (revision == oracle->newest[path])
		return;
	if (revision < oracle->newest[path])
		snprintf(oracle->read_fault, FAULT_BYTES, "%s went back from 0x%" PRIx64 " to 0x%" PRIx64, name,
			 oracle->newest[path], revision);
	oracle->newest[path] = revision;
	raw = zkcfg_document_raw(document, &raw_bytes);
	versions_add(&oracle->seen, &(struct version){ path, revision, hash_bytes(raw, raw_bytes), 0 });
}

static void oracle_look_through(struct oracle *oracle, const struct zkcfg_snapshot *snapshot)
{
	const struct zkcfg_document *document;
	struct zkcfg_iterator iterator;
	int got;

	zkcfg_iterator_init(&iterator, snapshot);
	while ((got = zkcfg_iterator_next(&iterator, &document)) == 0)
		oracle_see(oracle, document);
	if (got != ZKCFG_EEND)
		snprintf(oracle->read_fault, FAULT_BYTES, "a snapshot cannot be walked: %s",
			 zkcfg_strerror(got));
}

/* At the most a millisecond before what the status says; 0: it says nothing. */
static int64_t oracle_verified_ns(const struct oracle *oracle, struct zkcfg *cfg)
{
	int64_t now_ns = clock_boottime_ns(), unverified_ms;
	struct zkcfg_status *status;

	if (!oracle->options.vouched || zkcfg_status_read(cfg, &status) < 0)
		return 0;
	unverified_ms = zkcfg_status_unverified_ms(status);
	zkcfg_status_free(status);
	return unverified_ms < 0 ? 0 : now_ns - (unverified_ms + 1) * CLOCK_NS_PER_MS;
}

/* The snapshot that was looked through was pinned after the status had said this. */
static void oracle_remember_claims(struct oracle *oracle, int64_t verified_ns)
{
	struct claims *claims = &oracle->claims;

	if (verified_ns < oracle->vouched_ns + CLAIM_APART_NS)
		return;
	oracle->vouched_ns = verified_ns;
	if (claims->capacity - claims->count < oracle->options.paths) {
		claims->capacity = 2 * claims->capacity + oracle->options.paths;
		claims->items = reallocarray(claims->items, claims->capacity, sizeof(*claims->items));
		if (!claims->items)
			abort();
	}
	for (uint32_t path = 0; path < oracle->options.paths; path++)
		claims->items[claims->count++] = (struct claim){ path, oracle->newest[path], verified_ns };
}

static void *oracle_read(void *user)
{
	struct oracle *oracle = user;
	struct zkcfg_snapshot *snapshot;
	struct zkcfg *cfg = NULL;
	uint64_t newest = 0;
	int64_t verified_ns;

	while (!atomic_load(&oracle->ends) && oracle->read_fault[0] == '\0') {
		if (!cfg && zkcfg_open("app", oracle->shm_dir, &cfg) < 0) {
			usleep(5000); /* there is nothing yet */
			continue;
		}
		verified_ns = oracle_verified_ns(oracle, cfg);
		if (zkcfg_pin(cfg, &snapshot) < 0) {
			usleep(5000);
			continue;
		}
		if (zkcfg_snapshot_seq(snapshot) < newest)
			snprintf(oracle->read_fault, FAULT_BYTES, "seq went back");
		newest = zkcfg_snapshot_seq(snapshot);
		oracle_look_through(oracle, snapshot);
		oracle_remember_claims(oracle, verified_ns);
		zkcfg_unpin(snapshot);
		zkcfg_wait(cfg, newest, 20, NULL);
	}
	zkcfg_close(cfg);
	return NULL;
}

/* --- the judgement ------------------------------------------------------------- */

struct comparison {
	struct oracle *oracle;
	const struct zkcfg_snapshot *snapshot;
	size_t document_count;
	char *difference; /* "": none so far */
};

/* A znode with data is a document of the same bytes and revision; one without is none. */
static void compare_znode(struct comparison *comparison, const char *path)
{
	const char *name = path + sizeof(ROOT), *raw;
	const struct zkcfg_document *document;
	struct Stat stat;
	uint64_t hash;
	size_t raw_bytes;
	int code = oracle_look(comparison->oracle, path, &stat, &hash);
	bool is_document = zkcfg_find(comparison->snapshot, name, &document) == 0;

	if (code != ZOK) {
		snprintf(comparison->difference, FAULT_BYTES, "%.500s: %s", path, zerror(code));
		return;
	}
	comparison->document_count += is_document;
	if (is_document != (stat.dataLength > 0)) {
		snprintf(comparison->difference, FAULT_BYTES, "%.500s is %sin the set, and has %d bytes of data", path,
			 is_document ? "" : "not ", stat.dataLength);
		return;
	}
	if (!is_document)
		return;
	raw = zkcfg_document_raw(document, &raw_bytes);
	if (zkcfg_document_revision(document) != (uint64_t)stat.mzxid || hash_bytes(raw, raw_bytes) != hash)
		snprintf(comparison->difference, FAULT_BYTES,
			 "%.500s is at 0x%" PRIx64 " in the set and at 0x%" PRIx64 " in ZooKeeper", path,
			 zkcfg_document_revision(document), (uint64_t)stat.mzxid);
}

static void compare_below(struct comparison *comparison, const char *path)
{
	struct String_vector names = { 0 };
	int code = zoo_get_children(comparison->oracle->zh, path, 0, &names);

	if (code != ZOK)
		snprintf(comparison->difference, FAULT_BYTES, "%s cannot be listed: %s", path, zerror(code));
	for (int32_t i = 0; i < names.count && comparison->difference[0] == '\0'; i++) {
		char child[512];

		snprintf(child, sizeof(child), "%.255s/%.255s", path, names.data[i]);
		compare_znode(comparison, child);
		if (comparison->difference[0] == '\0')
			compare_below(comparison, child);
	}
	deallocate_String_vector(&names);
}

/* What differs between ZooKeeper and a snapshot; "" if nothing does. */
static void oracle_compare(struct oracle *oracle, const struct zkcfg_snapshot *snapshot, char *difference)
{
	struct comparison comparison = { .oracle = oracle, .snapshot = snapshot, .difference = difference };

	*difference = '\0';
	compare_below(&comparison, ROOT);
	if (*difference == '\0' && zkcfg_snapshot_document_count(snapshot) != comparison.document_count)
		snprintf(difference, FAULT_BYTES, "the set has %zu documents, ZooKeeper %zu",
			 zkcfg_snapshot_document_count(snapshot), comparison.document_count);
}

static void oracle_await_equal(struct oracle *oracle, int limit_ms)
{
	int64_t end_ns = clock_monotonic_ns() + limit_ms * CLOCK_NS_PER_MS;
	char difference[FAULT_BYTES] = "there is no set";
	struct zkcfg_snapshot *snapshot;
	struct zkcfg *cfg = NULL;

	for (;;) {
		if ((cfg || zkcfg_open("app", oracle->shm_dir, &cfg) == 0) && zkcfg_pin(cfg, &snapshot) == 0) {
			oracle_compare(oracle, snapshot, difference);
			zkcfg_unpin(snapshot);
		}
		if (difference[0] == '\0' || clock_monotonic_ns() > end_ns)
			break;
		usleep(10000);
	}
	zkcfg_close(cfg);
	ck_assert_msg(difference[0] == '\0', "after %d ms of rest: %s", limit_ms, difference);
}

static void oracle_stop_reading(struct oracle *oracle)
{
	if (!oracle->is_reading)
		return;
	atomic_store(&oracle->ends, true);
	pthread_join(oracle->reader, NULL);
	oracle->is_reading = false;
}

static void oracle_start_reading(struct oracle *oracle)
{
	if (oracle->is_reading)
		return;
	atomic_store(&oracle->ends, false);
	ck_assert_int_eq(pthread_create(&oracle->reader, NULL, oracle_read, oracle), 0);
	oracle->is_reading = true;
}

/* Each version seen was written so. */
static void oracle_check_seen(struct oracle *oracle)
{
	struct versions *log = &oracle->log;

	ck_assert_msg(oracle->read_fault[0] == '\0', "%s", oracle->read_fault);
	versions_sort(log);
	for (size_t i = 0; i < oracle->seen.count; i++) {
		const struct version *seen = &oracle->seen.items[i], *written;
		size_t at = versions_find(log, seen->path, seen->order);

		written = at < log->count ? &log->items[at] : NULL;
		if (written && (written->path != seen->path || written->order != seen->order))
			written = NULL;
		ck_assert_msg(written && written->hash == seen->hash,
			      "p%04" PRIu32 " was seen at 0x%" PRIx64 " %s", seen->path, seen->order,
			      written ? "with another text than was written" : "where nothing was written");
	}
	oracle->seen.count = 0;
}

/* The log is in order. What is written later has a later mzxid: the next one of the path tells it all. */
static void oracle_check_claims(struct oracle *oracle)
{
	const struct versions *log = &oracle->log;

	for (size_t i = 0; i < oracle->claims.count; i++) {
		const struct claim *claim = &oracle->claims.items[i];
		size_t next = versions_find(log, claim->path, claim->mzxid + 1);

		ck_assert_msg(next == log->count || log->items[next].path != claim->path ||
				      log->items[next].written_ns >= claim->verified_ns,
			      "p%04" PRIu32 " was at 0x%" PRIx64 ", and verified %" PRId64
			      " ms after 0x%" PRIx64 " had been written",
			      claim->path, claim->mzxid,
			      (claim->verified_ns - log->items[next].written_ns) / CLOCK_NS_PER_MS,
			      log->items[next].order);
	}
	oracle->claims.count = 0;
}

void oracle_judge(struct oracle *oracle, int limit_ms)
{
	oracle_await_equal(oracle, limit_ms);
	oracle_stop_reading(oracle);
	oracle_check_seen(oracle);
	oracle_check_claims(oracle);
	oracle_start_reading(oracle);
}

/* --- the whole ------------------------------------------------------------------ */

struct oracle *oracle_begin(const struct oracle_options *options)
{
	struct oracle *oracle = calloc(1, sizeof(*oracle));
	int64_t end_ns = clock_monotonic_ns() + OUTAGE_NS;

	ck_assert_ptr_nonnull(oracle);
	ck_assert_uint_le(options->paths, 10000);
	ck_assert_uint_le(options->padding + 128, DOCUMENT_MOST_BYTES);
	oracle->options = *options;
	snprintf(oracle->shm_dir, sizeof(oracle->shm_dir), "%s", options->shm_dir);
	oracle->newest = calloc(options->paths, sizeof(*oracle->newest));
	oracle->text = malloc(DOCUMENT_MOST_BYTES);
	oracle->found = malloc(DOCUMENT_MOST_BYTES);
	oracle->random = 4711;
	zoo_set_debug_level(ZOO_LOG_LEVEL_ERROR);
	oracle->zh = zookeeper_init2(options->hosts, NULL, WRITER_SESSION_MS, NULL, NULL, 0, no_log);
	ck_assert_ptr_nonnull(oracle->zh);
	while (zoo_state(oracle->zh) != ZOO_CONNECTED_STATE) {
		ck_assert_msg(clock_monotonic_ns() < end_ns, "no connection to %s", options->hosts);
		usleep(5000);
	}
	for (uint32_t path = 0; path < options->paths; path++)
		oracle_set(oracle, path);
	ck_assert_msg(oracle->write_fault[0] == '\0', "%s", oracle->write_fault);
	return oracle;
}

void oracle_end(struct oracle *oracle)
{
	oracle_stop(oracle);
	oracle_stop_reading(oracle);
	zookeeper_close(oracle->zh);
	versions_free(&oracle->log);
	versions_free(&oracle->seen);
	free(oracle->newest);
	free(oracle->claims.items);
	free(oracle->text);
	free(oracle->found);
	free(oracle);
}

void oracle_start(struct oracle *oracle)
{
	oracle_start_reading(oracle);
	if (atomic_exchange(&oracle->is_writing, true))
		return;
	ck_assert_int_eq(pthread_create(&oracle->writer, NULL, oracle_write, oracle), 0);
}

void oracle_stop(struct oracle *oracle)
{
	if (!atomic_exchange(&oracle->is_writing, false))
		return;
	pthread_join(oracle->writer, NULL);
	ck_assert_msg(oracle->write_fault[0] == '\0', "%s", oracle->write_fault);
}

uint64_t oracle_written(struct oracle *oracle)
{
	return atomic_load(&oracle->written);
}

void *oracle_writer(struct oracle *oracle)
{
	return oracle->zh;
}
