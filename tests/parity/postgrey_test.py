#!/usr/bin/env python3
"""What postgrey does, done by weighd with its configuration: a test for each row of
doc/postgrey.md.  What is expected is what postgrey's documentation and its behaviour say."""

import pathlib
import re
import shlex
import sys
import tempfile
import time

import sequences
from sequences import DAY, HOUR

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / 'e2e'))

import postgrey_daemon  # noqa: E402
import servers  # noqa: E402

TESTS = {}
SEQUENCES = {}  # row -> what makes its cases: postgrey_side.py sends them to the real one, too
WAIT, PASS = 'greylist', ('pass', 'DUNNO')
HEADER = ('pass', re.compile('^PREPEND X-Greylist: delayed [0-9]+ seconds by weighd at '))


def config_of(options):
    return sequences.imported('postgrey', text=f'postgrey {shlex.join(options)}\n')


class Case(sequences.Sequence):
    """A sequence under postgrey's options, with lists of its own."""

    def __init__(self, *options, clients='', recipients='', **attributes):
        self.options = list(options)
        self.lists = (clients, recipients)
        self.folder = tempfile.TemporaryDirectory(prefix='weighd-')
        words = ['--inet=10023', *options]
        for kind, text in (('clients', clients), ('recipients', recipients)):
            path = pathlib.Path(self.folder.name) / kind
            path.write_text(text)
            words.append(f'--whitelist-{kind}={path}')
        super().__init__(config_of(words), **{
            'client_address': '192.0.2.1', 'client_name': 'mx.sender.example',
            'sender': 'anna@sender.example', 'recipient': 'bob@example.net', **attributes})


def sequence(name):
    """The function that follows makes the case, or cases, of a row."""
    def keep(function):
        SEQUENCES[name] = function

        @sequences.row(TESTS, name)
        def _():
            for case in made(function):
                case.check()
        return function
    return keep


def row(name):
    return sequences.row(TESTS, name)


def made(function):
    cases = function()
    return cases if isinstance(cases, list) else [cases]


def cases():
    """The cases of each row that has some."""
    return {name: made(function) for name, function in SEQUENCES.items()}


def returned(case, at, delay=300, **attributes):
    """A triplet's first try at second at, and its first return in time."""
    case.ask(at, WAIT, **attributes)
    case.ask(at + delay, HEADER, **attributes)


def same_triplet(*pairs):
    """Each pair of attributes is one triplet: the second is the first's return."""
    case = Case('--auto-whitelist-clients=0')
    for number, (first, second) in enumerate(pairs):
        case.ask(number * DAY, WAIT, **first)
        case.ask(number * DAY + 300, HEADER, **second)
    return case


def other_triplet(*pairs):
    """Each pair of attributes is two triplets."""
    case = Case('--auto-whitelist-clients=0')
    for number, (first, second) in enumerate(pairs):
        case.ask(number * DAY, WAIT, **first)
        case.ask(number * DAY + 300, WAIT, **second)
    return case


def senders(function, *pairs):
    return function(*(({'sender': first}, {'sender': second}) for first, second in pairs))


def has(text, *wanted):
    for want in wanted:
        if want not in text:
            raise AssertionError(f'no {want!r} in\n{text}')


def same(have, want):
    if have != want:
        raise AssertionError(f'have {have!r}, want {want!r}')


# --- options ---

@row('opt-inet')
def _():
    for words, want in (('--inet=10023', 'inet:127.0.0.1:10023'), ('-i 7', 'inet:127.0.0.1:7'),
                        ('--inet=localhost:8', 'inet:127.0.0.1:8'),
                        ('--inet=192.0.2.7:9', 'inet:192.0.2.7:9'),
                        ('--inet=[::1]:9', 'inet:[::1]:9')):
        has(config_of(words.split()), f'listen   {want} policy postgrey\n')


