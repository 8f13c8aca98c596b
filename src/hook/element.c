/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "hook/element.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"

#define ELEMENT_DURATION_LIMIT_MS (INT64_C(24) * 3600 * 1000)

struct element_reader {
	const struct zkcfg_document *document;
	const char *directory;
	struct hook_config *config;
	struct element_fault *fault;
	char element[32]; /* in which the reader stands */
	char element_path[1024];
	const char *path; /* of the attribute */
	const char *name;
	const char *value;
	char variable[256]; /* of an element environment */
	bool has_action;
};

__attribute__((format(printf, 3, 4))) static int element_fail(struct element_reader *reader, const char *path,
							      const char *format, ...)
{
	char text[400];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	snprintf(reader->fault->path, sizeof(reader->fault->path), "%s", path);
	message_set(&reader->fault->message, "%s", text);
	return -EINVAL;
}

static int element_out_of_memory(struct element_reader *reader)
{
	element_fail(reader, reader->element_path, "out of memory");
	return -ENOMEM;
}

/* What the value of the attribute should be. */
static int element_fail_value(struct element_reader *reader, const char *expected)
{
	return element_fail(reader, reader->path, "element %s: attribute %s=\"%.128s\": %s", reader->element,
			    reader->name, reader->value, expected);
}

/* --- values ---------------------------------------------------------------- */

static int element_text(struct element_reader *reader, char **text)
{
	if (reader->value[0] == '\0')
		return element_fail_value(reader, "expected something");
	free(*text);
	*text = strdup(reader->value);
	return *text ? 0 : element_out_of_memory(reader);
}

/* A path, made absolute. */
static int element_path(struct element_reader *reader, char **path)
{
	if (reader->value[0] == '/' || reader->value[0] == '\0')
		return element_text(reader, path);
	free(*path);
	if (asprintf(path, "%s/%s", reader->directory, reader->value) < 0)
		*path = NULL;
	return *path ? 0 : element_out_of_memory(reader);
}

static int element_duration(struct element_reader *reader, int64_t *ms)
{
	int64_t found;
	int err = zkcfg_document_duration_ms(reader->document, reader->path, &found);

	if (err < 0 && err != ZKCFG_ERANGE)
		return element_fail_value(reader, "expected a duration, as 50ms, 2s or 1m");
	if (err < 0 || found > ELEMENT_DURATION_LIMIT_MS)
		return element_fail_value(reader, "expected at most 24h");
	*ms = found;
	return 0;
}

/* A number of a user or a group: all digits. */
static bool element_number(const char *text, unsigned *number)
{
	char *end;
	unsigned long found = strtoul(text, &end, 10);

	if (text[0] < '0' || text[0] > '9' || *end != '\0' || found >= (unsigned)-1)
		return false;
	*number = (unsigned)found;
	return true;
}

/* --- attributes ------------------------------------------------------------ */

static struct hook_render *element_render(struct element_reader *reader)
{
	return &reader->config->renders[reader->config->render_count - 1];
}

static struct hook_filter *element_filter(struct element_reader *reader)
{
	return &reader->config->filters[reader->config->filter_count - 1];
}

static int read_name(struct element_reader *reader)
{
	if (!hook_name_is_valid(reader->value))
		return element_fail_value(reader,
					  "expected at most 64 letters, digits, '.', '_' and '-', with no "
					  "'.' first");
	return element_text(reader, &reader->config->name);
}

static int read_user(struct element_reader *reader)
{
	if (!getpwnam(reader->value))
		return element_fail_value(reader, "there is no such user");
	return element_text(reader, &reader->config->run_as);
}

static int read_shell(struct element_reader *reader)
{
	reader->config->is_shell = strcmp(reader->value, "yes") == 0;
	if (!reader->config->is_shell && strcmp(reader->value, "no") != 0)
		return element_fail_value(reader, "expected yes or no");
	return 0;
}

static int read_limit(struct element_reader *reader)
{
	int err = element_duration(reader, &reader->config->limit_ms);

	return err == 0 && reader->config->limit_ms == 0 ? element_fail_value(reader, "expected more than 0")
							 : err;
}

