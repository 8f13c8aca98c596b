/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include <check.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <zkcfg/zkcfg.h>

#include "segment/notify.h"
#include "support/segment_host.h"

static struct segment_host host;
static struct notify notify;
static int dir_fd = -1;

static void start(void)
{
	segment_host_start(&host);
	dir_fd = open(host.shm_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_ge(dir_fd, 0);
	notify.alive_fd = -1;
}

static void stop(void)
{
	notify_close(&notify);
	close(dir_fd);
	segment_host_stop(&host);
}

static bool hung_up(int fd)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };

	return poll(&poll_fd, 1, 0) == 1 && (poll_fd.revents & POLLHUP);
}

static mode_t mode_of(const char *name)
{
	struct stat st;

	ck_assert_int_eq(fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW), 0);
	ck_assert(S_ISFIFO(st.st_mode));
	return st.st_mode & 07777;
}

START_TEST(commit_hangs_up_on_whoever_watched_before_and_for_good)
{
	int first, second, later;
	char byte;

	ck_assert_int_eq(notify_open(dir_fd, 0644, (gid_t)-1, &notify), 0);
	notify_commit(dir_fd); /* nobody listens */
	first = notify_watch_commits(dir_fd);
	second = notify_watch_commits(dir_fd);
	ck_assert(!hung_up(first) && !hung_up(second));
	notify_commit(dir_fd);
	ck_assert(hung_up(first) && hung_up(second));
	later = notify_watch_commits(dir_fd);
	ck_assert(!hung_up(later));
	/* whatever the first one does, the second one has been told */
	ck_assert_int_eq(read(first, &byte, 1), 0);
	close(first);
	ck_assert(hung_up(second));
	notify_commit(dir_fd);
	notify_commit(dir_fd);
	ck_assert(hung_up(second) && hung_up(later));
	close(second);
	close(later);
}
END_TEST

START_TEST(end_of_a_writer_hangs_up_and_the_next_one_is_seen)
{
	bool is_alive = true;
	int before, fd;

	ck_assert_int_eq(notify_watch_alive(dir_fd, &is_alive), -1);
	ck_assert(!is_alive);
	ck_assert_int_eq(notify_watch_commits(dir_fd), -1);
	ck_assert_int_eq(notify_open(dir_fd, 0644, (gid_t)-1, &notify), 0);
	before = notify_watch_alive(dir_fd, &is_alive);
	ck_assert(is_alive);
	ck_assert(!hung_up(before));
	notify_close(&notify);
	ck_assert(hung_up(before));
	fd = notify_watch_alive(dir_fd, &is_alive);
	ck_assert_int_ge(fd, 0);
	ck_assert(!is_alive);
	close(fd);
	ck_assert_int_eq(notify_open(dir_fd, 0644, (gid_t)-1, &notify), 0);
	fd = notify_watch_alive(dir_fd, &is_alive);
	ck_assert(is_alive);
	close(fd);
	close(before);
}
END_TEST

START_TEST(nobody_but_the_owner_may_write_and_the_mode_says_who_may_read)
{
	static const mode_t modes[][2] = { { 0644, 0644 }, { 0640, 0640 }, { 0600, 0600 }, { 0660, 0640 } };

	for (size_t i = 0; i < 4; i++) {
		ck_assert_int_eq(notify_open(dir_fd, modes[i][0], getegid(), &notify), 0);
		ck_assert_int_eq(mode_of("commits"), modes[i][1]);
		ck_assert_int_eq(mode_of("alive"), modes[i][1]);
		notify_close(&notify);
	}
}
END_TEST

START_TEST(what_is_no_fifo_gives_way_to_one_and_is_not_watched)
{
	bool is_alive;
	int fd = openat(dir_fd, "commits", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	close(fd);
	ck_assert_int_eq(symlinkat("commits", dir_fd, "alive"), 0);
	ck_assert_int_eq(notify_watch_commits(dir_fd), -1);
	ck_assert_int_eq(notify_watch_alive(dir_fd, &is_alive), -1);
	ck_assert_int_eq(notify_open(dir_fd, 0600, (gid_t)-1, &notify), 0);
	mode_of("commits");
	mode_of("alive");
}
END_TEST

START_TEST(fifo_that_was_removed_is_missed)
{
	static const char *const names[] = { "commits", "alive" };

	ck_assert(!notify_is_in_place(dir_fd, &notify));
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(notify_open(dir_fd, 0600, (gid_t)-1, &notify), 0);
		ck_assert(notify_is_in_place(dir_fd, &notify));
		unlinkat(dir_fd, names[i], 0);
		ck_assert(!notify_is_in_place(dir_fd, &notify));
		notify_commit(dir_fd);
		notify_close(&notify);
	}
}
END_TEST

START_TEST(fifo_that_cannot_be_made_is_an_error)
{
	ck_assert_int_eq(mkdirat(dir_fd, "alive", 0700), 0); /* which nothing can be put in place of */
	ck_assert_int_lt(notify_open(dir_fd, 0600, (gid_t)-1, &notify), 0);
	ck_assert_int_eq(notify.alive_fd, -1);
	ck_assert_int_eq(unlinkat(dir_fd, "alive", AT_REMOVEDIR), 0);
	ck_assert_int_eq(notify_open(-1, 0600, (gid_t)-1, &notify), ZKCFG_ESYSTEM);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("notify");
	TCase *tcase = tcase_create("notify");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, start, stop);
	tcase_add_test(tcase, commit_hangs_up_on_whoever_watched_before_and_for_good);
	tcase_add_test(tcase, end_of_a_writer_hangs_up_and_the_next_one_is_seen);
	tcase_add_test(tcase, nobody_but_the_owner_may_write_and_the_mode_says_who_may_read);
	tcase_add_test(tcase, what_is_no_fifo_gives_way_to_one_and_is_not_watched);
	tcase_add_test(tcase, fifo_that_was_removed_is_missed);
	tcase_add_test(tcase, fifo_that_cannot_be_made_is_an_error);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
