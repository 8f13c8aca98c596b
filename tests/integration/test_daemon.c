/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * zkcfgd as it is installed, between a real ZooKeeper and readers that link
 * libzkcfg. A second client, the writer, does what others would do. Each
 * promise of docs/design.md has a test that is named after it.
 */
#define THREADED /* for the writer's synchronous calls */

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <zkcfg/zkcfg.h>
#include <zookeeper/zookeeper.h>

#include "base/clock.h"
#include "support/segment_host.h"
#include "support/zk_server.h"

#define DEADLINE_NS (45 * CLOCK_NS_PER_S)
#define ROOT "/app"
#define MOST_ARGUMENTS 16

/* Where the test works: one directory, one server, at most one daemon. */
static struct {
	char directory[64], shm_dir[80], state_dir[80], log[80], uri[160];
	struct zk_server *server;
	zhandle_t *writer;
	pid_t daemon; /* 0: none runs */
} host;

static struct zk_server *shared; /* for tests that leave the server alone */

/* --- waiting ------------------------------------------------------------------ */

static const char *logged(void)
{
	static char text[4 << 20];
	int fd = open(host.log, O_RDONLY | O_CLOEXEC);
	ssize_t got = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);

	if (fd >= 0)
		close(fd);
	text[got > 0 ? got : 0] = '\0';
	return text;
}

/* The end of it, for messages: Check takes no long ones. */
static const char *log_end(void)
{
	const char *text = logged();
	size_t length = strlen(text);

	return length > 3000 ? text + length - 3000 : text;
}

/* Evaluate a condition until it holds. */
#define UNTIL(condition)                                                                              \
	do {                                                                                          \
		int64_t deadline_ns_ = clock_monotonic_ns() + DEADLINE_NS;                            \
		while (!(condition)) {                                                                \
			ck_assert_msg(clock_monotonic_ns() < deadline_ns_, "never: %s; the log:\n%s", \
				      #condition, log_end());                                         \
			usleep(5000);                                                                 \
		}                                                                                     \
	} while (0)

static void assert_logged(const char *part)
{
	ck_assert_msg(strstr(logged(), part) != NULL, "\"%s\" is not in the log:\n%s", part, log_end());
}

/* --- the writer ------------------------------------------------------------------ */

static void no_log(const char *text)
{
	(void)text;
}

static void connect_writer(void)
{
	zoo_set_debug_level(ZOO_LOG_LEVEL_ERROR);
	host.writer = zookeeper_init2(zk_server_hosts(host.server), NULL, 30000, NULL, NULL, 0, no_log);
	ck_assert_ptr_nonnull(host.writer);
	UNTIL(zoo_state(host.writer) == ZOO_CONNECTED_STATE);
}

static void disconnect_writer(void)
{
	if (host.writer)
		zookeeper_close(host.writer);
	host.writer = NULL;
}

static int try_put(const char *path, const char *text, struct Stat *stat)
{
	int code = zoo_set2(host.writer, path, text, (int)strlen(text), -1, stat);

	if (code == ZNONODE)
		code = zoo_create2(host.writer, path, text, (int)strlen(text), &ZOO_OPEN_ACL_UNSAFE, 0, NULL,
				   0, stat);
	return code;
}

/* Make or change a znode; returns its mzxid. A write that a restarting server lost is made again. */
static uint64_t put(const char *path, const char *text)
{
	struct Stat stat;
	int code;

	UNTIL((code = try_put(path, text, &stat)) != ZCONNECTIONLOSS && code != ZOPERATIONTIMEOUT);
	ck_assert_msg(code == ZOK, "%s: %s", path, zerror(code));
	return (uint64_t)stat.mzxid;
}

static void delete_tree(const char *path)
{
	struct String_vector children;
	char below[512];

	if (zoo_get_children(host.writer, path, 0, &children) == ZOK) {
		for (int i = 0; i < children.count; i++) {
			snprintf(below, sizeof(below), "%s/%s", path, children.data[i]);
			delete_tree(below);
		}
		deallocate_String_vector(&children);
	}
	zoo_delete(host.writer, path, -1);
}

/* --- the daemon -------------------------------------------------------------------- */

static const char *program(void)
{
	static char path[512];
	const char *build = getenv("ZKCFG_BUILD");

	snprintf(path, sizeof(path), "%s/zkcfgd", build ? build : ".");
	return path;
}

/* Run zkcfgd with these arguments, NULL at their end; what it says goes to the log. */
static pid_t run(const char *first, ...)
{
	char *argv[MOST_ARGUMENTS + 2] = { (char[]){ "zkcfgd" } };
	int argc = 1, fd;
	pid_t pid;
	va_list args;

	va_start(args, first);
	for (const char *arg = first; arg; arg = va_arg(args, const char *)) {
		ck_assert_int_lt(argc, MOST_ARGUMENTS);
		argv[argc++] = strdup(arg);
	}
	va_end(args);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		fd = open(host.log, O_WRONLY | O_CREAT | O_APPEND, 0600);
		if (fd < 0 || dup2(fd, STDOUT_FILENO) < 0 || dup2(fd, STDERR_FILENO) < 0)
			_exit(126);
		execv(program(), argv);
		_exit(127);
	}
	for (int i = 1; i < argc; i++)
		free(argv[i]);
	return pid;
}

static int wait_for_end(pid_t pid)
{
	int how;

	UNTIL(waitpid(pid, &how, WNOHANG) == pid);
	return how;
}

static int exit_code(pid_t pid)
{
	int how = wait_for_end(pid);

	ck_assert_msg(WIFEXITED(how), "ended by signal %d; the log:\n%s", WTERMSIG(how), log_end());
	ck_assert_msg(WEXITSTATUS(how) < 126, "cannot run %s", program());
	return WEXITSTATUS(how);
}

/* --- readers --------------------------------------------------------------------- */

static struct zkcfg *reader(void)
{
	struct zkcfg *cfg = NULL;

	UNTIL(zkcfg_open("app", host.shm_dir, &cfg) == 0);
	return cfg;
}

static struct zkcfg_status *status(void)
{
	struct zkcfg *cfg = reader();
	struct zkcfg_status *found;

	UNTIL(zkcfg_status_read(cfg, &found) == 0); /* one that is damaged is soon written again */
	zkcfg_close(cfg);
	return found;
}

