"""weighd on a Redis Cluster and behind Sentinel, with attempts under way all the time.

A slot is moved, masters are killed and frozen.  What must hold: each request is answered, while
the slots are down by the statement's rule; nothing is counted twice; and what was acknowledged is
there.  A failover takes what had not reached the replica: Redis acknowledges before that.  So the
test lets one moment be known to be on the replicas (WAIT, which weighd does not use), and holds
the masters that failed to that moment, all others to all.

WEIGHD names the program.
"""

import pathlib
import re
import selectors
import signal
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / 'abuse'))

import daemon  # noqa: E402
import redis_servers  # noqa: E402
import servers  # noqa: E402
import stores  # noqa: E402
from redis_servers import Cluster, Redis, Watched, on_replicas, slot_of  # noqa: E402

STREAMS = 16
PAUSE_S = 0.005  # so that what fails at once is not asked all the time
PATIENCE_S = 90  # only ends what is lost
BATCH = 200


def config(where, answer_timeout='2s'):
    return stores.CONFIG % (f'redis {where} {{{{ connect_timeout 2s, '
                            f'answer_timeout {answer_timeout} }}}}')


def state(answer):
    """("new", 17) of an answer; ("new", None) where nobody knows how much was counted."""
    match = re.fullmatch(rb'action=DEFER_IF_PERMIT 4\.7\.1 (\w+) (\d+|unknown)\n\n', answer)
    assert match, answer
    return match[1].decode(), None if match[2] == b'unknown' else int(match[2])


class Stream:
    """A client that asks again and again: each request is a new triplet, and counts for it."""

    def __init__(self, weighd, number):
        self.number = number
        self.sender = f'c{number}@example.org'
        self.tally = f'weighd:limit:{{hits {self.sender}}}'
        self.client = weighd.connect()
        self.sent = 0
        self.answers = []  # "new", "uncounted" or "failed", in the order of the requests
        self.used = []     # how much was counted, as long as it was said
        self.buffer = b''

    def address(self, index):
        return stores.address(self.number << 16 | index)

    def triplet(self, index):
        return f'weighd:greylist:{{{self.address(index)} {self.sender} bob@example.com}}'

    def request(self, index):
        self.sent += 1
        return daemon.request(client_address=self.address(index), sender=self.sender)

    def ask(self):
        self.client.sendall(self.request(len(self.answers)))

    def take(self):
        """What has come; True: an answer."""
        part = self.client.recv(4096)
        assert part, 'weighd has closed a connection'
        self.buffer += part
        if not self.buffer.endswith(b'\n\n'):
            return False
        answer, self.buffer = self.buffer, b''
        if answer == stores.FAILING:
            self.answers.append('failed')
            return True
        have, used = state(answer)
        assert have == 'new', f'{self.triplet(len(self.answers))} is {have}'
        self.answers.append('uncounted' if used is None else 'new')
        if used is not None:
            assert used <= self.sent, (self.sender, used, self.sent)
            self.used.append(used)
        return True

    def is_well(self, count):
        """Were its last answers good?"""
        return len(self.answers) >= count and set(self.answers[-count:]) == {'new'}


class Traffic:
    """Streams, in a thread of their own; first is the number of the first."""

    def __init__(self, weighd, first):
        self.streams = [Stream(weighd, first + number) for number in range(STREAMS)]
        self.fault = None
        self.is_ending = False
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        try:
            self._exchange()
        except Exception as fault:
            self.fault = fault

    def _exchange(self):
        open_count = len(self.streams)
        with selectors.DefaultSelector() as selector:
            for stream in self.streams:
                selector.register(stream.client, selectors.EVENT_READ, stream)
                stream.ask()
            while open_count > 0:
                ready = selector.select(PATIENCE_S)
                assert ready, 'requests are not answered'
                answered = [key.data for key, _ in ready if key.data.take()]
                time.sleep(PAUSE_S)
                if self.is_ending:
                    open_count -= len(answered)
                    continue
                for stream in answered:
                    stream.ask()

    def until(self, what, is_true):
        def check():
            if self.fault:
                raise self.fault
            return is_true()
        servers.wait_for(what, check, PATIENCE_S)

    def go_on(self, count=100):
        """So many answers more for each."""
        want = [len(stream.answers) + count for stream in self.streams]
        self.until('it goes on', lambda: all(
            len(stream.answers) >= least for stream, least in zip(self.streams, want)))

    def until_well(self):
        self.until('all is well', lambda: all(stream.is_well(50) for stream in self.streams))

    def failures(self):
        return sum(stream.answers.count('failed') + stream.answers.count('uncounted')
                   for stream in self.streams)

    def mark(self):
        """How far each stream is, in answers and in counts."""
        return {stream: (len(stream.answers), max(stream.used, default=0))
                for stream in self.streams}

    def end(self):
        self.is_ending = True
        self.thread.join(PATIENCE_S)
        assert not self.thread.is_alive() and not self.fault, self.fault
        for stream in self.streams:
            assert stream.sent == len(stream.answers), 'a request is not answered'

    def close(self):
        for stream in self.streams:
            stream.client.close()


