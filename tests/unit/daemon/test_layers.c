/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Several sources as one, with sources that say what a test wants them to say. */
#include "daemon/layers.h"

#include <check.h>
#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <zkcfg/zkcfg.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/pipeline.h"
#include "segment/document.h"
#include "support/segment_host.h"
#include "xml/compile.h"

#define DEADLINE_NS (30 * CLOCK_NS_PER_S)
#define FAKES 4

/* The sources: "fake://0?key_file=secret" is the first. */
static struct fake {
	struct source source;
	const struct source_events *events;
	void *user;
	unsigned starts, closes;
	int start_error;
} fakes[FAKES];

static const struct source_ops fake_ops;

static int fake_open(const char *uri, const struct source_events *events, void *user, struct source **source,
		     struct message *message)
{
	struct fake *fake = &fakes[uri[strlen("fake://")] - '0'];

	(void)message;
	fake->source = (struct source){ .ops = &fake_ops,
					.mode = fake == &fakes[1] ? SOURCE_PULL : SOURCE_PUSH };
	fake->events = events;
	fake->user = user;
	*source = &fake->source;
	return 0;
}

static int fake_start(struct source *source, struct event_base *loop, struct message *message)
{
	struct fake *fake = (struct fake *)(void *)source;

	ck_assert_ptr_nonnull(loop);
	fake->starts++;
	if (fake->start_error < 0)
		message_set(message, "it does not begin");
	return fake->start_error;
}

static void fake_close(struct source *source)
{
	((struct fake *)(void *)source)->closes++;
}

static const struct source_ops fake_ops = {
	.scheme = "fake", .open = fake_open, .start = fake_start, .close = fake_close
};

static const char *fake_uri(size_t i)
{
	static char uris[FAKES][40];

	snprintf(uris[i], sizeof(uris[i]), "fake://%zu?key_file=secret", i);
	return uris[i];
}

/* What a fake tells. */

static void document(int i, const char *name, const char *text, uint64_t modified)
{
	struct source_revision revision = { .created = 1, .modified = modified, .version = (int64_t)modified };

	fakes[i].events->document(fakes[i].user, name, text, strlen(text), &revision);
}

static void removed(int i, const char *name)
{
	fakes[i].events->removed(fakes[i].user, name);
}

static void trouble(int i, const char *name, const char *reason)
{
	fakes[i].events->trouble(fakes[i].user, name, reason);
}

static void state(int i, enum source_state state, const char *detail)
{
	fakes[i].events->state(fakes[i].user, state, detail);
}

static void settled(int i)
{
	fakes[i].events->settled(fakes[i].user);
}

static void verified(int i, int64_t when)
{
	fakes[i].events->verified(fakes[i].user, when);
}

/* What was told of it all, a line each; cleared by told(). */
static struct buffer lines;
static struct source *layers;
static struct event_base *loop;
static unsigned lost_count;

static void on_document(void *user, const char *name, const void *bytes, size_t size_bytes,
			const struct source_revision *revision)
{
	struct document_sources sources;
	size_t sources_bytes;
	const void *blob = layers_told(layers, &sources_bytes);

	ck_assert_ptr_eq(user, &lines);
	document_sources_read(blob, sources_bytes, &sources);
	ck_assert_uint_ge(sources.count, 1);
	ck_assert_int_eq(revision->version, sources.count > 1 ? -1 : (int64_t)revision->modified);
	buffer_printf(&lines, "document %s %.*s %llu", name, (int)size_bytes, (const char *)bytes,
		      (unsigned long long)revision->modified);
	for (size_t i = 0; i < sources.count; i++)
		buffer_printf(&lines, " %s@%llu", sources.sources[i].uri + strlen("fake://"),
			      (unsigned long long)sources.sources[i].revision);
	buffer_printf(&lines, "\n");
}

static void on_removed(void *user, const char *name)
{
	(void)user;
	buffer_printf(&lines, "removed %s\n", name);
}

static void on_trouble(void *user, const char *name, const char *reason)
{
	(void)user;
	buffer_printf(&lines, "trouble %s: %s\n", name, reason ? reason : "none");
}

static void on_settled(void *user)
{
	(void)user;
	buffer_printf(&lines, "settled\n");
}

static void on_verified(void *user, int64_t boottime_ns)
{
	(void)user;
	buffer_printf(&lines, "verified %lld\n", (long long)boottime_ns);
}

static void on_state(void *user, enum source_state is, const char *detail)
{
	(void)user;
	buffer_printf(&lines, "state %d %s\n", is, detail);
}

