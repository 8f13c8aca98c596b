/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Why changes must not be committed now, however long they have waited. For one thread. */
#ifndef ZKCFG_DAEMON_HOLD_H
#define ZKCFG_DAEMON_HOLD_H

#include <stddef.h>

#include "base/message.h"
#include "daemon/marker.h"

enum hold {
	HOLD_NOT,
	HOLD_AWAY,	/* half of what changed together may have been read, and the source is away */
	HOLD_UNSETTLED, /* the same, and this set is never cut */
	HOLD_FROZEN,	/* an operator said so */
	HOLD_MARKER	/* the source has settled; the commit marker is missing, or older than a change */
};

/* For people; "" where nothing is held. */
void hold_describe(enum hold hold, const struct marker *marker, size_t change_count, struct message *text);

#endif
