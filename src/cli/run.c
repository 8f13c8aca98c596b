/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/event.h>

#include "base/log.h"
#include "cli/hook_options.h"
#include "cli/init.h"
#include "hook/environment.h"
#include "hook/hook.h"
#include "hook/spawn.h"
#include "hook/words.h"

static const char run_help[] =
	"Starts PROGRAM when its configuration is there, tells it of every change, and ends as it ends:\n"
	"with its exit status, or 128 and the signal that killed it. Signals are handed on. Where it is\n"
	"process 1, as in a container, orphans are waited for. What cannot be rendered or is refused by\n"
	"the check leaves everything as it was and is tried again.\n"
	"\n"
	"  --signal NAME       of a change: this signal, as HUP, to PROGRAM\n"
	"  --reload CMD        or this command, with ZKCFG_PID in its environment\n"
	"  --restart           or end it, by SIGTERM and SIGKILL after --limit, and start it again\n" HOOK_OPTIONS_HELP
	"\n"
	"PROGRAM has ZKCFG_SET, ZKCFG_SEQ and ZKCFG_FILE in its environment; commands ZKCFG_CHANGED, too.\n"
	"Exit status 127: there is no such program, 126: it cannot be started.\n"
	"\n"
	"examples:\n"
	"  zkcfg run app --signal HUP -- my-server\n"
	"  zkcfg run web --render nginx.xsl=/etc/nginx/nginx.conf --check '/usr/sbin/nginx -t -c {}' \\\n"
	"    --signal HUP -- nginx -g 'daemon off;'\n";

enum { RUN_NOT_STARTED = 126, RUN_NO_PROGRAM = 127, RUN_SIGNALED = 128 };

static const int run_signals[] = { SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH, SIGCONT };
#define RUN_SIGNALS (sizeof(run_signals) / sizeof(run_signals[0]))

struct run {
	struct event_base *loop;
	struct event *signals[RUN_SIGNALS];
	struct hook_config config;
	struct hook *hook;
	char **argv;
	struct spawn *program; /* NULL: does not run */
	struct spawn *command; /* of --reload; NULL: none runs */
	int signal;	       /* of --signal; 0: none */
	char *reload;	       /* of --reload; NULL: none */
	bool is_restart;
	bool is_restarting; /* it is being ended, to be started again */
	bool is_ending;
	int code;
};

static void run_end(struct run *run, int code)
{
	run->code = code;
	event_base_loopbreak(run->loop);
}

static int run_start(struct run *run);

static void on_ended(void *user, const struct spawn_end *end)
{
	struct run *run = user;

	run->program = NULL;
	if (!run->is_restarting || run->is_ending) {
		run_end(run, end->how == SPAWN_EXITED ? end->code : RUN_SIGNALED + end->code);
		return;
	}
	run->is_restarting = false;
	if (run_start(run) == 0)
		hook_acted(run->hook, NULL);
}

/* Its environment is ours, with what systemd told us, and what it is about. */
static char **run_environment(const struct run *run)
{
	static const char *const kept[] = { "NOTIFY_SOCKET", "WATCHDOG_USEC", "JOURNAL_STREAM" };
	char **environment = hook_environment(run->hook), **grown;
	size_t count = 0;

	while (environment && environment[count])
		count++;
	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]) && environment; i++) {
		const char *value = getenv(kept[i]);

		grown = value ? reallocarray(environment, count + 2, sizeof(*grown)) : NULL;
		if (!grown)
			continue;
		environment = grown;
		if (asprintf(&environment[count], "%s=%s", kept[i], value) < 0)
			environment[count] = NULL;
		else
			environment[++count] = NULL;
	}
	return environment;
}

/* -1: it cannot be, and we are ending. */
static int run_start(struct run *run)
{
	char **environment = run_environment(run);
	struct spawn_plan plan = { .argv = run->argv,
				   .environment = environment,
				   .run_as = run->config.run_as,
				   .is_foreground = true,
				   .done = on_ended,
				   .user = run };
	struct message message = { "out of memory" };

	errno = 0;
	if (environment)
		run->program = spawn_start(run->loop, &plan, &message);
	environment_free(environment);
	if (run->program)
		return 0;
	complain("%s", message.text);
	run_end(run, strstr(message.text, strerror(ENOENT)) ? RUN_NO_PROGRAM : RUN_NOT_STARTED);
	return -1;
}

/* --- of a change ------------------------------------------------------------ */

static void on_reloaded(void *user, const struct spawn_end *end)
{
	struct run *run = user;
	struct message how, reason;

	run->command = NULL;
	fputs(end->output, stderr);
	if (end->how == SPAWN_EXITED && end->code == 0) {
		hook_acted(run->hook, NULL);
		return;
	}
	spawn_tell(end, &how);
	message_set(&reason, "command %.200s", how.text);
	hook_acted(run->hook, reason.text);
}

