/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cli/cli.h"

/* A heartbeat comes each second; without one for so long the daemon is taken for dead. */
#define DAEMON_DEAD_MS 5000

/* What there is to say of one set. */
struct view {
	const char *set;
	struct zkcfg *cfg;
	struct zkcfg_status *status;
	struct zkcfg_snapshot *snapshot; /* NULL: nothing published */
	int error;                       /* why it could not be read; 0: it could */
};

static const char *const state_words[] = { "none", "connecting", "syncing", "following", "away", "refused" };

static void view_open(const struct cli_options *options, const char *set, struct view *view)
{
	*view = (struct view){ .set = set };
	view->error = zkcfg_open(set, options->shm_dir, &view->cfg);
	if (view->error == 0)
		view->error = zkcfg_status_read(view->cfg, &view->status);
	if (view->error == 0)
		view->error = zkcfg_pin(view->cfg, &view->snapshot);
	if (view->error == ZKCFG_EEMPTY)
		view->error = 0;
}

static void view_close(struct view *view)
{
	zkcfg_unpin(view->snapshot);
	zkcfg_status_free(view->status);
	zkcfg_close(view->cfg);
}

static bool daemon_is_alive(const struct view *view)
{
	int64_t age_ms = zkcfg_status_daemon_age_ms(view->status);

	return zkcfg_status_daemon_pid(view->status) > 0 && age_ms >= 0 && age_ms < DAEMON_DEAD_MS;
}

/* Nobody vouches for it now. */
static bool view_is_stale(const struct view *view)
{
	return !daemon_is_alive(view) || zkcfg_status_source_state(view->status) != ZKCFG_SOURCE_FOLLOWING;
}

static int view_code(const struct cli_options *options, const struct view *view)
{
	int64_t unverified_ms;

	if (view->error < 0 || !view->snapshot)
		return EXIT_UNREADABLE;
	unverified_ms = zkcfg_status_unverified_ms(view->status);
	if (options->max_age_ms >= 0 && (unverified_ms < 0 || unverified_ms > options->max_age_ms))
		return EXIT_STALE;
	return EXIT_OK;
}

/* The instant that was so long ago, as text. */
static char *time_ago(int64_t ago_ms, char text[CLOCK_TEXT_BYTES])
{
	return clock_format(clock_realtime_ns() - ago_ms * CLOCK_NS_PER_MS, text);
}

static void print_verified(const struct view *view)
{
	int64_t unverified_ms = zkcfg_status_unverified_ms(view->status);
	char age[OUTPUT_AGE_BYTES], when[CLOCK_TEXT_BYTES];
	bool is_stale = view_is_stale(view);

	if (unverified_ms < 0)
		printf("  verified   %snever, since this segment was made or the host booted%s\n",
		       output_colour(OUTPUT_BAD), output_colour(OUTPUT_PLAIN));
	else if (is_stale)
		printf("  verified   %sSTALE since %s, %s ago%s\n", output_colour(OUTPUT_BAD),
		       time_ago(unverified_ms, when), output_age(unverified_ms, age), output_colour(OUTPUT_PLAIN));
	else
		printf("  verified   %s%s ago%s\n", output_colour(OUTPUT_GOOD), output_age(unverified_ms, age),
		       output_colour(OUTPUT_PLAIN));
}

static void print_source(const struct view *view)
{
	enum zkcfg_source_state state = zkcfg_status_source_state(view->status);
	const char *detail = zkcfg_status_detail(view->status);
	char when[CLOCK_TEXT_BYTES];

	printf("  source     %s\n  state      %s%s%s", zkcfg_status_source(view->status),
	       output_colour(state == ZKCFG_SOURCE_FOLLOWING ? OUTPUT_GOOD : OUTPUT_BAD), state_words[state],
	       output_colour(OUTPUT_PLAIN));
	if (zkcfg_status_since_ns(view->status) > 0)
		printf(" since %s", clock_format(zkcfg_status_since_ns(view->status), when));
	if (detail[0] != '\0')
		printf(": %s", detail);
	putchar('\n');
}

static void print_daemon(const struct view *view)
{
	int64_t age_ms = zkcfg_status_daemon_age_ms(view->status);
	char age[OUTPUT_AGE_BYTES];

	if (daemon_is_alive(view)) {
		printf("  daemon     process %lld, alive\n", (long long)zkcfg_status_daemon_pid(view->status));
		return;
	}
	printf("  daemon     %s", output_colour(OUTPUT_BAD));
	if (age_ms < 0)
		printf("not seen since boot");
	else if (zkcfg_status_daemon_pid(view->status) == 0)
		printf("ended, %s ago", output_age(age_ms, age));
	else
		printf("process %lld, not seen for %s", (long long)zkcfg_status_daemon_pid(view->status),
		       output_age(age_ms, age));
	printf("%s\n", output_colour(OUTPUT_PLAIN));
}

static void print_candidates(const struct view *view)
{
	size_t count = zkcfg_status_candidate_count(view->status), i;
	struct zkcfg_candidate candidate;
	char when[CLOCK_TEXT_BYTES];

	for (i = 0; zkcfg_status_candidate(view->status, i, &candidate) == 0; i++) {
		printf("  candidate  %s%s", output_colour(OUTPUT_BAD), candidate.document);
		if (candidate.line > 0)
			printf(":%u:%u", candidate.line, candidate.column);
		printf(": %s%s", candidate.reason, output_colour(OUTPUT_PLAIN));
		if (candidate.revision > 0)
			printf(" (revision %llu, since %s)\n", (unsigned long long)candidate.revision,
			       clock_format(candidate.since_ns, when));
		else
			printf(" (since %s)\n", clock_format(candidate.since_ns, when));
	}
	if (count > i)
		printf("  candidate  and %zu more\n", count - i);
}

