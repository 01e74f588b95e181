"""rig.py -- what bench/run measures with: processes on their cores, their time, their memory."""

import datetime
import glob
import json
import os
import signal
import socket
import subprocess
import time

BENCH = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(BENCH)

# TEST-NET-1: no loopback address, so that weighd takes libunbound for it
FAR_DNS = "192.0.2.53"
FAR_LATE_DNS = "192.0.2.54"


def machine():
    model = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo")
                  if line.startswith("model name")), "unknown")
    commit = subprocess.run(["git", "-C", ROOT, "rev-parse", "--short", "HEAD"],
                            capture_output=True, text=True).stdout.strip() or "none yet"
    return (f"{datetime.date.today()}, commit {commit}; {model}, {os.cpu_count()} cores; "
            f"Linux {os.uname().release}; load {os.getloadavg()[0]:.1f}.")


def build():
    """A release build of its own, whatever the other build directories hold."""
    place = f"{ROOT}/build-bench"
    if not os.path.exists(f"{place}/build.ninja"):
        run("meson", "setup", place, ROOT, "-Dbuildtype=release")
    run("ninja", "-C", place, "weighd", "weighctl", "bench/load", "bench/echo",
        "bench/spf", "tests/support/fakedns")
    return place


def swallow_syslog():
    """A syslog that takes all and keeps nothing: its packets are dropped by the kernel."""
    sink = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sink.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sink.bind(("127.0.0.1", 514))
    return sink


class Failed(Exception):
    """Something that a benchmark cannot go on without."""


def cores():
    """The server's core, and the cores of those that make the load."""
    mine = sorted(os.sched_getaffinity(0))
    return {mine[0]}, set(mine[1:]) or {mine[0]}


def run(*argv, **options):
    done = subprocess.run(argv, capture_output=True, text=True, **options)
    if done.returncode != 0:
        raise Failed(f"{' '.join(argv)}: status {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def free_port(kind=socket.SOCK_STREAM):
    with socket.socket(socket.AF_INET, kind) as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def process_clock(pid):
    """CPU seconds of all threads of a process, to the nanosecond (clock_getcpuclockid)."""
    return time.clock_gettime((~pid << 3) | 2)


class Server:
    """A process that is measured, on a core of its own."""

    def __init__(self, argv, log, port=None, on=None, stdin=subprocess.DEVNULL, stdout=None):
        self.log = open(log, "ab")
        self.port = port
        self.began = time.monotonic()
        self.child = subprocess.Popen(
            argv, stdout=stdout or self.log, stderr=self.log, stdin=stdin,
            preexec_fn=lambda: os.sched_setaffinity(0, on or cores()[0]))
        self.pid = self.child.pid
        if port:
            try:
                self.await_port()
            except Failed:
                self.stop()
                raise

    def await_port(self):
        for _ in range(500):
            if self.child.poll() is not None:
                raise Failed(f"{self.child.args[0]} ended: {open(self.log.name).read()[-2000:]}")
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                time.sleep(0.02)
        raise Failed(f"{self.child.args[0]} does not listen")

    def pids(self):
        return [self.pid]

    def cpu_s(self):
        return sum(process_clock(pid) for pid in self.pids())

    def memory(self):
        """Rss, Pss and Private_Dirty in kilobytes."""
        found = {}
        for pid in self.pids():
            for line in open(f"/proc/{pid}/smaps_rollup"):
                name, _, rest = line.partition(":")
                if name in ("Rss", "Pss", "Private_Dirty"):
                    found[name] = found.get(name, 0) + int(rest.split()[0])
        return found

    def files(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def forget_log(self):
        os.truncate(self.log.name, 0)

    def stop(self):
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGTERM)
            try:
                self.child.wait(10)
            except subprocess.TimeoutExpired:
                self.child.kill()
                self.child.wait()
        self.log.close()
        return self.child.returncode


class Dns(Server):
    """The fake DNS; it shares the load's cores."""

    def __init__(self, programs, work, address="127.0.0.1", port=0, delay_ms=0, zone="--bench"):
        log = f"{work}/dns-{address}-{port}-{delay_ms}-{time.monotonic_ns()}.log"
        super().__init__([f"{programs}/tests/support/fakedns", "-a", address, "-p", str(port),
                          "-d", str(delay_ms), zone], log, on=cores()[1],
                         stdin=subprocess.PIPE)     # it ends with us
        self.said = 0           # lines we know
        self.address = f"{address}:{self.next_line()[1]}"

    def next_line(self):
        """The words of the next line that it says: port N, questions N udp N tcp N."""
        for _ in range(500):
            lines = open(self.log.name).read().split("\n")
            if len(lines) > self.said + 1:
                self.said += 1
                return lines[self.said - 1].split()
            time.sleep(0.01)
        raise Failed(f"fakedns: {open(self.log.name).read()}")

    def questions(self):
        """How many it has answered so far."""
        self.child.send_signal(signal.SIGUSR1)
        return int(self.next_line()[1])


CONFIG = """\
listen inet:127.0.0.1:{port} policy inbound
control {control}
resolver {resolver}
deadline {deadline}
mode enforce
log stderr
workers 1
store {store}
limits {{ {limits} }}
policy inbound {{
{policy}
}}
"""

CLASSIC = """\
    weigh classic {
        dnsbl bl1.example 3.25 0 DYN_PBL
        dnsbl bl2.example 4.35 -1.5 SBL_XBL
        dnsbl bl3.example 3.75 -1.5 SPAMCOP
        dnsbl bl4.example 4.35 0 IX_MANITU
        rhsbl bl5.example 4 0 SURBL
    }"""

NO_CACHES = CLASSIC.replace("    }", "        CACHESIZE 0\n        POSCACHESIZE 0\n    }")

SPF = """\
    weigh spf { fail 1 }
    reject "5.7.23 ${spf.explanation}" if not spf.pass
    prepend "$received_spf"
"""

# As Debian's daemons have it.
SPF_AND_HELO = """\
    weigh spf { fail 1 } of helo as helo_spf
    reject "5.7.23 ${helo_spf.explanation}" if helo_spf.fail
""" + SPF

# What stands in the way of 10,000 attempts at once from one address, raised.
CROWD = ("connections 12000, connections_per_source 12000, attempts 12000, questions 200000, "
         "questions_per_zone 200000, question_ms 60000")


class Weighd(Server):
    def __init__(self, programs, work, name, resolver, policy=CLASSIC, limits="", deadline="6s",
                 store="memory", on=None):
        port = free_port()
        config = f"{work}/{name}.conf"
        self.control = f"{work}/{name}.control"
        with open(config, "w") as out:
            out.write(CONFIG.format(port=port, control=self.control, resolver=resolver,
                                    policy=policy, limits=limits, deadline=deadline,
                                    store=store))
        self.ctl = f"{programs}/weighctl"
        super().__init__([f"{programs}/weighd", "--config", config], f"{work}/{name}.log", port,
                         on=on)

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), 30)

    def status(self):
        return json.loads(run(self.ctl, "status", "--control", self.control, "-j"))


