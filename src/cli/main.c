/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* zkcfg: read, watch, check and write configuration from the command line. */
#include "cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/duration.h"
#include "base/log.h"
#include "cli/hook_options.h"

static const struct cli_command *const commands[] = {
	&get_command,	       &ls_command,    &dump_command, &watch_command, &wait_command,
	&status_command,       &check_command, &put_command,  &rm_command,    &reload_command,
	&freeze_command,       &thaw_command,  &run_command,  &hook_command,  &hooks_command,
	&accept_older_command, NULL,
};

#define COMMANDS_COUNT (sizeof(commands) / sizeof(commands[0]) - 1)

/* --- the command line ------------------------------------------------------ */

/* Long enough for every command and option. */
#define OPTIONS_WORD_LENGTH 15

enum { OPTION_SHM_DIR = 256, OPTION_VERSION, OPTION_OF_COMMAND = 4096, OPTION_OF_HOOK = 1 << 20 };

#define HOOK_LONG(name, has_value, option)                     \
	{                                                      \
		name, has_value, NULL, OPTION_OF_HOOK + option \
	}

static const struct option long_options[] = {
	{ "shm-dir", required_argument, NULL, OPTION_SHM_DIR },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, OPTION_VERSION },
	{ "json", no_argument, NULL, OPTION_OF_COMMAND + CLI_JSON },
	{ "max-age", required_argument, NULL, OPTION_OF_COMMAND + CLI_MAX_AGE },
	{ "format", required_argument, NULL, OPTION_OF_COMMAND + CLI_FORMAT },
	{ "initial", no_argument, NULL, OPTION_OF_COMMAND + CLI_INITIAL },
	{ "newer", required_argument, NULL, OPTION_OF_COMMAND + CLI_NEWER },
	{ "timeout", required_argument, NULL, OPTION_OF_COMMAND + CLI_TIMEOUT },
	{ "schema", required_argument, NULL, OPTION_OF_COMMAND + CLI_SCHEMA },
	{ "if-version", required_argument, NULL, OPTION_OF_COMMAND + CLI_IF_VERSION },
	{ "no-check", no_argument, NULL, OPTION_OF_COMMAND + CLI_NO_CHECK },
	{ "state-dir", required_argument, NULL, OPTION_OF_COMMAND + CLI_STATE_DIR },
	{ "origin", no_argument, NULL, OPTION_OF_COMMAND + CLI_ORIGIN },
	{ "until", required_argument, NULL, OPTION_OF_COMMAND + CLI_UNTIL },
	HOOK_LONG("doc", required_argument, HOOK_OPTION_DOC),
	HOOK_LONG("path", required_argument, HOOK_OPTION_PATH),
	HOOK_LONG("render", required_argument, HOOK_OPTION_RENDER),
	HOOK_LONG("raw", required_argument, HOOK_OPTION_RAW),
	HOOK_LONG("owner", required_argument, HOOK_OPTION_OWNER),
	HOOK_LONG("group", required_argument, HOOK_OPTION_GROUP),
	HOOK_LONG("mode", required_argument, HOOK_OPTION_MODE),
	HOOK_LONG("check", required_argument, HOOK_OPTION_CHECK),
	HOOK_LONG("reload", required_argument, HOOK_OPTION_RELOAD),
	HOOK_LONG("signal", required_argument, HOOK_OPTION_SIGNAL),
	HOOK_LONG("pid-file", required_argument, HOOK_OPTION_PID_FILE),
	HOOK_LONG("restart", no_argument, HOOK_OPTION_RESTART),
	HOOK_LONG("url", required_argument, HOOK_OPTION_URL),
	HOOK_LONG("method", required_argument, HOOK_OPTION_METHOD),
	HOOK_LONG("status", required_argument, HOOK_OPTION_STATUS),
	HOOK_LONG("shell", no_argument, HOOK_OPTION_SHELL),
	HOOK_LONG("user", required_argument, HOOK_OPTION_USER),
	HOOK_LONG("env", required_argument, HOOK_OPTION_ENV),
	HOOK_LONG("limit", required_argument, HOOK_OPTION_LIMIT),
	HOOK_LONG("debounce", required_argument, HOOK_OPTION_DEBOUNCE),
	HOOK_LONG("debounce-max", required_argument, HOOK_OPTION_DEBOUNCE_MAX),
	HOOK_LONG("splay", required_argument, HOOK_OPTION_SPLAY),
	HOOK_LONG("retry", required_argument, HOOK_OPTION_RETRY),
	HOOK_LONG("retry-max", required_argument, HOOK_OPTION_RETRY_MAX),
	HOOK_LONG("name", required_argument, HOOK_OPTION_NAME),
	HOOK_LONG("config", required_argument, HOOK_OPTION_CONFIG),
	HOOK_LONG("once", no_argument, HOOK_OPTION_ONCE),
	{ NULL, 0, NULL, 0 },
};

