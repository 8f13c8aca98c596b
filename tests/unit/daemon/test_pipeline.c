/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* The road from a source to a reader, with a source that says what a test wants it to say. */
#include <check.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <zkcfg/zkcfg.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "daemon/pipeline.h"
#include "support/segment_host.h"
#include "xml/compile.h"

#define DEADLINE_NS (30 * CLOCK_NS_PER_S)

/* The source. What it is asked is counted; what it tells is told by the test. */
static struct fake {
	struct source source;
	const struct source_events *events;
	void *user;
	unsigned opens, starts, closes, refreshes;
	int open_error, start_error;
	int shown_at_open; /* the state that readers saw when it was opened */
} fake;

static int shown_state(void);

static int fake_open(const char *uri, const struct source_events *events, void *user, struct source **source,
		     struct message *message)
{
	ck_assert_str_eq(uri, "fake://host/app?key_file=secret");
	fake.opens++;
	fake.shown_at_open = shown_state();
	if (fake.open_error < 0) {
		message_set(message, "the URI is not to its liking");
		return fake.open_error;
	}
	fake.events = events;
	fake.user = user;
	*source = &fake.source;
	return 0;
}

static int fake_start(struct source *source, struct event_base *loop, struct message *message)
{
	ck_assert_ptr_eq(source, &fake.source);
	ck_assert_ptr_nonnull(loop);
	fake.starts++;
	if (fake.start_error < 0)
		message_set(message, "the file of the key is not there");
	return fake.start_error;
}

static void fake_close(struct source *source)
{
	if (source)
		fake.closes++;
}

static void fake_refresh(struct source *source)
{
	ck_assert_ptr_eq(source, &fake.source);
	fake.refreshes++;
}

static const struct source_ops fake_ops = { .scheme = "fake",
					    .open = fake_open,
					    .start = fake_start,
					    .refresh = fake_refresh,
					    .close = fake_close };

/* The host of a test: directories, a loop, a set, and at most one pipeline. */
static struct host {
	char directory[64], shm_dir[80], state_dir[80];
	struct event_base *loop;
	struct config_set set;
	struct pipeline *pipeline;
	unsigned changed_count;
	int log_fd;
} host;

static void on_changed(void *user)
{
	ck_assert_ptr_eq(user, &host);
	host.changed_count++;
}

static int try_open(struct message *message)
{
	struct pipeline_parts parts = { .set = &host.set,
					.shm_dir = host.shm_dir,
					.state_dir = host.state_dir,
					.source = &fake_ops,
					.loop = host.loop,
					.changed = on_changed,
					.user = &host };

	return pipeline_open(&parts, &host.pipeline, message);
}

static void open_pipeline(void)
{
	struct message message = { "" };
	int err = try_open(&message);

	ck_assert_msg(err == 0, "%d: %s", err, message.text);
}

static void close_pipeline(void)
{
	pipeline_close(host.pipeline);
	host.pipeline = NULL;
}

