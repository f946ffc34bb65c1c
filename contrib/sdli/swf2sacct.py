#!/usr/bin/python3
"""Map a Standard Workload Format trace to the text that `sacct -a -D -P` prints.

    swf2sacct.py traces/evalys_easy_mediumWL_smallPF.swf > slurm.sacct

The trace holds 800 jobs of a small cluster within three hours, and nothing but
their shapes: submit time, run time, processors, requested time. This script
moves them to the example centre (180 nodes of 4 GPUs, 16 CPU nodes) and to June
and July 2027. What it does, field by field:

    job number       order of submission, as a Slurm job id from 100001 upward
    submit time      seconds x 270 from 1 June 2027, 00:00 (three hours become 34 days)
    run time         x 270; never less than a second
    requested time   x 270, in whole minutes, as the time limit
    processors       GPUs (or CPU nodes), times a size that belongs to the project
    wait time        none in the trace; first come, first served on the centre's nodes
    user, project    none in the trace; drawn by a hash of the job number (WORKLOADS)
    status           all completed in the trace; real life is mixed in by job number (fate)

Everything is a function of the trace, so the same trace gives the same bytes.
The times are local (Asia/Tokyo, UTC+9), without a zone, as sacct prints them.
The listing is taken at the instant the last job is submitted: that job is
pending, and those that had not ended by then are running.
"""

import hashlib
import heapq
import sys
from datetime import datetime, timedelta
from typing import NamedTuple

ORIGIN = datetime(2027, 6, 1)
SCALE = 270
FIRST_JOB_ID = 100001
CLUSTER = "sdli"

GPUS_PER_NODE = 4
CORES_PER_GPU = 72
MEM_GIB_PER_GPU = 480
CORES_PER_CPU_NODE = 128
MEM_GIB_PER_CPU_NODE = 512

COLUMNS = (
    "JobID JobIDRaw Cluster Account User QOS Partition JobName State ExitCode Submit Start End "
    "ElapsedRaw Suspended TimelimitRaw NNodes NCPUS AllocTRES NodeList Reservation AdminComment"
).split()


class Workload(NamedTuple):
    """What a project runs: `weight` of 100 jobs, `size` GPUs (or CPU nodes) a processor."""
    account: str
    users: tuple
    weight: int
    partition: str
    size: int
    names: tuple
    mem_gib_per_gpu: int = MEM_GIB_PER_GPU
    array: bool = False


WORKLOADS = (
    Workload("hp270001", ("u00042", "u00043", "u00044"), 25, "gpu", 32, ("pretrain", "eval")),
    Workload("hp270014", ("u00101", "u00102"), 19, "gpu", 32, ("climate-emulator", "ensemble")),
    Workload("geophys", ("u00120", "u00121"), 14, "gpu", 16, ("fwi", "津波-inversion")),
    Workload("hp270108", ("u00150",), 7, "gpu", 8, ("md-fep",)),
    Workload("gen27001", ("u00201", "u00202", "u00203"), 10, "gpu", 16, ("lecture", "thesis run")),
    Workload("gen27002", ("u00210",), 7, "cpu", 1, ("prep", "assembly")),
    Workload("gen27003", ("u00220", "u00221"), 5, "gpu", 1, ("sweep",), 960, True),
    Workload("ind27001", ("u00301", "u00302"), 6, "gpu", 16, ("inverse-design",)),
    Workload("acme-drug", ("u00310",), 4, "gpu", 16, ("docking", "admet")),
    Workload("ind27003", ("u00320",), 3, "gpu", 8, ("rtl-synthesis",)),
)


class TraceJob(NamedTuple):
    submit_s: float
    run_s: float
    processors: int
    requested_s: float


class Shape(NamedTuple):
    """What one Slurm job (or array task) asks for."""
    workload: Workload
    user: str
    qos: str
    name: str
    gpus: int
    nodes: int
    run: timedelta
    limit_minutes: int


class Row(NamedTuple):
    """One job row: an execution of a job. A requeued job has two."""
    job_id: str
    raw_id: int
    shape: Shape
    state: str
    exit_code: str
    submit: datetime
    start: object
    end: object
    elapsed: timedelta
    suspended: timedelta
    node_list: str
    steps: bool