#define OPTIONS_COUNT (sizeof(long_options) / sizeof(long_options[0]) - 1)

static bool options_number(const char *text, int64_t *number)
{
	char *end;
	long long parsed;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	parsed = strtoll(text, &end, 10);
	if (errno != 0 || *end != '\0')
		return false;
	*number = parsed;
	return true;
}

static bool options_format(const char *text, enum cli_format *format)
{
	static const char *const names[] = {
		[CLI_FORMAT_FLAT] = "flat", [CLI_FORMAT_XML] = "xml", [CLI_FORMAT_JSON] = "json"
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(text, names[i]) == 0) {
			*format = (enum cli_format)i;
			return true;
		}
	}
	return false;
}

/* How many letters have to be put in, left out, changed, or exchanged with the next one. */
static size_t options_distance(const char *a, const char *b)
{
	size_t d[OPTIONS_WORD_LENGTH + 1][OPTIONS_WORD_LENGTH + 1];
	size_t a_length = strlen(a), b_length = strlen(b);

	if (a_length > OPTIONS_WORD_LENGTH || b_length > OPTIONS_WORD_LENGTH)
		return SIZE_MAX;
	for (size_t i = 0; i <= a_length; i++) {
		for (size_t j = 0; j <= b_length; j++) {
			if (i == 0 || j == 0) {
				d[i][j] = i + j;
				continue;
			}
			d[i][j] = d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
			if (d[i - 1][j] + 1 < d[i][j])
				d[i][j] = d[i - 1][j] + 1;
			if (d[i][j - 1] + 1 < d[i][j])
				d[i][j] = d[i][j - 1] + 1;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    d[i - 2][j - 2] + 1 < d[i][j])
				d[i][j] = d[i - 2][j - 2] + 1;
		}
	}
	return d[a_length][b_length];
}

static const char *options_nearest(const char *word, const char *const *words)
{
	size_t least = SIZE_MAX, length = strlen(word);
	const char *nearest = NULL;

	for (; *words; words++) {
		size_t distance = options_distance(word, *words);

		if (length > 1 && strncmp(word, *words, length) == 0)
			distance = 0; /* the beginning of it */
		/* with as many mistakes as letters any word is near */
		if (distance < least && distance <= 2 && distance < length && distance < strlen(*words)) {
			least = distance;
			nearest = *words;
		}
	}
	return nearest;
}

static int options_refuse(struct message *message, const char *option, const char *value,
			  const char *expected)
{
	message_set(message, "--%s \"%.64s\": expected %s", option, value, expected);
	return -EINVAL;
}

/* An option that not every command has; whether this one has it is looked at in the end. */
static int options_take_own(struct cli *cli, enum cli_option option, struct message *message)
{
	static const char duration[] = "a time with ms, s, m or h, as 250ms, 1.5s or 2m, or seconds without";

	switch (option) {
	case CLI_JSON:
		cli->json = true;
		return 0;
	case CLI_ORIGIN:
		cli->origin = true;
		return 0;
	case CLI_INITIAL:
		cli->initial = true;
		return 0;
	case CLI_NO_CHECK:
		cli->no_check = true;
		return 0;
	case CLI_SCHEMA:
		cli->schema = optarg;
		return 0;
	case CLI_UNTIL:
		cli->until = optarg;
		return 0;
	case CLI_STATE_DIR:
		cli->state_dir = optarg;
		return *optarg != '\0' ? 0 : options_refuse(message, "state-dir", optarg, "a directory");
	case CLI_MAX_AGE:
		return duration_parse(optarg, "s", &cli->max_age_ms) == 0
			       ? 0
			       : options_refuse(message, "max-age", optarg, duration);
	case CLI_TIMEOUT:
		return duration_parse(optarg, "s", &cli->timeout_ms) == 0
			       ? 0
			       : options_refuse(message, "timeout", optarg, duration);
	case CLI_FORMAT:
		return options_format(optarg, &cli->format)
			       ? 0
			       : options_refuse(message, "format", optarg, "xml, flat or json");
	case CLI_NEWER:
		return options_number(optarg, &cli->newer)
			       ? 0
			       : options_refuse(message, "newer", optarg,
						"a seq, as zkcfg wait and status print it");
	case CLI_HOOK:
		break; /* is one of its own */
	case CLI_IF_VERSION:
		return options_number(optarg, &cli->if_version)
			       ? 0
			       : options_refuse(message, "if-version", optarg,
						"a version, as zkcfg put prints it");
	}
	return -EINVAL;
}

