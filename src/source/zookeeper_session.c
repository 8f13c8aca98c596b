/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "source/zookeeper_session.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/log.h"

/* A third of the session timeout, within these. */
#define SESSION_PROBE_LEAST_NS (100 * CLOCK_NS_PER_MS)
#define SESSION_PROBE_MOST_NS (5 * CLOCK_NS_PER_S)
/* After one that was answered too early to vouch for anything. */
#define SESSION_PROBE_AGAIN_NS CLOCK_NS_PER_S
/* A reply may take two session timeouts, and this at the least: the client gives a connection up earlier. */
#define SESSION_REPLY_LEAST_NS (10 * CLOCK_NS_PER_S)
/*
 * So many session timeouts without a connection, and the handle is replaced: a
 * session that no server takes back ends so, as when the ensemble was restored
 * from a backup, whose servers are behind what the client has seen.
 */
#define SESSION_UNCONNECTED_TIMEOUTS 12
/* With TLS, the client waits for ever for a server that takes connections and says nothing. */
#define SESSION_UNCONNECTED_TLS_TIMEOUTS 3
/* A handle that closes for longer is told of: its thread, and the client's, are still there. */
#define SESSION_CLOSING_NS (30 * CLOCK_NS_PER_S)
#define SESSION_PAUSE_FIRST_NS (CLOCK_NS_PER_S / 2)
#define SESSION_PAUSE_LAST_NS (30 * CLOCK_NS_PER_S)

/* Requests that are not the subscription's, whose numbers end in the place of one in its window. */
#define SESSION_SYNC UINT64_C(0xfffe)
#define SESSION_PROBE UINT64_C(0xffff)
#define SESSION_PLACE UINT64_C(0xffff)

struct zookeeper_session {
	struct zookeeper_common *common;
	unsigned int lane;

	struct zookeeper_handle *handle;
	uint64_t handle_number;
	zhandle_t *zh;		    /* once opened */
	bool connected;		    /* says the client */
	bool begun;		    /* the subscription knows of this handle's session */
	const char *replace_reason; /* this handle is to be replaced */
	int64_t open_ns;	    /* when to open the next handle, while there is none */
	unsigned int failures;	    /* handles in a row that no sync was answered on */
	int64_t unconnected_since_ns;

	uint64_t closing_number; /* of the last handle that was given up; 0: it is closed, or was told of */
	int64_t closing_since_ns;

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

static int64_t session_earlier(int64_t one_ns, int64_t other_ns)
{
	return one_ns < other_ns ? one_ns : other_ns;
}

static int64_t session_reply_ns(const struct zookeeper_session *session)
{
	return 2 * session->timeout_ns > SESSION_REPLY_LEAST_NS ? 2 * session->timeout_ns
								: SESSION_REPLY_LEAST_NS;
}

static int64_t session_unconnected_most_ns(const struct zookeeper_session *session)
{
	const struct zookeeper_target *target = &session->common->target;
	int timeouts = target->tls ? SESSION_UNCONNECTED_TLS_TIMEOUTS : SESSION_UNCONNECTED_TIMEOUTS;

	return (int64_t)timeouts * target->session_timeout_ms * CLOCK_NS_PER_MS;
}

/* Closing waits for what is under way, as long as the client does. */
static int64_t session_closing_ns(const struct zookeeper_session *session)
{
	return SESSION_CLOSING_NS + session->common->target.session_timeout_ms * CLOCK_NS_PER_MS;
}

static void session_heard(struct zookeeper_session *session, int64_t now_ns)
{
	session->heard_ns = now_ns;
	session->heard_realtime_ns = clock_realtime_ns();
	session->silent = false;
}

struct zookeeper_session *session_new(struct zookeeper_common *common, unsigned int lane, int64_t now_ns)
{
	struct zookeeper_session *session = calloc(1, sizeof(*session));
	char detail[320];

