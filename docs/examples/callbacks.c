/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Functions that are called for what is below a path, with the old value and
 * the new one: after each commit, for what differs, and for nothing else.
 *
 *   cc callbacks.c $(pkg-config --cflags --libs libzkcfg) -o callbacks && ./callbacks app
 *
 * At first everything is new. A daemon that was started anew, or a segment that
 * was removed, changes nothing: what is told is what differs from the snapshot
 * that is held here.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <zkcfg/zkcfg.h>

#define LOOK_MS 500 /* how soon a set that is not there yet is found */

static volatile sig_atomic_t ends;
static long most; /* calls that are printed; -1: until SIGTERM */

static void on_end(int signal)
{
	(void)signal;
	ends = 1;
}

static void print(const char *who, const struct zkcfg_change *change)
{
	if (ends)
		return;
	printf("%s: %s: %s -> %s\n", who, change->path, change->old_value ? change->old_value : "(none)",
	       change->new_value ? change->new_value : "(none)");
	fflush(stdout);
	if (--most == 0)
		ends = 1;
}

static void on_limits(const struct zkcfg_change *change)
{
	print("limits", change);
}

static void on_listen(const struct zkcfg_change *change)
{
	print("listen", change);
}

static const struct {
	const char *document, *prefix;
	void (*call)(const struct zkcfg_change *change);
} callbacks[] = {
	{ "service.xml", "/service/limits", on_limits },
	{ "service.xml", "/service/listen", on_listen },
};

/* "/a/b" has "/a/b", "/a/b/c" and "/a/b/@c" below it, not "/a/bc" and not "/a/b[2]". */
static int is_below(const char *path, const char *prefix)
{
	size_t length = strlen(prefix);

	return strncmp(path, prefix, length) == 0 && (path[length] == '\0' || path[length] == '/');
}

static int dispatch(const struct zkcfg_change *change, void *unused)
{
	(void)unused;
	if (!change->path) /* a document came or went: its values are told one by one behind this */
		return 0;
	for (size_t i = 0; i < sizeof(callbacks) / sizeof(callbacks[0]); i++)
		if (strcmp(change->document, callbacks[i].document) == 0 &&
		    is_below(change->path, callbacks[i].prefix))
			callbacks[i].call(change);
	return 0;
}

static void follow(struct zkcfg *cfg)
{
	struct zkcfg_snapshot *have = NULL, *now;
	int err;

	while (!ends) {
		err = zkcfg_wait_for(cfg, have, NULL, NULL, LOOK_MS, &now);
		if (err == ZKCFG_ETIMEDOUT || err == ZKCFG_EINTR)
			continue;
		if (err != 0) { /* nothing is published, or the set is being made anew */
			usleep(LOOK_MS * 1000);
			continue;
		}
		err = zkcfg_diff(have, now, dispatch, NULL);
		if (err != 0)
			fprintf(stderr, "callbacks: %s\n", zkcfg_strerror(err));
		zkcfg_unpin(have); /* old values lived until here */
		have = now;
	}
	zkcfg_unpin(have);
}

int main(int argc, char **argv)
{
	struct zkcfg *cfg = NULL;
	int err;

	if (argc < 2)
		return fprintf(stderr, "usage: callbacks SET [COUNT]\n"), 2;
	most = argc > 2 ? atol(argv[2]) : -1;
	signal(SIGTERM, on_end);
	while ((err = zkcfg_open(argv[1], NULL, &cfg)) == ZKCFG_ENOSET && !ends)
		usleep(LOOK_MS * 1000);
	if (err != 0 && !ends)
		return fprintf(stderr, "callbacks: %s: %s\n", argv[1], zkcfg_strerror(err)), 1;
	if (cfg)
		follow(cfg);
	zkcfg_close(cfg);
	return 0;
}
