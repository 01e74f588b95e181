"""greylistd's behaviours, each a row of doc/greylistd.md.

Rows about time are sequences under a virtual clock, with the configuration that `weighctl import
greylistd` makes; rows about its protocol are asked of a running daemon over its socket.  WEIGHD
and WEIGHCTL name the programs.
"""

import atexit
import contextlib
import json
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import time

import sequences
from sequences import DAY, HOUR, Sequence, imported

TESTS = {}
SHIPPED = '[timeouts]\nretryMin = 600\nretryMax = 28800\nexpire = 5184000\n'
WAIT_S = 30


def row(name):
    return sequences.row(TESTS, name)


# --- under the virtual clock ---

def sequence(text=SHIPPED, **attributes):
    """A triplet of a client, as greylistd's ACL sends it."""
    return Sequence(imported('greylistd', text=text, replace=[(r'^table .*hosts.*$', ''),
                                                             (r'^\tpass if .*hosts.*$', '')]),
                    **{'client_address': '192.0.2.1', 'sender': 'a@example.net',
                       'recipient': 'b@example.org', **attributes})


@row('unknown-is-grey')
def _():
    seq = sequence()
    seq.ask(0, 'greylist')
    seq.ask(1, 'greylist', client_address='192.0.2.2')
    seq.ask(2, 'greylist', sender='c@example.net')
    seq.ask(3, 'greylist', recipient='c@example.org')
    seq.check()


@row('strictly-later')
def _():
    seq = sequence()
    seq.ask(0, 'greylist')
    seq.ask(599, 'greylist')
    seq.ask(600, 'greylist')
    seq.ask(601, 'pass')
    seq.check()


@row('early-tries-keep-first')
def _():
    seq = sequence()
    for at in range(0, 601, 60):
        seq.ask(at, 'greylist')
    seq.ask(601, 'pass')
    seq.check()


@row('white-stays')
def _():
    seq = sequence()
    seq.ask(0, 'greylist')
    seq.ask(700, 'pass')
    for day in range(1, 6):
        seq.ask(700 + day * 50 * DAY, 'pass')
    seq.check()


@row('white-expires')
def _():
    seq = sequence()
    seq.ask(0, 'greylist')
    seq.ask(700, 'pass')
    seq.ask(701 + 60 * DAY, 'greylist')
    seq.check()


@row('white-expires-exactly')
def _():
    seq = sequence()
    seq.ask(0, 'greylist')
    seq.ask(700, 'pass')
    seq.ask(1299, 'pass')
    seq.ask(1299 + 60 * DAY, 'pass')
    seq.ask(1299 + 120 * DAY + 1, 'greylist')
    seq.check()


@row('grey-expires')
def _():
    seq = sequence()
    seq.ask(0, 'greylist')
    seq.ask(8 * HOUR + 1, 'greylist')
    seq.ask(8 * HOUR + 1 + 601, 'pass')
    seq.check()


@row('lower-case')
def _():
    seq = sequence()
    seq.ask(0, 'greylist')
    seq.ask(601, 'pass', sender='A@EXAMPLE.net', recipient='B@example.ORG')
    seq.check()


@row('single-check-and-update')
def _():
    seq = sequence(SHIPPED + '[data]\nsinglecheck = true\nsingleupdate = true\n')
    seq.ask(0, 'greylist')
    seq.ask(601, 'pass')
    seq.ask(602, 'pass', sender='other@example.net')
    seq.ask(603, 'pass', recipient='other@example.org')
    seq.ask(604, 'greylist', client_address='192.0.2.2')
    seq.check()


@row('no-single')
def _():
    seq = sequence()
    seq.ask(0, 'greylist')
    seq.ask(601, 'pass')
    seq.ask(602, 'greylist', sender='other@example.net')
    seq.check()


@row('built-in-defaults')
def _():
    seq = sequence('[socket]\nmode = 0660\n')
    seq.ask(0, 'greylist')
    seq.ask(3600, 'greylist')
    seq.ask(3601, 'pass')
    seq.check()