class Centre:
    """The nodes of one partition, given out first come, first served."""

    def __init__(self, prefix, digits, count, units):
        self.prefix, self.digits, self.units = prefix, digits, units
        self.free = [units] * count
        self.running = []
        self.clock = ORIGIN

    def start(self, submit, nodes, units):
        """Wait until `nodes` nodes have `units` free units each; return when, and which."""
        self.clock = max(self.clock, submit + timedelta(seconds=1))
        while True:
            while self.running and self.running[0][0] <= self.clock:
                _, _, held, amount = heapq.heappop(self.running)
                for n in held:
                    self.free[n] += amount
            fitting = [n for n, free in enumerate(self.free) if free >= units][:nodes]
            if len(fitting) == nodes:
                return self.clock, fitting
            self.clock = self.running[0][0]

    def occupy(self, end, key, held, units):
        for n in held:
            self.free[n] -= units
        heapq.heappush(self.running, (end, key, held, units))

    def node_list(self, held):
        """The nodes in Slurm's bracket form: gn[001-016,020]."""
        ranges = []
        for n in sorted(held):
            if ranges and ranges[-1][1] == n:
                ranges[-1][1] = n + 1
            else:
                ranges.append([n, n + 1])
        text = ",".join(
            f"{a + 1:0{self.digits}d}" + (f"-{b:0{self.digits}d}" if b - a > 1 else "")
            for a, b in ranges)
        return self.prefix + (text if len(held) == 1 else f"[{text}]")


