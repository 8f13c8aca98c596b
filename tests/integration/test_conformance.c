/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every source has to do: the same cases at each place there is, judged by
 * the same witness. A case that does not apply at a place is not run there, and
 * the place's own sentence says why; there is no other way for one to be left
 * out.
 *
 * ZKCFG_TEST_PLACE: only this place, by its scheme. ZKCFG_TEST_ROUNDS: so many
 * thousand quick changes, 1 unless given.
 */
#include <check.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "source/source.h"
#include "support/daemon_host.h"
#include "support/place.h"
#include "support/witness.h"

#define COUNT(array) (sizeof(array) / sizeof(*(array)))
#define UNTIL(condition) SOURCE_HOST_UNTIL(host, condition)
#define DOCUMENTS_MOST 1000

static struct witness witness;
static struct source_host *const host = &witness.host;
static const char *const abc[] = { "a.xml", "b.xml", "c.xml" };

static void begin(void)
{
	log_start(LOG_LEVEL_ERROR);
}

static void end(void)
{
	witness_end(&witness);
}

static const struct place *at(int number)
{
	witness_begin(&witness, places[number], abc, COUNT(abc));
	return places[number];
}

static void put(const char *name, const char *text)
{
	witness_put(&witness, name, text);
}

/* What was written before is told. */
static void follow(const char *options)
{
	witness_follow(&witness, options);
	UNTIL(host->settled_count == 1 && host->state == SOURCE_FOLLOWING);
	witness_judge(&witness);
}

static bool is_gone(const char *name)
{
	const struct host_document *document = source_host_find(host, name);

	return document && !document->bytes;
}

/* --- what a document does -------------------------------------------------------- */

START_TEST(what_is_there_is_told_once_and_settled_once)
{
	at(_i);
	put("a.xml", "<a>0</a>");
	put("a.xml", "<a>1</a>");
	put("b.xml", "<b/>");
	witness_follow(&witness, "");
	UNTIL(host->settled_count == 1);
	ck_assert(source_host_has(host, "a.xml", "<a>1</a>") && source_host_has(host, "b.xml", "<b/>"));
	ck_assert_uint_eq(source_host_count(host), 2);
	UNTIL(host->state == SOURCE_FOLLOWING && host->verified_count > 0);
	ck_assert_uint_eq(host->told_count, 2);
	ck_assert_uint_eq(host->settled_count, 1);
	ck_assert_uint_eq(host->removed_count, 0);
}
END_TEST

START_TEST(nothing_is_there_and_that_is_settled)
{
	at(_i);
	follow("");
	UNTIL(host->verified_count > 0);
	put("a.xml", "<a/>");
	witness_judge(&witness);
	ck_assert_uint_eq(host->told_count, 1);
}
END_TEST

START_TEST(document_is_made_changed_removed_and_made_again)
{
	uint64_t modified;

	at(_i);
	put("b.xml", "<b/>");
	follow("");
	put("a.xml", "<a>1</a>");
	witness_judge(&witness);
	put("a.xml", "<a>2</a>");
	witness_judge(&witness);
	modified = source_host_find(host, "a.xml")->revision.modified;
	put("a.xml", NULL);
	UNTIL(is_gone("a.xml"));
	witness_judge(&witness);
	put("a.xml", "<a>2</a>");
	UNTIL(source_host_has(host, "a.xml", "<a>2</a>"));
	witness_judge(&witness);
	ck_assert_uint_gt(source_host_find(host, "a.xml")->revision.modified, modified);
	ck_assert_uint_eq(source_host_find(host, "a.xml")->told_count, 3);
	ck_assert_uint_eq(host->removed_count, 1);
	ck_assert_uint_eq(source_host_find(host, "b.xml")->told_count, 1);
	ck_assert_uint_gt(host->contacts[SOURCE_TOLD], 0);
}
END_TEST

