"""Real Redis servers, sentinels and clusters for tests; and talk, the driver.

The servers come from build/servers or from the system, as in tests/e2e; all on loopback, each
in a directory of its own, with nothing kept on disk but what sentinels and clusters need.
"""

import os
import pathlib
import queue
import re
import socket
import subprocess
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / 'e2e'))

import scenarios  # noqa: E402
import servers  # noqa: E402

PATIENCE_S = 30  # only ends what is lost


def free_cluster_port():
    """Free, and so is the one 10000 higher, by which the nodes talk; below outgoing ports."""
    while True:
        port = servers.free_port()
        if port + 10000 >= 32768:
            continue
        with socket.socket() as bus:
            try:
                bus.bind(('127.0.0.1', port + 10000))
            except OSError:
                continue
            return port


class RedisError(Exception):
    """What a server says with '-'."""


class Client:
    """A connection of the test's own."""

    def __init__(self, port=None, path=None):
        if path is not None:
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.settimeout(PATIENCE_S)
            self.socket.connect(str(path))
        else:
            self.socket = socket.create_connection(('127.0.0.1', port), PATIENCE_S)
        self.file = self.socket.makefile('rb')

    def close(self):
        self.file.close()
        self.socket.close()

    def __call__(self, *words):
        words = [word if isinstance(word, bytes) else str(word).encode() for word in words]
        self.socket.sendall(b'*%d\r\n' % len(words) +
                            b''.join(b'$%d\r\n%s\r\n' % (len(word), word) for word in words))
        return self._reply()

    def _reply(self):
        line = self.file.readline()
        if not line.endswith(b'\r\n'):
            raise ConnectionError('the server closed the connection')
        kind, rest = line[:1], line[1:-2]
        if kind == b'-':
            raise RedisError(rest.decode())
        if kind == b':':
            return int(rest)
        if kind == b'+':
            return rest.decode()
        if kind == b'$':
            return None if rest == b'-1' else self.file.read(int(rest) + 2)[:-2].decode('latin-1')
        return None if rest == b'-1' else [self._reply() for _ in range(int(rest))]


class Redis(servers.Server):
    """One server; options as for redis.conf: {'maxmemory': '1mb'}."""

    def __init__(self, folder, options=None, program='redis-server'):
        super().__init__(folder, folder.name)
        is_node = 'cluster-enabled' in (options or {})
        self.port = free_cluster_port() if is_node else servers.free_port()
        self.options = {'port': self.port, 'bind': '127.0.0.1', 'dir': folder, 'save': '""',
                        'appendonly': 'no', 'daemonize': 'no', 'repl-diskless-sync-delay': 0,
                        'unixsocket': folder / 'redis.sock', **(options or {})}
        self.program = program

    def start(self):
        self.launch()
        self.wait_until('answers', self.answers)

    def launch(self):
        path = self.folder / 'redis.conf'
        path.write_text(''.join(f'{name} {value}\n' for name, value in self.options.items()))
        self.start_process([servers.find(self.program), path],
                           environment={'LD_LIBRARY_PATH': servers.library_path()})

    def answers(self):
        try:
            self('PING')
        except RedisError as error:
            return str(error).startswith('NOAUTH')
        except OSError:
            return False
        return True

    def client(self):
        if str(self.options['port']) == '0':
            return Client(path=self.options['unixsocket'])
        return Client(self.port)

    def __call__(self, *words):
        client = self.client()
        try:
            if 'requirepass' in self.options:
                client('AUTH', self.options['requirepass'])
            return client(*words)
        finally:
            client.close()

    def info(self, name, section='replication'):
        """What INFO says; None from a server that ends its connections, as a new replica does."""
        try:
            text = self('INFO', section)
        except ConnectionError:
            return None
        return dict(line.split(':', 1) for line in text.split('\r\n') if ':' in line).get(name)


