/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include <check.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <zkcfg/zkcfg.h>

#include "segment/document_read.h"
#include "support/segment_host.h"

#define DEADLINE_MS 10000

static struct segment_host host;
static struct zkcfg *cfg;
static struct zkcfg_snapshot *since, *now;

static void start(void)
{
	segment_host_start(&host);
	segment_host_open(&host);
	ck_assert_int_eq(zkcfg_open("app", host.shm_dir, &cfg), 0);
	since = now = NULL;
}

static void stop(void)
{
	zkcfg_unpin(since);
	zkcfg_unpin(now);
	zkcfg_close(cfg);
	segment_host_stop(&host);
}

START_TEST(wait_returns_at_once_when_there_is_another_commit)
{
	uint64_t newest = 0;

	segment_host_publish(&host, "app.xml", "<d>1</d>");
	segment_host_publish(&host, "app.xml", "<d>2</d>");
	ck_assert_int_eq(zkcfg_wait(cfg, 0, 0, &newest), 0);
	ck_assert_uint_eq(newest, 2);
	ck_assert_int_eq(zkcfg_wait(cfg, 1, -1, NULL), 0);
	/* a seq that is not there yet is another one, too: the segment began anew */
	ck_assert_int_eq(zkcfg_wait(cfg, 3, 0, &newest), 0);
	ck_assert_int_eq(zkcfg_wait(cfg, 2, 0, &newest), ZKCFG_ETIMEDOUT);
}
END_TEST

START_TEST(wait_ends_when_its_time_is_over)
{
	int64_t began_ms;

	segment_host_publish(&host, "app.xml", "<d>1</d>");
	began_ms = segment_host_now_ms();
	ck_assert_int_eq(zkcfg_wait(cfg, 1, 1100, NULL), ZKCFG_ETIMEDOUT);
	ck_assert_int_ge(segment_host_now_ms() - began_ms, 1099);
}
END_TEST

static void *publish_later(void *user)
{
	const struct timespec pause = { .tv_nsec = 30000000 };

	(void)user;
	nanosleep(&pause, NULL);
	segment_host_publish(&host, "app.xml", "<d>2</d>");
	return NULL;
}

START_TEST(commit_wakes_who_waits)
{
	uint64_t newest = 0;
	pthread_t thread;

	segment_host_publish(&host, "app.xml", "<d>1</d>");
	ck_assert_int_eq(pthread_create(&thread, NULL, publish_later, NULL), 0);
	ck_assert_int_eq(zkcfg_wait(cfg, 1, -1, &newest), 0);
	ck_assert_uint_eq(newest, 2);
	pthread_join(thread, NULL);
}
END_TEST

static void ignore(int signal_number)
{
	(void)signal_number;
}

START_TEST(signal_ends_a_wait)
{
	struct sigaction action = { .sa_handler = ignore, .sa_flags = SA_RESTART };
	struct itimerval timer = { .it_value.tv_usec = 20000, .it_interval.tv_usec = 20000 };

	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &timer, NULL);
	ck_assert_int_eq(zkcfg_wait(cfg, 0, DEADLINE_MS, NULL), ZKCFG_EINTR);
}
END_TEST

/* Publish a document; does that end a wait for what is told, from what was before? */
static bool ends_wait(const char *name, const char *xml, const char *document, const char *path)
{
	int err;

	zkcfg_unpin(since);
	since = NULL;
	ck_assert_int_eq(zkcfg_pin(cfg, &since), 0);
	segment_host_publish(&host, name, xml);
	zkcfg_unpin(now);
	now = NULL;
	err = zkcfg_wait_for(cfg, since, document, path, 0, &now);
	ck_assert(err == 0 || err == ZKCFG_ETIMEDOUT);
	ck_assert_int_eq(err == 0, now != NULL);
	if (now)
		ck_assert_uint_eq(zkcfg_snapshot_seq(now), zkcfg_seq(cfg));
	return err == 0;
}

START_TEST(wait_for_a_document_lets_commits_of_others_go_by)
{
	segment_host_publish(&host, "a", "<a>1</a>");
	ck_assert(!ends_wait("b", "<b>1</b>", "a", NULL));
	ck_assert(ends_wait("a", "<a>2</a>", "a", NULL));
	ck_assert(ends_wait("b", "<b>2</b>", NULL, NULL));
	ck_assert(ends_wait("a", "<a>2</a>", "a", NULL)); /* a revision of its own */
	ck_assert(ends_wait("a", NULL, "a", NULL));
	ck_assert(!ends_wait("b", "<b>3</b>", "a", NULL));
	ck_assert(ends_wait("a", "<a>3</a>", "a", NULL));
}
END_TEST

