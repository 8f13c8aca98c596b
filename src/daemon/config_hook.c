/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/config_hook.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Names are those of files below state-dir/hooks. */
static bool config_hook_is_taken(const struct config *config, const char *name)
{
	for (size_t i = 0; i < config->set_count; i++)
		for (size_t k = 0; k < config->sets[i].hook_count; k++)
			if (strcmp(config->sets[i].hooks[k].name, name) == 0)
				return true;
	return false;
}

int config_hook_read(const struct config *config, struct config_set *set,
		     const struct zkcfg_document *document, const char *path, const char *directory,
		     struct element_fault *fault)
{
	struct hook_config *grown = reallocarray(set->hooks, set->hook_count + 1, sizeof(*grown));
	struct hook_config hook;
	int err;

	snprintf(fault->path, sizeof(fault->path), "%s", path);
	message_set(&fault->message, "out of memory");
	if (!grown)
		return -ENOMEM;
	set->hooks = grown;
	err = element_read(document, path, directory, set->name ? set->name : "", &hook, fault);
	if (err < 0)
		return err;
	if (config_hook_is_taken(config, hook.name)) {
		message_set(&fault->message, "element hook: there is a hook of the name \"%s\" already",
			    hook.name);
		hook_config_free(&hook);
		return -EINVAL;
	}
	set->hooks[set->hook_count++] = hook;
	return 0;
}

void config_hook_free(struct config_set *set)
{
	for (size_t i = 0; i < set->hook_count; i++)
		hook_config_free(&set->hooks[i]);
	free(set->hooks);
	set->hooks = NULL;
	set->hook_count = 0;
}

static bool filters_equal(const struct hook_config *a, const struct hook_config *b)
{
	if (a->filter_count != b->filter_count)
		return false;
	for (size_t i = 0; i < a->filter_count; i++) {
		const char *path = a->filters[i].path, *other = b->filters[i].path;

		if (strcmp(a->filters[i].document, b->filters[i].document) != 0 || !path != !other ||
		    (path && strcmp(path, other) != 0))
			return false;
	}
	return true;
}

static bool hook_equal(const struct hook_config *a, const struct hook_config *b)
{
	return strcmp(a->name, b->name) == 0 && hook_config_sum(a) == hook_config_sum(b) && filters_equal(a, b) &&
	       a->limit_ms == b->limit_ms && a->debounce_min_ms == b->debounce_min_ms &&
	       a->debounce_max_ms == b->debounce_max_ms && a->splay_ms == b->splay_ms &&
	       a->retry_min_ms == b->retry_min_ms && a->retry_max_ms == b->retry_max_ms;
}

bool config_hooks_equal(const struct config_set *a, const struct config_set *b)
{
	if (a->hook_count != b->hook_count)
		return false;
	for (size_t i = 0; i < a->hook_count; i++)
		if (!hook_equal(&a->hooks[i], &b->hooks[i]))
			return false;
	return true;
}
