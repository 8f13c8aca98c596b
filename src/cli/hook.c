/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "base/log.h"
#include "cli/check.h"
#include "cli/hook_options.h"
#include "hook/element.h"
#include "hook/hook.h"
#include "xml/compile.h"

static const char hook_help[] =
	"Does for a set what an element <hook> of zkcfgd.xml(5) does within zkcfgd: of every change,\n"
	"renders files, checks them, puts them in place, and tells a program. With --config it is the\n"
	"hook of that name; otherwise options say what is done. Runs until it is ended by a signal.\n"
	"\n"
	"  --config FILE       a zkcfgd.xml; the argument behind run is the name of one of its hooks\n"
	"  --once              apply what there is, and end: exit status 7 if that failed\n"
	"  --state-dir DIR     remember there what was applied; without it, it is applied at each start\n"
	"  --name NAME         under which it is remembered (that of the set)\n"
	"  --reload CMD        tell the program by a command\n"
	"  --signal NAME --pid-file FILE  or by a signal\n"
	"  --url URL           or by a request, --method POST or GET, answered with --status (200 to 299)\n"
	"  --user NAME         whom commands run as\n" HOOK_OPTIONS_HELP "\n"
	"examples:\n"
	"  zkcfg hook run web --render nginx.xsl=/etc/nginx/nginx.conf --check '/usr/sbin/nginx -t -c {}' \\\n"
	"    --reload '/usr/sbin/nginx -s reload'\n"
	"  zkcfg hook run --config /etc/zkcfg/zkcfgd.xml nginx --once\n";

struct follower {
	struct event_base *loop;
	struct hook *hook;
	bool is_once;
	int code;
};

static void on_changed(void *user)
{
	struct follower *follower = user;
	struct hook_status status;

	if (!follower->is_once || !follower->hook)
		return;
	hook_status(follower->hook, &status);
	if (status.state != HOOK_IDLE && status.state != HOOK_FAILED)
		return;
	follower->code = status.state == HOOK_IDLE ? CLI_OK : CLI_SOURCE_FAILED;
	event_base_loopbreak(follower->loop);
}

static void on_end(evutil_socket_t signal, short what, void *user)
{
	struct follower *follower = user;

	(void)signal, (void)what;
	follower->code = CLI_OK;
	event_base_loopbreak(follower->loop);
}

static int hook_follow(const struct cli *cli, const struct hook_config *config, bool is_once)
{
	static const int numbers[] = { SIGTERM, SIGINT };
	struct follower follower = { .is_once = is_once, .code = CLI_UNREADABLE, .loop = event_base_new() };
	struct hook_parts parts = { .config = config,
				    .shm_dir = cli->shm_dir,
				    .state_dir = cli->state_dir,
				    .loop = follower.loop,
				    .changed = on_changed,
				    .user = &follower };
	struct event *signals[2] = { NULL, NULL };
	struct message message = { "out of memory" };
	bool is_ready = follower.loop != NULL;

	for (size_t i = 0; i < 2 && is_ready; i++) {
		signals[i] = evsignal_new(follower.loop, numbers[i], on_end, &follower);
		is_ready = signals[i] && event_add(signals[i], NULL) == 0;
	}
	if (!is_ready || hook_open(&parts, &follower.hook, &message) < 0)
		complain("%s", message.text);
	else
		event_base_dispatch(follower.loop);
	hook_close(follower.hook);
	for (size_t i = 0; i < 2; i++)
		if (signals[i])
			event_free(signals[i]);
	if (follower.loop)
		event_base_free(follower.loop);
	return follower.code;
}

/* --- a hook of zkcfgd.xml --------------------------------------------------- */

static int hook_find(const struct zkcfg_document *document, const char *name, const char *directory,
		     const char *file, struct hook_config *config)
{
	char path[512], set[128] = "";
	struct element_fault fault;
	struct zkcfg_cursor cursor;
	int err = zkcfg_cursor_init(&cursor, document, NULL);

	for (; err == 0; err = zkcfg_cursor_next(&cursor)) {
		const char *at = zkcfg_cursor_path(&cursor), *value = zkcfg_cursor_value(&cursor);
		const char *what = zkcfg_cursor_name(&cursor);
		size_t length = at ? strlen(at) : 0;

		if (zkcfg_cursor_kind(&cursor) != ZKCFG_ATTRIBUTE || !value || length < 6 ||
		    length >= sizeof(path) || strcmp(what, "name") != 0)
			continue;
		snprintf(path, sizeof(path), "%.*s", (int)(length - 6), at); /* without "/@name" */
		if (zkcfg_cursor_depth(&cursor) == 2)
			snprintf(set, sizeof(set), "%s", value);
		if (zkcfg_cursor_depth(&cursor) != 3 || strcmp(value, name) != 0 || !strstr(path, "/hook"))
			continue;
		hook_config_free(config);
		if (element_read(document, path, directory, set, config, &fault) == 0)
			return CLI_OK;
		complain("%s: %s: %s", file, fault.path, fault.message.text);
		return CLI_INVALID;
	}
	complain("%s has no hook of the name \"%s\"", file, name);
	return CLI_NOT_FOUND;
}

static int hook_load(const char *file, const char *name, struct hook_config *config)
{
	const struct document_origin origin = { .name = "zkcfgd.xml", .version = -1 };
	struct zkcfg_document *document = NULL;
	struct buffer bytes = { 0 };
	struct xml_fault fault;
	char *absolute = realpath(file, NULL), *slash;
	size_t size_bytes;
	int code = check_read(file, &bytes, &fault);

	if (code == CLI_OK && xml_compile(&origin, bytes.bytes ? bytes.bytes : "", bytes.size_bytes, NULL,
					  &document, &size_bytes, &fault) < 0)
		code = CLI_INVALID;
	if (code != CLI_OK) {
		check_complain(file, &fault);
	} else {
		slash = absolute ? strrchr(absolute, '/') : NULL;
		if (slash)
			slash[slash == absolute] = '\0';
		code = hook_find(document, name, absolute ? absolute : ".", file, config);
	}
	free(document);
	free(absolute);
	buffer_free(&bytes);
	return code;
}

static int hook_run_command(const struct cli *cli)
{
	struct hook_config config;
	struct hook_choice choice;
	int code;

	if (strcmp(cli->arguments[0], "run") != 0) {
		complain("hook: there is no \"%.64s\", expected run: see zkcfg hook --help",
			 cli->arguments[0]);
		return CLI_USAGE;
	}
	log_start(LOG_LEVEL_NOTICE);
	xml_start();
	code = hook_options_read(cli, cli->arguments[1], &config, &choice);
	if (code == CLI_OK && choice.is_restart) {
		complain("hook run has no --restart: see zkcfg run --help");
		code = CLI_USAGE;
	}
	if (code == CLI_OK)
		code = choice.config ? hook_load(choice.config, cli->arguments[1], &config)
				     : hook_options_check(&config);
	if (code == CLI_OK)
		code = hook_follow(cli, &config, choice.is_once);
	hook_config_free(&config);
	return code;
}

const struct cli_command hook_command = {
	.name = "hook",
	.arguments = "run SET|NAME",
	.purpose = "render, check, put in place and reload",
	.help = hook_help,
	.options = CLI_HOOK | CLI_STATE_DIR,
	.least = 2,
	.most = 2,
	.run = hook_run_command,
};
