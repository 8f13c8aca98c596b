/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ZooKeeper source against a real server, on a plain event loop. A second
 * client, the writer, does what others would do.
 */
#define THREADED /* for the writer's synchronous calls */

#include <check.h>
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <event2/event.h>
#include <netinet/in.h>
#include <zookeeper/zookeeper.h>

#include "base/clock.h"
#include "base/log.h"
#include "source/source.h"
#include "support/secret.h"
#include "support/zk_client.h"
#include "support/zk_server.h"

#define DEADLINE_NS (30 * CLOCK_NS_PER_S)

/* --- the writer -------------------------------------------------------------- */

static struct zk_server *shared; /* for tests that leave the server alone */
static zhandle_t *writer;

static void write_bytes(const char *path, const char *bytes, int length)
{
	zk_client_write(writer, path, bytes, length);
}

static void write_text(const char *path, const char *text)
{
	write_bytes(path, text, text ? (int)strlen(text) : -1);
}

static int64_t mzxid_of(const char *path)
{
	struct Stat stat;

	ck_assert_int_eq(zoo_exists(writer, path, 0, &stat), ZOK);
	return stat.mzxid;
}

/* --- what is told ------------------------------------------------------------ */

struct document {
	struct document *next;
	char *name, *bytes;
	size_t size_bytes;
	struct source_revision revision;
};

static struct {
	struct event_base *loop;
	struct event *tick;
	struct source *source;
	struct document *documents;
	size_t document_count, told_count, removed_count, settled_count, verified_count;
	int64_t verified_ns;
	enum source_state state;
	char detail[512], trouble[256], trouble_name[256];
	size_t trouble_count;
} seen;

static struct document **find(const char *name)
{
	struct document **link = &seen.documents;

	while (*link && strcmp((*link)->name, name) != 0)
		link = &(*link)->next;
	return link;
}

static void told_document(void *user, const char *name, const void *bytes, size_t size_bytes,
			  const struct source_revision *revision)
{
	struct document **link = find(name), *document = *link;

	ck_assert_ptr_eq(user, &seen);
	if (!document) {
		document = *link = calloc(1, sizeof(*document));
		document->name = strdup(name);
		seen.document_count++;
	}
	ck_assert_msg(revision->modified > document->revision.modified, "%s was told twice or went back",
		      name);
	document->revision = *revision;
	free(document->bytes);
	document->bytes = malloc(size_bytes + 1);
	memcpy(document->bytes, bytes, size_bytes);
	document->bytes[size_bytes] = '\0';
	document->size_bytes = size_bytes;
	seen.told_count++;
}

static void forget(struct document **link)
{
	struct document *document = *link;

	*link = document->next;
	free(document->name);
	free(document->bytes);
	free(document);
	seen.document_count--;
}

static void told_removed(void *user, const char *name)
{
	(void)user;
	ck_assert_ptr_nonnull(*find(name));
	forget(find(name));
	seen.removed_count++;
}

static void told_trouble(void *user, const char *name, const char *reason)
{
	(void)user;
	snprintf(seen.trouble_name, sizeof(seen.trouble_name), "%s", name);
	snprintf(seen.trouble, sizeof(seen.trouble), "%s", reason ? reason : "");
	seen.trouble_count++;
}

static bool twins; /* a and b are changed together */
static size_t notified_count;

static void told_settled(void *user)
{
	(void)user;
	seen.settled_count++;
	if (twins)
		ck_assert_str_eq((*find("a"))->bytes, (*find("b"))->bytes);
}

static void told_verified(void *user, int64_t boottime_ns)
{
	(void)user;
	ck_assert_int_gt(boottime_ns, seen.verified_ns);
	ck_assert_int_le(boottime_ns, clock_boottime_ns());
	seen.verified_count++;
	seen.verified_ns = boottime_ns;
}

static void told_state(void *user, enum source_state state, const char *detail)
{
	(void)user;
	seen.state = state;
	snprintf(seen.detail, sizeof(seen.detail), "%s", detail);
}

static void told_repaired(void *user, const char *name)
{
	(void)user;
	ck_abort_msg("the audit found %s, of which nothing was lost", name);
}

static void told_contact(void *user, enum source_contact contact)
{
	(void)user;
	notified_count += contact == SOURCE_TOLD;
}

static const struct source_events events = {
	.document = told_document,
	.removed = told_removed,
	.trouble = told_trouble,
	.settled = told_settled,
	.verified = told_verified,
	.state = told_state,
	.repaired = told_repaired,
	.contact = told_contact,
};

static bool is_text(const char *name, const char *text)
{
	struct document *document = *find(name);

	return document && strcmp(document->bytes, text) == 0;
}

static void ticked(evutil_socket_t fd, short what, void *user)
{
	(void)fd;
	(void)what;
	(void)user; /* only to look at the deadline */
}

/* Run the loop until it is so. */
#define await(condition)                                                                           \
	do {                                                                                       \
		int64_t deadline_ns = clock_monotonic_ns() + DEADLINE_NS;                          \
		while (!(condition)) {                                                             \
			ck_assert_msg(clock_monotonic_ns() < deadline_ns,                          \
				      "in vain: %s (state %d \"%s\", trouble \"%s\")", #condition, \
				      seen.state, seen.detail, seen.trouble);                      \
			event_base_loop(seen.loop, EVLOOP_ONCE);                                   \
		}                                                                                  \
	} while (0)

/* Everything that was written before is known now. */
static void await_verified(void)
{
	int64_t begun_ns = clock_boottime_ns();

	await(seen.verified_ns >= begun_ns);
}

static void open_source(const char *uri)
{
	struct timeval tick = { .tv_usec = 50000 };
	struct message message = { "" };

	memset(&seen, 0, sizeof(seen));
	seen.loop = event_base_new();
	ck_assert_ptr_nonnull(seen.loop);
	seen.tick = event_new(seen.loop, -1, EV_PERSIST, ticked, NULL);
	event_add(seen.tick, &tick);
	ck_assert_msg(source_find(uri, &message)->open(uri, &events, &seen, &seen.source, &message) == 0,
		      "%s", message.text);
}

