"""The wall clock jumps a day forth and back under the running daemon.

What was counted in a future that is no more counts as now; nobody waits for a day, nothing that
was remembered is lost.  WALLCLOCK names tests/support/wallclock.
"""
import os
import socket
import struct
import sys

import stores
from daemon import answer, request
from stores import Running, RunningRedis, ask, must

MINUTE_MS, DAY_MS = 60 * 1000, 24 * 3600 * 1000

CONFIG = """
listen inet:127.0.0.1:0 policy keep
listen "unix:{dir}/slow" policy slow
control {dir}/control.sock
store %s
resolver 127.0.0.1:%d
deadline 1s
log stderr
mode enforce
policy keep {{
    limit hour by helo_name 2/1h counting messages else reject "5.7.1 over"
    remember client_address in seen for 2d
    greylist for 10m within 2d by client_address, sender, recipient no trust \
"4.7.1 ${{greylist.state}}"
    reply "OK ${{greylist.state}}"
}}
policy slow {{
    weigh dnsbl list.example {{ listed 5 }}
    reject if score >= 5
}}
"""


class Clock:
    """The file that says how far the wall clock of a daemon is off."""

    def __call__(self, folder):
        """To be the prepare of a Weighd."""
        self.path = os.path.join(folder, "wallclock")
        self.set(0)

    def set(self, ms):
        with open(self.path, "r+b" if os.path.exists(self.path) else "w+b") as file:
            file.write(struct.pack("@q", ms))


class Shifted(Running):
    """Running, with a clock of its own: with Shifted(config) as (weighd, clock): ..."""

    def __init__(self, config):
        self.clock = Clock()
        options = os.environ.get("ASAN_OPTIONS", "")
        super().__init__(config, prepare=self.prepare, environment={
            "ASAN_OPTIONS": f"{options}:verify_asan_link_order=0"})

    def prepare(self, folder):
        self.clock(folder)
        self.options["environment"].update(LD_PRELOAD=os.environ["WALLCLOCK"],
                                           WALLCLOCK=self.clock.path)

    def __enter__(self):
        return super().__enter__(), self.clock


def state(weighd, client, helo=""):
    """What greylisting says of a client; without helo it is not counted."""
    have = ask(weighd, client_address=client, helo_name=helo)
    for front in (b"action=DEFER_IF_PERMIT 4.7.1 ", b"action=OK ", b"action=550 5.7.1 "):
        if have.startswith(front):
            return have[len(front):-2].decode()
    raise AssertionError(f"an odd answer: {have!r}")


def must_be(weighd, client, want, helo=""):
    have = state(weighd, client, helo)
    must(have == want, f"{client} is {have}, not {want}")


def forth_and_back(weighd, clock):
    must_be(weighd, "192.0.2.1", "new")
    clock.set(11 * MINUTE_MS)
    must_be(weighd, "192.0.2.1", "passed")
    must_be(weighd, "192.0.2.2", "new")
    clock.set(DAY_MS)
    must_be(weighd, "192.0.2.1", "known")
    must_be(weighd, "192.0.2.2", "passed")
    must_be(weighd, "192.0.2.3", "new")
    for want in ("new", "early", "over"):
        must_be(weighd, "192.0.2.4", want, "busy")
    clock.set(12 * MINUTE_MS)
    must_be(weighd, "192.0.2.1", "known")
    must_be(weighd, "192.0.2.2", "known")
    must_be(weighd, "192.0.2.3", "early")
    must_be(weighd, "192.0.2.4", "over", "busy")
    must_be(weighd, "192.0.2.5", "new")
    clock.set(80 * MINUTE_MS)
    must_be(weighd, "192.0.2.3", "passed")
    must_be(weighd, "192.0.2.4", "early", "busy")   # not over: it need not wait for a day
    must_be(weighd, "192.0.2.5", "passed")
    clock.set(-DAY_MS)
    must_be(weighd, "192.0.2.6", "new")
    must_be(weighd, "192.0.2.3", "known")
    clock.set(-DAY_MS + 11 * MINUTE_MS)
    must_be(weighd, "192.0.2.6", "passed")


def far_and_back(weighd, clock):
    """A clock that is set to another year for a moment empties nothing."""
    must_be(weighd, "192.0.2.10", "new")
    clock.set(11 * MINUTE_MS)
    must_be(weighd, "192.0.2.10", "passed")
    for ms in (400 * DAY_MS, -400 * DAY_MS):
        clock.set(ms)
        must_be(weighd, f"192.0.2.{20 + (ms > 0)}", "new")
        clock.set(12 * MINUTE_MS)
    must_be(weighd, "192.0.2.10", "known")


def in_work(weighd, clock):
    """Who waits for an answer when the clock jumps has it in time."""
    for ms in (DAY_MS, 0, -DAY_MS):
        with weighd.connect_unix("slow") as client:
            client.sendall(request(client_address="192.0.2.1"))
            clock.set(ms)
            have = answer(client)
        must(have == b"action=DUNNO\n\n", f"{have!r}")


def case(what, store, redis=None):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf:
        deaf.bind(("127.0.0.1", 0))
        store = store if redis is None else f"redis 127.0.0.1:{redis.port}"
        with Shifted(CONFIG % (store, deaf.getsockname()[1])) as (weighd, clock):
            what(weighd, clock)


def on(what, store):
    def run():
        if store != "redis":
            return case(what, store)
        with RunningRedis() as redis:
            return case(what, store, redis)
    return run


STORES = [("sqlite", 'sqlite "{dir}/store/state.db"'), ("memory", "memory"), ("Redis", "redis")]

CASES = [(f"{name}, {kind}", on(what, store))
         for kind, store in STORES
         for name, what in (("a day forth and back", forth_and_back),
                            ("400 days forth and back", far_and_back),
                            ("while requests are in work", in_work))]


if __name__ == "__main__":
    sys.exit(stores.main(CASES))
