"""A name server on loopback that answers from a recording's data (doc/policyd-weight.md, "Cases").

Data: "NAME TYPE": records in the order of the answer, or SERVFAIL, REFUSED, FORMERR, NOTIMP,
TIMEOUT (no answer), HEADER (FORMERR without a question), or {"rr": [[type, data]], "rcode": n}.
"* TYPE" and "* *" answer for names that are not in the data.
"""

import ipaddress
import re
import selectors
import socket
import struct
import threading

TYPES = {"A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "PTR": 12, "MX": 15, "TXT": 16, "AAAA": 28}
NAMES = {number: name for name, number in TYPES.items()}
RCODES = {"FORMERR": 1, "SERVFAIL": 2, "NOTIMP": 4, "REFUSED": 5}
UDP_MAX = 512
CHAIN_MAX = 10


def wire_label(text):
    plain = re.sub(r"\\(\d{3}|.)", lambda m: chr(int(m[1])) if m[1].isdigit() else m[1], text)
    data = plain.encode("latin-1", "replace")
    return bytes([len(data)]) + data


def wire_name(text):
    labels = re.findall(r"(?:\\\d{3}|\\.|[^.\\])+", text)
    return b"".join(map(wire_label, labels)) + b"\0"


def wire_data(kind, data):
    if kind in ("A", "AAAA"):
        return ipaddress.ip_address(data).packed
    if kind == "MX":
        preference, host = data.split(" ", 1)
        return struct.pack("!H", int(preference)) + wire_name(host)
    if kind == "TXT":
        text = data.encode("latin-1", "replace")
        return b"".join(bytes([len(text[i:i + 255])]) + text[i:i + 255]
                        for i in range(0, max(len(text), 1), 255))
    if kind == "SOA":
        return wire_name("ns." + data) + wire_name("root." + data) + struct.pack("!5L", *[300] * 5)
    return wire_name(data)


class Question:
    def __init__(self, packet):
        self.head = packet[:2]
        at, labels = 12, []
        while packet[at]:
            labels.append(packet[at + 1:at + 1 + packet[at]].decode("latin-1"))
            at += 1 + packet[at]
        self.name = ".".join(labels).lower()
        self.kind = NAMES.get(struct.unpack("!H", packet[at + 1:at + 3])[0], "?")
        self.section = packet[12:at + 5]


class NameServer(threading.Thread):
    """One address of 127/8, UDP and TCP; .data is what it answers from."""

    def __init__(self, address, port=53):
        super().__init__(daemon=True)
        self.data, self.asked = {}, 0
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        for transport in (self.udp, self.tcp):
            transport.bind((address, port))
        self.tcp.listen(64)

    def load(self, data):
        self.data = {key.rsplit(" ", 1)[0].lower().rstrip(".") + " " + key.rsplit(" ", 1)[1]: value
                     for key, value in data.items()}
        self.names = {key.rsplit(" ", 1)[0] for key in self.data} - {"*"}

    def exists(self, name):
        return name in self.names or any(n.endswith("." + name) for n in self.names)

    def records(self, name, kind):
        """([(owner, type, data)], rcode), or one of the words"""
        chain = []
        for _ in range(CHAIN_MAX):
            found = self.data.get(f"{name} {kind}")
            if found is None and isinstance(self.data.get(f"{name} CNAME"), list):
                target = self.data[f"{name} CNAME"][0]
                chain.append((name, "CNAME", target))
                name = target.lower()
                continue
            if found is None and name not in self.names:
                found = self.data.get(f"* {kind}", self.data.get("* *"))
            if found is None:
                return chain, 0 if self.exists(name) else 3
            if isinstance(found, str):
                return found if found in ("TIMEOUT", "HEADER") else ([], RCODES[found])
            if isinstance(found, dict):
                return chain + [(name, t, d) for t, d in found["rr"]], found.get("rcode", 0)
            return chain + [(name, kind, d) for d in found], 0
        return chain, 0

    def answer(self, packet, room):
        self.asked += 1
        try:
            question = Question(packet)
        except (IndexError, struct.error):
            return packet[:2] + struct.pack("!5H", 0x8181, 0, 0, 0, 0)
        found = self.records(question.name, question.kind)
        if found == "TIMEOUT":
            return None
        if found == "HEADER":
            return packet[:2] + struct.pack("!5H", 0x8181, 0, 0, 0, 0)
        records, rcode = found
        body = b""
        for owner, kind, data in records:
            rdata = wire_data(kind, data)
            first = b"\xc0\x0c" if owner == question.name else wire_name(owner)
            body += first + struct.pack("!HHLH", TYPES[kind], 1, 300, len(rdata)) + rdata
        flags, count = 0x8180 | rcode, len(records)
        if len(body) + len(question.section) + 12 > room:
            flags, count, body = flags | 0x0200, 0, b""
        return question.head + struct.pack("!5H", flags, 1, count, 0, 0) + question.section + body

    def serve_tcp(self):
        stream, _ = self.tcp.accept()
        with stream:
            stream.settimeout(1)
            try:
                size = struct.unpack("!H", stream.recv(2))[0]
                reply = self.answer(stream.recv(size), 65535)
                if reply is not None:
                    stream.sendall(struct.pack("!H", len(reply)) + reply)
            except (OSError, struct.error):
                pass

    def run(self):
        waiting = selectors.DefaultSelector()
        waiting.register(self.udp, selectors.EVENT_READ)
        waiting.register(self.tcp, selectors.EVENT_READ)
        while True:
            for key, _ in waiting.select():
                if key.fileobj is self.tcp:
                    self.serve_tcp()
                    continue
                packet, peer = self.udp.recvfrom(65535)
                reply = self.answer(packet, UDP_MAX)
                if reply is not None:
                    self.udp.sendto(reply, peer)
