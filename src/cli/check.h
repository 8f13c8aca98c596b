/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Checking files as zkcfgd would: for check, and for put before it writes. */
#ifndef ZKCFG_CLI_CHECK_H
#define ZKCFG_CLI_CHECK_H

#include <stdlib.h>

#include "base/buffer.h"
#include "cli/cli.h"
#include "xml/schema.h"

/* All return an exit code, and have said what is wrong if it is not EXIT_OK. */

/* path NULL: no schema, and *schema is NULL. */
int check_load_schema(const char *path, struct xml_schema **schema);
int check_read(const char *path, struct buffer *bytes);
int check_bytes(const char *name, const struct buffer *bytes, struct xml_schema *schema);

#endif