static int options_unknown(const char *word, struct message *message)
{
	const char *names[OPTIONS_COUNT + 1] = { NULL };
	char name[OPTIONS_WORD_LENGTH + 1];
	size_t length = 0;
	const char *nearest = NULL;

	for (size_t i = 0; i < OPTIONS_COUNT; i++)
		names[i] = long_options[i].name;
	if (strncmp(word, "--", 2) == 0)
		length = strcspn(word + 2, "=");
	if (length > 0 && length < sizeof(name)) {
		memcpy(name, word + 2, length);
		name[length] = '\0';
		nearest = options_nearest(name, names);
	}
	if (nearest)
		message_set(message, "there is no option %.64s; did you mean --%s? See zkcfg --help", word,
			    nearest);
	else
		message_set(message, "there is no option %.64s: see zkcfg --help", word);
	return -EINVAL;
}

/* The first of these options (of enum cli_option) by its name, "json". */
static const char *options_name(const struct cli *cli, unsigned which)
{
	if (which & CLI_HOOK) {
		for (size_t i = 0; i < OPTIONS_COUNT; i++)
			if (long_options[i].val == OPTION_OF_HOOK + cli->given[0].option)
				return long_options[i].name;
	}
	for (size_t i = 0; i < OPTIONS_COUNT; i++)
		if (long_options[i].val > OPTION_OF_COMMAND && long_options[i].val < OPTION_OF_HOOK &&
		    (which & (unsigned)(long_options[i].val - OPTION_OF_COMMAND)))
			return long_options[i].name;
	return "";
}

static int options_take(struct cli *cli, int option, char **argv, unsigned *given, struct message *message)
{
	if (option >= OPTION_OF_HOOK) {
		*given |= CLI_HOOK;
		cli->given[cli->given_count++] =
			(struct cli_given){ .option = option - OPTION_OF_HOOK, .value = optarg };
		return 0;
	}
	if (option > OPTION_OF_COMMAND) {
		*given |= (unsigned)(option - OPTION_OF_COMMAND);
		return options_take_own(cli, (enum cli_option)(option - OPTION_OF_COMMAND), message);
	}
	switch (option) {
	case 1: /* getopt's word for an argument */
		cli->arguments[cli->argument_count++] = optarg;
		return 0;
	case 'h':
		cli->help = true;
		return 0;
	case OPTION_VERSION:
		cli->version = true;
		return 0;
	case OPTION_SHM_DIR:
		cli->shm_dir = optarg;
		if (*optarg != '\0')
			return 0;
		return options_refuse(message, "shm-dir", optarg, "a directory");
	case ':':
		message_set(message, "option %.64s needs a value: see zkcfg --help", argv[optind - 1]);
		return -EINVAL;
	}
	if (optopt >= OPTION_SHM_DIR) {
		message_set(message, "option %.64s takes no value: see zkcfg --help", argv[optind - 1]);
		return -EINVAL;
	}
	return options_unknown(argv[optind - 1], message);
}

static int options_find_command(const char *name, struct cli *cli, struct message *message)
{
	const char *names[COMMANDS_COUNT + 1] = { NULL };
	const char *nearest;

	for (size_t i = 0; commands[i]; i++) {
		if (strcmp(name, commands[i]->name) == 0) {
			cli->command = commands[i];
			return 0;
		}
		names[i] = commands[i]->name;
	}
	nearest = options_nearest(name, names);
	if (nearest)
		message_set(message, "there is no command \"%.64s\"; did you mean %s? See zkcfg --help", name,
			    nearest);
	else
		message_set(message, "there is no command \"%.64s\": see zkcfg --help", name);
	return -EINVAL;
}

/* Take the command's name off the arguments; "help" before it is a way to ask for help. */
static int options_take_command(struct cli *cli, struct message *message)
{
	if (cli->argument_count > 0 && strcmp(cli->arguments[0], "help") == 0) {
		cli->help = true;
		cli->arguments++;
		cli->argument_count--;
	}
	if (cli->argument_count == 0)
		return 0;
	cli->argument_count--;
	return options_find_command(*cli->arguments++, cli, message);
}

static int options_check(const struct cli *cli, unsigned given, struct message *message)
{
	const struct cli_command *command = cli->command;
	unsigned foreign;

	if (cli->help || cli->version)
		return 0;
	if (!command) {
		message_set(message, "a command is missing: see zkcfg --help");
		return -EINVAL;
	}
	foreign = given & ~command->options;
	if (foreign) {
		message_set(message, "%s has no option --%s: see zkcfg %s --help", command->name,
			    options_name(cli, foreign), command->name);
		return -EINVAL;
	}
	if (cli->argument_count < command->least || cli->argument_count > command->most) {
		message_set(message, "%s: %s arguments: expected %s, see zkcfg %s --help", command->name,
			    cli->argument_count < command->least ? "too few" : "too many", command->arguments,
			    command->name);
		return -EINVAL;
	}
	return 0;
}

