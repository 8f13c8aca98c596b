/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A libevent loop that hears of changes as it hears of its sockets.
 *
 *   cc libevent.c $(pkg-config --cflags --libs libzkcfg libevent_core) -o libevent && ./libevent app
 *
 * Until the set is there it is looked for twice a second; a set that goes and
 * comes back is found by the library.
 */
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include <zkcfg/zkcfg.h>

struct service {
	const char *set;
	struct event_base *loop;
	struct event *opening; /* looks for the set until it is there */
	struct event *readable;
	struct zkcfg *cfg;
	uint64_t seen;
	char level[32];
	long most; /* values to print; -1: until SIGTERM */
};

static void show(struct service *service)
{
	printf("level %s\n", service->level);
	fflush(stdout);
	if (--service->most == 0)
		event_base_loopbreak(service->loop);
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
	snprintf(before, sizeof(before), "%s", service->level);
	err = zkcfg_get_string(now, "service.xml", "/service/log/@level", &level);
	if (err == 0) /* copied: the string lives as long as the snapshot is pinned */
		snprintf(service->level, sizeof(service->level), "%s", level);
	else
		fprintf(stderr, "libevent: level %s stays: %s\n", before, zkcfg_strerror(err));
	zkcfg_unpin(now);
	if (strcmp(before, service->level) != 0)
		show(service);
}

/* First cleared, then looked at: a commit between the two makes it readable again. */
static void on_readable(evutil_socket_t fd, short what, void *user)
{
	struct service *service = user;

	(void)fd, (void)what;
	zkcfg_descriptor_clear(service->cfg);
	if (zkcfg_changed(service->cfg, service->seen))
		take(service);
}

static void on_opening(evutil_socket_t none, short what, void *user)
{
	struct service *service = user;
	int fd, err = zkcfg_open(service->set, NULL, &service->cfg);

	(void)none, (void)what;
	if (err == ZKCFG_ENOSET)
		return;
	event_del(service->opening);
	if (err == 0)
		err = zkcfg_descriptor(service->cfg, &fd);
	if (err == 0) {
		service->readable = event_new(service->loop, fd, EV_READ | EV_PERSIST, on_readable, service);
		if (service->readable && event_add(service->readable, NULL) == 0) {
			take(service); /* what was there before the descriptor */
			return;
		}
		err = ZKCFG_ENOMEM;
	}
	fprintf(stderr, "libevent: %s: %s\n", service->set, zkcfg_strerror(err));
	event_base_loopbreak(service->loop);
}

static void on_end(evutil_socket_t signal, short what, void *user)
{
	(void)signal, (void)what;
	event_base_loopbreak(user);
}

int main(int argc, char **argv)
{
	const struct timeval half = { .tv_usec = 500000 };
	struct service service = { .level = "warning", .most = argc > 2 ? atol(argv[2]) : -1 };
	struct event *end = NULL;
	int code = 1;

	if (argc < 2)
		return fprintf(stderr, "usage: libevent SET [COUNT]\n"), 2;
	service.set = argv[1];
	service.loop = event_base_new();
	if (service.loop) {
		end = evsignal_new(service.loop, SIGTERM, on_end, service.loop);
		service.opening = event_new(service.loop, -1, EV_PERSIST, on_opening, &service);
	}
	if (end && service.opening && event_add(end, NULL) == 0 && event_add(service.opening, &half) == 0) {
		show(&service);
		event_active(service.opening, 0, 0); /* now, and not in half a second */
		code = event_base_dispatch(service.loop) < 0;
	}
	if (service.readable)
		event_free(service.readable); /* before the descriptor that it watches goes */
	zkcfg_close(service.cfg);
	if (service.opening)
		event_free(service.opening);
	if (end)
		event_free(end);
	if (service.loop)
		event_base_free(service.loop);
	return code;
}