static enum zkcfg_source_state source_state(void)
{
	struct zkcfg_status *found = status();
	enum zkcfg_source_state state = zkcfg_status_source_state(found);

	zkcfg_status_free(found);
	return state;
}

static int64_t daemon_pid(void)
{
	struct zkcfg_status *found = status();
	int64_t pid = zkcfg_status_daemon_pid(found);

	zkcfg_status_free(found);
	return pid;
}

static int64_t daemon_age_ms(void)
{
	struct zkcfg_status *found = status();
	int64_t age_ms = zkcfg_status_daemon_age_ms(found);

	zkcfg_status_free(found);
	return age_ms;
}

static size_t candidate_count(void)
{
	struct zkcfg_status *found = status();
	size_t count = zkcfg_status_candidate_count(found);

	zkcfg_status_free(found);
	return count;
}

static bool has_candidate(const char *document, uint64_t revision, uint32_t line, uint32_t column,
			  const char *reason)
{
	struct zkcfg_status *found = status();
	struct zkcfg_candidate candidate;
	bool has = false;

	for (size_t i = 0; zkcfg_status_candidate(found, i, &candidate) == 0; i++)
		has |= strcmp(candidate.document, document) == 0 && candidate.revision == revision &&
		       candidate.line == line && candidate.column == column &&
		       strstr(candidate.reason, reason);
	zkcfg_status_free(found);
	return has;
}

static uint64_t seq(void)
{
	struct zkcfg *cfg = reader();
	uint64_t found = zkcfg_seq(cfg);

	zkcfg_close(cfg);
	return found;
}

/* Is /v of a document this? NULL: is there no such document? */
static bool has_value_in(struct zkcfg *cfg, const char *document, const char *expected)
{
	struct zkcfg_snapshot *snapshot;
	const char *value = NULL;
	bool has;
	int err;

	if (zkcfg_pin(cfg, &snapshot) < 0)
		return false;
	err = zkcfg_get_string(snapshot, document, "/v", &value);
	has = expected ? err == 0 && strcmp(value, expected) == 0 : err == ZKCFG_ENODOC;
	zkcfg_unpin(snapshot);
	return has;
}

static bool has_value(const char *document, const char *expected)
{
	struct zkcfg *cfg = reader();
	bool has = has_value_in(cfg, document, expected);

	zkcfg_close(cfg);
	return has;
}

/* --- beginning and end ------------------------------------------------------------ */

static void run_daemon(void)
{
	char set[192];

	snprintf(set, sizeof(set), "app=%s", host.uri);
	host.daemon = run("--set", set, "--shm-dir", host.shm_dir, "--state-dir", host.state_dir,
			  "--log-level", "debug", NULL);
}

static void start_daemon(void)
{
	run_daemon();
	UNTIL(daemon_pid() == host.daemon && daemon_age_ms() >= 0 && daemon_age_ms() < 1500);
}

static void start_and_follow(void)
{
	start_daemon();
	UNTIL(source_state() == ZKCFG_SOURCE_FOLLOWING);
}

static void stop_daemon(void)
{
	pid_t pid = host.daemon;
	int code;

	if (pid == 0)
		return;
	host.daemon = 0;
	kill(pid, SIGCONT);
	ck_assert_int_eq(kill(pid, SIGTERM), 0);
	code = exit_code(pid);
	ck_assert_msg(code == 0, "exit status %d; it said:\n%s", code, log_end());
}

static void kill_daemon(void)
{
	int how;

	ck_assert_int_eq(kill(host.daemon, SIGKILL), 0);
	how = wait_for_end(host.daemon);
	host.daemon = 0;
	ck_assert(WIFSIGNALED(how));
}

