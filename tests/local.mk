# SPDX-FileCopyrightText: zkcfg authors
# SPDX-License-Identifier: Apache-2.0

unit_tests = \
	%D%/unit/admin/test_admin \
	%D%/unit/admin/test_events \
	%D%/unit/admin/test_metrics \
	%D%/unit/admin/test_request \
	%D%/unit/admin/test_rpc \
	%D%/unit/admin/test_server \
	%D%/unit/base/test_buffer \
	%D%/unit/base/test_clock \
	%D%/unit/base/test_duration \
	%D%/unit/base/test_file \
	%D%/unit/base/test_log \
	%D%/unit/base/test_message \
	%D%/unit/base/test_uri \
	%D%/unit/segment/test_arena \
	%D%/unit/segment/test_control \
	%D%/unit/segment/test_document \
	%D%/unit/segment/test_faults \
	%D%/unit/segment/test_index \
	%D%/unit/segment/test_notify \
	%D%/unit/segment/test_threads \
	%D%/unit/segment/test_view \
	%D%/unit/client/test_batch \
	%D%/unit/client/test_cursor \
	%D%/unit/client/test_descriptor \
	%D%/unit/client/test_diff \
	%D%/unit/client/test_faults \
	%D%/unit/client/test_handle \
	%D%/unit/client/test_origin \
	%D%/unit/client/test_snapshot \
	%D%/unit/client/test_status \
	%D%/unit/client/test_value \
	%D%/unit/client/test_wait \
	%D%/unit/xml/test_compile \
	%D%/unit/xml/test_merge \
	%D%/unit/xml/test_schema \
	%D%/unit/http/test_http \
	%D%/unit/hook/test_hook \
	%D%/unit/hook/test_render \
	%D%/unit/hook/test_spawn \
	%D%/unit/source/test_apollo \
	%D%/unit/source/test_configmap \
	%D%/unit/source/test_etcd \
	%D%/unit/source/test_file \
	%D%/unit/source/test_registry \
	%D%/unit/source/test_round \
	%D%/unit/source/test_secret \
	%D%/unit/source/test_simulation \
	%D%/unit/source/test_subscription \
	%D%/unit/publish/test_lastgood \
	%D%/unit/publish/test_publisher \
	%D%/unit/cli/test_output \
	%D%/unit/daemon/test_config \
	%D%/unit/daemon/test_config_hook \
	%D%/unit/daemon/test_layers \
	%D%/unit/daemon/test_options \
	%D%/unit/daemon/test_pipeline \
	%D%/unit/daemon/test_staging

# the long ones first, so that none is waited for at the end
integration_tests = \
	%D%/integration/test_etcd \
	%D%/integration/test_zk_faults \
	%D%/integration/test_zookeeper_source \
	%D%/integration/test_partitions \
	%D%/integration/test_zk_ensemble \
	%D%/integration/test_apollo \
	%D%/integration/test_conformance \
	%D%/integration/test_zero_downtime \
	%D%/integration/test_consistency \
	%D%/integration/test_removed \
	%D%/integration/test_reload \
	%D%/integration/test_layers \
	%D%/integration/test_full \
	%D%/integration/test_daemon \
	%D%/integration/test_death \
	%D%/integration/test_hook \
	%D%/integration/test_run \
	%D%/integration/test_cli \
	%D%/integration/test_collisions

test_scripts = \
	%D%/integration/test_examples.sh \
	%D%/integration/test_bench.sh \
	%D%/integration/test_fleet.sh \
	%D%/integration/test_layers_readme.sh \
	%D%/integration/test_recipes.sh \
	%D%/integration/test_values.sh \
	%D%/unit/client/test_library.sh \
	%D%/unit/client/test_manual.sh \
	%D%/unit/test_makefile.sh \
	%D%/unit/test_rooms.sh

dist_check_SCRIPTS += $(test_scripts)
dist_noinst_SCRIPTS += %D%/integration/demo %D%/integration/installed.sh %D%/support/chroot-check \
	%D%/support/check-faults %D%/support/coverage \
	%D%/support/zk-server %D%/tls/check %D%/tls/client-library %D%/tls/test_tls
