/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/freeze.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

#define FREEZE_FORMAT "zkcfg-frozen 1 %" PRId64 " %" PRId64 "\n"
#define FREEZE_SCAN "zkcfg-frozen 1 %" SCNd64 " %" SCNd64

/* lastgood_open() has made the directory, unless it is too long to be made. */
static const char *freeze_path(const struct freeze *freeze, const char *ending, char path[PATH_MAX])
{
	snprintf(path, PATH_MAX, "%s/%s/frozen%s", freeze->state_dir, freeze->set, ending);
	return path;
}

void freeze_load(struct freeze *freeze, const char *state_dir, const char *set)
{
	char path[PATH_MAX];
	FILE *file;

	*freeze = (struct freeze){ .state_dir = state_dir, .set = set };
	file = fopen(freeze_path(freeze, "", path), "re");
	if (!file && errno == ENOENT)
		return;
	freeze->is_frozen = true;
	if (!file || fscanf(file, FREEZE_SCAN, &freeze->since_ns, &freeze->until_ns) != 2 || freeze->since_ns < 0 ||
	    freeze->until_ns < 0) {
		log_warning("set %s: %s cannot be understood: frozen until it is thawed", set, path);
		freeze->since_ns = freeze->until_ns = 0;
	}
	if (file)
		fclose(file);
}

static int freeze_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644), err = 0;
	ssize_t put;

	if (fd < 0)
		return -errno;
	put = write(fd, text, strlen(text));
	if (put < 0 || fsync(fd) < 0)
		err = -errno;
	else if ((size_t)put < strlen(text))
		err = -ENOSPC;
	close(fd);
	return err;
}

int freeze_begin(struct freeze *freeze, int64_t now_ns, int64_t until_ns, struct message *message)
{
	int64_t since_ns = freeze->is_frozen ? freeze->since_ns : now_ns;
	char path[PATH_MAX], next[PATH_MAX], text[128];
	int err;

	snprintf(text, sizeof(text), FREEZE_FORMAT, since_ns, until_ns);
	err = freeze_write(freeze_path(freeze, ".new", next), text);
	if (err == 0 && rename(next, freeze_path(freeze, "", path)) < 0)
		err = -errno;
	if (err < 0) {
		unlink(next);
		message_set(message, "set %s cannot be frozen: %s: %s; %s", freeze->set, next, strerror(-err),
			    freeze->is_frozen ? "it stays frozen as it was" : "it goes on as before");
		return err;
	}
	freeze->is_frozen = true;
	freeze->since_ns = since_ns;
	freeze->until_ns = until_ns;
	return 0;
}

int freeze_end(struct freeze *freeze, struct message *message)
{
	char path[PATH_MAX];

	if (unlink(freeze_path(freeze, "", path)) < 0 && errno != ENOENT) {
		int err = -errno;

		message_set(message, "set %s cannot be thawed: %s: %s; it stays frozen", freeze->set, path,
			    strerror(errno));
		return err;
	}
	freeze->is_frozen = false;
	freeze->since_ns = freeze->until_ns = 0;
	return 0;
}

bool freeze_is_over(const struct freeze *freeze, int64_t now_ns)
{
	return freeze->is_frozen && freeze->until_ns > 0 && freeze->until_ns <= now_ns;
}

void freeze_describe(const struct freeze *freeze, struct message *text)
{
	char since[CLOCK_TEXT_BYTES], until[CLOCK_TEXT_BYTES];

	text->text[0] = '\0';
	if (!freeze->is_frozen)
		return;
	clock_format(freeze->since_ns, since);
	clock_format(freeze->until_ns, until);
	message_set(text, "FROZEN%s%s%s%s", freeze->since_ns > 0 ? " since " : "",
		    freeze->since_ns > 0 ? since : "", freeze->until_ns > 0 ? ", until " : ", until it is thawed",
		    freeze->until_ns > 0 ? until : "");
}
