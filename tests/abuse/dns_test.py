"""Hostile name servers: whoever answers for a name in a request, or for a list, costs that answer.

Each behaviour of the fake name server (tests/support/fakedns.c) stands behind a sender's domain, a
greeting, a reverse name, an SPF record and a DNS list.  The policies refuse whom an answer that
proves nothing would speak against, and permit whom it would speak for: so every such attempt
must be answered "DUNNO".

Source: design, "Faults survived" and requirements D2 to D7, B3.
"""
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

from daemon import PATIENCE_S, Weighd, read_until, request

DUNNO = b"action=DUNNO\n\n"
OK = b"action=OK\n\n"
WELL_FORMED = re.compile(rb"action=(DUNNO|OK|[45]\d\d [ -~]+|PREPEND [!-9;-~]+: [ -~]+)\n\n")
QUESTIONS_MAX = 64
PACKETS_PER_QUESTION_MAX = 4  # one that is not answered is sent so often
CONTROL_CLIENTS = 6  # of 8: one that closes holds its place for a moment

# name, rule in the zone file, roles; "" where the records below are all that makes it hostile
NAMES, ADDRESSES = ("sender", "helo", "ptr", "spf", "list"), ("sender", "helo", "list")
HOSTILE = [
    ("silent", "silent", NAMES),
    ("too_late", "delay 600000", NAMES),
    ("servfail", "servfail", NAMES),
    ("refused", "refused", NAMES),
    ("formerr", "formerr", NAMES),
    ("notimp", "notimp", NAMES),
    ("tcp_refuse", "tcp-refuse", NAMES),
    ("tcp_silent", "tcp-silent", NAMES),
    ("wrong_id", "wrongid", NAMES),
    ("wrong_question", "wrongquestion", NAMES),
    ("header_only", "header-only", NAMES),
    ("five_bytes", "five-bytes", NAMES),
    ("bad_length", "bad-length", NAMES),
    ("bad_pointer", "bad-pointer", NAMES),
    ("bad_count", "bad-count", NAMES),
    ("garbage", "garbage", NAMES),
    ("cname_loop", "cname-loop", NAMES),
    ("nine_aliases", "many-aliases 9", NAMES),
    ("sixty_aliases", "many-aliases 60", NAMES),
    ("referral", "referral", NAMES),
    ("nxdomain_data", "nxdomain-with-data", ADDRESSES),
    ("thousand_a", "many-a 1000", ADDRESSES),
    ("many_mx", "many-mx 500", ("sender", "helo")),
    ("bad_txt", "bad-txt", ("spf",)),
    ("long_txt", "txt of 80 kB when it is written out", ("spf",)),
]

# What is odd, but says what it says: it is believed.
HONEST = [
    ("over_tcp", "truncate"),
    ("no_edns", "noedns"),
    ("slow", "delay 150"),
    ("ttl_0", "ttl 0"),
    ("ttl_most", "ttl 4294967295"),
]

# Lists that answer all questions but those of their tests with this.
LIST_ANSWERS = [
    ("code_252", ["127.255.255.252"]),
    ("code_253", ["127.255.255.253"]),
    ("code_254", ["127.255.255.254"]),
    ("code_255", ["127.255.255.255"]),
    ("code_0", ["127.0.0.0"]),
    ("code_1", ["127.0.0.1"]),
    ("outside", ["192.0.2.1"]),
    ("public", ["8.8.8.8"]),
    ("half_outside", ["127.0.0.2", "192.0.2.1"]),
    ("half_refused", ["127.0.0.2", "127.255.255.254"]),
]
# And lists that answer their tests so, too: they are parked.
PARKED = [("all_refused", "127.255.255.254"), ("all_listed", "127.0.0.2")]

HOSTILE_LISTS = ([name for name, _, roles in HOSTILE if "list" in roles] +
                 [name for name, _ in LIST_ANSWERS] + [name for name, _ in PARKED])