if HAVE_CHECK
TESTS += $(integration_tests) $(unit_tests)
check_PROGRAMS += $(unit_tests) $(integration_tests) $(examples)
check_LTLIBRARIES += libsupport.la
else
check-local:
	@echo 'make check needs the Check library (Debian package check): install it and run configure again' >&2
	@exit 1
endif
TESTS += $(test_scripts)

# The demo's reader: linked as any service would be. Built with all else, for ./bootstrap demo.
noinst_PROGRAMS += %D%/integration/demo_reader
%C%_integration_demo_reader_LDADD = libzkcfg.la
%C%_integration_demo_reader_LDFLAGS = $(AM_LDFLAGS) -no-fast-install

%C%_unit_client_test_descriptor_LDADD = $(LDADD) $(EVENT_LIBS)

# A writer with kill points: the rooms' sources once more, for this program only.
check_PROGRAMS += %D%/integration/death_writer
check_LTLIBRARIES += libkillpoints.la
libkillpoints_la_CPPFLAGS = $(AM_CPPFLAGS) -DKILL_POINTS
libkillpoints_la_SOURCES = $(libsegment_la_SOURCES) src/client/error.c src/publish/publisher.c \
	src/publish/publisher.h
%C%_integration_death_writer_SOURCES = %D%/integration/death_writer.c %D%/integration/death.h
%C%_integration_death_writer_CPPFLAGS = $(AM_CPPFLAGS) -DKILL_POINTS
%C%_integration_death_writer_LDADD = libkillpoints.la libbase.la
%C%_integration_test_death_SOURCES = %D%/integration/test_death.c %D%/integration/death.h

# A hook that is killed at its steps: the room's sources once more, for this program only.
check_PROGRAMS += %D%/integration/hook_runner
check_LTLIBRARIES += libhooksteps.la
libhooksteps_la_CPPFLAGS = $(AM_CPPFLAGS) -DHOOK_STEPS
libhooksteps_la_SOURCES = $(libhook_la_SOURCES)
libhooksteps_la_LIBADD = $(libhook_la_LIBADD)
%C%_integration_hook_runner_CPPFLAGS = $(AM_CPPFLAGS) -DHOOK_STEPS
%C%_integration_hook_runner_LDADD = libhooksteps.la libhttp.la libclient.la libsegment.la libbase.la

# Calls that a test makes fail; for programs linked with FAULT_LINK only.
check_LTLIBRARIES += libfault.la
libfault_la_SOURCES = %D%/support/fault.c %D%/support/fault.h
FAULT_LINK = $(AM_LDFLAGS) -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=aligned_alloc \
	-Wl,--wrap=open,--wrap=openat,--wrap=fstat,--wrap=fchmod,--wrap=renameat \
	-Wl,--wrap=posix_fallocate,--wrap=mmap,--wrap=mremap \
	-Wl,--wrap=mkfifoat,--wrap=fchownat,--wrap=fchmodat \
	-Wl,--wrap=epoll_create1,--wrap=epoll_ctl,--wrap=timerfd_create
%C%_unit_segment_test_faults_LDADD = libfault.la $(LDADD)
%C%_unit_segment_test_faults_LDFLAGS = $(FAULT_LINK)
%C%_unit_client_test_faults_LDADD = libfault.la $(LDADD)
%C%_unit_client_test_faults_LDFLAGS = $(FAULT_LINK)

