/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/console.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/stat.h>

#include <event2/event.h>

#include "admin/admin.h"
#include "base/clock.h"
#include "base/log.h"
#include "hook/hook.h"

/* ?fresh=1: vouched for within that. */
#define CONSOLE_FRESH_NS (60 * CLOCK_NS_PER_S)
/* Names of a commit that are told to who listens. */
#define CONSOLE_NAMES_MOST 64

/* Commits of one set that are counted; found by name, also when the set was changed by a reload. */
struct tally {
	struct tally *next;
	uint64_t commit_count, change_count;
	struct metrics_histogram propagation; /* from the first change that was told until it was published */
	char set[];
};

/* Somebody waits for a run of a hook. */
struct hooking {
	LIST_ENTRY(hooking) link;
	uint64_t runs_before;
	admin_done done;
	void *arg;
	char name[];
};

struct console {
	struct sets *sets;
	struct reload *reload;
	struct admin *admin;
	struct admin_parts parts;
	char *path;
	struct event *tick;
	struct tally *tallies;
	struct event *look;
	LIST_HEAD(, hooking) hookings;
};

/* --- what there is to tell ------------------------------------------------------------------- */

static const char *state_word(enum source_state state)
{
	static const char *const words[] = { [SOURCE_CONNECTING] = "connecting",
					     [SOURCE_SYNCING] = "syncing",
					     [SOURCE_FOLLOWING] = "following",
					     [SOURCE_AWAY] = "away",
					     [SOURCE_REFUSED] = "refused" };

	return state >= SOURCE_CONNECTING && state <= SOURCE_REFUSED ? words[state] : "none";
}

static const char *mode_word(enum source_mode mode)
{
	static const char *const words[] = { "none", [SOURCE_PUSH] = "push", [SOURCE_PULL] = "pull",
					     [SOURCE_PUSH_AND_PULL] = "push and pull" };

	return mode <= SOURCE_PUSH_AND_PULL ? words[mode] : words[0];
}

/* Milliseconds since a time on CLOCK_BOOTTIME; null: never. */
static json_t *age_ms(int64_t then_ns)
{
	int64_t age_ns = clock_boottime_ns() - then_ns;

	return then_ns <= 0 ? json_null() : json_integer((json_int_t)(age_ns > 0 ? age_ns / CLOCK_NS_PER_MS : 0));
}

static json_t *time_text(int64_t time_ns)
{
	char text[CLOCK_TEXT_BYTES];

	return time_ns <= 0 ? json_null() : json_string(clock_format(time_ns, text));
}

static json_t *status_of(const struct running *running)
{
	struct pipeline_state state;

	pipeline_state(running->pipeline, &state);
	return json_pack("{s:s, s:I, s:I, s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:I, s:I, s:I, s:I, s:b, s:o, s:b}", "set",
			 running->set.name, "seq", (json_int_t)state.seq, "documents",
			 (json_int_t)state.document_count, "source", state.source, "state",
			 state_word(state.source_state), "detail", state.detail, "mode",
			 mode_word(state.source_mode), "told_ms", age_ms(state.told_ns), "asked_ms",
			 age_ms(state.asked_ns), "unverified_ms", age_ms(state.verified_ns), "candidate_count",
			 (json_int_t)state.candidate_count, "waiting", (json_int_t)state.pending_count, "repairs",
			 (json_int_t)state.repair_count, "commits_cut", (json_int_t)state.cut_count, "frozen",
			 (int)state.freeze.is_frozen, "frozen_until", time_text(state.freeze.until_ns), "failing",
			 (int)state.is_failing);
}

static json_t *op_status(void *user, const char *set)
{
	const struct console *console = user;
	const struct running *running;
	json_t *array;

	if (set) {
		running = sets_find(console->sets, set);
		return running ? status_of(running) : NULL;
	}
	array = json_array();
	for (size_t i = 0; i < console->sets->count; i++)
		json_array_append_new(array, status_of(console->sets->running[i]));
	return array;
}

static int op_seq(void *user, const char *set, uint64_t *seq)
{
	const struct console *console = user;
	const struct running *running = sets_find(console->sets, set);
	struct pipeline_state state;

	if (!running)
		return -ENOENT;
	pipeline_state(running->pipeline, &state);
	*seq = state.seq;
	return 0;
}

