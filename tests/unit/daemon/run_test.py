"""weighd as its users see it: options, --stdio, reload, tables, signals."""
import os
import pwd
import signal
import socket
import subprocess
import sys
import tempfile
import time

from daemon import PATIENCE_S, Weighd, answer, is_closed, read_until, request

RELOADS = 300
DUNNO = b"action=DUNNO\n\n"
NO = b"action=550 no\n\n"

CONFIG = """
listen inet:127.0.0.1:0 policy inbound
listen unix:{dir}/policy.sock mode 0660 policy inbound
control {dir}/control.sock
resolver 127.0.0.1:1
log stderr
mode enforce
table bad file "{dir}/bad"
policy inbound {{
    reject "no" if helo_name in bad
}}
"""


def must(truth, what="not so"):
    if not truth:
        raise AssertionError(what)


def eventually(question):
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        if question():
            return
        time.sleep(0.02)
    raise AssertionError("never so")


class Daemon(Weighd):
    """With a table of one row."""

    def __init__(self, config=CONFIG):
        self.table = None
        super().__init__(config)

    def path(self, name):
        path = super().path(name)
        if name == "weighd.conf" and self.table is None:
            self.table = os.path.join(self.folder, "bad")
            self.write("bad", "bad x\n")
        return path

    def write(self, name, text):
        with open(os.path.join(self.folder, name), "w", encoding="ascii") as file:
            file.write(text)

    def configure(self, text):
        self.write("weighd.conf", text.format(dir=self.folder))

    def ask(self, **attributes):
        with self.connect() as client:
            client.sendall(request(**attributes))
            return answer(client)

    def hang_up(self, want):
        before = self.log_text().count(want)
        self.process.send_signal(signal.SIGHUP)
        eventually(lambda: self.log_text().count(want) > before)


def run(*options, **more):
    return subprocess.run([os.environ["WEIGHD"], *options], capture_output=True, check=False,
                          timeout=PATIENCE_S, **more)


def in_file(text, function):
    with tempfile.TemporaryDirectory(prefix="weighd-run-") as folder:
        path = os.path.join(folder, "weighd.conf")
        with open(path, "w", encoding="ascii") as file:
            file.write(text)
        return function(path)


STDIO = 'resolver 127.0.0.1:1\nmode enforce\npolicy p {\n reject "no" if helo_name = "bad"\n}\n' \
        'policy q {\n}\n'


def test_options():
    must(run("--version").stdout.startswith(b"weighd "))
    must(b"--config FILE" in run("--help").stdout)
    must(run("--nonsense").returncode == 64)
    must(run("nonsense").returncode == 64)
    for number in ("0", "257", "x", ""):
        must(run("--workers", number).returncode == 64, number)


def test_check():
    must(run("--check").returncode == 0, "the built-in configuration")
    bad = in_file("lsiten x\n", lambda path: run("--check", "--config", path))
    must(bad.returncode == 78 and b":1:1: error:" in bad.stderr, bad)
    must(run("--check", "--config", "/nowhere/weighd.conf").returncode == 78)
    must(run("--check", "--config", "/dev/null").returncode == 78)


def test_start_refused():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        text = f"listen inet:127.0.0.1:{taken.getsockname()[1]} policy p\npolicy p {{\n}}\n"
        done = in_file(text, lambda path: run("--config", path))
    must(done.returncode == 69 and b"cannot listen on inet:127.0.0.1" in done.stderr, done)


def test_stdio():
    def serve(data, *options):
        return in_file(STDIO, lambda path: run("--stdio", "--config", path, *options, input=data))
    done = serve(request(helo_name="bad") + request())
    must((done.returncode, done.stdout) == (0, NO + DUNNO), done)
    done = serve(request(helo_name="bad"), "--policy", "q")
    must((done.returncode, done.stdout) == (0, DUNNO), done)
    must(serve(b"", "--policy", "none").returncode == 78)
    must(serve(b"").returncode == 0)
    must(serve(request()[:-1]).stdout == b"")


def test_stdio_file():
    def serve(path):
        with tempfile.TemporaryFile() as file:
            file.write(request(helo_name="bad") * 3)
            file.seek(0)
            return run("--stdio", "--config", path, stdin=file)
    done = in_file(STDIO, serve)
    must((done.returncode, done.stdout) == (0, NO * 3), done)


def test_stdio_store():
    """spawn(8) starts many: none of them may keep the daemon from its file."""
    with tempfile.TemporaryDirectory() as folder:
        store = f'store sqlite "{folder}/kept/state.db"\n'
        done = in_file(store + STDIO, lambda path: run("--stdio", "--config", path,
                                                       input=request(helo_name="bad")))
        must((done.returncode, done.stdout) == (0, NO), done)
        must(os.listdir(folder) == [] and b"store" not in done.stderr, done)


