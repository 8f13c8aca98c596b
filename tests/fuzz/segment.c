/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A segment is made once by the publisher. Each input makes a damaged copy of
 * it: read by readers who know nothing of that, then taken over by a publisher
 * which has to end with a segment that can be committed to, and whose commit
 * every reader sees, those of the damaged one included.
 *
 * An input of fuzz_segment() is a byte of flags and edits. An edit begins with
 * a byte that says which (modulo EDIT_KINDS) and has, in this order, the
 * operands that are named there; a place is an anchor (one byte, modulo their
 * number) and a distance from it (16 bits, signed). Numbers are little-endian.
 */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuzz/edit.h"
#include "fuzz/fuzz.h"
#include "fuzz/host.h"
#include "fuzz/read.h"
#include "segment/document.h"
#include "segment/hash.h"
#include "segment/layout.h"
#include "segment/view.h"

#define FILE_LIMIT_BYTES ((size_t)262144)
/* No file of a segment that holds so little may become that large. */
#define FILE_MOST_BYTES ((rlim_t)64 << 20)
#define MOST_ANCHORS 64
#define PAGE_BYTES ((size_t)4096)

struct file {
	uint8_t *bytes; /* FILE_LIMIT_BYTES of them */
	size_t size;
};

/* Where something of interest begins, as the publisher made it. */
struct anchor {
	bool is_control;
	size_t offset;
};

static struct fuzz {
	struct fuzz_host pristine; /* where nothing is ever damaged */
	struct fuzz_host host;	   /* where the damaged copy is put */
	struct zkcfg *cfg;	   /* of the pristine one */
	struct zkcfg_snapshot *older, *newer;
	struct file control, generation; /* as they were made */
	unsigned number;		 /* of the generation */
	char generation_name[32];
	uint8_t segment_id[16];
	struct anchor anchors[MOST_ANCHORS];
	size_t anchor_count;
	struct file damaged_control, damaged_generation;
	struct zkcfg_document *document; /* what the next publisher is to commit */
	struct zkcfg_document *damaged_document;
	size_t document_bytes;
	pid_t owner; /* who removes the directories */
} fuzz;

/*
 * The segment
 */

static const char app_xml[] =
	"<app v='1'><port>80</port><pool max='10' min=\"2\"><timeout>1.5s</timeout></pool>"
	"<upstream name='a' weight='1'><host>10.0.0.1</host></upstream>"
	"<upstream name='b' weight='2'><host>10.0.0.2</host>text<host>10.0.0.3</host></upstream><on>yes</on></app>";

static void publish_collisions(struct fuzz_host *host)
{
	char name[40];

	/* three names of one hash: where bytes 8 to 15 are those of XXH3's constant, bytes 0 to 7 do not count */
	for (int i = 0; i < 3; i++) {
		snprintf(name, sizeof(name), "same%04d%.8s/of/one/hash.xml", i,
			 (const char *)XXH3_kSecret + 8);
		fuzz_host_publish(host, name, "<d><v>1</v></d>");
	}
}

static void publish_status(struct fuzz_host *host, unsigned candidate_count)
{
	struct zkcfg_candidate candidates[] = {
		{ .document = "app.xml",
		  .reason = "2:1: not well-formed",
		  .revision = 9,
		  .line = 2,
		  .column = 1 },
		{ .document = "n.1", .reason = "removed at the source", .since_ns = 1 },
	};
	struct publisher_status status = { .source_state = ZKCFG_SOURCE_FOLLOWING,
					   .source = "zk://h1,h2/app",
					   .detail = "all is well",
					   .since_ns = 1,
					   .candidates = candidates,
					   .candidate_count = candidate_count };

	publisher_status(host->publisher, &status);
}