static int read_splay(struct element_reader *reader)
{
	return element_duration(reader, &reader->config->splay_ms);
}

static int read_watch_document(struct element_reader *reader)
{
	return element_text(reader, &element_filter(reader)->document);
}

static int read_watch_path(struct element_reader *reader)
{
	if (reader->value[0] != '/')
		return element_fail_value(reader, "expected a path from the root element, as /server/pool");
	return element_text(reader, &element_filter(reader)->path);
}

static int read_stylesheet(struct element_reader *reader)
{
	return element_path(reader, &element_render(reader)->stylesheet);
}

static int read_render_document(struct element_reader *reader)
{
	return element_text(reader, &element_render(reader)->document);
}

static int read_file(struct element_reader *reader)
{
	int err = element_path(reader, &element_render(reader)->file);
	const char *file = element_render(reader)->file;

	return err == 0 && file[strlen(file) - 1] == '/' ? element_fail_value(reader, "expected a file")
							 : err;
}

static int read_owner(struct element_reader *reader)
{
	const struct passwd *account = getpwnam(reader->value);
	unsigned number;

	if (!account && !element_number(reader->value, &number))
		return element_fail_value(reader,
					  "there is no such user: expected a name of passwd(5), or a number");
	element_render(reader)->owner = account ? account->pw_uid : number;
	return 0;
}

static int read_group(struct element_reader *reader)
{
	const struct group *group = getgrnam(reader->value);
	unsigned number;

	if (!group && !element_number(reader->value, &number))
		return element_fail_value(reader,
					  "there is no such group: expected a name of group(5), or a number");
	element_render(reader)->group = group ? group->gr_gid : number;
	return 0;
}

static int read_mode(struct element_reader *reader)
{
	char *end;
	unsigned long mode = strtoul(reader->value, &end, 8);

	if (reader->value[0] < '0' || reader->value[0] > '7' || *end != '\0' || mode > 07777)
		return element_fail_value(reader, "expected permissions in octal, as 0640");
	element_render(reader)->mode = (mode_t)mode;
	return 0;
}

static int read_check(struct element_reader *reader)
{
	return element_text(reader, &reader->config->check);
}

/* An action is one of three, and what belongs to it. */
static int element_act(struct element_reader *reader, enum hook_action action)
{
	if (reader->config->action != HOOK_NONE && reader->config->action != action)
		return element_fail(
			reader, reader->path,
			"element action: attribute %s: expected a command, a signal or a url, and one of "
			"them only",
			reader->name);
	reader->config->action = action;
	return 0;
}

static int read_command(struct element_reader *reader)
{
	int err = element_act(reader, HOOK_COMMAND);

	return err < 0 ? err : element_text(reader, &reader->config->command);
}

static int read_signal(struct element_reader *reader)
{
	reader->config->signal = hook_signal_parse(reader->value);
	if (reader->config->signal == 0)
		return element_fail_value(reader, "there is no such signal: expected for example HUP");
	return element_act(reader, HOOK_SIGNAL);
}

static int read_pid_file(struct element_reader *reader)
{
	int err = element_act(reader, HOOK_SIGNAL);

	return err < 0 ? err : element_path(reader, &reader->config->pid_file);
}

static int read_url(struct element_reader *reader)
{
	int err = element_act(reader, HOOK_REQUEST);

	return err < 0 ? err : element_text(reader, &reader->config->url);
}

static int read_method(struct element_reader *reader)
{
	int err = element_act(reader, HOOK_REQUEST);

	return err < 0 ? err : element_text(reader, &reader->config->method);
}

static int read_status(struct element_reader *reader)
{
	unsigned number;

	if (!element_number(reader->value, &number) || number < 100 || number > 599)
		return element_fail_value(reader, "expected a status of HTTP, as 200");
	reader->config->status = (int)number;
	return element_act(reader, HOOK_REQUEST);
}

static int read_debounce_min(struct element_reader *reader)
{
	return element_duration(reader, &reader->config->debounce_min_ms);
}

static int read_debounce_max(struct element_reader *reader)
{
	return element_duration(reader, &reader->config->debounce_max_ms);
}

