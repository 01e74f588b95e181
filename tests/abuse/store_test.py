"""Nothing that was acknowledged is lost: the daemon and its sqlite store in bad hands.

kill -9 under load, a full disk, damaged files, a folder that goes, bursts at a limit.  The
driver alone is tried harder in tests/store.
"""
import json
import os
import random
import re
import selectors
import shutil
import signal
import sqlite3
import subprocess
import sys
import time

import stores
from daemon import answer, answers, request
from stores import DUNNO, FAILING, Memory, Running, ask, must, state, touch, until

KILLS = int(os.environ.get("KILLS", 200))
WRITERS = 20
ANSWERS_MAX = 300       # of one life
RELOADS, EACH = 40, 10

BURST = """
listen inet:127.0.0.1:0 policy burst
control {dir}/control.sock
store %s
resolver 127.0.0.1:1
log stderr
mode enforce
policy burst {{
    limit hits by sender 100/1h else reject "5.7.1 over"
}}
"""


# --- kill -9 ---

class Writer:
    """One client: each of its requests is a triplet of its own, and counts under its key."""

    def __init__(self, number):
        self.number = number
        self.sender = f"c{number}@example.org"
        self.sent = self.answered = 0
        self.acked = []             # keys of triplets
        self.begun = None           # what is under way
        self.socket = None
        self.buffer = b""

    def connect(self, weighd):
        self.socket = weighd.connect()
        self.buffer = b""

    def send(self):
        self.sent += 1
        self.begun = (self.sent, stores.address(self.number << 16 | self.sent))
        self.socket.sendall(request(client_address=self.begun[1], sender=self.sender))

    def read(self):
        """@return True: an answer, False: not yet, None: the daemon is gone"""
        try:
            part = self.socket.recv(4096)
        except ConnectionResetError:
            part = b""
        if not part:
            return None
        self.buffer += part
        if not self.buffer.endswith(b"\n\n"):
            return False
        have, used = state(self.buffer)
        must(have == "new", f"a triplet that nobody has asked for is {have}")
        # What went unanswered at a kill may have been counted, or not.
        must(self.answered < used <= self.sent,
             f"{self.sender}: {used} counted; {self.answered} answered, {self.sent} sent")
        self.answered = used
        self.acked.append(f"{self.begun[1]} {self.sender} bob@example.com")
        self.buffer = b""
        return True


def live_and_die(weighd, writers, wanted):
    """So many answers, then kill -9; what is on its way back counts, too."""
    selector = selectors.DefaultSelector()
    for writer in writers:
        writer.connect(weighd)
        selector.register(writer.socket, selectors.EVENT_READ, writer)
    for writer in writers:
        writer.send()
    is_dead = wanted == 0
    if is_dead:
        weighd.stop(signal.SIGKILL)
    open_count = len(writers)
    while open_count > 0:
        for key, _ in selector.select():
            writer, result = key.data, key.data.read()
            if result is None:
                must(is_dead, "the daemon has closed a connection")
                selector.unregister(writer.socket)
                writer.socket.close()
                open_count -= 1
            elif result:
                wanted -= 1
                if wanted == 0 and not is_dead:
                    is_dead = True
                    weighd.stop(signal.SIGKILL)
                if not is_dead:
                    writer.send()


def check_file(weighd, writers):
    """All that was acknowledged is in the file, and nothing that was never asked for."""
    database = sqlite3.connect(f"file:{weighd.path('store/state.db')}?mode=ro", uri=True)
    keys = {key for key, in database.execute("SELECT key FROM triplet")}
    used = {key: int(text.split()[2]) for key, text in
            database.execute("SELECT key, text FROM tally WHERE name = 'hits'")}
    database.close()
    for writer in writers:
        missing = set(writer.acked) - keys
        must(not missing, f"lost: {sorted(missing)[:5]}")
        have = used.get(writer.sender, 0)
        must(writer.answered <= have <= writer.sent,
             f"{writer.sender}: {have} in the file; {writer.answered} answered, {writer.sent} sent")
    must(len(keys) <= sum(writer.sent for writer in writers), "more than was asked for")


