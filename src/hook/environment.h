/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* The environment of what a hook starts: ours, and what it is about. */
#ifndef ZKCFG_HOOK_ENVIRONMENT_H
#define ZKCFG_HOOK_ENVIRONMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hook/config.h"

struct environment_facts {
	const struct hook_config *config;
	uint64_t seq;
	const char *changed; /* names, a line each */
	size_t changed_count;
	bool is_check; /* files are the new ones, not yet in place */
};

/* NULL: out of memory. Ends with environment_free(). */
char **environment_make(const struct environment_facts *facts);
void environment_free(char **environment);

#endif
