/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#define THREADED /* for synchronous calls */

#include "fleet/writer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <zookeeper/zookeeper.h>

#include "base/clock.h"

#define NAME_FORM "znode-%04u"
#define PATH_BYTES 40
#define SESSION_MS 30000
#define CONNECT_NS (30 * CLOCK_NS_PER_S)

struct writer {
	const struct fleet *fleet;
	zhandle_t *zh;
	char *text;	  /* what is written */
	unsigned changes; /* it begins with their number */
};

static void check(int code, const char *path)
{
	if (code != ZOK)
		fleet_die("%s: %s", path, zerror(code));
}

static void no_log(const char *text)
{
	(void)text;
}

static void path_of(unsigned znode, char path[PATH_BYTES])
{
	snprintf(path, PATH_BYTES, FLEET_ROOT "/" NAME_FORM, znode);
}

unsigned writer_znode_of(const struct fleet *fleet, const char *name)
{
	unsigned znode;

	if (sscanf(name, NAME_FORM, &znode) != 1 || znode >= fleet->znodes)
		fleet_die("a host was told of \"%s\", which nobody made", name);
	return znode;
}

/* The next text; it has the length that all have. */
static int compose(struct writer *writer)
{
	size_t bytes = writer->fleet->znode_bytes;
	char number[16];
	size_t length = (size_t)snprintf(number, sizeof(number), "%u ", ++writer->changes);

	memcpy(writer->text, number, length < bytes ? length : bytes);
	return (int)bytes;
}

static void connect_to(struct writer *writer, const char *hosts)
{
	int64_t began_ns = clock_monotonic_ns();

	zoo_set_debug_level(ZOO_LOG_LEVEL_ERROR);
	writer->zh = zookeeper_init2(hosts, NULL, SESSION_MS, NULL, NULL, 0, no_log);
	while (!writer->zh || zoo_state(writer->zh) != ZOO_CONNECTED_STATE) {
		if (!writer->zh || clock_monotonic_ns() - began_ns > CONNECT_NS)
			fleet_die("the writer cannot connect to %s", hosts);
		usleep(1000);
	}
}

struct writer *writer_open(const struct fleet *fleet, const char *hosts)
{
	struct writer *writer = fleet_alloc(1, sizeof(*writer));
	char path[PATH_BYTES];

	writer->fleet = fleet;
	writer->text = fleet_alloc(1, fleet->znode_bytes);
	memset(writer->text, 'x', fleet->znode_bytes);
	connect_to(writer, hosts);
	check(zoo_create(writer->zh, FLEET_ROOT, NULL, -1, &ZOO_OPEN_ACL_UNSAFE, 0, NULL, 0), FLEET_ROOT);
	for (unsigned i = 0; i < fleet->znodes; i++) {
		path_of(i, path);
		check(zoo_create(writer->zh, path, writer->text, compose(writer), &ZOO_OPEN_ACL_UNSAFE, 0,
				 NULL, 0),
		      path);
	}
	return writer;
}

void writer_close(struct writer *writer)
{
	zookeeper_close(writer->zh);
	free(writer->text);
	free(writer);
}

uint64_t writer_change(struct writer *writer, unsigned znode)
{
	char path[PATH_BYTES];
	struct Stat stat;

	path_of(znode, path);
	check(zoo_set2(writer->zh, path, writer->text, compose(writer), -1, &stat), path);
	return (uint64_t)stat.mzxid;
}

uint64_t writer_change_all(struct writer *writer)
{
	unsigned count = writer->fleet->znodes;
	zoo_op_t *ops = fleet_alloc(count, sizeof(*ops));
	zoo_op_result_t *results = fleet_alloc(count, sizeof(*results));
	char(*paths)[PATH_BYTES] = fleet_alloc(count, sizeof(*paths));
	struct Stat stat = { 0 };
	int bytes = compose(writer);

	for (unsigned i = 0; i < count; i++) {
		path_of(i, paths[i]);
		zoo_set_op_init(&ops[i], paths[i], writer->text, bytes, -1, &stat);
	}
	check(zoo_multi(writer->zh, (int)count, ops, results), FLEET_ROOT);
	free(ops);
	free(results);
	free(paths);
	return (uint64_t)stat.mzxid;
}
