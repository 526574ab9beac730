#!/usr/bin/python3
"""Memory of an agent: for each idle mutual TLS connection, and before and after many requests.

memory.py [--connections N] [--requests N] [--agent ROLE] SYSTEM     SYSTEM is the folder of `scripts/demo --keep`
"""

import argparse

from system import System, detail, row

CONNECTION_LIMIT = 64 * 1024
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


def measure_connections(system, count):
    for connection in idle_connections(system, 8):
        connection.close()
    sizes = [system.processes.resident()]
    for _ in range(2):
        kept = idle_connections(system, count)
        sizes.append(system.processes.resident())
        for connection in kept:
            connection.close()
    before, first, second = (total(size) for size in sizes)
    each = (first - before) / count
    row("memory of an idle connection", f"{each / 1024:.0f} KiB", "≤ 64 KiB", each <= CONNECTION_LIMIT)
    growth = second - first
    row(f"growth when {count} more have come and gone", f"{growth / 1024:.0f} KiB", "≤ 1 MiB", growth <= GROWTH_LIMIT)
    detail(f"before: {in_kib(sizes[0])}; with {count}: {in_kib(sizes[1])}; with the next {count}: {in_kib(sizes[2])}")


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