class Sentinel(Redis):
    """Watches one master, named "mail"."""

    def __init__(self, folder, master_port, options=None):
        super().__init__(folder)
        self.options = {
            'port': self.port, 'bind': '127.0.0.1', 'dir': folder, 'daemonize': 'no',
            'sentinel monitor': f'mail 127.0.0.1 {master_port} 2',
            'sentinel down-after-milliseconds': 'mail 1000',
            'sentinel failover-timeout': 'mail 3000', **(options or {})}

    def launch(self):
        path = self.folder / 'sentinel.conf'
        if not path.exists():
            path.write_text(''.join(f'{name} {value}\n' for name, value in self.options.items()))
        self.start_process([servers.find('redis-server'), path, '--sentinel'],
                           environment={'LD_LIBRARY_PATH': servers.library_path()})


def slot_of(key):
    """CRC16 of what stands in the braces."""
    tag = key[key.index('{') + 1:key.index('}')]
    crc = 0
    for byte in tag.encode():
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1) ^ 0x1021 if crc & 0x8000 else crc << 1
        crc &= 0xffff
    return crc % 16384


class Cluster:
    """Three masters, three replicas."""

    def __init__(self, world):
        self.servers = [world.make(Redis, f'node{number}', {
            'cluster-enabled': 'yes', 'cluster-config-file': 'nodes.conf',
            'cluster-node-timeout': 1000, 'cluster-replica-validity-factor': 0})
            for number in range(6)]
        subprocess.run(
            [servers.find('redis-cli'), '--cluster', 'create',
             *(f'127.0.0.1:{server.port}' for server in self.servers),
             '--cluster-replicas', '1', '--cluster-yes'],
            check=True, stdout=subprocess.DEVNULL,
            env={'LD_LIBRARY_PATH': servers.library_path()})
        for server in self.servers:
            server.wait_until('cluster is whole', lambda server=server: self.is_whole(server))

    @staticmethod
    def is_whole(server):
        told = server('CLUSTER', 'INFO')
        up = server.info('role') == 'master' or server.info('master_link_status') == 'up'
        return 'cluster_state:ok' in told and 'cluster_known_nodes:6' in told and up

    def masters(self):
        return [server for server in self.servers
                if server.is_running() and server.info('role') == 'master']

    def owner(self, key):
        """The master that serves the key."""
        slot = slot_of(key)
        for first, last, node, *_ in self.servers[1]('CLUSTER', 'SLOTS'):
            if first <= slot <= last:
                return next(server for server in self.servers if server.port == node[1])
        raise AssertionError(slot)

    def slots_of(self, master):
        return {slot for first, last, node, *_ in self.servers[1]('CLUSTER', 'SLOTS')
                if node[1] == master.port for slot in range(first, last + 1)}

    def begin_move(self, key):
        """The key's slot, on its way to another master; from where and where to."""
        slot, source = slot_of(key), self.owner(key)
        target = next(master for master in self.masters() if master is not source)
        target('CLUSTER', 'SETSLOT', slot, 'IMPORTING', source('CLUSTER', 'MYID'))
        source('CLUSTER', 'SETSLOT', slot, 'MIGRATING', target('CLUSTER', 'MYID'))
        return source, target

    @staticmethod
    def move_keys(key, source, target):
        for name in source('CLUSTER', 'GETKEYSINSLOT', slot_of(key), 1000):
            source('MIGRATE', '127.0.0.1', target.port, name, 0, 5000)

    @staticmethod
    def end_move(key, source, target):
        for server in (target, source):
            server('CLUSTER', 'SETSLOT', slot_of(key), 'NODE', target('CLUSTER', 'MYID'))


class Watched:
    """A master, two replicas, and three sentinels that watch over them."""

    def __init__(self, world):
        self.master = world.make(Redis, 'master')
        self.replicas = [
            world.make(Redis, f'replica{number}',
                       {'replicaof': f'127.0.0.1 {self.master.port}'}) for number in (1, 2)]
        self.sentinels = [world.make(Sentinel, f'sentinel{number}', self.master.port)
                          for number in (1, 2, 3)]
        for sentinel in self.sentinels:
            sentinel.wait_until('knows all', lambda sentinel=sentinel: self.knows_all(sentinel))

    @staticmethod
    def knows_all(sentinel):
        words = sentinel('SENTINEL', 'MASTER', 'mail')
        told = dict(zip(words[::2], words[1::2]))
        return told['num-slaves'] == '2' and told['num-other-sentinels'] == '2' and \
            told['flags'] == 'master'

    def new_master(self):
        return next(server for server in self.replicas if server.info('role') == 'master')


