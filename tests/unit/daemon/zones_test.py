#!/usr/bin/env python3
"""Lists that refuse, lie, die and come back: none of them ever refuses mail."""
import json
import os
import subprocess
import tempfile
import time

from daemon import PATIENCE_S, Weighd, read_until, request

CONFIG = """
listen   inet:127.0.0.1:0 policy inbound
control  {{dir}}/control.sock
resolver 127.0.0.1:{port}
deadline 4s
limits   {{{{ question_ms 300 }}}}
zone good.example    {{{{ lists ip4
                          means listed = 127.0.0.2
                          test listed 127.0.0.2, clear 127.0.0.1 }}}}
zone refuse.example  {{{{ lists ip4
                          home "https://refuse.example/" }}}}
zone dead.example    {{{{ lists ip4
                          test listed 127.0.0.2, clear 127.0.0.1
                          }}}}
zone gone.example    {{{{ lists ip4
                          dead "2024-06" }}}}
zone flap.example    {{{{ lists ip4
                          test listed 127.0.0.2, clear 127.0.0.1 }}}}
zone names.example   {{{{ lists domains
                          test listed test, clear invalid }}}}
zone six.example     {{{{ lists ip6
                          test listed "::ffff:7f00:2", clear "::ffff:7f00:1" }}}}
policy inbound {{{{
    weigh dnsbl good.example    {{{{ listed 5 }}}}
    weigh dnsbl world.example   {{{{ listed 5 }}}}
    weigh dnsbl refuse.example  {{{{ listed 5 }}}}
    weigh dnsbl live.example    {{{{ listed 5 }}}}
    weigh dnsbl dead.example    {{{{ listed 5 }}}}
    weigh dnsbl flap.example    {{{{ listed 5 }}}}
    weigh dnsbl gone.example    {{{{ listed 5 }}}}
    weigh dnsbl six.example     {{{{ listed 5 }}}}
    weigh dnsbl silent.example  {{{{ listed 5 }}}}
    weigh rhsbl names.example   {{{{ listed 5 }}}} of sender
    reject "5.7.1 $summary" if score >= 5
}}}}
"""

ZONE = """
ttl 1
2.0.0.127.good.example A 127.0.0.2
9.2.0.192.good.example A 127.0.0.2
*.world.example A 127.0.0.2
*.gone.example A 127.0.0.2
2.0.0.127.refuse.example A 127.255.255.254
1.2.0.192.live.example A 127.255.255.255
2.0.0.0.0.0.f.7.f.f.f.f.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.six.example A 127.0.0.2
test.names.example A 127.0.0.2
*.silent.example silent
{flap}
"""
FLAP_WELL = "2.0.0.127.flap.example A 127.0.0.2"
FLAP_BAD = "*.flap.example A 127.0.0.2"


