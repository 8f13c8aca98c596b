/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/http_server.h"

#include <check.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <openssl/ssl.h>

#define REQUEST_MOST (4 << 20)
#define CHUNKED "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

struct connection {
	struct connection *next;
	struct http_server *server;
	int fd;
	SSL *tls; /* NULL: plain */
	pthread_t thread;
	char request[REQUEST_MOST];
	size_t request_bytes;
};

struct http_server {
	pthread_mutex_t lock;
	pthread_t thread;
	int fd, port;
	SSL_CTX *tls;
	struct connection *connections;
	struct http_server_counts counts;
};

/* --- bytes -------------------------------------------------------- */

static void count(struct http_server *server, unsigned *number)
{
	pthread_mutex_lock(&server->lock);
	(*number)++;
	pthread_mutex_unlock(&server->lock);
}

static bool say_bytes(struct connection *connection, const char *bytes, size_t size_bytes)
{
	while (size_bytes > 0) {
		int most = size_bytes > 1 << 20 ? 1 << 20 : (int)size_bytes, sent;

		if (connection->tls)
			sent = SSL_write(connection->tls, bytes, most);
		else
			sent = (int)send(connection->fd, bytes, (size_t)most, MSG_NOSIGNAL);
		if (sent <= 0)
			return false;
		bytes += sent;
		size_bytes -= (size_t)sent;
	}
	return true;
}

static bool say(struct connection *connection, const char *text)
{
	return say_bytes(connection, text, strlen(text));
}

static bool say_whole(struct connection *connection, const char *status, const char *bytes, size_t size_bytes)
{
	char head[256];

	snprintf(head, sizeof(head), "HTTP/1.1 %s\r\nContent-Length: %zu\r\n\r\n", status, size_bytes);
	return say(connection, head) && say_bytes(connection, bytes, size_bytes);
}

static bool say_chunk(struct connection *connection, const char *bytes, size_t size_bytes)
{
	char head[32];

	snprintf(head, sizeof(head), "%zx\r\n", size_bytes);
	return say(connection, head) && say_bytes(connection, bytes, size_bytes) && say(connection, "\r\n");
}

/* Wait; has the client gone by then? */
static bool is_left(struct connection *connection, int ms)
{
	struct pollfd ready = { .fd = connection->fd, .events = POLLIN };

	return poll(&ready, 1, ms) > 0;
}

static bool left(struct connection *connection)
{
	count(connection->server, &connection->server->counts.left);
	return false;
}

/* --- answers: false ends the connection -------------------------------------------------------- */

static bool answer_hello(struct connection *connection, const char *rest)
{
	(void)rest;
	return say_whole(connection, "200 OK", "hello", 5);
}

static bool answer_echo(struct connection *connection, const char *rest)
{
	(void)rest;
	return say_whole(connection, "200 OK", connection->request, connection->request_bytes);
}

static bool answer_head(struct connection *connection, const char *rest)
{
	(void)rest;
	return say_whole(connection, "200 OK", connection->request,
			 (size_t)(strstr(connection->request, "\r\n\r\n") - connection->request));
}

static bool answer_nul(struct connection *connection, const char *rest)
{
	(void)rest;
	return say_whole(connection, "200 OK", "a\0b", 3);
}

static bool answer_status(struct connection *connection, const char *rest)
{
	char status[32], text[32];

	snprintf(status, sizeof(status), "%d Made Up", atoi(rest));
	snprintf(text, sizeof(text), "status %d", atoi(rest));
	return say_whole(connection, status, text, strlen(text));
}

static bool answer_redirect(struct connection *connection, const char *rest)
{
	(void)rest;
	return say(connection, "HTTP/1.1 302 Found\r\nLocation: /hello\r\nContent-Length: 0\r\n\r\n");
}

static char *many(size_t size_bytes)
{
	char *bytes = malloc(size_bytes + 1);

	ck_assert_ptr_nonnull(bytes);
	memset(bytes, 'x', size_bytes);
	return bytes;
}

static bool answer_big(struct connection *connection, const char *rest)
{
	size_t size_bytes = (size_t)atoi(rest);
	char *bytes = many(size_bytes);
	bool is_said = say_whole(connection, "200 OK", bytes, size_bytes);

	free(bytes);
	return is_said || left(connection);
}

static bool answer_chunked(struct connection *connection, const char *rest)
{
	size_t size_bytes = (size_t)atoi(rest);
	char *bytes = many(size_bytes);
	bool is_said = say(connection, CHUNKED) && say_chunk(connection, bytes, size_bytes) &&
		       say(connection, "0\r\n\r\n");

	free(bytes);
	return is_said || left(connection);
}

static bool answer_until_closed(struct connection *connection, const char *rest)
{
	(void)rest;
	say(connection, "HTTP/1.1 200 OK\r\n\r\nall of it");
	return false;
}

