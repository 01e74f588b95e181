"""Hostile clients of the policy port: each is survived, and a good request is answered after it.

Source: design, "Policy port" P1 to P11, and "Bad input".
"""
import os
import socket
import sys
import time

from daemon import Weighd, answer, is_closed, read_until, request

DUNNO = b"action=DUNNO\n\n"

# One daemon whose policy asks nobody, one whose resolver does not answer.
LOCAL = """
listen inet:127.0.0.1:0 policy inbound
listen unix:{dir}/policy.sock mode 0600 policy inbound
control {dir}/control.sock
resolver 127.0.0.1:1
log stderr
mode enforce
limits {{ connections 1024, connections_per_source 256 }}
policy inbound {{
    reject "no" if helo_name = "bad"
}}
"""

IMPATIENT = """
listen inet:127.0.0.1:0 policy inbound
listen unix:{dir}/policy.sock mode 0600 policy inbound
control {dir}/control.sock
resolver 127.0.0.1:1
log stderr
mode enforce
limits {{
    connections 8, connections_per_source 4, idle_connection_s 1, unfinished_request_s 1
    unread_answer_s 1
}}
policy inbound {{
    reject "no" if helo_name = "bad"
}}
"""

DEAF = """
listen inet:127.0.0.1:0 policy inbound
control {dir}/control.sock
resolver 127.0.0.1:{port}
deadline 1s
log stderr
mode enforce
policy inbound {{
    weigh dnsbl list.example {{ listed 5 }}
    reject "no" if score >= 5
}}
"""


def ask(weighd, data, **where):
    with weighd.connect(**where) as client:
        client.sendall(data)
        return answer(client)


def must(truth, what):
    if not truth:
        raise AssertionError(what)


def answered(data, want=DUNNO):
    """A case: these bytes, sent at once, get this answer."""
    def case(weighd):
        have = ask(weighd, data)
        must(have == want, f"have {have!r}, want {want!r}")
    return case


def closed(data):
    """A case: these bytes get no answer, but a close."""
    def case(weighd):
        with weighd.connect() as client:
            try:
                client.sendall(data)
            except (BrokenPipeError, ConnectionResetError):
                return
            must(is_closed(client), "an answer, where a close was due")
    return case


def many(count, data):
    return b"".join(data(i) for i in range(count))


def values_of_2048(_):
    names = [line.split(b"=")[0].decode() for line in request().split(b"\n") if b"=" in line]
    names += ["client_name", "reverse_client_name", "instance", "sasl_username", "queue_id"]
    names.remove("request")
    return request(**{name: "x" * 2048 for name in names})


def slow_drip(weighd):
    with weighd.connect() as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in request(helo_name="bad"):
            client.send(bytes([byte]))
        have = answer(client)
        must(have == b"action=550 no\n\n", f"have {have!r}")


def reset_in_request(weighd):
    for _ in range(50):
        with weighd.connect() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            client.sendall(request()[:40])


def reset_after_request(weighd):
    for _ in range(50):
        with weighd.connect() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            client.sendall(request() * 3)


def half_close(weighd):
    with weighd.connect() as client:
        client.sendall(request(helo_name="bad"))
        client.shutdown(socket.SHUT_WR)
        must(answer(client) == b"action=550 no\n\n", "no answer")
        must(is_closed(client), "not closed")


def half_close_unfinished(weighd):
    with weighd.connect() as client:
        client.sendall(request()[:-1])
        client.shutdown(socket.SHUT_WR)
        must(is_closed(client), "an answer to half a request")


def pipelined(weighd):
    want = b"".join(b"action=550 no\n\n" if i % 3 == 0 else DUNNO for i in range(100))
    with weighd.connect() as client:
        client.sendall(many(100, lambda i: request(helo_name="bad" if i % 3 == 0 else "good")))
        client.shutdown(socket.SHUT_WR)
        have = b""
        while True:
            more = client.recv(65536)
            if not more:
                break
            have += more
    must(have == want, f"{have.count(b'action=')} answers, or in another order")


def pipelined_beyond(weighd):
    """The good requests before a broken one are answered."""
    with weighd.connect() as client:
        client.sendall(request() + request(helo_name="bad") + b"x" * 8193)
        must(read_until(client, b"550 no\n\n") == DUNNO + b"action=550 no\n\n", "order")
        must(is_closed(client), "not closed")


def keep_alive(weighd):
    with weighd.connect() as client:
        for i in range(200):
            client.sendall(request(helo_name="bad" if i % 2 else "good"))
            must(answer(client) == (b"action=550 no\n\n" if i % 2 else DUNNO), f"request {i}")


