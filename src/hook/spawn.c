/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "hook/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <event2/event.h>

#include "base/buffer.h"
#include "base/clock.h"

#define SPAWN_CANCEL_MS 200
#define SPAWN_PREFIX_WORDS 5

extern char **environ;

struct spawn {
	pid_t pid;
	int pidfd;
	int output; /* -1: none */
	bool over_time;
	bool stopped; /* by spawn_stop() */
	int64_t began_ns;
	int64_t grace_ms;
	struct event *ended;
	struct event *printed;
	struct event *limit;
	struct buffer kept;
	struct spawn_plan plan; /* argv, environment and run_as are the caller's: not to be used later */
};

/* --- output ---------------------------------------------------------------- */

/* How many bytes the character here has; 0: it is none, or none to show. */
static size_t spawn_character(const unsigned char *c, size_t left)
{
	size_t size = c[0] < 0x80 ? 1 : c[0] >= 0xf0 ? 4 : c[0] >= 0xe0 ? 3 : 2;

	if (size == 1)
		return (c[0] >= 0x20 && c[0] != 0x7f) || c[0] == '\n' || c[0] == '\t';
	if (c[0] < 0xc2 || c[0] > 0xf4 || left < size)
		return 0;
	for (size_t i = 1; i < size; i++)
		if ((c[i] & 0xc0) != 0x80)
			return 0;
	if ((c[0] == 0xe0 && c[1] < 0xa0) || (c[0] == 0xed && c[1] > 0x9f) || (c[0] == 0xf0 && c[1] < 0x90) ||
	    (c[0] == 0xf4 && c[1] > 0x8f))
		return 0; /* overlong, a surrogate, beyond Unicode */
	return size;
}

/* What is not UTF-8, or controls a terminal, becomes '?'. */
static void spawn_clean(char *text, size_t length)
{
	for (size_t i = 0, size; i < length; i += size) {
		size = spawn_character((const unsigned char *)text + i, length - i);
		if (size == 0) {
			text[i] = '?';
			size = 1;
		}
	}
}

/* Only the end is kept, from the beginning of a line where it has one. */
static void spawn_trim(struct buffer *kept)
{
	size_t from = kept->size_bytes > SPAWN_OUTPUT_BYTES ? kept->size_bytes - SPAWN_OUTPUT_BYTES : 0;
	const char *line;

	if (from == 0)
		return;
	line = memchr(kept->bytes + from, '\n', kept->size_bytes - from - 1);
	if (line)
		from = (size_t)(line - kept->bytes) + 1;
	kept->size_bytes -= from;
	memmove(kept->bytes, kept->bytes + from, kept->size_bytes);
}

/* Read what is there; false: there will be no more. */
static bool spawn_read(struct spawn *spawn)
{
	char chunk[4096];
	ssize_t got;

	for (int rounds = 0; rounds < 16; rounds++) { /* who prints for ever does not keep the loop */
		got = read(spawn->output, chunk, sizeof(chunk));
		if (got < 0)
			return errno == EAGAIN || errno == EINTR;
		if (got == 0)
			return false;
		buffer_append(&spawn->kept, chunk, (size_t)got);
		spawn_trim(&spawn->kept);
	}
	return true;
}

static void on_printed(evutil_socket_t fd, short what, void *user)
{
	struct spawn *spawn = user;

	(void)fd, (void)what;
	if (!spawn_read(spawn))
		event_del(spawn->printed);
}

/* --- its end --------------------------------------------------------------- */

static void spawn_free(struct spawn *spawn)
{
	if (spawn->ended)
		event_free(spawn->ended);
	if (spawn->printed)
		event_free(spawn->printed);
	if (spawn->limit)
		event_free(spawn->limit);
	if (spawn->pidfd >= 0)
		close(spawn->pidfd);
	if (spawn->output >= 0)
		close(spawn->output);
	buffer_free(&spawn->kept);
	free(spawn);
}

