"""What strangers write becomes keys, and nothing else: sqlite and Redis, log, weighctl, exports.

Each hostile value is sender, recipient, greeting and user at once, twice: it is counted under a
key of its own, and all that shows it is still one line, one word, one JSON text.
"""
import json
import os
import re
import sqlite3
import subprocess
import sys

import stores
from daemon import answers, request
from stores import Running, RunningRedis, must

CONFIG = """
listen inet:127.0.0.1:0 policy keep
control {dir}/control.sock
store %s
resolver 127.0.0.1:1
log stderr
mode enforce
policy keep {{
    remember helo_name in names for 1d
    limit hits by sender 1000000/1d
    limit greeting by helo_name 1000000/1d
    limit user by sasl_username, client_address 1000000/1d
    greylist for 1h by client_address, sender, recipient no trust \
"4.7.1 ${{greylist.state}} ${{hits.used}} ${{greeting.used}} ${{user.used}} from $sender"
}}
"""

VALUES = [
    # SQL
    b"'; DROP TABLE triplet; --", b'" OR "1"="1', b"a' UNION SELECT * FROM known --", b"NULL",
    b"'", b"');DELETE FROM tally;--@x.example", b"/* */", b"?1", b":key", b"@key", b"x'00'",
    # Redis: protocol, Lua, patterns, hash tags
    b"*1\r$8\rFLUSHALL\r", b"\r$8\rFLUSHALL", b"]] redis.call('FLUSHALL') --[[",
    b'"); redis.call("FLUSHALL"); ("', b"*", b"?", b"[a-z]*", b"{tag}", b"}{", b"{}", b"{",
    b"weighd:limit:{x}", b"EVAL", b"nil",
    # our own forms
    b"%", b"%s%n%p%x", b"%00", b"a%20b", b"a b", b" a b", b"a  b", b"  ", b"~0123456789abcdef",
    b"a~b", b"window 86400000 99999 1+99999", b"first=1 last=1 passed=1 passes=9 white",
    b"first=", b"raised 9999999999999 none", b"hits x", b"; ", b",", b"=", b"a=b", b"0", b"-1",
    b"--", b"1e999", b"$sender", b"${score}", b"$$", b"$id $summary",
    # quoting, JSON, markup
    b'"', b"\\", b'\\"', b"\\x41", b'{"kind":"known"}', b"<script>alert(1)</script>", b"&amp;",
    b"`id`", b"$(id)", b"|id", b"../../etc/passwd", b"#", b"//",
    # controls and what is no UTF-8
    b"\x01\x02\x1b[2J\x07\x7f", b"\t", b"a\rb", b"a\0b", b"\0", b"\x0b\x0c", b"\x85",
    b"\xff\xfe\x80", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x80",
    b"a\xe2\x80\xaeb", b"a\xe2\x80\xa8b", b"a\xc2\x9bb", b"\xef\xbb\xbfbom",
    b"\xc3\xbc",
    # long ones: they differ in the last byte alone
    b"x" * 255, b"x" * 256, b"x" * 400, b"x" * 401, b"x" * 8000, b"x" * 7999 + b"y",
    b"\xff" * 2000, b"\xff" * 1999 + b"\xfe", b" " * 4000 + b"z", b"%" * 3000,
    b"v" * 399 + b"\xc3\xbc",
]

ANSWER = re.compile(rb"action=DEFER_IF_PERMIT 4\.7\.1 (\w+) (\d+) (\d+) (\d+) from "
                    rb"[^\x00-\x1f\x7f]*\n\n")
WORD = rb'[a-z_]+=(?:"(?:[^"\\]|\\.)*"|[^" ]*)'
DECISION = re.compile(rb"\S+Z id=[0-9A-Z]{4}-[0-9A-Z]{4}(?: " + WORD + rb")*")


def send(weighd, value):
    """Two requests; what they counted."""
    data = request(sender=value, recipient=value, helo_name=value, sasl_username=value)
    with weighd.connect() as client:
        client.sendall(data * 2)
        got = answers(client, 2)
    must(len(got) == 2, f"{value[:60]!r}: {len(got)} answers")
    found = []
    for have in got:
        match = ANSWER.fullmatch(have)
        must(match, f"{value[:60]!r}: an odd answer: {have[:200]!r}")
        found.append((match[1], *map(int, match.groups()[1:])))
    return found


def check_counts(weighd):
    for value in [b"good@example.org", *VALUES]:
        have = send(weighd, value)
        must(have == [(b"new", 1, 1, 1), (b"early", 2, 2, 2)], f"{value[:60]!r}: {have}")
    have = send(weighd, b"good@example.org")
    must(have == [(b"early", 3, 3, 3), (b"early", 4, 4, 4)], f"good again: {have}")


def check_log(weighd):
    """A line each decision, and nothing in it that is not shown."""
    wanted = 2 * (len(VALUES) + 2)

    def decisions():
        with open(weighd.path("log"), "rb") as file:
            lines = file.read().split(b"\n")[:-1]
        return lines if sum(b" id=" in line for line in lines) >= wanted else None
    for line in stores.until("the log", decisions):
        line.decode()
        must(not re.search(rb"[\x00-\x1f\x7f]", line), f"a control in {line!r}")
        must(b" id=" not in line or DECISION.fullmatch(line), f"an odd line: {line!r}")