START_TEST(recreated_document_is_another_one)
{
	uint64_t created;

	at(_i);
	put("a.xml", "<a>1</a>");
	follow("");
	created = source_host_find(host, "a.xml")->revision.created;
	put("a.xml", NULL);
	UNTIL(is_gone("a.xml"));
	put("a.xml", "<a>1</a>");
	UNTIL(source_host_has(host, "a.xml", "<a>1</a>"));
	ck_assert_uint_ne(source_host_find(host, "a.xml")->revision.created, created);
}
END_TEST

START_TEST(document_that_becomes_empty_is_told_as_that)
{
	at(_i);
	put("a.xml", "<a/>");
	follow("");
	put("a.xml", "");
	UNTIL(source_host_has(host, "a.xml", ""));
	witness_judge(&witness);
	put("a.xml", "<a/>");
	witness_judge(&witness);
	ck_assert_uint_eq(host->removed_count, 0);
}
END_TEST

START_TEST(document_that_is_empty_from_the_start_is_told)
{
	at(_i);
	put("a.xml", "");
	follow("");
	ck_assert(source_host_has(host, "a.xml", ""));
	put("b.xml", "");
	UNTIL(source_host_has(host, "b.xml", ""));
}
END_TEST

START_TEST(document_beyond_the_limit_is_trouble_and_the_rest_goes_on)
{
	const struct place *place = at(_i);
	size_t size_bytes = place->document_most_bytes + 1;
	char *bytes = malloc(size_bytes + 1);
	const char *name = "b.xml";

	memset(bytes, 'x', size_bytes);
	bytes[size_bytes] = '\0';
	put("a.xml", "<a>1</a>");
	place->write(&name, 1, bytes, size_bytes); /* the witness would wait for it */
	witness_follow(&witness, "");
	UNTIL(host->settled_count > 0 && strstr(source_host_trouble(host, "b.xml"), place->limit));
	ck_assert_uint_eq(host->told_count, 1);
	put("a.xml", "<a>2</a>");
	witness_judge(&witness);
	put("b.xml", "<b/>");
	witness_judge(&witness);
	UNTIL(*source_host_trouble(host, "b.xml") == '\0');
	place->write(&name, 1, bytes, size_bytes);
	UNTIL(strstr(source_host_trouble(host, "b.xml"), place->limit));
	ck_assert(source_host_has(host, "b.xml", "<b/>"));
	bytes[size_bytes - 1] = '\0';
	witness_write(&witness, &name, 1, bytes, size_bytes - 1);
	witness_judge(&witness);
	ck_assert_uint_eq(source_host_find(host, "b.xml")->size_bytes, place->document_most_bytes);
	free(bytes);
}
END_TEST

START_TEST(what_is_no_xml_passes_unchanged)
{
	at(_i);
	put("a.xml", "<a>\xc3\xbc &no; \"]]>\r\n\t\\u0041 <<");
	follow("");
	ck_assert(source_host_has(host, "a.xml", "<a>\xc3\xbc &no; \"]]>\r\n\t\\u0041 <<"));
	put("a.xml", "\n");
	witness_judge(&witness);
}
END_TEST

START_TEST(bytes_of_any_kind_pass_unchanged)
{
	const char *name = "a.xml";
	char bytes[1024];

	at(_i);
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (char)(i * 7 + i / 256);
	witness_write(&witness, &name, 1, bytes, sizeof(bytes));
	follow("");
	ck_assert_int_eq(memcmp(source_host_find(host, name)->bytes, bytes, sizeof(bytes)), 0);
	bytes[0] = '\0';
	witness_write(&witness, &name, 1, bytes, sizeof(bytes));
	witness_judge(&witness);
}
END_TEST

