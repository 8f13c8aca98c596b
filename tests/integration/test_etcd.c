/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The etcd source against real servers, on a plain event loop; and against made-up
 * ones, for what a real one does not do on demand.
 */
#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>

#include "base/clock.h"
#include "base/log.h"
#include "source/source.h"
#include "support/certificates.h"
#include "support/etcd_server.h"
#include "support/zk_proxy.h"

#define DEADLINE_NS (30 * CLOCK_NS_PER_S)

static struct etcd_server *shared; /* for tests that leave the server alone */

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
	size_t document_count, told_count, removed_count, settled_count, verified_count, repaired_count;
	size_t contact_counts[3], away_count;
	int64_t verified_ns;
	enum source_state state;
	char detail[512], trouble[256], trouble_name[256];
	bool may_go_back;
	void (*at_settled)(void);
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
	ck_assert_msg(seen.may_go_back || revision->modified > document->revision.modified,
		      "%s was told twice or went back", name);
	ck_assert_uint_le(revision->created, revision->modified);
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
}

static void told_settled(void *user)
{
	(void)user;
	seen.settled_count++;
	if (seen.at_settled)
		seen.at_settled();
}

static void told_verified(void *user, int64_t boottime_ns)
{
	(void)user;
	ck_assert_uint_gt(seen.settled_count, 0);
	ck_assert_int_gt(boottime_ns, seen.verified_ns);
	ck_assert_int_le(boottime_ns, clock_boottime_ns());
	seen.verified_count++;
	seen.verified_ns = boottime_ns;
}

static void told_state(void *user, enum source_state state, const char *detail)
{
	(void)user;
	seen.away_count += state == SOURCE_AWAY;
	seen.state = state;
	snprintf(seen.detail, sizeof(seen.detail), "%s", detail);
}

static void told_repaired(void *user, const char *name)
{
	(void)user;
	(void)name;
	seen.repaired_count++;
}

static void told_contact(void *user, enum source_contact contact)
{
	(void)user;
	seen.contact_counts[contact]++;
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

static void run_for_ms(int64_t ms)
{
	int64_t end_ns = clock_monotonic_ns() + ms * CLOCK_NS_PER_MS;

	await(clock_monotonic_ns() >= end_ns);
}

static void make_loop(void)
{
	struct timeval tick = { .tv_usec = 20000 };

	memset(&seen, 0, sizeof(seen));
	seen.loop = event_base_new();
	ck_assert_ptr_nonnull(seen.loop);
	seen.tick = event_new(seen.loop, -1, EV_PERSIST, ticked, NULL);
	event_add(seen.tick, &tick);
}

static void open_source(const char *uri)
{
	struct message message = { "" };

	if (!seen.loop)
		make_loop();
	ck_assert_msg(source_find(uri, &message)->open(uri, &events, &seen, &seen.source, &message) == 0,
		      "%s", message.text);
	ck_assert_msg(seen.source->ops->start(seen.source, seen.loop, &message) == 0, "%s", message.text);
	ck_assert_int_eq(seen.state, 0); /* nothing is told from within */
}

static void follow(const char *hosts, const char *rest)
{
	char uri[1024];

	snprintf(uri, sizeof(uri), "etcd://%s%s", hosts, rest);
	open_source(uri);
}

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
	shared = etcd_server_new();
	etcd_server_start(shared);
}

static void stop_shared(void)
{
	etcd_server_free(shared);
}

static void begin_test(void)
{
	etcd_server_delete(shared, "/t/");
}

static void end_test(void)
{
	stop_source();
}

static void begin_own(void)
{
	log_start(LOG_LEVEL_ERROR);
}

/* --- following --------------------------------------------------------------- */

static void follow_shared(void)
{
	follow(etcd_server_hosts(shared), "/t");
	await(seen.state == SOURCE_FOLLOWING);
}

START_TEST(keys_below_the_prefix_are_told_with_their_revisions)
{
	int64_t revision;

	etcd_server_put(shared, "/t/a.xml", "<a/>");
	etcd_server_put(shared, "/t/a.xml", "<a>2</a>");
	etcd_server_put(shared, "/t/sub/b.xml", "<b/>");
	etcd_server_put(shared, "/t/leer", "");
	etcd_server_put(shared, "/t/gr\xc3\xbc\xc3\x9f/\xe9\x85\x8d\xf0\x9f\x8c\x8d", "<g/>");
	revision = etcd_server_revision(shared);
	etcd_server_put(shared, "/t", "not below");
	etcd_server_put(shared, "/t0", "behind");
	etcd_server_put(shared, "/t-", "before");
	follow_shared();
	ck_assert_uint_eq(seen.document_count, 4);
	ck_assert_uint_eq(seen.settled_count, 1);
	ck_assert(is_text("a.xml", "<a>2</a>") && is_text("sub/b.xml", "<b/>") && is_text("leer", ""));
	ck_assert(is_text("gr\xc3\xbc\xc3\x9f/\xe9\x85\x8d\xf0\x9f\x8c\x8d", "<g/>"));
	ck_assert_int_eq((*find("a.xml"))->revision.version, 2);
	ck_assert_uint_eq((*find("a.xml"))->revision.modified, (uint64_t)revision - 3);
	ck_assert_uint_eq((*find("a.xml"))->revision.created, (uint64_t)revision - 4);
	ck_assert_uint_ge(seen.verified_count, 1);
}
END_TEST

START_TEST(change_removal_and_recreation_are_told)
{
	uint64_t created;

	etcd_server_put(shared, "/t/a", "1");
	follow_shared();
	etcd_server_put(shared, "/t/a", "2");
	await(is_text("a", "2"));
	created = (*find("a"))->revision.created;
	etcd_server_delete(shared, "/t/a");
	await(seen.removed_count == 1);
	etcd_server_put(shared, "/t/a", "3");
	await(is_text("a", "3"));
	ck_assert_uint_gt((*find("a"))->revision.created, created);
	ck_assert_int_eq((*find("a"))->revision.version, 1);
	etcd_server_put(shared, "/t/new", "");
	await(*find("new") != NULL);
	ck_assert_uint_eq((*find("new"))->size_bytes, 0);
	ck_assert_uint_eq(seen.contact_counts[SOURCE_TOLD], 4);
	ck_assert_uint_eq(seen.contact_counts[SOURCE_ASKED], 0);
	ck_assert_uint_eq(seen.repaired_count, 0);
}
END_TEST

static void a_b_and_c_agree(void)
{
	const char *a = (*find("a"))->bytes;

	ck_assert(is_text("b", a) && is_text("c", a));
}

START_TEST(transaction_is_one_settled)
{
	static const char *const keys[] = { "/t/a", "/t/b", "/t/c", NULL };
	char text[16];
	size_t settled;

	etcd_server_put_all(shared, keys, "0");
	seen.at_settled = NULL;
	follow_shared();
	seen.at_settled = a_b_and_c_agree;
	settled = seen.settled_count;
	etcd_server_put_all(shared, keys, "1");
	await(is_text("c", "1"));
	ck_assert_uint_eq(seen.settled_count, settled + 1);
	for (int i = 2; i < 200; i++) {
		snprintf(text, sizeof(text), "%d", i);
		etcd_server_put_all(shared, keys, text);
		event_base_loop(seen.loop, EVLOOP_NONBLOCK);
	}
	await(is_text("c", text));
}
END_TEST

/* 128 operations are what a transaction may have. */
static void put_many(unsigned from, unsigned count, const char *text)
{
	char names[128][32];
	const char *keys[129];

	for (unsigned i = 0; i < count; i += 128) {
		unsigned some = count - i < 128 ? count - i : 128;

		for (unsigned j = 0; j < some; j++) {
			snprintf(names[j], sizeof(names[j]), "/t/many/%05u", from + i + j);
			keys[j] = names[j];
		}
		keys[some] = NULL;
		etcd_server_put_all(shared, keys, text);
	}
}

