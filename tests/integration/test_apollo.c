/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* The Apollo source against a stand-in that speaks as Apollo does; on a plain event loop, and below zkcfgd */
#include <check.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/event.h>

#include "base/clock.h"
#include "base/log.h"
#include "source/source.h"
#include "support/apollo_server.h"
#include "support/certificates.h"
#include "support/daemon_host.h"
#include "support/secret.h"

#define DEADLINE_NS (30 * CLOCK_NS_PER_S)
#define DOCUMENTS_MOST 16

static struct apollo_server *server;

/* --- what is told -------------------------------------------------------- */

struct document {
	char name[64];
	char *bytes; /* NULL: removed */
	struct source_revision revision;
};

static struct {
	struct event_base *loop;
	struct event *tick;
	struct source *source;
	struct document documents[DOCUMENTS_MOST];
	size_t document_count, told_count, removed_count, settled_count, verified_count, repaired_count;
	size_t told_at_settle; /* how many documents had been told when it settled last */
	size_t contact_count[3];
	int64_t verified_ns;
	enum source_state state;
	char detail[512], trouble[512], states[4096];
	bool may_go_back;
} seen;

static struct document *find(const char *name)
{
	for (size_t i = 0; i < seen.document_count; i++)
		if (strcmp(seen.documents[i].name, name) == 0)
			return &seen.documents[i];
	return NULL;
}

static void told_document(void *user, const char *name, const void *bytes, size_t size_bytes,
			  const struct source_revision *revision)
{
	struct document *document = find(name);

	ck_assert_ptr_eq(user, &seen);
	if (!document) {
		document = &seen.documents[seen.document_count++];
		ck_assert_uint_le(seen.document_count, DOCUMENTS_MOST);
		snprintf(document->name, sizeof(document->name), "%s", name);
	}
	ck_assert_int_eq(revision->version, -1);
	ck_assert_msg(seen.may_go_back || revision->modified >= document->revision.modified, "%s went back",
		      name);
	ck_assert_msg(!document->bytes || revision->modified != document->revision.modified ||
			      revision->created != document->revision.created,
		      "%s was told twice", name);
	document->revision = *revision;
	free(document->bytes);
	document->bytes = strndup(bytes, size_bytes);
	ck_assert_uint_eq(strlen(document->bytes), size_bytes);
	seen.told_count++;
}

static void told_removed(void *user, const char *name)
{
	struct document *document = find(name);

	(void)user;
	ck_assert_msg(document && document->bytes, "%s was removed, and was not there", name);
	free(document->bytes);
	document->bytes = NULL;
	seen.removed_count++;
}

static void told_trouble(void *user, const char *name, const char *reason)
{
	(void)user;
	snprintf(seen.trouble, sizeof(seen.trouble), "%s%s%s", reason ? name : "", reason ? ": " : "",
		 reason ? reason : "");
}

static void told_settled(void *user)
{
	(void)user;
	seen.settled_count++;
	seen.told_at_settle = seen.told_count;
}

static void told_verified(void *user, int64_t boottime_ns)
{
	(void)user;
	ck_assert_int_gt(boottime_ns, seen.verified_ns);
	ck_assert_int_le(boottime_ns, clock_boottime_ns());
	ck_assert_uint_gt(seen.settled_count, 0);
	seen.verified_count++;
	seen.verified_ns = boottime_ns;
}

static void told_state(void *user, enum source_state state, const char *detail)
{
	size_t used = strlen(seen.states);

	(void)user;
	seen.state = state;
	snprintf(seen.detail, sizeof(seen.detail), "%s", detail);
	snprintf(seen.states + used, sizeof(seen.states) - used, "[%d %s]", state, detail);
}

static void told_repaired(void *user, const char *name)
{
	(void)user;
	ck_assert_ptr_nonnull(find(name));
	seen.repaired_count++;
}

static void told_contact(void *user, enum source_contact contact)
{
	(void)user;
	seen.contact_count[contact]++;
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
	const struct document *document = find(name);

	return document && document->bytes && strcmp(document->bytes, text) == 0;
}

static bool is_gone(const char *name)
{
	return find(name) && !find(name)->bytes;
}

/* Run the loop until it is so. */
#define await(condition)                                                                               \
	do {                                                                                           \
		int64_t deadline_ns = clock_monotonic_ns() + DEADLINE_NS;                              \
		while (!(condition)) {                                                                 \
			ck_assert_msg(clock_monotonic_ns() < deadline_ns,                              \
				      "in vain: %s (state %d \"%s\", trouble \"%s\"; %s)", #condition, \
				      seen.state, seen.detail, seen.trouble, seen.states);             \
			event_base_loop(seen.loop, EVLOOP_ONCE);                                       \
		}                                                                                      \
	} while (0)

static void run_ms(int ms)
{
	int64_t until_ns = clock_monotonic_ns() + ms * CLOCK_NS_PER_MS;

	await(clock_monotonic_ns() >= until_ns);
}

static struct apollo_counts counts(void)
{
	struct apollo_counts now;

	apollo_server_count(server, &now);
	return now;
}

static void ticked(evutil_socket_t fd, short what, void *user)
{
	(void)fd, (void)what, (void)user; /* only to look at the deadline */
}

static void follow_uri(const char *uri)
{
	struct timeval tick = { .tv_usec = 5000 };
	struct message message = { "" };

	memset(&seen, 0, sizeof(seen));
	seen.loop = event_base_new();
	seen.tick = event_new(seen.loop, -1, EV_PERSIST, ticked, NULL);
	event_add(seen.tick, &tick);
	ck_assert_msg(source_find(uri, &message)->open(uri, &events, &seen, &seen.source, &message) == 0,
		      "%s", message.text);
	ck_assert_msg(seen.source->ops->start(seen.source, seen.loop, &message) == 0, "%s", message.text);
	ck_assert_int_eq(seen.state, 0); /* nothing is told from within */
}

