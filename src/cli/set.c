/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* What the reading subcommands do with a set before they read it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

struct set_names {
	char text[256];
};

static int names_add(const char *set, void *user)
{
	struct set_names *names = user;
	size_t used = strlen(names->text);

	snprintf(names->text + used, sizeof(names->text) - used, "%s%s", used > 0 ? ", " : "", set);
	return 0;
}

static int fail_no_set(const struct cli_options *options, const char *set)
{
	struct set_names names = { "" };

	zkcfg_list_sets(options->shm_dir, names_add, &names);
	if (names.text[0] != '\0')
		return cli_fail(EXIT_UNREADABLE, "no set \"%s\"%s%s; sets here: %s", set,
				options->shm_dir ? " in " : "", options->shm_dir ? options->shm_dir : "", names.text);
	return cli_fail(EXIT_UNREADABLE, "no set \"%s\"%s%s, and no other: is zkcfgd running%s?", set,
			options->shm_dir ? " in " : "", options->shm_dir ? options->shm_dir : "",
			options->shm_dir ? " with this --shm-dir" : "");
}

int cli_fail_error(const struct cli_options *options, int error, const char *set, const char *document,
		   const char *path)
{
	switch (error) {
	case ZKCFG_ENOSET:
		return fail_no_set(options, set);
	case ZKCFG_EEMPTY:
		return cli_fail(EXIT_UNREADABLE, "set %s: nothing is published yet: see zkcfg status %s", set, set);
	case ZKCFG_ENODOC:
		return cli_fail(EXIT_NOT_FOUND, "set %s has no document \"%s\": zkcfg ls %s lists them", set, document,
				set);
	case ZKCFG_ENOPATH:
		return cli_fail(EXIT_NOT_FOUND, "%s has no path %s: zkcfg ls %s %s lists them", document, path, set,
				document);
	case ZKCFG_ENOVALUE:
		return cli_fail(EXIT_NOT_FOUND, "%s: %s holds elements and has no value of its own: zkcfg ls %s %s lists them",
				document, path, set, document);
	case ZKCFG_EINVAL:
		if (path)
			return cli_fail(EXIT_USAGE,
					"\"%s\" is no path: expected for example /server/upstream[2]/host, "
					"/server/upstream[@name='a']/host or /server/pool/@max", path);
		return cli_fail(EXIT_USAGE, "\"%s\" is no set name: expected 1 to 64 of A-Z a-z 0-9 . _ -, no dot first",
				set);
	case ZKCFG_ESYSTEM:
		return cli_fail(EXIT_UNREADABLE, "set %s: %s", set, strerror(errno));
	default:
		return cli_fail(EXIT_UNREADABLE, "set %s: %s", set, zkcfg_strerror(error));
	}
}

/* Is the set verified recently enough for --max-age? */
static int check_age(const struct cli_options *options, const char *set, struct zkcfg *cfg)
{
	struct zkcfg_status *status;
	char age[OUTPUT_AGE_BYTES];
	int64_t unverified_ms;
	int err;

	if (options->max_age_ms < 0)
		return EXIT_OK;
	err = zkcfg_status_read(cfg, &status);
	if (err < 0)
		return cli_fail_error(options, err, set, NULL, NULL);
	unverified_ms = zkcfg_status_unverified_ms(status);
	zkcfg_status_free(status);
	if (unverified_ms < 0)
		return cli_fail(EXIT_STALE, "set %s is stale: its source has not vouched for it since boot", set);
	if (unverified_ms > options->max_age_ms)
		return cli_fail(EXIT_STALE, "set %s is stale: its source last vouched for it %s ago", set,
				output_age(unverified_ms, age));
	return EXIT_OK;
}

int cli_pin(const struct cli_options *options, const char *set, struct zkcfg **cfg,
	    struct zkcfg_snapshot **snapshot)
{
	struct zkcfg *opened;
	int err, code;

	err = zkcfg_open(set, options->shm_dir, &opened);
	if (err < 0)
		return cli_fail_error(options, err, set, NULL, NULL);
	code = check_age(options, set, opened);
	if (code != EXIT_OK)
		goto close_set;
	err = zkcfg_pin(opened, snapshot);
	if (err < 0) {
		code = cli_fail_error(options, err, set, NULL, NULL);
		goto close_set;
	}
	*cfg = opened;
	return EXIT_OK;
close_set:
	zkcfg_close(opened);
	return code;
}

static int document_compare(const void *a, const void *b)
{
	const struct zkcfg_document *const *left = a, *const *right = b;

	return strcmp(zkcfg_document_name(*left), zkcfg_document_name(*right));
}

int cli_documents(const struct zkcfg_snapshot *snapshot, const struct zkcfg_document ***documents, size_t *count)
{
	size_t most = zkcfg_snapshot_document_count(snapshot), found = 0;
	const struct zkcfg_document **list = calloc(most + 1, sizeof(const struct zkcfg_document *));
	struct zkcfg_iterator iterator;
	int err = 0;

	if (!list)
		return cli_fail(EXIT_UNREADABLE, "out of memory");
	zkcfg_iterator_init(&iterator, snapshot);
	while (found < most && (err = zkcfg_iterator_next(&iterator, &list[found])) == 0)
		found++;
	if (err < 0) {
		free(list);
		return cli_fail(EXIT_UNREADABLE, "%s", zkcfg_strerror(ZKCFG_ECORRUPT));
	}
	qsort(list, found, sizeof(*list), document_compare);
	*documents = list;
	*count = found;
	return EXIT_OK;
}
