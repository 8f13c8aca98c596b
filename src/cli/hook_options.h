/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* What a hook does, from the command line of `zkcfg run` and `zkcfg hook run`. */
#ifndef ZKCFG_CLI_HOOK_OPTIONS_H
#define ZKCFG_CLI_HOOK_OPTIONS_H

#include "cli/cli.h"
#include "hook/config.h"

enum hook_option {
	HOOK_OPTION_DOC = 1,
	HOOK_OPTION_PATH,
	HOOK_OPTION_RENDER,
	HOOK_OPTION_RAW,
	HOOK_OPTION_OWNER,
	HOOK_OPTION_GROUP,
	HOOK_OPTION_MODE,
	HOOK_OPTION_CHECK,
	HOOK_OPTION_RELOAD,
	HOOK_OPTION_SIGNAL,
	HOOK_OPTION_PID_FILE,
	HOOK_OPTION_RESTART,
	HOOK_OPTION_URL,
	HOOK_OPTION_METHOD,
	HOOK_OPTION_STATUS,
	HOOK_OPTION_SHELL,
	HOOK_OPTION_USER,
	HOOK_OPTION_ENV,
	HOOK_OPTION_LIMIT,
	HOOK_OPTION_DEBOUNCE,
	HOOK_OPTION_DEBOUNCE_MAX,
	HOOK_OPTION_SPLAY,
	HOOK_OPTION_RETRY,
	HOOK_OPTION_RETRY_MAX,
	HOOK_OPTION_NAME,
	HOOK_OPTION_CONFIG,
	HOOK_OPTION_ONCE
};

/* What is no part of the hook's configuration. */
struct hook_choice {
	const char *config; /* zkcfgd.xml; NULL: options say */
	bool is_once;
	bool is_restart;
};

/* What both commands have, for their --help. */
#define HOOK_OPTIONS_HELP                                                                                        \
	"  --doc PATTERN       a document that counts; * and ? match, but not a /; repeatable; all, if none\n"   \
	"  --path PATH         of the --doc before it: only this element or attribute, with all below it\n"      \
	"  --render XSLT=FILE  make FILE by a stylesheet: of the one --doc, else of a tree of all that count;\n" \
	"                      repeatable\n"                                                                     \
	"  --raw DOC=FILE      put a document into FILE as it is; repeatable\n"                                  \
	"  --owner, --group, --mode  of the FILE before it; those of the file that is there, or 0644\n"          \
	"  --check CMD         must succeed, or all stays as it was; {} is the new file, beside FILE\n"          \
	"  --shell             commands are for sh -c; otherwise they are words, and no shell sees them\n"       \
	"  --env NAME=VALUE    for commands; repeatable\n"                                                       \
	"  --limit TIME        a command is killed after so long (30s)\n"                                        \
	"  --debounce TIME, --debounce-max TIME  quiet for so long; never later than that (0, 1s)\n"             \
	"  --splay TIME        this host's own part of it, after a change\n"                                     \
	"  --retry TIME, --retry-max TIME  after a failure, doubling (1s, 1m)\n"

/*
 * A configuration of the options that were given; with --config it is left
 * empty. CLI_OK, or CLI_USAGE when it was said what is wrong. Ends with
 * hook_config_free() either way.
 */
int hook_options_read(const struct cli *cli, const char *set, struct hook_config *config,
		      struct hook_choice *choice);
/* Fill in what follows from what was given, and look whether it can be done. Codes as above. */
int hook_options_check(struct hook_config *config);

#endif