@row('opt-unix')
def _():
    has(config_of(['--unix=/run/pg']), 'listen   "unix:/run/pg" mode 0666 policy postgrey\n')
    has(config_of(['-u', '/run/pg', '--socketmode=0600']), '"unix:/run/pg" mode 0600 policy')


@row('opt-both')
def _():
    config = config_of(['--unix=/run/pg', '--inet=7'])
    has(config, 'listen   inet:127.0.0.1:7 policy')
    same(config.count('listen '), 1)


@row('opt-neither')
def _():
    has(config_of(['--delay=60']), 'listen   inet:127.0.0.1:10023 policy')


@row('opt-file')
def _():
    config = sequences.imported('postgrey', text='''# comment
POSTGREY_OPTS="--inet=10024 --delay=60"
POSTGREY_TEXT="wait %s s"
''')
    has(config, ':10024 policy', 'greylist for 1m ', '4.2.0 wait ${greylist.wait} s"')


@row('opt-last')
def _():
    has(config_of(['--delay=60', '--delay=120']), 'greylist for 2m ')
    for word in ('--del=60', '--Delay=60'):
        _, errors = sequences.run('import', 'postgrey', '-', text=f'postgrey {word}\n',
                                  status=(65,))
        has(errors, 'no such option')


@row('opt-wrong')
def _():
    out, errors = sequences.run('import', 'postgrey', '-', text='postgrey --bogus --delay=x\n',
                                status=(65,))
    has(errors, '--bogus', '--delay=x')
    has(out, 'greylist for 5m ')


@sequence('delay')
def _():
    standard = Case()
    for at, want in ((0, WAIT), (1, WAIT), (299, WAIT), (300, HEADER), (301, PASS)):
        standard.ask(at, want)
    minute = Case('--delay=60')
    for at, want in ((0, WAIT), (59, WAIT), (60, HEADER)):
        minute.ask(at, want)
    return [standard, minute]


@sequence('delay-zero')
def _():
    case = Case('--delay=0')
    for at, want in ((0, WAIT), (299, WAIT), (300, HEADER)):
        case.ask(at, want)
    return case


@sequence('window')
def _():
    cases = []
    for words, window in (([], 2 * DAY), (['--retry-window=2h'], 2 * HOUR),
                          (['--retry-window=1'], DAY)):
        case = Case(*words)
        case.ask(0, WAIT)
        case.ask(window, HEADER)
        case.ask(window + 1, WAIT, sender='late@sender.example')
        case.ask(2 * window + 2, WAIT, sender='late@sender.example')
        cases.append(case)
    return cases


@sequence('max-age')
def _():
    case = Case('--max-age=10', '--auto-whitelist-clients=0')
    returned(case, 0)
    case.ask(300 + 10 * DAY, PASS)
    case.ask(301 + 20 * DAY, WAIT)
    return case


@sequence('action')
def _():
    standard, code = Case(), Case('--greylist-action=451', '--greylist-text=4.7.0 later')
    standard.ask(0, re.compile('^DEFER_IF_PERMIT 4.2.0 Greylisted, see '), etrn_domain='')
    code.ask(0, '451 4.7.0 later', etrn_domain='')
    return [standard, code]


@sequence('action-other')
def _():
    case = Case('--greylist-action=HOLD', '--greylist-text=why')
    case.ask(0, 'HOLD 4.2.0 why', etrn_domain='')
    case.ask(299, 'HOLD 4.2.0 why', etrn_domain='')
    case.ask(300, HEADER)
    case.ask(301, PASS)
    return case


@sequence('text')
def _():
    case = Case('--greylist-text=back in %s s, %r; %s %r %x', recipient='bob@Sub.example.net')
    for at, left in ((0, 300), (1, 299), (299, 1)):
        case.ask(at, f'DEFER_IF_PERMIT 4.2.0 back in {left} s, Sub.example.net; %s %r %x',
                 etrn_domain='')
    return case


