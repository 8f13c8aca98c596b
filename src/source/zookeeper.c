/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Following: sessions come and go, the subscription stays.
 *
 * Liveness is judged by answers, not by what the client says of its state.
 * Every third of the session timeout a probe is sent, a sync, which the leader
 * has a part in: its answer comes after every notification of what happened
 * before it, so that what is settled then is verified as of when it was sent.
 */
#include "source/zookeeper.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <event2/event.h>

#include "base/clock.h"
#include "base/log.h"
#include "source/subscription.h"
#include "source/zookeeper_handle.h"

#define ZOOKEEPER_PROBE_LEAST_NS CLOCK_NS_PER_S
#define ZOOKEEPER_PROBE_MOST_NS (5 * CLOCK_NS_PER_S)
/* A reply may take two session timeouts, and this at the least: the client gives a connection up earlier. */
#define ZOOKEEPER_REPLY_LEAST_NS (10 * CLOCK_NS_PER_S)
/* So long without a connection, and the handle is replaced: a session that no server takes back ends so. */
#define ZOOKEEPER_UNCONNECTED_MOST_NS (120 * CLOCK_NS_PER_S)
#define ZOOKEEPER_PAUSE_FIRST_NS (CLOCK_NS_PER_S / 2)
#define ZOOKEEPER_PAUSE_LAST_NS (30 * CLOCK_NS_PER_S)
/*
 * After a reconnect the client sets all watches in one packet. One beyond what
 * the server takes would end in reconnects for ever, so a session with so many
 * is not taken up again but replaced. The margin is for packet headers.
 */
#define ZOOKEEPER_WATCHES_MOST_BYTES (ZOOKEEPER_REQUEST_MOST_BYTES - 128 * 1024)

/* Requests that are not the subscription's, whose numbers end in the place of one in its window. */
#define ZOOKEEPER_SYNC UINT64_C(0xfffe)
#define ZOOKEEPER_PROBE UINT64_C(0xffff)
#define ZOOKEEPER_PLACE UINT64_C(0xffff)

struct zookeeper {
	struct source source;
	struct zookeeper_target target;
	char *secret;
	struct subscription *subscription;
	struct mailbox *mailbox;
	struct event *arrival, *timer;

	struct zookeeper_handle *handle;
	uint64_t handle_number;
	zhandle_t *zh;		    /* once opened */
	bool connected;		    /* says the client */
	bool begun;		    /* the subscription knows of this handle's session */
	const char *replace_reason; /* this handle is to be replaced */
	int64_t open_ns;	    /* when to open the next handle, while there is none */
	unsigned int failures;	    /* handles in a row that no probe was answered on */
	int64_t unconnected_since_ns;

	int64_t timeout_ns; /* of the session, as the server granted it */
	int64_t heard_ns;   /* the last answer */
	int64_t heard_realtime_ns;
	bool silent;
	uint64_t probe; /* the number of the last one sent */
	bool probing;
	bool probe_when_settled;
	int64_t probe_ns; /* when to send the next one */
	int64_t probe_sent_ns, probe_sent_boottime_ns;
};

static struct zookeeper *zookeeper_of(struct source *source)
{
	return (struct zookeeper *)(void *)source;
}

static int64_t zookeeper_earlier(int64_t one_ns, int64_t other_ns)
{
	return one_ns < other_ns ? one_ns : other_ns;
}

static int64_t zookeeper_reply_ns(const struct zookeeper *zookeeper)
{
	return 2 * zookeeper->timeout_ns > ZOOKEEPER_REPLY_LEAST_NS ? 2 * zookeeper->timeout_ns
								    : ZOOKEEPER_REPLY_LEAST_NS;
}

/* --- the subscription's reads ---------------------------------------------- */

