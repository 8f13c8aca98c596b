/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every input that is kept below seeds/ through its harness, without libFuzzer:
 * what once was found stays found. A crash is kept by putting its file there.
 */
#include <check.h>
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "fuzz/edit.h"
#include "fuzz/fuzz.h"
#include "segment/layout.h"
#include "support/segment_host.h"

/* Longer than this an input may not take, on any machine. */
#define SECONDS 20

static const struct {
	const char *name;
	unsigned (*run)(const uint8_t *data, size_t size);
	unsigned least; /* how many inputs there are; fewer: they are not found */
} harnesses[] = {
	{ "document", fuzz_document, 10 },
	{ "segment", fuzz_segment, 50 },
	{ "generation", fuzz_generation, 4 },
	{ "xml", fuzz_xml, 8 },
	{ "etcd", fuzz_etcd, 12 },
	{ "apollo", fuzz_apollo, 10 },
	{ "admin", fuzz_admin, 20 },
};

static const char *seeds(const char *harness)
{
	static char path[4096];
	const char *srcdir = getenv("srcdir");

	snprintf(path, sizeof(path), "%s/tests/fuzz/seeds/%s", srcdir ? srcdir : ".", harness);
	return path;
}

/* In a process of its own, so that the next one is tried in any case; false: it failed. */
static bool try_input(unsigned (*run)(const uint8_t *data, size_t size), const uint8_t *bytes, size_t size,
		      const char *label)
{
	pid_t pid = fork();
	int how;

	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		alarm(SECONDS);
		run(bytes, size);
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &how, 0), pid);
	if (WIFEXITED(how) && WEXITSTATUS(how) == 0)
		return true;
	printf("%s: %s %d\n", label, WIFSIGNALED(how) ? "signal" : "exit status",
	       WIFSIGNALED(how) ? WTERMSIG(how) : WEXITSTATUS(how));
	fflush(stdout);
	return false;
}

static bool try_file(unsigned (*run)(const uint8_t *data, size_t size), const char *path)
{
	size_t size;
	uint8_t *bytes = segment_host_read(path, &size);
	bool is_right = try_input(run, bytes, size, path);

	free(bytes);
	return is_right;
}

START_TEST(kept_inputs_give_an_error_or_a_value)
{
	const char *directory = seeds(harnesses[_i].name);
	DIR *entries = opendir(directory);
	unsigned count = 0, failed = 0;
	struct dirent *entry;
	char path[4400];

	ck_assert_msg(entries != NULL, "%s cannot be read", directory);
	log_start(LOG_LEVEL_ERROR);
	harnesses[_i].run((const uint8_t *)"", 0); /* what is made once is made here, not in each process */
	while ((entry = readdir(entries))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", directory, entry->d_name);
		failed += !try_file(harnesses[_i].run, path);
		count++;
	}
	closedir(entries);
	ck_assert_uint_ge(count, harnesses[_i].least);
	ck_assert_msg(failed == 0, "%u of %u inputs failed", failed, count);
}
END_TEST

/* What was made of another layout is not sound any more, and tries nothing. */
START_TEST(kept_inputs_are_of_this_layout)
{
	size_t size;
	char path[4400];
	uint8_t *bytes;

	for (int i = 0; i < 3; i++) {
		const char *harness = harnesses[i].name;

		log_start(LOG_LEVEL_ERROR);
		snprintf(path, sizeof(path), "%s/%s", seeds(harness),
			 i == 0	  ? "app"
			 : i == 1 ? "nothing"
				  : "many");
		bytes = segment_host_read(path, &size);
		ck_assert_msg((harnesses[i].run(bytes, size) & FUZZ_SOUND) != 0,
			      "%s is not of this layout: run make fuzz-seeds", path);
		free(bytes);
	}
}
END_TEST

static unsigned run_segment(const uint8_t *edits, size_t size)
{
	log_start(LOG_LEVEL_ERROR);
	return fuzz_segment(edits, size);
}

#define RUN(...) run_segment((const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }))