START_TEST(daemon_keeps_what_is_in_force_where_the_new_is_no_xml)
{
	const struct place *place = at(_i);
	struct daemon_host daemon;
	char uri[PLACE_URI_BYTES];

	put("a.xml", "<a>1</a>");
	put("b.xml", "<b>1</b>");
	place->uri(uri, abc, COUNT(abc), "");
	daemon_host_begin_with(&daemon, uri);
	daemon.elements = "<debounce min=\"0ms\" max=\"100ms\"/>";
	daemon_host_start(&daemon);
	DAEMON_UNTIL(&daemon, daemon_host_serves(&daemon, "a.xml", "/a", "1"));
	put("a.xml", "<a>2</a");
	DAEMON_UNTIL(&daemon, daemon_host_candidate_count(&daemon) == 1);
	put("b.xml", "<b>2</b>");
	DAEMON_UNTIL(&daemon, daemon_host_serves(&daemon, "b.xml", "/b", "2"));
	ck_assert(daemon_host_serves(&daemon, "a.xml", "/a", "1"));
	ck_assert_uint_eq(daemon_host_candidate_count(&daemon), 1);
	put("a.xml", "<a>3</a>");
	DAEMON_UNTIL(&daemon, daemon_host_serves(&daemon, "a.xml", "/a", "3"));
	DAEMON_UNTIL(&daemon, daemon_host_candidate_count(&daemon) == 0);
	daemon_host_stop(&daemon);
	daemon_host_end(&daemon);
}
END_TEST

/* --- names, and many ---------------------------------------------------------------- */

static void follow_names(int number, const char *const *names, size_t count)
{
	witness_begin(&witness, places[number], names, count);
	for (size_t i = 0; i < count; i++)
		put(names[i], "<v>1</v>");
	follow("");
	for (size_t i = 0; i < count; i++)
		ck_assert_msg(source_host_has(host, names[i], "<v>1</v>"), "%s", names[i]);
	ck_assert_uint_eq(source_host_count(host), count);
	for (size_t i = 0; i < count; i++)
		put(names[i], "<v>2</v>");
	witness_judge(&witness);
	for (size_t i = 0; i < count; i++)
		put(names[i], NULL);
	witness_judge(&witness);
}

START_TEST(names_below_names_are_told)
{
	static const char *const names[] = { "top.xml", "sub/a.xml", "sub/b.xml", "sub/deep/er/a.xml" };

	follow_names(_i, names, COUNT(names));
}
END_TEST

START_TEST(names_of_any_letters_are_told)
{
	static const char *const names[] = { "gr\xc3\xbc\xc3\x9f/\xe9\x85\x8d\xe7\xbd\xae x.xml", "\xc3\xbc",
					     "u\xcc\x88", "a b%20c&d=e?.xml" };

	follow_names(_i, names, COUNT(names));
}
END_TEST

START_TEST(as_many_documents_as_there_may_be_are_told)
{
	static char texts[DOCUMENTS_MOST][16];
	const struct place *place = places[_i];
	const char *names[DOCUMENTS_MOST];
	size_t count = place->documents_most;

	ck_assert_uint_le(count, DOCUMENTS_MOST);
	for (size_t i = 0; i < count; i++) {
		snprintf(texts[i], sizeof(texts[i]), "d%04zu.xml", i);
		names[i] = texts[i];
	}
	witness_begin(&witness, place, names, count);
	for (size_t i = 0; i < count; i += 100)
		witness_write(&witness, names + i, count - i < 100 ? count - i : 100, "<v>1</v>", 8);
	follow("");
	ck_assert_uint_eq(source_host_count(host), count);
	ck_assert_uint_eq(host->told_count, count);
	ck_assert_uint_eq(host->settled_count, 1);
	put(names[count / 2], "<v>2</v>");
	witness_write(&witness, names, count / 4, NULL, 0);
	witness_judge(&witness);
	ck_assert_uint_eq(source_host_count(host), count - count / 4);
	ck_assert_uint_eq(host->told_count, count + 1);
}
END_TEST

/* --- much at a time --------------------------------------------------------------------- */

static struct {
	pthread_t thread;
	unsigned int changes;
	unsigned int names;
	bool removes;
} writer;

static void *write_all(void *user)
{
	char text[32];

	(void)user;
	for (unsigned int i = 1; i <= writer.changes; i++) {
		snprintf(text, sizeof(text), "<v>%u</v>", i);
		put(witness.names[i * 7919 % writer.names], text);
		if (writer.removes && i % 10 == 0)
			put(witness.names[i * 7919 % writer.names], NULL);
	}
	return NULL;
}

