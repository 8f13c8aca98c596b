/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "hook/hook.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/event.h>

#include <zkcfg/zkcfg.h>

#include "base/clock.h"
#include "base/log.h"
#include "hook/environment.h"
#include "hook/job.h"
#include "hook/pid_file.h"
#include "hook/place.h"
#include "hook/prints.h"
#include "hook/record.h"
#include "hook/render.h"
#include "hook/spawn.h"
#include "hook/step.h"
#include "hook/words.h"
#include "http/http.h"

/* A set that is not there is looked for so often. */
#define HOOK_ABSENT_MS 200
/* Looking takes at most a twentieth of the time, and is not done more often than this. */
#define HOOK_LOOK_MS 20
#define HOOK_LOOK_SHARE 20
#define HOOK_ANSWER_BYTES ((size_t)64 * 1024)

struct hook {
	struct hook_parts parts;
	const struct hook_config *config;
	uint64_t definition;
	struct render **renders; /* of config->renders; NULL where a document is taken as it is */
	enum hook_state state;

	struct zkcfg *cfg; /* NULL: the set is not there */
	struct event *told, *due, *look;
	struct zkcfg_snapshot *seen; /* the newest commit that was looked at; while a run goes on, its own */
	struct prints seen_prints;
	int64_t looked_ns, look_ns; /* when, and how long it took */

	bool has_applied;
	bool is_forced;	    /* the next run is done whether anything changed or not */
	bool run_is_forced; /* and so was this one */
	struct record applied;
	uint64_t applied_seq, wanted_seq;
	int64_t first_ns;   /* the first change that is not applied was seen; 0: none */
	int64_t backoff_ms; /* of the next failure */
	int64_t due_ns;

	/* the run */
	struct job *job;
	struct spawn *spawn;
	struct http *http;
	struct http_request *request;
	struct buffer changed; /* names, and a NUL */
	size_t changed_count;
	int64_t began_ns;
	int job_err;
	struct message job_message;

	uint64_t run_count, failure_count;
	int64_t duration_ms, ended_ns;
	struct message error;
	char *output; /* NULL: none */
};

static void hook_look(struct hook *hook);
static void hook_begin(struct hook *hook);
static void hook_act(struct hook *hook);

const char *hook_state_name(enum hook_state state)
{
	static const char *const names[] = { [HOOK_EMPTY] = "empty",
					     [HOOK_IDLE] = "idle",
					     [HOOK_WAITING] = "waiting",
					     [HOOK_RENDERING] = "rendering",
					     [HOOK_CHECKING] = "checking",
					     [HOOK_APPLYING] = "applying",
					     [HOOK_FAILED] = "failed" };

	return names[state];
}

static void hook_set_state(struct hook *hook, enum hook_state state)
{
	bool is_new = hook->state != state;

	hook->state = state;
	if (is_new && hook->parts.changed)
		hook->parts.changed(hook->parts.user);
}

static bool hook_is_busy(const struct hook *hook)
{
	return hook->state == HOOK_RENDERING || hook->state == HOOK_CHECKING || hook->state == HOOK_APPLYING;
}

static void hook_arm(struct hook *hook, int64_t ms)
{
	struct timeval after;

	if (ms < 0)
		ms = 0;
	after = (struct timeval){ .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };
	hook->due_ns = clock_monotonic_ns() + ms * CLOCK_NS_PER_MS;
	event_add(hook->due, &after);
}

/* --- a run's end ----------------------------------------------------------- */

static void hook_end_run(struct hook *hook)
{
	hook->duration_ms = (clock_monotonic_ns() - hook->began_ns) / CLOCK_NS_PER_MS;
	hook->ended_ns = clock_realtime_ns();
}

static void hook_log_output(const struct hook *hook)
{
	char *copy = hook->output ? strdup(hook->output) : NULL, *rest = NULL;

	for (char *line = copy ? strtok_r(copy, "\n", &rest) : NULL; line; line = strtok_r(NULL, "\n", &rest))
		log_info("hook %s: | %s", hook->config->name, line);
	free(copy);
}

