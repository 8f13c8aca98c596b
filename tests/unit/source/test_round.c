/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include <check.h>
#include <stdlib.h>

#include "source/round.h"

static struct round round_;

static void begin(void)
{
	round_ = (struct round){ .is_pull = true };
}

START_TEST(what_did_not_move_is_settled)
{
	ck_assert(!round_lets_settle(&round_, 5)); /* nobody has looked yet */
	round_begin(&round_, 3, 5, 1000);
	ck_assert_uint_eq(round_.left, 3);
	ck_assert(!round_end(&round_, 5));
	ck_assert(round_.is_clean);
	ck_assert_int_eq(round_.since_boottime_ns, 1000);
	ck_assert(round_lets_settle(&round_, 5));
	ck_assert(!round_lets_settle(&round_, 6));
}
END_TEST

START_TEST(what_moves_all_the_time_is_never_settled_and_not_looked_at_all_the_time)
{
	for (uint64_t changes = 1; changes <= 3 * ROUND_MOVED_MOST; changes++) {
		round_begin(&round_, 3, changes - 1, 1000);
		ck_assert_int_eq(round_end(&round_, changes), changes % ROUND_MOVED_MOST != 0);
		ck_assert(!round_lets_settle(&round_, changes));
	}
}
END_TEST

START_TEST(a_round_that_could_not_look_at_all_is_made_again)
{
	round_begin(&round_, 3, 5, 1000);
	round_.is_failed = true;
	ck_assert(round_end(&round_, 5));
	ck_assert(!round_lets_settle(&round_, 5));
}
END_TEST

START_TEST(who_is_told_needs_no_rounds)
{
	round_.is_pull = false;
	ck_assert(round_lets_settle(&round_, 5));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("round");
	TCase *tcase = tcase_create("round");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, begin, NULL);
	tcase_add_test(tcase, what_did_not_move_is_settled);
	tcase_add_test(tcase, what_moves_all_the_time_is_never_settled_and_not_looked_at_all_the_time);
	tcase_add_test(tcase, a_round_that_could_not_look_at_all_is_made_again);
	tcase_add_test(tcase, who_is_told_needs_no_rounds);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