def unread(weighd):
    """Answers are not read: no more is taken than a bounded amount, and memory stays."""
    before = weighd.resident_bytes()
    data = request() * 1000
    clients = []
    for _ in range(20):
        client = weighd.connect()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.setblocking(False)
        clients.append(client)
        try:
            for _ in range(20):
                client.send(data)
        except BlockingIOError:
            pass
    answered(request())(weighd)
    grown = weighd.resident_bytes() - before
    for client in clients:
        client.close()
    must(grown < 16 * 1024 * 1024, f"grown by {grown} bytes")


def unix_socket(weighd):
    with weighd.connect_unix("policy.sock") as client:
        client.sendall(request(helo_name="bad"))
        must(answer(client) == b"action=550 no\n\n", "no answer")


def sources(weighd):
    """256 connections of one source stay; with one more the longest idle one goes."""
    clients = []
    for _ in range(256):
        client = weighd.connect(source="127.0.0.2")
        client.sendall(request())
        must(answer(client) == DUNNO, "no answer within the limit")
        clients.append(client)
    must(b"".join(peek(client) for client in clients) == b"", "closed within the limit")
    with weighd.connect(source="127.0.0.2") as client:
        client.sendall(request())
        have = answer(client)
    gone = sum(1 for client in clients if is_gone(client))
    for client in clients:
        client.close()
    # Where another worker has the longest idle one, the new one is closed.
    must((have, gone) in ((DUNNO, 1), (b"", 0)), f"answer {have!r}, {gone} gone")


def peek(client):
    """b"" while the connection is open and silent, a mark where it is closed."""
    client.setblocking(False)
    try:
        return client.recv(1) or b"closed"
    except BlockingIOError:
        return b""
    finally:
        client.setblocking(True)


def is_gone(client):
    try:
        return peek(client) != b""
    except ConnectionResetError:
        return True


def connections(weighd):
    """1,024 connections are served; one more takes the place of the longest idle one."""
    clients = []
    for i in range(1024):
        client = weighd.connect(source=f"127.0.0.{3 + i // 200}")
        client.sendall(request())
        must(answer(client) == DUNNO, f"no answer to connection {i + 1}")
        clients.append(client)
    must(not any(is_gone(client) for client in clients), "closed within the limit")
    with weighd.connect() as client:
        client.sendall(request())
        must(answer(client) == DUNNO, "connection 1,025 is not answered")
        # The eviction by another worker is seen by the one that is evicted.
        end = time.monotonic() + 10
        while not any(is_gone(client) for client in clients) and time.monotonic() < end:
            weighd.control(b'{"verb":"status"}')
        gone = sum(1 for client in clients if is_gone(client))
    for client in clients:
        client.close()
    must(gone == 1, f"{gone} connections went for one")


def control_abuse(weighd):
    for line in (b"", b"x", b"{}", b"[]", b'{"verb":1}', b'{"verb":"x"}', b"\0\xff", b"{" * 5000,
                 b'{"verb":"weigh"}', b'{"verb":"weigh","policy":"x","attempt":{}}'):
        have = weighd.control(line)
        must(b'"ok":false' in have, f"{line[:20]!r}: {have!r}")
    with weighd.connect_unix("control.sock") as client:
        try:
            client.sendall(b"x" * 100000)
            must(b"too long" in read_until(client, b"\n"), "a line without an end")
        except (BrokenPipeError, ConnectionResetError):
            pass
    must(b'"verdict":"reject"' in weighd.control(
        b'{"verb":"weigh","attempt":{"helo_name":"bad","client_address":"192.0.2.1"}}'), "weigh")


def control_clients(weighd):
    clients = [weighd.connect_unix("control.sock") for _ in range(8)]
    for client in clients:
        client.sendall(b'{"verb":"status"}\n')
        must(b'"ok":true' in read_until(client, b"\n"), "no status")
    with weighd.connect_unix("control.sock") as client:
        must(is_closed(client), "a ninth client is heard")
    for client in clients:
        client.close()


