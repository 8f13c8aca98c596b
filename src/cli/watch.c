/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

static const char watch_help[] =
	"Prints a line for each value that changes from now on: seq, document, path, old value, new\n"
	"value, separated by tabs, with \\t, \\n, \\r, \\\\ and \\xHH for what would break the line, and\n"
	"\\N for what is not there. A document that comes or goes has a line of its own before its values:\n"
	"its path is \\N, and the side on which it is there is empty. PATH may be an element: all below it\n"
	"is shown.\n"
	"Goes on when zkcfgd is restarted, waits for a set that is not there yet, and ends on SIGINT,\n"
	"SIGTERM or when nobody reads its output any more, with exit status 0.\n"
	"\n"
	"  --json     an object a line, with set, seq, change, document, path, old and new\n"
	"  --initial  print what is there first, as if it had just been added\n"
	"\n"
	"examples:\n"
	"  zkcfg watch app\n"
	"  zkcfg watch app service.xml /service/listen\n"
	"  zkcfg watch app --json | while read -r change; do ...; done\n";

/* How often to look whether somebody still reads. */
#define WATCH_LOOK_MS 1000

struct watch {
	const struct cli *cli;
	const char *document; /* NULL: all */
	const char *path;     /* NULL: all */
	struct set set;
	const struct zkcfg_snapshot *newer;
	/* what path names on both sides, as changes spell it; NULL: nothing */
	const char *old_path, *new_path;
	struct zkcfg_cursor old_cursor, new_cursor;
};

/* Nothing is left to do at the end: every line was written at once. */
static void watch_end(int signal)
{
	(void)signal;
	_exit(CLI_OK);
}

static void watch_catch(void)
{
	struct sigaction action = { .sa_handler = watch_end };

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

static const char *watch_resolve(const struct zkcfg_snapshot *snapshot, const struct watch *watch,
				 struct zkcfg_cursor *cursor)
{
	const struct zkcfg_document *document;

	if (!snapshot || !watch->path || zkcfg_find(snapshot, watch->document, &document) < 0 ||
	    zkcfg_cursor_init(cursor, document, watch->path) < 0)
		return NULL;
	return zkcfg_cursor_path(cursor);
}

/* Is this path the other one, or below it? */
static bool watch_is_below(const char *path, const char *above)
{
	size_t length = above ? strlen(above) : 0;

	return above && strncmp(path, above, length) == 0 && (path[length] == '\0' || path[length] == '/');
}

static bool watch_wants(const struct watch *watch, const struct zkcfg_change *change)
{
	if (watch->document && strcmp(change->document, watch->document) != 0)
		return false;
	if (!watch->path)
		return true;
	return change->path && (watch_is_below(change->path, watch->old_path) ||
				watch_is_below(change->path, watch->new_path));
}

static int watch_tell_json(const struct watch *watch, const struct zkcfg_change *change)
{
	static const char *const words[] = {
		[ZKCFG_ADDED] = "added", [ZKCFG_REMOVED] = "removed", [ZKCFG_CHANGED] = "changed"
	};

	return output_json(json_pack("{s:s, s:I, s:s, s:s, s:s?, s:s?, s:s?}", "set", watch->set.name, "seq",
				     (json_int_t)zkcfg_snapshot_seq(watch->newer), "change",
				     words[change->kind], "document", change->document, "path", change->path,
				     "old", change->old_value, "new", change->new_value),
			   JSON_COMPACT);
}

static void watch_tell_line(const struct watch *watch, const struct zkcfg_change *change)
{
	const char *old_value = change->old_value, *new_value = change->new_value;

	if (!change->path && change->kind == ZKCFG_REMOVED)
		old_value = "";
	else if (!change->path)
		new_value = "";
	printf("%llu\t", (unsigned long long)zkcfg_snapshot_seq(watch->newer));
	output_escaped(change->document);
	putchar('\t');
	output_escaped(change->path);
	printf("\t%s", output_colour(OUTPUT_RED));
	output_escaped(old_value);
	printf("%s\t%s", output_colour(OUTPUT_PLAIN), output_colour(OUTPUT_GREEN));
	output_escaped(new_value);
	printf("%s\n", output_colour(OUTPUT_PLAIN));
}

static int watch_tell(const struct zkcfg_change *change, void *user)
{
	struct watch *watch = user;
	int code = CLI_OK;

	if (!watch_wants(watch, change))
		return CLI_OK;
	if (watch->cli->json)
		code = watch_tell_json(watch, change);
	else
		watch_tell_line(watch, change);
	if (fflush(stdout) == 0)
		return code;
	return errno == EPIPE ? CLI_READER_GONE : CLI_UNREADABLE; /* main.c says why */
}

/* Tell how the newest commit differs from the one pinned, and pin it instead. */
static int watch_step(struct watch *watch, bool tell)
{
	struct zkcfg_snapshot *newer;
	int result = zkcfg_pin(watch->set.cfg, &newer);

	if (result == ZKCFG_EEMPTY)
		return CLI_OK;
	if (result < 0)
		return set_complain(watch->cli, watch->set.name, result);
	watch->newer = newer;
	watch->old_path = watch_resolve(watch->set.snapshot, watch, &watch->old_cursor);
	watch->new_path = watch_resolve(newer, watch, &watch->new_cursor);
	if (tell)
		result = zkcfg_diff(watch->set.snapshot, newer, watch_tell, watch);
	zkcfg_unpin(watch->set.snapshot);
	watch->set.snapshot = newer;
	return result < 0 ? set_complain(watch->cli, watch->set.name, result) : result;
}

static int watch_follow(struct watch *watch, bool tell)
{
	int code = watch_step(watch, tell), err;

	if (code == CLI_OK && !watch->set.snapshot)
		complain("set \"%s\": nothing is published yet: waiting for it", watch->set.name);
	while (code == CLI_OK) {
		uint64_t seen = watch->set.snapshot ? zkcfg_snapshot_seq(watch->set.snapshot) : 0;

		err = zkcfg_wait(watch->set.cfg, seen, WATCH_LOOK_MS, NULL);
		if (err == 0)
			code = watch_step(watch, true);
		else if (err != ZKCFG_ETIMEDOUT && err != ZKCFG_EINTR)
			code = set_complain(watch->cli, watch->set.name, err);
		if (code == CLI_OK && output_is_gone(0))
			code = CLI_READER_GONE;
	}
	return code;
}

static int watch_run(const struct cli *cli)
{
	struct watch watch = { .cli = cli };
	bool waited;
	int code;

	watch.document = cli->argument_count > 1 ? cli->arguments[1] : NULL;
	watch.path = cli->argument_count > 2 ? cli->arguments[2] : NULL;
	watch_catch();
	code = set_await(cli, -1, &watch.set, &waited);
	if (code == CLI_OK)
		code = watch_follow(&watch, waited || cli->initial);
	set_close(&watch.set);
	return code;
}

const struct cli_command watch_command = {
	.name = "watch",
	.arguments = "SET [DOC [PATH]]",
	.purpose = "print a line a change",
	.help = watch_help,
	.options = CLI_JSON | CLI_INITIAL,
	.least = 1,
	.most = 3,
	.run = watch_run,
};
