"""What random cases are made of: a client, what it says, and what the name service knows."""

import ipaddress

CLIENT = "198.51.100.7"
WORDS = ["alder", "ash", "aspen", "birch", "cedar", "elm", "fir", "hazel", "holly", "maple", "oak"]
TOPS = ["test", "com", "org", "net", "de", "info", "online", "co.uk", "com.br", "org.au", "ac.jp",
        "museum", "xn--p1ai", "example"]
PIECES = ["mx", "smtp", "mail", "dedicated", "stat", "static", "nstat", "dip", ".dip", "cable",
          "ppp",
          "dial", "dsl", "dyn", "client", "rev", "ip", "home", "1", "12", "123", "-", "_", ".",
          "a", "x"]
REVERSE = ["p7.dip.isp.example", "h7.dyn.isp.example", "host.isp.example", "rev.home.isp.example",
           "static7.cable.isp.example", "a.client.isp.example", "stat.x.isp.example", "localhost",
           "UPPER.Dsl.Isp.Example", "mail", "dyn", "1-2-3-4.isp.example", "mx.dyn.isp.example"]
LOCALS = ["joe", "ann", "info", "root", "nobody", "anonymous", "m.muller", "xkcdqrt", "aeiou",
          "queueing",
          "zzbcdf", "bounce-7+x=y", "a-b+c", "-x", "+x", "nobody+x", "x.nobody", "NoBody", "bcdfg",
          "bcdhfg",
          "a b", "\"a b\"", "\"a@b\"", "a@b", "", "0", "\u00fcber", "x" * 70, "joe-",
          "srs0=ab=cd=x.test=joe"]
DNSBL = [["pbl.spamhaus.org", 3.25, 0, "DYN_PBL_SPAMHAUS"],
         ["sbl-xbl.spamhaus.org", 4.35, -1.5, "SBL_XBL_SPAMHAUS"],
         ["bl.spamcop.net", 3.75, -1.5, "SPAMCOP"],
         ["ix.dnsbl.manitu.net", 4.35, 0, "IX_MANITU"]]
SCORES = ["client_ip_eq_helo_score", "helo_score", "helo_from_mx_eq_ip_score", "helo_numeric_score",
          "from_match_regex_verified_helo", "from_match_regex_unverified_helo",
          "from_match_regex_failed_helo", "helo_seems_dialup", "failed_helo_seems_dialup",
          "helo_ip_in_client_subnet", "helo_ip_in_cl16_subnet", "client_seems_dialup_score",
          "from_multiparted", "from_anon", "bogus_mx_score", "random_sender_score",
          "enforce_dyndns_score", "rhsbl_penalty_score"]
FAILURES = ["SERVFAIL", "REFUSED", "FORMERR", "NOTIMP", "TIMEOUT", "HEADER"]
PRIVATE = ["10.0.0.53", "192.168.4.4", "172.20.1.1", "127.0.0.1", "172.16.0.9", "172.32.0.1",
           "10.1.2.3"]
NEARLY_PRIVATE = ["169.254.1.1", "100.64.0.1", "0.0.0.0", "210.1.2.3", "110.127.3.4", "11.127.0.1"]
MESSAGES = ["550 5.7.1 weighted", "554 no", "REJECT", "REJECT go away", "450 later", "DEFER",
            "DEFER_IF_PERMIT x", "rc:greylist", "rc:ok, now", "rc: a b", "RC:greylist x",
            "xrc:odd one",
            "HOLD suspicious", "HOLD", "DISCARD", "421 4.7.1 try", "  450 blank", "DUNNO",
            "  rc:y z",
            "WARN x", "FILTER smtp:x", "REDIRECT a@b.test", "550 see rc:z y"]
DURATIONS = ["10s", "1m", "2h", "1d", "5", "20", "1.5m", "x", "m5s", "0", "1 m", "3hours", "1H",
             "2d3h", ""]


def pick(rng, *weighted):
    """pick(rng, (3, a), (1, b))"""
    total = rng.uniform(0, sum(w for w, _ in weighted))
    for weight, value in weighted:
        total -= weight
        if total <= 0:
            return value() if callable(value) else value
    return None


def pieces(rng):
    return "".join(rng.choice(PIECES) for _ in range(rng.randint(2, 8)))


def clean(name):
    """Without empty labels: the original dies of them."""
    return ".".join(label[:63] for label in name.split(".") if label)


