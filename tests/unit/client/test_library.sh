#!/bin/bash
# SPDX-FileCopyrightText: zkcfg authors
# SPDX-License-Identifier: Apache-2.0
#
# What is installed of libzkcfg: it needs libc alone, it exports what the
# header declares and nothing else, it cannot write a segment, and the header
# suits C and C++.
set -u

header=${srcdir:?is set by make check}/include/zkcfg/zkcfg.h
library=${ZKCFG_BUILD:?is set by make check}/.libs/libzkcfg.so
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
failures=0

fail() # TEXT
{
	echo "$1"
	failures=$((failures + 1))
}

declared()
{
	sed -nE 's/^ZKCFG_API .*[ *](zkcfg_[a-z0-9_]+)\(.*/\1/p' "$header" | sort
}

exported()
{
	nm -D --defined-only "$library" | awk '$2 != "A" { sub(/@.*/, "", $3); print $3 }' | sort
}

# The compilers' own runtimes come with a build for the sanitizers.
needed()
{
	readelf -d "$library" | sed -nE 's/.*\(NEEDED\).*\[(.*)\]/\1/p' | grep -vE '^lib(asan|ubsan|tsan|lsan)\.so'
}

compiles() # COMPILER LANGUAGE STANDARD
{
	printf '#include <zkcfg/zkcfg.h>\nint f(struct zkcfg *c);\nint f(struct zkcfg *c) { return zkcfg_changed(c, 0); }\n' |
		"$1" -x "$2" "-std=$3" -pedantic -Wall -Wextra -Wshadow -Wcast-qual -Wundef -Werror \
			-I"$srcdir/include" -c -o "$scratch/header.o" - || fail "the header does not compile: $1 -std=$3"
}

if [[ ! -e $library ]]; then
	echo "no shared library to check: $library (configured with --disable-shared?)"
	exit 77
fi
(($(declared | wc -l) > 20)) || fail "found too few declarations in $header: $(declared | wc -l)"
difference=$(diff <(declared) <(exported)) || fail "declared (<) and exported (>) differ:
$difference"
grep -vE '^(libc\.so|ld-linux)' <(needed) && fail "libzkcfg.so needs more than libc"
grep -wE 'fchown|fchmod|ftruncate|posix_fallocate|renameat' <(nm -D --undefined-only "$library") &&
	fail "libzkcfg.so has what only writers of a segment use"
for standard in c99 gnu11; do
	compiles "${CC%% *}" c $standard
done
if command -v g++ >/dev/null; then
	for standard in c++11 c++17; do
		compiles g++ c++ $standard
	done
fi

((failures == 0)) && echo "libzkcfg.so exports the $(declared | wc -l) functions of the header and needs libc alone"
exit $((failures > 0))
