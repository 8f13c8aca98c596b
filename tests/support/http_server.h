/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A server for tests of who asks: bare sockets in the test's process, a thread for
 * each connection, so that it can answer wrongly in each way. What it answers with
 * is in the path:
 *
 *     /hello              "hello"; the connection stays
 *     /echo               the request as it came, head and body
 *     /head               the head of the request as it came
 *     /nul                "a", a NUL, "b"
 *     /status/N           "status N" with that status
 *     /redirect           302 to /hello
 *     /big/N, /chunked/N  N times 'x', with their length before or without
 *     /until-closed       "all of it", which ends with the connection
 *     /stale              "hello", and the connection is closed without a word
 *     /pieces             "one", "two", "three", 30 ms between
 *     /late               "late", after 300 ms
 *     /ticking            "tick" each 10 ms until the client goes
 *     /refused-ticking    the same with status 503
 *     /never              nothing until the client goes
 *     /nothing, /reset    the connection is closed, or reset
 *     /half-status, /half-head, /half-body, /half-chunk
 *                         it is closed in the middle of this
 *     /not-http           the greeting of another protocol
 */
#ifndef ZKCFG_TESTS_SUPPORT_HTTP_SERVER_H
#define ZKCFG_TESTS_SUPPORT_HTTP_SERVER_H

struct http_server;

/* All may be NULL. */
struct http_server_place {
	const char *socket;		  /* a Unix socket to make, instead of a port */
	const char *cert_file, *key_file; /* speak TLS with these */
	const char *client_ca_file;	  /* and only with clients whom this one knows */
};

struct http_server *http_server_new(const struct http_server_place *place);
void http_server_free(struct http_server *server);

int http_server_port(const struct http_server *server);

struct http_server_counts {
	unsigned connections, requests;
	unsigned left; /* connections that the client left before its answer was whole */
};

void http_server_count(struct http_server *server, struct http_server_counts *counts);

#endif
