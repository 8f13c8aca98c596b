/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writers and readers are killed and stopped at every instant, while eight
 * readers look at what there is through the public interface: no torn, wrong,
 * mixed or backward read, and the next writer goes on without help.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <zkcfg/zkcfg.h>

#include "integration/death.h"
#include "support/segment_host.h"

#define READERS 8
#define MOST_POINTS 128
#define DEADLINE_MS 60000

static struct segment_host host;
static char ledger[HOST_PATH_BYTES];
static pid_t readers[READERS];
static uint64_t *reads; /* shared: how many snapshots each reader found in order */
static uint64_t seed;

/*
 * A reader
 */

struct reader {
	struct zkcfg *cfg;
	unsigned number;
	uint64_t seq, stamp; /* the newest that it saw */
};

__attribute__((format(printf, 2, 3), noreturn)) static void reader_fail(const struct reader *reader, const char *format,
									 ...)
{
	va_list args;

	fprintf(stderr, "reader %u, at seq %" PRIu64 ", stamp %" PRIu64 ": ", reader->number, reader->seq, reader->stamp);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	_exit(1);
}

static uint64_t number_of(const struct reader *reader, const struct zkcfg_snapshot *snapshot, const char *name,
			  const char *path)
{
	const char *text;
	char *end;
	uint64_t number;
	int err = zkcfg_get_string(snapshot, name, path, &text);

	if (err < 0)
		reader_fail(reader, "%s of %s: %s", path, name, zkcfg_strerror(err));
	number = strtoull(text, &end, 10);
	if (*end != '\0' || end == text)
		reader_fail(reader, "%s of %s: \"%s\"", path, name, text);
	return number;
}

/* All documents of one stamp, whole, each under its own name; the stamp. */
static uint64_t check_snapshot(const struct reader *reader, const struct zkcfg_snapshot *snapshot)
{
	uint64_t stamp = 0;

	for (unsigned i = 0; i < DEATH_DOCUMENTS; i++) {
		const struct zkcfg_document *document;
		const char *text;
		size_t raw_bytes;
		char name[8];
		uint64_t here;

		snprintf(name, sizeof(name), "d%u", i);
		here = number_of(reader, snapshot, name, "/d/@stamp");
		if (i > 0 && here != stamp)
			reader_fail(reader, "mixed: %s is of %" PRIu64 ", d0 of %" PRIu64, name, here, stamp);
		stamp = here;
		if (zkcfg_find(snapshot, name, &document) < 0 || zkcfg_document_version(document) != (int64_t)stamp ||
		    zkcfg_document_string(document, "/d[@name='d0']/@name", &text) != (i == 0 ? 0 : ZKCFG_ENOPATH) ||
		    zkcfg_document_string(document, "/d/@name", &text) < 0 || strcmp(text, name) != 0)
			reader_fail(reader, "wrong: %s is not %s of stamp %" PRIu64, zkcfg_document_name(document), name,
				    stamp);
		if (zkcfg_document_string(document, "/d", &text) < 0 || strspn(text, "x") != death_padding(i, stamp) ||
		    strlen(zkcfg_document_raw(document, &raw_bytes)) != death_padding(i, stamp) ||
		    number_of(reader, snapshot, name, "/d/@sum") != death_sum(i, stamp, raw_bytes))
			reader_fail(reader, "torn: %s of stamp %" PRIu64, name, stamp);
	}
	return stamp;
}

/* What is pinned is sound, and no older than what was seen before. */
static void check_newest(struct reader *reader, const struct zkcfg_snapshot *snapshot)
{
	uint64_t seq = zkcfg_snapshot_seq(snapshot), stamp = check_snapshot(reader, snapshot);

	if (seq < reader->seq || stamp < reader->stamp || (seq == reader->seq && stamp != reader->stamp))
		reader_fail(reader, "backward: seq %" PRIu64 " with stamp %" PRIu64, seq, stamp);
	reader->seq = seq;
	reader->stamp = stamp;
	__atomic_add_fetch(&reads[reader->number], 1, __ATOMIC_RELAXED);
}

static int count_change(const struct zkcfg_change *change, void *user)
{
	++*(unsigned *)user;
	return change->document ? 0 : -1;
}

/* Wait as this reader does; each one has its own way. */
static void reader_wait(struct reader *reader, struct zkcfg_snapshot *held)
{
	struct zkcfg_snapshot *now;
	struct pollfd poll_fd = { .events = POLLIN };

	switch (reader->number % 4) {
	case 0:
		zkcfg_wait(reader->cfg, reader->seq, 20, NULL);
		break;
	case 1:
		if (zkcfg_descriptor(reader->cfg, &poll_fd.fd) < 0)
			reader_fail(reader, "no descriptor: %s", strerror(errno));
		poll(&poll_fd, 1, 20);
		zkcfg_descriptor_clear(reader->cfg);
		break;
	case 2:
		if (zkcfg_wait_for(reader->cfg, held, "d1", "/d/@stamp", 20, &now) == 0)
			zkcfg_unpin(now);
		break;
	default:
		break;
	}
}

