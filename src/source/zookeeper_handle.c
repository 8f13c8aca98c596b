/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "source/zookeeper_handle.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "source/secret.h"
#include "source/zookeeper_tls.h"

#define HANDLE_STACK_BYTES (1024 * 1024)

struct mailbox {
	pthread_mutex_t lock;
	struct letter *first, **end;
	unsigned int users; /* the reader, and each handle */
	int fd;
	bool closed;
	bool lost;
};

/* What the client hands back with an answer. */
struct question {
	struct question *prev, *next;
	struct zookeeper_handle *handle;
	uint64_t request;
};

struct zookeeper_handle {
	struct mailbox *mailbox;
	uint64_t number;
	char *hosts, *secret;
	struct zookeeper_tls *tls; /* NULL: none */
	int session_timeout_ms;
	pthread_cond_t changed; /* closing, or the last question answered; with the mailbox's lock */
	bool closing;
	bool authenticated;
	watcher_fn watcher; /* of reads; NULL: none */
	struct question *questions; /* not answered yet; with the mailbox's lock */
};

/* --- mailbox -------------------------------------------------------------- */

struct mailbox *mailbox_open(void)
{
	struct mailbox *mailbox = calloc(1, sizeof(*mailbox));

	if (!mailbox)
		return NULL;
	mailbox->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (mailbox->fd < 0) {
		free(mailbox);
		return NULL;
	}
	pthread_mutex_init(&mailbox->lock, NULL);
	mailbox->end = &mailbox->first;
	mailbox->users = 1;
	return mailbox;
}

int mailbox_fd(const struct mailbox *mailbox)
{
	return mailbox->fd;
}

/* With the lock, which it gives up. */
static void mailbox_leave(struct mailbox *mailbox)
{
	bool last = --mailbox->users == 0;

	pthread_mutex_unlock(&mailbox->lock);
	if (!last)
		return;
	letter_free(mailbox->first);
	close(mailbox->fd);
	pthread_mutex_destroy(&mailbox->lock);
	free(mailbox);
}

void letter_free(struct letter *letter)
{
	while (letter) {
		struct letter *next = letter->next;

		free(letter);
		letter = next;
	}
}

void mailbox_close(struct mailbox *mailbox)
{
	if (!mailbox)
		return;
	pthread_mutex_lock(&mailbox->lock);
	mailbox->closed = true;
	mailbox_leave(mailbox);
}

struct letter *mailbox_take(struct mailbox *mailbox, bool *lost)
{
	struct letter *letters;
	uint64_t count;

