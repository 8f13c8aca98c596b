/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A thread that publishes, and threads that read, on handles of their own and
 * on one they share. Every value names its document, its commit and a
 * checksum, so that a torn, mixed or wrong one shows.
 */
#include <check.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <zkcfg/zkcfg.h>

#include "segment/hash.h"
#include "support/segment_host.h"

#define DOCUMENTS 8
#define READERS 4
/* What a reader has to see at least, however slow the machine. */
#define LEAST_SEEN 5
#define PUBLISH_MS 400
#define DEADLINE_MS 30000
/* The litmus test: longer, with more readers, and through so many generations at least. */
#define LITMUS_MS 1500
#define LITMUS_READERS 6
#define LITMUS_GENERATIONS 3

static struct segment_host host;
static struct zkcfg *shared;

struct reader {
	pthread_t thread;
	struct zkcfg *cfg;   /* the shared one, or its own */
	atomic_uint commits; /* that it saw */
	char fault[200];     /* "": none */
};

/*
 * Attaching anew in place is an mmap() over the control's page, which
 * ThreadSanitizer takes for a write; to the other threads the kernel makes it
 * one step. Its runtime asks for this by name.
 */
__attribute__((visibility("default"))) const char *__tsan_default_suppressions(void);
const char *__tsan_default_suppressions(void)
{
	return "race:control_open\n";
}

static atomic_bool done;
/* The segment goes away at times: what is not mapped yet cannot be had until it is back. */
static bool is_removed;

static void start(void)
{
	segment_host_start(&host);
	segment_host_open(&host);
	atomic_store(&done, false);
	is_removed = false;
}

static void stop(void)
{
	segment_host_stop(&host);
}

/* "<name> <version> <padding> <checksum of all before>" */
static void write_value(char *value, size_t bytes, const char *name, uint64_t version)
{
	/* longer and shorter ones, so that blobs move about */
	int used = snprintf(value, bytes, "%s %llu %0*d ", name, (unsigned long long)version,
			    1 + (int)(version * 37 % 800), 0);

	snprintf(value + used, bytes - (size_t)used, "%016llx",
		 (unsigned long long)hash_bytes(value, (size_t)used));
}

/* One commit of all documents, all of the same version. */
static void publish_version(uint64_t version)
{
	struct publisher_change changes[DOCUMENTS] = { 0 };
	char names[DOCUMENTS][16], value[1100], xml[1200];
	struct document_origin origin = { .revision = version };
	struct message message = { "" };
	int err;

	for (int i = 0; i < DOCUMENTS; i++) {
		snprintf(names[i], sizeof(names[i]), "n.%d", i);
		write_value(value, sizeof(value), names[i], version);
		snprintf(xml, sizeof(xml), "<d>%s</d>", value);
		origin.name = changes[i].name = names[i];
		changes[i].document = segment_document(&origin, xml, &changes[i].document_bytes, &err);
		ck_assert_int_eq(err, 0);
	}
	err = publisher_commit(host.publisher, changes, DOCUMENTS, NULL, &message);
	ck_assert_msg(err == 0, "%s", message.text);
	for (int i = 0; i < DOCUMENTS; i++)
		free((void *)(uintptr_t)changes[i].document);
}

/* What is wrong with a value, or nothing; *version is what it names. */
static bool value_is_sound(const char *value, const char *name, unsigned long long *version)
{
	const char *sum = strrchr(value, ' ');
	char found[16];

	if (!sum || sscanf(value, "%15s %llu", found, version) != 2 || strcmp(found, name) != 0)
		return false;
	return strtoull(sum + 1, NULL, 16) == hash_bytes(value, (size_t)(sum + 1 - value));
}

static bool check_snapshot(struct reader *reader, const struct zkcfg_snapshot *snapshot)
{
	unsigned long long first = 0, version = 0;
	char name[16];

	for (int i = 0; i < DOCUMENTS; i++) {
		const char *value = "";
		int err;

		snprintf(name, sizeof(name), "n.%d", i);
		err = zkcfg_get_string(snapshot, name, "/d", &value);
		if (err < 0 || !value_is_sound(value, name, &version)) {
			snprintf(reader->fault, sizeof(reader->fault), "%s: %s \"%.100s\"", name,
				 zkcfg_strerror(err), value);
			return false;
		}
		if (i == 0)
			first = version;
		if (version != first) {
			snprintf(reader->fault, sizeof(reader->fault), "%s is of version %llu, n.0 of %llu",
				 name, version, first);
			return false;
		}
	}
	return true;
}

