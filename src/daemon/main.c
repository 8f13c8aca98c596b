/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* zkcfgd: one pipeline a set on one loop, until a signal ends it. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/event.h>

#include "base/buffer.h"
#include "base/log.h"
#include "daemon/console.h"
#include "daemon/notify.h"
#include "daemon/options.h"
#include "daemon/reload.h"
#include "daemon/sets.h"
#include "source/source.h"
#include "xml/compile.h"

/* Exit codes; see zkcfgd(8). */
enum { EXIT_CLEAN = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_INVALID = 4 };

/* Last-good may take so long to be written at the end; then we go without. */
#define END_LIMIT_S 5

struct daemon {
	struct event_base *loop;
	struct sets sets;
	struct reload *reload;
	struct console *console;
	struct event *signals[3];
	char status[160]; /* as systemd was told last */
};

static void daemon_status(struct daemon *daemon)
{
	size_t served = 0, stale = 0, candidates = 0, failing = 0, frozen = 0;
	struct pipeline_state state;
	char line[sizeof(daemon->status)], ice[40] = "";

	for (size_t i = 0; i < daemon->sets.count; i++) {
		if (!daemon->sets.running[i]->pipeline)
			continue;
		pipeline_state(daemon->sets.running[i]->pipeline, &state);
		served += state.seq > 0;
		stale += state.source_state != SOURCE_FOLLOWING;
		candidates += state.candidate_count;
		failing += state.is_failing;
		frozen += state.freeze.is_frozen;
	}
	if (frozen > 0)
		snprintf(ice, sizeof(ice), ", %zu FROZEN", frozen);
	snprintf(line, sizeof(line), "%zu sets, %zu served, %zu stale, %zu candidates, %zu cannot be committed%s",
		 daemon->sets.count, served, stale, candidates, failing, ice);
	if (strcmp(line, daemon->status) == 0)
		return;
	strcpy(daemon->status, line);
	notify_status(line);
}

static void on_changed(void *user)
{
	struct daemon *daemon = user;

	daemon_status(daemon);
	reload_look(daemon->reload);
}

static void on_committed(void *user, const struct pipeline_commit *commit)
{
	struct daemon *daemon = user;

	reload_committed(daemon->reload, commit);
	if (daemon->console)
		console_committed(daemon->console, commit);
}

static void on_hook_changed(void *user)
{
	struct daemon *daemon = user;

	if (daemon->console)
		console_look(daemon->console);
}

static void on_end(evutil_socket_t signal, short what, void *user)
{
	struct daemon *daemon = user;

	(void)what;
	log_notice("ending: %s", strsignal((int)signal));
	event_base_loopbreak(daemon->loop);
}

static void on_hangup_done(void *user, enum reload_result result, const json_t *report)
{
	struct buffer text = { 0 };

	(void)user;
	reload_describe(report, &text);
	log_line(result == RELOAD_DONE ? LOG_LEVEL_NOTICE : LOG_LEVEL_WARNING, "reload by SIGHUP: %s",
		 buffer_failed(&text) ? "out of memory" : text.bytes);
	buffer_free(&text);
	notify_ready();
}

static void on_hangup(evutil_socket_t signal, short what, void *user)
{
	struct daemon *daemon = user;

	(void)signal, (void)what;
	notify_reloading();
	if (reload_ask(daemon->reload, NULL, "SIGHUP", on_hangup_done, daemon) == 0)
		return;
	log_error("SIGHUP: out of memory: nothing is reloaded");
	notify_ready();
}

/* A disk that does not answer must not keep us. Nothing but the last last-good is missing. */
static void on_end_limit(int signal)
{
	static const char line[] = "zkcfgd: last-good could not be written in time: ending without\n";

	ssize_t put = write(STDERR_FILENO, line, sizeof(line) - 1);

	(void)signal, (void)put;
	_exit(EXIT_FAILED);
}

