/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

static const char status_help[] =
	"Says of one set, or of all: the newest commit, what zkcfgd last said of the source and since\n"
	"when, how long ago the source vouched for what is served, whether zkcfgd is alive, and which\n"
	"versions were refused, with document:line:column, the reason and the revision. \"stale since\"\n"
	"says since when a change at the source may have gone unseen. Exit status 3 if a set has nothing\n"
	"published, or cannot be read.\n"
	"\n"
	"  --json         an object for one set, an array for all\n"
	"  --max-age AGE  exit status 5 if the source has not vouched for a set for longer: a number with\n"
	"                 ms, s, m or h, or seconds\n"
	"\n"
	"examples:\n"
	"  zkcfg status\n"
	"  zkcfg status app --json | jq .unverified_ms\n"
	"  zkcfg status --max-age 1m >/dev/null || alarm\n";

/* zkcfgd gives a sign of life every second. */
#define STATUS_ALIVE_MS 3000

/* One set, read. */
struct status {
	struct set set;
	struct zkcfg_status *read;
	uint64_t seq; /* of the newest commit, to which the next two belong */
	size_t document_count;
	int64_t committed_ns; /* 0: nothing is published */
	int64_t now_ns;
	const char *stale; /* why what is served may be old; NULL: it is not */
};

static const char *status_word(enum zkcfg_source_state state)
{
	static const char *const words[] = {
		[ZKCFG_SOURCE_NONE] = "none",	    [ZKCFG_SOURCE_CONNECTING] = "connecting",
		[ZKCFG_SOURCE_SYNCING] = "syncing", [ZKCFG_SOURCE_FOLLOWING] = "following",
		[ZKCFG_SOURCE_AWAY] = "away",	    [ZKCFG_SOURCE_REFUSED] = "refused"
	};

	return words[state];
}

static const char *status_mode(enum zkcfg_source_mode mode)
{
	static const char *const words[] = { [ZKCFG_MODE_NONE] = "none",
					     [ZKCFG_MODE_PUSH] = "push",
					     [ZKCFG_MODE_PULL] = "pull",
					     [ZKCFG_MODE_PUSH_AND_PULL] = "push and pull" };

	return words[mode];
}

static bool status_is_alive(const struct status *status)
{
	int64_t age_ms = zkcfg_status_daemon_age_ms(status->read);

	return zkcfg_status_daemon_pid(status->read) > 0 && age_ms >= 0 && age_ms <= STATUS_ALIVE_MS;
}

/* Why nobody would notice a change at the source now; NULL: it would be noticed. */
static const char *status_staleness(const struct status *status)
{
	if (!status_is_alive(status))
		return zkcfg_status_daemon_pid(status->read) == 0 ? "zkcfgd has ended"
								  : "zkcfgd is not alive";
	switch (zkcfg_status_source_state(status->read)) {
	case ZKCFG_SOURCE_FOLLOWING:
		return NULL;
	case ZKCFG_SOURCE_SYNCING:
		return "zkcfgd has not read all of the source yet";
	case ZKCFG_SOURCE_AWAY:
		return "the source is away";
	case ZKCFG_SOURCE_REFUSED:
		return "the source does not let zkcfgd read";
	default:
		return "zkcfgd has not reached the source yet";
	}
}

/* Since when what is served is not vouched for; 0: it never was. */
static int64_t status_stale_since_ns(const struct status *status)
{
	int64_t unverified_ms = zkcfg_status_unverified_ms(status->read);

	return unverified_ms < 0 ? 0 : status->now_ns - unverified_ms * CLOCK_NS_PER_MS;
}

/* CLI_OK also if nothing is published: then there still is something to tell. */
static int status_open(const struct cli *cli, const char *name, struct status *status)
{
	struct zkcfg_snapshot *snapshot;
	int code, err;

	*status = (struct status){ 0 };
	code = set_open(cli, name, &status->set);
	if (code != CLI_OK)
		return code;
	err = zkcfg_status_read(status->set.cfg, &status->read);
	if (err < 0)
		return set_complain(cli, name, err);
	status->now_ns = clock_realtime_ns();
	status->stale = status_staleness(status);
	err = zkcfg_pin(status->set.cfg, &snapshot);
	if (err == ZKCFG_EEMPTY)
		return CLI_OK;
	if (err < 0)
		return set_complain(cli, name, err);
	status->seq = zkcfg_snapshot_seq(snapshot);
	status->document_count = zkcfg_snapshot_document_count(snapshot);
	status->committed_ns = zkcfg_snapshot_time_ns(snapshot);
	zkcfg_unpin(snapshot);
	return CLI_OK;
}

