/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A writer that publishes without a pause and dies at a kill point.
 *
 *	death_writer SHM-DIR LEDGER COMMITS POINT PASSAGE
 *
 * It takes over what is there, as a daemon does, and commits; now and then it
 * shows a status, gives a sign of life, or has its directory removed under it.
 * At the PASSAGE-th time that it comes by POINT it kills itself; POINT "-": it
 * comes to its end, and prints each point that it came by.
 */
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "integration/death.h"
#include "publish/publisher.h"
#include "segment/document.h"
#include "segment/kill_point.h"

#define POINTS 128
#define REMOVE_EVERY 200 /* commits between two removals of the directory, after as many as half of it */

static const char *wanted;
static unsigned long passages_left;
static const char *passed[POINTS];

void kill_point(const char *name)
{
	if (strcmp(name, wanted) == 0 && --passages_left == 0)
		kill(getpid(), SIGKILL);
	for (unsigned i = 0; i < POINTS; i++) {
		if (passed[i] && strcmp(passed[i], name) == 0)
			return;
		if (!passed[i]) {
			passed[i] = name;
			return;
		}
	}
}

static void die(const char *what, const struct message *message)
{
	fprintf(stderr, "death_writer: %s: %s\n", what, message ? message->text : "");
	exit(1);
}

static struct publisher_change make_document(unsigned number, uint64_t stamp, char name[8])
{
	static char padding[9000], text[64];
	struct document_origin origin = { .name = name, .created = 1, .revision = stamp, .version = (int64_t)stamp };
	unsigned padding_bytes = death_padding(number, stamp);
	struct document_builder *builder;
	struct publisher_change change = { .name = name };
	struct zkcfg_document *made;

	snprintf(name, 8, "d%u", number);
	memset(padding, 'x', sizeof(padding));
	builder = document_builder_new(&origin, padding, padding_bytes);
	document_builder_open(builder, "d", 1);
	document_builder_attribute(builder, "name", 4, name, strlen(name));
	snprintf(text, sizeof(text), "%" PRIu64, stamp);
	document_builder_attribute(builder, "stamp", 5, text, strlen(text));
	snprintf(text, sizeof(text), "%" PRIu64, death_sum(number, stamp, padding_bytes));
	document_builder_attribute(builder, "sum", 3, text, strlen(text));
	document_builder_text(builder, padding, padding_bytes);
	document_builder_close(builder);
	if (document_builder_finish(builder, &made, &change.document_bytes) < 0)
		die("cannot build a document", NULL);
	change.document = made;
	return change;
}

/* Commit all documents with the next stamp, and one more that comes and goes. */
static void commit_next(struct publisher *publisher, struct death_ledger *ledger)
{
	struct publisher_change changes[DEATH_DOCUMENTS + 1];
	char names[DEATH_DOCUMENTS][8];
	struct message message = { "" };
	uint64_t stamp = ++ledger->stamp;
	unsigned count = 0;

	for (; count < DEATH_DOCUMENTS; count++)
		changes[count] = make_document(count, stamp, names[count]);
	if (stamp % 2 == 0)
		changes[count++] = (struct publisher_change){ .name = "comes-and-goes" };
	ledger->seq = publisher_seq(publisher) + 1;
	if (publisher_commit(publisher, changes, count, NULL, &message) < 0)
		die("commit", &message);
	for (unsigned i = 0; i < DEATH_DOCUMENTS; i++)
		free((void *)(uintptr_t)changes[i].document);
	publisher_segment_id(publisher, ledger->segment_id);
	ledger->has_id = 1;
}

static void show_status(struct publisher *publisher, uint64_t stamp)
{
	struct zkcfg_candidate candidate = { .document = "d0", .reason = "not good", .line = 1, .column = 1 };
	struct publisher_status status = { .source_state = ZKCFG_SOURCE_FOLLOWING, .source = "none://", .detail = "",
					   .candidates = &candidate, .candidate_count = stamp % 2 };

	publisher_status(publisher, &status);
}

static int remove_entry(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	(void)st, (void)kind, (void)ftw;
	return remove(path);
}

static struct death_ledger *open_ledger(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	struct death_ledger *ledger;

	if (fd < 0 || ftruncate(fd, sizeof(*ledger)) < 0)
		die(path, NULL);
	ledger = mmap(NULL, sizeof(*ledger), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (ledger == MAP_FAILED)
		die(path, NULL);
	close(fd);
	return ledger;
}

int main(int argc, char **argv)
{
	struct publisher_options options = { .set = "app", .mode = 0644, .group = (gid_t)-1 };
	struct message message = { "" };
	struct publisher *publisher;
	struct death_ledger *ledger;
	char set_dir[256];

	if (argc != 6)
		return 2;
	options.shm_dir = argv[1];
	ledger = open_ledger(argv[2]);
	wanted = argv[4];
	passages_left = strtoul(argv[5], NULL, 10);
	snprintf(set_dir, sizeof(set_dir), "%s/v1/app", argv[1]);
	if (publisher_open(&options, &publisher, &message) < 0)
		die("open", &message);
	if (publisher_seq(publisher) == 0 && ledger->has_id)
		publisher_resume(publisher, ledger->seq + 1000, ledger->segment_id);
	for (long i = strtol(argv[3], NULL, 10); i != 0; i--) {
		commit_next(publisher, ledger);
		if (i % 5 == 0)
			show_status(publisher, ledger->stamp);
		if (i % REMOVE_EVERY == REMOVE_EVERY / 2)
			nftw(set_dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
		if (i % 10 == 0 && publisher_heartbeat(publisher, &message) < 0)
			die("heartbeat", &message);
	}
	publisher_close(publisher);
	for (unsigned i = 0; i < POINTS && passed[i]; i++)
		puts(passed[i]);
	return 0;
}
