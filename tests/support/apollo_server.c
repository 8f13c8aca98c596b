/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/apollo_server.h"

#include <arpa/inet.h>
#include <check.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <jansson.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/ssl.h>

#include "base/clock.h"

#define META 2 /* of the three that listen */
#define NAMES_MOST 64
#define HELD_MOST 64
#define PATH "/configs/app/default/"

struct release {
	char key[64];
	char *configurations;
};

struct stored {
	char name[128];
	int64_t id; /* of its newest release message; 0: none */
	struct release *releases;
	size_t count; /* those that were rolled back are not counted */
};

struct database {
	struct stored names[NAMES_MOST];
	size_t count;
	int64_t last_id;
	unsigned last_release;
};

/* A request that is answered later. */
struct held {
	struct evhttp_request *request; /* NULL: free */
	int member;
	int64_t due_ns;
	bool is_poll;
	json_t *notifications; /* of a poll */
};

struct listener {
	struct apollo_server *server;
	int number, port;
	struct evhttp *http; /* NULL: stopped */
	SSL_CTX *tls;	     /* NULL: plain */
	bool is_wanted, is_lagging;
	struct database cache; /* while it lags */
};

struct apollo_server {
	pthread_mutex_t lock;
	pthread_t thread;
	struct event_base *loop;
	struct event *tick;
	bool is_ending;
	struct listener listeners[3];
	struct held held[HELD_MOST];
	struct database database, kept;
	struct apollo_fault faults[3];
	bool is_faulty[3];
	unsigned named;
	bool is_losing, is_difference;
	int hold_ms;
	char secret[128];
	char meta[32];
	struct apollo_counts counts;
};

/* --- the database -------------------------------------------------------- */

static struct stored *find(struct database *database, const char *name)
{
	for (size_t i = 0; i < database->count; i++)
		if (strcasecmp(database->names[i].name, name) == 0)
			return &database->names[i];
	return NULL;
}

static struct stored *obtain(struct database *database, const char *name)
{
	struct stored *stored = find(database, name);

	if (stored)
		return stored;
	ck_assert_uint_lt(database->count, NAMES_MOST);
	stored = &database->names[database->count++];
	*stored = (struct stored){ .id = 0 };
	snprintf(stored->name, sizeof(stored->name), "%s", name);
	return stored;
}

static void push(struct database *database, struct stored *stored, const char *configurations)
{
	struct release *release;

	stored->releases = realloc(stored->releases, (stored->count + 1) * sizeof(*stored->releases));
	release = &stored->releases[stored->count++];
	snprintf(release->key, sizeof(release->key), "20261123101112-%08x",
		 ++database->last_release * 2654435761u);
	release->configurations = strdup(configurations);
}

static void pop(struct stored *stored)
{
	ck_assert_uint_gt(stored->count, 0);
	free(stored->releases[--stored->count].configurations);
}

static void copy_stored(struct stored *to, const struct stored *from)
{
	*to = *from;
	to->releases = calloc(from->count + 1, sizeof(*to->releases));
	for (size_t i = 0; i < from->count; i++) {
		to->releases[i] = from->releases[i];
		to->releases[i].configurations = strdup(from->releases[i].configurations);
	}
}

static void clear_stored(struct stored *stored)
{
	while (stored->count > 0)
		pop(stored);
	free(stored->releases);
	stored->releases = NULL;
}

static void clear(struct database *database)
{
	for (size_t i = 0; i < database->count; i++)
		clear_stored(&database->names[i]);
	*database = (struct database){ 0 };
}

static void copy(struct database *to, const struct database *from)
{
	clear(to);
	*to = *from;
	for (size_t i = 0; i < from->count; i++)
		copy_stored(&to->names[i], &from->names[i]);
}

/* --- answers -------------------------------------------------------- */

static void answer(struct evhttp_request *request, int status, const char *body)
{
	struct evbuffer *bytes = evbuffer_new();

	evhttp_add_header(evhttp_request_get_output_headers(request), "Content-Type",
			  "application/json;charset=UTF-8");
	if (body)
		evbuffer_add(bytes, body, strlen(body));
	evhttp_send_reply(request, status, NULL, bytes);
	evbuffer_free(bytes);
}

/* The client may be gone before. */
struct cutting {
	struct evhttp_connection *connection;
};

static void on_gone(struct evhttp_connection *connection, void *user)
{
	(void)connection;
	((struct cutting *)user)->connection = NULL;
}

