# SPDX-FileCopyrightText: zkcfg authors
# SPDX-License-Identifier: Apache-2.0

noinst_LTLIBRARIES += libhook.la
libhook_la_SOURCES = \
	%D%/render.c %D%/render.h \
	%D%/spawn.c %D%/spawn.h \
	%D%/words.c %D%/words.h
libhook_la_LIBADD = $(EVENT_LIBS) $(XSLT_LIBS) $(XML2_LIBS)
