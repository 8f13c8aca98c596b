/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "publish/publisher.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "segment/document.h"
#include "segment/layout.h"
#include "support/segment_host.h"

#define DEADLINE_MS 10000
#define SOMEBODY 4711

static struct segment_host host;
static struct message message;
static struct zkcfg *cfg;

static void start(void)
{
	segment_host_start(&host);
	message.text[0] = '\0';
	cfg = NULL;
}

static void stop(void)
{
	zkcfg_close(cfg);
	segment_host_stop(&host);
}

static int open_with(const char *shm_dir, const char *set, mode_t mode, gid_t group,
		     struct publisher **publisher)
{
	struct publisher_options options = { .shm_dir = shm_dir, .set = set, .mode = mode, .group = group };

	message.text[0] = '\0';
	return publisher_open(&options, publisher, &message);
}

/* Open it, and close it again. */
static int try_open(const char *shm_dir, const char *set)
{
	struct publisher *publisher = NULL;
	int err = open_with(shm_dir, set, 0644, (gid_t)-1, &publisher);

	ck_assert_int_eq(publisher != NULL, err == 0);
	ck_assert_int_eq(message.text[0] != '\0', err < 0);
	publisher_close(publisher);
	return err;
}

static const char *active_text(const char *name)
{
	const struct zkcfg_document *document = publisher_find(host.publisher, name);
	const char *text = "(no value)";

	if (!document)
		return "(none)";
	(void)zkcfg_document_string(document, "/d", &text);
	return text;
}

/* What a reader that comes new gets of n.0. */
static const char *read_text(const char *name)
{
	static char text[64];
	struct zkcfg_snapshot *snapshot;
	const char *value = "";
	struct zkcfg *fresh;
	int err;

	err = zkcfg_open("app", host.shm_dir, &fresh);
	if (err < 0)
		return zkcfg_strerror(err);
	err = zkcfg_pin(fresh, &snapshot);
	if (err == 0) {
		err = zkcfg_get_string(snapshot, name, "/d", &value);
		snprintf(text, sizeof(text), "%s", err < 0 ? zkcfg_strerror(err) : value);
		zkcfg_unpin(snapshot);
	}
	zkcfg_close(fresh);
	return err < 0 ? zkcfg_strerror(err) : text;
}

static mode_t mode_of(const char *name)
{
	char path[HOST_PATH_BYTES];
	struct stat st;

	ck_assert_int_eq(lstat(segment_host_path(&host, name, path), &st), 0);
	return st.st_mode & 07777;
}

/*
 * Opening
 */

START_TEST(files_are_readable_as_the_set_says)
{
	segment_host_open(&host);
	segment_host_publish_many(&host, 1, "x");
	ck_assert_uint_eq(mode_of("control"), 0644);
	ck_assert_uint_eq(mode_of("gen.1"), 0644);
	ck_assert_uint_eq(mode_of("lock"), 0600);
	ck_assert_uint_eq(mode_of("."), 0755);
	ck_assert_uint_eq(mode_of(".."), 0755);
}
END_TEST

START_TEST(set_for_a_group_is_closed_to_others)
{
	gid_t group = geteuid() == 0 ? SOMEBODY : getegid();
	char path[HOST_PATH_BYTES];
	struct stat st;

	umask(0);
	ck_assert_int_eq(open_with(host.shm_dir, "app", 0640, group, &host.publisher), 0);
	segment_host_publish_many(&host, 1, "x");
	ck_assert_uint_eq(mode_of("control"), 0640);
	ck_assert_uint_eq(mode_of("gen.1"), 0640);
	ck_assert_uint_eq(mode_of("lock"), 0600);
	ck_assert_uint_eq(mode_of("."), 0750);
	ck_assert_uint_eq(mode_of(".."), 0755);
	for (size_t i = 0; i < 3; i++) {
		ck_assert_int_eq(
			stat(segment_host_path(&host, (const char *[]){ "control", "gen.1", "." }[i], path),
			     &st),
			0);
		ck_assert_uint_eq(st.st_gid, group);
	}
	segment_host_close(&host);
	ck_assert_int_eq(open_with(host.shm_dir, "app", 0600, (gid_t)-1, &host.publisher), 0);
	ck_assert_uint_eq(mode_of("."), 0700);
}
END_TEST

START_TEST(mode_and_group_that_changed_are_applied_when_taking_over)
{
	gid_t group = geteuid() == 0 ? SOMEBODY : getegid();
	char path[HOST_PATH_BYTES];
	struct stat st;

	segment_host_open(&host);
	segment_host_publish_many(&host, 1, "secret");
	segment_host_close(&host);
	ck_assert_int_eq(open_with(host.shm_dir, "app", 0640, group, &host.publisher), 0);
	ck_assert_uint_eq(publisher_seq(host.publisher), 1);
	ck_assert_uint_eq(mode_of("control"), 0640);
	ck_assert_uint_eq(mode_of("gen.1"), 0640);
	ck_assert_uint_eq(mode_of("."), 0750);
	ck_assert_int_eq(stat(segment_host_path(&host, "gen.1", path), &st), 0);
	ck_assert_uint_eq(st.st_gid, group);
}
END_TEST

START_TEST(wrong_option_is_refused_with_what_was_expected)
{
	static char long_dir[PATH_MAX + 10];

	memset(long_dir, 'x', sizeof(long_dir) - 1);
	long_dir[0] = '/';
	ck_assert_int_eq(try_open(host.shm_dir, "a/b"), ZKCFG_EINVAL);
	ck_assert_ptr_nonnull(strstr(message.text, "\"a/b\""));
	ck_assert_ptr_nonnull(strstr(message.text, "expected"));
	ck_assert_int_eq(try_open(host.shm_dir, ""), ZKCFG_EINVAL);
	ck_assert_int_eq(try_open(host.shm_dir, ".app"), ZKCFG_EINVAL);
	ck_assert_int_eq(try_open("relative", "app"), ZKCFG_EINVAL);
	ck_assert_ptr_nonnull(strstr(message.text, "absolute"));
	ck_assert_int_eq(try_open("", "app"), ZKCFG_EINVAL);
	ck_assert_int_eq(try_open(long_dir, "app"), ZKCFG_EINVAL);
	ck_assert_int_lt(try_open("/dev/null/below", "app"), 0);
	ck_assert_ptr_nonnull(strstr(message.text, "/dev/null/below"));
	publisher_close(NULL);
}
END_TEST

