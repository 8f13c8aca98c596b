/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* What zkcfgd is asked to do: a call to its control socket, beside the segments. */
#ifndef ZKCFG_CLI_CONTROL_H
#define ZKCFG_CLI_CONTROL_H

#include <jansson.h>

#include "cli/cli.h"

/* One that nobody answers ends after so long. */
#define CONTROL_TIMEOUT_MS 60000

/*
 * Call a method of zkcfg-http(7). params: taken, in any case. result: out, a
 * reference, on CLI_OK.
 *
 * CLI_NOT_FOUND    zkcfgd knows no such set.
 * CLI_UNREADABLE   no zkcfgd answers, or it does not let us.
 * CLI_TIMED_OUT    no answer in the time given.
 *
 * What went wrong has been said.
 */
int control_call(const struct cli *cli, const char *method, json_t *params, json_t **result);

#endif
