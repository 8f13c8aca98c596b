/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "xml/parse.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <libxml/SAX2.h>
#include <libxml/hash.h>
#include <libxml/parserInternals.h>

/*
 * libxml2 compares the tokens of an enumeration, and the namespaces in scope,
 * each with each; these two bound what that can cost.
 */
#define PARSE_SUBSET_LIMIT_BYTES 65536
#define PARSE_NAMESPACE_LIMIT 1024

void xml_quiet_begin(struct xml_quiet *before, xmlStructuredErrorFunc tell, void *user)
{
	before->tell = xmlStructuredError;
	before->user = xmlStructuredErrorContext;
	xmlSetStructuredErrorFunc(user, tell); /* of this thread alone */
}

void xml_quiet_end(const struct xml_quiet *before)
{
	xmlSetStructuredErrorFunc(before->user, before->tell);
	xmlResetLastError();
}

__attribute__((format(printf, 2, 0))) static void fault_vsay(struct xml_fault *fault, const char *format,
							     va_list args)
{
	size_t length;
	char *end;

	vsnprintf(fault->reason, sizeof(fault->reason), format, args);
	length = strlen(fault->reason);
	end = fault->reason + length;
	if (length == sizeof(fault->reason) - 1) {
		while (end > fault->reason && ((unsigned char)end[-1] & 0xc0) == 0x80)
			end--; /* a character that was cut goes whole */
		if (end > fault->reason && ((unsigned char)end[-1] & 0x80) != 0)
			end--;
	}
	while (end > fault->reason && (unsigned char)end[-1] <= ' ')
		end--;
	*end = '\0';
	for (char *c = fault->reason; *c != '\0'; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = *c == '\n' ? ' ' : '?';
}

void xml_fault_say(struct xml_fault *fault, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fault_vsay(fault, format, args);
	va_end(args);
}

void xml_parse_stop(struct xml_parse *parse)
{
	/* xmlStopParser() frees the input under the parser's feet; an end of input does not */
	parse->stopped = true;
}

void xml_parse_fail(struct xml_parse *parse, const struct xml_fault *place, const char *format, ...)
{
	va_list args;

	if (parse->stopped)
		return;
	parse->stopped = true;
	parse->failed = true;
	parse->placeless = !place;
	if (place)
		parse->fault = *place;
	va_start(args, format);
	fault_vsay(&parse->fault, format, args);
	va_end(args);
}

void xml_parse_fail_memory(struct xml_parse *parse)
{
	if (parse->stopped)
		return;
	parse->stopped = true;
	parse->no_memory = true;
}

static uint32_t parse_count_characters(const char *from, const char *to)
{
	uint32_t count = 0;

	for (; from < to; from++)
		count += ((unsigned char)*from & 0xc0) != 0x80;
	return count;
}

/* The column of an offset in bytes that are UTF-8. */
static uint32_t parse_column(const struct xml_parse *parse, size_t offset)
{
	const char *at = parse->bytes + offset, *line = memrchr(parse->bytes, '\n', offset);

	line = line ? line + 1 : parse->bytes;
	if (line == parse->bytes && parse->size_bytes >= 3 && memcmp(line, "\xef\xbb\xbf", 3) == 0)
		line += 3; /* a byte order mark is no character */
	return at < line ? 1 : 1 + parse_count_characters(line, at);
}

/* Where in the document is this byte of libxml2's window, which lies before what it looks at? */
static struct xml_fault parse_place(const struct xml_parse *parse, const xmlChar *window_at)
{
	const xmlParserInput *input = parse->ctxt->input;
	struct xml_fault place = { .line = 0 };
	const char *at = (const char *)window_at, *base, *cur, *line;
	size_t offset;

	if (!input || !input->buf || input->line < 1)
		return place; /* halted */
	base = (const char *)input->base;
	cur = (const char *)input->cur;
	place.line = (uint32_t)input->line;
	for (const char *c = at; c < cur; c++)
		place.line -= *c == '\n';
	offset = input->consumed + (size_t)(at - base);
	if (!input->buf->encoder && offset <= parse->size_bytes) {
		place.column = parse_column(parse, offset);
	} else if (place.line == (uint32_t)input->line && input->col > 0) {
		uint32_t behind = parse_count_characters(at, cur);

		place.column = behind < (uint32_t)input->col ? (uint32_t)input->col - behind : 1;
	} else {
		/* converted: only the window can be looked at */
		line = memrchr(base, '\n', (size_t)(at - base));
		place.column = line ? 1 + parse_count_characters(line + 1, at) : 0;
	}
	return place;
}

/* The place of the last `what` before what libxml2 looks at. */
static struct xml_fault parse_place_of(const struct xml_parse *parse, const char *what)
{
	const xmlParserInput *input = parse->ctxt->input;
	size_t length = strlen(what);

	if (!input)
		return (struct xml_fault){ .line = 0 };
	for (const xmlChar *at = input->cur; at >= input->base; at--)
		if ((size_t)(input->end - at) >= length && memcmp(at, what, length) == 0)
			return parse_place(parse, at);
	return parse_place(parse, input->cur);
}

struct xml_fault xml_parse_tag_place(const struct xml_parse *parse)
{
	return parse_place_of(parse, "<"); /* values of attributes have none */
}

/* What libxml2 does in quadratic time between two reads, it may do to so many. */
static void parse_guard(struct xml_parse *parse, size_t more_bytes)
{
	const xmlParserCtxt *ctxt = parse->ctxt;
	struct xml_fault place;

	if (ctxt->inSubset == 1)
		parse->subset_bytes += more_bytes;
	if (parse->subset_bytes > PARSE_SUBSET_LIMIT_BYTES) {
		place = parse_place(parse, ctxt->input->cur);
		xml_parse_fail(parse, &place,
			       "the DOCTYPE is longer than %d bytes, the limit of an internal subset",
			       PARSE_SUBSET_LIMIT_BYTES);
	}
	if ((unsigned)ctxt->nsNr / 2 > PARSE_NAMESPACE_LIMIT + parse->attribute_limit) {
		place = xml_parse_tag_place(parse);
		xml_parse_fail(parse, &place,
			       "more namespace declarations than %d, the limit of those in scope",
			       PARSE_NAMESPACE_LIMIT);
	}
	/* its table of attributes doubles, at 5 entries each */
	if ((unsigned)ctxt->maxatts / 5 > 2 * parse->attribute_limit + 16) {
		place = xml_parse_tag_place(parse);
		xml_parse_fail(parse, &place,
			       "an element has more attributes than the limit attributes=\"%u\"",
			       parse->attribute_limit);
	}
}

static int parse_read(void *user, char *buffer, int length)
{
	struct xml_parse *parse = user;
	size_t size = parse->size_bytes - parse->offset_bytes;

	if (size > (size_t)length)
		size = (size_t)length;
	if (!parse->stopped)
		parse_guard(parse, size);
	if (parse->stopped)
		return 0;
	memcpy(buffer, parse->bytes + parse->offset_bytes, size);
	parse->offset_bytes += size;
	return (int)size;
}

#define PARSE_CONVERSION "bytes that are not of the document's encoding"

/* What reads better in our words, by what libxml2's words begin with. */
static const struct {
	const char *theirs;
	const char *ours;
} parse_words[] = {
	{ "Document is empty", "document is empty" },
	{ "Start tag expected", "expected the root element's start tag" },
	{ "Unescaped '<'", "'<' in the value of an attribute: write &lt;" },
	{ "AttValue: \" or '", "expected the value of an attribute in \" or '" },
	{ "attributes construct error", "expected white space, an attribute, or the end of the tag" },
	{ "xmlParseEntityRef: no name", "'&' without the name of an entity behind it: write &amp;" },
	{ "EntityRef: expecting ';'", "expected ';' behind the name of an entity" },
	{ "xmlParseCharRef: invalid xmlChar", "reference to a character that XML does not allow" },
	{ "Input is not proper UTF-8",
	  "not UTF-8: expected UTF-8, or an XML declaration that names the encoding" },
	{ "input conversion failed", PARSE_CONVERSION },
	{ "internal error: detected an error in element content", "text is cut off within a character" },
	{ "internal error: xmlParseInternalSubset", "expected a declaration or ']' in the internal subset" },
	{ "StartTag: invalid element name", "expected the name of an element behind '<'" },
	{ "AttValue: ' expected", "the value of an attribute is not closed" },
	{ "CData section not finished", "CDATA section is not closed: expected ]]>" },
	{ "ParsePI: PI ", "processing instruction is not closed: expected ?>" },
	/* libxml2's own limits */
	{ "AttValue length too long",
	  "the value of an attribute is longer than libxml2's limit of 10000000 bytes" },
	{ "CData section too big", "a CDATA section is longer than libxml2's limit of 10000000 bytes" },
	{ "PI ", "a processing instruction is longer than libxml2's limit of 10000000 bytes" },
	{ "internal error: Huge input", "a tag is longer than libxml2's limit of 10000000 bytes" },
	{ "Name too long", "a name is longer than libxml2's limit of 50000 bytes" },
	{ "xmlParseElementChildrenContentDecl",
	  "a declaration is nested deeper than libxml2's limit of 128" },
};

/* Some of libxml2's converters end the input at what they cannot convert, and say nothing. */
static bool parse_is_unconverted(const struct xml_parse *parse)
{
	const xmlParserInput *input = parse->ctxt->input;

	return input && input->buf && input->buf->encoder && input->cur >= input->end && input->buf->raw &&
	       xmlBufUse(input->buf->raw) > 0;
}

static const char *parse_reason(const struct xml_parse *parse, const xmlError *error)
{
	const char *text = error->message ? error->message : "not well-formed";
	const char *behind = strncmp(text, "xmlParse", 8) == 0 ? strstr(text, ": ") : NULL;

	for (size_t i = 0; i < sizeof(parse_words) / sizeof(parse_words[0]); i++)
		if (strncmp(text, parse_words[i].theirs, strlen(parse_words[i].theirs)) == 0)
			return parse_words[i].ours;
	if (parse_is_unconverted(parse))
		return PARSE_CONVERSION;
	return behind ? behind + 2 : text; /* not the name of libxml2's function */
}

/* Accepted all the same: warnings, and what only a validating or namespace-aware parser minds. */
static bool parse_tolerates(const xmlError *error)
{
	return error->level == XML_ERR_WARNING || error->level == XML_ERR_NONE ||
	       (error->level == XML_ERR_ERROR &&
		(error->domain == XML_FROM_NAMESPACE || error->domain == XML_FROM_VALID ||
		 error->domain == XML_FROM_DTD));
}

static struct xml_fault parse_error_place(const struct xml_parse *parse, const xmlError *error)
{
	struct xml_fault place = { .line = 0 };

	/* in the fast loop over text, libxml2's position runs behind its line and column */
	if (error->code != XML_ERR_MISPLACED_CDATA_END && parse->ctxt->input)
		place = parse_place(parse, parse->ctxt->input->cur);
	if (place.line == 0 && error->line > 0) {
		place.line = (uint32_t)error->line;
		place.column = error->int2 > 0 ? (uint32_t)error->int2 : 0;
	}
	return place;
}

static void parse_tell(void *user, xmlErrorPtr error)
{
	struct xml_parse *parse = user;
	bool converting = error->domain == XML_FROM_I18N || error->domain == XML_FROM_IO;
	struct xml_fault place;

	if (error->code == XML_ERR_NO_MEMORY)
		xml_parse_fail_memory(parse);
	if (parse_tolerates(error) || !parse->ctxt)
		return;
	place = parse_error_place(parse, error);
	if (parse->placeless && !converting) {
		parse->placeless = false;
		parse->fault.line = place.line;
		parse->fault.column = place.column;
	}
	/* conversion runs ahead of parsing, which will fail where it ended */
	xml_parse_fail(parse, converting ? NULL : &place, "%s", parse_reason(parse, error));
}

static void parse_refuse_declaration(struct xml_parse *parse, const xmlChar *name)
{
	struct xml_fault place = parse_place_of(parse, "<!ENTITY");

	xml_parse_fail(parse, &place, "the DOCTYPE declares the entity \"%s\": entities are not allowed",
		       name);
}

static void parse_entity_decl(void *user, const xmlChar *name, int type, const xmlChar *public_id,
			      const xmlChar *system_id, xmlChar *content)
{
	(void)type, (void)public_id, (void)system_id, (void)content;
	parse_refuse_declaration(user, name);
}

static void parse_unparsed_entity_decl(void *user, const xmlChar *name, const xmlChar *public_id,
				       const xmlChar *system_id, const xmlChar *notation)
{
	(void)public_id, (void)system_id, (void)notation;
	parse_refuse_declaration(user, name);
}

/* Asked for all but the five built-in ones. */
static xmlEntityPtr parse_get_entity(void *user, const xmlChar *name)
{
	struct xml_fault place = parse_place_of(user, "&");

	xml_parse_fail(user, &place,
		       "entity \"%s\" is not known: expected lt, gt, amp, apos or quot, or a character",
		       name);
	return NULL;
}

static xmlEntityPtr parse_get_parameter_entity(void *user, const xmlChar *name)
{
	struct xml_fault place = parse_place_of(user, "%");

	xml_parse_fail(user, &place,
		       "the DOCTYPE refers to the parameter entity \"%s\": entities are not allowed", name);
	return NULL;
}

/*
 * Told behind the internal subset. Defaults that it declares are not in the
 * tree that XPath sees, unless a DTD was loaded; so they are dropped, before
 * each element is looked up in them.
 */
void xml_parse_drop_defaults(xmlParserCtxtPtr ctxt)
{
	if (ctxt->attsDefault)
		xmlHashFree(ctxt->attsDefault, xmlHashDefaultDeallocator);
	ctxt->attsDefault = NULL;
}

static void parse_external_subset(void *user, const xmlChar *name, const xmlChar *external_id,
				  const xmlChar *system_id)
{
	struct xml_parse *parse = user;

	(void)name, (void)external_id, (void)system_id;
	xml_parse_drop_defaults(parse->ctxt);
}

/* A NUL ends the input for libxml2, and so may bytes that it cannot convert, whatever comes behind. */
static void parse_end_document(void *user)
{
	struct xml_parse *parse = user;
	const xmlParserInput *input = parse->ctxt->input;
	struct xml_fault place;

	if (!input)
		return;
	place = parse_place(parse, input->cur);
	if (input->cur < input->end)
		xml_parse_fail(parse, &place, "NUL byte behind the root element");
	else if (parse_is_unconverted(parse) || parse->offset_bytes < parse->size_bytes)
		xml_parse_fail(parse, &place, PARSE_CONVERSION);
}

bool xml_parse_admit(struct xml_parse *parse, const struct xml_limits *limits, unsigned depth,
		     unsigned elements, const char *name, size_t name_bytes, int attributes)
{
	unsigned depth_limit = limits->depth < XML_DEPTH_LIMIT ? limits->depth : XML_DEPTH_LIMIT;
	int shown = name_bytes < 64 ? (int)name_bytes : 64;
	struct xml_fault place;

	if (depth < depth_limit && elements < limits->elements && (unsigned)attributes <= limits->attributes)
		return true;
	place = xml_parse_tag_place(parse);
	if (depth >= depth_limit)
		xml_parse_fail(parse, &place, "element \"%.*s\" is nested deeper than the limit depth=\"%u\"",
			       shown, name, depth_limit);
	else if (elements >= limits->elements)
		xml_parse_fail(parse, &place, "more elements than the limit elements=\"%u\"",
			       limits->elements);
	else
		xml_parse_fail(parse, &place,
			       "element \"%.*s\" has %d attributes and namespace declarations, "
			       "more than the limit attributes=\"%u\"",
			       shown, name, attributes, limits->attributes);
	return false;
}

static bool parse_has_more_than_blanks(const char *text, size_t size_bytes)
{
	for (size_t i = 0; i < size_bytes; i++)
		if (text[i] != ' ' && text[i] != '\n' && text[i] != '\t' && text[i] != '\r')
			return true;
	return false;
}

/* Two or four bytes a character: NUL bytes mean nothing there. */
static bool parse_is_wide(const char *bytes, size_t size_bytes)
{
	return size_bytes >= 2 && (memcmp(bytes, "\xfe\xff", 2) == 0 || memcmp(bytes, "\xff\xfe", 2) == 0 ||
				   memchr(bytes, 0, size_bytes < 4 ? size_bytes : 4));
}

static struct xml_fault parse_place_of_byte(const char *bytes, const char *at)
{
	struct xml_fault place = { .line = 1, .column = 1 };

	for (; bytes < at; bytes++) {
		if (*bytes == '\n') {
			place.line++;
			place.column = 1;
		} else {
			place.column += ((unsigned char)*bytes & 0xc0) != 0x80;
		}
	}
	return place;
}

/* What can be seen without a parser. */
int xml_parse_look(const char *bytes, size_t size_bytes, const struct xml_limits *limits,
			struct xml_fault *fault)
{
	struct xml_fault found = { .line = 0 };
	size_t mark_bytes = size_bytes >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
	const char *nul = NULL;

	if (size_bytes > 0 && !parse_is_wide(bytes, size_bytes))
		nul = memchr(bytes, '\0', size_bytes);
	if (size_bytes > limits->document_bytes) {
		xml_fault_say(&found, "document has %zu bytes, more than the limit document=\"%zu\"",
			      size_bytes, limits->document_bytes);
	} else if (!parse_has_more_than_blanks(bytes + mark_bytes, size_bytes - mark_bytes)) {
		xml_fault_say(&found, "document is empty");
	} else if (nul) {
		found = parse_place_of_byte(bytes + mark_bytes, nul);
		xml_fault_say(&found, "NUL byte: it is not XML, or in an encoding that is not said");
	} else {
		return 0;
	}
	*fault = found;
	return ZKCFG_EINVAL;
}

int xml_parse_run(struct xml_parse *parse, xmlSAXHandler *handlers)
{
	struct xml_quiet before;

	handlers->initialized = XML_SAX2_MAGIC;
	handlers->serror = parse_tell;
	handlers->ignorableWhitespace = handlers->characters; /* the same: libxml2 need not tell them apart */
	handlers->entityDecl = parse_entity_decl;
	handlers->unparsedEntityDecl = parse_unparsed_entity_decl;
	handlers->getEntity = parse_get_entity;
	handlers->getParameterEntity = parse_get_parameter_entity;
	handlers->externalSubset = parse_external_subset;
	handlers->endDocument = parse_end_document;
	parse->fault = (struct xml_fault){ .line = 0 };
	xml_quiet_begin(&before, parse_tell, parse);
	parse->ctxt = xmlCreateIOParserCtxt(handlers, parse, parse_read, NULL, parse, XML_CHAR_ENCODING_NONE);
	if (!parse->ctxt) {
		xml_parse_fail_memory(parse);
		goto end_quiet;
	}
	/* NOENT, or &amp; in an attribute comes as &#38;; there are no other entities to expand */
	xmlCtxtUseOptions(parse->ctxt, XML_PARSE_NONET | XML_PARSE_NOENT);
	if (xmlParseDocument(parse->ctxt) < 0 && !parse->stopped)
		xml_parse_fail(parse, NULL, "not well-formed");
	if (parse->ctxt->myDoc)
		xmlFreeDoc(parse->ctxt->myDoc);
	xmlFreeParserCtxt(parse->ctxt);
	parse->ctxt = NULL;
end_quiet:
	xml_quiet_end(&before);
	if (parse->no_memory)
		return ZKCFG_ENOMEM;
	return parse->failed ? ZKCFG_EINVAL : 0;
}
