/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/segment_host.h"

#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "segment/hash.h"
#include "segment/layout.h"

void segment_host_start(struct segment_host *host)
{
	const char *base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";

	*host = (struct segment_host){ .revision = 0 };
	snprintf(host->shm_dir, sizeof(host->shm_dir), "%s/zkcfg-test-XXXXXX", base);
	ck_assert_ptr_nonnull(mkdtemp(host->shm_dir));
	snprintf(host->set_dir, sizeof(host->set_dir), "%s/v1/app", host->shm_dir);
}

static int remove_entry(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	(void)st;
	(void)kind;
	(void)ftw;
	return remove(path);
}

void segment_host_remove(const char *path)
{
	nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

void segment_host_stop(struct segment_host *host)
{
	segment_host_close(host);
	/* a test may have become another user, and mounted something over what has to go */
	if (geteuid() != 0 && seteuid(0) < 0 && errno != EPERM)
		ck_abort_msg("seteuid: %s", strerror(errno));
	if (host->mounted[0] != '\0')
		umount2(host->mounted, MNT_DETACH);
	segment_host_remove(host->shm_dir);
}

void segment_host_open(struct segment_host *host)
{
	struct publisher_options options = {
		.shm_dir = host->shm_dir, .set = "app", .mode = 0644, .group = (gid_t)-1
	};
	struct message message = { "" };
	int err = publisher_open(&options, &host->publisher, &message);

	ck_assert_msg(err == 0, "publisher_open: %d %s", err, message.text);
	ck_assert_int_eq(publisher_heartbeat(host->publisher, &message), 0);
}

void segment_host_close(struct segment_host *host)
{
	publisher_close(host->publisher);
	host->publisher = NULL;
}

/* A step of the XML reader below: reads at *at, moves it on. */
static void read_tag(struct document_builder *builder, const char **at)
{
	const char *name = *at + 1, *end = name + strcspn(name, " />");

	document_builder_open(builder, name, (size_t)(end - name));
	while (*end == ' ') {
		const char *attribute = end + 1;
		size_t attribute_bytes = strcspn(attribute, "=");
		const char *value = attribute + attribute_bytes + 2;
		size_t value_bytes = strcspn(value, (char[]){ value[-1], '\0' });

		document_builder_attribute(builder, attribute, attribute_bytes, value, value_bytes);
		end = value + value_bytes + 1;
	}
	if (*end == '/') {
		document_builder_close(builder);
		end++;
	}
	*at = end + 1;
}

struct zkcfg_document *segment_document(const struct document_origin *origin, const char *xml,
					size_t *size_bytes, int *err)
{
	struct document_builder *builder = document_builder_new(origin, xml, strlen(xml));
	struct zkcfg_document *document = NULL;
	const char *at = xml;

	ck_assert_ptr_nonnull(builder);
	while (*at != '\0') {
		size_t text_bytes = strcspn(at, "<");

		document_builder_text(builder, at, text_bytes);
		at += text_bytes;
		if (*at == '\0')
			break;
		if (at[1] == '/') {
			document_builder_close(builder);
			at += strcspn(at, ">") + 1;
		} else {
			read_tag(builder, &at);
		}
	}
	*err = document_builder_finish(builder, &document, size_bytes);
	return document;
}

struct zkcfg_document *segment_document_named(const char *name, const char *xml, size_t *size_bytes)
{
	struct document_origin origin = { .name = name, .created = 1, .revision = 1, .version = -1 };
	struct zkcfg_document *document;
	int err;

	document = segment_document(&origin, xml, size_bytes, &err);
	ck_assert_msg(err == 0, "%s: %s", zkcfg_strerror(err), xml);
	return document;
}

void segment_document_seal(struct zkcfg_document *document)
{
	document->checksum = document_checksum(document);
}

uint64_t segment_host_publish(struct segment_host *host, const char *name, const char *xml)
{
	struct document_origin origin = {
		.name = name, .created = 1, .revision = ++host->revision, .version = 0
	};
	struct publisher_change change = { .name = name };
	struct message message = { "" };
	struct zkcfg_document *document = NULL;
	uint64_t seq = 0;
	int err = 0;

	if (xml)
		document = segment_document(&origin, xml, &change.document_bytes, &err);
	ck_assert_int_eq(err, 0);
	change.document = document;
	err = publisher_commit(host->publisher, &change, 1, &seq, &message);
	ck_assert_msg(err == 0, "publisher_commit: %d %s", err, message.text);
	free(document);
	return seq;
}

uint64_t segment_host_publish_many(struct segment_host *host, unsigned count, const char *text)
{
	struct publisher_change *changes = calloc(count, sizeof(*changes));
	char(*names)[16] = calloc(count, sizeof(*names));
	struct message message = { "" };
	struct document_origin origin = { .created = 1, .revision = ++host->revision };
	uint64_t seq = 0;
	char xml[256];
	int err = 0;

	snprintf(xml, sizeof(xml), "<d>%s</d>", text);
	for (unsigned i = 0; i < count; i++) {
		snprintf(names[i], sizeof(names[i]), "n.%u", i);
		origin.name = changes[i].name = names[i];
		changes[i].document = segment_document(&origin, xml, &changes[i].document_bytes, &err);
		ck_assert_int_eq(err, 0);
	}
	err = publisher_commit(host->publisher, changes, count, &seq, &message);
	ck_assert_msg(err == 0, "publisher_commit: %d %s", err, message.text);
	for (unsigned i = 0; i < count; i++)
		free((void *)(uintptr_t)changes[i].document);
	free(changes);
	free(names);
	return seq;
}

char *segment_host_path(const struct segment_host *host, const char *name, char path[HOST_PATH_BYTES])
{
	ck_assert_int_lt(snprintf(path, HOST_PATH_BYTES, "%.150s/%.40s", host->set_dir, name),
			 HOST_PATH_BYTES);
	return path;
}

unsigned segment_host_generation(const struct segment_host *host)
{
	DIR *directory = opendir(host->set_dir);
	unsigned generation = 0, count = 0;
	struct dirent *entry;

	ck_assert_ptr_nonnull(directory);
	while ((entry = readdir(directory))) {
		if (strncmp(entry->d_name, "gen.", 4) != 0)
			continue;
		generation = (unsigned)strtoul(entry->d_name + 4, NULL, 10);
		count++;
	}
	closedir(directory);
	ck_assert_msg(count == 1, "expected one generation, found %u", count);
	return generation;
}

void segment_host_patch(const char *path, uint64_t offset, const void *bytes, size_t size_bytes)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	ck_assert_msg(fd >= 0, "%s: %s", path, strerror(errno));
	ck_assert_int_eq(pwrite(fd, bytes, size_bytes, (off_t)offset), (ssize_t)size_bytes);
	close(fd);
}