START_TEST(pages_are_read_whole_and_settle_once)
{
	put_many(0, 1001, "<m/>");
	follow_shared();
	ck_assert_uint_eq(seen.document_count, 1001);
	ck_assert_uint_eq(seen.told_count, 1001);
	ck_assert_uint_eq(seen.settled_count, 1);
	ck_assert(is_text("many/00000", "<m/>") && is_text("many/01000", "<m/>"));
}
END_TEST

START_TEST(document_of_1_mib_is_told_by_read_and_by_watch)
{
	size_t size_bytes = 1 << 20;
	char *bytes = malloc(size_bytes + 1);

	for (size_t i = 0; i < size_bytes; i++)
		bytes[i] = (char)('a' + i * i % 23);
	bytes[size_bytes] = '\0';
	etcd_server_put(shared, "/t/large", bytes);
	follow_shared();
	ck_assert(is_text("large", bytes));
	bytes[12345] = '-';
	etcd_server_put(shared, "/t/large", bytes);
	await(is_text("large", bytes));
	ck_assert_uint_eq((*find("large"))->size_bytes, size_bytes);
	free(bytes);
}
END_TEST

START_TEST(last_of_1000_quick_changes_arrives)
{
	char text[16];

	etcd_server_put(shared, "/t/a", "x");
	follow_shared();
	for (int i = 1; i <= 1000; i++) {
		snprintf(text, sizeof(text), "%d", i);
		etcd_server_put(shared, "/t/a", text);
	}
	await(is_text("a", "1000"));
	await_verified();
	ck_assert_uint_eq(seen.repaired_count, 0);
}
END_TEST

START_TEST(key_that_is_no_name_is_passed_over_and_counted)
{
	etcd_server_put(shared, "/t/a", "1");
	etcd_server_put(shared, "/t//b", "1");
	etcd_server_put(shared, "/t/c/", "1");
	etcd_server_put(shared, "/t/d/../e", "1");
	etcd_server_put(shared, "/t/f\xff", "1");
	etcd_server_put(shared, "/t/g\n", "1");
	follow_shared();
	ck_assert_uint_eq(seen.document_count, 1);
	etcd_server_put(shared, "/elsewhere", "1"); /* so that keys are counted */
	await_verified();
	await_verified();
	ck_assert_uint_eq(seen.told_count, 1);
	ck_assert_uint_eq(seen.repaired_count, 0);
}
END_TEST

START_TEST(nothing_below_the_prefix_settles_and_what_comes_is_told)
{
	follow_shared();
	ck_assert_uint_eq(seen.settled_count, 1);
	etcd_server_put(shared, "/t/a", "1");
	await(is_text("a", "1"));
}
END_TEST

START_TEST(root_is_every_key_that_begins_with_a_slash)
{
	etcd_server_put(shared, "/t/a", "1");
	etcd_server_delete(shared, "/t");
	etcd_server_put(shared, "t", "not below");
	follow(etcd_server_hosts(shared), "/");
	await(seen.state == SOURCE_FOLLOWING);
	ck_assert(is_text("t/a", "1"));
	ck_assert_ptr_null(*find("t"));
}
END_TEST

/* Others write, so that the store's revision says nothing, and compact what we never heard of. */
START_TEST(writes_elsewhere_hide_nothing_and_keep_compaction_away)
{
	struct zk_proxy *proxy = zk_proxy_new(etcd_server_port(shared));
	int64_t ranges;

	put_many(0, 600, "x");
	follow(zk_proxy_hosts(proxy), "/t");
	await(seen.state == SOURCE_FOLLOWING);
	for (int i = 0; i < 10; i++)
		etcd_server_put(shared, "/elsewhere", "x");
	await_verified();
	await_verified();
	etcd_server_compact(shared, etcd_server_revision(shared));
	ranges = etcd_server_metric(shared, "etcd_debugging_mvcc_range_total");
	zk_proxy_cut(proxy, true);
	await(seen.state == SOURCE_AWAY);
	etcd_server_put(shared, "/t/b", "1");
	await(is_text("b", "1"));
	await(seen.state == SOURCE_FOLLOWING);
	ck_assert_uint_eq(seen.told_count, 601);
	/* probes, and not three pages of all that there is */
	ck_assert_int_le(etcd_server_metric(shared, "etcd_debugging_mvcc_range_total") - ranges, 2);
	stop_source();
	zk_proxy_free(proxy);
}
END_TEST

/* --- what fails -------------------------------------------------------------- */

START_TEST(lost_connection_is_gone_on_from_without_reading_all)
{
	struct zk_proxy *proxy = zk_proxy_new(etcd_server_port(shared));
	int64_t ranges;

	put_many(0, 300, "x");
	follow(zk_proxy_hosts(proxy), "/t");
	await(seen.state == SOURCE_FOLLOWING);
	zk_proxy_refuse(proxy, true);
	zk_proxy_cut(proxy, false);
	await(seen.state == SOURCE_AWAY);
	etcd_server_put(shared, "/t/many/00007", "y");
	etcd_server_delete(shared, "/t/many/00008");
	ranges = etcd_server_metric(shared, "etcd_debugging_mvcc_range_total");
	zk_proxy_refuse(proxy, false);
	await(is_text("many/00007", "y") && seen.removed_count == 1);
	await(seen.state == SOURCE_FOLLOWING);
	ck_assert_uint_eq(seen.told_count, 301);
	/* a probe, and no page of 300 keys, which would be two */
	ck_assert_int_le(etcd_server_metric(shared, "etcd_debugging_mvcc_range_total") - ranges, 1);
	stop_source();
	zk_proxy_free(proxy);
}
END_TEST

START_TEST(compaction_while_away_is_read_anew_with_what_is_gone)
{
	struct zk_proxy *proxy = zk_proxy_new(etcd_server_port(shared));

	etcd_server_put(shared, "/t/stays", "1");
	etcd_server_put(shared, "/t/goes", "1");
	etcd_server_put(shared, "/t/changes", "1");
	follow(zk_proxy_hosts(proxy), "/t");
	await(seen.state == SOURCE_FOLLOWING);
	zk_proxy_refuse(proxy, true);
	zk_proxy_cut(proxy, true);
	await(seen.state == SOURCE_AWAY);
	etcd_server_put(shared, "/t/changes", "2");
	etcd_server_delete(shared, "/t/goes");
	etcd_server_put(shared, "/t/new", "1");
	etcd_server_compact(shared, etcd_server_revision(shared));
	zk_proxy_refuse(proxy, false);
	await(seen.state == SOURCE_FOLLOWING && is_text("changes", "2") && is_text("new", "1"));
	ck_assert_ptr_null(*find("goes"));
	ck_assert_uint_eq(seen.removed_count, 1);
	ck_assert_uint_eq(seen.told_count, 5);
	ck_assert_uint_eq(seen.repaired_count, 0);
	stop_source();
	zk_proxy_free(proxy);
}
END_TEST

START_TEST(watch_that_goes_silent_is_found_and_made_anew)
{
	struct zk_proxy *proxy = zk_proxy_new(etcd_server_port(shared));
	int64_t begun_ns, put_ns;

	etcd_server_put(shared, "/t/a", "1");
	etcd_server_put(shared, "/t/b", "1");
	follow(zk_proxy_hosts(proxy), "/t");
	await(seen.state == SOURCE_FOLLOWING);
	zk_proxy_stall_senders(proxy, "POST /v3/watch");
	begun_ns = clock_monotonic_ns();
	etcd_server_put(shared, "/t/a", "2");
	put_ns = clock_boottime_ns();
	etcd_server_delete(shared, "/t/b");
	await(is_text("a", "2") || seen.verified_ns > put_ns);
	ck_assert_msg(is_text("a", "2"), "it was verified without the change");
	await(seen.removed_count == 1);
	ck_assert_int_lt(clock_monotonic_ns() - begun_ns, 9 * CLOCK_NS_PER_S);
	ck_assert_uint_eq(seen.away_count, 0);
	stop_source();
	zk_proxy_free(proxy);
}
END_TEST

