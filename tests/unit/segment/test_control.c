/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <zkcfg/zkcfg.h>

#include "segment/control.h"
#include "segment/layout.h"
#include "support/segment_host.h"

static const uint8_t id[16] = "0123456789abcdef";
static struct segment_host host;
static char path[HOST_PATH_BYTES];
static int dir_fd;
static struct control control, reader;

static void start(void)
{
	segment_host_start(&host);
	dir_fd = open(host.shm_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	snprintf(path, sizeof(path), "%s/control", host.shm_dir);
	ck_assert_int_eq(control_create(dir_fd, "app", id, 0644, (gid_t)-1, &control), 0);
	ck_assert_int_eq(control_open(dir_fd, "app", false, NULL, &reader), 0);
}

static void stop(void)
{
	control_close(&control);
	control_close(&reader);
	control_close(&reader); /* once more does no harm */
	close(dir_fd);
	segment_host_stop(&host);
}

static const struct {
	const char *name;
	bool ok;
} names[] = {
	{ "a", true },
	{ "app", true },
	{ "A-z_0.9", true },
	{ "-", true },
	{ "0123456789012345678901234567890123456789012345678901234567890123", true },
	{ "01234567890123456789012345678901234567890123456789012345678901234", false },
	{ "", false },
	{ ".", false },
	{ "..", false },
	{ ".a", false },
	{ "a/b", false },
	{ "a b", false },
	{ "a\n", false },
	{ "\xc3\xa4", false },
	{ "a%", false },
};

START_TEST(set_name_is_checked)
{
	ck_assert_msg(control_set_name_ok(names[_i].name) == names[_i].ok, "%s", names[_i].name);
}
END_TEST

START_TEST(new_control_is_whole_and_has_no_commit)
{
	uint8_t found[16];
	struct stat st;

	ck_assert_uint_eq(control_seq(&reader), 0);
	ck_assert_uint_eq(*control_counter(&reader), 0);
	control_segment_id(&reader, found);
	ck_assert_mem_eq(found, id, 16);
	ck_assert(!control_moved(&reader));
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(st.st_size, LAYOUT_CONTROL_BYTES);
	ck_assert_int_eq(st.st_mode & 07777, 0644);
	ck_assert(control_is_current(&control, dir_fd));
	ck_assert(control_is_current(&reader, dir_fd));
	ck_assert_int_eq(faccessat(dir_fd, "control.new", F_OK, 0), -1);
}
END_TEST

START_TEST(segment_id_can_be_taken_over_before_the_first_commit)
{
	uint8_t found[16], other[16] = "another, longer";

	control_set_segment_id(&control, other);
	control_segment_id(&reader, found);
	ck_assert_mem_eq(found, other, 16);
}
END_TEST

START_TEST(control_made_again_replaces_the_file_and_leaves_the_mapping)
{
	struct control again;

	control_publish(&control, 5, 1, 64);
	ck_assert_int_eq(control_create(dir_fd, "app", id, 0600, (gid_t)-1, &again), 0);
	ck_assert_uint_eq(control_seq(&again), 0);
	ck_assert_uint_eq(control_seq(&reader), 5);
	ck_assert(!control_is_current(&reader, dir_fd));
	ck_assert(control_is_current(&again, dir_fd));
	control_close(&again);
}
END_TEST

START_TEST(mode_can_be_changed)
{
	struct stat st;

	ck_assert_int_eq(control_set_mode(dir_fd, 0640, getegid()), 0);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(st.st_mode & 07777, 0640);
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(control_set_mode(dir_fd, 0640, (gid_t)-1), ZKCFG_ENOSET);
}
END_TEST

static void damage_nothing(void)
{
}

static void damage_magic(void)
{
	segment_host_patch(path, 0, "X", 1);
}

static void damage_layout(void)
{
	segment_host_patch(path, offsetof(struct layout_control, layout), "\2", 1);
}

static void damage_bytes(void)
{
	segment_host_patch(path, offsetof(struct layout_control, control_bytes), "\2", 1);
}

static void damage_set(void)
{
	segment_host_patch(path, offsetof(struct layout_control, set), "apq", 3);
}

static void damage_set_end(void)
{
	char unending[LAYOUT_SET_NAME_BYTES];

	memset(unending, 'a', sizeof(unending));
	segment_host_patch(path, offsetof(struct layout_control, set), unending, sizeof(unending));
}

static void damage_shorter(void)
{
	ck_assert_int_eq(truncate(path, LAYOUT_CONTROL_BYTES - 1), 0);
}

static void damage_longer(void)
{
	ck_assert_int_eq(truncate(path, LAYOUT_CONTROL_BYTES + 1), 0);
}

static void damage_empty(void)
{
	ck_assert_int_eq(truncate(path, 0), 0);
}

static void damage_group_mode(void)
{
	ck_assert_int_eq(chmod(path, 0664), 0);
}

static void damage_other_mode(void)
{
	ck_assert_int_eq(chmod(path, 0646), 0);
}

static void damage_link(void)
{
	ck_assert_int_eq(renameat(dir_fd, "control", dir_fd, "elsewhere"), 0);
	ck_assert_int_eq(symlink("elsewhere", path), 0);
}

static void damage_broken_link(void)
{
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(symlink("/nowhere", path), 0);
}

static void damage_remove(void)
{
	ck_assert_int_eq(unlink(path), 0);
}

static const struct {
	void (*damage)(void);
	int error;
} damages[] = {
	{ damage_nothing, 0 },
	{ damage_magic, ZKCFG_EMAGIC },
	{ damage_layout, ZKCFG_ELAYOUT },
	{ damage_bytes, ZKCFG_ESIZE },
	{ damage_set, ZKCFG_ECORRUPT },
	{ damage_set_end, ZKCFG_ECORRUPT },
	{ damage_shorter, ZKCFG_ESIZE },
	{ damage_longer, ZKCFG_ESIZE },
	{ damage_empty, ZKCFG_ESIZE },
	{ damage_group_mode, ZKCFG_EMODE },
	{ damage_other_mode, ZKCFG_EMODE },
	{ damage_link, ZKCFG_EOWNER },
	{ damage_broken_link, ZKCFG_EOWNER },
	{ damage_remove, ZKCFG_ENOSET },
};

START_TEST(control_that_is_not_to_be_trusted_is_refused)
{
	struct control opened = { .inode = 4711 };

	damages[_i].damage();
	for (int writable = 0; writable < 2; writable++) {
		int err = control_open(dir_fd, "app", writable, NULL, &opened);

		ck_assert_msg(err == damages[_i].error, "found %s, expected %s", zkcfg_strerror(err),
			      zkcfg_strerror(damages[_i].error));
		if (err == 0)
			control_close(&opened);
		else
			ck_assert_uint_eq(opened.inode, 4711);
	}
}
END_TEST

START_TEST(control_of_another_owner_is_refused)
{
	struct control opened;

	if (geteuid() != 0) {
		printf("not root: another owner is not tried\n");
		return;
	}
	ck_assert_int_eq(chown(path, 4711, (gid_t)-1), 0);
	ck_assert_int_eq(control_open(dir_fd, "app", false, NULL, &opened), ZKCFG_EOWNER);
}
END_TEST

START_TEST(root_of_each_of_the_last_64_commits_is_told)
{
	for (uint64_t seq = 1; seq <= 200; seq++) {
		control_publish(&control, seq, (uint32_t)(seq * 3), seq * 1024);
		ck_assert_uint_eq(control_seq(&reader), seq);
		ck_assert_uint_eq(*control_counter(&reader), seq);
		for (uint64_t old = seq > 63 ? seq - 63 : 1; old <= seq; old++) {
			uint32_t generation;
			uint64_t offset;

			control_root(&reader, old, &generation, &offset);
			if (generation != old * 3 || offset != old * 1024)
				ck_abort_msg("commit %llu of %llu", (unsigned long long)old,
					     (unsigned long long)seq);
		}
	}
}
END_TEST

START_TEST(root_may_lie_anywhere_in_the_largest_arena)
{
	uint64_t far = LAYOUT_ARENA_LIMIT_BYTES - LAYOUT_ALIGN, offset;
	uint32_t generation;

	control_publish(&control, 1, UINT32_MAX, far);
	control_root(&reader, 1, &generation, &offset);
	ck_assert_uint_eq(generation, UINT32_MAX);
	ck_assert_uint_eq(offset, far);
}
END_TEST

START_TEST(control_attached_in_place_keeps_the_address_of_the_counter)
{
	const uint64_t *counter = control_counter(&reader);
	struct control again, attached;

	control_publish(&control, 5, 1, 64);
	ck_assert_uint_eq(*counter, 5);
	ck_assert_int_eq(control_create(dir_fd, "app", id, 0644, (gid_t)-1, &again), 0);
	control_publish(&again, 9, 1, 64);
	ck_assert_int_eq(control_open(dir_fd, "app", false, reader.page, &attached), 0);
	ck_assert_ptr_eq(control_counter(&attached), counter);
	ck_assert_uint_eq(*counter, 9);
	control_publish(&again, 10, 1, 64);
	ck_assert_uint_eq(*counter, 10);
	control_close(&again);
}
END_TEST

START_TEST(control_that_cannot_be_attached_leaves_the_one_in_place)
{
	const uint64_t *counter = control_counter(&reader);
	struct control again, attached;

	control_publish(&control, 5, 1, 64);
	ck_assert_int_eq(control_create(dir_fd, "other", id, 0644, (gid_t)-1, &again), 0);
	ck_assert_int_eq(control_open(dir_fd, "app", false, reader.page, &attached), ZKCFG_ECORRUPT);
	ck_assert_uint_eq(*counter, 5);
	control_publish(&control, 6, 1, 64);
	ck_assert_uint_eq(*counter, 6);
	control_close(&again);
}
END_TEST

START_TEST(abandoned_control_says_so_and_wakes)
{
	ck_assert(!control_moved(&reader));
	control_abandon(&control, 8);
	ck_assert(control_moved(&reader));
	ck_assert_uint_eq(control_seq(&reader), 8);
}
END_TEST

static void *publish_later(void *user)
{
	const struct timespec pause = { .tv_nsec = 30000000 };

	(void)user;
	nanosleep(
		&pause,
		NULL); /* so that the waiter sleeps by then, most times; it must see the commit either way */
	control_publish(&control, 1, 1, 64);
	return NULL;
}

START_TEST(commit_wakes_who_waits)
{
	int64_t began_ms = segment_host_now_ms();
	pthread_t thread;

	ck_assert_int_eq(pthread_create(&thread, NULL, publish_later, NULL), 0);
	while (control_seq(&reader) == 0 && segment_host_now_ms() < began_ms + 10000)
		ck_assert_int_eq(control_wait(&reader, 0, 1000), 0);
	ck_assert_uint_eq(control_seq(&reader), 1);
	pthread_join(thread, NULL);
}
END_TEST

#define TURNS 40

static void *answer_turns(void *user)
{
	int *failed = user;
	struct control back;

	*failed = control_open(dir_fd, "back", true, NULL, &back);
	for (uint64_t turn = 1; turn <= TURNS && *failed == 0; turn++) {
		while (control_seq(&reader) < turn)
			control_wait(&reader, turn - 1, 1000);
		control_publish(&back, turn, 1, 64);
	}
	if (*failed == 0)
		control_close(&back);
	return NULL;
}

/* Each turn is two wakes; a waiter that is not woken looks again after a second: 80 of them */
START_TEST(waiters_are_woken_and_do_not_only_look_again)
{
	int64_t began_ms = segment_host_now_ms();
	struct control back;
	pthread_t thread;
	int failed;

	/* another set's control in the same directory: under another name while the first is there */
	ck_assert_int_eq(renameat(dir_fd, "control", dir_fd, "control.app"), 0);
	ck_assert_int_eq(control_create(dir_fd, "back", id, 0644, (gid_t)-1, &back), 0);
	ck_assert_int_eq(pthread_create(&thread, NULL, answer_turns, &failed), 0);
	for (uint64_t turn = 1; turn <= TURNS; turn++) {
		control_publish(&control, turn, 1, 64);
		while (control_seq(&back) < turn && segment_host_now_ms() < began_ms + 30000)
			control_wait(&back, turn - 1, 1000);
	}
	ck_assert_int_lt(segment_host_now_ms() - began_ms, 30000);
	pthread_join(thread, NULL);
	ck_assert_int_eq(failed, 0);
	control_close(&back);
}
END_TEST

START_TEST(commit_of_another_process_wakes_who_waits)
{
	int64_t began_ms = segment_host_now_ms();
	pid_t pid = fork();

	if (pid == 0) {
		publish_later(NULL);
		_exit(0);
	}
	while (control_seq(&reader) == 0 && segment_host_now_ms() < began_ms + 10000)
		ck_assert_int_eq(control_wait(&reader, 0, 1000), 0);
	ck_assert_uint_eq(control_seq(&reader), 1);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
}
END_TEST

START_TEST(wait_for_what_is_there_returns_at_once)
{
	int64_t began_ms = segment_host_now_ms();

	control_publish(&control, 7, 1, 64);
	for (int i = 0; i < 100; i++)
		ck_assert_int_eq(control_wait(&reader, 6, 1000), 0);
	ck_assert_int_lt(segment_host_now_ms() - began_ms, 10000); /* 100 s, if it did not */
}
END_TEST

START_TEST(wait_ends_when_its_time_is_over)
{
	int64_t began_ms = segment_host_now_ms();

	ck_assert_int_eq(control_wait(&reader, 0, 20), 0);
	ck_assert_int_eq(control_wait(&reader, 0, 0), 0);
	ck_assert_int_ge(segment_host_now_ms() - began_ms, 19);
	/* however long it is asked for, it looks again after a second */
	ck_assert_int_eq(control_wait(&reader, 0, 3600000), 0);
}
END_TEST

static void ignore(int signal_number)
{
	(void)signal_number;
}

START_TEST(signal_ends_a_wait)
{
	struct sigaction action = { .sa_handler = ignore };
	struct itimerval timer = { .it_value.tv_usec = 20000, .it_interval.tv_usec = 20000 };

	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &timer, NULL);
	ck_assert_int_eq(control_wait(&reader, 0, 1000), ZKCFG_EINTR);
}
END_TEST

