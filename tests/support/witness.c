/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/witness.h"

#include <check.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "segment/hash.h"

/* The hash of what is not there. */
#define GONE 0

static uint32_t witness_number(const struct witness *witness, const char *name)
{
	uint32_t number = 0;

	while (number < witness->name_count && strcmp(witness->names[number], name) != 0)
		number++;
	ck_assert_msg(number < witness->name_count, "%s is no document of this test", name);
	return number;
}

/* --- writing ------------------------------------------------------------------ */

/* Before it is written: it may be told before the writer is back. Returns the order of the first. */
static size_t witness_announce(struct witness *witness, const char *const *names, size_t count,
			       const void *bytes, size_t size_bytes)
{
	struct version version = { .hash = bytes ? hash_bytes(bytes, size_bytes) : GONE,
				   .written_ns = INT64_MAX };
	size_t first;

	pthread_mutex_lock(&witness->lock);
	first = witness->log.count;
	for (size_t i = 0; i < count; i++) {
		version.path = witness_number(witness, names[i]);
		version.order = witness->log.count + 1;
		versions_add(&witness->log, &version);
	}
	pthread_mutex_unlock(&witness->lock);
	return first;
}

static void witness_confirm(struct witness *witness, size_t first, size_t count)
{
	pthread_mutex_lock(&witness->lock);
	for (size_t i = first; i < first + count; i++)
		witness->log.items[i].written_ns = clock_boottime_ns();
	pthread_mutex_unlock(&witness->lock);
}

void witness_write(struct witness *witness, const char *const *names, size_t count, const void *bytes,
		   size_t size_bytes)
{
	size_t first = witness_announce(witness, names, count, bytes, size_bytes);

	witness->place->write(names, count, bytes, size_bytes);
	witness_confirm(witness, first, count);
}

void witness_put(struct witness *witness, const char *name, const char *text)
{
	witness_write(witness, &name, 1, text, text ? strlen(text) : 0);
}

/* It is not confirmed: until an audit, what is verified is wrong about it, and cannot be otherwise. */
void witness_put_unheard(struct witness *witness, const char *name, const char *text)
{
	witness_announce(witness, &name, 1, text, strlen(text));
	witness->place->write_unheard(name, text, strlen(text));
}

void witness_log(struct witness *witness, const char *name, const char *text)
{
	witness_announce(witness, &name, 1, text, text ? strlen(text) : 0);
}

/* --- what is told -------------------------------------------------------------- */

/* The first version of these bytes that is not before the one that was told last; 0: none. */
static uint64_t witness_place_of(const struct witness *witness, uint32_t number, uint64_t hash)
{
	uint64_t seen = witness->seen[number];

	for (size_t i = seen > 0 ? seen - 1 : 0; i < witness->log.count; i++) {
		const struct version *version = &witness->log.items[i];

		if (version->path == number && version->hash == hash)
			return version->order;
	}
	return 0;
}

static void witness_told(struct source_host *host, const char *name, const void *bytes, size_t size_bytes)
{
	struct witness *witness = host->user;
	uint32_t number = witness_number(witness, name);
	uint64_t hash = bytes ? hash_bytes(bytes, size_bytes) : GONE, order;

	pthread_mutex_lock(&witness->lock);
	order = witness_place_of(witness, number, hash);
	pthread_mutex_unlock(&witness->lock);
	ck_assert_msg(order > 0,
		      "%s was told %s \"%.40s\", which was not written, or before what was told last", name,
		      bytes ? "with" : "as removed", bytes ? (const char *)bytes : "");
	witness->seen[number] = order;
	witness->told[number] = hash;
}

/* The order of the newest version of a document that had been written by then; 0: none. */
static uint64_t witness_newest(const struct witness *witness, uint32_t number, int64_t boottime_ns)
{
	for (size_t i = witness->log.count; i > 0; i--)
		if (witness->log.items[i - 1].path == number &&
		    witness->log.items[i - 1].written_ns < boottime_ns)
			return i;
	return 0;
}