static int op_document(void *user, const char *set, const char *name, struct admin_document *document)
{
	const struct console *console = user;
	const struct running *running = sets_find(console->sets, set);
	const struct zkcfg_document *found = NULL;

	if (running)
		found = publisher_find(pipeline_publisher(running->pipeline), name);
	if (!found)
		return -ENOENT;
	document->bytes = zkcfg_document_raw(found, &document->size_bytes);
	document->revision = zkcfg_document_revision(found);
	document->version = zkcfg_document_version(found);
	document->seq = publisher_seq(pipeline_publisher(running->pipeline));
	return 0;
}

static json_t *op_candidates(void *user, const char *set)
{
	const struct console *console = user;
	const struct running *running = sets_find(console->sets, set);
	struct zkcfg_candidate *candidates;
	json_t *array;
	size_t count;

	if (!running)
		return NULL;
	array = json_array();
	candidates = pipeline_candidates(running->pipeline, &count, NULL);
	for (size_t i = 0; i < count; i++)
		json_array_append_new(array, json_pack("{s:s, s:I, s:I, s:s, s:I, s:o}", "document",
						       candidates[i].document, "line",
						       (json_int_t)candidates[i].line, "column",
						       (json_int_t)candidates[i].column, "reason",
						       candidates[i].reason, "revision",
						       (json_int_t)candidates[i].revision, "since",
						       time_text(candidates[i].since_ns)));
	free(candidates);
	return array;
}

static int op_candidate(void *user, const char *set, const char *name, struct admin_document *document)
{
	const struct console *console = user;
	const struct running *running = sets_find(console->sets, set);

	*document = (struct admin_document){ .version = -1 };
	if (running)
		document->bytes = pipeline_candidate_raw(running->pipeline, name, &document->size_bytes);
	return document->bytes ? 0 : -ENOENT;
}

static int op_get(void *user, const char *set, const char *document, const char *path, json_t **value,
		  struct message *message)
{
	const struct console *console = user;
	const struct running *running = sets_find(console->sets, set);
	const struct zkcfg_document *found = NULL;
	const char *text;
	int err;

	if (running)
		found = publisher_find(pipeline_publisher(running->pipeline), document);
	if (!found)
		return -ENOENT;
	err = zkcfg_document_string(found, path, &text);
	if (err == 0) {
		*value = json_string(text);
		return *value ? 0 : -EILSEQ;
	}
	message_set(message, "%s: %s", path, zkcfg_strerror(err));
	return err == ZKCFG_EINVAL ? -EINVAL : -ENOENT;
}

static bool op_is_secret(void *user, const char *set)
{
	const struct console *console = user;
	const struct running *running = sets_find(console->sets, set);

	return running && (running->set.mode & S_IROTH) == 0;
}

static bool is_served(const struct pipeline_state *state, bool fresh)
{
	return state->seq > 0 && (!fresh || (state->verified_ns > 0 && clock_boottime_ns() - state->verified_ns <=
								       CONSOLE_FRESH_NS));
}

static bool op_ready(void *user, bool fresh, struct message *why_not)
{
	const struct console *console = user;
	struct pipeline_state state;

	for (size_t i = 0; i < console->sets->count; i++) {
		const struct running *running = console->sets->running[i];

		pipeline_state(running->pipeline, &state);
		if (is_served(&state, fresh))
			continue;
		message_set(why_not, "set %s: %s; the source is %s%s%s", running->set.name,
			    state.seq == 0 ? "nothing is published yet" : "not vouched for within 60 s",
			    state_word(state.source_state), *state.detail ? ": " : "", state.detail);
		return false;
	}
	return true;
}

/* --- what is to be done ----------------------------------------------------------------------- */

struct reloading {
	struct console *console;
	admin_done done;
	void *arg;
};

static void reload_told(void *user, enum reload_result result, const json_t *report)
{
	struct reloading *reloading = user;

	reloading->done(reloading->arg, (int)result, report);
	free(reloading);
}

static void op_reload(void *user, const char *set, const char *by, admin_done done, void *arg)
{
	struct console *console = user;
	struct reloading *reloading = malloc(sizeof(*reloading));

	if (reloading)
		*reloading = (struct reloading){ .console = console, .done = done, .arg = arg };
	if (reloading && reload_ask(console->reload, set, by, reload_told, reloading) == 0)
		return;
	free(reloading);
	done(arg, RELOAD_UNREAD, NULL);
}

static int op_freeze(void *user, const char *set, int64_t until_ns, struct message *message)
{
	struct console *console = user;
	struct running *running = sets_find(console->sets, set);

	return running ? pipeline_freeze(running->pipeline, until_ns, message) : -ENOENT;
}

