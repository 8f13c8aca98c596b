/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/place_directory.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/segment_host.h"

#define NOBODY 65534

static char top[64], here[80], away[80];
static bool is_away;

const char *directory_path(void)
{
	return is_away ? away : here;
}

void directory_begin(void)
{
	strcpy(top, "/tmp/zkcfg-place-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(top));
	snprintf(here, sizeof(here), "%s/here", top);
	snprintf(away, sizeof(away), "%s/away", top);
	is_away = false;
	ck_assert_int_eq(mkdir(here, 0755), 0);
}

void directory_end(void)
{
	if (geteuid() != getuid())
		ck_assert_int_eq(seteuid(getuid()), 0);
	chmod(directory_path(), 0755);
	segment_host_remove(top);
}

void directory_leave(void)
{
	ck_assert_int_eq(rename(here, away), 0);
	is_away = true;
}

void directory_come_back(void)
{
	ck_assert_int_eq(rename(away, here), 0);
	is_away = false;
}

void directory_guard(void)
{
	if (geteuid() == 0) /* who may read anything */
		ck_assert_int_eq(chown(top, NOBODY, NOBODY) | chown(here, NOBODY, NOBODY), 0);
}

void directory_guard_options(bool is_right, char *options, size_t options_bytes)
{
	if (geteuid() == 0)
		ck_assert_int_eq(seteuid(NOBODY), 0);
	ck_assert_int_eq(chmod(here, is_right ? 0755 : 0), 0);
	snprintf(options, options_bytes, "%s", "");
}

void directory_uri(char *uri, size_t uri_bytes, const char *scheme, const char *first, const char *options)
{
	snprintf(uri, uri_bytes, "%s://%s%s%s%s%s", scheme, here, *first || *options ? "?" : "", first,
		 *first && *options ? "&" : "", options);
}

void directory_nowhere(char *uri, size_t uri_bytes, const char *scheme, char *address, size_t address_bytes)
{
	snprintf(address, address_bytes, "%s/no/where", top);
	snprintf(uri, uri_bytes, "%s://%s", scheme, address);
}
