/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Following. Whatever happens is followed by apollo_advance(), a look at what is
 * to be done now.
 *
 * A round asks for all: the newest ids, then each namespace. It begins the sync,
 * follows a failure, and is the audit, or all there is with mode=pull. Beside it,
 * with mode=push, one request waits at the server for what changes (the long
 * poll). All go to one config server until it fails: what one of them says of
 * ids, another may not know yet. After a failure the next one is taken, and the
 * meta servers are asked which there are.
 *
 * An id of a namespace that never had a release is not told: where none of them
 * has, the question for ids waits at the server as the long poll does. So after
 * GATE_NS the namespaces are read without ids. What is found then is parked
 * until its id is known.
 */
#include "source/apollo.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>

#include <event2/event.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/log.h"
#include "http/http.h"
#include "source/apollo_answer.h"
#include "source/apollo_namespace.h"
#include "source/apollo_request.h"
#include "source/secret.h"

#define CONNECT_TIMEOUT_MS 3000
#define META_TIMEOUT_MS 5000
#define IDS_TIMEOUT_MS 10000
#define FETCH_TIMEOUT_MS 30000
/* The server answers after 60 s. */
#define POLL_TIMEOUT_MS 90000
#define GATE_NS (3 * CLOCK_NS_PER_S)
#define META_EVERY_NS (300 * CLOCK_NS_PER_S)
#define RETRY_LEAST_MS 100
#define RETRY_MOST_MS 10000
/* A long poll that answers without saying anything new is not begun again at once. */
#define POLL_PAUSE_NS CLOCK_NS_PER_S
/* What the audit found and the long poll did not tell in so long was lost. */
#define SUSPECT_NS (2 * CLOCK_NS_PER_S)
#define FETCHES_MOST 8
#define LIST_MOST_BYTES (1024 * 1024)
/* A document as JSON: a letter may be written with six. */
#define RELEASE_MOST_BYTES (6 * APOLLO_DOCUMENT_MOST_BYTES + 65536)

/* A question for ids. */
struct apollo_asking {
	struct http_request *request; /* NULL: not under way */
	int64_t sent_ns;	      /* on CLOCK_BOOTTIME */
	uint64_t anew;		      /* the namespaces asked with -1, by number */
	bool may_wait;		      /* at the server, for something to happen */
};

enum apollo_round { ROUND_NONE, ROUND_IDS, ROUND_CONTENT };

struct apollo {
	struct source source;
	struct apollo_target target;
	const struct source_events *events;
	void *user;
	char *secret;
	struct event_base *loop;
	struct event *timer;
	struct http *http;
	uint64_t random;

	struct apollo_servers servers;
	char *server; /* that is asked; NULL: none is known */
	struct http_request *meta_request;
	size_t meta;
	int64_t meta_ns; /* when to ask it */
	bool is_meta_failing;

	struct apollo_namespace *namespaces;
	struct apollo_asking poll, ids;
	int64_t poll_ns;    /* not before */
	bool is_poll_empty; /* the last one said nothing new */

	enum apollo_round round;
	bool is_audit; /* this round; not the first one, nor one after a failure */
	bool is_audit_next;
	int64_t round_ns;      /* when the next one is due */
	int64_t round_sent_ns; /* on CLOCK_BOOTTIME */
	int64_t gate_ns;

	unsigned failures;
	int64_t retry_ns; /* nothing is asked before */
	enum source_state state;
	char detail[512];
	bool is_reached;
	bool is_settle_owed;
	int64_t seen_ns, verified_ns; /* as of when nothing newer is known; and what was told of that */
};

static_assert(APOLLO_NAMESPACES_MOST <= 64, "struct apollo_asking has a bit for each");

static struct apollo *apollo_of(struct source *source)
{
	return (struct apollo *)(void *)source;
}

static void apollo_advance(struct apollo *apollo);

/* xorshift; for jitter only. */
static uint64_t apollo_random(struct apollo *apollo)
{
	apollo->random ^= apollo->random << 13;
	apollo->random ^= apollo->random >> 7;
	apollo->random ^= apollo->random << 17;
	return apollo->random;
}

/* Doubling, and somewhere in its upper half. */
static int64_t apollo_backoff_ns(struct apollo *apollo, unsigned failures)
{
	int64_t wait_ms = failures < 8 ? (int64_t)RETRY_LEAST_MS << failures : RETRY_MOST_MS, wait_ns;

	if (wait_ms > RETRY_MOST_MS)
		wait_ms = RETRY_MOST_MS;
	wait_ns = wait_ms * CLOCK_NS_PER_MS;
	return wait_ns / 2 + (int64_t)(apollo_random(apollo) % (uint64_t)(wait_ns / 2));
}

/* --- what is told -------------------------------------------------------- */

static void apollo_tell_state(struct apollo *apollo, enum source_state state, const char *detail)
{
	if (state == apollo->state && strcmp(detail, apollo->detail) == 0)
		return;
	apollo->state = state;
	snprintf(apollo->detail, sizeof(apollo->detail), "%s", detail);
	apollo->events->state(apollo->user, state, apollo->detail);
}

