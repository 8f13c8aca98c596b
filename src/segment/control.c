/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "segment/control.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "segment/hash.h"
#include "segment/kill_point.h"
#include "segment/layout.h"
#include "segment/trust.h"

#define CONTROL_NAME "control"
#define CONTROL_NEW_NAME "control.new"
#define WAIT_LIMIT_MS 1000
/* A copy of the status fails only if two were written while it was made. */
#define STATUS_TRIES 100

bool control_set_name_ok(const char *set)
{
	size_t bytes = strspn(set, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-");

	return bytes > 0 && bytes < LAYOUT_SET_NAME_BYTES && set[bytes] == '\0' && set[0] != '.';
}

/* The id of this boot, 16 bytes; zeros where the kernel does not tell. */
static void control_boot_id(uint8_t boot_id[16])
{
	char text[40] = "";
	unsigned value, count = 0;
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);

	memset(boot_id, 0, 16);
	if (fd < 0)
		return;
	if (read(fd, text, sizeof(text) - 1) > 0)
		for (const char *c = text; count < 16 && sscanf(c, "%2x", &value) == 1; c += 2 + (c[2] == '-'))
			boot_id[count++] = (uint8_t)value;
	close(fd);
}

int control_prepare(int dir_fd, const char *set, const uint8_t segment_id[16], mode_t mode, gid_t group,
		    struct control *control)
{
	struct layout_control *page;
	struct stat st;
	int fd, err;

