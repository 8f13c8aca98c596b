/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sets from several places: zkcfgd with a base and what a host has over it, two
 * subtrees of a real ZooKeeper; and a fallback for a first source that is not
 * there.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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
#define SET_ELEMENTS(format)                                                                \
	snprintf(elements, sizeof(elements), format, zk_server_hosts(host.server), \
		 zk_server_hosts(host.server))

/* "VALUE", or "none". */
static bool serves(const char *document, const char *path, const char *expected)
{
	struct zkcfg_snapshot *snapshot = NULL;
	const char *value = "none";
	struct zkcfg *cfg;
	bool is_so;

	if (zkcfg_open("app", host.shm_dir, &cfg) < 0)
		return false;
	if (zkcfg_pin(cfg, &snapshot) < 0 || zkcfg_get_string(snapshot, document, path, &value) < 0)
		value = "none";
	is_so = snapshot && strcmp(value, expected) == 0;
	zkcfg_unpin(snapshot);
	zkcfg_close(cfg);
	return is_so;
}

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

	snprintf(command, sizeof(command), "%.200s/zkcfg --shm-dir %s %.200s", build ? build : ".", host.shm_dir,
		 arguments);
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
	DAEMON_UNTIL(&host, serves("a.xml", "/a", "host") && serves("b.xml", "/b", "base"));
	ck_assert_uint_eq(daemon_host_seq(&host), 1); /* the base alone was never shown */
	assert_says("status app", "  layer      zk://");
	assert_says("status app", "/app/host: following\n");
	assert_says("status app --json", "\"kind\": \"layer\"");

	daemon_host_put(&host, "host/b.xml", "<b>host</b>");
	DAEMON_UNTIL(&host, serves("b.xml", "/b", "host"));
	before = revision = revision_of("b.xml");
	daemon_host_put(&host, "base/b.xml", "<b>base 2</b>"); /* below what counts */
	daemon_host_put(&host, "host/b.xml", ""); /* as if it were not there */
	DAEMON_UNTIL(&host, serves("b.xml", "/b", "base 2"));
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
	DAEMON_UNTIL(&host, serves("a.xml", "/a", "base"));
	ck_assert_uint_gt(revision_of("a.xml"), revision);
}
END_TEST

START_TEST(a_fallback_serves_while_the_first_source_is_not_there)
{
	SET_ELEMENTS("<source uri=\"zk://127.0.0.1:1/app/base\"/>"
		     "<source uri=\"zk://%s/app/base\" fallback=\"yes\"/><source uri=\"zk://%s/app/host\"/>");
	daemon_host_put(&host, "host/b.xml", "<b>host</b>");
	daemon_host_run(&host);
	DAEMON_UNTIL(&host, serves("a.xml", "/a", "base") && serves("b.xml", "/b", "host"));
	ck_assert(!daemon_host_follows(&host));
	assert_says("status app", "  fallback   zk://");
	assert_says("status app", "/app/base: in force\n");
	assert_says("status app", "zk://127.0.0.1:1/app/base: connecting");
	daemon_host_put(&host, "base/a.xml", "<a>newer</a>"); /* it is followed */
	DAEMON_UNTIL(&host, serves("a.xml", "/a", "newer"));
	daemon_host_stop(&host);

	/* last-good comes first */
	segment_host_remove(host.shm_dir);
	daemon_host_run(&host);
	DAEMON_UNTIL(&host, serves("a.xml", "/a", "newer"));
	assert_says("status app", "/app/base: not needed\n");
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
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
