"""A real Exim 4 with its own configuration, spool and ports.

The package is only unpacked, so the user that the program was built for and the library beside
it are made known to it alone: in a mount namespace of its own.
"""

import os
import pathlib
import re
import shutil
import subprocess

import servers

ROOT = servers.UNPACKED.parent / 'exim'
USER, USER_ID = 'Debian-exim', 65533
CONF = pathlib.Path(__file__).resolve().parent.parent.parent / 'conf' / 'exim'

CONFIG = '''
primary_hostname = mx.example.org
exim_path = {exim}
spool_directory = {folder}/spool
log_file_path = {folder}/log/%slog
pid_file_path = {folder}/spool/exim.pid
keep_environment =
add_environment = PATH=/usr/sbin:/usr/bin:/sbin:/bin
deliver_drop_privilege = true
daemon_smtp_ports = {greylistd_port} : {policy_port}
local_interfaces = 127.0.0.1
domainlist local_domains = example.org
domainlist relay_to_domains =
hostlist relay_from_hosts = 127.0.0.99
host_lookup =
tls_advertise_hosts =
smtp_accept_max_per_host = 0
acl_smtp_rcpt = ${{if eq{{$received_port}}{{{greylistd_port}}}{{greylistd_rcpt}}{{policy_rcpt}}}}
acl_smtp_data = ${{if eq{{$received_port}}{{{greylistd_port}}}{{greylistd_data}}{{policy_data}}}}
begin acl
greylistd_rcpt:
.include {folder}/greylistd-rcpt.acl
accept
greylistd_data:
.include {folder}/greylistd-data.acl
accept
policy_rcpt:
.include {folder}/policy-rcpt.acl
accept
policy_data:
.include {folder}/policy-data.acl
accept
begin routers
here:
  driver = accept
  domains = +local_domains
  transport = folder
begin transports
folder:
  driver = appendfile
  directory = {folder}/mail
  maildir_format
  create_directory
  return_path_add
'''


class Exim(servers.Server):
    """Asks weighd with the shipped ACLs: at one port in greylistd's words, at the other in
    Postfix's protocol."""

    def __init__(self, folder, socket, port):
        super().__init__(folder, 'exim')
        self.program = ROOT / 'usr' / 'sbin' / 'exim4'
        if not self.program.exists():
            raise servers.Missing(f'exim4 is not unpacked in {ROOT}')
        if os.geteuid() != 0:
            raise servers.Missing('Exim needs a user and a library of its own: root only')
        self.greylistd_port, self.policy_port = servers.free_port(), servers.free_port()
        for name in ('spool', 'log', 'mail'):
            (folder / name).mkdir()
            os.chown(folder / name, USER_ID, USER_ID)
        self._write_acls(socket, port)
        self._write_system()
        (folder / 'exim.conf').write_text(CONFIG.format(
            exim=self.program, folder=folder, greylistd_port=self.greylistd_port,
            policy_port=self.policy_port))

    def _write_acls(self, socket, port):
        """The shipped files; only where weighd is found differs."""
        for name in ('greylistd-rcpt', 'greylistd-data', 'policy-rcpt', 'policy-data'):
            text = (CONF / f'{name}.acl').read_text()
            text, count = re.subn(r'/var/run/greylistd/socket\}|inet:127\.0\.0\.1:12525\}',
                                  (f'{socket}}}' if name.startswith('greylistd')
                                   else f'inet:127.0.0.1:{port}}}'), text)
            assert count > 0, name
            (self.folder / f'{name}.acl').write_text(text)

    def _write_system(self):
        for name, line in (('passwd', f'{USER}:x:{USER_ID}:{USER_ID}::/:/usr/sbin/nologin\n'),
                           ('group', f'{USER}:x:{USER_ID}:\n')):
            (self.folder / name).write_text(pathlib.Path('/etc', name).read_text() + line)
        libraries = next((ROOT / 'usr' / 'lib').glob('*-linux-gnu'))
        (self.folder / 'ld.conf').write_text(f'include /etc/ld.so.conf\n{libraries}\n')
        subprocess.run([shutil.which('ldconfig') or '/sbin/ldconfig', '-X', '-C', 'ld.cache',
                        '-f', 'ld.conf'], cwd=self.folder, check=True)
        (self.folder / 'run').write_text(f'''#!/bin/sh
# run PROGRAM ...: with Exim's user and libraries
exec unshare -m sh -c 'cd {self.folder} && mount --bind passwd /etc/passwd &&
mount --bind group /etc/group && mount --bind ld.cache /etc/ld.so.cache && exec "$0" "$@"' "$@"
''')
        (self.folder / 'sendmail').write_text(
            f'#!/bin/sh\nexec {self.folder}/run {self.program} -C {self.folder}/exim.conf "$@"\n')
        for name in ('run', 'sendmail'):
            (self.folder / name).chmod(0o755)
        try:
            subprocess.run([self.folder / 'run', 'true'], check=True, capture_output=True)
        except subprocess.CalledProcessError as error:
            raise servers.Missing(f'no mount namespace: {error.stderr.decode()}')

    def start(self):
        self.start_process([self.folder / 'run', self.program, '-C', self.folder / 'exim.conf',
                            '-bdf'])
        self.wait_until('listens', lambda: servers.accepts(self.policy_port) and
                        servers.accepts(self.greylistd_port))

    def log(self):
        return super().log() + ''.join(path.read_text(errors='replace')
                                       for path in sorted((self.folder / 'log').iterdir()))

    def messages(self):
        folder = self.folder / 'mail' / 'new'
        return [path.read_text(errors='replace') for path in folder.iterdir()] \
            if folder.exists() else []
