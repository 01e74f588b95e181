#!/usr/bin/env python3
"""weighd beside the real postgrey: the same requests under the same virtual clock.

    postgrey_side.py [--requests N] [--seed N]

Each world is a set of postgrey's options, imported (weighctl import postgrey) on one side and
given to the real program on the other, and a sequence of requests: those of the rows of
doc/postgrey.md, then random ones.  What postgrey is told in policy_test_time weighctl replay is
told in "at".  Compared are verdict, the whole text of a deferral, and the seconds in the header of
a first return.  A difference must belong to a row of the document that says "differs"; how many
each row explains is said.  TAP; skipped where postgrey is not unpacked.
"""

import argparse
import heapq
import ipaddress
import json
import os
import pathlib
import pwd
import random
import re
import shlex
import socket
import subprocess
import sys
import tempfile

import sequences
from sequences import DAY, HOUR

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / 'e2e'))

import servers  # noqa: E402

DOCUMENT = 'doc/postgrey.md'
START_S = int(sequences.START.timestamp())
READY_S = 20
BATCH = 20  # in one packet; of hundreds it leaves some unanswered


class Postgrey:
    """The real program, with a database of its own."""

    def __init__(self, folder, options):
        self.folder = folder
        self.socket_path = folder / 'socket'
        self.log_path = folder / 'log'
        self.options = options
        self.process = None

    def __enter__(self):
        program = servers.find('postgrey')
        root = servers.UNPACKED
        libraries = [root / 'usr/share/perl5', *(root / 'usr/lib').glob('*-linux-gnu*/perl5/5*')]
        user = 'nobody' if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
        group = servers.user_group(user)
        database = self.folder / 'db'
        database.mkdir()
        if os.geteuid() == 0:
            os.chown(database, pwd.getpwnam(user).pw_uid, pwd.getpwnam(user).pw_gid)
        with open(self.log_path, 'wb') as log:
            self.process = subprocess.Popen(
                ['perl', '-T', *(word for path in libraries for word in ('-I', str(path))), program,
                 f'--unix={self.socket_path}', f'--dbdir={database}', f'--user={user}',
                 f'--group={group}', *self.options],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env={**os.environ, 'LD_LIBRARY_PATH': servers.library_path(), 'TZ': 'UTC'})
        servers.wait_for('postgrey listens', self.is_ready, READY_S)
        return self

    def is_ready(self):
        if self.process.poll() is not None:
            raise servers.Missing(f'postgrey does not start: {self.log()[-500:]}')
        try:
            self.connect().close()
            return True
        except OSError:
            return False

    def connect(self):
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(READY_S)
        client.connect(str(self.socket_path))
        return client

    def log(self):
        return self.log_path.read_text(errors='replace')

    def __exit__(self, *_):
        self.process.kill()  # SIGTERM it heeds only between two events, or never
        self.process.wait()

    def ask_all(self, asked):
        """The action for each of (at, attributes)."""
        actions = []
        with self.connect() as client:
            for begin in range(0, len(asked), BATCH):
                batch = asked[begin:begin + BATCH]
                client.sendall(b''.join(request_of(at, attributes) for at, attributes in batch))
                actions += read_actions(client, len(batch))
        return actions


def request_of(at, attributes):
    lines = [name.encode() + b'=' + (text if isinstance(text, bytes) else str(text).encode())
             for name, text in attributes.items()]
    lines.append(b'policy_test_time=%d' % (START_S + int(at)))
    return b'\n'.join(lines) + b'\n\n'


def read_actions(client, count):
    data = b''
    while data.count(b'\n\n') < count:
        more = client.recv(65536)
        if not more:
            raise AssertionError('postgrey has closed the connection')
        data += more
    return [line.removeprefix(b'action=').decode(errors='surrogateescape')
            for line in data.split(b'\n\n')[:count]]


# --- comparing ---

DELAYED = re.compile(r'delayed (\d+) seconds')
DATE = re.compile(r'[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d (UTC|\+0000)')


def outcome(action):
    """What a mail gets of it, and what of the text is to be equal."""
    word = action.split(' ', 1)[0]
    if word == 'DUNNO':
        return 'pass', ''
    if word == 'PREPEND':
        seconds = DELAYED.search(action)
        return 'pass', seconds.group(1) if seconds else DATE.sub('DATE', action)
    return 'wait', action