START_TEST(everything_stalled_is_away_and_comes_back)
{
	struct zk_proxy *proxy = zk_proxy_new(etcd_server_port(shared));

	etcd_server_put(shared, "/t/a", "1");
	follow(zk_proxy_hosts(proxy), "/t");
	await(seen.state == SOURCE_FOLLOWING);
	zk_proxy_stall(proxy, ZK_PROXY_TO_CLIENT, true);
	etcd_server_put(shared, "/t/a", "2");
	await(seen.state == SOURCE_AWAY);
	ck_assert_msg(strstr(seen.detail, zk_proxy_hosts(proxy)) && strstr(seen.detail, "imed out"), "%s",
		      seen.detail);
	zk_proxy_stall(proxy, ZK_PROXY_TO_CLIENT, false);
	await(seen.state == SOURCE_FOLLOWING && is_text("a", "2"));
	stop_source();
	zk_proxy_free(proxy);
}
END_TEST

/* A page, or an event, that ends in the middle is as if it had not begun. */
START_TEST(connection_cut_at_any_byte_loses_nothing)
{
	struct zk_proxy *proxy = zk_proxy_new(etcd_server_port(shared));
	char text[16];

	put_many(0, 20, "0");
	for (size_t bytes = 1; bytes < 4000; bytes = bytes * 2 + 61) {
		zk_proxy_cut_after(proxy, ZK_PROXY_TO_CLIENT, bytes, bytes % 2 == 0);
		follow(zk_proxy_hosts(proxy), "/t");
		await(seen.document_count == 20 && seen.state == SOURCE_FOLLOWING);
		zk_proxy_cut_after(proxy, ZK_PROXY_TO_CLIENT, bytes, bytes % 2 == 0);
		zk_proxy_cut(proxy, true);
		snprintf(text, sizeof(text), "%zu", bytes);
		put_many(0, 20, text);
		await(is_text("many/00000", text) && is_text("many/00019", text));
		stop_source();
	}
	zk_proxy_free(proxy);
}
END_TEST

START_TEST(server_that_is_killed_and_restarted_is_gone_on_from)
{
	struct etcd_server *server = etcd_server_new();

	etcd_server_start(server);
	etcd_server_put(server, "/t/a", "1");
	etcd_server_put(server, "/t/b", "1");
	follow(etcd_server_hosts(server), "/t");
	await(seen.state == SOURCE_FOLLOWING);
	etcd_server_kill(server);
	await(seen.state == SOURCE_AWAY);
	etcd_server_start(server);
	etcd_server_put(server, "/t/a", "2");
	await(is_text("a", "2"));
	await(seen.state == SOURCE_FOLLOWING);
	ck_assert_str_eq(seen.detail, "");
	ck_assert_uint_eq(seen.told_count, 3);
	etcd_server_free(server);
}
END_TEST

START_TEST(server_that_hangs_is_away_and_comes_back)
{
	struct etcd_server *server = etcd_server_new();

	etcd_server_start(server);
	etcd_server_put(server, "/t/a", "1");
	follow(etcd_server_hosts(server), "/t");
	await(seen.state == SOURCE_FOLLOWING);
	etcd_server_pause(server);
	await(seen.state == SOURCE_AWAY);
	etcd_server_resume(server);
	etcd_server_put(server, "/t/a", "2");
	await(is_text("a", "2") && seen.state == SOURCE_FOLLOWING);
	etcd_server_free(server);
}
END_TEST

START_TEST(restored_store_is_read_anew)
{
	struct etcd_server *server = etcd_server_new();

	etcd_server_start(server);
	etcd_server_put(server, "/t/a", "old");
	etcd_server_kill(server);
	etcd_server_keep_data(server);
	etcd_server_start(server);
	etcd_server_put(server, "/t/b", "lost");
	for (int i = 0; i < 20; i++)
		etcd_server_put(server, "/t/a", "new");
	follow(etcd_server_hosts(server), "/t");
	await(seen.state == SOURCE_FOLLOWING && is_text("a", "new"));
	seen.may_go_back = true;
	etcd_server_kill(server);
	await(seen.state == SOURCE_AWAY);
	etcd_server_restore_data(server);
	etcd_server_start(server);
	await(is_text("a", "old") && seen.removed_count == 1);
	etcd_server_put(server, "/t/a", "newer");
	await(is_text("a", "newer") && seen.state == SOURCE_FOLLOWING);
	etcd_server_free(server);
}
END_TEST

START_TEST(member_that_dies_costs_nothing_but_a_moment)
{
	struct etcd_server *servers[3];
	char hosts[128], text[16];
	size_t leader = 3;

	etcd_server_new_cluster(servers, 3);
	for (size_t i = 0; i < 3; i++)
		etcd_server_begin(servers[i]);
	for (size_t i = 0; i < 3; i++)
		etcd_server_await(servers[i]);
	snprintf(hosts, sizeof(hosts), "%s,%s,%s", etcd_server_hosts(servers[0]),
		 etcd_server_hosts(servers[1]), etcd_server_hosts(servers[2]));
	etcd_server_put(servers[0], "/t/a", "0");
	follow(hosts, "/t");
	await(is_text("a", "0") && seen.state == SOURCE_FOLLOWING);
	for (size_t i = 0; i < 3; i++)
		if (etcd_server_is_leader(servers[i]))
			leader = i;
	ck_assert_uint_lt(leader, 3);
	etcd_server_kill(servers[leader]);
	etcd_server_await(servers[(leader + 1) % 3]); /* the others have agreed on a leader */
	for (int i = 1; i <= 3; i++) {
		snprintf(text, sizeof(text), "%d", i);
		etcd_server_put(servers[(leader + 1) % 3], "/t/a", text);
		await(is_text("a", text));
	}
	await(seen.state == SOURCE_FOLLOWING);
	await_verified();
	/* without most of them nothing is verified, however willing the last one is */
	etcd_server_kill(servers[(leader + 1) % 3]);
	await(seen.state == SOURCE_AWAY);
	etcd_server_begin(servers[leader]);
	etcd_server_await(servers[leader]);
	etcd_server_put(servers[leader], "/t/a", "end");
	await(is_text("a", "end") && seen.state == SOURCE_FOLLOWING);
	for (size_t i = 0; i < 3; i++)
		etcd_server_free(servers[i]);
}
END_TEST

START_TEST(nobody_there_is_away_with_the_address)
{
	struct etcd_server *server = etcd_server_new();
	char address[64];

	follow(etcd_server_hosts(server), "/t");
	await(seen.state == SOURCE_AWAY);
	snprintf(address, sizeof(address), "http://%s: ", etcd_server_hosts(server));
	ck_assert_msg(strstr(seen.detail, address) && strstr(seen.detail, "refused"), "%s", seen.detail);
	ck_assert_uint_eq(seen.settled_count, 0);
	etcd_server_start(server);
	await(seen.state == SOURCE_FOLLOWING);
	etcd_server_free(server);
}
END_TEST

START_TEST(name_that_is_not_found_is_said)
{
	follow("no-such-host.invalid", "/t");
	await(seen.state == SOURCE_AWAY);
	ck_assert_msg(strstr(seen.detail, "no-such-host.invalid:2379"), "%s", seen.detail);
}
END_TEST

START_TEST(document_beyond_the_limit_is_trouble_and_the_rest_is_told)
{
	struct etcd_server *server = etcd_server_new();
	size_t size_bytes = ((size_t)17 << 20) + 5;
	char *bytes = calloc(1, size_bytes);

	etcd_server_add(server, "--max-request-bytes=33554432");
	etcd_server_start(server);
	etcd_server_put(server, "/t/a", "1");
	etcd_server_put_bytes(server, "/t/m", bytes, size_bytes);
	etcd_server_put(server, "/t/z", "1");
	follow(etcd_server_hosts(server), "/t");
	await(seen.state == SOURCE_FOLLOWING);
	ck_assert(is_text("a", "1") && is_text("z", "1"));
	ck_assert_str_eq(seen.trouble_name, "m");
	ck_assert_msg(strstr(seen.trouble, "16 MiB"), "%s", seen.trouble);
	etcd_server_put(server, "/t/m", "small");
	await(is_text("m", "small"));
	ck_assert_str_eq(seen.trouble, "");
	etcd_server_put_bytes(server, "/t/m", bytes, size_bytes);
	await(strstr(seen.trouble, "16 MiB"));
	ck_assert(is_text("m", "small"));
	etcd_server_delete(server, "/t/m");
	await(seen.removed_count == 1);
	ck_assert_str_eq(seen.trouble, "");
	free(bytes);
	etcd_server_free(server);
}
END_TEST

