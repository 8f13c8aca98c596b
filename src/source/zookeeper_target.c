/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buffer.h"
#include "base/duration.h"
#include "base/file.h"
#include "base/log.h"
#include "base/uri.h"
#include "source/zookeeper.h"

#define TARGET_HOST_FORM "expected host:port[,host:port...], an IPv6 address in brackets"
#define TARGET_SECRET_MOST_BYTES 1024

static bool target_is_port(const char *text, size_t length)
{
	unsigned int port = 0;

	for (size_t i = 0; i < length && port <= UINT16_MAX; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		port = port * 10 + (unsigned int)(text[i] - '0');
	}
	return length > 0 && port > 0 && port <= UINT16_MAX;
}

/* One host, without brackets: the C client takes what is behind the last colon for the port. */
static bool target_add_host(struct buffer *hosts, const char *text, size_t length)
{
	const char *end = text + length, *host = text, *port;
	size_t host_length;

	if (length > 0 && text[0] == '[') {
		const char *bracket = memchr(text, ']', length);

		if (!bracket || (bracket + 1 < end && bracket[1] != ':'))
			return false;
		host = text + 1;
		host_length = (size_t)(bracket - host);
		if (strspn(host, "0123456789abcdefABCDEF:.") < host_length || !memchr(host, ':', host_length))
			return false;
		port = bracket + 1;
	} else {
		port = memchr(text, ':', length);
		if (!port)
			port = end;
		host_length = (size_t)(port - host);
		if (memchr(host, '[', host_length) || memchr(host, ']', host_length))
			return false;
	}
	if (host_length == 0 || (port < end && !target_is_port(port + 1, (size_t)(end - port) - 1)))
		return false;
	buffer_printf(hosts, "%s%.*s:", hosts->size_bytes > 0 ? "," : "", (int)host_length, host);
	if (port < end)
		buffer_append(hosts, port + 1, (size_t)(end - port) - 1);
	else
		buffer_append(hosts, ZOOKEEPER_PORT, strlen(ZOOKEEPER_PORT));
	return true;
}

static int target_take_hosts(const struct uri *uri, struct zookeeper_target *target, struct message *message)
{
	const char *text = uri->authority;
	struct buffer hosts = { 0 };

	for (;;) {
		size_t length = strcspn(text, ",");

		if (!target_add_host(&hosts, text, length)) {
			message_set(message, "\"%.*s\" in \"%s\" is no host; " TARGET_HOST_FORM, (int)length,
				    text, uri->authority);
			buffer_free(&hosts);
			return -EINVAL;
		}
		text += length;
		if (*text == '\0')
			break;
		text++;
	}
	buffer_append(&hosts, "", 1);
	if (buffer_failed(&hosts)) {
		buffer_free(&hosts);
		return -ENOMEM;
	}
	target->hosts = hosts.bytes;
	return 0;
}

static int target_take_path(struct uri *uri, struct zookeeper_target *target, struct message *message)
{
	const char *part = uri->path;

	while (*part == '/' && part[1] != '\0') {
		size_t length = strcspn(++part, "/");

		if (length == 0 || (length == 1 && part[0] == '.') ||
		    (length == 2 && memcmp(part, "..", 2) == 0)) {
			message_set(message,
				    "the path %s has an empty part, \".\" or \"..\": ZooKeeper has none",
				    uri->path);
			return -EINVAL;
		}
		part += length;
	}
	target->path = uri->path;
	uri->path = NULL;
	return 0;
}

static int target_take_timeout(struct uri_option *option, struct zookeeper_target *target,
			       struct message *message)
{
	const char *value = option->value;
	char *end;
	long ms;

	errno = 0;
	ms = strtol(value, &end, 10);
	if (errno != 0 || *value < '0' || *value > '9' || *end != '\0' || ms < ZOOKEEPER_TIMEOUT_LEAST_MS ||
	    ms > ZOOKEEPER_TIMEOUT_MOST_MS) {
		message_set(message, "session_timeout_ms is \"%.32s\"; expected milliseconds, %d to %d",
			    value, ZOOKEEPER_TIMEOUT_LEAST_MS, ZOOKEEPER_TIMEOUT_MOST_MS);
		return -EINVAL;
	}
	target->session_timeout_ms = (int)ms;
	return 0;
}

static int target_take_audit(struct uri_option *option, struct zookeeper_target *target,
			     struct message *message)
{
	int64_t ms;

	if (duration_parse(option->value, NULL, &ms) < 0 || (ms != 0 && ms < ZOOKEEPER_AUDIT_LEAST_MS) ||
	    ms > ZOOKEEPER_AUDIT_MOST_MS) {
		message_set(message,
			    "audit is \"%.32s\"; expected a duration of %d s to %d h, as 5m, or 0 for none",
			    option->value, ZOOKEEPER_AUDIT_LEAST_MS / 1000,
			    ZOOKEEPER_AUDIT_MOST_MS / 3600000);
		return -EINVAL;
	}
	target->audit_ms = ms;
	return 0;
}

static int target_take_splay(struct uri_option *option, struct zookeeper_target *target,
			     struct message *message)
{
	int64_t ms;

	if (duration_parse(option->value, NULL, &ms) < 0 || ms > ZOOKEEPER_SPLAY_MOST_MS) {
		message_set(message, "splay is \"%.32s\"; expected a duration of 0 to %d m, as 500ms or 2s",
			    option->value, ZOOKEEPER_SPLAY_MOST_MS / 60000);
		return -EINVAL;
	}
	target->splay_ms = ms;
	return 0;
}