static bool read_once(struct reader *reader, struct zkcfg *cfg, uint64_t *seen)
{
	struct zkcfg_snapshot *snapshot;
	uint64_t newest = 0;
	int err;

	err = zkcfg_wait(cfg, *seen, 100, &newest);
	if (err == ZKCFG_ETIMEDOUT)
		return true;
	if (err == 0)
		err = zkcfg_pin(cfg, &snapshot);
	if ((err == ZKCFG_ENOSET || err == ZKCFG_EEMPTY) && is_removed)
		return true;
	if (err < 0) {
		snprintf(reader->fault, sizeof(reader->fault), "wait or pin: %s", zkcfg_strerror(err));
		return false;
	}
	if (zkcfg_snapshot_seq(snapshot) < *seen || (zkcfg_snapshot_seq(snapshot) < newest && !is_removed)) {
		snprintf(reader->fault, sizeof(reader->fault), "commit %llu after %llu",
			 (unsigned long long)zkcfg_snapshot_seq(snapshot), (unsigned long long)*seen);
		zkcfg_unpin(snapshot);
		return false;
	}
	*seen = zkcfg_snapshot_seq(snapshot);
	reader->commits++;
	if (!check_snapshot(reader, snapshot)) {
		zkcfg_unpin(snapshot);
		return false;
	}
	zkcfg_unpin(snapshot);
	return true;
}

static void *run_reader(void *user)
{
	struct reader *reader = user;
	struct zkcfg *cfg = reader->cfg;
	struct zkcfg_status *status;
	uint64_t seen = 0;

	while ((!atomic_load(&done) || zkcfg_changed(cfg, seen)) && read_once(reader, cfg, &seen)) {
		if (reader->commits % 16 == 0 && zkcfg_status_read(cfg, &status) == 0)
			zkcfg_status_free(status);
	}
	return NULL;
}

static unsigned fewest_commits(struct reader readers[READERS])
{
	unsigned fewest = UINT_MAX;

	for (int i = 0; i < READERS; i++)
		if (readers[i].commits < fewest)
			fewest = readers[i].commits;
	return fewest;
}

/* Publish and read, on a shared handle or on own ones; each_round is done between commits. */
static void run(bool is_shared, void (*each_round)(unsigned round))
{
	struct reader readers[READERS] = { 0 };
	int64_t end_ms = segment_host_now_ms() + PUBLISH_MS,
		deadline_ms = segment_host_now_ms() + DEADLINE_MS;
	uint64_t version = 1;

	publish_version(version);
	ck_assert_int_eq(zkcfg_open("app", host.shm_dir, &shared), 0);
	for (int i = 0; i < READERS; i++) {
		readers[i].cfg = shared;
		if (!is_shared)
			ck_assert_int_eq(zkcfg_open("app", host.shm_dir, &readers[i].cfg), 0);
		ck_assert_int_eq(pthread_create(&readers[i].thread, NULL, run_reader, &readers[i]), 0);
	}
	while (segment_host_now_ms() < end_ms ||
	       (fewest_commits(readers) < LEAST_SEEN && segment_host_now_ms() < deadline_ms)) {
		publish_version(++version);
		if (each_round)
			each_round((unsigned)version);
	}
	atomic_store(&done, true);
	for (int i = 0; i < READERS; i++)
		pthread_join(readers[i].thread, NULL);
	for (int i = 0; i < READERS; i++) {
		ck_assert_msg(readers[i].fault[0] == '\0', "reader %d: %s", i, readers[i].fault);
		ck_assert_uint_ge(readers[i].commits, LEAST_SEEN);
		if (!is_shared)
			zkcfg_close(readers[i].cfg);
	}
	zkcfg_close(shared);
}

static void remove_sometimes(unsigned round)
{
	struct message message = { "" };

	if (round % 8 != 0)
		return;
	segment_host_remove(host.set_dir);
	ck_assert_int_eq(publisher_heartbeat(host.publisher, &message), 0);
}

static void show_status(unsigned round)
{
	struct zkcfg_candidate candidate = { .document = "d", .reason = "r", .revision = round };
	struct publisher_status status = { .source = "source",
					   .detail = "detail",
					   .since_ns = round,
					   .candidates = &candidate,
					   .candidate_count = round % 2 };

	publisher_status(host.publisher, &status);
}

START_TEST(readers_with_handles_of_their_own_see_whole_commits_only)
{
	run(false, show_status);
}
END_TEST

