/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Harnesses: any bytes, made into what the daemon or a reader meets, must give
 * an error or a value.
 *
 * A harness is a function over an input. libFuzzer drives it (`make fuzz`, see
 * run), and so does test_seeds.c with the inputs that are kept below seeds/,
 * built by any compiler (`make check`). What is wrong but does not crash by
 * itself ends in abort(), by way of fuzz_require().
 *
 * Nothing here knows the bytes of a layout but by the names of layout.h.
 */
#ifndef ZKCFG_TESTS_FUZZ_FUZZ_H
#define ZKCFG_TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* How far an input got; several at once. */
enum fuzz_outcome {
	FUZZ_REFUSED = 0,
	FUZZ_READ = 1,	    /* a reader was let in, and saw a document */
	FUZZ_SOUND = 2,	    /* the check before publishing, or before a take-over, passed */
	FUZZ_SET_ASIDE = 4, /* a segment was not taken over, but replaced */
	FUZZ_COMMITTED = 8, /* the input's own document was committed */
};

/*
 * A compiled document alone, in memory that ends where it ends.
 *
 *   flags | length of a path | path | document
 *
 * flags: FUZZ_SEAL: its checksum is made right first.
 */
#define FUZZ_SEAL 1u
unsigned fuzz_document(const uint8_t *data, size_t size);

/*
 * A segment that the publisher made, with edits: see segment.c for how they
 * are written. Read through the whole public interface, then taken over.
 *
 *   flags | edit | edit | ...
 */
unsigned fuzz_segment(const uint8_t *data, size_t size);

/*
 * The same of a generation file that is the input, under a control that leads
 * to the last of what looks like roots in it.
 *
 *   flags | the file behind its header
 */
unsigned fuzz_generation(const uint8_t *data, size_t size);

/* XML, as it comes from a source: compiled, and what is accepted must be sound. */
unsigned fuzz_xml(const uint8_t *data, size_t size);

/* What etcd answers: refused, or told on as documents with names that are some. */
unsigned fuzz_etcd(const uint8_t *data, size_t size);

/*
 * What an Apollo server answers.
 *
 *   's', 'n', 'x', 'p' or another byte | body
 *
 * A list of servers, of notifications, a release of XML, of properties; an error.
 */
unsigned fuzz_apollo(const uint8_t *data, size_t size);

/*
 * What a client says to the control interface, in front of a made-up daemon.
 *
 *   flags | bytes
 *
 * flags: FUZZ_RPC: the body of a right request to /rpc, and not a request;
 * FUZZ_CUT: said in two halves; FUZZ_LEFT: the client is gone before the answer.
 */
#define FUZZ_RPC 1u
#define FUZZ_CUT 2u
#define FUZZ_LEFT 4u
unsigned fuzz_admin(const uint8_t *data, size_t size);

#define fuzz_require(condition)                                                                        \
	do {                                                                                           \
		if (!(condition)) {                                                                    \
			fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition); \
			abort();                                                                       \
		}                                                                                      \
	} while (0)

#endif
