"""What a reload and a stop do to requests that wait: for the store, for names, for their client.

Source: design, "Running" R2 to R4, and "fail rules" F10.
"""
import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import sys

import stores
from daemon import PATIENCE_S, answer, answers, is_closed, read_until, request
from fronts import DEAF, DUNNO, GREYLISTD, fill, greylistd, read_all, settled
from stores import Running, must, until

IN_FLIGHT = 100


class Waiting:
    """100 clients of the policy port and 100 of greylistd's, each with a request in work."""

    def __init__(self, weighd):
        self.policy, self.exim = [], []
        for i in range(IN_FLIGHT):
            client = weighd.connect()
            client.sendall(request(client_address=f"192.0.2.{i}"))
            self.policy.append(client)
            client = weighd.connect_unix("greylistd.sock")
            client.sendall(b"--grey 198.51.100.%d anna@example.org bob@example.com" % i)
            self.exim.append(client)
        until("all have come", lambda: taken(weighd) == 2 * IN_FLIGHT)

    def take(self):
        """The answer of each; of greylistd's all up to the close."""
        return [answer(client) for client in self.policy], [read_all(c) for c in self.exim]

    def close(self):
        for client in self.policy + self.exim:
            client.close()


def taken(weighd):
    """How many requests and commands it has begun with."""
    status = json.loads(weighd.control(b'{"verb":"status"}'))
    return status["front"]["requests"] + status["greylistd"]["commands"]


def is_deaf_to_new(weighd):
    """No listener is left."""
    try:
        weighd.connect().close()
    except ConnectionError:
        return True
    return False


class Locked:
    """with Locked(weighd): nothing is written to its store, for up to a second."""

    def __init__(self, weighd):
        self.path = weighd.path("store/state.db")

    def __enter__(self):
        self.store = sqlite3.connect(self.path, isolation_level=None)
        self.store.execute("BEGIN IMMEDIATE")

    def __exit__(self, *_):
        self.store.execute("ROLLBACK")
        self.store.close()


def read_lines(admin):
    """What was not read of an administrator makes the close a reset."""
    try:
        return read_all(admin)
    except ConnectionResetError:
        return b""


def triplets(weighd):
    with sqlite3.connect(weighd.path("store/state.db")) as store:
        return store.execute("SELECT count(*) FROM triplet").fetchone()[0]


def check_greylisted(policy, exim):
    """How many were told to come back; the others were passed without the store."""
    for have in policy:
        must(have.startswith(b"action=DEFER_IF_PERMIT ") or have == DUNNO, f"{have!r}")
    for have in exim:
        must(have in (b"true", b"false"), f"{have!r}")
    return sum(have != DUNNO for have in policy) + exim.count(b"true")


def stop(weighd):
    """SIGTERM, and no listener any more."""
    weighd.process.send_signal(signal.SIGTERM)
    until("the listeners are closed", lambda: is_deaf_to_new(weighd))


def stop_while_store_waits():
    """All are answered, and who was told to come back is known."""
    with Stopped(GREYLISTD) as weighd:
        with Locked(weighd):
            waiting = Waiting(weighd)
            admin = weighd.connect_unix("control.sock")
            admin.sendall(b'{"verb":"greylist","do":"allow","key":"n s r"}\n' * 3)
            stop(weighd)
        acknowledged = check_greylisted(*waiting.take())
        must(all(is_closed(client) for client in waiting.policy), "not closed")
        must(re.fullmatch(b"({.*}\n)*", read_lines(admin)), "half a line for the administrator")
        waiting.close()
        must(weighd.process.wait(PATIENCE_S) == 0, "did not end well")
        known = triplets(weighd)
        must(known >= acknowledged, f"{acknowledged} were told, {known} are known")


