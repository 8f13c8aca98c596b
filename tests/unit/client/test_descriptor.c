/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include <check.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <zkcfg/zkcfg.h>

#include "support/segment_host.h"

#define DEADLINE_MS 20000

static struct segment_host host;
static struct zkcfg *cfg;
static int fd = -1;

static void start(void)
{
	segment_host_start(&host);
	segment_host_open(&host);
	segment_host_publish(&host, "app.xml", "<a>1</a>");
	ck_assert_int_eq(zkcfg_open("app", host.shm_dir, &cfg), 0);
	ck_assert_int_eq(zkcfg_descriptor(cfg, &fd), 0);
}

static void stop(void)
{
	zkcfg_close(cfg);
	segment_host_stop(&host);
}

static bool is_readable(int descriptor, int timeout_ms)
{
	struct pollfd poll_fd = { .fd = descriptor, .events = POLLIN };

	return poll(&poll_fd, 1, timeout_ms) == 1;
}

/* Poll and clear until seq is another, as a program does; false: not in time. */
static bool comes(uint64_t seen)
{
	int64_t deadline_ms = segment_host_now_ms() + DEADLINE_MS;

	while (!zkcfg_changed(cfg, seen)) {
		int64_t left_ms = deadline_ms - segment_host_now_ms();

		if (left_ms <= 0 || !is_readable(fd, (int)left_ms))
			return false;
		ck_assert_int_eq(zkcfg_descriptor_clear(cfg), 0);
	}
	return true;
}

START_TEST(descriptor_is_readable_from_a_commit_until_it_is_cleared)
{
	int again = -1;

	ck_assert(!is_readable(fd, 0));
	for (int i = 0; i < 3; i++) {
		segment_host_publish(&host, "app.xml", "<a>2</a>");
		ck_assert(is_readable(fd, 0));
		ck_assert(is_readable(fd, 0));
		ck_assert_int_eq(zkcfg_descriptor_clear(cfg), 0);
		ck_assert(!is_readable(fd, 0));
	}
	ck_assert_int_eq(zkcfg_descriptor(cfg, &again), 0);
	ck_assert_int_eq(again, fd);
}
END_TEST

START_TEST(descriptor_is_silent_while_a_daemon_lives_and_nothing_is_committed)
{
	ck_assert(!is_readable(fd, 1500));
}
END_TEST

START_TEST(wrong_argument_is_refused)
{
	struct zkcfg *other;
	int none = 7;

	ck_assert_int_eq(zkcfg_open("app", host.shm_dir, &other), 0);
	ck_assert_int_eq(zkcfg_descriptor_clear(other), ZKCFG_EINVAL);
	ck_assert_int_eq(zkcfg_descriptor_clear(NULL), ZKCFG_EINVAL);
	ck_assert_int_eq(zkcfg_descriptor(NULL, &none), ZKCFG_EINVAL);
	ck_assert_int_eq(zkcfg_descriptor(other, NULL), ZKCFG_EINVAL);
	ck_assert_int_eq(none, 7);
	zkcfg_close(other);
}
END_TEST

START_TEST(descriptor_that_cannot_be_had_is_an_error_and_may_be_had_later)
{
	struct rlimit before, few;
	struct zkcfg *other;
	int limit, got = -1;

	ck_assert_int_eq(zkcfg_open("app", host.shm_dir, &other), 0);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
	limit = dup(0);
	close(limit);
	few = before;
	for (int more = 0; more < 2; more++) { /* none at all; one, and none for the timer */
		few.rlim_cur = (rlim_t)(limit + more);
		ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
		ck_assert_int_eq(zkcfg_descriptor(other, &got), ZKCFG_ESYSTEM);
		ck_assert_int_eq(errno, EMFILE);
		ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
	}
	few.rlim_cur = (rlim_t)(limit + 2); /* nothing to be told by: it looks by itself */
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
	ck_assert_int_eq(zkcfg_descriptor(other, &got), 0);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
	segment_host_publish(&host, "app.xml", "<a>2</a>");
	ck_assert(is_readable(got, DEADLINE_MS));
	ck_assert_int_eq(zkcfg_descriptor_clear(other), 0);
	ck_assert(!is_readable(got, 1000)); /* now it is told */
	zkcfg_close(other);
}
END_TEST

START_TEST(daemon_that_dies_and_the_next_one_are_noticed)
{
	uint64_t seen = zkcfg_seq(cfg);

	for (int round = 0; round < 3; round++) {
		segment_host_close(&host);
		ck_assert(is_readable(fd, 0)); /* it ended */
		ck_assert_int_eq(zkcfg_descriptor_clear(cfg), 0);
		ck_assert(is_readable(fd, DEADLINE_MS)); /* once a second */
		segment_host_open(&host);
		segment_host_publish(&host, "app.xml", round % 2 ? "<a>1</a>" : "<a>2</a>");
		ck_assert(comes(seen));
		seen = zkcfg_seq(cfg);
		ck_assert_int_eq(zkcfg_descriptor_clear(cfg), 0);
		ck_assert(!is_readable(fd, 0));
		segment_host_publish(&host, "app.xml", "<a>3</a>");
		ck_assert(is_readable(fd, 0));
		ck_assert_int_eq(zkcfg_descriptor_clear(cfg), 0);
		seen = zkcfg_seq(cfg);
	}
}
END_TEST

