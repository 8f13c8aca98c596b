/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buffer.h"
#include "base/uri.h"
#include "source/apollo.h"
#include "source/secret.h"

#define TARGET_EXAMPLE "apollo://meta:8080/my-app/default?namespaces=service.xml,application"
#define TARGET_HOST_FORM "expected host:port[,host:port...], an IPv6 address in brackets, as " TARGET_EXAMPLE
#define TARGET_NAME_LETTERS "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_-."

/* --- meta servers -------------------------------------------------------- */

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

/* "h", "h:8080", "[::1]:8080"; tells where the host ends, brackets included. */
static bool target_is_host(const char *text, size_t length, size_t *host_length)
{
	const char *colon;

	if (length > 0 && text[0] == '[') {
		const char *bracket = memchr(text, ']', length);

		if (!bracket ||
		    strspn(text + 1, "0123456789abcdefABCDEF:.") != (size_t)(bracket - text) - 1 ||
		    !memchr(text, ':', (size_t)(bracket - text)))
			return false;
		*host_length = (size_t)(bracket - text) + 1;
	} else {
		colon = memchr(text, ':', length);
		*host_length = colon ? (size_t)(colon - text) : length;
		if (*host_length == 0 || strspn(text, TARGET_NAME_LETTERS) < *host_length)
			return false;
	}
	return *host_length == length || (text[*host_length] == ':' &&
					  target_is_port(text + *host_length + 1, length - *host_length - 1));
}

static int target_add_meta(struct apollo_target *target, const char *text, size_t length, size_t host_length)
{
	char **grown = reallocarray(target->metas, target->meta_count + 1, sizeof(*grown));
	struct buffer url = { 0 };

	if (!grown)
		return -ENOMEM;
	target->metas = grown;
	buffer_printf(&url, "%s://%.*s", target->is_tls ? "https" : "http", (int)length, text);
	if (host_length == length)
		buffer_printf(&url, ":%s", target->is_tls ? APOLLO_TLS_PORT : APOLLO_PORT);
	buffer_append(&url, "", 1);
	if (buffer_failed(&url)) {
		buffer_free(&url);
		return -ENOMEM;
	}
	target->metas[target->meta_count++] = url.bytes;
	return 0;
}

static int target_take_metas(const struct uri *uri, struct apollo_target *target, struct message *message)
{
	const char *text = uri->authority;

	for (;;) {
		size_t length = strcspn(text, ","), host_length;
		int err;

		if (!target_is_host(text, length, &host_length)) {
			message_set(message, "\"%.*s\" in \"%s\" is no host; " TARGET_HOST_FORM, (int)length,
				    text, uri->authority);
			return -EINVAL;
		}
		err = target_add_meta(target, text, length, host_length);
		if (err < 0 || text[length] == '\0')
			return err;
		text += length + 1;
	}
}

/* --- app and cluster -------------------------------------------------------- */

/* What Apollo takes for an app, a cluster and a namespace; "." and ".." mean something else in a URL. */
static bool target_is_name(const char *text, size_t length)
{
	return length > 0 && length <= APOLLO_NAME_MOST_BYTES &&
	       strspn(text, TARGET_NAME_LETTERS) >= length && strspn(text, ".") < length;
}

static int target_take_path(const struct uri *uri, struct apollo_target *target, struct message *message)
{
	const char *app = uri->path + 1;
	size_t app_length = strcspn(app, "/");
	const char *cluster = app + app_length + (app[app_length] == '/');

	if (!target_is_name(app, app_length) || !target_is_name(cluster, strlen(cluster))) {
		message_set(message,
			    "the path %s is not /APPID/CLUSTER, each of letters, digits, '_', '-' and '.'; "
			    "expected "
			    "as " TARGET_EXAMPLE,
			    uri->path);
		return -EINVAL;
	}
	target->app = strndup(app, app_length);
	target->cluster = strdup(cluster);
	return target->app && target->cluster ? 0 : -ENOMEM;
}

/* --- namespaces -------------------------------------------------------- */

static bool target_ends(const char *text, size_t length, const char *suffix)
{
	size_t suffix_length = strlen(suffix);

	return length > suffix_length &&
	       strncasecmp(text + length - suffix_length, suffix, suffix_length) == 0;
}

static const char *target_no_xml(const char *text, size_t length)
{
	static const char *const suffixes[] = { ".json", ".yml", ".yaml", ".txt" };

	for (size_t i = 0; i < sizeof(suffixes) / sizeof(*suffixes); i++)
		if (target_ends(text, length, suffixes[i]))
			return suffixes[i];
	return NULL;
}

static int target_check_namespace(const struct apollo_target *target, const char *text, size_t length,
				  struct message *message)
{
	const char *suffix = target_no_xml(text, length);

	if (!target_is_name(text, length)) {
		message_set(message,
			    "namespaces has \"%.*s\", which is none: letters, digits, '_', '-' and '.'; "
			    "expected names "
			    "with commas between, as " TARGET_EXAMPLE,
			    (int)length, text);
		return -EINVAL;
	}
	if (suffix) {
		message_set(
			message,
			"the namespace %.*s is of the format %s, which is no XML; expected one that ends in "
			".xml, or "
			"one of properties",
			(int)length, text, suffix);
		return -EINVAL;
	}
	for (size_t i = 0; i < target->name_count; i++)
		if (strlen(target->names[i].name) == length &&
		    strncasecmp(target->names[i].name, text, length) == 0) {
			message_set(message,
				    "the namespace %.*s is named twice (Apollo ignores case); expected once",
				    (int)length, text);
			return -EINVAL;
		}
	return 0;
}

