#!/usr/bin/env python3
"""Functions and files stay small.  sizes.known lists the exceptions; it may only get shorter.

A line of it is "KIND WHERE SIZE", e.g. "lines src/base/text.c:text_addf 72".
"""
import tree

MOST = {"file": 600, "lines": 60, "parameters": 5, "nesting": 3}
KNOWN = tree.TESTS / "meta" / "sizes.known"


def measured():
    for path in tree.files(tree.SRC, ".c", ".h"):
        yield "file", tree.name(path), len(tree.read(path).splitlines())
        if path.suffix == ".h":
            continue
        for function in tree.functions(path):
            where = f"{tree.name(path)}:{function.name}"
            yield "lines", where, len(function.body) + 2
            yield "parameters", where, function.parameters
            yield "nesting", where, function.nesting()


def main():
    known = {}
    for line in tree.read(KNOWN).splitlines():
        if line and not line.startswith("#"):
            kind, where, size = line.split()
            known[kind, where] = int(size)
    faults = []
    for kind, where, size in measured():
        most = known.pop((kind, where), None)
        if most is not None and size <= MOST[kind]:
            faults.append(f"{where}: {kind} is {size} now; take it off sizes.known")
        elif size > (most or MOST[kind]):
            faults.append(f"{where}: {kind} {size}, at most {most or MOST[kind]}")
    faults += [f"{where}: is gone; take it off sizes.known" for _, where in known]
    tree.report("sizes", faults)


main()
