/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/reload.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include <event2/event.h>

#include "base/clock.h"
#include "base/log.h"

/* How often deadlines are looked at. */
#define RELOAD_TICK_MS 100

/* Somebody who asked. */
struct asker {
	TAILQ_ENTRY(asker) link;
	char *set; /* NULL: all */
	char *by;
	reload_done done;
	void *user;
};
TAILQ_HEAD(askers, asker);

/* A set whose source is looked at. */
struct target {
	char *set;
	int64_t asked_ns; /* CLOCK_BOOTTIME */
	uint64_t seq_before;
	bool is_ended;
	json_t *changed, *removed; /* names */
	json_t *error;		   /* a string, or null */
};

struct reload {
	const struct options *options;
	const struct settings *settings;
	struct sets *sets;
	struct event *look;
	struct event *tick;
	struct askers waiting, current;
	bool is_under_way;
	int64_t began_ns; /* CLOCK_MONOTONIC */
	json_t *configuration;
	struct target *targets;
	size_t target_count;
	struct reload_history history;
};

static void on_look(evutil_socket_t fd, short what, void *user);

struct reload *reload_new(const struct options *options, const struct settings *settings, struct sets *sets)
{
	struct reload *reload = calloc(1, sizeof(*reload));

	if (!reload)
		return NULL;
	reload->options = options;
	reload->settings = settings;
	reload->sets = sets;
	TAILQ_INIT(&reload->waiting);
	TAILQ_INIT(&reload->current);
	reload->look = event_new(sets->loop, -1, 0, on_look, reload);
	reload->tick = event_new(sets->loop, -1, EV_PERSIST, on_look, reload);
	if (!reload->look || !reload->tick) {
		reload_free(reload);
		return NULL;
	}
	return reload;
}

/* --- who asks ------------------------------------------------------------------------------ */

static void asker_free(struct asker *asker)
{
	free(asker->set);
	free(asker->by);
	free(asker);
}

static void askers_free(struct askers *askers)
{
	struct asker *asker;

	while ((asker = TAILQ_FIRST(askers))) {
		TAILQ_REMOVE(askers, asker, link);
		asker_free(asker);
	}
}

int reload_ask(struct reload *reload, const char *set, const char *by, reload_done done, void *user)
{
	struct asker *asker = calloc(1, sizeof(*asker));

	if (!asker)
		return -ENOMEM;
	asker->set = set ? strdup(set) : NULL;
	asker->by = strdup(by);
	if ((set && !asker->set) || !asker->by) {
		asker_free(asker);
		return -ENOMEM;
	}
	asker->done = done;
	asker->user = user;
	TAILQ_INSERT_TAIL(&reload->waiting, asker, link);
	event_active(reload->look, 0, 0);
	return 0;
}

/* --- the configuration --------------------------------------------------------------------- */

static void append_name(json_t *object, const char *key, const char *name)
{
	json_array_append_new(json_object_get(object, key), json_string(name));
}

static void on_fate(void *user, const char *set, enum sets_fate fate)
{
	static const char *const keys[] = { [SETS_ADDED] = "added", [SETS_CHANGED] = "changed",
					    [SETS_REMOVED] = "removed" };
	struct reload *reload = user;

	append_name(reload->configuration, keys[fate], set);
	log_notice("set %s: %s", set, keys[fate]);
}

static void reload_look_for_restart(struct reload *reload, const struct settings *read)
{
	if (strcmp(read->shm_dir, reload->settings->shm_dir) != 0)
		append_name(reload->configuration, "restart", "shm-dir");
	if (strcmp(read->state_dir, reload->settings->state_dir) != 0)
		append_name(reload->configuration, "restart", "state-dir");
	if (strcmp(read->listen ? read->listen : "", reload->settings->listen ? reload->settings->listen : "") != 0)
		append_name(reload->configuration, "restart", "listen");
	if (read->listen_allow_reload != reload->settings->listen_allow_reload)
		append_name(reload->configuration, "restart", "listen-allow-reload");
	if (read->control_group != reload->settings->control_group)
		append_name(reload->configuration, "restart", "control-group");
}