/* Hold each snapshot while others come and go; it stays what it was, and differs from the next. */
static void reader_run(unsigned number)
{
	struct reader reader = { .number = number };
	struct zkcfg_snapshot *held = NULL, *snapshot;
	uint64_t held_stamp = 0;
	unsigned changes;
	int err;

	while (zkcfg_open("app", host.shm_dir, &reader.cfg) < 0)
		usleep(1000);
	for (unsigned i = 0;; i++) {
		err = zkcfg_pin(reader.cfg, &snapshot);
		/* between a removal and what is made in its place there may be nothing */
		if (err < 0 && err != ZKCFG_EEMPTY && err != ZKCFG_ENOSET)
			reader_fail(&reader, "pin: %s", zkcfg_strerror(err));
		if (err < 0) {
			usleep(1000);
			continue;
		}
		check_newest(&reader, snapshot);
		if (held && check_snapshot(&reader, held) != held_stamp)
			reader_fail(&reader, "held snapshot is not what it was");
		changes = 0;
		if (held && zkcfg_diff(held, snapshot, count_change, &changes) != 0)
			reader_fail(&reader, "diff");
		if (held && (changes > 0) != (held_stamp != reader.stamp))
			reader_fail(&reader, "%u changes from stamp %" PRIu64, changes, held_stamp);
		reader_wait(&reader, held);
		if (i % (5 + number * 20) == 0) {
			zkcfg_unpin(held);
			held = snapshot;
			held_stamp = reader.stamp;
		} else {
			zkcfg_unpin(snapshot);
		}
	}
}

static void start_reader(unsigned number)
{
	readers[number] = fork();
	ck_assert_int_ge(readers[number], 0);
	if (readers[number] == 0)
		reader_run(number);
}

/* It has not failed up to now; it is killed wherever it is. */
static void kill_reader(unsigned number)
{
	int status;

	kill(readers[number], SIGKILL);
	ck_assert_int_eq(waitpid(readers[number], &status, 0), readers[number]);
	readers[number] = 0;
	ck_assert_msg(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "reader %u failed: status %x", number, status);
}

static void check_readers(void)
{
	int status;

	for (unsigned i = 0; i < READERS; i++)
		ck_assert_msg(waitpid(readers[i], &status, WNOHANG) == 0, "reader %u failed: status %x", i, status);
}

/*
 * The writer
 */

static pid_t start_writer(long commits, const char *point, unsigned long passage, int output_fd)
{
	char program[512], commits_text[24], passage_text[24];
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (pid > 0)
		return pid;
	snprintf(program, sizeof(program), "%s/tests/integration/death_writer", getenv("ZKCFG_BUILD"));
	snprintf(commits_text, sizeof(commits_text), "%ld", commits);
	snprintf(passage_text, sizeof(passage_text), "%lu", passage);
	dup2(output_fd >= 0 ? output_fd : open("/dev/null", O_WRONLY), 1);
	dup2(open("/dev/null", O_WRONLY), 2); /* it says that its segment was removed, again and again */
	execl(program, program, host.shm_dir, ledger, commits_text, point, passage_text, (char *)NULL);
	_exit(127);
}

/* Was it killed? It may come to its end instead; nothing else may happen to it. */
static bool end_writer(pid_t pid, const char *point)
{
	int status;

	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_msg((WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) || (WIFEXITED(status) && WEXITSTATUS(status) == 0),
		      "writer at %s: status %x", point, status);
	return WIFSIGNALED(status);
}

/* A writer that is not killed goes on with a higher stamp, which all readers come to see. */
static void check_goes_on(void)
{
	uint64_t before[READERS];
	int64_t deadline_ms = segment_host_now_ms() + DEADLINE_MS;

	for (unsigned i = 0; i < READERS; i++)
		before[i] = __atomic_load_n(&reads[i], __ATOMIC_RELAXED);
	ck_assert(!end_writer(start_writer(30, "-", 0, -1), "-"));
	for (unsigned i = 0; i < READERS; i++)
		while (__atomic_load_n(&reads[i], __ATOMIC_RELAXED) < before[i] + 2) {
			check_readers();
			ck_assert_msg(segment_host_now_ms() < deadline_ms, "reader %u sees nothing any more", i);
			usleep(1000);
		}
}

static void start(void)
{
	segment_host_start(&host);
	snprintf(ledger, sizeof(ledger), "%s/ledger", host.shm_dir);
	reads = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(reads, MAP_FAILED);
	seed = segment_seed();
	ck_assert(!end_writer(start_writer(3, "-", 0, -1), "-"));
	for (unsigned i = 0; i < READERS; i++)
		start_reader(i);
}

static void stop(void)
{
	for (unsigned i = 0; i < READERS; i++)
		if (readers[i] > 0) {
			kill(readers[i], SIGKILL);
			waitpid(readers[i], NULL, 0);
		}
	segment_host_stop(&host);
}

/* ZKCFG_TEST_ROUNDS, or this many; fewer where everything is slow. */
static unsigned rounds(unsigned usual)
{
	const char *own = getenv("ZKCFG_TEST_ROUNDS"), *slowness = getenv("CK_TIMEOUT_MULTIPLIER");

	if (own && atoi(own) > 0)
		return (unsigned)atoi(own);
	return slowness && atoi(slowness) > 1 ? usual / 5 : usual;
}

