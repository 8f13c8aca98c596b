/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/source_host.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <check.h>
#include <event2/event.h>

#include "base/clock.h"

struct host_document *source_host_find(const struct source_host *host, const char *name)
{
	struct host_document *document = host->documents;

	while (document && strcmp(document->name, name) != 0)
		document = document->next;
	return document;
}

static struct host_document *host_get(struct source_host *host, const char *name)
{
	struct host_document *document = source_host_find(host, name);

	if (document)
		return document;
	document = calloc(1, sizeof(*document) + strlen(name) + 1);
	ck_assert_ptr_nonnull(document);
	strcpy(document->name, name);
	document->next = host->documents;
	host->documents = document;
	return document;
}

static void told_document(void *user, const char *name, const void *bytes, size_t size_bytes,
			  const struct source_revision *revision)
{
	struct source_host *host = user;
	struct host_document *document = host_get(host, name);

	ck_assert_msg(document->told_count == 0 || revision->modified > document->revision.modified ||
			      (revision->modified == document->revision.modified &&
			       document->size_bytes == size_bytes),
		      "%s was told with revision %llu after %llu", name, (unsigned long long)revision->modified,
		      (unsigned long long)document->revision.modified);
	free(document->bytes);
	document->bytes = malloc(size_bytes + 1);
	memcpy(document->bytes, bytes, size_bytes);
	document->bytes[size_bytes] = '\0';
	document->size_bytes = size_bytes;
	document->revision = *revision;
	document->told_count++;
	host->told_count++;
	host->is_settled = false;
	if (host->told)
		host->told(host, name, document->bytes, size_bytes);
}

static void told_removed(void *user, const char *name)
{
	struct source_host *host = user;
	struct host_document *document = source_host_find(host, name);

	ck_assert_msg(document && document->bytes, "%s was removed, and was not there", name);
	free(document->bytes);
	document->bytes = NULL;
	document->size_bytes = 0;
	host->removed_count++;
	host->is_settled = false;
	if (host->told)
		host->told(host, name, NULL, 0);
}

static void told_trouble(void *user, const char *name, const char *reason)
{
	struct host_document *document = host_get(user, name);

	free(document->trouble);
	document->trouble = reason ? strdup(reason) : NULL;
}

static void told_settled(void *user)
{
	struct source_host *host = user;

	host->settled_count++;
	host->is_settled = true;
	if (host->settled)
		host->settled(host);
}

static void told_verified(void *user, int64_t boottime_ns)
{
	struct source_host *host = user;

	ck_assert_uint_gt(host->settled_count, 0);
	ck_assert_int_ge(boottime_ns, host->verified_boottime_ns);
	ck_assert_int_le(boottime_ns, clock_boottime_ns());
	host->verified_boottime_ns = boottime_ns;
	host->verified_count++;
	if (host->verified)
		host->verified(host, boottime_ns);
}

static void told_state(void *user, enum source_state state, const char *detail)
{
	struct source_host *host = user;

	host->state = state;
	snprintf(host->detail, sizeof(host->detail), "%s", detail);
}

static void told_repaired(void *user, const char *name)
{
	struct source_host *host = user;

	ck_assert_msg(host->repairs, "%s was repaired, of which nothing was lost", name);
	host->repaired_count++;
}

static void told_contact(void *user, enum source_contact contact)
{
	struct source_host *host = user;

	host->contacts[contact]++;
}

static const struct source_events host_events = {
	.document = told_document,
	.removed = told_removed,
	.trouble = told_trouble,
	.settled = told_settled,
	.verified = told_verified,
	.state = told_state,
	.repaired = told_repaired,
	.contact = told_contact,
};

void source_host_begin(struct source_host *host, const char *uri)
{
	struct message message = { "" };
	const struct source_ops *ops = source_find(uri, &message);

	ck_assert_msg(ops != NULL, "%s", message.text);
	host->loop = event_base_new();
	ck_assert_ptr_nonnull(host->loop);
	ck_assert_msg(ops->open(uri, &host_events, host, &host->source, &message) == 0, "%s: %s", uri,
		      message.text);
	ck_assert_msg(ops->start(host->source, host->loop, &message) == 0, "%s: %s", uri, message.text);
	ck_assert_uint_eq(host->state, 0); /* nothing is told from within */
}

void source_host_end(struct source_host *host)
{
	struct host_document *document;

	/* a test may have become another user, whom LeakSanitizer cannot look at */
	if (geteuid() != getuid())
		ck_assert_int_eq(seteuid(getuid()), 0);
	if (host->source)
		host->source->ops->close(host->source);
	if (host->loop)
		event_base_free(host->loop);
	while ((document = host->documents)) {
		host->documents = document->next;
		free(document->bytes);
		free(document->trouble);
		free(document);
	}
	*host = (struct source_host){ 0 };
}

void source_host_run(struct source_host *host, int ms)
{
	struct timeval wait = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };

	event_base_loopexit(host->loop, &wait);
	event_base_dispatch(host->loop);
}

int64_t source_host_now_ns(void)
{
	return clock_monotonic_ns();
}

const char *source_host_text(const struct source_host *host)
{
	static char text[6000];

	snprintf(text, sizeof(text),
		 "state %d \"%s\", told %u, removed %u, settled %u, verified %u, there are %zu documents",
		 (int)host->state, host->detail, host->told_count, host->removed_count, host->settled_count,
		 host->verified_count, source_host_count(host));
	return text;
}

bool source_host_has(const struct source_host *host, const char *name, const char *text)
{
	const struct host_document *document = source_host_find(host, name);

	return document && document->bytes && document->size_bytes == strlen(text) &&
	       memcmp(document->bytes, text, document->size_bytes) == 0;
}

size_t source_host_count(const struct source_host *host)
{
	const struct host_document *document;
	size_t count = 0;

	for (document = host->documents; document; document = document->next)
		count += document->bytes != NULL;
	return count;
}

const char *source_host_trouble(const struct source_host *host, const char *name)
{
	const struct host_document *document = source_host_find(host, name);

	return document && document->trouble ? document->trouble : "";
}
