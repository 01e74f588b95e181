#!/usr/bin/env python3
"""Turn recorded decisions of policyd-weight into configurations and case lines.

    convert.py CASES.jsonl DIRECTORY

CASES.jsonl: one case a line, with conf, dns, reqs and want (doc/policyd-weight.md, "Cases").
Into DIRECTORY go, for each configuration, NAME.conf (Perl, as policyd-weight reads it) and
NAME.jsonl (case lines, as weighctl replay reads them).  Cases of one request that keep nothing
share a file; a sequence has one of its own, NAME.fresh.jsonl, to be run with replay --fresh.
"""

import datetime
import ipaddress
import json
import pathlib
import re
import sys

# The settings under which the cases were recorded, where they differ from the defaults.
BASE = {
    "CACHESIZE": 0,
    "POSCACHESIZE": 0,
    "DNS_RETRIES": 1,
    "DNS_RETRY_IVAL": 1,
    "REJECTMSG": "550 weighted policy: score too high",
    "MAXDNSBLMSG": "550 listed on too many block lists",
    "DNSERRMSG": "450 no name service data for this client.",
    "MAXDNSERRMSG": "accepted, name service trouble",
    "CACHEREJECTMSG": "550 weighted policy: cached refusal",
    "POSCACHEMSG": "known good",
}

DNSBL = [
    ["pbl.spamhaus.org", 3.25, 0, "DYN_PBL_SPAMHAUS"],
    ["sbl-xbl.spamhaus.org", 4.35, -1.5, "SBL_XBL_SPAMHAUS"],
    ["bl.spamcop.net", 3.75, -1.5, "SPAMCOP"],
    ["ix.dnsbl.manitu.net", 4.35, 0, "IX_MANITU"],
]
RHSBL = [["multi.surbl.org", 4, 0, "SURBL"]]

CAUSES = {
    "SERVFAIL": "servfail",
    "FORMERR": "servfail",
    "NOTIMP": "servfail",
    "REFUSED": "refused",
    "TIMEOUT": "timeout",
    "HEADER": "malformed",
}
OTHERS = {
    "OK": "permit", "HOLD": "hold", "DISCARD": "discard", "FILTER": "filter",
    "REDIRECT": "redirect",
}
KINDS = ("A", "AAAA", "MX", "TXT", "PTR", "SOA")
BEGIN = datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc)
CONTROL = ("t", "fresh", "dns")


# --- the configuration, in Perl ---


def perl_text(text):
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def perl_value(value):
    return perl_text(value) if isinstance(value, str) else repr(value)


def perl_setting(name, value):
    """Lists by '@', everything else by '$'; tables are flat, a row a line."""
    if not isinstance(value, list):
        return f"   ${name} = {perl_value(value)};"
    if not value:
        return f"   @{name} = ();"
    rows = value if isinstance(value[0], list) else [value]
    lines = ",\n".join("    " + ", ".join(perl_value(v) for v in row) for row in rows)
    return f"   @{name} = (\n{lines}\n   );"


def perl_conf(conf):
    lines = ["# settings of recorded cases, as policyd-weight reads them"]
    lines += [perl_setting(name, value) for name, value in {**BASE, **conf}.items()]
    return "\n".join(lines) + "\n1;\n"


# --- the questions that can be asked: needed where the data answers with a wildcard ---


def question_name(name):
    """The name that is asked for: what looks like an address becomes its reverse name."""
    if re.fullmatch(r"[0-9.]*[0-9]", name):
        return ".".join(reversed(name.split(".")[:4])) + ".in-addr.arpa"
    return name


def walked(name):
    labels = name.rstrip(".").split(".")
    names = [".".join(labels[i:]) for i in range(len(labels) - 1)]
    return [question_name(n) for n in names if "[" not in n and "]" not in n]


def reversed_client(request):
    try:
        client = ipaddress.ip_address(request.get("client_address", "").lower())
    except ValueError:
        return None
    return client.reverse_pointer


def questions(case_conf, request, dns):
    sender = request.get("sender", "").lower()
    domain = sender.rsplit("@", 1)[-1]
    asked = set()
    names = walked(domain) + walked(request.get("helo_name", "").lower())
    for name in names:
        asked |= {(name, "MX"), (name, "A"), (name, "AAAA")}
        for record in dns.get(f"{name} MX", dns.get("* MX", [])):
            if isinstance(record, str) and " " in record:
                host = question_name(record.split()[1].lower())
                asked |= {(host, "A"), (host, "AAAA")}
    pointer = reversed_client(request)
    if pointer:
        asked.add((pointer, "PTR"))
        reverse = re.sub(r"\.(in-addr|ip6)\.arpa$", "", pointer)
        asked |= {(f"{reverse}.{row[0]}", "A") for row in case_conf.get("dnsbl_score", DNSBL)}
    listed = sender.split("@", 1)[-1]
    asked |= {(f"{listed}.{row[0]}", "A") for row in case_conf.get("rhsbl_score", RHSBL)}
    return asked


