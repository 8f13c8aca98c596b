/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/server.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <jansson.h>

#include "base/buffer.h"
#include "base/log.h"

/* After an answer that ends a connection, so long what the client still sends is read. */
#define SERVER_LINGER_MS 2000
/* Without descriptors, so long nobody is let in. */
#define SERVER_PAUSE_MS 100

const struct server_limits server_limits_usual = {
	.request = { .line_bytes = 8192, .head_bytes = 16384, .body_bytes = 65536 },
	.connections = 256,
	.streams = 64,
	.stream_bytes = 1 << 20,
	.request_ms = 10000,
	.idle_ms = 60000,
	.write_ms = 60000
};

enum connection_state {
	CONNECTION_READING,   /* a request, of which nothing may have come yet */
	CONNECTION_SERVING,   /* an answer is due */
	CONNECTION_WRITING,   /* the answer is on its way */
	CONNECTION_STREAMING, /* it goes on and on */
	CONNECTION_ENDING     /* all is written; what the client still sends is read away */
};

TAILQ_HEAD(connection_list, connection);

struct connection {
	TAILQ_ENTRY(connection) link;
	struct server *server;
	struct bufferevent *buffers;
	struct event *timer;
	struct peer peer;
	struct exchange *exchange; /* whose head or body is read, or that waits for its answer */
	enum connection_state state;
	bool has_begun;	    /* something of the request has come */
	bool has_asked;	    /* at least one request was whole */
	bool is_kept_alive; /* after this answer */
	bool is_half;	    /* the client sends no more */
};

struct server {
	struct server_parts parts;
	struct server_limits limits;
	struct evconnlistener *listeners[2]; /* Unix, TCP */
	struct event *resume;
	struct connection_list waiting[2]; /* READING, who is silent longest first */
	struct connection_list busy;	   /* all others */
	size_t connection_count[2];
	struct server_counts counts;
};

struct exchange {
	struct connection *connection; /* NULL: the client is gone */
	struct request request;
	struct peer peer;
	char *head, *body;
	void (*gone)(void *user);
	void *user;
};

static const char *server_phrase(int status)
{
	static const struct {
		int status;
		const char *phrase;
	} phrases[] = { { 200, "OK" },
			{ 204, "No Content" },
			{ 400, "Bad Request" },
			{ 403, "Forbidden" },
			{ 404, "Not Found" },
			{ 405, "Method Not Allowed" },
			{ 408, "Request Timeout" },
			{ 409, "Conflict" },
			{ 411, "Length Required" },
			{ 413, "Content Too Large" },
			{ 414, "URI Too Long" },
			{ 417, "Expectation Failed" },
			{ 421, "Misdirected Request" },
			{ 422, "Unprocessable Content" },
			{ 431, "Request Header Fields Too Large" },
			{ 500, "Internal Server Error" },
			{ 501, "Not Implemented" },
			{ 502, "Bad Gateway" },
			{ 503, "Service Unavailable" },
			{ 505, "HTTP Version Not Supported" } };

	for (size_t i = 0; i < sizeof(phrases) / sizeof(phrases[0]); i++)
		if (phrases[i].status == status)
			return phrases[i].phrase;
	return "Status";
}

static void exchange_free(struct exchange *exchange)
{
	free(exchange->head);
	free(exchange->body);
	free(exchange);
}

static bool connection_is_waiting(const struct connection *connection)
{
	return connection->state == CONNECTION_READING;
}

static struct connection_list *connection_list_of(struct connection *connection)
{
	return connection_is_waiting(connection) ? &connection->server->waiting[connection->peer.is_tcp]
						 : &connection->server->busy;
}

static void connection_enter(struct connection *connection, enum connection_state state)
{
	TAILQ_REMOVE(connection_list_of(connection), connection, link);
	connection->state = state;
	TAILQ_INSERT_TAIL(connection_list_of(connection), connection, link);
}

static void connection_limit(struct connection *connection, int ms)
{
	struct timeval limit = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };

	if (ms > 0)
		event_add(connection->timer, &limit);
	else
		event_del(connection->timer);
}

/* Its exchange is told; one that waits for an answer lives on until it has got it. */
static void connection_leave_exchange(struct connection *connection)
{
	struct exchange *exchange = connection->exchange;
	bool is_due = connection->state == CONNECTION_SERVING;

	connection->exchange = NULL;
	if (!exchange)
		return;
	exchange->connection = NULL;
	if (exchange->gone)
		exchange->gone(exchange->user);
	if (!is_due)
		exchange_free(exchange);
}