static enum subscription_result zookeeper_result(int code)
{
	switch (code) {
	case ZOK:
		return SUBSCRIPTION_OK;
	case ZNONODE:
		return SUBSCRIPTION_NO_NODE;
	case ZNOAUTH:
		return SUBSCRIPTION_NO_AUTH;
	case ZCONNECTIONLOSS:
	case ZOPERATIONTIMEOUT:
	case ZSESSIONEXPIRED:
	case ZSESSIONMOVED:
	case ZCLOSING:
	case ZINVALIDSTATE:
	case ZAUTHFAILED:
		return SUBSCRIPTION_LOST;
	default:
		return SUBSCRIPTION_ERROR;
	}
}

static enum subscription_result zookeeper_read(void *user, enum subscription_read read, const char *path,
					       uint64_t request)
{
	struct zookeeper *zookeeper = user;
	int code;

	if (!zookeeper->zh)
		return SUBSCRIPTION_LOST;
	if (read == SUBSCRIPTION_DATA)
		code = handle_get(zookeeper->handle, zookeeper->zh, path, request);
	else if (read == SUBSCRIPTION_EXISTS)
		code = handle_exists(zookeeper->handle, zookeeper->zh, path, request);
	else
		code = handle_get_children(zookeeper->handle, zookeeper->zh, path, request);
	if (code == ZINVALIDSTATE)
		zookeeper->replace_reason = "the session is over";
	return zookeeper_result(code);
}

static void zookeeper_overdue(void *user, const char *path)
{
	struct zookeeper *zookeeper = user;

	log_warning("%s: no reply for %s in %" PRId64 " s, though connected", zookeeper->target.hosts, path,
		    zookeeper_reply_ns(zookeeper) / CLOCK_NS_PER_S);
	zookeeper->replace_reason = "a reply never came";
}

static const struct subscription_ops zookeeper_subscription_ops = {
	.read = zookeeper_read,
	.overdue = zookeeper_overdue,
};

/* --- handles and sessions -------------------------------------------------- */

static int64_t zookeeper_pause_ns(const struct zookeeper *zookeeper)
{
	int64_t pause_ns = ZOOKEEPER_PAUSE_FIRST_NS;
	uint16_t jitter = 0;

	if (zookeeper->failures == 0)
		return 0;
	for (unsigned int i = 1; i < zookeeper->failures && pause_ns < ZOOKEEPER_PAUSE_LAST_NS; i++)
		pause_ns *= 2;
	if (pause_ns > ZOOKEEPER_PAUSE_LAST_NS)
		pause_ns = ZOOKEEPER_PAUSE_LAST_NS;
	if (getrandom(&jitter, sizeof(jitter), GRND_NONBLOCK) < 0)
		jitter = 0;
	return pause_ns / 2 + pause_ns / 2 * jitter / UINT16_MAX;
}

static void zookeeper_open_handle(struct zookeeper *zookeeper, int64_t now_ns)
{
	zookeeper->handle =
		handle_open(zookeeper->mailbox, ++zookeeper->handle_number, zookeeper->target.hosts,
			    zookeeper->target.session_timeout_ms, zookeeper->secret);
	zookeeper->unconnected_since_ns = now_ns;
	if (zookeeper->handle)
		return;
	log_error("%s: no ZooKeeper handle can be opened: %s; tried again", zookeeper->target.hosts,
		  strerror(errno));
	zookeeper->failures++;
	zookeeper->open_ns = now_ns + zookeeper_pause_ns(zookeeper);
}

static void zookeeper_replace_handle(struct zookeeper *zookeeper, int64_t now_ns)
{
	char detail[256];

	log_notice("%s: a new ZooKeeper session is begun: %s", zookeeper->target.hosts,
		   zookeeper->replace_reason);
	if (zookeeper->connected) {
		snprintf(detail, sizeof(detail), "%s; a new session is begun", zookeeper->replace_reason);
		subscription_disconnected(zookeeper->subscription, detail);
	}
	handle_close(zookeeper->handle);
	zookeeper->handle = NULL;
	zookeeper->zh = NULL;
	zookeeper->connected = zookeeper->begun = zookeeper->probing = false;
	zookeeper->replace_reason = NULL;
	zookeeper->open_ns = now_ns + zookeeper_pause_ns(zookeeper);
	zookeeper->failures++;
}

