"""weighctl greylist, limits, known and store: with a daemon and without, sqlite and Redis."""

import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import threading
import time

import scenarios
import servers

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / 'redis'))

import redis_servers  # noqa: E402

WEIGHCTL = os.environ['WEIGHCTL']
CONF = '''
listen inet:127.0.0.1:{port} policy inbound
control {folder}/control.sock
store {store}
user nobody
resolver 127.0.0.1:1
mode enforce
policy inbound {{
    remember client_address in honeypot for 1d if recipient.local = "trap"
    reject "5.7.1 trapped" if client_address in honeypot
    limit by-sender by sender 3/1h, 5/1d counting messages \
else defer "4.7.1 too many" if recipient.local = "bob"
    greylist for 1h by client_network, sender, recipient if recipient.local = "grey"
}}
'''
DAY_MS = 24 * 3600 * 1000
ENTRIES = 10000


def openssl(folder, *words):
    subprocess.run(['openssl', *map(str, words)], cwd=folder, check=True, capture_output=True)


def authority(folder, name, host):
    """A certificate that signs itself, for one host."""
    openssl(folder, 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256',
            '-nodes', '-days', '2', '-subj', f'/CN={name}', '-addext', f'subjectAltName={host}',
            '-keyout', f'{name}.key', '-out', f'{name}.crt')


def same(have, want, what=''):
    if have != want:
        raise AssertionError(f'{what}: have {have!r}, want {want!r}')


def holds(text, part):
    if part not in text:
        raise AssertionError(f'{part!r} is not in {text!r}')


def run(*words, stdin=None, **options):
    return subprocess.run([WEIGHCTL, *map(str, words)], input=stdin, capture_output=True,
                          text=True, timeout=120, check=False, **options)


def now_ms():
    return int(time.time() * 1000)


def triplet(key, **more):
    now = now_ms()
    entry = {'kind': 'greylist', 'set': '', 'key': key, 'expires': now + DAY_MS,
             'value': f'first={now} last={now} passed=0 passes=0'}
    entry.update(more)
    return entry


def tally(name, key, used=2):
    now = now_ms()
    return {'kind': 'limit', 'set': name, 'key': key, 'expires': now + DAY_MS,
            'value': f'window 86400000 {used} {now}+{used}'}


def known(name, key, value='1', expires=0):
    return {'kind': 'known', 'set': name, 'key': key, 'value': value, 'expires': expires}


def lines(entries):
    return ''.join(json.dumps(entry) + '\n' for entry in entries)


def read_lines(text):
    return [json.loads(line) for line in text.splitlines()]


def place(entry):
    return entry['kind'], entry['set'], entry['key']


def same_entries(have, want, slack_ms=0):
    """The same places and values; times may differ by what a server's clock does to them."""
    by_place = {place(entry): entry for entry in have}
    same(len(by_place), len(have), 'each once')
    same(sorted(set(by_place) ^ set(map(place, want))), [], 'places')
    for entry in want:
        other = by_place[place(entry)]
        same(other['value'], entry['value'], place(entry))
        if abs(other['expires'] - entry['expires']) > slack_ms or \
                (other['expires'] == 0) != (entry['expires'] == 0):
            raise AssertionError(f'{other} and {entry}')