static void make_pristine(struct fuzz_host *host)
{
	char name[16];

	fuzz_host_open(host);
	fuzz_host_publish(host, "empty.xml", "<e/>");
	fuzz_host_publish(host, "app.xml", app_xml);
	fuzz_require(zkcfg_open("app", host->shm_dir, &fuzz.cfg) == 0);
	fuzz_require(zkcfg_pin(fuzz.cfg, &fuzz.older) == 0);
	for (unsigned i = 0; i < 6; i++) {
		snprintf(name, sizeof(name), "n.%u", i);
		fuzz_host_publish(host, name, "<d>v</d>");
	}
	publish_collisions(host);
	fuzz_host_publish(host, "dir/deep.xml", "<d><v>1</v></d>");
	fuzz_host_publish(host, "app.xml", app_xml);
	fuzz_host_publish(host, "dir/deep.xml", NULL);
	fuzz_require(zkcfg_pin(fuzz.cfg, &fuzz.newer) == 0);
	fuzz_require(zkcfg_snapshot_seq(fuzz.newer) == EDIT_COMMITS);
	publish_status(host, 1);
	publish_status(host, 2);
}

static void load_file(const struct fuzz_host *host, const char *name, struct file *file)
{
	char path[FUZZ_PATH_BYTES];

	file->bytes = calloc(1, FILE_LIMIT_BYTES);
	fuzz_require(file->bytes != NULL);
	file->size = fuzz_read_file(fuzz_host_path(host, name, path), file->bytes, FILE_LIMIT_BYTES);
}

static void add_anchor(bool is_control, size_t offset)
{
	if (fuzz.anchor_count < MOST_ANCHORS)
		fuzz.anchors[fuzz.anchor_count++] =
			(struct anchor){ .is_control = is_control, .offset = offset };
}

static bool is_root(const struct file *file, size_t offset)
{
	uint64_t magic;

	if (file->size - offset < sizeof(struct layout_root))
		return false;
	memcpy(&magic, file->bytes + offset, sizeof(magic));
	return magic == LAYOUT_ROOT_MAGIC;
}

/* One whose size is not beyond belief. */
static bool is_document(const struct file *file, size_t offset)
{
	struct zkcfg_document head;

	if (file->size - offset < sizeof(head))
		return false;
	memcpy(&head, file->bytes + offset, sizeof(head));
	return head.magic == LAYOUT_DOCUMENT_MAGIC && head.size_bytes >= sizeof(head) &&
	       head.size_bytes <= file->size - offset;
}

/* Roots from the newest on, so that an input's anchors stay what they are when documents are added. */
static void find_anchors(void)
{
	static const size_t in_control[] = {
		0,
		offsetof(struct layout_control, seq),
		offsetof(struct layout_control, heartbeat_ns),
		offsetof(struct layout_control, roots),
		offsetof(struct layout_control, status),
		offsetof(struct layout_control, status) + sizeof(struct layout_status),
	};
	size_t offset;

	for (size_t i = 0; i < sizeof(in_control) / sizeof(in_control[0]); i++)
		add_anchor(true, in_control[i]);
	add_anchor(false, 0);
	for (offset = fuzz.generation.size; offset > 0; offset -= LAYOUT_ALIGN)
		if (is_root(&fuzz.generation, offset - LAYOUT_ALIGN))
			add_anchor(false, offset - LAYOUT_ALIGN);
	for (offset = 0; offset + LAYOUT_ALIGN <= fuzz.generation.size; offset += LAYOUT_ALIGN)
		if (is_document(&fuzz.generation, offset))
			add_anchor(false, offset);
}

/* What was never used of the generation is left out, to be quick. */
static void trim(struct file *file)
{
	while (file->size > 0 && file->bytes[file->size - 1] == 0)
		file->size--;
	file->size = (file->size + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1);
}

static void clean_up(void)
{
	if (fuzz.owner != getpid())
		return;
	fuzz_host_remove(&fuzz.pristine);
	fuzz_host_remove(&fuzz.host);
}

