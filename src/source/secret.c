/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "source/secret.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buffer.h"
#include "base/file.h"
#include "base/log.h"

#define SECRET_MOST_BYTES 1024

/* One line, which is not empty; ends the text behind it. */
static bool secret_is_line(char *text)
{
	size_t length = strcspn(text, "\r\n");

	if (text[length + strspn(text + length, "\r\n")] != '\0')
		return false;
	text[length] = '\0';
	return length > 0;
}

bool secret_is_user_and_password(const char *line)
{
	return strchr(line, ':') != NULL && line[0] != ':';
}

static void secret_look_at_mode(const struct secret_file *wanted)
{
	struct stat st;

	if (stat(wanted->file, &st) == 0 && (st.st_mode & (S_IRWXG | S_IRWXO) & ~(mode_t)S_IRGRP) != 0)
		log_warning("%s %s has mode %04o: others than its owner and group have access to the "
			    "%s; expected 0600 or 0640",
			    wanted->option, wanted->file, (unsigned int)st.st_mode & 07777, wanted->what);
}

int secret_read(const struct secret_file *wanted, char **secret, struct message *message)
{
	struct buffer text = { 0 };
	int err;

	err = file_read(wanted->file, SECRET_MOST_BYTES, &text);
	if (err < 0) {
		message_set(message, "%s %.256s cannot be read: %s%s%s%s", wanted->option, wanted->file,
			    strerror(-err), err == -EFBIG ? " (more than 1024 bytes; expected " : "",
			    err == -EFBIG ? wanted->expected : "", err == -EFBIG ? ")" : "");
		goto free_text;
	}
	buffer_append(&text, "", 1);
	if (buffer_failed(&text)) {
		err = -ENOMEM;
		message_set(message, "out of memory");
		goto free_text;
	}
	if (strlen(text.bytes) + 1 != text.size_bytes || !secret_is_line(text.bytes) ||
	    !wanted->is_right(text.bytes)) {
		err = -EINVAL;
		message_set(message, "%s %.256s does not hold what was expected: %s", wanted->option,
			    wanted->file, wanted->expected);
		goto free_text;
	}
	secret_look_at_mode(wanted);
	*secret = text.bytes;
	return 0;
free_text:
	if (text.bytes)
		explicit_bzero(text.bytes, text.size_bytes);
	buffer_free(&text);
	return err;
}

void secret_free(char *secret)
{
	if (!secret)
		return;
	explicit_bzero(secret, strlen(secret));
	free(secret);
}
