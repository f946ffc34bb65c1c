#!/bin/bash
# A real Slurm cluster on loopback, for tests: munge, MariaDB, slurmdbd, slurmctld, a slurmd for each node, slurmrestd on
# request. Needs root (slurmd starts jobs under other users) and Debian's packages (contrib/dev/deps.sh test), no systemd
# and no cgroups. Several at a time do not meet: each has ports and a folder of its own.
#
#   cluster.sh check                          says why no cluster can be made here (exit code 1), else nothing
#   cluster.sh up DIR [OPTION...]             brings a cluster up; a cluster that stands in DIR with the same options is left alone,
#                                             what a killed one left there is cleared first
#   cluster.sh down DIR                       ends its jobs and daemons and removes everything but the logs, in DIR/log
#   cluster.sh start|stop|kill|pid DIR DAEMON one daemon: munged, mariadbd, slurmdbd, slurmctld, slurmrestd, slurmd-NODE;
#                                             kill is SIGKILL; start waits until it answers
#
#   --gpu-nodes N   nodes gn1... with GPUs (2)        --cpu-nodes N   nodes cn1... without (1)
#   --gpus N        GPUs (type a100) of a node (4)    --cpus N        cores of a node (16)
#   --max-array N   MaxArraySize (1001)               --cluster NAME  its name (sdli)
#   --plugin DIR    folder of job_submit_ledger.so    --hook-conf F   LEDGER_HOOK_CONF of slurmctld
#   --lua FILE      a job_submit.lua instead          --lua-path P    LUA_CPATH of slurmctld
#   --rest          slurmrestd, with tokens           --owner PID     goes down by itself when this process is gone
#
# Up, DIR/env.sh sets the environment of Slurm's commands, and DIR/bin holds each command with that environment built in.
# DIR/env.sh also has slurm_as USER CMD... and slurm_jwt USER. Users: alice and bob (account ml, alice also bio), carol (bio), dave (none),
# u01 to u20 (account crowd). QOS: normal, urgent, low. Partitions: cpu (default), gpu, whole (whole nodes, all of their memory),
# mem (memory by node), endless (no time limit at all).
set -uo pipefail

self=$(readlink -f "$0")
block_ports=100 first_block=200 last_block=319 # ports 20000 to 31999, below those that the system hands out

fail() {
    echo "cluster.sh: $*" >&2
    exit 1
}

usage() {
    sed -n '2,/^set -u/s/^# \{0,1\}//p' "$self" >&2
    exit 2
}

# --- whether it can be done at all ----------------------------------------------------------------

check() {
    local program
    if [ "$(id -u)" -ne 0 ]; then echo "real Slurm needs root" && return 1; fi
    for program in munged mariadbd mariadb-install-db slurmdbd slurmctld slurmd slurmrestd sacct sacctmgr; do
        if ! PATH=$PATH:/usr/sbin command -v $program >/dev/null; then
            echo "real Slurm needs $program: run contrib/dev/deps.sh test" && return 1
        fi
    done
    if ! wrapper=$(find_wrapper); then echo "real Slurm needs libnss-wrapper: run contrib/dev/deps.sh test" && return 1; fi
    if [ -z "$(plugin_dir)" ]; then echo "no folder of Slurm's plugins" && return 1; fi
}

