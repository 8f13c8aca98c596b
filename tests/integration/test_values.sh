#!/bin/bash
# SPDX-FileCopyrightText: zkcfg authors
# SPDX-License-Identifier: Apache-2.0
#
# The demo, with zkcfg get of every value of every document it puts into
# ZooKeeper: each must be what xmllint reads from the file. A build with
# sanitizers starts slowly: there every 20th is got by itself.
set -u

each=1
((${CK_TIMEOUT_MULTIPLIER:-1} == 1)) || each=20
exec "${srcdir:?is set by make check}/tests/integration/demo" --get "$each"