/* rest: "a.xml&audit=1s" */
static void follow(const char *rest)
{
	char uri[512];

	snprintf(uri, sizeof(uri), "apollo://%s/app/default?namespaces=%s", apollo_server_meta(server), rest);
	follow_uri(uri);
}

static void stop_source(void)
{
	if (!seen.source)
		return;
	seen.source->ops->close(seen.source);
	for (size_t i = 0; i < seen.document_count; i++)
		free(seen.documents[i].bytes);
	event_free(seen.tick);
	event_base_free(seen.loop);
	memset(&seen, 0, sizeof(seen));
}

static void begin_test(void)
{
	log_start(LOG_LEVEL_ERROR);
	server = apollo_server_new();
}

static void end_test(void)
{
	stop_source();
	apollo_server_free(server);
}

/* A long poll waits at the server, which may not have noticed yet that those of before are gone. */
static void await_poll(void)
{
	await(seen.state == SOURCE_FOLLOWING && counts().polls_held >= 1);
}

/* --- following -------------------------------------------------------- */

START_TEST(namespaces_are_read_and_followed)
{
	apollo_server_publish_xml(server, "a.xml", "<a>\xc3\xbc\xe9\x85\x8d\xf0\x9f\x98\x80 \"&amp;\\</a>\n");
	apollo_server_publish(server, "application", "{\"db.host\":\"h<1>\",\"a\":\"\\u00fc\\n\"}");
	apollo_server_publish_xml(server, "elsewhere.xml", "<a/>");
	follow("a.xml,application,none.xml");
	await_poll();
	ck_assert(is_text("a.xml", "<a>\xc3\xbc\xe9\x85\x8d\xf0\x9f\x98\x80 \"&amp;\\</a>\n"));
	ck_assert(is_text(
		"application",
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<configuration>\n\t<entry name=\"a\">\xc3\xbc\n"
		"</entry>\n\t<entry name=\"db.host\">h&lt;1&gt;</entry>\n</configuration>\n"));
	ck_assert_uint_eq(seen.told_count, 2);
	ck_assert_uint_eq(seen.settled_count, 1);
	ck_assert_uint_eq(seen.told_at_settle, 2);
	ck_assert_uint_eq(seen.verified_count, 1);
	ck_assert_uint_eq(seen.contact_count[SOURCE_ASKED], 1);
	ck_assert_uint_eq(seen.contact_count[SOURCE_TOLD], 0);
	ck_assert_str_eq(seen.detail, "no release in Apollo (app app, cluster default): none.xml");
	ck_assert_uint_eq(find("a.xml")->revision.modified, 1);
	ck_assert_uint_eq(find("application")->revision.modified, 2);
}
END_TEST

START_TEST(changes_arrive_at_once)
{
	int64_t begun_ns, worst_ns = 0;
	char text[32];

	apollo_server_publish_xml(server, "a.xml", "<a>0</a>");
	follow("a.xml");
	await_poll();
	for (int i = 1; i <= 20; i++) {
		await_poll();
		snprintf(text, sizeof(text), "<a>%d</a>", i);
		begun_ns = clock_monotonic_ns();
		apollo_server_publish_xml(server, "a.xml", text);
		await(is_text("a.xml", text));
		if (clock_monotonic_ns() - begun_ns > worst_ns)
			worst_ns = clock_monotonic_ns() - begun_ns;
	}
	printf("a change took at most %.1f ms\n", (double)worst_ns / CLOCK_NS_PER_MS);
	ck_assert_uint_eq(find("a.xml")->revision.modified, 21);
	await(seen.told_at_settle == 21);
	ck_assert_uint_eq(seen.contact_count[SOURCE_TOLD], 20);
	ck_assert_uint_eq(seen.repaired_count, 0);
}
END_TEST

START_TEST(rollback_is_a_change_with_a_newer_revision)
{
	uint64_t created;

	apollo_server_publish_xml(server, "a.xml", "<a>1</a>");
	follow("a.xml");
	await_poll();
	created = find("a.xml")->revision.created;
	apollo_server_publish_xml(server, "a.xml", "<a>2</a>");
	await(is_text("a.xml", "<a>2</a>"));
	ck_assert_uint_ne(find("a.xml")->revision.created, created);
	apollo_server_rollback(server, "a.xml");
	await(is_text("a.xml", "<a>1</a>"));
	ck_assert_uint_eq(find("a.xml")->revision.modified, 3);
	ck_assert_uint_eq(find("a.xml")->revision.created, created);
}
END_TEST

START_TEST(removal_and_return_arrive)
{
	apollo_server_publish_xml(server, "a.xml", "<a>1</a>");
	apollo_server_publish_xml(server, "b.xml", "<b/>");
	follow("a.xml,b.xml");
	await_poll();
	apollo_server_remove(server, "a.xml");
	await(is_gone("a.xml") && seen.settled_count == 2);
	ck_assert_str_eq(seen.detail, "no release in Apollo (app app, cluster default): a.xml");
	await_poll();
	apollo_server_publish_xml(server, "a.xml", "<a>2</a>");
	await(is_text("a.xml", "<a>2</a>") && seen.settled_count == 3);
	ck_assert_str_eq(seen.detail, "");
	ck_assert_uint_eq(find("a.xml")->revision.modified, 4);
	ck_assert_uint_eq(seen.removed_count, 1);
}
END_TEST

START_TEST(somebody_elses_gray_release_is_told_as_a_revision_of_the_same_bytes)
{
	apollo_server_publish_xml(server, "a.xml", "<a/>");
	follow("a.xml");
	await_poll();
	apollo_server_touch(server, "a.xml");
	await(seen.told_count == 2);
	ck_assert(is_text("a.xml", "<a/>"));
	ck_assert_uint_eq(find("a.xml")->revision.modified, 2);
}
END_TEST

