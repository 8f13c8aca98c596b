/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/options.h"
#include "xml/compile.h"

#define NOBODY 65534
#define URI "zk://127.0.0.1:2181/app"
#define MOST_ARGUMENTS 12

/* Parse a command line, given with spaces between its words; "''" is an empty one. */
static int parse(const char *line, struct options *options, struct message *message)
{
	static char words[1024];
	char *argv[MOST_ARGUMENTS + 2] = { (char[]){ "zkcfgd" } }, *word, *rest = words;
	int argc = 1;

	snprintf(words, sizeof(words), "%s", line);
	while ((word = strsep(&rest, " "))) {
		ck_assert_int_lt(argc, MOST_ARGUMENTS);
		if (*word != '\0')
			argv[argc++] = strcmp(word, "''") == 0 ? word + 2 : word;
	}
	return options_parse(argc, argv, options, message);
}

static void must_parse(const char *line, struct options *options)
{
	struct message message = { "" };
	int err = parse(line, options, &message);

	ck_assert_msg(err == 0, "%s: %d: %s", line, err, message.text);
}

START_TEST(every_option_arrives)
{
	struct options options;

	must_parse("--set a=" URI " --set b=" URI " --shm-dir /shm --state-dir state --log-level debug",
		   &options);
	ck_assert_int_eq((int)options.action, OPTIONS_RUN);
	ck_assert_uint_eq(options.set_count, 2);
	ck_assert_str_eq(options.sets[0], "a=" URI);
	ck_assert_str_eq(options.sets[1], "b=" URI);
	ck_assert_str_eq(options.shm_dir, "/shm");
	ck_assert_str_eq(options.state_dir, "state");
	ck_assert(options.log_level_given);
	ck_assert_int_eq((int)options.log_level, LOG_LEVEL_DEBUG);
	ck_assert_ptr_null(options.config);
	options_free(&options);
}
END_TEST

START_TEST(what_is_not_said_is_left_open)
{
	struct options options;

	must_parse("--config=zkcfgd.xml", &options);
	ck_assert_str_eq(options.config, "zkcfgd.xml");
	ck_assert_ptr_null(options.shm_dir);
	ck_assert_ptr_null(options.state_dir);
	ck_assert(!options.log_level_given);
	ck_assert_int_eq((int)options.log_level, LOG_LEVEL_INFO);
	ck_assert_uint_eq(options.set_count, 0);
	options_free(&options);
}
END_TEST

static const struct {
	const char *line;
	enum options_action action;
} actions[] = {
	{ "--config f", OPTIONS_RUN },
	{ "--config f -t", OPTIONS_TEST },
	{ "--test --config f", OPTIONS_TEST },
	{ "-t --set a=" URI, OPTIONS_TEST },
	{ "--help", OPTIONS_HELP },
	{ "-h", OPTIONS_HELP },
	{ "--help extra --config f --set a=b", OPTIONS_HELP }, /* who asks for help gets it */
	{ "--version", OPTIONS_VERSION },
};

START_TEST(action_is_what_was_asked_for)
{
	struct options options;

	must_parse(actions[_i].line, &options);
	ck_assert_int_eq((int)options.action, (int)actions[_i].action);
	options_free(&options);
}
END_TEST

