/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "hook/config.h"

#include <errno.h>
#include <fnmatch.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hook/render.h"
#include "hook/words.h"

#define HOOK_NAME_BYTES 64

void hook_config_init(struct hook_config *config)
{
	*config = (struct hook_config){ .limit_ms = HOOK_LIMIT_MS,
					.debounce_max_ms = HOOK_DEBOUNCE_MAX_MS,
					.retry_min_ms = HOOK_RETRY_MIN_MS,
					.retry_max_ms = HOOK_RETRY_MAX_MS };
}

void hook_config_free(struct hook_config *config)
{
	char *texts[] = { config->name,	    config->set, config->check,	 config->command,
			  config->pid_file, config->url, config->method, config->run_as };

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		free(texts[i]);
	for (size_t i = 0; i < config->filter_count; i++) {
		free(config->filters[i].document);
		free(config->filters[i].path);
	}
	free(config->filters);
	for (size_t i = 0; i < config->render_count; i++) {
		free(config->renders[i].stylesheet);
		free(config->renders[i].document);
		free(config->renders[i].file);
	}
	free(config->renders);
	for (size_t i = 0; i < config->environment_count; i++)
		free(config->environment[i]);
	free(config->environment);
	*config = (struct hook_config){ 0 };
}

struct hook_filter *hook_config_add_filter(struct hook_config *config)
{
	struct hook_filter *grown = reallocarray(config->filters, config->filter_count + 1, sizeof(*grown));

	if (!grown)
		return NULL;
	config->filters = grown;
	grown += config->filter_count++;
	*grown = (struct hook_filter){ 0 };
	return grown;
}

struct hook_render *hook_config_add_render(struct hook_config *config)
{
	struct hook_render *grown = reallocarray(config->renders, config->render_count + 1, sizeof(*grown));

	if (!grown)
		return NULL;
	config->renders = grown;
	grown += config->render_count++;
	*grown = (struct hook_render){ .owner = (uid_t)-1, .group = (gid_t)-1, .mode = (mode_t)-1 };
	return grown;
}

bool hook_config_add_environment(struct hook_config *config, const char *assignment)
{
	char **grown = reallocarray(config->environment, config->environment_count + 1, sizeof(*grown));

	if (!grown)
		return false;
	config->environment = grown;
	grown[config->environment_count] = strdup(assignment);
	if (!grown[config->environment_count])
		return false;
	config->environment_count++;
	return true;
}

int hook_signal_parse(const char *name)
{
	char *end;
	long number = strtol(name, &end, 10);

	if (*name >= '1' && *name <= '9' && *end == '\0')
		return number < NSIG ? (int)number : 0;
	if (strncmp(name, "SIG", 3) == 0)
		name += 3;
	for (int i = 1; i < NSIG; i++)
		if (sigabbrev_np(i) && strcmp(sigabbrev_np(i), name) == 0)
			return i;
	return 0;
}

bool hook_name_is_valid(const char *name)
{
	static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
	size_t length = strlen(name);

	return length > 0 && length <= HOOK_NAME_BYTES && name[0] != '.' && strspn(name, allowed) == length;
}

static int config_check_command(const struct hook_config *config, const char *what, const char *command,
				struct message *message)
{
	struct message why;
	char **words;
	int err;

	if (!command || (config->is_shell && *command != '\0'))
		return 0;
	err = words_split(command, &words, &why);
	if (err < 0) {
		message_set(message, "%s \"%.128s\": %s", what, command, why.text);
		return err;
	}
	words_free(words);
	return 0;
}

static int config_check_render(const struct hook_render *item, struct message *message)
{
	struct render *render;
	int err;

	if (!item->file || item->file[0] != '/') {
		message_set(message,
			    "render: expected the absolute path of a file, as file=\"/etc/app.conf\"");
		return -EINVAL;
	}
	if (!item->stylesheet && !item->document) {
		message_set(message, "render of %.200s: expected a stylesheet, a document, or both",
			    item->file);
		return -EINVAL;
	}
	err = item->stylesheet ? render_load(item->stylesheet, &render, message) : 0;
	if (err == 0 && item->stylesheet)
		render_free(render);
	return err < 0 ? -EINVAL : 0;
}