static int read_retry_min(struct element_reader *reader)
{
	return element_duration(reader, &reader->config->retry_min_ms);
}

static int read_retry_max(struct element_reader *reader)
{
	return element_duration(reader, &reader->config->retry_max_ms);
}

static int read_variable(struct element_reader *reader)
{
	if (reader->value[0] == '\0' || strchr(reader->value, '=') ||
	    strlen(reader->value) >= sizeof(reader->variable))
		return element_fail_value(reader, "expected the name of a variable");
	strcpy(reader->variable, reader->value);
	return 0;
}

static int read_variable_value(struct element_reader *reader)
{
	char *assignment;
	bool is_added;

	if (reader->variable[0] == '\0')
		return element_fail(reader, reader->path,
				    "element environment: expected attribute name before attribute value");
	if (asprintf(&assignment, "%s=%s", reader->variable, reader->value) < 0)
		return element_out_of_memory(reader);
	is_added = hook_config_add_environment(reader->config, assignment);
	free(assignment);
	return is_added ? 0 : element_out_of_memory(reader);
}

static const struct element_rule {
	const char *element, *attribute;
	int (*read)(struct element_reader *reader);
} element_rules[] = {
	{ "hook", "name", read_name },
	{ "hook", "user", read_user },
	{ "hook", "shell", read_shell },
	{ "hook", "limit", read_limit },
	{ "hook", "splay", read_splay },
	{ "watch", "document", read_watch_document },
	{ "watch", "path", read_watch_path },
	{ "render", "stylesheet", read_stylesheet },
	{ "render", "document", read_render_document },
	{ "render", "file", read_file },
	{ "render", "owner", read_owner },
	{ "render", "group", read_group },
	{ "render", "mode", read_mode },
	{ "check", "command", read_check },
	{ "action", "command", read_command },
	{ "action", "signal", read_signal },
	{ "action", "pid-file", read_pid_file },
	{ "action", "url", read_url },
	{ "action", "method", read_method },
	{ "action", "status", read_status },
	{ "debounce", "min", read_debounce_min },
	{ "debounce", "max", read_debounce_max },
	{ "retry", "min", read_retry_min },
	{ "retry", "max", read_retry_max },
	{ "environment", "name", read_variable },
	{ "environment", "value", read_variable_value },
};

#define ELEMENT_RULES (sizeof(element_rules) / sizeof(element_rules[0]))

static int element_attribute(struct element_reader *reader)
{
	struct buffer known = { 0 };
	int err;

	for (size_t i = 0; i < ELEMENT_RULES; i++)
		if (strcmp(element_rules[i].element, reader->element) == 0 &&
		    strcmp(element_rules[i].attribute, reader->name) == 0)
			return element_rules[i].read(reader);
	for (size_t i = 0; i < ELEMENT_RULES; i++)
		if (strcmp(element_rules[i].element, reader->element) == 0)
			buffer_printf(&known, "%s%s", known.size_bytes > 0 ? ", " : "",
				      element_rules[i].attribute);
	err = element_fail(reader, reader->path,
			   "element %s: attribute %.64s is not known, expected one of %.*s", reader->element,
			   reader->name, (int)known.size_bytes, known.bytes ? known.bytes : "");
	buffer_free(&known);
	return err;
}

/* --- elements -------------------------------------------------------------- */

static int element_missing(struct element_reader *reader, const char *attribute, const char *example)
{
	return element_fail(reader, reader->element_path,
			    "element %s: attribute \"%s\" is missing, expected for example %s",
			    reader->element, attribute, example);
}