START_TEST(segment_that_is_removed_and_made_anew_by_a_living_daemon_is_noticed)
{
	struct message message = { "" };
	uint64_t seen = zkcfg_seq(cfg);

	segment_host_remove(host.shm_dir);
	ck_assert_int_eq(publisher_heartbeat(host.publisher, &message), 0);
	ck_assert(is_readable(fd, 0));
	ck_assert(comes(seen));
	ck_assert_int_eq(zkcfg_descriptor_clear(cfg), 0);
	ck_assert(!is_readable(fd, 0));
	segment_host_publish(&host, "app.xml", "<a>2</a>");
	ck_assert(is_readable(fd, 0));
}
END_TEST

START_TEST(segment_that_is_removed_and_made_anew_while_no_daemon_lives_is_noticed)
{
	uint64_t seen = zkcfg_seq(cfg);
	const char *value;
	struct zkcfg_snapshot *snapshot;

	segment_host_close(&host);
	ck_assert_int_eq(zkcfg_descriptor_clear(cfg), 0);
	segment_host_remove(host.shm_dir);
	segment_host_open(&host);
	segment_host_publish(&host, "app.xml", "<a>new</a>");
	segment_host_publish(&host, "app.xml", "<a>newer</a>");
	ck_assert(comes(seen));
	ck_assert_int_eq(zkcfg_pin(cfg, &snapshot), 0);
	ck_assert_int_eq(zkcfg_get_string(snapshot, "app.xml", "/a", &value), 0);
	ck_assert_str_eq(value, "newer");
	zkcfg_unpin(snapshot);
}
END_TEST

START_TEST(fifo_that_was_removed_is_made_anew_and_found)
{
	struct message message = { "" };
	char path[HOST_PATH_BYTES];

	unlink(segment_host_path(&host, "commits", path));
	ck_assert_int_eq(zkcfg_descriptor_clear(cfg), 0);
	ck_assert(is_readable(fd, DEADLINE_MS)); /* nothing to be told by: a look now and then */
	ck_assert_int_eq(publisher_heartbeat(host.publisher, &message), 0);
	ck_assert_int_eq(zkcfg_descriptor_clear(cfg), 0);
	ck_assert(!is_readable(fd, 0));
	segment_host_publish(&host, "app.xml", "<a>2</a>");
	ck_assert(is_readable(fd, 0));
}
END_TEST

#define STORM 3000

static void *storm(void *user)
{
	(void)user;
	for (int i = 0; i < STORM; i++)
		segment_host_publish(&host, "app.xml", i % 2 ? "<a>1</a>" : "<a>2</a>");
	return NULL;
}

START_TEST(last_one_of_a_storm_of_commits_is_not_missed)
{
	uint64_t last = zkcfg_seq(cfg) + STORM, seen = zkcfg_seq(cfg);
	pthread_t thread;

	ck_assert_int_eq(pthread_create(&thread, NULL, storm, NULL), 0);
	while (seen < last) {
		ck_assert_msg(comes(seen), "stuck at commit %llu of %llu", (unsigned long long)seen,
			      (unsigned long long)last);
		seen = zkcfg_seq(cfg);
	}
	pthread_join(thread, NULL);
}
END_TEST

START_TEST(descriptor_works_within_epoll_by_level_and_by_edge)
{
	struct epoll_event event = { .events = EPOLLIN | (_i ? EPOLLET : 0) }, got;
	int epoll_fd = epoll_create1(EPOLL_CLOEXEC);

	ck_assert_int_eq(epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event), 0);
	ck_assert_int_eq(epoll_wait(epoll_fd, &got, 1, 0), 0);
	for (int i = 0; i < 5; i++) {
		segment_host_publish(&host, "app.xml", "<a>2</a>");
		ck_assert_int_eq(epoll_wait(epoll_fd, &got, 1, DEADLINE_MS), 1);
		ck_assert_int_eq(zkcfg_descriptor_clear(cfg), 0);
		ck_assert_int_eq(epoll_wait(epoll_fd, &got, 1, 0), 0);
	}
	close(epoll_fd);
}
END_TEST

static void on_readable(evutil_socket_t descriptor, short what, void *user)
{
	struct event_base *base = user;

	ck_assert_int_eq(descriptor, fd);
	ck_assert_int_eq(what, EV_READ);
	ck_assert_int_eq(zkcfg_descriptor_clear(cfg), 0);
	event_base_loopbreak(base);
}

