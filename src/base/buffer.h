/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A growing run of bytes.
 *
 * An allocation that fails is remembered: append on, and ask buffer_failed()
 * once at the end.
 */
#ifndef ZKCFG_BASE_BUFFER_H
#define ZKCFG_BASE_BUFFER_H

#include <stdbool.h>
#include <stddef.h>

struct buffer {
	char *bytes;
	size_t size_bytes;
	size_t capacity_bytes;
	bool failed;
};

/* struct buffer b = {0} is an empty one. */
void buffer_append(struct buffer *buffer, const void *bytes, size_t size_bytes);
__attribute__((format(printf, 2, 3))) void buffer_printf(struct buffer *buffer, const char *format, ...);
bool buffer_failed(const struct buffer *buffer);
/* Empty it, keep its memory. */
void buffer_clear(struct buffer *buffer);
/* Free its memory and make it empty. */
void buffer_free(struct buffer *buffer);

#endif
