/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hook that dies at a step.
 *
 *	hook_runner SHM-DIR DIRECTORY STEP
 *
 * It puts a.xml and b.xml of set "app" into DIRECTORY, checks, and appends the
 * seq to DIRECTORY/told; what it has applied is remembered in DIRECTORY/state.
 * At STEP it kills itself; STEP "-": it ends when all is applied, and prints
 * the steps that it came by.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/event.h>

#include "hook/hook.h"
#include "hook/step.h"

static const char *wanted;

void hook_step(const char *name)
{
	if (strcmp(name, wanted) == 0)
		kill(getpid(), SIGKILL);
	if (strcmp(wanted, "-") == 0)
		dprintf(STDOUT_FILENO, "%s\n", name);
}

static void put_file(struct hook_config *config, const char *document, const char *directory)
{
	struct hook_render *render = hook_config_add_render(config);

	if (!render || asprintf(&render->file, "%s/%s", directory, document) < 0)
		exit(1);
	render->document = strdup(document);
}

int main(int argc, char **argv)
{
	struct event_base *loop = event_base_new();
	struct hook_config config;
	struct hook_status status;
	struct hook *hook;
	struct message message;
	char *state_dir;

	if (argc != 4 || asprintf(&state_dir, "%s/state", argv[2]) < 0)
		return 2;
	wanted = argv[3];
	hook_config_init(&config);
	config.name = strdup("runner");
	config.set = strdup("app");
	config.is_shell = true;
	config.action = HOOK_COMMAND;
	put_file(&config, "a.xml", argv[2]);
	put_file(&config, "b.xml", argv[2]);
	if (asprintf(&config.check, "grep -q . $ZKCFG_FILE") < 0 ||
	    asprintf(&config.command, "echo $ZKCFG_SEQ >>%s/told", argv[2]) < 0)
		return 1;
	{
		struct hook_parts parts = {
			.config = &config, .shm_dir = argv[1], .state_dir = state_dir, .loop = loop
		};

		if (hook_open(&parts, &hook, &message) < 0) {
			fprintf(stderr, "hook_runner: %s\n", message.text);
			return 1;
		}
	}
	do {
		event_base_loop(loop, EVLOOP_ONCE);
		hook_status(hook, &status);
	} while (status.state != HOOK_IDLE || status.applied_seq != status.wanted_seq);
	hook_close(hook);
	hook_config_free(&config);
	event_base_free(loop);
	free(state_dir);
	return 0;
}