/* --- pull and audit ------------------------------------------------------------- */

/* Neither an audit nor the interval comes while this test runs. */
START_TEST(refresh_looks_at_everything_and_is_vouched_for)
{
	static const char *const modes[] = { "audit=0", "mode=pull&interval=1h" };
	int64_t asked_ns;
	char rest[64];

	etcd_server_put(shared, "/t/a", "1");
	snprintf(rest, sizeof(rest), "/t?%s", modes[_i]);
	follow(etcd_server_hosts(shared), rest);
	await(seen.state == SOURCE_FOLLOWING && seen.settled_count > 0);
	etcd_server_put(shared, "/t/a", "2");
	asked_ns = clock_boottime_ns();
	seen.source->ops->refresh(seen.source);
	await(seen.verified_ns >= asked_ns);
	ck_assert(is_text("a", "2"));
}
END_TEST

START_TEST(pull_finds_changes_removals_and_creations)
{
	size_t settled;

	etcd_server_put(shared, "/t/a", "1");
	etcd_server_put(shared, "/t/b", "1");
	follow(etcd_server_hosts(shared), "/t?mode=pull&interval=200ms");
	await(seen.state == SOURCE_FOLLOWING);
	etcd_server_put(shared, "/t/a", "2");
	await(is_text("a", "2"));
	settled = seen.settled_count;
	etcd_server_delete(shared, "/t/b");
	await(seen.removed_count == 1);
	ck_assert_uint_eq(seen.settled_count, settled + 1);
	etcd_server_put(shared, "/t/b", "2");
	await(is_text("b", "2"));
	put_many(0, 600, "x");
	etcd_server_delete(shared, "/t/a");
	await(seen.removed_count == 2 && seen.document_count == 601);
	etcd_server_put(shared, "/elsewhere", "1");
	await_verified();
	ck_assert_uint_eq(seen.told_count, 604);
	ck_assert_uint_ge(seen.contact_counts[SOURCE_ASKED], 4);
	ck_assert_uint_eq(seen.contact_counts[SOURCE_TOLD], 0);
	ck_assert_uint_eq(seen.repaired_count, 0);
}
END_TEST

START_TEST(audit_of_what_is_right_repairs_nothing)
{
	put_many(0, 600, "x");
	follow(etcd_server_hosts(shared), "/t?audit=1s");
	await(seen.contact_counts[SOURCE_ASKED] >= 3);
	put_many(300, 10, "y");
	await(is_text("many/00309", "y"));
	await(seen.contact_counts[SOURCE_ASKED] >= 5);
	await_verified();
	ck_assert_uint_eq(seen.repaired_count, 0);
	ck_assert_uint_eq(seen.away_count, 0);
	ck_assert_uint_eq(seen.told_count, 610);
}
END_TEST

/* --- users ----------------------------------------------------------------------- */

static char secret[64];

static void write_secret(const char *text)
{
	FILE *file;

	if (secret[0] == '\0') {
		strcpy(secret, "/tmp/zkcfg-secret-XXXXXX");
		close(mkstemp(secret));
	}
	file = fopen(secret, "w");
	ck_assert_ptr_nonnull(file);
	fputs(text, file);
	fclose(file);
}

static void follow_as_user(const struct etcd_server *server)
{
	char rest[128];

	snprintf(rest, sizeof(rest), "/t?auth_file=%s", secret);
	follow(etcd_server_hosts(server), rest);
}

static void post(const struct etcd_server *server, const char *path, const char *body)
{
	free(etcd_server_post(server, path, body));
}

/* Whose tokens are good for so long, unused. */
static struct etcd_server *server_with_users(int token_s)
{
	struct etcd_server *server = etcd_server_new();

	etcd_server_start_with_users(server, token_s);
	etcd_server_put(server, "/t/a", "1");
	return server;
}

START_TEST(user_of_the_auth_file_is_let_in_and_a_wrong_password_is_refused)
{
	struct etcd_server *server = server_with_users(300);

	write_secret("u:wrong\n");
	follow_as_user(server);
	await(seen.state == SOURCE_REFUSED);
	ck_assert_msg(strstr(seen.detail, "authentication failed"), "%s", seen.detail);
	ck_assert_ptr_null(strstr(seen.detail, "wrong"));
	stop_source();
	follow(etcd_server_hosts(server), "/t");
	await(seen.state == SOURCE_REFUSED);
	ck_assert_msg(strstr(seen.detail, "user name is empty") && strstr(seen.detail, "?auth_file="), "%s",
		      seen.detail);
	stop_source();
	write_secret("u:p:\"w\n");
	follow_as_user(server);
	await(seen.state == SOURCE_FOLLOWING && is_text("a", "1"));
	etcd_server_put(server, "/t/a", "2");
	await(is_text("a", "2"));
	unlink(secret);
	etcd_server_free(server);
}
END_TEST

START_TEST(permission_taken_is_refused_and_given_again_it_goes_on)
{
	struct etcd_server *server = server_with_users(300);

	write_secret("u:p:\"w");
	follow_as_user(server);
	await(seen.state == SOURCE_FOLLOWING);
	etcd_server_grant(server, false);
	await(seen.state == SOURCE_REFUSED);
	ck_assert_msg(strstr(seen.detail, "permission denied"), "%s", seen.detail);
	etcd_server_log_in(server, "root", "r");
	etcd_server_put(server, "/t/a", "2");
	run_for_ms(500);
	ck_assert(is_text("a", "1"));
	etcd_server_grant(server, true);
	await(is_text("a", "2") && seen.state == SOURCE_FOLLOWING);
	ck_assert_str_eq(seen.detail, "");
	unlink(secret);
	etcd_server_free(server);
}
END_TEST

START_TEST(user_is_let_in_again_after_a_restart)
{
	struct etcd_server *server = server_with_users(300);

	write_secret("u:p:\"w");
	follow_as_user(server);
	await(seen.state == SOURCE_FOLLOWING);
	etcd_server_kill(server);
	await(seen.state == SOURCE_AWAY);
	etcd_server_start(server);
	await(seen.state == SOURCE_FOLLOWING);
	etcd_server_log_in(server, "root", "r");
	etcd_server_put(server, "/t/a", "2");
	await(is_text("a", "2"));
	unlink(secret);
	etcd_server_free(server);
}
END_TEST

START_TEST(token_that_expires_is_renewed)
{
	struct etcd_server *server = server_with_users(1);

	write_secret("u:p:\"w");
	follow_as_user(server);
	await(seen.state == SOURCE_FOLLOWING);
	for (int i = 0; i < 3; i++)
		await_verified();
	etcd_server_log_in(server, "root", "r");
	etcd_server_put(server, "/t/a", "2");
	await(is_text("a", "2"));
	ck_assert_int_eq(seen.state, SOURCE_FOLLOWING);
	ck_assert_uint_eq(seen.away_count, 0);
	unlink(secret);
	etcd_server_free(server);
}
END_TEST

START_TEST(auth_file_is_not_used_where_there_are_no_users_until_there_are)
{
	struct etcd_server *server = server_with_users(300);

	post(server, "/v3/auth/disable", "{}");
	etcd_server_log_in(server, NULL, NULL);
	write_secret("u:p:\"w");
	follow_as_user(server);
	await(seen.state == SOURCE_FOLLOWING);
	post(server, "/v3/auth/enable", "{}");
	await_verified();
	ck_assert_int_eq(seen.state, SOURCE_FOLLOWING);
	unlink(secret);
	etcd_server_free(server);
}
END_TEST

/* --- TLS ----------------------------------------------------------------------- */