static void begin(void)
{
	FILE *log = tmpfile();

	host = (struct host){ .set = { .name = (char[]){ "app" }, .mode = 0644, .group = (gid_t)-1 } };
	fake = (struct fake){ .source = { .ops = &fake_ops } };
	host.set.source = strdup("fake://host/app?key_file=secret");
	host.set.name = strdup("app");
	host.set.limits = xml_limits_default;
	strcpy(host.directory, "/tmp/zkcfg-pipeline-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(host.directory));
	snprintf(host.shm_dir, sizeof(host.shm_dir), "%s/shm", host.directory);
	snprintf(host.state_dir, sizeof(host.state_dir), "%s/state", host.directory);
	host.loop = event_base_new();
	ck_assert_ptr_nonnull(host.loop);
	ck_assert_ptr_nonnull(log);
	host.log_fd = fileno(log);
	ck_assert_int_ge(dup2(host.log_fd, STDERR_FILENO), 0);
	ck_assert_int_eq(fcntl(STDERR_FILENO, F_SETFL, O_APPEND), 0);
	log_start(LOG_LEVEL_DEBUG);
	xml_start();
}

static void end(void)
{
	close_pipeline();
	event_base_free(host.loop);
	segment_host_remove(host.directory);
	free(host.set.name);
	free(host.set.source);
	free(host.set.schema);
	free(host.set.commit_marker);
}

static void begin_open(void)
{
	begin();
	open_pipeline();
}

/* What the log has; static. */
static const char *logged(void)
{
	static char text[1 << 20];
	ssize_t got = pread(host.log_fd, text, sizeof(text) - 1, 0);

	ck_assert_int_ge(got, 0);
	text[got] = '\0';
	return text;
}

static void assert_logged(const char *part)
{
	ck_assert_msg(strstr(logged(), part) != NULL, "\"%s\" is not in the log:\n%s", part, logged());
}

static void assert_not_logged(const char *part)
{
	ck_assert_msg(strstr(logged(), part) == NULL, "\"%s\" is in the log:\n%s", part, logged());
}

/* The loop, until what is asked for is so. */
static void on_poll(evutil_socket_t fd, short what, void *user)
{
	(void)fd, (void)what, (void)user;
}

static void run_until(bool (*is_so)(const void *user), const void *user)
{
	static const struct timeval often = { .tv_usec = 5000 };
	struct event *poll = event_new(host.loop, -1, EV_PERSIST, on_poll, NULL);
	int64_t deadline_ns = clock_monotonic_ns() + DEADLINE_NS;

	ck_assert_ptr_nonnull(poll);
	event_add(poll, &often);
	while (!is_so(user)) {
		ck_assert_msg(clock_monotonic_ns() < deadline_ns, "it never became so; the log:\n%s",
			      logged());
		event_base_loop(host.loop, EVLOOP_ONCE);
	}
	event_free(poll);
}

static bool is_past(const void *user)
{
	return clock_monotonic_ns() >= *(const int64_t *)user;
}

static void run_ms(int64_t ms)
{
	int64_t until_ns = clock_monotonic_ns() + ms * CLOCK_NS_PER_MS;

	run_until(is_past, &until_ns);
}

static bool has_logged(const void *user)
{
	return strstr(logged(), user) != NULL;
}

/* What the source tells. */

static void tell_recreated(const char *name, const char *text, uint64_t created, uint64_t modified)
{
	struct source_revision revision = { .created = created, .modified = modified, .version = 3 };

	fake.events->document(fake.user, name, text, strlen(text), &revision);
}

static void tell(const char *name, const char *text, uint64_t modified)
{
	tell_recreated(name, text, 1, modified);
}

static void tell_removed(const char *name)
{
	fake.events->removed(fake.user, name);
}

static void tell_trouble(const char *name, const char *reason)
{
	fake.events->trouble(fake.user, name, reason);
}

static void tell_state(enum source_state source_state, const char *detail)
{
	fake.events->state(fake.user, source_state, detail);
}

static void settle(void)
{
	fake.events->settled(fake.user);
}

static void verify(void)
{
	fake.events->verified(fake.user, clock_boottime_ns());
}

/* What a reader sees. */

static struct zkcfg *reader(void)
{
	struct zkcfg *cfg;

	ck_assert_int_eq(zkcfg_open("app", host.shm_dir, &cfg), 0);
	return cfg;
}

static uint64_t seq(void)
{
	struct zkcfg *cfg = reader();
	uint64_t found = zkcfg_seq(cfg);

	zkcfg_close(cfg);
	return found;
}

static size_t document_count(void)
{
	struct zkcfg *cfg = reader();
	struct zkcfg_snapshot *snapshot;
	size_t count = 0;

	if (zkcfg_pin(cfg, &snapshot) == 0) {
		count = zkcfg_snapshot_document_count(snapshot);
		zkcfg_unpin(snapshot);
	}
	zkcfg_close(cfg);
	return count;
}

/* /v of a document is this; NULL: there is no such document. */
static void assert_value(const char *document, const char *expected)
{
	struct zkcfg *cfg = reader();
	struct zkcfg_snapshot *snapshot;
	const char *value = NULL;
	int err = zkcfg_pin(cfg, &snapshot);

	if (err == 0) {
		err = zkcfg_get_string(snapshot, document, "/v", &value);
		if (expected) {
			ck_assert_msg(err == 0, "%s: %s", document, zkcfg_strerror(err));
			ck_assert_str_eq(value, expected);
		} else {
			ck_assert_int_eq(err, ZKCFG_ENODOC);
		}
		zkcfg_unpin(snapshot);
	} else {
		ck_assert_int_eq(err, ZKCFG_EEMPTY);
		ck_assert_ptr_null(expected);
	}
	zkcfg_close(cfg);
}

/* The status as a reader has it, after all that is to be shown now; ends with zkcfg_status_free(). */
static struct zkcfg_status *status(void)
{
	struct zkcfg *cfg = reader();
	struct zkcfg_status *found;

	event_base_loop(host.loop, EVLOOP_NONBLOCK);
	ck_assert_int_eq(zkcfg_status_read(cfg, &found), 0);
	zkcfg_close(cfg);
	return found;
}

static int shown_state(void)
{
	struct zkcfg *cfg = reader();
	struct zkcfg_status *found;
	int shown;

	ck_assert_int_eq(zkcfg_status_read(cfg, &found), 0);
	shown = (int)zkcfg_status_source_state(found);
	zkcfg_status_free(found);
	zkcfg_close(cfg);
	return shown;
}

static void assert_detail(const char *part)
{
	struct zkcfg_status *found = status();
	const char *detail = zkcfg_status_detail(found);

	if (part[0] == '\0')
		ck_assert_str_eq(detail, "");
	else
		ck_assert_msg(strstr(detail, part) != NULL, "\"%s\" is not in \"%s\"", part, detail);
	zkcfg_status_free(found);
}

static size_t candidate_count(void)
{
	struct zkcfg_status *found = status();
	size_t count = zkcfg_status_candidate_count(found);

	zkcfg_status_free(found);
	return count;
}

static void assert_candidate(size_t index, const char *document, uint64_t revision, uint32_t line,
			     uint32_t column, const char *reason)
{
	struct zkcfg_status *found = status();
	struct zkcfg_candidate candidate;

	ck_assert_int_eq(zkcfg_status_candidate(found, index, &candidate), 0);
	ck_assert_str_eq(candidate.document, document);
	ck_assert_uint_eq(candidate.revision, revision);
	ck_assert_uint_eq(candidate.line, line);
	ck_assert_uint_eq(candidate.column, column);
	ck_assert_msg(strstr(candidate.reason, reason) != NULL, "\"%s\" is not in \"%s\"", reason,
		      candidate.reason);
	ck_assert_int_gt(candidate.since_ns, clock_realtime_ns() - DEADLINE_NS);
	ck_assert_int_le(candidate.since_ns, clock_realtime_ns());
	zkcfg_status_free(found);
}

static struct pipeline_state state(void)
{
	struct pipeline_state found;

	pipeline_state(host.pipeline, &found);
	return found;
}

/* Commits */

START_TEST(settled_documents_become_one_commit)
{
	tell("a.xml", "<v>1</v>", 10);
	tell("dir/b.xml", "<v>2</v>", 11);
	ck_assert_uint_eq(seq(), 0); /* not before the source has settled */
	settle();
	ck_assert_uint_eq(seq(), 1);
	assert_value("a.xml", "1");
	assert_value("dir/b.xml", "2");
	assert_logged("info: set app: commit 1: 2 changed, 0 removed, 2 documents, ");
	tell("a.xml", "<v>3</v>", 12);
	tell("c.xml", "<v>4</v>", 12);
	ck_assert_uint_eq(seq(), 1);
	settle();
	ck_assert_uint_eq(seq(), 2);
	ck_assert_uint_eq(document_count(), 3);
	ck_assert_uint_eq(state().seq, 2);
	ck_assert_uint_eq(state().document_count, 3);
	ck_assert_uint_eq(state().cut_count, 0);
}
END_TEST

START_TEST(settling_without_a_change_is_no_commit)
{
	settle();
	ck_assert_uint_eq(seq(), 0);
	tell("a.xml", "<v>1</v>", 10);
	settle();
	settle();
	ck_assert_uint_eq(seq(), 1);
}
END_TEST

START_TEST(document_has_the_revision_of_its_source)
{
	struct zkcfg *cfg;
	struct zkcfg_snapshot *snapshot;
	const struct zkcfg_document *document;

	tell_recreated("a.xml", "<v>1</v>", 5, 10);
	settle();
	cfg = reader();
	ck_assert_int_eq(zkcfg_pin(cfg, &snapshot), 0);
	ck_assert_int_eq(zkcfg_find(snapshot, "a.xml", &document), 0);
	ck_assert_uint_eq(zkcfg_document_revision(document), 10);
	ck_assert_int_eq(zkcfg_document_version(document), 3);
	ck_assert_str_eq(zkcfg_document_raw(document, NULL), "<v>1</v>");
	zkcfg_unpin(snapshot);
	zkcfg_close(cfg);
}
END_TEST

START_TEST(version_that_is_published_already_is_dropped)
{
	tell("a.xml", "<v>1</v>", 10);
	settle();
	tell("a.xml", "<v>1</v>", 10);
	settle();
	ck_assert_uint_eq(seq(), 1);
	tell("a.xml", "<v>2</v>", 11);
	tell("a.xml", "<v>2</v>", 11); /* and so is one that waits already */
	settle();
	ck_assert_uint_eq(seq(), 2);
}
END_TEST

START_TEST(document_that_was_made_anew_is_another)
{
	tell_recreated("a.xml", "<v>1</v>", 10, 10);
	settle();
	tell_recreated("a.xml", "<v>2</v>", 20, 20);
	settle();
	assert_value("a.xml", "2");
	tell_recreated("a.xml", "<v>3</v>", 21, 20); /* sources differ in how fine their revisions are */
	settle();
	assert_value("a.xml", "3");
}
END_TEST

START_TEST(newest_pending_version_wins)
{
	tell("a.xml", "<v>1</v>", 10);
	tell("a.xml", "<v>2</v>", 11);
	tell("a.xml", "<v>3</v>", 12);
	settle();
	ck_assert_uint_eq(seq(), 1);
	assert_value("a.xml", "3");
}
END_TEST

START_TEST(older_version_is_never_published)
{
	tell("a.xml", "<v>1</v>", 10);
	settle();
	tell("a.xml", "<v>0</v>", 9);
	settle();
	assert_value("a.xml", "1");
	ck_assert_uint_eq(seq(), 1);
	ck_assert_uint_eq(candidate_count(), 1);
	assert_candidate(0, "a.xml", 9, 0, 0, "the source went back: revision 10 was accepted before");
	assert_logged("warning: set app: document a.xml, revision 9: the source went back: revision 10 was "
		      "accepted before; still serving revision 10");
	tell("a.xml", "<v>1</v>", 10); /* it is back where it was */
	settle();
	ck_assert_uint_eq(candidate_count(), 0);
	tell("b.xml", "<v>5</v>", 20);
	tell("b.xml", "<v>4</v>", 19); /* nor does it take the place of one that waits */
	settle();
	assert_value("b.xml", "5");
}
END_TEST

/* Candidates */

START_TEST(bad_version_becomes_the_candidate_and_the_active_one_stays)
{
	static const char bad[] = "<v>\n  <w>x</v>\n</v>";
	const char *raw;
	size_t raw_bytes = 0;

	tell("a.xml", "<v>1</v>", 10);
	settle();
	tell("a.xml", bad, 11);
	settle();
	ck_assert_uint_eq(seq(), 1);
	assert_value("a.xml", "1");
	ck_assert_uint_eq(candidate_count(), 1);
	ck_assert_uint_eq(state().candidate_count, 1);
	assert_candidate(0, "a.xml", 11, 2, 11, "w");
	assert_logged("warning: set app: document a.xml, revision 11, 2:11: ");
	assert_logged("; still serving revision 10\n");
	raw = pipeline_candidate_raw(host.pipeline, "a.xml", &raw_bytes);
	ck_assert_ptr_nonnull(raw);
	ck_assert_uint_eq(raw_bytes, strlen(bad));
	ck_assert_mem_eq(raw, bad, raw_bytes);
	ck_assert_ptr_null(pipeline_candidate_raw(host.pipeline, "b.xml", &raw_bytes));
}
END_TEST

START_TEST(bad_version_of_what_was_never_served_is_named_so)
{
	tell("a.xml", "<v>", 10);
	tell("b.xml", "<v>1</v>", 10);
	settle();
	assert_value("a.xml", NULL);
	assert_value("b.xml", "1");
	assert_candidate(0, "a.xml", 10, 1, 4, "");
	assert_logged("; not served\n");
}
END_TEST

START_TEST(good_version_answers_the_candidate)
{
	size_t raw_bytes;

	tell("a.xml", "<v>1</v>", 10);
	settle();
	tell("a.xml", "<bad", 11);
	settle();
	tell("a.xml", "<v>3</v>", 12);
	ck_assert_uint_eq(candidate_count(), 1); /* until it is committed */
	settle();
	ck_assert_uint_eq(candidate_count(), 0);
	ck_assert_uint_eq(state().candidate_count, 0);
	ck_assert_ptr_null(pipeline_candidate_raw(host.pipeline, "a.xml", &raw_bytes));
	assert_value("a.xml", "3");
}
END_TEST

START_TEST(source_that_returns_to_the_active_version_clears_the_candidate)
{
	tell("a.xml", "<v>1</v>", 10);
	settle();
	tell("a.xml", "<bad", 11);
	settle();
	ck_assert_uint_eq(candidate_count(), 1);
	tell("a.xml", "<v>1</v>", 10);
	settle();
	ck_assert_uint_eq(candidate_count(), 0);
	ck_assert_uint_eq(seq(), 1);
}
END_TEST

START_TEST(good_version_is_committed_though_a_bad_one_follows)
{
	tell("a.xml", "<v>1</v>", 10);
	settle();
	tell("a.xml", "<v>2</v>", 11);
	tell("a.xml", "<bad", 12);
	settle();
	assert_value("a.xml", "2");
	ck_assert_uint_eq(candidate_count(), 1);
	assert_candidate(0, "a.xml", 12, 1, 5, "");
}
END_TEST

START_TEST(same_fault_is_told_once)
{
	struct zkcfg_status *before, *after;
	struct zkcfg_candidate first, second;
	const char *line;

	tell("a.xml", "<bad", 10);
	before = status();
	tell("a.xml", "<bad", 10); /* a source may say it again after a reconnection */
	after = status();
	ck_assert_int_eq(zkcfg_status_candidate(before, 0, &first), 0);
	ck_assert_int_eq(zkcfg_status_candidate(after, 0, &second), 0);
	ck_assert_int_eq(first.since_ns, second.since_ns);
	line = strstr(logged(), "document a.xml");
	ck_assert_ptr_nonnull(line);
	ck_assert_ptr_null(strstr(line + 1, "document a.xml"));
	zkcfg_status_free(before);
	zkcfg_status_free(after);
}
END_TEST

START_TEST(limits_of_the_set_are_kept_to)
{
	close_pipeline();
	host.set.limits.document_bytes = 20;
	open_pipeline();
	tell("a.xml", "<v>12345678901234567890</v>", 10);
	tell("b.xml", "<v>1</v>", 10);
	settle();
	assert_value("a.xml", NULL);
	assert_value("b.xml", "1");
	assert_candidate(0, "a.xml", 10, 0, 0, "20");
}
END_TEST

START_TEST(schema_of_the_set_is_kept_to)
{
	static const char rng[] = "<element name=\"v\" xmlns=\"http://relaxng.org/ns/structure/1.0\""
				  " datatypeLibrary=\"http://www.w3.org/2001/XMLSchema-datatypes\">"
				  "<data type=\"integer\"/></element>";
	int dir_fd = open(host.directory, O_RDONLY | O_DIRECTORY);

	close_pipeline();
	ck_assert_int_eq(file_replace(dir_fd, "v.rng", 0600, rng, strlen(rng)), 0);
	close(dir_fd);
	ck_assert_int_gt(asprintf(&host.set.schema, "%s/v.rng", host.directory), 0);
	open_pipeline();
	tell("a.xml", "<v>1</v>", 10);
	tell("b.xml", "<v>x</v>", 10);
	settle();
	assert_value("a.xml", "1");
	assert_value("b.xml", NULL);
	assert_candidate(0, "b.xml", 10, 1, 1, "integer");
}
END_TEST

START_TEST(schema_that_is_gone_is_an_error_at_the_start)
{
	struct message message = { "" };

	close_pipeline();
	host.set.schema = strdup("/nowhere/v.rng");
	ck_assert_int_lt(try_open(&message), 0);
	ck_assert_ptr_nonnull(strstr(message.text, "set app: schema /nowhere/v.rng"));
}
END_TEST

START_TEST(refused_versions_come_before_what_is_held)
{
	tell("a.xml", "<v>1</v>", 10);
	settle();
	tell_removed("a.xml");
	tell_trouble("b.xml", "no permission");
	tell("c.xml", "<bad", 10);
	settle();
	ck_assert_uint_eq(candidate_count(), 3);
	assert_candidate(0, "c.xml", 10, 1, 5, "");
	assert_candidate(1, "a.xml", 0, 0, 0, "removed");
	assert_candidate(2, "b.xml", 0, 0, 0, "no permission");
}
END_TEST

/* What vanishes */

START_TEST(removed_document_is_held)
{
	tell("a.xml", "<v>1</v>", 10);
	settle();
	tell_removed("a.xml");
	settle();
	ck_assert_uint_eq(seq(), 1);
	assert_value("a.xml", "1");
	assert_candidate(0, "a.xml", 0, 0, 0, "removed at the source; held (on-delete=hold)");
	assert_logged("warning: set app: document a.xml: removed at the source; held (on-delete=hold); "
		      "still serving revision 10\n");
	tell_recreated("a.xml", "<v>2</v>", 20, 20);
	settle();
	assert_value("a.xml", "2");
	ck_assert_uint_eq(candidate_count(), 0);
}
END_TEST

START_TEST(document_removed_before_its_commit_stays_held_behind_it)
{
	tell("a.xml", "<v>1</v>", 10);
	settle();
	tell("a.xml", "<v>2</v>", 11);
	tell_removed("a.xml");
	settle();
	assert_value("a.xml", "2");
	assert_candidate(0, "a.xml", 0, 0, 0, "removed at the source; held");
}
END_TEST

START_TEST(candidate_of_what_was_never_served_goes_with_it)
{
	tell("a.xml", "<bad", 10);
	tell("b.xml", "<v>1</v>", 10);
	ck_assert_uint_eq(candidate_count(), 1);
	tell_removed("a.xml");
	tell_removed("b.xml"); /* and one that only waited is not published */
	settle();
	ck_assert_uint_eq(candidate_count(), 0);
	ck_assert_uint_eq(seq(), 0);
	assert_not_logged("held");
}
END_TEST

static void open_removing(void)
{
	close_pipeline();
	host.set.on_delete = CONFIG_REMOVE;
	open_pipeline();
}

START_TEST(removed_document_is_removed_where_the_set_says_so)
{
	open_removing();
	tell("a.xml", "<v>1</v>", 10);
	tell("b.xml", "<v>1</v>", 10);
	settle();
	tell_removed("a.xml");
	assert_value("a.xml", "1");
	settle();
	assert_value("a.xml", NULL);
	assert_value("b.xml", "1");
	ck_assert_uint_eq(seq(), 2);
	ck_assert_uint_eq(candidate_count(), 0);
	assert_logged("notice: set app: document a.xml: removed at the source, and so from the set "
		      "(on-delete=remove)");
	assert_logged("commit 2: 0 changed, 1 removed, 1 documents");
}
END_TEST

START_TEST(document_that_comes_back_in_time_is_not_removed)
{
	open_removing();
	tell("a.xml", "<v>1</v>", 10);
	tell("b.xml", "<v>1</v>", 10);
	settle();
	tell_removed("a.xml");
	tell_recreated("a.xml", "<v>2</v>", 20, 20);
	tell_removed("b.xml");
	tell_recreated("b.xml", "<bad", 20, 20); /* a bad version never takes a good one away */
	settle();
	assert_value("a.xml", "2");
	assert_value("b.xml", "1");
	assert_candidate(0, "b.xml", 20, 1, 5, "");
}
END_TEST

START_TEST(bad_candidate_of_a_removed_document_goes_with_it)
{
	open_removing();
	tell("a.xml", "<v>1</v>", 10);
	settle();
	tell("a.xml", "<bad", 11);
	settle();
	tell_removed("a.xml");
	settle();
	assert_value("a.xml", NULL);
	ck_assert_uint_eq(candidate_count(), 0);
}
END_TEST

START_TEST(empty_document_is_held)
{
	tell("a.xml", "<v>1</v>", 10);
	tell("b.xml", "", 10); /* one that never was anything is nothing */
	settle();
	tell("a.xml", "", 11);
	settle();
	assert_value("a.xml", "1");
	ck_assert_uint_eq(candidate_count(), 1);
	assert_candidate(0, "a.xml", 11, 0, 0, "empty at the source; held (on-delete=hold)");
	tell("a.xml", "<v>3</v>", 12);
	settle();
	assert_value("a.xml", "3");
	ck_assert_uint_eq(candidate_count(), 0);
}
END_TEST

START_TEST(empty_document_is_removed_where_the_set_says_so)
{
	open_removing();
	tell("a.xml", "<v>1</v>", 10);
	settle();
	tell("a.xml", "", 11);
	settle();
	assert_value("a.xml", NULL);
	ck_assert_uint_eq(document_count(), 0);
	ck_assert_uint_eq(seq(), 2);
}
END_TEST

START_TEST(document_not_reported_in_the_first_sync_has_vanished)
{
	tell("a.xml", "<v>1</v>", 10);
	tell("b.xml", "<v>1</v>", 10);
	tell("c.xml", "<v>1</v>", 10);
	settle();
	close_pipeline();
	open_pipeline();
	tell("a.xml", "<v>1</v>", 10);
	tell("c.xml", "<bad", 11);
	ck_assert_uint_eq(candidate_count(), 1);
	settle();
	ck_assert_uint_eq(candidate_count(), 2);
	assert_candidate(1, "b.xml", 0, 0, 0, "removed at the source while it was not followed; held");
	assert_value("b.xml", "1");
	tell("a.xml", "<v>2</v>", 12);
	settle(); /* who is not reported any more is as it was */
	ck_assert_uint_eq(candidate_count(), 2);
}
END_TEST

START_TEST(document_that_vanished_while_nobody_looked_is_removed_where_the_set_says_so)
{
	open_removing();
	tell("a.xml", "<v>1</v>", 10);
	tell("b.xml", "<v>1</v>", 10);
	settle();
	close_pipeline();
	open_pipeline();
	tell("a.xml", "<v>1</v>", 10);
	assert_value("b.xml", "1");
	settle();
	assert_value("a.xml", "1");
	assert_value("b.xml", NULL);
	ck_assert_uint_eq(seq(), 2);
}
END_TEST

/* Trouble */

START_TEST(trouble_is_shown_until_it_is_over)
{
	const char *line;

	tell("a.xml", "<v>1</v>", 10);
	settle();
	tell_trouble("a.xml", "no permission to read it");
	tell_trouble("a.xml", "no permission to read it");
	ck_assert_uint_eq(candidate_count(), 1);
	assert_candidate(0, "a.xml", 0, 0, 0, "no permission to read it");
	assert_logged(
		"warning: set app: document a.xml: no permission to read it; still serving revision 10\n");
	line = strstr(logged(), "no permission");
	ck_assert_ptr_null(strstr(line + 1, "no permission")); /* once */
	assert_value("a.xml", "1");
	tell_trouble("a.xml", NULL);
	ck_assert_uint_eq(candidate_count(), 0);
	tell_trouble("b.xml", NULL); /* of what nobody knows */
	ck_assert_uint_eq(candidate_count(), 0);
}
END_TEST

START_TEST(trouble_and_candidate_go_each_for_itself)
{
	tell("a.xml", "<bad", 10);
	tell_trouble("a.xml", "no permission");
	assert_candidate(0, "a.xml", 0, 0, 0, "no permission"); /* the newer of the two */
	tell_trouble("a.xml", NULL);
	assert_candidate(0, "a.xml", 10, 1, 5, "");
	tell_trouble("a.xml", "no permission");
	tell("a.xml", "<v>1</v>", 11);
	settle();
	assert_candidate(0, "a.xml", 0, 0, 0, "no permission");
	tell_trouble("a.xml", NULL);
	ck_assert_uint_eq(candidate_count(), 0);
}
END_TEST

START_TEST(what_cannot_be_read_is_not_taken_for_gone)
{
	open_removing();
	tell("a.xml", "<v>1</v>", 10);
	tell("dir/b.xml", "<v>1</v>", 10);
	tell("dir/c.xml", "<v>1</v>", 10);
	tell("dirt.xml", "<v>1</v>", 10);
	settle();
	close_pipeline();
	open_pipeline();
	tell_trouble("a.xml", "no permission");
	tell_trouble("dir", "no permission"); /* nobody knows what is below */
	settle();
	verify();
	assert_value("a.xml", "1");
	assert_value("dir/b.xml", "1");
	assert_value("dir/c.xml", "1");
	assert_value("dirt.xml", NULL);
	tell_trouble("a.xml", NULL);
	tell_trouble("dir", NULL);
	tell("a.xml", "<v>1</v>", 10);
	tell("dir/b.xml", "<v>2</v>", 11);
	settle();
	assert_value("a.xml", "1");
	assert_value("dir/b.xml", "2");
	assert_value("dir/c.xml", NULL); /* now it is known to be gone */
}
END_TEST

START_TEST(end_of_trouble_with_nothing_left_is_seen_when_the_source_vouches)
{
	open_removing();
	tell("dir/b.xml", "<v>1</v>", 10);
	tell("a.xml", "<v>1</v>", 10);
	settle();
	close_pipeline();
	open_pipeline();
	tell("a.xml", "<v>1</v>", 10);
	tell_trouble("dir", "no permission");
	settle();
	tell_trouble("dir", NULL);
	verify();
	assert_value("dir/b.xml", NULL);
	assert_value("a.xml", "1");
}
END_TEST

/* Debounce */

static bool is_seq(const void *user)
{
	return seq() >= *(const uint64_t *)user;
}

START_TEST(commit_waits_until_it_was_quiet_for_the_minimum)
{
	static const uint64_t two = 2;
	int64_t last_ns;

	close_pipeline();
	host.set.debounce_min_ms = 150;
	host.set.debounce_max_ms = 60000;
	open_pipeline();
	for (int i = 0; i < 10; i++) {
		tell("a.xml", "<v>1</v>", 10 + (uint64_t)i);
		settle();
		ck_assert_uint_eq(seq(), 0);
	}
	last_ns = clock_monotonic_ns();
	run_until(is_seq, &(uint64_t){ 1 });
	ck_assert_int_ge(clock_monotonic_ns() - last_ns, 140 * CLOCK_NS_PER_MS);
	ck_assert_uint_eq(seq(), 1);
	ck_assert_uint_eq(state().cut_count, 0);
	tell("a.xml", "<v>2</v>", 30);
	settle();
	run_until(is_seq, &two);
	assert_value("a.xml", "2");
}
END_TEST

START_TEST(commit_waits_no_longer_than_the_maximum)
{
	uint64_t revision = 10;
	int64_t first_ns = 0;

	close_pipeline();
	host.set.debounce_min_ms = 200;
	host.set.debounce_max_ms = 500;
	open_pipeline();
	tell("a.xml", "<v>0</v>", revision++);
	settle();
	run_until(is_seq, &(uint64_t){ 1 });
	first_ns = clock_monotonic_ns();
	while (seq() == 1) { /* never quiet for 200 ms, but settled each time */
		ck_assert_int_lt(clock_monotonic_ns() - first_ns, DEADLINE_NS);
		tell("a.xml", "<v>1</v>", revision++);
		settle();
		run_ms(10);
	}
	ck_assert_int_ge(clock_monotonic_ns() - first_ns, 490 * CLOCK_NS_PER_MS);
	ck_assert_uint_eq(state().cut_count, 0); /* what was published belonged together */
}
END_TEST

START_TEST(what_had_settled_goes_without_half_of_the_next_change)
{
	close_pipeline();
	host.set.debounce_min_ms = 100;
	host.set.debounce_max_ms = 200;
	open_pipeline();
	tell("a.xml", "<v>0</v>", 10);
	tell("b.xml", "<v>0</v>", 10);
	settle();
	run_until(is_seq, &(uint64_t){ 1 });
	tell("a.xml", "<v>1</v>", 11);
	tell("b.xml", "<v>1</v>", 11);
	settle();
	usleep(300000); /* the loop is late: it is over the maximum when the next change comes */
	tell("a.xml", "<v>2</v>", 12);
	ck_assert_uint_eq(seq(), 2);
	assert_value("a.xml", "1");
	assert_value("b.xml", "1");
	ck_assert_uint_eq(state().cut_count, 0);
	tell("b.xml", "<v>2</v>", 12);
	settle();
	run_until(is_seq, &(uint64_t){ 3 });
	assert_value("a.xml", "2");
	assert_value("b.xml", "2");
	ck_assert_uint_eq(state().cut_count, 0);
}
END_TEST

START_TEST(source_that_never_settles_is_cut_and_status_says_so)
{
	tell_state(SOURCE_SYNCING, "");
	tell("a.xml", "<v>0</v>", 10);
	settle();
	assert_detail("");
	tell("a.xml", "<v>1</v>", 11);
	tell("b.xml", "<v>1</v>", 11);
	run_until(is_seq, &(uint64_t){ 2 }); /* after the second that is the maximum where none is said */
	assert_value("b.xml", "1");
	ck_assert_uint_eq(state().cut_count, 1);
	assert_detail("1 commits cut: the source did not settle in time");
	assert_logged("commit cut: the source did not settle in time");
}
END_TEST

START_TEST(first_sync_is_not_cut_before_ten_seconds)
{
	int64_t begun_ns = clock_monotonic_ns();

	tell_state(SOURCE_SYNCING, "");
	tell("a.xml", "<v>1</v>", 10);
	run_ms(2500); /* the maximum is over twice */
	ck_assert_uint_eq(seq(), 0);
	run_until(is_seq, &(uint64_t){ 1 });
	ck_assert_int_ge(clock_monotonic_ns() - begun_ns, 9900 * CLOCK_NS_PER_MS);
	ck_assert_uint_eq(state().cut_count, 1);
}
END_TEST

/* Commits that fail */

static void limit_files(rlim_t bytes)
{
	struct rlimit limit;

	signal(SIGXFSZ, SIG_IGN);
	ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = bytes;
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* A document too large for the files that limit_files() allows: its value is "large". */
static char *large_text(void)
{
	static const char head[] = "<v>large</v>",
			  comment[] = "<!-- one of the many comments that make it large -->\n";
	size_t size = 4 << 20, used = strlen(head);
	char *text = malloc(size);

	ck_assert_ptr_nonnull(text);
	memcpy(text, head, used);
	for (; used + sizeof(comment) < size; used += strlen(comment))
		memcpy(text + used, comment, strlen(comment));
	text[used] = '\0';
	return text;
}

static void tell_large(const char *name, uint64_t revision)
{
	char *text = large_text();

	tell(name, text, revision);
	free(text);
}

START_TEST(commit_that_fails_is_tried_again_and_the_last_one_stays)
{
	tell("a.xml", "<v>1</v>", 10);
	settle();
	limit_files(1 << 20);
	tell_large("large.xml", 11);
	tell("a.xml", "<v>2</v>", 11);
	settle();
	ck_assert_uint_eq(seq(), 1);
	assert_value("a.xml", "1");
	ck_assert(state().is_failing);
	assert_detail("cannot commit to ");
	assert_logged("error: set app: cannot commit to ");
	assert_logged("tried again each second");
	tell("a.xml", "<v>3</v>", 12); /* what comes meanwhile goes with it */
	settle();
	ck_assert_uint_eq(seq(), 1);
	run_ms(1500);
	ck_assert_uint_eq(seq(), 1);
	limit_files(RLIM_INFINITY);
	run_until(is_seq, &(uint64_t){ 2 });
	assert_value("a.xml", "3");
	assert_value("large.xml", "large");
	ck_assert(!state().is_failing);
	assert_detail("");
	ck_assert_uint_eq(state().cut_count, 0);
}
END_TEST

START_TEST(failing_ends_when_nothing_is_left_to_commit)
{
	limit_files(1 << 20);
	tell_large("large.xml", 11);
	settle();
	ck_assert(state().is_failing);
	tell_removed("large.xml");
	settle();
	ck_assert(!state().is_failing);
	assert_detail("");
	limit_files(RLIM_INFINITY);
}
END_TEST

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
static bool has_large(const void *user)
{
	(void)user;
	if (fake.opens == 2 && state().seq == 1) {
		tell("a.xml", "<v>1</v>", 10);
		tell_large("large.xml", 11);
		settle();
	}
	return state().seq == 2;
}

START_TEST(what_memory_did_not_suffice_for_is_fetched_again)
{
	struct rlimit limit;
	unsigned long pages;
	FILE *statm;
	char *text = large_text();

	tell("a.xml", "<v>1</v>", 10);
	settle();
	statm = fopen("/proc/self/statm", "r");
	ck_assert_ptr_nonnull(statm);
	ck_assert_int_eq(fscanf(statm, "%lu", &pages), 1);
	fclose(statm);
	ck_assert_int_eq(getrlimit(RLIMIT_AS, &limit), 0);
	limit.rlim_cur = pages * (rlim_t)sysconf(_SC_PAGESIZE) + (1 << 20);
	ck_assert_int_eq(setrlimit(RLIMIT_AS, &limit), 0);
	tell("large.xml", text, 11);
	settle();
	limit.rlim_cur = limit.rlim_max;
	ck_assert_int_eq(setrlimit(RLIMIT_AS, &limit), 0);
	free(text);
	ck_assert_uint_eq(seq(), 1);
	ck_assert_uint_eq(candidate_count(), 0); /* nothing is wrong with the document */
	assert_logged("document large.xml: out of memory; all documents are fetched again in 5 s");
	run_until(has_large, NULL);
	ck_assert_uint_eq(fake.closes, 1);
	ck_assert_uint_eq(fake.starts, 2);
	assert_value("large.xml", "large");
}
END_TEST
#endif

/* Status */

START_TEST(state_of_the_source_is_shown_with_since_and_without_secrets)
{
	struct zkcfg_status *found = status();
	unsigned before = host.changed_count;
	int64_t since_ns;

	ck_assert_int_eq((int)zkcfg_status_source_state(found), ZKCFG_SOURCE_CONNECTING);
	ck_assert_str_eq(zkcfg_status_source(found), "fake://host/app?key_file");
	ck_assert_int_eq(zkcfg_status_daemon_pid(found), getpid());
	zkcfg_status_free(found);

	fake.events->state(fake.user, SOURCE_FOLLOWING, "");
	found = status();
	ck_assert_int_eq((int)zkcfg_status_source_state(found), ZKCFG_SOURCE_FOLLOWING);
	ck_assert_str_eq(zkcfg_status_detail(found), "");
	since_ns = zkcfg_status_since_ns(found);
	ck_assert_int_gt(since_ns, clock_realtime_ns() - DEADLINE_NS);
	zkcfg_status_free(found);
	ck_assert_uint_gt(host.changed_count, before);
	ck_assert_int_eq((int)state().source_state, SOURCE_FOLLOWING);

	fake.events->state(fake.user, SOURCE_FOLLOWING, "the server lags");
	found = status();
	ck_assert_str_eq(zkcfg_status_detail(found), "the server lags");
	ck_assert_int_eq(zkcfg_status_since_ns(found), since_ns); /* the state is the same */
	zkcfg_status_free(found);

	fake.events->state(fake.user, SOURCE_AWAY, "connection lost");
	found = status();
	ck_assert_int_eq((int)zkcfg_status_source_state(found), ZKCFG_SOURCE_AWAY);
	ck_assert_str_eq(zkcfg_status_detail(found), "connection lost");
	ck_assert_int_gt(zkcfg_status_since_ns(found), since_ns);
	zkcfg_status_free(found);
	assert_logged("warning: set app: source fake://host/app?key_file: away: connection lost\n");
	assert_not_logged("secret");
}
END_TEST

static int64_t unverified_ms(void)
{
	struct zkcfg_status *found = status();
	int64_t ms = zkcfg_status_unverified_ms(found);

	zkcfg_status_free(found);
	return ms;
}

START_TEST(source_vouches_only_for_what_is_published)
{
	close_pipeline();
	host.set.debounce_min_ms = 60000;
	host.set.debounce_max_ms = 60000;
	open_pipeline();
	tell("a.xml", "<v>1</v>", 10);
	settle();
	verify();
	ck_assert_int_eq(unverified_ms(), -1); /* what it vouches for waits for the debounce */
	tell_removed("a.xml");
	tell("b.xml", "<bad", 10);
	settle();
	verify(); /* it answered, and status says what was not taken over */
	ck_assert_int_ge(unverified_ms(), 0);
	ck_assert_int_lt(unverified_ms(), DEADLINE_NS / CLOCK_NS_PER_MS);
}
END_TEST

START_TEST(segment_that_is_removed_is_made_anew_with_its_status)
{
	struct zkcfg *cfg = reader();
	struct zkcfg_status *found;

	tell("a.xml", "<v>1</v>", 10);
	settle();
	fake.events->state(fake.user, SOURCE_FOLLOWING, "all is well");
	segment_host_remove(host.shm_dir);
	ck_assert_int_eq(zkcfg_wait(cfg, 1, 0, NULL), ZKCFG_ETIMEDOUT);
	run_ms(1200); /* over one tick */
	assert_logged("was removed: making it anew");
	assert_value("a.xml", "1");
	ck_assert_uint_eq(seq(), 2);
	ck_assert_int_eq(zkcfg_wait(cfg, 1, 10000, NULL), 0); /* and who had the old one open comes over */
	zkcfg_close(cfg);
	found = status();
	ck_assert_str_eq(zkcfg_status_detail(found), "all is well");
	ck_assert_int_eq((int)zkcfg_status_source_state(found), ZKCFG_SOURCE_FOLLOWING);
	zkcfg_status_free(found);
}
END_TEST

START_TEST(segment_that_cannot_be_made_anew_is_told_once)
{
	char moved[96];
	FILE *file;
	const char *line;

	tell("a.xml", "<v>1</v>", 10);
	settle();
	snprintf(moved, sizeof(moved), "%s.moved", host.shm_dir);
	ck_assert_int_eq(rename(host.shm_dir, moved), 0);
	file = fopen(host.shm_dir, "w"); /* a file is in the way */
	ck_assert_ptr_nonnull(file);
	fclose(file);
	run_ms(3300);
	ck_assert_int_eq(unlink(host.shm_dir), 0);
	line = strstr(logged(), "error: set app: ");
	ck_assert_ptr_nonnull(line);
	ck_assert_ptr_null(strstr(line + 1, "error: set app: "));
	run_ms(1200);
	assert_value("a.xml", "1");
	assert_logged("notice: set app: the segment is in order again");
	assert_detail("");
}
END_TEST

/* Beginning and end */

static void lose_segment(void)
{
	segment_host_remove(host.shm_dir);
}

START_TEST(next_daemon_takes_the_segment_over)
{
	tell("a.xml", "<v>1</v>", 10);
	settle();
	close_pipeline();
	assert_value("a.xml", "1"); /* while there is no daemon, too */
	open_pipeline();
	assert_logged("notice: set app: commit 1 taken over, 1 documents");
	ck_assert_uint_eq(state().seq, 1);
	tell("a.xml", "<v>1</v>", 10);
	settle();
	ck_assert_uint_eq(seq(), 1);
	tell("a.xml", "<v>2</v>", 11);
	settle();
	ck_assert_uint_eq(seq(), 2);
}
END_TEST

START_TEST(what_another_daemon_said_last_is_over_at_once)
{
	tell("a.xml", "<v>1</v>", 10);
	settle();
	fake.events->state(fake.user, SOURCE_FOLLOWING, "");
	zkcfg_status_free(status());
	close_pipeline();
	ck_assert_int_eq(shown_state(), ZKCFG_SOURCE_FOLLOWING);
	open_pipeline();
	ck_assert_int_eq(fake.shown_at_open, ZKCFG_SOURCE_CONNECTING);
}
END_TEST

START_TEST(set_is_served_from_last_good_before_the_source_answers)
{
	tell("a.xml", "<v>1</v>", 10);
	settle();
	tell_recreated("a.xml", "<v>2</v>", 5, 11);
	tell("dir/b.xml", "<v>3</v>", 12);
	settle();
	close_pipeline();
	lose_segment();
	open_pipeline();
	assert_value("a.xml", "2");
	assert_value("dir/b.xml", "3");
	ck_assert_uint_eq(seq(), 2); /* its own number: the daemon ended with it */
	ck_assert_uint_eq(state().cut_count, 0);
	assert_logged("notice: set app: 2 documents from last-good, of commit 2");
	assert_detail("");
	tell_recreated("a.xml", "<v>2</v>", 5, 11);
	tell("dir/b.xml", "<v>4</v>", 13);
	settle();
	ck_assert_uint_eq(seq(), 3);
	assert_value("dir/b.xml", "4");
}
END_TEST

START_TEST(last_good_of_no_document_is_a_commit_all_the_same)
{
	open_removing();
	tell("a.xml", "<v>1</v>", 10);
	settle();
	tell_removed("a.xml");
	settle();
	close_pipeline();
	lose_segment();
	open_pipeline();
	ck_assert_uint_eq(seq(), 2);
	ck_assert_uint_eq(document_count(), 0);
}
END_TEST

/* What happens in a process that dies without a word. */
static void die_after(void (*act)(void))
{
	pid_t pid = fork();
	int how;

	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		act();
		kill(getpid(), SIGKILL);
	}
	ck_assert_int_eq(waitpid(pid, &how, 0), pid);
	ck_assert(WIFSIGNALED(how) && WTERMSIG(how) == SIGKILL);
}

static bool has_last_good(const void *user)
{
	char path[128];

	(void)user;
	snprintf(path, sizeof(path), "%s/app/last-good", host.state_dir);
	return access(path, F_OK) == 0;
}

static void publish_two_and_keep_one(void)
{
	open_pipeline();
	tell("a.xml", "<v>1</v>", 10);
	settle();
	run_until(has_last_good, NULL);
	tell("a.xml", "<v>2</v>", 11);
	settle();
}

START_TEST(no_number_is_given_twice_after_a_death)
{
	close_pipeline();
	die_after(publish_two_and_keep_one);
	ck_assert_uint_eq(seq(), 2);
	lose_segment();
	open_pipeline();
	assert_value("a.xml", "1");  /* the newest that was on disk */
	ck_assert_uint_gt(seq(), 2); /* under a number that nobody has seen */
}
END_TEST

START_TEST(start_takes_back_that_the_daemon_ended_with_it)
{
	tell("a.xml", "<v>1</v>", 10);
	settle();
	close_pipeline();
	die_after(open_pipeline); /* before it has published anything */
	lose_segment();
	open_pipeline();
	ck_assert_uint_gt(seq(), 1);
}
END_TEST

START_TEST(document_of_last_good_that_no_longer_compiles_is_left_out)
{
	tell("a.xml", "<v>1</v>", 10);
	tell("long.xml", "<v>12345678901234567890</v>", 10);
	settle();
	close_pipeline();
	lose_segment();
	host.set.limits.document_bytes = 20;
	open_pipeline();
	assert_value("a.xml", "1");
	assert_value("long.xml", NULL);
	assert_logged("warning: set app: document long.xml of last-good, revision 10");
	assert_logged("; not served\n");
}
END_TEST

static void damage(const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/app/%s", host.state_dir, name);
	ck_assert(truncate(path, 50) == 0 || errno == ENOENT);
}

START_TEST(damaged_last_good_is_named_and_the_one_before_used)
{
	tell("a.xml", "<v>1</v>", 10);
	settle();
	close_pipeline();
	open_pipeline();
	tell("a.xml", "<v>2</v>", 11);
	settle();
	close_pipeline();
	lose_segment();
	damage("last-good");
	open_pipeline();
	ck_assert(state().seq > 0);
	ck_assert_uint_eq(document_count(), 1);
	assert_detail("app/last-good cannot be used: it is damaged");
	assert_logged("error: set app: last-good ");
	assert_logged("the one before it is used");
	tell("a.xml", "<v>2</v>", 11);
	settle();
	assert_detail("it is damaged");
	verify(); /* now it is of no importance any more */
	assert_detail("");
	assert_value("a.xml", "2");
}
END_TEST

START_TEST(set_starts_though_every_last_good_is_damaged)
{
	tell("a.xml", "<v>1</v>", 10);
	settle();
	close_pipeline();
	lose_segment();
	damage("last-good");
	damage("last-good.1");
	open_pipeline();
	ck_assert_uint_eq(seq(), 0);
	ck_assert_uint_eq(state().seq, 0);
	assert_detail("it is damaged");
	assert_logged("nothing is served until the source answers");
	tell("a.xml", "<v>1</v>", 10);
	settle();
	assert_value("a.xml", "1");
}
END_TEST

START_TEST(last_good_that_finds_no_room_is_neither_lost_nor_forgotten)
{
	tell_large("large.xml", 10);
	settle();
	close_pipeline();
	lose_segment();
	limit_files(1 << 20);
	open_pipeline();
	ck_assert_uint_eq(state().seq, 0);
	ck_assert(state().is_failing);
	close_pipeline(); /* must not put nothing in its place */
	open_pipeline();
	limit_files(RLIM_INFINITY);
	run_until(is_seq, &(uint64_t){ 1 });
	assert_value("large.xml", "large");
	ck_assert_uint_eq(state().cut_count, 0);
}
END_TEST

START_TEST(source_may_answer_before_last_good_finds_room)
{
	tell("a.xml", "<v>1</v>", 10);
	tell_large("large.xml", 10);
	settle();
	close_pipeline();
	lose_segment();
	limit_files(1 << 20);
	open_pipeline();
	tell("a.xml", "<v>2</v>", 11);
	tell_large("large.xml", 10);
	settle();
	ck_assert_uint_eq(state().seq, 0);
	limit_files(RLIM_INFINITY);
	run_until(is_seq, &(uint64_t){ 1 });
	assert_value("a.xml", "2");
	assert_value("large.xml", "large");
}
END_TEST

START_TEST(last_good_that_cannot_be_written_is_told)
{
	char path[128];

	tell("a.xml", "<v>1</v>", 10);
	settle();
	run_until(has_last_good, NULL);
	snprintf(path, sizeof(path), "%s/app/.last-good.next.new", host.state_dir);
	ck_assert_int_eq(mkdir(path, 0700), 0); /* in the way of the temporary */
	tell("a.xml", "<v>2</v>", 11);
	settle();
	run_until(has_logged, "error: set app: last-good cannot be written to ");
	assert_detail("last-good cannot be written to ");
	assert_logged("; the one before stays");
	ck_assert_int_eq(rmdir(path), 0);
	tell("a.xml", "<v>3</v>", 12);
	settle();
	run_until(has_logged, "notice: set app: last-good is written again");
	assert_detail("");
}
END_TEST

START_TEST(newest_commit_is_kept_at_the_end)
{
	char text[32];

	for (uint64_t i = 1; i <= 200; i++) { /* many within the second between two writes */
		snprintf(text, sizeof(text), "<v>%llu</v>", (unsigned long long)i);
		tell("a.xml", text, i);
		settle();
	}
	close_pipeline();
	lose_segment();
	open_pipeline();
	assert_value("a.xml", "200");
	ck_assert_uint_eq(seq(), 200);
}
END_TEST

static void publish_many_and_tick(void)
{
	char text[32];

	open_pipeline();
	for (uint64_t i = 1; i <= 200; i++) {
		snprintf(text, sizeof(text), "<v>%llu</v>", (unsigned long long)i);
		tell("a.xml", text, i);
		settle();
	}
	run_ms(2500); /* a write a second at the most, and the time for one */
}

START_TEST(newest_commit_is_kept_soon_without_an_end)
{
	close_pipeline();
	die_after(publish_many_and_tick);
	lose_segment();
	open_pipeline();
	assert_value("a.xml", "200");
	ck_assert_uint_gt(seq(), 200);
}
END_TEST

START_TEST(second_daemon_is_refused_with_the_pid_of_the_first)
{
	struct pipeline *first = host.pipeline;
	struct message message = { "" };
	char expected[128];
	unsigned closes = fake.closes;

	ck_assert_int_eq(try_open(&message), ZKCFG_EBUSY);
	snprintf(expected, sizeof(expected), "set app is served by another zkcfgd, process %d",
		 (int)getpid());
	ck_assert_str_eq(message.text, expected);
	ck_assert_ptr_eq(host.pipeline, first);
	ck_assert_uint_eq(fake.closes, closes); /* its source was not even opened */
	tell("a.xml", "<v>1</v>", 10);
	settle();
	assert_value("a.xml", "1");
}
END_TEST

START_TEST(source_that_cannot_be_is_an_error_at_the_start)
{
	struct message message = { "" };

	tell("a.xml", "<v>1</v>", 10);
	settle();
	close_pipeline();
	fake.start_error = -ENOENT;
	ck_assert_int_eq(try_open(&message), ZKCFG_ESYSTEM);
	ck_assert_str_eq(message.text,
			 "set app: source fake://host/app?key_file: the file of the key is not there");
	fake.open_error = -EINVAL;
	ck_assert_int_eq(try_open(&message), ZKCFG_EINVAL);
	ck_assert_str_eq(message.text,
			 "set app: source fake://host/app?key_file: the URI is not to its liking");
	ck_assert_uint_eq(fake.closes, 2);
	assert_value("a.xml", "1"); /* readers lose nothing by it */
}
END_TEST

START_TEST(state_directory_that_cannot_be_is_an_error_at_the_start)
{
	struct message message = { "" };
	FILE *file;

	close_pipeline();
	segment_host_remove(host.state_dir);
	file = fopen(host.state_dir, "w");
	ck_assert_ptr_nonnull(file);
	fclose(file);
	ck_assert_int_lt(try_open(&message), 0);
	ck_assert_ptr_nonnull(strstr(message.text, "cannot use state directory"));
	ck_assert_int_eq(unlink(host.state_dir), 0);
}
END_TEST

/* While the source is away */

static void open_debouncing(int64_t min_ms, int64_t max_ms)
{
	close_pipeline();
	host.set.debounce_min_ms = min_ms;
	host.set.debounce_max_ms = max_ms;
	open_pipeline();
	tell_state(SOURCE_SYNCING, "");
	tell("a.xml", "<v>0</v>", 10);
	tell("b.xml", "<v>0</v>", 10);
	settle();
	tell_state(SOURCE_FOLLOWING, "");
	run_until(is_seq, &(uint64_t){ 1 });
}

START_TEST(half_of_a_change_waits_while_the_source_is_away)
{
	open_debouncing(0, 100);
	tell("a.xml", "<v>1</v>", 11);
	tell_state(SOURCE_AWAY, "connection lost");
	run_ms(500); /* the maximum is over five times */
	ck_assert_uint_eq(seq(), 1);
	assert_detail("connection lost; 1 change waits for the source to be back: they may be half of what "
		      "changed together");
	tell_state(SOURCE_CONNECTING, "");
	run_ms(300);
	ck_assert_uint_eq(seq(), 1);
	tell_state(SOURCE_SYNCING, "");
	run_ms(1500); /* time to read what it missed, and a tick */
	ck_assert_uint_eq(seq(), 1);
	tell("b.xml", "<v>1</v>", 11);
	settle();
	ck_assert_uint_eq(seq(), 2);
	assert_value("a.xml", "1");
	assert_value("b.xml", "1");
	ck_assert_uint_eq(state().cut_count, 0);
	tell_state(SOURCE_FOLLOWING, "");
	assert_detail("");
}
END_TEST

START_TEST(source_that_refuses_is_away_too)
{
	open_debouncing(0, 100);
	tell("a.xml", "<v>1</v>", 11);
	tell_state(SOURCE_REFUSED, "no permission");
	run_ms(500);
	ck_assert_uint_eq(seq(), 1);
}
END_TEST

START_TEST(what_had_settled_is_committed_though_the_source_is_away)
{
	open_debouncing(200, 60000);
	tell("a.xml", "<v>1</v>", 11);
	tell("b.xml", "<v>1</v>", 11);
	settle();
	tell_state(SOURCE_AWAY, "connection lost");
	ck_assert_uint_eq(seq(), 1);
	run_until(is_seq, &(uint64_t){ 2 });
	assert_value("b.xml", "1");
	ck_assert_uint_eq(state().cut_count, 0);
}
END_TEST

START_TEST(source_that_is_back_and_never_settles_is_cut_after_a_first_syncs_time)
{
	int64_t back_ns;

	open_debouncing(0, 100);
	tell("a.xml", "<v>1</v>", 11);
	tell_state(SOURCE_AWAY, "connection lost");
	run_ms(300);
	tell_state(SOURCE_SYNCING, "");
	back_ns = clock_monotonic_ns();
	run_until(is_seq, &(uint64_t){ 2 });
	ck_assert_int_ge(clock_monotonic_ns() - back_ns, 9900 * CLOCK_NS_PER_MS);
	ck_assert_uint_eq(state().cut_count, 1);
}
END_TEST

START_TEST(source_that_has_vouched_again_is_cut_at_the_maximum_again)
{
	int64_t begun_ns;

	open_debouncing(0, 100);
	tell_state(SOURCE_AWAY, "connection lost");
	tell_state(SOURCE_FOLLOWING, ""); /* nothing was missed */
	verify();
	begun_ns = clock_monotonic_ns();
	tell("a.xml", "<v>1</v>", 11);
	run_until(is_seq, &(uint64_t){ 2 });
	ck_assert_int_lt(clock_monotonic_ns() - begun_ns, 9 * CLOCK_NS_PER_S);
	ck_assert_uint_eq(state().cut_count, 1);
}
END_TEST

START_TEST(commit_that_failed_is_not_tried_again_with_half_of_a_change)
{
	open_debouncing(0, 60000);
	tell_large("large.xml", 11);
	limit_files(1 << 20);
	settle();
	ck_assert(state().is_failing);
	tell("a.xml", "<v>1</v>", 12);
	tell_state(SOURCE_AWAY, "connection lost");
	limit_files(RLIM_INFINITY);
	run_ms(2500); /* two ticks */
	ck_assert_uint_eq(seq(), 1);
	tell_state(SOURCE_SYNCING, "");
	tell("b.xml", "<v>1</v>", 12);
	settle();
	run_until(is_seq, &(uint64_t){ 2 });
	assert_value("a.xml", "1");
	assert_value("b.xml", "1");
	assert_value("large.xml", "large");
	ck_assert_uint_eq(state().cut_count, 0);
}
END_TEST

START_TEST(last_good_without_room_is_not_mixed_with_half_of_what_the_source_has)
{
	tell("a.xml", "<v>1</v>", 10);
	tell_large("large.xml", 10);
	settle();
	close_pipeline();
	lose_segment();
	limit_files(1 << 20);
	open_pipeline();
	tell_state(SOURCE_SYNCING, "");
	tell("a.xml", "<v>2</v>", 11);
	limit_files(RLIM_INFINITY);
	run_ms(2500);
	ck_assert_uint_eq(seq(), 0);
	tell_large("large.xml", 10);
	settle();
	run_until(is_seq, &(uint64_t){ 1 });
	assert_value("a.xml", "2");
	ck_assert_uint_eq(state().cut_count, 0);
}
END_TEST

/* Commit marker */

static void open_marked(void)
{
	close_pipeline();
	host.set.commit_marker = strdup("release/marker");
	host.set.on_delete = CONFIG_REMOVE;
	host.set.debounce_max_ms = 100;
	open_pipeline();
	tell_state(SOURCE_SYNCING, "");
}

static void mark(uint64_t revision)
{
	tell("release/marker", "no XML at all <", revision);
}

/* a and b, of revision 10, and the marker of 11. */
static void open_marked_batch(void)
{
	open_marked();
	tell("a.xml", "<v>0</v>", 10);
	mark(11);
	tell("b.xml", "<v>0</v>", 10);
	settle();
	tell_state(SOURCE_FOLLOWING, "");
	ck_assert_uint_eq(seq(), 1);
}

START_TEST(changes_wait_for_the_commit_marker)
{
	open_marked_batch();
	tell("a.xml", "<v>1</v>", 12);
	settle();
	ck_assert_uint_eq(seq(), 1);
	assert_detail("1 change waits for the commit marker release/marker, seen at revision 11");
	tell("b.xml", "<v>1</v>", 14);
	settle();
	assert_detail("2 changes wait for the commit marker release/marker, seen at revision 11");
	mark(13); /* the writer of an earlier batch */
	settle();
	assert_detail("seen at revision 13");
	ck_assert_uint_eq(seq(), 1);
	mark(15);
	ck_assert_uint_eq(seq(), 1); /* not before the source has settled */
	settle();
	ck_assert_uint_eq(seq(), 2);
	assert_value("a.xml", "1");
	assert_value("b.xml", "1");
	assert_detail("");
}
END_TEST

START_TEST(marker_of_the_same_transaction_covers_it)
{
	open_marked_batch();
	tell("a.xml", "<v>1</v>", 20);
	tell("b.xml", "<v>1</v>", 20);
	mark(20);
	settle();
	ck_assert_uint_eq(seq(), 2);
	assert_value("a.xml", "1");
}
END_TEST

START_TEST(marker_is_neither_served_nor_a_candidate)
{
	open_marked_batch();
	ck_assert_uint_eq(document_count(), 2);
	assert_value("release/marker", NULL);
	ck_assert_uint_eq(candidate_count(), 0);
	mark(12);
	settle();
	ck_assert_uint_eq(seq(), 1); /* it alone is no change */
	ck_assert_uint_eq(candidate_count(), 0);
}
END_TEST

START_TEST(set_with_a_marker_is_never_cut)
{
	open_marked_batch();
	tell("a.xml", "<v>1</v>", 12);
	mark(13);
	run_ms(500); /* it never settles; the maximum is over */
	ck_assert_uint_eq(seq(), 1);
	assert_detail("1 change waits for the source to settle");
	settle();
	ck_assert_uint_eq(seq(), 2);
	tell("a.xml", "<v>2</v>", 14);
	settle();
	run_ms(500);
	ck_assert_uint_eq(seq(), 2);
	mark(15);
	settle();
	ck_assert_uint_eq(seq(), 3);
	ck_assert_uint_eq(state().cut_count, 0);
}
END_TEST

START_TEST(first_sync_of_a_set_with_a_marker_is_not_cut_either)
{
	open_marked();
	tell("a.xml", "<v>1</v>", 10);
	mark(11);
	run_ms(11000);
	ck_assert_uint_eq(seq(), 0);
	settle();
	ck_assert_uint_eq(seq(), 1);
}
END_TEST

START_TEST(debounce_minimum_is_kept_to_with_a_marker)
{
	close_pipeline();
	host.set.debounce_min_ms = 200;
	open_marked();
	host.set.debounce_max_ms = 60000;
	tell("a.xml", "<v>1</v>", 10);
	mark(11);
	settle();
	ck_assert_uint_eq(seq(), 0);
	run_until(is_seq, &(uint64_t){ 1 });
	tell("a.xml", "<v>2</v>", 12);
	mark(13);
	settle();
	tell("b.xml", "<v>2</v>", 14); /* the next batch has begun before it was quiet */
	settle();
	run_ms(600);
	ck_assert_uint_eq(seq(), 1);
	mark(15);
	settle();
	run_until(is_seq, &(uint64_t){ 2 });
	assert_value("b.xml", "2");
}
END_TEST

START_TEST(nothing_is_committed_without_a_marker_at_the_source)
{
	open_marked();
	settle();
	assert_detail(
		"the commit marker release/marker is missing or empty at the source: nothing is committed "
		"until it is there");
	tell("a.xml", "<v>1</v>", 10);
	settle();
	verify();
	run_ms(300);
	ck_assert_uint_eq(seq(), 0);
	ck_assert_int_eq(unverified_ms(), -1);
	assert_detail(
		"1 change waits for the commit marker release/marker, which is missing or empty");
	mark(9); /* one that is older than what is there */
	settle();
	ck_assert_uint_eq(seq(), 0);
	mark(11);
	settle();
	verify();
	ck_assert_uint_eq(seq(), 1);
	ck_assert_int_ge(unverified_ms(), 0);
	tell_removed("release/marker");
	tell("a.xml", "<v>2</v>", 12);
	settle();
	ck_assert_uint_eq(seq(), 1);
	assert_detail("which is missing or empty at the source");
	tell_recreated("release/marker", "", 13, 13);
	settle();
	ck_assert_uint_eq(seq(), 1); /* empty is missing */
	tell_recreated("release/marker", "1", 13, 14);
	settle();
	ck_assert_uint_eq(seq(), 2);
}
END_TEST

START_TEST(removal_waits_for_a_marker_that_has_moved)
{
	open_marked_batch();
	tell_removed("a.xml");
	settle();
	ck_assert_uint_eq(seq(), 1);
	assert_value("a.xml", "0");
	assert_detail("1 change waits for the commit marker release/marker, seen at revision 11");
	mark(13);
	settle();
	assert_value("a.xml", NULL);
	ck_assert_uint_eq(seq(), 2);
}
END_TEST

START_TEST(removal_and_marker_that_are_seen_together_are_one_batch)
{
	open_marked_batch();
	mark(12); /* replies come in any order */
	tell_removed("a.xml");
	settle();
	assert_value("a.xml", NULL);
	tell_removed("b.xml");
	tell("c.xml", "<v>0</v>", 15); /* the next batch: its marker is not there yet */
	mark(14);
	settle();
	assert_value("b.xml", "0");
	mark(16);
	settle();
	assert_value("b.xml", NULL);
	assert_value("c.xml", "0");
}
END_TEST

START_TEST(document_that_becomes_empty_has_a_revision_for_the_marker)
{
	open_marked_batch();
	tell("a.xml", "", 13);
	mark(12);
	settle();
	assert_value("a.xml", "0");
	mark(14);
	settle();
	assert_value("a.xml", NULL);
}
END_TEST

START_TEST(what_was_served_before_is_served_until_the_marker_covers_what_is_new)
{
	open_marked_batch();
	close_pipeline();
	open_pipeline(); /* takes the segment over */
	tell_state(SOURCE_SYNCING, "");
	assert_value("a.xml", "0");
	tell("a.xml", "<v>1</v>", 12);
	tell("b.xml", "<v>0</v>", 10);
	settle();
	assert_value("a.xml", "0");
	close_pipeline();
	lose_segment();
	open_pipeline(); /* from last-good */
	tell_state(SOURCE_SYNCING, "");
	assert_value("a.xml", "0");
	tell("a.xml", "<v>1</v>", 12);
	mark(13); /* b went while nobody looked */
	settle();
	assert_value("a.xml", "1");
	assert_value("b.xml", NULL);
}
END_TEST

START_TEST(document_that_has_become_the_marker_leaves_the_set)
{
	tell("release/marker", "<v>1</v>", 10);
	tell("a.xml", "<v>1</v>", 10);
	settle();
	assert_value("release/marker", "1");
	open_marked();
	host.set.on_delete = CONFIG_HOLD; /* it has not vanished */
	tell("a.xml", "<v>1</v>", 10);
	mark(10);
	settle();
	assert_value("release/marker", NULL);
	assert_value("a.xml", "1");
	ck_assert_uint_eq(candidate_count(), 0);
}
END_TEST

START_TEST(last_good_does_not_bring_the_marker_back)
{
	tell("release/marker", "<v>1</v>", 10);
	tell("a.xml", "<v>1</v>", 10);
	settle();
	close_pipeline();
	lose_segment();
	open_marked();
	assert_value("release/marker", NULL);
	assert_value("a.xml", "1");
}
END_TEST

START_TEST(marker_that_cannot_be_read_is_shown)
{
	open_marked();
	tell("a.xml", "<v>1</v>", 10);
	tell_trouble("release/marker", "no permission");
	settle();
	ck_assert_uint_eq(seq(), 0);
	assert_candidate(0, "release/marker", 0, 0, 0, "no permission");
	tell_trouble("release/marker", NULL);
	mark(10);
	settle();
	ck_assert_uint_eq(seq(), 1);
	ck_assert_uint_eq(candidate_count(), 0);
}
END_TEST

/* A restored source */

static char *request_path(const char *ending)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/app/accept-older%s", host.state_dir, ending);
	return path;
}

