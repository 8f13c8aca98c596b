/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes the inputs that fuzzing begins with, below the directory that is
 * given: each does harm in one way that somebody thought of. `make fuzz-seeds`
 * runs it anew after a change of a layout.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "fuzz/edit.h"
#include "fuzz/fuzz.h"
#include "fuzz/host.h"
#include "segment/layout.h"

#define MOST_BYTES 32768

static const char *directory;

static void write_seed(const char *harness, const char *name, const void *bytes, size_t size)
{
	char path[4096];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", directory, harness);
	fuzz_require(mkdir(path, 0755) == 0 || errno == EEXIST);
	snprintf(path, sizeof(path), "%s/%s/%s", directory, harness, name);
	file = fopen(path, "w");
	fuzz_require(file != NULL);
	fuzz_require(fwrite(bytes, 1, size, file) == size);
	fuzz_require(fclose(file) == 0);
}

/*
 * Edits of the segment
 */

struct seed {
	uint8_t bytes[256];
	size_t size;
};

static void put(struct seed *seed, uint64_t number, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		seed->bytes[seed->size++] = (uint8_t)(number >> 8 * i);
}

static void put_place(struct seed *seed, unsigned anchor, long distance)
{
	put(seed, anchor, 1);
	put(seed, (uint64_t)distance, 2);
}

static void put_number(struct seed *seed, unsigned anchor, long distance, uint64_t number, size_t bytes)
{
	put(seed, EDIT_WRITE, 1);
	put(seed, bytes - 1, 1);
	put_place(seed, anchor, distance);
	put(seed, number, bytes);
}

/* One place gets one number, with the checksums made right again. */
static void seed_number(const char *name, unsigned anchor, size_t distance, uint64_t number, size_t bytes)
{
	struct seed seed = { .bytes = { FUZZ_SEAL }, .size = 1 };

	put_number(&seed, anchor, (long)distance, number, bytes);
	write_seed("segment", name, seed.bytes, seed.size);
}

static void seed_add(const char *name, unsigned anchor, long distance, int summand)
{
	struct seed seed = { .bytes = { FUZZ_SEAL }, .size = 1 };

	put(&seed, EDIT_ADD, 1);
	put_place(&seed, anchor, distance);
	put(&seed, (uint64_t)summand, 1);
	write_seed("segment", name, seed.bytes, seed.size);
}

static void seed_size(const char *name, enum edit_kind kind, uint64_t size)
{
	struct seed seed = { .bytes = { 0 }, .size = 1 };

	put(&seed, kind, 1);
	put(&seed, size, 3);
	write_seed("segment", name, seed.bytes, seed.size);
}

static void seed_copy(const char *name, unsigned anchor, long to, long from, size_t bytes)
{
	struct seed seed = { .bytes = { FUZZ_SEAL }, .size = 1 };

	put(&seed, EDIT_COPY, 1);
	put(&seed, bytes - 1, 1);
	put_place(&seed, anchor, to);
	put_place(&seed, anchor, from);
	write_seed("segment", name, seed.bytes, seed.size);
}

#define CONTROL(field) ANCHOR_CONTROL, offsetof(struct layout_control, field)
#define ROOT(field) ANCHOR_ROOT, offsetof(struct layout_root, field)
#define STATUS(field) ANCHOR_STATUS, offsetof(struct layout_status, field)

static void write_control_seeds(void)
{
	seed_number("control-magic", CONTROL(magic), 0, 1);
	seed_number("control-layout", CONTROL(layout), 77, 4);
	seed_number("control-bytes", CONTROL(control_bytes), 4096, 4);
	seed_number("control-segment-id", CONTROL(segment_id), 0, 8);
	seed_number("control-boot-id", CONTROL(boot_id), 0, 8);
	seed_number("control-set", CONTROL(set), UINT64_MAX, 8);
	seed_number("control-seq-zero", CONTROL(seq), 0, 8);
	seed_number("control-seq-most", CONTROL(seq), UINT64_MAX, 8);
	seed_add("control-seq-next", ANCHOR_SEQ, 0, 1);
	seed_add("control-seq-before", ANCHOR_SEQ, 0, -1);
	seed_add("control-seq-64", ANCHOR_SEQ, 0, 64);
	seed_number("control-heartbeat-future", CONTROL(heartbeat_ns), INT64_MAX, 8);
	seed_number("control-heartbeat-least", CONTROL(heartbeat_ns), (uint64_t)INT64_MIN, 8);
	seed_number("control-verified-least", CONTROL(verified_ns), (uint64_t)INT64_MIN, 8);
	seed_number("control-state", CONTROL(source_state), 99, 4);
	seed_number("control-moved", CONTROL(moved), 1, 4);
	seed_number("control-status-version", CONTROL(status_version), 7, 8);
	seed_size("control-size-0", EDIT_CONTROL_SIZE, 0);
	seed_size("control-size-100", EDIT_CONTROL_SIZE, 100);
	seed_size("control-size-less", EDIT_CONTROL_SIZE, sizeof(struct layout_control) - 1);
	seed_size("control-size-more", EDIT_CONTROL_SIZE, sizeof(struct layout_control) + 1);
}

