"""What the tests of the fronts share: policies for all of them, and what a client does."""
import json
import socket

from daemon import PATIENCE_S, answer, request
from stores import until

DUNNO = b"action=DUNNO\n\n"

GREYLISTD = """
listen inet:127.0.0.1:0 policy keep
listen unix:{dir}/policy.sock mode 0600 policy keep
listen unix:{dir}/greylistd.sock mode 0600 greylistd policy keep
control {dir}/control.sock
store sqlite "{dir}/store/state.db"
resolver 127.0.0.1:1
log stderr
mode enforce
limits {{ attempts_per_client 1000 }}
table friends known
policy keep {{
    limit hits by sender 1000000/1d
    remember client_address in friends for 1d if helo_name = "friend"
    greylist for 1h by client_address, sender, recipient no trust if recipient.local != "open"
}}
"""

DEAF = """
listen inet:127.0.0.1:0 policy slow
listen unix:{dir}/greylistd.sock mode 0600 greylistd policy slow
control {dir}/control.sock
store memory
resolver 127.0.0.1:{port}
deadline 2s
log stderr
mode enforce
limits {{ attempts_per_client 1000 }}
policy slow {{
    weigh dnsbl list.example {{ listed 5 }}
    reject "no" if score >= 5
}}
"""


def read_all(client):
    """All that comes until the close."""
    have = b""
    while True:
        more = client.recv(65536)
        if not more:
            return have
        have += more


def greylistd(weighd, data, is_half_closed=True):
    """All that comes for a command."""
    with weighd.connect_unix("greylistd.sock") as client:
        client.sendall(data)
        if is_half_closed:
            client.shutdown(socket.SHUT_WR)
        return read_all(client)


def try_control(weighd):
    """The daemon's status; b"" where the control socket has no room."""
    try:
        return weighd.control(b'{"verb":"status"}')
    except OSError:
        return b""


def settled(weighd):
    """Nothing is left of anybody: no connection, no attempt in work."""
    def is_settled():
        status = json.loads(try_control(weighd) or b"{}")
        return (status.get("front", {}).get("connections") == 0 and
                status["greylistd"]["connections"] == 0 and status["attempts"]["in_work"] == 0)
    until("all has gone", is_settled)


def fill(client, data):
    """Send data again and again until no more is taken.  How many bytes were."""
    sent = 0
    client.setblocking(False)
    try:
        while True:
            sent += client.send(data)
    except BlockingIOError:
        client.settimeout(PATIENCE_S)
        return sent


def is_answered(weighd):
    """By the policy port and by greylistd's?"""
    try:
        with weighd.connect() as client:
            client.sendall(request(recipient="open@example.com"))
            if answer(client) != DUNNO:
                return False
        return greylistd(weighd, b"--grey 192.0.2.1 a b") == b"true"
    except ConnectionError:
        return False
