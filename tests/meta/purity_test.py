#!/usr/bin/env python3
"""The pure rooms do no I/O, read no clock and keep nothing writable: read from object files.

    purity_test.py CC [FOLDER OF GENERATED HEADERS]

Each file is compiled for this alone, without what a compiler adds for safety, and nm says what
it needs from outside its rooms and what it keeps.
"""
import pathlib
import re
import subprocess
import sys
import tempfile

import tree

BYTES = "memchr memcmp memcpy memmem memmove memrchr memset strlen strcmp strncmp qsort"
MAY_NEED = {
    # memory, regex, texts of numbers, and the last words of ENSURE
    "base": BYTES + " malloc calloc realloc free abort fprintf stderr snprintf vsnprintf"
            " newlocale uselocale freelocale strtod strtod_l __errno_location fmod pcre2_*",
    # pure as well: addresses to text and back
    "mail": BYTES + " inet_ntop inet_pton idn2_* psl_registrable_domain psl_builtin",
    # a case is JSON, what is written of it a malloced text
    "weigh": BYTES + " malloc free json_*",
    "checks": BYTES + " log10 floor fabs pow nearbyint",
    # a configuration is held by its readers, outside of any arena
    "policy": BYTES + " calloc free snprintf vsnprintf strchr fmin fmax __popcountdi2",
}
FLAGS = ["-std=c17", "-D_GNU_SOURCE", "-O1", "-fno-stack-protector", "-fno-pic", "-fno-pie",
         "-U_FORTIFY_SOURCE", "-w", f"-I{tree.SRC}", "-c"]


def symbols(compile_command, path, folder):
    """(needed, kept, given): undefined symbols, those in writable memory, those for others."""
    objekt = pathlib.Path(folder) / (tree.name(path).replace("/", "_") + ".o")
    subprocess.run([*compile_command, str(path), "-o", str(objekt)], check=True)
    needed, kept, given = set(), set(), set()
    for line in subprocess.run(["nm", str(objekt)], check=True, capture_output=True,
                               text=True).stdout.splitlines():
        kind, symbol = line.split()[-2:]
        if kind in "Uw":
            needed.add(symbol)
        elif kind in "bBdDC":
            kept.add(symbol)
        if kind.isupper() and kind != "U":
            given.add(symbol)
    return needed, kept, given


def is_allowed(symbol, patterns):
    return any(re.fullmatch(pattern.replace("*", ".*"), symbol) for pattern in patterns.split())


def main(cc="cc", generated=tree.SRC):
    faults, needs, given = [], [], set()
    with tempfile.TemporaryDirectory() as folder:
        for room in tree.PURE_ROOMS:
            for path in tree.files(tree.SRC / room, ".c"):
                needed, kept, gives = symbols([cc, *FLAGS, f"-I{generated}"], path,
                                              folder)
                given |= gives
                needs.append((room, path, needed))
                faults += [f"{tree.name(path)}: keeps {symbol} in writable memory"
                           for symbol in sorted(kept)]
    for room, path, needed in needs:
        faults += [f"{tree.name(path)}: {room} may not need {symbol}"
                   for symbol in sorted(needed - given)
                   if not is_allowed(symbol, MAY_NEED[room])]
    tree.report("purity", faults)


main(*sys.argv[1:])
