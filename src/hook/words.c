/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "hook/words.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define WORDS_BLANK " \t\r\n"

/* The word at *at is unquoted into `word`; false: it ends before its quotes or its backslash do. */
static bool words_take(const char **at, char *word)
{
	const char *c = *at;
	char quote = '\0';

	for (; *c != '\0' && (quote || !strchr(WORDS_BLANK, *c)); c++) {
		if (quote ? *c == quote : *c == '\'' || *c == '"') {
			quote = quote ? '\0' : *c;
			continue;
		}
		if (*c == '\\' && quote != '\'' && *++c == '\0')
			return false;
		*word++ = *c;
	}
	*word = '\0';
	*at = c;
	return quote == '\0';
}

int words_split(const char *text, char ***words, struct message *message)
{
	size_t length = strlen(text), count = 0;
	char **found = calloc(length / 2 + 2, sizeof(*found)); /* one letter and one blank a word */
	char *word = malloc(length + 1);
	const char *at = text;
	int err = -ENOMEM;

	if (!found || !word)
		goto free_found;
	err = -EINVAL;
	for (at += strspn(at, WORDS_BLANK); *at != '\0'; at += strspn(at, WORDS_BLANK)) {
		if (!words_take(&at, word)) {
			message_set(message, "a quote or a backslash is not ended: expected a command, as "
					     "/usr/sbin/nginx -t -c {}");
			goto free_found;
		}
		found[count] = strdup(word);
		if (!found[count++]) {
			err = -ENOMEM;
			goto free_found;
		}
	}
	if (count == 0 || found[0][0] == '\0') {
		message_set(message, "there is no program: expected a command, as /usr/sbin/nginx -s reload");
		goto free_found;
	}
	free(word);
	*words = found;
	return 0;
free_found:
	if (err == -ENOMEM)
		message_set(message, "out of memory");
	free(word);
	words_free(found);
	return err;
}

void words_free(char **words)
{
	for (char **word = words; word && *word; word++)
		free(*word);
	free(words);
}
