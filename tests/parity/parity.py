#!/usr/bin/env python3
"""Does an imported configuration decide as policyd-weight did?

    parity.py --weighctl PATH [--differences FILE] [--cases DIRECTORY | CASES.jsonl]

Each NAME.conf is imported (weighctl import policyd-weight), its cases are replayed (weighctl
replay), and score (two decimals), verdict, points and reply are compared with what the cases
expect.  differences.json lists the cases that may differ, each with its reason; a case that
differs and is not listed there, one that is listed and does not differ, or more than MAX_SHARE
of all requests in it: exit 1.  With a CASES.jsonl in the form of the recordings (convert.py) the
differences are only counted and shown.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

import convert

HERE = pathlib.Path(__file__).resolve().parent
MAX_SHARE = 0.03


def run(command, **options):
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    if done.returncode not in (0, 1):
        sys.exit(f"{' '.join(map(str, command))}: status {done.returncode}\n{done.stderr}")
    return done.stdout


def replayed(weighctl, conf, cases, directory):
    """The result of each case, by id."""
    config = pathlib.Path(directory) / "weighd.conf"
    config.write_text(run([weighctl, "import", "policyd-weight", str(conf)]), encoding="utf-8")
    command = [weighctl, "replay", "--config", str(config)]
    if cases.name.endswith(".fresh.jsonl"):
        command.append("--fresh")
    lines = run(command + [str(cases)]).splitlines()
    return {result["id"]: result for result in map(json.loads, lines)}


def same_number(a, b):
    return (a is None) == (b is None) and (a is None or abs(a - b) < 0.005 + 1e-9)


def same_points(want, have):
    return len(want) == len(have) and all(
        w[0] == h[0] and same_number(w[1], h[1]) for w, h in zip(want, have))


def differing(want, have):
    """Which members differ, with both values."""
    found = []
    if "verdict" not in want:
        return found  # the original died: any sane answer
    if not same_number(want["score"], have["score"]):
        found.append(("score", want["score"], have["score"]))
    for member in ("verdict", "reply"):
        if want[member] != have[member]:
            found.append((member, want[member], have[member]))
    if "points" in want and not same_points(want["points"], have["points"]):
        found.append(("points", want["points"], have["points"]))
    return found


def compare(weighctl, directory):
    """(number of requests, differences by id)"""
    requests, differences = 0, {}
    with tempfile.TemporaryDirectory() as scratch:
        for cases in sorted(directory.glob("*.jsonl")):
            stem = cases.name.removesuffix(".jsonl").removesuffix(".fresh")
            results = replayed(weighctl, directory / f"{stem}.conf", cases, scratch)
            for line in cases.read_text(encoding="utf-8").splitlines():
                want = json.loads(line)
                requests += 1
                if want["id"] not in results:
                    differences[want["id"]] = [("result", "one", "none")]
                    continue
                found = differing(want, results[want["id"]])
                if found:
                    differences[want["id"]] = found
    return requests, differences


def judge(requests, differences, allowed):
    """Say what is wrong; True when nothing is."""
    reasons = {case: entry["reason"] for entry in allowed for case in entry["cases"]}
    good = True
    for case, found in differences.items():
        if case in reasons:
            continue
        good = False
        for member, want, have in found:
            print(f"{case}: {member}: want {json.dumps(want)}, have {json.dumps(have)}")
    for case in reasons:
        if case not in differences:
            good = False
            print(f"{case}: is in the table of differences, and does not differ")
    if len(differences) > requests * MAX_SHARE:
        good = False
        print(f"more than {MAX_SHARE:.0%} of the requests differ")
    print(f"{requests} requests, {requests - len(differences)} equal, {len(differences)} different")
    return good


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weighctl", required=True)
    parser.add_argument("--differences", default=HERE / "differences.json", type=pathlib.Path)
    parser.add_argument("cases", nargs="?", type=pathlib.Path,
                        default=HERE.parent / "case" / "classic")
    options = parser.parse_args()
    weighctl = str(pathlib.Path(options.weighctl).resolve())
    if options.cases.is_dir():
        allowed = json.loads(options.differences.read_text(encoding="utf-8"))
        sys.exit(not judge(*compare(weighctl, options.cases), allowed))
    with tempfile.TemporaryDirectory() as scratch:
        directory = pathlib.Path(scratch)
        for name, conf, lines in convert.grouped(convert.read_cases(options.cases)):
            convert.write(name, conf, lines, directory)
        sys.exit(not judge(*compare(weighctl, directory), []))


if __name__ == "__main__":
    main()