static void write_status_seeds(void)
{
	seed_number("status-checksum", STATUS(version), 6, 8);
	seed_number("status-text-bytes-most", STATUS(text_bytes), UINT32_MAX, 4);
	seed_number("status-text-bytes-none", STATUS(text_bytes), 0, 4);
	seed_number("status-text-bytes-1", STATUS(text_bytes), 1, 4);
	seed_number("status-text-cut", STATUS(text_bytes), 60, 4);
	seed_number("status-kept-most", STATUS(candidate_kept), UINT32_MAX, 4);
	seed_number("status-kept-more", STATUS(candidate_kept), 400, 4);
	seed_number("status-kept-all-of-nothing", STATUS(candidate_kept), 598, 4);
}

/* Where the newest commit's root is said to be. */
static void seed_slot(const char *name, uint64_t where)
{
	seed_number(name, ANCHOR_ROOTS, 8 * EDIT_COMMITS, where, 8);
}

static void write_root_seeds(void)
{
	struct seed seed = { .bytes = { FUZZ_SEAL }, .size = 1 };

	seed_slot("slot-zero", 0);
	seed_slot("slot-header", UINT64_C(1) << 32);
	seed_slot("slot-beyond", UINT64_C(1) << 32 | UINT32_MAX);
	seed_slot("slot-end", UINT64_C(1) << 32 | 0x10000);
	seed_slot("slot-generation", UINT64_C(9) << 32 | 9);
	seed_number("root-magic", ROOT(magic), 0, 8);
	seed_number("root-seq", ROOT(seq), 1, 8);
	seed_number("root-time", ROOT(time_ns), UINT64_MAX, 8);
	seed_number("root-index-none", ROOT(index), 0, 8);
	seed_number("root-index-tag-0", ROOT(index), 0x40, 1);
	seed_number("root-index-tag-15", ROOT(index), 0x4f, 1);
	seed_number("root-index-beyond", ROOT(index), UINT64_MAX, 8);
	seed_number("root-index-document", ROOT(index), LAYOUT_TAG_DOCUMENT | 0x40, 8);
	seed_number("root-index-bucket", ROOT(index), LAYOUT_TAG_BUCKET | 0x40, 8);
	seed_add("root-index-elsewhere", ANCHOR_ROOT, offsetof(struct layout_root, index), -16);
	seed_number("root-count-none", ROOT(document_count), 0, 8);
	seed_number("root-count-most", ROOT(document_count), UINT64_MAX, 8);
	seed_add("root-count-more", ANCHOR_ROOT, offsetof(struct layout_root, document_count), 1);
	seed_add("root-count-less", ANCHOR_ROOT, offsetof(struct layout_root, document_count), -1);
	seed_number("root-live-most", ROOT(live_bytes), UINT64_MAX, 8);
	seed_number("root-live-much", ROOT(live_bytes), UINT64_C(1) << 40, 8);
	seed_number("root-live-32-mib", ROOT(live_bytes), 32 << 20, 8);
	seed_number("root-live-none", ROOT(live_bytes), 0, 8);
	seed_number("root-end-none", ROOT(end), 0, 8);
	seed_number("root-end-most", ROOT(end), UINT64_MAX, 8);
	seed_number("root-previous", ROOT(previous), UINT64_MAX, 8);
	/* the largest seq there is, in control, slot and root: no commit could follow it */
	put_number(&seed, ANCHOR_SEQ, 0, UINT64_MAX, 8);
	put(&seed, EDIT_COPY, 1);
	put(&seed, 7, 1);
	put_place(&seed, ANCHOR_ROOTS, 8 * (LAYOUT_ROOT_SLOTS - 1));
	put_place(&seed, ANCHOR_ROOTS, 8 * EDIT_COMMITS);
	put_number(&seed, ANCHOR_ROOT, offsetof(struct layout_root, seq), UINT64_MAX, 8);
	write_seed("segment", "root-seq-most", seed.bytes, seed.size);
}

