/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "source/follower.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include <event2/event.h>

#include "base/clock.h"
#include "base/log.h"

/* How often what is followed is vouched for. */
#define FOLLOWER_VERIFY_NS CLOCK_NS_PER_S
/* How often it is looked at where inotify has no room for us. */
#define FOLLOWER_BLIND_NS (2 * CLOCK_NS_PER_S)
/* So long the first settled() waits for files that are being written. */
#define FOLLOWER_FIRST_WAIT_NS (2 * CLOCK_NS_PER_S)

static bool follower_is_pull(const struct follower *follower)
{
	return follower->pace.is_pull;
}

static void follower_set_state(struct follower *follower, enum source_state state, const char *detail)
{
	if (follower->state == state && strcmp(follower->detail, detail) == 0)
		return;
	follower->state = state;
	snprintf(follower->detail, sizeof(follower->detail), "%s", detail);
	follower->events->state(follower->user, state, follower->detail);
}

void follower_watched(struct follower *follower, int err)
{
	if (err < 0 && err != -ENOENT && err != -ENOTDIR && err != -EACCES)
		follower->is_blind = true;
}

void follower_want(struct follower *follower, bool is_near)
{
	follower->is_near = is_near && (!follower->is_wanted || follower->is_near);
	follower->is_wanted = true;
}

/* The root is not there, or not for us. */
static void follower_is_away(struct follower *follower, int err)
{
	char detail[PATH_MAX + 64];
	struct folder_file *waiting;

	/* what went with it did not go by itself; when it is back, all of it is looked at */
	while ((waiting = TAILQ_FIRST(&follower->folder.waiting)))
		folder_wait_no_more(&follower->folder, waiting);
	snprintf(detail, sizeof(detail), "%s: %s%s", follower->path, follower->missing ? follower->missing : strerror(err),
		 err == ENOENT || err == ENOTDIR ? "; waited for" : "");
	follower_set_state(follower, err == EACCES || err == EPERM ? SOURCE_REFUSED :
			     follower->is_settled		   ? SOURCE_AWAY :
							     SOURCE_CONNECTING,
		       detail);
}

/* What is to be watched is watched anew, before all of it is looked at. */
static int follower_watch_and_look(struct follower *follower)
{
	int err;

	follower->is_blind = false;
	if (follower->lookout) {
		lookout_begin(follower->lookout);
		follower_watched(follower, lookout_watch_way(follower->lookout, follower->path));
	}
	err = follower->ops->look_at_all(follower);
	if (follower->lookout)
		lookout_end(follower->lookout);
	return err;
}

static void follower_look_at_all(struct follower *follower)
{
	bool is_near = follower->is_near && follower->lookout && !follower->is_blind;
	int err;

	follower->is_wanted = follower->is_near = false;
	follower->missing = NULL;
	follower->folder.round++;
	err = is_near ? follower->ops->look_at_all(follower) : follower_watch_and_look(follower);
	if (is_near && err != 0)
		err = follower_watch_and_look(follower);
	if (err != 0) {
		follower_is_away(follower, err);
	} else if (follower->state != SOURCE_FOLLOWING) {
		follower->folder.is_changed = true;
		follower_set_state(follower, SOURCE_SYNCING, "");
	}
}

static void follower_happened(void *user, enum lookout_event event, const char *tag, const char *name)
{
	struct follower *follower = user;
	struct folder_file *known;

	if (event != LOOKOUT_ELSEWHERE) {
		follower->ops->happened(follower, event, tag, name);
		return;
	}
	follower_want(follower, false);
	TAILQ_FOREACH (known, &follower->folder.files, link)
		known->is_suspect = false; /* who knows which of them it was of */
}

static const struct lookout_ops follower_lookout_ops = { .happened = follower_happened };

static void follower_hear(struct follower *follower)
{
	if (follower->lookout)
		lookout_read(follower->lookout, &follower_lookout_ops, follower);
}

/* What an audit found, and no event was on its way for. */
static void follower_repaired(struct follower *follower)
{
	struct folder_file *known;

	TAILQ_FOREACH (known, &follower->folder.files, link) {
		if (known->is_suspect)
			follower->events->repaired(follower->user, known->name);
		known->is_suspect = false;
	}
}

/* --- time --------------------------------------------------------------------------------- */

static uint64_t follower_random(void)
{
	uint64_t random = 0;

	if (getrandom(&random, sizeof(random), GRND_NONBLOCK) < 0)
		random = (uint64_t)clock_monotonic_ns();
	return random;
}

static void follower_look_in_time(struct follower *follower, int64_t now_ns)
{
	int64_t wait_ns;

	if (now_ns >= follower->next_look_ns) {
		follower->events->contact(follower->user, SOURCE_ASKED);
		follower->is_audited = follower->is_settled && !follower_is_pull(follower) && !follower->is_blind;
		follower_want(follower, false);
	}
	if (!follower->is_wanted)
		return;
	follower_look_at_all(follower);
	if (!follower->lookout && !follower_is_pull(follower))
		follower->is_blind = true;
	wait_ns = follower->is_blind ? FOLLOWER_BLIND_NS : pace_wait_ns(&follower->pace, follower_random());
	follower->next_look_ns = wait_ns == INT64_MAX ? INT64_MAX : now_ns + wait_ns;
	if (follower->is_audited) {
		follower_hear(follower);
		follower_repaired(follower);
	}
	follower->is_audited = false;
}

static void follower_look_at_due(struct follower *follower, int64_t now_ns)
{
	struct folder_file *due;

	while ((due = folder_first_due(&follower->folder)) && due->due_ns <= now_ns)
		follower->ops->look_at(follower, due);
}

