/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/events.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include <event2/event.h>

#include "admin/parts.h"
#include "base/buffer.h"
#include "base/clock.h"

#define EVENTS_HEARTBEAT_S 15
/* Names in one event. */
#define EVENTS_NAMES_MOST 100

struct listener {
	TAILQ_ENTRY(listener) link;
	struct events *events;
	struct exchange *exchange;
	char *set; /* NULL: all */
};

struct events {
	struct admin *admin;
	struct event *heartbeat;
	TAILQ_HEAD(, listener) listeners;
};

static void listener_free(struct listener *listener)
{
	TAILQ_REMOVE(&listener->events->listeners, listener, link);
	free(listener->set);
	free(listener);
}

static void listener_gone(void *user)
{
	listener_free(user);
}

/* false: it is no listener any more. */
static bool listener_tell(struct listener *listener, const void *bytes, size_t size_bytes)
{
	if (exchange_send(listener->exchange, bytes, size_bytes))
		return true;
	listener_free(listener);
	return false;
}

static void events_tell(struct events *events, const char *set, const void *bytes, size_t size_bytes)
{
	struct listener *listener, *next;

	for (listener = TAILQ_FIRST(&events->listeners); listener; listener = next) {
		next = TAILQ_NEXT(listener, link);
		if (!set || !listener->set || strcmp(listener->set, set) == 0)
			listener_tell(listener, bytes, size_bytes);
	}
}

static void events_beat(evutil_socket_t fd, short what, void *user)
{
	(void)fd, (void)what;
	events_tell(user, NULL, ":\n\n", 3);
}

struct events *events_new(struct admin *admin)
{
	struct timeval interval = { .tv_sec = EVENTS_HEARTBEAT_S };
	struct events *events = calloc(1, sizeof(*events));

	if (!events)
		return NULL;
	events->admin = admin;
	TAILQ_INIT(&events->listeners);
	events->heartbeat = event_new(admin->loop, -1, EV_PERSIST, events_beat, events);
	if (!events->heartbeat || event_add(events->heartbeat, &interval) < 0) {
		events_free(events);
		return NULL;
	}
	return events;
}

void events_free(struct events *events)
{
	struct listener *listener;

	if (!events)
		return;
	while ((listener = TAILQ_FIRST(&events->listeners))) {
		exchange_end(listener->exchange);
		listener_free(listener);
	}
	if (events->heartbeat)
		event_free(events->heartbeat);
	free(events);
}

static void events_write(struct buffer *text, const char *kind, const json_t *data, uint64_t seq)
{
	char *line = json_dumps(data, JSON_COMPACT);

	if (line)
		buffer_printf(text, "id: %" PRIu64 "\nevent: %s\ndata: %s\n\n", seq, kind, line);
	free(line);
}

static void events_write_current(struct buffer *text, const char *set, uint64_t seq)
{
	json_t *data = json_pack("{s:s,s:I}", "set", set, "seq", (json_int_t)seq);

	if (data)
		events_write(text, "current", data, seq);
	json_decref(data);
}

/* How all that is listened to stands. */
static void events_write_all(struct events *events, const char *set, struct buffer *text)
{
	const struct admin *admin = events->admin;
	json_t *all, *one;
	uint64_t seq;
	size_t i;

	if (set) {
		if (admin->ops->seq(admin->user, set, &seq) == 0)
			events_write_current(text, set, seq);
		return;
	}
	all = admin->ops->status(admin->user, NULL);
	json_array_foreach(all, i, one)
	{
		const char *name = json_string_value(json_object_get(one, "set"));

		if (name && admin->ops->seq(admin->user, name, &seq) == 0)
			events_write_current(text, name, seq);
	}
	json_decref(all);
}

void events_open(struct events *events, struct exchange *exchange, const char *set)
{
	struct listener *listener = calloc(1, sizeof(*listener));
	struct buffer text = { 0 };

	if (listener && set)
		listener->set = strdup(set);
	if (!listener || (set && !listener->set)) {
		free(listener);
		exchange_refuse(exchange, 503, NULL, "out of memory");
		return;
	}
	if (!exchange_stream(exchange, EVENTS_TYPE)) {
		free(listener->set);
		free(listener);
		return;
	}
	listener->events = events;
	listener->exchange = exchange;
	TAILQ_INSERT_TAIL(&events->listeners, listener, link);
	exchange_on_gone(exchange, listener_gone, listener);
	events_write_all(events, set, &text);
	if (text.size_bytes > 0)
		listener_tell(listener, text.bytes, text.size_bytes);
	buffer_free(&text);
}

static json_t *events_commit(const struct admin_commit *commit)
{
	json_t *names = json_array();
	char time[CLOCK_TEXT_BYTES];

	for (size_t i = 0; i < commit->name_count && i < EVENTS_NAMES_MOST; i++)
		json_array_append_new(names, json_string(commit->names[i]));
	return json_pack("{s:s,s:I,s:s,s:o,s:I}", "set", commit->set, "seq", (json_int_t)commit->seq, "time",
			 clock_format(commit->time_ns, time), "changed", names, "changed_count",
			 (json_int_t)commit->changed_count);
}

void events_committed(struct events *events, const struct admin_commit *commit)
{
	struct buffer text = { 0 };
	json_t *data;

	if (TAILQ_EMPTY(&events->listeners))
		return;
	data = events_commit(commit);
	if (data)
		events_write(&text, "commit", data, commit->seq);
	if (text.size_bytes > 0)
		events_tell(events, commit->set, text.bytes, text.size_bytes);
	json_decref(data);
	buffer_free(&text);
}
