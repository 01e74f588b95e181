"""store.py -- the parts of bench/run about what is remembered.

    store    greylist and one limit on SQLite: weighd with one worker, postgrey, policyd-rate-limit.
             Half of the requests are triplets never seen, half come back for the first time and
             pass; each request of a round is another message
    million  a million triplets: the file, the daemon's memory, a start
    redis    the same load on one Redis server, through one worker

postgrey does the greylisting alone, policyd-rate-limit the counting alone; weighd does both, in
two orders.  With the greylist first only who has passed is counted, as with the two others one
behind the other; with the limit first each request is both counted and greylisted.  All defer for
a second, know networks of 24 bits and trust a client after 5 returns, one an hour; no limit is
reached.  All log a line a request to a file.  What stands beside comes from build/servers.

The other two bring each request to the disk, weighd a batch in one commit, and with "sync full" to
the disk, too.  So how they compare depends on the disk; they are measured again with their files
in memory, where that costs nothing.
"""

import glob
import json
import os
import shutil
import tempfile
import time

import rig

SERVERS = os.environ.get("WEIGHD_SERVERS", f"{rig.ROOT}/build/servers")
UNPACKED = f"{os.path.abspath(SERVERS)}/root"

LIMITS = {
    "cpu": 0.06,            # s a thousand requests
    "postgrey": 8,          # times its requests a second, at least
    "policyd-rate-limit": 15,
    "file_mb": 200,
    "memory_mb": 20,
    "start_s": 1,
    "redis": 20000,         # requests a second, at least
}
DELAY_S = 1
MILLION = 1000000
REDIS_CONNECTIONS = 200
# A busy machine is no reason to call a server dead.
PATIENT = "connect_timeout 5s, answer_timeout 5s"

GREYLIST = (f"    greylist for {DELAY_S}s by client_network, sender.folded,\n"
            "        recipient trust 5 for 35d every 1h of client_address\n")
LIMIT = "    limit user by sender 1000/1h, 5000/1d\n"
ORDERS = {"greylist, limit": GREYLIST + LIMIT, "limit, greylist": LIMIT + GREYLIST}


def libraries():
    return ":".join(glob.glob(f"{UNPACKED}/usr/lib/*-linux-gnu*"))


def weighd(bench, folder, name, policy, store, on=None):
    return rig.Weighd(bench.programs, folder, name, "127.0.0.1:1", policy=policy, store=store,
                      limits=f"store_entries {2 * MILLION}", on=on)


def embedded(bench, folder, name, policy, sync=""):
    """weighd with a file of its own."""
    file = f"{folder}/{name}.store/state.db"
    server = weighd(bench, folder, name, policy, f'sqlite "{file}" {sync}')
    server.file = file
    return server


class Folder:
    """In memory; stopped when all that use it are."""

    def __init__(self):
        self.path = tempfile.mkdtemp(prefix="weighd-bench-", dir="/dev/shm")
        os.chmod(self.path, 0o755)

    def stop(self):
        shutil.rmtree(self.path, ignore_errors=True)


NOTES = [
    "100 connections, one worker; half of the triplets are new, half come back for the first time.",
    "weighd does what the other two do together; with the greylist first only who has passed is",
    "counted, with the limit first each request is.  The other two bring each request to the disk,",
    "weighd a batch in one commit: that lasts through kill -9, and with sync full it is brought to",
    "the disk, too.",
]


class Peer(rig.Server):
    """A program of Debian's, below UNPACKED; what it needs itself is made at its start."""
    program = None

    @classmethod
    def is_there(cls):
        return os.path.exists(UNPACKED + cls.program)


class Postgrey(Peer):
    program = "/usr/sbin/postgrey"

    def __init__(self, folder):
        port, lists = rig.free_port(), f"{UNPACKED}/etc/postgrey/whitelist_"
        database = f"{folder}/postgrey.db"
        os.mkdir(database)
        os.chmod(database, 0o777)
        perl = [f"-I{UNPACKED}/usr/share/perl5",
                *(f"-I{path}" for path in glob.glob(f"{UNPACKED}/usr/lib/*/perl5/5*"))]
        user = ["--user=nobody", "--group=nogroup"] * (os.geteuid() == 0)
        super().__init__(["env", f"LD_LIBRARY_PATH={libraries()}", "perl", "-T", *perl,
                          UNPACKED + self.program, f"--inet=127.0.0.1:{port}",
                          f"--dbdir={database}", f"--delay={DELAY_S}", *user,
                          f"--whitelist-clients={lists}clients",
                          f"--whitelist-recipients={lists}recipients"],
                         f"{folder}/postgrey.log", port)

    def stop(self):
        self.child.kill()       # SIGTERM it heeds only between two requests
        return super().stop()


