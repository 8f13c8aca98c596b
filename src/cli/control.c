/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/control.h"

#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "http/http.h"

#define CONTROL_SOCKET "/admin/zkcfgd.sock"
#define CONTROL_ANSWER_BYTES (64 * 1024 * 1024)
/* Of zkcfg-http(7). */
#define CONTROL_NOT_FOUND (-32000)

struct control {
	char path[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
	enum http_failure failure;
	int status;
	char reason[512];
	json_t *answer;
};

/* The first of the directories that has a socket; else the first. false: its path is too long for one. */
static bool control_find(const struct cli *cli, struct control *control)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR"), *chosen = cli->shm_dir;
	char own[sizeof(control->path)] = "/dev/shm/zkcfg";

	if (!chosen)
		chosen = getenv("ZKCFG_SHM_DIR");
	if (!chosen || !*chosen) {
		if (geteuid() != 0 && runtime && *runtime)
			snprintf(own, sizeof(own), "%.60s/zkcfg", runtime);
		else if (geteuid() != 0)
			snprintf(own, sizeof(own), "/dev/shm/zkcfg-%u", (unsigned)geteuid());
		if (snprintf(control->path, sizeof(control->path), "%.80s" CONTROL_SOCKET, own) > 0 &&
		    access(control->path, F_OK) == 0)
			return true;
		chosen = "/dev/shm/zkcfg";
	}
	return (size_t)snprintf(control->path, sizeof(control->path), "%s" CONTROL_SOCKET, chosen) <
	       sizeof(control->path);
}

static void control_done(void *user, const struct http_answer *answer)
{
	struct control *control = user;

	control->failure = answer->failure;
	control->status = answer->status;
	snprintf(control->reason, sizeof(control->reason), "%s", answer->reason);
	if (answer->failure == HTTP_ANSWERED)
		control->answer = json_loadb(answer->body, answer->body_bytes, 0, NULL);
}

static int control_complain(const struct cli *cli, const struct control *control)
{
	struct message places;

	if (control->failure == HTTP_TIMED_OUT) {
		complain("zkcfgd has not answered at %s in time: what was asked for goes on", control->path);
		return CLI_TIMED_OUT;
	}
	if (control->failure == HTTP_ANSWERED) {
		complain("zkcfgd at %s answered with status %d and no JSON-RPC", control->path, control->status);
		return CLI_UNREADABLE;
	}
	set_places(cli, &places);
	if (access(control->path, F_OK) < 0)
		complain("no zkcfgd has a control socket in %s: is it running?", places.text);
	else if (access(control->path, W_OK) < 0)
		complain("the control socket %s is not for this user: root, the user of zkcfgd and the members of "
			 "its control-group may use it",
			 control->path);
	else
		complain("zkcfgd does not answer at %s: %s", control->path, control->reason);
	return CLI_UNREADABLE;
}

/* The result, or what the error says. */
static int control_take(const struct control *control, json_t **result)
{
	json_t *error = json_object_get(control->answer, "error");
	const char *text = json_string_value(json_object_get(error, "message"));

	*result = json_object_get(control->answer, "result");
	if (*result) {
		json_incref(*result);
		return CLI_OK;
	}
	complain("zkcfgd: %s", text ? text : "an answer without result or error");
	return json_integer_value(json_object_get(error, "code")) == CONTROL_NOT_FOUND ? CLI_NOT_FOUND
										       : CLI_UNREADABLE;
}

int control_call(const struct cli *cli, const char *method, json_t *params, json_t **result)
{
	static const char *const headers[] = { "Content-Type: application/json", NULL };
	json_t *request = json_pack("{s:s, s:i, s:s, s:o}", "jsonrpc", "2.0", "id", 1, "method", method, "params", params);
	char *text = request ? json_dumps(request, JSON_COMPACT) : NULL;
	struct control control = { .failure = HTTP_BROKEN };
	struct http_call call = { .url = "http://zkcfgd/rpc",
				  .socket = control.path,
				  .headers = headers,
				  .body = text,
				  .timeout_ms = cli->timeout_ms >= 0 ? (int)cli->timeout_ms : CONTROL_TIMEOUT_MS,
				  .connect_timeout_ms = 5000,
				  .most_bytes = CONTROL_ANSWER_BYTES,
				  .done = control_done,
				  .user = &control };
	int code;

	if (!text) {
		code = output_json(NULL, 0);
	} else if (!control_find(cli, &control)) {
		complain("%s: too long for a socket's path", control.path);
		code = CLI_UNREADABLE;
	} else {
		call.body_bytes = strlen(text);
		if (http_perform(&(struct http_tls){ .ca_file = NULL }, &call) < 0)
			code = output_json(NULL, 0);
		else if (!json_is_object(control.answer))
			code = control_complain(cli, &control);
		else
			code = control_take(&control, result);
	}
	json_decref(control.answer);
	json_decref(request);
	free(text);
	return code;
}
