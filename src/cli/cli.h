/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of zkcfg, the command line, share: exit codes, the parsed
 * command line, sets as the reading commands open them, and output.
 *
 * A command is a file with a struct cli_command. It writes what was asked for
 * on standard output and all else on standard error, says itself what went
 * wrong, and returns an exit code. That standard output could be written at
 * all is looked after once, in main.c.
 *
 * Reading commands know libzkcfg only and open no connection; check and put
 * know xml/, put and rm source/. accept-older leaves a file for zkcfgd; reload,
 * freeze and thaw call it, by control.h.
 */
#ifndef ZKCFG_CLI_CLI_H
#define ZKCFG_CLI_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <jansson.h>

#include <zkcfg/zkcfg.h>

#include "base/message.h"

/* zkcfg(1) documents them; scripts rely on them. */
enum cli_exit {
	CLI_OK = 0,
	CLI_NOT_FOUND = 1,
	CLI_USAGE = 2,
	CLI_UNREADABLE = 3,
	CLI_INVALID = 4,
	CLI_STALE = 5,
	CLI_TIMED_OUT = 6,
	CLI_SOURCE_FAILED = 7,
	CLI_RESTART = 8,
	/* No exit code: nobody reads the output any more, and that is how it ends; main.c makes it CLI_OK. */
	CLI_READER_GONE = 1000
};

/* --- the command line: main.c ---------------------------------------------- */

/* Options that not every command has. */
enum cli_option {
	CLI_JSON = 1 << 0,
	CLI_MAX_AGE = 1 << 1,
	CLI_FORMAT = 1 << 2,
	CLI_INITIAL = 1 << 3,
	CLI_NEWER = 1 << 4,
	CLI_TIMEOUT = 1 << 5,
	CLI_SCHEMA = 1 << 6,
	CLI_IF_VERSION = 1 << 7,
	CLI_NO_CHECK = 1 << 8,
	CLI_STATE_DIR = 1 << 9,
	CLI_ORIGIN = 1 << 10,
	CLI_UNTIL = 1 << 11,
	CLI_HOOK = 1 << 12, /* all that says what a hook does: hook_options.h */
};

enum cli_format { CLI_FORMAT_FLAT, CLI_FORMAT_XML, CLI_FORMAT_JSON };

struct cli;

/* An option of a hook, as it was given: their order means something. */
struct cli_given {
	int option; /* of enum hook_option */
	const char *value;
};

struct cli_command {
	const char *name;
	const char *arguments; /* as "SET [DOC]" */
	const char *purpose;   /* one line */
	const char *help;      /* what --help says behind the usage */
	unsigned options;      /* of enum cli_option */
	size_t least, most;    /* number of arguments */
	int (*run)(const struct cli *cli);
};

/* The command line, parsed. Strings are of argv. */
struct cli {
	const struct cli_command *command; /* NULL: none was named */
	const char **allocation;	   /* what arguments points into */
	const char **arguments;		   /* behind the command */
	size_t argument_count;
	struct cli_given *given;
	size_t given_count;
	bool help, version, json, initial, no_check, origin;
	enum cli_format format;
	const char *shm_dir;   /* NULL: where libzkcfg looks */
	const char *state_dir; /* NULL: where zkcfgd keeps it when nobody says */
	const char *schema;    /* NULL: none */
	const char *until;     /* NULL: not given */
	int64_t max_age_ms;    /* -1: any age will do */
	int64_t timeout_ms;    /* -1: not given */
	int64_t newer;	       /* -1: not given */
	int64_t if_version;    /* -1: whatever version is there */
};

/* --- output: output.c ------------------------------------------------------ */

/* "zkcfg: ..." on standard error; control characters become '?'. */
__attribute__((format(printf, 1, 2))) void complain(const char *format, ...);

/* A string in a line: \t \n \r \\ and \xHH for what would break it; NULL is \N. */
void output_escaped(const char *text);

/* "2.1 s", "34 s", "12 min", "5 h", "3 days" into text; returns text. */
#define OUTPUT_AGE_BYTES 32
char *output_age(int64_t ms, char text[OUTPUT_AGE_BYTES]);

enum output_colour { OUTPUT_RED, OUTPUT_GREEN, OUTPUT_YELLOW, OUTPUT_BOLD, OUTPUT_PLAIN };
/* The sequence that begins a colour: "" unless standard output is a terminal that wants it. */
const char *output_colour(enum output_colour colour);

/* Print it with a newline behind, and let go of it. NULL, for what could not be built: complains. */
int output_json(json_t *json, size_t flags);
/* A time in JSON, as "2026-11-23T05:12:00.123Z", or null for 0. */
json_t *output_time(int64_t realtime_ns);
/* Milliseconds in JSON, or null for -1. */
json_t *output_ms(int64_t ms);

/* Wait so long at the most; true: whoever read standard output is gone. */
bool output_is_gone(int timeout_ms);

/* --- sets: set.c ----------------------------------------------------------- */

struct set {
	const char *name;
	struct zkcfg *cfg;
	struct zkcfg_snapshot *snapshot; /* NULL: not pinned */
};

/* Open a set. Ends with set_close(), as do the next three; it may be called after failures, too. */
int set_open(const struct cli *cli, const char *name, struct set *set);
/* Open the set of the first argument, look after --max-age, and pin the newest commit. */
int set_open_pinned(const struct cli *cli, struct set *set);
/*
 * Open the set of the first argument when it is there, and say on standard
 * error that it is not.
 *
 * deadline_ns  on the monotonic clock; -1: none.
 * waited       out: it was not there at once.
 *
 * CLI_TIMED_OUT    not there in time; nothing is said of it.
 * CLI_READER_GONE  nobody reads what we would print.
 */
int set_await(const struct cli *cli, int64_t deadline_ns, struct set *set, bool *waited);
void set_close(struct set *set);

/* Say that a set cannot be read because of this error, and what to do. Returns the exit code. */
int set_complain(const struct cli *cli, const char *name, int err);
/* The same of a document, or of a path in it unless that is NULL. */
int set_complain_value(const struct set *set, const char *document, const char *path, int err);

/* Has the set gone unverified for longer than --max-age? Says so, and returns CLI_STALE. */
int set_check_age(const struct cli *cli, const char *name, const struct zkcfg_status *status);

/* Names of all sets, sorted. Ends with set_names_free(). */
struct set_names {
	char **names;
	size_t count;
};
/* 0 or a negative enum zkcfg_error. */
int set_names(const struct cli *cli, struct set_names *names);
void set_names_free(struct set_names *names);
/* Where it was looked for sets, as words. */
void set_places(const struct cli *cli, struct message *places);

/* All documents of a pinned set, sorted by name; free() the array. 0 or a negative enum zkcfg_error. */
int set_documents(const struct set *set, const struct zkcfg_document ***documents, size_t *count);
/* Every value of a document, in its order; tell() returns non-zero to end it. 0, that, or an error. */
int set_each_value(const struct zkcfg_document *document,
		   int (*tell)(const char *path, const char *value, void *user), void *user);

extern const struct cli_command accept_older_command, check_command, dump_command, freeze_command,
	get_command, hook_command, hooks_command, ls_command, put_command, reload_command, rm_command,
	run_command, status_command, thaw_command, wait_command, watch_command;

#endif
