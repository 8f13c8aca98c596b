/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* What a file URI says, and writing to where it leads. */
#include "source/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/duration.h"
#include "base/file.h"
#include "base/uri.h"
#include "source/folder.h"

static int file_take_settle(const char *value, struct file_target *target, struct message *message)
{
	if (duration_parse(value, NULL, &target->settle_ms) == 0 && target->settle_ms <= FILE_SETTLE_MOST_MS)
		return 0;
	message_set(message, "settle is \"%.32s\"; expected a duration of 0 to %d m, as 500ms", value,
		    FILE_SETTLE_MOST_MS / 60000);
	return -EINVAL;
}

static int file_take_match(const char *value, struct file_target *target, struct message *message)
{
	if (*value == '\0' || strchr(value, '/')) {
		message_set(message, "match is \"%.64s\"; expected a pattern for names of files, as *.xml",
			    value);
		return -EINVAL;
	}
	target->match = strdup(value);
	return target->match ? 0 : -ENOMEM;
}

/* mode=pull&interval=... in one. */
static int file_take_poll(const char *value, struct file_target *target, struct message *message)
{
	int64_t ms;

	if (duration_parse(value, NULL, &ms) < 0 || ms < PACE_INTERVAL_LEAST_MS || ms > PACE_MOST_MS) {
		message_set(message, "poll is \"%.32s\"; expected a duration of %d ms to %d h, as 5s", value,
			    PACE_INTERVAL_LEAST_MS, PACE_MOST_MS / 3600000);
		return -EINVAL;
	}
	target->pace.is_pull = true;
	target->pace.interval_ms = ms;
	return 0;
}

static int file_take_option(const struct uri_option *option, struct file_target *target,
			    struct message *message)
{
	int taken = pace_take(&target->pace, option, message);

	if (taken != 0)
		return taken < 0 ? taken : 0;
	if (strcmp(option->key, "settle") == 0)
		return file_take_settle(option->value, target, message);
	if (strcmp(option->key, "match") == 0)
		return file_take_match(option->value, target, message);
	if (strcmp(option->key, "poll") == 0)
		return file_take_poll(option->value, target, message);
	message_set(message, "the option %.64s is not known; expected " PACE_OPTIONS ", settle, match, poll",
		    option->key);
	return -EINVAL;
}

static int file_take_uri(struct uri *uri, struct file_target *target, struct message *message)
{
	int err = 0;

	if (*uri->authority != '\0') {
		message_set(message, "%.64s stands where a host would; expected three slashes and an absolute "
				     "path, as file:///etc/app",
			    uri->authority);
		return -EINVAL;
	}
	pace_init(&target->pace);
	target->settle_ms = FILE_SETTLE_MS;
	for (size_t i = 0; i < uri->option_count && err == 0; i++)
		err = file_take_option(&uri->options[i], target, message);
	if (err == 0)
		err = pace_check(&target->pace, message);
	if (err < 0)
		return err;
	target->path = uri->path;
	uri->path = NULL;
	return 0;
}

int file_target_parse(const char *uri_text, struct file_target *target, struct message *message)
{
	struct file_target parsed = { 0 };
	struct uri uri;
	int err = uri_parse(uri_text, &uri, message);

	if (err == 0) {
		err = file_take_uri(&uri, &parsed, message);
		uri_free(&uri);
	}
	if (err == -ENOMEM)
		message_set(message, "out of memory");
	if (err < 0)
		file_target_free(&parsed);
	else
		*target = parsed;
	return err;
}

void file_target_free(struct file_target *target)
{
	free(target->path);
	free(target->match);
	*target = (struct file_target){ 0 };
}

static bool file_ends_in(const char *name, const char *ending)
{
	size_t length = strlen(name), ending_length = strlen(ending);

	return length > ending_length && strcmp(name + length - ending_length, ending) == 0;
}

