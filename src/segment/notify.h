/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a commit reaches those who wait with poll() rather than with a futex:
 * two FIFOs beside control, through which no byte ever goes.
 *
 * commits  Nobody has it open for writing. To tell of a commit, the writer
 *          opens it and closes it again: whoever had it open for reading
 *          before has a hang-up on it from then on, which nobody can take
 *          away from him. Who wants to hear of the next commit opens it
 *          anew. With no reader the open fails, and that is all it costs.
 * alive    The writer has it open as long as it serves this segment. When it
 *          ends, however it ends, readers have a hang-up here.
 *
 * Only the owner may open them for writing. What a reader does with his end
 * is nothing to the others.
 */
#ifndef ZKCFG_SEGMENT_NOTIFY_H
#define ZKCFG_SEGMENT_NOTIFY_H

#include <stdbool.h>
#include <sys/types.h>

struct notify {
	int alive_fd; /* -1: none */
};

/*
 * The writer's side. Make the FIFOs, unless they are there, and begin to be
 * alive. mode is that of the set's files. ZKCFG_EACCES, ZKCFG_ESYSTEM:
 * readers look by themselves, then. Ends with notify_close().
 */
int notify_open(int dir_fd, mode_t mode, gid_t group, struct notify *notify);
void notify_close(struct notify *notify);
/* Are the FIFOs that readers find those of notify_open()? */
bool notify_is_in_place(int dir_fd, const struct notify *notify);
/* Tell of a commit. */
void notify_commit(int dir_fd);

/* The reader's side: descriptors to poll for a hang-up, -1 where there is none to be had. */
int notify_watch_commits(int dir_fd);
/* *is_alive: is there a writer? */
int notify_watch_alive(int dir_fd, bool *is_alive);

#endif
