#!/usr/bin/env python3
"""What policyd-rate-limit did (doc/policyd-rate-limit.md), decided by weighd with its YAML imported."""
import json
import pathlib
import re
import sqlite3
import tempfile

import sequences
from sequences import DAY, Sequence, row, run

TESTS = {}
FAIL = 'Rate limit reach, retry later'


def config(text='', status=(0,)):
    return run('import', 'policyd-rate-limit', '-', text=text, status=status)[0]


def limited(*limits, more=''):
    return config(f'limits: {json.dumps(limits)}\n{more}')


def asked(conf, *asks, **common):
    """Each ask: second, expected, attributes."""
    seq = Sequence(conf, **{'client_address': '192.0.2.1', 'sender': 'a@x.example',
                            'recipient': 'b@y.example', 'sasl_username': 'joe', **common})
    for at, expected, *attributes in asks:
        seq.ask(at, expected, **(attributes[0] if attributes else {}))
    return seq.check()


def times(want, *seconds):
    return [(second, want) for second in seconds]


# --- counting ---

@row(TESTS, 'limit')
def _():
    asked(limited([3, 60]), *times('pass', 0, 1, 2), *times('defer', 3, 4))
    asked(config(), *times('pass', *range(10)), (11, 'defer'))


@row(TESTS, 'sliding')
def _():
    asked(limited([3, 60]), *times('pass', 0, 20, 40), (59, 'defer'), (61, 'pass'), (62, 'defer'),
          (81, 'pass'), (82, 'defer'), (101, 'pass'))


@row(TESTS, 'edge')
def _():
    asked(limited([1, 60]), (0, 'pass'), (60, 'defer'), (61, 'pass'))


@row(TESTS, 'refused')
def _():
    asked(limited([2, 60]), *times('pass', 0, 1), *times('defer', *range(2, 61)),
          *times('pass', 61, 62), (63, 'defer'))


@row(TESTS, 'all-limits')
def _():
    # as it was seen: 3 per 5 s, 5 per 60 s
    asked(limited([3, 5], [5, 60]), *times('pass', 0, 0, 1), *times('defer', 1, 5), *times('pass', 6, 6),
          *times('defer', 7, 30, 60), *times('pass', 61, 61), (61, 'defer'), (62, 'pass'),
          (63, 'defer'))


@row(TESTS, 'four')
def _():
    conf = config('limits: [[1, 1], [2, 2], [3, 3], [4, 4], [5, 5]]\n', status=(65,))
    assert ' 1/1s, 2/2s, 3/3s, 4/4s counting' in conf, conf


@row(TESTS, 'same-time')
def _():
    asked(limited([5, 60], [2, 60]), *times('pass', 0, 1), (2, 'defer'))


@row(TESTS, 'zero')
def _():
    asked(limited([0, 60]), *times('defer', 0, 100))


@row(TESTS, 'no-limits')
def _():
    asked(limited(), *times('pass', *range(50)))


@row(TESTS, 'many')
def _():
    # 500 an hour: exact for 128 of them, later ones are let go a little later
    decisions = asked(limited([500, 3600]), *[(7 * number, None) for number in range(1200)])
    accepted = [decision.at for decision in decisions if decision.verdict == 'pass']
    for first, beyond in zip(accepted, accepted[500:]):
        assert beyond - first > 3600, (first, beyond)
    assert len(accepted) >= 500 + 480, len(accepted)


@row(TESTS, 'recipients')
def _():
    asked(limited([3, 60]), *[(0, 'pass', {'instance': 'one', 'recipient': f'{number}@y.example'})
                              for number in range(3)], (1, 'defer', {'instance': 'one'}))


@row(TESTS, 'states')
def _():
    asked(limited([1, 60]), *[(0, 'pass', {'protocol_state': state})
                              for state in ('CONNECT', 'EHLO', 'HELO', 'MAIL', 'VRFY', 'ETRN')],
          (1, 'pass', {'protocol_state': 'rcpt'}), (2, 'defer', {'protocol_state': None}))


