#!/usr/bin/env python3
"""Ask policyd-weight itself, and compare weighd with it.

    differ.py --script POLICYD-WEIGHT record CASES.jsonl OUT.jsonl   fill in what it decides
    differ.py --script POLICYD-WEIGHT check CASES.jsonl              does it still decide so?
    differ.py --weighctl W --weighd D live CASES.jsonl               weighd itself, asking a server
    differ.py generate SEED COUNT GROUP... > CASES.jsonl             random cases (generate.py)

Needs root (port 53 on an address of 127/8), Perl and Net::DNS; policyd-weight is not installed,
only unpacked.  Recordings are those of convert.py; parity.py compares them with a replay.
"""

import argparse
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time

import convert
import generate
from name_server import NameServer

HERE = pathlib.Path(__file__).resolve().parent
USER, GROUP = "nobody", "nogroup"
ANSWER_S = 20
BEGIN_S = int(convert.BEGIN.timestamp())

LINE = re.compile(r"weighted check: (.*); <client=.*; rate: (\S+)$")
CHECKED = re.compile(r" \(check from: .*\)  ")
POINT = re.compile(r" ([^ =]+)=(?:(ERR|SKIP)\((-?[\d.e+-]+)\)|(-?[\d.e+-]+))")


def points(text):
    """The checks of a check line, in order."""
    found = []
    for name, trouble, missed, number in POINT.findall(CHECKED.sub(" ", text)):
        found.append([f"{name}={trouble}", float(missed)] if trouble else [name, float(number)])
    return found


def verdict(action):
    action = action.strip()
    if re.match(r"(?i)(5\d\d\b|reject)", action):
        return "reject"
    if re.match(r"(?i)(4\d\d\b|defer)", action):
        return "defer"
    return "pass" if re.match(r"DUNNO|PREPEND", action) else "other"


def attributes(request):
    lines = ["request=smtpd_access_policy"]
    lines += [f"{k}={v}" for k, v in request.items() if k not in convert.CONTROL]
    return ("\n".join(lines) + "\n\n").encode()


class Process:
    """Something that speaks the policy protocol on a stream."""

    def __init__(self, stream):
        self.stream = stream
        stream.settimeout(ANSWER_S)

    def ask(self, request):
        """The action, or None: it died, or did not answer."""
        answer = b""
        try:
            self.stream.sendall(attributes(request))
            while not answer.endswith(b"\n\n"):
                part = self.stream.recv(65536)
                if not part:
                    return None
                answer += part
        except OSError:
            return None
        return answer.decode("utf-8", "replace").strip("\n").removeprefix("action=")

    def close(self):
        self.stream.close()


def connected(path):
    """A stream to a socket that is about to be there."""
    for attempt in range(500):
        try:
            stream = socket.socket(socket.AF_UNIX)
            stream.connect(str(path))
            return stream
        except OSError:
            stream.close()
            time.sleep(0.01)
    raise OSError(f"{path}: nobody listens")


class Original:
    """policyd-weight, with a name server and a clock of its own."""

    def __init__(self, script, address, scratch):
        self.scratch, self.address = pathlib.Path(scratch), address
        self.scratch.chmod(0o755)
        self.server = NameServer(address)
        self.server.start()
        self.path = self.scratch / "socket"
        self.perl = subprocess.Popen(
            [HERE / "original.pl", pathlib.Path(script).resolve(), self.path, USER],
            stderr=open(self.scratch / "stderr", "wb"))
        while not self.path.exists():
            time.sleep(0.01)

    def start(self, *words):
        stream = socket.socket(socket.AF_UNIX)
        stream.connect(str(self.path))
        stream.sendall((" ".join([str(self.home), "-f", str(self.home / "conf"), *words]) +
                        "\n").encode())
        return Process(stream)

    def settle(self, conf):
        self.home = self.scratch / "home"
        shutil.rmtree(self.home, ignore_errors=True)
        (self.home / "cores" / "cache").mkdir(parents=True)
        (self.home / "cores" / "master").mkdir()
        for path in (self.home, self.home / "cores", *(self.home / "cores").iterdir()):
            shutil.chown(path, USER, GROUP)
        own = {"NS": self.address, "USER": USER, "GROUP": GROUP, "LOCKPATH": f"{self.home}/",
               "SPATH": f"{self.home}/polw.sock", "PIDFILE": f"{self.home}/pid"}
        (self.home / "conf").write_text(convert.perl_conf({**conf, **own}), encoding="utf-8")
        (self.home / "conf").chmod(0o644)

    def with_cache(self, conf):
        return conf.get("CACHESIZE", 0) or conf.get("POSCACHESIZE", 0)

    def start_cache(self):
        self.start("-s").stream.recv(1 << 16)
        for _ in range(500):
            if (self.home / "polw.sock").exists() and not (self.home / "cache_lock").exists():
                return
            time.sleep(0.01)

    def logged(self):
        try:
            return (self.home / "log").read_text(encoding="latin-1").splitlines()
        except OSError:
            return []

    def decision(self, process, request):
        before = len(self.logged())
        action = process.ask(request)
        if action is None:
            return {"verdict": "dead", "score": None, "checks": None, "action": None}
        want = {"verdict": verdict(action), "score": None, "checks": None, "action": action}
        lines = [m for m in map(LINE.match, self.logged()[before:]) if m]
        if lines:
            want["checks"], want["score"] = points(lines[-1][1]), float(lines[-1][2])
        elif "(only DNSBL check requested" in action:
            want["checks"] = points(re.sub(r"^\S+( X-policyd-weight:)?", "", action))
        elif re.search(r"; rate:(hard: | )(\S+)$", action):
            want["score"] = float(re.search(r"(\S+)$", action)[1])
        return want

    def decide(self, case):
        """want of each request"""
        conf = case.get("conf") or {}
        self.settle(conf)
        self.server.load(case["dns"])
        if self.with_cache(conf):
            self.start_cache()
        process, wants = None, []
        for request in case["reqs"]:
            (self.home / "clock").write_text(str(BEGIN_S + request.get("t", 0)))
            if "dns" in request:
                self.server.load(request["dns"])
            if request.get("fresh") and process:
                process.close()
                process = None
                time.sleep(0.05)
            process = process or self.start()
            before = self.server.asked
            want = self.decision(process, request)
            want["queries"] = self.server.asked - before
            wants.append(want)
            if want["verdict"] == "dead":
                process.close()
                process = None
        if process:
            process.close()
        if self.with_cache(conf):
            self.start("-k").stream.recv(1 << 16)
        return wants

    def close(self):
        self.perl.terminate()
        self.perl.wait()


