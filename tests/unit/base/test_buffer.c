/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include <check.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"

START_TEST(bytes_come_out_as_they_went_in)
{
	struct buffer buffer = { 0 };
	unsigned char expected[5000];

	for (size_t i = 0; i < sizeof(expected); i++) {
		expected[i] = (unsigned char)(i * 31 % 251);
		buffer_append(&buffer, &expected[i], 1);
	}
	ck_assert(!buffer_failed(&buffer));
	ck_assert_uint_eq(buffer.size_bytes, sizeof(expected));
	ck_assert_mem_eq(buffer.bytes, expected, sizeof(expected));
	buffer_free(&buffer);
}
END_TEST

START_TEST(one_append_may_be_many_times_what_is_there)
{
	struct buffer buffer = { 0 };
	static char large[1 << 20];

	memset(large, 'l', sizeof(large));
	buffer_append(&buffer, "s", 1);
	buffer_append(&buffer, large, sizeof(large));
	ck_assert_uint_eq(buffer.size_bytes, sizeof(large) + 1);
	ck_assert_int_eq(buffer.bytes[0], 's');
	ck_assert_mem_eq(buffer.bytes + 1, large, sizeof(large));
	buffer_free(&buffer);
}
END_TEST

START_TEST(appending_nothing_changes_nothing)
{
	struct buffer buffer = { 0 };

	buffer_append(&buffer, NULL, 0);
	ck_assert_ptr_null(buffer.bytes);
	ck_assert_uint_eq(buffer.size_bytes, 0);
	ck_assert(!buffer_failed(&buffer));
}
END_TEST

START_TEST(printf_adds_text_without_its_nul)
{
	struct buffer buffer = { 0 };

	buffer_printf(&buffer, "%s=%d", "a", 1);
	buffer_printf(&buffer, ";%s", "b");
	buffer_append(&buffer, "!", 1);
	ck_assert_uint_eq(buffer.size_bytes, 6);
	ck_assert_mem_eq(buffer.bytes, "a=1;b!", 6);
	buffer_free(&buffer);
}
END_TEST

START_TEST(printf_grows_for_text_of_any_length)
{
	struct buffer buffer = { 0 };

	for (int length = 250; length < 520; length++) { /* over both first capacities, NUL included */
		buffer_clear(&buffer);
		buffer_printf(&buffer, "%*d", length, 7);
		ck_assert_uint_eq(buffer.size_bytes, (size_t)length);
		ck_assert_int_eq(buffer.bytes[length - 1], '7');
		ck_assert_uint_gt(buffer.capacity_bytes, buffer.size_bytes); /* there is room for the NUL */
		buffer_free(&buffer);
	}
}
END_TEST

START_TEST(failure_is_remembered_and_keeps_what_was_there)
{
	struct buffer buffer = { 0 };

	buffer_append(&buffer, "kept", 4);
	buffer_append(&buffer, "x", SIZE_MAX / 2); /* refused before anything is read */
	ck_assert(buffer_failed(&buffer));
	buffer_append(&buffer, "more", 4);
	buffer_printf(&buffer, "%s", "more");
	ck_assert(buffer_failed(&buffer));
	ck_assert_uint_eq(buffer.size_bytes, 4);
	ck_assert_mem_eq(buffer.bytes, "kept", 4);
	buffer_free(&buffer);
	ck_assert(!buffer_failed(&buffer));
}
END_TEST

START_TEST(size_that_would_wrap_around_is_refused)
{
	struct buffer buffer = { 0 };

	buffer_append(&buffer, "abc", 3);
	buffer_append(&buffer, "x", SIZE_MAX - 1);
	ck_assert(buffer_failed(&buffer));
	ck_assert_uint_eq(buffer.size_bytes, 3);
	buffer_free(&buffer);
}
END_TEST

START_TEST(clear_keeps_memory_and_forgets_failure)
{
	struct buffer buffer = { 0 };
	const char *bytes;

	buffer_append(&buffer, "abc", 3);
	bytes = buffer.bytes;
	buffer_append(&buffer, "x", SIZE_MAX);
	buffer_clear(&buffer);
	ck_assert(!buffer_failed(&buffer));
	ck_assert_uint_eq(buffer.size_bytes, 0);
	buffer_append(&buffer, "d", 1);
	ck_assert_ptr_eq(buffer.bytes, bytes);
	ck_assert_int_eq(buffer.bytes[0], 'd');
	buffer_free(&buffer);
	ck_assert_ptr_null(buffer.bytes);
	ck_assert_uint_eq(buffer.capacity_bytes, 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("buffer");
	TCase *tcase = tcase_create("buffer");
	SRunner *runner;
	int failed;

	tcase_add_test(tcase, bytes_come_out_as_they_went_in);
	tcase_add_test(tcase, one_append_may_be_many_times_what_is_there);
	tcase_add_test(tcase, appending_nothing_changes_nothing);
	tcase_add_test(tcase, printf_adds_text_without_its_nul);
	tcase_add_test(tcase, printf_grows_for_text_of_any_length);
	tcase_add_test(tcase, failure_is_remembered_and_keeps_what_was_there);
	tcase_add_test(tcase, size_that_would_wrap_around_is_refused);
	tcase_add_test(tcase, clear_keeps_memory_and_forgets_failure);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