static void start(void)
{
	char path[FUZZ_PATH_BYTES];
	void *memory;

	if (fuzz.owner != 0)
		return;
	/* should something try to take all memory, it gets an error instead, and we find out */
	signal(SIGXFSZ, SIG_IGN);
	fuzz_require(setrlimit(RLIMIT_FSIZE, &(struct rlimit){ FILE_MOST_BYTES, FILE_MOST_BYTES }) == 0);
	fuzz_host_make(&fuzz.pristine);
	fuzz_host_make(&fuzz.host);
	fuzz.owner = getpid();
	atexit(clean_up);
	make_pristine(&fuzz.pristine);
	publisher_segment_id(fuzz.pristine.publisher, fuzz.segment_id);
	fuzz_host_generation(&fuzz.pristine, fuzz.generation_name);
	fuzz.number = (unsigned)strtoul(fuzz.generation_name + 4, NULL, 10);
	load_file(&fuzz.pristine, "control", &fuzz.control);
	load_file(&fuzz.pristine, fuzz.generation_name, &fuzz.generation);
	trim(&fuzz.generation);
	find_anchors();
	fuzz.damaged_control.bytes = calloc(1, FILE_LIMIT_BYTES);
	fuzz.damaged_generation.bytes = calloc(1, FILE_LIMIT_BYTES);
	fuzz.document = fuzz_compile("app.xml", 99, app_xml, &fuzz.document_bytes);
	fuzz_require(posix_memalign(&memory, LAYOUT_ALIGN, fuzz.document_bytes) == 0);
	fuzz.damaged_document = memory;
	fuzz_host_open(&fuzz.host); /* makes the directories */
	fuzz_host_close(&fuzz.host);
	fuzz_require(unlink(fuzz_host_path(&fuzz.host, "lock", path)) == 0);
}

/*
 * The damage
 */

/* What is left of an input. */
struct input {
	const uint8_t *at;
	const uint8_t *end;
};

static uint64_t take(struct input *input, size_t bytes)
{
	uint64_t number = 0;

	for (size_t i = 0; i < bytes && input->at < input->end; i++)
		number |= (uint64_t)*input->at++ << 8 * i;
	return number;
}

/* So many bytes of the file that a place names; NULL: they are not there. */
static uint8_t *take_place(struct input *input, size_t bytes)
{
	const struct anchor *anchor = &fuzz.anchors[take(input, 1) % fuzz.anchor_count];
	struct file *file = anchor->is_control ? &fuzz.damaged_control : &fuzz.damaged_generation;
	int64_t offset = (int64_t)anchor->offset + (int16_t)take(input, 2);

	if (offset < 0 || (uint64_t)offset + bytes > FILE_LIMIT_BYTES)
		return NULL;
	return file->bytes + offset;
}

static void write_bytes(struct input *input, uint8_t *at, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++) {
		uint8_t byte = (uint8_t)take(input, 1);

		if (at)
			at[i] = byte;
	}
}

static void edit_write(struct input *input)
{
	size_t bytes = 1 + take(input, 1) % 16;

	write_bytes(input, take_place(input, bytes), bytes);
}

static void edit_add(struct input *input)
{
	uint8_t *at = take_place(input, 4);
	int8_t summand = (int8_t)take(input, 1);
	uint32_t number;

	if (!at)
		return;
	memcpy(&number, at, sizeof(number));
	number += (uint32_t)(int32_t)summand;
	memcpy(at, &number, sizeof(number));
}

static void edit_copy(struct input *input)
{
	size_t bytes = 1 + take(input, 1);
	uint8_t *to = take_place(input, bytes), *from = take_place(input, bytes);

	if (to && from)
		memmove(to, from, bytes);
}

static void edit_size(struct input *input, struct file *file)
{
	file->size = take(input, 3) % (FILE_LIMIT_BYTES + 1);
}

static void edit_document(struct input *input)
{
	size_t offset = take(input, 2) % fuzz.document_bytes, bytes = 1 + take(input, 1) % 16;
	bool fits = offset + bytes <= fuzz.document_bytes;

	write_bytes(input, fits ? (uint8_t *)fuzz.damaged_document + offset : NULL, bytes);
}

