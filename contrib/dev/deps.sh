#!/bin/bash
# Makes sure that the Debian packages of the named groups (build, test, lint) are there.
#
# Everything there: says nothing, within a few milliseconds. Something missing: as root, or where
# sudo asks for no password, installs it; otherwise prints the exact command and fails.
#
#   contrib/dev/deps.sh [build] [test] [lint] [llama]
set -euo pipefail

# shellcheck disable=SC2034 # the lists are read by name
build='gcc make pkg-config libc6-dev libpq-dev libmicrohttpd-dev libjansson-dev libssl-dev
    libgmp-dev libsystemd-dev libcurl4-openssl-dev
    postgresql-15 postgresql-client-15 tzdata python3 curl'
# shellcheck disable=SC2034
test='libcmocka-dev postgresql-15-pgtap libtap-parser-sourcehandler-pgtap-perl wrk git universal-ctags
    libslurm-dev liblua5.1-0-dev
    slurmctld slurmd slurmdbd slurmrestd slurm-client slurm-wlm-basic-plugins slurm-wlm-mysql-plugin
    slurm-wlm-jwt-plugin munge mariadb-server libnss-wrapper
    nginx-light libnginx-mod-http-lua lua-cjson lua-resty-core lua-zlib nodejs npm'
# shellcheck disable=SC2034
lint='clang clang-format clang-tidy libclang-rt-14-dev cppcheck shellcheck valgrind mandoc lua-check
    universal-ctags git'
# shellcheck disable=SC2034
llama='cmake g++ make git nodejs npm'

wanted=
[ $# -gt 0 ] || set -- build
for group in "$@"; do
    case $group in
    build | test | lint | llama) wanted="$wanted ${!group}" ;;
    *) echo "deps.sh: unknown group $group: it is build, test, lint or llama" >&2 && exit 2 ;;
    esac
done

# A PostgreSQL of version 15 or later in another package than Debian's own will do as well.
has_server() {
    local initdb major
    for initdb in /usr/lib/postgresql/*/bin/initdb; do
        [ -x "$initdb" ] || continue
        major=${initdb#/usr/lib/postgresql/}
        major=${major%%/*}
        [ "$major" -ge 15 ] 2>/dev/null && return 0
    done
    return 1
}

has_program() {
    command -v "$1" >/dev/null
}

missing_packages() {
    local package installed
    # shellcheck disable=SC2086 # a list of words
    installed=" $(dpkg-query -W -f '${db:Status-Status}=${Package} ' $wanted 2>/dev/null || true)"
    for package in $wanted; do
        case $installed in
        *" installed=$package "*) continue ;;
        esac
        case $package in
        postgresql-15 | postgresql-client-15) has_server && continue ;;
        # nodejs of other origins brings an npm of its own, beside which Debian's cannot be installed.
        nodejs) has_program node && continue ;;
        npm) has_program npm && continue ;;
        esac
        echo "$package"
    done | sort -u
}

if ! command -v dpkg-query >/dev/null; then
    echo "deps.sh: this is not a Debian system; packages needed there: $wanted" | tr -s ' \n' ' ' >&2
    exit 1
fi
missing=$(missing_packages | tr '\n' ' ')
missing=${missing% }
[ -n "$missing" ] || exit 0

as_root=
if [ "$(id -u)" -ne 0 ]; then
    if command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
        as_root='sudo -n'
    else
        {
            echo "deps.sh: packages are missing; as root, run:"
            echo "  apt-get update && apt-get install -y --no-install-recommends $missing"
        } >&2
        exit 1
    fi
fi

echo "installing packages: $missing" >&2
# Debian's server package would start a cluster of its own on port 5432; nobody asked for one.
if [ ! -e /etc/postgresql-common/createcluster.conf ]; then
    $as_root install -d /etc/postgresql-common
    echo 'create_main_cluster = false' |
        $as_root tee /etc/postgresql-common/createcluster.conf >/dev/null
fi
$as_root env DEBIAN_FRONTEND=noninteractive apt-get update -qq </dev/null >&2
# shellcheck disable=SC2086 # a list of words
# Nor does anybody want daemons of Slurm and MariaDB: in runlevel 1 packages start none.
$as_root env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y -qq --no-install-recommends \
    -o Dpkg::Use-Pty=0 -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold \
    $missing </dev/null >&2