def compare(world, allowed):
    """(requests, {row: differences}); AssertionError names what no row explains."""
    with tempfile.TemporaryDirectory(prefix='weighd-') as folder:
        path = pathlib.Path(folder)
        path.chmod(0o755)
        with Postgrey(path, world.options) as postgrey:
            theirs = postgrey.ask_all(world.asked)
    ours = world.sequence().decide()
    counts, wrong = {}, []
    for decision, action in zip(ours, theirs):
        differs = outcome(decision.reply) != outcome(action)
        row = world.row_of(decision.at, decision.attributes)
        world.remember(decision.at, decision.attributes, (decision.reply, action))
        if not differs:
            continue
        if row in allowed:
            counts[row] = counts.get(row, 0) + 1
        else:
            wrong.append(f'postgrey: {action!r}; {decision} (row: {row})')
    if wrong:
        raise AssertionError('\n'.join(wrong[:20] + [f'{len(wrong)} differences that no row of '
                                                     f'{DOCUMENT} explains']))
    return len(ours), counts


# --- worlds ---

class World:
    """Options, lists and a sequence of requests."""

    def __init__(self, options, folder, lists=('', '')):
        self.lists = [folder / 'clients', folder / 'recipients']
        for path, text in zip(self.lists, lists):
            path.write_text(text)
            path.chmod(0o644)
        folder.chmod(0o755)
        self.options = [*options, f'--whitelist-clients={self.lists[0]}',
                        f'--whitelist-recipients={self.lists[1]}']
        self.asked = []

    def command_line(self):
        return f'postgrey --inet=10023 {shlex.join(self.options)}\n'

    def config(self):
        return sequences.imported('postgrey', text=self.command_line())

    def sequence(self):
        sequence = sequences.Sequence(self.config())
        for at, attributes in self.asked:
            sequence.ask(at, **attributes)
        return sequence

    def row_of(self, at, attributes):
        """The row of the document to which a request belongs."""
        return None

    def remember(self, at, attributes, replies):
        """A request was decided."""


LISTS = ('''
/^mail\\d+\\.pool\\.example$/   # a pool
friend.example
198.18.1.7
198.18.2
198.18.4.0/22
203.0
2001:db8:aa::/48
two words
''', '''
postmaster@
anna@example.net
open.example.net   # all of it
/^trap-\\d+@/
''')

TRIES_MAX = 6