static void begin(struct zk_server *server)
{
	memset(&host, 0, sizeof(host));
	host.server = server;
	strcpy(host.directory, "/tmp/zkcfg-daemon-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(host.directory));
	snprintf(host.shm_dir, sizeof(host.shm_dir), "%s/shm", host.directory);
	snprintf(host.state_dir, sizeof(host.state_dir), "%s/state", host.directory);
	snprintf(host.log, sizeof(host.log), "%s/log", host.directory);
	snprintf(host.uri, sizeof(host.uri), "zk://%s" ROOT "?session_timeout_ms=2000",
		 zk_server_hosts(server));
	connect_writer();
	delete_tree(ROOT);
	put(ROOT, "");
}

static void end(void)
{
	if (host.daemon > 0) {
		kill(host.daemon, SIGKILL);
		waitpid(host.daemon, NULL, 0);
	}
	disconnect_writer();
	segment_host_remove(host.directory);
}

static void start_shared(void)
{
	shared = zk_server_new(NULL);
	zk_server_start(shared);
}

static void free_shared(void)
{
	zk_server_free(shared);
}

static void begin_shared(void)
{
	begin(shared);
}

static void begin_own(void)
{
	struct zk_server *server = zk_server_new(NULL);

	zk_server_start(server);
	begin(server);
}

static void end_own(void)
{
	end();
	zk_server_free(host.server);
}

/* --- following ------------------------------------------------------------------- */

START_TEST(change_in_zookeeper_reaches_a_readers_variable)
{
	struct zkcfg *cfg;
	uint64_t newest, revision;
	struct zkcfg_snapshot *snapshot;
	const struct zkcfg_document *document;
	int64_t port = 0;

	put(ROOT "/app.xml", "<app><port>80</port></app>");
	start_and_follow();
	cfg = reader();
	UNTIL(zkcfg_wait(cfg, 0, 1000, &newest) == 0);
	revision = put(ROOT "/app.xml", "<app><port>81</port></app>");
	ck_assert_int_eq(zkcfg_wait(cfg, newest, 30000, &newest), 0);
	ck_assert_int_eq(zkcfg_pin(cfg, &snapshot), 0);
	ck_assert_int_eq(zkcfg_get_int64(snapshot, "app.xml", "/app/port", &port), 0);
	ck_assert_int_eq(port, 81);
	ck_assert_int_eq(zkcfg_find(snapshot, "app.xml", &document), 0);
	ck_assert_uint_eq(zkcfg_document_revision(document), revision);
	ck_assert_int_eq(zkcfg_document_version(document), 1);
	zkcfg_unpin(snapshot);
	zkcfg_close(cfg);
	stop_daemon();
}
END_TEST

START_TEST(znodes_at_any_depth_come_and_change)
{
	start_and_follow();
	put(ROOT "/a.xml", "<v>1</v>");
	put(ROOT "/dir", "");
	put(ROOT "/dir/deeper", "");
	put(ROOT "/dir/deeper/b.xml", "<v>2</v>");
	put(ROOT "/gr\xc3\xbc\xc3\x9f"
		 "e.xml",
	    "<v>3</v>");
	UNTIL(has_value("a.xml", "1") && has_value("dir/deeper/b.xml", "2") &&
	      has_value("gr\xc3\xbc\xc3\x9f"
			"e.xml",
			"3"));
	put(ROOT "/dir/deeper/b.xml", "<v>4</v>");
	UNTIL(has_value("dir/deeper/b.xml", "4"));
	put(ROOT "/dir", "<v>5</v>"); /* one may be a document and have documents below it */
	UNTIL(has_value("dir", "5"));
	ck_assert(has_value("dir/deeper/b.xml", "4"));
	ck_assert_uint_eq(candidate_count(), 0);
	stop_daemon();
}
END_TEST

START_TEST(changes_made_at_once_become_one_commit)
{
	static const char *const paths[] = { ROOT "/a.xml", ROOT "/b.xml", ROOT "/dir/c.xml", ROOT "/d.xml" };
	enum { PATHS = sizeof(paths) / sizeof(paths[0]) };
	zoo_op_result_t results[PATHS];
	zoo_op_t ops[PATHS];
	struct zkcfg *cfg;
	char text[32], number[16];
	uint64_t newest;

	put(ROOT "/dir", "");
	for (int i = 0; i < PATHS; i++)
		put(paths[i], "<v>0</v>");
	start_and_follow();
	UNTIL(has_value("dir/c.xml", "0"));
	cfg = reader();
	newest = zkcfg_seq(cfg);
	for (int round = 1; round <= 50; round++) {
		snprintf(number, sizeof(number), "%d", round);
		snprintf(text, sizeof(text), "<v>%s</v>", number);
		for (int i = 0; i < PATHS; i++)
			zoo_set_op_init(&ops[i], paths[i], text, (int)strlen(text), -1, NULL);
		ck_assert_int_eq(zoo_multi(host.writer, PATHS, ops, results), ZOK);
		UNTIL(zkcfg_wait(cfg, newest, 1000, NULL) == 0);
		ck_assert(has_value_in(cfg, "a.xml", number) && has_value_in(cfg, "b.xml", number) &&
			  has_value_in(cfg, "dir/c.xml", number) && has_value_in(cfg, "d.xml", number));
		ck_assert_uint_eq(zkcfg_seq(cfg), newest + 1);
		newest++;
	}
	zkcfg_close(cfg);
	stop_daemon();
}
END_TEST

START_TEST(broken_xml_is_held_with_line_and_column)
{
	uint64_t good, bad;
	char line[128];

	good = put(ROOT "/a.xml", "<v>1</v>");
	start_and_follow();
	bad = put(ROOT "/a.xml", "<v>\n  <w>2</v>\n</v>");
	UNTIL(has_candidate("a.xml", bad, 2, 11, "w"));
	ck_assert(has_value("a.xml", "1"));
	snprintf(line, sizeof(line),
		 "set app: document a.xml, revision %llu, 2:11: ", (unsigned long long)bad);
	assert_logged(line);
	snprintf(line, sizeof(line), "; still serving revision %llu\n", (unsigned long long)good);
	assert_logged(line);
	put(ROOT "/a.xml", "<v>3</v>");
	UNTIL(has_value("a.xml", "3") && candidate_count() == 0);
	stop_daemon();
}
END_TEST

START_TEST(vanished_znode_is_held)
{
	put(ROOT "/a.xml", "<v>1</v>");
	put(ROOT "/b.xml", "<v>1</v>");
	start_and_follow();
	ck_assert_int_eq(zoo_delete(host.writer, ROOT "/a.xml", -1), ZOK);
	put(ROOT "/b.xml", "");
	UNTIL(candidate_count() == 2);
	ck_assert(has_value("a.xml", "1"));
	ck_assert(has_value("b.xml", "1"));
	UNTIL(has_candidate("a.xml", 0, 0, 0, "removed at the source; held (on-delete=hold)"));
	put(ROOT "/a.xml", "<v>2</v>");
	put(ROOT "/b.xml", "<v>2</v>");
	UNTIL(has_value("a.xml", "2") && has_value("b.xml", "2") && candidate_count() == 0);
	delete_tree(ROOT); /* all of it */
	UNTIL(candidate_count() == 2);
	stop_daemon();
	start_daemon(); /* and a new daemon does not wipe it either */
	UNTIL(candidate_count() == 2);
	ck_assert(has_value("a.xml", "2") && has_value("b.xml", "2"));
	stop_daemon();
}
END_TEST

/* A configuration file for the daemon, with these sets. */
static const char *write_config(const char *sets)
{
	static char path[96];
	FILE *file;

	snprintf(path, sizeof(path), "%s/zkcfgd.xml", host.directory);
	file = fopen(path, "w");
	ck_assert_ptr_nonnull(file);
	fprintf(file, "<zkcfgd shm-dir=\"shm\" state-dir=\"state\">\n%s\n</zkcfgd>\n", sets);
	ck_assert_int_eq(fclose(file), 0);
	return path;
}

START_TEST(vanished_znode_is_removed_where_the_set_says_so)
{
	char sets[512];

	snprintf(sets, sizeof(sets), "<set name=\"app\" source=\"%s\" on-delete=\"remove\"/>", host.uri);
	put(ROOT "/a.xml", "<v>1</v>");
	put(ROOT "/b.xml", "<v>1</v>");
	put(ROOT "/c.xml", "<v>1</v>");
	host.daemon = run("--config", write_config(sets), NULL);
	UNTIL(has_value("a.xml", "1"));
	ck_assert_int_eq(zoo_delete(host.writer, ROOT "/a.xml", -1), ZOK);
	UNTIL(has_value("a.xml", NULL));
	put(ROOT "/b.xml", "");
	UNTIL(has_value("b.xml", NULL));
	ck_assert(has_value("c.xml", "1"));
	stop_daemon();
	ck_assert_int_eq(zoo_delete(host.writer, ROOT "/c.xml", -1), ZOK); /* while nobody looks */
	host.daemon = run("--config", write_config(sets), NULL);
	UNTIL(has_value("c.xml", NULL));
	ck_assert_uint_eq(candidate_count(), 0);
	stop_daemon();
}
END_TEST

START_TEST(one_daemon_serves_the_sets_of_its_file)
{
	struct zkcfg *one = NULL, *two = NULL;
	char sets[1024];

	snprintf(sets, sizeof(sets),
		 "<set name=\"one\" source=\"zk://%s" ROOT
		 "/one.xml\"/>\n<set name=\"two\" source=\"zk://%s" ROOT "/two\"/>",
		 zk_server_hosts(host.server), zk_server_hosts(host.server));
	put(ROOT "/one.xml", "<v>1</v>");
	put(ROOT "/two", "");
	put(ROOT "/two/a.xml", "<v>2</v>");
	host.daemon = run("--config", write_config(sets), NULL);
	UNTIL((one || zkcfg_open("one", host.shm_dir, &one) == 0) &&
	      (two || zkcfg_open("two", host.shm_dir, &two) == 0));
	UNTIL(has_value_in(one, "one.xml", "1") && has_value_in(two, "a.xml", "2"));
	ck_assert_int_eq(access(host.state_dir, F_OK), 0);
	zkcfg_close(one);
	zkcfg_close(two);
	stop_daemon();
}
END_TEST

START_TEST(password_of_the_auth_file_opens_what_is_closed_to_others)
{
	struct ACL mine = { .perms = ZOO_PERM_ALL, .id = { (char[]){ "auth" }, (char[]){ "" } } };
	struct ACL_vector acl = { .count = 1, .data = &mine };
	char auth_file[96];
	FILE *file;
	int code;

	put(ROOT "/open.xml", "<v>1</v>");
	ck_assert_int_eq(zoo_add_auth(host.writer, "digest", "somebody:hush-hush", 18, NULL, NULL), ZOK);
	code = zoo_create(host.writer, ROOT "/closed.xml", "<v>2</v>", 8, &acl, 0, NULL, 0);
	ck_assert_int_eq(code, ZOK);
	start_and_follow();
	UNTIL(has_value("open.xml", "1") && has_candidate("closed.xml", 0, 0, 0, "no permission"));
	ck_assert(has_value("closed.xml", NULL));
	stop_daemon();

	snprintf(auth_file, sizeof(auth_file), "%s/auth", host.directory);
	file = fopen(auth_file, "w");
	ck_assert_ptr_nonnull(file);
	ck_assert_int_eq(fchmod(fileno(file), 0600), 0);
	fputs("somebody:hush-hush\n", file);
	ck_assert_int_eq(fclose(file), 0);
	strcat(host.uri, "&auth_file=");
	strcat(host.uri, auth_file);
	start_and_follow();
	UNTIL(has_value("closed.xml", "2"));
	ck_assert_uint_eq(candidate_count(), 0);
	ck_assert_ptr_null(strstr(logged(), "hush"));
	ck_assert_ptr_null(strstr(logged(), auth_file));
	stop_daemon();
}
END_TEST

/* --- starting and ending ----------------------------------------------------------- */

START_TEST(second_daemon_is_refused_with_the_pid_of_the_first)
{
	char set[192], expected[128];
	pid_t second;

	put(ROOT "/a.xml", "<v>1</v>");
	start_and_follow();
	snprintf(set, sizeof(set), "app=%s", host.uri);
	second = run("--set", set, "--shm-dir", host.shm_dir, "--state-dir", host.state_dir, NULL);
	ck_assert_int_eq(exit_code(second), 1);
	snprintf(expected, sizeof(expected), "error: set app is served by another zkcfgd, process %d\n",
		 (int)host.daemon);
	assert_logged(expected);
	put(ROOT "/a.xml", "<v>2</v>"); /* the first one takes no notice */
	UNTIL(has_value("a.xml", "2"));
	ck_assert_int_eq(daemon_pid(), host.daemon);
	stop_daemon();
}
END_TEST

static const int ends[] = { SIGTERM, SIGINT };

START_TEST(signal_ends_the_daemon_cleanly)
{
	uint64_t before;

	put(ROOT "/a.xml", "<v>1</v>");
	start_and_follow();
	UNTIL(has_value("a.xml", "1"));
	before = seq();
	ck_assert_int_eq(kill(host.daemon, ends[_i]), 0);
	ck_assert_int_eq(exit_code(host.daemon), 0);
	host.daemon = 0;
	assert_logged("notice: ending: ");
	ck_assert(has_value("a.xml", "1")); /* readers read on */
	segment_host_remove(host.shm_dir);
	start_daemon();
	UNTIL(seq() > 0);
	ck_assert_uint_eq(seq(), before); /* it knew that nothing came behind */
	stop_daemon();
}
END_TEST

START_TEST(hangup_reads_all_again_and_goes_on)
{
	put(ROOT "/a.xml", "<v>1</v>");
	start_and_follow();
	ck_assert_int_eq(kill(host.daemon, SIGHUP), 0);
	UNTIL(strstr(logged(), "notice: reload by SIGHUP: done, "));
	put(ROOT "/a.xml", "<v>2</v>");
	UNTIL(has_value("a.xml", "2"));
	stop_daemon();
}
END_TEST

START_TEST(end_does_not_wait_for_a_disk_that_hangs)
{
	char path[128];

	put(ROOT "/a.xml", "<v>1</v>");
	start_and_follow();
	UNTIL(has_value("a.xml", "1"));
	stop_daemon();
	snprintf(path, sizeof(path), "%s/app/last-good", host.state_dir);
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(mkfifo(path, 0600), 0); /* opening it for reading never returns */
	start_daemon();
	ck_assert_int_eq(kill(host.daemon, SIGTERM), 0);
	ck_assert_int_eq(exit_code(host.daemon), 1);
	host.daemon = 0;
	assert_logged("last-good is not written after 2000 ms: not waiting for it");
	assert_logged("last-good could not be written in time: ending without");
	ck_assert(has_value("a.xml", "1"));
}
END_TEST

START_TEST(killed_daemon_leaves_all_to_the_next)
{
	uint64_t before;

	put(ROOT "/a.xml", "<v>1</v>");
	start_and_follow();
	UNTIL(has_value("a.xml", "1"));
	for (int i = 2; i <= 5; i++) {
		char text[32], number[16];

		before = seq();
		kill_daemon();
		snprintf(number, sizeof(number), "%d", i);
		snprintf(text, sizeof(text), "<v>%d</v>", i);
		put(ROOT "/a.xml", text);
		start_daemon();
		UNTIL(has_value("a.xml", number));
		ck_assert_uint_eq(seq(), before + 1);
	}
	stop_daemon();
}
END_TEST

static const struct {
	const char *sets, *option; /* NULL: without */
	int code;
	const char *said;
} tests_of_configurations[] = {
	{ "<set name=\"a\" source=\"zk://h/p\"/>", "-t", 0, "is good: 1 set\n" },
	{ "<set name=\"a\" source=\"zk://h/p\"/>\n<set name=\"b\" source=\"zk://h/q\"/>", "--test", 0,
	  "zkcfgd.xml is good: 2 sets\n" },
	{ "<set name=\"a\"/>", "-t", 4, "zkcfgd.xml:2:1: " },
	{ "<set name=\"a\"/>", NULL, 4, "zkcfgd.xml:2:1: " },
	{ "<set", "-t", 4, "zkcfgd.xml:3:1: " },
};

START_TEST(configuration_is_checked_before_anything_is_done)
{
	const char *option = tests_of_configurations[_i].option;
	pid_t pid = run("--config", write_config(tests_of_configurations[_i].sets), option, NULL);

	ck_assert_int_eq(exit_code(pid), tests_of_configurations[_i].code);
	assert_logged(tests_of_configurations[_i].said);
	ck_assert_int_lt(access(host.shm_dir, F_OK), 0);
	ck_assert_int_lt(access(host.state_dir, F_OK), 0);
}
END_TEST

START_TEST(exit_code_says_what_kind_of_error_it_was)
{
	char path[96];
	FILE *file;

	ck_assert_int_eq(exit_code(run(NULL)), 2);
	assert_logged("zkcfgd: nothing to serve: expected --set NAME=URI or --config FILE");
	ck_assert_int_eq(exit_code(run("--set", "a=gopher://h/p", NULL)), 2);
	assert_logged("there is no source with the scheme gopher://");
	ck_assert_int_eq(exit_code(run("-t", "--set", "a=zk://h/p", NULL)), 0);
	assert_logged("configuration of --set is good: 1 set\n");
	ck_assert_int_eq(exit_code(run("--config", "/nowhere/zkcfgd.xml", NULL)), 4);
	assert_logged("/nowhere/zkcfgd.xml: cannot be read: No such file or directory");
	ck_assert_int_eq(exit_code(run("--help", NULL)), 0);
	assert_logged("usage: zkcfgd --set NAME=URI");
	ck_assert_int_eq(exit_code(run("--version", NULL)), 0);
	assert_logged("zkcfgd 0.");
	snprintf(path, sizeof(path), "%s/file", host.directory);
	file = fopen(path, "w");
	ck_assert_ptr_nonnull(file);
	fclose(file);
	ck_assert_int_eq(
		exit_code(run("--set", "a=zk://h/p", "--shm-dir", path, "--state-dir", host.state_dir, NULL)),
		1);
	assert_logged("error: cannot make directory ");
	ck_assert_int_eq(exit_code(run("--set", "a=zk://h/p?auth_file=/nowhere/auth", "--shm-dir",
				       host.shm_dir, "--state-dir", host.state_dir, NULL)),
			 1);
	assert_logged("error: set a: source zk://h/p?auth_file: ");
}
END_TEST

#ifdef HAVE_LIBSYSTEMD
/* Read what was told systemd, until a message has this text. */
static void assert_notified(int fd, const char *part)
{
	char text[512] = "";
	ssize_t got;

	while (!strstr(text, part)) {
		got = recv(fd, text, sizeof(text) - 1, 0);
		ck_assert_msg(got > 0, "%s was never told: %s", part, strerror(errno));
		text[got] = '\0';
	}
}

START_TEST(systemd_is_told_of_beginning_state_and_end)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct timeval limit = { .tv_sec = DEADLINE_NS / CLOCK_NS_PER_S };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	ck_assert_int_ge(fd, 0);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/notify", host.directory);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)), 0);
	setenv("NOTIFY_SOCKET", address.sun_path, 1);
	put(ROOT "/a.xml", "<v>1</v>");
	run_daemon();
	assert_notified(fd, "READY=1");
	assert_notified(fd, "STATUS=1 sets, 1 served, 0 stale, 0 candidates, 0 cannot be committed");
	put(ROOT "/a.xml", "<bad");
	assert_notified(fd, "STATUS=1 sets, 1 served, 0 stale, 1 candidates");
	ck_assert_int_eq(kill(host.daemon, SIGTERM), 0);
	assert_notified(fd, "STOPPING=1");
	ck_assert_int_eq(exit_code(host.daemon), 0);
	host.daemon = 0;
	unsetenv("NOTIFY_SOCKET");
	close(fd);
}
END_TEST
#endif

