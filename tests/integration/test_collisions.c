/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Documents, and paths within one, whose hashes are equal in all 64 bits.
 *
 * XXH3 multiplies pairs of eight bytes of the input, each xored with bytes of
 * a constant. Where one of a pair is the constant, it becomes zero, and with it
 * the product: the other one may be anything. For up to 32 bytes the pairs are
 * the first 16 bytes and the last 16. So whoever chooses names can have as many
 * of one hash as he likes, and so can these tests.
 */
#include <check.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <zkcfg/zkcfg.h>

#include "segment/hash.h"
#include "support/segment_host.h"

#define MEMBERS 40
#define READERS 2
#define ROUNDS 1000
/* How long the pair alternates; ZKCFG_TEST_SECONDS says otherwise. */
#define PAIR_SECONDS 10

static struct segment_host host;
static struct zkcfg *cfg;

static void start(void)
{
	segment_host_start(&host);
	segment_host_open(&host);
	ck_assert_int_eq(zkcfg_open("app", host.shm_dir, &cfg), 0);
}

static void stop(void)
{
	zkcfg_close(cfg);
	segment_host_stop(&host);
}

#define NAME_BYTES 48

/* Eight bytes that differ, eight of the constant, sixteen that are the same. */
static const char *member(unsigned i, char name[NAME_BYTES])
{
	snprintf(name, NAME_BYTES, "pool%04u%.8s/of/one/hash.xml", i, (const char *)XXH3_kSecret + 8);
	return name;
}

/* Where the difference is in an element: /d/e0001<constant>/value.of.it.all */
static const char *path(unsigned i, char text[NAME_BYTES])
{
	snprintf(text, NAME_BYTES, "/d/e%04u%.8s/value.of.it.all", i, (const char *)XXH3_kSecret + 8);
	return text;
}

/* Where it is at the end of @name: /d/e[@name='<constant>x00001'] */
static const char *alias(unsigned i, char text[NAME_BYTES])
{
	snprintf(text, NAME_BYTES, "/d/e[@name='%.8sx%05u']", (const char *)XXH3_kSecret + 16, i);
	return text;
}

static const char *(*const makers[])(unsigned i, char text[NAME_BYTES]) = { member, path, alias };

START_TEST(hashes_of_these_names_are_equal_in_every_bit)
{
	char first[NAME_BYTES], other[NAME_BYTES];
	uint64_t hash;

	makers[_i](0, first);
	hash = hash_bytes(first, strlen(first));
	for (unsigned i = 1; i <= MEMBERS; i++) {
		makers[_i](i, other);
		ck_assert_str_ne(first, other);
		ck_assert_msg(
			hash_bytes(other, strlen(other)) == hash,
			"the segment's hash is another one now: these tests need names that collide in it");
	}
}
END_TEST

static const char *value_of(unsigned i, unsigned version, char value[32])
{
	snprintf(value, 32, "%u of %u", version, i);
	return value;
}

static const char *xml_of(unsigned i, unsigned version, char xml[64])
{
	char value[32];

	snprintf(xml, 64, "<d><v>%s</v></d>", value_of(i, version, value));
	return xml;
}

static void ck_value(const struct zkcfg_snapshot *snapshot, const char *name, unsigned i, unsigned version)
{
	const char *found = "";
	char value[32];
	int err = zkcfg_get_string(snapshot, name, "/d/v", &found);

	if (version == 0) {
		ck_assert_int_eq(err, ZKCFG_ENODOC);
		return;
	}
	ck_assert_msg(err == 0, "member %u: %s", i, zkcfg_strerror(err));
	ck_assert_str_eq(found, value_of(i, version, value));
}

/* What is published, and who must know: the version of each member; 0: it is not there. */
struct model {
	unsigned versions[MEMBERS];
	unsigned other; /* of a document with a hash of its own */
};

static void ck_model(const struct zkcfg_snapshot *snapshot, const struct model *model)
{
	size_t expected = model->other > 0, count = 0;
	const struct zkcfg_document *document;
	struct zkcfg_iterator iterator;
	char name[NAME_BYTES];

	for (unsigned i = 0; i < MEMBERS; i++) {
		ck_value(snapshot, member(i, name), i, model->versions[i]);
		expected += model->versions[i] > 0;
	}
	ck_value(snapshot, "other.xml", MEMBERS, model->other);
	ck_value(snapshot, member(MEMBERS, name), MEMBERS, 0); /* of that hash, and never there */
	ck_assert_uint_eq(zkcfg_snapshot_document_count(snapshot), expected);
	zkcfg_iterator_init(&iterator, snapshot);
	while (zkcfg_iterator_next(&iterator, &document) == 0)
		count++;
	ck_assert_uint_eq(count, expected);
}