START_TEST(readers_that_share_a_handle_see_whole_commits_only)
{
	run(true, show_status);
}
END_TEST

START_TEST(readers_that_share_a_handle_follow_a_segment_that_is_removed_under_them)
{
	is_removed = true;
	run(true, remove_sometimes);
}
END_TEST

START_TEST(readers_with_handles_of_their_own_follow_a_segment_that_is_removed_under_them)
{
	is_removed = true;
	run(false, remove_sometimes);
}
END_TEST

/* Pin and unpin of one snapshot by many threads: a count that is off frees it too early, or never. */
static void *pin_and_unpin(void *user)
{
	struct reader *reader = user;

	for (int i = 0; i < 3000 && reader->fault[0] == '\0'; i++) {
		struct zkcfg_snapshot *snapshot;
		int err = zkcfg_pin(shared, &snapshot);

		if (err < 0)
			snprintf(reader->fault, sizeof(reader->fault), "pin: %s", zkcfg_strerror(err));
		else if (check_snapshot(reader, snapshot))
			reader->commits++;
		if (err == 0)
			zkcfg_unpin(snapshot);
	}
	return NULL;
}

START_TEST(one_snapshot_is_pinned_and_unpinned_by_many_threads)
{
	struct reader readers[READERS] = { 0 };

	publish_version(1);
	ck_assert_int_eq(zkcfg_open("app", host.shm_dir, &shared), 0);
	for (int i = 0; i < READERS; i++)
		ck_assert_int_eq(pthread_create(&readers[i].thread, NULL, pin_and_unpin, &readers[i]), 0);
	for (uint64_t version = 2; version < 30; version++)
		publish_version(version);
	for (int i = 0; i < READERS; i++)
		pthread_join(readers[i].thread, NULL);
	for (int i = 0; i < READERS; i++) {
		ck_assert_msg(readers[i].fault[0] == '\0', "reader %d: %s", i, readers[i].fault);
		ck_assert_uint_eq(readers[i].commits, 3000);
	}
	zkcfg_close(shared);
}
END_TEST

/*
 * The litmus test. Its writer and its readers meet in the same memory, at the
 * same addresses: ThreadSanitizer knows shared memory by its address, and would
 * see no connection between two mappings of a file, neither the races nor what
 * prevents them. So a file is mapped once while this is on, with room to grow.
 */
#define PLACE_BYTES ((size_t)32 << 20)
#define MOST_PLACES 64

void *__real_mmap(void *address, size_t bytes, int prot, int flags, int fd, off_t offset);
int __real_munmap(void *address, size_t bytes);
void *__real_mremap(void *address, size_t old_bytes, size_t new_bytes, int flags, ...);
void *__wrap_mmap(void *address, size_t bytes, int prot, int flags, int fd, off_t offset);
int __wrap_munmap(void *address, size_t bytes);
void *__wrap_mremap(void *address, size_t old_bytes, size_t new_bytes, int flags, ...);

static struct place {
	uint8_t *base; /* NULL: a free one */
	size_t bytes;  /* that are mapped */
	unsigned uses;
	int fd;
	int prot;
	dev_t device;
	ino_t inode;
} places[MOST_PLACES];
static pthread_mutex_t places_lock = PTHREAD_MUTEX_INITIALIZER;
static bool has_places;

/* The place of a file, or of an address, or a free one; the lock is held. */
static struct place *find_place(const struct stat *st, const void *address)
{
	for (int i = 0; i < MOST_PLACES; i++) {
		struct place *place = &places[i];

		if (st ? place->base && place->device == st->st_dev && place->inode == st->st_ino
		       : place->base == address)
			return place;
	}
	return NULL;
}

static bool grow_place(struct place *place, size_t bytes)
{
	if (bytes > PLACE_BYTES)
		return false;
	if (bytes > place->bytes &&
	    __real_mmap(place->base + place->bytes, bytes - place->bytes, place->prot,
			MAP_SHARED | MAP_FIXED, place->fd, (off_t)place->bytes) == MAP_FAILED)
		return false;
	if (bytes > place->bytes)
		place->bytes = bytes;
	return true;
}

static struct place *make_place(const struct stat *st, int fd)
{
	struct place *place = find_place(NULL, NULL);
	void *base;

