#!/usr/bin/python3
"""coprotect encrypt and decrypt of a large file against age, from tmpfs to tmpfs.

age.py [--mib N] [--rounds N] [--first] SYSTEM     SYSTEM is the folder of `scripts/demo --keep`
--first runs both before all other programs of the machine (chrt, needs root), for a machine that is not idle
"""

import argparse
import filecmp
import os
import subprocess
import tempfile

from interleaved import detail, environment, medians, row, run

RATIO_LIMIT = 0.5
RESIDENT_LIMIT_KIB = 32 * 1024


def random_file(path, mib):
    with open(path, "wb") as f:
        for _ in range(mib):
            f.write(os.urandom(1 << 20))


def age_key(folder, env):
    """The key's file and its recipient."""
    path = os.path.join(folder, "age.key")
    subprocess.run(["age-keygen", "-o", path], env=env, check=True, capture_output=True)
    shown = subprocess.run(["age-keygen", "-y", path], env=env, check=True, capture_output=True, text=True)
    return path, shown.stdout.strip()


def compare(name, ours, theirs):
    a, b = medians(ours), medians(theirs)
    row(f"{name}, wall time against age", f"{a.wall / b.wall:.2f}×", f"≤ {RATIO_LIMIT}×", a.wall <= RATIO_LIMIT * b.wall)
    row(f"{name}, resident memory", f"{a.resident_kib / 1024:.1f} MiB", "≤ 32 MiB", a.resident_kib <= RESIDENT_LIMIT_KIB)
    detail(
        f"coprotect {a.wall:.2f} s (processor {a.cpu:.2f} s), age {b.wall:.2f} s (processor {b.cpu:.2f} s, "
        f"{b.resident_kib / 1024:.1f} MiB); ratio of processor time {a.cpu / b.cpu:.2f}×"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mib", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--first", action="store_true")
    parser.add_argument("system")
    options = parser.parse_args()
    env = environment(options.system)
    scheduling = ["chrt", "--fifo", "1"] if options.first else []
    with tempfile.TemporaryDirectory(prefix="coprotect-age-", dir="/dev/shm") as folder:
        plain, ours, theirs, out = (os.path.join(folder, n) for n in ("plain", "plain.cop", "plain.age", "out"))
        random_file(plain, options.mib)
        key, recipient = age_key(folder, env)
        commands = {
            "coprotect encrypt": (["coprotect", "encrypt", plain, "-o", ours], ours),
            "age encrypt": (["age", "-r", recipient, "-o", theirs, plain], theirs),
            "coprotect decrypt": (["coprotect", "decrypt", ours, "-o", out], out),
            "age decrypt": (["age", "-d", "-i", key, "-o", out, theirs], out),
        }
        runs = {name: [] for name in commands}
        for _ in range(options.rounds):
            for name, (command, made) in commands.items():
                if os.path.exists(made):
                    os.unlink(made)
                runs[name].append(run(scheduling + command, env))
                if made == out and not filecmp.cmp(plain, out, shallow=False):
                    raise SystemExit(f"{name} gave other bytes")
        for verb in ("encrypt", "decrypt"):
            compare(f"{verb} {options.mib} MiB", runs[f"coprotect {verb}"], runs[f"age {verb}"])


main()