static void start_writing(unsigned int changes, unsigned int names, bool removes)
{
	writer.changes = changes;
	writer.names = names;
	writer.removes = removes;
	ck_assert_int_eq(pthread_create(&writer.thread, NULL, write_all, NULL), 0);
}

static void await_writer(void)
{
	while (pthread_tryjoin_np(writer.thread, NULL) != 0)
		source_host_run(host, 2);
}

START_TEST(last_of_a_thousand_quick_changes_arrives)
{
	const char *rounds = getenv("ZKCFG_TEST_ROUNDS");
	unsigned int changes = 1000 * (rounds ? (unsigned int)atoi(rounds) : 1);
	char last[32];

	at(_i);
	put("a.xml", "<v>0</v>");
	follow("");
	start_writing(changes, 1, false);
	await_writer();
	witness_judge(&witness);
	snprintf(last, sizeof(last), "<v>%u</v>", changes);
	ck_assert(source_host_has(host, "a.xml", last));
}
END_TEST

START_TEST(changes_during_the_initial_sync_arrive)
{
	static char texts[40][16];
	const char *names[COUNT(texts)];

	for (size_t i = 0; i < COUNT(texts); i++) {
		snprintf(texts[i], sizeof(texts[i]), "d%02zu.xml", i);
		names[i] = texts[i];
	}
	witness_begin(&witness, places[_i], names, COUNT(texts));
	witness_write(&witness, names, COUNT(texts), "<v>0</v>", 8);
	start_writing(200, COUNT(texts), true);
	witness_follow(&witness, "");
	await_writer();
	witness_judge(&witness);
}
END_TEST

static unsigned int halves;

static void ck_whole(struct source_host *settled)
{
	halves += !(source_host_find(settled, "a.xml") && source_host_find(settled, "b.xml") &&
		    source_host_has(settled, "b.xml", source_host_find(settled, "a.xml")->bytes) &&
		    source_host_has(settled, "c.xml", source_host_find(settled, "a.xml")->bytes));
}

static void write_transactions(unsigned int count, bool is_awaited)
{
	char text[32];

	for (unsigned int i = 1; i <= count; i++) {
		unsigned int settled = host->settled_count;

		snprintf(text, sizeof(text), "<v>%u</v>", i);
		witness_write(&witness, abc, COUNT(abc), text, strlen(text));
		if (!is_awaited)
			continue;
		witness_judge(&witness);
		ck_assert_uint_eq(host->settled_count, settled + 1);
	}
}

START_TEST(transaction_is_settled_once)
{
	at(_i);
	witness_write(&witness, abc, COUNT(abc), "<v>0</v>", 8);
	host->settled = ck_whole;
	follow("");
	write_transactions(20, true);
	write_transactions(50, false);
	witness_judge(&witness);
	ck_assert_uint_eq(halves, 0);
	witness_leave(&witness);
	host->settled = ck_whole;
	follow("mode=pull&interval=100ms");
	write_transactions(3, true);
	ck_assert_uint_eq(halves, 0);
}
END_TEST

/* --- away ------------------------------------------------------------------------------------ */

START_TEST(changes_while_it_is_away_arrive)
{
	const struct place *place = at(_i);

	for (size_t i = 0; i < COUNT(abc); i++)
		put(abc[i], "<v>1</v>");
	follow("");
	for (int round = 0; round < 2; round++) {
		unsigned int told = host->told_count, settled = host->settled_count;

		place->leave();
		UNTIL(host->state == SOURCE_AWAY);
		ck_assert_str_ne(host->detail, "");
		put("a.xml", round == 0 ? "<v>2</v>" : "<v>3</v>");
		put("b.xml", round == 0 ? NULL : "<v>4</v>");
		source_host_run(host, 20);
		ck_assert_uint_eq(host->told_count, told);
		ck_assert_uint_eq(host->settled_count, settled);
		place->come_back();
		witness_judge(&witness);
		ck_assert_str_eq(host->detail, round == 0 ? host->detail : "");
	}
	ck_assert_uint_eq(source_host_find(host, "c.xml")->told_count, 1);
	ck_assert_uint_eq(host->told_count, 6);
	ck_assert_uint_eq(host->removed_count, 1);
}
END_TEST

