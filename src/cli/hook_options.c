/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/hook_options.h"

#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/duration.h"

struct options {
	struct hook_config *config;
	struct hook_choice *choice;
	const char *value;
	const char *name; /* of the option, for messages */
};

static int options_expect(const struct options *options, const char *expected)
{
	complain("--%s \"%.128s\": expected %s", options->name, options->value, expected);
	return CLI_USAGE;
}

static int options_copy(const struct options *options, char **text)
{
	free(*text);
	*text = strdup(options->value);
	return **text != '\0' ? CLI_OK : options_expect(options, "something");
}

static int options_duration(const struct options *options, int64_t *ms)
{
	return duration_parse(options->value, "s", ms) == 0
		       ? CLI_OK
		       : options_expect(
				 options,
				 "a time with ms, s, m or h, as 250ms, 1.5s or 2m, or seconds without");
}

/* The working directory may be another one when it is used. */
static char *options_absolute(const char *path)
{
	char here[PATH_MAX], *absolute;

	if (path[0] == '/')
		return strdup(path);
	if (!getcwd(here, sizeof(here)) || asprintf(&absolute, "%s/%s", here, path) < 0)
		return NULL;
	return absolute;
}

/* "A=FILE" */
static int options_add_file(const struct options *options, bool is_raw)
{
	const char *equals = strrchr(options->value, '=');
	struct hook_render *render;
	char *from;

	if (!equals || equals == options->value || equals[1] == '\0')
		return options_expect(options, is_raw ? "DOC=FILE, as app.xml=/etc/app.xml"
						      : "XSLT=FILE, as nginx.xsl=/etc/nginx/nginx.conf");
	render = hook_config_add_render(options->config);
	from = strndup(options->value, (size_t)(equals - options->value));
	if (!render || !from) {
		free(from);
		return CLI_UNREADABLE;
	}
	render->file = options_absolute(equals + 1);
	if (is_raw) {
		render->document = from;
	} else {
		render->stylesheet = options_absolute(from);
		free(from);
	}
	return CLI_OK;
}

static int options_take_rights(const struct options *options, enum hook_option option)
{
	const struct passwd *account = getpwnam(options->value);
	const struct group *group = getgrnam(options->value);
	struct hook_render *render;
	char *end;
	unsigned long number = strtoul(options->value, &end, option == HOOK_OPTION_MODE ? 8 : 10);
	bool is_number = options->value[0] >= '0' && options->value[0] <= '9' && *end == '\0';

	if (options->config->render_count == 0)
		return options_expect(options, "a --render or --raw before it");
	render = &options->config->renders[options->config->render_count - 1];
	if (option == HOOK_OPTION_MODE) {
		if (!is_number || number > 07777)
			return options_expect(options, "permissions in octal, as 0640");
		render->mode = (mode_t)number;
	} else if (option == HOOK_OPTION_OWNER) {
		if (!account && !is_number)
			return options_expect(options, "a user's name, or a number");
		render->owner = account ? account->pw_uid : (uid_t)number;
	} else {
		if (!group && !is_number)
			return options_expect(options, "a group's name, or a number");
		render->group = group ? group->gr_gid : (gid_t)number;
	}
	return CLI_OK;
}

static int options_act(const struct options *options, enum hook_action action, char **text)
{
	if (options->config->action != HOOK_NONE && options->config->action != action)
		return options_expect(options, "one of --reload, --signal, --restart and --url only");
	options->config->action = action;
	return text ? options_copy(options, text) : CLI_OK;
}

static int options_take_action(const struct options *options, enum hook_option option)
{
	struct hook_config *config = options->config;

	switch (option) {
	case HOOK_OPTION_RELOAD:
		return options_act(options, HOOK_COMMAND, &config->command);
	case HOOK_OPTION_SIGNAL:
		config->signal = hook_signal_parse(options->value);
		return config->signal > 0 ? options_act(options, HOOK_SIGNAL, NULL)
					  : options_expect(options, "the name of a signal, as HUP");
	case HOOK_OPTION_PID_FILE:
		free(config->pid_file);
		config->pid_file = options_absolute(options->value);
		return options_act(options, HOOK_SIGNAL, NULL);
	case HOOK_OPTION_RESTART:
		options->choice->is_restart = true;
		return options_act(options, HOOK_CALL, NULL);
	case HOOK_OPTION_URL:
		return options_act(options, HOOK_REQUEST, &config->url);
	case HOOK_OPTION_METHOD:
		return options_act(options, HOOK_REQUEST, &config->method);
	default:
		config->status = atoi(options->value);
		return config->status >= 100 && config->status <= 599
			       ? options_act(options, HOOK_REQUEST, NULL)
			       : options_expect(options, "a status of HTTP, as 200");
	}
}

static int options_take_time(const struct options *options, enum hook_option option)
{
	struct hook_config *config = options->config;

	switch (option) {
	case HOOK_OPTION_LIMIT:
		if (options_duration(options, &config->limit_ms) != CLI_OK)
			return CLI_USAGE;
		return config->limit_ms > 0 ? CLI_OK : options_expect(options, "more than 0");
	case HOOK_OPTION_DEBOUNCE:
		return options_duration(options, &config->debounce_min_ms);
	case HOOK_OPTION_DEBOUNCE_MAX:
		return options_duration(options, &config->debounce_max_ms);
	case HOOK_OPTION_SPLAY:
		return options_duration(options, &config->splay_ms);
	case HOOK_OPTION_RETRY:
		return options_duration(options, &config->retry_min_ms);
	default:
		return options_duration(options, &config->retry_max_ms);
	}
}