static int64_t zookeeper_probe_every_ns(const struct zookeeper *zookeeper)
{
	int64_t every_ns = zookeeper->timeout_ns / 3;

	if (every_ns < ZOOKEEPER_PROBE_LEAST_NS)
		return ZOOKEEPER_PROBE_LEAST_NS;
	return every_ns > ZOOKEEPER_PROBE_MOST_NS ? ZOOKEEPER_PROBE_MOST_NS : every_ns;
}

static void zookeeper_heard(struct zookeeper *zookeeper, int64_t now_ns)
{
	zookeeper->heard_ns = now_ns;
	zookeeper->heard_realtime_ns = clock_realtime_ns();
	zookeeper->silent = false;
}

static void zookeeper_begin(struct zookeeper *zookeeper)
{
	const clientid_t *id = zoo_client_id(zookeeper->zh);

	log_info("%s: ZooKeeper session 0x%" PRIx64 " with a timeout of %" PRId64 " ms",
		 zookeeper->target.hosts, (uint64_t)id->client_id, zookeeper->timeout_ns / CLOCK_NS_PER_MS);
	zookeeper->begun = true;
	subscription_begin(zookeeper->subscription, zookeeper_reply_ns(zookeeper));
}

static void zookeeper_connected(struct zookeeper *zookeeper, int64_t now_ns)
{
	if (!zookeeper->connected || !zookeeper->zh)
		return;
	zookeeper->timeout_ns = (int64_t)zoo_recv_timeout(zookeeper->zh) * CLOCK_NS_PER_MS;
	zookeeper->probing = false;
	zookeeper->probe_when_settled = true;
	zookeeper->probe_ns = now_ns + zookeeper_probe_every_ns(zookeeper);
	zookeeper_heard(zookeeper, now_ns);
	if (handle_authenticate(zookeeper->handle, zookeeper->zh) != ZOK) {
		zookeeper->replace_reason = "the client did not take the user and password";
		return;
	}
	/* It may be a server that lags. What is asked behind a sync sees all that was before it. */
	if (handle_sync(zookeeper->handle, zookeeper->zh, zookeeper->target.path, ZOOKEEPER_SYNC) != ZOK)
		zookeeper->replace_reason = "no sync could be sent";
	else if (zookeeper->begun)
		subscription_connected(zookeeper->subscription);
	else
		zookeeper_begin(zookeeper);
}

static void zookeeper_disconnected(struct zookeeper *zookeeper, int64_t now_ns)
{
	char detail[320];

	if (!zookeeper->connected)
		return;
	zookeeper->connected = zookeeper->probing = false;
	zookeeper->unconnected_since_ns = now_ns;
	snprintf(detail, sizeof(detail), "the connection to %.256s was lost; connecting again",
		 zookeeper->target.hosts);
	subscription_disconnected(zookeeper->subscription, detail);
	if (subscription_watch_bytes(zookeeper->subscription) > ZOOKEEPER_WATCHES_MOST_BYTES)
		zookeeper->replace_reason = "its watches are too many to be set again in one packet of "
					    "1048575 bytes, which is what a server takes";
}

static void zookeeper_session_changed(struct zookeeper *zookeeper, int state, int64_t now_ns)
{
	if (state == ZOO_CONNECTED_STATE) {
		zookeeper->connected = true;
		zookeeper_connected(zookeeper, now_ns);
		return;
	}
	zookeeper_disconnected(zookeeper, now_ns);
	if (state == ZOO_EXPIRED_SESSION_STATE) {
		zookeeper->replace_reason = "the old one has expired";
	} else if (state == ZOO_AUTH_FAILED_STATE) {
		subscription_refused(zookeeper->subscription,
				     "the server refused the user and password of auth_file; tried again");
		zookeeper->replace_reason = "the server refused the user and password";
	} else if (state < 0) {
		zookeeper->replace_reason = "the client's handle is not usable any more";
	}
}

/* --- letters ---------------------------------------------------------------- */