START_TEST(place_that_is_away_at_the_start_is_waited_for)
{
	const struct place *place = at(_i);

	put("a.xml", "<a>1</a>");
	place->leave();
	witness_follow(&witness, "");
	UNTIL(host->state != 0 && host->state != SOURCE_SYNCING && *host->detail);
	ck_assert(host->state == SOURCE_CONNECTING || host->state == SOURCE_AWAY);
	put("a.xml", "<a>2</a>");
	source_host_run(host, 100);
	ck_assert_uint_eq(host->settled_count, 0);
	ck_assert_uint_eq(host->told_count, 0);
	place->come_back();
	witness_judge(&witness);
	ck_assert_uint_eq(host->told_count, 1);
}
END_TEST

START_TEST(address_where_nobody_is_is_named)
{
	char uri[PLACE_URI_BYTES], address[128];

	at(_i)->nowhere(uri, address, sizeof(address));
	source_host_begin(host, uri);
	UNTIL(strstr(host->detail, address));
	ck_assert(host->state == SOURCE_CONNECTING || host->state == SOURCE_AWAY);
	ck_assert_uint_eq(host->settled_count, 0);
}
END_TEST

START_TEST(wrong_credentials_are_refused_and_right_ones_are_not)
{
	const struct place *place = at(_i);
	char options[256];

	place->guard();
	put("a.xml", "<a>1</a>");
	place->guard_options(false, options, sizeof(options));
	witness_follow(&witness, options);
	UNTIL(host->state == SOURCE_REFUSED);
	ck_assert_msg(strstr(host->detail, place->refusal), "%s", host->detail);
	ck_assert_ptr_null(strstr(host->detail, "mistaken"));
	ck_assert_uint_eq(host->settled_count, 0);
	ck_assert_uint_eq(host->told_count, 0);
	witness_leave(&witness);
	place->guard_options(true, options, sizeof(options));
	follow(options);
	ck_assert(source_host_has(host, "a.xml", "<a>1</a>"));
}
END_TEST

/* --- asking ------------------------------------------------------------------------------------ */

START_TEST(pull_finds_changes_removals_and_returns)
{
	at(_i);
	put("a.xml", "<v>1</v>");
	put("b.xml", "<v>1</v>");
	follow("mode=pull&interval=100ms");
	put("a.xml", "<v>2</v>");
	put("c.xml", "<v>2</v>");
	witness_judge(&witness);
	put("b.xml", NULL);
	UNTIL(is_gone("b.xml"));
	put("b.xml", "<v>3</v>");
	witness_judge(&witness);
	start_writing(100, 3, false);
	await_writer();
	witness_judge(&witness);
	UNTIL(host->verified_count > 3);
	ck_assert_uint_eq(host->contacts[SOURCE_TOLD], 0);
	ck_assert_uint_gt(host->contacts[SOURCE_ASKED], 3);
	ck_assert_uint_eq(host->removed_count, 1);
}
END_TEST

START_TEST(audit_of_what_is_right_repairs_nothing)
{
	unsigned int asked;

	at(_i);
	put("a.xml", "<v>1</v>");
	put("b.xml", "<v>1</v>");
	follow("audit=1s");
	put("a.xml", "<v>2</v>");
	witness_judge(&witness);
	asked = host->contacts[SOURCE_ASKED];
	UNTIL(host->contacts[SOURCE_ASKED] > asked);
	put("b.xml", NULL);
	witness_judge(&witness);
	source_host_run(host, 300);
	ck_assert_uint_eq(host->told_count, 3);
	ck_assert_uint_eq(host->repaired_count, 0); /* which source_host would have said at once */
}
END_TEST

