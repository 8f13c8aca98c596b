/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

/* Go through a document's values; a negative enum zkcfg_error. */
static int each_value(const struct zkcfg_document *document, void (*tell)(const char *path, const char *value, void *user),
		      void *user)
{
	struct zkcfg_cursor cursor;
	int err = zkcfg_cursor_init(&cursor, document, NULL);

	while (err == 0) {
		const char *value = zkcfg_cursor_value(&cursor);

		if (value)
			tell(zkcfg_cursor_path(&cursor), value, user);
		err = zkcfg_cursor_next(&cursor);
	}
	return err == ZKCFG_EEND ? 0 : err;
}

static void flat_value(const char *path, const char *value, void *user)
{
	const char *document = user;

	if (document)
		printf("%s:", document);
	printf("%s = ", path);
	output_escaped(value);
	putchar('\n');
}

static void json_value(const char *path, const char *value, void *user)
{
	json_object_set_new(user, path, json_string(value));
}

static json_t *json_document(const struct zkcfg_document *document)
{
	json_t *values = json_object();

	if (each_value(document, json_value, values) < 0) {
		json_decref(values);
		return NULL;
	}
	return json_pack("{s:I, s:I, s:o}", "revision", (json_int_t)zkcfg_document_revision(document), "version",
			 (json_int_t)zkcfg_document_version(document), "values", values);
}

static int dump_json(const struct cli_options *options, const struct zkcfg_snapshot *snapshot,
		     const struct zkcfg_document **documents, size_t count)
{
	json_t *all = json_object();

	for (size_t i = 0; i < count; i++) {
		if (json_object_set_new(all, zkcfg_document_name(documents[i]), json_document(documents[i])) < 0) {
			json_decref(all);
			return cli_fail(EXIT_UNREADABLE, "document %s: %s", zkcfg_document_name(documents[i]),
					zkcfg_strerror(ZKCFG_ECORRUPT));
		}
	}
	return output_json(json_pack("{s:s, s:I, s:o}", "set", options->arguments[0], "seq",
				     (json_int_t)zkcfg_snapshot_seq(snapshot), "documents", all),
			   true);
}

static int dump_flat(const struct cli_options *options, const struct zkcfg_document **documents, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const char *name = zkcfg_document_name(documents[i]);
		int err = each_value(documents[i], flat_value,
				     options->argument_count == 1 ? (void *)(uintptr_t)name : NULL);

		if (err < 0)
			return cli_fail(EXIT_UNREADABLE, "document %s: %s", name, zkcfg_strerror(err));
	}
	return EXIT_OK;
}

static int dump_documents(const struct cli_options *options, const struct zkcfg_snapshot *snapshot,
			  const struct zkcfg_document **documents, size_t count)
{
	const char *format = options->format ? options->format : "flat", *raw;
	size_t bytes;

	if (strcmp(format, "json") == 0)
		return dump_json(options, snapshot, documents, count);
	if (strcmp(format, "flat") == 0)
		return dump_flat(options, documents, count);
	raw = zkcfg_document_raw(documents[0], &bytes);
	fwrite(raw, 1, bytes, stdout);
	return EXIT_OK;
}

static int dump_snapshot(const struct cli_options *options, const struct zkcfg_snapshot *snapshot)
{
	const struct zkcfg_document *document, **documents;
	size_t count;
	int err, code;

	if (options->argument_count == 2) {
		err = zkcfg_find(snapshot, options->arguments[1], &document);
		if (err < 0)
			return cli_fail_error(options, err, options->arguments[0], options->arguments[1], NULL);
		return dump_documents(options, snapshot, &document, 1);
	}
	code = cli_documents(snapshot, &documents, &count);
	if (code != EXIT_OK)
		return code;
	code = dump_documents(options, snapshot, documents, count);
	free(documents);
	return code;
}

int dump_run(const struct cli_options *options)
{
	const char *format = options->format ? options->format : "flat";
	struct zkcfg_snapshot *snapshot;
	struct zkcfg *cfg;
	int code;

	if (strcmp(format, "flat") != 0 && strcmp(format, "json") != 0 && strcmp(format, "xml") != 0)
		return cli_fail(EXIT_USAGE, "--format \"%s\": expected flat, json or xml", format);
	if (strcmp(format, "xml") == 0 && options->argument_count == 1)
		return cli_fail(EXIT_USAGE, "--format xml needs a document: a set is not one XML document");
	code = cli_pin(options, options->arguments[0], &cfg, &snapshot);
	if (code != EXIT_OK)
		return code;
	code = dump_snapshot(options, snapshot);
	zkcfg_unpin(snapshot);
	zkcfg_close(cfg);
	return code;
}
