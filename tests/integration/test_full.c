/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shared memory that is full, at each step that needs some of it. A file system
 * of 8 MiB is filled but for so many pages, from none to as many as the step
 * needs; then it must end in ZKCFG_ENOSPC with a message that says so, or well.
 * What was committed stays readable, by a process that reads all the time; none
 * gets a SIGBUS; and with room again it goes on.
 */
#include <check.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <zkcfg/zkcfg.h>

#include "support/daemon_host.h"
#include "support/reader_process.h"
#include "support/segment_host.h"

#define MEMORY_BYTES ((size_t)8 << 20)
#define PAGE_BYTES ((size_t)4096)
/* More pages than any step here needs. */
#define MOST_PAGES 600

static struct segment_host host;
static struct message message;
static bool is_mounted;

static void start(void)
{
	segment_host_start(&host);
	is_mounted = segment_host_mount(&host, host.shm_dir, MEMORY_BYTES);
}

static void stop(void)
{
	segment_host_stop(&host);
}

/*
 * Filling and giving back
 */

static void filler_path(const char *directory, char path[HOST_PATH_BYTES])
{
	snprintf(path, HOST_PATH_BYTES, "%.150s/filler", directory);
}

static size_t free_pages(const char *directory)
{
	struct statvfs st;

	ck_assert_int_eq(statvfs(directory, &st), 0);
	return st.f_bavail * st.f_bsize / PAGE_BYTES;
}

/* Leave so many pages. */
static void fill(const char *directory, size_t pages)
{
	char path[HOST_PATH_BYTES];
	size_t left;
	int fd;

	filler_path(directory, path);
	unlink(path);
	left = free_pages(directory);
	ck_assert_uint_gt(left, pages);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(posix_fallocate(fd, 0, (off_t)((left - pages) * PAGE_BYTES)), 0);
	close(fd);
	ck_assert_uint_eq(free_pages(directory), pages);
}

static void give_room(const char *directory)
{
	char path[HOST_PATH_BYTES];

	filler_path(directory, path);
	ck_assert_int_eq(unlink(path), 0);
}

/*
 * Steps
 */

static int try_open(void)
{
	struct publisher_options options = {
		.shm_dir = host.shm_dir, .set = "app", .mode = 0644, .group = (gid_t)-1
	};

	return publisher_open(&options, &host.publisher, &message);
}

static int try_publish(const char *name, uint64_t version, size_t padding)
{
	struct publisher_change change = { .name = name };
	char *xml = reader_document(name, version, padding);
	struct zkcfg_document *document = segment_document_named(name, xml, &change.document_bytes);
	int err;

	change.document = document;
	err = publisher_commit(host.publisher, &change, 1, NULL, &message);
	free(document);
	free(xml);
	return err;
}

static void publish(const char *name, uint64_t version, size_t padding)
{
	int err = try_publish(name, version, padding);

	ck_assert_msg(err == 0, "%s", message.text);
}

/* Several documents of few bytes, so that the index has more than a node. */
static void publish_some(unsigned count, size_t padding)
{
	char name[16];

	for (unsigned i = 0; i < count; i++) {
		snprintf(name, sizeof(name), "n.%u", i);
		publish(name, 1, padding);
	}
}

static void ck_is_full(int err)
{
	ck_assert_msg(err == ZKCFG_ENOSPC, "%d %s", err, message.text);
	ck_assert_msg(strstr(message.text, "No space left on device") != NULL, "the message is: %s",
		      message.text);
}

static void ck_commit_is_full(int err, uint64_t seq)
{
	char expected[64];

	ck_is_full(err);
	snprintf(expected, sizeof(expected), "commit %llu stays in force", (unsigned long long)seq);
	ck_assert_msg(strstr(message.text, expected) != NULL, "the message is: %s", message.text);
	ck_assert_uint_eq(publisher_seq(host.publisher), seq);
	if (seq > 0)
		segment_host_generation(&host); /* one and no more */
}

static void begin_again(void)
{
	segment_host_close(&host);
	segment_host_remove(host.set_dir);
	segment_host_open(&host);
}

/* With room, the next commit has a higher number, and the reader sees it. */
static void ck_goes_on(struct reader_process *reader, uint64_t version)
{
	uint64_t seq = publisher_seq(host.publisher);

	publish("stamp", version, 0);
	ck_assert_uint_gt(publisher_seq(host.publisher), seq);
	ck_assert_int_eq(publisher_heartbeat(host.publisher, &message), 0);
	reader_process_let_pass(reader);
	ck_assert_uint_eq(reader_process_seq(reader), publisher_seq(host.publisher));
	ck_assert_uint_eq(reader_process_stamp(reader), version);
}

