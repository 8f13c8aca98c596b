/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include <time.h>

#include "cli/cli.h"

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* How long the next wait may be: a second, or what is left. */
static int slice_ms(const struct cli_options *options, int64_t begun_ms)
{
	int64_t left_ms = 1000;

	if (options->timeout_ms >= 0 && begun_ms + options->timeout_ms - now_ms() < left_ms)
		left_ms = begun_ms + options->timeout_ms - now_ms();
	return left_ms > 0 ? (int)left_ms : 0;
}

/* ZKCFG_ETIMEDOUT, or what zkcfg_open() or zkcfg_wait() said. */
static int wait_newer(const struct cli_options *options, struct zkcfg **cfg, uint64_t *seq)
{
	int64_t begun_ms = now_ms();
	int err;

	for (;;) {
		int ms = slice_ms(options, begun_ms);

		if (!*cfg) {
			struct timespec pause = { .tv_nsec = (ms < 100 ? ms : 100) * 1000000L };

			err = zkcfg_open(options->arguments[0], options->shm_dir, cfg);
			if (err != 0 && err != ZKCFG_ENOSET)
				return err;
			if (err == ZKCFG_ENOSET && ms > 0)
				nanosleep(&pause, NULL);
		} else {
			err = zkcfg_wait(*cfg, options->newer, ms, seq);
			if (err == 0 && *seq > options->newer)
				return 0;
			if (err != 0 && err != ZKCFG_ETIMEDOUT && err != ZKCFG_EINTR)
				return err;
			if (err == 0) { /* seq is behind what we were given: a commit will come */
				struct timespec pause = { .tv_nsec = (ms < 100 ? ms : 100) * 1000000L };

				nanosleep(&pause, NULL);
			}
		}
		if (ms == 0 || cli_interrupted)
			return ZKCFG_ETIMEDOUT;
	}
}

int wait_run(const struct cli_options *options)
{
	struct zkcfg *cfg = NULL;
	uint64_t seq;
	int err, code = EXIT_OK;

	if (!options->newer_given)
		return cli_fail(EXIT_USAGE, "wait: expected --newer SEQ, the seq you have; 0 for none");
	cli_catch_signals();
	err = wait_newer(options, &cfg, &seq);
	if (err == ZKCFG_ETIMEDOUT)
		code = cli_fail(EXIT_TIMED_OUT, "set %s: no commit newer than seq %llu in time", options->arguments[0],
				(unsigned long long)options->newer);
	else if (err < 0)
		code = cli_fail_error(options, err, options->arguments[0], NULL, NULL);
	else if (options->json)
		code = output_json(json_pack("{s:s, s:I}", "set", options->arguments[0], "seq", (json_int_t)seq), false);
	else
		printf("%llu\n", (unsigned long long)seq);
	zkcfg_close(cfg);
	return code;
}
