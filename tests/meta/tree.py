"""tree.py -- reads the project's source text for the tests of this folder."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
SRC = ROOT / "src"
TESTS = ROOT / "tests"
PURE_ROOMS = ("base", "mail", "weigh", "checks", "policy")


def files(folder, *suffixes):
    """All files below folder with one of these suffixes, sorted."""
    return sorted(f for f in folder.rglob("*") if f.suffix in suffixes and f.is_file())


def read(path):
    return path.read_text(encoding="utf-8")


def name(path):
    """The path as it is said to a reader: from the project's root."""
    return path.relative_to(ROOT).as_posix()


TOKEN = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def code(text):
    """C text without comments and without what stands in strings; lines stay where they are."""
    def blank(match):
        token = match.group()
        if token[0] in "\"'":
            return token[0] * 2
        return " " + "\n" * token.count("\n")
    return TOKEN.sub(blank, text)


def top_comment(path):
    """The lines of the comment that a file begins with, without its stars."""
    match = re.match(r"/\*(.*?)\*/", read(path), re.S)
    if match is None:
        return []
    return [re.sub(r"^ \* ?", "", line).rstrip() for line in match.group(1).split("\n")]


class Function:
    """A function of a .c file: braces stand in the first column, as clang-format leaves them."""

    def __init__(self, path, line, signature, body):
        self.path = path
        self.line = line
        self.body = body
        self.name = re.findall(r"(\w+)\s*\(", signature)[0]
        inside = signature[signature.index("(", signature.index(self.name)) + 1:]
        depth, commas = 0, 0
        for char in inside:
            depth += (char == "(") - (char == ")")
            commas += char == "," and depth == 0
            if depth < 0:
                break
        self.parameters = commas + 1

    def nesting(self):
        """How many blocks stand inside each other."""
        return max([len(line) - len(line.lstrip("\t"))
                    for line in self.body if line.rstrip().endswith("{")], default=0)


def functions(path):
    lines = code(read(path)).split("\n")
    for i, line in enumerate(lines):
        if line != "{":
            continue
        first = i
        while first > 0 and lines[first - 1].strip() and not lines[first - 1].startswith(("}", "#")):
            first -= 1
        end = i + 1
        while lines[end] != "}":
            end += 1
        signature = " ".join(lines[first:i])
        if "(" in signature:
            yield Function(path, first + 1, signature, lines[i + 1:end])


def report(what, faults):
    """Say what is wrong and end the test."""
    for fault in faults:
        print(fault)
    print(f"{what}: {len(faults)} wrong" if faults else f"{what}: all well")
    sys.exit(1 if faults else 0)
