/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Work that may take its time, on a thread of its own, so that the loop does not wait for it. */
#ifndef ZKCFG_HOOK_JOB_H
#define ZKCFG_HOOK_JOB_H

struct event_base;
struct job;

/*
 * work() runs on the thread; done() on the loop, when it has ended. NULL: there
 * is no thread or no memory to be had.
 */
struct job *job_start(struct event_base *loop, void (*work)(void *user), void (*done)(void *user),
		      void *user);
/* Wait until work() has ended; done() is not told. NULL is allowed. */
void job_cancel(struct job *job);

#endif
