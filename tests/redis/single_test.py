"""The driver and one real Redis: what it remembers, and what it does when Redis does not.

REDIS_TALK, REDIS_SAME and REDIS_RATE name the programs.
"""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time

import redis_servers
from redis_servers import Redis, Talk

HOUR = 3600000


def expect(have, want):
    assert have == want, f'have {have!r}, want {want!r}'


def openssl(folder, *words):
    subprocess.run(['openssl', *words], cwd=folder, check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)


def authority(folder, name):
    openssl(folder, 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256',
            '-nodes', '-days', '2', '-subj', f'/CN={name}', '-keyout', f'{name}.key',
            '-out', f'{name}.crt')


def certificate(folder, name, names, issuer):
    (folder / f'{name}.ext').write_text(f'subjectAltName={names}\n')
    openssl(folder, 'req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes',
            '-subj', f'/CN={name}', '-keyout', f'{name}.key', '-out', f'{name}.csr')
    openssl(folder, 'x509', '-req', '-in', f'{name}.csr', '-CA', f'{issuer}.crt',
            '-CAkey', f'{issuer}.key', '-CAcreateserial', '-days', '2',
            '-extfile', f'{name}.ext', '-out', f'{name}.crt')


class FakeServer:
    """Greets; then says what it is given: to a command at once, or a byte each 0.3 s."""

    def __init__(self, reply, is_slow=False):
        self.reply = reply
        self.is_slow = is_slow
        self.listener = socket.create_server(('127.0.0.1', 0))
        self.port = self.listener.getsockname()[1]
        self.end = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        try:
            with connection:
                connection.sendall(b'+OK\r\n+PONG\r\n')
                while self.is_slow and not self.end.wait(0.3):
                    connection.sendall(self.reply)
                while connection.recv(65536):
                    connection.sendall(self.reply)
        except OSError:
            pass

    def close(self):
        self.end.set()
        self.listener.close()


class ScriptedServer(FakeServer):
    """Reads commands; greets as it should, more behind it; reply(words) says the rest."""

    def __init__(self, reply, more=b''):
        self.more = more
        super().__init__(reply)

    def _serve(self, connection):
        greeting = {b'AUTH': b'+OK\r\n', b'CLIENT': b'+OK\r\n', b'PING': b'+PONG\r\n' + self.more}
        try:
            with connection, connection.makefile('rb') as file:
                while line := file.readline():
                    words = []
                    for _ in range(int(line[1:])):
                        length = int(file.readline()[1:])
                        words.append(file.read(length + 2)[:-2])
                    connection.sendall(greeting.get(words[0]) or self.reply(words))
        except (OSError, ValueError, KeyError):
            pass