@row('empty-sender')
def _():
    seq = sequence(sender='')
    seq.ask(0, 'greylist')
    seq.ask(601, 'pass')
    seq.ask(602, 'greylist', recipient='b@example.org, c@example.org')
    seq.check()


# --- the configuration ---

def explained(text, *arguments):
    return sequences.run('import', 'greylistd', '-', '--explain', *arguments, text=text,
                         status=(0, 65))


@row('config-file')
def _():
    config = imported('greylistd', text='[Timeouts]\nretryMin: 5\n; comment\n# comment\n'
                                        '[socket]\npath = /run/x/y\nmode = 0600\n')
    assert 'listen   "unix:/run/x/y" mode 0600 greylistd policy greylistd' in config, config
    assert 'greylist for 6s within 28800s remember 5184000s' in config, config


@row('config-unknown')
def _():
    _, errors = explained('[foo]\nbar = 1\n[timeouts]\nretrymin = 5\n')
    assert 'foo.bar' in errors and 'timeouts.retrymin' in errors, errors


@row('config-booleans')
def _():
    for word, want in (('yes', True), ('True', True), ('on', True), ('1', True), ('no', False),
                       ('off', False), ('false', False), ('0', False)):
        config = imported('greylistd', text=f'[data]\nsinglecheck = {word}\n')
        assert ('greylistd-clients' in config) == want, (word, config)


@row('config-storage')
def _():
    table, _ = explained('[data]\nupdate = 600\nstatefile = /x\ntripletfile = /y\n'
                         'savetriplets = no\n[socket]\nowner = a:b\n')
    for name in ('data.update', 'data.statefile', 'data.tripletfile', 'data.savetriplets',
                 'socket.owner'):
        assert re.search(rf'^dropped +{re.escape(name)} = .*: ', table, re.M), table


@row('host-files')
def _():
    with tempfile.TemporaryDirectory() as folder:
        hosts = pathlib.Path(folder) / 'hosts'
        hosts.write_text('# comment\n192.0.2.1\n198.51.100.0/24\n*.example.net\n^mail\\d+\\.\n')
        config = imported('greylistd', text=SHIPPED,
                          replace=[('/etc/greylistd/whitelist-hosts', str(hosts)),
                                   ('/var/lib/greylistd/whitelist-hosts', f'{folder}/none')])
        seq = Sequence(config, sender='a@b.example', recipient='c@d.example')
        seq.ask(0, 'pass', client_address='192.0.2.1', client_name='unknown')
        seq.ask(1, 'pass', client_address='198.51.100.7', client_name='unknown')
        seq.ask(2, 'pass', client_address='203.0.113.1', client_name='mx.example.net')
        seq.ask(3, 'pass', client_address='203.0.113.1', client_name='mail7.example.com')
        seq.ask(4, 'greylist', client_address='203.0.113.1', client_name='example.com')
        seq.check()


@row('import-state')
def _():
    with tempfile.TemporaryDirectory() as folder:
        states, triplets = pathlib.Path(folder, 'states'), pathlib.Path(folder, 'triplets')
        states.write_text('[white]\n-1 = 2000 1000 5\n[grey]\n2 = 1700 1600 2\n[black]\n'
                          '3 = 1800 1800 1\n[statistics]\nwhite = 1\nstart = 1000\n')
        triplets.write_text('-1 = 192.0.2.1 a@x b@y\n2 = 192.0.2.2 b@y\n3 = 2001:db8::1 c@x b@y\n'
                            '4 = 192.0.2.4 d@x b@y\n')
        output, _ = sequences.run('import', 'greylistd', '-', '--database', triplets,
                                  '--database', states, text=SHIPPED)
    lines = {entry['key']: entry for entry in map(json.loads, output.splitlines())}
    assert {key: entry['value'] for key, entry in lines.items()} == {
        '192.0.2.1 a@x b@y': 'first=1000000 last=2000000 passed=2000000 passes=5',
        '192.0.2.2 <> b@y': 'first=1600000 last=1700000 passed=0 passes=0',
        '2001:db8::1 c@x b@y': 'first=1800000 last=1800000 passed=0 passes=0 black',
    }, lines
    assert lines['192.0.2.1 a@x b@y']['expires'] == (2000 + 5184000) * 1000 + 1
    assert lines['192.0.2.2 <> b@y']['expires'] == (1600 + 28800) * 1000 + 1
    assert all(entry['kind'] == 'greylist' for entry in lines.values())


