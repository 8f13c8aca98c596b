/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/reader_process.h"

#include <check.h>
#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <zkcfg/zkcfg.h>

#include "segment/hash.h"
#include "support/segment_host.h"

#define DEADLINE_MS 30000
/* So long that nothing but zkcfg_wait() itself finds what happens meanwhile. */
#define WAIT_MS 600000
#define COMPARE_US 500
#define PIN_EVERY_MS 500

struct reader_seen {
	_Atomic uint64_t passes;
	_Atomic uint64_t seq;
	_Atomic uint64_t stamp;
	_Atomic int64_t daemon;
	_Atomic int64_t daemon_age_ms;
	_Atomic bool is_ready;
	_Atomic bool is_over; /* set by the test: end */
	char fault[256];      /* "": none */
};

char *reader_text(const char *name, uint64_t version, size_t padding, char *text, size_t text_bytes)
{
	int used = snprintf(text, text_bytes, "%s %llu %0*d ", name, (unsigned long long)version,
			    1 + (int)padding, 0);

	ck_assert_int_lt(used + 17, (int)text_bytes);
	snprintf(text + used, text_bytes - (size_t)used, "%016llx",
		 (unsigned long long)hash_bytes(text, (size_t)used));
	return text;
}

char *reader_document(const char *name, uint64_t version, size_t padding)
{
	size_t text_bytes = padding + strlen(name) + 64;
	char *text = malloc(text_bytes), *xml = malloc(text_bytes + 8);

	snprintf(xml, text_bytes + 8, "<d>%s</d>", reader_text(name, version, padding, text, text_bytes));
	free(text);
	return xml;
}

/* Is a value what reader_text() made for this document? */
static bool text_is_sound(const char *text, const char *name, uint64_t *version)
{
	const char *sum = strrchr(text, ' ');
	unsigned long long found_version;
	char found[64];

	if (!sum || sscanf(text, "%63s %llu", found, &found_version) != 2 || strcmp(found, name) != 0)
		return false;
	*version = found_version;
	return strtoull(sum + 1, NULL, 16) == hash_bytes(text, (size_t)(sum + 1 - text));
}

static bool fault(struct reader_seen *seen, const char *what, const char *name, int err)
{
	snprintf(seen->fault, sizeof(seen->fault), "seq %llu: %s %s: %s", (unsigned long long)seen->seq, what,
		 name, zkcfg_strerror(err));
	return false;
}

static bool look_at(struct reader_seen *seen, const struct zkcfg_snapshot *snapshot)
{
	const struct zkcfg_document *document;
	struct zkcfg_iterator iterator;
	uint64_t version, stamp = 0;
	size_t count = 0;
	const char *text, *name;
	int err;

	zkcfg_iterator_init(&iterator, snapshot);
	while ((err = zkcfg_iterator_next(&iterator, &document)) == 0) {
		name = zkcfg_document_name(document);
		err = zkcfg_get_string(snapshot, name, "/d", &text);
		if (err < 0)
			return fault(seen, "cannot read", name, err);
		if (!text_is_sound(text, name, &version))
			return fault(seen, "wrong value in", name, 0);
		if (strcmp(name, "stamp") == 0)
			stamp = version;
		count++;
	}
	if (err != ZKCFG_EEND || count != zkcfg_snapshot_document_count(snapshot))
		return fault(seen, "not all documents are there", "", err);
	seen->stamp = stamp;
	return true;
}

static void look_at_status(struct reader_seen *seen, struct zkcfg *cfg)
{
	struct zkcfg_status *status;

	if (zkcfg_status_read(cfg, &status) < 0)
		return;
	seen->daemon = zkcfg_status_daemon_pid(status);
	seen->daemon_age_ms = zkcfg_status_daemon_age_ms(status);
	zkcfg_status_free(status);
}

static bool pin_once(struct reader_seen *seen, struct zkcfg *cfg)
{
	struct zkcfg_snapshot *snapshot;
	bool is_right;
	int err;

	err = zkcfg_pin(cfg, &snapshot);
	if (err == ZKCFG_EEMPTY && seen->seq == 0)
		return true;
	if (err < 0)
		return fault(seen, "cannot pin", "", err);
	if (zkcfg_snapshot_seq(snapshot) < seen->seq) {
		zkcfg_unpin(snapshot);
		return fault(seen, "seq went back", "", 0);
	}
	is_right = look_at(seen, snapshot);
	seen->seq = zkcfg_snapshot_seq(snapshot);
	zkcfg_unpin(snapshot);
	return is_right;
}