static void connection_free(struct connection *connection)
{
	struct server *server = connection->server;

	TAILQ_REMOVE(connection_list_of(connection), connection, link);
	server->connection_count[connection->peer.is_tcp]--;
	server->counts.streams -= connection->state == CONNECTION_STREAMING;
	connection_leave_exchange(connection);
	event_free(connection->timer);
	bufferevent_free(connection->buffers);
	free(connection);
}

/* {"error": why} */
static char *server_error(int status, const char *why)
{
	json_t *error = json_pack("{s:s}", "error", why);
	char *text;

	if (!error)
		error = json_pack("{s:s}", "error", server_phrase(status));
	text = error ? json_dumps(error, JSON_COMPACT) : NULL;
	json_decref(error);
	return text;
}

static void server_head(struct buffer *head, const struct answer *answer, bool is_kept_alive, bool is_stream)
{
	char date[64] = "";
	time_t now = time(NULL);
	struct tm utc;

	if (gmtime_r(&now, &utc))
		strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", &utc);
	buffer_printf(
		head,
		"HTTP/1.1 %d %s\r\nDate: %s\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n",
		answer->status, server_phrase(answer->status), date);
	if (answer->status != 204)
		buffer_printf(head, "Content-Type: %s\r\n", answer->type ? answer->type : "application/json");
	if (!is_stream && answer->status != 204)
		buffer_printf(head, "Content-Length: %zu\r\n", answer->body_bytes);
	buffer_printf(head, "%sConnection: %s\r\n\r\n", answer->headers ? answer->headers : "",
		      is_kept_alive ? "keep-alive" : "close");
}

/* Put an answer on its way; the connection may be free after it. */
static void connection_answer(struct connection *connection, const struct answer *answer, bool is_head_only)
{
	struct server *server = connection->server;
	struct buffer head = { 0 };

	server->counts.answers[answer->status / 100 % 6]++;
	server_head(&head, answer, connection->is_kept_alive, false);
	if (buffer_failed(&head) || bufferevent_write(connection->buffers, head.bytes, head.size_bytes) < 0 ||
	    (!is_head_only && answer->body_bytes > 0 &&
	     bufferevent_write(connection->buffers, answer->body, answer->body_bytes) < 0)) {
		connection_free(connection);
	} else {
		connection_enter(connection, CONNECTION_WRITING);
		connection_limit(connection, server->limits.write_ms);
	}
	buffer_free(&head);
}

/* Refuse what cannot be a request: nothing that comes behind it is understood. */
static void connection_refuse(struct connection *connection, int status, const char *why)
{
	char *error = server_error(status, why);
	struct answer answer = { .status = status, .body = error, .body_bytes = error ? strlen(error) : 0 };

	connection->is_kept_alive = false;
	if (connection->exchange)
		exchange_free(connection->exchange);
	connection->exchange = NULL;
	connection_answer(connection, &answer, false);
	free(error);
}

/* Without a connection's ways: what the socket takes at once, then it is over. */
static void server_turn_away(struct server *server, int fd, const char *why)
{
	struct answer answer = { .status = 503, .headers = "Retry-After: 1\r\n" };
	char *error = server_error(503, why), read_away[4096];
	struct buffer text = { 0 };

	server->counts.refused_count++;
	server->counts.answers[5]++;
	answer.body_bytes = error ? strlen(error) : 0;
	server_head(&text, &answer, false, false);
	buffer_append(&text, error ? error : "", answer.body_bytes);
	/* unread bytes would make the end a reset, and the client might not see why */
	while (recv(fd, read_away, sizeof(read_away), MSG_DONTWAIT) == sizeof(read_away))
		;
	if (!buffer_failed(&text))
		(void)!send(fd, text.bytes, text.size_bytes, MSG_DONTWAIT | MSG_NOSIGNAL);
	buffer_free(&text);
	free(error);
}

/* All of the request is there. */
static void connection_serve(struct connection *connection)
{
	struct server *server = connection->server;

	connection->has_asked = true;
	connection_limit(connection, 0);
	connection_enter(connection, CONNECTION_SERVING);
	server->parts.handle(server->parts.user, connection->exchange);
}

static void connection_read_body(struct connection *connection)
{
	struct evbuffer *input = bufferevent_get_input(connection->buffers);
	struct exchange *exchange = connection->exchange;
	size_t body_bytes = exchange->request.body_bytes;

	if (evbuffer_get_length(input) < body_bytes) {
		if (exchange->request.expects_continue && evbuffer_get_length(input) == 0)
			bufferevent_write(connection->buffers, "HTTP/1.1 100 Continue\r\n\r\n", 25);
		exchange->request.expects_continue = false;
		return;
	}
	exchange->body = malloc(body_bytes + 1);
	if (!exchange->body) {
		connection_refuse(connection, 503, "out of memory");
		return;
	}
	evbuffer_remove(input, exchange->body, body_bytes);
	exchange->body[body_bytes] = '\0';
	exchange->request.body = exchange->body;
	connection_serve(connection);
}