/* A config server has answered as one. */
static void apollo_reached(struct apollo *apollo)
{
	apollo->is_reached = true;
	if (apollo->state != SOURCE_FOLLOWING)
		apollo_tell_state(apollo, SOURCE_SYNCING, "");
}

static void apollo_trouble(struct apollo *apollo, struct apollo_namespace *space, const char *reason)
{
	if (!reason && !space->is_in_trouble)
		return;
	space->is_in_trouble = reason != NULL;
	apollo->events->trouble(apollo->user, space->known.name, reason);
}

/* --- failures -------------------------------------------------------- */

static void apollo_cancel(struct apollo *apollo)
{
	http_cancel(apollo->poll.request);
	http_cancel(apollo->ids.request);
	apollo->poll.request = apollo->ids.request = NULL;
	for (size_t i = 0; i < apollo->target.name_count; i++) {
		http_cancel(apollo->namespaces[i].fetch);
		apollo->namespaces[i].fetch = NULL;
		apollo->namespaces[i].is_dirty = true;
	}
}

static void apollo_next_server(struct apollo *apollo)
{
	size_t count = apollo->servers.count, next = 0;
	char *copy;

	for (size_t i = 0; i < count && apollo->server; i++)
		if (strcmp(apollo->servers.urls[i], apollo->server) == 0)
			next = (i + 1) % count;
	copy = count > 0 ? strdup(apollo->servers.urls[next]) : NULL;
	if (!copy)
		return;
	free(apollo->server);
	apollo->server = copy;
}

/* Everything is asked anew in a while, of the next one, and it tells what else there is. */
static void apollo_fail(struct apollo *apollo, enum source_state state, const char *detail)
{
	int64_t now_ns = clock_monotonic_ns();

	apollo_cancel(apollo);
	apollo_next_server(apollo);
	apollo->round = ROUND_NONE;
	apollo->round_ns = apollo->meta_ns = now_ns;
	apollo->is_audit_next = false;
	apollo->seen_ns = 0;
	apollo->is_settle_owed = true;
	apollo->retry_ns = now_ns + apollo_backoff_ns(apollo, apollo->failures++);
	if (state == SOURCE_AWAY && !apollo->is_reached)
		state = SOURCE_CONNECTING;
	apollo_tell_state(apollo, state, detail);
}

static void apollo_out_of_memory(struct apollo *apollo)
{
	apollo_fail(apollo, SOURCE_AWAY, "out of memory");
}

/* What is no answer, or none that can be gone on with; false: it has failed. */
static bool apollo_is_answered(struct apollo *apollo, const struct http_answer *answer, const char *what)
{
	struct message detail;

	if (answer->failure != HTTP_ANSWERED) {
		apollo_fail(apollo, SOURCE_AWAY, answer->reason);
		return false;
	}
	if (answer->status == 401 || answer->status == 403) {
		message_set(&detail, "%s: does not let us read %s of %s (status %d): %s", apollo->server,
			    what, apollo->target.app, answer->status,
			    apollo->secret
				    ? "the access key in secret_file is not the app's, or this host's clock "
				      "is wrong by more than a minute"
				    : "the app has an access key, which secret_file has to name");
		apollo_fail(apollo, SOURCE_REFUSED, detail.text);
		return false;
	}
	return true;
}

static void apollo_fail_status(struct apollo *apollo, const struct http_answer *answer, const char *what)
{
	struct message detail;

	message_set(&detail, "%s: answered with status %d where %s was asked for", apollo->server,
		    answer->status, what);
	apollo_fail(apollo, SOURCE_AWAY, detail.text);
}

static void apollo_fail_body(struct apollo *apollo, int err, const char *what, const struct message *why)
{
	struct message detail;

	if (err == -ENOMEM) {
		apollo_out_of_memory(apollo);
		return;
	}
	message_set(&detail, "%s: what it answered is not %s of Apollo: %s", apollo->server, what, why->text);
	apollo_fail(apollo, SOURCE_AWAY, detail.text);
}

/* --- asking -------------------------------------------------------- */

/* url is freed. NULL: out of memory, and it has failed. */
static struct http_request *apollo_ask(struct apollo *apollo, char *url, struct http_call *call,
				       bool is_signed)
{
	static const char accept[] = "Accept: application/json";
	const char *headers[4] = { accept };
	struct http_request *request = NULL;
	struct apollo_headers signature;

	call->url = url;
	call->headers = headers;
	call->connect_timeout_ms = CONNECT_TIMEOUT_MS;
	if (url && is_signed && apollo->secret) {
		if (apollo_request_sign(&apollo->target, url, apollo->secret,
					clock_realtime_ns() / CLOCK_NS_PER_MS, &signature) < 0)
			goto free_url;
		headers[1] = signature.list[0];
		headers[2] = signature.list[1];
	}
	if (url)
		request = http_start(apollo->http, call);
free_url:
	free(url);
	if (!request)
		apollo_out_of_memory(apollo);
	return request;
}

/* --- meta servers -------------------------------------------------------- */