static void print_view(const struct view *view)
{
	char when[CLOCK_TEXT_BYTES];

	if (view->error < 0) {
		printf("%s: cannot be read: %s\n", view->set, zkcfg_strerror(view->error));
		return;
	}
	if (view->snapshot)
		printf("%s: seq %llu, %zu documents, committed %s\n", view->set,
		       (unsigned long long)zkcfg_snapshot_seq(view->snapshot),
		       zkcfg_snapshot_document_count(view->snapshot),
		       clock_format(zkcfg_snapshot_time_ns(view->snapshot), when));
	else
		printf("%s: nothing published yet\n", view->set);
	print_source(view);
	print_verified(view);
	print_daemon(view);
	print_candidates(view);
}

static json_t *json_candidates(const struct view *view)
{
	struct zkcfg_candidate candidate;
	char when[CLOCK_TEXT_BYTES];
	json_t *array = json_array();

	for (size_t i = 0; zkcfg_status_candidate(view->status, i, &candidate) == 0; i++)
		json_array_append_new(array, json_pack("{s:s, s:s, s:i, s:i, s:I, s:s}", "document",
						       candidate.document, "reason", candidate.reason, "line",
						       (int)candidate.line, "column", (int)candidate.column,
						       "revision", (json_int_t)candidate.revision, "since",
						       clock_format(candidate.since_ns, when)));
	return array;
}

/* An integer, or null where it is negative. */
static json_t *json_known(int64_t number)
{
	return number < 0 ? json_null() : json_integer(number);
}

static json_t *json_view(const struct view *view)
{
	char committed[CLOCK_TEXT_BYTES], since[CLOCK_TEXT_BYTES];
	const struct zkcfg_status *status = view->status;

	if (view->error < 0)
		return json_pack("{s:s, s:s}", "set", view->set, "error", zkcfg_strerror(view->error));
	return json_pack("{s:s, s:I, s:I, s:s?, s:s, s:s, s:s, s:s, s:s?, s:o, s:b, s:I, s:o, s:b, s:I, s:o}", "set",
			 view->set, "seq", (json_int_t)(view->snapshot ? zkcfg_snapshot_seq(view->snapshot) : 0),
			 "documents",
			 (json_int_t)(view->snapshot ? zkcfg_snapshot_document_count(view->snapshot) : 0), "committed",
			 view->snapshot ? clock_format(zkcfg_snapshot_time_ns(view->snapshot), committed) : NULL,
			 "segment_id", zkcfg_status_segment_id(status), "source", zkcfg_status_source(status), "state",
			 state_words[zkcfg_status_source_state(status)], "detail", zkcfg_status_detail(status), "since",
			 zkcfg_status_since_ns(status) > 0 ? clock_format(zkcfg_status_since_ns(status), since) : NULL,
			 "unverified_ms", json_known(zkcfg_status_unverified_ms(status)), "stale", view_is_stale(view),
			 "daemon_pid", (json_int_t)zkcfg_status_daemon_pid(status), "daemon_age_ms",
			 json_known(zkcfg_status_daemon_age_ms(status)), "daemon_alive", daemon_is_alive(view),
			 "candidate_count", (json_int_t)zkcfg_status_candidate_count(status), "candidates",
			 json_candidates(view));
}

struct report {
	const struct cli_options *options;
	json_t *array; /* NULL: print */
	size_t count;
	int worst;
};

static int report_set(const char *set, void *user)
{
	struct report *report = user;
	struct view view;
	int code;

	view_open(report->options, set, &view);
	code = view_code(report->options, &view);
	if (report->array) {
		json_array_append_new(report->array, json_view(&view));
	} else {
		if (report->count > 0)
			putchar('\n');
		print_view(&view);
	}
	report->count++;
	/* stale (5) before unreadable (3) would hide that there is nothing at all */
	if (report->worst == EXIT_OK || code == EXIT_UNREADABLE)
		report->worst = code == EXIT_OK ? report->worst : code;
	view_close(&view);
	return 0;
}

static int status_one(const struct cli_options *options, const char *set)
{
	struct view view;
	int code;

	view_open(options, set, &view);
	if (view.error < 0)
		code = cli_fail_error(options, view.error, set, NULL, NULL);
	else
		code = view_code(options, &view);
	if (view.error == 0 && options->json)
		output_json(json_view(&view), true);
	else if (view.error == 0)
		print_view(&view);
	view_close(&view);
	return code;
}

int status_run(const struct cli_options *options)
{
	struct report report = { .options = options };
	int err;

	if (options->argument_count == 1)
		return status_one(options, options->arguments[0]);
	report.array = options->json ? json_array() : NULL;
	err = zkcfg_list_sets(options->shm_dir, report_set, &report);
	if (report.array)
		output_json(report.array, true);
	if (err < 0)
		return cli_fail(EXIT_UNREADABLE, "cannot list the sets: %s", zkcfg_strerror(err));
	if (report.count == 0)
		return cli_fail(EXIT_UNREADABLE, "no set is published here: is zkcfgd running?");
	return report.worst;
}
