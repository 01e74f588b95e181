"""Random cases in the groups of the recordings: the same from the same seed."""

import ipaddress
import random

from scene import (
    DURATIONS, FAILURES, LOCALS, MESSAGES, NEARLY_PRIVATE, PRIVATE, REVERSE, SCORES, TOPS, Scene,
    clean, pieces,
)


def listable(scene, chance=0.25):
    """Lists and reverse names as in most cases."""
    scene.lists(chance)
    scene.reverse()
    scene.domain_list(0.15)


def early(rng):
    scene = Scene(rng)
    scene.forward()
    odd = {
        "sender": ["", None, "0", "<>", "-x@", "+@", "a+b@", "@", "@x", "+", "0+1@", "joe", " ",
                   "-@-@"],
        "recipient": ["postmaster@home.test", "PostMaster@x", "abuse@x.test", "abuse",
                      "postmaster", "postmaster@",
                      "xpostmaster@a", "abuse@", "", None, "\u00e4@x", "abuse+x@x", " abuse@x"],
        "client_address": [None, "", "unknown", "1.2.3", "::ffff:1.2.3.4", "[1.2.3.4]"],
        "client_name": [None, "", "0"], "helo_name": [None, "", "0"], "instance": [None, "", "0"],
        "sasl_username": ["joe"], "protocol_state": ["DATA", "RCPT"]}
    changes = {}
    for name in rng.sample(sorted(odd), rng.choice([1, 1, 2])):
        changes[name] = rng.choice(odd[name])
    listable(scene)
    return scene.case(scene.request(**changes))


def multi(rng):
    scene = Scene(rng, rng.random() < 0.15)
    scene.forward(0.5)
    listable(scene, rng.choice([0, 0.2, 0.7]))
    scene.settings(rng.choice([0, 0, 1, 2]))
    senders = [scene.sender, scene.sender, "joe+x@" + scene.domain, "ann@" + scene.other, "",
               "root"]
    helos = [scene.helo, scene.helo, "mail." + scene.other, "x"]
    requests = []
    for i in range(rng.randint(2, 6)):
        request = scene.request(sender=rng.choice(senders),
                                instance=rng.choice(["1", "1", "2", None]),
                                helo_name=rng.choice(helos),
                                recipient=rng.choice(["a@b.test", "abuse@b.test", "c@d"]),
                                client_address=rng.choice([scene.client, scene.client,
                                                           "203.0.113.9"]))
        if i and rng.random() < 0.1:
            request["fresh"] = True
        requests.append(request)
    return scene.case(*requests)


def dnsbl(rng):
    scene = Scene(rng, rng.random() < 0.15)
    scene.forward()
    if rng.random() < 0.4:
        scene.conf["dnsbl_score"] = scene.new_rows()
    scene.settings(rng.choice([0, 0, 1]))
    scene.lists(0.4)
    scene.reverse()
    rows = scene.rows()
    for row in rng.sample(rows, min(len(rows), rng.choice([0, 0, 1, 2]))):
        scene.listed(row[0].lower(), rng.choice(
            ["SERVFAIL", "REFUSED", "FORMERR", "NOTIMP", "TIMEOUT", ["127.0.0.2", "127.0.0.4"], [],
             ["127.0.0.255"],
             {"rr": [["A", "127.0.0.2"]], "rcode": 3}, {"rr": [], "rcode": 3}]))
    if rng.random() < 0.25:
        requests = []
        silent = rng.choice(rows)[0].lower() if rows else "x"
        scene.conf["MAXDNSERR"] = rng.choice([2, 9])
        scene.conf["BL_ERROR_SKIP"] = rng.choice([0, 1, 2])
        scene.conf["BL_SKIP_RELEASE"] = rng.choice([0, 1, 2, 3])
        for i in range(rng.randint(4, 9)):
            scene.listed(silent, rng.choice(["TIMEOUT", "TIMEOUT", "TIMEOUT", ["127.0.0.2"], []]))
            request = scene.request(instance=str(i))
            request["dns"] = dict(scene.dns)
            requests.append(request)
        return scene.case(*requests)
    return scene.case()