/* An earlier one than the last says nothing of when the last was sent. */
static void zookeeper_probe_answered(struct zookeeper *zookeeper, const struct letter *letter)
{
	if (letter->request != zookeeper->probe || !zookeeper->probing)
		return;
	zookeeper->probing = false;
	if (letter->code != ZOK)
		return;
	zookeeper->failures = 0;
	subscription_answered(zookeeper->subscription, zookeeper->probe_sent_boottime_ns);
	if (!subscription_is_settled(zookeeper->subscription)) /* it came too early to vouch for anything */
		zookeeper->probe_ns = zookeeper_earlier(zookeeper->probe_ns,
							zookeeper->probe_sent_ns + ZOOKEEPER_PROBE_LEAST_NS);
}

static void zookeeper_replied(struct zookeeper *zookeeper, const struct letter *letter, int64_t now_ns)
{
	struct subscription_reply reply = {
		.request = letter->request,
		.result = zookeeper_result(letter->code),
		.error = zerror(letter->code),
		.czxid = letter->czxid,
		.mzxid = letter->mzxid,
		.pzxid = letter->pzxid,
		.version = letter->version,
		.bytes = letter->bytes,
		.size_bytes = letter->size_bytes,
		.names = letter->bytes,
		.name_count = letter->name_count,
	};

	if (handle_is_answer(letter->code))
		zookeeper_heard(zookeeper, now_ns);
	if ((letter->request & ZOOKEEPER_PLACE) == ZOOKEEPER_PROBE)
		zookeeper_probe_answered(zookeeper, letter);
	else if (letter->request != ZOOKEEPER_SYNC)
		subscription_reply(zookeeper->subscription, &reply, now_ns);
	else if (letter->code != ZOK && handle_is_answer(letter->code))
		zookeeper->replace_reason = "the server did not sync";
}

static void zookeeper_changed(struct zookeeper *zookeeper, int type, const char *path, int64_t now_ns)
{
	enum subscription_change change = SUBSCRIPTION_UNWATCHED;

	if (type == ZOO_CREATED_EVENT)
		change = SUBSCRIPTION_CREATED;
	else if (type == ZOO_CHANGED_EVENT)
		change = SUBSCRIPTION_CHANGED;
	else if (type == ZOO_DELETED_EVENT)
		change = SUBSCRIPTION_DELETED;
	else if (type == ZOO_CHILD_EVENT)
		change = SUBSCRIPTION_CHILD;
	zookeeper_heard(zookeeper, now_ns);
	subscription_notify(zookeeper->subscription, change, path);
}

static void zookeeper_failed_to_open(struct zookeeper *zookeeper, int error)
{
	char detail[320];

	snprintf(detail, sizeof(detail), "%.200s cannot be resolved or connected to: %s; tried again",
		 zookeeper->target.hosts, strerror(error));
	subscription_disconnected(zookeeper->subscription, detail);
	zookeeper->replace_reason = "the last one could not be opened";
	if (zookeeper->failures == 0)
		zookeeper->failures = 1;
}

static void zookeeper_take_letter(struct zookeeper *zookeeper, const struct letter *letter, int64_t now_ns)
{
	if (letter->from != zookeeper->handle_number || !zookeeper->handle)
		return; /* of a handle that was given up */
	switch (letter->kind) {
	case LETTER_OPENED:
		zookeeper->zh = letter->zh;
		zookeeper_connected(zookeeper, now_ns);
		break;
	case LETTER_FAILED:
		zookeeper_failed_to_open(zookeeper, letter->code);
		break;
	case LETTER_SESSION:
		zookeeper_session_changed(zookeeper, letter->code, now_ns);
		break;
	case LETTER_CHANGE:
		zookeeper_changed(zookeeper, letter->code, letter->bytes, now_ns);
		break;
	case LETTER_REPLY:
		zookeeper_replied(zookeeper, letter, now_ns);
		break;
	case LETTER_CLOSED:
		break;
	}
}

/* --- time ------------------------------------------------------------------- */

