#!/bin/bash
# Runs one pgTAP file in a database of its own and prints its TAP.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
name=$(basename "$1" .sql | tr -c 'a-z0-9\n' _)
db=$(/usr/bin/python3 -B "$here/../lib/ledger_test.py" create-db "$name")
psql -XqAt -d "$db" -v ON_ERROR_STOP=1 -c 'CREATE EXTENSION IF NOT EXISTS pgtap' >/dev/null
# pg_prove takes no conninfo: the environment says where.
for word in $db; do
    case $word in
    host=*) export PGHOST=${word#host=} ;;
    port=*) export PGPORT=${word#port=} ;;
    user=*) export PGUSER=${word#user=} ;;
    dbname=*) export PGDATABASE=${word#dbname=} ;;
    esac
done
# It judges the plan and the end; its verbose output is the TAP itself.
pg_prove --verbose "$1"