START_TEST(wait_for_a_path_ends_with_what_is_there_or_below_it)
{
	segment_host_publish(&host, "a", "<s><p k='1'><h>x</h></p><p>y</p><q/></s>");
	ck_assert(!ends_wait("a", "<s><p k='1'><h>x</h></p><p>y</p><q>other</q></s>", "a", "/s/p"));
	ck_assert(!ends_wait("a", "<s><p k='1'><h>x</h></p><p>z</p><q/></s>", "a", "/s/p"));
	ck_assert(ends_wait("a", "<s><p k='2'><h>x</h></p><p>z</p><q/></s>", "a", "/s/p"));
	ck_assert(ends_wait("a", "<s><p k='2'><h>u</h></p><p>z</p><q/></s>", "a", "/s/p"));
	ck_assert(ends_wait("a", "<s><p k='2'><i>u</i></p><p>z</p><q/></s>", "a", "/s/p"));
	ck_assert(ends_wait("a", "<s><p k='2'><i>u</i><i/></p><p>z</p><q/></s>", "a", "/s/p"));
	ck_assert(ends_wait("a", "<s><p k='2'><i>u</i></p><p>z</p><q/></s>", "a", "/s/p"));
	ck_assert(!ends_wait("a", "<s><p k='2'><i>v</i></p><p>z</p><q/></s>", "a", "/s/p/@k"));
	ck_assert(ends_wait("a", "<s><p k='3'><i>v</i></p><p>z</p><q/></s>", "a", "/s/p/@k"));
	ck_assert(ends_wait("a", "<s><p l='3'><i>v</i></p><p>z</p><q/></s>", "a", "/s/p/@k"));
	ck_assert(ends_wait("a", "<s><q/></s>", "a", "/s/p[2]"));
	ck_assert(!ends_wait("a", "<s><q>1</q></s>", "a", "/s/p[2]"));
	ck_assert(ends_wait("a", "<s><q>2</q></s>", "a", "/s"));
	ck_assert(ends_wait("a", NULL, "a", "/s/q"));
	ck_assert(!ends_wait("b", "<s><q>2</q></s>", "a", "/s/q"));
	ck_assert(ends_wait("a", "<s><q>2</q></s>", "a", "/s/q"));
}
END_TEST

START_TEST(wait_for_with_nothing_before_ends_when_it_is_there)
{
	ck_assert_int_eq(zkcfg_wait_for(cfg, NULL, "a", "/s", 0, &now), ZKCFG_ETIMEDOUT);
	segment_host_publish(&host, "b", "<s/>");
	ck_assert_int_eq(zkcfg_wait_for(cfg, NULL, "a", "/s", 0, &now), ZKCFG_ETIMEDOUT);
	ck_assert_int_eq(zkcfg_wait_for(cfg, NULL, "b", "/s/t", 0, &now), ZKCFG_ETIMEDOUT);
	ck_assert_int_eq(zkcfg_wait_for(cfg, NULL, "b", "/s", 0, &now), 0);
	zkcfg_unpin(now);
	now = NULL;
	ck_assert_int_eq(zkcfg_wait_for(cfg, NULL, NULL, NULL, 0, &now), 0);
}
END_TEST

START_TEST(wait_for_compares_across_a_new_generation)
{
	struct message message = { "" };
	uint64_t seq;

	segment_host_publish(&host, "a", "<a>1</a>");
	ck_assert_int_eq(zkcfg_pin(cfg, &since), 0);
	segment_host_remove(host.set_dir);
	ck_assert_int_eq(publisher_heartbeat(host.publisher, &message), 0);
	seq = zkcfg_snapshot_seq(since);
	ck_assert_int_eq(zkcfg_wait_for(cfg, since, "a", NULL, 0, &now), ZKCFG_ETIMEDOUT);
	ck_assert_int_eq(zkcfg_wait_for(cfg, since, NULL, NULL, 0, &now), 0);
	ck_assert_uint_gt(zkcfg_snapshot_seq(now), seq);
}
END_TEST

static void *publish_both(void *user)
{
	const struct timespec pause = { .tv_nsec = 20000000 };

	(void)user;
	for (int i = 0; i < 5; i++) {
		nanosleep(&pause, NULL);
		segment_host_publish(&host, "b", i % 2 ? "<b>1</b>" : "<b>2</b>");
	}
	segment_host_publish(&host, "a", "<a>2</a>");
	return NULL;
}

START_TEST(wait_for_sleeps_until_it_is_the_right_commit)
{
	const char *value;
	pthread_t thread;

	segment_host_publish(&host, "a", "<a>1</a>");
	ck_assert_int_eq(zkcfg_pin(cfg, &since), 0);
	ck_assert_int_eq(pthread_create(&thread, NULL, publish_both, NULL), 0);
	ck_assert_int_eq(zkcfg_wait_for(cfg, since, "a", "/a", -1, &now), 0);
	pthread_join(thread, NULL);
	ck_assert_uint_eq(zkcfg_snapshot_seq(now), 7);
	ck_assert_int_eq(zkcfg_get_string(now, "a", "/a", &value), 0);
	ck_assert_str_eq(value, "2");
}
END_TEST

