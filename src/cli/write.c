/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/write.h"

#include <limits.h>

#define WRITE_TIMEOUT_MS 10000

static const struct source_events no_events;

const struct source_ops *write_find(const struct cli *cli)
{
	const struct source_ops *ops;
	struct message message = { "" };
	struct source *source;

	ops = source_find(cli->arguments[0], &message);
	/* opening reads the URI and does nothing else */
	if (!ops || ops->open(cli->arguments[0], &no_events, NULL, &source, &message) < 0) {
		complain("%s", message.text);
		return NULL;
	}
	ops->close(source);
	return ops;
}

struct source_change write_change(const struct cli *cli)
{
	int64_t timeout_ms = cli->timeout_ms >= 0 ? cli->timeout_ms : WRITE_TIMEOUT_MS;

	return (struct source_change){ .if_version = cli->if_version,
				       .timeout_ms = timeout_ms < INT_MAX ? (int)timeout_ms : INT_MAX };
}

int write_result(enum source_result result, const struct message *message)
{
	if (result == SOURCE_DONE)
		return CLI_OK;
	complain("%s", message->text);
	switch (result) {
	case SOURCE_INVALID:
		return CLI_INVALID;
	case SOURCE_MISSING:
		return CLI_NOT_FOUND;
	case SOURCE_CONFLICT:
		return CLI_STALE;
	case SOURCE_TIMEOUT:
		return CLI_TIMED_OUT;
	default:
		return CLI_SOURCE_FAILED;
	}
}
