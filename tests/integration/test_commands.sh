#!/bin/bash
# SPDX-FileCopyrightText: zkcfg authors
# SPDX-License-Identifier: Apache-2.0
#
# Every command of zkcfg(1) and every exit code it promises, on a real
# ZooKeeper and a real zkcfgd: what is printed, where, and what it exits with.
set -u

here=${srcdir:?is set by make check}/tests
zkcfg=$ZKCFG_BUILD/zkcfg
[ -x "$ZKCFG_BUILD/.libs/zkcfg" ] && zkcfg=$ZKCFG_BUILD/.libs/zkcfg
export LD_LIBRARY_PATH=$ZKCFG_BUILD/.libs${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
work=$(mktemp -d) || exit 1
shm=$(mktemp -d /dev/shm/zkcfg-commands.XXXXXX) || exit 1
export ZKCFG_SHM_DIR=$shm
server='' daemon='' watcher=''
count=0 failed=0

finish()
{
	# shellcheck disable=SC2086 # what is empty is not there
	kill -KILL $watcher $daemon $server 2>/dev/null
	wait 2>/dev/null
	rm -rf "$work" "$shm"
}
trap finish EXIT

give_up()
{
	echo "test_commands: $*" >&2
	exit 1
}

# Run a command; its exit code, stdout and stderr have to be as said. The
# patterns are bash's, over the whole text; - on stdout or stderr: nothing.
expect() # CODE STDOUT STDERR ARGUMENT...
{
	local code=$1 out=$2 err=$3 got
	shift 3
	count=$((count + 1))
	"$zkcfg" "$@" >"$work/out" 2>"$work/err" <"${input:-/dev/null}"
	got=$?
	[ "$out" = - ] && out=
	[ "$err" = - ] && err=
	# shellcheck disable=SC2053 # patterns they are
	if [ $got != "$code" ] || [[ $(<"$work/out") != $out ]] || [[ $(<"$work/err") != $err ]]; then
		failed=$((failed + 1))
		printf 'zkcfg %s\n  expected %s, stdout %q, stderr %q\n  got %s, stdout %q, stderr %q\n' "$*" "$code" "$out" \
			"$err" $got "$(head -c 1000 "$work/out")" "$(head -c 1000 "$work/err")"
	fi
}

# Until a command succeeds, 20 s at the most.
await()
{
	local left=400
	until "$@" >/dev/null 2>&1; do
		((left-- > 0)) || give_up "timed out: $*"
		sleep 0.05
	done
}

start_server()
{
	"$here/support/zk-server" run "$work/zk" "$port" >"$work/zk.log" 2>&1 </dev/null &
	server=$!
	"$here/support/zk-server" wait "$port" || give_up "ZooKeeper does not start: $(tail -n 5 "$work/zk.log")"
}

start_daemon()
{
	"$ZKCFG_BUILD/zkcfgd" --set "app=$uri" --state-dir "$work/state" 2>>"$work/zkcfgd.log" &
	daemon=$!
}

status_is() # JSON-MEMBER
{
	"$zkcfg" status app --json | grep -qF "$1"
}

cat >"$work/a.xml" <<'END'
<a><port>80</port><list><host name="x">one</host><host name="y">two
lines	here</host></list></a>
END
sed 's/80/81/' "$work/a.xml" >"$work/a2.xml"
printf '<a>\n<b></a>\n' >"$work/bad.xml"
cat >"$work/a.rng" <<'END'
<element name="a" xmlns="http://relaxng.org/ns/structure/1.0"><element name="port"><text/></element></element>
END
head -c 2000000 /dev/zero | tr '\0' ' ' >"$work/spaces"
{ echo '<a>' && cat "$work/spaces" && echo '</a>'; } >"$work/large.xml"

# --- without anything running -------------------------------------------------
expect 0 'usage: zkcfg*exit codes:*examples:*' - --help
expect 0 'zkcfg [0-9]*' - --version
expect 2 - '*expected a command*'
expect 2 - '*unknown command "stat"*did you mean "status"*' stat
expect 2 - '*unknown command "frobnicate"*--help*' frobnicate
expect 2 - '*unknown option --frob*' get --frob
expect 2 - '*--timeout needs a value*' wait app --newer 0 --timeout
expect 2 - '*get: expected SET DOC \[PATH\]; got 1*' get app
expect 2 - '*ls takes no option --newer*' ls --newer 1
for command in get ls dump watch wait status check put rm; do
	expect 0 "usage: zkcfg $command*examples:*" - "$command" --help
done
expect 0 - - ls
expect 0 '\[\]' - ls --json
expect 3 - '*no set "app"*is zkcfgd running*' get app a.xml /a/port
expect 3 - '*no set is published here*' status
expect 2 - '*"a/b" is no set name*' get a/b a.xml
expect 6 - '*no commit newer than seq 0*' wait app --newer 0 --timeout 0.2
expect 2 - '*expected --newer*' wait app
expect 2 - '*--newer "x"*' wait app --newer x
expect 2 - '*--timeout "soon"*' wait app --newer 0 --timeout soon
expect 2 - '*--format "yaml": expected flat, json or xml*' dump app --format yaml
expect 2 - '*--max-age "old"*' get app a.xml --max-age old

# --- check --------------------------------------------------------------------
expect 0 - - check "$work/a.xml" "$work/a2.xml"
expect 4 - "*/bad.xml:2:*" check "$work/a.xml" "$work/bad.xml"
expect 3 - '*cannot read*/none.xml*No such file*' check "$work/none.xml"
expect 4 - '*/a.xml:1:*list*' check --schema "$work/a.rng" "$work/a.xml"
expect 4 - '*schema*cannot be used*' check --schema "$work/bad.xml" "$work/a.xml"
expect 4 - '*limit*' check "$work/large.xml"
input=$work/bad.xml expect 4 - '-:2:*' check -

# --- put, rm --------------------------------------------------------------------
port=$((20000 + RANDOM % 12000))
uri=zk://127.0.0.1:$port/conf/app
expect 6 - "*no answer from 127.0.0.1:$port*nothing was written*" put "$uri/a.xml" "$work/a.xml" --timeout 0.5
start_server
expect 2 - '*no source with the scheme ftp://*zk://*' put ftp://host/x "$work/a.xml"
expect 2 - '*' put zk:/nothing "$work/a.xml"
expect 4 - '*bad.xml:2:*nothing was written*' put "$uri/a.xml" "$work/bad.xml"
expect 3 - '*cannot read*' put "$uri/a.xml" "$work/none.xml"
expect 0 0 - put "$uri/a.xml" "$work/a.xml"
expect 0 1 - put "$uri/a.xml" "$work/a.xml" --if-version 0
expect 4 - '*version*' put "$uri/a.xml" "$work/a.xml" --if-version 0
expect 0 '{"version":2}' - put --json "$uri/a.xml" "$work/a.xml"
input=$work/a.xml expect 0 3 - put "$uri/a.xml" -
expect 4 - '*limit*' put "$uri/large.xml" "$work/large.xml"
expect 4 - '*2000*bytes*10485*' put --no-check "$uri/large.xml" "$work/large.xml"
expect 4 - '*nothing was written*' put "$uri/a.xml" "$work/a.xml" --schema "$work/a.rng"
expect 0 0 - put "$uri/sub/b.xml" "$work/a.xml"
(umask 077 && echo 'reader:secret' >"$work/auth")
expect 0 0 - put "zk://127.0.0.1:$port/secret/a.xml?auth_file=$work/auth" "$work/a.xml"
expect 7 - '*/secret/a.xml*' put "zk://127.0.0.1:$port/secret/a.xml" "$work/a2.xml"
expect 0 1 - put "zk://127.0.0.1:$port/secret/a.xml?auth_file=$work/auth" "$work/a.xml"
expect 1 - '*' rm "$uri/none.xml"
expect 4 - '*' rm "$uri/sub/b.xml" --if-version 5
expect 4 - '*children*' rm "$uri/sub"

# --- reading ----------------------------------------------------------------------
start_daemon
expect 0 1 - wait app --newer 0 --timeout 20
expect 0 '{"set":"app","seq":1}' - wait app --newer 0 --json
await status_is '"state": "following"'
expect 0 app - ls
expect 0 $'a.xml\nsub/b.xml' - ls app
expect 0 $'/a\n/a/port\n/a/list\n/a/list/host\n/a/list/host/@name\n/a/list/host\[2]\n/a/list/host\[2]/@name' - \
	ls app a.xml
expect 0 '*"sub/b.xml"*' - ls app --json
expect 0 80 - get app a.xml /a/port
expect 0 $'two\nlines\there' - get app a.xml "/a/list/host[@name='y']"
expect 0 "$(<"$work/a.xml")" - get app a.xml
expect 1 - '*no document "none.xml"*zkcfg ls app*' get app none.xml /a
expect 1 - '*no path /a/none*zkcfg ls app a.xml*' get app a.xml /a/none
expect 1 - '*/a/list holds elements*' get app a.xml /a/list
expect 2 - '*"port" is no path*expected for example*' get app a.xml port
expect 3 - '*no set "other"*sets here: app*' get other a.xml /a
expect 0 80 - get app a.xml /a/port --max-age 1h
expect 0 $'/a/port = 80\n/a/list/host = one\n*two\\\\nlines\\\\there*' - dump app a.xml
expect 0 $'a.xml:/a/port = 80\n*sub/b.xml:/a/port = 80\n*' - dump app
expect 0 '*"/a/port": "80"*' - dump app a.xml --format json
expect 0 "$(<"$work/a.xml")" - dump app a.xml --format xml
expect 2 - '*needs a document*' dump app --format xml
expect 1 - '*no document*' dump app none.xml
expect 0 'app: seq 1, 2 documents*following*verified*ago*alive*' - status app
expect 0 '*"stale": false*' - status app --json
expect 0 '\[*"set": "app"*' - status --json
expect 3 - '*no set "other"*' status other
expect 6 - '*no commit newer than seq 1*' wait app --newer 1 --timeout 0.2
count=$((count + 1))
"$zkcfg" dump app >/dev/full 2>"$work/err"
if [ $? != 3 ] || ! grep -q 'No space' "$work/err"; then
	failed=$((failed + 1))
	echo "a full output is not told: $(<"$work/err")"
fi

# --- watch --------------------------------------------------------------------------
"$zkcfg" watch app a.xml /a/port >"$work/watch" 2>&1 &
watcher=$!
sleep 0.3
expect 0 4 - put "$uri/a.xml" "$work/a2.xml"
await grep -q $'^2\tchanged\ta.xml\t/a/port\t80\t81$' "$work/watch"
expect 0 81 - get app a.xml /a/port

# --- a bad version, and the source away --------------------------------------------------
expect 0 5 - put --no-check "$uri/a.xml" "$work/bad.xml"
await status_is '"candidate_count": 1'
expect 0 '*candidate*a.xml:2:*' - status app
expect 0 81 - get app a.xml /a/port
kill -KILL $server
wait $server 2>/dev/null
await status_is '"stale": true'
sleep 1
expect 0 '*STALE since*' - status app
expect 0 81 - get app a.xml /a/port
expect 5 - '*stale*ago*' get app a.xml /a/port --max-age 100ms
expect 5 '*STALE*' - status app --max-age 100ms
kill -KILL $daemon
wait $daemon 2>/dev/null
start_server
start_daemon
await status_is '"state": "following"'
expect 0 6 - put "$uri/a.xml" "$work/a.xml"
await grep -q $'\tchanged\ta.xml\t/a/port\t81\t80$' "$work/watch"
expect 0 - - rm "$uri/sub/b.xml"
await status_is 'removed at the source'
kill -TERM $daemon
wait $daemon
expect 0 '*daemon*ended*' - status app
kill -INT $watcher
wait $watcher
code=$?
count=$((count + 1))
[ $code = 0 ] || { failed=$((failed + 1)) && echo "watch ended with $code"; }
watcher='' daemon=''

echo "$((count - failed)) of $count as expected"
[ $failed = 0 ]