bool file_is_ignored(const char *name)
{
	/* vi, JetBrains, dpkg, ucf, rpm; emacs and others: '~' and "#name#" */
	static const char *const endings[] = { ".swp",	     ".swx",	  "~",	       "___jb_tmp___",
					       "___jb_old___", ".dpkg-new", ".dpkg-old", ".dpkg-dist",
					       ".dpkg-tmp",    ".dpkg-bak", ".ucf-new",	 ".ucf-old",
					       ".ucf-dist",    ".rpmnew",   ".rpmsave",	 ".rpmorig" };

	if (name[0] == '.' || (name[0] == '#' && file_ends_in(name, "#")))
		return true;
	for (size_t i = 0; i < sizeof(endings) / sizeof(*endings); i++)
		if (file_ends_in(name, endings[i]))
			return true;
	return false;
}

/* --- writing ------------------------------------------------------------------- */

/* What is to be written, once nothing speaks against it. */
static enum source_result file_write_target(const char *uri, const struct source_change *change,
					    struct file_target *target, struct message *message)
{
	const char *name;

	if (file_target_parse(uri, target, message) < 0)
		return SOURCE_INVALID;
	name = strrchr(target->path, '/') + 1;
	if (change->if_version >= 0)
		message_set(message, "files have no versions that a change could depend on; expected no version");
	else if (*name == '\0' || file_is_ignored(name))
		message_set(message, "%s is not the path of a document", target->path);
	else if (change->size_bytes > FOLDER_FILE_MOST_BYTES)
		message_set(message, "%zu bytes are more than a file may have, %d (16 MiB)", change->size_bytes,
			    FOLDER_FILE_MOST_BYTES);
	else
		return SOURCE_DONE;
	file_target_free(target);
	return SOURCE_INVALID;
}

/* The directory that it is in; made when it is to be put there. A negative errno. */
static int file_open_directory(const struct file_target *target, bool make)
{
	const char *slash = strrchr(target->path, '/');
	char *directory = slash == target->path ? strdup("/") :
						  strndup(target->path, (size_t)(slash - target->path));
	int err = directory ? 0 : -ENOMEM, fd;

	if (err == 0 && make)
		err = file_make_dirs(directory, 0755);
	fd = err < 0 ? err : open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (err == 0 && fd < 0)
		fd = -errno;
	free(directory);
	return fd;
}

/* As the one that is there; else as usual. */
static mode_t file_mode(int dir_fd, const char *name)
{
	struct stat stat;

	return fstatat(dir_fd, name, &stat, 0) == 0 ? stat.st_mode & 0777 : 0644;
}

enum source_result file_put(const char *uri, const struct source_change *change, int64_t *version,
			    struct message *message)
{
	struct file_target target;
	enum source_result result = file_write_target(uri, change, &target, message);
	const char *name;
	int dir_fd, err;

	if (result != SOURCE_DONE)
		return result;
	name = strrchr(target.path, '/') + 1;
	dir_fd = file_open_directory(&target, true);
	err = dir_fd < 0 ? dir_fd :
			   file_replace(dir_fd, name, file_mode(dir_fd, name), change->bytes, change->size_bytes);
	if (dir_fd >= 0)
		close(dir_fd);
	if (err < 0)
		message_set(message, "%s cannot be written: %s", target.path, strerror(-err));
	else
		*version = -1;
	file_target_free(&target);
	return err < 0 ? SOURCE_FAILED : SOURCE_DONE;
}

enum source_result file_remove(const char *uri, const struct source_change *change, struct message *message)
{
	struct file_target target;
	enum source_result result = file_write_target(uri, change, &target, message);
	int err = 0;

	if (result != SOURCE_DONE)
		return result;
	if (unlink(target.path) < 0)
		err = -errno;
	if (err == -ENOENT || err == -ENOTDIR)
		message_set(message, "there is no file %s", target.path);
	else if (err < 0)
		message_set(message, "%s cannot be removed: %s", target.path,
			    err == -EISDIR ? "it is a directory" : strerror(-err));
	file_target_free(&target);
	if (err == 0)
		return SOURCE_DONE;
	return err == -ENOENT || err == -ENOTDIR ? SOURCE_MISSING : err == -EISDIR ? SOURCE_INVALID : SOURCE_FAILED;
}
