/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "hook/hook.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>

#include "base/clock.h"
#include "base/file.h"
#include "hook/environment.h"
#include "hook/pid_file.h"
#include "hook/record.h"
#include "support/segment_host.h"

static struct segment_host host;
static struct event_base *loop;
static struct hook_config config;
static struct hook *hook;
static struct hook_status status;
static struct message message;
static char directory[64], state_dir[96];
static unsigned call_count;

static const char *in_directory(const char *name)
{
	static char paths[4][160];
	static unsigned next;
	char *path = paths[next++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s", directory, name);
	return path;
}

static void put(const char *name, const char *bytes)
{
	FILE *file = fopen(in_directory(name), "w");

	ck_assert_ptr_nonnull(file);
	fputs(bytes, file);
	ck_assert_int_eq(fclose(file), 0);
}

/* A file's text; "-" is no file. */
static const char *text_of(const char *name)
{
	static struct buffer text;

	buffer_clear(&text);
	if (file_read(in_directory(name), 1 << 20, &text) < 0)
		return "-";
	buffer_append(&text, "", 1);
	return text.bytes;
}

static void set_text(char **at, const char *text)
{
	free(*at);
	*at = strdup(text);
}

static void start(void)
{
	segment_host_start(&host);
	segment_host_open(&host);
	strcpy(directory, "/tmp/zkcfg-hook-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(directory));
	snprintf(state_dir, sizeof(state_dir), "%s/state", directory);
	loop = event_base_new();
	hook_config_init(&config);
	set_text(&config.name, "reload");
	set_text(&config.set, "app");
	config.debounce_max_ms = 200;
	config.retry_min_ms = 100;
	config.retry_max_ms = 400;
	config.limit_ms = 10000;
	hook = NULL;
	call_count = 0;
}

static void close_hook(void)
{
	hook_close(hook);
	hook = NULL;
}

static void stop(void)
{
	close_hook();
	hook_config_free(&config);
	event_base_free(loop);
	segment_host_stop(&host);
	segment_host_remove(directory);
}

/* A file that is a document as it is. */
static struct hook_render *render_raw(const char *document, const char *file)
{
	struct hook_render *render = hook_config_add_render(&config);

	render->document = strdup(document);
	render->file = strdup(in_directory(file));
	return render;
}

static void watch(const char *document, const char *path)
{
	struct hook_filter *filter = hook_config_add_filter(&config);

	filter->document = strdup(document);
	filter->path = path ? strdup(path) : NULL;
}

/* A shell's command in our directory. */
static void command(char **at, const char *text)
{
	char line[512];

	snprintf(line, sizeof(line), "cd %s && %s", directory, text);
	set_text(at, line);
	config.is_shell = true;
	if (at == &config.command)
		config.action = HOOK_COMMAND;
}

static void on_call(void *user, struct hook *called)
{
	(void)user;
	call_count++;
	hook_acted(called, NULL);
}

static void open_hook_at(const char *remembered)
{
	struct hook_parts parts = { .config = &config,
				    .shm_dir = host.shm_dir,
				    .state_dir = remembered,
				    .loop = loop,
				    .call = on_call };

	ck_assert_msg(hook_open(&parts, &hook, &message) == 0, "%s", message.text);
}

static void open_hook(void)
{
	open_hook_at(state_dir);
}

/* Let the loop go on for a little. */
static void turn(void)
{
	struct timeval soon = { .tv_usec = 2000 };

	event_base_loopexit(loop, &soon);
	event_base_dispatch(loop);
	hook_status(hook, &status);
}

#define UNTIL(condition)                                                                              \
	do {                                                                                          \
		int64_t deadline_ns_ = clock_monotonic_ns() + 20 * CLOCK_NS_PER_S;                    \
		hook_status(hook, &status);                                                           \
		while (!(condition)) {                                                                \
			ck_assert_msg(clock_monotonic_ns() < deadline_ns_, "never: %s; it is %s: %s", \
				      #condition, hook_state_name(status.state), status.error);       \
			turn();                                                                       \
		}                                                                                     \
	} while (0)

static void turn_for(int64_t ms)
{
	int64_t end_ns = clock_monotonic_ns() + ms * CLOCK_NS_PER_MS;

	while (clock_monotonic_ns() < end_ns)
		turn();
}

static void until_applied(uint64_t seq)
{
	UNTIL(status.state == HOOK_IDLE && status.applied_seq == seq);
}

static uint64_t publish(const char *name, const char *xml)
{
	return segment_host_publish(&host, name, xml);
}

START_TEST(document_is_put_in_place_and_the_command_told)
{
	uint64_t seq = publish("a.xml", "<a>1</a>");

	render_raw("a.xml", "out");
	command(&config.command, "echo $ZKCFG_HOOK $ZKCFG_SET $ZKCFG_SEQ $ZKCFG_CHANGED $ZKCFG_FILE >>told");
	open_hook();
	until_applied(seq);
	ck_assert_str_eq(text_of("out"), "<a>1</a>");
	seq = publish("a.xml", "<a>2</a>");
	until_applied(seq);
	ck_assert_str_eq(text_of("out"), "<a>2</a>");
	ck_assert_uint_eq(status.run_count, 2);
	ck_assert_uint_eq(status.failure_count, 0);
	ck_assert_int_ge(status.duration_ms, 0);
	{
		char expected[300];

		snprintf(expected, sizeof(expected), "reload app 1 a.xml %s\nreload app 2 a.xml %s\n",
			 in_directory("out"), in_directory("out"));
		ck_assert_str_eq(text_of("told"), expected);
	}
	ck_assert_int_lt(access(in_directory(".out.zkcfg"), F_OK), 0);
}
END_TEST

START_TEST(only_what_is_looked_at_counts)
{
	uint64_t seq;

	publish("a.xml", "<a port=\"1\"><b>1</b></a>");
	publish("c/d.xml", "<d/>");
	watch("a.xml", "/a/b[1]");
	watch("c/*", NULL);
	command(&config.command, "echo $ZKCFG_CHANGED_COUNT $ZKCFG_CHANGED >>told");
	open_hook();
	until_applied(2);
	seq = publish("a.xml", "<a port=\"2\"><b>1</b></a>");
	until_applied(seq);
	seq = publish("b.xml", "<b/>");
	until_applied(seq);
	seq = publish("c/e/f.xml", "<b/>");
	until_applied(seq);
	ck_assert_uint_eq(status.run_count, 1);
	seq = publish("a.xml", "<a port=\"2\"><b x=\"1\">1</b></a>");
	until_applied(seq);
	seq = publish("c/g.xml", "<g/>");
	until_applied(seq);
	seq = publish("c/d.xml", NULL);
	until_applied(seq);
	ck_assert_uint_eq(status.run_count, 4);
	ck_assert_str_eq(text_of("told"), "2 a.xml c/d.xml\n1 a.xml\n1 c/g.xml\n1 c/d.xml\n");
}
END_TEST

START_TEST(set_that_comes_later_is_waited_for)
{
	render_raw("a.xml", "out");
	segment_host_close(&host);
	segment_host_remove(host.set_dir);
	open_hook();
	UNTIL(status.state == HOOK_EMPTY && strstr(status.error, "set app: "));
	segment_host_open(&host);
	turn_for(300);
	ck_assert_int_eq(status.state, HOOK_EMPTY);
	until_applied(publish("a.xml", "<a/>"));
	ck_assert_str_eq(text_of("out"), "<a/>");
	ck_assert_str_eq(status.error, "");
}
END_TEST

START_TEST(broken_versions_never_reach_the_file)
{
	char xml[32];
	uint64_t seq;

	publish("a.xml", "<a>good</a>");
	render_raw("a.xml", "out");
	command(&config.check, "! grep broken $ZKCFG_FILE");
	command(&config.command, "echo $ZKCFG_SEQ >>told");
	open_hook();
	until_applied(1);
	for (int i = 0; i < 20; i++) {
		uint64_t failures = status.failure_count;

		snprintf(xml, sizeof(xml), "<a>broken %d</a>", i);
		seq = publish("a.xml", xml);
		UNTIL(status.state == HOOK_FAILED && status.wanted_seq == seq &&
		      status.failure_count > failures);
		ck_assert_str_eq(text_of("out"), "<a>good</a>");
		snprintf(xml, sizeof(xml), "<a>broken %d</a>", i);
		ck_assert_ptr_nonnull(strstr(status.error, "check exited with status 1: <a>broken"));
		ck_assert_ptr_nonnull(strstr(status.output, xml));
		ck_assert_uint_eq(status.applied_seq, 1);
		ck_assert_int_lt(access(in_directory(".out.zkcfg"), F_OK), 0);
	}
	seq = publish("a.xml", "<a>better</a>");
	until_applied(seq);
	ck_assert_str_eq(text_of("out"), "<a>better</a>");
	ck_assert_str_eq(text_of("told"), "1\n22\n");
}
END_TEST

START_TEST(return_to_what_is_applied_ends_a_failed_check)
{
	publish("a.xml", "<a>good</a>");
	render_raw("a.xml", "out");
	command(&config.check, "! grep broken $ZKCFG_FILE");
	command(&config.command, "echo $ZKCFG_SEQ >>told");
	open_hook();
	until_applied(1);
	publish("a.xml", "<a>broken</a>");
	UNTIL(status.state == HOOK_FAILED);
	publish("a.xml", "<a>good</a>");
	until_applied(3);
	ck_assert_str_eq(text_of("told"), "1\n");
	ck_assert_str_eq(status.error, "");
}
END_TEST

START_TEST(command_that_fails_is_tried_until_it_works)
{
	publish("a.xml", "<a/>");
	render_raw("a.xml", "out");
	command(&config.command, "echo x >>tries; echo no $(wc -l <tries); [ $(wc -l <tries) -gt 3 ]");
	open_hook();
	UNTIL(status.state == HOOK_FAILED && status.failure_count == 2);
	ck_assert_ptr_nonnull(strstr(status.error, "command exited with status 1: no 2"));
	ck_assert_int_ge(status.retry_ms, 0);
	ck_assert_uint_eq(status.applied_seq, 0);
	until_applied(1);
	ck_assert_uint_eq(status.failure_count, 3);
	ck_assert_str_eq(text_of("tries"), "x\nx\nx\nx\n");
	turn_for(600);
	ck_assert_str_eq(text_of("tries"), "x\nx\nx\nx\n");
}
END_TEST

START_TEST(command_that_hangs_is_killed_reported_and_tried_again)
{
	publish("a.xml", "<a/>");
	config.limit_ms = 300;
	command(&config.command, "if [ -e once ]; then exit 0; fi; touch once; sleep 4721 & sleep 4721");
	open_hook();
	UNTIL(status.state == HOOK_FAILED);
	ck_assert_str_eq(status.error, "command was killed after 300 ms, its limit");
	ck_assert_int_ne(system("pgrep -x -f 'sleep 4721'"), 0);
	until_applied(1);
	ck_assert_uint_eq(status.failure_count, 1);
}
END_TEST

START_TEST(newer_configuration_is_taken_when_a_command_keeps_failing)
{
	publish("a.xml", "<a>bad</a>");
	render_raw("a.xml", "out");
	command(&config.command, "! grep bad $ZKCFG_FILE");
	config.retry_min_ms = config.retry_max_ms = 60000;
	open_hook();
	UNTIL(status.state == HOOK_FAILED);
	ck_assert_str_eq(text_of("out"), "<a>bad</a>");
	publish("a.xml", "<a>mended</a>");
	until_applied(2);
	ck_assert_str_eq(text_of("out"), "<a>mended</a>");
}
END_TEST

START_TEST(return_to_what_was_applied_is_told_if_the_file_was_changed_meanwhile)
{
	publish("a.xml", "<a>good</a>");
	render_raw("a.xml", "out");
	command(&config.command, "cat out >>told; ! grep bad $ZKCFG_FILE");
	config.retry_min_ms = config.retry_max_ms = 60000;
	open_hook();
	until_applied(1);
	publish("a.xml", "<a>bad</a>");
	UNTIL(status.state == HOOK_FAILED);
	publish("a.xml", "<a>good</a>");
	until_applied(3);
	ck_assert_str_eq(text_of("out"), "<a>good</a>");
	ck_assert_str_eq(text_of("told"), "<a>good</a><a>bad</a><a>good</a>");
}
END_TEST

START_TEST(what_is_applied_is_remembered)
{
	publish("a.xml", "<a>1</a>");
	publish("b.xml", "<b>1</b>");
	command(&config.command, "echo $ZKCFG_CHANGED >>told");
	open_hook();
	until_applied(2);
	close_hook();
	open_hook();
	until_applied(2);
	ck_assert_uint_eq(status.run_count, 0);
	close_hook();
	publish("b.xml", "<b>2</b>");
	open_hook();
	until_applied(3);
	ck_assert_str_eq(text_of("told"), "a.xml b.xml\nb.xml\n");
	close_hook();
	open_hook_at(NULL); /* without a place to remember it is done at each start */
	until_applied(3);
	ck_assert_uint_eq(status.run_count, 1);
}
END_TEST

START_TEST(another_definition_is_applied_anew)
{
	publish("a.xml", "<a>1</a>");
	command(&config.command, "echo one >>told");
	open_hook();
	until_applied(1);
	close_hook();
	command(&config.command, "echo two >>told");
	open_hook();
	until_applied(1);
	ck_assert_str_eq(text_of("told"), "one\ntwo\n");
}
END_TEST

START_TEST(record_that_is_not_whole_counts_for_nothing)
{
	struct stat st;

	publish("a.xml", "<a>1</a>");
	command(&config.command, "echo x >>told");
	open_hook();
	until_applied(1);
	close_hook();
	ck_assert_int_eq(stat(in_directory("state/hooks/reload"), &st), 0);
	ck_assert_int_eq(truncate(in_directory("state/hooks/reload"), st.st_size - 4),
			 0); /* all but its end */
	open_hook();
	until_applied(1);
	ck_assert_str_eq(text_of("told"), "x\nx\n");
}
END_TEST

START_TEST(record_keeps_any_name)
{
	struct record record = { .is_begun = true, .definition = UINT64_MAX, .seq = 7 }, back;

	ck_assert(prints_add(&record.prints, "a\n%b c/\303\244.xml", 5));
	ck_assert(prints_add(&record.prints, "end", 6));
	ck_assert_int_eq(record_save(state_dir, "x", &record), 0);
	ck_assert_int_eq(record_load(state_dir, "x", &back), 0);
	ck_assert(back.is_begun);
	ck_assert(back.definition == UINT64_MAX && back.seq == 7);
	ck_assert_uint_eq(back.prints.count, 2);
	ck_assert_str_eq(back.prints.items[0].document, "a\n%b c/\303\244.xml");
	ck_assert_uint_eq(back.prints.items[1].sum, 6);
	ck_assert_int_eq(record_load(state_dir, "y", &back), -ENOENT);
	record_free(&record);
	record_free(&back);
}
END_TEST

/* Publish without a pause until the hook has run. How long that took; quiet_ms: the longest pause all the same. */
static int64_t run_after_ms(int64_t *quiet_ms)
{
	uint64_t runs = status.run_count;
	int64_t began_ns = clock_monotonic_ns(), last_ns = began_ns, now_ns = began_ns;
	char xml[64];

	*quiet_ms = 0;
	while (status.run_count == runs) {
		snprintf(xml, sizeof(xml), "<a>more %lld</a>", (long long)now_ns);
		publish("a.xml", xml);
		turn_for(30);
		now_ns = clock_monotonic_ns();
		if ((now_ns - last_ns) / CLOCK_NS_PER_MS > *quiet_ms)
			*quiet_ms = (now_ns - last_ns) / CLOCK_NS_PER_MS;
		last_ns = now_ns;
	}
	return (now_ns - began_ns) / CLOCK_NS_PER_MS;
}

START_TEST(changes_that_come_together_are_one_run)
{
	char xml[32];
	int64_t quiet_ms, after_ms;

	publish("a.xml", "<a/>");
	config.debounce_min_ms = 150;
	config.debounce_max_ms = 600;
	command(&config.command, "echo $ZKCFG_SEQ >>told");
	open_hook();
	until_applied(1);
	for (int i = 0; i < 10; i++) {
		snprintf(xml, sizeof(xml), "<a>%d</a>", i);
		publish("a.xml", xml);
		turn();
	}
	until_applied(11);
	ck_assert_uint_eq(status.run_count, 2);
	for (int i = 0; i < 50;
	     i++) { /* never quiet: the maximum cuts; once more where we were kept from publishing */
		after_ms = run_after_ms(&quiet_ms);
		if (quiet_ms < 140)
			break;
	}
	ck_assert_int_lt(quiet_ms, 140);
	ck_assert_int_ge(after_ms, 500);
	ck_assert_int_le(after_ms, 3000);
}
END_TEST

START_TEST(splay_is_of_this_host_and_not_at_the_start)
{
	int64_t began_ns = clock_monotonic_ns(), first_ms;

	publish("a.xml", "<a/>");
	config.splay_ms = 2000;
	set_text(&config.name, "splayed");
	config.action = HOOK_CALL;
	open_hook();
	until_applied(1);
	ck_assert_int_lt((clock_monotonic_ns() - began_ns) / CLOCK_NS_PER_MS, 1000);
	began_ns = clock_monotonic_ns();
	publish("a.xml", "<a>1</a>");
	until_applied(2);
	first_ms = (clock_monotonic_ns() - began_ns) / CLOCK_NS_PER_MS;
	began_ns = clock_monotonic_ns();
	publish("a.xml", "<a>2</a>");
	until_applied(3);
	ck_assert_int_le(labs(first_ms - (clock_monotonic_ns() - began_ns) / CLOCK_NS_PER_MS), 300);
	ck_assert_int_lt(first_ms, 2500);
}
END_TEST

START_TEST(rights_are_those_wanted_or_those_of_the_file)
{
	struct hook_render *render;
	struct stat st;

	publish("a.xml", "<a/>");
	put("there", "old");
	ck_assert_int_eq(chmod(in_directory("there"), 0604), 0);
	render = render_raw("a.xml", "wanted");
	render->mode = 0640;
	render->owner = geteuid() == 0 ? 4711 : geteuid();
	render->group = getegid() == 0 ? 4712 : getegid();
	render_raw("a.xml", "there");
	render_raw("a.xml", "new");
	open_hook();
	until_applied(1);
	ck_assert_int_eq(stat(in_directory("wanted"), &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0640);
	ck_assert_uint_eq(st.st_uid, geteuid() == 0 ? 4711 : geteuid());
	ck_assert_uint_eq(st.st_gid, getegid() == 0 ? 4712 : getegid());
	ck_assert_int_eq(stat(in_directory("there"), &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0604);
	ck_assert_int_eq(stat(in_directory("new"), &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0644);
}
END_TEST

START_TEST(file_that_cannot_be_written_is_named_and_mended)
{
	publish("a.xml", "<a/>");
	render_raw("a.xml", "sub/out");
	open_hook();
	UNTIL(status.state == HOOK_FAILED && status.failure_count >= 2);
	ck_assert_ptr_nonnull(strstr(status.error, "/sub/.out.zkcfg: cannot be written: No such file"));
	ck_assert_int_eq(mkdir(in_directory("sub"), 0700), 0);
	until_applied(1);
}
END_TEST

START_TEST(stylesheet_that_refuses_leaves_the_file)
{
	struct hook_render *render;

	publish("a.xml", "<a>1</a>");
	put("s.xsl", "<xsl:stylesheet version='1.0' xmlns:xsl='http://www.w3.org/1999/XSL/Transform'>"
		     "<xsl:output method='text'/><xsl:template match='/'><xsl:if test='set/document/a=2'>"
		     "<xsl:message terminate='yes'>two is too many</xsl:message></xsl:if>"
		     "a=<xsl:value-of select='set/document/a'/></xsl:template></xsl:stylesheet>");
	render = hook_config_add_render(&config);
	render->stylesheet = strdup(in_directory("s.xsl"));
	render->file = strdup(in_directory("out"));
	open_hook();
	until_applied(1);
	ck_assert_str_eq(text_of("out"), "a=1");
	publish("a.xml", "<a>2</a>");
	UNTIL(status.state == HOOK_FAILED);
	ck_assert_ptr_nonnull(strstr(status.error, "s.xsl"));
	ck_assert_ptr_nonnull(strstr(status.error, "two is too many"));
	ck_assert_str_eq(text_of("out"), "a=1");
	publish("a.xml", "<a>3</a>");
	until_applied(3);
	ck_assert_str_eq(text_of("out"), "a=3");
}
END_TEST

START_TEST(braces_are_the_new_file_for_the_check_and_the_file_for_the_command)
{
	publish("a.xml", "<a/>");
	render_raw("a.xml", "out");
	set_text(&config.check, "/bin/sh -c 'echo \"$0\" >$1/checked' {}");
	put("checked", "");
	{
		char line[256];

		snprintf(line, sizeof(line), "/bin/cp {} %s/copy", directory);
		set_text(&config.command, line);
		snprintf(line, sizeof(line), "/bin/cp {} %s/checked", directory);
		set_text(&config.check, line);
	}
	config.action = HOOK_COMMAND;
	open_hook();
	until_applied(1);
	ck_assert_str_eq(text_of("checked"), "<a/>");
	ck_assert_str_eq(text_of("copy"), "<a/>");
}
END_TEST

START_TEST(run_now_runs_although_nothing_changed)
{
	publish("a.xml", "<a/>");
	config.action = HOOK_CALL;
	open_hook();
	until_applied(1);
	hook_run_now(hook);
	UNTIL(status.run_count == 2 && status.state == HOOK_IDLE);
	turn_for(300);
	ck_assert_uint_eq(call_count, 2);
}
END_TEST

/* A child that ends with status 9 at SIGHUP. */
static pid_t begin_daemon(void)
{
	int up[2];
	char byte;
	pid_t pid;

	ck_assert_int_eq(pipe(up), 0);
	pid = fork();
	if (pid == 0) {
		dup2(up[1], STDOUT_FILENO);
		execl("/bin/sh", "sh", "-c", "trap 'exit 9' HUP; echo; while :; do sleep 0.02; done",
		      (char *)NULL);
		_exit(127);
	}
	ck_assert_int_eq(read(up[0], &byte, 1), 1);
	close(up[0]);
	close(up[1]);
	return pid;
}

START_TEST(who_the_pid_file_names_is_signaled)
{
	char number[32];
	pid_t pid;
	int how;

	publish("a.xml", "<a/>");
	config.action = HOOK_SIGNAL;
	config.signal = hook_signal_parse("HUP");
	set_text(&config.pid_file, in_directory("pid"));
	open_hook();
	UNTIL(status.failure_count == 1);
	ck_assert_ptr_nonnull(strstr(status.error, "/pid: the pid file cannot be read: No such file"));
	pid = begin_daemon();
	snprintf(number, sizeof(number), "%d\n", (int)pid);
	put("pid", number);
	until_applied(1);
	ck_assert_int_eq(waitpid(pid, &how, 0), pid);
	ck_assert_int_eq(WEXITSTATUS(how), 9);
	ck_assert_int_eq(pid_file_signal(config.pid_file, SIGHUP, &message), -ESRCH);
	put("pid", "1\n");
	ck_assert_int_eq(pid_file_signal(config.pid_file, SIGHUP, &message), -EINVAL);
	put("pid", "12x\n");
	ck_assert_int_eq(pid_file_signal(config.pid_file, SIGHUP, &message), -EINVAL);
}
END_TEST

static unsigned request_count;

/* 503, 503, 204, 200, 200 ... */
static void on_request(struct evhttp_request *request, void *user)
{
	static const int answers[] = { 503, 503, 204, 200 };
	int answer = answers[request_count < 3 ? request_count : 3];

	(void)user;
	request_count += evhttp_request_get_command(request) == EVHTTP_REQ_POST;
	evbuffer_add_printf(evhttp_request_get_output_buffer(request), "not now");
	evhttp_send_reply(request, answer, NULL, NULL);
}

START_TEST(request_is_made_until_it_is_answered_as_expected)
{
	struct evhttp *server = evhttp_new(loop);
	struct evhttp_bound_socket *bound = evhttp_bind_socket_with_handle(server, "127.0.0.1", 0);
	struct sockaddr_in address;
	socklen_t size = sizeof(address);
	char url[64];

	getsockname(evhttp_bound_socket_get_fd(bound), (struct sockaddr *)&address, &size);
	snprintf(url, sizeof(url), "http://me:secret@127.0.0.1:%d/-/reload", ntohs(address.sin_port));
	evhttp_set_gencb(server, on_request, NULL);
	request_count = 0;
	publish("a.xml", "<a/>");
	config.action = HOOK_REQUEST;
	set_text(&config.url, url);
	open_hook();
	UNTIL(status.failure_count == 1);
	ck_assert_ptr_nonnull(
		strstr(status.error, "/-/reload: answered with status 503, expected 200 to 299: not now"));
	ck_assert_ptr_null(strstr(status.error, "secret"));
	until_applied(1);
	ck_assert_uint_eq(request_count, 3);
	close_hook();
	config.status = 200;
	request_count = 2; /* 204 is not what is expected now */
	set_text(&config.name, "another");
	open_hook();
	until_applied(1);
	ck_assert_uint_eq(status.failure_count, 1);
	close_hook();
	evhttp_free(server);
	set_text(&config.name, "third");
	open_hook();
	UNTIL(status.failure_count == 1);
	snprintf(url, sizeof(url), "http://127.0.0.1:%d: Connection refused", ntohs(address.sin_port));
	ck_assert_str_eq(status.error, url);
}
END_TEST

START_TEST(pid_file_of_a_stranger_names_nobody_else)
{
	char number[32];
	pid_t pid;

	if (geteuid() != 0) /* only root could be made to signal somebody else */
		return;
	pid = begin_daemon();
	snprintf(number, sizeof(number), "%d\n", (int)pid);
	put("pid", number);
	ck_assert_int_eq(chown(in_directory("pid"), 4711, 4711), 0);
	ck_assert_int_eq(pid_file_signal(in_directory("pid"), SIGHUP, &message), -EPERM);
	ck_assert_int_eq(kill(pid, SIGKILL), 0);
	waitpid(pid, NULL, 0);
}
END_TEST

START_TEST(closing_ends_what_runs_and_leaves_nothing)
{
	publish("a.xml", "<a/>");
	render_raw("a.xml", "out");
	command(&config.check, "touch began; sleep 4722");
	open_hook();
	UNTIL(status.state == HOOK_CHECKING && access(in_directory("began"), F_OK) == 0);
	close_hook();
	ck_assert_int_ne(system("pgrep -x -f 'sleep 4722'"), 0);
	ck_assert_int_lt(access(in_directory(".out.zkcfg"), F_OK), 0);
	ck_assert_int_lt(access(in_directory("out"), F_OK), 0);
}
END_TEST

START_TEST(environment_has_facts_and_not_what_systemd_told_us)
{
	struct environment_facts facts = {
		.config = &config, .seq = 5, .changed = "a\nb\n", .changed_count = 2
	};
	char **made, joined[8192] = "";

	setenv("NOTIFY_SOCKET", "/x", 1);
	setenv("WATCHDOG_USEC", "1", 1);
	setenv("MINE", "1", 1);
	ck_assert(hook_config_add_environment(&config, "MINE=2"));
	ck_assert(hook_config_add_environment(&config, "ZKCFG_SET=other"));
	made = environment_make(&facts);
	for (char **string = made; *string; string++)
		if (strncmp(*string, "ZKCFG_C", 7) == 0 || strncmp(*string, "MINE", 4) == 0 ||
		    strncmp(*string, "NOTIFY", 6) == 0 || strncmp(*string, "WATCHDOG", 8) == 0 ||
		    strncmp(*string, "ZKCFG_S", 7) == 0)
			strcat(strcat(joined, *string), "|");
	ck_assert_ptr_nonnull(strstr(joined, "MINE=2|"));
	ck_assert_ptr_nonnull(
		strstr(joined, "ZKCFG_SET=other|ZKCFG_SEQ=5|ZKCFG_CHANGED_COUNT=2|ZKCFG_CHANGED=a\nb|"));
	ck_assert_ptr_null(strstr(joined, "NOTIFY"));
	ck_assert_ptr_null(strstr(joined, "WATCHDOG"));
	environment_free(made);
}
END_TEST

START_TEST(bad_configurations_are_told)
{
	static const char *const commands[] = { "", "a 'b" };

	for (size_t i = 0; i < 2; i++) {
		set_text(&config.check, commands[i]);
		ck_assert_int_eq(hook_config_check(&config, &message), -EINVAL);
		ck_assert_ptr_nonnull(strstr(message.text, "check \""));
	}
	set_text(&config.check, "true");
	config.debounce_min_ms = 5000;
	ck_assert_int_eq(hook_config_check(&config, &message), -EINVAL);
	ck_assert_str_eq(message.text, "debounce min (5000 ms) is above max (200 ms)");
	config.debounce_min_ms = 0;
	set_text(&config.run_as, "nobody-at-all");
	ck_assert_int_eq(hook_config_check(&config, &message), -EINVAL);
	ck_assert_str_eq(message.text, "user \"nobody-at-all\": there is no such user");
	set_text(&config.run_as, "root");
	ck_assert_int_eq(hook_config_check(&config, &message), 0);
	config.action = HOOK_REQUEST;
	set_text(&config.url, "localhost:80");
	ck_assert_int_eq(hook_config_check(&config, &message), -EINVAL);
	ck_assert_int_eq(hook_signal_parse("HUP"), SIGHUP);
	ck_assert_int_eq(hook_signal_parse("SIGUSR1"), SIGUSR1);
	ck_assert_int_eq(hook_signal_parse("15"), SIGTERM);
	ck_assert_int_eq(hook_signal_parse("0"), 0);
	ck_assert_int_eq(hook_signal_parse("NO"), 0);
	ck_assert(!hook_name_is_valid("a/b") && !hook_name_is_valid(".a") && hook_name_is_valid("a.b-1"));
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("hook");
	Suite *suite = suite_create("hook");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, start, stop);
	tcase_add_test(tcase, document_is_put_in_place_and_the_command_told);
	tcase_add_test(tcase, only_what_is_looked_at_counts);
	tcase_add_test(tcase, set_that_comes_later_is_waited_for);
	tcase_add_test(tcase, broken_versions_never_reach_the_file);
	tcase_add_test(tcase, return_to_what_is_applied_ends_a_failed_check);
	tcase_add_test(tcase, command_that_fails_is_tried_until_it_works);
	tcase_add_test(tcase, command_that_hangs_is_killed_reported_and_tried_again);
	tcase_add_test(tcase, newer_configuration_is_taken_when_a_command_keeps_failing);
	tcase_add_test(tcase, return_to_what_was_applied_is_told_if_the_file_was_changed_meanwhile);
	tcase_add_test(tcase, what_is_applied_is_remembered);
	tcase_add_test(tcase, another_definition_is_applied_anew);
	tcase_add_test(tcase, record_that_is_not_whole_counts_for_nothing);
	tcase_add_test(tcase, record_keeps_any_name);
	tcase_add_test(tcase, changes_that_come_together_are_one_run);
	tcase_add_test(tcase, splay_is_of_this_host_and_not_at_the_start);
	tcase_add_test(tcase, rights_are_those_wanted_or_those_of_the_file);
	tcase_add_test(tcase, file_that_cannot_be_written_is_named_and_mended);
	tcase_add_test(tcase, stylesheet_that_refuses_leaves_the_file);
	tcase_add_test(tcase, braces_are_the_new_file_for_the_check_and_the_file_for_the_command);
	tcase_add_test(tcase, run_now_runs_although_nothing_changed);
	tcase_add_test(tcase, who_the_pid_file_names_is_signaled);
	tcase_add_test(tcase, request_is_made_until_it_is_answered_as_expected);
	tcase_add_test(tcase, pid_file_of_a_stranger_names_nobody_else);
	tcase_add_test(tcase, closing_ends_what_runs_and_leaves_nothing);
	tcase_add_test(tcase, environment_has_facts_and_not_what_systemd_told_us);
	tcase_add_test(tcase, bad_configurations_are_told);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed > 0;
}
