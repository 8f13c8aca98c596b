/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/rpc.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include <event2/event.h>

#include "admin/parts.h"
#include "base/clock.h"

#define RPC_PARAMS_MOST 3
#define RPC_WAIT_USUAL_MS 30000
#define RPC_WAIT_MOST_MS 600000

/* All that came in one request. */
struct rpc_batch {
	struct admin *admin; /* while it is dispatched only */
	struct exchange *exchange;
	struct rpc_waiters *waiters;
	json_t *answers; /* NULL: out of memory */
	size_t pending;	 /* calls, and one while it is dispatched */
	bool is_array;
};

/* One of it. */
struct rpc_call {
	struct rpc_batch *batch;
	json_t *id; /* NULL: a notification */
};

struct rpc_waiter {
	TAILQ_ENTRY(rpc_waiter) link;
	struct rpc_waiters *waiters;
	struct rpc_call *call;
	struct event *timer;
	char *set;
	uint64_t newer; /* than this */
};

struct rpc_waiters {
	struct admin *admin;
	TAILQ_HEAD(, rpc_waiter) all;
};

struct rpc_method {
	const char *name;
	const char *params[RPC_PARAMS_MOST + 1];
	size_t required; /* of them, from the first on */
	/* params: an object with no others than these. Ends in rpc_return() or rpc_fail(), now or later. */
	void (*run)(struct rpc_call *call, const json_t *params);
};

/* --- answers --------------------------------------------------------------- */

static void rpc_batch_answer(struct rpc_batch *batch)
{
	json_t *body = batch->answers;

	if (!body)
		exchange_refuse(batch->exchange, 503, NULL, "out of memory");
	else if (json_array_size(body) == 0)
		exchange_answer(batch->exchange, &(struct answer){ .status = 204 });
	else
		admin_answer(batch->exchange, 200,
			     json_incref(batch->is_array ? body : json_array_get(body, 0)));
	json_decref(body);
	free(batch);
}

static void rpc_batch_done(struct rpc_batch *batch)
{
	if (--batch->pending == 0)
		rpc_batch_answer(batch);
}

/* answer: taken over. */
static void rpc_batch_add(struct rpc_batch *batch, json_t *answer)
{
	if (json_array_append_new(batch->answers, answer) == 0)
		return;
	json_decref(batch->answers);
	batch->answers = NULL;
}

static void rpc_call_end(struct rpc_call *call, json_t *answer)
{
	struct rpc_batch *batch = call->batch;

	if (call->id)
		rpc_batch_add(batch, answer);
	else
		json_decref(answer);
	json_decref(call->id);
	free(call);
	rpc_batch_done(batch);
}

static json_t *rpc_error(json_t *id, int code, const char *message)
{
	/* a message that was cut within a character is no UTF-8 */
	json_t *text = json_string(message);

	if (!text)
		text = json_string("failed");
	return json_pack("{s:s,s:{s:i,s:o},s:O?}", "jsonrpc", "2.0", "error", "code", code, "message", text,
			 "id", id);
}

static void rpc_fail(struct rpc_call *call, int code, const char *message)
{
	rpc_call_end(call, rpc_error(call->id, code, message));
}

/* result: taken over; NULL: out of memory. */
static void rpc_return(struct rpc_call *call, json_t *result)
{
	if (!result) {
		rpc_fail(call, RPC_INTERNAL, "out of memory");
		return;
	}
	rpc_call_end(call, json_pack("{s:s,s:o,s:O?}", "jsonrpc", "2.0", "result", result, "id", call->id));
}

static void rpc_not_found(struct rpc_call *call, const char *what, const char *name)
{
	struct message why;

	message_set(&why, "there is no %s \"%s\"", what, name);
	rpc_fail(call, RPC_NOT_FOUND, why.text);
}

/* --- parameters ------------------------------------------------------------ */

