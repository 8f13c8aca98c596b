/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/standing.h"

#include <string.h>

static bool has_bytes_of(const struct told *told, const struct zkcfg_document *document)
{
	size_t raw_bytes;
	const char *raw = zkcfg_document_raw(document, &raw_bytes);

	return raw_bytes == told->size_bytes && memcmp(raw, told->bytes, raw_bytes) == 0;
}

enum standing standing_of(const struct zkcfg_document *newest, const struct told *told, bool accept_older,
			  struct message *why)
{
	uint64_t known;
	bool is_same;

	if (!newest)
		return STANDING_NEWER;
	known = zkcfg_document_revision(newest);
	is_same = told->revision.modified == known && told->revision.created == document_created(newest);
	if (accept_older) {
		/* in another history the same number may be another version */
		is_same = is_same && has_bytes_of(told, newest);
	} else if (told->revision.modified < known) {
		message_set(why, "the source went back: revision %llu was accepted before",
			    (unsigned long long)known);
		return STANDING_OLDER;
	}
	return is_same ? STANDING_SAME : STANDING_NEWER;
}

/* Is a source that both are made of older than it was? */
static bool sources_went_back(const struct document_sources *before, const struct document_sources *now,
			      struct message *why)
{
	for (size_t i = 0; i < now->count; i++) {
		for (size_t k = 0; k < before->count; k++) {
			const struct document_source *is = &now->sources[i], *was = &before->sources[k];

			if (strcmp(is->uri, was->uri) != 0 || is->revision >= was->revision)
				continue;
			message_set(why,
				    "the source %.256s went back to revision %llu: revision %llu was "
				    "accepted before",
				    is->uri, (unsigned long long)is->revision,
				    (unsigned long long)was->revision);
			return true;
		}
	}
	return false;
}

enum standing standing_of_layered(const struct zkcfg_document *newest, struct told *told, bool accept_older,
				  uint64_t floor, struct message *why)
{
	struct document_sources before = { .count = 0 }, now;
	bool is_back;
	size_t bytes;
	const void *sources;

	if (newest) {
		sources = document_sources(newest, &bytes);
		document_sources_read(sources, bytes, &before);
		floor = zkcfg_document_revision(newest);
	}
	document_sources_read(told->sources, told->sources_bytes, &now);
	is_back = sources_went_back(&before, &now, why);
	if (is_back && !accept_older)
		return STANDING_OLDER;
	if (newest && !is_back && has_bytes_of(told, newest) && document_sources_equal(&before, &now))
		return STANDING_SAME;
	if (told->revision.modified <= floor)
		told->revision.modified = floor + 1;
	return STANDING_NEWER;
}
