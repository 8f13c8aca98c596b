/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/check.h"
#include "cli/write.h"
#include "xml/compile.h"

static int put_check(const struct cli_options *options, const struct buffer *bytes)
{
	struct xml_schema *schema;
	int code;

	if (options->no_check)
		return EXIT_OK;
	xml_start();
	code = check_load_schema(options->schema, &schema);
	if (code != EXIT_OK)
		return code;
	code = check_bytes(options->arguments[1], bytes, schema);
	xml_schema_free(schema);
	if (code == EXIT_INVALID)
		cli_fail(0, "nothing was written to %s", options->arguments[0]);
	return code;
}

static int put_write(const struct cli_options *options, const struct source_ops *ops, const struct buffer *bytes)
{
	struct source_change change = write_change(options);
	struct message message = { "" };
	enum source_result result;
	int64_t version;

	change.bytes = bytes->bytes;
	change.size_bytes = bytes->size_bytes;
	result = ops->put(options->arguments[0], &change, &version, &message);
	if (result != SOURCE_DONE)
		return write_fail(result, &message);
	if (options->json)
		return output_json(json_pack("{s:I}", "version", (json_int_t)version), false);
	printf("%lld\n", (long long)version);
	return EXIT_OK;
}

int put_run(const struct cli_options *options)
{
	const struct source_ops *ops;
	struct buffer bytes = { 0 };
	int code;

	code = write_find(options->arguments[0], &ops);
	if (code == EXIT_OK)
		code = check_read(options->arguments[1], &bytes);
	if (code == EXIT_OK)
		code = put_check(options, &bytes);
	if (code == EXIT_OK)
		code = put_write(options, ops, &bytes);
	buffer_free(&bytes);
	return code;
}