@row(TESTS, 'data')
def _():
    at_data = {'protocol_state': 'DATA', 'instance': 'one', 'recipient_count': '2'}
    asked(limited([3, 60]), (0, 'pass', {'instance': 'one'}), (0, 'pass', {'instance': 'one'}),
          (0, 'pass', at_data), (1, 'pass', {'instance': 'two'}), (2, 'defer', {'instance': 'three'}))


BY_ID = """limits_by_id:
    vip:
        - [5, 60]
    192.0.2.254: []
    free: []
    2a01:240:fe3d:4:219:bbff:fe3c:4f76: [[1, 60], [2, 86400]]
    42: [[2, 60]]
"""


@row(TESTS, 'by-id')
def _():
    conf = limited([1, 60], more=BY_ID)
    asked(conf, *times('pass', 0, 0, 0, 0, 0), (1, 'defer'), sasl_username='vip')
    asked(conf, (0, 'pass'), (1, 'defer'))


@row(TESTS, 'by-id-none')
def _():
    asked(limited([1, 60], more=BY_ID), *times('pass', *range(20)), sasl_username='free')


@row(TESTS, 'by-id-number')
def _():
    asked(limited([1, 60], more=BY_ID), *times('pass', 0, 1), (2, 'defer'), sasl_username='42')


# --- whose mail ---

BY_ADDRESS = 'limit_by_ip: True\nlimited_networks: [192.0.2.0/24, "2001:db8::/32"]\n'


@row(TESTS, 'sasl')
def _():
    asked(limited([1, 60]), (0, 'pass'), (1, 'defer'), (1, 'pass', {'sasl_username': 'ann'}))
    asked(limited([1, 60], more='limit_by_sasl: False\n'), *times('pass', 0, 1, 2))


@row(TESTS, 'sender')
def _():
    conf = limited([1, 60], more='limit_by_sasl: no\nlimit_by_sender: yes\n')
    asked(conf, (0, 'pass'), (1, 'defer', {'sasl_username': 'ann'}),
          (1, 'pass', {'sender': 'c@x.example'}), *[(2, 'pass', {'sender': ''})] * 3)


@row(TESTS, 'address')
def _():
    conf = limited([1, 60], more='limit_by_sasl: False\n' + BY_ADDRESS)
    asked(conf, (0, 'pass'), (1, 'defer'), (1, 'pass', {'client_address': '192.0.2.2'}),
          *[(2, 'pass', {'client_address': '192.0.3.1'})] * 3,
          (3, 'pass', {'client_address': '2001:db8::1'}),
          (4, 'defer', {'client_address': '2001:db8::1'}))


@row(TESTS, 'order')
def _():
    conf = limited([1, 60], more='limit_by_sender: True\n' + BY_ADDRESS)
    asked(conf, (0, 'pass'), (1, 'pass', {'sasl_username': ''}),
          (2, 'pass', {'sasl_username': None, 'sender': ''}), (3, 'defer'),
          (4, 'defer', {'sasl_username': ''}), (5, 'defer', {'sasl_username': '', 'sender': ''}))


@row(TESTS, 'no-networks')
def _():
    conf = limited([1, 60], more='limit_by_ip: True\n')
    asked(conf, *times('pass', 0, 1, 2), sasl_username='')


@row(TESTS, 'nobody')
def _():
    asked(limited([0, 60]), *times('pass', 0, 1, 2), sasl_username='')


@row(TESTS, 'name-space')
def _():
    conf = limited([1, 60], more='limit_by_sender: True\n')
    asked(conf, (0, 'pass', {'sasl_username': 'a@x.example'}), (1, 'pass', {'sasl_username': ''}))


@row(TESTS, 'case')
def _():
    asked(limited([1, 60]), (0, 'pass'), (1, 'defer', {'sasl_username': 'Joe'}))


@row(TESTS, 'long-id')
def _():
    asked(limited([1, 60]), (0, 'pass'), (1, 'defer'), sasl_username='x' * 45)
    asked(limited([1, 60]), (0, 'pass'), (1, 'defer'), sasl_username='x' * 450)


# --- answers ---

@row(TESTS, 'success')
def _():
    asked(limited([1, 60]), (0, ('pass', 'DUNNO')))
    asked(limited([1, 60], more='success_action: "PREPEND X-Counted: yes"\n'),
          (0, 'PREPEND X-Counted: yes'), (1, 'defer'))