static void apollo_meta_failed(struct apollo *apollo, const char *detail)
{
	apollo->meta = (apollo->meta + 1) % apollo->target.meta_count;
	if (apollo->servers.count == 0) {
		apollo_fail(apollo, SOURCE_AWAY, detail);
		return;
	}
	if (!apollo->is_meta_failing)
		log_warning("%s; the config servers that it named last are used", detail);
	apollo->is_meta_failing = true;
	apollo->meta_ns = clock_monotonic_ns() + RETRY_MOST_MS * CLOCK_NS_PER_MS;
}

/* With apollos:// only those with TLS count. */
static void apollo_leave_out(const struct apollo *apollo, struct apollo_servers *servers)
{
	size_t kept = 0;

	for (size_t i = 0; i < servers->count; i++)
		if (apollo->target.is_tls && strncmp(servers->urls[i], "https://", 8) != 0)
			free(servers->urls[i]);
		else
			servers->urls[kept++] = servers->urls[i];
	servers->count = kept;
}

static void apollo_take_servers(struct apollo *apollo, struct apollo_servers *servers)
{
	apollo_servers_free(&apollo->servers);
	apollo->servers = *servers;
	apollo->meta_ns = clock_monotonic_ns() + META_EVERY_NS;
	apollo->is_meta_failing = false;
	for (size_t i = 0; i < servers->count && apollo->server; i++)
		if (strcmp(servers->urls[i], apollo->server) == 0)
			return;
	free(apollo->server);
	apollo->server = strdup(servers->urls[apollo_random(apollo) % servers->count]);
	if (!apollo->server)
		apollo_out_of_memory(apollo);
}

static void apollo_meta_answered(void *user, const struct http_answer *answer)
{
	struct apollo *apollo = user;
	const char *meta = apollo->target.metas[apollo->meta];
	struct apollo_servers servers;
	struct message detail, why;
	int err;

	apollo->meta_request = NULL;
	if (answer->failure != HTTP_ANSWERED) {
		apollo_meta_failed(apollo, answer->reason);
	} else if (answer->status != 200) {
		message_set(&detail, "%s: answered with status %d where a meta server lists config servers",
			    meta, answer->status);
		apollo_meta_failed(apollo, detail.text);
	} else if ((err = apollo_answer_servers(answer->body, answer->body_bytes, &servers, &why)) < 0) {
		message_set(
			&detail,
			"%s: what it answered is not the list of config servers of an Apollo meta server: %s",
			meta, err == -ENOMEM ? "out of memory" : why.text);
		apollo_meta_failed(apollo, detail.text);
	} else {
		size_t count = servers.count;

		apollo_leave_out(apollo, &servers);
		if (servers.count > 0) {
			apollo_take_servers(apollo, &servers);
		} else {
			apollo_servers_free(&servers);
			message_set(&detail, "%s: names %s", meta,
				    count == 0 ? "no config server"
					       : "config servers without https only, and this is "
						 "apollos://");
			apollo_meta_failed(apollo, detail.text);
		}
	}
	apollo_advance(apollo);
}

static void apollo_ask_meta(struct apollo *apollo)
{
	struct http_call call = { .timeout_ms = META_TIMEOUT_MS,
				  .most_bytes = LIST_MOST_BYTES,
				  .done = apollo_meta_answered,
				  .user = apollo };

	apollo->meta_request = apollo_ask(
		apollo, apollo_request_servers(&apollo->target, apollo->target.metas[apollo->meta]), &call,
		false);
}

/* --- ids -------------------------------------------------------- */

static struct apollo_namespace *apollo_find(struct apollo *apollo, const char *name)
{
	for (size_t i = 0; i < apollo->target.name_count; i++)
		if (strcasecmp(apollo->namespaces[i].known.name, name) == 0)
			return &apollo->namespaces[i];
	return NULL;
}

static void apollo_round_soon(struct apollo *apollo)
{
	int64_t soon_ns = clock_monotonic_ns() + APOLLO_RECHECK_MS * CLOCK_NS_PER_MS;

	if (apollo->round_ns > soon_ns)
		apollo->round_ns = soon_ns;
}

static void apollo_suspect(struct apollo *apollo, struct apollo_namespace *space)
{
	if (!apollo->is_audit || apollo->target.pace.is_pull || space->suspect_id > 0)
		return;
	space->suspect_id = space->known.id;
	space->suspect_ns = clock_monotonic_ns() + SUSPECT_NS;
}

/* false: it has failed. */
static bool apollo_take_notification(struct apollo *apollo, const struct apollo_asking *asking,
				     const struct apollo_notification *told, bool *is_new)
{
	struct apollo_namespace *space = apollo_find(apollo, told->name);

	if (!space)
		return true;
	if (asking == &apollo->poll && told->id >= space->suspect_id)
		space->suspect_id = 0;
	switch (namespace_notify(space, told, (asking->anew >> (space - apollo->namespaces) & 1) != 0)) {
	case NAMESPACE_OUT_OF_MEMORY:
		apollo_out_of_memory(apollo);
		return false;
	case NAMESPACE_NEWER:
		*is_new = true;
		if (asking == &apollo->ids)
			apollo_suspect(apollo, space);
		break;
	case NAMESPACE_OLDER:
		apollo_round_soon(apollo);
		break;
	case NAMESPACE_BACK:
		log_warning("%s: the notification id of %s went back to %lld, and stays there",
			    apollo->server, told->name, (long long)told->id);
		*is_new = true;
		break;
	case NAMESPACE_KNOWN:
		break;
	}
	return true;
}

