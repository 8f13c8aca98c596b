/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include <check.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <zkcfg/zkcfg.h>

#include "segment/layout.h"
#include "support/segment_host.h"

#define DEADLINE_MS 10000
#define SOMEBODY 4711

static struct segment_host host;
static struct zkcfg *cfg;
static struct zkcfg_snapshot *snapshot;

static void start(void)
{
	unsetenv("ZKCFG_SHM_DIR");
	unsetenv("XDG_RUNTIME_DIR");
	segment_host_start(&host);
	segment_host_open(&host);
	segment_host_publish(&host, "app.xml", "<a>1</a>");
	cfg = NULL;
	snapshot = NULL;
}

static void stop(void)
{
	zkcfg_unpin(snapshot);
	zkcfg_close(cfg);
	segment_host_stop(&host);
}

static void open_handle(void)
{
	ck_assert_int_eq(zkcfg_open("app", host.shm_dir, &cfg), 0);
}

/* Pin anew; the text of /a in app.xml. */
static const char *pinned_text(void)
{
	const char *text = NULL;
	int err;

	zkcfg_unpin(snapshot);
	snapshot = NULL;
	err = zkcfg_pin(cfg, &snapshot);
	if (err < 0)
		return zkcfg_strerror(err);
	err = zkcfg_get_string(snapshot, "app.xml", "/a", &text);
	return err < 0 ? zkcfg_strerror(err) : text;
}

/* Pin until it has this text. */
static void pin_until(const char *text)
{
	int64_t deadline_ms = segment_host_now_ms() + DEADLINE_MS;
	const char *found;

	while (strcmp(found = pinned_text(), text) != 0) {
		if (segment_host_now_ms() > deadline_ms)
			ck_abort_msg("it is \"%s\" still, expected \"%s\"", found, text);
		usleep(10000);
	}
}

START_TEST(handle_reads_the_directory_it_was_given)
{
	open_handle();
	ck_assert_str_eq(zkcfg_directory(cfg), host.shm_dir);
	ck_assert_str_eq(pinned_text(), "1");
	ck_assert_uint_eq(zkcfg_seq(cfg), 1);
	ck_assert(!zkcfg_changed(cfg, 1));
	ck_assert(zkcfg_changed(cfg, 0));
	segment_host_publish(&host, "app.xml", "<a>2</a>");
	ck_assert(zkcfg_changed(cfg, 1));
	ck_assert_uint_eq(zkcfg_seq(cfg), 2);
	ck_assert_str_eq(pinned_text(), "2");
}
END_TEST

START_TEST(wrong_argument_is_refused)
{
	static const char *const sets[] = { "", ".", "..", ".app", "a/b", "../app", "a b", "app\n" };
	struct zkcfg_status *status;
	char long_dir[PATH_MAX + 1];

	for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++)
		ck_assert_int_eq(zkcfg_open(sets[i], host.shm_dir, &cfg), ZKCFG_EINVAL);
	ck_assert_int_eq(zkcfg_open(NULL, host.shm_dir, &cfg), ZKCFG_EINVAL);
	ck_assert_int_eq(zkcfg_open("app", host.shm_dir, NULL), ZKCFG_EINVAL);
	memset(long_dir, '/', sizeof(long_dir));
	for (size_t bytes = PATH_MAX - 12; bytes <= PATH_MAX; bytes++) {
		long_dir[bytes] = '\0';
		ck_assert_int_lt(zkcfg_open("app", long_dir, &cfg), 0);
		long_dir[bytes] = '/';
	}
	ck_assert_ptr_null(cfg);
	ck_assert_int_eq(zkcfg_pin(NULL, &snapshot), ZKCFG_EINVAL);
	ck_assert_int_eq(zkcfg_wait(NULL, 0, 0, NULL), ZKCFG_EINVAL);
	ck_assert_int_eq(zkcfg_status_read(NULL, &status), ZKCFG_EINVAL);
	ck_assert_int_eq(zkcfg_list_sets(host.shm_dir, NULL, NULL), ZKCFG_EINVAL);
	open_handle();
	ck_assert_int_eq(zkcfg_pin(cfg, NULL), ZKCFG_EINVAL);
	ck_assert_int_eq(zkcfg_status_read(cfg, NULL), ZKCFG_EINVAL);
	zkcfg_close(NULL);
	zkcfg_unpin(NULL);
}
END_TEST