static void start_source(void)
{
	struct message message = { "" };

	ck_assert_msg(seen.source->ops->start(seen.source, seen.loop, &message) == 0, "%s", message.text);
	ck_assert_int_eq(seen.state, 0); /* nothing is told from within */
}

static void follow(const struct zk_server *server, const char *rest)
{
	char uri[512];

	snprintf(uri, sizeof(uri), "zk://%s%s", zk_server_hosts(server), rest);
	open_source(uri);
	start_source();
}

/* The handle's thread posts a last letter to nobody; what it holds must be gone with it. */
static void stop_source(void)
{
	if (seen.source)
		seen.source->ops->close(seen.source);
	seen.source = NULL;
	while (seen.documents)
		forget(&seen.documents);
	if (seen.loop) {
		event_free(seen.tick);
		event_base_free(seen.loop);
		seen.loop = NULL;
	}
	libevent_global_shutdown();
}

static void start_shared(void)
{
	log_start(LOG_LEVEL_ERROR);
	shared = zk_server_new(NULL);
	zk_server_start(shared);
}

static void stop_shared(void)
{
	zk_server_free(shared);
}

static void begin_test(void)
{
	writer = zk_client_open(zk_server_hosts(shared), NULL);
	zk_client_delete_tree(writer, "/t");
	write_text("/t", NULL);
}

static void end_test(void)
{
	stop_source();
	zookeeper_close(writer);
}

/* --- following --------------------------------------------------------------- */

START_TEST(tree_is_read_and_followed)
{
	struct document *document;
	struct Stat stat;

	write_text("/t/a.xml", "<a/>");
	write_text("/t/dir", NULL);
	write_text("/t/dir/b.xml", "<b/>");
	write_text("/t/empty", "");
	follow(shared, "/t?session_timeout_ms=3000");
	await(seen.settled_count == 1);
	ck_assert_uint_eq(seen.document_count, 2);
	ck_assert(is_text("a.xml", "<a/>") && is_text("dir/b.xml", "<b/>"));
	await(seen.state == SOURCE_FOLLOWING);
	ck_assert_str_eq(seen.detail, "");
	ck_assert_int_eq(zoo_exists(writer, "/t/a.xml", 0, &stat), ZOK);
	document = *find("a.xml");
	ck_assert_uint_eq(document->revision.created, (uint64_t)stat.czxid);
	ck_assert_uint_eq(document->revision.modified, (uint64_t)stat.mzxid);
	ck_assert_int_eq(document->revision.version, 0);

	write_text("/t/a.xml", "<a>2</a>");
	await(is_text("a.xml", "<a>2</a>"));
	ck_assert_int_eq((*find("a.xml"))->revision.version, 1);
	write_text("/t/dir/b.xml/below", "<c/>");
	await(is_text("dir/b.xml/below", "<c/>"));
	write_text("/t/dir/deep", NULL);
	write_text("/t/dir/deep/er", NULL);
	write_text("/t/dir/deep/er/d.xml", "<d/>");
	await(is_text("dir/deep/er/d.xml", "<d/>"));
	write_text("/t/empty", "<e/>");
	await(is_text("empty", "<e/>"));
	write_text("/t/empty", "");
	await(is_text("empty", ""));
	zk_client_delete_tree(writer, "/t/dir");
	await(!*find("dir/b.xml") && !*find("dir/b.xml/below") && !*find("dir/deep/er/d.xml"));
	await_verified();
	ck_assert_uint_eq(seen.document_count, 2);
}
END_TEST

START_TEST(deleted_and_recreated_to_the_same_version_is_seen)
{
	write_text("/t/a", "old");
	follow(shared, "/t");
	await(is_text("a", "old"));
	for (int i = 0; i < 20; i++) {
		char text[16];

		snprintf(text, sizeof(text), "new%d", i);
		ck_assert_int_eq(zoo_delete(writer, "/t/a", -1), ZOK);
		if (i % 2 == 0)
			await(!*find("a"));
		write_text("/t/a", text);
		await(is_text("a", text));
		ck_assert_int_eq((*find("a"))->revision.version, 0);
	}
}
END_TEST

START_TEST(root_may_come_and_go)
{
	zoo_delete(writer, "/t", -1);
	follow(shared, "/t/app?session_timeout_ms=3000");
	await(seen.settled_count == 1);
	await(seen.state == SOURCE_FOLLOWING && strstr(seen.detail, "no znode /t/app"));
	await_verified();
	write_text("/t", NULL);
	write_text("/t/app", NULL);
	write_text("/t/app/a", "1");
	await(is_text("a", "1"));
	await(seen.detail[0] == '\0');
	zk_client_delete_tree(writer, "/t");
	await(!*find("a"));
	write_text("/t", NULL);
	write_text("/t/app", "root");
	write_text("/t/app/b", "2");
	await(is_text("b", "2") && is_text("app", "root"));
}
END_TEST

START_TEST(single_znode_is_one_document)
{
	write_text("/t/one.xml", "<a/>");
	follow(shared, "/t/one.xml");
	await(seen.settled_count == 1);
	ck_assert(is_text("one.xml", "<a/>"));
	write_text("/t/one.xml", "<b/>");
	await(is_text("one.xml", "<b/>"));
	zoo_delete(writer, "/t/one.xml", -1);
	await(!*find("one.xml"));
	write_text("/t/one.xml", "<c/>");
	await(is_text("one.xml", "<c/>"));
}
END_TEST

START_TEST(slash_is_everything_but_zookeepers_own)
{
	write_text("/t/a", "1");
	follow(shared, "/");
	await(seen.settled_count == 1);
	ck_assert_uint_eq(seen.document_count, 1);
	ck_assert(is_text("t/a", "1"));
	write_text("/t/a", "2");
	await(is_text("t/a", "2"));
}
END_TEST

START_TEST(unicode_paths_are_followed)
{
	write_text("/t/gr\xc3\xbc\xc3\x9f", NULL);
	write_text("/t/gr\xc3\xbc\xc3\x9f/\xe9\x85\x8d\xe7\xbd\xae x.xml", "1");
	follow(shared, "/t/gr%C3%BC%C3%9F");
	await(is_text("\xe9\x85\x8d\xe7\xbd\xae x.xml", "1"));
	write_text("/t/gr\xc3\xbc\xc3\x9f/\xe9\x85\x8d\xe7\xbd\xae x.xml", "2");
	await(is_text("\xe9\x85\x8d\xe7\xbd\xae x.xml", "2"));
}
END_TEST

