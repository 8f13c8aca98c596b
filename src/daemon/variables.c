/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/variables.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"

#define VARIABLES_EXPECTED "expected ${host}, ${env:NAME}, or $$ for a dollar"

static int variables_host(struct buffer *text, struct message *message)
{
	char name[HOST_NAME_MAX + 1];

	if (gethostname(name, sizeof(name)) < 0 || !memchr(name, '\0', sizeof(name))) {
		message_set(message, "${host}: the name of this host cannot be told");
		return -EINVAL;
	}
	buffer_append(text, name, strlen(name));
	return 0;
}

static int variables_environment(const char *name, size_t name_bytes, struct buffer *text,
				 struct message *message)
{
	char *copy = strndup(name, name_bytes);
	const char *value;
	int err = 0;

	if (!copy)
		return -ENOMEM;
	value = getenv(copy);
	if (value) {
		buffer_append(text, value, strlen(value));
	} else {
		message_set(message, "${env:%.128s}: the environment variable %.128s is not set", copy, copy);
		err = -EINVAL;
	}
	free(copy);
	return err;
}

/* What begins with a dollar; *end: out, behind it. */
static int variables_take(const char *at, const char **end, struct buffer *text, struct message *message)
{
	const char *brace = at[1] == '{' ? strchr(at, '}') : NULL;
	size_t name_bytes;

	if (at[1] == '$') {
		buffer_append(text, "$", 1);
		*end = at + 2;
		return 0;
	}
	if (!brace) {
		message_set(message, "'$' at \"%.64s\": " VARIABLES_EXPECTED, at);
		return -EINVAL;
	}
	*end = brace + 1;
	at += 2;
	name_bytes = (size_t)(brace - at);
	if (name_bytes == strlen("host") && memcmp(at, "host", name_bytes) == 0)
		return variables_host(text, message);
	if (name_bytes > strlen("env:") && memcmp(at, "env:", strlen("env:")) == 0)
		return variables_environment(at + strlen("env:"), name_bytes - strlen("env:"), text, message);
	message_set(message, "there is no variable \"%.*s\": " VARIABLES_EXPECTED,
		    name_bytes < 64 ? (int)name_bytes : 64, at);
	return -EINVAL;
}

int variables_expand(const char *text, char **expanded, struct message *message)
{
	struct buffer made = { 0 };
	int err = 0;

	while (err == 0 && *text != '\0') {
		size_t plain_bytes = strcspn(text, "$");

		buffer_append(&made, text, plain_bytes);
		text += plain_bytes;
		if (*text == '$')
			err = variables_take(text, &text, &made, message);
	}
	buffer_append(&made, "", 1);
	if (err == 0 && buffer_failed(&made))
		err = -ENOMEM;
	if (err < 0) {
		buffer_free(&made);
		return err;
	}
	*expanded = made.bytes;
	return 0;
}