START_TEST(set_that_nobody_serves_is_told_so)
{
	ck_assert_int_eq(zkcfg_open("other", host.shm_dir, &cfg), ZKCFG_ENOSET);
	ck_assert_int_eq(zkcfg_open("app", "/nonexistent", &cfg), ZKCFG_ENOSET);
	ck_assert_int_eq(zkcfg_open("app", "/dev/null", &cfg), ZKCFG_ENOSET);
	ck_assert_ptr_null(cfg);
}
END_TEST

START_TEST(environment_names_the_directory_unless_the_caller_does)
{
	setenv("ZKCFG_SHM_DIR", host.shm_dir, 1);
	ck_assert_int_eq(zkcfg_open("app", NULL, &cfg), 0);
	ck_assert_str_eq(zkcfg_directory(cfg), host.shm_dir);
	zkcfg_close(cfg);
	cfg = NULL;
	setenv("ZKCFG_SHM_DIR", "/nonexistent", 1);
	ck_assert_int_eq(zkcfg_open("app", NULL, &cfg), ZKCFG_ENOSET);
	open_handle();
}
END_TEST

/* A set "app" whose /a tells where it is, in a directory, for a user. */
static void serve(const char *shm_dir, const char *set, uid_t owner, const char *xml)
{
	struct publisher_options options = {
		.shm_dir = shm_dir, .set = set, .mode = 0644, .group = (gid_t)-1
	};
	struct publisher_change change = { .name = "app.xml" };
	struct zkcfg_document *document = segment_document_named("app.xml", xml, &change.document_bytes);
	struct message message = { "" };
	struct publisher *publisher;
	char path[PATH_MAX];

	ck_assert_int_eq(publisher_open(&options, &publisher, &message), 0);
	change.document = document;
	ck_assert_int_eq(publisher_commit(publisher, &change, 1, NULL, &message), 0);
	publisher_close(publisher);
	free(document);
	snprintf(path, sizeof(path), "%s/v1/%s", shm_dir, set);
	ck_assert_int_eq(chown(path, owner, (gid_t)-1), 0);
	snprintf(path, sizeof(path), "%s/v1/%s/control", shm_dir, set);
	ck_assert_int_eq(chown(path, owner, (gid_t)-1), 0);
	snprintf(path, sizeof(path), "%s/v1/%s/gen.1", shm_dir, set);
	ck_assert_int_eq(chown(path, owner, (gid_t)-1), 0);
}

static const char *text_of_default(const char *set)
{
	int err;

	zkcfg_close(cfg);
	cfg = NULL;
	err = zkcfg_open(set, NULL, &cfg);
	return err < 0 ? zkcfg_strerror(err) : pinned_text();
}

static int count_set(const char *set, void *user)
{
	char(*found)[64] = user;

	for (int i = 0; i < 8; i++) {
		if (found[i][0] != '\0')
			continue;
		snprintf(found[i], sizeof(found[i]), "%s", set);
		return 0;
	}
	return -1;
}

static bool told_once(char found[8][64], const char *set)
{
	int count = 0;

	for (int i = 0; i < 8; i++)
		count += strcmp(found[i], set) == 0;
	return count == 1;
}

START_TEST(own_directory_comes_before_the_one_of_the_system)
{
	char runtime[HOST_PATH_BYTES], found[8][64] = { "" };

	if (!segment_host_mount(&host, "/dev/shm", 4 << 20))
		return;
	snprintf(runtime, sizeof(runtime), "/dev/shm/runtime-%d", SOMEBODY);
	ck_assert_int_eq(mkdir(runtime, 0755), 0);
	serve("/dev/shm/zkcfg", "app", 0, "<a>system</a>");
	serve("/dev/shm/zkcfg", "common", 0, "<a>common</a>");
	serve("/dev/shm/zkcfg-4711", "app", SOMEBODY, "<a>own</a>");
	serve("/dev/shm/runtime-4711/zkcfg", "app", SOMEBODY, "<a>runtime</a>");
	/* root has no directory of its own */
	setenv("XDG_RUNTIME_DIR", runtime, 1);
	ck_assert_str_eq(text_of_default("app"), "system");
	unsetenv("XDG_RUNTIME_DIR");
	ck_assert_int_eq(setresuid(SOMEBODY, SOMEBODY, 0), 0);
	ck_assert_str_eq(text_of_default("app"), "own");
	ck_assert_str_eq(text_of_default("common"), "common");
	ck_assert_str_eq(zkcfg_directory(cfg), "/dev/shm/zkcfg");
	setenv("XDG_RUNTIME_DIR", runtime, 1);
	ck_assert_str_eq(text_of_default("app"), "runtime");
	ck_assert_str_eq(text_of_default("common"), "common");
	setenv("XDG_RUNTIME_DIR", "", 1);
	ck_assert_str_eq(text_of_default("app"), "own");
	ck_assert_str_eq(text_of_default("none"), zkcfg_strerror(ZKCFG_ENOSET));
	ck_assert_int_eq(zkcfg_list_sets(NULL, count_set, found), 0);
	ck_assert(told_once(found, "app"));
	ck_assert(told_once(found, "common"));
	ck_assert_str_eq(found[2], "");
	setenv("ZKCFG_SHM_DIR", "", 1); /* as if it were not set */
	ck_assert_str_eq(text_of_default("app"), "own");
}
END_TEST

