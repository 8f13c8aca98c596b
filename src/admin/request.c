/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/request.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char *const request_methods[] = { "GET",	  "HEAD",  "POST",  "PUT",    "DELETE",
					       "OPTIONS", "PATCH", "TRACE", "CONNECT" };

static int refuse(struct message *why, int status, const char *text)
{
	message_set(why, "%s", text);
	return status;
}

static bool is_token(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c != '\0' && strchr("!#$%&'*+-.^_`|~", c));
}

static bool is_all_token(const char *text)
{
	if (*text == '\0')
		return false;
	while (is_token((unsigned char)*text))
		text++;
	return *text == '\0';
}

size_t request_head_bytes(const char *bytes, size_t size_bytes, const struct request_limits *limits,
			  int *status, struct message *why)
{
	const char *end = bytes + size_bytes, *line = bytes, *feed;

	*status = 0;
	if (size_bytes > 0 && (bytes[0] < 'A' || bytes[0] > 'Z')) {
		*status = refuse(why, 400, "this is not HTTP: expected a method, as GET or POST");
		return 0;
	}
	while ((feed = memchr(line, '\n', (size_t)(end - line)))) {
		if (line == bytes && (size_t)(feed - bytes) >= limits->line_bytes)
			break;
		if ((size_t)(feed - bytes) >= limits->head_bytes) {
			*status = refuse(why, 431, "the head of the request is too long");
			return 0;
		}
		if (feed == bytes || feed[-1] != '\r') {
			*status = refuse(why, 400, "a line of the head does not end with CR LF");
			return 0;
		}
		if (feed == line + 1)
			return (size_t)(feed + 1 - bytes);
		line = feed + 1;
	}
	if (line == bytes && size_bytes >= limits->line_bytes)
		*status = refuse(why, 414, "the first line of the request is too long");
	else if (size_bytes >= limits->head_bytes)
		*status = refuse(why, 431, "the head of the request is too long");
	return 0;
}

static bool request_method_exists(const char *method)
{
	for (size_t i = 0; i < sizeof(request_methods) / sizeof(request_methods[0]); i++)
		if (strcmp(method, request_methods[i]) == 0)
			return true;
	return false;
}

/* "HTTP/1.1", and of other versions that they are some. */
static int request_version(const char *text, struct request *request, struct message *why)
{
	if (strncmp(text, "HTTP/", 5) != 0 || text[5] < '0' || text[5] > '9' || text[6] != '.' ||
	    text[7] < '0' || text[7] > '9' || text[8] != '\0')
		return refuse(why, 400, "the first line does not end with a version: expected HTTP/1.1");
	if (text[5] != '1')
		return refuse(why, 505, "HTTP/1.1 and HTTP/1.0 are spoken here");
	request->is_kept_alive = text[7] != '0';
	return 0;
}

static int request_target(char *target, struct request *request, struct message *why)
{
	char *mark;

	if (target[0] != '/')
		return refuse(why, 400, "what is asked for must be a path: expected \"/...\"");
	for (const char *at = target; *at != '\0'; at++)
		if (*at <= ' ' || *at > '~' || *at == '#')
			return refuse(why, 400, "the path has characters that must be written as %XX");
	mark = strchr(target, '?');
	if (mark)
		*mark = '\0';
	request->path = target;
	request->query = mark ? mark + 1 : "";
	return 0;
}

static int request_first_line(char *line, struct request *request, struct message *why)
{
	char *target = strchr(line, ' ');
	char *version = target ? strchr(target + 1, ' ') : NULL;
	int status;

	if (!version || strchr(version + 1, ' '))
		return refuse(why, 400, "the first line must be METHOD PATH HTTP/1.1");
	*target++ = '\0';
	*version++ = '\0';
	if (!is_all_token(line))
		return refuse(why, 400, "the method is no word");
	status = request_version(version, request, why);
	if (status == 0)
		status = request_target(target, request, why);
	if (status != 0)
		return status;
	if (!request_method_exists(line))
		return refuse(why, 501, "there is no such method");
	request->method = line;
	return 0;
}

/* "Name: value": its value without white space around it. */
static int request_line(char *line, struct request *request, struct message *why)
{
	char *colon = strchr(line, ':'), *value, *end;

	if (!colon)
		return refuse(why, 400, "a line of the head has no colon");
	*colon = '\0';
	if (!is_all_token(line))
		return refuse(why, 400, "a header's name is no word");
	value = colon + 1 + strspn(colon + 1, " \t");
	for (end = value + strlen(value); end > value && (end[-1] == ' ' || end[-1] == '\t'); end--)
		end[-1] = '\0';
	for (const char *at = value; *at != '\0'; at++)
		if (((unsigned char)*at < ' ' && *at != '\t') || *at == 0x7f)
			return refuse(why, 400, "a header's value has control characters");
	if (request->header_count == REQUEST_HEADERS_MOST)
		return refuse(why, 431, "the request has too many headers");
	request->headers[request->header_count++] = (struct request_header){ .name = line, .value = value };
	return 0;
}

const char *request_header(const struct request *request, const char *name)
{
	for (size_t i = 0; i < request->header_count; i++)
		if (strcasecmp(request->headers[i].name, name) == 0)
			return request->headers[i].value;
	return NULL;
}

