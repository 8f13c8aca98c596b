#!/bin/bash
# SPDX-FileCopyrightText: zkcfg authors
# SPDX-License-Identifier: Apache-2.0
#
# make fleet does not rot: a small one, in which each host gets each change, with
# a table that is whole; one whose splay is beyond the limit, which must be told
# of; and nothing is left behind. How long it took is not looked at.
set -u

fleet=${ZKCFG_BUILD:?is set by make check}/tests/fleet/fleet
hosts=20
znodes=100
scratch=$(mktemp -d) || exit 1
# an array and no function, which behind & would be a shell that a signal ends before the program
small=("$fleet" --subscribers "$hosts" --znodes "$znodes" --bytes 100 --processes 3 --directory "$scratch")
trap 'rm -rf "$scratch"' EXIT
failures=0

fail() # TEXT
{
	echo "$1"
	failures=$((failures + 1))
}

# Tell what is wrong with a table of these splays and three rounds, in one line each.
check_table() # FILE SPLAY...
{
	awk -v hosts="$hosts" -v znodes="$znodes" -v splays="${*:2}" '
		function wrong(what) {
			printf "line %d: %s: %s\n", NR, what, $0
		}
		# each host is told, asks and is answered once for each znode; the last that was sent to each
		# may not be counted yet
		function check_packets(least) {
			if ($10 < least + 1 || $11 < 2 * least - hosts)
				wrong("fewer packets than hosts have to exchange")
		}
		BEGIN {
			count = split(splays, splay)
			for (i = 1; i <= count; i++)
				for (j = split("start 1 2 3 median all", what); j > 0; j--)
					row[splay[i] " " what[j]] = 1
		}
		/^# (date|machine|load|hosts|set|server|columns):/ { head[$2]++; next }
		/^#|^$/ { next }
		$1 == "splay" { titled = NF == 13; next }
		!(($1 " " $2) in row) { wrong("not expected, or twice"); next }
		{
			delete row[$1 " " $2]
			if (NF != 13)
				wrong("expected 13 columns")
			for (i = 3; i <= NF; i++)
				if ($i !~ /^[0-9]+(\.[0-9]+)?$/)
					wrong("\"" $i "\" is no number")
			if ($3 != ($2 == "start" || $2 == "all" ? znodes : 1))
				wrong("another number of znodes was expected")
			if ($4 != hosts)
				wrong("not all hosts are current")
			if (!($5 > 0 && $5 <= $6 && $6 <= $7))
				wrong("first, median and last are not in order")
			if (!($8 > 0 && $9 > 0))
				wrong("nobody used the processor")
			if ($2 != "start")
				check_packets(hosts * $3)
			# of a hundred znodes the first host has its own only after a while, on a busy machine;
			# whom its splay puts last waits for most of it all the same
			if ($2 != "start" && $1 != "0s" && ($2 == "all" ? $7 < 400 : $7 - $5 < 300))
				wrong("a splay of 500 ms is not spread")
		}
		END {
			for (i in head)
				heads++
			if (heads != 7)
				print "the head is not whole"
			if (!titled)
				print "the columns have not 13 names"
			for (missing in row)
				print "no row " missing
		}
	' "$1"
}

# check_table() must tell of a table that is good but for this.
refuses() # SED-COMMAND
{
	sed -E "$1" "$scratch/table" >"$scratch/bad"
	if cmp -s "$scratch/table" "$scratch/bad" || [[ -z $(check_table "$scratch/bad" 0s 500ms) ]]; then
		fail "self-check: a table changed by sed '$1' should be refused"
	fi
}

nothing_is_left() # BY-WHOM
{
	compgen -G "$scratch/zkcfg-fleet-*" && fail "$1 leaves this directory behind"
	# a pattern that does not find grep itself
	grep -ls -- "${scratch%?}[${scratch: -1}]" /proc/[0-9]*/cmdline && fail "$1 leaves these processes behind"
}

expect_refused() # OPTION VALUE
{
	"$fleet" "$1" "$2" >"$scratch/out" 2>&1
	(($? == 2)) || fail "fleet $1 $2 is not refused with status 2"
	grep -q "expected" "$scratch/out" || fail "fleet $1 $2: what was expected is not said"
}

