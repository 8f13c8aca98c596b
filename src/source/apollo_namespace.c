/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "source/apollo_namespace.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "source/apollo.h"

int namespace_init(struct apollo_namespace *space, const char *name, bool is_xml)
{
	*space = (struct apollo_namespace){ .known = { .id = -1 }, .is_xml = is_xml, .is_dirty = true };
	space->known.name = strdup(name);
	return space->known.name ? 0 : -ENOMEM;
}

void namespace_free(struct apollo_namespace *space)
{
	for (size_t i = 0; i < space->known.message_count; i++)
		free(space->known.messages[i].key);
	free(space->known.messages);
	free(space->known.name);
	free(space->release_key);
	free(space->other_key);
}

static struct apollo_message *namespace_message(struct apollo_notification *known, const char *key)
{
	for (size_t i = 0; i < known->message_count; i++)
		if (strcmp(known->messages[i].key, key) == 0)
			return &known->messages[i];
	return NULL;
}

static int namespace_add_message(struct apollo_notification *known, const struct apollo_message *told)
{
	struct apollo_message *grown;
	char *key;

	if (known->message_count == APOLLO_MESSAGES_MOST)
		return 0; /* so many clusters nobody has; they are a hint, and the URL gets too long */
	grown = reallocarray(known->messages, known->message_count + 1, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	known->messages = grown;
	key = strdup(told->key);
	if (!key)
		return -ENOMEM;
	grown[known->message_count++] = (struct apollo_message){ .key = key, .id = told->id };
	return 0;
}

/* is_back: their ids count as well where they are lower. */
static int namespace_merge(struct apollo_notification *known, const struct apollo_notification *told,
			   bool is_back)
{
	for (size_t i = 0; i < told->message_count; i++) {
		struct apollo_message *message = namespace_message(known, told->messages[i].key);
		int err = message ? 0 : namespace_add_message(known, &told->messages[i]);

		if (err < 0)
			return err;
		if (message && (is_back || told->messages[i].id > message->id))
			message->id = told->messages[i].id;
	}
	return 0;
}

enum namespace_news namespace_notify(struct apollo_namespace *space, const struct apollo_notification *told,
				     bool is_anew)
{
	struct apollo_notification *known = &space->known;
	bool is_newer = told->id > known->id, is_older = told->id < known->id, is_back;

	if (is_older && !is_anew)
		return NAMESPACE_KNOWN;
	space->back_count = is_older ? space->back_count + 1 : 0;
	is_back = is_older && space->back_count >= APOLLO_SURE;
	if (is_older && !is_back)
		return NAMESPACE_OLDER;
	if (namespace_merge(known, told, is_back) < 0)
		return NAMESPACE_OUT_OF_MEMORY;
	known->id = told->id;
	if (is_newer || is_back)
		space->is_dirty = true;
	if (is_back)
		space->back_count = 0;
	return is_newer ? NAMESPACE_NEWER : is_back ? NAMESPACE_BACK : NAMESPACE_KNOWN;
}

const char *namespace_key(const struct apollo_namespace *space)
{
	return space->known.id == space->told_id ? space->release_key : NULL;
}

static enum namespace_verdict namespace_doubt(struct apollo_namespace *space, const char *key)
{
	if (space->other_key && strcmp(space->other_key, key) == 0) {
		space->other_count++;
	} else {
		free(space->other_key);
		space->other_key = strdup(key); /* NULL: then it is counted anew */
		space->other_count = 1;
	}
	return space->other_count >= APOLLO_SURE ? NAMESPACE_TELL : NAMESPACE_AGAIN;
}

static void namespace_end_doubt(struct apollo_namespace *space)
{
	free(space->other_key);
	space->other_key = NULL;
	space->other_count = 0;
}

enum namespace_verdict namespace_judge(struct apollo_namespace *space, const char *key)
{
	const char *before = space->release_key;

	if (key && space->asked_id < 0)
		return NAMESPACE_PARK;
	if (!key && !before)
		return NAMESPACE_NOTHING;
	if (!before || space->asked_id != space->told_id)
		return NAMESPACE_TELL;
	if (key && strcmp(key, before) == 0) {
		namespace_end_doubt(space);
		return NAMESPACE_NOTHING;
	}
	return namespace_doubt(space, key ? key : "");
}

int namespace_told(struct apollo_namespace *space, const char *key)
{
	char *copy = key ? strdup(key) : NULL;

	namespace_end_doubt(space);
	free(space->release_key);
	space->release_key = copy;
	space->told_id = space->asked_id;
	return key && !copy ? -ENOMEM : 0;
}
