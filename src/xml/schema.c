/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "xml/schema.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <libxml/parser.h>
#include <libxml/relaxng.h>
#include <libxml/xmlschemas.h>

#include "base/buffer.h"
#include "base/file.h"
#include "xml/loader.h"
#include "xml/parse.h"

#define SCHEMA_RELAXNG "http://relaxng.org/ns/structure/1.0"
#define SCHEMA_XSD     "http://www.w3.org/2001/XMLSchema"

#define SCHEMA_LIMIT_BYTES (16 * 1024 * 1024)

/* One of relaxng and xsd. */
struct xml_schema {
	xmlRelaxNGPtr relaxng;
	xmlSchemaPtr xsd;
	xmlDocPtr source; /* xsd refers to it */
};

/* The first thing that libxml2 minds. */
struct schema_errors {
	const char *path; /* of the schema while one is loaded, else NULL */
	bool found;
	bool no_memory;
	struct xml_fault fault;
	xmlNodePtr node; /* of the document that is checked */
};

static void schema_tell_load(void *user, xmlErrorPtr error)
{
	struct schema_errors *errors = user;
	const char *text = error->message ? error->message : "not a schema";
	const char *file;

	if (error->code == XML_ERR_NO_MEMORY)
		errors->no_memory = true;
	if (errors->found || error->level <= XML_ERR_WARNING)
		return;
	errors->found = true;
	errors->fault.line = error->line > 0 ? (uint32_t)error->line : 0;
	file = error->file && errors->path && strcmp(error->file, errors->path) != 0 ? error->file : NULL;
	if (file) /* the line is one of a file that the schema includes */
		xml_fault_say(&errors->fault, "in %s: %s", file, text);
	else
		xml_fault_say(&errors->fault, "%s", text);
}

/* RELAX NG's errors in words that say what to do. */
static void schema_say_relaxng(struct xml_fault *fault, const xmlError *error)
{
	const char *first = error->str1 ? error->str1 : "?", *second = error->str2 ? error->str2 : "?";
	xmlNodePtr node = error->node;
	xmlChar *value = NULL;

	switch (error->code) {
	case XML_RELAXNG_ERR_INVALIDATTR:
		if (node)
			value = xmlGetProp(node, (const xmlChar *)first);
		xml_fault_say(
			fault,
			"element %s: attribute %s=\"%.64s\" is not allowed here, or not with this value",
			second, first, value ? (const char *)value : "");
		xmlFree(value);
		break;
	case XML_RELAXNG_ERR_ATTRVALID:
		xml_fault_say(
			fault,
			"element %s: its attributes are not as the schema wants them: one is missing, or has "
			"a value that is not allowed",
			first);
		break;
	case XML_RELAXNG_ERR_ELEMNAME:
		xml_fault_say(fault, "expected element %s, found element %s", first, second);
		break;
	case XML_RELAXNG_ERR_ELEMWRONG:
		xml_fault_say(fault, "element %s is not allowed here", first);
		break;
	case XML_RELAXNG_ERR_TEXTWRONG:
		xml_fault_say(fault, "element %s: text is not allowed here", first);
		break;
	case XML_RELAXNG_ERR_NOELEM:
		xml_fault_say(fault, "element %s: an element is missing in it%s%s",
			      node ? (const char *)node->name : "?", *first ? ", expected " : "", first);
		break;
	default:
		xml_fault_say(fault, "%s", error->message ? error->message : "not valid");
		break;
	}
}

static void schema_tell_check(void *user, xmlErrorPtr error)
{
	struct schema_errors *errors = user;

	if (error->code == XML_ERR_NO_MEMORY)
		errors->no_memory = true;
	if (error->level <= XML_ERR_WARNING || error->domain == XML_FROM_NAMESPACE)
		return;
	if (!errors->node)
		errors->node = error->node; /* the first may know none */
	if (errors->found)
		return;
	errors->found = true;
	if (error->domain == XML_FROM_RELAXNGV)
		schema_say_relaxng(&errors->fault, error);
	else
		xml_fault_say(&errors->fault, "%s", error->message ? error->message : "not valid");
}

static void schema_external_subset(void *ctxt, const xmlChar *name, const xmlChar *external_id,
				   const xmlChar *system_id)
{
	(void)name, (void)external_id, (void)system_id;
	xml_parse_drop_defaults(ctxt);
}

