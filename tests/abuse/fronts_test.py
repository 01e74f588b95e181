"""Hostile and broken clients of greylistd's protocol and of the control socket, clients who do not
read, and more clients than there is room for.

Source: design, "Policy port" P4 to P8, "admin socket" A1 and A2, "Faults survived": descriptors.
"""
import json
import os
import random
import signal
import socket
import sys

import stores
from daemon import is_closed, read_until, request
from fronts import GREYLISTD, fill, greylistd, is_answered, read_all, settled, try_control
from stores import Running, must, until

STORM = 4000            # steps
SEED = 4                # of what is generated: the same each time

# --- greylistd's protocol ---

ACTIONS = [b"", b"update", b"check", b"status", b"add", b"delete", b"list", b"stats", b"mrtg",
           b"save", b"clear", b"LIST", b"unknown", b"quit", b"help", b"reload"]
OPTIONS = [b"", b"--grey", b"--white", b"--black", b"--grey --white --black", b"-grey", b"--GREY",
           b"--", b"-", b"--nope", b"--grey=1", b"---white", b"--\0", b"--\xff",
           b"--" + b"w" * 9000]
WORDS = [b"", b"192.0.2.1 a@example.org b@example.net", b"192.0.2.1 b@example.net", b"192.0.2.1",
         b"x", b"192.0.2.1 <> b@example.net", b"2001:db8::1 a b", b"192.0.2.0/24 a b",
         b"2001.0db8.0000.0000.0000.0000.0000.0000/64 a b", b"1.1.1.1 a b, c, d", b"/ / /",
         b"'192.0.2.1' 'a b' \"c d\"", b'"', b"'; DROP TABLE triplet; --", b"a" * 16000,
         b"a " * 8000, b" " * 16000 + b"x", b"\0", b"\0 \0 \0", b"\xff \xfe \xfd", b"a\0b c d",
         b"1.1.1.1 " + b"s" * 5000 + b" " + b"r" * 5000, b"1.1.1.1 a b \r\n",
         b"\t\v\f1.1.1.1\ta b ",
         b"%s%n 1.1.1.1 $sender ${x}", b"--grey 1.1.1.1 a b", b"1.1.1.1 , ,", b"1.1.1.1 a ,b,"]
PLAIN = (b"white", b"grey", b"black", b"true", b"false", b"unseen")
LONG = (b"error: ", b"Added to ", b"Removed from ", b"\nWhitelist data:", b"\nGreylist data:",
        b"\nBlacklist data:", b"Statistics since ")


def is_answer(have):
    return have in PLAIN or have.startswith(LONG)


def check_commands(weighd):
    """Each action with each option and each kind of words: an answer, and one of the known."""
    for action in ACTIONS:
        for option in OPTIONS:
            for words in WORDS:
                data = b" ".join(part for part in (action, option, words) if part)
                if action == b"reload" and not (option or words):
                    continue
                have = greylistd(weighd, data) if data else b"error: "
                bare = action.lower() in (b"list", b"mrtg", b"save", b"clear", b"reload")
                must(is_answer(have) or bare, f"{data[:60]!r}: {have[:200]!r}")
                must(not have.startswith(b"error: ") or
                     all(31 < byte < 127 for byte in have), f"{data[:60]!r}: {have[:200]!r}")


def check_random_commands(weighd):
    random.seed(SEED)
    pieces = [*ACTIONS, *OPTIONS[:10], *WORDS, b" ", b"\n", b"\0"]
    for _ in range(300):
        data = b" ".join(random.choices(pieces, k=random.randrange(1, 8)))[:16384]
        if data and b"reload" not in data:
            greylistd(weighd, data, random.random() < 0.5)


def check_greylistd_clients(weighd):
    """Silent, dripping, gone and resetting ones; the next is answered."""
    silent = [weighd.connect_unix("greylistd.sock") for _ in range(200)]
    for client in silent[::2]:
        client.shutdown(socket.SHUT_WR)
    for _ in range(200):
        with weighd.connect_unix("greylistd.sock") as client:
            client.sendall(b"update 192.0.2.9 a b")
    must(greylistd(weighd, b"--grey 192.0.2.77 a b") == b"true", "not greylisted")
    for client in silent[::2]:
        must(client.recv(100) == b"error: No data received", "nothing was said, and answered")
    for client in silent:
        client.close()


def commands():
    with Running(GREYLISTD) as weighd:
        check_commands(weighd)
        check_random_commands(weighd)
        check_greylistd_clients(weighd)
        settled(weighd)


# --- the control socket ---

DEEP = "[" * 2000 + "]" * 2000
ODD = ["null", "true", "0", "-1", "1e999", "1.5", "9223372036854775807", "-9223372036854775808",
       "92233720368547758080", '""', '"x"', '"a b"', '"\\u0000"', '"a\\u0000b"', '"\\ud800"',
       '"' + "k" * 255 + '"', '"' + "k" * 256 + '"', '"' + "k" * 20000 + '"', "[]", "{}", "[1]",
       '{"a":1}', '[{"kind":"known","set":"s","key":"k","value":"v"}]', DEEP, '"100/1h"', '"%s%n"',
       '"192.0.2.1 a b"', '"greylist"', '"limit"', '"known"', '"\u202e"', '"\x7f"', '"\\n"']
