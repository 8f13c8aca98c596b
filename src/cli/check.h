/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checking files as zkcfgd checks documents: for check, and for put before it
 * writes. xml_start() comes first.
 */
#ifndef ZKCFG_CLI_CHECK_H
#define ZKCFG_CLI_CHECK_H

#include "base/buffer.h"
#include "xml/schema.h"

/* NULL for a NULL path. Says what is wrong with the schema, and returns the exit code. */
int check_load_schema(const char *path, struct xml_schema **schema);
/* Read a file, "-" is standard input. CLI_INVALID (too large) or CLI_UNREADABLE, with fault. */
int check_read(const char *path, struct buffer *bytes, struct xml_fault *fault);
/* Check what was read; schema may be NULL. CLI_INVALID or CLI_UNREADABLE, with fault. */
int check_bytes(const struct buffer *bytes, struct xml_schema *schema, struct xml_fault *fault);
/* "FILE:LINE:COLUMN: reason" on standard error. */
void check_complain(const char *path, const struct xml_fault *fault);

#endif
