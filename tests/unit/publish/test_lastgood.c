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
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "publish/lastgood.h"
#include "segment/hash.h"
#include "support/segment_host.h"

#define FLUSH_MS 30000
#define DOCUMENTS 3

static char state_dir[64];
static const uint8_t segment_id[16] = "0123456789abcdef";

static void make_state_dir(void)
{
	strcpy(state_dir, "/tmp/zkcfg-lastgood-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(state_dir));
}

static void remove_state_dir(void)
{
	segment_host_remove(state_dir);
}

/* What the documents of a commit are: told by its seq alone. */
static void expect(uint64_t seq, unsigned i, struct document_origin *origin, char name[32], char xml[64])
{
	snprintf(name, 32, "dir/%u.xml", i);
	snprintf(xml, 64, "<d><seq>%llu</seq><i>%u</i></d>", (unsigned long long)seq, i);
	*origin = (struct document_origin){
		.name = name, .created = 100 + i, .revision = seq * 10 + i, .version = (int64_t)i - 1,
		.sources = name, .sources_bytes = i % 2 == 0 ? strlen(name) : 0 /* any bytes will do */
	};
}

/* The bytes of a last-good with these documents. */
static void build(uint64_t seq, unsigned count, bool is_final, struct buffer *bytes)
{
	struct lastgood_head head = { .seq = seq, .is_final = is_final };
	struct zkcfg_document *document;
	struct document_origin origin;
	char name[32], xml[64];
	size_t size;
	int err;

	memcpy(head.segment_id, segment_id, sizeof(segment_id));
	lastgood_begin(bytes, &head);
	for (unsigned i = 0; i < count; i++) {
		expect(seq, i, &origin, name, xml);
		document = segment_document(&origin, xml, &size, &err);
		ck_assert_ptr_nonnull(document);
		lastgood_add(bytes, document);
		free(document);
	}
	lastgood_end(bytes);
	ck_assert(!buffer_failed(bytes));
}

static void store_final(uint64_t seq, unsigned count, bool is_final)
{
	struct lastgood *lastgood;
	struct buffer bytes = { 0 };
	struct message message;

	ck_assert_int_eq(lastgood_open(state_dir, "app", &lastgood, &message), 0);
	build(seq, count, is_final, &bytes);
	lastgood_store(lastgood, &bytes);
	lastgood_close(lastgood);
}

static void store(uint64_t seq, unsigned count)
{
	store_final(seq, count, false);
}

struct loaded {
	uint64_t seq;
	unsigned count;
	int result; /* what tell() is to return */
};

static int tell(const struct document_origin *origin, const void *raw, size_t raw_bytes, void *user)
{
	struct loaded *loaded = user;
	struct document_origin expected;
	char name[32], xml[64];

	expect(loaded->seq, loaded->count++, &expected, name, xml);
	ck_assert_str_eq(origin->name, expected.name);
	ck_assert_uint_eq(origin->created, expected.created);
	ck_assert_uint_eq(origin->revision, expected.revision);
	ck_assert_int_eq(origin->version, expected.version);
	ck_assert_uint_eq(raw_bytes, strlen(xml));
	ck_assert_mem_eq(raw, xml, raw_bytes);
	ck_assert_uint_eq(origin->sources_bytes, expected.sources_bytes);
	ck_assert_mem_eq(origin->sources, expected.sources, expected.sources_bytes);
	return loaded->result;
}

static int tell_nobody(const struct document_origin *origin, const void *raw, size_t raw_bytes, void *user)
{
	(void)origin, (void)raw, (void)raw_bytes, (void)user;
	return 0;
}

/* Loading gives exactly the documents of this commit. */
static void assert_loads(uint64_t seq, unsigned count, struct message *message)
{
	struct loaded loaded = { .seq = seq };
	struct lastgood_head head;
	int err = lastgood_load(state_dir, "app", &head, tell, &loaded, message);

	ck_assert_msg(err == 0, "%d: %s", err, message->text);
	ck_assert_uint_eq(head.seq, seq);
	ck_assert_mem_eq(head.segment_id, segment_id, sizeof(segment_id));
	ck_assert_uint_eq(loaded.count, count);
}

static void assert_loads_nothing(int error, struct message *message)
{
	struct loaded loaded = { .count = 0 };
	struct lastgood_head head = { .seq = 77 };

	ck_assert_int_eq(lastgood_load(state_dir, "app", &head, tell, &loaded, message), error);
	ck_assert_uint_eq(head.seq, 77);
	ck_assert_uint_eq(loaded.count, 0);
}

static char *path_of(const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/app/%s", state_dir, name);
	return path;
}

static void read_file(const char *name, struct buffer *bytes)
{
	buffer_clear(bytes);
	ck_assert_int_eq(file_read(path_of(name), SIZE_MAX, bytes), 0);
}

static void write_file(const char *name, const void *bytes, size_t size_bytes)
{
	int fd = open(path_of(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, bytes, size_bytes), (ssize_t)size_bytes);
	close(fd);
}

static bool exists(const char *name)
{
	return access(path_of(name), F_OK) == 0;
}

static mode_t mode_of(const char *path)
{
	struct stat st;

	ck_assert_int_eq(stat(path, &st), 0);
	return st.st_mode & 07777;
}

START_TEST(documents_come_back_as_they_were_stored)
{
	struct message message;

	store(7, DOCUMENTS);
	assert_loads(7, DOCUMENTS, &message);
	ck_assert_str_eq(message.text, "");
}
END_TEST

START_TEST(commit_of_no_document_comes_back)
{
	struct message message;

	store(7, 0);
	assert_loads(7, 0, &message);
	ck_assert_str_eq(message.text, "");
}
END_TEST

START_TEST(documents_may_be_empty_of_text_or_large)
{
	static char xml[1 << 20];
	struct document_origin origin = { .name = "large.xml", .created = 1, .revision = 2, .version = 3 };
	struct lastgood_head head = { .seq = 1 };
	struct zkcfg_document *document;
	struct lastgood *lastgood;
	struct buffer bytes = { 0 }, file = { 0 };
	struct message message;
	size_t size;
	int err;

	memset(xml, 'x', sizeof(xml) - 1);
	memcpy(xml, "<d>", 3);
	memcpy(xml + sizeof(xml) - 5, "</d>", 5);
	document = segment_document(&origin, xml, &size, &err);
	ck_assert_ptr_nonnull(document);
	lastgood_begin(&bytes, &head);
	lastgood_add(&bytes, document);
	lastgood_end(&bytes);
	free(document);
	ck_assert_int_eq(lastgood_open(state_dir, "app", &lastgood, &message), 0);
	lastgood_store(lastgood, &bytes);
	lastgood_close(lastgood);
	read_file("last-good", &file);
	ck_assert_uint_gt(file.size_bytes, sizeof(xml));
	ck_assert_ptr_nonnull(memmem(file.bytes, file.size_bytes, xml, sizeof(xml) - 1));
	buffer_free(&file);
}
END_TEST

START_TEST(where_there_is_none_nothing_is_named)
{
	struct message message;

	assert_loads_nothing(ZKCFG_EEMPTY, &message);
	ck_assert_str_eq(message.text, "");
	ck_assert_int_eq(mkdir(path_of(""), 0700), 0);
	assert_loads_nothing(ZKCFG_EEMPTY, &message);
	ck_assert_str_eq(message.text, "");
}
END_TEST

START_TEST(the_one_before_is_kept_and_no_more)
{
	struct message message;
	struct buffer before = { 0 }, expected = { 0 };

	for (uint64_t seq = 1; seq <= 5; seq++)
		store(seq, DOCUMENTS);
	assert_loads(5, DOCUMENTS, &message);
	build(4, DOCUMENTS, false, &expected);
	read_file("last-good.1", &before);
	ck_assert_uint_eq(before.size_bytes, expected.size_bytes);
	ck_assert_mem_eq(before.bytes, expected.bytes, expected.size_bytes);
	ck_assert(!exists("last-good.2"));
	ck_assert(!exists("last-good.next"));
	ck_assert(!exists(".last-good.next.new"));
	buffer_free(&before);
	buffer_free(&expected);
}
END_TEST

START_TEST(nobody_else_may_read_the_files)
{
	umask(0);
	store(1, DOCUMENTS);
	store(2, DOCUMENTS);
	ck_assert_uint_eq(mode_of(path_of("last-good")), 0600);
	ck_assert_uint_eq(mode_of(path_of("last-good.1")), 0600);
	ck_assert_uint_eq(mode_of(path_of("")), 0700);
}
END_TEST

START_TEST(final_is_told_of_the_newest_alone)
{
	struct loaded loaded = { .seq = 2 };
	struct lastgood_head head;
	struct message message;

	store_final(1, DOCUMENTS, true);
	store_final(2, DOCUMENTS, true);
	ck_assert_int_eq(lastgood_load(state_dir, "app", &head, tell, &loaded, &message), 0);
	ck_assert(head.is_final);
	/* what came behind the one before is lost: who knows what its seq was */
	ck_assert_int_eq(unlink(path_of("last-good")), 0);
	loaded = (struct loaded){ .seq = 1 };
	ck_assert_int_eq(lastgood_load(state_dir, "app", &head, tell, &loaded, &message), 0);
	ck_assert(!head.is_final);
	store_final(3, DOCUMENTS, false);
	loaded = (struct loaded){ .seq = 3 };
	ck_assert_int_eq(lastgood_load(state_dir, "app", &head, tell, &loaded, &message), 0);
	ck_assert(!head.is_final);
}
END_TEST

/* The one before is used, and the newest is named. */
static void assert_falls_back(const char *what, size_t at)
{
	struct loaded loaded = { .seq = 1 };
	struct lastgood_head head;
	struct message message;
	int err = lastgood_load(state_dir, "app", &head, tell, &loaded, &message);

	ck_assert_msg(err == 0 && head.seq == 1 && loaded.count == DOCUMENTS,
		      "%s %zu: %d, seq %llu, %u documents", what, at, err, (unsigned long long)head.seq,
		      loaded.count);
	ck_assert_msg(strstr(message.text, path_of("last-good")) && !strstr(message.text, "last-good.1"),
		      "%s %zu: \"%s\"", what, at, message.text);
	ck_assert_ptr_nonnull(strstr(message.text, "damaged"));
}

START_TEST(file_cut_at_any_length_gives_the_one_before)
{
	struct buffer whole = { 0 };

	store(1, DOCUMENTS);
	store(2, DOCUMENTS);
	read_file("last-good", &whole);
	for (size_t length = 0; length < whole.size_bytes; length++) {
		write_file("last-good", whole.bytes, length);
		assert_falls_back("cut at", length);
	}
	buffer_free(&whole);
}
END_TEST

START_TEST(any_byte_flipped_gives_the_one_before)
{
	struct buffer whole = { 0 };

	store(1, DOCUMENTS);
	store(2, DOCUMENTS);
	read_file("last-good", &whole);
	for (size_t i = 0; i < whole.size_bytes; i++) {
		char was = whole.bytes[i];

		whole.bytes[i] = (char)(was ^ (1 << i % 8));
		write_file("last-good", whole.bytes, whole.size_bytes);
		assert_falls_back("flipped", i);
		whole.bytes[i] = was;
	}
	buffer_append(&whole, "", 1);
	write_file("last-good", whole.bytes, whole.size_bytes);
	assert_falls_back("longer by one", whole.size_bytes);
	buffer_free(&whole);
}
END_TEST

/* Where the numbers of a file are; the layout is drawn in lastgood.h. */
enum {
	CHECKSUM_AT = 8,
	COVERED_AT = 16,
	BYTES_AT = 24,
	SEQ_AT = 32,
	COUNT_AT = 56,
	RECORDS_AT = 64,
	RAW_BYTES_AT = 88,
	SOURCES_BYTES_AT = 96,
	NAME_BYTES_AT = 104,
	NAME_AT = 112
};

/* Give a file the checksum that its bytes have now: its lengths may lie, its checksum does not. */
static void seal(struct buffer *bytes)
{
	uint64_t checksum = hash_bytes(bytes->bytes + COVERED_AT, bytes->size_bytes - COVERED_AT);

	memcpy(bytes->bytes + CHECKSUM_AT, &checksum, sizeof(checksum));
}

START_TEST(number_that_lies_under_a_right_checksum_is_found)
{
	static const uint64_t lies[] = { 0,	    1, 2, 4, 100, UINT32_MAX, UINT64_MAX / 2, UINT64_MAX - 7,
					 UINT64_MAX };
	static const size_t places[] = { BYTES_AT, COUNT_AT, RAW_BYTES_AT, SOURCES_BYTES_AT, NAME_BYTES_AT };
	struct buffer whole = { 0 };
	uint64_t truth;

	store(1, DOCUMENTS);
	store(2, DOCUMENTS);
	read_file("last-good", &whole);
	for (size_t place = 0; place < sizeof(places) / sizeof(places[0]); place++) {
		memcpy(&truth, whole.bytes + places[place], sizeof(truth));
		for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
			memcpy(whole.bytes + places[place], &lies[i], sizeof(lies[i]));
			seal(&whole);
			write_file("last-good", whole.bytes, whole.size_bytes);
			assert_falls_back("lie at", places[place]);
		}
		memcpy(whole.bytes + places[place], &truth, sizeof(truth));
	}
	memset(whole.bytes + SEQ_AT, 0, sizeof(uint64_t)); /* no commit has this number */
	seal(&whole);
	write_file("last-good", whole.bytes, whole.size_bytes);
	assert_falls_back("lie at", SEQ_AT);
	whole.bytes[SEQ_AT] = 2;
	seal(&whole);
	write_file("last-good", whole.bytes, whole.size_bytes);
	assert_loads(2, DOCUMENTS, &(struct message){ "" }); /* the places are right, and so is the seal */
	buffer_free(&whole);
}
END_TEST

