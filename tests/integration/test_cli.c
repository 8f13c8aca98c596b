/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * zkcfg as scripts and people meet it: what it prints, where, and its exit
 * status. Sets are published by this process, so that reading commands run
 * without a daemon; put and rm meet a real ZooKeeper.
 *
 * A reading command that made a socket would be killed: the tests run them
 * under a system call filter.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <jansson.h>
#include <libxml/parser.h>
#include <libxml/xpath.h>

#include "base/clock.h"
#include "base/file.h"
#include "support/segment_host.h"
#include "support/zk_server.h"
#include "xml/compile.h"

/* Ends what hangs; nothing here takes nearly so long. */
#define DEADLINE_MS 30000
#define MOST_ARGUMENTS 16

#define SERVICE                                                \
	"<service name='shop'>\n"                              \
	"  <listen port='8080'/>\n"                            \
	"  <log level='info'>a\tb\\c</log>\n"                  \
	"  <limits><timeout>1.5s</timeout></limits>\n"         \
	"  <up name='a'><host>h1</host><host>h2</host></up>\n" \
	"  <empty/>\n"                                         \
	"</service>"

static struct segment_host host;
static struct zk_server *server;
static char files[64]; /* a directory of this process */

/* --- publishing -------------------------------------------------------------- */

static void publish_in(struct publisher *publisher, const char *name, const void *bytes, size_t size_bytes)
{
	struct document_origin origin = {
		.name = name, .created = 1, .revision = ++host.revision, .version = 7
	};
	struct publisher_change change = { .name = name };
	struct zkcfg_document *document = NULL;
	struct message message = { "" };
	struct xml_fault fault = { 0 };

	if (bytes) {
		int err = xml_compile(&origin, bytes, size_bytes, NULL, &document, &change.document_bytes,
				      &fault);

		ck_assert_msg(err == 0, "%s: %u: %s", name, fault.line, fault.reason);
	}
	change.document = document;
	ck_assert_msg(publisher_commit(publisher, &change, 1, NULL, &message) == 0, "%s", message.text);
	free(document);
}

/* NULL xml removes it. */
static void publish(const char *name, const char *xml)
{
	publish_in(host.publisher, name, xml, xml ? strlen(xml) : 0);
}

static void tell_status(enum zkcfg_source_state state, const char *detail,
			const struct zkcfg_candidate *candidates, size_t count)
{
	struct publisher_status status = { .source_state = state,
					   .source = "zk://zk1:2181/conf/app",
					   .detail = detail,
					   .since_ns = INT64_C(1700000000123000000),
					   .candidates = candidates,
					   .candidate_count = count };

	publisher_status(host.publisher, &status);
}

static void verified(int64_t ago_ms)
{
	publisher_verified(host.publisher, clock_boottime_ns() - ago_ms * CLOCK_NS_PER_MS);
}

static void contact(enum zkcfg_source_mode mode, int64_t told_ago_ms, int64_t asked_ago_ms, uint64_t repairs)
{
	int64_t now_ns = clock_boottime_ns();
	const struct control_contact contact = {
		.mode = mode,
		.told_ns = told_ago_ms < 0 ? 0 : now_ns - told_ago_ms * CLOCK_NS_PER_MS,
		.asked_ns = asked_ago_ms < 0 ? 0 : now_ns - asked_ago_ms * CLOCK_NS_PER_MS,
		.repair_count = repairs
	};

	publisher_contact(host.publisher, &contact);
}

static void setup_empty(void)
{
	segment_host_start(&host);
	ck_assert_int_eq(setenv("ZKCFG_SHM_DIR", host.shm_dir, 1), 0);
	strcpy(files, "/tmp/zkcfg-cli-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(files));
	xml_start();
}

static void setup(void)
{
	setup_empty();
	segment_host_open(&host);
	publish("service.xml", SERVICE);
	publish("db/pool.xml", "<pool max='10'/>");
	tell_status(ZKCFG_SOURCE_FOLLOWING, "", NULL, 0);
	verified(0);
}

static void teardown(void)
{
	segment_host_stop(&host);
	segment_host_remove(files);
}

/* Make a file of this test; its path, until the next call. */
static const char *file_with(const char *name, const void *bytes, size_t size_bytes)
{
	static char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", files, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, bytes, size_bytes), (ssize_t)size_bytes);
	close(fd);
	return path;
}

static const char *file_of(const char *name, const char *text)
{
	return file_with(name, text, strlen(text));
}

/* --- running zkcfg ----------------------------------------------------------- */

/* How a run differs from the usual one; zeros: it does not. */
struct how {
	const char *input;  /* NULL: /dev/null */
	const char *output; /* a file for standard output */
	int output_fd;	    /* for standard output; 0: a file that is read afterwards */
	bool output_closed;
	bool connects; /* it may make sockets */
};

static const struct how usual, connecting = { .connects = true };

struct run {
	int status; /* exit status, or -signal */
	char *out, *err;
	size_t out_bytes;
};

static struct run last; /* freed by the next one */

static const char *program(void)
{
	static char path[512];
	const char *build = getenv("ZKCFG_BUILD");

	ck_assert_msg(build != NULL, "ZKCFG_BUILD is to name the directory where zkcfg was built");
	/* what libtool puts at the top may be a script */
	snprintf(path, sizeof(path), "%s/.libs/zkcfg", build);
	if (access(path, X_OK) < 0)
		snprintf(path, sizeof(path), "%s/zkcfg", build);
	ck_assert_msg(access(path, X_OK) == 0, "%s: %s", path, strerror(errno));
	return path;
}

/* From here on, whoever makes a socket is killed by SIGSYS. */
static void forbid_sockets(void)
{
	struct sock_filter rules[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_socket, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog filter = { .len = sizeof(rules) / sizeof(rules[0]), .filter = rules };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) < 0)
		_exit(99);
}

