/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* A real etcd, with a proxy before it that can be away. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "support/etcd_server.h"
#include "support/place.h"
#include "support/secret.h"
#include "support/zk_proxy.h"

#define ROOT "/t/"
#define TOGETHER_MOST 128 /* operations that a transaction may have */
#define KEY_BYTES 256

static struct etcd_server *shared, *server; /* server: the case's, which may have users */
static struct zk_proxy *proxy;
static char secret[SECRET_PATH_BYTES];

static void etcd_start(void)
{
	shared = etcd_server_new();
	etcd_server_add(shared, "--max-request-bytes=33554432"); /* more than the source takes */
	etcd_server_start(shared);
}

static void etcd_stop(void)
{
	etcd_server_free(shared);
}

static void etcd_begin(void)
{
	server = shared;
	etcd_server_delete(server, ROOT);
	proxy = zk_proxy_new(etcd_server_port(server));
}

static void etcd_end(void)
{
	zk_proxy_free(proxy);
	if (server != shared)
		etcd_server_free(server);
	if (*secret)
		unlink(secret);
	*secret = '\0';
}

static void etcd_uri(char uri[PLACE_URI_BYTES], const char *const *names, size_t count, const char *options)
{
	(void)names, (void)count;
	snprintf(uri, PLACE_URI_BYTES, "etcd://%s/t%s%s", zk_proxy_hosts(proxy), *options ? "?" : "",
		 options);
}

static void etcd_nowhere(char uri[PLACE_URI_BYTES], char *address, size_t address_bytes)
{
	snprintf(address, address_bytes, "127.0.0.1:%d", place_closed_port());
	snprintf(uri, PLACE_URI_BYTES, "etcd://%s/t", address);
}

static void write_together(const char *const *names, size_t count, const char *text)
{
	char keys[TOGETHER_MOST][KEY_BYTES];
	const char *list[TOGETHER_MOST + 1];

	for (size_t i = 0; i < count; i++) {
		snprintf(keys[i], KEY_BYTES, ROOT "%s", names[i]);
		list[i] = keys[i];
	}
	list[count] = NULL;
	etcd_server_put_all(server, list, text);
}

static void write_one(const char *name, const void *bytes, size_t size_bytes)
{
	char key[KEY_BYTES];

	snprintf(key, sizeof(key), ROOT "%s", name);
	if (bytes)
		etcd_server_put_bytes(server, key, bytes, size_bytes);
	else
		etcd_server_delete(server, key);
}

/* Of several only texts are written, at one go. */
static void etcd_write(const char *const *names, size_t count, const void *bytes, size_t size_bytes)
{
	if (count == 1 || !bytes) {
		for (size_t i = 0; i < count; i++)
			write_one(names[i], bytes, size_bytes);
		return;
	}
	ck_assert_uint_eq(strlen(bytes), size_bytes);
	for (size_t i = 0; i < count; i += TOGETHER_MOST)
		write_together(names + i, count - i < TOGETHER_MOST ? count - i : TOGETHER_MOST, bytes);
}

static void etcd_leave(void)
{
	zk_proxy_refuse(proxy, true);
	zk_proxy_cut(proxy, true);
}

static void etcd_come_back(void)
{
	zk_proxy_refuse(proxy, false);
}

static void etcd_guard(void)
{
	server = etcd_server_new();
	etcd_server_start_with_users(server, 300);
	zk_proxy_free(proxy);
	proxy = zk_proxy_new(etcd_server_port(server));
}

static void etcd_guard_options(bool is_right, char *options, size_t options_bytes)
{
	if (*secret)
		unlink(secret);
	secret_make(secret, is_right ? ETCD_SERVER_USER "\n" : "u:mistaken\n");
	snprintf(options, options_bytes, "auth_file=%s", secret);
}

static const struct place_exception exceptions[] = {
	{ "audit_finds_what_nothing_told",
	  "A probe each 2.5 s to 5 s finds it before an audit does; and a server does not lose one event of a "
	  "watch, as a made-up one in test_etcd does." },
	{ NULL, NULL },
};

const struct place place_etcd = {
	.scheme = "etcd",
	.tls_scheme = "etcds",
	.start = etcd_start,
	.stop = etcd_stop,
	.begin = etcd_begin,
	.end = etcd_end,
	.uri = etcd_uri,
	.nowhere = etcd_nowhere,
	.write = etcd_write,
	.leave = etcd_leave,
	.come_back = etcd_come_back,
	.guard = etcd_guard,
	.guard_options = etcd_guard_options,
	.refusal = "authentication failed",
	.documents_most = 1000,
	.document_most_bytes = 16 << 20,
	.limit = "16 MiB",
	.exceptions = exceptions,
};
