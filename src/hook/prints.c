/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "hook/prints.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

/* Everything at a path and below it; 0: there is no such path. */
static uint64_t prints_sum_path(const struct zkcfg_document *document, const char *path)
{
	struct zkcfg_cursor cursor;
	uint64_t sum = 1;
	int err = zkcfg_cursor_init(&cursor, document, path);

	if (err < 0)
		return 0;
	for (; err == 0; err = zkcfg_cursor_next(&cursor)) {
		const char *at = zkcfg_cursor_path(&cursor), *value = zkcfg_cursor_value(&cursor);

		if (!at)
			return 0;
		sum = XXH3_64bits_withSeed(at, strlen(at) + 1, sum);
		sum = value ? XXH3_64bits_withSeed(value, strlen(value) + 1, sum) : sum + 1;
	}
	return sum | 1;
}

/* 0: nothing of it is looked at. */
static uint64_t prints_sum(const struct hook_config *config, const struct zkcfg_document *document)
{
	const char *name = zkcfg_document_name(document), *raw;
	bool is_whole = config->filter_count == 0;
	uint64_t sum = 0;
	size_t size_bytes;

	for (size_t i = 0; i < config->filter_count; i++)
		if (!config->filters[i].path && fnmatch(config->filters[i].document, name, FNM_PATHNAME) == 0)
			is_whole = true;
	if (is_whole) {
		raw = zkcfg_document_raw(document, &size_bytes);
		return XXH3_64bits(raw, size_bytes) | 1;
	}
	for (size_t i = 0; i < config->filter_count; i++) {
		uint64_t part = 0;

		if (fnmatch(config->filters[i].document, name, FNM_PATHNAME) == 0)
			part = prints_sum_path(document, config->filters[i].path);
		if (part)
			sum = XXH3_64bits_withSeed(&part, sizeof(part), sum + i) | 1;
	}
	return sum;
}

static int prints_order(const void *a, const void *b)
{
	return strcmp(((const struct print *)a)->document, ((const struct print *)b)->document);
}

bool prints_add(struct prints *prints, const char *document, uint64_t sum)
{
	struct print *item = prints->items;

	if ((prints->count & (prints->count - 1)) == 0) { /* full: it has room for a power of two */
		item = reallocarray(prints->items, prints->count ? prints->count * 2 : 1, sizeof(*item));
		if (!item)
			return false;
		prints->items = item;
	}
	item += prints->count;
	*item = (struct print){ .document = strdup(document), .sum = sum };
	if (!item->document)
		return false;
	prints->count++;
	return true;
}

static const struct print *prints_find(const struct prints *prints, const char *document)
{
	struct print key;

	if (!prints || prints->count == 0)
		return NULL;
	memcpy(&key.document, &document, sizeof(key.document));
	return bsearch(&key, prints->items, prints->count, sizeof(key), prints_order);
}

int prints_take(const struct hook_config *config, const struct zkcfg_snapshot *snapshot,
		const struct prints *before, struct prints *prints)
{
	struct zkcfg_iterator iterator;
	const struct zkcfg_document *document;
	struct prints taken = { 0 };
	int err;

	zkcfg_iterator_init(&iterator, snapshot);
	while ((err = zkcfg_iterator_next(&iterator, &document)) == 0) {
		const char *name = zkcfg_document_name(document), *raw = zkcfg_document_raw(document, NULL);
		const struct print *known;
		uint64_t sum;

		if (!hook_config_wants(config, name))
			continue;
		known = prints_find(before, name);
		sum = known && known->raw == raw ? known->sum : prints_sum(config, document);
		if (sum == 0)
			continue;
		if (!prints_add(&taken, name, sum)) {
			prints_free(&taken);
			return -ENOMEM;
		}
		taken.items[taken.count - 1].raw = raw;
	}
	if (err != ZKCFG_EEND) {
		prints_free(&taken);
		return -EIO;
	}
	if (taken.count > 0)
		qsort(taken.items, taken.count, sizeof(*taken.items), prints_order);
	*prints = taken;
	return 0;
}

void prints_free(struct prints *prints)
{
	for (size_t i = 0; i < prints->count; i++)
		free(prints->items[i].document);
	free(prints->items);
	*prints = (struct prints){ 0 };
}

size_t prints_compare(const struct prints *before, const struct prints *after, struct buffer *names)
{
	size_t a = 0, b = 0, count = 0;

	while (a < before->count || b < after->count) {
		const struct print *gone = a < before->count ? &before->items[a] : NULL;
		const struct print *there = b < after->count ? &after->items[b] : NULL;
		int order = !gone ? 1 : !there ? -1 : strcmp(gone->document, there->document);

		a += order <= 0;
		b += order >= 0;
		if (order == 0 && gone->sum == there->sum)
			continue;
		count++;
		if (names)
			buffer_printf(names, "%s\n", order < 0 ? gone->document : there->document);
	}
	return count;
}
