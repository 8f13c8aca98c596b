#!/bin/bash
# SPDX-FileCopyrightText: zkcfg authors
# SPDX-License-Identifier: Apache-2.0
#
# No file is forgotten: every source, header and test is named in the local.mk
# that is to build it, and so in a release.
set -u

srcdir=${srcdir:-$(cd "$(dirname "$0")/../.." && pwd)}

# Print the files below ROOT that its local.mk files do not name.
forgotten() # ROOT
{
	local file room name tests="$1/tests/local.mk"

	for file in "$1"/src/*/*.[ch]; do
		room=${file%/*}
		[[ $file == */zkcfgd_rng.h ]] && continue # made by make
		grep -qsF "%D%/${file##*/}" "$room/local.mk" ||
			echo "$file is not named in $room/local.mk"
	done
	for file in "$1"/tests/unit/*/test_*.c "$1"/tests/integration/test_*.c; do
		name=${file#"$1"/tests/}
		grep -qsE "%D%/${name%.c}( |$)" "$tests" ||
			echo "$file is not named in $tests"
	done
	for file in "$1"/tests/unit/test_*.sh "$1"/tests/unit/*/test_*.sh "$1"/tests/integration/test_*.sh; do
		grep -qsF "%D%/${file#"$1"/tests/}" "$tests" ||
			echo "$file is not named in $tests"
	done
	for file in "$1"/tests/support/*.[ch]; do
		grep -qsF "%D%/support/${file##*/}" "$tests" ||
			echo "$file is not named in $tests"
	done
}

scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
shopt -s nullglob

mkdir -p "$scratch/src/base" "$scratch/tests/unit/base" "$scratch/tests/integration" "$scratch/tests/support"
touch "$scratch"/src/base/{named,forgotten}.{c,h} "$scratch"/tests/unit/base/test_{named,forgotten}.c \
	"$scratch"/tests/unit/base/test_{named,forgotten}.sh \
	"$scratch"/tests/integration/test_{named,forgotten}.c \
	"$scratch"/tests/support/{named,forgotten}.c
printf '%%D%%/named.c %%D%%/named.h' >"$scratch/src/base/local.mk"
printf '%s\n' '%D%/unit/base/test_named' '%D%/unit/base/test_named.sh' \
	'%D%/integration/test_named' '%D%/support/named.c' >"$scratch/tests/local.mk"
found=$(forgotten "$scratch")
wrong=$(grep -vE '/(test_)?forgotten\.[a-z]+ is not named' <<<"$found")
if (($(wc -l <<<"$found") != 6)) || [[ -n $wrong ]]; then
	printf 'self-check: exactly the six forgotten files should be found, found:\n%s\n' "$found"
	exit 1
fi

found=$(forgotten "$srcdir")
if [[ -n $found ]]; then
	printf '%s\n' "$found"
	exit 1
fi
echo "every source and test is named"