START_TEST(app_that_was_never_released_is_followed)
{
	follow("a.xml,b");
	await(seen.state == SOURCE_FOLLOWING);
	ck_assert_uint_eq(seen.settled_count, 1);
	ck_assert_uint_eq(seen.verified_count, 1);
	ck_assert_str_eq(seen.detail, "no release in Apollo (app app, cluster default): a.xml, b");
	apollo_server_publish(server, "b", "{}");
	await(seen.told_count == 1);
	apollo_server_publish_xml(server, "a.xml", "<a/>");
	await(is_text("a.xml", "<a/>"));
	ck_assert_uint_eq(find("a.xml")->revision.modified, 2);
	await(seen.detail[0] == '\0');
}
END_TEST

/* Its release messages were lost: it counts as revision 0 until the next one. */
START_TEST(release_without_a_message_is_read)
{
	apollo_server_hold(server, 4000);
	apollo_server_replace(server, "a.xml", "{\"content\":\"<a>1</a>\"}");
	follow("a.xml");
	await(is_text("a.xml", "<a>1</a>"));
	ck_assert_uint_eq(find("a.xml")->revision.modified, 0);
	await_poll();
	apollo_server_publish_xml(server, "a.xml", "<a>2</a>");
	await(is_text("a.xml", "<a>2</a>"));
	ck_assert_uint_eq(find("a.xml")->revision.modified, 1);
}
END_TEST

START_TEST(what_changed_together_settles_together)
{
	size_t settled;

	apollo_server_publish_xml(server, "a.xml", "<a>1</a>");
	apollo_server_publish_xml(server, "b.xml", "<b>1</b>");
	follow("a.xml,b.xml");
	await_poll();
	apollo_server_stop(server, 0);
	await(seen.state == SOURCE_AWAY);
	apollo_server_publish_xml(server, "a.xml", "<a>2</a>");
	apollo_server_publish_xml(server, "b.xml", "<b>2</b>");
	settled = seen.settled_count;
	apollo_server_start(server, 0);
	await(seen.settled_count == settled + 1);
	ck_assert(is_text("a.xml", "<a>2</a>") && is_text("b.xml", "<b>2</b>"));
	ck_assert_uint_eq(seen.told_count, 4);
}
END_TEST

START_TEST(last_of_a_thousand_quick_changes_arrives)
{
	char text[32];

	apollo_server_publish_xml(server, "a.xml", "<a>0</a>");
	follow("a.xml");
	await_poll();
	for (int i = 1; i <= 1000; i++) {
		snprintf(text, sizeof(text), "<a>%d</a>", i);
		apollo_server_publish_xml(server, "a.xml", text);
		if (i % 10 == 0)
			run_ms(1);
	}
	await(is_text("a.xml", "<a>1000</a>") && find("a.xml")->revision.modified == 1001);
	await_poll();
	run_ms(200);
	ck_assert(is_text("a.xml", "<a>1000</a>"));
	ck_assert_str_eq(seen.trouble, "");
	printf("%zu of 1000 versions were told\n", seen.told_count - 1);
}
END_TEST

/* --- audit and pull -------------------------------------------------------- */

START_TEST(lost_notification_is_found_by_the_audit)
{
	apollo_server_publish_xml(server, "a.xml", "<a>1</a>");
	apollo_server_publish_xml(server, "b.xml", "<b/>");
	follow("a.xml,b.xml&audit=1s");
	await_poll();
	apollo_server_lose_notifications(server, true);
	apollo_server_publish_xml(server, "a.xml", "<a>2</a>");
	await(is_text("a.xml", "<a>2</a>"));
	await(seen.repaired_count == 1);
	ck_assert_uint_eq(find("a.xml")->revision.modified, 3);
	run_ms(3000);
	ck_assert_uint_eq(seen.repaired_count, 1);
	ck_assert_uint_eq(seen.told_count, 3);
}
END_TEST

START_TEST(audit_costs_no_body_and_tells_nothing)
{
	struct apollo_counts before;
	size_t verified;

	apollo_server_publish_xml(server, "a.xml", "<a>1</a>");
	apollo_server_publish(server, "b", "{\"x\":\"y\"}");
	follow("a.xml,b&audit=1s");
	await_poll();
	before = counts();
	verified = seen.verified_count;
	await(counts().same >= before.same + 6);
	ck_assert_uint_eq(counts().found, before.found);
	ck_assert_uint_eq(counts().body_bytes, before.body_bytes);
	ck_assert_uint_eq(seen.told_count, 2);
	ck_assert_uint_eq(seen.settled_count, 1);
	ck_assert_uint_ge(seen.verified_count, verified + 2);
	ck_assert_uint_ge(seen.contact_count[SOURCE_ASKED], 3);
	ck_assert_uint_eq(counts().polls_held, 1);
	ck_assert_uint_eq(seen.repaired_count, 0);
}
END_TEST

START_TEST(poll_without_news_verifies)
{
	int64_t begun_ns;

	apollo_server_publish_xml(server, "a.xml", "<a>1</a>");
	apollo_server_hold(server, 300);
	follow("a.xml");
	await(seen.state == SOURCE_FOLLOWING);
	begun_ns = seen.verified_ns;
	await(seen.verified_ns >= begun_ns + 2 * CLOCK_NS_PER_S);
	ck_assert_uint_eq(counts().found, 1);
	ck_assert_uint_eq(counts().same, 0);
	ck_assert_uint_eq(seen.contact_count[SOURCE_TOLD], 0);
}
END_TEST

/* Neither an audit nor the interval comes while this test runs. */
START_TEST(refresh_looks_at_everything_and_is_vouched_for)
{
	static const char *const modes[] = { "audit=0", "mode=pull&interval=1h" };
	int64_t asked_ns;
	char rest[64];

	apollo_server_publish_xml(server, "a.xml", "<a>1</a>");
	snprintf(rest, sizeof(rest), "a.xml&%s", modes[_i]);
	follow(rest);
	await(seen.state == SOURCE_FOLLOWING && seen.settled_count > 0);
	apollo_server_publish_xml(server, "a.xml", "<a>2</a>");
	asked_ns = clock_boottime_ns();
	seen.source->ops->refresh(seen.source);
	await(seen.verified_ns >= asked_ns);
	ck_assert(is_text("a.xml", "<a>2</a>"));
}
END_TEST