def test_reload():
    daemon = Daemon()
    with daemon.connect() as kept:
        kept.sendall(request(helo_name="bad"))
        must(answer(kept) == NO)
        daemon.configure(CONFIG.replace('"no" if', '"never" if'))
        daemon.hang_up("configuration 2 runs")
        kept.sendall(request(helo_name="bad"))
        must(answer(kept) == b"action=550 never\n\n", "a kept connection, a new policy")
    must(daemon.end() == 0)


def test_bad_reload():
    daemon = Daemon()
    daemon.configure(CONFIG + "nonsense\n")
    daemon.hang_up("nothing was changed: configuration 1 runs on")
    must("error: no statement is called 'nonsense'" in daemon.log_text(), daemon.log_text())
    must(daemon.ask(helo_name="bad") == NO)
    have = daemon.control(b'{"verb":"reload"}')
    must(b'"ok":false' in have and b"nonsense" in have, have)
    daemon.configure(CONFIG)
    must(b'{"ok":true,"generation":2,' in daemon.control(b'{"verb":"reload"}'))
    must(daemon.end() == 0)


def test_listeners():
    """A reload opens new listeners, keeps equal ones, closes those that are gone."""
    daemon = Daemon()
    more = CONFIG.replace("unix:{dir}/policy.sock", "unix:{dir}/other.sock")
    with daemon.connect() as kept, daemon.connect_unix("policy.sock") as gone, \
            daemon.connect_unix("policy.sock") as begun:
        begun.sendall(request()[:40])
        for client in (kept, gone):
            client.sendall(request())
            must(answer(client) == DUNNO)
        daemon.configure(more)
        daemon.hang_up("configuration 2 runs")
        must(is_closed(gone), "a connection of a listener that is gone")
        begun.sendall(request()[40:])
        must(answer(begun) == DUNNO and is_closed(begun), "a request that had begun")
        kept.sendall(request())
        must(answer(kept) == DUNNO)
        with daemon.connect_unix("other.sock") as new:
            new.sendall(request())
            must(answer(new) == DUNNO)
        must(not os.path.exists(daemon.path("policy.sock")))
    must(daemon.end() == 0)


def test_listener_refused():
    """A listener that cannot be opened leaves all as it was."""
    daemon = Daemon()
    with open(daemon.path("in_the_way"), "w", encoding="ascii"):
        pass
    daemon.configure(CONFIG + "listen unix:{dir}/in_the_way policy inbound\n")
    daemon.hang_up("nothing was changed")
    must("cannot listen on unix:" in daemon.log_text())
    must(daemon.ask(helo_name="bad") == NO)
    must(daemon.end() == 0)


def test_resolver_reload():
    daemon = Daemon()
    daemon.configure(CONFIG.replace("127.0.0.1:1\n", "127.0.0.1:2\n"))
    daemon.hang_up("configuration 2 runs")
    must(daemon.ask(helo_name="bad") == NO)
    must(daemon.end() == 0)


def test_tables():
    """A table is read again when it changes; the rest of the configuration is not."""
    daemon = Daemon()
    daemon.configure("nonsense\n")
    daemon.write("bad", "other x\n")
    eventually(lambda: daemon.ask(helo_name="other") == NO)
    must(daemon.ask(helo_name="bad") == DUNNO)
    daemon.write("bad", "bad x\nother x\n")
    eventually(lambda: daemon.ask(helo_name="bad") == NO)
    must(daemon.end() == 0)


def test_shrunk_table():
    """A table that loses more than half of its rows is taken only when asked for."""
    daemon = Daemon()
    daemon.write("bad", "bad x\n" + "".join(f"h{i} x\n" for i in range(2000)))
    eventually(lambda: daemon.ask(helo_name="h1999") == NO)
    daemon.write("bad", "bad x\n")
    eventually(lambda: "shrinks from 2001 rows to 1" in daemon.log_text())
    must(daemon.ask(helo_name="h1999") == NO)
    daemon.hang_up("all read again")
    eventually(lambda: daemon.ask(helo_name="h1999") == DUNNO)
    must(daemon.end() == 0)


def test_drain():
    """SIGTERM: a request in work is answered, idle connections are closed."""
    deaf = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    deaf.bind(("127.0.0.1", 0))
    daemon = Daemon(CONFIG.replace("127.0.0.1:1\n", f"127.0.0.1:{deaf.getsockname()[1]}\n")
                    .replace("policy inbound {{", "deadline 2s\npolicy inbound {{\n"
                             "    weigh dnsbl list.example {{ listed 5 }}"))
    bad = request(helo_name="bad", client_address="unknown")
    with daemon.connect() as busy, daemon.connect() as begun, daemon.connect() as idle:
        begun.sendall(bad[:40])
        idle.sendall(request(helo_name="bad", client_address="unknown"))
        must(answer(idle) == NO)
        busy.sendall(request())
        eventually(lambda: b'"in_work":1' in daemon.control(b'{"verb":"status"}'))
        daemon.process.send_signal(signal.SIGTERM)
        must(is_closed(idle))
        begun.sendall(bad[40:])
        must(answer(begun) == NO and is_closed(begun), "a request that had begun")
        must(answer(busy) == DUNNO and is_closed(busy))
    must(daemon.end() == 0)


