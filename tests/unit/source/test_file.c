/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* The file source on real directories, with the steps that editors and tools take. */
#include "source/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utime.h>

#include <check.h>

#include "source/folder.h"
#include "support/source_host.h"

static struct source_host host;
static char top[64]; /* of the test; the root is top/conf */

static void begin(void)
{
	strcpy(top, "/tmp/zkcfg-file-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(top));
	ck_assert_int_eq(chdir(top), 0);
	ck_assert_int_eq(mkdir("conf", 0755), 0);
}

static void end(void)
{
	char command[192];

	source_host_end(&host);
	ck_assert_int_eq(chdir("/"), 0);
	snprintf(command, sizeof(command), "chmod -R u+rwX %s; rm -rf %s", top, top);
	ck_assert_int_eq(system(command), 0);
}

/* Opened, written, closed. */
static void put(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	ck_assert_msg(file != NULL, "%s: %s", path, strerror(errno));
	ck_assert_int_ge(fputs(text, file), 0);
	ck_assert_int_eq(fclose(file), 0);
}

/* The same, long ago. */
static void put_old(const char *path, const char *text)
{
	struct utimbuf times = { 1000000000, 1000000000 };

	put(path, text);
	ck_assert_int_eq(utime(path, &times), 0);
}

static void follow(const char *rest)
{
	char uri[256];

	snprintf(uri, sizeof(uri), "file://%s/%s", top, rest);
	source_host_begin(&host, uri);
}

static void follow_settled(const char *rest)
{
	follow(rest);
	SOURCE_HOST_UNTIL(&host, host.settled_count == 1 && host.state == SOURCE_FOLLOWING);
}

#define UNTIL(condition) SOURCE_HOST_UNTIL(&host, condition)
#define HAS(name, text) source_host_has(&host, name, text)

static bool is_gone(const char *name)
{
	const struct host_document *document = source_host_find(&host, name);

	return document && !document->bytes;
}

/* --- what is a document ----------------------------------------------------------- */

START_TEST(files_below_the_directory_are_documents)
{
	ck_assert_int_eq(mkdir("conf/sub", 0755), 0);
	ck_assert_int_eq(mkdir("conf/sub/deep", 0755), 0);
	ck_assert_int_eq(mkdir("conf/.git", 0755), 0);
	put_old("conf/a.xml", "<a/>");
	put_old("conf/sub/b.xml", "<b/>");
	put_old("conf/sub/deep/gr\xc3\xbc\xc3\x9f.xml", "<c/>");
	put_old("conf/empty", "");
	put_old("conf/.hidden.xml", "no");
	put_old("conf/.git/x.xml", "no");
	put_old("conf/a.xml~", "no");
	put_old("conf/bad\xff.xml", "no");
	follow_settled("conf");
	ck_assert_uint_eq(source_host_count(&host), 4);
	ck_assert(HAS("a.xml", "<a/>") && HAS("sub/b.xml", "<b/>") && HAS("empty", "") &&
		  HAS("sub/deep/gr\xc3\xbc\xc3\x9f.xml", "<c/>"));
	UNTIL(host.verified_count > 1);
}
END_TEST

START_TEST(one_file_is_one_document)
{
	put_old("conf/one.xml", "<v>1</v>");
	put_old("conf/two.xml", "no");
	follow_settled("conf/one.xml");
	ck_assert(HAS("one.xml", "<v>1</v>"));
	put("conf/two.xml", "no");
	put("conf/one.xml", "<v>2</v>");
	UNTIL(HAS("one.xml", "<v>2</v>"));
	put("conf/.tmp", "<v>3</v>");
	ck_assert_int_eq(rename("conf/.tmp", "conf/one.xml"), 0);
	UNTIL(HAS("one.xml", "<v>3</v>"));
	ck_assert_uint_eq(source_host_count(&host), 1);
	ck_assert_int_eq(unlink("conf/one.xml"), 0);
	UNTIL(is_gone("one.xml"));
	ck_assert_int_eq(host.state, SOURCE_FOLLOWING);
	put("conf/one.xml", "<v>4</v>");
	UNTIL(HAS("one.xml", "<v>4</v>"));
}
END_TEST

START_TEST(pattern_says_which)
{
	put_old("conf/a.xml", "<a/>");
	put_old("conf/README", "text");
	follow_settled("conf?match=*.xml");
	put("conf/b.txt", "text");
	put("conf/b.xml", "<b/>");
	UNTIL(HAS("b.xml", "<b/>"));
	ck_assert_uint_eq(source_host_count(&host), 2);
}
END_TEST

static const char *const ignored[] = { ".a",	     "..data",	 "a~",	   "#a#",      ".#a",	     "a.swp",
				       "a.dpkg-new", "a.rpmnew", "a.swx", "a.ucf-dist", "x___jb_tmp___" };
static const char *const taken[] = { "a", "a.xml", "#a", "a#", "swp", "4913", "~a", "a.new" };

START_TEST(what_editors_leave_is_no_document)
{
	for (size_t i = 0; i < sizeof(ignored) / sizeof(*ignored); i++)
		ck_assert_msg(file_is_ignored(ignored[i]), "%s", ignored[i]);
	for (size_t i = 0; i < sizeof(taken) / sizeof(*taken); i++)
		ck_assert_msg(!file_is_ignored(taken[i]), "%s", taken[i]);
}
END_TEST

/* --- how files change ---------------------------------------------------------------- */

START_TEST(change_by_writing_in_place_arrives_when_it_is_closed)
{
	FILE *file;

	put_old("conf/a.xml", "<v>1</v>");
	follow_settled("conf?settle=1m");
	file = fopen("conf/a.xml", "w");
	fputs("<v>half", file);
	fflush(file);
	source_host_run(&host, 300);
	ck_assert(HAS("a.xml", "<v>1</v>"));
	fputs("</v>", file);
	fclose(file);
	UNTIL(HAS("a.xml", "<v>half</v>"));
	ck_assert_uint_eq(source_host_find(&host, "a.xml")->told_count, 2);
	ck_assert_uint_gt(host.contacts[SOURCE_TOLD], 0);
}
END_TEST

START_TEST(writer_that_stays_open_is_read_when_it_is_quiet)
{
	FILE *file;

	put_old("conf/a.xml", "<v>1</v>");
	follow_settled("conf?settle=200ms");
	file = fopen("conf/a.xml", "w");
	for (int i = 0; i < 8; i++) {
		fputs("<v/>", file);
		fflush(file);
		source_host_run(&host, 60);
		ck_assert(HAS("a.xml", "<v>1</v>"));
	}
	UNTIL(HAS("a.xml", "<v/><v/><v/><v/><v/><v/><v/><v/>"));
	fclose(file);
	source_host_run(&host, 50);
	ck_assert_uint_eq(source_host_find(&host, "a.xml")->told_count, 2);
}
END_TEST

/* The same file as is open before we begin: no event tells of it. */
START_TEST(file_that_was_being_written_at_the_start_waits)
{
	FILE *file = fopen("conf/a.xml", "w");

	put_old("conf/b.xml", "<b/>");
	fputs("<v>ha", file);
	fflush(file);
	follow("conf?settle=300ms");
	UNTIL(HAS("b.xml", "<b/>"));
	source_host_run(&host, 150);
	ck_assert(!source_host_find(&host, "a.xml") || !source_host_find(&host, "a.xml")->bytes);
	ck_assert_uint_eq(host.settled_count, 0);
	fputs("lf</v>", file);
	fclose(file);
	UNTIL(HAS("a.xml", "<v>half</v>"));
	ck_assert_uint_eq(source_host_find(&host, "a.xml")->told_count, 1);
	UNTIL(host.settled_count == 1);
}
END_TEST

START_TEST(change_by_rename_arrives)
{
	put_old("conf/a.xml", "<v>1</v>");
	follow_settled("conf?settle=1m");
	put("conf/.a.xml.new", "<v>2</v>");
	ck_assert_int_eq(rename("conf/.a.xml.new", "conf/a.xml"), 0);
	UNTIL(HAS("a.xml", "<v>2</v>"));
	put("elsewhere", "<v>3</v>");
	ck_assert_int_eq(rename("elsewhere", "conf/a.xml"), 0);
	UNTIL(HAS("a.xml", "<v>3</v>"));
	ck_assert_uint_eq(host.removed_count, 0);
}
END_TEST

/* vi with a backup: the file goes, a new one is written, the backup goes. */
START_TEST(file_that_is_away_for_a_moment_is_not_gone)
{
	put_old("conf/a.xml", "<v>1</v>");
	follow_settled("conf?settle=400ms");
	for (int i = 2; i < 6; i++) {
		char text[32];

		snprintf(text, sizeof(text), "<v>%d</v>", i);
		put("conf/4913", "");
		ck_assert_int_eq(unlink("conf/4913"), 0);
		put("conf/a.xml", "not to be seen"); /* gone again before it can be looked at */
		ck_assert_int_eq(rename("conf/a.xml", "conf/a.xml~"), 0);
		source_host_run(&host, 50);
		put("conf/a.xml", text);
		ck_assert_int_eq(unlink("conf/a.xml~"), 0);
		UNTIL(HAS("a.xml", text));
	}
	ck_assert_uint_eq(host.removed_count, 0);
	ck_assert_uint_eq(source_host_count(&host), 1);
}
END_TEST

START_TEST(removal_and_return_are_told)
{
	uint64_t before;

	put_old("conf/a.xml", "<v>1</v>");
	put_old("conf/b.xml", "<b/>");
	follow_settled("conf?settle=50ms");
	before = source_host_find(&host, "a.xml")->revision.modified;
	ck_assert_int_eq(unlink("conf/a.xml"), 0);
	UNTIL(is_gone("a.xml"));
	ck_assert_uint_eq(host.removed_count, 1);
	put("conf/a.xml", "<v>1</v>");
	UNTIL(HAS("a.xml", "<v>1</v>"));
	ck_assert_uint_gt(source_host_find(&host, "a.xml")->revision.modified, before);
}
END_TEST

START_TEST(what_is_the_same_is_not_told_again)
{
	put_old("conf/a.xml", "<v>1</v>");
	follow_settled("conf");
	put("conf/a.xml", "<v>1</v>");
	ck_assert_int_eq(chmod("conf/a.xml", 0600), 0);
	put("conf/b.xml", "<b/>");
	UNTIL(HAS("b.xml", "<b/>"));
	source_host_run(&host, 700);
	ck_assert_uint_eq(source_host_find(&host, "a.xml")->told_count, 1);
}
END_TEST

START_TEST(last_of_many_quick_changes_arrives)
{
	char text[32] = "";

	put_old("conf/a.xml", "<v>0</v>");
	follow_settled("conf");
	for (int i = 1; i <= 1000; i++) {
		snprintf(text, sizeof(text), "<v>%d</v>", i);
		if (i % 2) {
			put("conf/a.xml", text);
		} else {
			put("conf/.n", text);
			ck_assert_int_eq(rename("conf/.n", "conf/a.xml"), 0);
		}
		if (i % 100 == 0)
			source_host_run(&host, 1);
	}
	UNTIL(HAS("a.xml", text));
}
END_TEST

/* More events than the kernel keeps. */
START_TEST(queue_that_overflows_loses_nothing)
{
	char path[64], text[32];
	unsigned int limit = 16384;
	FILE *file = fopen("/proc/sys/fs/inotify/max_queued_events", "r");

	ck_assert_int_eq(fscanf(file, "%u", &limit), 1);
	fclose(file);
	put_old("conf/last.xml", "<v>1</v>");
	follow_settled("conf?settle=20ms");
	for (unsigned int i = 0; i < limit; i++) {
		snprintf(path, sizeof(path), "conf/f%u", i % 50);
		snprintf(text, sizeof(text), "<v>%u</v>", i);
		put(path, text);
	}
	put("conf/last.xml", "<v>2</v>");
	UNTIL(HAS("last.xml", "<v>2</v>") && HAS(path + 5, text) && source_host_count(&host) == 51);
}
END_TEST

/* --- directories ----------------------------------------------------------------------- */

START_TEST(directories_come_go_and_move)
{
	follow_settled("conf?settle=50ms");
	ck_assert_int_eq(mkdir("conf/x", 0755), 0);
	ck_assert_int_eq(mkdir("conf/x/y", 0755), 0);
	put("conf/x/y/a.xml", "<v>1</v>");
	UNTIL(HAS("x/y/a.xml", "<v>1</v>"));
	put("conf/x/y/a.xml", "<v>2</v>");
	UNTIL(HAS("x/y/a.xml", "<v>2</v>"));
	ck_assert_int_eq(rename("conf/x", "conf/z"), 0);
	UNTIL(HAS("z/y/a.xml", "<v>2</v>") && is_gone("x/y/a.xml"));
	put("conf/z/y/a.xml", "<v>3</v>");
	UNTIL(HAS("z/y/a.xml", "<v>3</v>"));
	ck_assert_int_eq(rename("conf/z", "away"), 0);
	UNTIL(is_gone("z/y/a.xml"));
	put("away/y/a.xml", "<v>4</v>");
	ck_assert_int_eq(rename("away", "conf/z"), 0);
	UNTIL(HAS("z/y/a.xml", "<v>4</v>"));
	ck_assert_int_eq(system("rm -r conf/z"), 0);
	UNTIL(is_gone("z/y/a.xml"));
}
END_TEST

START_TEST(root_that_is_not_there_is_waited_for)
{
	ck_assert_int_eq(rmdir("conf"), 0);
	follow("conf/deep/er");
	UNTIL(host.state == SOURCE_CONNECTING);
	ck_assert_msg(strstr(host.detail, "/conf/deep/er: No such file or directory; waited for"), "%s", host.detail);
	ck_assert_int_eq(system("mkdir -p conf/deep/er && echo -n '<v/>' >conf/deep/er/a.xml"), 0);
	UNTIL(HAS("a.xml", "<v/>") && host.state == SOURCE_FOLLOWING && host.settled_count > 0);
	ck_assert_str_eq(host.detail, "");
}
END_TEST

START_TEST(root_that_goes_takes_nothing_with_it)
{
	unsigned int verified;

	put_old("conf/a.xml", "<v>1</v>");
	follow_settled("conf?settle=50ms");
	ck_assert_int_eq(rename("conf", "moved"), 0);
	UNTIL(host.state == SOURCE_AWAY);
	verified = host.verified_count;
	put("moved/a.xml", "<v>2</v>");
	source_host_run(&host, 1300);
	ck_assert(HAS("a.xml", "<v>1</v>"));
	ck_assert_uint_eq(host.verified_count, verified);
	ck_assert_int_eq(rename("moved", "conf"), 0);
	UNTIL(HAS("a.xml", "<v>2</v>") && host.state == SOURCE_FOLLOWING);
	ck_assert_int_eq(system("rm -r conf"), 0);
	UNTIL(host.state == SOURCE_AWAY);
	source_host_run(&host, 200);
	ck_assert_uint_eq(host.removed_count, 0);
	ck_assert_int_eq(system("mkdir conf && echo -n '<b/>' >conf/b.xml"), 0);
	UNTIL(HAS("b.xml", "<b/>") && is_gone("a.xml"));
}
END_TEST

START_TEST(link_that_is_swapped_is_followed)
{
	ck_assert_int_eq(system("mkdir -p releases/1/conf releases/2/conf"), 0);
	put_old("releases/1/conf/a.xml", "<v>1</v>");
	put_old("releases/2/conf/a.xml", "<v>2</v>");
	ck_assert_int_eq(symlink("releases/1", "current"), 0);
	follow_settled("current/conf");
	ck_assert(HAS("a.xml", "<v>1</v>"));
	ck_assert_int_eq(symlink("releases/2", "next"), 0);
	ck_assert_int_eq(rename("next", "current"), 0);
	UNTIL(HAS("a.xml", "<v>2</v>"));
	put("releases/1/conf/a.xml", "no");
	put("releases/2/conf/a.xml", "<v>3</v>");
	UNTIL(HAS("a.xml", "<v>3</v>"));
}
END_TEST

START_TEST(links_to_files_are_followed)
{
	ck_assert_int_eq(mkdir("store", 0755), 0);
	put_old("store/1", "<v>1</v>");
	put_old("store/2", "<v>2</v>");
	ck_assert_int_eq(symlink("../store/1", "conf/a.xml"), 0);
	ck_assert_int_eq(symlink("nothing", "conf/dangling.xml"), 0);
	follow_settled("conf?settle=50ms");
	ck_assert_uint_eq(source_host_count(&host), 1);
	ck_assert(HAS("a.xml", "<v>1</v>"));
	put("store/1", "<v>1.1</v>");
	UNTIL(HAS("a.xml", "<v>1.1</v>"));
	ck_assert_int_eq(symlink("../store/2", "conf/.n"), 0);
	ck_assert_int_eq(rename("conf/.n", "conf/a.xml"), 0);
	UNTIL(HAS("a.xml", "<v>2</v>"));
	put("store/.n", "<v>2.1</v>");
	ck_assert_int_eq(rename("store/.n", "store/2"), 0);
	UNTIL(HAS("a.xml", "<v>2.1</v>"));
}
END_TEST

START_TEST(links_in_circles_end)
{
	put_old("conf/a.xml", "<v>1</v>");
	ck_assert_int_eq(mkdir("conf/sub", 0755), 0);
	ck_assert_int_eq(symlink("..", "conf/sub/up"), 0);
	ck_assert_int_eq(symlink("..", "conf/sub/again"), 0);
	ck_assert_int_eq(symlink("self", "conf/self"), 0);
	follow_settled("conf");
	ck_assert_uint_eq(source_host_count(&host), 1);
}
END_TEST

/* Two names of one directory: the kernel has one watch for both. */
START_TEST(directory_with_two_names_is_told_under_both)
{
	ck_assert_int_eq(mkdir("conf/x", 0755), 0);
	ck_assert_int_eq(symlink("x", "conf/y"), 0);
	put_old("conf/x/a.xml", "<v>1</v>");
	follow_settled("conf?settle=50ms");
	ck_assert(HAS("x/a.xml", "<v>1</v>") && HAS("y/a.xml", "<v>1</v>"));
	put("conf/x/a.xml", "<v>2</v>");
	UNTIL(HAS("x/a.xml", "<v>2</v>") && HAS("y/a.xml", "<v>2</v>"));
}
END_TEST

/* --- trouble ------------------------------------------------------------------------------ */

START_TEST(what_cannot_be_read_is_trouble_and_stays)
{
	if (geteuid() == 0) /* root may read anything: be somebody else */
		ck_assert_int_eq(chown(top, 65534, 65534) | chown("conf", 65534, 65534) | seteuid(65534), 0);
	put_old("conf/a.xml", "<v>1</v>");
	ck_assert_int_eq(mkdir("conf/sub", 0755), 0);
	put_old("conf/sub/b.xml", "<b/>");
	follow_settled("conf?settle=20ms");
	ck_assert_int_eq(chmod("conf/sub", 0), 0);
	UNTIL(strstr(source_host_trouble(&host, "sub"), "the directory cannot be read: Permission denied"));
	put("conf/a.xml", "<v>2</v>");
	ck_assert_int_eq(chmod("conf/a.xml", 0), 0);
	UNTIL(strstr(source_host_trouble(&host, "a.xml"), "the file cannot be read: Permission denied"));
	ck_assert(HAS("sub/b.xml", "<b/>"));
	ck_assert_uint_eq(host.removed_count, 0);
	ck_assert_int_eq(chmod("conf/a.xml", 0600), 0);
	ck_assert_int_eq(chmod("conf/sub", 0755), 0);
	UNTIL(*source_host_trouble(&host, "a.xml") == '\0' && HAS("a.xml", "<v>2</v>"));
	UNTIL(*source_host_trouble(&host, "sub") == '\0');
	ck_assert(HAS("sub/b.xml", "<b/>"));
	ck_assert_int_eq(chmod("conf", 0), 0);
	UNTIL(host.state == SOURCE_REFUSED);
	ck_assert_ptr_nonnull(strstr(host.detail, "Permission denied"));
	ck_assert_int_eq(chmod("conf", 0755), 0);
	UNTIL(host.state == SOURCE_FOLLOWING);
	ck_assert_uint_eq(host.removed_count, 0);
}
END_TEST

START_TEST(too_large_a_file_is_trouble_with_the_limit)
{
	put_old("conf/a.xml", "<v>1</v>");
	follow_settled("conf?settle=20ms");
	ck_assert_int_eq(truncate("conf/a.xml", FOLDER_FILE_MOST_BYTES + 1), 0);
	UNTIL(strstr(source_host_trouble(&host, "a.xml"), "more than 16777216 bytes (16 MiB)"));
	ck_assert(HAS("a.xml", "<v>1</v>"));
	ck_assert_int_eq(truncate("conf/a.xml", FOLDER_FILE_MOST_BYTES), 0);
	UNTIL(source_host_find(&host, "a.xml")->size_bytes == FOLDER_FILE_MOST_BYTES);
	ck_assert_str_eq(source_host_trouble(&host, "a.xml"), "");
}
END_TEST

START_TEST(pipe_is_no_document_and_does_not_block)
{
	ck_assert_int_eq(mkfifo("conf/pipe", 0600), 0);
	put_old("conf/a.xml", "<v>1</v>");
	follow("conf?settle=0");
	UNTIL(strstr(source_host_trouble(&host, "pipe"), "no regular file"));
	UNTIL(HAS("a.xml", "<v>1</v>") && host.settled_count > 0);
}
END_TEST

/* --- without being told -------------------------------------------------------------------- */

START_TEST(polling_finds_all_that_changes)
{
	put_old("conf/a.xml", "<v>1</v>");
	put_old("conf/b.xml", "<b/>");
	follow_settled("conf?poll=100ms&settle=0");
	put("conf/a.xml", "<v>2</v>");
	ck_assert_int_eq(unlink("conf/b.xml"), 0);
	ck_assert_int_eq(mkdir("conf/x", 0755), 0);
	put("conf/x/c.xml", "<c/>");
	UNTIL(HAS("a.xml", "<v>2</v>") && is_gone("b.xml") && HAS("x/c.xml", "<c/>"));
	ck_assert_uint_eq(host.contacts[SOURCE_TOLD], 0);
	ck_assert_uint_gt(host.contacts[SOURCE_ASKED], 0);
	UNTIL(host.verified_count > 2);
	ck_assert_int_eq(rename("conf", "moved"), 0);
	UNTIL(host.state == SOURCE_AWAY);
	ck_assert_int_eq(rename("moved", "conf"), 0);
	UNTIL(host.state == SOURCE_FOLLOWING);
}
END_TEST

START_TEST(polling_waits_for_a_root)
{
	ck_assert_int_eq(rmdir("conf"), 0);
	follow("conf?mode=pull&interval=100ms&settle=0");
	UNTIL(host.state == SOURCE_CONNECTING);
	ck_assert_int_eq(system("mkdir conf && echo -n '<v/>' >conf/a.xml"), 0);
	UNTIL(HAS("a.xml", "<v/>") && host.state == SOURCE_FOLLOWING);
}
END_TEST

/* A write through a mapping changes a file, and inotify says nothing of it. */
START_TEST(audit_finds_what_nothing_told_and_counts_it)
{
	struct utimbuf times = { 1000000001, 1000000001 };
	int fd;

	put_old("conf/a.xml", "<v>1</v>");
	put_old("conf/b.xml", "<b/>");
	host.repairs = true;
	/* a hard link from elsewhere: what is written through it is told of there only */
	ck_assert_int_eq(link("conf/a.xml", "other"), 0);
	follow_settled("conf?audit=1s&settle=50ms");
	fd = open("other", O_WRONLY);
	ck_assert_int_eq(write(fd, "<v>2</v>", 8), 8);
	close(fd);
	ck_assert_int_eq(utime("other", &times), 0);
	UNTIL(HAS("a.xml", "<v>2</v>"));
	ck_assert_uint_eq(host.repaired_count, 1);
	ck_assert_uint_gt(host.contacts[SOURCE_ASKED], 0);
	put("conf/b.xml", "<b>2</b>");
	source_host_run(&host, 2500);
	ck_assert_uint_eq(host.repaired_count, 1);
}
END_TEST

/* --- the URI ---------------------------------------------------------------------------------- */

static const struct {
	const char *uri, *expected;
} wrongs[] = {
	{ "file://host/a", "host stands where a host would; expected three slashes" },
	{ "file:///a?settle=", "settle is \"\"; expected a duration of 0 to 1 m, as 500ms" },
	{ "file:///a?settle=61s", "0 to 1 m" },
	{ "file:///a?match=", "match is \"\"; expected a pattern" },
	{ "file:///a?match=a/b", "match is \"a/b\"" },
	{ "file:///a?poll=", "poll is \"\"; expected a duration of 100 ms to 24 h, as 5s" },
	{ "file:///a?poll=1ms", "100 ms to 24 h" },
	{ "file:///a?interval=5s", "interval is given without mode=pull" },
	{ "file:///a?x=1", "the option x is not known; expected mode, interval, audit, settle, match, poll" },
	{ "file:///a?audit=1ms", "audit is \"1ms\"" },
};

START_TEST(wrong_uri_is_refused_with_what_was_expected)
{
	static const struct source_events none = { 0 };
	struct message message = { "" };
	struct source *source = NULL;

	ck_assert_int_eq(file_source.open(wrongs[_i].uri, &none, NULL, &source, &message), -EINVAL);
	ck_assert_msg(strstr(message.text, wrongs[_i].expected), "%s: %s", wrongs[_i].uri, message.text);
	ck_assert_ptr_null(source);
}
END_TEST

/* --- writing ------------------------------------------------------------------------------------ */

static enum source_result write_at(const char *path, const char *text, int64_t if_version, struct message *message)
{
	struct source_change change = { text, strlen(text), if_version, 1000 };
	int64_t version = 7;
	char uri[256];

	snprintf(uri, sizeof(uri), "file://%s/%s", top, path);
	return file_put(uri, &change, &version, message);
}

static enum source_result remove_at(const char *path, int64_t if_version, struct message *message)
{
	struct source_change change = { NULL, 0, if_version, 1000 };
	char uri[256];

	snprintf(uri, sizeof(uri), "file://%s/%s", top, path);
	return file_remove(uri, &change, message);
}

START_TEST(put_and_remove_are_seen_by_who_follows)
{
	struct message message = { "" };

	follow_settled("conf?settle=20ms");
	ck_assert_int_eq(write_at("conf/new/a.xml", "<v>1</v>", -1, &message), SOURCE_DONE);
	UNTIL(HAS("new/a.xml", "<v>1</v>"));
	ck_assert_int_eq(write_at("conf/new/a.xml", "<v>2</v>", -1, &message), SOURCE_DONE);
	UNTIL(HAS("new/a.xml", "<v>2</v>"));
	ck_assert_int_eq(remove_at("conf/new/a.xml", -1, &message), SOURCE_DONE);
	UNTIL(is_gone("new/a.xml"));
	ck_assert_uint_eq(host.told_count, 2);
}
END_TEST

START_TEST(what_cannot_be_written_says_why)
{
	struct message message = { "" };
	struct stat stat_now;

	ck_assert_int_eq(write_at("conf/a", "x", 3, &message), SOURCE_INVALID);
	ck_assert_ptr_nonnull(strstr(message.text, "files have no versions"));
	ck_assert_int_eq(write_at("conf/.a", "x", -1, &message), SOURCE_INVALID);
	ck_assert_ptr_nonnull(strstr(message.text, "is not the path of a document"));
	put("file", "");
	ck_assert_int_eq(write_at("file/a", "x", -1, &message), SOURCE_FAILED);
	ck_assert_ptr_nonnull(strstr(message.text, "cannot be written: Not a directory"));
	ck_assert_int_eq(remove_at("conf/none", -1, &message), SOURCE_MISSING);
	ck_assert_ptr_nonnull(strstr(message.text, "there is no file"));
	ck_assert_int_eq(mkdir("conf/d", 0755), 0);
	ck_assert_int_eq(remove_at("conf/d", -1, &message), SOURCE_INVALID);
	ck_assert_ptr_nonnull(strstr(message.text, "it is a directory"));
	put("conf/m", "x");
	ck_assert_int_eq(chmod("conf/m", 0640), 0);
	ck_assert_int_eq(write_at("conf/m", "y", -1, &message), SOURCE_DONE);
	ck_assert_int_eq(stat("conf/m", &stat_now), 0);
	ck_assert_uint_eq(stat_now.st_mode & 0777, 0640);
}
END_TEST

static Suite *file_suite(void)
{
	Suite *suite = suite_create("file");
	TCase *tcase = tcase_create("file"), *uris = tcase_create("uris");

	tcase_add_checked_fixture(tcase, begin, end);
	tcase_add_test(tcase, files_below_the_directory_are_documents);
	tcase_add_test(tcase, one_file_is_one_document);
	tcase_add_test(tcase, pattern_says_which);
	tcase_add_test(tcase, what_editors_leave_is_no_document);
	tcase_add_test(tcase, change_by_writing_in_place_arrives_when_it_is_closed);
	tcase_add_test(tcase, writer_that_stays_open_is_read_when_it_is_quiet);
	tcase_add_test(tcase, file_that_was_being_written_at_the_start_waits);
	tcase_add_test(tcase, change_by_rename_arrives);
	tcase_add_test(tcase, file_that_is_away_for_a_moment_is_not_gone);
	tcase_add_test(tcase, removal_and_return_are_told);
	tcase_add_test(tcase, what_is_the_same_is_not_told_again);
	tcase_add_test(tcase, last_of_many_quick_changes_arrives);
	tcase_add_test(tcase, queue_that_overflows_loses_nothing);
	tcase_add_test(tcase, directories_come_go_and_move);
	tcase_add_test(tcase, root_that_is_not_there_is_waited_for);
	tcase_add_test(tcase, root_that_goes_takes_nothing_with_it);
	tcase_add_test(tcase, link_that_is_swapped_is_followed);
	tcase_add_test(tcase, links_to_files_are_followed);
	tcase_add_test(tcase, links_in_circles_end);
	tcase_add_test(tcase, directory_with_two_names_is_told_under_both);
	tcase_add_test(tcase, what_cannot_be_read_is_trouble_and_stays);
	tcase_add_test(tcase, too_large_a_file_is_trouble_with_the_limit);
	tcase_add_test(tcase, pipe_is_no_document_and_does_not_block);
	tcase_add_test(tcase, polling_finds_all_that_changes);
	tcase_add_test(tcase, polling_waits_for_a_root);
	tcase_add_test(tcase, audit_finds_what_nothing_told_and_counts_it);
	tcase_add_test(tcase, put_and_remove_are_seen_by_who_follows);
	tcase_add_test(tcase, what_cannot_be_written_says_why);
	suite_add_tcase(suite, tcase);
	tcase_add_loop_test(uris, wrong_uri_is_refused_with_what_was_expected, 0,
			    sizeof(wrongs) / sizeof(*wrongs));
	suite_add_tcase(suite, uris);
	return suite;
}

int main(void)
{
	SRunner *runner = srunner_create(file_suite());
	int failed;

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
