/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libcurl forbids most calls from within its callbacks. So these only note what
 * happened; it is told when libcurl has returned.
 */
#include "http/http.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include <curl/curl.h>
#include <event2/event.h>

#include "base/buffer.h"

/* A peer that is gone without a word is noticed after about this: idle, then probes. */
#define HTTP_KEEPALIVE_IDLE_S 10L
#define HTTP_KEEPALIVE_INTERVAL_S 5L

struct http_request {
	TAILQ_ENTRY(http_request) link;
	struct http *http; /* NULL: blocking */
	CURL *easy;
	struct curl_slist *headers;
	struct buffer body;
	char *url;
	void (*arrived)(void *user, const char *bytes, size_t size_bytes);
	void (*done)(void *user, const struct http_answer *answer);
	void *user;
	size_t most_bytes;
	bool is_too_large, is_over;
	bool is_head_whole; /* the empty line behind the answer's headers was seen */
	CURLcode code;
	char error[CURL_ERROR_SIZE];
};

TAILQ_HEAD(http_requests, http_request);

struct http {
	struct event_base *loop;
	CURLM *multi;
	struct event *timer;
	struct http_requests requests;
	char *ca_file, *cert_file, *key_file;
};

/* --- one request -------------------------------------------------------------- */

static size_t http_write(char *bytes, size_t one, size_t count, void *user)
{
	struct http_request *request = user;

	(void)one;
	if (request->body.size_bytes + count > request->most_bytes) {
		request->is_too_large = true;
		return 0;
	}
	buffer_append(&request->body, bytes, count);
	return buffer_failed(&request->body) ? 0 : count;
}

/* A line of the answer's head; of one that says "go on", and of what is behind the body, too. */
static size_t http_head(char *line, size_t one, size_t count, void *user)
{
	struct http_request *request = user;

	(void)one;
	if (count >= 5 && memcmp(line, "HTTP/", 5) == 0)
		request->is_head_whole = false;
	else if (line[0] == '\r' || line[0] == '\n')
		request->is_head_whole = true;
	return count;
}

static bool http_set_tls(CURL *easy, const struct http_tls *tls)
{
	bool is_set = true;

	if (tls->ca_file)
		is_set = curl_easy_setopt(easy, CURLOPT_CAINFO, tls->ca_file) == CURLE_OK &&
			 curl_easy_setopt(easy, CURLOPT_CAPATH, NULL) == CURLE_OK;
	if (tls->cert_file)
		is_set = is_set && curl_easy_setopt(easy, CURLOPT_SSLCERT, tls->cert_file) == CURLE_OK;
	if (tls->key_file)
		is_set = is_set && curl_easy_setopt(easy, CURLOPT_SSLKEY, tls->key_file) == CURLE_OK;
	return is_set;
}

static bool http_set_headers(struct http_request *request, const struct http_call *call)
{
	struct curl_slist *longer;

	for (size_t i = 0; call->headers && call->headers[i]; i++) {
		longer = curl_slist_append(request->headers, call->headers[i]);
		if (!longer)
			return false;
		request->headers = longer;
	}
	/* no "100 Continue" is waited for: it costs a second where a server does not know it */
	longer = curl_slist_append(request->headers, "Expect:");
	if (!longer)
		return false;
	request->headers = longer;
	return curl_easy_setopt(request->easy, CURLOPT_HTTPHEADER, request->headers) == CURLE_OK;
}

static bool http_set_body(CURL *easy, const struct http_call *call)
{
	if (!call->body)
		return true;
	return curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->body_bytes) ==
		       CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_COPYPOSTFIELDS, call->body) == CURLE_OK;
}

static bool http_set_usual(struct http_request *request, const struct http_call *call)
{
	CURL *easy = request->easy;

	return curl_easy_setopt(easy, CURLOPT_URL, call->url) == CURLE_OK &&
	       (!call->socket ||
		curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, call->socket) == CURLE_OK) &&
	       curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_PROXY, "") == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
	       /* one request a connection at a time: what is given up takes its connection with it */
	       curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_USERAGENT, "zkcfg/" PACKAGE_VERSION) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, request->error) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, http_write) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_WRITEDATA, request) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, http_head) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_HEADERDATA, request) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_PRIVATE, request) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)call->connect_timeout_ms) ==
		       CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)call->timeout_ms) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_TCP_KEEPIDLE, HTTP_KEEPALIVE_IDLE_S) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_TCP_KEEPINTVL, HTTP_KEEPALIVE_INTERVAL_S) == CURLE_OK;
}

static void http_request_free(struct http_request *request)
{
	curl_easy_cleanup(request->easy);
	curl_slist_free_all(request->headers);
	buffer_free(&request->body);
	free(request->url);
	free(request);
}

static struct http_request *http_request_new(const struct http_tls *tls, const struct http_call *call)
{
	struct http_request *request = calloc(1, sizeof(*request));