/* --- ZooKeeper comes and goes --------------------------------------------------------- */

static bool is_verified(void)
{
	struct zkcfg_status *found = status();
	bool is = zkcfg_status_unverified_ms(found) >= 0;

	zkcfg_status_free(found);
	return is;
}

START_TEST(reads_go_on_without_zookeeper_and_its_return_is_seen)
{
	struct zkcfg_status *found;
	struct zkcfg *cfg;
	int64_t unverified_ms;

	put(ROOT "/a.xml", "<v>1</v>");
	start_and_follow();
	cfg = reader();
	UNTIL(has_value_in(cfg, "a.xml", "1"));
	UNTIL(is_verified());
	zk_server_stop(host.server);
	UNTIL(source_state() == ZKCFG_SOURCE_AWAY);
	found = status();
	ck_assert_str_ne(zkcfg_status_detail(found), "");
	ck_assert_int_gt(zkcfg_status_since_ns(found), clock_realtime_ns() - DEADLINE_NS);
	unverified_ms = zkcfg_status_unverified_ms(found);
	ck_assert_int_ge(unverified_ms, 0);
	zkcfg_status_free(found);
	ck_assert(has_value_in(cfg, "a.xml", "1"));
	assert_logged("warning: set app: source zk://");
	zk_server_start(host.server);
	put(ROOT "/a.xml", "<v>2</v>");
	UNTIL(has_value_in(cfg, "a.xml", "2"));
	UNTIL(source_state() == ZKCFG_SOURCE_FOLLOWING);
	zkcfg_close(cfg);
	stop_daemon();
}
END_TEST