/* An id that is known now; and what all of these were asked for and that is not told has none. */
static void apollo_unpark(struct apollo *apollo, uint64_t anew)
{
	for (size_t i = 0; i < apollo->target.name_count; i++) {
		struct apollo_namespace *space = &apollo->namespaces[i];

		if (!space->is_parked || ((anew >> i & 1) == 0 && space->known.id < 0))
			continue;
		space->is_parked = false;
		space->is_dirty = true;
		if (space->known.id < 0)
			space->known.id = 0;
	}
}

/* An answer to either question; false: it has failed. */
static bool apollo_take_ids(struct apollo *apollo, struct apollo_asking *asking,
			    const struct http_answer *answer, bool *is_new)
{
	struct apollo_notifications told = { 0 };
	struct message why;
	bool is_taken = true;
	int err = 0;

	asking->request = NULL;
	if (!apollo_is_answered(apollo, answer, "the notifications"))
		return false;
	if (answer->status == 200)
		err = apollo_answer_notifications(answer->body, answer->body_bytes, &told, &why);
	else if (answer->status != 304) {
		apollo_fail_status(apollo, answer, "what changed");
		return false;
	}
	if (err < 0) {
		apollo_fail_body(apollo, err, "a list of notifications", &why);
		return false;
	}
	apollo_reached(apollo);
	for (size_t i = 0; i < told.count && is_taken; i++)
		is_taken = apollo_take_notification(apollo, asking, &told.items[i], is_new);
	/* one that waited is answered by what happened, which says nothing of the others */
	if (is_taken)
		apollo_unpark(apollo, answer->status == 304 || !asking->may_wait ? asking->anew : 0);
	apollo_notifications_free(&told);
	return is_taken;
}

/* As of then there was nothing newer; a server notices a change after a second. */
static void apollo_saw(struct apollo *apollo, int64_t sent_ns)
{
	int64_t seen_ns = sent_ns - APOLLO_LAG_MS * CLOCK_NS_PER_MS;

	if (seen_ns > apollo->seen_ns)
		apollo->seen_ns = seen_ns;
}

static void apollo_poll_answered(void *user, const struct http_answer *answer)
{
	struct apollo *apollo = user;
	bool is_new = false;

	if (apollo_take_ids(apollo, &apollo->poll, answer, &is_new)) {
		if (is_new)
			apollo->events->contact(apollo->user, SOURCE_TOLD);
		if (apollo->round == ROUND_NONE)
			apollo_saw(apollo, apollo->poll.sent_ns);
		if (answer->status == 200 && !is_new && apollo->is_poll_empty)
			apollo->poll_ns = clock_monotonic_ns() + POLL_PAUSE_NS;
		apollo->is_poll_empty = answer->status == 200 && !is_new;
	}
	apollo_advance(apollo);
}

static void apollo_ids_answered(void *user, const struct http_answer *answer)
{
	struct apollo *apollo = user;
	bool is_new = false, is_late = apollo->ids.may_wait && apollo->round != ROUND_IDS;

	if (apollo_take_ids(apollo, &apollo->ids, answer, &is_new) && is_new && is_late)
		apollo->events->contact(apollo->user, SOURCE_TOLD);
	apollo_advance(apollo);
}

static void apollo_ask_notifications(struct apollo *apollo, struct apollo_asking *asking,
				     const struct apollo_notification *known, size_t count, int timeout_ms)
{
	bool is_poll = asking == &apollo->poll;
	struct http_call call = { .timeout_ms = timeout_ms,
				  .most_bytes = LIST_MOST_BYTES,
				  .done = is_poll ? apollo_poll_answered : apollo_ids_answered,
				  .user = apollo };

	asking->sent_ns = clock_boottime_ns();
	asking->request = apollo_ask(
		apollo, apollo_request_notifications(&apollo->target, apollo->server, known, count), &call,
		true);
}

static void apollo_ask_poll(struct apollo *apollo)
{
	struct apollo_notification known[APOLLO_NAMESPACES_MOST];

	apollo->poll.anew = 0;
	apollo->poll.may_wait = true;
	for (size_t i = 0; i < apollo->target.name_count; i++) {
		known[i] = apollo->namespaces[i].known;
		apollo->namespaces[i].suspect_id = 0; /* from now on it would not be told any more */
		if (known[i].id < 0)
			apollo->poll.anew |= UINT64_C(1) << i;
	}
	apollo_ask_notifications(apollo, &apollo->poll, known, apollo->target.name_count, POLL_TIMEOUT_MS);
}

