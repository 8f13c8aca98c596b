/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Paths and what is behind them, but for /rpc and /v1/events. */
#include "admin/parts.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

static const char routes_set_prefix[] = "/v1/sets/";

static void routes_not_found(struct exchange *exchange, const char *what, const char *name)
{
	struct message why;

	message_set(&why, "there is no %s \"%s\"", what, name);
	exchange_refuse(exchange, 404, NULL, why.text);
}

/* --- daemon ---------------------------------------------------------------- */

static void routes_healthy(struct admin *admin, struct exchange *exchange)
{
	(void)admin;
	admin_answer(exchange, 200, json_pack("{s:b}", "healthy", 1));
}

static void routes_ready(struct admin *admin, struct exchange *exchange)
{
	struct message why = { "" };
	bool is_wrong;
	char *fresh = request_query(exchange_request(exchange), "fresh", &is_wrong);

	if (is_wrong || (fresh && strcmp(fresh, "1") != 0 && strcmp(fresh, "0") != 0))
		exchange_refuse(exchange, 400, NULL, "fresh must be 1 or 0");
	else if (admin->ops->ready(admin->user, fresh && *fresh == '1', &why))
		admin_answer(exchange, 200, json_pack("{s:b}", "ready", 1));
	else
		admin_answer(exchange, 503, json_pack("{s:b,s:s*}", "ready", 0, "error", why.text));
	free(fresh);
}

static void routes_count(struct admin *admin, struct metrics *metrics)
{
	static const char *const codes[] = { NULL, NULL, "2xx", "3xx", "4xx", "5xx" };
	struct server_counts counts;

	server_counts(admin->server, &counts);
	metrics_family(metrics, "zkcfg_admin_connections", METRICS_GAUGE,
		       "Connections to the control interface.");
	metrics_sample(metrics, (double)counts.connections, NULL);
	metrics_family(metrics, "zkcfg_admin_streams", METRICS_GAUGE, "Clients that listen to events.");
	metrics_sample(metrics, (double)counts.streams, NULL);
	metrics_family(metrics, "zkcfg_admin_answers_total", METRICS_COUNTER,
		       "Answers of the control interface, by class of their status.");
	for (size_t i = 2; i < sizeof(codes) / sizeof(codes[0]); i++)
		metrics_sample(metrics, (double)counts.answers[i], "code", codes[i], NULL);
	metrics_family(metrics, "zkcfg_admin_connections_refused_total", METRICS_COUNTER,
		       "Connections that were closed because there were too many.");
	metrics_sample(metrics, (double)counts.refused_count, NULL);
	metrics_family(metrics, "zkcfg_admin_streams_dropped_total", METRICS_COUNTER,
		       "Listeners to events that were dropped because they did not read.");
	metrics_sample(metrics, (double)counts.dropped_streams, NULL);
}

static void routes_metrics(struct admin *admin, struct exchange *exchange)
{
	struct metrics metrics = { 0 };

	admin->ops->metrics(admin->user, &metrics);
	routes_count(admin, &metrics);
	if (buffer_failed(&metrics.text))
		exchange_refuse(exchange, 503, NULL, "out of memory");
	else
		exchange_answer(exchange, &(struct answer){ .status = 200,
							    .type = METRICS_TYPE,
							    .body = metrics.text.bytes,
							    .body_bytes = metrics.text.size_bytes });
	metrics_free(&metrics);
}

static void routes_status(struct admin *admin, struct exchange *exchange)
{
	admin_answer(exchange, 200, admin->ops->status(admin->user, NULL));
}

static int routes_result_status(int result)
{
	switch (result) {
	case ADMIN_DONE:
		return 200;
	case ADMIN_INVALID:
		return 422;
	case ADMIN_UNREADABLE:
		return 502;
	case ADMIN_RESTART:
		return 409;
	default:
		return 500;
	}
}

static void routes_reloaded(void *arg, int result, const json_t *report)
{
	json_t *body =
		json_pack("{s:i,s:o*}", "result", result, "report", report ? json_deep_copy(report) : NULL);

	admin_answer(arg, routes_result_status(result), body);
}

/* The value of ?set=. false: it is none, or there is no such set; then it was answered. */
static bool routes_query_set(struct admin *admin, struct exchange *exchange, char **set)
{
	bool is_wrong;
	char *name = request_query(exchange_request(exchange), "set", &is_wrong);
	uint64_t seq;

	if (is_wrong)
		exchange_refuse(exchange, 400, NULL, "set is no text");
	else if (name && admin->ops->seq(admin->user, name, &seq) < 0)
		routes_not_found(exchange, "set", name);
	else {
		*set = name;
		return true;
	}
	free(name);
	return false;
}

static void routes_reload(struct admin *admin, struct exchange *exchange)
{
	char *set, who[PEER_TEXT_BYTES], by[PEER_TEXT_BYTES + 16];

	if (!admin_may(admin, exchange, ACCESS_RELOAD) || !routes_query_set(admin, exchange, &set))
		return;
	snprintf(by, sizeof(by), "HTTP, %s", access_describe(exchange_peer(exchange), who));
	admin->ops->reload(admin->user, set, by, routes_reloaded, exchange);
	free(set);
}