START_TEST(set_is_served_after_a_restart_without_zookeeper)
{
	uint64_t before;

	put(ROOT "/a.xml", "<v>1</v>");
	start_and_follow();
	UNTIL(has_value("a.xml", "1"));
	before = seq();
	stop_daemon();
	zk_server_stop(host.server);

	start_daemon(); /* from the segment */
	ck_assert(has_value("a.xml", "1"));
	UNTIL(source_state() != ZKCFG_SOURCE_FOLLOWING);
	ck_assert_uint_eq(seq(), before);
	stop_daemon();

	segment_host_remove(host.shm_dir);
	start_daemon(); /* from last-good */
	UNTIL(has_value("a.xml", "1"));
	ck_assert_uint_eq(seq(), before);
	assert_logged("notice: set app: 1 documents from last-good, of commit ");

	zk_server_start(host.server);
	put(ROOT "/a.xml", "<v>2</v>");
	UNTIL(has_value("a.xml", "2"));
	ck_assert_uint_eq(seq(), before + 1);
	stop_daemon();
}
END_TEST

/* --- the promises ---------------------------------------------------------------------- */

/*
 * A process that reads as fast as it can, and looks at each snapshot: three
 * documents of the form <v><a>N</a><b>N</b><name>NAME</name></v>, whose N,
 * revisions and seq never go back. It ends with 0 by SIGTERM, if it has seen
 * anything, or with 1 at the first thing that is not so.
 */
