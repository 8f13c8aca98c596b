/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * zkcfg, the command line: what every subcommand shares. A subcommand is one
 * file with one function; main.c has the table.
 */
#ifndef ZKCFG_CLI_CLI_H
#define ZKCFG_CLI_CLI_H

#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <jansson.h>

#include <zkcfg/zkcfg.h>

/* Exit codes; zkcfg(1) documents them, scripts rely on them. */
enum {
	EXIT_OK = 0,
	EXIT_NOT_FOUND = 1,
	EXIT_USAGE = 2,
	EXIT_UNREADABLE = 3, /* nothing published, or it cannot be read (or our output not written) */
	EXIT_INVALID = 4,
	EXIT_STALE = 5,
	EXIT_TIMED_OUT = 6,
	EXIT_SOURCE = 7
};

/* Options that several subcommands take, already read. */
struct cli_options {
	const char *shm_dir; /* NULL: the default */
	bool json;
	bool initial;
	bool no_check;
	const char *format;
	const char *schema;
	int64_t max_age_ms;  /* -1: not given */
	int64_t timeout_ms;  /* -1: not given */
	int64_t if_version;  /* -1: not given */
	uint64_t newer;
	bool newer_given;
	int argument_count;  /* what is no option */
	char **arguments;
};

struct cli_command {
	const char *name;
	const char *arguments; /* "SET DOC [PATH]" */
	const char *summary;
	const char *options;   /* long names it takes, each with a space behind: "json max-age " */
	const char *examples;
	int fewest, most;      /* arguments */
	int (*run)(const struct cli_options *options);
};

int get_run(const struct cli_options *options);
int ls_run(const struct cli_options *options);
int dump_run(const struct cli_options *options);
int watch_run(const struct cli_options *options);
int wait_run(const struct cli_options *options);
int status_run(const struct cli_options *options);
int check_run(const struct cli_options *options);
int put_run(const struct cli_options *options);
int rm_run(const struct cli_options *options);

/* Say what is wrong on stderr, "zkcfg: " before it, and return code. */
__attribute__((format(printf, 2, 3))) int cli_fail(int code, const char *format, ...);
/* The same for a public error about a set, with what to do next. document and path may be NULL. */
int cli_fail_error(const struct cli_options *options, int error, const char *set, const char *document,
		   const char *path);

/* Open a set and pin its newest commit, within --max-age. An exit code, said already if it is not 0. */
int cli_pin(const struct cli_options *options, const char *set, struct zkcfg **cfg,
	    struct zkcfg_snapshot **snapshot);
/* A snapshot's documents sorted by name; free() the array. An exit code, as cli_pin(). */
int cli_documents(const struct zkcfg_snapshot *snapshot, const struct zkcfg_document ***documents, size_t *count);

/* A text in one line: tab, line end, backslash and control characters as \t, \n, \\, \x07. */
void output_escaped(const char *text);
/* "3.2 s", "5 min", "2 h", "3 d" into text; returns text. */
#define OUTPUT_AGE_BYTES 32
char *output_age(int64_t ms, char text[OUTPUT_AGE_BYTES]);
/* Escape sequences, or "" where stdout is no terminal or NO_COLOR is set. */
enum output_colour { OUTPUT_PLAIN = 0, OUTPUT_GOOD, OUTPUT_BAD, OUTPUT_FAINT };
const char *output_colour(enum output_colour colour);
/* Print JSON, a line, and free it; values that are not UTF-8 cannot be there. An exit code. */
int output_json(json_t *value, bool indent);
/* At the end of each command: was all of it written? code, or EXIT_UNREADABLE with a message. */
int output_end(int code);

/* Set by SIGINT or SIGTERM after cli_catch_signals(). */
extern volatile sig_atomic_t cli_interrupted;
void cli_catch_signals(void);

#endif
