"""One header an answer: a message gets its headers one by one with its requests, each once."""
import os
import subprocess
import sys

from daemon import PATIENCE_S, Weighd, answer, request

DUNNO = b"action=DUNNO\n\n"
FIRST = b"action=PREPEND X-First: 1\n\n"
SECOND = b"action=PREPEND X-Second: 2\n\n"

CONFIG = """
listen inet:127.0.0.1:0 policy two
control {dir}/control.sock
resolver 127.0.0.1:1
hostname mx.example.net
log stderr
policy two {{
    reject "no" if recipient = "nobody@example.org"
    prepend "$received_spf"
    prepend "X-First: 1" if recipient != "plain@example.org"
    prepend "X-Second: 2" if recipient != "plain@example.org"
}}
"""


def must(have, want):
    if have != want:
        raise AssertionError(f"have {have}, want {want}")


def ask(client, **attributes):
    client.sendall(request(**attributes))
    return answer(client)


def several_recipients_get_each_header_once(daemon):
    with daemon.connect() as client:
        must(ask(client, instance="1.a"), FIRST)
        must(ask(client, instance="1.a", recipient="b@example.org"), SECOND)
        must(ask(client, instance="1.a", recipient="c@example.org"), DUNNO)
        must(ask(client, instance="1.a", protocol_state="DATA", recipient=""), DUNNO)


def two_headers_reach_over_rcpt_and_data(daemon):
    with daemon.connect() as client:
        must(ask(client, instance="2.a"), FIRST)
        must(ask(client, instance="2.a", protocol_state="DATA"), SECOND)


def only_answers_with_a_header_count(daemon):
    with daemon.connect() as client:
        must(ask(client, instance="3.a", recipient="nobody@example.org"), b"action=550 no\n\n")
        must(ask(client, instance="3.a", recipient="plain@example.org"), DUNNO)
        must(ask(client, instance="3.a"), FIRST)


def each_message_has_its_own(daemon):
    with daemon.connect() as client:
        must(ask(client, instance="4.a"), FIRST)
        must(ask(client, instance="4.b"), FIRST)


def without_an_instance_each_request_is_its_own(daemon):
    with daemon.connect() as client:
        must(ask(client), FIRST)
        must(ask(client), FIRST)
        must(ask(client, instance=""), FIRST)


def each_connection_has_its_own(daemon):
    with daemon.connect() as client, daemon.connect() as other:
        must(ask(client, instance="5.a"), FIRST)
        must(ask(other, instance="5.a"), FIRST)
        must(ask(client, instance="5.a"), SECOND)


def the_log_says_what_was_answered(daemon):
    with daemon.connect() as client:
        for _ in range(3):
            ask(client, instance="6.log")
    daemon.end()
    lines = [line for line in LOG[0].splitlines() if 'instance="6.log"' in line]
    must([("X-First" in line, "X-Second" in line) for line in lines],
         [(True, False), (False, True), (False, False)])


def standard_input_is_a_connection_like_others(daemon):
    config = daemon.path("weighd.conf")
    requests = b"".join(request(instance="7.a") for _ in range(3)) + request(instance="7.b")
    run = subprocess.run([os.environ["WEIGHD"], "--config", config, "--stdio"], input=requests,
                         capture_output=True, check=False, timeout=PATIENCE_S)
    must(run.stdout, FIRST + SECOND + DUNNO + FIRST)


LOG = []


class Daemon(Weighd):
    def log_text(self):
        text = super().log_text()
        LOG[:] = [text]
        return text


TESTS = [several_recipients_get_each_header_once, two_headers_reach_over_rcpt_and_data,
         only_answers_with_a_header_count, each_message_has_its_own,
         without_an_instance_each_request_is_its_own, each_connection_has_its_own,
         standard_input_is_a_connection_like_others, the_log_says_what_was_answered]


def main():
    failed = 0
    daemon = Daemon(CONFIG)
    print(f"1..{len(TESTS)}")
    for number, test in enumerate(TESTS, 1):
        try:
            test(daemon)
            print(f"ok {number} - {test.__name__}", flush=True)
        except Exception as error:  # whatever it is, the next one shall run
            failed += 1
            print(f"# {error!r}\nnot ok {number} - {test.__name__}", flush=True)
    sys.exit(failed > 0)


main()
