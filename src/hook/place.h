/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file that is put in place of another: written beside it under a name of
 * its own (.FILE.zkcfg), looked at by whoever checks it, and renamed.
 */
#ifndef ZKCFG_HOOK_PLACE_H
#define ZKCFG_HOOK_PLACE_H

#include "base/buffer.h"
#include "base/message.h"
#include "hook/config.h"

/* The new file's path, "/etc/.app.conf.zkcfg"; free() it. NULL: out of memory. */
char *place_new_path(const char *file);
/* Write it, to the disk, with owner, group and mode. A negative errno with message. */
int place_write(const struct hook_render *render, const struct buffer *bytes, struct message *message);
/* It becomes the file. A negative errno with message. */
int place_rename(const struct hook_render *render, struct message *message);
/* Remove the new file if it is there. */
void place_discard(const struct hook_render *render);

#endif
