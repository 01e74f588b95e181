#!/usr/bin/env python3
"""weighctl as it is called: what it prints, and how it ends.

usage: weighctl_test.py WEIGHCTL
"""
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading

WEIGHCTL = os.path.abspath(sys.argv[1])
FOLDER = tempfile.TemporaryDirectory()
os.chdir(FOLDER.name)

CONF = """
policy inbound {
    weigh dnsbl bl.example.org { listed 4.35, clear -1.5 } as bl
    reject "5.7.1 no, number $id" if score >= 4
}
policy other {
    defer "4.7.1 later"
}
"""
CLASSIC = """
mode enforce
policy inbound {
    weigh classic {
        CACHEMAXSIZE 4000
    }
}
"""


def write(name, text):
    with open(name, "w", encoding="utf-8") as file:
        file.write(text)


def case(answer, **more):
    line = {
        "attempt": {"client_address": "192.0.2.1", "sender": "a@example.org"},
        "facts": {"dns.a 1.2.0.192.bl.example.org": answer},
    }
    line.update(more)
    return json.dumps(line)


def weighctl(*words, stdin=""):
    run = subprocess.run([WEIGHCTL, *words], input=stdin.encode(), capture_output=True,
                         timeout=60, check=False)
    return run.returncode, run.stdout.decode(), run.stderr.decode()


def same(have, want, what):
    if have != want:
        raise AssertionError(f"{what}: have {have!r}, want {want!r}")


def holds(text, part):
    if part not in text:
        raise AssertionError(f"{part!r} is not in {text!r}")


def replay(*words, stdin=""):
    status, out, err = weighctl("replay", "--config", "c.conf", *words, stdin=stdin)
    return status, [json.loads(line) for line in out.splitlines()], err


# --- calls ---

def helps_fit_a_screen():
    for words in ([], ["check"], ["weigh"], ["replay"], ["import"], ["status"], ["reload"],
                  ["spf"], ["doctor"], ["greylist"], ["limits"], ["known"], ["store"]):
        status, out, err = weighctl(*words, "--help")
        same((status, err), (0, ""), f"{words}")
        lines = out.splitlines()
        if len(lines) > 24 or max(map(len, lines)) > 80:
            raise AssertionError(f"{words}: {len(lines)} lines, too large a help")


def wrong_calls_are_64():
    for words in ([], ["frobnicate"], ["check", "--bad"], ["check", "a", "b"], ["replay"],
                  ["weigh", "nonsense"], ["weigh", "color=red"], ["status", "x"], ["reload", "x"],
                  ["doctor", "x"],
                  ["weigh", "--config", "c.conf", "--control", "x", "sender=a"],
                  ["weigh", "--control", "x", "--resolver", "127.0.0.1", "sender=a"],
                  ["weigh", "--config", "c.conf", "--resolver", "127.0.0.1:0", "sender=a"],
                  ["weigh", "--config", "c.conf", "--policy", "none", "sender=a"],
                  ["weigh", "--config", "c.conf"],
                  ["replay", "--config", "c.conf", "--policy", "none"]):
        status, out, err = weighctl(*words)
        same((status, out), (64, ""), f"{words}")
        holds(err, "weighctl")


def foreign_words_are_escaped():
    _, _, err = weighctl("weigh", "x\x1b[31m=1")
    holds(err, "\\x1b")
    same("\x1b" in err, False, "escape in the output")


# --- check ---

def check_counts():
    write("bad.conf", "policy p {\n    weigh dnsl x.example\n}\nnonsense\n")
    status, out, _ = weighctl("check", "bad.conf")
    same(status, 78, "status")
    holds(out, "bad.conf:2:11: error: ")
    holds(out, "bad.conf: 2 errors, 0 warnings")
    status, out, _ = weighctl("check", "-j", "bad.conf")
    report = json.loads(out)
    same((status, report["ok"], report["errors"]), (78, False, 2), "json")
    same(report["messages"][0]["line"], 2, "line")
    same(weighctl("check", "c.conf")[0], 0, "right")
    same(weighctl("check", "missing.conf")[0], 66, "missing")


# --- replay ---

def replay_keeps_the_order():
    status, lines, err = replay(stdin="\n".join(
        [case(["127.0.0.2"], id="b"), "", case(None, id="a"), case("timeout")]) + "\n")
    same(status, 0, "status")
    same([line["id"] for line in lines], ["b", "a", "4"], "ids")
    same([line["verdict"] for line in lines], ["reject", "pass", "pass"], "verdicts")
    same(lines[0]["reply"], "550 5.7.1 no, number b", "reply")
    same(list(lines[0]), ["id", "findings", "points", "score", "unknown", "verdict", "reply"],
         "members")
    same((lines[2]["unknown"], lines[2]["score"]), (["bl"], 0), "unknown")
    holds(err, "3 cases: 2 pass, 1 reject; 1 with something unknown")


