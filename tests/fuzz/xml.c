/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "xml/compile.h"

#include <stdbool.h>
#include <string.h>

#include <zkcfg/zkcfg.h>

#include "fuzz/fuzz.h"
#include "fuzz/read.h"
#include "segment/document.h"

/* Small ones, so that each is met. */
static const struct xml_limits limits = {
	.document_bytes = 4096, .depth = 16, .elements = 64, .attributes = 16, .value_bytes = 512
};

static void require_nodes_have_places(const struct zkcfg_document *document, const uint8_t *data, size_t size)
{
	struct xml_fault place;

	for (uint32_t i = 0; i < document_node_count(document); i += 7)
		fuzz_require(xml_locate(data, size, i, &place) == 0 && place.line > 0);
	fuzz_require(xml_locate(data, size, document_node_count(document), &place) == ZKCFG_ENOPATH);
}

static void require_fault_is_told(const struct xml_fault *fault)
{
	fuzz_require(fault->reason[0] != '\0' && memchr(fault->reason, '\0', sizeof(fault->reason)));
	fuzz_require(!strchr(fault->reason, '\n'));
}

unsigned fuzz_xml(const uint8_t *data, size_t size)
{
	static bool is_started;
	struct document_origin origin = { .name = "fuzz.xml", .created = 1, .revision = 2, .version = 3 };
	struct xml_fault fault = { .reason = "" };
	struct zkcfg_document *document;
	size_t document_bytes, raw_bytes;
	int err;

	if (!is_started)
		xml_start();
	is_started = true;
	err = xml_compile(&origin, data, size, &limits, &document, &document_bytes, &fault);
	if (err < 0) {
		fuzz_require(err == ZKCFG_EINVAL);
		require_fault_is_told(&fault);
		return FUZZ_REFUSED;
	}
	fuzz_require(document_verify(document, document_bytes) == 0);
	fuzz_require(memcmp(zkcfg_document_raw(document, &raw_bytes), data, size) == 0 && raw_bytes == size);
	fuzz_require(document_node_count(document) > 0);
	read_document(document, "/a/b[2]/@c", true);
	require_nodes_have_places(document, data, size);
	free(document);
	return FUZZ_READ | FUZZ_SOUND;
}
