/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include <time.h>

#include "cli/cli.h"

struct watch {
	const struct cli_options *options;
	uint64_t seq; /* of the commit that is told */
};

/* Is it below the path that was asked for? */
static bool path_is_below(const char *path, const char *top)
{
	size_t length = strlen(top);

	return strncmp(path, top, length) == 0 && (path[length] == '\0' || path[length] == '/' || path[length] == '[');
}

static bool watch_wants(const struct watch *watch, const struct zkcfg_change *change)
{
	const struct cli_options *options = watch->options;

	if (options->argument_count > 1 && strcmp(change->document, options->arguments[1]) != 0)
		return false;
	return options->argument_count < 3 || (change->path && path_is_below(change->path, options->arguments[2]));
}

static void print_field(const char *text)
{
	putchar('\t');
	if (text)
		output_escaped(text);
}

static void print_line(const struct watch *watch, const struct zkcfg_change *change)
{
	static const char *const words[] = { "", "added", "removed", "changed" };

	printf("%llu\t%s%s%s", (unsigned long long)watch->seq,
	       output_colour(change->kind == ZKCFG_REMOVED ? OUTPUT_BAD : OUTPUT_GOOD), words[change->kind],
	       output_colour(OUTPUT_PLAIN));
	print_field(change->document);
	print_field(change->path);
	print_field(change->old_value);
	print_field(change->new_value);
	putchar('\n');
}

static int print_json(const struct watch *watch, const struct zkcfg_change *change)
{
	static const char *const words[] = { "", "added", "removed", "changed" };

	return output_json(json_pack("{s:s, s:I, s:s, s:s, s:s?, s:s?, s:s?}", "set", watch->options->arguments[0],
				     "seq", (json_int_t)watch->seq, "change", words[change->kind], "document",
				     change->document, "path", change->path, "old", change->old_value, "new",
				     change->new_value),
			   false);
}

static int on_change(const struct zkcfg_change *change, void *user)
{
	struct watch *watch = user;

	if (!watch_wants(watch, change))
		return 0;
	if (watch->options->json)
		return print_json(watch, change);
	print_line(watch, change);
	return 0;
}

/* Open the set, waiting for it to be there. An exit code. */
static int watch_open(const struct cli_options *options, struct zkcfg **cfg)
{
	static const struct timespec pause = { .tv_nsec = 200 * 1000 * 1000 };
	bool said = false;
	int err;

	while ((err = zkcfg_open(options->arguments[0], options->shm_dir, cfg)) == ZKCFG_ENOSET && !cli_interrupted) {
		if (!said)
			cli_fail(0, "no set \"%s\" yet: waiting for zkcfgd to serve it", options->arguments[0]);
		said = true;
		nanosleep(&pause, NULL);
	}
	return err == 0 || err == ZKCFG_ENOSET ? EXIT_OK
					       : cli_fail_error(options, err, options->arguments[0], NULL, NULL);
}

/* Tell what the newest commit changes against *told, which it replaces. */
static int watch_tell(struct watch *watch, struct zkcfg *cfg, struct zkcfg_snapshot **told, bool silently)
{
	struct zkcfg_snapshot *newest;
	int result = 0, err;

	err = zkcfg_pin(cfg, &newest);
	if (err == ZKCFG_EEMPTY)
		return EXIT_OK;
	if (err < 0)
		return cli_fail_error(watch->options, err, watch->options->arguments[0], NULL, NULL);
	watch->seq = zkcfg_snapshot_seq(newest);
	if (!silently)
		result = zkcfg_diff(*told, newest, on_change, watch);
	zkcfg_unpin(*told);
	*told = newest;
	if (result < 0)
		return cli_fail(EXIT_UNREADABLE, "set %s: %s", watch->options->arguments[0], zkcfg_strerror(result));
	return result;
}

static int watch_loop(const struct cli_options *options, struct zkcfg *cfg)
{
	struct watch watch = { .options = options };
	struct zkcfg_snapshot *told = NULL;
	int err, code;

	code = watch_tell(&watch, cfg, &told, !options->initial);
	while (code == EXIT_OK && !cli_interrupted && fflush(stdout) == 0) {
		err = zkcfg_wait(cfg, told ? zkcfg_snapshot_seq(told) : 0, 1000, NULL);
		if (err == 0)
			code = watch_tell(&watch, cfg, &told, false);
		else if (err != ZKCFG_ETIMEDOUT && err != ZKCFG_EINTR)
			code = cli_fail_error(options, err, options->arguments[0], NULL, NULL);
	}
	zkcfg_unpin(told);
	return code;
}

int watch_run(const struct cli_options *options)
{
	struct zkcfg *cfg = NULL;
	int code;

	cli_catch_signals();
	code = watch_open(options, &cfg);
	if (cfg)
		code = watch_loop(options, cfg);
	zkcfg_close(cfg);
	return code;
}
