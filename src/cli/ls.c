/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

#include <stdlib.h>

static const char ls_help[] =
	"Lists the sets, the documents of a set sorted by name, or the paths in a document that have a\n"
	"value, in the document's order. A line each, with \\t, \\n, \\r, \\\\ and \\xHH for what would\n"
	"break it.\n"
	"\n"
	"  --json  an array: of names of sets; of documents with name, revision, version and bytes;\n"
	"          of paths\n"
	"\n"
	"examples:\n"
	"  zkcfg ls\n"
	"  zkcfg ls app\n"
	"  zkcfg ls app service.xml\n";

/* Where lines or the elements of an array go. */
struct ls {
	json_t *array; /* NULL: lines */
	bool failed;
};

static void ls_add(struct ls *ls, const char *text, json_t *element)
{
	if (!ls->array) {
		output_escaped(text);
		putchar('\n');
	} else if (json_array_append_new(ls->array, element) < 0) {
		ls->failed = true;
	}
}

static int ls_add_path(const char *path, const char *value, void *user)
{
	struct ls *ls = user;

	(void)value;
	ls_add(ls, path, ls->array ? json_string(path) : NULL);
	return 0;
}

static int ls_sets(const struct cli *cli, struct ls *ls)
{
	struct message places;
	struct set_names names;
	int err = set_names(cli, &names);

	set_places(cli, &places);
	if (err < 0) {
		complain("the sets in %s cannot be listed: %s", places.text, zkcfg_strerror(err));
		return CLI_UNREADABLE;
	}
	for (size_t i = 0; i < names.count; i++)
		ls_add(ls, names.names[i], ls->array ? json_string(names.names[i]) : NULL);
	if (names.count == 0)
		complain("there is no set in %s: is zkcfgd running?", places.text);
	err = names.count > 0 ? CLI_OK : CLI_UNREADABLE;
	set_names_free(&names);
	return err;
}

static int ls_documents(const struct cli *cli, const struct set *set, struct ls *ls)
{
	const struct zkcfg_document **documents;
	size_t count, size_bytes;
	int err = set_documents(set, &documents, &count);

	if (err < 0)
		return set_complain(cli, set->name, err);
	for (size_t i = 0; i < count; i++) {
		const char *name = zkcfg_document_name(documents[i]);
		json_t *element = NULL;

		zkcfg_document_raw(documents[i], &size_bytes);
		if (ls->array)
			element = json_pack("{s:s, s:I, s:I, s:I}", "name", name, "revision",
					    (json_int_t)zkcfg_document_revision(documents[i]), "version",
					    (json_int_t)zkcfg_document_version(documents[i]), "bytes",
					    (json_int_t)size_bytes);
		ls_add(ls, name, element);
	}
	free(documents);
	return CLI_OK;
}

static int ls_paths(const struct set *set, const char *name, struct ls *ls)
{
	const struct zkcfg_document *document;
	int err = zkcfg_find(set->snapshot, name, &document);

	if (err == 0)
		err = set_each_value(document, ls_add_path, ls);
	return err < 0 ? set_complain_value(set, name, NULL, err) : CLI_OK;
}

static int ls_run(const struct cli *cli)
{
	struct ls ls = { .array = cli->json ? json_array() : NULL, .failed = false };
	struct set set = { 0 };
	int code;

	if (cli->json && !ls.array)
		return output_json(NULL, 0);
	if (cli->argument_count == 0) {
		code = ls_sets(cli, &ls);
	} else {
		code = set_open_pinned(cli, &set);
		if (code == CLI_OK && cli->argument_count == 1)
			code = ls_documents(cli, &set, &ls);
		else if (code == CLI_OK)
			code = ls_paths(&set, cli->arguments[1], &ls);
	}
	if (ls.array && (code != CLI_OK || ls.failed)) {
		json_decref(ls.array);
		ls.array = NULL;
	}
	if (cli->json && code == CLI_OK)
		code = output_json(ls.array, JSON_INDENT(2));
	set_close(&set);
	return code;
}

const struct cli_command ls_command = {
	.name = "ls",
	.arguments = "[SET [DOC]]",
	.purpose = "list sets, documents, or paths",
	.help = ls_help,
	.options = CLI_JSON,
	.least = 0,
	.most = 2,
	.run = ls_run,
};
