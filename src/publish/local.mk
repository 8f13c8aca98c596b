# SPDX-FileCopyrightText: zkcfg authors
# SPDX-License-Identifier: Apache-2.0

noinst_LTLIBRARIES += libpublish.la
libpublish_la_SOURCES = \
	%D%/lastgood.c %D%/lastgood.h \
	%D%/publisher.c %D%/publisher.h