START_TEST(stamps_mean_something_in_this_boot_only)
{
	const struct control_contact contact = { ZKCFG_MODE_PULL, 4000, 5000, 3 };
	struct control_stamps stamps;

	ck_assert_int_eq(control_silence_ns(&reader), INT64_MAX);
	control_stamps(&reader, &stamps);
	ck_assert_int_eq(stamps.heartbeat_ns, 0);
	control_set_daemon(&control);
	control_set_heartbeat(&control, 1000);
	control_set_verified(&control, 2000);
	control_set_contact(&control, &contact);
	control_stamps(&reader, &stamps);
	ck_assert_uint_eq(stamps.source_mode, ZKCFG_MODE_PULL);
	ck_assert_int_eq(stamps.told_ns, 4000);
	ck_assert_int_eq(stamps.asked_ns, 5000);
	ck_assert_uint_eq(stamps.repair_count, 3);
	ck_assert_int_eq(stamps.heartbeat_ns, 1000);
	ck_assert_int_eq(stamps.verified_ns, 2000);
	ck_assert_int_eq(stamps.daemon_pid, getpid());
	ck_assert_int_gt(control_silence_ns(&reader), 0);
	ck_assert_int_lt(control_silence_ns(&reader), INT64_MAX);

	segment_host_patch(path, offsetof(struct layout_control, boot_id), "another boot", 12);
	control_stamps(&reader, &stamps);
	ck_assert_int_eq(stamps.heartbeat_ns, 0);
	ck_assert_int_eq(stamps.verified_ns, 0);
	ck_assert_int_eq(stamps.told_ns, 0);
	ck_assert_int_eq(stamps.asked_ns, 0);
	ck_assert_int_eq(stamps.daemon_pid, getpid());
	control_set_daemon(&control);
	ck_assert_int_eq(control_silence_ns(&reader), INT64_MAX);
	control_set_heartbeat(&control, 3000);
	control_stamps(&reader, &stamps);
	ck_assert_int_eq(stamps.heartbeat_ns, 3000);
	ck_assert_int_eq(stamps.verified_ns, 0);
	ck_assert_int_eq(stamps.told_ns, 0);
	ck_assert_uint_eq(stamps.source_mode, ZKCFG_MODE_NONE);
}
END_TEST

