# SPDX-FileCopyrightText: zkcfg authors
# SPDX-License-Identifier: Apache-2.0

# The harnesses, for whoever drives them.
EXTRA_LTLIBRARIES += libfuzz.la
libfuzz_la_SOURCES = \
	src/source/apollo_answer.c \
	%D%/admin.c \
	%D%/apollo.c \
	%D%/document.c \
	%D%/edit.h \
	%D%/etcd.c \
	%D%/fuzz.h \
	%D%/guard.c \
	%D%/host.c %D%/host.h \
	%D%/read.c %D%/read.h \
	%D%/segment.c \
	%D%/xml.c
libfuzz_la_LIBADD = libadmin.la libpublish.la libxml.la libclient.la libsegment.la libbase.la $(JANSSON_LIBS)

# Mappings of files get a guard behind them; see guard.c.
fuzz_wrap = -Wl,--wrap=mmap,--wrap=munmap,--wrap=mremap

# What is kept, through the harnesses; by any compiler.
if HAVE_CHECK
TESTS += %D%/test_seeds
check_PROGRAMS += %D%/test_seeds
endif
%C%_test_seeds_LDFLAGS = $(AM_LDFLAGS) $(fuzz_wrap)
%C%_test_seeds_LDADD = libfuzz.la $(LDADD)

# Only %D%/run makes these, with clang: one program a harness.
EXTRA_PROGRAMS += %D%/fuzz_admin %D%/fuzz_apollo %D%/fuzz_document %D%/fuzz_etcd %D%/fuzz_generation \
	%D%/fuzz_segment %D%/fuzz_xml
%C%_fuzz_admin_SOURCES = %D%/libfuzzer.c
%C%_fuzz_admin_CPPFLAGS = $(AM_CPPFLAGS) -DFUZZ_HARNESS=fuzz_admin
%C%_fuzz_admin_LDFLAGS = $(AM_LDFLAGS) $(fuzz_wrap) -fsanitize=fuzzer
%C%_fuzz_admin_LDADD = libfuzz.la
%C%_fuzz_apollo_SOURCES = %D%/libfuzzer.c
%C%_fuzz_apollo_CPPFLAGS = $(AM_CPPFLAGS) -DFUZZ_HARNESS=fuzz_apollo
%C%_fuzz_apollo_LDFLAGS = $(AM_LDFLAGS) $(fuzz_wrap) -fsanitize=fuzzer
%C%_fuzz_apollo_LDADD = libfuzz.la
%C%_fuzz_document_SOURCES = %D%/libfuzzer.c
%C%_fuzz_document_CPPFLAGS = $(AM_CPPFLAGS) -DFUZZ_HARNESS=fuzz_document
%C%_fuzz_document_LDFLAGS = $(AM_LDFLAGS) $(fuzz_wrap) -fsanitize=fuzzer
%C%_fuzz_document_LDADD = libfuzz.la
%C%_fuzz_etcd_SOURCES = %D%/libfuzzer.c
%C%_fuzz_etcd_CPPFLAGS = $(AM_CPPFLAGS) -DFUZZ_HARNESS=fuzz_etcd
%C%_fuzz_etcd_LDFLAGS = $(AM_LDFLAGS) $(fuzz_wrap) -fsanitize=fuzzer
%C%_fuzz_etcd_LDADD = libfuzz.la libsource.la libbase.la
%C%_fuzz_generation_SOURCES = %D%/libfuzzer.c
%C%_fuzz_generation_CPPFLAGS = $(AM_CPPFLAGS) -DFUZZ_HARNESS=fuzz_generation
%C%_fuzz_generation_LDFLAGS = $(AM_LDFLAGS) $(fuzz_wrap) -fsanitize=fuzzer
%C%_fuzz_generation_LDADD = libfuzz.la
%C%_fuzz_segment_SOURCES = %D%/libfuzzer.c
%C%_fuzz_segment_CPPFLAGS = $(AM_CPPFLAGS) -DFUZZ_HARNESS=fuzz_segment
%C%_fuzz_segment_LDFLAGS = $(AM_LDFLAGS) $(fuzz_wrap) -fsanitize=fuzzer
%C%_fuzz_segment_LDADD = libfuzz.la
%C%_fuzz_xml_SOURCES = %D%/libfuzzer.c
%C%_fuzz_xml_CPPFLAGS = $(AM_CPPFLAGS) -DFUZZ_HARNESS=fuzz_xml
%C%_fuzz_xml_LDFLAGS = $(AM_LDFLAGS) $(fuzz_wrap) -fsanitize=fuzzer
%C%_fuzz_xml_LDADD = libfuzz.la

# Writes the inputs that fuzzing begins with.
EXTRA_PROGRAMS += %D%/make_seeds
%C%_make_seeds_SOURCES = %D%/seeds.c
%C%_make_seeds_LDFLAGS = $(AM_LDFLAGS) $(fuzz_wrap)
%C%_make_seeds_LDADD = libfuzz.la

CLEANFILES += libfuzz.la %D%/make_seeds$(EXEEXT)
dist_noinst_SCRIPTS += %D%/run
EXTRA_DIST += %D%/seeds

# Each harness for FUZZ_SECONDS, 60 if that is not given.
fuzz:
	$(top_srcdir)/%D%/run '$(top_srcdir)' '$(top_builddir)'

fuzz-seeds: %D%/make_seeds$(EXEEXT)
	$(MKDIR_P) $(top_srcdir)/%D%/seeds
	%D%/make_seeds $(top_srcdir)/%D%/seeds

clean-local:
	-rm -rf fuzz
.PHONY: fuzz fuzz-seeds