class Scenarios:
    def __init__(self, world):
        self.world = world
        self.redis = world.make(Redis, 'redis')
        self.talk = Talk(address=self.redis)
        self.talks = [self.talk]

    def close(self):
        for talk in self.talks:
            talk.close()

    def connect(self, **options):
        talk = Talk(**options)
        self.talks.append(talk)
        return talk

    # --- what it remembers ---

    def counts(self):
        talk = self.talk
        expect(talk.ask('count', 'out', 'anna', '2/1h'), 'known 1/1h')
        expect(talk.ask('rehearse', 'out', 'anna', '2/1h'), 'known 2/1h')
        expect(talk.ask('count', 'out', 'anna', '2/1h'), 'known 2/1h')
        assert re.fullmatch(r'known 3/1h wait=3\d{3}(\.\d+)? first',
                            talk.ask('count', 'out', 'anna', '2/1h'))
        expect(talk.ask('count', 'out', 'bob', '2/1h'), 'known 1/1h')

    def greylists(self):
        talk, key = self.talk, '192.0.2.0/24_anna@example.org_bob@example.net'
        expect(talk.ask('touch', key, 0, HOUR, HOUR), 'none')
        assert re.fullmatch(r'known first=\S+ last=\S+ passes=0',
                            talk.ask('touch', key, 0, HOUR, HOUR))
        assert 'passes=1' in talk.ask('touch', key, 0, HOUR, HOUR)

    def remembers(self):
        talk = self.talk
        expect(talk.ask('know', 'good', 'anna'), 'none')
        talk.tell('remember', 'good', 'anna', 'since_1', HOUR)
        expect(talk.ask('know', 'good', 'anna'), 'known since 1')
        talk.tell('remember', 'good', 'anna', '-', 0)
        expect(talk.ask('know', 'good', 'anna'), 'none')

    def expires(self):
        self.talk.tell('remember', 'short', 'anna', '1', 200)
        expect(self.talk.ask('know', 'short', 'anna'), 'known 1')
        self.talk.until('^none$', 'know', 'short', 'anna')

    def lists(self):
        talk = self.talk
        want = {f'key[{number}]*' for number in range(500)}
        for key in want:
            talk.send('put', 'known', 'many', key, 'x', HOUR)
        talk.send('put', 'known', 'many2', 'other', 'x', HOUR)
        entries = talk.listing('known', 7, 'many')
        assert {key for _, key, _, _ in entries} == want
        assert all(HOUR - 60000 < int(life) <= HOUR for *_, life in entries)
        assert {key for _, key, _, _ in talk.listing('known', 100, 'many', 'EY[49')} == \
            {key for key in want if 'key[49' in key}
        assert 'many2' in {name for name, *_ in talk.listing('known', 1000)}

    def erases(self):
        talk = self.talk
        expect(talk.ask('put', 'known', 'gone', 'anna', 'x', 0), 'done')
        expect(talk.ask('erase', 'known', 'gone', 'anna'), 'done')
        assert talk.ask('erase', 'known', 'gone', 'anna').startswith('error 3 ')
        expect(talk.ask('put', 'greylist', '-', 'a_b_c', 'first=1_last=1_passed=0_passes=0',
                        HOUR), 'done')
        assert [key for _, key, _, _ in talk.listing('greylist', 10, '-', 'a b c')] == ['a b c']

    def tallies_are_text(self):
        """Outside of the server: what is put in is counted on, and comes out again."""
        now = int(time.time() * 1000)
        text = (f'window 3600000 5 {now}+5; seen 0123456789abcdef+5+{now}; '
                f'raised {now + HOUR} 500/1h; over {now + HOUR} 3')
        expect(self.talk.ask('put', 'limit', 'text', 'anna', text, HOUR), 'done')
        (entry,) = self.talk.listing('limit', 10, 'text')
        assert entry[:3] == ['text', 'anna', text], entry
        expect(self.talk.ask('rehearse', 'text', 'anna', '9/1h'), 'known 6/1h most=500')
        expect(self.talk.ask('count', 'text', 'anna', '9/1h'), 'known 6/1h most=500')
        (entry,) = self.talk.listing('limit', 10, 'text')
        assert entry[2].startswith(f'window 3600000 6 {now}+5,'), entry
        self.redis('SET', 'weighd:limit:{text odd}', text)
        assert len(self.talk.listing('limit', 10, 'text')) == 1

    def is_the_same_as_c(self):
        own = self.world.make(Redis, 'same')
        for seed in (1, 2):
            ended = subprocess.run(
                [os.environ['REDIS_SAME'], own.options['unixsocket'], '250', str(seed)],
                capture_output=True, text=True)
            assert ended.returncode == 0, ended.stdout + ended.stderr

    def burst_is_exact(self):
        """Two daemons, 150 counts each at once, 100 may pass."""
        both = [self.talk, self.connect(address=self.redis)]
        names = [talk.send('many', 150, 'burst', 'anna', '100/1h') for talk in both]
        answers = [answer for talk, name in zip(both, names) for answer in talk.wait(name, 150)]
        used = sorted(int(answer[6:].split('/')[0]) for answer in answers if 'wait' not in answer)
        assert used == list(range(1, 101)), used
        assert sum(' first' in answer for answer in answers) == 1

    def script_is_loaded_again(self):
        self.redis('SCRIPT', 'FLUSH')
        names = [self.talk.send('count', 'noscript', 'anna', '100/1h') for _ in range(50)]
        answers = [self.talk.wait(name)[0] for name in names]
        assert answers == [f'known {number}/1h' for number in range(1, 51)], answers

    def flushed(self):
        self.redis('FLUSHALL')
        expect(self.talk.ask('count', 'out', 'anna', '2/1h'), 'known 1/1h')

    # --- who may ---

    def users(self):
        server = self.world.make(Redis, 'users', {'requirepass': 'secret'})
        rights = 'get set getrange pttl del evalsha script|load ping client|setname scan select'
        server('ACL', 'SETUSER', 'weighd', 'on', '>s3cret', '~weighd:*',
               *(f'+{name}' for name in rights.split()))
        good = self.connect(address=server, user='weighd', password='s3cret')
        expect(good.ask('count', 'out', 'anna', '2/1h'), 'known 1/1h')
        expect(good.ask('touch', 'n s r', 0, HOUR, HOUR), 'none')
        expect(good.ask('put', 'known', 'good', 'anna', 'x', HOUR), 'done')
        assert len(good.listing('known')) == 1
        expect(good.ask('know', 'good', 'anna'), 'known x')
        expect(good.ask('erase', 'known', 'good', 'anna'), 'done')
        alone = self.connect(address=server, password='secret')
        expect(alone.ask('count', 'out', 'anna', '2/1h'), 'known 2/1h')
        other = self.connect(address=server, user='weighd', password='s3cret', prefix='other')
        expect(other.ask('count', 'out', 'anna', '2/1h'), 'failed refused')
        other.wait_said('refuses: NOPERM')

    def wrong_password(self):
        server = self.world.make(Redis, 'password', {'requirepass': 'secret'})
        for options in ({'password': 'wrong'}, {}):
            talk = self.connect(address=server, **options)
            assert talk.ask('count', 'out', 'anna', '2/1h').startswith('failed ')
            talk.wait_said('is down: (WRONGPASS|NOAUTH)')
            assert 'wrong' not in ''.join(talk.said)

    def database(self):
        talk = self.connect(address=self.redis, database=3)
        expect(talk.ask('count', 'db', 'anna', '2/1h'), 'known 1/1h')
        expect(self.talk.ask('count', 'db', 'anna', '2/1h'), 'known 1/1h')

    def tls(self):
        folder = self.world.folder / 'certificates'
        folder.mkdir()
        authority(folder, 'ours')
        authority(folder, 'theirs')
        certificate(folder, 'server', 'IP:127.0.0.1,DNS:redis.test', 'ours')
        certificate(folder, 'misnamed', 'IP:127.0.0.9,DNS:other.test', 'ours')
        made = []
        for name in ('server', 'misnamed'):
            server = Redis(self._folder(f'tls-{name}'), {
                'port': 0, 'tls-cert-file': folder / f'{name}.crt',
                'tls-key-file': folder / f'{name}.key', 'tls-ca-cert-file': folder / 'ours.crt',
                'tls-auth-clients': 'no'})
            server.options['tls-port'] = server.port
            self.world.servers.append(server)
            server.start()
            made.append(server)
        ca = {'tls': 1, 'ca': folder / 'ours.crt'}
        good = self.connect(address=made[0], **ca)
        expect(good.ask('count', 'out', 'anna', '2/1h'), 'known 1/1h')
        for server, options, why in (
                (made[0], {**ca, 'ca': folder / 'theirs.crt'}, 'certificate'),
                (made[1], ca, 'IP address mismatch|certificate')):
            talk = self.connect(address=server, **options)
            expect(talk.ask('count', 'out', 'anna', '2/1h'), 'failed down')
            talk.wait_said(f'is down: .*({why})')
        plain = self.connect(address=made[0])
        assert plain.ask('count', 'out', 'anna', '2/1h').startswith('failed ')

    def _folder(self, name):
        folder = self.world.folder / name
        folder.mkdir()
        return folder

    def by_name(self):
        """Whatever localhost is: one of its addresses is 127.0.0.1."""
        talk = self.connect(address=f'localhost:{self.redis.port}')
        expect(talk.ask('count', 'name', 'anna', '2/1h'), 'known 1/1h')

    def name_comes_later(self):
        """No name is known at the start: it opens, says so, and works as soon as it is."""
        names = self.world.folder / 'names'
        for mode in ('single', 'cluster'):
            talk = self.connect(address=f'redis.test:{self.redis.port}', names=names, mode=mode,
                                connect_ms=100, answer_ms=100)
            assert talk.ask('count', 'later', mode, '2/1h').startswith('failed ')
            talk.wait_said('redis at redis.test: .*again and again')
            talk.until('^failed down', 'count', 'later', mode, '2/1h')
            if mode == 'single':
                names.write_text('redis.test 127.0.0.1\n')
                talk.until('^known 1/1h', 'count', 'later', mode, '2/1h')
            names.unlink(missing_ok=True)

    def name_moves(self):
        """The server is at another address: the name is asked for again."""
        names = self.world.folder / 'moving'
        names.write_text('redis.test 127.0.0.1\n')
        first = self.world.make(Redis, 'before')
        talk = self.connect(address=f'redis.test:{first.port}', names=names)
        expect(talk.ask('count', 'moves', 'anna', '2/1h'), 'known 1/1h')
        first.stop()
        second = Redis(self._folder('after'), {'port': first.port, 'bind': '127.0.0.2'})
        self.world.servers.append(second)
        second.launch()
        names.write_text('redis.test 127.0.0.2\n')
        talk.until('^known 1/1h', 'count', 'moves', 'bob', '2/1h')

    def scripted(self, reply, more=b'', **options):
        server = ScriptedServer(reply, more)
        return server, self.connect(address=f'127.0.0.1:{server.port}', **options)

    def says_too_much(self):
        """Else each question would get the answer of the one before it."""
        server, talk = self.scripted(lambda words: b'$1\r\nb\r\n', more=b'$1\r\na\r\n')
        assert talk.ask('know', 'good', 'anna').startswith('failed ')
        server.close()

    def wrong_replies(self):
        said = {b'GET': b'$3\r\na\x00b\r\n', b'SET': b'$2\r\nOK\r\n', b'DEL': b'+OK\r\n',
                b'SCAN': b'*2\r\n$1\r\n0\r\n*1\r\n$21\r\nweighd:known:{good k}\r\n',
                b'GETRANGE': b'*0\r\n', b'PTTL': b':9223372036854775807\r\n'}
        server, talk = self.scripted(lambda words: said[words[0]])
        expect(talk.ask('know', 'good', 'anna'), 'failed malformed')
        assert talk.ask('put', 'known', 'good', 'anna', 'x', HOUR).startswith('error ')
        assert talk.ask('erase', 'known', 'good', 'anna').startswith('error ')

        def use(period=3600000, used=1, wait=0, lifted=0):
            return b''.join(number.to_bytes(width, 'little') for number, width in
                            ((period, 6), (used, 7), (wait, 6), (lifted, 7)))

        for reply in (b'', b'\0', b'\4' + use(), b'\0' + use()[1:], b'\0' + use() * 2,
                      b'\0' + use(period=60000), b'\0' + use(used=1 << 55),
                      b'\0' + use(wait=1 << 47), b'\0' + use(lifted=1 << 55)):
            said[b'EVALSHA'] = b'$%d\r\n%s\r\n' % (len(reply), reply)
            expect(talk.ask('count', 'out', 'anna', '9/1h'), 'failed malformed')
        said[b'EVALSHA'] = b'$27\r\n\0%s\r\n' % use()
        expect(talk.ask('count', 'out', 'anna', '9/1h'), 'known 1/1h')
        name = talk.send('page', 'known', '-', 10, '-', '-', '-')
        assert talk.wait(name)[0].startswith('error ')
        said[b'SCAN'] = said[b'SCAN'].replace(b'$21', b'$22').replace(b'good k', b'good kk')
        said[b'GETRANGE'] = b'$1\r\nx\r\n'
        (entry,) = talk.listing('known')
        assert entry[:3] == ['good', 'kk', 'x'] and int(entry[3]) > HOUR, entry
        server.close()

    def no_script_at_all(self):
        seen = []

        def reply(words):
            seen.append(words[0])
            return b'-NOPERM no\r\n' if words[0] == b'SCRIPT' else b'-NOSCRIPT no\r\n'
        server, talk = self.scripted(reply)
        names = [talk.send('count', 'out', 'anna', '9/1h') for _ in range(20)]
        assert {talk.wait(name)[0] for name in names} == {'failed servfail'}
        assert seen.count(b'SCRIPT') <= 2, seen
        server.close()

    def two_threads(self):
        ended = subprocess.run([os.environ['REDIS_THREADS'], f'localhost:{self.redis.port}',
                                '2000'], capture_output=True, text=True)
        assert ended.returncode == 0, ended.stdout + ended.stderr

    def unix_socket(self):
        talk = self.connect(address=self.redis.options['unixsocket'])
        expect(talk.ask('count', 'unix', 'anna', '2/1h'), 'known 1/1h')
        away = self.connect(address=self.world.folder / 'nobody.sock')
        expect(away.ask('count', 'unix', 'anna', '2/1h'), 'failed down')

    # --- when it does not ---

    def stopped_and_back(self):
        server = self.world.make(Redis, 'stopped')
        talk = self.connect(address=server)
        expect(talk.ask('count', 'out', 'anna', '9/1h'), 'known 1/1h')
        server.stop()
        expect(talk.ask('count', 'out', 'anna', '9/1h'), 'failed down')
        talk.wait_said('is down')
        expect(talk.ask('count', 'out', 'anna', '9/1h'), 'failed down')
        assert talk.figures()['is_down'] == '1'
        server.start()
        talk.wait_said('is back')
        expect(talk.ask('count', 'out', 'anna', '9/1h'), 'known 1/1h')
        assert len(talk.said) == 2, talk.said
        figures = talk.figures()
        assert figures['is_down'] == '0' and figures['reconnects'] == '1', figures

    def frozen(self):
        server = self.world.make(Redis, 'frozen')
        talk = self.connect(address=server, connect_ms=200, answer_ms=100)
        talk.until('^known 1/1h', 'count', 'out', 'anna', '9/1h')
        server.send(signal.SIGSTOP)
        try:
            names = [talk.send('count', 'out', 'anna', '9/1h') for _ in range(8)]
            assert {talk.wait(name)[0] for name in names} == {'failed timeout'}
            talk.wait_said('is down: it does not answer in time')
            expect(talk.ask('count', 'out', 'anna', '9/1h'), 'failed down')
        finally:
            server.send(signal.SIGCONT)
        talk.wait_said('is back')
        # what was under way has been counted, once, or not
        assert re.fullmatch(r'known ([2-9]|10)/1h.*', talk.ask('count', 'out', 'anna', '9/1h'))

    def slow(self):
        server = FakeServer(b'$', is_slow=True)
        talk = self.connect(address=f'127.0.0.1:{server.port}', answer_ms=100)
        names = [talk.send('count', 'out', 'anna', '9/1h') for _ in range(5)]
        assert {talk.wait(name)[0] for name in names} == {'failed timeout'}
        talk.wait_said('is down')
        server.close()

    def nonsense(self):
        """Whatever it says to a count: that fails, and nothing else happens."""
        for reply in (b'x', b'\r\n', b'\0' * 100, b'*100000000\r\n', b'*-2\r\n', b'$-2\r\n',
                      b'$9999999999999999999\r\n', b'$70000\r\n' + b'y' * 70002,
                      b'*1\r\n' * 20, b'*4000\r\n' * 8, b':9x\r\n', b'*0\r\n', b':1\r\n',
                      b'$2\r\n0 \r\n' * 3, b'+OK\r\n', b'-\r\n', b'-MOVED\r\n',
                      b'-MOVED 1 127.0.0.1:1\r\n', b'-ASK 1 :1\r\n', b'$5\r\n1 2 3\r\n',
                      b'-NOSCRIPT\r\n', b'-TRYAGAIN\r\n', b'-' + b'e' * 60000 + b'\r\n',
                      b'$-1\r\n', b'HTTP/1.1 400 Bad Request\r\n\r\n'):
            server = FakeServer(reply)
            talk = self.connect(address=f'127.0.0.1:{server.port}', answer_ms=100)
            answers = [talk.wait(name)[0] for name in
                       [talk.send('count', 'out', 'anna', '9/1h') for _ in range(5)]]
            assert all(answer.startswith('failed ') for answer in answers), (reply, answers)
            server.close()

    def wrong_types(self):
        self.redis('RPUSH', 'weighd:limit:{out types}', 'x')
        self.redis('RPUSH', 'weighd:greylist:{types}', 'x')
        self.redis('RPUSH', 'weighd:known:{good types}', 'x')
        expect(self.talk.ask('count', 'out', 'types', '9/1h'), 'failed malformed')
        expect(self.talk.ask('touch', 'types', 0, HOUR, HOUR), 'failed malformed')
        expect(self.talk.ask('know', 'good', 'types'), 'failed malformed')
        assert 'types' not in {key for _, key, _, _ in self.talk.listing('known', 100, 'good')}
        expect(self.talk.ask('count', 'out', 'sound', '9/1h'), 'known 1/1h')
        self.redis('SET', 'weighd:limit:{out odd}', 'hello')
        expect(self.talk.ask('count', 'out', 'odd', '9/1h'), 'known 1/1h')

    def huge_reply(self):
        server = self.world.make(Redis, 'huge')
        server('SETRANGE', 'weighd:known:{good huge}', 100 * 1024 * 1024, 'x')
        server('SETRANGE', 'weighd:limit:{out huge}', 100 * 1024 * 1024, 'x')
        # the server, too, has to copy it first
        talk = self.connect(address=server, answer_ms=5000)
        expect(talk.ask('know', 'good', 'huge'), 'failed toolarge')
        talk.until('^known 1/1h', 'count', 'out', 'anna', '1/1h')
        expect(talk.ask('count', 'out', 'huge', '9/1h'), 'known 1/1h')  # none of ours: nothing
        assert talk.listing('known', 100, 'good') == []
        resident = int(re.search(r'VmRSS:\s+(\d+)', open(
            f'/proc/{talk.process.pid}/status', encoding='ascii').read()).group(1))
        assert resident < 100 * 1024, resident

    def read_only(self):
        replica = self.world.make(Redis, 'replica', {'replicaof': f'127.0.0.1 {self.redis.port}'})
        replica.wait_until('follows', lambda: replica.info('master_link_status') == 'up')
        talk = self.connect(address=replica)
        expect(talk.ask('count', 'out', 'replica', '9/1h'), 'failed refused')
        talk.wait_said('refuses: READONLY')
        expect(talk.ask('know', 'good', 'nobody'), 'none')

    def full(self):
        server = self.world.make(Redis, 'full', {'maxmemory': '100kb'})
        talk = self.connect(address=server)
        expect(talk.ask('count', 'out', 'anna', '9/1h'), 'failed refused')
        talk.wait_said('refuses: OOM')
        server('CONFIG', 'SET', 'maxmemory', '0')
        expect(talk.ask('count', 'out', 'anna', '9/1h'), 'known 1/1h')

    def restarts(self):
        server = self.world.make(Redis, 'restarts')
        talk = self.connect(address=server)
        for _ in range(3):
            expect(talk.until('^known', 'count', 'out', 'anna', '9/1h'), 'known 1/1h')
            server.stop(signal.SIGKILL)
            server.start()


