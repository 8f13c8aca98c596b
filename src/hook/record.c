/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "hook/record.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"

#define RECORD_LIMIT_BYTES ((size_t)256 * 1024 * 1024)
#define RECORD_HEADING "zkcfg-hook 1 "

/* A document's name in a line: '%', and what would end or break the line, as %XX. */
static void record_write_name(struct buffer *text, const char *name)
{
	for (; *name != '\0'; name++) {
		if ((unsigned char)*name < 0x20 || *name == '%' || *name == 0x7f)
			buffer_printf(text, "%%%02x", (unsigned char)*name);
		else
			buffer_append(text, name, 1);
	}
}

static bool record_read_name(char *name)
{
	char *to = name;
	unsigned code;

	for (; *name != '\0'; name++) {
		if (*name != '%') {
			*to++ = *name;
			continue;
		}
		if (sscanf(name + 1, "%2x", &code) != 1 || code == 0)
			return false;
		*to++ = (char)code;
		name += 2;
	}
	*to = '\0';
	return true;
}

static bool record_parse(char *text, struct record *record)
{
	char *line, *rest = NULL, state[16];
	int length;
	uint64_t sum;

	line = strtok_r(text, "\n", &rest);
	if (!line || sscanf(line, RECORD_HEADING "%15s %" SCNu64 " %" SCNx64, state, &record->seq,
			    &record->definition) != 3)
		return false;
	record->is_begun = strcmp(state, "applied") != 0;
	while ((line = strtok_r(NULL, "\n", &rest))) {
		if (strcmp(line, "end") == 0)
			return strtok_r(NULL, "\n", &rest) == NULL;
		length = 0;
		if (sscanf(line, "%" SCNx64 " %n", &sum, &length) != 1 || length == 0 ||
		    !record_read_name(line + length) || !prints_add(&record->prints, line + length, sum))
			return false;
	}
	return false;
}

int record_load(const char *state_dir, const char *name, struct record *record)
{
	struct record found = { 0 };
	struct buffer text = { 0 };
	char path[PATH_MAX];
	int err;

	if ((size_t)snprintf(path, sizeof(path), "%s/hooks/%s", state_dir, name) >= sizeof(path))
		return -ENAMETOOLONG;
	err = file_read(path, RECORD_LIMIT_BYTES, &text);
	if (err == 0) {
		buffer_append(&text, "", 1);
		err = buffer_failed(&text) ? -ENOMEM : record_parse(text.bytes, &found) ? 0 : -ENOENT;
	}
	buffer_free(&text);
	if (err < 0)
		record_free(&found);
	else
		*record = found;
	return err;
}

int record_save(const char *state_dir, const char *name, const struct record *record)
{
	struct buffer text = { 0 };
	char path[PATH_MAX];
	int dir_fd, err;

	if ((size_t)snprintf(path, sizeof(path), "%s/hooks", state_dir) >= sizeof(path))
		return -ENAMETOOLONG;
	err = file_make_dirs(path, 0700);
	if (err < 0)
		return err;
	buffer_printf(&text, RECORD_HEADING "%s %" PRIu64 " %" PRIx64 "\n",
		      record->is_begun ? "begun" : "applied", record->seq, record->definition);
	for (size_t i = 0; i < record->prints.count; i++) {
		buffer_printf(&text, "%" PRIx64 " ", record->prints.items[i].sum);
		record_write_name(&text, record->prints.items[i].document);
		buffer_append(&text, "\n", 1);
	}
	buffer_append(&text, "end\n", 4);
	dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir_fd < 0) {
		err = -errno;
		goto free_text;
	}
	err = buffer_failed(&text) ? -ENOMEM : file_replace(dir_fd, name, 0600, text.bytes, text.size_bytes);
	close(dir_fd);
free_text:
	buffer_free(&text);
	return err;
}

void record_free(struct record *record)
{
	prints_free(&record->prints);
}