START_TEST(pull_asks_and_is_not_told)
{
	apollo_server_publish_xml(server, "a.xml", "<a>1</a>");
	follow("a.xml,b.xml&mode=pull&interval=100ms");
	await(seen.state == SOURCE_FOLLOWING);
	apollo_server_publish_xml(server, "a.xml", "<a>2</a>");
	await(is_text("a.xml", "<a>2</a>"));
	apollo_server_publish_xml(server, "b.xml", "<b>1</b>");
	await(is_text("b.xml", "<b>1</b>"));
	apollo_server_rollback(server, "a.xml");
	await(is_text("a.xml", "<a>1</a>"));
	apollo_server_remove(server, "b.xml");
	await(is_gone("b.xml"));
	ck_assert_uint_eq(counts().polls_held, 0);
	ck_assert_uint_eq(seen.contact_count[SOURCE_TOLD], 0);
	await(seen.contact_count[SOURCE_ASKED] >= 5); /* a round is told of when it has ended */
	ck_assert_uint_eq(seen.repaired_count, 0);
	ck_assert_uint_eq(find("a.xml")->revision.modified, 4);
}
END_TEST

/* With a server that answers by differences, and with one that does not. */
START_TEST(content_that_changes_without_an_id_is_believed_when_it_stays)
{
	uint64_t created;

	apollo_server_differences(server, _i == 1);
	apollo_server_publish_xml(server, "a.xml", "<a>1</a>");
	follow("a.xml&audit=1s");
	await_poll();
	created = find("a.xml")->revision.created;
	apollo_server_replace(server, "a.xml", "{\"content\":\"<a>2</a>\"}");
	await(is_text("a.xml", "<a>2</a>"));
	ck_assert_uint_eq(find("a.xml")->revision.modified, 1);
	ck_assert_uint_ne(find("a.xml")->revision.created, created);
	ck_assert_uint_ge(counts().found, 4); /* once at the start, and until it was sure */
	ck_assert_uint_eq(seen.repaired_count, 1);
}
END_TEST

START_TEST(restored_database_is_told_with_its_older_ids)
{
	apollo_server_publish_xml(server, "a.xml", "<a>1</a>");
	apollo_server_keep(server);
	apollo_server_publish_xml(server, "a.xml", "<a>2</a>");
	follow("a.xml&audit=1s");
	await_poll();
	ck_assert_uint_eq(find("a.xml")->revision.modified, 2);
	seen.may_go_back = true;
	apollo_server_restore(server);
	await(is_text("a.xml", "<a>1</a>") && find("a.xml")->revision.modified == 1);
	await_poll();
	apollo_server_publish_xml(server, "a.xml", "<a>3</a>");
	await(is_text("a.xml", "<a>3</a>"));
}
END_TEST

/* --- servers that fail -------------------------------------------------------- */

START_TEST(servers_that_are_down_at_the_start_are_waited_for)
{
	apollo_server_publish_xml(server, "a.xml", "<a>1</a>");
	apollo_server_stop(server, -1);
	apollo_server_stop(server, 0);
	follow("a.xml");
	await(seen.state == SOURCE_CONNECTING && strstr(seen.detail, "onnect"));
	ck_assert_ptr_nonnull(strstr(seen.detail, apollo_server_meta(server)));
	apollo_server_start(server, -1);
	await(strstr(seen.detail, "onnect") && !strstr(seen.detail, apollo_server_meta(server)));
	ck_assert_uint_eq(seen.settled_count, 0);
	apollo_server_start(server, 0);
	await(is_text("a.xml", "<a>1</a>"));
	await_poll();
	ck_assert_str_eq(seen.detail, "");
}
END_TEST

START_TEST(restart_loses_nothing)
{
	char text[32];

	apollo_server_publish_xml(server, "a.xml", "<a>0</a>");
	follow("a.xml");
	for (int i = 1; i <= 3; i++) {
		await_poll();
		apollo_server_stop(server, 0);
		snprintf(text, sizeof(text), "<a>%d</a>", i);
		apollo_server_publish_xml(server, "a.xml", text);
		await(seen.state == SOURCE_AWAY);
		apollo_server_start(server, 0);
		await(is_text("a.xml", text));
		await(seen.state == SOURCE_FOLLOWING);
	}
	await_poll();
	apollo_server_stop(server, 0); /* nothing happens meanwhile */
	await(seen.state == SOURCE_AWAY);
	apollo_server_start(server, 0);
	await_poll();
	ck_assert_uint_eq(seen.told_count, 4);
	ck_assert_uint_eq(seen.repaired_count, 0);
}
END_TEST

START_TEST(other_config_server_takes_over)
{
	apollo_server_publish_xml(server, "a.xml", "<a>1</a>");
	apollo_server_name(server, 3);
	follow("a.xml");
	await_poll();
	for (int i = 0; i < 2; i++) { /* whichever it is that it is with */
		apollo_server_stop(server, i);
		apollo_server_publish_xml(server, "a.xml", i == 0 ? "<a>2</a>" : "<a>3</a>");
		await(is_text("a.xml", i == 0 ? "<a>2</a>" : "<a>3</a>"));
		await_poll();
		apollo_server_start(server, i);
	}
	ck_assert_uint_gt(counts().found_by[0], 0);
	ck_assert_uint_gt(counts().found_by[1], 0);
}
END_TEST

