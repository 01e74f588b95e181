"""Real servers for end-to-end tests, each in a directory of its own, on loopback, on free ports.

Postfix, NSD, rbldnsd and unbound come from build/servers (unpacked by scripts/need) or, where
they are installed, from the system.  Nothing outside the test's directory is written.
"""

import os
import pathlib
import random
import re
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time

READY_S = 20

UNPACKED = pathlib.Path(os.environ.get('WEIGHD_SERVERS', 'build/servers')).absolute() / 'root'


class Missing(Exception):
    """Something that the test needs is not on this machine; says what."""


def find(program):
    """The path of a server: unpacked, or installed."""
    for folder in ('usr/sbin', 'usr/lib/postfix/sbin', 'usr/bin'):
        for root in (UNPACKED, pathlib.Path('/')):
            if os.access(root / folder / program, os.X_OK):
                return str(root / folder / program)
    raise Missing(f'{program} is neither unpacked in {UNPACKED} nor installed')


def library_path():
    """Where unpacked servers find the libraries that were unpacked with them."""
    folders = [UNPACKED / 'usr/lib/postfix', *(UNPACKED / 'usr/lib').glob('*-linux-gnu*')]
    return ':'.join(str(folder) for folder in folders)


def free_port():
    """A port that is free for TCP and UDP on 127.0.0.1 now.

    These servers cannot say which port the system gave them, so it is chosen here, below the
    range from which outgoing connections take theirs.
    """
    while True:
        address = ('127.0.0.1', random.randrange(16384, 32768))
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tcp, \
                socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            try:
                tcp.bind(address)
                udp.bind(address)
            except OSError:
                continue
            return address[1]


def wait_for(what, is_true, seconds=READY_S):
    """Until is_true() is; the deadline only ends a test that is lost."""
    end = time.monotonic() + seconds
    while True:
        value = is_true()
        if value:
            return value
        if time.monotonic() > end:
            raise TimeoutError(f'{what}: not within {seconds} s')
        time.sleep(0.02)


def accepts(port):
    try:
        socket.create_connection(('127.0.0.1', port), 1).close()
        return True
    except OSError:
        return False


def answers_dns(port, name):
    """Does a DNS server answer for name, whatever it says, without SERVFAIL?"""
    labels = b''.join(bytes([len(label)]) + label.encode() for label in name.split('.') if label)
    query = struct.pack('>6H', 0x4711, 0x0100, 1, 0, 0, 0) + labels + b'\0' + b'\0\1\0\1'
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.settimeout(0.5)
        try:
            udp.connect(('127.0.0.1', port))
            udp.send(query)
            answer = udp.recv(4096)
        except OSError:
            return False
    return len(answer) >= 12 and answer[3] & 15 != 2


class Server:
    """A process that the test started, its log, and its end."""

    def __init__(self, folder, name):
        self.name = name
        self.folder = folder
        self.log_path = folder / f'{name}.log'
        self.process = None

    def start_process(self, arguments, user=None, environment=None):
        as_user = {'user': user, 'group': user_group(user), 'extra_groups': []} \
            if user and os.geteuid() == 0 else {}
        with open(self.log_path, 'ab') as log:
            self.process = subprocess.Popen(
                arguments, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env={**os.environ, **(environment or {})}, start_new_session=True, **as_user)

    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def wait_until(self, what, is_true):
        def check():
            if not self.is_running():
                raise RuntimeError(f'{self.name} ended early ({self.process.returncode}):\n'
                                   f'{self.log()}')
            return is_true()
        wait_for(f'{self.name}: {what}', check)

    def send(self, number):
        self.process.send_signal(number)

    def stop(self, number=signal.SIGTERM):
        """End the process and all it started; says its exit status."""
        if self.process is None:
            return None
        if self.is_running():
            self.process.send_signal(number)
        try:
            status = self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = self.process.wait()
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process = None
        return status

    def log(self):
        return self.log_path.read_text(errors='replace') if self.log_path.exists() else ''


def user_group(user):
    import grp
    import pwd
    return grp.getgrgid(pwd.getpwnam(user).pw_gid).gr_name