def test_stdout_of_status():
    daemon = Daemon()
    daemon.ask(helo_name="bad")
    have = daemon.control(b'{"verb":"status"}')
    for want in (b'"ok":true', b'"requests":1', b'"reject":1', b'"generation":1', b"inet:127.0.0.1"):
        must(want in have, have)
    must(os.stat(daemon.path("control.sock")).st_mode & 0o777 == 0o600)
    must(os.stat(daemon.path("policy.sock")).st_mode & 0o777 == 0o660)
    must(daemon.end() == 0)


def test_notify():
    """sd_notify(3): READY when it answers, RELOADING and READY around a reload, STOPPING."""
    with tempfile.TemporaryDirectory(prefix="weighd-run-") as folder:
        manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        manager.bind(os.path.join(folder, "notify"))
        manager.settimeout(PATIENCE_S)
        os.environ["NOTIFY_SOCKET"] = os.path.join(folder, "notify")
        try:
            daemon = Daemon()
        finally:
            del os.environ["NOTIFY_SOCKET"]
        must(manager.recv(999) == b"READY=1")
        daemon.process.send_signal(signal.SIGHUP)
        must(manager.recv(999).startswith(b"RELOADING=1\nMONOTONIC_USEC="))
        must(manager.recv(999) == b"READY=1")
        must(daemon.end() == 0)
        must(manager.recv(999) == b"STOPPING=1")


def test_no_control():
    """A control socket that cannot be is said, and mail is weighed all the same."""
    daemon = Daemon(CONFIG.replace("{dir}/control.sock", "{dir}/missing/control.sock"))
    must(any("weighctl cannot ask this daemon" in line for line in daemon.log), daemon.log)
    must(daemon.ask(helo_name="bad") == NO)
    must(daemon.end() == 0)


def status_of(process):
    """/proc/PID/status as a dictionary of lists."""
    with open(f"/proc/{process.pid}/status", encoding="ascii") as file:
        return {name: value.split() for name, value in
                (line.split(":", 1) for line in file if ":" in line)}


def test_rights_dropped():
    """As root with "user": every identity is the user's, and there is no way back."""
    if os.geteuid() != 0:
        print("# not root: no rights to drop, only no_new_privs is looked at")
    wanted = pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
    daemon = Daemon(CONFIG + f"user {wanted.pw_name}\n")
    status = status_of(daemon.process)
    must(status["Uid"] == [str(wanted.pw_uid)] * 4, status["Uid"])
    must(status["Gid"] == [str(wanted.pw_gid)] * 4, status["Gid"])
    must(status["NoNewPrivs"] == ["1"])
    if os.geteuid() == 0:
        must("0" not in status["Groups"], status["Groups"])
        must(int(status["CapEff"][0], 16) == 0 and int(status["CapPrm"][0], 16) == 0)
    must(daemon.ask(helo_name="bad") == NO)
    must(daemon.end() == 0)


def is_sanitized():
    with open(os.environ["WEIGHD"], "rb") as file:
        program = file.read()
    return b"__asan_init" in program or b"__tsan_init" in program


def test_many_reloads():
    """No answer is lost while configurations come and go, and nothing is kept of them."""
    daemon = Daemon()
    with daemon.connect() as kept:
        def turn():
            must(b'{"ok":true,' in daemon.control(b'{"verb":"reload"}'))
            kept.sendall(request(helo_name="bad"))
            must(answer(kept) == NO)
        for _ in range(100):
            turn()
        before = daemon.resident_bytes()
        for _ in range(RELOADS):
            turn()
        grown = daemon.resident_bytes() - before
    if is_sanitized():
        print("# sanitizers keep what is freed: leaks are theirs to find, growth is not looked at")
    else:
        must(grown < RELOADS * 1024, f"{grown} bytes grown in {RELOADS} reloads")
    must(daemon.end() == 0)


TESTS = [test_options, test_check, test_start_refused, test_stdio, test_stdio_file,
         test_stdio_store, test_reload, test_bad_reload, test_listeners, test_listener_refused,
         test_resolver_reload, test_tables, test_shrunk_table, test_drain, test_stdout_of_status,
         test_notify, test_no_control, test_rights_dropped, test_many_reloads]


def main():
    failed = 0
    print(f"1..{len(TESTS)}")
    for number, test in enumerate(TESTS, 1):
        try:
            test()
            print("ok", number, "-", test.__name__)
        except (AssertionError, OSError, subprocess.TimeoutExpired) as error:
            failed += 1
            print("not ok", number, "-", test.__name__)
            print("# " + f"{type(error).__name__}: {error}".replace("\n", "\n# "))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