@sequence('header')
def _():
    case = Case('--x-greylist-header=X-G: %t of %t, %h, %d', '--hostname=mx.example.org')
    case.ask(0, WAIT)
    case.ask(400, re.compile(r'^PREPEND X-G: 400 of %t, mx\.example\.org, '
                             r'[A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} 20[0-9]{2} [0-9:]{8} '))
    return case


@row('header-version')
def _():
    has(config_of(['--x-greylist-header=X-G: postgrey-%v %v']), 'header "X-G: weighd %v"')


@row('hostname')
def _():
    has(config_of(['--hostname=mx.example.org']), 'hostname mx.example.org\n')
    has(config_of([]), ' by weighd at ${hostname}; ${date}"')


@row('by-subnet')
def _():
    same(config_of(['--lookup-by-subnet']), config_of([]))


@sequence('by-host')
def _():
    case = Case('--lookup-by-host')
    case.ask(0, WAIT)
    case.ask(300, WAIT, client_address='192.0.2.2')
    case.ask(300, HEADER)
    return case


@row('cidr')
def _():
    has(config_of(['--ipv4cidr=32', '--ipv6cidr=128']), ' by client_address,')
    has(config_of(['--ipv4cidr=28']), ' by client_network,')


def returns(case, count, begin=0):
    """So many triplets of a client return, an hour apart; the time when the last did."""
    for number in range(count):
        returned(case, begin + number * 2 * HOUR, sender=f'{"abcdefghij"[number]}@sender.example')
    return begin + (count - 1) * 2 * HOUR + 300


@sequence('trust-number')
def _():
    standard, two, never = Case(), Case('--auto-whitelist-clients=2'), Case(
        '--auto-whitelist-clients=0')
    at = returns(standard, 4)
    standard.ask(at + 1, WAIT, sender='new@sender.example')
    at = returns(two, 2)
    two.ask(at + 1, PASS, sender='new@sender.example')
    at = returns(never, 7)
    never.ask(at + 1, WAIT, sender='new@sender.example')
    return [standard, two, never]


@row('list-option')
def _():
    has(config_of([]), '"/etc/postgrey/whitelist_clients"\n',
        '"/etc/postgrey/whitelist_clients.local"\n', '"/etc/postgrey/whitelist_recipients"\n',
        '"/etc/postgrey/whitelist_recipients.local"\n')
    config = config_of(['--whitelist-clients=/a', '--whitelist-clients=/b'])
    has(config, '"/a"\n', '"/b"\n', '"/etc/postgrey/whitelist_recipients"\n')
    same('whitelist_clients' in config, False)


@row('list-missing')
def _():
    config = config_of(['--whitelist-clients=/missing/clients',
                        '--whitelist-recipients=/missing/recipients'])
    case = sequences.Sequence(config, client_address='192.0.2.1', sender='a@example.org',
                              recipient='b@example.net')
    case.ask(0, WAIT)
    case.check()


# --- protocol: the running daemon ---

REQUEST = {'request': 'smtpd_access_policy', 'protocol_state': 'RCPT', 'client_name': 'unknown',
           'client_address': '192.0.2.1', 'sender': 'a@example.org', 'recipient': 'b@example.net'}
DEFERRED = b'action=DEFER_IF_PERMIT 4.2.0 later\n\n'


def request(end='\n', **attributes):
    lines = [f'{name}={text}' for name, text in {**REQUEST, **attributes}.items()
             if text is not None]
    return (end.join(lines) + end + end).encode()


@row('protocol-lines')
def _():
    with postgrey_daemon.client() as client:
        same(client.ask(request()), DEFERRED)
        same(client.ask(request(end='\r\n')), DEFERRED)


@row('protocol-pipeline')
def _():
    with postgrey_daemon.client() as client:
        same(client.ask(request() + request(recipient='postmaster@example.net') + request(), 3),
             DEFERRED + b'action=DUNNO\n\n' + DEFERRED)


@row('protocol-reply')
def _():
    with postgrey_daemon.client() as client:
        same(client.ask(request(recipient='postmaster@example.net')), b'action=DUNNO\n\n')


