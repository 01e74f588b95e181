#!/usr/bin/env python3
"""Every check is explained and tried: each finding stands in the file's top comment, in
doc/checks.md, and in a case; every kind of fact is documented."""
import json
import re

import manual
import tree


def findings(check):
    """The names in the check's own struct; a check of zones finds what the zone means."""
    text = tree.read(manual.check_file(check))
    struct = re.search(r"const struct check check_\w+ = \{(.*?)\n\};", text, re.S).group(1)
    if re.search(r"\.takes_zone = true", struct):
        return ["MEANING", "clear"]
    named = re.search(r"\.finding = \{(.*?)\}", struct, re.S)
    return re.findall(r'\[\w+\] = "(\w+)"', named.group(1)) if named else []


def cases(check):
    for path in tree.files(tree.TESTS / "case" / check, ".jsonl"):
        for line in tree.read(path).splitlines():
            yield json.loads(line)


def tried(check):
    """What the cases of the check say that it finds."""
    found = {finding for case in cases(check) if isinstance(case, dict)
             for names in case.get("findings", {}).values() for finding in names}
    if found - {"clear"}:
        found.add("MEANING")
    return found


def faults_of(check):
    path = manual.check_file(check)
    if not path.is_file():
        yield f"checks.def: {tree.name(path)} is not there"
        return
    explained, found = manual.items(check), tried(check)
    for finding in findings(check):
        if finding not in explained:
            yield f"{tree.name(path)}: '{finding}' is not in the top comment"
        if finding not in found:
            yield f"tests/case/{check}: no case finds '{finding}'"
    if not list(cases(check)):
        yield f"tests/case/{check}: no case at all"


def faults_of_facts():
    path = tree.ROOT / "doc" / "cases.md"
    documented = tree.read(path) if path.is_file() else ""
    for kind in re.findall(r'^FACT\(\w+, "([\w.]+)"',
                           tree.read(tree.SRC / "weigh" / "facts.def"), re.M):
        if f"`{kind}" not in documented and f" {kind}" not in documented:
            yield f"doc/cases.md: the fact '{kind}' is not there"


def faults_of_manual():
    path = manual.MANUAL
    if not path.is_file() or tree.read(path) != manual.manual():
        yield "doc/checks.md: not what the comments say: tests/meta/manual.py --write"


tree.report("checks", [fault for check in manual.check_names() for fault in faults_of(check)] +
            list(faults_of_facts()) + list(faults_of_manual()))
