/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"
#include "cli/write.h"

static const char rm_help[] =
	"Removes one document at its source. Whether readers lose it then is for zkcfgd to say: unless it\n"
	"was told otherwise, it holds the last version (on-delete in zkcfgd.xml(5)).\n"
	"\n"
	"  --if-version N  only if the source has this version now; another one: exit status 5\n"
	"  --timeout TIME  exit status 6 after so long: a number with ms, s, m or h, or seconds (10s)\n"
	"\n"
	"example:\n"
	"  zkcfg rm zk://127.0.0.1:2181/conf/app/service.xml --if-version 4\n";

static int rm_run(const struct cli *cli)
{
	const struct source_ops *source = write_find(cli);
	struct source_change change = write_change(cli);
	struct message message = { "" };

	if (!source)
		return CLI_USAGE;
	return write_result(source->remove(cli->arguments[0], &change, &message), &message);
}

const struct cli_command rm_command = {
	.name = "rm",
	.arguments = "URI",
	.purpose = "remove a document",
	.help = rm_help,
	.options = CLI_IF_VERSION | CLI_TIMEOUT,
	.least = 1,
	.most = 1,
	.run = rm_run,
};