static void zookeeper_send_probe(struct zookeeper *zookeeper, int64_t now_ns)
{
	int64_t boottime_ns = clock_boottime_ns();

	zookeeper->probe += ZOOKEEPER_PLACE + 1;
	if (handle_sync(zookeeper->handle, zookeeper->zh, zookeeper->target.path, zookeeper->probe) != ZOK) {
		zookeeper->replace_reason = "no probe could be sent";
		return;
	}
	zookeeper->probing = true;
	zookeeper->probe_when_settled = false;
	zookeeper->probe_sent_ns = now_ns;
	zookeeper->probe_sent_boottime_ns = boottime_ns;
	zookeeper->probe_ns = now_ns + zookeeper_probe_every_ns(zookeeper);
}

static void zookeeper_check_session(struct zookeeper *zookeeper, int64_t now_ns)
{
	char since[CLOCK_TEXT_BYTES], detail[320];

	if (!zookeeper->silent && now_ns - zookeeper->heard_ns >= zookeeper->timeout_ns) {
		zookeeper->silent = true;
		snprintf(detail, sizeof(detail), "no answer from %.256s since %s", zookeeper->target.hosts,
			 clock_format(zookeeper->heard_realtime_ns, since));
		subscription_silent(zookeeper->subscription, detail);
	}
	if (!zookeeper->handle || zookeeper->replace_reason)
		return;
	if (!zookeeper->connected &&
	    now_ns - zookeeper->unconnected_since_ns >= ZOOKEEPER_UNCONNECTED_MOST_NS)
		zookeeper->replace_reason = "not connected for 120 s";
	if (!zookeeper->begun || !zookeeper->connected)
		return;
	if (zookeeper->probing && now_ns - zookeeper->probe_sent_ns >= zookeeper_reply_ns(zookeeper))
		zookeeper->replace_reason = "a probe was never answered";
	else if (!zookeeper->probing &&
		 (now_ns >= zookeeper->probe_ns ||
		  (zookeeper->probe_when_settled && subscription_is_settled(zookeeper->subscription))))
		zookeeper_send_probe(zookeeper, now_ns);
}

static int64_t zookeeper_next_ns(const struct zookeeper *zookeeper, int64_t next_ns)
{
	if (!zookeeper->silent)
		next_ns = zookeeper_earlier(next_ns, zookeeper->heard_ns + zookeeper->timeout_ns);
	if (!zookeeper->handle)
		return zookeeper_earlier(next_ns, zookeeper->open_ns);
	if (!zookeeper->connected)
		return zookeeper_earlier(next_ns,
					 zookeeper->unconnected_since_ns + ZOOKEEPER_UNCONNECTED_MOST_NS);
	if (!zookeeper->begun)
		return next_ns;
	return zookeeper_earlier(next_ns, zookeeper->probing
						  ? zookeeper->probe_sent_ns + zookeeper_reply_ns(zookeeper)
						  : zookeeper->probe_ns);
}

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

/* Whatever happened: do what follows from it and from the time. */
static void zookeeper_advance(struct zookeeper *zookeeper)
{
	int64_t now_ns = clock_monotonic_ns(), next_ns;

	zookeeper_check_session(zookeeper, now_ns);
	next_ns = subscription_run(zookeeper->subscription, now_ns);
	if (zookeeper->begun && zookeeper->connected && zookeeper->probe_when_settled &&
	    !zookeeper->probing && !zookeeper->replace_reason &&
	    subscription_is_settled(zookeeper->subscription))
		zookeeper_send_probe(zookeeper, now_ns);
	if (zookeeper->replace_reason) {
		zookeeper_replace_handle(zookeeper, now_ns);
		next_ns = zookeeper_earlier(next_ns, now_ns);
	}
	if (!zookeeper->handle && now_ns >= zookeeper->open_ns)
		zookeeper_open_handle(zookeeper, now_ns);
	zookeeper_set_timer(zookeeper, zookeeper_next_ns(zookeeper, next_ns) - now_ns);
}