/* Half of it, and up to as much again by chance: hosts that failed together do not come again together. */
static int64_t hook_next_backoff_ms(struct hook *hook)
{
	int64_t ms = hook->backoff_ms ? hook->backoff_ms : hook->config->retry_min_ms;

	hook->backoff_ms = ms * 2 < hook->config->retry_max_ms ? ms * 2 : hook->config->retry_max_ms;
	return ms / 2 + clock_monotonic_ns() / 1000 % (ms / 2 + 1);
}

static void hook_fail(struct hook *hook, const char *reason)
{
	int64_t ms = hook_next_backoff_ms(hook);

	for (size_t i = 0; i < hook->config->render_count; i++)
		place_discard(&hook->config->renders[i]);
	hook_end_run(hook);
	hook->failure_count++;
	hook->is_forced = hook->is_forced || hook->run_is_forced;
	message_set(&hook->error, "%s", reason);
	log_warning("hook %s: set %s, seq %llu: %s; tried again in %lld ms", hook->config->name,
		    hook->config->set, (unsigned long long)hook->wanted_seq, hook->error.text, (long long)ms);
	hook_log_output(hook);
	hook_set_state(hook, HOOK_FAILED);
	hook_arm(hook, ms);
	hook_look(hook);
}

static int hook_copy_prints(const struct prints *from, struct prints *to)
{
	struct prints copy = { 0 };

	for (size_t i = 0; i < from->count; i++) {
		if (!prints_add(&copy, from->items[i].document, from->items[i].sum)) {
			prints_free(&copy);
			return -ENOMEM;
		}
	}
	prints_free(to);
	*to = copy;
	return 0;
}

static void hook_settle(struct hook *hook)
{
	hook->first_ns = 0;
	hook->backoff_ms = 0;
	hook->error.text[0] = '\0';
	event_del(hook->due);
	hook_set_state(hook, HOOK_IDLE);
}

static void on_recorded(void *user)
{
	struct hook *hook = user;

	hook->job = NULL;
	if (hook->job_err < 0)
		log_error(
			"hook %s: that seq %llu was applied cannot be kept in %s: %s; after a restart it is applied "
			"again",
			hook->config->name, (unsigned long long)hook->applied.seq, hook->parts.state_dir,
			strerror(-hook->job_err));
	hook_step("recorded");
	hook_end_run(hook);
	hook->applied_seq = hook->applied.seq;
	log_notice("hook %s: set %s, seq %llu is applied: %zu document%s changed, %lld ms",
		   hook->config->name, hook->config->set, (unsigned long long)hook->applied_seq,
		   hook->changed_count, hook->changed_count == 1 ? "" : "s", (long long)hook->duration_ms);
	hook_settle(hook);
	hook_look(hook);
}

/* On the job's thread. */
static void hook_record(void *user)
{
	struct hook *hook = user;

	hook->job_err = hook->parts.state_dir
				? record_save(hook->parts.state_dir, hook->config->name, &hook->applied)
				: 0;
}

static void hook_start_job(struct hook *hook, void (*work)(void *user), void (*done)(void *user))
{
	hook->job_err = 0;
	hook->job = job_start(hook->parts.loop, work, done, hook);
	if (!hook->job)
		hook_fail(hook, "no thread can be started: out of memory?");
}

void hook_acted(struct hook *hook, const char *failure)
{
	if (failure) {
		hook_fail(hook, failure);
		return;
	}
	hook_step("acted");
	if (hook_copy_prints(&hook->seen_prints, &hook->applied.prints) < 0) {
		hook_fail(hook, "out of memory");
		return;
	}
	hook->has_applied = true;
	hook->applied.is_begun = false;
	hook->applied.definition = hook->definition;
	hook->applied.seq = hook->wanted_seq;
	hook_start_job(hook, hook_record, on_recorded);
}

/* --- commands -------------------------------------------------------------- */

char **hook_environment(const struct hook *hook)
{
	struct environment_facts facts = { .config = hook->config,
					   .seq = hook->wanted_seq,
					   .changed = hook->changed.bytes,
					   .changed_count = hook->changed_count,
					   .is_check = hook->state == HOOK_CHECKING };

	return environment_make(&facts);
}

/* Every {} in a word becomes the first file. */
static char *hook_fill_word(const char *word, const char *file)
{
	struct buffer filled = { 0 };
	const char *at;

	for (; (at = strstr(word, "{}")); word = at + 2) {
		buffer_append(&filled, word, (size_t)(at - word));
		buffer_append(&filled, file, strlen(file));
	}
	buffer_append(&filled, word, strlen(word) + 1);
	return buffer_failed(&filled) ? NULL : filled.bytes;
}

