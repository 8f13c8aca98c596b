/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Writing to a source: for put and rm. */
#ifndef ZKCFG_CLI_WRITE_H
#define ZKCFG_CLI_WRITE_H

#include "base/message.h"
#include "cli/cli.h"
#include "source/source.h"

/* The source of a URI that is right. An exit code, said already if it is not 0. */
int write_find(const char *uri, const struct source_ops **ops);
/* What --if-version and --timeout ask for. */
struct source_change write_change(const struct cli_options *options);
/* Say how it failed; the exit code. */
int write_fail(enum source_result result, const struct message *message);

#endif