static int op_thaw(void *user, const char *set, struct message *message)
{
	struct console *console = user;
	struct running *running = sets_find(console->sets, set);

	return running ? pipeline_thaw(running->pipeline, message) : -ENOENT;
}

static json_t *hook_json(const struct hook *hook)
{
	struct hook_status status;

	hook_status(hook, &status);
	return json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:o, s:o, s:o, s:s, s:s}", "hook", status.name, "set",
			 status.set, "state", hook_state_name(status.state), "applied_seq",
			 (json_int_t)status.applied_seq, "wanted_seq", (json_int_t)status.wanted_seq, "runs",
			 (json_int_t)status.run_count, "failures", (json_int_t)status.failure_count, "duration_ms",
			 status.duration_ms < 0 ? json_null() : json_integer(status.duration_ms), "ended",
			 time_text(status.ended_ns), "retry_ms",
			 status.retry_ms < 0 ? json_null() : json_integer(status.retry_ms), "error", status.error,
			 "output", status.output);
}

static json_t *op_hooks(void *user)
{
	const struct console *console = user;
	json_t *array = json_array();

	for (size_t i = 0; i < console->sets->count; i++)
		for (size_t k = 0; k < console->sets->running[i]->hook_count; k++)
			json_array_append_new(array, hook_json(console->sets->running[i]->hooks[k]));
	return array;
}

static int op_hook_run(void *user, const char *name, const char *by, admin_done done, void *arg)
{
	struct console *console = user;
	struct hook *hook = sets_find_hook(console->sets, name);
	struct hook_status status;
	struct hooking *hooking;

	if (!hook)
		return -ENOENT;
	hooking = calloc(1, sizeof(*hooking) + strlen(name) + 1);
	if (!hooking)
		return -ENOMEM;
	strcpy(hooking->name, name);
	hook_status(hook, &status);
	hooking->runs_before = status.run_count;
	hooking->done = done;
	hooking->arg = arg;
	LIST_INSERT_HEAD(&console->hookings, hooking, link);
	log_info("hook %s: asked for by %s", name, by);
	hook_run_now(hook);
	return 0;
}

/* One whose set was changed meanwhile is answered as it stands now. */
static bool hooking_is_over(const struct hook *hook, const struct hooking *hooking)
{
	struct hook_status status;

	if (!hook)
		return true;
	hook_status(hook, &status);
	return status.run_count != hooking->runs_before && (status.state == HOOK_IDLE || status.state == HOOK_FAILED ||
							    status.state == HOOK_EMPTY);
}

static void hooking_end(struct console *console, struct hooking *hooking)
{
	const struct hook *hook = sets_find_hook(console->sets, hooking->name);
	json_t *report = hook ? hook_json(hook) : json_pack("{s:s, s:s}", "hook", hooking->name, "error", "it is gone");
	const char *error = json_string_value(json_object_get(report, "error"));

	LIST_REMOVE(hooking, link);
	hooking->done(hooking->arg, error && *error ? 1 : 0, report);
	json_decref(report);
	free(hooking);
}

static void on_look(evutil_socket_t fd, short what, void *user)
{
	struct console *console = user;
	struct hooking *hooking, *next;

	(void)fd, (void)what;
	for (hooking = LIST_FIRST(&console->hookings); hooking; hooking = next) {
		next = LIST_NEXT(hooking, link);
		if (hooking_is_over(sets_find_hook(console->sets, hooking->name), hooking))
			hooking_end(console, hooking);
	}
}

void console_look(struct console *console)
{
	if (!LIST_EMPTY(&console->hookings))
		event_active(console->look, 0, 0);
}

/* --- metrics ---------------------------------------------------------------------------------- */

static struct tally *tally_of(struct console *console, const char *set)
{
	struct tally *tally = console->tallies;
	size_t bytes = strlen(set) + 1;

	while (tally && strcmp(tally->set, set) != 0)
		tally = tally->next;
	if (tally)
		return tally;
	tally = calloc(1, sizeof(*tally) + bytes);
	if (!tally)
		return NULL;
	memcpy(tally->set, set, bytes);
	metrics_histogram_init(&tally->propagation, metrics_seconds, METRICS_SECONDS_COUNT);
	tally->next = console->tallies;
	console->tallies = tally;
	return tally;
}