/* A server answers at once if there is an id of one of them. */
static void apollo_ask_ids(struct apollo *apollo)
{
	struct apollo_notification known[APOLLO_NAMESPACES_MOST];
	size_t count = 0, id_count = 0;

	for (size_t i = 0; i < apollo->target.name_count; i++)
		id_count += apollo->namespaces[i].known.id > 0;
	apollo->ids.anew = 0;
	apollo->ids.may_wait = id_count == 0;
	for (size_t i = 0; i < apollo->target.name_count; i++) {
		struct apollo_namespace *space = &apollo->namespaces[i];

		known[count] = space->known;
		known[count].id = -1;
		count++;
		apollo->ids.anew |= UINT64_C(1) << i;
	}
	apollo_ask_notifications(apollo, &apollo->ids, known, count,
				 apollo->ids.may_wait ? POLL_TIMEOUT_MS : IDS_TIMEOUT_MS);
}

/* --- releases -------------------------------------------------------- */

/* What was answered is no release; the rest goes on. It is read again, of another server if there is one. */
static void apollo_fetch_failed(struct apollo *apollo, struct apollo_namespace *space, const char *reason)
{
	space->retry_ns = clock_monotonic_ns() + apollo_backoff_ns(apollo, space->failures++);
	space->is_dirty = true;
	apollo_trouble(apollo, space, reason);
	apollo_next_server(apollo);
}

static void apollo_tell_release(struct apollo *apollo, struct apollo_namespace *space,
				const struct apollo_release *release, const struct message *why)
{
	struct source_revision revision = { .created = XXH3_64bits(release->key, strlen(release->key)),
					    .modified = (uint64_t)space->asked_id,
					    .version = -1 };
	struct message reason;

	space->is_unusable = !release->bytes;
	if (!release->bytes) {
		message_set(&reason, "release %.64s of it is no document: %s", release->key, why->text);
		apollo_trouble(apollo, space, reason.text);
		return;
	}
	apollo_trouble(apollo, space, NULL);
	apollo->is_settle_owed = true;
	apollo->events->document(apollo->user, space->known.name, release->bytes, release->size_bytes,
				 &revision);
}

/* release NULL: there is none. */
static void apollo_judge(struct apollo *apollo, struct apollo_namespace *space,
			 const struct apollo_release *release, const struct message *why)
{
	bool is_risen = space->asked_id != space->told_id;

	switch (namespace_judge(space, release ? release->key : NULL)) {
	case NAMESPACE_NOTHING:
		if (!space->is_unusable)
			apollo_trouble(apollo, space, NULL); /* the server's answers were at fault */
		break;
	case NAMESPACE_AGAIN:
		apollo_round_soon(apollo);
		break;
	case NAMESPACE_PARK:
		space->is_parked = true;
		break;
	case NAMESPACE_TELL:
		if (!is_risen && space->release_key && apollo->is_audit && !apollo->target.pace.is_pull)
			apollo->events->repaired(apollo->user, space->known.name);
		if (release) {
			apollo_tell_release(apollo, space, release, why);
		} else {
			space->is_unusable = false;
			apollo_trouble(apollo, space, NULL);
			apollo->is_settle_owed = true;
			apollo->events->removed(apollo->user, space->known.name);
		}
		if (namespace_told(space, release ? release->key : NULL) < 0)
			apollo_out_of_memory(apollo);
		break;
	}
}

static void apollo_take_release(struct apollo *apollo, struct apollo_namespace *space,
				const struct http_answer *answer)
{
	struct apollo_release release = { 0 };
	struct message why, reason;
	int err = apollo_answer_release(answer->body, answer->body_bytes, space->is_xml, &release, &why);

	if (err == 0 && release.is_difference && !space->is_keyed) {
		message_set(&why, "only what changed since another release, which was not asked for");
		err = -EBADMSG;
	}
	if (err == -ENOMEM) {
		apollo_out_of_memory(apollo);
	} else if (err < 0) {
		message_set(&reason, "%s: what it answered is not a release of Apollo: %s", apollo->server,
			    why.text);
		apollo_fetch_failed(apollo, space, reason.text);
	} else if (release.is_difference) {
		space->is_dirty = space->is_whole_wanted = true;
	} else {
		space->failures = 0;
		space->is_missing = false;
		apollo_judge(apollo, space, &release, &why);
	}
	apollo_release_free(&release);
}

static void apollo_not_found(struct apollo *apollo, struct apollo_namespace *space,
			     const struct http_answer *answer)
{
	struct message reason;

	if (apollo_answer_is_missing(answer->body, answer->body_bytes)) {
		apollo_reached(apollo);
		space->failures = 0;
		space->is_missing = true;
		apollo_judge(apollo, space, NULL, NULL);
		return;
	}
	message_set(&reason,
		    "%s: answered with status 404, and not in Apollo's words: is it a config server?",
		    apollo->server);
	apollo_fetch_failed(apollo, space, reason.text);
}

