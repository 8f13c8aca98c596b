/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* The ConfigMap source, with the kubelet's own order of steps. */
#include "source/configmap.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <check.h>

#include "base/clock.h"
#include "support/kubelet.h"
#include "support/source_host.h"

static struct source_host host;
static char top[64]; /* of the test; the volume is top/vol */

static void begin(void)
{
	strcpy(top, "/tmp/zkcfg-configmap-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(top));
	ck_assert_int_eq(chdir(top), 0);
}

static void end(void)
{
	char command[192];

	source_host_end(&host);
	ck_assert_int_eq(chdir("/"), 0);
	snprintf(command, sizeof(command), "chmod -R u+rwX %s; rm -rf %s", top, top);
	ck_assert_int_eq(system(command), 0);
}

static void follow(const char *options)
{
	char uri[256];

	snprintf(uri, sizeof(uri), "configmap://%s/vol%s", top, options);
	source_host_begin(&host, uri);
}

#define UNTIL(condition) SOURCE_HOST_UNTIL(&host, condition)
#define HAS(name, text) source_host_has(&host, name, text)

static bool is_gone(const char *name)
{
	const struct host_document *document = source_host_find(&host, name);

	return document && !document->bytes;
}

static void put(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	ck_assert_msg(file != NULL, "%s: %s", path, strerror(errno));
	ck_assert_int_ge(fputs(text, file), 0);
	ck_assert_int_eq(fclose(file), 0);
}

/* The names and texts of a version, as "a.xml", "<v>1</v>", ..., NULL. */
typedef const char *const version[];

static void swap(unsigned int number, version files)
{
	struct kubelet_file list[8];
	size_t count = 0;

	for (; *files; files += 2)
		list[count++] = (struct kubelet_file){ files[0], files[1], strlen(files[1]) };
	kubelet_swap("vol", number, list, count);
}

static const char *const first[] = { "a.xml", "<v>1</v>", "b.xml", "<b/>", ".dot", "<d/>", NULL };

static void follow_first(const char *options)
{
	ck_assert_int_eq(mkdir("vol", 0755), 0);
	swap(1, first);
	follow(options);
	UNTIL(host.settled_count == 1 && host.state == SOURCE_FOLLOWING);
}

START_TEST(keys_are_documents_and_what_is_the_kubelets_is_not)
{
	follow_first("");
	ck_assert_uint_eq(source_host_count(&host), 3);
	ck_assert(HAS("a.xml", "<v>1</v>") && HAS("b.xml", "<b/>") && HAS(".dot", "<d/>"));
	UNTIL(host.verified_count > 1);
}
END_TEST

START_TEST(version_is_told_at_once_and_settled_once)
{
	static const char *const second[] = { "a.xml", "<v>2</v>", "b.xml", "<b/>", "c.xml", "<c/>", NULL };

	follow_first("");
	swap(2, second);
	UNTIL(HAS("a.xml", "<v>2</v>"));
	source_host_run(&host, 50);
	ck_assert(HAS("c.xml", "<c/>") && is_gone(".dot"));
	ck_assert_uint_eq(host.settled_count, 2);
	ck_assert_uint_eq(source_host_find(&host, "b.xml")->told_count, 1);
	ck_assert_uint_gt(host.contacts[SOURCE_TOLD], 0);
}
END_TEST

/* Subdirectories, as items with a path or projected volumes have. */
START_TEST(items_with_paths_are_documents)
{
	ck_assert_int_eq(system("mkdir -p vol/..1/sub/deep && ln -s ..1 vol/..data"), 0);
	put("vol/..1/sub/deep/a.xml", "<a/>");
	put("vol/..1/top.xml", "<t/>");
	follow("");
	UNTIL(host.settled_count == 1);
	ck_assert(HAS("sub/deep/a.xml", "<a/>") && HAS("top.xml", "<t/>"));
	ck_assert_uint_eq(source_host_count(&host), 2);
}
END_TEST

static void ck_whole(struct source_host *settled)
{
	const struct host_document *a = source_host_find(settled, "a.xml"), *b = source_host_find(settled, "b.xml");

	ck_assert_msg(a && b && a->bytes && b->bytes && strcmp(a->bytes, b->bytes) == 0, "half of two versions: %s, %s",
		      a ? a->bytes : "", b ? b->bytes : "");
}

START_TEST(no_two_versions_are_mixed)
{
	static char text[32];
	const char *const files[] = { "a.xml", text, "b.xml", text, NULL };
	unsigned int swaps = 1000;
	int status;
	pid_t pid;

	strcpy(text, "<v>0</v>");
	ck_assert_int_eq(mkdir("vol", 0755), 0);
	swap(0, files);
	host.settled = ck_whole;
	follow("");
	UNTIL(host.settled_count == 1);
	pid = fork();
	if (pid == 0) {
		for (unsigned int i = 1; i <= swaps; i++) {
			snprintf(text, sizeof(text), "<v>%u</v>", i);
			swap(i, files);
		}
		_exit(0);
	}
	UNTIL(waitpid(pid, &status, WNOHANG) == pid);
	ck_assert_int_eq(status, 0);
	UNTIL(HAS("a.xml", "<v>1000</v>") && HAS("b.xml", "<v>1000</v>"));
	ck_assert_uint_gt(host.settled_count, 20);
}
END_TEST

START_TEST(volume_that_is_not_mounted_is_waited_for)
{
	follow("");
	UNTIL(host.state == SOURCE_CONNECTING);
	ck_assert_ptr_nonnull(strstr(host.detail, "No such file or directory; waited for"));
	ck_assert_int_eq(mkdir("vol", 0755), 0);
	UNTIL(strstr(host.detail, "there is no ..data: no mounted ConfigMap, or one that is mounted with subPath"));
	swap(1, first);
	UNTIL(HAS("a.xml", "<v>1</v>") && host.state == SOURCE_FOLLOWING && host.settled_count == 1);
}
END_TEST

START_TEST(volume_that_goes_takes_nothing_with_it)
{
	static const char *const second[] = { "a.xml", "<v>2</v>", NULL };

	follow_first("");
	ck_assert_int_eq(unlink("vol/..data"), 0);
	UNTIL(host.state == SOURCE_AWAY);
	ck_assert_ptr_nonnull(strstr(host.detail, "..data is not there"));
	ck_assert_int_eq(system("rm -r vol"), 0);
	UNTIL(strstr(host.detail, "No such file or directory"));
	source_host_run(&host, 100);
	ck_assert_uint_eq(host.removed_count, 0);
	ck_assert_int_eq(mkdir("vol", 0755), 0);
	swap(2, second);
	UNTIL(HAS("a.xml", "<v>2</v>") && is_gone("b.xml") && host.state == SOURCE_FOLLOWING);
}
END_TEST

/* The directory of a version is not watched: what is written into it shows whether all was read. */
START_TEST(nothing_but_data_has_it_read_again)
{
	static const char *const second[] = { "a.xml", "<v>3</v>", NULL };

	follow_first("");
	put("vol/..data/a.xml", "<v>2</v>");
	ck_assert_int_eq(mkdir("vol/..2026_11_23_10_00_00.made", 0755), 0);
	put("vol/beside.xml", "<no-key/>");
	put("beside", "the volume");
	ck_assert_int_eq(rmdir("vol/..2026_11_23_10_00_00.made"), 0);
	source_host_run(&host, 300);
	ck_assert(HAS("a.xml", "<v>1</v>"));
	swap(2, second);
	UNTIL(HAS("a.xml", "<v>3</v>") && is_gone("b.xml"));
}
END_TEST

/* Told of together: a new version, and that the way leads to another volume by now. */
START_TEST(volume_in_place_of_another_is_followed)
{
	static const char *const second[] = { "a.xml", "<v>2</v>", NULL };
	static const char *const third[] = { "a.xml", "<v>3</v>", NULL };

	follow_first("");
	swap(2, second);
	ck_assert_int_eq(rename("vol", "before"), 0);
	ck_assert_int_eq(mkdir("vol", 0755), 0);
	swap(3, third);
	UNTIL(HAS("a.xml", "<v>3</v>"));
	swap(4, second);
	UNTIL(HAS("a.xml", "<v>2</v>"));
}
END_TEST

START_TEST(key_that_cannot_be_read_is_trouble_and_the_rest_goes_on)
{
	static const char *const second[] = { "a.xml", "<v>2</v>", "b.xml", "<b>2</b>", NULL };

	ck_assert_int_eq(mkdir("vol", 0755), 0);
	if (geteuid() == 0)
		ck_assert_int_eq(chown(top, 65534, 65534) | chown("vol", 65534, 65534) | seteuid(65534), 0);
	swap(1, first);
	ck_assert_int_eq(chmod("vol/a.xml", 0), 0);
	follow("");
	UNTIL(strstr(source_host_trouble(&host, "a.xml"), "cannot be read: Permission denied"));
	ck_assert(HAS("b.xml", "<b/>"));
	ck_assert_uint_eq(host.settled_count, 1);
	ck_assert_int_eq(chmod("vol/a.xml", 0644), 0);
	UNTIL(HAS("a.xml", "<v>1</v>") && *source_host_trouble(&host, "a.xml") == '\0');
	swap(2, second);
	UNTIL(HAS("a.xml", "<v>2</v>"));
}
END_TEST

START_TEST(polling_finds_a_version)
{
	static const char *const second[] = { "a.xml", "<v>2</v>", "b.xml", "<b/>", ".dot", "<d/>", NULL };

	follow_first("?mode=pull&interval=100ms");
	swap(2, second);
	UNTIL(HAS("a.xml", "<v>2</v>"));
	ck_assert_uint_eq(host.contacts[SOURCE_TOLD], 0);
	ck_assert_uint_gt(host.contacts[SOURCE_ASKED], 0);
	UNTIL(host.verified_count > 1);
}
END_TEST

START_TEST(refresh_finds_what_nothing_told)
{
	int64_t asked_ns;

	follow_first("?audit=0");
	host.repairs = true;
	put("vol/a.xml", "<v>2</v>");
	source_host_run(&host, 50);
	ck_assert(HAS("a.xml", "<v>1</v>"));
	asked_ns = clock_boottime_ns();
	host.source->ops->refresh(host.source);
	UNTIL(host.verified_boottime_ns >= asked_ns);
	ck_assert(HAS("a.xml", "<v>2</v>"));
	ck_assert_uint_gt(host.contacts[SOURCE_ASKED], 0);
}
END_TEST

/* Nobody writes below a version, so nobody is listened to there. */
START_TEST(audit_finds_what_nothing_told)
{
	follow_first("?audit=1s");
	host.repairs = true;
	put("vol/a.xml", "<v>2</v>");
	UNTIL(HAS("a.xml", "<v>2</v>"));
	ck_assert_uint_eq(host.repaired_count, 1);
	ck_assert_int_eq(unlink("vol/..data/b.xml"), 0);
	UNTIL(is_gone("b.xml"));
	ck_assert_uint_eq(host.repaired_count, 2);
}
END_TEST

static const struct {
	const char *uri, *expected;
} wrongs[] = {
	{ "configmap://host/a", "host stands where a host would; expected three slashes" },
	{ "configmap:///a?settle=1s", "the option settle is not known; expected mode, interval, audit" },
	{ "configmap:///a?mode=x", "mode is \"x\"; expected push or pull" },
	{ "configmap:///a?interval=5s", "interval is given without mode=pull" },
};

START_TEST(wrong_uri_is_refused_with_what_was_expected)
{
	static const struct source_events none = { 0 };
	struct message message = { "" };
	struct source *source = NULL;

	ck_assert_int_eq(configmap_source.open(wrongs[_i].uri, &none, NULL, &source, &message), -EINVAL);
	ck_assert_msg(strstr(message.text, wrongs[_i].expected), "%s: %s", wrongs[_i].uri, message.text);
}
END_TEST

START_TEST(writing_is_kubernetes_business)
{
	struct source_change change = { "x", 1, -1, 1000 };
	struct message message = { "" };
	int64_t number;

	ck_assert_int_eq(configmap_source.put("configmap:///a/b", &change, &number, &message), SOURCE_INVALID);
	ck_assert_ptr_nonnull(strstr(message.text, "written by Kubernetes alone"));
	ck_assert_int_eq(configmap_source.remove("configmap:///a/b", &change, &message), SOURCE_INVALID);
}
END_TEST

static Suite *configmap_suite(void)
{
	Suite *suite = suite_create("configmap");
	TCase *tcase = tcase_create("configmap"), *uris = tcase_create("uris");

	tcase_add_checked_fixture(tcase, begin, end);
	tcase_add_test(tcase, keys_are_documents_and_what_is_the_kubelets_is_not);
	tcase_add_test(tcase, version_is_told_at_once_and_settled_once);
	tcase_add_test(tcase, items_with_paths_are_documents);
	tcase_add_test(tcase, no_two_versions_are_mixed);
	tcase_add_test(tcase, volume_that_is_not_mounted_is_waited_for);
	tcase_add_test(tcase, volume_that_goes_takes_nothing_with_it);
	tcase_add_test(tcase, nothing_but_data_has_it_read_again);
	tcase_add_test(tcase, volume_in_place_of_another_is_followed);
	tcase_add_test(tcase, key_that_cannot_be_read_is_trouble_and_the_rest_goes_on);
	tcase_add_test(tcase, polling_finds_a_version);
	tcase_add_test(tcase, refresh_finds_what_nothing_told);
	tcase_add_test(tcase, audit_finds_what_nothing_told);
	suite_add_tcase(suite, tcase);
	tcase_add_loop_test(uris, wrong_uri_is_refused_with_what_was_expected, 0,
			    sizeof(wrongs) / sizeof(*wrongs));
	tcase_add_test(uris, writing_is_kubernetes_business);
	suite_add_tcase(suite, uris);
	return suite;
}

int main(void)
{
	SRunner *runner = srunner_create(configmap_suite());
	int failed;

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