/* A name that is text as a path's would be; NULL: it is not there. false: it was answered. */
static bool rpc_param_name(struct rpc_call *call, const json_t *params, const char *key, const char **name)
{
	const json_t *value = json_object_get(params, key);
	struct message why;

	*name = json_string_value(value);
	if (!value)
		return true;
	if (*name && strlen(*name) == json_string_length(value)) {
		const char *at = *name;

		while ((unsigned char)*at >= ' ' && *at != 0x7f)
			at++;
		if (*at == '\0')
			return true;
	}
	message_set(&why, "%s must be a string without control characters", key);
	rpc_fail(call, RPC_INVALID_PARAMS, why.text);
	return false;
}

/* An integer from least to most; *number stays as it is if it is not there. false: it was answered. */
static bool rpc_param_number(struct rpc_call *call, const json_t *params, const char *key, json_int_t least,
			     json_int_t most, json_int_t *number)
{
	const json_t *value = json_object_get(params, key);
	struct message why;

	if (!value)
		return true;
	if (json_is_integer(value) && json_integer_value(value) >= least &&
	    json_integer_value(value) <= most) {
		*number = json_integer_value(value);
		return true;
	}
	message_set(&why, "%s must be an integer from %lld to %lld", key, (long long)least, (long long)most);
	rpc_fail(call, RPC_INVALID_PARAMS, why.text);
	return false;
}

static bool rpc_may(struct rpc_call *call, enum access_verb verb)
{
	struct exchange *exchange = call->batch->exchange;
	struct message why;

	if (access_may(&call->batch->admin->access, exchange_peer(exchange), exchange_request(exchange), verb,
		       &why) == 0)
		return true;
	rpc_fail(call, RPC_FORBIDDEN, why.text);
	return false;
}

static char *rpc_by(const struct rpc_call *call, char by[PEER_TEXT_BYTES + 16])
{
	char who[PEER_TEXT_BYTES];

	snprintf(by, PEER_TEXT_BYTES + 16, "RPC, %s",
		 access_describe(exchange_peer(call->batch->exchange), who));
	return by;
}

/* --- methods --------------------------------------------------------------- */

static void rpc_status(struct rpc_call *call, const json_t *params)
{
	struct admin *admin = call->batch->admin;
	const char *set;
	json_t *status;

	if (!rpc_param_name(call, params, "set", &set))
		return;
	status = admin->ops->status(admin->user, set);
	if (!status && set)
		rpc_not_found(call, "set", set);
	else
		rpc_return(call, status);
}

static void rpc_done(void *arg, int result, const json_t *report)
{
	rpc_return(arg, json_pack("{s:i,s:o*}", "result", result, "report",
				  report ? json_deep_copy(report) : NULL));
}

static void rpc_reload(struct rpc_call *call, const json_t *params)
{
	struct admin *admin = call->batch->admin;
	char by[PEER_TEXT_BYTES + 16];
	const char *set;
	uint64_t seq;

	if (!rpc_param_name(call, params, "set", &set) || !rpc_may(call, ACCESS_RELOAD))
		return;
	if (set && admin->ops->seq(admin->user, set, &seq) < 0)
		rpc_not_found(call, "set", set);
	else
		admin->ops->reload(admin->user, set, rpc_by(call, by), rpc_done, call);
}

static void rpc_get(struct rpc_call *call, const json_t *params)
{
	struct admin *admin = call->batch->admin;
	const char *set, *document, *path;
	struct message why = { "it has no value" };
	json_t *value;
	int err;

	if (!rpc_param_name(call, params, "set", &set) ||
	    !rpc_param_name(call, params, "document", &document) ||
	    !rpc_param_name(call, params, "path", &path) ||
	    (admin->ops->is_secret(admin->user, set) && !rpc_may(call, ACCESS_SECRET)))
		return;
	err = admin->ops->get(admin->user, set, document, path, &value, &why);
	if (err == 0) {
		rpc_return(call, json_pack("{s:o}", "value", value));
		return;
	}
	if (err == -ENOENT)
		message_set(&why, "there is no value at %s of document \"%s\" in set \"%s\"", path, document,
			    set);
	rpc_fail(call,
		 err == -ENOENT	  ? RPC_NOT_FOUND
		 : err == -EINVAL ? RPC_INVALID_PARAMS
				  : RPC_FAILED,
		 why.text);
}