START_TEST(set_in_a_directory_of_the_library_has_to_belong_to_the_right_user)
{
	if (!segment_host_mount(&host, "/dev/shm", 4 << 20))
		return;
	serve("/dev/shm/zkcfg", "app", SOMEBODY, "<a>false system</a>");
	serve("/dev/shm/zkcfg-4711", "own", 0, "<a>false own</a>");
	ck_assert_str_eq(text_of_default("app"), zkcfg_strerror(ZKCFG_EOWNER));
	/* but who is asked for it by path may read it */
	ck_assert_int_eq(zkcfg_open("app", "/dev/shm/zkcfg", &cfg), 0);
	ck_assert_str_eq(pinned_text(), "false system");
	ck_assert_int_eq(setresuid(SOMEBODY, SOMEBODY, 0), 0);
	ck_assert_str_eq(text_of_default("own"), zkcfg_strerror(ZKCFG_EOWNER));
}
END_TEST

static char control_path[HOST_PATH_BYTES];

static void damage_magic(void)
{
	segment_host_patch(control_path, 0, "X", 1);
}

static void damage_layout(void)
{
	segment_host_patch(control_path, offsetof(struct layout_control, layout), "\2", 1);
}

static void damage_size(void)
{
	ck_assert_int_eq(truncate(control_path, 4096), 0);
}

static void damage_set(void)
{
	segment_host_patch(control_path, offsetof(struct layout_control, set), "b", 1);
}

static void damage_mode(void)
{
	ck_assert_int_eq(chmod(control_path, 0666), 0);
}

static void damage_directory_mode(void)
{
	ck_assert_int_eq(chmod(host.set_dir, 0777), 0);
}

static void damage_link(void)
{
	ck_assert_int_eq(unlink(control_path), 0);
	ck_assert_int_eq(symlink("/dev/zero", control_path), 0);
}

static void damage_directory_link(void)
{
	char elsewhere[HOST_PATH_BYTES + 8];

	snprintf(elsewhere, sizeof(elsewhere), "%s.moved", host.set_dir);
	ck_assert_int_eq(rename(host.set_dir, elsewhere), 0);
	ck_assert_int_eq(symlink(elsewhere, host.set_dir), 0);
}

static void damage_remove(void)
{
	ck_assert_int_eq(unlink(control_path), 0);
}

static const struct {
	void (*damage)(void);
	int error;
} damages[] = {
	{ damage_magic, ZKCFG_EMAGIC },	 { damage_layout, ZKCFG_ELAYOUT },
	{ damage_size, ZKCFG_ESIZE },	 { damage_set, ZKCFG_ECORRUPT },
	{ damage_mode, ZKCFG_EMODE },	 { damage_directory_mode, ZKCFG_EMODE },
	{ damage_link, ZKCFG_EOWNER },	 { damage_directory_link, ZKCFG_ENOSET },
	{ damage_remove, ZKCFG_ENOSET },
};

START_TEST(set_that_is_not_to_be_trusted_is_not_opened)
{
	int err;

	segment_host_path(&host, "control", control_path);
	damages[_i].damage();
	err = zkcfg_open("app", host.shm_dir, &cfg);
	ck_assert_msg(err == damages[_i].error, "found %s, expected %s", zkcfg_strerror(err),
		      zkcfg_strerror(damages[_i].error));
	ck_assert_ptr_null(cfg);
}
END_TEST