static void apollo_take_fetched(struct apollo *apollo, struct apollo_namespace *space,
				const struct http_answer *answer)
{
	struct message reason;

	if (answer->failure == HTTP_TOO_LARGE) { /* until the next round: it is not fetched again and again */
		message_set(&reason, "%s; a document may have %d", answer->reason,
			    APOLLO_DOCUMENT_MOST_BYTES);
		apollo_trouble(apollo, space, reason.text);
		return;
	}
	if (!apollo_is_answered(apollo, answer, "the configuration"))
		return;
	if (answer->status == 200) {
		apollo_reached(apollo);
		apollo_take_release(apollo, space, answer);
	} else if (answer->status == 304 && space->is_keyed) {
		struct apollo_release same = { .key = space->release_key };

		apollo_reached(apollo);
		space->failures = 0;
		apollo_judge(apollo, space, &same, NULL);
	} else if (answer->status == 404) {
		apollo_not_found(apollo, space, answer);
	} else {
		apollo_fail_status(apollo, answer, "a release");
	}
}

static void apollo_fetched(void *user, const struct http_answer *answer)
{
	struct apollo_namespace *space = user;
	struct apollo *apollo = space->apollo;

	space->fetch = NULL;
	apollo_take_fetched(apollo, space, answer);
	apollo_advance(apollo);
}

static void apollo_fetch(struct apollo *apollo, struct apollo_namespace *space)
{
	const char *key = space->is_whole_wanted ? NULL : namespace_key(space);
	struct http_call call = { .timeout_ms = FETCH_TIMEOUT_MS,
				  .most_bytes = RELEASE_MOST_BYTES,
				  .done = apollo_fetched,
				  .user = space };

	space->is_dirty = space->is_whole_wanted = false;
	space->is_keyed = key != NULL;
	space->asked_id = space->known.id;
	space->fetch = apollo_ask(apollo,
				  apollo_request_release(&apollo->target, apollo->server, &space->known, key),
				  &call, true);
}

/* --- what is to be done now -------------------------------------------------------- */

static bool apollo_is_waiting(const struct apollo *apollo, int64_t now_ns)
{
	return apollo->retry_ns > now_ns;
}

static void apollo_begin_round(struct apollo *apollo, int64_t now_ns)
{
	apollo->round = ROUND_IDS;
	apollo->is_audit = apollo->is_audit_next;
	apollo->is_audit_next = true;
	apollo->round_ns = INT64_MAX;
	apollo->round_sent_ns = clock_boottime_ns();
	apollo->gate_ns = now_ns + GATE_NS;
	apollo->events->contact(apollo->user, SOURCE_ASKED);
	if (!apollo->ids.request)
		apollo_ask_ids(apollo);
	else
		apollo->gate_ns = now_ns; /* that it still waits is known */
}

static void apollo_open_gate(struct apollo *apollo)
{
	apollo->round = ROUND_CONTENT;
	for (size_t i = 0; i < apollo->target.name_count; i++)
		if (!apollo->namespaces[i].is_parked)
			apollo->namespaces[i].is_dirty = true;
}

static void apollo_run_round(struct apollo *apollo, int64_t now_ns)
{
	if (apollo->round == ROUND_NONE && apollo->round_ns <= now_ns)
		apollo_begin_round(apollo, now_ns);
	if (apollo->round == ROUND_IDS &&
	    (!apollo->ids.request || (apollo->ids.may_wait && apollo->gate_ns <= now_ns)))
		apollo_open_gate(apollo);
}

static bool apollo_may_fetch(const struct apollo_namespace *space, int64_t now_ns)
{
	return space->is_dirty && !space->is_parked && !space->fetch && space->retry_ns <= now_ns;
}

static void apollo_fetch_dirty(struct apollo *apollo, int64_t now_ns)
{
	size_t under_way = 0;

	for (size_t i = 0; i < apollo->target.name_count; i++)
		under_way += apollo->namespaces[i].fetch != NULL;
	for (size_t i = 0; i < apollo->target.name_count && under_way < FETCHES_MOST; i++)
		if (apollo_may_fetch(&apollo->namespaces[i], now_ns)) {
			apollo_fetch(apollo, &apollo->namespaces[i]);
			under_way++;
			if (apollo_is_waiting(apollo, now_ns))
				return; /* it failed */
		}
}

static bool apollo_has_parked(const struct apollo *apollo)
{
	for (size_t i = 0; i < apollo->target.name_count; i++)
		if (apollo->namespaces[i].is_parked)
			return true;
	return false;
}

static void apollo_look_at_suspects(struct apollo *apollo, int64_t now_ns)
{
	for (size_t i = 0; i < apollo->target.name_count; i++) {
		struct apollo_namespace *space = &apollo->namespaces[i];

		if (space->suspect_id == 0 || space->suspect_ns > now_ns)
			continue;
		space->suspect_id = 0;
		apollo->events->repaired(apollo->user, space->known.name);
		http_cancel(apollo->poll.request); /* it is deaf: another one */
		apollo->poll.request = NULL;
	}
}

/* Is all read that can be? What is in trouble is waited for by nobody. */
static bool apollo_is_quiet(const struct apollo *apollo)
{
	for (size_t i = 0; i < apollo->target.name_count; i++) {
		const struct apollo_namespace *space = &apollo->namespaces[i];

		if (space->fetch || space->is_parked || (space->is_dirty && !space->is_in_trouble))
			return false;
	}
	return apollo->round != ROUND_IDS;
}

