"""A weighd of one's own for a test: started, spoken to, ended."""
import ctypes
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import tempfile

PATIENCE_S = 10
PR_CAPBSET_DROP, CAP_SYS_RESOURCE = 24, 24


def request(**attributes):
    """A request as Postfix sends it, with the attributes given changed or added."""
    values = {"request": "smtpd_access_policy", "protocol_state": "RCPT",
              "helo_name": "mx.example.org", "sender": "anna@example.org",
              "recipient": "bob@example.com", "client_address": "192.0.2.1"}
    values.update(attributes)
    lines = [name.encode() + b"=" + (value if isinstance(value, bytes) else value.encode())
             for name, value in values.items()]
    return b"\n".join(lines) + b"\n\n"


class Weighd:
    """The daemon with a configuration; {dir} in it stands for a folder of its own.

    prepare is called with that folder before the start; descriptors is how many files it may
    have open.
    """

    def __init__(self, config, workers=2, prepare=None, environment=None, descriptors=None):
        self.folder = tempfile.mkdtemp(prefix="weighd-abuse-")
        self.workers = workers
        self.environment = environment or {}    # more than ours
        self.descriptors = descriptors
        with open(self.path("weighd.conf"), "w", encoding="ascii") as file:
            file.write(config.format(dir=self.folder))
        if prepare is not None:
            prepare(self.folder)
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            [os.environ["WEIGHD"], "--config", self.path("weighd.conf"), "--workers",
             str(self.workers)],
            stderr=subprocess.PIPE, env={**os.environ, **self.environment},
            preexec_fn=self.prepare_process)
        self.log = []
        self.ports = []
        # The line that says it runs is the last of the start.
        while not self.log or " runs with " not in self.log[-1]:
            line = self.process.stderr.readline().decode()
            if not line:
                raise SystemExit("weighd did not start:\n" + "".join(self.log))
            self.log.append(line)
            found = re.search(r"listening on inet:\S*:(\d+)", line)
            if found:
                self.ports.append(int(found.group(1)))
        # Whatever it says from now on must not stop it.
        self.reader = subprocess.Popen(["cat"], stdin=self.process.stderr,
                                       stdout=open(self.path("log"), "ab"))

    def prepare_process(self):
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        if self.descriptors is not None:
            # Without this right, even root's limit stays.
            ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, CAP_SYS_RESOURCE, 0, 0, 0)
            resource.setrlimit(resource.RLIMIT_NOFILE, (self.descriptors, self.descriptors))

    def stop(self, number=signal.SIGTERM):
        """End it; the folder stays, and it can be started again there.  The exit status."""
        self.process.send_signal(number)
        status = self.process.wait(PATIENCE_S)
        self.reader.wait(PATIENCE_S)
        self.process.stderr.close()
        return status

    def path(self, name):
        return os.path.join(self.folder, name)

    def log_text(self):
        with open(self.path("log"), encoding="utf-8") as file:
            return file.read()

    def connect(self, listener=0, source=None, timeout=PATIENCE_S):
        """From source: it costs a port that nobody else gets for a minute."""
        return socket.create_connection(("127.0.0.1", self.ports[listener]), timeout,
                                        source and (source, 0))

    def connect_unix(self, name):
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(PATIENCE_S)
        client.connect(self.path(name))
        return client

    def control(self, line):
        """One line to the control socket, one line back."""
        with self.connect_unix("control.sock") as client:
            client.sendall(line + b"\n")
            return read_until(client, b"\n")

    def resident_bytes(self):
        with open(f"/proc/{self.process.pid}/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")

    def end(self):
        """SIGTERM, and the status it ends with."""
        status = self.stop()
        text = self.log_text()
        shutil.rmtree(self.folder)
        if status != 0:
            print("# " + text[-4000:].replace("\n", "\n# "))
        return status


def read_until(client, end):
    """What comes up to end; b"" where the other side closes before."""
    data = b""
    while not data.endswith(end):
        more = client.recv(65536)
        if not more:
            return b""
        data += more
    return data


def answer(client):
    return read_until(client, b"\n\n")


def answers(client, count):
    """As many answers as there were requests in a row; fewer where the other side closes."""
    data = b""
    while data.count(b"\n\n") < count:
        more = client.recv(65536)
        if not more:
            break
        data += more
    return [part + b"\n\n" for part in data.split(b"\n\n")[:-1]]


def is_closed(client):
    """Wait for the other side to close; an answer before that is none."""
    try:
        return client.recv(1) == b""
    except ConnectionResetError:
        return True
