/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "source/etcd_model.h"

#include <errno.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/log.h"
#include "source/etcd.h"

struct known {
	const char *key; /* in bytes[], but for a stand-in to look one up */
	size_t key_bytes;
	TAILQ_ENTRY(known) link;
	struct source_revision revision;
	uint64_t value_hash, value_bytes;
	unsigned int round;
	bool is_new;	 /* nothing was told of it yet */
	bool is_name;	 /* else it is none, and nothing is told of it */
	bool is_trouble; /* it was told to be */
	bool is_told;	 /* as a document */
	char bytes[];
};

TAILQ_HEAD(knowns, known);

struct etcd_model {
	const char *prefix;
	size_t prefix_bytes;
	const struct source_events *events;
	void *user;
	void *tree;
	struct knowns entries;
	size_t count;
	uint64_t bytes;
	unsigned int round;
	bool is_repair;
};

/* --- entries ---------------------------------------------------------------------- */

static int entry_compare(const void *a, const void *b)
{
	const struct known *left = a, *right = b;
	size_t least = left->key_bytes < right->key_bytes ? left->key_bytes : right->key_bytes;
	int order = memcmp(left->key, right->key, least);

	if (order != 0)
		return order;
	return left->key_bytes < right->key_bytes ? -1 : left->key_bytes > right->key_bytes;
}

static void entry_keep(void *entry)
{
	(void)entry; /* the list frees it */
}

static const char *entry_name(const struct etcd_model *model, const struct known *entry)
{
	return entry->key + model->prefix_bytes;
}

static struct known *model_find(const struct etcd_model *model, const struct etcd_item *item)
{
	struct known wanted = { .key = item->key, .key_bytes = item->key_bytes }, **found;

	found = tfind(&wanted, &model->tree, entry_compare);
	return found ? *found : NULL;
}

/* The length of the UTF-8 character that text begins with; 0: it is none, or a control character. */
static size_t name_character(const unsigned char *text)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t length = *text < 0x80   ? 1
			: *text < 0xc2 ? 0
			: *text < 0xe0 ? 2
			: *text < 0xf0 ? 3
			: *text < 0xf5 ? 4
				       : 0;
	uint32_t character;

	if (length <= 1)
		return *text >= 0x20 && *text != 0x7f ? length : 0;
	character = *text & (0xffU >> (length + 1));
	for (size_t i = 1; i < length; i++) {
		if ((text[i] & 0xc0) != 0x80)
			return 0;
		character = character << 6 | (text[i] & 0x3f);
	}
	if (character < least[length] || character > 0x10ffff || (character >= 0xd800 && character <= 0xdfff))
		return 0;
	return length;
}

static bool name_is_right(const char *name, size_t name_bytes)
{
	for (size_t i = 0, length; i < name_bytes; i += length)
		if ((length = name_character((const unsigned char *)name + i)) == 0)
			return false;
	for (;;) {
		size_t part = strcspn(name, "/");

		if (part == 0 || (part == 1 && name[0] == '.') || (part == 2 && memcmp(name, "..", 2) == 0))
			return false;
		if (name[part] == '\0')
			return true;
		name += part + 1;
	}
}

/* The entry of a key, made if there is none; NULL: out of memory. */
static struct known *model_get(struct etcd_model *model, const struct etcd_item *item)
{
	struct known *entry = model_find(model, item);

	if (entry)
		return entry;
	entry = calloc(1, sizeof(*entry) + item->key_bytes + 1);
	if (!entry)
		return NULL;
	memcpy(entry->bytes, item->key, item->key_bytes);
	entry->key = entry->bytes;
	entry->key_bytes = item->key_bytes;
	entry->is_new = true;
	entry->is_name = name_is_right(entry_name(model, entry), entry->key_bytes - model->prefix_bytes);
	if (!tsearch(entry, &model->tree, entry_compare)) {
		free(entry);
		return NULL;
	}
	if (!entry->is_name)
		log_warning(
			"etcd has the key \"%s\", of which the part behind %s is no name of a document; it "
			"is passed over",
			entry->key, model->prefix);
	TAILQ_INSERT_TAIL(&model->entries, entry, link);
	model->count++;
	return entry;
}

static void model_drop(struct etcd_model *model, struct known *entry)
{
	tdelete(entry, &model->tree, entry_compare);
	TAILQ_REMOVE(&model->entries, entry, link);
	model->count--;
	model->bytes -= entry->value_bytes;
	free(entry);
}

static bool entry_is_same(const struct known *entry, const struct etcd_item *item)
{
	return !entry->is_new && entry->revision.created == item->created &&
	       entry->revision.modified == item->modified && entry->revision.version == item->version;
}

/* --- what is told ------------------------------------------------------------------- */

static void model_tell_trouble(struct etcd_model *model, struct known *entry, const char *reason)
{
	if (!reason && !entry->is_trouble)
		return;
	entry->is_trouble = reason != NULL;
	model->events->trouble(model->user, entry_name(model, entry), reason);
}