# Of each role: the findings that its answers settle, and the network of its clients.
ROLES = {
    "sender": (("sender_is_client", "sender_in_client_network", "sender_in_wider_network",
                "sender_is_not_client", "sender_unreachable", "bogus_mx"), "203.0.113"),
    "helo": (("helo_is_client", "helo_in_client_network", "helo_in_wider_network",
              "helo_is_not_client"), "198.51.100"),
    "ptr": (("ptr_none", "ptr_is_helo", "ptr_shares_helo_domain", "ptr_is_not_helo"), "192.0.2"),
    "spf": (("pass", "fail", "softfail", "neutral", "none", "permerror"), "198.18.1"),
}
GOOD_NETWORK, LIST_NETWORK = "198.18.2", "198.18.3"

CONFIG = """
@listen@
control {dir}/control.sock
resolver 127.0.0.1:@port@
deadline 2s
log stderr
mode enforce
limits {{ question_ms @question_ms@ }}
policy names {{
    weigh dnsbl good-list.test as good_list
    weigh rhsbl good-domains.test of sender, helo as good_domains
    weigh identity {{ no_dns 1 }}
    reject "listed" if good_list.listed or good_domains.listed
    reject "harm" if identity.helo_is_not_client or identity.helo_in_client_network
    reject "harm" if identity.helo_in_wider_network or identity.sender_in_wider_network
    reject "harm" if identity.ptr_none or identity.ptr_is_not_helo or identity.no_dns
    reject "harm" if identity.ptr_shares_helo_domain or identity.sender_in_client_network
    reject "harm" if identity.sender_is_not_client or identity.sender_unreachable
    reject "harm" if identity.bogus_mx
    permit if identity.helo_is_client and identity.ptr_is_helo and identity.sender_is_client and
              good_list.clear and good_domains.clear
}}
policy lists {{
    @dnsbl@
    reject "believed" if score > 0
    permit if score < 0
}}
policy domain_lists {{
    @rhsbl@
    reject "believed" if score > 0
    permit if score < 0
}}
policy honest_lists {{
    @honest@
    reject "all" if score >= @honest_score@
}}
policy classic {{
    weigh classic {{
        dnsbl good-list.test 5 0 GOOD
        rhsbl good-domains.test 5 0 GOOD
    }}
}}
@classic_lists@
policy sender_policy {{
    weigh spf
    reject "harm" if spf.fail or spf.softfail or spf.neutral or spf.none or spf.permerror
    permit if spf.pass
}}
"""
CLASSIC = """policy @name@ {{
    weigh classic {{
        dnsbl_checks_only yes
        MAXDNSBLHITS 0
        MAXDNSERR 1000
        @rows@
    }}
}}"""
CLASSIC_ROWS_MAX = 16
CLASSIC_LISTS = {f"classic_lists_{at}": list(HOSTILE_LISTS)[at:at + CLASSIC_ROWS_MAX]
                 for at in range(0, len(HOSTILE_LISTS), CLASSIC_ROWS_MAX)}
POLICIES = ["names", "lists", "domain_lists", "honest_lists", "classic", "sender_policy",
            *CLASSIC_LISTS]



def must(truth, what):
    if not truth:
        raise AssertionError(what)


def reverse(address):
    return ".".join(reversed(address.split(".")))


# --- the zone file ---

def list_lines(zone, lines):
    """A list that passes its tests and answers all else by these lines."""
    exact = [f"{name}.{zone} A 127.0.0.2" for name in ("2.0.0.127", "test")]
    clear = [f"{name}.{zone} delay 0" for name in ("1.0.0.127", "invalid")]
    return exact + clear + [f"*.{zone} {line}" for line in lines]


def host_lines(name, address):
    """A host that is its own mail exchanger and may send."""
    return [f"{name} A {address}", f"{name} MX 10 {name}", f"{name} TXT v=spf1 ip4:{address} -all"]


def rule_lines(name, rule):
    if rule.startswith("ttl"):
        return [rule]
    if rule.startswith("txt"):
        return [f"{name} TXT-HEX {' '.join(['00' * 255] * 80)}"]
    return [f"{name} {rule}"]


