/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/message.h"

START_TEST(message_is_filled_in_as_printf_does)
{
	struct message message;

	message_set(&message, "%s: %d of %.1f", "app.xml", 7, 2.5);
	ck_assert_str_eq(message.text, "app.xml: 7 of 2.5");
	message_set(&message, "%s", "");
	ck_assert_str_eq(message.text, "");
}
END_TEST

START_TEST(what_is_too_long_is_cut)
{
	char text[2000];
	struct message message;

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	message_set(&message, "%s", text);
	ck_assert_uint_eq(strlen(message.text), sizeof(message.text) - 1);
	ck_assert_int_eq(strncmp(message.text, text, sizeof(message.text) - 1), 0);
}
END_TEST

START_TEST(control_characters_become_question_marks)
{
	struct message message;

	message_set(&message, "%s", "a\nb\tc\rd\033[31me\177f\001g");
	ck_assert_str_eq(message.text, "a?b?c?d?[31me?f?g");
}
END_TEST

START_TEST(other_languages_stay_as_they_are)
{
	struct message message;

	message_set(&message, "%s",
		    "Gr\xc3\xbc\xc3\x9f"
		    "e \xe4\xbd\xa0");
	ck_assert_str_eq(message.text, "Gr\xc3\xbc\xc3\x9f"
				       "e \xe4\xbd\xa0");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("message");
	TCase *tcase = tcase_create("message");
	SRunner *runner;
	int failed;

	tcase_add_test(tcase, message_is_filled_in_as_printf_does);
	tcase_add_test(tcase, what_is_too_long_is_cut);
	tcase_add_test(tcase, control_characters_become_question_marks);
	tcase_add_test(tcase, other_languages_stay_as_they_are);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