static void ask_for_older(void)
{
	FILE *file = fopen(request_path(""), "w");

	ck_assert_ptr_nonnull(file);
	fclose(file);
}

static bool is_taken(const void *user)
{
	(void)user;
	return access(request_path(""), F_OK) < 0;
}

/* What the daemon answered; static. */
static const char *answer(void)
{
	static char text[1024];
	int fd = open(request_path(".answer"), O_RDONLY | O_CLOEXEC);
	ssize_t got = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);

	if (fd >= 0)
		close(fd);
	text[got > 0 ? got : 0] = '\0';
	return text;
}

START_TEST(older_revisions_are_accepted_once_after_the_operator_asked)
{
	tell("a.xml", "<v>1</v>", 20);
	tell("b.xml", "<v>1</v>", 21);
	tell("c.xml", "<v>1</v>", 22);
	settle();
	tell("a.xml", "<v>0</v>", 10);
	settle();
	assert_value("a.xml", "1");
	ck_assert_uint_eq(candidate_count(), 1);

	ask_for_older();
	run_until(is_taken, NULL);
	ck_assert_uint_eq(fake.closes, 1);
	ck_assert_uint_eq(fake.starts, 2);
	assert_logged("warning: set app: accept-older was asked for");
	assert_detail("accept-older was asked for");
	tell_state(SOURCE_SYNCING, "");
	tell("a.xml", "<v>0</v>", 10);
	tell("b.xml", "<v>1</v>", 21);
	ck_assert_str_eq(answer(), "");
	settle();
	assert_value("a.xml", "0");
	assert_value("b.xml", "1");
	assert_value("c.xml", "1"); /* held */
	ck_assert_uint_eq(seq(), 2);
	ck_assert_uint_eq(candidate_count(), 1);
	assert_candidate(0, "c.xml", 0, 0, 0, "held (on-delete=hold)");
	ck_assert_str_eq(answer(),
			 "set app: accept-older is done: 1 changes, 1 of them to older revisions; 1 "
			 "documents gone at the source and held (on-delete=hold); commit 2 is served");
	assert_logged("older revisions are refused again");
	ck_assert_int_lt(access(request_path(".taken"), F_OK), 0);
	tell_state(SOURCE_FOLLOWING, "");
	assert_detail("");

	tell("a.xml", "<v>00</v>", 9); /* the guard is as before, with the new revisions */
	settle();
	assert_value("a.xml", "0");
	assert_candidate(0, "a.xml", 9, 0, 0, "the source went back: revision 10 was accepted before");
	tell("a.xml", "<v>2</v>", 11);
	settle();
	assert_value("a.xml", "2");
	ck_assert_uint_eq(seq(), 3);
}
END_TEST