class Attempt:
    """A client whose greeting, reverse name and sender are its own, but for one hostile one."""

    def __init__(self, behaviour, rule, role, number):
        self.behaviour, self.role = behaviour, role
        self.address = f"{ROLES[role][1]}.{number}"
        own = f"{behaviour.replace('_', '-')}-{role}.test"
        odd = f"{behaviour.replace('_', '-')}-{role}.example"
        self.sender = odd if role in ("sender", "spf") else own
        self.helo = odd if role == "helo" else own
        pointer = f"{reverse(self.address)}.in-addr.arpa"
        self.lines = host_lines(own, self.address) + [f"{pointer} PTR {self.helo}"]
        if role == "ptr":
            self.lines += rule_lines(pointer, rule) + [f"{pointer} PTR {own}"]
        else:
            self.lines += rule_lines(odd, rule) + host_lines(odd, self.address)
            self.lines += rule_lines(f"*.{odd}", rule) + host_lines(f"*.{odd}", self.address)
        self.lines.append("ttl 300")

    def attributes(self):
        return {"client_address": self.address, "helo_name": self.helo,
                "sender": f"a@{self.sender}", "client_name": "unknown"}

    def policy(self):
        return "sender_policy" if self.role == "spf" else "names"

    def __str__(self):
        return f"{self.behaviour} as {self.role}"


class Good:
    """A client without fault; every third one is listed."""

    def __init__(self, number):
        self.address, self.name = f"{GOOD_NETWORK}.{number}", f"good{number}.test"
        self.is_listed = number % 3 == 0
        self.lines = host_lines(self.name, self.address)
        self.lines.append(f"{reverse(self.address)}.in-addr.arpa PTR {self.name}")
        if self.is_listed:
            self.lines.append(f"{reverse(self.address)}.good-list.test A 127.0.0.2")

    def attributes(self):
        return {"client_address": self.address, "helo_name": self.name,
                "sender": f"a@{self.name}", "client_name": "unknown"}

    def want(self):
        return b"action=550 listed\n\n" if self.is_listed else OK


def hostile_attempts():
    return [Attempt(name, rule, role, number + 1)
            for number, (name, rule, roles) in enumerate(HOSTILE)
            for role in roles if role != "list"]


def honest_attempts():
    return [Attempt(name, rule, role, 100 + number)
            for number, (name, rule) in enumerate(HONEST) for role in ROLES]


def zone_lines():
    lines = ["2.0.0.127.good-list.test A 127.0.0.2", "test.good-domains.test A 127.0.0.2",
             "big-txt.example big-txt 64000"]
    for attempt in hostile_attempts() + honest_attempts():
        lines += attempt.lines
    for number in range(1, 255):
        lines += Good(number).lines
    for name, rule, roles in HOSTILE:
        if "list" in roles:
            lines += list_lines(zone_of(name), [rule, "A 127.0.0.2"])
    for name, addresses in LIST_ANSWERS:
        lines += list_lines(zone_of(name), [f"A {address}" for address in addresses])
    for name, address in PARKED:
        lines.append(f"*.{zone_of(name)} A {address}")
    for name, rule in HONEST:
        is_ttl = rule.startswith("ttl")
        lines += [rule] if is_ttl else []
        lines += list_lines(zone_of(name), ([] if is_ttl else [rule]) + ["A 127.0.0.2"])
        lines.append("ttl 300")
    return lines


def zone_of(name):
    return f"{name.replace('_', '-')}-list.example"


def fill(text, **values):
    """text with each @name@ replaced; its braces wait for Weighd."""
    for name, value in values.items():
        text = text.replace(f"@{name}@", str(value))
    return text


def weighs(check, names):
    return "\n    ".join(f"weigh {check} {zone_of(name)} {{{{ listed 5, clear -5 }}}} as {name}"
                         for name in names)


def config(port, question_ms):
    classic = [fill(CLASSIC, name=policy, rows="\n        ".join(
        f"dnsbl {zone_of(name)} 5 0 {name.upper()}" for name in names))
        for policy, names in CLASSIC_LISTS.items()]
    # An address each: two listeners of one address and port 0 would be one.
    listen = [f"listen inet:127.0.0.{1 + at}:0 policy {policy}"
              for at, policy in enumerate(POLICIES)]
    return fill(CONFIG, listen="\n".join(listen), port=port, question_ms=question_ms,
                dnsbl=weighs("dnsbl", HOSTILE_LISTS), rhsbl=weighs("rhsbl", HOSTILE_LISTS),
                honest=weighs("dnsbl", [name for name, _ in HONEST]),
                honest_score=5 * len(HONEST), classic_lists="\n".join(classic))