START_TEST(name_that_is_no_string_is_found)
{
	struct buffer whole = { 0 };

	store(1, DOCUMENTS);
	store(2, DOCUMENTS);
	read_file("last-good", &whole);
	ck_assert_str_eq(whole.bytes + NAME_AT, "dir/0.xml");
	whole.bytes[NAME_AT + 3] = '\0'; /* ends too early */
	seal(&whole);
	write_file("last-good", whole.bytes, whole.size_bytes);
	assert_falls_back("NUL in name", 3);
	whole.bytes[NAME_AT + 3] = '/';
	whole.bytes[NAME_AT + 9] = 'x'; /* does not end */
	seal(&whole);
	write_file("last-good", whole.bytes, whole.size_bytes);
	assert_falls_back("no NUL in name", 9);
	buffer_free(&whole);
}
END_TEST

START_TEST(where_both_are_damaged_nothing_is_told)
{
	struct message message;

	store(1, DOCUMENTS);
	store(2, DOCUMENTS);
	write_file("last-good", "garbage", 7);
	write_file("last-good.1", "", 0);
	assert_loads_nothing(ZKCFG_ECORRUPT, &message);
	ck_assert_ptr_nonnull(strstr(message.text, path_of("last-good")));
	ck_assert_int_eq(unlink(path_of("last-good.1")), 0);
	assert_loads_nothing(ZKCFG_ECORRUPT, &message);
	ck_assert_ptr_nonnull(strstr(message.text, path_of("last-good")));
	ck_assert_int_eq(unlink(path_of("last-good")), 0);
	write_file("last-good.1", "garbage", 7);
	assert_loads_nothing(ZKCFG_ECORRUPT, &message);
	ck_assert_ptr_nonnull(strstr(message.text, path_of("last-good.1")));
}
END_TEST

