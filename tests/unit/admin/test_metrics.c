/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/metrics.h"

static const char *text_of(struct metrics *metrics)
{
	buffer_append(&metrics->text, "", 1);
	ck_assert(!buffer_failed(&metrics->text));
	metrics->text.size_bytes--;
	return metrics->text.bytes;
}

/* What promtool says to it: 0 if all is well. */
static int check_by_promtool(const char *text)
{
	FILE *promtool = popen("promtool check metrics", "w");

	ck_assert_ptr_nonnull(promtool);
	fputs(text, promtool);
	return pclose(promtool);
}

START_TEST(samples_are_written_with_help_type_and_labels)
{
	struct metrics metrics = { 0 };

	metrics_family(&metrics, "a_total", METRICS_COUNTER, "Back\\slash and\nline.");
	metrics_sample(&metrics, 3, NULL);
	metrics_sample(&metrics, 0.1, "set", "app", "odd", "q\"b\\n\n", NULL);
	metrics_family(&metrics, "b", METRICS_GAUGE, "B.");
	metrics_sample(&metrics, NAN, NULL);
	metrics_sample(&metrics, -INFINITY, "x", "y", NULL);
	metrics_sample(&metrics, 9007199254740991.0, "x", "", NULL);
	ck_assert_str_eq(text_of(&metrics), "# HELP a_total Back\\\\slash and\\nline.\n"
					    "# TYPE a_total counter\n"
					    "a_total 3\n"
					    "a_total{set=\"app\",odd=\"q\\\"b\\\\n\\n\"} 0.1\n"
					    "# HELP b B.\n"
					    "# TYPE b gauge\n"
					    "b NaN\n"
					    "b{x=\"y\"} -Inf\n"
					    "b{x=\"\"} 9007199254740991\n");
	metrics_free(&metrics);
}
END_TEST

START_TEST(histogram_counts_up_to_each_bound)
{
	static const double bounds[] = { 0.5, 1 };
	struct metrics_histogram histogram;
	struct metrics metrics = { 0 };

	metrics_histogram_init(&histogram, bounds, 2);
	metrics_observe(&histogram, 0.25);
	metrics_observe(&histogram, 0.5);
	metrics_observe(&histogram, 0.75);
	metrics_observe(&histogram, 7);
	metrics_family(&metrics, "h", METRICS_HISTOGRAM, "H.");
	metrics_samples(&metrics, &histogram, "set", "a", NULL);
	metrics_samples(&metrics, &histogram, NULL);
	ck_assert_str_eq(text_of(&metrics), "# HELP h H.\n"
					    "# TYPE h histogram\n"
					    "h_bucket{set=\"a\",le=\"0.5\"} 2\n"
					    "h_bucket{set=\"a\",le=\"1\"} 3\n"
					    "h_bucket{set=\"a\",le=\"+Inf\"} 4\n"
					    "h_sum{set=\"a\"} 8.5\n"
					    "h_count{set=\"a\"} 4\n"
					    "h_bucket{le=\"0.5\"} 2\n"
					    "h_bucket{le=\"1\"} 3\n"
					    "h_bucket{le=\"+Inf\"} 4\n"
					    "h_sum 8.5\n"
					    "h_count 4\n");
	metrics_free(&metrics);
}
END_TEST

START_TEST(promtool_has_nothing_to_say)
{
	struct metrics_histogram histogram;
	struct metrics metrics = { 0 };

	metrics_histogram_init(&histogram, metrics_seconds, METRICS_SECONDS_COUNT);
	for (double seconds = 0.0003; seconds < 100; seconds *= 1.7)
		metrics_observe(&histogram, seconds);
	metrics_family(&metrics, "zkcfg_propagation_seconds", METRICS_HISTOGRAM,
		       "Propagation, with \\ and\nmore.");
	metrics_samples(&metrics, &histogram, "set", "a \"b\" \\ \n c", NULL);
	metrics_samples(&metrics, &histogram, "set", "b", NULL);
	metrics_family(&metrics, "zkcfg_commits_total", METRICS_COUNTER, "Commits.");
	metrics_sample(&metrics, 1e18, "set", "\xc3\xa4", NULL);
	metrics_family(&metrics, "zkcfg_seq", METRICS_GAUGE, "Seq.");
	metrics_sample(&metrics, INFINITY, NULL);
	ck_assert_int_eq(check_by_promtool(text_of(&metrics)), 0);
	metrics_free(&metrics);
}
END_TEST

START_TEST(promtool_would_say_it)
{
	ck_assert_int_ne(check_by_promtool("# TYPE a_total counter\na_total{x=\"\n\"} 1\n"), 0);
	ck_assert_int_ne(check_by_promtool("# HELP a A.\n# TYPE a counter\na 1\n"), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("metrics");
	TCase *tcase = tcase_create("metrics");
	SRunner *runner;
	int failed;

	tcase_add_test(tcase, samples_are_written_with_help_type_and_labels);
	tcase_add_test(tcase, histogram_counts_up_to_each_bound);
	tcase_add_test(tcase, promtool_has_nothing_to_say);
	tcase_add_test(tcase, promtool_would_say_it);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
