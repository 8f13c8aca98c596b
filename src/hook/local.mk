# SPDX-FileCopyrightText: zkcfg authors
# SPDX-License-Identifier: Apache-2.0

noinst_LTLIBRARIES += libhook.la
libhook_la_SOURCES = \
	%D%/config.c %D%/config.h \
	%D%/element.c %D%/element.h \
	%D%/environment.c %D%/environment.h \
	%D%/hook.c %D%/hook.h \
	%D%/job.c %D%/job.h \
	%D%/pid_file.c %D%/pid_file.h \
	%D%/place.c %D%/place.h \
	%D%/prints.c %D%/prints.h \
	%D%/record.c %D%/record.h \
	%D%/render.c %D%/render.h \
	%D%/spawn.c %D%/spawn.h \
	%D%/step.h \
	%D%/words.c %D%/words.h
libhook_la_LIBADD = $(XSLT_LIBS) $(XML2_LIBS) $(EVENT_LIBS)