class Nsd(Server):
    """One root zone: whatever is not in it does not exist."""

    def __init__(self, folder, records):
        super().__init__(folder, 'nsd')
        self.port = free_port()
        (folder / 'root.zone').write_text(
            '$TTL 300\n'
            '. SOA ns.example. hostmaster.example. 1 3600 600 86400 300\n'
            '. NS ns.example.\n'
            'ns.example. A 127.0.0.1\n' + records)
        (folder / 'nsd.conf').write_text(f'''
server:
    ip-address: 127.0.0.1@{self.port}
    server-count: 1
    username: ""
    chroot: ""
    zonesdir: "{folder}"
    database: ""
    pidfile: ""
    xfrdfile: "{folder}/xfrd.state"
    zonelistfile: "{folder}/zone.list"
    xfrdir: "{folder}"
remote-control:
    control-enable: no
zone:
    name: .
    zonefile: root.zone
''')

    def start(self):
        self.start_process([find('nsd'), '-d', '-c', self.folder / 'nsd.conf'], 'nobody',
                           {'LD_LIBRARY_PATH': library_path()})
        self.wait_until('answers', lambda: answers_dns(self.port, 'ns.example'))


class Rbldnsd(Server):
    """Address lists; zones: {'bl.example': ('ip4set', text), ...}; several may share a name."""

    def __init__(self, folder, zones):
        super().__init__(folder, 'rbldnsd')
        self.port = free_port()
        self.zones = []
        for number, (zone, kind, text) in enumerate(zones):
            (folder / f'{number}.{kind}').write_text(text)
            self.zones.append(f'{zone}:{kind}:{number}.{kind}')

    def start(self):
        self.start_process([find('rbldnsd'), '-n', '-b', f'127.0.0.1/{self.port}',
                            '-w', self.folder, *self.zones],
                           'nobody', {'LD_LIBRARY_PATH': library_path()})
        name = self.zones[0].split(':')[0]
        self.wait_until('answers', lambda: answers_dns(self.port, name))


class Unbound(Server):
    """The resolver on loopback: the lists from rbldnsd, the rest of the world from NSD."""

    def __init__(self, folder, nsd_port, lists, rbldnsd_port):
        super().__init__(folder, 'unbound')
        self.port = free_port()
        stub = '\nstub-zone:\n    name: "{}"\n    stub-addr: 127.0.0.1@{}\n'
        (folder / 'unbound.conf').write_text(f'''
server:
    interface: 127.0.0.1
    port: {self.port}
    do-ip6: no
    do-daemonize: no
    do-not-query-localhost: no
    use-syslog: no
    logfile: ""
    username: ""
    chroot: ""
    directory: "{folder}"
    pidfile: ""
    module-config: "iterator"
    unblock-lan-zones: yes
    local-zone: "2.0.192.in-addr.arpa." nodefault
    local-zone: "100.51.198.in-addr.arpa." nodefault
    local-zone: "113.0.203.in-addr.arpa." nodefault
    local-zone: "8.b.d.0.1.0.0.2.ip6.arpa." nodefault
    local-zone: "test." nodefault
    local-zone: "invalid." nodefault
    cache-max-negative-ttl: 1
    infra-host-ttl: 1
remote-control:
    control-enable: no
''' + stub.format('.', nsd_port) + ''.join(stub.format(zone, rbldnsd_port) for zone in lists))

    def start(self):
        self.start_process([find('unbound'), '-d', '-p', '-c', self.folder / 'unbound.conf'],
                           'nobody', {'LD_LIBRARY_PATH': library_path()})
        self.wait_until('resolves', lambda: answers_dns(self.port, 'ns.example'))


class Weighd(Server):
    """The daemon under test, without privileges."""

    def __init__(self, folder, program, config):
        super().__init__(folder, 'weighd')
        self.program = program
        self.config = folder / 'weighd.conf'
        self.write(config)
        if os.geteuid() == 0:
            shutil.chown(folder, 'nobody')

    def write(self, config):
        self.config.write_text(config)
        ports = re.findall(r'^listen\s+inet:127\.0\.0\.1:(\d+)', config, re.M)
        self.port = int(ports[0]) if ports else None

    def start(self):
        self.start_process([self.program, '--config', self.config, '--workers', '2'], 'nobody')
        self.wait_until('listens', lambda: accepts(self.port))