static bool request_has_twice(const struct request *request, const char *name)
{
	size_t count = 0;

	for (size_t i = 0; i < request->header_count; i++)
		count += strcasecmp(request->headers[i].name, name) == 0;
	return count > 1;
}

static int request_length(struct request *request, const struct request_limits *limits, struct message *why)
{
	const char *length = request_header(request, "Content-Length");

	if (request_header(request, "Transfer-Encoding"))
		return refuse(why, 411, "a body must come with Content-Length, and not in chunks");
	if (!length)
		return 0;
	if (*length == '\0' || strspn(length, "0123456789") != strlen(length))
		return refuse(why, 400, "Content-Length is no number");
	length += strspn(length, "0");
	if (strlen(length) > 18 || strtoull(length, NULL, 10) > limits->body_bytes) {
		message_set(why, "the body is too long: at most %zu bytes are read", limits->body_bytes);
		return 413;
	}
	request->body_bytes = strtoull(length, NULL, 10);
	return 0;
}

/* What the headers say of the request as a whole. */
static int request_understand(struct request *request, const struct request_limits *limits,
			      struct message *why)
{
	const char *connection = request_header(request, "Connection");
	const char *expect = request_header(request, "Expect");

	if (request_has_twice(request, "Content-Length") || request_has_twice(request, "Host") ||
	    request_has_twice(request, "Origin"))
		return refuse(why, 400, "Content-Length, Host or Origin is there twice");
	request->host = request_header(request, "Host");
	if (!request->host && request->is_kept_alive)
		return refuse(why, 400, "HTTP/1.1 needs the header Host");
	if (connection && strcasestr(connection, "close"))
		request->is_kept_alive = false;
	else if (connection && strcasestr(connection, "keep-alive"))
		request->is_kept_alive = true;
	if (expect && strcasecmp(expect, "100-continue") != 0)
		return refuse(why, 417, "nothing but 100-continue can be expected");
	request->expects_continue = expect != NULL;
	return request_length(request, limits, why);
}

int request_parse(char *head, size_t head_bytes, const struct request_limits *limits, struct request *request,
		  struct message *why)
{
	char *end = head + head_bytes - 2, *line = head, *feed;
	int status = 0;

	*request = (struct request){ .query = "" };
	if (memchr(head, '\0', head_bytes))
		return refuse(why, 400, "the head has a NUL");
	while (line < end && status == 0) {
		feed = memchr(line, '\n', (size_t)(end - line));
		if (!feed || feed == line || feed[-1] != '\r')
			return refuse(why, 400, "a line of the head does not end with CR LF");
		feed[-1] = '\0';
		status = line == head ? request_first_line(line, request, why)
				      : request_line(line, request, why);
		line = feed + 1;
	}
	if (status == 0 && !request->method)
		status = refuse(why, 400, "there is no first line");
	return status != 0 ? status : request_understand(request, limits, why);
}

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* How long the character is that begins here; 0: none does. */
static size_t utf8_bytes(const unsigned char *at, size_t size_bytes)
{
	size_t bytes = at[0] < 0x80   ? 1
		       : at[0] < 0xc2 ? 0
		       : at[0] < 0xe0 ? 2
		       : at[0] < 0xf0 ? 3
		       : at[0] < 0xf5 ? 4
				      : 0;

	if (bytes == 0 || bytes > size_bytes)
		return 0;
	for (size_t i = 1; i < bytes; i++)
		if ((at[i] & 0xc0) != 0x80)
			return 0;
	if ((at[0] == 0xe0 && at[1] < 0xa0) || (at[0] == 0xed && at[1] > 0x9f) ||
	    (at[0] == 0xf0 && at[1] < 0x90) || (at[0] == 0xf4 && at[1] > 0x8f))
		return 0;
	return bytes;
}

static bool is_text(const char *text, size_t size_bytes)
{
	const unsigned char *at = (const unsigned char *)text;

	for (size_t i = 0, bytes; i < size_bytes; i += bytes) {
		bytes = utf8_bytes(at + i, size_bytes - i);
		if (bytes == 0 || at[i] < ' ' || at[i] == 0x7f)
			return false;
	}
	return true;
}

char *request_decode(const char *text, size_t size_bytes)
{
	char *decoded = malloc(size_bytes + 1);
	size_t length = 0;

	if (!decoded)
		return NULL;
	for (size_t i = 0; i < size_bytes; i++) {
		if (text[i] != '%') {
			decoded[length++] = text[i];
			continue;
		}
		if (size_bytes - i < 3 || hex(text[i + 1]) < 0 || hex(text[i + 2]) < 0)
			goto free_decoded;
		decoded[length++] = (char)(hex(text[i + 1]) << 4 | hex(text[i + 2]));
		i += 2;
	}
	if (!is_text(decoded, length))
		goto free_decoded;
	decoded[length] = '\0';
	return decoded;
free_decoded:
	free(decoded);
	return NULL;
}

char *request_query(const struct request *request, const char *key, bool *is_wrong)
{
	size_t key_bytes = strlen(key);
	char *value;

	*is_wrong = false;
	for (const char *at = request->query; *at != '\0';) {
		size_t length = strcspn(at, "&");

		if (length > key_bytes && strncmp(at, key, key_bytes) == 0 && at[key_bytes] == '=') {
			value = request_decode(at + key_bytes + 1, length - key_bytes - 1);
			*is_wrong = !value;
			return value;
		}
		at += length + (at[length] == '&');
	}
	return NULL;
}
