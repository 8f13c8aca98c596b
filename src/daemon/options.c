/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char options_help[] = "usage: zkcfgd --set NAME=URI [--set NAME=URI ...] [options]\n"
			    "       zkcfgd --config FILE [options]\n"
			    "       zkcfgd -t --config FILE\n"
			    "\n"
			    "Follows XML configuration in ZooKeeper and publishes it in shared memory.\n"
			    "\n"
			    "  --set NAME=URI     serve this set; repeat for more\n"
			    "  --config FILE      serve the sets of this file, see zkcfgd.xml(5)\n"
			    "  -t, --test         check the configuration and exit\n"
			    "  --shm-dir DIR      where to publish\n"
			    "  --state-dir DIR    where to keep last-good\n"
			    "  --listen ADDRESS   answer HTTP there too, as 127.0.0.1:9797; see zkcfg-http(7)\n"
			    "  --listen-allow-reload\n"
			    "                     and let it ask for a reload\n"
			    "  --log-level LEVEL  error, warning, notice, info or debug (default info)\n"
			    "  -h, --help         show this\n"
			    "  --version          show the version\n"
			    "\n"
			    "Root publishes in /dev/shm/zkcfg and keeps last-good in /var/lib/zkcfg; others\n"
			    "have directories of their own, see zkcfgd(8).\n"
			    "\n"
			    "example:\n"
			    "  zkcfgd --set app=zk://zk1:2181,zk2:2181,zk3:2181/conf/app\n"
			    "  zkcfg get app service.xml /service/listen/@port\n";

enum {
	OPTION_SET = 256,
	OPTION_CONFIG,
	OPTION_SHM_DIR,
	OPTION_STATE_DIR,
	OPTION_LISTEN,
	OPTION_LISTEN_ALLOW_RELOAD,
	OPTION_LOG_LEVEL,
	OPTION_VERSION
};

static const struct option long_options[] = {
	{ "set", required_argument, NULL, OPTION_SET },
	{ "config", required_argument, NULL, OPTION_CONFIG },
	{ "test", no_argument, NULL, 't' },
	{ "shm-dir", required_argument, NULL, OPTION_SHM_DIR },
	{ "state-dir", required_argument, NULL, OPTION_STATE_DIR },
	{ "listen", required_argument, NULL, OPTION_LISTEN },
	{ "listen-allow-reload", no_argument, NULL, OPTION_LISTEN_ALLOW_RELOAD },
	{ "log-level", required_argument, NULL, OPTION_LOG_LEVEL },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, OPTION_VERSION },
	{ NULL, 0, NULL, 0 },
};

/* A directory, or -EINVAL. */
static int options_take_directory(const char *name, const char **directory, struct message *message)
{
	if (optarg[0] == '\0') {
		message_set(message, "%s \"\": expected a directory", name);
		return -EINVAL;
	}
	*directory = optarg;
	return 0;
}

static int options_take_config(struct options *options, struct message *message)
{
	if (options->config) {
		message_set(message, "--config is given twice, %s and %s: expected one file", options->config,
			    optarg);
		return -EINVAL;
	}
	if (optarg[0] == '\0') {
		message_set(message, "--config \"\": expected a file");
		return -EINVAL;
	}
	options->config = optarg;
	return 0;
}

static int options_take_log_level(struct options *options, struct message *message)
{
	if (!log_level_parse(optarg, &options->log_level)) {
		message_set(message, "--log-level \"%s\": expected error, warning, notice, info or debug",
			    optarg);
		return -EINVAL;
	}
	options->log_level_given = true;
	return 0;
}

static int options_take(struct options *options, int option, char **argv, struct message *message)
{
	switch (option) {
	case OPTION_SET:
		options->sets[options->set_count++] = optarg;
		return 0;
	case OPTION_CONFIG:
		return options_take_config(options, message);
	case 't':
		options->action = OPTIONS_TEST;
		return 0;
	case OPTION_SHM_DIR:
		return options_take_directory("--shm-dir", &options->shm_dir, message);
	case OPTION_STATE_DIR:
		return options_take_directory("--state-dir", &options->state_dir, message);
	case OPTION_LISTEN:
		options->listen = optarg;
		return 0;
	case OPTION_LISTEN_ALLOW_RELOAD:
		options->listen_allow_reload = true;
		return 0;
	case OPTION_LOG_LEVEL:
		return options_take_log_level(options, message);
	case 'h':
		options->action = OPTIONS_HELP;
		return 0;
	case OPTION_VERSION:
		options->action = OPTIONS_VERSION;
		return 0;
	case ':':
		message_set(message, "option %s needs a value: see zkcfgd --help", argv[optind - 1]);
		return -EINVAL;
	default:
		message_set(message, "unknown option %s: see zkcfgd --help", argv[optind - 1]);
		return -EINVAL;
	}
}

static int options_check(const struct options *options, int argc, char **argv, struct message *message)
{
	if (options->action == OPTIONS_HELP || options->action == OPTIONS_VERSION)
		return 0;
	if (optind < argc) {
		message_set(message, "unexpected argument \"%s\": expected options only, see zkcfgd --help",
			    argv[optind]);
		return -EINVAL;
	}
	if (options->config && options->set_count > 0) {
		message_set(message, "--config and --set are not taken together: expected the set %s in %s",
			    options->sets[0], options->config);
		return -EINVAL;
	}
	if (!options->config && options->set_count == 0) {
		message_set(message,
			    "nothing to serve: expected --set NAME=URI or --config FILE, see zkcfgd --help");
		return -EINVAL;
	}
	return 0;
}