/* The tree of a document, as XPath sees it. NULL: out of memory, or what was told. */
static xmlDocPtr schema_read(const char *bytes, size_t size_bytes, const char *path)
{
	xmlParserCtxtPtr ctxt;
	xmlDocPtr doc;

	if (size_bytes == 0 || size_bytes > INT_MAX)
		return NULL;
	ctxt = xmlNewParserCtxt();
	if (!ctxt)
		return NULL;
	ctxt->sax->externalSubset = schema_external_subset;
	doc = xmlCtxtReadMemory(ctxt, bytes, (int)size_bytes, path, NULL,
				XML_PARSE_NONET | XML_PARSE_NOCDATA);
	xmlFreeParserCtxt(ctxt);
	return doc;
}

static void schema_build_relaxng(struct xml_schema *schema, xmlDocPtr doc, struct schema_errors *errors)
{
	xmlRelaxNGParserCtxtPtr ctxt = xmlRelaxNGNewDocParserCtxt(doc); /* copies it */

	if (!ctxt)
		return;
	xmlRelaxNGSetParserStructuredErrors(ctxt, schema_tell_load, errors);
	schema->relaxng = xmlRelaxNGParse(ctxt);
	xmlRelaxNGFreeParserCtxt(ctxt);
}

static void schema_build_xsd(struct xml_schema *schema, xmlDocPtr doc, struct schema_errors *errors)
{
	xmlSchemaParserCtxtPtr ctxt = xmlSchemaNewDocParserCtxt(doc);

	if (!ctxt)
		return;
	xmlSchemaSetParserStructuredErrors(ctxt, schema_tell_load, errors);
	schema->xsd = xmlSchemaParse(ctxt);
	xmlSchemaFreeParserCtxt(ctxt);
}

/* Build from a tree, which the schema takes over. */
static void schema_build(struct xml_schema *schema, xmlDocPtr doc, struct schema_errors *errors)
{
	xmlNodePtr root = xmlDocGetRootElement(doc);
	const char *uri = root && root->ns && root->ns->href ? (const char *)root->ns->href : "";

	schema->source = doc;
	if (strcmp(uri, SCHEMA_RELAXNG) == 0) {
		schema_build_relaxng(schema, doc, errors);
	} else if (strcmp(uri, SCHEMA_XSD) == 0) {
		schema_build_xsd(schema, doc, errors);
	} else if (!errors->found) {
		errors->found = true;
		errors->fault.line = 1;
		if (root)
			errors->fault.line = root->line;
		xml_fault_say(&errors->fault,
			      "the root element is not of a schema: expected namespace " SCHEMA_RELAXNG
			      " or " SCHEMA_XSD);
	}
}

/* path: as libxml2 shall know it; NULL: nothing may be included. */
static int schema_make(const char *bytes, size_t size_bytes, const char *path, struct xml_schema **schema,
		       struct xml_fault *fault)
{
	struct schema_errors errors = { .path = path };
	struct xml_schema *made = calloc(1, sizeof(*made));
	struct xml_quiet before;
	xmlDocPtr doc;

	if (!made)
		return ZKCFG_ENOMEM;
	xml_quiet_begin(&before, schema_tell_load, &errors);
	if (size_bytes == 0) {
		errors.found = true;
		xml_fault_say(&errors.fault, "document is empty");
	}
	doc = schema_read(bytes, size_bytes, path);
	if (doc)
		schema_build(made, doc, &errors);
	xml_quiet_end(&before);
	if ((made->relaxng || made->xsd) && !errors.found) {
		*schema = made;
		return 0;
	}
	xml_schema_free(made);
	if (errors.no_memory || !errors.found)
		return ZKCFG_ENOMEM;
	*fault = errors.fault;
	return ZKCFG_EINVAL;
}