/* Candidates, each of whose texts name its number. */
static struct zkcfg_candidate candidates[1000];
static char texts[1000][2][64];

static struct control_status status_of(size_t count)
{
	for (size_t i = 0; i < count; i++) {
		snprintf(texts[i][0], sizeof(texts[i][0]), "dir/doc-%zu.xml", i);
		snprintf(texts[i][1], sizeof(texts[i][1]), "reason number %zu", i);
		candidates[i] = (struct zkcfg_candidate){ .document = texts[i][0],
							  .reason = texts[i][1],
							  .revision = i + 1,
							  .line = (uint32_t)i,
							  .column = 7 };
	}
	return (struct control_status){ .source_state = ZKCFG_SOURCE_FOLLOWING,
					.source = "zk://h/p",
					.detail = "fine",
					.since_ns = 99,
					.candidates = candidates,
					.candidate_count = count };
}

START_TEST(status_is_empty_until_it_is_set)
{
	static struct layout_status copy;

	memset(&copy, 0xff, sizeof(copy));
	ck_assert_int_eq(control_copy_status(&reader, &copy), 0);
	ck_assert_uint_eq(copy.version, 0);
	ck_assert_uint_eq(copy.candidate_count, 0);
}
END_TEST

START_TEST(status_keeps_as_many_candidates_as_fit)
{
	static const size_t counts[] = { 0, 1, 2, 100, 200, 201, 300, 1000 };
	static struct layout_status copy;
	struct control_stamps stamps;

	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		struct control_status status = status_of(counts[i]);

		control_set_status(&control, &status);
		ck_assert_int_eq(control_copy_status(&reader, &copy), 0);
		ck_assert_uint_eq(copy.version, i + 1);
		ck_assert_uint_eq(copy.candidate_count, counts[i]);
		ck_assert_uint_le(copy.candidate_kept, counts[i]);
		if (counts[i] <= 200)
			ck_assert_uint_eq(copy.candidate_kept, counts[i]);
		else
			ck_assert_uint_ge(copy.candidate_kept, 200);
		ck_assert_str_eq((const char *)copy.text, "zk://h/p");
		ck_assert_int_eq(copy.since_ns, 99);
	}
	control_stamps(&reader, &stamps);
	ck_assert_uint_eq(stamps.source_state, ZKCFG_SOURCE_FOLLOWING);
}
END_TEST

