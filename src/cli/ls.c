/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

/* Lines of text, or strings of a JSON array. */
struct list {
	json_t *array; /* NULL: print lines */
};

static void list_add(const struct list *list, const char *text)
{
	if (list->array)
		json_array_append_new(list->array, json_string(text));
	else
		puts(text);
}

struct names {
	char **names;
	size_t count;
};

static int names_add(const char *set, void *user)
{
	struct names *names = user;
	char **grown = realloc(names->names, (names->count + 1) * sizeof(*grown));

	if (!grown)
		return ZKCFG_ENOMEM;
	names->names = grown;
	names->names[names->count] = strdup(set);
	return names->names[names->count++] ? 0 : ZKCFG_ENOMEM;
}

static int name_compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int list_sets(const struct cli_options *options, const struct list *list)
{
	struct names names = { 0 };
	int err = zkcfg_list_sets(options->shm_dir, names_add, &names);

	if (names.count > 0)
		qsort(names.names, names.count, sizeof(*names.names), name_compare);
	for (size_t i = 0; i < names.count; i++) {
		if (err == 0)
			list_add(list, names.names[i]);
		free(names.names[i]);
	}
	free(names.names);
	return err < 0 ? cli_fail(EXIT_UNREADABLE, "cannot list the sets: %s", zkcfg_strerror(err)) : EXIT_OK;
}

static int list_documents(const struct zkcfg_snapshot *snapshot, const struct list *list)
{
	const struct zkcfg_document **documents;
	size_t count;
	int code = cli_documents(snapshot, &documents, &count);

	if (code != EXIT_OK)
		return code;
	for (size_t i = 0; i < count; i++)
		list_add(list, zkcfg_document_name(documents[i]));
	free(documents);
	return EXIT_OK;
}

static int list_paths(const struct cli_options *options, const struct zkcfg_snapshot *snapshot,
		      const struct list *list)
{
	const struct zkcfg_document *document;
	struct zkcfg_cursor cursor;
	int err;

	err = zkcfg_find(snapshot, options->arguments[1], &document);
	if (err == 0)
		err = zkcfg_cursor_init(&cursor, document, NULL);
	while (err == 0) {
		list_add(list, zkcfg_cursor_path(&cursor));
		err = zkcfg_cursor_next(&cursor);
	}
	return err == ZKCFG_EEND ? EXIT_OK
				 : cli_fail_error(options, err, options->arguments[0], options->arguments[1], NULL);
}

static int list_set(const struct cli_options *options, const struct list *list)
{
	struct zkcfg_snapshot *snapshot;
	struct zkcfg *cfg;
	int code;

	code = cli_pin(options, options->arguments[0], &cfg, &snapshot);
	if (code != EXIT_OK)
		return code;
	code = options->argument_count == 1 ? list_documents(snapshot, list) : list_paths(options, snapshot, list);
	zkcfg_unpin(snapshot);
	zkcfg_close(cfg);
	return code;
}

int ls_run(const struct cli_options *options)
{
	struct list list = { .array = options->json ? json_array() : NULL };
	int code;

	code = options->argument_count == 0 ? list_sets(options, &list) : list_set(options, &list);
	if (code == EXIT_OK && list.array)
		return output_json(list.array, true);
	json_decref(list.array);
	return code;
}
