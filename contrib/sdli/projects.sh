#!/bin/sh
# The projects, members and grants of the example site, for fiscal year 2027.
#
# Applies after policy.json and rates.json. Safe to run again: what is already
# there is left as it is, and every grant carries a key, so it is made once.
# LEDGERCTL names the command to call; LEDGER_DB the database, as always.
set -eu

ledgerctl=${LEDGERCTL:-ledgerctl}
year_from=2027-06-01T00:00:00+09:00
year_half=2027-10-01T00:00:00+09:00
year_to=2028-04-01T00:00:00+09:00

# What was done is said in a line of our own; what went wrong is said by ledgerctl.
quietly() {
    "$ledgerctl" "$@" >/dev/null
}

# project ID SHARE NAME PI [MEMBER...]
project() {
    id=$1 share=$2 name=$3
    shift 3
    echo "$id ($share) $name: $*"
    quietly project add "$id" --share "$share" --name "$name"
    quietly member add "$id" "$1" --role pi
    shift
    for user in "$@"; do
        quietly member add "$id" "$user"
    done
}

# grant PROJECT POINTS FROM TO: the key is made of what the grant is.
grant() {
    echo "$1 granted $2 points, from ${3%%T*} to ${4%%T*}"
    quietly grant "$1" "$2" --from "$3" --to "$4" --key "fy2027/$1/$3"
}

# other_name PROJECT SOURCE NAME: records of the source that name NAME belong to the project.
other_name() {
    echo "$1 is called $3 in $2"
    quietly project alias "$1" "$2" "$3"
}

# The national programme: 80 % of the machine.
project hp270001 hpci "Japanese foundation models" u00042 u00043 u00044
project hp270014 hpci "Climate model emulation" u00101 u00102
project hp270032 hpci "Earthquake and tsunami inversion" u00120 u00121
project hp270108 hpci "Free energy methods" u00150
grant hp270001 1200000 "$year_from" "$year_to"
grant hp270014 450000 "$year_from" "$year_half"
grant hp270014 450000 "$year_half" "$year_to"
grant hp270032 500000 "$year_from" "$year_to"
grant hp270108 120000 "$year_from" "$year_to"

# The centre's own academic programme: 10 %.
project gen27001 general "Graduate course and theses" u00201 u00202 u00203
project gen27002 general "Genome assembly" u00210
project gen27003 general "Hyperparameter sweeps" u00220 u00221
grant gen27001 60000 "$year_from" "$year_to"
grant gen27002 5000 "$year_from" "$year_to"
grant gen27003 20000 "$year_from" "$year_to"

# Industry: 10 %. ind27002 has nearly used up what it was granted.
project ind27001 industry "Materials by inverse design" u00301 u00302
project ind27002 industry "Virtual screening" u00310
project ind27003 industry "Circuit design" u00320
grant ind27001 150000 "$year_from" "$year_to"
grant ind27002 7100 "$year_from" "$year_to"
grant ind27003 40000 "$year_from" "$year_to"

# Slurm accounts that are not named like their project.
other_name hp270032 slurm:sdli geophys
other_name ind27002 slurm:sdli acme-drug
