/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/clock.h"

/* A set that is not there yet is looked for so often. */
#define AWAIT_EVERY_MS 50
/* So many sets are named in a message. */
#define NAMES_SHOWN 8

void set_places(const struct cli *cli, struct message *places)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR"), *chosen = cli->shm_dir;

	if (!chosen)
		chosen = getenv("ZKCFG_SHM_DIR");
	if (chosen && *chosen)
		message_set(places, "%s", chosen);
	else if (geteuid() == 0)
		message_set(places, "/dev/shm/zkcfg");
	else if (runtime && *runtime)
		message_set(places, "%s/zkcfg or /dev/shm/zkcfg", runtime);
	else
		message_set(places, "/dev/shm/zkcfg-%u or /dev/shm/zkcfg", (unsigned)geteuid());
}

static int set_names_add(const char *name, void *user)
{
	struct set_names *names = user;
	char **grown = reallocarray(names->names, names->count + 1, sizeof(*grown));

	if (!grown)
		return ZKCFG_ENOMEM;
	names->names = grown;
	grown[names->count] = strdup(name);
	if (!grown[names->count])
		return ZKCFG_ENOMEM;
	names->count++;
	return 0;
}

static int set_names_compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

int set_names(const struct cli *cli, struct set_names *names)
{
	struct set_names found = { 0 };
	int err = zkcfg_list_sets(cli->shm_dir, set_names_add, &found);

	if (err < 0) {
		set_names_free(&found);
		return err;
	}
	if (found.count > 0)
		qsort(found.names, found.count, sizeof(*found.names), set_names_compare);
	*names = found;
	return 0;
}

void set_names_free(struct set_names *names)
{
	for (size_t i = 0; i < names->count; i++)
		free(names->names[i]);
	free(names->names);
	*names = (struct set_names){ 0 };
}

/* "; sets here: a, b" */
static void set_append_names(const struct cli *cli, struct buffer *text)
{
	struct set_names names;

	if (set_names(cli, &names) < 0)
		return;
	if (names.count > 0)
		buffer_printf(text, "; sets here: ");
	for (size_t i = 0; i < names.count && i < NAMES_SHOWN; i++)
		buffer_printf(text, "%s%s", i > 0 ? ", " : "", names.names[i]);
	if (names.count > NAMES_SHOWN)
		buffer_printf(text, " and %zu more", names.count - NAMES_SHOWN);
	set_names_free(&names);
}

static void set_complain_missing(const struct cli *cli, const char *name, const char *places)
{
	struct buffer text = { 0 };

	buffer_printf(&text, "no set \"%s\" in %s: is zkcfgd running, and does it serve this set?", name,
		      places);
	set_append_names(cli, &text);
	complain("%.*s", (int)text.size_bytes, text.bytes ? text.bytes : "");
	buffer_free(&text);
}

/* What to do about it. */
static const char *set_remedy(int err)
{
	switch (err) {
	case ZKCFG_EACCES:
		return ": ask for its group, or for another mode in the configuration of zkcfgd";
	case ZKCFG_ELAYOUT:
		return ": zkcfg and zkcfgd are not of one version";
	case ZKCFG_EOWNER:
	case ZKCFG_EMODE:
		return ": nothing of it is used; look who made it";
	case ZKCFG_ESIZE:
	case ZKCFG_EMAGIC:
	case ZKCFG_ECORRUPT:
		return ": nothing of it is used; zkcfgd makes it anew when it is started again";
	default:
		return "";
	}
}

int set_complain(const struct cli *cli, const char *name, int err)
{
	const char *reason = err == ZKCFG_ESYSTEM ? strerror(errno) : zkcfg_strerror(err);
	struct message places;

	set_places(cli, &places);
	switch (err) {
	case ZKCFG_EINVAL:
		complain(
			"\"%.80s\" in %.80s is not a set's name: expected letters, digits, '.', '_' and '-', "
			"64 at the most, no '.' first",
			name, places.text);
		return CLI_USAGE;
	case ZKCFG_ENOSET:
		set_complain_missing(cli, name, places.text);
		return CLI_UNREADABLE;
	case ZKCFG_EEMPTY:
		complain("set \"%s\": nothing is published yet: zkcfg status %s says how far zkcfgd is", name,
			 name);
		return CLI_UNREADABLE;
	default:
		complain("set \"%s\" in %s: %s%s", name, places.text, reason, set_remedy(err));
		return CLI_UNREADABLE;
	}
}

int set_complain_value(const struct set *set, const char *document, const char *path, int err)
{
	unsigned long long seq = zkcfg_snapshot_seq(set->snapshot);

	switch (err) {
	case ZKCFG_ENODOC:
		complain("set \"%s\" has no document \"%s\" (seq %llu): zkcfg ls %s lists those it has",
			 set->name, document, seq, set->name);
		return CLI_NOT_FOUND;
	case ZKCFG_ENOPATH:
		complain("%s of set \"%s\" has no %s (seq %llu): zkcfg ls %s %s lists the paths it has",
			 document, set->name, path, seq, set->name, document);
		return CLI_NOT_FOUND;
	case ZKCFG_ENOVALUE:
		complain("%s in %s of set \"%s\" holds elements, not a value: zkcfg ls %s %s lists the paths "
			 "that have one",
			 path, document, set->name, set->name, document);
		return CLI_NOT_FOUND;
	case ZKCFG_EINVAL:
		complain("\"%s\" is not a path: expected steps from the root element, as /server/pool/@max, "
			 "/server/upstream[2]/host or /server/upstream[@name='a']",
			 path);
		return CLI_USAGE;
	default:
		complain("%s of set \"%s\": %s", document, set->name, zkcfg_strerror(err));
		return CLI_UNREADABLE;
	}
}