class RateLimit(Peer):
    program = "/usr/bin/policyd-rate-limit"

    def __init__(self, folder):
        port, folder = rig.free_port(), f"{folder}/rate-limit"
        os.mkdir(folder)
        os.chmod(folder, 0o777)
        # JSON is YAML.  Its own settings but for the limits, and for debug, which is slower.
        settings = {"SOCKET": ["127.0.0.1", port], "debug": False, "user": "nobody",
                    "group": "nogroup", "pidfile": f"{folder}/pid",
                    "sqlite_config": {"database": f"{folder}/db/db.sqlite3"},
                    "limits": [[1000, 3600], [5000, 86400]], "limit_by_sasl": False,
                    "limit_by_sender": True, "delay_to_close": 300}
        with open(f"{folder}.yaml", "w") as out:
            json.dump(settings, out)
        os.mkdir(f"{folder}/db")
        super().__init__(["env", f"PYTHONPATH={UNPACKED}/usr/lib/python3/dist-packages",
                          "/usr/bin/python3", UNPACKED + self.program, "--file",
                          f"{folder}.yaml"], f"{folder}.log", port)


class Redis(Peer):
    program = "/usr/bin/redis-server"

    def __init__(self, folder):
        port = rig.free_port()
        super().__init__(["env", f"LD_LIBRARY_PATH={libraries()}", UNPACKED + self.program,
                          "--port", str(port), "--bind", "127.0.0.1", "--save", "",
                          "--appendonly", "no", "--dir", folder],
                         f"{folder}/redis.log", port)