/* The words of a command; ends with words_free(). A shell gets its text as it is. */
static char **hook_words(const struct hook *hook, const char *command)
{
	const struct hook_render *first = hook->config->render_count > 0 ? hook->config->renders : NULL;
	char *file = NULL, **words = NULL;
	struct message message;

	if (hook->config->is_shell) {
		words = calloc(4, sizeof(*words));
		if (words) {
			words[0] = strdup("/bin/sh");
			words[1] = words[0] ? strdup("-c") : NULL;
			words[2] = words[1] ? strdup(command) : NULL;
		}
		return words;
	}
	if (words_split(command, &words, &message) < 0)
		return NULL;
	if (first)
		file = hook->state == HOOK_CHECKING ? place_new_path(first->file) : strdup(first->file);
	for (char **word = words; *word && file; word++) {
		char *filled = hook_fill_word(*word, file);

		if (filled) {
			free(*word);
			*word = filled;
		}
	}
	free(file);
	return words;
}

static const char *hook_last_line(const struct hook *hook)
{
	size_t length = hook->output ? strlen(hook->output) : 0;

	while (length > 0 && hook->output[length - 1] == '\n')
		hook->output[--length] = '\0';
	while (length > 0 && hook->output[length - 1] != '\n')
		length--;
	return hook->output ? hook->output + length : "";
}

/* The same for check and action: true if it did well. */
static bool hook_take_end(struct hook *hook, const struct spawn_end *end, struct message *reason)
{
	struct message how;

	hook->spawn = NULL;
	free(hook->output);
	hook->output = strdup(end->output);
	if (end->how == SPAWN_EXITED && end->code == 0)
		return true;
	spawn_tell(end, &how);
	message_set(reason, "%s %.80s%s%.200s", hook->state == HOOK_CHECKING ? "check" : "command", how.text,
		    hook->output && *hook->output ? ": " : "", hook_last_line(hook));
	return false;
}

static void hook_run(struct hook *hook, const char *command,
		     void (*done)(void *user, const struct spawn_end *end))
{
	char **words = hook_words(hook, command), **environment = hook_environment(hook);
	struct spawn_plan plan = { .argv = words,
				   .environment = environment,
				   .run_as = hook->config->run_as,
				   .limit_ms = hook->config->limit_ms,
				   .done = done,
				   .user = hook };
	struct message message = { "out of memory" };

	if (words && environment)
		hook->spawn = spawn_start(hook->parts.loop, &plan, &message);
	words_free(words);
	environment_free(environment);
	if (!hook->spawn)
		hook_fail(hook, message.text);
}

/* --- the action ------------------------------------------------------------ */

static void on_acted(void *user, const struct spawn_end *end)
{
	struct hook *hook = user;
	struct message reason;

	hook_acted(hook, hook_take_end(hook, end, &reason) ? NULL : reason.text);
}

static void on_answered(void *user, const struct http_answer *answer)
{
	struct hook *hook = user;
	int expected = hook->config->status;
	bool is_good =
		answer->failure == HTTP_ANSWERED &&
		(expected ? answer->status == expected : answer->status >= 200 && answer->status < 300);
	struct message reason;
	char url[200];

	hook->request = NULL;
	free(hook->output);
	hook->output = strdup(answer->body);
	for (char *c = hook->output; c && *c; c++)
		if (((unsigned char)*c < 0x20 && *c != '\n') || (unsigned char)*c >= 0x7f)
			*c = '?';
	if (is_good) {
		hook_acted(hook, NULL);
		return;
	}
	http_show_url(hook->config->url, url, sizeof(url));
	if (answer->failure != HTTP_ANSWERED)
		message_set(&reason, "%.400s", answer->reason);
	else
		message_set(&reason, "%s: answered with status %d, expected %d%s: %.160s", url,
			    answer->status, expected ? expected : 200, expected ? "" : " to 299",
			    answer->body);
	hook_acted(hook, reason.text);
}

