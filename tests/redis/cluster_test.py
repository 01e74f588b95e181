"""The driver and a real Redis Cluster: three masters, three replicas.

A slot is moved and a master killed in the middle of a run.  What must hold: nothing is counted
twice; a moved slot loses nothing; a failover loses nothing that was on the replica.
REDIS_TALK names the program.
"""

import signal
import sys

import redis_servers
from redis_servers import Cluster, Redis, Talk, on_replicas
from sentinel_test import Run
from single_test import authority, certificate


class Scenarios:
    def __init__(self, world):
        self.world = world
        self.cluster = Cluster(world)
        self.servers = self.cluster.servers
        self.talk = Talk(address=self.servers[:2], mode='cluster')
        self.talks = [self.talk]

    def close(self):
        for talk in self.talks:
            talk.close()

    def counts_everywhere(self):
        """Keys of all nodes, at once, before anything is known of the map."""
        talk = Talk(address=self.servers[5], mode='cluster')  # a replica
        self.talks.append(talk)
        names = [talk.send('count', 'out', f'user{number}', '2/1h') for number in range(300)]
        answers = {talk.wait(name)[0] for name in names}
        assert answers == {'known 1/1h'}, answers
        assert all(master('DBSIZE') > 50 for master in self.cluster.masters())

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
        run = Run(self.talk, 'moved')
        run.until(lambda: len(run.used) >= 300)
        source, target = self.cluster.begin_move(key)
        run.until(lambda: len(run.used) >= 600)
        self.cluster.move_keys(key, source, target)
        run.until(lambda: len(run.used) >= 900)  # by ASK
        self.cluster.end_move(key, source, target)
        run.until(lambda: len(run.used) >= 1200)
        run.end()
        assert run.failed == 0, run.failed
        assert sorted(run.used) == list(range(1, len(run.used) + 1))
        assert run.counted() == len(run.used)
        assert target('EXISTS', key) == 1

    def master_is_killed(self):
        keys = [f'killed{number}' for number in range(200)]
        victim = self.cluster.owner(f'weighd:limit:{{run {keys[0]}}}')
        mine = [key for key in keys if self.cluster.owner(f'weighd:limit:{{run {key}}}') is victim][:3]
        other = next(key for key in keys
                     if self.cluster.owner(f'weighd:limit:{{run {key}}}') is not victim)
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