START_TEST(directory_that_others_may_write_is_refused)
{
	char path[HOST_PATH_BYTES];

	ck_assert_int_eq(chmod(host.shm_dir, 0777), 0);
	ck_assert_int_eq(try_open(host.shm_dir, "app"), ZKCFG_EMODE);
	ck_assert_ptr_nonnull(strstr(message.text, host.shm_dir));
	ck_assert_int_eq(chmod(host.shm_dir, 0775), 0);
	ck_assert_int_eq(try_open(host.shm_dir, "app"), ZKCFG_EMODE);
	ck_assert_int_eq(chmod(host.shm_dir, 01777), 0);
	ck_assert_int_eq(try_open(host.shm_dir, "app"), 0); /* sticky: others cannot replace what is ours */
	snprintf(path, sizeof(path), "%s/v1", host.shm_dir);
	ck_assert_int_eq(chmod(path, 01777), 0);
	ck_assert_int_eq(try_open(host.shm_dir, "app"), ZKCFG_EMODE);
	ck_assert_int_eq(chmod(path, 0755), 0);
	ck_assert_int_eq(chmod(host.set_dir, 0777), 0);
	ck_assert_int_eq(try_open(host.shm_dir, "app"), ZKCFG_EMODE);
	ck_assert_int_eq(chmod(host.set_dir, 0755), 0);
	ck_assert_int_eq(try_open(host.shm_dir, "app"), 0);
}
END_TEST

START_TEST(directory_of_somebody_else_is_refused)
{
	char path[HOST_PATH_BYTES];

	if (geteuid() != 0) {
		printf("not root: another owner is not tried\n");
		return;
	}
	ck_assert_int_eq(chown(host.shm_dir, SOMEBODY, (gid_t)-1), 0);
	ck_assert_int_eq(try_open(host.shm_dir, "app"), ZKCFG_EOWNER);
	ck_assert_int_eq(chown(host.shm_dir, 0, (gid_t)-1), 0);
	ck_assert_int_eq(try_open(host.shm_dir, "app"), 0);
	ck_assert_int_eq(chown(host.set_dir, SOMEBODY, (gid_t)-1), 0);
	ck_assert_int_eq(try_open(host.shm_dir, "app"), ZKCFG_EOWNER);
	ck_assert_int_eq(chown(host.set_dir, 0, (gid_t)-1), 0);
	snprintf(path, sizeof(path), "%s/v1", host.shm_dir);
	ck_assert_int_eq(chown(path, SOMEBODY, (gid_t)-1), 0);
	ck_assert_int_eq(try_open(host.shm_dir, "app"), ZKCFG_EOWNER);
	/* who may not write there is told so, and not something about a set */
	ck_assert_int_eq(chown(path, 0, (gid_t)-1), 0);
	ck_assert_int_eq(chmod(host.shm_dir, 0755), 0);
	ck_assert_int_eq(seteuid(SOMEBODY), 0);
	ck_assert_int_eq(try_open(host.shm_dir, "other"), ZKCFG_EOWNER);
	segment_host_remove(path);
	ck_assert_int_eq(seteuid(0), 0);
	segment_host_remove(path);
	ck_assert_int_eq(seteuid(SOMEBODY), 0);
	ck_assert_int_eq(try_open(host.shm_dir, "app"), ZKCFG_EACCES);
	ck_assert_ptr_nonnull(strstr(message.text, "Permission denied"));
	ck_assert_int_eq(seteuid(0), 0);
}
END_TEST

START_TEST(link_in_place_of_a_directory_is_refused)
{
	char elsewhere[HOST_PATH_BYTES];

	ck_assert_int_eq(try_open(host.shm_dir, "app"), 0);
	snprintf(elsewhere, sizeof(elsewhere), "%s/elsewhere", host.shm_dir);
	ck_assert_int_eq(rename(host.set_dir, elsewhere), 0);
	ck_assert_int_eq(symlink(elsewhere, host.set_dir), 0);
	ck_assert_int_lt(try_open(host.shm_dir, "app"), 0);
}
END_TEST

START_TEST(second_publisher_of_a_set_is_refused_with_the_pid_of_the_first)
{
	char pid_text[24];
	int status;
	pid_t pid;

	segment_host_open(&host);
	snprintf(pid_text, sizeof(pid_text), "%ld", (long)getpid());
	ck_assert_int_eq(try_open(host.shm_dir, "app"), ZKCFG_EBUSY);
	ck_assert_msg(strstr(message.text, pid_text) && strstr(message.text, "app"), "%s", message.text);
	ck_assert_int_eq(try_open(host.shm_dir, "other"), 0);
	pid = fork();
	if (pid == 0)
		_exit(try_open(host.shm_dir, "app") == ZKCFG_EBUSY && strstr(message.text, pid_text) ? 0 : 1);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	segment_host_publish_many(&host, 1, "x"); /* the first is none the worse */
	segment_host_close(&host);
	ck_assert_int_eq(try_open(host.shm_dir, "app"), 0);
}
END_TEST

/*
 * Taking over
 */

static int count_document(const struct zkcfg_document *document, void *user)
{
	ck_assert_ptr_nonnull(zkcfg_document_name(document));
	return ++*(int *)user == 30 ? 42 : 0;
}

START_TEST(next_publisher_goes_on_with_the_same_segment)
{
	uint8_t id[16], found_id[16];
	int count = 0;

	segment_host_open(&host);
	ck_assert_uint_eq(publisher_seq(host.publisher), 0);
	ck_assert_uint_eq(publisher_document_count(host.publisher), 0);
	ck_assert_int_eq(publisher_each(host.publisher, count_document, &count), 0);
	publisher_segment_id(host.publisher, id);
	segment_host_publish_many(&host, 20, "one");
	segment_host_publish(&host, "n.3", "<d>two</d>");
	ck_assert_int_eq(zkcfg_open("app", host.shm_dir, &cfg), 0);
	for (int round = 0; round < 5; round++) {
		segment_host_close(&host);
		segment_host_open(&host);
		publisher_segment_id(host.publisher, found_id);
		ck_assert_mem_eq(found_id, id, 16);
		ck_assert_uint_eq(publisher_seq(host.publisher), 2 + (uint64_t)round);
		ck_assert_uint_eq(publisher_document_count(host.publisher), 20);
		ck_assert_str_eq(active_text("n.3"), "two");
		ck_assert_str_eq(active_text("n.4"), "one");
		ck_assert_str_eq(active_text("n.20"), "(none)");
		ck_assert_uint_eq(segment_host_publish(&host, "n.5", "<d>more</d>"), 3 + (uint64_t)round);
		ck_assert_uint_eq(zkcfg_seq(cfg), 3 + (uint64_t)round); /* the reader needs nothing */
	}
	ck_assert_int_eq(publisher_each(host.publisher, count_document, &count), 0);
	ck_assert_int_eq(count, 20);
	ck_assert_int_eq(publisher_each(host.publisher, count_document, &count), 42);
}
END_TEST