static void hook_ask(struct hook *hook)
{
	const struct hook_config *config = hook->config;
	struct http_call call = { .url = config->url,
				  .body = config->method && strcmp(config->method, "GET") == 0 ? NULL : "",
				  .connect_timeout_ms = (int)config->limit_ms,
				  .timeout_ms = (int)config->limit_ms,
				  .most_bytes = HOOK_ANSWER_BYTES,
				  .done = on_answered,
				  .user = hook };

	if (!hook->http)
		hook->http = http_new(hook->parts.loop, &(struct http_tls){ 0 });
	hook->request = hook->http ? http_start(hook->http, &call) : NULL;
	if (!hook->request)
		hook_acted(hook, "the request cannot be made: out of memory");
}

static void hook_act(struct hook *hook)
{
	struct message message;
	int err;

	hook_step("placed");
	switch (hook->config->action) {
	case HOOK_NONE:
		hook_acted(hook, NULL);
		return;
	case HOOK_COMMAND:
		hook_run(hook, hook->config->command, on_acted);
		return;
	case HOOK_SIGNAL:
		err = pid_file_signal(hook->config->pid_file, hook->config->signal, &message);
		hook_acted(hook, err < 0 ? message.text : NULL);
		return;
	case HOOK_REQUEST:
		hook_ask(hook);
		return;
	case HOOK_CALL:
		hook->parts.call(hook->parts.user, hook);
		return;
	}
}

/* --- into place ------------------------------------------------------------ */

static void on_placed(void *user)
{
	struct hook *hook = user;

	hook->job = NULL;
	if (hook->job_err < 0)
		hook_fail(hook, hook->job_message.text);
	else
		hook_act(hook);
}

/* On the job's thread. */
static void hook_place(void *user)
{
	struct hook *hook = user;

	if (hook->parts.state_dir)
		hook->job_err = record_save(hook->parts.state_dir, hook->config->name, &hook->applied);
	if (hook->job_err < 0)
		message_set(&hook->job_message, "%.300s/hooks/%s: cannot be written: %s",
			    hook->parts.state_dir, hook->config->name, strerror(-hook->job_err));
	hook_step("begun");
	for (size_t i = 0; i < hook->config->render_count && hook->job_err == 0; i++) {
		hook->job_err = place_rename(&hook->config->renders[i], &hook->job_message);
		hook_step(i == 0 ? "renamed one" : "renamed another");
	}
}

static void hook_apply(struct hook *hook)
{
	hook_step("checked");
	hook_set_state(hook, HOOK_APPLYING);
	/* from here on nobody knows what is in force, until all is done */
	hook->applied.is_begun = true;
	hook_start_job(hook, hook_place, on_placed);
}

static void on_checked(void *user, const struct spawn_end *end)
{
	struct hook *hook = user;
	struct message reason;

	if (hook_take_end(hook, end, &reason))
		hook_apply(hook);
	else
		hook_fail(hook, reason.text);
}

/* --- rendering ------------------------------------------------------------- */

static bool hook_wants(const void *user, const char *document)
{
	return hook_config_wants(user, document);
}

static int hook_render_one(struct hook *hook, size_t index)
{
	const struct hook_render *item = &hook->config->renders[index];
	struct render_input input = { .set = hook->config->set,
				      .snapshot = hook->seen,
				      .document = item->document,
				      .is_wanted = hook_wants,
				      .user = hook->config };
	const struct zkcfg_document *document;
	struct buffer text = { 0 };
	size_t size_bytes;
	int err = 0;

	if (hook->renders[index]) {
		err = render_apply(hook->renders[index], &input, &text, &hook->job_message);
	} else if (zkcfg_find(hook->seen, item->document, &document) < 0) {
		message_set(&hook->job_message, "set %s has no document %.200s", hook->config->set,
			    item->document);
		err = -ENOENT;
	} else {
		const char *raw = zkcfg_document_raw(document, &size_bytes);

		buffer_append(&text, raw, size_bytes);
		if (buffer_failed(&text)) {
			message_set(&hook->job_message, "out of memory");
			err = -ENOMEM;
		}
	}
	hook_step("rendered");
	if (err == 0)
		err = place_write(item, &text, &hook->job_message);
	buffer_free(&text);
	hook_step("written");
	return err;
}

/* On the job's thread: nothing of the hook changes meanwhile. */
static void hook_render_all(void *user)
{
	struct hook *hook = user;

	for (size_t i = 0; i < hook->config->render_count && hook->job_err == 0; i++)
		hook->job_err = hook_render_one(hook, i);
}