static volatile sig_atomic_t watch_is_over;

static void on_watch_over(int signal)
{
	(void)signal;
	watch_is_over = 1;
}

struct watched {
	uint64_t seq;
	uint64_t revisions[3];
	int64_t numbers[3];
};

static const char *watch_document(const struct zkcfg_snapshot *snapshot, int i, struct watched *before)
{
	static const char *const names[] = { "a.xml", "b.xml", "dir/c.xml" };
	const struct zkcfg_document *document;
	const char *name;
	int64_t a, b;
	uint64_t revision;

	if (zkcfg_find(snapshot, names[i], &document) < 0)
		return "a document is missing";
	if (zkcfg_document_int64(document, "/v/a", &a) < 0 ||
	    zkcfg_document_int64(document, "/v/b", &b) < 0 ||
	    zkcfg_document_string(document, "/v/name", &name) < 0)
		return "a value is missing";
	if (a != b || strcmp(name, names[i]) != 0)
		return "values of different documents or versions are mixed";
	revision = zkcfg_document_revision(document);
	if (revision < before->revisions[i] || a < before->numbers[i])
		return "a document went back";
	before->revisions[i] = revision;
	before->numbers[i] = a;
	return NULL;
}

static const char *watch_once(struct zkcfg *cfg, struct watched *before)
{
	struct zkcfg_snapshot *snapshot;
	const char *wrong = NULL;
	int err = zkcfg_pin(cfg, &snapshot);

	if (err < 0)
		return err == ZKCFG_EEMPTY && before->seq == 0 ? NULL : zkcfg_strerror(err);
	if (zkcfg_snapshot_seq(snapshot) < before->seq)
		wrong = "seq went back";
	before->seq = zkcfg_snapshot_seq(snapshot);
	for (int i = 0; i < 3 && !wrong; i++)
		wrong = watch_document(snapshot, i, before);
	zkcfg_unpin(snapshot);
	return wrong;
}

static pid_t start_watch(void)
{
	struct watched before = { 0 };
	struct zkcfg *cfg;
	const char *wrong = NULL;
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (pid > 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGTERM, on_watch_over);
	if (zkcfg_open("app", host.shm_dir, &cfg) < 0)
		_exit(1);
	while (!wrong && !watch_is_over)
		wrong = watch_once(cfg, &before);
	if (wrong)
		dprintf(STDERR_FILENO, "reader %d, seq %llu: %s\n", (int)getpid(),
			(unsigned long long)before.seq, wrong);
	_exit(wrong || before.seq == 0);
}

static void end_watch(pid_t pid)
{
	ck_assert_int_eq(kill(pid, SIGTERM), 0);
	ck_assert_int_eq(exit_code(pid), 0);
}

/* Write version N of the three documents, in one transaction. */
static void put_watched(int number)
{
	static const char *const names[] = { "a.xml", "b.xml", "dir/c.xml" };
	char paths[3][64], texts[3][128];
	zoo_op_result_t results[3];
	zoo_op_t ops[3];

	for (int i = 0; i < 3; i++) {
		snprintf(paths[i], sizeof(paths[i]), ROOT "/%s", names[i]);
		snprintf(texts[i], sizeof(texts[i]), "<v><a>%d</a><b>%d</b><name>%s</name></v>", number,
			 number, names[i]);
		zoo_set_op_init(&ops[i], paths[i], texts[i], (int)strlen(texts[i]), -1, NULL);
	}
	if (zoo_exists(host.writer, ROOT "/dir", 0, NULL) == ZNONODE) {
		put(ROOT "/dir", "");
		for (int i = 0; i < 3; i++)
			put(paths[i], texts[i]);
		return;
	}
	ck_assert_int_eq(zoo_multi(host.writer, 3, ops, results), ZOK);
}

static bool is_number(int number)
{
	struct zkcfg *cfg = reader();
	struct watched found = { 0 };
	bool is = watch_once(cfg, &found) == NULL && found.numbers[0] == number &&
		  found.numbers[1] == number && found.numbers[2] == number;

	zkcfg_close(cfg);
	return is;
}

