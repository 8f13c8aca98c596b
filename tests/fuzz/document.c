/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "fuzz/fuzz.h"
#include "fuzz/read.h"
#include "segment/document.h"
#include "segment/layout.h"

unsigned fuzz_document(const uint8_t *data, size_t size)
{
	struct zkcfg_document *document;
	unsigned outcome = FUZZ_REFUSED;
	char path[256];
	void *memory;

	if (size < 2 || size - 2 < data[1])
		return FUZZ_REFUSED;
	memcpy(path, data + 2, data[1]);
	path[data[1]] = '\0';
	size -= 2 + (size_t)data[1];
	/* no larger than the bytes that there are: AddressSanitizer sees one too many read */
	fuzz_require(posix_memalign(&memory, LAYOUT_ALIGN, size > 0 ? size : 1) == 0);
	document = memory;
	memcpy(memory, data + 2 + data[1], size);
	if ((data[0] & FUZZ_SEAL) && size >= sizeof(*document) && document->size_bytes >= sizeof(*document) &&
	    document->size_bytes <= size)
		document->checksum = document_checksum(document);
	if (document_check(document, size) == 0) {
		outcome = FUZZ_READ;
		if (document_verify(document, size) == 0)
			outcome |= FUZZ_SOUND;
		read_document(document, path, outcome & FUZZ_SOUND);
	}
	free(memory);
	return outcome;
}