TESTS = [
    ('counts, each attempt once', Scenarios.counts),
    ('greylists', Scenarios.greylists),
    ('remembers and forgets', Scenarios.remembers),
    ('what is remembered expires', Scenarios.expires),
    ('lists all, page by page', Scenarios.lists),
    ('puts and erases', Scenarios.erases),
    ('a tally is text but in the server', Scenarios.tallies_are_text),
    ('the scripts do what the functions in C do', Scenarios.is_the_same_as_c),
    ('a burst from two daemons is exact', Scenarios.burst_is_exact),
    ('a script that is gone is loaded again, each count done once', Scenarios.script_is_loaded_again),
    ('a flushed server begins anew', Scenarios.flushed),
    ('user and password', Scenarios.users),
    ('a wrong password fails, and is said', Scenarios.wrong_password),
    ('a database of its own', Scenarios.database),
    ('TLS: wrong authority and wrong name are refused', Scenarios.tls),
    ('a host by its name', Scenarios.by_name),
    ('a name that is known only later', Scenarios.name_comes_later),
    ('a name that is another host now', Scenarios.name_moves),
    ('what is said with the greeting answers nothing', Scenarios.says_too_much),
    ('replies of the wrong kind', Scenarios.wrong_replies),
    ('a script that cannot be loaded is not sent again and again', Scenarios.no_script_at_all),
    ('two loops in two threads count together', Scenarios.two_threads),
    ('a Unix socket', Scenarios.unix_socket),
    ('stopped: said once, down at once, back', Scenarios.stopped_and_back),
    ('frozen: patience ends, and it comes back', Scenarios.frozen),
    ('a byte now and then is no answer', Scenarios.slow),
    ('nonsense fails, whatever it is', Scenarios.nonsense),
    ('wrong types under our keys fail alone', Scenarios.wrong_types),
    ('a reply of 100 MiB ends the connection', Scenarios.huge_reply),
    ('a read-only replica refuses', Scenarios.read_only),
    ('a full server refuses, until it has room', Scenarios.full),
    ('killed and started again', Scenarios.restarts),
]


if __name__ == '__main__':
    sys.exit(redis_servers.main(TESTS, Scenarios))