START_TEST(tls_is_spoken_and_a_stranger_is_not_believed)
{
	struct etcd_server *server = etcd_server_new();
	char *ca = certificates_path("ca.pem"), *other_ca = certificates_path("other-ca.pem");
	char *cert = certificates_path("client.pem"), *key = certificates_path("client.key");
	char *server_cert = certificates_path("server.pem"), *server_key = certificates_path("server.key");
	char ca_argument[128], uri[512];
	struct http_tls tls = { ca, cert, key };

	snprintf(ca_argument, sizeof(ca_argument), "--trusted-ca-file=%s", ca);
	etcd_server_add(server, ca_argument);
	etcd_server_add(server, "--client-cert-auth");
	etcd_server_use_tls(server, server_cert, server_key, &tls);
	etcd_server_start(server);
	etcd_server_put(server, "/t/a", "1");

	snprintf(uri, sizeof(uri), "etcds://%s/t?ca_file=%s&cert_file=%s&key_file=%s",
		 etcd_server_hosts(server), ca, cert, key);
	open_source(uri);
	await(seen.state == SOURCE_FOLLOWING && is_text("a", "1"));
	etcd_server_put(server, "/t/a", "2");
	await(is_text("a", "2"));
	await_verified();
	stop_source();

	snprintf(uri, sizeof(uri), "etcds://%s/t?ca_file=%s&cert_file=%s&key_file=%s",
		 etcd_server_hosts(server), other_ca, cert, key);
	open_source(uri);
	await(seen.state == SOURCE_AWAY);
	ck_assert_msg(strstr(seen.detail, "certificate") && strstr(seen.detail, "https://127.0.0.1"), "%s",
		      seen.detail);
	ck_assert_uint_eq(seen.told_count, 0);
	stop_source();

	/* it wants to know us, too */
	snprintf(uri, sizeof(uri), "etcds://%s/t?ca_file=%s", etcd_server_hosts(server), ca);
	open_source(uri);
	await(seen.state == SOURCE_AWAY);
	stop_source();

	follow(etcd_server_hosts(server), "/t"); /* without TLS */
	await(seen.state == SOURCE_AWAY);
	ck_assert_uint_eq(seen.told_count, 0);
	free(ca), free(other_ca), free(cert), free(key), free(server_cert), free(server_key);
	etcd_server_free(server);
}
END_TEST

/* --- servers that are made up ----------------------------------------------------- */

#define FAKE_STREAMS 8
static struct {
	struct evhttp *http;
	char hosts[32];
	struct evhttp_request *stream, *streams[FAKE_STREAMS]; /* the last one; those not ended */
	bool is_stopping;
	char watch[512]; /* the body of the last one */
	unsigned watches;
	const char *all, *keys, *check, *count; /* what ranges are answered with */
	const char *token;
	int status;	   /* of all answers; 0: 200 */
	bool is_compacted; /* of the next range that names a revision */
	char authorization[64];
	unsigned tokens;
} fake;

static void fake_answer(struct evhttp_request *request, const char *text)
{
	struct evbuffer *body = evbuffer_new();

	evbuffer_add_printf(body, "%s", text);
	evhttp_send_reply(request, fake.status > 0 ? fake.status : 200, "whatever", body);
	evbuffer_free(body);
}

static const char *fake_body(struct evhttp_request *request, char *text, size_t text_bytes)
{
	ev_ssize_t got = evbuffer_copyout(evhttp_request_get_input_buffer(request), text, text_bytes - 1);

	text[got > 0 ? got : 0] = '\0';
	return text;
}

/* The request of a connection that failed is left to whoever answers it. */
static void fake_closed(struct evhttp_connection *connection, void *user)
{
	(void)connection;
	for (size_t i = 0; i < FAKE_STREAMS; i++) {
		if (fake.streams[i] != user || fake.is_stopping)
			continue;
		fake.streams[i] = NULL;
		if (fake.stream == user)
			fake.stream = NULL;
		if (!evhttp_request_get_connection(user))
			evhttp_send_reply_end(user); /* which frees it */
	}
}

static void fake_stream(struct evhttp_request *request)
{
	size_t slot = 0;

	while (slot < FAKE_STREAMS && fake.streams[slot])
		slot++;
	ck_assert_uint_lt(slot, FAKE_STREAMS);
	fake.stream = fake.streams[slot] = request;
	evhttp_connection_set_closecb(evhttp_request_get_connection(request), fake_closed, request);
	evhttp_send_reply_start(request, 200, "OK");
}

static void fake_asked(struct evhttp_request *request, void *user)
{
	const char *path = evhttp_request_get_uri(request);
	const char *token = evhttp_find_header(evhttp_request_get_input_headers(request), "Authorization");
	char body[512];

	(void)user;
	fake_body(request, body, sizeof(body));
	snprintf(fake.authorization, sizeof(fake.authorization), "%s", token ? token : "");
	if (strcmp(path, "/v3/watch") == 0 && fake.status == 0) {
		strcpy(fake.watch, body);
		fake.watches++;
		fake_stream(request);
	} else if (strcmp(path, "/v3/auth/authenticate") == 0) {
		fake.tokens++;
		fake_answer(request, fake.token ? fake.token : "");
	} else if (fake.is_compacted && strstr(body, "\"revision\"")) {
		fake.is_compacted = false;
		fake.status = 400;
		fake_answer(
			request,
			"{\"error\":\"etcdserver: mvcc: required revision has been compacted\",\"code\":11}");
		fake.status = 0;
		fake.all = fake.keys;
	} else {
		fake_answer(request, strstr(body, "count_only")		? fake.count
				     : strstr(body, "min_mod_revision") ? fake.check
				     : strstr(body, "keys_only")	? fake.keys
									: fake.all);
	}
}

static void fake_say(const char *line)
{
	struct evbuffer *chunk = evbuffer_new();

	await(fake.stream != NULL);
	evbuffer_add_printf(chunk, "%s\n", line);
	evhttp_send_reply_chunk(fake.stream, chunk);
	evbuffer_free(chunk);
}

static void fake_start(void)
{
	struct evhttp_bound_socket *bound;
	struct sockaddr_in address;
	socklen_t length = sizeof(address);

	make_loop();
	memset(&fake, 0, sizeof(fake));
	fake.http = evhttp_new(seen.loop);
	bound = evhttp_bind_socket_with_handle(fake.http, "127.0.0.1", 0);
	ck_assert_ptr_nonnull(bound);
	getsockname(evhttp_bound_socket_get_fd(bound), (struct sockaddr *)&address, &length);
	snprintf(fake.hosts, sizeof(fake.hosts), "127.0.0.1:%d", ntohs(address.sin_port));
	evhttp_set_gencb(fake.http, fake_asked, NULL);
}

static void fake_stop(void)
{
	fake.is_stopping = true;
	seen.source->ops->close(seen.source);
	seen.source = NULL;
	evhttp_free(fake.http);
	stop_source();
}

#define HEADER_OF(cluster, revision, term)                                                              \
	"\"header\":{\"cluster_id\":\"" cluster "\",\"member_id\":\"1\",\"revision\":\"" revision "\"," \
	"\"raft_term\":\"" term "\"}"
#define HEADER(revision) HEADER_OF("1", revision, "2")
/* names are "/t/a" and "/t/b", the value is base64 */
#define KEY_A "L3QvYQ=="
#define KEY_B "L3QvYg=="
#define KV(key, created, modified, value)                                                       \
	"{\"key\":\"" key "\",\"create_revision\":\"" created "\",\"mod_revision\":\"" modified \
	"\",\"version\":\"1\",\"value\":\"" value "\"}"
#define EVENT(key, created, modified, value) "{\"kv\":" KV(key, created, modified, value) "}"
#define DELETED(key, modified) \
	"{\"type\":\"DELETE\",\"kv\":{\"key\":\"" key "\",\"mod_revision\":\"" modified "\"}}"
#define CREATED(revision) "{\"result\":{" HEADER(revision) ",\"created\":true}}"
#define TOLD(revision, more, events) "{\"result\":{" HEADER(revision) more ",\"events\":[" events "]}}"
#define FRAGMENT ",\"fragment\":true"
#define COUNT(revision, count) "{" HEADER(revision) ",\"count\":\"" count "\"}"
#define ONE "MQ=="
#define TWO "Mg=="
#define BOTH(revision)                                                                     \
	"{" HEADER(revision) ",\"kvs\":[" KV(KEY_A, "2", "2", ONE) "," KV(KEY_B, "3", "3", \
									  ONE) "],\"count\":\"2\"}"

