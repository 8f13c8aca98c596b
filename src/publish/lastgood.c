/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "publish/lastgood.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "segment/hash.h"

#define LASTGOOD_NAME "last-good"
#define LASTGOOD_BEFORE_NAME "last-good.1"
#define LASTGOOD_NEXT_NAME "last-good.next"
#define LASTGOOD_VERSION 1u
/* No file of ours is larger, and what says so is damaged. */
#define LASTGOOD_LIMIT_BYTES ((size_t)1 << 36)

static const char lastgood_magic[8] = "zkcfg-lg";

/* What a file begins with; documents follow, each a struct document_record, its name and its bytes. */
struct file_head {
	char magic[8];
	uint64_t checksum; /* of all behind it */
	uint32_t version;
	uint32_t is_final; /* the daemon ended with it */
	uint64_t bytes;	   /* of the whole file */
	uint64_t seq;
	uint8_t segment_id[16];
	uint64_t document_count;
};

struct document_record {
	uint64_t created;
	uint64_t revision;
	int64_t version;
	uint64_t raw_bytes;
	uint64_t sources_bytes;
	uint64_t name_bytes;
};

#define LASTGOOD_COVERED offsetof(struct file_head, version)

struct lastgood {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;	/* something is waiting, or it is the end */
	pthread_cond_t written; /* nothing is waiting any more */
	struct buffer waiting;	/* handed over, not being written yet */
	bool is_waiting;
	bool is_writing;
	bool is_ending;
	bool is_sound; /* the writer's own: the file in place can be used */
	int dir_fd;
	char *directory;
	struct message trouble;
};

/*
 * Reading
 */

/* Takes records off a file whose checksum is right; its lengths may lie all the same. */
struct record_reader {
	const char *at;
	size_t left_bytes;
};

static const char *record_take(struct record_reader *reader, uint64_t bytes)
{
	const char *taken = reader->at;

	if (bytes > reader->left_bytes)
		return NULL;
	reader->at += bytes;
	reader->left_bytes -= bytes;
	return taken;
}

/* Every document, in order; tell NULL: only look whether they can be told. */
static int lastgood_walk(const struct buffer *file, const struct file_head *head, lastgood_tell_fn *tell,
			 void *user)
{
	struct record_reader reader = { .at = file->bytes + sizeof(*head),
					.left_bytes = file->size_bytes - sizeof(*head) };

	for (uint64_t i = 0; i < head->document_count; i++) {
		const char *bytes = record_take(&reader, sizeof(struct document_record)), *name, *raw;
		struct document_origin origin = { 0 };
		struct document_record record;
		int result;

		if (!bytes)
			return ZKCFG_ECORRUPT;
		memcpy(&record, bytes, sizeof(record));
		name = record.name_bytes > 0 ? record_take(&reader, record.name_bytes) : NULL;
		raw = name ? record_take(&reader, record.raw_bytes) : NULL;
		origin.sources = raw ? record_take(&reader, record.sources_bytes) : NULL;
		origin.sources_bytes = record.sources_bytes;
		if (!origin.sources || memchr(name, '\0', record.name_bytes) != name + record.name_bytes - 1)
			return ZKCFG_ECORRUPT;
		origin.name = name;
		origin.created = record.created;
		origin.revision = record.revision;
		origin.version = record.version;
		result = tell ? tell(&origin, raw, record.raw_bytes, user) : 0;
		if (result != 0)
			return result;
	}
	return reader.left_bytes == 0 ? 0 : ZKCFG_ECORRUPT;
}

static int lastgood_check(const struct buffer *file, struct file_head *head)
{
	if (file->size_bytes < sizeof(*head))
		return ZKCFG_ECORRUPT;
	memcpy(head, file->bytes, sizeof(*head));
	if (memcmp(head->magic, lastgood_magic, sizeof(head->magic)) != 0 ||
	    head->version != LASTGOOD_VERSION || head->bytes != file->size_bytes || head->seq == 0 ||
	    head->checksum != hash_bytes(file->bytes + LASTGOOD_COVERED, file->size_bytes - LASTGOOD_COVERED))
		return ZKCFG_ECORRUPT;
	return lastgood_walk(file, head, NULL, NULL);
}

