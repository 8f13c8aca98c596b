/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A libuv loop that hears of changes as it hears of its sockets.
 *
 *   cc libuv.c $(pkg-config --cflags --libs libzkcfg libuv) -o libuv && ./libuv app
 *
 * Until the set is there it is looked for twice a second; a set that goes and
 * comes back is found by the library.
 */
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <uv.h>

#include <zkcfg/zkcfg.h>

struct service {
	const char *set;
	uv_loop_t loop;
	uv_timer_t opening; /* looks for the set until it is there */
	uv_poll_t readable;
	uv_signal_t end;
	struct zkcfg *cfg;
	uint64_t seen;
	char level[32];
	long most; /* values to print; -1: until SIGTERM */
	int code;
};

static void stop(struct service *service, int code)
{
	service->code = code;
	uv_stop(&service->loop);
}

static void show(struct service *service)
{
	printf("level %s\n", service->level);
	fflush(stdout);
	if (--service->most == 0)
		stop(service, 0);
}

static void take(struct service *service)
{
	struct zkcfg_snapshot *now;
	char before[sizeof(service->level)];
	const char *level;
	int err;

	if (zkcfg_pin(service->cfg, &now) != 0)
		return; /* nothing is published, or not yet again: the descriptor tells */
	service->seen = zkcfg_snapshot_seq(now);
	memcpy(before, service->level, sizeof(before));
	err = zkcfg_get_string(now, "service.xml", "/service/log/@level", &level);
	if (err == 0) /* copied: the string lives as long as the snapshot is pinned */
		snprintf(service->level, sizeof(service->level), "%s", level);
	else
		fprintf(stderr, "libuv: level %s stays: %s\n", before, zkcfg_strerror(err));
	zkcfg_unpin(now);
	if (strcmp(before, service->level) != 0)
		show(service);
}

/* First cleared, then looked at: a commit between the two makes it readable again. */
static void on_readable(uv_poll_t *poll, int status, int events)
{
	struct service *service = poll->data;

	(void)status, (void)events;
	zkcfg_descriptor_clear(service->cfg);
	if (zkcfg_changed(service->cfg, service->seen))
		take(service);
}

static void on_opening(uv_timer_t *timer)
{
	struct service *service = timer->data;
	int fd, err = zkcfg_open(service->set, NULL, &service->cfg);

	if (err == ZKCFG_ENOSET)
		return;
	uv_timer_stop(timer);
	if (err == 0)
		err = zkcfg_descriptor(service->cfg, &fd);
	if (err == 0) {
		service->readable.data = service;
		if (uv_poll_init(&service->loop, &service->readable, fd) == 0 &&
		    uv_poll_start(&service->readable, UV_READABLE, on_readable) == 0) {
			take(service); /* what was there before the descriptor */
			return;
		}
		err = ZKCFG_ESYSTEM;
	}
	fprintf(stderr, "libuv: %s: %s\n", service->set, zkcfg_strerror(err));
	stop(service, 1);
}

static void on_end(uv_signal_t *end, int signal)
{
	(void)signal;
	stop(end->data, 0);
}

static void close_handle(uv_handle_t *handle, void *unused)
{
	(void)unused;
	uv_close(handle, NULL);
}

int main(int argc, char **argv)
{
	static struct service service = { .level = "warning" };

	if (argc < 2)
		return fprintf(stderr, "usage: libuv SET [COUNT]\n"), 2;
	service.set = argv[1];
	service.most = argc > 2 ? atol(argv[2]) : -1;
	service.opening.data = service.end.data = &service;
	if (uv_loop_init(&service.loop) != 0)
		return fprintf(stderr, "libuv: no loop\n"), 1;
	show(&service);
	if (uv_signal_init(&service.loop, &service.end) != 0 ||
	    uv_signal_start(&service.end, on_end, SIGTERM) != 0 ||
	    uv_timer_init(&service.loop, &service.opening) != 0 ||
	    uv_timer_start(&service.opening, on_opening, 0, 500) != 0)
		stop(&service, 1);
	uv_run(&service.loop, UV_RUN_DEFAULT);
	uv_walk(&service.loop, close_handle, NULL); /* before the descriptor that it watches goes */
	uv_run(&service.loop, UV_RUN_DEFAULT);
	uv_loop_close(&service.loop);
	zkcfg_close(service.cfg);
	return service.code;
}
