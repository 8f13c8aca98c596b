#!/bin/bash
# SPDX-FileCopyrightText: zkcfg authors
# SPDX-License-Identifier: Apache-2.0
#
# libzkcfg(3) names every function and every error of the header, and no other;
# its example program compiles as printed, without a warning, and runs.
set -u

header=${srcdir:?is set by make check}/include/zkcfg/zkcfg.h
manual=$srcdir/docs/man/libzkcfg.3
build=${ZKCFG_BUILD:?is set by make check}
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
failures=0

fail() # TEXT
{
	echo "$1"
	failures=$((failures + 1))
}

declared_functions()
{
	sed -nE 's/^(ZKCFG_API|static inline) .*[ *](zkcfg_[a-z0-9_]+)\(.*/\2/p' "$header" | sort
}

# Those of the synopsis.
manual_functions()
{
	sed -n '/^\.Sh SYNOPSIS/,/^\.Sh DESCRIPTION/s/^\.F[no] \(zkcfg_[a-z0-9_]*\).*/\1/p' "$manual" | sort
}

declared_constants()
{
	sed -nE 's/^\t(ZKCFG_[A-Z]+(_[A-Z]+)?) = .*/\1/p' "$header" | grep -vx ZKCFG_OK | sort
}

manual_constants()
{
	grep -oE '\bZKCFG_[A-Z]+(_[A-Z]+)?\b' "$manual" | grep -vx ZKCFG_SHM_DIR | sort -u
}

same() # WHAT DECLARED MANUAL
{
	[[ $(wc -l <"$2") -gt 20 ]] || fail "found too few $1 in $header: $(wc -l <"$2")"
	diff "$2" "$3" >"$scratch/difference" ||
		fail "$1 of the header (<) and of the manual (>) differ: $(<"$scratch/difference")"
}

# What the manual prints between .Bd and .Ed, as a reader sees it.
example()
{
	sed -n '/^\.Sh EXAMPLES/,/^\.Ed/p' "$manual" | sed '1,/^\.Bd/d; /^\.Ed/d; s/\\e/\\/g'
}

run_example()
{
	local output status

	# shellcheck disable=SC2086 # CC may have options
	example | ${CC:-cc} -std=c11 -pedantic -Wall -Wextra -Wshadow -Werror -I"$srcdir/include" -x c - -x none \
		-o "$scratch/example" "$build/.libs/libzkcfg.so" -Wl,-rpath,"$build/.libs" ||
		{ fail "the manual's example does not compile"; return; }
	output=$(ZKCFG_SHM_DIR=$scratch "$scratch/example" 2>&1)
	status=$?
	[[ $status == 1 && $output == "cannot read: no such set" ]] ||
		fail "expected the example to find no set, in an empty directory; it ended with $status and said: $output"
}

declared_functions >"$scratch/declared-functions"
manual_functions >"$scratch/manual-functions"
declared_constants >"$scratch/declared-constants"
manual_constants >"$scratch/manual-constants"
same functions "$scratch/declared-functions" "$scratch/manual-functions"
same constants "$scratch/declared-constants" "$scratch/manual-constants"
if [[ -e $build/.libs/libzkcfg.so ]]; then
	run_example
fi

((failures == 0)) && echo "libzkcfg(3) names all $(wc -l <"$scratch/declared-functions") functions; its example runs"
exit $((failures > 0))