find_wrapper() {
    local library
    for library in /usr/lib/*/libnss_wrapper.so; do [ -e "$library" ] && echo "$library" && return; done
    return 1
}

plugin_dir() {
    local auth
    for auth in /usr/lib/*/slurm-wlm/auth_munge.so /usr/lib/*/slurm/auth_munge.so; do
        [ -e "$auth" ] && dirname "$auth" && return
    done
}

# Debian's daemons have a suffix, and slurmctld must be called exactly that: it compares its own name.
program_of() {
    local name=$1 path
    for path in "/usr/sbin/$name-wlm" "/usr/sbin/$name"; do [ -x "$path" ] && echo "$path" && return; done
}

# --- places and ports -----------------------------------------------------------------------------

in_use() { # port: whether something listens there
    awk -v port="$(printf '%04X' "$1")" '$4 == "0A" && substr($2, length($2) - 3) == port { found = 1 } END { exit !found }' \
        /proc/net/tcp /proc/net/tcp6 2>/dev/null
}

block_is_free() {
    local offset
    for offset in $(seq 0 39); do in_use $(($1 * block_ports + offset)) && return 1; done
    return 0
}

# A folder /tmp/ledger-slurm.BLOCK is both the claim on a block of ports and the place of everything with a socket: paths of
# sockets are limited to 107 bytes, and users must get there. A claim is stale when nothing of its cluster lives.
claim_place() {
    local blocks=$((last_block - first_block + 1)) start try block
    start=$((RANDOM % blocks))
    for try in $(seq 0 $((blocks - 1))); do
        block=$((first_block + (start + try) % blocks))
        place=/tmp/ledger-slurm.$block
        if [ -d "$place" ]; then
            any_alive "$place" || [ -n "$(find "$place" -maxdepth 0 -mmin -2)" ] || remove_place "$place"
        fi
        block_is_free $block && mkdir -m 755 "$place" 2>/dev/null && return
    done
    fail "no free block of ports"
}

remove_place() {
    case $1 in /tmp/ledger-slurm.[0-9]*) rm -rf "$1" ;; esac
}

find_place() {
    place=
    [ -s "$dir/place" ] && place=$(cat "$dir/place") && [ -d "$place" ]
}

# --- processes ------------------------------------------------------------------------------------

# The process of a daemon, if the one with that number is ours: numbers are used again.
pid_of() { # place daemon
    local pid
    [ -s "$1/pid/$2.pid" ] || return 1
    pid=$(head -n 1 "$1/pid/$2.pid")
    grep -qsaxzF "LEDGER_SLURM=$1" "/proc/$pid/environ" || return 1
    [ "$(cut -d' ' -f3 "/proc/$pid/stat" 2>/dev/null)" != Z ] && echo "$pid"
}

any_alive() {
    local file
    for file in "$1"/pid/*.pid; do
        [ -e "$file" ] && pid_of "$1" "$(basename "$file" .pid)" >/dev/null && return 0
    done
    return 1
}

# Ends a process and waits for it, at last without asking.
end_process() { # pid signal seconds
    local deadline=$((SECONDS + $3))
    kill "-$2" "$1" 2>/dev/null || return 0
    while [ -d "/proc/$1" ] && [ "$(cut -d' ' -f3 "/proc/$1/stat" 2>/dev/null)" != Z ]; do
        [ $SECONDS -lt $deadline ] || { kill -KILL "$1" 2>/dev/null && deadline=$((SECONDS + 5)); }
        sleep 0.02
    done
}

stop_daemon() { # daemon [signal]
    local pid
    pid=$(pid_of "$place" "$1") && end_process "$pid" "${2:-TERM}" 20
    rm -f "$place/pid/$1.pid"
}

# The steps of jobs outlive their slurmd. They are known by the log that they keep open; what they started is below them.
step_daemons() {
    local process fd
    for process in /proc/[0-9]*; do
        case $(readlink "$process/exe" 2>/dev/null) in */slurmstepd*) ;; *) continue ;; esac
        for fd in "$process"/fd/*; do
            case $(readlink "$fd" 2>/dev/null) in "$dir/log/"*) echo "${process#/proc/}" && break ;; esac
        done
    done
}

below() { # pid: all that it started, deepest first
    local children child
    children=$(cat "/proc/$1/task/"*/children 2>/dev/null)
    for child in $children; do
        below "$child"
        echo "$child"
    done
}

kill_steps() {
    local step
    for step in $(step_daemons); do
        # shellcheck disable=SC2046 # a list of numbers
        kill -KILL $(below "$step") 2>/dev/null
        end_process "$step" TERM 3
    done
}

wait_for() { # what seconds command...
    local what=$1 deadline=$((SECONDS + $2))
    shift 2
    until "$@" >/dev/null 2>&1; do
        [ $SECONDS -lt $deadline ] || { echo "cluster.sh: $what did not come up: see $dir/log" >&2 && return 1; }
        sleep 0.1
    done
}

# --- configuration --------------------------------------------------------------------------------

write_users() {
    local name uid=20000
    getent -s files passwd >"$place/etc/passwd"
    getent -s files group >"$place/etc/group"
    for name in alice bob carol dave $(printf 'u%02d ' $(seq 1 20)) slurmrest; do
        uid=$((uid + 1))
        echo "$name:x:$uid:$uid::/tmp:/bin/bash" >>"$place/etc/passwd"
        echo "$name:x:$uid:" >>"$place/etc/group"
    done
}

