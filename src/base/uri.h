/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A source's URI, taken apart: scheme://authority/path?key=value&key=value
 *
 * %XX in path, keys and values is decoded; a decoded NUL or control character
 * is refused. The path keeps its leading '/' and loses trailing ones, unless
 * that is all there is. A user or password in the authority is refused: secrets
 * come from files. So is a fragment, an option without '=' and one given twice.
 *
 * What the authority means, and which options there are, is the source's
 * business.
 */
#ifndef ZKCFG_BASE_URI_H
#define ZKCFG_BASE_URI_H

#include <stddef.h>

#include "base/message.h"

struct uri_option {
	char *key;
	char *value;
};

struct uri {
	char *scheme;
	char *authority; /* "" when there is none */
	char *path;      /* "/" when there is none */
	struct uri_option *options;
	size_t option_count;
};

/* 0, -EINVAL with what was expected in message, or -ENOMEM. Ends with uri_free(). */
int uri_parse(const char *text, struct uri *uri, struct message *message);
void uri_free(struct uri *uri);
/* An option's value, or NULL. */
const char *uri_option(const struct uri *uri, const char *key);

#endif
