/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Every allocation and every system call of the segment fails once, by turns. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "segment/arena.h"
#include "segment/control.h"
#include "segment/document.h"
#include "segment/hash.h"
#include "segment/index.h"
#include "segment/layout.h"
#include "segment/notify.h"
#include "segment/trust.h"
#include "segment/view.h"
#include "support/fault.h"
#include "support/segment_host.h"

#define TURNS 1000
static const uint8_t id[16] = { 7 };

static struct segment_host host;
static int dir_fd = -1;

static void start(void)
{
	segment_host_start(&host);
	dir_fd = open(host.shm_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_ge(dir_fd, 0);
}

static void stop(void)
{
	close(dir_fd);
	segment_host_stop(&host);
}

static bool is_there(const char *name)
{
	return faccessat(dir_fd, name, F_OK, 0) == 0;
}

/*
 * Attributes before and behind @name, more names than a frame counts, text and
 * paths that grow; what grows when depends on the size.
 */
static int build(unsigned size)
{
	static char text[70000];
	struct document_origin origin = { .name = "app.xml", .created = 1, .revision = 1, .version = 1 };
	struct document_builder *builder = document_builder_new(&origin, text, 100 * size);
	struct zkcfg_document *document;
	char name[1400];
	size_t name_bytes = 300 + 7 * size;
	size_t size_bytes;
	int err;

	if (!builder)
		return ZKCFG_ENOMEM;
	memset(text, 'x', sizeof(text));
	document_builder_open(builder, "root", 4);
	document_builder_text(builder, text, sizeof(text));
	for (char c = 'a'; c <= 'j'; c++) {
		document_builder_open(builder, &c, 1);
		document_builder_attribute(builder, "k", 1, "v", 1);
		document_builder_attribute(builder, "name", 4, &c, 1);
		memset(name, c, name_bytes);
		document_builder_open(builder, name, name_bytes);
		document_builder_attribute(builder, "name", 4, "in", 2);
		document_builder_attribute(builder, name, name_bytes, text, 10);
		document_builder_open(builder, name, name_bytes);
		document_builder_close(builder);
		document_builder_open(builder, name, name_bytes);
		document_builder_close(builder);
		document_builder_close(builder);
		document_builder_close(builder);
	}
	document_builder_close(builder);
	err = document_builder_finish(builder, &document, &size_bytes);
	if (err < 0)
		return err;
	err = document_verify(document, size_bytes);
	free(document);
	return err;
}

START_TEST(builder_without_memory_says_so)
{
	unsigned nth = 1;
	int err = 0;

	for (; nth < TURNS; nth++) {
		fault_arm(FAULT_MEMORY, nth, ENOMEM);
		err = build((unsigned)_i);
		if (!fault_disarm())
			break;
		ck_assert_msg(err == ZKCFG_ENOMEM, "allocation %u: %d", nth, err);
	}
	ck_assert_uint_gt(nth, 15);
	ck_assert_uint_lt(nth, TURNS);
	ck_assert_int_eq(err, 0);
}
END_TEST

/* Make a control, open it for reading, and open it again in place. */
static int use_control(void)
{
	struct control made, opened, again;
	int err;

	err = control_create(dir_fd, "app", id, 0640, (gid_t)-1, &made);
	if (err < 0)
		return err;
	control_set_daemon(&made);
	err = control_open(dir_fd, "app", false, NULL, &opened);
	if (err == 0) {
		err = control_open(dir_fd, "app", false, opened.page, &again);
		if (control_seq(&opened) != 0) /* mapped, whatever came of it */
			abort();
		control_close(&opened);
	}
	if (err == 0)
		err = control_set_mode(dir_fd, 0600, (gid_t)-1);
	control_close(&made);
	return err;
}

START_TEST(control_that_cannot_be_had_is_an_error_and_nothing_is_left_behind)
{
	static const int errors[] = { EIO, ENOMEM, ENOSPC, EACCES, EDQUOT, EFBIG };
	unsigned nth = 1, failed = 0;
	int err;

	for (; nth < TURNS; nth++) {
		unlinkat(dir_fd, "control", 0);
		fault_arm(FAULT_SYSTEM, nth, errors[_i]);
		err = use_control();
		if (!fault_disarm())
			break;
		failed += err < 0;
		ck_assert_msg(err == 0 || err == trust_error(errors[_i]) || err == ZKCFG_ESYSTEM, "call %u: %d", nth,
			      err);
		ck_assert(!is_there("control.new"));
	}
	ck_assert_uint_gt(failed, 10);
	ck_assert_uint_lt(nth, TURNS);
	ck_assert_int_eq(err, 0);
}
END_TEST

/* tmpfs gives up for any signal, whatever its handler wants. */
START_TEST(control_is_made_though_a_signal_comes)
{
	bool failed;
	int err;

	fault_arm(FAULT_SYSTEM, 2, EINTR); /* behind open: its memory */
	err = use_control();
	failed = fault_disarm();
	ck_assert(failed);
	ck_assert_int_eq(err, 0);
}
END_TEST

START_TEST(control_whose_boot_id_cannot_be_read_has_no_stamps_of_this_boot)
{
	struct control_stamps stamps;
	struct control control;

	ck_assert_int_eq(control_create(dir_fd, "app", id, 0640, (gid_t)-1, &control), 0);
	control_set_daemon(&control);
	control_set_heartbeat(&control, 4711);
	fault_arm(FAULT_SYSTEM, 1, EACCES);
	control_stamps(&control, &stamps);
	ck_assert(fault_disarm());
	ck_assert_int_eq(stamps.heartbeat_ns, 0);
	control_stamps(&control, &stamps);
	ck_assert_int_eq(stamps.heartbeat_ns, 4711);
	control_close(&control);
}
END_TEST

/* Make an arena, let it grow, leave it, open it and map it. */
static int use_arena(void)
{
	struct arena made, opened;
	uint64_t offset;
	struct view *view;
	int err;

	err = arena_create(dir_fd, 3, id, 0, 0600, (gid_t)-1, &made);
	if (err < 0)
		return err;
	for (int i = 0; i < 5 && err == 0; i++) {
		err = arena_append(&made, 60000, &offset);
		if (err == 0)
			memset(arena_at(&made, offset), 'x', 60000);
	}
	if (err == 0)
		err = arena_set_mode(&made, 0640, (gid_t)-1);
	arena_close(&made);
	if (err < 0)
		return err;
	err = arena_open(dir_fd, 3, id, &opened);
	if (err < 0)
		return err;
	arena_close(&opened);
	err = view_open(dir_fd, 3, id, &view);
	if (err == 0)
		view_put(view);
	return err;
}

START_TEST(arena_that_cannot_be_had_is_an_error)
{
	static const int errors[] = { EIO, ENOMEM, ENOSPC, EACCES, EDQUOT, EFBIG };
	unsigned nth = 1, failed = 0;
	int err;

	for (; nth < TURNS; nth++) {
		fault_arm(FAULT_SYSTEM | FAULT_MEMORY, nth, errors[_i]);
		err = use_arena();
		if (!fault_disarm())
			break;
		failed += err < 0;
		ck_assert_msg(err == 0 || err == trust_error(errors[_i]) || err == ZKCFG_ENOMEM || err == ZKCFG_ESYSTEM,
			      "call %u: %d", nth, err);
	}
	ck_assert_uint_gt(failed, 10);
	ck_assert_uint_lt(nth, TURNS);
	ck_assert_int_eq(err, 0);
}
END_TEST

#define DOCUMENTS 40

/* Documents in the arena, every other pair with one hash; sorted changes to put them all there. */
static void append_documents(struct arena *arena, struct index_change *changes, char names[][8])
{
	for (unsigned i = 0; i < DOCUMENTS; i++) {
		struct zkcfg_document *document;
		struct layout_origin *origin;
		size_t size_bytes;
		uint64_t offset;

		snprintf(names[i], 8, "n%u", i);
		document = segment_document_named(names[i], "<a>x</a>", &size_bytes);
		origin = (void *)((char *)document + sizeof(*document) + 8);
		ck_assert_uint_eq(origin->name_hash, hash_bytes(names[i], strlen(names[i])));
		origin->name_hash = i / 2;
		segment_document_seal(document);
		ck_assert_int_eq(arena_append(arena, size_bytes, &offset), 0);
		memcpy(arena_at(arena, offset), document, size_bytes);
		free(document);
		changes[i] = (struct index_change){ .hash = i / 2, .name = names[i], .name_bytes = strlen(names[i]),
						    .document = offset };
	}
	index_sort(changes, DOCUMENTS);
}

/* Apply the changes one by one, so that buckets and nodes are made, split and merged; then remove all. */
static int use_index(struct arena *arena, struct index_change *changes)
{
	struct index_delta delta;
	uint64_t top = 0;
	int err = 0;

	for (unsigned i = 0; i < DOCUMENTS && err == 0; i++)
		err = index_apply(arena, top, &changes[(i * 7) % DOCUMENTS], 1, &top, &delta);
	for (unsigned i = 0; i < DOCUMENTS && err == 0; i++) {
		struct index_change change = changes[i];

		change.document = 0;
		err = index_apply(arena, top, &change, 1, &top, &delta);
	}
	if (err == 0)
		err = index_apply(arena, 0, changes, DOCUMENTS, &top, &delta);
	return err;
}

START_TEST(index_without_memory_or_room_says_so)
{
	char names[DOCUMENTS][8];
	struct index_change changes[DOCUMENTS];
	unsigned nth = 1, failed = 0;
	struct arena arena;
	int err = 0;

	for (; nth < TURNS; nth++) {
		ck_assert_int_eq(arena_create(dir_fd, 1, id, 0, 0600, (gid_t)-1, &arena), 0);
		append_documents(&arena, changes, names);
		/* no room ahead: every node that is appended asks for memory */
		arena.mapped_bytes = arena.used_bytes;
		fault_arm(_i ? FAULT_MEMORY : FAULT_SYSTEM, nth, EIO);
		err = use_index(&arena, changes);
		arena.mapped_bytes = (arena.mapped_bytes + 4095) / 4096 * 4096;
		arena_close(&arena);
		if (!fault_disarm())
			break;
		failed += err < 0;
		ck_assert_msg(err == 0 || err == (_i ? ZKCFG_ENOMEM : ZKCFG_ESYSTEM), "call %u: %d", nth, err);
	}
	ck_assert_uint_gt(failed, (_i ? 40u : 0u));
	ck_assert_uint_lt(nth, TURNS);
	ck_assert_int_eq(err, 0);
}
END_TEST

START_TEST(fifos_that_cannot_be_had_are_an_error)
{
	struct notify notify = { .alive_fd = -1 };
	unsigned nth = 1, failed = 0;
	int err = 0;

	for (; nth < TURNS; nth++) {
		unlinkat(dir_fd, "commits", 0);
		unlinkat(dir_fd, "alive", 0);
		fault_arm(FAULT_SYSTEM, nth, EIO);
		err = notify_open(dir_fd, 0640, getegid(), &notify);
		if (!fault_disarm())
			break;
		ck_assert_int_eq(err, ZKCFG_ESYSTEM);
		ck_assert_int_eq(notify.alive_fd, -1);
		failed++;
	}
	ck_assert_int_eq(err, 0);
	ck_assert_uint_eq(failed, 7); /* three for each, and to open one */
	notify_close(&notify);
}
END_TEST

START_TEST(directory_and_file_that_cannot_be_looked_at_are_errors)
{
	off_t size_bytes;

	fault_arm(FAULT_SYSTEM, 1, EIO);
	ck_assert_int_eq(trust_directory(dir_fd, (uid_t)-1), ZKCFG_ESYSTEM);
	ck_assert(fault_disarm());
	for (unsigned nth = 1; nth <= 2; nth++) {
		fault_arm(FAULT_SYSTEM, nth, EIO);
		ck_assert_int_eq(trust_file(dir_fd, dir_fd, &size_bytes), ZKCFG_ESYSTEM);
		ck_assert(fault_disarm());
	}
	fault_arm(FAULT_SYSTEM, 1, EIO);
	ck_assert_int_eq(trust_set_mode(dir_fd, 0755, (gid_t)-1), ZKCFG_ESYSTEM);
	ck_assert(fault_disarm());
	fault_arm(FAULT_SYSTEM, 2, EPERM);
	ck_assert_int_eq(trust_set_mode(dir_fd, 0751, (gid_t)-1), ZKCFG_EACCES);
	ck_assert(fault_disarm());
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("faults");
	TCase *tcase = tcase_create("faults");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, start, stop);
	tcase_add_loop_test(tcase, builder_without_memory_says_so, 30, 150);
	tcase_add_loop_test(tcase, control_that_cannot_be_had_is_an_error_and_nothing_is_left_behind, 0, 6);
	tcase_add_test(tcase, control_is_made_though_a_signal_comes);
	tcase_add_test(tcase, control_whose_boot_id_cannot_be_read_has_no_stamps_of_this_boot);
	tcase_add_loop_test(tcase, arena_that_cannot_be_had_is_an_error, 0, 6);
	tcase_add_loop_test(tcase, index_without_memory_or_room_says_so, 0, 2);
	tcase_add_test(tcase, fifos_that_cannot_be_had_are_an_error);
	tcase_add_test(tcase, directory_and_file_that_cannot_be_looked_at_are_errors);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