/* Index nodes lie right before their root, the top last. */
static void write_node_seeds(void)
{
	char name[32];

	for (long i = 1; i <= 6; i++) {
		snprintf(name, sizeof(name), "node-word-%ld-ones", i);
		seed_number(name, ANCHOR_ROOT, (size_t)(-8 * i), UINT64_MAX, 8);
		snprintf(name, sizeof(name), "node-word-%ld-zero", i);
		seed_number(name, ANCHOR_ROOT, (size_t)(-8 * i), 0, 8);
		snprintf(name, sizeof(name), "node-word-%ld-copy", i);
		seed_copy(name, ANCHOR_ROOT, -8 * i, -8 * i - 8, 8);
		snprintf(name, sizeof(name), "node-word-%ld-add", i);
		seed_add(name, ANCHOR_ROOT, -8 * i, 16);
	}
	seed_copy("node-block", ANCHOR_ROOT, -128, -64, 64);
	seed_copy("node-over-root", ANCHOR_ROOT, 0, -64, 64);
}

static void write_size_seeds(void)
{
	static const unsigned sizes[] = { 0, 1, 63, 64, 65, 4095, 4096, 4097, 200000 };
	char name[32];

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		snprintf(name, sizeof(name), "generation-size-%u", sizes[i]);
		seed_size(name, EDIT_GENERATION_SIZE, sizes[i]);
	}
	seed_number("generation-magic", ANCHOR_GENERATION, offsetof(struct layout_arena, magic), 0, 8);
	seed_number("generation-layout", ANCHOR_GENERATION, offsetof(struct layout_arena, layout), 77, 4);
	seed_number("generation-number", ANCHOR_GENERATION, offsetof(struct layout_arena, generation), 77, 4);
	seed_number("generation-segment-id", ANCHOR_GENERATION, offsetof(struct layout_arena, segment_id), 0,
		    8);
}

/*
 * Compiled documents
 */

static void seed_committed(const char *name, size_t offset, uint64_t number, size_t bytes)
{
	struct seed seed = { .bytes = { FUZZ_SEAL }, .size = 1 };

	put(&seed, EDIT_DOCUMENT, 1);
	put(&seed, offset, 2);
	put(&seed, bytes - 1, 1);
	put(&seed, number, bytes);
	write_seed("segment", name, seed.bytes, seed.size);
}

static void seed_document(const char *name, const char *path, const void *document, size_t size)
{
	static uint8_t bytes[MOST_BYTES];
	size_t path_bytes = strlen(path);

	fuzz_require(size + path_bytes + 2 <= sizeof(bytes));
	bytes[0] = FUZZ_SEAL;
	bytes[1] = (uint8_t)path_bytes;
	memcpy(bytes + 2, path, path_bytes);
	memcpy(bytes + 2 + path_bytes, document, size);
	write_seed("document", name, bytes, 2 + path_bytes + size);
}

static const char app_xml[] =
	"<app v='1'><up name='a' w='1'><host>h</host></up><up name='b'><host>i</host>t</up></app>";

static const struct {
	const char *name, *path, *xml;
} documents[] = {
	{ "app", "/app/up[@name='b']/host", app_xml },
	{ "position", "/app/up[2]/@name", app_xml },
	{ "other-attribute", "/app/up[@w=\"1\"]/host", app_xml },
	{ "empty", "/e", "<e/>" },
	{ "numbers", "/n/d", "<n><i>-0x7f</i><d>1.5e3</d><b>YES</b><t>250ms</t><s>16k</s><t>1.5h</t></n>" },
	{ "quotes", "/q[@name=\"it's\"]", "<q name=\"it's\">v</q>" },
	{ "same-names", "/l/i[3]", "<l><i name='x'>1</i><i name='x'>2</i><i name='x'>3</i></l>" },
};

