# SPDX-FileCopyrightText: zkcfg authors
# SPDX-License-Identifier: Apache-2.0

bin_PROGRAMS += zkcfg
zkcfg_SOURCES = \
	%D%/accept_older.c \
	%D%/check.c %D%/check.h \
	%D%/cli.h \
	%D%/control.c %D%/control.h \
	%D%/dump.c \
	%D%/freeze.c \
	%D%/get.c \
	%D%/hook.c \
	%D%/hooks.c \
	%D%/hook_options.c %D%/hook_options.h \
	%D%/init.c %D%/init.h \
	%D%/ls.c \
	%D%/main.c \
	%D%/output.c \
	%D%/put.c \
	%D%/reload.c \
	%D%/rm.c \
	%D%/run.c \
	%D%/set.c \
	%D%/status.c \
	%D%/wait.c \
	%D%/watch.c \
	%D%/write.c %D%/write.h
zkcfg_LDADD = libhook.la libzkcfg.la libsource.la libhttp.la libxml.la libsegment.la libbase.la $(JANSSON_LIBS)
# Linked for the build tree right away: the tests start several at once.
zkcfg_LDFLAGS = $(AM_LDFLAGS) -no-fast-install

if INSTALL_COMPLETION
nodist_bashcompletion_DATA = %D%/zkcfg
endif
EXTRA_DIST += %D%/zkcfg.bash-completion
CLEANFILES += %D%/zkcfg
# bash looks completions up by the command's name
%D%/zkcfg: %D%/zkcfg.bash-completion
	$(AM_V_GEN)$(MKDIR_P) $(@D) && cp $(top_srcdir)/%D%/zkcfg.bash-completion $@