/* With --set there is nothing to be read again. */
static void reload_configuration(struct reload *reload)
{
	struct settings read;
	struct message message;
	int err;

	reload->configuration =
		json_pack("{s:s?, s:n, s:[], s:[], s:[], s:[]}", "file", reload->options->config, "error", "added",
			  "changed", "removed", "restart");
	if (!reload->options->config)
		return;
	err = settings_load(reload->options, &read, &message);
	if (err == 0) {
		reload_look_for_restart(reload, &read);
		log_start(read.log_level);
		err = sets_change(reload->sets, &read.config, on_fate, reload, &message);
		settings_free(&read);
	}
	if (err == 0)
		return;
	log_error("the configuration stays as it was: %s", message.text);
	json_object_set_new(reload->configuration, "error", json_string(message.text));
}

/* --- the sources ----------------------------------------------------------------------------- */

static bool reload_is_asked_of(const struct reload *reload, const char *set)
{
	const struct asker *asker;

	TAILQ_FOREACH (asker, &reload->current, link)
		if (!asker->set || strcmp(asker->set, set) == 0)
			return true;
	return false;
}

static struct target *reload_target(struct reload *reload, const char *set)
{
	for (size_t i = 0; i < reload->target_count; i++)
		if (strcmp(reload->targets[i].set, set) == 0)
			return &reload->targets[i];
	return NULL;
}

static struct target *reload_add_target(struct reload *reload, const char *set, uint64_t seq)
{
	struct target *more = realloc(reload->targets, (reload->target_count + 1) * sizeof(*more)), *target;

	if (!more)
		return NULL;
	reload->targets = more;
	target = &more[reload->target_count];
	*target = (struct target){ .set = strdup(set), .seq_before = seq };
	if (!target->set)
		return NULL;
	target->changed = json_array();
	target->removed = json_array();
	target->error = json_null();
	reload->target_count++;
	return target;
}

/* Before the configuration is read: a set that it changes may commit at once. */
static void reload_note_targets(struct reload *reload)
{
	for (size_t i = 0; i < reload->sets->count; i++) {
		const struct running *running = reload->sets->running[i];

		if (reload_is_asked_of(reload, running->set.name))
			reload_add_target(reload, running->set.name,
					  publisher_seq(pipeline_publisher(running->pipeline)));
	}
}

/* Behind it: those that run now. */
static void reload_refresh_targets(struct reload *reload)
{
	for (size_t i = 0; i < reload->sets->count; i++) {
		const struct running *running = reload->sets->running[i];
		struct target *target = reload_target(reload, running->set.name);

		if (!target && reload_is_asked_of(reload, running->set.name))
			target = reload_add_target(reload, running->set.name, 0);
		if (target)
			target->asked_ns = pipeline_refresh(running->pipeline);
	}
}

static bool target_fail(struct target *target, const struct message *why)
{
	target->error = json_string(why->text);
	return target->is_ended = true;
}

/* Is all of it there, or no hope of that? */
static bool target_is_ended(const struct reload *reload, struct target *target, int64_t passed_ms)
{
	const struct running *running = sets_find(reload->sets, target->set);
	struct message why = { "" };
	struct pipeline_state state;

	if (target->is_ended)
		return true;
	if (!running)
		return target->is_ended = true; /* it was removed */
	if (pipeline_is_current(running->pipeline, target->asked_ns))
		return target->is_ended = true;
	pipeline_state(running->pipeline, &state);
	if (state.source_state != SOURCE_FOLLOWING && state.source_state != SOURCE_SYNCING && passed_ms >= RELOAD_AWAY_MS)
		message_set(&why, "the source cannot be read: %s", state.detail);
	else if (passed_ms >= RELOAD_UNSETTLED_MS)
		message_set(&why, "the source did not settle in %d s", RELOAD_UNSETTLED_MS / 1000);
	return why.text[0] != '\0' && target_fail(target, &why);
}

void reload_committed(struct reload *reload, const struct pipeline_commit *commit)
{
	for (size_t i = 0; i < reload->target_count; i++) {
		struct target *target = &reload->targets[i];

		if (strcmp(target->set, commit->set) != 0)
			continue;
		for (size_t k = 0; k < commit->change_count; k++)
			json_array_append_new(commit->changes[k].document ? target->changed : target->removed,
					      json_string(commit->changes[k].name));
	}
}

/* --- the report ------------------------------------------------------------------------------ */