/* Both documents at revision 10, followed. */
static void fake_follow(const char *rest)
{
	fake.all = BOTH("10");
	fake.keys = BOTH("10");
	fake.count = COUNT("10", "2");
	fake.check = COUNT("10", "2");
	follow(fake.hosts, rest);
	await(fake.watches == 1);
	fake_say(CREATED("10"));
	await(seen.state == SOURCE_FOLLOWING);
}

START_TEST(fragments_are_joined_before_they_settle)
{
	size_t settled;

	fake_start();
	fake_follow("/t");
	settled = seen.settled_count;
	fake_say(TOLD("12", FRAGMENT, EVENT(KEY_A, "2", "11", TWO) "," EVENT(KEY_A, "2", "12", ONE)));
	await(is_text("a", "2"));
	run_for_ms(100);
	ck_assert(is_text("a", "2"));
	ck_assert_uint_eq(seen.settled_count, settled + 1);
	fake_say(TOLD("12", FRAGMENT, EVENT(KEY_B, "3", "12", TWO)));
	run_for_ms(100);
	ck_assert_uint_eq(seen.settled_count, settled + 1);
	fake_say(TOLD("12", "", DELETED("L3QvYw==", "12")));
	await(is_text("a", "1") && is_text("b", "2"));
	ck_assert_uint_eq(seen.settled_count, settled + 2);
	fake_stop();
}
END_TEST

START_TEST(fragments_that_are_cut_are_asked_for_again)
{
	fake_start();
	fake_follow("/t");
	fake_say(TOLD("12", FRAGMENT, EVENT(KEY_A, "2", "11", TWO) "," EVENT(KEY_A, "2", "12", ONE)));
	await(is_text("a", "2"));
	fake_say("{\"error\":{\"grpc_code\":14,\"message\":\"transport is closing\"}}");
	await(fake.watches == 2);
	ck_assert_msg(strstr(fake.watch, "\"start_revision\":\"12\""), "%s", fake.watch);
	fake.count = COUNT("12", "2");
	fake_say(CREATED("12"));
	run_for_ms(100);
	ck_assert(is_text("a", "2"));
	fake_say(TOLD("12", "", EVENT(KEY_A, "2", "12", ONE)));
	await(is_text("a", "1"));
	fake_stop();
}
END_TEST

START_TEST(progress_moves_the_revision_that_a_next_watch_begins_behind)
{
	fake_start();
	fake_follow("/t");
	fake_say("{\"result\":{" HEADER("500") "}}");
	fake.count = COUNT("500", "2");
	await_verified();
	evhttp_send_reply_end(fake.stream);
	fake.stream = fake.streams[0] = NULL;
	await(seen.state == SOURCE_AWAY);
	ck_assert_msg(strstr(seen.detail, "the watch was ended"), "%s", seen.detail);
	await(fake.watches == 2);
	ck_assert_msg(strstr(fake.watch, "\"start_revision\":\"501\""), "%s", fake.watch);
	fake_stop();
}
END_TEST

/* What a watch swallows for good, a count, a check and at last a new read bring. */
START_TEST(event_that_never_comes_is_repaired)
{
	fake_start();
	fake_follow("/t");
	fake.count = COUNT("11", "1");
	fake.check = COUNT("11", "1");
	await(fake.watches == 2);
	ck_assert_uint_eq(seen.removed_count, 0);
	fake_say(CREATED("11"));
	fake.all = "{" HEADER("11") ",\"kvs\":[" KV(KEY_A, "2", "2", ONE) "],\"count\":\"1\"}";
	await(seen.removed_count == 1);
	ck_assert_uint_eq(seen.repaired_count, 1);
	ck_assert_uint_eq(seen.away_count, 0);
	fake_stop();
}
END_TEST

/* A long line on a slow network is no silence. */
START_TEST(watch_that_is_slow_is_waited_for)
{
	struct evbuffer *piece = evbuffer_new();

	fake_start();
	fake_follow("/t");
	fake.count = COUNT("11", "2");
	fake.check = "{" HEADER("11") ",\"kvs\":[" KV(KEY_A, "2", "11", "") "],\"count\":\"2\"}";
	for (int i = 0; i < 25; i++) {
		run_for_ms(400);
		evbuffer_add_printf(piece, " ");
		ck_assert_ptr_nonnull(fake.stream);
		evhttp_send_reply_chunk(fake.stream, piece);
	}
	ck_assert_uint_eq(fake.watches, 1);
	fake_say(TOLD("11", "", EVENT(KEY_A, "2", "11", TWO)));
	await(is_text("a", "2"));
	evbuffer_free(piece);
	fake_stop();
}
END_TEST

START_TEST(audit_finds_what_nothing_told)
{
	fake_start();
	fake_follow("/t?audit=1s");
	fake.keys = fake.all = "{" HEADER("10") ",\"kvs\":[" KV(KEY_A, "2", "2", ONE) "," KV(
		KEY_B, "3", "9", TWO) "],\"count\":\"2\"}";
	await(is_text("b", "2"));
	ck_assert_uint_eq(seen.repaired_count, 1);
	ck_assert_uint_ge(seen.contact_counts[SOURCE_ASKED], 1);
	fake_stop();
}
END_TEST

START_TEST(other_history_is_read_anew)
{
	static const char *const counts[] = { "{" HEADER_OF("7", "10", "2") ",\"count\":\"2\"}",
					      "{" HEADER_OF("1", "10", "1") ",\"count\":\"2\"}",
					      "{" HEADER_OF("1", "9", "2") ",\"count\":\"2\"}" };
	static const char *const alls[] = {
		"{" HEADER_OF("7", "10", "2") ",\"kvs\":[" KV(KEY_A, "2", "2", TWO) "],\"count\":\"1\"}",
		"{" HEADER_OF("1", "10", "1") ",\"kvs\":[" KV(KEY_A, "2", "2", TWO) "],\"count\":\"1\"}",
		"{" HEADER_OF("1", "9", "2") ",\"kvs\":[" KV(KEY_A, "2", "2", TWO) "],\"count\":\"1\"}"
	};

	for (int i = 0; i < 3; i++) {
		fake_start();
		seen.may_go_back = true;
		fake_follow("/t");
		seen.may_go_back = true;
		fake.count = counts[i];
		fake.all = alls[i];
		await(is_text("a", "2")); /* of the same revision, in another history */
		ck_assert_uint_eq(seen.removed_count, 1);
		ck_assert_uint_eq(seen.repaired_count, 0);
		fake_stop();
	}
}
END_TEST

START_TEST(compaction_between_two_pages_begins_the_reading_anew)
{
	fake_start();
	fake.is_compacted = true;
	fake.all = "{" HEADER("9") ",\"more\":true,\"kvs\":[" KV(KEY_A, "2", "2", ONE) "],\"count\":\"2\"}";
	fake.keys = BOTH("10");
	fake.count = COUNT("10", "2");
	follow(fake.hosts, "/t");
	await(fake.watches == 1);
	ck_assert(is_text("a", "1") && is_text("b", "1"));
	ck_assert_msg(strstr(fake.watch, "\"start_revision\":\"11\""), "%s", fake.watch);
	ck_assert_uint_eq(seen.settled_count, 1);
	ck_assert_uint_eq(seen.away_count, 0);
	fake_stop();
}
END_TEST

START_TEST(canceled_watch_is_away_in_the_servers_words)
{
	fake_start();
	fake_follow("/t");
	fake_say("{\"result\":{" HEADER(
		"10") ",\"canceled\":true,\"cancel_reason\":\"etcdserver: no leader\"}}");
	await(seen.state == SOURCE_AWAY);
	ck_assert_msg(strstr(seen.detail, "no leader") && strstr(seen.detail, fake.hosts), "%s", seen.detail);
	await(fake.watches == 2);
	fake_say(CREATED("10"));
	await(seen.state == SOURCE_FOLLOWING);
	fake_stop();
}
END_TEST

