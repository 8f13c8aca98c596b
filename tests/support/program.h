/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program that a test has beside it: started as a child, killed with the test
 * at the latest, stopped by its process id. Whatever goes wrong fails the test.
 */
#ifndef ZKCFG_TESTS_SUPPORT_PROGRAM_H
#define ZKCFG_TESTS_SUPPORT_PROGRAM_H

#include <sys/types.h>

/* A port of 127.0.0.1 where nothing listens. */
int program_free_port(void);

/* By its path, its output appended to a file; niceness 0 is the test's own. */
pid_t program_begin(const char *const argv[], const char *output, int niceness);
/* Sends the signal and waits; killed after 20 seconds. How it ended is as of waitpid(). */
int program_end(pid_t pid, int signal);

/* By SIGSTOP: returns when all of its threads have stopped. Need not be a child. SIGCONT lets it go on. */
void program_pause(pid_t pid);

/* Run one to its end by the shell, with what printf() makes; its exit status, and what it printed. */
int program_run(char *printed, size_t printed_bytes, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