/* Read and check one file. ZKCFG_EEMPTY: it is not there. */
static int lastgood_read(const char *path, struct buffer *file, struct file_head *head)
{
	int err = file_read(path, LASTGOOD_LIMIT_BYTES, file);

	if (err == -ENOENT)
		return ZKCFG_EEMPTY;
	if (err == -ENOMEM)
		return ZKCFG_ENOMEM;
	if (err < 0) {
		errno = -err;
		return ZKCFG_ESYSTEM;
	}
	return lastgood_check(file, head);
}

/* The newest that can be used; damage: what is wrong with one that is newer. */
static int lastgood_find(const char *state_dir, const char *set, struct buffer *file, struct file_head *head,
			 struct message *damage)
{
	static const char *const names[] = { LASTGOOD_NAME, LASTGOOD_BEFORE_NAME };
	char path[PATH_MAX];
	int err;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s/%s", state_dir, set, names[i]);
		buffer_clear(file);
		err = lastgood_read(path, file, head);
		if (err == 0 && i > 0)
			head->is_final = 0; /* the one that is damaged or gone came behind it */
		if (err == 0 || err == ZKCFG_ENOMEM)
			return err;
		if (err != ZKCFG_EEMPTY && damage->text[0] == '\0')
			message_set(damage, "last-good %s cannot be used: %s", path,
				    err == ZKCFG_ESYSTEM ? strerror(errno) : "it is damaged");
	}
	return damage->text[0] != '\0' ? ZKCFG_ECORRUPT : ZKCFG_EEMPTY;
}

int lastgood_load(const char *state_dir, const char *set, struct lastgood_head *head, lastgood_tell_fn *tell,
		  void *user, struct message *message)
{
	struct message damage = { "" };
	struct buffer file = { 0 };
	struct file_head found;
	int err;

	err = lastgood_find(state_dir, set, &file, &found, &damage);
	if (err == 0) {
		head->seq = found.seq;
		head->is_final = found.is_final != 0;
		memcpy(head->segment_id, found.segment_id, sizeof(head->segment_id));
		err = lastgood_walk(&file, &found, tell, user);
	}
	buffer_free(&file);
	*message = damage;
	return err;
}

/*
 * Writing
 */

void lastgood_begin(struct buffer *buffer, const struct lastgood_head *head)
{
	struct file_head file = { .version = LASTGOOD_VERSION, .is_final = head->is_final, .seq = head->seq };

	memcpy(file.magic, lastgood_magic, sizeof(file.magic));
	memcpy(file.segment_id, head->segment_id, sizeof(file.segment_id));
	buffer_clear(buffer);
	buffer_append(buffer, &file, sizeof(file));
}

void lastgood_add(struct buffer *buffer, const struct zkcfg_document *document)
{
	struct document_record record = { .created = document_created(document),
					  .revision = zkcfg_document_revision(document),
					  .version = zkcfg_document_version(document),
					  .name_bytes = document_name_bytes(document) + 1 };
	struct file_head head;
	size_t raw_bytes;
	const char *raw = zkcfg_document_raw(document, &raw_bytes);
	size_t sources_bytes;
	const void *sources = document_sources(document, &sources_bytes);

	record.raw_bytes = raw_bytes;
	record.sources_bytes = sources_bytes;
	buffer_append(buffer, &record, sizeof(record));
	buffer_append(buffer, zkcfg_document_name(document), record.name_bytes);
	buffer_append(buffer, raw, raw_bytes);
	buffer_append(buffer, sources, sources_bytes);
	if (buffer_failed(buffer))
		return;
	memcpy(&head, buffer->bytes, sizeof(head));
	head.document_count++;
	memcpy(buffer->bytes, &head, sizeof(head));
}