START_TEST(publisher_without_a_segment_resumes_from_a_seq_and_an_id)
{
	static const uint8_t id[16] = "of last-good...";
	uint8_t found[16];

	segment_host_open(&host);
	publisher_resume(host.publisher, 41, id);
	ck_assert_uint_eq(segment_host_publish_many(&host, 3, "x"), 42);
	publisher_segment_id(host.publisher, found);
	ck_assert_mem_eq(found, id, 16);
	ck_assert_str_eq(read_text("n.1"), "x");
	segment_host_close(&host);
	segment_host_open(&host);
	ck_assert_uint_eq(publisher_seq(host.publisher), 42);
	publisher_segment_id(host.publisher, found);
	ck_assert_mem_eq(found, id, 16);
}
END_TEST

START_TEST(segment_without_a_commit_is_taken_over)
{
	uint8_t id[16], found[16];

	segment_host_open(&host);
	publisher_segment_id(host.publisher, id);
	segment_host_close(&host);
	segment_host_open(&host);
	publisher_segment_id(host.publisher, found);
	ck_assert_mem_eq(found, id, 16);
	ck_assert_uint_eq(segment_host_publish_many(&host, 1, "x"), 1);
}
END_TEST

START_TEST(what_cannot_be_told_for_now_is_left_alone)
{
	struct rlimit limit, narrow;
	int lowest = dup(0);

	segment_host_open(&host);
	segment_host_publish_many(&host, 5, "kept");
	segment_host_close(&host);
	close(lowest);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	for (int more = 0; more <= 3; more++) {
		int err;

		narrow = limit;
		narrow.rlim_cur = (rlim_t)lowest + (rlim_t)more;
		ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &narrow), 0);
		err = try_open(host.shm_dir, "app");
		ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
		ck_assert_msg(err == ZKCFG_ESYSTEM || (err == 0 && more == 3), "%d descriptors: %d", more,
			      err);
		if (err < 0)
			ck_assert_ptr_nonnull(strstr(message.text, strerror(EMFILE)));
	}
	segment_host_open(&host);
	ck_assert_uint_eq(publisher_seq(host.publisher), 1);
	ck_assert_str_eq(active_text("n.4"), "kept");
}
END_TEST

START_TEST(segment_that_memory_is_lacking_for_now_is_left_alone)
{
	char path[HOST_PATH_BYTES];
	int fd;

	if (!segment_host_mount(&host, host.shm_dir, 256 * 1024))
		return;
	segment_host_open(&host);
	segment_host_publish_many(&host, 2, "kept");
	segment_host_close(&host);
	/* a hole behind what is in use, and nothing to fill it with */
	fd = open(segment_host_path(&host, "gen.1", path), O_RDWR | O_CLOEXEC);
	ck_assert_int_eq(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 8192, 8192), 0);
	close(fd);
	snprintf(path, sizeof(path), "%s/ballast", host.shm_dir);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	while (write(fd, path, sizeof(path)) > 0)
		;
	close(fd);
	ck_assert_int_eq(try_open(host.shm_dir, "app"), ZKCFG_ENOSPC);
	ck_assert_ptr_nonnull(strstr(message.text, strerror(ENOSPC)));
	ck_assert_str_eq(read_text("n.1"), "kept");
	ck_assert_int_eq(unlink(path), 0);
	segment_host_open(&host);
	ck_assert_uint_eq(publisher_seq(host.publisher), 1);
}
END_TEST

/* The files of a segment, to be damaged again and again. */
struct files {
	uint8_t *control, *generation;
	size_t control_bytes, generation_bytes;
	uint8_t id[16];
};

static void files_take(struct files *files)
{
	char path[HOST_PATH_BYTES];

	publisher_segment_id(host.publisher, files->id);
	segment_host_close(&host);
	files->control = segment_host_read(segment_host_path(&host, "control", path), &files->control_bytes);
	files->generation =
		segment_host_read(segment_host_path(&host, "gen.1", path), &files->generation_bytes);
}

static void files_put_one(const char *name, const uint8_t *bytes, size_t size_bytes)
{
	char path[HOST_PATH_BYTES];
	int fd;

	segment_host_path(&host, name, path);
	unlink(path);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	if (write(fd, bytes, size_bytes) != (ssize_t)size_bytes)
		ck_abort_msg("cannot write %s: %s", path, strerror(errno));
	close(fd);
}

static void files_put(const struct files *files)
{
	files_put_one("control", files->control, files->control_bytes);
	files_put_one("gen.1", files->generation, files->generation_bytes);
}

static void files_free(struct files *files)
{
	free(files->control);
	free(files->generation);
}

/* Flip a byte of a file, and see that the next publisher sets the segment aside. */
static void check_set_aside(struct files *files, uint8_t *byte, const char *what, size_t offset)
{
	struct publisher *publisher;
	uint8_t id[16];
	int err;

	*byte ^= 0xff;
	files_put(files);
	*byte ^= 0xff;
	err = open_with(host.shm_dir, "app", 0644, (gid_t)-1, &publisher);
	if (err < 0)
		ck_abort_msg("%s, byte %zu: %s", what, offset, message.text);
	publisher_segment_id(publisher, id);
	if (publisher_seq(publisher) != 0 || publisher_document_count(publisher) != 0 ||
	    memcmp(id, files->id, 16) == 0)
		ck_abort_msg("%s, byte %zu: was taken over", what, offset);
	publisher_close(publisher);
}

static void check_range_set_aside(struct files *files, uint8_t *file, size_t from, size_t bytes,
				  const char *what)
{
	for (size_t i = from; i < from + bytes; i++)
		check_set_aside(files, &file[i], what, i - from);
}

/* A set of some documents; where its newest root, index and documents are. */
static void make_files(struct files *files, size_t *root_offset)
{
	segment_host_open(&host);
	segment_host_publish_many(&host, 3, "x");
	segment_host_publish(&host, "n.1", "<d k='v' name='n'>y</d>");
	files_take(files);
	*root_offset = 0;
	for (size_t at = 64; at + sizeof(struct layout_root) <= files->generation_bytes; at += LAYOUT_ALIGN) {
		const struct layout_root *root = (const void *)(files->generation + at);

		if (root->magic == LAYOUT_ROOT_MAGIC && root->seq == 2)
			*root_offset = at;
	}
	ck_assert_uint_ne(*root_offset, 0);
}

