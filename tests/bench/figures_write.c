/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* What a daemon does: compile and commit. */
#include <libxml/parser.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/bench.h"
#include "bench/corpus.h"
#include "bench/lmdb.h"
#include "bench/set.h"

/* --- compile_*: check and compile, beside parsing alone ------------------------------- */

struct text {
	char *xml;
	size_t bytes;
};

static void *text_make(struct bench *bench, unsigned about_bytes)
{
	struct text *text = bench_alloc(1, sizeof(*text));

	(void)bench;
	text->xml = corpus_long_xml(about_bytes, &text->bytes);
	return text;
}

static void text_end(void *thing)
{
	struct text *text = thing;

	free(text->xml);
	free(text);
}

static const struct bench_kind text_kind = { text_make, text_end };

static double compile_ours(struct bench *bench, unsigned about_bytes)
{
	const struct text *text = bench_have(bench, &text_kind, about_bytes);
	struct lap lap;

	for (lap = lap_begin(bench); lap_goes_on(&lap); lap.operations++) {
		struct message message = { "" };
		struct zkcfg_document *document;
		size_t bytes;

		if (writer_compile("server.xml", 1, text->xml, text->bytes, &document, &bytes, &message) < 0)
			bench_die("%s", message.text);
		free(document);
	}
	return lap_ns(&lap) / 1000;
}

static void sax_open(void *user, const xmlChar *local, const xmlChar *prefix, const xmlChar *uri,
		     int namespace_count, const xmlChar **namespaces, int attribute_count,
		     int defaulted_count, const xmlChar **attributes)
{
	(void)user, (void)local, (void)prefix, (void)uri, (void)namespace_count, (void)namespaces;
	(void)attribute_count, (void)defaulted_count, (void)attributes;
}

static void sax_close(void *user, const xmlChar *local, const xmlChar *prefix, const xmlChar *uri)
{
	(void)user, (void)local, (void)prefix, (void)uri;
}

static void sax_text(void *user, const xmlChar *text, int bytes)
{
	(void)user, (void)text, (void)bytes;
}

static void sax_comment(void *user, const xmlChar *text)
{
	(void)user, (void)text;
}

static double compile_peer(struct bench *bench, unsigned about_bytes)
{
	const struct text *text = bench_have(bench, &text_kind, about_bytes);
	xmlSAXHandler handlers = { .initialized = XML_SAX2_MAGIC,
				   .startElementNs = sax_open,
				   .endElementNs = sax_close,
				   .characters = sax_text,
				   .ignorableWhitespace = sax_text,
				   .cdataBlock = sax_text,
				   .comment = sax_comment };
	struct lap lap;

	for (lap = lap_begin(bench); lap_goes_on(&lap); lap.operations++)
		if (xmlSAXUserParseMemory(&handlers, NULL, text->xml, (int)text->bytes) != 0)
			bench_die("libxml2 cannot parse what the bench made");
	return lap_ns(&lap) / 1000;
}

static double compile_4k_ours(struct bench *bench)
{
	return compile_ours(bench, 4096);
}

static double compile_4k_peer(struct bench *bench)
{
	return compile_peer(bench, 4096);
}

static double compile_100k_ours(struct bench *bench)
{
	return compile_ours(bench, 102400);
}

static double compile_100k_peer(struct bench *bench)
{
	return compile_peer(bench, 102400);
}

static double compile_1m_ours(struct bench *bench)
{
	return compile_ours(bench, 1048576);
}

static double compile_1m_peer(struct bench *bench)
{
	return compile_peer(bench, 1048576);
}

/* --- commit_*: one changed document of many, compiled already ------------------------- */

/* Changes to commit one after the other, over and over. */
#define CHANGES 1024u

struct changes {
	struct compiled compiled[CHANGES];
	unsigned document[CHANGES];
	unsigned next;
};

static void *changes_make(struct bench *bench, unsigned documents)
{
	struct changes *changes = bench_alloc(1, sizeof(*changes));
	uint64_t state = BENCH_SEED;

	(void)bench;
	for (unsigned i = 0; i < CHANGES; i++) {
		changes->document[i] = (unsigned)(bench_random(&state) % documents);
		compiled_make(&changes->compiled[i], changes->document[i], 1 + i);
	}
	return changes;
}

static void changes_end(void *thing)
{
	struct changes *changes = thing;

	for (unsigned i = 0; i < CHANGES; i++)
		free(changes->compiled[i].document);
	free(changes);
}

static const struct bench_kind changes_kind = { changes_make, changes_end };

/*
 * A round is as many commits as there are documents, and 20,000 at least: so
 * it has its share of compactions, which come once in a little less than that.
 */
static double commit_one(struct bench *bench, unsigned documents)
{
	struct set *set = bench_have(bench, &commit_set_kind, documents);
	struct changes *changes = bench_have(bench, &changes_kind, documents);
	unsigned least = bench_count(bench, 20000), commits = documents < least ? least : documents, at = 0;
	int64_t began_ns, took_ns;

	set_heartbeat(set);
	began_ns = bench_now_ns();
	for (unsigned i = 0; i < commits; i++) {
		at = changes->next++ % CHANGES;
		set_commit(set, &changes->compiled[at], 1);
	}
	took_ns = bench_now_ns() - began_ns;
	set_expect(set, changes->document[at], 1 + at);
	return (double)took_ns / commits / 1000;
}

static double commit_1_of_10k_ours(struct bench *bench)
{
	return commit_one(bench, bench_count(bench, 10000));
}

static double commit_growth_ours(struct bench *bench)
{
	return commit_one(bench, bench_count(bench, 100000));
}

static double commit_growth_peer(struct bench *bench)
{
	return commit_one(bench, bench_count(bench, 1000));
}

const struct figure figures_write[] = {
	{ "commit_1_of_10k", "us", "LMDB put and commit, MDB_NOSYNC", 1.0, commit_1_of_10k_ours,
	  PEER_LMDB(lmdb_commit_1_of_10k) },
	{ "commit_growth", "us", "the same among 1,000 (ours: 100,000)", 1.5, commit_growth_ours,
	  commit_growth_peer },
	{ "compile_4k", "us", "libxml2 SAX2, empty handlers", 1.6, compile_4k_ours, compile_4k_peer },
	{ "compile_100k", "us", "libxml2 SAX2, empty handlers", 1.6, compile_100k_ours, compile_100k_peer },
	{ "compile_1m", "us", "libxml2 SAX2, empty handlers", 1.6, compile_1m_ours, compile_1m_peer },
	{ 0 }
};