@row(TESTS, 'fail')
def _():
    for action, verdict, want in (
            ('reject Too much "of it" $', 'reject', '550 Too much "of it" $'),
            ('451 4.7.1 slow down', 'defer', '451 4.7.1 slow down'),
            ('550 5.7.1 never', 'reject', '550 5.7.1 never'),
            ('defer Later', 'defer', '450 Later'),
            ('hold', 'hold', re.compile('^HOLD'))):
        asked(limited([0, 60], more=f"fail_action: '{action}'\n"), (0, (verdict, want)))


@row(TESTS, 'defer-if-permit')
def _():
    asked(limited([0, 60]), (0, f'450 {FAIL}'))


@row(TESTS, 'other-actions')
def _():
    asked(limited([0, 60], more='fail_action: FILTER slow:[127.0.0.1]:10025\n'),
          (0, 'FILTER slow:[127.0.0.1]:10025'))


@row(TESTS, 'db-error')
def _():
    assert ' failing pass if' in config()
    for action, want in (('defer_if_permit Broken', 'failing defer "Broken"'),
                         ('451 Broken', 'failing defer "451 Broken"'),
                         ('reject', 'failing reject')):
        assert want in config(f'db_error_action: {action}\n'), action


# --- settings ---

def checked(conf):
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / 'weighd.conf'
        path.write_text(conf)
        run('check', path)
    return conf


@row(TESTS, 'socket-path')
def _():
    conf = checked(config('SOCKET: /run/x/policy\nsocket_permission: 0660\n'))
    assert 'listen   "unix:/run/x/policy" mode 0660 policy outgoing' in conf, conf
    assert 'mode 0666' in config()


@row(TESTS, 'socket-port')
def _():
    assert 'inet:127.0.0.1:8552 ' in checked(config('SOCKET: ["127.0.0.1", 8552]\n'))
    assert 'inet:[::1]:8552 ' in checked(config('SOCKET:\n    - "::1"\n    - 8552\n'))


@row(TESTS, 'close')
def _():
    assert 'idle_connection_s 300' in checked(config())
    assert 'idle_connection_s 60' in checked(config('delay_to_close: 60\n'))


@row(TESTS, 'report')
def _():
    report = 'report: True\nreport_from: p@x.example\nreport_to: '
    assert 'notify "m@x.example"' in checked(config(report + 'm@x.example\n'))
    assert 'notify "m@x.example"' in checked(config(report + '[m@x.example, n@x.example]\n'))
    assert 'notify' not in config('report_to: m@x.example\n')


def at_data(count, instance):
    return {'protocol_state': 'DATA', 'recipient_count': str(count), 'instance': instance}


@row(TESTS, 'count-mode-0')
def _():
    asked(limited([2, 60], more='count_mode: 0\n'), (0, 'pass', at_data(9, 'one')),
          *times('pass', 0, 1), (2, 'defer'))


@row(TESTS, 'count-mode-1')
def _():
    conf = limited([3, 60], more='count_mode: 1\n')
    asked(conf, (0, 'pass', at_data(2, 'one')), (1, 'defer', at_data(2, 'two')),
          (2, 'pass', at_data(1, 'three')), (3, 'defer', at_data(1, 'four')))
    asked(conf, *times('pass', 0, 1, 2), (3, 'defer'))


@row(TESTS, 'count-mode-2')
def _():
    asked(limited([2, 60], more='count_mode: 2\n'), *times('pass', 0, 0, 0),
          (0, 'pass', at_data(50, 'one')), (1, 'pass', at_data(50, 'two')),
          (2, 'defer', at_data(1, 'three')))


@row(TESTS, 'yaml')
def _():
    block = """---
# comment
debug: True   # another
limits:
  -   - 2
      - 60
  - [ 3,
      86400 ]
limits_by_id: {"a: b": [], 'it''s': [[1, 60]], vip: [[5, 60]]}
fail_action: "reject \\"over\\" # no comment"
limited_networks:
- 192.0.2.0/24
limit_by_ip: on
report_to: null
smtp_credentials: ~
"""
    conf = checked(config(block))
    assert ' 2/1m, 3/1d from limits_by_id ' in conf, conf
    for line in ('"a: b" "none"', '"it\'s" "1/1m"', '"vip" "5/1m"',
                 'else reject "\\"over\\" # no comment"', 'in [192.0.2.0/24]'):
        assert line in conf, (line, conf)