static int memory_file(const char *text)
{
	int fd = memfd_create("zkcfg", MFD_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	ck_assert_int_eq(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

static char *memory_text(int fd, size_t *size_bytes)
{
	off_t end = lseek(fd, 0, SEEK_END);
	char *text = calloc(1, (size_t)end + 1);

	ck_assert_ptr_nonnull(text);
	ck_assert_int_eq(pread(fd, text, (size_t)end, 0), end);
	close(fd);
	*size_bytes = (size_t)end;
	return text;
}

static pid_t start(const struct how *how, int in, int out, int err, const char *const *arguments)
{
	char *argv[MOST_ARGUMENTS + 1];
	const char *path = program();
	size_t count = 0;
	pid_t parent = getpid(), pid;

	argv[count++] = strdup("zkcfg");
	for (; *arguments; arguments++) {
		ck_assert_uint_lt(count, MOST_ARGUMENTS);
		argv[count++] = strdup(*arguments);
	}
	argv[count] = NULL;
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent || dup2(in, 0) < 0 ||
		    dup2(out, 1) < 0 || dup2(err, 2) < 0)
			_exit(98);
		if (how->output_closed)
			close(1);
		if (!how->connects)
			forbid_sockets();
		execv(path, argv);
		_exit(97);
	}
	while (count > 0)
		free(argv[--count]);
	return pid;
}

static int ended(pid_t pid)
{
	int status;

	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static const struct run *run_how(const struct how *how, const char *const *arguments)
{
	int in = memory_file(how->input ? how->input : ""), out = memory_file(""), err = memory_file("");
	int chosen = out;
	size_t ignored;

	if (how->output)
		chosen = open(how->output, O_WRONLY | O_CLOEXEC);
	else if (how->output_fd)
		chosen = how->output_fd;
	ck_assert_int_ge(chosen, 0);
	free(last.out);
	free(last.err);
	last.status = ended(start(how, in, chosen, err, arguments));
	if (chosen != out)
		close(chosen);
	close(in);
	last.out = memory_text(out, &last.out_bytes);
	last.err = memory_text(err, &ignored);
	return &last;
}

#define run_with(how, ...) run_how(how, (const char *const[]){ __VA_ARGS__, NULL })
#define run(...) run_with(&usual, __VA_ARGS__)
/* put and rm */
#define run_put(...) run_with(&connecting, __VA_ARGS__)

/* Exit status, standard output in full, and a part of standard error ("": nothing at all there). */
static void expect(const struct run *seen, int status, const char *out, const char *err)
{
	ck_assert_msg(seen->status == status, "exit status %d, expected %d; stderr: %s", seen->status, status,
		      seen->err);
	if (out)
		ck_assert_str_eq(seen->out, out);
	if (*err)
		ck_assert_msg(strstr(seen->err, err) != NULL, "expected \"%s\" in: %s", err, seen->err);
	else
		ck_assert_str_eq(seen->err, "");
}

static void expect_part(const struct run *seen, const char *part)
{
	/* Check ends when a message is very long */
	ck_assert_msg(strstr(seen->out, part) != NULL, "expected \"%s\" in: %.2000s", part, seen->out);
}

static json_t *parsed(const struct run *seen)
{
	json_error_t error;
	json_t *json = json_loads(seen->out, 0, &error);

	ck_assert_msg(json != NULL, "%s in: %s%s", error.text, seen->out, seen->err);
	return json;
}

/* One that goes on while the test does. */
struct running {
	pid_t pid;
	int out; /* we read what it prints */
	int err;
};

static struct running run_on_how(const char *const *arguments)
{
	int in = memory_file(""), pipe_fds[2];
	struct running running = { .err = memory_file("") };

	ck_assert_int_eq(pipe2(pipe_fds, O_CLOEXEC), 0);
	running.pid = start(&usual, in, pipe_fds[1], running.err, arguments);
	running.out = pipe_fds[0];
	close(pipe_fds[1]);
	close(in);
	return running;
}

#define run_on(...) run_on_how((const char *const[]){ __VA_ARGS__, NULL })

/* The next line that it prints, without its end. */
static const char *next_line(const struct running *running)
{
	static char line[4096];
	struct pollfd out = { .fd = running->out, .events = POLLIN };
	size_t length = 0;

	for (;;) {
		ck_assert_msg(poll(&out, 1, DEADLINE_MS) == 1, "no line in time; so far: %.*s", (int)length,
			      line);
		ck_assert_msg(read(running->out, &line[length], 1) == 1,
			      "it ended instead of printing a line");
		if (line[length] == '\n')
			break;
		ck_assert_uint_lt(++length, sizeof(line));
	}
	line[length] = '\0';
	return line;
}

/* What it has said on standard error so far has this in it, soon. */
static void await_message(const struct running *running, const char *part)
{
	char text[4096];

	for (int left_ms = DEADLINE_MS; left_ms > 0; left_ms -= 5) {
		ssize_t size = pread(running->err, text, sizeof(text) - 1, 0);

		ck_assert_int_ge(size, 0);
		text[size] = '\0';
		if (strstr(text, part))
			return;
		usleep(5000);
	}
	ck_abort_msg("expected \"%s\" in: %s", part, text);
}

/* Send it a signal; it ends with this status, having printed no more. */
static void finish(const struct running *running, int signal, int status, const char *err)
{
	size_t size_bytes;
	char rest, *text;

	if (signal)
		ck_assert_int_eq(kill(running->pid, signal), 0);
	ck_assert_int_eq(ended(running->pid), status);
	ck_assert_int_eq(read(running->out, &rest, 1), 0);
	close(running->out);
	text = memory_text(running->err, &size_bytes);
	if (*err)
		ck_assert_msg(strstr(text, err) != NULL, "expected \"%s\" in: %s", err, text);
	else
		ck_assert_str_eq(text, "");
	free(text);
}

/* --- get --------------------------------------------------------------------- */

START_TEST(get_prints_a_value_and_a_newline)
{
	expect(run("get", "app", "service.xml", "/service/listen/@port"), 0, "8080\n", "");
	expect(run("get", "app", "service.xml", "/service/up[@name='a']/host[2]"), 0, "h2\n", "");
	expect(run("get", "app", "service.xml", "/service/log"), 0, "a\tb\\c\n", "");
	expect(run("get", "app", "service.xml", "/service/empty"), 0, "\n", "");
}
END_TEST

START_TEST(get_without_path_prints_the_bytes_unchanged)
{
	static const char utf16[] = "\xff\xfe<\0a\0>\0\xe4\0<\0/\0a\0>\0\r\0\n";

	publish_in(host.publisher, "wide.xml", utf16, sizeof(utf16));
	expect(run("get", "app", "service.xml"), 0, SERVICE, "");
	ck_assert_int_eq(run("get", "app", "wide.xml")->status, 0);
	ck_assert_uint_eq(last.out_bytes, sizeof(utf16));
	ck_assert_mem_eq(last.out, utf16, sizeof(utf16));
	expect(run("get", "app", "wide.xml", "/a"), 0, "\xc3\xa4\n", "");
}
END_TEST

START_TEST(get_of_what_is_not_there_exits_with_1)
{
	expect(run("get", "app", "none.xml"), 1, "",
	       "set \"app\" has no document \"none.xml\" (seq 2): zkcfg ls app");
	expect(run("get", "app", "none.xml", "/a"), 1, "", "no document \"none.xml\"");
	expect(run("get", "app", "service.xml", "/service/none"), 1, "",
	       "service.xml of set \"app\" has no /service/none (seq 2): zkcfg ls app service.xml");
	expect(run("get", "app", "service.xml", "/service/limits"), 1, "", "holds elements, not a value");
}
END_TEST

START_TEST(get_of_a_malformed_path_exits_with_2)
{
	expect(run("get", "app", "service.xml", "service"), 2, "", "\"service\" is not a path: expected");
	expect(run("get", "app", "service.xml", "/service/up["), 2, "", "is not a path: expected");
}
END_TEST

START_TEST(get_origin_tells_the_one_source)
{
	json_t *json;

	expect(run("get", "app", "service.xml", "/service/listen/@port", "--origin"), 0,
	       "8080\nfrom       zk://zk1:2181/conf/app, revision 1\n", "");
	ck_assert_int_eq(run("get", "app", "service.xml", "/service/log", "--json", "--origin")->status, 0);
	json = parsed(&last);
	ck_assert_str_eq(json_string_value(json_object_get(json, "value")), "a\tb\\c");
	ck_assert_str_eq(json_string_value(json_object_get(json_object_get(json, "origin"), "source")),
			 "zk://zk1:2181/conf/app");
	ck_assert_int_eq(json_integer_value(json_object_get(json_object_get(json, "origin"), "revision")), 1);
	ck_assert_uint_eq(json_array_size(json_object_get(json, "overrides")), 0);
	json_decref(json);
	expect(run("get", "app", "service.xml", "--origin"), 2, "", "get --origin needs a PATH");
	expect(run("get", "app", "service.xml", "/service/none", "--origin"), 1, "", "has no /service/none");
	expect(run("ls", "app", "--origin"), 2, "", "--origin");
}
END_TEST

START_TEST(get_json_tells_value_and_commit)
{
	json_t *json;

	ck_assert_int_eq(run("get", "app", "service.xml", "/service/log", "--json")->status, 0);
	json = parsed(&last);
	ck_assert_str_eq(json_string_value(json_object_get(json, "set")), "app");
	ck_assert_int_eq(json_integer_value(json_object_get(json, "seq")), 2);
	ck_assert_str_eq(json_string_value(json_object_get(json, "document")), "service.xml");
	ck_assert_str_eq(json_string_value(json_object_get(json, "path")), "/service/log");
	ck_assert_str_eq(json_string_value(json_object_get(json, "value")), "a\tb\\c");
	json_decref(json);
	expect(run("get", "app", "service.xml", "--json"), 2, "", "get --json needs a PATH");
}
END_TEST

START_TEST(max_age_prints_nothing_stale)
{
	expect(run("get", "app", "service.xml", "/service/listen/@port", "--max-age", "1h"), 0, "8080\n", "");
	verified(90000);
	expect(run("get", "app", "service.xml", "/service/listen/@port", "--max-age", "2m"), 0, "8080\n", "");
	expect(run("get", "app", "service.xml", "/service/listen/@port", "--max-age", "60"), 5, "",
	       "set \"app\" is stale: last verified 90 s ago, and --max-age is 60 s: zkcfg status app");
	expect(run("get", "app", "service.xml", "--max-age", "500ms"), 5, "", "--max-age is 0.5 s");
	expect(run("dump", "app", "--max-age", "1m"), 5, "", "is stale");
	expect(run("status", "app", "--max-age", "1m"), 5, NULL, "is stale");
	expect_part(&last, "verified   90 s ago");
	expect(run("status", "--max-age", "1m"), 5, NULL, "is stale");
	expect(run("status", "--max-age", "2m"), 0, NULL, "");
}
END_TEST

START_TEST(max_age_of_a_set_never_verified_is_exceeded)
{
	segment_host_open(&host);
	publish("a.xml", "<a>1</a>");
	expect(run("get", "app", "a.xml", "/a"), 0, "1\n", "");
	expect(run("get", "app", "a.xml", "/a", "--max-age", "1000h"), 5, "", "never verified");
	expect(run("status", "app"), 0, NULL, "");
	expect_part(&last, "verified   never");
}
END_TEST

/* --- sets that cannot be read ------------------------------------------------ */

START_TEST(set_that_is_not_there_exits_with_3_and_names_those_that_are)
{
	char message[256];

	snprintf(message, sizeof(message),
		 "no set \"none\" in %s: is zkcfgd running, and does it serve this set?; sets "
		 "here: app",
		 host.shm_dir);
	expect(run("get", "none", "service.xml"), 3, "", message);
	expect(run("ls", "none"), 3, "", message);
	expect(run("dump", "none"), 3, "", message);
	expect(run("status", "none"), 3, "", message);
	expect(run("status", "none", "--json"), 3, "", message);
	expect(run("ls", "app", "--shm-dir", "/nowhere"), 3, "",
	       "no set \"app\" in /nowhere: is zkcfgd running");
}
END_TEST

START_TEST(set_name_that_cannot_be_exits_with_2)
{
	expect(run("ls", "../app"), 2, "", "\"../app\" in ");
	expect(run("ls", "../app"), 2, "", "is not a set's name: expected letters");
	expect(run("wait", ".app", "--timeout", "1"), 2, "", "is not a set's name");
}
END_TEST

START_TEST(set_with_nothing_published_exits_with_3)
{
	segment_host_open(&host);
	tell_status(ZKCFG_SOURCE_CONNECTING, "no answer yet", NULL, 0);
	expect(run("get", "app", "a.xml"), 3, "", "set \"app\": nothing is published yet: zkcfg status app");
	expect(run("ls", "app"), 3, "", "nothing is published yet");
	expect(run("dump", "app"), 3, "", "nothing is published yet");
	expect(run("status", "app"), 3, NULL, "");
	expect_part(&last, "app: nothing is published yet\n");
	expect_part(&last, "state      connecting since 2023-11-14T22:13:20.123Z (");
	expect_part(&last, ": no answer yet\n");
}
END_TEST

START_TEST(directory_without_sets_exits_with_3)
{
	expect(run("ls"), 3, "", "there is no set in ");
	expect(run("status"), 3, "", "is zkcfgd running?");
	expect(run("status", "--json"), 3, "[]\n", "there is no set in ");
}
END_TEST

START_TEST(damaged_segment_exits_with_3)
{
	static const char noise[64] = "this is no segment";
	char path[HOST_PATH_BYTES];

	segment_host_patch(segment_host_path(&host, "control", path), 0, noise, sizeof(noise));
	expect(run("get", "app", "service.xml"), 3, "", "nothing of it is used; zkcfgd makes it anew");
	expect(run("watch", "app"), 3, "", "nothing of it is used");
	expect(run("wait", "app", "--newer", "0", "--timeout", "1"), 3, "", "nothing of it is used");
	expect(run("status"), 3, "", "nothing of it is used");
}
END_TEST

START_TEST(set_of_modes_not_to_be_trusted_exits_with_3)
{
	ck_assert_int_eq(chmod(host.set_dir, 0777), 0);
	expect(run("get", "app", "service.xml"), 3, "", "nothing of it is used; look who made it");
}
END_TEST

/* --- ls ---------------------------------------------------------------------- */

START_TEST(ls_sorts_sets_and_documents_and_keeps_the_order_of_paths)
{
	static const char *const names[] = { "t", "Z", "m", "b", "x", "a" };
	struct publisher_options options = { .shm_dir = host.shm_dir, .mode = 0644, .group = (gid_t)-1 };
	struct publisher *other;
	struct message message;

	expect(run("ls", "--json"), 0, "[\n  \"app\"\n]\n", "");
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		options.set = names[i];
		ck_assert_int_eq(publisher_open(&options, &other, &message), 0);
		publisher_close(other);
	}
	expect(run("ls"), 0, "Z\na\napp\nb\nm\nt\nx\n", "");
	publish("Upper.xml", "<a/>");
	expect(run("ls", "app"), 0, "Upper.xml\ndb/pool.xml\nservice.xml\n", "");
	expect(run("ls", "app", "service.xml"), 0,
	       "/service/@name\n/service/listen\n/service/listen/@port\n/service/log\n/service/log/@level\n"
	       "/service/limits/timeout\n/service/up/@name\n/service/up/host\n"
	       "/service/up/host[2]\n/service/empty\n",
	       "");
	expect(run("ls", "app", "none.xml"), 1, "", "no document \"none.xml\"");
}
END_TEST

START_TEST(ls_json_tells_revision_version_and_size)
{
	json_t *json, *first;

	ck_assert_int_eq(run("ls", "app", "--json")->status, 0);
	json = parsed(&last);
	ck_assert_uint_eq(json_array_size(json), 2);
	first = json_array_get(json, 0);
	ck_assert_str_eq(json_string_value(json_object_get(first, "name")), "db/pool.xml");
	ck_assert_int_eq(json_integer_value(json_object_get(first, "revision")), 2);
	ck_assert_int_eq(json_integer_value(json_object_get(first, "version")), 7);
	ck_assert_int_eq(json_integer_value(json_object_get(first, "bytes")), 16);
	json_decref(json);
	expect(run("ls", "app", "db/pool.xml", "--json"), 0, "[\n  \"/pool\",\n  \"/pool/@max\"\n]\n", "");
}
END_TEST

/* --- dump -------------------------------------------------------------------- */

START_TEST(dump_flat_is_a_line_a_value)
{
	publish("service.xml", "<a b='1'>x&#10;y\\z&#9;&#xe4;&#x9b;</a>");
	expect(run("dump", "app"), 0,
	       "db/pool.xml:/pool = \ndb/pool.xml:/pool/@max = 10\n"
	       "service.xml:/a = x\\ny\\\\z\\t\xc3\xa4\\xc2\\x9b\nservice.xml:/a/@b = 1\n",
	       "");
	expect(run("dump", "app", "db/pool.xml", "--format", "flat"), 0, "/pool = \n/pool/@max = 10\n", "");
	expect(run("dump", "app", "none.xml"), 1, "", "no document \"none.xml\"");
}
END_TEST

START_TEST(dump_xml_is_one_documents_bytes)
{
	expect(run("dump", "app", "service.xml", "--format", "xml"), 0, SERVICE, "");
	expect(run("dump", "app", "--format", "xml"), 2, "", "dump --format xml is for one document");
	expect(run("dump", "app", "--format", "yaml"), 2, "",
	       "--format \"yaml\": expected xml, flat or json");
}
END_TEST

START_TEST(dump_json_has_every_value_of_the_commit)
{
	json_t *json, *documents, *pool;

	ck_assert_int_eq(run("dump", "app", "--format", "json")->status, 0);
	json = parsed(&last);
	ck_assert_str_eq(json_string_value(json_object_get(json, "set")), "app");
	ck_assert_int_eq(json_integer_value(json_object_get(json, "seq")), 2);
	documents = json_object_get(json, "documents");
	ck_assert_uint_eq(json_object_size(documents), 2);
	pool = json_object_get(documents, "db/pool.xml");
	ck_assert_int_eq(json_integer_value(json_object_get(pool, "revision")), 2);
	ck_assert_int_eq(json_integer_value(json_object_get(pool, "version")), 7);
	pool = json_object_get(pool, "values");
	ck_assert_uint_eq(json_object_size(pool), 2);
	ck_assert_str_eq(json_string_value(json_object_get(pool, "/pool/@max")), "10");
	json_decref(json);

	ck_assert_int_eq(run("dump", "app", "db/pool.xml", "--json")->status, 0);
	json = parsed(&last);
	ck_assert_uint_eq(json_object_size(json_object_get(json, "documents")), 1);
	json_decref(json);
}
END_TEST

static const char *const real_files[] = { "/usr/share/X11/xkb/rules/evdev.xml", "/etc/fonts/fonts.conf",
					  "/usr/share/dbus-1/system.conf" };

/* string(path) as libxml2 evaluates it; the caller's to free by xmlFree(). */
static char *xpath_string(xmlXPathContextPtr context, const char *path)
{
	xmlXPathObjectPtr nodes = xmlXPathEvalExpression((const xmlChar *)path, context);
	xmlChar *value;

	/* a step without a position names all elements; string() takes the first, as a step means here */
	ck_assert_msg(nodes && nodes->nodesetval && nodes->nodesetval->nodeNr > 0, "%s names nothing", path);
	value = xmlXPathCastToString(nodes);
	xmlXPathFreeObject(nodes);
	return (char *)value;
}

static double xpath_count(xmlXPathContextPtr context)
{
	xmlXPathObjectPtr number = xmlXPathEvalExpression(
		(const xmlChar *)"count(//@*) + count(//*[not(*) or text()[normalize-space()]])", context);
	double count = number->floatval;

	xmlXPathFreeObject(number);
	return count;
}

static void compare_get(const char *path, const char *value)
{
	expect(run("get", "app", "real.xml", path), 0, NULL, "");
	ck_assert_uint_eq(last.out_bytes, strlen(value) + 1);
	ck_assert_mem_eq(last.out, value, strlen(value));
	ck_assert_int_eq(last.out[strlen(value)], '\n');
}

START_TEST(every_value_of_a_real_file_is_as_libxml2_says)
{
	struct buffer bytes = { 0 };
	xmlXPathContextPtr context;
	const char *slowness = getenv("CK_TIMEOUT_MULTIPLIER"), *path;
	size_t get_each = slowness && strcmp(slowness, "1") != 0 ? 20 : 1, number = 0;
	json_t *json, *values, *value;
	xmlDocPtr doc;

	ck_assert_msg(file_read(real_files[_i], 1 << 24, &bytes) == 0, "%s is needed for this test",
		      real_files[_i]);
	publish_in(host.publisher, "real.xml", bytes.bytes, bytes.size_bytes);
	doc = xmlReadMemory(bytes.bytes, (int)bytes.size_bytes, NULL, NULL, XML_PARSE_NONET);
	ck_assert_ptr_nonnull(doc);
	context = xmlXPathNewContext(doc);

	ck_assert_int_eq(run("get", "app", "real.xml")->status, 0);
	ck_assert_uint_eq(last.out_bytes, bytes.size_bytes);
	ck_assert_mem_eq(last.out, bytes.bytes, bytes.size_bytes);
	ck_assert_int_eq(run("dump", "app", "real.xml", "--format", "json")->status, 0);
	json = parsed(&last);
	values = json_object_get(json_object_get(json_object_get(json, "documents"), "real.xml"), "values");
	ck_assert_double_eq((double)json_object_size(values), xpath_count(context));
	json_object_foreach(values, path, value)
	{
		char *expected = xpath_string(context, path);

		ck_assert_msg(strcmp(json_string_value(value), expected) == 0,
			      "%s: dump says \"%s\", libxml2 \"%s\"", path, json_string_value(value),
			      expected);
		/* a process each: where they start slowly, under sanitizers, not for all */
		if (number++ % get_each == 0)
			compare_get(path, expected);
		xmlFree(expected);
	}
	json_decref(json);
	xmlXPathFreeContext(context);
	xmlFreeDoc(doc);
	buffer_free(&bytes);
}
END_TEST

/* --- status ------------------------------------------------------------------ */

START_TEST(status_of_a_set_that_follows_its_source)
{
	expect(run("status", "app"), 0, NULL, "");
	expect_part(&last, "app: seq 2, 2 documents, committed 20");
	expect_part(&last, " s ago)\n  source     zk://zk1:2181/conf/app\n");
	expect_part(&last, "state      following since 2023-11-14T22:13:20.123Z (");
	expect_part(&last, "  verified   0.");
	expect_part(&last, "  daemon     alive, pid ");
	ck_assert_ptr_null(strstr(last.out, "stale"));
	ck_assert_ptr_null(strstr(last.out, "candidate"));
	ck_assert_ptr_null(strstr(last.out, "mode"));
}
END_TEST

START_TEST(status_of_a_set_says_how_it_hears_of_changes)
{
	json_t *json;

	contact(ZKCFG_MODE_PUSH, -1, -1, 0);
	expect(run("status", "app"), 0, NULL, "");
	expect_part(&last, "\n  mode       push\n");
	contact(ZKCFG_MODE_PUSH_AND_PULL, 200000, 400000, 1);
	expect(run("status", "app"), 0, NULL, "");
	expect_part(&last, "\n  mode       push and pull, told of a change 3 min ago, asked 6 min ago, 1 repair by the "
			   "audit\n");
	contact(ZKCFG_MODE_PULL, -1, 400000, 2);
	expect(run("status", "app"), 0, NULL, "");
	expect_part(&last, "\n  mode       pull, asked 6 min ago, 2 repairs by the audit\n");
	run("status", "app", "--json");
	json = parsed(&last);
	ck_assert_str_eq(json_string_value(json_object_get(json, "mode")), "pull");
	ck_assert(json_is_null(json_object_get(json, "told_ms")));
	ck_assert_int_ge(json_integer_value(json_object_get(json, "asked_ms")), 400000);
	ck_assert_int_eq(json_integer_value(json_object_get(json, "repairs")), 2);
	json_decref(json);
}
END_TEST

START_TEST(status_of_a_source_that_is_away_says_since_when_it_is_stale)
{
	tell_status(ZKCFG_SOURCE_AWAY, "connection refused", NULL, 0);
	verified(200000);
	expect(run("status"), 0, NULL, "");
	expect_part(&last, "state      away since 2023-11-14T22:13:20.123Z (");
	expect_part(&last, ": connection refused\n");
	expect_part(&last, "verified   3 min ago\n");
	expect_part(&last, "  stale      since 20");
	expect_part(&last, "Z (3 min ago): the source is away\n");
}
END_TEST

START_TEST(status_names_every_candidate_with_its_place_and_reason)
{
	struct zkcfg_candidate candidates[] = {
		{ .document = "service.xml",
		  .reason = "end tag </b>\nexpected </a>",
		  .revision = 77,
		  .since_ns = INT64_C(1700000001000000000),
		  .line = 12,
		  .column = 4 },
		{ .document = "new.xml",
		  .reason = "document is empty",
		  .revision = 78,
		  .since_ns = INT64_C(1700000002000000000) },
	};
	json_t *json, *first;

	tell_status(ZKCFG_SOURCE_FOLLOWING, "", candidates, 2);
	expect(run("status", "app"), 0, NULL, "");
	expect_part(&last, "  candidate  service.xml:12:4: end tag </b>\\nexpected </a>\n"
			   "             revision 77, refused since 2023-11-14T22:13:21.000Z (");
	expect_part(&last, "  candidate  new.xml: document is empty\n             revision 78, ");
	run("status", "app", "--json");
	json = parsed(&last);
	ck_assert_int_eq(json_integer_value(json_object_get(json, "candidate_count")), 2);
	first = json_array_get(json_object_get(json, "candidates"), 0);
	ck_assert_str_eq(json_string_value(json_object_get(first, "document")), "service.xml");
	ck_assert_str_eq(json_string_value(json_object_get(first, "reason")), "end tag </b>\nexpected </a>");
	ck_assert_int_eq(json_integer_value(json_object_get(first, "line")), 12);
	ck_assert_int_eq(json_integer_value(json_object_get(first, "column")), 4);
	ck_assert_int_eq(json_integer_value(json_object_get(first, "revision")), 77);
	ck_assert_str_eq(json_string_value(json_object_get(first, "since")), "2023-11-14T22:13:21.000Z");
	json_decref(json);
}
END_TEST

START_TEST(status_counts_candidates_that_are_not_kept)
{
	struct zkcfg_candidate candidates[2000];
	json_t *json;
	char more[64];
	size_t kept;

	for (size_t i = 0; i < 2000; i++)
		candidates[i] = (struct zkcfg_candidate){ .document = "a/document/with/a/long/name.xml",
							  .reason = "one of very many" };
	tell_status(ZKCFG_SOURCE_FOLLOWING, "", candidates, 2000);
	run("status", "app", "--json");
	json = parsed(&last);
	kept = json_array_size(json_object_get(json, "candidates"));
	ck_assert_uint_gt(kept, 0);
	ck_assert_uint_lt(kept, 2000);
	ck_assert_int_eq(json_integer_value(json_object_get(json, "candidate_count")), 2000);
	json_decref(json);
	run("status", "app");
	snprintf(more, sizeof(more), "  and %zu more candidates, in the log of zkcfgd\n", 2000 - kept);
	expect_part(&last, more);
}
END_TEST

/* A key of status --json, by a deadline. */
static void await_json(const char *key, json_t *expected)
{
	json_t *json = NULL;

	for (int left_ms = DEADLINE_MS; left_ms > 0; left_ms -= 50) {
		run("status", "app", "--json");
		json_decref(json);
		json = parsed(&last);
		if (json_equal(json_object_get(json, key), expected))
			break;
		usleep(50000);
	}
	ck_assert_msg(json_equal(json_object_get(json, key), expected), "\"%s\" in %s", key, last.out);
	json_decref(json);
	json_decref(expected);
}

/* Publish in a process that is killed then: nobody says goodbye. */
static void publish_and_die(void)
{
	pid_t pid;

	segment_host_close(&host);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		segment_host_open(&host);
		publish("b.xml", "<b/>");
		verified(0);
		raise(SIGKILL);
	}
	ck_assert_int_eq(ended(pid), -SIGKILL);
}

