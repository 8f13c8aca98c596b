/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* The edits of an input of fuzz_segment(), and where their places are; how they are written: segment.c. */
#ifndef ZKCFG_TESTS_FUZZ_EDIT_H
#define ZKCFG_TESTS_FUZZ_EDIT_H

enum edit_kind {
	EDIT_WRITE,	      /* length - 1 (modulo 16), place, bytes */
	EDIT_ADD,	      /* place, signed byte: to the 32 bits there */
	EDIT_COPY,	      /* length - 1, place to, place from */
	EDIT_CONTROL_SIZE,    /* 24 bits: truncate or extend it */
	EDIT_GENERATION_SIZE, /* the same */
	EDIT_DOCUMENT, /* 16 bits: offset, length - 1 (modulo 16), bytes: in the document to be committed */
	EDIT_KINDS
};

/* The seq of the segment's newest commit. */
#define EDIT_COMMITS 14

enum edit_anchor {
	ANCHOR_CONTROL,
	ANCHOR_SEQ,
	ANCHOR_STAMPS,
	ANCHOR_ROOTS,
	ANCHOR_STATUS,
	ANCHOR_OTHER_STATUS,
	ANCHOR_GENERATION,
	ANCHOR_ROOT, /* the newest; the others follow, and then the documents */
};

#endif