START_TEST(long_texts_of_the_status_are_cut_not_left_out)
{
	static struct layout_status copy;
	struct control_status status = status_of(1);
	char *text = malloc(100001);

	memset(text, 'x', 100000);
	text[100000] = '\0';
	status.source = status.detail = candidates[0].document = candidates[0].reason = text;
	control_set_status(&control, &status);
	ck_assert_int_eq(control_copy_status(&reader, &copy), 0);
	ck_assert_uint_eq(copy.candidate_kept, 1);
	ck_assert_uint_eq(copy.text_bytes, 4097 + 3 * 1025 + sizeof(struct layout_candidate));
	free(text);
}
END_TEST

START_TEST(every_flipped_byte_of_a_status_is_caught)
{
	struct control_status status = status_of(2);
	static struct layout_status copy;
	size_t used;
	uint8_t byte;
	int fd;

	control_set_status(&control, &status);
	ck_assert_int_eq(control_copy_status(&reader, &copy), 0);
	used = offsetof(struct layout_status, text) + copy.text_bytes;
	fd = open(path, O_RDWR | O_CLOEXEC);
	for (size_t i = 0; i < used; i++) {
		off_t at = (off_t)(offsetof(struct layout_control, status[1]) + i);

		ck_assert_int_eq(pread(fd, &byte, 1, at), 1);
		byte ^= 0x40;
		ck_assert_int_eq(pwrite(fd, &byte, 1, at), 1);
		ck_assert_msg(control_copy_status(&reader, &copy) == ZKCFG_ECORRUPT, "byte %zu", i);
		byte ^= 0x40;
		ck_assert_int_eq(pwrite(fd, &byte, 1, at), 1);
	}
	close(fd);
	ck_assert_int_eq(control_copy_status(&reader, &copy), 0);
}
END_TEST

