"""The daemon when its Redis is not as it should be: mail goes on by each statement's rule.

Down, slow, read-only, full, gone and back; what was acknowledged is there, whoever is killed; a
limit is exact for two daemons.  The driver alone is tried harder in tests/redis.
"""
import signal
import sys

import stores
import store_test
from daemon import answers, request
from stores import DUNNO, FAILING, Running, RunningRedis, ask, must, state, touch, until

CLIENTS = 50
KILLS = 20


def config(redis):
    return stores.CONFIG % f"redis 127.0.0.1:{redis.port} {{{{ answer_timeout 300ms }}}}"


def open_passes(weighd):
    """The statement that says nothing of failing passes."""
    have = ask(weighd, client_address="192.0.2.1", recipient="open@example.org")
    must(have == DUNNO, f"not by the rule: {have!r}")


def ask_all(clients, count, **attributes):
    """The answers to so many requests of each client, all of them sent first."""
    for client in clients:
        client.sendall(request(**attributes) * count)
    return [have for client in clients for have in answers(client, count)]


class Clients:
    """with Clients(weighd) as clients: ...; so many that each worker has some."""

    def __init__(self, weighd):
        self.clients = [stores.asker(weighd), *(weighd.connect() for _ in range(CLIENTS))]

    def __enter__(self):
        return self.clients

    def __exit__(self, *_):
        for client in self.clients[1:]:
            client.close()


def by_the_rule(weighd, number=1):
    """Until the store is known to fail; then every answer is by the rule, of all at once."""
    with Clients(weighd) as clients:
        until("it fails", lambda: set(ask_all(
            clients, 1, client_address=stores.address(number))) == {FAILING})
        got = ask_all(clients, 2, client_address="192.0.2.1")
    must(got == [FAILING] * 2 * (CLIENTS + 1), f"{set(got)}, {len(got)} answers")
    open_passes(weighd)


def well_again(weighd, number):
    """It is back by itself, for each of the workers, and remembers."""
    with Clients(weighd) as clients:
        def all_know():
            got = ask_all(clients, 1, client_address=stores.address(number))
            return FAILING not in got and {state(have)[0] for have in got} == {"early"}
        until("it is back", all_know)


def said(weighd, part, count=1):
    """So often, and no oftener."""
    def times():
        return sum(part in line for line in "".join([*weighd.log, weighd.log_text()]).splitlines())
    until(f"'{part}' in the log", lambda: times() >= count)
    must(times() == count, f"'{part}' {times()} times")


def down_at_start():
    with RunningRedis(is_started=False) as redis, Running(config(redis)) as weighd:
        by_the_rule(weighd)
        said(weighd, "is down")
        redis.start()
        well_again(weighd, 1)
        said(weighd, "is back")


def goes_down():
    with RunningRedis() as redis, Running(config(redis)) as weighd:
        must(touch(weighd, 1) == "new", "not new")
        for number in (1, 2):
            redis.stop()
            by_the_rule(weighd)
            said(weighd, "is down")     # the second time so soon is not said, unless it lasts
            redis.start()
            well_again(weighd, number)
            said(weighd, "is back")
        until("all of it is back", lambda: b'"is_down":0' in weighd.control(
            b'{"verb":"store","do":"figures"}'))


def stops():
    with RunningRedis() as redis, Running(config(redis)) as weighd:
        must(touch(weighd, 1) == "new", "not new")
        redis.send(signal.SIGSTOP)
        try:
            with Clients(weighd) as clients:
                got = ask_all(clients, 1, client_address="192.0.2.1")
            must(set(got) == {FAILING}, f"{set(got)}")
            by_the_rule(weighd)
        finally:
            redis.send(signal.SIGCONT)
        well_again(weighd, 1)


def read_only():
    with RunningRedis() as redis, RunningRedis({"replicaof": f"127.0.0.1 {redis.port}"}) as replica:
        replica.wait_until("follows", lambda: replica.info("master_link_status") == "up")
        with Running(config(replica)) as weighd:
            by_the_rule(weighd)
            said(weighd, "READONLY")
            replica("REPLICAOF", "NO", "ONE")
            well_again(weighd, 1)


def full():
    with RunningRedis() as redis, Running(config(redis)) as weighd:
        must(touch(weighd, 1) == "new", "not new")
        redis("CONFIG", "SET", "maxmemory", "1")
        by_the_rule(weighd, 2)
        said(weighd, "OOM")
        redis("CONFIG", "SET", "maxmemory", "0")
        well_again(weighd, 2)
        must(touch(weighd, 1) == "early", "lost")


def emptied():
    """FLUSHALL and a restart without its data: all is new, and goes on."""
    with RunningRedis() as redis, Running(config(redis)) as weighd:
        must(touch(weighd, 1) == "new", "not new")
        redis("FLUSHALL")
        must(touch(weighd, 1) == "new", "not forgotten")
        redis("SCRIPT", "FLUSH")
        must(touch(weighd, 1) == "early", "not remembered")
        redis.stop(signal.SIGKILL)
        redis.start()
        well_again(weighd, 1)


def killed():
    """What one daemon was told the next one knows."""
    writers = [store_test.Writer(number) for number in range(store_test.WRITERS)]
    with RunningRedis() as redis, Running(config(redis)) as weighd:
        store_test.live_and_die_often(weighd, writers, KILLS, store_test.check_answers)


def burst():
    with RunningRedis() as redis:
        two = store_test.BURST % f"redis 127.0.0.1:{redis.port} {{{{ answer_timeout 5s }}}}"
        with Running(two) as first, Running(two) as second:
            passed = store_test.burst([first, second])
            must(passed == 100, f"{passed} of 300 passed a limit of 100")


def two_daemons():
    """What one has deferred comes back to the other."""
    with RunningRedis() as redis, Running(config(redis)) as first, Running(config(redis)) as second:
        must(touch(first, 1) == "new", "not new")
        must(touch(second, 1) == "early", "the other does not know")


CASES = [
    ("down at the start: by the rule, said once; up: well by itself", down_at_start),
    ("goes down, twice: by the rule, said once, and so is its return", goes_down),
    ("stops answering: every request is answered by the rule", stops),
    ("read-only: by the rule, until it is promoted", read_only),
    ("full: by the rule, until there is room", full),
    ("emptied, and killed without its data", emptied),
    (f"{KILLS} times kill -9 of the daemon: nothing acknowledged is lost", killed),
    ("two daemons, one memory", two_daemons),
    ("300 at once at a limit of 100, two daemons", burst),
]


if __name__ == "__main__":
    sys.exit(stores.main(CASES))