static int config_check_action(const struct hook_config *config, struct message *message)
{
	if (config->action == HOOK_SIGNAL && (!config->pid_file || config->signal <= 0)) {
		message_set(message, "expected a signal and a pid file, as signal=\"HUP\" "
				     "pid-file=\"/run/app.pid\"");
		return -EINVAL;
	}
	if (config->action == HOOK_REQUEST && strncmp(config->url, "http://", 7) != 0 &&
	    strncmp(config->url, "https://", 8) != 0) {
		message_set(message, "url \"%.128s\": expected http://HOST:PORT/PATH", config->url);
		return -EINVAL;
	}
	if (config->action == HOOK_REQUEST && config->method && strcmp(config->method, "POST") != 0 &&
	    strcmp(config->method, "GET") != 0) {
		message_set(message, "method \"%.32s\": expected POST or GET", config->method);
		return -EINVAL;
	}
	return 0;
}

int hook_config_check(const struct hook_config *config, struct message *message)
{
	int err = config_check_command(config, "check", config->check, message);

	if (err == 0)
		err = config_check_command(config, "command", config->command, message);
	if (err == 0)
		err = config_check_action(config, message);
	if (err == 0 && config->run_as && !getpwnam(config->run_as)) {
		message_set(message, "user \"%.64s\": there is no such user", config->run_as);
		err = -EINVAL;
	}
	if (err == 0 && config->debounce_min_ms > config->debounce_max_ms) {
		message_set(message, "debounce min (%lld ms) is above max (%lld ms)",
			    (long long)config->debounce_min_ms, (long long)config->debounce_max_ms);
		err = -EINVAL;
	}
	if (err == 0 && (config->retry_min_ms <= 0 || config->retry_min_ms > config->retry_max_ms)) {
		message_set(message, "retry min (%lld ms) is not from 1 ms to max (%lld ms)",
			    (long long)config->retry_min_ms, (long long)config->retry_max_ms);
		err = -EINVAL;
	}
	for (size_t i = 0; i < config->render_count && err == 0; i++)
		err = config_check_render(&config->renders[i], message);
	return err;
}

static uint64_t config_sum_text(uint64_t sum, const char *text)
{
	for (const char *c = text ? text : "\1"; *c != '\0'; c++)
		sum = (sum ^ (unsigned char)*c) * UINT64_C(0x100000001b3);
	return (sum ^ 0xff) * UINT64_C(0x100000001b3);
}

uint64_t hook_config_sum(const struct hook_config *config)
{
	const char *texts[] = { config->set,	 config->check,
				config->command, config->pid_file,
				config->url,	 config->method,
				config->run_as,	 config->is_shell ? "shell" : NULL };
	uint64_t sum =
		UINT64_C(0xcbf29ce484222325) + (uint64_t)config->action * 1009 + (uint64_t)config->signal;
	char rights[64];

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		sum = config_sum_text(sum, texts[i]);
	for (size_t i = 0; i < config->environment_count; i++)
		sum = config_sum_text(sum, config->environment[i]);
	for (size_t i = 0; i < config->render_count; i++) {
		const struct hook_render *render = &config->renders[i];

		snprintf(rights, sizeof(rights), "%u %u %o", render->owner, render->group, render->mode);
		sum = config_sum_text(sum, render->stylesheet);
		sum = config_sum_text(sum, render->document);
		sum = config_sum_text(sum, render->file);
		sum = config_sum_text(sum, rights);
	}
	return sum;
}

bool hook_config_wants(const struct hook_config *config, const char *document)
{
	for (size_t i = 0; i < config->filter_count; i++)
		if (fnmatch(config->filters[i].document, document, FNM_PATHNAME) == 0)
			return true;
	return config->filter_count == 0;
}