static const struct {
	const char *line, *message;
} wrongs[] = {
	{ "", "nothing to serve: expected --set NAME=URI or --config FILE, see zkcfgd --help" },
	{ "-t", "nothing to serve: expected --set NAME=URI or --config FILE, see zkcfgd --help" },
	{ "--log-level debug",
	  "nothing to serve: expected --set NAME=URI or --config FILE, see zkcfgd --help" },
	{ "--set a=" URI " --config f",
	  "--config and --set are not taken together: expected the set a=" URI " in f" },
	{ "--config f --config g", "--config is given twice, f and g: expected one file" },
	{ "--config ''", "--config \"\": expected a file" },
	{ "--config f --shm-dir ''", "--shm-dir \"\": expected a directory" },
	{ "--config f --state-dir ''", "--state-dir \"\": expected a directory" },
	{ "--config f --log-level loud",
	  "--log-level \"loud\": expected error, warning, notice, info or debug" },
	{ "--config f --log-level ''", "--log-level \"\": expected error, warning, notice, info or debug" },
	{ "--config", "option --config needs a value: see zkcfgd --help" },
	{ "--set", "option --set needs a value: see zkcfgd --help" },
	{ "--config f --shm-dir", "option --shm-dir needs a value: see zkcfgd --help" },
	{ "--config f --frobnicate", "unknown option --frobnicate: see zkcfgd --help" },
	{ "--config f --s=3", "unknown option --s=3: see zkcfgd --help" },
	{ "--config f -x", "unknown option -x: see zkcfgd --help" },
	{ "--config f --test=yes", "unknown option --test=yes: see zkcfgd --help" },
	{ "--config f extra", "unexpected argument \"extra\": expected options only, see zkcfgd --help" },
	{ "--config f -- -t", "unexpected argument \"-t\": expected options only, see zkcfgd --help" },
};

START_TEST(what_is_wrong_is_refused_with_what_was_expected)
{
	struct options options = { .config = "untouched" };
	struct message message = { "" };

	ck_assert_int_eq(parse(wrongs[_i].line, &options, &message), -EINVAL);
	ck_assert_str_eq(message.text, wrongs[_i].message);
	ck_assert_str_eq(options.config, "untouched");
}
END_TEST