class Random(World):
    """Requests by seed: few networks, senders that change from mail to mail, retries at the
    boundaries of all that is counted."""

    def __init__(self, options, folder, seed, requests):
        super().__init__(options, folder, LISTS)
        self.random = random.Random(seed)
        numbers = dict(re.findall(r'--(delay|max-age)=(\d+)', ' '.join(options)))
        self.delay = int(numbers.get('delay', 300))
        self.max_age = int(numbers.get('max-age', 35)) * DAY
        window = re.search(r'--retry-window=(\d+)(h?)', ' '.join(options))
        self.window = int(window[1]) * (HOUR if window[2] else DAY) if window else 2 * DAY
        self.is_by_host = '--lookup-by-host' in options
        self.used, self.raised, self.spoilt = {}, {}, set()
        self.plan(requests)

    # -- who sends what --

    def client(self):
        choose = self.random
        net = choose.randrange(12)
        if net < 6:
            address = f'192.0.{choose.randrange(3)}.{choose.choice((1, 2, 3, 254))}'
        elif net < 8:
            address = '2001:db8:{}:{}::{:x}'.format(
                choose.randrange(2), choose.randrange(2), choose.randrange(1, 4))
        elif net < 9:
            address = choose.choice(('198.18.1.7', '198.18.1.8', '198.18.2.9', '198.18.3.255',
                                     '198.18.4.0', '198.18.7.255', '198.18.8.0', '2001:db8:aa:5::1',
                                     '2001:db8:ab::1', '203.0.0.7', '203.0.113.5'))
        elif net < 10:
            address = f'::ffff:100.64.{choose.randrange(3)}.1'
        else:
            address = f'198.51.100.{choose.randrange(256)}'
        name = choose.choice(('unknown',) * 4 + (
            'mx.sender.example', 'mail7.pool.example', 'mail7.pool.example.org', 'Friend.Example',
            'a.b.friend.example', 'notfriend.example', 'mailx.pool.example', ''))
        return address, name

    def sender(self):
        choose = self.random
        number = choose.choice(('1', '17', '20261120', '007'))
        return choose.choice((
            '', 'anna@sender.example', 'Anna@Sender.EXAMPLE', f'anna+{number}@sender.example',
            f'bounce-{number}@list.example', f'bounce-{number}-x9y-{number}@list.example',
            f'bounce.{number}.a{number}b@list.example', f'{number}@list.example',
            f'prvs=0123456{number:>03.3}=bob@batv.example',
            f'prvs=bob=0123456{number:>03.3}@batv.example',
            f'prvs=short{number[:1]}=bob@batv.example', 'prvs=ABCDEF0123=bob@batv.example',
            f'SRS0=aB{number[:1]}=XY=origin.example=user@forward.example',
            f'a/b-{number}@slash.example', 'x_12_y@under.example', 'x=12=y@equals.example',
            f'msg{number}@list.example', 'root', 'a+@plus.example', '+tag@plus.example',
            f'a+b+{number}@plus.example', 'a b@blank.example', '"q+r"@quoted.example',
            f'n{number}@{number}.example', 'u@sub-12.example', '%41@percent.example',
            "o'neil@example.org", 'two@at@example.org'))

    def recipient(self):
        return self.random.choice((
            'bob@example.net', 'Bob@Example.NET', 'bob+list@example.net', 'carol@example.net',
            'postmaster@example.net', 'PostMaster+x@example.org', 'anna@example.net',
            'anna+x@example.net', 'annabel@example.net', 'd@open.example.net',
            'd@sub.open.example.net',
            'd@notopen.example.net', 'trap-12@example.net', 'xtrap-12@example.net', ''))

    # -- when --

    def tries(self, at):
        """Times of the attempts of one triplet, from its first."""
        delay, window = self.delay, self.window
        offsets = (0, 1, delay - 1, delay, delay + 1, HOUR - 1, HOUR, HOUR + 1, 2 * HOUR,
                   window - 1, window, window + 1, 2 * window, delay + window,
                   self.random.randrange(4 * HOUR),
                   self.random.randrange(10 * delay), delay + HOUR)
        chosen = self.random.sample(offsets, self.random.randrange(1, TRIES_MAX))
        yield at
        for offset in sorted(chosen):
            yield at + max(0, offset)

    def mail(self):
        address, name = self.client()
        return {'client_address': address, 'client_name': name, 'sender': self.sender(),
                'recipient': self.recipient()}

    def neighbour(self, attributes):
        """The same mail, tried again: perhaps by another host of the network."""
        address = attributes['client_address']
        if self.random.random() < 0.7 or not re.match(r'192\.0\.\d', address):
            return attributes
        network = address.rsplit('.', 1)[0]
        return {**attributes, 'client_address': f'{network}.{self.random.randrange(256)}'}

    def plan(self, requests):
        line, at, number = [], 0, 0
        while len(self.asked) < requests:
            at += self.random.choice((0, 1, 30, 300, 1800, 3600, 3 * HOUR))
            if self.random.random() < 0.002:
                at += self.random.choice((DAY, 3 * DAY))
            attributes = self.mail()
            for when in self.tries(at):
                number += 1
                heapq.heappush(line, (when, number, self.neighbour(attributes)))
            while line and line[0][0] <= at and len(self.asked) < requests:
                when, number_there, chosen = heapq.heappop(line)
                self.asked.append((when, {'request': 'smtpd_access_policy', **chosen,
                                          'instance': f'i{number_there}', 'etrn_domain': ''}))

    # -- what explains a difference --

    def network(self, address):
        if self.is_by_host:
            return address
        if '.' in address:
            return address.rsplit('.', 1)[0]
        return socket.inet_pton(socket.AF_INET6, address)[:8]

    def triplet(self, attributes):
        return (self.network(attributes['client_address']), folded(attributes['sender']),
                attributes['recipient'].lower())

    def is_aged(self, at, attributes):
        """May its triplet, or the count of the client's returns, have been unused for longer
        than max-age?  What passes by a list or by trust uses no triplet: first times are sure."""
        first = (self.used.get(self.triplet(attributes), at),
                 self.raised.get(attributes['client_address'], at))
        return at - min(first) > self.max_age

    def row_of(self, at, attributes):
        address, triplet = attributes['client_address'], self.triplet(attributes)
        if address.startswith('::ffff:'):
            return 'mapped'
        if address == '203.0.113.5':
            return 'list-two-octets'
        if self.is_aged(at, attributes) or address in self.spoilt or triplet in self.spoilt:
            self.spoilt |= {address, triplet}  # from here on they need not know the same
            return 'max-age'
        return None

    def remember(self, at, attributes, replies):
        self.used.setdefault(self.triplet(attributes), at)
        if any(reply.startswith('PREPEND') for reply in replies):
            self.raised.setdefault(attributes['client_address'], at)