START_TEST(set_of_another_user_or_without_permission_is_not_opened)
{
	if (geteuid() != 0) {
		printf("not root: other users are not tried\n");
		return;
	}
	segment_host_path(&host, "control", control_path);
	ck_assert_int_eq(chown(control_path, SOMEBODY, (gid_t)-1), 0);
	ck_assert_int_eq(zkcfg_open("app", host.shm_dir, &cfg), ZKCFG_EOWNER);
	ck_assert_int_eq(chown(control_path, 0, (gid_t)-1), 0);
	ck_assert_int_eq(chmod(host.shm_dir, 0755), 0);
	ck_assert_int_eq(chmod(control_path, 0600), 0);
	if (fork() == 0) {
		ck_assert_int_eq(setresuid(SOMEBODY, SOMEBODY, SOMEBODY), 0);
		_exit(zkcfg_open("app", host.shm_dir, &cfg) == ZKCFG_EACCES ? 0 : 1);
	} else {
		int status;

		wait(&status);
		ck_assert_int_eq(status, 0);
	}
	ck_assert_int_eq(chmod(control_path, 0644), 0);
	ck_assert_int_eq(chmod(host.set_dir, 0700), 0);
	ck_assert_int_eq(setegid(SOMEBODY), 0);
	ck_assert_int_eq(seteuid(SOMEBODY), 0);
	ck_assert_int_eq(zkcfg_open("app", host.shm_dir, &cfg), ZKCFG_EACCES);
	ck_assert_int_eq(seteuid(0), 0);
	ck_assert_ptr_null(cfg);
}
END_TEST

START_TEST(error_of_a_generation_shows_when_it_is_pinned)
{
	char path[HOST_PATH_BYTES];
	static const struct {
		uint64_t offset;
		const char *bytes;
		int error;
	} generations[] = { { 0, "X", ZKCFG_EMAGIC },
			    { offsetof(struct layout_arena, layout), "\2", ZKCFG_ELAYOUT },
			    { offsetof(struct layout_arena, segment_id), "XX", ZKCFG_ECORRUPT } };

	for (size_t i = 0; i < sizeof(generations) / sizeof(generations[0]); i++) {
		uint8_t *before;
		size_t size_bytes;

		segment_host_path(&host, "gen.1", path);
		before = segment_host_read(path, &size_bytes);
		segment_host_patch(path, generations[i].offset, generations[i].bytes,
				   strlen(generations[i].bytes));
		open_handle();
		ck_assert_int_eq(zkcfg_pin(cfg, &snapshot), generations[i].error);
		ck_assert_ptr_null(snapshot);
		segment_host_patch(path, 0, before, 64);
		ck_assert_str_eq(pinned_text(), "1"); /* the handle is as good as new */
		zkcfg_unpin(snapshot);
		snapshot = NULL;
		zkcfg_close(cfg);
		free(before);
	}
	ck_assert_int_eq(chmod(path, 0666), 0);
	open_handle();
	ck_assert_int_eq(zkcfg_pin(cfg, &snapshot), ZKCFG_EMODE);
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(zkcfg_pin(cfg, &snapshot), ZKCFG_ENOSET);
}
END_TEST

START_TEST(sets_of_a_directory_are_listed)
{
	char found[8][64] = { "" }, path[HOST_PATH_BYTES];

	serve(host.shm_dir, "second", geteuid(), "<a/>");
	snprintf(path, sizeof(path), "%s/v1/.hidden", host.shm_dir);
	ck_assert_int_eq(mkdir(path, 0755), 0);
	ck_assert_int_eq(zkcfg_list_sets(host.shm_dir, count_set, found), 0);
	ck_assert(told_once(found, "app"));
	ck_assert(told_once(found, "second"));
	ck_assert_str_eq(found[2], "");
	setenv("ZKCFG_SHM_DIR", host.shm_dir, 1);
	memset(found, 'x', sizeof(found)); /* no room: it is told to end */
	ck_assert_int_eq(zkcfg_list_sets(NULL, count_set, found), -1);
	memset(found, 0, sizeof(found));
	ck_assert_int_eq(zkcfg_list_sets("/nonexistent", count_set, found), 0);
	ck_assert_str_eq(found[0], "");
}
END_TEST

