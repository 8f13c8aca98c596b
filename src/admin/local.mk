# SPDX-FileCopyrightText: zkcfg authors
# SPDX-License-Identifier: Apache-2.0

noinst_LTLIBRARIES += libadmin.la
libadmin_la_SOURCES = \
	%D%/access.c %D%/access.h \
	%D%/admin.c %D%/admin.h \
	%D%/events.c %D%/events.h \
	%D%/listen.c %D%/listen.h \
	%D%/metrics.c %D%/metrics.h \
	%D%/parts.h \
	%D%/request.c %D%/request.h \
	%D%/routes.c \
	%D%/rpc.c %D%/rpc.h \
	%D%/server.c %D%/server.h
libadmin_la_LIBADD = $(EVENT_LIBS) $(JANSSON_LIBS)
