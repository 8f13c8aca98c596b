/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/staging.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

static struct staging staging;

/* What the process has mapped, in bytes. */
static size_t mapped_bytes(void)
{
	unsigned long pages;
	FILE *file = fopen("/proc/self/statm", "r");

	ck_assert_ptr_nonnull(file);
	ck_assert_int_eq(fscanf(file, "%lu", &pages), 1);
	fclose(file);
	return pages * 4096;
}

static void *keep(int fill, size_t size_bytes)
{
	char *bytes = malloc(size_bytes + 1);
	void *copy;

	memset(bytes, fill, size_bytes + 1);
	copy = staging_copy(&staging, bytes, size_bytes);
	free(bytes);
	ck_assert_ptr_nonnull(copy);
	ck_assert_uint_eq((uintptr_t)copy % 64, 0);
	return copy;
}

static void ck_filled(const unsigned char *copy, int fill, size_t size_bytes)
{
	for (size_t i = 0; i < size_bytes; i++)
		ck_assert_int_eq(copy[i], fill);
}

START_TEST(copies_are_whole_and_apart)
{
	static const size_t sizes[] = { 0, 1, 63, 64, 65, 100000, 262144, 300000, 1 };
	void *copies[9];

	for (int i = 0; i < 9; i++)
		copies[i] = keep(i + 1, sizes[i]);
	for (int i = 0; i < 9; i++)
		ck_filled(copies[i], i + 1, sizes[i]);
	for (int i = 0; i < 9; i++)
		staging_free(&staging, copies[i]);
	staging_free(&staging, NULL);
	staging_end(&staging);
}
END_TEST

START_TEST(chunks_go_back_with_the_last_copy_in_them)
{
	static void *copies[5000];
	size_t before = mapped_bytes();

	for (int i = 0; i < 5000; i++)
		copies[i] = keep(i & 0xff, 2000);
	ck_assert_uint_ge(mapped_bytes(), before + 5000 * 2000);
	for (int i = 4999; i >= 0; i--) {
		ck_filled(copies[i], i & 0xff, 2000);
		staging_free(&staging, copies[i]);
	}
	ck_assert_uint_le(mapped_bytes(), before + 2 * 262144);
	staging_end(&staging);
	ck_assert_uint_le(mapped_bytes(), before + 262144);
}
END_TEST

START_TEST(empty_chunk_is_filled_anew)
{
	void *first = keep(1, 1000), *again;

	staging_free(&staging, first);
	for (int i = 0; i < 10000; i++) {
		again = keep(2, 1000);
		ck_assert_ptr_eq(again, first);
		staging_free(&staging, again);
	}
	staging_end(&staging);
	staging_end(&staging);
}
END_TEST

static Suite *staging_suite(void)
{
	Suite *suite = suite_create("staging");
	TCase *tcase = tcase_create("staging");

	tcase_add_test(tcase, copies_are_whole_and_apart);
	tcase_add_test(tcase, chunks_go_back_with_the_last_copy_in_them);
	tcase_add_test(tcase, empty_chunk_is_filled_anew);
	suite_add_tcase(suite, tcase);
	return suite;
}

int main(void)
{
	SRunner *runner = srunner_create(staging_suite());
	int failed;

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