static void zookeeper_arrived(evutil_socket_t fd, short what, void *user)
{
	struct zookeeper *zookeeper = user;
	int64_t now_ns = clock_monotonic_ns();
	struct letter *letters, *letter;
	bool lost;

	(void)fd;
	(void)what;
	letters = mailbox_take(zookeeper->mailbox, &lost);
	for (letter = letters; letter; letter = letter->next)
		zookeeper_take_letter(zookeeper, letter, now_ns);
	letter_free(letters);
	if (lost && zookeeper->handle) {
		log_error(
			"%s: out of memory: something that ZooKeeper said was lost, everything is read again",
			zookeeper->target.hosts);
		zookeeper->replace_reason = "something was lost for want of memory";
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

static int zookeeper_open(const char *uri, const struct source_events *events, void *user,
			  struct source **source, struct message *message)
{
	struct zookeeper *zookeeper = calloc(1, sizeof(*zookeeper));
	struct subscription_options options = { .window = SUBSCRIPTION_WINDOW_USUAL };
	int err;

	if (!zookeeper) {
		message_set(message, "out of memory");
		return -ENOMEM;
	}
	zookeeper->source.ops = &zookeeper_source;
	zookeeper->probe = ZOOKEEPER_PROBE;
	err = zookeeper_target_parse(uri, &zookeeper->target, message);
	if (err < 0)
		goto free_zookeeper;
	options.root = zookeeper->target.path;
	if (getrandom(&options.seed, sizeof(options.seed), GRND_NONBLOCK) < 0)
		options.seed = (uint64_t)clock_monotonic_ns();
	zookeeper->subscription =
		subscription_new(&options, &zookeeper_subscription_ops, zookeeper, events, user);
	if (!zookeeper->subscription) {
		message_set(message, "out of memory");
		err = -ENOMEM;
		goto free_target;
	}
	*source = &zookeeper->source;
	return 0;
free_target:
	zookeeper_target_free(&zookeeper->target);
free_zookeeper:
	free(zookeeper);
	return err;
}

/* No event is told from here: the first ones come from the timer. */
static int zookeeper_start(struct source *source, struct event_base *loop, struct message *message)
{
	struct zookeeper *zookeeper = zookeeper_of(source);
	char detail[320];
	int err;

	assert(!zookeeper->mailbox);
	err = zookeeper_secret_read(&zookeeper->target, &zookeeper->secret, message);
	if (err < 0)
		return err;
	zookeeper->mailbox = mailbox_open();
	if (!zookeeper->mailbox) {
		err = -errno;
		message_set(message, "no mailbox for ZooKeeper's answers: %s", strerror(errno));
		return err;
	}
	zookeeper->arrival = event_new(loop, mailbox_fd(zookeeper->mailbox), EV_READ | EV_PERSIST,
				       zookeeper_arrived, zookeeper);
	zookeeper->timer = evtimer_new(loop, zookeeper_timed, zookeeper);
	if (!zookeeper->arrival || !zookeeper->timer || event_add(zookeeper->arrival, NULL) < 0) {
		message_set(message, "no event for ZooKeeper's answers: out of memory");
		return -ENOMEM;
	}
	snprintf(detail, sizeof(detail), "connecting to %.256s", zookeeper->target.hosts);
	subscription_disconnected(zookeeper->subscription, detail);
	zookeeper->timeout_ns = zookeeper->target.session_timeout_ms * CLOCK_NS_PER_MS;
	zookeeper_heard(zookeeper, clock_monotonic_ns());
	zookeeper_set_timer(zookeeper, 0);
	return 0;
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
	handle_close(zookeeper->handle);
	mailbox_close(zookeeper->mailbox);
	subscription_free(zookeeper->subscription);
	zookeeper_secret_free(zookeeper->secret);
	zookeeper_target_free(&zookeeper->target);
	free(zookeeper);
}

const struct source_ops zookeeper_source = {
	.scheme = "zk",
	.example = "zk://127.0.0.1:2181/app",
	.open = zookeeper_open,
	.start = zookeeper_start,
	.close = zookeeper_close_source,
	.put = zookeeper_put,
	.remove = zookeeper_remove,
};
