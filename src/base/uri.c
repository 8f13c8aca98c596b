/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/uri.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define URI_FORM "expected scheme://authority/path?key=value&key=value"

static int uri_hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* The value of "%XX" at the begin of text, or -1. */
static int uri_hex_pair(const char *text, size_t length)
{
	int high, low;

	if (length < 3)
		return -1;
	high = uri_hex_digit(text[1]);
	low = uri_hex_digit(text[2]);
	return high < 0 || low < 0 ? -1 : high << 4 | low;
}

/* A copy with %XX decoded. A message names the part and never shows it: it may be somebody's secret. */
static int uri_decode(const char *text, size_t length, const char *part, char **decoded,
		      struct message *message)
{
	char *out = malloc(length + 1);
	size_t used = 0;

	if (!out)
		return -ENOMEM;
	for (size_t i = 0; i < length; i++) {
		int c = (unsigned char)text[i];

		if (c == '%') {
			c = uri_hex_pair(text + i, length - i);
			if (c < 0) {
				message_set(message,
					    "a %% in the %s is not followed by two hexadecimal digits; "
					    "a plain %% is written %%25",
					    part);
				goto free_out;
			}
			i += 2;
		}
		if (c < 0x20 || c == 0x7f) {
			message_set(message, "the %s has the control character 0x%02x; a URI must not", part,
				    (unsigned)c);
			goto free_out;
		}
		out[used++] = (char)c;
	}
	out[used] = '\0';
	*decoded = out;
	return 0;
free_out:
	free(out);
	return -EINVAL;
}

/* RFC 3986: a letter, then letters, digits, '+', '-', '.'; returns its length or 0. */
static size_t uri_scheme_length(const char *text)
{
	size_t length = 0;

	if (!isalpha((unsigned char)text[0]))
		return 0;
	while (isalnum((unsigned char)text[length]) || (text[length] && strchr("+-.", text[length])))
		length++;
	return strncmp(text + length, "://", 3) == 0 ? length : 0;
}

static int uri_copy_authority(const char *text, size_t length, struct uri *uri, struct message *message)
{
	for (size_t i = 0; i < length; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c == '@') {
			message_set(message, "a user or password is not accepted in a URI, where others can "
					     "read it: name a file that has it with an option, as "
					     "?auth_file=PATH");
			return -EINVAL;
		}
		if (c <= 0x20 || c == 0x7f || c == '%') {
			message_set(message,
				    "the authority (what is between \"//\" and the next '/') has the "
				    "character 0x%02x; expected host:port[,host:port...]",
				    c);
			return -EINVAL;
		}
	}
	uri->authority = strndup(text, length);
	return uri->authority ? 0 : -ENOMEM;
}

static int uri_copy_path(const char *text, size_t length, struct uri *uri, struct message *message)
{
	size_t end;
	int err;

	if (length == 0) {
		uri->path = strdup("/");
		return uri->path ? 0 : -ENOMEM;
	}
	err = uri_decode(text, length, "path", &uri->path, message);
	if (err < 0)
		return err;
	end = strlen(uri->path);
	while (end > 1 && uri->path[end - 1] == '/')
		uri->path[--end] = '\0';
	return 0;
}

static int uri_add_option(const char *text, size_t length, struct uri *uri, struct message *message)
{
	const char *equals = memchr(text, '=', length);
	struct uri_option option = { 0 };
	struct uri_option *grown;
	int err;

	if (!equals || equals == text) {
		message_set(message, "an option after '?' is not of the form key=value; " URI_FORM);
		return -EINVAL;
	}
	err = uri_decode(text, (size_t)(equals - text), "key of an option", &option.key, message);
	if (err < 0)
		return err;
	err = uri_decode(equals + 1, length - (size_t)(equals - text) - 1, "value of an option",
			 &option.value, message);
	if (err < 0)
		goto free_key;
	if (uri_option(uri, option.key)) {
		message_set(message, "the option %s is given twice; expected once", option.key);
		err = -EINVAL;
		goto free_value;
	}
	grown = reallocarray(uri->options, uri->option_count + 1, sizeof(*grown));
	if (!grown) {
		err = -ENOMEM;
		goto free_value;
	}
	uri->options = grown;
	uri->options[uri->option_count++] = option;
	return 0;
free_value:
	free(option.value);
free_key:
	free(option.key);
	return err;
}

static int uri_add_options(const char *text, struct uri *uri, struct message *message)
{
	while (*text != '\0') {
		size_t length = strcspn(text, "&");
		int err = uri_add_option(text, length, uri, message);

		if (err < 0)
			return err;
		text += length;
		if (*text == '&')
			text++;
	}
	return 0;
}

int uri_parse(const char *text, struct uri *uri, struct message *message)
{
	size_t scheme = uri_scheme_length(text);
	struct uri parsed = { 0 };
	const char *rest;
	size_t length;
	int err;

	if (scheme == 0) {
		message_set(message, "this does not begin with a scheme and \"://\"; " URI_FORM);
		return -EINVAL;
	}
	if (strchr(text, '#')) {
		message_set(message, "a '#' has no meaning here; " URI_FORM ", and %%23 for a '#' in a path");
		return -EINVAL;
	}
	parsed.scheme = strndup(text, scheme);
	if (!parsed.scheme)
		return -ENOMEM;
	rest = text + scheme + 3;
	length = strcspn(rest, "/?");
	err = uri_copy_authority(rest, length, &parsed, message);
	if (err < 0)
		goto free_parsed;
	rest += length;
	length = strcspn(rest, "?");
	err = uri_copy_path(rest, length, &parsed, message);
	if (err < 0)
		goto free_parsed;
	rest += length;
	err = *rest == '?' ? uri_add_options(rest + 1, &parsed, message) : 0;
	if (err < 0)
		goto free_parsed;
	*uri = parsed;
	return 0;
free_parsed:
	uri_free(&parsed);
	return err;
}

void uri_free(struct uri *uri)
{
	free(uri->scheme);
	free(uri->authority);
	free(uri->path);
	for (size_t i = 0; i < uri->option_count; i++) {
		free(uri->options[i].key);
		free(uri->options[i].value);
	}
	free(uri->options);
	*uri = (struct uri){ 0 };
}

const char *uri_option(const struct uri *uri, const char *key)
{
	for (size_t i = 0; i < uri->option_count; i++)
		if (strcmp(uri->options[i].key, key) == 0)
			return uri->options[i].value;
	return NULL;
}