/* A document whose raw bytes are so many: white space, and an element where there is room. */
static void publish_sized(const char *name, size_t raw_bytes)
{
	struct document_origin origin = { .name = name, .created = 1, .revision = raw_bytes, .version = 0 };
	struct publisher_change change = { .name = name };
	char *raw = malloc(raw_bytes + 1);
	struct document_builder *builder;
	struct zkcfg_document *made;

	memset(raw, ' ', raw_bytes);
	builder = document_builder_new(&origin, raw, raw_bytes);
	if (raw_bytes >= 4) {
		document_builder_open(builder, "d", 1);
		document_builder_text(builder, raw, raw_bytes - 4);
		document_builder_close(builder);
	}
	ck_assert_int_eq(document_builder_finish(builder, &made, &change.document_bytes), 0);
	change.document = made;
	ck_assert_int_eq(publisher_commit(host.publisher, &change, 1, NULL, &message), 0);
	free(made);
	free(raw);
}

START_TEST(document_of_no_bytes_and_one_of_16_mib_are_published_whole)
{
	static const size_t sizes[] = { 0, 1, 4, 4096, 1048576, 16777216 };
	const struct zkcfg_document *document;
	struct zkcfg_snapshot *snapshot;
	struct zkcfg *reader;
	const char *value;
	char name[16];
	size_t raw_bytes;

	segment_host_open(&host);
	ck_assert_int_eq(zkcfg_open("app", host.shm_dir, &reader), 0);
	for (int round = 0; round < 3; round++) {
		for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
			snprintf(name, sizeof(name), "of-%zu", sizes[i]);
			publish_sized(name, sizes[i]);
		}
		ck_assert_int_eq(zkcfg_pin(reader, &snapshot), 0);
		for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
			snprintf(name, sizeof(name), "of-%zu", sizes[i]);
			ck_assert_int_eq(zkcfg_find(snapshot, name, &document), 0);
			ck_assert_uint_eq(strlen(zkcfg_document_raw(document, &raw_bytes)), sizes[i]);
			ck_assert_uint_eq(raw_bytes, sizes[i]);
			if (sizes[i] < 4)
				continue;
			ck_assert_int_eq(zkcfg_get_string(snapshot, name, "/d", &value), 0);
			ck_assert_uint_eq(strlen(value), sizes[i] - 4);
		}
		zkcfg_unpin(snapshot);
		segment_host_close(&host); /* and all of it is taken over */
		segment_host_open(&host);
	}
	zkcfg_close(reader);
}
END_TEST

START_TEST(set_grows_from_one_document_to_a_hundred_thousand_and_back)
{
	enum { MOST = 100000, STEP = 10000 };
	struct publisher_change *changes = calloc(STEP, sizeof(*changes));
	char (*names)[16] = calloc(MOST, sizeof(*names));
	struct zkcfg_snapshot *snapshot;
	struct zkcfg *reader;
	const char *value;

	segment_host_open(&host);
	for (unsigned from = 0; from < MOST; from += STEP) {
		for (unsigned i = 0; i < STEP; i++) {
			char xml[32];

			snprintf(names[from + i], sizeof(*names), "n%u", from + i);
			snprintf(xml, sizeof(xml), "<d>%u</d>", from + i);
			changes[i].name = names[from + i];
			changes[i].document = segment_document_named(names[from + i], xml, &changes[i].document_bytes);
		}
		ck_assert_int_eq(publisher_commit(host.publisher, changes, STEP, NULL, &message), 0);
		for (unsigned i = 0; i < STEP; i++)
			free((void *)(uintptr_t)changes[i].document);
	}
	ck_assert_uint_eq(publisher_document_count(host.publisher), MOST);
	ck_assert_int_eq(zkcfg_open("app", host.shm_dir, &reader), 0);
	ck_assert_int_eq(zkcfg_pin(reader, &snapshot), 0);
	for (unsigned i = 0; i < MOST; i++)
		if (zkcfg_get_string(snapshot, names[i], "/d", &value) < 0 || atoi(value) != (int)i)
			ck_abort_msg("%s", names[i]);
	for (unsigned from = 0; from < MOST; from += STEP) {
		for (unsigned i = 0; i < STEP; i++)
			changes[i] = (struct publisher_change){ .name = names[from + i] };
		ck_assert_int_eq(publisher_commit(host.publisher, changes, STEP, NULL, &message), 0);
	}
	ck_assert_uint_eq(publisher_document_count(host.publisher), 0);
	ck_assert_uint_eq(zkcfg_snapshot_document_count(snapshot), MOST);
	ck_assert_int_eq(zkcfg_get_string(snapshot, names[MOST - 1], "/d", &value), 0);
	zkcfg_unpin(snapshot);
	zkcfg_close(reader);
	free(changes);
	free(names);
}
END_TEST

START_TEST(damage_to_any_byte_of_the_control_is_noticed)
{
	struct files files;
	size_t root_offset, slot = offsetof(struct layout_control, roots) + 2 * sizeof(uint64_t);

	make_files(&files, &root_offset);
	files_put(&files);
	ck_assert_int_eq(try_open(host.shm_dir, "app"), 0); /* the copies are as good as the files */
	check_range_set_aside(&files, files.control, 0, offsetof(struct layout_control, boot_id), "head");
	check_range_set_aside(&files, files.control, offsetof(struct layout_control, set), sizeof("app"),
			      "set");
	check_range_set_aside(&files, files.control, offsetof(struct layout_control, seq), 8, "seq");
	check_range_set_aside(&files, files.control, offsetof(struct layout_control, moved), 4, "moved");
	check_range_set_aside(&files, files.control, slot, 8, "root's place");
	files_free(&files);
}
END_TEST

START_TEST(damage_to_any_byte_of_a_generation_that_is_in_use_is_noticed)
{
	struct files files;
	size_t root_offset, skip;
	const struct layout_root *root;

	make_files(&files, &root_offset);
	root = (const void *)(files.generation + root_offset);
	skip = offsetof(struct layout_arena, reserved);
	check_range_set_aside(&files, files.generation, 0, skip, "arena's head");
	check_range_set_aside(&files, files.generation, root_offset, sizeof(*root), "root");
	/* between the root before and this one lie the new document and its index nodes */
	for (size_t at = layout_align(root->previous + sizeof(*root)); at < root_offset; at++)
		check_set_aside(&files, &files.generation[at], "document and index", at);
	/* a document of the first commit that is still in use */
	check_range_set_aside(&files, files.generation, sizeof(struct layout_arena), 100, "first document");
	files_free(&files);
}
END_TEST

static const char *const truncations[] = { "control", "gen.1" };

