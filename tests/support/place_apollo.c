/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* The stand-in for Apollo; it lives in the process of the case. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "support/apollo_server.h"
#include "support/place.h"
#include "support/secret.h"

#define ACCESS_KEY "df23df3f59884980844ff3dada30fa97"

static struct apollo_server *server;
static char secret[SECRET_PATH_BYTES];

static void apollo_nothing(void)
{
}

static void apollo_begin(void)
{
	server = apollo_server_new();
	apollo_server_hold(server, 300); /* a minute, of Apollo's */
}

static void apollo_end(void)
{
	apollo_server_free(server);
	if (*secret)
		unlink(secret);
	*secret = '\0';
}

static void make_uri(char uri[PLACE_URI_BYTES], const char *meta, const char *const *names, size_t count,
		     const char *options)
{
	size_t used = (size_t)snprintf(uri, PLACE_URI_BYTES, "apollo://%s/app/default?namespaces=", meta);

	for (size_t i = 0; i < count; i++)
		used += (size_t)snprintf(uri + used, PLACE_URI_BYTES - used, "%s%s", i > 0 ? "," : "",
					 names[i]);
	used += (size_t)snprintf(uri + used, PLACE_URI_BYTES - used, "%s%s", *options ? "&" : "", options);
	ck_assert_uint_lt(used, PLACE_URI_BYTES);
}

static void apollo_uri(char uri[PLACE_URI_BYTES], const char *const *names, size_t count, const char *options)
{
	make_uri(uri, apollo_server_meta(server), names, count, options);
}

static void apollo_nowhere(char uri[PLACE_URI_BYTES], char *address, size_t address_bytes)
{
	static const char *const names[] = { "a.xml" };

	snprintf(address, address_bytes, "127.0.0.1:%d", place_closed_port());
	make_uri(uri, address, names, 1, "");
}

static void apollo_write(const char *const *names, size_t count, const void *bytes, size_t size_bytes)
{
	if (bytes)
		ck_assert_uint_eq(strlen(bytes), size_bytes);
	for (size_t i = 0; i < count; i++)
		if (bytes)
			apollo_server_publish_xml(server, names[i], bytes);
		else
			apollo_server_remove(server, names[i]);
}

static void apollo_write_unheard(const char *name, const void *bytes, size_t size_bytes)
{
	apollo_server_hold(server, 60000); /* a question that waits is what would have been told */
	apollo_server_lose_notifications(server, true);
	apollo_write(&name, 1, bytes, size_bytes);
}

static void apollo_leave(void)
{
	apollo_server_stop(server, -1);
	apollo_server_stop(server, 0);
}

static void apollo_come_back(void)
{
	apollo_server_start(server, -1);
	apollo_server_start(server, 0);
}

static void apollo_guard(void)
{
	apollo_server_require(server, ACCESS_KEY);
}

static void apollo_guard_options(bool is_right, char *options, size_t options_bytes)
{
	if (*secret)
		unlink(secret);
	secret_make(secret, is_right ? ACCESS_KEY "\n" : "mistaken\n");
	snprintf(options, options_bytes, "secret_file=%s", secret);
}

static const struct place_exception exceptions[] = {
	{ "bytes_of_any_kind_pass_unchanged",
	  "A release is a text in JSON: it holds no bytes that are not UTF-8, and no NUL." },
	{ "names_below_names_are_told", "The name of a namespace has no '/'." },
	{ "names_of_any_letters_are_told",
	  "The name of a namespace is of letters of ASCII, digits, '_', '-' and '.'." },
	{ "transaction_is_settled_once",
	  "Apollo publishes each namespace by itself, and has no transaction over several." },
	{ "what_put_writes_is_told", "Apollo is written in its portal, and zkcfg put says so." },
	{ NULL, NULL },
};

const struct place place_apollo = {
	.scheme = "apollo",
	.tls_scheme = "apollos",
	.start = apollo_nothing,
	.stop = apollo_nothing,
	.begin = apollo_begin,
	.end = apollo_end,
	.uri = apollo_uri,
	.nowhere = apollo_nowhere,
	.write = apollo_write,
	.write_unheard = apollo_write_unheard,
	.leave = apollo_leave,
	.come_back = apollo_come_back,
	.guard = apollo_guard,
	.guard_options = apollo_guard_options,
	.refusal = "the access key in secret_file is not the app's",
	.documents_most = 64,
	.documents_why = "A set is of 64 namespaces at the most: one URL has to name them all.",
	.document_most_bytes = 16 << 20,
	.limit = "16777216",
	.exceptions = exceptions,
};