def weighctl(weighd, *words, status=0):
    done = subprocess.run([os.environ["WEIGHCTL"], *words[:2], "--control",
                           weighd.path("control.sock"), *words[2:]], capture_output=True)
    must(done.returncode == status, f"{words}: {done.returncode} {done.stderr[-500:]!r}")
    return done.stdout


def check_weighctl(weighd):
    """Each listing has every key, as text for people and as JSON."""
    count = len(VALUES) + 1
    for words, kind in ((("greylist", "list"), "greylist"), (("limits", "show"), "limit"),
                        (("known", "list"), "known")):
        for more in ((), ("-j",)):
            text = weighctl(weighd, *words, *more).decode()
            bad = re.search(r"[\x00-\x09\x0b-\x1f\x7f\x80-\x9f\u2028\u202e]", text)
            must(not bad, f"{words}: {bad and bad[0]!r}")
            if more:
                json.loads(text)
    entries = export(weighd)
    of = [[entry["key"] for entry in entries if (entry["kind"], entry["set"]) == name]
          for name in (("greylist", ""), ("limit", "hits"), ("limit", "greeting"),
                       ("limit", "user"), ("known", "names"))]
    have = [len(set(keys)) for keys in of]
    must(have == [count] * 5, f"{have} of {count}")
    for keys in of:
        for key in keys:
            must(len(key.encode()) <= 255, f"a key too long: {key!r}")
            must(not re.search(r"[\x00-\x1f\x7f]", key), f"a control in a key: {key!r}")


def export(weighd):
    lines = weighctl(weighd, "store", "export").decode().split("\n")[:-1]
    return [json.loads(line) for line in lines]


def keys_of(weighd, name):
    return {entry["key"] for entry in export(weighd) if entry["set"] == name}


def check_given_back(weighd):
    """A key, as it is shown, is taken back by weighctl; only that one is changed."""
    tried = (b"'; DROP TABLE triplet; --", b"*", b"[a-z]*", b"a%20b", b"a b", b'"', b"--", b"-1",
             b"x" * 400, b"x" * 401, b"\xff\xfe\x80", b"\x01\x02\x1b[2J\x07\x7f", b"\\x41")
    key = {}
    for value in tried:
        before = keys_of(weighd, "hits")
        send(weighd, value)
        key[value], = keys_of(weighd, "hits") - before
    for value in tried:
        before = keys_of(weighd, "hits")
        weighctl(weighd, "limits", "reset", "--", "hits", key[value])
        gone = before - keys_of(weighd, "hits")
        must(gone == {key[value]}, f"{value[:60]!r}: gone are {gone}")
        must(send(weighd, value)[0][1:] == (1, 3, 3), f"{value[:60]!r}: not begun anew")


def in_order(entries):
    return sorted(entries, key=lambda entry: (entry["kind"], entry["set"], entry["key"]))


def check_round_trip(weighd, spec):
    """What is written out and read in elsewhere is the same."""
    lines = weighctl(weighd, "store", "export")
    with Running(CONFIG % spec) as other:
        with open(other.path("export"), "wb") as file:
            file.write(lines)
        weighctl(other, "store", "import", other.path("export"))
        want = [json.loads(line) for line in lines.splitlines()]
        must(in_order(export(other)) == in_order(want), "not the same")


def all_of_it(weighd):
    check_counts(weighd)
    check_log(weighd)
    check_weighctl(weighd)


def on_sqlite():
    with Running(CONFIG % 'sqlite "{dir}/store/state.db"') as weighd:
        all_of_it(weighd)
        check_round_trip(weighd, "memory")
        weighd.stop()
        database = sqlite3.connect(weighd.path("store/state.db"))
        tables = {name for name, in database.execute("SELECT name FROM sqlite_schema")}
        must({"triplet", "tally", "known"} <= tables, f"{tables}")
        must(database.execute("PRAGMA integrity_check").fetchone() == ("ok",), "integrity")
        database.close()
        weighd.start()
        have = send(weighd, b"'; DROP TABLE triplet; --")
        must(have == [(b"early", 3, 3, 3), (b"early", 4, 4, 4)], f"after a restart: {have}")


def on_memory():
    with Running(CONFIG % "memory") as weighd:
        all_of_it(weighd)
        check_round_trip(weighd, 'sqlite "{dir}/store/state.db"')


def on_redis():
    with RunningRedis() as redis, Running(CONFIG % f"redis 127.0.0.1:{redis.port}") as weighd:
        redis("SET", "theirs", "1")
        all_of_it(weighd)
        check_round_trip(weighd, "memory")
        odd = [key for key in redis("KEYS", "*") if not key.startswith("weighd:")]
        must(odd == ["theirs"], f"keys: {odd}")


def given_back():
    with Running(CONFIG % "memory") as weighd:
        check_given_back(weighd)


CASES = [
    (f"{len(VALUES)} hostile values, sqlite", on_sqlite),
    (f"{len(VALUES)} hostile values, memory", on_memory),
    (f"{len(VALUES)} hostile values, Redis", on_redis),
    ("keys as they are shown are taken back", given_back),
]


if __name__ == "__main__":
    sys.exit(stores.main(CASES))