write_environment() {
    cat >"$dir/env.sh" <<E
export LEDGER_SLURM=$place SLURM_CONF=$place/etc/slurm.conf
export LD_PRELOAD=$wrapper NSS_WRAPPER_PASSWD=$place/etc/passwd NSS_WRAPPER_GROUP=$place/etc/group
export MYSQL_UNIX_PORT=$place/db.sock SLURM_DATABASE=slurm_acct SLURM_REST=http://127.0.0.1:$((base + 2))
slurm_jwt() { scontrol token username="\${1:-root}" lifespan="\${2:-86400}" | sed s/^SLURM_JWT=//; }
slurm_as() {
    local user=\$1
    shift
    setpriv --reuid="\$(id -u "\$user")" --regid="\$(id -g "\$user")" --clear-groups "\$@"
}
E
    local command
    mkdir -p "$place/bin"
    for command in sacct sacctmgr salloc sbatch scancel scontrol sdiag sinfo sprio squeue sreport srun; do
        printf '#!/bin/bash\n. %s/env.sh\nexec /usr/bin/%s "$@"\n' "$place" $command >"$place/bin/$command"
        chmod 755 "$place/bin/$command"
    done
    cp "$dir/env.sh" "$place/env.sh"
    ln -sfn "$place/bin" "$dir/bin"
}

write_database_conf() {
    cat >"$place/etc/my.cnf" <<E
[mysqld]
user=root
datadir=$place/db
socket=$place/db.sock
pid-file=$place/pid/mariadbd.pid
log-error=$dir/log/mariadbd.log
skip-networking
innodb_buffer_pool_size=128M
innodb_log_file_size=64M
innodb_lock_wait_timeout=900
innodb_flush_log_at_trx_commit=0
innodb_doublewrite=0
max_allowed_packet=64M
character-set-server=utf8mb4
E
    cat >"$place/etc/slurmdbd.conf" <<E
AuthType=auth/munge
AuthInfo=socket=$place/munge/socket
AuthAltTypes=auth/jwt
AuthAltParameters=jwt_key=$place/etc/jwt_hs256.key
DbdHost=$host
DbdAddr=127.0.0.1
DbdPort=$((base + 1))
SlurmUser=root
DebugLevel=info
LogFile=$dir/log/slurmdbd.log
PidFile=$place/pid/slurmdbd.pid
StorageType=accounting_storage/mysql
StorageHost=localhost
StorageUser=root
StorageLoc=slurm_acct
CommitDelay=1
E
    chmod 600 "$place/etc/slurmdbd.conf"
}

submit_plugin() {
    if [ -n "$plugin" ]; then
        echo "JobSubmitPlugins=ledger"
    elif [ -n "$lua" ]; then
        cp "$lua" "$place/etc/job_submit.lua"
        echo "JobSubmitPlugins=lua"
    fi
    echo "PluginDir=${plugin:+$plugin:}$(plugin_dir)"
}

nodes() { # prefix count first-port gres
    local n
    for n in $(seq 1 "$2"); do
        echo "NodeName=$1$n NodeHostname=$host NodeAddr=127.0.0.1 Port=$(($3 + n)) CPUs=$cpus Boards=1 SocketsPerBoard=1" \
            "CoresPerSocket=$cpus ThreadsPerCore=1 RealMemory=64000 State=UNKNOWN$4"
    done
}

node_names() {
    local n
    for n in $(seq 1 "$gpu_nodes"); do echo "gn$n"; done
    for n in $(seq 1 "$cpu_nodes"); do echo "cn$n"; done
}

# A requeued job starts again after cred_expire, of which less than 5 counts as nothing said; slurmd's silence counts after SlurmdTimeout.
write_slurm_conf() {
    local gpu_list="gn[1-$gpu_nodes]" all_list="gn[1-$gpu_nodes]"
    [ "$cpu_nodes" -eq 0 ] || all_list="$all_list,cn[1-$cpu_nodes]"
    cat <<E
ClusterName=$cluster
SlurmctldHost=$host(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$place/munge/socket,cred_expire=5
AuthAltTypes=auth/jwt
AuthAltParameters=jwt_key=$place/etc/jwt_hs256.key
SlurmctldPort=$base
SrunPortRange=$((base + 40))-$((base + 99))
SlurmctldPidFile=$place/pid/slurmctld.pid
SlurmdPidFile=$place/pid/slurmd-%n.pid
SlurmctldLogFile=$dir/log/slurmctld.log
SlurmdLogFile=$dir/log/slurmd-%n.log
StateSaveLocation=$place/state
SlurmdSpoolDir=$place/spool/%n
PlugStackConfig=$place/etc/plugstack.conf
SlurmctldDebug=info
SlurmdDebug=info
SlurmdTimeout=10
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
SlurmdParameters=config_overrides
SchedulerType=sched/backfill
SchedulerParameters=bf_interval=1,bf_continue,sched_interval=1,sched_min_interval=20000,batch_sched_delay=0,default_queue_depth=1000,kill_invalid_depend
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
PriorityType=priority/basic
MaxJobCount=200000
MaxArraySize=$max_array
MinJobAge=60
KillWait=1
CompleteWait=0
InactiveLimit=0
OverTimeLimit=0
JobRequeue=1
GresTypes=gpu
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort=$((base + 1))
AccountingStoragePass=$place/munge/socket
AccountingStorageTRES=gres/gpu,gres/gpu:a100
AccountingStorageEnforce=associations,limits,qos
AccountingStoreFlags=job_comment
JobCompType=jobcomp/none
PreemptType=preempt/none
E
    submit_plugin
    nodes gn "$gpu_nodes" $((base + 10)) " Gres=gpu:a100:$gpus"
    nodes cn "$cpu_nodes" $((base + 25)) ''
    cat <<E
PartitionName=cpu Nodes=$all_list Default=YES MaxTime=7-0 DefaultTime=60 DefMemPerCPU=1000
PartitionName=gpu Nodes=$gpu_list MaxTime=7-0 DefaultTime=60 DefMemPerCPU=2000
PartitionName=whole Nodes=$all_list MaxTime=7-0 DefaultTime=60 OverSubscribe=EXCLUSIVE
PartitionName=mem Nodes=$all_list MaxTime=2-0 DefMemPerNode=8000
PartitionName=endless Nodes=$all_list MaxTime=INFINITE DefMemPerCPU=1000
E
}

write_configuration() {
    host=$(hostname -s)
    base=$((${place##*.} * block_ports))
    mkdir -p "$dir/log" "$place"/{dev,etc,pid,state,munge,db,spool,sbin}
    chmod 755 "$place"/*
    local name
    for name in slurmctld slurmd slurmstepd; do ln -sfn "$(program_of $name)" "$place/sbin/$name"; done
    (umask 077 && head -c 32 /dev/urandom >"$place/etc/jwt_hs256.key" && head -c 128 /dev/urandom >"$place/munge/key")
    : >"$place/etc/plugstack.conf"
    # Nothing here uses cgroups; version 1 is the one whose plugin asks nothing of a system that has none.
    printf 'CgroupPlugin=cgroup/v1\nIgnoreSystemd=yes\n' >"$place/etc/cgroup.conf"
    # slurmd counts GPUs by their device files, which nothing here opens.
    for name in $(seq 0 $((gpus - 1))); do : >"$place/dev/gpu$name"; done
    echo "NodeName=gn[1-$gpu_nodes] Name=gpu Type=a100 File=$place/dev/gpu[0-$((gpus - 1))]" >"$place/etc/gres.conf"
    write_users
    write_environment
    write_database_conf
    write_slurm_conf >"$place/etc/slurm.conf"
}

# --- daemons --------------------------------------------------------------------------------------

# Everything that is started is marked, has Slurm's environment and none of our descriptors, and writes into DIR/log.
become() { # log program...
    local log=$dir/log/$1
    shift
    # shellcheck disable=SC1091 # written by write_environment
    . "$place/env.sh"
    cd / || exit 1
    exec 8>&- 9>&-
    exec "$@" </dev/null >>"$log" 2>&1
}

launch() { (become "$@"); }

# The same for programs that stay in the foreground.
launch_behind() { # daemon program...
    local daemon=$1
    shift
    # shellcheck disable=SC2016 # expanded by the inner shell
    become "$daemon.out" setsid bash -c 'echo $$ >"$0" && exec "$@"' "$place/pid/$daemon.pid" "$@" &
}

in_cluster() {
    (
        # shellcheck disable=SC1091 # written by write_environment
        . "$place/env.sh"
        exec timeout 10 "$@"
    )
}

munge_answers() { in_cluster sh -c "munge -n -S $place/munge/socket | unmunge -S $place/munge/socket"; }
database_answers() { mariadb-admin -S "$place/db.sock" -uroot ping; }
accounting_answers() { in_cluster sacctmgr -n list cluster; }
controller_answers() { in_cluster scontrol ping | grep -q UP; }
node_answers() { case $(in_cluster sinfo -h -N -n "$1" -p cpu -o %t) in idle | mix | alloc) ;; *) return 1 ;; esac; }
rest_answers() {
    # shellcheck disable=SC2016 # expanded by the inner shell
    in_cluster bash -c '. "$0/env.sh"; curl -sf -H X-SLURM-USER-NAME:root -H "X-SLURM-USER-TOKEN:$(slurm_jwt root)" \
        "$SLURM_REST/slurm/v0.0.38/ping"' "$place"
}

start_database() {
    if [ ! -d "$place/db/mysql" ]; then
        launch mariadb-install.log mariadb-install-db --defaults-file="$place/etc/my.cnf" --user=root \
            --auth-root-authentication-method=normal --skip-test-db || return 1
    fi
    launch_behind mariadbd mariadbd --defaults-file="$place/etc/my.cnf"
    wait_for mariadbd 60 database_answers
}

start_controller() {
    local hook=()
    [ -z "$hook_conf" ] || hook+=("LEDGER_HOOK_CONF=$hook_conf")
    [ -z "$lua_path" ] || hook+=("LUA_CPATH=$lua_path")
    launch slurmctld.out env "${hook[@]}" "$place/sbin/slurmctld" -i && wait_for slurmctld 30 controller_answers
}

start_rest() {
    local user
    user=$(awk -F: '$1 == "slurmrest" { print $3 }' "$place/etc/passwd")
    launch_behind slurmrestd env SLURM_JWT=daemon setpriv --reuid="$user" --regid="$user" --clear-groups \
        slurmrestd -a rest_auth/jwt -s openapi/v0.0.38,openapi/dbv0.0.38 127.0.0.1:$((base + 2))
    wait_for slurmrestd 20 rest_answers
}

start_daemon() {
    pid_of "$place" "$1" >/dev/null && return
    rm -f "$place/pid/$1.pid"
    case $1 in
    munged)
        launch munged.out munged --force --socket="$place/munge/socket" --key-file="$place/munge/key" --num-threads=4 \
            --pid-file="$place/pid/munged.pid" --log-file="$dir/log/munged.log" --seed-file="$place/munge/seed" &&
            wait_for munged 10 munge_answers
        ;;
    mariadbd) start_database ;;
    slurmdbd) launch slurmdbd.out slurmdbd && wait_for slurmdbd 60 accounting_answers ;;
    slurmctld) start_controller ;;
    slurmrestd) start_rest ;;
    slurmd-*)
        mkdir -p "$place/spool/${1#slurmd-}"
        launch "$1.out" "$place/sbin/slurmd" -N "${1#slurmd-}" -d "$place/sbin/slurmstepd"
        ;;
    *) fail "no daemon $1" ;;
    esac
}

seed_accounting() {
    # shellcheck disable=SC2016 # expanded by the inner shell
    in_cluster bash -e -c '
        add() { sacctmgr -i -Q add "$@"; }
        add cluster "$0"
        add qos urgent Priority=1000
        add qos low Priority=1
        add account research Description=research Organization=org
        add account ml,bio,crowd parent=research Description=group Organization=org
        add user root account=research adminlevel=Admin
        add user alice,bob account=ml
        add user carol account=bio
        add user alice account=bio
        add user "$(seq -s, -f u%02g 1 20)" account=crowd
        sacctmgr -i -Q modify account research set qos=normal,urgent,low defaultqos=normal
    ' "$cluster" >>"$dir/log/seed.log" 2>&1
}

# --- up and down ----------------------------------------------------------------------------------

start_all() {
    local node
    start_daemon munged && start_daemon mariadbd && start_daemon slurmdbd && seed_accounting && start_daemon slurmctld || return 1
    for node in $(node_names); do start_daemon "slurmd-$node" || return 1; done
    for node in $(node_names); do wait_for "node $node" 30 node_answers "$node" || return 1; done
    [ -z "$rest" ] || start_daemon slurmrestd
}

all_alive() {
    local node
    for daemon in munged mariadbd slurmdbd slurmctld ${rest:+slurmrestd}; do pid_of "$place" "$daemon" >/dev/null || return 1; done
    for node in $(node_names); do pid_of "$place" "slurmd-$node" >/dev/null || return 1; done
}

watch_owner() {
    # shellcheck disable=SC2016 # expanded by the inner shell
    launch_behind owner-watch bash -c 'tail --pid="$0" -f /dev/null; exec bash "$1" down "$2"' "$owner" "$self" "$dir"
}

up() {
    local wanted="$*"
    read_options "$@"
    wrapper=$(find_wrapper)
    if find_place && [ "$(cat "$place/options" 2>/dev/null)" = "$wanted" ] && all_alive; then return; fi
    down
    exec 8<"$self"
    flock 8 # one at a time chooses ports
    claim_place
    echo "$place" >"$dir/place"
    write_configuration
    save_options "$wanted"
    exec 8<&-
    if ! start_all; then
        tail -n 5 "$dir"/log/* >&2
        down
        fail "no cluster in $dir"
    fi
    [ -z "$owner" ] || watch_owner
}

# Jobs end through Slurm itself, those that wait first, since they would start as soon as others end.
end_jobs() {
    local deadline=$((SECONDS + 10))
    pid_of "$place" slurmctld >/dev/null && pid_of "$place" slurmdbd >/dev/null || return
    in_cluster scancel --state=PENDING --user= >/dev/null 2>&1
    while [ $SECONDS -lt $deadline ] && [ -n "$(in_cluster squeue -h -o %A 2>/dev/null | head -n 1)" ]; do
        in_cluster bash -c 'squeue -h -o %A | sort -u | head -n 1000 | xargs -r scancel' >/dev/null 2>&1
        sleep 0.2
    done
}

# Unless it is the one that takes the cluster down.
stop_watching() {
    local pid
    pid=$(pid_of "$place" owner-watch) && [ "$pid" != $$ ] || return
    # shellcheck disable=SC2046 # a list of numbers
    kill "$pid" $(below "$pid") 2>/dev/null
}

down() {
    local daemon file
    if find_place; then
        stop_watching
        end_jobs
        for daemon in slurmrestd slurmctld; do stop_daemon $daemon; done
        for file in "$place"/pid/slurmd-*.pid; do [ -e "$file" ] && stop_daemon "$(basename "$file" .pid)"; done
        kill_steps
        for daemon in slurmdbd mariadbd munged; do stop_daemon $daemon; done
        remove_place "$place"
    fi
    rm -f "$dir/place" "$dir/env.sh" "$dir/bin"
}

default_options() {
    cluster=sdli gpu_nodes=2 cpu_nodes=1 gpus=4 cpus=16 max_array=1001
    plugin='' hook_conf='' lua='' lua_path='' rest='' owner=''
}

read_options() {
    default_options
    while [ $# -gt 0 ]; do
        case $1 in
        --rest) rest=yes && shift && continue ;;
        --*) [ $# -ge 2 ] || usage ;;
        esac
        case $1 in
        --gpu-nodes) gpu_nodes=$2 ;;
        --cpu-nodes) cpu_nodes=$2 ;;
        --gpus) gpus=$2 ;;
        --cpus) cpus=$2 ;;
        --max-array) max_array=$2 ;;
        --cluster) cluster=$2 ;;
        --plugin) plugin=$(readlink -f "$2") ;;
        --hook-conf) hook_conf=$(readlink -f "$2") ;;
        --lua) lua=$(readlink -f "$2") ;;
        --lua-path) lua_path=$2 ;;
        --owner) owner=$2 ;;
        *) usage ;;
        esac
        shift 2
    done
    { [ "$gpu_nodes" -ge 1 ] && [ "$gpu_nodes" -le 15 ] && [ "$cpu_nodes" -le 15 ]; } || fail "1 to 15 GPU nodes, at most 15 others"
}

# What a later start of one daemon needs to know.
save_options() {
    echo "$1" >"$place/options"
    local name
    for name in cluster host base hook_conf lua_path; do echo "$name=${!name@Q}"; done >"$place/settings"
}

one_daemon() { # verb daemon
    find_place || fail "there is no cluster in $dir"
    default_options
    # shellcheck disable=SC1091 # written by save_options
    . "$place/settings"
    case $1 in
    start) start_daemon "$2" ;;
    stop) stop_daemon "$2" TERM ;;
    kill) stop_daemon "$2" KILL ;;
    pid) pid_of "$place" "$2" ;;
    esac
}

[ $# -ge 1 ] || usage
verb=$1 && shift
PATH=$PATH:/usr/sbin:/sbin
unset LD_PRELOAD
if [ "$verb" = check ]; then
    check
    exit
fi
reason=$(check) || fail "$reason"
[ $# -ge 1 ] || usage
[ "$verb" != down ] || [ -d "$1" ] || exit 0
mkdir -p "$1" || exit 1
dir=$(cd "$1" && pwd -P)
shift
exec 9>"$dir/lock"
flock -w 300 9 || fail "$dir is in use by another run"

case $verb in
up) up "$@" ;;
down) down ;;
start | stop | kill | pid) [ $# -eq 1 ] && one_daemon "$verb" "$1" ;;
*) usage ;;
esac