static void status_close(struct status *status)
{
	zkcfg_status_free(status->read);
	set_close(&status->set);
}

/* --- for people ------------------------------------------------------------ */

/* "2026-11-23T05:12:00.123Z (3 min ago)" */
static void print_time(const struct status *status, int64_t time_ns)
{
	char time[CLOCK_TEXT_BYTES], age[OUTPUT_AGE_BYTES];
	int64_t age_ns = status->now_ns - time_ns;

	printf("%s (%s ago)", clock_format(time_ns, time),
	       output_age(age_ns > 0 ? age_ns / CLOCK_NS_PER_MS : 0, age));
}

static void print_commit(const struct status *status)
{
	printf("%s%s%s: ", output_colour(OUTPUT_BOLD), status->set.name, output_colour(OUTPUT_PLAIN));
	if (status->committed_ns == 0) {
		puts("nothing is published yet");
		return;
	}
	printf("seq %llu, %zu document%s, committed ", (unsigned long long)status->seq,
	       status->document_count, status->document_count == 1 ? "" : "s");
	print_time(status, status->committed_ns);
	putchar('\n');
}

/* A set of several sources has a line for each: what it is, URI, state and detail, with tabs between. */
static bool source_is_several(const char *text)
{
	return strchr(text, '\t') != NULL;
}

struct source_line {
	const char *parts[4];
	char *copy;
};

/* The first of the lines, taken apart; *text: out, behind it. false: no memory. */
static bool source_line(const char **text, struct source_line *line)
{
	size_t length = strcspn(*text, "\n");
	char *at;

	line->copy = at = strndup(*text, length);
	if (!at)
		return false;
	*text += length + ((*text)[length] != '\0');
	for (size_t i = 0; i < sizeof(line->parts) / sizeof(line->parts[0]); i++) {
		char *tab = strchr(at, '\t');

		line->parts[i] = at;
		at = tab ? tab + 1 : at + strlen(at);
		if (tab)
			*tab = '\0';
	}
	return true;
}

static void print_several(const char *text)
{
	struct source_line line;

	while (*text != '\0' && source_line(&text, &line)) {
		printf("  %-10.10s ", line.parts[0]);
		output_escaped(line.parts[1]);
		printf(": %s", line.parts[2]);
		if (*line.parts[3]) {
			fputs(": ", stdout);
			output_escaped(line.parts[3]);
		}
		putchar('\n');
		free(line.copy);
	}
}

static void print_source(const struct status *status)
{
	enum zkcfg_source_state state = zkcfg_status_source_state(status->read);
	int64_t since_ns = zkcfg_status_since_ns(status->read);
	bool is_alive = status_is_alive(status);
	const char *detail = zkcfg_status_detail(status->read);

	if (source_is_several(zkcfg_status_source(status->read))) {
		print_several(zkcfg_status_source(status->read));
	} else {
		fputs("  source     ", stdout);
		output_escaped(zkcfg_status_source(status->read));
		putchar('\n');
	}
	/* what a dead daemon said last is no news */
	printf("  state      %s%s%s%s", output_colour(status->stale ? OUTPUT_YELLOW : OUTPUT_GREEN),
	       status_word(state), output_colour(OUTPUT_PLAIN), is_alive ? "" : " when zkcfgd was last seen");
	if (since_ns > 0) {
		fputs(is_alive ? " since " : ", since ", stdout);
		print_time(status, since_ns);
	}
	if (*detail) {
		fputs(": ", stdout);
		output_escaped(detail);
	}
	putchar('\n');
}

/* "push, told 3 s ago, asked 2 min ago" */
static void print_contact(const struct status *status)
{
	int64_t told_ms = zkcfg_status_told_ms(status->read), asked_ms = zkcfg_status_asked_ms(status->read);
	unsigned long long repair_count = zkcfg_status_repair_count(status->read);
	char age[OUTPUT_AGE_BYTES];

	if (zkcfg_status_source_mode(status->read) == ZKCFG_MODE_NONE)
		return;
	printf("  mode       %s", status_mode(zkcfg_status_source_mode(status->read)));
	if (told_ms >= 0)
		printf(", told of a change %s ago", output_age(told_ms, age));
	if (asked_ms >= 0)
		printf(", asked %s ago", output_age(asked_ms, age));
	if (repair_count > 0)
		printf(", %llu repair%s by the audit", repair_count, repair_count == 1 ? "" : "s");
	putchar('\n');
}

