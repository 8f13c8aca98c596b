# SPDX-FileCopyrightText: zkcfg authors
# SPDX-License-Identifier: Apache-2.0

check_PROGRAMS += %D%/fleet
%C%_fleet_SOURCES = \
	%D%/fleet.c %D%/fleet.h \
	%D%/hosts.c %D%/hosts.h \
	%D%/phase.c %D%/phase.h \
	%D%/report.c %D%/report.h \
	%D%/server.c %D%/server.h \
	%D%/writer.c %D%/writer.h
%C%_fleet_LDADD = libsource.la libbase.la $(ZOOKEEPER_LIBS) $(EVENT_LIBS)
%C%_fleet_CPPFLAGS = $(AM_CPPFLAGS) -DFLEET_TOP='"$(abs_top_srcdir)"'

# A thousand hosts at one server; FLEET='--subscribers 100' for another number, see fleet --help.
fleet: %D%/fleet
	$(AM_V_at)%D%/fleet $(FLEET)
.PHONY: fleet
