/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

static const char get_help[] =
	"Prints one value and a newline; without PATH the document's bytes as they were fetched.\n"
	"\n"
	"  --json         the value as an object with set, seq, document and path\n"
	"  --max-age AGE  nothing and exit status 5 if the source has not vouched for the set for longer:\n"
	"                 a number with ms, s, m or h, or seconds\n"
	"\n"
	"examples:\n"
	"  zkcfg get app service.xml /service/listen/@port\n"
	"  zkcfg get app service.xml \"/service/upstream[@name='cart']/host[2]\"\n"
	"  zkcfg get app service.xml >service.xml\n"
	"  port=$(zkcfg get app service.xml /service/listen/@port --max-age 1m) || exit\n";

static int get_raw(const struct set *set, const char *name)
{
	const struct zkcfg_document *document;
	const char *bytes;
	size_t size_bytes;
	int err = zkcfg_find(set->snapshot, name, &document);

	if (err < 0)
		return set_complain_value(set, name, NULL, err);
	bytes = zkcfg_document_raw(document, &size_bytes);
	fwrite(bytes, 1, size_bytes, stdout);
	return CLI_OK;
}

static int get_value(const struct cli *cli, const struct set *set, const char *document, const char *path)
{
	const char *value;
	int err = zkcfg_get_string(set->snapshot, document, path, &value);

	if (err < 0)
		return set_complain_value(set, document, path, err);
	if (!cli->json) {
		puts(value);
		return CLI_OK;
	}
	return output_json(json_pack("{s:s, s:I, s:s, s:s, s:s}", "set", set->name, "seq",
				     (json_int_t)zkcfg_snapshot_seq(set->snapshot), "document", document,
				     "path", path, "value", value),
			   JSON_INDENT(2));
}

static int get_run(const struct cli *cli)
{
	struct set set;
	int code;

	if (cli->json && cli->argument_count < 3) {
		complain(
			"get --json needs a PATH: bytes are not JSON; zkcfg dump %s %s --json has all values",
			cli->arguments[0], cli->arguments[1]);
		return CLI_USAGE;
	}
	code = set_open_pinned(cli, &set);
	if (code == CLI_OK && cli->argument_count == 2)
		code = get_raw(&set, cli->arguments[1]);
	else if (code == CLI_OK)
		code = get_value(cli, &set, cli->arguments[1], cli->arguments[2]);
	set_close(&set);
	return code;
}

const struct cli_command get_command = {
	.name = "get",
	.arguments = "SET DOC [PATH]",
	.purpose = "print a value, or a document",
	.help = get_help,
	.options = CLI_JSON | CLI_MAX_AGE,
	.least = 2,
	.most = 3,
	.run = get_run,
};