def check_answers(weighd, writers):
    """The same by the protocol: no triplet is new, and counts go on where they were."""
    with weighd.connect() as client:
        for writer in writers:
            for start in range(0, len(writer.acked), 500):
                part = writer.acked[start:start + 500]
                client.sendall(b"".join(
                    request(client_address=key.split()[0], sender=writer.sender) for key in part))
                for key, have in zip(part, answers(client, len(part)), strict=True):
                    have, used = state(have)
                    writer.sent += 1
                    must(have == "early", f"{key} is {have}")
                    must(writer.answered < used <= writer.sent, f"{key}: {used} counted")
                    writer.answered = used


def live_and_die_often(weighd, writers, kills, check):
    """Says how many were acknowledged."""
    seed = int(os.environ.get("SEED", random.randrange(1 << 32)))
    lot = random.Random(seed)
    print(f"# seed {seed}")
    for _ in range(kills):
        live_and_die(weighd, writers, lot.randrange(ANSWERS_MAX))
        weighd.start()
        check(weighd, writers)
    print(f"# {kills} kills, {sum(len(writer.acked) for writer in writers)} acknowledged")


def killed():
    writers = [Writer(number) for number in range(WRITERS)]
    with Running() as weighd:
        live_and_die_often(weighd, writers, KILLS, check_file)
        must("damaged" not in weighd.log_text(), "a file was damaged by a kill")
        must(not os.path.exists(died(weighd)), "the store was blamed for a kill")
        check_answers(weighd, writers)


# --- deaths at the store's work ---

def died(weighd):
    return weighd.path("store/state.db.died")


def die(weighd):
    """The store's thread touches memory that is no more: the file behind it was cut."""
    os.truncate(weighd.path("store/state.db-shm"), 0)
    with weighd.connect() as client:
        client.sendall(request(client_address="192.0.2.77"))
        must(answer(client) == b"", "it lives")
    must(weighd.process.wait(30) != 0, "it ended well")
    weighd.reader.wait(30)
    weighd.process.stderr.close()


def status(weighd):
    return json.loads(weighd.control(b'{"verb":"status"}'))


def is_left_alone(weighd):
    have = status(weighd)
    is_said = "it is left alone this once" in "".join(weighd.log)
    must(("store_fault" in have) == is_said == (have["store"]["kind"] == "memory"),
         f"said and done are two: {have} {weighd.log}")
    return is_said


def dies_twice():
    """Two deaths at the store's work: one life without it, then again with it, and nothing lost."""
    with Running() as weighd:
        for number in range(20):
            must(touch(weighd, number) == "new", "not new")
        die(weighd)
        with open(died(weighd), encoding="ascii") as file:
            must(re.fullmatch(r"\d{10,}\n", file.read()), "no time was noted")
        weighd.start()
        must(not is_left_alone(weighd) and touch(weighd, 1) == "early", "after one death")
        must("died at its work" in "".join(weighd.log), "nothing is said of one death")
        die(weighd)
        weighd.start()
        must(is_left_alone(weighd), "after two deaths")
        must(touch(weighd, 1) == "new" and touch(weighd, 1) == "early", "not in memory")
        must(not os.path.exists(died(weighd)), "notes are kept")
        shown = subprocess.run([os.environ["WEIGHCTL"], "status", "--control",
                                weighd.path("control.sock")], capture_output=True, text=True,
                               check=True).stdout
        must("The store is not used" in shown, shown)
        weighd.stop()
        weighd.start()
        must(not is_left_alone(weighd), "left alone more than once")
        for number in range(20):
            must(touch(weighd, number) == "early", f"{number} is lost")


def dies_long_after():
    """A death of more than a minute ago is forgotten."""
    with Running() as weighd:
        die(weighd)
        with open(died(weighd), "w", encoding="ascii") as file:
            file.write(f"{int(time.time()) - 61}\n")
        weighd.start()
        must("died at its work" not in "".join(weighd.log), "an old death is said")
        die(weighd)
        weighd.start()
        must(not is_left_alone(weighd), "two deaths that are far apart")


def aborted_and_killed():
    """Deaths from outside, at any moment, are not the store's."""
    with Running() as weighd:
        for number, sent in enumerate([signal.SIGABRT, signal.SIGSEGV, signal.SIGBUS,
                                       signal.SIGKILL] * 3):
            client = weighd.connect()
            client.sendall(b"".join(request(client_address=stores.address(number << 8 | part))
                                    for part in range(50)))
            weighd.stop(sent)
            client.close()
            must(not os.path.exists(died(weighd)), f"the store was blamed for {sent!r}")
            weighd.start()
            must(not is_left_alone(weighd), f"after {sent!r}")