def policies_are_chosen():
    same(replay(stdin=case(None, policy="other"))[1][0]["verdict"], "defer", "by the case")
    same(replay(stdin=case(None, policy="gone"))[1][0]["verdict"], "pass", "the first")
    same(replay("--policy", "inbound", stdin=case(None, policy="other"))[1][0]["verdict"], "pass",
         "by the call")


def bad_lines_are_65():
    write("two.jsonl", case(None, id="1") + "\n{\"attempt\":{}}\n" + case(None, id="3") + "\n")
    status, lines, err = replay("two.jsonl")
    same((status, len(lines)), (65, 2), "the others ran")
    holds(err, "two.jsonl:2: no case: facts: is missing")
    long = "{" + " " * (1 << 20) + "}\n" + case(None) + "\n"
    status, lines, err = replay(stdin=long)
    same((status, lines[0]["id"]), (65, "2"), "too long a line")
    holds(err, "(standard input):1: no case: the line is longer than 1 MiB")
    same(replay("missing.jsonl")[0], 66, "missing file")
    same(replay("missing.jsonl", "two.jsonl")[1][0]["id"], "1", "the other file is read")


def expectations():
    good = {"verdict": "reject", "score": 4.3547, "points": [["bl.listed", 4.35]],
            "findings": {"bl": ["listed"]}, "unknown": [], "reply": "550 5.7.1 no, number x"}
    same(replay("--expect", stdin=case(["127.0.0.2"], id="x", **good))[0], 0, "as expected")
    same(replay("--expect", stdin=case(["127.0.0.2"]))[0], 0, "nothing expected")
    wrong = {"verdict": "pass", "score": 4.36, "points": [["bl.listed", 4.5]],
             "findings": {"bl": ["clear"]}, "unknown": ["bl"], "reply": "DUNNO"}
    for member, value in wrong.items():
        status, lines, err = replay("--expect", stdin=case(["127.0.0.2"], id="x",
                                                           **{member: value}))
        same((status, len(lines)), (1, 1), member)
        holds(err, f"(standard input):1: x: {member}: want ")
        holds(err, "1 differ from what they expect")
    _, _, err = replay("--expect", stdin=case(["127.0.0.2"], id="x", score=None))
    holds(err, "score: want null, got 4.35")


def differences_are_grouped():
    text = "\n".join([case(["127.0.0.2"], id="1", verdict="pass", points=[]),
                      case(["127.0.0.2"], id="2", verdict="pass", points=[], score=None),
                      case(["127.0.0.2"], id="3", verdict="reject"),
                      case("timeout", id="4", verdict="reject", unknown=[], reply="550 x")])
    status, lines, err = replay("--diff", stdin=text)
    same((status, [line["id"] for line in lines]), (0, ["1", "2", "4"]), "those that differ")
    same(lines[0]["cause"], "bl.listed +4.35", "cause by points")
    same(lines[1]["recorded"], {"score": None, "verdict": "pass"}, "recorded")
    same(lines[2]["cause"], "unknown: bl", "cause by an answer")
    holds(err, "verdicts equal 1, different 3\n     2  pass -> reject  cause: bl.listed +4.35\n")
    _, _, err = replay("--diff", "-j", stdin=text)
    same(json.loads(err)["groups"][0],
         {"recorded": "pass", "verdict": "reject", "cause": "bl.listed +4.35", "count": 2}, "json")


def fresh_cases_remember():
    attempt = {"client_address": "192.0.2.1", "client_name": "unknown", "helo_name": "x.test",
               "sender": "a@b.test", "recipient": "r@example.org"}
    facts = {"dns.a *": None, "dns.mx *": None, "dns.ptr *": None, "dns.txt *": None}
    lines = "\n".join(json.dumps({"attempt": dict(attempt, instance=str(i)), "facts": facts,
                                  "rest": "none", "at": f"2026-01-01T00:00:0{i}Z"})
                      for i in range(2))
    write("classic.conf", CLASSIC)
    status, out, _ = weighctl("replay", "--config", "classic.conf", "--fresh", stdin=lines)
    first, second = [json.loads(line) for line in out.splitlines()]
    same(status, 0, "status")
    same(first["verdict"], "reject", "the first is weighed")
    same((second["verdict"], second["score"]), ("reject", None), "the second is remembered")
    _, out, _ = weighctl("replay", "--config", "classic.conf", stdin=lines)
    first, second = [json.loads(line) for line in out.splitlines()]
    same(first["score"], second["score"], "without --fresh nothing is remembered")


# --- the control socket ---

