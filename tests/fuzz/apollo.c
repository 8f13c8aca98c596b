/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "source/apollo_answer.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "fuzz/fuzz.h"
#include "segment/document.h"
#include "source/apollo.h"
#include "xml/compile.h"

/* So that only XML that is wrong is refused. */
static const struct xml_limits limits = {
	.document_bytes = 1 << 24, .depth = 16, .elements = 1 << 20, .attributes = 16, .value_bytes = 1 << 24
};

/* A name longer than this may not fit into a path. */
#define PLAIN_BYTES 1024

static bool is_told(int err, const struct message *why)
{
	if (err == 0)
		return true;
	fuzz_require(err == -EBADMSG);
	fuzz_require(why->text[0] != '\0' && !strchr(why->text, '\n'));
	return false;
}

static unsigned read_servers(const char *body, size_t size)
{
	struct apollo_servers servers = { 0 };
	struct message why = { "" };

	if (!is_told(apollo_answer_servers(body, size, &servers, &why), &why)) {
		fuzz_require(servers.count == 0 && !servers.urls);
		return FUZZ_REFUSED;
	}
	for (size_t i = 0; i < servers.count; i++) {
		const char *url = servers.urls[i];

		fuzz_require(strncmp(url, "http://", 7) == 0 || strncmp(url, "https://", 8) == 0);
		fuzz_require(url[strlen(url) - 1] != '/' && !strpbrk(url, " \r\n?#@"));
	}
	apollo_servers_free(&servers);
	return FUZZ_READ;
}

static unsigned read_notifications(const char *body, size_t size)
{
	struct apollo_notifications told = { 0 };
	struct message why = { "" };

	if (!is_told(apollo_answer_notifications(body, size, &told, &why), &why)) {
		fuzz_require(told.count == 0 && !told.items);
		return FUZZ_REFUSED;
	}
	for (size_t i = 0; i < told.count; i++) {
		fuzz_require(told.items[i].name && told.items[i].id >= -1);
		fuzz_require(told.items[i].message_count <= APOLLO_MESSAGES_MOST);
		for (size_t k = 0; k < told.items[i].message_count; k++)
			fuzz_require(told.items[i].messages[k].key && told.items[i].messages[k].id >= -1);
	}
	apollo_notifications_free(&told);
	return FUZZ_READ;
}

/* What is made of properties is XML, whatever they hold. */
static void require_xml(const struct apollo_release *release)
{
	struct document_origin origin = { .name = "fuzz", .created = 1, .revision = 2, .version = 3 };
	struct zkcfg_document *document;
	struct xml_fault fault = { .reason = "" };
	size_t document_bytes;

	fuzz_require(xml_compile(&origin, release->bytes, release->size_bytes, &limits, &document,
				 &document_bytes, &fault) == 0);
	free(document);
}

static unsigned read_release(const char *body, size_t size, bool is_xml)
{
	struct apollo_release release = { 0 };
	struct message why = { "" };
	unsigned outcome = FUZZ_READ;

	if (!is_told(apollo_answer_release(body, size, is_xml, &release, &why), &why)) {
		fuzz_require(!release.key && !release.bytes && !release.is_difference);
		return FUZZ_REFUSED;
	}
	fuzz_require(release.is_difference == !release.key);
	fuzz_require(release.bytes || release.is_difference || why.text[0] != '\0');
	fuzz_require(release.size_bytes <= APOLLO_DOCUMENT_MOST_BYTES);
	if (release.bytes && !is_xml && size <= PLAIN_BYTES) {
		require_xml(&release);
		outcome |= FUZZ_SOUND;
	}
	apollo_release_free(&release);
	return outcome;
}

unsigned fuzz_apollo(const uint8_t *data, size_t size)
{
	static bool is_started;
	const char *body = (const char *)data + 1;

	if (!is_started)
		xml_start();
	is_started = true;
	if (size == 0)
		return FUZZ_REFUSED;
	switch (data[0]) {
	case 's':
		return read_servers(body, size - 1);
	case 'n':
		return read_notifications(body, size - 1);
	case 'x':
		return read_release(body, size - 1, true);
	case 'p':
		return read_release(body, size - 1, false);
	default:
		return apollo_answer_is_missing(body, size - 1) ? FUZZ_READ : FUZZ_REFUSED;
	}
}