START_TEST(what_a_restored_source_lacks_is_removed_where_the_set_says_so)
{
	open_removing();
	tell("a.xml", "<v>1</v>", 20);
	tell("b.xml", "<v>1</v>", 21);
	settle();
	ask_for_older();
	run_until(is_taken, NULL);
	tell("a.xml", "<v>0</v>", 10);
	settle();
	assert_value("a.xml", "0");
	assert_value("b.xml", NULL);
	ck_assert_ptr_nonnull(
		strstr(answer(), "gone at the source and removed (on-delete=remove); commit 2"));
}
END_TEST

START_TEST(same_revision_of_another_history_is_another_version)
{
	tell("a.xml", "<v>1</v>", 20);
	tell("b.xml", "<v>1</v>", 20);
	settle();
	ask_for_older();
	run_until(is_taken, NULL);
	tell("a.xml", "<v>2</v>", 20);
	tell("b.xml", "<v>1</v>", 20);
	settle();
	assert_value("a.xml", "2");
	ck_assert_ptr_nonnull(strstr(answer(), ": 1 changes, 0 of them to older"));
}
END_TEST

START_TEST(accepting_is_all_or_nothing)
{
	tell("a.xml", "<v>1</v>", 20);
	tell("b.xml", "<v>1</v>", 20);
	settle();
	ask_for_older();
	run_until(is_taken, NULL);
	tell_state(SOURCE_SYNCING, "");
	tell("a.xml", "<v>0</v>", 10);
	run_ms(11000); /* more than a first sync has else */
	assert_value("a.xml", "1");
	assert_detail("1 change waits for the source to settle; accept-older was asked for");
	tell("b.xml", "<v>0</v>", 10);
	settle();
	assert_value("a.xml", "0");
	assert_value("b.xml", "0");
	ck_assert_uint_eq(state().cut_count, 0);
}
END_TEST

