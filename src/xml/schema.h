/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Schemas: RELAX NG (.rng) and W3C XML Schema (.xsd), told apart by the
 * namespace of the root element. No network; includes from the schema's own
 * directory only.
 */
#ifndef ZKCFG_XML_SCHEMA_H
#define ZKCFG_XML_SCHEMA_H

#include <stddef.h>

#include "xml/compile.h"

struct xml_schema;

/* From a file. ZKCFG_EINVAL with fault, ZKCFG_ENOMEM. Ends with xml_schema_free(). */
int xml_schema_load(const char *path, struct xml_schema **schema, struct xml_fault *fault);
/* From memory, RELAX NG only: for our own configuration's schema. */
int xml_schema_parse(const char *bytes, size_t size_bytes, struct xml_schema **schema,
		     struct xml_fault *fault);
void xml_schema_free(struct xml_schema *schema);

/*
 * Does a document that xml_compile() accepted keep to the schema?
 * fault: the first place where it does not, with line and column of the
 * element. ZKCFG_EINVAL, ZKCFG_ENOMEM.
 */
int xml_schema_check(struct xml_schema *schema, const void *bytes, size_t size_bytes,
		     struct xml_fault *fault);

#endif