static void model_tell(struct etcd_model *model, struct known *entry, const struct etcd_item *item)
{
	char reason[160];

	if (!entry->is_name)
		return;
	if (model->is_repair)
		model->events->repaired(model->user, entry_name(model, entry));
	if (item->value && item->value_bytes <= ETCD_DOCUMENT_MOST_BYTES) {
		model_tell_trouble(model, entry, NULL);
		entry->is_told = true;
		model->events->document(model->user, entry_name(model, entry), item->value, item->value_bytes,
					&entry->revision);
		return;
	}
	snprintf(reason, sizeof(reason),
		 "its revision %llu has more than the %zu MiB that a document may have",
		 (unsigned long long)item->modified, ETCD_DOCUMENT_MOST_BYTES >> 20);
	model_tell_trouble(model, entry, reason);
}

static void model_remove(struct etcd_model *model, struct known *entry)
{
	if (entry->is_name && model->is_repair)
		model->events->repaired(model->user, entry_name(model, entry));
	if (entry->is_name)
		model_tell_trouble(model, entry, NULL);
	if (entry->is_told)
		model->events->removed(model->user, entry_name(model, entry));
	model_drop(model, entry);
}

static bool model_is_below(const struct etcd_model *model, const struct etcd_item *item)
{
	return item->key_bytes >= model->prefix_bytes &&
	       memcmp(item->key, model->prefix, model->prefix_bytes) == 0;
}

static int model_put(struct etcd_model *model, const struct etcd_item *item)
{
	uint64_t hash = item->value ? XXH3_64bits(item->value, item->value_bytes) : 0;
	struct known *entry = model_get(model, item);

	if (!entry)
		return -ENOMEM;
	entry->round = model->round;
	if (entry_is_same(entry, item) && entry->value_hash == hash &&
	    entry->value_bytes == item->value_bytes)
		return 0;
	model->bytes += item->value_bytes - entry->value_bytes;
	entry->value_hash = hash;
	entry->value_bytes = item->value_bytes;
	entry->is_new = false;
	entry->revision = (struct source_revision){ .created = item->created,
						    .modified = item->modified,
						    .version = item->version };
	model_tell(model, entry, item);
	return 0;
}

int etcd_model_take(struct etcd_model *model, const struct etcd_item *item)
{
	struct known *entry;

	if (!model_is_below(model, item))
		return -EINVAL;
	if (!item->is_delete)
		return model_put(model, item);
	entry = model_find(model, item);
	if (entry)
		model_remove(model, entry);
	return 0;
}

int etcd_model_take_too_large(struct etcd_model *model, const struct etcd_item *item)
{
	struct etcd_item without = *item;

	without.value = NULL;
	without.value_bytes = 0;
	return model_is_below(model, item) ? model_put(model, &without) : -EINVAL;
}

/* --- all of it ------------------------------------------------------------------------ */

void etcd_model_begin_round(struct etcd_model *model, bool is_repair)
{
	model->round++;
	model->is_repair = is_repair;
}

void etcd_model_see(struct etcd_model *model, const struct etcd_item *item)
{
	struct known *entry = model_find(model, item);

	if (entry)
		entry->round = model->round;
}

void etcd_model_end_round(struct etcd_model *model)
{
	struct known *entry = TAILQ_FIRST(&model->entries), *next;

	for (; entry; entry = next) {
		next = TAILQ_NEXT(entry, link);
		if (entry->round != model->round)
			model_remove(model, entry);
	}
	model->is_repair = false;
}

bool etcd_model_matches(struct etcd_model *model, const struct etcd_item *item)
{
	struct known *entry = model_find(model, item);

	if (!entry || !entry_is_same(entry, item))
		return false;
	entry->round = model->round;
	return true;
}

bool etcd_model_all_seen(const struct etcd_model *model)
{
	const struct known *entry;

	TAILQ_FOREACH(entry, &model->entries, link)
	if (entry->round != model->round)
		return false;
	return true;
}

/* --- beginning and end ------------------------------------------------------------------ */

struct etcd_model *etcd_model_new(const char *prefix, const struct source_events *events, void *user)
{
	struct etcd_model *model = calloc(1, sizeof(*model));

	if (!model)
		return NULL;
	model->prefix = prefix;
	model->prefix_bytes = strlen(prefix);
	model->events = events;
	model->user = user;
	TAILQ_INIT(&model->entries);
	return model;
}

void etcd_model_free(struct etcd_model *model)
{
	struct known *entry;

	if (!model)
		return;
	tdestroy(model->tree, entry_keep);
	while ((entry = TAILQ_FIRST(&model->entries))) {
		TAILQ_REMOVE(&model->entries, entry, link);
		free(entry);
	}
	free(model);
}

size_t etcd_model_count(const struct etcd_model *model)
{
	return model->count;
}

uint64_t etcd_model_bytes(const struct etcd_model *model)
{
	return model->bytes;
}