static void cut(evutil_socket_t fd, short what, void *user)
{
	struct cutting *cutting = user;

	(void)fd, (void)what;
	if (cutting->connection) {
		evhttp_connection_set_closecb(cutting->connection, NULL, NULL);
		evhttp_connection_free(cutting->connection);
	}
	free(cutting);
}

/* The head of an answer of 100000 bytes, five of them, and the end. */
static void answer_half(struct apollo_server *server, struct evhttp_request *request)
{
	static const struct timeval soon = { .tv_usec = 20000 };
	struct cutting *cutting = calloc(1, sizeof(*cutting));
	struct evbuffer *bytes = evbuffer_new();

	cutting->connection = evhttp_request_get_connection(request);
	evhttp_connection_set_closecb(cutting->connection, on_gone, cutting);

	evhttp_add_header(evhttp_request_get_output_headers(request), "Content-Length", "100000");
	evbuffer_add(bytes, "{\"app", 5);
	evhttp_send_reply_start(request, 200, "OK");
	evhttp_send_reply_chunk(request, bytes);
	evbuffer_free(bytes);
	event_base_once(server->loop, -1, EV_TIMEOUT, cut, cutting, &soon);
}

static void answer_missing(struct evhttp_request *request)
{
	answer(request, 404,
	       "{\"timestamp\":\"2026-11-23T10:11:12.000+00:00\",\"status\":404,\"error\":\"Not Found\","
	       "\"path\":\"" PATH "\"}");
}

static void answer_json(struct evhttp_request *request, json_t *json, size_t *body_bytes)
{
	char *text = json_dumps(json, JSON_COMPACT);

	answer(request, 200, text);
	if (body_bytes)
		*body_bytes += strlen(text);
	free(text);
	json_decref(json);
}

static void answer_meta(struct apollo_server *server, struct evhttp_request *request)
{
	json_t *list = json_array();
	char url[64];

	server->counts.meta++;
	for (int i = 0; i < 2; i++) {
		if ((server->named >> i & 1) == 0)
			continue;
		snprintf(url, sizeof(url), "http%s://127.0.0.1:%d/", server->listeners[i].tls ? "s" : "",
			 server->listeners[i].port);
		json_array_append_new(list,
				      json_pack("{s:s,s:s,s:s}", "appName", "APOLLO-CONFIGSERVICE",
						"instanceId", strstr(url, "127"), "homepageUrl", url));
	}
	answer_json(request, list, NULL);
}

/* --- releases -------------------------------------------------------- */

/* A cache is renewed by ids that it does not know: ConfigServiceWithCache. */
static void renew(struct listener *listener, const char *name, const char *messages)
{
	struct stored *cached = find(&listener->cache, name),
		      *stored = find(&listener->server->database, name);
	json_t *json = messages ? json_loads(messages, 0, NULL) : NULL;
	char key[256];

	snprintf(key, sizeof(key), "app+default+%s", name);
	if (stored && json_integer_value(json_object_get(json_object_get(json, "details"), key)) >
			      (cached ? cached->id : 0)) {
		cached = obtain(&listener->cache, name);
		clear_stored(cached);
		copy_stored(cached, stored);
	}
	json_decref(json);
}

static void answer_release(struct listener *listener, struct evhttp_request *request, const char *name,
			   const struct evkeyvalq *query)
{
	struct apollo_server *server = listener->server;
	const char *key = evhttp_find_header(query, "releaseKey");
	const struct release *release;
	struct stored *stored;
	json_t *json;

	if (listener->is_lagging)
		renew(listener, name, evhttp_find_header(query, "messages"));
	stored = find(listener->is_lagging ? &listener->cache : &server->database, name);
	if (!stored || stored->count == 0) {
		server->counts.missing++;
		answer_missing(request);
		return;
	}
	release = &stored->releases[stored->count - 1];
	if (key && strcmp(key, release->key) == 0) {
		server->counts.same++;
		answer(request, 304, NULL);
		return;
	}
	server->counts.found++;
	server->counts.found_by[listener->number]++;
	json = json_pack("{s:s,s:s,s:s,s:s}", "appId", "app", "cluster", "default", "namespaceName", name,
			 "releaseKey", release->key);
	if (server->is_difference && key) {
		json_object_set_new(json, "configSyncType", json_string("IncrementalSync"));
		json_object_set_new(json, "configurationChanges", json_array());
	} else {
		json_t *configurations = json_loads(release->configurations, 0, NULL);

		ck_assert_ptr_nonnull(configurations);
		json_object_set_new(json, "configurations", configurations);
	}
	answer_json(request, json, &server->counts.body_bytes);
}