START_TEST(server_that_lags_is_never_believed)
{
	apollo_server_publish_xml(server, "a.xml", "<a>1</a>");
	apollo_server_lag(server, 1, true);
	follow("a.xml&audit=1s");
	await_poll();
	apollo_server_publish_xml(server, "a.xml", "<a>2</a>");
	await(is_text("a.xml", "<a>2</a>"));
	apollo_server_name(server, 3);
	apollo_server_stop(server, 0);
	await(seen.state == SOURCE_AWAY);
	await(seen.state == SOURCE_FOLLOWING);
	run_ms(1500);
	ck_assert_uint_eq(seen.told_count, 2); /* told_document() would see it go back, too */
	ck_assert(is_text("a.xml", "<a>2</a>"));
	ck_assert_ptr_nonnull(strstr(counts().config_uri,
				     "messages=%7B%22details%22%3A%7B%22app%2Bdefault%2Ba.xml%22%3A2"));
	apollo_server_lag(server, 1, false);
	apollo_server_publish_xml(server, "a.xml", "<a>3</a>");
	await(is_text("a.xml", "<a>3</a>"));
}
END_TEST

START_TEST(server_that_lags_at_the_start_is_caught_up_with)
{
	apollo_server_publish_xml(server, "a.xml", "<a>1</a>");
	apollo_server_lag(server, 0, true);
	apollo_server_publish_xml(server, "a.xml", "<a>2</a>");
	follow("a.xml");
	await_poll();
	ck_assert(is_text("a.xml", "<a>1</a>"));
	apollo_server_lag(server, 0, false);
	await(is_text("a.xml", "<a>2</a>"));
	ck_assert_uint_eq(find("a.xml")->revision.modified, 2);
}
END_TEST

START_TEST(meta_server_that_goes_is_done_without)
{
	apollo_server_publish_xml(server, "a.xml", "<a>1</a>");
	follow("a.xml");
	await_poll();
	apollo_server_stop(server, -1);
	apollo_server_stop(server, 0);
	await(seen.state == SOURCE_AWAY);
	apollo_server_publish_xml(server, "a.xml", "<a>2</a>");
	apollo_server_start(server, 0);
	await(is_text("a.xml", "<a>2</a>"));
}
END_TEST

static const struct {
	enum apollo_endpoint endpoint;
	struct apollo_fault fault;
	const char *said;
	bool is_trouble; /* of the document, and no more */
} faults[] = {
	{ APOLLO_META,
	  { .body = "<html>hello</html>" },
	  "is not the list of config servers of an Apollo meta server: not "
	  "JSON",
	  false },
	{ APOLLO_META, { .body = "[]" }, "names no config server", false },
	{ APOLLO_META,
	  { .status = 503 },
	  "answered with status 503 where a meta server lists config servers",
	  false },
	{ APOLLO_META, { .is_half = true }, "127.0.0.1:", false },
	{ APOLLO_NOTIFICATIONS,
	  { .body = "{\"a\":1}" },
	  "is not a list of notifications of Apollo: JSON, but",
	  false },
	{ APOLLO_NOTIFICATIONS,
	  { .status = 500 },
	  "answered with status 500 where what changed was asked for",
	  false },
	{ APOLLO_NOTIFICATIONS, { .status = 404 }, "answered with status 404 where what changed", false },
	{ APOLLO_NOTIFICATIONS, { .is_half = true }, "127.0.0.1:", false },
	{ APOLLO_NOTIFICATIONS,
	  { .status = 401 },
	  "the app has an access key, which secret_file has to name",
	  false },
	{ APOLLO_CONFIGS, { .body = "rubbish" }, "a.xml: http://127.0.0.1:", true },
	{ APOLLO_CONFIGS,
	  { .body = "{\"configurations\":7}" },
	  "is not a release of Apollo: JSON, but",
	  true },
	{ APOLLO_CONFIGS, { .status = 404, .body = "<html>no</html>" }, "and not in Apollo's words", true },
	{ APOLLO_CONFIGS,
	  { .status = 304 },
	  "answered with status 304 where a release was asked for",
	  false },
	{ APOLLO_CONFIGS,
	  { .status = 500 },
	  "answered with status 500 where a release was asked for",
	  false },
	{ APOLLO_CONFIGS,
	  { .status = 403 },
	  "does not let us read the configuration of app (status 403)",
	  false },
	{ APOLLO_CONFIGS, { .is_half = true }, "127.0.0.1:", false },
};

START_TEST(fault_is_named_and_survived)
{
	bool is_refused = faults[_i].fault.status == 401 || faults[_i].fault.status == 403;

	apollo_server_publish_xml(server, "a.xml", "<a>1</a>");
	apollo_server_fault(server, faults[_i].endpoint, &faults[_i].fault);
	follow("a.xml");
	await(strstr(faults[_i].is_trouble ? seen.trouble : seen.detail, faults[_i].said));
	if (!faults[_i].is_trouble) {
		ck_assert_int_eq(is_refused, seen.state == SOURCE_REFUSED);
		ck_assert_uint_eq(seen.settled_count, 0);
	} else {
		await(seen.settled_count == 1); /* the rest, which is nothing here, goes on */
	}
	run_ms(300);
	ck_assert_uint_eq(seen.told_count, 0);
	apollo_server_fault(server, faults[_i].endpoint, NULL);
	await(is_text("a.xml", "<a>1</a>"));
	await_poll();
	ck_assert_str_eq(seen.detail, "");
	ck_assert_str_eq(seen.trouble, "");
}
END_TEST

START_TEST(wrong_page_in_the_place_of_apollo_removes_nothing)
{
	struct apollo_fault fault = { .status = 404, .body = "<html>no</html>" };

	apollo_server_publish_xml(server, "a.xml", "<a>1</a>");
	follow("a.xml&audit=1s");
	await_poll();
	apollo_server_fault(server, APOLLO_CONFIGS, &fault);
	await(strstr(seen.trouble, "and not in Apollo's words"));
	run_ms(1000);
	ck_assert(is_text("a.xml", "<a>1</a>"));
	apollo_server_fault(server, APOLLO_CONFIGS, NULL);
	await(seen.trouble[0] == '\0');
	ck_assert_uint_eq(seen.told_count, 1);
}
END_TEST