START_TEST(status_of_a_dead_daemon_does_not_pretend)
{
	json_t *json;

	publish_and_die();
	await_json("daemon_alive", json_false());
	json = parsed(&last);
	ck_assert(json_is_true(json_object_get(json, "stale")));
	ck_assert_str_eq(json_string_value(json_object_get(json, "stale_reason")), "zkcfgd is not alive");
	ck_assert(json_is_string(json_object_get(json, "stale_since")));
	ck_assert_int_gt(json_integer_value(json_object_get(json, "daemon_age_ms")), 3000);
	json_decref(json);
	expect(run("status", "app"), 0, NULL, "");
	expect_part(&last, "state      following when zkcfgd was last seen, since 2023-");
	expect_part(&last, "daemon     not seen for ");
	expect_part(&last, " s ago): zkcfgd is not alive\n");
	expect(run("get", "app", "service.xml", "/service/listen/@port"), 0, "8080\n", "");
}
END_TEST

START_TEST(status_of_a_daemon_that_ended_says_so)
{
	struct message message;

	ck_assert_int_eq(publisher_heartbeat(host.publisher, &message), 0);
	segment_host_close(&host);
	expect(run("status", "app"), 0, NULL, "");
	expect_part(&last, "daemon     ended ");
	expect_part(&last, " s ago): zkcfgd has ended\n");
}
END_TEST

