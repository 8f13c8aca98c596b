#!/bin/bash
# SPDX-FileCopyrightText: zkcfg authors
# SPDX-License-Identifier: Apache-2.0
#
# The README's "Base, data centre, host", word for word: its configuration, its
# files and its commands with a real zkcfgd. /etc/app is a directory of ours, web7
# this host, and revisions are what they are. Then what changes, and what is wrong.
set -u
export LC_ALL=C.UTF-8 DATACENTRE=fra

source_dir=${srcdir:?is set by make check}
build_dir=${ZKCFG_BUILD:-.}
work=$(mktemp -d /tmp/zkcfg-layers-XXXXXX) || exit 1
zkcfgd_pid=

finish()
{
	[[ -z $zkcfgd_pid ]] || kill "$zkcfgd_pid" && wait "$zkcfgd_pid"
	rm -rf "$work"
}
trap finish EXIT

fail() # TEXT...
{
	printf '%s\n' "$@" >&2
	[[ ! -f $work/log ]] || tail -n 20 "$work/log" >&2
	exit 1
}

# The block of this kind in the section, with this test's names for things.
block() # KIND
{
	awk -v kind="\`\`\`$1" '/^## / { ours = /^## Base, data centre, host$/; next }
		/^```/ { inside = ours && $0 == kind; next } inside' "$source_dir/README.md" |
		sed "s|/etc/app|$work/app|g; s|web7|$(uname -n)|g"
}

zkcfg()
{
	"$build_dir/zkcfg" --shm-dir "$work/shm" "$@"
}

without_revisions()
{
	sed -E 's/revision [0-9]+/revision N/'
}

# The files that the README shows are made; its commands are run, if there is a daemon.
follow() # cat|zkcfg
{
	local line command='' expected='' count=0

	while IFS= read -r line; do
		if [[ $line != '$ '* ]]; then
			expected+=$line$'\n'
			continue
		fi
		check "$1" "$command" "$expected"
		command=${line#\$ } expected='' count=$((count + 1))
	done < <(block console)
	check "$1" "$command" "$expected"
	((count == 6)) || fail "the README's section has $count commands, expected 6"
}

check() # KIND COMMAND EXPECTED
{
	local said

	[[ $2 == "$1 "* ]] || return 0
	if [[ $1 == cat ]]; then
		mkdir -p "$(dirname "${2#cat }")" && printf '%s' "$3" >"${2#cat }"
		return
	fi
	said=$(eval "$2" 2>&1)
	[[ $(without_revisions <<<"$said") == "$(without_revisions <<<"${3%$'\n'}")" ]] ||
		fail "\$ $2" "said:" "$said" "and not:" "$3"
	checked=$((checked + 1))
}

until_is() # EXPECTED COMMAND...
{
	local expected=$1

	shift
	for ((i = 0; i < 600; i++)); do
		[[ $("$@" 2>&1) == *"$expected"* ]] && return
		sleep 0.05
	done
	fail "never: $*: $expected; but:" "$("$@" 2>&1)"
}

block xml >"$work/zkcfgd.xml"
follow cat
"$build_dir/zkcfgd" --config "$work/zkcfgd.xml" --shm-dir "$work/shm" --state-dir "$work/state" >"$work/log" 2>&1 &
zkcfgd_pid=$!
until_is following zkcfg status app
until_is 10 zkcfg get app service.xml /service/pool/@max
checked=0
follow zkcfg
((checked == 3)) || fail "$checked of the README's commands were run, expected 3"

# the host's file goes, and comes back as something that is wrong: what was served stays
host=$work/app/host/$(uname -n)
until_is "\"overrides\": []" zkcfg get app service.xml /service/pool/@max --origin --json
mv "$host/service.xml" "$work/aside"
until_is info zkcfg get app service.xml /service/log/@level
printf '<service>\n <log></service>' >"$host/service.xml"
until_is "$host:2:17: Opening and ending tag mismatch" zkcfg status app
printf '<service>\n <log>debug</log><upstream name="cart"><at/></upstream></service>' >"$host/service.xml"
until_is "$host:2:18: element \"upstream\" holds elements, and text in the layer below" zkcfg status app
until_is "(file://$work/app/dc/fra)" zkcfg status app
[[ $(zkcfg get app service.xml /service/log/@level) == info ]] || fail "a version that is wrong was served"
mv "$work/aside" "$host/service.xml"
until_is debug zkcfg get app service.xml /service/log/@level
[[ $(zkcfg status app) != *candidate* ]] || fail "what was wrong is still told"

# a variable that is not there
refuses() # URI REASON
{
	local said code

	sed "4s|uri=\"[^\"]*\"|uri=\"$1\"|" "$work/zkcfgd.xml" >"$work/wrong.xml"
	said=$("$build_dir/zkcfgd" -t --config "$work/wrong.xml" 2>&1)
	code=$?
	((code == 4)) || fail "zkcfgd -t with uri=\"$1\": exit status $code, expected 4" "$said"
	[[ $said == *"$work/wrong.xml:4:5: element source: attribute uri=\"$1\": $2"* ]] ||
		fail "zkcfgd -t with uri=\"$1\" said:" "$said" "expected: $2"
	said=$("$build_dir/zkcfgd" --set "app=$1" --shm-dir "$work/none" 2>&1)
	code=$?
	((code == 2)) || fail "zkcfgd --set app=$1: exit status $code, expected 2" "$said"
	[[ $said == *"--set app=$1: $2"* ]] || fail "zkcfgd --set app=$1 said:" "$said" "expected: $2"
}

# shellcheck disable=SC2016  # they are zkcfgd's
{
	refuses 'file:///etc/${env:NOPE}' '${env:NOPE}: the environment variable NOPE is not set'
	refuses 'file:///etc/${x}' 'there is no variable "x": expected ${host}, ${env:NAME}, or $$ for a dollar'
}