static void print_daemon(const struct status *status)
{
	long long pid = (long long)zkcfg_status_daemon_pid(status->read);
	int64_t seen_ms = zkcfg_status_daemon_age_ms(status->read);
	char age[OUTPUT_AGE_BYTES];

	if (status_is_alive(status)) {
		printf("  daemon     alive, pid %lld\n", pid);
		return;
	}
	printf("  daemon     %s", output_colour(OUTPUT_RED));
	if (seen_ms < 0)
		fputs("not seen since this machine was started", stdout);
	else if (pid == 0)
		printf("ended %s ago", output_age(seen_ms, age));
	else
		printf("not seen for %s, pid was %lld", output_age(seen_ms, age), pid);
	puts(output_colour(OUTPUT_PLAIN));
}

static void print_freshness(const struct status *status)
{
	int64_t unverified_ms = zkcfg_status_unverified_ms(status->read);
	char age[OUTPUT_AGE_BYTES];

	if (unverified_ms < 0)
		puts("  verified   never");
	else
		printf("  verified   %s ago\n", output_age(unverified_ms, age));
	if (!status->stale || status->committed_ns == 0)
		return;
	printf("  %sstale%s      ", output_colour(OUTPUT_RED), output_colour(OUTPUT_PLAIN));
	if (unverified_ms < 0) {
		fputs("never verified", stdout);
	} else {
		fputs("since ", stdout);
		print_time(status, status_stale_since_ns(status));
	}
	printf(": %s\n", status->stale);
}

static void print_candidates(const struct status *status)
{
	size_t count = zkcfg_status_candidate_count(status->read), i;
	struct zkcfg_candidate candidate;

	for (i = 0; zkcfg_status_candidate(status->read, i, &candidate) == 0; i++) {
		printf("  %scandidate%s  ", output_colour(OUTPUT_YELLOW), output_colour(OUTPUT_PLAIN));
		output_escaped(candidate.document);
		if (candidate.line > 0)
			printf(":%u", candidate.line);
		if (candidate.line > 0 && candidate.column > 0)
			printf(":%u", candidate.column);
		fputs(": ", stdout);
		output_escaped(candidate.reason);
		printf("\n             revision %llu, refused since ",
		       (unsigned long long)candidate.revision);
		print_time(status, candidate.since_ns);
		putchar('\n');
	}
	if (count > i)
		printf("  and %zu more candidate%s, in the log of zkcfgd\n", count - i,
		       count - i == 1 ? "" : "s");
}

static void status_print(const struct status *status)
{
	print_commit(status);
	print_source(status);
	print_contact(status);
	print_daemon(status);
	print_freshness(status);
	print_candidates(status);
}

/* --- for programs ---------------------------------------------------------- */

static json_t *json_candidates(const struct status *status)
{
	json_t *array = json_array();
	struct zkcfg_candidate candidate;
	int built = 0;

	for (size_t i = 0; zkcfg_status_candidate(status->read, i, &candidate) == 0 && built == 0; i++)
		built = json_array_append_new(
			array,
			json_pack("{s:s, s:I, s:I, s:s, s:I, s:o}", "document", candidate.document, "line",
				  (json_int_t)candidate.line, "column", (json_int_t)candidate.column,
				  "reason", candidate.reason, "revision", (json_int_t)candidate.revision,
				  "since", output_time(candidate.since_ns)));
	if (built == 0)
		return array;
	json_decref(array);
	return NULL;
}

/* NULL: no memory. */
static json_t *json_several(const char *text)
{
	json_t *array = json_array();
	struct source_line line;
	int built = 0;

	while (*text != '\0' && built == 0) {
		if (!source_line(&text, &line))
			break;
		built = json_array_append_new(array, json_pack("{s:s, s:s, s:s, s:s}", "kind", line.parts[0],
							       "source", line.parts[1], "state",
							       line.parts[2], "detail", line.parts[3]));
		free(line.copy);
	}
	if (built == 0 && *text == '\0')
		return array;
	json_decref(array);
	return NULL;
}

static json_t *json_source(const char *text)
{
	return source_is_several(text) ? json_several(text) : json_string(text);
}

