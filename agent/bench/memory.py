#!/usr/bin/python3
"""Memory of an agent: for each idle mutual TLS connection, and before and after many requests.

memory.py [--connections N] [--requests N] [--agent ROLE] SYSTEM     SYSTEM is the folder of `scripts/demo --keep`
"""

import argparse
import time

from system import System, detail, row

CONNECTION_LIMIT = 64 * 1024
ROUNDS = 4
BATCH = 4
GROWTH_LIMIT = 1 << 20


def total(sizes):
    return sum(sizes.values())


def in_kib(sizes):
    return ", ".join(f"{name} {size / 1024:.0f} KiB" for name, size in sizes.items())


def idle_connections(system, count):
    """Connections that asked once and are kept; the agent serves each before the next is made."""
    made = []
    for _ in range(count):
        connection = system.connect()
        connection.request("GET", "/v1/health")
        answer = connection.getresponse()
        answer.read()
        if answer.status != 200:
            raise SystemExit(f"health: {answer.status}")
        made.append(connection)
    return made


def close(system, connections):
    """Until the agent has closed them too: a busy machine would count the last ones among the next."""
    left = system.processes.descriptors() - len(connections)
    for connection in connections:
        connection.close()
    deadline = time.monotonic() + 10
    while system.processes.descriptors() > left:
        if time.monotonic() > deadline:
            raise SystemExit("the agent keeps connections that were closed")
        time.sleep(0.01)


def measure_connections(system, count):
    """How the connections fall to the server's threads differs from round to round, and with it the size of each
    thread's heap: what grows is seen in the highest of several rounds."""
    close(system, idle_connections(system, 8))
    before = system.processes.resident()
    rounds = []
    for _ in range(2 * ROUNDS):
        kept = idle_connections(system, count)
        rounds.append(system.processes.resident())
        close(system, kept)
    each = (total(rounds[0]) - total(before)) / count
    row("memory of an idle connection", f"{each / 1024:.0f} KiB", "≤ 64 KiB", each <= CONNECTION_LIMIT)
    first, last = (max(half, key=total) for half in (rounds[:ROUNDS], rounds[ROUNDS:]))
    growth = total(last) - total(first)
    row(
        f"growth when {ROUNDS} times {count} more have come and gone",
        f"{growth / 1024:.0f} KiB",
        "≤ 1 MiB",
        growth <= GROWTH_LIMIT,
    )
    detail(f"before: {in_kib(before)}; with {count}: {in_kib(rounds[0])}")
    detail(f"highest of {ROUNDS} rounds: {in_kib(first)}; of the next {ROUNDS}: {in_kib(last)}")


def soak(system, bodies, count):
    connection = system.connect()
    for request in system.requests(bodies, count):
        system.send(connection, request)
    connection.close()


def measure_soak(system, count):
    """The first half fills caches and arenas; the second must add nothing."""
    bodies = [system.body(BATCH) for _ in range(4)]
    start = system.processes.resident()
    soak(system, bodies, count)
    middle = system.processes.resident()
    soak(system, bodies, count)
    end = system.processes.resident()
    growth = total(end) - total(middle)
    row(
        f"growth over the last {count} of {2 * count} requests",
        f"{growth / 1024:.0f} KiB",
        "≤ 1 MiB",
        growth <= GROWTH_LIMIT,
    )
    detail(f"before: {in_kib(start)}")
    detail(f"after {count}: {in_kib(middle)}")
    detail(f"after {2 * count}: {in_kib(end)}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--connections", type=int, default=300)
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--agent", default="cloud")
    parser.add_argument("system")
    options = parser.parse_args()
    system = System(options.system, options.agent)
    measure_connections(system, options.connections)
    measure_soak(system, options.requests)


main()