/* It reads on, and what it reads is the last commit. */
static void ck_reads_on(const struct reader_process *reader)
{
	reader_process_let_pass(reader);
	ck_assert_uint_eq(reader_process_seq(reader), publisher_seq(host.publisher));
}

START_TEST(set_without_room_for_its_control_can_be_made_later)
{
	size_t pages = 0;
	int err = ZKCFG_ENOSPC;

	if (!is_mounted)
		return;
	for (; err != 0; pages++) {
		ck_assert_uint_lt(pages, MOST_PAGES);
		fill(host.shm_dir, pages);
		err = try_open();
		give_room(host.shm_dir);
		if (err != 0) {
			ck_is_full(err);
			ck_assert_int_eq(try_open(), 0);
			publish("stamp", 1, 0);
		}
		segment_host_close(&host);
		segment_host_remove(host.set_dir);
	}
	ck_assert_uint_gt(pages, 3); /* the steps were met */
}
END_TEST

START_TEST(first_commit_without_room_can_be_made_later)
{
	struct reader_process reader;
	size_t pages = 0;
	int err = ZKCFG_ENOSPC;

	if (!is_mounted)
		return;
	for (; err != 0; pages++) {
		ck_assert_uint_lt(pages, MOST_PAGES);
		begin_again();
		reader_process_start(&reader, host.shm_dir, READER_PINS);
		fill(host.shm_dir, pages);
		err = try_publish("big", 1, 40000);
		if (err != 0)
			ck_commit_is_full(err, 0);
		ck_reads_on(&reader);
		give_room(host.shm_dir);
		ck_goes_on(&reader, 1);
		reader_process_end(&reader);
	}
	ck_assert_uint_gt(pages, 5);
}
END_TEST

START_TEST(commit_without_room_for_a_document_can_be_made_later)
{
	struct reader_process reader;
	size_t pages = 0;
	int err = ZKCFG_ENOSPC;

	if (!is_mounted)
		return;
	for (; err != 0; pages++) {
		ck_assert_uint_lt(pages, MOST_PAGES);
		begin_again();
		publish_some(8, 100);
		reader_process_start(&reader, host.shm_dir, READER_PINS);
		fill(host.shm_dir, pages);
		err = try_publish("big", 1, 60000);
		if (err != 0)
			ck_commit_is_full(err, 8);
		ck_reads_on(&reader);
		give_room(host.shm_dir);
		ck_goes_on(&reader, 1);
		reader_process_end(&reader);
	}
	ck_assert_uint_gt(pages, 10);
}
END_TEST

START_TEST(refused_commits_use_up_nothing)
{
	struct publisher_change changes[] = { { .name = "small" }, { .name = "big" } };
	char *xml[] = { reader_document("small", 1, 0), reader_document("big", 1, 60000) };

	if (!is_mounted)
		return;
	segment_host_open(&host);
	publish_some(8, 100);
	for (int i = 0; i < 2; i++)
		changes[i].document =
			segment_document_named(changes[i].name, xml[i], &changes[i].document_bytes);
	fill(host.shm_dir, 0);
	for (int i = 0; i < 100; i++) /* the small one would fit, and be there a hundred times */
		ck_commit_is_full(publisher_commit(host.publisher, changes, 2, NULL, &message), 8);
	ck_assert_int_eq(publisher_commit(host.publisher, changes, 1, NULL, &message), 0);
	for (int i = 0; i < 2; i++) {
		free((void *)(uintptr_t)changes[i].document);
		free(xml[i]);
	}
}
END_TEST

/*
 * Small commits until the file is full to the last lines, which a first
 * document moves by one each time: so the last commit ends for want of room for
 * a document, a node on one level or another, or a root.
 */
