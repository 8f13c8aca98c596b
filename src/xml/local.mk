# SPDX-FileCopyrightText: zkcfg authors
# SPDX-License-Identifier: Apache-2.0

noinst_LTLIBRARIES += libxml.la
libxml_la_SOURCES = \
	%D%/compile.c %D%/compile.h \
	%D%/loader.c %D%/loader.h \
	%D%/merge.c %D%/merge.h \
	%D%/parse.c %D%/parse.h \
	%D%/schema.c %D%/schema.h \
	%D%/tree.c %D%/tree.h
libxml_la_LIBADD = $(XML2_LIBS)