static void write_document_seeds(void)
{
	size_t size;
	char name[64];

	for (size_t i = 0; i < sizeof(documents) / sizeof(documents[0]); i++) {
		struct zkcfg_document *document = fuzz_compile("d.xml", 1, documents[i].xml, &size);

		seed_document(documents[i].name, documents[i].path, document, size);
		free(document);
	}
	/* each number of the head, and the first few behind */
	for (size_t offset = 4; offset < 2 * sizeof(struct zkcfg_document); offset += 4) {
		struct zkcfg_document *document = fuzz_compile("d.xml", 1, app_xml, &size);

		memset((uint8_t *)document + offset, 0xff, 4);
		snprintf(name, sizeof(name), "head-%zu-most", offset);
		seed_document(name, "/app/up", document, size);
		free(document);
		snprintf(name, sizeof(name), "committed-%zu-none", offset);
		seed_committed(name, offset, 0, 4);
	}
}

/*
 * Whole generations, and XML
 */

static void write_generation(const char *name, const struct fuzz_host *host)
{
	static uint8_t bytes[MOST_BYTES * 8];
	size_t size, head = sizeof(struct layout_arena);
	char file[32], path[FUZZ_PATH_BYTES];

	fuzz_host_generation(host, file);
	size = fuzz_read_file(fuzz_host_path(host, file, path), bytes, sizeof(bytes));
	while (size > head && bytes[size - 1] == 0)
		size--;
	size = layout_align(size);
	bytes[head - 1] = FUZZ_SEAL;
	write_seed("generation", name, bytes + head - 1, size - head + 1);
}

static void write_generation_seeds(void)
{
	struct fuzz_host host;
	char name[16];

	fuzz_host_make(&host);
	fuzz_host_open(&host);
	fuzz_host_publish(&host, "empty.xml", "<e/>");
	write_generation("one", &host);
	fuzz_host_publish(&host, "app.xml", app_xml);
	write_generation("two", &host);
	for (unsigned i = 0; i < 6; i++) {
		snprintf(name, sizeof(name), "n.%u", i);
		fuzz_host_publish(&host, name, "<d>v</d>");
	}
	write_generation("many", &host);
	fuzz_host_publish(&host, "app.xml", NULL);
	write_generation("removed", &host);
	fuzz_host_remove(&host);
}

static const struct {
	const char *name, *xml;
} xml[] = {
	{ "app",
	  "<app v='1'>\n <up name='a'><host>h</host></up>\n <up name=\"b\"><![CDATA[<&]]>t</up>\n</app>" },
	{ "entities", "<a>&lt;&#65;&#x42;&amp;&quot;&apos;&gt;</a>" },
	{ "doctype",
	  "<?xml version='1.0' encoding='UTF-8'?><!DOCTYPE a SYSTEM 'a.dtd'><!-- c --><?p i?><a/>" },
	{ "subset",
	  "<!DOCTYPE a [<!ELEMENT a ANY><!ATTLIST a b NMTOKENS 'x' c ID #IMPLIED>]><a c=' d  e '/>" },
	{ "entity", "<!DOCTYPE a [<!ENTITY e 'v'>]><a>&e;</a>" },
	{ "namespaces", "<p:a xmlns:p='urn:p' xmlns='urn:d' p:b='1'><c q:d='2'/></p:a>" },
	{ "latin1", "<?xml version='1.0' encoding='ISO-8859-1'?><a b='\xe4'>\xfc</a>" },
	{ "utf16", "\xff\xfe<\0a\0/\0>\0" },
	{ "deep",
	  "<a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a/></a></a></a></a></a></a></a></a></a></a>"
	  "</a></a></a></a></a></a>" },
	{ "unclosed", "<a><b c='1'>" },
};

static void write_xml_seeds(void)
{
	for (size_t i = 0; i < sizeof(xml) / sizeof(xml[0]); i++)
		write_seed("xml", xml[i].name, xml[i].xml,
			   strcmp(xml[i].name, "utf16") == 0 ? 10 : strlen(xml[i].xml));
}

int main(int argc, char **argv)
{
	struct seed nothing = { .bytes = { FUZZ_SEAL }, .size = 1 };

	if (argc != 2) {
		fprintf(stderr, "usage: %s DIRECTORY\n", argv[0]);
		return 2;
	}
	directory = argv[1];
	write_seed("segment", "nothing", nothing.bytes, nothing.size);
	write_control_seeds();
	write_status_seeds();
	write_root_seeds();
	write_node_seeds();
	write_size_seeds();
	write_document_seeds();
	write_generation_seeds();
	write_xml_seeds();
	return 0;
}
