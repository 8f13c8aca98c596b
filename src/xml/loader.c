/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "xml/loader.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <libxml/parserInternals.h>
#include <libxml/uri.h>

/* libxml2 hands no user data to a loader, so what is allowed hangs off the thread. */
static _Thread_local const char *loader_directory;

static bool loader_is_below(const char *path, const char *directory)
{
	size_t length = strlen(directory);

	return strncmp(path, directory, length) == 0 && (path[length] == '/' || strcmp(directory, "/") == 0);
}

/* The file that a URL names, without links; NULL: none that is allowed. Ends with free(). */
static char *loader_resolve(const char *url)
{
	char *text, *path;

	if (!loader_directory)
		return NULL;
	if (strncmp(url, "file:///", 8) == 0)
		url += 7;
	text = xmlURIUnescapeString(url, 0, NULL);
	if (!text)
		return NULL;
	path = realpath(text, NULL); /* a URL of another scheme is no file */
	xmlFree(text);
	if (path && !loader_is_below(path, loader_directory)) {
		free(path);
		path = NULL;
	}
	return path;
}

static xmlParserInputPtr loader_load(const char *url, const char *id, xmlParserCtxtPtr ctxt)
{
	xmlParserInputPtr input;
	char *path;

	(void)id;
	path = url ? loader_resolve(url) : NULL;
	if (!path)
		return NULL;
	input = xmlNewInputFromFile(ctxt, path);
	free(path);
	return input;
}

void loader_start(void)
{
	xmlSetExternalEntityLoader(loader_load);
}

void loader_allow(const char *directory)
{
	loader_directory = directory;
}