START_TEST(truncated_or_missing_file_is_noticed)
{
	const char *name = truncations[_i];
	static const off_t sizes[] = { 0, 1, 63, 64, 4096, 8192 };
	char path[HOST_PATH_BYTES];
	struct files files;
	size_t root_offset;

	make_files(&files, &root_offset);
	segment_host_path(&host, name, path);
	for (size_t i = 0; i <= sizeof(sizes) / sizeof(sizes[0]); i++) {
		files_put(&files);
		if (i < sizeof(sizes) / sizeof(sizes[0])) {
			if (_i == 1 && (size_t)sizes[i] > root_offset)
				continue;
			ck_assert_int_eq(truncate(path, sizes[i]), 0);
		} else {
			ck_assert_int_eq(unlink(path), 0);
		}
		segment_host_open(&host);
		ck_assert_uint_eq(publisher_seq(host.publisher), 0);
		ck_assert_uint_gt(segment_host_publish_many(&host, 1, "new"), 0);
		ck_assert_str_eq(read_text("n.0"), "new");
		segment_host_close(&host);
	}
	files_free(&files);
}
END_TEST

START_TEST(seq_of_a_segment_that_was_set_aside_goes_on)
{
	static const uint8_t id[16] = "of last-good...";
	struct zkcfg_snapshot *snapshot;
	char path[HOST_PATH_BYTES];

	segment_host_open(&host);
	for (int i = 0; i < 9; i++)
		segment_host_publish_many(&host, 2, "x");
	ck_assert_int_eq(zkcfg_open("app", host.shm_dir, &cfg), 0);
	ck_assert_int_eq(zkcfg_pin(cfg, &snapshot), 0);
	ck_assert_uint_eq(zkcfg_snapshot_seq(snapshot), 9);
	segment_host_close(&host);
	ck_assert_int_eq(unlink(segment_host_path(&host, "gen.1", path)), 0);
	segment_host_open(&host);
	ck_assert_uint_eq(publisher_seq(host.publisher), 0);
	ck_assert(zkcfg_changed(cfg, 9));
	/* last-good was written before the last commit: its number must not be given out again */
	publisher_resume(host.publisher, 8, id);
	ck_assert_uint_gt(segment_host_publish_many(&host, 2, "y"), 10);
	ck_assert(zkcfg_changed(cfg, 9));
	zkcfg_unpin(snapshot);
	ck_assert_int_eq(zkcfg_pin(cfg, &snapshot), 0);
	ck_assert_uint_gt(zkcfg_snapshot_seq(snapshot), 10);
	zkcfg_unpin(snapshot);
}
END_TEST

/*
 * Commits
 */

START_TEST(commit_is_all_or_nothing_for_changes_that_are_not_sound)
{
	size_t bytes;
	struct zkcfg_document *document = segment_document_named("a", "<d>x</d>", &bytes);
	struct publisher_change changes[2] = { { .name = "b", .document = NULL } };
	uint64_t seq = 77;

	segment_host_open(&host);
	segment_host_publish(&host, "b", "<d>kept</d>");
	changes[1] = (struct publisher_change){ .name = "c", .document = document, .document_bytes = bytes };
	ck_assert_int_eq(publisher_commit(host.publisher, changes, 2, &seq, &message), ZKCFG_EINVAL);
	ck_assert_ptr_nonnull(strstr(message.text, "commit 1 stays in force"));
	changes[1] =
		(struct publisher_change){ .name = "a", .document = document, .document_bytes = bytes - 16 };
	ck_assert_int_eq(publisher_commit(host.publisher, changes, 2, &seq, &message), ZKCFG_EINVAL);
	changes[1] = (struct publisher_change){ .name = "b", .document = NULL };
	ck_assert_int_eq(publisher_commit(host.publisher, changes, 2, &seq, &message), ZKCFG_EINVAL);
	ck_assert_uint_eq(seq, 77);
	ck_assert_uint_eq(publisher_seq(host.publisher), 1);
	ck_assert_str_eq(active_text("b"), "kept");
	ck_assert_str_eq(read_text("b"), "kept");
	changes[1] = (struct publisher_change){ .name = "a", .document = document, .document_bytes = bytes };
	ck_assert_int_eq(publisher_commit(host.publisher, changes, 2, NULL, &message), 0);
	ck_assert_str_eq(active_text("b"), "(none)");
	ck_assert_str_eq(active_text("a"), "x");
	free(document);
}
END_TEST

static uint64_t generation_bytes(void)
{
	char path[HOST_PATH_BYTES], name[32];
	struct stat st;

	snprintf(name, sizeof(name), "gen.%u", segment_host_generation(&host));
	ck_assert_int_eq(stat(segment_host_path(&host, name, path), &st), 0);
	return (uint64_t)st.st_size;
}

START_TEST(refused_commits_take_no_memory)
{
	char *xml = malloc(20100);
	struct publisher_change changes[2] = { { .name = "a" } };
	struct zkcfg_document *document;

	segment_host_open(&host);
	segment_host_publish(&host, "b", "<d>kept</d>");
	sprintf(xml, "<d>%020000d</d>", 0);
	changes[0].document = document = segment_document_named("a", xml, &changes[0].document_bytes);
	changes[1] = changes[0]; /* twice the same name: found when the documents are in place already */
	for (int i = 0; i < 200; i++)
		ck_assert_int_eq(publisher_commit(host.publisher, changes, 2, NULL, &message), ZKCFG_EINVAL);
	ck_assert_uint_lt(generation_bytes(), 300000);
	ck_assert_int_eq(publisher_commit(host.publisher, changes, 1, NULL, &message), 0);
	ck_assert_uint_eq(publisher_seq(host.publisher), 2);
	free(document);
	free(xml);
}
END_TEST

START_TEST(commit_of_nothing_is_a_commit)
{
	uint64_t seq = 0;

	segment_host_open(&host);
	ck_assert_int_eq(publisher_commit(host.publisher, NULL, 0, &seq, &message), 0);
	ck_assert_uint_eq(seq, 1);
	segment_host_publish(&host, "none", NULL);
	ck_assert_uint_eq(publisher_document_count(host.publisher), 0);
	segment_host_publish_many(&host, 3, "x");
	ck_assert_int_eq(publisher_commit(host.publisher, NULL, 0, &seq, &message), 0);
	ck_assert_uint_eq(seq, 4);
	ck_assert_str_eq(read_text("n.2"), "x");
	for (int i = 0; i < 3; i++)
		segment_host_publish(&host, (const char *[]){ "n.0", "n.1", "n.2" }[i], NULL);
	ck_assert_uint_eq(publisher_document_count(host.publisher), 0);
	ck_assert_str_eq(read_text("n.2"), zkcfg_strerror(ZKCFG_ENODOC));
	segment_host_close(&host);
	segment_host_open(&host);
	ck_assert_uint_eq(publisher_seq(host.publisher), 7);
	ck_assert_uint_eq(publisher_document_count(host.publisher), 0);
}
END_TEST

