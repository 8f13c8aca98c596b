/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/check.h"
#include "cli/cli.h"
#include "cli/write.h"

static const char put_help[] =
	"Checks a file as zkcfg check does, writes it as one document at its source, with what is missing\n"
	"on the way there, and prints the version that it has then. FILE may be - for standard input. A\n"
	"file that is not acceptable is not written (exit status 4).\n"
	"\n"
	"  --if-version N  only if the source has this version now; another one: exit status 5\n"
	"  --schema FILE   a RELAX NG or W3C XML Schema that it must keep to as well\n"
	"  --no-check      write it whatever it is; zkcfgd serves nothing that it does not accept itself\n"
	"  --timeout TIME  exit status 6 after so long: a number with ms, s, m or h, or seconds (10s)\n"
	"\n"
	"examples:\n"
	"  zkcfg put zk://127.0.0.1:2181/conf/app/service.xml service.xml\n"
	"  zkcfg put zk://zk1:2181,zk2:2181/conf/app/service.xml - --if-version 4 <service.xml\n"
	"  zkcfg put 'zk://zk1/conf/app/keys.xml?auth_file=/etc/zkcfg/secret' keys.xml\n";

static int put_write(const struct cli *cli, const struct source_ops *source, const struct buffer *bytes)
{
	struct source_change change = write_change(cli);
	struct message message = { "" };
	enum source_result result;
	int64_t version = -1;

	change.bytes = bytes->bytes;
	change.size_bytes = bytes->size_bytes;
	result = source->put(cli->arguments[0], &change, &version, &message);
	if (result == SOURCE_DONE && version >= 0)
		printf("%lld\n", (long long)version);
	return write_result(result, &message);
}

static int put_run(const struct cli *cli)
{
	const struct source_ops *source = write_find(cli);
	struct xml_schema *schema;
	struct buffer bytes = { 0 };
	struct xml_fault fault;
	int code;

	if (!source)
		return CLI_USAGE;
	xml_start();
	code = check_load_schema(cli->schema, &schema);
	if (code != CLI_OK)
		return code;
	code = check_read(cli->arguments[1], &bytes, &fault);
	if (code == CLI_OK && !cli->no_check)
		code = check_bytes(&bytes, schema, &fault);
	if (code == CLI_OK) {
		code = put_write(cli, source, &bytes);
	} else {
		check_complain(cli->arguments[1], &fault);
		complain("not written: what is at the source stays as it is");
	}
	buffer_free(&bytes);
	xml_schema_free(schema);
	return code;
}

const struct cli_command put_command = {
	.name = "put",
	.arguments = "URI FILE",
	.purpose = "check a file and write it",
	.help = put_help,
	.options = CLI_IF_VERSION | CLI_SCHEMA | CLI_TIMEOUT | CLI_NO_CHECK,
	.least = 2,
	.most = 2,
	.run = put_run,
};
