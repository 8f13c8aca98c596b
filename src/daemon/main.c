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

#include "base/log.h"
#include "daemon/notify.h"
#include "daemon/options.h"
#include "daemon/pipeline.h"
#include "source/source.h"
#include "xml/compile.h"

/* Exit codes; see zkcfgd(8). */
enum { EXIT_CLEAN = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_INVALID = 4 };

/* Last-good may take so long to be written at the end; then we go without. */
#define END_LIMIT_S 5

struct daemon {
	struct event_base *loop;
	struct pipeline **pipelines;
	size_t pipeline_count;
	struct event *signals[3];
	char status[160]; /* as systemd was told last */
};

static void daemon_status(void *user)
{
	struct daemon *daemon = user;
	size_t served = 0, stale = 0, candidates = 0, failing = 0;
	struct pipeline_state state;
	char line[sizeof(daemon->status)];

	for (size_t i = 0; i < daemon->pipeline_count; i++) {
		pipeline_state(daemon->pipelines[i], &state);
		served += state.seq > 0;
		stale += state.source_state != SOURCE_FOLLOWING;
		candidates += state.candidate_count;
		failing += state.is_failing;
	}
	snprintf(line, sizeof(line),
		 "%zu sets, %zu served, %zu stale, %zu candidates, %zu cannot be committed",
		 daemon->pipeline_count, served, stale, candidates, failing);
	if (strcmp(line, daemon->status) == 0)
		return;
	strcpy(daemon->status, line);
	notify_status(line);
}

static void on_end(evutil_socket_t signal, short what, void *user)
{
	struct daemon *daemon = user;

	(void)what;
	log_notice("ending: %s", strsignal((int)signal));
	event_base_loopbreak(daemon->loop);
}

static void on_hangup(evutil_socket_t signal, short what, void *user)
{
	(void)signal, (void)what, (void)user;
	log_notice("SIGHUP: nothing is done: sources are followed all the time, and a change of zkcfgd's own "
		   "configuration needs a restart");
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

static int daemon_open(struct daemon *daemon, const struct settings *settings)
{
	struct message message = { "out of memory" };
	int err = -ENOMEM;

	daemon->loop = event_base_new();
	daemon->pipelines = calloc(settings->config.set_count + 1, sizeof(struct pipeline *));
	if (daemon->loop && daemon->pipelines)
		err = daemon_catch(daemon);
	for (size_t i = 0; i < settings->config.set_count && err == 0; i++) {
		const struct config_set *set = &settings->config.sets[i];
		struct pipeline_parts parts = { .set = set,
						.shm_dir = settings->shm_dir,
						.state_dir = settings->state_dir,
						.loop = daemon->loop,
						.changed = daemon_status,
						.user = daemon };

		if (set->source)
			parts.source = source_find(set->source, &message);
		err = parts.source || !set->source ? pipeline_open(&parts, &daemon->pipelines[i], &message)
						   : -EINVAL;
		daemon->pipeline_count += err == 0;
	}
	if (err < 0)
		log_error("%s", message.text);
	return err;
}

static void daemon_close(struct daemon *daemon)
{
	for (size_t i = 0; i < daemon->pipeline_count; i++)
		pipeline_close(daemon->pipelines[i]);
	free(daemon->pipelines);
	for (size_t i = 0; i < sizeof(daemon->signals) / sizeof(daemon->signals[0]); i++)
		if (daemon->signals[i])
			event_free(daemon->signals[i]);
	if (daemon->loop)
		event_base_free(daemon->loop);
}

static int daemon_run(const struct settings *settings)
{
	struct daemon daemon = { 0 };
	int code = EXIT_FAILED;

	log_notice("zkcfgd " PACKAGE_VERSION ": %zu set%s, shm dir %s, state dir %s",
		   settings->config.set_count, settings->config.set_count == 1 ? "" : "s", settings->shm_dir,
		   settings->state_dir);
	if (daemon_open(&daemon, settings) == 0) {
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
		code = daemon_run(&settings);
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