def listonly(rng):
    scene = Scene(rng, rng.random() < 0.1)
    scene.settings(rng.choice([0, 1, 2]))
    scene.forward()
    scene.lists(0.4)
    if rng.random() < 0.4:
        scene.conf["dnsbl_checks_only"] = 1
    else:
        scene.conf["dnsbl_checks_only_regexps"] = rng.sample(
            ["\\.exch\\.", "^mail", "oak|elm|fir", "", "[a-c]+\\.", "\\d", "test$", "(?i)UNKNOWN",
             "^$", "x{2}", "a.*b"],
            rng.randint(1, 3))
    scene.name = rng.choice([scene.name, "mx3.exch.birch.test", "mail.exch.test", "unknown", ""])
    return scene.case()


def sender_domain(rng):
    scene = Scene(rng)
    scene.forward(0.3)
    listable(scene)
    if rng.random() < 0.3:
        scene.conf["IGNORE_RFC1918_A"] = 1
    if rng.random() < 0.5:
        kind = rng.choice(["A", "MX"])
        some = PRIVATE + NEARLY_PRIVATE + [scene.client, scene.near[0]]
        rows = [rng.choice(some) for _ in range(rng.randint(1, 3))]
        name = scene.domain if kind == "A" else "m." + scene.domain
        scene.dns[f"{name} A"] = list(dict.fromkeys(rows))
        if kind == "MX":
            scene.dns[f"{scene.domain} MX"] = ["10 " + name]
    if rng.random() < 0.3:
        scene.sender = rng.choice([f"joe@{scene.client}", f"joe@[{scene.client}]",
                                   f"joe@{scene.domain}.", "root",
                                   f"joe@{scene.near[0]}", f"a@b@{scene.domain}",
                                   f"joe@{scene.domain.upper()}",
                                   "joe@localhost", "joe@x", "mail", f"joe@a-b+c.{scene.domain}",
                                   "joe@", f"joe@{scene.parent}/x"])
    return scene.case()


def dnserr(rng):
    scene = Scene(rng, rng.random() < 0.1)
    scene.forward()
    listable(scene, 0.15)
    scene.conf["MAXDNSERR"] = rng.choice([1, 2, 3, 3, 4, 9, 0])
    if rng.random() < 0.4:
        scene.conf["dnsbl_score"] = []
    if rng.random() < 0.3:
        scene.conf["rhsbl_score"] = scene.new_domain_rows()
    scene.fail(rng.randint(1, 4))
    return scene.case()


def helo(rng):
    scene = Scene(rng)
    scene.helo = scene.odd_helo() if rng.random() < 0.7 else scene.helo
    scene.forward()
    listable(scene, 0.1)
    octets = scene.helo.strip("[]|.").split(".")
    if octets[0].isdigit() and all(octets) and rng.random() < 0.4:
        reverse = ".".join(reversed(octets[:4]))
        scene.put(f"{reverse}.in-addr.arpa", scene.address())
        scene.dns[f"{reverse}.in-addr.arpa MX"] = ["10 mx." + scene.parent]
    if rng.random() < 0.15:
        name = scene.helo.lower().strip(".") or "x"
        scene.dns[f"{name} A"] = rng.choice([
            {"rr": [["A", scene.client]], "rcode": 3}, {"rr": [["TXT", "x"], ["A", scene.client]]},
            {"rr": [["AAAA", "2001:db8::1"], ["A", scene.near[0]]]},
            {"rr": [["A", scene.client]], "rcode": 2},
            {"rr": [["CNAME", "c.test"], ["A", scene.client]]}, {"rr": [["MX", "10 mx.test"]]},
            {"rr": [], "rcode": 5}])
    return scene.case()


def match(rng):
    scene = Scene(rng)
    top = rng.choice(TOPS)
    base = rng.choice(["alder", "a-b", "4", "alder1", "ALDER"]) + "." + top
    scene.domain = scene.parent = rng.choice(["", "sub.", "a.b.", "net."]) + base
    scene.sender = "joe@" + scene.domain
    scene.helo = rng.choice(["mail." + base, base, "mail.alder." + rng.choice(TOPS), "alder",
                             "a.alder.x.test",
                             "xalder.test", "mail.birch.test", "mail.sub." + base, "in.else.test"])
    scene.name = rng.choice(["unknown", "mail." + base, base, "x.alder.y", "q.else.test"])
    scene.dns[f"{scene.domain} MX"] = ["10 m.else.test"]
    scene.put("m.else.test", rng.choice(["203.0.113.40", scene.near[1], scene.near[0]]))
    scene.put(scene.helo.lower(),
              rng.choice([scene.client, scene.near[0], scene.near[1], "203.0.113.41"]))
    listable(scene, rng.choice([0, 0, 0.3]))
    return scene.case()