START_TEST(largest_znode_is_read_whole)
{
	enum { SIZE = 1024 * 1024 - 200 };
	char *bytes = malloc(SIZE);

	for (int i = 0; i < SIZE; i++)
		bytes[i] = (char)(i * 7 + i / 251);
	write_bytes("/t/big", bytes, SIZE);
	follow(shared, "/t");
	await(*find("big"));
	ck_assert_uint_eq((*find("big"))->size_bytes, SIZE);
	ck_assert_int_eq(memcmp((*find("big"))->bytes, bytes, SIZE), 0);
	bytes[SIZE / 2]++;
	write_bytes("/t/big", bytes, SIZE);
	await(seen.told_count == 2);
	ck_assert_int_eq(memcmp((*find("big"))->bytes, bytes, SIZE), 0);
	free(bytes);
}
END_TEST

static void ignore_stat(int code, const struct Stat *stat, const void *data)
{
	(void)stat;
	(void)data;
	ck_assert_int_eq(code, ZOK);
}

static void ignore_string(int code, const char *value, const void *data)
{
	(void)value;
	(void)data;
	ck_assert_int_eq(code, ZOK);
}

START_TEST(last_of_many_quick_changes_arrives)
{
	char text[16];

	write_text("/t/a", "0");
	follow(shared, "/t");
	await(is_text("a", "0"));
	for (int i = 1; i <= 1000; i++) {
		snprintf(text, sizeof(text), "%d", i);
		ck_assert_int_eq(zoo_aset(writer, "/t/a", text, (int)strlen(text), -1, ignore_stat, NULL),
				 ZOK);
		if (i % 50 == 0)
			event_base_loop(seen.loop, EVLOOP_NONBLOCK);
	}
	await(is_text("a", "1000"));
	ck_assert_int_eq((int64_t)(*find("a"))->revision.modified, mzxid_of("/t/a"));
}
END_TEST

static void create_many(int count)
{
	char path[64], text[16];

	for (int i = 0; i < count; i++) {
		snprintf(path, sizeof(path), "/t/%05d", i);
		snprintf(text, sizeof(text), "%d", i);
		ck_assert_int_eq(zoo_acreate(writer, path, text, (int)strlen(text), &ZOO_OPEN_ACL_UNSAFE, 0,
					     ignore_string, NULL),
				 ZOK);
		if (i % 200 == 199)
			mzxid_of("/t"); /* wait for what is under way */
	}
	mzxid_of("/t");
}

START_TEST(thousands_of_znodes_are_followed)
{
	create_many(3000);
	follow(shared, "/t");
	await(seen.settled_count == 1);
	ck_assert_uint_eq(seen.document_count, 3000);
	write_text("/t/02718", "changed");
	await(is_text("02718", "changed"));
	zk_client_delete_tree(writer, "/t");
	await(seen.document_count == 0);
}
END_TEST

static int write_twins(const char *text)
{
	zoo_op_t ops[2];
	zoo_op_result_t results[2];

	zoo_set_op_init(&ops[0], "/t/a", text, (int)strlen(text), -1, NULL);
	zoo_set_op_init(&ops[1], "/t/b", text, (int)strlen(text), -1, NULL);
	return zoo_multi(writer, 2, ops, results);
}

START_TEST(transaction_is_settled_whole)
{
	char text[16];

	write_text("/t/a", "0");
	write_text("/t/b", "0");
	follow(shared, "/t");
	await(seen.settled_count == 1);
	for (int i = 1; i <= 100; i++) {
		size_t settled = seen.settled_count;

		snprintf(text, sizeof(text), "%d", i);
		ck_assert_int_eq(write_twins(text), ZOK);
		await(seen.settled_count > settled);
		ck_assert_str_eq((*find("a"))->bytes, text);
		ck_assert_str_eq((*find("b"))->bytes, text);
	}
}
END_TEST

START_TEST(verified_goes_on_while_nothing_changes)
{
	int64_t before_ns = clock_boottime_ns();

	write_text("/t/a", "1");
	follow(shared, "/t?session_timeout_ms=1000");
	await(seen.verified_count >= 3);
	ck_assert_int_gt(seen.verified_ns, before_ns);
	ck_assert_uint_eq(seen.settled_count, 1);
	ck_assert_uint_eq(seen.told_count, 1);
}
END_TEST

/* --- pull --------------------------------------------------------------------- */

START_TEST(pull_finds_all_that_changes)
{
	write_text("/t/a", "1");
	write_text("/t/gone", "1");
	follow(shared, "/t?mode=pull&interval=200ms&session_timeout_ms=1000");
	await(seen.settled_count == 1);
	write_text("/t/a", "2");
	write_text("/t/new", "1");
	ck_assert_int_eq(zoo_delete(writer, "/t/gone", -1), ZOK);
	await(is_text("a", "2") && is_text("new", "1") && !*find("gone"));
	await(seen.verified_count >= 2);
	ck_assert_uint_eq(notified_count, 0); /* no watch was set */
}
END_TEST

START_TEST(pull_shows_transactions_whole)
{
	char text[16];

	write_text("/t/a", "0");
	write_text("/t/b", "0");
	twins = true;
	follow(shared, "/t?mode=pull&interval=100ms");
	for (int i = 1; i <= 200; i++) {
		size_t settled = seen.settled_count;

		snprintf(text, sizeof(text), "%d", i);
		ck_assert_int_eq(write_twins(text), ZOK);
		if (i % 4 == 0)
			event_base_loop(seen.loop, EVLOOP_ONCE);
		if (i % 40 == 0)
			await(seen.settled_count > settled && is_text("a", text));
	}
	twins = false;
}
END_TEST

/* Neither an audit nor the interval comes while these run. */
START_TEST(refresh_is_vouched_for_at_once)
{
	int64_t asked_ns;

	write_text("/t/a", "1");
	follow(shared, "/t?audit=0");
	await(seen.state == SOURCE_FOLLOWING && seen.settled_count > 0);
	write_text("/t/a", "2");
	asked_ns = clock_boottime_ns();
	seen.source->ops->refresh(seen.source);
	await(seen.verified_ns >= asked_ns);
	ck_assert(is_text("a", "2"));
}
END_TEST

