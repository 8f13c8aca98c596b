# SPDX-FileCopyrightText: zkcfg authors
# SPDX-License-Identifier: Apache-2.0

noinst_LTLIBRARIES += libbase.la
libbase_la_SOURCES = \
	%D%/buffer.c %D%/buffer.h \
	%D%/clock.c %D%/clock.h \
	%D%/duration.c %D%/duration.h \
	%D%/file.c %D%/file.h \
	%D%/log.c %D%/log.h \
	%D%/message.c %D%/message.h \
	%D%/uri.c %D%/uri.h