@row('protocol-stray')
def _():
    with postgrey_daemon.client() as client:
        same(client.ask(b'nonsense\n' + request()), DEFERRED)


@row('protocol-other')
def _():
    with postgrey_daemon.client() as client:
        same(client.ask(request(request='junk_policy')), b'action=DUNNO\n\n')
        same(client.ask(request()), DEFERRED)


@row('protocol-half-close')
def _():
    with postgrey_daemon.client() as client:
        same(client.ask_and_close(request()), DEFERRED)


@row('protocol-clock')
def _():
    with postgrey_daemon.client() as client:
        same(client.ask(request(policy_test_time='1000000000')), DEFERRED)
        same(client.ask(request(policy_test_time='1000086400')), DEFERRED)


@row('fault-address')
def _():
    with postgrey_daemon.client() as client:
        for address in ('', 'unknown', 'not an address', '192.0.2.1.5'):
            same(client.ask(request(client_address=address)), b'action=DUNNO\n\n')
        same(client.ask(request(client_address=None)), b'action=DUNNO\n\n')
        same(client.ask(request()), DEFERRED)


@row('header-once')
def _():
    with postgrey_daemon.client() as client:
        def asked(recipient):
            return client.ask(request(sender='once@example.org', recipient=recipient,
                                      instance='one.message'))
        same(asked('first@example.net'), DEFERRED)  # it may return before the second can
        same(asked('second@example.net'), DEFERRED)
        header = servers.wait_for('the second recipient passes', lambda: other_than(
            DEFERRED, asked('second@example.net')))
        has(header.decode(), 'action=PREPEND X-Greylist: delayed ')
        same(asked('first@example.net'), b'action=DUNNO\n\n')


@row('header-no-instance')
def _():
    with postgrey_daemon.client() as client:
        def asked(recipient):
            return client.ask(request(sender='every@example.org', recipient=recipient))
        same(asked('first@example.net'), DEFERRED)
        same(asked('second@example.net'), DEFERRED)
        header = servers.wait_for('the second recipient passes', lambda: other_than(
            DEFERRED, asked('second@example.net')))
        has(header.decode(), 'action=PREPEND X-Greylist: delayed ')
        has(asked('first@example.net').decode(), 'action=PREPEND X-Greylist: delayed ')


def other_than(reply, have):
    return None if have == reply else have


@sequence('protocol-missing')
def _():
    case = Case()
    case.ask(0, PASS, client_address=None)
    case.ask(0, WAIT, client_name=None)
    return case


@sequence('protocol-ignored')
def _():
    case = Case()
    case.ask(0, WAIT, protocol_state='RCPT', sasl_username='anna', helo_name='localhost', size='1')
    case.ask(300, HEADER, protocol_state='DATA', helo_name='other.example', size='99999999')
    return case


@sequence('dsn')
def _():
    bare, coded = Case('--greylist-text=later'), Case('--greylist-text=4.7.1 later')
    bare.ask(0, 'DEFER_IF_PERMIT 4.2.0 later', etrn_domain='')
    coded.ask(0, 'DEFER_IF_PERMIT 4.7.1 later', etrn_domain='')
    return [bare, coded]


@sequence('null-sender')
def _():
    case = Case(sender='')
    for at, want in ((0, WAIT), (299, WAIT), (300, HEADER), (301, PASS)):
        case.ask(at, want)
    return case


@sequence('no-recipient')
def _():
    case = Case(recipient='')
    for at, want in ((0, WAIT), (299, WAIT), (300, HEADER), (301, PASS)):
        case.ask(at, want)
    return case


# --- order ---

@sequence('order-client-name')
def _():
    case = Case(clients='friend.example\n')
    case.ask(0, PASS, client_name='mx.friend.example')
    case.ask(0, WAIT, client_name='mx.other.example')
    return case


