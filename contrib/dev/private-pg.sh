#!/bin/bash
# A private PostgreSQL for the demo and the tests: a throw-away cluster that listens on a Unix
# socket only and never meets a system cluster.
#
#   private-pg.sh [--fast] start DIR         a new cluster; prints its conninfo
#   private-pg.sh stop DIR                   stops and removes it
#   private-pg.sh resume DIR                 starts a server that died or was shut down again
#   private-pg.sh [--fast] run DIR -- CMD... start, CMD with LEDGER_TEST_PG set to the conninfo of
#                                            the superuser's database, stop; CMD's exit code
#
# DIR holds the state (data, log, socket's place) and is the cluster's identity: a second `run` in
# the same DIR is refused while the first lives, and what a killed one left behind is cleared
# away. As root the server runs as `postgres`; where that user cannot reach DIR, the data stands in
# /tmp. The socket always stands there, because a socket's path is limited to 107 bytes.
# --fast is for tests that measure nothing: it gives up durability (fsync), and keeps the data in memory
# (/dev/shm) where there is plenty, since a database of hundreds of small files is made for every test.
set -euo pipefail

fail() {
    echo "private-pg.sh: $*" >&2
    exit 1
}

usage() {
    sed -n '2,/^set -e/s/^# \{0,1\}//p' "$0" >&2
    exit 2
}

find_server() {
    local initdb major best=0
    for initdb in /usr/lib/postgresql/*/bin/initdb; do
        [ -x "$initdb" ] || continue
        major=${initdb#/usr/lib/postgresql/}
        major=${major%%/*}
        [ "$major" -gt "$best" ] && best=$major
    done
    [ "$best" -ge 15 ] || fail "no PostgreSQL 15 or later: run contrib/dev/deps.sh build"
    bin=/usr/lib/postgresql/$best/bin
}

# The server refuses to run as root.
find_user() {
    server_user=
    [ "$(id -u)" -eq 0 ] || return 0
    server_user=nobody
    if getent passwd postgres >/dev/null; then
        server_user=postgres
    fi
    server_group=$(id -g "$server_user")
}

# The server's user, in a folder that it can enter and without our descriptors (a lock of ours that
# the server kept open would stay taken).
as_server() {
    (
        cd /
        for fd in /proc/self/fd/*; do
            fd=${fd##*/}
            [ "$fd" -le 2 ] || eval "exec $fd>&-" 2>/dev/null || true
        done
        if [ -n "$server_user" ]; then
            exec setpriv --reuid="$server_user" --regid="$server_group" --init-groups \
                env -i HOME=/ PATH="$bin:/usr/bin:/bin" LC_ALL=C.UTF-8 "$@" </dev/null
        fi
        exec env LC_ALL=C.UTF-8 "$@" </dev/null
    )
}

own() {
    [ -z "$server_user" ] || chown "$server_user:$server_group" "$1"
}

# A test run's databases and log stay well below this; half as much again must be free as memory.
memory_kib_wanted=$((4 * 1024 * 1024))

memory_is_plenty() {
    local shm available
    shm=$(df -k --output=avail /dev/shm 2>/dev/null | tail -n 1) || return 1
    available=$(sed -n 's/^MemAvailable: *\([0-9]*\) kB/\1/p' /proc/meminfo)
    [ "${shm:-0}" -ge "$memory_kib_wanted" ] &&
        [ "${available:-0}" -ge $((memory_kib_wanted * 3 / 2)) ]
}

# The folders, each owned by the server's user: data under DIR if that user gets there.
make_places() {
    local data=$dir/data
    mkdir -p "$dir"
    mkdir -m 700 "$data"
    own "$data"
    if [ -n "$fast" ] && memory_is_plenty; then
        rmdir "$data"
        data=$(mktemp -d /dev/shm/ledger-pgdata.XXXXXX)
        own "$data"
        ln -s "$data" "$dir/data"
    elif ! as_server test -w "$data"; then
        rmdir "$data"
        data=$(mktemp -d /tmp/ledger-pgdata.XXXXXX)
        own "$data"
    fi
    echo "$data" >"$dir/data-place"
    socket=$(mktemp -d /tmp/ledger-pg.XXXXXX)
    echo "$socket" >"$dir/socket-place"
    own "$socket"
}

