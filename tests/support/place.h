/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A place that a source reads, as the conformance suite sees it: what runs
 * there, how others write to it, and what goes wrong with it. Every source has
 * one, in a file place_NAME.c, and a line in places.c; the suite runs its cases
 * on each.
 *
 * Whatever goes wrong with a place fails the test that runs. A place is one
 * thing of its process: what it knows is static. Not here: the source.
 */
#ifndef ZKCFG_TESTS_SUPPORT_PLACE_H
#define ZKCFG_TESTS_SUPPORT_PLACE_H

#include <stdbool.h>
#include <stddef.h>

#define PLACE_URI_BYTES 2048

/* A case that does not apply, as the place cannot be brought to it, or its source promises less. */
struct place_exception {
	const char *name; /* of the case */
	const char *why;  /* a sentence, for who reads the test's output */
};

/* All slots are required, but for those that only a case which is excepted uses. */
struct place {
	const char *scheme;	/* "etcd" */
	const char *tls_scheme; /* the same source with TLS, in tests of its own; NULL: none */

	/* Around all cases. */
	void (*start)(void);
	void (*stop)(void);
	/* Around each: nothing is in it, and it can be reached. */
	void (*begin)(void);
	void (*end)(void);

	/* Where begin() was. names: what documents there will be; options: "mode=pull&audit=1s". */
	void (*uri)(char uri[PLACE_URI_BYTES], const char *const *names, size_t count, const char *options);
	/* Where nobody is; address: what is expected to be named when that is complained about. */
	void (*nowhere)(char uri[PLACE_URI_BYTES], char *address, size_t address_bytes);

	/*
	 * Others write these bytes to all of these documents: at one go as far as the
	 * place can, one by one if not. NULL: they are gone. Any thread, one at a time;
	 * also while the place is away.
	 */
	void (*write)(const char *const *names, size_t count, const void *bytes, size_t size_bytes);
	/* The same for one, in a way that nothing tells the source of. */
	void (*write_unheard)(const char *name, const void *bytes, size_t size_bytes);

	/* For the source it is away, and back. */
	void (*leave)(void);
	void (*come_back)(void);
	/* Before anything is written: who reads has to show something; options: with what is right, or is not. */
	void (*guard)(void);
	void (*guard_options)(bool is_right, char *options, size_t options_bytes);

	const char *refusal; /* what is to be said of wrong credentials */
	size_t documents_most;
	const char *documents_why; /* if that is below 1,000 */
	size_t document_most_bytes;
	const char *limit;			  /* what is to be said of a larger one */
	const struct place_exception *exceptions; /* end with { NULL, NULL } */
};

/* All there are; NULL ends them. */
extern const struct place *const places[];

extern const struct place place_apollo, place_configmap, place_etcd, place_file, place_zookeeper;

/* A port of the loopback interface where nobody listens, and nobody will, as long as this process lives. */
int place_closed_port(void);

#endif