	if (!request)
		return NULL;
	request->arrived = call->arrived;
	request->done = call->done;
	request->user = call->user;
	request->most_bytes = call->most_bytes;
	request->url = strdup(call->url);
	request->easy = curl_easy_init();
	if (request->url && request->easy && http_set_usual(request, call) &&
	    http_set_tls(request->easy, tls) && http_set_headers(request, call) &&
	    http_set_body(request->easy, call))
		return request;
	http_request_free(request);
	return NULL;
}

static int http_status(const struct http_request *request)
{
	long status = 0;

	curl_easy_getinfo(request->easy, CURLINFO_RESPONSE_CODE, &status);
	return (int)status;
}

/* --- what became of it ---------------------------------------------------------- */

/* libcurl takes an answer for whole that ends within its head, behind a line. */
static void http_ended(struct http_request *request, CURLcode code)
{
	if (code == CURLE_OK && !request->is_head_whole) {
		code = CURLE_RECV_ERROR;
		snprintf(request->error, sizeof(request->error),
			 "the connection ended within the answer's head");
	}
	request->code = code;
	request->is_over = true;
}

static enum http_failure http_failure_of(const struct http_request *request)
{
	if (request->is_too_large)
		return HTTP_TOO_LARGE;
	switch (request->code) {
	case CURLE_OK:
		return HTTP_ANSWERED;
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_CONNECT:
		return HTTP_UNREACHABLE;
	case CURLE_OPERATION_TIMEDOUT:
		return HTTP_TIMED_OUT;
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CIPHER:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_ISSUER_ERROR:
	case CURLE_PEER_FAILED_VERIFICATION:
		return HTTP_TLS_FAILED;
	default:
		return HTTP_BROKEN;
	}
}

/* Host and port of a URL, behind user and password; length: of them. scheme_length: of what is before all these. */
static const char *http_host(const char *url, size_t *length, int *scheme_length)
{
	const char *authority = strstr(url, "://"), *host;
	size_t all;

	authority = authority ? authority + 3 : url;
	all = strcspn(authority, "/?#");
	host = authority;
	for (const char *at = authority; at < authority + all; at++)
		if (*at == '@')
			host = at + 1;
	*length = all - (size_t)(host - authority);
	*scheme_length = (int)(authority - url);
	return host;
}

/* "http://127.0.0.1:2379: why": who it was that failed, without what was asked, nor by whom. */
static void http_set_reason(const char *url, const char *why, char *reason, size_t reason_bytes)
{
	size_t length;
	int scheme_length;
	const char *host = http_host(url, &length, &scheme_length);

	snprintf(reason, reason_bytes, "%.*s%.*s: %s", scheme_length, url, length > 200 ? 200 : (int)length, host,
		 why);
}

void http_show_url(const char *url, char *shown, size_t shown_bytes)
{
	size_t length;
	int scheme_length;
	const char *host = http_host(url, &length, &scheme_length);

	snprintf(shown, shown_bytes, "%.*s%s", scheme_length, url, host);
}

/* The system's word for it is shorter than libcurl's, and says more. */
static const char *http_why(const struct http_request *request)
{
	long error = 0;

	if (request->code == CURLE_COULDNT_CONNECT)
		curl_easy_getinfo(request->easy, CURLINFO_OS_ERRNO, &error);
	if (error != 0)
		return strerror((int)error);
	return request->error[0] != '\0' ? request->error : curl_easy_strerror(request->code);
}

static void http_tell_done(struct http_request *request)
{
	struct http_answer answer = { .failure = http_failure_of(request), .reason = "" };
	char reason[CURL_ERROR_SIZE + 256] = "", too_large[64];

	answer.status = http_status(request);
	if (answer.failure == HTTP_TOO_LARGE) {
		snprintf(too_large, sizeof(too_large), "the answer has more than %zu bytes",
			 request->most_bytes);
		http_set_reason(request->url, too_large, reason, sizeof(reason));
	} else if (answer.failure != HTTP_ANSWERED) {
		http_set_reason(request->url, http_why(request), reason, sizeof(reason));
	}
	answer.reason = reason;
	buffer_append(&request->body, "", 1);
	answer.body = buffer_failed(&request->body) ? "" : request->body.bytes;
	answer.body_bytes = buffer_failed(&request->body) ? 0 : request->body.size_bytes - 1;
	request->done(request->user, &answer);
}

/* Tell the first thing that there is to tell; false: there is none. */
static bool http_tell(struct http *http)
{
	struct http_request *request;

	TAILQ_FOREACH(request, &http->requests, link)
	{
		if (request->arrived && request->body.size_bytes > 0 && http_status(request) == 200) {
			struct buffer piece = request->body;

			request->body = (struct buffer){ 0 };
			request->arrived(request->user, piece.bytes, piece.size_bytes);
			buffer_free(&piece); /* the request may be gone by now */
			return true;
		}
		if (request->is_over) {
			TAILQ_REMOVE(&http->requests, request, link);
			http_tell_done(request);
			http_request_free(request);
			return true;
		}
	}
	return false;
}