static void on_rendered(void *user)
{
	struct hook *hook = user;

	hook->job = NULL;
	if (hook->job_err < 0) {
		hook_fail(hook, hook->job_message.text);
	} else if (hook->config->check) {
		hook_set_state(hook, HOOK_CHECKING);
		hook_run(hook, hook->config->check, on_checked);
	} else {
		hook_apply(hook);
	}
}

/* --- what there is --------------------------------------------------------- */

/* Look at the newest commit. is_new: what the hook looks at is not what it was. 0 or a negative enum zkcfg_error. */
static int hook_see(struct hook *hook, bool *is_new)
{
	struct zkcfg_snapshot *snapshot;
	struct prints prints;
	int64_t now_ns = clock_monotonic_ns();
	int err = zkcfg_pin(hook->cfg, &snapshot);

	*is_new = false;
	if (err < 0)
		return err;
	if (hook->seen && zkcfg_snapshot_seq(hook->seen) == zkcfg_snapshot_seq(snapshot) &&
	    zkcfg_snapshot_time_ns(hook->seen) == zkcfg_snapshot_time_ns(snapshot)) {
		zkcfg_unpin(snapshot);
		return 0;
	}
	err = prints_take(hook->config, snapshot, hook->seen ? &hook->seen_prints : NULL, &prints);
	if (err < 0) {
		zkcfg_unpin(snapshot);
		return err == -ENOMEM ? ZKCFG_ENOMEM : ZKCFG_ECORRUPT;
	}
	*is_new = !hook->seen || prints_compare(&hook->seen_prints, &prints, NULL) > 0;
	zkcfg_unpin(hook->seen);
	prints_free(&hook->seen_prints);
	hook->seen = snapshot;
	hook->seen_prints = prints;
	hook->wanted_seq = zkcfg_snapshot_seq(snapshot);
	hook->looked_ns = clock_monotonic_ns();
	hook->look_ns = hook->looked_ns - now_ns;
	return 0;
}

static bool hook_is_applied(const struct hook *hook)
{
	return hook->has_applied && !hook->is_forced && !hook->applied.is_begun &&
	       hook->applied.definition == hook->definition &&
	       prints_compare(&hook->applied.prints, &hook->seen_prints, NULL) == 0;
}

/* This host's own part of the splay, the same one each time. */
static int64_t hook_splay_ms(const struct hook *hook)
{
	uint64_t sum = UINT64_C(0xcbf29ce484222325);
	char host[256] = "";

	if (hook->config->splay_ms == 0)
		return 0;
	gethostname(host, sizeof(host) - 1);
	for (const char *c = host; *c != '\0'; c++)
		sum = (sum ^ (unsigned char)*c) * UINT64_C(0x100000001b3);
	for (const char *c = hook->config->name; *c != '\0'; c++)
		sum = (sum ^ (unsigned char)*c) * UINT64_C(0x100000001b3);
	return (int64_t)((sum ^ sum >> 32) % (uint64_t)hook->config->splay_ms);
}

/* Something changed that is to be applied. */
static void hook_wait(struct hook *hook)
{
	int64_t now_ns = clock_monotonic_ns(), since_ms, ms, left_ms;

	if (hook->first_ns == 0)
		hook->first_ns = now_ns;
	hook->backoff_ms = 0;
	since_ms = (now_ns - hook->first_ns) / CLOCK_NS_PER_MS;
	ms = hook->config->debounce_min_ms;
	left_ms = hook->config->debounce_max_ms - since_ms;
	if (left_ms < ms)
		ms = left_ms;
	left_ms = hook_splay_ms(hook) - since_ms;
	if (left_ms > ms)
		ms = left_ms;
	if (hook->run_count == 0 || hook->is_forced)
		ms = 0; /* at the start nothing is kept waiting */
	hook_set_state(hook, HOOK_WAITING);
	hook_arm(hook, ms);
}

static void hook_lose(struct hook *hook, int err)
{
	struct message before = hook->error;

	message_set(&hook->error, "set %s: %s", hook->config->set, zkcfg_strerror(err));
	if (strcmp(before.text, hook->error.text) != 0)
		log_notice("hook %s: waiting for %s", hook->config->name, hook->error.text);
	hook_set_state(hook, HOOK_EMPTY);
	hook_arm(hook, HOOK_ABSENT_MS);
}