/* "" or what is not there, for people: a name may be a mistake. */
static void apollo_describe_missing(const struct apollo *apollo, struct message *detail)
{
	struct buffer list = { 0 };

	for (size_t i = 0; i < apollo->target.name_count; i++)
		if (apollo->namespaces[i].is_missing)
			buffer_printf(&list, "%s%s", list.size_bytes > 0 ? ", " : "",
				      apollo->namespaces[i].known.name);
	if (list.size_bytes > 0)
		message_set(detail, "no release in Apollo (app %s, cluster %s): %.*s", apollo->target.app,
			    apollo->target.cluster, (int)list.size_bytes, list.bytes);
	else
		message_set(detail, "%s", "");
	buffer_free(&list);
}

static void apollo_end_round(struct apollo *apollo, int64_t now_ns)
{
	int64_t wait_ns = pace_wait_ns(&apollo->target.pace, apollo_random(apollo));

	apollo->round = ROUND_NONE;
	apollo->failures = 0;
	apollo_saw(apollo, apollo->round_sent_ns);
	if (wait_ns < INT64_MAX - now_ns && now_ns + wait_ns < apollo->round_ns)
		apollo->round_ns = now_ns + wait_ns;
}

static void apollo_settle(struct apollo *apollo, int64_t now_ns)
{
	struct message detail;

	if (!apollo_is_quiet(apollo))
		return;
	if (apollo->round == ROUND_CONTENT)
		apollo_end_round(apollo, now_ns);
	if (apollo->seen_ns == 0)
		return; /* no round has ended since the last failure */
	if (apollo->is_settle_owed) {
		apollo->is_settle_owed = false;
		apollo->events->settled(apollo->user);
	}
	apollo_describe_missing(apollo, &detail);
	apollo_tell_state(apollo, SOURCE_FOLLOWING, detail.text);
	if (apollo->seen_ns > apollo->verified_ns) {
		apollo->verified_ns = apollo->seen_ns;
		apollo->events->verified(apollo->user, apollo->verified_ns);
	}
}

static void apollo_earlier(int64_t *next_ns, int64_t due_ns, int64_t now_ns)
{
	if (due_ns > now_ns && due_ns < *next_ns)
		*next_ns = due_ns;
}

static void apollo_set_timer(struct apollo *apollo, int64_t now_ns)
{
	int64_t next_ns = now_ns + 3600 * CLOCK_NS_PER_S, wait_ns;
	struct timeval wait;

	apollo_earlier(&next_ns, apollo->retry_ns, now_ns);
	apollo_earlier(&next_ns, apollo->meta_ns, now_ns);
	apollo_earlier(&next_ns, apollo->poll_ns, now_ns);
	apollo_earlier(&next_ns, apollo->round_ns, now_ns);
	if (apollo->round == ROUND_IDS)
		apollo_earlier(&next_ns, apollo->gate_ns, now_ns);
	for (size_t i = 0; i < apollo->target.name_count; i++) {
		apollo_earlier(&next_ns, apollo->namespaces[i].retry_ns, now_ns);
		if (apollo->namespaces[i].suspect_id > 0)
			apollo_earlier(&next_ns, apollo->namespaces[i].suspect_ns, now_ns);
	}
	if (apollo->server && !apollo_is_waiting(apollo, now_ns) && apollo->round == ROUND_NONE &&
	    apollo->round_ns <= now_ns)
		next_ns = now_ns;
	wait_ns = next_ns - now_ns + 999; /* never too early: that would spin */
	wait.tv_sec = wait_ns / CLOCK_NS_PER_S;
	wait.tv_usec = wait_ns % CLOCK_NS_PER_S / 1000;
	evtimer_add(apollo->timer, &wait);
}

static void apollo_ask_what_is_due(struct apollo *apollo, int64_t now_ns)
{
	if (!apollo->meta_request && apollo->meta_ns <= now_ns)
		apollo_ask_meta(apollo);
	if (!apollo->server || apollo_is_waiting(apollo, now_ns))
		return;
	apollo_run_round(apollo, now_ns);
	if (!apollo_is_waiting(apollo, now_ns) && !apollo->ids.request && apollo_has_parked(apollo))
		apollo_ask_ids(apollo);
	if (!apollo_is_waiting(apollo, now_ns) && apollo->round != ROUND_IDS)
		apollo_fetch_dirty(apollo, now_ns);
	if (apollo_is_waiting(apollo, now_ns))
		return;
	apollo_look_at_suspects(apollo, now_ns);
	if (!apollo->target.pace.is_pull && !apollo->poll.request && apollo->poll_ns <= now_ns &&
	    apollo->round != ROUND_IDS && !(apollo->ids.request && apollo->ids.may_wait))
		apollo_ask_poll(apollo);
}

/* Whatever happened: do what follows from it and from the time. */
static void apollo_advance(struct apollo *apollo)
{
	int64_t now_ns = clock_monotonic_ns();

	if (!apollo_is_waiting(apollo, now_ns))
		apollo_ask_what_is_due(apollo, now_ns);
	if (!apollo_is_waiting(apollo, now_ns))
		apollo_settle(apollo, now_ns);
	apollo_set_timer(apollo, now_ns);
}

