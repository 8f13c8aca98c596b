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
	%D%/examples/service.xml \
	%D%/examples/zkcfgd.xml

EXTRA_DIST += %D%/design.md %D%/operations.md %D%/sources.md
