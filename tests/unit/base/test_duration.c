/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include <check.h>
#include <errno.h>
#include <stdlib.h>

#include "base/duration.h"

static const struct {
	const char *text, *unit;
	int64_t ms;
} durations[] = {
	{ "500ms", NULL, 500 },
	{ "30s", NULL, 30000 },
	{ "5m", NULL, 300000 },
	{ "2h", NULL, 7200000 },
	{ "1.5s", NULL, 1500 },
	{ ".5h", NULL, 1800000 },
	{ "5.h", NULL, 18000000 },
	{ "0.0004s", NULL, 0 },
	{ "0.0005s", NULL, 1 },
	{ "0.99999999999999999999999h", NULL, 3600000 },
	{ "0", NULL, 0 },
	{ "0.0", NULL, 0 },
	{ "0s", NULL, 0 },
	{ "7", "s", 7000 },
	{ "7", "ms", 7 },
	{ "7m", "s", 420000 },
	{ "0007s", NULL, 7000 },
	{ "1000000000000ms", NULL, DURATION_MOST_MS },
	{ "1000000000", "s", DURATION_MOST_MS },
};

START_TEST(duration_is_read_as_said)
{
	int64_t ms = -1;

	ck_assert_int_eq(duration_parse(durations[_i].text, durations[_i].unit, &ms), 0);
	ck_assert_int_eq(ms, durations[_i].ms);
}
END_TEST

static const struct {
	const char *text, *unit;
	int err;
} wrongs[] = {
	{ "", NULL, -EINVAL },
	{ "", "s", -EINVAL },
	{ "s", NULL, -EINVAL },
	{ ".", "s", -EINVAL },
	{ ".s", NULL, -EINVAL },
	{ "7", NULL, -EINVAL },
	{ "0.1", NULL, -EINVAL },
	{ "-1s", NULL, -EINVAL },
	{ "+1s", NULL, -EINVAL },
	{ " 1s", NULL, -EINVAL },
	{ "1 s", NULL, -EINVAL },
	{ "1s ", NULL, -EINVAL },
	{ "1d", NULL, -EINVAL },
	{ "1S", NULL, -EINVAL },
	{ "1e3s", NULL, -EINVAL },
	{ "0x10s", NULL, -EINVAL },
	{ "1.2.3s", NULL, -EINVAL },
	{ "1,5s", NULL, -EINVAL },
	{ "inf", "s", -EINVAL },
	{ "1000000000000.5ms", NULL, -ERANGE },
	{ "1000000000001ms", NULL, -ERANGE },
	{ "1000000001", "s", -ERANGE },
	{ "9223372036854775808ms", NULL, -ERANGE },
	{ "99999999999999999999999999999h", NULL, -ERANGE },
};

START_TEST(what_is_no_duration_is_refused)
{
	int64_t ms = 4711;

	ck_assert_int_eq(duration_parse(wrongs[_i].text, wrongs[_i].unit, &ms), wrongs[_i].err);
	ck_assert_int_eq(ms, 4711);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("duration");
	TCase *tcase = tcase_create("duration");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(tcase, duration_is_read_as_said, 0, sizeof(durations) / sizeof(*durations));
	tcase_add_loop_test(tcase, what_is_no_duration_is_refused, 0, sizeof(wrongs) / sizeof(*wrongs));
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
