/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A reader process of the demo: knows libzkcfg's public header and nothing
 * else. It reads one value over and over, and writes a line for each read that
 * gave a new commit, and every 100 ms for one that did not:
 *
 *   new|same SEEN_NS SEQ COMMIT_NS DAEMON VALUE
 *
 * Times are nanoseconds since 1970: when the value was in hand, and when the
 * daemon committed it. DAEMON is the process id of the zkcfgd that last took
 * over the segment which is mapped. It ends on SIGTERM, and with status 1 if a
 * read fails or seq goes back.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <zkcfg/zkcfg.h>

#define TELL_EVERY_MS 100
#define POLL_EVERY_NS 200000

struct reader {
	struct zkcfg *cfg;
	const char *document;
	const char *path;
	uint64_t seq; /* of the commit read last; 0: none */
	bool polls;
};

static int64_t now_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* Until there is something new, or TELL_EVERY_MS have passed. 0 or an error. */
static int reader_wait(const struct reader *reader)
{
	static const struct timespec nap = { .tv_nsec = POLL_EVERY_NS };
	int64_t deadline_ns = now_ns(CLOCK_MONOTONIC) + TELL_EVERY_MS * INT64_C(1000000);
	int err;

	if (!reader->polls) {
		err = zkcfg_wait(reader->cfg, reader->seq, TELL_EVERY_MS, NULL);
		return err == ZKCFG_ETIMEDOUT || err == ZKCFG_EINTR ? 0 : err;
	}
	while (!zkcfg_changed(reader->cfg, reader->seq) && now_ns(CLOCK_MONOTONIC) < deadline_ns)
		nanosleep(&nap, NULL);
	return 0;
}

static int reader_daemon(const struct reader *reader, int64_t *daemon_pid)
{
	struct zkcfg_status *status;
	int err = zkcfg_status_read(reader->cfg, &status);

	if (err < 0)
		return err;
	*daemon_pid = zkcfg_status_daemon_pid(status);
	zkcfg_status_free(status);
	return 0;
}

/* Print the value that a snapshot has, as a line. */
static int reader_tell(struct reader *reader, const struct zkcfg_snapshot *snapshot)
{
	uint64_t seq = zkcfg_snapshot_seq(snapshot);
	int64_t seen_ns, daemon_pid = 0;
	const char *value;
	int err;

	err = zkcfg_get_string(snapshot, reader->document, reader->path, &value);
	seen_ns = now_ns(CLOCK_REALTIME);
	if (err == 0)
		err = reader_daemon(reader, &daemon_pid);
	if (err < 0)
		return err;
	if (seq < reader->seq) {
		fprintf(stderr, "demo_reader: commit %" PRIu64 " came after commit %" PRIu64 ": a reader must never go back\n",
			seq, reader->seq);
		return ZKCFG_ESTALE;
	}
	printf("%s %" PRId64 " %" PRIu64 " %" PRId64 " %" PRId64 " %s\n", seq == reader->seq ? "same" : "new", seen_ns,
	       seq, zkcfg_snapshot_time_ns(snapshot), daemon_pid, value);
	reader->seq = seq;
	return 0;
}

static int reader_read(struct reader *reader)
{
	struct zkcfg_snapshot *snapshot;
	int err = zkcfg_pin(reader->cfg, &snapshot);

	if (err < 0)
		return err;
	err = reader_tell(reader, snapshot);
	zkcfg_unpin(snapshot);
	return err;
}

int main(int argc, char **argv)
{
	struct reader reader = { 0 };
	int err;

	if (argc != 6 || (strcmp(argv[1], "wait") != 0 && strcmp(argv[1], "poll") != 0)) {
		fprintf(stderr, "Usage: demo_reader wait|poll SHM-DIR SET DOCUMENT PATH\n");
		return 2;
	}
	reader.polls = strcmp(argv[1], "poll") == 0;
	reader.document = argv[4];
	reader.path = argv[5];
	setvbuf(stdout, NULL, _IOLBF, 0);
	err = zkcfg_open(argv[3], argv[2], &reader.cfg);
	if (err == 0) {
		do
			err = reader_read(&reader);
		while (err == 0 && (err = reader_wait(&reader)) == 0);
		zkcfg_close(reader.cfg);
	}
	fprintf(stderr, "demo_reader: %s %s: %s\n", argv[3], reader.path, zkcfg_strerror(err));
	return 1;
}
