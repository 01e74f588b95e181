#!/usr/bin/env python3
"""What source text must look like: a first line that says what the file is, no functions that
cannot be used safely, no test that nobody runs."""
import re

import tree

BANNED = ("strcpy strncpy strcat strncat sprintf vsprintf gets strtok alloca system popen execl "
          "execlp execv execvp getaddrinfo gethostbyname inet_addr atoi atol atof asctime ctime "
          "gmtime localtime rand srand tmpnam mktemp setjmp longjmp").split()
# Where one of them is used all the same, and why: the administrator's own names, at the start.
ALLOWED = {("src/store/redis_open.c", "getaddrinfo"), ("src/ctl/store_redis.c", "getaddrinfo")}
CALL = re.compile(r"(?<![\w.>])(" + "|".join(BANNED) + r")\s*\(")


def faults_of(path):
    text = tree.read(path)
    if not text.startswith(f"/* {path.name} -- "):
        yield f"{tree.name(path)}:1: does not begin with '/* {path.name} -- what it is'"
    if path.suffix == ".h" and "#pragma once" not in text:
        yield f"{tree.name(path)}: no #pragma once"
    for number, line in enumerate(tree.code(text).split("\n"), 1):
        for match in CALL.finditer(line):
            if (tree.name(path), match.group(1)) in ALLOWED:
                continue
            yield f"{tree.name(path)}:{number}: {match.group(1)}() is not used here"
    for number, line in enumerate(text.split("\n"), 1):
        width = len(line.expandtabs(8))
        if width > 100:
            yield f"{tree.name(path)}:{number}: {width} columns, at most 100"
        if line != line.rstrip():
            yield f"{tree.name(path)}:{number}: blanks at the end"


def faults_of_test(path):
    """A test is named in the meson.build of its folder, and that folder in the one above."""
    build = path.parent / "meson.build"
    word = re.sub(r"_test$", "", path.stem)
    if not build.is_file():
        yield f"{tree.name(path)}: no meson.build beside it"
    elif not re.search(rf"\b{re.escape(word)}\b", tree.read(build)):
        yield f"{tree.name(path)}: {tree.name(build)} does not name it"


def faults_of_folder(build):
    """tests/meson.build names every folder, or the one above does."""
    if build.parent == tree.TESTS:
        return
    folder = build.parent.relative_to(tree.TESTS)
    above = {f for f in (tree.TESTS / "meson.build", build.parent.parent / "meson.build")
             if f.is_file()}
    named = rf"'({re.escape(folder.as_posix())}|{re.escape(folder.name)})'"
    if not any(re.search(named, tree.read(build_above)) for build_above in above):
        yield f"{tree.name(build)}: no meson.build above names this folder"


tree.report("text", [fault for path in tree.files(tree.SRC, ".c", ".h", ".def")
                     for fault in faults_of(path)] +
            [fault for path in tree.files(tree.TESTS, ".c", ".py", ".sh")
             if path.stem.endswith("_test") for fault in faults_of_test(path)] +
            [fault for path in tree.TESTS.rglob("meson.build") for fault in faults_of_folder(path)])