START_TEST(refresh_under_pull_finds_what_changed)
{
	int64_t asked_ns;

	write_text("/t/a", "1");
	follow(shared, "/t?mode=pull&interval=1h");
	await(seen.state == SOURCE_FOLLOWING && seen.settled_count > 0);
	write_text("/t/a", "2");
	asked_ns = clock_boottime_ns();
	seen.source->ops->refresh(seen.source);
	await(seen.verified_ns >= asked_ns);
	ck_assert(is_text("a", "2"));
}
END_TEST

/* --- permission -------------------------------------------------------------- */

static void authenticate_writer(void)
{
	ck_assert_int_eq(zoo_add_auth(writer, "digest", "user:right", 10, NULL, NULL), ZOK);
}

START_TEST(what_may_not_be_read_is_trouble_until_it_may)
{
	authenticate_writer();
	write_text("/t/a", "1");
	write_text("/t/secret", "2");
	zk_client_grant_only(writer, "/t/secret", "auth", "");
	follow(shared, "/t?session_timeout_ms=3000");
	await(seen.settled_count == 1);
	ck_assert_uint_eq(seen.document_count, 1);
	ck_assert_str_eq(seen.trouble_name, "secret");
	ck_assert_ptr_nonnull(strstr(seen.trouble, "ZNOAUTH"));
	write_text("/t/a", "3");
	await(is_text("a", "3"));
	await_verified();
	zk_client_grant_only(writer, "/t/secret", "world", "anyone");
	await(is_text("secret", "2"));
	await(seen.trouble[0] == '\0');
	write_text("/t/secret", "4");
	await(is_text("secret", "4"));
}
END_TEST

START_TEST(password_of_the_auth_file_opens_and_a_wrong_one_does_not)
{
	char path[SECRET_PATH_BYTES], rest[128];

	authenticate_writer();
	write_text("/t/a", "1");
	zk_client_grant_only(writer, "/t/a", "auth", "");
	zk_client_grant_only(writer, "/t", "auth", "");
	secret_make(path, _i ? "user:right\n" : "user:wrong\n");
	snprintf(rest, sizeof(rest), "/t?auth_file=%s", path);
	follow(shared, rest);
	if (_i) {
		await(seen.settled_count == 1);
		ck_assert(is_text("a", "1"));
	} else {
		await(seen.state == SOURCE_REFUSED);
		ck_assert_ptr_nonnull(strstr(seen.detail, "ZNOAUTH"));
		ck_assert_ptr_null(strstr(seen.detail, "wrong"));
		ck_assert_uint_eq(seen.settled_count, 0);
		zk_client_grant_only(writer, "/t", "world", "anyone");
		zk_client_grant_only(writer, "/t/a", "world", "anyone");
		await(seen.settled_count == 1);
		ck_assert(is_text("a", "1"));
		await(seen.state == SOURCE_FOLLOWING);
	}
	zk_client_grant_only(writer, "/t", "world", "anyone");
	unlink(path);
}
END_TEST

static const struct {
	const char *text, *expected;
} secrets[] = {
	{ "nocolon\n", "one line, user:password" },
	{ "", "one line, user:password" },
	{ ":nouser\n", "one line, user:password" },
	{ "hunter2:a\nhunter2:b\n", "one line, user:password" },
};

START_TEST(auth_file_that_is_not_one_is_refused)
{
	struct message message = { "" };
	char path[SECRET_PATH_BYTES], uri[128];

	secret_make(path, secrets[_i].text);
	snprintf(uri, sizeof(uri), "zk://127.0.0.1:1/t?auth_file=%s", path);
	open_source(uri);
	ck_assert_int_eq(seen.source->ops->start(seen.source, seen.loop, &message), -EINVAL);
	ck_assert_ptr_nonnull(strstr(message.text, secrets[_i].expected));
	ck_assert_ptr_nonnull(strstr(message.text, path));
	ck_assert_ptr_null(strstr(message.text, "hunter2"));
	unlink(path);
}
END_TEST

START_TEST(auth_file_that_is_not_there_is_refused)
{
	struct message message = { "" };

	open_source("zk://127.0.0.1:1/t?auth_file=/nonexistent/auth");
	ck_assert_int_eq(seen.source->ops->start(seen.source, seen.loop, &message), -ENOENT);
	ck_assert_ptr_nonnull(strstr(message.text, "/nonexistent/auth"));
}
END_TEST

/* --- losses ------------------------------------------------------------------- */

/* End every session but the writer's, as an operator or an expiry would. */
static void expire_others(const struct zk_server *server)
{
	int64_t sessions[16];
	size_t count = zk_server_sessions(server, sessions, 16), expired = 0;

	for (size_t i = 0; i < count && i < 16; i++) {
		clientid_t id = { .client_id = sessions[i] };

		if (sessions[i] == zoo_client_id(writer)->client_id)
			continue;
		zk_server_session_password(sessions[i], id.passwd);
		zookeeper_close(zk_client_open(zk_server_hosts(server), &id));
		expired++;
	}
	ck_assert_uint_ge(expired, 1);
}

START_TEST(expired_session_is_replaced_and_nothing_is_lost)
{
	char text[16];

	write_text("/t/a", "0");
	write_text("/t/still", "s");
	follow(shared, "/t?session_timeout_ms=3000");
	await(is_text("a", "0"));
	for (int i = 1; i <= 5; i++) {
		await_verified();
		expire_others(shared);
		snprintf(text, sizeof(text), "%d", i);
		write_text("/t/a", text);
		write_text("/t/new", text);
		await(is_text("a", text) && is_text("new", text));
		ck_assert_int_eq(zoo_delete(writer, "/t/new", -1), ZOK);
		await(!*find("new"));
	}
	ck_assert_int_eq((*find("still"))->revision.version, 0);
	await(seen.state == SOURCE_FOLLOWING);
}
END_TEST

START_TEST(close_in_the_middle_of_reading_leaves_nothing)
{
	create_many(1000);
	for (int i = 0; i < 10; i++) {
		follow(shared, "/t");
		await(seen.document_count >= (size_t)(i * 37 + 1));
		stop_source();
	}
}
END_TEST