static void options_free(struct cli *cli)
{
	free(cli->allocation);
	free(cli->given);
	cli->given = NULL;
	cli->given_count = 0;
	cli->allocation = cli->arguments = NULL;
	cli->argument_count = 0;
}

static int options_parse(int argc, char **argv, struct cli *cli, struct message *message)
{
	struct cli parsed = { .max_age_ms = -1, .timeout_ms = -1, .newer = -1, .if_version = -1 };
	unsigned given = 0;
	int option, err = 0;

	parsed.allocation = calloc((size_t)argc + 1, sizeof(*parsed.allocation));
	parsed.arguments = parsed.allocation;
	parsed.given = calloc((size_t)argc + 1, sizeof(*parsed.given));
	if (!parsed.arguments || !parsed.given) {
		options_free(&parsed);
		message_set(message, "out of memory");
		return -ENOMEM;
	}
	optind = 0;
	opterr = 0;
	/* '-': arguments come as they stand, before and behind options, POSIXLY_CORRECT or not */
	while (err == 0 && (option = getopt_long(argc, argv, "-:h", long_options, NULL)) != -1)
		err = options_take(&parsed, option, argv, &given, message);
	while (err == 0 && optind < argc) /* behind "--" */
		parsed.arguments[parsed.argument_count++] = argv[optind++];
	if (err == 0)
		err = options_take_command(&parsed, message);
	if (err == 0)
		err = options_check(&parsed, given, message);
	if (err < 0) {
		options_free(&parsed);
		return err;
	}
	*cli = parsed;
	return 0;
}

/* --- help, and the way through --------------------------------------------- */

static void help_all(void)
{
	puts("usage: zkcfg COMMAND [ARGUMENT...] [--shm-dir DIR] [OPTION...]\n"
	     "\n"
	     "Reads configuration that zkcfgd publishes in shared memory, and writes it at its source.\n");
	for (size_t i = 0; commands[i]; i++)
		printf("  %-12s %-20s %s\n", commands[i]->name, commands[i]->arguments, commands[i]->purpose);
	puts("\n"
	     "  --shm-dir DIR   where zkcfgd publishes (ZKCFG_SHM_DIR; else the user's own directory, else\n"
	     "                  /dev/shm/zkcfg)\n"
	     "  --help          of zkcfg, or of a command\n"
	     "  --version\n"
	     "\n"
	     "examples:\n"
	     "  zkcfg ls                                        what is there\n"
	     "  zkcfg get app service.xml /service/listen/@port\n"
	     "  zkcfg watch app                                 a line a change\n"
	     "  zkcfg status                                    how fresh it is, and what was refused\n"
	     "  zkcfg put zk://127.0.0.1:2181/conf/app/service.xml service.xml\n"
	     "\n"
	     "exit status: 0 ok, 1 not found, 2 usage, 3 nothing published or unreadable, 4 invalid,\n"
	     "5 stale, 6 timed out, 7 source failed. More in zkcfg(1).");
}

static int main_run(const struct cli *cli)
{
	if (cli->version) {
		puts("zkcfg " PACKAGE_VERSION);
		return CLI_OK;
	}
	if (!cli->help)
		return cli->command->run(cli);
	if (cli->command)
		printf("usage: zkcfg %s %s\n\n%s", cli->command->name, cli->command->arguments,
		       cli->command->help);
	else
		help_all();
	return CLI_OK;
}

/* What was printed must have arrived: a full disk or a closed pipe is no success. */
static int main_finish(int code)
{
	bool failed = ferror(stdout);

	if (code == CLI_READER_GONE)
		return CLI_OK;
	errno = 0;
	if (fclose(stdout) == 0 && !failed)
		return code;
	complain("cannot write to standard output: %s",
		 errno != 0 ? strerror(errno) : "an earlier write failed");
	return code == CLI_OK ? CLI_UNREADABLE : code;
}

/* If standard output is closed, no file that is opened later may take its place. */
static void main_hold_descriptors(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	while (fd >= 0 && fd <= STDERR_FILENO);
	close(fd);
}

int main(int argc, char **argv)
{
	struct message message;
	struct cli cli;
	int code;

	main_hold_descriptors();
	signal(SIGPIPE, SIG_IGN); /* a closed pipe is an error with a message */
	log_start(LOG_LEVEL_WARNING);
	if (options_parse(argc, argv, &cli, &message) < 0) {
		complain("%s", message.text);
		return CLI_USAGE;
	}
	code = main_run(&cli);
	options_free(&cli);
	return main_finish(code);
}
