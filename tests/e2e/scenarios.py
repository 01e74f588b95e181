"""Scenarios: named steps through one world of servers, each a case of the test's count."""

import os
import signal
import sys
import traceback

import servers


def note(text):
    for line in text.splitlines():
        print(f'# {line}')


def run_one(number, test, scenarios, world):
    name, scenario = test
    try:
        scenario(scenarios)
        print(f'ok {number} - {name}', flush=True)
        return True
    except Exception:
        print(f'not ok {number} - {name}')
        note(traceback.format_exc())
        note(world.logs())
        sys.stdout.flush()
        return False


def run_all(world, tests, make):
    scenarios = make(world)
    try:
        return all([run_one(number, test, scenarios, world)
                    for number, test in enumerate(tests, 1)])
    finally:
        if hasattr(scenarios, 'close'):
            scenarios.close()


def main(tests, make):
    """Run (name, function of what make(world) gives) in order; the exit status.

    What make gives is closed at the end, if it can be.

    Where a server is missing all are skipped, and say so; WEIGHD_E2E=required forbids that.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    world = servers.World()
    try:
        print(f'1..{len(tests)}')
        return 0 if run_all(world, tests, make) else 1
    except servers.Missing as missing:
        if os.environ.get('WEIGHD_E2E') == 'required':
            note(f'must not be skipped: {missing}')
            return 1
        for number, (name, _) in enumerate(tests, 1):
            print(f'ok {number} - {name} # SKIP {missing}')
        return 0
    finally:
        world.end()