static void http_progress(struct http *http)
{
	struct http_request *request;
	CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(http->multi, &left)))
		if (message->msg == CURLMSG_DONE) {
			CURLcode code = message->data.result;

			curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&request);
			curl_multi_remove_handle(http->multi, request->easy); /* message is gone now */
			http_ended(request, code);
		}
	while (http_tell(http))
		;
}

/* --- the loop -------------------------------------------------------------------- */

static void http_ready(evutil_socket_t fd, short what, void *user)
{
	struct http *http = user;
	int running,
		action = (what & EV_READ ? CURL_CSELECT_IN : 0) | (what & EV_WRITE ? CURL_CSELECT_OUT : 0);

	curl_multi_socket_action(http->multi, fd, action, &running);
	http_progress(http);
}

static void http_timed(evutil_socket_t fd, short what, void *user)
{
	struct http *http = user;
	int running;

	(void)fd, (void)what;
	curl_multi_socket_action(http->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	http_progress(http);
}

/* libcurl wants to know of another thing of a socket; event: as it is followed now. */
static int http_follow(CURL *easy, curl_socket_t fd, int what, void *user, void *followed)
{
	struct http *http = user;
	struct event *event = followed;
	short wanted = (short)((what & CURL_POLL_IN ? EV_READ : 0) | (what & CURL_POLL_OUT ? EV_WRITE : 0));

	(void)easy;
	if (event)
		event_free(event);
	event = what == CURL_POLL_REMOVE
			? NULL
			: event_new(http->loop, fd, (short)(wanted | EV_PERSIST), http_ready, http);
	curl_multi_assign(http->multi, fd, event);
	if (what == CURL_POLL_REMOVE)
		return 0;
	return event && event_add(event, NULL) == 0 ? 0 : -1;
}

static int http_set_timer(CURLM *multi, long timeout_ms, void *user)
{
	struct http *http = user;
	struct timeval wait = { .tv_sec = timeout_ms / 1000, .tv_usec = timeout_ms % 1000 * 1000 };

	(void)multi;
	if (timeout_ms < 0)
		return evtimer_del(http->timer);
	return evtimer_add(http->timer, &wait);
}

/* --- as others see it --------------------------------------------------------------- */

static int http_copy(char **to, const char *from)
{
	if (!from)
		return 0;
	*to = strdup(from);
	return *to ? 0 : -ENOMEM;
}

struct http *http_new(struct event_base *loop, const struct http_tls *tls)
{
	struct http *http = calloc(1, sizeof(*http));

	if (!http || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
		free(http);
		return NULL;
	}
	http->loop = loop;
	TAILQ_INIT(&http->requests);
	http->multi = curl_multi_init();
	http->timer = evtimer_new(loop, http_timed, http);
	if (http->multi && http->timer && http_copy(&http->ca_file, tls->ca_file) == 0 &&
	    http_copy(&http->cert_file, tls->cert_file) == 0 &&
	    http_copy(&http->key_file, tls->key_file) == 0 &&
	    curl_multi_setopt(http->multi, CURLMOPT_SOCKETFUNCTION, http_follow) == CURLM_OK &&
	    curl_multi_setopt(http->multi, CURLMOPT_SOCKETDATA, http) == CURLM_OK &&
	    curl_multi_setopt(http->multi, CURLMOPT_TIMERFUNCTION, http_set_timer) == CURLM_OK &&
	    curl_multi_setopt(http->multi, CURLMOPT_TIMERDATA, http) == CURLM_OK)
		return http;
	http_free(http);
	return NULL;
}

void http_free(struct http *http)
{
	if (!http)
		return;
	while (!TAILQ_EMPTY(&http->requests))
		http_cancel(TAILQ_FIRST(&http->requests));
	curl_multi_cleanup(http->multi); /* its idle connections are let go through http_follow() */
	if (http->timer)
		event_free(http->timer);
	free(http->ca_file);
	free(http->cert_file);
	free(http->key_file);
	free(http);
	curl_global_cleanup();
}

struct http_request *http_start(struct http *http, const struct http_call *call)
{
	struct http_tls tls = { http->ca_file, http->cert_file, http->key_file };
	struct http_request *request = http_request_new(&tls, call);

	if (!request)
		return NULL;
	request->http = http;
	if (curl_multi_add_handle(http->multi, request->easy) != CURLM_OK) {
		http_request_free(request);
		return NULL;
	}
	TAILQ_INSERT_TAIL(&http->requests, request, link);
	return request;
}

void http_cancel(struct http_request *request)
{
	if (!request)
		return;
	TAILQ_REMOVE(&request->http->requests, request, link);
	if (!request->is_over)
		curl_multi_remove_handle(request->http->multi, request->easy);
	http_request_free(request);
}

int http_perform(const struct http_tls *tls, const struct http_call *call)
{
	struct http_request *request;

	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return -ENOMEM;
	request = http_request_new(tls, call);
	if (request) {
		http_ended(request, curl_easy_perform(request->easy));
		http_tell_done(request);
		http_request_free(request);
	}
	curl_global_cleanup();
	return request ? 0 : -ENOMEM;
}