VERBS = {
    "greylist": ["list", "names", "allow", "deny", "forget", "nothing"],
    "limits": ["list", "names", "reset", "raise", "nothing"],
    "known": ["list", "names", "add", "remove", "nothing"],
    "store": ["page", "put", "figures", "nothing"],
    "weigh": ["x"], "status": ["x"], "zones": ["x"],
}
MEMBERS = ["set", "key", "value", "rates", "for_ms", "most", "part", "kind", "after", "after_set",
           "entries", "policy", "attempt", "facts", "at", "do", "verb"]
ENTRY = {"kind": '"known"', "set": '"s"', "key": '"n s r"', "value": '"first=1 last=1"',
         "expires": "0"}
ATTRIBUTES = ["client_address", "sender", "recipient", "helo_name", "instance", "size", "at",
              "recipient_count", "protocol_state", "request", "stress", "nonsense"]
GOOD = {"set": '"hits"', "key": '"a@example.org"', "rates": '"5/1h"', "for_ms": "1000",
        "kind": '"known"'}


def lines():
    """Requests for each verb: each member with each odd value, beside good ones and alone."""
    for verb, dos in VERBS.items():
        for do in dos:
            base = {"verb": json.dumps(verb), "do": json.dumps(do)}
            for member in MEMBERS:
                for odd in ODD:
                    for beside in ({}, GOOD):
                        yield {**base, **beside, member: odd}
    for odd in ODD:
        for member in ENTRY:
            for kind in ("greylist", "limit", "known"):
                entry = {**ENTRY, "kind": json.dumps(kind), member: odd}
                yield {"verb": '"store"', "do": '"put"', "entries": f"[{written(entry)}]"}
        for member in ATTRIBUTES:
            yield {"verb": '"weigh"', "attempt": written({member: odd})}
        for member in ("state", "items", "number", "kind", "key"):
            fact = {"kind": '"a"', "key": '"x.example"', "state": '"known"', member: odd}
            yield {"verb": '"weigh"', "attempt": "{}", "facts": f"[{written(fact)}]"}


def written(members):
    return "{" + ",".join(f'"{name}":{value}' for name, value in members.items()) + "}"


def check_control_lines(weighd):
    """A line of JSON in, one line of JSON out, whatever it says."""
    with weighd.connect_unix("control.sock") as client:
        for line in lines():
            text = written(line) + "\n"
            client.sendall(text.encode("utf-8", "surrogatepass"))
            have = read_until(client, b"\n")
            must(have, f"closed: {text[:300]}")
            have = json.loads(have)
            must("ok" in have or "verdict" in have, f"{text[:300]}: {have}")


def check_control_bytes(weighd):
    """What is no JSON: one error a line, and the next line is heard."""
    random.seed(SEED)
    good = b'{"verb":"store","do":"figures"}\n'
    for _ in range(500):
        at = random.randrange(len(good) - 1)
        bad = bytearray(good[:-1])
        for _ in range(random.randrange(1, 4)):
            bad[at:at + random.randrange(2)] = random.randbytes(random.randrange(3))
        bad = bytes(bad).replace(b"\n", b" ")
        with weighd.connect_unix("control.sock") as client:
            client.sendall(bad + b"\n" + good)
            first, second = map(json.loads, read_lines(client, 2).splitlines())
            must("ok" in first and second["ok"], f"{bad!r}: {first} {second}")


def read_lines(client, count):
    data = b""
    while data.count(b"\n") < count:
        more = client.recv(65536)
        must(more, f"closed after {data.count(10)} of {count} lines")
        data += more
    return data


def check_control_clients(weighd):
    """Eight at once, each with many lines in one go, half of which nobody reads."""
    clients = [weighd.connect_unix("control.sock") for _ in range(8)]
    # Well below what a line may have: it is read whole before any of it is answered.
    data = b'{"verb":"store","do":"page","kind":"greylist","most":1000}\n' * 500
    for client in clients:
        client.sendall(data)
    for client in clients[::2]:
        client.close()
    for client in clients[1::2]:
        client.shutdown(socket.SHUT_WR)
        read_lines(client, 500)
        must(is_closed(client), "not closed after the last answer")
        client.close()
    until("the clients have gone", lambda: b'"ok":true' in try_control(weighd))


def control():
    with Running(GREYLISTD) as weighd:
        check_control_lines(weighd)
        check_control_bytes(weighd)
        check_control_clients(weighd)
        weighd.control(b'{"verb":"status"}')
        settled(weighd)


# --- clients who do not read ---