/* Nobody writes to what has not been told; trouble() has named the rest. */
static bool follower_is_quiet(const struct follower *follower)
{
	const struct folder_file *waiting;

	TAILQ_FOREACH (waiting, &follower->folder.waiting, waiting_link)
		if (!waiting->is_troubled)
			return false;
	return true;
}

static bool follower_is_reached(const struct follower *follower)
{
	return follower->state == SOURCE_SYNCING || follower->state == SOURCE_FOLLOWING;
}

static void follower_tell_blind(struct follower *follower)
{
	char detail[sizeof(follower->detail)] = "";

	if (follower->is_blind)
		snprintf(detail, sizeof(detail),
			 "inotify has no room for all of it (fs.inotify.max_user_watches, "
			 "fs.inotify.max_user_instances): looked at every %d s",
			 (int)(FOLLOWER_BLIND_NS / CLOCK_NS_PER_S));
	follower_set_state(follower, SOURCE_FOLLOWING, detail);
}

static void follower_settle(struct follower *follower, int64_t now_ns)
{
	if (!follower_is_reached(follower))
		return;
	if (!follower->is_settled && !follower_is_quiet(follower) && now_ns < follower->began_ns + FOLLOWER_FIRST_WAIT_NS)
		return;
	if (!follower->is_settled || follower->folder.is_changed) {
		follower->folder.is_changed = false;
		follower->is_settled = true;
		follower->events->settled(follower->user);
	}
	follower_tell_blind(follower);
}

/*
 * Whoever is asked for changes can vouch for the time before he looked only;
 * whoever is told of them, for that before he heard what there was.
 */
static void follower_verify(struct follower *follower, int64_t now_ns, int64_t heard_boottime_ns, bool has_looked)
{
	bool is_pull = !follower->lookout || follower_is_pull(follower) || follower->is_blind;

	if (follower->state != SOURCE_FOLLOWING || !follower_is_quiet(follower) || follower->is_wanted)
		return;
	if (is_pull ? !has_looked : now_ns < follower->next_verify_ns)
		return;
	follower->next_verify_ns = now_ns + FOLLOWER_VERIFY_NS;
	follower->events->verified(follower->user, heard_boottime_ns);
}

static void follower_set_timer(struct follower *follower, int64_t now_ns)
{
	const struct folder_file *due = folder_first_due(&follower->folder);
	int64_t next_ns = follower->next_look_ns, wait_ns;
	struct timeval wait;

	if (due && due->due_ns < next_ns)
		next_ns = due->due_ns;
	if (follower->lookout && follower->next_verify_ns < next_ns)
		next_ns = follower->next_verify_ns;
	if (follower->is_wanted || next_ns < now_ns)
		next_ns = now_ns;
	wait_ns = next_ns - now_ns + 999; /* never too early: that would spin */
	if (wait_ns > 3600 * CLOCK_NS_PER_S)
		wait_ns = 3600 * CLOCK_NS_PER_S;
	wait.tv_sec = wait_ns / CLOCK_NS_PER_S;
	wait.tv_usec = wait_ns % CLOCK_NS_PER_S / 1000;
	evtimer_add(follower->timer, &wait);
}

static void follower_advance(struct follower *follower)
{
	int64_t now_ns = clock_monotonic_ns(), boottime_ns = clock_boottime_ns(), looked_ns = follower->next_look_ns;

	follower_hear(follower);
	follower_look_in_time(follower, now_ns);
	follower_look_at_due(follower, now_ns);
	follower_settle(follower, now_ns);
	follower_verify(follower, now_ns, boottime_ns, looked_ns != follower->next_look_ns);
	if (follower->next_verify_ns <= now_ns)
		follower->next_verify_ns = now_ns + FOLLOWER_VERIFY_NS;
	follower_set_timer(follower, clock_monotonic_ns());
}

static void follower_arrived(evutil_socket_t fd, short what, void *user)
{
	(void)fd, (void)what;
	follower_advance(user);
}

int follower_start(struct source *source, struct event_base *loop, struct message *message)
{
	struct follower *follower = (struct follower *)(void *)source;

	if (!follower_is_pull(follower)) {
		follower->lookout = lookout_open();
		if (!follower->lookout)
			log_warning("%s: no inotify: %s%s; looked at every %d s", follower->path,
				    strerror(errno), errno == EMFILE ? " (fs.inotify.max_user_instances)" : "",
				    (int)(FOLLOWER_BLIND_NS / CLOCK_NS_PER_S));
	}
	follower->timer = evtimer_new(loop, follower_arrived, follower);
	if (follower->lookout)
		follower->arrival = event_new(loop, lookout_fd(follower->lookout), EV_READ | EV_PERSIST, follower_arrived,
					  follower);
	if (!follower->timer || (follower->lookout && (!follower->arrival || event_add(follower->arrival, NULL) < 0))) {
		message_set(message, "no event for %s: out of memory", follower->path);
		return -ENOMEM;
	}
	follower->is_wanted = true;
	follower->next_look_ns = INT64_MAX;
	follower->began_ns = clock_monotonic_ns();
	follower_set_timer(follower, follower->began_ns);
	return 0;
}

void follower_refresh(struct source *source)
{
	struct follower *follower = (struct follower *)(void *)source;

	follower->next_look_ns = follower->next_verify_ns = 0;
	follower_set_timer(follower, clock_monotonic_ns());
}

void follower_init(struct follower *follower, const struct source_ops *source, const struct follower_ops *ops,
		   const struct source_events *events, void *user)
{
	follower->source.ops = source;
	follower->ops = ops;
	follower->events = events;
	follower->user = user;
	folder_init(&follower->folder, events, user);
}

void follower_end(struct follower *follower)
{
	if (follower->arrival)
		event_free(follower->arrival);
	if (follower->timer)
		event_free(follower->timer);
	lookout_close(follower->lookout);
	folder_free(&follower->folder);
}