START_TEST(what_waited_of_the_history_that_is_given_up_is_dropped)
{
	open_marked_batch();
	tell("a.xml", "<v>9</v>", 30);
	tell_trouble("t.xml", "no permission");
	tell("bad.xml", "<bad", 31);
	settle();
	ck_assert_uint_eq(candidate_count(), 2);
	ask_for_older();
	run_until(is_taken, NULL);
	tell_state(SOURCE_SYNCING, "");
	tell("a.xml", "<v>0</v>", 10);
	tell("b.xml", "<v>7</v>", 8);
	mark(9);
	settle();
	assert_value("b.xml", "7");
	assert_value("a.xml", "0");
	ck_assert_uint_eq(candidate_count(), 0); /* nor is anything of it shown */
	ck_assert_uint_eq(seq(), 2);
}
END_TEST

START_TEST(request_is_taken_at_the_start)
{
	tell("a.xml", "<v>1</v>", 20);
	settle();
	close_pipeline();
	ask_for_older();
	open_pipeline();
	ck_assert(is_taken(NULL));
	assert_value("a.xml", "1");
	tell("a.xml", "<v>0</v>", 10);
	settle();
	assert_value("a.xml", "0");
}
END_TEST

START_TEST(request_outlives_the_daemon_that_took_it)
{
	tell("a.xml", "<v>1</v>", 20);
	settle();
	ask_for_older();
	run_until(is_taken, NULL);
	close_pipeline(); /* before the source has settled */
	open_pipeline();
	tell("a.xml", "<v>0</v>", 10);
	settle();
	assert_value("a.xml", "0");
	close_pipeline();
	open_pipeline(); /* it is done: not once more */
	tell("a.xml", "<v>00</v>", 9);
	settle();
	assert_value("a.xml", "0");
}
END_TEST