class Held:
    """What was acknowledged is there: all of it, but of a key that is_hurt() what the mark has."""

    def __init__(self, traffic, mark, is_hurt):
        self.streams = traffic.streams
        self.mark = mark
        self.is_hurt = is_hurt
        self.lost = self.checked = 0

    def check(self):
        for start in range(0, max(len(stream.answers) for stream in self.streams), BATCH):
            asked = []
            for stream in self.streams:
                indices = [index for index in range(start, min(start + BATCH, len(stream.answers)))
                           if stream.answers[index] != 'failed']
                if indices:
                    stream.client.sendall(b''.join(map(stream.request, indices)))
                    asked.append((stream, indices))
            for stream, indices in asked:
                have = daemon.answers(stream.client, len(indices))
                for index, answer in zip(indices, have, strict=True):
                    self.triplet(stream, index, answer)
        return self

    def triplet(self, stream, index, answer):
        have, used = state(answer)
        safe = self.mark[stream][0]
        may_be_lost = index >= safe and self.is_hurt(stream.triplet(index))
        assert have == 'early' or (have == 'new' and may_be_lost), \
            f'{stream.triplet(index)}: {have}, number {index}, {safe} are safe'
        self.lost += have == 'new'
        self.checked += 1
        self.count(stream, used)

    def count(self, stream, used):
        """It goes on from where it was, and says no more than was asked for."""
        safe = self.mark[stream][1] if self.is_hurt(stream.tally) else max(stream.used)
        assert safe < used <= stream.sent, (stream.tally, safe, used, stream.sent)

    def say(self):
        print(f'# {self.checked} acknowledged, {self.lost} of them lost by the failover')


