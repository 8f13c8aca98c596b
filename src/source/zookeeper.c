/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The vtable, and the loop's part: letters go to the session they are for, and
 * whatever happens is followed by a look at what is to be done now.
 */
#include "source/zookeeper.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include <event2/event.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/clock.h"
#include "base/log.h"
#include "source/secret.h"
#include "source/zookeeper_session.h"
#include "source/zookeeper_tls.h"

struct zookeeper {
	struct source source;
	struct zookeeper_common common;
	struct zookeeper_session *sessions[SUBSCRIPTION_LANES_MOST];
	unsigned int session_count;
	unsigned int wanted; /* so many lanes there are */
	struct event *arrival, *timer;
};

static struct zookeeper *zookeeper_of(struct source *source)
{
	return (struct zookeeper *)(void *)source;
}

/* --- what the subscription asks for ----------------------------------------- */

static enum subscription_result zookeeper_read(void *user, unsigned int lane, enum subscription_read read,
					       const char *path, uint64_t request)
{
	struct zookeeper *zookeeper = user;

	return session_read(zookeeper->sessions[lane], read, path, request);
}

static void zookeeper_overdue(void *user, unsigned int lane, const char *path)
{
	struct zookeeper *zookeeper = user;

	session_overdue(zookeeper->sessions[lane], path);
}

/* The session is made when we are out of the subscription. */
static void zookeeper_open_lane(void *user, unsigned int lane)
{
	struct zookeeper *zookeeper = user;

	zookeeper->wanted = lane + 1;
}

static const struct subscription_ops zookeeper_subscription_ops = {
	.read = zookeeper_read,
	.overdue = zookeeper_overdue,
	.open = zookeeper_open_lane,
};

/* --- time ------------------------------------------------------------------- */

static void zookeeper_set_timer(struct zookeeper *zookeeper, int64_t wait_ns)
{
	struct timeval wait;

	if (wait_ns < 0)
		wait_ns = 0;
	wait_ns += 999; /* never too early: that would spin */
	wait.tv_sec = wait_ns / CLOCK_NS_PER_S;
	wait.tv_usec = wait_ns % CLOCK_NS_PER_S / 1000;
	evtimer_add(zookeeper->timer, &wait);
}

static void zookeeper_add_sessions(struct zookeeper *zookeeper, int64_t now_ns)
{
	struct zookeeper_common *common = &zookeeper->common;

	while (zookeeper->session_count < zookeeper->wanted) {
		unsigned int lane = zookeeper->session_count;
		struct zookeeper_session *session = session_new(common, lane, now_ns);

		if (!session) {
			log_error("%s: out of memory for a session; tried again", common->target.hosts);
			return;
		}
		if (lane > 0)
			log_notice("%s: session %u is opened: the watches of %s are more than a server takes in "
				   "one packet",
				   common->target.hosts, lane + 1, common->target.path);
		zookeeper->sessions[lane] = session;
		zookeeper->session_count++;
	}
}

/* Whatever happened: do what follows from it and from the time. */
static void zookeeper_advance(struct zookeeper *zookeeper)
{
	int64_t now_ns = clock_monotonic_ns(), next_ns, wanted_ns;

	for (unsigned int i = 0; i < zookeeper->session_count; i++)
		session_check(zookeeper->sessions[i], now_ns);
	next_ns = subscription_run(zookeeper->common.subscription, now_ns);
	zookeeper_add_sessions(zookeeper, now_ns);
	if (subscription_wants_probe(zookeeper->common.subscription))
		for (unsigned int i = 0; i < zookeeper->session_count; i++)
			session_probe_now(zookeeper->sessions[i], now_ns);
	if (zookeeper->session_count < zookeeper->wanted && next_ns > now_ns + CLOCK_NS_PER_S)
		next_ns = now_ns + CLOCK_NS_PER_S;
	for (unsigned int i = 0; i < zookeeper->session_count; i++) {
		wanted_ns = session_advance(zookeeper->sessions[i], now_ns);
		if (wanted_ns < next_ns)
			next_ns = wanted_ns;
	}
	zookeeper->source.expiry_count = zookeeper->common.expiry_count;
	zookeeper_set_timer(zookeeper, next_ns - now_ns);
}

/* One of a handle that was given up is nobody's. */
static void zookeeper_take_letter(struct zookeeper *zookeeper, const struct letter *letter, int64_t now_ns)
{
	for (unsigned int i = 0; i < zookeeper->session_count; i++)
		if (session_owns(zookeeper->sessions[i], letter)) {
			session_take_letter(zookeeper->sessions[i], letter, now_ns);
			return;
		}
}

static void zookeeper_arrived(evutil_socket_t fd, short what, void *user)
{
	struct zookeeper *zookeeper = user;
	int64_t now_ns = clock_monotonic_ns();
	struct letter *letters, *letter;
	bool lost;

	(void)fd;
	(void)what;
	letters = mailbox_take(zookeeper->common.mailbox, &lost);
	for (letter = letters; letter; letter = letter->next)
		zookeeper_take_letter(zookeeper, letter, now_ns);
	letter_free(letters);
	if (lost) {
		log_error(
			"%s: out of memory: something that ZooKeeper said was lost, everything is read again",
			zookeeper->common.target.hosts);
		for (unsigned int i = 0; i < zookeeper->session_count; i++)
			session_distrust(zookeeper->sessions[i], "something was lost for want of memory");
	}
	zookeeper_advance(zookeeper);
}

static void zookeeper_timed(evutil_socket_t fd, short what, void *user)
{
	(void)fd;
	(void)what;
	zookeeper_advance(user);
}

/* --- the vtable -------------------------------------------------------------- */