def draw(number, what, limit):
    """A number below `limit`, fixed by the job number and the purpose."""
    digest = hashlib.sha256(f"{number} {what}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % limit


def trace_read(path):
    jobs = []
    with open(path, encoding="ascii") as lines:
        for line in lines:
            if line.strip() and not line.startswith(";"):
                f = line.split()
                jobs.append(TraceJob(float(f[1]), float(f[3]), int(f[4]), float(f[8])))
    return sorted(jobs)


def instant_of(job):
    """When the job is submitted at the centre."""
    return ORIGIN + timedelta(seconds=round(job.submit_s * SCALE))


def workload_pick(number):
    ticket = draw(number, "project", sum(w.weight for w in WORKLOADS))
    for workload in WORKLOADS:
        if ticket < workload.weight:
            return workload
        ticket -= workload.weight
    raise AssertionError("weights do not cover the ticket")


def shape_of(number, job):
    workload = workload_pick(number)
    processors = 1 if workload.array else job.processors
    gpus = processors * workload.size if workload.partition == "gpu" else 0
    nodes = max(1, gpus // GPUS_PER_NODE) if gpus else min(processors * workload.size, 16)
    qos = ("normal",) * 17 + ("low", "low", "urgent")
    return Shape(
        workload=workload,
        user=workload.users[draw(number, "user", len(workload.users))],
        qos=qos[draw(number, "qos", len(qos))],
        name=workload.names[draw(number, "name", len(workload.names))],
        gpus=gpus,
        nodes=nodes,
        run=timedelta(seconds=max(1, round(job.run_s * SCALE))),
        limit_minutes=-(-round(job.requested_s * SCALE) // 60))


def fate(number):
    """How a job ends: (state, exit code, share of its run time in eighths)."""
    if number % 101 == 50:
        return "NODE_FAIL", "0:0", 3
    if number % 89 == 40:
        return "REQUEUED", "0:0", 1
    if number % 83 == 30:
        return "CANCELLED before start", "0:0", 0
    if number % 61 == 20:
        return "CANCELLED by 20042", "0:15", 5
    if number % 53 == 10:
        return "TIMEOUT", "0:0", 8
    if number % 47 == 5:
        return "OUT_OF_MEMORY", "0:125", 2
    if number % 29 == 3:
        return "FAILED", "1:0", 1
    return "COMPLETED", "0:0", 8


def run_once(centre, key, shape, submit, eighths, state, suspended):
    """Give the job its nodes; return (start, end, elapsed, nodes)."""
    elapsed = shape.run * eighths // 8
    elapsed = timedelta(seconds=int(elapsed.total_seconds()))
    if state == "TIMEOUT":
        elapsed = timedelta(minutes=shape.limit_minutes, seconds=12)
    units = 1 if not shape.gpus else min(shape.gpus, GPUS_PER_NODE)
    start, held = centre.start(submit, shape.nodes, units)
    end = start + elapsed + suspended
    centre.occupy(end, key, held, units)
    return start, end, elapsed, centre.node_list(held)


def rows_make(jobs):
    centres = {"gpu": Centre("gn", 3, 180, GPUS_PER_NODE), "cpu": Centre("cn", 2, 16, 1)}
    queue, next_id = [], FIRST_JOB_ID
    for number, job in enumerate(jobs, 1):
        submit = instant_of(job)
        shape = shape_of(number, job)
        tasks = job.processors if shape.workload.array else 1
        for task in range(tasks):
            # Array tasks get raw ids of their own; the last one keeps the array's.
            raw = next_id if task == tasks - 1 else next_id + task + 1
            shown = f"{next_id}_{task}" if tasks > 1 else str(raw)
            queue.append((submit, raw, 0, shown, number, shape))
        next_id += tasks
    heapq.heapify(queue)
    while queue:
        submit, raw, attempt, shown, number, shape = heapq.heappop(queue)
        state, code, eighths = ("COMPLETED", "0:0", 8) if attempt else fate(number)
        if state == "CANCELLED before start":
            yield Row(shown, raw, shape, "CANCELLED by 20042", code, submit, None,
                      submit + timedelta(minutes=7), timedelta(0), timedelta(0), "None assigned",
                      False)
            continue
        suspended = timedelta(hours=1 if number % 71 == 6 else 0)
        centre = centres[shape.workload.partition]
        start, end, elapsed, nodes = run_once(
            centre, (raw, attempt), shape, submit, eighths, state, suspended)
        yield Row(shown, raw, shape, state, code, submit, start, end, elapsed, suspended, nodes,
                  number % 20 == 1)
        if state in ("NODE_FAIL", "REQUEUED"):
            heapq.heappush(queue, (end + timedelta(seconds=5), raw, 1, shown, number, shape))


def tres_text(shape):
    if not shape.gpus:
        cores, mem = shape.nodes * CORES_PER_CPU_NODE, shape.nodes * MEM_GIB_PER_CPU_NODE
        return cores, f"billing={cores},cpu={cores},mem={mem}G,node={shape.nodes}"
    cores, mem = shape.gpus * CORES_PER_GPU, shape.gpus * shape.workload.mem_gib_per_gpu
    return cores, (f"billing={shape.gpus},cpu={cores},gres/gpu:gh200={shape.gpus},"
                   f"gres/gpu={shape.gpus},mem={mem}G,node={shape.nodes}")


def clock_text(span):
    hours, rest = divmod(int(span.total_seconds()), 3600)
    return f"{hours:02d}:{rest // 60:02d}:{rest % 60:02d}"


def row_seen(row, now):
    """The row as a listing at `now` shows it, or None if it is not there yet."""
    if row.submit > now:
        return None
    if row.start is None and row.end <= now:
        return row
    if row.start is None or row.start > now:
        return row._replace(state="PENDING", exit_code="0:0", start="Unknown", end="Unknown",
                            elapsed=timedelta(0), node_list="None assigned", steps=False)
    if row.end > now:
        return row._replace(state="RUNNING", exit_code="0:0", end="Unknown",
                            elapsed=now - row.start, suspended=timedelta(0))
    return row


def job_fields(row):
    def when(t):
        return "None" if t is None else t if isinstance(t, str) else t.isoformat()

    started = isinstance(row.start, datetime)
    cores, tres = tres_text(row.shape)
    return {
        "JobID": row.job_id, "JobIDRaw": row.raw_id, "Cluster": CLUSTER,
        "Account": row.shape.workload.account, "User": row.shape.user, "QOS": row.shape.qos,
        "Partition": row.shape.workload.partition, "JobName": row.shape.name, "State": row.state,
        "ExitCode": row.exit_code, "Submit": when(row.submit), "Start": when(row.start),
        "End": when(row.end), "ElapsedRaw": int(row.elapsed.total_seconds()),
        "Suspended": clock_text(row.suspended), "TimelimitRaw": row.shape.limit_minutes,
        "NNodes": row.shape.nodes, "NCPUS": cores, "AllocTRES": tres if started else "",
        "NodeList": row.node_list, "Reservation": "", "AdminComment": ""}


def step_fields(job, step):
    """A step repeats what its job was given; Slurm leaves the owner's columns empty."""
    fields = dict(job, JobID=f"{job['JobID']}.{step}", JobIDRaw=f"{job['JobIDRaw']}.{step}",
                  User="", QOS="", Partition="", JobName=step, TimelimitRaw="", Submit=job["Start"])
    if fields["State"].startswith("CANCELLED"):
        fields["State"] = "CANCELLED"
    return fields


def main(arguments):
    if len(arguments) != 2:
        sys.exit("usage: swf2sacct.py TRACE.swf > slurm.sacct")
    jobs = trace_read(arguments[1])
    rows = list(rows_make(jobs))
    now = instant_of(jobs[-1])
    seen = [row for row in (row_seen(row, now) for row in rows) if row is not None]
    out = open(sys.stdout.fileno(), "w", encoding="utf-8", newline="\n", closefd=False)
    print("|".join(COLUMNS), file=out)
    for row in sorted(seen, key=lambda r: (r.raw_id, r.submit)):
        job = job_fields(row)
        rows_out = [job]
        if row.steps:
            rows_out += [step_fields(job, step) for step in ("batch", "extern", "0")]
        for fields in rows_out:
            print("|".join(str(fields[c]) for c in COLUMNS), file=out)


if __name__ == "__main__":
    main(sys.argv)