START_TEST(status_json_is_complete)
{
	/* clang-format off */
	static const char *const keys[] = {
		"set", "directory", "segment_id", "seq", "documents", "committed", "source", "state",
		"detail", "since", "unverified_ms", "stale", "stale_since", "stale_reason", "daemon_pid",
		"daemon_age_ms", "daemon_alive", "candidate_count", "candidates", "mode", "told_ms", "asked_ms",
		"repairs",
	};
	/* clang-format on */
	json_t *json;

	run("status", "app", "--json");
	json = parsed(&last);
	ck_assert_uint_eq(json_object_size(json), sizeof(keys) / sizeof(keys[0]));
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		ck_assert_msg(json_object_get(json, keys[i]) != NULL, "%s", keys[i]);
	ck_assert_str_eq(json_string_value(json_object_get(json, "directory")), host.shm_dir);
	ck_assert_int_eq(json_integer_value(json_object_get(json, "seq")), 2);
	ck_assert_int_eq(json_integer_value(json_object_get(json, "documents")), 2);
	ck_assert_str_eq(json_string_value(json_object_get(json, "state")), "following");
	ck_assert_str_eq(json_string_value(json_object_get(json, "since")), "2023-11-14T22:13:20.123Z");
	ck_assert(json_is_integer(json_object_get(json, "unverified_ms")));
	ck_assert(json_is_false(json_object_get(json, "stale")));
	ck_assert(json_is_null(json_object_get(json, "stale_since")));
	ck_assert_int_eq(json_integer_value(json_object_get(json, "daemon_pid")), getpid());
	json_decref(json);
	run("status", "--json");
	json = parsed(&last);
	ck_assert_uint_eq(json_array_size(json), 1);
	json_decref(json);
}
END_TEST

