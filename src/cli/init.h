/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Process 1 of a container: it inherits orphans and has to wait for them, and
 * the kernel keeps from it every signal that it does not ask for. It does
 * nothing else; what we are there for is done by its one child.
 */
#ifndef ZKCFG_CLI_INIT_H
#define ZKCFG_CLI_INIT_H

/*
 * Where we are process 1: returns in the child, 0. In process 1 it returns when
 * the child has ended, with the exit code to end with in code, and 1. -1: no
 * process can be made, it was said why. Elsewhere: 0, nothing is done.
 */
int init_begin(int *code);

#endif
