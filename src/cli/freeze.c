/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/control.h"

#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/duration.h"

static const char freeze_help[] =
	"Lets nothing new of a set become true: what arrives is checked and waits as candidate, and readers\n"
	"stay where they are, until the set is thawed or the time is over. Survives a restart of zkcfgd.\n"
	"\n"
	"  --until TIME    until then: 2026-11-24T06:00:00Z, or so long from now: a number with s, m or h\n"
	"  --timeout TIME  exit status 6 after so long without an answer (60s)\n"
	"\n"
	"examples:\n"
	"  zkcfg freeze app\n"
	"  zkcfg freeze app --until 2h\n";

static const char thaw_help[] =
	"Ends what zkcfg freeze began: what waited is committed.\n"
	"\n"
	"  --timeout TIME  exit status 6 after so long without an answer (60s)\n"
	"\n"
	"example:\n"
	"  zkcfg thaw app\n";

/* Seconds since 1970; 0: it is no time, or it is over. */
static int64_t freeze_until_s(const char *text)
{
	int64_t now_s = clock_realtime_ns() / CLOCK_NS_PER_S, ms;
	struct tm tm = { 0 };
	const char *end = strptime(text, "%Y-%m-%dT%H:%M:%SZ", &tm);
	int64_t until_s = end && *end == '\0' ? (int64_t)timegm(&tm) : 0;

	if (duration_parse(text, "s", &ms) == 0)
		until_s = now_s + (ms + 999) / 1000;
	return until_s > now_s ? until_s : 0;
}

static int freeze_call(const struct cli *cli, const char *method, int64_t until_s)
{
	json_t *params = json_pack("{s:s}", "set", cli->arguments[0]), *result;
	int code;

	if (until_s > 0)
		json_object_set_new(params, "until", json_integer(until_s));
	code = control_call(cli, method, params, &result);
	if (code == CLI_OK)
		json_decref(result);
	return code;
}

static int freeze_run(const struct cli *cli)
{
	int64_t until_s = 0;

	if (cli->until && (until_s = freeze_until_s(cli->until)) == 0) {
		complain("--until \"%.64s\": expected a time to come, as 2026-11-24T06:00:00Z, or so long from now, as 2h",
			 cli->until);
		return CLI_USAGE;
	}
	return freeze_call(cli, "freeze", until_s);
}

static int thaw_run(const struct cli *cli)
{
	return freeze_call(cli, "thaw", 0);
}

const struct cli_command freeze_command = {
	.name = "freeze",
	.arguments = "SET",
	.purpose = "let nothing new become true",
	.help = freeze_help,
	.options = CLI_UNTIL | CLI_TIMEOUT,
	.least = 1,
	.most = 1,
	.run = freeze_run,
};

const struct cli_command thaw_command = {
	.name = "thaw",
	.arguments = "SET",
	.purpose = "end a freeze",
	.help = thaw_help,
	.options = CLI_TIMEOUT,
	.least = 1,
	.most = 1,
	.run = thaw_run,
};