static int daemon_catch(struct daemon *daemon)
{
	static const int signals[] = { SIGTERM, SIGINT, SIGHUP };

	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		event_callback_fn caught = signals[i] == SIGHUP ? on_hangup : on_end;

		daemon->signals[i] = evsignal_new(daemon->loop, signals[i], caught, daemon);
		if (!daemon->signals[i] || event_add(daemon->signals[i], NULL) < 0)
			return -ENOMEM;
	}
	signal(SIGPIPE, SIG_IGN);
	signal(SIGALRM, on_end_limit);
	return 0;
}

static int daemon_open(struct daemon *daemon, const struct options *options, struct settings *settings)
{
	struct message message = { "out of memory" };
	int err = -ENOMEM;

	daemon->loop = event_base_new();
	daemon->sets = (struct sets){ .shm_dir = settings->shm_dir,
				      .state_dir = settings->state_dir,
				      .loop = daemon->loop,
				      .changed = on_changed,
				      .committed = on_committed,
				      .hook_changed = on_hook_changed,
				      .user = daemon };
	if (daemon->loop)
		daemon->reload = reload_new(options, settings, &daemon->sets);
	if (daemon->reload)
		err = daemon_catch(daemon);
	if (err == 0)
		err = sets_change(&daemon->sets, &settings->config, NULL, NULL, &message);
	if (err == 0)
		err = console_open(settings, &daemon->sets, daemon->reload, &daemon->console, &message);
	if (err < 0)
		log_error("%s", message.text);
	return err;
}

static void daemon_close(struct daemon *daemon)
{
	console_close(daemon->console);
	daemon->console = NULL;
	sets_close(&daemon->sets);
	reload_free(daemon->reload);
	for (size_t i = 0; i < sizeof(daemon->signals) / sizeof(daemon->signals[0]); i++)
		if (daemon->signals[i])
			event_free(daemon->signals[i]);
	if (daemon->loop)
		event_base_free(daemon->loop);
}

static int daemon_run(const struct options *options, struct settings *settings)
{
	struct daemon daemon = { 0 };
	int code = EXIT_FAILED;

	log_notice("zkcfgd " PACKAGE_VERSION ": %zu set%s, shm dir %s, state dir %s",
		   settings->config.set_count, settings->config.set_count == 1 ? "" : "s", settings->shm_dir,
		   settings->state_dir);
	if (daemon_open(&daemon, options, settings) == 0) {
		notify_ready();
		daemon_status(&daemon);
		event_base_dispatch(daemon.loop);
		notify_stopping();
		code = EXIT_CLEAN;
	}
	alarm(END_LIMIT_S);
	daemon_close(&daemon);
	return code;
}

static int daemon_start(const struct options *options)
{
	struct settings settings;
	struct message message;
	int err, code;

	log_start(options->log_level);
	xml_start();
	err = settings_load(options, &settings, &message);
	if (err < 0) {
		fprintf(stderr, "zkcfgd: %s\n", message.text);
		return options->config ? EXIT_INVALID : EXIT_USAGE;
	}
	log_start(settings.log_level);
	if (options->action == OPTIONS_TEST) {
		printf("configuration %s is good: %zu set%s\n",
		       options->config ? options->config : "of --set", settings.config.set_count,
		       settings.config.set_count == 1 ? "" : "s");
		code = EXIT_CLEAN;
	} else {
		code = daemon_run(options, &settings);
	}
	settings_free(&settings);
	return code;
}

int main(int argc, char **argv)
{
	struct options options;
	struct message message;
	int code = EXIT_CLEAN;

	if (options_parse(argc, argv, &options, &message) < 0) {
		fprintf(stderr, "zkcfgd: %s\n", message.text);
		return EXIT_USAGE;
	}
	if (options.action == OPTIONS_HELP)
		fputs(options_help, stdout);
	else if (options.action == OPTIONS_VERSION)
		puts("zkcfgd " PACKAGE_VERSION);
	else
		code = daemon_start(&options);
	options_free(&options);
	return code;
}
