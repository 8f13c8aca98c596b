/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/write.h"

#include <limits.h>

#define WRITE_TIMEOUT_MS 10000

static const struct source_events no_events;

int write_find(const char *uri, const struct source_ops **ops)
{
	struct message message = { "" };
	struct source *source;

	*ops = source_find(uri, &message);
	if (!*ops)
		return cli_fail(EXIT_USAGE, "%s", message.text);
	if ((*ops)->open(uri, &no_events, NULL, &source, &message) < 0)
		return cli_fail(EXIT_USAGE, "%s", message.text);
	(*ops)->close(source);
	return EXIT_OK;
}

struct source_change write_change(const struct cli_options *options)
{
	int64_t timeout_ms = options->timeout_ms >= 0 ? options->timeout_ms : WRITE_TIMEOUT_MS;

	return (struct source_change){ .if_version = options->if_version,
				       .timeout_ms = timeout_ms < INT_MAX ? (int)timeout_ms : INT_MAX };
}

int write_fail(enum source_result result, const struct message *message)
{
	switch (result) {
	case SOURCE_MISSING:
		return cli_fail(EXIT_NOT_FOUND, "%s", message->text);
	case SOURCE_INVALID:
	case SOURCE_CONFLICT:
		return cli_fail(EXIT_INVALID, "%s", message->text);
	case SOURCE_TIMEOUT:
		return cli_fail(EXIT_TIMED_OUT, "%s", message->text);
	default:
		return cli_fail(EXIT_SOURCE, "%s", message->text);
	}
}
