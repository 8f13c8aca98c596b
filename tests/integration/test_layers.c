/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sets from several places: zkcfgd with a base and what a host has over it, two
 * subtrees of a real ZooKeeper; a directory merged over a subtree; and a fallback
 * for a first source that is not there.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <zkcfg/zkcfg.h>

#include "support/daemon_host.h"
#include "support/segment_host.h"

static struct daemon_host host;
static char elements[1024];

static void begin(void)
{
	daemon_host_begin(&host);
	daemon_host_put(&host, "base", "");
	daemon_host_put(&host, "host", "");
	daemon_host_put(&host, "base/a.xml", "<a>base</a>");
	daemon_host_put(&host, "base/b.xml", "<b>base</b>");
	host.uri[0] = '\0';
	host.attributes = "on-delete=\"remove\"";
	host.elements = elements;
}

static void end(void)
{
	daemon_host_end(&host);
}

/* The set's elements, with the server's address twice. */
#define SET_ELEMENTS(format)                                                       \
	snprintf(elements, sizeof(elements), format, zk_server_hosts(host.server), \
		 zk_server_hosts(host.server))

static uint64_t revision_of(const char *document)
{
	const struct zkcfg_document *found;
	struct zkcfg_snapshot *snapshot;
	uint64_t revision = 0;
	struct zkcfg *cfg;

	ck_assert_int_eq(zkcfg_open("app", host.shm_dir, &cfg), 0);
	ck_assert_int_eq(zkcfg_pin(cfg, &snapshot), 0);
	if (zkcfg_find(snapshot, document, &found) == 0)
		revision = zkcfg_document_revision(found);
	zkcfg_unpin(snapshot);
	zkcfg_close(cfg);
	return revision;
}

/* What a command says, of standard output; static. */
static const char *said(const char *arguments)
{
	static char text[8192];
	const char *build = getenv("ZKCFG_BUILD");
	char command[512];
	size_t got;
	FILE *pipe;

	snprintf(command, sizeof(command), "%.200s/zkcfg --shm-dir %s %.200s", build ? build : ".",
		 host.shm_dir, arguments);
	pipe = popen(command, "r");
	ck_assert_ptr_nonnull(pipe);
	got = fread(text, 1, sizeof(text) - 1, pipe);
	text[got] = '\0';
	pclose(pipe);
	return text;
}

static void assert_says(const char *arguments, const char *part)
{
	const char *text = said(arguments);

	ck_assert_msg(strstr(text, part) != NULL, "\"%s\" is not in:\n%s", part, text);
}

START_TEST(a_host_has_its_own_over_the_base)
{
	uint64_t revision, before;

	SET_ELEMENTS("<source uri=\"zk://%s/app/base\"/><source uri=\"zk://%s/app/host\"/>");
	daemon_host_put(&host, "host/a.xml", "<a>host</a>");
	daemon_host_start(&host);
	DAEMON_UNTIL(&host, daemon_host_serves(&host, "a.xml", "/a", "host") &&
				    daemon_host_serves(&host, "b.xml", "/b", "base"));
	ck_assert_uint_eq(daemon_host_seq(&host), 1); /* the base alone was never shown */
	assert_says("status app", "  layer      zk://");
	assert_says("status app", "/app/host: following\n");
	assert_says("status app --json", "\"kind\": \"layer\"");

	daemon_host_put(&host, "host/b.xml", "<b>host</b>");
	DAEMON_UNTIL(&host, daemon_host_serves(&host, "b.xml", "/b", "host"));
	before = revision = revision_of("b.xml");
	daemon_host_put(&host, "base/b.xml", "<b>base 2</b>"); /* below what counts */
	daemon_host_put(&host, "host/b.xml", "");	       /* as if it were not there */
	DAEMON_UNTIL(&host, daemon_host_serves(&host, "b.xml", "/b", "base 2"));
	revision = revision_of("b.xml");
	ck_assert_uint_gt(revision, before);

	/* the same after a restart: the same revisions, and no commit */
	before = daemon_host_seq(&host);
	daemon_host_kill(&host);
	daemon_host_start(&host);
	ck_assert_uint_eq(daemon_host_seq(&host), before);
	ck_assert_uint_eq(revision_of("b.xml"), revision);
}
END_TEST

START_TEST(a_layer_that_goes_while_nobody_runs_gives_way)
{
	uint64_t revision;

	SET_ELEMENTS("<source uri=\"zk://%s/app/base\"/><source uri=\"zk://%s/app/host\"/>");
	daemon_host_put(&host, "host/a.xml", "<a>host</a>");
	daemon_host_start(&host);
	revision = revision_of("a.xml");
	daemon_host_stop(&host);
	daemon_host_put(&host, "host/a.xml", "");
	segment_host_remove(host.shm_dir); /* a reboot */
	daemon_host_start(&host);
	DAEMON_UNTIL(&host, daemon_host_serves(&host, "a.xml", "/a", "base"));
	ck_assert_uint_gt(revision_of("a.xml"), revision);
}
END_TEST