static void on_repaired(void *user, const char *name)
{
	(void)user;
	buffer_printf(&lines, "repaired %s\n", name);
}

static void on_contact(void *user, enum source_contact contact)
{
	(void)user;
	buffer_printf(&lines, "contact %d\n", contact);
}

static const struct source_events events = { .document = on_document,
					     .removed = on_removed,
					     .trouble = on_trouble,
					     .settled = on_settled,
					     .verified = on_verified,
					     .state = on_state,
					     .repaired = on_repaired,
					     .contact = on_contact };

static void assert_told(const char *expected)
{
	buffer_append(&lines, "", 1);
	ck_assert_str_eq(lines.bytes, expected);
	buffer_clear(&lines);
}

static void on_lost(void *user, const char *name)
{
	(void)user, (void)name;
	lost_count++;
}

/* kinds: 'l' a layer, 'f' a fallback. */
static void open_layers_as(const char *kinds, bool is_served, bool merges)
{
	struct layers_place places[FAKES];
	struct layers_parts parts = {
		.places = places, .is_served = is_served, .fallback_after_ms = 20, .out_of_memory = on_lost,
		.merges = merges
	};
	struct message message = { "" };

	for (; kinds[parts.place_count] != '\0'; parts.place_count++)
		places[parts.place_count] =
			(struct layers_place){ .ops = &fake_ops,
					       .uri = fake_uri(parts.place_count),
					       .is_fallback = kinds[parts.place_count] == 'f' };
	ck_assert_int_eq(layers_open(&parts, &events, &lines, &layers, &message), 0);
	ck_assert_msg(layers->ops->start(layers, loop, &message) == 0, "%s", message.text);
}

static void open_layers(const char *kinds, bool is_served)
{
	open_layers_as(kinds, is_served, false);
}

static void begin(void)
{
	memset(fakes, 0, sizeof(fakes));
	loop = event_base_new();
	ck_assert_ptr_nonnull(loop);
	log_start(LOG_LEVEL_ERROR);
	layers = NULL;
	lost_count = 0;
	xml_start();
}

static void end(void)
{
	if (layers)
		layers->ops->close(layers);
	for (size_t i = 0; i < FAKES; i++)
		ck_assert_uint_eq(fakes[i].closes, fakes[i].starts);
	event_base_free(loop);
	buffer_free(&lines);
	ck_assert_uint_eq(lost_count, 0);
}

/* Turn the loop until a source is begun, or closed. */
static void turn_until(const unsigned *count, unsigned wanted)
{
	int64_t deadline_ns = clock_monotonic_ns() + DEADLINE_NS;

	while (*count < wanted) {
		ck_assert_msg(clock_monotonic_ns() < deadline_ns, "never");
		event_base_loop(loop, EVLOOP_NONBLOCK);
		usleep(1000);
	}
}

static void turn_for(int ms)
{
	int64_t deadline_ns = clock_monotonic_ns() + ms * CLOCK_NS_PER_MS;

	while (clock_monotonic_ns() < deadline_ns) {
		event_base_loop(loop, EVLOOP_NONBLOCK);
		usleep(1000);
	}
}

static void assert_described(const char *expected)
{
	struct buffer text = { 0 };

	layers_describe(layers, &text);
	buffer_append(&text, "", 1);
	ck_assert_str_eq(text.bytes, expected);
	buffer_free(&text);
}

START_TEST(nothing_is_told_before_every_layer_has_settled)
{
	open_layers("ll", false);
	document(0, "a", "<low/>", 10);
	document(0, "b", "<b/>", 11);
	settled(0);
	verified(0, 5);
	document(1, "a", "<high/>", 3);
	assert_told("");
	settled(1);
	assert_told("document a <high/> 3 1?key_file@3\ndocument b <b/> 11 0?key_file@11\nsettled\n");
	verified(1, 4);
	assert_told("verified 4\n");
}
END_TEST

static void open_two(void)
{
	open_layers("ll", false);
	document(0, "a", "<low/>", 10);
	settled(0);
	document(1, "a", "<high/>", 20);
	settled(1);
	buffer_clear(&lines);
}

START_TEST(what_a_layer_loses_the_one_below_it_gives)
{
	open_two();
	removed(1, "a");
	settled(1);
	assert_told("document a <low/> 10 0?key_file@10\nsettled\n");
	removed(0, "a");
	settled(0);
	assert_told("removed a\nsettled\n");
	document(1, "a", "<again/>", 21);
	settled(1);
	assert_told("document a <again/> 21 1?key_file@21\nsettled\n");
}
END_TEST

