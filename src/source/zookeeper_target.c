/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/duration.h"
#include "base/uri.h"
#include "source/secret.h"
#include "source/zookeeper.h"

#define TARGET_HOST_FORM "expected host:port[,host:port...], an IPv6 address in brackets"
#ifdef HAVE_ZOOKEEPER_INIT_SSL
#define TARGET_HAS_TLS true
#else
#define TARGET_HAS_TLS false
#endif

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
static bool target_add_host(struct buffer *hosts, const char *text, size_t length, const char *usual_port)
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
		buffer_append(hosts, usual_port, strlen(usual_port));
	return true;
}

static int target_take_hosts(const struct uri *uri, struct zookeeper_target *target, struct message *message)
{
	const char *text = uri->authority, *usual_port = target->tls ? ZOOKEEPER_TLS_PORT : ZOOKEEPER_PORT;
	struct buffer hosts = { 0 };

	for (;;) {
		size_t length = strcspn(text, ",");

		if (!target_add_host(&hosts, text, length, usual_port)) {
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

/* The next character of UTF-8, and its length; -1: it is none. */
static int32_t target_character(const char *text, size_t *length)
{
	static const int32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	unsigned char first = (unsigned char)*text;
	int32_t character;

	*length = first < 0x80	 ? 1
		  : first < 0xc0 ? 0
		  : first < 0xe0 ? 2
		  : first < 0xf0 ? 3
		  : first < 0xf8 ? 4
				 : 0;
	if (*length <= 1)
		return *length == 1 ? first : -1;
	character = first & (0xff >> (*length + 1));
	for (size_t i = 1; i < *length; i++) {
		if (((unsigned char)text[i] & 0xc0) != 0x80)
			return -1;
		character = character << 6 | ((unsigned char)text[i] & 0x3f);
	}
	return character < least[*length] ? -1 : character;
}

/* What ZooKeeper's servers take in a path: of UTF-16, and of that not all. */
static int target_check_characters(const char *path, struct message *message)
{
	size_t length;

	for (const char *at = path; *at != '\0'; at += length) {
		int32_t character = target_character(at, &length);

		if (character < 0) {
			message_set(message, "the path %s is not UTF-8 at its byte %zu; expected UTF-8", path,
				    (size_t)(at - path) + 1);
			return -EINVAL;
		}
		if ((character >= 0x7f && character <= 0x9f) ||
		    (character >= 0xd800 && character <= 0xf8ff) || character >= 0xfff0) {
			message_set(message,
				    "the path %s has the character U+%04X; ZooKeeper takes none of U+007F to "
				    "U+009F, U+D800 to U+F8FF, and from U+FFF0 on",
				    path, (unsigned int)character);
			return -EINVAL;
		}
	}
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
	if (target_check_characters(uri->path, message) < 0)
		return -EINVAL;
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
	return target_take_text(option, &target->splay_seed, "a text that differs from host to host",
				message);
}

/* The client takes all of them as one text, with commas between. */
static int target_take_tls_file(struct uri_option *option, char **file, const char *expected,
				struct message *message)
{
	if (strchr(option->value, ',')) {
		message_set(message,
			    "%s has a comma in its name, %.256s: the ZooKeeper client takes its files as "
			    "one list with commas; expected a name without one",
			    option->key, option->value);
		return -EINVAL;
	}
	return target_take_text(option, file, expected, message);
}

static int target_take_ca_file(struct uri_option *option, struct zookeeper_target *target,
			       struct message *message)
{
	return target_take_tls_file(option, &target->tls->ca_file, "the path of a file with CA certificates",
				    message);
}

static int target_take_cert_file(struct uri_option *option, struct zookeeper_target *target,
				 struct message *message)
{
	return target_take_tls_file(option, &target->tls->cert_file, "the path of a file with a certificate",
				    message);
}

static int target_take_key_file(struct uri_option *option, struct zookeeper_target *target,
				struct message *message)
{
	return target_take_tls_file(option, &target->tls->key_file, "the path of a file with a private key",
				    message);
}

/* The client never sees this one's name. */
static int target_take_key_password_file(struct uri_option *option, struct zookeeper_target *target,
					 struct message *message)
{
	return target_take_text(option, &target->tls->key_password_file, "the path of a file with a password",
				message);
}

static const struct target_option {
	const char *name;
	int (*take)(struct uri_option *option, struct zookeeper_target *target, struct message *message);
	bool is_tls; /* for zks:// only */
} target_options[] = {
	{ "session_timeout_ms", target_take_timeout, false },
	{ "auth_file", target_take_auth_file, false },
	{ "splay", target_take_splay, false },
	{ "splay_seed", target_take_splay_seed, false },
	{ "ca_file", target_take_ca_file, true },
	{ "cert_file", target_take_cert_file, true },
	{ "key_file", target_take_key_file, true },
	{ "key_password_file", target_take_key_password_file, true },
};

#define TARGET_OPTIONS_COUNT (sizeof(target_options) / sizeof(*target_options))

static int target_refuse_option(const struct uri_option *option, const struct zookeeper_target *target,
				struct message *message)
{
	struct buffer list = { 0 };

	buffer_printf(&list, PACE_OPTIONS);
	for (size_t i = 0; i < TARGET_OPTIONS_COUNT; i++)
		if (target->tls || !target_options[i].is_tls)
			buffer_printf(&list, ", %s", target_options[i].name);
	message_set(message, "the option %.64s is not known; expected %.*s", option->key,
		    (int)list.size_bytes, list.bytes ? list.bytes : "");
	buffer_free(&list);
	return -EINVAL;
}

static int target_take_option(struct uri_option *option, struct zookeeper_target *target,
			      struct message *message)
{
	int taken = pace_take(&target->pace, option, message);

	if (taken != 0)
		return taken < 0 ? taken : 0;
	for (size_t i = 0; i < TARGET_OPTIONS_COUNT; i++) {
		if (strcmp(option->key, target_options[i].name) != 0)
			continue;
		if (target->tls || !target_options[i].is_tls)
			return target_options[i].take(option, target, message);
		message_set(message, "%s is for zks://, which has TLS; zk:// has none", option->key);
		return -EINVAL;
	}
	return target_refuse_option(option, target, message);
}

static int target_take_options(struct uri *uri, struct zookeeper_target *target, struct message *message)
{
	for (size_t i = 0; i < uri->option_count; i++) {
		int err = target_take_option(&uri->options[i], target, message);

		if (err < 0)
			return err;
	}
	return pace_check(&target->pace, message);
}

/* zks:// as against zk://. */
static int target_take_scheme(const struct uri *uri, struct zookeeper_target *target, struct message *message)
{
	if (strcmp(uri->scheme, "zks") != 0)
		return 0;
	if (TARGET_HAS_TLS) {
		target->tls = calloc(1, sizeof(*target->tls));
		return target->tls ? 0 : -ENOMEM;
	}
	message_set(message,
		    "zks:// needs TLS, which the ZooKeeper client library that zkcfg was built with does not "
		    "have (no zookeeper_init_ssl); expected one built with OpenSSL, or zk://");
	return -EINVAL;
}

static int target_check_tls(const struct zookeeper_target *target, struct message *message)
{
	const struct zookeeper_tls *tls = target->tls;

	if (!tls || (tls->ca_file && tls->cert_file && tls->key_file))
		return 0;
	message_set(
		message,
		"zks:// without %s; expected ca_file, cert_file and key_file: the ZooKeeper client has no "
		"TLS without them",
		!tls->ca_file	  ? "ca_file"
		: !tls->cert_file ? "cert_file"
				  : "key_file");
	return -EINVAL;
}

int zookeeper_target_parse(const char *uri_text, struct zookeeper_target *target, struct message *message)
{
	struct zookeeper_target parsed = { .session_timeout_ms = ZOOKEEPER_TIMEOUT_MS };
	struct uri uri;
	int err;

	pace_init(&parsed.pace);
	err = uri_parse(uri_text, &uri, message);
	if (err < 0)
		goto out;
	err = target_take_scheme(&uri, &parsed, message);
	if (err == 0)
		err = target_take_hosts(&uri, &parsed, message);
	if (err == 0)
		err = target_take_path(&uri, &parsed, message);
	if (err == 0)
		err = target_take_options(&uri, &parsed, message);
	if (err == 0)
		err = target_check_tls(&parsed, message);
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
	zookeeper_tls_free(target->tls);
	*target = (struct zookeeper_target){ 0 };
}

struct zookeeper_tls *zookeeper_tls_copy(const struct zookeeper_tls *tls)
{
	struct zookeeper_tls *copy = calloc(1, sizeof(*copy));

	if (!copy)
		return NULL;
	copy->ca_file = strdup(tls->ca_file);
	copy->cert_file = strdup(tls->cert_file);
	copy->key_file = strdup(tls->key_file);
	copy->key_password_file = tls->key_password_file ? strdup(tls->key_password_file) : NULL;
	if (copy->ca_file && copy->cert_file && copy->key_file &&
	    !copy->key_password_file == !tls->key_password_file)
		return copy;
	zookeeper_tls_free(copy);
	return NULL;
}

void zookeeper_tls_free(struct zookeeper_tls *tls)
{
	if (!tls)
		return;
	free(tls->ca_file);
	free(tls->cert_file);
	free(tls->key_file);
	free(tls->key_password_file);
	free(tls);
}

/* As it is handed over in one list with commas. */
static bool target_is_key_password(const char *line)
{
	return strchr(line, ',') == NULL;
}

int zookeeper_secret_read(const struct zookeeper_target *target, char **secret, struct message *message)
{
	struct secret_file wanted = { "auth_file", target->auth_file, "password", "one line, user:password",
				      secret_is_user_and_password };

	*secret = NULL;
	return target->auth_file ? secret_read(&wanted, secret, message) : 0;
}

int zookeeper_key_password_read(const struct zookeeper_tls *tls, char **password, struct message *message)
{
	struct secret_file wanted = { "key_password_file", tls->key_password_file, "password",
				      "one line, a password without commas", target_is_key_password };

	*password = NULL;
	return tls->key_password_file ? secret_read(&wanted, password, message) : 0;
}