LOCAL_CASES = [
    ("an empty request", answered(b"\n")),
    ("no request=", answered(b"helo_name=bad\n\n")),
    ("another kind of request", answered(request(request="junk", helo_name="bad"))),
    ("request= twice, the first counts",
     answered(b"request=junk\n" + request(helo_name="bad"))),
    ("helo_name twice, the first counts",
     answered(request(helo_name="bad")[:-1] + b"helo_name=good\n\n", b"action=550 no\n\n")),
    ("unknown attributes", answered(request(nonsense="x", helo_name="bad"), b"action=550 no\n\n")),
    ("a line without =", answered(b"nonsense\n" + request(helo_name="bad"), b"action=550 no\n\n")),
    ("a line that begins with =", answered(b"=x\n" + request())),
    ("NUL in a value", answered(request(helo_name=b"b\0d", sender=b"\0"))),
    ("NUL in a name", answered(b"helo\0_name=bad\n" + request())),
    ("bytes that are no UTF-8", answered(request(sender=b"\xff\xfe\x80@example.org"))),
    ("control bytes and a terminal's escapes", answered(request(sender=b"\x1b[2J\x07\x7f"))),
    ("CR inside a value", answered(request(helo_name=b"bad\rx"))),
    ("CRLF line ends", answered(request(helo_name="bad").replace(b"\n", b"\r\n"),
                                b"action=550 no\n\n")),
    ("client_address empty", answered(request(client_address=""))),
    ("client_address unknown", answered(request(client_address="unknown"))),
    ("client_address garbage", answered(request(client_address=b"\xff.1.2.300%n%s"))),
    ("client_address mapped", answered(request(client_address="::ffff:192.0.2.1"))),
    ("client_address with a zone", answered(request(client_address="fe80::1%eth0"))),
    ("client_address of 8,000 bytes", answered(request(client_address="1" * 8000))),
    ("null sender", answered(request(sender=""))),
    ("quoted local part", answered(request(sender='"a@b c"@example.org'))),
    ("sender without a domain", answered(request(sender="noat", recipient="@"))),
    ("no attributes but request", answered(b"request=smtpd_access_policy\n\n")),
    ("2,048 bytes in every value", lambda w: answered(values_of_2048(w))(w)),
    ("a line at the limit", answered(request(sender="x" * (8192 - len("sender="))))),
    ("a line beyond it", closed(request(sender="x" * (8193 - len("sender="))))),
    ("a name at the limit", answered(b"n" * 64 + b"=\n" + request())),
    ("a name beyond it", closed(b"n" * 65 + b"=\n" + request())),
    ("attributes at the limit", answered(many(122, lambda i: b"a%d=\n" % i) + request())),
    ("one attribute beyond", closed(many(123, lambda i: b"a%d=\n" % i) + request())),
    ("10,000 attributes", closed(many(10000, lambda i: b"a%d=b\n" % i) + b"\n")),
    ("a line of 1 MB", closed(b"sender=" + b"x" * 1000000 + b"\n\n")),
    ("a request at the limit", answered(many(8, lambda i: b"a%d=%s\n" % (i, b"x" * 8000))
                                        + b"b=" + b"x" * (65536 - 8 * 8004 - 4
                                                          - len(request())) + b"\n\n"[:1]
                                        + request())),
    ("a request beyond it", closed(many(9, lambda i: b"a%d=%s\n" % (i, b"x" * 8000)))),
    ("1 MB of lines without =", closed(b"nonsense\n" * 111111)),
    ("an HTTP request", answered(b"GET / HTTP/1.1\r\nHost: x\r\nAccept: */*\r\n\r\n")),
    ("slow drip", slow_drip),
    ("reset in mid-request", reset_in_request),
    ("reset before the answers", reset_after_request),
    ("half close", half_close),
    ("half close of half a request", half_close_unfinished),
    ("100 pipelined requests", pipelined),
    ("good requests before a broken one", pipelined_beyond),
    ("200 requests of one connection", keep_alive),
    ("answers are not read", unread),
    ("a Unix socket", unix_socket),
    ("257 connections of one source", sources),
    ("1,025 connections", connections),
    ("bad lines on the control socket", control_abuse),
    ("nine clients of the control socket", control_clients),
]


def idle_timeout(weighd):
    with weighd.connect() as client:
        must(is_closed(client), "not closed")


def idle_timeout_after_answer(weighd):
    with weighd.connect() as client:
        client.sendall(request())
        must(answer(client) == DUNNO and is_closed(client), "not closed")


def unfinished_timeout(weighd):
    """More bytes do not prolong the time of a request."""
    with weighd.connect(timeout=0.2) as client:
        end = time.monotonic() + 10
        while time.monotonic() < end:
            try:
                client.sendall(b"a")
                if client.recv(1) == b"":
                    return
            except socket.timeout:
                continue
            except (BrokenPipeError, ConnectionResetError):
                return
    raise AssertionError("not closed")


def unread_timeout(weighd):
    # A Unix socket, as TCP's buffers grow beyond all patience.
    with weighd.connect_unix("policy.sock") as client:
        try:
            while True:
                client.sendall(request() * 1000)
        except (BrokenPipeError, ConnectionResetError):
            return


def ninth_is_served(weighd):
    """Eight clients in mid-request, as many as there may be; is a ninth answered?"""
    clients = []
    try:
        for i in range(8):
            clients.append(weighd.connect(source=f"127.0.0.{2 + i % 2}"))
        for client in clients:
            client.sendall(b"request=")
        with weighd.connect() as ninth:
            ninth.sendall(request())
            return answer(ninth) != b""
    except ConnectionError:
        # Of the ninth: it was sent away.  Of one of the eight: it was still idle.
        return len(clients) < 8 or any(is_closed_now(client) for client in clients)
    finally:
        for client in clients:
            client.close()