START_TEST(close_at_any_early_time_leaves_nothing)
{
	for (int i = 0; i < 30; i++) {
		follow(shared, "/t");
		for (int turns = i / 3; turns > 0; turns--)
			event_base_loop(seen.loop, EVLOOP_NONBLOCK);
		stop_source();
	}
	open_source("zk://127.0.0.1:1/t");
	stop_source();
}
END_TEST

START_TEST(close_does_not_wait_for_a_server_that_hangs)
{
	struct zk_server *server = zk_server_new(NULL);
	int64_t begun_ns;

	zk_server_start(server);
	follow(server, "/");
	await(seen.settled_count == 1);
	zk_server_pause(server);
	begun_ns = clock_monotonic_ns();
	seen.source->ops->close(seen.source);
	seen.source = NULL;
	ck_assert_int_lt(clock_monotonic_ns() - begun_ns, CLOCK_NS_PER_S);
	zk_server_free(server);
}
END_TEST

START_TEST(address_that_does_not_resolve_is_away_and_no_error)
{
	open_source("zk://no-such-host.invalid/t?session_timeout_ms=1000");
	start_source();
	await(seen.state == SOURCE_CONNECTING && strstr(seen.detail, "cannot be resolved"));
	ck_assert_ptr_nonnull(strstr(seen.detail, "no-such-host.invalid:2181"));
	await(strstr(seen.detail, "no answer") || strstr(seen.detail, "cannot be resolved"));
}
END_TEST

START_TEST(handle_that_cannot_be_opened_is_opened_later)
{
	struct rlimit limit, before;

	write_text("/t/a", "1");
	follow(shared, "/t");
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
	limit = before;
	limit.rlim_cur = (rlim_t)dup(STDIN_FILENO); /* the next one free */
	close((int)limit.rlim_cur);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	await(strstr(seen.detail, "Too many open files"));
	ck_assert_int_eq(seen.state, SOURCE_CONNECTING);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
	await(is_text("a", "1"));
}
END_TEST

START_TEST(server_that_is_not_there_at_the_start_is_awaited)
{
	struct zk_server *server = zk_server_new(NULL);

	follow(server, "/t?session_timeout_ms=1000");
	await(seen.state == SOURCE_CONNECTING && strstr(seen.detail, "no answer from 127.0.0.1"));
	ck_assert_uint_eq(seen.settled_count, 0);
	zk_server_start(server);
	zookeeper_close(writer);
	writer = zk_client_open(zk_server_hosts(server), NULL);
	write_text("/t", "1");
	await(is_text("t", "1"));
	await(seen.state == SOURCE_FOLLOWING);
	stop_source();
	zk_server_free(server);
}
END_TEST

static size_t sessions_known(const struct zk_server *server)
{
	char *dump = zk_server_ask(server, "dump"), *end = strstr(dump, "ephemeral nodes");
	size_t count = 0;

	ck_assert_ptr_nonnull(end);
	*end = '\0';
	for (const char *at = dump; (at = strstr(at, "\t0x")) != NULL; at++)
		count++;
	free(dump);
	return count;
}

/* Until the writer's is the only session that the server knows of. */
static void await_expiry(const struct zk_server *server)
{
	for (int left = 30000; left > 0 && sessions_known(server) > 1; left -= 20)
		usleep(20000);
	ck_assert_uint_eq(sessions_known(server), 1);
}

/* _i 0: in a session that outlives the outage; 1: in one that does not. */
START_TEST(change_while_the_server_was_away_is_seen)
{
	struct zk_server *server = zk_server_new(NULL);
	int port = zk_server_port(server);

	zk_server_start(server);
	zookeeper_close(writer);
	writer = zk_client_open(zk_server_hosts(server), NULL);
	write_text("/t", NULL);
	write_text("/t/a", "1");
	write_text("/t/b", "1");
	write_text("/t/still", "1");
	follow(server, _i ? "/t?session_timeout_ms=1000" : "/t?session_timeout_ms=30000");
	await(seen.settled_count == 1);
	zookeeper_close(writer);
	zk_server_kill(server);
	await(seen.state == SOURCE_AWAY);
	ck_assert_ptr_nonnull(strstr(seen.detail, "127.0.0.1"));
	/* Where the source does not look. */
	zk_server_set_port(server, 0);
	zk_server_start(server);
	writer = zk_client_open(zk_server_hosts(server), NULL);
	write_text("/t/a", "2");
	write_text("/t/c", "2");
	zoo_delete(writer, "/t/b", -1);
	if (_i)
		await_expiry(server);
	else
		ck_assert_uint_ge(sessions_known(server), 2);
	ck_assert_uint_eq(seen.told_count, 3);
	zookeeper_close(writer);
	zk_server_stop(server);
	zk_server_set_port(server, port);
	zk_server_start(server);
	await(is_text("a", "2") && is_text("c", "2") && !*find("b"));
	await(seen.state == SOURCE_FOLLOWING);
	await_verified();
	ck_assert_uint_eq(seen.told_count, 5);
	writer = zk_client_open(zk_server_hosts(server), NULL);
	write_text("/t/still", "3");
	await(is_text("still", "3"));
	stop_source();
	zk_server_free(server);
}
END_TEST

/* The client would set them all again in one packet, which no server takes: over and over. */
static bool has_session(const struct zk_server *server, int64_t session)
{
	int64_t sessions[16];
	size_t count = zk_server_sessions(server, sessions, 16);

	for (size_t i = 0; i < count; i++)
		if (sessions[i] == session)
			return true;
	return false;
}