START_TEST(thousands_of_commits_of_one_document_take_no_more_memory)
{
	char *xml = malloc(2100);
	uint64_t most = 0;

	segment_host_open(&host);
	segment_host_publish_many(&host, 20, "still");
	for (int i = 0; i < 5000; i++) {
		sprintf(xml, "<d>%d%02000d</d>", i, 0);
		segment_host_publish(&host, "n.7", xml);
		if (i % 100 == 0 && generation_bytes() > most)
			most = generation_bytes();
	}
	ck_assert_uint_gt(segment_host_generation(&host), 5);
	ck_assert_uint_lt(most, 1500000);
	ck_assert_str_eq(active_text("n.3"), "still");
	ck_assert_int_eq(strncmp(active_text("n.7"), "4999", 4), 0);
	ck_assert_uint_eq(publisher_document_count(host.publisher), 20);
	free(xml);
}
END_TEST

/* Each growth would have all readers map it anew. */
START_TEST(generation_behind_much_garbage_has_room_from_its_beginning)
{
	char *xml = malloc(2100);
	uint64_t begun = 0, ended = 0;
	uint32_t generation = 0;

	segment_host_open(&host);
	for (int i = 0; generation <= 3; i++) {
		sprintf(xml, "<d>%d%02000d</d>", i, 0);
		segment_host_publish(&host, "n.7", xml);
		generation = segment_host_generation(&host);
		if (generation == 3 && begun == 0)
			begun = generation_bytes();
		if (generation == 3)
			ended = generation_bytes();
	}
	ck_assert_uint_eq(begun, ended);
	ck_assert_uint_lt(begun, 1500000);
	free(xml);
}
END_TEST

/* Try to publish a document of about so many bytes. */
static int try_publish(const char *name, size_t bytes)
{
	struct publisher_change change = { .name = name };
	char *xml = malloc(bytes + 32);
	struct zkcfg_document *document;
	int err;

	sprintf(xml, "<d>%0*d</d>", (int)bytes, 0);
	document = segment_document_named(name, xml, &change.document_bytes);
	change.document = document;
	err = publisher_commit(host.publisher, &change, 1, NULL, &message);
	free(document);
	free(xml);
	return err;
}

START_TEST(full_memory_keeps_the_last_commit_and_goes_on_when_there_is_room)
{
	char ballast[HOST_PATH_BYTES], name[20];
	uint64_t seq;
	int err = 0, fd, count;

	if (!segment_host_mount(&host, host.shm_dir, 3 << 20))
		return;
	snprintf(ballast, sizeof(ballast), "%s/ballast", host.shm_dir);
	fd = open(ballast, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	ck_assert_int_eq(posix_fallocate(fd, 0, 1 << 20), 0);
	close(fd);
	segment_host_open(&host);
	segment_host_publish(&host, "first", "<d>first</d>");
	ck_assert_int_eq(zkcfg_open("app", host.shm_dir, &cfg), 0);
	for (count = 0; count < 1000 && err == 0; count++) {
		snprintf(name, sizeof(name), "n.%d", count);
		err = try_publish(name, 10000);
	}
	ck_assert_int_eq(err, ZKCFG_ENOSPC);
	ck_assert_ptr_nonnull(strstr(message.text, strerror(ENOSPC)));
	ck_assert_ptr_nonnull(strstr(message.text, "stays in force"));
	ck_assert_int_gt(count, 20);
	seq = publisher_seq(host.publisher);
	ck_assert_uint_eq(zkcfg_seq(cfg), seq);
	ck_assert_uint_eq(publisher_document_count(host.publisher), (size_t)count);
	for (int i = 0; i < 20; i++)
		ck_assert_int_eq(try_publish("large", 1000000), ZKCFG_ENOSPC);
	ck_assert_uint_eq(publisher_seq(host.publisher), seq);
	ck_assert_str_eq(read_text("first"), "first");
	ck_assert_str_eq(active_text(name), "(none)");
	ck_assert_int_eq(publisher_heartbeat(host.publisher, &message), 0);
	segment_host_generation(&host); /* no half-made one is left over */

	segment_host_close(&host);
	segment_host_open(&host); /* a new one takes it over as it is */
	ck_assert_uint_eq(publisher_seq(host.publisher), seq);
	ck_assert_int_eq(try_publish("large", 1000000), ZKCFG_ENOSPC);
	ck_assert_int_eq(unlink(ballast), 0);
	for (int i = 0; i < count - 20; i++) {
		snprintf(name, sizeof(name), "n.%d", i);
		segment_host_publish(&host, name, NULL);
	}
	for (int i = 0; i < 200; i++)
		ck_assert_int_eq(try_publish("more", 20000), 0);
	ck_assert_str_eq(read_text("first"), "first");
	ck_assert_uint_gt(publisher_seq(host.publisher), seq);
}
END_TEST

/* For who is not root: as above, with a limit of the file's size. */
START_TEST(refused_growth_keeps_the_last_commit)
{
	struct rlimit limit, narrow;

	segment_host_open(&host);
	segment_host_publish(&host, "first", "<d>first</d>");
	signal(SIGXFSZ, SIG_IGN);
	ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
	narrow = limit;
	narrow.rlim_cur = 100000;
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &narrow), 0);
	ck_assert_int_eq(try_publish("large", 200000), ZKCFG_ENOSPC);
	ck_assert_uint_eq(publisher_seq(host.publisher), 1);
	ck_assert_str_eq(read_text("first"), "first");
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	ck_assert_int_eq(try_publish("large", 200000), 0);
	ck_assert_uint_eq(publisher_seq(host.publisher), 2);
}
END_TEST

/*
 * A segment that goes away
 */

static void remove_all(void)
{
	segment_host_remove(host.shm_dir);
}

static void remove_set(void)
{
	segment_host_remove(host.set_dir);
}

static void remove_named(const char *name)
{
	char path[HOST_PATH_BYTES];

	ck_assert_int_eq(unlink(segment_host_path(&host, name, path)), 0);
}

static void remove_control(void)
{
	remove_named("control");
}

static void remove_generation(void)
{
	remove_named("gen.1");
}

static void replace_control(void)
{
	char from[HOST_PATH_BYTES], to[HOST_PATH_BYTES];
	uint8_t *bytes;
	size_t size_bytes;

	bytes = segment_host_read(segment_host_path(&host, "control", from), &size_bytes);
	unlink(segment_host_path(&host, "control", to));
	files_put_one("control", bytes, size_bytes);
	free(bytes);
}

static void (*const removals[])(void) = { remove_all, remove_set, remove_control, remove_generation,
					  replace_control };