static void hook_look(struct hook *hook)
{
	bool is_new = false;
	int err;

	if (hook_is_busy(hook) || !hook->cfg)
		return;
	err = hook_see(hook, &is_new);
	if (err < 0 && !hook->seen) {
		hook_lose(hook, err);
		return;
	}
	if (hook_is_applied(hook)) {
		hook->applied_seq = hook->wanted_seq;
		if (hook->state != HOOK_IDLE)
			hook_settle(hook);
		return;
	}
	if (is_new || (hook->state != HOOK_WAITING && hook->state != HOOK_FAILED))
		hook_wait(hook);
}

static void hook_begin(struct hook *hook)
{
	static const struct prints none;
	bool is_new;

	hook_see(hook, &is_new);
	if (hook_is_applied(hook)) {
		hook->applied_seq = hook->wanted_seq;
		hook_settle(hook);
		return;
	}
	event_del(hook->due);
	buffer_clear(&hook->changed);
	hook->changed_count = prints_compare(hook->has_applied ? &hook->applied.prints : &none,
					     &hook->seen_prints, &hook->changed);
	if (hook->changed_count == 0) /* what is in force is not known, or it is to be done anyway */
		hook->changed_count = prints_compare(&none, &hook->seen_prints, &hook->changed);
	buffer_append(&hook->changed, "", 1);
	hook->began_ns = clock_monotonic_ns();
	hook->first_ns = 0;
	hook->run_is_forced = hook->is_forced;
	hook->is_forced = false;
	hook->run_count++;
	hook_set_state(hook, HOOK_RENDERING);
	if (buffer_failed(&hook->changed)) {
		buffer_free(&hook->changed);
		hook_fail(hook, "out of memory");
		return;
	}
	hook_start_job(hook, hook_render_all, on_rendered);
}

/* --- the loop -------------------------------------------------------------- */

static void on_look(evutil_socket_t fd, short what, void *user)
{
	(void)fd, (void)what;
	hook_look(user);
}

/* There may be a commit. */
static void on_told(evutil_socket_t fd, short what, void *user)
{
	struct hook *hook = user;
	int64_t pause_ns = hook->look_ns * HOOK_LOOK_SHARE, left_ns;
	struct timeval after;

	(void)fd, (void)what;
	zkcfg_descriptor_clear(hook->cfg);
	if (hook_is_busy(hook) || event_pending(hook->look, EV_TIMEOUT, NULL))
		return;
	if (pause_ns < HOOK_LOOK_MS * CLOCK_NS_PER_MS)
		pause_ns = HOOK_LOOK_MS * CLOCK_NS_PER_MS;
	left_ns = hook->looked_ns + pause_ns - clock_monotonic_ns();
	if (hook->looked_ns == 0 || left_ns <= 0) {
		hook_look(hook);
		return;
	}
	after = (struct timeval){ .tv_sec = left_ns / CLOCK_NS_PER_S,
				  .tv_usec = left_ns % CLOCK_NS_PER_S / 1000 };
	event_add(hook->look, &after);
}

/* Find the set, and follow it. 0 or a negative enum zkcfg_error. */
static int hook_find(struct hook *hook)
{
	struct event *told = NULL;
	int err, fd;

	err = zkcfg_open(hook->config->set, hook->parts.shm_dir, &hook->cfg);
	if (err < 0)
		return err;
	err = zkcfg_descriptor(hook->cfg, &fd);
	if (err == 0)
		told = event_new(hook->parts.loop, fd, EV_READ | EV_PERSIST, on_told, hook);
	if (told && event_add(told, NULL) == 0) {
		hook->told = told;
		return 0;
	}
	if (told)
		event_free(told);
	zkcfg_close(hook->cfg);
	hook->cfg = NULL;
	return err < 0 ? err : ZKCFG_ENOMEM;
}

static void on_due(evutil_socket_t fd, short what, void *user)
{
	struct hook *hook = user;
	int err = hook->cfg ? 0 : hook_find(hook);

	(void)fd, (void)what;
	if (err < 0)
		hook_lose(hook, err);
	else if (hook->state == HOOK_WAITING || hook->state == HOOK_FAILED)
		hook_begin(hook);
	else
		hook_look(hook);
}

