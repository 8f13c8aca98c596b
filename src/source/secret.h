/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Secrets, which are in files that options of a URI name: one line each, wiped
 * from memory when it is done with. Neither a secret nor a part of one is ever
 * in a message.
 */
#ifndef ZKCFG_SOURCE_SECRET_H
#define ZKCFG_SOURCE_SECRET_H

#include <stdbool.h>

#include "base/message.h"

struct secret_file {
	const char *option; /* "auth_file" */
	const char *file;
	const char *what;     /* "password": what others have access to */
	const char *expected; /* "one line, user:password" */
	/* Whether a line may be one. */
	bool (*is_right)(const char *line);
};

/*
 * The line without its end; ends with secret_free(). Negative errno, and why. A file that others
 * than its owner and group may read, or anybody but its owner may write, is warned of.
 */
int secret_read(const struct secret_file *wanted, char **secret, struct message *message);
/* NULL is allowed. */
void secret_free(char *secret);

/* "user:password", the user not empty. */
bool secret_is_user_and_password(const char *line);

#endif
