/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "hook/job.h"

#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <event2/event.h>

struct job {
	pthread_t thread;
	int fd;
	struct event *ended;
	void (*work)(void *user);
	void (*done)(void *user);
	void *user;
};

static void *job_run(void *user)
{
	static const uint64_t one = 1;
	struct job *job = user;
	ssize_t put;

	job->work(job->user);
	put = write(job->fd, &one, sizeof(one)); /* an eventfd has room for it */
	(void)put;
	return NULL;
}

static void job_free(struct job *job)
{
	if (job->ended)
		event_free(job->ended);
	if (job->fd >= 0)
		close(job->fd);
	free(job);
}

static void on_ended(evutil_socket_t fd, short what, void *user)
{
	struct job *job = user;
	void (*done)(void *user) = job->done;
	void *whose = job->user;

	(void)fd, (void)what;
	pthread_join(job->thread, NULL);
	job_free(job);
	done(whose);
}

/* Signals are the loop's. */
static int job_begin(struct job *job)
{
	sigset_t all, before;
	int err;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	err = pthread_create(&job->thread, NULL, job_run, job);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return err;
}

struct job *job_start(struct event_base *loop, void (*work)(void *user), void (*done)(void *user), void *user)
{
	struct job *job = calloc(1, sizeof(*job));

	if (!job)
		return NULL;
	*job = (struct job){
		.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), .work = work, .done = done, .user = user
	};
	if (job->fd >= 0)
		job->ended = event_new(loop, job->fd, EV_READ, on_ended, job);
	if (!job->ended || event_add(job->ended, NULL) < 0 || job_begin(job) != 0) {
		job_free(job);
		return NULL;
	}
	return job;
}

void job_cancel(struct job *job)
{
	if (!job)
		return;
	pthread_join(job->thread, NULL);
	job_free(job);
}