	if (read(mailbox->fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
		log_error("the descriptor of a ZooKeeper mailbox cannot be read: %s", strerror(errno));
	pthread_mutex_lock(&mailbox->lock);
	letters = mailbox->first;
	mailbox->first = NULL;
	mailbox->end = &mailbox->first;
	*lost = mailbox->lost;
	mailbox->lost = false;
	pthread_mutex_unlock(&mailbox->lock);
	return letters;
}

/* With the lock. NULL for letter: there was no memory for it. */
static void mailbox_post_locked(struct mailbox *mailbox, struct letter *letter)
{
	static const uint64_t one = 1;
	bool was_empty = !mailbox->first && !mailbox->lost;

	if (mailbox->closed) {
		free(letter);
		return;
	}
	if (letter) {
		*mailbox->end = letter;
		mailbox->end = &letter->next;
	} else {
		mailbox->lost = true;
	}
	if (was_empty && write(mailbox->fd, &one, sizeof(one)) < 0)
		log_error("the descriptor of a ZooKeeper mailbox cannot be written: %s", strerror(errno));
}

static void mailbox_post(struct mailbox *mailbox, struct letter *letter)
{
	pthread_mutex_lock(&mailbox->lock);
	mailbox_post_locked(mailbox, letter);
	pthread_mutex_unlock(&mailbox->lock);
}

static struct letter *letter_new(uint64_t from, enum letter_kind kind, int code, size_t size_bytes)
{
	struct letter *letter = malloc(sizeof(*letter) + size_bytes);

	if (letter)
		*letter =
			(struct letter){ .from = from, .kind = kind, .code = code, .size_bytes = size_bytes };
	return letter;
}

/* --- callbacks: on the client's threads ----------------------------------- */

/* The client's own messages name every attempt to connect: too many for any other level. */
static void handle_log(const char *text)
{
	log_debug("ZooKeeper client: %s", text);
}

/*
 * The one watcher, with the one context, of all watches and the session: the
 * client looks through a list of different ones at each session event.
 */
static void handle_watched(zhandle_t *zh, int type, int state, const char *path, void *context)
{
	struct zookeeper_handle *handle = context;
	struct letter *letter;

	(void)zh;
	if (type == ZOO_SESSION_EVENT) {
		letter = letter_new(handle->number, LETTER_SESSION, state, 0);
	} else {
		letter = letter_new(handle->number, LETTER_CHANGE, type, strlen(path) + 1);
		if (letter)
			memcpy(letter->bytes, path, letter->size_bytes);
	}
	mailbox_post(handle->mailbox, letter);
}

static struct question *question_new(struct zookeeper_handle *handle, uint64_t request)
{
	struct question *question = malloc(sizeof(*question));

	if (!question)
		return NULL;
	*question = (struct question){ .handle = handle, .request = request };
	pthread_mutex_lock(&handle->mailbox->lock);
	question->next = handle->questions;
	if (question->next)
		question->next->prev = question;
	handle->questions = question;
	pthread_mutex_unlock(&handle->mailbox->lock);
	return question;
}

/* With the lock. */
static void question_free_locked(struct question *question)
{
	if (question->prev)
		question->prev->next = question->next;
	else
		question->handle->questions = question->next;
	if (question->next)
		question->next->prev = question->prev;
	free(question);
}

static void question_answer(const void *data, struct letter *letter, const struct Stat *stat)
{
	struct question *question = (struct question *)(uintptr_t)data;
	struct mailbox *mailbox = question->handle->mailbox;

	if (letter) {
		letter->request = question->request;
		if (letter->code == ZOK && stat) {
			letter->czxid = stat->czxid;
			letter->mzxid = stat->mzxid;
			letter->pzxid = stat->pzxid;
			letter->version = stat->version;
		}
	}
	pthread_mutex_lock(&mailbox->lock);
	if (!question->prev && !question->next)
		pthread_cond_signal(&question->handle->changed);
	question_free_locked(question);
	mailbox_post_locked(mailbox, letter);
	pthread_mutex_unlock(&mailbox->lock);
}

static struct letter *letter_reply(const void *data, int code, size_t size_bytes)
{
	const struct question *question = data;

	return letter_new(question->handle->number, LETTER_REPLY, code, size_bytes);
}

/* No data at all is told as a NULL and a length of -1. */
static void handle_got(int code, const char *value, int length, const struct Stat *stat, const void *data)
{
	size_t size_bytes = code == ZOK && value && length > 0 ? (size_t)length : 0;
	struct letter *letter = letter_reply(data, code, size_bytes);

	if (letter && size_bytes > 0)
		memcpy(letter->bytes, value, size_bytes);
	question_answer(data, letter, stat);
}

static void handle_got_stat(int code, const struct Stat *stat, const void *data)
{
	question_answer(data, letter_reply(data, code, 0), stat);
}

static void handle_got_children(int code, const struct String_vector *names, const struct Stat *stat,
				const void *data)
{
	size_t size_bytes = 0, count = code == ZOK && names ? (size_t)names->count : 0;
	struct letter *letter;
	char *at;

	for (size_t i = 0; i < count; i++)
		size_bytes += strlen(names->data[i]) + 1;
	letter = letter_reply(data, code, size_bytes);
	if (letter) {
		letter->name_count = count;
		at = letter->bytes;
		for (size_t i = 0; i < count; i++)
			at = stpcpy(at, names->data[i]) + 1;
	}
	question_answer(data, letter, stat);
}

static void handle_got_string(int code, const char *value, const void *data)
{
	(void)value;
	question_answer(data, letter_reply(data, code, 0), NULL);
}

static void handle_got_nothing(int code, const void *data)
{
	question_answer(data, letter_reply(data, code, 0), NULL);
}

/* --- asking ---------------------------------------------------------------- */

/*
 * Where the client refused at once there is no answer to come. Where it ran out
 * of memory halfway there may be one: then the question stays until the end.
 */
static int question_sent(struct question *question, int code)
{
	if (code == ZBADARGUMENTS || code == ZINVALIDSTATE) {
		struct mailbox *mailbox = question->handle->mailbox;

		pthread_mutex_lock(&mailbox->lock);
		question_free_locked(question);
		pthread_mutex_unlock(&mailbox->lock);
	}
	return code;
}

void handle_unwatch(struct zookeeper_handle *handle)
{
	handle->watcher = NULL;
}

int handle_get(struct zookeeper_handle *handle, zhandle_t *zh, const char *path, uint64_t request)
{
	struct question *question = question_new(handle, request);

	if (!question)
		return ZSYSTEMERROR;
	return question_sent(question, zoo_awget(zh, path, handle->watcher, handle, handle_got, question));
}

int handle_exists(struct zookeeper_handle *handle, zhandle_t *zh, const char *path, uint64_t request)
{
	struct question *question = question_new(handle, request);

	if (!question)
		return ZSYSTEMERROR;
	return question_sent(question,
			     zoo_awexists(zh, path, handle->watcher, handle, handle_got_stat, question));
}

int handle_stat(struct zookeeper_handle *handle, zhandle_t *zh, const char *path, uint64_t request)
{
	struct question *question = question_new(handle, request);

	if (!question)
		return ZSYSTEMERROR;
	return question_sent(question, zoo_aexists(zh, path, 0, handle_got_stat, question));
}

int handle_get_children(struct zookeeper_handle *handle, zhandle_t *zh, const char *path, uint64_t request)
{
	struct question *question = question_new(handle, request);

	if (!question)
		return ZSYSTEMERROR;
	return question_sent(question, zoo_awget_children2(zh, path, handle->watcher, handle,
							   handle_got_children, question));
}

int handle_sync(struct zookeeper_handle *handle, zhandle_t *zh, const char *path, uint64_t request)
{
	struct question *question = question_new(handle, request);

	if (!question)
		return ZSYSTEMERROR;
	return question_sent(question, zoo_async(zh, path, handle_got_string, question));
}

int handle_set(struct zookeeper_handle *handle, zhandle_t *zh, const char *path, const void *bytes,
	       size_t size_bytes, int32_t version, uint64_t request)
{
	struct question *question = question_new(handle, request);

	if (!question)
		return ZSYSTEMERROR;
	return question_sent(question,
			     zoo_aset(zh, path, bytes, (int)size_bytes, version, handle_got_stat, question));
}

int handle_create(struct zookeeper_handle *handle, zhandle_t *zh, const char *path, const void *bytes,
		  size_t size_bytes, const struct ACL_vector *acl, uint64_t request)
{
	struct question *question = question_new(handle, request);

	if (!question)
		return ZSYSTEMERROR;
	return question_sent(question, zoo_acreate(zh, path, bytes, bytes ? (int)size_bytes : -1, acl,
						   ZOO_PERSISTENT, handle_got_string, question));
}

int handle_delete(struct zookeeper_handle *handle, zhandle_t *zh, const char *path, int32_t version,
		  uint64_t request)
{
	struct question *question = question_new(handle, request);

	if (!question)
		return ZSYSTEMERROR;
	return question_sent(question, zoo_adelete(zh, path, version, handle_got_nothing, question));
}

int handle_authenticate(struct zookeeper_handle *handle, zhandle_t *zh)
{
	int code;

	if (!handle->secret || handle->authenticated)
		return ZOK;
	code = zoo_add_auth(zh, "digest", handle->secret, (int)strlen(handle->secret), NULL, NULL);
	handle->authenticated = code == ZOK;
	return code;
}

bool handle_is_answer(int code)
{
	return code == ZOK || (code < ZAPIERROR && code != ZSESSIONEXPIRED && code != ZCLOSING &&
			       code != ZAUTHFAILED && code != ZSESSIONMOVED);
}

/* --- its thread ------------------------------------------------------------ */

static void handle_free(struct zookeeper_handle *handle)
{
	while (handle->questions) {
		struct question *next = handle->questions->next;

		free(handle->questions);
		handle->questions = next;
	}
	pthread_cond_destroy(&handle->changed);
	secret_free(handle->secret);
	zookeeper_tls_free(handle->tls);
	free(handle->hosts);
	free(handle);
}

static zhandle_t *handle_init(struct zookeeper_handle *handle, struct message *message)
{
	zhandle_t *zh;

	if (handle->tls)
		return zookeeper_tls_init(handle->hosts, handle->tls, handle_watched,
					  handle->session_timeout_ms, handle, handle_log, message);
	zh = zookeeper_init2(handle->hosts, handle_watched, handle->session_timeout_ms, NULL, handle,
			     ZOO_NO_LOG_CLIENTENV, handle_log);
	if (!zh)
		message_set(message, "%.256s cannot be resolved or connected to: %s", handle->hosts,
			    strerror(errno));
	return zh;
}

static zhandle_t *handle_connect(struct zookeeper_handle *handle, struct message *message)
{
	zhandle_t *zh;

	zoo_set_debug_level(log_enabled(LOG_LEVEL_DEBUG) ? ZOO_LOG_LEVEL_INFO : ZOO_LOG_LEVEL_WARN);
	zh = handle_init(handle, message);
	if (!zh)
		return NULL;
	/* Names are resolved again after a loss, not at each turn of the client's loop. */
	zoo_set_servers_resolution_delay(zh, -1);
	handle_authenticate(handle, zh);
	return zh;
}

/*
 * Until it is to be closed, and nothing is under way any more: the client leaks
 * what it has queued when it is closed. A server that hangs is waited for until
 * the client has given it up.
 */
static void handle_wait_locked(struct zookeeper_handle *handle)
{
	struct timespec limit;
	int err = 0;

	while (!handle->closing)
		pthread_cond_wait(&handle->changed, &handle->mailbox->lock);
	clock_gettime(CLOCK_MONOTONIC, &limit);
	limit.tv_sec += 1 + handle->session_timeout_ms / 1000;
	while (handle->questions && err == 0)
		err = pthread_cond_timedwait(&handle->changed, &handle->mailbox->lock, &limit);
}

static void *handle_run(void *context)
{
	struct zookeeper_handle *handle = context;
	struct mailbox *mailbox = handle->mailbox;
	uint64_t number = handle->number;
	struct message message = { "" };
	struct letter *letter;
	zhandle_t *zh = handle_connect(handle, &message);

	letter = letter_new(number, zh ? LETTER_OPENED : LETTER_FAILED, zh ? 0 : errno, sizeof(message.text));
	if (letter) {
		letter->zh = zh;
		memcpy(letter->bytes, message.text, sizeof(message.text));
	}
	pthread_mutex_lock(&mailbox->lock);
	mailbox_post_locked(mailbox, letter);
	handle_wait_locked(handle);
	pthread_mutex_unlock(&mailbox->lock);

	if (zh)
		zookeeper_close(zh); /* joins the client's threads: no callback after this */
	letter = letter_new(number, LETTER_CLOSED, 0, 0);
	handle_free(handle);
	pthread_mutex_lock(&mailbox->lock);
	mailbox_post_locked(mailbox, letter);
	mailbox_leave(mailbox);
	return NULL;
}

/* With all signals blocked, which the client's own threads then have as well. */
static int handle_start_thread(struct zookeeper_handle *handle)
{
	pthread_attr_t attributes;
	sigset_t all, before;
	pthread_t thread;
	int err;

	pthread_attr_init(&attributes);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attributes, HANDLE_STACK_BYTES);
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	err = pthread_create(&thread, &attributes, handle_run, handle);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attributes);
	return err;
}