START_TEST(more_watches_than_fit_a_packet_have_sessions_that_survive_a_lost_connection)
{
	enum { COUNT = 3000, NAME = 200 };
	struct zk_server *server = zk_server_new(NULL);
	char path[NAME + 8];
	int64_t sessions[16];

	zk_server_start(server);
	zookeeper_close(writer);
	writer = zk_client_open(zk_server_hosts(server), NULL);
	write_text("/t", NULL);
	for (int i = 0; i < COUNT; i++) {
		snprintf(path, sizeof(path), "/t/%0*d", NAME, i);
		ck_assert_int_eq(
			zoo_acreate(writer, path, "1", 1, &ZOO_OPEN_ACL_UNSAFE, 0, ignore_string, NULL), ZOK);
		if (i % 200 == 199)
			mzxid_of("/t");
	}
	follow(server, "/t");
	await(seen.settled_count == 1);
	ck_assert_uint_eq(seen.document_count, COUNT);
	zookeeper_close(writer);
	await(zk_server_sessions(server, sessions, 16) == 2);
	zk_server_kill(server);
	await(seen.state == SOURCE_AWAY);
	zk_server_start(server);
	writer = zk_client_open(zk_server_hosts(server), NULL);
	write_text(path, "2");
	await(is_text(path + strlen("/t/"), "2"));
	await(seen.state == SOURCE_FOLLOWING);
	ck_assert_uint_eq(seen.told_count, COUNT + 1);
	for (int i = 0; i < 2; i++)
		ck_assert(has_session(server, sessions[i]));
	stop_source();
	zk_server_free(server);
}
END_TEST

START_TEST(server_that_hangs_is_away_and_comes_back)
{
	struct zk_server *server = zk_server_new(NULL);

	zk_server_start(server);
	zookeeper_close(writer);
	writer = zk_client_open(zk_server_hosts(server), NULL);
	write_text("/t", "1");
	follow(server, "/t?session_timeout_ms=1000");
	await(is_text("t", "1"));
	zk_server_pause(server);
	await(seen.state == SOURCE_AWAY && strstr(seen.detail, "no answer from 127.0.0.1"));
	zk_server_resume(server);
	await(seen.state == SOURCE_FOLLOWING);
	write_text("/t", "2");
	await(is_text("t", "2"));
	stop_source();
	zk_server_free(server);
}
END_TEST

/* --- put and remove ------------------------------------------------------------ */

static enum source_result put_at(const struct zk_server *server, const char *rest, const char *bytes,
				 size_t size_bytes, int64_t if_version, int64_t *version,
				 struct message *message)
{
	struct source_change change = {
		.bytes = bytes, .size_bytes = size_bytes, .if_version = if_version, .timeout_ms = 20000
	};
	char uri[512];

	snprintf(uri, sizeof(uri), "zk://%s%s", zk_server_hosts(server), rest);
	return source_find(uri, message)->put(uri, &change, version, message);
}

static enum source_result put(const char *rest, const char *text, int64_t if_version, int64_t *version,
			      struct message *message)
{
	return put_at(shared, rest, text, strlen(text), if_version, version, message);
}

static enum source_result remove_at(const char *rest, int64_t if_version, struct message *message)
{
	struct source_change change = { .if_version = if_version, .timeout_ms = 20000 };
	char uri[512];

	snprintf(uri, sizeof(uri), "zk://%s%s", zk_server_hosts(shared), rest);
	return source_find(uri, message)->remove(uri, &change, message);
}

static void ck_znode(const char *path, const char *text)
{
	char bytes[256];
	int length = sizeof(bytes);

	ck_assert_int_eq(zoo_get(writer, path, 0, bytes, &length, NULL), ZOK);
	ck_assert_int_eq(length, (int)strlen(text));
	ck_assert_int_eq(memcmp(bytes, text, strlen(text)), 0);
}

START_TEST(put_makes_parents_and_tells_versions)
{
	struct message message = { "" };
	int64_t version = -7;

	ck_assert_msg(put("/t/x/y/z", "1", -1, &version, &message) == SOURCE_DONE, "%s", message.text);
	ck_assert_int_eq(version, 0);
	ck_znode("/t/x/y/z", "1");
	ck_assert_int_eq(put("/t/x/y/z", "2", -1, &version, &message), SOURCE_DONE);
	ck_assert_int_eq(version, 1);
	ck_assert_int_eq(put("/t/x/y/z", "3", 1, &version, &message), SOURCE_DONE);
	ck_assert_int_eq(version, 2);
	ck_assert_int_eq(put("/t/x/y", "mid", -1, &version, &message), SOURCE_DONE);
	ck_assert_int_eq(version, 1);
	ck_assert_int_eq(put("/t/x/empty", "", -1, &version, &message), SOURCE_DONE);
	ck_assert_int_eq(version, 0);
	ck_znode("/t/x/empty", "");
	ck_assert_int_eq(put("/t/x/y/z", "4", 1, &version, &message), SOURCE_CONFLICT);
	ck_assert_ptr_nonnull(strstr(message.text, "has version 2, expected 1"));
	ck_znode("/t/x/y/z", "3");
	ck_assert_int_eq(version, 0);
	ck_assert_int_eq(put("/t/none", "4", 0, &version, &message), SOURCE_MISSING);
	ck_assert_ptr_nonnull(strstr(message.text, "no znode /t/none"));
	ck_assert_int_eq(zoo_exists(writer, "/t/none", 0, NULL), ZNONODE);
}
END_TEST

START_TEST(put_makes_a_whole_path_from_the_top)
{
	struct message message = { "" };
	int64_t version;

	zk_client_delete_tree(writer, "/t");
	ck_assert_int_eq(put("/t/a/b/c/d", "1", -1, &version, &message), SOURCE_DONE);
	ck_znode("/t/a/b/c/d", "1");
	ck_assert_int_eq(put("/t-top", "1", -1, &version, &message), SOURCE_DONE);
	ck_assert_int_eq(remove_at("/t-top", 0, &message), SOURCE_DONE);
}
END_TEST

START_TEST(put_ends_its_session)
{
	struct message message = { "" };
	int64_t sessions[8], version;

	ck_assert_int_eq(put("/t/a", "1", -1, &version, &message), SOURCE_DONE);
	/* the server takes a session off its list after the answer; an expiry would take a second at least */
	for (int i = 0; i < 50 && zk_server_sessions(shared, sessions, 8) > 1; i++)
		usleep(10000);
	ck_assert_uint_eq(zk_server_sessions(shared, sessions, 8), 1);
	ck_assert_int_eq(sessions[0], zoo_client_id(writer)->client_id);
}
END_TEST

