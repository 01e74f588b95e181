#!/usr/bin/env python3
"""The manual of the checks, doc/checks.md, made from the comments that their files begin with.

    manual.py          print it
    manual.py --write  put it into doc/checks.md
"""
import re
import sys

import tree

MANUAL = tree.ROOT / "doc" / "checks.md"
HEAD = """# Checks

A check looks at one mail attempt and says what it found, by name. How heavy a finding is, the policy
says: `weigh CHECK { finding points, ... }`. What a check could not settle because an answer is missing
is *unknown*: it gives no points, and a rule does not act on it.

This page is made from the comments in `src/checks/` (`tests/meta/manual.py --write`).
"""
ITEM = re.compile(r"(\w+) {2,}(\S.*)")


def check_names():
    return re.findall(r"^CHECK\((\w+)\)", tree.read(tree.SRC / "checks" / "checks.def"), re.M)


def check_file(check):
    return tree.SRC / "checks" / f"{check}.c"


def items(check):
    """finding -> what it means, of the check's top comment"""
    return dict(match.groups() for line in tree.top_comment(check_file(check))
                if (match := ITEM.fullmatch(line)))


def section(check):
    lines = tree.top_comment(check_file(check))
    title = re.sub(r"^ ?\w+\.c -- ", "", lines[0])
    out, in_table = ["", f"## {check}: {title}"], False
    for line in lines[1:]:
        item = ITEM.fullmatch(line)
        if item and not in_table:
            out += ["", "| finding | what it means |", "|---|---|"]
        if item:
            out.append(f"| `{item.group(1)}` | {item.group(2)} |")
        elif line.startswith("\t"):
            out.append("    " + line.strip("\t"))
        else:
            out.append(line)
        in_table = item is not None
    text = "\n".join(out).rstrip()
    return re.sub(r"\n{3,}", "\n\n", text) + "\n"


def manual():
    return HEAD + "".join(section(check) for check in check_names() if check_file(check).is_file())


if __name__ == "__main__":
    if sys.argv[1:] == ["--write"]:
        MANUAL.write_text(manual(), encoding="utf-8")
    else:
        print(manual(), end="")