/* A head that is whole becomes an exchange. */
static void connection_take_head(struct connection *connection, size_t head_bytes)
{
	struct evbuffer *input = bufferevent_get_input(connection->buffers);
	struct exchange *exchange = calloc(1, sizeof(*exchange));
	struct message why = { "out of memory" };
	int status = 503;

	if (exchange) {
		exchange->connection = connection;
		exchange->peer = connection->peer;
		exchange->head = malloc(head_bytes);
		connection->exchange = exchange;
	}
	if (exchange && exchange->head) {
		evbuffer_remove(input, exchange->head, head_bytes);
		status = request_parse(exchange->head, head_bytes, &connection->server->limits.request,
				       &exchange->request, &why);
	}
	if (status != 0) {
		connection_refuse(connection, status, why.text);
		return;
	}
	connection->is_kept_alive = exchange->request.is_kept_alive;
	connection_read_body(connection);
}

static void connection_read(struct connection *connection)
{
	struct evbuffer *input = bufferevent_get_input(connection->buffers);
	const struct request_limits *limits = &connection->server->limits.request;
	size_t size_bytes = evbuffer_get_length(input), head_bytes;
	struct message why;
	int status;

	if (size_bytes > 0 && !connection->has_begun) {
		connection->has_begun = true;
		connection_limit(connection, connection->server->limits.request_ms);
	}
	if (connection->exchange) {
		connection_read_body(connection);
		return;
	}
	if (size_bytes > limits->head_bytes)
		size_bytes = limits->head_bytes;
	if (size_bytes == 0)
		return;
	head_bytes = request_head_bytes((const char *)evbuffer_pullup(input, (ev_ssize_t)size_bytes),
					size_bytes, limits, &status, &why);
	if (status != 0)
		connection_refuse(connection, status, why.text);
	else if (head_bytes > 0)
		connection_take_head(connection, head_bytes);
}

/* Wait for the first request, or the next one. */
static void connection_await(struct connection *connection)
{
	connection->has_begun = false;
	connection_limit(connection, connection->server->limits.idle_ms);
	connection_enter(connection, CONNECTION_READING);
	connection_read(connection);
}

static void connection_on_read(struct bufferevent *buffers, void *user)
{
	struct connection *connection = user;
	struct evbuffer *input = bufferevent_get_input(buffers);

	if (connection->state == CONNECTION_READING)
		connection_read(connection);
	else if (connection->state == CONNECTION_STREAMING || connection->state == CONNECTION_ENDING)
		evbuffer_drain(input, evbuffer_get_length(input));
}

static void connection_on_written(struct bufferevent *buffers, void *user)
{
	struct connection *connection = user;
	struct evbuffer *input = bufferevent_get_input(buffers);

	if (connection->state != CONNECTION_WRITING)
		return;
	if (connection->is_kept_alive && !(connection->is_half && evbuffer_get_length(input) == 0)) {
		connection_await(connection);
		return;
	}
	if (connection->is_half || shutdown(bufferevent_getfd(buffers), SHUT_WR) < 0) {
		connection_free(connection);
		return;
	}
	connection_enter(connection, CONNECTION_ENDING);
	connection_limit(connection, SERVER_LINGER_MS);
	evbuffer_drain(input, evbuffer_get_length(input));
}

/* Who has said all may still listen. Where the kernel can tell that they do not, it is asked. */
static bool connection_may_listen(const struct connection *connection)
{
	struct pollfd poller = { .fd = bufferevent_getfd(connection->buffers) };

	if (connection->state == CONNECTION_WRITING)
		return true;
	if (connection->state != CONNECTION_SERVING || connection->peer.is_tcp)
		return false;
	return poll(&poller, 1, 0) == 0;
}

static void connection_on_event(struct bufferevent *buffers, short what, void *user)
{
	struct connection *connection = user;

	(void)buffers;
	connection->is_half = true;
	if ((what & BEV_EVENT_EOF) && connection_may_listen(connection))
		return;
	connection_free(connection);
}

