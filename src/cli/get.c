/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "cli/cli.h"

static const char get_help[] =
	"Prints one value and a newline; without PATH the document's bytes as they were fetched.\n"
	"\n"
	"  --json         the value as an object with set, seq, document and path\n"
	"  --origin       also the source that the value is from, and the sources whose value it overrides\n"
	"  --max-age AGE  nothing and exit status 5 if the source has not vouched for the set for longer:\n"
	"                 a number with ms, s, m or h, or seconds\n"
	"\n"
	"examples:\n"
	"  zkcfg get app service.xml /service/listen/@port\n"
	"  zkcfg get app service.xml \"/service/upstream[@name='cart']/host[2]\"\n"
	"  zkcfg get app service.xml >service.xml\n"
	"  zkcfg get app service.xml /service/log/@level --origin\n"
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

/* The first is where the value is from; the others it overrides. */
struct origins {
	struct zkcfg_origin origins[ZKCFG_ORIGINS_MOST];
	size_t count;
	struct zkcfg_status *status; /* NULL: it was not needed */
};

/* What stands for a URI that the document does not have: the set has one source. */
static int get_one_source(const struct set *set, struct origins *origins)
{
	const char *source;
	int err = zkcfg_status_read(set->cfg, &origins->status);

	if (err < 0)
		return err;
	source = zkcfg_status_source(origins->status);
	/* several, behind a document of the time when there was one */
	origins->origins[0].uri = source[0] != '\0' && !strchr(source, '\t') ? source : "unknown";
	return 0;
}

static int get_origins(const struct set *set, const char *document, const char *path, struct origins *origins)
{
	int err;

	origins->status = NULL;
	err = zkcfg_value_origin(set->snapshot, document, path, origins->origins, ZKCFG_ORIGINS_MOST,
				 &origins->count);
	if (err == 0 && !origins->origins[0].uri)
		err = get_one_source(set, origins);
	return err;
}

static json_t *origin_json(const struct zkcfg_origin *origin)
{
	return json_pack("{s:s, s:I}", "source", origin->uri, "revision", (json_int_t)origin->revision);
}

static int get_json(const struct set *set, const char *document, const char *path, const char *value,
		    const struct origins *origins)
{
	json_t *json = json_pack("{s:s, s:I, s:s, s:s, s:s}", "set", set->name, "seq",
				 (json_int_t)zkcfg_snapshot_seq(set->snapshot), "document", document, "path",
				 path, "value", value);
	json_t *overrides = origins ? json_array() : NULL;

	for (size_t i = 1; origins && i < origins->count; i++)
		json_array_append_new(overrides, origin_json(&origins->origins[i]));
	if (origins && json_object_set_new(json, "origin", origin_json(&origins->origins[0])) +
				       json_object_set_new(json, "overrides", overrides) <
			       0) {
		json_decref(json);
		json = NULL;
	}
	return output_json(json, JSON_INDENT(2));
}

static int get_text(const char *value, const struct origins *origins)
{
	puts(value);
	for (size_t i = 0; origins && i < origins->count; i++)
		printf("%s%s, revision %llu\n", i == 0 ? "from       " : "overrides  ", origins->origins[i].uri,
		       (unsigned long long)origins->origins[i].revision);
	return CLI_OK;
}

static int get_value(const struct cli *cli, const struct set *set, const char *document, const char *path)
{
	struct origins origins = { .count = 0 };
	const char *value;
	int err = zkcfg_get_string(set->snapshot, document, path, &value), code;

	if (err == 0 && cli->origin)
		err = get_origins(set, document, path, &origins);
	if (err < 0)
		code = set_complain_value(set, document, path, err);
	else if (cli->json)
		code = get_json(set, document, path, value, cli->origin ? &origins : NULL);
	else
		code = get_text(value, cli->origin ? &origins : NULL);
	zkcfg_status_free(origins.status);
	return code;
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
	if (cli->origin && cli->argument_count < 3) {
		complain("get --origin needs a PATH: a document may be of several sources, a value is of one");
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
	.options = CLI_JSON | CLI_MAX_AGE | CLI_ORIGIN,
	.least = 2,
	.most = 3,
	.run = get_run,
};