START_TEST(a_version_without_bytes_counts_as_none)
{
	open_two();
	document(1, "a", "", 21);
	settled(1);
	assert_told("document a <low/> 10 0?key_file@10\nsettled\n");
}
END_TEST

START_TEST(a_change_below_what_counts_is_not_told)
{
	open_two();
	document(0, "a", "<new/>", 30);
	assert_told("");
	settled(0);
	assert_told("settled\n");
	removed(1, "a");
	settled(1);
	assert_told("document a <new/> 30 0?key_file@30\nsettled\n");
}
END_TEST

START_TEST(settled_is_told_when_all_layers_have_settled)
{
	open_two();
	document(0, "b", "<b/>", 11);
	document(1, "c", "<c/>", 21);
	settled(1);
	assert_told("document b <b/> 11 0?key_file@11\ndocument c <c/> 21 1?key_file@21\n");
	settled(0);
	assert_told("settled\n");
}
END_TEST

START_TEST(verified_is_the_oldest_and_only_while_all_are_settled)
{
	open_two();
	verified(0, 100);
	assert_told("");
	verified(1, 90);
	assert_told("verified 90\n");
	verified(1, 120);
	assert_told("verified 100\n");
	document(0, "b", "<b/>", 11);
	buffer_clear(&lines);
	verified(1, 130);
	verified(0, 130);
	assert_told("");
	settled(0);
	assert_told("settled\nverified 130\n");
}
END_TEST

START_TEST(the_state_is_the_worst_and_names_its_layer)
{
	open_two();
	state(0, SOURCE_FOLLOWING, "");
	assert_told("state 1 fake://1?key_file: connecting\n");
	state(1, SOURCE_FOLLOWING, "");
	assert_told("state 3 \n");
	state(0, SOURCE_AWAY, "lost");
	assert_told("state 4 fake://0?key_file: away: lost\n");
	state(1, SOURCE_REFUSED, "no");
	assert_told("state 5 fake://0?key_file: away: lost; fake://1?key_file: refused: no\n");
	state(0, SOURCE_FOLLOWING, "no znode");
	assert_told("state 5 fake://0?key_file: following: no znode; fake://1?key_file: refused: no\n");
	assert_described("layer\tfake://0?key_file\tfollowing\tno znode\nlayer\tfake://1?key_file\trefused\tno");
}
END_TEST

START_TEST(repairs_and_contacts_are_passed_on)
{
	open_two();
	fakes[0].events->repaired(fakes[0].user, "a");
	fakes[1].events->contact(fakes[1].user, SOURCE_ASKED);
	assert_told("repaired a\ncontact 2\n");
}
END_TEST

START_TEST(what_a_layer_cannot_read_is_not_given_by_the_one_below)
{
	open_layers("ll", false);
	document(0, "d/a", "<low/>", 10);
	document(0, "d", "<d/>", 11);
	document(0, "e", "<e/>", 12);
	settled(0);
	trouble(1, "d", "no permission");
	assert_told("trouble d: fake://1?key_file: no permission\n");
	settled(1);
	assert_told("document e <e/> 12 0?key_file@12\nsettled\n");
	trouble(1, "d", NULL);
	assert_told("document d/a <low/> 10 0?key_file@10\n"
		    "document d <d/> 11 0?key_file@11\ntrouble d: none\nsettled\n");
}
END_TEST

START_TEST(trouble_of_two_layers_ends_with_the_last)
{
	open_two();
	trouble(0, "a", "low");
	trouble(1, "a", "high");
	trouble(1, "a", NULL);
	trouble(0, "a", NULL);
	assert_told("trouble a: fake://0?key_file: low\ntrouble a: fake://1?key_file: high\n"
		    "trouble a: fake://0?key_file: low\nsettled\ntrouble a: none\nsettled\n");
}
END_TEST

START_TEST(a_layer_that_goes_back_is_not_believed)
{
	open_two();
	document(1, "a", "<older/>", 19);
	settled(1);
	assert_told("trouble a: fake://1?key_file: the source went back to revision 19: revision 20 was there before\n"
		    "settled\n");
	document(1, "a", "<newer/>", 21);
	assert_told("trouble a: none\ndocument a <newer/> 21 1?key_file@21\n");
}
END_TEST

