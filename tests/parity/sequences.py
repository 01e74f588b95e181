"""Sequences of requests under a virtual clock, decided by `weighctl replay --fresh`.

A test of parity with another daemon is a function that is named by a row of the document which
lists what that daemon does:

    import sequences
    from sequences import DAY, HOUR, MINUTE, imported, Sequence

    TESTS = {}

    @sequences.row(TESTS, 'wait')
    def _():
        seq = Sequence(imported('postgrey', text='POSTGREY_OPTS="--inet=10023"'),
                       client_address='192.0.2.1', sender='a@example.org',
                       recipient='b@example.net')
        seq.ask(0, 'greylist')                        # at second 0: that verdict is expected
        seq.ask(299, 'greylist')
        seq.ask(300, re.compile('^PREPEND X-Grey'))   # a reply that has it
        seq.ask(301, ('pass', 'DUNNO'))               # verdict and whole reply
        seq.ask(2 * DAY, sender='c@example.org')      # whatever it says
        decisions = seq.check()                       # decide all; complain of all that differ

    if __name__ == '__main__':
        sequences.main(TESTS, 'doc/postgrey.md')

The output is TAP, a case for each row and a last one: the document and the tests name the same
rows.  A row of the document is a table's row whose first cell is its name in backquotes, and whose
last cell begins with "same" or with "differs": then a reason must follow, and a test may, but need
not be there.  Names are lower-case letters, digits and '-'.

The program is WEIGHCTL in the environment, or build/weighctl.  Times are seconds, whole or not,
since START; a sequence is decided in the order of its ask()s.
"""

import dataclasses
import datetime
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import traceback

MINUTE, HOUR, DAY = 60, 3600, 24 * 3600
START = datetime.datetime(2026, 11, 20, 10, 0, 0, tzinfo=datetime.timezone.utc)
ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
ROW = re.compile(r'^\| *`([a-z0-9-]+)` *\|(.*)\| *$')
DECIDE_S = 300


def weighctl():
    return os.environ.get('WEIGHCTL') or str(ROOT / 'build' / 'weighctl')


def run(*arguments, text=None, status=(0,)):
    """weighctl with arguments, text at its standard input: (standard output, standard error)."""
    done = subprocess.run([weighctl(), *map(str, arguments)], input=text, capture_output=True,
                          encoding='utf-8', errors='surrogateescape', check=False,
                          timeout=DECIDE_S)
    if done.returncode not in status:
        raise AssertionError(f'weighctl {" ".join(map(str, arguments))}: status '
                             f'{done.returncode}\n{done.stderr}')
    return done.stdout, done.stderr


def imported(system, *arguments, text=None, replace=()):
    """The weighd.conf that `weighctl import SYSTEM` makes of text, or of the files and options
    in arguments; replace: pairs (pattern, text) for what a test cannot have."""
    words = [*arguments] if text is None else ['-', *arguments]
    config = run('import', system, *words, text=text)[0]
    for pattern, by in replace:
        config, count = re.subn(pattern, by, config, flags=re.M)
        if count == 0:
            raise AssertionError(f'nothing like {pattern!r} in\n{config}')
    return config


def when(at):
    """Second at as the member "at" of a case."""
    time = START + datetime.timedelta(milliseconds=round(at * 1000))
    return time.isoformat(timespec='milliseconds').replace('+00:00', 'Z')


def value(attribute):
    """An attribute for JSON; bytes that are no UTF-8 one character each (doc/cases.md)."""
    if isinstance(attribute, bytes):
        try:
            return attribute.decode()
        except UnicodeDecodeError:
            return {'latin1': attribute.decode('latin-1')}
    return str(attribute)


@dataclasses.dataclass
class Asked:
    """One ask()."""

    at: float
    expected: object
    conversation: str
    attributes: dict
    facts: dict


@dataclasses.dataclass
class Decision:
    """What became of one ask()."""

    at: float
    attributes: dict
    verdict: str
    reply: str
    result: dict  # the whole line of replay

    def __str__(self):
        asked = ' '.join(f'{name}={text}' for name, text in self.attributes.items())
        return f'at {self.at:g}: {self.verdict}: {self.reply!r} ({asked})'


def differs(expected, decision):
    """What is wrong with it, in words; or nothing."""
    for want in expected if isinstance(expected, tuple) else (expected,):
        if want is None:
            continue
        if isinstance(want, re.Pattern):
            if not want.search(decision.reply):
                return f'want a reply like {want.pattern!r}'
        elif want not in (decision.verdict, decision.reply):
            return f'want {want!r}'
    return None