START_TEST(commit_without_room_for_any_part_of_it_can_be_made_later)
{
	struct reader_process reader;
	uint64_t version;
	int err;

	if (!is_mounted)
		return;
	for (size_t lines = 0; lines < 32; lines++) {
		begin_again();
		publish("first", 1, 64 * lines);
		publish_some(8, 0);
		reader_process_start(&reader, host.shm_dir, READER_PINS);
		fill(host.shm_dir, 0);
		version = 1;
		do {
			err = try_publish("stamp", ++version, 0);
			ck_assert_uint_lt(version, 10000);
		} while (err == 0);
		ck_commit_is_full(err, 9 + version - 2);
		ck_reads_on(&reader);
		ck_assert_uint_eq(reader_process_stamp(&reader), version - 1);
		segment_host_close(&host); /* the next publisher finds the same */
		ck_assert_int_eq(try_open(), 0);
		ck_assert_uint_eq(publisher_seq(host.publisher), 9 + version - 2);
		ck_commit_is_full(try_publish("stamp", version, 0), 9 + version - 2);
		give_room(host.shm_dir);
		ck_goes_on(&reader, version);
		reader_process_end(&reader);
	}
}
END_TEST

static void publish_garbage(uint64_t count)
{
	publish_some(8, 100);
	for (uint64_t version = 1; version <= count; version++)
		publish("big", version, 100000);
}

/* How many versions of a document make a generation so wasteful that the next commit begins another one. */
static uint64_t count_garbage(void)
{
	uint64_t count = 0;
	unsigned generation;

	begin_again();
	publish_garbage(1);
	generation = segment_host_generation(&host);
	while (segment_host_generation(&host) == generation)
		publish("big", ++count + 1, 100000);
	return count;
}

START_TEST(compaction_without_room_waits_and_commits_go_on_where_they_can)
{
	struct reader_process reader;
	unsigned generation, full_count = 0, append_count = 0;
	uint64_t seq, garbage;
	size_t pages = 0;
	int err;

	if (!is_mounted)
		return;
	garbage = count_garbage();
	for (bool is_compacted = false; !is_compacted; pages += 4) {
		ck_assert_uint_lt(pages, MOST_PAGES);
		begin_again();
		publish_garbage(garbage);
		generation = segment_host_generation(&host);
		seq = publisher_seq(host.publisher);
		reader_process_start(&reader, host.shm_dir, READER_PINS);
		fill(host.shm_dir, pages);
		err = try_publish("other", 1,
				  20000 + 4 * PAGE_BYTES * (pages % 16)); /* where it fits, and where not */
		if (err != 0)
			ck_commit_is_full(err, seq);
		is_compacted = segment_host_generation(&host) != generation;
		full_count += err != 0;
		append_count += err == 0 && !is_compacted;
		ck_reads_on(&reader);
		give_room(host.shm_dir);
		ck_goes_on(&reader, 1);
		ck_assert_uint_gt(segment_host_generation(&host), generation);
		reader_process_end(&reader);
	}
	ck_assert_msg(full_count > 3 && append_count > 3, "%u were refused, %u appended", full_count,
		      append_count);
}
END_TEST

START_TEST(segment_that_was_removed_is_made_anew_when_there_is_room)
{
	struct reader_process reader;
	size_t pages = 0;
	uint64_t seq;
	int err = ZKCFG_ENOSPC;

	if (!is_mounted)
		return;
	for (; err != 0; pages++) {
		ck_assert_uint_lt(pages, MOST_PAGES);
		begin_again();
		publish_some(8, 1000);
		seq = publisher_seq(host.publisher);
		reader_process_start(&reader, host.shm_dir, READER_PINS);
		reader_process_let_pass(&reader);
		segment_host_remove(host.set_dir); /* its pages stay while they are mapped */
		fill(host.shm_dir, pages);
		err = publisher_heartbeat(host.publisher, &message);
		if (err != 0) {
			ck_is_full(err);
			ck_assert_uint_eq(publisher_seq(host.publisher), seq);
			publish("stamp", 1, 0); /* to who has the old one open */
			ck_assert_uint_eq(publisher_seq(host.publisher), seq + 1);
		}
		ck_reads_on(&reader);
		give_room(host.shm_dir);
		ck_assert_int_eq(publisher_heartbeat(host.publisher, &message), 0);
		ck_goes_on(&reader, 2);
		reader_process_end(&reader);
	}
	ck_assert_uint_gt(pages, 5);
}
END_TEST