START_TEST(what_cannot_be_read_is_named_with_the_reason)
{
	struct message message;

	store(1, DOCUMENTS);
	store(2, DOCUMENTS);
	ck_assert_int_eq(unlink(path_of("last-good")), 0);
	ck_assert_int_eq(mkdir(path_of("last-good"), 0700), 0);
	assert_loads(1, DOCUMENTS, &message);
	ck_assert_ptr_nonnull(strstr(message.text, "Is a directory"));
}
END_TEST

START_TEST(damaged_file_does_not_push_the_good_one_out)
{
	struct message message;

	store(1, DOCUMENTS);
	store(2, DOCUMENTS);
	write_file("last-good", "garbage", 7);
	store(3, DOCUMENTS);
	assert_loads(3, DOCUMENTS, &message);
	write_file("last-good", "garbage", 7);
	assert_loads(1, DOCUMENTS, &message); /* not the garbage of before */
}
END_TEST

START_TEST(crash_between_the_renames_leaves_the_one_before)
{
	struct buffer newest = { 0 };
	struct message message;

	store(1, DOCUMENTS);
	store(2, DOCUMENTS);
	read_file("last-good", &newest);
	write_file("last-good.1", newest.bytes, newest.size_bytes);
	write_file("last-good.next", "whatever", 8);
	ck_assert_int_eq(unlink(path_of("last-good")), 0);
	assert_loads(2, DOCUMENTS, &message);
	ck_assert_str_eq(message.text, "");
	store(3, DOCUMENTS); /* and what it left is no obstacle */
	assert_loads(3, DOCUMENTS, &message);
	ck_assert(!exists("last-good.next"));
	buffer_free(&newest);
}
END_TEST