START_TEST(audit_finds_what_nothing_told)
{
	at(_i);
	put("a.xml", "<v>1</v>");
	put("b.xml", "<v>1</v>");
	follow("audit=1s");
	host->repairs = true;
	witness_put_unheard(&witness, "a.xml", "<v>2</v>");
	witness_judge(&witness);
	UNTIL(host->repaired_count == 1);
	ck_assert_uint_eq(source_host_find(host, "b.xml")->told_count, 1);
}
END_TEST

START_TEST(at_rest_it_is_verified_again_and_again)
{
	int64_t begun_ns;

	at(_i);
	put("a.xml", "<v>1</v>");
	follow("");
	begun_ns = clock_boottime_ns();
	UNTIL(host->verified_boottime_ns > begun_ns);
	ck_assert_uint_eq(host->told_count, 1);
	ck_assert_uint_eq(host->settled_count, 1);
}
END_TEST

/* --- zkcfg put and rm ---------------------------------------------------------------------------- */

/* The URI of a document: its name goes behind the path. */
static void uri_of_document(const struct place *place, const char *name, char uri[PLACE_URI_BYTES])
{
	char whole[PLACE_URI_BYTES];
	int length;

	place->uri(whole, &name, 1, "");
	length = (int)strcspn(whole, "?");
	snprintf(uri, PLACE_URI_BYTES, "%.*s/%s", length, whole, name);
}

START_TEST(what_put_writes_is_told)
{
	struct source_change change = { "<v>1</v>", 8, -1, 10000 };
	const struct place *place = at(_i);
	struct message message = { "" };
	const struct source_ops *ops;
	char uri[PLACE_URI_BYTES];
	int64_t version;

	follow("");
	uri_of_document(place, "a.xml", uri);
	ops = source_find(uri, &message);
	ck_assert_ptr_nonnull(ops);
	ck_assert_int_eq(ops->remove(uri, &change, &message), SOURCE_MISSING);
	ck_assert_str_ne(message.text, "");
	witness_log(&witness, "a.xml", "<v>1</v>");
	ck_assert_msg(ops->put(uri, &change, &version, &message) == SOURCE_DONE, "%s", message.text);
	witness_judge(&witness);
	change.bytes = "";
	change.size_bytes = 0;
	witness_log(&witness, "a.xml", "");
	ck_assert_msg(ops->put(uri, &change, &version, &message) == SOURCE_DONE, "%s", message.text);
	witness_judge(&witness);
	witness_log(&witness, "a.xml", NULL);
	ck_assert_msg(ops->remove(uri, &change, &message) == SOURCE_DONE, "%s", message.text);
	witness_judge(&witness);
	UNTIL(is_gone("a.xml"));
}
END_TEST

/* --- the cases, and where they apply ----------------------------------------------------------- */

static const TTest *const *cases(void)
{
	static const TTest *list[32];
	const TTest *const all[] = {
		what_is_there_is_told_once_and_settled_once,
		nothing_is_there_and_that_is_settled,
		document_is_made_changed_removed_and_made_again,
		recreated_document_is_another_one,
		document_that_becomes_empty_is_told_as_that,
		document_that_is_empty_from_the_start_is_told,
		document_beyond_the_limit_is_trouble_and_the_rest_goes_on,
		what_is_no_xml_passes_unchanged,
		bytes_of_any_kind_pass_unchanged,
		daemon_keeps_what_is_in_force_where_the_new_is_no_xml,
		names_below_names_are_told,
		names_of_any_letters_are_told,
		as_many_documents_as_there_may_be_are_told,
		last_of_a_thousand_quick_changes_arrives,
		changes_during_the_initial_sync_arrive,
		transaction_is_settled_once,
		changes_while_it_is_away_arrive,
		place_that_is_away_at_the_start_is_waited_for,
		address_where_nobody_is_is_named,
		wrong_credentials_are_refused_and_right_ones_are_not,
		pull_finds_changes_removals_and_returns,
		audit_of_what_is_right_repairs_nothing,
		audit_finds_what_nothing_told,
		at_rest_it_is_verified_again_and_again,
		what_put_writes_is_told,
	};

	memcpy(list, all, sizeof(all));
	return list;
}