START_TEST(a_fallback_is_in_force_until_what_it_stands_for_is_reached)
{
	open_layers("lfl", false);
	document(2, "b", "<b/>", 7);
	settled(2);
	assert_told("");
	assert_described("layer\tfake://0?key_file\tconnecting\t\nfallback\tfake://1?key_file\tstanding by\t\n"
			 "layer\tfake://2?key_file\tconnecting\t");
	turn_until(&fakes[1].starts, 1);
	state(2, SOURCE_FOLLOWING, "");
	buffer_clear(&lines);
	document(1, "a", "<spare/>", 3);
	document(1, "c", "<spare/>", 3);
	settled(1);
	assert_told("state 1 fake://0?key_file: connecting; its fallback fake://1?key_file is in force\n"
		    "document b <b/> 7 2?key_file@7\ndocument a <spare/> 3 1?key_file@3\n"
		    "document c <spare/> 3 1?key_file@3\nsettled\n");
	assert_described("layer\tfake://0?key_file\tconnecting\t\nfallback\tfake://1?key_file\tin force\t\n"
			 "layer\tfake://2?key_file\tfollowing\t");
	verified(1, 100);
	verified(2, 100);
	assert_told("");
	document(0, "a", "<real/>", 5);
	assert_told("");
	state(0, SOURCE_FOLLOWING, "");
	buffer_clear(&lines);
	settled(0);
	assert_told("document a <real/> 5 0?key_file@5\nremoved c\nstate 3 \nsettled\n");
	turn_until(&fakes[1].closes, 1);
	verified(0, 101);
	assert_told("verified 100\n");
	assert_described("layer\tfake://0?key_file\tfollowing\t\nfallback\tfake://1?key_file\tnot needed\t\n"
			 "layer\tfake://2?key_file\tfollowing\t");
}
END_TEST

START_TEST(the_mode_is_that_of_all_that_are_followed)
{
	open_layers("lf", false);
	ck_assert_int_eq(layers->mode, SOURCE_PUSH);
	turn_until(&fakes[1].starts, 1);
	ck_assert_int_eq(layers->mode, SOURCE_PUSH_AND_PULL);
	state(0, SOURCE_FOLLOWING, "");
	settled(0);
	turn_until(&fakes[1].closes, 1);
	ck_assert_int_eq(layers->mode, SOURCE_PUSH);
}
END_TEST

START_TEST(fallbacks_are_tried_in_order_and_the_first_that_is_reached_wins)
{
	fakes[1].start_error = -ENOENT;
	open_layers("lff", false);
	turn_until(&fakes[2].starts, 1);
	ck_assert_uint_eq(fakes[1].starts, 1);
	document(2, "a", "<last/>", 3);
	settled(2);
	settled(0);
	ck_assert_ptr_nonnull(strstr(lines.bytes, "document a <last/> 3"));
	ck_assert_ptr_nonnull(strstr(lines.bytes, "removed a\n"));
	buffer_clear(&lines);
	turn_until(&fakes[2].closes, 1);
}
END_TEST

START_TEST(no_fallback_is_begun_where_something_is_served)
{
	open_layers("lf", true);
	turn_for(100);
	ck_assert_uint_eq(fakes[1].starts, 0);
	assert_described("layer\tfake://0?key_file\tconnecting\t\nfallback\tfake://1?key_file\tnot needed\t");
}
END_TEST

START_TEST(no_fallback_is_begun_for_what_is_reached)
{
	open_layers("lf", false);
	state(0, SOURCE_SYNCING, "");
	turn_for(100);
	ck_assert_uint_eq(fakes[1].starts, 0);
	settled(0);
	turn_for(100);
	ck_assert_uint_eq(fakes[1].starts, 0);
	buffer_clear(&lines);
}
END_TEST

/*
 * Merging
 */

static void open_merging(void)
{
	open_layers_as("lll", false, true);
	document(0, "a", "<a><b>0</b><c>0</c></a>", 10);
	document(0, "only", "<!-- as it was --><o/>", 11);
	settled(0);
	document(1, "a", "<a><c>1</c></a>", 30);
	settled(1);
	settled(2);
}

#define MERGED_01 "<a>\n  <b>0</b>\n  <c>1</c>\n</a>\n"
#define FROM_01	  " 0?key_file@10 1?key_file@30\n"