class Sequence:
    """Requests in their order, and what each should get."""

    def __init__(self, config, policy=None, facts=None, is_fresh=True, **attributes):
        """attributes: of every request, unless its ask() says other ones (None: without it).
        facts: what the world answers (doc/cases.md); whatever is not there: surely nothing.
        is_fresh: requests remember; else what is remembered are facts, too."""
        self.config = config
        self.policy = policy
        self.facts = facts or {}
        self.is_fresh = is_fresh
        self.common = {'request': 'smtpd_access_policy', 'protocol_state': 'RCPT',
                       'protocol_name': 'ESMTP', **attributes}
        self.asked = []

    def ask(self, at, expected=None, conversation=None, facts=None, **attributes):
        """One more request, at second at.

        expected: a verdict, a whole reply, a pattern that the reply has, or a tuple of these.
        facts: of this request, besides those of all.
        """
        merged = {name: text for name, text in {**self.common, **attributes}.items()
                  if text is not None}
        self.asked.append(Asked(at, expected, conversation, merged, facts or {}))

    def cases(self):
        """The sequence as lines for replay."""
        for number, asked in enumerate(self.asked):
            case = {'id': str(number), 'at': when(asked.at),
                    'attempt': {name: value(text) for name, text in asked.attributes.items()},
                    'facts': {**self.facts, **asked.facts}, 'rest': 'none'}
            if asked.conversation is not None:
                case['conversation'] = asked.conversation
            yield json.dumps(case)

    def decide(self):
        """All decisions, in order."""
        with tempfile.TemporaryDirectory() as folder:
            config = pathlib.Path(folder) / 'weighd.conf'
            config.write_text(self.config, encoding='utf-8', errors='surrogateescape')
            command = ['replay', *(['--fresh'] if self.is_fresh else []), '--config', config]
            if self.policy is not None:
                command += ['--policy', self.policy]
            output, errors = run(*command, text=''.join(f'{line}\n' for line in self.cases()))
        results = [json.loads(line) for line in output.splitlines()]
        if len(results) != len(self.asked):
            raise AssertionError(f'{len(self.asked)} requests, {len(results)} results\n{errors}')
        return [Decision(asked.at, asked.attributes, result['verdict'], result['reply'], result)
                for asked, result in zip(self.asked, results)]

    def check(self):
        """All decisions; AssertionError names each that is not what was expected."""
        decisions = self.decide()
        wrong = [f'{number}: {complaint}: {decision}'
                 for number, (asked, decision) in enumerate(zip(self.asked, decisions))
                 if (complaint := differs(asked.expected, decision))]
        if wrong:
            raise AssertionError('\n'.join(wrong))
        return decisions


# --- rows of a document, and their tests ---

def row(tests, name):
    """The function that follows is the test of the row called name."""
    def keep(function):
        if name in tests:
            raise AssertionError(f'two tests of row {name}')
        tests[name] = function
        return function
    return keep


def rows(document):
    """Rows of a document: name -> text of the last cell."""
    found = {}
    for line in (ROOT / document).read_text(encoding='utf-8').splitlines():
        match = ROW.match(line)
        if match is None:
            continue
        name, cells = match.groups()
        if name in found:
            raise AssertionError(f'{document}: two rows are called {name}')
        found[name] = re.split(r'(?<!\\)\|', cells)[-1].strip()
    return found


def check_rows(tests, document):
    wrong = []
    found = rows(document)
    for name, last in found.items():
        if re.match(r'differs\W+\w', last):
            continue
        if not last.startswith('same'):
            wrong.append(f'row {name} says neither "same" nor "differs: why"')
        elif name not in tests:
            wrong.append(f'row {name} has no test')
    wrong += [f'test {name} has no row' for name in tests if name not in found]
    if not found:
        wrong.append('no rows')
    if wrong:
        raise AssertionError('\n'.join(f'{document}: {line}' for line in wrong))


def run_one(number, name, function):
    try:
        function()
        print(f'ok {number} - {name}', flush=True)
        return True
    except Exception as problem:  # whatever a test raises is its result
        print(f'not ok {number} - {name}')
        text = str(problem) if isinstance(problem, AssertionError) else traceback.format_exc()
        for line in (text or traceback.format_exc()).splitlines():
            print(f'# {line}')
        sys.stdout.flush()
        return False


def main(tests, document):
    """Run all, or those that are named in the arguments; does not return."""
    chosen = {name: tests[name] for name in sys.argv[1:]} or tests
    jobs = [*chosen.items(),
            (f'{document} and the tests', lambda: check_rows(tests, document))]
    print(f'1..{len(jobs)}')
    sys.exit(not all([run_one(number, name, function)
                      for number, (name, function) in enumerate(jobs, 1)]))
