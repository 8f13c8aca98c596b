/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

#include <stdlib.h>

static const char dump_help[] =
	"Prints every value of a set, or of one document, as of one commit.\n"
	"\n"
	"  --format flat   DOC:PATH = VALUE, or PATH = VALUE for one document, a line each, with\n"
	"                  \\t, \\n, \\r, \\\\ and \\xHH for what would break it (the default)\n"
	"  --format json   an object with set, seq and documents; --json is the same\n"
	"  --format xml    one document's bytes as they were fetched; not for a set: the bytes of\n"
	"                  several documents one behind the other are no XML\n"
	"  --max-age AGE   nothing and exit status 5 if the source has not vouched for the set for longer\n"
	"\n"
	"examples:\n"
	"  zkcfg dump app | grep timeout\n"
	"  zkcfg dump app service.xml --format xml\n"
	"  zkcfg dump app --json | jq '.documents[\"service.xml\"].values'\n";

/* The documents to print. */
struct dump {
	const struct set *set;
	const struct zkcfg_document **documents;
	size_t count;
	const char *prefix; /* before each flat line, with a colon; NULL: none */
	json_t *values;	    /* of the document at hand */
};

static int dump_flat_value(const char *path, const char *value, void *user)
{
	const struct dump *dump = user;

	if (dump->prefix) {
		output_escaped(dump->prefix);
		putchar(':');
	}
	output_escaped(path);
	fputs(" = ", stdout);
	output_escaped(value);
	putchar('\n');
	return 0;
}

static int dump_flat(const struct cli *cli, struct dump *dump)
{
	for (size_t i = 0; i < dump->count; i++) {
		const char *name = zkcfg_document_name(dump->documents[i]);
		int err;

		dump->prefix = cli->argument_count == 1 ? name : NULL;
		err = set_each_value(dump->documents[i], dump_flat_value, dump);
		if (err < 0)
			return set_complain_value(dump->set, name, NULL, err);
	}
	return CLI_OK;
}

static int dump_xml(const struct dump *dump)
{
	size_t size_bytes;
	const char *bytes = zkcfg_document_raw(dump->documents[0], &size_bytes);

	fwrite(bytes, 1, size_bytes, stdout);
	return CLI_OK;
}

static int dump_json_value(const char *path, const char *value, void *user)
{
	const struct dump *dump = user;

	return json_object_set_new(dump->values, path, json_string(value)) < 0 ? CLI_UNREADABLE : 0;
}

/* {"revision": ..., "version": ..., "values": {path: value}}; NULL: *err says why, or it cannot be built. */
static json_t *dump_json_document(struct dump *dump, const struct zkcfg_document *document, int *err)
{
	json_t *whole;

	*err = 0;
	dump->values = json_object();
	if (!dump->values)
		return NULL;
	*err = set_each_value(document, dump_json_value, dump);
	if (*err != 0) {
		json_decref(dump->values);
		return NULL;
	}
	whole = json_pack("{s:I, s:I}", "revision", (json_int_t)zkcfg_document_revision(document), "version",
			  (json_int_t)zkcfg_document_version(document));
	if (json_object_set_new(whole, "values", dump->values) == 0)
		return whole;
	json_decref(whole);
	return NULL;
}

static int dump_json(struct dump *dump)
{
	json_t *documents = json_object();
	json_t *whole = json_pack("{s:s, s:I}", "set", dump->set->name, "seq",
				  (json_int_t)zkcfg_snapshot_seq(dump->set->snapshot));
	int err = 0, built = json_object_set_new(whole, "documents", documents);

	for (size_t i = 0; i < dump->count && built == 0; i++) {
		const char *name = zkcfg_document_name(dump->documents[i]);
		json_t *document = dump_json_document(dump, dump->documents[i], &err);

		built = json_object_set_new(documents, name, document);
		if (err < 0) {
			json_decref(whole);
			return set_complain_value(dump->set, name, NULL, err);
		}
	}
	if (built < 0) {
		json_decref(whole);
		whole = NULL;
	}
	return output_json(whole, JSON_INDENT(2));
}

static int dump_find(const struct cli *cli, struct dump *dump)
{
	int err;

	if (cli->argument_count == 1) {
		err = set_documents(dump->set, &dump->documents, &dump->count);
		return err < 0 ? set_complain(cli, dump->set->name, err) : CLI_OK;
	}
	dump->documents = malloc(sizeof(struct zkcfg_document *));
	if (!dump->documents)
		return set_complain(cli, dump->set->name, ZKCFG_ENOMEM);
	err = zkcfg_find(dump->set->snapshot, cli->arguments[1], &dump->documents[0]);
	if (err < 0)
		return set_complain_value(dump->set, cli->arguments[1], NULL, err);
	dump->count = 1;
	return CLI_OK;
}

static int dump_run(const struct cli *cli)
{
	enum cli_format format = cli->json ? CLI_FORMAT_JSON : cli->format;
	struct set set;
	struct dump dump = { .set = &set };
	int code;

	if (format == CLI_FORMAT_XML && cli->argument_count == 1) {
		complain(
			"dump --format xml is for one document: the bytes of several are no XML; name one of "
			"those that zkcfg ls %s lists, or use --format flat or json",
			cli->arguments[0]);
		return CLI_USAGE;
	}
	code = set_open_pinned(cli, &set);
	if (code == CLI_OK)
		code = dump_find(cli, &dump);
	if (code == CLI_OK && format == CLI_FORMAT_FLAT)
		code = dump_flat(cli, &dump);
	else if (code == CLI_OK && format == CLI_FORMAT_XML)
		code = dump_xml(&dump);
	else if (code == CLI_OK)
		code = dump_json(&dump);
	free(dump.documents);
	set_close(&set);
	return code;
}

const struct cli_command dump_command = {
	.name = "dump",
	.arguments = "SET [DOC]",
	.purpose = "print every value",
	.help = dump_help,
	.options = CLI_JSON | CLI_FORMAT | CLI_MAX_AGE,
	.least = 1,
	.most = 2,
	.run = dump_run,
};
