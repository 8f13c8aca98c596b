/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* What the bench starts and waits for: servers, and zkcfgd as built. They die with it. */
#ifndef ZKCFG_TESTS_BENCH_PROCESS_H
#define ZKCFG_TESTS_BENCH_PROCESS_H

#include <sys/types.h>

#include "bench/bench.h"

/* Its output is appended to this file of the directory. Ends with process_end(). */
pid_t process_spawn(const char *directory, const char *log, char *const arguments[]);
/* zkcfgd with one set, "app"; its log is daemon.log. It need not serve yet. */
pid_t process_spawn_daemon(const char *directory, const char *uri, const char *shm_dir, const char *state_dir);
/* By SIGKILL. 0, which it becomes, is none. */
void process_end(pid_t *pid);

/* Sleep a little; what is waited for since began_ns in vain for a minute ends the run. */
void process_patience(int64_t began_ns, const char *what);

#endif