/* The differences between two models, ticked off as they are told. */
struct differences {
	struct model older, newer;
	unsigned documents; /* came or went */
	unsigned values;
};

static int tick_off(const struct zkcfg_change *change, void *user)
{
	struct differences *left = user;
	char name[NAME_BYTES], old_value[32], new_value[32];
	unsigned i = 0, older, newer;

	while (i < MEMBERS && strcmp(member(i, name), change->document) != 0)
		i++;
	ck_assert_msg(i < MEMBERS || strcmp(change->document, "other.xml") == 0, "told of %s",
		      change->document);
	older = i < MEMBERS ? left->older.versions[i] : left->older.other;
	newer = i < MEMBERS ? left->newer.versions[i] : left->newer.other;
	ck_assert_msg(older != newer, "member %u did not change", i);
	ck_assert_int_eq(change->kind, older == 0 ? ZKCFG_ADDED : newer == 0 ? ZKCFG_REMOVED : ZKCFG_CHANGED);
	if (!change->path) {
		left->documents--;
		return 0;
	}
	ck_assert_str_eq(change->path, "/d/v");
	if (older > 0)
		ck_assert_str_eq(change->old_value, value_of(i, older, old_value));
	if (newer > 0)
		ck_assert_str_eq(change->new_value, value_of(i, newer, new_value));
	left->values--;
	return 0;
}

static void ck_difference(const struct zkcfg_snapshot *snapshot, const struct zkcfg_snapshot *next,
			  const struct model *older, const struct model *newer)
{
	struct differences left = { .older = *older, .newer = *newer };

	for (unsigned i = 0; i <= MEMBERS; i++) {
		unsigned before = i < MEMBERS ? older->versions[i] : older->other;
		unsigned behind = i < MEMBERS ? newer->versions[i] : newer->other;

		left.documents += (before == 0) != (behind == 0);
		left.values += before != behind;
	}
	ck_assert_int_eq(zkcfg_diff(snapshot, next, tick_off, &left), 0);
	ck_assert_msg(left.documents == 0 && left.values == 0, "%d documents and %d values were not told of",
		      (int)left.documents, (int)left.values);
}

/* One commit that brings, changes and removes some of them. */
static void publish_some(struct model *model, unsigned version, uint64_t *random)
{
	char names[MEMBERS][NAME_BYTES], xml[64];
	struct publisher_change changes[MEMBERS] = { 0 };
	unsigned most = 1 + (unsigned)(segment_random(random) % 4), count = 0;
	struct message message = { "" };

	for (unsigned i = (unsigned)(segment_random(random) % 9); i < MEMBERS && count < most;
	     i += 1 + (unsigned)(segment_random(random) % 13)) {
		struct publisher_change *change = &changes[count];
		bool goes = model->versions[i] > 0 && segment_random(random) % 3 == 0;

		change->name = member(i, names[count]);
		if (!goes)
			change->document = segment_document_named(change->name, xml_of(i, version, xml),
								  &change->document_bytes);
		model->versions[i] = goes ? 0 : version;
		count++;
	}
	ck_assert_msg(publisher_commit(host.publisher, changes, count, NULL, &message) == 0, "%s",
		      message.text);
	for (unsigned i = 0; i < count; i++)
		free((void *)(uintptr_t)changes[i].document);
}

START_TEST(members_of_a_bucket_come_change_go_and_come_again)
{
	struct zkcfg_snapshot *snapshot, *next;
	struct model model = { .other = 1 }, before;
	uint64_t random = segment_seed();
	char xml[64];

	segment_host_publish(&host, "other.xml", xml_of(MEMBERS, 1, xml));
	ck_assert_int_eq(zkcfg_pin(cfg, &snapshot), 0);
	for (unsigned version = 2; version < ROUNDS; version++) {
		before = model;
		publish_some(&model, version, &random);
		if (version % 16 == 0) { /* a new publisher checks all of it */
			segment_host_close(&host);
			segment_host_open(&host);
		}
		ck_assert_int_eq(zkcfg_pin(cfg, &next), 0);
		ck_model(next, &model);
		ck_difference(snapshot, next, &before, &model);
		ck_difference(next, snapshot, &model, &before);
		ck_model(snapshot, &before);
		zkcfg_unpin(snapshot);
		snapshot = next;
	}
	zkcfg_unpin(snapshot);
}
END_TEST