int xml_schema_load(const char *path, struct xml_schema **schema, struct xml_fault *fault)
{
	char *real = realpath(path, NULL), *directory = NULL;
	struct xml_fault found = { .line = 0 };
	struct buffer buffer = { 0 };
	int err;

	err = real ? file_read(real, SCHEMA_LIMIT_BYTES, &buffer) : -errno;
	if (err < 0) {
		xml_fault_say(&found, "cannot be read: %s", strerror(-err));
		*fault = found;
		err = err == -ENOMEM ? ZKCFG_ENOMEM : ZKCFG_EINVAL;
		goto free_all;
	}
	err = ZKCFG_ENOMEM;
	directory = strdup(real);
	if (!directory)
		goto free_all;
	*strrchr(directory, '/') = '\0';
	loader_allow(directory);
	err = schema_make(buffer.bytes, buffer.size_bytes, real, schema, fault);
	loader_allow(NULL);
free_all:
	free(directory);
	buffer_free(&buffer);
	free(real);
	return err;
}

int xml_schema_parse(const char *bytes, size_t size_bytes, struct xml_schema **schema,
		     struct xml_fault *fault)
{
	return schema_make(bytes, size_bytes, NULL, schema, fault);
}

void xml_schema_free(struct xml_schema *schema)
{
	if (!schema)
		return;
	if (schema->relaxng)
		xmlRelaxNGFree(schema->relaxng);
	if (schema->xsd)
		xmlSchemaFree(schema->xsd);
	xmlFreeDoc(schema->source);
	free(schema);
}

/* The node behind this one in document order, elements alone. */
static xmlNodePtr schema_next_element(xmlNodePtr node)
{
	xmlNodePtr next = xmlFirstElementChild(node);

	while (node && !next) {
		next = xmlNextElementSibling(node);
		node = node->parent;
	}
	return next;
}

/* A node's number as compiled documents count them. */
static uint32_t schema_number(xmlDocPtr doc, xmlNodePtr node)
{
	uint32_t number = 0;

	while (node && node->type != XML_ELEMENT_NODE)
		node = node->parent;
	for (xmlNodePtr at = xmlDocGetRootElement(doc); node && at && at != node;
	     at = schema_next_element(at)) {
		number++;
		for (xmlAttrPtr attribute = at->properties; attribute; attribute = attribute->next)
			number++;
	}
	return number;
}

/* 0: valid; positive: not; negative: it could not be done. */
static int schema_validate_relaxng(xmlRelaxNGPtr relaxng, xmlDocPtr doc, struct schema_errors *errors)
{
	xmlRelaxNGValidCtxtPtr ctxt = xmlRelaxNGNewValidCtxt(relaxng);
	int result;

	if (!ctxt)
		return -1;
	xmlRelaxNGSetValidStructuredErrors(ctxt, schema_tell_check, errors);
	result = xmlRelaxNGValidateDoc(ctxt, doc);
	xmlRelaxNGFreeValidCtxt(ctxt);
	return result;
}

static int schema_validate_xsd(xmlSchemaPtr xsd, xmlDocPtr doc, struct schema_errors *errors)
{
	xmlSchemaValidCtxtPtr ctxt = xmlSchemaNewValidCtxt(xsd);
	int result;

	if (!ctxt)
		return -1;
	xmlSchemaSetValidStructuredErrors(ctxt, schema_tell_check, errors);
	result = xmlSchemaValidateDoc(ctxt, doc);
	xmlSchemaFreeValidCtxt(ctxt);
	return result;
}

int xml_schema_check(struct xml_schema *schema, const void *bytes, size_t size_bytes, struct xml_fault *fault)
{
	struct schema_errors errors = { .path = NULL };
	uint32_t number = 0;
	struct xml_quiet before;
	int result = -1;
	xmlDocPtr doc;

	xml_quiet_begin(&before, schema_tell_check, &errors);
	doc = schema_read(bytes, size_bytes, NULL);
	if (doc) {
		result = schema->relaxng ? schema_validate_relaxng(schema->relaxng, doc, &errors)
					 : schema_validate_xsd(schema->xsd, doc, &errors);
		number = schema_number(doc, errors.node);
		xmlFreeDoc(doc);
	}
	xml_quiet_end(&before);
	if (result == 0)
		return 0;
	if (errors.no_memory || (result < 0 && !errors.found))
		return ZKCFG_ENOMEM;
	if (!errors.found)
		xml_fault_say(&errors.fault, "not valid");
	*fault = errors.fault;
	xml_locate(bytes, size_bytes, number, fault);
	return ZKCFG_EINVAL;
}