/* --- notifications -------------------------------------------------------- */

/* Those that are newer than the client's; one only: as a held poll is answered. NULL: none. */
static json_t *newer(struct listener *listener, const json_t *notifications, bool is_one)
{
	struct database *database = listener->is_lagging ? &listener->cache : &listener->server->database;
	json_t *list = json_array(), *messages;
	char key[256];

	for (size_t i = 0; i < json_array_size(notifications); i++) {
		const json_t *item = json_array_get(notifications, i);
		const char *name = json_string_value(json_object_get(item, "namespaceName"));
		int64_t id = json_integer_value(json_object_get(item, "notificationId"));
		const struct stored *stored = name ? find(database, name) : NULL;

		if (!stored || stored->id == 0 || stored->id <= id || (is_one && json_array_size(list) > 0))
			continue;
		if (id >= 0 && listener->server->is_losing)
			continue;
		snprintf(key, sizeof(key), "app+default+%s", stored->name);
		messages = json_object();
		json_object_set_new(messages, key, json_integer(stored->id));
		json_array_append_new(list,
				      json_pack("{s:s,s:I,s:{s:o}}", "namespaceName", name, "notificationId",
						(json_int_t)stored->id, "messages", "details", messages));
	}
	if (json_array_size(list) > 0)
		return list;
	json_decref(list);
	return NULL;
}

static void hold(struct apollo_server *server, int member, struct evhttp_request *request, int ms,
		 bool is_poll, json_t *notifications)
{
	for (size_t i = 0; i < HELD_MOST; i++)
		if (!server->held[i].request) {
			server->held[i] =
				(struct held){ .request = request,
					       .member = member,
					       .due_ns = clock_monotonic_ns() + ms * CLOCK_NS_PER_MS,
					       .is_poll = is_poll,
					       .notifications = notifications };
			return;
		}
	ck_abort_msg("more than %d requests are held", HELD_MOST);
}

static void answer_notifications(struct listener *listener, struct evhttp_request *request,
				 const struct evkeyvalq *query)
{
	struct apollo_server *server = listener->server;
	const char *text = evhttp_find_header(query, "notifications"),
		   *app = evhttp_find_header(query, "appId"), *cluster = evhttp_find_header(query, "cluster");
	json_t *notifications = text ? json_loads(text, 0, NULL) : NULL, *list;

	if (json_array_size(notifications) == 0 || !app || !cluster || strcmp(app, "app") != 0 ||
	    strcmp(cluster, "default") != 0) {
		answer(request, 400, "{\"status\":400}");
		json_decref(notifications);
		return;
	}
	list = newer(listener, notifications, false);
	if (list) {
		answer_json(request, list, NULL);
		json_decref(notifications);
		return;
	}
	hold(server, listener->number, request, server->hold_ms, true, notifications);
}

/* --- each request -------------------------------------------------------- */

static bool is_signed(struct apollo_server *server, struct evhttp_request *request)
{
	const struct evkeyvalq *headers = evhttp_request_get_input_headers(request);
	const char *authorization = evhttp_find_header(headers, "Authorization"),
		   *timestamp = evhttp_find_header(headers, "Timestamp");
	unsigned char digest[EVP_MAX_MD_SIZE], base64[64];
	char text[16384], expected[128];
	unsigned int digest_bytes;

	snprintf(server->counts.authorization, sizeof(server->counts.authorization), "%s",
		 authorization ? authorization : "");
	snprintf(server->counts.timestamp, sizeof(server->counts.timestamp), "%s",
		 timestamp ? timestamp : "");
	if (server->secret[0] == '\0')
		return true;
	if (!authorization || !timestamp ||
	    llabs(atoll(timestamp) - clock_realtime_ns() / CLOCK_NS_PER_MS) > 60000)
		return false;
	snprintf(text, sizeof(text), "%s\n%s", timestamp, evhttp_request_get_uri(request));
	HMAC(EVP_sha1(), server->secret, (int)strlen(server->secret), (unsigned char *)text, strlen(text),
	     digest, &digest_bytes);
	EVP_EncodeBlock(base64, digest, (int)digest_bytes);
	snprintf(expected, sizeof(expected), "Apollo app:%s", (char *)base64);
	return strcmp(authorization, expected) == 0;
}

