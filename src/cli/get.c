/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

static int get_value(const struct cli_options *options, const struct zkcfg_snapshot *snapshot)
{
	char **arguments = options->arguments;
	const struct zkcfg_document *document;
	const char *value;
	size_t bytes;
	int err;

	err = zkcfg_find(snapshot, arguments[1], &document);
	if (err < 0)
		return cli_fail_error(options, err, arguments[0], arguments[1], NULL);
	if (options->argument_count == 2) {
		value = zkcfg_document_raw(document, &bytes);
		fwrite(value, 1, bytes, stdout);
		return EXIT_OK;
	}
	err = zkcfg_document_string(document, arguments[2], &value);
	if (err < 0)
		return cli_fail_error(options, err, arguments[0], arguments[1], arguments[2]);
	puts(value);
	return EXIT_OK;
}

int get_run(const struct cli_options *options)
{
	struct zkcfg_snapshot *snapshot;
	struct zkcfg *cfg;
	int code;

	code = cli_pin(options, options->arguments[0], &cfg, &snapshot);
	if (code != EXIT_OK)
		return code;
	code = get_value(options, snapshot);
	zkcfg_unpin(snapshot);
	zkcfg_close(cfg);
	return code;
}
