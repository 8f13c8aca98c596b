#!/bin/bash
# SPDX-FileCopyrightText: zkcfg authors
# SPDX-License-Identifier: Apache-2.0
#
# make installcheck: what was installed, used as the README says. Its C program
# is built as printed, by pkg-config, and prints a value that zkcfg put into a
# real ZooKeeper and zkcfgd published; all of them the installed ones. So are the
# example programs, which are built as each of them says.
#
#   installed.sh SOURCE BINDIR SBINDIR LIBDIR DOCDIR
set -u

source=$1 bin=$2 sbin=$3 lib=$4 doc=$5
work=$(mktemp -d) || exit 1
shm=$(mktemp -d /dev/shm/zkcfg-installed.XXXXXX) || exit 1
server='' daemon=''
export ZKCFG_SHM_DIR=$shm LD_LIBRARY_PATH=$lib PKG_CONFIG_PATH=$lib/pkgconfig

finish()
{
	# shellcheck disable=SC2086 # what is empty is not there
	kill $daemon $server 2>/dev/null
	wait 2>/dev/null
	rm -rf "$work" "$shm"
}
trap finish EXIT

fail()
{
	echo "installed: $*" >&2
	[ ! -s "$work/log" ] || cat "$work/log" >&2
	exit 1
}

awk '/^```c$/ { inside = 1; next } /^```$/ { inside = 0 } inside' "$source/README.md" >"$work/reader.c"
[ -s "$work/reader.c" ] || fail "README.md has no C program"
# shellcheck disable=SC2046 # several words
${CC:-cc} -Wall -Wextra -Werror "$work/reader.c" $(pkg-config --cflags --libs libzkcfg) -o "$work/reader" ||
	fail "the README's program does not build"

examples=0
for file in "$doc"/examples/*.c; do
	name=$(basename "$file" .c)
	line=$(sed -n 's/^ \*   cc \(.*\) && \..*/\1/p' "$file")
	[ -n "$line" ] || fail "$file does not say how it is built"
	cp "$file" "$work" || fail "$file: cannot be copied"
	(cd "$work" && eval "${CC:-cc} -Wall -Wextra -Werror $line") >"$work/log" 2>&1 || fail "$name does not build: cc $line"
	[ -x "$work/$name" ] || fail "no $name is made by: cc $line"
	examples=$((examples + 1))
done
((examples >= 6)) || fail "expected six examples or more in $doc/examples, found $examples"

port=$((20000 + RANDOM % 12000))
"$source/tests/support/zk-server" run "$work/zk" "$port" >"$work/log" 2>&1 </dev/null &
server=$!
"$source/tests/support/zk-server" wait "$port" || fail "ZooKeeper does not start"
"$bin/zkcfg" put "zk://127.0.0.1:$port/conf/app/service.xml" "$source/docs/examples/service.xml" >/dev/null ||
	fail "zkcfg put failed"
"$sbin/zkcfgd" --set "app=zk://127.0.0.1:$port/conf/app" --state-dir "$work/state" 2>"$work/log" &
daemon=$!
"$bin/zkcfg" wait app --newer 0 --timeout 20 >/dev/null || fail "nothing was published"
said=$("$work/reader")
[ "$said" = "port 8080 of commit 1" ] || fail "expected the README's program to say \"port 8080 of commit 1\", got \"$said\""
echo "the README's program, built by pkg-config, says: $said"
echo "$examples example programs are built as they say"