def ptr(rng):
    scene = Scene(rng, rng.random() < 0.15)
    scene.forward(0.2)
    scene.lists(0.1)
    scene.reverse(many=rng.random() < 0.2)
    if rng.random() < 0.1:
        scene.dns[f"{scene.pointer()} PTR"] = rng.choice(FAILURES)
    if rng.random() < 0.1:
        scene.dns[f"{scene.pointer()} PTR"] = {"rr": [["CNAME", "7.sub.test"],
                                                      ["PTR", rng.choice(REVERSE)]]}
    if rng.random() < 0.15:
        scene.helo, scene.sender = rng.choice(["x", "birch", "mail"]), "joe@y"
    return scene.case()


def dynhelo(rng):
    scene = Scene(rng)
    scene.helo = clean(pieces(rng) + rng.choice([".net.test", ".a.b.test", ".test", "",
                                                 ".x.y"])) or "dyn"
    if rng.random() < 0.3:
        scene.conf["enforce_dyndns_score"] = rng.choice([[0, 0], [1, 0], [-1, 0]])
    scene.forward(0.3)
    listable(scene)
    return scene.case()


def sender(rng):
    scene = Scene(rng)
    scene.sender = rng.choice(LOCALS) + rng.choice(["@", "@", "@", "@", "@x@"]) + scene.domain
    if rng.random() < 0.3:
        local = "".join(rng.choice("aeioubcdfghsyz.+-") for _ in range(rng.randint(3, 14)))
        scene.sender = local + "@" + scene.domain
    if rng.random() < 0.5:
        scene.conf["REJECTLEVEL"] = rng.choice([20, 50, 5])
    scene.forward()
    listable(scene, rng.choice([0.1, 0.3]))
    return scene.case()


def rhsbl(rng):
    scene = Scene(rng)
    if rng.random() < 0.6:
        scene.conf["rhsbl_score"] = scene.new_domain_rows()
    if rng.random() < 0.3:
        scene.sender = rng.choice(["root", "mail", f"a@b@{scene.domain}", "x@" + "a" * 63,
                                   "x@" + "a" * 64 + ".test",
                                   f"a-b@{scene.domain}", f"x@{scene.domain}.", "x@a b.test",
                                   "x@\u00e4.test",
                                   "x@" + ".".join(["abcdefghijklmnop"] * 17), "nobody",
                                   f"x@a_b.{scene.domain}",
                                   f"x@(a).{scene.domain}", "x@a\\b.test", "x@\"q\".test", "dsl@",
                                   "x@,.test"])
    scene.forward(0.6)
    scene.reverse()
    scene.domain_list(0.6)
    if rng.random() < 0.2:
        scene.conf["REJECTLEVEL"] = rng.choice([4, 20, 0])
    if rng.random() < 0.15:
        row = rng.choice(scene.conf.get("rhsbl_score") or [["multi.surbl.org"]])
        scene.dns[f"{scene.sender.split('@', 1)[-1].lower()}.{row[0]} A"] = rng.choice(["SERVFAIL",
                                                                                        "REFUSED",
                                                                                        "TIMEOUT",
                                                                                        []])
    return scene.case()


def verdict(rng):
    scene = Scene(rng, rng.random() < 0.05)
    scene.forward()
    listable(scene, rng.choice([0.1, 0.4]))
    scene.settings(rng.randint(1, 4))
    scene.conf[rng.choice(["REJECTMSG", "MAXDNSBLMSG"])] = rng.choice(MESSAGES)
    if rng.random() < 0.3:
        scene.dns, scene.helo, scene.sender = {}, "x", "joe@y"
    return scene.case()


def scores(rng):
    scene = Scene(rng, rng.random() < 0.1)
    scene.conf = {name: [round(rng.uniform(-0.5, 3), rng.choice([1, 2, 3, 5])),
                         round(rng.uniform(-3, 0.5), rng.choice([1, 2, 3, 5]))] for name in SCORES}
    scene.conf.update({"REJECTLEVEL": rng.choice([60, 60, 5]), "MAXDNSBLSCORE": 60,
                       "MAXDNSBLHITS": 9})
    if rng.random() < 0.3:
        scene.conf["dnsbl_score"] = scene.new_rows()
    scene.sender = rng.choice(["joe", "nobody", "xkcdqrt", "aeiou"]) + "@" + scene.domain
    scene.forward()
    listable(scene, 0.3)
    return scene.case()


