#!/usr/bin/python3
"""coprotect decrypt of a small file, through two agents over mutual TLS, against clevis with two of two tang servers.

clevis.py [--rounds N] SYSTEM     SYSTEM is the folder of `scripts/demo --keep`
"""

import argparse
import contextlib
import json
import os
import shutil
import socket
import subprocess
import tempfile

from interleaved import detail, environment, medians, row, run

RATIO_LIMIT = 0.35
TANGD = "/usr/libexec/tangd"
TEXT = b"quarterly figures: revenue 1 204 311, costs 981 002\n"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def answers(port):
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0


@contextlib.contextmanager
def tang(folder):
    """A tang server with keys of its own, started for each connection as its systemd socket does; gives the URL."""
    keys = os.path.join(folder, "keys")
    os.mkdir(keys)
    subprocess.run([f"{TANGD}-keygen", keys], check=True, capture_output=True)
    port = free_port()
    server = subprocess.Popen(
        ["socat", f"TCP-LISTEN:{port},bind=127.0.0.1,fork,reuseaddr", f"EXEC:{TANGD} {keys}"],
        stderr=subprocess.DEVNULL,
    )
    try:
        while not answers(port):
            if server.poll() is not None:
                raise SystemExit("socat does not listen")
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait()


def bind(urls, env):
    """TEXT encrypted so that all of the servers are needed."""
    pins = []
    for url in urls:
        advertised = subprocess.run(["curl", "-sf", f"{url}/adv"], check=True, capture_output=True).stdout
        pins.append({"url": url, "adv": json.loads(advertised)})
    policy = json.dumps({"t": len(pins), "pins": {"tang": pins}})
    return subprocess.run(
        ["clevis", "encrypt", "sss", policy], env=env, input=TEXT, check=True, capture_output=True
    ).stdout


def check(path):
    with open(path, "rb") as f:
        if f.read() != TEXT:
            raise SystemExit(f"{path} holds other bytes")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("system")
    options = parser.parse_args()
    env = environment(options.system)
    folder = tempfile.mkdtemp(prefix="coprotect-clevis-")
    try:
        for name in ("one", "two"):
            os.mkdir(os.path.join(folder, name))
        plain, ours, theirs, out = (os.path.join(folder, n) for n in ("plain", "plain.cop", "plain.jwe", "out"))
        with open(plain, "wb") as f:
            f.write(TEXT)
        run(["coprotect", "encrypt", plain, "-o", ours], env)
        with tang(os.path.join(folder, "one")) as one, tang(os.path.join(folder, "two")) as two:
            with open(theirs, "wb") as f:
                f.write(bind([one, two], env))
            runs = {"coprotect": [], "clevis": []}
            for _ in range(options.rounds):
                runs["coprotect"].append(run(["coprotect", "decrypt", ours, "-o", out, "--force"], env))
                check(out)
                runs["clevis"].append(run(["clevis", "decrypt"], env, stdin=theirs, stdout=out))
                check(out)
    finally:
        shutil.rmtree(folder)
    a, b = medians(runs["coprotect"]), medians(runs["clevis"])
    row(
        "decrypt a small file, two agents, against clevis",
        f"{a.wall / b.wall:.2f}×",
        f"≤ {RATIO_LIMIT}×",
        a.wall <= RATIO_LIMIT * b.wall,
    )
    detail(f"coprotect {a.wall * 1e3:.0f} ms, clevis {b.wall * 1e3:.0f} ms")


main()