/* This host's part of the splay: always the same one, and another host's is another. */
static int64_t zookeeper_splay_ns(const struct zookeeper_target *target)
{
	char host[HOST_NAME_MAX + 1] = "";
	const char *seed = target->splay_seed;
	uint64_t hash;

	if (!seed && gethostname(host, sizeof(host) - 1) < 0)
		host[0] = '\0';
	if (!seed)
		seed = host;
	hash = XXH3_64bits(seed, strlen(seed));
	return (int64_t)((double)(hash >> 11) / (double)(UINT64_C(1) << 53) *
			 (double)(target->splay_ms * CLOCK_NS_PER_MS));
}

static int zookeeper_subscribe(struct zookeeper *zookeeper, const struct source_events *events, void *user)
{
	const struct zookeeper_target *target = &zookeeper->common.target;
	struct subscription_options options = { .root = target->path,
						.window = SUBSCRIPTION_WINDOW_USUAL,
						.lane_bytes = target->pace.is_pull ? 0 : ZOOKEEPER_WATCHES_MOST_BYTES,
						.audit_ns = pace_period_ns(&target->pace),
						.is_pull = target->pace.is_pull,
						.audit_least_ns = target->pace.is_audit_given || target->pace.is_pull ?
									  0 :
									  ZOOKEEPER_AUDIT_LEAST_NS,
						.splay_ns = zookeeper_splay_ns(target) };

	if (getrandom(&options.seed, sizeof(options.seed), GRND_NONBLOCK) < 0)
		options.seed = (uint64_t)clock_monotonic_ns();
	zookeeper->common.subscription =
		subscription_new(&options, &zookeeper_subscription_ops, zookeeper, events, user);
	return zookeeper->common.subscription ? 0 : -ENOMEM;
}

static int zookeeper_open(const char *uri, const struct source_events *events, void *user,
			  struct source **source, struct message *message)
{
	struct zookeeper *zookeeper = calloc(1, sizeof(*zookeeper));
	int err;

	if (!zookeeper) {
		message_set(message, "out of memory");
		return -ENOMEM;
	}
	zookeeper->source.ops = &zookeeper_source;
	zookeeper->wanted = 1;
	err = zookeeper_target_parse(uri, &zookeeper->common.target, message);
	if (err < 0)
		goto free_zookeeper;
	zookeeper->source.mode = pace_mode(&zookeeper->common.target.pace);
	err = zookeeper_subscribe(zookeeper, events, user);
	if (err < 0) {
		message_set(message, "out of memory");
		goto free_target;
	}
	*source = &zookeeper->source;
	return 0;
free_target:
	zookeeper_target_free(&zookeeper->common.target);
free_zookeeper:
	free(zookeeper);
	return err;
}

/* No event is told from here: the first ones come from the timer. */
static int zookeeper_start(struct source *source, struct event_base *loop, struct message *message)
{
	struct zookeeper *zookeeper = zookeeper_of(source);
	struct zookeeper_common *common = &zookeeper->common;
	int err;

	assert(!common->mailbox);
	err = zookeeper_secret_read(&common->target, &common->secret, message);
	if (err == 0 && common->target.tls)
		err = zookeeper_tls_check(common->target.tls, message);
	if (err < 0)
		return err;
	common->mailbox = mailbox_open();
	if (!common->mailbox) {
		err = -errno;
		message_set(message, "no mailbox for ZooKeeper's answers: %s", strerror(errno));
		return err;
	}
	zookeeper->arrival =
		event_new(loop, mailbox_fd(common->mailbox), EV_READ | EV_PERSIST, zookeeper_arrived, zookeeper);
	zookeeper->timer = evtimer_new(loop, zookeeper_timed, zookeeper);
	if (!zookeeper->arrival || !zookeeper->timer || event_add(zookeeper->arrival, NULL) < 0) {
		message_set(message, "no event for ZooKeeper's answers: out of memory");
		return -ENOMEM;
	}
	zookeeper_add_sessions(zookeeper, clock_monotonic_ns());
	zookeeper_set_timer(zookeeper, 0);
	return 0;
}

static void zookeeper_refresh(struct source *source)
{
	struct zookeeper *zookeeper = zookeeper_of(source);

	subscription_refresh(zookeeper->common.subscription, clock_boottime_ns());
	zookeeper_set_timer(zookeeper, 0);
}

static void zookeeper_close_source(struct source *source)
{
	struct zookeeper *zookeeper;

	if (!source)
		return;
	zookeeper = zookeeper_of(source);
	if (zookeeper->arrival)
		event_free(zookeeper->arrival);
	if (zookeeper->timer)
		event_free(zookeeper->timer);
	for (unsigned int i = 0; i < zookeeper->session_count; i++)
		session_free(zookeeper->sessions[i]);
	mailbox_close(zookeeper->common.mailbox);
	subscription_free(zookeeper->common.subscription);
	secret_free(zookeeper->common.secret);
	zookeeper_target_free(&zookeeper->common.target);
	free(zookeeper);
}

const struct source_ops zookeeper_source = {
	.scheme = "zk",
	.example = "zk://127.0.0.1:2181/app",
	.open = zookeeper_open,
	.start = zookeeper_start,
	.refresh = zookeeper_refresh,
	.close = zookeeper_close_source,
	.put = zookeeper_put,
	.remove = zookeeper_remove,
};

const struct source_ops zookeeper_tls_source = {
	.scheme = "zks",
	.example = "zks://127.0.0.1:2281/app?ca_file=ca.pem&cert_file=host.pem&key_file=host.key",
	.open = zookeeper_open,
	.start = zookeeper_start,
	.refresh = zookeeper_refresh,
	.close = zookeeper_close_source,
	.put = zookeeper_put,
	.remove = zookeeper_remove,
};