static void edit(struct input *input)
{
	switch (take(input, 1) % EDIT_KINDS) {
	case EDIT_WRITE:
		edit_write(input);
		break;
	case EDIT_ADD:
		edit_add(input);
		break;
	case EDIT_COPY:
		edit_copy(input);
		break;
	case EDIT_CONTROL_SIZE:
		edit_size(input, &fuzz.damaged_control);
		break;
	case EDIT_GENERATION_SIZE:
		edit_size(input, &fuzz.damaged_generation);
		break;
	default:
		edit_document(input);
		break;
	}
}

static void copy_file(struct file *to, const struct file *from)
{
	memcpy(to->bytes, from->bytes, from->size);
	memset(to->bytes + from->size, 0, FILE_LIMIT_BYTES - from->size);
	to->size = from->size;
}

static void seal_document(struct zkcfg_document *document)
{
	document->checksum = document_checksum(document);
}

/* Make all checksums right again. */
static void seal_generation(struct file *file)
{
	for (size_t offset = 0; offset + LAYOUT_ALIGN <= file->size; offset += LAYOUT_ALIGN) {
		struct layout_root *root = (void *)(file->bytes + offset);

		if (is_root(file, offset))
			root->checksum = view_root_checksum(root);
		else if (is_document(file, offset))
			seal_document((void *)(file->bytes + offset));
	}
}

static void seal_status(struct layout_status *status)
{
	size_t head = offsetof(struct layout_status, version);

	if (status->text_bytes <= sizeof(status->text))
		status->checksum =
			hash_bytes((const uint8_t *)status + head,
				   offsetof(struct layout_status, text) - head + status->text_bytes);
}

static void seal_control(struct file *file)
{
	struct layout_control *control = (void *)file->bytes;

	if (file->size < sizeof(*control))
		return;
	seal_status(&control->status[0]);
	seal_status(&control->status[1]);
}

/*
 * The damaged segment, read and taken over
 */

static void write_file(const char *name, const struct file *file)
{
	char path[FUZZ_PATH_BYTES];
	int fd;

	fuzz_host_path(&fuzz.host, name, path);
	unlink(path); /* what somebody has mapped stays as it is */
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	fuzz_require(fd >= 0);
	fuzz_require(fchmod(fd, 0644) == 0);
	fuzz_require(write(fd, file->bytes, file->size) == (ssize_t)file->size);
	close(fd);
}

static void remove_generations(void)
{
	DIR *directory = opendir(fuzz.host.set_dir);
	char path[FUZZ_PATH_BYTES];
	struct dirent *entry;

	fuzz_require(directory != NULL);
	while ((entry = readdir(directory)))
		if (strncmp(entry->d_name, "gen.", 4) == 0)
			unlink(fuzz_host_path(&fuzz.host, entry->d_name, path));
	closedir(directory);
}

static void write_damaged(void)
{
	remove_generations();
	write_file("control", &fuzz.damaged_control);
	write_file(fuzz.generation_name, &fuzz.damaged_generation);
}

static void patch_control(size_t offset, const void *bytes, size_t size)
{
	char path[FUZZ_PATH_BYTES];
	int fd = open(fuzz_host_path(&fuzz.host, "control", path), O_WRONLY | O_CLOEXEC);

	fuzz_require(fd >= 0 && pwrite(fd, bytes, size, (off_t)offset) == (ssize_t)size);
	close(fd);
}

/* Let the handle that has the newest pinned see the commit before it, of the same file. */
static void step_back(void)
{
	size_t offset = offsetof(struct layout_control, seq);
	uint64_t seq;

	memcpy(&seq, fuzz.damaged_control.bytes + offset, sizeof(seq));
	seq--;
	patch_control(offset, &seq, sizeof(seq));
}

static size_t read_pair(struct zkcfg *cfg, const struct zkcfg_snapshot *snapshot)
{
	struct zkcfg_snapshot *before;
	size_t count = read_snapshot(snapshot);

	read_diff(NULL, snapshot);
	read_diff(fuzz.older, snapshot);
	read_diff(snapshot, fuzz.newer);
	step_back();
	if (zkcfg_pin(cfg, &before) == 0) {
		read_diff(before, snapshot);
		read_diff(snapshot, before);
		zkcfg_unpin(before);
	}
	patch_control(0, fuzz.damaged_control.bytes, fuzz.damaged_control.size);
	return count;
}