START_TEST(request_may_be_made_again_while_one_is_under_way)
{
	tell("a.xml", "<v>1</v>", 20);
	settle();
	for (int i = 0; i < 2; i++) {
		ask_for_older();
		run_until(is_taken, NULL);
	}
	tell("a.xml", "<v>0</v>", 10);
	settle();
	assert_value("a.xml", "0");
	ask_for_older(); /* and when it changes nothing */
	run_until(is_taken, NULL);
	ck_assert_str_eq(answer(), ""); /* that of the one before is gone */
	tell("a.xml", "<v>0</v>", 10);
	settle();
	ck_assert_uint_eq(seq(), 2);
	ck_assert_str_eq(answer(),
			 "set app: accept-older is done: 0 changes, 0 of them to older revisions; 0 "
			 "documents gone at the source; commit 2 is served");
}
END_TEST

START_TEST(accepted_changes_may_have_to_wait_for_the_marker)
{
	open_marked_batch();
	ask_for_older();
	run_until(is_taken, NULL);
	tell_state(SOURCE_SYNCING, "");
	tell("a.xml", "<v>7</v>", 8);
	tell("b.xml", "<v>7</v>", 8);
	mark(7);
	settle();
	assert_value("a.xml", "0");
	ck_assert_ptr_nonnull(strstr(answer(),
				     "2 changes, 2 of them to older revisions; 0 documents gone at the "
				     "source; 2 changes wait for the commit marker release/marker, "
				     "seen at revision 7"));
	mark(9);
	settle();
	assert_value("a.xml", "7");
}
END_TEST

