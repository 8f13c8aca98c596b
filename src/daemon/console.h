/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the control interface tells and does: the sets, reloading and freezing,
 * in the words of admin/admin.h. For the loop's thread.
 */
#ifndef ZKCFG_DAEMON_CONSOLE_H
#define ZKCFG_DAEMON_CONSOLE_H

#include "base/message.h"
#include "daemon/options.h"
#include "daemon/reload.h"
#include "daemon/sets.h"

struct console;

/*
 * Listen, as the settings say: on the Unix socket below the shm dir, and on
 * TCP if asked. All is borrowed. A negative errno with message: what was asked
 * for cannot be had. A Unix socket that cannot be made is no error, but logged:
 * sets are served without.
 */
int console_open(const struct settings *settings, struct sets *sets, struct reload *reload,
		      struct console **console, struct message *message);
/* NULL is allowed. */
void console_close(struct console *console);

/* A hook may have ended that somebody waits for. */
void console_look(struct console *console);
/* A commit of one of the sets. */
void console_committed(struct console *console, const struct pipeline_commit *commit);

#endif