START_TEST(what_tell_returns_ends_the_loading)
{
	struct loaded loaded = { .seq = 7, .result = -4711 };
	struct lastgood_head head;
	struct message message;

	store(7, DOCUMENTS);
	ck_assert_int_eq(lastgood_load(state_dir, "app", &head, tell, &loaded, &message), -4711);
	ck_assert_uint_eq(loaded.count, 1);
}
END_TEST

START_TEST(newest_of_many_is_written)
{
	struct lastgood *lastgood;
	struct buffer bytes = { 0 };
	struct message message;

	ck_assert_int_eq(lastgood_open(state_dir, "app", &lastgood, &message), 0);
	for (uint64_t seq = 1; seq <= 300; seq++) {
		build(seq, DOCUMENTS, false, &bytes);
		lastgood_store(lastgood, &bytes);
		ck_assert_ptr_null(bytes.bytes); /* its memory was taken */
		ck_assert_uint_eq(bytes.size_bytes, 0);
	}
	ck_assert(lastgood_flush(lastgood, FLUSH_MS));
	ck_assert(lastgood_idle(lastgood));
	assert_loads(300, DOCUMENTS, &message);
	build(301, DOCUMENTS, false, &bytes);
	lastgood_store(lastgood, &bytes);
	lastgood_close(lastgood); /* writes what it was handed */
	assert_loads(301, DOCUMENTS, &message);
}
END_TEST