START_TEST(what_is_no_file_is_no_request)
{
	const char *line;

	tell("a.xml", "<v>1</v>", 20);
	settle();
	ck_assert_int_eq(mkdir(request_path(""), 0700), 0);
	run_ms(2500);
	ck_assert_uint_eq(fake.closes, 0);
	line = strstr(logged(), "cannot be taken: it is not a file; nothing is accepted");
	ck_assert_ptr_nonnull(line);
	ck_assert_ptr_null(strstr(line + 1, "cannot be taken")); /* once */
	ck_assert_int_eq(rmdir(request_path("")), 0);
}
END_TEST

START_TEST(request_that_cannot_be_taken_is_not_done)
{
	tell("a.xml", "<v>1</v>", 20);
	settle();
	ck_assert_int_eq(mkdir(request_path(".taken"), 0700), 0);
	ask_for_older();
	run_until(has_logged, "accept-older cannot be taken: ");
	ck_assert_uint_eq(fake.closes, 0);
	ck_assert_int_eq(rmdir(request_path(".taken")), 0);
	run_until(is_taken, NULL);
	ck_assert_uint_eq(fake.closes, 1);
	ck_assert_int_eq(mkdir(request_path(".answer"), 0700), 0); /* in the way of the answer */
	tell("a.xml", "<v>0</v>", 10);
	settle();
	assert_value("a.xml", "0");
	assert_logged("accept-older cannot be answered in ");
	ck_assert_int_eq(rmdir(request_path(".answer")), 0);
}
END_TEST

/* Frozen sets */

static void freeze_until(int64_t until_ns)
{
	struct message message = { "" };

	ck_assert_msg(pipeline_freeze(host.pipeline, until_ns, &message) == 0, "%s", message.text);
}

static void thaw(void)
{
	struct message message = { "" };

	ck_assert_msg(pipeline_thaw(host.pipeline, &message) == 0, "%s", message.text);
}

START_TEST(what_arrives_in_a_frozen_set_waits_until_it_is_thawed)
{
	const void *raw;
	size_t raw_bytes;

	tell("a.xml", "<v>1</v>", 1);
	tell("b.xml", "<v>1</v>", 2);
	settle();
	freeze_until(0);
	assert_detail("FROZEN since 20");
	assert_detail(", until it is thawed");
	tell("a.xml", "<v>2</v>", 3);
	settle();
	run_ms(50);
	ck_assert_uint_eq(seq(), 1);
	assert_value("a.xml", "1");
	ck_assert_uint_eq(candidate_count(), 1);
	assert_candidate(0, "a.xml", 3, 0, 0, "it waits: the set is frozen");
	raw = pipeline_candidate_raw(host.pipeline, "a.xml", &raw_bytes);
	ck_assert_ptr_nonnull(raw);
	ck_assert_mem_eq(raw, "<v>2</v>", 8);
	assert_detail("1 change waits for the set to be thawed");
	thaw();
	assert_value("a.xml", "2");
	ck_assert_uint_eq(seq(), 2);
	assert_logged("warning: set app: thawed: 1 change waited");
	assert_detail("");
	thaw(); /* of what is not frozen */
}
END_TEST

START_TEST(frozen_set_is_frozen_after_a_restart_and_serves_what_it_did)
{
	tell("a.xml", "<v>1</v>", 1);
	settle();
	freeze_until(0);
	tell("a.xml", "<v>2</v>", 3);
	settle();
	close_pipeline();
	segment_host_remove(host.shm_dir);
	open_pipeline();
	assert_value("a.xml", "1");
	tell("a.xml", "<v>2</v>", 3);
	settle();
	run_ms(20);
	assert_value("a.xml", "1");
	assert_detail("FROZEN since 20");
	thaw();
	assert_value("a.xml", "2");
}
END_TEST

static bool is_thawed(const void *user)
{
	(void)user;
	return !state().freeze.is_frozen;
}

START_TEST(set_thaws_when_its_time_has_come)
{
	tell("a.xml", "<v>1</v>", 1);
	settle();
	freeze_until(clock_realtime_ns() + CLOCK_NS_PER_S / 2);
	assert_detail(", until 20");
	tell("a.xml", "<v>2</v>", 3);
	settle();
	assert_value("a.xml", "1");
	run_until(is_thawed, NULL);
	assert_value("a.xml", "2");
}
END_TEST

/* What was held is not let go by an accident. */
START_TEST(freeze_that_cannot_be_understood_has_no_end)
{
	char path[128];
	FILE *file;

	close_pipeline();
	snprintf(path, sizeof(path), "%s/app/frozen", host.state_dir);
	file = fopen(path, "w");
	ck_assert_ptr_nonnull(file);
	fputs("zkcfg-frozen 1 yes", file);
	fclose(file);
	open_pipeline();
	assert_logged("/app/frozen cannot be understood: frozen until it is thawed");
	assert_detail("FROZEN, until it is thawed");
	tell("a.xml", "<v>1</v>", 1);
	settle();
	ck_assert_uint_eq(seq(), 0);
	thaw();
	assert_value("a.xml", "1");
}
END_TEST

START_TEST(freeze_that_cannot_be_kept_is_refused)
{
	struct message message = { "" };
	char path[128];

	tell("a.xml", "<v>1</v>", 1);
	settle();
	snprintf(path, sizeof(path), "%s/app/frozen.new", host.state_dir);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	ck_assert_int_lt(pipeline_freeze(host.pipeline, 0, &message), 0);
	ck_assert_ptr_nonnull(strstr(message.text, "set app cannot be frozen: "));
	ck_assert_ptr_nonnull(strstr(message.text, "it goes on as before"));
	ck_assert_int_eq(rmdir(path), 0);
	freeze_until(0);
	snprintf(path, sizeof(path), "%s/app/frozen", host.state_dir);
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	ck_assert_int_lt(pipeline_thaw(host.pipeline, &message), 0);
	ck_assert_ptr_nonnull(strstr(message.text, "it stays frozen"));
	ck_assert(state().freeze.is_frozen);
}
END_TEST

/* Asked for anew */

