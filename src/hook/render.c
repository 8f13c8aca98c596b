/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "hook/render.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <libexslt/exslt.h>
#include <libxml/parser.h>
#include <libxml/uri.h>
#include <libxml/xmlerror.h>
#include <libxslt/documents.h>
#include <libxslt/security.h>
#include <libxslt/transform.h>
#include <libxslt/variables.h>
#include <libxslt/xsltInternals.h>
#include <libxslt/xsltutils.h>

#include "base/file.h"

/* Of a stylesheet, or a file that it reads. */
#define RENDER_FILE_LIMIT_BYTES ((size_t)16 * 1024 * 1024)
/* Instructions of XSLT, and steps of XPath: some seconds. */
#define RENDER_STEPS 20000000ul
#define RENDER_DEPTH 1000
#define RENDER_PARSE (XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING)

struct render {
	char *path;
	char *directory; /* of it, without links */
	xsltStylesheetPtr sheet;
	uint64_t checksum;
};

/*
 * What is being loaded or applied on this thread. libxslt has one loader and one
 * function for errors in a process, and hands no user data to the first.
 */
struct render_work {
	struct render *render;
	struct buffer errors;
	char refused[256];		    /* a file that it asked for and did not get; "": none */
	xmlStructuredErrorFunc told_before; /* libxml2's of this thread, and what belongs to it */
	void *told_before_user;
	xmlGenericErrorFunc printed_before;
	void *printed_before_user;
};

static _Thread_local struct render_work *render_work;

/* --- errors ---------------------------------------------------------------- */

__attribute__((format(printf, 2, 3))) static void on_error(void *user, const char *format, ...)
{
	char text[1024];
	va_list args;

	(void)user;
	if (!render_work || render_work->errors.size_bytes > sizeof(text) * 4)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	buffer_append(&render_work->errors, text, strlen(text));
}

static void on_xml_error(void *user, xmlErrorPtr error)
{
	(void)user;
	if (error->message)
		on_error(NULL, "%s", error->message);
}

static bool render_is_heading(const char *line)
{
	return strstr(line, " line ") && strstr(line, "file ") &&
	       (strstr(line, "error") || strstr(line, "warning") || strncmp(line, "xsl", 3) == 0);
}

/*
 * libxslt writes "runtime error: file F line 3 element value-of" on a line and
 * the reason on the next: "F:3: reason".
 */
static int render_fail(const struct render *render, struct message *message)
{
	struct buffer *errors = &render_work->errors;
	char *line, *rest = NULL, place[PATH_MAX + 16] = "", reason[256] = "", *file, *at;

	buffer_append(errors, "", 1);
	for (line = buffer_failed(errors) ? NULL : strtok_r(errors->bytes, "\n", &rest); line;
	     line = strtok_r(NULL, "\n", &rest)) {
		file = strstr(line, "file ");
		at = file ? strstr(file, " line ") : NULL;
		if (at && render_is_heading(line)) {
			if (place[0] == '\0')
				snprintf(place, sizeof(place), "%.*s:%d", (int)(at - file - 5), file + 5,
					 atoi(at + 6));
		} else if (reason[0] == '\0' && line[strspn(line, " ^\t")] != '\0') {
			snprintf(reason, sizeof(reason), "%s", line);
		}
	}
	if (render_work->refused[0] != '\0')
		message_set(message, "%s: %s cannot be read: only files below %s, and none of the network",
			    place[0] ? place : render->path, render_work->refused, render->directory);
	else
		message_set(message, "%s: %s", place[0] ? place : render->path,
			    reason[0] ? reason : "the stylesheet failed without a word");
	return -EINVAL;
}

/* --- files ----------------------------------------------------------------- */

static bool render_is_below(const char *path, const char *directory)
{
	size_t length = strlen(directory);

	return strncmp(path, directory, length) == 0 && (path[length] == '/' || strcmp(directory, "/") == 0);
}

/* The file that a URL names, without links; NULL: none that may be read. Ends with free(). */
static char *render_resolve(const struct render *render, const char *url)
{
	char *text, *path;

	if (strncmp(url, "file:///", 8) == 0)
		url += 7;
	text = xmlURIUnescapeString(url, 0, NULL);
	if (!text)
		return NULL;
	path = realpath(text, NULL); /* a URL of another scheme is no file */
	xmlFree(text);
	if (path && !render_is_below(path, render->directory)) {
		free(path);
		path = NULL;
	}
	return path;
}

