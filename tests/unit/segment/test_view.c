/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "segment/control.h"
#include "segment/layout.h"
#include "segment/trust.h"
#include "segment/view.h"
#include "support/segment_host.h"

static struct segment_host host;
static struct control control;
static char path[HOST_PATH_BYTES];
static uint8_t id[16];
static uint32_t generation;
static uint64_t root_offset;
static int dir_fd;

/* A set of three documents and two commits. */
static void start(void)
{
	segment_host_start(&host);
	segment_host_open(&host);
	segment_host_publish_many(&host, 3, "one");
	segment_host_publish(&host, "n.1", "<d>two</d>");
	publisher_segment_id(host.publisher, id);
	dir_fd = open(host.set_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_eq(control_open(dir_fd, "app", false, NULL, &control), 0);
	control_root(&control, 2, &generation, &root_offset);
	segment_host_path(&host, "gen.1", path);
}

static void stop(void)
{
	control_close(&control);
	close(dir_fd);
	segment_host_stop(&host);
}

START_TEST(newest_root_and_the_one_before_are_there)
{
	const struct layout_root *root, *before;
	const struct zkcfg_document *document;
	struct index_view index;
	struct view *view;
	const char *value;

	ck_assert_int_eq(view_open(dir_fd, generation, id, &view), 0);
	ck_assert_int_eq(view_root(view->base, view->size_bytes, root_offset, &root), 0);
	ck_assert_uint_eq(root->seq, 2);
	ck_assert_uint_eq(root->document_count, 3);
	ck_assert_int_eq(view_root(view->base, view->size_bytes, root->previous, &before), 0);
	ck_assert_uint_eq(before->seq, 1);
	index = view_index(view->base, before);
	ck_assert_int_eq(index_verify(&index), 0);
	index = view_index(view->base, root);
	ck_assert_int_eq(index_verify(&index), 0);
	ck_assert_uint_eq(index.end, root_offset);
	ck_assert_ptr_nonnull(publisher_find(host.publisher, "n.1"));
	ck_assert_int_eq(
		index_find(&index, document_hash(publisher_find(host.publisher, "n.1")), "n.1", 3, &document),
		0);
	ck_assert_int_eq(zkcfg_document_string(document, "/d", &value), 0);
	ck_assert_str_eq(value, "two");
	view_get(view);
	view_put(view);
	ck_assert_uint_eq(root->seq, 2); /* still mapped */
	view_put(view);
	view_put(NULL);
}
END_TEST

START_TEST(every_flipped_byte_of_a_root_is_caught)
{
	struct layout_root *root;
	size_t size_bytes;
	uint8_t *bytes = segment_host_read(path, &size_bytes);
	const struct layout_root *found;

	ck_assert_int_eq(view_root(bytes, size_bytes, root_offset, &found), 0);
	for (size_t i = 0; i < sizeof(*root); i++) {
		for (unsigned bit = 0; bit < 8; bit++) {
			bytes[root_offset + i] ^= (uint8_t)(1u << bit);
			ck_assert_msg(view_root(bytes, size_bytes, root_offset, &found) == ZKCFG_ECORRUPT,
				      "byte %zu, bit %u", i, bit);
			bytes[root_offset + i] ^= (uint8_t)(1u << bit);
		}
	}
	/* right checksum, wrong contents */
	root = (void *)(bytes + root_offset);
	for (int wrong = 0; wrong < 4; wrong++) {
		struct layout_root before = *root;

		if (wrong == 0)
			root->end += LAYOUT_ALIGN;
		else if (wrong == 1)
			root->document_count = root_offset;
		else if (wrong == 2)
			root->document_count = 0;
		else
			root->index = 0;
		root->checksum = view_root_checksum(root);
		ck_assert_msg(view_root(bytes, size_bytes, root_offset, &found) == ZKCFG_ECORRUPT, "wrong %d",
			      wrong);
		*root = before;
	}
	free(bytes);
}
END_TEST

START_TEST(root_is_never_read_outside_the_mapping)
{
	static const uint64_t offsets[] = {
		0, 16, 63, UINT64_MAX, UINT64_MAX - 95, UINT64_C(1) << 36, UINT64_C(1) << 63
	};
	size_t bytes = 200;
	uint8_t *memory = calloc(1, bytes);
	const struct layout_root *root;

	for (size_t i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++)
		ck_assert_int_eq(view_root(memory, bytes, offsets[i], &root), ZKCFG_ECORRUPT);
	for (uint64_t offset = 0; offset <= bytes + 200; offset++)
		ck_assert_int_eq(view_root(memory, bytes, offset, &root), ZKCFG_ECORRUPT);
	free(memory);
}
END_TEST

static const struct {
	uint64_t offset;
	const char *bytes;
	mode_t mode;
	off_t size;
	int error;
} damages[] = {
	{ 0, "X", 0644, -1, ZKCFG_EMAGIC },
	{ offsetof(struct layout_arena, layout), "\2", 0644, -1, ZKCFG_ELAYOUT },
	{ offsetof(struct layout_arena, generation), "\7", 0644, -1, ZKCFG_ECORRUPT },
	{ offsetof(struct layout_arena, segment_id), "XX", 0644, -1, ZKCFG_ECORRUPT },
	{ 0, "", 0664, -1, ZKCFG_EMODE },
	{ 0, "", 0646, -1, ZKCFG_EMODE },
	{ 0, "", 0644, 0, ZKCFG_ESIZE },
	{ 0, "", 0644, 63, ZKCFG_ESIZE },
	{ 0, "", 0644, (off_t)LAYOUT_ARENA_LIMIT_BYTES + 1, ZKCFG_ESIZE },
};

START_TEST(generation_that_is_not_to_be_trusted_is_refused)
{
	struct view *view = NULL;
	int err;

	segment_host_patch(path, damages[_i].offset, damages[_i].bytes, strlen(damages[_i].bytes));
	ck_assert_int_eq(chmod(path, damages[_i].mode), 0);
	if (damages[_i].size >= 0)
		ck_assert_int_eq(truncate(path, damages[_i].size), 0);
	err = view_open(dir_fd, generation, id, &view);
	ck_assert_msg(err == damages[_i].error, "found %s", zkcfg_strerror(err));
	ck_assert_ptr_null(view);
}
END_TEST

START_TEST(generation_that_is_missing_or_a_link_or_anothers_is_refused)
{
	struct view *view = NULL;

	ck_assert_int_eq(view_open(dir_fd, generation + 1, id, &view), ZKCFG_ENOSET);
	ck_assert_int_eq(symlinkat("gen.1", dir_fd, "gen.2"), 0);
	ck_assert_int_eq(view_open(dir_fd, generation + 1, id, &view), ZKCFG_EOWNER);
	if (geteuid() != 0) {
		printf("not root: another owner is not tried\n");
		return;
	}
	ck_assert_int_eq(chown(path, 4711, (gid_t)-1), 0);
	ck_assert_int_eq(view_open(dir_fd, generation, id, &view), ZKCFG_EOWNER);
	ck_assert_ptr_null(view);
}
END_TEST

START_TEST(directory_is_trusted_only_with_the_right_owner_and_mode)
{
	ck_assert_int_eq(trust_directory(dir_fd, (uid_t)-1), 0);
	ck_assert_int_eq(trust_directory(dir_fd, geteuid()), 0);
	ck_assert_int_eq(trust_directory(dir_fd, geteuid() + 1), ZKCFG_EOWNER);
	ck_assert_int_eq(fchmod(dir_fd, 0775), 0);
	ck_assert_int_eq(trust_directory(dir_fd, geteuid()), ZKCFG_EMODE);
	ck_assert_int_eq(fchmod(dir_fd, 0757), 0);
	ck_assert_int_eq(trust_directory(dir_fd, geteuid()), ZKCFG_EMODE);
	ck_assert_int_eq(trust_directory(-1, geteuid()), ZKCFG_ESYSTEM);
	ck_assert_int_eq(trust_file(dir_fd, -1, NULL), ZKCFG_ESYSTEM);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("view");
	TCase *tcase = tcase_create("view");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, start, stop);
	tcase_add_test(tcase, newest_root_and_the_one_before_are_there);
	tcase_add_test(tcase, every_flipped_byte_of_a_root_is_caught);
	tcase_add_test(tcase, root_is_never_read_outside_the_mapping);
	tcase_add_loop_test(tcase, generation_that_is_not_to_be_trusted_is_refused, 0,
			    sizeof(damages) / sizeof(*damages));
	tcase_add_test(tcase, generation_that_is_missing_or_a_link_or_anothers_is_refused);
	tcase_add_test(tcase, directory_is_trusted_only_with_the_right_owner_and_mode);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