def answer_once(path, answer):
    """A daemon that takes one request; returns the list that it puts it into."""
    requests = []
    server = socket.socket(socket.AF_UNIX)
    server.bind(path)
    server.listen(1)

    def serve():
        client, _ = server.accept()
        with client, server, client.makefile("rb") as lines:
            requests.append(json.loads(lines.readline()))
            client.sendall(answer)
    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    return requests, thread


def ask(answer, *words):
    path = "control.sock"
    if os.path.exists(path):
        os.unlink(path)
    requests, thread = answer_once(path, answer)
    result = weighctl(*words[:1], "--control", path, *words[1:])
    thread.join(10)
    return result, requests[0]


def nobody_there_is_69():
    for words in (["status"], ["reload"], ["weigh", "sender=a@b"]):
        verb, *rest = words
        status, out, err = weighctl(verb, "--control", "no.sock", *rest)
        same((status, out), (69, ""), verb)
        holds(err, "cannot reach the daemon at no.sock: No such file or directory")


def status_is_shown():
    answer = b'{"generation":41,"mode":"observe","memory":{"bytes":7},"bad":"\\u001b[0m"}\n'
    (status, out, _), request = ask(answer, "status")
    same((status, request), (0, {"verb": "status"}), "request")
    same([line.split() for line in out.splitlines()],
         [["generation", "41"], ["mode", "observe"], ["memory"], ["bytes", "7"],
          ["bad", "\\x1b[0m"]], "figures")
    (status, out, _), _ = ask(answer, "status", "-j")
    same(json.loads(out)["generation"], 41, "json")


def reload_tells_the_outcome():
    (status, out, _), request = ask(b'{"ok":true,"generation":42}\n', "reload")
    same((status, request), (0, {"verb": "reload"}), "request")
    holds(out, "configuration 42 is in force")
    (status, _, err), _ = ask(b'{"ok":false,"error":"no","report":"a:1:2: error: no \\"x\\"\\n"}\n', "reload")
    same(status, 78, "status")
    holds(err, 'a:1:2: error: no "x"\n')


def refusals_and_nonsense():
    (status, _, err), _ = ask(b'{"ok":false,"error":"no such verb"}\n', "status")
    same(status, 65, "refused")
    holds(err, "the daemon says: no such verb")
    same(ask(b"nonsense\n", "status")[0][0], 76, "no JSON")
    same(ask(b"", "status")[0][0], 69, "closed")


def weigh_asks_the_daemon():
    line = {"id": "K7Q2-9F3D", "at": "2026-11-20T10:41:07.123Z", "policy": "inbound",
            "config": "41", "attempt": {"client_address": "192.0.2.1", "helo_name": "a\x1b"},
            "score": 4.35, "unknown": ["spamcop"], "verdict": "reject", "reply": "550 no",
            "took_us": 1500,
            "explain": {"mode": "observe", "decided_by": "w.conf:9", "weigh": [
                {"name": "zen", "line": "w.conf:5", "state": "weighed", "unknown": [],
                 "findings": [{"name": "listed", "times": 1, "points": 4.35}]},
                {"name": "spamcop", "line": "w.conf:6", "state": "unknown",
                 "unknown": ["listed"], "findings": []},
                {"name": "surbl", "line": "w.conf:11", "state": "not reached",
                 "unknown": [], "findings": []}],
                "facts": [{"key": "dns.a x", "state": "known", "answer": ["127.0.0.4"],
                           "took_us": 12000, "ttl_s": 60, "age_s": 3, "from_cache": True,
                           "asked_by": [0]},
                          {"key": "dns.a y", "state": "failed", "answer": "timeout",
                           "took_us": 2000000, "ttl_s": 0, "asked_by": [1]}],
                "warnings": [{"line": "w.conf:8", "text": "odd"}]}}
    answer = (json.dumps(line) + "\n").encode()
    words = ["weigh", "--policy", "inbound", "client_address=192.0.2.1", "sender="]
    (status, out, _), request = ask(answer, *words)
    same(status, 0, "status")
    same((request["verb"], request["policy"]), ("weigh", "inbound"), "request")
    same(request["attempt"]["client_address"], "192.0.2.1", "attribute")
    same(request["attempt"]["sender"], "", "empty attribute")
    same("\x1b" in out, False, "escaped")
    for part in ("REJECT (mode observe: passed)  score 4.35", "a\\x1b", "+4.35  zen.listed",
                 "w.conf:5", "dns.a x: 127.0.0.4  (from the cache, 3 s old, 12.0 ms, ttl 60 s)",
                 "?  spamcop: unknown", "dns.a y: timeout, no points either way  (2000.0 ms)",
                 "not asked: surbl (w.conf:11, decided before)", "warning: odd",
                 "decided by w.conf:9", "reply: 550 no", "unknown: spamcop"):
        holds(out, part)
    (status, out, _), _ = ask(answer, *words, "-j")
    same(json.loads(out)["id"], "K7Q2-9F3D", "json")