START_TEST(wait_for_with_a_wrong_argument_is_refused)
{
	static const char *const wrong[] = { "", "a", "/", "/a[", "/a[0]", "/a/@b/c", "//a" };

	segment_host_publish(&host, "a", "<a>1</a>");
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		ck_assert_int_eq(zkcfg_wait_for(cfg, NULL, "a", wrong[i], -1, &now), ZKCFG_EINVAL);
	ck_assert_int_eq(zkcfg_wait_for(cfg, NULL, NULL, "/a", -1, &now), ZKCFG_EINVAL);
	ck_assert_int_eq(zkcfg_wait_for(NULL, NULL, "a", "/a", -1, &now), ZKCFG_EINVAL);
	ck_assert_int_eq(zkcfg_wait_for(cfg, NULL, "a", "/a", -1, NULL), ZKCFG_EINVAL);
	ck_assert_int_eq(zkcfg_wait(NULL, 0, 0, NULL), ZKCFG_EINVAL);
	ck_assert_ptr_null(now);
}
END_TEST

/* Of the newest document, which lies alone in its generation: make a field of its node a wrong one. */
static void damage_node(uint32_t node, size_t field)
{
	char path[HOST_PATH_BYTES];
	const struct zkcfg_document *document;
	size_t size_bytes;
	uint8_t *bytes;
	uint64_t at = 0;

	segment_host_path(&host, "gen.1", path);
	bytes = segment_host_read(path, &size_bytes);
	for (size_t i = LAYOUT_ALIGN; i + sizeof(*document) < size_bytes; i += LAYOUT_ALIGN) {
		document = (const void *)(bytes + i);
		if (document->magic == LAYOUT_DOCUMENT_MAGIC)
			at = i + document_nodes_offset(document) + node * sizeof(struct layout_document_node) + field;
	}
	free(bytes);
	ck_assert_uint_ne(at, 0);
	segment_host_patch(path, at, "\0\0\0", 4);
}

START_TEST(damage_ends_a_wait_for_with_an_error)
{
	char path[HOST_PATH_BYTES];

	segment_host_publish(&host, "a", "<a><b>1</b></a>");
	ck_assert_int_eq(zkcfg_pin(cfg, &since), 0);
	segment_host_publish(&host, "a", "<a><b>2</b></a>");
	damage_node(1, offsetof(struct layout_document_node, end));
	ck_assert_int_eq(zkcfg_wait_for(cfg, since, "a", "/a", 1000, &now), ZKCFG_ECORRUPT);
	ck_assert_int_eq(zkcfg_wait_for(cfg, since, "a", "/a[1]/b", 1000, &now), ZKCFG_ECORRUPT);
	zkcfg_unpin(since);
	since = NULL;
	ck_assert_int_eq(zkcfg_pin(cfg, &since), 0);
	segment_host_publish(&host, "a", "<a><b>3</b></a>");
	ck_assert_int_eq(zkcfg_wait_for(cfg, since, "a", "/a[1]/b", 1000, &now), ZKCFG_ECORRUPT); /* the older one */
	segment_host_path(&host, "gen.1", path);
	segment_host_patch(path, LAYOUT_ALIGN, "XXXX", 4);
	ck_assert_ptr_null(now);
}
END_TEST

START_TEST(damaged_document_ends_a_wait_for_with_an_error)
{
	char path[HOST_PATH_BYTES];

	segment_host_publish(&host, "a", "<a>1</a>");
	segment_host_path(&host, "gen.1", path);
	segment_host_patch(path, LAYOUT_ALIGN, "XXXX", 4);
	ck_assert_int_eq(zkcfg_wait_for(cfg, NULL, "a", NULL, 1000, &now), ZKCFG_ECORRUPT);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("wait");
	TCase *tcase = tcase_create("wait");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, start, stop);
	tcase_add_test(tcase, wait_returns_at_once_when_there_is_another_commit);
	tcase_add_test(tcase, wait_ends_when_its_time_is_over);
	tcase_add_test(tcase, commit_wakes_who_waits);
	tcase_add_test(tcase, signal_ends_a_wait);
	tcase_add_test(tcase, wait_for_a_document_lets_commits_of_others_go_by);
	tcase_add_test(tcase, wait_for_a_path_ends_with_what_is_there_or_below_it);
	tcase_add_test(tcase, wait_for_with_nothing_before_ends_when_it_is_there);
	tcase_add_test(tcase, wait_for_compares_across_a_new_generation);
	tcase_add_test(tcase, wait_for_sleeps_until_it_is_the_right_commit);
	tcase_add_test(tcase, wait_for_with_a_wrong_argument_is_refused);
	tcase_add_test(tcase, damage_ends_a_wait_for_with_an_error);
	tcase_add_test(tcase, damaged_document_ends_a_wait_for_with_an_error);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