void hook_run_now(struct hook *hook)
{
	hook->is_forced = true;
	hook_look(hook);
	if (hook->seen && !hook_is_busy(hook))
		hook_wait(hook);
}

void hook_status(const struct hook *hook, struct hook_status *status)
{
	int64_t left_ns = hook->due_ns - clock_monotonic_ns();

	*status = (struct hook_status){ .name = hook->config->name,
					.set = hook->config->set,
					.state = hook->state,
					.applied_seq = hook->applied_seq,
					.wanted_seq = hook->wanted_seq,
					.run_count = hook->run_count,
					.failure_count = hook->failure_count,
					.duration_ms = hook->duration_ms,
					.ended_ns = hook->ended_ns,
					.retry_ms = -1,
					.error = hook->error.text,
					.output = hook->output ? hook->output : "" };
	if (hook->state == HOOK_FAILED || hook->state == HOOK_WAITING)
		status->retry_ms = left_ns > 0 ? left_ns / CLOCK_NS_PER_MS : 0;
}

/* --- its life -------------------------------------------------------------- */

static int hook_load(struct hook *hook, struct message *message)
{
	int err = hook_config_check(hook->config, message);

	hook->definition = hook_config_sum(hook->config);
	hook->renders = calloc(hook->config->render_count + 1, sizeof(struct render *));
	if (!hook->renders) {
		message_set(message, "out of memory");
		return -ENOMEM;
	}
	for (size_t i = 0; i < hook->config->render_count && err == 0; i++) {
		if (!hook->config->renders[i].stylesheet)
			continue;
		err = render_load(hook->config->renders[i].stylesheet, &hook->renders[i], message);
		if (err == 0)
			hook->definition = hook->definition * 31 + render_checksum(hook->renders[i]);
	}
	return err;
}

/* What was applied before we were started. */
static void hook_remember(struct hook *hook)
{
	int err = -ENOENT;

	if (hook->parts.state_dir)
		err = record_load(hook->parts.state_dir, hook->config->name, &hook->applied);
	hook->has_applied = err == 0;
	if (err == 0 && !hook->applied.is_begun)
		hook->applied_seq = hook->applied.seq;
	if (err < 0 && err != -ENOENT)
		log_warning("hook %s: what was applied last cannot be read from %s: %s", hook->config->name,
			    hook->parts.state_dir, strerror(-err));
}

int hook_open(const struct hook_parts *parts, struct hook **hook, struct message *message)
{
	struct hook *opened = calloc(1, sizeof(*opened));
	int err = -ENOMEM;

	if (!opened) {
		message_set(message, "out of memory");
		return -ENOMEM;
	}
	opened->parts = *parts;
	opened->config = parts->config;
	opened->duration_ms = -1;
	opened->due = event_new(parts->loop, -1, 0, on_due, opened);
	opened->look = event_new(parts->loop, -1, 0, on_look, opened);
	message_set(message, "out of memory");
	if (opened->due && opened->look)
		err = hook_load(opened, message);
	if (err < 0) {
		hook_close(opened);
		return err;
	}
	for (size_t i = 0; i < parts->config->render_count; i++)
		place_discard(&parts->config->renders[i]); /* of who died */
	hook_remember(opened);
	hook_arm(opened, 0);
	*hook = opened;
	return 0;
}

void hook_close(struct hook *hook)
{
	bool has_files;

	if (!hook)
		return;
	has_files = hook_is_busy(hook);
	spawn_cancel(hook->spawn);
	job_cancel(hook->job);
	http_cancel(hook->request);
	http_free(hook->http);
	for (size_t i = 0; i < hook->config->render_count; i++) {
		if (has_files)
			place_discard(&hook->config->renders[i]);
		if (hook->renders)
			render_free(hook->renders[i]);
	}
	free(hook->renders);
	if (hook->told)
		event_free(hook->told);
	if (hook->look)
		event_free(hook->look);
	if (hook->due)
		event_free(hook->due);
	zkcfg_unpin(hook->seen);
	prints_free(&hook->seen_prints);
	zkcfg_close(hook->cfg);
	record_free(&hook->applied);
	buffer_free(&hook->changed);
	free(hook->output);
	free(hook);
}