/* A number that changes when any byte of any file does; files come in one order. */
static void render_sum(struct render *render, const struct buffer *bytes)
{
	uint64_t sum = render->checksum ? render->checksum : UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < bytes->size_bytes; i++)
		sum = (sum ^ (unsigned char)bytes->bytes[i]) * UINT64_C(0x100000001b3);
	render->checksum = sum;
}

static xmlDocPtr render_read(struct render *render, const char *path, const char *url, xmlDictPtr dict)
{
	struct buffer bytes = { 0 };
	xmlParserCtxtPtr parser;
	xmlDocPtr document = NULL;

	if (file_read(path, RENDER_FILE_LIMIT_BYTES, &bytes) < 0 || bytes.size_bytes == 0)
		goto free_bytes;
	if (!render->sheet)
		render_sum(render, &bytes);
	parser = xmlNewParserCtxt();
	if (!parser)
		goto free_bytes;
	if (dict && parser->dict) {
		xmlDictFree(parser->dict);
		parser->dict = dict;
		xmlDictReference(dict);
	}
	document = xmlCtxtReadMemory(parser, bytes.bytes, (int)bytes.size_bytes, url, NULL,
				     RENDER_PARSE | XML_PARSE_NOCDATA);
	if (!document && parser->lastError.message)
		on_error(NULL, "error: file %s line %d\n%s", path, parser->lastError.line,
			 parser->lastError.message);
	xmlFreeParserCtxt(parser);
free_bytes:
	buffer_free(&bytes);
	return document;
}

/* The loader of all of libxslt. */
static xmlDocPtr render_loader(const xmlChar *url, xmlDictPtr dict, int options, void *ctxt,
			       xsltLoadType type)
{
	xmlDocPtr document = NULL;
	char *path;

	(void)options, (void)ctxt, (void)type;
	if (!render_work)
		return NULL;
	path = render_resolve(render_work->render, (const char *)url);
	if (path)
		document = render_read(render_work->render, path, (const char *)url, dict);
	if (!document && render_work->refused[0] == '\0' && render_work->errors.size_bytes == 0)
		snprintf(render_work->refused, sizeof(render_work->refused), "%s", (const char *)url);
	free(path);
	return document;
}

/* --- the library ----------------------------------------------------------- */

static xsltSecurityPrefsPtr render_rights;

/* Reading files is asked of the loader. */
static void render_start(void)
{
	xsltInit();
	exsltCommonRegister();
	exsltMathRegister();
	exsltSetsRegister();
	exsltStrRegister();
	exsltDateRegister();
	exsltFuncRegister();
	xsltSetLoaderFunc(render_loader);
	xsltSetGenericErrorFunc(NULL, on_error);
	render_rights = xsltNewSecurityPrefs();
	if (!render_rights)
		return;
	xsltSetSecurityPrefs(render_rights, XSLT_SECPREF_WRITE_FILE, xsltSecurityForbid);
	xsltSetSecurityPrefs(render_rights, XSLT_SECPREF_CREATE_DIRECTORY, xsltSecurityForbid);
	xsltSetSecurityPrefs(render_rights, XSLT_SECPREF_WRITE_NETWORK, xsltSecurityForbid);
	xsltSetSecurityPrefs(render_rights, XSLT_SECPREF_READ_NETWORK, xsltSecurityForbid);
	xsltSetDefaultSecurityPrefs(render_rights);
}

static void render_begin(struct render_work *work, struct render *render)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, render_start);
	*work = (struct render_work){ .render = render,
				      .told_before = xmlStructuredError,
				      .told_before_user = xmlStructuredErrorContext,
				      .printed_before = xmlGenericError,
				      .printed_before_user = xmlGenericErrorContext };
	render_work = work;
	xmlSetStructuredErrorFunc(NULL, on_xml_error);
	xmlSetGenericErrorFunc(NULL, on_error);
}

static void render_finish(struct render_work *work)
{
	xmlSetStructuredErrorFunc(work->told_before_user, work->told_before);
	xmlSetGenericErrorFunc(work->printed_before_user, work->printed_before);
	render_work = NULL;
	buffer_free(&work->errors);
}

/* --- a stylesheet ---------------------------------------------------------- */

static int render_find(const char *path, struct render *render, struct message *message)
{
	char *slash;

	render->path = realpath(path, NULL);
	if (!render->path) {
		message_set(message, "%.300s: the stylesheet cannot be read: %s", path, strerror(errno));
		return -errno;
	}
	slash = strrchr(render->path, '/');
	render->directory = strndup(render->path, slash == render->path ? 1 : (size_t)(slash - render->path));
	if (access(render->path, R_OK) < 0) {
		message_set(message, "%.300s: the stylesheet cannot be read: %s", path, strerror(errno));
		return -errno;
	}
	return render->directory ? 0 : -ENOMEM;
}

