/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

#include <string.h>

#include "base/clock.h"

static const char wait_help[] =
	"Waits until a set has a commit newer than SEQ, and prints its seq. Waits for a set that is not\n"
	"there yet as well. Where the numbering of commits began anew meanwhile, the first one counts as\n"
	"newer.\n"
	"\n"
	"  --newer SEQ     without it: newer than the newest one now; 0: until anything is published\n"
	"  --timeout TIME  exit status 6 after so long: a number with ms, s, m or h, or seconds; without\n"
	"                  it, waits for ever\n"
	"\n"
	"examples:\n"
	"  zkcfg wait app --newer 0 --timeout 30 || exit\n"
	"  seq=0; while seq=$(zkcfg wait app --newer \"$seq\"); do reload; done\n";

/* One wait of the library's; then it is looked whether numbering began anew. */
#define WAIT_SLICE_MS 1000

struct wait {
	const struct cli *cli;
	struct set set;
	int64_t deadline_ns; /* monotonic; -1: none */
	uint64_t above;	     /* a commit above this one is newer */
	char segment_id[40]; /* "" unless known */
};

/* Another id than the one seen first: numbering began anew. */
static bool wait_began_anew(struct wait *wait)
{
	struct zkcfg_status *status;
	bool anew;

	if (zkcfg_status_read(wait->set.cfg, &status) < 0)
		return false;
	anew = wait->segment_id[0] != '\0' && strcmp(wait->segment_id, zkcfg_status_segment_id(status)) != 0;
	snprintf(wait->segment_id, sizeof(wait->segment_id), "%s", zkcfg_status_segment_id(status));
	zkcfg_status_free(status);
	return anew;
}

/* How long the library is to wait at once; 0: the time is over. */
static int wait_slice_ms(const struct wait *wait)
{
	int64_t left_ns;

	if (wait->deadline_ns < 0)
		return WAIT_SLICE_MS;
	left_ns = wait->deadline_ns - clock_monotonic_ns();
	if (left_ns <= 0)
		return 0;
	if (left_ns >= WAIT_SLICE_MS * CLOCK_NS_PER_MS)
		return WAIT_SLICE_MS;
	return (int)(left_ns / CLOCK_NS_PER_MS) + 1;
}

static int wait_newer(struct wait *wait)
{
	bool anew = wait_began_anew(wait);
	uint64_t seen = 0, seq;
	int slice_ms, err;

	for (;;) {
		slice_ms = wait_slice_ms(wait);
		err = zkcfg_wait(wait->set.cfg, seen, slice_ms, &seq);
		if (err == 0) {
			anew = anew || wait_began_anew(wait);
			if (anew || seq > wait->above) {
				printf("%llu\n", (unsigned long long)seq);
				return CLI_OK;
			}
			if (seen == 0 && wait->above > seq)
				complain("set \"%s\" is at seq %llu: waiting for one above %llu",
					 wait->set.name, (unsigned long long)seq,
					 (unsigned long long)wait->above);
			seen = seq;
		} else if (err == ZKCFG_ETIMEDOUT && slice_ms == 0) {
			return CLI_TIMED_OUT;
		} else if (err != ZKCFG_ETIMEDOUT && err != ZKCFG_EINTR) {
			return set_complain(wait->cli, wait->set.name, err);
		}
	}
}

static int wait_complain(const struct wait *wait)
{
	const char *name = wait->cli->arguments[0];
	struct message places;

	set_places(wait->cli, &places);
	if (!wait->set.cfg)
		complain("timed out: no set \"%s\" in %s: is zkcfgd running, and does it serve this set?",
			 name, places.text);
	else if (zkcfg_seq(wait->set.cfg) == 0)
		complain(
			"timed out: set \"%s\" has nothing published: zkcfg status %s says how far zkcfgd is",
			name, name);
	else
		complain("timed out: set \"%s\" has nothing newer than seq %llu", name,
			 (unsigned long long)wait->above);
	return CLI_TIMED_OUT;
}

static int wait_run(const struct cli *cli)
{
	struct wait wait = { .cli = cli, .deadline_ns = -1 };
	bool waited;
	int code;

	if (cli->timeout_ms >= 0)
		wait.deadline_ns = clock_monotonic_ns() + cli->timeout_ms * CLOCK_NS_PER_MS;
	code = set_await(cli, wait.deadline_ns, &wait.set, &waited);
	if (code == CLI_OK) {
		if (cli->newer >= 0)
			wait.above = (uint64_t)cli->newer;
		else
			wait.above = waited ? 0 : zkcfg_seq(wait.set.cfg);
		code = wait_newer(&wait);
	}
	if (code == CLI_TIMED_OUT)
		wait_complain(&wait);
	if (code == CLI_READER_GONE) {
		complain("nobody reads standard output any more");
		code = CLI_UNREADABLE;
	}
	set_close(&wait.set);
	return code;
}

const struct cli_command wait_command = {
	.name = "wait",
	.arguments = "SET",
	.purpose = "wait for a newer commit",
	.help = wait_help,
	.options = CLI_NEWER | CLI_TIMEOUT,
	.least = 1,
	.most = 1,
	.run = wait_run,
};