START_TEST(a_document_is_made_of_all_layers_that_have_it)
{
	struct document_sources sources;
	size_t sources_bytes;
	const void *bytes;
	uint16_t hidden;

	open_merging();
	assert_told("document a " MERGED_01 " 30" FROM_01 "document only <!-- as it was --><o/> 11 0?key_file@11\n"
		    "settled\n");
	document(2, "a", "<a><c>2</c></a>", 5);
	assert_told("document a <a>\n  <b>0</b>\n  <c>2</c>\n</a>\n 30 0?key_file@10 1?key_file@30 2?key_file@5\n");
	bytes = layers_told(layers, &sources_bytes);
	document_sources_read(bytes, sources_bytes, &sources);
	ck_assert_uint_eq(sources.node_count, 3);
	ck_assert_uint_eq(document_sources_of(&sources, 1, &hidden), 0);
	ck_assert_uint_eq(hidden, 0);
	ck_assert_uint_eq(document_sources_of(&sources, 2, &hidden), 2);
	ck_assert_uint_eq(hidden, 1 << 0 | 1 << 1);
	removed(1, "a");
	assert_told("document a <a>\n  <b>0</b>\n  <c>2</c>\n</a>\n 10 0?key_file@10 2?key_file@5\n");
	removed(0, "a");
	assert_told("document a <a><c>2</c></a> 5 2?key_file@5\n");
	removed(2, "a");
	assert_told("removed a\n");
}
END_TEST

START_TEST(what_does_not_go_together_is_trouble_and_changes_nothing)
{
	open_merging();
	buffer_clear(&lines);
	document(2, "a", "<a>\n<b></a>", 5);
	assert_told("trouble a: fake://2?key_file:2:8: Opening and ending tag mismatch: b line 2 and a\n");
	document(2, "a", "<z/>", 6);
	assert_told("trouble a: fake://2?key_file:1:1: the root element is \"z\" of namespace \"\", and \"a\" of "
		    "namespace \"\" in the layer below: expected the same in both, or zkcfg:merge=\"replace\" "
		    "(fake://0?key_file)\n");
	settled(2);
	assert_told("settled\n");
	document(1, "a", "<a><c>3</c></a>", 31); /* it is still so */
	assert_told("");
	document(2, "a", "<a xmlns:p='u' p:x='1'/>", 7);
	assert_told("trouble a: none\n"
		    "document a <a xmlns:p=\"u\" p:x=\"1\">\n  <b>0</b>\n  <c>3</c>\n</a>\n 31 0?key_file@10 "
		    "1?key_file@31 2?key_file@7\n");
	document(1, "a", "<a xmlns:p='v' p:x='2'/>", 32);
	assert_told("trouble a: merged of fake://0?key_file and fake://1?key_file and fake://2?key_file: the prefix "
		    "\"p\" stands for \"v\" in one layer and for \"u\" in another, within one element: expected one "
		    "meaning, or another prefix\n");
	removed(1, "a");
	removed(2, "a");
	removed(0, "a");
	assert_told("trouble a: none\n"
		    "document a <a xmlns:p=\"u\" p:x=\"1\">\n  <b>0</b>\n  <c>0</c>\n</a>\n 10 0?key_file@10 "
		    "2?key_file@7\ndocument a <a><b>0</b><c>0</c></a> 10 0?key_file@10\nremoved a\n");
}
END_TEST

START_TEST(trouble_of_what_does_not_go_together_ends_with_what_was_there)
{
	open_merging();
	buffer_clear(&lines);
	document(2, "a", "<z/>", 5);
	buffer_clear(&lines);
	removed(2, "a"); /* what is left was told */
	assert_told("trouble a: none\n");
	settled(2);
	assert_told("settled\n");
}
END_TEST

START_TEST(no_layer_may_be_unreadable_for_a_merge)
{
	open_merging();
	buffer_clear(&lines);
	removed(1, "a");
	buffer_clear(&lines);
	trouble(1, "a", "it cannot be read");
	assert_told("trouble a: fake://1?key_file: it cannot be read\n");
	document(2, "a", "<a><c>2</c></a>", 6);
	document(0, "a", "<a><c>0</c></a>", 12);
	assert_told("");
	trouble(1, "a", NULL);
	assert_told("document a <a>\n  <c>2</c>\n</a>\n 12 0?key_file@12 2?key_file@6\ntrouble a: none\n");
}
END_TEST

START_TEST(marks_of_a_document_of_one_layer_are_not_served)
{
	open_merging();
	buffer_clear(&lines);
	document(1, "m", "<m xmlns:zkcfg='urn:zkcfg'><x zkcfg:merge='remove'/><y/></m>", 7);
	assert_told("document m <m>\n  <y/>\n</m>\n 7 1?key_file@7\n");
}
END_TEST