int options_parse(int argc, char **argv, struct options *options, struct message *message)
{
	struct options parsed = { .action = OPTIONS_RUN, .log_level = LOG_LEVEL_INFO };
	int option, err = 0;

	parsed.sets = calloc((size_t)argc, sizeof(*parsed.sets));
	if (!parsed.sets) {
		message_set(message, "out of memory");
		return -ENOMEM;
	}
	optind = 0;
	opterr = 0;
	while (err == 0 && (option = getopt_long(argc, argv, ":th", long_options, NULL)) != -1)
		err = options_take(&parsed, option, argv, message);
	if (err == 0)
		err = options_check(&parsed, argc, argv, message);
	if (err < 0) {
		options_free(&parsed);
		return err;
	}
	*options = parsed;
	return 0;
}

void options_free(struct options *options)
{
	free(options->sets);
	options->sets = NULL;
}

static int settings_no_memory(struct message *message)
{
	message_set(message, "out of memory");
	return -ENOMEM;
}

/* A path made absolute. */
static int settings_path(const char *path, char **absolute, struct message *message)
{
	char *directory, *joined = NULL;

	if (path[0] == '/') {
		joined = strdup(path);
	} else {
		directory = getcwd(NULL, 0);
		if (!directory) {
			message_set(message,
				    "%s: cannot tell the current directory: %s; expected an absolute path",
				    path, strerror(errno));
			return -ENOENT;
		}
		if (asprintf(&joined, "%s/%s", directory, path) < 0)
			joined = NULL;
		free(directory);
	}
	if (!joined)
		return settings_no_memory(message);
	*absolute = joined;
	return 0;
}

static int settings_join(const char *directory, const char *name, char **path, struct message *message)
{
	char *joined;

	if (asprintf(&joined, "%s/%s", directory, name) < 0)
		return settings_no_memory(message);
	*path = joined;
	return 0;
}

/* An absolute path of the environment, or NULL. */
static const char *settings_environment(const char *name)
{
	const char *value = getenv(name);

	return value && value[0] == '/' ? value : NULL;
}

/* As libzkcfg looks for it; see zkcfg_open(). */
static int settings_default_shm_dir(char **path, struct message *message)
{
	const char *named = getenv("ZKCFG_SHM_DIR"), *runtime = settings_environment("XDG_RUNTIME_DIR");
	char name[32];

	if (named && named[0] != '\0')
		return settings_path(named, path, message);
	if (geteuid() == 0)
		return settings_path("/dev/shm/zkcfg", path, message);
	if (runtime)
		return settings_join(runtime, "zkcfg", path, message);
	snprintf(name, sizeof(name), "zkcfg-%u", (unsigned)geteuid());
	return settings_join("/dev/shm", name, path, message);
}

static int settings_default_state_dir(char **path, struct message *message)
{
	const char *systemd = settings_environment("STATE_DIRECTORY");
	const char *state = settings_environment("XDG_STATE_HOME"), *home = settings_environment("HOME");

	if (systemd) {
		*path = strndup(systemd, strcspn(systemd, ":")); /* of several the first is ours */
		return *path ? 0 : settings_no_memory(message);
	}
	if (geteuid() == 0)
		return settings_path("/var/lib/zkcfg", path, message);
	if (state)
		return settings_join(state, "zkcfg", path, message);
	if (home)
		return settings_join(home, ".local/state/zkcfg", path, message);
	message_set(message,
		    "there is no state directory: neither STATE_DIRECTORY nor XDG_STATE_HOME nor HOME "
		    "is an absolute path; expected --state-dir DIR");
	return -EINVAL;
}

static int settings_load_sets(const struct options *options, struct config *config, struct message *message)
{
	int err = 0;

	if (options->config)
		return config_load(options->config, config, message);
	for (size_t i = 0; i < options->set_count && err == 0; i++)
		err = config_add_set(config, options->sets[i], message);
	return err;
}

/* Command line before file before environment before default. */
static int settings_find_directories(const struct options *options, struct settings *settings,
				     struct message *message)
{
	const char *shm_dir = options->shm_dir ? options->shm_dir : settings->config.shm_dir;
	const char *state_dir = options->state_dir ? options->state_dir : settings->config.state_dir;
	int err;

	err = shm_dir ? settings_path(shm_dir, &settings->shm_dir, message)
		      : settings_default_shm_dir(&settings->shm_dir, message);
	if (err < 0)
		return err;
	return state_dir ? settings_path(state_dir, &settings->state_dir, message)
			 : settings_default_state_dir(&settings->state_dir, message);
}

static int settings_take_listen(const struct options *options, struct settings *settings, struct message *message)
{
	const char *listen = options->listen ? options->listen : settings->config.listen;

	if (!listen)
		return 0;
	settings->listen = strdup(listen);
	return settings->listen ? 0 : settings_no_memory(message);
}

int settings_load(const struct options *options, struct settings *settings, struct message *message)
{
	struct settings loaded = { .log_level = options->log_level };
	int err;

	err = settings_load_sets(options, &loaded.config, message);
	if (err == 0)
		err = settings_find_directories(options, &loaded, message);
	if (err == 0)
		err = settings_take_listen(options, &loaded, message);
	if (err < 0) {
		settings_free(&loaded);
		return err;
	}
	loaded.listen_allow_reload = options->listen_allow_reload || loaded.config.listen_allow_reload;
	loaded.control_group = loaded.config.has_control_group ? loaded.config.control_group : (gid_t)-1;
	if (!options->log_level_given && loaded.config.log_level_given)
		loaded.log_level = loaded.config.log_level;
	*settings = loaded;
	return 0;
}

void settings_free(struct settings *settings)
{
	config_free(&settings->config);
	free(settings->shm_dir);
	free(settings->state_dir);
	free(settings->listen);
	settings->shm_dir = settings->state_dir = settings->listen = NULL;
}