# --- the facts ---


def fact_value(value, kind):
    if isinstance(value, str):
        return CAUSES[value]
    if isinstance(value, dict):
        if value.get("rcode", 0) not in (0, 3):
            return "servfail"
        return [data for rtype, data in value.get("rr", []) if rtype == kind]
    return value


def follow(dns, name, kind):
    """The answer to one question, CNAMEs followed; None when the data has nothing."""
    for _ in range(10):
        if f"{name} {kind}" in dns:
            return fact_value(dns[f"{name} {kind}"], kind)
        alias = dns.get(f"{name} CNAME")
        if not isinstance(alias, list) or not alias:
            break
        name = alias[0].lower()
    for wildcard in (f"* {kind}", "* *"):
        if wildcard in dns and not any(k.rsplit(" ", 1)[0] == name for k in dns):
            return fact_value(dns[wildcard], kind)
    return None


def fact_key(name, kind):
    written = "".join(
        c if " " < c < "\x7f" and c != "\\" else "".join(f"\\{b:03d}" for b in c.encode())
        for c in name.lower()
    )
    return f"dns.{kind.lower()} {written}"


def facts_of(case_conf, request, dns):
    dns = {key.rsplit(" ", 1)[0].lower() + " " + key.rsplit(" ", 1)[1]: v
           for key, v in dns.items()}
    asked = set()
    for key in dns:
        name, kind = key.rsplit(" ", 1)
        if kind == "CNAME":
            asked |= {(name, k) for k in KINDS}
        elif name != "*" and kind in KINDS:
            asked.add((name, kind))
    if any(key.startswith("* ") for key in dns):
        asked |= questions(case_conf, request, dns)
    facts = {}
    for name, kind in sorted(asked):
        value = follow(dns, name, kind)
        if value is not None:
            facts[fact_key(name, kind)] = value
    return facts


# --- the case lines ---


def expected(want):
    """What the case line expects; nothing where the original died."""
    verdict = want["verdict"]
    if verdict == "dead":
        return {}
    # weighd parts the action from what follows it
    action = re.sub(r"^(\S+);(?= )", r"\1", want["action"].strip())
    if verdict == "other":
        verdict = OTHERS.get(action.split()[0].upper(), "reply")
    members = {"score": want["score"], "verdict": verdict, "reply": action}
    if want["checks"] is not None:
        members["points"] = want["checks"]
    return members


def case_lines(case):
    conf = case.get("conf") or {}
    dns = case["dns"]
    processes = 0
    for number, (request, want) in enumerate(zip(case["reqs"], case["want"])):
        dns = request.get("dns", dns)
        attempt = {"request": "smtpd_access_policy"}
        attempt.update({k: v for k, v in request.items() if k not in CONTROL})
        processes += bool(request.get("fresh"))
        at = BEGIN + datetime.timedelta(seconds=request.get("t", 0))
        line = {
            "id": case["id"] if len(case["reqs"]) == 1 else f"{case['id']}.{number + 1}",
            "at": at.strftime("%Y-%m-%dT%H:%M:%S.000Z"),
            # a process of the original served one connection
            "conversation": f"{case['id']}.{processes}",
            "attempt": attempt,
            "facts": facts_of(conf, request, dns),
            "rest": "none",
        }
        if len(case["reqs"]) == 1:
            del line["conversation"]
        line.update(expected(want))
        yield line


def keeps_nothing(case):
    return len(case["reqs"]) == 1


def read_cases(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file if line.strip()]


def grouped(cases):
    """(name, configuration, lines): one for each file to write."""
    shared = {}
    for case in cases:
        conf = case.get("conf") or {}
        if keeps_nothing(case):
            key = json.dumps(conf, sort_keys=True)
            name, _, lines = shared.setdefault(key, (case["id"] if conf else "defaults", conf, []))
            lines.extend(case_lines(case))
        else:
            yield case["id"] + ".fresh", conf, list(case_lines(case))
    yield from shared.values()


def write(name, conf, lines, directory):
    directory.mkdir(parents=True, exist_ok=True)
    stem = name.removesuffix(".fresh")
    (directory / f"{stem}.conf").write_text(perl_conf(conf), encoding="utf-8")
    with open(directory / f"{name}.jsonl", "w", encoding="utf-8") as file:
        for line in lines:
            file.write(json.dumps(line, separators=(",", ":"), ensure_ascii=False) + "\n")


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    for name, conf, lines in grouped(read_cases(sys.argv[1])):
        write(name, conf, lines, pathlib.Path(sys.argv[2]))


if __name__ == "__main__":
    main()