START_TEST(token_goes_into_the_header_and_is_renewed_when_it_is_over)
{
	char rest[128];

	fake_start();
	write_secret("u:p");
	snprintf(rest, sizeof(rest), "/t?auth_file=%s", secret);
	fake.token = "{\"token\":\"one.1\"}";
	fake_follow(rest);
	ck_assert_str_eq(fake.authorization, "one.1");
	fake.token = "{\"token\":\"two.2\"}";
	fake_say("{\"result\":{" HEADER(
		"10") ",\"canceled\":true,\"cancel_reason\":\"rpc error: code = Unauthenticated "
		      "desc = etcdserver: invalid auth token\"}}");
	await(fake.watches == 2);
	ck_assert_str_eq(fake.authorization, "two.2");
	ck_assert_uint_eq(fake.tokens, 2);
	ck_assert_uint_eq(seen.away_count, 0);
	unlink(secret);
	fake_stop();
}
END_TEST

static const struct {
	int status;
	const char *body, *expected;
} rubbish[] = {
	{ 0, "<html>hello</html>", "\"<html>hello</html>\" is no answer of etcd's" },
	{ 0, "", "is no answer of etcd's" },
	{ 0, "{}", "\"{}\" is no answer of etcd's" },
	{ 0, "{" HEADER("1") ",\"kvs\":[{\"key\":\"" KEY_A "\"}]}", "is no answer" },
	{ 0, "{" HEADER("1") ",\"more\":true}", "is no answer" },
	/* "/x/a" */
	{ 0, "{" HEADER("9") ",\"kvs\":[" KV("L3gvYQ==", "2", "2", ONE) "]}",
	  "keys that it was not asked for" },
	{ 404, "404 page not found", "status 404 with \"404 page not found\"; expected an etcd" },
	{ 301, "", "status 301" },
	{ 503, "{\"error\":\"etcdserver: leader changed\",\"code\":14}", "etcdserver: leader changed" },
};

START_TEST(answers_that_are_none_of_etcds_are_away_with_what_was_said)
{
	fake_start();
	fake.status = rubbish[_i].status;
	fake.all = rubbish[_i].body;
	follow(fake.hosts, "/t");
	await(seen.state == SOURCE_AWAY);
	ck_assert_msg(strstr(seen.detail, rubbish[_i].expected) && strstr(seen.detail, fake.hosts), "%s",
		      seen.detail);
	ck_assert_uint_eq(seen.told_count, 0);
	ck_assert_uint_eq(seen.settled_count, 0);
	fake.status = 0;
	fake.all = BOTH("10");
	fake.count = COUNT("10", "2");
	await(fake.stream != NULL);
	fake_say(CREATED("10"));
	await(seen.state == SOURCE_FOLLOWING);
	fake_say("rubbish");
	await(seen.state == SOURCE_AWAY);
	ck_assert_msg(strstr(seen.detail, "\"rubbish\" is no answer"), "%s", seen.detail);
	fake_stop();
}
END_TEST

START_TEST(what_is_no_http_is_away)
{
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), fd = -1;
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof(address);
	char hosts[32];

	ck_assert_int_eq(bind(listener, (struct sockaddr *)&address, length), 0);
	ck_assert_int_eq(listen(listener, 8), 0);
	getsockname(listener, (struct sockaddr *)&address, &length);
	snprintf(hosts, sizeof(hosts), "127.0.0.1:%d", ntohs(address.sin_port));
	follow(hosts, "/t");
	await((fd = accept(listener, NULL, NULL)) >= 0);
	ck_assert_int_eq(send(fd, "220 mail.example ESMTP\r\n", 24, 0), 24);
	await(seen.state == SOURCE_AWAY);
	ck_assert_msg(strstr(seen.detail, hosts), "%s", seen.detail);
	close(fd);
	close(listener);
}
END_TEST

/* --- writing ------------------------------------------------------------------- */

static enum source_result put(const char *uri, const char *text, int64_t if_version, int64_t *version,
			      struct message *message)
{
	struct source_change change = {
		.bytes = text, .size_bytes = strlen(text), .if_version = if_version, .timeout_ms = 5000
	};

	return source_find(uri, message)->put(uri, &change, version, message);
}

static enum source_result take_away(const char *uri, int64_t if_version, struct message *message)
{
	struct source_change change = { .if_version = if_version, .timeout_ms = 5000 };

	return source_find(uri, message)->remove(uri, &change, message);
}

START_TEST(put_and_remove_heed_versions)
{
	struct message message = { "" };
	int64_t version = -7;
	char uri[128];

	snprintf(uri, sizeof(uri), "etcd://%s/t/gr%%C3%%BC%%C3%%9F.xml", etcd_server_hosts(shared));
	ck_assert_int_eq(put(uri, "1", 3, &version, &message), SOURCE_MISSING);
	ck_assert_msg(strstr(message.text, "there is no key /t/gr\xc3\xbc\xc3\x9f.xml"), "%s", message.text);
	ck_assert_int_eq(take_away(uri, -1, &message), SOURCE_MISSING);
	ck_assert_int_eq(version, -7);
	ck_assert_int_eq(put(uri, "1", 0, &version, &message), SOURCE_DONE);
	ck_assert_int_eq(version, 1);
	ck_assert_int_eq(put(uri, "2", 0, &version, &message), SOURCE_CONFLICT);
	ck_assert_msg(strstr(message.text, "has version 1, expected 0 (none)"), "%s", message.text);
	ck_assert_int_eq(put(uri, "2", -1, &version, &message), SOURCE_DONE);
	ck_assert_int_eq(version, 2);
	ck_assert_int_eq(put(uri, "3", 1, &version, &message), SOURCE_CONFLICT);
	ck_assert_int_eq(put(uri, "3", 2, &version, &message), SOURCE_DONE);
	ck_assert_int_eq(version, 3);
	follow_shared();
	ck_assert(is_text("gr\xc3\xbc\xc3\x9f.xml", "3"));
	ck_assert_int_eq(take_away(uri, 2, &message), SOURCE_CONFLICT);
	ck_assert_msg(strstr(message.text, "has version 3, expected 2; it was left as it is"), "%s",
		      message.text);
	ck_assert_int_eq(take_away(uri, 0, &message), SOURCE_INVALID);
	ck_assert_int_eq(take_away(uri, 3, &message), SOURCE_DONE);
	await(seen.removed_count == 1);
	ck_assert_int_eq(put(uri, "", -1, &version, &message), SOURCE_DONE);
	ck_assert_int_eq(version, 1);
	ck_assert_int_eq(take_away(uri, -1, &message), SOURCE_DONE);
}
END_TEST

START_TEST(put_says_why_it_did_not)
{
	struct message message = { "" };
	char *large = malloc((17 << 20) + 1), uri[256];
	struct etcd_server *nobody = etcd_server_new();
	int64_t version;

	memset(large, 'x', 17 << 20);
	large[17 << 20] = '\0';
	snprintf(uri, sizeof(uri), "etcd://%s", etcd_server_hosts(shared));
	ck_assert_int_eq(put(uri, "1", -1, &version, &message), SOURCE_INVALID);
	snprintf(uri, sizeof(uri), "etcd://%s/t/a", etcd_server_hosts(shared));
	ck_assert_int_eq(put(uri, large, -1, &version, &message), SOURCE_INVALID);
	large[3 << 20] = '\0';
	ck_assert_int_eq(put(uri, large, -1, &version, &message), SOURCE_INVALID);
	ck_assert_msg(strstr(message.text, "larger than max"), "%s", message.text);
	large[1700000] = '\0';
	ck_assert_int_eq(put(uri, large, -1, &version, &message), SOURCE_INVALID);
	ck_assert_msg(strstr(message.text, "too large"), "%s", message.text);
	snprintf(uri, sizeof(uri), "etcd://%s/t/a", etcd_server_hosts(nobody));
	ck_assert_int_eq(put(uri, "1", -1, &version, &message), SOURCE_FAILED);
	ck_assert_msg(strstr(message.text, "refused") && strstr(message.text, "nothing was written"), "%s",
		      message.text);
	snprintf(uri, sizeof(uri), "etcd://%s,%s/t/a", etcd_server_hosts(nobody), etcd_server_hosts(shared));
	ck_assert_int_eq(put(uri, "1", -1, &version, &message), SOURCE_DONE);
	free(large);
	etcd_server_free(nobody);
}
END_TEST

