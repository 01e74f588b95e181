"""What the tests of a daemon with a store share: its policy, its clients, and the cases' count."""
import ctypes
import ctypes.util
import os
import pathlib
import re
import shutil
import signal
import sys
import tempfile
import time
import traceback

from daemon import Weighd, answer, request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "redis"))
import redis_servers  # noqa: E402
import servers  # noqa: E402

# Every answer says what the store has: the state of the triplet, and how much was counted.
# "open" passes where the store fails, all others are deferred.
CONFIG = """
listen inet:127.0.0.1:0 policy keep
control {dir}/control.sock
store %s
resolver 127.0.0.1:1
log stderr
mode enforce
policy keep {{
    limit hits by sender 1000000/1d
    greylist for 1h by client_address, sender, recipient no trust if recipient.local = "open"
    greylist for 1h by client_address, sender, recipient no trust failing defer "4.3.0 no memory" \
"4.7.1 ${{greylist.state}} ${{hits.used}}" if recipient.local != "open"
}}
"""
SQLITE = CONFIG % 'sqlite "{dir}/store/state.db"'

FAILING = b"action=450 4.3.0 no memory\n\n"
DUNNO = b"action=DUNNO\n\n"


class Skip(Exception):
    """The case cannot be tried here; says why."""


def must(truth, what):
    if not truth:
        raise AssertionError(what)


def until(what, is_true, seconds=30):
    """Until is_true() is; the deadline only ends what is lost."""
    return servers.wait_for(what, is_true, seconds)


def asker(weighd):
    """A connection that stays as long as the process does."""
    pid, client = getattr(weighd, "asker", (None, None))
    if pid != weighd.process.pid:
        if client is not None:
            client.close()
        client = weighd.connect()
        weighd.asker = weighd.process.pid, client
    return client


def ask(weighd, **attributes):
    """One request, one answer."""
    client = asker(weighd)
    client.sendall(request(**attributes))
    return answer(client)


def state(have):
    """("new", 17) of an answer by CONFIG."""
    match = re.fullmatch(rb"action=DEFER_IF_PERMIT 4\.7\.1 (\w+) (\d*)\n\n", have)
    must(match, f"an odd answer: {have!r}")
    return match[1].decode(), int(match[2] or 0)


def touch(weighd, number, **attributes):
    """The state of triplet number: each is of another client."""
    return state(ask(weighd, client_address=address(number), **attributes))[0]


def address(number):
    return f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


# --- places for a store ---

MS_RDONLY, MS_REMOUNT, MS_REC, MS_PRIVATE, CLONE_NEWNS = 1, 32, 1 << 14, 1 << 18, 0x00020000


class Memory:
    """A small file system in memory at {dir}/store, mounted where nobody else sees it."""

    libc = ctypes.CDLL(ctypes.util.find_library("c"), use_errno=True)
    is_private = False

    def __init__(self, size="1m"):
        self.size = size
        self.folder = None

    @classmethod
    def _mount(cls, folder, kind, flags, options=None):
        if cls.libc.mount(b"none", folder.encode(), kind, ctypes.c_ulong(flags), options) != 0:
            raise Skip(f"mount: {os.strerror(ctypes.get_errno())}")

    def __call__(self, folder):
        """To be the prepare of a Weighd."""
        if os.geteuid() != 0:
            raise Skip("only root may mount")
        if not Memory.is_private:
            if self.libc.unshare(CLONE_NEWNS) != 0:
                raise Skip(f"unshare: {os.strerror(ctypes.get_errno())}")
            self._mount("/", None, MS_REC | MS_PRIVATE)
            Memory.is_private = True
        self.folder = os.path.join(folder, "store")
        os.mkdir(self.folder, 0o700)
        self._mount(self.folder, b"tmpfs", 0, f"size={self.size},mode=700".encode())

    def remount(self, size, flags=0):
        self._mount(self.folder, b"tmpfs", MS_REMOUNT | flags, f"size={size}".encode())

    def end(self):
        if self.folder is not None:
            self.libc.umount2(self.folder.encode(), 2)  # MNT_DETACH


# --- cases ---

def run_case(number, name, case):
    """@return is it good?"""
    began = time.monotonic()
    try:
        case()
        print(f"ok {number} - {name}", flush=True)
    except (Skip, servers.Missing) as why:
        if os.environ.get("WEIGHD_E2E") == "required":
            print(f"not ok {number} - {name}\n# must not be skipped: {why}", flush=True)
            return False
        print(f"ok {number} - {name} # SKIP {why}", flush=True)
    except (Exception, SystemExit):     # the latter: a daemon that did not start
        print(f"not ok {number} - {name}")
        print("# " + traceback.format_exc().replace("\n", "\n# "), flush=True)
        return False
    print(f"# {time.monotonic() - began:.1f} s", flush=True)
    return True


def main(cases):
    if "WEIGHD" not in os.environ:
        raise SystemExit("WEIGHD names the program to be tried")
    signal.signal(signal.SIGTERM, signal.default_int_handler)   # what was started is ended
    print(f"1..{len(cases)}")
    return 0 if all([run_case(number, name, case)
                     for number, (name, case) in enumerate(cases, 1)]) else 1


class Running:
    """with Running(config) as weighd: ...; it must end well, and leaves no folder."""

    def __init__(self, config=SQLITE, **options):
        self.config, self.options = config, options

    def __enter__(self):
        self.weighd = Weighd(self.config, **self.options)
        return self.weighd

    def __exit__(self, kind, *_):
        weighd, prepare = self.weighd, self.options.get("prepare")
        is_running = weighd.process.poll() is None
        if kind is not None:
            print("# " + weighd.log_text()[-3000:].replace("\n", "\n# "))
        if hasattr(weighd, "asker"):
            weighd.asker[1].close()
        status = weighd.stop() if is_running else weighd.process.returncode
        if hasattr(prepare, "end"):
            prepare.end()
        shutil.rmtree(weighd.folder, ignore_errors=True)
        must(kind is not None or (is_running and status == 0),
             f"running at the end: {is_running}, status {status}")


class RunningRedis:
    """with RunningRedis() as redis: ..."""

    def __init__(self, options=None, is_started=True):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="weighd-redis-"))
        self.redis = redis_servers.Redis(self.folder, options)
        self.is_started = is_started

    def __enter__(self):
        servers.find("redis-server")
        if self.is_started:
            self.redis.start()
        return self.redis

    def __exit__(self, *_):
        self.redis.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
