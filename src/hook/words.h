/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A command as people write it, taken apart into words without a shell.
 *
 * Words are parted by white space. Within '...' everything stands for itself;
 * within "..." all but a backslash, which makes the next character stand for
 * itself, as it does outside of quotes. Nothing is expanded: $, *, ~, |, > and
 * & are characters like any other.
 */
#ifndef ZKCFG_HOOK_WORDS_H
#define ZKCFG_HOOK_WORDS_H

#include "base/message.h"

/* A NULL-terminated array; ends with words_free(). -EINVAL with what is wrong in message, or -ENOMEM. */
int words_split(const char *text, char ***words, struct message *message);
void words_free(char **words);

#endif