static const char *why_not(const struct place *place, const char *name)
{
	for (const struct place_exception *exception = place->exceptions; exception->name; exception++)
		if (strcmp(exception->name, name) == 0)
			return exception->why;
	return NULL;
}

static bool is_case(const char *name)
{
	for (const TTest *const *each = cases(); *each; each++)
		if (strcmp((*each)->name, name) == 0)
			return true;
	return false;
}

/* An exception is of a case that there is, and says why in a sentence. */
START_TEST(exceptions_are_sentences_about_cases)
{
	const struct place *place = places[_i];

	for (const struct place_exception *exception = place->exceptions; exception->name; exception++) {
		ck_assert_msg(is_case(exception->name), "%s: there is no case %s", place->scheme,
			      exception->name);
		ck_assert_msg(strchr(exception->why, ' ') &&
				      exception->why[strlen(exception->why) - 1] == '.',
			      "%s: %s", exception->name, exception->why);
	}
	ck_assert_msg(place->documents_most == 1000 || place->documents_why, "%s", place->scheme);
}
END_TEST

static bool has_place(const char *scheme, size_t length)
{
	for (size_t i = 0; places[i]; i++) {
		const char *both[] = { places[i]->scheme, places[i]->tls_scheme };

		for (size_t k = 0; k < COUNT(both); k++)
			if (both[k] && strlen(both[k]) == length && memcmp(both[k], scheme, length) == 0)
				return true;
	}
	return false;
}

/* The registry lists them where it is asked for one that is none: "zk:// (as zk://...), ..." */
START_TEST(every_source_has_a_place_here)
{
	struct message message = { "" };
	const char *text;
	size_t count = 0;

	ck_assert_ptr_null(source_find("none://x", &message));
	text = strstr(message.text, "expected ");
	ck_assert_ptr_nonnull(text);
	for (text += strlen("expected "); text; count++) {
		const char *end = strstr(text, ":// (as "), *next;

		ck_assert_msg(end != NULL, "%s", message.text);
		ck_assert_msg(has_place(text, (size_t)(end - text)),
			      "the source %.*s:// has no place in tests/support/places.c", (int)(end - text),
			      text);
		next = strstr(end, "), ");
		text = next ? next + strlen("), ") : NULL;
	}
	ck_assert_uint_gt(count, 1);
}
END_TEST

static unsigned int add_place(Suite *suite, int number)
{
	const struct place *place = places[number];
	TCase *tcase = tcase_create(place->scheme);
	unsigned int applied = 0;

	tcase_set_timeout(tcase, 60);
	tcase_add_unchecked_fixture(tcase, place->start, place->stop);
	tcase_add_checked_fixture(tcase, place->begin, place->end);
	tcase_add_checked_fixture(tcase, begin, end);
	for (const TTest *const *each = cases(); *each; each++) {
		const char *why = why_not(place, (*each)->name);

		if (why) {
			printf("%s: not %s: %s\n", place->scheme, (*each)->name, why);
			continue;
		}
		tcase_add_loop_test(tcase, *each, number, number + 1);
		applied++;
	}
	if (place->documents_why)
		printf("%s: %zu documents, not 1,000: %s\n", place->scheme, place->documents_most,
		       place->documents_why);
	suite_add_tcase(suite, tcase);
	return applied;
}

static Suite *conformance_suite(void)
{
	const char *only = getenv("ZKCFG_TEST_PLACE");
	Suite *suite = suite_create("conformance");
	TCase *table = tcase_create("table");
	unsigned int applied = 0;
	int count = 0;

	for (; places[count]; count++)
		if (!only || strcmp(only, places[count]->scheme) == 0)
			applied += add_place(suite, count);
	tcase_add_loop_test(table, exceptions_are_sentences_about_cases, 0, count);
	tcase_add_test(table, every_source_has_a_place_here);
	suite_add_tcase(suite, table);
	printf("%u cases at %d places\n", applied, only ? 1 : count);
	fflush(stdout);
	return suite;
}

int main(void)
{
	SRunner *runner = srunner_create(conformance_suite());
	int failed;

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