def folded(sender):
    """A sender as the reference says that it is folded (section 5)."""
    user, at, domain = sender.partition('@')
    if not at:
        return sender.lower()
    parts = user.split('=')
    if len(parts) == 3 and parts[0] == 'prvs' and parts[2]:
        tags = [re.match('[0-9a-z]{10}', part) for part in parts]
        user = parts[1] if tags[2] and not tags[1] else parts[2]
    user = re.sub(r'\b[0-9]+\b', '#', user.split('+')[0])
    return f'{user}@{domain}'.lower()


WORLDS = (
    ('standard', []),
    ('short delay', ['--delay=60', '--retry-window=6h']),
    ('patient', ['--delay=3600', '--retry-window=2h', '--auto-whitelist-clients=0']),
    ('trust after one', ['--delay=120', '--auto-whitelist-clients=1']),
    ('trust after two', ['--delay=300', '--auto-whitelist-clients=2', '--retry-window=1']),
    ('by host', ['--lookup-by-host', '--auto-whitelist-clients=3']),
    ('texts', ['--greylist-text=come back in %s s, %r, %s', '--greylist-action=DEFER_IF_REJECT']),
    ('code', ['--greylist-action=451', '--greylist-text=4.7.0 %s']),
    ('privacy', ['--privacy', '--auto-whitelist-clients=4', '--delay=10', '--retry-window=2h']),
    ('whole addresses', ['--ipv4cidr=32', '--ipv6cidr=128', '--retry-window=1']),
    ('own header', ['--x-greylist-header=X-Grey: delayed %t seconds at %h; %d',
                    '--hostname=mx.grey.example', '--lookup-by-subnet']),
    ('young', ['--max-age=1', '--delay=60', '--auto-whitelist-clients=2']),
)


def differing_rows():
    """Rows of the document that say that something differs, and so may explain a difference."""
    return {name for name, last in sequences.rows(DOCUMENT).items() if last.startswith('differs')}


def random_world(name, options, seed, requests):
    def run():
        with tempfile.TemporaryDirectory(prefix='weighd-') as folder:
            world = Random(options, pathlib.Path(folder), f'{seed} {name}', requests)
            return compare(world, differing_rows())
    return run


# --- the database ---

def dumped(database, folder):
    """Both databases of postgrey's, one as bytes and one printable: paths of the dumps."""
    for name, words in (('postgrey.db', []), ('postgrey_clients.db', ['-p'])):
        path = folder / f'{name}.dump'
        try:
            subprocess.run(['db_dump', *words, '-h', database, '-f', path, name], check=True)
        except FileNotFoundError:
            raise servers.Missing('db_dump is not installed') from None
        yield path


def imported_entries(world, database, folder):
    databases = [word for path in dumped(database, folder) for word in ('--database', path)]
    lines, _ = sequences.run('import', 'postgrey', '-', *databases, text=world.command_line())
    return [json.loads(line) for line in lines.splitlines()]


def item_of(value, now_ms):
    """A triplet as the fact has it: its times in seconds before now."""
    words = dict(word.split('=') for word in value.split(' '))
    times = [f'{name}={(now_ms - int(words[name])) / 1000:g}'
             for name in ('first', 'last', 'passed') if words[name] != '0']
    return ' '.join([*times, f'passes={words["passes"]}'])