class Server:
    """The fake name server, on a port that stays when its zones change."""

    def __init__(self, flap):
        self.port = 0
        self.start(flap)

    def start(self, flap):
        with tempfile.NamedTemporaryFile("w", suffix=".zone", delete=False) as file:
            file.write(ZONE.format(flap=flap))
        self.process = subprocess.Popen(
            [os.environ["FAKEDNS"], "-p", str(self.port), file.name],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        line = self.process.stdout.readline().split()
        self.port = int(line[1])
        os.unlink(file.name)

    def stop(self):
        self.process.stdin.close()
        self.process.stdout.read()
        self.process.wait(PATIENCE_S)

    def turn(self, flap):
        self.stop()
        self.start(flap)


class Test:
    def __init__(self):
        self.count = self.failed = 0

    def say(self, is_right, what, seen=None):
        self.count += 1
        self.failed += not is_right
        print(f"{'ok' if is_right else 'not ok'} {self.count} - {what}", flush=True)
        if not is_right:
            print("# seen: " + str(seen)[-2000:].replace("\n", "\n# "))


def zones(weighd):
    answer = json.loads(weighd.control(b'{"verb":"zones"}'))
    return {zone["name"]: zone for zone in answer["zones"]}


def wait_for(weighd, name, state):
    """The list's report once it is in this state; its last one when patience ends."""
    until = time.monotonic() + PATIENCE_S
    while True:
        zone = zones(weighd)[name]
        if zone["state"] == state or time.monotonic() > until:
            return zone
        time.sleep(0.02)


def ask(weighd, **attributes):
    with weighd.connect() as client:
        client.sendall(request(**attributes))
        return read_until(client, b"\n\n").decode()


def wait_for_line(weighd, text):
    until = time.monotonic() + PATIENCE_S
    while text not in weighd.log_text() and time.monotonic() < until:
        time.sleep(0.02)
    return weighd.log_text()


def main():
    test = Test()
    server = Server(FLAP_WELL)
    weighd = Weighd(CONFIG.format(port=server.port))

    for name, state, trouble, answer in [
            ("good.example", "well", None, None),
            ("names.example", "well", None, None),
            ("six.example", "well", None, None),
            ("flap.example", "well", None, None),
            ("live.example", "well", None, None),
            ("world.example", "parked", "lists all", "127.0.0.2"),
            ("refuse.example", "parked", "refuses", "127.255.255.254"),
            ("dead.example", "parked", "lists nothing", None),
            ("gone.example", "parked", "dead", None)]:
        zone = wait_for(weighd, name, state)
        test.say((zone["state"], zone["trouble"], zone["answer"]) == (state, trouble, answer),
                 f"{name} is {state}", zone)
    test.say(wait_for(weighd, "silent.example", "silent")["state"] == "silent",
             "a silent list is not parked", zones(weighd)["silent.example"])
    zone = zones(weighd)["gone.example"]
    test.say(zone["dead_since"] == "2024-06" and zone["tested"] is None,
             "dead since is shown, and the dead are left alone", zone)

    test.say("reject" not in ask(weighd, client_address="192.0.2.7").lower() and
             "550" not in ask(weighd, client_address="192.0.2.7"),
             "no bad list refuses a stranger")
    answer = ask(weighd, client_address="192.0.2.9")
    test.say("550" in answer, "a good list still does", answer)

    answer = ask(weighd, client_address="192.0.2.1")
    test.say("550" not in answer, "a refusal is no listing", answer)
    zone = wait_for(weighd, "live.example", "parked")
    test.say(zone["state"] == "parked" and zone["answer"] == "127.255.255.255" and
             zone["refused"] == 1, "a refusal of a real question parks the list", zone)
    ask(weighd, client_address="192.0.2.1")
    log = wait_for_line(weighd, "list live.example is parked")
    test.say(log.count("list live.example is parked") == 1 and "answer 127.255.255.255" in log,
             "which is said once, with the answer", log)

    server.turn(FLAP_BAD)
    weighd.control(b'{"verb":"reload"}')
    test.say(zones(weighd)["flap.example"]["state"] == "well",
             "what was well is not tested anew by a reload")
    weighd.end()
    weighd = Weighd(CONFIG.format(port=server.port))
    zone = wait_for(weighd, "flap.example", "parked")
    test.say(zone["trouble"] == "lists all", "a list that turned is parked", zone)
    weighd.control(b'{"verb":"reload"}')
    server.turn(FLAP_WELL)
    weighd.control(b'{"verb":"reload"}')
    zone = wait_for(weighd, "flap.example", "well")
    test.say(zone["state"] == "well", "and asked again when it is well", zone)
    log = wait_for_line(weighd, "list flap.example passes")
    test.say(log.count("list flap.example passes") == 1, "which is said once, too", log)

    table = subprocess.run([os.environ["WEIGHCTL"], "zones", "--control",
                            weighd.path("control.sock")], capture_output=True, check=False)
    text = table.stdout.decode()
    test.say(table.returncode == 1 and "refuse.example" in text and
             "127.255.255.254" in text and "https://refuse.example/" in text,
             "weighctl zones shows it all", text)
    status = json.loads(weighd.control(b'{"verb":"status"}'))
    test.say(status["zones"] == 10 and status["zones_parked"] == 4, "status counts them", status)

    server.stop()
    until, i = time.monotonic() + PATIENCE_S, 0
    while ("the resolver has answered nothing" not in weighd.log_text() and
           time.monotonic() < until):
        i += 1
        ask(weighd, client_address=f"198.51.{i // 250}.{i % 250 + 1}",
            sender=f"a@s{i}.example.org")
        time.sleep(0.05)
    test.say("the resolver has answered nothing" in weighd.log_text(),
             "a resolver that is gone is noticed", weighd.log_text())
    server.start(FLAP_WELL)
    log = wait_for_line(weighd, "the resolver answers again")
    test.say("the resolver answers again" in log, "and its return, without mail", log)
    wait_for(weighd, "good.example", "well")
    answer = ask(weighd, client_address="192.0.2.9")
    test.say("550" in answer, "then all is as before", answer)

    test.say(weighd.end() == 0, "weighd ends well")
    server.stop()
    print(f"1..{test.count}")
    return test.failed > 0


raise SystemExit(main())