START_TEST(descriptor_works_within_libevent)
{
	struct event_base *base = event_base_new();
	struct event *event = event_new(base, fd, EV_READ | EV_PERSIST, on_readable, base);
	uint64_t seen;

	event_add(event, NULL);
	for (int i = 0; i < 5; i++) {
		seen = zkcfg_seq(cfg);
		segment_host_publish(&host, "app.xml", "<a>2</a>");
		ck_assert_int_eq(event_base_dispatch(base), 0);
		ck_assert(zkcfg_changed(cfg, seen));
	}
	event_free(event);
	event_base_free(base);
}
END_TEST

#define MOST_READERS 1000

/* A reader process: its descriptor brings each commit; counts who has seen which. */
static void read_commits(unsigned *ready, unsigned *seen_counts, unsigned commits)
{
	struct zkcfg *own;
	uint64_t seen = 0;
	int own_fd;

	if (zkcfg_open("app", host.shm_dir, &own) < 0 || zkcfg_descriptor(own, &own_fd) < 0)
		_exit(1);
	seen = zkcfg_seq(own);
	__atomic_add_fetch(ready, 1, __ATOMIC_SEQ_CST);
	for (unsigned i = 0; i < commits; i++) {
		while (!zkcfg_changed(own, seen)) {
			if (!is_readable(own_fd, 50000) || zkcfg_descriptor_clear(own) < 0)
				_exit(2);
		}
		seen++;
		__atomic_add_fetch(&seen_counts[i], 1, __ATOMIC_SEQ_CST);
	}
	_exit(0);
}

static void wait_count(const unsigned *count, unsigned wanted)
{
	int64_t deadline_ms = segment_host_now_ms() + 50000;

	while (__atomic_load_n(count, __ATOMIC_SEQ_CST) < wanted) {
		ck_assert_msg(segment_host_now_ms() < deadline_ms, "%u of %u", *count, wanted);
		usleep(1000);
	}
}

START_TEST(thousand_processes_of_one_user_are_all_told_whatever_some_of_them_do)
{
	enum { COMMITS = 3 };
	unsigned *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	char path[HOST_PATH_BYTES], byte;
	const char *slowness = getenv("CK_TIMEOUT_MULTIPLIER");
	unsigned reader_count = slowness && atoi(slowness) > 1 ? MOST_READERS / 10 : MOST_READERS; /* sanitizers */
	static pid_t pids[MOST_READERS];
	int hostile, status;

	for (unsigned i = 0; i < reader_count; i++) {
		pids[i] = fork();
		ck_assert_int_ge(pids[i], 0);
		if (pids[i] == 0)
			read_commits(&shared[0], &shared[1], COMMITS);
	}
	wait_count(&shared[0], reader_count);
	/* somebody holds a FIFO open and reads from it, and some are stopped */
	hostile = open(segment_host_path(&host, "commits", path), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	ck_assert_int_ge(hostile, 0);
	for (int i = 0; i < 20; i++)
		kill(pids[i], SIGSTOP);
	for (unsigned i = 0; i < COMMITS; i++) {
		segment_host_publish(&host, "app.xml", i % 2 ? "<a>1</a>" : "<a>2</a>");
		while (read(hostile, &byte, 1) > 0)
			;
		wait_count(&shared[1 + i], reader_count - 20);
	}
	for (int i = 0; i < 20; i++)
		kill(pids[i], SIGCONT);
	for (unsigned i = 0; i < reader_count; i++) {
		ck_assert_int_eq(waitpid(pids[i], &status, 0), pids[i]);
		ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "reader %u: status %x", i, status);
	}
	close(hostile);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("descriptor");
	TCase *tcase = tcase_create("descriptor");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tcase, 120);
	tcase_add_checked_fixture(tcase, start, stop);
	tcase_add_test(tcase, descriptor_is_readable_from_a_commit_until_it_is_cleared);
	tcase_add_test(tcase, descriptor_is_silent_while_a_daemon_lives_and_nothing_is_committed);
	tcase_add_test(tcase, wrong_argument_is_refused);
	tcase_add_test(tcase, descriptor_that_cannot_be_had_is_an_error_and_may_be_had_later);
	tcase_add_test(tcase, daemon_that_dies_and_the_next_one_are_noticed);
	tcase_add_test(tcase, segment_that_is_removed_and_made_anew_by_a_living_daemon_is_noticed);
	tcase_add_test(tcase, segment_that_is_removed_and_made_anew_while_no_daemon_lives_is_noticed);
	tcase_add_test(tcase, fifo_that_was_removed_is_made_anew_and_found);
	tcase_add_test(tcase, last_one_of_a_storm_of_commits_is_not_missed);
	tcase_add_loop_test(tcase, descriptor_works_within_epoll_by_level_and_by_edge, 0, 2);
	tcase_add_test(tcase, descriptor_works_within_libevent);
	tcase_add_test(tcase, thousand_processes_of_one_user_are_all_told_whatever_some_of_them_do);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
