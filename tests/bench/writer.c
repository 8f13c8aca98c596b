/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/writer.h"

#include "xml/compile.h"

void writer_start(void)
{
	xml_start();
}

int writer_compile(const char *name, uint64_t revision, const void *xml, size_t xml_bytes,
		   struct zkcfg_document **document, size_t *document_bytes, struct message *message)
{
	struct document_origin origin = { .name = name, .created = 1, .revision = revision, .version = -1 };
	struct xml_fault fault = { .line = 0 };
	int err = xml_compile(&origin, xml, xml_bytes, NULL, document, document_bytes, &fault);

	if (err < 0)
		message_set(message, "%s:%u:%u: %s", name, fault.line, fault.column,
			    err == ZKCFG_EINVAL ? fault.reason : "out of memory");
	return err;
}

int writer_open(const char *shm_dir, const char *set, struct publisher **publisher, struct message *message)
{
	struct publisher_options options = {
		.shm_dir = shm_dir, .set = set, .mode = 0644, .group = (gid_t)-1
	};

	return publisher_open(&options, publisher, message);
}

int writer_commit(struct publisher *publisher, const struct publisher_change *changes, size_t change_count,
		  struct message *message)
{
	return publisher_commit(publisher, changes, change_count, NULL, message);
}

int writer_heartbeat(struct publisher *publisher, struct message *message)
{
	return publisher_heartbeat(publisher, message);
}

void writer_close(struct publisher *publisher)
{
	publisher_close(publisher);
}