START_TEST(status_of_all_sets_goes_on_past_one_that_cannot_be_read)
{
	struct publisher_options options = {
		.shm_dir = host.shm_dir, .set = "a-first", .mode = 0644, .group = (gid_t)-1
	};
	struct publisher *other;
	struct message message;

	ck_assert_int_eq(publisher_open(&options, &other, &message), 0);
	verified(100000);
	expect(run("status", "--max-age", "1"), 3, NULL, "set \"app\" is stale");
	expect_part(&last, "a-first: nothing is published yet\n");
	expect_part(&last, "app: seq 2");
	publisher_close(other);
}
END_TEST

/* --- wait -------------------------------------------------------------------- */

START_TEST(wait_prints_the_newer_seq)
{
	struct running running;

	expect(run("wait", "app", "--newer", "0"), 0, "2\n", "");
	expect(run("wait", "app", "--newer", "1", "--timeout", "30"), 0, "2\n", "");
	running = run_on("wait", "app", "--newer", "2", "--timeout", "60");
	publish("a.xml", "<a/>");
	ck_assert_str_eq(next_line(&running), "3");
	finish(&running, 0, 0, "");
}
END_TEST

START_TEST(wait_that_is_in_vain_exits_with_6)
{
	expect(run("wait", "app", "--newer", "2", "--timeout", "0.05"), 6, "",
	       "timed out: set \"app\" has nothing newer than seq 2");
	expect(run("wait", "app", "--timeout", "50ms"), 6, "", "nothing newer than seq 2");
	expect(run("wait", "app", "--newer", "2", "--timeout", "0"), 6, "", "nothing newer than seq 2");
	expect(run("wait", "app", "--newer", "5", "--timeout", "0.05"), 6, "",
	       "set \"app\" is at seq 2: waiting for one above 5");
	expect(run("wait", "none", "--timeout", "0.05"), 6, "", "timed out: no set \"none\" in ");
}
END_TEST

START_TEST(wait_for_a_set_that_is_not_there_yet)
{
	struct running running = run_on("wait", "app", "--timeout", "60");

	await_message(&running, "no set \"app\" in ");
	await_message(&running, "yet: waiting for it");
	segment_host_open(&host);
	publish("a.xml", "<a/>");
	ck_assert_str_eq(next_line(&running), "1");
	finish(&running, 0, 0, "waiting for it");
}
END_TEST

START_TEST(wait_for_a_set_with_nothing_published)
{
	struct running running;

	segment_host_open(&host);
	expect(run("wait", "app", "--timeout", "0.05"), 6, "",
	       "timed out: set \"app\" has nothing published");
	running = run_on("wait", "app", "--newer", "0");
	publish("a.xml", "<a/>");
	ck_assert_str_eq(next_line(&running), "1");
	finish(&running, 0, 0, "");
}
END_TEST

START_TEST(wait_ends_when_the_numbering_begins_anew)
{
	struct running running = run_on("wait", "app", "--newer", "100", "--timeout", "60");

	await_message(&running, "is at seq 2: waiting for one above 100");
	segment_host_close(&host);
	segment_host_remove(host.set_dir);
	segment_host_open(&host);
	publish("a.xml", "<a/>");
	ck_assert_str_eq(next_line(&running), "1");
	finish(&running, 0, 0, "waiting for one above 100");
}
END_TEST

/* --- watch ------------------------------------------------------------------- */

/* One that is known to watch by now: it has printed this as its last present value. */
static struct running watching_how(const char *last_line, const char *const *arguments)
{
	struct running running = run_on_how(arguments);

	while (strcmp(next_line(&running), last_line) != 0)
		;
	return running;
}

#define watching(last_line, ...) \
	watching_how(last_line, (const char *const[]){ "watch", __VA_ARGS__, "--initial", NULL })

#define POOL_LINE "2\tdb/pool.xml\t/pool/@max\t\\N\t10"

START_TEST(watch_prints_a_line_a_change)
{
	struct running running = watching(POOL_LINE, "app", "db/pool.xml");

	publish("db/pool.xml", "<pool max='11&#9;'><new>x</new></pool>");
	ck_assert_str_eq(next_line(&running), "3\tdb/pool.xml\t/pool\t\t\\N");
	ck_assert_str_eq(next_line(&running), "3\tdb/pool.xml\t/pool/@max\t10\t11\\t");
	ck_assert_str_eq(next_line(&running), "3\tdb/pool.xml\t/pool/new\t\\N\tx");
	publish("service.xml", NULL);
	publish("db/pool.xml", NULL);
	ck_assert_str_eq(next_line(&running), "5\tdb/pool.xml\t\\N\t\t\\N");
	ck_assert_str_eq(next_line(&running), "5\tdb/pool.xml\t/pool/@max\t11\\t\t\\N");
	ck_assert_str_eq(next_line(&running), "5\tdb/pool.xml\t/pool/new\tx\t\\N");
	publish("db/pool.xml", "<pool/>");
	ck_assert_str_eq(next_line(&running), "6\tdb/pool.xml\t\\N\t\\N\t");
	ck_assert_str_eq(next_line(&running), "6\tdb/pool.xml\t/pool\t\\N\t");
	finish(&running, SIGTERM, 0, "");
}
END_TEST

START_TEST(watch_starts_from_now)
{
	struct running running = run_on("watch", "app");
	unsigned seq, old_value, new_value;

	/* it says nothing when it begins: change until it sees one */
	for (int i = 11;; i++) {
		struct pollfd out = { .fd = running.out, .events = POLLIN };
		char xml[64];

		snprintf(xml, sizeof(xml), "<pool max='%d'/>", i);
		publish("db/pool.xml", xml);
		if (poll(&out, 1, 20) == 1)
			break;
		ck_assert_int_lt(i, DEADLINE_MS / 20);
	}
	/* the first line is of a change, and not of what was there */
	ck_assert_int_eq(sscanf(next_line(&running), "%u\tdb/pool.xml\t/pool/@max\t%u\t%u", &seq, &old_value,
				&new_value),
			 3);
	ck_assert_uint_gt(seq, 2);
	ck_assert_uint_gt(new_value, old_value);
	kill(running.pid, SIGKILL);
	ended(running.pid);
}
END_TEST

START_TEST(watch_of_a_path_shows_it_and_all_below)
{
	struct running value = watching("2\tservice.xml\t/service/listen/@port\t\\N\t8080", "app",
					"service.xml", "/service/listen/@port");
	struct running below = watching("2\tservice.xml\t/service/up/host[2]\t\\N\th2", "app", "service.xml",
					"/service/up[@name='a']");

	publish("service.xml", "<service name='SHOP'><listen port='9090'/><upper/>"
			       "<up name='a'><host>H1</host></up></service>");
	ck_assert_str_eq(next_line(&value), "3\tservice.xml\t/service/listen/@port\t8080\t9090");
	ck_assert_str_eq(next_line(&below), "3\tservice.xml\t/service/up/host\th1\tH1");
	ck_assert_str_eq(next_line(&below), "3\tservice.xml\t/service/up/host[2]\th2\t\\N");
	publish("service.xml", NULL);
	ck_assert_str_eq(next_line(&value), "4\tservice.xml\t/service/listen/@port\t9090\t\\N");
	ck_assert_str_eq(next_line(&below), "4\tservice.xml\t/service/up/@name\ta\t\\N");
	ck_assert_str_eq(next_line(&below), "4\tservice.xml\t/service/up/host\tH1\t\\N");
	publish("service.xml", "<service><listen port='1'/></service>");
	ck_assert_str_eq(next_line(&value), "5\tservice.xml\t/service/listen/@port\t\\N\t1");
	finish(&value, SIGINT, 0, "");
	finish(&below, SIGINT, 0, "");
}
END_TEST

