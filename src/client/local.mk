# SPDX-FileCopyrightText: zkcfg authors
# SPDX-License-Identifier: Apache-2.0

zkcfgincludedir = $(includedir)/zkcfg
zkcfginclude_HEADERS = include/zkcfg/zkcfg.h
pkgconfigdir = $(libdir)/pkgconfig
nodist_pkgconfig_DATA = libzkcfg.pc
EXTRA_DIST += %D%/libzkcfg.pc.in %D%/libzkcfg.map

# The library's own objects, with every symbol in reach of its unit tests.
noinst_LTLIBRARIES += libclient.la
libclient_la_SOURCES = \
	%D%/batch.c \
	%D%/cursor.c \
	%D%/descriptor.c \
	%D%/diff.c \
	%D%/error.c \
	%D%/handle.c %D%/handle.h \
	%D%/origin.c \
	%D%/snapshot.c \
	%D%/status.c \
	%D%/value.c \
	%D%/wait.c

# What is installed: the symbols of the map and nothing else; libc and nothing
# else. The linker drops what only writers of a segment use.
lib_LTLIBRARIES += libzkcfg.la
libzkcfg_la_SOURCES =
libzkcfg_la_LIBADD = libclient.la libsegment.la
libzkcfg_la_LDFLAGS = $(AM_LDFLAGS) -no-undefined -version-info $(LIBZKCFG_VERSION_INFO) \
	-Wl,--gc-sections \
	-Wl,--version-script=$(top_srcdir)/%D%/libzkcfg.map
EXTRA_libzkcfg_la_DEPENDENCIES = %D%/libzkcfg.map