void lastgood_end(struct buffer *buffer)
{
	struct file_head head;

	if (buffer_failed(buffer))
		return;
	memcpy(&head, buffer->bytes, sizeof(head));
	head.bytes = buffer->size_bytes;
	memcpy(buffer->bytes, &head, sizeof(head));
	head.checksum = hash_bytes(buffer->bytes + LASTGOOD_COVERED, buffer->size_bytes - LASTGOOD_COVERED);
	memcpy(buffer->bytes, &head, sizeof(head));
}

/* One that was there before us may be damaged: then the one before it is worth more. */
static bool lastgood_is_sound(const struct lastgood *lastgood)
{
	struct buffer file = { 0 };
	struct file_head head;
	char path[PATH_MAX];
	bool is_sound;

	snprintf(path, sizeof(path), "%s/" LASTGOOD_NAME, lastgood->directory);
	is_sound = lastgood_read(path, &file, &head) == 0;
	buffer_free(&file);
	return is_sound;
}

/*
 * All of it is on disk before anything gives way, so that a full disk costs
 * nothing that was there. Between the two renames there is the one before.
 */
static int lastgood_write(struct lastgood *lastgood, const struct buffer *bytes)
{
	int err = file_replace(lastgood->dir_fd, LASTGOOD_NEXT_NAME, 0600, bytes->bytes, bytes->size_bytes);

	if (err < 0)
		return err;
	if (!lastgood->is_sound)
		lastgood->is_sound = lastgood_is_sound(lastgood);
	if (lastgood->is_sound &&
	    renameat(lastgood->dir_fd, LASTGOOD_NAME, lastgood->dir_fd, LASTGOOD_BEFORE_NAME) < 0 &&
	    errno != ENOENT)
		return -errno;
	if (renameat(lastgood->dir_fd, LASTGOOD_NEXT_NAME, lastgood->dir_fd, LASTGOOD_NAME) < 0)
		return -errno;
	lastgood->is_sound = true;
	return fsync(lastgood->dir_fd) < 0 ? -errno : 0;
}

static void *lastgood_run(void *user)
{
	struct lastgood *lastgood = user;
	struct buffer bytes = { 0 };
	int err;

	pthread_mutex_lock(&lastgood->lock);
	for (;;) {
		while (!lastgood->is_waiting && !lastgood->is_ending)
			pthread_cond_wait(&lastgood->wake, &lastgood->lock);
		if (!lastgood->is_waiting)
			break;
		bytes = lastgood->waiting;
		lastgood->waiting = (struct buffer){ 0 };
		lastgood->is_waiting = false;
		lastgood->is_writing = true;
		pthread_mutex_unlock(&lastgood->lock);
		err = lastgood_write(lastgood, &bytes);
		buffer_free(&bytes);
		pthread_mutex_lock(&lastgood->lock);
		lastgood->is_writing = false;
		lastgood->trouble.text[0] = '\0';
		if (err < 0)
			message_set(&lastgood->trouble, "last-good cannot be written to %s: %s",
				    lastgood->directory, strerror(-err));
		pthread_cond_broadcast(&lastgood->written);
	}
	pthread_mutex_unlock(&lastgood->lock);
	return NULL;
}