static int target_add_namespace(struct apollo_target *target, const char *text, size_t length,
				struct message *message)
{
	struct apollo_name name = { .is_xml = target_ends(text, length, ".xml") };
	struct apollo_name *grown;
	int err;

	if (target_ends(text, length, ".properties"))
		length -= strlen(".properties");
	err = target_check_namespace(target, text, length, message);
	if (err < 0)
		return err;
	if (target->name_count == APOLLO_NAMESPACES_MOST) {
		message_set(message, "namespaces has more than %d; expected fewer, or more sets",
			    APOLLO_NAMESPACES_MOST);
		return -EINVAL;
	}
	grown = reallocarray(target->names, target->name_count + 1, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	target->names = grown;
	name.name = strndup(text, length);
	if (!name.name)
		return -ENOMEM;
	target->names[target->name_count++] = name;
	return 0;
}

static int target_take_namespaces(const struct uri_option *option, struct apollo_target *target,
				  struct message *message)
{
	const char *text = option->value;

	if (strlen(text) > APOLLO_NAMES_MOST_BYTES) {
		message_set(message, "namespaces has %zu bytes; expected at most %d, or more sets",
			    strlen(text), APOLLO_NAMES_MOST_BYTES);
		return -EINVAL;
	}
	for (;;) {
		size_t length = strcspn(text, ",");
		int err = target_add_namespace(target, text, length, message);

		if (err < 0 || text[length] == '\0')
			return err;
		text += length + 1;
	}
}

/* --- options -------------------------------------------------------- */

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

static int target_take_option(struct uri_option *option, struct apollo_target *target,
			      struct message *message)
{
	const struct {
		const char *name;
		char **text;
		const char *expected;
	} texts[] = {
		{ "ip", &target->ip, "this host's address, as 10.0.0.1" },
		{ "label", &target->label, "a label of Apollo's gray rules" },
		{ "secret_file", &target->secret_file, "the path of a file with the app's access key" },
		{ "ca_file", &target->ca_file, "the path of a file with CA certificates" },
		{ "cert_file", &target->cert_file, "the path of a file with a certificate" },
		{ "key_file", &target->key_file, "the path of a file with a private key" },
	};
	int taken = pace_take(&target->pace, option, message);

	if (taken != 0)
		return taken < 0 ? taken : 0;
	if (strcmp(option->key, "namespaces") == 0)
		return target_take_namespaces(option, target, message);
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		if (strcmp(option->key, texts[i].name) == 0)
			return target_take_text(option, texts[i].text, texts[i].expected, message);
	message_set(message,
		    "the option %.64s is not known; expected " PACE_OPTIONS
		    ", namespaces, ip, label, secret_file, ca_file, cert_file, key_file",
		    option->key);
	return -EINVAL;
}

static int target_take_options(struct uri *uri, struct apollo_target *target, struct message *message)
{
	for (size_t i = 0; i < uri->option_count; i++) {
		int err = target_take_option(&uri->options[i], target, message);

		if (err < 0)
			return err;
	}
	if (target->name_count == 0) {
		message_set(message,
			    "the namespaces to follow are not named; expected namespaces=NAME[,NAME...], "
			    "as " TARGET_EXAMPLE);
		return -EINVAL;
	}
	if (!target->cert_file != !target->key_file) {
		message_set(message, "%s is given without %s; expected both or none",
			    target->cert_file ? "cert_file" : "key_file",
			    target->cert_file ? "key_file" : "cert_file");
		return -EINVAL;
	}
	return pace_check(&target->pace, message);
}

/* --- the whole -------------------------------------------------------- */

int apollo_target_parse(const char *uri_text, struct apollo_target *target, struct message *message)
{
	struct apollo_target parsed = { 0 };
	struct uri uri;
	int err;

	pace_init(&parsed.pace);
	err = uri_parse(uri_text, &uri, message);
	if (err < 0)
		goto out;
	parsed.is_tls = strcmp(uri.scheme, "apollos") == 0;
	err = target_take_metas(&uri, &parsed, message);
	if (err == 0)
		err = target_take_path(&uri, &parsed, message);
	if (err == 0)
		err = target_take_options(&uri, &parsed, message);
	uri_free(&uri);
out:
	if (err == -ENOMEM)
		message_set(message, "out of memory");
	if (err < 0)
		apollo_target_free(&parsed);
	else
		*target = parsed;
	return err;
}

void apollo_target_free(struct apollo_target *target)
{
	for (size_t i = 0; i < target->meta_count; i++)
		free(target->metas[i]);
	for (size_t i = 0; i < target->name_count; i++)
		free(target->names[i].name);
	free(target->metas);
	free(target->names);
	free(target->app);
	free(target->cluster);
	free(target->ip);
	free(target->label);
	free(target->secret_file);
	free(target->ca_file);
	free(target->cert_file);
	free(target->key_file);
	*target = (struct apollo_target){ 0 };
}

static bool target_is_key(const char *line)
{
	for (const char *at = line; *at != '\0'; at++)
		if (*at <= ' ' || *at > '~')
			return false;
	return true;
}

int apollo_secret_read(const struct apollo_target *target, char **secret, struct message *message)
{
	struct secret_file wanted = { "secret_file", target->secret_file, "access key",
				      "one line, the app's access key", target_is_key };

	*secret = NULL;
	return target->secret_file ? secret_read(&wanted, secret, message) : 0;
}