START_TEST(bucket_moves_to_a_new_generation_whole)
{
	struct zkcfg_snapshot *snapshot;
	struct model model = { .other = 0 };
	char name[NAME_BYTES], xml[64], *padding = calloc(1, 300001);
	unsigned generation;

	for (unsigned i = 0; i < MEMBERS; i++)
		segment_host_publish(&host, member(i, name), xml_of(i, 1 + i, xml));
	for (unsigned i = 0; i < MEMBERS; i++)
		model.versions[i] = 1 + i;
	generation = segment_host_generation(&host);
	memset(padding, ' ', 300000);
	while (segment_host_generation(&host) == generation) {
		memcpy(padding, "<d>", 3);
		memcpy(padding + 300000 - 4, "</d>", 4);
		segment_host_publish(&host, "big.xml", padding);
	}
	segment_host_publish(&host, "big.xml", NULL);
	free(padding);
	ck_assert_int_eq(zkcfg_pin(cfg, &snapshot), 0);
	ck_model(snapshot, &model);
	zkcfg_unpin(snapshot);
}
END_TEST

/*
 * Commit n changes one of a pair, the other stays: the versions that belong
 * together follow from its number.
 */
static void pair_versions(uint64_t seq, unsigned versions[2])
{
	versions[0] = (unsigned)((seq + 1) / 2);
	versions[1] = (unsigned)(seq / 2);
}

static const char *check_pair(const struct zkcfg_snapshot *snapshot)
{
	const char *found;
	char name[NAME_BYTES], value[32];
	unsigned versions[2];

	pair_versions(zkcfg_snapshot_seq(snapshot), versions);
	for (unsigned i = 0; i < 2; i++) {
		int err = zkcfg_get_string(snapshot, member(i, name), "/d/v", &found);

		if (versions[i] == 0) {
			if (err != ZKCFG_ENODOC)
				return "a document is there too early";
			continue;
		}
		if (err < 0)
			return zkcfg_strerror(err);
		if (strcmp(found, value_of(i, versions[i], value)) != 0)
			return "a wrong value";
	}
	return zkcfg_get_string(snapshot, member(2, name), "/d/v", &found) == ZKCFG_ENODOC
		       ? NULL
		       : "a document that was never there";
}

static volatile sig_atomic_t is_over;

static void on_over(int signal)
{
	(void)signal;
	is_over = 1;
}

/* A process that reads until SIGTERM: 0, or 1 at the first wrong read. */
static pid_t start_reader(void)
{
	struct zkcfg_snapshot *snapshot;
	unsigned long long reads = 0;
	const char *wrong = NULL;
	uint64_t seen = 0;
	pid_t pid;

	signal(SIGTERM, on_over); /* before there is somebody who could send it */
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid > 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (zkcfg_open("app", host.shm_dir, &cfg) < 0)
		_exit(2);
	while (!wrong && !is_over) {
		if (zkcfg_pin(cfg, &snapshot) < 0) {
			wrong = "cannot pin";
			break;
		}
		wrong = zkcfg_snapshot_seq(snapshot) < seen ? "seq went back" : check_pair(snapshot);
		seen = zkcfg_snapshot_seq(snapshot);
		zkcfg_unpin(snapshot);
		reads++;
	}
	printf("reader %d: %llu snapshots, up to commit %llu%s%s\n", (int)getpid(), reads,
	       (unsigned long long)seen, wrong ? ": " : "", wrong ? wrong : "");
	fflush(stdout);
	_exit(wrong || reads == 0 || seen < 3);
}

static int pair_seconds(void)
{
	const char *given = getenv("ZKCFG_TEST_SECONDS");

	return given ? atoi(given) : PAIR_SECONDS;
}