START_TEST(what_was_asked_for_is_there_when_the_source_has_vouched_for_it)
{
	int64_t asked_ns;

	tell("a.xml", "<v>1</v>", 1);
	settle();
	verify();
	asked_ns = pipeline_refresh(host.pipeline);
	ck_assert_uint_eq(fake.refreshes, 1);
	ck_assert(!pipeline_is_current(host.pipeline, asked_ns));
	tell("a.xml", "<v>2</v>", 2);
	fake.events->verified(fake.user, asked_ns);
	ck_assert(!pipeline_is_current(host.pipeline, asked_ns)); /* not settled */
	settle();
	ck_assert(pipeline_is_current(host.pipeline, asked_ns));
	assert_value("a.xml", "2");
	asked_ns = pipeline_refresh(host.pipeline);
	fake.events->verified(fake.user, asked_ns - 1);
	ck_assert(!pipeline_is_current(host.pipeline, asked_ns));
	freeze_until(0);
	tell("a.xml", "<v>3</v>", 3);
	settle();
	fake.events->verified(fake.user, asked_ns);
	ck_assert(pipeline_is_current(host.pipeline, asked_ns)); /* somebody wants it to wait */
}
END_TEST

/* Audit */

START_TEST(repairs_by_the_audit_are_counted_and_told)
{
	struct zkcfg_status *found;

	fake.events->repaired(fake.user, "dir/a.xml");
	fake.events->repaired(fake.user, "dir/a.xml");
	found = status();
	ck_assert_uint_eq(zkcfg_status_repair_count(found), 2);
	zkcfg_status_free(found);
	ck_assert_uint_eq(state().repair_count, 2);
	assert_logged("notice: set app: document dir/a.xml: the audit found ");
}
END_TEST

START_TEST(status_says_how_the_set_hears_of_changes)
{
	struct zkcfg_status *found;

	fake.source.mode = SOURCE_PULL;
	tell_state(SOURCE_FOLLOWING, "");
	found = status();
	ck_assert_int_eq((int)zkcfg_status_source_mode(found), ZKCFG_MODE_PULL);
	ck_assert_int_eq(zkcfg_status_told_ms(found), -1);
	ck_assert_int_eq(zkcfg_status_asked_ms(found), -1);
	zkcfg_status_free(found);
	fake.events->contact(fake.user, SOURCE_ASKED);
	tell_state(SOURCE_AWAY, "");
	found = status();
	ck_assert_int_eq(zkcfg_status_told_ms(found), -1);
	ck_assert_int_ge(zkcfg_status_asked_ms(found), 0);
	zkcfg_status_free(found);
	fake.events->contact(fake.user, SOURCE_TOLD);
	tell_state(SOURCE_FOLLOWING, "");
	found = status();
	ck_assert_int_ge(zkcfg_status_told_ms(found), 0);
	zkcfg_status_free(found);
}
END_TEST

START_TEST(documents_that_come_and_go_leave_nothing_behind)
{
	size_t before = 0, after;
	char name[64];

	open_removing();
	settle();
	for (unsigned i = 0; i < 21000; i++) {
		if (i == 1000)
			before = mallinfo2().uordblks;
		snprintf(name, sizeof(name), "a-rather-long-name-of-a-document-number-%u.xml", i);
		tell(name, i % 2 ? "<bad" : "", i);
		tell_removed(name);
		tell_trouble(name, "no permission");
		tell_trouble(name, NULL);
	}
	settle();
	after = mallinfo2().uordblks;
	ck_assert_msg(after < before + 500000, "%zu bytes more", after - before);
	ck_assert_uint_eq(candidate_count(), 0);
}
END_TEST

START_TEST(closing_none_is_allowed)
{
	pipeline_close(NULL);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("pipeline");
	TCase *tcase = tcase_create("pipeline");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, begin_open, end);
	tcase_add_test(tcase, settled_documents_become_one_commit);
	tcase_add_test(tcase, settling_without_a_change_is_no_commit);
	tcase_add_test(tcase, document_has_the_revision_of_its_source);
	tcase_add_test(tcase, version_that_is_published_already_is_dropped);
	tcase_add_test(tcase, document_that_was_made_anew_is_another);
	tcase_add_test(tcase, newest_pending_version_wins);
	tcase_add_test(tcase, older_version_is_never_published);
	tcase_add_test(tcase, bad_version_becomes_the_candidate_and_the_active_one_stays);
	tcase_add_test(tcase, bad_version_of_what_was_never_served_is_named_so);
	tcase_add_test(tcase, good_version_answers_the_candidate);
	tcase_add_test(tcase, source_that_returns_to_the_active_version_clears_the_candidate);
	tcase_add_test(tcase, good_version_is_committed_though_a_bad_one_follows);
	tcase_add_test(tcase, same_fault_is_told_once);
	tcase_add_test(tcase, limits_of_the_set_are_kept_to);
	tcase_add_test(tcase, schema_of_the_set_is_kept_to);
	tcase_add_test(tcase, schema_that_is_gone_is_an_error_at_the_start);
	tcase_add_test(tcase, refused_versions_come_before_what_is_held);
	tcase_add_test(tcase, removed_document_is_held);
	tcase_add_test(tcase, document_removed_before_its_commit_stays_held_behind_it);
	tcase_add_test(tcase, candidate_of_what_was_never_served_goes_with_it);
	tcase_add_test(tcase, removed_document_is_removed_where_the_set_says_so);
	tcase_add_test(tcase, document_that_comes_back_in_time_is_not_removed);
	tcase_add_test(tcase, bad_candidate_of_a_removed_document_goes_with_it);
	tcase_add_test(tcase, empty_document_is_held);
	tcase_add_test(tcase, empty_document_is_removed_where_the_set_says_so);
	tcase_add_test(tcase, document_not_reported_in_the_first_sync_has_vanished);
	tcase_add_test(tcase, document_that_vanished_while_nobody_looked_is_removed_where_the_set_says_so);
	tcase_add_test(tcase, trouble_is_shown_until_it_is_over);
	tcase_add_test(tcase, trouble_and_candidate_go_each_for_itself);
	tcase_add_test(tcase, what_cannot_be_read_is_not_taken_for_gone);
	tcase_add_test(tcase, end_of_trouble_with_nothing_left_is_seen_when_the_source_vouches);
	tcase_add_test(tcase, commit_waits_until_it_was_quiet_for_the_minimum);
	tcase_add_test(tcase, commit_waits_no_longer_than_the_maximum);
	tcase_add_test(tcase, what_had_settled_goes_without_half_of_the_next_change);
	tcase_add_test(tcase, source_that_never_settles_is_cut_and_status_says_so);
	tcase_add_test(tcase, first_sync_is_not_cut_before_ten_seconds);
	tcase_add_test(tcase, commit_that_fails_is_tried_again_and_the_last_one_stays);
	tcase_add_test(tcase, failing_ends_when_nothing_is_left_to_commit);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
	tcase_add_test(tcase, what_memory_did_not_suffice_for_is_fetched_again);
#endif
	tcase_add_test(tcase, state_of_the_source_is_shown_with_since_and_without_secrets);
	tcase_add_test(tcase, source_vouches_only_for_what_is_published);
	tcase_add_test(tcase, segment_that_is_removed_is_made_anew_with_its_status);
	tcase_add_test(tcase, segment_that_cannot_be_made_anew_is_told_once);
	tcase_add_test(tcase, next_daemon_takes_the_segment_over);
	tcase_add_test(tcase, what_another_daemon_said_last_is_over_at_once);
	tcase_add_test(tcase, set_is_served_from_last_good_before_the_source_answers);
	tcase_add_test(tcase, last_good_of_no_document_is_a_commit_all_the_same);
	tcase_add_test(tcase, no_number_is_given_twice_after_a_death);
	tcase_add_test(tcase, start_takes_back_that_the_daemon_ended_with_it);
	tcase_add_test(tcase, document_of_last_good_that_no_longer_compiles_is_left_out);
	tcase_add_test(tcase, damaged_last_good_is_named_and_the_one_before_used);
	tcase_add_test(tcase, set_starts_though_every_last_good_is_damaged);
	tcase_add_test(tcase, last_good_that_finds_no_room_is_neither_lost_nor_forgotten);
	tcase_add_test(tcase, source_may_answer_before_last_good_finds_room);
	tcase_add_test(tcase, last_good_that_cannot_be_written_is_told);
	tcase_add_test(tcase, newest_commit_is_kept_at_the_end);
	tcase_add_test(tcase, newest_commit_is_kept_soon_without_an_end);
	tcase_add_test(tcase, second_daemon_is_refused_with_the_pid_of_the_first);
	tcase_add_test(tcase, source_that_cannot_be_is_an_error_at_the_start);
	tcase_add_test(tcase, state_directory_that_cannot_be_is_an_error_at_the_start);
	tcase_add_test(tcase, half_of_a_change_waits_while_the_source_is_away);
	tcase_add_test(tcase, source_that_refuses_is_away_too);
	tcase_add_test(tcase, what_had_settled_is_committed_though_the_source_is_away);
	tcase_add_test(tcase, source_that_is_back_and_never_settles_is_cut_after_a_first_syncs_time);
	tcase_add_test(tcase, source_that_has_vouched_again_is_cut_at_the_maximum_again);
	tcase_add_test(tcase, commit_that_failed_is_not_tried_again_with_half_of_a_change);
	tcase_add_test(tcase, last_good_without_room_is_not_mixed_with_half_of_what_the_source_has);
	tcase_add_test(tcase, changes_wait_for_the_commit_marker);
	tcase_add_test(tcase, marker_of_the_same_transaction_covers_it);
	tcase_add_test(tcase, marker_is_neither_served_nor_a_candidate);
	tcase_add_test(tcase, set_with_a_marker_is_never_cut);
	tcase_add_test(tcase, first_sync_of_a_set_with_a_marker_is_not_cut_either);
	tcase_add_test(tcase, debounce_minimum_is_kept_to_with_a_marker);
	tcase_add_test(tcase, nothing_is_committed_without_a_marker_at_the_source);
	tcase_add_test(tcase, removal_waits_for_a_marker_that_has_moved);
	tcase_add_test(tcase, removal_and_marker_that_are_seen_together_are_one_batch);
	tcase_add_test(tcase, document_that_becomes_empty_has_a_revision_for_the_marker);
	tcase_add_test(tcase, what_was_served_before_is_served_until_the_marker_covers_what_is_new);
	tcase_add_test(tcase, document_that_has_become_the_marker_leaves_the_set);
	tcase_add_test(tcase, last_good_does_not_bring_the_marker_back);
	tcase_add_test(tcase, marker_that_cannot_be_read_is_shown);
	tcase_add_test(tcase, older_revisions_are_accepted_once_after_the_operator_asked);
	tcase_add_test(tcase, what_a_restored_source_lacks_is_removed_where_the_set_says_so);
	tcase_add_test(tcase, same_revision_of_another_history_is_another_version);
	tcase_add_test(tcase, accepting_is_all_or_nothing);
	tcase_add_test(tcase, what_waited_of_the_history_that_is_given_up_is_dropped);
	tcase_add_test(tcase, request_is_taken_at_the_start);
	tcase_add_test(tcase, request_outlives_the_daemon_that_took_it);
	tcase_add_test(tcase, request_may_be_made_again_while_one_is_under_way);
	tcase_add_test(tcase, accepted_changes_may_have_to_wait_for_the_marker);
	tcase_add_test(tcase, what_is_no_file_is_no_request);
	tcase_add_test(tcase, request_that_cannot_be_taken_is_not_done);
	tcase_add_test(tcase, what_arrives_in_a_frozen_set_waits_until_it_is_thawed);
	tcase_add_test(tcase, frozen_set_is_frozen_after_a_restart_and_serves_what_it_did);
	tcase_add_test(tcase, set_thaws_when_its_time_has_come);
	tcase_add_test(tcase, freeze_that_cannot_be_understood_has_no_end);
	tcase_add_test(tcase, freeze_that_cannot_be_kept_is_refused);
	tcase_add_test(tcase, what_was_asked_for_is_there_when_the_source_has_vouched_for_it);
	tcase_add_test(tcase, status_says_how_the_set_hears_of_changes);
	tcase_add_test(tcase, repairs_by_the_audit_are_counted_and_told);
	tcase_add_test(tcase, documents_that_come_and_go_leave_nothing_behind);
	tcase_add_test(tcase, closing_none_is_allowed);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
