# SPDX-FileCopyrightText: zkcfg authors
# SPDX-License-Identifier: Apache-2.0

noinst_LTLIBRARIES += libhttp.la
libhttp_la_SOURCES = %D%/http.c %D%/http.h
libhttp_la_LIBADD = $(CURL_LIBS) $(EVENT_LIBS)
