/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* A real ZooKeeper, with a proxy before it that can be away. */
#define THREADED /* for the writer's synchronous calls */

#include <check.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "support/place.h"
#include "support/secret.h"
#include "support/zk_client.h"
#include "support/zk_proxy.h"
#include "support/zk_server.h"

#define ROOT "/t"
#define TOGETHER_MOST 128
#define PATH_BYTES 256

static struct zk_server *server;
static struct zk_proxy *proxy;
static zhandle_t *writer;
static char secret[SECRET_PATH_BYTES];

static void zookeeper_start(void)
{
	server = zk_server_new(NULL);
	zk_server_start(server);
}

static void zookeeper_stop(void)
{
	zk_server_free(server);
}

static void zookeeper_begin(void)
{
	proxy = zk_proxy_new(zk_server_port(server));
	writer = zk_client_open(zk_server_hosts(server), NULL);
	ck_assert_int_eq(zoo_add_auth(writer, "digest", "user:right", 10, NULL, NULL), ZOK);
	zk_client_delete_tree(writer, ROOT);
	zk_client_write(writer, ROOT, NULL, -1);
}

static void zookeeper_end(void)
{
	zookeeper_close(writer);
	zk_proxy_free(proxy);
	if (*secret)
		unlink(secret);
	*secret = '\0';
}

static void zookeeper_uri(char uri[PLACE_URI_BYTES], const char *const *names, size_t count,
			  const char *options)
{
	(void)names, (void)count;
	snprintf(uri, PLACE_URI_BYTES, "zk://%s" ROOT "?session_timeout_ms=3000%s%s", zk_proxy_hosts(proxy),
		 *options ? "&" : "", options);
}

static void zookeeper_nowhere(char uri[PLACE_URI_BYTES], char *address, size_t address_bytes)
{
	snprintf(address, address_bytes, "127.0.0.1:%d", place_closed_port());
	snprintf(uri, PLACE_URI_BYTES, "zk://%s" ROOT "?session_timeout_ms=1000", address);
}

static bool is_there(const char *path)
{
	int code = zoo_exists(writer, path, 0, NULL);

	ck_assert_msg(code == ZOK || code == ZNONODE, "%s: %s", path, zerror(code));
	return code == ZOK;
}

/* Without data, which is no document. */
static void make_parents(const char *path)
{
	char parent[PATH_BYTES];

	snprintf(parent, sizeof(parent), "%.255s", path);
	for (char *slash = parent + strlen(ROOT "/"); (slash = strchr(slash, '/')); *slash++ = '/') {
		*slash = '\0';
		if (!is_there(parent))
			zk_client_write(writer, parent, NULL, -1);
	}
}

static void write_together(const char *const *names, size_t count, const void *bytes, size_t size_bytes)
{
	zoo_op_result_t results[TOGETHER_MOST];
	char paths[TOGETHER_MOST][PATH_BYTES];
	zoo_op_t ops[TOGETHER_MOST];
	int code;

	for (size_t i = 0; i < count; i++) {
		snprintf(paths[i], PATH_BYTES, ROOT "/%.200s", names[i]);
		make_parents(paths[i]);
		if (!bytes)
			zoo_delete_op_init(&ops[i], paths[i], -1);
		else if (is_there(paths[i]))
			zoo_set_op_init(&ops[i], paths[i], bytes, (int)size_bytes, -1, NULL);
		else
			zoo_create_op_init(&ops[i], paths[i], bytes, (int)size_bytes, &ZOO_OPEN_ACL_UNSAFE, 0,
					   NULL, 0);
	}
	code = zoo_multi(writer, (int)count, ops, results);
	ck_assert_msg(code == ZOK, "%s: %s", paths[0], zerror(code));
}

static void zookeeper_write(const char *const *names, size_t count, const void *bytes, size_t size_bytes)
{
	for (size_t i = 0; i < count; i += TOGETHER_MOST)
		write_together(names + i, count - i < TOGETHER_MOST ? count - i : TOGETHER_MOST, bytes,
			       size_bytes);
}

static void zookeeper_write_unheard(const char *name, const void *bytes, size_t size_bytes)
{
	zk_proxy_drop_notifications(proxy, 1);
	zookeeper_write(&name, 1, bytes, size_bytes);
}

static void zookeeper_leave(void)
{
	zk_proxy_refuse(proxy, true);
	zk_proxy_cut(proxy, true);
}

static void zookeeper_come_back(void)
{
	zk_proxy_refuse(proxy, false);
}

static void zookeeper_guard(void)
{
	zk_client_grant_only(writer, ROOT, "auth", "");
}

static void zookeeper_guard_options(bool is_right, char *options, size_t options_bytes)
{
	if (*secret)
		unlink(secret);
	secret_make(secret, is_right ? "user:right\n" : "user:mistaken\n");
	snprintf(options, options_bytes, "auth_file=%s", secret);
}

static const struct place_exception exceptions[] = {
	{ "document_that_is_empty_from_the_start_is_told",
	  "A znode without data is a directory; it is a document from when it first has data." },
	{ "document_beyond_the_limit_is_trouble_and_the_rest_goes_on",
	  "The limit is the server's: it stores nothing above its jute.maxbuffer, and zkcfg put says so." },
	{ NULL, NULL },
};

const struct place place_zookeeper = {
	.scheme = "zk",
	.tls_scheme = "zks",
	.start = zookeeper_start,
	.stop = zookeeper_stop,
	.begin = zookeeper_begin,
	.end = zookeeper_end,
	.uri = zookeeper_uri,
	.nowhere = zookeeper_nowhere,
	.write = zookeeper_write,
	.write_unheard = zookeeper_write_unheard,
	.leave = zookeeper_leave,
	.come_back = zookeeper_come_back,
	.guard = zookeeper_guard,
	.guard_options = zookeeper_guard_options,
	.refusal = "ZNOAUTH",
	.documents_most = 1000,
	.exceptions = exceptions,
};
