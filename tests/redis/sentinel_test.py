"""The driver and a real Sentinel: the master is killed in the middle of a run.

What must hold after a failover: nothing is counted twice, and nothing is lost that had reached
the replica which became master.  REDIS_TALK names the program.
"""

import re
import signal
import sys
import time

import redis_servers
import servers
from redis_servers import Redis, Sentinel, Talk, Watched, on_replicas

MOST = '1000000/1d'
UNDER_WAY = 40


class Run:
    """Counts of one key, some under way at any time."""

    def __init__(self, talk, key):
        self.talk = talk
        self.key = key
        self.names = []
        self.used = []   # what was acknowledged
        self.failed = 0  # perhaps counted
        self.refused = 0  # surely not: nobody was asked

    def step(self):
        while len(self.names) < UNDER_WAY:
            self.names.append(self.talk.send('count', 'run', self.key, MOST))
        for _ in range(UNDER_WAY // 2):
            self.take()

    def take(self):
        answer = self.talk.wait(self.names.pop(0))[0]
        known = re.match(r'known (\d+)/', answer)
        if known:
            self.used.append(int(known.group(1)))
        else:
            self.failed += 1
            time.sleep(0.002)  # it fails at once: not as often as it can

    def until(self, is_enough):
        servers.wait_for(f'{self.key}: enough', lambda: (self.step(), is_enough())[1], 60)

    def end(self):
        while self.names:
            self.take()

    def counted(self):
        """How much the server has counted now."""
        answer = self.talk.until('^known', 'rehearse', 'run', self.key, MOST, 0)
        return int(re.match(r'known (\d+)/', answer).group(1))

    def check(self, safe):
        """safe: so many had been acknowledged, and were on all replicas, before the fault."""
        have = self.counted()
        assert safe <= have, (safe, have)
        assert have <= len(self.used) + self.failed, (have, len(self.used), self.failed)
        # a number twice: what was acknowledged before the fault and lost by it
        lost = len(self.used) - len(set(self.used))
        assert lost <= len(self.used) - safe, (lost, len(self.used), safe)
        return have


class Scenarios:
    def __init__(self, world):
        self.world = world
        self.watched = Watched(world)
        self.master, self.sentinels = self.watched.master, self.watched.sentinels
        self.talk = Talk(address=self.sentinels, mode='sentinel', master='mail')
        self.talks = [self.talk]

    def close(self):
        for talk in self.talks:
            talk.close()

    def counts(self):
        answer = self.talk.ask('count', 'out', 'anna', '2/1h')
        assert answer == 'known 1/1h', answer

    def unknown_master(self):
        talk = Talk(address=self.sentinels, mode='sentinel', master='nobody',
                    connect_ms=500, answer_ms=500)
        self.talks.append(talk)
        answer = talk.ask('count', 'out', 'anna', '2/1h')
        assert answer.startswith('failed '), answer

    def dead_sentinel(self):
        """The first of the list is not there: the next is asked."""
        port = servers.free_port()
        talk = Talk(address=[f'127.0.0.1:{port}', *self.sentinels], mode='sentinel',
                    master='mail')
        self.talks.append(talk)
        talk.until('^known', 'count', 'out', 'bob', '2/1h')

    def passwords(self):
        """Sentinel and master want one, the same."""
        master = self.world.make(Redis, 'locked', {'requirepass': 'secret'})
        sentinel = self.world.make(Sentinel, 'locked-sentinel', master.port, {
            'requirepass': 'secret', 'sentinel auth-pass': 'mail secret'})
        good = Talk(address=sentinel, mode='sentinel', master='mail', password='secret')
        wrong = Talk(address=sentinel, mode='sentinel', master='mail', password='wrong',
                     connect_ms=500, answer_ms=500)
        self.talks += [good, wrong]
        good.until('^known', 'count', 'out', 'anna', '9999/1h')
        answer = wrong.ask('count', 'out', 'anna', '9999/1h')
        assert answer.startswith('failed '), answer

    def killed(self):
        run = Run(self.talk, 'killed')
        run.until(lambda: len(run.used) >= 500)
        safe = len(run.used)
        on_replicas(self.master, 2)
        run.until(lambda: len(run.used) >= safe + 200)
        self.master.stop(signal.SIGKILL)
        run.until(lambda: run.failed > 0)
        after = len(run.used)
        run.until(lambda: len(run.used) >= after + 500)
        run.end()
        run.check(safe)
        assert any(' is down' in text for text in self.talk.said), self.talk.said
        self.talk.wait_said('is back')

    def asked_to_fail_over(self):
        """The old master lives, and is a replica from now on (READONLY)."""
        self.master.start()
        master = self.watched.new_master()
        servers.wait_for('two replicas', lambda: master.info('connected_slaves') == '2')
        run = Run(self.talk, 'asked')
        run.until(lambda: len(run.used) >= 300)
        safe = len(run.used)
        on_replicas(master, 2)

        def is_begun():
            try:
                return self.sentinels[0]('SENTINEL', 'FAILOVER', 'mail') == 'OK'
            except redis_servers.RedisError:
                return False
        servers.wait_for('failover', lambda: (run.step(), is_begun())[1])
        run.until(lambda: master.info('role') == 'slave')
        after = len(run.used)
        run.until(lambda: len(run.used) >= after + 300)
        run.end()
        run.check(safe)


TESTS = [
    ('the master is found', Scenarios.counts),
    ('a name that no sentinel knows fails', Scenarios.unknown_master),
    ('a dead sentinel is passed over', Scenarios.dead_sentinel),
    ('passwords', Scenarios.passwords),
    ('the master is killed: nothing twice, nothing safe is lost', Scenarios.killed),
    ('the master steps down', Scenarios.asked_to_fail_over),
]


if __name__ == '__main__':
    sys.exit(redis_servers.main(TESTS, Scenarios))