/*
 * With the pipeline: revisions
 */

static struct {
	char directory[64], shm_dir[80], state_dir[80];
	struct config_source sources[2];
	struct config_set set;
	struct pipeline *pipeline;
} host;

static void open_pipeline(void)
{
	struct pipeline_parts parts = { .set = &host.set,
					.shm_dir = host.shm_dir,
					.state_dir = host.state_dir,
					.source = &fake_ops,
					.loop = loop };
	struct message message = { "" };
	int err = pipeline_open(&parts, &host.pipeline, &message);

	ck_assert_msg(err == 0, "%d: %s", err, message.text);
}

static void close_pipeline(void)
{
	pipeline_close(host.pipeline);
	host.pipeline = NULL;
}

static void begin_pipeline(void)
{
	static char name[] = "app";

	begin();
	memset(&host, 0, sizeof(host));
	host.set = (struct config_set){ .name = name, .mode = 0644, .group = (gid_t)-1,
					.on_delete = CONFIG_REMOVE };
	host.set.limits = xml_limits_default;
	host.set.sources = host.sources;
	host.set.source_count = 2;
	for (size_t i = 0; i < 2; i++)
		host.sources[i].uri = strdup(fake_uri(i));
	strcpy(host.directory, "/tmp/zkcfg-layers-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(host.directory));
	snprintf(host.shm_dir, sizeof(host.shm_dir), "%s/shm", host.directory);
	snprintf(host.state_dir, sizeof(host.state_dir), "%s/state", host.directory);
	open_pipeline();
}

static void end_pipeline(void)
{
	close_pipeline();
	segment_host_remove(host.directory);
	for (size_t i = 0; i < 2; i++)
		free(host.sources[i].uri);
	end();
}

/* "REVISION RAW" of what readers see of a document, or "none"; and the commit. */
static void assert_served(const char *document_name, const char *expected, uint64_t seq)
{
	const struct zkcfg_document *found;
	struct zkcfg_snapshot *snapshot;
	struct zkcfg *cfg;
	char text[256] = "none";

	ck_assert_int_eq(zkcfg_open("app", host.shm_dir, &cfg), 0);
	ck_assert_int_eq(zkcfg_pin(cfg, &snapshot), 0);
	if (zkcfg_find(snapshot, document_name, &found) == 0)
		snprintf(text, sizeof(text), "%llu %s", (unsigned long long)zkcfg_document_revision(found),
			 zkcfg_document_raw(found, NULL));
	ck_assert_str_eq(text, expected);
	ck_assert_uint_eq(zkcfg_snapshot_seq(snapshot), seq);
	zkcfg_unpin(snapshot);
	zkcfg_close(cfg);
}

static void tell_both(const char *low, uint64_t low_modified, const char *high, uint64_t high_modified)
{
	for (int i = 0; i < 2; i++)
		state(i, SOURCE_FOLLOWING, "");
	if (low)
		document(0, "a", low, low_modified);
	settled(0);
	if (high)
		document(1, "a", high, high_modified);
	settled(1);
}

START_TEST(a_revision_rises_whatever_layer_a_change_is_of)
{
	tell_both("<low/>", 1000, "<high/>", 5);
	assert_served("a", "5 <high/>", 1);
	removed(1, "a"); /* to one that counts from far above */
	settled(1);
	assert_served("a", "1000 <low/>", 2);
	document(1, "a", "<high2/>", 6); /* and back */
	settled(1);
	assert_served("a", "1001 <high2/>", 3);
	removed(1, "a");
	settled(1);
	assert_served("a", "1002 <low/>", 4);
	document(0, "a", "<low2/>", 1001);
	settled(0);
	assert_served("a", "1003 <low2/>", 5);
	document(0, "a", "<low3/>", 2000);
	settled(0);
	assert_served("a", "2000 <low3/>", 6);
}
END_TEST

START_TEST(a_restart_that_finds_the_same_commits_nothing)
{
	tell_both("<low/>", 1000, "<high/>", 5);
	removed(1, "a");
	settled(1);
	document(1, "a", "<high2/>", 6);
	settled(1);
	assert_served("a", "1001 <high2/>", 3);
	close_pipeline();
	open_pipeline();
	tell_both("<low/>", 1000, "<high2/>", 6);
	assert_served("a", "1001 <high2/>", 3);
	/* nor after a reboot, but for the commit of last-good under its own number */
	close_pipeline();
	segment_host_remove(host.shm_dir);
	open_pipeline();
	assert_served("a", "1001 <high2/>", 3);
	tell_both("<low/>", 1000, "<high2/>", 6);
	assert_served("a", "1001 <high2/>", 3);
}
END_TEST

START_TEST(a_layer_that_went_while_nobody_looked_gives_way_with_a_higher_revision)
{
	tell_both("<low/>", 10, "<high/>", 500);
	assert_served("a", "500 <high/>", 1);
	close_pipeline();
	open_pipeline();
	tell_both("<low/>", 10, NULL, 0);
	assert_served("a", "501 <low/>", 2);
}
END_TEST

START_TEST(a_layer_that_went_back_while_nobody_looked_is_refused)
{
	struct pipeline_state how;

	tell_both(NULL, 0, "<high/>", 500);
	close_pipeline();
	segment_host_remove(host.shm_dir); /* last-good knows as well */
	open_pipeline();
	tell_both("<low/>", 1000, "<older/>", 499);
	assert_served("a", "500 <high/>", 1);
	pipeline_state(host.pipeline, &how);
	ck_assert_uint_eq(how.candidate_count, 1);
	document(1, "a", "<newer/>", 501);
	settled(1);
	assert_served("a", "501 <newer/>", 2);
}
END_TEST

START_TEST(what_comes_anew_begins_above_what_went)
{
	tell_both("<low/>", 1000, "<high/>", 5);
	removed(1, "a");
	settled(1);
	removed(0, "a");
	settled(0);
	assert_served("a", "none", 3);
	document(1, "a", "<anew/>", 7);
	settled(1);
	assert_served("a", "1001 <anew/>", 4);
}
END_TEST

START_TEST(a_bad_version_is_told_with_its_layer)
{
	struct zkcfg_candidate candidate;
	struct zkcfg_status *status;
	struct zkcfg *cfg;

	tell_both("<low/>", 1000, "<high/>", 5);
	document(1, "a", "<high>", 6);
	settled(1);
	turn_for(20);
	assert_served("a", "5 <high/>", 1);
	ck_assert_int_eq(zkcfg_open("app", host.shm_dir, &cfg), 0);
	ck_assert_int_eq(zkcfg_status_read(cfg, &status), 0);
	ck_assert_int_eq(zkcfg_status_candidate(status, 0, &candidate), 0);
	ck_assert_msg(strncmp(candidate.reason, "fake://1?key_file: ", 19) == 0, "%s", candidate.reason);
	ck_assert_uint_eq(candidate.line, 1);
	ck_assert_str_eq(zkcfg_status_source(status),
			 "layer\tfake://0?key_file\tfollowing\t\nlayer\tfake://1?key_file\tfollowing\t");
	zkcfg_status_free(status);
	zkcfg_close(cfg);
}
END_TEST

/* Begin the pipeline anew with layers that are merged. */
static void open_pipeline_merging(void)
{
	close_pipeline();
	host.set.merge = CONFIG_MERGE_PATHS;
	open_pipeline();
}

static struct zkcfg_candidate candidate_of(struct zkcfg_status **status)
{
	struct zkcfg_candidate candidate;
	struct zkcfg *cfg;

	turn_for(20);
	ck_assert_int_eq(zkcfg_open("app", host.shm_dir, &cfg), 0);
	ck_assert_int_eq(zkcfg_status_read(cfg, status), 0);
	ck_assert_int_eq(zkcfg_status_candidate(*status, 0, &candidate), 0);
	zkcfg_close(cfg);
	return candidate;
}

START_TEST(a_merged_document_that_is_refused_names_its_layers)
{
	struct zkcfg_candidate candidate;
	struct zkcfg_status *status;

	host.set.limits.elements = 3;
	open_pipeline_merging();
	tell_both("<a><b/></a>", 1000, "<a><c/></a>", 5);
	assert_served("a", "1000 <a>\n  <b/>\n  <c/>\n</a>\n", 1);
	document(1, "a", "<a><c/><d/></a>", 6);
	settled(1);
	candidate = candidate_of(&status);
	ck_assert_str_eq(candidate.reason, "merged of fake://0?key_file and fake://1?key_file: more elements than the "
					   "limit elements=\"3\"");
	zkcfg_status_free(status);
	document(1, "a", "<z/>", 7);
	settled(1);
	candidate = candidate_of(&status);
	ck_assert_msg(strstr(candidate.reason, "fake://1?key_file:1:1: the root element is \"z\"") != NULL, "%s",
		      candidate.reason);
	ck_assert_msg(strstr(candidate.reason, "(fake://0?key_file)") != NULL, "%s", candidate.reason);
	zkcfg_status_free(status);
	assert_served("a", "1000 <a>\n  <b/>\n  <c/>\n</a>\n", 1);
}
END_TEST

START_TEST(a_restart_that_merges_the_same_commits_nothing)
{
	open_pipeline_merging();
	tell_both("<a><b>0</b></a>", 1000, "<a><b>1</b></a>", 5);
	assert_served("a", "1000 <a>\n  <b>1</b>\n</a>\n", 1);
	close_pipeline();
	open_pipeline();
	tell_both("<a><b>0</b></a>", 1000, "<a><b>1</b></a>", 5);
	assert_served("a", "1000 <a>\n  <b>1</b>\n</a>\n", 1);
	close_pipeline();
	segment_host_remove(host.shm_dir); /* from last-good, with what it is made of */
	open_pipeline();
	tell_both("<a><b>0</b></a>", 1000, "<a><b>1</b></a>", 5);
	assert_served("a", "1000 <a>\n  <b>1</b>\n</a>\n", 1);
	tell_both("<a><b>0</b></a>", 1000, "<a><b>2</b></a>", 6);
	assert_served("a", "1001 <a>\n  <b>2</b>\n</a>\n", 2);
	document(0, "a", "<a><b>9</b></a>", 999); /* below what counts, and back */
	settled(0);
	assert_served("a", "1001 <a>\n  <b>2</b>\n</a>\n", 2);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("layers");
	TCase *alone = tcase_create("layers"), *whole = tcase_create("pipeline");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(alone, begin, end);
	tcase_add_test(alone, a_document_is_made_of_all_layers_that_have_it);
	tcase_add_test(alone, what_does_not_go_together_is_trouble_and_changes_nothing);
	tcase_add_test(alone, trouble_of_what_does_not_go_together_ends_with_what_was_there);
	tcase_add_test(alone, no_layer_may_be_unreadable_for_a_merge);
	tcase_add_test(alone, marks_of_a_document_of_one_layer_are_not_served);
	tcase_add_test(alone, nothing_is_told_before_every_layer_has_settled);
	tcase_add_test(alone, what_a_layer_loses_the_one_below_it_gives);
	tcase_add_test(alone, a_version_without_bytes_counts_as_none);
	tcase_add_test(alone, a_change_below_what_counts_is_not_told);
	tcase_add_test(alone, settled_is_told_when_all_layers_have_settled);
	tcase_add_test(alone, verified_is_the_oldest_and_only_while_all_are_settled);
	tcase_add_test(alone, the_state_is_the_worst_and_names_its_layer);
	tcase_add_test(alone, repairs_and_contacts_are_passed_on);
	tcase_add_test(alone, what_a_layer_cannot_read_is_not_given_by_the_one_below);
	tcase_add_test(alone, trouble_of_two_layers_ends_with_the_last);
	tcase_add_test(alone, a_layer_that_goes_back_is_not_believed);
	tcase_add_test(alone, a_fallback_is_in_force_until_what_it_stands_for_is_reached);
	tcase_add_test(alone, the_mode_is_that_of_all_that_are_followed);
	tcase_add_test(alone, fallbacks_are_tried_in_order_and_the_first_that_is_reached_wins);
	tcase_add_test(alone, no_fallback_is_begun_where_something_is_served);
	tcase_add_test(alone, no_fallback_is_begun_for_what_is_reached);
	suite_add_tcase(suite, alone);
	tcase_add_checked_fixture(whole, begin_pipeline, end_pipeline);
	tcase_add_test(whole, a_revision_rises_whatever_layer_a_change_is_of);
	tcase_add_test(whole, a_restart_that_finds_the_same_commits_nothing);
	tcase_add_test(whole, a_layer_that_went_while_nobody_looked_gives_way_with_a_higher_revision);
	tcase_add_test(whole, a_layer_that_went_back_while_nobody_looked_is_refused);
	tcase_add_test(whole, what_comes_anew_begins_above_what_went);
	tcase_add_test(whole, a_merged_document_that_is_refused_names_its_layers);
	tcase_add_test(whole, a_restart_that_merges_the_same_commits_nothing);
	tcase_add_test(whole, a_bad_version_is_told_with_its_layer);
	suite_add_tcase(suite, whole);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed > 0;
}