static bool answer_stale(struct connection *connection, const char *rest)
{
	answer_hello(connection, rest);
	return false;
}

static bool answer_pieces(struct connection *connection, const char *rest)
{
	static const char *const pieces[] = { "one", "two", "three" };

	(void)rest;
	say(connection, CHUNKED);
	for (size_t i = 0; i < 3; i++) {
		say_chunk(connection, pieces[i], strlen(pieces[i]));
		if (is_left(connection, 30))
			return left(connection);
	}
	return say(connection, "0\r\n\r\n");
}

static bool answer_late(struct connection *connection, const char *rest)
{
	(void)rest;
	return is_left(connection, 300) ? left(connection) : say_whole(connection, "200 OK", "late", 4);
}

static bool answer_ticking(struct connection *connection, const char *rest)
{
	(void)rest;
	say(connection, CHUNKED);
	while (!is_left(connection, 10))
		say_chunk(connection, "tick", 4);
	return left(connection);
}

static bool answer_refused_ticking(struct connection *connection, const char *rest)
{
	(void)rest;
	say(connection, "HTTP/1.1 503 Busy\r\nTransfer-Encoding: chunked\r\n\r\n");
	while (!is_left(connection, 10))
		say_chunk(connection, "tick", 4);
	return left(connection);
}

static bool answer_never(struct connection *connection, const char *rest)
{
	(void)rest;
	is_left(connection, -1);
	return left(connection);
}

static bool answer_nothing(struct connection *connection, const char *rest)
{
	(void)connection, (void)rest;
	return false;
}