START_TEST(watch_json_is_an_object_a_line)
{
	struct running running = run_on("watch", "app", "db/pool.xml", "--json", "--initial");
	json_t *json;

	for (int i = 0; i < 3; i++)
		next_line(&running);
	publish("db/pool.xml", "<pool max='11'/>");
	json = json_loads(next_line(&running), 0, NULL);
	ck_assert_str_eq(json_string_value(json_object_get(json, "set")), "app");
	ck_assert_int_eq(json_integer_value(json_object_get(json, "seq")), 3);
	ck_assert_str_eq(json_string_value(json_object_get(json, "change")), "changed");
	ck_assert_str_eq(json_string_value(json_object_get(json, "document")), "db/pool.xml");
	ck_assert_str_eq(json_string_value(json_object_get(json, "path")), "/pool/@max");
	ck_assert_str_eq(json_string_value(json_object_get(json, "old")), "10");
	ck_assert_str_eq(json_string_value(json_object_get(json, "new")), "11");
	json_decref(json);
	publish("db/pool.xml", NULL);
	json = json_loads(next_line(&running), 0, NULL);
	ck_assert_str_eq(json_string_value(json_object_get(json, "change")), "removed");
	ck_assert(json_is_null(json_object_get(json, "path")));
	ck_assert(json_is_null(json_object_get(json, "new")));
	json_decref(json);
	kill(running.pid, SIGKILL);
	ended(running.pid);
}
END_TEST

START_TEST(watch_waits_for_a_set_that_is_not_there_yet)
{
	struct running running = run_on("watch", "app");

	await_message(&running, "yet: waiting for it");
	segment_host_open(&host);
	await_message(&running, "nothing is published yet: waiting for it");
	publish("a.xml", "<a>1</a>");
	ck_assert_str_eq(next_line(&running), "1\ta.xml\t\\N\t\\N\t");
	ck_assert_str_eq(next_line(&running), "1\ta.xml\t/a\t\\N\t1");
	finish(&running, SIGTERM, 0, "waiting for it");
}
END_TEST

START_TEST(watch_that_waits_for_a_set_ends_on_a_signal)
{
	struct running running = run_on("watch", "app");

	await_message(&running, "waiting for it");
	finish(&running, SIGINT, 0, "waiting for it");
}
END_TEST

START_TEST(watch_goes_on_over_a_restart_and_over_a_segment_made_anew)
{
	struct running running = watching(POOL_LINE, "app", "db/pool.xml");

	segment_host_close(&host);
	segment_host_open(&host);
	publish("db/pool.xml", "<pool max='11'/>");
	ck_assert_str_eq(next_line(&running), "3\tdb/pool.xml\t/pool/@max\t10\t11");
	segment_host_close(&host);
	segment_host_remove(host.set_dir);
	segment_host_open(&host);
	publish("db/pool.xml", "<pool max='12'/>");
	ck_assert_str_eq(next_line(&running), "1\tdb/pool.xml\t/pool/@max\t11\t12");
	finish(&running, SIGTERM, 0, "");
}
END_TEST

START_TEST(watch_ends_when_nobody_reads_any_more)
{
	struct running quiet = watching(POOL_LINE, "app", "db/pool.xml");
	struct running busy = watching(POOL_LINE, "app", "db/pool.xml");
	size_t size_bytes;
	char *text;

	close(quiet.out); /* nothing changes */
	ck_assert_int_eq(ended(quiet.pid), 0);
	text = memory_text(quiet.err, &size_bytes);
	ck_assert_str_eq(text, "");
	free(text);
	close(busy.out);
	publish("db/pool.xml", "<pool max='11'/>");
	ck_assert_int_eq(ended(busy.pid), 0);
	text = memory_text(busy.err, &size_bytes);
	ck_assert_str_eq(text, "");
	free(text);
}
END_TEST

/* --- check ------------------------------------------------------------------- */

START_TEST(check_of_good_files_is_silent)
{
	struct how service_input = { .input = SERVICE };
	char good[256];

	strcpy(good, file_of("good.xml", SERVICE));
	expect(run("check", good, good), 0, "", "");
	expect(run_with(&service_input, "check", "-"), 0, "", "");
}
END_TEST

START_TEST(check_names_every_file_that_is_invalid)
{
	struct how cut_input = { .input = "<a>" };
	char good[256], one[256], two[256], expected[1024];

	strcpy(good, file_of("good.xml", SERVICE));
	strcpy(one, file_of("one.xml", "<a>\n  <b></c>\n</a>"));
	strcpy(two, file_of("two.xml", ""));
	expect(run("check", one, good, two), 4, "", "one.xml:2:");
	snprintf(expected, sizeof(expected), "%s: ", two);
	expect(&last, 4, "", expected);
	ck_assert_ptr_null(strstr(last.err, "good.xml"));
	expect(run_with(&cut_input, "check", "-"), 4, "", "-:1:");
}
END_TEST

START_TEST(check_of_a_file_that_cannot_be_read_exits_with_3_unless_one_is_invalid)
{
	const char *bad = file_of("bad.xml", "<a>");

	expect(run("check", "/nowhere/a.xml"), 3, "", "/nowhere/a.xml: cannot be read: No such file");
	expect(run("check", "/nowhere/a.xml", bad), 4, "", "/nowhere/a.xml: cannot be read");
	expect(run("check", bad, "/nowhere/a.xml"), 4, "", "/nowhere/a.xml: cannot be read");
	expect(run("check", files), 3, "", "cannot be read: Is a directory");
}
END_TEST

START_TEST(check_names_the_limit_of_a_file_too_large)
{
	size_t size = xml_limits_default.document_bytes + 2;
	char *bytes = malloc(size);

	memset(bytes, ' ', size);
	memcpy(bytes, "<a>", 3);
	memcpy(bytes + size - 5, "</a>", 4);
	expect(run("check", file_with("large.xml", bytes, size - 1)), 4, "", "16777216");
	expect(run("check", file_with("large.xml", bytes, size)), 4, "", "16777216");
	free(bytes);
}
END_TEST

#define SCHEMA                                                             \
	"<element name='a' xmlns='http://relaxng.org/ns/structure/1.0'>\n" \
	"  <attribute name='b'/>\n"                                        \
	"</element>"

START_TEST(check_with_a_schema)
{
	char schema[256], good[256], bad[256], broken[256];

	strcpy(schema, file_of("a.rng", SCHEMA));
	strcpy(good, file_of("good.xml", "<a b='1'/>"));
	strcpy(bad, file_of("bad.xml", "\n\n<a c='1'/>"));
	strcpy(broken, file_of("broken.rng", "<element>"));
	expect(run("check", good, "--schema", schema), 0, "", "");
	expect(run("check", bad), 0, "", "");
	expect(run("check", "--schema", schema, bad, good), 4, "", "bad.xml:3:");
	expect(run("check", good, "--schema", broken), 4, "", "broken.rng:1: ");
	expect(run("check", good, "--schema", "/nowhere/a.rng"), 3, "",
	       "schema /nowhere/a.rng cannot be read: No such");
}
END_TEST

START_TEST(check_json_lists_every_file)
{
	char good[256];
	json_t *json, *second;

	strcpy(good, file_of("good.xml", SERVICE));
	expect(run("check", good, file_of("bad.xml", "<a>\n</b>"), "--json"), 4, NULL, "bad.xml:2:");
	json = parsed(&last);
	ck_assert_uint_eq(json_array_size(json), 2);
	ck_assert(json_is_true(json_object_get(json_array_get(json, 0), "valid")));
	ck_assert_str_eq(json_string_value(json_object_get(json_array_get(json, 0), "file")), good);
	second = json_array_get(json, 1);
	ck_assert(json_is_false(json_object_get(second, "valid")));
	ck_assert_int_eq(json_integer_value(json_object_get(second, "line")), 2);
	ck_assert_int_gt(json_integer_value(json_object_get(second, "column")), 0);
	ck_assert_uint_gt(json_string_length(json_object_get(second, "reason")), 0);
	json_decref(json);
}
END_TEST

/* --- the command line -------------------------------------------------------- */

START_TEST(usage_errors_exit_with_2_and_say_what_was_expected)
{
	expect(run("gte"), 2, "", "there is no command \"gte\"; did you mean get? See zkcfg --help");
	expect(run("stat"), 2, "", "did you mean status?");
	expect(run("xyzzy"), 2, "", "there is no command \"xyzzy\": see zkcfg --help");
	expect(run_how(&usual, (const char *const[]){ NULL }), 2, "",
	       "a command is missing: see zkcfg --help");
	expect(run("get", "app"), 2, "",
	       "get: too few arguments: expected SET DOC [PATH], see zkcfg get --help");
	expect(run("get", "a", "b", "c", "d"), 2, "", "get: too many arguments: expected SET DOC [PATH]");
	expect(run("ls", "--timeout", "3"), 2, "", "ls has no option --timeout: see zkcfg ls --help");
	expect(run("ls", "--jason"), 2, "", "there is no option --jason; did you mean --json?");
	expect(run("ls", "-x"), 2, "", "there is no option -x: see zkcfg --help");
	expect(run("ls", "--json=1"), 2, "", "option --json=1 takes no value");
	expect(run("wait", "app", "--newer"), 2, "", "option --newer needs a value");
	expect(run("wait", "app", "--newer", "-1"), 2, "", "--newer \"-1\": expected a seq");
	expect(run("wait", "app", "--newer", "9223372036854775808"), 2, "", "expected a seq");
	expect(run("rm", "zk://h/a", "--if-version", "x"), 2, "", "--if-version \"x\": expected a version");
	expect(run("ls", "--shm-dir", ""), 2, "", "--shm-dir \"\": expected a directory");
}
END_TEST

