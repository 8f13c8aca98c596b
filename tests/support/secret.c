/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/secret.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

void secret_make(char path[SECRET_PATH_BYTES], const char *text)
{
	FILE *file;
	int fd;

	snprintf(path, SECRET_PATH_BYTES, "/tmp/zkcfg-secret-XXXXXX");
	fd = mkstemp(path);
	ck_assert_int_ge(fd, 0);
	file = fdopen(fd, "w");
	ck_assert_ptr_nonnull(file);
	ck_assert_int_ge(fputs(text, file), 0);
	ck_assert_int_eq(fclose(file), 0);
}
