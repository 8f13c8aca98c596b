# SPDX-FileCopyrightText: zkcfg authors
# SPDX-License-Identifier: Apache-2.0

noinst_LTLIBRARIES += libdaemon.la
libdaemon_la_SOURCES = \
	%D%/accept_older.c %D%/accept_older.h \
	%D%/config.c %D%/config.h \
	%D%/console.c %D%/console.h \
	%D%/config_hook.c %D%/config_hook.h \
	%D%/documents.c %D%/documents.h \
	%D%/freeze.c %D%/freeze.h \
	%D%/hold.c %D%/hold.h \
	%D%/layers.c %D%/layers.h \
	%D%/marker.c %D%/marker.h \
	%D%/notify.c %D%/notify.h \
	%D%/options.c %D%/options.h \
	%D%/pipeline.c %D%/pipeline.h \
	%D%/reload.c %D%/reload.h \
	%D%/sets.c %D%/sets.h \
	%D%/staging.c %D%/staging.h \
	%D%/standing.c %D%/standing.h \
	%D%/variables.c %D%/variables.h
nodist_libdaemon_la_SOURCES = %D%/zkcfgd_rng.h
libdaemon_la_LIBADD = $(EVENT_LIBS) $(JANSSON_LIBS) $(SYSTEMD_LIBS)

sbin_PROGRAMS += zkcfgd
zkcfgd_SOURCES = %D%/main.c
zkcfgd_LDADD = libdaemon.la libadmin.la libhook.la libpublish.la libsource.la libhttp.la libxml.la libclient.la libsegment.la libbase.la

# The schema is installed for editors and for xmllint; zkcfgd has it compiled in.
dist_pkgdata_DATA = %D%/zkcfgd.rng
BUILT_SOURCES += %D%/zkcfgd_rng.h
CLEANFILES += %D%/zkcfgd_rng.h
%D%/zkcfgd_rng.h: %D%/zkcfgd.rng
	$(AM_V_GEN)$(MKDIR_P) $(@D) && { \
		echo '/* Made from zkcfgd.rng by make: do not edit. */'; \
		echo 'static const char zkcfgd_rng[] = {'; \
		od -An -v -td1 $(top_srcdir)/%D%/zkcfgd.rng | $(SED) 's/[-0-9][0-9]*/&,/g'; \
		echo '0 };'; \
	} >$@.tmp && mv $@.tmp $@

EXTRA_DIST += %D%/zkcfgd.service.in
CLEANFILES += %D%/zkcfgd.service
if INSTALL_UNIT
nodist_systemdsystemunit_DATA = %D%/zkcfgd.service
endif
%D%/zkcfgd.service: %D%/zkcfgd.service.in Makefile
	$(substitute) $(top_srcdir)/%D%/zkcfgd.service.in >$@.tmp && mv $@.tmp $@
