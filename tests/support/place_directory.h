/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* What the places that are directories have in common: one in /tmp, that can be away, and be closed to us. */
#ifndef ZKCFG_TESTS_SUPPORT_PLACE_DIRECTORY_H
#define ZKCFG_TESTS_SUPPORT_PLACE_DIRECTORY_H

#include <stdbool.h>
#include <stddef.h>

/* Where it is now, while it is away too. */
const char *directory_path(void);

void directory_begin(void);
void directory_end(void);
void directory_leave(void);
void directory_come_back(void);
/* From now on we are somebody whom permissions matter to. */
void directory_guard(void);
void directory_guard_options(bool is_right, char *options, size_t options_bytes);

/* scheme: "file"; options: each begins with '?' or '&'. */
void directory_uri(char *uri, size_t uri_bytes, const char *scheme, const char *first, const char *options);
void directory_nowhere(char *uri, size_t uri_bytes, const char *scheme, char *address, size_t address_bytes);

#endif