def stop_while_dns_waits():
    """Each is answered at its deadline."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf:
        deaf.bind(("127.0.0.1", 0))
        with Stopped(DEAF.replace("{port}", str(deaf.getsockname()[1]))) as weighd:
            waiting = Waiting(weighd)
            stop(weighd)
            policy, exim = waiting.take()
            waiting.close()
            must(set(policy) == {DUNNO} and set(exim) == {b"false"}, f"{set(policy)} {set(exim)}")
            must(weighd.process.wait(PATIENCE_S) == 0, "did not end well")


def stop_while_clients_wait():
    """What is finished in time is answered; all others are closed, and hold up nobody for long."""
    with Stopped(GREYLISTD) as weighd:
        late, never = [[weighd.connect() for _ in range(20)] for _ in range(2)]
        silent = [weighd.connect_unix("greylistd.sock") for _ in range(20)]
        deaf = weighd.connect_unix("policy.sock")
        for client in late + never:
            client.sendall(request()[:40])
        fill(deaf, request() * 100)
        until("half of all has come", lambda: has_connections(weighd, 41, 20))
        stop(weighd)
        must({read_all(client) for client in silent} == {b""}, "an answer to nothing")
        for client in late:
            client.sendall(request()[40:])
        must({answer(client)[:7] for client in late} == {b"action="}, "no answer")
        must({read_all(client) for client in late + never} == {b""}, "more than an answer")
        must(weighd.process.wait(PATIENCE_S) == 0, "did not end well")
        for client in [*late, *never, *silent, deaf]:
            client.close()


def has_connections(weighd, policy, exim):
    status = json.loads(weighd.control(b'{"verb":"status"}'))
    return (status["front"]["connections"], status["greylistd"]["connections"]) == (policy, exim)


class Stopped(Running):
    """Running, for what ends it itself."""

    def __exit__(self, kind, *_):
        if self.weighd.process.poll() is None or kind is not None:
            return super().__exit__(kind)
        self.weighd.stop()
        shutil.rmtree(self.weighd.folder, ignore_errors=True)
        return None


def write_config(weighd, text):
    """At once: a reload on its way reads the old one or the new one."""
    with open(weighd.path("new.conf"), "w", encoding="ascii") as file:
        file.write(text.format(dir=weighd.folder))
    os.rename(weighd.path("new.conf"), weighd.path("weighd.conf"))


# Without greylistd's listener, and with another policy of another name.
OTHER = re.sub("listen unix.*greylistd .*\n", "", GREYLISTD).replace(
    "policy keep", "policy other").replace("greylist for 1h", "greylist for 2h")


def reload_while_store_waits():
    """Each is answered by the policy it began with, also where its listener has gone."""
    with Running(GREYLISTD) as weighd:
        with Locked(weighd):
            waiting = Waiting(weighd)
            admin = weighd.connect_unix("control.sock")
            admin.sendall(b'{"verb":"greylist","do":"allow","key":"a b c"}\n')
            write_config(weighd, OTHER)
            must(b'"ok":true' in weighd.control(b'{"verb":"reload"}'), "not reloaded")
            until("it is deaf", lambda: not os.path.exists(weighd.path("greylistd.sock")))
        check_greylisted(*waiting.take())
        must(b'"ok":' in read_until(admin, b"\n"), "no answer")
        admin.close()
        # Whose listener is there still is served on.
        for client in waiting.policy:
            client.sendall(request())
        for client in waiting.policy:
            must(answer(client) != b"", "closed by the reload")
        waiting.close()
        settled(weighd)


def reload_while_admin_waits():
    """What the administrator has begun is done under the configuration that was."""
    with Running(GREYLISTD) as weighd:
        admins = [weighd.connect_unix("control.sock") for _ in range(6)]
        with Locked(weighd):
            for i, admin in enumerate(admins):
                do = ("allow", "deny")[i % 2]
                admin.sendall(b'{"verb":"greylist","do":"%s","key":"n%d s r"}\n' % (do.encode(), i))
            for text in (OTHER, GREYLISTD, OTHER):
                write_config(weighd, text)
                must(b'"ok":true' in weighd.control(b'{"verb":"reload"}'), "not reloaded")
                # It comes back over each worker: none has the old one any more.
                weighd.control(b'{"verb":"status"}')
        for admin in admins:
            have = read_until(admin, b"\n")
            must(have.startswith((b'{"ok":true,"expires":', b'{"ok":false,"why":')), f"{have!r}")
            admin.close()


def is_served(weighd):
    """Between its making and its listening a socket refuses."""
    try:
        have = greylistd(weighd, b"--grey 192.0.2.1 a b")
    except (ConnectionError, FileNotFoundError):
        return False
    must(have in (b"true", b"false", b""), f"{have!r}")
    return have != b""


def reload_to_nothing():
    """A file that is being written has no listener yet: what runs goes on."""
    with Running(GREYLISTD) as weighd:
        for text in ("", "mode enforce\n", "control {dir}/control.sock\n"):
            write_config(weighd, text)
            have = weighd.control(b'{"verb":"reload"}')
            must(b'"ok":false' in have and b"listen" in have, f"{have!r}")
            must(greylistd(weighd, b"--grey 192.0.2.1 a b") == b"true", "not served any more")
        write_config(weighd, GREYLISTD)
        must(b'"ok":true' in weighd.control(b'{"verb":"reload"}'), "not reloaded")


def reload_again_and_again():
    """Reloads by signal and by command, the configuration turning, while requests wait."""
    with Running(GREYLISTD) as weighd:
        clients = [weighd.connect() for _ in range(20)]
        for i in range(60):
            for client in clients:
                client.sendall(request(client_address=f"192.0.2.{i}") * 5)
            write_config(weighd, (GREYLISTD, OTHER)[i % 2])
            if i % 3:
                must(b'"ok":true' in weighd.control(b'{"verb":"reload"}'), "not reloaded")
            else:
                weighd.process.send_signal(signal.SIGHUP)
            if i % 2 == 0:
                until("greylistd's socket is served", lambda: is_served(weighd))
            for client in clients:
                must(len(answers(client, 5)) == 5, f"round {i}: an answer is missing")
        for client in clients:
            client.close()
        settled(weighd)


CASES = [
    ("a stop while 200 requests wait for the store", stop_while_store_waits),
    ("a stop while 200 requests wait for names", stop_while_dns_waits),
    ("a stop while clients say half of it, or do not read", stop_while_clients_wait),
    ("a reload while 200 requests wait for the store", reload_while_store_waits),
    ("a reload while an administrator waits for the store", reload_while_admin_waits),
    ("a reload that finds a file of nothing", reload_to_nothing),
    ("60 reloads under load", reload_again_and_again),
]


if __name__ == "__main__":
    sys.exit(stores.main(CASES))
