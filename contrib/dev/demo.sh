#!/bin/bash
# The demo: a month of the example site, from an empty database to the report.
#
#   demo.sh demo     books, asks, reports, and stops
#   demo.sh run      books, then serves on 127.0.0.1:8080 until Ctrl-C
#
# Everything stands under build/demo/ and is new at each call; BUILD names another build, LEDGER_DEMO_DIR
# another place. The demo pretends that it is July 2027, which its database, a sandbox, allows.
set -euo pipefail
cd "$(dirname "$0")/../.."

BUILD=${BUILD:-build}
build=$(cd "$BUILD" && pwd)
place=${LEDGER_DEMO_DIR:-$BUILD/demo}
mode=${1:-demo}
case $mode in
demo | run) ;;
*) echo "usage: demo.sh demo|run" >&2 && exit 2 ;;
esac

if [ "${2-}" != --inside ]; then
    echo "== A private PostgreSQL under $place (Unix socket only)"
    exec contrib/dev/private-pg.sh run "$place" -- "$0" "$mode" --inside
fi

site=contrib/sdli
setup_time=2027-06-01T00:00:00+09:00
# The sample listing was taken a minute before.
demo_time=2027-07-04T15:00:00+09:00
export LEDGERCTL="$build/ledgerctl"
export LEDGER_DB="${LEDGER_TEST_PG% dbname=*} dbname=ledger"
unset LEDGER_TEST_PG
ledgerd=

step() {
    printf '\n== %s\n' "$*"
}

stop() {
    if [ -n "$ledgerd" ]; then
        kill -TERM "$ledgerd" 2>/dev/null || true
        wait "$ledgerd" || echo "ledgerd ended with exit code $?: see $place/ledgerd.log" >&2
        ledgerd=
    fi
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# Exit code 3 of an import says that some records went to quarantine: they are listed below.
import() {
    local status=0
    "$LEDGERCTL" import "$@" || status=$?
    [ "$status" -eq 0 ] || [ "$status" -eq 3 ] || exit "$status"
}

book_the_site() {
    psql -Xqd "${LEDGER_DB% dbname=*} dbname=postgres" -c 'CREATE DATABASE ledger'
    "$LEDGERCTL" migrate --sandbox

    export LEDGER_NOW=$setup_time
    step "The policy: 720 GPUs, shared 80/10/10"
    "$LEDGERCTL" policy apply $site/policy.json
    step "The rate card"
    "$LEDGERCTL" rates apply $site/rates.json
    step "Projects, members and grants of all three shares"
    sh $site/projects.sh

    export LEDGER_NOW=$demo_time
    step "Importing June's batch jobs ($site/slurm.sacct)"
    import slurm $site/slurm.sacct --cluster sdli
    step "Importing the token records ($site/tokens.csv)"
    import usage $site/tokens.csv --source gateway:sdli --format csv
    step "In quarantine (nothing is dropped, nothing is free)"
    "$LEDGERCTL" quarantine list
}

free_port() {
    /usr/bin/python3 -c 'import socket
s = socket.socket()
s.bind(("127.0.0.1", 0))
print(s.getsockname()[1])'
}

start_ledgerd() {
    "$build/ledgerd" --listen "127.0.0.1:$port" </dev/null >"$place/ledgerd.log" 2>&1 &
    ledgerd=$!
    for _ in $(seq 200); do
        if curl -sf -o /dev/null "http://127.0.0.1:$port/readyz"; then
            return 0
        fi
        kill -0 "$ledgerd" 2>/dev/null || break
        sleep 0.05
    done
    cat "$place/ledgerd.log" >&2
    echo "demo.sh: ledgerd is not ready" >&2
    exit 4
}

# check PROJECT USER GPUS SECONDS: asks as the job's shape.
check() {
    local url="http://127.0.0.1:$port/v1/check?project=$1&user=$2&source=slurm:sdli&class=gpu&seconds=$4"
    url="$url&qos=normal&meter.gpu=$3&meter.cpu=$(($3 * 72))&meter.mem_gib=$(($3 * 480))"
    echo "GET ${url#http://127.0.0.1:"$port"}"
    curl -sf "$url" | /usr/bin/python3 -m json.tool
}

book_the_site
port=8080
[ "$mode" = run ] || port=$(free_port)
step "ledgerd on http://127.0.0.1:$port"
start_ledgerd

if [ "$mode" = run ]; then
    echo "try:  curl 'http://127.0.0.1:$port/v1/check?project=hp270001&points=100'"
    echo "with: LEDGER_DB='$LEDGER_DB' $BUILD/ledgerctl balance hp270001"
    echo "Ctrl-C stops it"
    trap 'exit 0' INT TERM HUP # this is how serving ends
    wait "$ledgerd"
    exit
fi

step "May hp270001 run 64 GPUs for a day? It may:"
check hp270001 u00042 64 86400
step "May ind27002, which has nearly used up its grant? It may not, and why:"
check ind27002 u00310 64 86400

step "The month's report"
"$build/ledger-report" monthly 2027-06
step "Done; stopping"