libsupport_la_SOURCES = \
	%D%/support/certificates.c \
	%D%/support/certificates.h \
	%D%/support/daemon_host.c \
	%D%/support/daemon_host.h \
	%D%/support/etcd_server.c \
	%D%/support/etcd_server.h \
	%D%/support/oracle.c \
	%D%/support/oracle.h \
	%D%/support/program.c \
	%D%/support/program.h \
	%D%/support/kubelet.c \
	%D%/support/kubelet.h \
	%D%/support/network.c \
	%D%/support/network.h \
	%D%/support/reader_process.c \
	%D%/support/reader_process.h \
	%D%/support/secret.c \
	%D%/support/secret.h \
	%D%/support/segment_host.c \
	%D%/support/segment_host.h \
	%D%/support/source_host.c \
	%D%/support/source_host.h \
	%D%/support/versions.c \
	%D%/support/versions.h \
	%D%/support/zk_client.c \
	%D%/support/zk_client.h \
	%D%/support/zk_ensemble.c \
	%D%/support/zk_ensemble.h \
	%D%/support/zk_proxy.c \
	%D%/support/zk_proxy.h \
	%D%/support/zk_server.c \
	%D%/support/zk_server.h
# Only who has a use for it is linked with the HTTP server in it.
check_LTLIBRARIES += libapollo.la
libapollo_la_SOURCES = %D%/support/apollo_server.c %D%/support/apollo_server.h
libapollo_la_LIBADD = $(EVENT_OPENSSL_LIBS) $(EVENT_EXTRA_LIBS) $(EVENT_LIBS) $(SSL_LIBS) $(CRYPTO_LIBS) $(JANSSON_LIBS)
%C%_integration_test_apollo_LDADD = libapollo.la $(LDADD) $(EVENT_EXTRA_LIBS) $(EVENT_LIBS)
check_LTLIBRARIES += libhttpserver.la
libhttpserver_la_SOURCES = %D%/support/http_server.c %D%/support/http_server.h
libhttpserver_la_LIBADD = $(SSL_LIBS) $(CRYPTO_LIBS)
%C%_unit_http_test_http_LDADD = libhttpserver.la $(LDADD) $(EVENT_LIBS)
# The control interface in front of a made-up daemon.
check_LTLIBRARIES += libadminhost.la
libadminhost_la_SOURCES = %D%/support/admin_host.c %D%/support/admin_host.h
libadminhost_la_LIBADD = libadmin.la
%C%_unit_admin_test_admin_LDADD = libadminhost.la $(LDADD)
%C%_unit_admin_test_events_LDADD = libadminhost.la $(LDADD)
%C%_unit_admin_test_rpc_LDADD = libadminhost.la $(LDADD)
%C%_unit_admin_test_server_LDADD = libadminhost.la $(LDADD)
%C%_unit_admin_test_metrics_LDADD = libadmin.la $(LDADD)
%C%_unit_admin_test_request_LDADD = libadmin.la $(LDADD)
libsupport_la_LIBADD = $(CHECK_LIBS)
# The places of sources, and who judges what is told of them.
check_LTLIBRARIES += libplaces.la
libplaces_la_SOURCES = \
	%D%/support/place.h \
	%D%/support/place_apollo.c \
	%D%/support/place_configmap.c \
	%D%/support/place_directory.c \
	%D%/support/place_directory.h \
	%D%/support/place_etcd.c \
	%D%/support/place_file.c \
	%D%/support/place_zookeeper.c \
	%D%/support/places.c \
	%D%/support/witness.c \
	%D%/support/witness.h
%C%_integration_test_conformance_LDADD = libplaces.la libapollo.la $(LDADD) $(EVENT_EXTRA_LIBS) $(EVENT_LIBS)

# A program of its own under load.
check_LTLIBRARIES += libload.la
libload_la_SOURCES = %D%/support/load.c %D%/support/load.h
libload_la_LIBADD = $(CURL_LIBS)
%C%_integration_test_zero_downtime_LDADD = libload.la $(LDADD) $(CURL_LIBS)

# What a test program is linked with unless it says otherwise: the rooms' static
# libraries, from which each takes what it uses.
LDADD = libsupport.la libdaemon.la libhook.la libpublish.la libsource.la libhttp.la libxml.la libclient.la libsegment.la libbase.la \
	$(CHECK_LIBS) $(JANSSON_LIBS)

