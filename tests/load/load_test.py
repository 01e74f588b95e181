#!/usr/bin/env python3
"""Ten thousand attempts in flight at once, and a million requests: none lost, nothing grows.

    load_test.py PROGRAMS flight|growth|remembered

The daemon under bench/load, which looks at every answer, with tests/support/fakedns as its
resolver.  No duration is asserted.  bench/run measures the same, and how fast it is.
"""

import os
import resource
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../bench"))
import rig  # noqa: E402

CROWD = 10000
PATIENCE_S = 120
STEPS = 10
SETTLED = 3             # steps after which caches are full and allocators have their shape
GROWTH_KB = 1024
AFTER_KB = 160000       # resident when a crowd has gone, of about 300,000
ENTRIES = 50000         # the store's bound

REMEMBERING = """\
    limit client by client_address 1000/1d
    greylist for 1h by client_address, sender, recipient no trust failing reject
"""


def comes_true(holds):
    last = time.monotonic() + PATIENCE_S
    while not holds() and time.monotonic() < last:
        time.sleep(0.05)
    return holds()


def has_more_files(server, count):
    """A connection whose client has gone may still be on its way out: that is no growth."""
    return not comes_true(lambda: server.files() <= count)


def flight(programs, work, servers):
    """The same attempts at once and a hundred at a time: all are answered, and alike."""
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    crowd = min(CROWD, files - 1000)
    if crowd < CROWD:
        print(f"only {crowd} connections: no more files may be open")
    near = rig.Dns(programs, work, delay_ms=500)
    server = rig.Weighd(programs, work, "flight", near.address, policy=rig.NO_CACHES,
                        deadline=f"{PATIENCE_S}s", limits=rig.CROWD)
    servers += [near, server]
    attempts = ["-a", "cold", "-f", 1000, "-n", crowd, "-t", PATIENCE_S]
    at_once = rig.load(programs, server, *attempts, "-c", crowd, "-s", 50)
    later = rig.load(programs, server, *attempts)
    print(f"at once: {at_once['actions']}, later: {later['actions']}")
    if at_once["under_way_most"] < crowd:
        raise rig.Failed(f"only {at_once['under_way_most']} were under way at once")
    if at_once["actions"] != later["actions"]:
        raise rig.Failed("the crowd got other answers")
    if server.status()["dns"]["failed"] > 0:
        raise rig.Failed(f"DNS questions failed: {server.status()['dns']}")
    if not comes_true(lambda: server.memory()["Rss"] < AFTER_KB):
        raise rig.Failed(f"what the crowd took is not given back: {server.memory()}")


def growth(programs, work, servers):
    """A tenth is cold; the cache is small, so that it is soon full."""
    near = rig.Dns(programs, work)
    server = rig.Weighd(programs, work, "growth", near.address, limits="cache_bytes 4194304")
    servers += [near, server]
    seen = []
    for step in range(STEPS):
        server.forget_log()
        rig.load(programs, server, "-n", 90000, "-t", PATIENCE_S)
        rig.load(programs, server, "-n", 10000, "-t", PATIENCE_S, "-a", "cold", "-f",
                 1000 + step * 10000)
        seen.append((server.memory()["Rss"], server.files()))
        print(f"after {(step + 1) * 100000:,}: {seen[-1][0]} kB, {seen[-1][1]} files", flush=True)
    settled, last = seen[SETTLED - 1], seen[-1]
    if last[0] > settled[0] + GROWTH_KB or has_more_files(server, settled[1]):
        raise rig.Failed("it grows")


def remembered(programs, work, servers):
    """A million different triplets and counts, of which the store may keep so many."""
    file = f"{work}/store/state.db"
    server = rig.Weighd(programs, work, "remembered", "127.0.0.1:1", policy=REMEMBERING,
                        store=f'sqlite "{file}"', limits=f"store_entries {ENTRIES}")
    servers.append(server)
    seen = []
    for step in range(STEPS):
        server.forget_log()
        rig.load(programs, server, "-a", "new", "-n", 100000, "-f", step * 100000,
                 "-t", PATIENCE_S)
        figures = server.status()["store"]
        seen.append((server.memory()["Rss"], server.files(), os.path.getsize(file) // 1024))
        print(f"after {(step + 1) * 100000:,}: {seen[-1][0]} kB, {seen[-1][1]} files, "
              f"{seen[-1][2]} kB of store, {figures['entries']} entries", flush=True)
        if figures["failures"] > 0:
            raise rig.Failed(f"the store has failed: {figures}")
    settled, last = seen[SETTLED - 1], seen[-1]
    if last[0] > settled[0] + GROWTH_KB or last[2] > settled[2] * 1.2:
        raise rig.Failed("it grows")
    if has_more_files(server, settled[1]):
        raise rig.Failed("it keeps files open")


PARTS = {"flight": flight, "growth": growth, "remembered": remembered}


def main():
    programs, part = sys.argv[1:]
    servers = []
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with tempfile.TemporaryDirectory(prefix="weighd-load-") as work:
        try:
            PARTS[part](programs, work, servers)
        finally:
            for server in servers[::-1]:
                server.stop()


if __name__ == "__main__":
    try:
        main()
    except rig.Failed as failure:
        sys.exit(f"load_test: {failure}")
