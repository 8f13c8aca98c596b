/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* The hooks of a set, as config.c finds their elements. */
#ifndef ZKCFG_DAEMON_CONFIG_HOOK_H
#define ZKCFG_DAEMON_CONFIG_HOOK_H

#include "daemon/config.h"
#include "hook/element.h"

/*
 * Read the element at a path of the compiled file into the set, which is one
 * of config. -EINVAL or -ENOMEM with fault.
 */
int config_hook_read(const struct config *config, struct config_set *set,
		     const struct zkcfg_document *document, const char *path, const char *directory,
		     struct element_fault *fault);
void config_hook_free(struct config_set *set);
/* Have both sets the same hooks? */
bool config_hooks_equal(const struct config_set *a, const struct config_set *b);

#endif
