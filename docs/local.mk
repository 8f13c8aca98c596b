# SPDX-FileCopyrightText: zkcfg authors
# SPDX-License-Identifier: Apache-2.0

dist_man_MANS += \
	%D%/man/libzkcfg.3 \
	%D%/man/zkcfg.1 \
	%D%/man/zkcfg-http.7 \
	%D%/man/zkcfgd.8 \
	%D%/man/zkcfgd.xml.5

exampledir = $(docdir)/examples
dist_example_DATA = \
	%D%/examples/callbacks.c \
	%D%/examples/libevent.c \
	%D%/examples/libuv.c \
	%D%/examples/poll.c \
	%D%/examples/service.xml \
	%D%/examples/swap.c \
	%D%/examples/thread.c \
	%D%/examples/zkcfgd.xml

# Built by make check, as anybody would: with libzkcfg and what their names say.
examples = %D%/examples/callbacks %D%/examples/libevent %D%/examples/poll %D%/examples/swap %D%/examples/thread
EXAMPLE_FLAGS = $(AM_LDFLAGS) -no-install
%C%_examples_callbacks_LDFLAGS = $(EXAMPLE_FLAGS)
%C%_examples_callbacks_LDADD = libzkcfg.la
%C%_examples_libevent_LDFLAGS = $(EXAMPLE_FLAGS)
%C%_examples_libevent_LDADD = libzkcfg.la $(EVENT_LIBS)
%C%_examples_poll_LDFLAGS = $(EXAMPLE_FLAGS)
%C%_examples_poll_LDADD = libzkcfg.la
%C%_examples_swap_LDFLAGS = $(EXAMPLE_FLAGS)
%C%_examples_swap_LDADD = libzkcfg.la
%C%_examples_thread_LDFLAGS = $(EXAMPLE_FLAGS)
%C%_examples_thread_LDADD = libzkcfg.la
if HAVE_UV
examples += %D%/examples/libuv
%C%_examples_libuv_CFLAGS = $(AM_CFLAGS) $(UV_CFLAGS)
%C%_examples_libuv_LDFLAGS = $(EXAMPLE_FLAGS)
%C%_examples_libuv_LDADD = libzkcfg.la $(UV_LIBS)
endif

EXTRA_DIST += %D%/design.md %D%/operations.md %D%/recipes.md %D%/sources.md
