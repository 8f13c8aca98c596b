/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/uri.h"
#include "source/etcd.h"
#include "source/etcd_ask.h"
#include "source/secret.h"

#define TARGET_HOST_FORM \
	"expected host:port[,host:port...], an IPv6 address in brackets, as etcd://127.0.0.1:2379/config/app"
#define TARGET_SECRET_FORM "one line, user:password, in UTF-8"

/* --- endpoints ---------------------------------------------------------------------- */

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

static bool target_is_host(const char *text, size_t length)
{
	if (length > 2 && text[0] == '[' && text[length - 1] == ']')
		return strspn(text + 1, "0123456789abcdefABCDEF:.") == length - 2 &&
		       memchr(text + 1, ':', length - 2) != NULL;
	for (size_t i = 0; i < length; i++)
		if (strchr("[]:@\\\"<>^`{|}", text[i]))
			return false;
	return length > 0;
}

/* Where the port begins, with its colon; the end if there is none. */
static const char *target_port(const char *text, size_t length)
{
	const char *bracket = length > 0 && text[0] == '[' ? memchr(text, ']', length) : NULL;
	const char *from = bracket ? bracket + 1 : text;
	const char *colon = memchr(from, ':', (size_t)(text + length - from));

	return colon ? colon : text + length;
}

static int target_add_endpoint(const char *text, size_t length, struct etcd_target *target)
{
	const char *port = target_port(text, length), *end = text + length;
	size_t host_length = (size_t)(port - text);
	struct buffer url = { 0 };
	char **grown;

	if (!target_is_host(text, host_length) ||
	    (port < end && !target_is_port(port + 1, (size_t)(end - port) - 1)))
		return -EINVAL;
	grown = reallocarray(target->endpoints, target->endpoint_count + 1, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	target->endpoints = grown;
	buffer_printf(&url, "%s://%.*s%.*s", target->is_tls ? "https" : "http", (int)host_length, text,
		      (int)(end - port), port);
	if (port == end)
		buffer_printf(&url, ":" ETCD_PORT);
	buffer_append(&url, "", 1);
	if (buffer_failed(&url)) {
		buffer_free(&url);
		return -ENOMEM;
	}
	target->endpoints[target->endpoint_count++] = url.bytes;
	return 0;
}

static int target_take_endpoints(const struct uri *uri, struct etcd_target *target, struct message *message)
{
	const char *text = uri->authority;

	for (;;) {
		size_t length = strcspn(text, ",");
		int err = target_add_endpoint(text, length, target);

		if (err == -EINVAL)
			message_set(message, "\"%.*s\" in \"%s\" is no host; " TARGET_HOST_FORM, (int)length,
				    text, uri->authority);
		if (err < 0)
			return err;
		text += length;
		if (*text++ == '\0')
			return 0;
	}
}

/* --- prefix and options -------------------------------------------------------------- */

static int target_take_prefix(const struct uri *uri, struct etcd_target *target, struct message *message)
{
	size_t length = strlen(uri->path);

	if (strstr(uri->path, "//")) {
		message_set(message,
			    "the path %s has an empty part; expected the prefix of keys, as "
			    "etcd://127.0.0.1:2379/config/app",
			    uri->path);
		return -EINVAL;
	}
	target->prefix = calloc(1, length + 2);
	target->end = calloc(1, length + 2);
	if (!target->prefix || !target->end)
		return -ENOMEM;
	memcpy(target->prefix, uri->path, length);
	if (uri->path[length - 1] != '/')
		target->prefix[length++] = '/';
	memcpy(target->end, target->prefix, length);
	target->end[length - 1]++; /* '0' comes behind '/' */
	return 0;
}

static int target_take_file(struct uri_option *option, char **file, struct message *message)
{
	if (*option->value == '\0') {
		message_set(message, "%s is empty; expected the path of a file, as /etc/zkcfg/%s",
			    option->key, option->key);
		return -EINVAL;
	}
	*file = option->value;
	option->value = NULL;
	return 0;
}

static int target_take_option(struct uri_option *option, struct etcd_target *target, struct message *message)
{
	struct {
		const char *name;
		char **file;
	} files[] = { { "auth_file", &target->auth_file },
		      { "ca_file", &target->ca_file },
		      { "cert_file", &target->cert_file },
		      { "key_file", &target->key_file } };
	int taken = pace_take(&target->pace, option, message);

	if (taken != 0)
		return taken < 0 ? taken : 0;
	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
		if (strcmp(option->key, files[i].name) != 0)
			continue;
		if (i == 0 || target->is_tls)
			return target_take_file(option, files[i].file, message);
		message_set(message, "%s is for etcds://, which has TLS; etcd:// has none", option->key);
		return -EINVAL;
	}
	message_set(message, "the option %.64s is not known; expected " PACE_OPTIONS ", auth_file%s",
		    option->key, target->is_tls ? ", ca_file, cert_file, key_file" : "");
	return -EINVAL;
}