START_TEST(no_read_is_wrong_while_a_colliding_pair_alternates)
{
	int64_t end_ms = segment_host_now_ms() + 1000 * (int64_t)pair_seconds();
	char name[NAME_BYTES], xml[64];
	pid_t readers[READERS];
	unsigned versions[2];
	uint64_t seq = 1;
	int how;

	segment_host_publish(&host, member(0, name), xml_of(0, 1, xml));
	for (int i = 0; i < READERS; i++)
		readers[i] = start_reader();
	while (segment_host_now_ms() < end_ms || seq < 100) {
		unsigned i = (unsigned)(++seq % 2 == 0);

		pair_versions(seq, versions);
		ck_assert_uint_eq(segment_host_publish(&host, member(i, name), xml_of(i, versions[i], xml)),
				  seq);
	}
	for (int i = 0; i < READERS; i++) {
		kill(readers[i], SIGTERM);
		ck_assert_int_eq(waitpid(readers[i], &how, 0), readers[i]);
		ck_assert_msg(WIFEXITED(how) && WEXITSTATUS(how) == 0, "reader %d: status %#x", i,
			      (unsigned)how);
	}
}
END_TEST

/* A document with 40 elements of either kind; the value of one is of another version. */
static char *document_of_paths(unsigned changed)
{
	char *xml = malloc(2 * MEMBERS * 128), *at = xml, text[NAME_BYTES], value[32];

	at += sprintf(at, "<d>");
	for (unsigned i = 0; i < MEMBERS; i++) {
		path(i, text);
		value_of(i, i == changed ? 2 : 1, value);
		at += sprintf(at, "<%.13s><%s>%s</%s></%.13s>", text + 3, text + 17, value, text + 17,
			      text + 3);
	}
	for (unsigned i = 0; i < MEMBERS; i++) {
		alias(i, text);
		value_of(i, i == changed ? 2 : 1, value);
		at += sprintf(at, "<e name='%.14s'>%s</e>", text + 12, value);
	}
	sprintf(at, "</d>");
	return xml;
}

static void publish_paths(unsigned changed)
{
	char *xml = document_of_paths(changed);

	segment_host_publish(&host, "paths.xml", xml);
	free(xml);
}

static int count_changes(const struct zkcfg_change *change, void *user)
{
	char old_value[32], new_value[32];

	ck_assert_int_eq(change->kind, ZKCFG_CHANGED);
	ck_assert_str_eq(change->old_value, value_of(7, 1, old_value));
	ck_assert_str_eq(change->new_value, value_of(7, 2, new_value));
	++*(int *)user;
	return 0;
}

START_TEST(paths_of_one_hash_have_their_own_values)
{
	struct zkcfg_snapshot *older, *newer;
	char text[NAME_BYTES], value[32];
	const char *found;
	int changes = 0;

	publish_paths(MEMBERS);
	ck_assert_int_eq(zkcfg_pin(cfg, &older), 0);
	publish_paths(7);
	ck_assert_int_eq(zkcfg_pin(cfg, &newer), 0);
	for (unsigned i = 0; i < MEMBERS; i++) {
		for (int kind = 1; kind <= 2; kind++) {
			makers[kind](i, text);
			ck_assert_int_eq(zkcfg_get_string(older, "paths.xml", text, &found), 0);
			ck_assert_str_eq(found, value_of(i, 1, value));
			ck_assert_int_eq(zkcfg_get_string(newer, "paths.xml", text, &found), 0);
			ck_assert_str_eq(found, value_of(i, i == 7 ? 2 : 1, value));
		}
	}
	for (int kind = 1; kind <= 2; kind++)
		ck_assert_int_eq(zkcfg_get_string(newer, "paths.xml", makers[kind](MEMBERS, text), &found),
				 ZKCFG_ENOPATH);
	ck_assert_int_eq(zkcfg_diff(older, newer, count_changes, &changes), 0);
	ck_assert_int_eq(changes, 2);
	zkcfg_unpin(older);
	zkcfg_unpin(newer);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("collisions");
	TCase *tcase = tcase_create("collisions");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tcase, 60 + 2 * pair_seconds());
	tcase_add_checked_fixture(tcase, start, stop);
	tcase_add_loop_test(tcase, hashes_of_these_names_are_equal_in_every_bit, 0,
			    sizeof(makers) / sizeof(makers[0]));
	tcase_add_test(tcase, members_of_a_bucket_come_change_go_and_come_again);
	tcase_add_test(tcase, bucket_moves_to_a_new_generation_whole);
	tcase_add_test(tcase, no_read_is_wrong_while_a_colliding_pair_alternates);
	tcase_add_test(tcase, paths_of_one_hash_have_their_own_values);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