static int lastgood_open_directory(struct lastgood *lastgood, struct message *message)
{
	int err = file_make_dirs(lastgood->directory, 0700);

	if (err == 0) {
		lastgood->dir_fd = open(lastgood->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		err = lastgood->dir_fd < 0 ? -errno : 0;
	}
	if (err < 0) {
		message_set(message, "cannot use state directory %s: %s", lastgood->directory,
			    strerror(-err));
		return ZKCFG_ESYSTEM;
	}
	return 0;
}

/* Waits are on the clock that nobody sets. */
static void lastgood_make_locks(struct lastgood *lastgood)
{
	pthread_condattr_t attributes;

	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_mutex_init(&lastgood->lock, NULL);
	pthread_cond_init(&lastgood->wake, &attributes);
	pthread_cond_init(&lastgood->written, &attributes);
	pthread_condattr_destroy(&attributes);
}

static void lastgood_free_locks(struct lastgood *lastgood)
{
	pthread_cond_destroy(&lastgood->written);
	pthread_cond_destroy(&lastgood->wake);
	pthread_mutex_destroy(&lastgood->lock);
}

int lastgood_open(const char *state_dir, const char *set, struct lastgood **lastgood, struct message *message)
{
	struct lastgood *opened = calloc(1, sizeof(*opened));
	int err;

	if (!opened || asprintf(&opened->directory, "%s/%s", state_dir, set) < 0) {
		free(opened);
		message_set(message, "set %s: out of memory", set);
		return ZKCFG_ENOMEM;
	}
	err = lastgood_open_directory(opened, message);
	if (err < 0)
		goto free_lastgood;
	lastgood_make_locks(opened);
	err = pthread_create(&opened->thread, NULL, lastgood_run, opened);
	if (err != 0) {
		message_set(message, "set %s: cannot start the thread that writes last-good: %s", set,
			    strerror(err));
		err = ZKCFG_ESYSTEM;
		goto close_directory;
	}
	*lastgood = opened;
	return 0;
close_directory:
	lastgood_free_locks(opened);
	close(opened->dir_fd);
free_lastgood:
	free(opened->directory);
	free(opened);
	return err;
}

void lastgood_store(struct lastgood *lastgood, struct buffer *bytes)
{
	struct buffer older;

	pthread_mutex_lock(&lastgood->lock);
	older = lastgood->waiting;
	lastgood->waiting = *bytes;
	lastgood->is_waiting = true;
	pthread_cond_signal(&lastgood->wake);
	pthread_mutex_unlock(&lastgood->lock);
	*bytes = (struct buffer){ 0 };
	buffer_free(&older);
}

bool lastgood_idle(struct lastgood *lastgood)
{
	bool is_idle;

	pthread_mutex_lock(&lastgood->lock);
	is_idle = !lastgood->is_waiting && !lastgood->is_writing;
	pthread_mutex_unlock(&lastgood->lock);
	return is_idle;
}

bool lastgood_flush(struct lastgood *lastgood, int timeout_ms)
{
	struct timespec until;
	bool is_idle;
	int err = 0;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += timeout_ms / 1000;
	until.tv_nsec += timeout_ms % 1000 * 1000000L;
	if (until.tv_nsec >= 1000000000L) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000L;
	}
	pthread_mutex_lock(&lastgood->lock);
	while (err == 0 && (lastgood->is_waiting || lastgood->is_writing))
		err = pthread_cond_timedwait(&lastgood->written, &lastgood->lock, &until);
	is_idle = !lastgood->is_waiting && !lastgood->is_writing;
	pthread_mutex_unlock(&lastgood->lock);
	return is_idle;
}

void lastgood_trouble(struct lastgood *lastgood, struct message *message)
{
	pthread_mutex_lock(&lastgood->lock);
	*message = lastgood->trouble;
	pthread_mutex_unlock(&lastgood->lock);
}

void lastgood_close(struct lastgood *lastgood)
{
	if (!lastgood)
		return;
	pthread_mutex_lock(&lastgood->lock);
	lastgood->is_ending = true;
	pthread_cond_signal(&lastgood->wake);
	pthread_mutex_unlock(&lastgood->lock);
	pthread_join(lastgood->thread, NULL);
	lastgood_free_locks(lastgood);
	buffer_free(&lastgood->waiting);
	close(lastgood->dir_fd);
	free(lastgood->directory);
	free(lastgood);
}