static bool answer_reset(struct connection *connection, const char *rest)
{
	const struct linger now = { .l_onoff = 1 };

	(void)rest;
	setsockopt(connection->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	return false;
}

static bool answer_half_status(struct connection *connection, const char *rest)
{
	(void)rest;
	say(connection, "HTTP/1.1 2");
	return false;
}

static bool answer_half_head(struct connection *connection, const char *rest)
{
	(void)rest;
	say(connection, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Le");
	return false;
}

static bool answer_half_body(struct connection *connection, const char *rest)
{
	(void)rest;
	say(connection, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello");
	return false;
}

static bool answer_half_chunk(struct connection *connection, const char *rest)
{
	(void)rest;
	say(connection, CHUNKED "5\r\nhello\r\n64\r\nhello");
	return false;
}

static bool answer_not_http(struct connection *connection, const char *rest)
{
	(void)rest;
	say(connection, "SSH-2.0-OpenSSH_9.2p1\r\n");
	return false;
}

static const struct {
	const char *path;
	bool (*answer)(struct connection *connection, const char *rest);
} answers[] = {
	{ "/hello", answer_hello },
	{ "/echo", answer_echo },
	{ "/head", answer_head },
	{ "/nul", answer_nul },
	{ "/status/", answer_status },
	{ "/redirect", answer_redirect },
	{ "/big/", answer_big },
	{ "/chunked/", answer_chunked },
	{ "/until-closed", answer_until_closed },
	{ "/stale", answer_stale },
	{ "/pieces", answer_pieces },
	{ "/late", answer_late },
	{ "/ticking", answer_ticking },
	{ "/refused-ticking", answer_refused_ticking },
	{ "/never", answer_never },
	{ "/nothing", answer_nothing },
	{ "/reset", answer_reset },
	{ "/half-status", answer_half_status },
	{ "/half-head", answer_half_head },
	{ "/half-body", answer_half_body },
	{ "/half-chunk", answer_half_chunk },
	{ "/not-http", answer_not_http },
};

/* --- connections -------------------------------------------------------- */

static bool is_whole(const char *request, size_t size_bytes)
{
	const char *end = strstr(request, "\r\n\r\n"), *length = strcasestr(request, "\r\nContent-Length:");

	return end &&
	       (size_t)(end + 4 - request) + (size_t)(length && length < end ? atoi(length + 17) : 0) <=
		       size_bytes;
}

static bool read_request(struct connection *connection)
{
	connection->request_bytes = 0;
	do {
		char *to = connection->request + connection->request_bytes;
		int room = (int)(REQUEST_MOST - 1 - connection->request_bytes), got;

		if (connection->tls)
			got = SSL_read(connection->tls, to, room);
		else
			got = (int)recv(connection->fd, to, (size_t)room, 0);
		if (got <= 0)
			return false;
		connection->request_bytes += (size_t)got;
		connection->request[connection->request_bytes] = '\0';
		if (connection->request[0] < 'A') /* no method: the greeting of another protocol */
			break;
	} while (!is_whole(connection->request, connection->request_bytes));
	return true;
}

static bool answer(struct connection *connection)
{
	const char *path = strchr(connection->request, '/');

	for (size_t i = 0; path && i < sizeof(answers) / sizeof(*answers); i++)
		if (strncmp(path, answers[i].path, strlen(answers[i].path)) == 0)
			return answers[i].answer(connection, path + strlen(answers[i].path));
	return say_whole(connection, path ? "404 Not Found" : "400 Bad Request", "", 0);
}

/* So that the client reads why, and is not reset for what it sent meanwhile. */
static void wait_until_left(struct connection *connection)
{
	char bytes[1024];

	shutdown(connection->fd, SHUT_WR);
	while (recv(connection->fd, bytes, sizeof(bytes), 0) > 0)
		;
}

static void *serve(void *user)
{
	struct connection *connection = user;
	struct http_server *server = connection->server;

	if (connection->tls && SSL_accept(connection->tls) != 1) {
		wait_until_left(connection);
		goto end;
	}
	while (read_request(connection)) {
		count(server, &server->counts.requests);
		if (!answer(connection))
			break;
	}
end:
	pthread_mutex_lock(&server->lock);
	close(connection->fd);
	connection->fd = -1;
	pthread_mutex_unlock(&server->lock);
	return NULL;
}

static void *take_connections(void *user)
{
	struct http_server *server = user;
	int fd;

	while ((fd = accept(server->fd, NULL, NULL)) >= 0) {
		struct connection *connection = calloc(1, sizeof(*connection));

		connection->server = server;
		connection->fd = fd;
		if (server->tls) {
			connection->tls = SSL_new(server->tls);
			SSL_set_fd(connection->tls, fd);
		}
		pthread_mutex_lock(&server->lock);
		server->counts.connections++;
		connection->next = server->connections;
		server->connections = connection;
		pthread_mutex_unlock(&server->lock);
		ck_assert_int_eq(pthread_create(&connection->thread, NULL, serve, connection), 0);
	}
	return NULL;
}

/* --- the whole -------------------------------------------------------- */

static void use_tls(struct http_server *server, const struct http_server_place *place)
{
	server->tls = SSL_CTX_new(TLS_server_method());
	ck_assert_ptr_nonnull(server->tls);
	ck_assert_int_eq(SSL_CTX_use_certificate_file(server->tls, place->cert_file, SSL_FILETYPE_PEM), 1);
	ck_assert_int_eq(SSL_CTX_use_PrivateKey_file(server->tls, place->key_file, SSL_FILETYPE_PEM), 1);
	if (!place->client_ca_file)
		return;
	ck_assert_int_eq(SSL_CTX_load_verify_locations(server->tls, place->client_ca_file, NULL), 1);
	SSL_CTX_set_verify(server->tls, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
}

static void bind_to(struct http_server *server, const char *path)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	socklen_t length = sizeof(in);

	server->fd = socket(path ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (path) {
		snprintf(un.sun_path, sizeof(un.sun_path), "%s", path);
		ck_assert_int_eq(bind(server->fd, (struct sockaddr *)&un, sizeof(un)), 0);
	} else {
		ck_assert_int_eq(bind(server->fd, (struct sockaddr *)&in, sizeof(in)), 0);
		ck_assert_int_eq(getsockname(server->fd, (struct sockaddr *)&in, &length), 0);
		server->port = ntohs(in.sin_port);
	}
	ck_assert_int_eq(listen(server->fd, 16), 0);
}

struct http_server *http_server_new(const struct http_server_place *place)
{
	static const struct http_server_place plain;
	struct http_server *server = calloc(1, sizeof(*server));

	if (!place)
		place = &plain;
	signal(SIGPIPE, SIG_IGN); /* of SSL_write() */
	pthread_mutex_init(&server->lock, NULL);
	if (place->cert_file)
		use_tls(server, place);
	bind_to(server, place->socket);
	ck_assert_int_eq(pthread_create(&server->thread, NULL, take_connections, server), 0);
	return server;
}

void http_server_free(struct http_server *server)
{
	struct connection *connection;

	shutdown(server->fd, SHUT_RDWR); /* wakes accept() */
	pthread_join(server->thread, NULL);
	close(server->fd);
	while ((connection = server->connections)) {
		pthread_mutex_lock(&server->lock);
		if (connection->fd >= 0)
			shutdown(connection->fd, SHUT_RDWR);
		pthread_mutex_unlock(&server->lock);
		pthread_join(connection->thread, NULL);
		server->connections = connection->next;
		SSL_free(connection->tls);
		free(connection);
	}
	SSL_CTX_free(server->tls);
	pthread_mutex_destroy(&server->lock);
	free(server);
}

int http_server_port(const struct http_server *server)
{
	return server->port;
}

void http_server_count(struct http_server *server, struct http_server_counts *counts)
{
	pthread_mutex_lock(&server->lock);
	*counts = server->counts;
	pthread_mutex_unlock(&server->lock);
}