@sequence('order-client-address')
def _():
    case = Case(clients='192.0.2.1\n')
    case.ask(0, PASS)
    case.ask(0, WAIT, client_address='192.0.2.2')
    return case


@sequence('order-recipient')
def _():
    case = Case(recipients='bob@\n')
    case.ask(0, PASS)
    case.ask(0, WAIT, recipient='carol@example.net')
    return case


@sequence('order-no-trace')
def _():
    case = Case(clients='friend.example\n', recipients='bob@\n')
    case.ask(0, PASS, client_name='friend.example', recipient='carol@example.net')
    case.ask(300, WAIT, recipient='carol@example.net')
    case.ask(600, HEADER, recipient='carol@example.net')
    return case


@sequence('trust')
def _():
    case = Case()
    at = returns(case, 5)
    case.ask(at, PASS, sender='new@sender.example')
    case.ask(at + 1, PASS, sender='newer@sender.example', recipient='carol@example.net')
    case.ask(at + DAY, PASS, sender='newest@sender.example')
    return case


@sequence('trust-hourly')
def _():
    case = Case('--auto-whitelist-clients=2')
    returned(case, 0, sender='a@sender.example')
    returned(case, 3599, sender='b@sender.example')  # at 3899, but the first at 300: less than
    case.ask(3899, WAIT, sender='c@sender.example')  # an hour before
    case.ask(4199, HEADER, sender='c@sender.example')
    case.ask(4200, PASS, sender='d@sender.example')
    sooner = Case('--auto-whitelist-clients=2')
    returned(sooner, 0, sender='a@sender.example')
    sooner.ask(3600, WAIT, sender='b@sender.example')
    sooner.ask(3600, WAIT, sender='c@sender.example')
    sooner.ask(3900, HEADER, sender='b@sender.example')
    sooner.ask(3900, PASS, sender='c@sender.example')
    return [case, sooner]


@sequence('trust-address')
def _():
    case = Case('--auto-whitelist-clients=1')
    returned(case, 0)
    case.ask(301, PASS, sender='new@sender.example')
    case.ask(301, WAIT, sender='new@sender.example', client_address='192.0.2.2')
    return case


@sequence('trust-first')
def _():
    case = Case('--auto-whitelist-clients=2')
    returned(case, 0)
    for number in range(1, 5):
        case.ask(number * 2 * HOUR, PASS)
    case.ask(9 * HOUR, WAIT, sender='new@sender.example')
    return case


@sequence('trust-used')
def _():
    case = Case('--auto-whitelist-clients=1', '--max-age=10')
    returned(case, 0)
    for day in range(8, 40, 8):
        case.ask(day * DAY, PASS, sender=f'{"abcdefghij"[day // 8]}@sender.example')
    return case


@sequence('early')
def _():
    case = Case()
    for at in (0, 1, 2, 100, 250, 299):
        case.ask(at, WAIT)
    case.ask(300, HEADER)
    return case


@sequence('late')
def _():
    case = Case('--retry-window=2h')
    for at, want in ((0, WAIT), (100, WAIT), (7201, WAIT)):
        case.ask(at, want)
    return case


@sequence('late-again')
def _():
    case = Case('--retry-window=2h')
    for at, want in ((0, WAIT), (7201, WAIT), (7500, WAIT), (7501, HEADER)):
        case.ask(at, want)
    return case


@sequence('known')
def _():
    case = Case('--retry-window=2h', '--auto-whitelist-clients=0')
    returned(case, 0)
    for at in (7201, 2 * DAY, 30 * DAY, 64 * DAY):
        case.ask(at, PASS)
    return case


@sequence('clock-back')
def _():
    case = Case()
    for at, want in ((DAY, WAIT), (0, WAIT), (299, WAIT), (300, HEADER)):
        case.ask(at, want)
    return case


@sequence('header-first')
def _():
    case = Case()
    case.ask(0, WAIT)
    case.ask(345, re.compile('^PREPEND X-Greylist: delayed 345 seconds by '), instance='a')
    case.ask(346, PASS, instance='b')
    return case


