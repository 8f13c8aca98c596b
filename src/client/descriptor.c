/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "client/handle.h"
#include "segment/notify.h"

/* How long until the next look by ourselves: without a daemon, and where there is nothing to be told by. */
#define LOOK_WITHOUT_DAEMON_MS 1000
#define LOOK_WITHOUT_NOTIFY_MS 250

static void watch_end(struct zkcfg *cfg, int *fd)
{
	if (*fd < 0)
		return;
	/* not by closing it alone: a child of fork() may have it open, too */
	epoll_ctl(cfg->descriptor.epoll_fd, EPOLL_CTL_DEL, *fd, NULL);
	close(*fd);
	*fd = -1;
}

static void watch_begin(struct zkcfg *cfg, int *fd, int opened)
{
	struct epoll_event event = { .events = 0 }; /* a hang-up is told without being asked for */

	if (opened >= 0 && epoll_ctl(cfg->descriptor.epoll_fd, EPOLL_CTL_ADD, opened, &event) < 0) {
		close(opened);
		opened = -1;
	}
	*fd = opened;
}

static void descriptor_set_timer(struct zkcfg *cfg, int ms)
{
	struct itimerspec in = { .it_value = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L } };

	timerfd_settime(cfg->descriptor.timer_fd, 0, &in, NULL);
}

/* What happens from now on makes the descriptor readable. The lock is held. */
static void descriptor_arm(struct zkcfg *cfg)
{
	struct descriptor *descriptor = &cfg->descriptor;
	bool is_alive;
	int ms = 0;

	watch_end(cfg, &descriptor->commits_fd);
	watch_end(cfg, &descriptor->alive_fd);
	watch_begin(cfg, &descriptor->commits_fd, notify_watch_commits(cfg->dir_fd));
	watch_begin(cfg, &descriptor->alive_fd, notify_watch_alive(cfg->dir_fd, &is_alive));
	if (descriptor->commits_fd < 0 || descriptor->alive_fd < 0)
		ms = LOOK_WITHOUT_NOTIFY_MS;
	else if (!is_alive)
		ms = LOOK_WITHOUT_DAEMON_MS;
	descriptor_set_timer(cfg, ms);
}

static int descriptor_make(struct zkcfg *cfg)
{
	struct epoll_event event = { .events = EPOLLIN };
	struct descriptor made = { .commits_fd = -1, .alive_fd = -1 };
	int error_number;

	made.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (made.epoll_fd < 0)
		return ZKCFG_ESYSTEM;
	made.timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (made.timer_fd < 0)
		goto close_epoll;
	if (epoll_ctl(made.epoll_fd, EPOLL_CTL_ADD, made.timer_fd, &event) < 0)
		goto close_timer;
	cfg->descriptor = made;
	descriptor_arm(cfg);
	return 0;
close_timer:
	error_number = errno;
	close(made.timer_fd);
	errno = error_number;
close_epoll:
	error_number = errno;
	close(made.epoll_fd);
	errno = error_number;
	return ZKCFG_ESYSTEM;
}

int zkcfg_descriptor(struct zkcfg *cfg, int *fd)
{
	int err = 0;

	if (!cfg || !fd)
		return ZKCFG_EINVAL;
	pthread_mutex_lock(&cfg->lock);
	if (cfg->descriptor.epoll_fd < 0)
		err = descriptor_make(cfg);
	if (err == 0)
		*fd = cfg->descriptor.epoll_fd;
	pthread_mutex_unlock(&cfg->lock);
	return err;
}

int zkcfg_descriptor_clear(struct zkcfg *cfg)
{
	if (!cfg)
		return ZKCFG_EINVAL;
	pthread_mutex_lock(&cfg->lock);
	if (cfg->descriptor.epoll_fd < 0) {
		pthread_mutex_unlock(&cfg->lock);
		return ZKCFG_EINVAL;
	}
	/* arming sets the timer anew, which takes its last time away */
	if (handle_is_doubtful(cfg))
		handle_follow(cfg);
	descriptor_arm(cfg);
	pthread_mutex_unlock(&cfg->lock);
	return 0;
}

void descriptor_init(struct zkcfg *cfg)
{
	cfg->descriptor = (struct descriptor){ .epoll_fd = -1, .timer_fd = -1, .commits_fd = -1, .alive_fd = -1 };
}

void descriptor_close(struct zkcfg *cfg)
{
	if (cfg->descriptor.epoll_fd < 0)
		return;
	watch_end(cfg, &cfg->descriptor.commits_fd);
	watch_end(cfg, &cfg->descriptor.alive_fd);
	close(cfg->descriptor.timer_fd);
	close(cfg->descriptor.epoll_fd);
}