START_TEST(heartbeat_notices_a_removed_segment_and_makes_it_anew)
{
	struct zkcfg_snapshot *snapshot;
	uint8_t id[16], found[16];
	const char *text;

	segment_host_open(&host);
	publisher_segment_id(host.publisher, id);
	segment_host_publish_many(&host, 5, "x");
	segment_host_publish(&host, "n.3", "<d>y</d>");
	ck_assert_int_eq(zkcfg_open("app", host.shm_dir, &cfg), 0);
	ck_assert_int_eq(publisher_heartbeat(host.publisher, &message), 0);
	ck_assert_uint_eq(publisher_seq(host.publisher), 2); /* nothing to do */
	removals[_i]();
	ck_assert_int_eq(publisher_heartbeat(host.publisher, &message), 0);
	ck_assert_uint_eq(publisher_seq(host.publisher), 3);
	publisher_segment_id(host.publisher, found);
	ck_assert_mem_eq(found, id, 16);
	ck_assert_str_eq(read_text("n.3"), "y");
	ck_assert_str_eq(read_text("n.4"), "x");
	ck_assert_uint_eq(mode_of("control"), 0644);
	ck_assert_uint_eq(mode_of("."), 0755);
	ck_assert(zkcfg_changed(cfg, 2));
	ck_assert_int_eq(zkcfg_pin(cfg, &snapshot), 0);
	ck_assert_uint_eq(zkcfg_snapshot_seq(snapshot), 3);
	ck_assert_int_eq(zkcfg_get_string(snapshot, "n.3", "/d", &text), 0);
	ck_assert_str_eq(text, "y");
	zkcfg_unpin(snapshot);
	ck_assert_int_eq(try_open(host.shm_dir, "app"), ZKCFG_EBUSY); /* the lock is there anew, too */
	segment_host_publish(&host, "n.3", "<d>z</d>");
	ck_assert_str_eq(read_text("n.3"), "z");
	segment_host_close(&host);
	segment_host_open(&host);
	ck_assert_uint_eq(publisher_seq(host.publisher), 4);
}
END_TEST

/* Look again and again for a control that has no commit in it; exit 1 when there is one. Asserts nothing. */
static void run_lookout(void)
{
	char path[HOST_PATH_BYTES];
	uint64_t seq;
	int fd;

	segment_host_path(&host, "control", path);
	for (;;) {
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			continue;
		if (pread(fd, &seq, sizeof(seq), offsetof(struct layout_control, seq)) == sizeof(seq) && seq == 0)
			_exit(1);
		close(fd);
	}
}

START_TEST(segment_made_anew_appears_with_its_commit_in_it)
{
	int status;
	pid_t child;

	segment_host_open(&host);
	segment_host_publish_many(&host, 2000, "x"); /* many, so that making them anew takes its time */
	child = fork();
	ck_assert_int_ge(child, 0);
	if (child == 0)
		run_lookout();
	for (int i = 0; i < 20; i++) {
		remove_set();
		ck_assert_int_eq(publisher_heartbeat(host.publisher, &message), 0);
	}
	ck_assert_int_eq(waitpid(child, &status, WNOHANG), 0); /* nothing found */
	kill(child, SIGKILL);
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(WTERMSIG(status), SIGKILL);
	ck_assert_str_eq(read_text("n.1999"), "x");
}
END_TEST

START_TEST(removed_segment_without_a_commit_is_made_anew)
{
	segment_host_open(&host);
	remove_all();
	ck_assert_int_eq(publisher_heartbeat(host.publisher, &message), 0);
	ck_assert_uint_eq(publisher_seq(host.publisher), 0);
	ck_assert_str_eq(read_text("n.0"), zkcfg_strerror(ZKCFG_EEMPTY));
	ck_assert_uint_eq(segment_host_publish_many(&host, 1, "x"), 1);
	ck_assert_str_eq(read_text("n.0"), "x");
}
END_TEST

START_TEST(segment_that_cannot_be_made_anew_is_tried_again)
{
	FILE *obstacle;

	segment_host_open(&host);
	segment_host_publish_many(&host, 2, "x");
	remove_all();
	obstacle = fopen(host.shm_dir, "w");
	fclose(obstacle);
	message.text[0] = '\0';
	ck_assert_int_lt(publisher_heartbeat(host.publisher, &message), 0);
	ck_assert_ptr_nonnull(strstr(message.text, host.shm_dir));
	ck_assert_uint_eq(publisher_seq(host.publisher), 1);
	ck_assert_str_eq(active_text("n.1"), "x");
	ck_assert_uint_eq(segment_host_publish(&host, "n.1", "<d>y</d>"),
			  2); /* for those who have it mapped */
	ck_assert_int_eq(unlink(host.shm_dir), 0);
	ck_assert_int_eq(publisher_heartbeat(host.publisher, &message), 0);
	ck_assert_uint_eq(publisher_seq(host.publisher), 3);
	ck_assert_str_eq(read_text("n.1"), "y");
}
END_TEST

START_TEST(name_that_another_publisher_took_meanwhile_is_left_to_it)
{
	struct publisher *other;

	segment_host_open(&host);
	segment_host_publish_many(&host, 2, "x");
	remove_all();
	ck_assert_int_eq(open_with(host.shm_dir, "app", 0644, (gid_t)-1, &other), 0);
	ck_assert_int_eq(publisher_heartbeat(host.publisher, &message), ZKCFG_EBUSY);
	ck_assert_int_eq(publisher_heartbeat(host.publisher, &message), ZKCFG_EBUSY);
	publisher_close(other);
	ck_assert_int_eq(publisher_heartbeat(host.publisher, &message), 0);
	ck_assert_str_eq(read_text("n.1"), "x");
}
END_TEST

/*
 * Death
 */

#define KILLS 50
#define VICTIM_DOCUMENTS 6

/* A document whose text begins with a number. */
static bool victim_change(const char *name, uint64_t number, struct publisher_change *change)
{
	struct document_origin origin = { .name = name, .revision = number };
	struct document_builder *builder = document_builder_new(&origin, NULL, 0);
	struct zkcfg_document *document;
	char text[200];
	int bytes =
		snprintf(text, sizeof(text), "%llu %0*d", (unsigned long long)number, (int)(number % 150), 0);

	document_builder_open(builder, "d", 1);
	document_builder_text(builder, text, (size_t)bytes);
	document_builder_close(builder);
	if (document_builder_finish(builder, &document, &change->document_bytes) < 0)
		return false;
	change->name = name;
	change->document = document;
	return true;
}

/*
 * Commits until it is killed; all documents of a commit carry its number. It
 * asserts nothing: Check's own messages must not be cut off in the middle.
 */