# --- each host gets each change -----------------------------------------------------

if ! "${small[@]}" --rounds 3 --splay 0s,500ms >"$scratch/table" 2>"$scratch/errors"; then
	cat "$scratch/table" "$scratch/errors"
	fail "a small fleet failed"
fi
wrong=$(check_table "$scratch/table" 0s 500ms)
if [[ -n $wrong ]]; then
	cat "$scratch/table"
	fail "$wrong"
fi
[[ -s $scratch/errors ]] && fail "a small fleet has complaints: $(<"$scratch/errors")"
(($(grep -c '^# splay .*: 0 times .* 0 times .* 0 repairs' "$scratch/table") == 2)) ||
	fail "a small fleet lost something: $(grep '^# splay' "$scratch/table")"
nothing_is_left "a small fleet"

refuses '/ median /d'
refuses '/^500ms  2 /d'
refuses '/^0s .* all /d'
refuses 's/^(0s +2 .*) [0-9.]+$/\1/'
refuses 's/^(0s +2 +1 +)20/\119/'
refuses 's/^(0s +start +)100/\110/'
refuses 's/^(0s +1 +1 +20 +)[0-9.]+/\199999.0/'
refuses 's/^(0s +1 +1 +20 +)[0-9.]+/\1nan/'
refuses 's/^(500ms +3 +1 +20 +[0-9.]+ +)[0-9.]+ +[0-9.]+/\199.0 99.0/'
refuses 's/^(500ms +3 +1 +20 +)[0-9.]+ +[0-9.]+ +[0-9.]+/\1400.0 400.0 400.0/'
refuses 's/^(0s +all .*) [0-9]+( +[0-9]+ +[0-9]+)$/\1 3900\2/'
refuses 's/^(0s +all .*) [0-9]+( +[0-9]+ +[0-9]+ +[0-9]+)$/\1 1999\2/'
refuses '/^# set:/d'
refuses '/^splay /s/ latency//'

# --- one that does not is told of ----------------------------------------------------

"${small[@]}" --rounds 1 --splay 10m --limit 5s >"$scratch/table" 2>"$scratch/errors"
(($? == 1)) || fail "hosts that read minutes after the limit do not end in status 1"
grep -qE '^fleet: splay 10m, 1: [0-9]+ of 20 hosts are not current after 5000 ms$' "$scratch/errors" ||
	fail "hosts that miss a change are not told of: $(<"$scratch/errors")"
grep -qE '^10m +start +100 +20 ' "$scratch/table" || fail "a splay delays the start"
grep -qE '^10m +all ' "$scratch/table" && fail "a run goes on behind a change that was missed"
nothing_is_left "a fleet that missed a change"

# --- ended in the middle ---------------------------------------------------------------

"${small[@]}" --rounds 60 --splay 1s >"$scratch/table" 2>"$scratch/errors" &
pid=$!
for ((i = 0; i < 600; i++)); do
	grep -qE '^1s +1 ' "$scratch/table" && break
	sleep 0.05
done
kill -TERM "$pid" || fail "the run that was to be ended in the middle has ended before"
wait "$pid" 2>"$scratch/waited" && fail "fleet ends with 0 when it is told to end"
grep -qE '^1s +1 ' "$scratch/table" || fail "no change in 30 s"
nothing_is_left "fleet, when it is told to end,"

# --- usage -------------------------------------------------------------------------------

"$fleet" --help >"$scratch/help" || fail "fleet --help fails"
for option in subscribers rounds znodes bytes processes splay limit directory; do
	grep -q -- "^  --$option " "$scratch/help" || fail "--$option is not in fleet --help"
done
expect_refused --subscribers 0
expect_refused --subscribers 10001
expect_refused --rounds three
expect_refused --splay 0s,soon
expect_refused --splay 11m
expect_refused --limit 0
expect_refused --bytes 900000
"$fleet" --no-such-option >"$scratch/out" 2>&1
(($? == 2)) || fail "an option that there is not is not refused with status 2"
"$fleet" nonsense >"$scratch/out" 2>&1
(($? == 2)) || fail "an argument is not refused with status 2"

((failures == 0)) && echo "$hosts hosts had each change, with and without splay"
exit $((failures > 0))