def half_close_while_writing(weighd):
    """Who reads its answers late gets one for each request, and the close."""
    with weighd.connect_unix("policy.sock") as client:
        requests = fill(client, request()) // len(request())
        client.shutdown(socket.SHUT_WR)
        have = read_all(client).split(b"\n\n")
        must(len(have) == requests + 1 and have[-1] == b"" and
             all(part.startswith(b"action=") for part in have[:-1]),
             f"{requests} requests, {len(have) - 1} answers")


def reset_while_writing(weighd):
    for _ in range(20):
        with weighd.connect() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            fill(client, request())
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


def leave_a_long_list(weighd):
    """A list that nobody reads to its end holds up nobody."""
    entries = [{"kind": "greylist", "key": f"n{i} s r", "value": "first=1 last=1", "expires": 0}
               for i in range(500)]
    have = weighd.control(json.dumps({"verb": "store", "do": "put",
                                      "entries": entries}).encode())
    must(b'"ok":true' in have, f"{have!r}")
    for _ in range(20):
        with weighd.connect_unix("greylistd.sock") as client:
            client.sendall(b"list")
            client.recv(1)
    must(greylistd(weighd, b"--grey 192.0.2.1 a b") == b"true", "not served")


def unread():
    with Running(GREYLISTD) as weighd:
        half_close_while_writing(weighd)
        reset_while_writing(weighd)
        leave_a_long_list(weighd)
        settled(weighd)


# --- all at once ---

def newcomer(weighd, dice):
    name = dice.choice(["policy.sock", "policy.sock", "greylistd.sock", "inet", "control.sock"])
    client = weighd.connect() if name == "inet" else weighd.connect_unix(name)
    client.setblocking(False)
    return client, name


def leave(client, dice):
    """By a close or by a reset."""
    if dice.random() < 0.5:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    client.close()


def act(client, name, dice):
    step = dice.randrange(8)
    if step == 0:
        client.shutdown(socket.SHUT_WR)
    elif step == 1:
        client.recv(dice.choice([1, 100, 65536]))
    elif name == "greylistd.sock":
        client.send(b" ".join(dice.choices(ACTIONS[:-1] + WORDS, k=3)))
    elif name == "control.sock":
        client.send(b'{"verb":"greylist","do":"%s","key":"n s r"}\n' %
                    dice.choice([b"allow", b"forget", b"list"]) * dice.randrange(1, 20))
    else:
        data = b"".join(request(client_address=f"192.0.2.{dice.randrange(256)}")
                        for _ in range(dice.choice([1, 3, 60, 200])))
        client.send(data[:dice.randrange(len(data))] if step == 2 else data)


def storm():
    """Many steps of many clients, in no good order; then all must be as before."""
    dice = random.Random(SEED)
    crowded = []
    with Running(GREYLISTD) as weighd:
        for i in range(int(os.environ.get("WEIGHD_STORM", STORM))):
            try:
                if len(crowded) < 40:
                    crowded.append(newcomer(weighd, dice))
                act(*dice.choice(crowded), dice)
            except BlockingIOError:
                pass
            except OSError as error:
                must(weighd.process.poll() is None, f"the daemon has ended at {i}: {error}")
            if dice.random() < 0.2 and crowded:
                leave(crowded.pop(dice.randrange(len(crowded)))[0], dice)
            if i % 500 == 250:
                weighd.process.send_signal(signal.SIGHUP)
        for client, _ in crowded:
            leave(client, dice)
        until("an answer after it", lambda: is_answered(weighd))
        settled(weighd)


# --- too many clients, too few descriptors ---

IDLE = 2000


def crowd(weighd, count, data=b""):
    """So many clients; some of them may have been sent away."""
    clients = []
    for i in range(count):
        try:
            client = weighd.connect(source=f"127.0.0.{2 + i // 200}")
            clients.append(client)
            client.sendall(data)
        except ConnectionError:
            pass
    return clients


def idle_clients(descriptors, data):
    """Many that say nothing, or half of a request: good ones are answered, before and after."""
    with Running(GREYLISTD, descriptors=descriptors) as weighd:
        clients = crowd(weighd, IDLE, data)
        if not data:
            until("an answer beside the crowd", lambda: is_answered(weighd))
        until("an administrator is heard", lambda: try_control(weighd))
        for client in clients:
            client.close()
        until("an answer when it has gone", lambda: is_answered(weighd))
        settled(weighd)


CASES = [
    ("commands of greylistd's protocol, well and badly made", commands),
    ("lines of the control socket, well and badly made", control),
    ("clients who do not read", unread),
    ("clients of no manners, all at once", storm),
    ("2,000 idle clients", lambda: idle_clients(None, b"")),
    ("2,000 idle clients, 64 descriptors", lambda: idle_clients(64, b"")),
    ("2,000 unfinished requests, 64 descriptors", lambda: idle_clients(64, b"request=")),
]


if __name__ == "__main__":
    sys.exit(stores.main(CASES))