/* Until there is something to pin, or it is time to look in any case. */
static bool await(struct reader_seen *seen, struct zkcfg *cfg, enum reader_way way)
{
	int64_t until_ms = segment_host_now_ms() + PIN_EVERY_MS;
	int err;

	if (way == READER_WAITS) {
		err = zkcfg_wait(cfg, seen->seq, WAIT_MS, NULL);
		return err == 0 || err == ZKCFG_EINTR || fault(seen, "cannot wait", "", err);
	}
	while (way == READER_COMPARES && !zkcfg_changed(cfg, seen->seq) && segment_host_now_ms() < until_ms)
		usleep(COMPARE_US);
	return true;
}

/* It has to end a wait, no more. */
static void on_signal(int signal)
{
	(void)signal;
}

static void run(struct reader_seen *seen, const char *shm_dir, enum reader_way way)
{
	struct sigaction interrupt = { .sa_handler = on_signal };
	struct zkcfg *cfg = NULL;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sigaction(SIGALRM, &interrupt, NULL);
	close_range(3, UINT_MAX, 0); /* the lock of a publisher of the test is not ours to keep */
	seen->is_ready = true;
	while (!seen->is_over && zkcfg_open("app", shm_dir, &cfg) < 0)
		usleep(1000);
	while (!seen->is_over && pin_once(seen, cfg)) {
		look_at_status(seen, cfg);
		seen->passes++;
		if (!await(seen, cfg, way))
			break;
	}
	zkcfg_close(cfg);
}

void reader_process_start(struct reader_process *reader, const char *shm_dir, enum reader_way way)
{
	struct reader_seen *seen =
		mmap(NULL, sizeof(*seen), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pid;

	ck_assert_ptr_ne(seen, MAP_FAILED);
	seen->daemon_age_ms = -1;
	fflush(stdout);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		run(seen, shm_dir, way);
		_exit(seen->fault[0] != '\0');
	}
	while (!seen->is_ready)
		usleep(100);
	*reader = (struct reader_process){ .pid = pid, .seen = seen };
}

void reader_process_end(struct reader_process *reader)
{
	pid_t ended;
	int how;

	reader->seen->is_over = true;
	do {
		kill(reader->pid, SIGALRM); /* once may be too early: it is about to wait */
		usleep(200);
		ended = waitpid(reader->pid, &how, WNOHANG);
	} while (ended == 0);
	ck_assert_int_eq(ended, reader->pid);
	ck_assert_msg(!WIFSIGNALED(how), "a reader died of signal %d", WTERMSIG(how));
	ck_assert_msg(WEXITSTATUS(how) == 0, "reader: %s", reader->seen->fault);
	munmap(reader->seen, sizeof(*reader->seen));
	reader->seen = NULL;
}

uint64_t reader_process_passes(const struct reader_process *reader)
{
	return reader->seen->passes;
}

uint64_t reader_process_seq(const struct reader_process *reader)
{
	return reader->seen->seq;
}

uint64_t reader_process_stamp(const struct reader_process *reader)
{
	return reader->seen->stamp;
}

int64_t reader_process_daemon(const struct reader_process *reader)
{
	return reader->seen->daemon;
}

int64_t reader_process_daemon_age_ms(const struct reader_process *reader)
{
	return reader->seen->daemon_age_ms;
}

void reader_process_let_pass(const struct reader_process *reader)
{
	int64_t deadline_ms = segment_host_now_ms() + DEADLINE_MS;
	uint64_t passes = reader->seen->passes + 2;

	while (reader->seen->passes < passes) {
		ck_assert_msg(reader->seen->fault[0] == '\0', "reader: %s", reader->seen->fault);
		ck_assert_msg(waitpid(reader->pid, NULL, WNOHANG) == 0, "a reader died");
		ck_assert_msg(segment_host_now_ms() < deadline_ms, "a reader does not go on");
		usleep(200);
	}
}