/* A handle on the damaged segment, if it lets anybody in. */
static struct zkcfg *read_damaged(unsigned *outcome)
{
	struct zkcfg_snapshot *snapshot;
	struct zkcfg *cfg;
	uint64_t newest;
	int err;

	err = zkcfg_open("app", fuzz.host.shm_dir, &cfg);
	fuzz_require(err == 0 || err == ZKCFG_EMAGIC || err == ZKCFG_ELAYOUT || err == ZKCFG_ESIZE ||
		     err == ZKCFG_ECORRUPT);
	if (err < 0)
		return NULL;
	read_status(cfg);
	read_waits(cfg);
	err = zkcfg_wait(cfg, 0, 0, &newest);
	fuzz_require(err == 0 || err == ZKCFG_ETIMEDOUT);
	err = zkcfg_pin(cfg, &snapshot);
	fuzz_require(err == 0 || err == ZKCFG_EEMPTY || err == ZKCFG_ENOSET || err == ZKCFG_EMAGIC ||
		     err == ZKCFG_ELAYOUT || err == ZKCFG_ESIZE || err == ZKCFG_ECORRUPT);
	if (err == 0) {
		if (read_pair(cfg, snapshot) > 0)
			*outcome |= FUZZ_READ;
		zkcfg_unpin(snapshot);
	}
	return cfg;
}

/* What was committed last is what a handle sees. */
static void require_seen(struct zkcfg *cfg, uint64_t seq)
{
	struct zkcfg_snapshot *snapshot;
	const char *value = NULL;

	fuzz_require(zkcfg_pin(cfg, &snapshot) == 0);
	fuzz_require(zkcfg_snapshot_seq(snapshot) == seq && zkcfg_seq(cfg) == seq);
	fuzz_require(zkcfg_get_string(snapshot, "last.xml", "/v", &value) == 0);
	fuzz_require(strcmp(value, "seen") == 0);
	zkcfg_unpin(snapshot);
}

/* What is not believed costs no memory either: the few documents need a few pages. */
static void require_small(void)
{
	char name[32], path[FUZZ_PATH_BYTES];
	struct stat st;

	fuzz_host_generation(&fuzz.host, name);
	fuzz_require(stat(fuzz_host_path(&fuzz.host, name, path), &st) == 0);
	fuzz_require(st.st_size <= (off_t)(4 * FILE_LIMIT_BYTES));
}

static void require_seen_by_all(struct zkcfg *cfg, uint64_t seq)
{
	struct zkcfg *fresh;

	fuzz_require(zkcfg_open("app", fuzz.host.shm_dir, &fresh) == 0);
	require_seen(fresh, seq);
	zkcfg_close(fresh);
	if (cfg)
		require_seen(cfg, seq);
	require_small();
}

static int count_document(const struct zkcfg_document *document, void *user)
{
	read_document(document, NULL, true);
	++*(size_t *)user;
	return 0;
}

/* All that a publisher serves is sound, once it has begun. */
static void require_sound(const struct publisher *publisher)
{
	size_t count = 0;

	fuzz_require(publisher_each(publisher, count_document, &count) == 0);
	fuzz_require(count == publisher_document_count(publisher));
}

static unsigned take_over(const uint8_t segment_id[16])
{
	uint8_t now[16];

	fuzz_host_open(&fuzz.host);
	require_sound(fuzz.host.publisher);
	publisher_segment_id(fuzz.host.publisher, now);
	return memcmp(segment_id, now, sizeof(now)) == 0 ? FUZZ_SOUND : FUZZ_SET_ASIDE;
}

