#!/bin/bash
# SPDX-FileCopyrightText: zkcfg authors
# SPDX-License-Identifier: Apache-2.0
#
# The example programs beside a real zkcfgd that follows a directory: begun before
# the set is there, through changes there and back, values that are none, documents
# that are removed, and a daemon that is killed and started again. What they print
# is compared as a whole.
set -u
export LC_ALL=C.UTF-8

build_dir=${ZKCFG_BUILD:-.}
work=$(mktemp -d /tmp/zkcfg-examples-XXXXXX) || exit 1
shm=$(mktemp -d /dev/shm/zkcfg-examples.XXXXXX) || exit 1
export ZKCFG_SHM_DIR=$shm
zkcfgd_pid='' example_pid=''

finish()
{
	# shellcheck disable=SC2086 # what is empty is not there
	kill -9 $zkcfgd_pid $example_pid 2>/dev/null
	wait 2>/dev/null
	rm -rf "$work" "$shm"
}
trap finish EXIT

fail() # TEXT...
{
	printf '%s\n' "$@" >&2
	tail -n 20 "$work/said" "$work/complained" "$work/log" >&2
	exit 1
}

start_daemon()
{
	"$build_dir/zkcfgd" --config "$work/zkcfgd.xml" --state-dir "$work/state" >>"$work/log" 2>&1 &
	zkcfgd_pid=$!
}

kill_daemon()
{
	[[ -n $zkcfgd_pid ]] || return
	kill -9 "$zkcfgd_pid"
	wait "$zkcfgd_pid" 2>/dev/null
	zkcfgd_pid=''
}

# As one who does it well: whole or not at all.
put() # DOCUMENT TEXT
{
	printf '%s' "$2" >"$work/new" && mv "$work/new" "$work/app/$1"
}

put_service() # PORT LEVEL TIMEOUT; level -: no element
{
	local log="<log level=\"$2\"/>"

	put service.xml "<service><listen port=\"$1\"/>${log/*-*/}<limits><timeout>$3</timeout></limits></service>"
}

begin() # EXAMPLE [COUNT]
{
	[[ -x $build_dir/docs/examples/$1 ]] || fail "docs/examples/$1 was not built: libuv is needed for it; then configure again"
	: >"$work/said"
	: >"$work/complained"
	"$build_dir/docs/examples/$1" app "${@:2}" >"$work/said" 2>"$work/complained" &
	example_pid=$!
}

until_says() # TEXT [FILE [TIMES]]
{
	local i

	for ((i = 0; i < 1000; i++)); do
		(($(grep -cF -- "$1" "$work/${2:-said}") >= ${3:-1})) && return
		sleep 0.02
	done
	fail "the example does not say: $1"
}

# Who it has been with so far, by itself or by SIGTERM.
ends_having_said() # NAME LINE...
{
	local name=$1 code

	shift
	wait "$example_pid"
	code=$?
	example_pid=''
	((code == 0)) || fail "$name: exit status $code"
	printf '%s\n' "$@" | cmp -s - "$work/said" || fail "$name: expected this, and got the other:" "$@"
}