START_TEST(promise_1_no_reader_sees_a_torn_mixed_or_wrong_document)
{
	pid_t readers[3];
	int number = 1;

	put_watched(number);
	start_and_follow();
	UNTIL(is_number(1));
	for (int i = 0; i < 3; i++)
		readers[i] = start_watch();
	for (int life = 0; life < 8; life++) {
		int64_t until_ns = clock_monotonic_ns() + (50 + life * 37) * CLOCK_NS_PER_MS;

		while (clock_monotonic_ns() < until_ns)
			put_watched(++number);
		kill_daemon(); /* in the midst of it */
		run_daemon();
	}
	UNTIL(is_number(number));
	for (int i = 0; i < 3; i++)
		end_watch(readers[i]);
	stop_daemon();
}
END_TEST

START_TEST(promise_2_seq_and_revisions_never_go_back)
{
	uint64_t highest = 0;
	pid_t watch;

	put_watched(1);
	start_and_follow();
	UNTIL(is_number(1));
	watch = start_watch(); /* it fails when anything goes back */
	for (int number = 2; number <= 9; number++) {
		put_watched(number);
		UNTIL(is_number(number));
		ck_assert_uint_gt(seq(), highest);
		highest = seq();
		if (number % 3 == 0) {
			kill_daemon();
			segment_host_remove(host.shm_dir); /* then last-good is what knows */
		} else if (number % 3 == 1) {
			kill_daemon();
		} else {
			stop_daemon();
		}
		start_daemon();
		UNTIL(seq() > 0);
		if (number % 3 == 0)
			ck_assert_uint_gt(seq(), highest); /* no number stands for two commits */
		else
			ck_assert_uint_ge(seq(), highest);
	}
	UNTIL(is_number(9));
	end_watch(watch);
	stop_daemon();
}
END_TEST

START_TEST(promise_3_the_final_update_arrives)
{
	char path[64], text[32], number[16];

	put(ROOT "/dir", "");
	start_and_follow();
	for (int version = 1; version <= 200; version++) {
		for (int i = 0; i < 10; i++) {
			snprintf(path, sizeof(path), ROOT "%s/%d.xml", i % 2 ? "/dir" : "", i);
			snprintf(text, sizeof(text), "<v>%d</v>", version);
			put(path, text);
		}
		if (version == 60)
			kill_daemon();
		if (version == 70)
			run_daemon();
		if (version == 130) {
			zk_server_kill(host.server);
			zk_server_start(host.server);
			UNTIL(zoo_state(host.writer) == ZOO_CONNECTED_STATE);
		}
	}
	for (int i = 0; i < 10; i++) {
		snprintf(path, sizeof(path), "%s%d.xml", i % 2 ? "dir/" : "", i);
		snprintf(number, sizeof(number), "%d", 200);
		UNTIL(has_value(path, number));
	}
	UNTIL(source_state() == ZKCFG_SOURCE_FOLLOWING);
	stop_daemon();
}
END_TEST

START_TEST(promise_4_daemon_and_readers_do_not_wait_for_each_other)
{
	struct zkcfg *cfg;
	pid_t stopped, killed;

	put_watched(1);
	start_and_follow();
	UNTIL(is_number(1));
	stopped = start_watch();
	killed = start_watch();
	put_watched(2);
	UNTIL(is_number(2));
	ck_assert_int_eq(kill(stopped, SIGSTOP), 0); /* wherever it is */
	ck_assert_int_eq(kill(killed, SIGKILL), 0);
	ck_assert(WIFSIGNALED(wait_for_end(killed)));
	for (int number = 3; number <= 20; number++) {
		put_watched(number);
		UNTIL(is_number(number));
	}
	ck_assert_int_eq(kill(host.daemon, SIGSTOP), 0);
	cfg = reader();
	for (int i = 0; i < 10000; i++) { /* a daemon that stands still costs freshness */
		struct watched found = { 0 };

		ck_assert_ptr_null(watch_once(cfg, &found));
		ck_assert_int_eq(found.numbers[0], 20);
	}
	UNTIL(daemon_age_ms() > 2000); /* and everybody can see it */
	zkcfg_close(cfg);
	put_watched(21);
	ck_assert_int_eq(kill(host.daemon, SIGCONT), 0);
	UNTIL(is_number(21));
	UNTIL(daemon_age_ms() < 1500);
	ck_assert_int_eq(kill(stopped, SIGCONT), 0);
	end_watch(stopped);
	stop_daemon();
}
END_TEST

START_TEST(promise_5_a_bad_version_never_replaces_a_good_one)
{
	static const char *const bad[] = { "<v>",
					   "no xml",
					   "<v><a>1</a></v><v/>",
					   "<!DOCTYPE v [<!ENTITY e 'x'>]><v>&e;</v>",
					   "\xff\xfe\xfd",
					   "<v a='1' a='2'/>" };
	pid_t watch;
	uint64_t revision = 0;

	put_watched(1);
	start_and_follow();
	UNTIL(is_number(1));
	watch = start_watch(); /* it fails where a value is missing */
	for (int round = 0; round < 12; round++) {
		revision = put(ROOT "/a.xml", bad[round % 6]);
		UNTIL(candidate_count() == 1);
		ck_assert(is_number(round + 1));
		if (round == 6) {
			kill_daemon(); /* nor for a daemon that does not know the good one */
			start_and_follow();
			UNTIL(candidate_count() == 1);
			ck_assert(is_number(round + 1));
		}
		put_watched(round + 2);
		UNTIL(is_number(round + 2) && candidate_count() == 0);
	}
	ck_assert_uint_gt(revision, 0);
	end_watch(watch);
	stop_daemon();
}
END_TEST

START_TEST(promise_6_daemon_starts_and_serves_with_the_source_away)
{
	struct zkcfg_status *found;

	put(ROOT "/a.xml", "<v>1</v>");
	start_and_follow();
	UNTIL(has_value("a.xml", "1"));
	stop_daemon();
	zk_server_stop(host.server);
	segment_host_remove(host.shm_dir);
	for (int life = 0; life < 3; life++) {
		start_daemon();
		UNTIL(has_value("a.xml", "1"));
		UNTIL(source_state() == ZKCFG_SOURCE_CONNECTING || source_state() == ZKCFG_SOURCE_AWAY);
		if (life % 2)
			kill_daemon();
		else
			stop_daemon();
	}
	segment_host_remove(host.shm_dir);
	segment_host_remove(host.state_dir);
	start_daemon(); /* with nothing at all to serve it waits */
	UNTIL(strstr(logged(), "connecting"));
	ck_assert_uint_eq(seq(), 0);
	found = status();
	ck_assert_int_eq(zkcfg_status_unverified_ms(found), -1);
	zkcfg_status_free(found);
	ck_assert_int_eq(waitpid(host.daemon, NULL, WNOHANG), 0);
	zk_server_start(host.server);
	UNTIL(has_value("a.xml", "1"));
	stop_daemon();
}
END_TEST