static void serve(struct listener *listener, struct evhttp_request *request)
{
	struct apollo_server *server = listener->server;
	const char *uri = evhttp_request_get_uri(request), *question = strchr(uri, '?');
	struct evkeyvalq query;
	char path[1024];
	char *decoded;

	snprintf(path, sizeof(path), "%.*s", (int)strcspn(uri, "?"), uri);
	evhttp_parse_query_str(question ? question + 1 : "", &query);
	decoded = evhttp_uridecode(path, 0, NULL);
	if (listener->number == META && strcmp(decoded, "/services/config") == 0) {
		answer_meta(server, request);
	} else if (listener->number == META) {
		answer_missing(request);
	} else if (!is_signed(server, request)) {
		server->counts.refused++;
		answer(request, 401, "{\"status\":401}");
	} else if (strcmp(decoded, "/notifications/v2") == 0) {
		server->counts.notifications++;
		snprintf(server->counts.notification_uri, sizeof(server->counts.notification_uri), "%s", uri);
		answer_notifications(listener, request, &query);
	} else if (strncmp(decoded, PATH, strlen(PATH)) == 0) {
		snprintf(server->counts.config_uri, sizeof(server->counts.config_uri), "%s", uri);
		answer_release(listener, request, decoded + strlen(PATH), &query);
	} else {
		answer_missing(request);
	}
	evhttp_clear_headers(&query);
	free(decoded);
}

static enum apollo_endpoint endpoint_of(const struct listener *listener, struct evhttp_request *request)
{
	if (listener->number == META)
		return APOLLO_META;
	return strncmp(evhttp_request_get_uri(request), "/notifications", 14) == 0 ? APOLLO_NOTIFICATIONS
										   : APOLLO_CONFIGS;
}

static void on_request(struct evhttp_request *request, void *user)
{
	struct listener *listener = user;
	struct apollo_server *server = listener->server;
	enum apollo_endpoint endpoint = endpoint_of(listener, request);
	struct apollo_fault fault;

	pthread_mutex_lock(&server->lock);
	fault = server->faults[endpoint];
	if (!server->is_faulty[endpoint]) {
		serve(listener, request);
		pthread_mutex_unlock(&server->lock);
		return;
	}
	if (fault.count > 0 && --server->faults[endpoint].count == 0)
		server->is_faulty[endpoint] = false;
	if (fault.is_half)
		answer_half(server, request);
	else if (fault.status > 0 || fault.body)
		answer(request, fault.status > 0 ? fault.status : 200, fault.body ? fault.body : "");
	else
		hold(server, listener->number, request, fault.delay_ms, false, NULL);
	pthread_mutex_unlock(&server->lock);
}

/* --- the thread -------------------------------------------------------- */

static struct bufferevent *take_tls(struct event_base *loop, void *user)
{
	struct listener *listener = user;

	return bufferevent_openssl_socket_new(loop, -1, SSL_new(listener->tls), BUFFEREVENT_SSL_ACCEPTING,
					      BEV_OPT_CLOSE_ON_FREE);
}

static void listen_on(struct listener *listener)
{
	struct evhttp_bound_socket *bound;
	struct sockaddr_in address;
	socklen_t length = sizeof(address);

	listener->http = evhttp_new(listener->server->loop);
	evhttp_set_timeout(listener->http, 300);
	evhttp_set_gencb(listener->http, on_request, listener);
	if (listener->tls)
		evhttp_set_bevcb(listener->http, take_tls, listener);
	bound = evhttp_bind_socket_with_handle(listener->http, "127.0.0.1", (ev_uint16_t)listener->port);
	ck_assert_msg(bound != NULL, "port %d of the loopback interface cannot be had", listener->port);
	ck_assert_int_eq(getsockname(evhttp_bound_socket_get_fd(bound), (struct sockaddr *)&address, &length),
			 0);
	listener->port = ntohs(address.sin_port);
}

static void release_held(struct held *held)
{
	json_decref(held->notifications);
	*held = (struct held){ 0 };
}

/* What it holds goes with it. */
static void silence(struct listener *listener)
{
	for (size_t i = 0; i < HELD_MOST; i++)
		if (listener->server->held[i].request &&
		    listener->server->held[i].member == listener->number) {
			if (!evhttp_request_get_connection(listener->server->held[i].request))
				evhttp_request_free(listener->server->held[i].request);
			release_held(&listener->server->held[i]);
		}
	if (listener->http)
		evhttp_free(listener->http);
	listener->http = NULL;
}

