/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One run of libxml2's SAX2 parser over bytes that nobody vouches for.
 *
 * What holds for every run is here: nothing is loaded, no entity is declared
 * or expanded, defaults of an internal subset add no attributes, what would
 * cost quadratic time is cut off while it is read, libxml2 prints nothing,
 * and the first thing that is wrong is kept as a struct xml_fault, with its
 * place. What a document means is its user's: compile.c builds, and counts.
 */
#ifndef ZKCFG_XML_PARSE_H
#define ZKCFG_XML_PARSE_H

#include <stdbool.h>
#include <stddef.h>

#include <libxml/parser.h>

#include "xml/compile.h"

/* Put it at the beginning of what the SAX handlers get as their user data. */
struct xml_parse {
	const char *bytes;
	size_t size_bytes;
	unsigned attribute_limit; /* of one element */
	/* the rest is parse.c's */
	xmlParserCtxtPtr ctxt;
	size_t offset_bytes; /* what libxml2 has read */
	size_t subset_bytes; /* of that, in the internal subset */
	bool stopped;	     /* read no more; handlers do nothing */
	bool failed;	     /* fault tells why */
	bool placeless;	     /* the fault's place comes with the next error */
	bool no_memory;
	struct xml_fault fault;
};

/*
 * Parse. handlers: startElementNs, endElementNs and characters; the rest is
 * filled in. A handler looks at ->stopped first.
 *
 * 0: well-formed, or stopped by xml_parse_stop(); ZKCFG_EINVAL with ->fault;
 * ZKCFG_ENOMEM.
 */
int xml_parse_run(struct xml_parse *parse, xmlSAXHandler *handlers);

/* What can be seen without a parser: is it too long, or empty, or none? 0, or ZKCFG_EINVAL with fault. */
int xml_parse_look(const char *bytes, size_t size_bytes, const struct xml_limits *limits,
		   struct xml_fault *fault);

/*
 * From startElementNs: may there be this element, so deep below its root and
 * with so many before it? attributes: with namespace declarations. false: the
 * limit is named, and that is the end.
 */
bool xml_parse_admit(struct xml_parse *parse, const struct xml_limits *limits, unsigned depth,
		     unsigned elements, const char *name, size_t name_bytes, int attributes);

/* From a handler: enough. */
void xml_parse_stop(struct xml_parse *parse);
/* From a handler: it is wrong, here; the first one counts. place NULL: nowhere yet. */
__attribute__((format(printf, 3, 4))) void
xml_parse_fail(struct xml_parse *parse, const struct xml_fault *place, const char *format, ...);
void xml_parse_fail_memory(struct xml_parse *parse);
/* From startElementNs: line and column of the start tag. */
struct xml_fault xml_parse_tag_place(const struct xml_parse *parse);

/* From an externalSubset handler: the internal subset's defaults add no attributes. */
void xml_parse_drop_defaults(xmlParserCtxtPtr ctxt);

/* One line of UTF-8, cut to fit; libxml2's line ends and function names go. */
__attribute__((format(printf, 2, 3))) void xml_fault_say(struct xml_fault *fault, const char *format, ...);

/*
 * While libxml2 works for this thread, what it has to say goes to tell()
 * instead of stderr. Pairs: begin, end.
 */
struct xml_quiet {
	xmlStructuredErrorFunc tell;
	void *user;
};
void xml_quiet_begin(struct xml_quiet *before, xmlStructuredErrorFunc tell, void *user);
void xml_quiet_end(const struct xml_quiet *before);

#endif