START_TEST(remove_tells_what_stands_in_its_way)
{
	struct message message = { "" };

	write_text("/t/a", "1");
	write_text("/t/a/b", "1");
	ck_assert_int_eq(remove_at("/t/none", -1, &message), SOURCE_MISSING);
	ck_assert_ptr_nonnull(strstr(message.text, "no znode /t/none"));
	ck_assert_int_eq(remove_at("/t/a", -1, &message), SOURCE_INVALID);
	ck_assert_ptr_nonnull(strstr(message.text, "has children"));
	ck_assert_int_eq(remove_at("/t/a/b", 3, &message), SOURCE_CONFLICT);
	ck_assert_ptr_nonnull(strstr(message.text, "has version 0, expected 3"));
	ck_assert_int_eq(remove_at("/t/a/b", 0, &message), SOURCE_DONE);
	ck_assert_int_eq(remove_at("/t/a", -1, &message), SOURCE_DONE);
	ck_assert_int_eq(zoo_exists(writer, "/t/a", 0, NULL), ZNONODE);
}
END_TEST

START_TEST(size_limit_is_exactly_the_servers)
{
	enum { MOST = 1048575 - 47 - 6 }; /* "/t/big" */
	struct message message = { "" };
	char *bytes = calloc(1, MOST + 1);
	int64_t version;
	struct Stat stat;

	ck_assert_msg(put_at(shared, "/t/big", bytes, MOST, -1, &version, &message) == SOURCE_DONE, "%s",
		      message.text);
	ck_assert_int_eq(zoo_exists(writer, "/t/big", 0, &stat), ZOK);
	ck_assert_int_eq(stat.dataLength, MOST);
	ck_assert_int_eq(put_at(shared, "/t/big", bytes, MOST + 1, -1, &version, &message), SOURCE_INVALID);
	ck_assert_ptr_nonnull(strstr(message.text, "1048523 bytes are too many"));
	ck_assert_ptr_nonnull(strstr(message.text, "1048522"));
	ck_assert_ptr_nonnull(strstr(message.text, "1048575"));
	/* One byte more in the request than the server takes, and it hangs up. */
	zoo_delete(writer, "/t/big", -1);
	ck_assert_int_eq(zoo_create(writer, "/t/big", bytes, MOST + 1, &ZOO_OPEN_ACL_UNSAFE, 0, NULL, 0),
			 ZCONNECTIONLOSS);
	free(bytes);
}
END_TEST

START_TEST(server_that_hangs_up_on_what_is_too_large_is_named)
{
	struct zk_server *server =
		zk_server_new(&(struct zk_server_options){ .java_options = "-Djute.maxbuffer=10000" });
	struct message message = { "" };
	char bytes[20000] = "";
	int64_t version;

	zk_server_start(server);
	ck_assert_int_eq(put_at(server, "/big", bytes, sizeof(bytes), -1, &version, &message), SOURCE_FAILED);
	ck_assert_ptr_nonnull(strstr(message.text, "jute.maxbuffer"));
	ck_assert_ptr_nonnull(strstr(message.text, "20000 bytes"));
	ck_assert_int_eq(put_at(server, "/big", bytes, sizeof(bytes), 0, &version, &message), SOURCE_FAILED);
	ck_assert_ptr_nonnull(strstr(message.text, "was lost"));
	zk_server_free(server);
}
END_TEST

START_TEST(put_and_remove_without_permission_say_so)
{
	struct message message = { "" };
	char path[SECRET_PATH_BYTES], rest[128];
	int64_t version;

	authenticate_writer();
	write_text("/t/a", "1");
	zk_client_grant_only(writer, "/t/a", "auth", "");
	ck_assert_int_eq(put("/t/a", "2", -1, &version, &message), SOURCE_FAILED);
	ck_assert_ptr_nonnull(strstr(message.text, "no permission to write /t/a"));
	ck_assert_ptr_nonnull(strstr(message.text, "?auth_file="));
	secret_make(path, "user:right");
	snprintf(rest, sizeof(rest), "/t/a?auth_file=%s", path);
	ck_assert_int_eq(put(rest, "2", -1, &version, &message), SOURCE_DONE);
	/* What it makes is its own. */
	snprintf(rest, sizeof(rest), "/t/own/b?auth_file=%s", path);
	ck_assert_int_eq(put(rest, "2", -1, &version, &message), SOURCE_DONE);
	ck_assert_int_eq(put("/t/own/b", "3", -1, &version, &message), SOURCE_FAILED);
	ck_assert_int_eq(remove_at("/t/own/b", -1, &message), SOURCE_FAILED);
	ck_znode("/t/own/b", "2");
	unlink(path);
}
END_TEST

static const struct {
	const char *uri, *expected;
} wrongs[] = {
	{ "zk://127.0.0.1:1/", "path of a znode" },
	{ "zk://127.0.0.1:1/a?x=1", "session_timeout_ms, auth_file" },
	{ "zk://127.0.0.1:1/a?auth_file=/nonexistent", "/nonexistent" },
};

START_TEST(put_and_remove_refuse_what_is_not_acceptable)
{
	struct source_change change = { .bytes = "", .if_version = -1, .timeout_ms = 1000 };
	struct message message = { "" };
	int64_t version = 5;

	ck_assert_int_eq(
		source_find(wrongs[_i].uri, &message)->put(wrongs[_i].uri, &change, &version, &message),
		SOURCE_INVALID);
	ck_assert_msg(strstr(message.text, wrongs[_i].expected), "%s", message.text);
	ck_assert_int_eq(source_find(wrongs[_i].uri, &message)->remove(wrongs[_i].uri, &change, &message),
			 SOURCE_INVALID);
	change.if_version = INT64_C(1) << 31;
	ck_assert_int_eq(source_find("zk://h/a", &message)->put("zk://h/a", &change, &version, &message),
			 SOURCE_INVALID);
	ck_assert_ptr_nonnull(strstr(message.text, "no version of a znode"));
	ck_assert_int_eq(version, 5);
}
END_TEST