# --- key ---

@sequence('key-network')
def _():
    return [same_triplet(({}, {'client_address': '192.0.2.255'})),
            other_triplet(({}, {'client_address': '192.0.3.1'}))]


@sequence('key-network-6')
def _():
    first = {'client_address': '2001:db8:1:2::1'}
    return [same_triplet((first, {'client_address': '2001:db8:1:2:ffff:ffff:ffff:ffff'})),
            other_triplet((first, {'client_address': '2001:db8:1:3::1'}))]


@sequence('key-case')
def _():
    return same_triplet(({}, {'sender': 'ANNA@Sender.Example', 'recipient': 'Bob@EXAMPLE.net'}))


@sequence('key-extension')
def _():
    return [senders(same_triplet, ('anna+1@x.example', 'anna+2@x.example'),
                    ('bob+a+b@x.example', 'bob@x.example'), ('+c@x.example', '+d@x.example')),
            senders(other_triplet, ('anna-1a@x.example', 'anna-2a@x.example'))]


@sequence('key-numbers')
def _():
    return [senders(same_triplet, ('bounce-1-2@x.example', 'bounce-333-4@x.example'),
                    ('list-bounce-12345-x9y-77@x.example', 'list-bounce-1-x9y-2@x.example'),
                    ('1@x.example', '22@x.example')),
            senders(other_triplet, ('msg1@x.example', 'msg2@x.example'),
                    ('a_1_b@x.example', 'a_2_b@x.example'))]


@sequence('key-batv')
def _():
    return senders(same_triplet,
                   ('prvs=0123456789=anna@x.example', 'prvs=9876543210=anna@x.example'),
                   ('prvs=bob=0123abcdef@x.example', 'prvs=bob=fedcba3210@x.example'),
                   ('prvs=0123abcdef=carol@x.example', 'carol@x.example'))


@sequence('key-batv-other')
def _():
    return [senders(same_triplet,
                    ('prvs=0A1B2C3D4E=anna@x.example', 'prvs=9F8E7D6C5B=anna@x.example'),
                    ('prvs=short=bob@x.example', 'bob@x.example')),
            senders(other_triplet, ('prvs=a=b=carol@x.example', 'carol@x.example'))]


@sequence('key-srs')
def _():
    return senders(other_triplet, ('SRS0=aaaa=T2=o.example=u@x.example',
                                   'SRS0=bbbb=T3=o.example=u@x.example'))


@sequence('key-domain')
def _():
    return senders(other_triplet, ('anna@m1.x.example', 'anna@m2.x.example'),
                   ('anna@1.x.example', 'anna@2.x.example'))


@sequence('key-recipient')
def _():
    return other_triplet(({'recipient': 'bob@example.net'}, {'recipient': 'bob+x@example.net'}),
                         ({'recipient': 'b-1@example.net'}, {'recipient': 'b-2@example.net'}))


@sequence('key-null')
def _():
    case = Case(sender='')
    case.ask(0, WAIT)
    case.ask(300, HEADER, client_address='192.0.2.99')
    case.ask(300, WAIT, recipient='carol@example.net')
    return case


@sequence('mapped')
def _():
    case = Case(client_address='::ffff:192.0.2.1')
    case.ask(0, WAIT)
    case.ask(300, HEADER, client_address='192.0.2.2')
    case.ask(300, WAIT, client_address='::ffff:198.51.100.1')
    return case


@sequence('key-slash')
def _():
    case = Case()
    case.ask(0, WAIT, sender='a', recipient='b/c@example.net')
    case.ask(300, WAIT, sender='a/b', recipient='c@example.net')
    return case


# --- store ---

DUMP = '''VERSION=3
format=print
type=btree
db_pagesize=4096
HEADER=END
 192.0.2.0//b@example.net
 1700000000,1700000299
 192.0.2.0/a\\2fb@x.example/c/d@example.net
 1700000000,1700000300
DATA=END
'''


