/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include <check.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"

static const struct {
	int64_t realtime_ns;
	const char *text;
} formats[] = {
	{ 0, "1970-01-01T00:00:00.000Z" },
	{ 1, "1970-01-01T00:00:00.000Z" },
	{ 999999, "1970-01-01T00:00:00.000Z" },
	{ 1000000, "1970-01-01T00:00:00.001Z" },
	{ INT64_C(951827696789000000), "2000-02-29T12:34:56.789Z" },
	{ INT64_C(4102444799999999999), "2099-12-31T23:59:59.999Z" },
	{ -1, "1969-12-31T23:59:59.999Z" },
	{ INT64_C(-1500000000), "1969-12-31T23:59:58.500Z" },
	{ INT64_C(-1000000000), "1969-12-31T23:59:59.000Z" },
	{ INT64_MAX, "2262-04-11T23:47:16.854Z" },
	{ INT64_MIN + CLOCK_NS_PER_S, "1677-09-21T00:12:44.145Z" },
};

START_TEST(time_is_written_in_utc_to_the_millisecond)
{
	char text[CLOCK_TEXT_BYTES];

	setenv("TZ", "Asia/Kolkata", 1);
	tzset();
	ck_assert_ptr_eq(clock_format(formats[_i].realtime_ns, text), text);
	ck_assert_str_eq(text, formats[_i].text);
}
END_TEST

/* Each of our clocks lies between two readings of the one it should be. */
static void clock_is(int64_t (*read_ns)(void), clockid_t id)
{
	struct timespec before, after;
	int64_t now_ns;

	clock_gettime(id, &before);
	now_ns = read_ns();
	clock_gettime(id, &after);
	ck_assert_int_ge(now_ns, before.tv_sec * CLOCK_NS_PER_S + before.tv_nsec);
	ck_assert_int_le(now_ns, after.tv_sec * CLOCK_NS_PER_S + after.tv_nsec);
}

START_TEST(each_clock_is_the_kernels)
{
	clock_is(clock_realtime_ns, CLOCK_REALTIME);
	clock_is(clock_boottime_ns, CLOCK_BOOTTIME);
	clock_is(clock_monotonic_ns, CLOCK_MONOTONIC);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("clock");
	TCase *tcase = tcase_create("clock");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(tcase, time_is_written_in_utc_to_the_millisecond, 0,
			    sizeof(formats) / sizeof(formats[0]));
	tcase_add_test(tcase, each_clock_is_the_kernels);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