/* Is what was told of it that version, or one behind it? Two versions may have the same bytes. */
static bool witness_is_as_new(const struct witness *witness, uint32_t number, uint64_t order)
{
	if (witness->seen[number] >= order)
		return true;
	for (size_t i = order - 1; i < witness->log.count; i++)
		if (witness->log.items[i].path == number &&
		    witness->log.items[i].hash == witness->told[number])
			return true;
	return false;
}

static void witness_verified(struct source_host *host, int64_t boottime_ns)
{
	struct witness *witness = host->user;

	pthread_mutex_lock(&witness->lock);
	for (uint32_t number = 0; number < witness->name_count; number++) {
		uint64_t newest = witness_newest(witness, number, boottime_ns);

		if (*source_host_trouble(host, witness->names[number]) != '\0')
			continue;
		ck_assert_msg(newest == 0 || witness_is_as_new(witness, number, newest),
			      "version %" PRIu64 " of %s was told, and verified %" PRId64
			      " us after version %" PRIu64 " had been written",
			      witness->seen[number], witness->names[number],
			      (boottime_ns - witness->log.items[newest - 1].written_ns) / 1000, newest);
	}
	pthread_mutex_unlock(&witness->lock);
}

/* --- the whole ------------------------------------------------------------------ */

void witness_begin(struct witness *witness, const struct place *place, const char *const *names, size_t count)
{
	*witness = (struct witness){ .place = place, .name_count = count };
	ck_assert_uint_le(count, WITNESS_NAMES_MOST);
	for (size_t i = 0; i < count; i++)
		snprintf(witness->names[i], WITNESS_NAME_BYTES, "%s", names[i]);
	ck_assert_int_eq(pthread_mutex_init(&witness->lock, NULL), 0);
}

void witness_end(struct witness *witness)
{
	source_host_end(&witness->host);
	versions_free(&witness->log);
	pthread_mutex_destroy(&witness->lock);
}

void witness_follow(struct witness *witness, const char *options)
{
	const char *names[WITNESS_NAMES_MOST];
	char uri[PLACE_URI_BYTES];

	for (size_t i = 0; i < witness->name_count; i++)
		names[i] = witness->names[i];
	witness->place->uri(uri, names, witness->name_count, options);
	witness->host.told = witness_told;
	witness->host.verified = witness_verified;
	witness->host.user = witness;
	source_host_begin(&witness->host, uri);
}

void witness_leave(struct witness *witness)
{
	source_host_end(&witness->host);
	memset(witness->seen, 0, sizeof(witness->seen));
	memset(witness->told, 0, sizeof(witness->told));
}

/* The hash of what was written last; GONE: nothing is there. */
static uint64_t witness_last(struct witness *witness, uint32_t number)
{
	for (size_t i = witness->log.count; i > 0; i--)
		if (witness->log.items[i - 1].path == number)
			return witness->log.items[i - 1].hash;
	return GONE;
}

/* The first name of which something else was told than is there; NULL: none. */
static const char *witness_difference(struct witness *witness)
{
	const char *name = NULL;

	pthread_mutex_lock(&witness->lock);
	for (uint32_t number = 0; number < witness->name_count && !name; number++)
		if (witness->told[number] != witness_last(witness, number))
			name = witness->names[number];
	pthread_mutex_unlock(&witness->lock);
	return name;
}

void witness_judge(struct witness *witness)
{
	struct source_host *host = &witness->host;
	int64_t end_ns = clock_monotonic_ns() + 20 * CLOCK_NS_PER_S;
	const char *name;

	while ((name = witness_difference(witness))) {
		ck_assert_msg(clock_monotonic_ns() < end_ns, "in vain: %s is not as it was written last; %s",
			      name, source_host_text(host));
		source_host_run(host, 2);
	}
	SOURCE_HOST_UNTIL(host, host->state == SOURCE_FOLLOWING && host->is_settled);
}