def on_replicas(master, count, key='mark'):
    """Whatever the master has done by now is on so many replicas; key is one of its own."""
    client = master.client()
    try:
        # a write of this connection, for WAIT looks at those
        client('SET', key, '1')
        assert client('WAIT', count, 20000) >= count
    finally:
        client.close()


class Talk:
    """The driver in a process of its own: lines in, lines out (talk.c).

    Its patience is longer than weighd's, for a test may run on a busy machine.
    """

    def __init__(self, **options):
        options = {'connect_ms': 2000, 'answer_ms': 2000, **options}
        addresses = options.pop('address')
        if not isinstance(addresses, (list, tuple)):
            addresses = [addresses]
        words = [f'address={self._address(one)}' for one in addresses]
        words += [f'{name}={value}' for name, value in options.items()]
        self.process = subprocess.Popen([os.environ['REDIS_TALK'], *words],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        bufsize=1)
        self.said = []
        self.answers = {}
        self.lines = queue.Queue()
        self.number = 0
        threading.Thread(target=self._read, daemon=True).start()

    @staticmethod
    def _address(one):
        return f'127.0.0.1:{one.port}' if isinstance(one, Redis) else one

    def _read(self):
        for line in self.process.stdout:
            self.lines.put(line.rstrip('\n'))
        self.lines.put(None)

    def _take(self, seconds=PATIENCE_S):
        line = self.lines.get(timeout=seconds)
        if line is None:
            raise RuntimeError(f'talk ended: {self.process.wait()}')
        word, _, rest = line.partition(' ')
        if word == 'say':
            self.said.append(rest)
        else:
            self.answers.setdefault(word, []).append(rest)

    def close(self):
        self.process.stdin.close()
        status = self.process.wait(PATIENCE_S)
        self.process.stdout.close()
        assert status == 0, f'talk ended with {status}'

    def send(self, verb, *words):
        """Ask; the question's name.  Blanks inside of a word are written "_"."""
        self.number += 1
        name = f'q{self.number}'
        self.process.stdin.write(' '.join([verb, name, *(str(word).replace(' ', '_') for word in words)]) + '\n')
        self.process.stdin.flush()
        return name

    def tell(self, *words):
        self.process.stdin.write(' '.join(map(str, words)) + '\n')
        self.process.stdin.flush()

    def wait(self, name, count=1):
        """So many answers to a question."""
        while len(self.answers.get(name, [])) < count:
            self._take()
        return self.answers.pop(name)

    def ask(self, verb, *words):
        return self.wait(self.send(verb, *words))[0]

    def wait_said(self, pattern, since=0):
        while not any(re.search(pattern, text) for text in self.said[since:]):
            self._take()

    def until(self, pattern, verb, *words):
        """Ask again and again, until the answer is like pattern; the answer."""
        found = []

        def is_like():
            found[:] = [self.ask(verb, *words)]
            return re.search(pattern, found[0])
        servers.wait_for(f'{verb} {words}: {pattern}, not {found}', is_like)
        return found[0]

    def listing(self, kind, most=10, chosen='-', contains='-'):
        """All entries, page by page: [[set, key, value, life], ...]."""
        entries, after_set, after = [], '-', '-'
        while True:
            name = self.send('page', kind, chosen, most, contains, after_set, after)
            lines = self.answers.setdefault(name, [])
            while not lines or lines[-1].startswith('entry '):
                self._take()
            last = lines[-1]
            entries += [line[6:].split('|') for line in self.answers.pop(name)[:-1]]
            if last == 'done':
                return entries
            assert last.startswith('more '), last
            after_set, after = (part or '-' for part in last[5:].split('|'))

    def figures(self):
        return dict(pair.split('=') for pair in self.ask('figures').split()[1:])


def main(tests, make):
    return scenarios.main(tests, make)
