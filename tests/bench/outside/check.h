/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* What tests/support uses of Check, for a program that runs no tests: what fails ends it. */
#ifndef ZKCFG_TESTS_BENCH_OUTSIDE_CHECK_H
#define ZKCFG_TESTS_BENCH_OUTSIDE_CHECK_H

#include "bench/bench.h"

#define ck_abort_msg(...) bench_die(__VA_ARGS__)
#define ck_assert_msg(is_so, ...)                                                                             \
	do {                                                                                                  \
		if (!(is_so))                                                                                 \
			bench_die(__VA_ARGS__);                                                               \
	} while (0)
#define ck_assert(is_so) ck_assert_msg(is_so, "%s:%d: not so: %s", __FILE__, __LINE__, #is_so)
#define ck_assert_int_eq(a, b) ck_assert((a) == (b))
#define ck_assert_int_ne(a, b) ck_assert((a) != (b))
#define ck_assert_int_ge(a, b) ck_assert((a) >= (b))
#define ck_assert_uint_lt(a, b) ck_assert((a) < (b))
#define ck_assert_ptr_nonnull(a) ck_assert((a) != NULL)

#endif