class Parts:
    """Mixed into Bench."""

    def peer(self, kind, folder, at):
        if not kind.is_there():
            note = f"{os.path.basename(kind.program)} was not measured: no package at hand."
            self.notes += [note] * (note not in self.notes)
            return None
        server = kind(folder)
        at.append(server)
        return server

    def seen(self, server, count, *options):
        """Triplets that the rounds' requests come back for."""
        rig.load(self.programs, server, "-a", "new", "-n", count, *options)
        return {"first": 0, "ripe": time.monotonic() + DELAY_S + 0.2}

    def take_mixed(self, part, who, server, count, state, *options):
        time.sleep(max(0, state["ripe"] - time.monotonic()))
        first, state["first"] = state["first"], state["first"] + count
        report = self.take(part, who, server, count, "-a", "mixed", "-f", first, *options)
        self.expect(who, server, count, report["actions"])

    def expect(self, who, server, count, actions):
        wanted = {"PREPEND": count // 2, "DEFER_IF_PERMIT": count // 2}
        if isinstance(server, RateLimit):
            wanted = {"dunno": count}
        if actions != wanted:
            raise rig.Failed(f"{who}: {actions} instead of {wanted}")

    # ---- the parts ----

    def store(self, at):
        self.store_in("store", self.work, at)
        if os.path.isdir("/dev/shm"):
            folder = Folder()
            at.append(folder)
            self.store_in("store in memory", folder.path, at)

    def store_in(self, part, folder, at):
        servers = {}
        for number, (order, policy) in enumerate(ORDERS.items()):
            servers[f"weighd: {order}"] = (embedded(self, folder, f"store-{number}", policy),
                                           self.size(20000))
        servers[f"weighd: {order}, sync full"] = (
            embedded(self, folder, "store-full", policy, "sync full"), self.size(10000))
        at += [server for server, _ in servers.values()]
        for name, kind, count in (("postgrey", Postgrey, 3000),
                                  ("policyd-rate-limit", RateLimit, 1000)):
            server = self.peer(kind, folder, at)
            if server:
                servers[name] = (server, self.size(count))
        contenders = []
        for who, (server, count) in servers.items():
            state = self.seen(server, self.options.rounds * count // 2)
            contenders.append(lambda who=who, server=server, count=count, state=state:
                              self.take_mixed(part, who, server, count, state))
        self.rounds(contenders)

    def million(self, at):
        """Two daemons and the same load, triplets that neither has seen; one has a million from
        before."""
        count = self.size(MILLION)
        full = embedded(self, self.work, "million", GREYLIST)
        at.append(full)
        start = full.memory()["Rss"]
        report = rig.load(self.programs, full, "-a", "new", "-n", count)
        self.note("filling", "weighd", filled=(full.memory()["Rss"] - start) / 1024,
                  cpu=f"{report['cpu_s'] * 1000 / count:.4f}")
        full.stop()
        self.note("filling", "weighd", file=os.path.getsize(full.file) / 1e6)
        taken = [count]
        self.rounds([lambda: self.take_started("empty", at, taken),
                     lambda: self.take_started("million", at, taken)])

    def take_started(self, name, at, taken):
        load = self.size(20000)
        server = embedded(self, self.work, name, GREYLIST)
        at.append(server)
        start_s = self.first_answer(server, taken[0])
        self.await_entries(server, self.size(MILLION) if name == "million" else 1)
        start, looked = server.memory()["Rss"], server.cpu_s()
        report = rig.load(self.programs, server, "-a", "new", "-n", load, "-f", taken[0])
        taken[0] += load
        self.note("million", f"weighd, {name}", start_s=start_s, looked=looked,
                  start=start / 1024, used=server.memory()["Rss"] / 1024,
                  cpu=report["cpu_s"] * 1000 / load)
        server.stop()
        if name == "empty":
            os.remove(server.file)

    def first_answer(self, server, number):
        """Seconds from its beginning to the first answer of its store."""
        with server.connect() as connection:
            answer, _ = rig.ask(connection, rig.spf_request("first", number))
            took = time.monotonic() - server.began
        if "action=DEFER_IF_PERMIT" not in answer:
            raise rig.Failed(f"the first answer: {answer}")
        return took

    def await_entries(self, server, count):
        """A big file is looked at beside the work; how much is in it is known at the end."""
        for _ in range(300):
            if server.status()["store"]["entries"] >= count:
                return
            time.sleep(0.1)
        raise rig.Failed("the file is not looked at")

    def redis(self, at):
        redis = self.peer(Redis, self.work, at)
        if not redis:
            return
        count = self.size(20000)
        contenders = []
        for number, (order, policy) in enumerate(ORDERS.items()):
            server = weighd(self, self.work, f"redis-{number}", policy,
                            f"redis 127.0.0.1:{redis.port} {{ prefix p{number}, {PATIENT} }}",
                            rig.cores()[1])
            at.append(server)
            state = self.seen(server, self.options.rounds * count // 2, "-c", REDIS_CONNECTIONS)
            contenders.append(lambda who=f"weighd: {order}", server=server, state=state:
                              self.take_redis(who, server, redis, count, state))
        self.rounds(contenders)

    def take_redis(self, who, server, redis, count, state):
        before = redis.cpu_s()
        self.take_mixed("redis", who, server, count, state, "-c", REDIS_CONNECTIONS)
        self.note("redis", who, redis_cpu=(redis.cpu_s() - before) * 1000 / count)

    # ---- the report ----

    def times(self, who, peer):
        """How many times the peer's requests a second."""
        return self.middle("store", who, "rate") / self.middle("store", peer, "rate")

    def store_verdicts(self):
        """Rows for judge(): what, value, bound, unit, at least."""
        rows = []
        for order in ORDERS:
            who = f"weighd: {order}"
            rows.append((f"SQLite, {order}: CPU of 1,000 requests",
                         self.middle("store", who, "cpu"), LIMITS["cpu"], "s"))
            rows += [(f"SQLite, {order}: requests/s", self.times(who, peer), LIMITS[peer],
                      f"x {peer}", True) for peer in ("postgrey", "policyd-rate-limit")]
        grown = (self.middle("million", "weighd, million", "used") -
                 self.middle("million", "weighd, empty", "used"))
        rows += [("a million triplets, file", self.middle("filling", "weighd", "file"),
                  LIMITS["file_mb"], "MB"),
                 ("a million triplets, memory by them", grown, LIMITS["memory_mb"], "MB"),
                 ("a million triplets, start to first answer",
                  self.middle("million", "weighd, million", "start_s"), LIMITS["start_s"], "s")]
        return rows + [(f"Redis, {order}: requests/s",
                        self.middle("redis", f"weighd: {order}", "rate"), LIMITS["redis"], "",
                        True) for order in ORDERS]

    def store_sections(self):
        cpu, rate = ("CPU s per 1,000", "cpu", 4), ("requests/s", "rate", 0)
        times = [("p50 ms", "p50", 2), ("p99 ms", "p99", 2)]
        return {
            "store": ["## What is remembered: SQLite", "", *NOTES, ""] +
            self.table("store", [cpu, rate] + times) +
            ["The same with all files in memory:", ""] +
            self.table("store in memory", [cpu, rate] + times),
            "million": ["## A million triplets", ""] + self.items(
                "filling", ("file", "MB of the file"),
                ("filled", "MB that the daemon has grown by while they came"),
                ("cpu", "CPU s per 1,000 of them")) +
            ["Started with them and with none; then the same load on both.", ""] +
            self.table("million", [
                ("s to the first answer", "start_s", 3),
                ("CPU s until the file is looked at", "looked", 2), ("MB then", "start", 1),
                ("MB after 20,000 new ones", "used", 1), ("CPU s per 1,000 of them", "cpu", 4)]),
            "redis": ["## What is remembered: Redis", "",
                      f"{REDIS_CONNECTIONS} connections, one worker.  Redis has a core of its own; "
                      "weighd shares the load's.", ""] +
            self.table("redis", [cpu, ("CPU s of Redis", "redis_cpu", 4), rate] + times),
        }
