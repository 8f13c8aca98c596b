/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One line of text for a human, filled in by what failed.
 *
 * A function that can fail for reasons a number cannot tell takes a
 * struct message as its last output: it is filled in on failure only.
 */
#ifndef ZKCFG_BASE_MESSAGE_H
#define ZKCFG_BASE_MESSAGE_H

struct message {
	char text[512];
};

/* Fill it in as printf() does; too long is cut, control characters become '?'. */
__attribute__((format(printf, 2, 3))) void message_set(struct message *message, const char *format, ...);

#endif