class Weighd:
    """The daemon, under an imported configuration, asking a name server."""

    def __init__(self, options, address, scratch):
        self.weighctl, self.weighd = options.weighctl, options.weighd
        self.address, self.scratch = address, pathlib.Path(scratch)
        self.server = NameServer(address)
        self.server.start()

    def config(self, conf):
        (self.scratch / "perl.conf").write_text(
            convert.perl_conf({**conf, "NS": self.address}), encoding="utf-8")
        text = subprocess.run(
            [self.weighctl, "import", "policyd-weight", self.scratch / "perl.conf"],
            capture_output=True, text=True, check=False).stdout
        path = self.scratch / "weighd.sock"
        text = re.sub(r"(?m)^listen .*$", f"listen unix:{path} policy inbound", text)
        (self.scratch / "weighd.conf").write_text(text, encoding="utf-8")
        return path

    def decide(self, case):
        path = self.config(case.get("conf") or {})
        path.unlink(missing_ok=True)
        self.server.load(case["dns"])
        daemon = subprocess.Popen(
            [self.weighd, "--config", self.scratch / "weighd.conf", "--workers", "1"],
            stderr=open(self.scratch / "stderr", "ab"))
        actions, process = [], None
        try:
            for request in case["reqs"]:
                if request.get("fresh") and process:
                    process.close()
                    process = None
                process = process or Process(connected(path))
                actions.append(process.ask(request))
        finally:
            if process:
                process.close()
            daemon.terminate()
            daemon.wait()
        return actions


def in_weighds_order(dns, kinds):
    """The same data with records as weighd sorts them: does only the order make a difference?"""
    def place(kind):
        if kind != "MX":
            return lambda data: (0, data)
        return lambda data: (int(data.split(" ", 1)[0]), data.split(" ", 1)[1].lower())

    ordered = {}
    for key, value in dns.items():
        kind = key.rsplit(" ", 1)[1]
        is_sorted = isinstance(value, list) and kind in kinds
        ordered[key] = sorted(value, key=place(kind)) if is_sorted else value
    return ordered


def sort_records(case, kinds):
    for holder in [case, *case["reqs"]]:
        if "dns" in holder:
            holder["dns"] = in_weighds_order(holder["dns"], kinds)


def is_live(case):
    """Can it be run under the clock on the wall, with one set of data?"""
    return not any("t" in request or "dns" in request for request in case["reqs"])


def record(options, original):
    with open(options.out, "w", encoding="utf-8") as out:
        for case in convert.read_cases(options.cases):
            sort_records(case, options.sorted.split(","))
            case["want"] = original.decide(case)
            out.write(json.dumps(case) + "\n")
            out.flush()
    return True


def check(options, original):
    different = 0
    cases = convert.read_cases(options.cases)
    for case in cases:
        wants = original.decide(case)
        for number, (want, have) in enumerate(zip(case["want"], wants)):
            if want != have:
                different += 1
                print(f"{case['id']}.{number + 1}:\n  recorded {json.dumps(want)}")
                print(f"  now {json.dumps(have)}")
    print(f"{len(cases)} cases, {different} different requests")
    return not different


def live(options, daemon):
    requests = different = 0
    for case in filter(is_live, convert.read_cases(options.cases)):
        actions = daemon.decide(case)
        for number, (want, action) in enumerate(zip(case["want"], actions)):
            requests += 1
            expected = convert.expected(want)
            if "reply" in expected and expected["reply"] != action:
                different += 1
                print(f"{case['id']}.{number + 1}:\n  want {want['action']}\n  have {action}")
    print(f"{requests} requests, {different} different")
    return not different


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--script")
    parser.add_argument("--weighctl")
    parser.add_argument("--weighd")
    parser.add_argument("--address", default="127.0.53.1")
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("record", "check", "live"):
        command = commands.add_parser(name)
        command.add_argument("cases")
        if name == "record":
            command.add_argument("out")
            command.add_argument("--sorted", metavar="TYPE,...", default="",
                                 help="records of these types in weighd's order")
    command = commands.add_parser("generate")
    command.add_argument("seed", type=int)
    command.add_argument("count", type=int)
    command.add_argument("groups", nargs="*")
    options = parser.parse_args()
    if options.command == "generate":
        for case in generate.cases(options.seed, options.count, options.groups):
            print(json.dumps(case))
        return
    with tempfile.TemporaryDirectory() as scratch:
        if options.command == "live":
            sys.exit(not live(options, Weighd(options, options.address, scratch)))
        original = Original(options.script, options.address, scratch)
        try:
            good = {"record": record, "check": check}[options.command](options, original)
        finally:
            original.close()
    sys.exit(not good)


if __name__ == "__main__":
    main()