static void routes_events(struct admin *admin, struct exchange *exchange)
{
	char *set;

	if (!routes_query_set(admin, exchange, &set))
		return;
	if (strcmp(exchange_request(exchange)->method, "HEAD") == 0)
		exchange_answer(exchange, &(struct answer){ .status = 200, .type = EVENTS_TYPE });
	else
		events_open(admin->events, exchange, set);
	free(set);
}

static void routes_rpc(struct admin *admin, struct exchange *exchange)
{
	rpc_handle(admin, exchange);
}

/* --- one set --------------------------------------------------------------- */

/* What is behind /v1/sets/. */
struct route_set {
	char *set;
	char *document; /* NULL: none is named */
	bool is_candidate;
};

/* SET[/documents/DOC | /candidate[/DOC]]. 0, 400, or 404 for another path. */
static int route_set_parse(const char *path, struct route_set *route)
{
	size_t length = strcspn(path, "/");
	const char *rest = path + length, *document = NULL;

	if (strncmp(rest, "/documents/", 11) == 0)
		document = rest + 11;
	else if (strncmp(rest, "/candidate/", 11) == 0)
		document = rest + 11;
	else if (*rest != '\0' && strcmp(rest, "/candidate") != 0)
		return 404;
	if (length == 0 || (document && *document == '\0'))
		return 404;
	route->is_candidate = strncmp(rest, "/candidate", 10) == 0;
	route->set = request_decode(path, length);
	route->document = document ? request_decode(document, strlen(document)) : NULL;
	return route->set && (route->document || !document) ? 0 : 400;
}

static void routes_document(struct admin *admin, struct exchange *exchange, const struct route_set *route)
{
	struct admin_document document = { .version = -1 };
	char headers[256];
	int err;

	if (admin->ops->is_secret(admin->user, route->set) && !admin_may(admin, exchange, ACCESS_SECRET))
		return;
	err = (route->is_candidate ? admin->ops->candidate : admin->ops->document)(
		admin->user, route->set, route->document, &document);
	if (err < 0) {
		routes_not_found(exchange, route->is_candidate ? "candidate" : "document", route->document);
		return;
	}
	snprintf(headers, sizeof(headers),
		 "X-Zkcfg-Revision: %" PRIu64 "\r\nX-Zkcfg-Seq: %" PRIu64 "\r\nX-Zkcfg-Version: %" PRId64
		 "\r\n",
		 document.revision, document.seq, document.version);
	exchange_answer(exchange, &(struct answer){ .status = 200,
						    .type = "application/xml",
						    .headers = headers,
						    .body = document.bytes,
						    .body_bytes = document.size_bytes });
}

static void routes_set(struct admin *admin, struct exchange *exchange)
{
	struct route_set route = { 0 };
	int status = route_set_parse(exchange_request(exchange)->path + strlen(routes_set_prefix), &route);
	json_t *body;

	if (status != 0) {
		exchange_refuse(exchange, status, NULL,
				status == 404 ? "there is no such path"
					      : "the path is no text: %XX must be UTF-8");
	} else if (route.document) {
		routes_document(admin, exchange, &route);
	} else {
		body = (route.is_candidate ? admin->ops->candidates : admin->ops->status)(admin->user,
											  route.set);
		if (body)
			admin_answer(exchange, 200, body);
		else
			routes_not_found(exchange, "set", route.set);
	}
	free(route.set);
	free(route.document);
}

/* --- all ------------------------------------------------------------------- */

struct route {
	const char *path;
	bool is_post;
	void (*answer)(struct admin *admin, struct exchange *exchange);
};

static const struct route *routes_find(const char *path)
{
	static const struct route routes[] = {
		{ "/-/healthy", false, routes_healthy },
		{ "/-/ready", false, routes_ready },
		{ "/-/reload", true, routes_reload },
		{ "/metrics", false, routes_metrics },
		{ "/v1/status", false, routes_status },
		{ "/v1/events", false, routes_events },
		{ "/rpc", true, routes_rpc },
	};
	static const struct route set = { routes_set_prefix, false, routes_set };

	if (strncmp(path, routes_set_prefix, strlen(routes_set_prefix)) == 0)
		return &set;
	for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++)
		if (strcmp(path, routes[i].path) == 0)
			return &routes[i];
	return NULL;
}

void routes_handle(void *user, struct exchange *exchange)
{
	const struct request *request = exchange_request(exchange);
	const struct route *route = routes_find(request->path);
	struct admin *admin = user;
	struct message why;
	int status = access_check(&admin->access, exchange_peer(exchange), request, &why);
	bool is_post = strcmp(request->method, "POST") == 0;
	bool is_get = strcmp(request->method, "GET") == 0 || strcmp(request->method, "HEAD") == 0;

	if (status != 0)
		exchange_refuse(exchange, status, NULL, why.text);
	else if (!route)
		exchange_refuse(exchange, 404, NULL, "there is no such path");
	else if (route->is_post ? !is_post : !is_get)
		exchange_refuse(exchange, 405, route->is_post ? "Allow: POST\r\n" : "Allow: GET, HEAD\r\n",
				route->is_post ? "only POST" : "only GET and HEAD");
	else
		route->answer(admin, exchange);
}