uint8_t *segment_host_read(const char *path, size_t *size_bytes)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	uint8_t *bytes;

	ck_assert_msg(fd >= 0 && fstat(fd, &st) == 0, "%s: %s", path, strerror(errno));
	bytes = malloc((size_t)st.st_size + 1);
	ck_assert_ptr_nonnull(bytes);
	ck_assert_int_eq(pread(fd, bytes, (size_t)st.st_size, 0), st.st_size);
	close(fd);
	*size_bytes = (size_t)st.st_size;
	return bytes;
}

/* Take the root of the mount namespace for ours, make every mount private, and come back. */
static int segment_host_isolate_chroot(void)
{
	int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int here = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int space = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
	int err = -1;

	if (root >= 0 && here >= 0 && space >= 0 && setns(space, CLONE_NEWNS) == 0 &&
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 && fchdir(root) == 0 && chroot(".") == 0 &&
	    fchdir(here) == 0)
		err = 0;
	close(space);
	close(here);
	close(root);
	return err;
}

/* A mount namespace of our own, out of which no mount gets. */
static int segment_host_isolate(void)
{
	if (unshare(CLONE_NEWNS) < 0)
		return -1;
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0)
		return 0;
	/* in a chroot, "/" need not be a mount */
	return errno == EINVAL ? segment_host_isolate_chroot() : -1;
}

bool segment_host_mount(struct segment_host *host, const char *path, size_t size_bytes)
{
	char options[64];

	if (geteuid() != 0) {
		printf("not root: nothing can be mounted on %s, this is not tried\n", path);
		return false;
	}
	snprintf(options, sizeof(options), "size=%zu,mode=0755", size_bytes);
	ck_assert_msg(
		segment_host_isolate() == 0,
		"root cannot have a mount namespace of its own here (%s): run this test in a container that "
		"has CAP_SYS_ADMIN, or not as root",
		strerror(errno));
	ck_assert_msg(mount("tmpfs", path, "tmpfs", MS_NOSUID | MS_NODEV, options) == 0,
		      "root cannot mount a tmpfs on %s: %s", path, strerror(errno));
	snprintf(host->mounted, sizeof(host->mounted), "%s", path);
	return true;
}

int64_t segment_host_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* splitmix64 */
uint64_t segment_random(uint64_t *state)
{
	uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

uint64_t segment_seed(void)
{
	const char *given = getenv("ZKCFG_TEST_SEED");
	uint64_t seed = given ? strtoull(given, NULL, 0) : (uint64_t)segment_host_now_ms();

	printf("ZKCFG_TEST_SEED=%llu\n", (unsigned long long)seed);
	fflush(stdout);
	return seed;
}
