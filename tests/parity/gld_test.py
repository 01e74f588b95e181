#!/usr/bin/env python3
"""What gld 1.7 did (doc/gld.md), decided by weighd with the imported gld.conf."""
import json
import pathlib
import re
import tempfile

import sequences
from sequences import DAY, Sequence, imported, row, run

TESTS = {}
DUMP = r"""-- MySQL dump 10.19
/*!40101 SET NAMES utf8 */;
CREATE TABLE `greylist` (
  `ip` char(45) NOT NULL DEFAULT '',
  `sender` char(242) NOT NULL DEFAULT '',
  `recipient` char(242) NOT NULL DEFAULT '',
  `first` int(11) DEFAULT NULL,
  `last` int(11) DEFAULT NULL,
  `n` int(11) DEFAULT NULL,
  PRIMARY KEY (`ip`,`sender`,`recipient`)
) ENGINE=MyISAM;
INSERT INTO `greylist` VALUES ('192.0.2.0','A@x.example','b@y.example',1700000000,1700000500,3),
 ('192.0.2.0','c@x.example','b@y.example',1700000000,1700000600,2),
 ('192.0.2.7','void@void','b@y.example',1700000000,1700000000,1),
 ('2001:db8::7','o\'brien@x.example','b@y.example',1700000001,1700000001,1),
 ('nonsense','a@x.example','b@y.example',1,1,1);
INSERT INTO `whitelist` VALUES ('john@foo.example','friend'),('@bar.example',''),('192.0.2.4','x; y'),
 ('198.51.100','net'),('2001:db8::9',''),('no form at all','');
"""
COPY = """-- PostgreSQL database dump
COPY public.greylist (ip, sender, recipient, first, last, n) FROM stdin;
192.0.2.0\tA@x.example\tb@y.example\t1700000000\t1700000500\t3
\\.
"""
# as columns of the type char(n) are dumped
PADDED = COPY.replace('192.0.2.0', '192.0.2.0'.ljust(16)).replace(
    'A@x.example', 'A@x.example'.ljust(242)).replace('b@y.example', 'b@y.example'.ljust(242))


def config(text='', *arguments, **more):
    return imported('gld', *arguments, text=text, **more)


def with_lists(text=''):
    with tempfile.TemporaryDirectory() as folder:
        dump = pathlib.Path(folder) / 'gld.sql'
        dump.write_text(DUMP)
        return run('import', 'gld', '-', '--lists', dump, text=text)[0]


def records(text='', dump=DUMP):
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / 'gld.sql'
        path.write_text(dump)
        lines = run('import', 'gld', '-', '--database', path, text=text)[0].splitlines()
    return [json.loads(line) for line in lines]


def sequence(conf, **attributes):
    common = {'client_address': '192.0.2.1', 'client_name': 'unknown',
              'sender': 'a@x.example', 'recipient': 'b@y.example', **attributes}
    return Sequence(conf, **common)


@row(TESTS, 'first')
def _():
    seq = sequence(config())
    seq.ask(0, 'greylist')
    seq.check()


@row(TESTS, 'early')
def _():
    seq = sequence(config())
    for at, want in ((0, 'greylist'), (30, 'greylist'), (59, 'greylist'), (61, 'pass')):
        seq.ask(at, want)
    seq.check()


@row(TESTS, 'late')
def _():
    for wait in (0, 1, 60, 300):
        seq = sequence(config(f'MINTIME={wait}\n'))
        seq.ask(0, 'greylist')
        seq.ask(wait, 'greylist')
        seq.ask(wait + 1, 'pass')
        seq.check()


@row(TESTS, 'known')
def _():
    seq = sequence(config())
    for at, want in ((0, 'greylist'), (100, 'pass'), (101, 'pass'), (DAY, 'pass')):
        seq.ask(at, want)
    seq.check()


def differs_by(attribute, other):
    seq = sequence(config())
    seq.ask(0, 'greylist')
    seq.ask(100, 'greylist', **{attribute: other})
    seq.ask(101, 'pass')
    seq.check()


