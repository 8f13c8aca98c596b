# SPDX-FileCopyrightText: zkcfg authors
# SPDX-License-Identifier: Apache-2.0

check_PROGRAMS += %D%/bench
%C%_bench_SOURCES = \
	%D%/bench.c %D%/bench.h \
	%D%/corpus.c %D%/corpus.h \
	%D%/etcd_place.c \
	%D%/figures_fleet.c \
	%D%/figures_read.c \
	%D%/figures_source.c \
	%D%/figures_wake.c \
	%D%/figures_whole.c \
	%D%/figures_write.c \
	%D%/figures_zookeeper.c \
	%D%/herd.c %D%/herd.h \
	%D%/lmdb.h \
	%D%/process.c %D%/process.h \
	%D%/propagate.c %D%/propagate.h \
	%D%/report.c %D%/report.h \
	%D%/set.c %D%/set.h \
	%D%/source_place.c %D%/source_place.h \
	%D%/table.c %D%/table.h \
	%D%/watch_file.c \
	%D%/zk_place.c %D%/zk_place.h
if HAVE_LMDB
%C%_bench_SOURCES += %D%/lmdb.c
endif
bench_flags = $(CFLAGS) $(LANG_CFLAGS) $(HARDEN_CPPFLAGS) $(HARDEN_CFLAGS) $(SANITIZE_FLAGS)
# libzkcfg first: what reads is linked as any service would be
%C%_bench_LDADD = libzkcfg.la libbench_writer.la libbench_support.la libhttp.la libbase.la \
	$(LMDB_LIBS) $(XML2_LIBS) $(JANSSON_LIBS) $(ZOOKEEPER_LIBS) $(CURL_LIBS) $(EVENT_LIBS)
%C%_bench_LDFLAGS = $(AM_LDFLAGS) -no-install
%C%_bench_CFLAGS = $(AM_CFLAGS) $(LMDB_CFLAGS) \
	-DBENCH_TOP='"$(abs_top_srcdir)"' -DBENCH_BUILD='"$(abs_top_builddir)"' \
	-DBENCH_COMPILER='"$(CC) " __VERSION__' -DBENCH_FLAGS='"$(bench_flags)"'

# a path that is installed to nowhere makes libtool build a shared library
check_LTLIBRARIES += libbench_writer.la
libbench_writer_la_SOURCES = %D%/writer.c %D%/writer.h
libbench_writer_la_LIBADD = libpublish.la libxml.la libsegment.la libbase.la
libbench_writer_la_LDFLAGS = $(AM_LDFLAGS) -avoid-version -rpath /nowhere -export-symbols-regex '^writer_'

# what starts etcd for tests, without Check
check_LTLIBRARIES += libbench_support.la
libbench_support_la_SOURCES = tests/support/etcd_server.c tests/support/etcd_server.h \
	tests/support/program.c tests/support/program.h %D%/outside/check.h
libbench_support_la_CPPFLAGS = -I$(srcdir)/%D%/outside $(AM_CPPFLAGS)

# The figures; BENCH=name,name for some of them.
bench: %D%/bench zkcfgd tests/fleet/fleet
if HAVE_LMDB
	$(AM_V_at)%D%/bench --json bench.json $(BENCH)
else
	@echo 'make bench needs LMDB (Debian package liblmdb-dev): install it and run configure again' >&2
	@exit 1
endif
.PHONY: bench
CLEANFILES += bench.json