	base = __real_mmap(NULL, PLACE_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (!place || base == MAP_FAILED)
		return NULL;
	*place = (struct place){ .base = base, .fd = dup(fd), .prot = PROT_READ, .device = st->st_dev, .inode = st->st_ino };
	if ((fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDWR)
		place->prot |= PROT_WRITE;
	return place;
}

void *__wrap_mmap(void *address, size_t bytes, int prot, int flags, int fd, off_t offset)
{
	struct place *place;
	struct stat st;

	if (!has_places || fd < 0 || fstat(fd, &st) < 0)
		return __real_mmap(address, bytes, prot, flags, fd, offset);
	pthread_mutex_lock(&places_lock);
	place = find_place(&st, NULL);
	if (!place) /* the writer is the first, unless it is done with the file already */
		place = make_place(&st, fd);
	if (place && grow_place(place, bytes))
		place->uses++;
	else
		place = NULL;
	pthread_mutex_unlock(&places_lock);
	return place ? place->base : MAP_FAILED;
}

int __wrap_munmap(void *address, size_t bytes)
{
	struct place *place = NULL;

	pthread_mutex_lock(&places_lock);
	if (has_places)
		place = find_place(NULL, address);
	if (place && --place->uses == 0) {
		__real_munmap(place->base, PLACE_BYTES);
		close(place->fd);
		place->base = NULL;
	}
	pthread_mutex_unlock(&places_lock);
	return place ? 0 : __real_munmap(address, bytes);
}

void *__wrap_mremap(void *address, size_t old_bytes, size_t new_bytes, int flags, ...)
{
	struct place *place = NULL;
	bool has_grown;

	if (!has_places)
		return __real_mremap(address, old_bytes, new_bytes, flags);
	pthread_mutex_lock(&places_lock);
	place = find_place(NULL, address);
	has_grown = place && grow_place(place, new_bytes);
	pthread_mutex_unlock(&places_lock);
	return has_grown ? address : MAP_FAILED;
}

/*
 * All documents of commit n are of version n. A reader holds what it had pinned
 * before, so that both must be as they were; it tells the others what it has
 * seen, and who has heard of a commit must see no older one.
 */
struct litmus {
	pthread_t thread;
	struct zkcfg *cfg;
	struct reader reader;		/* for check_snapshot() */
	struct zkcfg_snapshot *held;	/* of some commits ago; NULL: none */
	unsigned long long old_version; /* the two that are compared */
	unsigned long long new_version;
	unsigned differences;
};

static _Atomic uint64_t heard_of;

static bool litmus_fails(struct litmus *litmus, const char *what)
{
	snprintf(litmus->reader.fault, sizeof(litmus->reader.fault), "%s, between commits %llu and %llu",
		 what, litmus->old_version, litmus->new_version);
	return false;
}

static bool carries_its_number(struct litmus *litmus, const struct zkcfg_snapshot *snapshot)
{
	unsigned long long version;
	const char *value;

	/* all are of one version; so one tells which */
	return check_snapshot(&litmus->reader, snapshot) &&
	       zkcfg_get_string(snapshot, "n.0", "/d", &value) == 0 &&
	       value_is_sound(value, "n.0", &version) &&
	       (version == zkcfg_snapshot_seq(snapshot) ||
		litmus_fails(litmus, "a version that is not the commit's"));
}

static int compare_change(const struct zkcfg_change *change, void *user)
{
	struct litmus *litmus = user;
	unsigned long long older, newer;

	if (change->kind != ZKCFG_CHANGED || !value_is_sound(change->old_value, change->document, &older) ||
	    !value_is_sound(change->new_value, change->document, &newer) || older != litmus->old_version ||
	    newer != litmus->new_version)
		return 1;
	litmus->differences++;
	return 0;
}

static bool compare(struct litmus *litmus, const struct zkcfg_snapshot *snapshot)
{
	litmus->old_version = zkcfg_snapshot_seq(litmus->held);
	litmus->new_version = zkcfg_snapshot_seq(snapshot);
	litmus->differences = 0;
	if (zkcfg_diff(litmus->held, snapshot, compare_change, litmus) != 0)
		return litmus_fails(litmus, "a wrong difference");
	if (litmus->differences != (litmus->old_version == litmus->new_version ? 0 : DOCUMENTS))
		return litmus_fails(litmus, "not all differences");
	return carries_its_number(litmus, litmus->held);
}

/* release and acquire: who reads a number here has all that its teller saw behind him */
static void tell(uint64_t seq)
{
	uint64_t known = atomic_load_explicit(&heard_of, memory_order_relaxed);

	while (known < seq && !atomic_compare_exchange_weak_explicit(
				      &heard_of, &known, seq, memory_order_release, memory_order_relaxed))
		;
}

static bool litmus_once(struct litmus *litmus)
{
	uint64_t least = atomic_load_explicit(&heard_of, memory_order_acquire);
	struct zkcfg_snapshot *snapshot;
	bool is_right;
	int err;

	err = zkcfg_pin(litmus->cfg, &snapshot);
	if (err < 0)
		return litmus_fails(litmus, zkcfg_strerror(err));
	litmus->new_version = zkcfg_snapshot_seq(snapshot);
	tell(litmus->new_version);
	is_right = litmus->new_version >= least || litmus_fails(litmus, "older than what another thread saw");
	is_right = is_right && carries_its_number(litmus, snapshot) &&
		   (!litmus->held || compare(litmus, snapshot));
	if (!is_right || (litmus->held && litmus->reader.commits % 8 != 0)) {
		zkcfg_unpin(snapshot);
	} else {
		zkcfg_unpin(litmus->held);
		litmus->held = snapshot;
	}
	litmus->reader.commits++;
	return is_right;
}

static void *run_litmus(void *user)
{
	struct litmus *litmus = user;

	while (!atomic_load(&done) && litmus_once(litmus))
		;
	zkcfg_unpin(litmus->held);
	return NULL;
}

static unsigned fewest_passes(struct litmus readers[LITMUS_READERS])
{
	unsigned fewest = UINT_MAX;

	for (int i = 0; i < LITMUS_READERS; i++)
		if (readers[i].reader.commits < fewest)
			fewest = readers[i].reader.commits;
	return fewest;
}

/* As fast as it can, until time is over and everything was met. */
static void publish_litmus(struct litmus readers[LITMUS_READERS])
{
	int64_t end_ms = segment_host_now_ms() + LITMUS_MS, deadline_ms = end_ms + DEADLINE_MS;
	uint64_t version = publisher_seq(host.publisher);

	do {
		publish_version(++version);
		ck_assert_uint_eq(publisher_seq(host.publisher), version);
	} while (segment_host_now_ms() < end_ms || ((fewest_passes(readers) < LEAST_SEEN ||
						     segment_host_generation(&host) <= LITMUS_GENERATIONS) &&
						    segment_host_now_ms() < deadline_ms));
	ck_assert_uint_gt(segment_host_generation(&host), LITMUS_GENERATIONS);
}

START_TEST(every_snapshot_is_one_commit_whatever_the_order_of_memory)
{
	struct litmus readers[LITMUS_READERS] = { 0 };

	segment_host_close(&host);
	has_places = true;
	segment_host_open(&host);
	publish_version(1);
	atomic_store(&heard_of, 0);
	ck_assert_int_eq(zkcfg_open("app", host.shm_dir, &shared), 0);
	for (int i = 0; i < LITMUS_READERS; i++) {
		readers[i].cfg = shared;
		if (i % 2)
			ck_assert_int_eq(zkcfg_open("app", host.shm_dir, &readers[i].cfg), 0);
		ck_assert_int_eq(pthread_create(&readers[i].thread, NULL, run_litmus, &readers[i]), 0);
	}
	publish_litmus(readers);
	atomic_store(&done, true);
	for (int i = 0; i < LITMUS_READERS; i++)
		pthread_join(readers[i].thread, NULL);
	for (int i = 0; i < LITMUS_READERS; i++) {
		ck_assert_msg(readers[i].reader.fault[0] == '\0', "reader %d: %s", i,
			      readers[i].reader.fault);
		ck_assert_uint_ge(readers[i].reader.commits, LEAST_SEEN);
		if (i % 2)
			zkcfg_close(readers[i].cfg);
	}
	zkcfg_close(shared);
	segment_host_close(&host);
	for (int i = 0; i < MOST_PLACES; i++)
		ck_assert_ptr_null(places[i].base); /* nothing is left mapped */
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("threads");
	TCase *tcase = tcase_create("threads");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, start, stop);
	tcase_add_test(tcase, readers_with_handles_of_their_own_see_whole_commits_only);
	tcase_add_test(tcase, readers_that_share_a_handle_see_whole_commits_only);
	tcase_add_test(tcase, readers_that_share_a_handle_follow_a_segment_that_is_removed_under_them);
	tcase_add_test(tcase, readers_with_handles_of_their_own_follow_a_segment_that_is_removed_under_them);
	tcase_add_test(tcase, one_snapshot_is_pinned_and_unpinned_by_many_threads);
	tcase_add_test(tcase, every_snapshot_is_one_commit_whatever_the_order_of_memory);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