static json_t *status_json(const struct status *status)
{
	const struct zkcfg_status *read = status->read;
	json_t *whole =
		json_pack("{s:s, s:s, s:s, s:I, s:I, s:o}", "set", status->set.name, "directory",
			  zkcfg_directory(status->set.cfg), "segment_id", zkcfg_status_segment_id(read),
			  "seq", (json_int_t)status->seq, "documents", (json_int_t)status->document_count,
			  "committed", output_time(status->committed_ns));
	json_t *source =
		json_pack("{s:o, s:s, s:s, s:o, s:o}", "source", json_source(zkcfg_status_source(read)), "state",
			  status_word(zkcfg_status_source_state(read)), "detail", zkcfg_status_detail(read),
			  "since", output_time(zkcfg_status_since_ns(read)), "unverified_ms",
			  output_ms(zkcfg_status_unverified_ms(read)));
	json_t *contact =
		json_pack("{s:s, s:o, s:o, s:I}", "mode", status_mode(zkcfg_status_source_mode(read)), "told_ms",
			  output_ms(zkcfg_status_told_ms(read)), "asked_ms",
			  output_ms(zkcfg_status_asked_ms(read)), "repairs",
			  (json_int_t)zkcfg_status_repair_count(read));
	json_t *daemon = json_pack(
		"{s:b, s:o, s:s?, s:I, s:o, s:b, s:I, s:o}", "stale", status->stale != NULL, "stale_since",
		output_time(status->stale ? status_stale_since_ns(status) : 0), "stale_reason", status->stale,
		"daemon_pid", (json_int_t)zkcfg_status_daemon_pid(read), "daemon_age_ms",
		output_ms(zkcfg_status_daemon_age_ms(read)), "daemon_alive", status_is_alive(status),
		"candidate_count", (json_int_t)zkcfg_status_candidate_count(read), "candidates",
		json_candidates(status));
	bool built = whole && json_object_update(whole, source) == 0 &&
		     json_object_update(whole, contact) == 0 && json_object_update(whole, daemon) == 0;

	json_decref(source);
	json_decref(contact);
	json_decref(daemon);
	if (built)
		return whole;
	json_decref(whole);
	return NULL;
}

/* --- the command ----------------------------------------------------------- */

/* json: in, an array to append to, or NULL: print. */
static int status_tell(const struct cli *cli, const char *name, json_t *json)
{
	struct status status;
	int code = status_open(cli, name, &status);

	if (code == CLI_OK) {
		if (!json)
			status_print(&status);
		else if (json_array_append_new(json, status_json(&status)) < 0)
			code = output_json(NULL, 0);
		if (code == CLI_OK && status.committed_ns == 0)
			code = CLI_UNREADABLE;
		if (code == CLI_OK)
			code = set_check_age(cli, name, status.read);
	}
	status_close(&status);
	return code;
}

/* Nothing published is worse than stale. */
static int status_worse(int code, int other)
{
	if (code == CLI_OK || (code == CLI_STALE && other != CLI_OK))
		return other;
	return code;
}

static int status_tell_all(const struct cli *cli, json_t *json)
{
	struct message places;
	struct set_names names;
	int code = CLI_OK, err = set_names(cli, &names);

	set_places(cli, &places);
	if (err < 0) {
		complain("the sets in %s cannot be listed: %s", places.text, zkcfg_strerror(err));
		return CLI_UNREADABLE;
	}
	for (size_t i = 0; i < names.count; i++)
		code = status_worse(code, status_tell(cli, names.names[i], json));
	if (names.count == 0) {
		complain("there is no set in %s: is zkcfgd running?", places.text);
		code = CLI_UNREADABLE;
	}
	set_names_free(&names);
	return code;
}

static int status_run(const struct cli *cli)
{
	json_t *json = cli->json ? json_array() : NULL;
	int code;

	if (cli->json && !json)
		return output_json(NULL, 0);
	code = cli->argument_count > 0 ? status_tell(cli, cli->arguments[0], json)
				       : status_tell_all(cli, json);
	if (json && cli->argument_count == 0)
		output_json(json_incref(json), JSON_INDENT(2));
	else if (json && json_array_size(json) > 0)
		output_json(json_incref(json_array_get(json, 0)), JSON_INDENT(2));
	json_decref(json);
	return code;
}

const struct cli_command status_command = {
	.name = "status",
	.arguments = "[SET]",
	.purpose = "say how fresh sets are",
	.help = status_help,
	.options = CLI_JSON | CLI_MAX_AGE,
	.least = 0,
	.most = 1,
	.run = status_run,
};