/* The reader leaves an element that it was in. */
static int element_end(struct element_reader *reader)
{
	const struct hook_config *config = reader->config;

	if (strcmp(reader->element, "hook") == 0 && !config->name)
		return element_missing(reader, "name", "name=\"nginx\"");
	if (strcmp(reader->element, "watch") == 0 && !element_filter(reader)->document)
		return element_missing(reader, "document", "document=\"upstreams.xml\"");
	if (strcmp(reader->element, "render") == 0 && !element_render(reader)->file)
		return element_missing(reader, "file", "file=\"/etc/nginx/upstreams.conf\"");
	if (strcmp(reader->element, "render") == 0 && !element_render(reader)->stylesheet &&
	    !element_render(reader)->document)
		return element_missing(reader, "stylesheet", "stylesheet=\"nginx.xsl\"");
	if (strcmp(reader->element, "check") == 0 && !config->check)
		return element_missing(reader, "command", "command=\"/usr/sbin/nginx -t -c {}\"");
	if (strcmp(reader->element, "action") == 0 && config->action == HOOK_NONE)
		return element_missing(reader, "command", "command=\"/usr/sbin/nginx -s reload\"");
	if (strcmp(reader->element, "action") == 0 && config->action == HOOK_REQUEST && !config->url)
		return element_missing(reader, "url", "url=\"http://127.0.0.1:9090/-/reload\"");
	if (strcmp(reader->element, "action") == 0 && config->action == HOOK_SIGNAL && !config->pid_file)
		return element_missing(reader, "pid-file", "pid-file=\"/run/sshd.pid\"");
	if (strcmp(reader->element, "action") == 0 && config->action == HOOK_SIGNAL && config->signal == 0)
		return element_missing(reader, "signal", "signal=\"HUP\"");
	return 0;
}

static int element_begin(struct element_reader *reader, const char *name, const char *path)
{
	static const char *const names[] = { "hook",   "watch",	   "render", "check",
					     "action", "debounce", "retry",  "environment" };
	bool is_known = false;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		is_known = is_known || strcmp(name, names[i]) == 0;
	if (!is_known)
		return element_fail(
			reader, path,
			"element %.64s is not known in a hook, expected one of watch, render, check, "
			"action, debounce, retry, environment",
			name);
	snprintf(reader->element, sizeof(reader->element), "%s", name);
	snprintf(reader->element_path, sizeof(reader->element_path), "%s", path);
	reader->variable[0] = '\0';
	if (strcmp(name, "watch") == 0 && !hook_config_add_filter(reader->config))
		return element_out_of_memory(reader);
	if (strcmp(name, "render") == 0 && !hook_config_add_render(reader->config))
		return element_out_of_memory(reader);
	if ((strcmp(name, "check") == 0 && reader->config->check) ||
	    (strcmp(name, "action") == 0 && reader->has_action))
		return element_fail(reader, path, "element %s is there twice in one hook", name);
	reader->has_action = reader->has_action || strcmp(name, "action") == 0;
	return 0;
}

static int element_walk(struct element_reader *reader, const char *path)
{
	struct zkcfg_cursor cursor;
	int err = zkcfg_cursor_init(&cursor, reader->document, path);

	if (err < 0)
		return element_fail(reader, path, "%s", zkcfg_strerror(err));
	do {
		reader->path = zkcfg_cursor_path(&cursor);
		reader->name = zkcfg_cursor_name(&cursor);
		reader->value = zkcfg_cursor_value(&cursor);
		if (!reader->path || !reader->name)
			return element_fail(reader, path, "cannot be read back");
		if (zkcfg_cursor_kind(&cursor) == ZKCFG_ATTRIBUTE) {
			if (!reader->value)
				reader->value = "";
			err = element_attribute(reader);
		} else {
			err = element_end(reader);
			if (err == 0)
				err = element_begin(reader, reader->name, reader->path);
		}
	} while (err == 0 && zkcfg_cursor_next(&cursor) == 0);
	return err == 0 ? element_end(reader) : err;
}

int element_read(const struct zkcfg_document *document, const char *path, const char *directory,
		 const char *set, struct hook_config *config, struct element_fault *fault)
{
	struct element_reader reader = {
		.document = document, .directory = directory, .config = config, .fault = fault
	};
	int err;

	hook_config_init(config);
	err = element_walk(&reader, path);
	config->set = err == 0 ? strdup(set) : NULL;
	if (err == 0 && !config->set)
		err = element_out_of_memory(&reader);
	if (err == 0) {
		snprintf(fault->path, sizeof(fault->path), "%s", path);
		err = hook_config_check(config, &fault->message);
	}
	if (err < 0)
		hook_config_free(config);
	return err;
}