@row(TESTS, 'key-address')
def _():
    differs_by('client_address', '192.0.2.2')
    differs_by('client_address', '2001:db8::1')


@row(TESTS, 'key-sender')
def _():
    differs_by('sender', 'c@x.example')


@row(TESTS, 'key-recipient')
def _():
    differs_by('recipient', 'c@y.example')


@row(TESTS, 'case')
def _():
    seq = sequence(config())
    seq.ask(0, 'greylist')
    seq.ask(100, 'pass', sender='A@X.example', recipient='B@y.EXAMPLE')
    seq.check()


@row(TESTS, 'no-folding')
def _():
    for sender in ('list-12@x.example', 'prvs=0123456789=a@x.example'):
        differs_by('sender', sender)
    differs_by('recipient', 'b+x@y.example')


@row(TESTS, 'extension')
def _():
    seq = sequence(config(), sender='list+1@x.example')
    seq.ask(0, 'greylist')
    seq.ask(100, 'pass', sender='list+2+3@x.example')
    seq.ask(101, 'pass', sender='list@x.example')
    seq.ask(102, 'greylist', sender='+@x.example')
    seq.check()


@row(TESTS, 'empty-sender')
def _():
    seq = sequence(config(), sender='')
    seq.ask(0, 'greylist')
    seq.ask(100, 'pass')
    seq.check()


@row(TESTS, 'lightgrey')
def _():
    seq = sequence(config('LIGHTGREY=1\n'))
    seq.ask(0, 'greylist')
    seq.ask(100, 'pass', client_address='192.0.2.99')
    seq.ask(101, 'greylist', client_address='192.0.3.1')
    seq.check()


@row(TESTS, 'lightgrey-ipv6')
def _():
    seq = sequence(config('LIGHTGREY=1\n'))
    seq.ask(0, 'greylist', client_address='2001:db8:1:2::1')
    seq.ask(100, 'pass', client_address='2001:db8:1:2::2')
    seq.ask(101, 'greylist', client_address='2001:db8:1:3::1')
    seq.check()


def returned(seq, count):
    for number in range(count):
        seq.ask(0, 'greylist', sender=f's{number}@x.example')
    for number in range(count):
        seq.ask(100 + number, 'pass', sender=f's{number}@x.example')


@row(TESTS, 'mxgrey')
def _():
    for number in (1, 3):
        seq = sequence(config(f'MXGREY={number}\n'))
        returned(seq, number)
        seq.ask(200, 'pass', sender='new@x.example')
        seq.ask(201, 'greylist', client_address='192.0.2.2', sender='new@x.example')
        seq.check()


@row(TESTS, 'mxgrey-few')
def _():
    seq = sequence(config('MXGREY=3\n'))
    returned(seq, 2)
    seq.ask(150, 'pass', sender='s1@x.example')  # comes again: no return of its own
    seq.ask(200, 'greylist', sender='new@x.example')
    seq.check()


@row(TESTS, 'mxgrey-again')
def _():
    seq = sequence(config('MXGREY=1\n'))
    returned(seq, 1)
    seq.ask(200, 'pass', sender='new@x.example')
    seq.ask(210, 'pass', sender='new@x.example')
    seq.check()


@row(TESTS, 'training')
def _():
    seq = sequence(config('TRAINING=1\n'))
    for at in (0, 10, 100):
        seq.ask(at, ('pass', 'DUNNO'))
    seq.check()


@row(TESTS, 'training-learns')
def _():
    # gld trained first and acts later: here both, by the HELO name, on one store
    trains = config('TRAINING=1\n')
    acts = re.search(r'\tobserve (greylist .*)\n', trains).group(1)
    seq = sequence(trains.replace('observe ' + acts, f'observe {acts} if helo_name = "trains"\n'
                                  f'\t{acts} if helo_name != "trains"'), helo_name='acts')
    seq.ask(0, 'pass', helo_name='trains')
    seq.ask(30, 'greylist')
    seq.ask(100, 'pass')
    seq.ask(101, 'greylist', sender='other@x.example')
    seq.check()