def records(dump, *options):
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / 'dump'
        path.write_text(dump, encoding='utf-8')
        out, _ = sequences.run('import', 'postgrey', '-', '--database', path,
                               text=f'postgrey {shlex.join(options)}\n')
    return out.splitlines()


@row('store-import')
def _():
    waiting = ('{"kind":"greylist","set":"","key":"192.0.2.0/24 <> b@example.net","value":'
               '"first=1700000000000 last=1700000299000 passed=0 passes=0",'
               '"expires":1700172800001}')
    passed = ('{"kind":"greylist","set":"","key":"192.0.2.0/24 a/b@x.example c/d@example.net",'
              '"value":"first=1700000000000 last=1700000300000 passed=1700000300000 passes=1",'
              '"expires":1703024300001}')
    same(records(DUMP), [waiting, passed])
    same(records(in_bytes(DUMP)), [waiting, passed])
    same(records('VERSION=3\nformat=print\nHEADER=END\n 192.0.2.7\n 3,1700000000\nDATA=END\n'),
         ['{"kind":"known","set":"greylist.trusted","key":"192.0.2.7",'
          '"value":"3 1700000000000 1700000000000","expires":1703024000000}'])


def in_bytes(dump):
    def line_in_bytes(line):
        if not line.startswith(' '):
            return line.replace('format=print', 'format=bytevalue')
        text = re.sub(rb'\\([0-9a-f]{2})', lambda match: bytes.fromhex(match[1].decode()),
                      line[1:].encode())
        return f' {text.hex()}'
    return '\n'.join(line_in_bytes(line) for line in dump.splitlines()) + '\n'


@row('store-restart')
def _():
    now = int(time.time())
    weighd = postgrey_daemon.with_database(f'''VERSION=3
format=print
HEADER=END
 192.0.2.0/waits@example.org/b@example.net
 {now - 400},{now - 400}
 192.0.2.0//b@example.net
 {now - DAY},{now - 400}
 198.51.100.0/late@example.org/b@example.net
 {now - 3 * DAY},{now - 3 * DAY}
 198.51.100.7
 5,{now - 400}
DATA=END
''')
    for first_want in ('PREPEND X-Greylist: delayed 4', 'DUNNO'):
        weighd.start()
        with postgrey_daemon.client(weighd) as client:
            first = client.ask(request(sender='waits@example.org', client_address='192.0.2.9'))
            same(client.ask(request(sender='')), b'action=DUNNO\n\n')
            same(client.ask(request(sender='new@example.org')), DEFERRED)
            same(client.ask(request(sender='late@example.org', client_address='198.51.100.1')),
                 DEFERRED)
            same(client.ask(request(client_address='198.51.100.7')), b'action=DUNNO\n\n')
        weighd.stop()
        has(first.decode(), f'action={first_want}')


@row('store-mapped')
def _():
    same(records('VERSION=3\nformat=print\nHEADER=END\n 0:0:0:0:0:0:0:0/a@x/b@y\n 1,1\nDATA=END\n'),
         [])


# --- lists ---

def listed(clients, passing, waiting, attribute='client_name', recipients=''):
    case = Case(clients=clients, recipients=recipients)
    for text in passing:
        case.ask(0, PASS, **{attribute: text})
    for number, text in enumerate(waiting):
        case.ask(0, WAIT, **{'sender': f'{"abcdefghij"[number]}@list.example', attribute: text})
    return case


def listed_addresses(clients, passing, waiting):
    return listed(clients, passing, waiting, 'client_address')


def listed_recipients(recipients, passing, waiting):
    return listed('', passing, waiting, 'recipient', recipients)


@sequence('list-regex')
def _():
    return listed('/mail\\d+\\.x\\.example/\n/^only$/\n',
                  ('mail1.x.example', 'MAIL23.X.example.org', 'only'),
                  ('mail.x.example', 'mailA.x.example', 'only.example'))


