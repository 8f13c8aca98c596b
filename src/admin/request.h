/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The head of an HTTP/1.x request, taken apart.
 *
 * Pure: bytes in, a request or the status to refuse it with out. Strict, as
 * nobody has to talk to us who cannot write a request: whatever two programs
 * could understand in two ways (folded lines, bare line feeds, a length that is
 * given twice, chunks) is refused. Bodies are the server's business; they have
 * a Content-Length or are not there.
 */
#ifndef ZKCFG_ADMIN_REQUEST_H
#define ZKCFG_ADMIN_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/message.h"

#define REQUEST_HEADERS_MOST 64

struct request_limits {
	size_t line_bytes; /* of the first line */
	size_t head_bytes; /* all of it, with the empty line that ends it */
	size_t body_bytes;
};

struct request_header {
	const char *name, *value;
};

/* Pointers lead into the head that was given to request_parse(). */
struct request {
	const char *method; /* one that HTTP has, upper case */
	const char *path;   /* begins with '/'; not decoded: see request_decode() */
	const char *query;  /* behind '?', not decoded; "" */
	struct request_header headers[REQUEST_HEADERS_MOST];
	size_t header_count;
	const char *host;      /* NULL: none, which only HTTP/1.0 may have */
	uint64_t body_bytes;   /* that follow the head */
	bool is_kept_alive;    /* the client wants to ask again on this connection */
	bool expects_continue; /* it waits for a word before it sends the body */
	const char *body;      /* of body_bytes, NUL behind them; filled in by the server */
};

/*
 * Where the head ends in what has come so far, with its empty line; 0: not yet.
 * *status: out, 0, or that of a refusal before the end is seen.
 */
size_t request_head_bytes(const char *bytes, size_t size_bytes, const struct request_limits *limits,
			  int *status, struct message *why);

/*
 * Take a whole head apart, in place. 0, or the status to refuse it with, and
 * why; the connection must be closed then, as nobody knows where the next
 * request begins.
 */
int request_parse(char *head, size_t head_bytes, const struct request_limits *limits, struct request *request,
		  struct message *why);

/* Its value, or NULL. Names are those of no matter what case. */
const char *request_header(const struct request *request, const char *name);

/*
 * Undo %XX in size_bytes of text, into a string; free() it. NULL: it is no text:
 * half a %XX, control characters, or not UTF-8; or there is no memory.
 */
char *request_decode(const char *text, size_t size_bytes);
/* A key's value in the query, decoded; free() it. NULL: there is none, *is_wrong: or none that is text. */
char *request_query(const struct request *request, const char *key, bool *is_wrong);

#endif