START_TEST(slow_answers_are_waited_for)
{
	struct apollo_fault fault = { .delay_ms = 400 };

	apollo_server_publish_xml(server, "a.xml", "<a>1</a>");
	for (int endpoint = APOLLO_META; endpoint <= APOLLO_CONFIGS; endpoint++)
		apollo_server_fault(server, (enum apollo_endpoint)endpoint, &fault);
	follow("a.xml");
	await(is_text("a.xml", "<a>1</a>"));
	apollo_server_publish_xml(server, "a.xml", "<a>2</a>");
	await(is_text("a.xml", "<a>2</a>"));
	ck_assert_int_eq(seen.state, SOURCE_FOLLOWING);
	ck_assert_ptr_null(strstr(seen.states, "[4"));
}
END_TEST

START_TEST(release_that_is_no_document_is_trouble_until_the_next)
{
	apollo_server_publish(server, "a", "{\"x\":\"1\"}");
	apollo_server_publish(server, "b", "{\"x\":\"1\"}");
	follow("a,b");
	await_poll();
	apollo_server_publish(server, "a", "{\"x\":\"\\u0001\"}");
	await(strstr(seen.trouble, "a: release 2026") && strstr(seen.trouble, "cannot hold, U+0001"));
	apollo_server_publish(server, "b", "{}");
	await(seen.told_count == 3 && seen.told_at_settle == 3);
	ck_assert_ptr_nonnull(strstr(find("a")->bytes, ">1<"));
	apollo_server_publish(server, "a", "{\"x\":\"2\"}");
	await(seen.trouble[0] == '\0' && strstr(find("a")->bytes, ">2<"));
}
END_TEST

/* --- access keys and gray releases -------------------------------------------------------- */

START_TEST(requests_are_signed)
{
	char path[SECRET_PATH_BYTES], rest[128];

	apollo_server_publish_xml(server, "a.xml", "<a>1</a>");
	apollo_server_require(server, "df23df3f59884980844ff3dada30fa97");
	secret_make(path, "df23df3f59884980844ff3dada30fa97");
	snprintf(rest, sizeof(rest), "a.xml&secret_file=%s&ip=10.0.0.1&label=x%%20y", path);
	follow(rest);
	await_poll();
	unlink(path);
	ck_assert(is_text("a.xml", "<a>1</a>"));
	ck_assert_uint_eq(counts().refused, 0);
	ck_assert_ptr_nonnull(strstr(counts().authorization, "Apollo app:"));
	ck_assert_ptr_nonnull(strstr(counts().config_uri, "&label=x%20y&ip=10.0.0.1"));
}
END_TEST

START_TEST(wrong_signature_is_refused_with_what_to_do)
{
	char path[SECRET_PATH_BYTES], rest[128];

	apollo_server_publish_xml(server, "a.xml", "<a>1</a>");
	apollo_server_require(server, "df23df3f59884980844ff3dada30fa97");
	secret_make(path, "another");
	snprintf(rest, sizeof(rest), "a.xml&secret_file=%s", path);
	follow(rest);
	await(seen.state == SOURCE_REFUSED);
	unlink(path);
	ck_assert_msg(
		strstr(seen.detail, "the access key in secret_file is not the app's, or this host's clock"),
		"%s", seen.detail);
	ck_assert_ptr_null(strstr(seen.detail, "another"));
	run_ms(500);
	ck_assert_uint_eq(seen.told_count, 0);
	apollo_server_require(server, "another");
	await(is_text("a.xml", "<a>1</a>"));
}
END_TEST

/* --- below zkcfgd -------------------------------------------------------- */

static void begin_daemon(struct daemon_host *host)
{
	char uri[128];

	snprintf(uri, sizeof(uri), "apollo://%s/app/default?namespaces=a.xml,b", apollo_server_meta(server));
	daemon_host_begin_with(host, uri);
	host->elements = "<debounce min=\"0ms\" max=\"100ms\"/>";
}

START_TEST(daemon_that_is_restarted_commits_nothing_anew)
{
	struct daemon_host host;
	uint64_t seq;

	apollo_server_publish_xml(server, "a.xml", "<a>1</a>");
	apollo_server_publish(server, "b", "{\"db.host\":\"h1\"}");
	begin_daemon(&host);
	daemon_host_start(&host);
	DAEMON_UNTIL(&host, daemon_host_serves(&host, "a.xml", "/a", "1"));
	DAEMON_UNTIL(&host, daemon_host_serves(&host, "b", "/configuration/entry[@name='db.host']", "h1"));
	apollo_server_publish_xml(server, "a.xml", "<a>2</a>");
	DAEMON_UNTIL(&host, daemon_host_serves(&host, "a.xml", "/a", "2"));
	apollo_server_rollback(server, "a.xml");
	DAEMON_UNTIL(&host, daemon_host_serves(&host, "a.xml", "/a", "1"));
	seq = daemon_host_seq(&host);
	for (int i = 0; i < 2; i++) {
		if (i == 0)
			daemon_host_stop(&host);
		else
			daemon_host_kill(&host);
		daemon_host_start(&host);
		ck_assert_uint_eq(daemon_host_seq(&host), seq);
		ck_assert_uint_eq(daemon_host_candidate_count(&host), 0);
	}
	daemon_host_stop(&host);
	apollo_server_publish(server, "b", "{\"db.host\":\"h2\"}");
	daemon_host_start(&host);
	DAEMON_UNTIL(&host, daemon_host_serves(&host, "b", "/configuration/entry[@name='db.host']", "h2"));
	ck_assert_uint_eq(daemon_host_seq(&host), seq + 1);
	daemon_host_end(&host);
}
END_TEST