static void run_victim(void)
{
	struct publisher_change changes[VICTIM_DOCUMENTS];
	char names[VICTIM_DOCUMENTS][20];
	struct publisher *publisher;

	if (open_with(host.shm_dir, "app", 0644, (gid_t)-1, &publisher) < 0)
		_exit(1);
	for (;;) {
		uint64_t next = publisher_seq(publisher) + 1, seq = 0;

		for (int i = 0; i < VICTIM_DOCUMENTS; i++) {
			snprintf(names[i], sizeof(names[i]), "n.%d", i);
			if (!victim_change(names[i], next, &changes[i]))
				_exit(2);
		}
		if (publisher_commit(publisher, changes, VICTIM_DOCUMENTS, &seq, &message) < 0 || seq != next)
			_exit(3);
		for (int i = 0; i < VICTIM_DOCUMENTS; i++)
			free((void *)(uintptr_t)changes[i].document);
	}
}

/* All of a snapshot carries the number of its commit. */
static void check_whole(const struct zkcfg_snapshot *snapshot)
{
	unsigned long long seq = zkcfg_snapshot_seq(snapshot);

	for (int i = 0; i < VICTIM_DOCUMENTS; i++) {
		const char *text = "";
		char name[20];
		int err;

		snprintf(name, sizeof(name), "n.%d", i);
		err = zkcfg_get_string(snapshot, name, "/d", &text);
		if (err < 0 || strtoull(text, NULL, 10) != seq)
			ck_abort_msg("commit %llu: %s is \"%s\" (%s)", seq, name, text, zkcfg_strerror(err));
	}
}

/* Read until the time is over; the newest seq. */
static uint64_t read_for(int64_t microseconds, uint64_t seen)
{
	struct timespec now, end;

	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_nsec += microseconds * 1000;
	end.tv_sec += end.tv_nsec / 1000000000;
	end.tv_nsec %= 1000000000;
	do {
		struct zkcfg_snapshot *snapshot;

		if (zkcfg_pin(cfg, &snapshot) == 0) {
			check_whole(snapshot);
			if (zkcfg_snapshot_seq(snapshot) < seen)
				ck_abort_msg("commit %llu after %llu",
					     (unsigned long long)zkcfg_snapshot_seq(snapshot),
					     (unsigned long long)seen);
			seen = zkcfg_snapshot_seq(snapshot);
			zkcfg_unpin(snapshot);
		}
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while (now.tv_sec < end.tv_sec || (now.tv_sec == end.tv_sec && now.tv_nsec < end.tv_nsec));
	return seen;
}

START_TEST(publisher_killed_at_any_instant_leaves_a_whole_commit_and_the_next_goes_on)
{
	uint64_t state = segment_seed(), seen = 0, before;
	unsigned advanced = 0;
	int status;

	segment_host_open(&host);
	segment_host_publish_many(&host, VICTIM_DOCUMENTS, "1");
	segment_host_close(&host);
	ck_assert_int_eq(zkcfg_open("app", host.shm_dir, &cfg), 0);
	for (int i = 0; i < KILLS; i++) {
		pid_t pid = fork();

		if (pid == 0)
			run_victim();
		before = seen;
		seen = read_for((int64_t)(segment_random(&state) % 25000), seen);
		ck_assert_int_eq(kill(pid, SIGKILL), 0);
		ck_assert_int_eq(waitpid(pid, &status, 0), pid);
		ck_assert(WIFSIGNALED(status));
		seen = read_for(0, seen);
		advanced += seen > before;
	}
	ck_assert_uint_gt(advanced, KILLS / 5);
	segment_host_open(&host);
	ck_assert_uint_eq(publisher_seq(host.publisher), seen);
	ck_assert_uint_eq(segment_host_publish_many(&host, VICTIM_DOCUMENTS, "x"), seen + 1);
	printf("%llu commits, %u of %d publishers were killed after one\n", (unsigned long long)seen,
	       advanced, KILLS);
}
END_TEST

#define COUNT(table) (int)(sizeof(table) / sizeof(*(table)))

int main(void)
{
	Suite *suite = suite_create("publisher");
	TCase *tcase = tcase_create("publisher");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, start, stop);
	tcase_add_test(tcase, files_are_readable_as_the_set_says);
	tcase_add_test(tcase, set_for_a_group_is_closed_to_others);
	tcase_add_test(tcase, mode_and_group_that_changed_are_applied_when_taking_over);
	tcase_add_test(tcase, wrong_option_is_refused_with_what_was_expected);
	tcase_add_test(tcase, directory_that_others_may_write_is_refused);
	tcase_add_test(tcase, directory_of_somebody_else_is_refused);
	tcase_add_test(tcase, link_in_place_of_a_directory_is_refused);
	tcase_add_test(tcase, second_publisher_of_a_set_is_refused_with_the_pid_of_the_first);
	tcase_add_test(tcase, next_publisher_goes_on_with_the_same_segment);
	tcase_add_test(tcase, publisher_without_a_segment_resumes_from_a_seq_and_an_id);
	tcase_add_test(tcase, segment_without_a_commit_is_taken_over);
	tcase_add_test(tcase, what_cannot_be_told_for_now_is_left_alone);
	tcase_add_test(tcase, segment_that_memory_is_lacking_for_now_is_left_alone);
	tcase_add_test(tcase, document_of_no_bytes_and_one_of_16_mib_are_published_whole);
	tcase_add_test(tcase, set_grows_from_one_document_to_a_hundred_thousand_and_back);
	tcase_add_test(tcase, damage_to_any_byte_of_the_control_is_noticed);
	tcase_add_test(tcase, damage_to_any_byte_of_a_generation_that_is_in_use_is_noticed);
	tcase_add_loop_test(tcase, truncated_or_missing_file_is_noticed, 0, COUNT(truncations));
	tcase_add_test(tcase, seq_of_a_segment_that_was_set_aside_goes_on);
	tcase_add_test(tcase, commit_is_all_or_nothing_for_changes_that_are_not_sound);
	tcase_add_test(tcase, refused_commits_take_no_memory);
	tcase_add_test(tcase, commit_of_nothing_is_a_commit);
	tcase_add_test(tcase, thousands_of_commits_of_one_document_take_no_more_memory);
	tcase_add_test(tcase, generation_behind_much_garbage_has_room_from_its_beginning);
	tcase_add_test(tcase, full_memory_keeps_the_last_commit_and_goes_on_when_there_is_room);
	tcase_add_test(tcase, refused_growth_keeps_the_last_commit);
	tcase_add_loop_test(tcase, heartbeat_notices_a_removed_segment_and_makes_it_anew, 0, COUNT(removals));
	tcase_add_test(tcase, segment_made_anew_appears_with_its_commit_in_it);
	tcase_add_test(tcase, removed_segment_without_a_commit_is_made_anew);
	tcase_add_test(tcase, segment_that_cannot_be_made_anew_is_tried_again);
	tcase_add_test(tcase, name_that_another_publisher_took_meanwhile_is_left_to_it);
	tcase_add_test(tcase, publisher_killed_at_any_instant_leaves_a_whole_commit_and_the_next_goes_on);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
