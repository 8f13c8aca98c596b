/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * zkcfgd's own configuration: from a file, or from --set options.
 *
 * The file is XML, checked against zkcfgd.rng, which is compiled in; what a
 * schema cannot say (a source's scheme, a name used twice, a minimum above its
 * maximum, a group that does not exist) is checked behind it, with the place
 * named just as well.
 */
#ifndef ZKCFG_DAEMON_CONFIG_H
#define ZKCFG_DAEMON_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <time.h>

#include "base/log.h"
#include "base/message.h"
#include "xml/compile.h"

/* The longest wait for changes to come to rest, where a set does not say. */
#define CONFIG_DEBOUNCE_MAX_MS 1000

enum config_on_delete {
	CONFIG_HOLD = 0, /* a document that vanishes or becomes empty stays as it was */
	CONFIG_REMOVE = 1
};

/* What a later source does to documents that an earlier one has, too. */
enum config_merge {
	CONFIG_MERGE_DOCUMENTS = 0, /* its document counts, and the other one not */
	CONFIG_MERGE_PATHS = 1	    /* element by element: xml/merge.h */
};

struct hook_config;

#define CONFIG_SOURCES_LEAST 2
#define CONFIG_SOURCES_MOST 16

/* One of several sources of a set. */
struct config_source {
	char *uri; /* which its source takes */
	bool is_fallback; /* of the one before it; else a layer over it */
};

struct config_set {
	char *name;
	char *source;           /* URI, which its source takes; NULL: sources says */
	struct config_source *sources; /* the lowest layer first */
	size_t source_count;    /* 0: the one source */
	enum config_merge merge; /* of sources */
	char *schema;           /* path of a .rng or .xsd, absolute, could be loaded; NULL: none */
	struct timespec schema_time; /* when it was changed last, as it was loaded; the next is its inode */
	uint64_t schema_inode;
	enum config_on_delete on_delete;
	char *commit_marker;     /* a document's name; NULL: none */
	int64_t debounce_min_ms; /* quiet for so long before a commit; 0 */
	int64_t debounce_max_ms; /* never later than this after the first change; 0: CONFIG_DEBOUNCE_MAX_MS */
	mode_t mode;            /* of the segment's files; 0644 */
	gid_t group;            /* (gid_t)-1: leave it */
	struct xml_limits limits;
	struct hook_config *hooks; /* see hook/config.h */
	size_t hook_count;
};

struct config {
	char *shm_dir;   /* NULL: not said */
	char *state_dir; /* NULL: not said */
	char *listen;	 /* NULL: not said */
	bool listen_allow_reload;
	bool has_control_group;
	gid_t control_group;
	bool log_level_given;
	enum log_level log_level;
	struct config_set *sets;
	size_t set_count;
};

/*
 * Read a file into an empty config; "-" is standard input. Relative paths are
 * relative to the file's directory. For one thread, as getgrnam(3) is.
 * -EINVAL with "FILE:LINE:COLUMN: what is wrong and what was expected" in
 * message, another negative errno with message otherwise.
 */
int config_load(const char *path, struct config *config, struct message *message);
/* Add the set of one --set NAME=URI. -EINVAL or -ENOMEM with message. */
int config_add_set(struct config *config, const char *option, struct message *message);
void config_free(struct config *config);

/* Would a set of the one be as a set of the other? Whatever is said elsewhere. */
bool config_set_equal(const struct config_set *a, const struct config_set *b);
void config_set_free(struct config_set *set);

#endif
