/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names for the instants between rendering and reloading at which a process may
 * die. Nothing in a build of zkcfg; in a program of the tests they are where it
 * is killed.
 */
#ifndef ZKCFG_HOOK_STEP_H
#define ZKCFG_HOOK_STEP_H

#ifdef HOOK_STEPS
void hook_step(const char *name);
#else
#define hook_step(name) ((void)0)
#endif

#endif