/* A number of each set. */
struct set_metric {
	const char *name;
	enum metrics_type type;
	const char *help;
	double (*value)(const struct pipeline_state *state, const struct publisher_usage *usage);
};

#define SET_METRIC(name, expression)                                                                          \
	static double name(const struct pipeline_state *state, const struct publisher_usage *usage)          \
	{                                                                                                     \
		(void)state, (void)usage;                                                                     \
		return (double)(expression);                                                                  \
	}

SET_METRIC(value_seq, state->seq)
SET_METRIC(value_documents, state->document_count)
SET_METRIC(value_live, usage->live_bytes)
SET_METRIC(value_garbage, usage->garbage_bytes)
SET_METRIC(value_compactions, usage->compaction_count)
SET_METRIC(value_candidates, state->candidate_count)
SET_METRIC(value_waiting, state->pending_count)
SET_METRIC(value_refused, state->refused_count)
SET_METRIC(value_repairs, state->repair_count)
SET_METRIC(value_cut, state->cut_count)
SET_METRIC(value_losses, state->loss_count)
SET_METRIC(value_reconnects, state->reconnect_count)
SET_METRIC(value_expiries, state->expiry_count)
SET_METRIC(value_frozen, state->freeze.is_frozen)
SET_METRIC(value_failing, state->is_failing)
SET_METRIC(value_unverified, state->verified_ns > 0 ? (double)(clock_boottime_ns() - state->verified_ns) / 1e9 : -1)

static const struct set_metric set_metrics[] = {
	{ "zkcfg_set_seq", METRICS_GAUGE, "Number of the newest commit, 0 if nothing is published.", value_seq },
	{ "zkcfg_set_documents", METRICS_GAUGE, "Documents that are published.", value_documents },
	{ "zkcfg_set_live_bytes", METRICS_GAUGE, "Bytes of shared memory that the newest commit reaches.", value_live },
	{ "zkcfg_set_garbage_bytes", METRICS_GAUGE, "Bytes of shared memory that it does not reach.", value_garbage },
	{ "zkcfg_set_compactions_total", METRICS_COUNTER, "Generations begun to leave garbage behind.",
	  value_compactions },
	{ "zkcfg_set_candidates", METRICS_GAUGE, "Documents that are not as the source has them, and why is in status.",
	  value_candidates },
	{ "zkcfg_set_candidates_refused_total", METRICS_COUNTER, "Versions that were fetched and refused.",
	  value_refused },
	{ "zkcfg_set_waiting", METRICS_GAUGE, "Changes that wait for a commit.", value_waiting },
	{ "zkcfg_set_frozen", METRICS_GAUGE, "1 while an operator has frozen the set.", value_frozen },
	{ "zkcfg_set_failing", METRICS_GAUGE, "1 while the last commit could not be made.", value_failing },
	{ "zkcfg_set_commits_cut_total", METRICS_COUNTER, "Commits that did not wait for the source to settle.", value_cut },
	{ "zkcfg_set_audit_repairs_total", METRICS_COUNTER, "Changes that nothing told of and an audit found.",
	  value_repairs },
	{ "zkcfg_source_losses_total", METRICS_COUNTER, "How often the source went away.", value_losses },
	{ "zkcfg_source_reconnects_total", METRICS_COUNTER, "How often it came back.", value_reconnects },
	{ "zkcfg_source_expiries_total", METRICS_COUNTER, "Sessions that expired at the source.", value_expiries },
	{ "zkcfg_set_unverified_seconds", METRICS_GAUGE,
	  "Seconds since the source last vouched for what is known of it; -1: never.", value_unverified },
};

static void metrics_of_sets(const struct console *console, const struct set_metric *metric, struct metrics *metrics)
{
	struct pipeline_state state;
	struct publisher_usage usage;

	metrics_family(metrics, metric->name, metric->type, metric->help);
	for (size_t i = 0; i < console->sets->count; i++) {
		const struct running *running = console->sets->running[i];

		pipeline_state(running->pipeline, &state);
		publisher_usage(pipeline_publisher(running->pipeline), &usage);
		metrics_sample(metrics, metric->value(&state, &usage), "set", running->set.name, NULL);
	}
}

static void metrics_of_states(const struct console *console, struct metrics *metrics)
{
	struct pipeline_state state;

	metrics_family(metrics, "zkcfg_source_state", METRICS_GAUGE, "1 for the state that the source is in, 0 for others.");
	for (size_t i = 0; i < console->sets->count; i++) {
		const struct running *running = console->sets->running[i];

		pipeline_state(running->pipeline, &state);
		for (int word = SOURCE_CONNECTING; word <= SOURCE_REFUSED; word++)
			metrics_sample(metrics, word == (int)state.source_state, "set", running->set.name, "state",
				       state_word((enum source_state)word), NULL);
	}
}