write_settings() {
    local data=$1 max_wal_size=4GB
    [ -z "$fast" ] || max_wal_size=1GB
    cat >>"$data/postgresql.conf" <<EOF
listen_addresses = ''
unix_socket_directories = '$socket'
max_connections = 200
shared_buffers = 256MB
max_wal_size = $max_wal_size
timezone = 'UTC'
log_timezone = 'UTC'
lc_messages = 'C.UTF-8'
log_min_error_statement = panic
logging_collector = off
EOF
    [ -z "$fast" ] || printf '%s\n' 'fsync = off' 'full_page_writes = off' >>"$data/postgresql.conf"
}

conninfo() {
    echo "host=$(cat "$dir/socket-place") port=5432 user=postgres dbname=postgres"
}

# Stops whatever stands in DIR and removes it. Says nothing when there is nothing.
stop_cluster() {
    local data place
    if [ -f "$dir/data-place" ]; then
        data=$(cat "$dir/data-place")
        if [ -f "$data/postmaster.pid" ]; then
            as_server "$bin/pg_ctl" -D "$data" -m immediate -w -t 30 stop >/dev/null 2>&1 || true
        fi
        rm -rf "$data"
    fi
    if [ -f "$dir/socket-place" ]; then
        place=$(cat "$dir/socket-place")
        case $place in /tmp/ledger-pg.*) rm -rf "$place" ;; esac
    fi
    rm -rf "$dir/data" "$dir/data-place" "$dir/socket-place"
}

start_cluster() {
    local data
    stop_cluster
    make_places
    data=$(cat "$dir/data-place")
    as_server "$bin/initdb" -D "$data" -U postgres -A trust -E UTF8 --locale=C.UTF-8 \
        --no-sync --no-instructions >"$dir/log" 2>&1 ||
        { cat "$dir/log" >&2 && fail "initdb failed"; }
    write_settings "$data"
    as_server "$bin/pg_ctl" -D "$data" -l "$data/server.log" -w -t 60 start >>"$dir/log" 2>&1 ||
        { cat "$dir/log" "$data/server.log" >&2 && stop_cluster && fail "the server did not start"; }
}

# After a crash the server's memory may still be held by a process of the old one that has not seen it yet.
resume_cluster() {
    local data attempt
    [ -f "$dir/data-place" ] || fail "there is no cluster in $dir"
    data=$(cat "$dir/data-place")
    for attempt in 1 2 3 4 5 6 7 8 9 10; do
        as_server "$bin/pg_ctl" -D "$data" -l "$data/server.log" -w -t 60 start >>"$dir/log" 2>&1 && return
        sleep "0.$attempt"
    done
    tail -n 20 "$data/server.log" >&2
    fail "the server did not start again"
}

# Waits for CMD however it ends, and passes a signal on to its whole group: CMD must be gone before
# the server goes.
run_command() {
    local child status=0
    set -m
    LEDGER_TEST_PG=$(conninfo) "$@" 9>&- &
    child=$!
    set +m
    trap 'kill -TERM -- "-$child" 2>/dev/null || true' INT TERM HUP
    while :; do
        status=0
        wait "$child" || status=$?
        kill -0 "$child" 2>/dev/null || break
    done
    trap - INT TERM HUP
    return "$status"
}

lock() {
    mkdir -p "$dir"
    exec 9>"$dir/lock"
    flock -n 9 || fail "$dir is in use by another run"
}

fast=
[ "${1-}" != --fast ] || { fast=yes && shift; }
[ $# -ge 2 ] || usage
verb=$1
mkdir -p "$2"
dir=$(cd "$2" && pwd -P)
shift 2
find_server
find_user

case $verb in
start)
    lock
    start_cluster
    conninfo
    ;;
stop)
    stop_cluster
    ;;
resume)
    resume_cluster
    ;;
run)
    if [ "${1-}" != -- ] || [ $# -lt 2 ]; then usage; fi
    shift
    lock
    trap stop_cluster EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
    start_cluster
    run_command "$@"
    ;;
*) usage ;;
esac