START_TEST(help_names_every_option)
{
	static const char *const names[] = { "--set",	    "--config",	   "-t",     "--test",	 "--shm-dir",
					     "--state-dir", "--log-level", "--help", "--version" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		ck_assert_ptr_nonnull(strstr(options_help, names[i]));
}
END_TEST

/* Settings: each test has an environment and a directory of its own. */

static char directory[64], config[96];

static void write_config(const char *attributes)
{
	FILE *file = fopen(config, "w");

	ck_assert_ptr_nonnull(file);
	fprintf(file, "<zkcfgd %s>\n<set name=\"app\" source=\"" URI "\"/>\n</zkcfgd>\n", attributes);
	ck_assert_int_eq(fclose(file), 0);
}

static void begin(void)
{
	xml_start();
	strcpy(directory, "/tmp/zkcfg-options-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(directory));
	ck_assert_int_eq(chmod(directory, 0755), 0);
	ck_assert_int_eq(chdir(directory), 0);
	snprintf(config, sizeof(config), "%s/zkcfgd.xml", directory);
	write_config("");
	clearenv();
}

static void end(void)
{
	unlink(config);
	rmdir(directory);
}

static void must_load(const char *line, struct settings *settings)
{
	struct options options;
	struct message message = { "" };
	int err;

	must_parse(line, &options);
	err = settings_load(&options, settings, &message);
	ck_assert_msg(err == 0, "%s: %d: %s", line, err, message.text);
	options_free(&options);
}

static void assert_directories(const char *line, const char *shm_dir, const char *state_dir)
{
	struct settings settings;

	must_load(line, &settings);
	ck_assert_str_eq(settings.shm_dir, shm_dir);
	ck_assert_str_eq(settings.state_dir, state_dir);
	settings_free(&settings);
}

START_TEST(sets_come_from_the_command_line)
{
	struct settings settings;

	must_load("--set a=" URI " --set b=zk://h/b --shm-dir /m --state-dir /t", &settings);
	ck_assert_uint_eq(settings.config.set_count, 2);
	ck_assert_str_eq(settings.config.sets[0].name, "a");
	ck_assert_str_eq(settings.config.sets[0].source, URI);
	ck_assert_str_eq(settings.config.sets[1].name, "b");
	ck_assert_str_eq(settings.config.sets[1].source, "zk://h/b");
	ck_assert_int_eq((int)settings.log_level, LOG_LEVEL_INFO);
	settings_free(&settings);
	ck_assert_ptr_null(settings.shm_dir);
	ck_assert_ptr_null(settings.state_dir);
}
END_TEST

START_TEST(command_line_beats_file_beats_environment)
{
	char line[512];
	struct settings settings;

	setenv("ZKCFG_SHM_DIR", "/environment/shm", 1);
	setenv("STATE_DIRECTORY", "/environment/state", 1);
	snprintf(line, sizeof(line), "--config %s", config);
	assert_directories(line, "/environment/shm", "/environment/state");
	write_config("shm-dir=\"/file/shm\" state-dir=\"/file/state\" log-level=\"error\"");
	assert_directories(line, "/file/shm", "/file/state");
	must_load(line, &settings);
	ck_assert_int_eq((int)settings.log_level, LOG_LEVEL_ERROR);
	settings_free(&settings);
	snprintf(line, sizeof(line),
		 "--config %s --shm-dir /line/shm --state-dir /line/state --log-level info", config);
	assert_directories(line, "/line/shm", "/line/state");
	must_load(line, &settings);
	ck_assert_int_eq((int)settings.log_level, LOG_LEVEL_INFO);
	settings_free(&settings);
}
END_TEST

START_TEST(relative_paths_become_absolute)
{
	char shm_dir[128], state_dir[128];

	snprintf(shm_dir, sizeof(shm_dir), "%s/shm", directory);
	snprintf(state_dir, sizeof(state_dir), "%s/a/state", directory);
	assert_directories("--set a=" URI " --shm-dir shm --state-dir a/state", shm_dir, state_dir);
	setenv("ZKCFG_SHM_DIR", "shm", 1);
	assert_directories("--set a=" URI " --state-dir a/state", shm_dir, state_dir);
}
END_TEST

START_TEST(root_has_the_systems_directories)
{
	if (geteuid() != 0)
		return; /* a test of root's only */
	setenv("XDG_RUNTIME_DIR", "/run/user/0", 1);
	setenv("XDG_STATE_HOME", "/root/state", 1);
	setenv("HOME", "/root", 1);
	assert_directories("--set a=" URI, "/dev/shm/zkcfg", "/var/lib/zkcfg");
	setenv("ZKCFG_SHM_DIR", "", 1);
	setenv("STATE_DIRECTORY", "", 1);
	assert_directories("--set a=" URI, "/dev/shm/zkcfg", "/var/lib/zkcfg");
	setenv("STATE_DIRECTORY", "/var/lib/zkcfg-b:/var/lib/other", 1);
	assert_directories("--set a=" URI, "/dev/shm/zkcfg", "/var/lib/zkcfg-b");
}
END_TEST

START_TEST(others_have_directories_of_their_own)
{
	char shm_dir[64];

	if (geteuid() == 0)
		ck_assert_int_eq(seteuid(NOBODY), 0);
	snprintf(shm_dir, sizeof(shm_dir), "/dev/shm/zkcfg-%u", (unsigned)geteuid());
	setenv("HOME", "/home/somebody", 1);
	assert_directories("--set a=" URI, shm_dir, "/home/somebody/.local/state/zkcfg");
	setenv("XDG_RUNTIME_DIR", "/run/user/1000", 1);
	setenv("XDG_STATE_HOME", "/home/somebody/state", 1);
	assert_directories("--set a=" URI, "/run/user/1000/zkcfg", "/home/somebody/state/zkcfg");
	setenv("XDG_RUNTIME_DIR", "relative", 1); /* to be ignored, says their specification */
	setenv("XDG_STATE_HOME", "relative", 1);
	assert_directories("--set a=" URI, shm_dir, "/home/somebody/.local/state/zkcfg");
	setenv("STATE_DIRECTORY", "/systemd/state", 1);
	setenv("ZKCFG_SHM_DIR", "/named/shm", 1);
	assert_directories("--set a=" URI, "/named/shm", "/systemd/state");
	if (getuid() == 0)
		ck_assert_int_eq(seteuid(0), 0);
}
END_TEST

START_TEST(who_has_no_home_is_told_what_to_say)
{
	struct settings settings = { .shm_dir = NULL };
	struct options options;
	struct message message = { "" };

	if (geteuid() == 0)
		ck_assert_int_eq(seteuid(NOBODY), 0);
	must_parse("--set a=" URI, &options);
	ck_assert_int_eq(settings_load(&options, &settings, &message), -EINVAL);
	ck_assert_str_eq(message.text,
			 "there is no state directory: neither STATE_DIRECTORY nor XDG_STATE_HOME nor "
			 "HOME is an absolute path; expected --state-dir DIR");
	ck_assert_ptr_null(settings.shm_dir);
	options_free(&options);
	assert_directories("--set a=" URI " --shm-dir /m --state-dir /t", "/m", "/t");
	if (getuid() == 0)
		ck_assert_int_eq(seteuid(0), 0);
}
END_TEST

START_TEST(directory_that_is_gone_is_named)
{
	struct settings settings;
	struct options options;
	struct message message = { "" };
	char gone[] = "/tmp/zkcfg-options-gone-XXXXXX";

	ck_assert_ptr_nonnull(mkdtemp(gone));
	ck_assert_int_eq(chdir(gone), 0);
	ck_assert_int_eq(rmdir(gone), 0);
	must_parse("--set a=" URI " --shm-dir shm --state-dir /t", &options);
	ck_assert_int_lt(settings_load(&options, &settings, &message), 0);
	ck_assert_str_eq(message.text,
			 "shm: cannot tell the current directory: No such file or directory; expected an "
			 "absolute path");
	options_free(&options);
	ck_assert_int_eq(chdir(directory), 0);
}
END_TEST

static const struct {
	const char *line, *message;
} faults[] = {
	{ "--set a", "--set a: expected NAME=URI" },
	{ "--set a=gopher://h/p", "there is no source with the scheme gopher://; expected zk://" },
	{ "--set a=" URI " --set a=" URI, "there is a set of this name already" },
	{ "--set .a=" URI, "expected a name" },
	{ "--config none.xml", "none.xml: cannot be read: No such file or directory" },
};

START_TEST(set_that_cannot_be_is_refused_with_what_was_expected)
{
	struct settings settings;
	struct options options;
	struct message message = { "" };

	must_parse(faults[_i].line, &options);
	ck_assert_int_lt(settings_load(&options, &settings, &message), 0);
	ck_assert_msg(strstr(message.text, faults[_i].message) != NULL, "%s: \"%s\"", faults[_i].line,
		      message.text);
	options_free(&options);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("options");
	TCase *line = tcase_create("command line"), *settings = tcase_create("settings");
	SRunner *runner;
	int failed;

	tcase_add_test(line, every_option_arrives);
	tcase_add_test(line, what_is_not_said_is_left_open);
	tcase_add_loop_test(line, action_is_what_was_asked_for, 0, sizeof(actions) / sizeof(actions[0]));
	tcase_add_loop_test(line, what_is_wrong_is_refused_with_what_was_expected, 0,
			    sizeof(wrongs) / sizeof(wrongs[0]));
	tcase_add_test(line, help_names_every_option);
	suite_add_tcase(suite, line);
	tcase_add_checked_fixture(settings, begin, end);
	tcase_add_test(settings, sets_come_from_the_command_line);
	tcase_add_test(settings, command_line_beats_file_beats_environment);
	tcase_add_test(settings, relative_paths_become_absolute);
	tcase_add_test(settings, root_has_the_systems_directories);
	tcase_add_test(settings, others_have_directories_of_their_own);
	tcase_add_test(settings, who_has_no_home_is_told_what_to_say);
	tcase_add_test(settings, directory_that_is_gone_is_named);
	tcase_add_loop_test(settings, set_that_cannot_be_is_refused_with_what_was_expected, 0,
			    sizeof(faults) / sizeof(faults[0]));
	suite_add_tcase(suite, settings);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