	unlinkat(dir_fd, CONTROL_NEW_NAME, 0);
	fd = openat(dir_fd, CONTROL_NEW_NAME, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return trust_error(errno);
	kill_point("control.prepare.opened");
	do {
		err = posix_fallocate(fd, 0, LAYOUT_CONTROL_BYTES);
	} while (err == EINTR); /* tmpfs gives up for any signal, SIGTERM at the start too */
	if (err != 0) {
		errno = err;
		err = trust_error(err);
		goto remove_file;
	}
	err = trust_set_mode(fd, mode, group);
	if (err < 0)
		goto remove_file;
	if (fstat(fd, &st) < 0) {
		err = trust_error(errno);
		goto remove_file;
	}
	page = mmap(NULL, LAYOUT_CONTROL_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (page == MAP_FAILED) {
		err = trust_error(errno);
		goto remove_file;
	}
	kill_point("control.prepare.mapped");
	page->magic = LAYOUT_CONTROL_MAGIC;
	page->layout = LAYOUT_VERSION;
	page->control_bytes = LAYOUT_CONTROL_BYTES;
	memcpy(page->segment_id, segment_id, 16);
	snprintf(page->set, sizeof(page->set), "%s", set);
	close(fd);
	kill_point("control.prepare.headed");
	*control = (struct control){ .page = page, .device = st.st_dev, .inode = st.st_ino };
	return 0;
remove_file:
	close(fd);
	unlinkat(dir_fd, CONTROL_NEW_NAME, 0);
	return err;
}

int control_install(int dir_fd)
{
	kill_point("control.install");
	if (renameat(dir_fd, CONTROL_NEW_NAME, dir_fd, CONTROL_NAME) < 0)
		return trust_error(errno);
	kill_point("control.installed");
	return 0;
}

void control_discard(struct control *control, int dir_fd)
{
	control_close(control);
	unlinkat(dir_fd, CONTROL_NEW_NAME, 0);
}

int control_create(int dir_fd, const char *set, const uint8_t segment_id[16], mode_t mode, gid_t group,
		   struct control *control)
{
	struct control made;
	int err;

	err = control_prepare(dir_fd, set, segment_id, mode, group, &made);
	if (err < 0)
		return err;
	err = control_install(dir_fd);
	if (err < 0) {
		control_discard(&made, dir_fd);
		return err;
	}
	*control = made;
	return 0;
}

static int control_check(const struct layout_control *page, const char *set)
{
	if (page->magic != LAYOUT_CONTROL_MAGIC)
		return ZKCFG_EMAGIC;
	if (page->layout != LAYOUT_VERSION)
		return ZKCFG_ELAYOUT;
	if (page->control_bytes != LAYOUT_CONTROL_BYTES)
		return ZKCFG_ESIZE;
	if (strncmp(page->set, set, LAYOUT_SET_NAME_BYTES) != 0)
		return ZKCFG_ECORRUPT;
	return 0;
}

int control_open(int dir_fd, const char *set, bool writable, struct layout_control *in_place,
		 struct control *control)
{
	int prot = writable ? PROT_READ | PROT_WRITE : PROT_READ;
	struct layout_control *page;
	off_t size_bytes;
	struct stat st;
	int fd, err;

	fd = openat(dir_fd, CONTROL_NAME, (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return trust_error(errno);
	err = trust_file(dir_fd, fd, &size_bytes);
	if (err == 0 && size_bytes != LAYOUT_CONTROL_BYTES)
		err = ZKCFG_ESIZE;
	if (err == 0 && fstat(fd, &st) < 0)
		err = ZKCFG_ESYSTEM;
	if (err < 0)
		goto close_fd;
	page = mmap(NULL, LAYOUT_CONTROL_BYTES, prot, MAP_SHARED, fd, 0);
	if (page == MAP_FAILED) {
		err = trust_error(errno);
		goto close_fd;
	}
	err = control_check(page, set);
	if (err == 0 && in_place) {
		/* Only now that it is known to be good does it take the old one's place. To other
		 * threads that is one step: a fault of theirs waits until the kernel is done. */
		if (mmap(in_place, LAYOUT_CONTROL_BYTES, prot, MAP_SHARED | MAP_FIXED, fd, 0) == MAP_FAILED)
			err = trust_error(errno);
	}
	if (err < 0 || in_place)
		munmap(page, LAYOUT_CONTROL_BYTES);
	if (err == 0)
		*control = (struct control){ .page = in_place ? in_place : page, .device = st.st_dev,
					     .inode = st.st_ino };
close_fd:
	close(fd);
	return err;
}

int control_set_mode(int dir_fd, mode_t mode, gid_t group)
{
	int fd, err;

	fd = openat(dir_fd, CONTROL_NAME, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return trust_error(errno);
	err = trust_set_mode(fd, mode, group);
	close(fd);
	return err;
}

void control_close(struct control *control)
{
	if (control->page)
		munmap(control->page, LAYOUT_CONTROL_BYTES);
	control->page = NULL;
}

bool control_is_current(const struct control *control, int dir_fd)
{
	struct stat st;

	return fstatat(dir_fd, CONTROL_NAME, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_dev == control->device &&
	       st.st_ino == control->inode;
}

const uint64_t *control_counter(const struct control *control)
{
	return (const uint64_t *)(const void *)((const char *)control->page + offsetof(struct layout_control, seq));
}

uint64_t control_seq(const struct control *control)
{
	/* acquire: pairs with the release in control_publish(); also done inline in zkcfg.h */
	return atomic_load_explicit(&control->page->seq, memory_order_acquire);
}

void control_segment_id(const struct control *control, uint8_t segment_id[16])
{
	memcpy(segment_id, control->page->segment_id, 16);
}

void control_set_segment_id(struct control *control, const uint8_t segment_id[16])
{
	/* readers look at it only after they have seen a seq, which is not there yet */
	memcpy(control->page->segment_id, segment_id, 16);
}

void control_root(const struct control *control, uint64_t seq, uint32_t *generation, uint64_t *offset)
{
	/* acquire: pairs with the release in control_publish(): the root is written before its place is */
	uint64_t where = atomic_load_explicit(&control->page->roots[seq % LAYOUT_ROOT_SLOTS], memory_order_acquire);

	*generation = (uint32_t)(where >> 32);
	*offset = (where & UINT32_MAX) * LAYOUT_ALIGN;
}

/* The half of seq that changes with each commit, as the futex that the kernel compares. */
static uint32_t *control_futex(const struct control *control)
{
	uint32_t *halves = (uint32_t *)(void *)((char *)control->page + offsetof(struct layout_control, seq));

	return halves + (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__);
}

static void control_wake(const struct control *control)
{
	syscall(SYS_futex, control_futex(control), FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

int control_wait(const struct control *control, uint64_t seen, int timeout_ms)
{
	struct timespec limit;

	if (timeout_ms > WAIT_LIMIT_MS)
		timeout_ms = WAIT_LIMIT_MS;
	limit.tv_sec = timeout_ms / 1000;
	limit.tv_nsec = timeout_ms % 1000 * 1000000L;
	if (control_seq(control) != seen)
		return 0;
	if (syscall(SYS_futex, control_futex(control), FUTEX_WAIT, (uint32_t)seen, &limit, NULL, 0) < 0 &&
	    errno == EINTR)
		return ZKCFG_EINTR;
	return 0;
}

void control_publish(struct control *control, uint64_t seq, uint32_t generation, uint64_t offset)
{
	uint64_t where = (uint64_t)generation << 32 | offset / LAYOUT_ALIGN;

	kill_point("control.publish");
	/* release: pairs with the acquire in control_root() */
	atomic_store_explicit(&control->page->roots[seq % LAYOUT_ROOT_SLOTS], where, memory_order_release);
	kill_point("control.publish.root");
	/* release: pairs with control_seq() and zkcfg_seq(): who sees seq sees all of the commit */
	atomic_store_explicit(&control->page->seq, seq, memory_order_release);
	kill_point("control.publish.seq");
	control_wake(control);
	kill_point("control.publish.woken");
}

void control_abandon(struct control *control, uint64_t seq)
{
	/* release, and before seq: pairs with control_moved() of one who saw this seq */
	atomic_store_explicit(&control->page->moved, 1, memory_order_release);
	kill_point("control.abandon.moved");
	atomic_store_explicit(&control->page->seq, seq, memory_order_release);
	kill_point("control.abandon.seq");
	control_wake(control);
}

bool control_moved(const struct control *control)
{
	/* acquire: pairs with control_abandon() */
	return atomic_load_explicit(&control->page->moved, memory_order_acquire) != 0;
}

static bool control_is_this_boot(const struct control *control)
{
	uint8_t boot_id[16];

	control_boot_id(boot_id);
	return memcmp(boot_id, control->page->boot_id, 16) == 0;
}

void control_stamps(const struct control *control, struct control_stamps *stamps)
{
	bool is_this_boot = control_is_this_boot(control);

	/* relaxed: each stamp means something by itself */
	stamps->heartbeat_ns = atomic_load_explicit(&control->page->heartbeat_ns, memory_order_relaxed);
	stamps->verified_ns = atomic_load_explicit(&control->page->verified_ns, memory_order_relaxed);
	stamps->daemon_pid = atomic_load_explicit(&control->page->daemon_pid, memory_order_relaxed);
	stamps->source_state = atomic_load_explicit(&control->page->source_state, memory_order_relaxed);
	stamps->told_ns = atomic_load_explicit(&control->page->told_ns, memory_order_relaxed);
	stamps->asked_ns = atomic_load_explicit(&control->page->asked_ns, memory_order_relaxed);
	stamps->repair_count = atomic_load_explicit(&control->page->repair_count, memory_order_relaxed);
	stamps->source_mode = atomic_load_explicit(&control->page->source_mode, memory_order_relaxed);
	if (!is_this_boot)
		stamps->heartbeat_ns = stamps->verified_ns = stamps->told_ns = stamps->asked_ns = 0;
}

int64_t control_silence_ns(const struct control *control)
{
	/* relaxed: a stamp means something by itself */
	int64_t heartbeat_ns = atomic_load_explicit(&control->page->heartbeat_ns, memory_order_relaxed);
	struct timespec now;

	if (heartbeat_ns <= 0)
		return INT64_MAX;
	clock_gettime(CLOCK_BOOTTIME, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec - heartbeat_ns;
}

void control_set_heartbeat(struct control *control, int64_t boottime_ns)
{
	atomic_store_explicit(&control->page->heartbeat_ns, boottime_ns, memory_order_relaxed);
}

void control_set_verified(struct control *control, int64_t boottime_ns)
{
	atomic_store_explicit(&control->page->verified_ns, boottime_ns, memory_order_relaxed);
}

void control_set_contact(struct control *control, const struct control_contact *contact)
{
	atomic_store_explicit(&control->page->source_mode, contact->mode, memory_order_relaxed);
	atomic_store_explicit(&control->page->told_ns, contact->told_ns, memory_order_relaxed);
	atomic_store_explicit(&control->page->asked_ns, contact->asked_ns, memory_order_relaxed);
	atomic_store_explicit(&control->page->repair_count, contact->repair_count, memory_order_relaxed);
}

void control_set_daemon(struct control *control)
{
	bool is_this_boot = control_is_this_boot(control);

	if (!is_this_boot) {
		control_set_heartbeat(control, 0);
		control_set_verified(control, 0);
		control_set_contact(control, &(struct control_contact){ 0 });
		control_boot_id(control->page->boot_id);
	}
	atomic_store_explicit(&control->page->daemon_pid, getpid(), memory_order_relaxed);
}

void control_clear_daemon(struct control *control)
{
	atomic_store_explicit(&control->page->daemon_pid, 0, memory_order_relaxed);
}

/* Text that fills up; what does not fit is left out whole. */
struct status_text {
	struct layout_status *status;
	size_t used;
};

static bool status_room(const struct status_text *text, size_t bytes)
{
	return bytes <= sizeof(text->status->text) - text->used;
}

static void status_append(struct status_text *text, const void *bytes, size_t size)
{
	memcpy(text->status->text + text->used, bytes, size);
	text->used += size;
}

/* A string of at most limit bytes and a NUL. */
static void status_append_string(struct status_text *text, const char *string, size_t limit)
{
	size_t bytes = strnlen(string, limit);

	status_append(text, string, bytes);
	status_append(text, "", 1);
}

#define STATUS_STRING_LIMIT 1024
#define STATUS_SOURCE_LIMIT 4096 /* of 16 sources */

static void status_fill(struct layout_status *into, uint64_t version, const struct control_status *status)
{
	struct status_text text = { .status = into };

	into->version = version;
	into->since_ns = status->since_ns;
	into->candidate_count = (uint32_t)status->candidate_count;
	into->candidate_kept = 0;
	into->reserved = 0;
	status_append_string(&text, status->source, STATUS_SOURCE_LIMIT);
	status_append_string(&text, status->detail, STATUS_STRING_LIMIT);
	for (size_t i = 0; i < status->candidate_count; i++) {
		const struct zkcfg_candidate *candidate = &status->candidates[i];
		struct layout_candidate head = { .revision = candidate->revision, .since_ns = candidate->since_ns,
						 .line = candidate->line, .column = candidate->column };

		if (!status_room(&text, sizeof(head) + strnlen(candidate->document, STATUS_STRING_LIMIT) +
						strnlen(candidate->reason, STATUS_STRING_LIMIT) + 2))
			break;
		status_append(&text, &head, sizeof(head));
		status_append_string(&text, candidate->document, STATUS_STRING_LIMIT);
		status_append_string(&text, candidate->reason, STATUS_STRING_LIMIT);
		into->candidate_kept++;
	}
	into->text_bytes = (uint32_t)text.used;
}

static uint64_t status_checksum(const struct layout_status *status)
{
	size_t head = offsetof(struct layout_status, version);
	size_t bytes = offsetof(struct layout_status, text) - head + status->text_bytes;

	return hash_bytes((const char *)status + head, bytes);
}

void control_set_status(struct control *control, const struct control_status *status)
{
	/* relaxed: nobody else writes it */
	uint64_t version = atomic_load_explicit(&control->page->status_version, memory_order_relaxed) + 1;
	struct layout_status *half = &control->page->status[version % 2];

	status_fill(half, version, status);
	half->checksum = status_checksum(half);
	kill_point("control.status.filled");
	atomic_store_explicit(&control->page->source_state, (uint32_t)status->source_state, memory_order_relaxed);
	kill_point("control.status.state");
	/* release: pairs with the acquire in control_copy_status() */
	atomic_store_explicit(&control->page->status_version, version, memory_order_release);
}

int control_copy_status(const struct control *control, struct layout_status *copy)
{
	for (int tries = 0; tries < STATUS_TRIES; tries++) {
		/* acquire: pairs with the release in control_set_status() */
		uint64_t version = atomic_load_explicit(&control->page->status_version, memory_order_acquire);

		if (version == 0) {
			memset(copy, 0, sizeof(*copy));
			return 0;
		}
		memcpy(copy, &control->page->status[version % 2], sizeof(*copy));
		/* A half is written again only after the other one was put in force. A copy that
		 * was made while that happened does not carry its own checksum. */
		if (copy->version == version && copy->text_bytes <= sizeof(copy->text) &&
		    copy->checksum == status_checksum(copy))
			return 0;
	}
	return ZKCFG_ECORRUPT;
}
