#!/usr/bin/python3
"""Decryptions per second through one agent, over connections that are kept, against its own public-key operations.

load.py [--requests N] [--batch N] [--connections N] [--agent ROLE] [--threshold-bench PROGRAM] SYSTEM
SYSTEM is the folder of `scripts/demo --keep`

What is compared is processor time, the agent's alone (custodian, front and what they start), so that neither the client nor
other programs count. What the operations cost is measured by threshold_bench before and after.
"""

import argparse
import json
import subprocess
import threading
import time

from system import System, detail, row

EFFICIENCY = 0.60
BODIES = 8


def operations(program, batch):
    """Seconds that a custodian's public-key operations take for one item in batches."""
    benchmark = f"custodian/p256/{batch}"
    options = [f"--benchmark_filter=^{benchmark}/", "--benchmark_format=json", "--benchmark_min_time=0.1"]
    ran = subprocess.run([program, *options], check=True, capture_output=True, text=True)
    results = json.loads(ran.stdout)["benchmarks"]
    if not results:
        raise SystemExit(f"{program} has no {benchmark}")
    return results[0]["real_time"] * 1e-6  # microseconds


def drive(system, connections, requests):
    """Sends all requests, each connection its part; gives the answers of the first connection."""
    first, failures = [], []

    def work(number):
        try:
            for request in requests[number :: len(connections)]:
                answer = system.send(connections[number], request)
                if number == 0:
                    first.append((request, answer))
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(len(connections))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return first


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=1000)
    parser.add_argument("--batch", type=int, choices=(1, 16), default=16)
    parser.add_argument("--connections", type=int, default=4)
    parser.add_argument("--agent", default="cloud")
    parser.add_argument("--threshold-bench", default="build/release/bin/threshold_bench")
    parser.add_argument("system")
    options = parser.parse_args()

    system = System(options.system, options.agent)
    if system.bundle.parameters.group.name != "p256":
        raise SystemExit("the system's suite is not p256")
    bodies = [system.body(options.batch) for _ in range(BODIES)]
    connections = [system.connect() for _ in range(options.connections)]
    drive(system, connections, system.requests(bodies, 4 * options.connections))  # tables, caches, the token

    before = operations(options.threshold_bench, options.batch)
    requests = system.requests(bodies, options.requests)
    used, start = system.processes.processor_seconds(), time.monotonic()
    answers = drive(system, connections, requests)
    wall, used = time.monotonic() - start, system.processes.processor_seconds() - used
    after = operations(options.threshold_bench, options.batch)
    for request, answer in answers[:4]:
        system.check(request, answer)

    items = options.requests * options.batch
    limit = 2 / (before + after)
    rate = items / used
    row(
        f"decryptions through an agent, batches of {options.batch}, of its limit",
        f"{rate / limit:.0%}",
        f"≥ {EFFICIENCY:.0%}",
        rate >= EFFICIENCY * limit,
    )
    detail(f"{rate:.0f} for each second of the agent's processor time; its operations alone allow {limit:.0f}")
    detail(f"{items / wall:.0f} for each second of the clock, with the client on the same machine")


main()
