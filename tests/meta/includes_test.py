#!/usr/bin/env python3
"""Who may include whom: the rule of ARCHITECTURE.md, read from the #include lines."""
import re

import tree

MAY_INCLUDE = {
    "base": "",
    "mail": "base",
    "weigh": "base mail",
    "policy": "base mail weigh store",  # how the store is to be opened
    "checks": "base mail weigh",
    "store": "base weigh",  # what it keeps are facts and what follows from verdicts
    "sources": "base mail weigh store",
    "effects": "base mail weigh store",
    "serve": "base mail weigh",
    "daemon": "*",
    "ctl": "*",
    "milter": "base mail serve",
}

GENERATED = {"embedded_files.h"}


def faults_of(path):
    room = path.relative_to(tree.SRC).parts[0]
    if room not in MAY_INCLUDE:
        yield f"{tree.name(path)}: the room {room} is not in the rule"
        return
    allowed = MAY_INCLUDE[room].split() + [room]
    for number, line in enumerate(tree.read(path).split("\n"), 1):
        match = re.match(r'\s*#\s*include\s+"([^"]+)"', line)
        if match is None or match.group(1) in GENERATED:
            continue
        included = tree.SRC / match.group(1)
        if not included.is_file():
            yield f"{tree.name(path)}:{number}: {match.group(1)} is not named from src/"
        elif "*" not in allowed and included.relative_to(tree.SRC).parts[0] not in allowed:
            yield f"{tree.name(path)}:{number}: {room} may not include {match.group(1)}"
        elif match.group(1).endswith("_priv.h") and included.parent != path.parent:
            yield f"{tree.name(path)}:{number}: {match.group(1)} is for its own room"


tree.report("includes", [fault for path in tree.files(tree.SRC, ".c", ".h", ".def")
                         for fault in faults_of(path)])