static void on_ended(evutil_socket_t fd, short what, void *user)
{
	struct spawn *spawn = user;
	struct spawn_end end = { .how = SPAWN_EXITED };
	siginfo_t info = { 0 };

	(void)fd, (void)what;
	/* before it is waited for: as long as its number, and so its group's, is nobody else's */
	if (spawn->over_time || spawn->stopped)
		kill(-spawn->pid, SIGKILL);
	if (waitid(P_PID, (id_t)spawn->pid, &info, WEXITED | WNOHANG) < 0 || info.si_pid == 0)
		return;
	end.code = info.si_status;
	if (spawn->over_time)
		end.how = SPAWN_TIMED_OUT;
	else if (info.si_code != CLD_EXITED)
		end.how = SPAWN_SIGNALED;
	if (end.how == SPAWN_TIMED_OUT)
		end.code = (int)(spawn->plan.limit_ms > INT32_MAX ? INT32_MAX : spawn->plan.limit_ms);
	end.duration_ms = (clock_monotonic_ns() - spawn->began_ns) / CLOCK_NS_PER_MS;
	if (spawn->output >= 0)
		spawn_read(spawn);
	buffer_append(&spawn->kept, "", 1);
	if (!buffer_failed(&spawn->kept)) {
		spawn_clean(spawn->kept.bytes, spawn->kept.size_bytes - 1);
		end.output = spawn->kept.bytes;
	} else {
		end.output = "";
	}
	spawn->plan.done(spawn->plan.user, &end);
	spawn_free(spawn);
}

static void spawn_arm(struct spawn *spawn, int64_t ms)
{
	struct timeval after = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };

	event_add(spawn->limit, &after);
}

static void on_limit(evutil_socket_t fd, short what, void *user)
{
	struct spawn *spawn = user;

	(void)fd, (void)what;
	if (spawn->over_time || spawn->stopped) {
		kill(-spawn->pid, SIGKILL);
		return;
	}
	spawn->over_time = true;
	kill(-spawn->pid, SIGTERM);
	kill(-spawn->pid, SIGCONT);
	spawn_arm(spawn, SPAWN_GRACE_MS);
}

void spawn_stop(struct spawn *spawn, int64_t grace_ms)
{
	if (spawn->over_time || spawn->stopped)
		return;
	spawn->stopped = true;
	kill(-spawn->pid, SIGTERM);
	kill(-spawn->pid, SIGCONT);
	spawn_arm(spawn, grace_ms);
}

void spawn_cancel(struct spawn *spawn)
{
	struct pollfd ended;

	if (!spawn)
		return;
	ended = (struct pollfd){ .fd = spawn->pidfd, .events = POLLIN };
	kill(-spawn->pid, SIGTERM);
	kill(-spawn->pid, SIGCONT);
	poll(&ended, 1, SPAWN_CANCEL_MS);
	kill(-spawn->pid, SIGKILL);
	while (waitpid(spawn->pid, NULL, 0) < 0 && errno == EINTR)
		;
	spawn_free(spawn);
}

pid_t spawn_pid(const struct spawn *spawn)
{
	return spawn->pid;
}

int spawn_signal(const struct spawn *spawn, int signal)
{
	return kill(spawn->pid, signal) < 0 ? -errno : 0;
}

void spawn_tell(const struct spawn_end *end, struct message *message)
{
	if (end->how == SPAWN_TIMED_OUT)
		message_set(message, "was killed after %d ms, its limit", end->code);
	else if (end->how == SPAWN_SIGNALED)
		message_set(message, "was killed by signal %d (%s)", end->code, strsignal(end->code));
	else
		message_set(message, "exited with status %d", end->code);
}

/* --- its beginning --------------------------------------------------------- */

/* Its words, behind those of setpriv where another user is wanted; free() the array. */
static char **spawn_words(const struct spawn_plan *plan, char ids[2][32])
{
	static char setpriv[] = "setpriv", groups[] = "--init-groups", end[] = "--";
	struct passwd *account = plan->run_as ? getpwnam(plan->run_as) : NULL;
	size_t count = 0, before = 0;
	char **words;

	while (plan->argv[count])
		count++;
	words = calloc(count + SPAWN_PREFIX_WORDS + 1, sizeof(*words));
	if (!words)
		return NULL;
	if (account && (account->pw_uid != geteuid() || account->pw_gid != getegid())) {
		snprintf(ids[0], sizeof(ids[0]), "--reuid=%u", (unsigned)account->pw_uid);
		snprintf(ids[1], sizeof(ids[1]), "--regid=%u", (unsigned)account->pw_gid);
		words[before++] = setpriv;
		words[before++] = ids[0];
		words[before++] = ids[1];
		words[before++] = groups;
		words[before++] = end;
	}
	memcpy(words + before, plan->argv, count * sizeof(*words));
	return words;
}

