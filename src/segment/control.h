/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control file of a set: the commit counter, where the newest root is,
 * stamps, and the text of the state. All atomics on shared memory are here.
 */
#ifndef ZKCFG_SEGMENT_CONTROL_H
#define ZKCFG_SEGMENT_CONTROL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <zkcfg/zkcfg.h>

struct layout_control;
struct layout_status;

struct control {
	struct layout_control *page; /* NULL: not open; read-only for readers */
	dev_t device;
	ino_t inode;
};

/* A set's name: [A-Za-z0-9._-], 1 to 64, no dot first. */
bool control_set_name_ok(const char *set);

/*
 * Make it, with seq 0; one that is there is replaced. The file appears whole.
 * ZKCFG_ENOSPC, ZKCFG_EACCES, ZKCFG_ESYSTEM. Ends with control_close().
 */
int control_create(int dir_fd, const char *set, const uint8_t segment_id[16], mode_t mode, gid_t group,
		   struct control *control);
/*
 * The same in two steps, for one that is to appear with a commit in it:
 * control_prepare() makes it, with no name that readers look for;
 * control_install() gives it the name, or control_discard() ends it.
 */
int control_prepare(int dir_fd, const char *set, const uint8_t segment_id[16], mode_t mode, gid_t group,
		    struct control *control);
int control_install(int dir_fd);
void control_discard(struct control *control, int dir_fd);
/*
 * Open for reading or writing, after checking that it is ours to believe. A
 * reader that has one mapped hands its page in as `in_place`, and gets the new
 * one at the same address: pointers into it stay good. NULL: anywhere.
 *
 * ZKCFG_ENOSET, ZKCFG_EACCES, ZKCFG_EOWNER, ZKCFG_EMODE, ZKCFG_ESIZE,
 * ZKCFG_EMAGIC, ZKCFG_ELAYOUT, ZKCFG_ECORRUPT (another set's), ZKCFG_ESYSTEM.
 */
int control_open(int dir_fd, const char *set, bool writable, struct layout_control *in_place,
		 struct control *control);
void control_close(struct control *control);
/* The set's mode or group is another than it was. ZKCFG_ENOSET, ZKCFG_EACCES, ZKCFG_ESYSTEM. */
int control_set_mode(int dir_fd, mode_t mode, gid_t group);
/* Does the name in this directory still lead to this file? */
bool control_is_current(const struct control *control, int dir_fd);

/* THE counter; lives as long as the mapping. */
const uint64_t *control_counter(const struct control *control);
uint64_t control_seq(const struct control *control);
void control_segment_id(const struct control *control, uint8_t segment_id[16]);
/* Where the root of a commit is, if that commit is one of the last 64. */
void control_root(const struct control *control, uint64_t seq, uint32_t *generation, uint64_t *offset);
/*
 * Wait until seq is another than `seen`; may return early for no reason.
 * timeout_ms is one second at most. ZKCFG_EINTR.
 */
int control_wait(const struct control *control, uint64_t seen, int timeout_ms);

/* Only before the first commit. */
void control_set_segment_id(struct control *control, const uint8_t segment_id[16]);
/* Make a commit the newest, and wake who waits. All that it reaches must be written. */
void control_publish(struct control *control, uint64_t seq, uint32_t generation, uint64_t offset);
/* This file is the set's no longer: send its readers to the new one, where seq is `seq`. */
void control_abandon(struct control *control, uint64_t seq);

struct control_stamps {
	int64_t heartbeat_ns; /* CLOCK_BOOTTIME; 0: never since boot */
	int64_t verified_ns;  /* CLOCK_BOOTTIME; 0: never since boot */
	int64_t told_ns;      /* CLOCK_BOOTTIME; 0: never since boot */
	int64_t asked_ns;     /* CLOCK_BOOTTIME; 0: never since boot */
	int64_t daemon_pid;
	uint64_t repair_count;
	uint32_t source_state;
	uint32_t source_mode;
};
void control_stamps(const struct control *control, struct control_stamps *stamps);
bool control_moved(const struct control *control);
/* Nanoseconds since the last sign of life; INT64_MAX: never. */
int64_t control_silence_ns(const struct control *control);
void control_set_heartbeat(struct control *control, int64_t boottime_ns);
void control_set_verified(struct control *control, int64_t boottime_ns);

/* How a set hears of changes. */
struct control_contact {
	enum zkcfg_source_mode mode;
	int64_t told_ns;  /* CLOCK_BOOTTIME; 0: never */
	int64_t asked_ns; /* CLOCK_BOOTTIME; 0: never */
	uint64_t repair_count;
};
void control_set_contact(struct control *control, const struct control_contact *contact);
/* A daemon begins: its pid, and a boot id that its stamps belong to. */
void control_set_daemon(struct control *control);
/* It ends, and says so: there is no pid any more. */
void control_clear_daemon(struct control *control);

/* The text of the state, as it lies in shared memory: written to the half not in force, then put in force. */
struct control_status {
	enum zkcfg_source_state source_state;
	const char *source;
	const char *detail;
	int64_t since_ns;
	const struct zkcfg_candidate *candidates;
	size_t candidate_count;
};
void control_set_status(struct control *control, const struct control_status *status);
/* Copy the half in force; its offsets are not checked yet. ZKCFG_ECORRUPT: no consistent copy. */
int control_copy_status(const struct control *control, struct layout_status *copy);

#endif