int render_load(const char *path, struct render **render, struct message *message)
{
	struct render *loaded = calloc(1, sizeof(*loaded));
	struct render_work work;
	xmlDocPtr document;
	int err;

	if (!loaded) {
		message_set(message, "out of memory");
		return -ENOMEM;
	}
	err = render_find(path, loaded, message);
	if (err < 0)
		goto free_loaded;
	render_begin(&work, loaded);
	document = render_read(loaded, loaded->path, loaded->path, NULL);
	loaded->sheet = document ? xsltParseStylesheetDoc(document) : NULL;
	if (document && !loaded->sheet)
		xmlFreeDoc(document);
	if (!loaded->sheet || loaded->sheet->errors > 0 || work.refused[0] != '\0')
		err = render_fail(loaded, message);
	render_finish(&work);
	if (err == 0) {
		*render = loaded;
		return 0;
	}
free_loaded:
	render_free(loaded);
	return err;
}

void render_free(struct render *render)
{
	if (!render)
		return;
	if (render->sheet)
		xsltFreeStylesheet(render->sheet);
	free(render->directory);
	free(render->path);
	free(render);
}

uint64_t render_checksum(const struct render *render)
{
	return render->checksum;
}

/* --- its input ------------------------------------------------------------- */

static xmlDocPtr render_parse(const struct zkcfg_document *document)
{
	size_t size_bytes;
	const char *bytes = zkcfg_document_raw(document, &size_bytes);

	return xmlReadMemory(bytes, (int)size_bytes, zkcfg_document_name(document), NULL,
			     RENDER_PARSE | XML_PARSE_HUGE);
}

/* A document's root element, moved below a new element of the tree. */
static int render_adopt(xmlDocPtr tree, const struct zkcfg_document *document)
{
	xmlDocPtr parsed = render_parse(document);
	xmlNodePtr element, root, copy;
	char number[24];

	if (!parsed)
		return -ENOMEM;
	element = xmlNewChild(xmlDocGetRootElement(tree), NULL, (const xmlChar *)"document", NULL);
	root = xmlDocGetRootElement(parsed);
	copy = element && root ? xmlDocCopyNode(root, tree, 1) : NULL;
	if (copy) {
		snprintf(number, sizeof(number), "%llu",
			 (unsigned long long)zkcfg_document_revision(document));
		xmlSetProp(element, (const xmlChar *)"name", (const xmlChar *)zkcfg_document_name(document));
		xmlSetProp(element, (const xmlChar *)"revision", (const xmlChar *)number);
		xmlAddChild(element, copy);
	}
	xmlFreeDoc(parsed);
	return copy ? 0 : -ENOMEM;
}

static int render_compare(const void *a, const void *b)
{
	return strcmp(zkcfg_document_name(*(const struct zkcfg_document *const *)a),
		      zkcfg_document_name(*(const struct zkcfg_document *const *)b));
}

/* All that are wanted, sorted by name: documents come in no particular order. */
static int render_collect(const struct render_input *input, struct buffer *found)
{
	const struct zkcfg_document *document;
	struct zkcfg_iterator iterator;
	int err;

	zkcfg_iterator_init(&iterator, input->snapshot);
	while ((err = zkcfg_iterator_next(&iterator, &document)) == 0)
		if (input->is_wanted(input->user, zkcfg_document_name(document)))
			buffer_append(found, &document, sizeof(struct zkcfg_document *));
	if (err != ZKCFG_EEND)
		return -EIO;
	if (buffer_failed(found))
		return -ENOMEM;
	if (found->size_bytes > 0)
		qsort(found->bytes, found->size_bytes / sizeof(struct zkcfg_document *),
		      sizeof(struct zkcfg_document *), render_compare);
	return 0;
}

static int render_tree(const struct render_input *input, const char *seq, xmlDocPtr *tree)
{
	xmlDocPtr made = xmlNewDoc((const xmlChar *)"1.0");
	const struct zkcfg_document **documents;
	struct buffer found = { 0 };
	xmlNodePtr root = made ? xmlNewDocNode(made, NULL, (const xmlChar *)"set", NULL) : NULL;
	int err = root ? render_collect(input, &found) : -ENOMEM;

	if (root) {
		xmlDocSetRootElement(made, root);
		xmlSetProp(root, (const xmlChar *)"name", (const xmlChar *)input->set);
		xmlSetProp(root, (const xmlChar *)"seq", (const xmlChar *)seq);
	}
	documents = (const struct zkcfg_document **)(void *)found.bytes;
	for (size_t i = 0; i < found.size_bytes / sizeof(*documents) && err == 0; i++)
		err = render_adopt(made, documents[i]);
	buffer_free(&found);
	if (err < 0)
		xmlFreeDoc(made);
	else
		*tree = made;
	return err;
}