/* What is to happen in the child. Both end with their destroy functions. */
static int spawn_prepare(const struct spawn_plan *plan, int output, posix_spawn_file_actions_t *actions,
			 posix_spawnattr_t *attributes)
{
	sigset_t all, none;
	int err = 0;

	sigfillset(&all);
	sigdelset(&all, SIGKILL);
	sigdelset(&all, SIGSTOP);
	sigemptyset(&none);
	posix_spawnattr_setsigdefault(attributes, &all);
	posix_spawnattr_setsigmask(attributes, &none);
	posix_spawnattr_setpgroup(attributes, 0);
	posix_spawnattr_setflags(attributes,
				 POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
	if (plan->is_foreground)
		return isatty(STDIN_FILENO) && tcgetpgrp(STDIN_FILENO) == getpgrp()
			       ? posix_spawn_file_actions_addtcsetpgrp_np(actions, STDIN_FILENO)
			       : 0;
	err = posix_spawn_file_actions_addopen(actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	if (err == 0)
		err = posix_spawn_file_actions_adddup2(actions, output, STDOUT_FILENO);
	if (err == 0)
		err = posix_spawn_file_actions_adddup2(actions, output, STDERR_FILENO);
	if (err == 0)
		err = posix_spawn_file_actions_addclosefrom_np(actions, STDERR_FILENO + 1);
	return err;
}

/* 0 or an errno. */
static int spawn_begin(const struct spawn_plan *plan, int output, pid_t *pid)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	char ids[2][32], **words;
	int err;

	if (plan->run_as && !getpwnam(plan->run_as))
		return EINVAL;
	words = spawn_words(plan, ids);
	if (!words || posix_spawn_file_actions_init(&actions) != 0) {
		free(words);
		return ENOMEM;
	}
	posix_spawnattr_init(&attributes);
	err = spawn_prepare(plan, output, &actions, &attributes);
	if (err == 0)
		err = posix_spawnp(pid, words[0], &actions, &attributes, words,
				   plan->environment ? plan->environment : environ);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	free(words);
	return err;
}

static bool spawn_watch(struct spawn *spawn, struct event_base *loop)
{
	spawn->pidfd = (int)syscall(SYS_pidfd_open, spawn->pid, 0);
	if (spawn->pidfd < 0)
		return false;
	spawn->ended = event_new(loop, spawn->pidfd, EV_READ | EV_PERSIST, on_ended, spawn);
	spawn->limit = event_new(loop, -1, 0, on_limit, spawn);
	if (!spawn->ended || !spawn->limit || event_add(spawn->ended, NULL) < 0)
		return false;
	if (spawn->output >= 0) {
		spawn->printed = event_new(loop, spawn->output, EV_READ | EV_PERSIST, on_printed, spawn);
		if (!spawn->printed || event_add(spawn->printed, NULL) < 0)
			return false;
	}
	if (spawn->plan.limit_ms > 0)
		spawn_arm(spawn, spawn->plan.limit_ms);
	return true;
}

struct spawn *spawn_start(struct event_base *loop, const struct spawn_plan *plan, struct message *message)
{
	struct spawn *spawn = calloc(1, sizeof(*spawn));
	int ends[2] = { -1, -1 };
	int err;

	if (!spawn) {
		message_set(message, "%.200s cannot be started: out of memory", plan->argv[0]);
		return NULL;
	}
	spawn->plan = *plan;
	spawn->pidfd = spawn->output = -1;
	spawn->began_ns = clock_monotonic_ns();
	if (!plan->is_foreground && pipe2(ends, O_CLOEXEC) < 0) {
		err = errno;
		goto free_spawn;
	}
	spawn->output = ends[0];
	if (ends[0] >= 0)
		fcntl(ends[0], F_SETFL, O_NONBLOCK);
	err = spawn_begin(plan, ends[1], &spawn->pid);
	if (ends[1] >= 0)
		close(ends[1]);
	if (err != 0)
		goto free_spawn;
	if (spawn_watch(spawn, loop))
		return spawn;
	message_set(message, "%.200s cannot be watched: %s (Linux 5.3 and later can)", plan->argv[0],
		    strerror(errno));
	spawn_cancel(spawn);
	return NULL;
free_spawn:
	message_set(message, "%.200s cannot be started: %s", plan->argv[0],
		    err == EINVAL && plan->run_as ? "there is no such user" : strerror(err));
	spawn_free(spawn);
	return NULL;
}
