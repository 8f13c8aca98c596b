/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program that runs beside us: started, watched on the loop, and ended when
 * its time is over.
 *
 * It is started by posix_spawn(3) in a process group of its own, with every
 * signal at its default, standard input of /dev/null, and no descriptor but
 * the first three. What it prints is kept, the end of it. It is watched by a
 * pidfd, so that a caller with children of its own is not disturbed: nobody's
 * SIGCHLD is taken, and no child is waited for but this one.
 *
 * Another user: posix_spawn cannot change users, so setpriv(1) of util-linux
 * does it, in front of the program and in the same process.
 */
#ifndef ZKCFG_HOOK_SPAWN_H
#define ZKCFG_HOOK_SPAWN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/message.h"

struct event_base;
struct spawn;

/* So much of the output is kept, its end. */
#define SPAWN_OUTPUT_BYTES 4096
/* Between SIGTERM and SIGKILL, for who is over its time. */
#define SPAWN_GRACE_MS 2000

enum spawn_how {
	SPAWN_EXITED = 1,   /* code is its exit status */
	SPAWN_SIGNALED = 2, /* code is the signal */
	SPAWN_TIMED_OUT = 3 /* was killed at its limit, its whole group */
};

struct spawn_end {
	enum spawn_how how;
	int code;
	int64_t duration_ms;
	const char *output; /* clean UTF-8; lives until done() returns */
};

struct spawn_plan {
	char *const *argv;	  /* argv[0] is looked for in PATH */
	char *const *environment; /* all of it; NULL: ours */
	const char *run_as;	  /* name of a user; NULL: as we are */
	int64_t limit_ms;	  /* 0: none */
	/*
	 * Has our standard streams instead, the terminal if there is one, and
	 * the descriptors that we do not close on exec.
	 */
	bool is_foreground;
	/* Told once, when it has ended and was waited for; not if it was cancelled. spawn is gone then. */
	void (*done)(void *user, const struct spawn_end *end);
	void *user;
};

/* NULL with message: it could not be started. */
struct spawn *spawn_start(struct event_base *loop, const struct spawn_plan *plan, struct message *message);
pid_t spawn_pid(const struct spawn *spawn);
/* A signal to the program alone; -errno. */
int spawn_signal(const struct spawn *spawn, int signal);
/* As at its limit: SIGTERM to the group, SIGKILL after grace_ms; done() is told when it has ended. */
void spawn_stop(struct spawn *spawn, int64_t grace_ms);
/* End it now, with its group, and forget it: SIGTERM, and SIGKILL 200 ms later. NULL is allowed. */
void spawn_cancel(struct spawn *spawn);

/* "exited with status 3", "was killed by signal 9", "was killed after 30 s, its limit". */
void spawn_tell(const struct spawn_end *end, struct message *message);

#endif
