# SPDX-FileCopyrightText: zkcfg authors
# SPDX-License-Identifier: Apache-2.0

noinst_LTLIBRARIES += libsegment.la
libsegment_la_SOURCES = \
	%D%/arena.c %D%/arena.h \
	%D%/control.c %D%/control.h \
	%D%/document.c %D%/document_builder.c %D%/document.h %D%/document_read.h \
	%D%/hash.h \
	%D%/index.c %D%/index.h %D%/index_read.h \
	%D%/kill_point.h \
	%D%/layout.h \
	%D%/notify.c %D%/notify.h \
	%D%/refcount.h \
	%D%/trust.c %D%/trust.h \
	%D%/view.c %D%/view.h
