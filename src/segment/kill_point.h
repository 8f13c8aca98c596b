/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names for the instants at which a writer may die. Nothing in a build of
 * zkcfg; in a program of the tests they are where it is killed.
 */
#ifndef ZKCFG_SEGMENT_KILL_POINT_H
#define ZKCFG_SEGMENT_KILL_POINT_H

#ifdef KILL_POINTS
void kill_point(const char *name);
#else
#define kill_point(name) ((void)0)
#endif

#endif
