/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "fuzz/host.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuzz/fuzz.h"
#include "xml/compile.h"

void fuzz_host_make(struct fuzz_host *host)
{
	const char *base = getenv("FUZZ_DIRECTORY");

	*host = (struct fuzz_host){ .revision = 0 };
	snprintf(host->shm_dir, sizeof(host->shm_dir), "%.60s/zkcfg-fuzz-XXXXXX", base ? base : "/dev/shm");
	fuzz_require(mkdtemp(host->shm_dir) != NULL);
	snprintf(host->set_dir, sizeof(host->set_dir), "%s/v1/app", host->shm_dir);
}

static int remove_entry(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	(void)st;
	(void)kind;
	(void)ftw;
	return remove(path);
}

void fuzz_host_remove(struct fuzz_host *host)
{
	fuzz_host_close(host);
	nftw(host->shm_dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

void fuzz_host_open(struct fuzz_host *host)
{
	struct publisher_options options = {
		.shm_dir = host->shm_dir, .set = "app", .mode = 0644, .group = (gid_t)-1
	};
	struct message message = { "" };
	int err = publisher_open(&options, &host->publisher, &message);

	if (err < 0)
		fprintf(stderr, "publisher_open: %d %s\n", err, message.text);
	fuzz_require(err == 0);
	fuzz_require(publisher_heartbeat(host->publisher, &message) == 0);
}

void fuzz_host_close(struct fuzz_host *host)
{
	publisher_close(host->publisher);
	host->publisher = NULL;
}

struct zkcfg_document *fuzz_compile(const char *name, uint64_t revision, const char *xml, size_t *size_bytes)
{
	static bool is_started;
	struct document_origin origin = { .name = name, .created = 1, .revision = revision, .version = 0 };
	struct zkcfg_document *document;
	struct xml_fault fault;

	if (!is_started)
		xml_start();
	is_started = true;
	fuzz_require(xml_compile(&origin, xml, strlen(xml), NULL, &document, size_bytes, &fault) == 0);
	return document;
}

uint64_t fuzz_host_publish(struct fuzz_host *host, const char *name, const char *xml)
{
	struct publisher_change change = { .name = name };
	struct zkcfg_document *document = NULL;
	struct message message = { "" };
	uint64_t seq = 0;
	int err;

	if (xml)
		document = fuzz_compile(name, ++host->revision, xml, &change.document_bytes);
	change.document = document;
	err = publisher_commit(host->publisher, &change, 1, &seq, &message);
	if (err < 0)
		fprintf(stderr, "publisher_commit: %d %s\n", err, message.text);
	fuzz_require(err == 0);
	free(document);
	return seq;
}

char *fuzz_host_path(const struct fuzz_host *host, const char *name, char path[FUZZ_PATH_BYTES])
{
	fuzz_require(snprintf(path, FUZZ_PATH_BYTES, "%s/%s", host->set_dir, name) < FUZZ_PATH_BYTES);
	return path;
}

void fuzz_host_generation(const struct fuzz_host *host, char name[32])
{
	DIR *directory = opendir(host->set_dir);
	struct dirent *entry;

	fuzz_require(directory != NULL);
	name[0] = '\0';
	while ((entry = readdir(directory))) {
		if (strncmp(entry->d_name, "gen.", 4) != 0)
			continue;
		fuzz_require(name[0] == '\0');
		snprintf(name, 32, "%.31s", entry->d_name);
	}
	fuzz_require(name[0] != '\0');
	closedir(directory);
}

size_t fuzz_read_file(const char *path, void *bytes, size_t most_bytes)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got;

	fuzz_require(fd >= 0);
	got = read(fd, bytes, most_bytes);
	fuzz_require(got >= 0 && (size_t)got < most_bytes);
	close(fd);
	return (size_t)got;
}
