#!/bin/bash
# SPDX-FileCopyrightText: zkcfg authors
# SPDX-License-Identifier: Apache-2.0
#
# make bench does not rot: a quick run, of tiny sizes, measures every figure
# and writes the JSON that it promises. What the figures are is not looked at.
# Built without LMDB, it names those that have it for a peer, and measures the rest.
set -u

bench=${ZKCFG_BUILD:?is set by make check}/tests/bench/bench
figures="check get_1 get_10k get_handle pin_get get_threads parse_free commit_1_of_10k commit_growth
	compile_4k compile_100k compile_1m wake wake_1000 attach memory
	propagate_p50 propagate_p99 propagate_tree_p50 propagate_tree_p99 initial_sync resync restart back idle daemon_memory
	file_p50 file_p99 configmap_p50 configmap_p99 etcd_p50 etcd_p99 push_pull_latency push_pull_load"
beside_lmdb="get_1 get_10k pin_get commit_1_of_10k attach"
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
failures=0

fail() # TEXT
{
	echo "$1"
	failures=$((failures + 1))
}

# Print the names in a file; what is wrong with it goes to standard error. Strict: a line of JSON each.
names_in() # FILE
{
	awk '
		function wrong(what) {
			printf "line %d: %s: %s\n", NR, what, $0 >"/dev/stderr"
			status = 1
			exit
		}
		function number(line) {
			sub(/^.*: /, "", line); sub(/,$/, "", line)
			if (line !~ /^[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?$/ || line + 0 <= 0)
				wrong("not a positive number")
			return line + 0
		}
		function expect(pattern) {
			if ($0 !~ pattern)
				wrong("expected " pattern)
		}
		ended { wrong("there is more behind the array") }
		NR == 1 { expect("^\\[$"); at = 0; next }
		at == 0 { expect("^  \\{$"); at = 1; next }
		at == 1 {
			expect("^    \"name\": \"[a-z0-9_]+\",$")
			name = $2
			gsub(/[",]/, "", name)
			at = 2
			next
		}
		at == 2 { expect("^    \"ours\": .*,$"); ours = number($0); at = 3; next }
		at == 3 { expect("^    \"peer\": .*,$"); peer = number($0); at = 4; next }
		at == 4 { expect("^    \"peer_name\": \"[^\"\\\\]+\",$"); at = 5; next }
		at == 5 { expect("^    \"unit\": \"(ns|us|bytes)\",$"); at = 6; next }
		at == 6 {
			expect("^    \"ratio\": .*[0-9]$")
			off = number($0) / (ours / peer)
			if (off < 0.9999 || off > 1.0001)
				wrong("not ours by peer")
			at = 7
			next
		}
		at == 7 { expect("^  \\},?$"); print name; at = $0 ~ /,$/ ? 0 : 8; next }
		at == 8 { expect("^\\]$"); ended = 1 }
		END { if (!status && !ended) { print "cut off" >"/dev/stderr"; status = 1 }; exit status }
	' "$1"
}

# names_in() must refuse a file that is good but for this.
refuses() # SED-COMMAND
{
	sed "$1" "$scratch/good.json" >"$scratch/bad.json"
	if cmp -s "$scratch/good.json" "$scratch/bad.json" ||
		names_in "$scratch/bad.json" >"$scratch/names" 2>&1; then
		fail "self-check: a file changed by sed '$1' should be refused"
	fi
}

nothing_is_left() # BY-WHOM
{
	compgen -G "$scratch/zkcfg-bench-*" && fail "$1 leaves this behind"
}

cat >"$scratch/good.json" <<'JSON'
[
  {
    "name": "one",
    "ours": 1.5,
    "peer": 3.0,
    "peer_name": "a peer",
    "unit": "ns",
    "ratio": 0.5
  },
  {
    "name": "two",
    "ours": 7.25e-05,
    "peer": 1.0,
    "peer_name": "another",
    "unit": "us",
    "ratio": 7.25e-05
  }
]
JSON
[[ $(names_in "$scratch/good.json") == $'one\ntwo' ]] || fail "self-check: a good file should be accepted"
refuses '18d'
refuses '18p'
refuses '9s/,//'
refuses '4s/1.5/-1.5/'
refuses '4s/1.5/0.0/'
refuses '4s/1.5/nan/'
refuses '8s/0.5/0.6/'
refuses '5d'
refuses '7s/ns/miles/'

if ! "$bench" --quick --directory "$scratch" --json "$scratch/bench.json" >"$scratch/table" 2>&1; then
	cat "$scratch/table"
	fail "bench --quick failed"
fi
names_in "$scratch/bench.json" >"$scratch/names" || fail "bench.json is not what was promised"
if command -v jq >/dev/null; then
	jq -e 'length > 0' "$scratch/bench.json" >"$scratch/length" || fail "jq does not read bench.json"
fi

sed -n 's/^\([a-z0-9_]*\) *left out: .*liblmdb-dev.*/\1/p' "$scratch/table" >"$scratch/left_out"
if readelf -d "$bench" | grep -q liblmdb; then
	beside_lmdb=
fi
for figure in $figures; do
	if [[ " $beside_lmdb " == *" $figure "* ]]; then
		grep -qx "$figure" "$scratch/left_out" ||
			fail "$figure has LMDB for a peer and is not said to be left out"
	else
		grep -qx "$figure" "$scratch/names" || fail "$figure is not in bench.json"
		grep -q "^$figure  *[0-9]" "$scratch/table" || fail "$figure is not in the table"
	fi
done
(($(cat "$scratch/names" "$scratch/left_out" | wc -l) == $(wc -w <<<"$figures"))) ||
	fail "figures that this test does not know: $(cat "$scratch/names" "$scratch/left_out" | tr '\n' ' ')"
nothing_is_left "bench --quick"
"$bench" --quick --directory "$scratch" check,nonsense >"$scratch/table" 2>&1 &&
	fail "bench accepts a figure that there is not"

# ended in the middle of a run that would go on
"$bench" --directory "$scratch" >"$scratch/table" 2>&1 &
pid=$!
for ((i = 0; i < 200; i++)); do
	compgen -G "$scratch/zkcfg-bench-*/v1/*" >"$scratch/made" && break
	sleep 0.05
done
kill -TERM "$pid" || fail "the run that was to be ended in the middle has ended before"
wait "$pid" 2>"$scratch/waited" && fail "bench ends with 0 when it is told to end"
[[ -s $scratch/made ]] || fail "bench made no set in 10 s"
nothing_is_left "bench, when it is told to end,"

((failures == 0)) &&
	echo "$(wc -l <"$scratch/names") figures measured, $(wc -l <"$scratch/left_out") left out"
exit $((failures > 0))