/* The option's own text becomes the target's. */
static int target_take_text(struct uri_option *option, char **text, const char *expected,
			    struct message *message)
{
	if (*option->value == '\0') {
		message_set(message, "%s is empty; expected %s", option->key, expected);
		return -EINVAL;
	}
	*text = option->value;
	option->value = NULL;
	return 0;
}

static int target_take_auth_file(struct uri_option *option, struct zookeeper_target *target,
				 struct message *message)
{
	return target_take_text(option, &target->auth_file, "the path of a file with user:password", message);
}

static int target_take_splay_seed(struct uri_option *option, struct zookeeper_target *target,
				  struct message *message)
{
	return target_take_text(option, &target->splay_seed, "a text that differs from host to host", message);
}

static const struct target_option {
	const char *name;
	int (*take)(struct uri_option *option, struct zookeeper_target *target, struct message *message);
} target_options[] = {
	{ "session_timeout_ms", target_take_timeout },
	{ "auth_file", target_take_auth_file },
	{ "audit", target_take_audit },
	{ "splay", target_take_splay },
	{ "splay_seed", target_take_splay_seed },
};

#define TARGET_OPTIONS_COUNT (sizeof(target_options) / sizeof(*target_options))

static int target_refuse_option(const struct uri_option *option, struct message *message)
{
	struct buffer list = { 0 };

	for (size_t i = 0; i < TARGET_OPTIONS_COUNT; i++)
		buffer_printf(&list, "%s%s", i == 0 ? "" : ", ", target_options[i].name);
	message_set(message, "the option %.64s is not known; expected %.*s", option->key,
		    (int)list.size_bytes, list.bytes ? list.bytes : "");
	buffer_free(&list);
	return -EINVAL;
}

static int target_take_option(struct uri_option *option, struct zookeeper_target *target,
			      struct message *message)
{
	for (size_t i = 0; i < TARGET_OPTIONS_COUNT; i++)
		if (strcmp(option->key, target_options[i].name) == 0)
			return target_options[i].take(option, target, message);
	return target_refuse_option(option, message);
}

static int target_take_options(struct uri *uri, struct zookeeper_target *target, struct message *message)
{
	for (size_t i = 0; i < uri->option_count; i++) {
		int err = target_take_option(&uri->options[i], target, message);

		if (err < 0)
			return err;
	}
	return 0;
}

int zookeeper_target_parse(const char *uri_text, struct zookeeper_target *target, struct message *message)
{
	struct zookeeper_target parsed = {
		.session_timeout_ms = ZOOKEEPER_TIMEOUT_MS,
		.audit_ms = ZOOKEEPER_AUDIT_MS,
	};
	struct uri uri;
	int err;

	err = uri_parse(uri_text, &uri, message);
	if (err < 0)
		goto out;
	err = target_take_hosts(&uri, &parsed, message);
	if (err == 0)
		err = target_take_path(&uri, &parsed, message);
	if (err == 0)
		err = target_take_options(&uri, &parsed, message);
	uri_free(&uri);
out:
	if (err == -ENOMEM)
		message_set(message, "out of memory");
	if (err < 0)
		zookeeper_target_free(&parsed);
	else
		*target = parsed;
	return err;
}

void zookeeper_target_free(struct zookeeper_target *target)
{
	free(target->hosts);
	free(target->path);
	free(target->auth_file);
	free(target->splay_seed);
	*target = (struct zookeeper_target){ 0 };
}

/* One line, user:password; ends the text behind it. */
static bool target_is_secret(char *text)
{
	size_t length = strcspn(text, "\r\n");

	if (text[length + strspn(text + length, "\r\n")] != '\0')
		return false;
	text[length] = '\0';
	return strchr(text, ':') != NULL && text[0] != ':';
}

int zookeeper_secret_read(const struct zookeeper_target *target, char **secret, struct message *message)
{
	struct buffer text = { 0 };
	struct stat st;
	int err;

	*secret = NULL;
	if (!target->auth_file)
		return 0;
	err = file_read(target->auth_file, TARGET_SECRET_MOST_BYTES, &text);
	if (err < 0) {
		message_set(message, "auth_file %s cannot be read: %s%s", target->auth_file, strerror(-err),
			    err == -EFBIG ? " (more than 1024 bytes; expected one line, user:password)" : "");
		goto free_text;
	}
	buffer_append(&text, "", 1);
	if (buffer_failed(&text)) {
		err = -ENOMEM;
		message_set(message, "out of memory");
		goto free_text;
	}
	if (strlen(text.bytes) + 1 != text.size_bytes || !target_is_secret(text.bytes)) {
		err = -EINVAL;
		message_set(message, "auth_file %s does not hold what was expected: one line, user:password",
			    target->auth_file);
		goto free_text;
	}
	if (stat(target->auth_file, &st) == 0 && (st.st_mode & (S_IRWXG | S_IRWXO) & ~(mode_t)S_IRGRP) != 0)
		log_warning("auth_file %s has mode %04o: others than its owner and group have access to the "
			    "password; expected 0600 or 0640",
			    target->auth_file, (unsigned int)st.st_mode & 07777);
	*secret = text.bytes;
	return 0;
free_text:
	if (text.bytes)
		explicit_bzero(text.bytes, text.size_bytes);
	buffer_free(&text);
	return err;
}

void zookeeper_secret_free(char *secret)
{
	if (!secret)
		return;
	explicit_bzero(secret, strlen(secret));
	free(secret);
}
