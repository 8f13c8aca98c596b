/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/check.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "cli/cli.h"

static const char check_help[] =
	"Checks files as zkcfgd checks documents, with its default limits: all of them, with\n"
	"FILE:LINE:COLUMN: reason on standard error for each that is not acceptable. FILE may be - for\n"
	"standard input. Exit status: 0 all are good, 4 one is invalid, 3 none is, but one cannot be read.\n"
	"\n"
	"  --schema FILE  a RELAX NG or W3C XML Schema that they must keep to as well\n"
	"  --json         an array on standard output, of file, valid, and if not, line, column and reason\n"
	"\n"
	"examples:\n"
	"  zkcfg check service.xml\n"
	"  zkcfg check conf/*.xml --schema service.rng\n"
	"  make-config | zkcfg check -\n";

int check_read(const char *path, struct buffer *bytes, struct xml_fault *fault)
{
	/* one byte more than is allowed, so that it is the check that refuses it */
	int err = file_read(path, xml_limits_default.document_bytes + 1, bytes);

	*fault = (struct xml_fault){ 0 };
	if (err == -EFBIG) {
		snprintf(fault->reason, sizeof(fault->reason), "more than %zu bytes, the limit of a document",
			 xml_limits_default.document_bytes);
		return CLI_INVALID;
	}
	if (err < 0) {
		snprintf(fault->reason, sizeof(fault->reason), "cannot be read: %s", strerror(-err));
		return CLI_UNREADABLE;
	}
	return CLI_OK;
}

int check_bytes(const struct buffer *bytes, struct xml_schema *schema, struct xml_fault *fault)
{
	struct document_origin origin = { .name = "document", .version = -1 };
	struct zkcfg_document *document = NULL;
	size_t document_bytes;
	int err;

	*fault = (struct xml_fault){ 0 };
	err = xml_compile(&origin, bytes->bytes ? bytes->bytes : "", bytes->size_bytes, NULL, &document,
			  &document_bytes, fault);
	free(document);
	if (err == 0 && schema)
		err = xml_schema_check(schema, bytes->bytes, bytes->size_bytes, fault);
	if (err == 0)
		return CLI_OK;
	if (err == ZKCFG_EINVAL)
		return CLI_INVALID;
	snprintf(fault->reason, sizeof(fault->reason), "cannot be checked: %s", zkcfg_strerror(err));
	return CLI_UNREADABLE;
}

void check_complain(const char *path, const struct xml_fault *fault)
{
	struct buffer text = { 0 };

	buffer_printf(&text, "%s:", path);
	if (fault->line > 0)
		buffer_printf(&text, "%u:", fault->line);
	if (fault->line > 0 && fault->column > 0)
		buffer_printf(&text, "%u:", fault->column);
	buffer_printf(&text, " %s", fault->reason);
	for (size_t i = 0; i < text.size_bytes; i++)
		if ((unsigned char)text.bytes[i] < 0x20 || text.bytes[i] == 0x7f)
			text.bytes[i] = '?';
	fprintf(stderr, "%.*s\n", (int)text.size_bytes, text.bytes ? text.bytes : "");
	buffer_free(&text);
}

int check_load_schema(const char *path, struct xml_schema **schema)
{
	struct xml_fault fault = { 0 };
	int err;

	*schema = NULL;
	if (!path)
		return CLI_OK;
	if (access(path, R_OK) < 0) {
		complain("schema %s cannot be read: %s", path, strerror(errno));
		return CLI_UNREADABLE;
	}
	err = xml_schema_load(path, schema, &fault);
	if (err == 0)
		return CLI_OK;
	if (err != ZKCFG_EINVAL) {
		complain("schema %s cannot be loaded: %s", path, zkcfg_strerror(err));
		return CLI_UNREADABLE;
	}
	check_complain(path, &fault);
	return CLI_INVALID;
}

static json_t *check_json(const char *path, int code, const struct xml_fault *fault)
{
	if (code == CLI_OK)
		return json_pack("{s:s, s:b}", "file", path, "valid", 1);
	return json_pack("{s:s, s:b, s:I, s:I, s:s}", "file", path, "valid", 0, "line",
			 (json_int_t)fault->line, "column", (json_int_t)fault->column, "reason",
			 fault->reason);
}

/* One file; what is wrong with it is told, and added to the results unless that is NULL. */
static int check_one(const char *path, struct xml_schema *schema, json_t *results)
{
	struct buffer bytes = { 0 };
	struct xml_fault fault;
	int code = check_read(path, &bytes, &fault);

	if (code == CLI_OK)
		code = check_bytes(&bytes, schema, &fault);
	buffer_free(&bytes);
	if (code != CLI_OK)
		check_complain(path, &fault);
	if (results && json_array_append_new(results, check_json(path, code, &fault)) < 0)
		return output_json(NULL, 0);
	return code;
}

static int check_run(const struct cli *cli)
{
	struct xml_schema *schema;
	json_t *results;
	int worst, code;

	xml_start();
	worst = check_load_schema(cli->schema, &schema);
	if (worst != CLI_OK)
		return worst;
	results = cli->json ? json_array() : NULL;
	for (size_t i = 0; i < cli->argument_count; i++) {
		code = check_one(cli->arguments[i], schema, results);
		if (code > worst) /* an invalid one (4) says more than an unreadable one (3) */
			worst = code;
	}
	xml_schema_free(schema);
	if (cli->json && output_json(results, JSON_INDENT(2)) != CLI_OK)
		return CLI_UNREADABLE;
	return worst;
}

const struct cli_command check_command = {
	.name = "check",
	.arguments = "FILE...",
	.purpose = "check files as zkcfgd would",
	.help = check_help,
	.options = CLI_JSON | CLI_SCHEMA,
	.least = 1,
	.most = SIZE_MAX,
	.run = check_run,
};