class State:
    def __init__(self, world):
        self.world = world
        self.count = 0
        self.plain_redis = None
        self.weighd = self.daemon('daemon', 'sqlite "{folder}/state/state.db"')

    def conf(self, name, store):
        folder = self.world.folder / name
        folder.mkdir(exist_ok=True)
        if os.geteuid() == 0:
            shutil.chown(folder, 'nobody')
        path = folder / 'weighd.conf'
        path.write_text(CONF.format(port=servers.free_port(), folder=folder,
                                    store=store.replace('{folder}', str(folder))))
        return path

    def daemon(self, name, store):
        port = servers.free_port()
        folder = self.world.folder / name
        return self.world.make(servers.Weighd, name, os.environ['WEIGHD'],
                               CONF.format(port=port, folder=folder,
                                           store=store.replace('{folder}', str(folder))))

    def ctl(self, *words, want=0, weighd=None, stdin=None):
        weighd = weighd or self.weighd
        done = run(*words, '--control', weighd.folder / 'control.sock', stdin=stdin)
        same(done.returncode, want, f'{words}: {done.stdout[-500:]}{done.stderr[-500:]}')
        return done

    def json(self, *words, **more):
        return json.loads(self.ctl(*words, '-j', **more).stdout)

    def ask(self, weighd=None, **attributes):
        values = {'request': 'smtpd_access_policy', 'protocol_state': 'RCPT',
                  'client_address': '192.0.2.1', 'sender': 'anna@example.org',
                  'recipient': 'bob@example.com', 'instance': f'i{self.count}'}
        self.count += 1
        values.update(attributes)
        with socket.create_connection(('127.0.0.1', (weighd or self.weighd).port), 10) as client:
            client.sendall(''.join(f'{name}={value}\n' for name, value in values.items()).encode()
                           + b'\n')
            data = b''
            while not data.endswith(b'\n\n'):
                data += client.recv(4096)
        return data.decode().strip().removeprefix('action=')

    def control(self, line, weighd=None):
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(30)
            client.connect(str((weighd or self.weighd).folder / 'control.sock'))
            client.sendall(line + b'\n')
            data = b''
            while not data.endswith(b'\n'):
                more = client.recv(1 << 20)
                if not more:
                    raise AssertionError('closed without an answer')
                data += more
        return data

    # --- greylist ---

    def greylist(self, weighd=None):
        def grey(client='192.0.2.1', sender='anna@example.org'):
            return self.ask(weighd, client_address=client, sender=sender,
                            recipient='grey@example.com').split()[0]

        def ctl(*words, **more):
            return self.ctl('greylist', *words, weighd=weighd, **more)

        same(grey(), 'DEFER_IF_PERMIT')
        same(grey('2001:db8::7', 'carl@example.net'), 'DEFER_IF_PERMIT')
        key = '192.0.2.0/24 anna@example.org grey@example.com'
        entries = self.json('greylist', 'list', weighd=weighd)['entries']
        same([(entry['key'], entry['state']) for entry in sorted(entries, key=lambda e: e['key'])],
             [(key, 'waiting'), ('2001:db8::/64 carl@example.net grey@example.com', 'waiting')])
        shown = self.json('greylist', 'show', 'ANNA', weighd=weighd)
        same((shown['key'], shown['state'], shown['passes']), (key, 'waiting', 0))
        holds(ctl('show', 'grey@', want=1).stderr, key)
        holds(ctl('show', 'nobody', want=1).stderr, 'no key')
        holds(ctl('allow', 'anna', '--for', '2d').stdout, f'allowed: {key} until ')
        same(grey(), 'DUNNO')
        same(self.json('greylist', 'list', '--white', weighd=weighd)['entries'][0]['key'], key)
        # As long as was said, though the policy remembers for 35 days.
        expires = self.json('greylist', 'allow', 'anna', '--for', '400d', weighd=weighd)
        if abs(expires['expires_ms'] - now_ms() - 400 * DAY_MS) > DAY_MS:
            raise AssertionError(expires)
        same(grey(), 'DUNNO')
        shown = self.json('greylist', 'show', 'anna', weighd=weighd)
        same(shown['until_ms'], expires['expires_ms'])
        # Redis says it by its own clock.
        if abs(shown['expires_ms'] - expires['expires_ms']) > DAY_MS:
            raise AssertionError(shown)
        # And no longer: then it waits as any other.
        ctl('allow', 'anna', '--for', '1s')
        time.sleep(1)
        same(grey(), 'DEFER_IF_PERMIT')
        self.ctl('known', 'add', 'greylist.trusted', '192.0.2.0/24', weighd=weighd)
        holds(ctl('deny', 'anna').stderr, 'known remove greylist.trusted 192.0.2.0/24')
        self.ctl('known', 'remove', 'greylist.trusted', '192.0.2.0/24', weighd=weighd)
        denied = ctl('deny', 'anna')
        same((denied.stdout, denied.stderr), (f'denied: {key}\n', ''))
        same(grey(), '550')
        holds(ctl('list', '--black').stdout, key)
        holds(ctl('forget', 'anna').stdout, 'forgotten')
        ctl('forget', 'anna', want=1)
        ctl('forget', '--exact', key, want=1)
        same(self.json('greylist', 'list', 'anna', weighd=weighd)['entries'], [])
        # One that was never seen: three words are a whole key.
        ctl('allow', '198.51.100.0/24', 'Dora@example.org', 'grey@example.com')
        same(grey('198.51.100.9', 'dora@example.org'), 'DUNNO')
        ctl('allow', 'two words', want=1)
        ctl('allow', '--exact', 'two words')
        ctl('forget', 'two words')
        figures = self.json('greylist', 'stats', weighd=weighd)
        same((figures['delayed'], figures['back'], figures['white']), (1, 0, 1))
        report = self.json('greylist', 'report', '--since', '1d', weighd=weighd)
        same([group['name'] for group in report['networks']], ['2001:db8::/64'])
        same(report['domains'][0], {'name': 'example.com', 'delayed': 1, 'back': 0, 'never': 0,
                                    'longest_ms': report['domains'][0]['longest_ms']})
        same(self.json('greylist', 'report', '--since', '0', weighd=weighd)['delayed'], 0)
        never = self.json('greylist', 'list', '--never', '--after', '0', weighd=weighd)
        same(len(never['entries']), 1)
        ctl('forget', 'carl')
        ctl('forget', 'dora')

    def report_of_a_day(self):
        now = now_ms()
        entries = []
        for i in range(100):
            first = now - 8 * 3600 * 1000 - i * 1000
            back = i < 70
            passed = first + (i + 1) * 60000 if back else 0
            net = '2001:db8:1::/64' if i % 2 else 'org:example.org'
            entries.append(triplet(f'{net} s{i}@example.org r@d{i % 4}.example',
                                   value=f'first={first} last={passed or first} '
                                         f'passed={passed} passes={int(back)}'))
        self.ctl('store', 'import', stdin=lines(entries))
        report = self.json('greylist', 'report', '--count', '3')
        same((report['delayed'], report['back'], report['never'], report['waiting']),
             (100, 70, 30, 0))
        same(report['delay_ms']['longest'], 70 * 60000)
        if not 35 * 60000 <= report['delay_ms']['median'] <= 38 * 60000:
            raise AssertionError(report['delay_ms'])
        same([(group['name'], group['delayed'], group['back'], group['never'])
              for group in report['networks']],
             [('2001:db8:1::/64', 50, 35, 15), ('org:example.org', 50, 35, 15)])
        same(len(report['domains']), 3)
        text = self.ctl('greylist', 'report').stdout
        holds(text, 'not back after 4h')
        holds(text, '2001:db8:1::/64')
        same(len(self.json('greylist', 'list', '--never')['entries']), 30)
        same(len(self.json('greylist', 'list', '--waiting', '--after', '1d')['entries']), 30)
        same(len(self.json('greylist', 'list', '--passed', 's1')['entries']), 11)
        same(len(self.json('greylist', 'list', '--count', '7')['entries']), 7)

    # --- limits ---

    def limits(self, weighd=None):
        def ctl(*words, **more):
            return self.ctl('limits', *words, weighd=weighd, **more)

        def mail(sender):
            return self.ask(weighd, sender=sender).split()[0]

        same([mail('eve@example.org') for _ in range(4)], ['DUNNO'] * 3 + ['450'])
        same(mail('fritz@example.org'), 'DUNNO')
        shown = self.json('limits', 'show', 'eve', weighd=weighd)['limits']
        same([(use['period_ms'], use['used'], use['most']) for use in shown[0]['uses']],
             [(3600000, 3, 3), (DAY_MS, 3, 5)])
        same((shown[0]['limit'], shown[0]['key'], shown[0]['refused']),
             ('by-sender', 'eve@example.org', 1))
        if not 0 < shown[0]['uses'][0]['wait_ms'] <= 3600001:
            raise AssertionError(shown)
        top = self.json('limits', 'top', 'by-sender', '--count', '1', weighd=weighd)['limits']
        same([entry['key'] for entry in top], ['eve@example.org'])
        holds(ctl('show').stdout, '3 of 3 messages in 1h')
        ctl('show', 'nobody', want=1)
        holds(ctl('raise', 'by-sender', 'eve', '100/1h, 100/1d', '--for', '1h').stdout, 'raised')
        same(mail('eve@example.org'), 'DUNNO')
        raised = self.json('limits', 'show', 'eve', weighd=weighd)['limits'][0]
        same((raised['raised']['rates'], raised['uses'][0]['most']), ('100/1h, 100/1d', 100))
        ctl('raise', 'by-sender', 'eve', 'none', '--for', '0')
        same(mail('eve@example.org'), '450')
        ctl('reset', 'by-sender', 'eve')
        same(mail('eve@example.org'), 'DUNNO')
        # Raised before anything was counted.
        ctl('raise', 'by-sender', 'greta@example.org', 'none', '--for', '1h')
        same([mail('greta@example.org') for _ in range(8)], ['DUNNO'] * 8)
        holds(ctl('raise', 'by-sender', 'eve', '9/2h', '--for', '1h').stderr, 'no period of 2h')
        holds(ctl('raise', 'other', 'eve@example.org', '9/2h', '--for', '1h').stderr, 'no policy')
        for name, key in ('by-sender', 'eve'), ('by-sender', 'greta'), ('by-sender', 'fritz'), \
                ('other', 'eve'):
            ctl('reset', name, key)
        ctl('reset', 'by-sender', 'eve', want=1)
        same(self.json('limits', 'show', weighd=weighd)['limits'], [])

    # --- known ---

    def known(self, weighd=None):
        def ctl(*words, **more):
            return self.ctl('known', *words, weighd=weighd, **more)

        same(self.ask(weighd, recipient='trap@example.com').split()[0], 'DUNNO')
        servers.wait_for('the trap', lambda: self.ask(
            weighd, recipient='trap@example.com').split()[0] == '550')
        holds(ctl('list', 'honeypot').stdout, '192.0.2.1')
        ctl('remove', 'honeypot', '192.0.2.1')
        same(self.ask(weighd, sender='h@example.org').split()[0], 'DUNNO')
        ctl('add', 'honeypot', '2001:DB8::7', '--for', '1h', '--value', 'by hand')
        same(self.ask(weighd, client_address='2001:db8::7').split()[0], '550')
        entries = self.json('known', 'list', 'honeypot', weighd=weighd)['entries']
        same([(entry['key'], entry['value']) for entry in entries], [('2001:db8::7', 'by hand')])
        ctl('remove', 'honeypot', 'nobody', want=1)
        holds(ctl('add', 'honeypott', 'x').stderr, 'no policy remembers')
        ctl('remove', 'honeypott', 'x')
        ctl('remove', 'honeypot', '::7')
        same(ctl('sets').stdout.split(), ['honeypot', 'greylist.trusted'])
        self.ctl('limits', 'reset', 'by-sender', 'h@example.org', weighd=weighd)

    def changes_are_logged(self):
        log = self.weighd.log()
        uid = os.getuid()
        for line in (f'weighctl, uid {uid}: greylist 192.0.2.0/24 anna@example.org '
                     'grey@example.com allowed until ',
                     f'weighctl, uid {uid}: limit by-sender eve@example.org raised until ',
                     f'weighctl, uid {uid}: limit by-sender eve@example.org forgotten',
                     f'weighctl, uid {uid}: known honeypot 2001:db8::7 added until '):
            holds(log, line)

    # --- bad input ---

    def bad_calls(self):
        long = 'x' * 300
        for want, *words in (
                (64, 'greylist'), (64, 'greylist', 'nothing'), (64, 'greylist', 'show'),
                (64, 'greylist', 'list', '--for', '1d'), (64, 'greylist', 'stats', 'more'),
                (64, 'greylist', 'allow', 'k', '--for', 'soon'),
                (64, 'greylist', 'allow', 'k', '--for', '-1d'),
                (64, 'greylist', 'report', '--count', '0'),
                (64, 'greylist', 'report', '--count', '99999999999999999999'),
                (64, 'greylist', 'report', '--since', '200000d'),
                (65, 'greylist', 'allow', '--exact', 'k', '--for', '0'),
                (64, 'limits', 'raise', 'a', 'b', '1/1h'),
                (64, 'limits', 'raise', 'a', 'b', 'lots', '--for', '1h'),
                (64, 'limits', 'raise', 'a b', 'k', '1/1h', '--for', '1h'),
                (65, 'limits', 'raise', 'a', 'k', '1/1h', '--for', '1000d'),
                (64, 'limits', 'raise', long, 'k', '1/1h', '--for', '1h'),
                (64, 'limits', 'reset', 'a'), (64, 'limits', 'top', 'a', 'b'),
                (65, 'known', 'add', 'a b', 'k'), (65, 'known', 'add', long, 'k'),
                (65, 'known', 'add', 'classic.message.x', 'k'),
                (65, 'known', 'add', 'a', 'k', '--for', '0'),
                (65, 'known', 'add', 'a', 'k', '--value', 'two\nlines'),
                (64, 'known', 'add', 'a'), (1, 'known', 'remove', 'a', 'k'),
                (64, 'known', 'remove', '', 'k'),
                (64, 'store'), (64, 'store', 'export', 'a', 'b'),
                (64, 'store', 'export', '--dry-run'),
                (66, 'store', 'import', '/nowhere/at/all'),
                (73, 'store', 'export', '/nowhere/at/all')):
            done = self.ctl(*words, want=want)
            same(done.stderr != '', True, words)
        # Whatever is typed is shown escaped.
        done = self.ctl('greylist', 'show', '\x1b[31m\u202e', want=1)
        same('\x1b' in done.stderr or '\u202e' in done.stderr, False, 'escapes')
        # A key of any length has a place.
        self.ctl('greylist', 'deny', '--exact', long)
        self.ctl('greylist', 'forget', '--exact', long)
        same(run('greylist', 'list', '--control', '/nowhere').returncode, 69)

    def bad_requests(self):
        for line in (b'{"verb":"store"}', b'{"verb":"store","do":7}',
                     b'{"verb":"greylist","do":"rise"}',
                     b'{"verb":"store","do":"page"}', b'{"verb":"store","do":"page","kind":"x"}',
                     b'{"verb":"store","do":"page","kind":"limit","most":0}',
                     b'{"verb":"store","do":"page","kind":"limit","most":1001}',
                     b'{"verb":"store","do":"page","kind":"limit","part":"%s"}' % (b'x' * 256),
                     b'{"verb":"store","do":"put"}', b'{"verb":"store","do":"put","entries":{}}',
                     b'{"verb":"greylist","do":"allow"}',
                     b'{"verb":"greylist","do":"allow","key":7}',
                     b'{"verb":"greylist","do":"allow","key":"a\\u0000b"}',
                     b'{"verb":"greylist","do":"allow","key":"a","for_ms":-1}',
                     b'{"verb":"greylist","do":"allow","key":"a","for_ms":1e300}',
                     b'{"verb":"greylist","do":"allow","key":"%s"}' % (b'x' * 256),
                     b'{"verb":"limits","do":"reset","key":"a"}',
                     b'{"verb":"limits","do":"raise","set":"a","key":"a\\u0007","rates":"1/1h",'
                     b'"for_ms":1000}',
                     b'{"verb":"limits","do":"raise","set":"a","key":"a","rates":"1/1h"}',
                     b'{"verb":"known","do":"add","set":"a","key":"a","value":"\\u001b"}'):
            answer = json.loads(self.control(line))
            same((answer['ok'], 'error' in answer), (False, True), line)
        answer = json.loads(self.control(
            b'{"verb":"store","do":"put","entries":[7,{"kind":"known"},'
            b'{"kind":"known","set":"a","key":"k","value":"","expires":1}]}'))
        same((answer['ok'], answer['put'], answer['failed']), (True, 0, 3))
        same(json.loads(self.control(b'{"verb":"store","do":"figures"}'))['store']['kind'],
             'sqlite')

    def bad_lines(self):
        text = lines([known('imported', 'one')]) + 'rubbish\n\n' + \
            lines([{'kind': 'limits', 'key': 'k', 'value': ''},
                   {'kind': 'known', 'set': 'a b', 'key': 'k', 'value': ''},
                   {'kind': 'greylist', 'set': 'x', 'key': 'k', 'value': triplet('k')['value']},
                   triplet('k', value='first=1'), triplet('k', expires='soon'),
                   triplet('k', expires=-1), triplet('k' * 256), triplet(''),
                   triplet('gone', expires=now_ms() - 1),
                   known('imported', 'x', 'y' * (48 * 1024 + 1))]) + \
            '{"kind":"known","set":"imported","key":"x","value":"' + 'z' * 200000 + '"}\n' + \
            '[]\n' + lines([known('imported', 'quo"te\\', 'v')]).rstrip('\n')
        for dry in True, False:
            done = self.ctl('store', 'import', *(['--dry-run'] if dry else []), '-j', want=65,
                            stdin=text)
            said = json.loads(done.stdout)
            same((said['imported'], said['known'], said['expired'], said['bad'], said['dry_run']),
                 (2, 2, 1, 12, dry))
            same([line.split(':')[1] for line in done.stderr.splitlines()],
                 [f' line {number}' for number in (2, 4, 5, 6, 7, 8, 9, 10, 11, 13, 14, 15)])
            same(len(self.json('known', 'list', 'imported')['entries']), 0 if dry else 2)
        for key in 'one', 'quo':
            self.ctl('known', 'remove', 'imported', key)

    # --- much of it ---

    def ten_thousand(self, weighd=None):
        entries = [triplet(f'10.{i >> 8}.{i & 255}.0/24 s{i}@example.org r@example.com')
                   for i in range(ENTRIES)]
        self.ctl('store', 'import', '--dry-run', weighd=weighd, stdin=lines(entries))
        same(self.json('greylist', 'stats', weighd=weighd)['delayed'], 0)
        said = self.json('store', 'import', weighd=weighd, stdin=lines(entries))
        same((said['imported'], said['bad']), (ENTRIES, 0))
        slack = 10000 if weighd else 0
        same_entries(read_lines(self.ctl('store', 'export', weighd=weighd).stdout), entries, slack)
        same(len({entry['key'] for entry in
                  self.json('greylist', 'list', weighd=weighd)['entries']}), ENTRIES)
        same(self.json('greylist', 'show', 's9999@', weighd=weighd)['key'],
             '10.39.15.0/24 s9999@example.org r@example.com')
        same(len(self.json('greylist', 'list', 's12', weighd=weighd)['entries']), 111)
        holds(self.ctl('greylist', 'show', 'example', weighd=weighd, want=1).stderr, 'and more')
        same(self.json('greylist', 'report', weighd=weighd)['delayed'], ENTRIES)

    def export_under_load(self):
        before = read_lines(self.ctl('store', 'export').stdout)
        is_over = threading.Event()
        asked = []

        def load(number):
            while not is_over.is_set():
                asked.append(self.ask(sender=f'load{number}-{len(asked)}@example.org',
                                      recipient='grey@example.com'))
        threads = [threading.Thread(target=load, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        try:
            path = self.world.folder / 'export.jsonl'
            for _ in range(3):
                self.ctl('store', 'export', path)
                now = read_lines(path.read_text(encoding='utf-8'))
                kept = set(map(place, before)) & set(map(place, now))
                same(len(kept), len(before), 'what was there')
                same(len(set(map(place, now))), len(now), 'each once')
            same(path.stat().st_mode & 0o777, 0o600, 'mode')
        finally:
            is_over.set()
            for thread in threads:
                thread.join()
        if len(asked) < 10:
            raise AssertionError(f'{len(asked)} requests while exporting')

    def big_entries(self):
        """An answer stays below a megabyte whatever is in a page."""
        value = '\\' * (40 * 1024)
        entries = [known('imported', f'big{i:03}', value) for i in range(60)]
        done = self.ctl('store', 'import', want=65, stdin=lines(entries[:1]))
        holds(done.stderr, 'line 1: too long for the control socket')
        entries = [known('imported', f'big{i:03}', 'v' * (40 * 1024)) for i in range(60)]
        self.ctl('store', 'import', stdin=lines(entries))
        answer = self.control(b'{"verb":"known","do":"list","set":"imported","most":1000}')
        same(len(answer) < 1 << 20, True, len(answer))
        same(json.loads(answer)['more'], True)
        listed = self.json('known', 'list', 'imported')['entries']
        same([entry['key'] for entry in listed], [entry['key'] for entry in entries])
        for entry in entries:
            self.control(json.dumps({'verb': 'known', 'do': 'remove', **entry}).encode())

    # --- check ---

    def check_running(self):
        done = run('store', 'check', '--config', self.weighd.config)
        same(done.returncode, 0, done.stdout + done.stderr)
        for part in 'a weighd has it open', 'the file is whole', 'the daemon uses it':
            holds(done.stdout, part)
        said = json.loads(run('store', 'check', '-j', '--config', self.weighd.config).stdout)
        same(said['ok'], True)

    def check_broken(self):
        conf = self.conf('broken', 'sqlite "{folder}/state.db"')
        done = run('store', 'check', '--config', conf)
        same(done.returncode, 1, done.stdout)
        holds(done.stdout, 'No such file')
        source = self.weighd.folder / 'state' / 'state.db'
        path = conf.parent / 'state.db'
        subprocess.run([sys.executable, '-c',
                        'import sqlite3, sys; a = sqlite3.connect(sys.argv[1]);'
                        'a.backup(sqlite3.connect(sys.argv[2]))', source, path], check=True)
        same(run('store', 'check', '--config', conf).returncode, 0)
        whole = path.read_bytes()
        for at in range(8192, len(whole), 4096 * 7):
            broken = bytearray(whole)
            broken[at:at + 400] = bytes(255 - byte for byte in broken[at:at + 400])
            path.write_bytes(broken)
            done = run('store', 'check', '--config', conf)
            same((done.returncode, 'FAIL' in done.stdout), (1, True), f'{at}: {done.stdout}')
            break
        # One bit within a row, where the database itself cannot see it.
        broken = whole.replace(b's4321@example.org r@example', b's4321@example.org r@exbmple')
        same(broken != whole, True)
        path.write_bytes(broken)
        done = run('store', 'check', '--config', conf)
        same(done.returncode, 1, done.stdout)
        holds(done.stdout, 'do not hold their sums')
        path.write_bytes(whole[:len(whole) // 2 + 100])
        same(run('store', 'check', '--config', conf).returncode, 1)
        path.write_bytes(b'no database at all, but long enough to look like one' * 100)
        same(run('store', 'check', '--config', conf).returncode, 1)
        path.write_bytes(b'')
        holds(run('store', 'check', '--config', conf).stdout, 'no database of weighd')

    def check_redis(self):
        port = self.redis().port
        conf = self.conf('check-redis', f'redis 127.0.0.1:{port}')
        done = run('store', 'check', '--config', conf)
        same(done.returncode, 0, done.stdout)
        for part in 'answers in', 'master, version', 'keys, of whomever':
            holds(done.stdout, part)
        conf = self.conf('check-cluster', f'redis cluster 127.0.0.1:{port}')
        done = run('store', 'check', '--config', conf)
        same(done.returncode, 1)
        holds(done.stdout, 'it is no part of a cluster')
        conf = self.conf('check-down', f'redis 127.0.0.1:{servers.free_port()}')
        done = run('store', 'check', '--config', conf, '-j')
        same((done.returncode, json.loads(done.stdout)['ok']), (1, False))
        holds(done.stdout, 'Connection refused')

    def check(self, name, store, *parts, want=0):
        done = run('store', 'check', '--config', self.conf(name, store))
        same(done.returncode, want, done.stdout + done.stderr)
        for part in parts:
            holds(done.stdout, part)

    def check_password(self):
        server = self.world.make(redis_servers.Redis, 'closed', {'requirepass': 'sesame'})
        for name, text, want, part in (('password', 'sesame\n', 0, 'answers in'),
                                       ('password-bad', 'wrong', 1, 'WRONGPASS'),
                                       ('password-none', None, 1, 'NOAUTH')):
            path = self.world.folder / f'{name}.txt'
            path.write_text(text or '')
            path.chmod(0o600)
            more = f' {{ password_file "{path}" }}' if text else ''
            self.check(name, f'redis unix:{server.folder}/redis.sock{more}', part, want=want)

    def check_tls(self):
        folder = self.world.folder / 'certificates'
        folder.mkdir()
        authority(folder, 'ours', 'IP:127.0.0.1')
        authority(folder, 'other', 'IP:127.0.0.9')
        for name, ca, want, part in (('ours', 'ours', 0, 'master, version'),
                                     ('ours', 'other', 1, 'certificate verify failed'),
                                     ('other', 'other', 1, 'certificate verify failed')):
            server = redis_servers.Redis(self.folder(f'tls-{name}-{ca}'), {
                'port': 0, 'tls-cert-file': folder / f'{name}.crt',
                'tls-key-file': folder / f'{name}.key', 'tls-ca-cert-file': folder / 'ours.crt',
                'tls-auth-clients': 'no'})
            server.options['tls-port'] = server.port
            self.world.servers.append(server)
            server.start()
            self.check(f'check-tls-{name}-{ca}', f'redis 127.0.0.1:{server.port} '
                       f'{{ tls yes, ca_file "{folder}/{ca}.crt" }}', part, want=want)
            server.stop()

    def folder(self, name):
        folder = self.world.folder / name
        folder.mkdir()
        return folder

    def check_sentinel(self):
        port = self.redis().port
        sentinel = self.world.make(redis_servers.Sentinel, 'sentinel', port)
        self.check('sentinel-check', f'redis sentinel mail 127.0.0.1:{sentinel.port}',
                   f'the master is 127.0.0.1:{port}', 'master, version')
        self.check('sentinel-bad', f'redis sentinel post 127.0.0.1:{sentinel.port}',
                   "knows no master 'post'", want=1)

    def a_cluster(self):
        nodes = [self.world.make(redis_servers.Redis, f'node{i}', {
            'cluster-enabled': 'yes', 'cluster-config-file': 'nodes.conf',
            'cluster-node-timeout': 1000}) for i in range(3)]
        addresses = ', '.join(f'127.0.0.1:{node.port}' for node in nodes)
        store = f'redis cluster [{addresses}]'
        self.check('cluster-empty', store, "cluster is 'fail', 0 of 16384", want=1)
        for i, node in enumerate(nodes):
            node('CLUSTER', 'ADDSLOTSRANGE', 5462 * i, min(5462 * i + 5461, 16383))
            node('CLUSTER', 'MEET', '127.0.0.1', nodes[0].port)
        for node in nodes:
            servers.wait_for('the cluster', lambda node=node: 'cluster_state:ok' in
                             node('CLUSTER', 'INFO') and len(node('CLUSTER', 'SLOTS')) == 3)
        self.check('cluster', store, "cluster is 'ok', 16384 of 16384 slots served by 3 masters")
        self.check('no-cluster', f'redis 127.0.0.1:{nodes[0].port}', 'it is part of a cluster',
                   want=1)
        entries = [triplet(f'10.0.{i}.0/24 s{i}@example.org r@example.com') for i in range(250)] \
            + [tally('by-sender', f's{i}@example.org') for i in range(250)] \
            + [known('honeypot', f'192.0.2.{i}') for i in range(250)]
        conf = self.conf('cluster', store)
        done = run('store', 'import', '--config', conf, stdin=lines(entries))
        same(done.returncode, 0, done.stderr)
        done = run('store', 'export', '--config', conf)
        same(done.returncode, 0, done.stderr)
        same_entries(read_lines(done.stdout), entries, 10000)
        same(run('greylist', 'allow', 's77@', '--config', conf).returncode, 0)
        nodes[2].stop()
        servers.wait_for('the fault', lambda: 'cluster_state:fail' in
                         nodes[0]('CLUSTER', 'INFO'))
        self.check('cluster', store, "cluster is 'fail'", 'Connection refused', want=1)

    # --- without a daemon ---

    def redis(self):
        if self.plain_redis is None:
            self.plain_redis = self.world.make(redis_servers.Redis, 'redis')
        return self.plain_redis

    def move_there_and_back(self):
        entries = [triplet(f'10.0.{i}.0/24 s{i}@example.org r@example.com') for i in range(200)] \
            + [triplet('2001:db8::/64 a%20b@example.org <>',
                       value='first=1000 last=2000 passed=1500 passes=7 white')] \
            + [tally('by-sender', f's{i}@example.org', i + 1) for i in range(200)] \
            + [known('honeypot', f'192.0.2.{i}', f'wert ü "{i}"', now_ms() + DAY_MS)
               for i in range(200)] + [known('honeypot', '::1')]
        first = self.conf('first', 'sqlite "{folder}/state/state.db"')
        second = self.conf('second', f'redis 127.0.0.1:{self.redis().port} {{ prefix moved }}')
        third = self.conf('third', 'sqlite "{folder}/state/state.db"')
        text = lines(entries)
        for conf, slack in (first, 0), (second, 10000), (third, 10000):
            done = run('store', 'import', '--config', conf, stdin=text)
            same(done.returncode, 0, done.stderr)
            holds(done.stdout, f'imported {len(entries)} ')
            done = run('store', 'export', '--config', conf)
            same(done.returncode, 0, done.stderr)
            same_entries(read_lines(done.stdout), entries, slack)
            text = done.stdout
        same(run('greylist', 'show', 's77', '--config', second).returncode, 0)
        same(run('known', 'remove', 'honeypot', '::1', '--config', third).returncode, 0)
        same(run('known', 'remove', 'honeypot', '::1', '--config', third).returncode, 1)
        if os.geteuid() == 0:
            for path in (third.parent / 'state').iterdir():
                same(path.owner(), 'nobody', path)
        # Too long for a line of the control socket, but not for the store.
        entry = known('honeypot', 'long', '\\' * (48 * 1024))
        same(run('store', 'import', '--config', first, stdin=lines([entry])).returncode, 0)
        done = run('store', 'export', '--config', first)
        same([other for other in read_lines(done.stdout) if other['key'] == 'long'], [entry])

    def a_store_in_use(self):
        conf = self.conf('in-use', f'sqlite "{self.weighd.folder}/state/state.db"')
        done = run('greylist', 'list', '--config', conf)
        same(done.returncode, 69)
        holds(done.stderr, 'in use by another weighd')
        # With its own configuration the daemon is asked.
        same(run('greylist', 'stats', '--config', self.weighd.config).returncode, 0)
        conf = self.conf('in-memory', 'memory')
        done = run('greylist', 'list', '--config', conf)
        same(done.returncode, 69)
        holds(done.stderr, 'not running')
        conf.write_text('store nowhere\n')
        same(run('greylist', 'list', '--config', conf).returncode, 78)
        same(run('greylist', 'list', '--config', '/nowhere').returncode, 66)

    def a_store_that_is_down(self):
        conf = self.conf('down', f'redis 127.0.0.1:{servers.free_port()}')
        done = run('store', 'export', '--config', conf)
        same(done.returncode, 75, done.stderr)
        holds(done.stderr, 'not complete')
        done = run('store', 'import', '--config', conf, stdin=lines([known('a', 'b')]))
        same(done.returncode, 75, done.stderr)
        holds(done.stdout, 'imported 0')

    def with_redis(self):
        weighd = self.daemon('with-redis', f'redis 127.0.0.1:{self.redis().port}'
                                           ' { prefix second }')
        self.greylist(weighd)
        self.limits(weighd)
        self.known(weighd)
        self.ten_thousand(weighd)
        self.redis().stop()
        servers.wait_for('the fault', lambda: run(
            'greylist', 'list', '--control', weighd.folder / 'control.sock').returncode == 75)
        holds(self.ctl('store', 'import', weighd=weighd, want=75,
                       stdin=lines([triplet('k')])).stderr, 'not written')
        servers.wait_for('the word', lambda: 'The store is down' in
                         self.ctl('status', weighd=weighd).stdout)
        done = run('store', 'check', '--config', weighd.config)
        same(done.returncode, 1)
        holds(done.stdout, 'and it is down')

    def with_memory(self):
        weighd = self.daemon('with-memory', 'memory')
        self.greylist(weighd)
        self.limits(weighd)
        self.known(weighd)

    def salvage(self):
        weighd = self.daemon('salvage', 'sqlite "{folder}/state/state.db"')
        path = weighd.folder / 'state' / 'state.db'
        entries = [triplet(f'192.0.2.0/24 s{i}@example.org r') for i in range(2000)]
        entries += [tally('by-sender', f's{i}@example.org') for i in range(300)]
        entries += [known('honeypot', f'2001:db8::{i:x}') for i in range(300)]
        entries += [known('honeypot', 'long', '\\"x' * 8000), known('honeypot', 'ünïcode', 'ä')]
        self.ctl('store', 'import', weighd=weighd, stdin=lines(entries))
        done = run('store', 'salvage', path)
        same(done.returncode, 75, done.stderr)
        holds(done.stderr, 'weighctl store export')
        weighd.stop()
        whole = path.read_bytes()
        target = self.world.folder / 'salvaged'
        done = run('store', 'salvage', path, target, '-j')
        same(done.returncode, 0, done.stderr)
        same(json.loads(done.stdout), {
            'ok': True, 'salvaged': len(entries), 'known': 302, 'limit': 300, 'greylist': 2000,
            'expired': 0, 'refused': 0, 'pages': len(whole) // 4096, 'damaged_pages': 0,
            'missing_pages': 0, 'journal_is_damaged': False})
        same(target.stat().st_mode & 0o777, 0o600)
        same_entries(read_lines(target.read_text()), entries)
        # SQLite does not read it any more: a page in ten is gone, and so is its head.
        damaged = bytearray(whole)
        for at in range(0, len(damaged), 40960):
            damaged[at:at + 4096] = bytes(4096)
        damaged = bytes(damaged[:-4096])
        path.write_bytes(damaged)
        same(run('store', 'check', '--config', weighd.config).returncode, 1)
        done = run('store', 'salvage', path)
        same(done.returncode, 0, done.stderr)
        have = read_lines(done.stdout)
        wanted = {place(entry): entry for entry in entries}
        same([entry for entry in have if wanted.get(place(entry)) != entry], [])
        if not 0.6 * len(entries) < len(have) < len(entries):
            raise AssertionError(f'{len(have)} of {len(entries)}: {done.stderr}')
        same(path.read_bytes(), damaged)
        same(sorted(name.name for name in path.parent.iterdir()), ['state.db', 'state.db.lock'])
        # Set aside by the daemon, salvaged, read in again.
        weighd.start()
        aside, = path.parent.glob('state.db.damaged-*')
        done = run('store', 'import', '--control', weighd.folder / 'control.sock',
                   stdin=run('store', 'salvage', aside).stdout)
        holds(done.stdout, f'imported {len(have)} ')
        same_entries(read_lines(self.ctl('store', 'export', weighd=weighd).stdout), have)
        self.bad_salvages(aside)

    def bad_salvages(self, aside):
        before = aside.read_bytes()
        nothing = self.world.folder / 'nothing'
        nothing.write_bytes(b'')
        for words, want, part in (
                ([], 64, 'needs more arguments'), ([aside, 'a', 'b'], 64, 'takes fewer'),
                ([aside, aside], 73, 'what is to be read'),
                ([self.world.folder / 'none'], 66, 'No such file'),
                ([self.world.folder], 66, 'it is no file'), (['/dev/null'], 66, 'it is no file'),
                ([nothing], 65, 'salvaged 0 '), ([aside, '/nowhere/x'], 73, 'No such file'),
                (['--dry-run', aside], 64, 'takes no --dry-run'),
                ([aside, '/dev/full'], 74, 'cannot write')):
            done = run('store', 'salvage', *words)
            same(done.returncode, want, f'{words}: {done.stderr}')
            holds(done.stderr, part)
        same(aside.read_bytes(), before)

    # --- the shell ---

    def complete(self, line):
        root = pathlib.Path(__file__).resolve().parents[2]
        script = f'''
weighctl() {{ {WEIGHCTL} "$@"; }}
source {root}/conf/completion/weighctl.bash
COMP_LINE=$1 COMP_POINT=${{#1}}
IFS=$' \\t@:' read -r -a COMP_WORDS <<<"$1x"
COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
COMP_WORDS[COMP_CWORD]=${{COMP_WORDS[COMP_CWORD]%x}}
_weighctl
printf '%s\\n' "${{COMPREPLY[@]}}"
'''
        done = subprocess.run(['bash', '-c', script, 'bash', line], capture_output=True, text=True,
                              timeout=60, check=True)
        return done.stdout.split()

    def completion(self):
        where = f'--control {self.weighd.folder}/control.sock '
        self.ctl('store', 'import', stdin=lines([
            triplet('192.0.2.0/24 zoe@example.org zora@example.com'),
            tally('by-sender', 'zacharias@example.org'), known('honeypot', '2001:db8::99'),
            known('honeypot', 'hostile$(id);x')]))
        for line, want in (
                ('weighctl gr', ['greylist']), ('weighctl st', ['status', 'store']),
                ('weighctl greylist sh', ['show']), ('weighctl store sa', ['salvage']), ('weighctl known ', None),
                ('weighctl greylist list --wh', ['--white']),
                (f'weighctl greylist show {where}zo',
                 ['zoe@example.org', 'zora@example.com']),
                (f'weighctl greylist show {where}zoe@exa', ['example.org']),
                (f'weighctl limits top {where}by', ['by-sender']),
                (f'weighctl limits reset {where}by-sender za', ['zacharias@example.org']),
                (f'weighctl known list {where}ho', ['honeypot']),
                (f'weighctl known remove {where}honeypot 2001:db8::9', ['99']),
                (f'weighctl known remove {where}honeypot 2001', ['2001:db8::99']),
                (f'weighctl known remove {where}honeypot hos', ['hostile\\$\\(id\\)\\;x']),
                # names of files are readline's, which quotes them
                ('weighctl status --control /et', []), ('weighctl store export /et', []),
                ('weighctl greylist show --control /nowhere a', [''])):
            have = self.complete(line)
            if want is None:
                same(have, ['list', 'add', 'remove', 'sets', 'keys'], line)
            else:
                same(have, [word for word in want if word], line)


TESTS = [
    ('greylist', State.greylist),
    ('limits', State.limits),
    ('known', State.known),
    ('changes are logged', State.changes_are_logged),
    ('bad calls', State.bad_calls),
    ('bad requests', State.bad_requests),
    ('bad lines', State.bad_lines),
    ('10,000 entries', State.ten_thousand),
    ('export under load', State.export_under_load),
    ('big entries', State.big_entries),
    ('check while it runs', State.check_running),
    ('check what is broken', State.check_broken),
    ('check Redis', State.check_redis),
    ('check a Redis with a password', State.check_password),
    ('check a Redis with TLS', State.check_tls),
    ('check what a sentinel names', State.check_sentinel),
    ('a cluster', State.a_cluster),
    ('from sqlite to Redis and back', State.move_there_and_back),
    ('salvage', State.salvage),
    ('a store in use', State.a_store_in_use),
    ('a store that is down', State.a_store_that_is_down),
    ('completion', State.completion),
    ('a report', lambda state: State.report_of_a_day(fresh(state))),
    ('with Redis', State.with_redis),
    ('with a store in memory', State.with_memory),
]


def fresh(state):
    """The same, with a daemon that knows nothing yet."""
    state.weighd = state.daemon('fresh', 'sqlite "{folder}/state/state.db"')
    return state


if __name__ == '__main__':
    sys.exit(scenarios.main(TESTS, State))
