/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/accept_older.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"

#define ASKED ""
#define TAKEN ".taken"
#define ANSWER ".answer"

/* One that is too long is not there: lastgood_open() has made the directory. */
static const char *accept_older_path(const struct accept_older *request, const char *ending,
				     char path[PATH_MAX])
{
	snprintf(path, PATH_MAX, "%s/%s/accept-older%s", request->state_dir, request->set, ending);
	return path;
}

/* 0, -ENOENT, or why it is no request. */
static int accept_older_look(const char *path)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		return errno == ENOTDIR ? -ENOENT : -errno;
	return S_ISREG(st.st_mode) ? 0 : -EINVAL;
}

void accept_older_begin(struct accept_older *request, const char *state_dir, const char *set)
{
	char path[PATH_MAX];

	*request = (struct accept_older){ .state_dir = state_dir, .set = set };
	request->is_under_way = accept_older_look(accept_older_path(request, TAKEN, path)) == 0;
}

static int accept_older_rename(struct accept_older *request, const char *asked)
{
	char taken[PATH_MAX], answer[PATH_MAX];
	int err = accept_older_look(asked);

	if (err < 0)
		return err;
	if (unlink(accept_older_path(request, ANSWER, answer)) < 0 && errno != ENOENT)
		return -errno;
	return rename(asked, accept_older_path(request, TAKEN, taken)) < 0 ? -errno : 0;
}

bool accept_older_take(struct accept_older *request)
{
	char asked[PATH_MAX];
	int err = accept_older_rename(request, accept_older_path(request, ASKED, asked));

	if (err < 0) {
		if (err != -ENOENT && err != -request->refused)
			log_error("set %s: the request %s cannot be taken: %s; nothing is accepted",
				  request->set, asked, err == -EINVAL ? "it is not a file" : strerror(-err));
		request->refused = -err;
		return false;
	}
	request->refused = 0;
	request->is_under_way = true;
	return true;
}

/* Without fsync: the loop does not wait for a disk, and nothing depends on it. */
static int accept_older_answer(const struct accept_older *request, const char *text)
{
	char next[PATH_MAX], answer[PATH_MAX];
	ssize_t put;
	int fd, err = 0;

	accept_older_path(request, ANSWER ".new", next);
	unlink(next);
	fd = open(next, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0)
		return -errno;
	put = write(fd, text, strlen(text));
	if (put < 0)
		err = -errno;
	else if ((size_t)put < strlen(text))
		err = -ENOSPC;
	close(fd);
	if (err == 0 && rename(next, accept_older_path(request, ANSWER, answer)) < 0)
		err = -errno;
	if (err < 0)
		unlink(next);
	return err;
}

void accept_older_end(struct accept_older *request, const char *answer)
{
	char taken[PATH_MAX];
	int err = accept_older_answer(request, answer);

	request->is_under_way = false;
	if (err < 0)
		log_warning("set %s: zkcfg accept-older cannot be answered in %s/%s: %s", request->set,
			    request->state_dir, request->set, strerror(-err));
	if (unlink(accept_older_path(request, TAKEN, taken)) < 0 && errno != ENOENT)
		log_error(
			"set %s: %s cannot be removed: %s; the next start accepts older revisions once more",
			request->set, taken, strerror(errno));
}
