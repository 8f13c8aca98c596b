/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "base/buffer.h"
#include "base/file.h"
#include "cli/check.h"
#include "xml/schema.h"

/* One place in "FILE:LINE:COLUMN: reason" form, on stderr. */
static void check_tell(const char *name, const struct xml_fault *fault)
{
	if (fault->line == 0)
		fprintf(stderr, "%s: %s\n", name, fault->reason);
	else if (fault->column == 0)
		fprintf(stderr, "%s:%u: %s\n", name, fault->line, fault->reason);
	else
		fprintf(stderr, "%s:%u:%u: %s\n", name, fault->line, fault->column, fault->reason);
}

int check_load_schema(const char *path, struct xml_schema **schema)
{
	struct xml_fault fault = { .reason = "" };
	int err;

	*schema = NULL;
	if (!path)
		return EXIT_OK;
	err = xml_schema_load(path, schema, &fault);
	if (err == ZKCFG_EINVAL) {
		check_tell(path, &fault);
		return cli_fail(EXIT_INVALID, "the schema %s cannot be used", path);
	}
	return err < 0 ? cli_fail(EXIT_UNREADABLE, "schema %s: %s", path, zkcfg_strerror(err)) : EXIT_OK;
}

int check_bytes(const char *name, const struct buffer *bytes, struct xml_schema *schema)
{
	struct document_origin origin = { .name = name, .version = -1 };
	struct zkcfg_document *document = NULL;
	struct xml_fault fault = { .reason = "" };
	size_t document_bytes;
	int err;

	err = xml_compile(&origin, bytes->bytes ? bytes->bytes : "", bytes->size_bytes, NULL, &document, &document_bytes,
			  &fault);
	free(document);
	if (err == 0 && schema)
		err = xml_schema_check(schema, bytes->bytes, bytes->size_bytes, &fault);
	if (err == ZKCFG_EINVAL) {
		check_tell(name, &fault);
		return EXIT_INVALID;
	}
	return err < 0 ? cli_fail(EXIT_UNREADABLE, "%s: %s", name, zkcfg_strerror(err)) : EXIT_OK;
}

int check_read(const char *path, struct buffer *bytes)
{
	int err = file_read(path, xml_limits_default.document_bytes, bytes);

	if (err == -EFBIG)
		return cli_fail(EXIT_INVALID, "%s: larger than %zu bytes, the limit of a document", path,
				xml_limits_default.document_bytes);
	return err < 0 ? cli_fail(EXIT_UNREADABLE, "cannot read %s: %s", path, strerror(-err)) : EXIT_OK;
}

int check_run(const struct cli_options *options)
{
	struct xml_schema *schema;
	int worst = EXIT_OK, code;

	xml_start();
	code = check_load_schema(options->schema, &schema);
	if (code != EXIT_OK)
		return code;
	for (int i = 0; i < options->argument_count; i++) {
		struct buffer bytes = { 0 };

		code = check_read(options->arguments[i], &bytes);
		if (code == EXIT_OK)
			code = check_bytes(options->arguments[i], &bytes, schema);
		buffer_free(&bytes);
		if (code > worst)
			worst = code; /* invalid (4) tells more than unreadable (3) */
	}
	xml_schema_free(schema);
	return worst;
}
