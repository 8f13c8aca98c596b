/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "hook/environment.h"

#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"
#include "hook/place.h"

/* The kernel takes no string beyond 128 KiB. */
#define ENVIRONMENT_CHANGED_BYTES ((size_t)64 * 1024)

extern char **environ;

struct environment {
	char **strings;
	size_t count;
	bool failed;
};

/* What systemd tells us, and nobody that we start. */
static bool environment_is_ours(const char *string)
{
	static const char *const names[] = { "NOTIFY_SOCKET=", "LISTEN_", "WATCHDOG_",
					     "JOURNAL_STREAM=", "MAINPID=" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strncmp(string, names[i], strlen(names[i])) == 0)
			return true;
	return false;
}

/* One of the same name is replaced. The string is ours from here on. */
static void environment_put(struct environment *environment, char *string)
{
	size_t name = string ? strcspn(string, "=") + 1 : 0;
	char **grown;

	for (size_t i = 0; i < environment->count && string; i++) {
		if (strncmp(environment->strings[i], string, name) == 0) {
			free(environment->strings[i]);
			environment->strings[i] = string;
			return;
		}
	}
	grown = string ? reallocarray(environment->strings, environment->count + 2, sizeof(*grown)) : NULL;
	if (!grown) {
		free(string);
		environment->failed = true;
		return;
	}
	environment->strings = grown;
	grown[environment->count++] = string;
	grown[environment->count] = NULL;
}

__attribute__((format(printf, 2, 3))) static void environment_printf(struct environment *environment,
								     const char *format, ...)
{
	char *string;
	va_list args;

	va_start(args, format);
	if (vasprintf(&string, format, args) < 0)
		string = NULL;
	va_end(args);
	environment_put(environment, string);
}

/* As many whole lines as may be. */
static void environment_put_changed(struct environment *environment, const char *changed)
{
	size_t length = strlen(changed);

	if (length > ENVIRONMENT_CHANGED_BYTES)
		for (length = ENVIRONMENT_CHANGED_BYTES; length > 0 && changed[length - 1] != '\n'; length--)
			;
	if (length > 0 && changed[length - 1] == '\n')
		length--;
	environment_printf(environment, "ZKCFG_CHANGED=%.*s", (int)length, changed);
}

static void environment_put_files(struct environment *environment, const struct environment_facts *facts)
{
	const struct hook_config *config = facts->config;
	struct buffer files = { 0 };

	for (size_t i = 0; i < config->render_count; i++) {
		char *path = facts->is_check ? place_new_path(config->renders[i].file)
					     : strdup(config->renders[i].file);

		if (i == 0)
			environment_printf(environment, "ZKCFG_FILE=%s", path ? path : "");
		buffer_printf(&files, "%s%s", i > 0 ? "\n" : "", path ? path : "");
		environment->failed = environment->failed || !path;
		free(path);
	}
	buffer_append(&files, "", 1);
	environment->failed = environment->failed || buffer_failed(&files);
	if (config->render_count > 0 && !environment->failed)
		environment_printf(environment, "ZKCFG_FILES=%s", files.bytes);
	buffer_free(&files);
}

static void environment_put_user(struct environment *environment, const char *name)
{
	const struct passwd *account = getpwnam(name);

	if (!account)
		return;
	environment_printf(environment, "HOME=%s", account->pw_dir);
	environment_printf(environment, "USER=%s", name);
	environment_printf(environment, "LOGNAME=%s", name);
	environment_printf(environment, "SHELL=%s", account->pw_shell);
}

char **environment_make(const struct environment_facts *facts)
{
	const struct hook_config *config = facts->config;
	struct environment made = { 0 };

	for (char **string = environ; *string; string++)
		if (!environment_is_ours(*string))
			environment_put(&made, strdup(*string));
	if (config->run_as)
		environment_put_user(&made, config->run_as);
	environment_printf(&made, "ZKCFG_HOOK=%s", config->name);
	environment_printf(&made, "ZKCFG_SET=%s", config->set);
	environment_printf(&made, "ZKCFG_SEQ=%llu", (unsigned long long)facts->seq);
	environment_printf(&made, "ZKCFG_CHANGED_COUNT=%zu", facts->changed_count);
	environment_put_changed(&made, facts->changed);
	environment_put_files(&made, facts);
	for (size_t i = 0; i < config->environment_count; i++)
		environment_put(&made, strdup(config->environment[i]));
	if (made.failed) {
		environment_free(made.strings);
		return NULL;
	}
	return made.strings;
}

void environment_free(char **environment)
{
	for (char **string = environment; string && *string; string++)
		free(*string);
	free(environment);
}