@row(TESTS, 'yaml-aliases')
def _():
    same = run('import', 'policyd-rate-limit', '-',
               text='limits: [[5, 60]]\nlimits_by_id: {anna: [[5, 60]]}\nreport_subject: a b\n')[0]
    assert same == run('import', 'policyd-rate-limit', '-', text='''%YAML 1.1
---
limits: &few [[5, 60]]
limits_by_id:
    anna: *few
report_subject: >-
    a
    b
...
''')[0]


@row(TESTS, 'yaml-refused')
def _():
    for text, line in (('limits: !!python/tuple [1]\n', 1), ('a: 1\nlimits: [*b]\n', 2),
                       ('limits:\n\t- [1, 60]\n', 2), ('a: "open\n', 2), ('a: [1, 2\n', 2),
                       ('a: 1\n  b: 2\n', 2), ('a: &b [*b]\n', 1), ('a: 1\n---\na: 2\n', 2)):
        _, errors = run('import', 'policyd-rate-limit', '-', text=text, status=(65,))
        assert re.search(fr'^-:{line}: error: ', errors, re.M), (text, errors)


# --- its database ---

ROWS = [('joe', 1700000000 + 10 * number) for number in range(5)] + [('192.0.2.1', 1700000007)]


def records(path, text):
    lines = run('import', 'policyd-rate-limit', '-', '--database', path, text=text)[0]
    return {(entry['set'], entry['key']): entry for entry in map(json.loads, lines.splitlines())}


def check_records(found):
    base = 1700000000000
    assert found[('user', 'joe')]['value'] == (
        f'window 60000 5 {base}+1,{base + 10000}+1,{base + 20000}+1,{base + 30000}+1,'
        f'{base + 40000}+1; '
        f'window 86400000 5 {base}+1,{base + 10000}+1,{base + 20000}+1,{base + 30000}+1,'
        f'{base + 40000}+1'), found
    assert found[('user', 'joe')]['expires'] >= base + 40000 + DAY * 1000
    assert ('user', '192.0.2.1') not in found


@row(TESTS, 'import-sqlite')
def _():
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / 'db.sqlite3'
        with sqlite3.connect(path) as db:
            db.execute('CREATE TABLE mail_count (id varchar(40) NOT NULL, date bigint NOT NULL)')
            db.executemany('INSERT INTO mail_count VALUES (?, ?)', ROWS)
        db.close()
        check_records(records(path, ''))
        found = records(path, 'limit_by_ip: True\nlimited_networks: ["0.0.0.0/0"]\n')
        assert ('address', '192.0.2.1') in found, found


@row(TESTS, 'import-dump')
def _():
    values = ','.join(f"('{name}',{date})" for name, date in ROWS)
    lines = ''.join(f'{name}\t{date}\n' for name, date in ROWS)
    for text in (f'-- MariaDB dump 10.19\nINSERT INTO `mail_count` VALUES {values};\n',
                 f'COPY public.mail_count (id, date) FROM stdin;\n{lines}\\.\n',
                 'PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\n' + ''.join(
                     f"INSERT INTO mail_count VALUES('{name}',{date});\n" for name, date in ROWS)):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / 'dump.sql'
            path.write_text(text)
            check_records(records(path, ''))


@row(TESTS, 'import-1-1')
def _():
    text = ("INSERT INTO mail_count (id, date, recipient_count, instance, protocol_state) VALUES "
            "('joe', 1700000000, 7, 'x', 'DATA');\n")
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / 'dump.sql'
        path.write_text(text)
        value = records(path, 'limits: [[10, 60]]\n')[('user', 'joe')]['value']
        assert value == 'window 60000 7 1700000000000+7', value
        value = records(path, 'limits: [[10, 60]]\ncount_mode: 2\n')[('user', 'joe')]['value']
        assert value == 'window 60000 1 1700000000000+1', value


if __name__ == '__main__':
    sequences.main(TESTS, 'doc/policyd-rate-limit.md')
