#!/bin/bash
# SPDX-FileCopyrightText: zkcfg authors
# SPDX-License-Identifier: Apache-2.0
#
# Every include goes the way the rooms allow, and nothing is called that must not
# be. Checks itself first, on trees that are wrong in one way each.
set -u

srcdir=${srcdir:-$(cd "$(dirname "$0")/../.." && pwd)}

# The rooms that each room may include beside itself; "public" is <zkcfg/zkcfg.h>.
declare -A may=(
	[base]=""
	[segment]="public"
	[client]="public segment"
	[xml]="public segment base"
	[http]="base"
	[source]="base http"
	[publish]="public segment base"
	[hook]="public base http"
	[admin]="public publish segment base"
	[daemon]="public base segment client xml source publish hook admin"
	[cli]="public base xml source http hook"
)

# The only rooms that may use each of these; extended regular expressions.
declare -A alone=(
	["xml hook"]='^[[:space:]]*#[[:space:]]*include[[:space:]]*<libxml/'
	[hook]='^[[:space:]]*#[[:space:]]*include[[:space:]]*<libe?xslt/'
	[source]='^[[:space:]]*#[[:space:]]*include[[:space:]]*<zookeeper/'
	[segment]='stdatomic\.h|__atomic_|__sync_|_Atomic|[^_[:alnum:]]atomic_(load|store|exchange|fetch|compare)'
	["source cli admin daemon"]='^[[:space:]]*#[[:space:]]*include[[:space:]]*<jansson\.h>'
	[http]='^[[:space:]]*#[[:space:]]*include[[:space:]]*<curl/'
)

# What nobody may use: synchronous calls of the ZooKeeper client have no time limit
# and break the order of notifications; the others leak, misread, or close a
# connection that is in use.
never='[^_[:alnum:]](zoo_(get|wget|set|set2|create2?|delete|exists|wexists|w?get_children2?|multi|sync|get_acl|set_acl|remove_watches|aremove_watches|set_servers)[[:space:]]*\(|ZOO_READONLY)'

contains() # WORDS WORD
{
	[[ " $1 " == *" $2 "* ]]
}

# Print what is wrong with one include of one file.
check_include() # FILE ROOM INCLUDE
{
	local file=$1 room=$2 include=$3 target

	case $include in
	'<zkcfg/zkcfg.h>') target=public ;;
	'<'*) return ;;
	'"../'*) echo "$file: includes $include; an include is written \"room/file.h\"" && return ;;
	'"'*/*) target=${include#\"} target=${target%%/*} ;;
	*) echo "$file: includes $include; an include is written \"room/file.h\"" && return ;;
	esac
	[[ $target == "$room" ]] || contains "${may[$room]}" "$target" ||
		echo "$file: includes $include; $room may include: ${may[$room]:-libc only}"
}

# Print everything that is wrong below ROOT/src, a line each.
check_tree() # ROOT
{
	local file room include owner

	for file in "$1"/src/*/*.[ch]; do
		[[ -f $file ]] || continue
		room=$(basename "$(dirname "$file")")
		if [[ ! -v may[$room] ]]; then
			echo "$file: the room $room is not in the table of ${0##*/}"
			continue
		fi
		while read -r include; do
			check_include "$file" "$room" "$include"
		done < <(sed -nE 's/^[[:space:]]*#[[:space:]]*include[[:space:]]*(["<][^">]*[">]).*/\1/p' "$file")
		grep -nE -- "$never" "$file" | sed "s|^|$file:|; s|\$|  (nobody may)|"
		for owner in "${!alone[@]}"; do
			contains "$owner" "$room" && continue
			grep -nE -- "${alone[$owner]}" "$file" | sed "s|^|$file:|; s|\$|  (only $owner may)|"
		done
	done
}

scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
failures=0

# A tree of one file with this text must be refused, or accepted.
expect() # refused|accepted ROOM TEXT
{
	local found

	rm -rf "$scratch/src"
	mkdir -p "$scratch/src/$2"
	printf '%s\n' "$3" >"$scratch/src/$2/made_up.c"
	found=$(check_tree "$scratch")
	if [[ $1 == refused && -z $found ]] || [[ $1 == accepted && -n $found ]]; then
		echo "self-check: $2 with '$3' should be $1${found:+, found: $found}"
		failures=$((failures + 1))
	fi
}

expect accepted base '#include <string.h>'
expect accepted base '#include "base/log.h"'
expect accepted client '#include "segment/view.h"'
expect accepted daemon '#include "publish/publisher.h"'
expect accepted xml '#include <libxml/parser.h>'
expect accepted source '#include <zookeeper/zookeeper.h>'
expect accepted source '#include <jansson.h>'
expect accepted cli '#include <jansson.h>'
expect accepted admin '#include <jansson.h>'
expect accepted daemon '#include <jansson.h>'
expect accepted source '#include "http/http.h"'
expect accepted http '#include <curl/curl.h>'
expect accepted hook '#include <libxslt/transform.h>'
expect accepted hook '#include "http/http.h"'
expect accepted cli '#include "hook/hook.h"'
expect refused xml '#include <libexslt/exslt.h>'
expect refused hook '#include "segment/view.h"'
expect refused publish '#include <jansson.h>'
expect refused source '#include <curl/curl.h>'
expect refused http '#include "source/source.h"'
expect accepted segment '#include <stdatomic.h>'
expect accepted publish '#include <zkcfg/zkcfg.h>'
expect refused base '#include <zkcfg/zkcfg.h>'
expect refused base '#include "segment/arena.h"'
expect refused segment '#include "base/log.h"'
expect refused segment ' #  include  "client/handle.h"'
expect refused client '#include "base/log.h"'
expect refused xml '#include "source/source.h"'
expect refused source '#include "xml/compile.h"'
expect refused source '#include <zkcfg/zkcfg.h>'
expect refused publish '#include "daemon/pipeline.h"'
expect refused cli '#include "segment/view.h"'
expect refused daemon '#include "cli/cli.h"'
expect refused daemon '#include <libxml/parser.h>'
expect refused xml '#include <zookeeper/zookeeper.h>'
expect refused publish '#include <stdatomic.h>'
expect refused client 'x = __atomic_load_n(p, __ATOMIC_ACQUIRE);'
expect refused daemon 'static _Atomic int x;'
expect refused daemon 'if (atomic_load(p))'
expect refused daemon '#include "pipeline.h"'
expect refused daemon '#include "../segment/arena.h"'
expect accepted source 'code = zoo_aget(zh, path);'
expect refused source 'code = zoo_get(zh, path);'
expect refused source 'code = zoo_wget_children2(zh);'
expect refused source 'err = zoo_set_servers(zh, hosts);'
expect refused source 'flags = ZOO_READONLY;'
expect refused attic '#include <string.h>'

count=$(find "$srcdir"/src -mindepth 2 -maxdepth 2 -name '*.[ch]' | wc -l)
if ((count == 0)); then
	echo "no source file below $srcdir/src"
	failures=$((failures + 1))
fi
wrong=$(check_tree "$srcdir")
if [[ -n $wrong ]]; then
	printf '%s\n' "$wrong"
	failures=$((failures + 1))
fi
((failures == 0)) && echo "$count files keep to the rooms"
exit $((failures > 0))