START_TEST(harness_without_edits_reads_and_takes_over)
{
	ck_assert_uint_eq(RUN(0), FUZZ_READ | FUZZ_SOUND);
	ck_assert_uint_eq(RUN(FUZZ_SEAL), FUZZ_READ | FUZZ_SOUND);
}
END_TEST

/* That it is the interface which refuses, and not the harness that never gets there. */
START_TEST(harness_speaks_to_the_interface)
{
	static const char request[] = "\x02GET /v1/sets/app HTTP/1.1\r\nHost: h\r\n\r\n";
	static const char call[] = "\x01{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"reload\"}";

	ck_assert_uint_eq(fuzz_admin((const uint8_t *)request, sizeof(request) - 1), FUZZ_READ | FUZZ_SOUND);
	ck_assert_uint_eq(fuzz_admin((const uint8_t *)call, sizeof(call) - 1), FUZZ_READ | FUZZ_SOUND);
	ck_assert_uint_eq(fuzz_admin((const uint8_t *)call, sizeof(call) - 2), FUZZ_READ);
	ck_assert_uint_eq(fuzz_admin((const uint8_t *)request, sizeof(request) - 3), FUZZ_REFUSED);
}
END_TEST

START_TEST(harness_gets_behind_the_checksums)
{
	const uint8_t time_ns = offsetof(struct layout_root, time_ns);
	const uint8_t document_count = offsetof(struct layout_root, document_count);

	ck_assert_uint_eq(RUN(0, EDIT_WRITE, 0, ANCHOR_ROOT, time_ns, 0, 1), FUZZ_SET_ASIDE);
	ck_assert_uint_eq(RUN(FUZZ_SEAL, EDIT_WRITE, 0, ANCHOR_ROOT, time_ns, 0, 1), FUZZ_READ | FUZZ_SOUND);
	/* one document more than there are: readers do not count them, the next daemon does */
	ck_assert_uint_eq(RUN(FUZZ_SEAL, EDIT_ADD, ANCHOR_ROOT, document_count, 0, 1),
			  FUZZ_READ | FUZZ_SET_ASIDE);
}
END_TEST

START_TEST(harness_commits_documents_that_are_damaged)
{
	const uint8_t magic = offsetof(struct zkcfg_document, magic);
	const uint8_t sources = offsetof(struct zkcfg_document, sources_bytes);

	/* the one is looked at before publishing, the other is not */
	ck_assert_uint_eq(RUN(0, EDIT_DOCUMENT, magic, 0, 0, 0), FUZZ_READ | FUZZ_SOUND);
	ck_assert_uint_eq(RUN(0, EDIT_DOCUMENT, sources, 0, 0, 1), FUZZ_READ | FUZZ_SOUND | FUZZ_COMMITTED);
}
END_TEST

/* Wherever a file ends: in the midst of something, or of what the next commit makes of it. */
START_TEST(generation_of_any_size_gives_an_error_or_a_value)
{
	uint8_t edits[] = { 0, EDIT_GENERATION_SIZE, 0, 0, 0 };
	unsigned failed = 0;
	char label[32];

	run_segment(edits, 1);
	for (unsigned size = 0; size < 20480; size += 32) {
		edits[2] = (uint8_t)size;
		edits[3] = (uint8_t)(size >> 8);
		snprintf(label, sizeof(label), "size %u", size);
		failed += !try_input(fuzz_segment, edits, sizeof(edits), label);
	}
	ck_assert_uint_eq(failed, 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("seeds");
	TCase *tcase = tcase_create("seeds");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tcase, 120);
	tcase_add_loop_test(tcase, kept_inputs_give_an_error_or_a_value, 0,
			    sizeof(harnesses) / sizeof(harnesses[0]));
	tcase_add_test(tcase, kept_inputs_are_of_this_layout);
	tcase_add_test(tcase, generation_of_any_size_gives_an_error_or_a_value);
	tcase_add_test(tcase, harness_without_edits_reads_and_takes_over);
	tcase_add_test(tcase, harness_speaks_to_the_interface);
	tcase_add_test(tcase, harness_gets_behind_the_checksums);
	tcase_add_test(tcase, harness_commits_documents_that_are_damaged);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
