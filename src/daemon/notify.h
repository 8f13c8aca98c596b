/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* What systemd is told, where it started us; nothing elsewhere. */
#ifndef ZKCFG_DAEMON_NOTIFY_H
#define ZKCFG_DAEMON_NOTIFY_H

/* Up: every set is open. */
void notify_ready(void);
/* Reloading, until the next notify_ready(). */
void notify_reloading(void);
/* One line for `systemctl status`. */
void notify_status(const char *line);
void notify_stopping(void);

#endif
