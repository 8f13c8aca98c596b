/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/control.h"

static const char reload_help[] =
	"Tells zkcfgd to read its own configuration again, which becomes true as a whole or not at all,\n"
	"and to look at every source anew, or only at that of one set. Waits until all that was there then\n"
	"is published or refused, and says what changed and what was refused, with document:line:column and\n"
	"the reason. What is refused is not in force: what was good stays.\n"
	"\n"
	"  --json          what zkcfgd says, as JSON\n"
	"  --timeout TIME  exit status 6 after so long: a number with ms, s, m or h, or seconds (60s)\n"
	"\n"
	"Exit status 0 if all of it is in force, nothing new included; 4 if something is invalid; 7 if a\n"
	"source could not be read; 8 if a part of the configuration takes a restart.\n"
	"\n"
	"examples:\n"
	"  zkcfg reload\n"
	"  zkcfg reload app && systemctl start job\n";

static void print_names(const json_t *object, const char *key, const char *what)
{
	const json_t *names = json_object_get(object, key);
	json_t *name;
	size_t i;

	json_array_foreach (names, i, name) {
		printf("  %-10s ", what);
		output_escaped(json_string_value(name));
		putchar('\n');
	}
}

static void print_problems(const json_t *set, const char *key)
{
	const json_t *problems = json_object_get(set, key);
	json_t *problem;
	size_t i;

	json_array_foreach (problems, i, problem) {
		json_int_t line = json_integer_value(json_object_get(problem, "line"));
		json_int_t column = json_integer_value(json_object_get(problem, "column"));

		printf("  %-10s ", key);
		output_escaped(json_string_value(json_object_get(problem, "document")));
		if (line > 0)
			printf(":%lld", (long long)line);
		if (line > 0 && column > 0)
			printf(":%lld", (long long)column);
		fputs(": ", stdout);
		output_escaped(json_string_value(json_object_get(problem, "reason")));
		putchar('\n');
	}
}

static void print_set(const json_t *set)
{
	long long before = (long long)json_integer_value(json_object_get(set, "seq_before"));
	long long seq = (long long)json_integer_value(json_object_get(set, "seq"));
	const char *error = json_string_value(json_object_get(set, "error"));

	printf("%s: ", json_string_value(json_object_get(set, "set")));
	if (seq == before)
		printf("seq %lld, nothing new\n", seq);
	else
		printf("seq %lld, was %lld\n", seq, before);
	print_names(set, "changed", "changed");
	print_names(set, "removed", "removed");
	print_problems(set, "refused");
	print_problems(set, "unread");
	print_problems(set, "frozen");
	if (error)
		printf("  unread     %s\n", error);
}

static void print_report(const json_t *report)
{
	const json_t *configuration = json_object_get(report, "configuration");
	const char *error = json_string_value(json_object_get(configuration, "error"));
	static const char *const keys[] = { "added", "changed", "removed" };
	json_t *item;
	size_t i;

	if (error)
		printf("configuration: it stays as it was: %s\n", error);
	for (size_t k = 0; k < sizeof(keys) / sizeof(keys[0]); k++)
		json_array_foreach (json_object_get(configuration, keys[k]), i, item)
			printf("configuration: set %s %s\n", json_string_value(item), keys[k]);
	json_array_foreach (json_object_get(configuration, "restart"), i, item)
		printf("configuration: a new %s takes a restart of zkcfgd\n", json_string_value(item));
	json_array_foreach (json_object_get(report, "sets"), i, item)
		print_set(item);
}

static int reload_run(const struct cli *cli)
{
	json_t *params = json_object(), *result, *report;
	int code;

	if (cli->argument_count > 0)
		json_object_set_new(params, "set", json_string(cli->arguments[0]));
	code = control_call(cli, "reload", params, &result);
	if (code != CLI_OK)
		return code;
	code = (int)json_integer_value(json_object_get(result, "result"));
	report = json_object_get(result, "report");
	if (cli->json)
		output_json(json_incref(report), JSON_INDENT(2));
	else
		print_report(report);
	json_decref(result);
	return code;
}

const struct cli_command reload_command = {
	.name = "reload",
	.arguments = "[SET]",
	.purpose = "let zkcfgd read everything anew",
	.help = reload_help,
	.options = CLI_JSON | CLI_TIMEOUT,
	.least = 0,
	.most = 1,
	.run = reload_run,
};
