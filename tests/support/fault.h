/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Allocations and system calls that fail when a test says so: the n-th one
 * from now. A program that uses it is linked with $(FAULT_LINK), which
 * lead the calls of what is tested here; libc's own are left alone.
 */
#ifndef ZKCFG_TESTS_SUPPORT_FAULT_H
#define ZKCFG_TESTS_SUPPORT_FAULT_H

#include <stdbool.h>

enum fault_kind {
	FAULT_MEMORY = 1, /* malloc, calloc, realloc, aligned_alloc */
	FAULT_SYSTEM = 2  /* what asks the kernel for something: files, their memory, their modes */
};

/*
 * From now on the nth call (from 1) of these kinds fails with this errno, once;
 * others go through. No assertions until fault_disarm(): Check allocates.
 */
void fault_arm(unsigned kinds, unsigned nth, int error_number);
/* The same, and every one after it fails, too. */
void fault_arm_for_good(unsigned kinds, unsigned nth, int error_number);
/* The call that fails does this first, once; behind fault_arm(). */
void fault_do(void (*act)(void));
/* No more. Did one fail? */
bool fault_disarm(void);

#endif