/* The document of the input is published if document_check() lets it pass; then a publisher looks closer. */
static unsigned commit_damaged(void)
{
	struct publisher_change change = { .name = "app.xml",
					   .document = fuzz.damaged_document,
					   .document_bytes = fuzz.document_bytes };
	struct message message = { "" };
	int err = publisher_commit(fuzz.host.publisher, &change, 1, NULL, &message);

	fuzz_require(err == 0 || err == ZKCFG_EINVAL);
	if (err < 0)
		return 0;
	fuzz_host_close(&fuzz.host);
	take_over(fuzz.segment_id);
	return FUZZ_COMMITTED;
}

static unsigned run(bool has_document)
{
	unsigned outcome = FUZZ_REFUSED;
	struct zkcfg *cfg;
	uint64_t seq;

	write_damaged();
	cfg = read_damaged(&outcome);
	outcome |= take_over(fuzz.segment_id);
	seq = fuzz_host_publish(&fuzz.host, "last.xml", "<v>seen</v>");
	require_seen_by_all(cfg, seq);
	if (has_document) {
		outcome |= commit_damaged();
		if (cfg)
			read_status(cfg);
		seq = fuzz_host_publish(&fuzz.host, "last.xml", "<v>seen</v>");
		require_seen_by_all(cfg, seq);
	}
	fuzz_host_close(&fuzz.host);
	zkcfg_close(cfg);
	return outcome;
}

unsigned fuzz_segment(const uint8_t *data, size_t size)
{
	struct input input = { .at = data, .end = data + size };
	unsigned flags = (unsigned)take(&input, 1);
	bool has_document;

	start();
	copy_file(&fuzz.damaged_control, &fuzz.control);
	copy_file(&fuzz.damaged_generation, &fuzz.generation);
	memcpy(fuzz.damaged_document, fuzz.document, fuzz.document_bytes);
	while (input.at < input.end)
		edit(&input);
	if (flags & FUZZ_SEAL) {
		seal_control(&fuzz.damaged_control);
		seal_generation(&fuzz.damaged_generation);
	}
	has_document = memcmp(fuzz.damaged_document, fuzz.document, fuzz.document_bytes) != 0;
	if (has_document && fuzz.damaged_document->size_bytes == fuzz.document_bytes)
		seal_document(fuzz.damaged_document);
	return run(has_document);
}

/* Lead the control to the last root there is, or to where one would be. */
static void point_to_root(const struct file *generation, struct layout_control *control)
{
	size_t offset = generation->size & ~(size_t)(LAYOUT_ALIGN - 1);
	uint64_t seq = 1, where;

	while (offset > 0 && !is_root(generation, offset))
		offset -= LAYOUT_ALIGN;
	if (offset > 0)
		memcpy(&seq, generation->bytes + offset + offsetof(struct layout_root, seq), sizeof(seq));
	where = (uint64_t)fuzz.number << 32 | offset / LAYOUT_ALIGN;
	memcpy((uint8_t *)control + offsetof(struct layout_control, seq), &seq, sizeof(seq));
	memcpy((uint8_t *)control + offsetof(struct layout_control, roots) +
		       seq % LAYOUT_ROOT_SLOTS * sizeof(where),
	       &where, sizeof(where));
}

unsigned fuzz_generation(const uint8_t *data, size_t size)
{
	struct file *file = &fuzz.damaged_generation;

	start();
	if (size < 1 || size - 1 > FILE_LIMIT_BYTES - sizeof(struct layout_arena))
		return FUZZ_REFUSED;
	copy_file(&fuzz.damaged_control, &fuzz.control);
	copy_file(file, &fuzz.generation);
	memset(file->bytes + sizeof(struct layout_arena), 0, FILE_LIMIT_BYTES - sizeof(struct layout_arena));
	memcpy(file->bytes + sizeof(struct layout_arena), data + 1, size - 1);
	file->size = sizeof(struct layout_arena) + size - 1;
	if (data[0] & FUZZ_SEAL)
		seal_generation(file);
	point_to_root(file, (void *)fuzz.damaged_control.bytes);
	return run(false);
}
