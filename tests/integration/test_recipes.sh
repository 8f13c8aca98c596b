#!/bin/bash
# SPDX-FileCopyrightText: zkcfg authors
# SPDX-License-Identifier: Apache-2.0
#
# docs/recipes.md, word for word, with the real programs: what a section puts into a
# file is in that file, and its commands are run and say what is printed there.
# Files are in a directory of ours instead of /etc, /run, /srv and /var/lib, and
# ports are free ones. A change gets in force in each program, a version that is broken
# changes neither its file nor what it does and is named, and the next one is taken.
set -u
export LC_ALL=C.UTF-8

source_dir=${srcdir:?is set by make check}
build_dir=${ZKCFG_BUILD:-.}
work=$(mktemp -d /tmp/zkcfg-recipes-XXXXXX) || exit 1
shm=$(mktemp -d /dev/shm/zkcfg-recipes.XXXXXX) || exit 1
export ZKCFG_SHM_DIR=$shm PATH=$build_dir:$PATH:/usr/sbin
pids=() backend=()
zkcfgd_pid=''

# By SIGTERM: what is killed leaves children.
finish()
{
	pids+=("${backend[@]}")
	stop_all
	rm -rf "$work" "$shm"
}
trap finish EXIT

fail() # TEXT...
{
	printf '%s: ' "${recipe:-recipes}" >&2
	printf '%s\n' "$@" >&2
	tail -n 20 "$work"/*.log >&2
	exit 1
}

for program in nginx sshd prometheus promtool haproxy socat curl xmllint; do
	command -v "$program" >/dev/null || fail "there is no $program here, and it is needed"
done

free_port()
{
	local port

	while :; do
		port=$((20000 + RANDOM % 12000))
		(: <>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || break
	done
	printf '%s' "$port"
}

listen_port=$(free_port) one_port=$(free_port) two_port=$(free_port) zk_port=$(free_port)
prometheus_port=$(free_port) ssh_port=$(free_port)

# --- the page -----------------------------------------------------------------------

# Its text, with this test's places for things.
ours()
{
	sed -E "s,(^|[^a-z.])/(etc|run|srv|var/lib)/,\\1$work/\\2/,g; s/zk1:2181/127.0.0.1:$zk_port/g; s/:8080/:$listen_port/g
		s/9001/$one_port/g; s/9002/$two_port/g; s/:9090/:$prometheus_port/g"
}

# What the fences of the section hold, each behind a line "=== KIND FILE".
blocks()
{
	awk -v recipe="## $recipe" '
		/^## / { ours = $0 == recipe; next }
		!ours { next }
		/^`.*`:$/ { file = substr($0, 2, length($0) - 3); next }
		/^```$/ { inside = 0; next }
		/^```/ { print "=== " substr($0, 4) " " file; inside = 1; file = ""; next }
		inside' "$source_dir/docs/recipes.md" | ours
}

# The files of a section are there, as its text has them.
begin_recipe() # NAME
{
	local line file='' count=0

	recipe=$1
	stop_all
	rm -rf "${work:?}"/etc "${work:?}"/run "${work:?}"/srv "${work:?}"/var "${work:?}"/state "${shm:?}"/*
	mkdir -p "$work/etc" "$work/run" "$work/srv/config" "$work/var/lib" "$work/here"
	while IFS= read -r line; do
		if [[ $line == '=== '* ]]; then
			file=${line##* }
			[[ -z $file || $file == /* ]] || file=$work/here/$file
			[[ -z $file ]] || mkdir -p "$(dirname "$file")"
			[[ -z $file ]] || count=$((count + 1))
		elif [[ -n $file ]]; then
			printf '%s\n' "$line" >>"$file"
		fi
	done < <(blocks)
	((count > 0)) || fail "docs/recipes.md has no such section, or nothing in it"
}

block() # KIND
{
	blocks | awk -v kind="=== $1 " '/^=== / { inside = $0 == kind; next } inside'
}

# The section's commands, and what they say. A change is given its time; hooks are tried again some time.
run_commands()
{
	local line command='' expected='' count=0

	while IFS= read -r line; do
		if [[ $line == '$ '* ]]; then
			run_command "$command" "$expected"
			command=${line#\$ } expected='' count=$((count + 1))
		else
			expected+=$line$'\n'
		fi
	done < <(block console)
	run_command "$command" "$expected"
	((count > 0)) || fail "no commands"
}

without_times()
{
	sed -E 's/tried again in [0-9.]+ m?s/tried again in N/; s/[0-9/]+ [0-9:]+ (\[emerg\]) [0-9]+#[0-9]+/\1/'
}

run_command() # COMMAND EXPECTED
{
	local said i

	[[ -n $1 ]] || return
	for ((i = 0; i < 200; i++)); do
		said=$(cd "$work/here" && eval "$1" 2>&1 | without_times)
		[[ $said == "$(without_times <<<"${2%$'\n'}")" ]] && return
		[[ $1 == *put* ]] && break # once
		sleep 0.1
	done
	fail "\$ $1" "said:" "$said" "and not:" "$2"
}

# --- programs -------------------------------------------------------------------------

start() # NAME PROGRAM [ARGUMENT]...
{
	local name=$1

	shift
	"$@" >>"$work/$name.log" 2>&1 </dev/null &
	pids+=($!)
}

start_zkcfgd()
{
	"$build_dir/zkcfgd" --config "$work/etc/zkcfg/zkcfgd.xml" --state-dir "$work/state" >>"$work/zkcfgd.log" 2>&1 &
	zkcfgd_pid=$!
}

stop_all()
{
	local i

	[[ -z $zkcfgd_pid ]] || pids+=("$zkcfgd_pid")
	zkcfgd_pid=''
	((${#pids[@]} > 0)) || return
	kill "${pids[@]}" 2>/dev/null
	for ((i = 0; i < 100; i++)); do
		kill -0 "${pids[@]}" 2>/dev/null || break
		sleep 0.05
	done
	kill -9 "${pids[@]}" 2>/dev/null
	wait "${pids[@]}" 2>/dev/null
	pids=()
}

until_says() # EXPECTED COMMAND...
{
	local expected=$1 i

	shift
	for ((i = 0; i < 400; i++)); do
		[[ $("$@" 2>&1) == *"$expected"* ]] && return
		sleep 0.05
	done
	fail "never: $*: $expected; but:" "$("$@" 2>&1)"
}

# What serves behind nginx and haproxy.
start_backends()
{
	printf 'daemon off; pid %s/backend.pid; events {}\nhttp { access_log off; %s %s }\n' "$work" \
		"server { listen 127.0.0.1:$one_port; location / { return 200 \"one\\n\"; } }" \
		"server { listen 127.0.0.1:$two_port; location / { return 200 \"two\\n\"; } }" >"$work/backend.conf"
	start backend nginx -e "$work/backend.err" -c "$work/backend.conf"
	until_says one curl -s "http://127.0.0.1:$one_port/"
}

# The document as the page has it, changed by sed; in one step.
change() # DOCUMENT EXPRESSION
{
	sed -E "$2" "$work/here/$1" >"$work/here/.new" && mv "$work/here/.new" "$work/srv/config/$1"
}

# By a document of the page: in force; another one; one that is refused changes nothing and is named; a good one again.
goes_through() # DOCUMENT FILE NAMED FIRST SECOND BAD COMMAND...: sed's expressions, FIRST and SECOND with =EXPECTED behind
{
	local document=$1 file=$2 named=$3 first=$4 second=$5 bad=$6 before

	shift 6
	until_says "${first#*=}" "$@"
	change "$document" "${second%%=*}"
	until_says "${second#*=}" "$@"
	until_says idle zkcfg hooks
	before=$(<"$file")
	change "$document" "$bad"
	until_says "$named" zkcfg hooks
	zkcfg hooks >/dev/null
	(($? == 7)) || fail "zkcfg hooks of a hook that failed: expected exit status 7"
	[[ $(<"$file") == "$before" ]] || fail "a version that is broken is in $file"
	[[ $("$@" 2>&1) == *"${second#*=}"* ]] || fail "a version that is broken is in force"
	change "$document" "${first%%=*}"
	until_says "${first#*=}" "$@"
	until_says idle zkcfg hooks
	zkcfg hooks >/dev/null || fail "zkcfg hooks: expected exit status 0"
}

# --- recipes --------------------------------------------------------------------------

start_backends
backend=("${pids[@]}")
pids=()

begin_recipe nginx
start zookeeper "$source_dir/tests/support/zk-server" run "$work/zk" "$zk_port"
mkdir -p "$work/etc/nginx"
printf 'pid %s/run/nginx.pid; events {}\n' "$work" >"$work/etc/nginx/nginx.conf"
start nginx nginx -e "$work/nginx.err" -g 'daemon off;' -c "$work/etc/nginx/nginx.conf"
"$source_dir/tests/support/zk-server" wait "$zk_port" || fail "ZooKeeper does not start"
start_zkcfgd
run_commands

begin_recipe sshd
[[ -d /run/sshd || $EUID != 0 ]] || mkdir -m 0755 /run/sshd # what the package's unit makes
ssh-keygen -q -t ed25519 -N '' -f "$work/host_key"
printf '%s\n' "Include $work/etc/ssh/sshd_config.d/*.conf" "ListenAddress 127.0.0.1:$ssh_port" "HostKey $work/host_key" \
	"PidFile $work/run/sshd.pid" "UsePAM no" >"$work/etc/sshd_config"
mkdir -p "$work/etc/ssh/sshd_config.d"
mv "$work/srv/config/sshd.xml" "$work/here"
change sshd.xml ''
start sshd /usr/sbin/sshd -D -e -f "$work/etc/sshd_config"
start_zkcfgd
banner()
{
	timeout 5 bash -c "exec 3<>/dev/tcp/127.0.0.1/$ssh_port && read -r line <&3 && printf '%s' \"\$line\""
}
goes_through sshd.xml "$work/etc/ssh/sshd_config.d/50-zkcfg.conf" 'integer' =' one' 's/>one</>two</= two' \
	's/>3</>three</' banner

begin_recipe Prometheus
mkdir -p "$work/etc/prometheus"
printf 'global: {}\n' >"$work/etc/prometheus/prometheus.yml"
mv "$work/srv/config/prometheus.xml" "$work/here"
change prometheus.xml ''
start prometheus prometheus "--config.file=$work/etc/prometheus/prometheus.yml" "--storage.tsdb.path=$work/var/lib/prometheus" \
	"--web.listen-address=127.0.0.1:$prometheus_port" --web.enable-lifecycle
start_zkcfgd
goes_through prometheus.xml "$work/etc/prometheus/prometheus.yml" 'not a valid duration' =127.0.0.1:9797 \
	's/9797/9798/=127.0.0.1:9798' 's/"1h"/"soon"/' curl -s "http://127.0.0.1:$prometheus_port/api/v1/status/config"

# the same document and stylesheet; zkcfg run has the hook, and zkcfgd none
cp "$work/etc/zkcfg/prometheus.xsl" "$work/prometheus.xsl"
begin_recipe_by_signal()
{
	recipe='Prometheus, by a signal'
	stop_all
	rm -rf "$work/state" "${shm:?}"/*
	printf '<zkcfgd><set name="monitoring" source="file://%s/srv/config"/></zkcfgd>\n' "$work" >"$work/etc/zkcfg/zkcfgd.xml"
	rm "$work/etc/prometheus/prometheus.yml"
	block sh >"$work/etc/run"
	[[ -s $work/etc/run ]] || fail "docs/recipes.md has no command"
}
begin_recipe_by_signal
change prometheus.xml ''
start run bash "$work/etc/run"
sleep 0.3 # it waits for the set
start_zkcfgd
config=(curl -s "http://127.0.0.1:$prometheus_port/api/v1/status/config")
until_says 127.0.0.1:9797 "${config[@]}"
change prometheus.xml 's/"1h"/"soon"/'
until_says 'not a valid duration' cat "$work/run.log"
change prometheus.xml 's/9797/9799/'
until_says 127.0.0.1:9799 "${config[@]}"
grep -q soon "$work/etc/prometheus/prometheus.yml" && fail "a version that is broken is in its file"

begin_recipe haproxy
mv "$work/srv/config/haproxy.xml" "$work/here"
change haproxy.xml ''
mkdir -p "$work/etc/haproxy"
printf 'defaults\n  mode http\n  timeout connect 5s\n  timeout client 5s\n  timeout server 5s\nfrontend f\n  bind 127.0.0.1:%s\n' \
	"$listen_port" >"$work/etc/haproxy/haproxy.cfg"
start haproxy haproxy -W -db -S "$work/run/haproxy-master.sock" -f "$work/etc/haproxy/haproxy.cfg"
until_says worker bash -c "echo 'show proc' | socat - $work/run/haproxy-master.sock"
start_zkcfgd
goes_through haproxy.xml "$work/etc/haproxy/haproxy.cfg" 'invalid character' =one "s/$one_port/$two_port/=two" "s/$one_port/nowhere:port/" \
	curl -s "http://127.0.0.1:$listen_port/"

begin_recipe 'A program that only reads files'
mv "$work/srv/config/pool.xml" "$work/here"
change pool.xml ''
mkdir -p "$work/etc/app"
start_zkcfgd
goes_through pool.xml "$work/etc/app/pool.xml" 'XPath set is empty' '=max="10"' 's/10/20/=max="20"' 's/max/most/' cat "$work/etc/app/pool.xml"
block sh >"$work/etc/run"
start run bash "$work/etc/run"
until_says 'max="10"' cat "$work/run/app.log"
change pool.xml 's/10/30/'
until_says 'max="30"' cat "$work/run/app.log"