static void apollo_timed(evutil_socket_t fd, short what, void *user)
{
	(void)fd, (void)what;
	apollo_advance(user);
}

/* --- the vtable -------------------------------------------------------- */

static void apollo_free(struct apollo *apollo)
{
	for (size_t i = 0; apollo->namespaces && i < apollo->target.name_count; i++)
		namespace_free(&apollo->namespaces[i]);
	free(apollo->namespaces);
	free(apollo->server);
	apollo_servers_free(&apollo->servers);
	secret_free(apollo->secret);
	apollo_target_free(&apollo->target);
	free(apollo);
}

static int apollo_make_namespaces(struct apollo *apollo)
{
	apollo->namespaces = calloc(apollo->target.name_count, sizeof(*apollo->namespaces));
	if (!apollo->namespaces)
		return -ENOMEM;
	for (size_t i = 0; i < apollo->target.name_count; i++) {
		if (namespace_init(&apollo->namespaces[i], apollo->target.names[i].name,
				   apollo->target.names[i].is_xml) < 0)
			return -ENOMEM;
		apollo->namespaces[i].apollo = apollo;
	}
	return 0;
}

static int apollo_open(const char *uri, const struct source_events *events, void *user,
		       struct source **source, struct message *message)
{
	struct apollo *apollo = calloc(1, sizeof(*apollo));
	int err;

	if (!apollo) {
		message_set(message, "out of memory");
		return -ENOMEM;
	}
	apollo->events = events;
	apollo->user = user;
	apollo->is_settle_owed = true;
	err = apollo_target_parse(uri, &apollo->target, message);
	if (err == 0 && (err = apollo_make_namespaces(apollo)) < 0)
		message_set(message, "out of memory");
	if (err < 0) {
		apollo_free(apollo);
		return err;
	}
	apollo->source.ops = apollo->target.is_tls ? &apollo_tls_source : &apollo_source;
	apollo->source.mode = pace_mode(&apollo->target.pace);
	*source = &apollo->source;
	return 0;
}

static int apollo_start(struct source *source, struct event_base *loop, struct message *message)
{
	struct apollo *apollo = apollo_of(source);
	struct http_tls tls = { apollo->target.ca_file, apollo->target.cert_file, apollo->target.key_file };
	static const struct timeval now;
	int err = apollo_secret_read(&apollo->target, &apollo->secret, message);

	if (err < 0)
		return err;
	if (getrandom(&apollo->random, sizeof(apollo->random), GRND_NONBLOCK) < 0 || apollo->random == 0)
		apollo->random = (uint64_t)clock_monotonic_ns() | 1;
	apollo->loop = loop;
	apollo->http = http_new(loop, &tls);
	apollo->timer = evtimer_new(loop, apollo_timed, apollo);
	if (!apollo->http || !apollo->timer || evtimer_add(apollo->timer, &now) < 0) {
		message_set(message, "out of memory");
		return -ENOMEM;
	}
	return 0;
}

static void apollo_refresh(struct source *source)
{
	struct apollo *apollo = apollo_of(source);
	int64_t now_ns = clock_monotonic_ns(), due_ns = now_ns + (APOLLO_LAG_MS + 1) * CLOCK_NS_PER_MS;

	/* an answer before that says nothing of now */
	if (due_ns < apollo->round_ns)
		apollo->round_ns = due_ns;
	apollo_set_timer(apollo, now_ns);
}

static void apollo_close(struct source *source)
{
	if (!source)
		return;
	http_free(apollo_of(source)->http);
	if (apollo_of(source)->timer)
		event_free(apollo_of(source)->timer);
	apollo_free(apollo_of(source));
}

/* Its config servers only read; writing is the portal's, with users and rights of its own. */
static enum source_result apollo_refuse(struct message *message)
{
	message_set(message,
		    "Apollo is written in its portal, or through the portal's Open API: zkcfg only reads it");
	return SOURCE_INVALID;
}

static enum source_result apollo_put(const char *uri, const struct source_change *change, int64_t *version,
				     struct message *message)
{
	(void)uri, (void)change, (void)version;
	return apollo_refuse(message);
}

static enum source_result apollo_remove(const char *uri, const struct source_change *change,
					struct message *message)
{
	(void)uri, (void)change;
	return apollo_refuse(message);
}

const struct source_ops apollo_source = {
	.scheme = "apollo",
	.example = "apollo://meta:8080/my-app/default?namespaces=service.xml,application",
	.open = apollo_open,
	.start = apollo_start,
	.refresh = apollo_refresh,
	.close = apollo_close,
	.put = apollo_put,
	.remove = apollo_remove,
};

const struct source_ops apollo_tls_source = {
	.scheme = "apollos",
	.example = "apollos://meta/my-app/default?namespaces=service.xml&ca_file=ca.pem",
	.open = apollo_open,
	.start = apollo_start,
	.refresh = apollo_refresh,
	.close = apollo_close,
	.put = apollo_put,
	.remove = apollo_remove,
};