/* 0 or an error, as of freeze and thaw. */
static void rpc_changed(struct rpc_call *call, const char *set, int err, const struct message *why)
{
	if (err == -ENOENT)
		rpc_not_found(call, "set", set);
	else if (err < 0)
		rpc_fail(call, RPC_FAILED, why->text);
	else
		rpc_return(call, json_pack("{s:s}", "set", set));
}

static void rpc_freeze(struct rpc_call *call, const json_t *params)
{
	struct admin *admin = call->batch->admin;
	int64_t now_s = clock_realtime_ns() / CLOCK_NS_PER_S;
	struct message why = { "failed" };
	json_int_t until_s = 0;
	const char *set;
	int err;

	if (!rpc_param_name(call, params, "set", &set) ||
	    !rpc_param_number(call, params, "until", now_s, now_s + INT64_C(3155760000), &until_s) ||
	    !rpc_may(call, ACCESS_CHANGE))
		return;
	err = admin->ops->freeze(admin->user, set, until_s * CLOCK_NS_PER_S, &why);
	rpc_changed(call, set, err, &why);
}

static void rpc_thaw(struct rpc_call *call, const json_t *params)
{
	struct admin *admin = call->batch->admin;
	struct message why = { "failed" };
	const char *set;

	if (!rpc_param_name(call, params, "set", &set) || !rpc_may(call, ACCESS_CHANGE))
		return;
	rpc_changed(call, set, admin->ops->thaw(admin->user, set, &why), &why);
}

static void rpc_hooks_list(struct rpc_call *call, const json_t *params)
{
	struct admin *admin = call->batch->admin;

	(void)params;
	rpc_return(call, admin->ops->hooks(admin->user));
}

static void rpc_hooks_run(struct rpc_call *call, const json_t *params)
{
	struct admin *admin = call->batch->admin;
	char by[PEER_TEXT_BYTES + 16];
	const char *hook;
	int err;

	if (!rpc_param_name(call, params, "hook", &hook) || !rpc_may(call, ACCESS_CHANGE))
		return;
	err = admin->ops->hook_run(admin->user, hook, rpc_by(call, by), rpc_done, call);
	if (err == -ENOENT)
		rpc_not_found(call, "hook", hook);
	else if (err < 0)
		rpc_fail(call, RPC_FAILED, strerror(-err));
}

/* --- wait ------------------------------------------------------------------ */

static struct rpc_call *rpc_waiter_free(struct rpc_waiter *waiter)
{
	struct rpc_call *call = waiter->call;

	TAILQ_REMOVE(&waiter->waiters->all, waiter, link);
	event_free(waiter->timer);
	free(waiter->set);
	free(waiter);
	return call;
}

static void rpc_waiter_on_time(evutil_socket_t fd, short what, void *user)
{
	(void)fd, (void)what;
	rpc_fail(rpc_waiter_free(user), RPC_TIMED_OUT, "nothing newer was committed in time");
}

/* The client went away: nobody waits any more. */
static void rpc_gone(void *user)
{
	struct rpc_batch *batch = user;
	struct rpc_waiter *waiter, *next;

	batch->pending++;
	for (waiter = TAILQ_FIRST(&batch->waiters->all); waiter; waiter = next) {
		next = TAILQ_NEXT(waiter, link);
		if (waiter->call->batch == batch)
			rpc_fail(rpc_waiter_free(waiter), RPC_ENDING, "the client is gone");
	}
	rpc_batch_done(batch);
}

static void rpc_wait_begin(struct rpc_call *call, const char *set, uint64_t newer, int timeout_ms)
{
	struct timeval timeout = { .tv_sec = timeout_ms / 1000, .tv_usec = timeout_ms % 1000 * 1000 };
	struct rpc_waiters *waiters = call->batch->waiters;
	struct rpc_waiter *waiter = calloc(1, sizeof(*waiter));

	if (waiter) {
		waiter->set = strdup(set);
		waiter->timer = evtimer_new(waiters->admin->loop, rpc_waiter_on_time, waiter);
	}
	if (!waiter || !waiter->set || !waiter->timer || event_add(waiter->timer, &timeout) < 0) {
		if (waiter && waiter->timer)
			event_free(waiter->timer);
		if (waiter)
			free(waiter->set);
		free(waiter);
		rpc_fail(call, RPC_INTERNAL, "out of memory");
		return;
	}
	waiter->waiters = waiters;
	waiter->call = call;
	waiter->newer = newer;
	TAILQ_INSERT_TAIL(&waiters->all, waiter, link);
	exchange_on_gone(call->batch->exchange, rpc_gone, call->batch);
}