int set_open(const struct cli *cli, const char *name, struct set *set)
{
	int err;

	*set = (struct set){ .name = name };
	err = zkcfg_open(name, cli->shm_dir, &set->cfg);
	return err < 0 ? set_complain(cli, name, err) : CLI_OK;
}

int set_check_age(const struct cli *cli, const char *name, const struct zkcfg_status *status)
{
	int64_t unverified_ms = zkcfg_status_unverified_ms(status);
	char age[OUTPUT_AGE_BYTES], most[OUTPUT_AGE_BYTES];

	if (cli->max_age_ms < 0 || (unverified_ms >= 0 && unverified_ms <= cli->max_age_ms))
		return CLI_OK;
	if (unverified_ms < 0)
		complain("set \"%s\" is stale: never verified by its source, and --max-age is %s: "
			 "zkcfg status %s says why",
			 name, output_age(cli->max_age_ms, most), name);
	else
		complain("set \"%s\" is stale: last verified %s ago, and --max-age is %s: "
			 "zkcfg status %s says why",
			 name, output_age(unverified_ms, age), output_age(cli->max_age_ms, most), name);
	return CLI_STALE;
}

int set_open_pinned(const struct cli *cli, struct set *set)
{
	struct zkcfg_status *status;
	int code, err;

	code = set_open(cli, cli->arguments[0], set);
	if (code != CLI_OK)
		return code;
	/* before pinning: then what is pinned is at least what was verified */
	err = zkcfg_status_read(set->cfg, &status);
	if (err < 0)
		return set_complain(cli, set->name, err);
	err = zkcfg_pin(set->cfg, &set->snapshot);
	code = err < 0 ? set_complain(cli, set->name, err) : set_check_age(cli, set->name, status);
	zkcfg_status_free(status);
	return code;
}

int set_await(const struct cli *cli, int64_t deadline_ns, struct set *set, bool *waited)
{
	const char *name = cli->arguments[0];
	struct message places;
	int err;

	*set = (struct set){ .name = name };
	*waited = false;
	while ((err = zkcfg_open(name, cli->shm_dir, &set->cfg)) == ZKCFG_ENOSET) {
		if (deadline_ns >= 0 && clock_monotonic_ns() >= deadline_ns)
			return CLI_TIMED_OUT;
		if (!*waited) {
			set_places(cli, &places);
			complain("no set \"%s\" in %s yet: waiting for it", name, places.text);
		}
		*waited = true;
		if (output_is_gone(AWAIT_EVERY_MS))
			return CLI_READER_GONE;
	}
	return err < 0 ? set_complain(cli, name, err) : CLI_OK;
}

void set_close(struct set *set)
{
	zkcfg_unpin(set->snapshot);
	zkcfg_close(set->cfg);
}

static int set_documents_compare(const void *a, const void *b)
{
	return strcmp(zkcfg_document_name(*(const struct zkcfg_document *const *)a),
		      zkcfg_document_name(*(const struct zkcfg_document *const *)b));
}

int set_documents(const struct set *set, const struct zkcfg_document ***documents, size_t *count)
{
	struct zkcfg_iterator iterator;
	const struct zkcfg_document *document;
	struct buffer found = { 0 };
	int err;

	zkcfg_iterator_init(&iterator, set->snapshot);
	while ((err = zkcfg_iterator_next(&iterator, &document)) == 0)
		buffer_append(&found, &document, sizeof(struct zkcfg_document *));
	if (err == ZKCFG_EEND)
		err = buffer_failed(&found) ? ZKCFG_ENOMEM : 0;
	if (err < 0) {
		buffer_free(&found);
		return err;
	}
	*documents = (const struct zkcfg_document **)(void *)found.bytes;
	*count = found.size_bytes / sizeof(struct zkcfg_document *);
	if (*count > 0)
		qsort(*documents, *count, sizeof(struct zkcfg_document *), set_documents_compare);
	return 0;
}

int set_each_value(const struct zkcfg_document *document,
		   int (*tell)(const char *path, const char *value, void *user), void *user)
{
	struct zkcfg_cursor cursor;
	int err = zkcfg_cursor_init(&cursor, document, NULL);

	while (err == 0) {
		const char *path = zkcfg_cursor_path(&cursor), *value = zkcfg_cursor_value(&cursor);

		if (!path)
			return ZKCFG_ECORRUPT;
		err = value ? tell(path, value, user) : 0;
		if (err == 0)
			err = zkcfg_cursor_next(&cursor);
	}
	return err == ZKCFG_EEND ? 0 : err;
}
