/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/hold.h"

void hold_describe(enum hold hold, const struct marker *marker, size_t change_count, struct message *text)
{
	const char *wait = change_count == 1 ? "change waits" : "changes wait";

	text->text[0] = '\0';
	if (change_count == 0 && hold == HOLD_MARKER)
		message_set(
			text,
			"the commit marker %s is missing or empty at the source: nothing is committed "
			"until it is there",
			marker->name);
	else if (change_count == 0 || hold == HOLD_NOT)
		return;
	else if (hold == HOLD_AWAY)
		message_set(text,
			    "%zu %s for the source to be back: they may be half of what changed together",
			    change_count, wait);
	else if (hold == HOLD_FROZEN)
		message_set(text, "%zu %s for the set to be thawed", change_count, wait);
	else if (hold == HOLD_UNSETTLED)
		message_set(text, "%zu %s for the source to settle", change_count, wait);
	else if (!marker->is_there)
		message_set(text, "%zu %s for the commit marker %s, which is missing or empty at the source",
			    change_count, wait, marker->name);
	else
		message_set(text, "%zu %s for the commit marker %s, seen at revision %llu", change_count,
			    wait, marker->name, (unsigned long long)marker->revision);
}