class Postfix(Server):
    """A Postfix with its own configuration, queue, data and port.

    Mail for example.org is delivered to maildirs; clients on loopback may say by XCLIENT who
    they are.  policy: what check_policy_service asks; services: further lines of master.cf.
    """

    # Postfix wants an owner who is neither root nor the user that programs run as; where the
    # package is only unpacked its own user does not exist, and none is made.
    OWNERS = (('postfix', 'postdrop'), ('daemon', 'mail'))

    def __init__(self, folder, policy, services=''):
        super().__init__(folder, 'postfix')
        if os.geteuid() != 0:
            raise Missing("Postfix's master runs as root only")
        self.port = free_port()
        self.mail = folder / 'mail'
        self.owner, self.group = self._owners()
        for name in ('config', 'queue', 'data', 'mail'):
            (folder / name).mkdir()
        shutil.chown(folder / 'data', self.owner)
        shutil.chown(self.mail, 'nobody', user_group('nobody'))
        self._make_queue()
        self.configure(policy, services)

    def _owners(self):
        import grp
        import pwd
        for user, group in self.OWNERS:
            try:
                pwd.getpwnam(user)
                grp.getgrnam(group)
                return user, group
            except KeyError:
                continue
        raise Missing('no user for Postfix')

    def _make_queue(self):
        queue = self.folder / 'queue'
        for name in ('active', 'bounce', 'corrupt', 'defer', 'deferred', 'flush', 'hold',
                     'incoming', 'private', 'saved', 'trace'):
            (queue / name).mkdir(mode=0o700)
            shutil.chown(queue / name, self.owner)
        for name, mode in (('maildrop', 0o730), ('public', 0o710)):
            (queue / name).mkdir()
            shutil.chown(queue / name, self.owner, self.group)
            (queue / name).chmod(mode)
        (queue / 'pid').mkdir()

    def configure(self, policy, services):
        smtpd = os.path.dirname(find('smtpd'))
        config = self.folder / 'config'
        (config / 'main.cf').write_text(f'''
compatibility_level = 3.6
myhostname = mx.example.org
mydestination =
mynetworks = 127.0.0.2/32
inet_interfaces = 127.0.0.1
inet_protocols = all
queue_directory = {self.folder}/queue
data_directory = {self.folder}/data
daemon_directory = {smtpd}
command_directory = {os.path.dirname(find('postconf'))}
shlib_directory = {smtpd}/..
meta_directory = {config}
mail_owner = {self.owner}
setgid_group = {self.group}
default_privs = nobody
import_environment = MAIL_CONFIG TZ LANG=C LD_LIBRARY_PATH={library_path()}
maillog_file = {self.folder}/maillog
maillog_file_prefixes = {self.folder}
alias_maps =
local_recipient_maps =
virtual_mailbox_domains = example.org
virtual_mailbox_base = {self.mail}
virtual_mailbox_maps = static:all/
virtual_uid_maps = static:65534
virtual_gid_maps = static:65534
smtpd_authorized_xclient_hosts = 127.0.0.1
smtpd_peername_lookup = no
smtpd_delay_reject = yes
smtpd_relay_restrictions =
smtpd_recipient_restrictions =
    reject_unauth_destination,
    check_policy_service {{ {policy}, default_action=DUNNO }}
smtpd_client_connection_count_limit = 0
smtpd_error_sleep_time = 0
ipc_idle = 5s
''')
        (config / 'master.cf').write_text(f'''
127.0.0.1:{self.port} inet n - n - 4 smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
proxymap unix - - n - - proxymap
retry unix - - n - - error
error unix - - n - - error
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
{services}''')

    def start(self):
        self.start_process([find('master'), '-d', '-c', self.folder / 'config'],
                           environment={'LD_LIBRARY_PATH': library_path(),
                                        'MAIL_CONFIG': str(self.folder / 'config')})
        self.wait_until('listens', lambda: accepts(self.port))

    def log(self):
        maillog = self.folder / 'maillog'
        return super().log() + (maillog.read_text(errors='replace') if maillog.exists() else '')

    def messages(self):
        """Delivered messages, as text."""
        folder = self.mail / 'all' / 'new'
        return [path.read_text(errors='replace') for path in folder.iterdir()] \
            if folder.exists() else []


class World:
    """A directory for all servers of one test; ends what was started, in reverse order."""

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix='weighd-'))
        self.folder.chmod(0o755)
        self.servers = []

    def make(self, kind, name, *arguments):
        folder = self.folder / name
        folder.mkdir()
        folder.chmod(0o755)
        if os.geteuid() == 0 and kind in (Nsd, Unbound):
            shutil.chown(folder, 'nobody')
        server = kind(folder, *arguments)
        self.servers.append(server)
        server.start()
        return server

    def logs(self):
        return '\n'.join(f'--- {server.folder.name} ---\n{server.log()[-3000:]}'
                         for server in self.servers)

    def end(self):
        for server in reversed(self.servers):
            server.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
