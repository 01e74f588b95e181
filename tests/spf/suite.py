#!/usr/bin/env python3
"""An SPF test suite in the openspf format, run through weighctl.

    suite.py facts WEIGHCTL SUITE.yml           the check itself: cases, and weighctl replay
    suite.py live WEIGHCTL SUITE.yml FAKEDNS    weighctl spf over the DNS source and a server
    suite.py conf | cases SUITE.yml             what "facts" hands to replay, to look at

The format is described in the README beside the suites.  RFC 4408's passes as a whole: where
RFC 7208 wants another result, the suite allows both.
"""

import ipaddress
import json
import pathlib
import re
import subprocess
import sys
import tempfile

POINTS = {'pass': 1, 'fail': 2, 'softfail': 3, 'neutral': 4, 'none': 5, 'temperror': 6,
          'permerror': 7}

CONF = '''# The policy under which the suites' cases are decided; points are distinct on purpose.
policy suite {
    weigh spf { pass 1, fail 2, softfail 3, neutral 4, none 5, temperror 6, permerror 7
                receiver "receiver.example" }

    reject "5.7.23 [${spf.explanation}]" if spf.fail
}
'''


def load(path):
    try:
        import yaml
    except ImportError:
        skip('python3-yaml is not installed')
    if not pathlib.Path(path).exists():
        skip(f'{path} is not there')
    with open(path, encoding='utf-8') as file:
        return [scenario for scenario in yaml.safe_load_all(file) if scenario]


def skip(why):
    print(f'1..0 # SKIP {why}')
    sys.exit(0)


def octets(text):
    return text.encode('utf-8', 'surrogateescape')


def presentation(name):
    """A name as it is asked for: lower case, \\DDD for odd octets, no final dot."""
    shown = ''
    for octet in octets(name.rstrip('.')):
        if octet == 0x5c:
            shown += '\\\\'
        elif 0x21 <= octet <= 0x7e:
            shown += chr(octet).lower()
        else:
            shown += f'\\{octet:03d}'
    return shown


def escaped(data):
    """A TXT record as a fact writes it."""
    return ''.join('\\\\' if octet == 0x5c else chr(octet) if 0x20 <= octet <= 0x7e
                   else f'\\{octet:03d}' for octet in data)


class Zone:
    """name -> type -> list of values; TXT values are lists of strings as bytes."""

    def __init__(self, data):
        self.names, self.failing = {}, set()
        for name, entries in data.items():
            self.add(presentation(name), entries)

    def add(self, name, entries):
        records = self.names.setdefault(name, {})
        has_txt = any(isinstance(entry, dict) and 'TXT' in entry for entry in entries)
        for entry in entries:
            if entry == 'TIMEOUT':
                self.failing.add(name)
                continue
            (kind, value), = entry.items()
            if kind == 'SPF' and has_txt:
                continue
            kind = 'TXT' if kind == 'SPF' else kind
            if value == 'NONE':
                continue
            records.setdefault(kind, []).append(self.value(kind, value))

    @staticmethod
    def value(kind, value):
        if kind == 'TXT':
            return [octets(part) for part in (value if isinstance(value, list) else [value])]
        if kind == 'MX':
            return f'{value[0]} {presentation(value[1]) or "."}'
        if kind in ('PTR', 'CNAME'):
            return presentation(value)
        return value

    def answer(self, name, kind):
        """A list, [] for no such record, None for no such name, or a cause."""
        for _ in range(8):
            if name not in self.names:
                return None
            records = self.names[name]
            if kind in records:
                return records[kind]
            if 'CNAME' not in records:
                return 'timeout' if name in self.failing else []
            name = records['CNAME'][0]
        return 'servfail'

    def facts(self):
        found = {}
        for name in self.names:
            for kind in ('A', 'AAAA', 'MX', 'TXT', 'PTR'):
                answer = self.answer(name, kind)
                if kind == 'TXT' and isinstance(answer, list):
                    answer = [escaped(b''.join(record)) for record in answer]
                if kind == 'AAAA' and isinstance(answer, list):
                    answer = [str(ipaddress.IPv6Address(address)) for address in answer]
                found[f'dns.{kind.lower()} {name}'] = answer
        return found

    def lines(self):
        """As tests/support/fakedns reads it."""
        for name, records in self.names.items():
            if not records and name not in self.failing:
                yield f'{name} TXT nothing'
            if name in self.failing and 'TXT' not in records:
                yield f'{name} servfail'
            for kind, values in records.items():
                for value in values:
                    if kind == 'TXT':
                        words = []
                        for part in value or [b'']:
                            words += [part[i:i + 255].hex() for i in range(0, len(part), 255)] \
                                or ['-']
                        yield f'{name} TXT-HEX {" ".join(words)}'
                    else:
                        yield f'{name} {kind} {value}'


