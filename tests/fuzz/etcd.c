/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "source/etcd_answer.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/log.h"
#include "fuzz/fuzz.h"
#include "source/etcd_model.h"

#define PREFIX "/a/"

static void require_name(const char *name)
{
	size_t length = strlen(name);

	fuzz_require(length > 0 && name[0] != '/' && name[length - 1] != '/' && !strstr(name, "//"));
	fuzz_require(strcmp(name, "..") != 0 && strncmp(name, "../", 3) != 0 && !strstr(name, "/../"));
	for (size_t i = 0; i < length; i++)
		fuzz_require((unsigned char)name[i] >= ' ' && name[i] != 0x7f);
}

static void told_document(void *user, const char *name, const void *bytes, size_t size_bytes,
			  const struct source_revision *revision)
{
	volatile unsigned char sum = 0;

	(void)user;
	require_name(name);
	for (size_t i = 0; i < size_bytes; i++)
		sum ^= ((const unsigned char *)bytes)[i];
	fuzz_require(revision->created > 0 && revision->modified > 0 && revision->version > 0);
}

static void told_name(void *user, const char *name)
{
	(void)user;
	require_name(name);
}

static void told_trouble(void *user, const char *name, const char *reason)
{
	(void)reason;
	told_name(user, name);
}

static const struct source_events events = {
	.document = told_document, .removed = told_name, .trouble = told_trouble, .repaired = told_name
};

/* Twice: what is known by then is no news. */
static void take_items(const struct etcd_answer *answer)
{
	struct etcd_model *model = etcd_model_new(PREFIX, &events, NULL);

	fuzz_require(model);
	for (size_t i = 0; i < 2 * answer->item_count; i++) {
		const struct etcd_item *item = &answer->items[i % answer->item_count];
		int err = etcd_model_take(model, item);

		fuzz_require(item->key[item->key_bytes] == '\0' && item->value[item->value_bytes] == '\0');
		fuzz_require(err == 0 || err == -EINVAL);
	}
	fuzz_require(etcd_model_count(model) <= answer->item_count);
	etcd_model_begin_round(model, true);
	etcd_model_end_round(model);
	fuzz_require(etcd_model_count(model) == 0 && etcd_model_bytes(model) == 0);
	etcd_model_free(model);
}

/* It is one of these, or refused with a reason. */
static unsigned try_answer(int (*parse)(const char *text, size_t text_bytes, struct etcd_answer *answer,
					struct message *message),
			   const char *text, size_t size)
{
	struct message message = { "" };
	struct etcd_answer answer;
	int err = parse(text, size, &answer, &message);

	if (err < 0) {
		fuzz_require(err == -EINVAL || err == -EPROTO);
		fuzz_require(err == -EPROTO || message.text[0] != '\0');
		fuzz_require(!answer.items);
		return FUZZ_REFUSED;
	}
	take_items(&answer);
	etcd_answer_free(&answer);
	return FUZZ_READ | FUZZ_SOUND;
}

unsigned fuzz_etcd(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	struct message message = { "" };
	struct etcd_error error;
	char *token;
	unsigned outcome;

	log_start(LOG_LEVEL_ERROR);
	outcome = try_answer(etcd_answer_range, text, size) | try_answer(etcd_answer_watch, text, size) |
		  try_answer(etcd_answer_change, text, size);
	if (etcd_answer_token(text, size, &token, &message) == 0) {
		fuzz_require(token[0] != '\0' && !strpbrk(token, " \r\n"));
		free(token);
		outcome |= FUZZ_READ;
	} else {
		fuzz_require(message.text[0] != '\0');
	}
	if (etcd_answer_error(text, size, &error))
		outcome |= FUZZ_READ;
	return outcome;
}