static int options_take_filter(const struct options *options, enum hook_option option)
{
	struct hook_filter *filter;

	if (option == HOOK_OPTION_DOC) {
		filter = hook_config_add_filter(options->config);
		return filter ? options_copy(options, &filter->document) : CLI_UNREADABLE;
	}
	if (options->config->filter_count == 0)
		return options_expect(options, "a --doc before it");
	if (options->value[0] != '/')
		return options_expect(options, "a path from the root element, as /server/pool");
	return options_copy(options, &options->config->filters[options->config->filter_count - 1].path);
}

static int options_take_one(const struct options *options, enum hook_option option)
{
	struct hook_config *config = options->config;

	switch (option) {
	case HOOK_OPTION_DOC:
	case HOOK_OPTION_PATH:
		return options_take_filter(options, option);
	case HOOK_OPTION_RENDER:
	case HOOK_OPTION_RAW:
		return options_add_file(options, option == HOOK_OPTION_RAW);
	case HOOK_OPTION_OWNER:
	case HOOK_OPTION_GROUP:
	case HOOK_OPTION_MODE:
		return options_take_rights(options, option);
	case HOOK_OPTION_CHECK:
		return options_copy(options, &config->check);
	case HOOK_OPTION_RELOAD:
	case HOOK_OPTION_SIGNAL:
	case HOOK_OPTION_PID_FILE:
	case HOOK_OPTION_RESTART:
	case HOOK_OPTION_URL:
	case HOOK_OPTION_METHOD:
	case HOOK_OPTION_STATUS:
		return options_take_action(options, option);
	case HOOK_OPTION_SHELL:
		config->is_shell = true;
		return CLI_OK;
	case HOOK_OPTION_USER:
		return options_copy(options, &config->run_as);
	case HOOK_OPTION_ENV:
		if (!strchr(options->value, '=') || options->value[0] == '=')
			return options_expect(options, "NAME=VALUE");
		return hook_config_add_environment(config, options->value) ? CLI_OK : CLI_UNREADABLE;
	case HOOK_OPTION_NAME:
		return hook_name_is_valid(options->value)
			       ? options_copy(options, &config->name)
			       : options_expect(options, "letters, digits, '.', '_' and '-'");
	case HOOK_OPTION_CONFIG:
		options->choice->config = options->value;
		return CLI_OK;
	case HOOK_OPTION_ONCE:
		options->choice->is_once = true;
		return CLI_OK;
	default:
		return options_take_time(options, option);
	}
}

static const char *options_name(enum hook_option option)
{
	static const char *const names[] = { [HOOK_OPTION_DOC] = "doc",
					     [HOOK_OPTION_PATH] = "path",
					     [HOOK_OPTION_RENDER] = "render",
					     [HOOK_OPTION_RAW] = "raw",
					     [HOOK_OPTION_OWNER] = "owner",
					     [HOOK_OPTION_GROUP] = "group",
					     [HOOK_OPTION_MODE] = "mode",
					     [HOOK_OPTION_CHECK] = "check",
					     [HOOK_OPTION_RELOAD] = "reload",
					     [HOOK_OPTION_SIGNAL] = "signal",
					     [HOOK_OPTION_PID_FILE] = "pid-file",
					     [HOOK_OPTION_RESTART] = "restart",
					     [HOOK_OPTION_URL] = "url",
					     [HOOK_OPTION_METHOD] = "method",
					     [HOOK_OPTION_STATUS] = "status",
					     [HOOK_OPTION_SHELL] = "shell",
					     [HOOK_OPTION_USER] = "user",
					     [HOOK_OPTION_ENV] = "env",
					     [HOOK_OPTION_LIMIT] = "limit",
					     [HOOK_OPTION_DEBOUNCE] = "debounce",
					     [HOOK_OPTION_DEBOUNCE_MAX] = "debounce-max",
					     [HOOK_OPTION_SPLAY] = "splay",
					     [HOOK_OPTION_RETRY] = "retry",
					     [HOOK_OPTION_RETRY_MAX] = "retry-max",
					     [HOOK_OPTION_NAME] = "name",
					     [HOOK_OPTION_CONFIG] = "config",
					     [HOOK_OPTION_ONCE] = "once" };

	return names[option];
}

/* One document that is named by its name is what stylesheets get. */
int hook_options_check(struct hook_config *config)
{
	const char *only = config->filter_count == 1 && !strpbrk(config->filters[0].document, "*?[\\")
				   ? config->filters[0].document
				   : NULL;
	struct message message;

	for (size_t i = 0; i < config->render_count && only; i++)
		if (!config->renders[i].document)
			config->renders[i].document = strdup(only);
	if (config->debounce_min_ms > config->debounce_max_ms)
		config->debounce_max_ms = config->debounce_min_ms;
	if (config->retry_min_ms > config->retry_max_ms)
		config->retry_max_ms = config->retry_min_ms;
	if (hook_config_check(config, &message) == 0)
		return CLI_OK;
	complain("%s", message.text);
	return CLI_USAGE;
}

int hook_options_read(const struct cli *cli, const char *set, struct hook_config *config,
		      struct hook_choice *choice)
{
	struct options options = { .config = config, .choice = choice };
	int code = CLI_OK;

	hook_config_init(config);
	*choice = (struct hook_choice){ 0 };
	for (size_t i = 0; i < cli->given_count && code == CLI_OK; i++) {
		options.value = cli->given[i].value ? cli->given[i].value : "";
		options.name = options_name((enum hook_option)cli->given[i].option);
		code = options_take_one(&options, (enum hook_option)cli->given[i].option);
	}
	if (code != CLI_OK)
		return code;
	if (!config->name)
		config->name = strdup(set);
	config->set = strdup(set);
	return CLI_OK;
}
