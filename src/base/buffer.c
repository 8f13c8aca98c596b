/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buffer.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool buffer_reserve(struct buffer *buffer, size_t more_bytes)
{
	size_t capacity = buffer->capacity_bytes ? buffer->capacity_bytes : 256;
	char *bytes;

	if (buffer->failed || more_bytes > SIZE_MAX / 2 - buffer->size_bytes) {
		buffer->failed = true;
		return false;
	}
	while (capacity - buffer->size_bytes < more_bytes)
		capacity *= 2;
	if (capacity == buffer->capacity_bytes)
		return true;
	bytes = realloc(buffer->bytes, capacity);
	if (!bytes) {
		buffer->failed = true;
		return false;
	}
	buffer->bytes = bytes;
	buffer->capacity_bytes = capacity;
	return true;
}

void buffer_append(struct buffer *buffer, const void *bytes, size_t size_bytes)
{
	if (size_bytes == 0 || !buffer_reserve(buffer, size_bytes))
		return;
	memcpy(buffer->bytes + buffer->size_bytes, bytes, size_bytes);
	buffer->size_bytes += size_bytes;
}

void buffer_printf(struct buffer *buffer, const char *format, ...)
{
	va_list args;
	int needed;

	va_start(args, format);
	needed = vsnprintf(NULL, 0, format, args);
	va_end(args);
	if (needed < 0 || !buffer_reserve(buffer, (size_t)needed + 1)) {
		buffer->failed = true;
		return;
	}
	va_start(args, format);
	vsnprintf(buffer->bytes + buffer->size_bytes, (size_t)needed + 1, format, args);
	va_end(args);
	buffer->size_bytes += (size_t)needed;
}

bool buffer_failed(const struct buffer *buffer)
{
	return buffer->failed;
}

void buffer_clear(struct buffer *buffer)
{
	buffer->size_bytes = 0;
	buffer->failed = false;
}

void buffer_free(struct buffer *buffer)
{
	free(buffer->bytes);
	*buffer = (struct buffer){ 0 };
}