def reloaded():
    """The configuration is read again and again under load: each count is exact."""
    with Running() as weighd:
        clients = [weighd.connect() for _ in range(WRITERS)]
        for turn in range(RELOADS):
            weighd.process.send_signal(signal.SIGHUP)
            for number, client in enumerate(clients):
                client.sendall(b"".join(request(
                    client_address=stores.address(number << 16 | turn << 4 | part),
                    sender=f"c{number}@example.org") for part in range(EACH)))
            for number, client in enumerate(clients):
                have = [state(have) for have in answers(client, EACH)]
                want = [("new", turn * EACH + part + 1) for part in range(EACH)]
                must(have == want, f"client {number}: {have}, not {want}")
        for client in clients:
            client.close()
        generation = json.loads(weighd.control(b'{"verb":"status"}'))["generation"]
        must(generation > 1, "it was never read again")


# --- full disk ---

def fill(weighd):
    """New triplets until the store fails; how many were remembered."""
    with weighd.connect() as client:
        for number in range(100000):
            client.sendall(request(client_address=stores.address(number),
                                   sender=f"{number}@example.org"))
            have = answer(client)
            if have == FAILING:
                return number
            must(state(have)[0] == "new", f"triplet {number}: {have!r}")
    raise AssertionError("the disk does not fill up")


def check_known(weighd, count):
    for number in range(count):
        have = touch(weighd, number, sender=f"{number}@example.org")
        must(have == "early", f"triplet {number} of {count} is {have}")


def said(weighd, part):
    return sum(part in line for line in weighd.log_text().splitlines())


def full():
    place = Memory()
    with Running(prepare=place) as weighd:
        count = fill(weighd)
        must(count > 50, f"full after {count}")
        for number in range(20):
            have = ask(weighd, client_address=stores.address(1 << 20 | number),
                       recipient="open@x.y")
            must(have == DUNNO, f"not by the rule of that statement: {have!r}")
        until("it is said", lambda: said(weighd, "cannot be written"))
        must(said(weighd, "cannot be written") == 1, "said more than once")
        figures = weighd.control(b'{"verb":"store","do":"figures"}')
        must(b'"is_down":1' in figures, f"is it down? {figures!r}")
        place.remount("16m")
        until("there is room", lambda: ask(weighd, client_address="192.0.2.99") != FAILING)
        until("it is said", lambda: said(weighd, "can be written again"))
        check_known(weighd, count)
        weighd.stop()
        weighd.start()
        check_known(weighd, count)


def read_only():
    place = Memory("16m")
    with Running(prepare=place) as weighd:
        must(touch(weighd, 1) == "new", "not new")
        # what is open for writing forbids it, so it is opened anew
        weighd.stop()
        place.remount("16m", stores.MS_RDONLY)
        weighd.start()
        must("cannot be opened" in "".join(weighd.log), "".join(weighd.log))
        must(touch(weighd, 2) == "new" and touch(weighd, 2) == "early", "not in memory, either")
        weighd.stop()
        place.remount("16m")
        weighd.start()
        must(touch(weighd, 1) == "early", "lost")


# --- damage ---

def head_gone(data):
    return bytes(100) + data[100:]