START_TEST(segment_that_was_removed_and_made_anew_is_followed)
{
	struct message message = { "" };
	const char *held;
	struct zkcfg_snapshot *old;

	open_handle();
	ck_assert_str_eq(pinned_text(), "1");
	old = snapshot;
	snapshot = NULL;
	for (int round = 0; round < 5; round++) {
		uint64_t before = zkcfg_seq(cfg);
		const uint64_t *counter = *(const uint64_t *const *)(const void *)cfg;

		segment_host_remove(host.shm_dir);
		ck_assert_str_eq(pinned_text(), "1"); /* until the publisher notices */
		ck_assert_int_eq(publisher_heartbeat(host.publisher, &message), 0);
		ck_assert(zkcfg_changed(cfg, before));
		ck_assert_str_eq(pinned_text(), "1");
		ck_assert_uint_gt(zkcfg_snapshot_seq(snapshot), before);
		ck_assert_uint_eq(zkcfg_seq(cfg), zkcfg_snapshot_seq(snapshot));
		ck_assert_ptr_eq(*(const uint64_t *const *)(const void *)cfg, counter);
	}
	segment_host_publish(&host, "app.xml", "<a>2</a>");
	ck_assert_str_eq(pinned_text(), "2");
	ck_assert_int_eq(zkcfg_get_string(old, "app.xml", "/a", &held), 0);
	ck_assert_str_eq(held, "1");
	zkcfg_unpin(old);
}
END_TEST

START_TEST(segment_made_anew_by_another_publisher_is_followed_within_two_seconds)
{
	int64_t began_ms;

	open_handle();
	for (int i = 2; i < 20; i++)
		segment_host_publish(&host, "app.xml", "<a>1</a>");
	ck_assert_str_eq(pinned_text(), "1");
	segment_host_close(&host); /* it says nothing to anybody, as if it had been killed */
	segment_host_remove(host.shm_dir);
	ck_assert_str_eq(pinned_text(), "1");
	segment_host_open(&host);
	began_ms = segment_host_now_ms();
	ck_assert_str_eq(pinned_text(), "1"); /* nothing is published there yet */
	segment_host_publish(&host, "app.xml", "<a>anew</a>");
	pin_until("anew");
	ck_assert_uint_eq(zkcfg_seq(cfg), zkcfg_snapshot_seq(snapshot));
	/* 1.5 s of silence, and a look; the rest is for a slow machine */
	ck_assert_int_lt(segment_host_now_ms() - began_ms, 2000 + 6000);
}
END_TEST

START_TEST(wait_follows_a_segment_made_anew_by_another_publisher)
{
	uint64_t newest = 0;

	open_handle();
	segment_host_publish(&host, "app.xml", "<a>2</a>");
	segment_host_close(&host);
	segment_host_remove(host.shm_dir);
	segment_host_open(&host);
	segment_host_publish(&host, "app.xml", "<a>anew</a>");
	ck_assert_int_eq(zkcfg_wait(cfg, 2, DEADLINE_MS, &newest), 0);
	ck_assert_uint_eq(newest, 1);
	ck_assert_str_eq(pinned_text(), "anew");
}
END_TEST

/* Damage what the newest root says, so that a new publisher sets the segment aside. */
static void damage_root(void)
{
	char path[HOST_PATH_BYTES];
	struct layout_root root;
	size_t size_bytes, at;
	uint8_t *bytes;

	segment_host_path(&host, "gen.1", path);
	bytes = segment_host_read(path, &size_bytes);
	for (at = size_bytes - size_bytes % 16; at > 0; at -= 16) {
		if (at + sizeof(root) > size_bytes)
			continue;
		memcpy(&root, bytes + at, sizeof(root));
		if (root.magic == LAYOUT_ROOT_MAGIC)
			break;
	}
	ck_assert_uint_gt(at, 0);
	segment_host_patch(path, at + 8, "damaged", 7);
	free(bytes);
}