static int target_take_options(struct uri *uri, struct etcd_target *target, struct message *message)
{
	for (size_t i = 0; i < uri->option_count; i++) {
		int err = target_take_option(&uri->options[i], target, message);

		if (err < 0)
			return err;
	}
	if (!target->cert_file != !target->key_file) {
		message_set(message, "%s is given without %s; expected both, or none",
			    target->cert_file ? "cert_file" : "key_file",
			    target->cert_file ? "key_file" : "cert_file");
		return -EINVAL;
	}
	return pace_check(&target->pace, message);
}

int etcd_target_parse(const char *uri_text, struct etcd_target *target, struct message *message)
{
	struct etcd_target parsed = { .is_tls = strncmp(uri_text, "etcds:", 6) == 0 };
	struct uri uri;
	int err;

	pace_init(&parsed.pace);
	err = uri_parse(uri_text, &uri, message);
	if (err < 0)
		goto out;
	err = target_take_endpoints(&uri, &parsed, message);
	if (err == 0)
		err = target_take_prefix(&uri, &parsed, message);
	if (err == 0)
		err = target_take_options(&uri, &parsed, message);
	uri_free(&uri);
out:
	if (err == -ENOMEM)
		message_set(message, "out of memory");
	if (err < 0)
		etcd_target_free(&parsed);
	else
		*target = parsed;
	return err;
}

void etcd_target_free(struct etcd_target *target)
{
	for (size_t i = 0; i < target->endpoint_count; i++)
		free(target->endpoints[i]);
	free(target->endpoints);
	free(target->prefix);
	free(target->end);
	free(target->auth_file);
	free(target->ca_file);
	free(target->cert_file);
	free(target->key_file);
	*target = (struct etcd_target){ 0 };
}

/* --- files ------------------------------------------------------------------------------ */

int etcd_target_check_files(const struct etcd_target *target, struct message *message)
{
	const char *const names[] = { "ca_file", "cert_file", "key_file" };
	const char *const files[] = { target->ca_file, target->cert_file, target->key_file };

	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++)
		if (files[i] && access(files[i], R_OK) < 0) {
			int err = -errno;

			message_set(message, "%s %.256s cannot be read: %s", names[i], files[i],
				    strerror(-err));
			return err;
		}
	return 0;
}

struct http_tls etcd_target_tls(const struct etcd_target *target)
{
	return (struct http_tls){ target->ca_file, target->cert_file, target->key_file };
}

int etcd_secret_read(const struct etcd_target *target, struct buffer *body, struct message *message)
{
	struct secret_file wanted = { "auth_file", target->auth_file, "password", TARGET_SECRET_FORM,
				      secret_is_user_and_password };
	char *secret;
	int err;

	if (!target->auth_file)
		return 0;
	err = secret_read(&wanted, &secret, message);
	if (err < 0)
		return err;
	if (!etcd_ask_token(body, secret) || buffer_failed(body)) {
		err = -EINVAL;
		message_set(message, "auth_file %.256s does not hold what was expected: " TARGET_SECRET_FORM,
			    target->auth_file);
	}
	secret_free(secret);
	return err;
}

void etcd_secret_free(struct buffer *body)
{
	if (body->bytes)
		explicit_bzero(body->bytes, body->size_bytes);
	buffer_free(body);
}