class Scenarios:
    def __init__(self, world):
        self.world = world
        self.running = []
        self.streams = 0
        self.cluster = self.watched = None

    def close(self):
        for weighd, traffic in self.running:
            traffic.close()
            assert weighd.end() == 0

    def run(self, where, answer_timeout='2s'):
        """weighd with its traffic."""
        weighd = daemon.Weighd(config(where, answer_timeout))
        traffic = Traffic(weighd, self.streams)
        self.streams += STREAMS
        self.running.append((weighd, traffic))
        traffic.go_on()
        return weighd, traffic

    def run_on_cluster(self, answer_timeout='2s'):
        if self.cluster is None:
            self.cluster = Cluster(self.world)
        first, second = [server for server in self.cluster.servers if server.is_running()][:2]
        return self.run(f'cluster [127.0.0.1:{first.port}, 127.0.0.1:{second.port}]',
                        answer_timeout)

    def end(self, weighd, traffic, mark, is_hurt):
        """All is as before: what was acknowledged, and what the daemon says of itself."""
        traffic.until_well()
        traffic.end()
        held = Held(traffic, mark, is_hurt).check()
        held.say()
        # a worker without a client, too, which tries now and then
        servers.wait_for('nothing is down', lambda: b'"is_down":0' in weighd.control(
            b'{"verb":"store","do":"figures"}'))
        traffic.close()
        assert weighd.end() == 0
        self.running.remove((weighd, traffic))

    def slot_of_cluster_moves(self):
        """No request fails, and nothing is lost or counted twice."""
        weighd, traffic = self.run_on_cluster()
        key = traffic.streams[0].tally
        source, target = self.cluster.begin_move(key)
        traffic.go_on()
        self.cluster.move_keys(key, source, target)
        traffic.go_on()
        self.cluster.end_move(key, source, target)
        traffic.go_on()
        assert traffic.failures() == 0, [set(stream.answers) for stream in traffic.streams]
        assert target('EXISTS', key) == 1
        self.end(weighd, traffic, traffic.mark(), lambda key: False)

    def fail(self, traffic, number):
        """A signal that ends or stops a master of the cluster; and what it hurts."""
        key = traffic.streams[1].tally
        victim = self.cluster.owner(key)
        slots = self.cluster.slots_of(victim)
        mark = traffic.mark()
        on_replicas(victim, 1, 'mark' + key[key.index('{'):])
        traffic.go_on(20)
        victim.send(number)
        traffic.until('some fail', lambda: traffic.failures() > 0)
        traffic.until_well()
        return victim, mark, lambda key: slot_of(key) in slots

    def master_of_cluster_dies(self):
        weighd, traffic = self.run_on_cluster()
        victim, mark, is_hurt = self.fail(traffic, signal.SIGKILL)
        victim.stop()
        traffic.go_on()
        victim.start()
        victim.wait_until('follows', lambda: victim.info('master_link_status') == 'up')
        traffic.go_on()
        self.end(weighd, traffic, mark, is_hurt)

    def master_of_cluster_freezes(self):
        """Another takes over; when it goes on nobody is told what it had."""
        weighd, traffic = self.run_on_cluster('300ms')
        victim, mark, is_hurt = self.fail(traffic, signal.SIGSTOP)
        victim.send(signal.SIGCONT)
        victim.wait_until('follows', lambda: victim.info('master_link_status') == 'up')
        traffic.go_on()
        self.end(weighd, traffic, mark, is_hurt)

    def master_of_sentinels_dies(self):
        self.watched = Watched(self.world)
        ports = ', '.join(f'127.0.0.1:{sentinel.port}' for sentinel in self.watched.sentinels)
        weighd, traffic = self.run(f'sentinel mail [{ports}]')
        mark = traffic.mark()
        on_replicas(self.watched.master, 2)
        traffic.go_on(20)
        self.watched.master.stop(signal.SIGKILL)
        traffic.until('all fail', lambda: all(
            stream.answers[-1] == 'failed' for stream in traffic.streams))
        self.end(weighd, traffic, mark, lambda key: True)

    def master_of_sentinels_steps_down(self):
        """As an administrator bids: the old one lives, and is read-only from now on.

        For a second both are masters; what the old one acknowledges then is lost with it.
        """
        weighd, traffic = self.run('sentinel mail ' +
                                   f'127.0.0.1:{self.watched.sentinels[2].port}')
        self.watched.master.start()
        master = self.watched.new_master()
        servers.wait_for('two replicas', lambda: master.info('connected_slaves') == '2')
        mark = traffic.mark()
        on_replicas(master, 2)

        def is_begun():
            try:
                return self.watched.sentinels[0]('SENTINEL', 'FAILOVER', 'mail') == 'OK'
            except redis_servers.RedisError:
                return False
        traffic.until('failover', is_begun)
        traffic.until('it steps down', lambda: master.info('role') == 'slave')
        self.end(weighd, traffic, mark, lambda key: True)

    def wrong_types(self):
        """What is none of ours under one key fails by the rule, for that key alone."""
        redis = self.world.make(Redis, 'single')
        weighd, traffic = self.run(f'127.0.0.1:{redis.port}')
        stranger = 'd@example.org'
        request = {'client_address': '192.0.2.1', 'sender': stranger}
        limit = f'weighd:limit:{{hits {stranger}}}'
        greylist = f'weighd:greylist:{{192.0.2.1 {stranger} bob@example.com}}'
        redis('RPUSH', limit, 'x')
        assert state(stores.ask(weighd, **request)) == ('new', None)
        redis('DEL', greylist)
        redis('HSET', greylist, 'x', 'y')
        assert stores.ask(weighd, **request) == stores.FAILING
        redis('DEL', limit)
        assert stores.ask(weighd, **request) == stores.FAILING
        redis('DEL', greylist)
        assert state(stores.ask(weighd, **request)) == ('new', 2)
        redis('SET', limit, 'window 1000 1 1+1')
        redis('SET', greylist, 'x')
        assert state(stores.ask(weighd, **request)) == ('new', 1)
        traffic.go_on()
        assert traffic.failures() == 0
        self.end(weighd, traffic, traffic.mark(), lambda key: False)


TESTS = [
    ('a slot of a cluster moves', Scenarios.slot_of_cluster_moves),
    ('a master of a cluster is killed', Scenarios.master_of_cluster_dies),
    ('a master of a cluster is frozen', Scenarios.master_of_cluster_freezes),
    ('the master of sentinels is killed', Scenarios.master_of_sentinels_dies),
    ('the master of sentinels steps down', Scenarios.master_of_sentinels_steps_down),
    ('wrong types under our keys', Scenarios.wrong_types),
]


if __name__ == '__main__':
    sys.exit(redis_servers.main(TESTS, Scenarios))
