/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/corpus.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a value looks like. */
enum look { NUMBER, HOST, DURATION, WORD, URL, TOKEN };

struct value {
	const char *path; /* as a reader spells it */
	enum look look;
};

#define SECTION_VALUES 8u

/*
 * Four sections, an attribute and seven elements each; sorted by path. What
 * begins a section is its attribute, which the table in corpus_xml() names.
 */
static const struct value values[CORPUS_VALUES] = {
	{ "/service/listen/@interface", WORD },
	{ "/service/listen/backlog", NUMBER },
	{ "/service/listen/certificate", URL },
	{ "/service/listen/host", HOST },
	{ "/service/listen/idle-timeout", DURATION },
	{ "/service/listen/port", NUMBER },
	{ "/service/listen/protocol", WORD },
	{ "/service/listen/secret", TOKEN },
	{ "/service/pool/@max", NUMBER },
	{ "/service/pool/check-interval", DURATION },
	{ "/service/pool/driver", WORD },
	{ "/service/pool/lifetime", DURATION },
	{ "/service/pool/min", NUMBER },
	{ "/service/pool/password", TOKEN },
	{ "/service/pool/url", URL },
	{ "/service/pool/user", WORD },
	{ "/service/upstream[2]/@weight", NUMBER },
	{ "/service/upstream[2]/connect-timeout", DURATION },
	{ "/service/upstream[2]/host", HOST },
	{ "/service/upstream[2]/port", NUMBER },
	{ "/service/upstream[2]/retries", NUMBER },
	{ "/service/upstream[2]/status-url", URL },
	{ "/service/upstream[2]/token", TOKEN },
	{ "/service/upstream[2]/zone", WORD },
	{ "/service/upstream[@name='main']/@weight", NUMBER },
	{ "/service/upstream[@name='main']/connect-timeout", DURATION },
	{ "/service/upstream[@name='main']/host", HOST },
	{ "/service/upstream[@name='main']/port", NUMBER },
	{ "/service/upstream[@name='main']/retries", NUMBER },
	{ "/service/upstream[@name='main']/status-url", URL },
	{ "/service/upstream[@name='main']/token", TOKEN },
	{ "/service/upstream[@name='main']/zone", WORD },
};

void corpus_name(unsigned document, char name[CORPUS_NAME_BYTES])
{
	snprintf(name, CORPUS_NAME_BYTES, "shop/service-%06u.xml", document % 1000000);
}

const char *corpus_path(unsigned value)
{
	return values[value].path;
}

void corpus_value(unsigned document, unsigned version, unsigned value, char text[CORPUS_VALUE_BYTES])
{
	static const char *const words[] = { "eth0",	   "eth1",	"http",	 "https",
					     "postgresql", "frankfurt", "orders" };
	uint64_t state = BENCH_SEED ^ (uint64_t)document << 32 ^ version << 8 ^ value;
	unsigned long long random = bench_random(&state), more = bench_random(&state);

	switch (values[value].look) {
	case NUMBER:
		snprintf(text, CORPUS_VALUE_BYTES, "%llu", random % 60000);
		break;
	case HOST:
		snprintf(text, CORPUS_VALUE_BYTES, "10.%llu.%llu.%llu", random % 256, random / 256 % 256,
			 more % 256);
		break;
	case DURATION:
		snprintf(text, CORPUS_VALUE_BYTES, "%llums", random % 30000);
		break;
	case WORD:
		snprintf(text, CORPUS_VALUE_BYTES, "%s", words[random % (sizeof(words) / sizeof(words[0]))]);
		break;
	case URL:
		snprintf(text, CORPUS_VALUE_BYTES,
			 "https://node-%llu.shop.example.net:%llu/service/%u?build=%llx", random % 1000,
			 1024 + more % 60000, document, random >> 32);
		break;
	case TOKEN:
		snprintf(text, CORPUS_VALUE_BYTES, "%016llx%016llx", random, more);
		break;
	}
}

/* One section of a document: its values begin at `first`. */
static int section_xml(char *xml, size_t size, unsigned document, unsigned version, unsigned first,
		       const char *element, const char *attribute)
{
	char text[CORPUS_VALUE_BYTES];
	int bytes;

	corpus_value(document, version, first, text);
	bytes = snprintf(xml, size, "  <%s %s=\"%s\">\n", element, attribute, text);
	for (unsigned i = first + 1; i < first + SECTION_VALUES; i++) {
		const char *name = strrchr(values[i].path, '/') + 1;

		corpus_value(document, version, i, text);
		bytes += snprintf(xml + bytes, size - (size_t)bytes, "    <%s>%s</%s>\n", name, text, name);
	}
	bytes += snprintf(
		xml + bytes, size - (size_t)bytes,
		"    <!-- measured under load in spring; ask the owners before you change a limit here -->\n"
		"  </%.*s>\n",
		(int)strcspn(element, " "), element);
	return bytes;
}