@sequence('list-address')
def _():
    return listed_addresses('198.51.100.7\n198.51.101.0/25\n203.0.113.9/32\n',
                            ('198.51.100.7', '198.51.101.0', '198.51.101.127', '203.0.113.9'),
                            ('198.51.100.8', '198.51.101.128', '203.0.113.8'))


@sequence('list-three-octets')
def _():
    return listed_addresses('198.51.100\n', ('198.51.100.0', '198.51.100.255'), ('198.51.101.0',))


@sequence('list-two-octets')
def _():
    return listed_addresses('198.51\n', ('198.51.0.7', '198.51.255.255'), ('198.52.0.0',))


@sequence('list-ipv6')
def _():
    return listed_addresses('2001:db8:1::/48\n2001:db8:2::7\n',
                            ('2001:db8:1::1', '2001:db8:1:ffff::', '2001:db8:2::7'),
                            ('2001:db8:2::8', '2001:db8:3::1'))


@sequence('list-name')
def _():
    return listed('x.example\n', ('x.example', 'a.x.example', 'A.B.X.EXAMPLE'),
                  ('ax.example', 'x.example.org', 'example'))


@sequence('list-unknown')
def _():
    return listed('x.example\n', (), ('unknown',))


@sequence('list-comments')
def _():
    return listed('# all\n\n   x.example   # one\n\ty.example\t\n#z.example\n',
                  ('x.example', 'y.example'), ('z.example',))


@sequence('list-blanks')
def _():
    return listed('x.example y.example\nz.example\n', ('z.example',), ('x.example', 'y.example'))


@sequence('recipient-address')
def _():
    return listed_recipients('bob@example.net\n', ('bob@example.net', 'bob+x@example.net'),
                             ('bobby@example.net', 'bob@sub.example.net', 'a.bob@example.net'))


@sequence('recipient-user')
def _():
    return listed_recipients('bob@\n', ('bob@example.net', 'bob+x@example.org'),
                             ('bobby@example.net', 'a.bob@example.net'))


@sequence('recipient-domain')
def _():
    return listed_recipients('example.net\n', ('a@example.net', 'b@sub.example.net'),
                             ('a@example.org', 'a@notexample.net'))


@sequence('recipient-regex')
def _():
    return listed_recipients('/^trap-[0-9]+@/\n/x@example\\.net$/\n',
                             ('trap-12@example.org', 'maxx@example.net'),
                             ('trap-a@example.org', 'x@example.net.example'))


@sequence('recipient-case')
def _():
    return listed_recipients('Bob@Example.NET\nOPEN.example\n/^TRAP/\n',
                             ('bOB@eXAMPLE.nET', 'a@open.EXAMPLE', 'trap@x.example'),
                             ('carol@example.net',))


@row('list-shipped')
def _():
    folders = servers.UNPACKED / 'usr/share/postgrey', pathlib.Path('/etc/postgrey')
    folder = next((at for at in folders if (at / 'whitelist_clients').is_file()), None)
    if folder is None:
        print("# postgrey's own lists are not on this machine")
        return
    config = config_of([f'--whitelist-{kind}={folder / f"whitelist_{kind}"}'
                        for kind in ('clients', 'recipients')])
    case = sequences.Sequence(config, client_address='192.0.2.1', client_name='unknown',
                              sender='a@example.org', recipient='b@example.net')
    case.ask(0, PASS, recipient='postmaster@example.net')
    case.ask(0, PASS, recipient='Abuse+x@example.net')
    case.ask(0, WAIT)
    names = [line.split('#')[0].strip() for line in
             (folder / 'whitelist_clients').read_text().splitlines()]
    for name in filter(re.compile(r'[a-z0-9.-]*[a-z][a-z0-9.-]*$').match, names):
        case.ask(0, PASS, client_name=f'mx.{name}')
    case.check()


if __name__ == '__main__':
    try:
        sequences.main(TESTS, 'doc/postgrey.md')
    finally:
        postgrey_daemon.end()
