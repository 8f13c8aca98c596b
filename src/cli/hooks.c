/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/control.h"

#include <string.h>

static const char hooks_help[] =
	"The hooks of zkcfgd: what each has applied, and why one that failed did; or run one now.\n"
	"Exit status 7 if one of them has failed.\n"
	"\n"
	"  --json          as JSON\n"
	"  --timeout TIME  exit status 6 after so long without an answer (60s)\n"
	"\n"
	"examples:\n"
	"  zkcfg hooks\n"
	"  zkcfg hooks run nginx\n";

static const char *text_of(const json_t *hook, const char *key)
{
	const char *text = json_string_value(json_object_get(hook, key));

	return text ? text : "";
}

static bool has_failed(const json_t *hook)
{
	return *text_of(hook, "error") != '\0';
}

static void print_output(const char *output)
{
	while (*output) {
		size_t length = strcspn(output, "\n");

		printf("    | %.*s\n", (int)length, output);
		output += length + (output[length] == '\n');
	}
}

/* web: set app, applied 12 of 13, failed, tried again in 2.1 s */
static void print_hook(const json_t *hook)
{
	json_int_t applied = json_integer_value(json_object_get(hook, "applied_seq"));
	json_int_t wanted = json_integer_value(json_object_get(hook, "wanted_seq"));
	const json_t *retry = json_object_get(hook, "retry_ms");
	char age[OUTPUT_AGE_BYTES];

	printf("%s%s%s: set %s, ", output_colour(OUTPUT_BOLD), text_of(hook, "hook"),
	       output_colour(OUTPUT_PLAIN), text_of(hook, "set"));
	if (applied > 0)
		printf("applied %" JSON_INTEGER_FORMAT, applied);
	else
		fputs("applied nothing yet", stdout);
	if (wanted > applied)
		printf(" of %" JSON_INTEGER_FORMAT, wanted);
	printf(", %s%s%s", output_colour(has_failed(hook) ? OUTPUT_RED : OUTPUT_GREEN),
	       text_of(hook, "state"), output_colour(OUTPUT_PLAIN));
	if (json_is_integer(retry))
		printf(", tried again in %s", output_age(json_integer_value(retry), age));
	putchar('\n');
	if (has_failed(hook)) {
		fputs("  ", stdout);
		output_escaped(text_of(hook, "error"));
		putchar('\n');
		print_output(text_of(hook, "output"));
	}
}

static int hooks_list(const struct cli *cli)
{
	json_t *hooks, *hook;
	int code = control_call(cli, "hooks.list", json_object(), &hooks);
	bool is_good = true;
	size_t i;

	if (code != CLI_OK)
		return code;
	json_array_foreach(hooks, i, hook)
	{
		is_good = is_good && !has_failed(hook);
		if (!cli->json)
			print_hook(hook);
	}
	if (cli->json)
		code = output_json(json_incref(hooks), JSON_INDENT(2));
	json_decref(hooks);
	return code != CLI_OK || is_good ? code : CLI_SOURCE_FAILED;
}

static int hooks_run_one(const struct cli *cli)
{
	json_t *result, *hook;
	int code = control_call(cli, "hooks.run", json_pack("{s:s}", "hook", cli->arguments[1]), &result);

	if (code != CLI_OK)
		return code;
	hook = json_object_get(result, "report");
	if (cli->json)
		code = output_json(json_incref(hook), JSON_INDENT(2));
	else
		print_hook(hook);
	if (code == CLI_OK && json_integer_value(json_object_get(result, "result")) != 0)
		code = CLI_SOURCE_FAILED;
	json_decref(result);
	return code;
}

static int hooks_run(const struct cli *cli)
{
	if (cli->argument_count == 0)
		return hooks_list(cli);
	if (strcmp(cli->arguments[0], "run") == 0 && cli->argument_count == 2)
		return hooks_run_one(cli);
	complain("hooks: expected nothing, or run and the name of a hook: see zkcfg hooks --help");
	return CLI_USAGE;
}

const struct cli_command hooks_command = {
	.name = "hooks",
	.arguments = "[run HOOK]",
	.purpose = "what zkcfgd's hooks have applied",
	.help = hooks_help,
	.options = CLI_JSON | CLI_TIMEOUT,
	.least = 0,
	.most = 2,
	.run = hooks_run,
};