# A failed test's log is shown. Seconds are generous: they end what hangs.
AM_TESTS_ENVIRONMENT = \
	srcdir='$(abs_top_srcdir)'; export srcdir; \
	CC='$(CC) $(SANITIZE_FLAGS)'; export CC; \
	CXX='$(CXX)'; export CXX; \
	ZKCFG_SOURCE='$(abs_top_srcdir)'; export ZKCFG_SOURCE; \
	ZKCFG_BUILD='$(abs_top_builddir)'; export ZKCFG_BUILD; \
	CK_DEFAULT_TIMEOUT=60; export CK_DEFAULT_TIMEOUT; \
	CK_TIMEOUT_MULTIPLIER=$(TEST_SLOWNESS); export CK_TIMEOUT_MULTIPLIER; \
	LSAN_OPTIONS=print_suppressions=0:suppressions='$(abs_top_srcdir)'/%D%/support/leaks; export LSAN_OPTIONS; \
	UBSAN_OPTIONS=print_stacktrace=1; export UBSAN_OPTIONS; \
	TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1; export TSAN_OPTIONS;
VERBOSE = 1
export VERBOSE

EXTRA_DIST += %D%/unit/xml/corpus %D%/support/leaks

%C%_unit_hook_test_hook_LDADD = $(LDADD) $(EVENT_EXTRA_LIBS) $(EVENT_LIBS)
# A made-up etcd, by libevent's HTTP server.
%C%_integration_test_etcd_LDADD = $(LDADD) $(EVENT_LIBS) -levent_extra
%C%_integration_test_cli_LDADD = $(LDADD) $(XML2_LIBS)
# A file is mapped once, for ThreadSanitizer.
%C%_unit_segment_test_threads_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=mmap,--wrap=munmap,--wrap=mremap
%C%_unit_cli_test_output_SOURCES = %D%/unit/cli/test_output.c src/cli/output.c

include %D%/bench/local.mk
include %D%/fleet/local.mk

# What make check does in a minute, for longer.
soak: $(check_PROGRAMS) zkcfg zkcfgd
	$(AM_TESTS_ENVIRONMENT) CK_DEFAULT_TIMEOUT=3600 ZKCFG_TEST_ROUNDS=200 %D%/integration/test_death
	$(AM_TESTS_ENVIRONMENT) CK_DEFAULT_TIMEOUT=3600 ZKCFG_TEST_SECONDS=60 %D%/integration/test_collisions
	$(AM_TESTS_ENVIRONMENT) CK_TIMEOUT_MULTIPLIER=60 ZKCFG_TEST_ROUNDS=1000 \
		CK_RUN_CASE=many_changes_of_a_thousand_znodes_arrive %D%/integration/test_zk_faults

# What make check does a little of, in numbers that say something: see docs/design.md.
fault_tests = \
	%D%/unit/source/test_simulation \
	%D%/integration/test_partitions \
	%D%/integration/test_zk_ensemble \
	%D%/integration/test_zk_faults
check-faults: $(check_PROGRAMS) zkcfg zkcfgd
	$(AM_TESTS_ENVIRONMENT) ZKCFG_TEST_FULL=1 $(srcdir)/%D%/support/check-faults $(fault_tests)

# nginx and Prometheus under load, for longer.
check-zero-downtime: $(check_PROGRAMS) zkcfg zkcfgd
	$(AM_TESTS_ENVIRONMENT) ZKCFG_TEST_FULL=1 %D%/integration/test_zero_downtime

# TLS, with a client library that has it, and a server that has it.
check-tls:
	CC='$(CC)' $(srcdir)/%D%/tls/check '$(abs_top_srcdir)' check-tls

# Every line of segment and client is executed by tests; those that are not are printed.
coverage:
	$(srcdir)/%D%/support/coverage '$(abs_top_srcdir)' coverage

.PHONY: check-faults check-tls check-zero-downtime coverage soak

# What was installed works, used as the README says.
installcheck-local:
	CC='$(CC)' $(top_srcdir)/%D%/integration/installed.sh '$(abs_top_srcdir)' '$(DESTDIR)$(bindir)' \
		'$(DESTDIR)$(sbindir)' '$(DESTDIR)$(libdir)' '$(DESTDIR)$(docdir)'