START_TEST(some_file_can_be_loaded_whenever_the_writer_is_killed)
{
	struct buffer bytes = { 0 };
	struct lastgood *lastgood;
	struct lastgood_head head;
	struct message message;
	uint64_t newest = 1;
	pid_t pid;

	store(1, DOCUMENTS);
	for (int i = 0; i < 40; i++) {
		pid = fork();
		ck_assert_int_ge(pid, 0);
		if (pid == 0) {
			if (lastgood_open(state_dir, "app", &lastgood, &message) < 0)
				_exit(1);
			for (uint64_t seq = newest + 1;; seq++) {
				build(seq, DOCUMENTS, false, &bytes);
				lastgood_store(lastgood, &bytes);
				lastgood_flush(lastgood, FLUSH_MS);
			}
		}
		usleep((useconds_t)(1000 + i * 997 % 20000)); /* when it dies is to be any time */
		ck_assert_int_eq(kill(pid, SIGKILL), 0);
		ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
		ck_assert_int_eq(lastgood_load(state_dir, "app", &head, tell_nobody, NULL, &message), 0);
		ck_assert_uint_ge(head.seq, newest);
		newest = head.seq;
		assert_loads(newest, DOCUMENTS, &message);
		ck_assert_str_eq(message.text, "");
	}
	ck_assert_uint_gt(newest, 1);
}
END_TEST

START_TEST(trouble_is_told_until_a_file_is_written_again)
{
	struct rlimit limit;
	struct lastgood *lastgood;
	struct buffer bytes = { 0 };
	struct message message;

	store(1, DOCUMENTS);
	ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
	ck_assert_int_eq(lastgood_open(state_dir, "app", &lastgood, &message), 0);
	lastgood_trouble(lastgood, &message);
	ck_assert_str_eq(message.text, "");
	signal(SIGXFSZ, SIG_IGN);
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &(struct rlimit){ 100, limit.rlim_max }), 0);
	build(2, DOCUMENTS, false, &bytes);
	lastgood_store(lastgood, &bytes);
	ck_assert(lastgood_flush(lastgood, FLUSH_MS));
	lastgood_trouble(lastgood, &message);
	ck_assert_ptr_nonnull(strstr(message.text, state_dir));
	ck_assert_ptr_nonnull(strstr(message.text, strerror(EFBIG)));
	assert_loads(1, DOCUMENTS, &message); /* a disk without room costs nothing that was there */
	ck_assert_str_eq(message.text, "");
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	build(3, DOCUMENTS, false, &bytes);
	lastgood_store(lastgood, &bytes);
	ck_assert(lastgood_flush(lastgood, FLUSH_MS));
	lastgood_trouble(lastgood, &message);
	ck_assert_str_eq(message.text, "");
	lastgood_close(lastgood);
	assert_loads(3, DOCUMENTS, &message);
}
END_TEST