@row(TESTS, 'expiry')
def _():
    seq = sequence(config())
    seq.ask(0, 'greylist')
    seq.ask(7 * DAY - 1, 'pass')
    seq.ask(90 * DAY, 'pass')
    seq.ask(200 * DAY, 'greylist')
    seq.ask(208 * DAY, 'greylist')
    seq.check()


# --- lists ---

@row(TESTS, 'white-sender')
def _():
    seq = sequence(with_lists())
    seq.ask(0, 'pass', sender='John@foo.example')
    seq.ask(0, 'greylist', sender='jim@foo.example')
    seq.check()


@row(TESTS, 'white-domain')
def _():
    seq = sequence(with_lists())
    seq.ask(0, 'pass', sender='anybody@BAR.example')
    seq.ask(0, 'greylist', sender='anybody@sub.bar.example')
    seq.check()


@row(TESTS, 'white-address')
def _():
    seq = sequence(with_lists())
    seq.ask(0, 'pass', client_address='192.0.2.4')
    seq.ask(0, 'greylist', client_address='192.0.2.5')
    seq.ask(0, 'pass', client_address='2001:db8::9')
    seq.check()


@row(TESTS, 'white-network')
def _():
    seq = sequence(with_lists())
    seq.ask(0, 'pass', client_address='198.51.100.255')
    seq.ask(0, 'greylist', client_address='198.51.101.0')
    seq.check()


@row(TESTS, 'white-lightgrey')
def _():
    seq = sequence(with_lists('LIGHTGREY=1\n'))
    seq.ask(0, 'pass', client_address='192.0.2.4')
    seq.ask(0, 'greylist', client_address='192.0.2.5')
    seq.ask(0, 'greylist', client_address='192.0.2.0')
    seq.check()


@row(TESTS, 'white-off')
def _():
    seq = sequence(with_lists('WHITELIST=0\n'))
    seq.ask(0, 'greylist', client_address='192.0.2.4')
    seq.check()


@row(TESTS, 'white-stored')
def _():
    conf = with_lists().replace('\tpass if', '\tpass if helo_name = "white"\n\tpass if', 1)
    seq = sequence(conf)
    seq.ask(0, 'pass', helo_name='white')
    seq.ask(100, 'greylist', helo_name='other')
    seq.check()


@row(TESTS, 'white-import')
def _():
    with tempfile.TemporaryDirectory() as folder:
        dump = pathlib.Path(folder) / 'gld.sql'
        dump.write_text(DUMP)
        errors = run('import', 'gld', '-', '--lists', dump, text='')[1]
    assert '1 rows of whitelist are none of gld' in errors, errors


DNSWL = 'DNSWL=white.example\n'
LISTED = {'dns.a 1.2.0.192.white.example': ['127.0.0.2']}


@row(TESTS, 'dnswl')
def _():
    seq = sequence(config(DNSWL), facts=LISTED)
    seq.ask(0, 'pass')
    seq.check()


@row(TESTS, 'dnswl-unlisted')
def _():
    seq = sequence(config(DNSWL), facts=LISTED, client_address='192.0.2.2')
    seq.ask(0, 'greylist')
    seq.ask(100, 'pass')
    seq.check()


@row(TESTS, 'dnswl-refused')
def _():
    seq = sequence(config(DNSWL), facts={'dns.a 1.2.0.192.white.example': ['127.255.255.254']})
    seq.ask(0, 'greylist')
    seq.check()


@row(TESTS, 'dnswl-down')
def _():
    seq = sequence(config(DNSWL), facts={'dns.a 1.2.0.192.white.example': 'timeout'})
    seq.ask(0, 'greylist')
    seq.check()


# --- answers and settings ---