START_TEST(a_fallback_serves_while_the_first_source_is_not_there)
{
	SET_ELEMENTS("<source uri=\"zk://127.0.0.1:1/app/base\"/>"
		     "<source uri=\"zk://%s/app/base\" fallback=\"yes\"/><source uri=\"zk://%s/app/host\"/>");
	daemon_host_put(&host, "host/b.xml", "<b>host</b>");
	daemon_host_run(&host);
	DAEMON_UNTIL(&host, daemon_host_serves(&host, "a.xml", "/a", "base") &&
				    daemon_host_serves(&host, "b.xml", "/b", "host"));
	ck_assert(!daemon_host_follows(&host));
	assert_says("status app", "  fallback   zk://");
	assert_says("status app", "/app/base: in force\n");
	assert_says("status app", "zk://127.0.0.1:1/app/base: connecting");
	daemon_host_put(&host, "base/a.xml", "<a>newer</a>"); /* it is followed */
	DAEMON_UNTIL(&host, daemon_host_serves(&host, "a.xml", "/a", "newer"));
	daemon_host_stop(&host);

	/* last-good comes first */
	segment_host_remove(host.shm_dir);
	daemon_host_run(&host);
	DAEMON_UNTIL(&host, daemon_host_serves(&host, "a.xml", "/a", "newer"));
	DAEMON_UNTIL(&host, strstr(said("status app"), "/app/base: not needed\n") != NULL);
}
END_TEST

/* A file of the directory that is a layer, in one step. */
static void put_file(const char *text)
{
	char path[128], aside[128];
	FILE *file;

	snprintf(aside, sizeof(aside), "%s/layer.new", host.directory);
	snprintf(path, sizeof(path), "%s/layer/a.xml", host.directory);
	file = fopen(aside, "w");
	ck_assert_ptr_nonnull(file);
	fputs(text, file);
	ck_assert_int_eq(fclose(file), 0);
	ck_assert_int_eq(rename(aside, path), 0);
}

START_TEST(zookeeper_and_a_directory_are_merged)
{
	char directory[128], expected[512];
	uint64_t seq;

	snprintf(directory, sizeof(directory), "%s/layer", host.directory);
	ck_assert_int_eq(mkdir(directory, 0755), 0);
	put_file("<a><p name='x'><max>2</max></p></a>");
	daemon_host_put(&host, "base/a.xml", "<a><p name='x'><max>1</max><min>1</min></p><q>1</q></a>");
	host.attributes = "merge=\"paths\" on-delete=\"remove\"";
	snprintf(elements, sizeof(elements), "<source uri=\"zk://%s/app/base\"/><source uri=\"file://%s\"/>",
		 zk_server_hosts(host.server), directory);
	daemon_host_start(&host);
	DAEMON_UNTIL(&host, daemon_host_serves(&host, "a.xml", "/a/p[@name='x']/max", "2"));
	ck_assert(daemon_host_serves(&host, "a.xml", "/a/p/min", "1"));
	ck_assert(daemon_host_serves(&host, "b.xml", "/b", "base"));
	ck_assert_uint_eq(daemon_host_seq(&host), 1);
	snprintf(expected, sizeof(expected), "2\nfrom       file://%s, revision ", directory);
	assert_says("get app a.xml \"/a/p[@name='x']/max\" --origin", expected);
	snprintf(expected, sizeof(expected), "overrides  zk://%s/app/base, revision ",
		 zk_server_hosts(host.server));
	assert_says("get app a.xml \"/a/p[@name='x']/max\" --origin", expected);
	snprintf(expected, sizeof(expected), "1\nfrom       zk://%s/app/base, revision ",
		 zk_server_hosts(host.server));
	assert_says("get app a.xml /a/q --origin", expected);
	assert_says("get app b.xml /b --origin", "base\nfrom       zk://");

	/* each of the two changes what it has */
	daemon_host_put(&host, "base/a.xml", "<a><p name='x'><max>7</max><min>3</min></p><q>1</q></a>");
	DAEMON_UNTIL(&host, daemon_host_serves(&host, "a.xml", "/a/p/min", "3"));
	ck_assert(daemon_host_serves(&host, "a.xml", "/a/p/max", "2"));
	put_file("<a><q>9</q></a>");
	DAEMON_UNTIL(&host, daemon_host_serves(&host, "a.xml", "/a/q", "9"));
	ck_assert(daemon_host_serves(&host, "a.xml", "/a/p/max", "7"));

	/* the same after a restart, without a commit; and after a reboot */
	seq = daemon_host_seq(&host);
	daemon_host_stop(&host);
	daemon_host_start(&host);
	ck_assert_uint_eq(daemon_host_seq(&host), seq);
	daemon_host_stop(&host);
	segment_host_remove(host.shm_dir);
	daemon_host_start(&host);
	ck_assert(daemon_host_serves(&host, "a.xml", "/a/q", "9"));
	assert_says("get app a.xml /a/q --origin", "9\nfrom       file://");
	assert_says("get app a.xml /a/q --origin", "overrides  zk://");
	ck_assert_uint_eq(daemon_host_seq(&host), seq);

	/* one that does not go with the other changes nothing */
	put_file("<z/>");
	DAEMON_UNTIL(&host, daemon_host_candidate_count(&host) == 1);
	assert_says("status app", "layer:1:1: the root element is \"z\"");
	ck_assert(daemon_host_serves(&host, "a.xml", "/a/q", "9"));
	put_file("<a><q>10</q></a>");
	DAEMON_UNTIL(&host, daemon_host_serves(&host, "a.xml", "/a/q", "10") &&
				    daemon_host_candidate_count(&host) == 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("layers");
	TCase *tcase = tcase_create("layers");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, begin, end);
	tcase_add_test(tcase, a_host_has_its_own_over_the_base);
	tcase_add_test(tcase, a_layer_that_goes_while_nobody_runs_gives_way);
	tcase_add_test(tcase, a_fallback_serves_while_the_first_source_is_not_there);
	tcase_add_test(tcase, zookeeper_and_a_directory_are_merged);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
