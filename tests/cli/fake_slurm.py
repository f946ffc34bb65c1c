"""Slurm's programs as scripts, for faults that the real ones cannot be made to show.

    fake = FakeSlurm()
    fake.jobs = [job(1, "ml", ...)]      what accounting holds; fake.live: what slurmctld holds
    fake.fault("sacct", "half")          from now on
    fake.calls("sacct")                  the arguments of each call
"""

import json
import os
import stat
import sys

import ledger_test as lt

HERE = os.path.dirname(os.path.abspath(__file__))
PROGRAMS = ("sacct", "squeue", "sacctmgr", "scontrol")
PARTITIONS = "".join(
    f"PartitionName={name} AllowGroups=ALL Default={default} DefaultTime=01:00:00 MaxTime=7-00:00:00 "
    "OverSubscribe=NO DefMemPerNode=UNLIMITED TRES=cpu=32\n"
    for name, default in (("gpu", "YES"), ("cpu", "NO")))
NODES = ("NodeName=gn1 Arch=x86_64 Gres=gpu:4 OS=Linux 6.1 #1 SMP RealMemory=64000 Partitions=gpu,cpu "
         "CfgTRES=cpu=16,mem=62.50G,billing=16,gres/gpu=4 AllocTRES=\n")


def job(number, submit, start, end, **changes):
    """A row of accounting; times are seconds since 1970, end None while it runs."""
    row = {"JobIDRaw": str(number), "JobID": str(number), "Cluster": "sdli", "User": "alice", "UID": "20001",
           "Account": "h1", "Partition": "gpu", "QOS": "normal", "State": "COMPLETED" if end else "RUNNING",
           "Submit": str(submit), "Start": str(start), "End": str(end) if end else "Unknown",
           "ElapsedRaw": str((end or start) - start if isinstance(start, int) else 0), "Suspended": "00:00:00", "TimelimitRaw": "60",
           "AllocTRES": "billing=1,cpu=4,gres/gpu=2,node=1", "ExitCode": "0:0", "NodeList": "gn1",
           "Reservation": "", "JobName": "wrap", "AdminComment": ""}
    row.update(changes)
    return row


def live_job(number, submit, start, **changes):
    """A job of squeue --json, pending where start is None."""
    shown = {"job_id": number, "job_state": "RUNNING" if start else "PENDING", "state_reason": "None",
             "array_job_id": 0, "array_task_id": None, "array_task_string": "", "array_max_tasks": 0,
             "het_job_id": 0, "user_id": 20001, "user_name": "alice", "account": "h1", "partition": "gpu",
             "qos": "normal", "start_time": start or 0, "submit_time": submit, "time_limit": 60,
             "tres_req_str": "cpu=4,node=1,billing=1,gres/gpu=2",
             "tres_alloc_str": "cpu=4,node=1,billing=1,gres/gpu=2" if start else "", "admin_comment": "",
             "cluster": "sdli"}
    shown.update(changes)
    return shown


class FakeSlurm:
    def __init__(self):
        self.folder = lt.temp_dir()
        self.jobs, self.live = [], []
        self.texts = {"partition": PARTITIONS, "node": NODES, "config": "DefMemPerNode           = UNLIMITED\n",
                      "cluster": "sdli\n", "defaults": "alice|h1\n", "associations": "alice|h1||normal\n"}
        for program in PROGRAMS:
            path = os.path.join(self.folder, program)
            with open(path, "w", encoding="utf-8") as file:
                file.write(f"#!{sys.executable} -SE\nimport sys\nsys.path.insert(0, {HERE!r})\n"
                           f"import fake_slurm_program\nfake_slurm_program.main({program!r}, {self.folder!r})\n")
            os.chmod(path, os.stat(path).st_mode | stat.S_IXUSR)
        self.save()

    def save(self):
        """Makes what the programs tell what it is now, in one step."""
        path = os.path.join(self.folder, "state.json")
        with open(path + ".new", "w", encoding="utf-8") as file:
            json.dump({"jobs": self.jobs, "live": self.live, "texts": self.texts}, file)
        os.replace(path + ".new", path)

    def fault(self, program, kind):
        """kind None: well again."""
        path = os.path.join(self.folder, program + ".fault")
        if kind is None:
            if os.path.exists(path):
                os.remove(path)
        else:
            with open(path, "w", encoding="utf-8") as file:
                file.write(kind)

    def calls(self, program):
        path = os.path.join(self.folder, program + ".calls")
        if not os.path.exists(path):
            return []
        with open(path, encoding="utf-8") as file:
            return [json.loads(line) for line in file]

    def forget_calls(self):
        for program in PROGRAMS:
            path = os.path.join(self.folder, program + ".calls")
            if os.path.exists(path):
                os.remove(path)

    def conf(self, **settings):
        """A configuration's text with this cluster."""
        lines = {"mode": "sacct", "command": os.path.join(self.folder, "sacct"), **settings}
        return "[slurm sdli]\n" + "".join(f"{key} = {value}\n" for key, value in lines.items())


def option(arguments, letter):
    """The word behind an option of a call."""
    return arguments[arguments.index(letter) + 1] if letter in arguments else None