START_TEST(reader_of_a_segment_that_was_set_aside_keeps_what_it_has_until_there_is_more)
{
	struct zkcfg_snapshot *fresh = NULL;
	struct zkcfg_status *status;
	char id[33];
	struct zkcfg *late;
	uint64_t newest = 77;

	open_handle();
	ck_assert_str_eq(pinned_text(), "1");
	ck_assert_int_eq(zkcfg_status_read(cfg, &status), 0);
	snprintf(id, sizeof(id), "%s", zkcfg_status_segment_id(status));
	zkcfg_status_free(status);
	ck_assert_int_eq(zkcfg_open("app", host.shm_dir, &late), 0);
	segment_host_close(&host);
	damage_root();
	segment_host_open(&host);
	ck_assert(zkcfg_changed(cfg, 1)); /* it is told that there is something to look after */
	ck_assert_str_eq(pinned_text(), "1");
	ck_assert_uint_eq(zkcfg_snapshot_seq(snapshot), 1);
	ck_assert_int_eq(zkcfg_pin(late, &fresh), ZKCFG_EEMPTY);
	/* nothing newer can be pinned, so there is nothing newer */
	ck_assert_int_eq(zkcfg_wait(cfg, 1, 50, &newest), ZKCFG_ETIMEDOUT);
	ck_assert_int_eq(zkcfg_wait(late, 0, 50, &newest), ZKCFG_ETIMEDOUT);
	ck_assert_uint_eq(newest, 77);

	segment_host_publish(&host, "app.xml", "<a>2</a>");
	ck_assert_int_eq(zkcfg_wait(cfg, 1, DEADLINE_MS, &newest), 0);
	ck_assert_str_eq(pinned_text(), "2");
	ck_assert_uint_eq(zkcfg_snapshot_seq(snapshot), newest);
	ck_assert_uint_gt(newest, 2); /* beyond all that any reader has seen */
	ck_assert_int_eq(zkcfg_status_read(cfg, &status), 0);
	ck_assert_str_ne(zkcfg_status_segment_id(status), id);
	zkcfg_status_free(status);
	ck_assert_int_eq(zkcfg_pin(late, &fresh), 0);
	zkcfg_unpin(fresh);
	zkcfg_close(late);
}
END_TEST

START_TEST(child_goes_on_with_what_it_inherited)
{
	int status;
	pid_t pid;

	open_handle();
	ck_assert_str_eq(pinned_text(), "1");
	pid = fork();
	if (pid == 0) {
		const char *text;
		uint64_t newest;

		if (zkcfg_get_string(snapshot, "app.xml", "/a", &text) != 0 || strcmp(text, "1") != 0)
			_exit(1);
		if (zkcfg_wait(cfg, 1, DEADLINE_MS, &newest) != 0 || newest != 2)
			_exit(2);
		if (strcmp(pinned_text(), "2") != 0)
			_exit(3);
		zkcfg_unpin(snapshot);
		zkcfg_close(cfg);
		_exit(0);
	}
	segment_host_publish(&host, "app.xml", "<a>2</a>");
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	ck_assert_str_eq(pinned_text(), "2");
}
END_TEST

START_TEST(every_error_has_words_of_its_own)
{
	for (int error = 0; error >= ZKCFG_ESTALE; error--) {
		ck_assert_str_ne(zkcfg_strerror(error), "unknown error");
		for (int other = 0; other > error; other--)
			ck_assert_str_ne(zkcfg_strerror(error), zkcfg_strerror(other));
	}
	ck_assert_str_eq(zkcfg_strerror(1), "unknown error");
	ck_assert_str_eq(zkcfg_strerror(ZKCFG_ESTALE - 1), "unknown error");
	ck_assert_str_eq(zkcfg_strerror(INT_MIN), "unknown error");
	ck_assert_str_eq(zkcfg_strerror(INT_MAX), "unknown error");
	ck_assert_uint_gt(strlen(zkcfg_version()), 4);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("handle");
	TCase *tcase = tcase_create("handle");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, start, stop);
	tcase_add_test(tcase, handle_reads_the_directory_it_was_given);
	tcase_add_test(tcase, wrong_argument_is_refused);
	tcase_add_test(tcase, set_that_nobody_serves_is_told_so);
	tcase_add_test(tcase, environment_names_the_directory_unless_the_caller_does);
	tcase_add_test(tcase, own_directory_comes_before_the_one_of_the_system);
	tcase_add_test(tcase, set_in_a_directory_of_the_library_has_to_belong_to_the_right_user);
	tcase_add_loop_test(tcase, set_that_is_not_to_be_trusted_is_not_opened, 0,
			    sizeof(damages) / sizeof(*damages));
	tcase_add_test(tcase, set_of_another_user_or_without_permission_is_not_opened);
	tcase_add_test(tcase, error_of_a_generation_shows_when_it_is_pinned);
	tcase_add_test(tcase, sets_of_a_directory_are_listed);
	tcase_add_test(tcase, segment_that_was_removed_and_made_anew_is_followed);
	tcase_add_test(tcase, segment_made_anew_by_another_publisher_is_followed_within_two_seconds);
	tcase_add_test(tcase, wait_follows_a_segment_made_anew_by_another_publisher);
	tcase_add_test(tcase, reader_of_a_segment_that_was_set_aside_keeps_what_it_has_until_there_is_more);
	tcase_add_test(tcase, child_goes_on_with_what_it_inherited);
	tcase_add_test(tcase, every_error_has_words_of_its_own);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