def facts_of(entries, at, address):
    """What a store with these entries says of a client at second at."""
    now_ms = (START_S + at) * 1000
    address = str(ipaddress.ip_address(address))
    network = str(ipaddress.ip_network((address, 24 if '.' in address else 64), strict=False))
    facts = {}
    for entry in entries:
        if entry['expires'] <= now_ms:
            continue
        if entry['kind'] == 'greylist' and entry['key'].split(' ')[0] in (network, address):
            facts[f'greylist {entry["key"]}'] = [item_of(entry['value'], now_ms)]
        if entry['kind'] == 'known' and entry['key'] == address:
            facts[f'known {entry["set"]} {address}'] = [entry['value']]
    return facts


def first_of_each(world, asked):
    """The first request of each client and each triplet, so that none plays into another."""
    seen = set()
    for at, attributes in asked:
        spoils = {attributes['client_address'], world.triplet(attributes)}
        if not spoils & seen and world.row_of(at, attributes) is None:
            yield at, attributes
            seen |= spoils


def taken_over(seed, requests):
    """Half of a world's requests to postgrey; its database, imported, as what weighd remembers;
    then requests to both."""
    with tempfile.TemporaryDirectory(prefix='weighd-') as lists, \
            tempfile.TemporaryDirectory(prefix='weighd-') as folder:
        world = Random(['--auto-whitelist-clients=2', '--max-age=400'], pathlib.Path(lists),
                       f'{seed} database', requests)
        path = pathlib.Path(folder)
        path.chmod(0o755)
        half = len(world.asked) // 2
        last = list(first_of_each(world, world.asked[half:]))
        with Postgrey(path, world.options) as postgrey:
            postgrey.ask_all(world.asked[:half])
            entries = imported_entries(world, path / 'db', path)
            theirs = postgrey.ask_all(last)
        sequence = sequences.Sequence(world.config(), is_fresh=False)
        for at, attributes in last:
            facts = facts_of(entries, at, attributes['client_address'])
            sequence.ask(at, facts=facts, **attributes)
        wrong = [f'postgrey: {action!r}; {decision}'
                 for decision, action in zip(sequence.decide(), theirs)
                 if outcome(decision.reply) != outcome(action)]
    if wrong:
        raise AssertionError('\n'.join(wrong[:20]))
    return len(last), {}


class Row(World):
    """The requests of a row's test, once more."""

    def __init__(self, case, folder):
        super().__init__(case.options, folder, case.lists)
        self.asked = [(asked.at, {**asked.attributes, 'etrn_domain': ''}) for asked in case.asked]


def row_worlds():
    import postgrey_test
    differing = differing_rows()
    total = 0
    for name, cases in postgrey_test.cases().items():
        for case in cases if name not in differing else ():
            with tempfile.TemporaryDirectory(prefix='weighd-') as folder:
                try:
                    total += compare(Row(case, pathlib.Path(folder)), set())[0]
                except AssertionError as problem:
                    raise AssertionError(f'row {name}: {problem}') from None
    return total, {}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--requests', type=int, default=1000, help='of each random world')
    parser.add_argument('--seed', default='1')
    options = parser.parse_args()
    jobs = [('rows of the document', row_worlds)]
    jobs += [(name, random_world(name, words, options.seed, options.requests))
             for name, words in WORLDS]
    jobs.append(('database', lambda: taken_over(options.seed, options.requests)))
    print(f'1..{len(jobs)}')
    is_good = True
    for number, (name, job) in enumerate(jobs, 1):
        try:
            requests, counts = job()
            said = ', '.join(f'{count} {row}' for row, count in sorted(counts.items())) or 'none'
            print(f'ok {number} - {name}: {requests} requests, {sum(counts.values())} differ: '
                  f'{said}', flush=True)
        except servers.Missing as missing:
            if os.environ.get('WEIGHD_E2E') == 'required':
                print(f'not ok {number} - {name}\n# must not be skipped: {missing}')
                is_good = False
            else:
                print(f'ok {number} - {name} # SKIP {missing}')
        except AssertionError as problem:
            is_good = False
            print(f'not ok {number} - {name}')
            for line in str(problem).splitlines():
                print(f'# {line}')
            sys.stdout.flush()
    sys.exit(not is_good)


if __name__ == '__main__':
    main()