@row(TESTS, 'pass')
def _():
    seq = sequence(config())
    seq.ask(0)
    seq.ask(100, ('pass', 'DUNNO'))
    seq.check()


def replies(message, want):
    seq = sequence(config(f'MESSAGE={message}\n'))
    seq.ask(0, ('greylist', want))
    seq.check()


@row(TESTS, 'message')
def _():
    replies('Come again, "please"', re.compile('Come again, "please"$'))
    replies('costs 5$ \\o/', re.compile(r'costs 5\$ \\o/$'))


@row(TESTS, 'defer-if-permit')
def _():
    replies('Greylisted', 'DEFER_IF_PERMIT Greylisted')


@row(TESTS, 'message-code')
def _():
    replies('451 4.7.1 Slow down', '451 4.7.1 Slow down')
    replies('400 x', '400 x')


@row(TESTS, 'message-550')
def _():
    replies('550 never', '450 550 never')
    replies('399 odd', re.compile('^450 .*399 odd$'))


@row(TESTS, 'erraccept')
def _():
    assert ' failing pass ' in config()


@row(TESTS, 'erraccept-off')
def _():
    assert ' failing defer ' in config('ERRACCEPT=0\n')


@row(TESTS, 'port')
def _():
    assert 'inet:127.0.0.1:2525 policy gld\n' in config()
    assert 'inet:0.0.0.0:2526 policy gld\n' in config('PORT=2526\nLOOPBACKONLY=0\n')


@row(TESTS, 'syslog')
def _():
    assert 'log      syslog\n' in config()
    assert 'log      stderr\n' in config('SYSLOG=0\n')


@row(TESTS, 'invalid')
def _():
    seq = sequence(config(), client_address=None)
    seq.ask(0, 'pass')
    seq.check()


@row(TESTS, 'last-line')
def _():
    assert 'inet:127.0.0.1:2527 ' in config('PORT=2527')


@row(TESTS, 'unknown-settings')
def _():
    _, errors = run('import', 'gld', '-', text='KEEPALIVE=1\n')
    assert 'no such setting' in errors, errors


@row(TESTS, 'sql-injection')
def _():
    seq = sequence(config(), sender='u\\', recipient=' or 1=1 -- ')
    seq.ask(0, 'greylist', sender='other@x.example', recipient='b@y.example')
    seq.ask(100, 'greylist')
    seq.ask(200, 'pass')
    seq.check()


# --- its database ---

@row(TESTS, 'import-triplets')
def _():
    found = {entry['key']: entry for entry in records()}
    assert len(found) == 4, found
    once = found['192.0.2.7 <> b@y.example']
    assert once['value'] == 'first=1700000000000 last=1700000000000 passed=0 passes=0', once
    assert found['2001:db8::7 o\'brien@x.example b@y.example']['kind'] == 'greylist'
    thrice = found['192.0.2.0 a@x.example b@y.example']
    assert thrice['value'].endswith(' passes=2'), thrice
    assert thrice['expires'] > 1700000500000 + 89 * DAY * 1000, thrice


@row(TESTS, 'import-lightgrey')
def _():
    found = [entry['key'] for entry in records('LIGHTGREY=1\n')]
    assert '192.0.2.0/24 a@x.example b@y.example' in found, found
    assert '2001:db8::/64 o\'brien@x.example b@y.example' in found, found


@row(TESTS, 'import-trust')
def _():
    trusted = [entry for entry in records('MXGREY=2\n') if entry['kind'] == 'known']
    assert trusted == [{'kind': 'known', 'set': 'greylist.trusted', 'key': '192.0.2.0',
                        'value': '2 1700000600000 1700000600000',
                        'expires': 1700000600000 + 90 * DAY * 1000}], trusted


@row(TESTS, 'import-postgres')
def _():
    for dump in (COPY, PADDED):
        found = records(dump=dump)
        assert [entry['key'] for entry in found] == ['192.0.2.0 a@x.example b@y.example'], found


if __name__ == '__main__':
    sequences.main(TESTS, 'doc/gld.md')
