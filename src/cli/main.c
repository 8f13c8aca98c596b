/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* zkcfg: the table of subcommands, and their options. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

volatile sig_atomic_t cli_interrupted;

static void on_signal(int signal)
{
	cli_interrupted = signal;
}

void cli_catch_signals(void)
{
	struct sigaction action = { .sa_handler = on_signal }; /* no SA_RESTART: a wait ends */

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

static const struct cli_command commands[] = {
	{ .name = "get", .arguments = "SET DOC [PATH]", .summary = "print a value, or a document as it was fetched",
	  .options = "max-age ", .fewest = 2, .most = 3, .run = get_run,
	  .examples = "  zkcfg get app service.xml /service/listen/@port\n"
		      "  zkcfg get app service.xml \"/service/upstream[@name='a']/host\"\n"
		      "  zkcfg get app service.xml > service.xml\n"
		      "  zkcfg get --max-age 30s app service.xml /service/listen/@port || echo stale\n" },
	{ .name = "ls", .arguments = "[SET [DOC]]", .summary = "list sets, documents, or the paths of a document",
	  .options = "json ", .fewest = 0, .most = 2, .run = ls_run,
	  .examples = "  zkcfg ls\n  zkcfg ls app\n  zkcfg ls app service.xml\n" },
	{ .name = "dump", .arguments = "SET [DOC]", .summary = "print all values",
	  .options = "format max-age ", .fewest = 1, .most = 2, .run = dump_run,
	  .examples = "  zkcfg dump app\n"
		      "  zkcfg dump app service.xml --format json\n"
		      "  zkcfg dump app service.xml --format xml\n" },
	{ .name = "watch", .arguments = "SET [DOC [PATH]]", .summary = "print a line a change, until interrupted",
	  .options = "json initial ", .fewest = 1, .most = 3, .run = watch_run,
	  .examples = "  zkcfg watch app\n"
		      "  zkcfg watch app service.xml /service/listen --initial\n"
		      "  zkcfg watch app --json | while read -r line; do echo \"$line\"; done\n" },
	{ .name = "wait", .arguments = "SET", .summary = "wait for a commit newer than --newer, and print its seq",
	  .options = "newer timeout json ", .fewest = 1, .most = 1, .run = wait_run,
	  .examples = "  zkcfg wait app --newer 0 --timeout 30   # until the set is served\n"
		      "  zkcfg wait app --newer 42\n" },
	{ .name = "status", .arguments = "[SET]", .summary = "how sets stand to their sources",
	  .options = "json max-age ", .fewest = 0, .most = 1, .run = status_run,
	  .examples = "  zkcfg status\n  zkcfg status app --json\n  zkcfg status app --max-age 1m\n" },
	{ .name = "check", .arguments = "FILE...", .summary = "check XML files as zkcfgd would",
	  .options = "schema ", .fewest = 1, .most = -1, .run = check_run,
	  .examples = "  zkcfg check service.xml\n  zkcfg check *.xml --schema service.rng\n" },
	{ .name = "put", .arguments = "URI FILE", .summary = "check a file and write it to the source",
	  .options = "if-version timeout no-check schema json ", .fewest = 2, .most = 2, .run = put_run,
	  .examples = "  zkcfg put zk://zk1:2181/conf/app/service.xml service.xml\n"
		      "  zkcfg put zk://zk1:2181/conf/app/service.xml - --if-version 3 < service.xml\n" },
	{ .name = "rm", .arguments = "URI", .summary = "remove a document from the source",
	  .options = "if-version timeout ", .fewest = 1, .most = 1, .run = rm_run,
	  .examples = "  zkcfg rm zk://zk1:2181/conf/app/old.xml\n" },
};

#define COMMAND_COUNT (sizeof(commands) / sizeof(commands[0]))

enum {
	OPTION_SHM_DIR = 256, OPTION_JSON, OPTION_FORMAT, OPTION_MAX_AGE, OPTION_NEWER, OPTION_TIMEOUT,
	OPTION_SCHEMA, OPTION_IF_VERSION, OPTION_NO_CHECK, OPTION_INITIAL, OPTION_HELP, OPTION_VERSION
};

static const struct option long_options[] = {
	{ "shm-dir", required_argument, NULL, OPTION_SHM_DIR },
	{ "json", no_argument, NULL, OPTION_JSON },
	{ "format", required_argument, NULL, OPTION_FORMAT },
	{ "max-age", required_argument, NULL, OPTION_MAX_AGE },
	{ "newer", required_argument, NULL, OPTION_NEWER },
	{ "timeout", required_argument, NULL, OPTION_TIMEOUT },
	{ "schema", required_argument, NULL, OPTION_SCHEMA },
	{ "if-version", required_argument, NULL, OPTION_IF_VERSION },
	{ "no-check", no_argument, NULL, OPTION_NO_CHECK },
	{ "initial", no_argument, NULL, OPTION_INITIAL },
	{ "help", no_argument, NULL, OPTION_HELP },
	{ "version", no_argument, NULL, OPTION_VERSION },
	{ NULL, 0, NULL, 0 },
};

static const struct {
	int option;
	const char *text;
} option_help[] = {
	{ OPTION_JSON, "  --json             machine form" },
	{ OPTION_FORMAT, "  --format FORMAT    flat (default), json, or xml (one document, as it was fetched)" },
	{ OPTION_MAX_AGE, "  --max-age TIME     exit 5 if the source vouched longer ago, as 30s, 500ms, 5m" },
	{ OPTION_NEWER, "  --newer SEQ        the seq you have; 0 for none" },
	{ OPTION_TIMEOUT, "  --timeout SECONDS  give up after so long" },
	{ OPTION_SCHEMA, "  --schema FILE      a RELAX NG or XML Schema to keep to" },
	{ OPTION_IF_VERSION, "  --if-version N     only if the source still has this version" },
	{ OPTION_NO_CHECK, "  --no-check         write it whether it is XML or not" },
	{ OPTION_INITIAL, "  --initial          begin with all present values" },
};

static const char *option_name(int option)
{
	for (const struct option *o = long_options; o->name; o++)
		if (o->val == option)
			return o->name;
	return "";
}

static bool command_takes(const struct cli_command *command, int option)
{
	const char *name = option_name(option), *at = command->options;
	size_t length = strlen(name);

	if (option == OPTION_SHM_DIR || option == OPTION_HELP || option == OPTION_VERSION)
		return true;
	for (; (at = strstr(at, name)); at += length)
		if (at[length] == ' ' && (at == command->options || at[-1] == ' '))
			return true;
	return false;
}

static void help_all(void)
{
	puts("usage: zkcfg COMMAND [ARGUMENTS] [OPTIONS]\n\nRead and publish configuration.\n");
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		printf("  %-7s%-17s %s\n", commands[i].name, commands[i].arguments, commands[i].summary);
	puts("\n"
	     "  --shm-dir DIR      where zkcfgd publishes (default ZKCFG_SHM_DIR, your own, or /dev/shm/zkcfg)\n"
	     "  --help             of a command too: zkcfg get --help\n"
	     "  --version\n"
	     "\n"
	     "exit codes: 0 ok, 1 not found, 2 usage, 3 nothing published or unreadable, 4 invalid,\n"
	     "            5 stale (--max-age), 6 timed out, 7 source failed\n"
	     "\n"
	     "examples:\n"
	     "  zkcfg put zk://zk1:2181/conf/app/service.xml service.xml\n"
	     "  zkcfg get app service.xml /service/listen/@port\n"
	     "  zkcfg watch app");
}

static void help_command(const struct cli_command *command)
{
	printf("usage: zkcfg %s %s [OPTIONS]\n\n%s\n\n", command->name, command->arguments, command->summary);
	for (size_t i = 0; i < sizeof(option_help) / sizeof(option_help[0]); i++)
		if (command_takes(command, option_help[i].option))
			puts(option_help[i].text);
	printf("  --shm-dir DIR      where zkcfgd publishes\n\nexamples:\n%s", command->examples);
}

/* Levenshtein's distance, for words of a subcommand's length. */
static size_t word_distance(const char *a, const char *b)
{
	size_t row[16], length = strlen(b), diagonal, above;

	if (length >= sizeof(row) / sizeof(row[0]))
		return length;
	for (size_t j = 0; j <= length; j++)
		row[j] = j;
	for (size_t i = 1; a[i - 1] != '\0'; i++) {
		diagonal = row[0];
		row[0] = i;
		for (size_t j = 1; j <= length; j++) {
			size_t best = diagonal + (a[i - 1] != b[j - 1]);

			above = row[j];
			if (above + 1 < best)
				best = above + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			diagonal = above;
			row[j] = best;
		}
	}
	return row[length];
}

static const struct cli_command *command_find(const char *name)
{
	const struct cli_command *nearest = NULL;
	size_t distance = 3;

	for (size_t i = 0; i < COMMAND_COUNT; i++) {
		size_t this_distance = word_distance(name, commands[i].name);

		if (this_distance == 0)
			return &commands[i];
		if (this_distance < distance) {
			distance = this_distance;
			nearest = &commands[i];
		}
	}
	if (nearest)
		cli_fail(0, "unknown command \"%s\": did you mean \"%s\"? See zkcfg --help", name, nearest->name);
	else
		cli_fail(0, "unknown command \"%s\": see zkcfg --help", name);
	return NULL;
}

/* "30s", "500ms", "5m", "1h", or seconds. */
static bool parse_duration(const char *text, int64_t *ms)
{
	static const struct {
		const char *unit;
		double ms;
	} units[] = { { "", 1000 }, { "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "h", 3600000 } };
	double number;
	char *unit;

	if (*text < '0' || *text > '9')
		return false;
	number = strtod(text, &unit);
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcmp(unit, units[i].unit) == 0 && number * units[i].ms < 1e15) {
			*ms = (int64_t)(number * units[i].ms);
			return true;
		}
	}
	return false;
}

static bool parse_number(const char *text, uint64_t most, uint64_t *number)
{
	char *end;

	errno = 0;
	*number = strtoull(text, &end, 10);
	return *text >= '0' && *text <= '9' && *end == '\0' && errno == 0 && *number <= most;
}

static int take_option(struct cli_options *options, int option)
{
	uint64_t number;

	switch (option) {
	case OPTION_SHM_DIR:
		options->shm_dir = optarg;
		return 0;
	case OPTION_JSON:
		options->json = true;
		return 0;
	case OPTION_FORMAT:
		options->format = optarg;
		return 0;
	case OPTION_MAX_AGE:
		if (parse_duration(optarg, &options->max_age_ms))
			return 0;
		return cli_fail(EXIT_USAGE, "--max-age \"%s\": expected a time, as 30s, 500ms or 5m", optarg);
	case OPTION_NEWER:
		options->newer_given = true;
		if (parse_number(optarg, UINT64_MAX, &options->newer))
			return 0;
		return cli_fail(EXIT_USAGE, "--newer \"%s\": expected a seq, as zkcfg status shows it", optarg);
	case OPTION_TIMEOUT:
		if (parse_duration(optarg, &options->timeout_ms))
			return 0;
		return cli_fail(EXIT_USAGE, "--timeout \"%s\": expected seconds, as 10 or 0.5", optarg);
	case OPTION_SCHEMA:
		options->schema = optarg;
		return 0;
	case OPTION_IF_VERSION:
		if (parse_number(optarg, INT32_MAX, &number)) {
			options->if_version = (int64_t)number;
			return 0;
		}
		return cli_fail(EXIT_USAGE, "--if-version \"%s\": expected a version, 0 or more", optarg);
	case OPTION_NO_CHECK:
		options->no_check = true;
		return 0;
	case OPTION_INITIAL:
		options->initial = true;
		return 0;
	default:
		return 0;
	}
}

static int command_run(const struct cli_command *command, struct cli_options *options)
{
	if (options->argument_count < command->fewest ||
	    (command->most >= 0 && options->argument_count > command->most))
		return cli_fail(EXIT_USAGE, "%s: expected %s; got %d argument%s. See zkcfg %s --help", command->name,
				command->arguments[0] != '\0' ? command->arguments : "no argument",
				options->argument_count, options->argument_count == 1 ? "" : "s", command->name);
	return output_end(command->run(options));
}

int main(int argc, char **argv)
{
	struct cli_options options = { .max_age_ms = -1, .timeout_ms = -1, .if_version = -1 };
	const struct cli_command *command;
	int option, taken[16], taken_count = 0, code;
	bool help = false;

	signal(SIGPIPE, SIG_IGN);
	opterr = 0;
	while ((option = getopt_long(argc, argv, ":", long_options, NULL)) != -1) {
		if (option == ':')
			return cli_fail(EXIT_USAGE, "option %s needs a value: see zkcfg --help", argv[optind - 1]);
		if (option == '?')
			return cli_fail(EXIT_USAGE, "unknown option %s: see zkcfg --help", argv[optind - 1]);
		if (option == OPTION_VERSION) {
			printf("zkcfg %s\n", zkcfg_version());
			return output_end(EXIT_OK);
		}
		help = help || option == OPTION_HELP;
		code = take_option(&options, option);
		if (code != 0)
			return code;
		if (taken_count < (int)(sizeof(taken) / sizeof(taken[0])))
			taken[taken_count++] = option;
	}
	if (optind == argc) {
		if (!help)
			return cli_fail(EXIT_USAGE, "expected a command: see zkcfg --help");
		help_all();
		return output_end(EXIT_OK);
	}
	command = command_find(argv[optind]);
	if (!command)
		return EXIT_USAGE;
	if (help) {
		help_command(command);
		return output_end(EXIT_OK);
	}
	for (int i = 0; i < taken_count; i++)
		if (!command_takes(command, taken[i]))
			return cli_fail(EXIT_USAGE, "%s takes no option --%s: see zkcfg %s --help", command->name,
					option_name(taken[i]), command->name);
	options.argument_count = argc - optind - 1;
	options.arguments = argv + optind + 1;
	return command_run(command, &options);
}