/* The new daemon meets a server that does not know the newest yet: refused, and taken when it does. */
START_TEST(daemon_that_meets_a_server_that_lags_serves_the_newest)
{
	struct daemon_host host;

	apollo_server_publish_xml(server, "a.xml", "<a>1</a>");
	apollo_server_lag(server, 1, true);
	begin_daemon(&host);
	daemon_host_start(&host);
	apollo_server_publish_xml(server, "a.xml", "<a>2</a>");
	DAEMON_UNTIL(&host, daemon_host_serves(&host, "a.xml", "/a", "2"));
	daemon_host_stop(&host);
	apollo_server_name(server, 2);
	daemon_host_start(&host);
	DAEMON_UNTIL(&host, daemon_host_candidate_count(&host) == 1);
	ck_assert(daemon_host_serves(&host, "a.xml", "/a", "2"));
	apollo_server_lag(server, 1, false);
	DAEMON_UNTIL(&host, daemon_host_candidate_count(&host) == 0);
	ck_assert(daemon_host_serves(&host, "a.xml", "/a", "2"));
	apollo_server_publish_xml(server, "a.xml", "<a>3</a>");
	DAEMON_UNTIL(&host, daemon_host_serves(&host, "a.xml", "/a", "3"));
	daemon_host_end(&host);
}
END_TEST

/* --- TLS -------------------------------------------------------- */

/* Meta server and config server 0 have it, with "server.pem" or another one. */
static void certify(const char *name)
{
	char *cert = certificates_path(name), *key = certificates_path(name);

	strcpy(key + strlen(key) - 3, "key");
	for (int member = -1; member < 1; member++)
		apollo_server_use_tls(server, member, cert, key);
	free(cert), free(key);
}

static void tls_uri(char *uri, size_t uri_bytes, const char *ca, const char *rest)
{
	char *ca_file = certificates_path(ca);

	snprintf(uri, uri_bytes, "apollos://%s/app/default?ca_file=%s&namespaces=%s",
		 apollo_server_meta(server), ca_file, rest);
	free(ca_file);
}

static void follow_by_tls(const char *ca, const char *rest)
{
	char uri[512];

	tls_uri(uri, sizeof(uri), ca, rest);
	follow_uri(uri);
}

/* It does not follow, and says why with the address of a server; -1: the meta server. */
static void await_failure(int member, const char *why)
{
	char address[64];

	if (member < 0)
		snprintf(address, sizeof(address), "https://%s", apollo_server_meta(server));
	else
		snprintf(address, sizeof(address), "https://127.0.0.1:%d",
			 apollo_server_port(server, member));
	await(seen.detail[0] != '\0');
	ck_assert_int_ne(seen.state, SOURCE_FOLLOWING);
	ck_assert_msg(strstr(seen.detail, address) && strstr(seen.detail, why), "\"%s\" lacks %s or %s",
		      seen.detail, address, why);
}

START_TEST(servers_that_are_known_are_followed_by_tls)
{
	certify("server.pem");
	apollo_server_publish_xml(server, "a.xml", "<a>1</a>");
	follow_by_tls("ca.pem", "a.xml");
	await_poll();
	ck_assert(is_text("a.xml", "<a>1</a>"));
	apollo_server_publish_xml(server, "a.xml", "<a>2</a>");
	await(is_text("a.xml", "<a>2</a>"));
	await_poll();
	ck_assert_uint_gt(seen.contact_count[SOURCE_TOLD], 0);
	ck_assert_uint_gt(seen.verified_count, 0);
}
END_TEST

START_TEST(servers_of_an_unknown_authority_are_told_nothing)
{
	certify("server.pem");
	apollo_server_publish_xml(server, "a.xml", "<a>1</a>");
	follow_by_tls("other-ca.pem", "a.xml");
	await_failure(-1, "certificate");
	run_ms(300);
	ck_assert_uint_eq(counts().meta, 0);
	ck_assert_uint_eq(seen.told_count + seen.settled_count + seen.verified_count, 0);
}
END_TEST

START_TEST(servers_of_another_name_are_told_nothing)
{
	certify("elsewhere.pem");
	apollo_server_publish_xml(server, "a.xml", "<a>1</a>");
	follow_by_tls("ca.pem", "a.xml");
	await_failure(-1, "127.0.0.1'"); /* "... does not match target host name '127.0.0.1'" */
	run_ms(300);
	ck_assert_uint_eq(counts().meta, 0);
	ck_assert_uint_eq(seen.told_count + seen.settled_count, 0);
}
END_TEST

START_TEST(server_that_does_not_speak_tls_is_named)
{
	follow_by_tls("ca.pem", "a.xml");
	await_failure(-1, "");
	ck_assert_uint_eq(counts().meta, 0);
}
END_TEST

START_TEST(known_meta_server_vouches_for_no_config_server)
{
	char *cert = certificates_path("elsewhere.pem"), *key = certificates_path("elsewhere.key");

	certify("server.pem");
	apollo_server_use_tls(server, 0, cert, key);
	apollo_server_publish_xml(server, "a.xml", "<a>1</a>");
	follow_by_tls("ca.pem", "a.xml");
	await_failure(0, "127.0.0.1'");
	ck_assert_uint_eq(counts().notifications + counts().found, 0);
	ck_assert_uint_eq(seen.told_count + seen.settled_count, 0);
	free(cert), free(key);
}
END_TEST

/* Who can write to the meta server's list cannot make us speak plainly. */
START_TEST(config_servers_without_tls_are_left_out)
{
	certify("server.pem");
	apollo_server_name(server, 2);
	apollo_server_publish_xml(server, "a.xml", "<a>1</a>");
	follow_by_tls("ca.pem", "a.xml");
	await_failure(-1, "config servers without https only");
	run_ms(200);
	ck_assert_uint_eq(counts().notifications + counts().found + seen.told_count, 0);
	apollo_server_name(server, 3);
	await(is_text("a.xml", "<a>1</a>"));
	for (int i = 0; i < 10; i++) {
		char text[32];

		snprintf(text, sizeof(text), "<a>again %d</a>", i);
		apollo_server_publish_xml(server, "a.xml", text);
		await(is_text("a.xml", text));
	}
	ck_assert_uint_eq(counts().found_by[1], 0);
}
END_TEST