START_TEST(durations_that_are_none_are_refused)
{
	/* clang-format off */
	static const char *const wrong[] = {
		"", "s", "-1", "+1", "1d", "1 s", "1e3", "0x10", ".", "1.2.3", "inf", "nan", "99999999999h",
	};
	/* clang-format on */
	static const char *const right[] = {
		"1h", "60m", "3600s", "3600", "3600000ms", "0.5h", ".5h", "5.h"
	};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		expect(run("get", "app", "service.xml", "--max-age", wrong[i]), 2, "",
		       "expected a time with ms, s, m or h");
	for (size_t i = 0; i < sizeof(right) / sizeof(right[0]); i++)
		expect(run("get", "app", "db/pool.xml", "/pool/@max", "--max-age", right[i]), 0, "10\n", "");
}
END_TEST

START_TEST(options_stand_anywhere)
{
	ck_assert_int_eq(setenv("POSIXLY_CORRECT", "1", 1), 0);
	unsetenv("ZKCFG_SHM_DIR");
	expect(run("--shm-dir", host.shm_dir, "get", "app", "db/pool.xml", "/pool/@max"), 0, "10\n", "");
	expect(run("get", "--shm-dir", host.shm_dir, "app", "db/pool.xml", "/pool/@max"), 0, "10\n", "");
	expect(run("get", "app", "db/pool.xml", "/pool/@max", "--shm-dir", host.shm_dir), 0, "10\n", "");
	unsetenv("POSIXLY_CORRECT");
	ck_assert_int_eq(setenv("ZKCFG_SHM_DIR", host.shm_dir, 1), 0);
	publish("--odd.xml", "<a>1</a>");
	expect(run("get", "app", "--", "--odd.xml", "/a"), 0, "1\n", "");
}
END_TEST

START_TEST(every_command_has_help_with_examples)
{
	static const char *const commands[] = { "get",	  "ls",	   "dump", "watch", "wait",
						"status", "check", "put",  "rm",    "accept-older" };
	char usage[64], example[64];

	expect(run("--help"), 0, NULL, "");
	expect_part(&last, "examples:\n");
	expect_part(&last, "exit status: 0 ok, 1 not found");
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		snprintf(usage, sizeof(usage), "\n  %-12s ", commands[i]);
		run("--help");
		expect_part(&last, usage);
		snprintf(usage, sizeof(usage), "usage: zkcfg %s", commands[i]);
		snprintf(example, sizeof(example), "zkcfg %s ", commands[i]);
		expect(run(commands[i], "--help"), 0, NULL, "");
		ck_assert_ptr_eq(strstr(last.out, usage), last.out);
		expect_part(&last, "\nexample");
		expect_part(&last, example);
		expect(run("help", commands[i]), 0, NULL, "");
		ck_assert_ptr_eq(strstr(last.out, usage), last.out);
	}
	expect(run("--version"), 0, NULL, "");
	ck_assert_ptr_eq(strstr(last.out, "zkcfg "), last.out);
}
END_TEST

/* --- standard output --------------------------------------------------------- */

START_TEST(output_that_cannot_be_written_exits_with_3)
{
	struct how full = { .output = "/dev/full" }, closed = { .output_closed = true }, broken = { 0 };
	int pipe_fds[2];

	expect(run_with(&full, "get", "app", "service.xml"), 3, "",
	       "cannot write to standard output: No space left on device");
	expect(run_with(&full, "status", "--json"), 3, "", "cannot write to standard output: No space");
	expect(run_with(&full, "watch", "app", "--initial"), 3, "", "cannot write to standard output");
	expect(run_with(&full, "--help"), 3, "", "cannot write to standard output");
	expect(run_with(&closed, "ls"), 3, "", "cannot write to standard output: Bad file descriptor");
	expect(run_with(&closed, "wait", "none", "--timeout", "0.05"), 6, "", "timed out");
	/* what fails for another reason keeps its exit status */
	verified(90000);
	expect(run_with(&full, "status", "app", "--max-age", "1s"), 5, "", "is stale");
	expect(&last, 5, "", "cannot write to standard output: No space left on device");
	ck_assert_int_eq(pipe2(pipe_fds, O_CLOEXEC), 0);
	close(pipe_fds[0]);
	broken.output_fd = pipe_fds[1];
	expect(run_with(&broken, "dump", "app"), 3, "", "cannot write to standard output: Broken pipe");
}
END_TEST

/* What status prints on a terminal. */
static const char *on_terminal(const char *const *arguments)
{
	static char text[4096];
	int terminal, program_side, err = memory_file("");
	size_t length = 0;
	ssize_t got;
	pid_t pid;

	ck_assert_int_eq(openpty(&terminal, &program_side, NULL, NULL, NULL), 0);
	pid = start(&usual, program_side, program_side, err, arguments);
	close(program_side);
	while ((got = read(terminal, text + length, sizeof(text) - 1 - length)) > 0)
		length += (size_t)got;
	text[length] = '\0';
	ck_assert_int_eq(ended(pid), 0);
	close(terminal);
	close(err);
	return text;
}

START_TEST(colour_is_for_terminals_that_want_it)
{
	static const char *const arguments[] = { "status", "app", NULL };

	ck_assert_int_eq(setenv("TERM", "xterm", 1), 0);
	unsetenv("NO_COLOR");
	ck_assert_ptr_nonnull(strstr(on_terminal(arguments), "\033["));
	ck_assert_ptr_nonnull(strstr(on_terminal(arguments), "following"));
	ck_assert_ptr_null(strchr(run("status", "app")->out, '\033'));
	ck_assert_int_eq(setenv("NO_COLOR", "1", 1), 0);
	ck_assert_ptr_null(strchr(on_terminal(arguments), '\033'));
	unsetenv("NO_COLOR");
	ck_assert_int_eq(setenv("TERM", "dumb", 1), 0);
	ck_assert_ptr_null(strchr(on_terminal(arguments), '\033'));
}
END_TEST

START_TEST(messages_cannot_command_a_terminal)
{
	run("get", "app", "a\033[31m\n.xml");
	expect(&last, 1, "", "no document \"a?[31m?.xml\"");
}
END_TEST

/* --- put and rm -------------------------------------------------------------- */

static void setup_server(void)
{
	server = zk_server_new(NULL);
	zk_server_start(server);
}

static void teardown_server(void)
{
	zk_server_free(server);
}

static const char *uri(const char *path)
{
	static char text[256];

	snprintf(text, sizeof(text), "zk://%s%s", zk_server_hosts(server), path);
	return text;
}

START_TEST(put_that_is_wrong_in_form_exits_with_2)
{
	const char *good = file_of("good.xml", SERVICE);

	expect(run("put", "service.xml", good), 2, "", "a source is a URI with a scheme; expected zk://");
	expect(run("put", "ftp://h/a", good), 2, "", "there is no source with the scheme ftp://");
	expect(run("put", "zk://:x/a", good), 2, "", "is no host");
	expect(run("rm", "zk://h/a?colour=red"), 2, "", "colour");
}
END_TEST

START_TEST(put_checks_before_it_makes_a_connection)
{
	char bad[256], schema[256];

	strcpy(bad, file_of("bad.xml", "<a>\n  <b></c>\n</a>"));
	strcpy(schema, file_of("a.rng", SCHEMA));
	/* under the filter: a connection would kill it */
	expect(run("put", "zk://127.0.0.1:1/a", bad), 4, "", "bad.xml:2:");
	expect(&last, 4, "", "not written: what is at the source stays as it is");
	expect(run("put", "zk://127.0.0.1:1/a", "/nowhere/a.xml"), 3, "", "/nowhere/a.xml: cannot be read");
	expect(run("put", "zk://127.0.0.1:1/a", file_of("x.xml", "<x/>"), "--schema", schema), 4, "",
	       "x.xml:1:");
	ck_assert_int_eq(
		run("put", "zk://127.0.0.1:1/a", file_of("a.xml", "<a b=''/>"), "--schema", schema)->status,
		-SIGSYS);
}
END_TEST

START_TEST(put_writes_and_prints_the_version)
{
	struct how piped = { .input = "<b/>", .connects = true };
	const char *good = file_of("good.xml", SERVICE);

	expect(run_put("put", uri("/new/deep/service.xml"), good), 0, "0\n", "");
	expect(run_put("put", uri("/new/deep/service.xml"), good), 0, "1\n", "");
	expect(run_with(&piped, "put", uri("/new/deep/service.xml"), "-", "--if-version", "1"), 0, "2\n", "");
}
END_TEST

