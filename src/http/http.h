/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP requests, on the event loop or blocking: the only user of libcurl.
 *
 * Connections are kept and used again. Names are resolved on a thread of the
 * library's, so nothing here blocks the loop. No redirect is followed, no proxy
 * is asked, and no environment variable is heeded: a request goes where its URL
 * says or fails.
 *
 * SIGPIPE must be ignored. For one thread, the loop's. Callbacks run from the loop, never from within a
 * call made here; what is made or cancelled in a callback takes effect at once.
 */
#ifndef ZKCFG_HTTP_HTTP_H
#define ZKCFG_HTTP_HTTP_H

#include <stddef.h>

struct event_base;
struct http;
struct http_request;

/* Paths of PEM files, for https; NULL: the system's authorities, no certificate of our own. Copied. */
struct http_tls {
	const char *ca_file;
	const char *cert_file;
	const char *key_file;
};

/* Why there is no answer, as far as a caller may want to know. */
enum http_failure {
	HTTP_ANSWERED = 0, /* there is one, whatever its status */
	HTTP_UNREACHABLE,  /* name, address, refused, no route */
	HTTP_TIMED_OUT,
	HTTP_TLS_FAILED,
	HTTP_TOO_LARGE, /* beyond most_bytes */
	HTTP_BROKEN	/* ended in the middle, is not HTTP, a URL that is none, out of memory */
};

struct http_answer {
	enum http_failure failure;
	int status;	    /* 0: none */
	const char *reason; /* of a failure, in words with the address; "" if there is none */
	const char *body;   /* what was collected, NUL-terminated; "" for what went to arrived */
	size_t body_bytes;
};

/* A request. All of it is copied. */
struct http_call {
	const char *url;
	const char *socket; /* a Unix socket to connect to, whatever host the URL names; NULL: none */
	const char *const *headers; /* "Name: value", NULL-terminated; NULL: none */
	const char *body;	    /* POST it; NULL: GET */
	size_t body_bytes;
	int connect_timeout_ms;
	int timeout_ms;	   /* from start to end; 0: none, as for an answer that goes on and on */
	size_t most_bytes; /* an answer that is collected may have; one piece, where it goes to arrived */
	/*
	 * As bytes arrive of an answer whose status is 200; NULL: collected for done. Pieces are
	 * as they come from the network.
	 */
	void (*arrived)(void *user, const char *bytes, size_t size_bytes);
	/* Told once, last, unless cancelled before. The request is gone when it returns. */
	void (*done)(void *user, const struct http_answer *answer);
	void *user;
};

/* NULL: out of memory. */
struct http *http_new(struct event_base *loop, const struct http_tls *tls);
/* Cancels all requests. Not from within a callback. NULL is allowed. */
void http_free(struct http *http);

/* NULL: out of memory. A URL that is none is told by done. */
struct http_request *http_start(struct http *http, const struct http_call *call);
/* No callback follows. NULL is allowed. */
void http_cancel(struct http_request *request);

/* The same, blocking, without a loop; arrived must be NULL. done is told before it returns. 0 or -ENOMEM. */
int http_perform(const struct http_tls *tls, const struct http_call *call);

/* A URL without user and password, for messages: as much of it as fits. */
void http_show_url(const char *url, char *shown, size_t shown_bytes);

#endif