def requests_come_from_standard_input():
    path = "in.sock"
    answer = b'{"explain":{}}\n'
    requests, thread = answer_once(path, answer)
    weighctl("weigh", "--control", path,
             stdin="client_address=192.0.2.1\r\nsender=x=y@b.test\nunknown_one=1\n\nsender=z\n")
    thread.join(10)
    same(requests[0]["attempt"]["sender"], "x=y@b.test", "sender")
    same(requests[0]["attempt"]["client_address"], "192.0.2.1", "client")


def weigh_stands_alone():
    # 127.0.0.1:1 answers nothing: the attempt is weighed with that known as unknown
    write("alone.conf", "resolver 127.0.0.1:1\ndeadline 1s\n" + CONF)
    status, out, err = weighctl("weigh", "-j", "--config", "alone.conf",
                                "client_address=192.0.2.1", "sender=a@b.test")
    same((status, err), (0, ""), "status")
    line = json.loads(out)
    same((line["verdict"], line["unknown"]), ("pass", ["bl"]), "verdict")
    same(replay("--expect", stdin=out)[0], 0, "the answer is a case")
    status, out, _ = weighctl("weigh", "--config", "alone.conf", "--resolver", "[::1]:1",
                              "client_address=192.0.2.1", "sender=a@b.test")
    same(status, 0, "tree")
    holds(out, "?  bl: unknown")


# --- spf ---

SPF = ("spf", "--ip", "192.0.2.1", "--helo", "mx.d.test", "--resolver")


def spf_calls_are_checked():
    for words in ([], ["--ip", "192.0.2.1"], ["--sender", "a@d.test", "--helo", "x"],
                  ["--ip", "192.0.2", "--helo", "x"], ["--ip", "::1%lo", "--helo", "x"],
                  ["--ip", "192.0.2.1", "--helo", "x", "more"],
                  [*SPF[1:], "nobody"], [*SPF[1:], "127.0.0.1:0"], [*SPF[1:], "[::1"],
                  [*SPF[1:], "127.0.0.1", "--void-limit", "11"],
                  [*SPF[1:], "127.0.0.1", "--deadline", "0"],
                  [*SPF[1:], "127.0.0.1", "--deadline", "soon"], ["--nothing"]):
        status, out, err = weighctl("spf", *words)
        same((status, out), (64, ""), f"{words}")
        holds(err, "weighctl spf")


def spf_prints_its_result():
    # 127.0.0.1:1 answers nothing; what is no domain of mail is not asked for
    for sender, want in (("a@d.test", "temperror"), ("d.test", "temperror"), ("", "temperror"),
                         ("<a@localhost>", "none"), ("a@[192.0.2.1]", "none"),
                         ("a@d..test", "none"), ("a@" + 64 * "x" + ".test", "none")):
        same(weighctl(*SPF, "127.0.0.1:1", "--sender", sender), (0, want + "\n", ""), sender)
    status, out, _ = weighctl(*SPF, "127.0.0.1:1", "--sender", "a@D.test", "-j")
    line = json.loads(out)
    same((status, line["result"], line["identity"], line["domain"]),
         (0, "temperror", "mailfrom", "D.test"), "json")
    same(list(line["facts"]), ["dns.txt d.test"], "facts")


def spf_ends_by_its_deadline():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        same(weighctl(*SPF, f"127.0.0.1:{silent.getsockname()[1]}", "--sender", "a@d.test",
                      "--deadline", "100ms"), (0, "temperror\n", ""), "silence")


def spf_is_weighed_of_one_subject():
    for words, want in (("of sender, helo", "spf is weighed of one at a time"),
                        ("of client_name", "spf is not weighed of 'client_name'")):
        write("spf.conf", "policy p {\n\tweigh spf { fail 1 } " + words + "\n}\n")
        status, out, err = weighctl("check", "spf.conf")
        same(status, 78, words)
        holds(out + err, want)


def main():
    write("c.conf", CONF)
    tests = [test for name, test in globals().items()
             if callable(test) and getattr(test, "__code__", None) and
             test.__code__.co_argcount == 0 and test.__code__.co_flags & 0x0c == 0 and
             name != "main"]
    failed = 0
    print(f"1..{len(tests)}")
    for number, test in enumerate(tests, 1):
        try:
            test()
            print(f"ok {number} - {test.__name__}")
        except Exception as error:  # the other tests still run
            failed += 1
            print(f"not ok {number} - {test.__name__}\n# {error!r}")
    return 1 if failed else 0


sys.exit(main())