static void look_at_held(struct apollo_server *server, struct held *held)
{
	struct listener *listener = &server->listeners[held->member];
	struct evhttp_request *request = held->request;
	json_t *list = held->is_poll ? newer(listener, held->notifications, true) : NULL;
	bool is_poll = held->is_poll, is_due = held->due_ns <= clock_monotonic_ns();

	if (!list && !is_due)
		return;
	release_held(held);
	if (list)
		answer_json(request, list, NULL);
	else if (is_poll)
		answer(request, 304, NULL);
	else
		serve(listener, request);
}

static void on_tick(evutil_socket_t fd, short what, void *user)
{
	struct apollo_server *server = user;

	(void)fd, (void)what;
	pthread_mutex_lock(&server->lock);
	for (int i = 0; i < 3; i++) {
		struct listener *listener = &server->listeners[i];

		if (listener->is_wanted && !listener->http)
			listen_on(listener);
		if (!listener->is_wanted && listener->http)
			silence(listener);
	}
	for (size_t i = 0; i < HELD_MOST; i++)
		if (server->held[i].request)
			look_at_held(server, &server->held[i]);
	if (server->is_ending)
		event_base_loopbreak(server->loop);
	pthread_mutex_unlock(&server->lock);
}

static void *run(void *user)
{
	struct apollo_server *server = user;

	event_base_dispatch(server->loop);
	return NULL;
}

struct apollo_server *apollo_server_new(void)
{
	static const struct timeval often = { .tv_usec = 2000 };
	struct apollo_server *server = calloc(1, sizeof(*server));

	pthread_mutex_init(&server->lock, NULL);
	server->loop = event_base_new();
	server->tick = event_new(server->loop, -1, EV_PERSIST, on_tick, server);
	event_add(server->tick, &often);
	server->named = 1;
	server->hold_ms = 60000;
	for (int i = 0; i < 3; i++) {
		server->listeners[i] = (struct listener){ .server = server, .number = i, .is_wanted = true };
		listen_on(&server->listeners[i]);
	}
	snprintf(server->meta, sizeof(server->meta), "127.0.0.1:%d", server->listeners[META].port);
	ck_assert_int_eq(pthread_create(&server->thread, NULL, run, server), 0);
	return server;
}

void apollo_server_free(struct apollo_server *server)
{
	pthread_mutex_lock(&server->lock);
	server->is_ending = true;
	pthread_mutex_unlock(&server->lock);
	pthread_join(server->thread, NULL);
	for (int i = 0; i < 3; i++) {
		silence(&server->listeners[i]);
		clear(&server->listeners[i].cache);
		SSL_CTX_free(server->listeners[i].tls);
	}
	event_free(server->tick);
	event_base_free(server->loop);
	clear(&server->database);
	clear(&server->kept);
	pthread_mutex_destroy(&server->lock);
	free(server);
}

/* --- what tests do -------------------------------------------------------- */

const char *apollo_server_meta(const struct apollo_server *server)
{
	return server->meta;
}

int apollo_server_port(const struct apollo_server *server, int member)
{
	return server->listeners[member].port;
}

/* A change and its release message are one transaction. */
static void change(struct apollo_server *server, const char *name, const char *configurations,
		   bool is_rollback, bool is_removal)
{
	struct stored *stored;

	pthread_mutex_lock(&server->lock);
	stored = obtain(&server->database, name);
	if (configurations)
		push(&server->database, stored, configurations);
	if (is_rollback)
		pop(stored);
	if (is_removal)
		clear_stored(stored);
	stored->id = ++server->database.last_id;
	pthread_mutex_unlock(&server->lock);
}

void apollo_server_publish(struct apollo_server *server, const char *name, const char *configurations)
{
	change(server, name, configurations, false, false);
}

void apollo_server_publish_xml(struct apollo_server *server, const char *name, const char *text)
{
	json_t *json = json_pack("{s:s}", "content", text);
	char *configurations = json_dumps(json, 0);

	change(server, name, configurations, false, false);
	free(configurations);
	json_decref(json);
}

void apollo_server_rollback(struct apollo_server *server, const char *name)
{
	change(server, name, NULL, true, false);
}

void apollo_server_touch(struct apollo_server *server, const char *name)
{
	change(server, name, NULL, false, false);
}

void apollo_server_remove(struct apollo_server *server, const char *name)
{
	change(server, name, NULL, false, true);
}