class Scene:
    """A client, what it says, and what the name service knows about it."""

    def __init__(self, rng, ipv6=False):
        self.rng = rng
        self.dns, self.conf = {}, {}
        if ipv6:
            self.client = str(ipaddress.ip_address(
                f"2001:db8:{rng.randint(0, 99):x}:{rng.randint(0, 99):x}::{rng.randint(1, 999):x}"))
            self.near = [f"{self.client.rsplit('::', 1)[0]}:1::{rng.randint(1, 999):x}",
                         f"2001:db8:{self.client.split(':')[2]}:ff::1", "2001:db8:ffff::4a",
                         "fd00::1"]
        else:
            octets = [rng.choice([5, 91, 150, 192, 198, 203, 10]), rng.randint(0, 250),
                      rng.randint(0, 250), rng.randint(1, 254)]
            self.client = ".".join(map(str, octets))
            self.near = [".".join(map(str, octets[:3] + [rng.randint(1, 254)])),
                         ".".join(map(str, octets[:2] + [rng.randint(0, 250), 9])),
                         f"11.{rng.randint(0, 250)}.3.4"]
        self.domain = self.new_domain()
        self.other = self.new_domain()
        self.parent = self.domain
        if rng.random() < 0.3:
            self.domain = rng.choice(["news.", "a.b.", "x."]) + self.domain
        self.sender = "joe@" + self.domain
        self.helo = self.new_helo()
        self.name = self.new_client_name()
        self.recipient = "user@home.test"

    def new_domain(self):
        rng = self.rng
        return rng.choice(WORDS) + rng.choice(["", "", "2", "-mail"]) + "." + rng.choice(TOPS)

    def new_helo(self):
        rng = self.rng
        base = rng.choice([self.parent, self.parent, self.other, self.domain])
        dashed = self.client.replace(".", "-").replace(":", "-")
        return pick(rng, (3, "mail." + base), (2, base), (1, "x.y." + base),
                    (1, "smtp.dsl." + base),
                    (1, "static-7." + base), (1, "mx1." + base), (1, "dyn12.pool." + base),
                    (1, f"h-{dashed}.dsl." + base), (1, lambda: clean(pieces(rng) + ".net.test")),
                    (1, lambda: clean(pieces(rng) + ".a.b.test")), (1, self.client),
                    (1, f"[{self.client}]"), (0.5, f"[{self.near[0]}]"), (0.5, self.near[0]),
                    (0.5, self.near[1]), (0.5, "x"), (1, self.odd_helo))

    def odd_helo(self):
        rng, client = self.rng, self.client
        base = self.parent
        return rng.choice([
            "", "0", "localhost", "localhost.localdomain", f"MAIL.{base.upper()}", f"mail.{base}.",
            f"{base}..",
            ".", "..", f"[{client}", f"{client}]", f"|{client}|", f"[ipv6:{client}]",
            f"IPv6:{client}", "[ ]", "[]",
            "12345", "1", "1.2", "123", "[123]", "1.2.3.4.5", "...", "1..2", "0x7f.1", "127.1",
            "[127.0.0.1]",
            "[010.1.2.3]", f"[{client}].{base}", f"x.[{client}]", f"mail .{base}",
            f"\"mail\".{base}",
            f"m\u00e4il.{base}", f"a_b.{base}", f"a=b.{base}", f"a;b.{base}", f"{'l' * 63}.{base}",
            f"-.{base}",
            ".".join("abcdefghij") + "." + base, f"mail.{base}:25", f"<{base}>", f"mail@{base}",
            f"a\\b.{base}",
            "fe80::1", "::1", f"{client}.", f"a.{client}", f"{client}.{base}", f"{base}.12",
            "a.b.c.d.e.f.1",
            "xn--mller-kva.example", f"(check).{base}", f"mail.{base}=7 x", "de.ad.be.ef", "be:ef",
            "cafe.1", "a/1",
            f"mail.{base}/24", "198.51.100.7/24",
            "a" * 60 + "." + "b" * 60 + "." + "c" * 60 + "." + "d" * 60 + ".e.f",
            "user-pc", "h_1_2_3_4", "1-2-3-4", "dsl.x.y.1-2-3-4", f"mail,{base}", f"*.{base}",
            f"mail.{base} ",
            f" mail.{base}", "com", "co.uk", ".com", "a.co.uk", "mail.a.co.uk", f"mail.{base}\t",
            f"[{client}] x"])

    def new_client_name(self):
        rng = self.rng
        base = rng.choice([self.parent, self.parent, self.other])
        return pick(rng, (4, "unknown"), (2, self.helo), (2, "mail." + base), (1, base),
                    (1, "q." + base),
                    (1, "host." + base), (1, "p7.dip.isp.example"), (0.2, ""), (0.2, "0"),
                    (0.2, f"x.{base}.y"),
                    (0.2, "MAIL." + base.upper()))

    def address(self, client=0.35):
        rng = self.rng
        if rng.random() < client:
            return self.client
        return pick(rng, (2, lambda: rng.choice(self.near)),
                    (2, f"11.{rng.randint(1, 250)}.{rng.randint(1, 250)}.7"),
                    (0.5, lambda: rng.choice(PRIVATE)), (0.3, lambda: rng.choice(NEARLY_PRIVATE)),
                    (0.2, f"1{self.client}" if len(self.client.split(".")[0]) < 2 else "11.2.3.4"))

    def put(self, name, *addresses):
        """Address records of a name; a name of both families has both."""
        for address in addresses:
            try:
                kind = "AAAA" if ":" in address else "A"
                ipaddress.ip_address(address)
            except ValueError:
                continue
            rows = self.dns.setdefault(f"{name} {kind}", [])
            if isinstance(rows, list) and address not in rows:
                rows.append(address)

    def hosts(self, name, count, client=0.35):
        rng = self.rng
        rows = []
        for i in range(count):
            base = rng.choice([name, self.parent, self.other])
            host = pick(rng, (6, f"{rng.choice(['mx', 'in'])}{i}.{base}"), (1, base),
                        (0.3, "MX.Mixed." + base),
                        (0.2, self.address(client)), (0.2, "."), (0.2, f"alias{i}.{base}"))
            # in order as a rule: weighd sorts them
            preference = 10 * (i + 1) if rng.random() < 0.97 else rng.choice([10, 5, 0])
            rows.append(f"{preference} {host}")
            if host.startswith("alias"):
                self.dns[f"{host} CNAME"] = [f"real{i}.{base}"]
                host = f"real{i}.{base}"
            if host != "." and rng.random() < 0.85:
                self.put(host.lower(),
                         *[self.address(client) for _ in range(rng.choice([1, 1, 1, 2, 3]))])
        self.dns[f"{name} MX"] = rows

    def pointer(self):
        return ipaddress.ip_address(self.client).reverse_pointer

    def listed(self, zone, value=None):
        reverse = self.pointer().removesuffix(".in-addr.arpa").removesuffix(".ip6.arpa")
        self.dns[f"{reverse}.{zone} A"] = ["127.0.0.2"] if value is None else value

    def rows(self):
        return self.conf.get("dnsbl_score", DNSBL)

    def lists(self, chance):
        for row in self.rows():
            if self.rng.random() < chance:
                self.listed(row[0])

    def domain_list(self, chance=0.25):
        for row in self.conf.get("rhsbl_score", [["multi.surbl.org"]]):
            if self.rng.random() < chance:
                domain = self.sender.lower().split("@", 1)[-1]
                self.dns[f"{domain}.{row[0]} A"] = ["127.0.0.2"]

    def forward(self, client=0.35):
        """The sender's domain and the greeting."""
        rng = self.rng
        for name in dict.fromkeys((self.domain, self.parent)):
            if rng.random() < 0.55:
                self.hosts(name, rng.choice([1, 1, 2, 3]), client)
            if rng.random() < 0.4:
                self.put(name, *[self.address(client) for _ in range(rng.choice([1, 1, 2]))])
        helo = self.helo.lower().strip(".")
        if helo and not helo[0].isdigit() and helo.isascii() and not set(helo) & set("[ "):
            if rng.random() < 0.5:
                self.put(helo, self.address(client + 0.1))
            if rng.random() < 0.15:
                self.hosts(helo.split(".", 1)[-1], 1, client)

    def reverse(self, many=False):
        rng = self.rng
        count = rng.choice([0, 1, 1, 1, 2, 3]) if many else rng.choice([0, 0, 1, 1])
        names = []
        for _ in range(count):
            name = pick(rng, (2, lambda: rng.choice(REVERSE)), (1, self.helo),
                        (1, "other." + self.parent),
                        (1, "q." + self.parent), (1, clean(pieces(rng) + ".a.b.test")),
                        (0.5, self.name),
                        (0.5, lambda: clean(pieces(rng) + ".x")))
            name = clean(name)
            if name and name.isascii() and not set(name) & set(" \\[]\"();\t"):
                names.append(name)
        if names:
            self.dns[f"{self.pointer()} PTR"] = list(dict.fromkeys(names))

    def fail(self, count, words=FAILURES):
        rng = self.rng
        names = [f"{n} {t}" for n in (self.domain, self.parent, self.helo.lower().strip(".") or "x")
                 for t in ("MX", "A", "AAAA")]
        names += [k for k in self.dns if not k.startswith("*")]
        names += [f"* {t}" for t in ("MX", "A", "AAAA", "PTR", "*")]
        for _ in range(count):
            key = rng.choice(names)
            # a wildcard header kills the original at the lists
            may_be_header = key.endswith(("MX", "AAAA"))
            self.dns[key] = rng.choice([w for w in words if w != "HEADER" or may_be_header])

    def request(self, **changes):
        request = {"client_address": self.client, "client_name": self.name, "helo_name": self.helo,
                   "sender": self.sender, "recipient": self.recipient, "instance": "1"}
        request.update(changes)
        return {k: v for k, v in request.items() if v is not None}

    def settings(self, count):
        rng = self.rng
        for _ in range(count):
            name, value = pick(
                rng,
                (3, lambda: (rng.choice(SCORES),
                             [round(rng.uniform(-1, 5), rng.choice([0, 1, 2, 3])),
                                                  round(rng.uniform(-4, 1),
                                                        rng.choice([0, 1, 2]))])),
                (1, lambda: ("REJECTLEVEL",
                             rng.choice([-20, -5, -1, 0, 0.5, 1, 2, 3, 5, 20, 30, 500]))),
                (1, lambda: ("DEFER_LEVEL", rng.choice([-20, 0, 3, 5, 8, 20]))),
                (1, lambda: ("DEFER_STRING", rng.choice(
                    ["", "IN_SPAMCOP=", "BOGUS_MX=", "bogus_mx=", "CL_IP_NE_HELO", "NOT_IN", "IN_",
                     "3.75",
                     "FROM/MX helo", "HELO_NUMERIC= RANDOM", "=", "(check"]))),
                (1, lambda: ("DEFER_ACTION",
                             rng.choice(["421", "450", "451 4.7.1", "DEFER", "DEFER_IF_PERMIT",
                                                         "rc:x", "HOLD", "550", ""]))),
                (1, lambda: ("REJECTMSG", rng.choice(MESSAGES))),
                (0.5, lambda: ("MAXDNSBLMSG", rng.choice(MESSAGES))),
                (0.3, lambda: ("DNSERRMSG", rng.choice(MESSAGES))),
                (0.3, lambda: ("MAXDNSERRMSG", rng.choice(["", "passed", "rc:x y"]))),
                (0.5, lambda: ("MAXDNSBLHITS", rng.choice([0, 1, 2, 3, 10]))),
                (0.5, lambda: ("MAXDNSBLSCORE", rng.choice([0, 3, 4.35, 7, 8, 100, -1]))),
                (0.5, lambda: ("MAXDNSERR", rng.choice([0, 1, 2, 3, 4, 9]))),
                (0.5, ("ADD_X_HEADER", 0)), (0.5, ("LOG_BAD_RBL_ONLY", 0)),
                (0.5, ("IGNORE_RFC1918_A", 1)),
                (0.3, ("USE_NET_DNS", 1)), (0.3, ("enforce_dyndns_score", [0, 0])),
                (0.3, lambda: ("dnsbl_score", self.new_rows())),
                (0.3, lambda: ("rhsbl_score", self.new_domain_rows())))
            self.conf[name] = value

    def new_rows(self):
        rng = self.rng
        zones = [*DNSBL, ["wl.test", -3, 0, "WHITE"], ["l.test", 0.005, -0.7, "L"],
                 ["z.test", 0, 0, "ZERO"],
                 ["l.test", 12.34567, 0, "L"], ["dyn.test", 1.5, 0.5, "dyNamic"],
                 ["n.test", 0.1, 0.2, "N_7"],
                 ["UPPER.Test", 2, -1, "UP"], ["a.b.c.test", 1, -0.333, "ABC"]]
        return [list(row) for row in rng.sample(zones, rng.randint(0, 6))]

    def new_domain_rows(self):
        rng = self.rng
        zones = [["multi.surbl.org", 4, 0, "SURBL"], ["rhs.two.test", 2.5, 0, "TWO"],
                 ["rhs.three.test", 0.1, -1, "THREE"], ["rhs.neg.test", -2.225, 0, "NEG"]]
        return [list(row) for row in rng.sample(zones, rng.randint(0, 4))]

    def case(self, *requests):
        case = {"dns": self.dns, "reqs": list(requests) or [self.request()]}
        if self.conf:
            case["conf"] = self.conf
        return case