START_TEST(put_with_another_version_exits_with_5)
{
	const char *good = file_of("good.xml", SERVICE);

	expect(run_put("put", uri("/conflict.xml"), good), 0, "0\n", "");
	expect(run_put("put", uri("/conflict.xml"), good, "--if-version", "3"), 5, "",
	       "/conflict.xml has version 0, expected 3");
	expect(run_put("rm", uri("/conflict.xml"), "--if-version", "3"), 5, "",
	       "/conflict.xml has version 0, expected 3");
	expect(run_put("put", uri("/conflict.xml"), good, "--if-version", "0"), 0, "1\n", "");
	expect(run_put("put", uri("/never/was.xml"), good, "--if-version", "0"), 1, "", "no znode");
}
END_TEST

START_TEST(put_without_check_writes_what_it_is_given)
{
	expect(run_put("put", uri("/unchecked.xml"), file_of("bad.xml", "<a>")), 4, "", "bad.xml:1:");
	expect(run_put("put", uri("/unchecked.xml"), file_of("bad.xml", "<a>"), "--no-check"), 0, "0\n", "");
}
END_TEST

START_TEST(put_of_what_is_too_large_names_size_and_limit)
{
	size_t size = 2 * 1024 * 1024;
	char *bytes = malloc(size);

	memset(bytes, ' ', size);
	memcpy(bytes, "<a><!--", 7);
	memcpy(bytes + size - 7, "--></a>", 7);
	expect(run_put("put", uri("/large.xml"), file_with("large.xml", bytes, size)), 4, "", "2097152");
	ck_assert_ptr_nonnull(strstr(last.err, "1048575"));
	free(bytes);
}
END_TEST

START_TEST(rm_removes_or_exits_with_1)
{
	expect(run_put("put", uri("/gone.xml"), file_of("good.xml", SERVICE)), 0, "0\n", "");
	expect(run_put("rm", uri("/gone.xml")), 0, "", "");
	expect(run_put("rm", uri("/gone.xml")), 1, "", "there is no znode /gone.xml");
}
END_TEST

START_TEST(put_to_nobody_exits_with_6_or_7)
{
	const char *good = file_of("good.xml", SERVICE);
	struct run seen;

	seen = *run_put("put", "zk://127.0.0.1:1/a.xml", good, "--timeout", "300ms");
	ck_assert_msg(seen.status == 6 || seen.status == 7, "%d: %s", seen.status, seen.err);
	ck_assert_str_eq(seen.out, "");
	ck_assert_ptr_nonnull(strstr(seen.err, "127.0.0.1:1"));
	zk_server_pause(server);
	expect(run_put("rm", uri("/a.xml"), "--timeout", "300ms"), 6, "", "within 300 ms");
	zk_server_resume(server);
}
END_TEST

static void add_reading(Suite *suite)
{
	TCase *tcase = tcase_create("a published set");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, get_prints_a_value_and_a_newline);
	tcase_add_test(tcase, get_without_path_prints_the_bytes_unchanged);
	tcase_add_test(tcase, get_of_what_is_not_there_exits_with_1);
	tcase_add_test(tcase, get_of_a_malformed_path_exits_with_2);
	tcase_add_test(tcase, get_origin_tells_the_one_source);
	tcase_add_test(tcase, get_json_tells_value_and_commit);
	tcase_add_test(tcase, max_age_prints_nothing_stale);
	tcase_add_test(tcase, set_that_is_not_there_exits_with_3_and_names_those_that_are);
	tcase_add_test(tcase, set_name_that_cannot_be_exits_with_2);
	tcase_add_test(tcase, damaged_segment_exits_with_3);
	tcase_add_test(tcase, set_of_modes_not_to_be_trusted_exits_with_3);
	tcase_add_test(tcase, ls_sorts_sets_and_documents_and_keeps_the_order_of_paths);
	tcase_add_test(tcase, ls_json_tells_revision_version_and_size);
	tcase_add_test(tcase, dump_flat_is_a_line_a_value);
	tcase_add_test(tcase, dump_xml_is_one_documents_bytes);
	tcase_add_test(tcase, dump_json_has_every_value_of_the_commit);
	tcase_add_test(tcase, status_of_a_set_that_follows_its_source);
	tcase_add_test(tcase, status_of_a_source_that_is_away_says_since_when_it_is_stale);
	tcase_add_test(tcase, status_names_every_candidate_with_its_place_and_reason);
	tcase_add_test(tcase, status_counts_candidates_that_are_not_kept);
	tcase_add_test(tcase, status_of_a_dead_daemon_does_not_pretend);
	tcase_add_test(tcase, status_of_a_daemon_that_ended_says_so);
	tcase_add_test(tcase, status_of_a_set_says_how_it_hears_of_changes);
	tcase_add_test(tcase, status_json_is_complete);
	tcase_add_test(tcase, status_of_all_sets_goes_on_past_one_that_cannot_be_read);
	suite_add_tcase(suite, tcase);
}

static void add_following(Suite *suite)
{
	TCase *tcase = tcase_create("a set that changes");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, wait_prints_the_newer_seq);
	tcase_add_test(tcase, wait_that_is_in_vain_exits_with_6);
	tcase_add_test(tcase, wait_ends_when_the_numbering_begins_anew);
	tcase_add_test(tcase, watch_prints_a_line_a_change);
	tcase_add_test(tcase, watch_starts_from_now);
	tcase_add_test(tcase, watch_of_a_path_shows_it_and_all_below);
	tcase_add_test(tcase, watch_json_is_an_object_a_line);
	tcase_add_test(tcase, watch_goes_on_over_a_restart_and_over_a_segment_made_anew);
	tcase_add_test(tcase, watch_ends_when_nobody_reads_any_more);
	suite_add_tcase(suite, tcase);
}

static void add_empty(Suite *suite)
{
	TCase *tcase = tcase_create("no set yet");

	tcase_add_checked_fixture(tcase, setup_empty, teardown);
	tcase_add_test(tcase, max_age_of_a_set_never_verified_is_exceeded);
	tcase_add_test(tcase, set_with_nothing_published_exits_with_3);
	tcase_add_test(tcase, directory_without_sets_exits_with_3);
	tcase_add_test(tcase, wait_for_a_set_that_is_not_there_yet);
	tcase_add_test(tcase, wait_for_a_set_with_nothing_published);
	tcase_add_test(tcase, watch_waits_for_a_set_that_is_not_there_yet);
	tcase_add_test(tcase, watch_that_waits_for_a_set_ends_on_a_signal);
	suite_add_tcase(suite, tcase);
}

static void add_command_line(Suite *suite)
{
	TCase *tcase = tcase_create("the command line");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, check_of_good_files_is_silent);
	tcase_add_test(tcase, check_names_every_file_that_is_invalid);
	tcase_add_test(tcase, check_of_a_file_that_cannot_be_read_exits_with_3_unless_one_is_invalid);
	tcase_add_test(tcase, check_names_the_limit_of_a_file_too_large);
	tcase_add_test(tcase, check_with_a_schema);
	tcase_add_test(tcase, check_json_lists_every_file);
	tcase_add_test(tcase, usage_errors_exit_with_2_and_say_what_was_expected);
	tcase_add_test(tcase, durations_that_are_none_are_refused);
	tcase_add_test(tcase, options_stand_anywhere);
	tcase_add_test(tcase, every_command_has_help_with_examples);
	tcase_add_test(tcase, output_that_cannot_be_written_exits_with_3);
	tcase_add_test(tcase, colour_is_for_terminals_that_want_it);
	tcase_add_test(tcase, messages_cannot_command_a_terminal);
	tcase_add_test(tcase, put_that_is_wrong_in_form_exits_with_2);
	tcase_add_test(tcase, put_checks_before_it_makes_a_connection);
	suite_add_tcase(suite, tcase);
}

static void add_real_files(Suite *suite)
{
	TCase *tcase = tcase_create("real files");

	tcase_set_timeout(tcase, 600); /* a process for each of thousands of values */
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_loop_test(tcase, every_value_of_a_real_file_is_as_libxml2_says, 0,
			    (int)(sizeof(real_files) / sizeof(real_files[0])));
	suite_add_tcase(suite, tcase);
}

static void add_writing(Suite *suite)
{
	TCase *tcase = tcase_create("ZooKeeper");

	tcase_add_unchecked_fixture(tcase, setup_server, teardown_server);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, put_writes_and_prints_the_version);
	tcase_add_test(tcase, put_with_another_version_exits_with_5);
	tcase_add_test(tcase, put_without_check_writes_what_it_is_given);
	tcase_add_test(tcase, put_of_what_is_too_large_names_size_and_limit);
	tcase_add_test(tcase, rm_removes_or_exits_with_1);
	tcase_add_test(tcase, put_to_nobody_exits_with_6_or_7);
	suite_add_tcase(suite, tcase);
}

int main(void)
{
	Suite *suite = suite_create("zkcfg");
	SRunner *runner = srunner_create(suite);
	int failed;

	add_reading(suite);
	add_following(suite);
	add_empty(suite);
	add_command_line(suite);
	add_real_files(suite);
	add_writing(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