static void *write_statuses(void *user)
{
	_Atomic bool *done = user;

	for (int i = 0; i < 3000; i++) {
		struct control_status status = status_of((size_t)(i % 50));

		status.since_ns = i % 50;
		control_set_status(&control, &status);
	}
	*done = true;
	return NULL;
}

START_TEST(copy_made_while_statuses_are_written_is_whole)
{
	static struct layout_status copy;
	_Atomic bool done = false;
	pthread_t thread;
	int whole = 0;

	ck_assert_int_eq(pthread_create(&thread, NULL, write_statuses, &done), 0);
	do {
		int err = control_copy_status(&reader, &copy);

		if (err == 0 && copy.since_ns != copy.candidate_count)
			ck_abort_msg("the status mixes %lld with %u", (long long)copy.since_ns,
				     copy.candidate_count);
		whole += err == 0;
	} while (!done);
	pthread_join(thread, NULL);
	ck_assert_int_eq(control_copy_status(&reader, &copy), 0);
	ck_assert_int_gt(whole, 0);
}
END_TEST

START_TEST(full_file_system_is_an_error_and_leaves_nothing)
{
	struct control made = { .inode = 4711 };
	char ballast[HOST_PATH_BYTES];
	int fd;

	if (!segment_host_mount(&host, host.shm_dir, 64 * 1024))
		return;
	close(dir_fd);
	dir_fd = open(host.shm_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	snprintf(ballast, sizeof(ballast), "%s/ballast", host.shm_dir);
	fd = open(ballast, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	ck_assert_int_eq(posix_fallocate(fd, 0, 48 * 1024), 0);
	close(fd);
	ck_assert_int_eq(control_create(dir_fd, "app", id, 0644, (gid_t)-1, &made), ZKCFG_ENOSPC);
	ck_assert_uint_eq(made.inode, 4711);
	ck_assert_int_eq(faccessat(dir_fd, "control", F_OK, 0), -1);
	ck_assert_int_eq(faccessat(dir_fd, "control.new", F_OK, 0), -1);
	ck_assert_int_eq(unlink(ballast), 0);
	ck_assert_int_eq(control_create(dir_fd, "app", id, 0644, (gid_t)-1, &made), 0);
	control_close(&made);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("control");
	TCase *tcase = tcase_create("control");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, start, stop);
	tcase_add_loop_test(tcase, set_name_is_checked, 0, sizeof(names) / sizeof(*names));
	tcase_add_test(tcase, new_control_is_whole_and_has_no_commit);
	tcase_add_test(tcase, segment_id_can_be_taken_over_before_the_first_commit);
	tcase_add_test(tcase, control_made_again_replaces_the_file_and_leaves_the_mapping);
	tcase_add_test(tcase, mode_can_be_changed);
	tcase_add_loop_test(tcase, control_that_is_not_to_be_trusted_is_refused, 0,
			    sizeof(damages) / sizeof(*damages));
	tcase_add_test(tcase, control_of_another_owner_is_refused);
	tcase_add_test(tcase, root_of_each_of_the_last_64_commits_is_told);
	tcase_add_test(tcase, root_may_lie_anywhere_in_the_largest_arena);
	tcase_add_test(tcase, control_attached_in_place_keeps_the_address_of_the_counter);
	tcase_add_test(tcase, control_that_cannot_be_attached_leaves_the_one_in_place);
	tcase_add_test(tcase, abandoned_control_says_so_and_wakes);
	tcase_add_test(tcase, commit_wakes_who_waits);
	tcase_add_test(tcase, waiters_are_woken_and_do_not_only_look_again);
	tcase_add_test(tcase, commit_of_another_process_wakes_who_waits);
	tcase_add_test(tcase, wait_for_what_is_there_returns_at_once);
	tcase_add_test(tcase, wait_ends_when_its_time_is_over);
	tcase_add_test(tcase, signal_ends_a_wait);
	tcase_add_test(tcase, stamps_mean_something_in_this_boot_only);
	tcase_add_test(tcase, status_is_empty_until_it_is_set);
	tcase_add_test(tcase, status_keeps_as_many_candidates_as_fit);
	tcase_add_test(tcase, long_texts_of_the_status_are_cut_not_left_out);
	tcase_add_test(tcase, every_flipped_byte_of_a_status_is_caught);
	tcase_add_test(tcase, copy_made_while_statuses_are_written_is_whole);
	tcase_add_test(tcase, full_file_system_is_an_error_and_leaves_nothing);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