static json_t *rpc_wait_result(const char *set, uint64_t seq)
{
	return json_pack("{s:s,s:I}", "set", set, "seq", (json_int_t)seq);
}

static void rpc_wait(struct rpc_call *call, const json_t *params)
{
	struct admin *admin = call->batch->admin;
	json_int_t newer = -1, timeout_ms = RPC_WAIT_USUAL_MS;
	const char *set;
	uint64_t seq;

	if (!rpc_param_name(call, params, "set", &set) ||
	    !rpc_param_number(call, params, "newer", 0, INT64_MAX, &newer) ||
	    !rpc_param_number(call, params, "timeout_ms", 0, RPC_WAIT_MOST_MS, &timeout_ms))
		return;
	if (admin->ops->seq(admin->user, set, &seq) < 0)
		rpc_not_found(call, "set", set);
	else if (newer >= 0 && seq > (uint64_t)newer)
		rpc_return(call, rpc_wait_result(set, seq));
	else
		rpc_wait_begin(call, set, newer < 0 ? seq : (uint64_t)newer, (int)timeout_ms);
}

void rpc_committed(struct rpc_waiters *waiters, const char *set, uint64_t seq)
{
	struct rpc_waiter *waiter, *next;

	for (waiter = TAILQ_FIRST(&waiters->all); waiter; waiter = next) {
		next = TAILQ_NEXT(waiter, link);
		if (seq > waiter->newer && strcmp(waiter->set, set) == 0)
			rpc_return(rpc_waiter_free(waiter), rpc_wait_result(set, seq));
	}
}

struct rpc_waiters *rpc_waiters_new(struct admin *admin)
{
	struct rpc_waiters *waiters = calloc(1, sizeof(*waiters));

	if (!waiters)
		return NULL;
	waiters->admin = admin;
	TAILQ_INIT(&waiters->all);
	return waiters;
}

void rpc_waiters_free(struct rpc_waiters *waiters)
{
	struct rpc_waiter *waiter;

	if (!waiters)
		return;
	while ((waiter = TAILQ_FIRST(&waiters->all)))
		rpc_fail(rpc_waiter_free(waiter), RPC_ENDING, "zkcfgd ends");
	free(waiters);
}

/* --- calls ----------------------------------------------------------------- */

static const struct rpc_method rpc_methods[] = {
	{ "status", { "set" }, 0, rpc_status },
	{ "reload", { "set" }, 0, rpc_reload },
	{ "get", { "set", "document", "path" }, 3, rpc_get },
	{ "wait", { "set", "newer", "timeout_ms" }, 1, rpc_wait },
	{ "freeze", { "set", "until" }, 1, rpc_freeze },
	{ "thaw", { "set" }, 1, rpc_thaw },
	{ "hooks.list", { NULL }, 0, rpc_hooks_list },
	{ "hooks.run", { "hook" }, 1, rpc_hooks_run },
};

static const struct rpc_method *rpc_find(const char *name)
{
	for (size_t i = 0; i < sizeof(rpc_methods) / sizeof(rpc_methods[0]); i++)
		if (strcmp(rpc_methods[i].name, name) == 0)
			return &rpc_methods[i];
	return NULL;
}

static bool rpc_method_has(const struct rpc_method *method, const char *param)
{
	for (size_t i = 0; method->params[i]; i++)
		if (strcmp(method->params[i], param) == 0)
			return true;
	return false;
}