/* What was refused, cannot be read, is held, and waits in a frozen set: a list each. */
static json_t *report_problems(const struct pipeline *pipeline)
{
	static const char *const keys[] = { [PROBLEM_REFUSED] = "refused", [PROBLEM_UNREAD] = "unread",
					    [PROBLEM_HELD] = "held", [PROBLEM_FROZEN] = "frozen" };
	json_t *lists = json_pack("{s:[], s:[], s:[], s:[]}", "refused", "unread", "held", "frozen");
	enum problem_kind *kinds = NULL;
	size_t count;
	struct zkcfg_candidate *candidates = pipeline_candidates(pipeline, &count, &kinds);

	for (size_t i = 0; i < count; i++)
		json_array_append_new(json_object_get(lists, keys[kinds[i]]),
				      json_pack("{s:s, s:I, s:I, s:s, s:I}", "document", candidates[i].document,
						"line", (json_int_t)candidates[i].line, "column",
						(json_int_t)candidates[i].column, "reason", candidates[i].reason,
						"revision", (json_int_t)candidates[i].revision));
	free(candidates);
	free(kinds);
	return lists;
}

static json_t *report_set(const struct reload *reload, const struct target *target)
{
	const struct running *running = sets_find(reload->sets, target->set);
	json_t *set = json_pack("{s:s, s:I, s:I, s:O, s:O, s:O}", "set", target->set, "seq_before",
				(json_int_t)target->seq_before, "seq",
				(json_int_t)(running ? publisher_seq(pipeline_publisher(running->pipeline)) : 0),
				"changed", target->changed, "removed", target->removed, "error", target->error);
	json_t *problems = running ? report_problems(running->pipeline) : NULL;

	if (problems)
		json_object_update(set, problems);
	json_decref(problems);
	return set;
}

static enum reload_result report_judge(const json_t *configuration, const json_t *sets, const char *set)
{
	bool is_refused = !json_is_null(json_object_get(configuration, "error")), is_unread = false;
	json_t *one;
	size_t i;

	json_array_foreach (sets, i, one) {
		is_refused = is_refused || json_array_size(json_object_get(one, "refused")) > 0;
		is_unread = is_unread || !json_is_null(json_object_get(one, "error")) ||
			    json_array_size(json_object_get(one, "unread")) > 0;
	}
	if (set && json_array_size(sets) == 0)
		return RELOAD_MISSING;
	if (is_refused)
		return RELOAD_INVALID;
	if (json_array_size(json_object_get(configuration, "restart")) > 0)
		return RELOAD_RESTART;
	return is_unread ? RELOAD_UNREAD : RELOAD_DONE;
}

static const char *result_word(enum reload_result result)
{
	switch (result) {
	case RELOAD_DONE:
		return "done";
	case RELOAD_MISSING:
		return "no such set";
	case RELOAD_INVALID:
		return "invalid";
	case RELOAD_UNREAD:
		return "unread";
	default:
		return "restart needed";
	}
}

const struct reload_history *reload_history(const struct reload *reload)
{
	return &reload->history;
}

static void reload_remember(struct reload *reload, enum reload_result result)
{
	reload->history.count++;
	reload->history.has_failed = result != RELOAD_DONE;
	if (result == RELOAD_DONE)
		reload->history.success_ns = clock_realtime_ns();
	else
		reload->history.failure_count++;
}

static void reload_answer(struct reload *reload, const struct asker *asker)
{
	json_t *sets = json_array(), *report;
	enum reload_result result;

	for (size_t i = 0; i < reload->target_count; i++)
		if (reload->targets[i].asked_ns > 0 &&
		    (!asker->set || strcmp(asker->set, reload->targets[i].set) == 0))
			json_array_append_new(sets, report_set(reload, &reload->targets[i]));
	result = report_judge(reload->configuration, sets, asker->set);
	report = json_pack("{s:s, s:i, s:I, s:O, s:o}", "result", result_word(result), "code", (int)result, "ms",
			   (json_int_t)((clock_monotonic_ns() - reload->began_ns) / CLOCK_NS_PER_MS),
			   "configuration", reload->configuration, "sets", sets);
	reload_remember(reload, result);
	asker->done(asker->user, result, report);
	json_decref(report);
}

static void describe_names(const json_t *object, const char *key, struct buffer *text)
{
	const json_t *names = json_object_get(object, key);
	json_t *name;
	size_t i;

	json_array_foreach (names, i, name)
		buffer_printf(text, "%s%s", i == 0 ? "; " : ", ", json_string_value(name));
	if (json_array_size(names) > 0)
		buffer_printf(text, " %s", key);
}