class Echo(Server):
    def __init__(self, programs, work):
        port = free_port()
        super().__init__([f"{programs}/bench/echo", str(port)], f"{work}/echo.log", port)


# Perl, as policyd-weight wants it.  Its log goes by UDP to swallow_syslog().
OLD_CONFIG = """\
$NS = "{ns}"; $USER = "nobody"; $GROUP = "nogroup";
$LOCKPATH = "{work}/{name}.lock/"; $SPATH = $LOCKPATH."/polw.sock";
$PIDFILE = "{work}/{name}.pid"; $syslog_socktype = "udp"; $TCP_PORT = {port};
@dnsbl_score = ("bl1.example", 3.25, 0, "DYN_PBL", "bl2.example", 4.35, -1.5, "SBL_XBL",
    "bl3.example", 3.75, -1.5, "SPAMCOP", "bl4.example", 4.35, 0, "IX_MANITU");
@rhsbl_score = ("bl5.example", 4, 0, "SURBL");
"""


class PolicydWeight(Server):
    """Debian's policyd-weight with its master, its children and its cache."""

    def __init__(self, program, work, name, ns):
        port = free_port()
        config = f"{work}/{name}.conf"
        with open(config, "w") as out:
            out.write(OLD_CONFIG.format(ns=ns, work=work, name=name, port=port))
        os.chmod(config, 0o644)
        self.lock = f"{work}/{name}.lock/"
        super().__init__(["perl", program, "-f", config, "-D", "start"], f"{work}/{name}.log",
                         port)

    def pids(self):
        """All of its processes: they name themselves, and chdir below the lock directory."""
        found = [self.pid]
        for entry in os.listdir("/proc"):
            try:
                if entry.isdigit() and os.readlink(f"/proc/{entry}/cwd").startswith(self.lock):
                    found.append(int(entry))
            except OSError:
                pass
        return sorted(set(found))

    def stop(self):
        all_of_them = self.pids()       # the master is the oldest; it would make new children
        for pid in all_of_them:
            try:
                os.kill(pid, signal.SIGKILL)
            except OSError:
                pass
        return super().stop()