	if (!session)
		return NULL;
	session->common = common;
	session->lane = lane;
	session->probe = SESSION_PROBE;
	session->timeout_ns = common->target.session_timeout_ms * CLOCK_NS_PER_MS;
	session->open_ns = now_ns;
	session_heard(session, now_ns);
	snprintf(detail, sizeof(detail), "connecting to %.256s", common->target.hosts);
	subscription_disconnected(common->subscription, lane, detail);
	return session;
}

void session_free(struct zookeeper_session *session)
{
	if (!session)
		return;
	handle_close(session->handle);
	free(session);
}

/* --- the subscription's reads ---------------------------------------------- */

static enum subscription_result session_result(int code)
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

enum subscription_result session_read(struct zookeeper_session *session, enum subscription_read read,
				      const char *path, uint64_t request)
{
	int code = ZSYSTEMERROR;

	if (!session->zh)
		return SUBSCRIPTION_LOST;
	switch (read) {
	case SUBSCRIPTION_DATA:
		code = handle_get(session->handle, session->zh, path, request);
		break;
	case SUBSCRIPTION_EXISTS:
		code = handle_exists(session->handle, session->zh, path, request);
		break;
	case SUBSCRIPTION_CHILDREN:
		code = handle_get_children(session->handle, session->zh, path, request);
		break;
	case SUBSCRIPTION_STAT:
		code = handle_stat(session->handle, session->zh, path, request);
		break;
	case SUBSCRIPTION_SYNC:
		code = handle_sync(session->handle, session->zh, path, request);
		break;
	}
	if (code == ZINVALIDSTATE)
		session->replace_reason = "the session is over";
	return session_result(code);
}

void session_overdue(struct zookeeper_session *session, const char *path)
{
	log_warning("%s: no reply for %s in %" PRId64 " s, though connected", session->common->target.hosts,
		    path, session_reply_ns(session) / CLOCK_NS_PER_S);
	session->replace_reason = "a reply never came";
}

/* --- handles and sessions -------------------------------------------------- */

static int64_t session_pause_ns(const struct zookeeper_session *session)
{
	int64_t pause_ns = SESSION_PAUSE_FIRST_NS;
	uint16_t jitter = 0;

	if (session->failures == 0)
		return 0;
	for (unsigned int i = 1; i < session->failures && pause_ns < SESSION_PAUSE_LAST_NS; i++)
		pause_ns *= 2;
	if (pause_ns > SESSION_PAUSE_LAST_NS)
		pause_ns = SESSION_PAUSE_LAST_NS;
	if (getrandom(&jitter, sizeof(jitter), GRND_NONBLOCK) < 0)
		jitter = 0;
	return pause_ns / 2 + pause_ns / 2 * jitter / UINT16_MAX;
}

static void session_open_handle(struct zookeeper_session *session, int64_t now_ns)
{
	struct zookeeper_common *common = session->common;

	session->handle_number = ++common->handle_count;
	session->handle = handle_open(common->mailbox, session->handle_number, common->target.hosts,
				      common->target.session_timeout_ms, common->secret, common->target.tls);
	session->unconnected_since_ns = now_ns;
	if (session->handle && common->target.pace.is_pull)
		handle_unwatch(session->handle);
	if (session->handle)
		return;
	log_error("%s: no ZooKeeper handle can be opened: %s; tried again", common->target.hosts,
		  strerror(errno));
	session->failures++;
	session->open_ns = now_ns + session_pause_ns(session);
}

static void session_replace_handle(struct zookeeper_session *session, int64_t now_ns)
{
	char detail[256];

	log_notice("%s: a new ZooKeeper session is begun: %s", session->common->target.hosts,
		   session->replace_reason);
	if (session->connected) {
		snprintf(detail, sizeof(detail), "%s; a new session is begun", session->replace_reason);
		subscription_disconnected(session->common->subscription, session->lane, detail);
	}
	handle_close(session->handle);
	session->closing_number = session->handle_number;
	session->closing_since_ns = now_ns;
	session->handle = NULL;
	session->zh = NULL;
	session->connected = session->begun = session->probing = false;
	session->replace_reason = NULL;
	session->open_ns = now_ns + session_pause_ns(session);
	session->failures++;
}

static int64_t session_probe_every_ns(const struct zookeeper_session *session)
{
	int64_t every_ns = session->timeout_ns / 3;

	if (every_ns < SESSION_PROBE_LEAST_NS)
		return SESSION_PROBE_LEAST_NS;
	return every_ns > SESSION_PROBE_MOST_NS ? SESSION_PROBE_MOST_NS : every_ns;
}

static void session_begin(struct zookeeper_session *session, int64_t now_ns)
{
	const clientid_t *id = zoo_client_id(session->zh);

	log_info("%s: ZooKeeper session 0x%" PRIx64 " with a timeout of %" PRId64 " ms",
		 session->common->target.hosts, (uint64_t)id->client_id,
		 session->timeout_ns / CLOCK_NS_PER_MS);
	session->begun = true;
	subscription_begin(session->common->subscription, session->lane, session_reply_ns(session), now_ns);
}

static void session_connected(struct zookeeper_session *session, int64_t now_ns)
{
	struct zookeeper_common *common = session->common;

	if (!session->connected || !session->zh)
		return;
	session->timeout_ns = (int64_t)zoo_recv_timeout(session->zh) * CLOCK_NS_PER_MS;
	session->probing = false;
	session->probe_when_settled = true;
	session->probe_ns = now_ns + session_probe_every_ns(session);
	session_heard(session, now_ns);
	if (handle_authenticate(session->handle, session->zh) != ZOK) {
		session->replace_reason = "the client did not take the user and password";
		return;
	}
	/* It may be a server that lags. What is asked behind a sync sees all that was before it. */
	if (handle_sync(session->handle, session->zh, common->target.path, SESSION_SYNC) != ZOK)
		session->replace_reason = "no sync could be sent";
	else if (session->begun)
		subscription_connected(common->subscription, session->lane);
	else
		session_begin(session, now_ns);
}

static void session_disconnected(struct zookeeper_session *session, int64_t now_ns)
{
	struct zookeeper_common *common = session->common;
	char detail[320];

	if (!session->connected)
		return;
	session->connected = session->probing = false;
	session->unconnected_since_ns = now_ns;
	snprintf(detail, sizeof(detail), "the connection to %.256s was lost; connecting again",
		 common->target.hosts);
	subscription_disconnected(common->subscription, session->lane, detail);
	if (!common->target.pace.is_pull &&
	    subscription_watch_bytes(common->subscription, session->lane) > ZOOKEEPER_WATCHES_MOST_BYTES)
		session->replace_reason = "its watches are too many to be set again in one packet of "
					  "1048575 bytes, which is what a server takes";
}

static void session_changed(struct zookeeper_session *session, int state, int64_t now_ns)
{
	if (state == ZOO_CONNECTED_STATE) {
		session->connected = true;
		session_connected(session, now_ns);
		return;
	}
	session_disconnected(session, now_ns);
	if (state == ZOO_EXPIRED_SESSION_STATE) {
		session->common->expiry_count++;
		session->replace_reason = "the old one has expired";
	} else if (state == ZOO_AUTH_FAILED_STATE) {
		subscription_refused(session->common->subscription, session->lane,
				     "the server refused the user and password of auth_file; tried again");
		session->replace_reason = "the server refused the user and password";
	} else if (state < 0) {
		session->replace_reason = "the client's handle is not usable any more";
	}
}

/* --- letters ---------------------------------------------------------------- */

/* An earlier one than the last says nothing of when the last was sent. */
static void session_probe_answered(struct zookeeper_session *session, const struct letter *letter,
				   int64_t now_ns)
{
	struct subscription *subscription = session->common->subscription;

	if (letter->request != session->probe || !session->probing)
		return;
	session->probing = false;
	if (letter->code != ZOK)
		return;
	session->failures = 0;
	subscription_answered(subscription, session->lane, session->probe_sent_boottime_ns, now_ns);
	if (!subscription_is_settled(subscription)) /* it came too early to vouch for anything */
		session->probe_ns =
			session_earlier(session->probe_ns, session->probe_sent_ns + SESSION_PROBE_AGAIN_NS);
}

static void session_replied(struct zookeeper_session *session, const struct letter *letter, int64_t now_ns)
{
	struct subscription_reply reply = {
		.request = letter->request,
		.result = session_result(letter->code),
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
		session_heard(session, now_ns);
	if ((letter->request & SESSION_PLACE) == SESSION_PROBE)
		session_probe_answered(session, letter, now_ns);
	else if (letter->request != SESSION_SYNC)
		subscription_reply(session->common->subscription, session->lane, &reply, now_ns);
	else if (letter->code == ZOK)
		session->failures = 0;
	else if (handle_is_answer(letter->code))
		session->replace_reason = "the server did not sync";
}

static void session_notified(struct zookeeper_session *session, int type, const char *path, int64_t now_ns)
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
	session_heard(session, now_ns);
	subscription_notify(session->common->subscription, session->lane, change, path, now_ns);
}

static void session_failed_to_open(struct zookeeper_session *session, const char *reason)
{
	char detail[sizeof(((struct message *)NULL)->text) + 16];

	snprintf(detail, sizeof(detail), "%s; tried again", reason);
	subscription_disconnected(session->common->subscription, session->lane, detail);
	session->replace_reason = "the last one could not be opened";
	if (session->failures == 0)
		session->failures = 1;
}

bool session_owns(const struct zookeeper_session *session, const struct letter *letter)
{
	return (session->handle && letter->from == session->handle_number) ||
	       (letter->kind == LETTER_CLOSED && letter->from == session->closing_number);
}

void session_take_letter(struct zookeeper_session *session, const struct letter *letter, int64_t now_ns)
{
	switch (letter->kind) {
	case LETTER_OPENED:
		session->zh = letter->zh;
		session_connected(session, now_ns);
		break;
	case LETTER_FAILED:
		session_failed_to_open(session, letter->bytes);
		break;
	case LETTER_SESSION:
		session_changed(session, letter->code, now_ns);
		break;
	case LETTER_CHANGE:
		session_notified(session, letter->code, letter->bytes, now_ns);
		break;
	case LETTER_REPLY:
		session_replied(session, letter, now_ns);
		break;
	case LETTER_CLOSED:
		session->closing_number = 0;
		break;
	}
}

void session_distrust(struct zookeeper_session *session, const char *reason)
{
	if (session->handle)
		session->replace_reason = reason;
}

/* --- time ------------------------------------------------------------------- */

static void session_send_probe(struct zookeeper_session *session, int64_t now_ns)
{
	int64_t boottime_ns = clock_boottime_ns();

	session->probe += SESSION_PLACE + 1;
	if (handle_sync(session->handle, session->zh, session->common->target.path, session->probe) != ZOK) {
		session->replace_reason = "no probe could be sent";
		return;
	}
	session->probing = true;
	session->probe_when_settled = false;
	session->probe_sent_ns = now_ns;
	session->probe_sent_boottime_ns = boottime_ns;
	session->probe_ns = now_ns + session_probe_every_ns(session);
}

static void session_check_silence(struct zookeeper_session *session, int64_t now_ns)
{
	char since[CLOCK_TEXT_BYTES], detail[320];

	if (session->silent || now_ns - session->heard_ns < session->timeout_ns)
		return;
	session->silent = true;
	snprintf(detail, sizeof(detail), "no answer from %.256s since %s", session->common->target.hosts,
		 clock_format(session->heard_realtime_ns, since));
	subscription_silent(session->common->subscription, session->lane, detail);
}

/* It closes on a thread of its own, which may wait for the client's. Nothing waits for it; people are told. */
static void session_check_closing(struct zookeeper_session *session, int64_t now_ns)
{
	if (session->closing_number == 0 || now_ns - session->closing_since_ns < session_closing_ns(session))
		return;
	log_warning("%s: the ZooKeeper handle that was given up is not closed after %" PRId64
		    " s: the client library hangs, and its threads stay; following goes on with another one",
		    session->common->target.hosts, session_closing_ns(session) / CLOCK_NS_PER_S);
	session->closing_number = 0;
}

static bool session_may_probe(const struct zookeeper_session *session)
{
	return session->begun && session->connected && !session->probing && !session->replace_reason;
}

static bool session_wants_settled_probe(const struct zookeeper_session *session)
{
	return session->probe_when_settled && subscription_is_settled(session->common->subscription);
}

void session_check(struct zookeeper_session *session, int64_t now_ns)
{
	session_check_silence(session, now_ns);
	session_check_closing(session, now_ns);
	if (!session->handle || session->replace_reason)
		return;
	if (!session->connected &&
	    now_ns - session->unconnected_since_ns >= session_unconnected_most_ns(session))
		session->replace_reason = "no server has taken it back for 12 session timeouts, or 3 with "
					  "TLS: all of them are "
					  "away, or went back behind what was seen already";
	if (session->begun && session->connected && session->probing &&
	    now_ns - session->probe_sent_ns >= session_reply_ns(session))
		session->replace_reason = "a probe was never answered";
	else if (session_may_probe(session) &&
		 (now_ns >= session->probe_ns || session_wants_settled_probe(session)))
		session_send_probe(session, now_ns);
}

void session_probe_now(struct zookeeper_session *session, int64_t now_ns)
{
	session->probe_ns = now_ns;
}

static int64_t session_next_ns(const struct zookeeper_session *session)
{
	int64_t next_ns = session->silent ? INT64_MAX : session->heard_ns + session->timeout_ns;

	if (!session->handle)
		return session_earlier(next_ns, session->open_ns);
	if (!session->connected)
		return session_earlier(next_ns,
				       session->unconnected_since_ns + session_unconnected_most_ns(session));
	if (!session->begun)
		return next_ns;
	return session_earlier(next_ns, session->probing
						? session->probe_sent_ns + session_reply_ns(session)
						: session->probe_ns);
}

int64_t session_advance(struct zookeeper_session *session, int64_t now_ns)
{
	bool replaced = false;

	if (session_may_probe(session) && (now_ns >= session->probe_ns || session_wants_settled_probe(session)))
		session_send_probe(session, now_ns);
	if (session->replace_reason) {
		session_replace_handle(session, now_ns);
		replaced = true;
	}
	if (!session->handle && now_ns >= session->open_ns)
		session_open_handle(session, now_ns);
	return replaced ? now_ns : session_next_ns(session);
}
