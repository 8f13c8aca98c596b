/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* A signal to the process that a pid file names. */
#ifndef ZKCFG_HOOK_PID_FILE_H
#define ZKCFG_HOOK_PID_FILE_H

#include "base/message.h"

/*
 * Refused, if the file is neither root's, nor ours, nor of the user whose
 * process it is: who may write a file could choose whom we signal. A negative
 * errno with message.
 */
int pid_file_signal(const char *path, int signal, struct message *message);

#endif
