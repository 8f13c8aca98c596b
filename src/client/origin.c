/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "client/handle.h"
#include "segment/document.h"

/* The node of a path that has a value. */
static int origin_find(const struct zkcfg_snapshot *snapshot, const char *name, const char *path,
		       const struct zkcfg_document **document, uint32_t *number)
{
	struct document_node node;
	int err = zkcfg_find(snapshot, name, document);

	if (err == 0)
		err = document_find_node(*document, path, number);
	if (err == 0)
		err = document_node(*document, *number, &node);
	if (err == 0 && !node.value)
		err = ZKCFG_ENOVALUE;
	return err;
}

int zkcfg_value_origin(const struct zkcfg_snapshot *snapshot, const char *document, const char *path,
		       struct zkcfg_origin *origins, size_t most, size_t *count)
{
	const struct zkcfg_document *found;
	struct document_sources sources;
	size_t sources_bytes, at, told = 0;
	const void *bytes;
	uint16_t layers;
	uint32_t number;
	int err;

	if (!snapshot || !document || !path || !count || (!origins && most > 0))
		return ZKCFG_EINVAL;
	err = origin_find(snapshot, document, path, &found, &number);
	if (err < 0)
		return err;
	bytes = document_sources(found, &sources_bytes);
	document_sources_read(bytes, sources_bytes, &sources);
	if ((sources.count == 0 && sources_bytes > 0) ||
	    (sources.nodes && sources.node_count != document_node_count(found)))
		return ZKCFG_ECORRUPT;
	if (sources.count == 0)
		sources.sources[0] = (struct document_source){ .revision = zkcfg_document_revision(found) };
	at = document_sources_of(&sources, number, &layers);
	if (told < most)
		origins[told] = (struct zkcfg_origin){ .uri = sources.sources[at].uri,
						       .revision = sources.sources[at].revision };
	told++;
	for (at = sources.count; at-- > 0;) {
		if ((layers & 1u << at) == 0)
			continue;
		if (told < most)
			origins[told] = (struct zkcfg_origin){ .uri = sources.sources[at].uri,
							       .revision = sources.sources[at].revision };
		told++;
	}
	*count = told;
	return 0;
}
