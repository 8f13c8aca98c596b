/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/sets.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "hook/hook.h"

static int running_open_hooks(const struct sets *sets, struct running *running, struct message *message)
{
	size_t count = running->set.hook_count;
	int err = 0;

	running->hooks = calloc(count + 1, sizeof(struct hook *));
	if (!running->hooks) {
		message_set(message, "out of memory");
		return ZKCFG_ENOMEM;
	}
	for (; running->hook_count < count && err == 0; running->hook_count += err == 0) {
		struct hook_parts parts = { .config = &running->set.hooks[running->hook_count],
					    .shm_dir = sets->shm_dir,
					    .state_dir = sets->state_dir,
					    .loop = sets->loop,
					    .changed = sets->hook_changed,
					    .user = sets->user };

		err = hook_open(&parts, &running->hooks[running->hook_count], message);
	}
	return err < 0 ? ZKCFG_ESYSTEM : 0;
}

static void running_stop(struct running *running)
{
	struct pipeline *pipeline = running->pipeline;

	for (size_t i = 0; i < running->hook_count; i++)
		hook_close(running->hooks[i]);
	free(running->hooks);
	running->hooks = NULL;
	running->hook_count = 0;
	running->pipeline = NULL; /* whoever is told of its end must not find it */
	pipeline_close(pipeline);
}

static int running_open(const struct sets *sets, struct running *running, struct message *message)
{
	struct pipeline_parts parts = { .set = &running->set,
					.shm_dir = sets->shm_dir,
					.state_dir = sets->state_dir,
					.loop = sets->loop,
					.changed = sets->changed,
					.committed = sets->committed,
					.user = sets->user };
	int err;

	if (running->set.source)
		parts.source = source_find(running->set.source, message);
	if (running->set.source && !parts.source)
		return ZKCFG_EINVAL;
	err = pipeline_open(&parts, &running->pipeline, message);
	if (err == 0)
		err = running_open_hooks(sets, running, message);
	if (err < 0)
		running_stop(running);
	return err;
}

static void running_free(struct running *running)
{
	if (!running)
		return;
	running_stop(running);
	config_set_free(&running->set);
	free(running);
}

struct running *sets_find(const struct sets *sets, const char *name)
{
	for (size_t i = 0; i < sets->count; i++)
		if (strcmp(sets->running[i]->set.name, name) == 0)
			return sets->running[i];
	return NULL;
}

struct hook *sets_find_hook(const struct sets *sets, const char *name)
{
	for (size_t i = 0; i < sets->count; i++)
		for (size_t k = 0; k < sets->running[i]->hook_count; k++)
			if (strcmp(sets->running[i]->set.hooks[k].name, name) == 0)
				return sets->running[i]->hooks[k];
	return NULL;
}

/* One set of the configuration that comes, beside what runs under its name. */
struct step {
	struct running *now;  /* NULL: none */
	struct running *next; /* now itself: it stays as it is */
	bool is_done;
};

static int step_make(const struct sets *sets, struct config_set *set, struct step *step)
{
	step->now = sets_find(sets, set->name);
	if (step->now && config_set_equal(&step->now->set, set)) {
		step->next = step->now;
		config_set_free(set);
		return 0;
	}
	step->next = calloc(1, sizeof(*step->next));
	if (!step->next)
		return ZKCFG_ENOMEM;
	step->next->set = *set;
	*set = (struct config_set){ .name = NULL };
	return 0;
}

/* The segment is one daemon's, and so one pipeline's: the old one ends before the new one begins. */
static int step_take(const struct sets *sets, struct step *step, struct message *message)
{
	int err = 0;

	if (step->next == step->now)
		return 0;
	step->is_done = true;
	if (step->now)
		running_stop(step->now);
	err = running_open(sets, step->next, message);
	return err;
}

/* As it was before. What cannot be is told behind the message. */
static void step_undo(const struct sets *sets, struct step *step, struct message *message)
{
	struct message why, first = *message;

	if (step->is_done)
		running_stop(step->next);
	if (step->is_done && step->now && running_open(sets, step->now, &why) < 0) {
		log_error("set %s: it cannot be begun again as it was: %s", step->now->set.name, why.text);
		message_set(message, "%s; set %s is gone, as it cannot be begun again: %s", first.text,
			    step->now->set.name, why.text);
	}
	if (step->next != step->now)
		running_free(step->next);
}

/* What could not be begun again runs no more. */
static void sets_drop_stopped(struct sets *sets)
{
	size_t kept = 0;

	for (size_t i = 0; i < sets->count; i++)
		if (sets->running[i]->pipeline)
			sets->running[kept++] = sets->running[i];
		else
			running_free(sets->running[i]);
	sets->count = kept;
}

/* The new ones first: if one of them does not begin, nobody was disturbed. */
static int steps_take(const struct sets *sets, struct step *steps, size_t count, struct message *message)
{
	int err = 0;

	for (size_t i = 0; i < count && err == 0; i++)
		if (!steps[i].now)
			err = step_take(sets, &steps[i], message);
	for (size_t i = 0; i < count && err == 0; i++)
		if (steps[i].now)
			err = step_take(sets, &steps[i], message);
	return err;
}

static bool steps_keep(const struct step *steps, size_t count, const struct running *running)
{
	for (size_t i = 0; i < count; i++)
		if (steps[i].now == running)
			return true;
	return false;
}

/* All steps are taken: tell of them, and free what runs no more. */
static void sets_adopt(struct sets *sets, struct running **list, const struct step *steps, size_t count,
		       void (*tell)(void *user, const char *set, enum sets_fate fate), void *user)
{
	for (size_t i = 0; i < sets->count; i++) {
		if (steps_keep(steps, count, sets->running[i]))
			continue;
		if (tell)
			tell(user, sets->running[i]->set.name, SETS_REMOVED);
		running_free(sets->running[i]);
	}
	for (size_t i = 0; i < count; i++) {
		if (tell && steps[i].next != steps[i].now)
			tell(user, steps[i].next->set.name, steps[i].now ? SETS_CHANGED : SETS_ADDED);
		if (steps[i].next != steps[i].now)
			running_free(steps[i].now);
		list[i] = steps[i].next;
	}
	free(sets->running);
	sets->running = list;
	sets->count = count;
}

int sets_change(struct sets *sets, struct config *config, void (*tell)(void *user, const char *set, enum sets_fate fate),
		void *user, struct message *message)
{
	size_t count = config->set_count;
	struct step *steps = calloc(count + 1, sizeof(*steps));
	struct running **list = calloc(count + 1, sizeof(*list));
	int err = steps && list ? 0 : ZKCFG_ENOMEM;

	message_set(message, "out of memory");
	for (size_t i = 0; i < count && err == 0; i++)
		err = step_make(sets, &config->sets[i], &steps[i]);
	if (err == 0)
		err = steps_take(sets, steps, count, message);
	if (err == 0) {
		sets_adopt(sets, list, steps, count, tell, user);
	} else {
		for (size_t i = 0; steps && i < count; i++)
			step_undo(sets, &steps[i], message);
		sets_drop_stopped(sets);
		free(list);
	}
	free(steps);
	for (size_t i = 0; i < count; i++)
		config_set_free(&config->sets[i]);
	config->set_count = 0;
	return err;
}

void sets_close(struct sets *sets)
{
	struct running **running = sets->running;
	size_t count = sets->count;

	sets->running = NULL;
	sets->count = 0;
	for (size_t i = 0; i < count; i++)
		running_free(running[i]);
	free(running);
}