static void connection_on_time(evutil_socket_t fd, short what, void *user)
{
	struct connection *connection = user;

	(void)fd, (void)what;
	if (connection->state == CONNECTION_READING && connection->has_begun)
		connection_refuse(connection, 408, "the request was not whole in time");
	else if (connection->state == CONNECTION_READING && !connection->has_asked)
		connection_refuse(connection, 408, "nothing was asked in time");
	else
		connection_free(connection);
}

/* NULL: out of memory, or the kernel does not say who it is. */
static struct connection *connection_new(struct server *server, int fd, bool is_tcp)
{
	struct connection *connection = calloc(1, sizeof(*connection));
	const struct request_limits *limits = &server->limits.request;

	if (!connection)
		return NULL;
	connection->server = server;
	connection->buffers = bufferevent_socket_new(server->parts.loop, fd, BEV_OPT_CLOSE_ON_FREE);
	connection->timer = evtimer_new(server->parts.loop, connection_on_time, connection);
	if (!connection->buffers || !connection->timer || !access_peer(fd, is_tcp, &connection->peer)) {
		if (connection->buffers) {
			bufferevent_setfd(connection->buffers, -1); /* the caller's */
			bufferevent_free(connection->buffers);
		}
		if (connection->timer)
			event_free(connection->timer);
		free(connection);
		return NULL;
	}
	bufferevent_setcb(connection->buffers, connection_on_read, connection_on_written, connection_on_event,
			  connection);
	bufferevent_setwatermark(connection->buffers, EV_READ, 0, limits->head_bytes + limits->body_bytes);
	TAILQ_INSERT_TAIL(connection_list_of(connection), connection, link);
	server->connection_count[is_tcp]++;
	return connection;
}

/* Who is silent longest makes room. */
static bool server_make_room(struct server *server, bool is_tcp)
{
	struct connection *silent = TAILQ_FIRST(&server->waiting[is_tcp]);

	if (!silent)
		return false;
	server_turn_away(server, bufferevent_getfd(silent->buffers),
			 "there are too many connections, and this one was silent longest");
	connection_free(silent);
	return true;
}

static void server_on_connection(struct evconnlistener *listener, evutil_socket_t fd,
				 struct sockaddr *address, int address_bytes, void *user)
{
	struct server *server = user;
	bool is_tcp = listener == server->listeners[1];
	struct connection *connection = NULL;

	(void)address, (void)address_bytes;
	if (server->connection_count[is_tcp] < server->limits.connections || server_make_room(server, is_tcp))
		connection = connection_new(server, fd, is_tcp);
	if (!connection) {
		server_turn_away(server, fd, "there are too many connections, and all are busy");
		close(fd);
		return;
	}
	bufferevent_enable(connection->buffers, EV_READ | EV_WRITE);
	connection_await(connection);
}

static void server_on_resume(evutil_socket_t fd, short what, void *user)
{
	struct server *server = user;

	(void)fd, (void)what;
	for (size_t i = 0; i < 2; i++)
		if (server->listeners[i])
			evconnlistener_enable(server->listeners[i]);
}

/* No descriptors left, as a rule: asking again at once would only burn time. */
static void server_on_error(struct evconnlistener *listener, void *user)
{
	struct pollfd poller = { .fd = evconnlistener_get_fd(listener), .events = POLLIN };
	struct timeval pause = { .tv_usec = SERVER_PAUSE_MS * 1000 };
	struct server *server = user;
	int err = errno;

	/* accept() says so even where nobody is at the door */
	if (poll(&poller, 1, 0) == 0)
		return;
	if (!event_pending(server->resume, EV_TIMEOUT, NULL))
		log_warning("control interface: cannot take a connection: %s", strerror(err));
	server_make_room(server, listener == server->listeners[1]);
	evconnlistener_disable(listener);
	event_add(server->resume, &pause);
}

struct server *server_new(const struct server_parts *parts)
{
	struct server *server = calloc(1, sizeof(*server));

	if (!server)
		return NULL;
	server->parts = *parts;
	server->limits = *parts->limits;
	server->parts.limits = &server->limits;
	TAILQ_INIT(&server->waiting[0]);
	TAILQ_INIT(&server->waiting[1]);
	TAILQ_INIT(&server->busy);
	server->resume = evtimer_new(parts->loop, server_on_resume, server);
	if (!server->resume) {
		free(server);
		return NULL;
	}
	return server;
}

int server_listen(struct server *server, int fd, bool is_tcp)
{
	struct evconnlistener *listener =
		evconnlistener_new(server->parts.loop, server_on_connection, server,
				   LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, fd);

	if (!listener) {
		close(fd);
		return -ENOMEM;
	}
	evconnlistener_set_error_cb(listener, server_on_error);
	server->listeners[is_tcp] = listener;
	return 0;
}

