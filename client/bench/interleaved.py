"""Commands that take turns, so that a busy machine slows all of them alike."""

import os
import re
import statistics
import subprocess
import time
from collections import namedtuple

Run = namedtuple("Run", "wall cpu resident_kib")  # seconds, seconds of the processor, kibibytes


def environment(system):
    """What env.sh in the folder of `scripts/demo --keep` exports."""
    command = ["sh", "-c", '. "$1/env.sh" && env -0', "sh", system]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return dict(line.split("=", 1) for line in text.split("\0") if line)


def run(command, env, stdin=None, stdout=None):
    start = time.monotonic()
    process = subprocess.Popen(
        command,
        env=env,
        stdin=open(stdin, "rb") if stdin else subprocess.DEVNULL,
        stdout=open(stdout, "wb") if stdout else subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    said = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    wall = time.monotonic() - start
    if process.returncode != 0:
        raise SystemExit(f"{command[0]} failed: {said.decode(errors='replace')}")
    return Run(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss)


def medians(runs):
    return Run(
        statistics.median(r.wall for r in runs),
        statistics.median(r.cpu for r in runs),
        max(r.resident_kib for r in runs),
    )


def row(name, figure, target, met):
    """One line of the table that scripts/bench prints."""
    print(f"{name:<58} {figure:>10} {target:>10}  {'met' if met else 'not met'}", flush=True)


def detail(text):
    print(re.sub(r"^", "  ", text, flags=re.M), flush=True)