# --- over the socket ---

class Daemon:
    """weighd with the imported configuration, but for the wait: a second."""

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix='weighd-'))
        self.socket = self.folder / 'socket'
        config = imported('greylistd', text=f'[timeouts]\nretryMin = 0\nretryMax = 28800\n'
                                            f'[socket]\npath = {self.socket}\nmode = 0600\n',
                          replace=[('^log .*$', 'log stderr\nresolver 127.0.0.1:9')])
        config = config.replace('/var/lib/weighd', str(self.folder))
        config += f'control "{self.folder}/control"\n'
        (self.folder / 'weighd.conf').write_text(config)
        self.log = self.folder / 'log'
        self.start()

    def start(self):
        with open(self.log, 'ab') as log:
            self.process = subprocess.Popen(
                [os.environ.get('WEIGHD') or sequences.ROOT / 'build' / 'weighd', '--config',
                 self.folder / 'weighd.conf', '--workers', '2'], stderr=log)
        self.until('it listens', lambda: self.answers())

    def answers(self):
        if self.process.poll() is not None:
            raise AssertionError(self.log.read_text())
        with contextlib.suppress(OSError):
            return bool(self.ask('mrtg'))
        return False

    def until(self, what, is_true):
        end = time.monotonic() + WAIT_S
        while not is_true():
            if time.monotonic() > end:
                raise AssertionError(f'{what}: not in {WAIT_S} s')
            time.sleep(0.02)

    def send(self, data, half_close=True):
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(WAIT_S)
            client.connect(str(self.socket))
            if data:
                client.sendall(data)
            if half_close:
                client.shutdown(socket.SHUT_WR)
            answer = b''
            while part := client.recv(65536):
                answer += part
            return answer

    def ask(self, text, half_close=True):
        return self.send(text.encode(), half_close).decode()

    def stop(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        return self.process.wait(WAIT_S)

    def end(self):
        self.stop(signal.SIGKILL)
        shutil.rmtree(self.folder)


DAEMON = None


def daemon():
    global DAEMON
    if DAEMON is None:
        DAEMON = Daemon()
        atexit.register(DAEMON.end)
    return DAEMON


def expect(*pairs):
    for command, want in pairs:
        answer = daemon().ask(command)
        assert answer == want, f'{command!r}: {answer!r}, not {want!r}'


def passed(data):
    """It has come back in time."""
    daemon().until('it is white', lambda: daemon().ask(f'update {data}') == 'white')


@row('socket')
def _():
    assert stat.S_IMODE(os.stat(daemon().socket).st_mode) == 0o600
    expect(('update 192.0.2.10 a@x b@y', 'grey'))


@row('first-read-is-all')
def _():
    for half_close in (True, False):
        assert daemon().ask('check 192.0.2.11 a@x b@y', half_close) == 'grey'
    assert daemon().send(b'check 192.0.2.11 a@x b@y\r\n') == b'grey'


@row('update')
def _():
    data = '192.0.2.12 a@x b@y'
    expect((f'update {data}', 'grey'), (f'status {data}', 'grey'))
    passed(data)
    expect((data, 'white'), (f'status {data}', 'white'))


@row('update-option')
def _():
    data = '192.0.2.13 a@x b@y'
    expect((f'--grey {data}', 'true'), (f'update --black {data}', 'false'),
           (f'update --grey --white {data}', 'true'))


@row('bare-data')
def _():
    expect(('192.0.2.14 a@x b@y', 'grey'), ('status 192.0.2.14 a@x b@y', 'grey'))


@row('case-and-blanks')
def _():
    expect(('UPDATE  192.0.2.15\tA@X   b@y ', 'grey'), ('status 192.0.2.15 a@x b@y', 'grey'))


@row('check')
def _():
    data = '192.0.2.16 a@x b@y'
    expect((f'check {data}', 'grey'), (f'check --grey {data}', 'true'),
           (f'check --white {data}', 'false'), (f'status {data}', 'unseen'))


@row('status')
def _():
    expect(('status 192.0.2.17 a@x b@y', 'unseen'), ('status --white 192.0.2.17 x y', 'unseen'))


@row('add')
def _():
    for option, name in (('', 'white'), ('--white ', 'white'), ('--grey ', 'grey'),
                         ('--black ', 'black')):
        data = f'192.0.2.18 {name}@x b@y'
        expect((f'add {option}{data}', f'Added to {name}list'), (f'status {data}', name))


@row('add-decides')
def _():
    expect(('add 192.0.2.19 a@x b@y', 'Added to whitelist'), ('192.0.2.19 a@x b@y', 'white'),
           ('add --black 192.0.2.19 a@x b@y', 'Added to blacklist'),
           ('192.0.2.19 a@x b@y', 'black'), ('--black 192.0.2.19 a@x b@y', 'true'))


@row('delete')
def _():
    data = '192.0.2.20 a@x b@y'
    expect((f'delete {data}', 'error: Not found'), (f'add --black {data}', 'Added to blacklist'),
           (f'delete {data}', 'Removed from blacklist'), (f'status {data}', 'unseen'),
           (f'add {data}', 'Added to whitelist'), (f'delete --black {data}',
                                                   'Removed from whitelist'))


def cleared():
    expect(('clear', 'data and statistics cleared'))


LINE = r'  \d{4}-\d\d-\d\d \d\d:\d\d:\d\d  '


@row('list')
def _():
    cleared()
    expect(('list', ''), ('list --white', ''))
    daemon().ask('add 192.0.2.21 a@x b@y')
    daemon().ask('update 192.0.2.22 a@x b@y')
    answer = daemon().ask('list')
    assert re.fullmatch(
        r'\nWhitelist data:\n===============\n  Last Seen            Count  Data\n' + LINE +
        r'    1  192\.0\.2\.21 a@x b@y\n'
        r'\nGreylist data:\n==============\n  Last Seen            Count  Data\n' + LINE +
        r'    1  192\.0\.2\.22 a@x b@y\n', answer), answer
    assert daemon().ask('list --grey --white').index('Greylist') == 1
    assert 'Whitelist' not in daemon().ask('list --grey')


@row('list-is-long')
def _():
    cleared()
    for number in range(2500):
        daemon().ask(f'add --black 10.0.{number // 250}.{number % 250} a@x b@y')
    lines = daemon().ask('list').splitlines()
    assert len(lines) == 4 + 2500 and len(set(lines)) == 4 + 2500, len(lines)
    assert '2500 items, matching 2500 requests, are currently blacklisted' in daemon().ask('stats')
    cleared()
    expect(('list', ''))


@row('stats')
def _():
    cleared()
    daemon().ask('update 192.0.2.23 a@x b@y')
    daemon().ask('update 192.0.2.24 a@x b@y')
    passed('192.0.2.23 a@x b@y')
    heading, dashes, *lines = daemon().ask('stats').splitlines()
    assert re.fullmatch(r'Statistics since \w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4} '
                        r'\(\d+ (second|minute|hour|day)s? ago\)', heading), heading
    assert dashes == '-' * len(heading)
    assert lines == ['1 items, matching 1 requests, are currently whitelisted',
                     '1 items, matching 1 requests, are currently greylisted',
                     '0 items, matching 0 requests, are currently blacklisted',
                     '',
                     'Of 1 items that were initially greylisted:',
                     ' - 1 (100.0%) became whitelisted',
                     ' - 0 (  0.0%) expired from the greylist'], lines


@row('mrtg')
def _():
    cleared()
    daemon().ask('update 192.0.2.25 a@x b@y')
    passed('192.0.2.25 a@x b@y')
    grey, white, uptime, host, end = daemon().ask('mrtg').split('\n')
    assert (grey, white, end) == ('1', '1', '') and host == socket.gethostname()
    assert re.fullmatch(r'\d+ (second|minute|hour|day)s?', uptime), uptime


@row('save')
def _():
    expect(('save', 'greylistd data has been saved'))


@row('reload')
def _():
    before = daemon().log.read_text().count('all read again')
    expect(('reload', 'configuration and data reloaded'))
    daemon().until('it is read', lambda: daemon().log.read_text().count('all read again') > before)


@row('clear')
def _():
    cleared()
    for colour in ('white', 'grey', 'black'):
        daemon().ask(f'add --{colour} 192.0.2.26 {colour}@x b@y')
    expect(('clear --grey --black', 'data and statistics cleared'),
           ('status 192.0.2.26 grey@x b@y', 'unseen'), ('status 192.0.2.26 black@x b@y', 'unseen'),
           ('status 192.0.2.26 white@x b@y', 'white'), ('clear', 'data and statistics cleared'),
           ('list', ''))


@row('errors')
def _():
    for action in ('update', 'check', 'status', 'add', 'delete', '--grey'):
        expect((action, 'error: Missing argument'))
    for action in ('list', 'stats', 'mrtg', 'save', 'reload', 'clear', 'list --white'):
        expect((f'{action} foo', 'error: Too many arguments'))
    expect(('', 'error: No data received'), (' \n', 'error: No data received'),
           ('--nope x', "error: 'nope' is not a known state"),
           ('check --nope x', "error: 'nope' is not a known state"),
           ('add --foo x', "error: No such list: 'foo'"), ('list --foo', 'error: Invalid list: foo'),
           ('clear --foo', "error: Invalid list: 'foo'"))


@row('no-line-end')
def _():
    for command in ('192.0.2.27 a@x b@y', '--grey 192.0.2.27 a@x b@y', 'status 192.0.2.27 a@x b@y',
                    'add x', 'save', 'delete 192.0.2.28 nobody@x b@y'):
        assert not daemon().ask(command).endswith('\n'), command


@row('restart')
def _():
    passed('192.0.2.29 a@x b@y')
    daemon().stop(signal.SIGKILL)
    daemon().start()
    expect(('status 192.0.2.29 a@x b@y', 'white'), ('update 192.0.2.29 a@x b@y', 'white'))


@row('netmask')
def _():
    expect(('--grey 198.51.100.0/24 a@x b@y', 'true'),
           ('status 198.51.100.0 a@x b@y', 'grey'),
           ('--grey 2001.0db8.0000.0000.0000.0000.0000.0000/64 a@x b@y', 'true'),
           ('status 2001:db8:: a@x b@y', 'grey'))


@row('recipients-at-data')
def _():
    expect(('--grey 192.0.2.30 b@y, c@y', 'true'), ('--grey 192.0.2.30 b@y', 'true'))
    listed = daemon().ask('list --grey')
    assert '192.0.2.30 <> b@y,%20c@y\n' in listed and '192.0.2.30 <> b@y\n' in listed, listed


@row('hostile')
def _():
    """Whatever bytes come, an answer goes back, and the next client is served."""
    chance = random.Random(4)
    words = [b'update', b'check', b'status', b'add', b'delete', b'list', b'--white', b'--grey',
             b'-', b'--', b'192.0.2.31', b'a@x', b'\0', b'\xff\xfe', b'<>', b',', b'%s%n',
             b'/' * 300, b'x' * 5000, b'1.2.3.4/99', b'::/::', b'2001.0.0.0.0.0.0.0']
    for _ in range(400):
        data = b' '.join(chance.choice(words) for _ in range(chance.randrange(1, 8)))
        assert daemon().send(data) != b'' or b'list' in data, data
    assert daemon().send(bytes(chance.randrange(256) for _ in range(60000))) != b''
    expect(('check 192.0.2.32 a@x b@y', 'grey'))


if __name__ == '__main__':
    sequences.main(TESTS, 'doc/greylistd.md')