def wanted(test):
    """(results, explanation or None)"""
    results = test['result'] if isinstance(test['result'], list) else [test['result']]
    explanation = test.get('explanation')
    return [result.lower() for result in results], '' if explanation == 'DEFAULT' else explanation


def tests(path):
    number = 0
    for scenario in load(path):
        zone = Zone(scenario['zonedata'])
        for test_id, test in scenario['tests'].items():
            number += 1
            yield scenario, zone, test_id, test


def case_of(zone, test_id, test, result):
    _, explanation = wanted(test)
    case = {'id': test_id, 'at': '2026-01-01T00:00:00Z',
            'attempt': {'client_address': test['host'], 'helo_name': test.get('helo') or '',
                        'sender': test.get('mailfrom') or ''},
            'facts': zone.facts(), 'rest': 'none',
            'findings': {'spf': [result]}, 'score': POINTS[result]}
    if result == 'fail' and explanation is not None:
        case['reply'] = f'550 5.7.23 [{explanation}]'
    return case


def same(have, want):
    """Case of hexadecimal digits in %{i} is nobody's business (rule of the suite)."""
    return have.lower() == want.lower()


class Report:
    def __init__(self):
        self.passed, self.failed = 0, 0

    def say(self, name, fault):
        self.passed += not fault
        self.failed += bool(fault)
        print(f'{"not ok" if fault else "ok"} {self.passed + self.failed} - {name}')
        if fault:
            print(f'# {fault}')

    def end(self, path):
        print(f'1..{self.passed + self.failed}')
        print(f'# {pathlib.Path(path).name}: {self.passed} of {self.passed + self.failed}')
        sys.exit(1 if self.failed else 0)


def run_facts(weighctl, path):
    """Each test is a case for each result it allows; one of them must be met."""
    report = Report()
    with tempfile.TemporaryDirectory() as folder:
        conf = pathlib.Path(folder) / 'suite.conf'
        conf.write_text(CONF)
        for _, zone, test_id, test in tests(path):
            faults = []
            for result in wanted(test)[0]:
                case = case_of(zone, test_id, test, result)
                done = subprocess.run([weighctl, 'replay', '--config', conf, '--expect', '-'],
                                      input=json.dumps(case) + '\n', text=True,
                                      capture_output=True)
                if done.returncode == 0:
                    faults = []
                    break
                faults.append((done.stdout + done.stderr).strip().replace('\n', ' | '))
            report.say(test_id, faults and faults[0])
    report.end(path)


def live_fault(weighctl, port, test):
    command = [weighctl, 'spf', '--ip', test['host'], '--sender', test.get('mailfrom') or '',
               '--helo', test.get('helo') or '', '--resolver', f'127.0.0.1:{port}',
               '--receiver', 'receiver.example']
    done = subprocess.run([octets(str(word)) for word in command], capture_output=True)
    lines = done.stdout.decode('utf-8', 'replace').split('\n')
    results, explanation = wanted(test)
    if done.returncode != 0:
        return f'exit {done.returncode}: {done.stderr.decode()}'
    if lines[0] not in results:
        return f'have {lines[0]}, want {" or ".join(results)}'
    have = lines[1] if len(lines) > 1 else ''
    if lines[0] == 'fail' and explanation is not None and not same(have, explanation):
        return f'have "{have}", want "{explanation}"'
    return None


def run_live(weighctl, path, fakedns):
    report = Report()
    server, serving = None, None
    with tempfile.TemporaryDirectory() as folder:
        for scenario, zone, test_id, test in tests(path):
            if serving is not scenario:
                stop(server)
                file = pathlib.Path(folder) / 'zone'
                file.write_text('\n'.join(zone.lines()) + '\n')
                server = subprocess.Popen([fakedns, file], stdin=subprocess.PIPE,
                                          stdout=subprocess.PIPE, text=True)
                port = re.fullmatch(r'port (\d+)\n', server.stdout.readline())[1]
                serving = scenario
            report.say(test_id, live_fault(weighctl, port, test))
        stop(server)
    report.end(path)


def stop(server):
    if server is not None:
        server.stdin.close()
        server.stdout.read()
        server.wait()


def main(what, *arguments):
    if what == 'facts':
        run_facts(*arguments)
    elif what == 'live':
        run_live(*arguments)
    elif what == 'conf':
        print(CONF, end='')
    elif what == 'cases':
        for _, zone, test_id, test in tests(*arguments):
            print(json.dumps(case_of(zone, test_id, test, wanted(test)[0][0])))


main(*sys.argv[1:])