/* By name or by position: an object with names that the method has. NULL: with why. */
static json_t *rpc_params(const struct rpc_method *method, const json_t *given, struct message *why)
{
	json_t *params = json_object(), *value;
	const char *key;
	size_t i;

	message_set(why, "out of memory");
	json_array_foreach(given, i, value)
	{
		if (i == RPC_PARAMS_MOST || !method->params[i]) {
			message_set(why, "%s takes no more than %zu parameters", method->name, i);
			goto free_params;
		}
		if (json_object_set(params, method->params[i], value) < 0)
			goto free_params;
	}
	json_object_foreach((json_t *)(uintptr_t)given, key, value)
	{
		if (!rpc_method_has(method, key)) {
			message_set(why, "%s has no parameter \"%s\"", method->name, key);
			goto free_params;
		}
		if (json_object_set(params, key, value) < 0)
			goto free_params;
	}
	for (i = 0; i < method->required; i++) {
		if (!json_object_get(params, method->params[i])) {
			message_set(why, "%s needs the parameter \"%s\"", method->name, method->params[i]);
			goto free_params;
		}
	}
	return params;
free_params:
	json_decref(params);
	return NULL;
}

static bool rpc_is_request(const json_t *request)
{
	const char *version = json_string_value(json_object_get(request, "jsonrpc"));
	const json_t *id = json_object_get(request, "id"), *params = json_object_get(request, "params");

	return version && strcmp(version, "2.0") == 0 && json_is_string(json_object_get(request, "method")) &&
	       (!id || json_is_string(id) || json_is_number(id) || json_is_null(id)) &&
	       (!params || json_is_object(params) || json_is_array(params));
}

static void rpc_dispatch(struct rpc_batch *batch, const json_t *request)
{
	struct rpc_call *call;
	const struct rpc_method *method;
	struct message why;
	json_t *params;

	if (!rpc_is_request(request)) {
		rpc_batch_add(batch, rpc_error(json_null(), RPC_INVALID_REQUEST,
					       "this is no request of JSON-RPC 2.0"));
		return;
	}
	call = calloc(1, sizeof(*call));
	if (!call) {
		rpc_batch_add(batch, NULL);
		return;
	}
	call->batch = batch;
	call->id = json_incref(json_object_get(request, "id"));
	batch->pending++;
	method = rpc_find(json_string_value(json_object_get(request, "method")));
	if (!method) {
		rpc_fail(call, RPC_NO_METHOD, "there is no such method");
		return;
	}
	params = rpc_params(method, json_object_get(request, "params"), &why);
	if (params)
		method->run(call, params);
	else
		rpc_fail(call, RPC_INVALID_PARAMS, why.text);
	json_decref(params);
}

static void rpc_dispatch_all(struct rpc_batch *batch, const json_t *requests)
{
	size_t count = json_array_size(requests);
	struct message why;

	if (!json_is_array(requests)) {
		rpc_dispatch(batch, requests);
	} else if (count == 0 || count > RPC_BATCH_MOST) {
		message_set(&why, "a batch has from 1 to %d calls", RPC_BATCH_MOST);
		rpc_batch_add(batch, rpc_error(json_null(), RPC_INVALID_REQUEST, why.text));
	} else {
		batch->is_array = true;
		for (size_t i = 0; i < count; i++)
			rpc_dispatch(batch, json_array_get(requests, i));
	}
}

void rpc_handle(struct admin *admin, struct exchange *exchange)
{
	const struct request *request = exchange_request(exchange);
	struct rpc_batch *batch = calloc(1, sizeof(*batch));
	struct message why;
	json_error_t error;
	json_t *requests;

	if (!batch) {
		exchange_refuse(exchange, 503, NULL, "out of memory");
		return;
	}
	*batch = (struct rpc_batch){ .admin = admin,
				     .exchange = exchange,
				     .waiters = admin->waiters,
				     .answers = json_array(),
				     .pending = 1 };
	requests = json_loadb(request->body ? request->body : "", request->body_bytes,
			      JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &error);
	if (requests) {
		rpc_dispatch_all(batch, requests);
	} else {
		message_set(&why, "this is not JSON: %d:%d: %s", error.line, error.column, error.text);
		rpc_batch_add(batch, rpc_error(json_null(), RPC_NOT_JSON, why.text));
	}
	json_decref(requests);
	batch->admin = NULL;
	rpc_batch_done(batch);
}