static void describe_set(const json_t *set, struct buffer *text)
{
	const json_t *error = json_object_get(set, "error");

	buffer_printf(text, "; %s: seq %lld", json_string_value(json_object_get(set, "set")),
		      (long long)json_integer_value(json_object_get(set, "seq")));
	buffer_printf(text, ", %zu changed, %zu removed, %zu refused", json_array_size(json_object_get(set, "changed")),
		      json_array_size(json_object_get(set, "removed")),
		      json_array_size(json_object_get(set, "refused")));
	if (!json_is_null(error))
		buffer_printf(text, ", %s", json_string_value(error));
}

void reload_describe(const json_t *report, struct buffer *text)
{
	const json_t *configuration = json_object_get(report, "configuration");
	const char *error = json_string_value(json_object_get(configuration, "error"));
	json_t *set;
	size_t i;

	buffer_printf(text, "%s, %lld ms", json_string_value(json_object_get(report, "result")),
		      (long long)json_integer_value(json_object_get(report, "ms")));
	if (error)
		buffer_printf(text, "; the configuration stays as it was: %s", error);
	describe_names(configuration, "added", text);
	describe_names(configuration, "changed", text);
	describe_names(configuration, "removed", text);
	describe_names(configuration, "restart", text);
	json_array_foreach (json_object_get(report, "sets"), i, set)
		describe_set(set, text);
	buffer_append(text, "", 1);
}

/* --- one after the other --------------------------------------------------------------------- */

static void reload_begin(struct reload *reload)
{
	static const struct timeval tick = { .tv_usec = RELOAD_TICK_MS * 1000 };
	const struct asker *asker;

	TAILQ_CONCAT(&reload->current, &reload->waiting, link);
	reload->is_under_way = true;
	reload->began_ns = clock_monotonic_ns();
	TAILQ_FOREACH (asker, &reload->current, link)
		log_info("reload%s%s: asked for by %s", asker->set ? " of set " : "", asker->set ? asker->set : "",
			 asker->by);
	reload_note_targets(reload);
	reload_configuration(reload);
	reload_refresh_targets(reload);
	event_add(reload->tick, &tick);
}

static void reload_end_targets(struct reload *reload)
{
	for (size_t i = 0; i < reload->target_count; i++) {
		free(reload->targets[i].set);
		json_decref(reload->targets[i].changed);
		json_decref(reload->targets[i].removed);
		json_decref(reload->targets[i].error);
	}
	free(reload->targets);
	reload->targets = NULL;
	reload->target_count = 0;
	json_decref(reload->configuration);
	reload->configuration = NULL;
}

/* Whoever is told may ask again at once: he is answered by the next one. */
static void reload_end(struct reload *reload)
{
	struct asker *asker;

	event_del(reload->tick);
	reload->is_under_way = false;
	while ((asker = TAILQ_FIRST(&reload->current))) {
		reload_answer(reload, asker);
		TAILQ_REMOVE(&reload->current, asker, link);
		asker_free(asker);
	}
	reload_end_targets(reload);
}

static bool reload_is_over(struct reload *reload)
{
	int64_t passed_ms = (clock_monotonic_ns() - reload->began_ns) / CLOCK_NS_PER_MS;
	bool is_over = true;

	for (size_t i = 0; i < reload->target_count; i++)
		is_over = target_is_ended(reload, &reload->targets[i], passed_ms) && is_over;
	return is_over;
}

static void on_look(evutil_socket_t fd, short what, void *user)
{
	struct reload *reload = user;

	(void)fd, (void)what;
	if (reload->is_under_way && reload_is_over(reload))
		reload_end(reload);
	if (!reload->is_under_way && !TAILQ_EMPTY(&reload->waiting)) {
		reload_begin(reload);
		event_active(reload->look, 0, 0);
	}
}

void reload_look(struct reload *reload)
{
	if (reload->is_under_way)
		event_active(reload->look, 0, 0);
}

void reload_free(struct reload *reload)
{
	if (!reload)
		return;
	askers_free(&reload->waiting);
	askers_free(&reload->current);
	reload_end_targets(reload);
	if (reload->look)
		event_free(reload->look);
	if (reload->tick)
		event_free(reload->tick);
	free(reload);
}
