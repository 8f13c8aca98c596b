/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What libxml2 may open by itself: nothing; but while a schema is loaded, the
 * files in that schema's directory and below it.
 */
#ifndef ZKCFG_XML_LOADER_H
#define ZKCFG_XML_LOADER_H

/* Once per process, before threads: libxml2 has one loader for all of them. */
void loader_start(void);
/* Let this thread load files below a directory, an absolute path without links; NULL: none. Borrowed. */
void loader_allow(const char *directory);

#endif