def is_closed_now(client):
    client.setblocking(False)
    try:
        return client.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionError:
        return True


def is_served(weighd):
    try:
        with weighd.connect() as client:
            client.sendall(request())
            return answer(client) != b""
    except ConnectionError:
        return False


def busy_connections(weighd):
    """Connections with an unfinished request are not sent away for a new one.

    Only what has been read is unfinished: until all eight have been, the ninth may get the
    place of one of them.
    """
    end = time.monotonic() + 10
    while ninth_is_served(weighd):
        must(time.monotonic() < end, "a ninth connection is served")
    while not is_served(weighd):  # once it has seen that the eight have gone
        must(time.monotonic() < end, "nobody is served any more")


IMPATIENT_CASES = [
    ("an idle connection is closed in time", idle_timeout),
    ("so is one that has been answered", idle_timeout_after_answer),
    ("an unfinished request is", unfinished_timeout),
    ("and one whose answers are not read", unread_timeout),
    ("unfinished requests keep their connections", busy_connections),
]


def deadline(weighd):
    began = time.monotonic()
    must(ask(weighd, request(client_address="192.0.2.7")) == DUNNO, "not passed")
    must(time.monotonic() - began < 9, "the deadline was missed by far")


def deadline_half_close(weighd):
    with weighd.connect() as client:
        client.sendall(request(client_address="192.0.2.8"))
        client.shutdown(socket.SHUT_WR)
        must(answer(client) == DUNNO and is_closed(client), "no answer, or not closed")


def deadline_pipelined(weighd):
    with weighd.connect() as client:
        client.sendall(many(3, lambda i: request(client_address=f"192.0.2.{20 + i}")))
        client.shutdown(socket.SHUT_WR)
        have = b""
        while True:
            more = client.recv(4096)
            if not more:
                break
            have += more
    must(have == DUNNO * 3, f"have {have!r}")


def leave_in_work(weighd):
    """Clients that go while their request is in work leave nothing behind."""
    for i in range(30):
        with weighd.connect() as client:
            client.sendall(request(client_address=f"192.0.2.{40 + i}"))
    end = time.monotonic() + 10
    while time.monotonic() < end:
        status = weighd.control(b'{"verb":"status"}')
        if b'"in_work":0' in status and b'"connections":0' in status:
            return
    raise AssertionError(f"in work still: {status!r}")


def one_client_in_line(weighd):
    """Of one client 64 attempts are in work and the others wait in line; all are answered."""
    clients = [weighd.connect() for _ in range(100)]
    for i, client in enumerate(clients):
        client.sendall(request(client_address="192.0.2.99", sender=f"a{i}@example.org"))
    for client in clients:
        must(answer(client) == DUNNO, "not answered")
        client.close()


DEAF_CASES = [
    ("the deadline passes", deadline),
    ("half close while in work", deadline_half_close),
    ("pipelined requests that wait", deadline_pipelined),
    ("clients that leave while in work", leave_in_work),
    ("100 attempts of one client", one_client_in_line),
]


def run(weighd, cases, number, good):
    failed = 0
    for name, case in cases:
        number += 1
        why = None
        try:
            case(weighd)
            good(weighd)
            must(weighd.process.poll() is None, "the daemon has ended")
        except (AssertionError, OSError) as error:
            why = f"{type(error).__name__}: {error}"
            failed += 1
        print(("not ok" if why else "ok"), number, "-", name)
        if why:
            print("#", why)
    return number, failed


def good_request(weighd):
    answered(request(helo_name="bad"), b"action=550 no\n\n")(weighd)


def good_unlisted(weighd):
    answered(request(client_address="unknown"))(weighd)


def main():
    if "WEIGHD" not in os.environ:
        raise SystemExit("WEIGHD names the program to be tried")
    deaf = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    deaf.bind(("127.0.0.1", 0))
    rounds = [(LOCAL, LOCAL_CASES, good_request),
              (IMPATIENT, IMPATIENT_CASES, good_request),
              (DEAF.replace("{port}", str(deaf.getsockname()[1])), DEAF_CASES, good_unlisted)]
    number = failures = 0
    print(f"1..{sum(len(cases) + 1 for _, cases, _ in rounds)}")
    for config, cases, good in rounds:
        weighd = Weighd(config)
        number, failed = run(weighd, cases, number, good)
        status = weighd.end()
        number += 1
        print("not ok" if status else "ok", number, "- the daemon ends well")
        failures += failed + (status != 0)
    print(f"# {number} cases, {failures} failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