struct zookeeper_handle *handle_open(struct mailbox *mailbox, uint64_t number, const char *hosts,
				     int session_timeout_ms, const char *secret,
				     const struct zookeeper_tls *tls)
{
	struct zookeeper_handle *handle = calloc(1, sizeof(*handle));
	pthread_condattr_t attributes;
	int err;

	if (!handle)
		return NULL;
	handle->watcher = handle_watched;
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&handle->changed, &attributes);
	pthread_condattr_destroy(&attributes);
	handle->mailbox = mailbox;
	handle->number = number;
	handle->session_timeout_ms = session_timeout_ms;
	handle->hosts = strdup(hosts);
	handle->secret = secret ? strdup(secret) : NULL;
	handle->tls = tls ? zookeeper_tls_copy(tls) : NULL;
	err = !handle->hosts || (secret && !handle->secret) || (tls && !handle->tls) ? ENOMEM : 0;
	if (err != 0)
		goto free_handle;
	pthread_mutex_lock(&mailbox->lock);
	mailbox->users++;
	pthread_mutex_unlock(&mailbox->lock);
	err = handle_start_thread(handle);
	if (err != 0)
		goto leave_mailbox;
	return handle;
leave_mailbox:
	pthread_mutex_lock(&mailbox->lock);
	mailbox_leave(mailbox);
free_handle:
	handle_free(handle);
	errno = err;
	return NULL;
}

void handle_close(struct zookeeper_handle *handle)
{
	struct mailbox *mailbox;

	if (!handle)
		return;
	mailbox = handle->mailbox;
	pthread_mutex_lock(&mailbox->lock);
	handle->closing = true;
	pthread_cond_signal(&handle->changed);
	pthread_mutex_unlock(&mailbox->lock);
}
