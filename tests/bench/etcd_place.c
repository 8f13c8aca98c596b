/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An etcd, who writes into it by one connection, and who watches one key and
 * does nothing else: libcurl, a line of JSON for each change, jansson.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <curl/curl.h>
#include <jansson.h>

#include "bench/propagate.h"
#include "bench/source_place.h"
#include "support/etcd_server.h"

#define BODY_BYTES (PROPAGATE_DOCUMENT_BYTES * 2)

/* --- writing -------------------------------------------------------------------------- */

static size_t ignore_answer(char *bytes, size_t one, size_t count, void *user)
{
	(void)bytes, (void)one, (void)user;
	return count;
}

int64_t etcd_place_change(void *user, int64_t number)
{
	const struct spot *spot = user;
	char text[PROPAGATE_DOCUMENT_BYTES], body[BODY_BYTES], *key, *value;
	CURL *easy = spot->place->writer;
	int64_t began_ns;
	long status = 0;

	propagate_compose(text, number);
	key = etcd_server_encode(spot->path, strlen(spot->path));
	value = etcd_server_encode(text, sizeof(text));
	snprintf(body, sizeof(body), "{\"key\":\"%s\",\"value\":\"%s\"}", key, value);
	free(key);
	free(value);
	curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body);
	began_ns = bench_now_ns();
	if (curl_easy_perform(easy) != CURLE_OK ||
	    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status) != CURLE_OK || status != 200)
		bench_die("%s cannot be put into etcd: status %ld", spot->path, status);
	return began_ns;
}

static CURL *connection(const char *hosts, const char *path, char url[128])
{
	CURL *easy = curl_easy_init();

	snprintf(url, 128, "http://%s%s", hosts, path);
	if (!easy || curl_easy_setopt(easy, CURLOPT_URL, url) != CURLE_OK ||
	    curl_easy_setopt(easy, CURLOPT_PROXY, "") != CURLE_OK ||
	    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, ignore_answer) != CURLE_OK)
		bench_die("no connection to etcd");
	return easy;
}

static bool is_installed(void)
{
	return system("command -v etcd >/dev/null") == 0;
}

static void *etcd_place_make(struct bench *bench, unsigned size)
{
	struct source_place *place = source_place_begin(bench, "etcd");
	char url[128], uri[BENCH_PATH_BYTES];

	(void)size;
	if (!is_installed())
		bench_die("no etcd can be started: Debian package etcd-server");
	place->server = etcd_server_new_below(place->directory);
	etcd_server_start(place->server);
	place->hosts = etcd_server_hosts(place->server);
	place->writer = connection(place->hosts, "/v3/kv/put", url);
	strcpy(place->ours.path, "/ours/00.xml");
	strcpy(place->peer.path, "/peer/00.xml");
	etcd_place_change(&place->ours, 0);
	etcd_place_change(&place->peer, 0);
	snprintf(uri, sizeof(uri), "etcd://%s/ours", place->hosts);
	source_place_follow(place, uri);
	return place;
}

static void etcd_place_end(void *thing)
{
	struct source_place *place = thing;

	curl_easy_cleanup(place->writer);
	etcd_server_free(place->server);
	source_place_end(place);
}

const struct bench_kind etcd_place_kind = { etcd_place_make, etcd_place_end };

/* --- watching --------------------------------------------------------------------------- */

struct bare {
	char *bytes; /* of a line that goes on */
	size_t size_bytes, capacity;
	int fd;
};

/* Of base64, as far as it goes. */
static size_t decode(const char *text, char *bytes, size_t capacity)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	static signed char values[256];
	unsigned held = 0, bits = 0;
	size_t count = 0;

	for (int i = 0; i < 64; i++)
		values[(unsigned char)digits[i]] = (signed char)i;
	for (; *text != '\0' && *text != '=' && count < capacity; text++) {
		held = held << 6 | (unsigned)values[(unsigned char)*text];
		bits += 6;
		if (bits >= 8) {
			bits -= 8;
			bytes[count++] = (char)(held >> bits);
		}
	}
	return count;
}