def ipv6(rng):
    scene = Scene(rng, True)
    scene.forward()
    listable(scene)
    client = rng.choice([scene.client, scene.client, scene.client.upper(), "::1", "fe80::1",
                         "::ffff:198.51.100.7",
                         "::", ipaddress.ip_address(scene.client).exploded,
                         "dead:beef:cafe:abcd:fade:face:feed:fabe",
                         "2001:db8::1%eth0", "2001:db8::g", "::198.51.100.7"])
    if rng.random() < 0.3:
        scene.helo = rng.choice([f"[ipv6:{client}]", client, f"[{client}]",
                                 "h-2001-db8--1.dsl.oak.test"])
    if rng.random() < 0.2:
        scene.sender = rng.choice([f"joe@{client}", f"joe@[ipv6:{client}]"])
    return scene.case(scene.request(client_address=client))


def cache(rng):
    scene = Scene(rng, rng.random() < 0.1)
    scene.forward(0.7)
    scene.lists(rng.choice([0, 0, 0.3]))
    scene.reverse()
    conf = scene.conf
    conf["CACHESIZE"] = rng.choice([0, 1, 2, 2000, 2000])
    conf["POSCACHESIZE"] = rng.choice([0, 1, 2, 1000, 1000])
    if rng.random() < 0.4:
        conf["CACHEMAXSIZE"] = rng.choice([1, 2, 3])
        conf["POSCACHEMAXSIZE"] = rng.choice([1, 2, 3])
    for name, values in (("NTTL", [0, 1, 2, 3]), ("NTIME", [0, 5, 30, 60]), ("PTTL", [0, 1, 2, 60]),
                         ("PTIME", DURATIONS), ("TEMP_PTIME", DURATIONS)):
        if rng.random() < 0.4:
            conf[name] = rng.choice(values)
    for name in ("CACHEREJECTMSG", "POSCACHEMSG", "REJECTMSG", "MAXDNSBLMSG"):
        if rng.random() < 0.1:
            conf[name] = rng.choice(MESSAGES)
    scene.settings(rng.choice([0, 0, 0, 1]))
    at, requests = 0, []
    for i in range(rng.randint(3, 12)):
        domain = rng.choice([scene.domain] * 4 + [scene.other, "x.test"])
        local = rng.choice(["joe", "joe", "joe", "ann", "joe+x"])
        request = scene.request(instance=f"c{i}",
                                sender=rng.choice([f"{local}@{domain}"] * 9 + ["root"]),
                                client_address=rng.choice([scene.client] * 5 + ["203.0.113.9"]),
                                t=at)
        if i and rng.random() < 0.1:
            request["fresh"] = True
        if rng.random() < 0.1:
            scene.lists(0.3)
            request["dns"] = dict(scene.dns)
        requests.append(request)
        at += rng.choice([0, 1, 4, 5, 6, 29, 30, 31, 59, 60, 61, 600, 3600, 10799, 10800, 10801,
                          86400, 86401, 260000])
    return scene.case(*requests)


def mix(rng):
    scene = Scene(rng, rng.random() < 0.15)
    scene.sender = rng.choice(LOCALS[:14]) + "@" + scene.domain
    scene.settings(rng.choice([0, 0, 0, 1, 2]))
    scene.forward()
    scene.lists(rng.choice([0, 0.2, 0.5]))
    scene.reverse(many=rng.random() < 0.1)
    scene.domain_list()
    if rng.random() < 0.1:
        scene.fail(1, FAILURES[:4])
    if rng.random() < 0.05:
        return scene.case(scene.request(), scene.request(recipient="b@home.test"))
    return scene.case()


GROUPS = {"early": early, "multi": multi, "dnsbl": dnsbl, "listonly": listonly,
          "from": sender_domain,
          "dnserr": dnserr, "helo": helo, "match": match, "ptr": ptr, "dynhelo": dynhelo,
          "sender": sender,
          "rhsbl": rhsbl, "verdict": verdict, "scores": scores, "ipv6": ipv6, "cache": cache,
          "random": mix}


def cases(seed, count, groups):
    """count cases of each group"""
    for group in groups or GROUPS:
        for number in range(count):
            name = f"{group}-{seed}-{number:04}"
            case = GROUPS[group](random.Random(name))
            yield {"id": name, "group": group, **case}