# As in spf.c; the clients of attempts.c are in the last record.
SPF_CACHED = """\
ttl 86400
negative-ttl 86400
*.example TXT v=spf1 ip4:203.0.113.0/24 include:_spf.big.test mx -all
_spf.big.test TXT v=spf1 include:_netblocks.big.test ~all
_netblocks.big.test TXT v=spf1 ip4:35.190.247.0/24 ip4:64.233.160.0/19 ip4:66.102.0.0/20 \
ip4:66.249.80.0/20 ip4:72.14.192.0/18 ip4:74.125.0.0/16 ip4:108.177.8.0/21 \
include:_more.big.test ~all
_more.big.test TXT v=spf1 ip6:2001:db8:4000::/36 ip6:2001:db8:8000::/36 ip4:100.64.0.0/10 ~all
"""

# Four TXT records, then an address.
SPF_CHAIN = 5
SPF_SHAPES = {"chain": "chain", "mx": "with mx"}


def spf_chain(shape, number):
    """The zone of one attempt; nothing that it asks serves another."""
    names = [f"{shape}{number}-{link}.example" for link in range(SPF_CHAIN - 1)]
    terms = [f"include:{name}" for name in names[1:]] + [f"a:host.{names[0]}"]
    mx = "mx " if shape == "mx" else ""
    lines = [f"host.{names[0]} A 198.51.100.7"]
    for name, term in zip(names, terms):
        lines += [f"{name} TXT v=spf1 {mx}{term} -all", f"{name} MX 10 mx.{name}",
                  f"mx.{name} A 203.0.113.1"]
    return lines


def spf_request(shape, number):
    return (f"request=smtpd_access_policy\nprotocol_state=RCPT\nprotocol_name=ESMTP\n"
            f"client_address=198.51.100.7\nclient_name=unknown\nreverse_client_name=unknown\n"
            f"helo_name=mx{number}.{shape}.test\nsender=anna@{shape}{number}-0.example\n"
            f"recipient=user@example.org\ninstance={shape}.{number}\n\n")


# A name server of its own, and no syslog.
PRIVATE = """\
mount --bind "$0" /etc/resolv.conf
[ ! -e /dev/log ] || mount --bind /dev/null /dev/log
exec "$@"
"""


class Spawned(Server):
    """One of Debian's SPF daemons below root, where its packages are unpacked.  It reads requests
    from its standard input, as spawn(8) of Postfix starts it."""

    def __init__(self, root, work, name, ns, *argv):
        resolv = f"{work}/{name}.resolv.conf"
        with open(resolv, "w") as out:
            out.write(f"nameserver {ns}\n")
        perl = ":".join([f"{root}/usr/share/perl5", *glob.glob(f"{root}/usr/lib/*/perl5/5.*")])
        self.mine, its = socket.socketpair()
        self.mine.settimeout(30)
        with its:
            super().__init__(["unshare", "-m", "sh", "-e", "-c", PRIVATE, resolv, "env",
                              f"PYTHONPATH={root}/usr/lib/python3/dist-packages",
                              f"PERL5LIB={perl}", *argv], f"{work}/{name}.log",
                             stdin=its, stdout=its)

    def connect(self):
        return self.mine.dup()


def ask(connection, request):
    """One request: the answer, and after how many milliseconds."""
    began = time.perf_counter()
    connection.sendall(request.encode())
    answer = b""
    while not answer.endswith(b"\n\n"):
        more = connection.recv(4096)
        if not more:
            raise Failed(f"no answer: {answer}")
        answer += more
    return answer.decode(), (time.perf_counter() - began) * 1000


def load(programs, server, *options, may_fail=False):
    """Put a load on a server: the load's report, and the server's CPU seconds as cpu_s."""
    before = server.cpu_s()
    done = subprocess.run([f"{programs}/bench/load", *map(str, options),
                           f"127.0.0.1:{server.port}"], capture_output=True, text=True,
                          preexec_fn=lambda: os.sched_setaffinity(0, cores()[1]))
    if not done.stdout:
        raise Failed(f"load {options}: {done.stderr}")
    report = json.loads(done.stdout)
    report["cpu_s"] = server.cpu_s() - before
    if done.returncode != 0 and not may_fail:
        raise Failed(f"answers are missing or wrong: {done.stdout}{done.stderr}")
    return report


class Held:
    """Idle connections."""

    def __init__(self, programs, server, count):
        self.child = subprocess.Popen(
            [f"{programs}/bench/load", "-H", "-c", str(count), f"127.0.0.1:{server.port}"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        if self.child.stdout.readline() != b"ready\n":
            raise Failed("idle connections")

    def close(self):
        self.child.stdin.close()
        self.child.wait()
