/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* What a hook is to do, however it was said: in zkcfgd.xml or on a command line. */
#ifndef ZKCFG_HOOK_CONFIG_H
#define ZKCFG_HOOK_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/message.h"

#define HOOK_LIMIT_MS 30000
#define HOOK_DEBOUNCE_MAX_MS 1000
#define HOOK_RETRY_MIN_MS 1000
#define HOOK_RETRY_MAX_MS 60000

enum hook_action {
	HOOK_NONE = 0,
	HOOK_COMMAND, /* command */
	HOOK_SIGNAL,  /* signal to whom pid_file names */
	HOOK_REQUEST, /* method, url, status */
	HOOK_CALL     /* whoever opened the hook does it: struct hook_parts */
};

/* What a hook looks at. */
struct hook_filter {
	char *document; /* a pattern of fnmatch(3), in which '*' does not match '/' */
	char *path;	/* of an element or attribute, with all below it; NULL: the whole document */
};

struct hook_render {
	char *stylesheet; /* NULL: the document as it is */
	char *document;	  /* NULL: all that the hook looks at, as a tree */
	char *file;	  /* absolute */
	uid_t owner;	  /* (uid_t)-1, (gid_t)-1, (mode_t)-1: as of the file that is there */
	gid_t group;
	mode_t mode;
};

struct hook_config {
	char *name;
	char *set;
	struct hook_filter *filters;
	size_t filter_count; /* 0: every document */
	struct hook_render *renders;
	size_t render_count;
	char *check; /* a command; NULL: none */
	enum hook_action action;
	char *command;
	int signal;
	char *pid_file;
	char *url;
	char *method;	    /* NULL: POST */
	int status;	    /* that is expected; 0: 200 to 299 */
	bool is_shell;	    /* check and command are for sh -c, else they are words */
	char *run_as;	    /* a user; NULL: as we are */
	char **environment; /* NAME=VALUE */
	size_t environment_count;
	int64_t limit_ms; /* of check, and of action */
	int64_t debounce_min_ms, debounce_max_ms;
	int64_t splay_ms;
	int64_t retry_min_ms, retry_max_ms;
};

/* Everything at its default, name and set missing. Ends with hook_config_free(). */
void hook_config_init(struct hook_config *config);
void hook_config_free(struct hook_config *config);

/* One more, with everything at its default; NULL: out of memory. */
struct hook_filter *hook_config_add_filter(struct hook_config *config);
struct hook_render *hook_config_add_render(struct hook_config *config);
/* false: out of memory. */
bool hook_config_add_environment(struct hook_config *config, const char *assignment);

/* "HUP", "SIGHUP" or "1"; 0: there is no such signal. */
int hook_signal_parse(const char *name);
/* Is it a name that a hook may have? It is that of a file. */
bool hook_name_is_valid(const char *name);

/*
 * Whether it can be done as far as that can be told without doing it: words of
 * commands, users, stylesheets. -EINVAL with what is wrong and what was expected in message.
 */
int hook_config_check(const struct hook_config *config, struct message *message);

/* Of all that says what is applied and how; when, and what of it is looked at, is not in it. */
uint64_t hook_config_sum(const struct hook_config *config);

/* Does the hook look at anything in this document? */
bool hook_config_wants(const struct hook_config *config, const char *document);

#endif