START_TEST(set_goes_on_with_what_it_has_while_servers_are_not_believed)
{
	certify("server.pem");
	apollo_server_publish_xml(server, "a.xml", "<a>1</a>");
	follow_by_tls("ca.pem", "a.xml");
	await_poll();
	certify("elsewhere.pem");
	apollo_server_publish_xml(server, "a.xml", "<a>2</a>");
	await(seen.state == SOURCE_AWAY && strstr(seen.detail, "127.0.0.1'"));
	run_ms(300);
	ck_assert(is_text("a.xml", "<a>1</a>"));
	ck_assert_uint_eq(seen.removed_count, 0);
	ck_assert_uint_eq(seen.told_count, 1);
	certify("server.pem");
	await(is_text("a.xml", "<a>2</a>"));
	await_poll();
	ck_assert_uint_eq(seen.removed_count, 0);
}
END_TEST

/* The same below zkcfgd: readers have what there was, over a restart, too. */
START_TEST(daemon_serves_on_while_servers_are_not_believed)
{
	struct daemon_host host;
	char uri[512], detail[1024] = "";

	certify("server.pem");
	apollo_server_publish_xml(server, "a.xml", "<a>1</a>");
	tls_uri(uri, sizeof(uri), "ca.pem", "a.xml");
	daemon_host_begin_with(&host, uri);
	daemon_host_start(&host);
	DAEMON_UNTIL(&host, daemon_host_serves(&host, "a.xml", "/a", "1"));
	certify("elsewhere.pem");
	apollo_server_publish_xml(server, "a.xml", "<a>2</a>");
	for (int i = 0; i < 2; i++) {
		DAEMON_UNTIL(&host, (daemon_host_detail(&host, detail, sizeof(detail)),
				     strstr(detail, "https://127.0.0.1:") && strstr(detail, "127.0.0.1'")));
		ck_assert(!daemon_host_follows(&host));
		ck_assert(daemon_host_serves(&host, "a.xml", "/a", "1"));
		if (i > 0)
			break;
		daemon_host_stop(&host);
		daemon_host_run(&host);
	}
	certify("server.pem");
	DAEMON_UNTIL(&host, daemon_host_serves(&host, "a.xml", "/a", "2"));
	daemon_host_end(&host);
}
END_TEST

static TCase *tls_case(void)
{
	TCase *tcase = tcase_create("tls");

	tcase_add_unchecked_fixture(tcase, certificates_make, certificates_remove);
	tcase_add_checked_fixture(tcase, begin_test, end_test);
	tcase_add_test(tcase, servers_that_are_known_are_followed_by_tls);
	tcase_add_test(tcase, servers_of_an_unknown_authority_are_told_nothing);
	tcase_add_test(tcase, servers_of_another_name_are_told_nothing);
	tcase_add_test(tcase, server_that_does_not_speak_tls_is_named);
	tcase_add_test(tcase, known_meta_server_vouches_for_no_config_server);
	tcase_add_test(tcase, config_servers_without_tls_are_left_out);
	tcase_add_test(tcase, set_goes_on_with_what_it_has_while_servers_are_not_believed);
	tcase_add_test(tcase, daemon_serves_on_while_servers_are_not_believed);
	return tcase;
}

#define COUNT(array) (int)(sizeof(array) / sizeof(*(array)))

int main(void)
{
	Suite *suite = suite_create("apollo");
	TCase *tcase = tcase_create("apollo");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, begin_test, end_test);
	tcase_add_test(tcase, namespaces_are_read_and_followed);
	tcase_add_test(tcase, changes_arrive_at_once);
	tcase_add_test(tcase, rollback_is_a_change_with_a_newer_revision);
	tcase_add_test(tcase, removal_and_return_arrive);
	tcase_add_test(tcase, somebody_elses_gray_release_is_told_as_a_revision_of_the_same_bytes);
	tcase_add_test(tcase, app_that_was_never_released_is_followed);
	tcase_add_test(tcase, release_without_a_message_is_read);
	tcase_add_test(tcase, what_changed_together_settles_together);
	tcase_add_test(tcase, last_of_a_thousand_quick_changes_arrives);
	tcase_add_test(tcase, lost_notification_is_found_by_the_audit);
	tcase_add_test(tcase, audit_costs_no_body_and_tells_nothing);
	tcase_add_test(tcase, poll_without_news_verifies);
	tcase_add_loop_test(tcase, refresh_looks_at_everything_and_is_vouched_for, 0, 2);
	tcase_add_test(tcase, pull_asks_and_is_not_told);
	tcase_add_loop_test(tcase, content_that_changes_without_an_id_is_believed_when_it_stays, 0, 2);
	tcase_add_test(tcase, restored_database_is_told_with_its_older_ids);
	tcase_add_test(tcase, servers_that_are_down_at_the_start_are_waited_for);
	tcase_add_test(tcase, restart_loses_nothing);
	tcase_add_test(tcase, other_config_server_takes_over);
	tcase_add_test(tcase, server_that_lags_is_never_believed);
	tcase_add_test(tcase, server_that_lags_at_the_start_is_caught_up_with);
	tcase_add_test(tcase, meta_server_that_goes_is_done_without);
	tcase_add_loop_test(tcase, fault_is_named_and_survived, 0, COUNT(faults));
	tcase_add_test(tcase, wrong_page_in_the_place_of_apollo_removes_nothing);
	tcase_add_test(tcase, slow_answers_are_waited_for);
	tcase_add_test(tcase, release_that_is_no_document_is_trouble_until_the_next);
	tcase_add_test(tcase, requests_are_signed);
	tcase_add_test(tcase, wrong_signature_is_refused_with_what_to_do);
	tcase_add_test(tcase, daemon_that_is_restarted_commits_nothing_anew);
	tcase_add_test(tcase, daemon_that_meets_a_server_that_lags_serves_the_newest);
	suite_add_tcase(suite, tcase);
	suite_add_tcase(suite, tls_case());
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