/* The points that a writer passes that is not killed. */
static unsigned list_points(char points[MOST_POINTS][40])
{
	unsigned count = 0;
	FILE *list = tmpfile();

	ck_assert_ptr_nonnull(list);
	ck_assert(!end_writer(start_writer(400, "-", 0, fileno(list)), "-"));
	rewind(list);
	while (count < MOST_POINTS && fscanf(list, "%39s", points[count]) == 1)
		count++;
	fclose(list);
	return count;
}

START_TEST(writer_killed_at_each_point_harms_nobody_and_the_next_goes_on)
{
	static char points[MOST_POINTS][40];
	unsigned count = list_points(points), killed = 0;

	ck_assert_uint_gt(count, 30);
	for (unsigned i = 0; i < count; i++) {
		unsigned here = 0, tries = 0;

		/* somewhere on its way; where it does not come by that often, the first time */
		while (here < rounds(25)) {
			unsigned long passage = tries > here ? 1 : 1 + segment_random(&seed) % (here % 2 ? 4 : 40);

			ck_assert_msg(tries++ < 4 * rounds(25), "only %u writers were killed at %s", here, points[i]);
			if (end_writer(start_writer(400, points[i], passage, -1), points[i]))
				here++;
		}
		killed += here;
		check_readers();
	}
	check_goes_on();
	printf("%u writers killed at %u points, %" PRIu64 " snapshots read by the first reader\n", killed, count, reads[0]);
}
END_TEST

/* Every kill point of the sources is one that the writer comes by. */
START_TEST(writer_comes_by_every_point_there_is)
{
	static char points[MOST_POINTS][40];
	unsigned count = list_points(points), found = 0;
	char command[600], line[64];
	FILE *sources;

	snprintf(command, sizeof(command),
		 "sed -nE 's/.*kill_point\\(\"([a-z.-]+)\"\\).*/\\1/p' '%s'/src/segment/*.c '%s'/src/publish/*.c",
		 getenv("ZKCFG_SOURCE"), getenv("ZKCFG_SOURCE"));
	sources = popen(command, "r");
	ck_assert_ptr_nonnull(sources);
	while (fgets(line, sizeof(line), sources)) {
		bool is_passed = false;

		line[strcspn(line, "\n")] = '\0';
		for (unsigned i = 0; i < count; i++)
			is_passed = is_passed || strcmp(points[i], line) == 0;
		ck_assert_msg(is_passed, "no writer comes by %s", line);
		found++;
	}
	ck_assert_int_eq(pclose(sources), 0);
	ck_assert_uint_ge(found, count);
}
END_TEST

START_TEST(writer_and_readers_killed_and_stopped_at_any_time_harm_nobody)
{
	unsigned stopped = 0, killed = 0;

	for (unsigned i = 0; i < rounds(500); i++) {
		struct timespec pause = { .tv_nsec = (long)(segment_random(&seed) % 12000000) };
		pid_t writer = start_writer(-1, "-", 0, -1);
		unsigned victim = 1 + (unsigned)(segment_random(&seed) % (READERS - 1));

		kill(readers[stopped], SIGCONT);
		stopped = (unsigned)(segment_random(&seed) % READERS);
		kill(readers[stopped], SIGSTOP);
		nanosleep(&pause, NULL);
		kill(writer, SIGKILL);
		killed += end_writer(writer, "random");
		kill_reader(victim);
		start_reader(victim);
	}
	kill(readers[stopped], SIGCONT);
	ck_assert_uint_eq(killed, rounds(500));
	check_goes_on();
}
END_TEST

/* Production code has no such points. */
START_TEST(programs_that_are_installed_have_no_kill_points)
{
	static const char *const programs[] = { "zkcfgd", ".libs/zkcfg", ".libs/libzkcfg.so" };
	char command[600];

	for (int i = 0; i < 3; i++) {
		snprintf(command, sizeof(command), "test -e '%s'/%s && ! grep -q 'control.publish.seq' '%s'/%s",
			 getenv("ZKCFG_BUILD"), programs[i], getenv("ZKCFG_BUILD"), programs[i]);
		ck_assert_msg(system(command) == 0, "%s", programs[i]);
	}
	snprintf(command, sizeof(command), "grep -q 'control.publish.seq' '%s'/tests/integration/death_writer",
		 getenv("ZKCFG_BUILD"));
	ck_assert_int_eq(system(command), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("death");
	TCase *tcase = tcase_create("death");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tcase, 600);
	tcase_add_checked_fixture(tcase, start, stop);
	tcase_add_test(tcase, writer_comes_by_every_point_there_is);
	tcase_add_test(tcase, writer_killed_at_each_point_harms_nobody_and_the_next_goes_on);
	tcase_add_test(tcase, writer_and_readers_killed_and_stopped_at_any_time_harm_nobody);
	tcase_add_test(tcase, programs_that_are_installed_have_no_kill_points);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