void apollo_server_replace(struct apollo_server *server, const char *name, const char *configurations)
{
	struct stored *stored;

	pthread_mutex_lock(&server->lock);
	stored = obtain(&server->database, name);
	push(&server->database, stored, configurations);
	pthread_mutex_unlock(&server->lock);
}

void apollo_server_keep(struct apollo_server *server)
{
	pthread_mutex_lock(&server->lock);
	copy(&server->kept, &server->database);
	pthread_mutex_unlock(&server->lock);
}

void apollo_server_restore(struct apollo_server *server)
{
	pthread_mutex_lock(&server->lock);
	copy(&server->database, &server->kept);
	pthread_mutex_unlock(&server->lock);
}

void apollo_server_name(struct apollo_server *server, unsigned members)
{
	pthread_mutex_lock(&server->lock);
	server->named = members;
	pthread_mutex_unlock(&server->lock);
}

void apollo_server_fault(struct apollo_server *server, enum apollo_endpoint endpoint,
			 const struct apollo_fault *fault)
{
	pthread_mutex_lock(&server->lock);
	server->is_faulty[endpoint] = fault != NULL;
	if (fault)
		server->faults[endpoint] = *fault;
	pthread_mutex_unlock(&server->lock);
}

static void want(struct apollo_server *server, int member, bool is_wanted)
{
	struct listener *listener = &server->listeners[member < 0 ? META : member];
	bool is_so = false;

	pthread_mutex_lock(&server->lock);
	listener->is_wanted = is_wanted;
	pthread_mutex_unlock(&server->lock);
	while (!is_so) {
		usleep(1000);
		pthread_mutex_lock(&server->lock);
		is_so = (listener->http != NULL) == is_wanted;
		pthread_mutex_unlock(&server->lock);
	}
}

void apollo_server_stop(struct apollo_server *server, int member)
{
	want(server, member, false);
}

void apollo_server_start(struct apollo_server *server, int member)
{
	want(server, member, true);
}

void apollo_server_use_tls(struct apollo_server *server, int member, const char *cert_file,
			   const char *key_file)
{
	struct listener *listener = &server->listeners[member < 0 ? META : member];

	signal(SIGPIPE, SIG_IGN); /* OpenSSL writes to whom it likes */
	want(server, member, false);
	pthread_mutex_lock(&server->lock);
	SSL_CTX_free(listener->tls);
	listener->tls = cert_file ? SSL_CTX_new(TLS_server_method()) : NULL;
	if (cert_file) {
		ck_assert_int_eq(SSL_CTX_use_certificate_file(listener->tls, cert_file, SSL_FILETYPE_PEM), 1);
		ck_assert_int_eq(SSL_CTX_use_PrivateKey_file(listener->tls, key_file, SSL_FILETYPE_PEM), 1);
	}
	pthread_mutex_unlock(&server->lock);
	want(server, member, true);
}

void apollo_server_lag(struct apollo_server *server, int member, bool is_lagging)
{
	pthread_mutex_lock(&server->lock);
	server->listeners[member].is_lagging = is_lagging;
	if (is_lagging)
		copy(&server->listeners[member].cache, &server->database);
	pthread_mutex_unlock(&server->lock);
}

void apollo_server_lose_notifications(struct apollo_server *server, bool is_losing)
{
	pthread_mutex_lock(&server->lock);
	server->is_losing = is_losing;
	pthread_mutex_unlock(&server->lock);
}

void apollo_server_hold(struct apollo_server *server, int hold_ms)
{
	pthread_mutex_lock(&server->lock);
	server->hold_ms = hold_ms;
	pthread_mutex_unlock(&server->lock);
}

void apollo_server_require(struct apollo_server *server, const char *secret)
{
	pthread_mutex_lock(&server->lock);
	snprintf(server->secret, sizeof(server->secret), "%s", secret ? secret : "");
	pthread_mutex_unlock(&server->lock);
}

void apollo_server_differences(struct apollo_server *server, bool is_on)
{
	pthread_mutex_lock(&server->lock);
	server->is_difference = is_on;
	pthread_mutex_unlock(&server->lock);
}

void apollo_server_count(struct apollo_server *server, struct apollo_counts *counts)
{
	pthread_mutex_lock(&server->lock);
	*counts = server->counts;
	counts->polls_held = 0;
	for (size_t i = 0; i < HELD_MOST; i++)
		counts->polls_held += server->held[i].request && server->held[i].is_poll;
	pthread_mutex_unlock(&server->lock);
}
