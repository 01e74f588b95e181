"""The driver and a real Redis Cluster: three masters, three replicas.

A slot is moved and a master killed in the middle of a run.  What must hold: nothing is counted
twice; a moved slot loses nothing; a failover loses nothing that was on the replica.
REDIS_TALK names the program.
"""

import signal
import subprocess
import sys

import redis_servers
import servers
from redis_servers import Redis, Talk
from sentinel_test import Run, on_replicas
from single_test import authority, certificate


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


class Scenarios:
    def __init__(self, world):
        self.world = world
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
        self.talk = Talk(address=self.servers[:2], mode='cluster')
        self.talks = [self.talk]

    def close(self):
        for talk in self.talks:
            talk.close()

    def is_whole(self, server):
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

    def counts_everywhere(self):
        """Keys of all nodes, at once, before anything is known of the map."""
        talk = Talk(address=self.servers[5], mode='cluster')  # a replica
        self.talks.append(talk)
        names = [talk.send('count', 'out', f'user{number}', '2/1h') for number in range(300)]
        answers = {talk.wait(name)[0] for name in names}
        assert answers == {'known 1/1h'}, answers
        assert all(master('DBSIZE') > 50 for master in self.masters())

    def lists(self):
        for number in range(300):
            self.talk.send('put', 'known', 'many', f'key{number}', 'x', 3600000)
        entries = self.talk.listing('known', 20, 'many')
        assert {key for _, key, *_ in entries} == {f'key{number}' for number in range(300)}
        # and by one that knows nothing yet
        talk = Talk(address=self.servers[0], mode='cluster')
        self.talks.append(talk)
        assert len(talk.listing('known', 1000, 'many')) == 300

    def erases(self):
        for number in range(50):
            answer = self.talk.ask('erase', 'known', 'many', f'key{number}')
            assert answer == 'done', answer

    def slot_moves(self):
        """Nobody counts wrongly while a slot is on its way, nor is one count lost."""
        key = 'weighd:limit:{run moved}'
        slot, source = slot_of(key), self.owner(key)
        target = next(master for master in self.masters() if master is not source)
        run = Run(self.talk, 'moved')
        run.until(lambda: len(run.used) >= 300)
        target('CLUSTER', 'SETSLOT', slot, 'IMPORTING', source('CLUSTER', 'MYID'))
        source('CLUSTER', 'SETSLOT', slot, 'MIGRATING', target('CLUSTER', 'MYID'))
        run.until(lambda: len(run.used) >= 600)
        for name in source('CLUSTER', 'GETKEYSINSLOT', slot, 1000):
            source('MIGRATE', '127.0.0.1', target.port, name, 0, 5000)
        run.until(lambda: len(run.used) >= 900)  # by ASK
        for server in (target, source):
            server('CLUSTER', 'SETSLOT', slot, 'NODE', target('CLUSTER', 'MYID'))
        run.until(lambda: len(run.used) >= 1200)
        run.end()
        assert run.failed == 0, run.failed
        assert sorted(run.used) == list(range(1, len(run.used) + 1))
        assert run.counted() == len(run.used)
        assert target('EXISTS', key) == 1

    def master_is_killed(self):
        keys = [f'killed{number}' for number in range(200)]
        victim = self.owner(f'weighd:limit:{{run {keys[0]}}}')
        mine = [key for key in keys if self.owner(f'weighd:limit:{{run {key}}}') is victim][:3]
        other = next(key for key in keys
                     if self.owner(f'weighd:limit:{{run {key}}}') is not victim)
        runs = [Run(self.talk, key) for key in mine]
        beside = Run(self.talk, other)
        for run in runs:
            run.until(lambda run=run: len(run.used) >= 200)
        safe = [len(run.used) for run in runs]
        on_replicas(victim, 1, f'mark{{run {mine[0]}}}')
        victim.stop(signal.SIGKILL)
        for run in runs:
            run.until(lambda run=run: run.failed > 0)
        # the others are not hurt: until the cluster itself stops serving, for a moment
        for run in runs:
            after = len(run.used)
            run.until(lambda run=run, after=after: len(run.used) >= after + 200)
        for run, count in zip(runs, safe):
            run.end()
            run.check(count)
        beside.until(lambda: len(beside.used) >= 100)
        beside.end()
        assert any(' is down' in text for text in self.talk.said), self.talk.said

    def killed_comes_back(self):
        """As a replica of the one that took over; nobody asks it for what it had."""
        dead = next(server for server in self.servers if not server.is_running())
        dead.start()
        dead.wait_until('follows', lambda: dead.info('role') == 'slave' and
                        dead.info('master_link_status') == 'up')
        run = Run(self.talk, 'killed0')
        before = run.counted()
        run.until(lambda: len(run.used) >= 100)
        run.end()
        assert run.failed == 0 and run.counted() == before + len(run.used)

    def tls(self):
        """Two nodes that speak TLS alone; one of them is configured, the other is heard of."""
        folder = self.world.folder / 'certificates'
        folder.mkdir()
        authority(folder, 'ours')
        certificate(folder, 'node', 'IP:127.0.0.1', 'ours')
        nodes = []
        for number in range(2):
            own = self.world.folder / f'tls{number}'
            own.mkdir()
            node = Redis(own, {
                'cluster-enabled': 'yes', 'cluster-config-file': 'nodes.conf', 'tls-cluster': 'yes',
                'tls-cert-file': folder / 'node.crt', 'tls-key-file': folder / 'node.key',
                'tls-ca-cert-file': folder / 'ours.crt', 'tls-auth-clients': 'no'})
            node.options.update({'port': 0, 'tls-port': node.port})
            self.world.servers.append(node)
            node.start()
            node('CLUSTER', 'ADDSLOTSRANGE', number * 8192, number * 8192 + 8191)
            nodes.append(node)
        nodes[0]('CLUSTER', 'MEET', '127.0.0.1', nodes[1].port)
        for node in nodes:
            node.wait_until('cluster is whole',
                            lambda node=node: 'cluster_state:ok' in node('CLUSTER', 'INFO'))
        talk = Talk(address=nodes[0], mode='cluster', tls=1, ca=folder / 'ours.crt')
        self.talks.append(talk)
        names = [talk.send('count', 'tls', f'user{number}', '2/1h') for number in range(40)]
        answers = {talk.wait(name)[0] for name in names}
        assert answers == {'known 1/1h'}, (answers, talk.said)
        assert all(int(node('DBSIZE')) > 5 for node in nodes)


TESTS = [
    ('keys of all nodes, from the first moment', Scenarios.counts_everywhere),
    ('lists what all nodes have', Scenarios.lists),
    ('erases wherever it is', Scenarios.erases),
    ('a slot is moved in the middle of a run', Scenarios.slot_moves),
    ('a master is killed in the middle of a run', Scenarios.master_is_killed),
    ('it comes back as a replica', Scenarios.killed_comes_back),
    ('TLS between all', Scenarios.tls),
]


if __name__ == '__main__':
    sys.exit(redis_servers.main(TESTS, Scenarios))