static void run_reload(struct run *run)
{
	char *shell[] = { (char[]){ "/bin/sh" }, (char[]){ "-c" }, run->reload, NULL };
	char **words = NULL, **environment, pid[16];
	struct message message = { "out of memory" };
	struct spawn_plan plan = { .limit_ms = run->config.limit_ms, .done = on_reloaded, .user = run };

	snprintf(pid, sizeof(pid), "%d", (int)spawn_pid(run->program));
	setenv("ZKCFG_PID", pid, 1);
	environment = hook_environment(run->hook);
	unsetenv("ZKCFG_PID");
	plan.environment = environment;
	if (!run->config.is_shell)
		words_split(run->reload, &words, &message);
	plan.argv = run->config.is_shell ? shell : words;
	plan.run_as = run->config.run_as;
	if (environment && plan.argv)
		run->command = spawn_start(run->loop, &plan, &message);
	words_free(words);
	environment_free(environment);
	if (!run->command)
		hook_acted(run->hook, message.text);
}

/* The configuration is in place: the first time the program is started, then it is told. */
static void on_call(void *user, struct hook *hook)
{
	struct run *run = user;
	int err;

	if (run->is_ending)
		return;
	if (!run->program) {
		if (run_start(run) == 0)
			hook_acted(hook, NULL);
	} else if (run->is_restart) {
		run->is_restarting = true;
		spawn_stop(run->program, run->config.limit_ms);
	} else if (run->reload) {
		run_reload(run);
	} else {
		err = run->signal ? spawn_signal(run->program, run->signal) : 0;
		hook_acted(hook, err < 0 ? strerror(-err) : NULL);
	}
}

/* --- signals --------------------------------------------------------------- */

static void on_signal(evutil_socket_t number, short what, void *user)
{
	struct run *run = user;
	int signal = (int)number;
	bool is_end = signal == SIGTERM || signal == SIGINT || signal == SIGQUIT;

	(void)what;
	run->is_ending = run->is_ending || is_end;
	if (run->program)
		spawn_signal(run->program, signal);
	else if (is_end)
		run_end(run, RUN_SIGNALED + signal);
}

static int run_catch(struct run *run)
{
	for (size_t i = 0; i < RUN_SIGNALS; i++) {
		run->signals[i] = evsignal_new(run->loop, run_signals[i], on_signal, run);
		if (!run->signals[i] || event_add(run->signals[i], NULL) < 0)
			return -1;
	}
	return 0;
}

/* --- its life -------------------------------------------------------------- */

/* What the program is told is ours to do; the hook sees to all else. */
static int run_configure(struct run *run, const struct cli *cli)
{
	struct hook_choice choice;
	int code = hook_options_read(cli, cli->arguments[0], &run->config, &choice);

	if (code != CLI_OK)
		return code;
	if (choice.config || choice.is_once || run->config.action == HOOK_REQUEST || run->config.pid_file) {
		complain("run has no --config, --once, --url or --pid-file: see zkcfg run --help");
		return CLI_USAGE;
	}
	run->is_restart = choice.is_restart;
	run->signal = run->config.signal;
	run->reload = run->config.command ? strdup(run->config.command) : NULL;
	run->config.action = HOOK_CALL;
	return hook_options_check(&run->config);
}

static int run_program(struct run *run, const struct cli *cli)
{
	struct hook_parts parts = {
		.config = &run->config, .shm_dir = cli->shm_dir, .call = on_call, .user = run
	};
	struct message message = { "out of memory" };

	run->code = CLI_UNREADABLE;
	run->loop = event_base_new();
	parts.loop = run->loop;
	if (!run->loop || run_catch(run) < 0 || hook_open(&parts, &run->hook, &message) < 0)
		complain("%s", message.text);
	else
		event_base_dispatch(run->loop);
	spawn_cancel(run->command);
	spawn_cancel(run->program);
	hook_close(run->hook);
	for (size_t i = 0; i < RUN_SIGNALS; i++)
		if (run->signals[i])
			event_free(run->signals[i]);
	if (run->loop)
		event_base_free(run->loop);
	return run->code;
}

static int run_run(const struct cli *cli)
{
	struct run run = { 0 };
	int code, begun;

	code = run_configure(&run, cli);
	if (code == CLI_OK) {
		/* execv(3) takes words that it promises not to change */
		memcpy(&run.argv, &(const char **){ cli->arguments + 1 }, sizeof(run.argv));
		begun = init_begin(&code);
		if (begun == 0)
			code = run_program(&run, cli);
		else if (begun < 0)
			code = RUN_NOT_STARTED;
	}
	free(run.reload);
	hook_config_free(&run.config);
	return code;
}

const struct cli_command run_command = {
	.name = "run",
	.arguments = "SET [OPTION]... -- PROGRAM [ARGUMENT]...",
	.purpose = "run a program that is told of changes",
	.help = run_help,
	.options = CLI_HOOK,
	.least = 2,
	.most = SIZE_MAX,
	.run = run_run,
};
