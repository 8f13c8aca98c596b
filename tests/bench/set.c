/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/set.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/corpus.h"

/* Documents go in by commits of so many: 10,000 at once, as after a daemon's first look at its source. */
#define CHUNK 10000u

void compiled_make(struct compiled *compiled, unsigned document, unsigned version)
{
	struct message message = { "" };
	char xml[CORPUS_DOCUMENT_BYTES + 1];

	static_assert(sizeof(compiled->name) == CORPUS_NAME_BYTES, "a name fits");
	corpus_name(document, compiled->name);
	corpus_xml(document, version, xml);
	if (writer_compile(compiled->name, version + 1, xml, CORPUS_DOCUMENT_BYTES, &compiled->document,
			   &compiled->bytes, &message) < 0)
		bench_die("%s", message.text);
}

void set_commit(struct set *set, const struct compiled *compiled, unsigned count)
{
	struct publisher_change one, *changes = count == 1 ? &one : bench_alloc(count, sizeof(*changes));
	struct message message = { "" };

	for (unsigned i = 0; i < count; i++)
		changes[i] = (struct publisher_change){ .name = compiled[i].name,
							.document = compiled[i].document,
							.document_bytes = compiled[i].bytes };
	if (writer_commit(set->publisher, changes, count, &message) < 0)
		bench_die("%s", message.text);
	if (changes != &one)
		free(changes);
}

static void set_publish(struct set *set)
{
	struct compiled *compiled = bench_alloc(CHUNK, sizeof(*compiled));

	for (unsigned done = 0, count; done < set->documents; done += count) {
		count = set->documents - done < CHUNK ? set->documents - done : CHUNK;
		for (unsigned i = 0; i < count; i++)
			compiled_make(&compiled[i], done + i, 0);
		set_commit(set, compiled, count);
		for (unsigned i = 0; i < count; i++)
			free(compiled[i].document);
	}
	free(compiled);
}

void set_heartbeat(struct set *set)
{
	struct message message = { "" };

	if (writer_heartbeat(set->publisher, &message) < 0)
		bench_die("%s", message.text);
}

/* Every value of every document is what the corpus says. */
static void set_verify(const struct set *set)
{
	char name[CORPUS_NAME_BYTES], expected[CORPUS_VALUE_BYTES];
	const char *found;

	for (unsigned i = 0; i < set->documents; i++) {
		corpus_name(i, name);
		for (unsigned value = 0; value < CORPUS_VALUES; value++) {
			corpus_value(i, 0, value, expected);
			if (zkcfg_get_string(set->snapshot, name, corpus_path(value), &found) < 0 ||
			    strcmp(found, expected) != 0 ||
			    zkcfg_document_string(set->handles[i], corpus_path(value), &found) < 0 ||
			    strcmp(found, expected) != 0)
				bench_die("set %s: %s of %s is not %s", set->name, corpus_path(value), name,
					  expected);
		}
	}
}

static struct set *set_new(struct bench *bench, const char *purpose, unsigned documents)
{
	struct set *set = bench_alloc(1, sizeof(*set));
	struct message message = { "" };

	snprintf(set->name, sizeof(set->name), "%s-%u", purpose, documents);
	set->shm_dir = bench->directory;
	set->documents = documents;
	if (writer_open(set->shm_dir, set->name, &set->publisher, &message) < 0)
		bench_die("%s", message.text);
	set_heartbeat(set);
	set_publish(set);
	return set;
}

static void *read_set_make(struct bench *bench, unsigned documents)
{
	struct set *set = set_new(bench, "read", documents);
	char name[CORPUS_NAME_BYTES];
	int err;

	set->handles = bench_alloc(documents, sizeof(*set->handles));
	err = zkcfg_open(set->name, set->shm_dir, &set->cfg);
	if (err == 0)
		err = zkcfg_pin(set->cfg, &set->snapshot);
	for (unsigned i = 0; i < documents && err == 0; i++) {
		corpus_name(i, name);
		err = zkcfg_find(set->snapshot, name, &set->handles[i]);
	}
	if (err < 0)
		bench_die("set %s: %s", set->name, zkcfg_strerror(err));
	set_verify(set);
	return set;
}

static void *commit_set_make(struct bench *bench, unsigned documents)
{
	return set_new(bench, "commit", documents);
}

static void set_end(void *thing)
{
	struct set *set = thing;

	zkcfg_unpin(set->snapshot);
	zkcfg_close(set->cfg);
	writer_close(set->publisher);
	free(set->handles);
	free(set);
}

const struct bench_kind read_set_kind = { read_set_make, set_end };
const struct bench_kind commit_set_kind = { commit_set_make, set_end };

void set_expect(const struct set *set, unsigned document, unsigned version)
{
	const struct zkcfg_document *found;
	struct zkcfg_snapshot *snapshot;
	char name[CORPUS_NAME_BYTES], xml[CORPUS_DOCUMENT_BYTES + 1];
	size_t bytes;
	struct zkcfg *cfg;

	corpus_name(document, name);
	corpus_xml(document, version, xml);
	if (zkcfg_open(set->name, set->shm_dir, &cfg) < 0 || zkcfg_pin(cfg, &snapshot) < 0 ||
	    zkcfg_find(snapshot, name, &found) < 0 || strcmp(zkcfg_document_raw(found, &bytes), xml) != 0 ||
	    bytes != CORPUS_DOCUMENT_BYTES)
		bench_die("set %s: %s is not of version %u", set->name, name, version);
	zkcfg_unpin(snapshot);
	zkcfg_close(cfg);
}
