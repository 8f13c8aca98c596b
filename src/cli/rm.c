/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/write.h"

int rm_run(const struct cli_options *options)
{
	struct source_change change = write_change(options);
	const struct source_ops *ops;
	struct message message = { "" };
	enum source_result result;
	int code;

	code = write_find(options->arguments[0], &ops);
	if (code != EXIT_OK)
		return code;
	result = ops->remove(options->arguments[0], &change, &message);
	return result == SOURCE_DONE ? EXIT_OK : write_fail(result, &message);
}