START_TEST(put_times_out_when_the_server_hangs)
{
	struct etcd_server *server = etcd_server_new();
	struct source_change change = { .bytes = "1", .size_bytes = 1, .if_version = -1, .timeout_ms = 1500 };
	int64_t begun_ns = clock_monotonic_ns(), version;
	struct message message = { "" };
	char uri[128];

	etcd_server_start(server);
	etcd_server_pause(server);
	snprintf(uri, sizeof(uri), "etcd://%s/t/a", etcd_server_hosts(server));
	ck_assert_int_eq(source_find(uri, &message)->put(uri, &change, &version, &message), SOURCE_TIMEOUT);
	ck_assert_msg(strstr(message.text, "may be done or not"), "%s", message.text);
	ck_assert_int_lt(clock_monotonic_ns() - begun_ns, DEADLINE_NS);
	etcd_server_resume(server);
	etcd_server_free(server);
}
END_TEST

START_TEST(put_needs_the_right_user)
{
	struct etcd_server *server = server_with_users(300);
	struct message message = { "" };
	char uri[256];
	int64_t version;

	snprintf(uri, sizeof(uri), "etcd://%s/t/a", etcd_server_hosts(server));
	ck_assert_int_eq(put(uri, "2", -1, &version, &message), SOURCE_FAILED);
	ck_assert_msg(strstr(message.text, "?auth_file="), "%s", message.text);
	write_secret("u:wrong");
	snprintf(uri, sizeof(uri), "etcd://%s/t/a?auth_file=%s", etcd_server_hosts(server), secret);
	ck_assert_int_eq(put(uri, "2", -1, &version, &message), SOURCE_FAILED);
	ck_assert_msg(strstr(message.text, "authentication failed"), "%s", message.text);
	write_secret("u:p:\"w");
	ck_assert_int_eq(put(uri, "2", -1, &version, &message), SOURCE_DONE);
	ck_assert_int_eq(version, 2);
	snprintf(uri, sizeof(uri), "etcd://%s/elsewhere/a?auth_file=%s", etcd_server_hosts(server), secret);
	ck_assert_int_eq(put(uri, "2", -1, &version, &message), SOURCE_FAILED);
	ck_assert_msg(strstr(message.text, "permission denied"), "%s", message.text);
	post(server, "/v3/auth/disable", "{}");
	snprintf(uri, sizeof(uri), "etcd://%s/t/a?auth_file=%s", etcd_server_hosts(server), secret);
	ck_assert_int_eq(put(uri, "3", -1, &version, &message), SOURCE_DONE);
	unlink(secret);
	etcd_server_free(server);
}
END_TEST

static TCase *case_of(Suite *suite, const char *name, bool is_shared)
{
	TCase *tcase = tcase_create(name);

	tcase_set_timeout(tcase, 120);
	if (is_shared) {
		tcase_add_unchecked_fixture(tcase, start_shared, stop_shared);
		tcase_add_checked_fixture(tcase, begin_test, end_test);
	} else {
		tcase_add_checked_fixture(tcase, begin_own, end_test);
	}
	suite_add_tcase(suite, tcase);
	return tcase;
}

static void add_shared(TCase *tcase)
{
	tcase_add_test(tcase, keys_below_the_prefix_are_told_with_their_revisions);
	tcase_add_test(tcase, change_removal_and_recreation_are_told);
	tcase_add_test(tcase, transaction_is_one_settled);
	tcase_add_test(tcase, pages_are_read_whole_and_settle_once);
	tcase_add_test(tcase, document_of_1_mib_is_told_by_read_and_by_watch);
	tcase_add_test(tcase, last_of_1000_quick_changes_arrives);
	tcase_add_test(tcase, key_that_is_no_name_is_passed_over_and_counted);
	tcase_add_test(tcase, nothing_below_the_prefix_settles_and_what_comes_is_told);
	tcase_add_test(tcase, root_is_every_key_that_begins_with_a_slash);
	tcase_add_test(tcase, writes_elsewhere_hide_nothing_and_keep_compaction_away);
	tcase_add_test(tcase, lost_connection_is_gone_on_from_without_reading_all);
	tcase_add_test(tcase, compaction_while_away_is_read_anew_with_what_is_gone);
	tcase_add_test(tcase, watch_that_goes_silent_is_found_and_made_anew);
	tcase_add_test(tcase, everything_stalled_is_away_and_comes_back);
	tcase_add_test(tcase, connection_cut_at_any_byte_loses_nothing);
	tcase_add_loop_test(tcase, refresh_looks_at_everything_and_is_vouched_for, 0, 2);
	tcase_add_test(tcase, pull_finds_changes_removals_and_creations);
	tcase_add_test(tcase, audit_of_what_is_right_repairs_nothing);
	tcase_add_test(tcase, put_and_remove_heed_versions);
	tcase_add_test(tcase, put_says_why_it_did_not);
}

static void add_own(TCase *tcase)
{
	tcase_add_test(tcase, server_that_is_killed_and_restarted_is_gone_on_from);
	tcase_add_test(tcase, server_that_hangs_is_away_and_comes_back);
	tcase_add_test(tcase, restored_store_is_read_anew);
	tcase_add_test(tcase, member_that_dies_costs_nothing_but_a_moment);
	tcase_add_test(tcase, nobody_there_is_away_with_the_address);
	tcase_add_test(tcase, name_that_is_not_found_is_said);
	tcase_add_test(tcase, document_beyond_the_limit_is_trouble_and_the_rest_is_told);
	tcase_add_test(tcase, user_of_the_auth_file_is_let_in_and_a_wrong_password_is_refused);
	tcase_add_test(tcase, permission_taken_is_refused_and_given_again_it_goes_on);
	tcase_add_test(tcase, token_that_expires_is_renewed);
	tcase_add_test(tcase, user_is_let_in_again_after_a_restart);
	tcase_add_test(tcase, auth_file_is_not_used_where_there_are_no_users_until_there_are);
	tcase_add_test(tcase, put_times_out_when_the_server_hangs);
	tcase_add_test(tcase, put_needs_the_right_user);
}

static void add_fake(TCase *tcase)
{
	tcase_add_test(tcase, fragments_are_joined_before_they_settle);
	tcase_add_test(tcase, fragments_that_are_cut_are_asked_for_again);
	tcase_add_test(tcase, progress_moves_the_revision_that_a_next_watch_begins_behind);
	tcase_add_test(tcase, event_that_never_comes_is_repaired);
	tcase_add_test(tcase, watch_that_is_slow_is_waited_for);
	tcase_add_test(tcase, audit_finds_what_nothing_told);
	tcase_add_test(tcase, other_history_is_read_anew);
	tcase_add_test(tcase, compaction_between_two_pages_begins_the_reading_anew);
	tcase_add_test(tcase, canceled_watch_is_away_in_the_servers_words);
	tcase_add_test(tcase, token_goes_into_the_header_and_is_renewed_when_it_is_over);
	tcase_add_loop_test(tcase, answers_that_are_none_of_etcds_are_away_with_what_was_said, 0,
			    sizeof(rubbish) / sizeof(*rubbish));
	tcase_add_test(tcase, what_is_no_http_is_away);
}

int main(void)
{
	Suite *suite = suite_create("etcd");
	TCase *tls;
	SRunner *runner;
	int failed;

	add_shared(case_of(suite, "shared", true));
	add_own(case_of(suite, "own", false));
	add_fake(case_of(suite, "fake", false));
	tls = case_of(suite, "tls", false);
	tcase_add_unchecked_fixture(tls, certificates_make, certificates_remove);
	tcase_add_test(tls, tls_is_spoken_and_a_stranger_is_not_believed);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
