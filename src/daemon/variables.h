/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Variables in the URI of a source: ${host} is the name of this host,
 * ${env:NAME} a variable of the environment, $$ a dollar.
 *
 * What they stand for is put in as it is; it is no place for secrets, as URIs
 * are logged and shown.
 */
#ifndef ZKCFG_DAEMON_VARIABLES_H
#define ZKCFG_DAEMON_VARIABLES_H

#include "base/message.h"

/* expanded: out, free() it. -EINVAL with what was found and expected, -ENOMEM. */
int variables_expand(const char *text, char **expanded, struct message *message);

#endif