static void metrics_of_tallies(const struct console *console, struct metrics *metrics)
{
	const struct tally *tally;

	metrics_family(metrics, "zkcfg_set_commits_total", METRICS_COUNTER, "Commits since zkcfgd began.");
	for (tally = console->tallies; tally; tally = tally->next)
		metrics_sample(metrics, (double)tally->commit_count, "set", tally->set, NULL);
	metrics_family(metrics, "zkcfg_set_changes_total", METRICS_COUNTER, "Documents that these changed or removed.");
	for (tally = console->tallies; tally; tally = tally->next)
		metrics_sample(metrics, (double)tally->change_count, "set", tally->set, NULL);
	metrics_family(metrics, "zkcfg_set_propagation_seconds", METRICS_HISTOGRAM,
		       "From the first change that the source told of until it was published.");
	for (tally = console->tallies; tally; tally = tally->next)
		metrics_samples(metrics, &tally->propagation, "set", tally->set, NULL);
}

/* A number of each hook. */
struct hook_metric {
	const char *name;
	enum metrics_type type;
	const char *help;
	double (*value)(const struct hook_status *status);
};

#define HOOK_METRIC(name, expression)                              \
	static double name(const struct hook_status *status)      \
	{                                                          \
		return (double)(expression);                       \
	}

HOOK_METRIC(hook_runs, status->run_count)
HOOK_METRIC(hook_failures, status->failure_count)
HOOK_METRIC(hook_applied, status->applied_seq)
HOOK_METRIC(hook_wanted, status->wanted_seq)
HOOK_METRIC(hook_failing, status->state == HOOK_FAILED || status->error[0] != '\0')
HOOK_METRIC(hook_seconds, status->duration_ms < 0 ? 0 : (double)status->duration_ms / 1000)

static const struct hook_metric hook_metrics[] = {
	{ "zkcfg_hook_runs_total", METRICS_COUNTER, "Runs of the hook.", hook_runs },
	{ "zkcfg_hook_failures_total", METRICS_COUNTER, "Those that failed.", hook_failures },
	{ "zkcfg_hook_failing", METRICS_GAUGE, "1 while the last run failed and another one is to come.", hook_failing },
	{ "zkcfg_hook_applied_seq", METRICS_GAUGE, "Commit that is in force at what the hook is for.", hook_applied },
	{ "zkcfg_hook_wanted_seq", METRICS_GAUGE, "Newest commit that the hook has seen.", hook_wanted },
	{ "zkcfg_hook_last_run_seconds", METRICS_GAUGE, "How long the last run took.", hook_seconds },
};

static void metrics_of_hooks(const struct console *console, const struct hook_metric *metric, struct metrics *metrics)
{
	struct hook_status status;

	metrics_family(metrics, metric->name, metric->type, metric->help);
	for (size_t i = 0; i < console->sets->count; i++)
		for (size_t k = 0; k < console->sets->running[i]->hook_count; k++) {
			hook_status(console->sets->running[i]->hooks[k], &status);
			metrics_sample(metrics, metric->value(&status), "set", status.set, "hook", status.name, NULL);
		}
}

static void op_metrics(void *user, struct metrics *metrics)
{
	const struct console *console = user;
	const struct reload_history *history = reload_history(console->reload);

	metrics_family(metrics, "zkcfg_build_info", METRICS_GAUGE, "1, with the version.");
	metrics_sample(metrics, 1, "version", PACKAGE_VERSION, NULL);
	for (size_t i = 0; i < sizeof(set_metrics) / sizeof(set_metrics[0]); i++)
		metrics_of_sets(console, &set_metrics[i], metrics);
	metrics_of_states(console, metrics);
	for (size_t i = 0; i < sizeof(hook_metrics) / sizeof(hook_metrics[0]); i++)
		metrics_of_hooks(console, &hook_metrics[i], metrics);
	metrics_of_tallies(console, metrics);
	metrics_family(metrics, "zkcfg_reloads_total", METRICS_COUNTER, "Reloads that ended.");
	metrics_sample(metrics, (double)history->count, NULL);
	metrics_family(metrics, "zkcfg_reload_failures_total", METRICS_COUNTER, "Those that were not done whole.");
	metrics_sample(metrics, (double)history->failure_count, NULL);
	metrics_family(metrics, "zkcfg_last_reload_successful", METRICS_GAUGE,
		       "Whether all of the last reload is in force; 1 before the first.");
	metrics_sample(metrics, history->has_failed ? 0 : 1, NULL);
	metrics_family(metrics, "zkcfg_last_reload_success_timestamp_seconds", METRICS_GAUGE,
		       "When a reload last was done whole, since 1970; 0: never.");
	metrics_sample(metrics, (double)history->success_ns / 1e9, NULL);
}