START_TEST(put_ends_in_time_where_nobody_answers)
{
	struct source_change change = { .bytes = "", .if_version = -1, .timeout_ms = 700 };
	struct zk_server *server = zk_server_new(NULL);
	struct message message = { "" };
	int64_t version, begun_ns = clock_monotonic_ns();
	char uri[128];

	snprintf(uri, sizeof(uri), "zk://%s/t", zk_server_hosts(server));
	if (_i) {
		zk_server_start(server);
		zk_server_pause(server);
		begun_ns = clock_monotonic_ns();
	}
	ck_assert_int_eq(source_find(uri, &message)->put(uri, &change, &version, &message), SOURCE_TIMEOUT);
	ck_assert_ptr_nonnull(strstr(message.text, "within 700 ms"));
	ck_assert_ptr_nonnull(strstr(message.text, "nothing was written"));
	ck_assert_int_ge(clock_monotonic_ns() - begun_ns, 700 * CLOCK_NS_PER_MS);
	zk_server_free(server);
}
END_TEST

/* -------------------------------------------------------------------------------- */

/* Written and followed; and where another server before it in the list is not there. */
START_TEST(ipv6_address_in_brackets_is_reached)
{
	struct zk_server *server = zk_server_new(&(struct zk_server_options){ .address = "::1" });
	struct message message = { "" };
	int64_t version = -1;
	char uri[256];

	zk_server_start(server);
	ck_assert_int_eq(zk_server_hosts(server)[0], '[');
	ck_assert_msg(put_at(server, "/v6/a", "1", 1, -1, &version, &message) == SOURCE_DONE, "%s",
		      message.text);
	follow(server, "/v6");
	await(is_text("a", "1"));
	stop_source();
	snprintf(uri, sizeof(uri), "zk://[::1]:1,%s/v6", zk_server_hosts(server));
	open_source(uri);
	start_source();
	await(is_text("a", "1"));
	ck_assert_int_eq(put_at(server, "/v6/a", "2", 1, 0, &version, &message), SOURCE_DONE);
	await(is_text("a", "2"));
	stop_source();
	zk_server_free(server);
}
END_TEST

/* As it is in the URI, or as %XX; and a name is its bytes: a letter with its mark in one is another one. */
START_TEST(unicode_paths_are_written_and_removed)
{
	struct message message = { "" };
	int64_t version = -1;

	follow(shared, "/t");
	ck_assert_int_eq(put("/t/\xc3\xbc", "one", -1, &version, &message), SOURCE_DONE);
	ck_assert_int_eq(put("/t/u%CC%88", "two", -1, &version, &message), SOURCE_DONE);
	ck_assert_int_eq(put("/t/%E9%85%8D/\xe6\xa8\xa3", "three", -1, &version, &message), SOURCE_DONE);
	await(is_text("\xc3\xbc", "one") && is_text("u\xcc\x88", "two") &&
	      is_text("\xe9\x85\x8d/\xe6\xa8\xa3", "three"));
	ck_assert_int_eq(put("/t/%C3%BC", "once more", 0, &version, &message), SOURCE_DONE);
	ck_assert_int_eq(version, 1);
	await(is_text("\xc3\xbc", "once more"));
	ck_assert_int_eq(remove_at("/t/%E9%85%8D/%E6%A8%A3", -1, &message), SOURCE_DONE);
	await(!*find("\xe9\x85\x8d/\xe6\xa8\xa3"));
	ck_assert(is_text("u\xcc\x88", "two"));
}
END_TEST

static bool has_ipv6(void)
{
	struct sockaddr_in6 address = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool has = fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0;

	if (fd >= 0)
		close(fd);
	return has;
}

static void add_tests(TCase *tcase)
{
	const TTest *const tests[] = {
		tree_is_read_and_followed,
		deleted_and_recreated_to_the_same_version_is_seen,
		root_may_come_and_go,
		single_znode_is_one_document,
		slash_is_everything_but_zookeepers_own,
		unicode_paths_are_followed,
		largest_znode_is_read_whole,
		last_of_many_quick_changes_arrives,
		thousands_of_znodes_are_followed,
		transaction_is_settled_whole,
		verified_goes_on_while_nothing_changes,
		pull_finds_all_that_changes,
		pull_shows_transactions_whole,
		refresh_is_vouched_for_at_once,
		refresh_under_pull_finds_what_changed,
		what_may_not_be_read_is_trouble_until_it_may,
		auth_file_that_is_not_there_is_refused,
		expired_session_is_replaced_and_nothing_is_lost,
		close_in_the_middle_of_reading_leaves_nothing,
		close_at_any_early_time_leaves_nothing,
		close_does_not_wait_for_a_server_that_hangs,
		address_that_does_not_resolve_is_away_and_no_error,
		handle_that_cannot_be_opened_is_opened_later,
		server_that_is_not_there_at_the_start_is_awaited,
		more_watches_than_fit_a_packet_have_sessions_that_survive_a_lost_connection,
		server_that_hangs_is_away_and_comes_back,
		put_makes_parents_and_tells_versions,
		put_makes_a_whole_path_from_the_top,
		put_ends_its_session,
		remove_tells_what_stands_in_its_way,
		size_limit_is_exactly_the_servers,
		server_that_hangs_up_on_what_is_too_large_is_named,
		put_and_remove_without_permission_say_so,
		unicode_paths_are_written_and_removed,
	};

	for (size_t i = 0; i < sizeof(tests) / sizeof(*tests); i++)
		tcase_add_test(tcase, tests[i]);
	tcase_add_loop_test(tcase, password_of_the_auth_file_opens_and_a_wrong_one_does_not, 0, 2);
	tcase_add_loop_test(tcase, auth_file_that_is_not_one_is_refused, 0,
			    sizeof(secrets) / sizeof(*secrets));
	tcase_add_loop_test(tcase, change_while_the_server_was_away_is_seen, 0, 2);
	tcase_add_loop_test(tcase, put_and_remove_refuse_what_is_not_acceptable, 0,
			    sizeof(wrongs) / sizeof(*wrongs));
	tcase_add_loop_test(tcase, put_ends_in_time_where_nobody_answers, 0, 2);
	if (has_ipv6())
		tcase_add_test(tcase, ipv6_address_in_brackets_is_reached);
}

int main(void)
{
	Suite *suite = suite_create("zookeeper_source");
	TCase *tcase = tcase_create("zookeeper_source");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tcase, 120);
	tcase_add_unchecked_fixture(tcase, start_shared, stop_shared);
	tcase_add_checked_fixture(tcase, begin_test, end_test);
	add_tests(tcase);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