START_TEST(file_with_a_hole_is_taken_over_when_there_is_room)
{
	char name[32], path[HOST_PATH_BYTES];
	struct reader_process reader;
	struct stat st;

	if (!is_mounted)
		return;
	segment_host_open(&host);
	publish_some(8, 100);
	reader_process_start(&reader, host.shm_dir, READER_PINS);
	segment_host_close(&host);
	snprintf(name, sizeof(name), "gen.%u", segment_host_generation(&host));
	segment_host_path(&host, name, path);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(truncate(path, st.st_size + 64 * (off_t)PAGE_BYTES),
			 0); /* as if it had been copied there */
	fill(host.shm_dir, 10);
	ck_is_full(try_open());
	reader_process_let_pass(&reader);
	ck_assert_uint_eq(reader_process_seq(&reader), 8);
	give_room(host.shm_dir);
	segment_host_open(&host);
	ck_assert_uint_eq(publisher_seq(host.publisher), 8);
	ck_goes_on(&reader, 1);
	reader_process_end(&reader);
}
END_TEST

/*
 * The same through a daemon
 */

static struct daemon_host daemon_host;

static void start_daemon(void)
{
	daemon_host_begin(&daemon_host);
	host = (struct segment_host){ .revision = 0 };
	ck_assert_int_eq(mkdir(daemon_host.shm_dir, 0755), 0);
	is_mounted = segment_host_mount(&host, daemon_host.shm_dir, MEMORY_BYTES);
}

static void stop_daemon(void)
{
	daemon_host_end(&daemon_host);
}

static void put(const char *name, uint64_t version, size_t padding)
{
	char *xml = reader_document(name, version, padding);

	daemon_host_put(&daemon_host, name, xml);
	free(xml);
}

static bool status_says(const char *part)
{
	char detail[1024];

	daemon_host_detail(&daemon_host, detail, sizeof(detail));
	return *part ? strstr(detail, part) != NULL : detail[0] == '\0';
}

START_TEST(daemon_says_that_memory_is_full_and_goes_on_by_itself)
{
	struct reader_process reader;
	uint64_t seq;

	if (!is_mounted)
		return;
	put("stamp", 1, 0);
	daemon_host_put(&daemon_host, "bad", "<d>");
	daemon_host_start(&daemon_host);
	reader_process_start(&reader, daemon_host.shm_dir, READER_COMPARES);
	DAEMON_UNTIL(&daemon_host, reader_process_stamp(&reader) == 1);
	for (uint64_t version = 2; version <= 4; version++) {
		seq = daemon_host_seq(&daemon_host);
		fill(daemon_host.shm_dir, version - 2);
		put("big", version, 100000 * version);
		put("stamp", version, 0);
		DAEMON_UNTIL(&daemon_host, status_says("No space left on device"));
		ck_assert(status_says("stays in force"));
		ck_assert_uint_eq(daemon_host_candidate_count(&daemon_host), 1);
		ck_assert_uint_le(daemon_host_seq(&daemon_host),
				  seq + 1); /* the small one may have come first */
		give_room(daemon_host.shm_dir);
		DAEMON_UNTIL(&daemon_host, reader_process_stamp(&reader) == version && status_says(""));
		ck_assert_uint_gt(reader_process_seq(&reader), seq);
		ck_assert_uint_eq(daemon_host_candidate_count(&daemon_host), 1);
	}
	reader_process_end(&reader);
	daemon_host_stop(&daemon_host);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("full");
	TCase *steps = tcase_create("steps"), *through = tcase_create("daemon");
	SRunner *runner;
	int failed;

	tcase_set_timeout(steps, 60);
	tcase_add_checked_fixture(steps, start, stop);
	tcase_add_test(steps, set_without_room_for_its_control_can_be_made_later);
	tcase_add_test(steps, first_commit_without_room_can_be_made_later);
	tcase_add_test(steps, commit_without_room_for_a_document_can_be_made_later);
	tcase_add_test(steps, refused_commits_use_up_nothing);
	tcase_add_test(steps, commit_without_room_for_any_part_of_it_can_be_made_later);
	tcase_add_test(steps, compaction_without_room_waits_and_commits_go_on_where_they_can);
	tcase_add_test(steps, segment_that_was_removed_is_made_anew_when_there_is_room);
	tcase_add_test(steps, file_with_a_hole_is_taken_over_when_there_is_room);
	suite_add_tcase(suite, steps);
	tcase_set_timeout(through, 120);
	tcase_add_checked_fixture(through, start_daemon, stop_daemon);
	tcase_add_test(through, daemon_says_that_memory_is_full_and_goes_on_by_itself);
	suite_add_tcase(suite, through);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