static int render_input_open(const struct render_input *input, const char *seq, xmlDocPtr *tree,
			     struct message *message)
{
	const struct zkcfg_document *document;
	int err;

	if (input->document && zkcfg_find(input->snapshot, input->document, &document) < 0) {
		message_set(message, "set %s has no document %.200s (seq %s)", input->set, input->document,
			    seq);
		return -ENOENT;
	}
	if (!input->document) {
		err = render_tree(input, seq, tree);
	} else {
		*tree = render_parse(document);
		err = *tree ? 0 : -ENOMEM;
	}
	if (err < 0)
		message_set(message, "the documents of set %s cannot be read (seq %s): %s", input->set, seq,
			    strerror(-err));
	return err;
}

/* --- its output ------------------------------------------------------------ */

static int on_output(void *user, const char *bytes, int size_bytes)
{
	struct buffer *text = user;

	if ((size_t)size_bytes > RENDER_LIMIT_BYTES - text->size_bytes)
		return -1;
	buffer_append(text, bytes, (size_t)size_bytes);
	return buffer_failed(text) ? -1 : size_bytes;
}

static int render_print(struct render *render, xmlDocPtr result, struct buffer *text, struct message *message)
{
	const xmlChar *encoding = render->sheet->encoding;
	xmlCharEncodingHandlerPtr handler = NULL;
	xmlOutputBufferPtr out;
	int wrote;

	if (encoding && xmlStrcasecmp(encoding, (const xmlChar *)"UTF-8") != 0)
		handler = xmlFindCharEncodingHandler((const char *)encoding);
	out = xmlOutputBufferCreateIO(on_output, NULL, text, handler);
	wrote = out ? xsltSaveResultTo(out, result, render->sheet) : -1;
	if (out && xmlOutputBufferClose(out) < 0)
		wrote = -1;
	if (wrote >= 0 && !buffer_failed(text))
		return 0;
	message_set(message, "%s: what it makes cannot be written: it may have %zu bytes", render->path,
		    RENDER_LIMIT_BYTES);
	return -EFBIG;
}

static const char *render_host(char host[256])
{
	if (gethostname(host, 256) < 0)
		host[0] = '\0';
	host[255] = '\0';
	return host;
}

static int render_set_parameters(xsltTransformContextPtr ctxt, const struct render_input *input,
				 const char *seq)
{
	char host[256];
	const char *parameters[] = { "set", input->set, "seq", seq, "host", render_host(host), NULL };

	return xsltQuoteUserParams(ctxt, parameters);
}

static int render_transform(struct render *render, const struct render_input *input, const char *seq,
			    xmlDocPtr tree, struct buffer *text, struct message *message)
{
	xsltTransformContextPtr ctxt = xsltNewTransformContext(render->sheet, tree);
	xmlDocPtr result = NULL;
	int err = -ENOMEM;

	if (!ctxt || !render_rights) {
		message_set(message, "%s: out of memory", render->path);
		goto free_ctxt;
	}
	xsltSetCtxtSecurityPrefs(render_rights, ctxt);
	xsltSetTransformErrorFunc(ctxt, NULL, on_error);
	ctxt->opLimit = RENDER_STEPS;
	ctxt->xpathCtxt->opLimit = RENDER_STEPS;
	ctxt->maxTemplateDepth = RENDER_DEPTH;
	if (render_set_parameters(ctxt, input, seq) == 0)
		result = xsltApplyStylesheetUser(render->sheet, tree, NULL, NULL, NULL, ctxt);
	if (!result || ctxt->state != XSLT_STATE_OK || render_work->refused[0] != '\0')
		err = render_fail(render, message);
	else
		err = render_print(render, result, text, message);
	xmlFreeDoc(result);
free_ctxt:
	if (ctxt)
		xsltFreeTransformContext(ctxt);
	return err;
}

int render_apply(struct render *render, const struct render_input *input, struct buffer *text,
		 struct message *message)
{
	struct render_work work;
	xmlDocPtr tree = NULL;
	char seq[24];
	int err;

	snprintf(seq, sizeof(seq), "%llu", (unsigned long long)zkcfg_snapshot_seq(input->snapshot));
	render_begin(&work, render);
	err = render_input_open(input, seq, &tree, message);
	if (err == 0)
		err = render_transform(render, input, seq, tree, text, message);
	xmlFreeDoc(tree);
	render_finish(&work);
	return err;
}