/* --- beginning and end ------------------------------------------------------------------------ */

static const struct admin_ops control_ops = {
	.status = op_status,	     .seq = op_seq,	      .reload = op_reload,   .freeze = op_freeze,
	.thaw = op_thaw,	     .document = op_document, .get = op_get,	     .candidates = op_candidates,
	.candidate = op_candidate,   .hooks = op_hooks,	      .hook_run = op_hook_run, .is_secret = op_is_secret,
	.ready = op_ready,	     .metrics = op_metrics,
};

static void on_tick(evutil_socket_t fd, short what, void *user)
{
	struct console *console = user;
	struct message message;
	struct stat found;

	(void)fd, (void)what;
	if (lstat(console->path, &found) == 0 || errno != ENOENT)
		return;
	/* somebody removed it, perhaps with the shm dir */
	admin_close(console->admin);
	console->admin = NULL;
	if (admin_open(&console->parts, &console->admin, &message) < 0)
		log_error("the control socket %s was removed and cannot be made anew: %s; tried again each second",
			  console->path, message.text);
}

int console_open(const struct settings *settings, struct sets *sets, struct reload *reload,
		      struct console **console, struct message *message)
{
	static const struct timeval second = { .tv_sec = 1 };
	struct console *made = calloc(1, sizeof(*made));
	int err = -ENOMEM;

	message_set(message, "out of memory");
	if (!made)
		return err;
	made->sets = sets;
	made->reload = reload;
	if (asprintf(&made->path, "%s/admin/zkcfgd.sock", settings->shm_dir) < 0)
		made->path = NULL;
	made->look = event_new(sets->loop, -1, 0, on_look, made);
	made->tick = event_new(sets->loop, -1, EV_PERSIST, on_tick, made);
	made->parts = (struct admin_parts){ .loop = sets->loop,
					    .ops = &control_ops,
					    .user = made,
					    .path = made->path,
					    .group = settings->control_group,
					    .groups = &settings->control_group,
					    .group_count = settings->control_group != (gid_t)-1,
					    .tcp = settings->listen,
					    .allow_reload = settings->listen_allow_reload };
	if (made->path && made->look && made->tick && event_add(made->tick, &second) == 0)
		err = admin_open(&made->parts, &made->admin, message);
	if (err < 0) {
		console_close(made);
		return err;
	}
	if (admin_tcp(made->admin))
		log_notice("control interface: http://%s%s", admin_tcp(made->admin),
			   settings->listen_allow_reload ? ", reloading allowed" : "");
	*console = made;
	return 0;
}

void console_close(struct console *console)
{
	if (!console)
		return;
	while (!LIST_EMPTY(&console->hookings))
		hooking_end(console, LIST_FIRST(&console->hookings));
	admin_close(console->admin);
	while (console->tallies) {
		struct tally *tally = console->tallies;

		console->tallies = tally->next;
		free(tally);
	}
	if (console->look)
		event_free(console->look);
	if (console->tick)
		event_free(console->tick);
	free(console->path);
	free(console);
}

void console_committed(struct console *console, const struct pipeline_commit *commit)
{
	const char *names[CONSOLE_NAMES_MOST];
	struct admin_commit told = { .set = commit->set,
				     .seq = commit->seq,
				     .time_ns = clock_realtime_ns(),
				     .names = names,
				     .changed_count = commit->change_count };
	struct tally *tally = tally_of(console, commit->set);

	for (; told.name_count < commit->change_count && told.name_count < CONSOLE_NAMES_MOST; told.name_count++)
		names[told.name_count] = commit->changes[told.name_count].name;
	if (tally) {
		tally->commit_count++;
		tally->change_count += commit->change_count;
		metrics_observe(&tally->propagation, (double)commit->took_ns / 1e9);
	}
	if (console->admin)
		admin_committed(console->admin, &told);
}