def half(data):
    return data[:len(data) // 2]


def flipped(data):
    return bytes([data[0] ^ 4]) + data[1:]


def zero_page(data):
    """The first page that holds triplets."""
    at = re.search(rb"(192|10)\.0\.[02]\.1 ", data).start() // 4096 * 4096
    return data[:at] + bytes(4096) + data[at + 4096:]


DAMAGES = [
    ("cut in half", half),
    ("cut to ten bytes", lambda data: data[:10]),
    ("a bit flipped in its first byte", flipped),
    ("all zeros", lambda data: bytes(len(data))),
    ("a page of zeros", zero_page),
    ("anything", lambda data: random.Random(4).randbytes(len(data))),
    ("a text", lambda data: b"this is no database\n" * 1000),
]
# and how many of 500 triplets may be lost with it
SALVAGES = [
    ("its head is gone", head_gone, 0),
    ("a bit flipped in its first byte", flipped, 0),
    ("a page of zeros", zero_page, 60),
    ("cut in half", half, 400),
    ("all zeros", lambda data: bytes(len(data)), 1000),
]


def damaged(damage):
    def case():
        with Running() as weighd:
            path = weighd.path("store/state.db")
            for number in range(300):
                touch(weighd, number)
            must(ask(weighd, client_address="192.0.2.1") != FAILING, "failed")
            weighd.stop()
            with open(path, "rb") as file:
                data = damage(file.read())
            for suffix in ("-wal", "-shm"):
                if os.path.exists(path + suffix):
                    os.unlink(path + suffix)
            with open(path, "wb") as file:
                file.write(data)
            weighd.start()
            until("it is said", lambda: "is set aside as" in "".join(weighd.log)
                  or said(weighd, "is set aside as"))
            until("a new store", lambda: ask(weighd, client_address="192.0.2.9") != FAILING)
            aside = [name for name in os.listdir(weighd.path("store")) if ".damaged-" in name
                     and not name.endswith(("-wal", "-shm"))]
            must(len(aside) == 1, f"set aside: {aside}")
            with open(weighd.path("store/" + aside[0]), "rb") as file:
                must(file.read() == data, "what was set aside is another file")
            must(touch(weighd, 1000) == "new", "not new")
            weighd.stop()
            weighd.start()
            must(touch(weighd, 1000) == "early", "the new store forgets")
    return case


def salvage(weighd, wanted):
    """By the command that the log names; then it is read in again."""
    line = "".join(weighd.log) + weighd.log_text()
    found = re.search(r"weighctl (store salvage \S+) writes out", line)
    must(found, "the log does not name the command: " + line)
    done = subprocess.run([os.environ["WEIGHCTL"], *found[1].split()], capture_output=True,
                          check=False)
    must(done.returncode == wanted, f"salvage: {done.returncode} {done.stderr.decode()}")
    return done.stdout, done.stderr.decode()


def salvaged(damage, lost_max):
    """Set aside, salvaged, read in: the entries are there."""
    def case():
        with Running() as weighd:
            path = weighd.path("store/state.db")
            for number in range(1000):
                touch(weighd, number, sender="a@example.org" if number % 2 else f"{number}@b.org")
            weighd.stop()
            with open(path, "rb") as file:
                data = damage(file.read())
            with open(path, "wb") as file:
                file.write(data)
            weighd.start()
            until("it is said", lambda: "is set aside as" in "".join(weighd.log)
                  or said(weighd, "is set aside as"))
            lines, told = salvage(weighd, 0 if lost_max < 1000 else 65)
            print(f"# {told.splitlines()}")
            done = subprocess.run([os.environ["WEIGHCTL"], "store", "import", "--control",
                                   weighd.path("control.sock")], input=lines, capture_output=True,
                                  check=False)
            must(done.returncode == 0, f"import: {done}")
            lost = [number for number in range(0, 1000, 2)
                    if touch(weighd, number, sender=f"{number}@b.org") != "early"]
            must(len(lost) <= lost_max, f"lost: {len(lost)}")
            have, used = state(ask(weighd, client_address="192.0.2.9", sender="a@example.org"))
            must(lost_max > 100 or (have, used) == ("new", 501), f"{have}, {used} counted")
    return case


def damaged_in_use():
    """Its pages are overwritten under the running daemon: answers go on, by store or by rule."""
    with Running() as weighd:
        path = weighd.path("store/state.db")
        for number in range(3000):
            touch(weighd, number)
        weighd.stop()
        weighd.start()          # what was in the journal is in the file now
        with open(path, "r+b") as file:
            size = file.seek(0, os.SEEK_END)
            for at in range(4096, size, 4096):
                file.seek(at)
                file.write(b"\xa5" * 4096)
        for number in range(3000):
            have = ask(weighd, client_address=stores.address(number))
            must(have == FAILING or state(have)[0] in ("new", "early"), f"{have!r}")
        until("a new store", lambda: ask(weighd, client_address="192.0.2.9") != FAILING)
        must(said(weighd, "is set aside as") == 1, "not said, or more than once")
        weighd.stop()
        weighd.start()
        must(ask(weighd, client_address="192.0.2.9") not in (FAILING, DUNNO), "not well again")


def not_ours():
    """Another program's database is left alone; what is counted meanwhile is in memory."""
    with Running() as weighd:
        path = weighd.path("store/state.db")
        weighd.stop()
        for name in os.listdir(weighd.path("store")):
            os.unlink(weighd.path("store/" + name))
        database = sqlite3.connect(path)
        database.execute("CREATE TABLE theirs (x)")
        database.commit()
        database.close()
        with open(path, "rb") as file:
            data = file.read()
        weighd.start()
        must("not one of weighd's" in "".join(weighd.log), "".join(weighd.log))
        must(touch(weighd, 1) == "new" and touch(weighd, 1) == "early", "not in memory")
        with open(path, "rb") as file:
            must(file.read() == data, "it was changed")


def no_file():
    """A folder where the file should be."""
    def prepare(folder):
        os.makedirs(os.path.join(folder, "store/state.db"), 0o700)
    with Running(prepare=prepare) as weighd:
        must("cannot be opened" in "".join(weighd.log), "".join(weighd.log))
        must(touch(weighd, 1) == "new" and touch(weighd, 1) == "early", "not in memory")


def in_use():
    """A second daemon keeps away from the first one's file."""
    with Running() as first:
        with Running(stores.CONFIG % f'sqlite "{first.path("store/state.db")}"') as second:
            must("in use by another weighd" in "".join(second.log), "".join(second.log))
            must(touch(first, 1) == "new" and touch(first, 1) == "early", "the first")
            must(touch(second, 1) == "new" and touch(second, 1) == "early", "the second")


def folder_removed():
    with Running() as weighd:
        must(touch(weighd, 1) == "new", "not new")
        shutil.rmtree(weighd.path("store"))
        for number in range(2, 300):
            have = ask(weighd, client_address=stores.address(number))
            must(have == FAILING or state(have)[0] == "new", f"{have!r}")
        weighd.stop()
        weighd.start()
        must(touch(weighd, 1) == "new" and touch(weighd, 1) == "early", "does not begin anew")


# --- bursts ---

def burst(daemons, connections=100, each=3):
    """All at once, of one sender: how many of the requests were let through."""
    clients = [daemons[number % len(daemons)].connect() for number in range(connections)]
    data = b"".join(request(client_address=f"192.0.2.{number % 250}", sender="a@burst.example")
                    for number in range(each))
    for client in clients:
        client.sendall(data)
    got = [have for client in clients for have in answers(client, each)]
    for client in clients:
        client.close()
    odd = set(got) - {DUNNO, b"action=550 5.7.1 over\n\n"}
    must(not odd, f"odd answers: {odd}")
    must(len(got) == connections * each, f"{len(got)} answers")
    return got.count(DUNNO)


def burst_sqlite():
    with Running(BURST % 'sqlite "{dir}/store/state.db"', workers=2) as weighd:
        passed = burst([weighd])
        must(passed == 100, f"{passed} of 300 passed a limit of 100")


def burst_memory():
    with Running(BURST % "memory", workers=2) as weighd:
        passed = burst([weighd])
        must(passed == 100, f"{passed} of 300 passed a limit of 100")


CASES = [
    (f"{KILLS} times kill -9 with {WRITERS} clients: nothing acknowledged is lost", killed),
    ("two deaths at the store's work: once without it", dies_twice),
    ("two such deaths, far apart", dies_long_after),
    ("deaths from outside are not the store's", aborted_and_killed),
    (f"{RELOADS} reloads under load: each count is exact", reloaded),
    ("a full disk: by the rule, said once, well again when there is room", full),
    ("a read-only disk: starts, remembers in memory, says so", read_only),
    *[(f"a damaged file, {name}: set aside, said, a new one", damaged(damage))
      for name, damage in DAMAGES],
    *[(f"what is salvaged of a damaged file, {name}", salvaged(damage, lost_max))
      for name, damage, lost_max in SALVAGES],
    ("a file that is damaged in use", damaged_in_use),
    ("another program's database is left alone", not_ours),
    ("a folder where the file should be", no_file),
    ("a second daemon on the same file", in_use),
    ("the folder is removed in use", folder_removed),
    ("300 at once at a limit of 100, sqlite", burst_sqlite),
    ("300 at once at a limit of 100, memory", burst_memory),
]


if __name__ == "__main__":
    sys.exit(stores.main(CASES))
