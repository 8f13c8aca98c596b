/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Writing to a source: what put and rm share. */
#ifndef ZKCFG_CLI_WRITE_H
#define ZKCFG_CLI_WRITE_H

#include "base/message.h"
#include "cli/cli.h"
#include "source/source.h"

/* The source of the first argument, a URI that is right in form; NULL: said what is wrong with it. */
const struct source_ops *write_find(const struct cli *cli);
/* What --if-version and --timeout ask for. */
struct source_change write_change(const struct cli *cli);
/* Say how it ended, unless it is done. Returns the exit code. */
int write_result(enum source_result result, const struct message *message);

#endif