static void bare_line(const struct bare *bare, const char *line, size_t line_bytes)
{
	json_t *answer = json_loadb(line, line_bytes, 0, NULL);
	json_t *events = json_object_get(json_object_get(answer, "result"), "events"), *event;
	char bytes[PROPAGATE_DOCUMENT_BYTES + 1];
	const char *value;
	size_t i;

	if (!answer)
		_exit(1);
	json_array_foreach(events, i, event) {
		value = json_string_value(json_object_get(json_object_get(event, "kv"), "value"));
		if (value)
			propagate_tell(bare->fd, propagate_number(bytes, decode(value, bytes, sizeof(bytes))));
	}
	json_decref(answer);
}

static size_t bare_arrived(char *bytes, size_t one, size_t count, void *user)
{
	struct bare *bare = user;
	char *line, *end;

	(void)one;
	if (bare->size_bytes + count > bare->capacity) {
		bare->capacity = (bare->size_bytes + count) * 2;
		bare->bytes = realloc(bare->bytes, bare->capacity);
		if (!bare->bytes)
			_exit(1);
	}
	memcpy(bare->bytes + bare->size_bytes, bytes, count);
	bare->size_bytes += count;
	for (line = bare->bytes; (end = memchr(line, '\n', bare->size_bytes)); line = end + 1) {
		bare_line(bare, line, (size_t)(end - line));
		bare->size_bytes -= (size_t)(end + 1 - line);
	}
	memmove(bare->bytes, line, bare->size_bytes);
	return count;
}

struct answer {
	char bytes[BODY_BYTES * 2];
	size_t size_bytes;
};

static size_t answer_arrived(char *bytes, size_t one, size_t count, void *user)
{
	struct answer *answer = user;

	(void)one;
	if (answer->size_bytes + count > sizeof(answer->bytes))
		return 0;
	memcpy(answer->bytes + answer->size_bytes, bytes, count);
	answer->size_bytes += count;
	return count;
}

/* Tell what it is now; the revision of the store then. */
static long long tell_first(const char *hosts, const char *key, int fd)
{
	char url[128], body[256], bytes[PROPAGATE_DOCUMENT_BYTES + 1];
	CURL *easy = connection(hosts, "/v3/kv/range", url);
	struct answer answer = { .size_bytes = 0 };
	json_t *range, *pair;
	const char *value, *revision;
	long long number;

	snprintf(body, sizeof(body), "{\"key\":\"%s\"}", key);
	curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, answer_arrived);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, &answer);
	if (curl_easy_perform(easy) != CURLE_OK)
		_exit(1);
	range = json_loadb(answer.bytes, answer.size_bytes, 0, NULL);
	pair = json_array_get(json_object_get(range, "kvs"), 0);
	value = json_string_value(json_object_get(pair, "value"));
	revision = json_string_value(json_object_get(json_object_get(range, "header"), "revision"));
	if (!value || !revision)
		_exit(1);
	propagate_tell(fd, propagate_number(bytes, decode(value, bytes, sizeof(bytes))));
	number = strtoll(revision, NULL, 10);
	json_decref(range);
	curl_easy_cleanup(easy);
	return number;
}

void watch_etcd(const char *hosts, const char *path, int fd)
{
	char url[128], body[256], *key = etcd_server_encode(path, strlen(path));
	long long revision = tell_first(hosts, key, fd);
	CURL *easy = connection(hosts, "/v3/watch", url);
	struct bare bare = { .fd = fd };

	snprintf(body, sizeof(body), "{\"create_request\":{\"key\":\"%s\",\"start_revision\":\"%lld\"}}", key,
		 revision + 1);
	curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, bare_arrived);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, &bare);
	curl_easy_perform(easy);
	_exit(1);
}