class FakeDns:
    def __init__(self):
        with tempfile.NamedTemporaryFile("w", suffix=".zone", encoding="ascii") as file:
            file.write("\n".join(zone_lines()) + "\n")
            file.flush()
            self.process = subprocess.Popen([os.environ["FAKEDNS"], file.name],
                                            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            line = self.process.stdout.readline().decode()
        if not line.startswith("port "):
            raise SystemExit("fakedns did not start")
        self.port = int(line.split()[1])

    def questions(self):
        self.process.send_signal(signal.SIGUSR1)
        return int(self.process.stdout.readline().split()[1])

    def end(self):
        self.process.stdin.close()
        self.process.wait(PATIENCE_S)
        self.process.stdout.close()


# --- attempts ---

def send(weighd, policy, attributes):
    at = POLICIES.index(policy)
    client = socket.create_connection((f"127.0.0.{1 + at}", weighd.ports[at]), PATIENCE_S)
    client.sendall(request(**attributes))
    client.shutdown(socket.SHUT_WR)
    return client


def read(client):
    """Everything up to the close: one well-formed answer, and no more."""
    have = b""
    with client:
        while True:
            more = client.recv(65536)
            if not more:
                break
            have += more
    must(WELL_FORMED.fullmatch(have), f"not one well-formed answer: {have!r}")
    return have


def ask(weighd, policy, attributes):
    return read(send(weighd, policy, attributes))


def explain(weighd, policy, attributes):
    line = json.dumps({"verb": "weigh", "policy": policy,
                       "attempt": {**attributes, "request": "smtpd_access_policy"}})
    with weighd.connect_unix("control.sock") as client:
        client.sendall(line.encode() + b"\n")
        case = json.loads(read_until(client, b"\n"))
    must("explain" in case, f"no explanation: {case}")
    return {weigh["name"]: weigh for weigh in case["explain"]["weigh"]}


def wait_until(truth, what):
    end = time.monotonic() + PATIENCE_S
    while not truth():
        must(time.monotonic() < end, what)
        time.sleep(0.02)


def status(weighd):
    return json.loads(weighd.control(b'{"verb":"status"}'))


def is_idle(weighd):
    figures = status(weighd)
    return figures["connections"] == 0 and figures["attempts"]["in_work"] == 0


class Failures:
    """What goes wrong in one case with many parts; all of it is told."""

    def __init__(self):
        self.why = []

    def run(self, name, part, *arguments):
        try:
            part(*arguments)
        except (AssertionError, OSError) as error:
            self.why.append(f"{name}: {type(error).__name__}: {error}")

    def end(self):
        must(not self.why, "; ".join(self.why))


def good_ask(weighd, number, policy="names"):
    good = Good(number)
    have = ask(weighd, policy, good.attributes())
    must(have == good.want(), f"good client {number}: {have!r}")


# --- cases ---

def parked_lists(weighd, _):
    wait_until(lambda: status(weighd)["zones_parked"] >= len(PARKED), "bad lists are not parked")


def hundred_at_once(weighd, _):
    attempts, failures = hostile_attempts(), Failures()
    must(len(attempts) >= 80, f"{len(attempts)} attempts only")
    attempts += attempts[:max(0, 100 - len(attempts))]
    clients = [send(weighd, attempt.policy(), attempt.attributes()) for attempt in attempts]
    for number in range(1, 61):
        failures.run("meanwhile", good_ask, weighd, number)
    waiting = status(weighd)["attempts"]["in_work"]
    for attempt, client in zip(attempts, clients):
        def part(attempt=attempt, client=client):
            have = read(client)
            must(have == DUNNO, f"{have!r}")
        failures.run(str(attempt), part)
    failures.end()
    print(f"# {waiting} of {len(attempts)} still waited when the good ones had their answers")


def explained(weighd, _):
    failures = Failures()

    def part(attempt):
        said = explain(weighd, attempt.policy(), attempt.attributes())
        weigh = said["spf" if attempt.role == "spf" else "identity"]
        findings = {finding["name"] for finding in weigh["findings"]}
        settled = set(ROLES[attempt.role][0])
        must(weigh["state"] == "unknown", f"is {weigh['state']}: {findings}")
        must(not findings & settled, f"found {findings & settled}")
        must(settled & set(weigh["unknown"]), f"unknown is {weigh['unknown']}")

    with ThreadPoolExecutor(CONTROL_CLIENTS) as pool:
        for attempt in hostile_attempts():
            pool.submit(failures.run, str(attempt), part, attempt)
    failures.end()


def logged(weighd, _):
    """The log line of every attempt names the check."""
    failures = Failures()

    def part(attempt):
        mark = f'sender="a@{attempt.sender}"'
        check = "spf" if attempt.role == "spf" else "identity"
        lines = [line for line in weighd.log_text().split("\n") if mark in line]
        must(lines, "no log line")
        for line in lines:
            must(re.search(rf'unknown="[^"]*{check}', line), line)

    for attempt in hostile_attempts():
        wait_until(lambda attempt=attempt: f'"a@{attempt.sender}"' in weighd.log_text(), "no line")
        failures.run(str(attempt), part, attempt)
    failures.end()


def list_attributes(number):
    """Of a network of its own, lest it uses up the share of the good ones (D4)."""
    return {**Good(number).attributes(), "client_address": f"{LIST_NETWORK}.{number}"}


def lists(policy, numbers):
    def case(weighd, _):
        clients = [send(weighd, policy, list_attributes(number)) for number in numbers]
        for number in range(61, 81):
            good_ask(weighd, number)
        for client in clients:
            have = read(client)
            must(have == DUNNO, f"{have!r}")
    return case


def lists_explained(policy, number):
    def case(weighd, _):
        said = explain(weighd, policy, list_attributes(number))
        for name in HOSTILE_LISTS:
            weigh = said[name]
            must(weigh["state"] == "unknown" and weigh["findings"] == [] and
                 sorted(weigh["unknown"]) == ["clear", "listed"], f"{name}: {weigh}")
    return case


def classic_lists(weighd, _):
    """policyd-weight's own way: a failed list is as good as a miss, but never a hit."""
    clients = [send(weighd, policy, list_attributes(number))
               for policy in CLASSIC_LISTS for number in range(1, 11)]
    for client in clients:
        have = read(client)
        must(not have.startswith((b"action=5", b"action=4")) and b" IN_" not in have,
             f"{have!r}")
    for policy, names in CLASSIC_LISTS.items():
        said = explain(weighd, policy, list_attributes(30))["classic"]
        must(said["state"] == "unknown", f"{said}")
        for name in names:
            must(name.upper() in said["unknown"], f"{name} is not among {said['unknown']}")


def classic_names(weighd, _):
    """It weighs failures as the original did; what counts is that it ends, well-formed."""
    failures = Failures()
    attempts = [attempt for attempt in hostile_attempts() if attempt.role != "spf"]
    clients = [send(weighd, "classic", attempt.attributes()) for attempt in attempts]
    for number in range(81, 101):
        failures.run("meanwhile", good_ask, weighd, number)
    for attempt, client in zip(attempts, clients):
        failures.run(str(attempt), read, client)
    failures.end()


def honest(weighd, _):
    failures = Failures()
    attempts = honest_attempts()
    clients = [send(weighd, attempt.policy(), attempt.attributes()) for attempt in attempts]
    for attempt, client in zip(attempts, clients):
        def part(client=client):
            have = read(client)
            must(have == OK, f"{have!r}")
        failures.run(str(attempt), part)
    have = ask(weighd, "honest_lists", list_attributes(110))
    must(have == b"action=550 all\n\n", f"{have!r}")
    failures.end()


def big_txt(weighd, _):
    """64 kB of text is a record like any other: it is read, and it is no SPF record."""
    said = explain(weighd, "sender_policy", {**list_attributes(1), "sender": "a@big-txt.example"})
    must([finding["name"] for finding in said["spf"]["findings"]] == ["none"], f"{said}")


def idle_again(weighd, _):
    wait_until(lambda: is_idle(weighd), f"{status(weighd)}")
    wait_until(lambda: status(weighd)["dns"]["in_flight"] == 0, "questions in flight for ever")
    must("has answered nothing" not in weighd.log_text(), "the resolver was taken for dead")


def no_growth(weighd, _):
    """The same again: what it costs is given back."""
    attempts = hostile_attempts()

    def once():
        clients = [send(weighd, attempt.policy(), attempt.attributes()) for attempt in attempts]
        for client in clients:
            read(client)
        wait_until(lambda: is_idle(weighd), "not idle")

    once()
    before = weighd.resident_bytes()
    once()
    grown = weighd.resident_bytes() - before
    must(grown < 16 * 1024 * 1024, f"grown by {grown} bytes")


CASES = [
    ("lists that refuse or list everything are parked", parked_lists),
    ("100 hostile names at once, and good attempts meanwhile", hundred_at_once),
    ("the explanation names each under unknown", explained),
    ("the log line does", logged),
    ("hostile lists of addresses", lists("lists", range(1, 21))),
    ("their explanation", lists_explained("lists", 101)),
    ("hostile lists of domains", lists("domain_lists", range(1, 21))),
    ("their explanation ", lists_explained("domain_lists", 102)),
    ("classic and hostile lists", classic_lists),
    ("classic and hostile names", classic_names),
    ("odd but honest answers are believed", honest),
    ("64 kB of TXT", big_txt),
    ("nothing stays in work", idle_again),
    ("nothing grows", no_growth),
]


def worst_attempt(attempt, policy):
    """All of one behaviour's names in one attempt; none of them asked for before."""
    stem = attempt.behaviour.replace("_", "-")
    address = ROLES["ptr"][1] + attempt.address[attempt.address.rindex("."):]
    return {"client_address": address, "client_name": "unknown",
            "helo_name": f"mail.{policy}.{stem}-helo.example",
            "sender": f"a@{policy}.{stem}-sender.example"}


def few_questions(policy):
    def case(weighd, dns):
        failures, most = Failures(), (0, 0, "")
        for attempt in hostile_attempts():
            if attempt.role != "sender":
                continue
            packets, asked = dns.questions(), status(weighd)["dns"]["asked"]
            failures.run(str(attempt), ask, weighd, policy, worst_attempt(attempt, policy))
            wait_until(lambda: status(weighd)["dns"]["in_flight"] == 0, "questions in flight")
            asked = status(weighd)["dns"]["asked"] - asked
            packets = dns.questions() - packets
            most = max(most, (asked, packets, attempt.behaviour))
            failures.run(str(attempt), must, asked <= QUESTIONS_MAX, f"{asked} questions")
            failures.run(str(attempt), must, packets <= asked * PACKETS_PER_QUESTION_MAX,
                         f"{packets} packets for {asked} questions")
        failures.end()
        print("# %s: at most %d questions (%d packets), for %s" % (policy, *most))
    return case


COUNTED = [
    ("64 questions an attempt: names", few_questions("names")),
    ("64 questions an attempt: classic", few_questions("classic")),
]


def run(weighd, dns, cases, number):
    failed = 0
    for name, case in cases:
        number += 1
        why = None
        began = time.monotonic()
        try:
            case(weighd, dns)
            must(weighd.process.poll() is None, "the daemon has ended")
        except (AssertionError, OSError, ValueError, LookupError) as error:
            why = f"{type(error).__name__}: {error}"
            failed += 1
        print(("not ok" if why else "ok"), number, "-", name, flush=True)
        print(f"# {time.monotonic() - began:.1f} s")
        if why:
            print("#", why.replace("\n", " "))
    return number, failed


def main():
    for name in ("WEIGHD", "FAKEDNS"):
        if name not in os.environ:
            raise SystemExit(f"{name} names the program to be used")
    rounds = [(2000, CASES), (200, COUNTED)]
    number = failures = 0
    print(f"1..{sum(len(cases) + 1 for _, cases in rounds)}")
    for question_ms, cases in rounds:
        dns = FakeDns()
        weighd = Weighd(config(dns.port, question_ms))
        number, failed = run(weighd, dns, cases, number)
        ended = weighd.end()
        dns.end()
        number += 1
        print("not ok" if ended else "ok", number, "- the daemon ends well")
        failures += failed + (ended != 0)
    print(f"# {number} cases, {failures} failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