# What one value goes through, by a program that prints it whenever it changes.
one_value() # EXAMPLE WORD DEFAULT FIRST SECOND NONE THIRD, each of the last four PORT,LEVEL,TIMEOUT,PRINTED
{
	local example=$1 word=$2 default=$3 first second none third

	IFS=, read -r -a first <<<"$4"
	IFS=, read -r -a second <<<"$5"
	IFS=, read -r -a none <<<"$6"
	IFS=, read -r -a third <<<"$7"
	set --
	kill_daemon
	rm -rf "${shm:?}"/* "${work:?}"/state
	put_service "${first[@]:0:3}"
	begin "$example" 5
	until_says "$word $default"
	start_daemon
	until_says "$word ${first[3]}"
	put_service "${second[@]:0:3}"
	until_says "$word ${second[3]}"
	put_service "${first[@]:0:3}" # back
	until_says "$word ${first[3]}" said 2
	put_service "${none[@]:0:3}" # what comes of it: a complaint, and nothing else
	until_says stays complained
	rm "$work/app/service.xml"
	until_says 'stays: no such document' complained
	kill_daemon
	put_service "${third[@]:0:3}"
	start_daemon
	until_says "$word ${third[3]}"
	ends_having_said "$example" "$word $default" "$word ${first[3]}" "$word ${second[3]}" "$word ${first[3]}" \
		"$word ${third[3]}"

	begin "$example"
	until_says "$word ${third[3]}"
	kill "$example_pid"
	[[ $(head -n 1 "$work/said") != "$word $default" ]] || set -- "$word $default" # it had the time to say that
	ends_having_said "$example" ${1:+"$1"} "$word ${third[3]}"
}

callbacks()
{
	kill_daemon
	rm -rf "${shm:?}"/* "${work:?}"/state
	put_service 8080 info 1.5s
	put other.xml '<other><limits>1</limits></other>'
	begin callbacks 10
	start_daemon
	until_says 'listen: /service/listen/@port: (none) -> 8080'
	put other.xml '<other><limits>2</limits></other>'
	put_service 8080 debug 2s
	until_says '1.5s -> 2s'
	put service.xml '<service><listen port="8080"/><limitsless/></service>'
	until_says '2s -> (none)'
	rm "$work/app/service.xml"
	until_says '8080 -> (none)'
	kill_daemon
	put_service 9090 debug 3s
	start_daemon
	ends_having_said callbacks \
		'listen: /service/listen: (none) -> ' \
		'listen: /service/listen/@port: (none) -> 8080' \
		'limits: /service/limits/timeout: (none) -> 1.5s' \
		'limits: /service/limits/timeout: 1.5s -> 2s' \
		'limits: /service/limits/timeout: 2s -> (none)' \
		'listen: /service/listen:  -> (none)' \
		'listen: /service/listen/@port: 8080 -> (none)' \
		'listen: /service/listen: (none) -> ' \
		'listen: /service/listen/@port: (none) -> 9090' \
		'limits: /service/limits/timeout: (none) -> 3s'
}

# Most and least are the same, and change by turns from little to much: what is mixed of two shows.
swap()
{
	local i made

	put pool.xml '<pool least="1" most="1"/>'
	begin swap
	until_says 'pool of 1 to 1'
	for ((i = 2; i <= 1001; i++)); do
		put pool.xml "<pool least=\"$((i % 2 * 10000 + i))\" most=\"$((i % 2 * 10000 + i))\"/>"
	done
	until_says "pool of 11001 to 11001"
	put pool.xml '<pool least="7" most="6"/>'
	until_says 'the pool stays as it is: the value is out of range' complained
	rm "$work/app/pool.xml"
	until_says 'the pool stays as it is: no such document' complained
	kill_daemon
	put pool.xml '<pool least="1000" most="2000"/>'
	start_daemon
	until_says 'pool of 1000 to 2000'
	kill "$example_pid"
	wait "$example_pid" || fail "swap: exit status $?"
	example_pid=''
	grep -qx 'swap: used often, 0 mixtures' "$work/complained" || fail "swap: not so"
	made=$(grep -c '^pool of ' "$work/said")
	((made >= 20)) || fail "swap: of 1,000 changes, it swapped for $made"
}

mkdir "$work/app"
echo "<zkcfgd><set name='app' source='file://$work/app' on-delete='remove'/></zkcfgd>" >"$work/zkcfgd.xml"
one_value poll port 80 8080,info,1s,8080 9090,info,1s,9090 none,info,1s, 7070,info,1s,7070
one_value thread timeout '1000 ms' '1,info,1.5s,1500 ms' '1,info,2s,2000 ms' '1,info,never,' '1,info,3s,3000 ms'
one_value libevent level warning 1,info,1s,info 1,debug,1s,debug 1,-,1s, 1,error,1s,error
one_value libuv level warning 1,info,1s,info 1,debug,1s,debug 1,-,1s, 1,error,1s,error
callbacks
swap
for example in poll thread libevent libuv callbacks swap; do
	"$build_dir/docs/examples/$example" >/dev/null 2>&1
	(($? == 2)) || fail "$example without an argument: expected exit status 2"
done