/* Read what may be anything: an error or a value, as long as it comes back. */
static void read_whatever(void)
{
	struct zkcfg_snapshot *snapshot;
	const struct zkcfg_document *document;
	struct zkcfg_status *found;
	struct zkcfg_iterator iterator;
	struct zkcfg *cfg;
	const char *value;

	if (zkcfg_open("app", host.shm_dir, &cfg) < 0)
		return;
	if (zkcfg_status_read(cfg, &found) == 0)
		zkcfg_status_free(found);
	if (zkcfg_pin(cfg, &snapshot) == 0) {
		zkcfg_iterator_init(&iterator, snapshot);
		while (zkcfg_iterator_next(&iterator, &document) == 0)
			zkcfg_document_string(document, "/v/name", &value);
		zkcfg_get_string(snapshot, "a.xml", "/v/a", &value);
		zkcfg_unpin(snapshot);
	}
	zkcfg_close(cfg);
}

/* The file of the set's one generation. */
static void generation_path(char path[128])
{
	struct stat st;

	for (unsigned i = 1; i < 1000; i++) {
		snprintf(path, 128, "%s/v1/app/gen.%u", host.shm_dir, i);
		if (stat(path, &st) == 0)
			return;
	}
	ck_abort_msg("there is no generation below %s", host.shm_dir);
}

/* Fill a file, or as much of it as is used, with something else. */
static void spoil(const char *path, int how, uint64_t *random)
{
	size_t size;
	uint8_t *bytes = segment_host_read(path, &size);
	uint64_t value;

	if (size > 8192)
		size = 8192;
	for (size_t i = 0; i < (how == 0 ? size / 8 : 4); i++) {
		value = segment_random(random);
		segment_host_patch(path, segment_random(random) % (size - 8), &value, how == 1 ? 1 : 8);
	}
	if (how == 2)
		ck_assert_int_eq(truncate(path, (off_t)(segment_random(random) % size)), 0);
	free(bytes);
}

START_TEST(promise_7_what_is_damaged_is_an_error_and_made_anew)
{
	uint64_t random = segment_seed();
	char control[128], generation[128];

	put_watched(1);
	snprintf(control, sizeof(control), "%s/v1/app/control", host.shm_dir);
	for (int round = 0; round < 12; round++) {
		start_and_follow();
		UNTIL(is_number(1));
		kill_daemon();
		generation_path(generation);
		spoil(round % 2 ? control : generation, round % 3, &random);
		read_whatever();
	}
	start_and_follow();
	UNTIL(is_number(1));
	put_watched(2);
	UNTIL(is_number(2));
	stop_daemon();
	start_daemon(); /* so that the one before has it, too */
	stop_daemon();
	segment_host_remove(host.shm_dir);
	snprintf(control, sizeof(control), "%s/app/last-good", host.state_dir);
	ck_assert_int_eq(truncate(control, 100), 0);
	zk_server_stop(host.server);
	start_daemon();
	assert_logged("last-good cannot be used: it is damaged; the one before it is used");
	UNTIL(is_number(2));
	stop_daemon();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("daemon");
	TCase *one = tcase_create("one server"), *own = tcase_create("own server");
	SRunner *runner;
	int failed;

	tcase_add_unchecked_fixture(one, start_shared, free_shared);
	tcase_add_checked_fixture(one, begin_shared, end);
	tcase_add_test(one, change_in_zookeeper_reaches_a_readers_variable);
	tcase_add_test(one, znodes_at_any_depth_come_and_change);
	tcase_add_test(one, changes_made_at_once_become_one_commit);
	tcase_add_test(one, broken_xml_is_held_with_line_and_column);
	tcase_add_test(one, vanished_znode_is_held);
	tcase_add_test(one, vanished_znode_is_removed_where_the_set_says_so);
	tcase_add_test(one, one_daemon_serves_the_sets_of_its_file);
	tcase_add_test(one, password_of_the_auth_file_opens_what_is_closed_to_others);
	tcase_add_test(one, second_daemon_is_refused_with_the_pid_of_the_first);
	tcase_add_loop_test(one, signal_ends_the_daemon_cleanly, 0, 2);
	tcase_add_test(one, hangup_reads_all_again_and_goes_on);
	tcase_add_test(one, end_does_not_wait_for_a_disk_that_hangs);
	tcase_add_test(one, killed_daemon_leaves_all_to_the_next);
	tcase_add_loop_test(one, configuration_is_checked_before_anything_is_done, 0,
			    sizeof(tests_of_configurations) / sizeof(tests_of_configurations[0]));
	tcase_add_test(one, exit_code_says_what_kind_of_error_it_was);
#ifdef HAVE_LIBSYSTEMD
	tcase_add_test(one, systemd_is_told_of_beginning_state_and_end);
#endif
	tcase_add_test(one, promise_1_no_reader_sees_a_torn_mixed_or_wrong_document);
	tcase_add_test(one, promise_2_seq_and_revisions_never_go_back);
	tcase_add_test(one, promise_4_daemon_and_readers_do_not_wait_for_each_other);
	tcase_add_test(one, promise_5_a_bad_version_never_replaces_a_good_one);
	suite_add_tcase(suite, one);
	tcase_add_checked_fixture(own, begin_own, end_own);
	tcase_add_test(own, reads_go_on_without_zookeeper_and_its_return_is_seen);
	tcase_add_test(own, set_is_served_after_a_restart_without_zookeeper);
	tcase_add_test(own, promise_3_the_final_update_arrives);
	tcase_add_test(own, promise_6_daemon_starts_and_serves_with_the_source_away);
	tcase_add_test(own, promise_7_what_is_damaged_is_an_error_and_made_anew);
	suite_add_tcase(suite, own);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
