/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <zkcfg/zkcfg.h>

#include "segment/arena.h"
#include "segment/layout.h"
#include "support/segment_host.h"

static const uint8_t id[16] = { 'i', 'd' };
static struct segment_host host;
static char path[HOST_PATH_BYTES];
static int dir_fd;
static struct arena arena;

static void start(void)
{
	segment_host_start(&host);
	dir_fd = open(host.shm_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_ge(dir_fd, 0);
	arena = (struct arena){ .fd = -1 };
	snprintf(path, sizeof(path), "%s/gen.3", host.shm_dir);
}

static void stop(void)
{
	arena_close(&arena);
	close(dir_fd);
	segment_host_stop(&host);
}

static void create(uint64_t first_bytes)
{
	ck_assert_int_eq(arena_create(dir_fd, 3, id, first_bytes, 0644, (gid_t)-1, &arena), 0);
}

static uint64_t append(uint64_t bytes)
{
	uint64_t offset = 0;

	ck_assert_int_eq(arena_append(&arena, bytes, &offset), 0);
	return offset;
}

START_TEST(name_tells_the_generation)
{
	char name[ARENA_NAME_BYTES];

	arena_name(7, name);
	ck_assert_str_eq(name, "gen.7");
	arena_name(UINT32_MAX, name);
	ck_assert_str_eq(name, "gen.4294967295");
}
END_TEST

START_TEST(file_has_its_mode_and_all_its_memory_at_once)
{
	struct stat st;

	create(100000);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(st.st_mode & 07777, 0644);
	ck_assert_uint_eq((uint64_t)st.st_size, arena.mapped_bytes);
	ck_assert_uint_ge(arena.mapped_bytes, 100000);
	ck_assert_uint_ge((uint64_t)st.st_blocks * 512, (uint64_t)st.st_size);
	ck_assert_uint_eq(arena.generation, 3);
	ck_assert_int_eq(arena_set_mode(&arena, 0640, getegid()), 0);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(st.st_mode & 07777, 0640);
}
END_TEST

START_TEST(what_was_appended_stays_while_the_file_grows)
{
	enum { PIECES = 3000 };
	uint64_t state = segment_seed(), before = sizeof(struct layout_arena), first = state;
	static uint64_t offsets[PIECES];
	struct stat st;

	create(0);
	for (int i = 0; i < PIECES; i++) {
		uint64_t bytes = 1 + segment_random(&state) % 3000;

		offsets[i] = append(bytes);
		ck_assert_uint_eq(offsets[i] % LAYOUT_ALIGN, 0);
		ck_assert_uint_ge(offsets[i], before);
		before = offsets[i] + bytes;
		memset(arena_at(&arena, offsets[i]), i & 0xff, bytes);
	}
	state = first;
	for (int i = 0; i < PIECES; i++) {
		uint64_t bytes = 1 + segment_random(&state) % 3000;
		const uint8_t *at = arena_at(&arena, offsets[i]);

		while (bytes > 0 && at[bytes - 1] == (i & 0xff))
			bytes--;
		ck_assert_uint_eq(bytes, 0);
	}
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq((uint64_t)st.st_size, arena.mapped_bytes);
	ck_assert_uint_ge((uint64_t)st.st_blocks * 512, (uint64_t)st.st_size);
	/* an eighth ahead at the most */
	ck_assert_uint_le(arena.mapped_bytes, arena.used_bytes + arena.used_bytes / 8 + 70000);
}
END_TEST

START_TEST(undo_forgets_what_was_not_kept)
{
	uint64_t kept, undone;

	create(0);
	append(100);
	arena_keep(&arena);
	kept = arena.used_bytes;
	undone = append(1000000);
	ck_assert_uint_eq(undone, kept);
	append(5);
	arena_undo(&arena);
	ck_assert_uint_eq(arena.used_bytes, kept);
	ck_assert_uint_eq(append(8), undone);
	arena_undo(&arena);
	arena_undo(&arena);
	ck_assert_uint_eq(arena.used_bytes, kept);
}
END_TEST

START_TEST(too_much_at_once_is_refused_and_costs_nothing)
{
	uint64_t offset = 77, used;

	create(0);
	used = arena.used_bytes;
	ck_assert_int_eq(arena_append(&arena, LAYOUT_ARENA_LIMIT_BYTES + 1, &offset), ZKCFG_ENOSPC);
	ck_assert_int_eq(errno, EFBIG);
	ck_assert_int_eq(arena_append(&arena, LAYOUT_ARENA_LIMIT_BYTES, &offset), ZKCFG_ENOSPC);
	ck_assert_int_eq(arena_append(&arena, UINT64_MAX, &offset), ZKCFG_ENOSPC);
	ck_assert_uint_eq(offset, 77);
	ck_assert_uint_eq(arena.used_bytes, used);
	append(10);
}
END_TEST

START_TEST(file_that_a_dead_writer_left_is_replaced)
{
	FILE *left = fopen(path, "w");

	fputs("left", left);
	fclose(left);
	create(0);
	ck_assert_uint_eq(((const struct layout_arena *)arena_at(&arena, 0))->magic, LAYOUT_ARENA_MAGIC);
}
END_TEST

START_TEST(arena_opened_again_has_what_was_written)
{
	uint64_t offset;

	create(0);
	offset = append(300000);
	memset(arena_at(&arena, offset), 'x', 300000);
	arena_close(&arena);
	arena_close(&arena); /* once more does no harm */
	ck_assert_int_eq(arena_open(dir_fd, 3, id, &arena), 0);
	ck_assert_uint_eq(arena.used_bytes, arena.mapped_bytes);
	ck_assert_int_eq(((const char *)arena_at(&arena, offset))[299999], 'x');
	arena.used_bytes = offset + 16;
	arena_keep(&arena);
	ck_assert_uint_eq(append(16), offset + 16);
	append(3000000);
	ck_assert_int_eq(((const char *)arena_at(&arena, offset))[15], 'x');
}
END_TEST

static void damage_nothing(void)
{
}

static void damage_magic(void)
{
	segment_host_patch(path, 3, "X", 1);
}

static void damage_layout(void)
{
	segment_host_patch(path, offsetof(struct layout_arena, layout), "\2", 1);
}

static void damage_generation(void)
{
	segment_host_patch(path, offsetof(struct layout_arena, generation), "\4", 1);
}

static void damage_id(void)
{
	segment_host_patch(path, offsetof(struct layout_arena, segment_id) + 15, "X", 1);
}

static void damage_truncate(void)
{
	ck_assert_int_eq(truncate(path, 63), 0);
}

static void damage_empty(void)
{
	ck_assert_int_eq(truncate(path, 0), 0);
}

static void damage_too_large(void)
{
	ck_assert_int_eq(truncate(path, (off_t)LAYOUT_ARENA_LIMIT_BYTES + 1), 0);
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
	char elsewhere[HOST_PATH_BYTES];

	snprintf(elsewhere, sizeof(elsewhere), "%s/elsewhere", host.shm_dir);
	ck_assert_int_eq(rename(path, elsewhere), 0);
	ck_assert_int_eq(symlink("elsewhere", path), 0);
}

static void damage_directory(void)
{
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(mkdir(path, 0700), 0);
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
	{ damage_generation, ZKCFG_ECORRUPT },
	{ damage_id, ZKCFG_ECORRUPT },
	{ damage_truncate, ZKCFG_ESIZE },
	{ damage_empty, ZKCFG_ESIZE },
	{ damage_too_large, ZKCFG_ESIZE },
	{ damage_group_mode, ZKCFG_EMODE },
	{ damage_other_mode, ZKCFG_EMODE },
	{ damage_link, ZKCFG_EOWNER },
	{ damage_directory, ZKCFG_ESYSTEM },
	{ damage_remove, ZKCFG_ENOSET },
};

START_TEST(arena_that_is_not_to_be_trusted_is_refused)
{
	struct arena opened = { .generation = 4711 };
	int err;

	create(0);
	arena_close(&arena);
	damages[_i].damage();
	err = arena_open(dir_fd, 3, id, &opened);
	ck_assert_msg(err == damages[_i].error, "found %s, expected %s", zkcfg_strerror(err),
		      zkcfg_strerror(damages[_i].error));
	if (err < 0)
		ck_assert_uint_eq(opened.generation, 4711);
	else
		arena_close(&opened);
}
END_TEST

START_TEST(arena_of_another_owner_than_its_directory_is_refused)
{
	struct arena opened;

	create(0);
	arena_close(&arena);
	if (geteuid() != 0) {
		printf("not root: another owner is not tried\n");
		return;
	}
	ck_assert_int_eq(chown(path, 4711, 4711), 0);
	ck_assert_int_eq(arena_open(dir_fd, 3, id, &opened), ZKCFG_EOWNER);
}
END_TEST

/* Without root: a file system that is full for us alone. */
START_TEST(growth_that_the_system_refuses_is_an_error_and_no_signal)
{
	struct rlimit limit;
	uint64_t offset = 77, used, mapped;

	create(0);
	append(1000);
	arena_keep(&arena);
	used = arena.used_bytes;
	mapped = arena.mapped_bytes;
	signal(SIGXFSZ, SIG_IGN);
	ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = mapped;
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	ck_assert_int_eq(arena_append(&arena, mapped, &offset), ZKCFG_ENOSPC);
	ck_assert_uint_eq(offset, 77);
	ck_assert_uint_eq(arena.used_bytes, used);
	ck_assert_uint_eq(arena.mapped_bytes, mapped);
	memset(arena_at(&arena, append(16)), 'y', 16);
	limit.rlim_cur = limit.rlim_max;
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	memset(arena_at(&arena, append(mapped)), 'z', mapped);
}
END_TEST

START_TEST(full_tmpfs_is_an_error_at_creation_and_at_growth)
{
	char ballast[HOST_PATH_BYTES];
	uint64_t offset, pieces = 0;
	struct arena second;
	int err, fd;

	if (!segment_host_mount(&host, host.shm_dir, 512 * 1024))
		return;
	close(dir_fd);
	dir_fd = open(host.shm_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_eq(arena_create(dir_fd, 3, id, 1024 * 1024, 0600, (gid_t)-1, &arena), ZKCFG_ENOSPC);
	ck_assert_int_eq(access(path, F_OK), -1);
	snprintf(ballast, sizeof(ballast), "%s/ballast", host.shm_dir);
	fd = open(ballast, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	ck_assert_int_eq(posix_fallocate(fd, 0, 65536), 0);
	close(fd);
	create(0);
	while ((err = arena_append(&arena, 10000, &offset)) == 0) {
		memset(arena_at(&arena, offset), 'x', 10000); /* a SIGBUS here, were it not allocated */
		arena_keep(&arena);
		pieces++;
	}
	ck_assert_int_eq(err, ZKCFG_ENOSPC);
	ck_assert_uint_ge(pieces,
			  44); /* nearly all there was, however large the last steps would have been */
	ck_assert_int_eq(((const char *)arena_at(&arena, 64))[0], 'x');

	ck_assert_int_eq(arena_create(dir_fd, 4, id, 0, 0600, (gid_t)-1, &second), ZKCFG_ENOSPC);
	ck_assert_int_eq(unlink(ballast), 0);
	ck_assert_int_eq(arena_create(dir_fd, 4, id, 0, 0600, (gid_t)-1, &second), 0);
	arena_close(&second);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("arena");
	TCase *tcase = tcase_create("arena");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, start, stop);
	tcase_add_test(tcase, name_tells_the_generation);
	tcase_add_test(tcase, file_has_its_mode_and_all_its_memory_at_once);
	tcase_add_test(tcase, what_was_appended_stays_while_the_file_grows);
	tcase_add_test(tcase, undo_forgets_what_was_not_kept);
	tcase_add_test(tcase, too_much_at_once_is_refused_and_costs_nothing);
	tcase_add_test(tcase, file_that_a_dead_writer_left_is_replaced);
	tcase_add_test(tcase, arena_opened_again_has_what_was_written);
	tcase_add_loop_test(tcase, arena_that_is_not_to_be_trusted_is_refused, 0,
			    sizeof(damages) / sizeof(*damages));
	tcase_add_test(tcase, arena_of_another_owner_than_its_directory_is_refused);
	tcase_add_test(tcase, growth_that_the_system_refuses_is_an_error_and_no_signal);
	tcase_add_test(tcase, full_tmpfs_is_an_error_at_creation_and_at_growth);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