void corpus_xml(unsigned document, unsigned version, char xml[CORPUS_DOCUMENT_BYTES + 1])
{
	/* in the order of the file; the second upstream has to come second */
	static const struct {
		unsigned first;
		const char *element, *attribute;
	} sections[] = { { 0, "listen", "interface" },
			 { 8, "pool", "max" },
			 { 24, "upstream name=\"main\"", "weight" },
			 { 16, "upstream", "weight" } };
	const size_t size = CORPUS_DOCUMENT_BYTES + 1;
	const char *tail = " -->\n</service>\n";
	size_t bytes;

	bytes = (size_t)snprintf(xml, size,
				 "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
				 "<!-- service %u: one of many; the platform team keeps it -->\n<service>\n",
				 document);
	for (size_t i = 0; i < sizeof(sections) / sizeof(sections[0]); i++)
		bytes += (size_t)section_xml(xml + bytes, size - bytes, document, version, sections[i].first,
					     sections[i].element, sections[i].attribute);
	/* prose fills it up, as it does in real ones */
	bytes += (size_t)snprintf(xml + bytes, size - bytes, "  <!-- ");
	for (size_t end = CORPUS_DOCUMENT_BYTES - strlen(tail); bytes < end; bytes++)
		xml[bytes] = bytes % 72 == 0 ? '\n' : bytes % 7 == 0 ? ' ' : (char)('a' + bytes % 23);
	assert(bytes + strlen(tail) == CORPUS_DOCUMENT_BYTES);
	strcpy(xml + bytes, tail);
}

char *corpus_long_xml(size_t about_bytes, size_t *size_bytes)
{
	uint64_t state = BENCH_SEED;
	char *xml = bench_alloc(about_bytes + 1024, 1);
	size_t bytes = (size_t)sprintf(xml, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<server>\n");

	for (unsigned i = 0; bytes + 300 < about_bytes || i == 0; i++) {
		unsigned long long random = bench_random(&state);

		if (i % 4 == 0)
			bytes += (size_t)sprintf(xml + bytes, "  <!-- rack %u, moved in week %llu -->\n",
						 i / 4, random % 52);
		bytes +=
			(size_t)sprintf(xml + bytes,
					"  <upstream name=\"node-%u\" weight=\"%llu\" zone=\"%c\">\n"
					"    <host>10.%llu.%llu.%llu</host>\n"
					"    <port>%llu</port>\n"
					"    <timeout connect=\"%llums\" read=\"%llus\"/>\n"
					"    <check>http://node-%u.example.net/status?id=%llx</check>\n"
					"  </upstream>\n",
					i, random % 10, (char)('a' + random % 3), random >> 8 & 255,
					random >> 16 & 255, random >> 24 & 255, 1024 + (random >> 32) % 60000,
					random >> 40 & 1023, random >> 50 & 31, i, random);
	}
	bytes += (size_t)sprintf(xml + bytes, "</server>\n");
	*size_bytes = bytes;
	return xml;
}

unsigned pick_value(const struct pick *pick)
{
	unsigned value = 0;

	while (strcmp(values[value].path, pick_path(pick)) != 0)
		value++;
	return value;
}

static struct order *order_new(unsigned documents, uint64_t state)
{
	struct order *order = bench_alloc(1, sizeof(*order));
	char text[CORPUS_VALUE_BYTES];

	/* so many that a cache or a branch predictor does not learn them by heart */
	order->count = documents == 1 ? 4096 : documents < 10000 ? 8192 : 131072;
	order->picks = bench_alloc(order->count, sizeof(*order->picks));
	order->keys = bench_alloc(order->count, sizeof(*order->keys));
	for (unsigned i = 0; i < order->count; i++) {
		struct pick *pick = &order->picks[i], *key = &order->keys[i];
		unsigned value = (unsigned)(bench_random(&state) % CORPUS_VALUES);
		size_t name_bytes, path_bytes = strlen(corpus_path(value));

		pick->document = (uint32_t)(bench_random(&state) % documents);
		corpus_name(pick->document, pick->text);
		name_bytes = strlen(pick->text);
		assert(name_bytes + path_bytes + 2 <= sizeof(pick->text));
		pick->path_at = (uint16_t)(name_bytes + 1);
		pick->key_bytes = (uint16_t)(name_bytes + path_bytes);
		*key = *pick;
		key->path_at--;
		memcpy(pick->text + pick->path_at, corpus_path(value), path_bytes + 1);
		memcpy(key->text + key->path_at, corpus_path(value), path_bytes + 1);
		corpus_value(pick->document, 0, value, text);
		order->sum += (unsigned char)text[0];
	}
	return order;
}

static void *order_make(struct bench *bench, unsigned documents)
{
	(void)bench;
	return order_new(documents, BENCH_SEED);
}

static void *other_order_make(struct bench *bench, unsigned documents)
{
	(void)bench;
	return order_new(documents, ~BENCH_SEED);
}

static void order_end(void *thing)
{
	struct order *order = thing;

	free(order->picks);
	free(order->keys);
	free(order);
}

const struct bench_kind order_kind = { order_make, order_end };
const struct bench_kind other_order_kind = { other_order_make, order_end };
