/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * zkcfgd's command line, and where things are when nobody says: command line
 * before file before environment before the user's default.
 */
#ifndef ZKCFG_DAEMON_OPTIONS_H
#define ZKCFG_DAEMON_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/log.h"
#include "base/message.h"
#include "daemon/config.h"

enum options_action {
	OPTIONS_RUN = 0,
	OPTIONS_TEST,
	OPTIONS_HELP,
	OPTIONS_VERSION
};

struct options {
	enum options_action action;
	const char *config;    /* of the command line; NULL: --set instead */
	const char *shm_dir;   /* NULL: not said */
	const char *state_dir; /* NULL: not said */
	const char *listen;    /* NULL: not said */
	bool listen_allow_reload;
	bool log_level_given;
	enum log_level log_level;
	const char **sets;     /* NAME=URI each */
	size_t set_count;
};

/* -EINVAL with message, or -ENOMEM. Ends with options_free(); strings are argv's. */
int options_parse(int argc, char **argv, struct options *options, struct message *message);
void options_free(struct options *options);

/* What zkcfgd runs with. */
struct settings {
	struct config config;
	char *shm_dir;
	char *state_dir;
	char *listen; /* "127.0.0.1:9797"; NULL: no TCP */
	bool listen_allow_reload;
	gid_t control_group; /* may change things by the control socket; (gid_t)-1: none */
	enum log_level log_level;
};

/* Read the configuration, or make it of --set, and fill in the rest. A negative errno with message. */
int settings_load(const struct options *options, struct settings *settings, struct message *message);
void settings_free(struct settings *settings);

extern const char options_help[];

#endif