/* What the socket takes at once of an answer that is there already. */
static void connection_flush(struct connection *connection)
{
	struct evbuffer *output = bufferevent_get_output(connection->buffers);

	evbuffer_unfreeze(output, 1);
	(void)evbuffer_write(output, bufferevent_getfd(connection->buffers));
	evbuffer_freeze(output, 1);
}

static void server_free_all(struct connection_list *list)
{
	struct connection *connection;

	while ((connection = TAILQ_FIRST(list))) {
		if (connection->state == CONNECTION_WRITING)
			connection_flush(connection);
		connection_free(connection);
	}
}

void server_close(struct server *server)
{
	if (!server)
		return;
	for (size_t i = 0; i < 2; i++)
		if (server->listeners[i])
			evconnlistener_free(server->listeners[i]);
	server_free_all(&server->waiting[0]);
	server_free_all(&server->waiting[1]);
	server_free_all(&server->busy);
	event_free(server->resume);
	free(server);
}

void server_counts(const struct server *server, struct server_counts *counts)
{
	*counts = server->counts;
	counts->connections = server->connection_count[0] + server->connection_count[1];
}

const struct request *exchange_request(const struct exchange *exchange)
{
	return &exchange->request;
}

const struct peer *exchange_peer(const struct exchange *exchange)
{
	return &exchange->peer;
}

void exchange_on_gone(struct exchange *exchange, void (*gone)(void *user), void *user)
{
	exchange->gone = gone;
	exchange->user = user;
}

void exchange_answer(struct exchange *exchange, const struct answer *answer)
{
	struct connection *connection = exchange->connection;
	bool is_head_only = exchange->request.method && strcmp(exchange->request.method, "HEAD") == 0;

	if (connection) {
		connection->exchange = NULL;
		connection_answer(connection, answer, is_head_only);
	}
	exchange_free(exchange);
}

void exchange_refuse(struct exchange *exchange, int status, const char *headers, const char *why)
{
	char *error = server_error(status, why);

	exchange_answer(exchange, &(struct answer){ .status = status,
						    .headers = headers,
						    .body = error,
						    .body_bytes = error ? strlen(error) : 0 });
	free(error);
}

bool exchange_stream(struct exchange *exchange, const char *type)
{
	struct answer answer = { .status = 200, .type = type };
	struct connection *connection = exchange->connection;
	struct server *server = connection->server;
	struct buffer head = { 0 };
	bool is_sent;

	if (server->counts.streams >= server->limits.streams) {
		exchange_refuse(exchange, 503, "Retry-After: 10\r\n", "there are too many streams");
		return false;
	}
	server_head(&head, &answer, false, true);
	is_sent = !buffer_failed(&head) &&
		  bufferevent_write(connection->buffers, head.bytes, head.size_bytes) == 0;
	buffer_free(&head);
	if (!is_sent) {
		exchange_refuse(exchange, 503, NULL, "out of memory");
		return false;
	}
	server->counts.answers[2]++;
	server->counts.streams++;
	connection->is_kept_alive = false;
	connection_enter(connection, CONNECTION_STREAMING);
	return true;
}

/* Leave a stream's connection without telling anybody. */
static void exchange_drop(struct exchange *exchange)
{
	exchange->gone = NULL;
	connection_free(exchange->connection);
}

bool exchange_send(struct exchange *exchange, const void *bytes, size_t size_bytes)
{
	struct connection *connection = exchange->connection;
	struct server *server = connection->server;
	size_t unread = evbuffer_get_length(bufferevent_get_output(connection->buffers));
	char who[PEER_TEXT_BYTES];

	if (unread + size_bytes <= server->limits.stream_bytes &&
	    bufferevent_write(connection->buffers, bytes, size_bytes) == 0)
		return true;
	server->counts.dropped_streams++;
	log_warning(
		"control interface: a client of %s (%s) was dropped: it does not read, %zu bytes wait, and at "
		"most %zu are kept",
		exchange->request.path, access_describe(&exchange->peer, who), unread,
		server->limits.stream_bytes);
	exchange_drop(exchange);
	return false;
}

void exchange_end(struct exchange *exchange)
{
	struct connection *connection = exchange->connection;

	connection->server->counts.streams--;
	connection->exchange = NULL;
	exchange_free(exchange);
	connection_enter(connection, CONNECTION_WRITING);
	connection_limit(connection, connection->server->limits.write_ms);
	if (evbuffer_get_length(bufferevent_get_output(connection->buffers)) == 0)
		connection_on_written(connection->buffers, connection);
}