START_TEST(state_directory_that_cannot_be_is_named)
{
	struct lastgood *lastgood = NULL;
	struct message message;

	ck_assert_int_eq(mkdir(path_of(""), 0700), 0);
	write_file("file", "x", 1);
	ck_assert_int_eq(lastgood_open(path_of("file"), "app", &lastgood, &message), ZKCFG_ESYSTEM);
	ck_assert_ptr_null(lastgood);
	ck_assert_ptr_nonnull(strstr(message.text, path_of("file/app")));
	ck_assert_ptr_nonnull(strstr(message.text, strerror(ENOTDIR)));
}
END_TEST

START_TEST(flush_gives_up_in_time)
{
	struct lastgood *lastgood;
	struct buffer bytes = { 0 };
	struct message message;
	int writer;

	/* the writer hangs when it looks at the one that is there: a fifo that nobody writes */
	ck_assert_int_eq(lastgood_open(state_dir, "app", &lastgood, &message), 0);
	ck_assert_int_eq(mkfifo(path_of("last-good"), 0600), 0);
	build(1, DOCUMENTS, false, &bytes);
	lastgood_store(lastgood, &bytes);
	ck_assert(!lastgood_flush(lastgood, 200));
	ck_assert(!lastgood_idle(lastgood));
	build(2, DOCUMENTS, false, &bytes);
	lastgood_store(lastgood, &bytes); /* does not wait for it either */
	writer = open(path_of("last-good"), O_WRONLY);
	ck_assert_int_ge(writer, 0);
	close(writer);
	ck_assert(lastgood_flush(lastgood, FLUSH_MS));
	lastgood_close(lastgood);
	assert_loads(2, DOCUMENTS, &message);
}
END_TEST

START_TEST(closing_none_is_allowed)
{
	lastgood_close(NULL);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("lastgood");
	TCase *tcase = tcase_create("lastgood");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, make_state_dir, remove_state_dir);
	tcase_add_test(tcase, documents_come_back_as_they_were_stored);
	tcase_add_test(tcase, commit_of_no_document_comes_back);
	tcase_add_test(tcase, documents_may_be_empty_of_text_or_large);
	tcase_add_test(tcase, where_there_is_none_nothing_is_named);
	tcase_add_test(tcase, the_one_before_is_kept_and_no_more);
	tcase_add_test(tcase, nobody_else_may_read_the_files);
	tcase_add_test(tcase, final_is_told_of_the_newest_alone);
	tcase_add_test(tcase, file_cut_at_any_length_gives_the_one_before);
	tcase_add_test(tcase, any_byte_flipped_gives_the_one_before);
	tcase_add_test(tcase, number_that_lies_under_a_right_checksum_is_found);
	tcase_add_test(tcase, name_that_is_no_string_is_found);
	tcase_add_test(tcase, where_both_are_damaged_nothing_is_told);
	tcase_add_test(tcase, what_cannot_be_read_is_named_with_the_reason);
	tcase_add_test(tcase, damaged_file_does_not_push_the_good_one_out);
	tcase_add_test(tcase, crash_between_the_renames_leaves_the_one_before);
	tcase_add_test(tcase, what_tell_returns_ends_the_loading);
	tcase_add_test(tcase, newest_of_many_is_written);
	tcase_add_test(tcase, some_file_can_be_loaded_whenever_the_writer_is_killed);
	tcase_add_test(tcase, trouble_is_told_until_a_file_is_written_again);
	tcase_add_test(tcase, state_directory_that_cannot_be_is_named);
	tcase_add_test(tcase, flush_gives_up_in_time);
	tcase_add_test(tcase, closing_none_is_allowed);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
